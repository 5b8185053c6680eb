"""Where a recorded function looks numpy up, it finds a recording one, see stand_ins.py, until the call is over."""

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

from overflowscope.arithmetic import places
from overflowscope.arithmetic.recording import Recording
from overflowscope.arithmetic.stand_ins import StandIns, TypeOf


@contextmanager
def recorded_numpy(function: Callable[..., Any], recording: Recording) -> Iterator[None]:
    """While it lasts, numpy and what is imported from it are recording ones in the function's own modules.

    These are the module it is in, those of its folder or package that they use, and what it closes over. They are put
    back whatever happens. Raises Unrecordable at the end where something was refused, whatever the code, or NumPy, made
    of that. Not for several threads at once.
    """
    home = _home(function)
    within = recording.within = None if home is None or places.whose(home) == "person" else places.folder_of(home)
    stands_for = StandIns(recording)
    changed: list[tuple[Any, str, Any]] = []
    asking: list[dict[str, Any]] = []
    try:
        for space in _spaces(function, home, within):
            for name, value in list(space.items()):
                stand_in = stands_for.get(value)
                if stand_in is not None:
                    changed.append((space, name, value))
                    space[name] = stand_in
            if not isinstance(space, Cells) and "type" not in space:
                space["type"] = TypeOf
                asking.append(space)
        yield
    except Exception:
        if recording.refused is None:
            raise
        raise recording.refused from None
    finally:
        for space, name, value in changed:
            space[name] = value
        for space in asking:
            del space["type"]
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
