"""``overflowscope conformance``: the table, JSON and Markdown, every option, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import overflowscope
from overflowscope import schema

Invoke = Callable[..., Any]

OWN = """
def softmax(x):
    import numpy as np
    print("a person's own words")
    if np.isnan(x).any():
        raise ValueError("no nan here")
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def broken(x):
    return 1 / 0

def scalar(x):
    return x[0, 0]

def loss(x, labels):
    import numpy as np
    return np.zeros(len(x)) + labels * 0.0
"""


@pytest.fixture
def answer(invoke: Invoke) -> Callable[..., Any]:
    """``answer(*arguments)`` is the JSON document, which is valid."""

    def run(*arguments: object) -> Any:
        finished = invoke("conformance", "--json", *arguments)
        assert finished.status == 0
        document = finished.document
        jsonschema = pytest.importorskip("jsonschema")
        jsonschema.Draft202012Validator(schema.conformance()).validate(document)
        return document

    return run


@pytest.fixture
def own(here: Path) -> Path:
    (here / "own.py").write_text(OWN)
    return here


def test_the_table(invoke: Invoke) -> None:
    finished = invoke("conformance", "--op", "softmax")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "special values, float32: naive, shifted, lse"
    assert lines[2] == "rows, float32"
    assert "one +inf          0, inf, 1           the limit is the one-hot row" in lines
    assert "huge spread       3.4e38, 0, -3.4e38  x - max overflows" in lines
    block = lines[lines.index("softmax, float32") :]
    assert block[1].split() == ["case", "limit", "naive", "shifted", "lse"]
    cells = {line[:16].strip(): [c for c in line[18:].split("  ") if c.strip()] for line in block[2:]}
    assert [c.strip() for c in cells["one +inf"]] == ["0, 1, 0", "0, nan, 0", "3 x nan", "3 x nan"]
    assert [c.strip() for c in cells["two +inf"]] == ["undefined", "nan, 0, nan", "same", "same"]
    assert [c.strip() for c in cells["65,536 zeros"]] == ["65,536 x 1.5e-5", "same", "same", "same"]
    assert block[-1].startswith("agree with limit")
    assert "in all" not in finished.out  # one table is all there is


def test_all_operations_and_a_matrix(invoke: Invoke) -> None:
    pytest.importorskip("scipy")
    finished = invoke("conformance", "--impl", "scipy")
    assert finished.status == 0
    lines = finished.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("special values, float32: naive, shifted, lse, scipy ")
    for operation in ("softmax", "log_softmax", "logsumexp", "cross_entropy"):
        assert f"{operation}, float32" in lines
    start = next(i for i, line in enumerate(lines) if line.startswith("in all, agrees with"))
    assert lines[start].split() == ["in", "all,", "agrees", "with", "limit", "scipy"]
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == ["naive", "shifted", "lse", "scipy"]
    assert lines[start + 4].split()[2] == "-"
    assert sum(line.startswith("agree with scipy") for line in lines) >= 4
    assert "label" in lines[3]


def test_options(answer: Callable[..., Any]) -> None:
    document = answer("--op", "logsumexp,cross-entropy", "--dtype", "float16,float64", "--formulation", "log1p,naive")
    assert document["schema"] == "overflowscope.conformance/1"
    assert document["conventions"] == ["limit"]
    assert [i["name"] for i in document["implementations"]] == ["log1p", "naive"]
    assert [(r["operation"], r["dtype"]) for r in document["results"]] == [
        (o, d) for o in ("logsumexp", "cross_entropy") for d in ("float16", "float64")
    ]
    masked = next(c for c in document["results"][2]["cases"] if c["name"] == "masked label")
    assert masked["label"] == 2
    assert masked["logits"] == [{"value": v, "count": 1} for v in (1.0, 2.0, "-inf")]
    assert masked["limit"] == {"status": "ok", "values": [{"value": "inf", "count": 1}]}
    assert [a["agrees"] for a in masked["answers"]] == [{"limit": True}] * 2


def test_python_and_the_command_say_the_same(answer: Callable[..., Any]) -> None:
    assert answer("--op", "softmax") == overflowscope.conformance(operations="softmax").to_dict()


def test_markdown_and_output(invoke: Invoke, here: Path) -> None:
    finished = invoke("conformance", "--op", "logsumexp", "--format", "markdown", "-o", here / "out.md")
    assert (finished.status, finished.out, finished.err) == (0, "", "")
    lines = (here / "out.md").read_text().splitlines()
    assert lines[0] == "**special values, float32: naive, shifted**"
    assert "| case | limit | naive | shifted |" in lines
    assert "| one +inf | inf | same | nan |" in lines
    assert "| two +inf | inf | same | nan |" in lines
    assert "| subnormal logit | 1.4e-45 | 0 | same |" in lines


def test_a_function_of_ones_own(invoke: Invoke, own: Path) -> None:
    """It is asked for softmax; what it prints is not mixed with the table, and what it refuses is an answer."""
    finished = invoke("conformance", "--impl", "own.py:softmax", "--formulation", "shifted")
    assert finished.status == 0
    assert "own words" not in finished.out
    assert "own words" in finished.err
    assert "log_softmax" not in finished.out
    text = " ".join(finished.out.split())
    assert "nan undefined same error" in text
    assert "- softmax, float32: error (nan): own.py:softmax failed: ValueError: no nan here" in text
    finished = invoke("conformance", "--impl", "own.py:loss", "--op", "cross_entropy", "--formulation", "lse")
    assert finished.status == 0
    said = "cross_entropy, float32, own.py:loss: returned float64; its results were rounded to float32"
    assert said in " ".join(finished.out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--impl", "own.py:broken"], "own.py:broken failed: ZeroDivisionError: division by zero"),
        (["--impl", "own.py:scalar"], "own.py:scalar returned an array of shape (), not (1, 1)"),
        (["--impl", "own.py:sofmax"], "unknown function in own.py 'sofmax'; did you mean softmax?"),
        (["--impl", "own.py:softmax", "--op", "all"], "own.py:softmax is of one operation"),
        (["--impl", "own.py:softmax", "--impl", "own.py:softmax"], "two functions of one name"),
        (["--impl", "scippy"], "unknown implementation 'scippy'; did you mean scipy?"),
        (["--impl", ""], "unknown implementation ''"),
        (["--op", "sotfmax"], "unknown operation 'sotfmax'; did you mean softmax"),
        (["--dtype", "float31"], "unknown dtype 'float31'"),
        (["--formulation", "shfted"], "unknown formulation of these operations 'shfted'"),
        (["--op", "logsumexp", "--formulation", "lse"], "unknown formulation of logsumexp 'lse'"),
        (["--format", "csv"], "unknown format 'csv'; known: table, markdown, json"),
        (["--json", "--format", "markdown"], "--json and --format markdown are two answers to one question"),
        (["-o", "nowhere/out"], "nowhere/out: cannot be written"),
        (["--op", "softmax,,"], "Invalid value for '--op': an empty name"),
    ],
)
def test_misuse(invoke: Invoke, own: Path, arguments: list[str], says: str) -> None:
    finished = invoke("conformance", *arguments)
    assert (finished.status, finished.out) == (2, "")
    assert f"overflowscope: error: {says}" in finished.err


def test_an_absent_library(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "scipy", None)
    finished = invoke("conformance", "--impl", "scipy")
    assert finished.status == 2
    assert "scipy is not installed; pip install scipy, or overflowscope[scipy]" in finished.err


def test_a_program_has_a_timeout(invoke: Invoke) -> None:
    finished = invoke("conformance", "--impl", "command:sleep 60", "--timeout", "0.05", "--op", "softmax")
    assert finished.status == 2
    assert "command:sleep 60: did not answer within 0.05 s" in finished.err
