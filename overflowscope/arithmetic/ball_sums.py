"""Sums of balls along the last axis, by halves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.ball_array import (
    FIELDS,
    NOWHERE,
    TINY,
    UP,
    BallArray,
    Integers,
    add,
    leading,
    made,
    nonzero,
    scaled,
    where,
    zero,
)
from overflowscope.arithmetic.doubles import power_of_two, two_sum
from overflowscope.formats import Floats

SUM = 1.001 * 2.0**-106
"""Double-doubles summed by halving, in units of (D + 1)**2 A, D halvings, A the sum of magnitudes. After j of them low
parts add up to (j + 1) u A at most; the two roundings of the next are j u**2 A and (j + 1) u**2 A: D**2 + 2 D in
all."""
SUM1 = 1.001 * 2.0**-53
"""Doubles summed by halving, in units of D A: each halving rounds sums of A at most."""


def total(x: BallArray) -> BallArray:
    """The sum along the last axis, which stays with length 1. Where exact numbers stand beside others they are added
    apart: the others may only move their sum to one side."""
    if x.radius is None:
        return _total(x)
    exact = (x.radius == 0) & (x.hi != 0)
    if not exact.any():
        return _total(x)
    found, mixed = _total(x), exact.any(axis=-1) & (x.radius != 0).any(axis=-1)
    if not mixed.any():
        return found
    part = x.each(lambda field: field[mixed])
    apart = add(_total(where(exact[mixed], part, None)), _total(where(exact[mixed], None, part)))
    return _replaced(found, mixed, apart)


def _replaced(x: BallArray, rows: NDArray[np.bool_], by: BallArray) -> BallArray:
    """x with these rows taken from ``by``, which has them alone."""

    def field(name: str) -> Any:
        old, new = getattr(x, name), getattr(by, name)
        if old is new is None:
            return None
        values = np.zeros(x.shape, (new if old is None else old).dtype) if old is None else old.copy()
        values[rows] = 0 if new is None else new
        return values

    return made([field(n) for n in FIELDS], x.words)


def _total(x: BallArray) -> BallArray:
    """The sum by halving again and again."""
    n, exponent = x.shape[-1], None
    hi, lo, radius = x.hi, x.lo, zero(x.radius)
    if x.exponent is not None:
        lead = leading(x)
        exponent = lead.max(axis=-1, keepdims=True)
        exponent = np.where(exponent == NOWHERE, 0, exponent)
        hi, lo, radius = _terms(x, x.exponent - exponent)
    # NumPy's own sum of n numbers of one sign is off by n u of it at most.
    sums = [np.sum(np.broadcast_to(v, x.shape), axis=-1, keepdims=True) for v in (radius, np.abs(hi))]
    around, magnitude = (v * (1 + n * 2.0**-52) for v in sums)
    terms = hi
    hi, lo, halvings = _halved(hi, lo, words=x.words)
    unit = SUM1 * halvings if lo is None else SUM * (halvings + 1) ** 2
    # Integers below 2**53 are added without error in any order.
    whole = (around == 0) & (magnitude < 2.0**53) & (x.lo is None or not x.lo.any())
    if whole.any():
        whole = whole & (terms == np.rint(terms)).all(axis=-1, keepdims=True)
    radius = (around + np.where(whole, 0.0, magnitude * unit)) * UP
    if lo is not None:
        hi, lo = two_sum(hi, lo)
    return BallArray(hi, lo, radius, exponent, None, x.words)


def _terms(x: BallArray, shift: Integers) -> tuple[Floats, Floats | None, Any]:
    """The balls scaled to the unit of their sum: quickly where they are as exp leaves them, |hi| in [1, 2) or 0.

    Then what is scaled by at least 2**-900 keeps its hi; all else that is lost is less than TINY, and TINY times a
    radius, and stands in the radius of every ball that has one or is scaled further.
    """
    up, size = shift > 0, np.abs(x.hi)
    as_exp = np.max(size) < 2 and np.count_nonzero(size >= 1) == np.count_nonzero(size)
    if not as_exp or nonzero(x)[up].any() or (x.lo is not None and _loose(x)):
        hi, lo, radius, _ = scaled(x, shift)
        return hi, lo, radius
    # Zeros may have any exponent.
    shift = np.minimum(shift, 0)
    factor = power_of_two(shift)
    radius = zero(x.radius)
    moved = TINY * ((radius != 0) | ((shift < -900) & (x.hi != 0)))
    return x.hi * factor, None if x.lo is None else x.lo * factor, radius * (factor + TINY) + moved


def _loose(x: BallArray) -> bool:
    """Whether a ball without a radius has a low part."""
    return bool(np.any((zero(x.lo) != 0) & (zero(x.radius) == 0)))


def _halved(hi: Floats, lo: Floats | None, words: int) -> tuple[Floats, Floats | None, int]:
    """The last axis added up to length 1, with the sums of what each addition lost unless one word is enough."""
    single = words == 1 and lo is None
    n, halvings = hi.shape[-1], 0
    if n == 1:
        return hi, lo, 0
    high = hi.copy(order="K")
    low = np.zeros(()) if single else np.zeros_like(high) if lo is None else lo.copy(order="K")
    while n > 1:
        half = n // 2
        a, b = high[..., :half], high[..., half : 2 * half]
        if single:
            np.add(a, b, out=a)
        else:
            s, e = two_sum(a, b)
            low[..., :half] = e + (low[..., :half] + low[..., half : 2 * half])
            a[...] = s
        if n % 2:
            high[..., half] = high[..., n - 1]
            if not single:
                low[..., half] = low[..., n - 1]
        n, halvings = half + n % 2, halvings + 1
    return high[..., :1], None if single else low[..., :1], halvings
