"""A recorded calculation, ready to be questioned: its steps as numbers beside the exact values, and their origins."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.recording import RecordedArray, Recording, Step
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.studies.trace import enclosures, feeds
from overflowscope.studies.trace.feeds import Mask

Origins = NDArray[np.int64]


class Seen:
    """A step that computes. ``number`` counts from 1; ``fmt`` is the format of its result, ``operands`` are float64;
    of a step backward ``back`` is the recording's number of the step whose adjoint it hands on, else None.

    An operand's ``origins`` say where each of its numbers was computed, see ``makers``; None of a constant. Python's
    own numbers among them are rounded to the format, as NumPy does before it computes with them.
    """

    def __init__(self, number: int, step: Step, fmt: Format, back: int | None):
        self.number, self.step, self.fmt, self.back = number, step, fmt, back
        self.name = step.operation
        self.result = np.asarray(numbers(step.result), np.float64)
        # What says along which axis, or to how many digits, is no operand; it comes after those that are.
        count = 1 if step.operation in feeds.OF_ONE else len(step.given)
        self.operands = [_held(a, fmt) for a in step.operands[:count]]
        self.origins: list[Origins | None] = list(step.origins[:count])
        self.known = step.exact is not None
        self.exact = enclosures.kept(step.exact, self.result.shape)

    @functools.cached_property
    def local(self) -> NDArray[Any]:
        """The exact result of the computed operands."""
        return enclosures.kept(self.step.local, self.result.shape)

    @functools.cached_property
    def lost(self) -> Mask:
        """Where the result is nan or an infinity, and the exact value is not that infinity."""
        return lost(self.result, self.exact) if self.known else np.asarray(~np.isfinite(self.result))

    @functools.cached_property
    def vanished(self) -> Mask:
        """Where the result is 0 and the exact value is not; where that is unknown, what the step itself should give."""
        return self._zero_where(lambda e, own: enclosures.nonzero(e) or (unknown(e) and enclosures.nonzero(own)))

    @functools.cached_property
    def dropped(self) -> Mask:
        """Where this step itself made a 0 that should have been another number."""
        return self._zero_where(lambda e, own: enclosures.nonzero(own))

    def _zero_where(self, wrong: Any) -> Mask:
        found = np.zeros(self.result.shape, np.bool_)
        if self.known:
            for place in feeds.places(self.result == 0):
                found[place] = wrong(self.exact[place], self.local[place])
        return found

    @functools.cached_property
    def errors(self) -> Floats:
        """In ulps, element by element; nan where they are not decided."""
        if not self.known:
            return np.full(self.result.shape, np.nan)
        return enclosures.truths(self.exact, self.fmt).distances(self.result)

    @functools.cached_property
    def inaccurate(self) -> Mask:
        """Where more than half of the bits are wrong."""
        return np.asarray(np.log2(1 + self.errors) > self.fmt.precision / 2, np.bool_)

    @functools.cached_property
    def reduced(self) -> tuple[int, ...] | None:
        """The axes over which it runs, where it is a reduction."""
        return feeds.reduced(self.step)

    def of(self, which: int, mask: Mask) -> Mask:
        """The elements of an operand that feed these of the result."""
        return feeds.made_of(self.step, which, mask)

    def to(self, which: int, mask: Mask) -> Mask:
        """The elements of the result that these of an operand feed."""
        return feeds.reached(self.step, which, mask)


def _held(operand: Any, fmt: Format) -> Floats:
    values = np.asarray(numbers(operand), np.float64)
    return round_to(values, fmt) if isinstance(operand, int | float) else values


@dataclass(frozen=True)
class History:
    """The steps of one run that compute, in order, and its result: the ``plain`` array, its numbers, their exact
    values, and where each was computed."""

    steps: tuple[Seen, ...]
    plain: Any
    result: Floats
    exact: NDArray[Any]
    origins: Origins
    fmt: Format

    @functools.cached_property
    def by_step(self) -> dict[int, Seen]:
        """By the numbers that the recording gave."""
        return {s.step.number: s for s in self.steps}

    def forward(self, seen: Seen) -> int | None:
        """Of a step backward the step whose adjoint it hands on, by the number shown; None where that computes none."""
        made = None if seen.back is None else self.by_step.get(seen.back)
        return None if made is None else made.number

    @functools.cached_property
    def stray(self) -> dict[int, Mask]:
        """Of each step the nan and infinities that nobody meant, by its number.

        Meant are infinities of the input, those written as constants, and what these make of themselves where it is
        right: a mask of -inf, its maximum, its difference from a number.
        """
        known: dict[int, Mask] = {}
        for seen in self.steps:
            mask = np.asarray(~np.isfinite(seen.result))
            if mask.any():
                right = np.asarray(mask & ~seen.lost)
                for which, operand in enumerate(seen.operands):
                    meant = np.asarray(np.isinf(operand))
                    if right.any() and meant.any():
                        meant = meant & ~self._picked(seen.origins[which], operand.shape, known)
                        mask = np.asarray(mask & ~(right & seen.to(which, meant)))
            known[seen.number] = mask
        return known

    @functools.cached_property
    def wrong(self) -> Mask:
        """Of the result: nan or infinities that the truth is not, and 0 where it rounds to something else."""
        # A 0 that is more than half an ulp off should have been another number.
        return np.asarray(lost(self.result, self.exact) | ((self.result == 0) & (self.errors > 0.5)), np.bool_)

    @functools.cached_property
    def truths(self) -> enclosures.Truths:
        """What its results are measured against."""
        return enclosures.truths(self.exact, self.fmt)

    @functools.cached_property
    def errors(self) -> Floats:
        """Of the result, in ulps; nan where they are not decided."""
        return self.truths.distances(self.result)

    @functools.cached_property
    def inaccurate(self) -> Mask:
        """Of the result: numbers of which more than half of the bits are wrong."""
        return np.asarray(np.log2(1 + self.errors) > self.fmt.precision / 2, np.bool_) & ~self.wrong

    def makers(self, origins: Origins | None, mask: Mask) -> list[tuple[Seen, Mask]]:
        """The steps that computed the marked elements, each with a mask of its result; inputs and constants are not."""
        if origins is None:
            return []
        given = origins[mask]
        given = given[given >= 0]
        found = []
        for number in np.unique(given >> 32).tolist():
            seen = self.by_step[number]
            flat = np.zeros(seen.result.size, np.bool_)
            flat[(given[given >> 32 == number]) & (2**32 - 1)] = True
            found.append((seen, flat.reshape(seen.result.shape)))
        return found

    def at(self, seen: Seen, which: int, field: str) -> Mask:
        """A mask of the steps' results, by its name, brought to an operand: false for inputs and constants."""
        origins = seen.origins[which]
        if field == "stray":
            return self._picked(origins, seen.operands[which].shape, self.stray)
        needed = [] if origins is None else np.unique(origins[origins >= 0] >> 32).tolist()
        masks = {self.by_step[n].number: getattr(self.by_step[n], field) for n in needed}
        return self._picked(origins, seen.operands[which].shape, masks)

    def _picked(self, origins: Origins | None, shape: tuple[int, ...], masks: dict[int, Mask]) -> Mask:
        found = np.zeros(shape, np.bool_)
        if origins is None:
            return found
        for number in np.unique(origins[origins >= 0] >> 32).tolist():
            here = (origins >= 0) & (origins >> 32 == number)
            found[here] = masks[self.by_step[number].number].ravel()[origins[here] & (2**32 - 1)]
        return found


def lost(values: Floats, exact: NDArray[Any]) -> Mask:
    """Where the values are nan or infinities that the exact values are not."""
    found = np.array(~np.isfinite(values))
    for place in feeds.places(found):
        found[place] = enclosures.infinite(exact[place]) != values[place]
    return found


def unknown(e: Any) -> bool:
    """Not enclosed."""
    return not (enclosures.undefined(e) or enclosures.bounded(e) or enclosures.infinite(e) is not None)


def history(recording: Recording, result: RecordedArray, fmt: Format) -> History:
    """Of a recording; what has no format of ours is taken to be of ``fmt``."""
    seen: list[Seen] = []
    for step in recording.steps:
        if step.computes:
            own = FORMATS.get(np.dtype(step.result.dtype).name, fmt)
            seen.append(Seen(len(seen) + 1, step, own, recording.adjoint_of.get(step.number)))
    values = np.asarray(numbers(result.value), np.float64)
    exact = enclosures.kept(result.exact, values.shape)
    assert result.origins is not None
    own = FORMATS.get(np.dtype(result.dtype).name, fmt)
    return History(tuple(seen), result.value, values, exact, result.origins, own)
