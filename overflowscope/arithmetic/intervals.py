"""Intervals at any precision, on mpmath's integers: the slow reference.

An element is a tuple ``(lo, hi, lo_open, hi_open)``: two of mpmath's raw numbers that enclose a real number, and for
each of them whether it is known to be missed, strictly. The flags cost little and decide what no number of bits can:
m - x_y + log1p(s) lies *strictly* above the tie m - x_y, however small log1p(s) is.

Of mpmath only the correctly rounded +, -, x, / with directed rounding are taken as they are. Its exp and log are not
correctly rounded, so they are run with ``GUARD`` further bits and widened; its own intervals (``mpmath.iv``) trust
them, keep one global precision, and have a log1p that misses the truth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath.libmp import (
    finf,
    fnan,
    fninf,
    fnone,
    fone,
    from_float,
    from_int,
    from_man_exp,
    fzero,
    mpf_add,
    mpf_cmp,
    mpf_div,
    mpf_exp,
    mpf_log,
    mpf_mul,
    mpf_neg,
    mpf_shift,
    mpf_sub,
    to_int,
)
from numpy.typing import NDArray

from overflowscope.arithmetic import directed

Raw = directed.Raw
"""mpmath's raw number (sign, significand, exponent, bit length); zero and the infinities have significand 0."""
Element = tuple[Raw, Raw, bool, bool]

GUARD = 20
"""Bits beyond the working precision at which mpmath's exp and log run."""
SLACK = 8
"""They are taken to be within 2**(GUARD - SLACK) units in the last of those bits: 4096 where mpmath aims at one."""

DOWN, UP = "f", "c"
_BY_SIZE = functools.cmp_to_key(mpf_cmp)
LINE: Element = (fninf, finf, False, False)


class Indeterminate(ArithmeticError):
    """An operation without a value in the extended reals (inf - inf), or a choice the enclosures do not decide."""


def point(x: float) -> Element:
    """The number a double is; inf too. nan has no enclosure and raises Indeterminate."""
    if x != x:
        raise Indeterminate("nan")
    raw = from_float(x)
    return raw, raw, False, False


def less(a: Raw, b: Raw) -> bool:
    return bool(mpf_cmp(a, b) < 0)


