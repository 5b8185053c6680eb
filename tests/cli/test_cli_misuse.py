"""Options that cannot be used: one line, exit status 2, nothing on standard output, and no work done."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import overflowscope.studies.compare

Refused = Callable[..., str]
NOT_NUMBERS = ["nan", "inf", "-inf", "1_0", "0x10", "", " ", "1e", "1.2.3", "ten", "\u0661", "1,5;2", "--"]


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison may begin."""

    def work(*arguments: object) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr(overflowscope.studies.compare, "run", work)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "float17"], "unknown dtype 'float17'; did you mean float16 or bfloat16?"),
        (["--dtype", "float16,foat32"], "unknown dtype 'foat32'; did you mean float32"),
        (["--dtype", "float8"], "unknown dtype 'float8'; did you mean float8_e5m2 or float8_e4m3fn?"),
        (["--op", "log"], "unknown operation 'log'; did you mean log_softmax or logsumexp?"),
        (["--op", "sofmax"], "unknown operation 'sofmax'; did you mean softmax or log_softmax?"),
        (["--format", "jsn"], "unknown format 'jsn'; did you mean json?"),
        (["--dist", "norml"], "unknown distribution 'norml'; did you mean normal or lognormal?"),
        (["--compute", "float23"], "unknown dtype 'float23'; did you mean float32"),
        (["--formulation", "shiftd"], "unknown formulation of these operations 'shiftd'; did you mean shifted"),
        (
            ["--op", "softmax", "--formulation", "nave"],
            "unknown formulation of softmax 'nave'; did you mean naive or",
        ),
        (["--op", "logsumexp", "--formulation", "lse"], "unknown formulation of logsumexp 'lse'; known: "),
        (["--op", "softmax,logsumexp", "--formulation", "lse"], "unknown formulation of logsumexp 'lse'; known: naive"),
        (["--dtyp", "float16"], "No such option '--dtyp'. (Did you mean"),
        (["--frobnicate"], "No such option '--frobnicate'"),
        (["--scale"], "Option '--scale' requires an argument."),
        (["--color", "red"], "Invalid value for '--color': 'red'"),
        (["one.npy", "two.npy"], "Got unexpected extra argument (two.npy)"),
    ],
)
def test_names_that_do_not_exist(refused: Refused, idle: None, arguments: list[str], message: str) -> None:
    assert refused("compare", *arguments).startswith(message)


def test_names_that_resemble_nothing_list_what_there_is(refused: Refused, idle: None) -> None:
    assert refused("compare", "--dtype", "qqq").endswith(
        "known: float16, float32, float64, bfloat16, float8_e5m2, float8_e4m3fn"
    )
    assert refused("compare", "--op", "qqq").endswith("known: cross_entropy, log_softmax, logsumexp, softmax")
    assert refused("compare", "--dist", "qqq").endswith("known: normal, uniform, laplace, cauchy, lognormal, ordinal")
    assert refused("compare", "--format", "qqq").endswith("known: csv, json, markdown, table")


def test_commands_that_do_not_exist(refused: Refused) -> None:
    assert refused("compar").startswith("unknown command 'compar'; did you mean compare")
    known = "check, compare, conformance, exact, list, replay, schema, trace"
    assert refused("qqq") == f"unknown command 'qqq'; known: {known}"
    assert refused("_output").startswith("unknown command '_output'")
    assert refused("schema", "compre") == "unknown document 'compre'; did you mean compare?"
    assert refused("list", "more").startswith("Got unexpected extra argument")
    assert refused("--vers").startswith("No such option '--vers'")


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize(
    "option", ["--scale", "--shift", "--rows", "--classes", "--seed", "--ignore-index", "--max-rows"]
)
def test_values_that_are_no_numbers(refused: Refused, idle: None, option: str, value: str) -> None:
    message = refused("compare", option, value)
    assert message.startswith(f"Invalid value for '{option}': ")
    assert " is no " in message


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--scale", "1e400", "1e400 is beyond float64"),
        ("--scale", "1,1e400", "1e400 is beyond float64"),
        ("--scale", "1,,2", "is no decimal number"),
        ("--scale", "1,", "is no decimal number"),
        ("--scale", "-1", "-1 is below 0"),
        ("--scale", "1,-1e-300", "-1e-300 is below 0"),
        ("--shift", "-1e400", "-1e400 is beyond float64"),
        ("--shift", "1,2", "is no decimal number"),
        ("--rows", "0", "0 is not between 1 and"),
        ("--rows", "-3", "-3 is not between 1 and"),
        ("--rows", "1.5", "is no whole number"),
        ("--rows", "1e3", "is no whole number"),
        ("--rows", "9" * 30, "is not between 1 and"),
        ("--classes", "0", "0 is not between 1 and"),
        ("--classes", "2147483649", "is not between 1 and 2147483648"),
        ("--seed", "-1", "-1 is not between 0 and 18446744073709551615"),
        ("--seed", "18446744073709551616", "is not between 0 and"),
        ("--max-rows", "0", "0 is not between 1 and"),
        ("--dtype", "", "an empty name"),
        ("--dtype", "float16,", "an empty name"),
        ("--dtype", "float16,,float32", "an empty name"),
        ("--op", "", "an empty name"),
        ("--formulation", " ", "an empty name"),
    ],
)
def test_values_out_of_range(refused: Refused, idle: None, option: str, value: str, says: str) -> None:
    message = refused("compare", option, value)
    assert message.startswith(f"Invalid value for '{option}': ")
    assert says in message


