"""Arrays of balls: double-double midpoints, a binary exponent and a rigorous radius per element; their + - x /.

An element is the real numbers within ``radius * 2**exponent`` of ``(hi + lo) * 2**exponent``; with a ``side`` of 1 or
-1 they lie strictly above or below the midpoint. An infinite midpoint is an exact infinity (a mask). What balls
cannot hold they give up: the radius is then infinite or nan, and what is made of it too.

u is 2**-53. Every constant of a radius stands below and is proved where it is used. A computed radius is a sum of
products of non-negative doubles, with less than 2**6 roundings on any path: UP covers them. Midpoints of one word
(``words``) cost half and serve formats of up to 24 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.doubles import (
    add_pairs,
    binade,
    fast_two_sum,
    power_of_two,
    two_prod,
    two_sum,
)
from overflowscope.formats import Floats

Integers = NDArray[np.int64]

UP = 1 + 2.0**-46
TINY = 2.0**-998
"""More than is lost where a ball is scaled below the range of doubles: see scaled."""
SMALL = 2.0**-900
"""Products below may have lost bits beyond the range of doubles."""
LEAST = 2.0**-1022
"""The smallest normal double."""
FAR = 2.0**-90
"""A summand so much smaller than an exact one only moves it to one side."""
NOWHERE = -(2**61)
"""The exponent of zero: below any other."""

ADD = 3.001 * 2.0**-106
"""Double-doubles added, in units of the sum: 3 u**2/(1 - 4u) (Joldes et al. 2017, Theorem 3.1)."""
MULTIPLY = 8.001 * 2.0**-106
"""Double-doubles multiplied, in units of the product p. Of (ah + al)(bh + bl), |al| <= u |ah|, the product ah bh = p
+ e is exact, |e| <= u |p|; c = ah bl + al bh takes three roundings, of u**2 |p|, u**2 |p| and 2 u**2 |p| at most; e +
c one of 3 u**2 |p|; al bl, u**2 |p|, is left out."""
MULTIPLY1 = 1.001 * 2.0**-53
"""Doubles multiplied, in units of the product: u."""
RECIPROCAL = 9.001 * 2.0**-106
"""Of h + l, in units of q = fl(1/h), which is off by u: the residual 1 - q h is a double, hence exact, and |q l| <=
u; so rho = (1 - q h) - q l, |rho| <= 2u, takes two roundings, u**2 and 2 u**2; 1/(h + l) = q (1 + rho + rho**2 + ...)
leaves out 4 u**2; q rho is rounded by 2 u**2."""


class BallArray:
    """An array of balls with the operators of an array.

    ``lo``, ``radius``, ``exponent``, ``side`` are None where they are 0 throughout; the others have the shape of
    ``hi``.
    """

    __slots__ = ("exponent", "hi", "lo", "radius", "side", "words")
    __array_ufunc__ = None

    def __init__(
        self,
        hi: Floats,
        lo: Floats | None = None,
        radius: Floats | None = None,
        exponent: Integers | None = None,
        side: NDArray[np.int8] | None = None,
        words: int = 2,
    ):
        self.hi, self.lo, self.radius, self.exponent, self.side, self.words = hi, lo, radius, exponent, side, words

    @property
    def shape(self) -> tuple[int, ...]:
        return self.hi.shape

    @property
    def doubles(self) -> bool:
        """Whether the balls are nothing but doubles."""
        return self.lo is None and self.radius is None and self.exponent is None

    def constant(self, value: str) -> BallArray:
        """The ball of an exact decimal or rational number, or of a constant by its name, without axes."""
        parts = NAMED.get(value) or _parts(Fraction(value))
        hi, lo, radius = (np.array(p) for p in parts)
        return BallArray(hi, lo if lo else None, radius if radius else None, words=self.words)

    def each(self, function: Callable[[Any], Any]) -> BallArray:
        """The same rearrangement of all fields."""
        fields = (self.hi, self.lo, self.radius, self.exponent, self.side)
        return made([None if f is None else function(f) for f in fields], self.words)

    def __getitem__(self, index: Any) -> BallArray:
        return self.each(lambda field: np.asarray(field[index]))

    def __neg__(self) -> BallArray:
        lo, side = None if self.lo is None else -self.lo, None if self.side is None else -self.side
        return BallArray(-self.hi, lo, self.radius, self.exponent, side, self.words)

    def __add__(self, other: BallArray) -> BallArray:
        return add(self, other)

    def __sub__(self, other: BallArray) -> BallArray:
        return add(self, -other)

    def __mul__(self, other: BallArray) -> BallArray:
        return multiply(self, other)

    def __truediv__(self, other: BallArray) -> BallArray:
        return multiply(self, reciprocal(other))


NAMED = {
    # log 2 = 0x1.62e42fefa39efp-1 + 0x1.abc9e3b39803fp-56 + r, |r| < 2**-109.9 log 2
    "ln2": (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"), 2.0**-110),
    # 1/log 2 likewise, |r| < 2**-110 / log 2
    "log2e": (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56"), 2.0**-109),
}
"""(hi, lo, radius) of the constants that are no rational numbers."""


FIELDS = ("hi", "lo", "radius", "exponent", "side")


def made(fields: list[Any], words: int) -> BallArray:
    hi, lo, radius, exponent, side = fields
    return BallArray(hi, lo, radius, exponent, side, words)


def _parts(value: Fraction) -> tuple[float, float, float]:
    hi = float(value)
    lo = float(value - Fraction(hi))
    rest = abs(value - Fraction(hi) - Fraction(lo))
    return hi, lo, float(rest) * UP + 2.0**-1074 if rest else 0.0


def where(condition: Any, a: BallArray | None, b: BallArray | None) -> BallArray:
    """a where the condition holds, else b; None is 0 throughout. Rows may be long."""

    def field(name: str) -> Any:
        va, vb = (None if v is None else getattr(v, name) for v in (a, b))
        return None if va is vb is None else np.where(condition, 0 if va is None else va, 0 if vb is None else vb)

    words = (a or b).words  # type: ignore[union-attr]
    fields = [field(n) for n in FIELDS]
    return made([None if f is None else np.broadcast_to(f, fields[0].shape) for f in fields], words)


def zero(field: Any) -> Any:
    """The field, 0 for None."""
    return 0.0 if field is None else field


# Addition


def add(a: BallArray, b: BallArray) -> BallArray:
    """a + b. Doubles are added without error; of an exact number and something FAR smaller the number stays, with the
    side on which the sum lies: a tie is decided by that sign and by nothing else."""
    if a.doubles and b.doubles:
        hi, lo = two_sum(a.hi, b.hi)
        beyond = None
        if not np.isfinite(lo).all():
            # Beside an infinity the low part is nan, and 0 is meant; finite numbers that overflow are given up.
            infinite = np.isinf(hi)
            lo = np.where(infinite, 0.0, lo)
            beyond = np.where(infinite & np.isfinite(a.hi) & np.isfinite(b.hi), np.inf, 0.0)
        return BallArray(hi, lo if lo.any() else None, beyond, words=a.words)
    (ah, al, ar, a_moved), (bh, bl, br, b_moved), exponent = _aligned(a, b)
    if al is bl is None:
        hi, lo = two_sum(ah, bh)
        lost: Any = 0.0
    else:
        hi, lo = add_pairs(ah, np.asarray(zero(al)), bh, np.asarray(zero(bl)))
        # Without low parts add_pairs is two_sum: nothing is lost.
        lost = np.abs(hi) * (ADD * ((zero(al) != 0) | (zero(bl) != 0)))
    radius = (zero(ar) + zero(br) + lost) * UP
    side = _kept_side(a, b, lost + a_moved + b_moved) if a.side is not None or b.side is not None else None
    first, second = (a, ah, al, ar), (b, bh, bl, br)
    for (exact, eh, el, er), (small, sh, _, sr) in ((first, second), (second, first)):
        if exact.radius is not None and np.min(exact.radius) > 0:
            continue
        size = (np.abs(sh) + zero(sr)) * UP
        far = size < np.abs(eh) * FAR
        if far.any():
            far = far & (zero(er) == 0)
            hi, lo = np.where(far, eh, hi), np.where(far, zero(el), lo)
            radius = np.where(far, size, radius)
            side = np.where(far, _sign(small), 0 if side is None else side).astype(np.int8)
    if not np.isfinite(hi).all():
        # An exact infinity stays one beside anything that has not been given up; with low parts it came out as nan.
        hi = np.where(np.isinf(ah) | np.isinf(bh), ah + bh, hi)
        infinite = np.isinf(hi)
        exact_one = (np.isinf(ah) & (zero(ar) == 0)) | (np.isinf(bh) & (zero(br) == 0))
        given_up = ~(exact_one & (zero(ar) + zero(br) < np.inf))
        lo, radius = np.where(infinite, 0.0, lo), np.where(infinite, np.where(given_up, np.inf, 0.0), radius)
        side = None if side is None else np.where(infinite, 0, side).astype(np.int8)
    side = None if side is None else np.broadcast_to(side, hi.shape)
    return BallArray(hi, lo, np.broadcast_to(radius, hi.shape), exponent, side, a.words)


def _kept_side(a: BallArray, b: BallArray, lost: Any) -> Any:
    """Where nothing is lost: that of one summand beside an exact one, or of both."""
    sa, sb = (0 if v.side is None else v.side for v in (a, b))
    agreed = (sa == sb) | ((sb == 0) & (zero(b.radius) == 0)) | ((sa == 0) & (zero(a.radius) == 0))
    return np.where((np.asarray(lost) == 0) & agreed, np.where(sa == 0, sb, sa), 0).astype(np.int8)


def _sign(a: BallArray) -> Any:
    """The sign of the numbers in a ball; 0 where they may have both, or be 0. (|lo| is at most u |hi|.)"""
    return np.where(np.abs(a.hi) > 2.0 * zero(a.radius), np.sign(a.hi), 0)


def _aligned(a: BallArray, b: BallArray) -> tuple[Any, Any, Integers | None]:
    """(hi, lo, radius, moved) of both (``scaled``) in units of one power of two, that of the larger; its exponent."""
    if a.exponent is None and b.exponent is None:
        return (a.hi, a.lo, a.radius, 0.0), (b.hi, b.lo, b.radius, 0.0), None
    shared = np.maximum(leading(a), leading(b))
    shared = np.where(shared == NOWHERE, 0, shared)
    one, other = (scaled(x, (0 if x.exponent is None else x.exponent) - shared) for x in (a, b))
    return one, other, shared


def scaled(x: BallArray, shift: Any) -> tuple[Any, Any, Any, Any]:
    """(hi, lo, radius, moved): the parts times 2**shift, and by how much that moved the midpoint at most.

    What falls below 2**-1022 is dropped or rounded, and everything that is scaled by less than 2**-2022: less than
    2**(1024 - 2022 - 1) and a little. What a double cannot be scaled up to is given up. The radius holds all that.
    """
    factor = power_of_two(shift)
    hi, lo, radius = x.hi, x.lo, zero(x.radius)
    if np.min(shift) >= 0 and np.max(shift) <= 1000 and np.max(np.abs(hi * factor)) < np.inf:
        # Scaled up, nothing is lost; |lo| is smaller than |hi|, and an infinite radius is one.
        return hi * factor, None if lo is None else lo * factor, radius * factor, 0.0
    far = np.asarray(shift) < -1022
    if far.any():
        # In two steps: 2**1023 may be scaled by 2**-1100.
        first, factor = np.where(far, 2.0**-1000, 1.0), power_of_two(np.where(far, shift + 1000, shift))
        hi, lo, radius = hi * first, None if lo is None else lo * first, radius * first
    hi, lo, radius = hi * factor, None if lo is None else lo * factor, radius * factor
    if far.any():
        hi = np.where(np.isinf(x.hi), x.hi, hi)
    lost: Any = (np.abs(hi) < LEAST) & (x.hi != 0)
    for before, after in ((x.lo, lo), (x.radius, radius)):
        if before is not None and after is not None:
            lost = lost | ((np.abs(after) < LEAST) & (before != 0))
    beyond = (shift > 0) & np.isfinite(x.hi) & nonzero(x) & ((shift > 1000) | np.isinf(hi))
    moved = np.where(beyond, np.inf, TINY * (lost & (shift < 0)))
    return hi, lo, radius + moved, moved


def leading(x: BallArray) -> Any:
    """The exponents of the leading bits; NOWHERE for zeros."""
    return np.where(x.hi == 0, NOWHERE, binade(x.hi) + (0 if x.exponent is None else x.exponent))


def nonzero(x: BallArray) -> Any:
    return x.hi != 0 if x.radius is None else (x.hi != 0) | (x.radius != 0)


def plain(x: BallArray) -> BallArray:
    """The same balls without exponents. What falls below the range of doubles is dropped and stands in the radius."""
    if x.exponent is None:
        return x
    hi, lo, radius, _ = scaled(x, x.exponent)
    return BallArray(hi, lo, radius * UP, None, None, x.words)


# Multiplication and division


def multiply(a: BallArray, b: BallArray) -> BallArray:
    """a b. For midpoints a', b': |a b - a' b'| <= |a'| rb + (|b'| + rb) ra. What is exact has no radius."""
    if a.hi.size < b.hi.size:
        a, b = b, a
    exponent = a.exponent if b.exponent is None else b.exponent if a.exponent is None else a.exponent + b.exponent
    ra, rb = zero(a.radius), zero(b.radius)
    if a.words == 1:
        # The low parts join the radii, and the product is rounded once.
        ra, rb = ra if a.lo is None else ra + np.abs(a.lo), rb if b.lo is None else rb + np.abs(b.lo)
        hi, lo, unit = a.hi * b.hi, None, MULTIPLY1
    else:
        hi, error = two_prod(a.hi, b.hi)
        hi, lo = fast_two_sum(hi, error + (a.hi * zero(b.lo) + zero(a.lo) * b.hi))
        unit = MULTIPLY
    size = np.abs(b.hi)
    # The second factors have the size of b, which often is one number a row.
    radius = np.abs(a.hi) * ((rb + size * unit) * UP) + ra * ((size + rb) * UP)
    if np.min(ra) == 0 == np.min(rb):
        exact = (ra == 0) & (rb == 0) & (two_prod(a.hi, b.hi)[1] == 0) & (zero(a.lo) == 0) & (zero(b.lo) == 0)
        radius = np.where(exact, 0.0, radius)
    side = None
    if np.any(_power_of_two(b.hi)):
        # Just below a power of two an ulp is half of that above: what is 1 times b keeps all that is known of b.
        same = (a.hi == 1) & (ra == 0) & (zero(a.lo) == 0)
        lo = np.where(same, zero(b.lo), zero(lo))
        radius = np.where(same, zero(b.radius), radius)
        side = None if b.side is None else np.where(same, b.side, 0).astype(np.int8)
    if not (np.min(hi) > SMALL and np.min(b.hi) > SMALL):
        # Products that small may have lost bits below 2**-1074, five times at most; their radii too, and the unit of
        # a small second factor.
        small = ((np.abs(hi) <= SMALL) | (size <= SMALL)) & nonzero(a) & nonzero(b)
        radius = np.where(small, radius * UP + (np.abs(hi) * (2 * unit) + 2.0**-1060), radius)
    if np.isinf(hi).any():
        radius = np.where(np.isinf(hi), np.inf, radius)
    exponent = None if exponent is None else np.broadcast_to(exponent, hi.shape)
    return BallArray(hi, lo, radius, exponent, side, a.words)


def _power_of_two(x: Floats) -> Any:
    return (x.view(np.int64) & (2**52 - 1)) == 0


def reciprocal(b: BallArray) -> BallArray:
    """1/b. |1/b - 1/b'| <= rb/b'**2 (1 + 2**-9) where rb < 2**-10 |b'|; others are given up. 1/b falls as b rises."""
    q = 1.0 / b.hi
    p, e = two_prod(q, b.hi)
    rho = ((1.0 - p) - e) - q * zero(b.lo)
    hi, lo = fast_two_sum(q, q * rho)
    rb = zero(b.radius)
    lost = np.abs(hi) * (RECIPROCAL * ((rho != 0) | (zero(b.lo) != 0)))
    # In this order nothing overflows; what is lost below 2**-1074 is made up for.
    radius = (hi * rb * hi * (1 + 2.0**-8) + lost) * UP + 2.0**-1060 * (rb != 0)
    # Beyond 2**900 a part of the product may be lost; nan compares false.
    kept = (rb < np.abs(b.hi) * 2.0**-10) & (np.abs(b.hi) < 2.0**900) & (np.abs(b.hi) > SMALL)
    radius = np.where(kept, radius, np.inf)
    side = None if b.side is None else np.where(kept & (rho == 0) & (zero(b.lo) == 0), -b.side, 0).astype(np.int8)
    return BallArray(hi, lo, radius, None if b.exponent is None else -b.exponent, side, b.words)
