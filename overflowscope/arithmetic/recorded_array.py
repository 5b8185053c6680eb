"""The array that a recording hands to the code it records."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Origins = NDArray[np.int64]

CONSTANT = -(2**62)
"""The origin of numbers that nothing computed and no input holds."""


class Recorder(Protocol):
    """What an array asks of its recording."""

    shadows: Any
    writes: int

    def run(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...
    def update(self, name: str, function: Callable[..., Any], target: RecordedArray, other: Any) -> Any: ...
    def assign(self, target: RecordedArray, index: Any, value: Any) -> None: ...
    def constant(self, like: RecordedArray, value: str) -> Any: ...
    def exact(self, array: RecordedArray) -> Any: ...
    def local(self, step: Any) -> Any: ...
    def escape(self, what: str, hint: str) -> Exception: ...


class RecordedArray:
    """An array whose every operation is a step of its recording; otherwise it behaves as the array it holds.

    ``value`` is that array (or a scalar), ``made_by`` the number of the step that made it, negative for an input. In
    a recording with exact values ``origins``, an int64 array of the same shape, says of each number where it was
    computed: step * 2**32 + its flat index in that step's output; -(input * 2**32 + flat index) - 1 for inputs, and
    CONSTANT. Views of the value have views of the origins.
    """

    def __init__(self, value: Any, made_by: int, recording: Recorder, origins: Origins | None = None):
        self.value, self.made_by, self.recording, self.origins = value, made_by, recording, origins
        self._frozen: tuple[int, RecordedArray] | None = None

    @property
    def exact(self) -> Any:
        """The exact values: an object array of intervals.Element; None where they are not kept."""
        return self.recording.exact(self)

    @property
    def given(self) -> bool:
        """Whether all its numbers are inputs or constants: their exact values are themselves."""
        return self.origins is not None and bool((self.origins < 0).all())

    def frozen(self) -> RecordedArray:
        """The array as it is now, whatever is written into it later. Without exact values nothing is ever written."""
        if self.origins is None:
            return self
        writes = self.recording.writes
        if self._frozen is None or self._frozen[0] != writes:
            value = self.value if isinstance(self.value, np.generic) else self.value.copy()
            copy = RecordedArray(value, self.made_by, self.recording, self.origins.copy())
            self._frozen = writes, copy
            copy._frozen = writes, copy
        return self._frozen[1]

    def constant(self, value: str) -> Any:
        return self.recording.constant(self, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        return self.recording.run(name, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recording.run(function.__name__, function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.recording.escape(
            "the code turns its arrays into plain ones (asarray), where its steps cannot be seen",
            "import numpy at the top of the file, and leave out what is no NumPy function",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self.value).__name__!r} object has no attribute {name!r}")
        attribute = getattr(self.value, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self.recording.run(
            name, lambda a, *rest, **k: getattr(a, name)(*rest, **k), (self, *args), kwargs
        )

    def __getitem__(self, index: Any) -> Any:
        return self.recording.run("getitem", operator.getitem, (self, plain(index)), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.recording.assign(self, plain(index), value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __neg__(self) -> Any:
        return np.negative(self)

    def __abs__(self) -> Any:
        return np.abs(self)


def _binary(name: str, function: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any, Any], Any]:
    """The operator as Python spells it, for NumPy takes x ** 2 for a square and x ** 0.5 for a root."""

    def method(self: RecordedArray, other: Any) -> Any:
        return self.recording.run(name, function, (other, self) if reflected else (self, other), {})

    return method


def _in_place(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: self.recording.update(name, function, self, other)


for _name, _ufunc in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
}.items():
    setattr(RecordedArray, f"__{_name}__", _binary(_ufunc, getattr(operator, _name), reflected=False))
    setattr(RecordedArray, f"__r{_name}__", _binary(_ufunc, getattr(operator, _name), reflected=True))
    setattr(RecordedArray, f"__i{_name}__", _in_place(_ufunc, getattr(operator, f"i{_name}")))
for _name, _ufunc in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}.items():
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
