"""The recorded steps run again, some of them by other formulas: the rewritten calculation, on the same numbers.

What moves numbers is not run again, for every number is known by the step that computed it; so it does not matter how
the code stored them, through views or in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.origins import CONSTANT
from overflowscope.arithmetic.recorded_array import RecordedArray
from overflowscope.formats import Floats, Format, round_to
from overflowscope.studies.trace.history import History, Origins, Seen
from overflowscope.studies.trace.patterns import maker

Values = dict[int, Any]
"""What the steps gave, by the numbers of the recording."""
Formula = Callable[["Replay", Seen], Any]
"""A step's result by another way than its own."""


class Unreplayable(Exception):
    """A step that cannot be run again from what was written down of it."""


class Replay:
    """A run of a history's steps on its input arrays, by their numbers, with ``formulas`` in the place of some steps.

    ``given`` are the operands that the steps had in this run, by the steps' numbers. With a ``wide`` format every step
    is taken in it, whatever the code casts its numbers to, and the result is rounded once.
    """

    def __init__(
        self,
        history: History,
        inputs: Mapping[int, Any],
        formulas: Mapping[int, Formula],
        wide: Format | None = None,
    ):
        self.history, self.inputs, self.formulas, self.wide = history, inputs, formulas, wide
        self.values: Values = {}
        self.given: dict[int, list[Any]] = {}

    def run(self) -> Floats:
        """The result, as float64 numbers of the result's own format. Raises Unreplayable."""
        with np.errstate(all="ignore"):
            for seen in self.history.steps:
                given = [
                    operand if origins is None else self._gathered(origins, operand)
                    for operand, origins in zip(seen.step.operands, seen.step.origins, strict=True)
                ]
                self.given[seen.number] = given
                formula = self.formulas.get(seen.number)
                made = np.asarray(_again(seen, given) if formula is None else formula(self, seen))
                if made.size != seen.result.size:
                    raise Unreplayable(f"{seen.name} gives another shape")
                made = made.reshape(seen.result.shape)
                dtype = seen.step.result.dtype if self.wide is None else self.wide.dtype
                self.values[seen.step.number] = made.astype(dtype, copy=False)
            result = self._gathered(self.history.origins, self.history.plain)
        return round_to(np.asarray(result, np.float64), self.history.fmt)

    def behind(self, seen: Seen, which: int, operand: int = 0) -> Any:
        """What the step that made an operand was itself given, in the shape of the operand it made."""
        made = maker(self.history, seen, which)
        assert made is not None
        values = np.broadcast_to(self.given[made.number][operand], made.result.shape)
        return self.through(seen, which, values)

    def through(self, seen: Seen, which: int, values: Any) -> Any:
        """Values in the place of the results of the step that made an operand, moved as those were."""
        origins = seen.origins[which]
        assert origins is not None
        return np.asarray(values).ravel()[origins & (2**32 - 1)]

    def _gathered(self, origins: Origins, before: Any) -> NDArray[Any]:
        """Numbers from where they were computed."""
        result = np.array(before, None if self.wide is None else self.wide.dtype)
        for source in np.unique(origins >> 32).tolist():
            here = origins >> 32 == source
            if source >= 0:
                made, places = self.values[source], origins[here] & (2**32 - 1)
            elif source == CONSTANT >> 32:
                continue
            else:
                made, places = self.inputs[~source], ~origins[here] & (2**32 - 1)
            result[here] = np.asarray(made).ravel()[places]
        return result


def _again(seen: Seen, given: list[Any]) -> Any:
    """The step itself."""
    step = seen.step
    arrays = iter(given)
    operands = [next(arrays) if _counts(a) else a for a in step.args]
    kwargs = {k: v for k, v in step.kwargs.items() if k not in ("out", "casting", "subok", "dtype")}
    if any(isinstance(v, RecordedArray) for v in kwargs.values()):
        raise Unreplayable(f"{seen.name} with an array by its name")
    if step.operation == "astype":
        return operands[0]
    function = getattr(np, step.operation, None)
    if function is None:
        raise Unreplayable(f"{seen.name} is no function of NumPy")
    return function(*operands, **kwargs)


def _counts(argument: Any) -> bool:
    """Whether an argument is one of a step's operands."""
    return isinstance(argument, RecordedArray | np.ndarray | np.generic | float | int)
