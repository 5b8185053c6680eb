"""How a call is followed with exact values: what it computes, moves, makes and writes is told apart by its name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.names import CALLING, DATA, DATA_NAMES, FILLING, MAKES, MOVES, WRITES
from overflowscope.arithmetic.origins import CONSTANT, Origins, alike, laid_out, memory, of_step, shared
from overflowscope.arithmetic.recorded_array import RecordedArray, plain, recorded_among, replaced
from overflowscope.arithmetic.strict import StrictArray
from overflowscope.arithmetic.tape import Tape, masked, written_before

IN_PLACE = {getattr(operator, f"i{n}") for n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")}
OWN_ARRAY = "make it in the function, by np.empty"


@dataclass(frozen=True)
class Call:
    """NumPy's function of a canonical name, and what it is called with."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def made(self) -> Any:
        """What it gives on plain arrays."""
        return self.function(*plain(self.args), **{k: plain(v) for k, v in self.kwargs.items()})

    def held(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as they are now."""
        return tuple(replaced(self.args, RecordedArray.frozen)), replaced(self.kwargs, RecordedArray.frozen)


def follow(tape: Tape, call: Call) -> Any:
    """What the call gives, recorded. Raises Unrecordable for what cannot be followed."""
    if call.name in CALLING:
        raise tape.escape(
            f"np.{call.name} calls a function with plain numbers", "write it over whole arrays, or a loop"
        )
    if call.name in WRITES:
        return written(tape, call)
    if call.name in MAKES:
        return made(tape, call)
    if call.name in MOVES:
        return moved(tape, call)
    return computed(tape, call, named_target(tape, call))


# What computes


def named_target(tape: Tape, call: Call) -> RecordedArray | None:
    """The array that out= names."""
    out = call.kwargs.get("out")
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if out is None or isinstance(out, RecordedArray):
        return out
    if isinstance(out, np.ndarray) and not floating(out):
        return None
    raise tape.escape("the code writes into an array that is not recorded (out=)", OWN_ARRAY)


def computed(tape: Tape, call: Call, target: RecordedArray | None = None) -> Any:
    """A step for a floating-point result, one each for several; plain what is none, with a note where the exact values
    decide it otherwise."""
    if call.name == "where" and isinstance(call.args[0], RecordedArray):
        call = replace(call, args=(np.not_equal(call.args[0], 0), *call.args[1:]))
    held, named = call.held()
    result = call.made()
    if any(isinstance(r, np.ndarray | np.generic) and r.dtype.kind in "cO" for r in _parts(result)):
        raise tape.escape(f"np.{call.name} gives numbers that are no floats", "leave complex numbers and objects out")
    if isinstance(result, tuple | list) and any(map(floating, result)):
        parts = [
            _step(tape, replace(call, name=f"{call.name}[{i}]"), held, named, part) if floating(part) else part
            for i, part in enumerate(result)
        ]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    _untouched(tape, call, held, result)
    if target is None and floating(result) and _is_view(call, result):
        return moved(tape, call)
    if floating(result):
        # An array to write into may be given by its place.
        given = [a for a in recorded_among(call.args) if a.value is result and isinstance(result, np.ndarray)]
        return _step(tape, call, held, named, result, given[0] if target is None and given else target)
    from overflowscope.arithmetic import decisions

    decisions.note(tape, call.name, held, named, result)
    return result


def _parts(result: Any) -> Any:
    return result if isinstance(result, tuple | list) else (result,)


def _untouched(tape: Tape, call: Call, held: Any, result: Any) -> None:
    """Functions of no known rule may write into what they are given; ufuncs write where out= says."""
    if isinstance(call.function, np.ufunc) or call.function in IN_PLACE:
        return
    for array, before in zip(recorded_among(call.args), recorded_among(held), strict=True):
        value = memory(array.value)
        if value is not memory(result) and not np.array_equal(value, memory(before.value), equal_nan=True):
            raise tape.escape(f"np.{call.name} writes into its argument", "write a[...] = instead")


def _is_view(call: Call, result: Any) -> bool:
    """Whether the result lies in the memory of an operand: then its numbers are the operand's."""
    operands = recorded_among((call.args, call.kwargs))
    return any(a.value is not result and shared(memory(result), memory(a.value)) for a in operands)


def _step(
    tape: Tape, call: Call, held: Any, named: dict[str, Any], result: Any, target: RecordedArray | None = None
) -> RecordedArray:
    _known(tape, result)
    number = len(tape.steps)
    exact = tape.enclosed(call.name, held, named, result, lambda a: a.exact)
    origins: Any = of_step(number, np.shape(memory(result)))
    if masked(call.name, named) is not None:
        before = written_before(named)
        origins = np.where(masked(call.name, named), origins, CONSTANT if before is None else before.origins)
    target = _filled(tape, target, number, result, origins)
    tape.step(call.name, held, named, target.frozen(), exact, computes=True)
    return target


def _known(tape: Tape, result: Any) -> None:
    """Refuses formats that are none of ours, and arrays with rules of their own, as np.matrix has."""
    if np.dtype(result.dtype).name not in formats.FORMATS:
        raise tape.escape(f"{np.dtype(result.dtype).name} is no format that is known here", "use float64")
    if isinstance(result, np.ndarray) and type(result) is not np.ndarray:
        raise tape.escape(f"the code makes a {type(result).__name__}", "use plain arrays")


def _filled(tape: Tape, target: RecordedArray | None, number: int, result: Any, origins: Origins) -> RecordedArray:
    """A new array of the result, or the one that was written into."""
    if target is None:
        return RecordedArray(result, number, tape, laid_out(origins, result))
    assert target.origins is not None
    target.origins[...] = origins
    target.made_by = number
    tape.writes += 1
    return target


# What moves numbers


def moved(tape: Tape, call: Call) -> Any:
    """The same is done to the origins."""
    if call.name == "view":
        _same_bits(tape, call)
    dtype = call.kwargs.get("dtype")
    if dtype is not None and call.kwargs.get("out") is None:
        bare = {k: v for k, v in call.kwargs.items() if k not in ("dtype", "casting")}
        return moved(tape, replace(call, kwargs=bare)).astype(dtype, copy=False)
    if call.name == "pad" and _mode(call) not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        return computed(tape, call)
    if recorded_among(call.kwargs.get("constant_values")):
        raise tape.escape("the code pads with a recorded number", "write it into the array")
    result = call.made()
    target = named_target(tape, call)
    # The diagonal of a matrix is a view of it, while a matrix of a diagonal is new.
    view = call.name == "diag" and np.ndim(memory(plain(call.args[0]))) == 2
    shift = -CONSTANT if call.name in FILLING and not view else 0
    args, options = _tracks(call, shift)
    options.pop("constant_values", None)
    tracked = _sorted(call) if call.name == "sort" else call.function(*args, **options)
    if isinstance(result, tuple | list):
        return type(result)([_move(tape, call, r, t, None) for r, t in zip(result, tracked, strict=True)])
    return _move(tape, call, result, tracked - shift if shift else tracked, target)


def _mode(call: Call) -> Any:
    return call.kwargs.get("mode", call.args[2] if len(call.args) > 2 else "constant")


def _same_bits(tape: Tape, call: Call) -> None:
    array, *kinds = (*call.args, *call.kwargs.values())
    for kind in kinds:
        if kind is not np.ndarray and np.dtype(kind) != array.value.dtype:
            raise tape.escape("the code looks at the bits of its numbers (.view)", "use np.frexp or np.ldexp")


def _move(tape: Tape, call: Call, result: Any, tracked: Any, target: RecordedArray | None) -> Any:
    if not floating(result):
        return result
    _known(tape, result)
    sources = recorded_among((call.args, call.kwargs))
    for source in sources:
        if result is source.value and not isinstance(result, np.generic):
            return source
    held, named = call.held()
    if target is None:
        target = RecordedArray(result, len(tape.steps), tape, _beside(tape, result, tracked, sources))
    else:
        target = _filled(tape, target, len(tape.steps), result, tracked)
    tape.step(call.name, held, named, target.frozen(), computes=False)
    return target


def _beside(tape: Tape, result: Any, tracked: Any, sources: list[RecordedArray]) -> Origins:
    """Origins that share memory with those of a source where the values share it, and only there."""
    origins: Origins = np.asarray(tracked)
    for source in sources:
        together = shared(memory(result), memory(source.value))
        if together and not (shared(origins, source.origins) and alike(result, origins)):
            raise tape.escape("the code makes a view whose numbers cannot be followed", "copy the array first")
        if together or not shared(origins, source.origins):
            continue
        origins = laid_out(origins, result)
    return origins if alike(result, origins) else laid_out(origins, result)


def _tracks(call: Call, shift: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with origins in place of arrays, and CONSTANT in place of other numbers; ``shift`` is added."""
    places = DATA.get(call.name, (0,) if call.name in MOVES else ())
    args = [_track(a, shift) if i in places or recorded_among(a) else a for i, a in enumerate(call.args)]
    options = {k: v for k, v in call.kwargs.items() if k not in ("out", "dtype", "casting")}
    return args, {k: _track(v, shift) if k in DATA_NAMES or recorded_among(v) else v for k, v in options.items()}


def _track(value: Any, shift: int) -> Any:
    if isinstance(value, RecordedArray):
        return value.origins + shift if shift else value.origins
    if isinstance(value, tuple | list):
        return type(value)([_track(v, shift) for v in value])
    return np.full(np.shape(memory(value)), CONSTANT + shift)


def _sorted(call: Call) -> Any:
    """Where sorting takes each number from: by the computed values, equal ones in their order."""
    array, *rest = call.args
    axis = call.kwargs.get("axis", rest[0] if rest else -1)
    values = np.asarray(memory(plain(array)))
    if axis is None:
        return array.origins.ravel()[np.argsort(values, axis=None, kind="stable")]
    return np.take_along_axis(array.origins, np.argsort(values, axis=axis, kind="stable"), axis)


# What makes arrays of constants


def made(tape: Tape, call: Call) -> Any:
    """zeros, ones_like and their like; a number to fill with may be a recorded one."""
    if recorded_among((call.args, call.kwargs)) and not call.name.endswith("_like") and call.name != "full":
        return computed(tape, call)
    result = call.made()
    if not floating(result):
        return result
    held, named = call.held()
    given = suited(tape, _fill(call), result.dtype)
    origins = given.origins if isinstance(given, RecordedArray) else CONSTANT
    output = RecordedArray(result, len(tape.steps), tape, laid_out(origins, result))
    tape.step(call.name, held, named, output.frozen(), computes=False)
    return output


def _fill(call: Call) -> Any:
    if call.name not in ("full", "full_like"):
        return 0
    return call.args[1] if len(call.args) > 1 else call.kwargs.get("fill_value")


def suited(tape: Tape, value: Any, dtype: Any) -> Any:
    """A value on its way into an array of that format: cast, as a step of its own, where that changes its numbers.

    A Python float is the double that it is: rounding it is an error of that step.
    """
    if isinstance(value, list | tuple):
        value = nested(tape, value) if recorded_among(value) else np.asarray(value)
    known = np.asarray(numbers(plain(value)))
    target = formats.of(np.dtype(dtype))
    with np.errstate(all="ignore"):
        rounded = formats.round_to(known, target)
    if ((rounded == known) | (known != known)).all():
        return value
    if isinstance(value, RecordedArray):
        return value.astype(dtype)
    if isinstance(value, StrictArray):
        return value
    cast = Call("astype", lambda a, d: np.asarray(a).astype(d)[()], (value, np.dtype(dtype)), {})
    return computed(tape, cast)


def nested(tape: Tape, values: Any) -> RecordedArray:
    """One array of recorded ones in lists, as np.array makes it."""
    return moved(tape, Call("stack" if _even(values) else "array", _arrayed, (list(values),), {}))  # type: ignore[no-any-return]


def _arrayed(values: Any) -> Any:
    first = next((v for v in values if isinstance(v, StrictArray)), None)
    if first is None:
        return np.array(values)
    return StrictArray(np.array([numbers(v) for v in values]), first.xp)


def _even(values: Any) -> bool:
    """Whether it is a stack of recorded arrays."""
    return all(isinstance(v, RecordedArray) for v in values)


# What writes


def written(tape: Tape, call: Call) -> None:
    """a[i] = v, np.copyto(a, values) and the like, in whose first argument numbers are put: a step assign."""
    target = call.args[0]
    if not isinstance(target, RecordedArray) or target.origins is None:
        raise tape.escape("the code writes into an array that is not recorded", OWN_ARRAY)
    places = DATA[call.name][1:]
    args = [suited(tape, a, target.dtype) if i in places else a for i, a in enumerate(call.args)]
    named = {k: suited(tape, v, target.dtype) if k in DATA_NAMES else v for k, v in call.kwargs.items()}
    cast = replace(call, args=tuple(args), kwargs=named)
    held, kept = cast.held()
    call.made()
    tracked, options = _tracks(cast)
    call.function(*tracked, **options)
    target.made_by = len(tape.steps)
    tape.writes += 1
    tape.step("assign", held, kept, target.frozen(), computes=False)


def floating(result: Any) -> bool:
    """An array or a scalar of floating-point numbers."""
    array = isinstance(result, np.ndarray | np.generic | StrictArray)
    return array and np.dtype(result.dtype).kind in "fV"


def hidden(result: Any) -> bool:
    """Numbers in a form that a light recording does not follow: several arrays, or complex ones."""
    if isinstance(result, tuple | list):
        return any(floating(part) or hidden(part) for part in result)
    return isinstance(result, np.ndarray | np.generic) and result.dtype.kind == "c"
