"""What is measured: logits as given, in float64, before any rounding to a format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
