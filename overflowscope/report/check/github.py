"""GitHub's workflow commands: an annotation for each thing that broke, at most ten, and the counts.

Source: the runner's own reader of commands (actions/runner, ActionCommand.cs), and its escapes.
"""

from __future__ import annotations

from collections.abc import Iterator

from overflowscope.records.check import Check, Result
from overflowscope.report import Look
from overflowscope.report.check import _sentences as sentences

MOST = 10
"""Annotations that GitHub shows of a step, of each kind."""


def render(found: Check, look: Look) -> str:
    """Errors first. What follows the annotations is for the log."""
    broken = list(_broken(found))
    lines = [f"::error title={_property(title)}::{_data(text)}" for title, text in broken[:MOST]]
    if len(broken) > MOST:
        lines.append(f"and {len(broken) - MOST} more: all of them are in the step summary, and in --format table")
    lines += [_plain(f"- {remark}") for remark in sentences.remarks(found)]
    return "\n".join([*lines, sentences.counts(found)]) + "\n"


def _broken(found: Check) -> Iterator[tuple[str, str]]:
    """(title, text) of each."""
    for checked in sentences.having(found, Result.ERROR):
        yield f"{sentences.key(checked)}: could not run", sentences.error(checked)
    for checked in sentences.having(found, Result.FINDING):
        for fault in sentences.faults(checked):
            yield sentences.key(checked), "\n".join(part for part in (fault.line, fault.command) if part)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """A line of the log that is no command: not in the old form either, which is read anywhere in a line."""
    return text.replace("##[", "## [")
