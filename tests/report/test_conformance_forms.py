"""Special values made by hand, as tables, Markdown and JSON.

The rendered texts are kept in ``snapshots/``. ``UPDATE_SNAPSHOTS=1 python -m pytest tests/report`` writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from overflowscope import schema
from overflowscope.records.conformance import (
    SCHEMA,
    Agreement,
    Answer,
    Case,
    Cases,
    Conformance,
    Contestant,
    Run,
    Truth,
)
from overflowscope.report import Look
from overflowscope.report._conformance import FORMS, number, values

SNAPSHOTS = Path(__file__).parent / "snapshots"
INF, NAN = math.inf, math.nan


def runs(*numbers: float) -> tuple[Run, ...]:
    return tuple(Run(value=n, count=1) for n in numbers)


def answer(name: str, *numbers: float, limit: bool | None = True, lib: bool | None = True, **changes: Any) -> Answer:
    made = Answer(
        name=name,
        status="ok",
        reason=None,
        returned="float32",
        values=runs(*numbers),
        agrees={"limit": limit, "lib": lib},
    )
    return dataclasses.replace(made, **changes)


def lacking(name: str, status: str, reason: str) -> Answer:
    return answer(name, limit=None, lib=None, status=status, reason=reason, returned="")


def case(name: str, logits: tuple[Run, ...], limit: Truth, *answers: Answer, label: int | None = None) -> Case:
    return Case(name=name, about=f"about {name}", logits=logits, label=label, limit=limit, answers=answers)


def agreement(*counts: tuple[str, str, int, int]) -> tuple[Agreement, ...]:
    return tuple(Agreement(name=n, convention=c, agree=a, cases=k) for n, c, a, k in counts)


LONG = "kernels/*my*_own_file|with|bars.py:softmax_of_rows"
UNDEFINED = Truth(status="undefined", values=(Run(value=NAN, count=3),))
CASES = (
    case(
        "one +inf",
        runs(0.0, INF, 1.0),
        Truth(status="ok", values=runs(0.0, 1.0, 0.0)),
        answer("shifted", NAN, NAN, NAN, limit=False),
        answer("lib", NAN, NAN, NAN, limit=False),
        lacking(LONG, "error", f"{LONG} failed: ValueError: no infinities here (kernels/x.py:7)"),
    ),
    case(
        "two +inf",
        runs(INF, -0.0, INF),
        UNDEFINED,
        answer("shifted", NAN, -INF, NAN, limit=False, lib=False),
        answer("lib", NAN, NAN, NAN),
        lacking(LONG, "error", f"{LONG} failed: ValueError: no infinities here (kernels/x.py:7)"),
    ),
    case(
        "near",
        runs(1.0, 1.1),
        Truth(status="ok", values=runs(1 / 3, 2 / 3)),
        # Apart in the fifth digit, and in the third.
        answer("shifted", 0.33335, 2 / 3, limit=False, lib=False),
        answer("lib", 0.334, -0.0, limit=False),
        answer(LONG, 1 / 3, 2 / 3, lib=False, returned="float64"),
    ),
    case(
        "open",
        (Run(value=0.0, count=65536),),
        Truth(status="undecided", values=()),
        answer("shifted", 1.0, limit=None, lib=None, values=(Run(value=2.0**-16, count=65536),)),
        lacking("lib", "unsupported", "lib: MemoryError: too many"),
        answer(LONG, 1.0, limit=None, lib=None, values=(Run(value=0.0, count=3), Run(value=-0.0, count=1))),
    ),
)
COUNTS = agreement(
    ("shifted", "limit", 0, 3),
    ("shifted", "lib", 1, 3),
    ("lib", "limit", 1, 3),
    (LONG, "limit", 1, 1),
    (LONG, "lib", 0, 1),
)
LOSSES = (
    case(
        "masked label",
        runs(1.0, -INF),
        Truth(status="ok", values=runs(INF)),
        answer("shifted", INF),
        answer("lib", 104.0, limit=False),
        label=1,
    ),
)
EVERYTHING = Conformance(
    schema=SCHEMA,
    version="0.1.0",
    environment={"python": "3.12.0", "cpu": None},
    implementations=(
        Contestant(name="shifted", formulation="shifted", implementation="numpy", version="2.4.0"),
        Contestant(name="lib", formulation=None, implementation="lib", version="1.17.1"),
        Contestant(name=LONG, formulation=None, implementation=LONG, version=None),
    ),
    conventions=("limit", "lib"),
    results=(
        Cases(operation="softmax", dtype="float32", cases=CASES, agreement=COUNTS),
        Cases(
            operation="cross_entropy",
            dtype="float8_e4m3fn",
            cases=LOSSES,
            agreement=agreement(("shifted", "limit", 1, 1), ("shifted", "lib", 0, 1), ("lib", "limit", 0, 1)),
        ),
    ),
    agreement=agreement(
        ("shifted", "limit", 1, 4),
        ("shifted", "lib", 1, 4),
        ("lib", "limit", 1, 4),
        (LONG, "limit", 1, 1),
        (LONG, "lib", 0, 1),
    ),
)
ALONE = dataclasses.replace(
    EVERYTHING,
    implementations=EVERYTHING.implementations[:1],
    conventions=("limit",),
    results=(
        dataclasses.replace(
            EVERYTHING.results[0],
            cases=tuple(dataclasses.replace(c, answers=c.answers[:1]) for c in CASES[:2]),
            agreement=agreement(("shifted", "limit", 0, 2)),
        ),
    ),
    agreement=agreement(("shifted", "limit", 0, 2)),
)


@pytest.mark.parametrize(
    ("found", "form", "look", "name"),
    [
        (EVERYTHING, "table", Look(80), "conformance-everything-table-80.txt"),
        (EVERYTHING, "table", Look(160), "conformance-everything-table-160.txt"),
        (EVERYTHING, "table", Look(40, ascii=True), "conformance-everything-table-40-ascii.txt"),
        (EVERYTHING, "markdown", Look(80), "conformance-everything-markdown.md"),
        (ALONE, "table", Look(80), "conformance-alone-table-80.txt"),
        (ALONE, "markdown", Look(80), "conformance-alone-markdown.md"),
    ],
)
def test_snapshots(found: Conformance, form: str, look: Look, name: str) -> None:
    rendered = FORMS[form](found, look)
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_bytes(rendered.encode())
    assert rendered.encode() == path.read_bytes()


def test_json_is_the_whole_record_and_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(FORMS["json"](EVERYTHING, Look()), parse_constant=pytest.fail)
    assert document == EVERYTHING.to_dict()
    validator = jsonschema.Draft202012Validator(schema.conformance())
    validator.validate(document)
    case = document["results"][0]["cases"][0]
    assert case["logits"][1] == {"value": "inf", "count": 1}
    assert case["label"] is None
    assert case["answers"][2]["agrees"] == {"limit": None, "lib": None}
    case["answers"][0]["agrees"]["lib"] = "yes"
    assert not validator.is_valid(document)


def test_every_sentence_is_said_once_and_with_its_cases() -> None:
    text = " ".join(FORMS["table"](EVERYTHING, Look(80)).split())
    assert text.count("softmax, float32: error (one +inf; two +inf): kernels/") == 1
    assert text.count("no infinities here (kernels/x.py:7)") == 1
    assert text.count("softmax, float32: unsupported (open): lib: MemoryError: too many") == 1
    assert text.count("float8_e4m3fn holds no infinity: there inf is nan") == 1
    assert text.count("returned float64; its results were rounded to float32") == 1
    # What is not there is not said.
    assert "- " not in FORMS["table"](ALONE, Look(80))


def test_what_is_lacking_everywhere_is_said_once() -> None:
    """One reason in every case of two operations is one sentence, and there is no share of no cases."""
    one = case("a", runs(1.0), UNDEFINED, lacking("lib", "unsupported", "no"))
    parts = [
        Cases(
            operation=o,
            dtype="float16",
            cases=(one, dataclasses.replace(one, name="b")),
            agreement=agreement(("lib", "limit", 0, 0)),
        )
        for o in ("softmax", "logsumexp")
    ]
    found = dataclasses.replace(
        EVERYTHING,
        implementations=EVERYTHING.implementations[1:2],
        conventions=("limit",),
        results=tuple(parts),
        agreement=agreement(("lib", "limit", 0, 0)),
    )
    lines = FORMS["table"](found, Look(80)).splitlines()
    assert [line for line in lines if "no" in line.split()] == [
        "same: as the limit. undefined: there is no limit, and nan agrees.",
        "- softmax, logsumexp, float16: unsupported (every case): lib: no",
    ]
    assert [line.split()[-1] for line in lines if line.startswith(("agree with", "lib"))] == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (NAN, "nan"),
        (-INF, "-inf"),
        (65504.0, "65504"),
        (-57344.0, "-57344"),
        (3.4028234663852886e38, "3.4e38"),
        (1 / 3, "0.333"),
        (2.0**-16, "1.5e-5"),
        (2.0**-149, "1.4e-45"),
        (5e-324, "4.9e-324"),
        (11.090354888959125, "11.1"),
        (1e6, "1.0e6"),
        (999999.5, "1.0e6"),
        (999.9, "1.0e3"),
        (123.456, "123"),
        (1234.56, "1.2e3"),
        (0.00195, "0.00195"),
        (0.0001, "1.0e-4"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    assert number(value) == expected


def test_equal_values_are_counted_where_there_are_more_than_two() -> None:
    zeros = (Run(value=0.0, count=2), Run(value=-0.0, count=2))
    assert values(zeros) == "4 x 0"
    assert values(zeros, signed=True) == "0, 0, -0, -0"
    assert values(runs(1.0, 1.0, 2.0)) == "1, 1, 2"
    assert values((Run(value=NAN, count=3), Run(value=1.0, count=1))) == "3 x nan, 1"
    assert values((Run(value=0.5, count=65536),)) == "65,536 x 0.5"
    assert values(runs(1 / 3, 0.3334)) == "0.333, 0.333"
    assert values(runs(1 / 3, 0.3334), 6) == "0.333333, 0.3334"
