"""Arithmetics: namespaces on which the same formulation computes different things."""

from __future__ import annotations

from typing import Any

from overflowscope import formats


def constant(x: Any, value: str) -> Any:
    """The exact decimal or rational number ``value`` in the arithmetic of the array ``x``.

    On an array of a format it is a scalar of that format, rounded once to nearest; an array class of ours answers for
    itself through its method ``constant``. Formulations write no bare numbers: ``x + 1e-12`` promotes an ml_dtypes
    array to float32, and on a reference the double 1e-12 is not the number that was meant.
    """
    own = getattr(x, "constant", None)
    return formats.constant(value, formats.of(x.dtype)) if own is None else own(value)
