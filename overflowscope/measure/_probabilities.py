"""Rows of probabilities: their sums, their divergence from the truth, argmax flips and lost mass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats
from overflowscope.measure._errors import Scaled, ldexp
from overflowscope.records import Reference
from overflowscope.tally import NARROW, Extreme, row_sums

SERIES = 2.0**-10
"""Relative errors below it have their divergence as a series."""


def of_rows(
    q: Floats, logits: Floats, truth: Reference, units: Scaled, numbers: NDArray[np.int64]
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """(fields of a Tally, which rows have a sum that is off) of rows without nan, q computed and the truth p."""
    with np.errstate(all="ignore"):
        p = units.whole * units.power
        if units.odd.any():
            np.copyto(p, 0.0, where=truth.head == 0)
            odd = units.odd & (truth.head != 0)
            p[odd] = ldexp(units.whole[odd], truth.exponent[odd])
        sums = row_sums(q)
        sums[np.isnan(sums)] = np.inf  # of a row with inf and -inf
        decided = truth.below == truth.above
        expected = row_sums(truth.below if decided.all() else np.where(decided, truth.below, p))
        divergence = _totals(_divergence(q, p, truth, units))
        infinite = np.isinf(q)
        if infinite.any():
            divergence[infinite.any(-1)] = np.inf
        # Rounding each exact value moves a row's sum to `expected`; an error beyond a few u is the formulation's.
        distance = np.abs(sums - expected)
        off = ~(distance <= 2.0**-6 + 8 * truth.fmt.unit_roundoff)
        furthest = int(np.argmax(distance))
    zero = q == 0
    lost = _totals(np.where(zero, p, 0.0)) if zero.any() else np.zeros(len(q))
    fields = {
        "sums": Extreme.of(sums),
        "divergence": Extreme.of(divergence),
        "flips": _flips(q, logits),
        "lost": Extreme.of(lost),
        "rows_off": int(np.count_nonzero(off)),
        "worst_sum": (float(distance[furthest]), -int(numbers[furthest])),
    }
    return fields, off


def _totals(values: Floats) -> Floats:
    """The sum of each row, added in an order that depends on the number of classes only."""
    if values.shape[-1] > NARROW:
        total: Floats = np.ascontiguousarray(values).sum(-1)
        return total
    columns = np.ascontiguousarray(values.T)
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


def _largest(values: Floats) -> Floats:
    found: Floats = np.ascontiguousarray(values.T).max(0) if values.shape[-1] <= NARROW else values.max(-1)
    return found


def _flips(q: Floats, logits: Floats) -> int:
    """Rows in which no largest logit has a largest probability."""
    # Where the first largest logit has it, nothing more is asked.
    place = np.arange(len(q)), logits.argmax(-1)
    doubtful = np.flatnonzero(q[place] != _largest(q))
    q, logits = q[doubtful], logits[doubtful]
    kept = (q == q.max(-1, keepdims=True)) & (logits == logits.max(-1, keepdims=True))
    return int(np.count_nonzero(~kept.any(-1)))


def _divergence(q: Floats, p: Floats, truth: Reference, units: Scaled) -> Floats:
    """q log(q/p) - q + p per element: >= 0, p where q = 0, +inf where q > 0 = p or q < 0.

    With d = (q - p)/p it is p ((1 + d) log(1 + d) - d) = p (d^2/2 - d^3/6 + d^4/12 - d^5/20 + ...), which is summed as
    the series for |d| < 2**-10, where its next term is below 2**-40 of the first.
    """
    d = units.ratio
    value = d * (-1 / 20)
    for coefficient in (1 / 12, -1 / 6, 1 / 2):
        value += coefficient
        value *= d
    value *= d
    value *= p
    beyond = ~(np.abs(d) < SERIES) | units.odd
    if not beyond.any():
        return value
    near, zero = beyond & (np.abs(d) < 0.5) & ~units.odd, q == 0
    if near.any():
        np.copyto(value, np.maximum(q * np.log1p(d) - q + p, 0.0), where=near)
    np.copyto(value, p, where=zero)
    other = beyond & ~near & ~zero
    parts = truth.head[other], truth.tail[other], truth.exponent[other]
    value[other] = divergence_of_anything(q[other], p[other], *parts)
    return value


def divergence_of_anything(q: Floats, p: Floats, head: Floats, tail: Floats, exponent: NDArray[np.int64]) -> Floats:
    """``_divergence`` by its definition. What cancels costs at most 2**-53 (1 + d)/(d^2/4) < 2**-30 of the value."""
    mantissa, power = np.frexp(q)
    whole = head + tail
    d = (ldexp(mantissa, power - exponent) - head - tail) / whole
    series = (((d * (-1 / 20) + 1 / 12) * d - 1 / 6) * d + 1 / 2) * d * d * p
    log_p = np.log(whole) + exponent * np.log(2.0)
    full = q * np.where(np.abs(d) < 0.5, np.log1p(d), np.log(q) - log_p) - q + p
    value = np.where(np.abs(d) < SERIES, series, np.maximum(full, 0.0))
    return np.where(q == 0, p, np.where((head == 0) | (q < 0), np.inf, value))
