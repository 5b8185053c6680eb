"""Nested lists, as JSON has them -> rows of numbers of equal length, or labels, with the place of what is neither."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

# NumPy 1 has no arrays of more axes.
MAX_AXES = 32
SPELLED = {
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
    "nan": math.nan,
}
HOW_A_VECTOR_LOOKS = "a vector is written [1.5, 2.5]"
NAMED_KINDS = {list: "a list", dict: "an object", type(None): "null"}


class BeyondFloat64(Exception):
    """Somewhere in the text is a number too large: parse it again with care, to say which."""


class Literal(str):
    """What stands in the text without quotes: Infinity, NaN, or a number beyond float64."""


def matrix(value: list[Any], first: int = 0) -> tuple[Floats, tuple[int, ...]]:
    """Values of shape (rows, classes), and the shape of the leading axes; in messages rows count from ``first``.

    Raises InputError for what is no number, no list, or of unequal length, and BeyondFloat64.
    """
    rows, leading = _rows(value, "value", first)
    if not rows[0]:
        raise InputError("no logits: " + (f"{_row(0, leading, first)} is empty" if leading else "the list is empty"))
    flat = list(itertools.chain.from_iterable(rows))
    if not set(map(type, flat)) <= {int, float}:
        if math.inf in flat or -math.inf in flat:
            raise BeyondFloat64
        plain = (int, float)
        flat = [v if type(v) in plain else _spelled(v, i, leading, len(rows[0]), first) for i, v in enumerate(flat)]
        return _converted(flat).reshape(len(rows), -1), leading
    values = _converted(flat)
    if np.isinf(values).any():
        raise BeyondFloat64
    return values.reshape(len(rows), -1), leading


def _converted(flat: list[Any]) -> Floats:
    try:
        return np.array(flat, dtype=np.float64)
    except OverflowError:
        raise BeyondFloat64 from None


def array(value: Any) -> NDArray[Any]:
    """Numbers in their own shape: bool, int64 or float64, whichever all are. Raises InputError and BeyondFloat64."""
    if not isinstance(value, list):
        if type(value) not in (int, float, bool):
            raise InputError(f"{shown(value)} is no number, and no list of numbers")
        return array([value]).reshape(())
    rows, leading = _rows(value, "value", 0)
    flat = list(itertools.chain.from_iterable(rows))
    if flat and set(map(type, flat)) == {bool}:
        return np.array(flat, np.bool_).reshape(*leading, -1)
    if flat and set(map(type, flat)) == {int} and all(-(2**63) <= v < 2**63 for v in flat):
        return np.array(flat, np.int64).reshape(*leading, -1)
    return matrix(value)[0].reshape(*leading, len(rows[0]))


def _rows(value: list[Any], noun: str, first: int) -> tuple[list[list[Any]], tuple[int, ...]]:
    """The innermost lists, all of one length, and the shape that they are arranged in."""
    level: list[list[Any]] = [value]
    shape: tuple[int, ...] = ()
    while all(set(map(type, item)) == {list} for item in level):
        _refuse_ragged(level, shape, first, "list")
        shape = (*shape, len(level[0]))
        if len(shape) >= MAX_AXES:
            raise InputError("the JSON is nested too deeply", hint=HOW_A_VECTOR_LOOKS)
        level = list(itertools.chain.from_iterable(level))
    for i, item in enumerate(level):
        if list in map(type, item):
            # Where all of them are lists, it is the first that differs from the values of other rows.
            odd = next((j for j, v in enumerate(item) if type(v) is not type(item[0])), 0)
            raise InputError(f"lists and single {noun}s are mixed", where=_element(_row(i, shape, first), odd))
    _refuse_ragged(level, shape, first, noun)
    return level, shape


def _refuse_ragged(level: list[list[Any]], shape: tuple[int, ...], first: int, noun: str) -> None:
    wanted = len(level[0])
    for i, item in enumerate(level):
        if (n := len(item)) != wanted:
            what = (
                f"{_row(i, shape, first)} has {n} {noun}{'' if n == 1 else 's'}, {_row(0, shape, first)} has {wanted}"
            )
            raise InputError(what, hint=f"give every row as many {noun}s")


def _row(i: int, shape: tuple[int, ...], first: int) -> str:
    """What messages call the i-th list of those arranged in that shape: nothing where it is the only one."""
    if len(shape) < 2:
        return f"row {first + i}" if shape else ""
    at, *within = np.unravel_index(i, shape)
    return f"row ({', '.join(str(int(n)) for n in (first + at, *within))})"


def _element(row: str, column: int) -> str:
    return f"{row}, column {column}" if row else f"index {column}"


def _spelled(value: Any, i: int, leading: tuple[int, ...], classes: int, first: int) -> float:
    found = SPELLED.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        where = _element(_row(i // classes, leading, first), i % classes)
        if type(value) is Literal:
            raise InputError(f"{shown(value)} is beyond float64", where=where, hint="write Infinity if that is meant")
        hint = "in quotes, only inf, -inf and nan are read" if type(value) is str else None
        raise InputError(f"{shown(value)} is no number", where=where, hint=hint)
    return found


def shown(value: Any) -> str:
    if type(value) in NAMED_KINDS:
        return NAMED_KINDS[type(value)]
    if type(value) is bool:
        return str(value).lower()
    text = str(value) if type(value) is Literal else repr(value)
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"


def integers(value: Any, first: int = 0) -> Labels:
    """int64, flattened; in messages labels count from ``first``. Raises InputError and BeyondFloat64 as ``matrix``."""
    rows, _ = _rows(value if isinstance(value, list) else [value], "label", 0)
    flat = list(itertools.chain.from_iterable(rows))
    if set(map(type, flat)) != {int}:
        flat = [_integer(v, first + i) for i, v in enumerate(flat)]
    try:
        return np.array(flat, dtype=np.int64)
    except OverflowError:
        i = next(i for i, v in enumerate(flat) if not -(2**63) <= v < 2**63)
        raise InputError(f"{shown(flat[i])} is beyond int64", where=f"label {first + i}") from None


def _integer(value: Any, i: int) -> int:
    if type(value) is int:
        return value
    if type(value) is float:
        if math.isinf(value):
            raise BeyondFloat64
        if value.is_integer():
            return int(value)
    raise InputError(f"{shown(value)} is no integer", where=f"label {i}")
