"""The table for a terminal: a row for each check, then what broke, why, and the command that shows it again."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from overflowscope.records.check import Check, Checked, Result
from overflowscope.report import Look
from overflowscope.report import _terminal as terminal
from overflowscope.report.check import _sentences as sentences
from overflowscope.report.check._columns import Column, columns


def render(found: Check, look: Look) -> str:
    """The rows, then a paragraph for each that does not hold, the ones that could not run first, then the counts."""
    console = terminal.console(look)
    if found.checks:
        console.print(_table(found.checks, look))
        console.print()
    for line in (*_faults(found, look), *_closing(found, look)):
        console.print(line, soft_wrap=True)
    return terminal.written(console, look)


def _table(checks: Sequence[Checked], look: Look) -> Table:
    shown, widths = _fitting(checks, look.width)
    table = terminal.bare(look)
    for column in shown:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for checked in checks:
        table.add_row(*(_cell(c, checked, w) for c, w in zip(shown, widths, strict=True)))
    return table


def _cell(column: Column, checked: Checked, width: int) -> Text:
    text = _cut(column.cell(checked), width)
    if column.title != "result":
        return Text(text)
    return Text(text, style="bold red" if checked.result in sentences.FAULTS else "green")


def _fitting(checks: Sequence[Checked], width: int) -> tuple[list[Column], list[int]]:
    """The columns that fit, dropped from the least important on, never those of rank 0: then names are cut."""
    kept = columns(checks)
    widths = {c.title: max([len(c.title), *(cell_len(c.cell(k)) for k in checks)]) for c in kept}
    most = max(16, width // 3)
    widths |= {name: min(widths[name], most) for name in ("case", "computed by", "result")}
    while sum(widths[c.title] + terminal.GAP for c in kept) - terminal.GAP > width and max(c.rank for c in kept):
        kept.remove(max(kept, key=lambda c: c.rank))
    over = sum(widths[c.title] + terminal.GAP for c in kept) - terminal.GAP - width
    if over > 0:
        widths["case"] = max(4, widths["case"] - over)
    return kept, [widths[c.title] for c in kept]


def _cut(text: str, width: int) -> str:
    """No longer than that."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 3).rstrip() + "..."


def _faults(found: Check, look: Look) -> list[Text]:
    """What broke: in a terminal the end of the output is what is seen."""
    lines: list[Text] = []
    for checked in sentences.having(found, Result.ERROR):
        lines += _said(f"{sentences.key(checked)}: could not run: {sentences.error(checked)}", look)
    for checked in sentences.having(found, Result.FINDING):
        for fault in sentences.faults(checked):
            for figures in fault.figures:
                lines += _said(f"{sentences.key(checked)}: {figures}", look)
            lines += _said(fault.reason, look, "  ")
            # In one piece, however long: it is there to be copied.
            lines += [Text(f"  {fault.command}", style="bold")] if fault.command else []
    return [*lines, Text("")] if lines else []


def _closing(found: Check, look: Look) -> list[Text]:
    lines = [line for remark in sentences.remarks(found) for line in _said(remark, look)]
    return [*lines, Text(sentences.counts(found), style="bold green" if found.status == 0 else "bold red")]


def _said(text: str, look: Look, bullet: str = "- ") -> list[Text]:
    parts = textwrap.wrap(text, max(look.width - 2, 20), break_on_hyphens=False, break_long_words=False)
    return [Text("  " if i else bullet) + part for i, part in enumerate(parts)]
