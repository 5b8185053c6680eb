"""Rows as a format holds them: scaled, shifted, rounded, and without those that are to be ignored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.errors import InputError
from overflowscope.formats import Floats, Format
from overflowscope.sources import Source


class Rows(NamedTuple):
    """``logits`` (rows, classes), numbers of the format as float64 (what it cannot hold is nan); ``lost`` (rows,), true
    where a finite logit overflowed on the way there; ``labels`` (rows,) where wanted; ``numbers`` (rows,), the rows'
    own in the whole input."""

    logits: Floats
    lost: NDArray[np.bool_]
    labels: NDArray[np.int64] | None
    numbers: NDArray[np.int64]


def held(source: Source, rows: range, fmt: Format, scale: float, shift: float, ignore_index: int | None = None) -> Rows:
    """These rows of the source, times ``scale`` plus ``shift`` in float64, rounded once to the format.

    With an ``ignore_index`` there are labels too, and the rows that have that one are left out.
    """
    given = source.logits(rows, fmt)
    numbers, labels = np.arange(rows.start, rows.stop), None
    if ignore_index is not None:
        labels = source.labels(rows)
        counted = labels != ignore_index
        if not counted.all():
            given, labels, numbers = given[counted], labels[counted], numbers[counted]
    with np.errstate(all="ignore"):
        logits = formats.round_to(given * scale + shift if (scale, shift) != (1.0, 0.0) else given, fmt)
    lost = np.any(np.isfinite(given) & ~np.isfinite(logits), axis=-1)
    if not fmt.has_infinity:
        logits = np.where(np.isinf(logits), np.nan, logits)
    return Rows(logits, lost, labels, numbers)


def check_numbers(scales: Sequence[float], shift: float) -> None:
    """Raises InputError for scales and a shift that ``held`` cannot take."""
    if not scales or not all(math.isfinite(x) and x >= 0 for x in scales):
        raise InputError(f"scales are finite and not negative, and there is at least one: {tuple(scales)}")
    if not math.isfinite(shift):
        raise InputError(f"a shift that is no finite number: {shift}")
