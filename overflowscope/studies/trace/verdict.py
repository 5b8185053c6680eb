"""The verdict: where it began, how it spread, and what is enough."""

from __future__ import annotations

import math

import numpy as np

from overflowscope.records.trace import Birth
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.birth import DIVISIONS, LOGARITHMS, Path
from overflowscope.studies.trace.events import EXPONENTIALS, Found, largest_argument
from overflowscope.studies.trace.feeds import elementwise, places
from overflowscope.studies.trace.history import History, Seen, unknown
from overflowscope.studies.trace.wording import NOUNS, against, exactly, formula, number, operand, where

SHOWN = 4
"""Descendants that a verdict names."""


def kind(seen: Seen, place: tuple[int, ...]) -> str:
    """overflow, underflow, invalid or divide: of an element that was born wrong."""
    value = float(seen.result[place])
    if value == 0:
        return "underflow"
    local = seen.local[place]
    if math.isnan(value):
        size = abs(enclosures.approximately(local))
        return "overflow" if not seen.fmt.has_infinity and size > seen.fmt.largest else "invalid"
    return "divide" if _at_pole(seen, place) else "overflow"


def _at_pole(seen: Seen, place: tuple[int, ...]) -> bool:
    if not elementwise(seen.step):
        return False
    if seen.name in DIVISIONS:
        return operand(seen, min(1, len(seen.operands) - 1), place) == 0
    if seen.name in LOGARITHMS or seen.name in ("power", "float_power"):
        return operand(seen, 0, place) == 0
    return seen.name == "log1p" and operand(seen, 0, place) == -1


def birth(history: History, path: Path, absorbed: list[Found], word: str, remedy: str) -> Birth | None:
    """What began it; ``word`` is what an input is called, ``remedy`` the last part of the verdict."""
    if path.first is None:
        return None
    seen = history.steps[path.first - 1]
    place = places(path.born[path.first])[0]
    value, limit = _measured(seen, place)
    source = seen.step.place
    began = f"step {seen.number}, {seen.name}: {_began(history, seen, place, absorbed, word)}"
    said = "; ".join([began, *_spread(history, path, seen)]) + f". {remedy}"
    return Birth(
        step=seen.number,
        operation=seen.name,
        kind=kind(seen, place),
        index=place,
        value=value,
        limit=limit,
        source=None if source is None else f"{source.file}:{source.line}",
        verdict=said,
    )


def _measured(seen: Seen, place: tuple[int, ...]) -> tuple[float | None, float | None]:
    """(value, limit): what went beyond what."""
    born, fmt = kind(seen, place), seen.fmt
    if seen.name in EXPONENTIALS and born in ("overflow", "underflow"):
        limit = largest_argument(seen.name, fmt)
        return operand(seen, 0, place), limit if born == "overflow" else fmt.log_vanishing / EXPONENTIALS[seen.name]
    if born in ("overflow", "underflow"):
        own = enclosures.approximately(seen.local[place])
        if own == 0:
            return enclosures.approximately(seen.exact[place]), None
        return own, fmt.largest if born == "overflow" else fmt.smallest
    if elementwise(seen.step):
        return operand(seen, 0, place), 0.0 if seen.name in LOGARITHMS | {"sqrt"} and born == "invalid" else None
    return None, None


def _began(history: History, seen: Seen, place: tuple[int, ...], absorbed: list[Found], word: str) -> str:
    born, fmt, at = kind(seen, place), seen.fmt, where(seen, place)
    if seen.name in EXPONENTIALS and born in ("overflow", "underflow"):
        value, limit = _measured(seen, place)
        assert value is not None and limit is not None
        called = word if _is_input(seen) else "argument"
        if born == "overflow":
            return f"{called} {against(value, limit)}{at} is above {limit:.6g}, the largest {fmt.name} {seen.name} can take"
        return f"{called} {against(value, limit)}{at} is below {limit:.5g}, where {fmt.name} {seen.name} rounds to 0"
    if born == "overflow":
        return _too_large(seen, place) + _beyond_format(history, seen, place)
    if born == "underflow":
        return _too_small(seen, place, absorbed)
    if born == "divide":
        return f"{formula(seen, place)}{at} is {number(float(seen.result[place]))}: {_zero(history, seen, place)}"
    return _without_value(history, seen, place)


