"""``--output``: a file written whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import overflowscope.report
import overflowscope.studies.compare

ARGUMENTS = ("compare", "--rows", "3", "--op", "softmax", "--dtype", "float32")
Run = Callable[..., Any]


@pytest.fixture
def expected(invoke: Run, here: Path) -> str:
    """What goes to standard output without --output."""
    return str(invoke(*ARGUMENTS, "--json").out)


def test_the_file_holds_what_standard_output_would(here: Path, invoke: Run, expected: str) -> None:
    for form in ("json", "csv", "markdown"):
        printed = invoke(*ARGUMENTS, "--format", form)
        written = invoke(*ARGUMENTS, "--format", form, "-o", f"out.{form}")
        assert (written.status, written.out, written.err) == (0, "", "")
        assert (here / f"out.{form}").read_bytes() == printed.out.encode()
    assert sorted(os.listdir(here)) == ["out.csv", "out.json", "out.markdown"]


def test_a_table_in_a_file_is_utf8_without_colours(here: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    invoke(*ARGUMENTS, "--output", "out.txt")
    text = (here / "out.txt").read_bytes().decode("utf-8")
    assert "\x1b" not in text
    assert "\u2500" in text
    invoke(*ARGUMENTS, "--output", "out.txt", "--color", "always")
    assert "\x1b[" in (here / "out.txt").read_text("utf-8")


def test_a_dash_is_standard_output(here: Path, invoke: Run, expected: str) -> None:
    assert invoke(*ARGUMENTS, "--json", "-o", "-").out == expected
    assert os.listdir(here) == []


def test_the_old_file_stands_until_the_end(
    here: Path, invoke: Run, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    run, render = overflowscope.studies.compare.run, overflowscope.report.render

    def looking(function: Callable[..., Any]) -> Callable[..., Any]:
        def look(*arguments: Any) -> Any:
            seen.append((here / "out.json").read_text())
            return function(*arguments)

        return look

    monkeypatch.setattr(overflowscope.studies.compare, "run", looking(run))
    monkeypatch.setattr(overflowscope.report, "render", looking(render))
    (here / "out.json").write_text("old")
    invoke(*ARGUMENTS, "--json", "-o", "out.json")
    assert seen == ["old", "old"]
    assert (here / "out.json").read_text() == expected


@pytest.mark.parametrize("stage", ["work", "render"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(28, "No space left on device"), 2),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 2),
        (ValueError("x"), 70),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_failing_run_leaves_the_old_file(
    here: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch, stage: str, error: BaseException, status: int
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    module = overflowscope.studies.compare if stage == "work" else overflowscope.report
    monkeypatch.setattr(module, "run" if stage == "work" else "render", fail)
    (here / "out.json").write_text("old")
    for target in ("out.json", "new.json"):
        finished = invoke(*ARGUMENTS, "--json", "-o", target)
        assert (finished.status, finished.out) == (status, "")
        assert finished.err.count("\n") == 1
    assert os.listdir(here) == ["out.json"]
    assert (here / "out.json").read_text() == "old"


def test_a_link_is_followed(here: Path, invoke: Run, expected: str) -> None:
    (here / "folder").mkdir()
    (here / "folder" / "old.json").write_text("old")
    (here / "link").symlink_to("folder/old.json")
    (here / "dangling").symlink_to("folder/new.json")
    for link, target in (("link", "old.json"), ("dangling", "new.json")):
        assert invoke(*ARGUMENTS, "--json", "-o", link).status == 0
        assert (here / link).is_symlink()
        assert (here / "folder" / target).read_text() == expected
        assert not (here / "folder" / target).is_symlink()
    assert sorted(os.listdir(here / "folder")) == ["new.json", "old.json"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_the_permissions_stay(here: Path, invoke: Run, expected: str, mode: int) -> None:
    (here / "out.json").write_text("old")
    (here / "out.json").chmod(mode)
    invoke(*ARGUMENTS, "--json", "-o", "out.json")
    assert stat.S_IMODE((here / "out.json").stat().st_mode) == mode
    assert (here / "out.json").read_text() == expected


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_new_files(here: Path, invoke: Run, mask: int) -> None:
    before = os.umask(mask)
    try:
        invoke(*ARGUMENTS, "--json", "-o", "out.json")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "out.json").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(sys.platform == "win32", reason="devices and pipes are files on POSIX systems only")
class TestWhatIsNoRegularFile:
    def test_the_null_device_stays_a_device(self, here: Path, invoke: Run) -> None:
        before = os.stat("/dev/null")
        (here / "link").symlink_to("/dev/null")
        for target in ("/dev/null", "link"):
            finished = invoke(*ARGUMENTS, "--json", "-o", target)
            assert (finished.status, finished.out, finished.err) == (0, "", "")
        after = os.stat("/dev/null")
        assert stat.S_ISCHR(after.st_mode)
        assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
    def test_a_full_device(self, here: Path, refused: Run) -> None:
        message = refused(*ARGUMENTS, "--json", "-o", "/dev/full")
        assert message == "/dev/full: cannot be written: No space left on device"
        assert stat.S_ISCHR(os.stat("/dev/full").st_mode)

    def test_a_named_pipe(self, here: Path, invoke: Run, expected: str) -> None:
        os.mkfifo(here / "pipe")
        read: list[str] = []
        reader = threading.Thread(target=lambda: read.append((here / "pipe").read_text()), daemon=True)
        reader.start()
        assert invoke(*ARGUMENTS, "--json", "-o", "pipe").status == 0
        reader.join(timeout=20)
        assert read == [expected]
        assert stat.S_ISFIFO((here / "pipe").stat().st_mode)

    @pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="there is no /dev/fd")
    def test_an_open_descriptor_as_the_shell_passes_it(self, here: Path, invoke: Run, expected: str) -> None:
        """``-o >(gzip)`` and ``-o /dev/stdout | less`` name a pipe by its descriptor."""
        read, write = os.pipe()
        chunks: list[bytes] = []

        def drain() -> None:
            with open(read, "rb") as pipe:
                chunks.append(pipe.read())

        reader = threading.Thread(target=drain, daemon=True)
        reader.start()
        try:
            finished = invoke(*ARGUMENTS, "--json", "-o", f"/dev/fd/{write}")
        finally:
            os.close(write)
        reader.join(timeout=20)
        assert (finished.status, finished.err) == (0, "")
        assert json.loads(chunks[0]) == json.loads(expected)
