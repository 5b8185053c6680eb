"""The tape of a recording: the steps, the exact values of its arrays, and the refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.names import REPLACING
from overflowscope.arithmetic.origins import FLAT, SHIFT, Origins, memory
from overflowscope.arithmetic.places import Place, Unrecordable, here
from overflowscope.arithmetic.recorded_array import RecordedArray, plain, recorded_among, replaced
from overflowscope.arithmetic.steps import Note, Step

if TYPE_CHECKING:
    from overflowscope.arithmetic.elements import Elements
    from overflowscope.arithmetic.shadows import Shadows

OPTIONS = {"out", "dtype", "casting", "order", "subok", "signature"}
"""Arguments by name that change no number's exact value."""


class Tape:
    """What is written down. ``within`` is a folder whose code is a person's wherever it lies; ``refused`` what was
    refused first, for code that catches it; ``writes`` counts what was written into arrays. ``adjoint_of`` has, of each
    step that was taken backwards, the number of the step whose adjoint it hands on. Without exact values a ``pure`` one
    refuses what is written and what goes out of sight; in others operators in place make new arrays."""

    def __init__(self, shadows: Shadows | None):
        self.shadows = shadows
        self.steps: list[Step] = []
        self.notes: list[Note] = []
        self.inputs = self.writes = 0
        self.pure = False
        self.adjoint_of: dict[int, int] = {}
        self.within: str | None = None
        self.refused: Unrecordable | None = None

    @property
    def here(self) -> Place | None:
        """The line of a person's code that is running; None without exact values, where it is not asked for."""
        return None if self.shadows is None else here(self.within)

    def step(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: RecordedArray,
        made: Any = None,
        *,
        computes: bool,
    ) -> None:
        """The next step; what it holds is frozen already."""
        self.steps.append(Step(len(self.steps), name, args, kwargs, output, computes, self.here, made))

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def escape(self, what: str, hint: str | None = None) -> Unrecordable:
        """The refusal, with the line of the person's code."""
        place = self.here
        called = re.search(r"math\.(\w+)\(", place.text) if place is not None and "out of sight" in what else None
        if place is not None and called is not None and not re.search(r"\b(float|int|complex)\(", place.text):
            name = REPLACING.get(called[1], called[1])
            what, hint = f"the code takes a number out of sight (math.{called[1]})", f"write np.{name}"
        error = Unrecordable(what, hint=hint, place=place)
        self.refused = self.refused or error
        return error

    # Exact values

    def exact(self, array: RecordedArray) -> Elements | None:
        """See RecordedArray.exact."""
        if self.shadows is None or array.origins is None:
            return None
        origins = array.origins
        flat = origins.reshape(-1)
        if not flat.size:
            return np.empty(origins.shape, object)
        least, most = int(flat.min()) >> SHIFT, int(flat.max()) >> SHIFT
        if most < 0:
            found: Elements = lifted(numbers(array.value))
            return found
        if least == most:
            made: Elements | None = self.steps[most].made
            if made is None:
                return None
            whole = flat.size == made.size and (flat & FLAT == np.arange(flat.size)).all()
            picked: Elements = (made if whole else made.reshape(-1)[flat & FLAT]).reshape(origins.shape)
            return picked
        return self._gathered(flat, np.ravel(numbers(array.value)), origins.shape)

    def _gathered(self, flat: Origins, values: Any, shape: tuple[int, ...]) -> Elements | None:
        """Of the steps that each number is from."""
        result = np.empty(flat.size, object)
        given = flat < 0
        result[given] = lifted(values[given])
        maker = flat >> SHIFT
        for number in np.unique(maker[~given]).tolist():
            made = self.steps[number].made
            if made is None:
                return None
            these = maker == number
            result[these] = made.reshape(-1)[flat[these] & FLAT]
        return result.reshape(shape)

    def local(self, step: Step) -> Elements | None:
        """See Step.local."""
        exact: Elements | None = step.exact
        if exact is None or not step.computes or all(a.given for a in recorded_among((step.args, dict(step.kwargs)))):
            return exact
        return self.enclosed(step.operation, step.args, dict(step.kwargs), step.output, _itself)

    def enclosed(
        self, name: str, args: Any, kwargs: dict[str, Any], output: Any, of: Callable[[RecordedArray], Any]
    ) -> Elements | None:
        """The result by the rule of its name, with ``of`` each recorded operand; None where there are too many."""
        assert self.shadows is not None
        options = {k: v for k, v in kwargs.items() if k not in OPTIONS}
        mask, before = masked(name, kwargs), written_before(kwargs)
        if mask is not None:
            options.pop("where")
        operands = recorded_among((args, options)) + ([before] if mask is not None and before is not None else [])
        shape = np.shape(memory(plain(output)))
        if self.shadows.too_many(name, [np.shape(memory(a.value)) for a in operands], shape):
            return None
        found = {id(a): of(a) for a in operands}
        if any(e is None for e in found.values()):
            return None
        exact = replaced(args, lambda a: found[id(a)])
        made = self.shadows.enclosed(name, exact, replaced(options, lambda a: found[id(a)]), shape)
        if name == "divide" and len(args) == 2:
            from overflowscope.arithmetic.shadows import by_negative_zeros

            made = by_negative_zeros(made, exact[1], numbers(plain(args[1])))
        if mask is None:
            return made
        return np.where(mask, made, found[id(before)] if before is not None else lifted(numbers(plain(output))))


def masked(name: str, kwargs: Mapping[str, Any]) -> Any:
    """Where a ufunc computes, by its where=; None for everywhere."""
    return kwargs.get("where") if isinstance(getattr(np, name, None), np.ufunc) else None


def written_before(kwargs: Mapping[str, Any]) -> RecordedArray | None:
    """The array given as out=, whose numbers stay where a ufunc does not compute."""
    out = kwargs.get("out")
    return out[0] if isinstance(out, tuple) else out


def lifted(values: Any) -> Elements:
    """elements.lifted, loaded where exact values are kept: it would cost every start its time."""
    from overflowscope.arithmetic import elements

    found: Elements = elements.lifted(values)
    return found


def _itself(array: RecordedArray) -> Elements:
    found: Elements = lifted(numbers(array.value))
    return found
