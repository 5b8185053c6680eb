"""What is shown of a trace, in whatever form: the cells of its steps, and the lines beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from overflowscope.records.trace import Event, Source, Step, Trace
from overflowscope.report._columns import short

WORDS = {
    "overflow": "overflow",
    "underflow": "to 0",
    "invalid": "nan",
    "divide": "by zero",
    "cancellation": "cancels",
    "absorption": "absorbs",
    "subnormal": "subnormal",
    "latent": "latent",
}
"""What the table calls an event."""
FEW = 3
"""Steps that something harmless is told of one by one."""


@dataclass(frozen=True)
class Column:
    """``rank`` orders what is dropped first where the table is too wide: the largest."""

    title: str
    rank: int
    cell: Callable[[Step], str]
    right: bool = True


def what(step: Step) -> str:
    """What went wrong, harm in capitals; else how many inf or nan there are."""
    said = [_event(e) for e in sorted(step.events, key=lambda e: e.harmless)]
    if not any(e.kind in ("overflow", "divide", "invalid") for e in step.events):
        said += [f"{count} {name}" for name, count in (("nan", step.nan), ("inf", step.inf)) if count]
    return ", ".join(said)


def _event(event: Event) -> str:
    word = WORDS[event.kind] if event.harmless or event.kind == "latent" else WORDS[event.kind].upper()
    if event.bits is not None:
        return f"{word} {event.bits:.0f} bits"
    return f"{word} x{event.count:,}" if event.count > 1 else word


def span(step: Step) -> str:
    """The smallest and the largest value."""
    if step.smallest is None or step.largest is None:
        return "nan" if step.nan else "-"
    low, high = short(step.smallest), short(step.largest)
    return low if low == high else f"{low} .. {high}"


def computed(step: Step) -> str:
    return "-" if step.element is None else f"{step.element.computed:.6g}"


def exact(step: Step) -> str:
    """To six digits; the state where there is no value."""
    if step.element is None:
        return "-"
    return step.element.state if step.element.exact is None else digits(step.element.exact)


def digits(text: str) -> str:
    """A number of many decimal digits, with an exponent of any size, to six of them; as Python writes its own."""
    mantissa, e, power = text.partition("e")
    if not e or abs(int(power)) < 300:
        return f"{float(text):.6g}"
    rounded = f"{float(mantissa):.6g}"
    return f"{rounded}e{power if power.startswith('-') else f'+{power}'}"


def ulps(step: Step) -> str:
    """Inherited and added."""
    if step.ulp.inherited is None or step.ulp.added is None:
        return short(step.ulp.total)
    return f"{short(step.ulp.inherited)} + {short(step.ulp.added)}"


def index(place: tuple[int, ...]) -> str:
    """Where an element is: 7, or 0,7."""
    return ",".join(map(str, place)) or "-"


COLUMNS = (
    Column("#", 0, lambda s: str(s.number)),
    Column("step", 0, lambda s: s.operation, right=False),
    Column("range", 1, span, right=False),
    Column("what went wrong", 0, what, right=False),
    Column("at", 4, lambda s: index(s.element.index) if s.element else "-"),
    Column("computed", 2, computed),
    Column("exact", 2, exact),
    Column("ulps in + new", 3, ulps),
    Column("shape", 5, lambda s: " x ".join(map(str, s.shape)) or "scalar"),
)


def heading(found: Trace) -> str:
    """What was traced, in what arithmetic."""
    traced = found.traced
    name = traced.function or f"{traced.operation}, {traced.formulation}"
    model = "" if traced.arithmetic == "native" else f", {traced.arithmetic} arithmetic, {traced.sum_order} sums"
    if traced.accumulator not in ("native", traced.dtype):
        model += f" in {traced.accumulator}"
    gradient = ", gradient" if traced.quantity == "gradient" else ""
    row = "" if traced.row is None else f", row {traced.row:,}"
    return f"{name}, {traced.dtype}{model}{gradient}{row}"


def line(source: Source) -> str:
    """A line of a person's code: my.py:6  e = np.exp(x)."""
    return f"{source.file}:{source.line}  {source.text}".rstrip()


def remarks(found: Trace) -> list[str]:
    """What there is to say beside the steps, the verdict apart."""
    said = list(found.traced.remarks)
    alike: dict[tuple[str, str], list[tuple[int, Event]]] = {}
    for step in found.steps:
        for event in step.events:
            if event.harmless and event.text:
                alike.setdefault((step.operation, event.kind), []).append((step.number, event))
    for (operation, _), events in alike.items():
        if len(events) <= FEW:
            said += [f"step {number}, {operation}: {event.text}" for number, event in events]
        else:
            numbers = ", ".join(str(number) for number, _ in events[:FEW])
            said.append(f"steps {numbers} and {len(events) - FEW:,} more, {operation}: {events[0][1].text}")
    for source, notes in groupby(found.notes, key=lambda note: note.source):
        first, *others = notes
        where = f"{source.file}:{source.line}: " if source else ""
        more = f" ({len(others):,} more here)" if others else ""
        said.append(f"{where}{first.text}{more}")
    return list(dict.fromkeys(said))


def tried(found: Trace) -> list[str]:
    """What was enough, and what was not."""
    enough = [r.formula for r in found.remedies if r.clean]
    failed = [f"{r.formula} ({r.found})" for r in found.remedies if not r.clean]
    return [f"{what}: {'; '.join(some)}" for what, some in (("enough", enough), ("not enough", failed)) if some]


def style(found: Trace, step: Step) -> str:
    """The failure's path in red, its beginning boldest."""
    if found.birth and step.number == found.birth.step:
        return "bold red"
    return "red" if step.descendant else ""
