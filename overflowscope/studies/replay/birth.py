"""The first operation of a step that gave inf or nan: what it was part of making, where, and out of what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.recording import RecordedArray, Step
from overflowscope.formats import Floats, of
from overflowscope.records.replay import FirstNonfinite, Reached
from overflowscope.studies.digits import number
from overflowscope.studies.explain import DIVISIONS, SELECTIONS

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", **dict.fromkeys(DIVISIONS, "/")}


@dataclass(frozen=True)
class Tape:
    """The steps of one batch: the first ``forward`` of them forward, backward up to ``backward``, then the update.

    ``arrays`` are the named ones of the network; ``by_step`` the gradients of the loss by the result of each step
    forward, by its number; ``gradient`` those by the parameters, and ``updated`` the new parameters, by name.
    """

    steps: list[Step]
    forward: int
    backward: int
    arrays: Mapping[str, RecordedArray]
    by_step: Mapping[int, RecordedArray]
    gradient: Mapping[str, RecordedArray]
    updated: Mapping[str, RecordedArray]


def first_nonfinite(tape: Tape, step: int, epoch: int, batch: int) -> FirstNonfinite | None:
    """The first one among the steps of this batch; None where all of their results are finite."""
    taken = next((s for s in tape.steps if not np.isfinite(s.result).all()), None)
    if taken is None:
        return None
    at = taken.number
    named = _named(tape)
    tensor = _towards(tape.steps, at, named)
    result = numbers(taken.result)
    bad = ~np.isfinite(result)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    return FirstNonfinite(
        step=step,
        epoch=epoch,
        batch=batch,
        phase="forward" if at < tape.forward else "backward" if at < tape.backward else "update",
        tensor=tensor,
        operation=taken.operation,
        value=float(result[index]),
        index=index,
        entries=int(np.count_nonzero(bad)),
        cause=_cause(taken, index, named),
        spread=tuple(_spread(tape, named)),
    )


def _named(tape: Tape) -> dict[int, str]:
    """The arrays with names, by the numbers of the steps that made them."""
    forward = _forward_names(tape)
    # Where one array is the gradient by several, it is known by the last of them, which is nearest to the loss.
    gradients = {a.made_by: f"d{forward[s]}" for s, a in sorted(tape.by_step.items())}
    of_parameters = {a.made_by: f"d{name}" for name, a in tape.gradient.items()}
    updated = {a.made_by: name for name, a in tape.updated.items()}
    return {**dict(enumerate(forward)), **of_parameters, **gradients, **updated}


def _forward_names(tape: Tape) -> list[str]:
    """What each step forward made: one of the network's arrays, or a part of the loss, called by its operation.

    Numbers that are only picked out of an array are known by its name.
    """
    known, names = {a.made_by: name for name, a in tape.arrays.items()}, list[str]()
    for step in tape.steps[: tape.forward]:
        sources = [p for p in step.parents if p is not None and p >= 0]
        picked = names[sources[-1]] if step.operation in SELECTIONS and sources else step.operation
        names.append(known.get(step.number, "probabilities" if step.operation in DIVISIONS else picked))
    return names


def _spread(tape: Tape, named: Mapping[int, str]) -> Iterator[Reached]:
    """The named arrays that hold inf or nan, each once, in the order in which they were made."""
    seen = set()
    for at, name in sorted(named.items()):
        result = tape.steps[at].result
        if name not in seen and not np.isfinite(result).all():
            seen.add(name)
            value = math.nan if np.isnan(result).any() else float(numbers(result)[~np.isfinite(result)].flat[0])
            yield Reached(tensor=name, value=value, entries=int(np.count_nonzero(~np.isfinite(result))))


def _towards(steps: list[Step], at: int, named: Mapping[int, str]) -> str:
    """The first array with a name that the step's result went into, or is; the operation where there is none."""
    reached = {at}
    for step in steps[at:]:
        if step.number in reached or not reached.isdisjoint(step.parents):
            reached.add(step.number)
            if step.number in named:
                return named[step.number]
    return steps[at].operation


def _cause(step: Step, index: tuple[int, ...], named: Mapping[int, str]) -> str:
    """What was computed there of finite numbers, and why it is none: a noun and what goes with it."""
    fmt, name = of(step.result.dtype), step.operation
    beyond = f"beyond {fmt.largest:,.6g}, the largest {fmt.name}"
    operands = [_at(numbers(a), step.result.shape, index) for a in step.operands]
    known = [number(x) for x in operands if x is not None]
    if name == "exp" and known:
        return f"exp({known[0]}), and exp overflows {fmt.name} above {fmt.log_largest:.6g}"
    if name == "log" and operands[0] == 0:
        of_what = named.get(step.parents[0] or 0)
        return "log(0), for a probability is 0" if of_what == "probabilities" else "log(0)"
    if name == "sum":
        total = np.sum(numbers(step.operands[0]), **{k: v for k, v in step.kwargs.items() if k in ("axis", "keepdims")})
        return f"a sum of finite numbers, {number(float(total[index]))}, {beyond}"
    if name in SIGNS and len(known) == len(operands) == 2:
        made = f"{known[0]} {SIGNS[name]} {known[1]}".replace("- -", "+ ")
        return made if name in DIVISIONS and operands[1] == 0 else f"{made}, {beyond}"
    return f"a result of finite numbers, {beyond}"


def _at(operand: Floats, shape: tuple[int, ...], index: tuple[int, ...]) -> float | None:
    """The number of an operand that went into the result there; None where it is not one alone."""
    try:
        return float(np.broadcast_to(operand, shape)[index])
    except ValueError:
        return None
