"""What a recording writes down."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.arithmetic.origins import Origins
from overflowscope.arithmetic.places import Place
from overflowscope.arithmetic.recorded_array import RecordedArray, plain
from overflowscope.arithmetic.strict import StrictArray


@dataclass(frozen=True)
class Step:
    """One operation on arrays: its NumPy name, what it was called with, and what came out.

    ``args`` and ``kwargs`` are the call's own, ``output`` the array it gave; arrays of the recording among them are
    RecordedArrays, so that a rule can go on computing with them. ``computes`` is False for what only moves numbers.

    In a recording with exact values they are as they were when the step was taken, and ``place`` is the line of the
    person's code that took it.
    """

    number: int
    operation: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: RecordedArray
    computes: bool = True
    place: Place | None = None
    made: Any = None

    @property
    def given(self) -> tuple[Any, ...]:
        """What of the positional arguments is an array or a number."""
        return tuple(
            a for a in self.args if isinstance(a, RecordedArray | StrictArray | np.ndarray | np.generic | float | int)
        )

    @property
    def operands(self) -> tuple[Any, ...]:
        """The same as plain arrays and numbers."""
        return tuple(map(plain, self.given))

    @property
    def parents(self) -> tuple[int | None, ...]:
        """The numbers of the steps that made the operands: negative for an input, None for a plain number or array."""
        return tuple(a.made_by if isinstance(a, RecordedArray) else None for a in self.given)

    @property
    def origins(self) -> tuple[Origins | None, ...]:
        """Of each operand where its numbers were computed, see RecordedArray; None for plain numbers and arrays."""
        return tuple(a.origins if isinstance(a, RecordedArray) else None for a in self.given)

    @property
    def result(self) -> Any:
        """The output as a plain array."""
        return self.output.value

    @property
    def exact(self) -> Any:
        """The result that exact arithmetic gives from the beginning on: enclosures; None where they are not kept."""
        return self.made if self.computes else self.output.exact

    @functools.cached_property
    def local(self) -> Any:
        """The result that this operation gives exactly of its *computed* operands."""
        return self.output.recording.local(self)


@dataclass(frozen=True)
class Note:
    """A decision that the exact values would have made otherwise, taken before step ``number``.

    ``operation`` is the comparison, ``index`` the flat index of the first number it is about, ``computed`` what it
    gave there and went on with, ``exact`` what it should have given; ``count`` numbers are so decided. ``sides`` are
    the numbers that were compared there, each with the enclosure of its exact value, where it was of one with one.
    """

    number: int
    place: Place | None
    operation: str
    index: int
    computed: Any
    exact: Any
    count: int = 1
    sides: tuple[tuple[float, Any], ...] = ()
