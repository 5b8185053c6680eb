"""JSON lines: a value a line -> rows and labels, without ever holding more than a line of the text."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.inputs import Rows
from overflowscope.reading import json, text
from overflowscope.reading.lines import Collected, on_line
from overflowscope.reading.nested import BeyondFloat64, Labels, integers, matrix
from overflowscope.reading.origin import Origin

NUMBERS = {int, float}
BATCH = 2**16
"""Characters of lines that are parsed together."""


def is_lines(origin: Origin, limit: int) -> bool:
    """Whether the first line is a value by itself, and another follows. Nothing is handed out of the origin yet."""
    first = text.first_line(origin, limit)
    if first is None:
        return False
    try:
        json.decoded(first)
    except InputError:
        return False
    except BeyondFloat64:
        return True
    return True


def logits(origin: Origin, limit: int, key: str | None) -> tuple[Rows, tuple[int, ...], Labels | None]:
    """A vector, or lists of vectors of one shape, or objects that hold such, in every line; as in ``json.logits``."""
    found = Collected(origin.name)
    for together in _batches(text.lines(origin, limit)):
        if key is None and _add_all([line for _, line in together], found):
            continue
        for number, line in together:
            with on_line(number):
                _add(line, key, found)
    return found.result()


def labels(origin: Origin, limit: int) -> Labels:
    """The integers of all lines, flattened: numbers, lists of one length, or objects that hold such."""
    found, first = array("q"), -1
    for number, line in text.lines(origin, limit):
        with on_line(number):
            more = json.carefully_if_needed(line, partial(_labels, first=len(found)), is_line=True)
            if first >= 0 and len(more) != first:
                n = len(more)
                raise InputError(f"it has {n} label{'' if n == 1 else 's'}, and the first line has {first}")
        first = len(more)
        found.extend(more.tolist())
    return np.frombuffer(found, np.int64)


def _batches(lines: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The first line, and then lines of about BATCH characters together."""
    batch, size = [], BATCH
    for line in lines:
        batch.append(line)
        size += len(line[1])
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _add_all(lines: list[str], found: Collected) -> bool:
    """Whether all lines are plain rows like those before, which are then added: parsed in one go, three times as fast.

    Lemma: put together with commas they say what each says alone. Every line begins with [ and ends with ], and what
    came out is as many flat lists of numbers as there are lines; so the text, which has no strings, holds one [ and
    one ] for each line, and these are the ones at their ends.
    """
    if not found.fits(None) or not all(line[0] == "[" and line[-1] == "]" for line in lines):
        return False
    try:
        rows = json.decoded(f"[{','.join(lines)}]")
        if len(rows) != len(lines) or set(map(type, rows)) != {list} or set(map(len, rows)) != {found.classes}:
            return False
        flat = list(itertools.chain.from_iterable(rows))
        if not set(map(type, flat)) <= NUMBERS:
            return False
        values = np.array(flat, np.float64)
    except (InputError, BeyondFloat64, OverflowError):
        return False
    if np.isinf(values).any():
        return False
    found.append(values, items=len(lines))
    return True


def _add(line: str, key: str | None, found: Collected) -> None:
    """Numbers beyond float64 show late, and then the line is read again with care."""
    build = partial(_record, key=key, row=found.items)
    try:
        value = json.decoded(line, is_line=True)
        rows, label = (value, None) if type(value) is list and key is None else json.record(value, key, None)
        if found.fits(label) and _is_plain(rows, found.classes):
            found.append(np.array(rows, np.float64), label)
            return
        record = build(value)
    except (BeyondFloat64, OverflowError):
        record = json.carefully_if_needed(line, build, is_line=True)
    found.add(*record)


def _is_plain(row: list[Any], classes: int) -> bool:
    """Whether it is a row of so many numbers, none of them an infinity."""
    return len(row) == classes and set(map(type, row)) <= NUMBERS and math.inf not in row and -math.inf not in row


def _record(value: Any, key: str | None, row: int) -> tuple[NDArray[np.float64], tuple[int, ...], Labels | None]:
    rows, given = json.record(value, key, None)
    values, leading = matrix([rows], row)
    return values, leading[1:], None if given is None else integers(given, row * len(values))


def _labels(value: Any, first: int) -> Labels:
    return integers(json.of_labels(value, None), first)
