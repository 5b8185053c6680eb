"""The rungs of the reference: enclosures of an operation's results, and which of them settle the matter.

A rung gives the arrays of a Reference by their names, and the elements that need no better enclosure: their rounding
is decided, their ulp is known, and they are narrow enough to measure errors against.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mpmath.libmp import finf, fninf, fzero, mpf_add, mpf_shift, mpf_sub
from numpy.typing import NDArray

from overflowscope.arithmetic.ball_array import BallArray, scaled, zero
from overflowscope.arithmetic.balls import Balls
from overflowscope.arithmetic.doubles import binade, power_of_two, two_sum
from overflowscope.arithmetic.intervals import Element, Intervals, Raw
from overflowscope.catalogue import Operation
from overflowscope.formats import Floats, Format, round_parts

Found = dict[str, NDArray[Any]]
Settled = NDArray[np.bool_]

NARROW = 2.0**-80
"""Relative radius wanted of an interval: 2**-27 ulp of float64."""
NARROW_BITS = 20
"""Of a ball: 2**-20 ulp of its format, so that measured errors are the real ones."""
FAR = 2**40
"""Exponents below -FAR are not kept: only the exp of numbers below -7 * 10**11 has them, and all of it is tiny."""
LARGE = 2.0**990
"""Balls do not hold larger numbers."""


def by_balls(operation: Operation, arguments: tuple[Any, ...], fmt: Format, words: int) -> tuple[Found, Settled]:
    """Of numbers of the format: balls with midpoints of one or two doubles."""
    logits, *others = arguments
    xp = Balls(words)
    with np.errstate(all="ignore"):
        return of_balls(operation.identity(xp, xp.asarray(logits), *others), fmt)


def by_intervals(operation: Operation, arguments: tuple[Any, ...], fmt: Format, bits: int) -> tuple[Found, Settled]:
    """Intervals at a working precision. Raises Indeterminate where they are too wide to go on."""
    logits, *others = arguments
    xp = Intervals(bits)
    return of_intervals(operation.identity(xp, xp.asarray(logits), *others).elements, fmt)


# Balls


def of_balls(x: BallArray, fmt: Format) -> tuple[Found, Settled]:
    """Balls with heads in [1, 2), their ends rounded where they agree."""
    exact = (x.hi == 0) | np.isinf(x.hi)
    if x.radius is not None and exact.any():
        exact = exact & (x.radius == 0)
    e = binade(x.hi)
    head, tail, radius, _ = scaled(x, -e)
    tail = zero(tail)
    exponent = e if x.exponent is None else e + x.exponent
    side = x.side
    # What is nan, given up, 0 within a radius, or subnormal as a double (exponent -1023, not scaled) fails here.
    sound = (np.abs(head) >= 1) & (radius < 0.25)
    edge = ~(np.abs(np.abs(head) - 1.5) + radius < 0.5 - 2.0**-50)
    if edge.any():
        head, tail, radius, exponent, side, one_ulp = _at_powers_of_two(head, tail, radius, exponent, side, edge, fmt)
        sound = sound & one_ulp
    rounded, decided = _nearest(head, tail, radius, exponent, side, fmt)
    narrow = (radius <= 2.0 ** -(fmt.precision + NARROW_BITS)) | (exponent < fmt.emin - fmt.precision - 1)
    settled = sound & decided & narrow
    if exact.any():
        head, rounded = np.where(exact, x.hi, head), np.where(exact, x.hi, rounded)
        tail, radius, exponent = (np.where(exact, 0, v) for v in (tail, radius, exponent))
        settled = settled | exact
    found = {"head": head, "tail": tail, "exponent": exponent, "radius": radius, "below": rounded, "above": rounded}
    return {name: np.broadcast_to(values, x.shape) for name, values in found.items()}, settled


def _at_powers_of_two(
    head: Floats, tail: Any, radius: Any, exponent: NDArray[np.int64], side: Any, edge: Settled, fmt: Format
) -> tuple[Any, Any, Any, Any, Any, Settled]:
    """The balls with those just below a power of two in the binade that they lie in, and which lie in one for sure.

    (1 + t) 2**e with t < 0, or 1 with the truth below it, is (2 + 2 t) 2**(e - 1): as head 2 - 2**-52, the rest as
    tail.
    """
    tail, radius = np.broadcast_to(tail, head.shape), np.broadcast_to(radius, head.shape)
    sign = np.sign(head)
    beyond = np.zeros(head.shape) if side is None else side * sign
    fell = edge & (np.abs(head) == 1) & ((tail * sign < 0) | ((tail == 0) & (beyond < 0)))
    head = np.where(fell, sign * (2 - 2.0**-52), head)
    moved, rest = two_sum(2 * tail, sign * 2.0**-52)
    tail = np.where(fell, moved, tail)
    radius = np.where(fell, np.where(rest == 0, 2 * radius, (2 * radius + np.abs(rest)) * (1 + 2.0**-50)), radius)
    exponent = np.where(fell, exponent - 1, exponent)
    # A side holds of the midpoint as it was.
    beyond = np.where(fell & (rest != 0), 0, beyond)
    side = None if side is None else beyond * sign
    # The distances from both ends of the binade, rounded by a relative 2**-53; a side keeps its one strictly.
    reach = radius * (1 + 2.0**-50)
    above_one, below_two = (np.abs(head) - 1) + tail * sign, (2 - np.abs(head)) - tail * sign
    inside = ((above_one >= reach) | ((beyond > 0) & (above_one >= 0))) & (
        (below_two > reach) | ((beyond < 0) & (below_two >= 0) & (radius < 1))
    )
    return head, tail, radius, exponent, side, ~edge | inside | (exponent + 1 < fmt.emin)


def _nearest(
    head: Floats, tail: Any, radius: Any, exponent: NDArray[np.int64], side: Any, fmt: Format
) -> tuple[Floats, Settled]:
    """The balls rounded to nearest, ties to even, and where all numbers of a ball round to that.

    With q the distance of the format's numbers there (in units of 2**exponent) and k the multiple of q nearest to head,
    u = head - k is exact. The number lies beyond the midpoint next to k, on the side of u, by
    x = (|u| - q/2) + sign(u) tail: the difference is exact, and the sum has the right sign and a relative error of
    2**-53. It decides where |x| exceeds the radius; at x = 0 the side does.
    """
    below_normal = fmt.emin - exponent
    if np.max(below_normal) > 0:
        # From half the smallest number down, anything rounds to 0.
        q = power_of_two(1 - fmt.precision + np.minimum(np.maximum(below_normal, 0), 500))
        k = np.rint(head / q) * q
    else:
        q = np.float64(2.0 ** (1 - fmt.precision))
        k = np.rint(head * 2.0 ** (fmt.precision - 1)) * q
    u = head - k
    way = np.copysign(1.0, u)
    if fmt.precision == 53:
        way = np.where(u == 0, np.copysign(1.0, tail), way)
    x = (np.abs(u) - 0.5 * q) + way * tail
    decided = np.abs(x) > radius * (1 + 2.0**-30)
    up = x > 0
    at_tie = x == 0
    if at_tie.any():
        beyond = np.zeros(head.shape, np.int8) if side is None else side
        up = up | (at_tie & (beyond * way > 0))
        # An exact tie goes to the even neighbour, which rint took, unless k was no choice.
        decided = decided | (at_tie & (beyond != 0)) | (at_tie & (np.asarray(radius) == 0) & (u != 0))
    if up.any():
        k = np.where(up, k + way * q, k)
    if np.min(exponent) < -1000:
        low = exponent < -800
        rounded = np.where(low, (k * power_of_two(exponent + 200)) * 2.0**-200, k * power_of_two(exponent))
    else:
        rounded = k * power_of_two(exponent)
    if np.max(exponent) >= min(fmt.emax, 1001):
        decided = decided & (exponent <= 1000)
        rounded = np.where(np.abs(rounded) > fmt.largest, np.copysign(np.inf, rounded), rounded)
    return rounded, decided


# Intervals


def of_intervals(elements: NDArray[Any], fmt: Format) -> tuple[Found, Settled]:
    """Enclosures as the arrays of a Reference, by their names, and which elements need no further precision."""
    flat = elements.ravel().tolist()
    head, tail, exponent, radius = np.array([_middle(e) for e in flat], np.float64).T
    below, low_binade = _rounded([_end(lo, 1 if missed else 0) for lo, _, missed, _ in flat], fmt)
    above, high_binade = _rounded([_end(hi, -1 if missed else 0) for _, hi, _, missed in flat], fmt)
    # The ulp of the truth is known where both ends lie in one binade, or below the normal range.
    one_ulp = (low_binade == high_binade) | (np.maximum(low_binade, high_binade) < fmt.emin)
    narrow = (radius <= NARROW) | (exponent == -FAR)
    settled = (below == above) & one_ulp & narrow
    found = {
        "head": head,
        "tail": tail,
        "exponent": exponent.astype(np.int64),
        "radius": radius,
        "below": below,
        "above": above,
    }
    return {name: values.reshape(elements.shape) for name, values in found.items()}, settled.reshape(elements.shape)


def _middle(element: Element) -> tuple[float, float, int, float]:
    """(head, tail, exponent, radius) of an enclosure, as Reference states them.

    The midpoint is cut to 200 bits and then to 106, which moves it by less than 2**-104 of 2**exponent; the half
    width is rounded up to 30 bits and then taken 2**-40 larger for its conversion to a double. What is smaller than
    2**-FAR is only said to lie between 0 and 2 * 2**-FAR: every format rounds it to 0.
    """
    lo, hi = element[0], element[1]
    if lo == hi and lo in (fzero, finf, fninf):
        return {fzero: 0.0, finf: math.inf, fninf: -math.inf}[lo], 0.0, 0, 0.0
    if fninf in (lo, hi) or finf in (lo, hi):
        return 0.0, 0.0, 0, math.inf
    # Toward zero, as the cut below: a number just short of a power of two keeps its binade, and so its ulp.
    sign, man, exp, length = mpf_shift(lo, 1) if lo == hi else mpf_add(lo, hi, 200, "d")
    half = mpf_sub(hi, lo, 30, "c")
    if not man:
        return 0.0, 0.0, half[2] + half[3], 1.0
    cut = length - 106
    man = int(man << -cut if cut < 0 else man >> cut)
    exponent = exp + length - 2  # of the leading bit, of the sum halved
    if exponent < -FAR:
        return (-1.0 if sign else 1.0), 0.0, -FAR, 1.0
    width = 0.0 if half == fzero else math.ldexp(int(half[1]), min(max(half[2] - 1 - exponent, -1100), 900))
    moved = 0.0 if lo == hi and cut <= 0 else 2.0**-104
    head, tail = math.ldexp(man >> 53, -52), math.ldexp(man & (2**53 - 1), -105)
    return (-head if sign else head), (-tail if sign else tail), int(exponent), width * (1 + 2.0**-40) + moved


def _end(raw: Raw, beyond: int) -> tuple[int, int, int, bool]:
    """An end of an enclosure as (sign, significand of 62 bits, exponent, sticky), for round_parts.

    ``beyond`` is 1 where the truth lies strictly above the end, -1 where strictly below, 0 where it may equal it. On
    the other side of an end without further bits lies the significand one less, with sticky bits.
    """
    sign, man, exp, length = raw
    if not man:
        infinite = raw in (finf, fninf)
        return (-1 if raw == fninf else 1), (1 << 61 if infinite else 0), (FAR if infinite else -FAR), False
    drop = length - 62
    significand = int(man << -drop if drop < 0 else man >> drop)
    sticky = drop > 0 and bool(man & ((1 << drop) - 1))
    if beyond:
        smaller = (beyond < 0) != bool(sign)
        if smaller and not sticky:
            significand -= 1
        sticky = True
    return (-1 if sign else 1), significand, min(max(int(exp + drop), -FAR), FAR), sticky


def _rounded(ends: list[tuple[int, int, int, bool]], fmt: Format) -> tuple[Floats, NDArray[np.int64]]:
    """The ends rounded to the format, and the exponents of their leading bits (far below for zero)."""
    columns = np.array(ends, np.int64).reshape(-1, 4).T
    sign, significand, exponent, sticky = columns
    rounded = sign * round_parts(significand, exponent, sticky.astype(np.bool_), fmt)
    # A significand that lost its unit at 2**61 lies in the binade below.
    return rounded, exponent + np.where(significand >= 2**61, 61, 60)
