"""Rewrites of exponentials, their sums and logarithms: formulas for the steps in which they stand, by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.studies.trace.history import History, Seen
from overflowscope.studies.trace.patterns import constant, made, maker, other, steps_named
from overflowscope.studies.trace.tape import Formula, Replay


def _top(z: Any, axes: tuple[int, ...] | None = None) -> Any:
    """The maximum along the axes (the last one unless said), kept; 0 where that is no finite number."""
    top = np.max(z, axis=-1 if axes is None else axes, keepdims=True)
    return np.where(np.isfinite(top), top, np.zeros_like(top))


def _lse(replay: Replay, total: Seen) -> Any:
    """Of a sum of exps the logarithm, by way of the maximum."""
    z, axes = replay.behind(total, 0), total.reduced
    top = _top(z, axes)
    return (top + np.log(np.sum(np.exp(z - top), axis=axes, keepdims=True))).reshape(total.result.shape)


def _sum_of_exps(history: History, seen: Seen | None, which: int) -> Seen | None:
    total = made(history, seen, which, "sum")
    return total if total is not None and total.reduced and made(history, total, 0, "exp") else None


def shifted_exps(history: History) -> dict[int, Formula]:
    def shifted(replay: Replay, seen: Seen) -> Any:
        z = replay.given[seen.number][0]
        return np.exp(z - _top(z))

    return {s.number: shifted for s in steps_named(history, "exp") if s.result.ndim}


def logsumexps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        assert total is not None
        return replay.through(log, 0, _lse(replay, total))

    return {s.number: formula for s in steps_named(history, "log") if _sum_of_exps(history, s, 0)}


def logaddexps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        assert total is not None
        parts = [0.0 if constant(total, i) == 1 else replay.behind(total, i) for i in (0, 1)]
        made = np.logaddexp(*(np.asarray(p, total.step.result.dtype) for p in parts))
        return replay.through(log, 0, np.broadcast_to(made, total.result.shape))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        total = made(history, log, 0, "add")
        if total is not None and len(total.operands) == 2:
            exps = [made(history, total, i, "exp") is not None for i in (0, 1)]
            if all(e or constant(total, i) == 1 for i, e in enumerate(exps)) and any(exps):
                found[log.number] = formula
    return found


def log_softmaxes(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        quotient = maker(history, log, 0)
        assert quotient is not None
        total = maker(history, quotient, 1)
        assert total is not None
        logs = replay.behind(quotient, 0) - replay.through(quotient, 1, _lse(replay, total))
        return replay.through(log, 0, np.broadcast_to(logs, quotient.result.shape))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        quotient = made(history, log, 0, "divide")
        if made(history, quotient, 0, "exp") and _sum_of_exps(history, quotient, 1):
            found[log.number] = formula
    return found


# Near 1 and near 0


def log1ps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        which = other(history, total, 1.0)
        assert total is not None
        assert which is not None
        y = np.broadcast_to(replay.given[total.number][which], total.result.shape)
        return replay.through(log, 0, np.log1p(y if total.name == "add" else -y))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        total = made(history, log, 0, "add", "subtract")
        which = other(history, total, 1.0)
        if total is not None and which is not None and (total.name == "add" or which == 1):
            found[log.number] = formula
    return found


def expm1s(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        return np.expm1(replay.behind(seen, 0))

    return {
        s.number: formula
        for s in steps_named(history, "subtract")
        if other(history, s, 1.0) == 0 and made(history, s, 0, "exp")
    }


def sigmoids(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        total = maker(history, seen, 1)
        which = other(history, total, 1.0)
        assert total is not None
        assert which is not None
        w = replay.through(seen, 1, np.broadcast_to(replay.behind(total, which), total.result.shape))
        e = np.exp(-np.abs(w))
        return np.where(w <= 0, 1 / (1 + e), e / (1 + e))

    return {
        s.number: formula
        for s in steps_named(history, "divide")
        if constant(s, 0) == 1
        and (total := made(history, s, 1, "add")) is not None
        and (which := other(history, total, 1.0)) is not None
        and made(history, total, which, "exp")
    }


def log_complements(history: History) -> dict[int, Formula]:
    """log(1 - 1/(1 + exp(w))) = -log(1 + exp(-w))."""

    def formula(replay: Replay, log: Seen) -> Any:
        rest = maker(history, log, 0)
        quotient = None if rest is None else maker(history, rest, 1)
        total = None if quotient is None else maker(history, quotient, 1)
        which = other(history, total, 1.0)
        assert rest is not None
        assert quotient is not None
        assert total is not None
        assert which is not None
        w = replay.behind(total, which)
        logs = -np.logaddexp(np.zeros_like(w), -w)
        for seen, operand in ((quotient, 1), (rest, 1), (log, 0)):
            logs = replay.through(seen, operand, np.broadcast_to(logs, _source_shape(history, seen, operand)))
        return logs

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        rest = made(history, log, 0, "subtract")
        quotient = made(history, rest, 1, "divide")
        total = made(history, quotient, 1, "add")
        if rest is None or quotient is None or constant(rest, 0) != 1 or constant(quotient, 0) != 1:
            continue
        which = other(history, total, 1.0)
        if which is not None and made(history, total, which, "exp"):
            found[log.number] = formula
    return found


def _source_shape(history: History, seen: Seen, which: int) -> tuple[int, ...]:
    made = maker(history, seen, which)
    assert made is not None
    return made.result.shape


def complements(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        quotient = maker(history, seen, 1)
        assert quotient is not None
        total = maker(history, quotient, 1)
        which = other(history, total, 1.0)
        assert total is not None
        assert which is not None
        e = np.broadcast_to(replay.given[total.number][which], total.result.shape)
        rest = np.where(e < 1, e / (1 + e), 1 / (1 + 1 / e))
        whole = replay.through(quotient, 1, rest)
        return replay.through(seen, 1, np.broadcast_to(whole, quotient.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "subtract")
        if constant(s, 0) == 1
        and (quotient := made(history, s, 1, "divide")) is not None
        and constant(quotient, 0) == 1
        and other(history, made(history, quotient, 1, "add"), 1.0) is not None
    }
