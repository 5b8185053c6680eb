"""Rules of reductions and products, see shadow_rules.py."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from overflowscope.arithmetic.elements import Elements, Row, boxed, each, filled, lifted, reduced
from overflowscope.arithmetic.extended import UNDEFINED, ZERO
from overflowscope.arithmetic.extended_functions import Functions
from overflowscope.arithmetic.intervals import LINE, Element

Rule = Callable[..., Any]
MOST = 10**6
"""Products that einsum may sum."""


def total(join: str, of: str, skip: bool = False) -> Rule:
    """Of sum and prod, and their likes that skip what has no value; ``join`` takes in an initial number."""

    def rule(
        x: Functions, a: Elements, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = None, where: Any = True,
    ) -> Elements:  # fmt: skip
        function = _skipping(getattr(x, of), skip)
        result = reduced(function, a, axis, keepdims, where)
        return result if initial is None else each(getattr(x, join), result, initial)

    return rule


def extreme(join: str, skip: bool = False) -> Rule:
    """Of max and min: of nothing but what has no value UNDEFINED."""

    def rule(
        x: Functions, a: Elements, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
        where: Any = True,
    ) -> Elements:  # fmt: skip
        of = getattr(x, join)

        def function(row: Row) -> Element:
            row = row if initial is None else [initial[()], *row]
            return functools.reduce(of, row) if row else UNDEFINED

        return reduced(_skipping(function, skip), a, axis, keepdims, where)

    return rule


def averaged(of: str, skip: bool = False, root: bool = False) -> Rule:
    """Of mean, variance and, with the root, standard deviation."""

    def rule(
        x: Functions, a: Elements, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: Any = False, *, where: Any = True, correction: Any = None,
    ) -> Elements:  # fmt: skip
        less = ddof if correction is None else correction
        if less != int(less):
            return filled((), LINE)
        function = getattr(x, of)
        result = reduced(_skipping(lambda row: function(row, int(less)), skip), a, axis, keepdims, where)
        return each(x.sqrt, result) if root else result

    return rule


def mean(skip: bool = False) -> Rule:
    deviating = averaged("mean", skip)

    def rule(
        x: Functions, a: Elements, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *,
        where: Any = True,
    ) -> Elements:  # fmt: skip
        result: Elements = deviating(x, a, axis, keepdims=keepdims, where=where)
        return result

    return rule


def _skipping(function: Callable[[Row], Element], skip: bool) -> Callable[[Row], Element]:
    return (lambda row: function([e for e in row if e != UNDEFINED])) if skip else function


def average(x: Functions, a: Elements, axis: Any = None, weights: Any = None, *, keepdims: Any = False) -> Elements:
    if weights is None:
        return reduced(x.mean, a, axis, keepdims)
    if weights.ndim < a.ndim and isinstance(axis, int):
        weights = weights.reshape([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
    products, weights = each(x.multiply, a, weights), np.broadcast_to(weights, a.shape)
    return each(x.divide, *(reduced(x.total, v, axis, keepdims) for v in (products, weights)))


def median(x: Functions, a: Elements, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Elements:
    return reduced(x.median, a, axis, keepdims)


def spread(x: Functions, a: Elements, axis: Any = None, out: Any = None, keepdims: Any = False) -> Elements:
    """max - min."""
    return each(x.subtract, *(extreme(of)(x, a, axis, None, keepdims) for of in ("maximum", "minimum")))


def norm(x: Functions, a: Elements, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Elements:
    """Of vectors the norms 1, 2 and inf, of matrices that of Frobenius."""
    vectors = (axis is not None and not isinstance(axis, tuple)) or (axis is None and a.ndim == 1)
    if ord is None or (ord == 2 and vectors) or (ord == "fro" and not vectors):
        return each(x.sqrt, reduced(lambda row: x.total([x.square(e) for e in row]), a, axis, keepdims))
    if vectors and ord in (1, np.inf):
        size = x.total if ord == 1 else functools.partial(functools.reduce, x.maximum)
        return reduced(lambda row: size([x.absolute(e) for e in row]), a, axis, keepdims)
    return filled((), LINE)


# Along an axis


def accumulated(of: str) -> Rule:
    def rule(x: Functions, a: Elements, axis: Any = None, dtype: Any = None, out: Any = None) -> Elements:
        a, axis = (a.reshape(-1), 0) if axis is None else (a, axis)
        result: Elements = a.copy()
        rows, turned = np.moveaxis(a, axis, 0), np.moveaxis(result, axis, 0)
        for i in range(1, len(rows)):
            turned[i] = each(getattr(x, of), turned[i - 1] if a.ndim > 1 else boxed(turned[i - 1]), boxed(rows[i]))[()]
        return result

    return rule


def differences(x: Functions, a: Elements, n: int = 1, axis: int = -1) -> Elements:
    for _ in range(n):
        rows = np.moveaxis(a, axis, 0)
        a = np.moveaxis(each(x.subtract, rows[1:], rows[:-1]), 0, axis)
    return a


def polynomial(x: Functions, p: Elements, a: Elements) -> Elements:
    """Horner's rule, as np.polyval; exactly evaluated the order does not matter."""
    result = filled((), ZERO)
    for c in p.tolist():
        result = each(x.add, each(x.multiply, result, a), filled((), c))
    return result


