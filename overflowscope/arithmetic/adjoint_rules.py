"""How each operation hands an adjoint on to its operands: one line of a table for most, in torch's formulas.

A rule is a function ``(xp, g, q, *args, **kwargs)``: ``g`` is the adjoint of the operation's result ``q``, the rest is
what the operation was called with; it gives the adjoint of one operand, in the result's shape or the operand's own
(over broadcast axes the caller sums). Rules run over the namespace ``xp`` on its own arrays, so that every product in
them is rounded as the recorded steps are. Which of several equal formulas is taken matters: -g (q / b) is finite where
b b overflows. Source: PyTorch 2.13, tools/autograd/derivatives.yaml and FunctionsManual.cpp.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic import constant, held
from overflowscope.errors import Unmeasured

Rule = Callable[..., Any]


class NoGradient(Unmeasured):
    """The steps of a calculation cannot be differentiated: something in them has no rule, or cannot be seen."""

    status = "refused"


LN10 = "2.302585092994045684017991454684364207601101488628772976033327900967572609677352480235997205089598298"


def scatter(xp: Any, g: Any, places: NDArray[np.intp], shape: tuple[int, ...]) -> Any:
    """An array of ``shape`` with each number of ``g`` at its flat place; what meets at one is added in g's order."""
    size, flat = math.prod(shape), places.reshape(-1)
    if not flat.size:
        return xp.broadcast_to(constant(g, "0"), shape)
    given, total = xp.reshape(g, (-1,)), None
    turns = _turns(flat, size)
    for turn in range(int(turns.max()) + 1):
        now = np.flatnonzero(turns == turn)
        source, filled = np.zeros(size, np.intp), np.zeros(size, np.bool_)
        source[flat[now]], filled[flat[now]] = now, True
        part = xp.where(filled, given[source], constant(g, "0"))
        total = part if total is None else total + part
    return xp.reshape(total, shape)


