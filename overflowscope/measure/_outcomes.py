"""The outcome of every element, and the counts of a block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats
from overflowscope.records import FAILURES, Outcome, Reference, State
from overflowscope.tally import NARROW, Tally


def classify(got: Floats, truth: Reference) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(Outcome, correctly rounded) of every element.

    Correctly rounded is an equality of floats (zeros of either sign are equal). Where the truth may round to several
    numbers, both answers must be the same for all of them, or the element is UNDECIDED.
    """
    outcome, correct = _outcome(got, truth.below), got == truth.below
    open_or_none = (truth.below != truth.above) | (truth.state != int(State.DEFINED))
    if open_or_none.any():
        parts = (a[open_or_none] for a in (got, truth.below, truth.above, truth.state))
        outcome[open_or_none], correct[open_or_none] = classify_of_anything(*parts)
    return outcome, correct


def is_plain(got: Floats, truth: Reference) -> bool:
    """Whether all that was got is positive, normal and finite, and so is what each of the truths rounds to."""
    return bool(
        got.size
        and not truth.state.any()  # DEFINED is 0
        and truth.fmt.smallest_normal <= got.min() <= got.max() < np.inf
        and 0 < truth.below.min() <= truth.below.max() < np.inf
        and (truth.below == truth.above).all()
    )


def classify_of_anything(
    got: Floats, below: Floats, above: Floats, state: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """``classify`` by its definition."""
    low, high = _outcome(got, below), _outcome(got, above)
    between = (below <= got) & (got <= above)
    open_question = (below != above) & ((low != high) | between)
    outcome = np.where(open_question, Outcome.UNDECIDED, low)
    outcome = np.where(state == int(State.UNDEFINED), Outcome.UNDEFINED, outcome)
    outcome = np.where(state == int(State.INPUT_OVERFLOW), Outcome.INPUT_OVERFLOW, outcome)
    correct = (got == below) & (below == above) & (state == int(State.DEFINED))
    return outcome.astype(np.uint8), correct


def _outcome(got: Floats, rounded: Floats) -> NDArray[np.uint8]:
    """The outcome where the truth rounds to ``rounded``."""
    outcome = np.zeros(got.shape, np.uint8)  # OK
    infinite, broken = np.isinf(rounded), ~np.isfinite(got)
    # The first of them that matches is the last that is stored.
    if infinite.any():
        outcome[infinite & ~broken] = Outcome.SATURATED
    outcome[(got == 0) & (rounded != 0)] = Outcome.UNDERFLOW
    if broken.any():
        outcome[np.isinf(got) & (got != rounded)] = Outcome.OVERFLOW
        outcome[np.isnan(got)] = Outcome.NAN
    return outcome


def is_failure(outcome: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the outcome is one of FAILURES."""
    first, last = min(FAILURES), max(FAILURES)  # one after the other
    return (outcome >= int(first)) & (outcome <= int(last))


def counts(raw: Floats, outcome: NDArray[np.uint8], truth: Reference, plain: bool) -> Tally:
    """The counts of a block: of its output as it is, and of outcomes. ``plain`` is what ``is_plain`` says."""
    rows, width = len(raw), raw.shape[1] if raw.ndim > 1 else 1
    if plain:
        only = (0,) * (len(Outcome) - 1)
        return Tally(
            rows=rows,
            elements=raw.size,
            outcomes=(raw.size, *only),
            rows_by_outcome=(rows, *only),
            defined=raw.size,
            by_balls=count(truth.rung == 1),
            by_intervals=count(truth.rung == 2),
        )
    defined, decided = truth.state == int(State.DEFINED), truth.below == truth.above
    known = defined & decided
    zero = count(raw == 0)
    nan, inf = (np.zeros(0, np.bool_),) * 2 if np.isfinite(raw).all() else (np.isnan(raw), np.isinf(raw))
    by_row = outcome.reshape(rows, width)
    rounded_to_zero, rounded_to_infinity = truth.below == 0, np.isinf(truth.below)
    return Tally(
        rows=rows,
        elements=raw.size,
        outcomes=tuple(count(outcome == int(o)) for o in Outcome),
        nan=count(nan),
        inf=count(inf),
        zero=zero,
        subnormal=count(np.abs(raw) < truth.fmt.smallest_normal) - zero,
        vanished=count(known & rounded_to_zero & (truth.head != 0)) if rounded_to_zero.any() else 0,
        exceeds=count(known & rounded_to_infinity & np.isfinite(truth.head)) if rounded_to_infinity.any() else 0,
        rows_nan=rows_with(nan, rows),
        rows_inf=rows_with(inf, rows),
        rows_by_outcome=tuple(rows_with(by_row == int(o), rows) for o in Outcome),
        rows_failed=rows_with(is_failure(by_row), rows),
        defined=count(defined),
        by_balls=count(known & (truth.rung == 1)),
        by_intervals=count(known & (truth.rung == 2)),
        never=count(defined) - count(known),
    )


def count(where: NDArray[np.bool_]) -> int:
    """How many are true."""
    return int(np.count_nonzero(where))


def rows_with(where: NDArray[np.bool_], rows: int) -> int:
    """How many rows have one that is true."""
    if not where.any():
        return 0
    by_row = where.reshape(rows, -1)
    return int(np.count_nonzero((np.asfortranarray(by_row) if by_row.shape[1] <= NARROW else by_row).any(-1)))
