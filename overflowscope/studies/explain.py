"""Why a formulation failed: one row, run again under Recording, and the step where it went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.recording import RecordedArray, Recording, Step
from overflowscope.arithmetic.strict import Model
from overflowscope.evaluate import computing, given
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.studies.digits import beside, number

SELECTIONS = {"getitem", "take_along_axis", "where", "reshape", "copy", "broadcast_to", "squeeze", "ravel", "take"}
"""Steps that move numbers and compute none."""
DIVISIONS = {"divide", "true_divide"}
EXPONENTIALS = {"exp", "exp2"}
SIGNS = {"add": "+", "subtract": "-", "multiply": "*"} | dict.fromkeys(DIVISIONS, "/")
MAXIMA = {"max", "amax"}
UNKNOWN = "a number is 0"
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
    model: Model | None = None


def cause(run: Callable[..., Any], failure: Failure) -> str | None:
    """One clause on the step where it went wrong; None where the code's steps cannot be seen.

    ``run`` takes (xp, logits, labels). The code runs once more, on one row; what it raises then is no cause.
    """
    with np.errstate(all="ignore"):
        found = history(run, failure)
        if found is None:
            return None
        value, steps = found
        if failure.sum_error is not None:
            return steps.absorbed(failure.sum_error / 2) or steps.blurred()
        return (
            outside(value, failure)
            or steps.nonfinite()
            or steps.absorbed(max(2.0**-5, 8 * steps.fmt.unit_roundoff))
            or steps.lost()
        )


def history(run: Callable[..., Any], failure: Failure) -> tuple[Floats, History] | None:
    """What the code gives for the row alone, and its steps; None where they cannot be seen."""
    xp, x = given(failure.logits, failure.fmt, failure.compute, failure.model)
    recording = Recording(xp)
    try:
        result = run(recording, recording.asarray(x), failure.label)
    except Exception:
        return None
    if not isinstance(result, RecordedArray):
        return None
    fmt, masked = computing(failure.fmt, failure.compute), failure.logits == -np.inf
    return numbers(result.value), History(recording.steps, masked, fmt, failure, recording.adjoint_of)


def outside(value: Floats, failure: Failure) -> str | None:
    """A cause that lies in no step at all."""
    return _alone(value, failure) or _rounding(value, failure, computing(failure.fmt, failure.compute))


def _alone(value: Floats, failure: Failure) -> str | None:
    """A function that gives something else for the row alone looks at other rows too."""
    flat = round_to(value, failure.fmt).ravel()
    alone = float(flat[failure.column if flat.size == failure.logits.size else 0])
    kinds = [(np.isnan(v), np.isinf(v), v == 0) for v in (alone, failure.got)]
    near = kinds[0] == kinds[1] and not abs(alone - failure.got) > 0.5 * abs(failure.got)
    if near or not failure.fmt.has_infinity:
        return None
    return f"alone, this row comes out as {number(alone)}: the function mixes rows (axis=, keepdims=, a global maximum)"


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
class History:
    """The steps of one run on one row, in ``fmt``; ``masked`` (1, classes) marks logits of -inf, meant to vanish.

    ``adjoint_of`` has the steps that were taken backwards, and through which step each goes.
    """

    steps: list[Step]
    masked: NDArray[np.bool_]
    fmt: Format
    failure: Failure
    adjoint_of: Mapping[int, int]

    def nonfinite(self) -> str | None:
        """The first step that makes an inf or a nan of finite numbers, or a nan of infinities."""
        for step in self.steps:
            if step.operation in SELECTIONS:
                continue
            result, operands = numbers(step.result), [numbers(a) for a in step.operands]
            forward = result.shape == self.masked.shape and step.number not in self.adjoint_of
            meant = self.masked if forward else np.zeros(result.shape, np.bool_)
            born = ~np.isfinite(result) & _all_at([np.isfinite(a) for a in operands], result.shape) & ~meant
            if born.any():
                return self.through(step) + self._birth(step, operands, result, born)
            if (np.isnan(result) & _all_at([~np.isnan(a) for a in operands], result.shape)).any():
                given = "a logit is +inf: " if (self.failure.logits == np.inf).any() else self.through(step)
                return f"{given}{INDETERMINATE.get(step.operation, step.operation)} is nan"
        return None

    def through(self, step: Step) -> str:
        """Where the step is one backward: through which; the adjoints of several uses meet in sums of their own."""
        if (through := self.adjoint_of.get(step.number)) is None:
            return ""
        return f"backward{'' if step.operation == 'add' else f' through {self.steps[through].operation}'}, "

    def _birth(self, step: Step, operands: list[Floats], result: Floats, born: NDArray[np.bool_]) -> str:
        name, fmt = step.operation, self._format(step)
        cast = "" if fmt is self.fmt else f" (the code casts to {fmt.name})"
        if name == "exp":
            largest = number(float(np.broadcast_to(operands[0], result.shape)[born].max()))
            what = f"the largest {self._argument(step)} is {largest}"
            return f"exp overflows {fmt.name} above {fmt.log_largest:.6g} and {what}{cast}"
        if name == "sum":
            total, most = number(float(operands[0].sum())), number(fmt.largest)
            return f"every exp is finite, but their sum, {total}, passes {most}, the largest {fmt.name}{cast}"
        at = int(np.argmax(born)) if not born.flat[self.index(result)] else self.index(result)
        if name == "log" and (operands[0] == 0).any():
            return f"{self.zero(step, 0, at)}, and log(0) is {number(float(result.flat[at]))}"
        if name in DIVISIONS and (operands[1] == 0).any():
            over = "0/0 is nan" if np.isnan(result[born]).any() else "x/0 is inf"
            return f"{self.zero(step, 1, at)}, and {over}"
        if step.number in self.adjoint_of and name in SIGNS:
            a, b = (number(float(np.broadcast_to(o, result.shape).flat[at])) for o in operands)
            name = f"{a} {SIGNS[name]} {b}"
        return f"{name} overflows {fmt.name}, whose largest number is {number(fmt.largest)}{cast}"

    def zero(self, step: Step, which: int, at: int) -> str:
        """Where the zero that ``step`` takes as an operand was made; ``at`` is its class, where it has one."""
        label = None if self.failure.label is None else int(self.failure.label[0])
        if label is not None and numbers(step.result).size < self.masked.size:
            at = label
        maker = self._maker(step, which)
        while maker is not None:
            step, maker = maker, self._maker(maker, 0)
            operand = numbers(step.operands[0])
            index = min(at, operand.size - 1)
            if step.operation == "exp":
                fmt, what = self._format(step), self._argument(step)
                below = f"exp rounds to 0 in {fmt.name} below {fmt.log_vanishing:.5g}"
                if (numbers(step.result) == 0).all():
                    return f"{below} and the largest {what} is {number(float(operand.max()))}: the sum is 0"
                if numbers(step.result).flat[index] != 0:
                    index = int(np.argmin(operand))
                whose = "label" if index == label else "class"
                return f"{below} and the {whose}'s {what} is {number(float(operand.flat[index]))}"
            if step.operation in DIVISIONS and operand.flat[index] != 0 and numbers(step.result).flat[index] == 0:
                divisor = number(self.at(numbers(step.operands[1])))
                return f"the quotient {number(float(operand.flat[index]))} / {divisor} underflows"
        return UNKNOWN

    def absorbed(self, least: float) -> str | None:
        """A sum over the classes whose relative error is at least ``least``, or a sum over something else."""
        for step in self.steps:
            if step.operation != "sum":
                continue
            terms, result = numbers(step.operands[0]), numbers(step.result)
            if terms.size == result.size == self.masked.size > 1:
                return "its sum runs over the rows, not over the classes"
            exact, got = float(terms.sum()), float(result.flat[0])
            if result.size == 1 and got > 0 and np.isfinite(exact) and not abs(exact / got - 1) < least:
                return (
                    f"the sum of {terms.size:,} exps comes out as {number(got)} where it is {number(exact)}: "
                    f"a {self._accumulator(step).name} accumulator absorbs small terms"
                )
        return None

    def blurred(self) -> str | None:
        """Where exp comes last, its argument's rounding is an error of the whole row."""
        steps = [s for s in self.steps if s.operation not in SELECTIONS]
        if not steps or steps[-1].operation != "exp" or steps[-1].parents[0] == -1:
            return None
        largest = number(self._size())
        return f"the argument of exp is rounded at the size of the logits, {largest}, which exp makes a relative error"

    def lost(self) -> str | None:
        """The last step that computes, where no inf or nan was born: what it was given, what it made of it."""
        for step in reversed(self.steps):
            if step.operation not in SELECTIONS and step.operation != "negative":
                return self._loss(step)
        return None

    def _loss(self, step: Step) -> str:
        operands = [self.at(numbers(a)) for a in step.operands]
        should = beside(self.failure.got, self.failure.exact)
        if step.operation in ("subtract", "add") and len(operands) == 2:
            sign = "-" if step.operation == "subtract" else "+"
            if 0 in operands and (logarithm := self._logarithm(step)) is not None:
                return self._loss(logarithm)
            made = f"{number(operands[0])} {sign} {number(operands[1])}".replace("+ -", "- ")
            return f"{made} cancels what rounding had left of the result: {should}"
        if step.operation in DIVISIONS:
            maker = self._maker(step, 0)
            if self.failure.got != 0 and maker is not None and maker.operation in EXPONENTIALS:
                return self._coarse(maker, should) if self.unrounded(maker) else self._loss(maker)
            if operands[0] == 0 and maker is not None and maker.operation == "exp":
                return f"{self.zero(step, 0, self.failure.column)}: {should}"
            return f"{number(operands[0])} / {number(operands[1])} gives {should}"
        if (name := step.operation) in EXPONENTIALS:
            if not np.isfinite(operands[0]):
                return f"{name}({number(operands[0])}) gives {should}"
            if not self._by_rounding():
                return f"nothing overflows, but it gives {should}: is it another function?"
            return f"{name} makes the rounding of its argument, {number(operands[0])}, a relative error: {should}"
        if step.operation == "log":
            return f"log({operands[0]:.9g}), whose argument was rounded to that, gives {should}"
        return f"{step.operation} gives {should}"

    def unrounded(self, step: Step) -> bool:
        """Whether the exp is of a logit, or of a logit less the maximum whose difference needed no rounding."""
        maker = self._maker(step, 0)
        if maker is None:
            return True
        made = [self._maker(maker, i) for i in range(len(maker.parents))]
        if maker.operation != "subtract" or any(m is not None and m.operation not in MAXIMA for m in made):
            return False
        a, b, difference = (self.at(numbers(v)) for v in (*maker.operands, maker.result))
        return bool(np.isfinite([a, b, difference]).all()) and Fraction(a) - Fraction(b) == Fraction(difference)

    def _coarse(self, step: Step, should: str) -> str:
        """What is lost of an exp that is divided by the sum, where its argument is not to blame."""
        value, fmt = self.at(numbers(step.result)), self._format(step)
        if 0 < value < fmt.smallest_normal:
            given = number(self.at(numbers(step.operands[0])))
            return f"{step.operation}({given}) is {number(value)}, subnormal in {fmt.name}, of few bits: {should}"
        exact = self.failure.exact
        if not exact.startswith("between") and float(exact):
            stalled = self.absorbed(max(abs(self.failure.got / float(exact) - 1) / 2, 2 * fmt.unit_roundoff))
            if stalled is not None:
                return f"{stalled}: {should}"
        return f"{fmt.name} rounds {step.operation}, the sum and the quotient to {fmt.precision} bits each: {should}"

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

    def _by_rounding(self) -> bool:
        """Whether rounding at the size of the logits, made relative by exp, can explain the error."""
        if self.failure.exact.startswith("between") or not float(self.failure.exact):
            return True
        relative = abs(self.failure.got / float(self.failure.exact) - 1)
        return (
            relative <= np.expm1(min(8 * (self._size() + 1) * self.fmt.unit_roundoff, 700.0)) or self.failure.got == 0
        )

    def _size(self) -> float:
        """The largest magnitude of the logits that are no masks; 0 where all are."""
        return float(np.abs(self.failure.logits[~self.masked]).max(initial=0.0))

    def _argument(self, step: Step) -> str:
        """What exp is taken of: a logit, as it came in or cast, or an exponent made of logits."""
        maker = self._maker(step, 0)
        while maker is not None and maker.operation == "astype":
            maker = self._maker(maker, 0)
        return "logit" if maker is None else "exponent"

    def _format(self, step: Step) -> Format:
        """The format in which the step was taken."""
        return FORMATS.get(step.result.dtype.name, self.fmt)

    def _accumulator(self, step: Step) -> Format:
        """The format in which a sum ran, so far as it is known."""
        model = self.failure.model
        return self._format(step) if model is None or model.accumulator is None else model.accumulator

    def index(self, operand: Floats) -> int:
        """Where the failing class is in an operand, or the row's only number."""
        return self.failure.column if operand.size == self.masked.size else 0

    def at(self, operand: Floats) -> float:
        return float(operand.flat[self.index(operand)])


def _all_at(masks: list[NDArray[np.bool_]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where all masks hold: element by element where they broadcast to the shape, else all of them everywhere."""
    everywhere = np.ones(shape, np.bool_)
    for m in masks:
        fits = m.ndim <= len(shape) and all(a in (1, b) for a, b in zip(m.shape[::-1], shape[::-1], strict=False))
        everywhere &= m if fits else bool(m.all())
    return everywhere
