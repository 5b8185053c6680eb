"""Steps as the record has them: numbers, errors, events, and what each was made of."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import overflowscope
from overflowscope.arithmetic.origins import CONSTANT
from overflowscope.arithmetic.recording import Place
from overflowscope.records.trace import Element, Event, Operand, Source, Step, Ulps
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.birth import Chain
from overflowscope.studies.trace.events import Found, ancestors, found, harmless, largest_argument
from overflowscope.studies.trace.feeds import Mask, places
from overflowscope.studies.trace.history import History, Origins, Seen
from overflowscope.studies.trace.wording import against, number, where

PACKAGE = os.path.dirname(os.path.abspath(overflowscope.__file__)) + os.sep
MOST_SOURCES = 4
"""Steps that an operand is said to be made of: of numbers assembled from more the first ones are named."""


@dataclass(frozen=True)
class Diagnosis:
    """A history, what went wrong in it, and its inputs, by their numbers: what they are called, and their shapes.

    ``word`` is what a number of the first one is called.
    """

    history: History
    failing: Chain
    losing: Chain
    names: Sequence[str]
    shapes: Sequence[tuple[int, ...]]
    word: str

    @property
    def wrong(self) -> bool:
        """Whether there is something to remedy: results that are wrong and have an exact value."""
        history = self.history
        defined = [p for p in places(history.wrong) if not enclosures.undefined(history.exact[p])]
        return bool(defined) or bool(history.inaccurate.any())

    @functools.cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps that compute, in order, as the record has them."""
        return tuple(_step(self, seen) for seen in self.history.steps)

    @functools.cached_property
    def events(self) -> dict[int, list[tuple[Found, bool]]]:
        """What befell each step, and whether it does no harm, by its number."""
        chains = self.failing, self.losing
        before = ancestors(self.history, chains)
        known: dict[int, list[tuple[Found, bool]]] = {}
        for seen in self.history.steps:
            judged = [(f, harmless(f, chains, before)) for f in found(seen)]
            some = [(f, no_harm) for f, no_harm in judged if not (f.faint and no_harm)]
            known[seen.number] = [e for e in some if e[0].kind != "latent" or self.failing.first is None]
        return known

    def harmful(self, seen: Seen, *kinds: str) -> bool:
        """Whether an event of these kinds did harm in a step."""
        return any(f.kind in kinds and not no_harm for f, no_harm in self.events[seen.number])

    def first_harmful(self, *kinds: str) -> Seen | None:
        """The first step of which that is so."""
        return next((s for s in self.history.steps if self.harmful(s, *kinds)), None)


def result_steps(history: History) -> list[int]:
    """The steps, by the numbers shown, that computed the numbers of the result."""
    return [history.by_step[n].number for n in _sources(history.origins) if n >= 0]


def source(place: Place | None) -> Source | None:
    """A line of a person's code, its file as it is known from here; None of the catalogue's own."""
    if place is None or place.file.startswith(PACKAGE):
        return None
    return Source(file=shortened(place.file), line=place.line, function=place.function, text=place.text)


def shortened(file: str) -> str:
    """Relative to the working directory where it lies below it; else as it is."""
    folder = os.getcwd() + os.sep
    return file.removeprefix(folder)


def telling(diagnosis: Diagnosis, seen: Seen) -> tuple[int, ...] | None:
    """The element that a step is shown by: the first of the gravest failing ones, else that of the largest error."""
    for path in (diagnosis.failing, diagnosis.losing):
        mask = path.begun if path.first == seen.number else path.failing.get(seen.number)
        if mask is not None and mask.any():
            return gravest(seen, mask)
    if not seen.result.size:
        return None
    errors = np.where(np.isnan(seen.errors), -1.0, seen.errors)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(errors)), errors.shape))


def gravest(seen: Seen, mask: Mask) -> tuple[int, ...]:
    """The first nan among these elements, else the first infinity, else the first."""
    for grave in (np.isnan(seen.result), np.isinf(seen.result), mask):
        if (mask & grave).any():
            break
    return places(mask & grave)[0]


