"""A check to text, one form a file: each has ``render(check, look)`` and sees records only."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from overflowscope.errors import unknown
from overflowscope.records.check import Check
from overflowscope.report import Look
from overflowscope.report.check._sentences import figures

__all__ = ["figures", "forms", "render"]


def forms() -> list[str]:
    """The names of the forms there are."""
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def render(form: str, found: Check, look: Look) -> str:
    """The check in that form, ending in a newline. Raises InputError for a form not known."""
    if form not in forms():
        raise unknown("format", form, forms())
    return cast(str, importlib.import_module(f"{__name__}.{form}").render(found, look))
