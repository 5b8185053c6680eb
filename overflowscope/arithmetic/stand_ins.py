"""The numpy that a recorded function sees: arrays that it makes are recorded too.

Most of NumPy asks the arrays that it is called with, and needs nothing. asarray, zeros and np.float32(x) do not ask,
nor does what is called with a list of numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic.following import Call, floating, follow, moved, nested, suited
from overflowscope.arithmetic.names import JOINS, MAKES
from overflowscope.arithmetic.origins import CONSTANT, laid_out
from overflowscope.arithmetic.recorded_array import RecordedArray, plain, recorded_among
from overflowscope.arithmetic.recording import Recording

TAKES = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite", "copy")
"""What makes an array of what it is given."""
SCALARS = (np.float16, np.float32, np.float64)


class StandIns:
    """What stands in for numpy, its functions and its types of floating-point numbers."""

    def __init__(self, recording: Recording):
        self.recording = recording
        own: dict[str, Any] = {name: functools.partial(_taken, recording, name) for name in TAKES}
        own |= {name: functools.partial(_made, recording, name) for name in MAKES if hasattr(np, name)}
        own["ndenumerate"] = _enumerated
        own["nditer"] = functools.partial(_called_back, recording, "nditer")
        own["vectorize"] = functools.partial(_vectorized, recording)
        self.known: dict[int, Any] = {id(getattr(np, name)): stand_in for name, stand_in in own.items()}
        self.known |= {id(kind): _scalar_type(kind) for kind in SCALARS}
        self.known[id(np)] = Numpy(self)

    def get(self, value: Any) -> Any:
        """The stand-in; None for what needs none."""
        if id(value) not in self.known and self._is_function(value):
            self.known[id(value)] = Function(self.recording, value)
        return self.known.get(id(value))

    def _is_function(self, value: Any) -> bool:
        """Whether it is one of numpy's own functions of that name."""
        name = getattr(value, "__name__", None)
        if not isinstance(name, str) or not callable(value) or isinstance(value, type):
            return False
        return name not in JOINS and getattr(np, name, None) is value


class Numpy(ModuleType):
    """numpy, but for what has a stand-in."""

    def __init__(self, stand_ins: StandIns):
        super().__init__("numpy", np.__doc__)
        self.__dict__["_stand_ins"] = stand_ins

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        stand_in = self.__dict__["_stand_ins"].get(value)
        return value if stand_in is None else stand_in

    def __dir__(self) -> list[str]:
        return dir(np)


class Function:
    """A function of numpy, for which lists of recorded numbers are arrays."""

    def __init__(self, recording: Recording, function: Any):
        self.recording, self.function = recording, function
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*map(self._array, args), **{k: self._array(v) for k, v in kwargs.items()})

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.function, name)
        return Function(self.recording, value) if name in ("reduce", "accumulate", "outer") else value

    def __repr__(self) -> str:
        return repr(self.function)

    def _array(self, value: Any) -> Any:
        listed = isinstance(value, list | tuple) and recorded_among(value)
        return nested(self.recording, value) if listed else value


def _taken(recording: Recording, name: str, value: Any, dtype: Any = None, **options: Any) -> Any:
    """np.asarray and the like."""
    if isinstance(value, list | tuple) and recorded_among(value):
        value = nested(recording, value)
    if not isinstance(value, RecordedArray):
        return _constant(recording, name, value, dtype, options)
    result = value
    if dtype is not None and np.dtype(dtype) != value.dtype:
        result = value.astype(dtype)
    elif name == "copy" or (name == "array" and options.get("copy", True)):
        result = value.copy()
    if not isinstance(result, RecordedArray):
        return result
    for _ in range(options.get("ndmin", 0) - result.ndim):
        result = result[None]
    order: Any = {"ascontiguousarray": "C", "asfortranarray": "F"}.get(name, options.get("order"))
    if order not in (None, "K") and isinstance(result.value, np.ndarray):
        result = moved(recording, Call("copy", lambda a: np.asarray(a, order=order), (result,), {}))
    return result


def _constant(recording: Recording, name: str, value: Any, dtype: Any, options: dict[str, Any]) -> Any:
    """An array of constants, which may be written into; a number that is rounded is a step, see following.suited."""
    result = getattr(np, name)(value, **({} if dtype is None else {"dtype": dtype}), **options)
    if not floating(result) or result.dtype.name not in formats.FORMATS:
        return result
    result = _in_model(recording, result)
    given = suited(recording, np.asarray(value), result.dtype)
    origins = given.origins if isinstance(given, RecordedArray) else CONSTANT
    output = RecordedArray(result, len(recording.steps), recording, laid_out(origins, result))
    recording.add("array", (value,), {}, output.frozen(), computes=False)
    return output


def _made(recording: Recording, name: str, *args: Any, **kwargs: Any) -> Any:
    """np.zeros and the like."""
    function = getattr(np, name)
    return follow(recording, Call(name, lambda *a, **k: _in_model(recording, function(*a, **k)), args, kwargs))


def _in_model(recording: Recording, result: Any) -> Any:
    """An array in the arithmetic that is recorded: a strict one where that is strict."""
    model = getattr(recording.inner, "model", None)
    if model is None or not isinstance(result, np.ndarray) or not floating(result):
        return result
    return model.on(formats.of(result.dtype)).asarray(result)


def _enumerated(array: Any) -> Iterator[tuple[Any, Any]]:
    return ((index, array[index]) for index in np.ndindex(np.shape(plain(array))))


def _called_back(recording: Recording, name: str, *args: Any, **kwargs: Any) -> Any:
    """What would hand out plain numbers."""
    if recorded_among((args, kwargs)):
        return follow(recording, Call(name, getattr(np, name), args, kwargs))
    return getattr(np, name)(*args, **kwargs)


def _vectorized(recording: Recording, function: Any, *options: Any, **named: Any) -> Callable[..., Any]:
    plainly = np.vectorize(function, *options, **named)

    def called(*args: Any, **kwargs: Any) -> Any:
        if recorded_among((args, kwargs)):
            return follow(recording, Call("vectorize", plainly, args, kwargs))
        return plainly(*args, **kwargs)

    return called


class _Asking(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        asked = len(args) == 1 and isinstance(args[0], RecordedArray)
        return args[0].__class__ if asked else type(*args, **kwargs)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, type)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, type)


class TypeOf(metaclass=_Asking):
    """Python's ``type``, for code that looks whether it was given an array: of a recorded one NumPy's."""


def _scalar_type(kind: Any) -> Any:
    """The type np.float32, say, of which a call with a recorded array is a cast. As a dtype, and in isinstance, it is
    NumPy's own."""

    class Meta(type):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, kind)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, kind)

        def __eq__(cls, other: object) -> Any:
            return other is kind or other is cls or NotImplemented

        def __hash__(cls) -> int:
            return hash(kind)

    def new(cls: Any, value: Any = 0, *args: Any) -> Any:
        if isinstance(value, list | tuple) and recorded_among(value):
            value = np.stack(value) if all(isinstance(v, RecordedArray) for v in value) else value
        if not isinstance(value, RecordedArray):
            return kind(value, *args)
        result = value.astype(kind)
        return result[()] if result.ndim == 0 else result

    return Meta(kind.__name__, (kind,), {"__new__": new, "__module__": "numpy", "__slots__": ()})
