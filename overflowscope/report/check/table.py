"""The table for a terminal: a row for each check, then what broke, why, and the command that shows it again."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from overflowscope.errors import printable
from overflowscope.records.check import Check, Checked, Figures, Result
from overflowscope.report import Look
from overflowscope.report._columns import count, short
from overflowscope.report.check import _sentences as sentences

GAP = 2
"""Between columns: one of padding, one that the box draws."""
HELD = (Result.OK.value, Result.IMPROVED.value, Result.NEW.value)


@dataclass(frozen=True)
class Column:
    """``rank`` orders what is dropped first where the table is too wide: the largest."""

    title: str
    rank: int
    cell: Callable[[Checked], str]
    right: bool = True


COLUMNS = (
    Column("case", 0, lambda c: printable(c.case), right=False),
    Column("operation", 3, lambda c: printable(c.subject), right=False),
    Column("computed by", 2, lambda c: printable(c.name), right=False),
    Column("dtype", 0, lambda c: c.dtype or "-", right=False),
    Column("scale", 0, lambda c: "-" if c.scale is None else f"{c.scale:g}"),
    Column("result", 0, sentences.result, right=False),
    Column("max ulp", 0, lambda c: short(c.figures.max_ulp) if c.figures else "-"),
    Column("was", 1, lambda c: short(c.baseline.max_ulp) if c.baseline else "-"),
    Column("limit", 1, lambda c: short(c.limits.get("max_ulp"))),
    Column("nan", 4, lambda c: count(c.figures.nan) if c.figures else "-"),
    Column("inf", 5, lambda c: count(c.figures.overflow) if c.figures else "-"),
    Column("to 0", 6, lambda c: count(c.figures.underflow) if c.figures else "-"),
    Column("sums off", 7, lambda c: short(c.figures.row_sum_off) if c.figures else "-"),
    Column("max kl", 8, lambda c: short(c.figures.max_kl) if c.figures else "-"),
    Column("flips", 9, lambda c: _flips(c.figures)),
)
ABSENT: dict[str, Callable[[Checked], bool]] = {
    "scale": lambda c: c.scale in (None, 1.0),
    "was": lambda c: c.baseline is None,
    "limit": lambda c: "max_ulp" not in c.limits,
}
"""Columns that are left out where this is true of every check."""


def render(found: Check, look: Look) -> str:
    """The rows, then a paragraph for each that does not hold, the ones that could not run first, then the counts."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=look.width,
        height=100,  # with both given, rich asks the environment for neither
        force_terminal=look.color,
        color_system="standard" if look.color else None,
        no_color=not look.color,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    if found.checks:
        console.print(_table(found.checks, look))
        console.print()
    for line in (*_faults(found, look), *_closing(found, look)):
        console.print(line, soft_wrap=True)
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
    return text.encode("ascii", "replace").decode() if look.ascii else text


def _flips(figures: Figures | None) -> str:
    return "-" if figures is None or figures.argmax_flips is None else count(figures.argmax_flips)


def _table(checks: Sequence[Checked], look: Look) -> Table:
    columns, widths = _fitting(checks, look.width)
    style = box.ASCII2 if look.ascii else box.SIMPLE_HEAD
    table = Table(box=style, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for checked in checks:
        table.add_row(*(_cell(c, checked, w) for c, w in zip(columns, widths, strict=True)))
    return table


def _cell(column: Column, checked: Checked, width: int) -> Text:
    text = _cut(column.cell(checked), width)
    if column.title != "result":
        return Text(text)
    return Text(text, style="green" if checked.result in HELD else "bold red")


def _fitting(checks: Sequence[Checked], width: int) -> tuple[list[Column], list[int]]:
    """The columns that fit, dropped from the least important on, never those of rank 0: then names are cut."""
    kept = [c for c in COLUMNS if c.title not in ABSENT or not all(map(ABSENT[c.title], checks))]
    widths = {c.title: max([len(c.title), *(cell_len(c.cell(k)) for k in checks)]) for c in kept}
    most = max(16, width // 3)
    widths |= {name: min(widths[name], most) for name in ("case", "computed by", "result")}
    while sum(widths[c.title] + GAP for c in kept) - GAP > width and max(c.rank for c in kept):
        kept.remove(max(kept, key=lambda c: c.rank))
    over = sum(widths[c.title] + GAP for c in kept) - GAP - width
    if over > 0:
        widths["case"] = max(8, widths["case"] - over)
    return kept, [widths[c.title] for c in kept]


def _cut(text: str, width: int) -> str:
    """No longer than that."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 3).rstrip() + "..."


def _faults(found: Check, look: Look) -> list[Text]:
    """What broke: in a terminal the end of the output is what is seen."""
    lines: list[Text] = []
    for checked in sentences.faults(found, Result.ERROR):
        lines += _said(f"{sentences.key(checked)}: could not run: {sentences.error(checked)}", look)
    for checked in sentences.faults(found, Result.FINDING):
        for finding in checked.findings:
            lines += _said(f"{sentences.key(checked)}: {sentences.finding(finding)}", look)
            command = sentences.command(finding)
            lines += [Text(f"  {command}", style="bold")] if command else []
    return [*lines, Text("")] if lines else []


def _closing(found: Check, look: Look) -> list[Text]:
    lines = [line for remark in sentences.remarks(found) for line in _said(remark, look)]
    return [*lines, Text(sentences.counts(found), style="bold green" if found.status == 0 else "bold red")]


def _said(text: str, look: Look) -> list[Text]:
    parts = textwrap.wrap(text, max(look.width - 2, 20), break_on_hyphens=False, break_long_words=False)
    return [Text("  " if i else "- ") + part for i, part in enumerate(parts)]
