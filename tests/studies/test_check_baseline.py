"""The file of a baseline: read back as it was written, and refused where anything in it is not what it should be."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overflowscope.errors import InputError
from overflowscope.records.check import Figures
from overflowscope.studies.check import baseline
from overflowscope.studies.check.baseline import Baseline, Record, changed, parsed, written

FIGURES = Figures(
    max_ulp=0.1, nan=0, overflow=0, underflow=3, saturated=0, row_sum_off=2.0**-30, max_kl=None, argmax_flips=None
)
RECORD = Record(
    case="b",
    dtype="float32",
    scale=20.0,
    operation="softmax",
    quantity="value",
    formulation=None,
    implementation="kernel",
    version=None,
    returned="float32",
    compute="float32",
    arithmetic="native",
    sum_order="native",
    accumulator="native",
    shift=0.0,
    input={"sha256": "00", "rows": 3, "classes": 2, "labels": None, "ignore_index": -100},
    figures=FIGURES,
)
OTHER = replace(RECORD, case="a", scale=1e-5, figures=replace(FIGURES, max_ulp=math.inf, row_sum_off=math.nan))
FACTS = {"numpy": "2.0.0", "machine": "x86_64", "simd": None, "libc": "glibc 2.36", "ml_dtypes": None, "os": "Linux 6"}
TEXT = written(FACTS, [RECORD, OTHER])


def test_it_is_read_back_sorted_and_a_record_a_line() -> None:
    found = parsed(TEXT)
    assert found.environment == FACTS
    assert list(found.records) == [("a", "float32", 1e-5), ("b", "float32", 20.0)]
    assert found.records[RECORD.key] == RECORD
    assert repr(found.records[OTHER.key]) == repr(OTHER)  # nan is not nan
    lines = [line for line in TEXT.splitlines() if '"case"' in line]
    assert [json.loads(line.strip().rstrip(","))["case"] for line in lines] == ["a", "b"]
    assert written(dict(reversed(FACTS.items())), [OTHER, RECORD]) == TEXT
    assert '"max_ulp": 0.1,' in TEXT
    assert '"max_ulp": "inf", ' in TEXT
    json.loads(TEXT, parse_constant=lambda name: pytest.fail(name))


def test_no_record_at_all() -> None:
    assert parsed(written({}, [])) == Baseline({}, {})


def edited(**values: Any) -> str:
    """The document with a record's values changed; None removes one."""
    document = json.loads(TEXT)
    for name, value in values.items():
        home = document["records"][1]
        if name in home["figures"]:
            home = home["figures"]
        if value is ...:
            del home[name]
        else:
            home[name] = value
    return written(FACTS, []).replace(
        '"records": [\n', '"records": [\n' + ",\n".join(f"    {json.dumps(r)}" for r in document["records"])
    )


LINE = next(i for i, line in enumerate(TEXT.splitlines(), 1) if '"case": "b"' in line)


def test_the_editing_itself() -> None:
    assert repr(parsed(edited())) == repr(parsed(TEXT))
    assert edited().splitlines()[LINE - 1].startswith('    {"case": "b"')


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"case": 3}, "case is 3"),
        ({"case": None}, "case is null"),
        ({"dtype": ["float32"]}, "dtype is an array"),
        ({"scale": "20"}, "scale is '20'"),
        ({"scale": True}, "scale is true"),
        ({"scale": ...}, "a record without scale"),
        ({"figures": 3}, "figures is 3"),
        ({"figures": ...}, "a record without figures"),
        ({"input": []}, "input is an array"),
        ({"input": {"rows": 1.5}}, "input holds what is neither text nor a whole number"),
        ({"max_ulp": "Infinity"}, "max_ulp is 'Infinity'"),
        ({"max_ulp": ...}, "a record without max_ulp"),
        ({"nan": 0.0}, "nan is 0.0"),
        ({"nan": -1}, "nan is -1"),
        ({"nan": False}, "nan is false"),
        ({"nan": None}, "nan is null"),
        ({"nan": "nan"}, "nan is 'nan'"),
        ({"nan": 10**400}, "nan is 1000"),
        ({"max_ulp": 10**400}, "max_ulp is 1000"),
        ({"argmax_flips": 1.5}, "argmax_flips is 1.5"),
        ({"formulation": 1}, "formulation is 1"),
        ({"case": "a", "scale": 1e-5}, "two records of a, float32, scale 1e-05"),
    ],
)
def test_wrong_values_are_refused_with_their_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        parsed(edited(**values))
    assert says in str(refused.value)
    assert f"(line {LINE})" in str(refused.value)
    assert "--update" in str(refused.value)


