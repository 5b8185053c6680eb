"""``overflowscope check`` beside code that misbehaves: its case is an error in its own words, the others still run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from overflowscope.studies.check import baseline

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are needed")
if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

COMMAND = [sys.executable, "-m", "overflowscope", "check"]
SOURCE = """\
import os, signal, subprocess, sys, time
import numpy as np

def good(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def raises(x):
    raise ValueError("no luck")

def hangs(x):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open("pids", "w") as out:
        out.write(f"{os.getpid()} {child.pid}\\n")
    time.sleep(60)

def exits(x):
    os._exit(7)

def leaves(x):
    raise SystemExit(0)

def crashes(x):
    os.kill(os.getpid(), signal.SIGSEGV)

def shape(x):
    return good(x)[:, :2]

def count(x):
    return good(x)[1:]

def dtype(x):
    return good(x).astype(complex)

def words(x):
    return "0.5"

def none(x):
    good(x)

def meddles(x):
    np.abs = lambda v, *a, **k: np.zeros_like(v)
    os.chdir("/")
    return good(x)

def nans(x):
    p = good(x)
    p[:3, 0] = np.nan
    return p

def talks(x):
    print("TALK")
    os.write(1, b"RAW\\n")
    subprocess.run(["echo", "CHILD"])
    return good(x)
"""
ERRORS = {
    "raises": "raises failed: ValueError: no luck (",
    "hangs": "it was stopped after 0.5 seconds (--timeout)",
    "exits": "its process ended with status 7 before it gave a result",
    "leaves": "leaves failed: SystemExit: 0 (",
    "crashes": "its process died of SIGSEGV",
    "shape": "shape returned an array of shape (256, 2), not (256, 10)",
    "count": "count returned an array of shape (255, 10), not (256, 10)",
    "dtype": "dtype returned ndarray of complex128, not real numbers",
    "words": "words returned str of ",
    "none": "none returned nothing, not real numbers",
    "missing": "unknown function in my.py 'missing'; ",
}


def config(*functions: str, more: str = "") -> str:
    cases = [f'[[cases]]\nname = "{f}"\nimplementation = "{f}"\nmax_ulp = 9\n' for f in functions]
    return f'dtype = "float32"\n{more}\n' + "\n".join(cases)


def bound(*functions: str) -> list[str]:
    return [word for f in functions for word in ("--impl", f"{f}=my.py:{f}")]


def run(here: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=here, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def place(here: Path) -> Path:
    (here / "my.py").write_text(SOURCE)
    return here


def test_every_case_in_its_own_words_and_the_others_still_run(place: Path) -> None:
    functions = [f for error in ERRORS for f in (error, "good")][: 2 * len(ERRORS)]
    names = [f"{f} {i}" for i, f in enumerate(functions)]
    text = "\n".join(
        f'[[cases]]\nname = "{n}"\nimplementation = "{f}"\nmax_ulp = 9\n' + ("timeout = 0.5\n" if f == "hangs" else "")
        for n, f in zip(names, functions, strict=True)
    )
    (place / "overflowscope.toml").write_text('dtype = "float32"\n' + text)
    done = run(place, "--json", *bound("good", *ERRORS))
    document = json.loads(done.stdout)
    assert done.returncode == document["status"] == 2
    assert [c["case"] for c in document["checks"]] == names
    for checked, function in zip(document["checks"], functions, strict=True):
        if function == "good":
            assert (checked["result"], checked["error"]) == ("ok", None)
        else:
            assert checked["result"] == "error"
            assert checked["error"].startswith(ERRORS[function])


def test_what_one_implementation_changes_another_does_not_see(place: Path) -> None:
    ours = '[[cases]]\nname = "ours"\nformulation = "shifted"\nmax_ulp = 9\n'
    (place / "overflowscope.toml").write_text(config("meddles", "good") + ours)
    done = run(place, "--json", *bound("meddles", "good"))
    found = {c["case"]: c for c in json.loads(done.stdout)["checks"]}
    assert list(found) == ["meddles", "good", "ours"]
    assert (done.returncode, [c["error"] for c in found.values()]) == (0, [None] * 3)
    # float32 has no softmax of these without an error: 0 is what np.abs was made to say.
    assert min(found[name]["figures"]["max_ulp"] for name in ("good", "ours")) > 0.5


def test_checks_stand_as_the_cases_do(place: Path) -> None:
    cases = [("b", "good"), ("a", "nans"), ("d", "good"), ("c", "nans")]
    text = "\n".join(f'[[cases]]\nname = "{n}"\nimplementation = "{f}"\nmax_ulp = 9\n' for n, f in cases)
    (place / "overflowscope.toml").write_text('dtype = "float32"\n' + text)
    done = run(place, "--json", *bound("good", "nans"))
    assert [c["case"] for c in json.loads(done.stdout)["checks"]] == ["b", "a", "d", "c"]


def test_nans_are_counted(place: Path) -> None:
    (place / "overflowscope.toml").write_text(config("nans"))
    done = run(place, "--json", *bound("nans"))
    (checked,) = json.loads(done.stdout)["checks"]
    assert done.returncode == 1
    assert checked["figures"]["nan"] == 3
    assert checked["figures"]["row_sum_off"] == "nan"


def test_what_it_prints_is_no_data(place: Path) -> None:
    (place / "overflowscope.toml").write_text(config("talks"))
    done = run(place, "--json", *bound("talks"))
    assert json.loads(done.stdout)["status"] == 0
    assert sorted(done.stderr.split()) == ["CHILD", "RAW", "TALK"]
    done = subprocess.run(
        ["bash", "-c", '"$@" 2>&-', "-", *COMMAND, "--json", *bound("talks")],
        cwd=place,
        stdout=subprocess.PIPE,
        timeout=60,
        text=True,
    )
    assert json.loads(done.stdout)["status"] == 0


def test_without_docstrings_and_assertions(place: Path) -> None:
    command = [sys.executable, "-OO", *COMMAND[1:], "--formulation", "lse", "--max-ulp", "9", "--json"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["checks"]) == 3


def test_the_first_process_does_not_import_what_it_measures(place: Path) -> None:
    (place / "overflowscope.toml").write_text(config("good") + '[[cases]]\nname = "s"\nimplementation = "scipy"\n')
    code = (
        "import sys\nfrom overflowscope.cli import run\n"
        f"try:\n    run(['check', '--json', '--update', *{bound('good')!r}])\n"
        "except SystemExit:\n    print('my' in sys.modules, 'scipy' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["status"] in (0, 2)
    assert done.stderr == "False False\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_an_interrupt_leaves_no_process_and_no_file(place: Path, name: str) -> None:
    (place / "overflowscope.toml").write_text(config("hangs"))
    before = sorted([*os.listdir(place), "pids"])
    process = subprocess.Popen(
        [*COMMAND, "--update", "--report", "junit=out.xml", *bound("hangs")],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        # A runner in the background may have been told to ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while not ((place / "pids").exists() and "\n" in (place / "pids").read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    # Both streams end when the last process that holds them has gone: the child sleeps for a minute.
    out, err = process.communicate(timeout=30)
    assert out == b""
    if name == "SIGINT":
        assert (process.returncode, err) == (130, b"overflowscope: interrupted\n")
        assert sorted(os.listdir(place)) == before
    else:
        assert process.returncode == -getattr(signal, name)


def test_two_updates_at_once_leave_one_whole_baseline(place: Path) -> None:
    (place / "overflowscope.toml").write_text(config("good"))
    other = place / "other.toml"
    other.write_text(config("good", more="rows = 100"))
    path = place / "overflowscope-baseline.json"
    commands = [[*COMMAND, name, "--update", *bound("good")] for name in ("overflowscope.toml", "other.toml") * 2]
    running = [subprocess.Popen(c, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for c in commands]
    for process in running:
        assert process.communicate(timeout=120)[1] == b""
        assert process.returncode == 0
    found = baseline.read(str(path))
    assert found is not None
    assert [dict(r.input)["rows"] for r in found.records.values()] in ([256], [100])
    assert not [name for name in os.listdir(place) if name.startswith(".overflowscope-")]
