"""Arrays of enclosures: NumPy object arrays of intervals.Element, of which an element is a tuple."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath.libmp import from_float
from numpy.typing import NDArray

from overflowscope.arithmetic.extended import UNDEFINED
from overflowscope.arithmetic.intervals import Element

Elements = NDArray[Any]
Row = list[Element]


def boxed(elements: Any) -> Elements:
    """An array, also of a single element."""
    return elements if isinstance(elements, np.ndarray) else filled((), elements)


def filled(shape: tuple[int, ...], element: Any) -> Elements:
    return arranged([element] * math.prod(shape), shape)


def arranged(elements: list[Any], shape: tuple[int, ...]) -> Elements:
    """The elements, in C order, in an array of that shape."""
    result = np.empty(len(elements), object)
    for i, element in enumerate(elements):
        result[i] = element
    return result.reshape(shape)


def lifted(values: Any) -> Any:
    """The numbers themselves: points, infinities, and UNDEFINED for nan. Enclosures, and None, stay as they are."""
    if values is None:
        return None
    array = np.asarray(values.numbers if hasattr(values, "numbers") else values)
    if array.dtype == object:
        return array
    return arranged([point(x) for x in array.astype(np.float64).ravel().tolist()], array.shape)


def point(x: float) -> Element:
    if x != x:
        return UNDEFINED
    raw = from_float(x)
    return raw, raw, False, False


def each(function: Callable[..., Element], *operands: Elements) -> Elements:
    """Element by element, broadcast."""
    return boxed(np.frompyfunc(function, len(operands), 1)(*operands))


def rows_along(a: Any, axis: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Rows to reduce (n, m), the shape of what they came from, and that of the result with its axes kept."""
    axes = range(a.ndim) if axis is None or not a.ndim else [int(i) % a.ndim for i in np.atleast_1d(axis).tolist()]
    moved = np.moveaxis(a, list(axes), range(a.ndim - len(axes), a.ndim))
    outer = moved.shape[: a.ndim - len(axes)]
    length = int(np.prod(moved.shape[a.ndim - len(axes) :], dtype=int))
    rows = moved.reshape(int(np.prod(outer, dtype=int)), length)
    return rows, outer, tuple(1 if i in axes else n for i, n in enumerate(a.shape))


def reduced(function: Callable[[Row], Any], a: Elements, axis: Any, keepdims: Any, where: Any = True) -> Elements:
    """The function of every row of numbers along the axes; ``where`` says which of them count."""
    rows, outer, kept = rows_along(a, axis)
    lists = rows.tolist()
    if where is not True:
        counted, _, _ = rows_along(np.broadcast_to(where, a.shape), axis)
        lists = [[e for e, c in zip(*both, strict=True) if c] for both in zip(lists, counted.tolist(), strict=True)]
    return arranged([function(row) for row in lists], kept if keepdims else outer)
