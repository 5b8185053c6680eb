"""``overflowscope check``: a gate that goes red for the right reason, and at no time by accident green."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope import schema

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

Invoke = Callable[..., Any]
Refused = Callable[..., str]

RIGHT = """\
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p


def cross_entropy(x, labels):
    rows, m = np.arange(len(x)), x.argmax(axis=-1)
    e = np.exp(x - x[rows, m][:, None])
    e[rows, m] = 0
    total = e.sum(axis=-1)
    return np.log1p(total) + (x[rows, m] - x[rows, labels])
"""
MUTANTS = {
    "shift removed": ("x - x.max(axis=-1, keepdims=True)", "x", "softmax", {"nan", "max_ulp"}),
    "sum in float16": ("e.sum(axis=-1, keepdims", "e.sum(axis=-1, dtype=np.float16, keepdims", "softmax", {"max_ulp"}),
    "eps": ("e.sum(axis=-1, keepdims=True)", "(e.sum(axis=-1, keepdims=True) + 1e-8)", "softmax", {"max_ulp"}),
    "log1p(sum - 1)": ("np.log1p(total)", "np.log1p(1 + total - 1)", "loss", {"max_ulp", "underflow"}),
    "small values to 0": ("return p", "return np.where(p < np.finfo(p.dtype).tiny, 0, p)", "softmax", {"underflow"}),
    "one nan": ("return p", "p[17, 3] = np.nan; return p", "softmax", {"nan", "max_ulp"}),
}
CONFIG = """\
scale = [1, 20, 100]
rows = 64

[[cases]]
name = "softmax"
implementation = "mine"

