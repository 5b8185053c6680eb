"""The verdict: where it began, how it spread, and what is enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from overflowscope.arithmetic.origins import CONSTANT
from overflowscope.arithmetic.recording import Note as Decision
from overflowscope.formats import FORMATS
from overflowscope.records.trace import Birth, Note, Remedy
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.accounts import Diagnosis, gravest, source, telling
from overflowscope.studies.trace.birth import DIVISIONS, LOGARITHMS, Chain
from overflowscope.studies.trace.events import EXPONENTIALS, largest_argument
from overflowscope.studies.trace.feeds import elementwise, places
from overflowscope.studies.trace.history import History, Seen, unknown
from overflowscope.studies.trace.wording import against, digits, exactly, formula, number, operand, where

SHOWN = 4
"""Descendants that a verdict names."""
SELECTING = {"where", "max", "min", "maximum", "minimum", "clip"}
"""What hands on what it was given: not worth a word."""
COMPARED = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}


def kind(seen: Seen, place: tuple[int, ...]) -> str:
    """overflow, underflow, invalid or divide: of an element that was born wrong."""
    value = float(seen.result[place])
    if value == 0:
        return "underflow"
    local = seen.local[place]
    if math.isnan(value):
        size = abs(enclosures.approximately(local))
        return "overflow" if not seen.fmt.has_infinity and size > seen.fmt.largest else "invalid"
    return "divide" if _at_pole(seen, place) else "overflow"


def _at_pole(seen: Seen, place: tuple[int, ...]) -> bool:
    if not elementwise(seen.step):
        return False
    if seen.name in DIVISIONS:
        return operand(seen, min(1, len(seen.operands) - 1), place) == 0
    if seen.name in LOGARITHMS or seen.name in ("power", "float_power"):
        return operand(seen, 0, place) == 0
    return seen.name == "log1p" and operand(seen, 0, place) == -1


def verdict(
    diagnosis: Diagnosis, notes: Sequence[Note], remedies: Sequence[Remedy], departure: str | None = None
) -> tuple[Birth | None, str]:
    """The birth, None where nothing was born wrong, and the sentence on all; ``departure`` says what an approximation
    is instead of what it should be."""
    history, path = diagnosis.history, diagnosis.failing
    enough = _enough(diagnosis, remedies, departure)
    if path.first is None:
        return None, _without_birth(diagnosis, notes, enough, departure is not None)
    seen = history.steps[path.first - 1]
    assert path.begun is not None
    place = gravest(seen, path.begun)
    value, limit = _measured(seen, place)
    line = source(seen.step.place)
    began = f"step {seen.number}, {named(history, seen)}: {_began(diagnosis, seen, place)}"
    said = ". ".join(["; ".join([began, *_spread(history, path, seen)]), *enough]) + "."
    born = Birth(
        step=seen.number,
        operation=seen.name,
        kind=kind(seen, place),
        index=place,
        value=value,
        limit=limit,
        source=None if line is None else f"{line.file}:{line.line}",
        verdict=said,
    )
    return born, said


def named(history: History, seen: Seen) -> str:
    """The operation; on the way back with the step whose adjoint it hands on."""
    if seen.back is None:
        return seen.name
    through = history.forward(seen)
    return f"{seen.name}, on the way back" + ("" if through is None else f" through step {through}")


def other_way(note: Decision) -> str:
    """A decision that exact values would have made otherwise."""
    more = f", and {note.count - 1:,} more like it" if note.count > 1 else ""
    if len(note.sides) == 2 and note.operation in COMPARED:
        short = [(number(value), digits(exact)) for value, exact in note.sides]
        # Numbers that look alike in six digits are shown in all.
        alike = short[0][0] == short[0][1] and short[1][0] == short[1][1]
        whole = [(f"{value:.17g}", digits(exact, 20)) for value, exact in note.sides]
        sides = whole if alike else short
        one, other = (f" {COMPARED[note.operation]} ".join(side[i] for side in sides) for i in (0, 1))
        return f"{one} is {note.computed} and decides; of the exact values, {other}, it would differ{more}"
    what = note.operation.replace("_", " ")
    return f"{what} is {note.computed} and decides; of the exact values it would be {note.exact}{more}"


def _enough(diagnosis: Diagnosis, remedies: Sequence[Remedy], departure: str | None) -> list[str]:
    """The last sentences: which change is enough, or that none of those tried is."""
    if departure is None and not diagnosis.wrong:
        return ["There the exact result is undefined too: the case needs a guard of its own"]
    if said := _beyond_format(diagnosis):
        return said
    apart = [] if departure is None else [departure[0].upper() + departure[1:]]
    clean = [r for r in remedies if r.clean]
    if clean:
        return [*apart, f"{clean[0].sentence} is enough"]
    return [*apart, f"None of the {len(remedies)} changes that were tried is enough"]


def _beyond_format(diagnosis: Diagnosis) -> list[str]:
    """Of results that the format cannot hold."""
    history = diagnosis.history
    exact = [history.exact[place] for place in places(history.wrong)]
    largest = max(exact, key=lambda e: abs(enclosures.approximately(e)) if enclosures.bounded(e) else 0.0, default=None)
    size = 0.0 if largest is None else abs(enclosures.approximately(largest))
    if largest is None or not enclosures.bounded(largest) or not size > history.fmt.largest:
        return []
    wider = next((f for f in FORMATS.values() if f.name in ("float32", "float64") and size <= f.largest), None)
    text = (
        f"The result itself, {digits(largest)}, is beyond {(FORMATS['float64'] if wider is None else history.fmt).name}"
    )
    return [text + (f": {wider.name} holds it" if wider else ": keep its logarithm")]


def _without_birth(diagnosis: Diagnosis, notes: Sequence[Note], enough: list[str], departed: bool) -> str:
    history, losing = diagnosis.history, diagnosis.losing
    said = ["Nothing went wrong: every result is right to at least half of its bits"]
    if losing.first is not None and history.inaccurate.any():
        said = [_lost(diagnosis), *enough]
    elif departed:
        said = ["Every step is right to at least half of its bits", *enough]
    elif history.wrong.any():
        said = [_given(history)]
    elif any(unknown(e) for e in history.exact.ravel().tolist()):
        said = ["Nothing can be said of the result, for its exact values are not enclosed"]
    elif notes:
        said = ["In the steps that were then taken nothing went wrong"]
    if notes:
        first = notes[0]
        where = f"{first.source.file}:{first.source.line}: " if first.source else ""
        said.insert(0, f"{where}rounding decides the way: {first.text}")
    near = [event.text for step in diagnosis.steps for event in step.events if event.kind == "latent"]
    return ". ".join([*said, *near[:1]]) + "."


def _given(history: History) -> str:
    """Of nan and infinities that came in."""
    first = places(history.wrong)[0]
    value = number(float(history.result[first]))
    return f"The result is {value} for what the input holds: nan, or infinities without a limit; no step made it"


def _lost(diagnosis: Diagnosis) -> str:
    """Of the step that lost more than half of the bits."""
    history, path = diagnosis.history, diagnosis.losing
    assert path.first is not None
    seen = history.steps[path.first - 1]
    place = telling(diagnosis, seen)
    assert place is not None
    worst = history.errors.max(initial=0.0, where=history.inaccurate)
    bits = min(float(np.log2(1 + worst)), history.fmt.precision)
    exact = exactly(seen, place)
    came = f"{formula(seen, place)}{where(seen, place)} gives {number(float(seen.result[place]))} where it is {exact}"
    how = ": it magnifies the rounding of its operands"
    if diagnosis.harmful(seen, "cancellation"):
        how = ": it cancels, and what is left are the rounding errors of its operands"
    elif diagnosis.harmful(seen, "absorption"):
        how = ": it absorbs small addends"
    elif (before := diagnosis.first_harmful("absorption", "subnormal")) is not None:
        how = f": step {before.number}, {before.name}, had rounded away what it depends on"
    what = f"{bits:.0f} of {history.fmt.precision} bits of the result are lost"
    return f"step {seen.number}, {named(history, seen)}: {came}{how}; {what}"


def _measured(seen: Seen, place: tuple[int, ...]) -> tuple[float | None, float | None]:
    """(value, limit): what went beyond what."""
    born, fmt = kind(seen, place), seen.fmt
    if seen.name in EXPONENTIALS and born in ("overflow", "underflow"):
        limit = largest_argument(seen.name, fmt)
        return operand(seen, 0, place), limit if born == "overflow" else fmt.log_vanishing / EXPONENTIALS[seen.name]
    if born in ("overflow", "underflow"):
        own = enclosures.approximately(seen.local[place])
        if own == 0:
            return enclosures.approximately(seen.exact[place]), None
        return own, fmt.largest if born == "overflow" else fmt.smallest
    if elementwise(seen.step):
        return operand(seen, 0, place), 0.0 if seen.name in LOGARITHMS | {"sqrt"} and born == "invalid" else None
    return None, None


def _began(diagnosis: Diagnosis, seen: Seen, place: tuple[int, ...]) -> str:
    history, word = diagnosis.history, diagnosis.word
    born, fmt, at = kind(seen, place), seen.fmt, where(seen, place)
    if seen.name in EXPONENTIALS and born in ("overflow", "underflow"):
        value, limit = _measured(seen, place)
        assert value is not None
        assert limit is not None
        called = word if _is_input(seen) else "argument"
        at = at or _of_input(diagnosis, seen)
        if born == "overflow":
            most = f"the largest {fmt.name} {seen.name} can take"
            return f"{called} {against(value, limit)}{at} is above {limit:.6g}, {most}"
        return f"{called} {against(value, limit)}{at} is below {limit:.5g}, where {fmt.name} {seen.name} rounds to 0"
    if born == "overflow":
        return _too_large(seen, place)
    if born == "underflow":
        return _too_small(diagnosis, seen, place)
    if born == "divide":
        return f"{formula(seen, place)}{at} is {number(float(seen.result[place]))}: {_zero(history, seen, place)}"
    return _without_value(diagnosis, seen, place)


def _of_input(diagnosis: Diagnosis, seen: Seen) -> str:
    """Of a step without axes the element of an input that it was given: x[1, 3]."""
    origins = seen.origins[0]
    if origins is None or origins.size != 1 or not CONSTANT < (origin := int(origins.ravel()[0])) < 0:
        return ""
    number, flat = ~origin >> 32, ~origin & (2**32 - 1)
    place = np.unravel_index(flat, diagnosis.shapes[number]) if diagnosis.shapes[number] else ()
    return f", {diagnosis.names[number]}{[int(i) for i in place]}," if place else ""


def _is_input(seen: Seen) -> bool:
    """Whether its first operand is an input as it came."""
    origins = seen.origins[0]
    return origins is not None and bool((origins < 0).all())


def _too_large(seen: Seen, place: tuple[int, ...]) -> str:
    most = f"{number(seen.fmt.largest)}, the largest {seen.fmt.name}"
    what, value, at = formula(seen, place), exactly(seen, place, local=True), where(seen, place)
    size = abs(enclosures.approximately(seen.local[place]))
    if size <= seen.fmt.largest:
        return f"{what}{at} passes {most}, on the way to {value}"
    if seen.name == "astype":
        return f"{number(operand(seen, 0, place))}{at}, a {seen.step.operands[0].dtype}, is above {most}"
    if value == "undecided":
        return f"{what}{at} is above {most}"
    return f"{what}{at} is {value}, above {most}"


def _too_small(diagnosis: Diagnosis, seen: Seen, place: tuple[int, ...]) -> str:
    local, at, fmt = seen.local[place], where(seen, place), seen.fmt
    exact = exactly(seen, place)
    if enclosures.nonzero(local):
        own = exactly(seen, place, local=True)
        least = f"{number(fmt.smallest)}, the smallest {fmt.name}"
        return f"{formula(seen, place)}{at} is {own}, below {least}, and becomes 0"
    how = f"{formula(seen, place)}{at} is 0 where the exact value is {exact}"
    how += (
        ": everything cancels" if seen.name in ("add", "subtract", "sum", "mean") else ", for its argument was rounded"
    )
    first = diagnosis.first_harmful("absorption", "subnormal")
    if first is not None and first is not seen:
        how += f", because step {first.number}, {first.name}, had absorbed what was added"
    return how


def _zero(history: History, seen: Seen, place: tuple[int, ...]) -> str:
    """Of a zero that is divided by or logged, and is right."""
    which = 1 if seen.name in DIVISIONS and len(seen.operands) > 1 else 0
    origins = seen.origins[which]
    if origins is None:
        return "the zero is a constant"
    origin = int(np.broadcast_to(origins, seen.result.shape)[place])
    if origin < 0:
        return "the zero is an input"
    maker = history.by_step[origin >> 32]
    if unknown(maker.exact.ravel()[origin & (2**32 - 1)]):
        return f"the zero is from step {maker.number}, {maker.name}"
    return f"the zero is no rounding error, step {maker.number}, {maker.name}, gives it exactly"


def _without_value(diagnosis: Diagnosis, seen: Seen, place: tuple[int, ...]) -> str:
    what, at = formula(seen, place), where(seen, place)
    exact = exactly(seen, place)
    if elementwise(seen.step):
        given = [operand(seen, i, place) for i in range(len(seen.operands))]
        if -math.inf in given and any(math.isinf(g) for g in given[1:]):
            return f"{what}{at} is nan: every entry that it was taken from is -inf, a mask that leaves nothing"
        if seen.name in LOGARITHMS | {"sqrt", "log1p", "power"} and given[0] < 0 and exact != "undefined":
            how = ""
            if (before := diagnosis.first_harmful("cancellation")) is not None:
                how = f", for step {before.number}, {before.name}, cancels and leaves rounding errors"
            return f"{what}{at} is nan: {number(given[0])} is negative{how}; the exact result is {exact}"
        if seen.name in LOGARITHMS | {"sqrt", "log1p", "power"} and given[0] < 0:
            return f"{what}{at} is nan: {number(given[0])} is outside of the domain of {seen.name}"
    if exact == "undefined":
        return f"{what}{at} is nan: it has no value in exact arithmetic either"
    return f"{what}{at} is nan where the exact value is {exact}"


def _spread(history: History, path: Chain, first: Seen) -> list[str]:
    """What became of it, step by step: the first ones, and the last."""
    later = sorted(path.descendants - {first.number})
    numbers = [n for n in later if history.steps[n - 1].name not in SELECTING]
    if len(numbers) > SHOWN:
        numbers = [*numbers[: SHOWN - 1], numbers[-1]]
    return [_became(history.steps[n - 1], path) for n in numbers]


def _became(seen: Seen, path: Chain) -> str:
    place = gravest(seen, path.failing[seen.number])
    return f"{formula(seen, place)} becomes {number(float(seen.result[place]))} at step {seen.number}"
