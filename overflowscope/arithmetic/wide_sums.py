"""NumPy's arithmetic as accelerators have it: what adds up runs in float32 and is rounded once, in narrow formats.

That is how tensor cores multiply matrices of float16 and bfloat16, and how the kernels beside them reduce. NumPy's own
matmul of float16 rounds every sum, and takes thirty times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WIDER = np.dtype(np.float32)


class WideSums:
    """The namespace of NumPy, but for ``matmul``, ``sum`` and ``mean`` of arrays narrower than float32.

    These are of the operands' format again: inf (nan where it has no infinity) for what passes its largest number.
    Nothing is different for float32 and float64.
    """

    @staticmethod
    def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in which numbers of this one are added up."""
        return WIDER if dtype.itemsize < WIDER.itemsize else dtype

    def matmul(self, a: Any, b: Any) -> Any:
        wide = self.accumulator(a.dtype)
        return np.matmul(a.astype(wide, copy=False), b.astype(wide, copy=False)).astype(a.dtype, copy=False)

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.sum(x, axis=axis, keepdims=keepdims, dtype=self.accumulator(x.dtype)).astype(x.dtype)

    def mean(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.mean(x, axis=axis, keepdims=keepdims, dtype=self.accumulator(x.dtype)).astype(x.dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)
