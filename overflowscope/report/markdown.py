"""Markdown: the table for a pull request or a README."""

from __future__ import annotations

from overflowscope.records import Report
from overflowscope.report import Look
from overflowscope.report._columns import COLUMNS, first_failures, groups, sentences, title

SHOWN = COLUMNS[:10]


def render(report: Report, look: Look) -> str:
    """A table for each operation (and scale), then what there is to say, as a list."""
    lines = [f"**{_escaped(title(report))}**"]
    for name, block in groups(report):
        lines += ["", f"### {name}", "", "| " + " | ".join(c.title for c in SHOWN) + " |"]
        lines.append("| " + " | ".join("---:" if c.right else "---" for c in SHOWN) + " |")
        lines += ["| " + " | ".join(_escaped(c.cell(m)) for c in SHOWN) + " |" for m in block]
    for said in (sentences(report), first_failures(report)):
        lines += ["", *(f"- {_escaped(line)}" for line in said)] if said else []
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>|#" else c for c in text)
