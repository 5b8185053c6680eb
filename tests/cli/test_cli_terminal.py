"""At a real terminal: colours, width and the progress bar."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from overflowscope import cli

pty = pytest.importorskip("pty")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

# What JAX says of the forks that start processes, where tests of it ran in this one.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
QUICK = ("compare", "--rows", "4", "--classes", "3", "--dtype", "float16", "--scale", "30", "--op", "softmax")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
PATIENT = 30.0
UNSET = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
SLOW = """\
import time

import numpy as np


def f(x):
    time.sleep(0.3)
    print("said")
    return np.exp(x)
"""


class Streams:
    """Standard output and standard error, each at a terminal of its own, or at a pipe."""

    def __init__(self, out: bool, err: bool, columns: int):
        self.texts = {"out": b"", "err": b""}
        self.ends: dict[int, str] = {}
        self.writers = []
        for name, terminal in (("out", out), ("err", err)):
            reader, writer = pty.openpty() if terminal else os.pipe()
            if terminal:
                fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            self.ends[reader] = name
            self.writers.append(writer)

    def read(self, until: bytes | None = None) -> bool:
        """Read both streams to their ends, or until some bytes stand on standard error; False where none came."""
        deadline = time.monotonic() + PATIENT
        while self.ends and not (until and until in self.texts["err"]):
            ready, _, _ = select.select(list(self.ends), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            for end in ready:
                try:
                    data = os.read(end, 65536)
                except OSError:
                    # What Linux says when the last writer of a terminal is gone.
                    data = b""
                self.texts[self.ends[end]] += data
                if not data:
                    os.close(end)
                    del self.ends[end]
        return True

    def said(self) -> tuple[str, str]:
        """(standard output, standard error), with the terminal's line ends made plain."""
        out, err = (self.texts[n].decode().replace("\r\n", "\n") for n in ("out", "err"))
        return out, err


class Run(Streams):
    """A process at them."""

    def __init__(
        self,
        arguments: Sequence[str],
        here: Path,
        *,
        out: bool = True,
        err: bool = True,
        columns: int = 100,
        **env: str,
    ):
        super().__init__(out, err, columns)
        kept = {k: v for k, v in os.environ.items() if k not in UNSET}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "overflowscope", *arguments],
            cwd=here,
            stdin=subprocess.DEVNULL,
            stdout=self.writers[0],
            stderr=self.writers[1],
            env={**kept, "TERM": "xterm-256color", "PYTHONDONTWRITEBYTECODE": "1", **env},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        for writer in self.writers:
            os.close(writer)

    def read(self, until: bytes | None = None) -> bool:
        if not super().read(until):
            self.process.kill()
            pytest.fail(f"still running after {PATIENT:g} s: {self.texts}")
        return True

    def finish(self) -> tuple[int, str, str]:
        """(exit status, standard output, standard error)."""
        self.read()
        status = self.process.wait(PATIENT)
        return status, *self.said()


