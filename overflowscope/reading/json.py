"""JSON text, one value: text -> nested lists -> logits and labels.

Good input is checked and converted at C speed. A number beyond float64 shows only after that, as an infinity that
nobody spelled, or as digits that Python refuses; the text is then parsed once more, keeping such literals as text.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.reading import nested
from overflowscope.reading.nested import (
    HOW_A_VECTOR_LOOKS,
    BeyondFloat64,
    Floats,
    Labels,
    Literal,
    integers,
    matrix,
    shown,
)

T = TypeVar("T")


def logits(text: str, key: str | None) -> tuple[Floats, tuple[int, ...], Labels | None]:
    """Values of shape (rows, classes), the shape of their leading axes, and the labels where the text has any.

    inf and nan are values, written ``Infinity``, ``-Infinity``, ``NaN`` or as strings. Raises InputError for
    whatever is not a vector of numbers, or lists of these of equal length, or an object that holds one under
    ``key`` ("logits" if None).
    """

    def build(value: Any) -> tuple[Floats, tuple[int, ...], Labels | None]:
        rows, given = record(value, key, None)
        return *matrix(rows), None if given is None else integers(given)

    return carefully_if_needed(text, build)


def array(text: str) -> NDArray[Any]:
    """The numbers in the text, lists of lists of any depth, in their own shape. Raises InputError for anything else."""
    return carefully_if_needed(text, nested.array)


def labels(text: str) -> Labels:
    """The integers in the text, flattened: a list, a number, or an object with "labels" or "label". May be empty.

    Raises InputError for anything else, inf, nan and fractions included.
    """
    return carefully_if_needed(text, lambda value: integers(of_labels(value, None)))


def carefully_if_needed(text: str, build: Callable[[Any], T], *, is_line: bool = False) -> T:
    """What ``build`` makes of the value of the text. Raises InputError; for invalid JSON with line and column.

    The text of one line (``is_line``) does not know its number.
    """
    try:
        return build(decoded(text, is_line=is_line))
    except BeyondFloat64:
        return build(_decode(text, _CAREFUL, is_line))


def decoded(text: str, *, is_line: bool = False) -> Any:
    """The value of the text; spelled infinities and nan are Literals. Raises BeyondFloat64 and InputError."""
    return _decode(text, _PLAIN, is_line)


def _decode(text: str, decoder: json.JSONDecoder, is_line: bool) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        what = "more text after the first value" if error.msg == "Extra data" else error.msg
        hint = HOW_A_VECTOR_LOOKS if re.match(r"\s*[-+\w.]+\s*[,;\s]", error.doc) else None
        where = f"column {error.colno}" if is_line else f"line {error.lineno}, column {error.colno}"
        raise InputError(f"invalid JSON: {what}", where=where, hint=hint) from None
    except ValueError:
        # The only other one is from int(): more digits than Python converts.
        raise BeyondFloat64 from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply", hint=HOW_A_VECTOR_LOOKS) from None


def _number(kind: Callable[[str], int | float], literal: str) -> int | float | Literal:
    return Literal(literal) if math.isinf(float(literal)) else kind(literal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise InputError(f"the key {shown(repeated)} appears twice in one object")
    return members


def _decoder(read_int: Callable[[str], Any], read_float: Callable[[str], Any]) -> json.JSONDecoder:
    # Infinity is kept as text, so that every float infinity comes from an overflow.
    return json.JSONDecoder(
        parse_int=read_int, parse_float=read_float, parse_constant=Literal, object_pairs_hook=_object
    )


_PLAIN = _decoder(int, float)
_CAREFUL = _decoder(partial(_number, int), partial(_number, float))


def record(value: Any, key: str | None, where: str | None) -> tuple[list[Any], Any]:
    """The logits and the labels (None: there are none) of a whole file or of one line."""
    given = None
    if isinstance(value, dict):
        name = "logits" if key is None else key
        if name not in value:
            raise InputError(f"the object has no key {name!r}", where=where, hint=_keys(value))
        given = _member(value, where, but=name) if {"labels", "label"} & value.keys() - {name} else None
        value = value[name]
    elif key is not None:
        raise InputError(f"there is no object with a key {key!r}, only {shown(value)}", where=where)
    if not isinstance(value, list):
        single = type(value) in (int, float, Literal)
        what = "a single number" if single else shown(value)
        raise InputError(f"{what} is no row of logits", where=where, hint=HOW_A_VECTOR_LOOKS)
    return value, given


def of_labels(value: Any, where: str | None) -> Any:
    """The labels of a whole file or of one line: those in an object, or the value itself."""
    return _member(value, where) if isinstance(value, dict) else value


def _member(value: dict[str, Any], where: str | None, but: str | None = None) -> Any:
    names = [name for name in ("labels", "label") if name in value and name != but]
    if len(names) != 1:
        what = "both 'labels' and 'label'" if names else "no key 'labels'"
        raise InputError(f"the object has {what}", where=where, hint=_keys(value))
    return value[names[0]]


def _keys(value: dict[str, Any]) -> str:
    names = [shown(name) for name in value]
    return f"its keys: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}" if names else "it is empty"
