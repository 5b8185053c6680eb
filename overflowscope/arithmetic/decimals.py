"""Decimal digits of enclosed numbers, correctly rounded: to nearest, ties to even, or not at all.

Lemma: rounding to nearest does not fall. So where both ends of an enclosure round to the same digits, the number in it
does. A number that is known to miss an end is as good as that end moved by less than anything: it matters only where
the end is halfway between two decimals, and there it says which.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from mpmath.libmp import fninf, from_int, mpf_abs, to_int

from overflowscope.arithmetic.intervals import Arithmetic, Element, Raw, point

NEAR = 2**13
"""Numbers within 2**-NEAR and 2**NEAR are scaled by an exact power of ten, all others by its enclosed logarithm."""

Digits = tuple[int, int, bool]
"""``q * 10**(k - digits + 1)`` with ``10**(digits - 1) <= q < 10**digits`` as (q, k, whether that is the number)."""


def decided(element: Element, digits: int) -> str | None:
    """The number in the enclosure to so many significant digits; None where the enclosure does not decide them.

    A number that is known exactly, and is no longer than that, has no trailing zeros: 0.5 is a half, while 0.5000 lies
    within half of the last digit of it. Exponents are shown from 10**digits on and below 10**-4, however large. The
    infinities are "inf" and "-inf".
    """
    lo, hi = element[:2]
    if lo == hi and not lo[1]:
        return "0" if lo[2] == 0 else "-inf" if lo == fninf else "inf"
    if not lo[1] or not hi[1] or lo[0] != hi[0]:
        return None
    small, large = (element[:2], element[2:]) if not lo[0] else (element[1::-1], element[3:1:-1])
    ends = mpf_abs(small[0]), mpf_abs(small[1]), large[0], large[1]
    found = _near(ends, digits) if _is_near(ends[0]) and _is_near(ends[1]) else _far(ends, digits)
    return None if found is None else _text(bool(lo[0]), found, digits)


def of_rational(value: Fraction | float, digits: int) -> str:
    """A rational number, or an infinity, likewise."""
    if not isinstance(value, Fraction):
        text = decided(point(value), digits)
        assert text is not None
        return text
    return _text(value < 0, _nearest(*abs(value).as_integer_ratio(), digits, 0), digits) if value else "0"


def _is_near(x: Raw) -> bool:
    return bool(-NEAR < x[2] + x[3] < NEAR) and bool(x[2] > -2 * NEAR)


def _near(ends: Element, digits: int) -> Digits | None:
    """Of positive numbers."""
    low, high, above, below = ends
    if high[2] + high[3] - low[2] - low[3] > 1:
        return None
    first = _nearest(*_ratio(low), digits, 1 if above else 0)
    if low == high:
        return first
    second = _nearest(*_ratio(high), digits, -1 if below else 0)
    return (*first[:2], False) if first[:2] == second[:2] else None


def _far(ends: Element, digits: int) -> Digits | None:
    """Of positive numbers, by exp(log(x) - k log(10)) for a k near log10(x), in enclosures.

    The logarithm is as long as the binary exponent is, before its point; further bits are those of the ends.
    """
    low, high = ends[:2]
    magnitude = max(abs(low[2] + low[3]), abs(high[2] + high[3]))
    arithmetic = Arithmetic(int(max(low[3], high[3], 4 * digits) + magnitude.bit_length() + 64))
    two, ten = _logarithms(arithmetic.bits)
    logs = []
    for man, exponent in ((low[1], low[2]), (high[1], high[2])):
        scaled = arithmetic.multiply(_whole(exponent), two)
        logs.append(arithmetic.add(arithmetic.log(_whole(man)), scaled))
    k = int(to_int(arithmetic.divide(logs[0], ten)[0], "f"))
    powers = arithmetic.multiply(_whole(k), ten)
    log = arithmetic.subtract((logs[0][0], logs[1][1], False, False), powers)
    if not -100 < to_int(log[0]) <= to_int(log[1]) < 100:
        return None
    found = _near(arithmetic.exp(log), digits)
    return None if found is None else (found[0], found[1] + k, False)


@functools.lru_cache(64)
def _logarithms(bits: int) -> tuple[Element, Element]:
    """log(2) and log(10)."""
    arithmetic = Arithmetic(bits)
    return arithmetic.log(_whole(2)), arithmetic.log(_whole(10))


def _whole(n: int) -> Element:
    raw = from_int(n)
    return raw, raw, False, False


def _ratio(x: Raw) -> tuple[int, int]:
    man, exponent = int(x[1]), int(x[2])
    return (man << exponent, 1) if exponent >= 0 else (man, 1 << -exponent)


def _nearest(numerator: int, denominator: int, digits: int, beyond: int) -> Digits:
    """A positive rational number, or (``beyond`` 1 or -1) one just above or below it: less far than anything.

    Only on a tie does that matter. At a power of ten the digits below it are finer, but it is no tie there, and what
    is just below it rounds to it.
    """
    k = (numerator.bit_length() - denominator.bit_length()) * 30103 // 100000  # log10(2); one off at most
    while True:
        shift = digits - 1 - k
        unit = denominator if shift >= 0 else denominator * _power(-shift)
        q, rest = divmod(numerator * _power(shift) if shift >= 0 else numerator, unit)
        if 10 ** (digits - 1) <= q < 10**digits:
            break
        k += 1 if q >= 10**digits else -1
    twice = 2 * rest - unit
    q += twice > 0 or (twice == 0 and (beyond > 0 or (beyond == 0 and q % 2 == 1)))
    return (q // 10, k + 1, rest == 0) if q == 10**digits else (q, k, rest == 0)


@functools.lru_cache(1024)
def _power(n: int) -> int:
    return int(10**n)


def _text(negative: bool, found: Digits, digits: int) -> str:
    q, k, exact = found
    shown = str(q)
    if exact:
        shown = shown.rstrip("0")
    if not -5 < k < digits:
        text = f"{shown[0]}{'.' * (len(shown) > 1)}{shown[1:]}e{k}"
    elif k < 0:
        text = f"0.{'0' * (-k - 1)}{shown}"
    else:
        shown = shown.ljust(k + 1, "0")
        text = f"{shown[: k + 1]}{'.' * (len(shown) > k + 1)}{shown[k + 1 :]}"
    return "-" + text if negative else text


def ladder(digits: int) -> list[int]:
    """Working precisions for so many digits: what they need and 64 bits more, then twice that until 4096 are added.

    4096 bits hold the difference of any two doubles exactly, so that what is a tie but for a tail is seen to be one.
    """
    rungs = [64 * math.ceil((digits * 3.33 + 64) / 64)]
    while rungs[-1] < rungs[0] + 4096:
        rungs.append(2 * rungs[-1])
    return rungs
