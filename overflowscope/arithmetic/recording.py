"""Recording: run array code and write down every step of it, changing none of its bits.

The same arrays serve the catalogue's formulations, through the namespace, and a person's own NumPy function, through
``__array_ufunc__`` and ``__array_function__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope.arithmetic import constant, numbers
from overflowscope.arithmetic.names import MOVES, canonical
from overflowscope.arithmetic.places import Place, Unrecordable, here
from overflowscope.arithmetic.recorded_array import CONSTANT, Origins, RecordedArray, plain, recorded_among
from overflowscope.arithmetic.shadows import Elements, Shadows, lifted
from overflowscope.arithmetic.steps import Note, Step
from overflowscope.arithmetic.strict import StrictArray

__all__ = ["Note", "Place", "RecordedArray", "Recording", "Step", "Unrecordable", "plain"]

SHIFT, FLAT = 32, 2**32 - 1


class Recording:
    """The namespace ``inner`` (NumPy unless said), with ``steps`` as they are taken.

    With ``exact`` every step has the exact values beside the computed ones, arrays may be written into, and what
    cannot be followed is refused with its line. Without, nothing is copied, and writing is refused.
    """

    def __init__(self, inner: Any = np, exact: Shadows | None = None):
        self.inner, self.shadows = inner, exact
        self.steps: list[Step] = []
        self.notes: list[Note] = []
        self.writes, self.inputs = 0, 0
        self.within: str | None = None

    def asarray(self, values: Any) -> RecordedArray:
        """An input to record from; with exact values a copy, for it may be written into."""
        self.inputs += 1
        if self.shadows is None:
            return RecordedArray(values, -self.inputs, self)
        value = values.copy() if hasattr(values, "copy") else np.array(values)
        origins = parallel(value)
        origins[...] = -np.arange(origins.size).reshape(origins.shape) - 1 - ((self.inputs - 1) << SHIFT)
        return RecordedArray(value, -self.inputs, self, origins)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        function = getattr(np if self.shadows and name in MOVES else self.inner, name)
        return lambda *args, **kwargs: self.run(name, function, args, kwargs)

    def run(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function on the plain arrays; a floating-point result is a step, anything else is only handed on."""
        name = canonical(name)
        if self.shadows is not None:
            if name in MOVES:
                return self._moved(name, function, args, kwargs)
            return self._computed(name, function, args, kwargs, _target(self, kwargs))
        if kwargs.get("out") is not None:
            raise Unrecordable("out= is not recorded")
        result = function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
        if not _floating(result):
            return result
        output = RecordedArray(result, len(self.steps), self)
        self.steps.append(Step(output.made_by, name, args, kwargs, output, name not in MOVES))
        return output

    # With exact values

    def _computed(
        self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], target: RecordedArray | None
    ) -> Any:
        held, named = _frozen(args), _frozen(kwargs)
        result = function(*plain(args), **{k: plain(v) for k, v in kwargs.items()})
        if not _floating(result):
            return result
        number = len(self.steps)
        made = self._enclosed(name, held, named, np.shape(result), lambda a: a.exact)
        if target is None:
            target = RecordedArray(result, number, self, parallel(result))
        else:
            target.made_by = number
            self.writes += 1
        assert target.origins is not None
        size = target.origins.size
        target.origins[...] = (number << SHIFT) + np.arange(size).reshape(target.origins.shape)
        self.steps.append(Step(number, name, held, named, target.frozen(), True, here(self.within), made))
        return target

    def _moved(self, name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        result = function(*plain(args), **{k: plain(v) for k, v in kwargs.items()})
        if not _floating(result):
            return result
        sources = recorded_among((args, kwargs))
        tracked = function(*_tracks(args), **{k: _tracks(v) for k, v in kwargs.items()})
        output = RecordedArray(result, len(self.steps), self, self._beside(result, np.asarray(tracked), sources))
        held, named = _frozen(args), _frozen(kwargs)
        self.steps.append(Step(output.made_by, name, held, named, output.frozen(), False, here(self.within)))
        return output

    def _beside(self, result: Any, tracked: Origins, sources: list[RecordedArray]) -> Origins:
        """Origins that share memory with those of a source where the values share it, and only there."""
        for source in sources:
            shares = np.may_share_memory(_memory(result), _memory(source.value))
            if np.may_share_memory(tracked, source.origins) and not shares:
                tracked = tracked.copy()
            elif shares and not np.may_share_memory(tracked, source.origins):
                raise self.escape("the code makes a view whose numbers cannot be followed", "copy the array first")
        return tracked

    def _enclosed(
        self, name: str, args: Any, kwargs: dict[str, Any], shape: tuple[int, ...], of: Callable[[RecordedArray], Any]
    ) -> Elements | None:
        assert self.shadows is not None
        operands = [a for a in recorded_among((args, kwargs)) if a is not kwargs.get("out")]
        if max([np.size(_memory(a.value)) for a in operands], default=0) > self.shadows.elements:
            return None
        found = {id(a): of(a) for a in operands}
        if any(e is None for e in found.values()):
            return None
        options = {k: _replaced(v, found) for k, v in kwargs.items() if k not in ("out", "dtype", "casting")}
        return self.shadows.enclosed(name, _replaced(args, found), options, shape)

    def local(self, step: Step) -> Elements | None:
        """See Step.local."""
        if self.shadows is None or not step.computes:
            return step.exact
        if all((a.origins < 0).all() for a in recorded_among((step.args, dict(step.kwargs)))):
            return step.made
        shape = np.shape(step.result)
        return self._enclosed(step.operation, step.args, dict(step.kwargs), shape, lambda a: lifted(numbers(a.value)))

    def exact(self, array: RecordedArray) -> Elements | None:
        """See RecordedArray.exact."""
        if self.shadows is None or array.origins is None:
            return None
        flat = array.origins.ravel()
        result = np.empty(flat.size, object)
        given = flat < 0
        if given.any():
            result[given] = lifted(np.ravel(numbers(array.value))[given])
        for number in np.unique(flat[~given] >> SHIFT).tolist():
            made = self.steps[number].made
            if made is None:
                return None
            here_ = flat >> SHIFT == number
            result[here_] = made.reshape(-1)[flat[here_] & FLAT]
        return result.reshape(array.origins.shape)

    def update(self, name: str, function: Callable[..., Any], target: RecordedArray, other: Any) -> Any:
        """An operator in place; on a scalar, as in NumPy, it is none."""
        if self.shadows is None:
            return NotImplemented
        if isinstance(target.value, np.generic):
            return self.run(name, function, (target, other), {})
        return self._computed(name, function, (target, other), {}, target)

    def assign(self, target: RecordedArray, index: Any, value: Any) -> None:
        if self.shadows is None or target.origins is None:
            raise Unrecordable("assignment into an array is not recorded")
        held = (target.frozen(), index, _frozen(value))
        target.value[index] = plain(value)
        origins = value.origins if isinstance(value, RecordedArray) else None
        target.origins[index] = CONSTANT if origins is None else origins
        target.made_by = len(self.steps)
        self.writes += 1
        self.steps.append(Step(target.made_by, "assign", held, {}, target.frozen(), False, here(self.within)))

    def constant(self, like: RecordedArray, value: str) -> Any:
        return constant(like.value, value)

    def escape(self, what: str, hint: str) -> Unrecordable:
        """The refusal, with the line of the person's code."""
        return Unrecordable(what, hint=hint, place=None if self.shadows is None else here(self.within))


def _target(recording: Recording, kwargs: dict[str, Any]) -> RecordedArray | None:
    """The array that out= names."""
    out = kwargs.get("out")
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if out is None or isinstance(out, RecordedArray):
        return out
    raise recording.escape("the code writes into an array that is not recorded (out=)", "create it in the function")


def _memory(value: Any) -> Any:
    return value.numbers if isinstance(value, StrictArray) else value


def parallel(value: Any) -> Origins:
    """An int64 array laid out in memory as the value is."""
    return np.empty_like(np.asarray(_memory(value)), dtype=np.int64)


def _frozen(value: Any) -> Any:
    if isinstance(value, RecordedArray):
        return value.frozen()
    if isinstance(value, tuple | list):
        return type(value)(map(_frozen, value))
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    return value


def _tracks(value: Any) -> Any:
    """Origins in place of arrays, constants in place of plain floating-point ones."""
    if isinstance(value, RecordedArray):
        return value.origins
    if isinstance(value, tuple | list):
        return type(value)(map(_tracks, value))
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "biu":
        return np.full(value.shape, CONSTANT)
    return value


def _replaced(value: Any, found: dict[int, Any]) -> Any:
    if isinstance(value, RecordedArray):
        return found.get(id(value))
    if isinstance(value, tuple | list):
        return type(value)(_replaced(v, found) for v in value)
    return value


def _array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | StrictArray)


def _floating(result: Any) -> bool:
    return _array(result) and np.dtype(result.dtype).kind in "fV"
