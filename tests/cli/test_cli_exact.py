"""``overflowscope exact``: tables, JSON and CSV of true values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import overflowscope
from overflowscope import schema

Invoke = Callable[..., Any]
LOGITS = b'{"logits": [[0, -2.5, -1000000], [1, 1, 1], ["nan", 0, 0], [70000, 0, 0]], "labels": [0, 1, 2, -100]}'


def test_the_table(invoke: Invoke) -> None:
    finished = invoke("exact", "-", "--op", "softmax,cross_entropy", "--dtype", "float16", "--digits", 6, stdin=LOGITS)
    assert (finished.status, finished.err) == (0, "")
    # exp(-2.5) / (1 + exp(-2.5)), and 1e6 overflows float16.
    assert finished.out == (
        "<stdin>: 4 rows x 3 classes, 1 rows ignored, 6 digits\n\n"
        "softmax, float16\n0   input overflow\n1  0   0.333333\n   1   0.333333\n   2   0.333333\n2   undefined\n"
        "3   input overflow\n\n"
        "cross_entropy, float16\n0   input overflow\n1   1.09861\n2   undefined\n3   ignored\n"
    )


def test_signs_stand_before_the_digits(invoke: Invoke) -> None:
    out = invoke("exact", "-", "--op=log_softmax,logsumexp", "--digits=3", "--scale=1,2", stdin=b"[[0, 0]]").out
    assert out == (
        "<stdin>, scale 1,2: 1 rows x 2 classes, 3 digits\n\n"
        "log_softmax, float64, scale 1\n0  0  -0.693\n   1  -0.693\n\nlogsumexp, float64, scale 1\n0   0.693\n\n"
        "log_softmax, float64, scale 2\n0  0  -0.693\n   1  -0.693\n\nlogsumexp, float64, scale 2\n0   0.693\n"
    )


def test_json_is_the_library_s_answer_and_valid(invoke: Invoke) -> None:
    arguments = ("exact", "-", "--op=all", "--dtype=float32,float64", "--digits=9")
    document = invoke(*arguments, "--json", stdin=LOGITS).document
    x = [[0, -2.5, -1e6], [1, 1, 1], [float("nan"), 0, 0], [7e4, 0, 0]]
    same = overflowscope.exact(x, [0, 1, 2, -100], operations="all", dtypes=["float32", "float64"], digits=9).to_dict()
    assert document["results"] == same["results"]
    assert document["schema"] == "overflowscope.exact/1"
    assert document["digits"] == 9
    softmax = next(r for r in document["results"] if (r["operation"], r["dtype"]) == ("softmax", "float32"))
    assert softmax["values"][0][2].endswith("e-434295")
    assert softmax["values"][2] == [None, None, None]
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema.exact())
    validator.validate(document)
    for path, wrong in ((("digits",), "9"), (("results", 0, "values", 0), 0.5), (("results", 0, "status"), "ok")):
        changed = json.loads(json.dumps(document))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = wrong
        assert not validator.is_valid(changed), path
    assert json.loads(invoke("schema", "exact").out) == schema.exact()


def test_a_row_of_one_unmasked_logit_has_one_text(invoke: Invoke) -> None:
    """Its one value, where the operation has one a row, is a string and no array that only compares like one."""
    given = b'{"logits": [["-inf", 3], ["-inf", 3], [1, 2]], "labels": [0, 1, 1]}'
    about = ("exact", "-", "--op", "cross_entropy,logsumexp", "--digits", 3)
    results = json.loads(invoke(*about, "--json", stdin=given).out)["results"]
    assert [r["values"] for r in results] == [["inf", "0", "0.313"], ["3", "3", "2.31"]]
    assert "cross_entropy, float64\n0   inf\n1   0\n2   0.313\n" in invoke(*about, stdin=given).out


def test_csv_has_a_line_for_each_value(invoke: Invoke) -> None:
    out = invoke("exact", "-", "--op=softmax,logsumexp", "--digits=3", "--format=csv", stdin=b"[[0, 1], [1, 1]]").out
    lines = list(csv.reader(io.StringIO(out)))
    assert lines[0] == ["operation", "dtype", "scale", "row", "class", "value"]
    assert [line[3:] for line in lines[1:]] == [
        ["0", "0", "0.269"],
        ["0", "1", "0.731"],
        ["1", "0", "0.5"],
        ["1", "1", "0.5"],
        ["0", "", "1.31"],
        ["1", "", "1.69"],
    ]


@pytest.mark.parametrize(("operation", "values"), [("logsumexp", ["1.25", "2", "-3"]), ("cross_entropy", ["0"] * 3)])
def test_rows_of_which_one_class_is_left(invoke: Invoke, operation: str, values: list[str]) -> None:
    """They are rational: their one value is a string like any other, in every form."""
    given = b'{"logits": [["-inf", 1.25], [2, "-inf"], ["-inf", -3]], "labels": [1, 0, 1]}'
    results = invoke("exact", "-", "--op", operation, "--json", stdin=given).document["results"]
    assert results[0]["values"] == values
    lines = invoke("exact", "-", "--op", operation, "--format=csv", stdin=given).out.splitlines()
    assert [line.rpartition(",")[2] for line in lines[1:]] == values
    table = invoke("exact", "-", "--op", operation, stdin=given).out.splitlines()
    assert [line.split() for line in table[3:]] == [[str(row), value] for row, value in enumerate(values)]


def test_random_logits_and_a_file(invoke: Invoke, tmp_path: Path) -> None:
    printed = invoke("exact", "--rows=3", "--classes=4", "--dist=cauchy", "--op=cross_entropy", "--seed=3")
    assert len(printed.out.splitlines()) == 6
    assert "cauchy logits, seed 3, scale 1: 3 rows x 4 classes, 25 digits" in printed.out
    path = tmp_path / "out.txt"
    assert (
        invoke("exact", "--rows=3", "--classes=4", "--dist=cauchy", "--op=cross_entropy", "--seed=3", "-o", path).out
        == ""
    )
    assert path.read_text() == printed.out
    # Every finite number of the format is in the format already: none of these logits overflows.
    document = invoke(
        "exact", "--dist=ordinal", "--dtype=float16,float64", "--rows=20", "--digits=2", "--json"
    ).document
    assert [r["input_overflow"] for r in document["results"]] == [0, 0]


def test_misuse(refused: Callable[..., str]) -> None:
    assert "0 is not between 1 and 1000" in refused("exact", "--digits", "0")
    assert "did you mean csv" in refused("exact", "--format", "csvv")
    assert "two answers" in refused("exact", "--json", "--format", "csv")
    assert "unknown operation 'sofmax'" in refused("exact", "--op", "sofmax")
    assert "unknown dtype" in refused("exact", "--dtype", "float15")
    assert "No such option" in refused("exact", "--impl", "x.py:f")
    assert "--rows is of random logits" in refused("exact", "-", "--rows", "3", stdin=b"[[1]]")
