"""What was computed against the truth: errors, outcomes, and what becomes of a row of probabilities.

``measure`` gives a Tally, a small summary that merges with others exactly and in any order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats, Format
from overflowscope.records import FAILURES, Evaluation, Outcome, Reference, State
from overflowscope.tally import Element, Extreme, Sample, Tally, row_sums

NOTHING = -(2**50)
"""The exponent of zero: below any other."""
HUGE = float(np.finfo(np.float64).max)
"""Finite errors beyond it are reported as it, so that inf always means: nan, or an infinity on one side only."""


def measure(
    evaluation: Evaluation, truth: Reference, logits: Floats, probabilities: bool, numbers: NDArray[np.int64]
) -> Tally:
    """Measure one evaluation against its reference.

    ``logits`` (rows, classes) are the numbers of the format that went in; ``probabilities`` asks for the measures of
    rows that sum to 1 as well; ``numbers`` (rows,) are the numbers of the rows in the whole input.
    """
    got = _overflowed_nan(evaluation.values, truth)
    outcome, correct = classify(got, truth)
    measured = (truth.state == State.DEFINED) & (outcome != Outcome.UNDECIDED)
    ulps, relative, absolute = errors(got, truth)
    tally = replace(
        _counts(evaluation.values, outcome, truth),
        correct=int(np.count_nonzero(correct & measured)),
        ulps=Sample.of(ulps[measured]),
        bits=Sample.of(np.log2(1 + ulps[measured])),
        relative=Sample.of(relative[measured]),
        absolute=Extreme.of(absolute[measured]),
        undefined=_undefined(truth, numbers),
        worst=_worst(ulps, measured, evaluation.values, truth, numbers),
        failed=_failed(ulps, outcome, evaluation.values, truth, numbers),
    )
    if not probabilities:
        return tally
    usable = (truth.state == State.DEFINED).all(-1) & ~np.isnan(got).any(-1)
    failed = np.isin(outcome[usable], FAILURES).any(-1)
    of_rows = _of_rows(got[usable], logits[usable], _rows_of(truth, usable), numbers[usable])
    off = of_rows.pop("off", failed)
    return replace(tally, **of_rows, rows_failed=tally.rows_failed + int(np.count_nonzero(off & ~failed)))


def classify(got: Floats, truth: Reference) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(Outcome, correctly rounded) of every element.

    Correctly rounded is an equality of floats (zeros of either sign are equal). Where the truth may round to several
    numbers, both answers must be the same for all of them, or the element is UNDECIDED.
    """
    low, high = _outcome(got, truth.below), _outcome(got, truth.above)
    between = (truth.below <= got) & (got <= truth.above)
    open_question = (truth.below != truth.above) & ((low != high) | between)
    outcome = np.where(open_question, Outcome.UNDECIDED, low)
    outcome = np.where(truth.state == State.UNDEFINED, Outcome.UNDEFINED, outcome)
    outcome = np.where(truth.state == State.INPUT_OVERFLOW, Outcome.INPUT_OVERFLOW, outcome)
    correct = (got == truth.below) & (truth.below == truth.above) & (truth.state == State.DEFINED)
    return outcome.astype(np.uint8), correct


def _outcome(got: Floats, rounded: Floats) -> NDArray[np.uint8]:
    """The outcome where the truth rounds to ``rounded``."""
    return np.select(
        [
            np.isnan(got),
            np.isinf(got) & (got != rounded),
            (got == 0) & (rounded != 0),
            np.isfinite(got) & np.isinf(rounded),
        ],
        [Outcome.NAN, Outcome.OVERFLOW, Outcome.UNDERFLOW, Outcome.SATURATED],
        Outcome.OK,
    ).astype(np.uint8)