class Arithmetic:
    """Element-wise operations at one working precision. Lemmas: with f increasing, f([lo, hi]) = [f(lo), f(hi)], and an
    endpoint that the operand misses is missed by the result; a computed endpoint rounded outward still encloses."""

    def __init__(self, bits: int):
        self.bits = bits

    def add(self, a: Element, b: Element) -> Element:
        lo, hi = directed.add(a[0], b[0], self.bits, DOWN), directed.add(a[1], b[1], self.bits, UP)
        if fnan in (lo, hi):
            raise Indeterminate("inf - inf")
        # A sum that equals one operand while the other is not zero was rounded, hence missed.
        return (
            lo,
            hi,
            a[2] or b[2] or _absorbed(lo, a[0], b[0]),
            a[3] or b[3] or _absorbed(hi, a[1], b[1]),
        )

    def negative(self, a: Element) -> Element:
        return mpf_neg(a[1]), mpf_neg(a[0]), a[3], a[2]

    def subtract(self, a: Element, b: Element) -> Element:
        return self.add(a, self.negative(b))

    def multiply(self, a: Element, b: Element) -> Element:
        if a[0][0] == 0 and b[0][0] == 0 and not _infinite(a, b):
            # Both non-negative: the product increases in both.
            return (
                mpf_mul(a[0], b[0], self.bits, DOWN),
                mpf_mul(a[1], b[1], self.bits, UP),
                (a[2] and b[0] != fzero) or (b[2] and a[0] != fzero),
                (a[3] and b[1] != fzero) or (b[3] and a[1] != fzero),
            )
        if _infinite(a, b):
            raise Indeterminate("a product with an infinity")
        ends = [(x, y) for x in a[:2] for y in b[:2]]
        lows = [mpf_mul(x, y, self.bits, DOWN) for x, y in ends]
        highs = [mpf_mul(x, y, self.bits, UP) for x, y in ends]
        return min(lows, key=_BY_SIZE), max(highs, key=_BY_SIZE), False, False

    def divide(self, a: Element, b: Element) -> Element:
        if _infinite(a, b):
            raise Indeterminate("a quotient with an infinity")
        if not (less(fzero, b[0]) or less(b[1], fzero)):
            return LINE
        if b[0][0]:
            a, b = self.negative(a), self.negative(b)
        # b > 0: the quotient increases in a; it falls in b where a >= 0 and rises where a <= 0.
        below, above = 0 if a[0][0] else 1, 1 if a[1][0] else 0
        return (
            mpf_div(a[0], b[below], self.bits, DOWN),
            mpf_div(a[1], b[above], self.bits, UP),
            a[2] or (b[2 + below] and a[0] != fzero),
            a[3] or (b[2 + above] and a[1] != fzero),
        )

    def exp(self, a: Element) -> Element:
        return _increasing(self._exp_of, a)

    def log(self, a: Element) -> Element:
        """Of numbers >= 0; log(0) = -inf. Raises Indeterminate where the enclosure reaches below 0."""
        if a[0][0]:
            raise Indeterminate("log of a negative number")
        return _increasing(self._log_of, a)

    def log1p(self, a: Element) -> Element:
        """Of numbers > -1. Lemma: t/(1+t) <= log(1+t) <= t, strictly for t != 0 (log is concave)."""
        if not less(from_int(-1), a[0]):
            raise Indeterminate("log1p at or below -1")
        return _increasing(self._log1p_of, a)

    def exp2(self, a: Element) -> Element:
        """2 to the power; exact at integers."""
        return _increasing(self._exp2_of, a)

    def expm1(self, a: Element) -> Element:
        """exp(t) - 1. Lemma: t < exp(t) - 1 < t/(1-t) for t < 1 but 0, for exp(-t) > 1 - t."""
        return _increasing(self._expm1_of, a)

    @functools.cached_property
    def ln2(self) -> Element:
        """log(2)."""
        return self._log_of(from_int(2))

    @property
    def log2e(self) -> Element:
        """log2(e) = 1/log(2)."""
        return self.divide((fone, fone, False, False), self.ln2)

    def maximum(self, a: Element, b: Element) -> Element:
        lo = a if less(b[0], a[0]) else b
        hi = a if less(b[1], a[1]) else b
        return lo[0], hi[1], lo[2] and a[0] != b[0], hi[3] and a[1] != b[1]

    def _exp_of(self, x: Raw) -> Element:
        if x in (fzero, finf, fninf):
            value = {fzero: fone, finf: finf, fninf: fzero}[x]
            return value, value, False, False
        return self._widened(mpf_exp(x, self.bits + GUARD, "n"))

    def _log_of(self, x: Raw) -> Element:
        if x in (fzero, fone, finf):
            value = {fzero: fninf, fone: fzero, finf: finf}[x]
            return value, value, False, False
        return self._widened(mpf_log(x, self.bits + GUARD, "n"))

    def _log1p_of(self, t: Raw) -> Element:
        if t in (fzero, finf):
            return t, t, False, False
        if t[2] + t[3] < -self.bits:
            # |t| < 2**-bits: the lemma's two ends are within a relative 2**(1 - bits) of one another.
            return mpf_div(t, mpf_add(fone, t, self.bits, UP if not t[0] else DOWN), self.bits, DOWN), t, True, True
        # 1 + t is exact, and its log keeps the working precision relative to itself: log(1 + t) is about t or
        # larger, while mpmath's log has a *relative* error, near 1 too.
        return self._log_of(mpf_add(fone, t))

    def _exp2_of(self, x: Raw) -> Element:
        if x in (finf, fninf):
            return self._exp_of(x)
        # x = n + f, both exact: |f| <= 1/2, and f is x where x is tiny.
        f = mpf_sub(x, from_int(n := int(to_int(x, "n"))))
        if f == fzero:
            return (mpf_shift(fone, n),) * 2 + (False, False)
        low, high, _, _ = self.exp(self.multiply((f, f, False, False), self.ln2))
        return mpf_shift(low, n), mpf_shift(high, n), True, True

    def _expm1_of(self, t: Raw) -> Element:
        if t in (fzero, finf):
            return t, t, False, False
        if t == fninf:
            return fnone, fnone, False, False
        size = t[2] + t[3]
        if size < -self.bits:  # by the lemma, as log1p
            return t, mpf_div(t, mpf_sub(fone, t, self.bits, DOWN if not t[0] else UP), self.bits, UP), True, True
        # exp(t) is 1 + t and more: as many further bits as leading ones cancel.
        low, high, _, _ = Arithmetic(self.bits + max(0, 2 - size))._exp_of(t)
        return mpf_sub(low, fone, self.bits, DOWN), mpf_sub(high, fone, self.bits, UP), True, True

    def _widened(self, x: Raw) -> Element:
        """A transcendental value from mpmath at bits + GUARD, with 2**(GUARD - SLACK) of its last units either way."""
        sign, man, exponent, length = x
        shift = self.bits + GUARD - length
        man, exponent = man << shift, exponent - shift
        slack = 1 << (GUARD - SLACK)
        small, large = from_man_exp(man - slack, exponent), from_man_exp(man + slack, exponent)
        return (mpf_neg(large), mpf_neg(small), True, True) if sign else (small, large, True, True)


def _increasing(function: Callable[[Raw], Element], a: Element) -> Element:
    if a[0] == a[1]:
        return function(a[0])
    low, high = function(a[0]), function(a[1])
    return low[0], high[1], low[2] or a[2], high[3] or a[3]


def _absorbed(total: Raw, a: Raw, b: Raw) -> bool:
    return bool(total[1]) and ((total == a and b != fzero) or (total == b and a != fzero))


def _infinite(*elements: Element) -> bool:
    return any(end in (finf, fninf) for e in elements for end in e[:2])


