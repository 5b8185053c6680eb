"""Rational numbers, exactly: the arithmetic of rows whose unmasked logits are all equal.

For rational logits, softmax and what is built from it are rational only where all unmasked logits are equal: exp of
distinct rational numbers are linearly independent over the rationals (Lindemann and Weierstrass). There exp(0) = 1,
exp(-inf) = 0, log(1) = 0 are all that is asked for; everything else raises Indeterminate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.intervals import Indeterminate


class RationalArray(np.ndarray[Any, Any]):
    """An object array of Fractions and infinities, the latter as floats; NumPy's own operators do the rest."""

    def constant(self, value: str) -> Fraction:
        """The exact decimal or rational number."""
        return Fraction(value)


class Rationals:
    """The namespace: the primitives over RationalArray."""

    arange = staticmethod(np.arange)
    max = staticmethod(np.max)
    sum = staticmethod(np.sum)
    argmax = staticmethod(np.argmax)
    take_along_axis = staticmethod(np.take_along_axis)

    def asarray(self, values: NDArray[np.float64]) -> RationalArray:
        """The numbers that doubles are, exactly; nan raises Indeterminate."""
        return _each(lambda v: Fraction(v) if math.isfinite(v) else v, np.asarray(values, np.float64))

    def where(self, condition: NDArray[np.bool_], a: Any, b: Any) -> RationalArray:
        return np.asarray(np.where(condition, a, b), object).view(RationalArray)

    def exp(self, x: RationalArray) -> RationalArray:
        return _looked_up({0: Fraction(1), -math.inf: Fraction(0), math.inf: math.inf}, x)

    def log(self, x: RationalArray) -> RationalArray:
        return _looked_up({1: Fraction(0), 0: -math.inf, math.inf: math.inf}, x)

    def log1p(self, x: RationalArray) -> RationalArray:
        return _looked_up({0: Fraction(0), math.inf: math.inf}, x)

    def __getattr__(self, name: str) -> NoReturn:
        raise Indeterminate(f"{name} of rational numbers")


def _looked_up(known: dict[float, Any], x: RationalArray) -> RationalArray:
    def one(value: Any) -> Any:
        if value not in known:
            raise Indeterminate(f"a function of {value} that may be irrational")
        return known[value]

    return _each(one, x)


def _each(function: Callable[[Any], Any], x: NDArray[Any]) -> RationalArray:
    result = np.asarray(np.frompyfunc(function, 1, 1)(x), object)
    if any(value != value for value in result.ravel().tolist()):
        raise Indeterminate("nan")
    return result.view(RationalArray)
