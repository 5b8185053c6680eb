"""What a person's table shows of a measurement: shared by the terminal's table and by Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from overflowscope.formats import FORMATS
from overflowscope.records import Exact, InputSummary, Measurement, Report


@dataclass(frozen=True)
class Column:
    """``rank`` orders what is dropped first where the table is too wide: the largest."""

    title: str
    rank: int
    cell: Callable[[Measurement], str]
    right: bool = True


def result(m: Measurement) -> str:
    """The one word on a measurement: ok in small letters, trouble in capitals."""
    if m.status != "ok":
        return m.status.upper()
    if m.failures:
        return m.failures[0].upper().replace("_", " ")
    if m.ulp.max is None:
        return "unmeasured"
    if m.incidence.undecided:
        return "UNDECIDED"
    return "INACCURATE" if m.inaccurate else "ok"


def short(value: float | None) -> str:
    """A number in at most seven characters; - for what was not computed."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0:
        return str(value).removesuffix(".0")
    if 0.01 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def share(value: float | None) -> str:
    """A share in percent; 100% only of all."""
    if value is None:
        return "-"
    return "100%" if value == 1 else f"{min(100 * value, 99.9):.1f}%"


def count(value: int) -> str:
    return str(value) if value < 10**6 else short(float(value))


def of_status(m: Measurement, value: int) -> str:
    """A count; - where nothing was measured."""
    return count(value) if m.status == "ok" else "-"


COLUMNS = (
    Column("dtype", 0, lambda m: m.dtype if m.compute == m.dtype else f"{m.dtype}<{m.compute}", right=False),
    Column("formulation", 0, lambda m: m.name, right=False),
    Column("result", 0, result, right=False),
    Column("rows hit", 4, lambda m: f"{count(m.rows_hit.any)}/{count(m.rows)}" if m.status == "ok" else "-"),
    Column("nan", 1, lambda m: of_status(m, m.incidence.wrong_nan)),
    Column("inf", 2, lambda m: of_status(m, m.incidence.overflow)),
    Column("to 0", 3, lambda m: of_status(m, m.incidence.underflow)),
    Column("max ulp", 0, lambda m: short(m.ulp.max)),
    Column("mean ulp", 5, lambda m: short(m.ulp.mean)),
    Column("correct", 6, lambda m: share(m.ulp.correctly_rounded)),
    Column("p50 ulp", 7, lambda m: short(m.ulp.p50)),
    Column("p99 ulp", 6, lambda m: short(m.ulp.p99)),
    Column("bits lost", 8, lambda m: short(m.bits.max)),
    Column("max relative", 9, lambda m: short(m.relative.max)),
    Column("row sums", 10, lambda m: f"{m.row_sum.min:.6g} to {m.row_sum.max:.6g}" if m.row_sum else "-"),
    Column("max kl", 11, lambda m: short(m.kl.max) if m.kl else "-"),
    Column("lost mass", 12, lambda m: short(m.lost_mass.max) if m.lost_mass else "-"),
    Column("flips", 13, lambda m: "-" if m.argmax_flips is None else count(m.argmax_flips)),
    Column("worst at", 14, lambda m: ",".join(map(str, m.worst.index)) if m.worst else "-"),
    Column("got", 15, lambda m: f"{m.worst.got:.9g}" if m.worst else "-"),
    Column("exact", 16, lambda m: m.worst.exact if m.worst else "-"),
)


def groups(report: Report) -> Iterator[tuple[str, list[Measurement]]]:
    """(title, measurements) of each operation, at each scale where there are several."""
    several = isinstance(report.input.scale, tuple)
    for (scale, subject), block in groupby(report.results, key=lambda m: (m.scale, m.subject)):
        yield (f"{subject}, scale {scale:g}" if several else subject), list(block)


def title(report: Report | Exact) -> str:
    """The input in a line, and the arithmetic."""
    return f"{of_input(report.input)}{_arithmetic(report)}{_convention(report)}"


