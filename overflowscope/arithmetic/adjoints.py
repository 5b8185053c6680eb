"""Reverse mode over recorded steps, in the arithmetic of the recording: the gradient that autograd gets.

Every adjoint is rounded to the format as the steps themselves are, so a gradient overflows, vanishes and becomes nan
here where it does in a framework that runs the same formulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from overflowscope.arithmetic import adjoint_rules as rules
from overflowscope.arithmetic import held, numbers
from overflowscope.arithmetic.recording import RecordedArray, Step, plain
from overflowscope.errors import InputError


def gradients(
    output: RecordedArray, cotangent: Any, wrt: Sequence[RecordedArray], *, recorded: bool = False
) -> list[Any]:
    """The gradients of sum(cotangent * output) with respect to ``wrt``, inputs or results of earlier steps.

    ``cotangent`` has the output's shape, or broadcasts to it; it is rounded to its format. Each gradient has the shape
    and the arithmetic of its array: plain arrays of the recording's inner namespace, or with ``recorded``
    RecordedArrays, whose backward steps are appended to the recording. What the output does not depend on has the
    gradient 0.

    Conventions are torch's: of max over an axis equal maxima share the adjoint, of maximum(a, a) each operand gets
    half; abs has derivative 0 at 0; clip has derivative 1 at its ends; the denominator of q = a / b gets -g (q / b).
    The uses of one array are added the last step first, as torch's engine does, operands of one step from left to
    right. inf and nan spread as IEEE 754 has them: 0 * inf is nan, also behind a where that took the other branch.

    Raises NoGradient for code that writes into its arrays and for operations without a rule, by their names, and
    InputError for a cotangent of another shape.
    """
    recording = output.recording
    if recording.writes:
        raise rules.NoGradient("the code writes into its arrays, of which no gradient is known")
    xp = recording if recorded else recording.inner
    steps = recording.steps[: max(output.made_by, -1) + 1]
    reached = _reached(steps, wrt)
    with np.errstate(all="ignore"):
        adjoints: dict[int, Any] = {}
        if output.made_by in reached:
            adjoints[output.made_by] = _started(output, cotangent, recorded)
        for step in reversed(steps):
            if (g := adjoints.get(step.number)) is not None:
                before = len(recording.steps)
                _hand_on(xp, step, g, adjoints, reached, recorded)
                recording.adjoint_of.update(dict.fromkeys(range(before, len(recording.steps)), step.number))
        return [adjoints[x.made_by] if x.made_by in adjoints else _zeros(xp, x) for x in wrt]


def _reached(steps: Sequence[Step], wrt: Sequence[RecordedArray]) -> set[int]:
    """The arrays that depend on ``wrt``, these included, by the steps that made them: no others need adjoints."""
    reached = {x.made_by for x in wrt}
    for step in steps:
        if any(a.made_by in reached for a in _arrays((*step.args, *step.kwargs.values()))):
            reached.add(step.number)
    return reached


def _arrays(values: Sequence[Any]) -> list[RecordedArray]:
    """The recorded arrays among them, those in tuples and lists too."""
    found = []
    for value in values:
        if isinstance(value, RecordedArray):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _arrays(value)
    return found


def _hand_on(xp: Any, step: Step, g: Any, adjoints: dict[int, Any], reached: set[int], recorded: bool) -> None:
    """Add what the step hands on to the adjoints of its operands."""
    if any(a.made_by in reached for a in _arrays(tuple(step.kwargs.values()))):
        raise rules.NoGradient(f"no gradient is known of {step.operation} with an array given by its name")
    args, q = step.args, step.output
    kwargs = {k: v for k, v in step.kwargs.items() if k not in rules.NEUTRAL}
    if not recorded:
        args, kwargs, q = plain(args), {k: plain(v) for k, v in kwargs.items()}, plain(q)
    for i, operand in enumerate(step.args):
        several = isinstance(operand, tuple | list)
        for at, array in enumerate(operand if several else [operand]):
            if not isinstance(array, RecordedArray) or (key := array.made_by) not in reached:
                continue
            place = {"at": at} if several else {}
            rule = rules.of(step.operation, i, args, {**kwargs, **place})
            adjoint = _fitted(xp, rule(xp, g, q, *args, **kwargs, **place), array)
            adjoints[key] = adjoints[key] + adjoint if key in adjoints else adjoint


def _fitted(xp: Any, adjoint: Any, operand: RecordedArray) -> Any:
    """Summed over the axes along which the operand was broadcast, and cast back to its format."""
    shape = operand.shape
    while len(adjoint.shape) > len(shape):
        adjoint = xp.sum(adjoint, axis=0)
    for axis, (n, m) in enumerate(zip(shape, adjoint.shape, strict=True)):
        if n != m:
            adjoint = xp.sum(adjoint, axis=axis, keepdims=True)
    return adjoint if adjoint.dtype == operand.dtype else adjoint.astype(operand.dtype)


def _started(output: RecordedArray, cotangent: Any, recorded: bool) -> Any:
    """The cotangent in the output's shape, format and arithmetic."""
    given, shape = numbers(plain(cotangent)), output.shape
    try:
        given = np.broadcast_to(given, shape)
    except ValueError:
        raise InputError(f"a cotangent of shape {given.shape} for a result of shape {shape}") from None
    started = held(output, given)
    return output.recording.asarray(started) if recorded else started


def _zeros(xp: Any, array: RecordedArray) -> Any:
    return xp.broadcast_to(array.constant("0"), array.shape)
