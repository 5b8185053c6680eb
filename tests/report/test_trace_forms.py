"""Traces made by hand, as tables, trees, Markdown and JSON.

The rendered texts are kept in ``snapshots/``. ``UPDATE_SNAPSHOTS=1 python -m pytest tests/report`` writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from overflowscope import schema
from overflowscope.records import InputSummary
from overflowscope.records.trace import (
    SCHEMA,
    Birth,
    Element,
    Event,
    Note,
    Operand,
    Remedy,
    Source,
    Step,
    Trace,
    Traced,
    Ulps,
)
from overflowscope.report import Look
from overflowscope.report._trace import FORMS, MOST

SNAPSHOTS = Path(__file__).parent / "snapshots"
INF, NAN = math.inf, math.nan
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LOGITS = Operand(kind="input", step=None, name="logits", value=None, shape=(1, 8))
VERDICT = (
    "step 1, exp: logit 94.70 at index 7 is above 88.7228, the largest float32 exp can take; the sum becomes inf at "
    "step 2; inf/inf becomes nan at step 3. Shifting by the maximum is enough."
)


def of(step: int) -> Operand:
    return Operand(kind="step", step=step, name=None, value=None, shape=(1, 8))


def at(line: int, text: str, file: str = "my.py") -> Source:
    return Source(file=file, line=line, function="softmax", text=text)


def event(kind: str, count: int = 1, *, harmless: bool = False, bits: float | None = None, text: str = "") -> Event:
    return Event(kind=kind, count=count, index=(0, 7), harmless=harmless, bits=bits, text=text)


def step(number: int, operation: str, *operands: Operand, **changes: Any) -> Step:
    """A sound step of 8 numbers, but for what is changed."""
    made = Step(
        number=number,
        phase="forward",
        adjoint_of=None,
        operation=operation,
        source=None,
        shape=(1, 8),
        dtype="float32",
        operands=operands,
        smallest=0.125,
        largest=4.5,
        nan=0,
        inf=0,
        zero=0,
        subnormal=0,
        events=(),
        element=Element(index=(0, 3), computed=1.5, exact="1.4999999843123", state="exact"),
        ulp=Ulps(total=0.625, inherited=0.25, added=0.375),
        descendant=False,
    )
    return dataclasses.replace(made, **changes)


def trace(*steps: Step, **changes: Any) -> Trace:
    given = InputSummary(
        source="logits.npy",
        distribution=None,
        scale=1.0,
        shift=0.0,
        seed=0,
        rows=1,
        classes=8,
        leading=(1,),
        labels=None,
        ignored_rows=0,
        sha256="0" * 64,
    )
    traced = Traced(
        operation="softmax",
        formulation="naive",
        function=None,
        dtype="float32",
        arithmetic="native",
        sum_order="native",
        accumulator="native",
        quantity="value",
        row=0,
        remarks=(),
    )
    made = Trace(
        schema=SCHEMA,
        version="0.1.0",
        environment={"overflowscope": "0.1.0", "ml_dtypes": None},
        input=given,
        traced=traced,
        steps=steps,
        result=(steps[-1].number,) if steps else (),
        notes=(),
        birth=None,
        verdict="Nothing went wrong: every result is right to at least half of its bits.",
        remedies=(),
    )
    return dataclasses.replace(made, **changes)


def failing() -> Trace:
    """The naive softmax of a person's file."""
    first, second = at(5, "e = np.exp(x)"), at(6, "return e / e.sum(axis=-1, keepdims=True)")
    big = Element(index=(0, 7), computed=INF, exact="1.341794819775961e41", state="exact")
    lost = Ulps(total=INF, inherited=0.0, added=INF)
    made = (
        step(
            1,
            "exp",
            LOGITS,
            source=first,
            largest=INF,
            inf=1,
            events=(
                event("overflow", text="1 of 8 overflow"),
                event("underflow", 3, harmless=True, text="3 of 8 become 0, without harm to the result"),
            ),
            element=big,
            ulp=lost,
            descendant=True,
        ),
        step(2, "sum", of(1), source=second, shape=(1, 1), smallest=INF, largest=INF, inf=1, element=big, ulp=lost),
        step(
            3,
            "divide",
            of(1),
            of(2),
            source=second,
            smallest=0.0,
            largest=0.0,
            nan=1,
            zero=7,
            events=(event("invalid", text="1 of 8 become nan"),),
            element=Element(index=(0, 7), computed=NAN, exact="1", state="exact"),
            ulp=Ulps(total=INF, inherited=INF, added=0.0),
            descendant=True,
        ),
    )
    made = (made[0], dataclasses.replace(made[1], descendant=True), made[2])
    return trace(
        *made,
        traced=dataclasses.replace(
            trace().traced, operation=None, formulation=None, function="my.py:softmax", row=None
        ),
        birth=Birth(
            step=1,
            operation="exp",
            kind="overflow",
            index=(0, 7),
            value=94.7,
            limit=88.722839,
            source="my.py:5",
            verdict=VERDICT,
        ),
        verdict=VERDICT,
        remedies=(
            Remedy(name="shift", sentence="Shifting by the maximum", formula="f(x - max)", clean=True, found="clean"),
            Remedy(name="centre", sentence="Centring", formula="f(x - mean)", clean=False, found="gives nan"),
        ),
    )


