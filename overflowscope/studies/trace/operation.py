"""A formulation of the catalogue as a calculation: which row of the input is traced, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overflowscope.errors import InputError
from overflowscope.evaluate import evaluate
from overflowscope.measure import measure
from overflowscope.reference import reference
from overflowscope.rows import Rows
from overflowscope.sources import blocks, count_labelled
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.request import Formulated, Request
from overflowscope.tally import Tally


def chosen_row(request: Request, subject: Formulated) -> tuple[int, list[str]]:
    """The row that was asked for, else the first whose result is wrong, else the first; and why it is that one.

    Raises InputError.
    """
    ignored = _ignored(request, subject)
    if ignored is not None:
        count_labelled(request.source, ignored)
    if request.row is not None:
        if not len(request.rows(range(request.row, request.row + 1), ignored).numbers):
            raise InputError(f"row {request.row:,} has the label {ignored}, which is ignored")
        return request.row, []
    first = inaccurate = None
    for numbers in blocks(request.source):
        rows = request.rows(numbers, ignored)
        if first is None and len(rows.numbers):
            first = int(rows.numbers[0])
        if _failed(request, subject, rows):
            row = _first(rows, lambda part: _failed(request, subject, part))
            return row, [f"row {row:,} is the first of {request.source.count:,} that goes wrong"]
        if inaccurate is None and _inaccurate(request, subject, rows):
            inaccurate = _first(rows, lambda part: _inaccurate(request, subject, part))
    if first is None:
        raise InputError(f"every row has the label {ignored}, which is ignored", source=request.source.name)
    if inaccurate is not None:
        why = f"row {inaccurate:,} is the first of {request.source.count:,} that loses half of its bits"
        return inaccurate, [why]
    return first, [f"none of the {request.source.count:,} rows goes wrong: row {first:,} is shown"]


def calculation(request: Request, subject: Formulated, row: int) -> Calculation:
    """The formulation on one row, (1, classes)."""
    rows = request.rows(range(row, row + 1), _ignored(request, subject))

    def run(xp: Any, x: Any) -> Any:
        return subject.formulation.function(xp, *subject.operation.arguments(x, rows.labels))

    return Calculation(run, rows.logits, request.fmt, subject.compute, request.model, "logit")


def labels(request: Request, subject: Formulated, row: int) -> Any:
    """Of that row, (1,); None where the operation takes none."""
    return request.rows(range(row, row + 1), _ignored(request, subject)).labels


def _ignored(request: Request, subject: Formulated) -> int | None:
    return request.ignore_index if subject.operation.takes_labels else None


def _first(rows: Rows, holds: Callable[[Rows], bool]) -> int:
    """Of rows for one of which it holds the first: halved until one is left."""
    while len(rows.numbers) > 1:
        half = len(rows.numbers) // 2
        upper = _part(rows, slice(half))
        rows = upper if holds(upper) else _part(rows, slice(half, None))
    return int(rows.numbers[0])


def _part(rows: Rows, part: slice) -> Rows:
    labels = None if rows.labels is None else rows.labels[part]
    return Rows(rows.logits[part], rows.lost[part], labels, rows.numbers[part])


def _failed(request: Request, subject: Formulated, rows: Rows) -> bool:
    """Whether a result of these rows is nan, inf or 0 for something else."""
    return bool(len(rows.numbers)) and _measured(request, subject, rows).failed is not None


def _inaccurate(request: Request, subject: Formulated, rows: Rows) -> bool:
    """Whether a result of these rows has lost more than half of its bits."""
    if not len(rows.numbers):
        return False
    return 1 + _measured(request, subject, rows).ulps.max > 2 ** (request.fmt.precision / 2)


def _measured(request: Request, subject: Formulated, rows: Rows) -> Tally:
    operation, run = subject.operation, subject.formulation.function
    truth = reference(operation, rows.logits, rows.labels, request.fmt, rows.lost)
    got = evaluate(operation, run, rows.logits, rows.labels, request.fmt, subject.compute, request.model)
    return measure(got, truth, rows.logits, False, rows.numbers)
