"""The array that a recording hands to the code it records."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from overflowscope.arithmetic.names import HIDING
from overflowscope.arithmetic.origins import duplicate


class RecordedArray:
    """An array whose every operation is a step of its recording; otherwise it behaves as the array it holds.

    ``value`` is that array (or a scalar), ``made_by`` the number of the step that made it, negative for an input. In
    a recording with exact values ``origins`` says of each number where it was computed, see origins.py; else None.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, made_by: int, recording: Any, origins: Any = None):
        self.value, self.made_by, self.recording, self.origins = value, made_by, recording, origins
        self._frozen: tuple[int, RecordedArray] | None = None

    @property
    def exact(self) -> Any:
        """The exact values: an object array of intervals.Element; None where they are not kept."""
        return self.recording.exact(self)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """For code that asks whether it was given an array; without exact values what it is."""
        hidden = self.traced and isinstance(self.value, np.ndarray | np.generic)
        return type(self.value) if hidden else RecordedArray

    @property
    def given(self) -> bool:
        """Whether all its numbers are inputs or constants, whose exact values they are themselves."""
        return self.origins is not None and bool((self.origins < 0).all())

    @property
    def traced(self) -> bool:
        """Whether exact values are kept; then it may be written into, and hides nothing."""
        return self.recording.shadows is not None

    @property
    def watched(self) -> bool:
        """Whether a number that leaves is an error: exact values, or a gradient, would miss what is done with it."""
        return self.traced or bool(self.recording.pure)

    def frozen(self) -> RecordedArray:
        """The array as it is now, whatever is written into it later. Without exact values nothing is ever written."""
        if self.origins is None:
            return self
        writes = self.recording.writes
        if self._frozen is None or self._frozen[0] != writes:
            value, origins = duplicate(self.value), duplicate(self.origins)
            copy = RecordedArray(value, self.made_by, self.recording, origins)
            self._frozen = copy._frozen = writes, copy
        return self._frozen[1]

    def constant(self, value: str) -> Any:
        return self.recording.constant(self, value)

    # What NumPy asks for

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return self.recording.run(ufunc.__name__, ufunc, inputs, kwargs)
        if method == "at":
            raise self.recording.escape(f"np.{ufunc.__name__}.at writes number by number", "write a loop over them")
        if method == "reduce" and len(inputs) == 1:
            kwargs = {"axis": 0, **kwargs}
        return self.recording.run(f"{ufunc.__name__}.{method}", getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recording.run(function.__name__, function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.recording.escape(
            "the code turns its arrays into plain ones (asarray), where its steps cannot be seen",
            "use NumPy's functions and x.astype(), of a numpy imported at the top of the function's own file"
            if self.traced
            else "use x itself, or x.astype(dtype)",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_frozen", "recording"):
            raise AttributeError(f"an array has no attribute {name!r}")
        attribute = getattr(self.value, name)
        if self.watched and name in HIDING:
            raise self.recording.escape(f"the code takes its numbers out of sight (.{name})", HIDING[name])
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self.recording.run(name, _method(name), (self, *args), kwargs)

    # Shapes and views

    @property
    def shape(self) -> Any:
        return self.value.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self.value.shape = shape
        if self.origins is not None:
            self.origins.shape = shape

    @property
    def T(self) -> Any:
        return self.recording.run("transpose", lambda a: a.T, (self,), {})

    @property
    def mT(self) -> Any:
        return self.recording.run("matrix_transpose", lambda a: np.swapaxes(a, -1, -2), (self,), {})

    @property
    def real(self) -> Any:
        return self.recording.run("real", lambda a: a.real, (self,), {})

    @property
    def flat(self) -> Any:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = value

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(("order", "casting", "subok", "copy"), args, strict=False))
        return self.recording.cast(self, dtype, {**named, **kwargs})

    def sort(self, *args: Any, **kwargs: Any) -> None:
        self.recording.sort(self, args, kwargs)

    # What Python asks for

    def __getitem__(self, index: Any) -> Any:
        return self.recording.run("getitem", operator.getitem, (self, plain(index)), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.recording.assign(self, plain(index), value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __bool__(self) -> bool:
        outcome: bool = self.recording.truth(self)
        return outcome

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __round__(self, digits: int | None = None) -> Any:
        if digits is None:
            return round(float(self._number("round")))
        return self.recording.run("round", np.round, (self, digits), {})

    def _number(self, wanted: str) -> Any:
        if self.watched:
            raise self.recording.escape(
                f"the code takes a number out of sight ({wanted}())",
                "keep the array: write np.exp(x) for math.exp(x), x.astype(np.float64) for float(x)",
            )
        return self.value

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise self.recording.escape("the code sends its arrays elsewhere (pickle)", "do it in one process")

    def __copy__(self) -> Any:
        return self.recording.run("copy", _method("copy"), (self,), {})

    def __deepcopy__(self, memo: Any) -> Any:
        return self.recording.run("copy", _method("copy"), (self,), {})

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __neg__(self) -> Any:
        return self.recording.run("negative", operator.neg, (self,), {})

    def __pos__(self) -> Any:
        return self.recording.run("positive", operator.pos, (self,), {})

    def __abs__(self) -> Any:
        return self.recording.run("absolute", operator.abs, (self,), {})

    def __divmod__(self, other: Any) -> Any:
        return self.recording.run("divmod", divmod, (self, other), {})


class Flat:
    """What ``x.flat`` is of an array: its numbers in C order, to look at and to write."""

    def __init__(self, array: RecordedArray):
        self.array = array

    def __getitem__(self, index: Any) -> Any:
        return self.array.recording.run("flat", lambda a, i: a.flat[i], (self.array, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array.recording.run(
            "flat.assign", lambda a, i, v: a.flat.__setitem__(i, v), (self.array, index, value), {}
        )

    def __len__(self) -> int:
        return int(self.array.value.size)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.array.__array__()


def _method(name: str) -> Callable[..., Any]:
    return lambda array, *args, **kwargs: getattr(array, name)(*args, **kwargs)


def _binary(name: str, function: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any, Any], Any]:
    """The operator as Python spells it, for NumPy takes x ** 2 for a square and x ** 0.5 for a root."""

    def method(self: RecordedArray, other: Any) -> Any:
        return self.recording.run(name, function, (other, self) if reflected else (self, other), {})

    return method


def _in_place(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: self.recording.update(name, function, self, other)


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal"}
_COMPARISONS["ne"] = "not_equal"
for _name, _ufunc in _OPERATORS.items():
    setattr(RecordedArray, f"__{_name}__", _binary(_ufunc, getattr(operator, _name), reflected=False))
    setattr(RecordedArray, f"__r{_name}__", _binary(_ufunc, getattr(operator, _name), reflected=True))
    setattr(RecordedArray, f"__i{_name}__", _in_place(_ufunc, getattr(operator, f"i{_name}")))
for _name, _ufunc in _COMPARISONS.items():
    setattr(RecordedArray, f"__{_name}__", _binary(_ufunc, getattr(operator, _name), reflected=False))


def plain(value: Any) -> Any:
    """The array behind a recorded one, in tuples and lists too; anything else as it is."""
    if isinstance(value, RecordedArray):
        return value.value
    if isinstance(value, tuple | list):
        return type(value)(plain(v) for v in value)
    return value


def recorded_among(values: Any) -> list[RecordedArray]:
    """The recorded arrays among values, those in tuples, lists and dictionaries too."""
    if isinstance(values, RecordedArray):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, tuple | list):
        return []
    return [a for v in values for a in recorded_among(v)]


def replaced(value: Any, by: Callable[[RecordedArray], Any]) -> Any:
    """The value with every recorded array in it replaced."""
    if isinstance(value, RecordedArray):
        return by(value)
    if isinstance(value, tuple | list):
        return type(value)(replaced(v, by) for v in value)
    if isinstance(value, dict):
        return {k: replaced(v, by) for k, v in value.items()}
    return value
