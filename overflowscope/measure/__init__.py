"""What was computed against the truth: errors, outcomes, and what becomes of a row of probabilities.

``measure`` gives a Tally, a small summary that merges with others exactly and in any order. Each part does the ordinary
elements of a block in a few passes and leaves those that its lemma does not cover to the general code beside it, named
..._of_anything; where both apply they give equal bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats
from overflowscope.measure._errors import HUGE, errors, measured_errors, scaled
from overflowscope.measure._outcomes import classify, counts, is_failure, is_plain
from overflowscope.measure._precision import Kept, computes, kept, together
from overflowscope.measure._probabilities import of_rows
from overflowscope.memory import keep_freed
from overflowscope.records import FAILURES, Evaluation, Outcome, Reference, State
from overflowscope.tally import Element, Extreme, Sample, Tally

__all__ = ["HUGE", "Kept", "classify", "computes", "errors", "kept", "measure", "together"]


def measure(
    evaluation: Evaluation, truth: Reference, logits: Floats, probabilities: bool, numbers: NDArray[np.int64]
) -> Tally:
    """Measure one evaluation against its reference.

    ``logits`` (rows, classes) are the numbers of the format that went in; ``probabilities`` asks for the measures of
    rows that sum to 1 as well; ``numbers`` (rows,) are the numbers of the rows in the whole input.
    """
    keep_freed()
    raw = evaluation.values
    got = _overflowed_nan(raw, truth)
    with np.errstate(all="ignore"):
        plain = is_plain(got, truth)
        outcome, correct = (np.zeros(got.shape, np.uint8), got == truth.below) if plain else classify(got, truth)
        measured = (truth.state == int(State.DEFINED)) & (outcome != int(Outcome.UNDECIDED))
        units = scaled(got, truth)
        ulps, relative, absolute = measured_errors(units, got, truth, measured)
    found, relative, absolute = ((a if measured.all() else a[measured]).ravel() for a in (ulps, relative, absolute))
    tally = replace(
        counts(raw, outcome, truth, plain),
        correct=int(np.count_nonzero(correct & measured)),
        ulps=Sample.of(found),
        bits=Sample.of(np.log2(1 + found), binned=False),
        relative=Sample.of(relative, binned=False),
        absolute=Extreme.of(absolute),
        undefined=_undefined(truth, numbers),
        worst=_worst(ulps, measured, raw, truth, numbers),
        failed=_failed(ulps, outcome, raw, truth, numbers),
    )
    if not probabilities:
        return tally
    usable = measured if plain else (truth.state == int(State.DEFINED)) & ~np.isnan(got)
    if not usable.all():
        usable = usable.all(-1)
        got, logits, outcome, numbers = got[usable], logits[usable], outcome[usable], numbers[usable]
        truth, units = truth_at(truth, usable), units.at(usable)
    if not len(got):
        return tally
    fields, off = of_rows(got, logits, truth, units, numbers)
    sound = ~is_failure(outcome).any(-1) if tally.rows_failed else True
    return replace(tally, **fields, rows_failed=tally.rows_failed + int(np.count_nonzero(off & sound)))


def _overflowed_nan(got: Floats, truth: Reference) -> Floats:
    """In a format without infinities nan is the right overflow: taken for the infinity that the truth may round to."""
    if truth.fmt.has_infinity:
        return got
    end = np.where(np.isinf(truth.above), truth.above, truth.below)
    return np.where(np.isnan(got) & np.isinf(end), end, got)


def _undefined(truth: Reference, numbers: NDArray[np.int64]) -> Extreme:
    undefined = truth.state == int(State.UNDEFINED)
    if not undefined.any():
        return Extreme()
    return Extreme.of(numbers[undefined.reshape(len(numbers), -1).any(-1)].astype(np.float64))


def _worst(
    ulps: Floats, among: NDArray[np.bool_], raw: Floats, truth: Reference, numbers: NDArray[np.int64]
) -> Element | None:
    """The first of the elements with the largest error, among some of them."""
    if not among.any():
        return None
    first = int(np.argmax(ulps if among.all() else np.where(among, ulps, -1.0)))
    place = np.unravel_index(first, ulps.shape)
    row, column = int(place[0]), int(place[1]) if len(place) > 1 else 0
    got, head, tail, radius = (float(a[place]) for a in (raw, truth.head, truth.tail, truth.radius))
    return Element(float(ulps[place]), -int(numbers[row]), -column, got, head, tail, int(truth.exponent[place]), radius)


def _failed(
    ulps: Floats, outcome: NDArray[np.uint8], raw: Floats, truth: Reference, numbers: NDArray[np.int64]
) -> tuple[int, Element] | None:
    """The worst element of the gravest failure there is, after how grave it is."""
    if not outcome.any():
        return None
    for failure in FAILURES:
        element = _worst(ulps, outcome == int(failure), raw, truth, numbers)
        if element is not None:
            return -int(failure), element
    return None


def truth_at(truth: Reference, where: NDArray[np.bool_]) -> Reference:
    """The truth of some rows, or flat of some elements."""
    fields = ("head", "tail", "exponent", "radius", "below", "above", "state", "rung")
    return replace(truth, **{name: getattr(truth, name)[where] for name in fields})
