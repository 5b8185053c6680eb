"""JSON text -> logits and labels: one value, or JSON lines. Reached through ``reading``, which adds the source.

Good input is checked and converted at C speed. A number beyond float64 shows only after that, as an infinity that
nobody spelled, or as digits that Python refuses; the text is then parsed once more, keeping such literals as text.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
T = TypeVar("T")

# NumPy 1 has no arrays of more axes.
MAX_AXES = 32
SPELLED = {
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
    "nan": math.nan,
}
HOW_A_VECTOR_LOOKS = "a vector is written [1.5, 2.5]"
NAMED_KINDS = {list: "a list", dict: "an object", type(None): "null"}


class _BeyondFloat64(Exception):
    """Somewhere in the text is a number too large: parse it again with care, to say which."""


class _Literal(str):
    """What stands in the text without quotes: Infinity, NaN, or a number beyond float64."""


def logits(text: str, *, lines: bool, key: str | None) -> tuple[Floats, tuple[int, ...], Labels | None]:
    """Values of shape (rows, classes), the shape of their leading axes, and the labels where the text has any.

    ``lines`` forces JSON lines; without it, several values on successive lines are taken as such. inf and nan are
    values, written ``Infinity``, ``-Infinity``, ``NaN`` or as strings. Raises InputError for whatever is not a
    vector of numbers, or lists of these of equal length, or objects that hold one under ``key`` ("logits" if None).
    """
    return _carefully_if_needed(text, lines, partial(_logits, key=key))


def labels(text: str, *, lines: bool) -> Labels:
    """The integers in the text, flattened: a list, a number, an object with "labels" or "label", or lines of these.

    May be empty. Raises InputError for anything else, inf, nan and fractions included.
    """
    return _carefully_if_needed(text, lines, _labels)


def _carefully_if_needed(text: str, lines: bool, build: Callable[[Any, bool], T]) -> T:
    try:
        return build(*_parse(text, lines, _decoder(int, float)))
    except _BeyondFloat64:
        return build(*_parse(text, lines, _decoder(partial(_number, int), partial(_number, float))))


def _decoder(read_int: Callable[[str], Any], read_float: Callable[[str], Any]) -> json.JSONDecoder:
    # Infinity is kept as text, so that every float infinity comes from an overflow.
    return json.JSONDecoder(
        parse_int=read_int, parse_float=read_float, parse_constant=_Literal, object_pairs_hook=_object
    )


def _number(kind: Callable[[str], int | float], literal: str) -> int | float | _Literal:
    return _Literal(literal) if math.isinf(float(literal)) else kind(literal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise InputError(f"the key {_shown(repeated)} appears twice in one object")
    return members


def _parse(text: str, lines: bool, decoder: json.JSONDecoder) -> tuple[Any, bool]:
    """The value of the text, and whether it is the list of the values of its lines."""
    if not text.strip(" \t\r\n"):
        raise InputError("the file holds nothing but white space")
    if not lines:
        try:
            return _decode(text, decoder), False
        except json.JSONDecodeError as error:
            if error.msg != "Extra data" or "\n" in text[: error.pos].strip(" \t\r\n"):
                raise _invalid(error, error.lineno) from None
            # The first value ends on the line on which it begins.
    values = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(" \t\r"):
            try:
                values.append(_decode(line, decoder))
            except json.JSONDecodeError as error:
                raise _invalid(error, number) from None
            except InputError as error:
                raise InputError(error.what, where=f"line {number}", hint=error.hint) from None
    return values, True


def _decode(text: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # The only other one is from int(): more digits than Python converts.
        raise _BeyondFloat64 from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply", hint=HOW_A_VECTOR_LOOKS) from None


def _invalid(error: json.JSONDecodeError, line: int) -> InputError:
    what = "more text after the first value" if error.msg == "Extra data" else error.msg
    hint = HOW_A_VECTOR_LOOKS if re.match(r"\s*[-+\w.]+\s*[,;\s]", error.doc) else None
    return InputError(f"invalid JSON: {what}", where=f"line {line}, column {error.colno}", hint=hint)


def _logits(value: Any, is_lines: bool, key: str | None) -> tuple[Floats, tuple[int, ...], Labels | None]:
    if not is_lines:
        rows, given = _record(value, key, None)
        return *_matrix(rows), None if given is None else _integers(given)
    records = [_record(line, key, f"row {i}") for i, line in enumerate(value)]
    without = [i for i, (_, given) in enumerate(records) if given is None]
    if without and len(without) < len(records):
        raise InputError("some rows have a label, this one has none", where=f"row {without[0]}")
    given = None if without else _integers([given for _, given in records])
    return *_matrix([row for row, _ in records]), given


def _labels(value: Any, is_lines: bool) -> Labels:
    if not is_lines:
        return _integers(_member(value, None) if isinstance(value, dict) else value)
    return _integers([_member(v, f"row {i}") if isinstance(v, dict) else v for i, v in enumerate(value)])


def _record(value: Any, key: str | None, where: str | None) -> tuple[list[Any], Any]:
    """The logits and the labels (None: there are none) of a whole file or of one line."""
    given = None
    if isinstance(value, dict):
        name = "logits" if key is None else key
        if name not in value:
            raise InputError(f"the object has no key {name!r}", where=where, hint=_keys(value))
        given = _member(value, where, but=name) if {"labels", "label"} & value.keys() - {name} else None
        value = value[name]
    elif key is not None:
        raise InputError(f"there is no object with a key {key!r}, only {_shown(value)}", where=where)
    if not isinstance(value, list):
        single = type(value) in (int, float, _Literal)
        what = "a single number" if single else _shown(value)
        raise InputError(f"{what} is no row of logits", where=where, hint=HOW_A_VECTOR_LOOKS)
    return value, given


def _member(value: dict[str, Any], where: str | None, but: str | None = None) -> Any:
    names = [name for name in ("labels", "label") if name in value and name != but]
    if len(names) != 1:
        what = "both 'labels' and 'label'" if names else "no key 'labels'"
        raise InputError(f"the object has {what}", where=where, hint=_keys(value))
    return value[names[0]]


def _keys(value: dict[str, Any]) -> str:
    names = [_shown(name) for name in value]
    return f"its keys: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}" if names else "it is empty"


def _matrix(value: list[Any]) -> tuple[Floats, tuple[int, ...]]:
    rows, leading = _rows(value, "value")
    if not rows[0]:
        raise InputError("no logits: " + (f"{_row(0, leading)} is empty" if leading else "the list is empty"))
    flat = list(itertools.chain.from_iterable(rows))
    if not set(map(type, flat)) <= {int, float}:
        if math.inf in flat or -math.inf in flat:
            raise _BeyondFloat64
        plain = (int, float)
        flat = [v if type(v) in plain else _spelled(v, i, leading, len(rows[0])) for i, v in enumerate(flat)]
        return _converted(flat).reshape(len(rows), -1), leading
    values = _converted(flat)
    if np.isinf(values).any():
        raise _BeyondFloat64
    return values.reshape(len(rows), -1), leading


def _converted(flat: list[Any]) -> Floats:
    try:
        return np.array(flat, dtype=np.float64)
    except OverflowError:
        raise _BeyondFloat64 from None


def _rows(value: list[Any], noun: str) -> tuple[list[list[Any]], tuple[int, ...]]:
    """The innermost lists, all of one length, and the shape that they are arranged in."""
    level: list[list[Any]] = [value]
    shape: tuple[int, ...] = ()
    while all(set(map(type, item)) == {list} for item in level):
        _refuse_ragged(level, shape, "list")
        shape = (*shape, len(level[0]))
        if len(shape) >= MAX_AXES:
            raise InputError("the JSON is nested too deeply", hint=HOW_A_VECTOR_LOOKS)
        level = list(itertools.chain.from_iterable(level))
    for i, item in enumerate(level):
        if list in map(type, item):
            # Where all of them are lists, it is the first that differs from the values of other rows.
            odd = next((j for j, v in enumerate(item) if type(v) is not type(item[0])), 0)
            raise InputError(f"lists and single {noun}s are mixed", where=_element(_row(i, shape), odd))
    _refuse_ragged(level, shape, noun)
    return level, shape


def _refuse_ragged(level: list[list[Any]], shape: tuple[int, ...], noun: str) -> None:
    wanted = len(level[0])
    for i, item in enumerate(level):
        if (n := len(item)) != wanted:
            what = f"{_row(i, shape)} has {n} {noun}{'' if n == 1 else 's'}, {_row(0, shape)} has {wanted}"
            raise InputError(what, hint=f"give every row as many {noun}s")


def _row(i: int, shape: tuple[int, ...]) -> str:
    """What messages call the i-th list of those arranged in that shape: nothing where it is the only one."""
    if len(shape) < 2:
        return f"row {i}" if shape else ""
    return f"row ({', '.join(str(int(n)) for n in np.unravel_index(i, shape))})"


def _element(row: str, column: int) -> str:
    return f"{row}, column {column}" if row else f"index {column}"


def _spelled(value: Any, i: int, leading: tuple[int, ...], classes: int) -> float:
    found = SPELLED.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        where = _element(_row(i // classes, leading), i % classes)
        if type(value) is _Literal:
            raise InputError(f"{_shown(value)} is beyond float64", where=where, hint="write Infinity if that is meant")
        hint = "in quotes, only inf, -inf and nan are read" if type(value) is str else None
        raise InputError(f"{_shown(value)} is no number", where=where, hint=hint)
    return found


def _shown(value: Any) -> str:
    if type(value) in NAMED_KINDS:
        return NAMED_KINDS[type(value)]
    if type(value) is bool:
        return str(value).lower()
    text = str(value) if type(value) is _Literal else repr(value)
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"


def _integers(value: Any) -> Labels:
    rows, _ = _rows(value if isinstance(value, list) else [value], "label")
    flat = list(itertools.chain.from_iterable(rows))
    if set(map(type, flat)) != {int}:
        flat = [_integer(v, i) for i, v in enumerate(flat)]
    try:
        return np.array(flat, dtype=np.int64)
    except OverflowError:
        i = next(i for i, v in enumerate(flat) if not -(2**63) <= v < 2**63)
        raise InputError(f"{_shown(flat[i])} is beyond int64", where=f"label {i}") from None


def _integer(value: Any, i: int) -> int:
    if type(value) is int:
        return value
    if type(value) is float:
        if math.isinf(value):
            raise _BeyondFloat64
        if value.is_integer():
            return int(value)
    raise InputError(f"{_shown(value)} is no integer", where=f"label {i}")
