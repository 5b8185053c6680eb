"""Special values by implementation to text: a table for people, Markdown, and JSON."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from overflowscope.formats import FORMATS
from overflowscope.records.conformance import LIMIT, Agreement, Answer, Case, Cases, Conformance, Run, Truth
from overflowscope.report import Look

Grid = list[list[str]]
GAP = "  "
LEGEND = "same: as the limit. undefined: there is no limit, and nan agrees."
FEW = 2
"""So many equal values are written out; more are counted."""


def table(found: Conformance, look: Look) -> str:
    """The rows; a block for each operation and format, as many implementations beside one another as fit; who agrees
    with whom; what there is to say."""
    lines = textwrap.wrap(_title(found), look.width)
    for dtype in _formats(found):
        lines += ["", f"rows, {dtype}", *_aligned(_rows(found, dtype))]
    lines += ["", *textwrap.wrap(LEGEND, look.width)]
    for result in found.results:
        head, body = _of(result, found.conventions)
        columns = list(zip(*body, strict=True))
        for part in _fitting([_width(c) for c in columns], look.width):
            grid = [list(line) for line in zip(*(columns[i] for i in part), strict=True)]
            lines += ["", head, *_aligned(grid)]
    if len(found.results) > 1:
        lines += ["", *_aligned(_matrix(found))]
    said = _sentences(found)
    lines += [""] if said else []
    for sentence in said:
        lines += textwrap.wrap(sentence, look.width, initial_indent="- ", subsequent_indent="  ")
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text.encode("ascii", "replace").decode() if look.ascii else text


def markdown(found: Conformance, look: Look) -> str:
    """The same tables and sentences for a pull request or a README."""
    lines = [f"**{_escaped(_title(found))}**"]
    for dtype in _formats(found):
        lines += ["", f"### rows, {_escaped(dtype)}", "", *_piped(_rows(found, dtype))]
    lines += ["", LEGEND]
    for result in found.results:
        head, body = _of(result, found.conventions)
        lines += ["", f"### {_escaped(head)}", "", *_piped(body)]
    if len(found.results) > 1:
        lines += ["", "### in all", "", *_piped(_matrix(found))]
    said = _sentences(found)
    return "\n".join([*lines, *([""] if said else []), *(f"- {_escaped(s)}" for s in said)]) + "\n"


def json_(found: Conformance, look: Look) -> str:
    """The whole document; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Conformance, Look], str]] = {"table": table, "markdown": markdown, "json": json_}


def _title(found: Conformance) -> str:
    versions = ((i.name, None if i.implementation == "numpy" else i.version) for i in found.implementations)
    names = (name if version is None else f"{name} {version}" for name, version in versions)
    return f"special values, {', '.join(_formats(found))}: {', '.join(names)}"


def _formats(found: Conformance) -> list[str]:
    return list(dict.fromkeys(r.dtype for r in found.results))


def _rows(found: Conformance, dtype: str) -> Grid:
    """The logits of every case, once for all operations; the label where an operation takes one."""
    cases = [case for r in found.results if r.dtype == dtype for case in r.cases]
    fullest = max((r.cases for r in found.results if r.dtype == dtype), key=len)
    labels = {case.name: str(case.label) for case in cases if case.label is not None}
    head = ["case", "logits", *(["label"] if labels else []), ""]
    return [head] + [
        [c.name, values(c.logits, signed=True), *([labels.get(c.name, "")] if labels else []), c.about] for c in fullest
    ]


def _of(result: Cases, conventions: Sequence[str]) -> tuple[str, Grid]:
    """(title, table) of one operation in one format: a line a case, then one for each convention."""
    names = [a.name for a in result.cases[0].answers]
    grid = [["case", "limit", *names]]
    grid += [[c.name, _limit(c.limit), *(_cell(c, a) for a in c.answers)] for c in result.cases]
    return f"{result.operation}, {result.dtype}", grid + [
        [f"agree with {c}", "", *(_share(result.agreement, name, c) for name in names)] for c in conventions
    ]


def _matrix(found: Conformance) -> Grid:
    """Who agrees with whom, over all operations and formats."""
    names = [i.name for i in found.implementations]
    return [["in all, agrees with", *found.conventions]] + [
        [name, *(_share(found.agreement, name, c) for c in found.conventions)] for name in names
    ]