@pytest.mark.parametrize(
    "option", ["--compute", "--dist", "--format", "--color", "--output", "--labels", "--key", "--impl"]
)
def test_empty_values(refused: Refused, idle: None, here: Path, option: str) -> None:
    """An empty name is never taken for one not given."""
    refused("compare", option, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["logits.npy", "--rows", "2"], "--rows is of random logits, and logits.npy was given; --max-rows takes"),
        (["logits.npy", "--classes", "2"], "--classes is of random logits, and logits.npy was given"),
        (["logits.npy", "--dist", "normal"], "--dist is of random logits, and logits.npy was given"),
        (["--key", "a"], "--key goes with an input file, and none was given"),
        (["--max-rows", "2"], "--max-rows goes with an input file, and none was given"),
        (["--rows", "1000001", "--classes", "1000000"], "1,000,001,000,000 logits are more than 1,000,000,000,000"),
        (["logits.npy", "--key", "a"], "logits.npy: there is no array 'a'"),
        (["--impl", "own.py:f", "--op", "softmax,logsumexp"], "own.py:f is of one operation, and several were named"),
        (["--impl", "own.py:f", "--op", "softmax", "--op", "logsumexp"], "own.py:f is of one operation"),
    ],
)
def test_options_that_exclude_each_other(
    here: Path, logits: Path, refused: Refused, idle: None, arguments: list[str], says: str
) -> None:
    (here / "own.py").write_text("def f(x): return x")
    assert refused("compare", *arguments).startswith(says)


def test_keys_that_do_not_exist(here: Path, refused: Refused) -> None:
    (here / "in.json").write_text('{"scores": [[1, 2]]}')
    assert refused("compare", "in.json", "--key", "score") == (
        "in.json: the object has no key 'score'; its keys: 'scores'"
    )


@pytest.mark.parametrize("option", ["--dtype", "--compute"])
@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_a_format_whose_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Any], refused: Refused, idle: None, option: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    message = refused("compare", option, name)
    assert message.startswith(f"{name} needs the package ml_dtypes; pip install ml_dtypes")
    line = next(line for line in invoke("list").out.splitlines() if line.startswith(name))
    assert "pip install ml_dtypes" in line


def test_the_builtin_formats_need_no_package(monkeypatch: pytest.MonkeyPatch, found: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    document = found("--rows", "2", "--op", "softmax")
    assert [r["dtype"] for r in document["results"][::3]] == ["float16", "float32", "float64"]
    assert document["environment"]["ml_dtypes"] is None


def test_outputs_that_cannot_be_written_are_found_before_the_work(
    here: Path, logits: Path, refused: Refused, idle: None
) -> None:
    (here / "folder").mkdir()
    before = sorted(os.listdir(here))
    assert refused("compare", "-o", "none/out.json") == "none/out.json: cannot be written: No such file or directory"
    assert refused("compare", "-o", "folder") == "folder: cannot be written: Is a directory"
    assert "cannot be written" in refused("compare", "-o", "logits.npy/out.json")
    assert sorted(os.listdir(here)) == before


def test_an_output_of_an_impossible_name_is_found_before_the_work(here: Path, refused: Refused, idle: None) -> None:
    assert "cannot be written" in refused("compare", "-o", "x" * 300)
    assert not os.listdir(here)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="for this user every file is writable")
def test_unwritable_outputs_are_found_before_the_work(here: Path, refused: Refused, idle: None) -> None:
    folder, file = here / "folder", here / "file.json"
    folder.mkdir(mode=0o555)
    file.write_text("old")
    file.chmod(0o444)
    assert refused("compare", "-o", "folder/out.json") == "folder/out.json: cannot be written: Permission denied"
    assert refused("compare", "-o", "file.json") == "file.json: cannot be written: Permission denied"
    assert file.read_text() == "old"


def test_a_wrong_format_leaves_the_output_alone(here: Path, refused: Refused, idle: None) -> None:
    (here / "out.json").write_text("old")
    for wrong in (["--format", "xml"], ["--op", "sofmax"], ["none.npy"], ["--scale", "x"], ["--impl", "none.py:f"]):
        refused("compare", "-o", "out.json", *wrong)
    assert (here / "out.json").read_text() == "old"
    assert os.listdir(here) == ["out.json"]


def test_debug_shows_the_traceback_and_the_error(here: Path, invoke: Callable[..., Any]) -> None:
    for arguments in (["none.npy"], ["--op", "sofmax"], ["--rows", "x"]):
        plain = invoke("compare", *arguments)
        debugged = invoke("compare", *arguments, "--debug")
        assert "Traceback" not in plain.err
        assert (debugged.status, debugged.out) == (2, "")
        assert debugged.err.startswith("Traceback (most recent call last):\n")
        assert debugged.err.endswith("\n" + plain.err)
