"""Errors in ulps, relative and absolute, against a truth of 106 bits."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats, Format
from overflowscope.records import Reference

NOTHING = -(2**50)
"""The exponent of zero: below any other."""
HUGE = float(np.finfo(np.float64).max)
"""Finite errors beyond it are reported as it, so that inf always means: nan, or an infinity on one side only."""
FAR, LARGE = 800, 2.0**120
"""Exponents of truths and numbers got within which powers of two are made of their bits and nothing overflows."""
ONE = np.int64(1023 << 52)
"""The bits of 1.0."""


def errors(got: Floats, truth: Reference) -> tuple[Floats, Floats, Floats]:
    """(ulps, relative, absolute): errors against the real number at the middle of the enclosure.

    With O = largest + ulp(largest), both sides are clamped to [-O, O] first, so that an overflow of a number just
    beyond the format has a small error. nan for a number, and anything but that infinity for an infinite truth, are
    infinitely wrong. ulp(x) = 2**(min(max(e, emin), emax) - p + 1) for 2**e <= |x| < 2**(e + 1), that of 0 is the
    smallest subnormal; after Muller et al., Handbook of Floating-Point Arithmetic (2018), 2.3.2.
    """
    with np.errstate(all="ignore"):
        return measured_errors(scaled(got, truth), got, truth, np.ones(got.shape, np.bool_))


@dataclass(frozen=True)
class Scaled:
    """Elements in units of 2**exponent of their truths; what it holds where ``odd`` is true is of no use.

    ``off`` is (got - head) - tail, ``whole`` head + tail, ``ratio`` off / whole and ``power`` 2**exponent.
    """

    off: Floats
    whole: Floats
    ratio: Floats
    power: Floats
    odd: NDArray[np.bool_]

    def at(self, rows: NDArray[np.bool_]) -> Scaled:
        """Of some rows."""
        return Scaled(*(getattr(self, f.name)[rows] for f in fields(self)))


def scaled(got: Floats, truth: Reference) -> Scaled:
    """The elements in units of their truths; odd are those that the lemma below does not cover.

    Let the truth be a number other than 0 with -FAR <= e <= FAR, below the binade of O, and |got| < LARGE. Then 2**e
    and 2**-e are doubles, of bits (1023 +- e) << 52. got 2**-e does not overflow, for 120 + 800 < 1023, and where it is
    not exact it is below 2**-1022, which head absorbs; so do all the differences of ``errors_of_anything``, which has
    another unit, 2**921 from this one at most: off is the same but for a power of two. It is below 2**921, and its
    product with a power of two within 2**+-(800 + 52) is below HUGE and rounded at most once, where it is subnormal.
    Neither side is beyond O, so nothing is clamped.
    """
    bits = truth.exponent << 52
    whole = truth.head + truth.tail
    off = got * (ONE - bits).view(np.float64)
    off -= truth.head
    off -= truth.tail
    return Scaled(off, whole, off / whole, (ONE + bits).view(np.float64), _odd(got, truth))


def _odd(got: Floats, truth: Reference) -> NDArray[np.bool_]:
    """Where the lemma of ``scaled`` does not apply."""
    last = min(FAR, _end(truth.fmt)[1] - 1)
    if (
        got.size
        and -LARGE < got.min() <= got.max() < LARGE
        and 1 <= truth.head.min() <= truth.head.max() < 2
        and -FAR <= truth.exponent.min() <= truth.exponent.max() <= last
    ):
        return np.zeros(got.shape, np.bool_)  # the usual softmax, for half the passes
    inside = (np.abs(got) < LARGE) & (truth.head != 0) & np.isfinite(truth.head)
    odd: NDArray[np.bool_] = ~(inside & (truth.exponent >= -FAR) & (truth.exponent <= last))
    return odd


def measured_errors(
    units: Scaled, got: Floats, truth: Reference, wanted: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """``errors`` of the wanted elements, anything elsewhere."""
    fmt = truth.fmt
    off = np.abs(units.off)
    # The ulp's exponent is max(e, emin) - p + 1, for no ordinary e exceeds emax.
    factor: Floats | float = 2.0 ** (fmt.precision - 1)
    if truth.exponent.min(initial=fmt.emin) < fmt.emin:
        below = np.clip(truth.exponent - fmt.emin, -1000, 0) + (1023 + fmt.precision - 1)
        factor = (below << 52).view(np.float64)
    ulps, relative, absolute = off * factor, np.abs(units.ratio), off * units.power
    odd = units.odd & wanted
    if odd.any():
        odd = _easy(units.whole, got, truth, odd, (ulps, relative, absolute))
        parts = truth.head[odd], truth.tail[odd], truth.exponent[odd]
        ulps[odd], relative[odd], absolute[odd] = errors_of_anything(got[odd], *parts, fmt)
    return ulps, relative, absolute


def _easy(
    whole: Floats, got: Floats, truth: Reference, odd: NDArray[np.bool_], found: tuple[Floats, Floats, Floats]
) -> NDArray[np.bool_]:
    """Store the errors of the odd elements of which there may be many; which of them are left."""
    nan, zero, none = np.isnan(got), got == 0, truth.head == 0
    vanished = odd & zero & ~none & np.isfinite(truth.head) & (truth.exponent < -FAR)
    for errors_of_a_kind in found:
        errors_of_a_kind[odd & nan] = np.inf
        errors_of_a_kind[odd & zero & none] = 0.0
    # The error is the truth.
    if vanished.any():
        size, exponent = np.abs(whole[vanished]), truth.exponent[vanished]
        ulp = np.maximum(exponent, truth.fmt.emin) - truth.fmt.precision + 1
        found[0][vanished], found[1][vanished] = ldexp(size, exponent - ulp), 1.0
        found[2][vanished] = ldexp(size, exponent)
    left: NDArray[np.bool_] = odd & ~(nan | (zero & none) | vanished)
    return left


def errors_of_anything(
    got: Floats, head: Floats, tail: Floats, exponent: NDArray[np.int64], fmt: Format
) -> tuple[Floats, Floats, Floats]:
    """``errors`` by their definition."""
    infinite = np.isinf(head)
    lost = np.isnan(got) | (infinite & (got != head))
    head, tail, exponent = _clamped(head, tail, exponent, fmt)
    mantissa, power = _parts(got, fmt)
    # The difference in units of the larger one's exponent. Where the two are within a factor of 2 the first
    # subtraction is exact (Sterbenz), so that the result has a relative error of a few 2**-53 beside the
    # enclosure's radius; where they are not, nothing cancels.
    unit = np.maximum(power, np.where(head == 0, NOTHING, exponent))
    off = np.abs(ldexp(mantissa, power - unit) - ldexp(head, exponent - unit) - ldexp(tail, exponent - unit))
    ulp = np.where(head == 0, fmt.emin, np.clip(exponent, fmt.emin, fmt.emax)) - fmt.precision + 1
    ulps = np.minimum(ldexp(off, unit - ulp), HUGE)
    absolute = np.minimum(ldexp(off, unit), HUGE)
    relative = np.minimum(ldexp(off / np.abs(head + tail), unit - exponent), HUGE)
    relative = np.where(head == 0, np.where(got == 0, 0.0, np.inf), relative)
    exact = (infinite & ~lost) | ((head == 0) & (got == 0))
    found = [np.where(lost, np.inf, np.where(exact, 0.0, e)) for e in (ulps, relative, absolute)]
    return found[0], found[1], found[2]


def ldexp(x: Floats, n: NDArray[np.int64]) -> Floats:
    """x 2**n, for any n."""
    return np.ldexp(x, np.clip(n, -5000, 5000).astype(np.int32))


def _parts(got: Floats, fmt: Format) -> tuple[Floats, NDArray[np.int64]]:
    """frexp, with the infinities as +-O, which for float64 is no double."""
    mantissa, power = np.frexp(np.where(np.isfinite(got), got, 0.0))
    power = np.where(mantissa == 0, NOTHING, power.astype(np.int64))
    beyond = np.isinf(got)
    limit, binade = _end(fmt)
    mantissa = np.where(beyond, np.copysign(limit / 2, got), mantissa)
    return mantissa, np.where(beyond, binade + 1, power).astype(np.int64)


def _end(fmt: Format) -> tuple[float, int]:
    """(m, e) with O = m 2**e, 1 <= m < 2."""
    top, shift = np.frexp(np.float64(fmt.top + 1))
    return 2 * float(top), int(shift) - 1 + fmt.emax - fmt.precision + 1


def _clamped(
    head: Floats, tail: Floats, exponent: NDArray[np.int64], fmt: Format
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(head, tail, exponent) with magnitudes beyond O replaced by O; infinities by 0, for they are judged apart."""
    limit, binade = _end(fmt)
    head = np.where(np.isfinite(head), head, 0.0)
    beyond = (head != 0) & ((exponent > binade) | ((exponent == binade) & (np.abs(head) >= limit)))
    return (
        np.where(beyond, np.copysign(limit, head), head),
        np.where(beyond, 0.0, tail),
        np.where(beyond, binade, exponent),
    )
