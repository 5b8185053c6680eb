"""What is measured beside the formulations; and a person's own function: found by its name, its result looked at."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from overflowscope.arithmetic.recording import RecordedArray
from overflowscope.arithmetic.strict import StrictArray
from overflowscope.catalogue import Operation
from overflowscope.errors import InputError, printable, unknown
from overflowscope.formats import FORMATS

TIMEOUT = 60.0
"""Seconds in which an answer is to come from what is waited for, unless others are given."""
PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass(frozen=True)
class Implementation:
    """Somebody's implementation of one operation, known as ``name``, or ``formulation``, one of ours, on its arrays.

    ``run`` takes (xp, logits) or (xp, logits, labels), arrays of NumPy in a format (ml_dtypes' too), and gives one of
    the operation's shape; ``gradient`` takes what the differentiated operation does and gives an array of the logits'
    shape; where it is None the gradient is derived from the steps of ``run``. Both raise Unmeasured for what cannot
    be had, and InputError where they fail. ``version`` is that of the library that computes; ``said`` gives it once
    something has been run, where nothing else can tell.
    """

    name: str
    run: Callable[..., Any]
    gradient: Callable[..., Any] | None = None
    version: str | None = None
    formulation: str | None = None
    said: Callable[[], str | None] | None = None


class Offer(Protocol):
    """What a name given for an implementation stands for.

    ``single``: it is of the one operation that was named; else it says itself which operations it has.
    """

    @property
    def name(self) -> str: ...

    @property
    def single(self) -> bool: ...

    def implementations(self, operation: Operation) -> list[Implementation]:
        """Those it has of an operation; none where it has none. Of formulations, those asked for will be measured."""
        ...


@dataclass(frozen=True)
class Own:
    """A person's function f(logits) or f(logits, labels), known as ``name``."""

    name: str
    function: Callable[..., Any]
    single: bool = True

    def implementations(self, operation: Operation) -> list[Implementation]:
        """The function, whatever the operation."""
        return [Implementation(printable(self.name), checked(printable(self.name), self.function, operation))]


def load(spec: str) -> Callable[..., Any]:
    """The function that ``path/to/file.py:function`` or ``package.module:function`` names. This runs the module.

    Raises InputError where there is no such file, module or function, or where the module itself raises.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise InputError(f"{spec!r} names no function", hint="my.py:function or package.module:function is wanted")
    module = _from_file(place) if place.endswith(".py") or os.sep in place else _from_name(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            functions = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise unknown(f"function in {place}", name, functions)
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{name} is no function but {type(found).__name__}", source=place)
    return found  # type: ignore[no-any-return]


def _from_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise InputError("no such file", source=path)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("is no Python file", source=path)
    module = importlib.util.module_from_spec(spec)
    # Its neighbours can be imported, as when Python runs the file itself.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise raised(f"{path} could not be imported", error) from error
    finally:
        sys.path.pop(0)
        if before is not None:
            sys.modules[name] = before
    return module


def _from_name(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise InputError(f"no module {name!r}", hint="for a file, write its name: my.py:function") from None
        raise raised(f"{name} could not be imported", error) from error
    except (Exception, SystemExit) as error:
        raise raised(f"{name} could not be imported", error) from error
    finally:
        sys.path.pop(0)


def checked(spec: str, function: Callable[..., Any], operation: Operation) -> Callable[..., Any]:
    """The function as a contender's ``run``: called with copies, its result an array of the operation's shape.

    Raises InputError where the function raises, or returns anything but real numbers of that shape.
    """

    def run(xp: Any, logits: Any, *labels: Any) -> Any:
        recorded = isinstance(logits, RecordedArray)
        try:
            result = function(logits if recorded else logits.copy(), *(given.copy() for given in labels))
        except InputError as error:
            raise InputError(f"{spec}: {error.what}", hint=error.hint) from None
        except (Exception, SystemExit) as error:
            raise raised(f"{spec} failed", error) from error
        if not recorded:
            return _real(spec, result, operation.shape(logits))
        if isinstance(result, RecordedArray):
            _check_shape(spec, result, operation.shape(logits))
        elif not isinstance(result, tuple | list):
            _real(spec, result, operation.shape(logits))
        return result

    return run


def _real(spec: str, result: Any, shape: tuple[int, ...]) -> Any:
    try:
        array = result if isinstance(result, StrictArray) else np.asarray(result)
    except Exception as error:
        raise raised(f"{spec} returned {type(result).__name__}, which is no array", error) from error
    if array.dtype.kind not in "fiu" and array.dtype.name not in FORMATS:
        what = "nothing" if result is None else f"{type(result).__name__} of {array.dtype.name}"
        raise InputError(f"{spec} returned {what}, not real numbers")
    _check_shape(spec, array, shape)
    return array


def _check_shape(spec: str, array: Any, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{spec} returned an array of shape {array.shape}, not {shape}")


def raised(what: str, error: BaseException) -> InputError:
    """Somebody else's exception in one line, with the last line of their own code."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _machinery(f.filename)]
    own = [f for f in frames if f"{os.sep}site-packages{os.sep}" not in f.filename] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else None
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    text = " ".join(str(error).split()) or "no message"
    return InputError(f"{what}: {type(error).__name__}: {text}", where=where)


def _machinery(filename: str) -> bool:
    """Frames that are nobody's source: ours, the import system's, NumPy's dispatch (<__array_function__ internals>)."""
    return filename.startswith((PACKAGE, "<")) or "importlib" in filename