def test_more_keys_are_allowed() -> None:
    document = json.loads(TEXT)
    document["new"] = document["records"][0]["new"] = document["records"][0]["figures"]["new"] = 1
    assert list(parsed(json.dumps(document)).records) == list(parsed(TEXT).records)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"it is no JSON: expecting value \(line 1\)"),
        (TEXT[: len(TEXT) // 2], r"it is no JSON: .* \(line \d+\); remove it, and make it anew with --update"),
        (TEXT[:-3], r"it is no JSON"),
        (TEXT + TEXT, r"it is no JSON: extra data"),
        ("<<<<<<< HEAD\n" + TEXT, r"it is no JSON: expecting value \(line 1\)"),
        ("[]", r"it names no schema; name another file"),
        ("{}", r"it names no schema"),
        ("null", r"it names no schema"),
        (TEXT.replace("baseline/1", "baseline/2"), r"overflowscope.baseline/2, is newer.*; upgrade overflowscope"),
        (TEXT.replace("baseline/1", "baseline/0"), r"is unknown"),
        (TEXT.replace("baseline/1", "compare/1"), r"its schema is 'overflowscope.compare/1', not overflowscope"),
        (TEXT.replace("baseline/1", "baseline/one"), r"its schema is"),
        (TEXT.replace('"overflowscope.baseline/1"', "1"), r"its schema is 1"),
        (TEXT.replace('"inf"', "Infinity"), r"Infinity is no JSON"),
        (TEXT.replace('"inf"', "NaN"), r"NaN is no JSON"),
        (TEXT.replace('"dtype"', '"case"', 1), r"a key twice, 'case'"),
        (TEXT.replace('"records": [', '"records": [1,'), r"a record is 1"),
        ('{"schema": "overflowscope.baseline/1"}', r"environment is no table"),
        ('{"schema": "overflowscope.baseline/1", "environment": {"cpu": 3}}', r"environment is no table .*\(line 1\)"),
        (TEXT.split('"records"')[0] + '"records": {}}', r"records are no array \(line \d+\)"),
        ("[" * 100_000, r"it is no (baseline|JSON)"),
    ],
)
def test_what_is_no_baseline_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=says) as refused:
        baseline.read(str(tmp_path / "b.json"))
    assert str(refused.value).startswith(f"{tmp_path}/b.json: ")
    assert str(refused.value).isprintable()


def test_files(tmp_path: Path) -> None:
    assert baseline.read(str(tmp_path / "none.json")) is None
    with pytest.raises(InputError, match=r"[Dd]irectory"):
        baseline.read(str(tmp_path))
    (tmp_path / "b").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(InputError, match="it is not UTF-8"):
        baseline.read(str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ({}, {}, ()),
        ({}, {"os": "Linux 7", "python": "3.99", "cpu": "another"}, ()),
        ({}, {"numpy": "2.0.1"}, ("numpy",)),
        ({}, {"simd": "AVX2"}, ("simd",)),
        ({}, {"libc": None, "machine": "arm64"}, ("machine", "libc")),
        ({"ml_dtypes": "0.5.0"}, {"ml_dtypes": None}, ()),
        ({"ml_dtypes": "0.5.0"}, {"ml_dtypes": "0.5.1"}, ("ml_dtypes",)),
    ],
)
def test_platforms(then: dict[str, Any], now: dict[str, Any], differs: tuple[str, ...]) -> None:
    assert Baseline({**FACTS, **then}, {}).differs({**FACTS, **now}) == differs


def test_what_makes_another_definition() -> None:
    assert changed(RECORD, replace(RECORD, version="2", figures=OTHER.figures, input={})) == []
    for name in ("operation", "quantity", "formulation", "implementation", "returned", "compute", "arithmetic"):
        assert changed(RECORD, replace(RECORD, **{name: "x"})) == [
            f"{name} was {getattr(RECORD, name) or 'none'} and is x"
        ]
    assert changed(RECORD, replace(RECORD, shift=1.0)) == ["shift was 0.0 and is 1.0"]
