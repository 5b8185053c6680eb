"""A person's function as a calculation: what it is called with, what it may return, which rows are traced."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.proxy import recorded_numpy
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.strict import Model, StrictArray
from overflowscope.errors import InputError, unknown
from overflowscope.formats import FORMATS, Floats
from overflowscope.implementations import raised
from overflowscope.sources import blocks
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.feeds import Mask
from overflowscope.studies.trace.request import Own, Request

WHOLE = 2**13
"""Logits that a function is traced on at once; of more rows one is traced, which stands for all."""


@dataclass(frozen=True)
class Call:
    """The function with its further arguments, as they are for the rows that are traced."""

    own: Own
    model: Model | None
    gradient: bool = False

    def __call__(self, xp: Any, x: Any) -> Any:
        """The function's result on an array of ``xp``, or the gradient of its sum with respect to ``x``.

        Raises InputError, with the person's own line, where the function raises or returns what is no array of floats,
        and Unrecordable, with it too, for what cannot be followed.
        """
        if not self.gradient:
            return self._called(xp, x)
        recorded = isinstance(xp, Recording)
        recording = xp if recorded else Recording(xp)
        given = x if recorded else recording.asarray(x)
        result = self._called(recording, given)
        (found,) = gradients(result, np.ones(result.shape), [given], recorded=recorded)
        return found

    def _called(self, xp: Any, x: Any) -> Any:
        """Arguments of floats are arrays of ``xp`` too; masks and labels are as they are."""
        given = {name: self._array(xp, value) for name, value in self.own.arguments.items()}
        function, recorded = self.own.function, isinstance(xp, Recording)
        try:
            with recorded_numpy(function, xp) if recorded else contextlib.nullcontext():
                result = function(x if recorded else x.copy(), **given)
        except (InputError, Unrecordable):
            raise
        except (Exception, SystemExit) as error:
            raise raised(f"{self.own.spec} failed", error) from error
        return _real(self.own, result, recorded)

    def _array(self, xp: Any, value: Any) -> Any:
        if value.dtype.kind != "f" and value.dtype.name not in FORMATS:
            return value.copy()
        made = value.copy() if self.model is None else self.model.on(formats.of(value.dtype)).asarray(value)
        return xp.asarray(made) if isinstance(xp, Recording) else made


def check_arguments(own: Own) -> None:
    """Raises InputError for a parameter that has no --arg, and for an --arg that no parameter has."""
    try:
        parameters = list(inspect.signature(own.function).parameters.values())[1:]
    except (TypeError, ValueError):
        return
    kinds, where = inspect.Parameter, line_of(own.function)
    names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    for name in own.arguments:
        if name not in names and not any(p.kind is kinds.VAR_KEYWORD for p in parameters):
            if names:
                raise unknown(f"parameter of {own.spec}", name, names)
            raise InputError(f"{own.spec} takes the logits alone, and --arg {name} was given", where=where)
    for p in parameters:
        if p.default is kinds.empty and p.name in names and p.name not in own.arguments:
            hint = f"--arg {p.name}=FILE gives an array for it"
            raise InputError(f"{own.spec} has a parameter {p.name!r} without a value", where=where, hint=hint)


def line_of(function: Callable[..., Any]) -> str | None:
    """Where it is defined, as file:line; None where that is unknown."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None


def first_parameter(function: Callable[..., Any]) -> str:
    """What it calls the logits."""
    try:
        return next(iter(inspect.signature(function).parameters))
    except (TypeError, ValueError, StopIteration):
        return "input"


def _real(own: Own, result: Any, recorded: bool) -> Any:
    """The result, if it is an array of floats that can be traced. Raises InputError."""
    where = line_of(own.function)
    if isinstance(result, RecordedArray) or (not recorded and isinstance(result, StrictArray)):
        return result
    if isinstance(result, tuple | list):
        what = f"{own.spec} returned a {type(result).__name__} of {len(result)}, and one array of floats is wanted"
        raise InputError(what, where=where, hint="return one of them")
    dtype = getattr(result, "dtype", None)
    if dtype is None or (dtype.kind != "f" and dtype.name not in FORMATS):
        what = "nothing" if result is None else type(result).__name__
        what += f" of {dtype.name}" if dtype is not None else ""
        raise InputError(f"{own.spec} returned {what}, not an array of floats", where=where)
    if recorded:
        what = f"{own.spec} returned an array in which its input has no part, or which was made where it cannot be seen"
        raise InputError(what, where=where)
    return result


