"""The truth, as enclosures: the limits of rows with infinities, and a ladder of precisions for all others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.intervals import Indeterminate
from overflowscope.catalogue import Operation, have_limits
from overflowscope.formats import Floats, Format
from overflowscope.memory import keep_freed
from overflowscope.records import Reference, State
from overflowscope.rungs import LARGE, Found, Settled, by_balls, by_intervals

LADDER = (128, 256, 512, 1024, 2048, 4096)
"""Working precisions of intervals. An element climbs until it is settled."""
BATCH = 4096
"""Elements taken together by intervals."""
BALLS, INTERVALS = 1, 2
LADDERS = ("auto", "mpmath")
"""What can be asked for: the fastest rungs first, or intervals alone."""

Rung = Callable[[Operation, tuple[Any, ...], Format], tuple[Found, Settled]]


def reference(
    operation: Operation,
    logits: Floats,
    labels: NDArray[np.int64] | None,
    fmt: Format,
    lost_rows: NDArray[np.bool_] | None = None,
    *,
    ladder: str = "auto",
) -> Reference:
    """The truth of ``operation`` on ``logits`` (rows, classes), numbers of the format given as float64.

    ``lost_rows`` (rows,) marks rows of which a logit overflowed when it was rounded to the format: nothing is
    computed for them. Rows with nan are undefined; rows with infinities have the limits that the operation states.
    ``ladder`` is "auto", "mpmath" for intervals alone, or "precise" for two words in every format.
    """
    keep_freed()
    truth = _blank(operation.shape(logits), fmt)
    rows = np.arange(len(logits))
    lost = np.zeros(len(logits), np.bool_) if lost_rows is None else lost_rows
    truth.state[lost] = State.INPUT_OVERFLOW
    special = ~lost & have_limits(logits)
    if special.any():
        _store_limits(truth, special, operation.limit(*_rows(operation, logits, labels, special)))
    ordinary = rows[~lost & ~special]
    if len(ordinary):
        _climb(truth, ordinary, _rungs(fmt, ladder), operation, logits, labels)
    return truth


def _rows(
    operation: Operation, logits: Floats, labels: NDArray[np.int64] | None, rows: NDArray[Any]
) -> tuple[Any, ...]:
    return operation.arguments(logits[rows], None if labels is None else labels[rows])


def _blank(shape: tuple[int, ...], fmt: Format) -> Reference:
    zeros = [np.zeros(shape) for _ in range(5)]
    return Reference(
        fmt=fmt,
        head=zeros[0],
        tail=zeros[1],
        exponent=np.zeros(shape, np.int64),
        radius=zeros[2],
        below=zeros[3],
        above=zeros[4],
        state=np.zeros(shape, np.uint8),
        rung=np.zeros(shape, np.uint8),
    )


def _store_limits(truth: Reference, rows: NDArray[np.bool_], limits: Floats) -> None:
    """Limits are 0, 1 or an infinity, which every format rounds to itself, or nan where there is none."""
    truth.state[rows] = np.where(np.isnan(limits), State.UNDEFINED, State.DEFINED)
    truth.head[rows] = np.nan_to_num(limits, nan=0.0, posinf=np.inf, neginf=-np.inf)
    truth.below[rows] = truth.above[rows] = truth.head[rows]


def _rungs(fmt: Format, ladder: str) -> list[tuple[int, Rung]]:
    """From the fastest to the most precise."""
    quick = ladder == "auto" and fmt.precision <= 24
    words = () if ladder == "mpmath" else (1, 2) if quick else (2,)
    balls: list[tuple[int, Rung]] = [(BALLS, partial(by_balls, words=n)) for n in words]
    return balls + [(INTERVALS, partial(by_intervals, bits=bits)) for bits in LADDER]


def _climb(
    truth: Reference,
    rows: NDArray[Any],
    rungs: list[tuple[int, Rung]],
    operation: Operation,
    logits: Floats,
    labels: NDArray[np.int64] | None,
) -> None:
    """Store the enclosure of every element of these rows from the first rung that settles it, else from the last."""
    pending = np.ones(truth.state[rows].shape, np.bool_)
    for number, rung in rungs:
        able = _without_large(rows, logits) if number == BALLS else np.arange(len(rows))
        step = len(rows) if number == BALLS else max(1, BATCH // logits.shape[1])
        for start in range(0, len(able), max(1, step)):
            places = able[start : start + step]
            try:
                found, settled = rung(operation, _rows(operation, logits, labels, rows[places]), truth.fmt)
            except Indeterminate:
                continue
            taken = pending[places] & (settled | (number == INTERVALS))
            _store(truth, rows[places], taken, found, number)
            pending[places] &= ~settled
        waiting = pending if pending.ndim == 1 else pending.any(-1)
        if not waiting.any():
            return
        rows, pending = rows[waiting], pending[waiting]
    unknown = np.zeros(truth.state.shape, np.bool_)
    unknown[rows] = pending & (truth.rung[rows] == 0)
    truth.below[unknown], truth.above[unknown], truth.radius[unknown] = -np.inf, np.inf, np.inf


def _without_large(rows: NDArray[Any], logits: Floats) -> NDArray[np.intp]:
    """Places of the rows that balls can hold."""
    size = np.abs(logits[rows])
    return np.flatnonzero(~((size > LARGE) & (size < np.inf)).any(-1))


def _store(truth: Reference, rows: NDArray[Any], taken: Settled, found: Found, number: int) -> None:
    everything = bool(taken.all())
    for name, values in {**found, "rung": np.full(taken.shape, number, np.uint8)}.items():
        array = getattr(truth, name)
        array[rows] = values if everything else np.where(taken, values, array[rows])
