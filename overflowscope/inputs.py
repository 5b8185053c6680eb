"""What is measured: logits as given, in float64, before any rounding to a format."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overflowscope import formats
from overflowscope.errors import InputError

MOST = 10**12
"""More logits than this are refused at once."""


class Rows(Protocol):
    """Rows of numbers, wherever they lie: an array of float64, or a record that reads them on demand.

    ``shape`` is (rows, classes); ``[start:stop]`` is a C-contiguous float64 array of these rows. What is not in memory
    is small and can be pickled for another process of this machine; slicing it raises InputError where the bytes
    are no longer those that were checked.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True)
class Logits:
    """Rows of logits, C-contiguous float64 of shape (rows, classes), inf and nan included, neither axis empty.

    ``labels`` is int64 of shape (rows,), or None where the source has none; ``leading`` is the shape before its
    leading axes were flattened into rows (``()`` for a single vector); ``sha256`` is of the source's bytes.
    """

    values: Rows
    labels: NDArray[np.int64] | None
    leading: tuple[int, ...]
    source: str
    sha256: str


def of_arrays(logits: ArrayLike, labels: ArrayLike | None) -> Logits:
    """Arrays as input: logits of shape (..., classes), labels of shape (...). Raises InputError."""
    try:
        array = np.asarray(logits)
    except ValueError as error:
        raise InputError(f"logits that are no array: {error}") from None
    if array.ndim == 0 or not array.size:
        raise InputError(f"no logits: an array of shape {array.shape}", hint="(rows, classes) is wanted")
    if array.dtype.kind not in "fiu" and array.dtype.name not in formats.FORMATS:
        raise InputError(f"logits of dtype {array.dtype.name}", hint="real numbers are wanted")
    values = np.ascontiguousarray(array.astype(np.float64).reshape(-1, array.shape[-1]))
    checked = None
    if labels is not None:
        classes = np.asarray(labels)
        if classes.dtype.kind not in "iu" or classes.size != len(values):
            raise InputError(f"labels of dtype {classes.dtype.name}, {classes.size} for {len(values)} rows")
        checked = classes.astype(np.int64).ravel()
    digest = hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
    return Logits(values, checked, array.shape[:-1], "array", digest)
