"""What a person's table shows of a check: shared by the terminal's table and by Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from overflowscope.errors import printable
from overflowscope.records.check import Checked, Figures
from overflowscope.report._columns import count, short
from overflowscope.report.check import _sentences as sentences


@dataclass(frozen=True)
class Column:
    """``rank`` orders what is dropped first where the table is too wide: the largest."""

    title: str
    rank: int
    cell: Callable[[Checked], str]
    right: bool = True


COLUMNS = (
    Column("case", 0, lambda c: printable(c.case), right=False),
    Column("operation", 5, lambda c: printable(c.subject), right=False),
    Column("computed by", 4, lambda c: printable(c.name), right=False),
    Column("dtype", 0, lambda c: c.dtype or "-", right=False),
    Column("scale", 1, lambda c: "-" if c.scale is None else f"{c.scale:g}"),
    Column("result", 0, sentences.result, right=False),
    Column("max ulp", 0, lambda c: short(c.figures.max_ulp) if c.figures else "-"),
    Column("was", 3, lambda c: short(c.baseline.max_ulp) if c.baseline else "-"),
    Column("limit", 2, lambda c: short(c.limits.get("max_ulp"))),
    Column("nan", 6, lambda c: count(c.figures.nan) if c.figures else "-"),
    Column("inf", 7, lambda c: count(c.figures.overflow) if c.figures else "-"),
    Column("to 0", 8, lambda c: count(c.figures.underflow) if c.figures else "-"),
    Column("sums off", 9, lambda c: short(c.figures.row_sum_off) if c.figures else "-"),
    Column("max kl", 10, lambda c: short(c.figures.max_kl) if c.figures else "-"),
    Column("flips", 11, lambda c: _flips(c.figures)),
)
"""In the order in which they stand."""
ABSENT: dict[str, Callable[[Checked], bool]] = {
    "scale": lambda c: c.scale in (None, 1.0),
    "was": lambda c: c.baseline is None,
    "limit": lambda c: "max_ulp" not in c.limits,
}
"""Columns that are left out where this is true of every check."""


def columns(checks: Sequence[Checked]) -> list[Column]:
    """Those in which there is something to be seen."""
    return [c for c in COLUMNS if c.title not in ABSENT or not all(map(ABSENT[c.title], checks))]


def _flips(figures: Figures | None) -> str:
    return "-" if figures is None or figures.argmax_flips is None else count(figures.argmax_flips)
