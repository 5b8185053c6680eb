"""Functions in the extended reals, by NumPy's names, composed of the operations of extended.py.

Lemma: an increasing f takes [lo, hi] to [f(lo), f(hi)], and an end that the operand misses is missed by the result.
Where an operand occurs once, or is narrow, composing enclosures loses little; where it occurs twice and may be wide,
ends are composed one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from mpmath.libmp import fone, from_int, fzero, mpf_ceil, mpf_cmp, mpf_floor, mpf_neg, mpf_nint, mpf_shift, mpf_sub

from overflowscope.arithmetic.extended import (
    INFINITE,
    NEGATIVE_INFINITE,
    ONE,
    UNDEFINED,
    ZERO,
    Extended,
    far,
    infinity,
    is_point,
    is_zero,
    sign,
    special,
    unknown,
)
from overflowscope.arithmetic.intervals import LINE, Element, Raw

HALF: Element = (mpf_shift(fone, -1),) * 2 + (False, False)
TWO: Element = (mpf_shift(fone, 1),) * 2 + (False, False)
MOST = 4096
"""Whole exponents up to which powers are products."""


def whole(n: int) -> Element:
    raw = from_int(n)
    return raw, raw, False, False


class Functions(Extended):
    """Every function is total: see extended.py for UNDEFINED and LINE."""

    def absolute(self, a: Element) -> Element:
        if special(a):
            return unknown(a) or INFINITE
        if not a[0][0]:
            return a
        if a[1][0] or a[1] == fzero:
            return self.negative(a)
        below, order = mpf_neg(a[0]), mpf_cmp(mpf_neg(a[0]), a[1])
        return fzero, a[1] if order < 0 else below, False, (a[2] or order < 0) and (a[3] or order > 0)

    def reciprocal(self, a: Element) -> Element:
        return self.divide(ONE, a)

    def square(self, a: Element) -> Element:
        return self._whole_power(a, 2)

    def hypot(self, a: Element, b: Element) -> Element:
        return self.sqrt(self.add(self.square(a), self.square(b)))

    def fmax(self, a: Element, b: Element) -> Element:
        """The other one where one has no value."""
        return b if a == UNDEFINED else a if b == UNDEFINED else self.maximum(a, b)

    def fmin(self, a: Element, b: Element) -> Element:
        return self.negative(self.fmax(self.negative(a), self.negative(b)))

    # Powers

    def power(self, a: Element, b: Element) -> Element:
        """As IEEE 754's pow: x**0 is 1 for every x, 0**y is 0 or inf, and so is x**inf; else exp(y log(x)).

        Of a negative number with an exponent that is not whole UNDEFINED.
        """
        if is_zero(b):
            return ONE
        if (lost := unknown(a, b)) is not None:
            return lost
        if special(b):
            return self._to_infinity(a, b == INFINITE)
        if is_point(b) and b[0][2] >= 0 and b[0][2] + b[0][3] < 64:
            return self._whole_power(a, int(-b[0][1] if b[0][0] else b[0][1]) << int(b[0][2]))
        rising = sign(b)
        if a in (INFINITE, ZERO):
            return LINE if rising is None else INFINITE if (a == INFINITE) == (rising > 0) else ZERO
        if sign(a) == -1 and not special(a):
            return UNDEFINED if is_point(b) else LINE
        if sign(a) == 1:
            return self.sqrt(a) if b == HALF else self.exp(self.multiply(b, self.log(a)))
        if special(a) or a[0][0] or rising != 1:
            return LINE
        # [0, h]: 0 for 0, and rising in the base.
        most = self.power((a[1], a[1], False, False), b)
        return LINE if special(most) else (fzero, most[1], a[2], most[3] or a[3])

    def _to_infinity(self, a: Element, rising: bool) -> Element:
        size = self.subtract(self.absolute(a), ONE)
        if (side := sign(size)) is None:
            return LINE
        return ONE if side == 0 else infinity(True) if (side > 0) == rising else ZERO

    def _whole_power(self, a: Element, n: int) -> Element:
        if (lost := unknown(a)) is not None or n == 0:
            return lost or ONE
        if n < 0:
            return self.divide(ONE, self._whole_power(a, -n))
        if special(a):
            return infinity(a == INFINITE or n % 2 == 0)
        if n % 2 == 0:
            a = self.absolute(a)
        if a[0][0] and (a[1][0] or a[1] == fzero):
            return self.negative(self._whole_power(self.negative(a), n))
        return self._rising(lambda x: self._product(x, n), a)

    def _product(self, a: Element, n: int) -> Element:
        """Of n times the same point, by repeated squaring; beyond MOST by exp and log."""
        if sign(a) == -1:
            return self.negative(self._product(self.negative(a), n))
        if n > MOST and not is_zero(a):
            return self.exp(self.multiply(whole(n), self.log(a)))
        result = ONE
        for digit in bin(n)[2:]:
            result = self.multiply(result, result)
            result = self.multiply(result, a) if digit == "1" else result
        return result

    def cbrt(self, a: Element) -> Element:
        """The sign times exp(log(|x|)/3)."""
        if sign(a) == -1:
            return self.negative(self.cbrt(self.negative(a)))
        if special(a) or sign(a) is None:
            return a if special(a) else LINE
        return a if is_zero(a) else self.exp(self.divide(self.log(a), whole(3)))

    # Exponentials and logarithms

    def exp2(self, a: Element) -> Element:
        """Exact at whole numbers."""
        if special(a) or any(end[2] + end[3] > 64 for end in a[:2]):
            return self.exp(self.multiply(a, self.ln2))
        return self.arithmetic.exp2(self._trimmed(a))

    def expm1(self, a: Element) -> Element:
        if special(a) or far(a[0]) or far(a[1]):
            return self.subtract(self.exp(a), ONE)
        return self.arithmetic.expm1(self._trimmed(a))

    def log1p(self, a: Element) -> Element:
        """log1p(-1) is -inf, below it UNDEFINED."""
        more = self.add(ONE, a)
        # At a >= 1 the rounding of 1 + a is no more than that of a; below, and near -1, arithmetic's own is wanted.
        if special(a) or sign(more) != 1 or more[0] == fzero or mpf_cmp(a[0], fone) >= 0:
            return self.log(more)
        return LINE if mpf_cmp(a[1], from_int(1 << 60)) > 0 else self.arithmetic.log1p(a)

    def log2(self, a: Element) -> Element:
        """Exact at powers of two."""
        if is_point(a) and a[0][:2] == (0, 1):
            return whole(int(a[0][2]))
        return self.divide(self.log(a), self.ln2)

    def log10(self, a: Element) -> Element:
        """Exact at powers of ten, which are 5**k 2**k."""
        if is_point(a) and not a[0][0] and 0 <= a[0][2] <= 1000 and a[0][1] == 5 ** int(a[0][2]):
            return whole(int(a[0][2]))
        return self.divide(self.log(a), self._ln10)

    def logaddexp(self, a: Element, b: Element) -> Element:
        """max + log1p(exp(min - max))."""
        return self._log_of_sum(a, b, self.exp, self.log1p)

    def logaddexp2(self, a: Element, b: Element) -> Element:
        return self._log_of_sum(a, b, self.exp2, lambda x: self.divide(self.log1p(x), self.ln2))

    def _log_of_sum(
        self, a: Element, b: Element, exp: Callable[[Element], Element], log1p: Callable[[Element], Element]
    ) -> Element:
        if (lost := unknown(a, b)) is not None:
            return lost
        if special(a) or special(b):
            return INFINITE if INFINITE in (a, b) else b if a == NEGATIVE_INFINITE else a
        most = self.maximum(a, b)
        return self.add(most, log1p(exp(self.subtract(self.minimum(a, b), most))))

    @property
    def ln2(self) -> Element:
        return self.arithmetic.ln2

    @functools.cached_property
    def _ln10(self) -> Element:
        return self.log(whole(10))

    # Hyperbolic functions, all by expm1 of a number of one sign, in which nothing cancels

    def tanh(self, a: Element) -> Element:
        """-t/(t + 2) with t = expm1(-2 x), for x >= 0."""
        if special(a):
            return unknown(a) or (ONE if a == INFINITE else self.negative(ONE))
        return self._rising(self._odd(self._tanh), a)

    def _tanh(self, x: Element) -> Element:
        t = self.expm1(self.multiply(whole(-2), x))
        return self.negative(self.divide(t, self.add(t, TWO)))

    def sinh(self, a: Element) -> Element:
        """(expm1(x) - expm1(-x))/2."""
        if special(a):
            return a
        return self._rising(self._odd(self._sinh), a)

    def _sinh(self, x: Element) -> Element:
        return self.multiply(HALF, self.subtract(self.expm1(x), self.expm1(self.negative(x))))

    def cosh(self, a: Element) -> Element:
        a = self.absolute(a)
        if special(a):
            return a
        return self._rising(lambda x: self.multiply(HALF, self.add(self.exp(x), self.exp(self.negative(x)))), a)

    def expit(self, a: Element) -> Element:
        """1/(1 + exp(-x))."""
        if a == NEGATIVE_INFINITE:
            return ZERO
        return self.divide(ONE, self.add(ONE, self.exp(self.negative(a))))

    # Whole numbers

    def sign(self, a: Element) -> Element:
        side = sign(a)
        return unknown(a) or (LINE if side is None else whole(side))

    def floor(self, a: Element) -> Element:
        """LINE where the enclosure reaches over a whole number."""
        if special(a):
            return a
        low, high = mpf_floor(a[0]), mpf_floor(a[1])
        if a[3] and high == a[1] and a[0] != a[1]:
            if high[2] + high[3] > self.bits:
                return LINE
            high = mpf_sub(high, fone)
        return self._decided(low, high)

    def ceil(self, a: Element) -> Element:
        return self.negative(self.floor(self.negative(a)))

    def rint(self, a: Element) -> Element:
        """To nearest, ties to even."""
        return a if special(a) else self._decided(mpf_nint(a[0]), mpf_nint(a[1]))

    def trunc(self, a: Element) -> Element:
        """Towards 0."""
        if special(a):
            return a
        return self._decided(*(mpf_ceil(end) if end[0] else mpf_floor(end) for end in a[:2]))

    def floor_divide(self, a: Element, b: Element) -> Element:
        return LINE if special(b) else self.floor(self.divide(a, b))

    def remainder(self, a: Element, b: Element) -> Element:
        """a - b floor(a/b)."""
        return self.subtract(a, self.multiply(b, self.floor_divide(a, b)))

    def fmod(self, a: Element, b: Element) -> Element:
        """a - b trunc(a/b)."""
        return LINE if special(b) else self.subtract(a, self.multiply(b, self.trunc(self.divide(a, b))))

    def _decided(self, low: Raw, high: Raw) -> Element:
        return (low, high, False, False) if low == high else LINE

    # Of many

    def product(self, factors: Sequence[Element]) -> Element:
        """Of nothing 1."""
        return functools.reduce(self.multiply, factors, ONE)

    def mean(self, terms: Sequence[Element], less: int = 0) -> Element:
        """The sum divided by the number of terms, or by so many less; 0/0 of nothing is UNDEFINED."""
        return self.divide(self.total(terms), whole(max(len(terms) - less, 0)))

    def variance(self, terms: Sequence[Element], less: int = 0) -> Element:
        """The mean square distance from the mean."""
        if not terms:
            return UNDEFINED
        mean = self.mean(terms)
        return self.mean([self.square(self.subtract(t, mean)) for t in terms], less)

    def dot(self, a: Sequence[Element], b: Sequence[Element]) -> Element:
        return self.total([self.multiply(x, y) for x, y in zip(a, b, strict=True)])

    def median(self, terms: Sequence[Element]) -> Element:
        """The middle one; LINE where the order is not decided by the lower and the upper ends alike."""
        if any(map(special, terms)) or not terms:
            return LINE if terms else UNDEFINED
        by = functools.cmp_to_key(mpf_cmp)
        low, high = sorted((t[0] for t in terms), key=by), sorted((t[1] for t in terms), key=by)
        # Lemma: the k-th smallest rises with every term, so it lies between the k-th smallest of the ends.
        places = {(len(terms) - 1) // 2, len(terms) // 2}
        return self.mean([(low[i], high[i], False, False) for i in places])

    def _rising(self, function: Callable[[Element], Element], a: Element) -> Element:
        """An increasing function, of its values at points."""
        low = function((a[0], a[0], False, False))
        high = low if a[0] == a[1] else function((a[1], a[1], False, False))
        if special(low) or special(high):
            return low if a[0] == a[1] else LINE
        return low[0], high[1], low[2] or a[2], high[3] or a[3]

    def _odd(self, function: Callable[[Element], Element]) -> Callable[[Element], Element]:
        def odd(x: Element) -> Element:
            return self.negative(function(self.negative(x))) if x[0][0] else function(x)

        return odd