def _share(agreement: Sequence[Agreement], name: str, convention: str) -> str:
    """How many of how many; - where there is nothing to compare."""
    known = (a for a in agreement if (a.name, a.convention) == (name, convention) and a.cases)
    return next((f"{a.agree}/{a.cases}" for a in known), "-")


def _limit(truth: Truth) -> str:
    return values(truth.values) if truth.status == "ok" else truth.status


def _cell(case: Case, answer: Answer) -> str:
    """What was given, unless it agrees with the limit: in as many digits as tell it from that."""
    if answer.status != "ok":
        return answer.status
    if answer.agrees.get(LIMIT):
        return "same"
    both = ((values(answer.values, digits), values(case.limit.values, digits)) for digits in (3, 6, 9, 17))
    return next((got for got, limit in both if got != limit), values(answer.values))


def values(runs: Sequence[Run], digits: int = 3, signed: bool = False) -> str:
    """Numbers with commas between them, equal ones counted: 65,536 x 1.5e-5. A zero has its sign where asked for."""
    shown = [(number(r.value if signed or r.value else 0.0, digits), r.count) for r in runs]
    parts = []
    for text, group in groupby(shown, key=lambda pair: pair[0]):
        count = sum(n for _, n in group)
        parts.append(", ".join([text] * count) if count <= FEW else f"{count:,} x {text}")
    return ", ".join(parts)


def number(value: float, digits: int = 3) -> str:
    """In a few digits: whole numbers below a million as they are, the rest rounded."""
    if not math.isfinite(value) or (value == int(value) and abs(value) < 1e6):
        return str(value).removesuffix(".0")
    text = f"{value:.{digits}g}"
    if "e" not in text and abs(value) >= 0.001:
        return text
    mantissa, _, exponent = f"{value:.{digits - 2}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _sentences(found: Conformance) -> list[str]:
    """Why cells are empty, and what else has to be known to read them."""
    said = [f"{d} holds no infinity: there inf is nan" for d in _formats(found) if not FORMATS[d].has_infinity]
    return list(dict.fromkeys([*said, *_missing(found), *_widened(found)]))


def _answers(found: Conformance) -> Iterator[tuple[Cases, Case, Answer]]:
    for result in found.results:
        for case in result.cases:
            yield from ((result, case, answer) for answer in case.answers)


def _missing(found: Conformance) -> list[str]:
    """One sentence for a reason, with the operations and the cases in which it was given."""
    cases: dict[tuple[str, str, str, str], list[str]] = {}
    for result, case, answer in _answers(found):
        if answer.status != "ok":
            reason = answer.reason or "no reason was given"
            reason = reason if reason.startswith(answer.name) else f"{answer.name}: {reason}"
            cases.setdefault((result.dtype, answer.status, reason, result.operation), []).append(case.name)
    whole = {(r.dtype, r.operation): len(r.cases) for r in found.results}
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for (dtype, status, reason, operation), names in cases.items():
        every = len(names) == whole[dtype, operation]
        where = "every case" if every else "; ".join(names)
        places.setdefault((dtype, status, reason, where), []).append(operation)
    return [f"{', '.join(o)}, {dtype}: {status} ({where}): {why}" for (dtype, status, why, where), o in places.items()]


def _widened(found: Conformance) -> list[str]:
    return [
        f"{result.operation}, {result.dtype}, {answer.name}: returned {answer.returned}; its results were rounded to "
        f"{result.dtype}"
        for result, _, answer in _answers(found)
        if answer.returned not in ("", result.dtype)
    ]


def _fitting(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Columns that fit beside one another, the first two each time."""
    fixed, left = [0, 1], list(range(2, len(widths)))
    while left:
        part = [left.pop(0)]
        while left and sum(widths[i] for i in [*fixed, *part, left[0]]) + len(GAP) * (len(part) + 2) <= width:
            part.append(left.pop(0))
        yield fixed + part


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))


def _aligned(grid: Grid) -> list[str]:
    widths = [_width(column) for column in zip(*grid, strict=True)]
    return [GAP.join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) for line in grid]


def _piped(grid: Grid) -> list[str]:
    lines = [[_escaped(cell) for cell in line] for line in grid]
    return [f"| {' | '.join(line)} |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:])]


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>|#" else c for c in text)
