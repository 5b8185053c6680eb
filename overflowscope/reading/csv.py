"""Text with a row of numbers a line: CSV, TSV, and what numpy.savetxt writes.

The first line decides what stands between cells: semicolons, else commas, else tabs, else white space. Before it lines
that begin with # are skipped, and blank lines everywhere. A first line without any number is a header, and so is one
that has a column called label or labels: that column holds labels.
"""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.inputs import Rows
from overflowscope.reading import text
from overflowscope.reading.lines import Collected, on_line
from overflowscope.reading.nested import Labels, Literal, shown
from overflowscope.reading.origin import Origin

Line = tuple[int, list[str]]
QUOTED = re.compile(r'"[^"]*"')
NUMBER = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(e[-+]?\d+)?|inf(inity)?|nan)", re.IGNORECASE | re.ASCII)
WHOLE = re.compile(r"[-+]?\d{1,30}", re.ASCII)
BARE_PANDAS = "pandas leaves names and index out with to_csv(header=False, index=False)"
ONE_COLUMN = "write the logits of a row on one line, 1.5,2.5 (in JSON, [[1], [2]] is a class a row)"


def logits(origin: Origin, limit: int) -> tuple[Rows, tuple[int, ...], Labels | None]:
    """The rows, (rows,), and the labels where a column is called so.

    Raises InputError, with line and column from 1, for cells that are no number and for rows of another length, and
    for a single column: nobody has rows of one class in mind.
    """
    table = _Table(origin, limit)
    if table.width - (table.label is not None) < 2:
        with on_line(table.first[0]):
            _numbers([cell for i, cell in enumerate(table.first[1]) if i != table.label], table.label)
        raise InputError("each line holds a single number", where=f"line {table.number}", hint=ONE_COLUMN)
    table.refuse_counted_names()
    found = Collected(origin.name)
    for number, cells in table:
        with on_line(number):
            given = None if table.label is None else _label(cells.pop(table.label), table.label)
            values = _numbers(cells, table.label)
            if found.items:
                found.append(values, given)
            else:
                found.add(values.reshape(1, -1), (), None if given is None else np.array([given], np.int64))
    return found.result()


def labels(origin: Origin, limit: int) -> Labels:
    """All numbers of the file, or those of the column called label or labels: int64."""
    table, found = _Table(origin, limit), array("q")
    for number, cells in table:
        with on_line(number):
            chosen = enumerate(cells) if table.label is None else [(table.label, cells[table.label])]
            found.extend([_label(cell, i) for i, cell in chosen])
    return np.frombuffer(found, np.int64)


class _Table:
    """The lines of numbers, all of ``width`` cells; ``label`` is the column of the labels, where a header names one.

    ``number`` is that of the first line which is no comment.
    """

    def __init__(self, origin: Origin, limit: int):
        self._lines = _cells(origin, limit)
        self._begun: list[Line] = []
        self.number, names = next(self._lines, (0, []))
        if not names:
            raise InputError("no numbers: every line is a comment")
        self.width, self.label = len(names), _label_column(names, self.number)
        if self.label is None and any(NUMBER.fullmatch(name.strip(text.BLANK)) for name in names):
            self._begun.append((self.number, names))
            return
        first = next(self._lines, None)
        if first is None:
            what = f"neither JSON nor numbers with commas between them: {shown(names[0].strip(text.BLANK))}"
            raise InputError(what, where=f"line {self.number}")
        blank = next((i for i, name in enumerate(names) if not name.strip(text.BLANK)), None)
        if blank is not None:
            raise InputError(f"column {blank + 1} has no name", hint=BARE_PANDAS, where=f"line {self.number}")
        self._begun.append(first)

    def __iter__(self) -> Iterator[Line]:
        yield from (self._checked(*line) for line in self._begun)
        for number, cells in self._lines:
            yield number, cells if len(cells) == self.width else self._checked(number, cells)[1]

    @property
    def first(self) -> Line:
        """The first line of numbers."""
        return self._begun[0]

    def refuse_counted_names(self) -> None:
        """Raises InputError where the first line is 0, 1, 2, ... and the next holds more than whole numbers."""
        number, cells = self.first
        if number != self.number or [c.strip(text.BLANK) for c in cells] != [str(i) for i in range(len(cells))]:
            return
        second = next(self._lines, None)
        if second is not None:
            self._begun.append(second)
            if not all(WHOLE.fullmatch(c.strip(text.BLANK)) for c in second[1]):
                what = f"the numbers 0 to {len(cells) - 1} look like the names of the columns, not like logits"
                hint = f"{BARE_PANDAS}; logits would be written 0.0"
                raise InputError(what, hint=hint, where=f"line {number}")

    def _checked(self, number: int, cells: list[str]) -> Line:
        if (n := len(cells)) != self.width:
            what = f"{n} cell{'' if n == 1 else 's'}, and line {self.number} has {self.width}"
            raise InputError(what, hint="give every line as many", where=f"line {number}")
        return number, cells


