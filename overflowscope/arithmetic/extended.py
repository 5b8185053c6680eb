"""Enclosures in the extended reals: every operation gives something, where intervals.Arithmetic raises.

An element is one of intervals, and stands for one of four things: a number that it encloses, finite at both ends; an
infinity, as a point; UNDEFINED, where the extended reals have no value (0/0, inf - inf, log of a negative number); or
LINE, where nothing is known, not even whether there is a value. An enclosure that reaches an infinity and is no point
is LINE too.

Lemma: sums and products of finite binary numbers are binary numbers. While they have at most LONGEST bits they are
kept whole, so that sums and products of floats are points, and a difference that is 0 is known to be.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from mpmath.libmp import finf, fnan, fninf, fone, from_man_exp, fzero, mpf_add, mpf_mul, mpf_neg, mpf_pos, mpf_sqrt

from overflowscope.arithmetic.intervals import DOWN, LINE, UP, Arithmetic, Element, Raw

UNDEFINED: Element = (fnan, fnan, False, False)
ZERO: Element = (fzero, fzero, False, False)
ONE: Element = (fone, fone, False, False)
INFINITE: Element = (finf, finf, False, False)
NEGATIVE_INFINITE: Element = (fninf, fninf, False, False)

LONGEST = 2200
"""Bits up to which exact results are kept whole: the numbers of float64 span 2098, and a sum of 2**60 of them 2158."""
HIGHEST = 4096
"""Exponentials of numbers beyond 2**HIGHEST are not computed: of negative ones it is known that they vanish."""
VANISHING = from_man_exp(1, -(1 << HIGHEST))


def special(a: Element) -> bool:
    """An infinity, UNDEFINED or LINE."""
    return bool((not a[0][1] and a[0][2]) or (not a[1][1] and a[1][2]))


def is_point(a: Element) -> bool:
    """A finite number known exactly."""
    return a[0] == a[1] and not special(a)


def is_zero(a: Element) -> bool:
    return bool(a[0] == fzero and a[1] == fzero)


def sign(a: Element) -> int | None:
    """-1, 0 or 1 where all members have it; None where they differ or are not known."""
    if a in (LINE, UNDEFINED):
        return None
    if is_zero(a):
        return 0
    if not a[0][0] and (a[0] != fzero or a[2]):
        return 1
    return -1 if (a[1][0] or (a[1] == fzero and a[3])) else None


def infinity(positive: bool) -> Element:
    return INFINITE if positive else NEGATIVE_INFINITE


def unknown(*elements: Element) -> Element | None:
    """UNDEFINED where one of them is, else LINE where one is, else None."""
    found = None
    for e in elements:
        if e[0] == fnan:
            return UNDEFINED
        if e == LINE:
            found = LINE
    return found


class Extended:
    """The operations, by NumPy's names; ``bits`` of working precision where a result is not kept whole."""

    def __init__(self, bits: int):
        self.bits, self.arithmetic = bits, Arithmetic(bits)

    def negative(self, a: Element) -> Element:
        return mpf_neg(a[1]), mpf_neg(a[0]), a[3], a[2]

    def add(self, a: Element, b: Element) -> Element:
        """inf - inf is UNDEFINED."""
        if special(a) or special(b):
            return unknown(a, b) or (a if not special(b) or a == b else b if not special(a) else UNDEFINED)
        if a[0] == a[1] and b[0] == b[1] and _span_of_two(a[0], b[0]) <= LONGEST:
            total = mpf_add(a[0], b[0])
            return total, total, False, False
        return self.arithmetic.add(a, b)

    def subtract(self, a: Element, b: Element) -> Element:
        return self.add(a, self.negative(b))

    def multiply(self, a: Element, b: Element) -> Element:
        """0 * inf is UNDEFINED."""
        if special(a) or special(b):
            return unknown(a, b) or self._signed_infinity(a, b)
        if a[0] == a[1] and b[0] == b[1] and a[0][3] + b[0][3] <= LONGEST:
            product = mpf_mul(a[0], b[0])
            return product, product, False, False
        return self.arithmetic.multiply(a, b)

    def divide(self, a: Element, b: Element) -> Element:
        """x/inf is 0; x/0 the infinity of x's sign, for a zero has none here; 0/0 and inf/inf are UNDEFINED.

        LINE where the denominator's enclosure holds or touches 0 beside other numbers.
        """
        if (special(a) or special(b)) and (lost := unknown(a, b)) is not None:
            return lost
        if special(b):
            return UNDEFINED if special(a) else ZERO
        if special(a) or is_zero(b):
            if is_zero(a):
                return UNDEFINED
            return self._signed_infinity(a, ONE if is_zero(b) else b)
        return self.arithmetic.divide(a, b)

    def exp(self, a: Element) -> Element:
        if special(a):
            return unknown(a) or (ZERO if a == NEGATIVE_INFINITE else INFINITE)
        if not (far(a[0]) or far(a[1])):
            return self.arithmetic.exp(self._trimmed(a))
        if not a[1][0]:
            return LINE
        # exp(t) <= exp(-2**HIGHEST) < 2**-2**HIGHEST for t <= -2**HIGHEST.
        high = VANISHING if far(a[1]) else self.arithmetic.exp(self._trimmed((a[1], a[1], False, False)))[1]
        return fzero, high, True, True

    def log(self, a: Element) -> Element:
        """log(0) is -inf, log of a negative number UNDEFINED."""
        if (lost := unknown(a)) is not None or special(a):
            return lost or (INFINITE if a == INFINITE else UNDEFINED)
        if is_zero(a):
            return NEGATIVE_INFINITE
        if sign(a) == -1:
            return UNDEFINED
        if a[0][0] or a[0] == fzero:
            return LINE
        return self.arithmetic.log(self._trimmed(a))

    def sqrt(self, a: Element) -> Element:
        """Of a negative number UNDEFINED. mpf_sqrt is integer square roots: correctly rounded, see its source."""
        if special(a):
            return unknown(a) or (INFINITE if a == INFINITE else UNDEFINED)
        if sign(a) == -1:
            return UNDEFINED
        if a[0][0]:
            return LINE
        return mpf_sqrt(a[0], self.bits, DOWN), mpf_sqrt(a[1], self.bits, UP), a[2], a[3]

    def maximum(self, a: Element, b: Element) -> Element:
        return unknown(a, b) or self.arithmetic.maximum(a, b)

    def minimum(self, a: Element, b: Element) -> Element:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def total(self, terms: Sequence[Element]) -> Element:
        """The sum; of nothing 0."""
        if any(map(special, terms)) or _span(end for t in terms for end in t[:2]) > 2 * LONGEST:
            return functools.reduce(self.add, terms, ZERO)
        low = _exact_sum([t[0] for t in terms])
        if all(t[0] == t[1] for t in terms):
            return low, low, False, False
        high = _exact_sum([t[1] for t in terms])
        below, above = mpf_pos(low, self.bits, DOWN), mpf_pos(high, self.bits, UP)
        return below, above, below != low or any(t[2] for t in terms), above != high or any(t[3] for t in terms)

    def _signed_infinity(self, a: Element, b: Element) -> Element:
        """A product of which a factor is an infinity, or a quotient that is infinite."""
        signs = sign(a), sign(b)
        if 0 in signs:
            return UNDEFINED
        return LINE if None in signs else infinity(signs[0] == signs[1])

    def _trimmed(self, a: Element) -> Element:
        """Ends of at most ``bits``, outward: longer ones cost time and gain nothing."""
        low, high = a[0], a[1]
        if low[3] <= self.bits and high[3] <= self.bits:
            return a
        low, high = mpf_pos(low, self.bits, DOWN), mpf_pos(high, self.bits, UP)
        return low, high, a[2] or low != a[0], a[3] or high != a[1]


def _span(ends: Iterable[Raw]) -> int:
    """The bits that a sum of these numbers can have, but for its carries."""
    some = [end for end in ends if end[1]]
    return int(max(e[2] + e[3] for e in some) - min(e[2] for e in some)) if some else 0


def _span_of_two(a: Raw, b: Raw) -> int:
    """The same, sooner."""
    top, other = a[2] + a[3], b[2] + b[3]
    return int((top if top > other else other) - (a[2] if a[2] < b[2] else b[2])) if a[1] and b[1] else 0


def _exact_sum(ends: Sequence[Raw]) -> Raw:
    least = min((e[2] for e in ends if e[1]), default=0)
    total = sum((-e[1] if e[0] else e[1]) << (e[2] - least) for e in ends if e[1])
    return from_man_exp(total, least)  # type: ignore[no-any-return]


def far(x: Raw) -> bool:
    """A number of 2**HIGHEST and more, of either sign."""
    return bool(x[1]) and x[2] + x[3] > HIGHEST
