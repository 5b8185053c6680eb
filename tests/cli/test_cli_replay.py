"""``overflowscope replay``: the table, JSON and Markdown, every option, and what is refused."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import overflowscope
import overflowscope.studies.replay
from overflowscope import schema
from overflowscope.catalogue import operations

Invoke = Callable[..., Any]
QUICK = ("--steps=3", "--batch=64")
RUN = ["sigma", "loss", "dtype", "engine", "data", "first_nonfinite", "accuracy", "steps"]
STEP = ["loss", "largest_logit", "rows_hit", "nonfinite"]


@pytest.fixture
def answer(invoke: Invoke) -> Callable[..., Any]:
    """``answer(*arguments)`` is the JSON document, which is valid."""

    def run(*arguments: object) -> Any:
        finished = invoke("replay", "--json", *arguments)
        assert (finished.status, finished.err) == (0, "")
        document = finished.document
        jsonschema = pytest.importorskip("jsonschema")
        jsonschema.Draft202012Validator(schema.replay()).validate(document)
        return document

    return run


@pytest.fixture
def digits(tmp_path: Path) -> str:
    """An .npz of 100 images of 3 x 5 pixels."""
    draw = np.random.default_rng(0)
    path = tmp_path / "digits.npz"
    np.savez(path, images=draw.integers(0, 256, (100, 3, 5), dtype=np.uint8), labels=draw.integers(0, 10, 100))
    return str(path)


def test_the_story_fits_a_screen(invoke: Invoke) -> None:
    finished = invoke("replay")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert lines[0] == "synthetic images, seed 0: 4,000 to train on, 1,000 held out, mean square 0.1112"
    assert lines[1] == "784-256-10, SGD, learning rate 0.1, batches of 256, 16 steps (1 epoch), float32"
    assert lines[3] == "mean loss and largest |logit| of the batch, by step"
    assert lines[4].split() == ["sigma", "1", "sigma", "1", "sigma", "0.01", "sigma", "0.01"]
    assert lines[5].split() == ["naive", "lse", "naive", "lse"]
    assert lines[6].split() == ["step", *["loss", "|logit|"] * 4]
    steps = [line.split() for line in lines[7:13]]
    assert [s[0] for s in steps] == ["0", "1", "2", "4", "8", "15"]
    assert steps[0][1] == steps[1][1] == steps[1][2] == "nan"
    assert [len(s) for s in steps] == [9, 9, 7, 7, 7, 7]
    assert lines[14] == "inf or nan after each step, of 200,704 in W1, 256 in b1, 2,560 in W2, 10 in b2"
    assert lines[15].split() == ["sigma", "loss", "step", "rows", "hit", "W1", "b1", "W2", "b2", "accuracy"]
    assert re.fullmatch(r"1      naive     0   \d+/256  200,704  256  2,560  10         -", lines[16])
    assert lines[17].split() == ["1", "256/256", "200,704", "256", "2,560", "10"]
    for line, about in zip(lines[18:21], (["1", "lse"], ["0.01", "naive"], ["0.01", "lse"]), strict=True):
        assert line.split()[:-1] == [*about, "0-15", "0/256", "0", "0", "0", "0"]
        assert 15 < float(line.split()[-1].removesuffix("%")) < 95
    said = " ".join(" ".join(lines[22:]).split()).split("- sigma ")
    assert said[1].startswith(
        "1, naive, float32: the first inf is born at step 0 (epoch 0, batch 0), forward, in exp: it is exp("
    )
    assert (
        said[1]
        .strip()
        .endswith(
            "and exp overflows float32 above 88.7228; from there it is inf in sum, then nan in probabilities, losses, "
            "dlogits, dH, dW2, dW1; its update leaves nan in W1, b1, W2 and b2, and all logits of the next batch are "
            "nan; what stops it: lse or sigma 0.01"
        )
    )
    for text, about in zip(said[2:], ("1, lse", "0.01, naive", "0.01, lse"), strict=True):
        assert text.startswith(f"{about}, float32: nothing is inf or nan in 16 steps; the loss goes from ")


@functools.cache
def many() -> Any:
    """24 trainings."""
    return overflowscope.replay(loss="all", dtype=["float32", "float64"], sigma=[0.01, 1], steps=3, batch=16)


@pytest.mark.parametrize("columns", ["40", "80", "120", "300"])
def test_trainings_stand_beside_one_another_so_far_as_they_fit(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    from overflowscope.report import Look
    from overflowscope.report._replay import table

    found = many()
    lines = table(found, Look(int(columns))).splitlines()
    heads = [
        line.split()
        for line in lines
        if line.startswith("        ") and re.search("naive|lse|shifted|log1p|clipped", line)
    ]
    assert [name for line in heads for name in line] == [r.loss for r in found.runs]
    assert max(len(line) for line in lines if "  |logit|" in line) <= int(columns)
    assert len(heads[0]) == max(len(line) for line in heads)
    assert len(heads[0]) >= (int(columns) - 6) // 22
    formats = [line.split() for line in lines if re.match(r" +float(32|64)", line)]
    assert [name for line in formats for name in line] == [r.dtype for r in found.runs]
    # Cells stand under their heads: every line of a block ends in a column's last character.
    start = next(i for i, line in enumerate(lines) if "  |logit|" in line)
    ends = {m.end() for m in re.finditer(r"loss|\|logit\|", lines[start])}
    for line in lines[start + 1 : start + 4]:
        assert {m.end() for m in re.finditer(r"\S+", line[4:])} <= {e - 4 for e in ends}


@pytest.mark.parametrize("options", [(), ("--dtype=float16",), (f"--seed={2**64 - 1}", "--steps=1")])
def test_a_narrow_terminal_breaks_no_line(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = invoke("replay", *QUICK, "--sigma=1", *options).out.splitlines()
    assert max(map(len, lines)) <= 60
    assert " 1 steps" not in " ".join(lines)


def test_json_is_the_library_s_answer(answer: Callable[..., Any]) -> None:
    document = answer(*QUICK, "--loss=all", "--sigma=1,0.5")
    same = overflowscope.replay(loss="all", sigma=[1, 0.5], steps=3, batch=64).to_dict()
    assert {**document, "environment": None} == {**same, "environment": None}
    assert document["schema"] == "overflowscope.replay/1"
    assert document["version"] == document["environment"]["overflowscope"] == overflowscope.__version__
    assert [(r["sigma"], r["loss"]) for r in document["runs"]] == [
        (s, f) for s in (1.0, 0.5) for f in operations()["cross_entropy"].formulations
    ]
    for run in document["runs"]:
        assert set(RUN) <= run.keys()
        assert (run["engine"], run["data"], run["dtype"]) == ("numpy", "synthetic", "float32")
        for step in run["steps"]:
            assert set(STEP) <= step.keys()
            assert step["nonfinite"].keys() == step["nan"].keys() == {"W1", "b1", "W2", "b2"}
    first = document["runs"][0]["first_nonfinite"]
    assert (first["step"], first["batch"], first["tensor"], first["operation"]) == (0, 0, "exp", "exp")
    assert first["value"] == "inf"
    assert document["runs"][0]["steps"][0]["loss"] == "nan"
    assert document["runs"][2]["first_nonfinite"] is None


def test_the_schema_refuses_what_is_no_answer(answer: Callable[..., Any], invoke: Invoke) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema.replay())
    document = answer(*QUICK)
    for path, wrong in (
        (("schema",), "overflowscope.replay/2"),
        (("runs",), {}),
        (("runs", 0, "first_nonfinite", "step"), None),
        (("runs", 0, "first_nonfinite", "tensor"), 1),
        (("runs", 0, "steps", 0, "loss"), "NaN"),
        (("runs", 0, "steps", 0, "nonfinite", "W1"), 0.5),
        (("runs", 1, "accuracy"), "high"),
        (("input", "sizes"), 784),
    ):
        changed = json.loads(json.dumps(document))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = wrong
        assert not validator.is_valid(changed), path
    assert json.loads(invoke("schema", "replay").out) == schema.replay()


def test_markdown_has_the_same_numbers(invoke: Invoke) -> None:
    text, table = (
        invoke("replay", *QUICK, "--loss=naive,shifted_lse", *form).out for form in (["--format=markdown"], [])
    )
    assert text.startswith("**synthetic images, seed 0: 4,000 to train on")
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows[:4]}) == 1
    numbers = [cell.strip() for row in rows for cell in row if re.fullmatch(r" [\d.,%/]+ ", cell)]
    assert len(numbers) > 30
    assert set(numbers) <= set(table.split())
    assert "shifted\\_lse" in text
    assert text.count("\n- sigma ") == 4


def test_every_option_reaches_the_training(answer: Callable[..., Any], digits: str) -> None:
    document = answer(
        *("--data", digits, "--sigma=0.25", "--loss=lse,log1p", "--dtype=float64", "--lr=0.5", "--batch=16"),
        *("--epochs=2", "--steps=7", "--seed=9", "--max-bytes=1MB"),
    )
    given = document["input"]
    assert (given["data"], given["seed"], given["lr"], given["batch"]) == (digits, 9, 0.5, 16)
    assert (given["images"], given["held_out"], given["sizes"]) == (80, 20, [15, 256, 10])
    assert (given["epochs"], given["steps"]) == (2, 7)
    assert [(r["sigma"], r["loss"], r["dtype"], len(r["steps"])) for r in document["runs"]] == [
        (0.25, "lse", "float64", 7),
        (0.25, "log1p", "float64", 7),
    ]
    base = {"--sigma": "0.25", "--lr": "0.5", "--seed": "9", "--batch": "16"}
    same = ("--data", digits, "--loss=lse", "--dtype=float64", "--steps=3")
    losses = {
        answer(*same, *(f"{k}={v}" for k, v in {**base, **other}.items()))["runs"][0]["steps"][-1]["loss"]
        for other in ({}, {"--sigma": "0.2"}, {"--lr": "0.4"}, {"--seed": "8"}, {"--batch": "15"})
    }
    assert len(losses) == 5


def test_narrow_formats_say_how_they_add(invoke: Invoke, answer: Callable[..., Any]) -> None:
    out = invoke("replay", *QUICK, "--dtype=float16,float32").out
    assert "\nfloat16: matmuls and sums accumulate in float32 and are rounded once\n" in out
    assert "accumulate" not in invoke("replay", *QUICK).out
    runs = answer(*QUICK, "--dtype=float16,float32")["runs"]
    assert {(r["dtype"], r["accumulator"]) for r in runs} == {("float16", "float32"), ("float32", "float32")}


def test_a_file_is_written(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "out.md"
    assert invoke("replay", *QUICK, "--format=markdown", "-o", path).out == ""
    assert path.read_text() == invoke("replay", *QUICK, "--format=markdown").out


def test_misuse(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, digits: str) -> None:
    def work(*arguments: object) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr(overflowscope.studies.replay, "run", work)
    assert "unknown formulation of cross_entropy 'lsee'; did you mean lse" in refused("replay", "--loss", "lsee")
    assert "unknown dtype 'float17'" in refused("replay", "--dtype", "float17")
    assert "unknown format 'csv'; known: table, json, markdown" in refused("replay", "--format", "csv")
    assert "two answers" in refused("replay", "--json", "--format", "markdown")
    assert "'x' is no decimal number" in refused("replay", "--sigma", "1,x")
    assert "-1 is below 0" in refused("replay", "--sigma=-1")
    assert "-0.1 is below 0" in refused("replay", "--lr=-0.1")
    assert "'1e' is no decimal number" in refused("replay", "--lr", "1e")
    for option in ("--batch", "--epochs", "--steps"):
        assert f"0 is not between 1 and {2**63 - 1}" in refused("replay", option, "0")
    assert "is not between 0 and" in refused("replay", "--seed=-1")
    assert "Got unexpected extra argument (mnist5k)" in refused("replay", "mnist5k")
    assert "--max-bytes goes with a file of images, and none was given" in refused("replay", "--max-bytes", "1MB")
    assert refused("replay", "--data", "mnist") == "unknown data 'mnist'; did you mean mnist5k?"
    assert refused("replay", "--data", "") == "unknown data ''; known: synthetic, mnist5k, a file or folder of images"
    assert "there is no such file" in refused("replay", "--data", "no/mnist")
    assert "raise --max-bytes" in refused("replay", "--data", digits, "--max-bytes", "1kB")


def test_misuse_that_the_images_show(refused: Callable[..., str], digits: str) -> None:
    assert "batches of 256 out of 80 images" in refused("replay", "--data", digits)
    assert "sigma 1e+09 draws weights beyond 65504" in refused("replay", "--sigma=1e9", "--dtype=float16", *QUICK)
    assert "1,000,000,000 steps: from 1 to 1,000,000 can be taken" in refused("replay", "--steps=1000000000")
