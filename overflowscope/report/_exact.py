"""True values to text: a table for people, JSON, and CSV with a line for each value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator

from overflowscope.records import Exact, ExactValues
from overflowscope.report import Look
from overflowscope.report._columns import title

NONE = {"ok": "", "undecided": "undecided"}
"""What stands for a value that is not there; in all other rows the row's status does."""


def table(found: Exact, look: Look) -> str:
    """A block for each operation, format and scale, and in it a line for each value."""
    lines = [f"{title(found)}, {found.digits} digits"]
    for result in found.results:
        at = f", scale {result.scale:g}" if isinstance(found.input.scale, tuple) else ""
        lines += ["", f"{result.operation}, {result.dtype}{at}"]
        wide = len(str(found.input.rows - 1)), len(str(found.input.classes - 1))
        for row, place, value in _lines(result):
            shown = "" if place else str(row)
            index = f"{shown:>{wide[0]}}" + ("" if place is None else f"  {place:>{wide[1]}}")
            # The digits stand below one another, whatever the signs.
            lines.append(f"{index}  {value}" if value.startswith("-") else f"{index}   {value}")
    return "\n".join(lines) + "\n"


def json_(found: Exact, look: Look) -> str:
    """The whole document; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


def csv_(found: Exact, look: Look) -> str:
    """A line for each value; the class is empty where there is one value for a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("operation", "dtype", "scale", "row", "class", "value"))
    for result in found.results:
        for row, place, value in _lines(result):
            writer.writerow((result.operation, result.dtype, result.scale, row, "" if place is None else place, value))
    return out.getvalue()


FORMS: dict[str, Callable[[Exact, Look], str]] = {"table": table, "json": json_, "csv": csv_}


def _lines(result: ExactValues) -> Iterator[tuple[int, int | None, str]]:
    """(row, class or None, value or why there is none); a line alone for a row that has no values."""
    for row, (status, value) in enumerate(zip(result.status, result.values, strict=True)):
        missing = status.replace("_", " ")
        if isinstance(value, tuple) and any(value):
            yield from ((row, place, missing if v is None else v) for place, v in enumerate(value))
        else:
            yield row, None, missing if value is None or isinstance(value, tuple) else value
