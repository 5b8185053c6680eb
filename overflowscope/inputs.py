"""What is measured: logits as given, in float64, before any rounding to a format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Logits:
    """Rows of logits, C-contiguous float64 of shape (rows, classes), inf and nan included, neither axis empty.

    ``labels`` is int64 of shape (rows,), or None where the source has none; ``leading`` is the shape before its
    leading axes were flattened into rows (``()`` for a single vector); ``sha256`` is of the source's bytes.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    leading: tuple[int, ...]
    source: str
    sha256: str
