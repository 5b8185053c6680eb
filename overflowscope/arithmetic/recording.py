"""Recording: run array code and write down every step of it, changing none of its bits.

The same arrays serve the catalogue's formulations, through the namespace, and a person's own NumPy function, through
``__array_ufunc__`` and ``__array_function__``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from overflowscope.arithmetic import NAMED, constant, numbers
from overflowscope.arithmetic.following import Call, computed, floating, follow, hidden, moved, written
from overflowscope.arithmetic.names import MOVES, WRITES, canonical, named
from overflowscope.arithmetic.origins import duplicate, laid_out, memory, of_input, of_step
from overflowscope.arithmetic.places import Place, Unrecordable
from overflowscope.arithmetic.recorded_array import RecordedArray, plain
from overflowscope.arithmetic.steps import Note, Step
from overflowscope.arithmetic.tape import Tape

if TYPE_CHECKING:
    from overflowscope.arithmetic.shadows import Shadows

__all__ = ["Note", "Place", "RecordedArray", "Recording", "Step", "Unrecordable", "plain"]


class Recording(Tape):
    """The namespace ``inner`` (NumPy unless said), with ``steps`` as they are taken.

    With ``exact`` every step has the exact values beside the computed ones, arrays may be written into, and what
    cannot be followed is refused with its line. Without, nothing is copied, and writing is refused.
    """

    def __init__(self, inner: Any = np, exact: Shadows | None = None):
        super().__init__(exact)
        self.inner = inner

    def asarray(self, values: Any) -> RecordedArray:
        """An input to record from; with exact values a copy, for it may be written into."""
        number, self.inputs = self.inputs, self.inputs + 1
        if self.shadows is None:
            return RecordedArray(values, -1 - number, self)
        value = duplicate(values if hasattr(values, "dtype") else np.array(values))
        origins = laid_out(of_input(number, np.shape(memory(value))), value)
        return RecordedArray(value, -1 - number, self, origins)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        # Of moves NumPy's own, which arrays of any arithmetic answer, as the origins must.
        function = getattr(np if self.shadows and canonical(name) in MOVES else self.inner, name)
        return lambda *args, **kwargs: self.run(name, function, args, kwargs)

    def run(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function on the plain arrays; a floating-point result is a step, anything else is only handed on."""
        name = canonical(name)
        args, kwargs = named(name, args, kwargs)
        if self.shadows is not None:
            return follow(self, Call(name, function, args, kwargs))
        if kwargs.get("out") is not None:
            raise Unrecordable("the code writes into an array (out=)")
        if self.pure and (name in WRITES or name.endswith(".at")):
            raise Unrecordable(f"the code writes into an array ({name})")
        result = function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
        if not floating(result):
            if self.pure and hidden(result):
                raise Unrecordable(f"no gradient is known of {name}")
            return result
        output = RecordedArray(result, len(self.steps), self)
        self.step(name, args, kwargs, output, computes=name not in MOVES)
        return output

    def update(self, name: str, function: Callable[..., Any], target: RecordedArray, other: Any) -> Any:
        """An operator in place; on a scalar, as in NumPy, it is none."""
        if self.shadows is None:
            if self.pure and not isinstance(target.value, np.generic):
                raise Unrecordable("the code writes into an array in place")
            return NotImplemented
        call = Call(canonical(name), function, (target, other), {})
        return computed(self, call, None if isinstance(target.value, np.generic) else target)

    def assign(self, target: RecordedArray, index: Any, value: Any) -> None:
        """a[i] = v."""
        if self.shadows is None:
            raise Unrecordable("the code writes into an array (x[i] = ...)")
        written(self, Call("assign", _assign, (target, index, value), {}))

    def sort_in_place(self, target: RecordedArray, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """x.sort(), in place."""
        if self.shadows is None:
            raise Unrecordable("the code sorts an array in place")
        ordered = moved(self, Call("sort", np.sort, (target, *args), kwargs))
        self.assign(target, ..., ordered)

    def cast(self, array: RecordedArray, dtype: Any, kwargs: dict[str, Any]) -> Any:
        """x.astype(dtype)."""
        if self.shadows is None:
            return self.run("astype", _astype, (array, dtype), kwargs)
        dtype = np.dtype(dtype)
        if dtype != array.value.dtype:
            return computed(self, Call("astype", _astype, (array, dtype), kwargs))
        if kwargs.get("copy", True):
            return moved(self, Call("copy", lambda a: a.copy(), (array,), {}))
        return array

    def constant(self, like: RecordedArray, value: str) -> Any:
        """In the arithmetic of the array; with exact values a step of its own, where rounding it is an error."""
        rounded = constant(like.value, value)
        if self.shadows is None:
            return rounded
        if value not in NAMED and Fraction(value) == Fraction(float(numbers(rounded))):
            return rounded
        output = RecordedArray(rounded, len(self.steps), self, of_step(len(self.steps), ()))
        self.step("constant", (value,), {}, output.frozen(), self.shadows.constant(value), computes=True)
        return output

    def truth(self, array: RecordedArray) -> bool:
        """bool() of an array of one number."""
        if self.shadows is None:
            return bool(array.value)
        from overflowscope.arithmetic import decisions

        return decisions.truth(self, array)


def _assign(array: Any, index: Any, value: Any) -> None:
    array[index] = value


def _astype(array: Any, dtype: Any, **options: Any) -> Any:
    return array.astype(dtype, **options)