# Products


def matmul(x: Functions, a: Elements, b: Elements) -> Elements:
    """A vector is a row on the left and a column on the right, and its axis is left out of the result."""
    left, right = a if a.ndim > 1 else a[None, :], b if b.ndim > 1 else b[:, None]
    outer = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    lefts = np.broadcast_to(left, outer + left.shape[-2:])
    rights = np.broadcast_to(np.swapaxes(right, -1, -2), (*outer, right.shape[-1], right.shape[-2]))
    result = np.empty((*outer, left.shape[-2], right.shape[-1]), object)
    for index in np.ndindex(outer):
        columns = rights[index].tolist()
        for i, row in enumerate(lefts[index].tolist()):
            for j, column in enumerate(columns):
                result[index][i, j] = x.dot(row, column)
    result = result if a.ndim > 1 else result[..., 0, :]
    return result if b.ndim > 1 else boxed(result[..., 0])


def dot(x: Functions, a: Elements, b: Elements) -> Elements:
    if a.ndim == 0 or b.ndim == 0:
        return each(x.multiply, a, b)
    return matmul(x, a, b) if b.ndim <= 2 else filled((), LINE)


def inner(x: Functions, a: Elements, b: Elements) -> Elements:
    if a.ndim == 0 or b.ndim == 0:
        return each(x.multiply, a, b)
    return matmul(x, a, b.T) if b.ndim <= 2 else filled((), LINE)


def tensordot(x: Functions, a: Elements, b: Elements, axes: Any = 2) -> Elements:
    """The summed axes last on the left and first on the right, and a product of matrices."""
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    left, right = ([int(i) % v.ndim for i in np.atleast_1d(names)] for v, names in zip((a, b), axes, strict=True))
    rest = [[i for i in range(v.ndim) if i not in summed] for v, summed in ((a, left), (b, right))]
    count = math.prod(a.shape[i] for i in left)
    rows = np.transpose(a, [*rest[0], *left]).reshape(-1, count)
    columns = np.transpose(b, [*right, *rest[1]]).reshape(count, -1)
    return matmul(x, rows, columns).reshape([a.shape[i] for i in rest[0]] + [b.shape[i] for i in rest[1]])


def vdot(x: Functions, a: Elements, b: Elements) -> Elements:
    return filled((), x.dot(a.ravel().tolist(), b.ravel().tolist()))


def outer(x: Functions, a: Elements, b: Elements) -> Elements:
    return each(x.multiply, a.reshape(-1, 1), b.reshape(1, -1))


def trace(x: Functions, a: Elements, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Elements:
    return reduced(x.total, np.diagonal(a, offset, axis1, axis2), -1, False)


def einsum(x: Functions, subscripts: Any, *operands: Any, optimize: Any = False) -> Elements:
    """Every operand over all axes that are named, multiplied, and summed over those that the result leaves out."""
    if not isinstance(subscripts, str) or "." in subscripts:
        return filled((), LINE)
    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    parts = given.split(",")
    names = sorted(set(given) - {","})
    wanted = wanted if arrow else "".join(n for n in names if given.count(n) == 1)
    sizes = {n: size for p, o in zip(parts, operands, strict=True) for n, size in zip(p, np.shape(o), strict=True)}
    if math.prod(sizes.values()) > MOST:
        return filled((), LINE)
    spread: Sequence[Elements] = [_spread_out(lifted(o), part, names) for o, part in zip(operands, parts, strict=True)]
    product = functools.reduce(lambda a, b: each(x.multiply, a, b), spread)
    order = [names.index(n) for n in wanted]
    rest = [i for i, n in enumerate(names) if n not in wanted]
    turned = np.transpose(product, [*order, *rest])
    return reduced(x.total, turned, tuple(range(len(order), len(names))), False)


def _spread_out(a: Elements, part: str, names: list[str]) -> Elements:
    """With one axis per name, of one number where the operand has it not; of a name that comes twice the diagonal."""
    for name in sorted(set(part)):
        while part.count(name) > 1:
            first, second = part.index(name), part.rindex(name)
            a = np.diagonal(a, 0, first, second)
            part = "".join(c for i, c in enumerate(part) if i not in (first, second)) + name
    held = [n for n in names if n in part]
    a = np.transpose(a, [part.index(n) for n in held])
    return a.reshape([a.shape[held.index(n)] if n in held else 1 for n in names])
