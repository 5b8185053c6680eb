"""Balls: the namespace over arrays of balls, a whole batch of rows at a time; the fast reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic import ball_functions
from overflowscope.arithmetic.ball_array import BallArray, add, plain, where, zero
from overflowscope.arithmetic.ball_sums import total
from overflowscope.arithmetic.intervals import Indeterminate

NARROW_ROWS = 64
"""Shorter rows are stored column by column: operations along them are then operations on whole columns."""


class Balls:
    """The primitives over BallArray, with midpoints of one word (53 bits) or two (106 bits).

    Operations raise Indeterminate where the extended reals give no value or where the balls do not decide.
    """

    arange = staticmethod(np.arange)
    exp = staticmethod(ball_functions.exp)
    exp2 = staticmethod(ball_functions.exp2)
    log = staticmethod(ball_functions.log)
    log1p = staticmethod(ball_functions.log1p)

    def __init__(self, words: int = 2):
        self.words = words

    def asarray(self, values: NDArray[np.float64]) -> BallArray:
        """The numbers that doubles are, exactly. Those beyond 2**990 are given up as soon as they are used."""
        x = np.asarray(values, np.float64)
        narrow = x.ndim == 2 and x.shape[1] <= NARROW_ROWS
        return BallArray(np.asfortranarray(x) if narrow else x, words=self.words)

    def where(self, condition: NDArray[np.bool_], a: BallArray, b: BallArray) -> BallArray:
        return where(condition, a, b)

    def take_along_axis(self, x: BallArray, indices: NDArray[np.intp], axis: int) -> BallArray:
        return x.each(lambda field: np.take_along_axis(field, indices, axis))

    def argmax(self, x: BallArray, axis: int, keepdims: bool = False) -> NDArray[np.intp]:
        """The first place of the largest number, of numbers known exactly."""
        if not x.doubles:
            raise Indeterminate("argmax of numbers not known exactly")
        return np.argmax(x.hi, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def max(self, x: BallArray, axis: int, keepdims: bool = False) -> BallArray:
        if x.doubles:
            return BallArray(np.max(x.hi, axis=axis, keepdims=keepdims), words=x.words)
        if axis not in (-1, len(x.shape) - 1):
            raise Indeterminate("maxima of balls along the last axis only")
        columns = [x[..., j : j + 1] for j in range(x.shape[axis])]
        largest = columns[0]
        for column in columns[1:]:
            largest = self.maximum(largest, column)
        return largest if keepdims else largest[..., 0]

    def maximum(self, a: BallArray, b: BallArray) -> BallArray:
        """Midpoint and radius are the larger of the two: |max(a, b) - max(a', b')| <= max(|a - a'|, |b - b'|)."""
        a, b = plain(a), plain(b)
        # The sign of the midpoints' difference is exact; it is nan for equal infinities, and where one is not known.
        ma, mb = (BallArray(v.hi, v.lo, words=2) for v in (a, b))
        difference = add(ma, -mb).hi
        found = where(difference >= 0, a, b)
        unknown = np.isnan(difference) & (a.hi != b.hi)
        if found.radius is not None or unknown.any():
            radius = np.where(unknown, np.inf, np.maximum(zero(a.radius), zero(b.radius)))
            # An infinity is exact, whatever was known of the other.
            radius = np.where(np.isinf(found.hi) & (radius < np.inf), 0.0, radius)
            found.radius, found.side = np.broadcast_to(radius, found.shape), None
        return found

    def sum(self, x: BallArray, axis: int, keepdims: bool = False) -> BallArray:
        """Along the last axis."""
        if axis not in (-1, len(x.shape) - 1):
            raise Indeterminate("sums along the last axis only")
        found = total(x)
        return found if keepdims else found[..., 0]
