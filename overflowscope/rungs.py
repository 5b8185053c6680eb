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

from overflowscope.arithmetic.ball_array import BallArray
from overflowscope.arithmetic.ball_rounding import rounded
from overflowscope.arithmetic.balls import Balls
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
    r = rounded(x, fmt)
    narrow = (r.radius <= 2.0 ** -(fmt.precision + NARROW_BITS)) | (r.exponent < fmt.emin - fmt.precision - 1)
    settled = r.decided & r.one_binade & narrow
    found = {
        "head": r.head,
        "tail": r.tail,
        "exponent": r.exponent,
        "radius": r.radius,
        "below": r.nearest,
        "above": r.nearest,
    }
    return {name: np.broadcast_to(values, x.shape) for name, values in found.items()}, settled


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
