"""Arithmetics: namespaces on which the same formulation computes different things."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope import formats

NAMED = {
    "ln2": "0.693147180559945309417232121458176568075500134360255254120680009493393621969694715605863326996418687",
    "log2e": "1.44269504088896340735992468100189213742664595415298593413544940693110921918118507988552662289350634",
}
"""Irrational constants to 99 digits, from which every format rounds them as it would the number itself."""


def constant(x: Any, value: str) -> Any:
    """The exact decimal or rational number ``value``, or one of NAMED, in the arithmetic of the array ``x``.

    On an array of a format it is a scalar of that format, rounded once to nearest; an array class of ours answers for
    itself through its method ``constant``. Formulations write no bare numbers: ``x + 1e-12`` promotes an ml_dtypes
    array to float32, and on a reference the double 1e-12 is not the number that was meant.
    """
    own = getattr(x, "constant", None)
    return formats.constant(NAMED.get(value, value), formats.of(x.dtype)) if own is None else own(value)


def numbers(x: Any) -> formats.Floats:
    """The numbers in an array as float64, whatever arithmetic it is of."""
    own = getattr(x, "numbers", None)
    return np.asarray(x).astype(np.float64) if own is None else own


def held(x: Any, values: Any) -> Any:
    """Numbers rounded once to the format of the array ``x``, in its arithmetic: an array of their own shape."""
    own = getattr(x, "xp", None)
    if own is not None:
        return own.asarray(values)
    return formats.round_to(values, formats.of(x.dtype)).astype(x.dtype)
