"""Recording: run array code and write down every step of it, changing none of its bits.

The same arrays serve the catalogue's formulations, through the namespace, and a person's own NumPy function, through
``__array_ufunc__`` and ``__array_function__``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.arithmetic import constant
from overflowscope.arithmetic.strict import StrictArray


class Unrecordable(TypeError):
    """The code takes its arrays to a place where the steps cannot be seen."""


@dataclass(frozen=True)
class Step:
    """One operation on arrays: its NumPy name, what it was called with, and what came out.

    ``args`` and ``kwargs`` are the call's own, ``output`` the array it gave; arrays of the recording among them are
    RecordedArrays, so that a rule can go on computing with them.
    """

    number: int
    operation: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: RecordedArray

    @property
    def given(self) -> tuple[Any, ...]:
        """What of the positional arguments is an array or a number."""
        return tuple(
            a for a in self.args if isinstance(a, RecordedArray | StrictArray | np.ndarray | np.generic | float | int)
        )

    @property
    def operands(self) -> tuple[Any, ...]:
        """The same as plain arrays and numbers."""
        return tuple(map(plain, self.given))

    @property
    def parents(self) -> tuple[int | None, ...]:
        """The numbers of the steps that made the operands: negative for an input, None for a plain number or array."""
        return tuple(a.made_by if isinstance(a, RecordedArray) else None for a in self.given)

    @property
    def result(self) -> Any:
        """The output as a plain array."""
        return self.output.value


class Recording:
    """The namespace ``inner`` (NumPy unless said), with ``steps`` as they are taken.

    ``adjoint_of`` has, of each step that was taken backwards, the number of the step whose adjoint it hands on. A
    ``pure`` one refuses operators in place; in others they make new arrays.
    """

    def __init__(self, inner: Any = np):
        self.inner = inner
        self.steps: list[Step] = []
        self.inputs, self.writes, self.pure = 0, 0, False
        self.adjoint_of: dict[int, int] = {}

    def asarray(self, values: Any) -> RecordedArray:
        """An input to record from, made by no step: known by -1, -2, ... in order."""
        self.inputs += 1
        return RecordedArray(values, -self.inputs, self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.inner, name)
        return lambda *args, **kwargs: self.run(name, function, args, kwargs)

    def run(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function on the plain arrays; a floating-point result is a step, anything else is only handed on."""
        if kwargs.get("out") is not None:
            raise Unrecordable("out= is not recorded")
        result = function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
        if not _floating(result):
            return result
        output = RecordedArray(result, len(self.steps), self)
        self.steps.append(Step(output.made_by, name, args, kwargs, output))
        return output


class RecordedArray:
    """An array whose every operation is a step of its recording; otherwise it behaves as the array it holds."""

    def __init__(self, value: Any, made_by: int, recording: Recording):
        self.value, self.made_by, self.recording = value, made_by, recording

    def constant(self, value: str) -> Any:
        return constant(self.value, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else _REDUCTIONS.get(ufunc.__name__, ufunc.__name__)
        return self.recording.run(name, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recording.run(function.__name__, function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Unrecordable("the code turns its arrays into plain ones (asarray), where its steps cannot be seen")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ would hand the numbers on unseen
            raise AttributeError(name)
        attribute = getattr(self.value, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self.recording.run(
            name, lambda a, *rest, **k: getattr(a, name)(*rest, **k), (self, *args), kwargs
        )

    def __getitem__(self, index: Any) -> Any:
        return self.recording.run("getitem", lambda a, i: a[i], (self, plain(index)), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        raise Unrecordable("assignment into an array is not recorded")

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __abs__(self) -> Any:
        return np.abs(self)


_REDUCTIONS = {"add": "sum", "maximum": "max", "minimum": "min", "multiply": "prod"}


def _operator(ufunc: Any, reflected: bool) -> Callable[[Any, Any], Any]:
    return (lambda self, other: ufunc(other, self)) if reflected else (lambda self, other: ufunc(self, other))


def _in_place(self: RecordedArray, other: Any) -> Any:
    if self.recording.pure and not isinstance(self.value, np.generic):
        raise Unrecordable("the code writes into an array in place")
    return NotImplemented


for _name, _ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "pow": np.power,
    "matmul": np.matmul,
}.items():
    setattr(RecordedArray, f"__{_name}__", _operator(_ufunc, reflected=False))
    setattr(RecordedArray, f"__r{_name}__", _operator(_ufunc, reflected=True))
    setattr(RecordedArray, f"__i{_name}__", _in_place)
for _name, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():
    setattr(RecordedArray, f"__{_name}__", _operator(_ufunc, reflected=False))


def plain(value: Any) -> Any:
    """The array behind a recorded one, in tuples and lists too; anything else as it is."""
    if isinstance(value, RecordedArray):
        return value.value
    if isinstance(value, tuple | list):
        return type(value)(plain(v) for v in value)
    return value


def _array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | StrictArray)


def _floating(result: Any) -> bool:
    return _array(result) and np.dtype(result.dtype).kind in "fV"
