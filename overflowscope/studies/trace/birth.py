"""Where it went wrong first: from what is wrong in the result back to the step that made it out of sound numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from overflowscope.studies.trace.feeds import Mask
from overflowscope.studies.trace.history import History, Seen

ADDITIVE = {"add", "subtract", "sum", "mean", "cumsum"}
"""0 out of these is made by their operands alone where all of them are 0, else by cancellation."""
DIVISIONS = {"divide", "true_divide", "floor_divide", "remainder", "fmod", "mod", "reciprocal"}
LOGARITHMS = {"log", "log2", "log10"}
SINGULAR = DIVISIONS | LOGARITHMS | {"power", "float_power"}
"""What turns a zero into an infinity."""
MULTIPLYING = DIVISIONS | {"multiply", "power", "float_power", "matmul", "dot", "prod", "einsum", "inner", "square"}
"""In which 0 meets an infinity, or another 0, and gives nan."""


@dataclass
class Chain:
    """How a failure came about: of each step (by its number) what of its result is part of it, and what began there.

    ``born`` marks elements for which no operand is to blame; ``first`` is the earliest step with such, None where
    nothing went wrong, and ``begun`` marks them there. ``descendants`` are the steps through which what began there
    reached the result.
    """

    failing: dict[int, Mask] = field(default_factory=dict)
    born: dict[int, Mask] = field(default_factory=dict)
    first: int | None = None
    begun: Mask | None = None
    descendants: set[int] = field(default_factory=set)


def failures(history: History) -> Chain:
    """Of infinities, nan and wrong zeros in the result, through the infinities, nan and wrong zeros before them.

    Where there are nan or infinities it begins with what they are from, however early a wrong 0 was made.
    """
    found = _walk(history, history.wrong, _to_blame)
    nonfinite = np.asarray(history.wrong & ~np.isfinite(history.result))
    if nonfinite.any() and (history.wrong & ~nonfinite).any():
        leading = _walk(history, nonfinite, _to_blame)
        found.first, found.begun, found.descendants = leading.first, leading.begun, leading.descendants
    return found


def losses(history: History) -> Chain:
    """Of results that have lost more than half of their bits, through the operands that had lost as many."""
    return _walk(history, history.inaccurate, _inaccurate)


def _walk(history: History, wrong: Mask, causes: object) -> Chain:
    path = Chain()
    for seen, mask in history.makers(history.origins, wrong):
        _add(path.failing, seen, mask)
    edges: dict[int, list[tuple[Seen, Mask]]] = {}
    for seen in reversed(history.steps):
        if seen.number not in path.failing:
            continue
        mask = path.failing[seen.number]
        blamed = causes(history, seen, mask)  # type: ignore[operator]
        explained = np.zeros(mask.shape, np.bool_)
        edges[seen.number] = []
        for which, cause in enumerate(blamed):
            if not cause.any():
                continue
            explained = np.asarray(explained | seen.to(which, cause))
            for maker, part in history.makers(seen.origins[which], cause):
                _add(path.failing, maker, part)
                edges[seen.number].append((maker, part))
        left = np.asarray(mask & ~explained)
        if left.any():
            path.born[seen.number] = left
    _descend(path, edges)
    return path


def _add(masks: dict[int, Mask], seen: Seen, mask: Mask) -> None:
    known = masks.get(seen.number)
    masks[seen.number] = mask if known is None else np.asarray(known | mask)


def _descend(path: Chain, edges: dict[int, list[tuple[Seen, Mask]]]) -> None:
    """Forward again, from the birth."""
    if not path.born:
        return
    path.first = min(path.born)
    path.begun = path.born[path.first]
    path.descendants.add(path.first)
    reached = {path.first: path.begun}
    for number in sorted(edges):
        if any((reached[m.number] & part).any() for m, part in edges[number] if m.number in reached):
            path.descendants.add(number)
            _merge(reached, number, path.failing[number])


def _merge(masks: dict[int, Mask], number: int, mask: Mask) -> None:
    masks[number] = masks[number] | mask if number in masks else mask


def _to_blame(history: History, seen: Seen, mask: Mask) -> list[Mask]:
    """Of each operand the elements that explain a nan, an infinity or a wrong zero in these of the result.

    A nan is explained by a nan, else by infinities that nobody meant or zeros that are wrong; an infinity by such an
    infinity or nan, else by a wrong zero that was divided by or logged; a wrong 0 by infinities and zeros likewise, but
    a sum of numbers that are not all 0 made its 0 itself.
    """
    parts = [seen.of(i, mask) for i in range(len(seen.operands))]
    nan = [part & np.isnan(a) for part, a in zip(parts, seen.operands, strict=True)]
    stray, vanished = ([history.at(seen, i, field) for i in range(len(parts))] for field in ("stray", "vanished"))
    inf = [p & np.isinf(a) & s for p, a, s in zip(parts, seen.operands, stray, strict=True)]
    zero = [p & (a == 0) & v for p, a, v in zip(parts, seen.operands, vanished, strict=True)]
    result = seen.result
    by_nan = _touched(seen, nan)
    by_inf = _touched(seen, inf)
    is_nan, is_inf, is_zero = mask & np.isnan(result), mask & np.isinf(result), mask & (result == 0)
    blamed = _only(seen, nan, mask & by_nan)
    sound = ~by_nan
    if seen.name in MULTIPLYING:
        culprits = [a | b for a, b in zip(inf, zero, strict=True)]
        blamed = _join(blamed, _only(seen, culprits, is_nan & sound))
    else:
        blamed = _join(blamed, _only(seen, inf, is_nan & sound))
    blamed = _join(blamed, _only(seen, inf, is_inf & sound))
    if seen.name in SINGULAR:
        blamed = _join(blamed, _only(seen, _singular(seen, zero), is_inf & sound & ~by_inf))
    if seen.name in ADDITIVE:
        is_zero = is_zero & ~_touched(seen, [p & (a != 0) for p, a in zip(parts, seen.operands, strict=True)])
    culprits = [a | b for a, b in zip(inf, zero, strict=True)]
    return _join(blamed, _only(seen, culprits, is_zero & sound))


def _singular(seen: Seen, zero: list[Mask]) -> list[Mask]:
    """The zeros that are divided by, logged or taken to a negative power."""
    place = 1 if seen.name in DIVISIONS and len(zero) > 1 else 0
    return [z if i == place else np.zeros(z.shape, np.bool_) for i, z in enumerate(zero)]


def _inaccurate(history: History, seen: Seen, mask: Mask) -> list[Mask]:
    """Of each operand the elements that have lost more than half of their bits already."""
    return [seen.of(i, mask) & history.at(seen, i, "inaccurate") for i in range(len(seen.operands))]


def _touched(seen: Seen, masks: list[Mask]) -> Mask:
    """The elements of the result that any of these feed."""
    found = np.zeros(seen.result.shape, np.bool_)
    for which, mask in enumerate(masks):
        if mask.any():
            found = found | seen.to(which, mask)
    return found


def _only(seen: Seen, masks: list[Mask], results: Mask) -> list[Mask]:
    """Of these elements of the operands those that feed certain elements of the result."""
    if not results.any():
        return [np.zeros(m.shape, np.bool_) for m in masks]
    return [m & seen.of(i, results) for i, m in enumerate(masks)]


def _join(a: list[Mask], b: list[Mask]) -> list[Mask]:
    return [x | y for x, y in zip(a, b, strict=True)]
