"""Lines of code as people write them, and what to write instead: found among the recorded steps, and run so.

A guess is a guess: each is run on this input and held against the exact values, and one that is wrong is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.formats import FORMATS
from overflowscope.records.trace import Remedy
from overflowscope.studies.trace.history import History, Seen
from overflowscope.studies.trace.remedies import attempt
from overflowscope.studies.trace.tape import Formula, Replay, constant, maker, steps_named

Finder = Callable[[History], dict[int, Formula]]


@dataclass(frozen=True)
class Rewrite:
    """What to write for what, and the steps in which it stands: formulas by the steps' numbers."""

    name: str
    better: str
    worse: str
    find: Finder
    called: str = "Writing"


def rewritten(history: History, inputs: Mapping[int, Any]) -> Iterator[Remedy]:
    """Every rewrite that the steps allow, tried."""
    for rewrite in REWRITES:
        formulas = rewrite.find(history)
        if formulas:
            text, run = f"{rewrite.better} for {rewrite.worse}", Replay(history, inputs, formulas).run
            yield attempt(rewrite.name, f"{rewrite.called} {text}", text, run, history)


def of_steps(history: History, inputs: Mapping[int, Any], but: Sequence[str]) -> Iterator[Remedy]:
    """Every step in a wider format, whatever the code casts its numbers to; ``but`` in formats that were enough so."""
    narrowest = min((s.fmt for s in history.steps), key=lambda f: (f.precision, f.emax), default=history.fmt)
    for name in ("float32", "float64"):
        wide = FORMATS[name]
        if wide.holds(narrowest) and wide is not narrowest and name not in but:
            text = f"Computing every step in {name} and rounding once"
            run = Replay(history, inputs, {}, wide).run
            yield attempt(f"steps_in_{name}", text, f"every step in {name}", run, history)


def _made(history: History, seen: Seen | None, which: int, *names: str) -> Seen | None:
    """The step that made an operand, where it is one of these operations."""
    found = None if seen is None else maker(history, seen, which)
    return found if found is not None and found.name in names else None


def _other(history: History, seen: Seen | None, value: float) -> int | None:
    """Of two operands, one of them this constant, which the other is."""
    if seen is None or len(seen.operands) != 2:
        return None
    return next((1 - i for i in (0, 1) if constant(seen, i) == value), None)


def _squared(history: History, seen: Seen | None, which: int) -> bool:
    """Whether an operand is a square: x**2, np.square(x), x * x."""
    made = _made(history, seen, which, "power", "square", "multiply")
    if made is None or made.name == "square":
        return made is not None
    if made.name == "power":
        return constant(made, 1) == 2
    a, b = made.origins
    return a is not None and b is not None and np.array_equal(a, b)


# Exponentials and their sums


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
    total = _made(history, seen, which, "sum")
    return total if total is not None and total.reduced and _made(history, total, 0, "exp") else None


def _shifted_exps(history: History) -> dict[int, Formula]:
    def shifted(replay: Replay, seen: Seen) -> Any:
        z = replay.given[seen.number][0]
        return np.exp(z - _top(z))

    return {s.number: shifted for s in steps_named(history, "exp") if s.result.ndim}


def _logsumexps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        assert total is not None
        return replay.through(log, 0, _lse(replay, total))

    return {s.number: formula for s in steps_named(history, "log") if _sum_of_exps(history, s, 0)}


def _logaddexps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        assert total is not None
        parts = [0.0 if constant(total, i) == 1 else replay.behind(total, i) for i in (0, 1)]
        made = np.logaddexp(*(np.asarray(p, total.step.result.dtype) for p in parts))
        return replay.through(log, 0, np.broadcast_to(made, total.result.shape))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        total = _made(history, log, 0, "add")
        if total is not None and len(total.operands) == 2:
            exps = [_made(history, total, i, "exp") is not None for i in (0, 1)]
            if all(e or constant(total, i) == 1 for i, e in enumerate(exps)) and any(exps):
                found[log.number] = formula
    return found