def _cells(origin: Origin, limit: int) -> Iterator[Line]:
    """(number, cells) of the lines that are neither blank nor, before the first, comments."""
    separator = ""
    for number, line in text.lines(origin, limit):
        if not separator:
            if line.startswith("#"):
                continue
            bare = QUOTED.sub("", line)
            separator = next((s for s in ";,\t" if s in bare), " ")
        if '"' in line:
            yield number, _unquoted(line, separator, number)
        else:
            yield number, line.split() if separator == " " else line.split(separator)


def _unquoted(line: str, separator: str, number: int) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error:
        raise InputError(
            "a cell in quotes does not end on its line, or goes on behind them", where=f"line {number}"
        ) from None


def _label_column(names: list[str], number: int) -> int | None:
    found = [i for i, name in enumerate(names) if name.strip(text.BLANK).lower() in ("label", "labels")]
    if len(found) > 1:
        raise InputError(f"{len(found)} columns are called label", where=f"line {number}")
    return found[0] if found else None


def _numbers(cells: list[str], label: int | None) -> NDArray[np.float64]:
    """The numbers of a row, whose labels stood in a column that is taken out."""
    try:
        values = list(map(float, cells))
    except ValueError:
        raise _no_number(cells, label) from None
    joined = "".join(cells)
    # What Python reads and nobody else: 1_000, and the digits of other scripts.
    if "_" in joined or not joined.isascii():
        raise _no_number(cells, label)
    if math.inf in values or -math.inf in values:
        beyond = [i for i, v in enumerate(values) if math.isinf(v) and "inf" not in cells[i].lower()]
        if beyond:
            hint, where = "write inf if that is meant", _column(beyond[0], label)
            raise InputError(
                f"{shown(Literal(cells[beyond[0]].strip(text.BLANK)))} is beyond float64", where=where, hint=hint
            )
    return np.array(values)


def _no_number(cells: list[str], label: int | None) -> InputError:
    i = next(i for i, cell in enumerate(cells) if not NUMBER.fullmatch(cell.strip(text.BLANK)))
    cell, hint = cells[i].strip(text.BLANK), None
    if not cell:
        hint = "no separator stands at the end of a line" if i == len(cells) - 1 else None
        return InputError("an empty cell", where=_column(i, label), hint=hint)
    if NUMBER.fullmatch(cell.replace(",", ".", 1)):
        hint = "write decimals with a point"
    elif cell.lower() in ("na", "n/a", "null", "none", "-", "?"):
        hint = "what is missing is no logit; nan is written nan"
    elif re.search(r"\d[;,|:\s]+\S", cell):
        hint = "the first line decides what stands between cells: semicolons, commas, tabs or spaces"
    return InputError(f"{shown(cell)} is no number", where=_column(i, label), hint=hint)


def _label(cell: str, column: int) -> int:
    cell = cell.strip(text.BLANK)
    try:
        value = int(cell) if WHOLE.fullmatch(cell) else float(cell) if NUMBER.fullmatch(cell) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value != int(value):
        raise InputError(f"{shown(cell)} is no integer", where=f"column {column + 1}")
    if not -(2**63) <= value < 2**63:
        raise InputError(f"{shown(Literal(cell))} is beyond int64", where=f"column {column + 1}")
    return int(value)


def _column(i: int, label: int | None) -> str:
    return f"column {i + 1 + (label is not None and i >= label)}"
