"""Balls rounded to a format, to nearest, ties to even, where all numbers of a ball round to the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.ball_array import BallArray, scaled, zero
from overflowscope.arithmetic.doubles import binade, power_of_two, two_sum
from overflowscope.formats import Floats, Format

Mask = NDArray[np.bool_]


class Rounding(NamedTuple):
    """Balls as (head + tail) 2**exponent, 1 <= |head| < 2 (zeros and infinities as they are), give or take radius
    2**exponent. ``nearest`` is float64, and right where ``decided``; ``one_binade``: all numbers of the ball have one
    ulp."""

    head: Floats
    tail: Any
    radius: Any
    exponent: NDArray[np.int64]
    nearest: Floats
    decided: Mask
    one_binade: Mask


LOOSE = 20
"""Relative radii of 2**-LOOSE and more decide nothing: relative errors are known so well of truths that vanish too."""


def rounded(x: BallArray, fmt: Format) -> Rounding:
    """The balls rounded to the format. What was given up, or is loose, is not decided."""
    exact = (x.hi == 0) | np.isinf(x.hi)
    if x.radius is not None and exact.any():
        exact = exact & (x.radius == 0)
    e = binade(x.hi)
    head, tail, radius, _ = scaled(x, -e)
    tail = zero(tail)
    exponent = e if x.exponent is None else e + x.exponent
    side = x.side
    # What is nan, given up, 0 within a radius, or subnormal as a double (exponent -1023, not scaled) fails here.
    # With the radius below q/8, see _nearest, the ball reaches one midpoint only: another is q/2 away and more, a
    # quarter of q below a power of two.
    sound = (np.abs(head) >= 1) & (radius < 2.0 ** -max(fmt.precision + 2, LOOSE))
    one_binade = sound
    edge = ~(np.abs(np.abs(head) - 1.5) + radius < 0.5 - 2.0**-50)
    if edge.any():
        fields = [np.array(np.broadcast_to(v, head.shape)) for v in (tail, radius, 0 if side is None else side)]
        tail, radius, side = fields
        exponent = exponent.copy()
        parts = _at_powers_of_two(head[edge], tail[edge], radius[edge], exponent[edge], side[edge], fmt)
        for whole, part in zip((head, tail, radius, exponent, side), parts, strict=False):
            whole[edge] = part
        one_binade = sound.copy()
        one_binade[edge] &= parts[-1]
    nearest, decided = _nearest(head, tail, radius, exponent, side, fmt)
    decided = decided & sound
    if exact.any():
        head, nearest = np.where(exact, x.hi, head), np.where(exact, x.hi, nearest)
        tail, radius, exponent = (np.where(exact, 0, v) for v in (tail, radius, exponent))
        decided, one_binade = decided | exact, one_binade | exact
    return Rounding(head, tail, radius, exponent, nearest, decided, one_binade)


def _at_powers_of_two(
    head: Floats, tail: Floats, radius: Floats, exponent: NDArray[np.int64], side: Any, fmt: Format
) -> tuple[Floats, Floats, Floats, NDArray[np.int64], Any, Mask]:
    """Balls next to powers of two, each in the binade that it lies in, and which of them lie in one for sure.

    (1 + t) 2**e with t < 0, or 1 with the truth below it, is (2 + 2 t) 2**(e - 1): as head 2 - 2**-52, the rest as
    tail.
    """
    sign = np.sign(head)
    beyond = side * sign
    fell = (np.abs(head) == 1) & ((tail * sign < 0) | ((tail == 0) & (beyond < 0)))
    head = np.where(fell, sign * (2 - 2.0**-52), head)
    moved, rest = two_sum(2 * tail, sign * 2.0**-52)
    tail = np.where(fell, moved, tail)
    radius = np.where(fell, np.where(rest == 0, 2 * radius, (2 * radius + np.abs(rest)) * (1 + 2.0**-50)), radius)
    exponent = np.where(fell, exponent - 1, exponent)
    # A side holds of the midpoint as it was.
    beyond = np.where(fell & (rest != 0), 0, beyond)
    # The distances from both ends of the binade, rounded by a relative 2**-53; a side keeps its one strictly.
    reach = radius * (1 + 2.0**-50)
    above_one, below_two = (np.abs(head) - 1) + tail * sign, (2 - np.abs(head)) - tail * sign
    inside = ((above_one >= reach) | ((beyond > 0) & (above_one >= 0))) & (
        (below_two > reach) | ((beyond < 0) & (below_two >= 0) & (radius < 1))
    )
    return head, tail, radius, exponent, beyond * sign, inside | (exponent + 1 < fmt.emin)


def _nearest(
    head: Floats, tail: Any, radius: Any, exponent: NDArray[np.int64], side: Any, fmt: Format
) -> tuple[Floats, Mask]:
    """The balls rounded to nearest, ties to even, and where all numbers of a ball round to that.

    With q the distance of the format's numbers there (in units of 2**exponent) and k the multiple of q nearest to head,
    u = head - k is exact. The number lies beyond the midpoint next to k, on the side of u, by
    x = (|u| - q/2) + sign(u) tail: the difference is exact, and the sum has the right sign and a relative error of
    2**-53. It decides where |x| exceeds the radius; at x = 0 the side does. No other midpoint is near, see ``rounded``.
    """
    below_normal = fmt.emin - exponent
    if np.max(below_normal) > 0:
        # From half the smallest number down, anything rounds to 0.
        quantum = np.minimum(np.maximum(below_normal, 0), 500) + (1 - fmt.precision)
        q = power_of_two(quantum)
        k = np.rint(head * power_of_two(-quantum)) * q
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
    nearest = k * power_of_two(exponent)
    if np.min(exponent) < -1022:
        # power_of_two has given 0, which is right but for subnormal doubles.
        low = (exponent < -1022) & (k != 0)
        nearest[low] = np.ldexp(k[low], exponent[low].astype(np.int32))
    if np.max(exponent) >= min(fmt.emax, 1001):
        decided = decided & (exponent <= 1000)
        nearest = np.where(np.abs(nearest) > fmt.largest, np.copysign(np.inf, nearest), nearest)
    return nearest, decided