def errors(got: Floats, truth: Reference) -> tuple[Floats, Floats, Floats]:
    """(ulps, relative, absolute): errors against the real number at the middle of the enclosure.

    With O = largest + ulp(largest), both sides are clamped to [-O, O] first, so that an overflow of a number just
    beyond the format has a small error. nan for a number, and anything but that infinity for an infinite truth, are
    infinitely wrong. ulp(x) = 2**(min(max(e, emin), emax) - p + 1) for 2**e <= |x| < 2**(e + 1), that of 0 is the
    smallest subnormal; after Muller et al., Handbook of Floating-Point Arithmetic (2018), 2.3.2.
    """
    fmt = truth.fmt
    with np.errstate(all="ignore"):
        infinite_truth = np.isinf(truth.head)
        head, tail, exponent = _clamped(truth)
        mantissa, power = _parts(got, fmt)
        # The difference in units of the larger one's exponent. Where the two are within a factor of 2 the first
        # subtraction is exact (Sterbenz), so that the result has a relative error of a few 2**-53 beside the
        # enclosure's radius; where they are not, nothing cancels.
        unit = np.maximum(power, np.where(head == 0, NOTHING, exponent))
        off = np.abs(_ldexp(mantissa, power - unit) - _ldexp(head, exponent - unit) - _ldexp(tail, exponent - unit))
        ulp = np.where(head == 0, fmt.emin, np.clip(exponent, fmt.emin, fmt.emax)) - fmt.precision + 1
        ulps = np.minimum(_ldexp(off, unit - ulp), HUGE)
        absolute = np.minimum(_ldexp(off, unit), HUGE)
        relative = np.minimum(_ldexp(off / np.abs(head + tail), unit - exponent), HUGE)
        relative = np.where(head == 0, np.where(got == 0, 0.0, np.inf), relative)
    lost = np.isnan(got) | (infinite_truth & (got != truth.head))
    exact = (infinite_truth & ~lost) | ((head == 0) & (got == 0))
    found = [np.where(lost, np.inf, np.where(exact, 0.0, e)) for e in (ulps, relative, absolute)]
    return found[0], found[1], found[2]


def _ldexp(x: Floats, n: NDArray[np.int64]) -> Floats:
    return np.ldexp(x, np.clip(n, -5000, 5000).astype(np.int32))


def _parts(got: Floats, fmt: Format) -> tuple[Floats, NDArray[np.int64]]:
    """frexp, with the infinities as +-O, which for float64 is no double."""
    mantissa, power = np.frexp(np.where(np.isfinite(got), got, 0.0))
    power = np.where(mantissa == 0, NOTHING, power.astype(np.int64))
    beyond = np.isinf(got)
    top, shift = np.frexp(np.float64(fmt.top + 1))
    mantissa = np.where(beyond, np.copysign(top, got), mantissa)
    return mantissa, np.where(beyond, int(shift) + fmt.emax - fmt.precision + 1, power).astype(np.int64)