def _step(diagnosis: Diagnosis, seen: Seen) -> Step:
    values, fmt = seen.result, seen.fmt
    shown = values[~np.isnan(values)]
    place = telling(diagnosis, seen)
    size = np.abs(values)
    return Step(
        number=seen.number,
        phase="forward" if seen.back is None else "backward",
        adjoint_of=diagnosis.history.forward(seen),
        operation=seen.name,
        source=source(seen.step.place),
        shape=values.shape,
        dtype=fmt.name,
        operands=tuple(_operands(diagnosis, seen)),
        smallest=float(shown.min()) if shown.size else None,
        largest=float(shown.max()) if shown.size else None,
        nan=int(np.count_nonzero(np.isnan(values))),
        inf=int(np.count_nonzero(np.isinf(values))),
        zero=int(np.count_nonzero(values == 0)),
        subnormal=int(np.count_nonzero((size > 0) & (size < fmt.smallest_normal))),
        events=tuple(_event(seen, event, no_harm) for event, no_harm in diagnosis.events[seen.number]),
        element=None if place is None else _element(seen, place),
        ulp=_ulps(seen, place),
        descendant=seen.number in diagnosis.failing.descendants,
    )


def _element(seen: Seen, place: tuple[int, ...]) -> Element:
    exact, state = enclosures.text(seen.exact[place])
    return Element(index=place, computed=float(seen.result[place]), exact=exact, state=state)


def _ulps(seen: Seen, place: tuple[int, ...] | None) -> Ulps:
    if place is None:
        return Ulps(total=None, inherited=None, added=None)
    value = float(seen.result[place])
    total, inherited, added = enclosures.split(value, seen.exact[place], seen.local[place], seen.fmt)
    return Ulps(total=total, inherited=inherited, added=added)


def _operands(diagnosis: Diagnosis, seen: Seen) -> list[Operand]:
    made = []
    for operand, origins in zip(seen.operands, seen.origins, strict=True):
        shape = operand.shape
        if origins is None:
            value = float(operand) if operand.ndim == 0 else None
            made.append(Operand(kind="constant", step=None, name=None, value=value, shape=shape))
            continue
        made += [_source_of(diagnosis, number, shape) for number in _sources(origins)[:MOST_SOURCES]]
    return made


def _sources(origins: Origins) -> list[int]:
    """The numbers of steps, and of inputs as ~number, in the order in which they are met; constants by CONSTANT."""
    numbers = (origins >> 32).ravel()
    _, first = np.unique(numbers, return_index=True)
    return [int(numbers[i]) for i in np.sort(first)]


def _source_of(diagnosis: Diagnosis, number: int, shape: tuple[int, ...]) -> Operand:
    if number == CONSTANT >> 32:
        return Operand(kind="constant", step=None, name=None, value=None, shape=shape)
    if number < 0:
        return Operand(kind="input", step=None, name=diagnosis.names[~number], value=None, shape=shape)
    shown = diagnosis.history.by_step[number].number
    return Operand(kind="step", step=shown, name=None, value=None, shape=shape)


def _event(seen: Seen, event: Found, no_harm: bool) -> Event:
    count = int(np.count_nonzero(event.mask))
    place = places(event.mask)[0]
    return Event(
        kind=event.kind,
        count=count,
        index=place,
        harmless=no_harm,
        bits=event.bits,
        text=_text(seen, event, place, count, no_harm),
    )


def _text(seen: Seen, event: Found, place: tuple[int, ...], count: int, no_harm: bool) -> str:
    size = seen.result.size
    several = size > 1
    share = f"{count:,} of {size:,}" if several else "the result"
    if event.kind == "latent":
        limit = largest_argument(seen.name, seen.fmt)
        assert limit is not None
        place = max(places(event.mask), key=lambda p: float(np.broadcast_to(seen.operands[0], seen.result.shape)[p]))
        value = float(np.broadcast_to(seen.operands[0], seen.result.shape)[place])
        most = f"{limit:.6g}, the largest {seen.fmt.name} {seen.name} can take"
        return f"{against(value, limit)}{where(seen, place)} is within 10 % of {most}"
    if event.kind == "cancellation":
        bits = f"{event.bits:.0f} of {seen.fmt.precision}"
        return (
            f"the operands cancel but for {number(float(seen.result[place]))}{where(seen, place)}: {bits} bits are lost"
        )
    what = {
        "overflow": ("overflow", "overflows"),
        "underflow": ("become 0", "becomes 0"),
        "divide": ("are divided by 0, or logs of it,", "is divided by 0, or a log of it,"),
        "invalid": ("become nan", "becomes nan"),
        "absorption": ("absorb an addend, which leaves no trace", "absorbs an addend, which leaves no trace"),
        "subnormal": ("lie below the normal range with few bits", "lies below the normal range with few bits"),
    }[event.kind][0 if count > 1 else 1]
    return f"{share} {what}" + (", without harm to the result" if no_harm else "")