Within = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Within:
    """As ``Run(...).finish()``, but in this process: its file descriptors 1 and 2 are the streams for that while."""

    def run(
        arguments: Sequence[str], *, out: bool = True, err: bool = True, columns: int = 100, **env: str
    ) -> tuple[Any, str, str]:
        streams = Streams(out, err, columns)
        kept = [os.dup(1), os.dup(2)]
        reader = threading.Thread(target=streams.read)
        with monkeypatch.context() as patch:
            for name in UNSET:
                patch.delenv(name, raising=False)
            for name, value in {"TERM": "xterm-256color", **env}.items():
                patch.setenv(name, value)
            try:
                for at, (name, writer) in enumerate(zip(("stdout", "stderr"), streams.writers, strict=True), 1):
                    os.dup2(writer, at)
                    os.close(writer)
                    stream = open(at, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
                    patch.setattr(sys, name, stream)
                    patch.setattr(sys, f"__{name}__", stream)
                reader.start()
                with pytest.raises(SystemExit) as stopped:
                    cli.run(list(arguments))
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                for at, copy in enumerate(kept, 1):
                    os.dup2(copy, at)
                    os.close(copy)
        reader.join(PATIENT)
        assert not streams.ends
        return stopped.value.code, *streams.said()

    return run


@pytest.mark.parametrize("terminal", [True, False])
def test_a_process_sees_where_it_writes(here: Path, terminal: bool) -> None:
    """What the tests below ask of the same code in this process."""
    status, out, err = Run(QUICK, here, out=terminal).finish()
    assert (status, err) == (0, "")
    assert ("\x1b[" in out) == terminal
    longest = max(len(line) for line in COLOR.sub("", out).splitlines())
    assert (longest > 80) == terminal
    assert longest <= 100


@pytest.mark.parametrize(
    ("options", "terminal", "environment", "colored"),
    [
        ([], True, {}, True),
        ([], False, {}, False),
        ([], True, {"NO_COLOR": "1"}, False),
        ([], True, {"NO_COLOR": ""}, True),
        ([], False, {"FORCE_COLOR": "1"}, True),
        ([], False, {"FORCE_COLOR": ""}, False),
        ([], True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ([], True, {"TERM": "dumb"}, False),
        (["--color", "never"], True, {}, False),
        (["--color", "never"], True, {"FORCE_COLOR": "1"}, False),
        (["--color", "always"], False, {}, True),
        (["--color", "always"], False, {"NO_COLOR": "1"}, True),
        (["--color", "always"], True, {"TERM": "dumb"}, True),
        (["--color", "auto"], True, {}, True),
        (["-o", "-"], True, {}, True),
        (["-o", "out.txt"], True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours(
    here: Path, within: Within, options: list[str], terminal: bool, environment: dict[str, str], colored: bool
) -> None:
    status, out, err = within([*QUICK, *options], out=terminal, **environment)
    if "out.txt" in options:
        assert out == ""
        out = (here / "out.txt").read_text("utf-8")
    assert (status, err) == (0, "")
    assert ("\x1b" in out) == colored
    plain = COLOR.sub("", out)
    assert "\x1b" not in plain
    assert "30: 4 rows x 3 classes" in plain
    # A failure is a word, whatever the colours; and the word alone is red.
    assert re.search(r"naive +NAN ", plain)
    if colored:
        assert re.search(r"\x1b\[[0-9;]*31m *NAN", out)
        assert not re.search(r"\x1b\[[0-9;]*31m *ok", out)


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_only_tables_are_coloured(within: Within, form: str) -> None:
    status, out, err = within([*QUICK, "--format", form, "--color", "always"], FORCE_COLOR="1")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert form != "json" or json.loads(out)["input"]["rows"] == 4


@pytest.mark.parametrize(
    ("terminal", "environment", "width"),
    [
        (True, {}, 100),
        (True, {"COLUMNS": "130"}, 130),
        (True, {"COLUMNS": "60"}, 60),
        (False, {}, 80),
        (False, {"COLUMNS": "130"}, 130),
        (True, {"COLUMNS": "130", "TERM": "dumb"}, 130),
        (True, {"COLUMNS": "1"}, 40),
        (True, {"COLUMNS": "0"}, 100),
    ],
)
def test_the_width_is_the_terminals(within: Within, terminal: bool, environment: dict[str, str], width: int) -> None:
    arguments = [*QUICK, "--formulation", "all", "--color", "always"]
    status, out, err = within(arguments, out=terminal, err=False, **environment)
    assert (status, err) == (0, "")
    longest = max(len(line) for line in COLOR.sub("", out).splitlines())
    # As many columns as fit: the widest of those left out takes 22.
    assert longest <= width
    assert longest >= width - 24 or width == 40


def slow(here: Path) -> list[str]:
    """A run of about two seconds on any machine: at each scale the function is called, and once more to explain it."""
    (here / "slow.py").write_text(SLOW)
    return [
        "compare",
        "--rows=4",
        "--classes=3",
        "--op=softmax",
        "--dtype=float32",
        "--scale=1,2,3",
        "--impl=slow.py:f",
    ]


@pytest.mark.parametrize("terminal", [True, False], ids=["stdout at a terminal", "stdout at a pipe"])
def test_a_progress_bar_at_a_terminal(here: Path, terminal: bool) -> None:
    status, out, err = Run([*slow(here), "--json"], here, out=terminal).finish()
    assert status == 0
    assert len(json.loads(out)["results"]) == 3 * 4
    assert "measuring 36 logits" in err
    assert "%" in err
    # It is wiped when it is done: what stands at the end is an erased line.
    assert re.search(r"\x1b\[[12]?K", err)
    assert "measuring" not in out


@pytest.mark.parametrize("terminal", [True, False], ids=["stdout at a terminal", "stdout at a pipe"])
def test_no_progress_bar_where_nobody_looks(here: Path, terminal: bool) -> None:
    status, out, err = Run([*slow(here), "--json"], here, out=terminal, err=False).finish()
    assert status == 0
    assert len(json.loads(out)["results"]) == 3 * 4
    assert set(err.split()) == {"said"}


def test_no_progress_bar_for_what_is_quick(within: Within) -> None:
    status, out, err = within(QUICK)
    assert (status, err) == (0, "")
    assert "measuring" not in out


def test_an_interrupt_wipes_the_bar(here: Path) -> None:
    (here / "slow.py").write_text(SLOW)
    run = Run([*slow(here), "--scale", ",".join(map(str, range(1, 60)))], here)
    run.read(until=b"measuring")
    run.process.send_signal(signal.SIGINT)
    status, out, err = run.finish()
    assert (status, out) == (130, "")
    assert err.endswith("overflowscope: interrupted\n")
    assert "Traceback" not in err
    # The cursor is shown again.
    assert err.rfind("\x1b[?25h") > err.rfind("\x1b[?25l")


def test_standard_input_at_a_terminal_is_an_error(here: Path) -> None:
    reader, writer = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "overflowscope", "compare", "-"],
            stdin=writer,
            capture_output=True,
            text=True,
            cwd=here,
            timeout=PATIENT,
        )
    finally:
        os.close(writer)
        os.close(reader)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "overflowscope: error: standard input is a terminal, with nothing to read; pipe logits in, or name a file\n"
    )
