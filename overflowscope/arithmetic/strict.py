"""Strict: the textbook model of a format, in which every step is rounded once, the same bits on every machine.

Lemma: for numbers of a format with p <= 24 bits, computing a + b, a - b, a b, a / b or sqrt(a) in float64 and rounding
the result to the format is rounding once (after Figueroa, When is double rounding innocuous? (1995): 53 >= 2p + 2).
Rounding is monotone, so float64 can carry a result onto a midpoint m of the format (a number of p + 1 bits, also
below the normal range, where it has fewer, and m = largest + ulp/2, where it overflows), never across. And it does not:

- a b has 2p <= 48 bits and an exponent within float64's range: exact.
- a / b: with integers A, B < 2**p and M < 2**(p+1), |A 2**i - B M 2**j| >= 1 unit where it is not 0, and the larger
  side is below 2**(2p+1) units: a / b is at least 2**-(2p+1) >= 2**-49 from m, relatively; float64 moves it by 2**-53.
- sqrt(a), never subnormal: |A 2**i - M**2| >= 1, hence |sqrt(a) - m| > 2**-(2p+3) m >= 2**-51 m.
- a + b below 2**(emin+1) is a multiple of the smallest number, hence in the format. Above, let 2**e <= |a + b| <
  2**(e+1), |a| >= |b|. If it is inexact in float64, the last bit of b is below 2**(e-52), so |b| < 2**(e-52+p) <=
  2**(e-28); a and m are different multiples of 2**(e-p), so |a + b - m| > 2**(e-24) - 2**(e-28): far from m.

float64 itself is IEEE's own arithmetic. Elementary functions are correctly rounded, see rounded.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from overflowscope.arithmetic import NAMED
from overflowscope.arithmetic.rounded import LIMITS, correctly_rounded
from overflowscope.arithmetic.sums import ORDERS
from overflowscope.errors import InputError
from overflowscope.formats import Floats, Format, of, round_fraction, round_to


@dataclass(frozen=True)
class Model:
    """What there is to choose of Strict beside the format: the order of sums, and the format that they run in.

    ``order`` is one of sums.ORDERS; ``accumulator`` None is the working format. Terms are rounded to the accumulator
    (they enter exactly where it holds them), as is every partial sum, and the final sum to the working format.
    """

    order: str = "sequential"
    accumulator: Format | None = None

    def on(self, fmt: Format) -> Strict:
        """The namespace that works in this format."""
        return Strict(fmt, self.order, self.accumulator)


class Strict:
    """The namespace: NumPy's names over StrictArray, every result rounded to ``fmt``.

    Infinities, nan and signed zeros are IEEE's. In a format without infinities (float8_e4m3fn) what overflows is nan,
    as in ml_dtypes and in the format's definition without saturation. Raises InputError for unknown orders.
    """

    def __init__(self, fmt: Format, order: str = "sequential", accumulator: Format | None = None):
        if order not in ORDERS:
            raise InputError(f"unknown order of sums {order!r}", hint=f"known: {', '.join(ORDERS)}")
        self.fmt, self.order, self.accumulator = fmt, order, accumulator or fmt
        self.model = Model(order, accumulator)

    def asarray(self, values: Any) -> StrictArray:
        """Numbers, given as anything that NumPy takes for real numbers, rounded to the format."""
        numbers = values.numbers if isinstance(values, StrictArray) else np.asarray(values).astype(np.float64)
        return self.rounded(numbers)

    def rounded(self, values: Floats) -> StrictArray:
        """Exact results (or ones that the lemma allows for them), rounded."""
        numbers = round_to(values, self.fmt)
        if not self.fmt.has_infinity:
            numbers = np.where(np.isinf(numbers), np.nan, numbers)
        return StrictArray(numbers, self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.run(name, args, kwargs)

    def run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """NumPy's function of that name. Raises InputError for one that is not defined here."""
        if name in LIMITS:
            with np.errstate(all="ignore"):
                (x,) = args
                return self.rounded(correctly_rounded(name, self.asarray(x).numbers, self.fmt))
        if name in _OWN:
            return _OWN[name](self, *args, **kwargs)
        if name not in _STEPS | _TESTS | _MOVES | _PLAIN:
            raise InputError(f"np.{name} is not available under --arithmetic strict", hint=f"there are {_available()}")
        given = [self.asarray(a).numbers for a in args] if name in _STEPS | _TESTS else _bare(args)
        with np.errstate(all="ignore"):
            result = getattr(np, name)(*given, **_bare(kwargs))
        return result if name in _TESTS | _PLAIN else self.rounded(result)

    def sum(
        self, x: StrictArray, axis: int | None = None, dtype: Any = None, out: None = None, keepdims: bool = False
    ) -> StrictArray:
        """In the order and the accumulator of the model, in ``dtype`` where one is given; of nothing it is 0."""
        if dtype is not None and of(np.dtype(dtype)) != self.fmt:
            return self.model.on(of(np.dtype(dtype))).sum(x, axis, keepdims=keepdims)
        values = x.numbers.reshape(-1) if axis is None else np.moveaxis(x.numbers, axis, -1)
        with np.errstate(all="ignore"):
            terms = round_to(values, self.accumulator).astype(self.accumulator.dtype)
        empty = np.zeros(terms.shape[:-1], terms.dtype)
        with np.errstate(all="ignore"):
            total = (ORDERS[self.order](terms) if terms.shape[-1] else empty).astype(np.float64)
        if keepdims:
            total = total.reshape((1,) * x.ndim) if axis is None else np.expand_dims(total, axis)
        return self.rounded(total)

    def mean(self, x: StrictArray, axis: int | None = None, keepdims: bool = False) -> StrictArray:
        """The sum divided by the number of terms, that number rounded to the format."""
        count = x.size if axis is None else x.shape[axis]
        return self.divide(self.sum(x, axis, keepdims=keepdims), count)  # type: ignore[no-any-return]

    def clip(self, x: StrictArray, least: Any = None, most: Any = None) -> StrictArray:
        """Of two ends that cross the upper one holds."""
        x = x if least is None else self.maximum(x, least)
        return x if most is None else self.minimum(x, most)


