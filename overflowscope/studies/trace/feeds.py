"""Which elements of its operands an element of a step's result was made of.

``made_of(step, which, mask)`` marks the elements of an operand that feed the marked elements of the result;
``reached(step, which, mask)`` the elements of the result that marked elements of an operand feed. Of an operation whose
inner workings are not known here every element feeds every other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.recording import Step

Mask = NDArray[np.bool_]

REDUCTIONS = {
    *("sum", "prod", "max", "amax", "min", "amin", "mean", "var", "std", "average", "median", "ptp", "logsumexp"),
    *("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"),
}
ALONG = {"cumsum", "cumprod", "softmax", "log_softmax", "sort"}
"""Within one line of an axis every element feeds every other."""
OF_ONE = REDUCTIONS | ALONG | {"round", "astype", "diff", "roll", "trace", "nan_to_num"}
"""Functions of one array, whatever else they are called with by place."""
MEETING = {"where", "clip", "astype", "round", "around", "nan_to_num", "assign", "sigmoid", "negative", "abs"}
"""Whose operands meet element by element, beside NumPy's ufuncs."""


def made_of(step: Step, which: int, mask: Mask) -> Mask:
    """Of the operand's shape, for a mask of the result's."""
    shape = np.shape(step.operands[which])
    if (axes := reduced(step)) is not None:
        return np.broadcast_to(mask.reshape(_kept(shape, axes)), shape)
    if step.operation in ALONG:
        axis = _axis(step, -1)
        if axis is not None and mask.shape == shape:
            return np.broadcast_to(np.asarray(mask.any(axis=axis, keepdims=True)), shape)
    if step.operation == "matmul" and (parts := _matmul(step)):
        return _of_product(parts, which, mask, shape)
    if elementwise(step):
        return _unbroadcast(mask, shape)
    return np.full(shape, bool(mask.any()))


def reached(step: Step, which: int, mask: Mask) -> Mask:
    """Of the result's shape, for a mask of the operand's."""
    shape: tuple[int, ...] = np.shape(step.result)
    if (axes := reduced(step)) is not None:
        return np.asarray(mask.any(axis=axes), np.bool_).reshape(shape)
    if step.operation in ALONG:
        axis = _axis(step, -1)
        if axis is not None and mask.shape == shape:
            return np.broadcast_to(mask.any(axis=axis, keepdims=True), shape)
    if step.operation == "matmul" and (parts := _matmul(step)):
        return _to_product(parts, which, mask, shape)
    if elementwise(step):
        return np.broadcast_to(mask, shape)
    return np.full(shape, bool(mask.any()))


def elementwise(step: Step) -> bool:
    """Whether its operands meet element by element, broadcast."""
    ufunc = getattr(np, step.operation, None)
    if step.operation not in MEETING and not (isinstance(ufunc, np.ufunc) and ufunc.signature is None):
        return False
    try:
        shape = np.broadcast_shapes(*(np.shape(a) for a in step.operands))
    except ValueError:
        return False
    return bool(shape == np.shape(step.result))


def reduced(step: Step) -> tuple[int, ...] | None:
    """The axes over which a reduction of its first operand runs; None for what is none."""
    if step.operation not in REDUCTIONS or not step.operands:
        return None
    shape = np.shape(step.operands[0])
    axis = _axis(step, None)
    try:
        axes = range(len(shape)) if axis is None else np.atleast_1d(axis).tolist()
        normal = tuple(sorted({a % len(shape) for a in axes})) if shape else ()
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    size = int(np.prod([n for i, n in enumerate(shape) if i not in normal]))
    return normal if size == np.size(step.result) else None


def _axis(step: Step, otherwise: Any) -> Any:
    if "axis" in step.kwargs:
        return step.kwargs["axis"]
    given = step.args[1] if len(step.args) > 1 else otherwise
    return given if given is None or isinstance(given, int | tuple | np.integer) else otherwise


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _unbroadcast(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Any along the axes that were broadcast."""
    mask = np.asarray(mask.any(axis=tuple(range(mask.ndim - len(shape)))) if mask.ndim > len(shape) else mask)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and mask.shape[i] != 1)
    return np.asarray(mask.any(axis=axes, keepdims=True) if axes else mask, np.bool_)


# Of a product of matrices: rows of the first by columns of the second; a vector is a row or a column


def _matmul(step: Step) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The shapes of the two operands as matrices."""
    shapes = [np.shape(a) for a in step.operands]
    if len(shapes) != 2 or not shapes[0] or not shapes[1]:
        return None
    a, b = shapes
    return (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))


def _as_matrix(mask: Mask, parts: tuple[tuple[int, ...], tuple[int, ...]]) -> Mask:
    a, b = parts
    return mask.reshape((*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]))


def _of_product(parts: tuple[tuple[int, ...], tuple[int, ...]], which: int, mask: Mask, shape: tuple[int, ...]) -> Mask:
    whole = _as_matrix(mask, parts)
    along = whole.any(axis=-1, keepdims=True) if which == 0 else whole.any(axis=-2, keepdims=True)
    full = np.broadcast_to(along, (*along.shape[:-2], *parts[which][-2:]))
    return _unbroadcast(full, parts[which]).reshape(shape)


def _to_product(parts: tuple[tuple[int, ...], tuple[int, ...]], which: int, mask: Mask, shape: tuple[int, ...]) -> Mask:
    a, b = parts
    matrix = mask.reshape(parts[which])
    along = matrix.any(axis=-1, keepdims=True) if which == 0 else matrix.any(axis=-2, keepdims=True)
    full = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    return np.broadcast_to(along, full).reshape(shape)


def places(mask: Mask) -> list[tuple[int, ...]]:
    """Where a mask is true, in C order; () is the place in an array without axes."""
    return [tuple(place) for place in np.argwhere(mask).tolist()]
