"""A person's function as a calculation: what it is called with, what it may return, which rows are traced."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic.recording import RecordedArray, Recording
from overflowscope.arithmetic.strict import StrictArray
from overflowscope.errors import InputError, unknown
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Floats
from overflowscope.implementations import raised
from overflowscope.rows import held
from overflowscope.sources import blocks
from overflowscope.studies.trace.calculation import Calculation

if TYPE_CHECKING:
    from overflowscope.studies.trace import Request

WHOLE = 2**13
"""Logits that a function is traced on at once; of more rows one is traced, which stands for all."""


@dataclass(frozen=True)
class Call:
    """The function with its further arguments, as they are for the rows that are traced."""

    request: Request
    arguments: Mapping[str, Any]

    def __call__(self, xp: Any, x: Any) -> Any:
        """Called with an array of ``xp``: floats among the arguments are arrays of it too, and mask and labels are not.

        Raises InputError, with the person's own line, where the function raises or returns what is no array of floats.
        """
        spec, function = self.request.spec, self.request.function
        assert spec is not None and function is not None
        given = {name: self._array(xp, value) for name, value in self.arguments.items()}
        try:
            result = function(x if isinstance(x, RecordedArray) else x.copy(), **given)
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            raise raised(f"{spec} failed", error) from error
        return _real(spec, function, result, isinstance(x, RecordedArray))

    def _array(self, xp: Any, value: Any) -> Any:
        if value.dtype.kind != "f" and value.dtype.name not in FORMATS:
            return value.copy()
        fmt = self.request.fmt
        held = formats.round_to(np.asarray(value, np.float64), fmt)
        if self.request.model is not None:
            made = self.request.model.on(fmt).asarray(held)
        else:
            made = to_array(held, fmt)
        return xp.asarray(made) if isinstance(xp, Recording) else made


def check_arguments(request: Request) -> None:
    """Raises InputError for a parameter that has no --arg, and for an --arg that no parameter has."""
    spec, function = request.spec, request.function
    assert spec is not None and function is not None
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return
    kinds = inspect.Parameter
    names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    for p in parameters:
        if p.default is kinds.empty and p.name in names and p.name not in request.arguments:
            hint = f"--arg {p.name}=FILE gives an array for it"
            raise InputError(f"{spec} has a parameter {p.name!r} without a value", where=line_of(function), hint=hint)
    if not any(p.kind is kinds.VAR_KEYWORD for p in parameters):
        for name in request.arguments:
            if name not in names:
                raise unknown(f"parameter of {spec}", name, names) if names else InputError(
                    f"{spec} takes the logits alone, and --arg {name} was given", where=line_of(function)
                )


def line_of(function: Callable[..., Any]) -> str | None:
    """Where it is defined, as file:line; None where that is unknown."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None


def _real(spec: str, function: Callable[..., Any], result: Any, recorded: bool) -> Any:
    """The result, if it is an array of floats that can be traced. Raises InputError."""
    where = line_of(function)
    if isinstance(result, RecordedArray) or (not recorded and isinstance(result, StrictArray)):
        return result
    if isinstance(result, tuple | list):
        raise InputError(
            f"{spec} returned a {type(result).__name__} of {len(result)}, and one array of floats is wanted",
            where=where,
            hint="return one of them",
        )
    dtype = getattr(result, "dtype", None)
    if dtype is None or (dtype.kind != "f" and dtype.name not in FORMATS):
        what = "nothing" if result is None else type(result).__name__
        what += f" of {dtype.name}" if dtype is not None else ""
        raise InputError(f"{spec} returned {what}, not an array of floats", where=where)
    if recorded:
        raise InputError(
            f"{spec} returned an array in which its input has no part, or which was made where it cannot be seen",
            where=where,
        )
    return result


# Which rows


def rows_of(request: Request, numbers: range) -> Floats:
    """As the format holds them."""
    return held(request.source, numbers, request.fmt, request.scale, request.shift).logits


def calculation(request: Request) -> tuple[Calculation, int | None, str | None]:
    """What is traced, the number of its row (None: all rows), and why one row stands for all where it does."""
    check_arguments(request)
    count, classes = request.source.count, request.source.classes
    if request.row is not None:
        if request.row >= count:
            raise InputError(f"there is no row {request.row:,}, only {count:,} rows from 0 on")
        return one_row(request, request.row), request.row, None
    if request.per_row:
        row = _first_wrong(request)
        return one_row(request, row), row, None
    if count * classes <= WHOLE or count == 1:
        whole = Calculation(Call(request, request.arguments), rows_of(request, range(count)), request.fmt, None, request.model)
        return whole, None, None
    row = _first_wrong(request)
    why = f"{count:,} rows of {classes:,} are many: row {row:,} is traced alone, with exact values"
    return one_row(request, row), row, why


def one_row(request: Request, row: int) -> Calculation:
    """Row N alone: (1, classes), or (classes,) for a function of one row; arguments of the logits' shape likewise."""
    x = rows_of(request, range(row, row + 1))
    arguments = {name: _row_of(request, value, row) for name, value in request.arguments.items()}
    return Calculation(Call(request, arguments), x[0] if request.per_row else x, request.fmt, None, request.model)


def _row_of(request: Request, value: Any, row: int) -> Any:
    """Of an argument that has a row, or a number, for each row of logits."""
    count, classes = request.source.count, request.source.classes
    if value.shape not in ((count, classes), (count, 1), (count,)) or count == 1:
        return value
    return value[row] if request.per_row else value[row : row + 1]


def _first_wrong(request: Request) -> int:
    """The first row whose result is suspicious, else row 0.

    Suspicious is what differs, computed plainly, from what the same lines give in a wider format: nan, infinities and
    zeros that are none there, and numbers of which more than half of the bits are others. A hint where to look, no
    verdict: that is what the trace is for.
    """
    for rows in blocks(request.source):
        if request.per_row:
            for row in rows:
                call = one_row(request, row)
                if _suspicious(call).any():
                    return row
            continue
        x = rows_of(request, rows)
        whole = request.source.count == len(rows)
        arguments = request.arguments if whole else {n: _part(request, v, rows) for n, v in request.arguments.items()}
        bad = _suspicious(Calculation(Call(request, arguments), x, request.fmt, None, request.model))
        if bad.ndim and len(bad) == len(rows) and bad.any():
            return rows.start + int(np.argmax(bad.reshape(len(rows), -1).any(-1)))
    return 0


def _part(request: Request, value: Any, rows: range) -> Any:
    return value[rows.start : rows.stop] if value.shape[:1] == (request.source.count,) else value


def _suspicious(call: Calculation) -> Any:
    got = call.results()
    try:
        with np.errstate(all="ignore"):
            wide = np.asarray(call.run(np, call.x.astype(np.longdouble)), np.longdouble)
    except Exception:
        return ~np.isfinite(got)
    if wide.shape != got.shape:
        return ~np.isfinite(got)
    with np.errstate(all="ignore"):
        off = np.abs(got - wide) > 2.0 ** (-call.fmt.precision / 2) * np.abs(wide) + call.fmt.smallest
        return np.asarray((~np.isfinite(got) & (got != wide)) | off)