def _turns(flat: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Of each place, how many before it are the same."""
    turns = np.zeros(flat.size, np.intp)
    if np.bincount(flat, minlength=size).max() > 1:
        order = np.argsort(flat, kind="stable")
        turns[order] = np.arange(flat.size) - np.searchsorted(flat[order], flat[order])
    return turns


def _places(x: Any) -> NDArray[np.intp]:
    """The flat place of each number."""
    shape: tuple[int, ...] = x.shape
    return np.arange(math.prod(shape), dtype=np.intp).reshape(shape)


def _moved(pick: Callable[..., Any]) -> Rule:
    """The rule of an operation that picks numbers, given as what it does to an array of their places."""
    return lambda xp, g, q, x, *args, **kwargs: scatter(xp, g, np.asarray(pick(_places(x), *args, **kwargs)), x.shape)


def _transpose(xp: Any, g: Any, q: Any, x: Any, *axes: Any, **named: Any) -> Any:
    chosen = named.get("axes", axes[0] if len(axes) == 1 else axes or None)
    return xp.transpose(g, None if chosen is None else tuple(np.argsort([a % x.ndim for a in chosen]).tolist()))


def _part(index: Callable[[Any, int, int], Any]) -> Rule:
    """The rule of a joining of arrays: the part of g that the array number ``at`` went to, by its index."""

    def rule(xp: Any, g: Any, q: Any, arrays: Any, axis: int | None = 0, *, at: int) -> Any:
        if axis is None:
            raise NoGradient("no gradient is known of concatenate with axis=None")
        axis %= q.ndim
        return g[(slice(None),) * axis + (index(arrays, axis, at),)]

    return rule


def _span(arrays: Any, axis: int, at: int) -> slice:
    before = sum(a.shape[axis] for a in arrays[:at])
    return slice(before, before + arrays[at].shape[axis])


def _reshape(xp: Any, g: Any, q: Any, x: Any, *args: Any, order: str = "C", **kwargs: Any) -> Any:
    if {"A", "F", "K"} & {order, *(a for a in args if isinstance(a, str))}:
        raise NoGradient("no gradient is known of a reshape in another order than C")
    return xp.reshape(g, x.shape)


# Reductions


def _axes(q: Any, x: Any, axis: Any) -> tuple[int, ...]:
    """The axes of x that were reduced to make q. NumPy's add.reduce, unlike its sum, takes the first unless told."""
    if axis is None:
        return tuple(range(x.ndim)) if q.size == 1 else (0,)
    return tuple(i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _kept(xp: Any, a: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """With the reduced axes as axes of one number."""
    return xp.reshape(a, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _sum(xp: Any, g: Any, q: Any, x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
    for odd in ("where", "initial", "mean"):
        if odd in kwargs:
            raise NoGradient(f"no gradient is known of a reduction with {odd}=")
    return xp.broadcast_to(_kept(xp, g, x, _axes(q, x, axis)), x.shape)


def _mean(xp: Any, g: Any, q: Any, x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _sum(xp, g, q, x, axis, **kwargs) / constant(g, str(_count(q, x)))


def _count(q: Any, x: Any) -> int:
    """How many numbers went into each of q."""
    return int(x.size // max(1, q.size))


def _extreme(xp: Any, g: Any, q: Any, x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Of max and min: (g mask) / count, so that equal ones share and an infinite g is nan beside them."""
    axes = _axes(q, x, axis)
    mask = x == _kept(xp, q, x, axes)
    chosen = xp.where(mask, constant(g, "1"), constant(g, "0"))
    shared = _sum(xp, g, q, x, axis, **kwargs) * chosen
    return shared / held(g, np.count_nonzero(mask, axis=axes, keepdims=True))


def _var(xp: Any, g: Any, q: Any, x: Any, axis: Any = None, *args: Any, ddof: int = 0, **kwargs: Any) -> Any:
    axes, ddof = _axes(q, x, axis), kwargs.pop("correction", ddof)
    wide = _sum(xp, g, q, x, axis, **kwargs)
    # As torch divides: 0 degrees of freedom give inf or nan.
    two = held(g, np.divide(2.0, _count(q, x) - ddof))
    return (two * wide) * (x - _kept(xp, xp.mean(x, axis=axes[0] if len(axes) == 1 else axes), x, axes))


def _std(xp: Any, g: Any, q: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    of_variance = xp.where(q == constant(q, "0"), constant(g, "0"), g / (constant(q, "2") * q))
    return _var(xp, of_variance, q, x, *args, **kwargs)


def _prod(xp: Any, g: Any, q: Any, x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
    if np.any(x == constant(x, "0")):
        raise NoGradient("no gradient is known of a product with a factor 0")
    return _sum(xp, g * q, q, x, axis, **kwargs) / x


# Of one or two operands


def _sign(xp: Any, x: Any) -> Any:
    zero, one = constant(x, "0"), constant(x, "1")
    return xp.where(x > zero, one, xp.where(x < zero, -one, zero))


def _half_of_ties(beaten: Callable[[Any, Any], Any], other: bool) -> Rule:
    """Of maximum and minimum: half where both operands are equal, nothing where this one is ``beaten``."""

    def rule(xp: Any, g: Any, q: Any, a: Any, b: Any) -> Any:
        half = xp.where(a == b, g / constant(g, "2"), g)
        return xp.where(beaten(b, a) if other else beaten(a, b), constant(g, "0"), half)

    return rule


def _clip(xp: Any, g: Any, q: Any, x: Any, *ends: Any, **named: Any) -> Any:
    given = (*ends, *(named.get(k, named.get(f"a_{k}")) for k in ("min", "max")[len(ends) :]))
    low, high = (None if e is None else e for e in given[:2])
    inside = np.True_ if low is None else x >= low
    return xp.where(inside if high is None else inside & (x <= high), g, constant(g, "0"))


def _base(xp: Any, g: Any, q: Any, x: Any, exponent: Any) -> Any:
    e = _arrayed(x, exponent)
    return xp.where(e == constant(g, "0"), constant(g, "0"), g * (e * xp.power(x, e - constant(g, "1"))))


def _exponent(xp: Any, g: Any, q: Any, x: Any, exponent: Any) -> Any:
    x = _arrayed(exponent, x)
    sure = (x == constant(g, "0")) & (exponent >= constant(g, "0"))
    return g * xp.where(sure, constant(g, "0"), q * xp.log(x))


def _arrayed(like: Any, value: Any) -> Any:
    """A plain number in the arithmetic of an array; an array as it is."""
    return held(like, value) if isinstance(value, int | float) else value


def _left(xp: Any, g: Any, q: Any, a: Any, b: Any) -> Any:
    """Of a matmul."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else xp.expand_dims(g, -1) * b
    if a.ndim == 1:
        return xp.matmul(b, xp.expand_dims(g, -1))[..., 0]
    return xp.matmul(g, xp.swapaxes(b, -1, -2))


def _right(xp: Any, g: Any, q: Any, a: Any, b: Any) -> Any:
    """Of a matmul."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else xp.expand_dims(a, -1) * xp.expand_dims(g, -2)
    if b.ndim == 1:
        return xp.matmul(xp.swapaxes(a, -1, -2), xp.expand_dims(g, -1))[..., 0]
    return xp.matmul(xp.swapaxes(a, -1, -2), g)


def _dot(of_matmul: Rule, other: int) -> Rule:
    """Of a dot, which is a product beside a number and a matmul beside a vector or a matrix."""

    def rule(xp: Any, g: Any, q: Any, *operands: Any) -> Any:
        axes = [getattr(a, "ndim", 0) for a in operands]
        if axes[1] > 2:
            raise NoGradient(f"no gradient is known of dot with an array of {axes[1]} axes")
        return of_matmul(xp, g, q, *operands) if all(axes) else g * operands[other]

    return rule


def _same(xp: Any, g: Any, *args: Any, **kwargs: Any) -> Any:
    return g


RULES: dict[str, tuple[Rule | None, ...]] = {
    "abs": (lambda xp, g, q, x: g * _sign(xp, x),),
    "add": (_same, _same),
    "astype": (_same,),
    "broadcast_to": (_same,),
    "clip": (_clip,),
    "concatenate": (_part(_span),),
    "copy": (_same,),
    "cos": (lambda xp, g, q, x: g * -xp.sin(x),),
    "divide": (lambda xp, g, q, a, b: g / b, lambda xp, g, q, a, b: -g * (q / b)),
    "dot": (_dot(_left, other=1), _dot(_right, other=0)),
    "exp": (lambda xp, g, q, x: g * q,),
    "exp2": (lambda xp, g, q, x: g * q * constant(g, "ln2"),),
    "expand_dims": (_reshape,),
    "expm1": (lambda xp, g, q, x: g * (q + constant(g, "1")),),
    "flatten": (_reshape,),
    "getitem": (_moved(lambda places, index: places[index]),),
    "log": (lambda xp, g, q, x: g / x,),
    "log10": (lambda xp, g, q, x: g / (x * constant(g, LN10)),),
    "log1p": (lambda xp, g, q, x: g / (x + constant(g, "1")),),
    "log2": (lambda xp, g, q, x: g / (x * constant(g, "ln2")),),
    "logaddexp": (
        lambda xp, g, q, a, b: g / (constant(g, "1") + xp.exp(b - a)),
        lambda xp, g, q, a, b: g / (constant(g, "1") + xp.exp(a - b)),
    ),
    "matmul": (_left, _right),
    "max": (_extreme,),
    "maximum": (_half_of_ties(lambda a, b: a < b, other=False), _half_of_ties(lambda a, b: a < b, other=True)),
    "mean": (_mean,),
    "min": (_extreme,),
    "minimum": (_half_of_ties(lambda a, b: a > b, other=False), _half_of_ties(lambda a, b: a > b, other=True)),
    "moveaxis": (lambda xp, g, q, x, source, destination: xp.moveaxis(g, destination, source),),
    "multiply": (lambda xp, g, q, a, b: g * b, lambda xp, g, q, a, b: g * a),
    "negative": (lambda xp, g, q, x: -g,),
    "positive": (_same,),
    "power": (_base, _exponent),
    "prod": (_prod,),
    "ravel": (_reshape,),
    "reciprocal": (lambda xp, g, q, x: -g * (q * q),),
    "reshape": (_reshape,),
    "sin": (lambda xp, g, q, x: g * xp.cos(x),),
    "sqrt": (lambda xp, g, q, x: g / (constant(g, "2") * q),),
    "square": (lambda xp, g, q, x: g * (constant(g, "2") * x),),
    "squeeze": (_reshape,),
    "stack": (_part(lambda arrays, axis, at: at),),
    "std": (_std,),
    "subtract": (_same, lambda xp, g, q, a, b: -g),
    "sum": (_sum,),
    "swapaxes": (lambda xp, g, q, x, axis1, axis2: xp.swapaxes(g, axis1, axis2),),
    "take": (_moved(np.take),),
    "take_along_axis": (_moved(np.take_along_axis),),
    "tanh": (lambda xp, g, q, x: g * (constant(g, "1") - q * q),),
    "transpose": (_transpose,),
    "var": (_var,),
    "where": (
        None,
        lambda xp, g, q, condition, a, b: xp.where(condition, g, constant(g, "0")),
        lambda xp, g, q, condition, a, b: xp.where(condition, constant(g, "0"), g),
    ),
}
"""Of each operation by NumPy's name, the rules of its operands in the order of the call; None for one without."""

ALIASES = {
    "T": "transpose",
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "concat": "concatenate",
    "permute_dims": "transpose",
    "pow": "power",
    "true_divide": "divide",
}
"""Further names of the same."""


NEUTRAL = {"casting", "dtype", "out", "subok"}
"""Arguments by name that rules are not told: in which format an operation ran, its result says."""


def of(operation: str, place: int, args: Sequence[Any] = (), named: Mapping[str, Any] = MappingProxyType({})) -> Rule:
    """The rule of the operand at that place of the call. Raises NoGradient where there is none, or none with these."""
    rules = RULES.get(ALIASES.get(operation, operation), ())
    rule = rules[place] if place < len(rules) else None
    if rule is None:
        which = f" in argument {place + 1}" if rules else ""
        raise NoGradient(f"no gradient is known of {operation}{which}")
    if named:
        try:
            inspect.signature(rule).bind(None, None, None, *args, **named)
        except TypeError:
            raise NoGradient(f"no gradient is known of {operation} with {', '.join(f'{k}=' for k in named)}") from None
    return rule
