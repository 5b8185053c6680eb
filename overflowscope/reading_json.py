"""JSON text -> logits and labels: one value, or JSON lines. Reached through ``reading``, which adds the source.

Good input is checked and converted at C speed. A number beyond float64 shows only after that, as an infinity that
nobody spelled, or as digits that Python refuses; the text is then parsed once more, keeping such literals as text.
"""

from __future__ import annotations

import itertools
import json
import math
import re
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
NAMED_KINDS = {list: "a list", dict: "an object", type(None): "null"}


class _BeyondFloat64(Exception):
    """Somewhere in the text is a number too large: parse it again with care, to say which."""


class _Huge(str):
    """The literal of a number beyond float64."""


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
    # Infinity and NaN become the strings of that name, so that every float infinity comes from an overflow.
    return json.JSONDecoder(parse_int=read_int, parse_float=read_float, parse_constant=str, object_pairs_hook=_object)


def _number(kind: Callable[[str], int | float], literal: str) -> int | float | _Huge:
    return _Huge(literal) if math.isinf(float(literal)) else kind(literal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the key {twice!r} appears twice in one object")
    return members


def _parse(text: str, lines: bool, decoder: json.JSONDecoder) -> tuple[Any, bool]:
    """The value of the text, and whether it is the list of the values of its lines."""
    if not text.strip(" \t\r\n"):
        raise InputError("the file holds nothing but white space")
    if not lines:
        try:
            return _decode(text, decoder), False
        except json.JSONDecodeError as error:
            before = text[: error.pos]
            first_is_one_line = "\n" not in before.strip() and before.rstrip(" \t").endswith("\n")
            if not (error.msg == "Extra data" and first_is_one_line):
                raise _invalid(error, error.lineno) from None
    values = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(" \t\r"):
            try:
                values.append(_decode(line, decoder))
            except json.JSONDecodeError as error:
                raise _invalid(error, number) from None
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
        raise InputError("the JSON is nested too deeply", hint="a matrix is a list of lists of numbers") from None


def _invalid(error: json.JSONDecodeError, line: int) -> InputError:
    what = "more text after the first value" if error.msg == "Extra data" else error.msg
    hint = None
    if re.match(r"[-+\w.]+[ \t]*[,;\s]", error.doc.lstrip()):
        hint = "a vector is written [1.5, 2.5]"
    return InputError(f"invalid JSON: {what}", where=f"line {line}, column {error.colno}", hint=hint)


def _logits(value: Any, is_lines: bool, key: str | None) -> tuple[Floats, tuple[int, ...], Labels | None]:
    if not is_lines:
        rows, given = _record(value, key, None)
        return *_matrix(rows), None if given is None else _integers(given)
    records = [_record(line, key, f"row {i}") for i, line in enumerate(value)]
    without = [i for i, (_, given) in enumerate(records) if given is None]
    if without and len(without) < len(records):
        raise InputError(f"{len(without)} of the {len(records)} rows have no label", where=f"row {without[0]}")
    given = None if without else _integers([given for _, given in records])
    return *_matrix([row for row, _ in records]), given


def _labels(value: Any, is_lines: bool) -> Labels:
    if not is_lines:
        return _integers(_member(value, f"row {0}") if isinstance(value, dict) else value)
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
        single = type(value) in (int, float, _Huge)
        raise InputError(f"{'a single number' if single else _shown(value)} is no row of logits", where=where)
    return value, given


def _member(value: dict[str, Any], where: str | None, but: str | None = None) -> Any:
    names = [name for name in ("labels", "label") if name in value and name != but]
    if len(names) != 1:
        what = "both 'labels' and 'label'" if names else "no key 'labels'"
        raise InputError(f"the object has {what}", where=where, hint=_keys(value))
    return value[names[0]]


def _keys(value: dict[str, Any]) -> str:
    names = [repr(name) for name in value]
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
    level, shape = [value], tuple[int, ...]()
    while all(set(map(type, item)) == {list} for item in level):
        _same_length(level, shape, "list")
        shape = (*shape, len(level[0]))
        if len(shape) >= MAX_AXES:
            raise InputError("the JSON is nested too deeply", hint="a matrix is a list of lists of numbers")
        level = list(itertools.chain.from_iterable(level))
    _same_length(level, shape, noun)
    return level, shape


def _same_length(level: list[list[Any]], shape: tuple[int, ...], noun: str) -> None:
    """Raises InputError where a list holds both lists and other things, or another number of them than the first."""
    for i, item in enumerate(level):
        if list in (kinds := set(map(type, item))) and (len(kinds) > 1 or noun != "list"):
            # Where every item holds lists only, they belong to lists of numbers beside them.
            at = next((j for j, v in enumerate(item) if type(v) is not type(item[0])), 0)
            raise InputError("lists and single values are mixed", where=_element(_row(i, shape), at))
    wanted = len(level[0])
    for i, item in enumerate(level):
        if len(item) != wanted:
            counts = [f"{n} {noun}{'' if n == 1 else 's'}" for n in (len(item), wanted)]
            raise InputError(
                f"{_row(i, shape)} has {counts[0]}, {_row(0, shape)} has {wanted}", hint="pad or split the rows"
            )


def _row(i: int, shape: tuple[int, ...]) -> str:
    """What messages call the i-th list of those arranged in that shape: nothing where it is the only one."""
    if len(shape) < 2:
        return f"row {i}" if shape else ""
    return f"row ({', '.join(str(int(n)) for n in np.unravel_index(i, shape))})"


def _element(row: str, column: int) -> str:
    return f"{row}, column {column}" if row else f"index {column}"


def _spelled(value: Any, i: int, leading: tuple[int, ...], classes: int) -> float:
    found = SPELLED.get(value.lower()) if type(value) is str else None
    if found is None:
        where = _element(_row(i // classes, leading), i % classes)
        if type(value) is _Huge:
            raise InputError(f"{_shown(value)} is beyond float64", where=where, hint="Infinity is written so")
        hint = "numbers have no quotes around them" if type(value) is str else None
        raise InputError(f"{_shown(value)} is no number", where=where, hint=hint)
    return found


def _shown(value: Any) -> str:
    if type(value) in NAMED_KINDS:
        return NAMED_KINDS[type(value)]
    if type(value) is bool:
        return str(value).lower()
    text = str(value) if type(value) is _Huge else repr(value)
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
