"""The numpy that a recorded function sees: arrays that it makes are recorded too.

Most of NumPy asks the arrays that it is called with, and needs nothing. asarray, zeros and np.float32(x) do not ask.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic import places
from overflowscope.arithmetic.following import Call, floating, follow, moved, nested, suited
from overflowscope.arithmetic.names import MAKES
from overflowscope.arithmetic.origins import CONSTANT, laid_out
from overflowscope.arithmetic.recorded_array import RecordedArray, plain, recorded_among
from overflowscope.arithmetic.recording import Recording

TAKES = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite", "copy")
"""What makes an array of what it is given."""
SCALARS = (np.float16, np.float32, np.float64)


@contextmanager
def recorded_numpy(function: Callable[..., Any], recording: Recording) -> Iterator[None]:
    """While it lasts, numpy and what is imported from it are recording ones in the function's own modules.

    These are the module it is in, those of its folder or package that they use, and what it closes over. They are put
    back whatever happens. Raises Unrecordable at the end where something was refused, whatever the code, or NumPy, made
    of that.
    Not for several threads at once.
    """
    home = _home(function)
    within = recording.within = None if home is None or places.whose(home) == "person" else places.folder_of(home)
    stands_for = _stand_ins(recording)
    changed: list[tuple[Any, str, Any]] = []
    try:
        for space in _spaces(function, home, within):
            for name, value in list(space.items()):
                stand_in = stands_for.get(id(value))
                if stand_in is not None:
                    changed.append((space, name, value))
                    space[name] = stand_in
        yield
    except Exception:
        if recording.refused is None:
            raise
        raise recording.refused from None
    finally:
        for space, name, value in changed:
            space[name] = value
    if recording.refused is not None:
        raise recording.refused


class Cells(dict[str, Any]):
    """The variables that a function closes over, as a namespace."""

    def __init__(self, names: tuple[str, ...], cells: tuple[CellType, ...]):
        self.cells = dict(zip(names, cells, strict=True))
        super().__init__({n: c.cell_contents for n, c in self.cells.items() if _filled(c)})

    def __setitem__(self, name: str, value: Any) -> None:
        self.cells[name].cell_contents = value


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


# Which modules


def _home(function: Callable[..., Any]) -> str | None:
    """The file of the function."""
    code = getattr(_bare(function), "__code__", None)
    return None if code is None else str(code.co_filename)


def _bare(function: Any) -> Any:
    """The function within methods, partials, decorators and objects that can be called."""
    for _ in range(100):
        if isinstance(function, MethodType):
            function = function.__func__
        elif isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not isinstance(function, FunctionType) and isinstance(type(function).__call__, FunctionType):
            function = type(function).__call__
        else:
            return function
    return function


def _spaces(function: Callable[..., Any], home: str | None, within: str | None) -> list[dict[str, Any]]:
    """The namespaces of the function and of what it uses from the same folder or package."""
    found: list[dict[str, Any]] = []
    left: list[Any] = [function, _bare(function), *_unwrapped(function)]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        space = _own_space(value)
        space = space if space is not None and _beside(space, home, within) else None
        if space is not None and id(space) not in seen:
            seen.add(id(space))
            found.append(space)
            left += space.values()
        if isinstance(value, FunctionType) and value.__closure__:
            found.append(Cells(value.__code__.co_freevars, value.__closure__))
            left += found[-1].values()
    return found


def _unwrapped(function: Any) -> list[Any]:
    chain: list[Any] = []
    while hasattr(function, "__wrapped__") and len(chain) < 100:
        function = function.__wrapped__
        chain.append(function)
    return chain


def _own_space(value: Any) -> dict[str, Any] | None:
    """The namespace of a module, or of that which a function or a class is from."""
    if inspect.isclass(value):
        value = sys.modules.get(value.__module__)
    if isinstance(value, ModuleType):
        return vars(value)
    function = _bare(value)
    return function.__globals__ if isinstance(function, FunctionType) else None


def _beside(space: dict[str, Any], home: str | None, within: str | None) -> bool:
    """Whether it is the traced function's own module, or a person's in the same folder, above it or below."""
    file = space.get("__file__")
    if home is None or not isinstance(file, str) or file.startswith(places.PACKAGE):
        return file is None and space.get("__name__") == "__main__"
    if os.path.realpath(file) == os.path.realpath(home):
        return True
    one, other = Path(home).resolve().parent, Path(file).resolve().parent
    return places.whose(file, within) == "person" and (one == other or one in other.parents or other in one.parents)


# What stands in for numpy


def _stand_ins(recording: Recording) -> dict[int, Any]:
    """By the identity of what they stand for."""
    own: dict[str, Any] = {name: functools.partial(_taken, recording, name) for name in TAKES}
    own |= {name: functools.partial(_made, recording, name) for name in MAKES if hasattr(np, name)}
    own["ndenumerate"] = _enumerated
    own["nditer"] = functools.partial(_called_back, recording, "nditer")
    own["vectorize"] = functools.partial(_vectorized, recording)
    known: dict[int, Any] = {id(getattr(np, name)): stand_in for name, stand_in in own.items()}
    known |= {id(kind): _scalar_type(kind) for kind in SCALARS}
    known[id(np)] = Numpy(own, known)
    return known


class Numpy(ModuleType):
    """numpy, but for some of its names."""

    def __init__(self, own: dict[str, Any], known: dict[int, Any]):
        super().__init__("numpy", np.__doc__)
        self.__dict__.update(own)
        self.__dict__["_known"] = known

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        return self.__dict__["_known"].get(id(value), value)

    def __dir__(self) -> list[str]:
        return dir(np)


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
