"""Why a formulation failed: one row, run again under Recording, and the step where it went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.recording import RecordedArray, Recording, Step
from overflowscope.evaluate import computing, to_array
from overflowscope.formats import Floats, Format, round_to

SELECTIONS = {"getitem", "take_along_axis", "where", "reshape", "copy", "broadcast_to", "squeeze", "ravel", "take"}
"""Steps that move numbers and compute none."""
DIVISIONS = {"divide", "true_divide"}
INDETERMINATE = {"subtract": "inf - inf", "add": "inf - inf", "multiply": "0 * inf"} | dict.fromkeys(
    DIVISIONS, "inf/inf"
)


@dataclass(frozen=True)
class Failure:
    """What is to be explained: an element, or the sum of a row of probabilities.

    ``logits`` (1, classes) are numbers of ``fmt``; ``column`` is the element's class, its label where it has one;
    ``sum_error`` is None, or how far from 1 the row's sum is.
    """

    logits: Floats
    label: NDArray[np.int64] | None
    column: int
    got: float
    exact: str
    fmt: Format
    compute: Format | None
    sum_error: float | None = None


def cause(run: Callable[..., Any], failure: Failure) -> str | None:
    """One clause on the step where it went wrong; None where the code's steps cannot be seen.

    ``run`` takes (xp, logits, labels). The code runs once more, on one row; what it raises then is no cause.
    """
    arithmetic = computing(failure.fmt, failure.compute)
    recording = Recording()
    with np.errstate(all="ignore"):
        x = recording.asarray(to_array(failure.logits, failure.fmt).astype(arithmetic.dtype))
        try:
            result = run(recording, x, failure.label)
        except Exception:
            return None
        if not isinstance(result, RecordedArray):
            return None
        value = _numbers(result.value)
        column = failure.column if failure.label is None else int(failure.label[0])
        history = _History(recording.steps, failure.logits == -np.inf, arithmetic, column, failure)
        if failure.sum_error is not None:
            return history.absorbed(failure.sum_error) or history.blurred()
        return _rounding(value, failure, arithmetic) or history.nonfinite() or history.lost()


def _rounding(value: Floats, failure: Failure, arithmetic: Format) -> str | None:
    """A result that was fine where it was computed and is lost by the last rounding to the format."""
    fmt = failure.fmt
    if arithmetic is fmt:
        return None
    rounded = round_to(value, fmt)
    for lost, what in (
        (np.isinf(rounded) & np.isfinite(value), "overflows"),
        ((rounded == 0) & (value != 0) & (failure.got == 0), "vanishes"),
    ):
        if lost.any():
            return f"{number(float(value[lost].flat[0]))} {what} when rounded from {arithmetic.name} to {fmt.name}"
    return None


@dataclass(frozen=True)
class _History:
    """The steps of one run on one row, in ``fmt``; ``masked`` (1, classes) marks logits of -inf, meant to vanish."""

    steps: list[Step]
    masked: NDArray[np.bool_]
    fmt: Format
    column: int
    failure: Failure

    def nonfinite(self) -> str | None:
        """The first step that makes an inf or a nan of finite numbers, or a nan of infinities."""
        for step in self.steps:
            if step.operation in SELECTIONS:
                continue
            result, operands = _numbers(step.result), [_numbers(a) for a in step.operands]
            meant = self.masked if result.shape == self.masked.shape else np.zeros(result.shape, np.bool_)
            born = ~np.isfinite(result) & _all_at([np.isfinite(a) for a in operands], result.shape) & ~meant
            if born.any():
                return self._birth(step, operands, result, born)
            if (np.isnan(result) & _all_at([~np.isnan(a) for a in operands], result.shape)).any():
                return f"{INDETERMINATE.get(step.operation, step.operation)} is nan"
        return None

    def _birth(self, step: Step, operands: list[Floats], result: Floats, born: NDArray[np.bool_]) -> str:
        name, fmt = step.operation, self.fmt.name
        if name == "exp":
            largest = number(float(np.broadcast_to(operands[0], result.shape)[born].max()))
            what = "logit" if step.parents[0] == -1 else "exponent"
            return f"exp overflows {fmt} above {self.fmt.log_largest:.6g} and the largest {what} is {largest}"
        if name == "sum":
            total, most = number(float(operands[0].sum())), number(self.fmt.largest)
            return f"every exp is finite, but their sum, {total}, passes {most}, the largest {fmt}"
        if name == "log" and (operands[0] == 0).any():
            return f"{self._zero(step, 0)}, and log(0) is {number(float(result[born].flat[0]))}"
        if name in DIVISIONS and (operands[1] == 0).any():
            over = "0/0 is nan" if np.isnan(result[born]).any() else "x/0 is inf"
            return f"{self._zero(step, 1)}, and {over}"
        return f"{name} overflows {fmt}, whose largest number is {number(self.fmt.largest)}"

    def _zero(self, step: Step, which: int) -> str:
        """Where the zero that ``step`` takes as an operand was made."""
        maker = self._maker(step, which)
        while maker is not None:
            step, maker = maker, self._maker(maker, 0)
            operand = _numbers(step.operands[0])
            if step.operation == "exp":
                what = "logit" if step.parents[0] == -1 else "exponent"
                below = f"exp rounds to 0 in {self.fmt.name} below {self.fmt.log_vanishing:.5g}"
                if (_numbers(step.result) == 0).all():
                    return f"{below} and the largest {what} is {number(float(operand.max()))}: the sum is 0"
                whose = "class" if self.failure.label is None else "label"
                return f"{below} and the {whose}'s {what} is {number(self._at(operand))}"
            if step.operation in DIVISIONS and self._at(operand) != 0:
                divisor = number(self._at(_numbers(step.operands[1])))
                return f"the quotient {number(self._at(operand))} / {divisor} underflows"
        return "a number is 0"

    def absorbed(self, sum_error: float) -> str | None:
        """A sum that is itself so far off that it explains a row's sum."""
        for step in self.steps:
            if step.operation == "sum":
                terms = _numbers(step.operands[0])
                exact, got = float(terms.sum()), float(_numbers(step.result).flat[0])
                if not abs(exact / got - 1) < sum_error / 2:
                    return (
                        f"the sum of {terms.size:,} exps comes out as {number(got)} where it is {number(exact)}: "
                        f"a {self.fmt.name} accumulator absorbs small terms"
                    )
        return None

    def blurred(self) -> str | None:
        """Where exp comes last, its argument's rounding is an error of the whole row."""
        steps = [s for s in self.steps if s.operation not in SELECTIONS]
        if not steps or steps[-1].operation != "exp":
            return None
        largest = number(float(np.abs(self.failure.logits[~self.masked]).max()))
        return f"the argument of exp is rounded at the size of the logits, {largest}, which exp makes a relative error"

    def lost(self) -> str | None:
        """The last step that computes, where no inf or nan was born: what it was given, what it made of it."""
        for step in reversed(self.steps):
            if step.operation not in SELECTIONS and step.operation != "negative":
                return self._loss(step)
        return None

    def _loss(self, step: Step) -> str:
        operands = [self._at(_numbers(a)) for a in step.operands]
        should = f"{number(self.failure.got)} where the truth is {short(self.failure.exact)}"
        if step.operation in ("subtract", "add") and len(operands) == 2:
            sign = "-" if step.operation == "subtract" else "+"
            if 0 in operands and (logarithm := self._logarithm(step)) is not None:
                return self._loss(logarithm)
            made = f"{number(operands[0])} {sign} {number(operands[1])}".replace("+ -", "- ")
            return f"{made} cancels what rounding had left of the result: {should}"
        if step.operation in DIVISIONS:
            maker = self._maker(step, 0)
            if self.failure.got != 0 and maker is not None and maker.operation == "exp":
                return self._loss(maker)
            return f"{number(operands[0])} / {number(operands[1])} gives {should}"
        if step.operation == "exp":
            return f"exp makes the rounding of its argument, {number(operands[0])}, a relative error: {should}"
        if step.operation == "log":
            return f"log({operands[0]:.9g}), whose argument was rounded to that, gives {should}"
        return f"{step.operation} gives {should}"

    def _logarithm(self, step: Step) -> Step | None:
        """The logarithm among the steps that made the operands, where there is one."""
        makers = (self._maker(step, i) for i in range(len(step.parents)))
        return next((m for m in makers if m is not None and m.operation in ("log", "log1p")), None)

    def _maker(self, step: Step, which: int) -> Step | None:
        """The step that computed an operand, selections passed over; None for an input or a constant."""
        while (parent := step.parents[which]) is not None and parent >= 0:
            step, which = self.steps[parent], 0
            if step.operation not in SELECTIONS:
                return step
        return None

    def _at(self, operand: Floats) -> float:
        """The operand's number for the failing class, or the row's only one."""
        return float(operand.flat[self.column if operand.size == self.masked.size else 0])


def _numbers(value: Any) -> Floats:
    return np.asarray(value).astype(np.float64)


def _all_at(masks: list[NDArray[np.bool_]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where all masks hold: element by element where they broadcast to the shape, else all of them everywhere."""
    everywhere = np.ones(shape, np.bool_)
    for m in masks:
        fits = m.ndim <= len(shape) and all(a in (1, b) for a, b in zip(m.shape[::-1], shape[::-1], strict=False))
        everywhere &= m if fits else bool(m.all())
    return everywhere


def number(x: float) -> str:
    """A number as a person reads it: six digits, thousands separated."""
    if not np.isfinite(x) or x == 0:
        return str(float(x)) if x else "0"
    if 1e4 <= abs(x) < 1e7:
        return f"{x:,.0f}"
    return f"{x:,.6g}" if 1e3 <= abs(x) < 1e4 else f"{x:.6g}"


def short(exact: str) -> str:
    """An exact number, as its decimal digits, to six of them."""
    mantissa, e, power = exact.partition("e")
    return exact if exact.startswith("between") else f"{float(mantissa):.6g}{e}{power}"
