"""Files and pipes -> logits and labels. What a file holds is decided by its first bytes and its name; a format a file.

Nothing here unpickles, prints or exits: what cannot be read is an InputError. Binary rows are read where they lie,
text is turned into float64 line by line; only JSON documents, .npz archives and labels are held whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.inputs import Logits, Rows
from overflowscope.reading import csv, json, json_lines, npy, npz, safetensors, text
from overflowscope.reading.arrays import Member, chosen
from overflowscope.reading.kinds import kind
from overflowscope.reading.lines import one_label_each
from overflowscope.reading.origin import Origin, located, opened, size_of, too_large
from overflowscope.reading.stored import Stored

__all__ = ["MAX_BYTES", "read_array", "read_labels", "read_logits"]

Labels = NDArray[np.int64]
Found = tuple[Rows, tuple[int, ...], "Labels | None"]

MAX_BYTES = 2**30
"""What is read whole is not longer than this, unless said."""


def read_logits(
    source: str,
    *,
    key: str | None = None,
    max_rows: int | None = None,
    stdin: BinaryIO | None = None,
    max_bytes: int = MAX_BYTES,
    raw: str | None = None,
) -> Logits:
    """The logits in a file, or in ``stdin`` (of the process, if None) where ``source`` is "-".

    Read are .npy, .safetensors, JSON lines and CSV of any size, in blocks, and JSON and .npz of up to ``max_bytes``
    (which bounds a line and an unpacked array too); numbers of any real dtype up to 64 bits. What cannot be float64
    exactly, such as decimals and integers beyond 2**53, is rounded to nearest. inf and nan are values like others.
    ``raw`` is the format of numbers that NumPy saved as raw bytes, such as bfloat16. ``key`` names the array in a file
    that holds several ("logits" if None). Leading axes are flattened into rows, and ``leading`` is their shape in the
    file: (rows,) of a matrix, () of a vector. ``max_rows`` keeps the first rows and labels, after all of the file was
    checked. Labels are those called "labels" beside the logits.

    Raises InputError, with the place, for what cannot be read or is no number, and where there are no logits.
    """
    if max_rows is not None and max_rows < 1:
        raise InputError(f"max_rows is {max_rows}", hint="keep at least 1 row")
    name = "<stdin>" if source == "-" else source
    with located(source=name), opened(source, stdin) as origin:
        values, leading, labels = _logits(origin, source, key, max_bytes, raw)
        if labels is not None and len(labels) != values.shape[0]:
            raise one_label_each(values.shape[0], len(labels))
        digest = origin.sha256()
    labels = None if labels is None else labels[:max_rows]
    first = values.first(max_rows) if isinstance(values, Stored) else values[slice(max_rows)]
    return Logits(first, labels, leading, name, digest)


def read_labels(source: str, *, max_bytes: int = MAX_BYTES) -> NDArray[np.int64]:
    """The labels in a file of any of those formats (or standard input, "-"): int64 of shape (labels,), not empty.

    Any shape is flattened. Where the file holds several arrays, it is the one called "labels". Floats are accepted
    where they are whole; negative labels too. A file of more than ``max_bytes`` is refused. Raises InputError for
    inf, nan, fractions, bool and everything else.
    """
    with located(source="<stdin>" if source == "-" else source), opened(source, None) as origin:
        origin.limit = max_bytes
        if origin.size is not None and origin.size > max_bytes:
            raise too_large("a file of labels", size_of(origin.size), max_bytes, "raise --max-bytes")
        labels = _labels(origin, source, max_bytes)
        origin.sha256()
        if not labels.size:
            raise InputError("no labels: the list is empty")
    return labels


def read_array(source: str, *, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """The one array in a file of any of those formats, held whole, in its own shape: bool, integers or floats.

    JSON's numbers are integers where all are written as such, those of CSV and JSON lines are floats. Raises InputError
    as ``read_logits`` does, and for a file of more than ``max_bytes``.
    """
    with located(source="<stdin>" if source == "-" else source), opened(source, None) as origin:
        if origin.size is not None and origin.size > max_bytes:
            raise too_large("an array", size_of(origin.size), max_bytes, "raise --max-bytes")
        found = kind(origin.head, source)
        if found == "lines" or (found == "json" and json_lines.is_lines(origin, max_bytes)):
            values: NDArray[Any] = json_lines.logits(origin, max_bytes, None)[0][:]
        elif found == "json":
            values = json.array(text.whole(origin, max_bytes, "a JSON document"))
        elif found == "csv":
            values = csv.logits(origin, max_bytes)[0][:]
        else:
            members = _members(found, origin, max_bytes, None, masks=True)
            values = members[chosen(members, None)]().array()
        origin.sha256()
    return values


def _logits(origin: Origin, path: str, key: str | None, limit: int, raw: str | None) -> Found:
    found = kind(origin.head, path)
    if found == "lines" or (found == "json" and json_lines.is_lines(origin, limit)):
        return json_lines.logits(origin, limit, key)
    if found == "json":
        return json.logits(text.whole(origin, limit, "a JSON document"), key)
    if found == "csv":
        if key is not None:
            raise InputError(f"there is no array {key!r}: rows of numbers have no names")
        return csv.logits(origin, limit)
    members = _members(found, origin, limit, raw)
    name = chosen(members, key)
    logits = members[name]()
    logits.check_logits()
    beside = members["labels"]() if "labels" in members and name != "labels" else None
    if beside is not None and beside.count != logits.count // logits.classes:
        raise one_label_each(logits.count // logits.classes, beside.count)
    # Of a pipe what comes first has to be read first.
    labels = beside.labels() if beside is not None and beside.offset < logits.offset else None
    rows = logits.rows()
    if beside is not None and labels is None:
        labels = beside.labels()
    return rows, logits.shape[:-1], labels


def _labels(origin: Origin, path: str, limit: int) -> Labels:
    found = kind(origin.head, path)
    if found == "lines" or (found == "json" and json_lines.is_lines(origin, limit)):
        return json_lines.labels(origin, limit)
    if found == "json":
        return json.labels(text.whole(origin, limit, "a JSON document"))
    if found == "csv":
        return csv.labels(origin, limit)
    members = _members(found, origin, limit, None)
    return members["labels" if "labels" in members else chosen(members, None)]().labels()


def _members(
    found: str, origin: Origin, limit: int, raw: str | None, masks: bool = False
) -> dict[str, Callable[[], Member]]:
    """The arrays in a file by their names, each looked at only when called; a .npy file holds the one called ""."""
    if found == "npy":
        return {"": lambda: npy.member(origin, raw, masks)}
    return npz.members(origin, limit, raw, masks) if found == "zip" else safetensors.members(origin)
