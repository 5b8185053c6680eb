"""Markdown for a pull request or a step's summary: the counts, the table, then what broke and how to see it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from overflowscope.records.check import Check, Checked, Result
from overflowscope.report import Look
from overflowscope.report.check import _sentences as sentences
from overflowscope.report.check._columns import Column, columns

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
"""What a backslash does not keep from meaning something everywhere: | ends a table's cell even in code."""


def render(found: Check, look: Look) -> str:
    """GitHub's dialect. Names and commands are text whatever they hold."""
    lines = [f"**overflowscope check: {sentences.counts(found)}**"]
    if found.checks:
        shown = columns(found.checks)
        lines += ["", _row(c.title for c in shown), _row("---:" if c.right else "---" for c in shown)]
        lines += [_row(_cell(c, checked) for c in shown) for checked in found.checks]
    for item in _broken(found):
        lines += ["", *item]
    remarks = sentences.remarks(found)
    lines += ["", *map(_item, remarks)] if remarks else []
    return "\n".join(lines) + "\n"


def _broken(found: Check) -> Iterator[list[str]]:
    for checked in sentences.having(found, Result.ERROR):
        yield [_item(f"{sentences.key(checked)}: could not run: {sentences.error(checked)}")]
    for checked in sentences.having(found, Result.FINDING):
        for fault in sentences.faults(checked):
            code = _fenced(fault.command) if fault.command else []
            yield [_item(f"{sentences.key(checked)}: {fault.line}"), *(f"  {part}" for part in code)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(column: Column, checked: Checked) -> str:
    text = _text(column.cell(checked))
    return f"**{text}**" if column.title == "result" and checked.result in sentences.FAULTS else text


def _item(text: str) -> str:
    """Of a list; what it begins with begins no other list, heading or line."""
    return "- " + re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _text(text))


def _text(text: str) -> str:
    """The text as Markdown that reads as it stands there: no emphasis, link, tag or cell is made of it."""
    return "".join(ENTITIES.get(c) or ("\\" + c if c in "\\`*_{}[]#~" else c) for c in " ".join(text.split()))


def _fenced(line: str) -> list[str]:
    """A block of code that the line cannot end: its fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return [f"{fence}sh", line, fence]