def _log_softmaxes(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        quotient = maker(history, log, 0)
        assert quotient is not None
        total = maker(history, quotient, 1)
        assert total is not None
        logs = replay.behind(quotient, 0) - replay.through(quotient, 1, _lse(replay, total))
        return replay.through(log, 0, np.broadcast_to(logs, quotient.result.shape))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        quotient = _made(history, log, 0, "divide")
        if _made(history, quotient, 0, "exp") and _sum_of_exps(history, quotient, 1):
            found[log.number] = formula
    return found


# Near 1 and near 0


def _log1ps(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        total = maker(history, log, 0)
        which = _other(history, total, 1.0)
        assert total is not None
        assert which is not None
        y = np.broadcast_to(replay.given[total.number][which], total.result.shape)
        return replay.through(log, 0, np.log1p(y if total.name == "add" else -y))

    found: dict[int, Formula] = {}
    for log in steps_named(history, "log"):
        total = _made(history, log, 0, "add", "subtract")
        which = _other(history, total, 1.0)
        if total is not None and which is not None and (total.name == "add" or which == 1):
            found[log.number] = formula
    return found


def _expm1s(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        return np.expm1(replay.behind(seen, 0))

    return {
        s.number: formula
        for s in steps_named(history, "subtract")
        if _other(history, s, 1.0) == 0 and _made(history, s, 0, "exp")
    }


def _sigmoids(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        total = maker(history, seen, 1)
        which = _other(history, total, 1.0)
        assert total is not None
        assert which is not None
        w = replay.through(seen, 1, np.broadcast_to(replay.behind(total, which), total.result.shape))
        e = np.exp(-np.abs(w))
        return np.where(w <= 0, 1 / (1 + e), e / (1 + e))

    return {
        s.number: formula
        for s in steps_named(history, "divide")
        if constant(s, 0) == 1
        and (total := _made(history, s, 1, "add")) is not None
        and (which := _other(history, total, 1.0)) is not None
        and _made(history, total, which, "exp")
    }


def _log_complements(history: History) -> dict[int, Formula]:
    """log(1 - 1/(1 + exp(w))) = -log(1 + exp(-w))."""

    def formula(replay: Replay, log: Seen) -> Any:
        rest = maker(history, log, 0)
        quotient = None if rest is None else maker(history, rest, 1)
        total = None if quotient is None else maker(history, quotient, 1)
        which = _other(history, total, 1.0)
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
        rest = _made(history, log, 0, "subtract")
        quotient = _made(history, rest, 1, "divide")
        total = _made(history, quotient, 1, "add")
        if rest is None or quotient is None or constant(rest, 0) != 1 or constant(quotient, 0) != 1:
            continue
        which = _other(history, total, 1.0)
        if which is not None and _made(history, total, which, "exp"):
            found[log.number] = formula
    return found


def _source_shape(history: History, seen: Seen, which: int) -> tuple[int, ...]:
    made = maker(history, seen, which)
    assert made is not None
    return made.result.shape


def _complements(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        quotient = maker(history, seen, 1)
        assert quotient is not None
        total = maker(history, quotient, 1)
        which = _other(history, total, 1.0)
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
        and (quotient := _made(history, s, 1, "divide")) is not None
        and constant(quotient, 0) == 1
        and _other(history, _made(history, quotient, 1, "add"), 1.0) is not None
    }


# Products, lengths and spreads


def _sums_of_logs(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, log: Seen) -> Any:
        product = maker(history, log, 0)
        assert product is not None
        logs = np.log(replay.given[product.number][0])
        if product.name == "cumprod":
            axis = product.step.kwargs.get("axis", -1)
            return replay.through(log, 0, np.cumsum(logs, axis=axis))
        return replay.through(log, 0, np.sum(logs, axis=product.reduced))

    return {s.number: formula for s in steps_named(history, "log") if _made(history, s, 0, "prod", "cumprod")}


def _means_of_logs(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, root: Seen) -> Any:
        product = maker(history, root, 0)
        assert product is not None
        logs = np.sum(np.log(replay.given[product.number][0]), axis=product.reduced)
        return np.exp(np.asarray(constant(root, 1), logs.dtype) * replay.through(root, 0, logs))

    return {
        s.number: formula
        for s in steps_named(history, "power")
        if constant(s, 1) is not None and (p := _made(history, s, 0, "prod")) is not None and p.reduced
    }


def _hypots(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, root: Seen) -> Any:
        total = maker(history, root, 0)
        assert total is not None
        sides = [replay.behind(total, i) for i in (0, 1)]
        return replay.through(root, 0, np.broadcast_to(np.hypot(*sides), total.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "sqrt")
        if (total := _made(history, s, 0, "add")) is not None and all(_squared(history, total, i) for i in (0, 1))
    }


def _norms(history: History) -> dict[int, Formula]:
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
        if (total := _made(history, s, 0, "sum")) is not None and total.reduced and _squared(history, total, 0)
    }


def _variances(history: History) -> dict[int, Formula]:
    def formula(replay: Replay, seen: Seen) -> Any:
        mean = maker(history, seen, 0)
        assert mean is not None
        x, axes = replay.behind(mean, 0), mean.reduced
        centred = x - np.mean(x, axis=axes, keepdims=True)
        return replay.through(seen, 0, np.mean(centred * centred, axis=axes).reshape(mean.result.shape))

    return {
        s.number: formula
        for s in steps_named(history, "subtract")
        if (mean := _made(history, s, 0, "mean")) is not None
        and mean.reduced
        and _squared(history, mean, 0)
        and _squared(history, s, 1)
        and _made(history, _made(history, s, 1, "power", "square", "multiply"), 0, "mean")
    }


REWRITES = (
    Rewrite("shift_exps", "exp(z - max(z)), shifted by the maximum,", "exp(z)", _shifted_exps),
    Rewrite(
        "log_softmax",
        "z - max - log(sum(exp(z - max)))",
        "log(softmax(z))",
        _log_softmaxes,
        "Giving the raw logits to a log-sum-exp loss,",
    ),
    Rewrite("logsumexp", "max + log(sum(exp(z - max)))", "log(sum(exp(z)))", _logsumexps),
    Rewrite("logaddexp", "logaddexp(a, b)", "log(exp(a) + exp(b))", _logaddexps),
    Rewrite("log1p", "log1p(y)", "log(1 + y)", _log1ps),
    Rewrite("expm1", "expm1(z)", "exp(z) - 1", _expm1s),
    Rewrite("sigmoid", "exp(z)/(1 + exp(z)), where z is negative,", "1/(1 + exp(-z))", _sigmoids),
    Rewrite("log_complement", "-logaddexp(0, z)", "log(1 - 1/(1 + exp(-z)))", _log_complements),
    Rewrite("complement", "e/(1 + e)", "1 - 1/(1 + e)", _complements),
    Rewrite("sum_of_logs", "sum(log(x))", "log(prod(x))", _sums_of_logs),
    Rewrite("mean_of_logs", "exp(c * sum(log(x)))", "prod(x)**c", _means_of_logs),
    Rewrite("hypot", "hypot(a, b)", "sqrt(a**2 + b**2)", _hypots),
    Rewrite("norm", "max|x| * sqrt(sum((x/max|x|)**2)), scaled,", "sqrt(sum(x**2))", _norms),
    Rewrite("variance", "mean((x - mean)**2)", "mean(x**2) - mean**2", _variances),
)
"""In order of simplicity."""