def everything() -> Trace:
    """Names like markup and beyond ASCII, every event, nulls, backward steps, notes, a wider arithmetic."""
    odd = at(12, "p = [bold]e[/bold] / |s| * `x`_1  # \u6e29\u5ea6 <b>", "na\u00efve[red].py")
    kinds = ("underflow", "divide", "absorption", "subnormal")
    undecided = Element(index=(0, 1), computed=-2.5e-310, exact=None, state="undecided")
    return trace(
        step(1, "exp", LOGITS, source=odd, events=tuple(event(k, i + 1, text=f"{k}!") for i, k in enumerate(kinds))),
        step(
            2,
            "subtract",
            of(1),
            Operand(kind="constant", step=None, name=None, value=0.5, shape=()),
            source=odd,
            events=(
                event("cancellation", bits=23.0, text="cancels", harmless=True),
                event("latent", harmless=True, text="85.00 at index 0 is within 10 % of 88.7228"),
            ),
            element=undecided,
            ulp=Ulps(total=None, inherited=None, added=None),
        ),
        step(3, "where", of(2), Operand(kind="constant", step=None, name=None, value=None, shape=(8,)), shape=()),
        step(4, "log", of(3), smallest=None, largest=None, nan=8, element=None, shape=(0, 3)),
        step(5, "multiply", of(4), of(1), phase="backward", source=odd),
        result=(4,),
        notes=(Note(step=3, source=odd, text="total == 0 is True, and with exact values it is False"),),
        traced=dataclasses.replace(
            trace().traced,
            arithmetic="strict",
            sum_order="pairwise",
            accumulator="float16",
            quantity="gradient",
            remarks=("2,000 rows of 1,000 are many: row 17 is traced alone",),
            row=1017,
        ),
    )


def looped() -> Trace:
    """More steps than a table shows, one of them telling."""
    steps = [step(1, "add", LOGITS)]
    steps += [step(n, "add", of(n - 1)) for n in range(2, 301)]
    steps[199] = step(200, "add", of(199), events=(event("absorption", text="absorbs"),))
    return trace(*steps)


LOOKS = {
    "table-80.txt": ("table", Look(80)),
    "table-120.txt": ("table", Look(120)),
    "table-40-ascii.txt": ("table", Look(40, ascii=True)),
    "table-80-color.txt": ("table", Look(80, color=True)),
    "tree-80.txt": ("tree", Look(80)),
    "tree-80-ascii.txt": ("tree", Look(80, ascii=True)),
    "markdown.md": ("markdown", Look(80)),
}


