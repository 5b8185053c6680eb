"""A progress bar on standard error, at a terminal, once the work has taken a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE = 1.0
"""Seconds without a bar."""


class Meter:
    """Called with the number of logits, or of what else there is, done since the last call."""

    def __init__(self, total: int, doing: str = "measuring", what: str = "logits"):
        self.total, self.done, self.doing, self.what = total, 0, doing, what
        self.bar: Any = None
        self.started = time.monotonic()

    def __call__(self, elements: int) -> None:
        self.done += elements
        if self.bar is None and time.monotonic() - self.started > PATIENCE and sys.stderr.isatty():
            self._show()
        if self.bar is not None:
            self.bar.update(0, completed=self.done)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            Task,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        what = self.what

        class Speed(ProgressColumn):
            """How many a second."""

            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text("" if speed is None else f"{_short(speed)} {what}/s", style="progress.data.speed")

        console = Console(stderr=True)
        words = TextColumn("{task.description}")
        self.bar = Progress(
            words, BarColumn(), TaskProgressColumn(), Speed(), TimeRemainingColumn(), console=console, transient=True
        )
        self.bar.add_task(f"{self.doing} {self.total:,} {what}", total=self.total)
        self.bar.start()

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()


def _short(number: float) -> str:
    """Three digits: 950, 12.3k, 4.56M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
