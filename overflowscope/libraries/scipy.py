"""SciPy: functions of an array and an axis."""

from __future__ import annotations

import importlib
from typing import Any

from overflowscope.libraries import Library, only, required


def load(variant: str) -> Library:
    """SciPy as it is installed. Raises InputError where it is not."""
    only("scipy", variant)
    return Library("scipy", required("scipy", "scipy").__version__, call)


def call(name: str, logits: Any, labels: Any = None) -> Any:
    """``scipy.special.softmax(logits, axis=-1)``, and its like."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)(logits, axis=-1)
