"""The sentence about each formulation that failed, and the remedies that came out clean in the same run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.strict import Model
from overflowscope.cases import Contender
from overflowscope.catalogue import Formulation
from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.records import Measurement, Outcome
from overflowscope.studies import explain
from overflowscope.studies.digits import beside, number
from overflowscope.studies.explain import Failure
from overflowscope.summarise import exact
from overflowscope.tally import Element, Tally

Again = Callable[[int], tuple[Floats, NDArray[np.int64] | None]]
"""(logits, label) of one row by its number."""


@dataclass(frozen=True)
class Try:
    """A contender and how it did."""

    contender: Contender
    measurement: Measurement
    tally: Tally

    @property
    def clean(self) -> bool:
        """A formulation of the operation itself, without a failure, whose largest error leaves half of the bits."""
        formulation = self.formulation
        honest = formulation is not None and not formulation.approximation and not formulation.trap
        return honest and not self.wrong

    @property
    def wrong(self) -> bool:
        """Whether there is something to explain."""
        return bool(self.measurement.failures) or self.measurement.inaccurate

    @property
    def lasting(self) -> bool:
        """Clean, and by no luck."""
        return self.clean and self.formulation is not None and not self.formulation.fragile

    @property
    def formulation(self) -> Formulation | None:
        name = self.contender.formulation
        return self.contender.operation.named(name) if name and self.contender.own else None

    def worse_than(self, other: Try) -> bool:
        """Whether both its largest and its mean error are larger."""
        mine, others = self.measurement.ulp, other.measurement.ulp
        if None in (mine.max, mine.mean, others.max, others.mean):
            return False
        return mine.max > others.max and mine.mean > others.mean  # type: ignore[operator]


def explained(
    tries: Sequence[Try], shown: int, again: Again, fmt: Format, compute: Format | None, model: Model | None = None
) -> list[Measurement]:
    """The first ``shown`` measurements, with an explanation where there is something to explain."""
    return [_explain(t, _remedy(t, tries, shown), again, fmt, compute, model) for t in tries[:shown]]


def lacking(attempt: Try, tries: Sequence[Try]) -> bool:
    """Whether it went wrong and none of the others can be recommended."""
    return attempt.wrong and not _better(attempt, tries)


def _better(failed: Try, tries: Sequence[Try]) -> list[Try]:
    """What came out clean, does not merely happen to survive, and is not less accurate."""
    return [t for t in tries if t is not failed and t.lasting and not t.worse_than(failed)]


def _remedy(failed: Try, tries: Sequence[Try], shown: int) -> str:
    """What came out clean in this run: what is shown, else what ran unseen."""
    clean = [t for t in tries if t.clean and t is not failed]
    lasting = [t for t in clean if t.lasting]
    better = _better(failed, tries)
    names = [t.contender.name for t in better if t in tries[:shown]]
    if names:
        return f"use {' or '.join(names)}"
    if better:
        unseen = [t.contender.name for t in better]
        return f"{' and '.join(unseen)} came out clean (--formulation {unseen[0]})"
    if lasting:
        return f"{lasting[0].contender.name} avoids it, with larger errors"
    if clean:
        return f"only {clean[0].contender.name} came out clean, which larger logits break"
    return "no formulation of it came out clean"


def _explain(
    attempt: Try, remedy: str, again: Again, fmt: Format, compute: Format | None, model: Model | None
) -> Measurement:
    measurement = attempt.measurement
    if measurement.status != "ok":
        return replace(measurement, explanation=f"{measurement.name} {measurement.subject}: {measurement.explanation}")
    if not attempt.wrong:
        return measurement
    why = _why(attempt, again, fmt, compute, model)
    text = f"{measurement.name} {measurement.subject}: {_what(attempt)}"
    text += f": {why}; {remedy}" if why else f"; {remedy}"
    return replace(measurement, explanation=text)


def _what(attempt: Try) -> str:
    """What went wrong, in how many rows."""
    m, tally = attempt.measurement, attempt.tally
    words = {
        Outcome.NAN: "nan",
        Outcome.OVERFLOW: "inf",
        Outcome.UNDERFLOW: "a wrong 0",
        Outcome.SATURATED: "a finite number for an infinite one",
    }
    parts = [f"{word} in {tally.rows_by_outcome[o]:,}" for o, word in words.items() if tally.rows_by_outcome[o]]
    if parts:
        return f"{', '.join(parts)} of {m.rows:,} rows"
    if tally.rows_off and m.row_sum is not None and m.row_sum.min is not None and m.row_sum.max is not None:
        low, high = number(m.row_sum.min), number(m.row_sum.max)
        sums = f"sums from {low} to {high}" if low != high else f"every sum is {low}"
        return f"{tally.rows_off:,} of {m.rows:,} rows do not sum to 1 ({sums})"
    bits, precision = m.bits.max or 0.0, FORMATS[m.dtype].precision
    wrong = f"by up to {bits:.3g} of {precision} bits" if bits < precision else "in every bit"
    return f"finite but wrong {wrong}"


def _why(attempt: Try, again: Again, fmt: Format, compute: Format | None, model: Model | None) -> str | None:
    """The cause: of the gravest failure's worst element, else of the furthest sum, else of the largest error."""
    tally = attempt.tally
    element = tally.failed[1] if tally.failed else tally.worst
    if element is None:
        return None
    row, error = -element.minus_row, None
    if not tally.failed and tally.rows_off and tally.worst_sum:
        error, row = tally.worst_sum[0], -tally.worst_sum[1]
    approximation = attempt.formulation is not None and attempt.formulation.approximation
    if approximation and element.got != 0 and math.isfinite(element.got):
        return f"it is another function, which gives {beside(element.got, exact(element))}"
    logits, label = again(row)
    operation, arguments = attempt.contender.operation, attempt.contender.operation.arguments
    column = -element.minus_column if label is None or operation.per_class else int(label[0])
    failure = Failure(logits, label, column, element.got, exact(element), fmt, compute, error, model)

    def run(xp: object, x: object, labels: object) -> object:
        return attempt.contender.run(xp, *arguments(x, labels))

    if operation.quantity == "gradient":
        from overflowscope.studies.backward import cause  # not needed for values
    else:
        cause = explain.cause
    why = cause(run, failure) or (None if failure.sum_error is not None else _unseen(logits, fmt, element))
    return f"{why} (row {row})" if why and attempt.measurement.rows > 1 else why


def _unseen(logits: Floats, fmt: Format, element: Element) -> str:
    """What can be said of a function whose steps cannot be seen: what it gives and should."""
    finite = logits[np.isfinite(logits)]
    text = f"its steps cannot be seen: it gives {beside(element.got, exact(element))}"
    if math.isfinite(element.got) or not finite.size or finite.max() <= fmt.log_largest:
        return text
    largest = number(float(finite.max()))
    return f"{text}; exp overflows {fmt.name} above {fmt.log_largest:.6g}, and the largest logit is {largest}"
