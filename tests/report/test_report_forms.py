"""Reports made by hand, as tables, Markdown, CSV and JSON.

The rendered texts are kept in ``snapshots/``. ``UPDATE_SNAPSHOTS=1 python -m pytest tests/report`` writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

import overflowscope
from overflowscope import InputError, report
from overflowscope.catalogue import operations
from overflowscope.formats import FORMATS
from overflowscope.records import (
    Decided,
    FirstFailure,
    Incidence,
    InputSummary,
    Largest,
    Measurement,
    Range,
    Report,
    RowsHit,
    Spread,
    Ulp,
    Worst,
)
from overflowscope.report import Look

SNAPSHOTS = Path(__file__).parent / "snapshots"
INF, NAN = math.inf, math.nan
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
MARKUP = "[bold]own[/bold].py:soft*max|_f"


def incidence(elements: int, **counts: int) -> Incidence:
    zeros = dict.fromkeys((f.name for f in dataclasses.fields(Incidence)), 0)
    raw = ("nan", "inf", "zero", "subnormal", "vanished", "exceeds")
    return Incidence(**{**zeros, "ok": elements - sum(n for k, n in counts.items() if k not in raw), **counts})


def measurement(name: str, dtype: str = "float32", **changes: Any) -> Measurement:
    """A clean measurement of softmax on 4 rows of 10, but for what is changed."""
    ours = "." not in name
    made = Measurement(
        operation="softmax",
        formulation=name if ours else None,
        implementation="numpy" if ours else name,
        version="2.4.6" if ours else None,
        dtype=dtype,
        arithmetic="native",
        compute=dtype,
        sum_order="native",
        accumulator="native",
        quantity="value",
        status="ok",
        scale=1.0,
        rows=4,
        elements=40,
        incidence=incidence(40),
        rows_hit=RowsHit(nan=0, inf=0, overflow=0, underflow=0, any=0),
        ulp=Ulp(max=2.5, mean=0.75, p50=0.5, p99=2.25, count=40, infinite=0, correctly_rounded=0.625),
        bits=Spread(max=1.8073549220576042, mean=0.75),
        relative=Spread(max=1.25e-07, mean=5e-08),
        absolute=Largest(max=3e-08),
        row_sum=Range(min=0.99999988, max=1.0000002),
        kl=Largest(max=1.5e-15),
        argmax_flips=0,
        lost_mass=Largest(max=0.0),
        worst=Worst(row=3, index=(1, 1, 7), got=0.125, got_hex="0x1.0p-3", exact="0.12500000372529029846"),
        reference=Decided(elements=40, balls=0, intervals=40, undecided=0),
        failures=(),
        returned=dtype,
        explanation=None,
    )
    return dataclasses.replace(made, **changes)


def failing(name: str, kind: str, count: int, hit: int, dtype: str = "float32", **changes: Any) -> Measurement:
    """With elements of one kind of failure."""
    outcome = {"nan": "wrong_nan"}.get(kind, kind)
    elements = changes.setdefault("elements", 40)
    changes.setdefault("explanation", f"{name} softmax: {kind} in {hit:,} rows: because; use shifted")
    return measurement(
        name,
        dtype,
        failures=(kind,),
        incidence=incidence(elements, **({outcome: count} if count else {})),
        rows_hit=RowsHit(nan=0, inf=0, overflow=0, underflow=0, any=hit),
        ulp=Ulp(
            max=INF if kind == "nan" else 8388608.0,
            mean=1.5,
            p50=0.5,
            p99=3.0,
            count=elements - count,
            infinite=count,
            correctly_rounded=0.25,
        ),
        bits=Spread(max=INF if kind == "nan" else 23.0, mean=1.0),
        **changes,
    )


def sample(*results: Measurement, **changes: Any) -> Report:
    given = InputSummary(
        source="random",
        distribution="normal",
        scale=1.0,
        shift=0.0,
        seed=0,
        rows=4,
        classes=10,
        leading=(2, 2),
        labels=None,
        ignored_rows=0,
        sha256="0" * 64,
    )
    summary = dataclasses.replace(given, **{k: v for k, v in changes.items() if k != "first_failures"})
    return Report(
        schema="overflowscope.compare/1",
        version="0.1.0",
        environment={"overflowscope": "0.1.0", "numpy": "2.0.0", "ml_dtypes": None},
        input=summary,
        results=results,
        first_failures=changes.get("first_failures", ()),
    )


def everything() -> Report:
    """Failures of every kind, names like markup and beyond ASCII, nulls, two operations, a wider format."""
    rows = {"row_sum": None, "kl": None, "argmax_flips": None, "lost_mass": None}
    unmeasured = {
        "ulp": Ulp(max=None, mean=None, p50=None, p99=None, count=0, infinite=0, correctly_rounded=None),
        "bits": Spread(max=None, mean=None),
        "relative": Spread(max=None, mean=None),
        "absolute": Largest(max=None),
        "worst": None,
        "explanation": None,
    }
    lost = Worst(row=0, index=(0, 0, 6), got=NAN, got_hex="nan", exact="2.2159489282323003964e-8")
    return sample(
        failing(
            "naive", "nan", 12, 3, worst=lost, **{k: v for k, v in rows.items() if k != "lost_mass"}, lost_mass=None
        ),
        measurement("shifted"),
        measurement("lse", bits=Spread(max=12.5, mean=3.0), explanation="lse softmax: finite but wrong; use shifted"),
        failing(MARKUP, "saturated", 1, 1, returned="float64"),
        failing("na\u00efve\u00b7\u03bb.py:softmax", "underflow", 7, 2, returned="int64"),
        failing("naive", "row_sums", 0, 4, dtype="bfloat16", compute="float32"),
        measurement("shifted", "bfloat16", compute="float32", incidence=incidence(40, undecided=2), returned="float32"),
        measurement("lse", "bfloat16", compute="float32", incidence=incidence(40, undefined=10, exceeds=3)),
        measurement("naive", "float8_e4m3fn", incidence=incidence(40, input_overflow=40), **unmeasured, **rows),
        failing("lse", "overflow", 1234567, 1000000, operation="cross_entropy", elements=4000000, rows=4000000, **rows),
        measurement("log1p", operation="cross_entropy", elements=4, **rows),
        source="in [red]put.npy",
        distribution=None,
        shift=-0.5,
    )


def scaled() -> Report:
    return sample(
        measurement("naive", scale=1.0),
        measurement("shifted", scale=1.0),
        failing("naive", "nan", 4, 4, scale=1000.0),
        measurement("shifted", scale=1000.0),
        scale=(1.0, 1000.0),
        first_failures=(
            FirstFailure(operation="softmax", name="naive", dtype="float32", scale=1000.0),
            FirstFailure(operation="softmax", name="shifted", dtype="float32", scale=None),
        ),
    )


LOOKS = {
    "table-80.txt": ("table", Look(80)),
    "table-100.txt": ("table", Look(100)),
    "table-200.txt": ("table", Look(200)),
    "table-80-ascii.txt": ("table", Look(80, ascii=True)),
    "table-80-color.txt": ("table", Look(80, color=True)),
    "markdown.md": ("markdown", Look(80)),
    "results.csv": ("csv", Look(80)),
}


@pytest.mark.parametrize("made", [everything, scaled], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", LOOKS)
def test_snapshots(name: str, made: Any) -> None:
    form, look = LOOKS[name]
    text = report.render(form, made(), look)
    file = SNAPSHOTS / f"{made.__name__}-{name}"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        file.write_bytes(text.encode())
    assert text == file.read_bytes().decode(), "UPDATE_SNAPSHOTS=1 writes it anew"


def test_a_form_that_does_not_exist() -> None:
    assert report.forms() == ["csv", "json", "markdown", "table"]
    with pytest.raises(InputError, match="unknown format 'tabel'; did you mean table"):
        report.render("tabel", everything(), Look())


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "table"])
def test_every_form_ends_in_one_newline(form: str) -> None:
    text = report.render(form, everything(), Look())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not any(line.endswith(" ") for line in text.splitlines()) or form == "csv"


class TestTable:
    @pytest.mark.parametrize("color", [False, True])
    def test_no_line_is_wider_than_the_terminal(self, color: bool) -> None:
        for made in (everything(), scaled()):
            for width in range(40, 201, 3):
                for line in report.render("table", made, Look(width, color=color)).splitlines():
                    assert cell_len(ESCAPES.sub("", line)) <= width, (width, line)

    def test_no_line_is_wider_than_the_terminal_whatever_is_measured(self) -> None:
        logits = np.random.default_rng(0).normal(size=(12, 10))
        for scale in (1.0, 1000.0):
            made = overflowscope.compare(
                logits, operations=list(operations()), formulations=["all"], dtypes=list(FORMATS), scale=scale
            )
            for width in (40, 61, 80, 100, 120, 200):
                text = report.render("table", made, Look(width))
                assert max(map(cell_len, text.splitlines())) <= width

    def test_names_of_wide_characters(self) -> None:
        wide = failing("\u6e29\u5ea6.py:\u8f6f\u6700\u5927", "nan", 4, 1)
        made = sample(wide, measurement("shifted"), source="\u6e29.npy", distribution=None)
        for width in (60, 80, 100, 140):
            text = report.render("table", made, Look(width))
            assert max(map(cell_len, text.splitlines())) <= width
            assert " NAN " in text

    def test_a_failure_is_a_word_whatever_the_colours(self) -> None:
        words = ["NAN", "SATURATED", "UNDERFLOW", "ROW SUMS", "UNDECIDED", "INACCURATE", "unmeasured", "OVERFLOW"]
        for width in (70, 80, 100, 200):
            for look in (Look(width), Look(width, color=True), Look(width, ascii=True)):
                text = report.render("table", everything(), look)
                for word in words:
                    assert re.search(rf"\b{word}\b", ESCAPES.sub("", text)), (width, word)

    def test_colours_say_nothing_that_words_do_not(self) -> None:
        for made in (everything(), scaled()):
            plain, colored = (report.render("table", made, Look(90, color=c)) for c in (False, True))
            assert "\x1b" not in plain
            stripped = [ESCAPES.sub("", line).rstrip() for line in colored.splitlines()]
            assert stripped == plain.splitlines()
            for line in colored.splitlines():
                red = re.findall(r"\x1b\[(?:1;)?31m *([^\s\x1b]+)", line)
                assert all(r.isupper() or r.replace(".", "").replace("e", "").isdigit() for r in red), line

    def test_clean_rows_are_green_and_failures_are_red(self) -> None:
        lines = report.render("table", scaled(), Look(80, color=True)).splitlines()
        for line in lines:
            plain = ESCAPES.sub("", line)
            if " ok " in plain:
                assert re.search(r"\x1b\[32m *ok", line)
            if " NAN " in plain:
                assert re.search(r"\x1b\[1;31m *NAN", line)

    def test_ascii_is_ascii(self) -> None:
        for made in (everything(), scaled()):
            for width in (40, 80, 200):
                text = report.render("table", made, Look(width, ascii=True))
                assert text.isascii()
                assert "\x1b" not in text

    def test_markup_is_text(self) -> None:
        text = report.render("table", everything(), Look(200))
        assert MARKUP in text
        assert "in [red]put.npy, shift -0.5: 4 rows x 10 classes" in text.splitlines()[0]
        assert ":smile:" in report.render("table", sample(measurement("a:smile:.py:f")), Look(100))

    def test_what_does_not_fit_is_dropped_from_the_least_important_on(self) -> None:
        headings = []
        for width in range(60, 260, 10):
            text = report.render("table", sample(measurement("naive"), measurement("shifted")), Look(width))
            heading = re.split(r"  +", text.splitlines()[3].strip())
            assert heading[:3] == ["dtype", "formulation", "result"]
            assert "max ulp" in heading
            headings.append(set(heading))
        assert all(a <= b for a, b in itertools.pairwise(headings))
        assert {"nan", "inf", "to 0", "rows hit"} <= headings[2]
        assert {"row sums", "lost mass", "worst at", "got", "exact", "bits lost", "flips"} <= headings[-1]

    def test_a_block_for_each_operation_and_scale(self) -> None:
        lines = report.render("table", everything(), Look(80)).splitlines()
        assert [line for line in lines if line in ("softmax", "cross_entropy")] == ["softmax", "cross_entropy"]
        lines = report.render("table", scaled(), Look(80)).splitlines()
        assert [line for line in lines if line.startswith("softmax")] == ["softmax, scale 1", "softmax, scale 1000"]

    def test_sentences_stand_below(self) -> None:
        text = " ".join(report.render("table", everything(), Look(80)).split())
        for sentence in (
            "- float32, naive softmax: nan in 3 rows: because; use shifted",
            "- float32, lse softmax: finite but wrong; use shifted",
            "returned float64; its results were rounded to float32",
            "- bfloat16, softmax: 1 of 4 rows have no defined truth (nan, or infinities)",
            "- bfloat16, shifted softmax: 2 elements are undecided",
            "- bfloat16, softmax: 3 exact results are beyond 3.38953e+38; inf is right",
            "- float8_e4m3fn: 4 of 4 rows hold a logit beyond 448; they are not measured",
        ):
            assert sentence in text
        text = report.render("table", scaled(), Look(80))
        assert "- scale 1000, float32, naive softmax: nan in 4 rows" in text
        assert text.endswith(
            "first failing scale\n- softmax naive float32: fails from scale 1000\n- softmax shifted float32: survives\n"
        )

    def test_the_same_sentence_stands_once(self) -> None:
        lost = incidence(40, input_overflow=10)
        made = sample(*(measurement(n, incidence=lost, operation=o) for o in ("softmax", "logsumexp") for n in "ab"))
        text = report.render("table", made, Look(200))
        assert text.count("1 of 4 rows hold a logit beyond") == 1

    def test_the_input_in_a_line(self) -> None:
        def first(**changes: Any) -> str:
            return report.render("table", sample(measurement("naive"), **changes), Look(200)).splitlines()[0]

        assert first() == "normal logits, seed 0, scale 1: 4 rows x 10 classes"
        assert first(scale=(1.0, 2.5), seed=7) == "normal logits, seed 7, scale 1,2.5: 4 rows x 10 classes"
        assert first(source="a.npy", distribution=None) == "a.npy: 4 rows x 10 classes"
        assert first(source="a.npy", distribution=None, scale=3.0, shift=-1.5, rows=1234567) == (
            "a.npy, scale 3, shift -1.5: 1,234,567 rows x 10 classes"
        )


class TestMarkdown:
    def test_tables_have_as_many_cells_in_every_row(self) -> None:
        lines = report.render("markdown", everything(), Look()).splitlines()
        rows = [line for line in lines if line.startswith("|")]
        assert len(rows) == 2 * 2 + 11
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert len(cells) == 1
        assert all(re.fullmatch(r"(\| -+:? )+\|", row) for row in rows if "---" in row)

    def test_what_markdown_would_read_is_escaped(self) -> None:
        text = report.render("markdown", everything(), Look())
        assert r"\[bold\]own\[/bold\].py:soft\*max\|\_f" in text
        assert r"**in \[red\]put.npy, shift -0.5: 4 rows x 10 classes**" in text
        assert r"float8\_e4m3fn" in text
        assert r"### cross_entropy" in text or r"### cross\_entropy" in text
        html = sample(failing("<b>&amp;`x`.py:f", "nan", 1, 1))
        assert r"\<b\>" in report.render("markdown", html, Look())
        assert r"\`x\`" in report.render("markdown", html, Look())

    def test_headings_and_lists(self) -> None:
        text = report.render("markdown", scaled(), Look())
        assert "\n### softmax, scale 1\n\n| dtype | formulation | result |" in text
        assert "\n- scale 1000, float32, naive softmax: nan in 4 rows" in text
        assert text.endswith("\n- softmax naive float32: fails from scale 1000\n- softmax shifted float32: survives\n")

    def test_neither_width_nor_colour_changes_it(self) -> None:
        wanted = report.render("markdown", everything(), Look())
        assert all(report.render("markdown", everything(), k) == wanted for k in (Look(40), Look(200, color=True)))
        assert "\x1b" not in wanted


class TestCsv:
    def test_every_line_has_the_same_columns(self) -> None:
        text = report.render("csv", everything(), Look())
        lines = list(csv.reader(io.StringIO(text), strict=True))
        assert len(lines) == 1 + 11
        assert {len(line) for line in lines} == {len(lines[0])}
        assert len(set(lines[0])) == len(lines[0])
        assert "\r" not in text

    def test_values(self) -> None:
        first, second, *rest = csv.DictReader(io.StringIO(report.render("csv", everything(), Look())))
        assert (first["formulation"], first["implementation"], first["operation"]) == ("naive", "numpy", "softmax")
        assert (first["ulp.max"], first["worst.got"], first["worst.index"]) == ("inf", "nan", "[0, 0, 6]")
        assert (first["row_sum.min"], first["kl.max"], first["argmax_flips"], first["lost_mass.max"]) == (
            "",
            "",
            "",
            "",
        )
        assert (second["ulp.max"], second["row_sum.min"], second["argmax_flips"]) == ("2.5", "0.99999988", "0")
        assert (second["explanation"], second["failures"]) == ("", "[]")
        assert json.loads(first["failures"]) == ["nan"]
        assert first["incidence.wrong_nan"] == "12"
        assert rest[1]["implementation"] == MARKUP
        assert rest[1]["formulation"] == ""
        assert rest[6]["worst.row"] == rest[6]["ulp.max"] == ""

    def test_quotes_and_commas(self) -> None:
        name = 'a,"b".py:f'
        made = sample(failing(name, "nan", 1, 1, explanation='says "x", and y\nz'))
        [line] = csv.DictReader(io.StringIO(report.render("csv", made, Look())), strict=True)
        assert (line["implementation"], line["explanation"]) == (name, 'says "x", and y\nz')


class TestJson:
    def test_it_is_strict_and_complete(self) -> None:
        def refuse(name: str) -> None:
            raise AssertionError(name)

        for made in (everything(), scaled()):
            document = json.loads(report.render("json", made, Look()), parse_constant=refuse)
            assert document == made.to_dict()
        first = json.loads(report.render("json", everything(), Look()))["results"][0]
        assert (first["ulp"]["max"], first["worst"]["got"], first["row_sum"]) == ("inf", "nan", None)
        assert first["worst"]["index"] == [0, 0, 6]