class IntervalArray:
    """An array of enclosures with the operators of an array, over an object array of elements."""

    __array_ufunc__ = None

    def __init__(self, elements: NDArray[Any], arithmetic: Arithmetic):
        self.elements, self.arithmetic = elements, arithmetic

    @property
    def shape(self) -> tuple[int, ...]:
        return self.elements.shape

    def constant(self, value: str) -> IntervalArray:
        """The enclosure of an exact decimal or rational number, or of "ln2" or "log2e", without axes."""
        if value in ("ln2", "log2e"):
            return self._like(_boxed(getattr(self.arithmetic, value)))
        number = Fraction(value)
        parts = [point(0.0) if n == 0 else (from_int(n),) * 2 + (False, False) for n in number.as_integer_ratio()]
        return self._like(_boxed(self.arithmetic.divide(parts[0], parts[1])))

    def __getitem__(self, index: Any) -> IntervalArray:
        picked = self.elements[index]
        return self._like(picked if isinstance(picked, np.ndarray) else _boxed(picked))

    def __add__(self, other: IntervalArray) -> IntervalArray:
        return self._map(self.arithmetic.add, other)

    def __sub__(self, other: IntervalArray) -> IntervalArray:
        return self._map(self.arithmetic.subtract, other)

    def __mul__(self, other: IntervalArray) -> IntervalArray:
        return self._map(self.arithmetic.multiply, other)

    def __truediv__(self, other: IntervalArray) -> IntervalArray:
        return self._map(self.arithmetic.divide, other)

    def __neg__(self) -> IntervalArray:
        return self._map(self.arithmetic.negative)

    def _map(self, function: Callable[..., Element], *others: IntervalArray) -> IntervalArray:
        """The element-wise function with NumPy's broadcasting."""
        ufunc = np.frompyfunc(function, 1 + len(others), 1)
        result = ufunc(self.elements, *(o.elements for o in others))
        return self._like(result if isinstance(result, np.ndarray) else _boxed(result))

    def _like(self, elements: NDArray[Any]) -> IntervalArray:
        return IntervalArray(elements, self.arithmetic)


def _boxed(element: Any) -> NDArray[Any]:
    box = np.empty((), object)
    box[()] = element
    return box


def _each(name: str) -> Callable[[Intervals, IntervalArray], IntervalArray]:
    """Arithmetic's function of that name, element by element."""
    return lambda self, x: x._map(getattr(self.arithmetic, name))


class Intervals:
    """The namespace: the primitives over IntervalArray, at ``bits`` of working precision.

    Operations raise Indeterminate where the extended reals give no value or where the enclosures do not decide.
    """

    arange = staticmethod(np.arange)
    exp, exp2, expm1, log, log1p = map(_each, ("exp", "exp2", "expm1", "log", "log1p"))

    def __init__(self, bits: int):
        self.arithmetic = Arithmetic(bits)

    def asarray(self, values: NDArray[np.float64]) -> IntervalArray:
        """The numbers that doubles are, exactly."""
        elements = np.frompyfunc(point, 1, 1)(np.asarray(values, np.float64))
        return IntervalArray(elements if isinstance(elements, np.ndarray) else _boxed(elements), self.arithmetic)

    def maximum(self, a: IntervalArray, b: IntervalArray) -> IntervalArray:
        return a._map(self.arithmetic.maximum, b)

    def max(self, x: IntervalArray, axis: int, keepdims: bool = False) -> IntervalArray:
        return self._reduce(self.arithmetic.maximum, x, axis, keepdims)

    def sum(self, x: IntervalArray, axis: int, keepdims: bool = False) -> IntervalArray:
        return self._reduce(self.arithmetic.add, x, axis, keepdims)

    def argmax(self, x: IntervalArray, axis: int, keepdims: bool = False) -> NDArray[np.intp]:
        """The first place of the largest number, of numbers known exactly."""
        rows = np.moveaxis(x.elements, axis, -1)
        places = np.empty(rows.shape[:-1], np.intp)
        for index in np.ndindex(places.shape):
            best, row = 0, rows[index]
            for j, element in enumerate(row):
                if element[0] != element[1]:
                    raise Indeterminate("argmax of numbers not known exactly")
                if less(row[best][0], element[0]):
                    best = j
            places[index] = best
        return np.expand_dims(places, axis) if keepdims else places

    def where(self, condition: NDArray[np.bool_], a: IntervalArray, b: IntervalArray) -> IntervalArray:
        return a._like(np.where(condition, a.elements, b.elements))

    def take_along_axis(self, x: IntervalArray, indices: NDArray[np.intp], axis: int) -> IntervalArray:
        return x._like(np.take_along_axis(x.elements, indices, axis))

    def _reduce(
        self, function: Callable[[Element, Element], Element], x: IntervalArray, axis: int, keepdims: bool
    ) -> IntervalArray:
        result = np.frompyfunc(function, 2, 1).reduce(x.elements, axis=axis, keepdims=keepdims)
        return x._like(result if isinstance(result, np.ndarray) else _boxed(result))
