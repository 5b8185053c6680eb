"""Rows of logits and their labels, on demand: drawn from a seed, or given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope import draws
from overflowscope.errors import InputError, printable, unknown
from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.inputs import MOST, Logits, Rows
from overflowscope.records import InputSummary

BLOCK = 2**16
"""Logits in a block of rows, about."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Rows before scale and shift: ``logits(rows, fmt)`` is float64 (len(rows), classes), ``labels(rows)`` int64.

    The format matters to the distribution ``ordinal`` alone, which draws from its numbers; nothing is rounded to it.
    ``leading`` is the shape of the input's axes before the classes; ``labels_from`` says whose labels they are.
    """

    name: str
    distribution: str | None
    count: int
    classes: int
    leading: tuple[int, ...]
    labels_from: str
    logits: Callable[[range, Format], Floats]
    labels: Callable[[range], Labels]
    sha256: Callable[[], str]


def drawn(distribution: str, seed: int, count: int, classes: int) -> Source:
    """Random rows; see draws. Raises InputError for an unknown distribution or an impossible size."""
    if distribution not in draws.DISTRIBUTIONS:
        raise unknown("distribution", distribution, draws.DISTRIBUTIONS)
    if count * classes > MOST:
        raise InputError(f"{count * classes:,} logits are more than {MOST:,}", hint="fewer --rows or --classes")
    logits = partial(draws.draw, distribution, seed, classes)
    labels = partial(draws.draw_labels, seed, classes)
    digest = partial(_digest, logits, count, classes)
    return Source("random", distribution, count, classes, (count,), "seed", logits, labels, digest)


def given(logits: Logits, seed: int) -> Source:
    """Rows of a file or an array; labels are drawn from the seed where it has none."""
    count, classes = logits.values.shape
    source = Source(
        name=printable(logits.source),
        distribution=None,
        count=count,
        classes=classes,
        leading=logits.leading,
        labels_from="seed",
        logits=partial(_values, logits.values),
        labels=partial(draws.draw_labels, seed, classes),
        sha256=partial(str, logits.sha256),
    )
    return source if logits.labels is None else labelled(source, logits.labels, "input")


def labelled(source: Source, labels: Labels, place: str) -> Source:
    """The source with labels from another place. Raises InputError where there is not one for each row."""
    if len(labels) != source.count:
        raise InputError(f"{len(labels):,} labels for {source.count:,} rows", source=place)
    return replace(source, labels=partial(_slice, labels), labels_from=printable(place))


def only(source: Source, row: int) -> Source:
    """One row of the source, by its number, as a source. Raises InputError where there is no such row."""
    if not 0 <= row < source.count:
        raise InputError(f"there is no row {row}", source=source.name, hint=f"rows run from 0 to {source.count - 1}")
    logits, labels = partial(_from, source.logits, row), partial(_from, source.labels, row)
    return replace(source, count=1, leading=(1,), logits=logits, labels=labels)


def remembered(source: Source) -> Source:
    """The source with the logits that it gave last: the same rows may be asked for again, in other formats."""
    known: dict[tuple[range, Format | None], Floats] = {}

    def logits(rows: range, fmt: Format) -> Floats:
        key = rows, fmt if source.distribution == "ordinal" else None
        if key not in known:
            known.clear()
            known[key] = source.logits(rows, fmt)
        return known[key]

    return replace(source, logits=logits)


def blocks(source: Source, elements: int = BLOCK) -> Iterable[range]:
    """The rows in blocks of about that many logits."""
    step = max(1, elements // source.classes)
    return (range(start, min(start + step, source.count)) for start in range(0, source.count, step))


def count_labelled(source: Source, ignore_index: int) -> int:
    """How many rows have a label that is not ``ignore_index``. Raises InputError for a label that is no class."""
    counted = 0
    for rows in blocks(source):
        labels = source.labels(rows)
        kept = labels != ignore_index
        wrong = kept & ((labels < 0) | (labels >= source.classes))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"label {int(labels[row])} is no class of {source.classes}",
                source=source.name if source.labels_from == "input" else source.labels_from,
                where=f"row {rows.start + row}",
                hint=f"labels run from 0 to {source.classes - 1}; --ignore-index skips rows",
            )
        counted += int(np.count_nonzero(kept))
    return counted


def summary(
    source: Source,
    scales: tuple[float, ...],
    shift: float,
    seed: int | None,
    ignored: int,
    with_labels: bool,
    compute: Format | None = None,
) -> InputSummary:
    """What people and scripts are told of the input, ``ignored`` rows of which are not counted."""
    return InputSummary(
        source=source.name,
        distribution=source.distribution,
        scale=scales[0] if len(scales) == 1 else scales,
        shift=shift,
        seed=seed,
        rows=source.count,
        classes=source.classes,
        leading=source.leading,
        labels=source.labels_from if with_labels else None,
        ignored_rows=ignored,
        compute=compute.name if compute else None,
        sha256=source.sha256(),
    )


def _values(given: Rows, rows: range, fmt: Format) -> Floats:
    values: Floats = given[rows.start : rows.stop]
    return values


def _from(given: Callable[..., Any], first: int, rows: range, *fmt: Format) -> Any:
    return given(range(first + rows.start, first + rows.stop), *fmt)


def _slice(array: Any, rows: range) -> Any:
    return array[rows.start : rows.stop]


def _digest(logits: Callable[[range, Format], Floats], count: int, classes: int) -> str:
    """Of the first drawn doubles, little-endian, row by row, before scale and shift; of ordinal, those float64 gets.

    They are the rows of the first block: the rest follows from the seed, and drawing it once more would cost as much.
    """
    rows = range(min(count, max(1, BLOCK // classes)))
    return hashlib.sha256(logits(rows, FORMATS["float64"]).astype("<f8").tobytes()).hexdigest()