def of_input(given: InputSummary) -> str:
    """What went in, in a line."""
    drawn = f"{given.distribution} logits, seed {given.seed}" if given.distribution else given.source
    scaled = isinstance(given.scale, tuple) or given.scale != 1 or given.distribution
    scale = f", scale {_list(given.scale)}" if scaled else ""
    shift = f", shift {given.shift:g}" if given.shift else ""
    labels = f", labels from {given.labels}" if given.labels not in (None, "input") and not given.distribution else ""
    ignored = f", {given.ignored_rows:,} rows ignored" if given.ignored_rows else ""
    shape = f"{given.rows:,} rows x {given.classes:,} classes"
    return f"{drawn}{scale}{shift}: {shape}{labels}{ignored}"


def _arithmetic(report: Report | Exact) -> str:
    """In what arithmetic, where it is not NumPy's own; the accumulator where it is not the working format."""
    if isinstance(report, Exact) or not report.results or report.results[0].arithmetic == "native":
        return ""
    first = report.results[0]
    accumulators = {m.accumulator for m in report.results if m.accumulator != m.compute}
    where = f" in {accumulators.pop()}" if accumulators else ""
    return f", {first.arithmetic} arithmetic, {first.sum_order} sums{where}"


def _convention(report: Report | Exact) -> str:
    """Whose, where it is not the limit's."""
    if isinstance(report, Exact) or report.convention == "limit":
        return ""
    return f", {report.convention}'s convention"


def _list(scale: float | tuple[float, ...]) -> str:
    return ",".join(f"{s:g}" for s in scale) if isinstance(scale, tuple) else f"{scale:g}"


def sentences(report: Report) -> list[str]:
    """What there is to say beside the numbers: the input's own limits, then a sentence for each failure."""
    several = isinstance(report.input.scale, tuple)
    said: list[str] = []
    for m in report.results:
        at = f"scale {m.scale:g}, {m.dtype}" if several else m.dtype
        most = f"{FORMATS[m.dtype].largest:,.6g}"
        right = "inf" if FORMATS[m.dtype].has_infinity else "nan"
        if m.incidence.input_overflow:
            rows = m.incidence.input_overflow * m.rows // m.elements
            said.append(f"{at}: {rows:,} of {m.rows:,} rows hold a logit beyond {most}; they are not measured")
        if m.incidence.undefined and report.convention != "limit":
            said.append(
                f"{at}, {m.subject}: {m.incidence.undefined:,} of {m.elements:,} results have no limit, or are nan in "
                f"{report.convention}; they are not measured"
            )
        elif m.incidence.undefined:
            first = "" if m.undefined_row is None else f"; the first is row {m.undefined_row}"
            rows = m.incidence.undefined * m.rows // m.elements
            said.append(
                f"{at}, {m.subject}: {rows:,} of {m.rows:,} rows have no defined truth (nan, or infinities{first})"
            )
        if m.incidence.exceeds:
            said.append(f"{at}, {m.subject}: {m.incidence.exceeds:,} exact results are beyond {most}; {right} is right")
        if m.incidence.undecided:
            said.append(f"{at}, {m.name} {m.subject}: {m.incidence.undecided:,} elements are undecided")
        if report.input.compute not in (None, m.compute):
            said.append(f"{at} is computed in {m.compute}: {report.input.compute} does not hold all of it")
        if m.returned not in ("", m.dtype, m.compute):
            said.append(f"{at}, {m.name} {m.subject}: returned {m.returned}{_rounded(m)}")
        if m.computes not in (None, m.returned):
            said.append(f"{at}, {m.name} {m.subject}: all its results are {m.computes} numbers: it computes in that")
        if m.explanation:
            said.append(f"{at}, {m.explanation}")
    return list(dict.fromkeys(said))


def _rounded(m: Measurement) -> str:
    """What became of results in another format."""
    if m.returned in FORMATS and FORMATS[m.dtype].holds(FORMATS[m.returned]):
        return f", which is not {m.dtype}"
    return f"; its results were rounded to {m.dtype}"


def first_failures(report: Report) -> list[str]:
    """The first failing scale of each formulation, where several scales were listed."""
    return [
        f"{f.subject} {f.name} {f.dtype}: " + ("survives" if f.scale is None else f"fails from scale {f.scale:g}")
        for f in report.first_failures
    ]