def _clamped(truth: Reference) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(head, tail, exponent) with magnitudes beyond O replaced by O; infinities by 0, for they are judged apart."""
    fmt = truth.fmt
    top, shift = np.frexp(np.float64(fmt.top + 1))
    limit, binade = 2 * float(top), int(shift) - 1 + fmt.emax - fmt.precision + 1
    head = np.where(np.isfinite(truth.head), truth.head, 0.0)
    beyond = (head != 0) & ((truth.exponent > binade) | ((truth.exponent == binade) & (np.abs(head) >= limit)))
    return (
        np.where(beyond, np.copysign(limit, head), head),
        np.where(beyond, 0.0, truth.tail),
        np.where(beyond, binade, truth.exponent),
    )


def _overflowed_nan(got: Floats, truth: Reference) -> Floats:
    """In a format without infinities nan is the right overflow: taken for the infinity that the truth may round to."""
    if truth.fmt.has_infinity:
        return got
    end = np.where(np.isinf(truth.above), truth.above, truth.below)
    return np.where(np.isnan(got) & np.isinf(end), end, got)


def _counts(raw: Floats, outcome: NDArray[np.uint8], truth: Reference) -> Tally:
    width = raw.shape[1] if raw.ndim > 1 else 1
    by_row, raw_rows = outcome.reshape(len(raw), width), raw.reshape(len(raw), width)
    defined, decided = truth.state == State.DEFINED, truth.below == truth.above
    failed = np.isin(by_row, FAILURES)
    magnitude = np.abs(raw)

    def count(where: NDArray[np.bool_] | np.bool_) -> int:
        return int(np.count_nonzero(where))

    return Tally(
        rows=len(raw),
        elements=raw.size,
        outcomes=tuple(np.bincount(outcome.ravel(), minlength=len(Outcome)).tolist()),
        nan=count(np.isnan(raw)),
        inf=count(np.isinf(raw)),
        zero=count(raw == 0),
        subnormal=count((magnitude > 0) & (magnitude < truth.fmt.smallest_normal)),
        vanished=count(defined & decided & (truth.head != 0) & (truth.below == 0)),
        exceeds=count(defined & decided & np.isfinite(truth.head) & np.isinf(truth.below)),
        rows_nan=count(np.isnan(raw_rows).any(-1)),
        rows_inf=count(np.isinf(raw_rows).any(-1)),
        rows_by_outcome=tuple(count((by_row == o).any(-1)) for o in Outcome),
        rows_failed=count(failed.any(-1)),
        defined=count(defined),
        by_balls=count(defined & decided & (truth.rung == 1)),
        by_intervals=count(defined & decided & (truth.rung == 2)),
        never=count(defined & ~decided),
    )


def _undefined(truth: Reference, numbers: NDArray[np.int64]) -> Extreme:
    states = truth.state.reshape(len(numbers), truth.state.shape[1] if truth.state.ndim > 1 else 1)
    return Extreme.of(numbers[(states == State.UNDEFINED).any(-1)].astype(np.float64))


def _worst(
    ulps: Floats, among: NDArray[np.bool_], raw: Floats, truth: Reference, numbers: NDArray[np.int64]
) -> Element | None:
    """The first of the elements with the largest error, among some of them."""
    if not among.any():
        return None
    place = np.unravel_index(int(np.argmax(np.where(among, ulps, -1.0))), ulps.shape)
    row, column = int(place[0]), int(place[1]) if len(place) > 1 else 0
    got, head, tail, radius = (float(a[place]) for a in (raw, truth.head, truth.tail, truth.radius))
    return Element(float(ulps[place]), -int(numbers[row]), -column, got, head, tail, int(truth.exponent[place]), radius)


def _failed(
    ulps: Floats, outcome: NDArray[np.uint8], raw: Floats, truth: Reference, numbers: NDArray[np.int64]
) -> tuple[int, Element] | None:
    """The worst element of the gravest failure there is, after how grave it is."""
    for failure in FAILURES:
        element = _worst(ulps, outcome == failure, raw, truth, numbers)
        if element is not None:
            return -int(failure), element
    return None


def _rows_of(truth: Reference, rows: NDArray[np.bool_]) -> Reference:
    fields = ("head", "tail", "exponent", "radius", "below", "above", "state", "rung")
    return replace(truth, **{name: getattr(truth, name)[rows] for name in fields})


def _of_rows(q: Floats, logits: Floats, truth: Reference, numbers: NDArray[np.int64]) -> dict[str, Any]:
    """Of rows of probabilities without nan, q computed and p exact: sums, divergence, argmax flips, lost mass."""
    if not len(q):
        return {}
    p = _ldexp(truth.head + truth.tail, truth.exponent)
    with np.errstate(all="ignore"):
        sums = row_sums(q)
        sums = np.where(np.isnan(sums), np.inf, sums)  # of a row with inf and -inf
        expected = row_sums(np.where(truth.below == truth.above, truth.below, p))
        divergence = np.where(np.isinf(q).any(-1), np.inf, _divergence(q, p, truth).sum(-1))
        # Rounding each exact value moves a row's sum to `expected`; an error beyond a few u is the formulation's.
        distance = np.abs(sums - expected)
        off = ~(distance <= 2.0**-6 + 8 * truth.fmt.unit_roundoff)
        furthest = int(np.argmax(distance))
    kept = (q == q.max(-1, keepdims=True)) & (logits == logits.max(-1, keepdims=True))
    return {
        "sums": Extreme.of(sums),
        "divergence": Extreme.of(divergence),
        "flips": int(np.count_nonzero(~kept.any(-1))),
        "lost": Extreme.of(np.where(q == 0, p, 0.0).sum(-1)),
        "off": off,
        "rows_off": int(np.count_nonzero(off)),
        "worst_sum": (float(distance[furthest]), -int(numbers[furthest])),
    }


def _divergence(q: Floats, p: Floats, truth: Reference) -> Floats:
    """q log(q/p) - q + p per element: >= 0, p where q = 0, +inf where q > 0 = p or q < 0.

    With d = (q - p)/p it is p ((1 + d) log(1 + d) - d) = p (d^2/2 - d^3/6 + d^4/12 - d^5/20 + ...), which is summed as
    the series for |d| < 2**-10, where its next term is below 2**-40 of the first. Beyond, what cancels costs at most
    2**-53 (1 + d)/(d^2/4) < 2**-30 of the value.
    """
    mantissa, power = np.frexp(q)
    d = (_ldexp(mantissa, power - truth.exponent) - truth.head - truth.tail) / (truth.head + truth.tail)
    series = p * d * d * (1 / 2 - d * (1 / 6 - d * (1 / 12 - d / 20)))
    log_p = np.log(truth.head + truth.tail) + truth.exponent * np.log(2.0)
    whole = q * np.where(np.abs(d) < 0.5, np.log1p(d), np.log(q) - log_p) - q + p
    value = np.where(np.abs(d) < 2.0**-10, series, np.maximum(whole, 0.0))
    return np.where(q == 0, p, np.where((truth.head == 0) | (q < 0), np.inf, value))
