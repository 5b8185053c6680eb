"""Rewrites of products, lengths and spreads: formulas for the steps in which they stand, by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.studies.trace.history import History, Seen
from overflowscope.studies.trace.patterns import constant, made, maker, squared, steps_named
from overflowscope.studies.trace.tape import Formula, Replay


def sums_of_logs(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        product = maker(history, log, 0)
        assert product is not None
        logs = np.log(replay.given[product.number][0])
        if product.name == "cumprod":
            axis = product.step.kwargs.get("axis", -1)
            return replay.through(log, 0, np.cumsum(logs, axis=axis))
        return replay.through(log, 0, np.sum(logs, axis=product.reduced))

    return {s.number: formula for s in steps_named(history, "log") if made(history, s, 0, "prod", "cumprod")}


def means_of_logs(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, root: Seen) -> Any:
        product = maker(history, root, 0)
        assert product is not None
        logs = np.sum(np.log(replay.given[product.number][0]), axis=product.reduced)
        return np.exp(np.asarray(constant(root, 1), logs.dtype) * replay.through(root, 0, logs))

    return {
        s.number: formula
        for s in steps_named(history, "power")
        if constant(s, 1) is not None and (p := made(history, s, 0, "prod")) is not None and p.reduced
    }


def hypots(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, root: Seen) -> Any:
        total = maker(history, root, 0)
        assert total is not None
        sides = [replay.behind(total, i) for i in (0, 1)]
        return replay.through(root, 0, np.broadcast_to(np.hypot(*sides), total.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "sqrt")
        if (total := made(history, s, 0, "add")) is not None and all(squared(history, total, i) for i in (0, 1))
    }


def norms(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, root: Seen) -> Any:
        total = maker(history, root, 0)
        assert total is not None
        x, axes = replay.behind(total, 0), total.reduced
        size = np.max(np.abs(x), axis=axes, keepdims=True)
        safe = np.where(size > 0, size, np.ones_like(size))
        length = size * np.sqrt(np.sum((x / safe) ** 2, axis=axes, keepdims=True))
        return replay.through(root, 0, length.reshape(total.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "sqrt")
        if (total := made(history, s, 0, "sum")) is not None and total.reduced and squared(history, total, 0)
    }


def variances(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        mean = maker(history, seen, 0)
        assert mean is not None
        x, axes = replay.behind(mean, 0), mean.reduced
        centred = x - np.mean(x, axis=axes, keepdims=True)
        return replay.through(seen, 0, np.mean(centred * centred, axis=axes).reshape(mean.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "subtract")
        if (mean := made(history, s, 0, "mean")) is not None
        and mean.reduced
        and squared(history, mean, 0)
        and squared(history, s, 1)
        and made(history, made(history, s, 1, "power", "square", "multiply"), 0, "mean")
    }
