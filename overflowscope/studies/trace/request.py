"""What is to be traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from overflowscope.arithmetic.strict import Model
from overflowscope.catalogue import Formulation, Operation
from overflowscope.errors import InputError
from overflowscope.formats import Format
from overflowscope.rows import Rows, held
from overflowscope.sources import Source


@dataclass(frozen=True)
class Formulated:
    """A formulation of an operation of the catalogue, computed in ``compute`` where that is wider."""

    operation: Operation
    formulation: Formulation
    compute: Format | None = None


@dataclass(frozen=True)
class Own:
    """A person's function, known as ``spec``, and its further arguments by the names of its parameters.

    With ``per_row`` it takes one row, (classes,), else (rows, classes).
    """

    spec: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    per_row: bool = False


@dataclass(frozen=True)
class Request:
    """A calculation to trace on one source of logits, in a format; of all rows or, with ``row``, on that one alone.

    Without a ``model`` the arithmetic is NumPy's own, with one it is strict.
    """

    source: Source
    subject: Formulated | Own
    fmt: Format
    row: int | None = None
    model: Model | None = None
    scale: float = 1.0
    shift: float = 0.0
    ignore_index: int = -100
    seed: int | None = 0
    gradient: bool = False

    def check_row(self) -> None:
        """Raises InputError for a row that there is not."""
        if self.row is not None and not 0 <= self.row < self.source.count:
            count = self.source.count
            raise InputError(
                f"there is no row {self.row:,}: there {'is' if count == 1 else 'are'} {count:,}, from 0 on"
            )

    def rows(self, numbers: range, ignore_index: int | None = None) -> Rows:
        """Rows as the format holds them; with labels, and without those ignored, where an index is given."""
        return held(self.source, numbers, self.fmt, self.scale, self.shift, ignore_index)
