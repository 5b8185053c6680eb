"""The table for a terminal: as many columns as fit, trouble in capitals and in colour, a sentence for each failure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from overflowscope.records import Measurement, Report
from overflowscope.report import Look
from overflowscope.report import _terminal as terminal
from overflowscope.report._columns import COLUMNS, Column, first_failures, groups, sentences, title

STYLES = {"ok": "green"} | dict.fromkeys(("INACCURATE", "unmeasured", "REFUSED", "UNSUPPORTED"), "yellow")


def render(report: Report, look: Look) -> str:
    """A block for each operation (and scale), then what there is to say."""
    console = terminal.console(look)
    console.print(Text(title(report), style="bold"))
    for name, block in groups(report):
        console.print()
        console.print(Text(name, style="bold"))
        console.print(_table(block, look))
    for heading, lines in (("", sentences(report)), ("first failing scale", first_failures(report))):
        if lines:
            console.print(Text(f"\n{heading}" if heading else ""))
        for line in lines:
            wrapped = Text(line).wrap(console, look.width - 2)
            console.print(Text("\n").join(Text("  " if i else "- ") + part for i, part in enumerate(wrapped)))
    return terminal.written(console, look)


def _table(block: Sequence[Measurement], look: Look) -> Table:
    columns = _fitting(block, look.width)
    table = terminal.bare(look)
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    before = None
    for m in block:
        cells = [_cell(column, m, repeated=m.dtype == before) for column in columns]
        if before not in (None, m.dtype) and len(block) > 3:
            table.add_row()
        table.add_row(*cells)
        before = m.dtype
    return table


def _cell(column: Column, m: Measurement, repeated: bool) -> Text:
    text = column.cell(m)
    if column.title == "dtype":
        return Text("" if repeated else text)
    if column.title == "result":
        return Text(text, style=STYLES.get(text, "bold red"))
    troubled = column.title in ("nan", "inf", "to 0") and text != "0"
    return Text(text, style="red" if troubled else "")


def _fitting(block: Sequence[Measurement], width: int) -> list[Column]:
    """The columns that fit, dropped from the least important on; never those of rank 0."""
    widths = {c.title: max(len(c.title), *(cell_len(c.cell(m)) for m in block)) for c in COLUMNS}
    kept = list(COLUMNS)
    while sum(widths[c.title] + terminal.GAP for c in kept) - terminal.GAP > width and max(c.rank for c in kept):
        kept.remove(max(kept, key=lambda c: c.rank))
    return kept
