"""A trace to text: a table that reads as the calculation runs, the same as a tree, Markdown, JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from overflowscope.records.trace import Step, Trace
from overflowscope.report import Look
from overflowscope.report import _terminal as terminal
from overflowscope.report._columns import of_input
from overflowscope.report._steps import COLUMNS, Column, heading, line, remarks, style, tried
from overflowscope.report._tree import branches

MOST = 48
"""Steps that a table shows; of more, those are left out in which nothing is to be seen."""


LONG, ENOUGH, LEAST = "what went wrong", 20, 8
"""The column that is cut where there is no room, and how wide it is then."""


def notable(found: Trace) -> set[int]:
    """The numbers of the steps that are shown: all, or of more than MOST the first, the last and the telling ones."""
    if len(found.steps) <= MOST:
        return {s.number for s in found.steps}
    telling = [s.number for s in found.steps if s.descendant or any(not e.harmless for e in s.events)]
    if found.birth:
        telling = [found.birth.step, *telling]
    around = {n + d for n in telling[: MOST // 4] for d in (-1, 0, 1)}
    ends = {s.number for s in (*found.steps[: MOST // 4], *found.steps[-MOST // 8 :])}
    return (around | ends) & {s.number for s in found.steps}


# The terminal


def table(found: Trace, look: Look) -> str:
    """The steps in columns, under the lines of code that took them, and what there is to say."""
    lines = _opening(found, look)
    shown = notable(found)
    steps = [s for s in found.steps if s.number in shown]
    columns, widths = _fitting(steps, look.width)
    lines.append(_row([c.title for c in columns], columns, widths, ""))
    lines.append(Text(("-" if look.ascii else "─") * min(look.width, sum(widths) + 2 * (len(widths) - 1))))
    before = 0
    for (phase, source), block in groupby(steps, key=lambda s: (s.phase, s.source)):
        if phase == "backward" and before and found.steps[before - 1].phase == "forward":
            lines.append(Text("backward, the last step first", style="italic"))
        if source is not None:
            lines.append(Text(_cut(line(source), look.width), style="dim"))
        for step in block:
            if step.number > before + 1:
                lines.append(Text(f"... {step.number - before - 1:,} steps with nothing to be seen", style="dim"))
            lines.append(_row([c.cell(step) for c in columns], columns, widths, style(found, step)))
            before = step.number
    return _printed(lines + _closing(found, look), look)


def tree(found: Trace, look: Look) -> str:
    """The result at the root, what it was made of below it, the failure's path marked."""
    lines = _opening(found, look)
    lines += [Text(_cut(text, look.width), style=how) for text, how in branches(found, look)]
    return _printed(lines + _closing(found, look), look)


def _opening(found: Trace, look: Look) -> list[Text]:
    return [
        *(Text(part, style="bold") for part in _wrapped(heading(found), look.width)),
        *(Text(part) for part in _wrapped(of_input(found.input), look.width)),
        Text(""),
    ]


def _closing(found: Trace, look: Look) -> list[Text]:
    lines = [Text("")]
    for said in remarks(found):
        lines += _item(said, look)
    if found.remedies:
        lines.append(Text("tried on this input:"))
        for said in tried(found):
            lines += [Text("  ") + part for part in _item(said, look, 2, "green" if said.startswith("enough") else "")]
    weight = "bold red" if found.birth else "bold"
    lines += [Text("")] if len(lines) > 1 else []
    return [*lines, *(Text(part, style=weight) for part in _wrapped(found.verdict, look.width))]


def _item(text: str, look: Look, indent: int = 0, style: str = "") -> list[Text]:
    parts = _wrapped(text, look.width - 2 - indent)
    return [Text("  " if i else "- ") + Text(part, style=style) for i, part in enumerate(parts)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False)


def _row(cells: list[str], columns: list[Column], widths: list[int], style: str) -> Text:
    texts = []
    for whole, column, width in zip(cells, columns, widths, strict=True):
        cell = _cut(whole, width)
        pad = " " * (width - cell_len(cell))
        texts.append(pad + cell if column.right else cell + pad)
    return Text("  ".join(texts).rstrip(), style=style)


def _fitting(steps: list[Step], width: int) -> tuple[list[Column], list[int]]:
    """The columns that fit, dropped from the least important on; never those of rank 0.

    What went wrong is cut where there is no room: it stands in words below.
    """
    kept = list(COLUMNS)
    widths = {c.title: max([len(c.title), *(cell_len(c.cell(s)) for s in steps)]) for c in COLUMNS}
    long = widths[LONG]
    widths[LONG] = min(long, ENOUGH)
    while sum(widths[c.title] + 2 for c in kept) - 2 > width and max(c.rank for c in kept):
        rank = max(c.rank for c in kept)
        kept = [c for c in kept if c.rank != rank]
    room = width + 2 - sum(widths[c.title] + 2 for c in kept)
    widths[LONG] = max(min(long, widths[LONG] + room), LEAST)
    return kept, [widths[c.title] for c in kept]


def _cut(text: str, width: int) -> str:
    """No longer than that."""
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - 3:
        text = text[:-1]
    return text.rstrip(" ,") + "..."


def _printed(lines: list[Text], look: Look) -> str:
    look = replace(look, width=max(look.width, *(cell_len(t.plain) for t in lines)))
    console = terminal.console(look)
    for text in lines:
        console.print(text)
    return terminal.written(console, look)


# Markdown and JSON


def markdown(found: Trace, look: Look) -> str:
    """For an issue or a pull request: the table, then what there is to say, the verdict first."""
    lines = [f"**{_escaped(heading(found))}**", "", _escaped(of_input(found.input)), "", f"> {_escaped(found.verdict)}"]
    lines += ["", "| " + " | ".join((*(_escaped(c.title) for c in COLUMNS), "code")) + " |"]
    lines.append("| " + " | ".join((*("---:" if c.right else "---" for c in COLUMNS), "---")) + " |")
    lines += ["| " + " | ".join(cells) + " |" for cells in _cells(found)]
    for said in (remarks(found), [f"tried: {t}" for t in tried(found)]):
        lines += ["", *(f"- {_escaped(text)}" for text in said)] if said else []
    return "\n".join(lines) + "\n"


def _cells(found: Trace) -> Iterator[list[str]]:
    for step in found.steps:
        cells = [_escaped(c.cell(step)) for c in COLUMNS]
        if found.birth and step.number == found.birth.step:
            cells[1] = f"**{cells[1]}**"
        yield [*cells, _escaped(line(step.source)) if step.source else ""]


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>|#~" else c for c in " ".join(text.split()))


def json_(found: Trace, look: Look) -> str:
    """The whole document; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Trace, Look], str]] = {"table": table, "tree": tree, "json": json_, "markdown": markdown}
