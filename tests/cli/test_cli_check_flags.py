"""``overflowscope check`` by flags, its limits, what it refuses, and the forms of its answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope.cli import check
from overflowscope.studies.check.judge import LIMITS

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

Invoke = Callable[..., Any]
Refused = Callable[..., str]


def test_the_options_are_the_limits_there_are() -> None:
    assert list(check.LIMITS) == list(LIMITS)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--formulation", "shifted", "--dtype", "float16", "--scale", "20", "--max-ulp", "4"], 0),
        (["--formulation", "shifted", "--dtype", "float16", "--scale", "20", "--max-ulp", "3.9"], 1),
        (["--formulation", "naive", "--dtype", "float16", "--scale", "20", "--max-overflow", "0"], 1),
        (["--formulation", "naive", "--dtype", "float16", "--scale", "20", "--max-nan", "9999"], 0),
        (["--formulation", "shifted", "--max-underflow", "0"], 0),
        (["--formulation", "shifted", "--row-sum-within", "0.001"], 0),
        (["--formulation", "shifted", "--row-sum-within", "0"], 1),
        (["--formulation", "shifted", "--max-kl", "1e-6", "--argmax-flips", "0"], 0),
        (["--formulation", "lse", "--op", "cross-entropy", "--quantity", "gradient", "--max-nan", "0"], 0),
        (["--impl", "scipy", "--op", "logsumexp", "--dtype", "float64", "--max-ulp", "9"], 0),
        (["--formulation", "shifted", "--arithmetic", "strict", "--accumulator", "float64", "--max-ulp", "9"], 0),
    ],
)
def test_flags_make_a_case(here: Path, invoke: Invoke, arguments: list[str], status: int) -> None:
    if "scipy" in arguments:
        pytest.importorskip("scipy")
    done = invoke("check", *arguments, "--json")
    assert done.status == status, done.err
    assert done.document["config"] is None
    assert done.document["baseline"] is None
    assert done.document["checks"][0]["result"] == ("finding" if status else "ok")


def test_the_seconds_of_the_command_line_come_first(here: Path, invoke: Invoke) -> None:
    (here / "slow.py").write_text("import time\ndef f(x):\n    time.sleep(60)\n")
    text = '[[cases]]\nname = "a"\nimplementation = "f"\nmax_ulp = 1\ntimeout = 50\n'
    (here / "overflowscope.toml").write_text(text)
    done = invoke("check", "--impl", "f=slow.py:f", "--timeout", "0.25", "--json")
    assert done.status == 2
    assert done.document["checks"][0]["error"] == "it was stopped after 0.25 seconds (--timeout)"


def test_flags_share_a_baseline(here: Path, invoke: Invoke, refused: Refused) -> None:
    one, two = (["--formulation", name, "--dtype", "float32"] for name in ("shifted", "naive"))
    assert "no limit" in refused("check", *one)
    assert invoke("check", *one, "--update").status == 0
    assert invoke("check", *one).status == 0
    # It would be held against nothing.
    assert "no limit, and nothing of it is in overflowscope-baseline.json; " in refused("check", *two)
    assert "has no limit, and nothing" in refused("check", *one, "--scale", "2")
    done = invoke("check", *one, "--scale", "2,1", "--json")
    assert (done.status, [c["result"] for c in done.document["checks"]]) == (0, ["new", "ok"])
    done = invoke("check", *two, "--json", "--max-ulp", "1e9")
    assert (done.status, done.document["checks"][0]["result"]) == (0, "new")
    assert invoke("check", *two, "--update").status == 0
    records = json.loads((here / "overflowscope-baseline.json").read_text())["records"]
    assert [r["case"] for r in records] == ["softmax naive", "softmax shifted"]
    assert invoke("check", *one).status == 0
    path = here / "overflowscope-baseline.json"
    path.write_text(re.sub(r'"numpy": "[^"]+"', '"numpy": "1.0"', path.read_text()))
    assert "made on another platform (numpy)" in refused("check", *one, "--update")


def test_a_case_that_measures_nothing_fails(here: Path, invoke: Invoke) -> None:
    (here / "x.json").write_text("[[NaN, 1], [NaN, 2]]")
    done = invoke("check", "--formulation", "shifted", "--input", "x.json", "--max-ulp", "9", "--json")
    assert done.status == 1
    assert [f["what"] for f in done.document["checks"][0]["findings"]] == ["empty"]
    assert "no defined truth" in done.document["checks"][0]["findings"][0]["reason"]


def test_what_a_library_does_not_have_could_not_run(here: Path, invoke: Invoke) -> None:
    pytest.importorskip("scipy")
    done = invoke(
        "check", "--impl", "scipy", "--quantity", "gradient", "--dtype", "float64", "--max-ulp", "9", "--json"
    )
    (checked,) = done.document["checks"]
    assert (done.status, checked["result"], checked["dtype"], checked["scale"]) == (2, "error", "float64", 1.0)
    assert "no gradients" in checked["error"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "there is no overflowscope.toml, and no [tool.overflowscope] in pyproject.toml, here; name one"),
        (["none.toml"], "none.toml: there is no such file"),
        (["logits.npy", "--max-ulp", "4"], "logits.npy is taken for a configuration; logits are named by --input"),
        (["c.toml", "--max-ulp", "4"], "--max-ulp makes a case of its own, and c.toml has others; say it in the"),
        (["c.toml", "--impl", "a.py:f"], "--impl a.py:f makes a case of its own, and c.toml has others; write --impl"),
        (["--max-ulp", "4"], "--max-ulp makes a case, of nothing; add --impl NAME or --formulation NAME"),
        (["--dtype", "float16"], "--dtype makes a case, of nothing"),
        (["--formulation", "shifted"], "'softmax shifted' has no limit, and there is no baseline overflowscope-b"),
        (["--formulation", "shifd", "--max-ulp", "4"], "unknown formulation of softmax 'shifd'; did you mean shifted"),
        (["--op", "softmx", "--impl", "a.py:f", "--max-ulp", "4"], "unknown operation 'softmx'; did you mean softmax"),
        (["--impl", "scpy", "--max-ulp", "4"], "unknown implementation 'scpy'; did you mean scipy"),
        (["--impl", "a.py:f", "--impl", "b.py:f", "--max-ulp", "4"], "several implementations were given"),
        (["--impl", "a.py:f", "--formulation", "lse", "--max-ulp", "4"], "both a formulation and an implementation"),
        (["--impl", "k=a.py:f", "--impl", "k=b.py:f"], "--impl k=... was given twice"),
        (["--impl", "scipy=a.py:f"], "scipy is a library's name; call it something else"),
        (["--impl", "numpy=a.py:f"], "numpy is a library's name; call it something else"),
        (["--formulation", "lse", "--max-ulp", "4", "--report", "json=-"], "standard output has a form already"),
        (["--formulation", "lse", "--max-ulp", "-1"], "-1 is below 0"),
        (["--formulation", "lse", "--max-ulp", "nan"], "'nan' is no decimal number"),
        (["--formulation", "lse", "--max-nan", "1.5"], "'1.5' is no whole number"),
        (["--formulation", "lse", "--op", "cross_entropy", "--max-kl", "1"], "max_kl is of probabilities, which cross"),
        (["--formulation", "lse", "--max-ulp", "4", "--timeout", "0"], "--timeout is not above 0 seconds"),
        (["--formulation", "lse", "--max-ulp", "4", "--input", "-"], "standard input can be read only once"),
        (["--formulation", "lse", "--max-ulp", "4", "--key", "a"], "key goes with an input file"),
        (["--formulation", "lse", "--max-ulp", "4", "--format", "xml"], "unknown format 'xml'"),
        (["--formulation", "lse", "--max-ulp", "4", "--report", "junit"], "--report junit names no file; write FORM="),
        (["--formulation", "lse", "--max-ulp", "4", "--report", "junt=a"], "unknown format 'junt'; did you mean junit"),
        (
            ["--formulation", "lse", "--max-ulp", "4", "--report", "json=a", "--report", "junit=./a"],
            "./a: is written al",
        ),
        (["--formulation", "lse", "--max-ulp", "4", "--report", "json=a", "-o", "a"], "a: is written already"),
        (["--formulation", "lse", "--update", "-o", "overflowscope-baseline.json"], "is read already"),
        (["--formulation", "lse", "--update", "--baseline", "no/b.json"], "no/b.json: cannot be written: No such file"),
        (["--formulation", "lse", "--max-ulp", "4", "--baseline", ""], "--baseline names no file"),
        (["--formulation", "lse", "--max-ulp", "4", "--report", "json=no/a"], "no/a: cannot be written: No such file"),
    ],
)
def test_misuse(here: Path, refused: Refused, arguments: list[str], says: str) -> None:
    assert says in refused("check", *arguments)
    assert not list(here.iterdir())


@pytest.mark.parametrize("written", [["--output", "x.npy"], ["--report", "json=./y.npy"], ["-o", "link"]])
def test_what_is_read_is_not_written_over(here: Path, refused: Refused, written: list[str]) -> None:
    np.save(here / "x.npy", [[0.0, 1], [1, 2]])
    np.save(here / "y.npy", [0, 1])
    (here / "link").symlink_to("y.npy")
    files = {file.name: file.read_bytes() for file in here.iterdir()}
    case = ["--op", "cross_entropy", "--formulation", "lse", "--input", "x.npy", "--labels", "y.npy", "--max-ulp", "9"]
    assert "is read already; name another file" in refused("check", *case, *written)
    assert {file.name: file.read_bytes() for file in here.iterdir()} == files


def test_a_configuration_is_found_and_named_in_errors(here: Path, invoke: Invoke, refused: Refused) -> None:
    (here / "pyproject.toml").write_text(
        '[tool.overflowscope]\n[[tool.overflowscope.cases]]\nname = "a"\nformulation = "lse"\nmax_ulp = 1e9\n'
    )
    done = invoke("check", "--json")
    assert (done.status, done.document["config"]) == (0, "pyproject.toml")
    (here / "overflowscope.toml").write_text("")
    assert "are both here; join them, or name one" in refused("check")
    assert invoke("check", "pyproject.toml").status == 0
    assert refused("check", "overflowscope.toml").startswith("overflowscope.toml: there are no cases; ")
    (here / "overflowscope.toml").write_text('[[cases]]\nname = "a"\nformulation = "lse"\n')
    assert refused("check", "overflowscope.toml").startswith("overflowscope.toml: 'a' has no limit, and there is no ")


# Forms


def test_several_forms_at_once(here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    (here / "summary.md").write_text("before\n")
    case = ["check", "--formulation", "naive", "--dtype", "float16", "--scale", "20", "--max-ulp", "4"]
    reports = [f"--report={form}=out.{form}" for form in ("json", "junit", "markdown", "github", "table")]
    done = invoke(*case, *reports)
    assert done.status == 1
    assert (here / "out.table").read_text().replace("─", "") == done.out.replace("─", "")
    assert json.loads((here / "out.json").read_text())["status"] == 1
    assert "<failure" in (here / "out.junit").read_text()
    assert (here / "out.github").read_text().startswith("::error ")
    assert (here / "summary.md").read_text() == "before\n" + (here / "out.markdown").read_text()
    assert invoke(*case, "--format", "markdown", "-o", "x.md").out == ""
    assert (here / "x.md").read_text() == (here / "out.markdown").read_text()
    assert (here / "summary.md").read_text().count("before") == 1


def test_row_alone(here: Path, invoke: Invoke, refused: Refused) -> None:
    np.save(here / "x.npy", np.arange(24.0).reshape(2, 3, 4) ** 2)
    np.save(here / "y.npy", [3, 2, 1, 0, 3, 2])
    for case in (["x.npy", "--labels", "y.npy"], ["--rows", "6"], ["--rows", "6", "--dist", "ordinal"]):
        for row in (0, 4):
            whole, alone = (
                invoke("compare", *case, "--op", "cross_entropy", "--dtype", "float32", "--json", *more).document
                for more in ([], ["--row", row])
            )
            assert (alone["input"]["rows"], alone["input"]["leading"]) == (1, [1])
            assert alone["input"]["sha256"] == whole["input"]["sha256"]
    assert refused("compare", "x.npy", "--row", "6") == "x.npy: there is no row 6; rows run from 0 to 5"
    assert "rows run from 0 to 2" in refused("compare", "x.npy", "--max-rows", "3", "--row", "3")
    assert "-1 is not between 0" in refused("compare", "--row", "-1")
    exact = invoke("compare", "x.npy", "--labels", "y.npy", "--op", "cross_entropy", "--row", 4, "--json").document
    # Row 4 is 256, 289, 324, 361, and its label 3: the loss is log(1 + exp(-37) + ...).
    assert float(exact["results"][-1]["worst"]["exact"]) == pytest.approx(np.exp(-37.0), rel=1e-9)
