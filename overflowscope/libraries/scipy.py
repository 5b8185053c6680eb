"""scipy: functions of an array and an axis. It has no gradients."""

from __future__ import annotations

from typing import Any

from overflowscope.libraries import Library, only, required, resolved


def load(variant: str) -> Library:
    """SciPy as it is installed. Raises InputError where it is not."""
    only("scipy", variant)
    return Library("scipy", required("scipy", "scipy").__version__, value)


def value(name: str, logits: Any, labels: Any = None) -> Any:
    """``scipy.special.softmax(logits, axis=-1)``, and its like."""
    return resolved(name)(logits, axis=-1)
