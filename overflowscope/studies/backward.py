"""Why a gradient failed: where on the way back the adjoint died, in a run of one row whose steps are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.recording import RecordedArray, Step
from overflowscope.studies.explain import (
    DIVISIONS,
    EXPONENTIALS,
    SELECTIONS,
    SIGNS,
    UNKNOWN,
    Failure,
    History,
    history,
    number,
    outside,
    short,
)

CANCELLED = 0.25
"""A sum so much smaller than its terms has lost two bits and more."""


def cause(run: Callable[..., Any], failure: Failure) -> str | None:
    """One clause on the step, forward or backward, where a gradient went wrong; None where steps cannot be seen.

    ``run`` takes (xp, logits, labels) and gives the gradient.
    """
    with np.errstate(all="ignore"):
        found = history(run, failure)
        if found is None:
            return None
        value, steps = found
        return outside(value, failure) or steps.nonfinite() or _Backward(steps).died() or _rounded(steps)


@dataclass(frozen=True)
class _Backward:
    """The steps backward, walked from the gradient's failing element to where it lost what it should have."""

    history: History

    def died(self) -> str | None:
        """What made the element 0, or cancelled most of it."""
        last = self.history.steps[-1]
        return self._below(last, set()) if last.number in self.history.adjoint_of else None

    def _below(self, step: Step, seen: set[int]) -> str | None:
        """Of a step whose result is suspected: itself, or the first of the steps backward that it was made by."""
        if step.number in seen or step.number not in self.history.adjoint_of:
            return None
        seen.add(step.number)
        found = None if step.operation in SELECTIONS else self._here(step)
        if found is not None:
            return found
        for operand in step.args:
            if not isinstance(operand, RecordedArray) or operand.made_by < 0:
                continue
            # A selection is followed to the number that it moved here, and to no other.
            moved = self._at(operand) == self._at(step.output)
            if step.operation not in SELECTIONS or moved:
                found = found or self._below(self.history.steps[operand.made_by], seen)
        return found

    def _here(self, step: Step) -> str | None:
        """What this step did to the element, if it did."""
        name, values, result = step.operation, [self._at(a) for a in step.given], self._at(step.output)
        back, should = self.history.through(step), _should(self.history.failure)
        if name == "sum":
            terms = numbers(step.operands[0])
            lost = terms.size > 1 and float(np.abs(terms).max()) > 0 and self._lost(result, terms)
            return f"{back}the sum of the adjoints cancels what rounding had left of them: {should}" if lost else None
        if len(values) != 2 or name not in SIGNS:
            return None
        a, b = values
        made = f"{number(a)} {SIGNS[name]} {number(b)}".replace("+ -", "- ").replace("- -", "+ ")
        if name in ("add", "subtract"):
            lost = bool(a or b) and self._lost(result, np.array(values))
            return f"{back}{made} cancels what rounding had left of the gradient: {should}" if lost else None
        if self.history.failure.got != 0 or result != 0 or a == 0 == b:
            return None
        if a != 0 and (b != 0 or name in DIVISIONS):
            return f"{back}{made} underflows: {should}"
        zero = self._zero(step, 0 if a == 0 else 1)
        return None if zero is None else f"{zero}; {back}the adjoint is multiplied by that 0: {should}"

    def _lost(self, result: float, terms: Any) -> bool:
        return abs(result) <= CANCELLED * float(np.abs(terms).max())

    def _zero(self, step: Step, which: int) -> str | None:
        """Where the zero that an adjoint is multiplied by was made, on the way forward."""
        factor = step.given[which]
        if not isinstance(factor, RecordedArray) or factor.made_by in self.history.adjoint_of:
            return None
        found = self.history.zero(step, which, self.history.failure.column)
        return None if found == UNKNOWN else found

    def _at(self, value: Any) -> float:
        plain = numbers(value.value if isinstance(value, RecordedArray) else value)
        return float(np.ravel(plain)[self.history.index(plain)])


def _rounded(steps: History) -> str:
    """Where nothing cancels or vanishes: the exp whose argument had to be rounded, or no step alone."""
    should = _should(steps.failure)
    forward = replace(steps, steps=[s for s in steps.steps if s.number not in steps.adjoint_of])
    for step in forward.steps:
        if step.operation in EXPONENTIALS and not forward.unrounded(step):
            argument = number(forward.at(numbers(step.operands[0])))
            return f"{step.operation} makes the rounding of its argument, {argument}, a relative error: {should}"
    return f"nothing overflows or cancels, but rounding alone makes it {should}"


def _should(failure: Failure) -> str:
    return f"{number(failure.got)} where the truth is {short(failure.exact)}"
