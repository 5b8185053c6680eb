"""Records to text, one form a file: each has ``render(report, look)`` and sees records only."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import cast

from overflowscope.errors import unknown
from overflowscope.records import Report


@dataclass(frozen=True)
class Look:
    """Of a terminal: columns, whether colours are wanted, whether it can show more than ASCII."""

    width: int = 80
    color: bool = False
    ascii: bool = False


def forms() -> list[str]:
    """The names of the forms there are."""
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_") and not m.ispkg]


def render(form: str, report: Report, look: Look) -> str:
    """The report in that form, ending in a newline. Raises InputError for a form not known."""
    if form not in forms():
        raise unknown("format", form, forms())
    return cast(str, importlib.import_module(f"{__name__}.{form}").render(report, look))
