"""A formulation of the catalogue as a calculation: which row of the input is traced, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overflowscope.errors import InputError
from overflowscope.evaluate import evaluate
from overflowscope.measure import measure
from overflowscope.reference import reference
from overflowscope.rows import Rows, held
from overflowscope.sources import blocks, count_labelled
from overflowscope.studies.trace.calculation import Calculation

if TYPE_CHECKING:
    from overflowscope.studies.trace import Request


def chosen_row(request: Request) -> int:
    """The row that was asked for, else the first whose result is wrong, else row 0. Raises InputError."""
    assert request.operation is not None
    ignored = request.ignore_index if request.operation.takes_labels else None
    if ignored is not None:
        count_labelled(request.source, ignored)
    if request.row is not None:
        if request.row >= request.source.count:
            raise InputError(f"there is no row {request.row:,}, only {request.source.count:,} rows from 0 on")
        if not len(rows_of(request, range(request.row, request.row + 1)).logits):
            raise InputError(f"row {request.row:,} has the label {ignored}, which is ignored")
        return request.row
    first = None
    for rows in blocks(request.source):
        given = rows_of(request, rows)
        if first is None and len(given.numbers):
            first = int(given.numbers[0])
        if _wrong(request, given):
            return _first(request, given)
    if first is None:
        raise InputError(f"every row has the label {ignored}, which is ignored", source=request.source.name)
    return first


def rows_of(request: Request, numbers: range) -> Rows:
    """As the format holds them, without those whose label is ignored."""
    assert request.operation is not None
    ignored = request.ignore_index if request.operation.takes_labels else None
    return held(request.source, numbers, request.fmt, request.scale, request.shift, ignored)


def calculation(request: Request, row: int) -> Calculation:
    """The formulation on one row, (1, classes)."""
    operation, formulation = request.operation, request.formulation
    assert operation is not None and formulation is not None
    rows = rows_of(request, range(row, row + 1))

    def run(xp: Any, x: Any) -> Any:
        return formulation.function(xp, *operation.arguments(x, rows.labels))

    return Calculation(run, rows.logits, request.fmt, request.compute, request.model, "logit")


def _first(request: Request, rows: Rows) -> int:
    """Of rows one of which is wrong the first: halved until one is left."""
    while len(rows.numbers) > 1:
        half = len(rows.numbers) // 2
        upper = _part(rows, slice(half))
        rows = upper if _wrong(request, upper) else _part(rows, slice(half, None))
    return int(rows.numbers[0])


def _part(rows: Rows, part: slice) -> Rows:
    return Rows(*(None if a is None else a[part] for a in rows))


def _wrong(request: Request, rows: Rows) -> bool:
    """Whether a result of these rows is nan, inf or 0 for something else, or has lost more than half of its bits."""
    operation, formulation = request.operation, request.formulation
    assert operation is not None and formulation is not None
    if not len(rows.logits):
        return False
    run = formulation.function
    truth = reference(operation, rows.logits, rows.labels, request.fmt, rows.lost)
    got = evaluate(operation, run, rows.logits, rows.labels, request.fmt, request.compute, request.model)
    tally = measure(got, truth, rows.logits, False, rows.numbers)
    return tally.failed is not None or 1 + tally.ulps.max > 2 ** (request.fmt.precision / 2)


