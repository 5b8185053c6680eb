"""Why a gradient failed: where on the way back the adjoint died, in a run of one row whose steps are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.recording import RecordedArray, Step
from overflowscope.studies.digits import beside, number
from overflowscope.studies.explain import (
    DIVISIONS,
    EXPONENTIALS,
    SELECTIONS,
    SIGNS,
    UNKNOWN,
    Failure,
    History,
    history,
    outside,
)

CANCELLED = 0.25
"""A sum so much smaller than its terms has lost two bits and more."""
TERMS = 64
"""Of a sum so many are followed."""


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
        return self._below(self.history.steps[-1], self.history.failure.column, set(), 1.0)

    def _below(self, step: Step, at: int, seen: set[tuple[int, int]], factor: float) -> str | None:
        """Of a step whose result at a class is suspected: itself, or the first step backward that it was made by.

        ``factor`` is by what the result was multiplied on its way to the gradient.
        """
        if (step.number, at) in seen or step.number not in self.history.adjoint_of:
            return None
        seen.add((step.number, at))
        found = None if step.operation in SELECTIONS else self._here(step, at, factor)
        for which, operand in enumerate(step.args):
            if found is not None or not isinstance(operand, RecordedArray) or operand.made_by < 0:
                continue
            # A selection is followed to the number that it moved here, and to no other; a sum to all its terms.
            if step.operation not in SELECTIONS or _at(operand, at) == _at(step.output, at):
                places = range(min(operand.size, TERMS)) if step.operation == "sum" else [at]
                maker = self.history.steps[operand.made_by]
                by = factor * _multiplied(step, which, at)
                found = next((f for place in places if (f := self._below(maker, place, seen, by))), None)
        return found

    def _here(self, step: Step, at: int, factor: float) -> str | None:
        """What this step did to the element, if it did."""
        name, values, result = step.operation, [_at(a, at) for a in step.given], _at(step.output, at)
        back, should = self.history.through(step), beside(self.history.failure.got, self.history.failure.exact)
        if name == "sum":
            terms = numbers(step.operands[0])
            lost = terms.size > 1 and float(np.abs(terms).max()) > 0 and self._lost(result, terms, factor)
            return f"{back}the sum of the adjoints cancels what rounding had left of them: {should}" if lost else None
        if len(values) != 2 or name not in SIGNS:
            return None
        a, b = values
        made = f"{number(a)} {SIGNS[name]} {number(b)}".replace("+ -", "- ").replace("- -", "+ ")
        if name in ("add", "subtract"):
            lost = bool(a or b) and self._lost(result, np.array(values), factor)
            return f"{back}{made} cancels what rounding had left of the gradient: {should}" if lost else None
        if self.history.failure.got != 0 or result != 0 or a == 0 == b:
            return None
        if a != 0 and (b != 0 or name in DIVISIONS):
            return f"{back}{made} underflows: {should}"
        zero = self._zero(step, 0 if a == 0 else 1, at)
        return None if zero is None else f"{zero}; {back}the adjoint is multiplied by that 0: {should}"

    def _lost(self, result: float, terms: Any, factor: float) -> bool:
        """Whether most of the terms cancels, and rounding at their size, times the factor, explains the error."""
        size, failure = float(np.abs(terms).max()), self.history.failure
        known = not failure.exact.startswith("between")
        error = abs(failure.got - float(failure.exact)) if known else 0.0
        return abs(result) <= CANCELLED * size and error <= 16 * self.history.fmt.unit_roundoff * size * abs(factor)

    def _zero(self, step: Step, which: int, at: int) -> str | None:
        """Where the zero that an adjoint is multiplied by was made, on the way forward; q of a (q / b) too."""
        factor = step.given[which]
        while isinstance(factor, RecordedArray) and factor.made_by in self.history.adjoint_of:
            step, which = self.history.steps[factor.made_by], 0
            if step.operation not in DIVISIONS:
                return None
            factor = step.given[0]
        if not isinstance(factor, RecordedArray):
            return None
        found = self.history.zero(step, which, at)
        return None if found == UNKNOWN else found


def _rounded(steps: History) -> str:
    """Where no step was found: the exp whose argument had to be rounded, or none alone."""
    should = beside(steps.failure.got, steps.failure.exact)
    if steps.failure.got == 0:
        return f"a factor of it underflows on the way: {should}"
    forward = replace(steps, steps=[s for s in steps.steps if s.number not in steps.adjoint_of])
    for step in forward.steps:
        if step.operation in EXPONENTIALS and not forward.unrounded(step):
            argument = number(forward.at(numbers(step.operands[0])))
            return f"{step.operation} makes the rounding of its argument, {argument}, a relative error: {should}"
    return f"nothing overflows or cancels, but rounding alone makes it {should}"


def _multiplied(step: Step, which: int, at: int) -> float:
    """By what the step multiplies that operand at a class; 1 for a sum, a selection and the like."""
    if step.operation == "multiply":
        return _at(step.given[1 - which], at)
    if step.operation in DIVISIONS and which == 0 and (divisor := _at(step.given[1], at)) != 0:
        return 1 / divisor
    return 1.0


def _at(value: Any, at: int) -> float:
    """The number of a class, or the only one there is."""
    flat = np.ravel(numbers(value.value if isinstance(value, RecordedArray) else value))
    return float(flat[at if at < flat.size else 0])
