"""Other people's implementations as black boxes: a file each, found by discovery, the library imported when named.

A library's file has ``load(variant)``, or ``load(variant, timeout)``, which gives an Offer; the variant is what stands
after the colon of its name, or "". It knows how to call what the library has; which of it is an operation, the
operation says (``counterparts``).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np

from overflowscope import implementations
from overflowscope.catalogue import Counterpart, Operation
from overflowscope.errors import InputError, Unmeasured, unknown
from overflowscope.formats import FORMATS
from overflowscope.implementations import TIMEOUT, Implementation, Offer, Own, raised

Call = Callable[..., Any]
LONGEST = 10**6
"""Seconds that an answer may be waited for, at most."""


def names() -> list[str]:
    """The libraries there are, by the names under which they are asked for."""
    return [m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def offered(spec: str, timeout: float = TIMEOUT) -> Offer:
    """What a name stands for: a library (``scipy``, ``torch:cuda``), else a person's function (``my.py:softmax``).

    This imports the library or runs the function's module. ``timeout`` is for those whose answers are waited for, in
    seconds. Raises InputError where it cannot be had, and says what to install.
    """
    if not 0 < timeout <= LONGEST:
        raise InputError(f"a timeout of {timeout:g} seconds", hint=f"more than 0, and at most {LONGEST:,}")
    name, _, variant = spec.partition(":")
    if name in names():
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        waited = {"timeout": timeout} if "timeout" in inspect.signature(module.load).parameters else {}
        with quiet():
            return cast(Offer, module.load(variant, **waited))
    if ":" not in spec and not spec.endswith(".py"):
        raise unknown("implementation", spec, [*names(), "my.py:function"])
    return Own(spec, implementations.load(spec))


@contextmanager
def quiet() -> Iterator[None]:
    """What a library warns of is no answer, and no failure either where the host program makes errors of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def required(package: str, extra: str) -> ModuleType:
    """The package, imported. Raises InputError, with what to install, where it is not there or does not work."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise raised(f"{package} could not be imported", error) from error
        hint = f"pip install {error.name}, or overflowscope[{extra}]"
        raise InputError(f"{error.name} is not installed", hint=hint) from None
    except Exception as error:
        raise raised(f"{package} could not be imported", error) from error


def resolved(name: str) -> Any:
    """What a dotted name stands for: a function or a class of a module."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def only(name: str, variant: str, known: Sequence[str] = ()) -> None:
    """Raises InputError for a variant that the library does not have."""
    if variant and variant not in known:
        hint = " or ".join([name, *(f"{name}:{k}" for k in known)])
        raise InputError(f"{name} has no variant {variant!r}", hint=f"write {hint}")


@dataclass(frozen=True)
class Library:
    """A library that has counterparts of operations, by their dotted names.

    ``value`` takes (counterpart's name, logits, labels or None) and gives an array of NumPy of the operation's shape;
    ``gradient`` takes (counterpart, logits, labels) and gives one of the logits' shape, or is None where there is none.
    """

    name: str
    version: str
    value: Call
    gradient: Call | None = None
    single: bool = False

    def implementations(self, operation: Operation) -> list[Implementation]:
        """The counterpart of the operation, where it has one in this library."""
        counterpart = operation.counterparts.get(self.name.partition(":")[0])
        if counterpart is None:
            return []
        run = functools.partial(_value, self, counterpart, operation)
        gradient = functools.partial(_gradient, self, counterpart)
        return [Implementation(self.name, run, gradient, self.version)]


def _value(library: Library, counterpart: Counterpart, operation: Operation, xp: Any, logits: Any, *labels: Any) -> Any:
    check_native(library.name, logits)
    result = answered(library.name, library.value, counterpart.name, logits, *labels)
    if counterpart.at_label:
        result = -np.take_along_axis(result, labels[0][:, None], axis=-1)[:, 0]
    return shaped(library.name, result, operation.shape(logits))


def _gradient(library: Library, counterpart: Counterpart, xp: Any, x: Any, labels: Any = None) -> Any:
    check_native(library.name, x)
    if library.gradient is None:
        raise Unmeasured(f"{library.name} has no gradients")
    result = answered(library.name, library.gradient, counterpart, x, labels)
    return shaped(library.name, result, x.shape)


def check_native(name: str, logits: Any) -> None:
    """A library takes arrays of NumPy and does its own arithmetic. Raises Unmeasured for ours."""
    if not isinstance(logits, np.ndarray):
        raise Unmeasured(f"{name} does its own arithmetic and no other")


def answered(name: str, call: Call, *arguments: Any) -> Any:
    """What a library gives. Whatever it raises is what it does not have: Unmeasured, in its own words."""
    try:
        with quiet():
            return call(*arguments)
    except InputError:
        raise
    except Exception as error:
        raise Unmeasured(f"{type(error).__name__}: {first_line(str(error))}") from error


def first_line(text: str) -> str:
    """The first line of a message, and no more of it than people read."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no message")
    return line if len(line) <= 200 else f"{line[:200].rstrip()} ..."


def shaped(name: str, result: Any, shape: tuple[int, ...]) -> Any:
    """The result, an array of NumPy. Raises InputError where it is not of the shape or not of real numbers."""
    if not isinstance(result, np.ndarray) or (result.dtype.kind != "f" and result.dtype.name not in FORMATS):
        raise InputError(f"{name} returned {type(result).__name__}, not an array of real numbers")
    if result.shape != shape:
        raise InputError(f"{name} returned an array of shape {result.shape}, not {shape}")
    return result
