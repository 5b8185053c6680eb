"""Why a formulation failed: its worst row, run again under Recording, and the step where it went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.recording import Recording, Step, Unrecordable
from overflowscope.evaluate import computing, to_array
from overflowscope.formats import Floats, Format, round_to

SELECTIONS = {"getitem", "take_along_axis", "where", "reshape", "copy", "broadcast_to", "squeeze", "ravel", "take"}
"""Steps that move numbers and compute none."""


@dataclass(frozen=True)
class Failure:
    """A failing element: its row of logits (1, classes), numbers of ``fmt``; its label; its column in the result."""

    logits: Floats
    label: NDArray[np.int64] | None
    column: int
    got: float
    exact: str
    fmt: Format
    compute: Format | None


def cause(run: Callable[..., Any], failure: Failure) -> str | None:
    """One clause on the step where the failing element went wrong; None where the code's steps cannot be seen.

    ``run`` takes (xp, logits, labels). The code runs once more, on one row; whatever it raises is not a cause.
    """
    arithmetic = computing(failure.fmt, failure.compute)
    recording = Recording()
    with np.errstate(all="ignore"):
        x = recording.asarray(to_array(failure.logits, failure.fmt).astype(arithmetic.dtype))
        try:
            result = run(recording, x, failure.label)
        except Unrecordable:
            return None
        except Exception:
            return None
        value = np.asarray(getattr(result, "value", result)).astype(np.float64)
        history = _History(recording.steps, x.value, arithmetic)
        return _rounding(value, failure, arithmetic) or history.nonfinite() or history.lost(failure)


def sum_cause(run: Callable[..., Any], failure: Failure) -> str | None:
    """One clause on the sum that is far from the sum of its terms; None where no such step is seen."""
    arithmetic = computing(failure.fmt, failure.compute)
    recording = Recording()
    with np.errstate(all="ignore"):
        x = recording.asarray(to_array(failure.logits, failure.fmt).astype(arithmetic.dtype))
        try:
            run(recording, x, failure.label)
        except Exception:
            return None
        for step in recording.steps:
            if step.operation == "sum":
                terms = _numbers(step.operands[0])
                exact, got = float(terms.sum()), float(_numbers(step.result).ravel()[0])
                if not abs(got - exact) <= 2.0**-7 * exact:
                    return (
                        f"the sum of its {terms.size:,} exps comes out as {number(got)} where it is {number(exact)}: "
                        f"a {arithmetic.name} accumulator absorbs the small terms"
                    )
    return None


def _rounding(value: Floats, failure: Failure, arithmetic: Format) -> str | None:
    """A result that was fine where it was computed and is lost by the last rounding to the format."""
    if arithmetic is failure.fmt:
        return None
    rounded = round_to(value, failure.fmt)
    for lost, what in ((np.isinf(rounded) & np.isfinite(value), "overflows"), ((rounded == 0) & (value != 0), "vanishes")):
        if lost.any():
            return f"{number(value[lost].flat[0])} {what} when it is rounded from {arithmetic.name} to {failure.fmt.name}"
    return None


@dataclass(frozen=True)
class _History:
    """The steps of one run on one row ``x``, in ``fmt``."""

    steps: list[Step]
    x: Any
    fmt: Format

    def nonfinite(self) -> str | None:
        """The first step that makes an inf or a nan of finite numbers, or a nan of infinities."""
        for step in self.steps:
            if step.operation in SELECTIONS:
                continue
            result = _numbers(step.result)
            operands = [_numbers(a) for a in step.operands]
            finite = _all_at([np.isfinite(a) for a in operands], result.shape)
            born = ~np.isfinite(result) & finite
            if born.any():
                return self._birth(step, operands, result, born)
            born = np.isnan(result) & _all_at([~np.isnan(a) for a in operands], result.shape)
            if born.any():
                return f"{_symbol(step.operation)} is nan" if step.operation in _SYMBOLS else f"{step.operation} makes nan"
        return None

    def _birth(self, step: Step, operands: list[Floats], result: Floats, born: NDArray[np.bool_]) -> str:
        name, fmt = step.operation, self.fmt.name
        operand = operands[0]
        if name == "exp":
            largest = float(np.broadcast_to(operand, result.shape)[born].max())
            what = "the largest logit" if step.parents[0] == -1 else "the largest exponent"
            return f"exp overflows {fmt} above {self.fmt.log_largest:.6g} and {what} is {number(largest)}"
        if name == "sum":
            total = float(operand.sum())
            return f"every exp is finite, but their sum, {number(total)}, passes {number(self.fmt.largest)}, the largest {fmt}"
        if name == "log" and (operand == 0).any():
            return f"{self._zero(step)}, and log(0) is {number(float(result[born].flat[0]))}"
        if name in _DIVISIONS and (operands[1] == 0).any():
            over = "nan" if np.isnan(result[born]).any() else "inf"
            return f"{self._zero(step, 1)}, and {'0/0' if over == 'nan' else 'x/0'} is {over}"
        return f"{_symbol(name)} overflows {fmt}, whose largest number is {number(self.fmt.largest)}"

    def _zero(self, step: Step, which: int = 0) -> str:
        """Where the zero that ``step`` takes as an operand was made."""
        while (parent := step.parents[which]) is not None and parent >= 0:
            step, which = self.steps[parent], 0
            operand = _numbers(step.operands[0])
            if step.operation == "exp":
                largest = number(float(operand.max()))
                what = "logit" if step.parents[0] == -1 else "exponent"
                below = f"exp rounds to 0 in {self.fmt.name} below {np.log(self.fmt.smallest / 2):.5g}"
                if (_numbers(step.result) == 0).all():
                    return f"{below} and the largest {what} is {largest}: the sum is 0"
                return f"{below} and the smallest {what} is {number(float(operand[np.isfinite(operand)].min()))}"
            if step.operation in _DIVISIONS and (operand != 0).all():
                return f"a quotient underflows {self.fmt.name}"
        return "a number is 0"

    def lost(self, failure: Failure) -> str | None:
        """The step that made the failing number what it is, where no inf or nan was born."""
        if not np.isfinite(failure.got):
            return None
        for step in reversed(self.steps):
            if step.operation in SELECTIONS or step.operation == "negative":
                continue
            return self._loss(step, failure)
        return None

    def _loss(self, step: Step, failure: Failure) -> str:
        operands = [_at(_numbers(a), step, failure.column) for a in step.operands]
        got, exact = number(failure.got), failure.exact
        should = f"{got} where the truth is {_short(exact)}"
        if step.operation in ("subtract", "add") and len(operands) == 2:
            sign = "-" if step.operation == "subtract" else "+"
            a, b = (number(o) for o in operands)
            return f"{a} {sign} {b} cancels what rounding had left of the result: {should}".replace("+ -", "- ")
        if step.operation == "log":
            return f"log({operands[0]:.9g}), whose argument was rounded before, gives {should}"
        if step.operation == "exp":
            return f"exp({number(operands[0])}), whose argument carries the rounding of large logits, gives {should}"
        return f"{_symbol(step.operation)} gives {should}"


_DIVISIONS = {"divide", "true_divide"}
_SYMBOLS = {
    "subtract": "inf - inf",
    "add": "inf - inf",
    "divide": "inf/inf",
    "true_divide": "inf/inf",
    "multiply": "0 * inf",
}


def _symbol(operation: str) -> str:
    return _SYMBOLS.get(operation, operation) if operation not in ("subtract", "add", "multiply") else operation


def _numbers(value: Any) -> Floats:
    return np.asarray(value).astype(np.float64)


def _all_at(masks: list[NDArray[np.bool_]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where all masks hold: element by element where they broadcast to the shape, else all of them everywhere."""
    try:
        return np.logical_and.reduce([np.broadcast_to(m, shape) for m in masks])
    except ValueError:
        return np.full(shape, all(m.all() for m in masks))


def _at(operand: Floats, step: Step, column: int) -> float:
    """The operand's number for the failing element; the row's only one where it has but one."""
    flat = operand.ravel()
    return float(flat[column]) if flat.size > column and _numbers(step.result).size == flat.size else float(flat[0])


def number(x: float) -> str:
    """A number as a person reads it: six digits, thousands separated."""
    if not np.isfinite(x):
        return str(float(x))
    if 1e4 <= abs(x) < 1e7:
        return f"{x:,.0f}"
    if 1e3 <= abs(x) < 1e4:
        return f"{x:,.6g}"
    return f"{x:.6g}"


def _short(exact: str) -> str:
    """An exact number, as its decimal digits, to six of them."""
    mantissa, e, power = exact.partition("e")
    return exact if exact.startswith("between") else f"{float(mantissa):.6g}{e}{power}"