class StrictArray(NDArrayOperatorsMixin):  # type: ignore[misc, unused-ignore]
    """An array in strict arithmetic: ``numbers`` (float64) of the format of its namespace ``xp``.

    Operators and NumPy's functions on it are those of its namespace. What is no such array beside it, a plain number
    or array, is rounded to its format first; of two formats the one that holds the other's numbers is taken.
    """

    def __init__(self, numbers: Floats, xp: Strict):
        self.numbers, self.xp = np.asarray(numbers), xp

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    @property
    def ndim(self) -> int:
        return self.numbers.ndim

    @property
    def size(self) -> int:
        return self.numbers.size

    @property
    def T(self) -> StrictArray:
        return StrictArray(self.numbers.T, self.xp)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.xp.fmt.dtype

    def constant(self, value: str) -> StrictArray:
        """An exact decimal or rational number, or one of arithmetic.NAMED, rounded once; without axes."""
        return self.xp.rounded(np.float64(round_fraction(Fraction(NAMED.get(value, value)), self.xp.fmt)))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> StrictArray:
        """The numbers rounded to another format, in which the model goes on: always an array of its own."""
        return self.xp.model.on(of(np.dtype(dtype))).rounded(self.numbers.copy())

    def __getitem__(self, index: Any) -> StrictArray:
        return StrictArray(self.numbers[index], self.xp)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.numbers[index] = self.xp.asarray(value).numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def __float__(self) -> float:
        return float(self.numbers)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise InputError(
            "the code turns its arrays into plain ones (asarray), which --arithmetic strict cannot follow",
            hint="leave that out, or use --arithmetic native",
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if not all(isinstance(x, StrictArray | np.ndarray | np.generic | float | int) for x in inputs):
            return NotImplemented
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        result = _namespace(inputs).run(_REDUCTIONS.get(name, name), inputs, kwargs)
        if out is None:
            return result
        out[0][...] = result
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _namespace((*args, *kwargs.values())).run(function.__name__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return functools.partial(getattr(self.xp, name), self)
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}")
        raise InputError(f"ndarray.{name} is not available under --arithmetic strict")

    def reshape(self, *shape: Any) -> StrictArray:
        return StrictArray(self.numbers.reshape(*shape), self.xp)


_STEPS = {"add", "subtract", "multiply", "divide", "true_divide", "sqrt"}
"""One rounding each, of exact results or what the lemma allows for them."""
_TESTS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "isnan", "isinf", "isfinite"}
_PLAIN = {"arange", "argmax", "argmin", "shape", "ndim", "size"}
"""What gives no number of the format."""
_MOVES = {
    *("negative", "positive", "absolute", "abs", "maximum", "minimum", "max", "amax", "min", "amin", "where", "copy"),
    *("take_along_axis", "reshape", "ravel", "squeeze", "expand_dims", "concatenate", "broadcast_to", "moveaxis"),
    *("zeros_like", "ones_like", "empty_like", "full_like"),
}
"""What gives numbers that it was given, so that rounding moves those alone that come from outside."""
_OWN: dict[str, Callable[..., StrictArray]] = {
    "sum": Strict.sum,
    "mean": Strict.mean,
    "clip": Strict.clip,
    "square": lambda xp, x: xp.multiply(x, x),
}
_METHODS = {"sum", "mean", "clip", "max", "min", "argmax", "argmin", "copy", "ravel", "squeeze"}
_REDUCTIONS = {"add.reduce": "sum", "maximum.reduce": "max", "minimum.reduce": "min"}


def _available() -> str:
    return ", ".join(sorted({*LIMITS, *_OWN, *_STEPS, "max", "maximum", "min", "minimum", "where"} - {"true_divide"}))


def _namespace(values: Any) -> Strict:
    """The one among those of the arrays whose format holds the numbers of all."""
    found = {x.xp.fmt: x.xp for x in _arrays(values)}
    for fmt, xp in found.items():
        if all(fmt.holds(other) for other in found):
            return xp
    raise InputError(f"{' and '.join(f.name for f in found)} in one operation, of which neither holds the other")


def _arrays(values: Any) -> list[StrictArray]:
    if isinstance(values, StrictArray):
        return [values]
    return [a for v in values for a in _arrays(v)] if isinstance(values, tuple | list) else []


def _bare(values: Any) -> Any:
    """The numbers of the arrays, also of those in tuples, lists and keywords."""
    if isinstance(values, StrictArray):
        return values.numbers
    if isinstance(values, dict):
        return {k: _bare(v) for k, v in values.items()}
    return type(values)(map(_bare, values)) if isinstance(values, tuple | list) else values
