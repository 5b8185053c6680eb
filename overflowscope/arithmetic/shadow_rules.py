"""One rule per NumPy function: from enclosures of its operands to those of its result.

A rule is called as the function is, with extended_functions.Functions before it all and object arrays of enclosures in
place of numbers. What comes back is an object array in the result's shape, or one that broadcasts to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope.arithmetic import shadow_reductions as of
from overflowscope.arithmetic.elements import Elements, each, lifted
from overflowscope.arithmetic.extended import INFINITE, NEGATIVE_INFINITE, UNDEFINED
from overflowscope.arithmetic.extended_functions import Functions
from overflowscope.arithmetic.intervals import LINE

Rule = Callable[..., Any]


# Element by element


def _elementwise(name: str) -> Rule:
    return lambda x, *operands: each(getattr(x, name), *operands)


def _same(x: Functions, a: Elements, *args: Any, **kwargs: Any) -> Elements:
    return a


def _clip(x: Functions, a: Elements, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (v if v is not None else w for v, w in ((a_min, min), (a_max, max)))
    a = a if low is None else each(x.maximum, a, low)
    return a if high is None else each(x.minimum, a, high)


def _where(x: Functions, condition: Any, a: Elements, b: Elements) -> Elements:
    chosen: Elements = np.where(condition, a, b)
    return chosen


def _select(x: Functions, conditions: Any, choices: Any, default: Any = 0) -> Elements:
    result: Elements = lifted(default)
    for condition, choice in list(zip(conditions, choices, strict=True))[::-1]:
        result = np.where(condition, lifted(choice), result)
    return result


def _round(x: Functions, a: Elements, decimals: int = 0) -> Elements:
    """To nearest, ties to even, also of a x 10**decimals where that is a number known to be whole or not."""
    ten = x.power(lifted(10.0)[()], lifted(float(abs(decimals)))[()])
    up, down = (x.multiply, x.divide) if decimals >= 0 else (x.divide, x.multiply)
    return each(lambda e: down(x.rint(up(e, ten)), ten) if decimals else x.rint(e), a)


def _nan_to_num(
    x: Functions, a: Elements, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Elements:
    """Of what has no value the number given for nan; of infinities those given for them, else unknown."""
    instead = lifted(nan)[()]
    return each(lambda e: instead if e == UNDEFINED else LINE if e in (INFINITE, NEGATIVE_INFINITE) else e, a)


def _meeting(name: str) -> Rule:
    """Every element with every other, as ufunc.outer."""
    return lambda x, a, b: each(getattr(x, name), a.reshape(a.shape + (1,) * b.ndim), b)


ELEMENTWISE = (
    *("negative", "absolute", "add", "subtract", "multiply", "divide", "reciprocal", "square", "sqrt", "cbrt", "power"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2", "maximum", "minimum", "fmax"),
    *("fmin", "hypot", "tanh", "sinh", "cosh", "expit", "sign", "floor", "ceil", "rint", "trunc", "floor_divide"),
    *("remainder", "fmod", "sin", "cos", "tan", "arctan", "erf"),
)
RULES: dict[str, Rule] = {
    **{name: _elementwise(name) for name in ELEMENTWISE},
    "abs": _elementwise("absolute"),
    "fabs": _elementwise("absolute"),
    "float_power": _elementwise("power"),
    "modf[0]": lambda x, a: each(lambda e: x.subtract(e, x.trunc(e)), a),
    "modf[1]": _elementwise("trunc"),
    "divmod[0]": _elementwise("floor_divide"),
    "divmod[1]": _elementwise("remainder"),
    "astype": _same,
    "clip": _clip,
    "where": _where,
    "select": _select,
    "round": _round,
    "nan_to_num": _nan_to_num,
    "sum": of.total("add", "total"),
    "prod": of.total("multiply", "product"),
    "nansum": of.total("add", "total", skip=True),
    "nanprod": of.total("multiply", "product", skip=True),
    "max": of.extreme("maximum"),
    "min": of.extreme("minimum"),
    "nanmax": of.extreme("maximum", skip=True),
    "nanmin": of.extreme("minimum", skip=True),
    "mean": of.mean(),
    "nanmean": of.mean(skip=True),
    "var": of.averaged("variance"),
    "nanvar": of.averaged("variance", skip=True),
    "std": of.averaged("variance", root=True),
    "nanstd": of.averaged("variance", skip=True, root=True),
    "average": of.average,
    "median": of.median,
    "ptp": of.spread,
    "norm": of.norm,
    "logaddexp.reduce": of.extreme("logaddexp"),
    "hypot.reduce": of.extreme("hypot"),
    "cumsum": of.accumulated("add"),
    "cumprod": of.accumulated("multiply"),
    "maximum.accumulate": of.accumulated("maximum"),
    "minimum.accumulate": of.accumulated("minimum"),
    "diff": of.differences,
    "polyval": of.polynomial,
    "matmul": of.matmul,
    "dot": of.dot,
    "inner": of.inner,
    "vdot": of.vdot,
    "tensordot": of.tensordot,
    "outer": of.outer,
    "trace": of.trace,
    "einsum": of.einsum,
    **{f"{name}.outer": _meeting(name) for name in ("add", "subtract", "multiply", "divide")},
}
"""By canonical names, see names.py."""


PRODUCTS = {"matmul", "dot", "inner", "vdot", "tensordot"}
"""Whose work is the result's size times that of the last axis of the first operand."""
FIRST = (
    *("sum", "prod", "nansum", "nanprod", "max", "min", "nanmax", "nanmin", "mean", "nanmean", "var", "nanvar", "std"),
    *("nanstd", "median", "ptp", "norm", "logaddexp.reduce", "hypot.reduce", "cumsum", "cumprod", "maximum.accumulate"),
    *("minimum.accumulate", "diff", "trace", "round", "nan_to_num", "astype", "average"),
)
NUMBERS = {
    **dict.fromkeys(FIRST, (0,)),
    "average": (0, 2),
    "tensordot": (0, 1),
    "where": (1, 2),
    "select": (),
    "einsum": (),
}
"""Which arguments are numbers, where not all are."""
NUMBERS_BY_NAME = {"initial", "min", "max", "a_min", "a_max", "weights", "a", "x", "x1", "x2", "b", "y"}