[[cases]]
name = "loss"
operation = "cross_entropy"
implementation = "theirs"
"""
IMPL = ("--impl", "mine=kernel.py:softmax", "--impl", "theirs=kernel.py:cross_entropy")


def write(here: Path, source: str = RIGHT, text: str = CONFIG) -> None:
    (here / "kernel.py").write_text(source)
    (here / "overflowscope.toml").write_text(text)


@pytest.fixture
def kept(here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a kernel, a configuration and their baseline."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a mutant made within the second has the same time
    write(here)
    done = invoke("check", *IMPL, "--update")
    assert (done.status, done.err) == (0, "")
    assert "  new  " in done.out
    return here


def findings(document: Any) -> dict[str, set[str]]:
    """By case, what was found."""
    found: dict[str, set[str]] = {}
    for checked in document["checks"]:
        found.setdefault(checked["case"], set()).update(f["what"] for f in checked["findings"])
    return found


# Baselines


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_goes_red_with_its_reason(kept: Path, invoke: Invoke, mutant: str) -> None:
    old, new, case, expected = MUTANTS[mutant]
    assert RIGHT.count(old) == 1
    write(kept, RIGHT.replace(old, new))
    done = invoke("check", *IMPL, "--json")
    found = findings(done.document)
    assert done.status == done.document["status"] == 1
    assert expected <= found.pop(case)
    assert found.popitem()[1] == set()
    for checked in done.document["checks"]:
        for finding in checked["findings"]:
            assert re.search(r"\d", finding["reason"])
            assert finding["command"].startswith("overflowscope compare --op ")
    table = invoke("check", *IMPL)
    assert table.status == 1
    assert f"{case}, float" in table.out


def test_the_same_twice_is_the_same_but_for_the_time(kept: Path, invoke: Invoke) -> None:
    first, second = (invoke("check", *IMPL, "--json") for _ in range(2))
    assert (first.status, first.err) == (0, "")
    assert first.document["time"].endswith("Z")
    timeless = [re.sub(r'"time": "[^"]+"', "", done.out) for done in (first, second)]
    assert timeless[0] == timeless[1]
    baseline = (kept / "overflowscope-baseline.json").read_bytes()
    assert invoke("check", *IMPL, "--update").status == 0
    assert (kept / "overflowscope-baseline.json").read_bytes() == baseline
    assert {c["result"] for c in first.document["checks"]} == {"ok"}
    assert all(c["figures"] == c["baseline"] for c in first.document["checks"])


def test_the_document_is_of_its_schema(kept: Path, invoke: Invoke) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema.check())
    write(kept, RIGHT.replace("return p", "return p * np.nan"))
    kind(schema.check()).validate(invoke("check", *IMPL, "--json").document)
    write(kept, "")
    kind(schema.check()).validate(invoke("check", *IMPL, "--json").document)
    assert json.loads(invoke("schema", "check").out) == schema.check()


def test_new_vanished_and_improved(kept: Path, invoke: Invoke) -> None:
    write(kept, text=CONFIG.replace('name = "loss"', 'name = "cost"'))
    done = invoke("check", *IMPL, "--json")
    results = {(c["case"], c["result"]) for c in done.document["checks"]}
    assert results == {("softmax", "ok"), ("cost", "new"), ("loss", "finding")}
    assert findings(done.document) == {"softmax": set(), "cost": set(), "loss": {"vanished"}}
    assert done.status == 1
    assert invoke("check", *IMPL, "--update").status == 0
    assert invoke("check", *IMPL).status == 0

    path = kept / "overflowscope-baseline.json"
    text = path.read_text()
    path.write_text(re.sub(r'"max_ulp": [0-9.e]+', '"max_ulp": 1e9', text))
    done = invoke("check", *IMPL, "--json")
    assert done.status == 0
    assert {c["result"] for c in done.document["checks"]} == {"improved"}
    # Within the factor it is as it was.
    path.write_text(re.sub(r'"max_ulp": ([0-9.e]+)', lambda m: f'"max_ulp": {1.4 * float(m[1])}', text))
    assert {c["result"] for c in invoke("check", *IMPL, "--json").document["checks"]} == {"ok"}
    path.write_text(text.replace('"underflow": ', '"underflow": 1'))
    done = invoke("check", *IMPL, "--json")
    assert {c["result"] for c in done.document["checks"]} == {"improved"}
    assert path.read_text() != text  # only --update writes
    assert invoke("check", *IMPL, "--update").status == 0
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "what", "says"),
    [
        ("rows = 64", "rows = 65", "input", "its logits or labels are not the baseline's"),
        ("rows = 64", "rows = 64\nseed = 1", "input", "its logits or labels are not the baseline's"),
        (
            'name = "softmax"',
            'name = "softmax"\ncompute = "float64"',
            "definition",
            "compute was float16 and is float64",
        ),
        ('name = "softmax"', 'name = "softmax"\nshift = 1', "definition", "shift was 0.0 and is 1.0"),
        ('name = "loss"', 'name = "loss"\nignore_index = 3', "input", "its logits or labels are not the baseline's"),
    ],
)
def test_another_case_under_the_same_name(kept: Path, invoke: Invoke, old: str, new: str, what: str, says: str) -> None:
    write(kept, text=CONFIG.replace(old, new))
    done = invoke("check", *IMPL, "--json")
    assert done.status == 1
    assert {w for found in findings(done.document).values() for w in found} == {what}
    assert any(says in f["reason"] for c in done.document["checks"] for f in c["findings"])
    assert "--update makes the baseline anew" in " ".join(invoke("check", *IMPL).out.split())


def test_files_that_changed_in_place_are_other_input(here: Path, invoke: Invoke) -> None:
    logits = np.arange(24.0).reshape(2, 3, 4)
    case = '[[cases]]\nname = "a"\noperation = "cross_entropy"\nformulation = "lse"\ninput = "x.npy"\n'
    (here / "overflowscope.toml").write_text(case + 'labels = "y.npy"\nmax_rows = 4\ndtype = "float64"\n')

    def saved(logits: Any, labels: Any) -> Any:
        np.save(here / "x.npy", logits)
        np.save(here / "y.npy", labels)
        return invoke("check", "--json")

    np.save(here / "x.npy", logits)
    np.save(here / "y.npy", [[0, 1, 2], [3, 0, 1]])
    done = invoke("check", "--update", "--json")
    assert (done.status, done.document["checks"][0]["rows"]) == (0, 4)
    assert saved(logits, [[0, 1, 2], [3, 0, 1]]).status == 0
    # Only the first four rows are of the case.
    assert saved(np.where(logits < 16, logits, 9.0), [[0, 1, 2], [3, 3, 3]]).status == 0
    for other in ((logits, [[0, 1, 2], [2, 0, 1]]), (logits + 1, [[0, 1, 2], [3, 0, 1]])):
        done = saved(*other)
        assert (done.status, findings(done.document)) == (1, {"a": {"input"}})


def test_another_array_of_the_same_file_is_another_input(here: Path, invoke: Invoke) -> None:
    np.savez(here / "x.npz", a=[[0.0, 1.0]], b=[[1.0, 0.0]])
    case = '[[cases]]\nname = "a"\nformulation = "lse"\ninput = "x.npz"\nkey = "a"\n'
    (here / "overflowscope.toml").write_text(case)
    assert invoke("check", "--update").status == 0
    (here / "overflowscope.toml").write_text(case.replace('key = "a"', 'key = "b"'))
    assert findings(invoke("check", "--json").document) == {"a": {"input"}}


def test_another_platform_has_more_room(kept: Path, invoke: Invoke) -> None:
    path = kept / "overflowscope-baseline.json"
    text = path.read_text()

    def checked(text: str, config: str = CONFIG) -> Any:
        path.write_text(text)
        write(kept, text=config)
        return invoke("check", *IMPL, "--json")

    smaller = re.sub(r'"max_ulp": ([0-9.e]+)', lambda m: f'"max_ulp": {float(m[1]) / 3}', text)
    elsewhere = re.sub(r'"numpy": "[^"]+"', '"numpy": "1.0"', smaller)
    assert checked(smaller).status == 1
    done = checked(elsewhere)
    assert done.status == 0
    assert done.document["baseline"]["differs"] == ["numpy"]
    assert checked(elsewhere, "factor = 1.5\n" + CONFIG).status == 1
    assert checked(smaller, "factor = 4\n" + CONFIG).status == 0
    # A version where a function of one's own has none is no other platform.
    assert '"version": null' in smaller
    assert checked(smaller.replace('"version": null', '"version": "1"')).status == 1
    # Counts have no room anywhere.
    old, new, case, _ = MUTANTS["small values to 0"]
    write(kept, RIGHT.replace(old, new))
    path.write_text(elsewhere)
    done = invoke("check", *IMPL, "--json")
    assert "underflow" in findings(done.document)[case]


def test_another_version_of_a_library_has_more_room(here: Path, invoke: Invoke) -> None:
    pytest.importorskip("scipy")
    case = ["check", "--impl", "scipy", "--dtype", "float32", "--scale", "20"]
    assert invoke(*case, "--update").status == 0
    path = here / "overflowscope-baseline.json"
    text = re.sub(r'"max_ulp": ([0-9.e]+)', lambda m: f'"max_ulp": {float(m[1]) / 3}', path.read_text())
    path.write_text(text)
    assert invoke(*case).status == 1
    path.write_text(re.sub(r'"version": "[^"]+"', '"version": "0.0"', text))
    done = invoke(*case, "--json")
    assert (done.status, done.document["baseline"]["differs"]) == (0, ["scipy"])
    assert done.document["checks"][0]["version"] != "0.0"


def test_nothing_is_written_where_a_case_could_not_run(kept: Path, invoke: Invoke) -> None:
    path = kept / "overflowscope-baseline.json"
    text = path.read_text()
    write(kept, RIGHT.replace("return p", "return p[:1]"))
    done = invoke("check", *IMPL, "--update", "--json")
    assert done.status == 2
    assert done.document["baseline"]["updated"] is False
    assert path.read_text() == text
    assert sorted(p.name for p in kept.iterdir()) == ["kernel.py", "overflowscope-baseline.json", "overflowscope.toml"]
    # What could not run has not vanished.
    assert "vanished" not in invoke("check", *IMPL).out


def test_a_broken_baseline_is_refused(kept: Path, refused: Refused) -> None:
    path = kept / "overflowscope-baseline.json"
    text = path.read_text()
    for broken, says in (
        (text[:-20], "it is no JSON"),
        (text.replace("baseline/1", "baseline/2"), "is newer"),
        (text.replace('"nan": 0', '"nan": "0"', 1), "nan is '0'"),
    ):
        path.write_text(broken)
        for more in ([], ["--update"]):
            message = refused("check", *IMPL, *more)
            assert message.startswith("overflowscope-baseline.json: ")
            assert says in message
            assert path.read_text() == broken


def test_an_empty_baseline_is_as_none(kept: Path, invoke: Invoke, refused: Refused) -> None:
    path = kept / "overflowscope-baseline.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "records": []}))
    message = "overflowscope.toml: 'softmax' has no limit, and nothing of it is in overflowscope-baseline.json; "
    assert refused("check", *IMPL).startswith(message)
    write(kept, text="max_ulp = 1e6\n" + CONFIG)
    assert invoke("check", *IMPL).status == 0
    write(kept)
    assert invoke("check", *IMPL, "--update").status == 0


# Commands


def test_commands_show_the_worst_input_again(kept: Path, invoke: Invoke) -> None:
    write(kept, RIGHT.replace("x - x.max(axis=-1, keepdims=True)", "x").replace("np.log1p(t", "np.log(1 + t"))
    done = invoke("check", *IMPL, "--json")
    commands = {f["command"] for c in done.document["checks"] for f in c["findings"]}
    assert len(commands) >= 4
    for text in commands:
        words = shlex.split(text)
        assert words[0] == "overflowscope"
        assert "--row" in words
        alone = invoke(*words[1:], "--json").document["results"][-1]
        at = words.index("--row")
        whole = invoke(*words[1:at], "--rows", 64, "--json").document["results"][-1]
        assert whole["worst"]["row"] == int(words[at + 1])
        assert alone["worst"]["row"] == 0
        assert [alone["worst"][k] for k in ("got_hex", "exact")] == [whole["worst"][k] for k in ("got_hex", "exact")]


def test_what_depends_on_the_other_rows_is_shown_with_them(here: Path, invoke: Invoke) -> None:
    (here / "my.py").write_text(
        "import numpy as np\ndef f(x):\n    e = np.exp(x - x.max()); return e / e.sum(-1)[:, None]\n"
    )
    done = invoke("check", "--impl", "my.py:f", "--dtype", "float16", "--scale", 20, "--max-ulp", 9, "--json")
    (command,) = {f["command"] for f in done.document["checks"][0]["findings"]}
    assert done.status == 1
    assert "--row" not in command
    assert invoke(*shlex.split(command)[1:]).status == 0


def test_a_command_quotes_and_finds_the_file(here: Path, invoke: Invoke) -> None:
    (here / "my data").mkdir()
    np.savez(here / "my data" / "it's.npz", logits=[[0.0, 1], [1, 200]], other=[1.0])
    case = '[[cases]]\nname = "a"\nformulation = "naive"\ndtype = "float32"\nmax_ulp = 4\nkey = "logits"\n'
    (here / "my data" / "c.toml").write_text(f'{case}input = "it\'s.npz"\n')
    done = invoke("check", "my data/c.toml", "--json")
    (command,) = {f["command"] for f in done.document["checks"][0]["findings"]}
    words = shlex.split(command)
    assert words[2] == "my data/it's.npz"
    assert words[words.index("--row") + 1] == "1"
    assert invoke(*words[1:], "--json").document["results"][0]["incidence"]["wrong_nan"] == 1