@pytest.mark.parametrize("made", [failing, everything, looped], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", LOOKS)
def test_snapshots(name: str, made: Any) -> None:
    form, look = LOOKS[name]
    text = FORMS[form](made(), look)
    file = SNAPSHOTS / f"trace-{made.__name__}-{name}"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        file.write_bytes(text.encode())
    assert text == file.read_bytes().decode(), "UPDATE_SNAPSHOTS=1 writes it anew"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("made", [failing, everything, looped, trace], ids=lambda f: f.__name__)
def test_every_form_ends_in_one_newline(form: str, made: Any) -> None:
    text = FORMS[form](made(), Look())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("form", ["table", "tree"])
@pytest.mark.parametrize("color", [False, True])
def test_no_line_is_wider_than_the_terminal(form: str, color: bool) -> None:
    for made in (failing(), everything(), looped()):
        for width in range(40, 161, 5):
            for line in FORMS[form](made, Look(width, color=color)).splitlines():
                assert cell_len(ESCAPES.sub("", line)) <= width, (width, line)


@pytest.mark.parametrize("form", ["table", "tree"])
def test_ascii_is_ascii(form: str) -> None:
    for made in (failing(), everything(), looped()):
        for width in (40, 80, 200):
            text = FORMS[form](made, Look(width, ascii=True))
            assert text.isascii()
            assert "\x1b" not in text


@pytest.mark.parametrize("form", ["table", "tree"])
def test_colours_say_nothing_that_words_do_not(form: str) -> None:
    for made in (failing(), everything()):
        plain, colored = (FORMS[form](made, Look(90, color=c)) for c in (False, True))
        assert "\x1b" not in plain
        assert [ESCAPES.sub("", line).rstrip() for line in colored.splitlines()] == plain.splitlines()
        assert "\x1b" in colored


def test_the_failures_path_is_red() -> None:
    lines = FORMS["table"](failing(), Look(100, color=True)).splitlines()
    red = [ESCAPES.sub("", line).split()[1] for line in lines if line.startswith(("\x1b[31m", "\x1b[1;31m"))]
    assert red[:3] == ["exp", "sum", "divide"]
    assert any(line.startswith("\x1b[1;31m1  exp") for line in lines)


def test_the_table_reads_as_the_calculation_runs() -> None:
    lines = FORMS["table"](failing(), Look(100)).splitlines()
    assert lines[0] == "my.py:softmax, float32"
    first, second = (next(i for i, line in enumerate(lines) if line.startswith(f"my.py:{n}")) for n in (5, 6))
    steps = [i for i, line in enumerate(lines) if re.match(r"\d  ", line)]
    assert first < steps[0] < second < steps[1] < steps[2]
    assert "e = np.exp(x)" in lines[first]
    assert re.search(r"OVERFLOW, to 0 x3 +0,7 +inf +1.34179e\+41 +0 \+ inf", lines[steps[0]])
    assert " ".join(" ".join(lines).split()).endswith(VERDICT)


def test_harm_is_in_capitals() -> None:
    text = FORMS["table"](everything(), Look(200))
    assert "TO 0, BY ZERO x2, ABSORBS x3, SUBNORMAL x4" in text
    assert "cancels 23 bits, latent" in text


def test_what_does_no_harm_and_what_is_near_is_said_below() -> None:
    for form in ("table", "tree", "markdown"):
        text = " ".join(FORMS[form](everything(), Look(200)).replace("\\", "").split())
        assert "- step 2, subtract: cancels" in text
        assert "- step 2, subtract: 85.00 at index 0 is within 10 % of 88.7228" in text
        assert "- 2,000 rows of 1,000 are many: row 17 is traced alone" in text
        assert "total == 0 is True, and with exact values it is False" in text


def test_a_long_calculation_is_cut() -> None:
    text = FORMS["table"](looped(), Look(80))
    numbers = [int(m[1]) for m in re.finditer(r"^ *(\d+)  add", text, re.MULTILINE)]
    assert len(numbers) <= MOST
    assert {1, 199, 200, 201, 300} <= set(numbers)
    assert re.search(r"^\.\.\. 186 steps with nothing to be seen$", text, re.MULTILINE)
    left = sum(int(m[1].replace(",", "")) for m in re.finditer(r"^\.\.\. ([\d,]+) steps", text, re.MULTILINE))
    assert len(numbers) + left == 300


def test_the_tree_has_every_step_once_with_its_operands() -> None:
    text = FORMS["tree"](failing(), Look(80))
    assert text.count("(above)") == 1
    lines = text.splitlines()
    assert lines[3].startswith("x 3 divide")
    assert lines[4].startswith("├─ x 1 exp")
    assert lines[4].endswith("<- born here")
    assert lines[5] == "│  └─ logits"
    assert lines[6].startswith("└─ x 2 sum")
    assert len(FORMS["tree"](looped(), Look(80)).splitlines()) < 240


def test_markdown_has_as_many_cells_in_every_row() -> None:
    for made in (failing(), everything()):
        rows = [line for line in FORMS["markdown"](made, Look()).splitlines() if line.startswith("|")]
        assert len(rows) == 2 + len(made.steps)
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_what_markdown_would_read_is_escaped() -> None:
    text = FORMS["markdown"](everything(), Look())
    assert r"p = \[bold\]e\[/bold\] / \|s\| \* \`x\`\_1 \# " in text
    assert r"\<b\>" in text
    assert FORMS["markdown"](everything(), Look(40, color=True)) == text


def test_markup_is_text() -> None:
    text = FORMS["table"](everything(), Look(200))
    assert "na\u00efve[red].py:12  p = [bold]e[/bold] / |s| * `x`_1" in text


def test_json_is_strict_complete_and_of_its_schema() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema.trace())
    for made in (failing(), everything(), looped(), trace()):
        document = json.loads(FORMS["json"](made, Look()), parse_constant=refuse)
        assert document == made.to_dict()
        validator.validate(document)
    birth = failing().to_dict()["birth"]
    assert set(birth) == {"step", "operation", "kind", "index", "value", "limit", "source", "verdict"}
    assert failing().to_dict()["steps"][2]["element"]["computed"] == "nan"
