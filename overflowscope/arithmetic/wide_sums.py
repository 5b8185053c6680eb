"""NumPy's arithmetic as accelerators have it: what adds up runs in float32 and is rounded once, in narrow formats.

That is how tensor cores multiply matrices of float16 and bfloat16, and how the kernels beside them reduce. NumPy's own
matmul of float16 rounds every sum, and takes thirty times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.formats import narrowed, of

WIDER = np.dtype(np.float32)


class WideSums:
    """The namespace of NumPy, but for ``matmul``, ``sum`` and ``mean`` of arrays narrower than float32.

    These are of the operands' format again: inf (nan where it has no infinity) for what passes its largest number.
    ``multiply`` and ``subtract`` have NumPy's bits, sooner. Nothing is different for float32 and float64.
    """

    @staticmethod
    def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in which numbers of this one are added up."""
        return WIDER if dtype.itemsize < WIDER.itemsize else dtype

    def matmul(self, a: Any, b: Any) -> Any:
        wide = self.accumulator(a.dtype)
        return _rounded(np.matmul(a.astype(wide, copy=False), b.astype(wide, copy=False)), a.dtype)

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return _rounded(np.sum(x, axis=axis, keepdims=keepdims, dtype=self.accumulator(x.dtype)), x.dtype)

    def mean(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return _rounded(np.mean(x, axis=axis, keepdims=keepdims, dtype=self.accumulator(x.dtype)), x.dtype)

    # Lemma. A product of two numbers of 11 bits has 22 and is exact in float32: it is rounded once. A difference of
    # two is rounded to 24 bits and then to 11, and as 24 >= 2 * 11 + 2 that is the same as once (Figueroa, When is
    # double rounding innocuous?, 1995); a subnormal one is a multiple of 2**-24 below 2**-14, exact in float32.

    def multiply(self, a: Any, b: Any) -> Any:
        return _rounded(np.multiply(_widened(a), _widened(b)), a.dtype)

    def subtract(self, a: Any, b: Any) -> Any:
        return _rounded(np.subtract(_widened(a), _widened(b)), a.dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _widened(x: Any) -> Any:
    """float16 as float32; anything else as it is."""
    return x.astype(WIDER) if x.dtype == np.float16 else x


def _rounded(x: Any, dtype: np.dtype[Any]) -> Any:
    """A result of the accumulator's dtype as one of the operands'."""
    return x if x.dtype == dtype else narrowed(x, of(dtype))