# Which rows


def calculation(request: Request, own: Own) -> tuple[Calculation, int | None, list[str]]:
    """What is traced, the number of its row (None: all rows), and why that row stands for all where it does."""
    check_arguments(own)
    count, classes = request.source.count, request.source.classes
    if request.row is not None:
        return one_row(request, own, request.row), request.row, []
    if own.per_row:
        row = _first_wrong(request, own)[0]
        return one_row(request, own, row), row, []
    if count * classes <= WHOLE or count == 1:
        return _calculation(request, own, request.rows(range(count)).logits), None, []
    row, results = _first_wrong(request, own)
    alone, many = one_row(request, own, row), f"{count:,} rows of {classes:,} are many"
    if results is not None and _alike(alone, results):
        return alone, row, [f"{many}: row {row:,} is traced alone"]
    why = f"{many}, but row {row:,} alone comes out differently: the function mixes rows, so that all are traced"
    return _calculation(request, own, request.rows(range(count)).logits), None, [why]


def _alike(alone: Calculation, results: Floats) -> bool:
    """Whether a row alone gives numbers, nan, infinities and zeros where it gives them among the others."""
    try:
        got = alone.results()
    except InputError:
        return False
    if got.size != results.size:
        return False
    pairs = ((kind(got).ravel(), kind(results).ravel()) for kind in (np.isnan, np.isinf, np.sign))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def one_row(request: Request, own: Own, row: int) -> Calculation:
    """Row N alone: (1, classes), or (classes,) for a function of one row; arguments of the logits' shape likewise."""
    x = request.rows(range(row, row + 1)).logits
    arguments = {name: _row_of(request, own, value, row) for name, value in own.arguments.items()}
    return _calculation(request, replace(own, arguments=arguments), x[0] if own.per_row else x)


def _calculation(request: Request, own: Own, x: Floats) -> Calculation:
    return Calculation(Call(own, request.model, request.gradient), x, request.fmt, None, request.model)


def _row_of(request: Request, own: Own, value: Any, row: int) -> Any:
    """Of an argument that has a row, or a number, for each row of logits."""
    count, classes = request.source.count, request.source.classes
    if count == 1 and not own.per_row:
        return value
    if value.shape not in ((count, classes), (count, 1), (count,)):
        return value
    return value[row] if own.per_row else value[row : row + 1]


def _first_wrong(request: Request, own: Own) -> tuple[int, Floats | None]:
    """The first row whose result is suspicious, else row 0; and that result, as it comes out among the others.

    Suspicious is what differs, computed plainly, from what the same lines give in a wider format: nan, infinities and
    zeros that are none there, and numbers of which more than half of the bits are others. A hint where to look, no
    verdict: that is what the trace is for.
    """
    first: Floats | None = None
    for rows in [range(request.source.count)] if not own.per_row else blocks(request.source):
        if own.per_row:
            for row in rows:
                if _suspicious(one_row(request, own, row))[1].any():
                    return row, None
            continue
        got, bad = _suspicious(_calculation(request, own, request.rows(rows).logits))
        if not got.ndim or len(got) != len(rows):
            return 0, None
        first = got[0]
        if bad.any():
            row = int(np.argmax(bad.reshape(len(rows), -1).any(-1)))
            return row, got[row]
    return 0, first


def _suspicious(call: Calculation) -> tuple[Floats, Mask]:
    """(results, which of them are suspicious)."""
    got = call.results()
    finite = bool(np.isfinite(call.x).all())
    bad = ~np.isfinite(got) if finite else np.isnan(got)
    try:
        with np.errstate(all="ignore"):
            wide = np.asarray(call.run(np, call.x.astype(np.longdouble)), np.longdouble)
    except Exception:
        return got, bad
    if wide.shape != got.shape:
        return got, bad
    with np.errstate(all="ignore"):
        off = np.abs(got - wide) > 2.0 ** (-call.fmt.precision / 2) * np.abs(wide) + call.fmt.smallest
    return got, np.asarray(bad | off | (~np.isfinite(got) & (got != wide)), np.bool_)
