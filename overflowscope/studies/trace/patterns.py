"""What is recognised among recorded steps: which step made an operand, and what of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from overflowscope.studies.trace.history import History, Seen


def maker(history: History, seen: Seen, which: int) -> Seen | None:
    """The one step that computed all of an operand's numbers; None where there are several, or none."""
    origins = seen.origins[which] if which < len(seen.origins) else None
    if origins is None or not origins.size or (origins < 0).any():
        return None
    sources = np.unique(origins >> 32)
    return history.by_step[int(sources[0])] if len(sources) == 1 else None


def constant(seen: Seen, which: int) -> float | None:
    """An operand that is one and the same number everywhere, written in the code."""
    if which >= len(seen.origins) or seen.origins[which] is not None:
        return None
    values = np.unique(seen.operands[which])
    return float(values[0]) if len(values) == 1 else None


def steps_named(history: History, *names: str) -> Iterator[Seen]:
    """The steps forward that are of these operations."""
    return (s for s in history.steps if s.name in names and s.back is None)


def made(history: History, seen: Seen | None, which: int, *names: str) -> Seen | None:
    """The step that made an operand, where it is one of these operations."""
    found = None if seen is None else maker(history, seen, which)
    return found if found is not None and found.name in names else None


def other(history: History, seen: Seen | None, value: float) -> int | None:
    """Of two operands, one of them this constant, which the other is."""
    if seen is None or len(seen.operands) != 2:
        return None
    return next((1 - i for i in (0, 1) if constant(seen, i) == value), None)


def squared(history: History, seen: Seen | None, which: int) -> bool:
    """Whether an operand is a square: x**2, np.square(x), x * x."""
    found = made(history, seen, which, "power", "square", "multiply")
    if found is None or found.name == "square":
        return found is not None
    if found.name == "power":
        return constant(found, 1) == 2
    a, b = found.origins
    return a is not None and b is not None and np.array_equal(a, b)
