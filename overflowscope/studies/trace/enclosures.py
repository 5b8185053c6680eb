"""What the exact values say: questions to enclosures, and distances in ulps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath.libmp import finf, fninf, from_float, fzero, mpf_abs, mpf_add, mpf_cmp, mpf_shift, mpf_sub, to_float
from numpy.typing import NDArray

from overflowscope.arithmetic import decimals
from overflowscope.arithmetic.extended import UNDEFINED
from overflowscope.arithmetic.intervals import LINE, Element, Raw
from overflowscope.formats import Floats, Format

BITS = 96
"""Of differences: they are rounded to so many, far below an ulp of any format."""
NARROW = 2.0**-6
"""An enclosure of a radius above so many ulps does not decide an error."""
DIGITS = (17, 9, 6, 3)
"""Significant digits in which an exact value is told: as many as its enclosure decides."""


def kept(elements: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """The enclosures, or of nothing known where they were not kept."""
    if elements is not None:
        return elements
    unknown = np.empty(shape, object)
    unknown.reshape(-1)[:] = [LINE] * unknown.size
    return unknown


def undefined(e: Element) -> bool:
    """No value in the extended reals, with exact values throughout."""
    return e is UNDEFINED or e == UNDEFINED


def infinite(e: Element) -> float | None:
    """The infinity that it is; None for anything else."""
    if e[0] == e[1] == finf:
        return np.inf
    return -np.inf if e[0] == e[1] == fninf else None


def is_zero(e: Element) -> bool:
    return bool(e[0] == fzero and e[1] == fzero)


def nonzero(e: Element) -> bool:
    """Certainly a number other than 0, or an infinity."""
    if undefined(e):
        return False
    below, above = mpf_cmp(e[0], fzero), mpf_cmp(e[1], fzero)
    return bool(below > 0 or above < 0 or (below == 0 and e[2]) or (above == 0 and e[3]))


def bounded(e: Element) -> bool:
    """Enclosed: between two finite numbers."""
    return not undefined(e) and not {finf, fninf} & {e[0], e[1]}


def holds(e: Element, x: float) -> bool:
    """Whether a finite number lies in a bounded enclosure."""
    return bounded(e) and np.isfinite(x) and bool(mpf_cmp(e[0], from_float(x)) <= 0 <= mpf_cmp(e[1], from_float(x)))


def same(a: Element, b: Element) -> bool:
    """Both known exactly, and equal; or the same enclosure of the same number."""
    return bool(a is b or (a[0] == b[0] and a[1] == b[1] and a[0] == a[1]))


def middle(e: Element) -> Raw:
    """Of a bounded enclosure."""
    raw: Raw = e[0] if e[0] == e[1] else mpf_shift(mpf_add(e[0], e[1], 2 * BITS, "n"), -1)
    return raw


def approximately(e: Element) -> float:
    """As a double, an infinity where it is beyond; nan for what is undefined or not enclosed."""
    if (known := infinite(e)) is not None:
        return known
    return float(to_float(middle(e))) if bounded(e) else np.nan


def exponent(x: Raw, fmt: Format) -> int:
    """Of the ulp of a number: ulp(x) = 2**exponent, with emin for 0 and below the normal range."""
    binade = fmt.emin if x == fzero else min(max(int(x[2] + x[3]) - 1, fmt.emin), fmt.emax)
    return binade - fmt.precision + 1


@dataclass(frozen=True)
class Truths:
    """What numbers are measured against, flat: (head + tail) 2**exponent with 1 <= |head| < 2, and its ulp's exponent.

    Where ``head`` is an infinity that is the truth; where it is nan nothing is known; ``void`` marks what has no value.
    """

    head: Floats
    tail: Floats
    exponent: NDArray[np.int64]
    unit: NDArray[np.int64]
    void: NDArray[np.bool_]

    def distances(self, got: Floats) -> Floats:
        """In ulps of the exact values; nan where that is not decided.

        An infinity or nan for a number is infinitely wrong, also where the format holds nothing larger: what comes
        after goes on with it. The right infinity is 0 off. Where there is no exact value nothing is off.
        """
        with np.errstate(all="ignore"):
            return self._distances(np.asarray(got, np.float64).ravel()).reshape(np.shape(got))

    def _distances(self, flat: Floats) -> Floats:
        # Powers of two are exact but for numbers far smaller than head, of which nothing is seen in the difference;
        # between numbers within a factor of 2 the difference is exact (Sterbenz), and elsewhere nothing cancels.
        scaled = _shifted(flat, -self.exponent)
        apart = np.abs((scaled - self.head) - self.tail)
        found = np.minimum(_shifted(apart, self.exponent - self.unit), HUGE)
        infinite = np.isinf(self.head)
        found[infinite] = np.where(flat == self.head, 0.0, np.inf)[infinite]
        found[~np.isfinite(flat) & np.isfinite(self.head)] = np.inf
        found[np.isnan(self.head)] = np.nan
        found[self.void] = 0.0
        return found


FAR = 2**40
"""Exponents beyond it are not told apart."""
HUGE = float(np.finfo(np.float64).max)


def _shifted(x: Floats, n: NDArray[np.int64]) -> Floats:
    return np.ldexp(x, np.clip(n, -5000, 5000).astype(np.int32))


def truths(elements: NDArray[Any], fmt: Format) -> Truths:
    """Of exact values."""
    rows = [_truth(e, fmt) for e in elements.ravel().tolist()]
    head, tail, exponents, units, void = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 5
    integers = np.array(exponents, np.int64), np.array(units, np.int64)
    return Truths(np.array(head, np.float64), np.array(tail, np.float64), *integers, np.array(void, np.bool_))


def _truth(e: Element, fmt: Format) -> tuple[float, float, int, int, bool]:
    if e[0] == e[1] and not e[0][1]:
        if e[0] == fzero:
            unit = exponent(fzero, fmt)
            return 0.0, 0.0, unit, unit, False
        return (np.nan, 0.0, 0, 0, True) if undefined(e) else (float(infinite(e) or 0.0), 0.0, 0, 0, False)
    if _wide(e, fmt):
        return np.nan, 0.0, 0, 0, False
    exact = middle(e)
    if exact == fzero:
        unit = exponent(fzero, fmt)
        return 0.0, 0.0, unit, unit, False
    sign, man, exp, length = exact
    power = min(max(int(exp + length) - 1, -FAR), FAR)
    cut = length - 106
    man = int(man << -cut if cut < 0 else man >> cut)
    head, tail = math.ldexp(man >> 53, -52), math.ldexp(man & (2**53 - 1), -105)
    return (-head if sign else head), (-tail if sign else tail), power, exponent(exact, fmt), False


def off(x: float, e: Element, fmt: Format) -> float:
    """Of one number, see Truths."""
    box = np.empty(1, object)
    box[0] = e
    return float(truths(box, fmt).distances(np.array([x]))[0])


def split(x: float, exact: Element, local: Element, fmt: Format) -> tuple[float | None, float | None, float | None]:
    """(total, inherited, added) in ulps of the exact value; None for what is not decided, or where there is none.

    ``local`` is the exact result of the computed operands: what lies between it and the exact value was inherited.
    """
    if undefined(exact) or exact == LINE:
        return None, None, None
    total = off(x, exact, fmt)
    known = None if total != total else total
    if undefined(local):
        return known, np.inf, 0.0 if x != x else np.inf
    if local == LINE:
        return known, None, None
    pole = infinite(local)
    if pole is not None or infinite(exact) is not None:
        same_pole = pole is not None and pole == infinite(exact)
        return known, 0.0 if same_pole else np.inf, 0.0 if x == pole else np.inf
    if _wide(exact, fmt) or _wide(local, fmt):
        return known, None, None
    unit = exponent(middle(exact), fmt)
    apart = mpf_sub(middle(local), middle(exact), BITS, "n")
    inherited = 0.0 if same(exact, local) else _size(apart, unit)
    added = _size(mpf_sub(from_float(x), middle(local), BITS, "n"), unit) if math.isfinite(x) else np.inf
    return known, inherited, added


def _wide(e: Element, fmt: Format) -> bool:
    """Whether an enclosure is too wide to measure errors against; beyond the largest number by its own ulp."""
    if undefined(e) or infinite(e) is not None:
        return False
    if not bounded(e):
        return True
    if e[0] == e[1]:
        return False
    exact = middle(e)
    unit = max(exponent(exact, fmt), int(exact[2] + exact[3]) - fmt.precision)
    return _size(mpf_sub(e[1], e[0], 30, "u"), unit + 1) > NARROW


def _size(x: Raw, unit: int) -> float:
    """|x| in units of 2**unit; at most the largest double."""
    return min(abs(float(to_float(mpf_shift(mpf_abs(x), -unit)))), HUGE)


def text(e: Element) -> tuple[str | None, str]:
    """(decimal digits or None, exact | undecided | undefined)."""
    if undefined(e):
        return None, "undefined"
    for digits in DIGITS:
        if (found := decimals.decided(e, digits)) is not None:
            return found, "exact"
    return None, "undecided"
