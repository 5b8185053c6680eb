"""Shadows: the exact value beside every computed one, as an enclosure.

One rule per NumPy function, from enclosures of its operands to those of its result. A function without a rule is not
enclosed: its result is LINE, and so is all that is computed from it; ``unruled`` names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath.libmp import from_float
from numpy.typing import NDArray

from overflowscope.arithmetic.extended import UNDEFINED, Extended
from overflowscope.arithmetic.intervals import LINE, Element

__all__ = ["LINE", "UNDEFINED", "Elements", "Shadows"]

Elements = NDArray[Any]
"""An object array of intervals.Element."""
Rule = Callable[..., Any]


class Shadows:
    """How exact values are kept: ``bits`` of working precision; none for steps of more than ``elements`` elements."""

    def __init__(self, bits: int = 256, elements: int = 2_000_000):
        self.extended, self.elements = Extended(bits), elements
        self.unruled: list[str] = []

    def enclosed(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: tuple[int, ...]) -> Elements:
        """The result of NumPy's function on enclosures (object arrays) and plain numbers: an array of that shape."""
        rule = RULES.get(name)
        if rule is None:
            if name not in self.unruled:
                self.unruled.append(name)
            return filled(shape, LINE)
        return np.broadcast_to(boxed(rule(self.extended, *args, **kwargs)), shape)


def lifted(values: Any) -> Elements:
    """The numbers themselves: points, infinities, and UNDEFINED for nan. Object arrays are enclosures already."""
    array = np.asarray(values)
    if array.dtype == object:
        return array
    return boxed(np.frompyfunc(_point, 1, 1)(array.astype(np.float64)))


def _point(x: float) -> Element:
    if x != x:
        return UNDEFINED
    raw = from_float(x)
    return raw, raw, False, False


def boxed(elements: Any) -> Elements:
    """An array, also of a single element."""
    if isinstance(elements, np.ndarray):
        return elements
    return filled((), elements)


def filled(shape: tuple[int, ...], element: Element) -> Elements:
    result = np.empty(shape, object)
    flat = result.reshape(-1)
    for i in range(flat.size):
        flat[i] = element
    return result


def _elementwise(name: str) -> Rule:
    def rule(x: Extended, *operands: Any) -> Any:
        function = getattr(x, name)
        return np.frompyfunc(function, len(operands), 1)(*map(lifted, operands))

    return rule


def _rows(a: Elements, axis: Any) -> tuple[Elements, tuple[int, ...]]:
    """The reduced axes flattened and last, and the shape of the result with them kept."""
    axes = range(a.ndim) if axis is None else [i % a.ndim for i in (axis if isinstance(axis, tuple) else (axis,))]
    moved = np.moveaxis(a, list(axes), range(-len(axes), 0)) if len(axes) else a[..., None]
    outer = moved.shape[: a.ndim - len(axes)]
    return moved.reshape(*outer, -1), tuple(1 if i in axes else n for i, n in enumerate(a.shape))


def _reduced(function: Callable[[list[Element]], Element], a: Any, axis: Any, keepdims: bool) -> Elements:
    rows, kept = _rows(lifted(a), axis)
    outer = rows.shape[:-1]
    result = np.empty(outer, object)
    flat = result.reshape(-1)
    for i, row in enumerate(rows.reshape(flat.size, rows.shape[-1]).tolist()):
        flat[i] = function(row)
    return result.reshape(kept) if keepdims else result


def _sum(x: Extended, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return _reduced(x.total, a, axis, bool(keepdims))


def _max(x: Extended, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return _reduced(x.largest, a, axis, bool(keepdims))


RULES: dict[str, Rule] = {
    **{
        name: _elementwise(name)
        for name in ("add", "subtract", "multiply", "divide", "negative", "exp", "log", "sqrt", "maximum", "minimum")
    },
    "sum": _sum,
    "max": _max,
}