def _is_input(seen: Seen) -> bool:
    """Whether its first operand is an input as it came."""
    origins = seen.origins[0]
    return origins is not None and bool((origins < 0).all())


def _too_large(seen: Seen, place: tuple[int, ...]) -> str:
    most = f"{number(seen.fmt.largest)}, the largest {seen.fmt.name}"
    what, value, at = formula(seen, place), exactly(seen, place, local=True), where(seen, place)
    size = abs(enclosures.approximately(seen.local[place]))
    if size <= seen.fmt.largest:
        return f"{what}{at} passes {most}, on the way to {value}"
    if seen.name == "astype":
        return f"{number(operand(seen, 0, place))}{at} is above {most}"
    if value == "undecided":
        return f"{what}{at} is above {most}"
    return f"{what}{at} is {value}, above {most}"


def _beyond_format(history: History, seen: Seen, place: tuple[int, ...]) -> str:
    """Where the result itself cannot be held."""
    return ""


def _too_small(seen: Seen, place: tuple[int, ...], absorbed: list[Found]) -> str:
    local, at, fmt = seen.local[place], where(seen, place), seen.fmt
    exact = exactly(seen, place)
    if enclosures.nonzero(local):
        own = exactly(seen, place, local=True)
        return f"{formula(seen, place)}{at} is {own}, below {number(fmt.smallest)}, the smallest {fmt.name}, and becomes 0"
    how = f"{formula(seen, place)}{at} is 0 where the exact value is {exact}"
    how += ": everything cancels" if seen.name in ("add", "subtract", "sum", "mean") else ", for its argument was rounded"
    if absorbed:
        first = absorbed[0].seen
        how += f", because step {first.number}, {first.name}, had absorbed what was added"
    return how


def _zero(history: History, seen: Seen, place: tuple[int, ...]) -> str:
    """Of a zero that is divided by or logged, and is right."""
    which = 1 if seen.name in DIVISIONS and len(seen.operands) > 1 else 0
    origins = seen.origins[which]
    if origins is None:
        return "the zero is a constant"
    origin = int(np.broadcast_to(origins, seen.result.shape)[place])
    if origin < 0:
        return "the zero is an input"
    maker = history.by_step[origin >> 32]
    if unknown(maker.exact.ravel()[origin & (2**32 - 1)]):
        return f"the zero is from step {maker.number}, {maker.name}"
    return f"the zero is no rounding error, step {maker.number}, {maker.name}, gives it exactly"


def _without_value(history: History, seen: Seen, place: tuple[int, ...]) -> str:
    what, at = formula(seen, place), where(seen, place)
    exact = exactly(seen, place)
    if elementwise(seen.step):
        given = [operand(seen, i, place) for i in range(len(seen.operands))]
        if -math.inf in given and any(math.isinf(g) for g in given[1:]):
            return f"{what}{at} is nan: every entry that it was taken from is -inf, a mask that leaves nothing"
        if seen.name in LOGARITHMS | {"sqrt", "log1p", "power"} and given[0] < 0:
            return f"{what}{at} is nan: {_negative(history, seen, place, given[0], exact)}"
    if exact == "undefined":
        return f"{what}{at} is nan: it has no value in exact arithmetic either, it is undefined"
    return f"{what}{at} is nan where the exact value is {exact}"


def _negative(history: History, seen: Seen, place: tuple[int, ...], value: float, exact: str) -> str:
    if exact == "undefined":
        return f"{number(value)} is negative, outside of the domain of {seen.name}, and so is the exact number"
    return f"{number(value)} is negative, and the exact result is {exact}"


def _spread(history: History, path: Path, first: Seen) -> list[str]:
    """What became of it, step by step: the first ones, and the last."""
    numbers = sorted(path.descendants - {first.number})
    if len(numbers) > SHOWN:
        numbers = [*numbers[: SHOWN - 1], numbers[-1]]
    return [_became(history.steps[n - 1], path) for n in numbers]


def _became(seen: Seen, path: Path) -> str:
    mask = path.failing[seen.number]
    for grave in (np.isnan(seen.result), np.isinf(seen.result), mask):
        if (mask & grave).any():
            place = places(mask & grave)[0]
            break
    return f"{formula(seen, place)} becomes {number(float(seen.result[place]))} at step {seen.number}"


def reduction(seen: Seen) -> str:
    """Its name as a noun."""
    return NOUNS.get(seen.name, seen.name)
