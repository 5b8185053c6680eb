"""Decisions that a calculation takes on its computed values, and what the exact values would have decided."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath.libmp import mpf_cmp, to_int

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.elements import boxed, lifted, reduced
from overflowscope.arithmetic.extended import INFINITE, NEGATIVE_INFINITE, UNDEFINED, sign, special, unknown
from overflowscope.arithmetic.intervals import LINE, Element
from overflowscope.arithmetic.recorded_array import RecordedArray, plain, recorded_among, replaced
from overflowscope.arithmetic.steps import Note
from overflowscope.arithmetic.tape import Tape

Outcome = bool | int | None
"""None where the enclosures leave it open, and where there is no exact value to decide by."""


def note(tape: Tape, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A note where the exact values decide otherwise than the computed ones, which the calculation follows."""
    if name in ("nonzero", "flatnonzero", "argwhere", "count_nonzero"):
        name, args, kwargs, result = "not_equal", (args[0], 0.0), {}, plain(args[0]) != 0
    elif name == "astype" and np.asarray(result).dtype == np.bool_:
        name, args, kwargs = "not_equal", (args[0], 0.0), {}
    rule, operands = OUTCOMES.get(name), recorded_among(args)
    if rule is None or tape.shadows is None or "where" in kwargs or all(a.given for a in operands):
        return
    if tape.shadows.too_many(name, [np.shape(a.origins) for a in operands], np.shape(result)):
        return
    exact = {id(a): a.exact for a in operands}
    if any(e is None for e in exact.values()):
        return
    known = replaced(args, lambda a: exact[id(a)])
    found = np.asarray(rule(*known, **kwargs), object)
    computed = np.asarray(result)
    pairs = list(zip(computed.ravel().tolist(), np.broadcast_to(found, computed.shape).ravel().tolist(), strict=True))
    other = [i for i, (got, truth) in enumerate(pairs) if truth is not None and got != truth]
    if other:
        sides = _sides(args, known, computed.shape, other[0])
        tape.note(Note(len(tape.steps), tape.here, name, other[0], *pairs[other[0]], len(other), sides))


def _sides(
    args: tuple[Any, ...], known: tuple[Any, ...], shape: tuple[int, ...], index: int
) -> tuple[tuple[float, Element], ...]:
    """The numbers that were compared at that place, and their exact values; nothing where many decide one outcome."""
    found = []
    for computed, exact in zip(args, known, strict=True):
        try:
            values = np.broadcast_to(np.asarray(numbers(plain(computed)), np.float64), shape)
            elements = np.broadcast_to(lifted(exact), shape)
        except (TypeError, ValueError):
            return ()
        found.append((float(values.flat[index]), elements.flat[index]))
    return tuple(found)


def less(a: Element, b: Element) -> Outcome:
    """a < b."""
    if unknown(a, b) is not None:
        return None
    high, low = mpf_cmp(a[1], b[0]), mpf_cmp(a[0], b[1])
    if high < 0 or (high == 0 and (a[3] or b[2])):
        return True
    return False if low >= 0 else None


def equal(a: Element, b: Element) -> Outcome:
    if unknown(a, b) is not None:
        return None
    if a[0] == a[1] == b[0] == b[1]:
        return True
    return False if less(a, b) or less(b, a) else None


def _not(outcome: Outcome) -> Outcome:
    return None if outcome is None else not outcome


def nonzero(a: Element) -> Outcome:
    """Whether it is another number than 0; an infinity is, and so is nan."""
    if a == UNDEFINED:
        return True
    signs = sign(a)
    return bool(signs) if signs is not None else None


def _is(known: Callable[[Element], bool]) -> Callable[[Element], Outcome]:
    return lambda a: None if a == LINE else known(a)


def _whole(a: Element) -> Outcome:
    """The integer that a cast to integers makes: towards 0."""
    if special(a) or any(end[2] + end[3] > 64 for end in a[:2]):
        return None
    low, high = (int(to_int(end)) for end in a[:2])
    return low if low == high else None


def each(function: Callable[..., Outcome]) -> Callable[..., Any]:
    """Element by element."""

    def rule(*operands: Any, **options: Any) -> Any:
        lifts = [lifted(a) for a in operands[: function.__code__.co_argcount]]
        return boxed(np.frompyfunc(function, len(lifts), 1)(*lifts))

    return rule


def _any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return _gathered(a, axis, keepdims, True)


def _all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return _gathered(a, axis, keepdims, False)


def _gathered(a: Any, axis: Any, keepdims: bool, decisive: bool) -> Any:
    def of(row: list[Element]) -> Outcome:
        truths = [nonzero(e) for e in row]
        return decisive if decisive in truths else None if None in truths else not decisive

    return reduced(of, lifted(a), axis, keepdims)


def _order(a: Any, axis: Any = -1, *args: Any, **kwargs: Any) -> Any:
    """argsort, where no two are equal and every comparison is decided."""

    def order(row: list[Element]) -> list[Outcome]:
        by: Callable[[int], Any] = functools.cmp_to_key(lambda i, j: -1 if less(row[i], row[j]) else 1)
        found = sorted(range(len(row)), key=by)
        sure = all(less(row[i], row[j]) for i, j in itertools.pairwise(found))
        return [i if sure else None for i in found]

    rows = lifted(a).reshape(-1) if axis is None else np.moveaxis(lifted(a), axis, -1)
    result = np.empty(rows.shape, object)
    for index in np.ndindex(rows.shape[:-1]):
        result[index] = order(rows[index].tolist())
    return result if axis is None else np.moveaxis(result, -1, axis)


def _largest(less_than: Callable[[Element, Element], Outcome]) -> Callable[..., Any]:
    """argmax and argmin: the first of the largest; None unless every comparison is decided."""

    def place(row: list[Element]) -> Outcome:
        best = 0
        for i in range(1, len(row)):
            if (beaten := less_than(row[best], row[i])) is None:
                return None
            best = i if beaten else best
        return best

    def rule(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        return reduced(place, lifted(a), axis, keepdims)

    return rule


OUTCOMES: dict[str, Callable[..., Any]] = {
    "less": each(less),
    "greater": each(lambda a, b: less(b, a)),
    "less_equal": each(lambda a, b: _not(less(b, a))),
    "greater_equal": each(lambda a, b: _not(less(a, b))),
    "equal": each(equal),
    "not_equal": each(lambda a, b: _not(equal(a, b))),
    "isnan": each(_is(lambda a: a == UNDEFINED)),
    "isinf": each(_is(lambda a: a in (INFINITE, NEGATIVE_INFINITE))),
    "isposinf": each(_is(lambda a: a == INFINITE)),
    "isneginf": each(_is(lambda a: a == NEGATIVE_INFINITE)),
    "isfinite": each(_is(lambda a: not special(a))),
    "logical_not": each(lambda a: _not(nonzero(a))),
    "astype": each(_whole),
    "any": _any,
    "all": _all,
    "argmax": _largest(less),
    "argsort": _order,
    "argmin": _largest(lambda a, b: less(b, a)),
}
"""Of NumPy's functions that decide, the outcomes on exact values."""


def truth(tape: Tape, array: RecordedArray) -> bool:
    """bool() of one number."""
    outcome = bool(array.value)
    note(tape, "all", (array,), {}, outcome)
    return outcome
