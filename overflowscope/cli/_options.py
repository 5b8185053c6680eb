"""Types of option values, stricter than Python's own: no nan, no 1e400, no 1_000."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from overflowscope.errors import InputError, unknown

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)


if TYPE_CHECKING:
    ParamType = click.ParamType[Any, Any]
else:
    ParamType = click.ParamType


class Number(ParamType):
    """A finite decimal number, not below ``least``."""

    name = "number"

    def __init__(self, least: float = -math.inf):
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        if not _DECIMAL.fullmatch(value):
            self.fail(f"{value!r} is no decimal number", param, ctx)
        number = float(value)
        if math.isinf(number):
            self.fail(f"{value} is beyond float64", param, ctx)
        if number < self.least:
            self.fail(f"{value} is below {self.least:g}", param, ctx)
        return number


class Positive(Number):
    """A finite decimal number above 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not (number := super().convert(value, param, ctx)) > 0:
            self.fail(f"{value} is not above 0", param, ctx)
        return number


class Whole(ParamType):
    """A whole number from ``least`` to ``most``."""

    name = "integer"

    def __init__(self, least: int, most: int = 2**63 - 1):
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        if not _WHOLE.fullmatch(value):
            self.fail(f"{value!r} is no whole number", param, ctx)
        if not self.least <= int(value) <= self.most:
            self.fail(f"{value} is not between {self.least} and {self.most}", param, ctx)
        return int(value)


class Listed(ParamType):
    """Values with commas between them."""

    def __init__(self, item: ParamType):
        self.item, self.name = item, f"{item.name},..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(self.item.convert(part.strip(), param, ctx) for part in value.split(",")))


def names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The callback of an option that is repeatable or comma-separated."""
    found = tuple(part.strip() for value in values for part in value.split(","))
    if any(not name for name in found):
        raise click.BadParameter("an empty name", context, parameter)
    return found


def implementations(command: Callable[..., Any]) -> Callable[..., Any]:
    """--impl and --timeout: what is measured beside our formulations, and how long it is waited for."""
    help = (
        "A library (scipy, torch, ...); or FILE.py:FUNCTION, your own f(logits) or f(logits, labels), or "
        "command:'./prog --flag', a program that reads and writes JSON lines: for the one --op named (softmax unless "
        "said). This runs your code."
    )
    waited = "What a program has for an answer [default: 60]."
    command = click.option("--timeout", type=Positive(), metavar="SECONDS", default="60", help=waited)(command)
    return click.option("--impl", "implementations", multiple=True, metavar="NAME", help=help)(command)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """--debug, which every command takes and ``run`` reads."""
    return click.option("--debug", is_flag=True, help="Show the traceback of an error.")(command)


def chosen_form(form: str | None, as_json: bool, known: Iterable[str]) -> str:
    """The form of the output that --format and --json ask for; a table unless said. Raises InputError."""
    if as_json and form not in (None, "json"):
        raise InputError(f"--json and --format {form} are two answers to one question")
    form = "json" if as_json else "table" if form is None else form
    if form not in known:
        raise unknown("format", form, known)
    return form
