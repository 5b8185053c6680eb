"""Rows that come one line after another: collected in float64, in memory or in a temporary file, and checked."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.inputs import MOST, Rows
from overflowscope.reading.arrays import refuse_too_many
from overflowscope.reading.stored import Spool

Labels = NDArray[np.int64]


class Collected:
    """The rows so far, all of ``classes`` numbers, and their labels.

    Lines may hold arrays instead of rows: then all of them are of one shape, which is ``inner`` before the classes.
    """

    def __init__(self, source: str):
        self._spool, self._labels = Spool(source), array("q")
        self.classes, self.inner, self.items, self._has_labels = 0, tuple[int, ...](), 0, False

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._spool.size // (8 * self.classes) if self.classes else 0

    def fits(self, label: Any) -> bool:
        """Whether other lines are rows too, with a label where this is an integer, and without where it is None."""
        if not self.items or self.inner:
            return False
        if self._has_labels:
            return type(label) is int and -(2**63) <= label < 2**63
        return label is None

    def add(self, values: NDArray[np.float64], inner: tuple[int, ...], labels: Labels | None) -> None:
        """Another line: of shape (rows, classes), where rows are arranged as ``inner`` says."""
        rows, classes = values.shape
        if not self.items:
            self.classes, self.inner, self._has_labels = classes, inner, labels is not None
        elif (classes, inner) != (self.classes, self.inner):
            raise self._ragged(classes, inner)
        if (labels is not None) != self._has_labels:
            row = self.items if self._has_labels else 0
            raise InputError("some rows have a label, this one has none", where=f"row {row}")
        if labels is not None:
            if len(labels) != rows:
                raise one_label_each(rows, len(labels))
            self._labels.extend(labels.tolist())
        self.append(values)

    def append(self, values: Any, label: int | None = None, items: int = 1) -> None:
        """More lines that are known to be right: of one row each, and the label unless ``add`` took care of them."""
        if label is not None:
            self._labels.append(label)
        self._spool.write(values)
        self.items += items
        if self._spool.size > 8 * MOST:
            refuse_too_many(self._spool.size // 8)

    def result(self) -> tuple[Rows, tuple[int, ...], Labels | None]:
        """The rows, the shape of their leading axes, and the labels where there are any."""
        rows = self._spool.rows((self.count, self.classes))
        labels = np.frombuffer(self._labels, np.int64) if self._has_labels else None
        return rows, (self.items, *self.inner), labels

    def _ragged(self, classes: int, inner: tuple[int, ...]) -> InputError:
        if len(inner) != len(self.inner):
            return InputError("lists and single values are mixed", where=f"row {self.items}")
        found, wanted, noun = next(
            (a, b, "list" if i < len(inner) else "value")
            for i, (a, b) in enumerate(zip((*inner, classes), (*self.inner, self.classes), strict=True))
            if a != b
        )
        what = f"row {self.items} has {found} {noun}{'' if found == 1 else 's'}, row 0 has {wanted}"
        return InputError(what, hint=f"give every row as many {noun}s")


def one_label_each(rows: int, labels: int) -> InputError:
    of = "1 row has" if rows == 1 else f"{rows} rows have"
    return InputError(f"there must be one label for every row, but the {of} {labels}")


class on_line:
    """``with on_line(number):`` adds the number of the line to an InputError. Costs little, unlike ``located``."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            where = f"line {self.number}, {error.where}" if error.where else f"line {self.number}"
            raise InputError(error.what, where=where, hint=error.hint) from None
