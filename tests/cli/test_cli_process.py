"""The command line as a process of its own: pipes that close, signals, encodings."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import overflowscope
from overflowscope import cli

COMMAND = [sys.executable, "-m", "overflowscope"]
# What JAX says of the forks that start processes, where tests of it ran in this one.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
posix = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell and signals are needed")


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def shell(line: str, here: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of shell, in which ``overflowscope`` is this one; pipefail, so that its own status counts."""
    function = f"overflowscope() {{ '{sys.executable}' -m overflowscope \"$@\"; }}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {function}; {line}"],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_it_runs_as_a_module_and_as_a_script(here: Path) -> None:
    wanted = f"overflowscope {overflowscope.__version__}\n"
    commands = [COMMAND]
    script = Path(sys.executable).with_name("overflowscope")
    if script.exists():
        commands.append([str(script)])
    for command in commands:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=here, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, wanted, "")


@posix
@pytest.mark.parametrize(
    "line",
    [
        "overflowscope compare --json | head -1",
        "overflowscope compare --rows 2 | true",
        "overflowscope compare --scale 1,2,3,4 --format csv | head -c 1",
        "overflowscope list | head -1",
        "overflowscope schema | head -1",
        "overflowscope compare --help | true",
        "overflowscope compare --json -o /dev/stdout | head -1",
    ],
)
def test_a_reader_that_leaves_early_is_no_error(here: Path, line: str) -> None:
    done = shell(line, here)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_that_closes_in_the_middle(here: Path) -> None:
    # Twice a pipe's capacity at least: the writer waits, and is then told that nobody reads.
    process = start("compare", "--json", "--scale", "1,2,3,4,5", "--rows", "4", cwd=here)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"{\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    process.stderr.close()


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments", ["compare --rows 2", "compare --rows 2 --json", "list", "schema", "compare --help"]
)
def test_a_full_disk_on_standard_output(here: Path, arguments: str) -> None:
    done = shell(f"overflowscope {arguments} > /dev/full", here)
    assert (done.returncode, done.stderr) == (2, "overflowscope: error: standard output: No space left on device\n")


@posix
@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("overflowscope compare - <&-", 2, "standard input"),
        ("overflowscope compare --rows 2 >&-", 2, "standard output"),
        ("overflowscope compare --rows 2 --json >&-", 2, "standard output"),
        ("overflowscope compare --rows 0 2>&-", 2, ""),
        ("overflowscope compare --rows 2 2>&- | grep -c softmax", 0, ""),
        ("overflowscope compare --rows 2 -o out.json >&-", 0, ""),
    ],
)
def test_streams_that_are_closed_from_the_start(here: Path, line: str, status: int, says: str) -> None:
    done = shell(line, here)
    assert done.returncode == status
    assert says in done.stderr
    assert done.stderr.count("\n") == bool(says)
    assert done.stderr.startswith("overflowscope: error: " if says else "")


SLOW = """\
import os, sys, time

def f(x):
    sys.stderr.write(f"working {os.getpid()}\\n")
    sys.stderr.flush()
    time.sleep(60)
"""


@posix
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("output", [[], ["-o", "out.json"], ["-o", "new.json"]], ids=["stdout", "old file", "new file"])
def test_an_interrupt_ends_it_at_once(here: Path, output: list[str], jobs: str) -> None:
    (here / "slow.py").write_text(SLOW)
    (here / "out.json").write_text("old")
    process = start(
        "compare",
        "--json",
        "--impl",
        "slow.py:f",
        "--jobs",
        jobs,
        *output,
        cwd=here,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        # A runner in the background may have been told to ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    working, pid = process.stderr.readline().split()
    assert (working, int(pid) == process.pid) == (b"working", jobs == "1")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"overflowscope: interrupted\n")
    assert (here / "out.json").read_text() == "old"
    assert sorted(os.listdir(here)) == ["out.json", "slow.py"]


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_workers_end_with_the_process_that_started_them(here: Path, name: str) -> None:
    (here / "slow.py").write_text(SLOW)
    process = start("compare", "--impl", "slow.py:f", "--jobs", "2", cwd=here)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"working ")
    process.send_signal(getattr(signal, name))
    # Standard output ends when the last worker that holds it has gone.
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == -getattr(signal, name)


@posix
def test_output_in_an_encoding_that_cannot_hold_it(here: Path) -> None:
    (here / "\u6e29.json").write_text("[[1, 100]]")
    for encoding, form in (("ascii", "table"), ("latin-1", "json")):
        done = shell(f"overflowscope compare *.json --dtype float16 --format {form}", here, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
    assert json.loads(done.stdout)["input"]["source"].endswith(".json")
    done = shell("overflowscope compare \u6e29.npy", here, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (2, "overflowscope: error: \\u6e29.npy: there is no such file\n")


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_every_form_in_an_encoding_that_cannot_hold_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, form: str
) -> None:
    """The same of a standard output in this process, strict in its encoding as a real one is."""
    (here / "\u6e29.json").write_text("[[1, 100]]")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, errors="strict"))
    with pytest.raises(SystemExit) as stopped:
        cli.run(["compare", "\u6e29.json", "--dtype", "float16", "--format", form])
    assert stopped.value.code == 0
    out = written.getvalue().decode("ascii")
    assert len(out) > 100
    assert form != "json" or json.loads(out)["input"]["source"].endswith(".json")


@posix
def test_standard_input_through_a_pipe(here: Path) -> None:
    done = shell("echo '[[94.7, 3], [1, 2]]' | overflowscope compare - --op softmax --dtype float32 --json", here)
    document = json.loads(done.stdout)
    assert (done.returncode, document["input"]["source"], document["input"]["rows"]) == (0, "<stdin>", 2)
    done = shell("printf '' | overflowscope compare -", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "overflowscope: error: <stdin>: nothing came in\n"
    done = shell("echo '[1]' | overflowscope compare - --labels -", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("overflowscope: error: standard input cannot hold both logits and labels; ")


@posix
def test_the_process_status_of_bad_input(here: Path) -> None:
    for line, status in (("compare none.npy", 2), ("compare --rows 2", 0), ("compar", 2), ("compare --frob", 2)):
        done = shell(f"overflowscope {line}", here)
        assert done.returncode == status
        assert bool(done.stdout) == (status == 0)
        assert done.stderr.count("\n") == bool(status)
