"""What may be said of a case in a configuration, and what each key makes of its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from overflowscope import formats
from overflowscope.errors import InputError, printable
from overflowscope.studies.check.judge import COUNTS, LIMITS


class Wanted(Exception):
    """What a value should have been."""

    def __init__(self, what: str, value: Any):
        self.value = value
        super().__init__(what)


def kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return repr(value) if len(str(value)) <= 40 else f"{repr(value)[:40]}..."
    return "an array" if isinstance(value, list) else "a table" if isinstance(value, dict) else "a date or a time"


def converted(key: str, value: Any) -> Any:
    """A key's value as a Case has it. Raises InputError that says what it is and what is wanted."""
    try:
        return KEYS[key](value)
    except Wanted as wanted:
        is_or_holds = "is" if wanted.value is value else "holds"
        raise InputError(f"{key} {is_or_holds} {kind(wanted.value)}, and {wanted} is wanted") from None


def _text_value(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or printable(value) != value:
        raise Wanted("text of one line", value)
    return value


def _choice(value: Any) -> str:
    return _text_value(value).replace("-", "_")


def _whole(least: int, most: int = 2**63 - 1) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            top = "" if most == 2**63 - 1 else f" and up to {most}"
            raise Wanted("a whole number" if least < 0 else f"a whole number from {least}{top}", value)
        return value

    return convert


def _number(least: float, beyond: bool = False) -> Callable[[Any], float]:
    """A finite number from ``least``, or above it where it is to lie ``beyond``."""

    def convert(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
        except OverflowError:
            number = math.inf
        if not (math.isfinite(number) and (number > least if beyond else number >= least)):
            bound = "" if least == -math.inf else f" above {least:g}" if beyond else f" not below {least:g}"
            raise Wanted(f"a finite number{bound}", value)
        return number

    return convert


def _count(value: Any) -> float:
    return float(_whole(0, 2**53)(value))


def _several(convert: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def convert_all(value: Any) -> tuple[Any, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise Wanted("one value at least", value)
        return tuple(convert(v) for v in values)

    return convert_all


def _dtypes(value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = _several(_choice)(value)
    return tuple(formats.FORMATS) if names == ("all",) else names


KEYS: dict[str, Callable[[Any], Any]] = {
    "name": _text_value,
    "operation": _choice,
    "formulation": _choice,
    "implementation": _text_value,
    "quantity": _text_value,
    "dtype": _dtypes,
    "scale": _several(_number(0.0)),
    "shift": _number(-math.inf),
    "input": _text_value,
    "key": _text_value,
    "labels": _text_value,
    "max_rows": _whole(1),
    "max_bytes": _whole(1, 2**62),
    "dist": _text_value,
    "rows": _whole(1),
    "classes": _whole(1, 2**31),
    "seed": _whole(0, 2**64 - 1),
    "ignore_index": _whole(-(2**63)),
    "compute": _choice,
    "arithmetic": _text_value,
    "sum_order": _text_value,
    "accumulator": _choice,
    "factor": _number(1.0),
    "timeout": _number(0.0, beyond=True),
    **{name: _count if LIMITS[name] in COUNTS else _number(0.0) for name in LIMITS},
}
"""What may be said of a case, and what each makes of its value."""
SHARED = (
    *("dtype", "scale", "dist", "rows", "classes", "seed"),
    *("max_ulp", "max_nan", "max_overflow", "max_underflow", "factor", "timeout"),
)
"""What may be said above the cases too, for all of them."""
