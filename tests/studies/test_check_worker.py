"""The other process: what it gives back, and that whatever happens in it ends with it."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overflowscope.errors import InputError
from overflowscope.studies.check.worker import Failed, Worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are needed")


def nothing() -> None:
    pass


def add(a: int, b: int) -> int:
    return a + b


def pid() -> int:
    return os.getpid()


def raises(error: BaseException) -> None:
    raise error


def exits(status: int) -> None:
    os._exit(status)


def dies(number: int) -> None:
    faulthandler.disable()  # pytest's, which would say where
    os.kill(os.getpid(), number)
    time.sleep(60)


def hangs() -> None:
    time.sleep(60)


def starts(path: str) -> int:
    """A child of its own that would go on for a minute, and another that this one forked."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    forked = os.fork()
    if not forked:
        time.sleep(60)
        os._exit(0)
    Path(path).write_text(f"{child.pid} {forked}")
    return os.getpid()


def starts_and(path: str, what: str) -> None:
    starts(path)
    {"hangs": hangs, "dies": lambda: dies(signal.SIGSEGV)}[what]()


def forks(parent: bool) -> str:
    """Comes back twice: the parent, or the child, last."""
    name = "parent" if os.fork() else "child"
    time.sleep(0.2 if (name == "parent") is parent else 0)
    return name


def closes() -> None:
    os.closerange(3, 64)


def gone(number: int) -> bool:
    """Whether a process has ended; of what nobody waits for the state is Z."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].startswith("Z")
    return True


def soon_gone(*numbers: int) -> bool:
    end = time.monotonic() + 20
    while not all(map(gone, numbers)) and time.monotonic() < end:
        time.sleep(0.01)
    return all(map(gone, numbers))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(nothing) as found:
        yield found


def test_it_calls_in_another_process_that_stays(worker: Worker) -> None:
    assert worker.call(add, (1, 2), 60) == 3
    first = worker.call(pid, (), 60)
    assert first != os.getpid()
    assert os.getpgid(first) == first != os.getpgid(0)
    assert worker.call(pid, (), 60) == first


def test_beside_threads_it_is_not_forked() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with Worker(nothing) as worker:
            assert worker.call(divmod, (7, 2), 60) == (3, 1)
            assert worker.process is not None
            assert "Spawn" in type(worker.process).__name__
            with pytest.raises(Failed, match="ZeroDivisionError"):
                worker.call(divmod, (7, 0), 60)
            with pytest.raises(Failed, match="it was stopped"):
                worker.call(time.sleep, (60,), 0.1)
            assert worker.call(divmod, (7, 2), 60) == (3, 1)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("no luck", hint="try again"), "no luck; try again"),
        (ValueError("no\nluck\x1b"), r"ValueError: no luck\\x1b"),
        (KeyError(), "KeyError: no message"),
        (MemoryError("so much"), "out of memory: so much"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: no message"),
        (GeneratorExit("bye"), "GeneratorExit: bye"),
    ],
)
def test_what_is_raised_is_said_and_the_process_stays(worker: Worker, error: BaseException, says: str) -> None:
    first = worker.call(pid, (), 60)
    with pytest.raises(Failed, match=f"^{says}$"):
        worker.call(raises, (error,), 60)
    assert worker.call(pid, (), 60) == first


@pytest.mark.parametrize(
    ("function", "argument", "says"),
    [
        (exits, 0, "its process ended with status 0 before it gave a result"),
        (exits, 3, "its process ended with status 3 before it gave a result"),
        (dies, signal.SIGSEGV, "its process died of SIGSEGV"),
        (dies, signal.SIGKILL, "its process died of SIGKILL"),
        (dies, signal.SIGTERM, "its process died of SIGTERM"),
    ],
)
def test_after_a_death_there_is_another(worker: Worker, function: Any, argument: int, says: str) -> None:
    first = worker.call(pid, (), 60)
    with pytest.raises(Failed, match=f"^{says}$"):
        worker.call(function, (argument,), 60)
    assert worker.call(pid, (), 60) != first
    assert soon_gone(first)


def test_a_process_that_closes_the_way_back_is_ended(worker: Worker) -> None:
    first = worker.call(pid, (), 60)
    with pytest.raises(Failed, match="its process"):
        worker.call(closes, (), 60)
    assert worker.call(add, (1, 2), 60) == 3
    assert soon_gone(first)


@pytest.mark.parametrize("parent", [True, False])
def test_what_comes_back_twice_gives_one_answer(worker: Worker, parent: bool) -> None:
    assert worker.call(forks, (parent,), 60) == "parent"
    time.sleep(0.3)
    assert worker.call(add, (1, 2), 60) == 3
    assert worker.call(add, (2, 2), 60) == 4


def test_the_current_directory_stays(worker: Worker) -> None:
    home = worker.call(os.getcwd, (), 60)
    assert worker.call(os.chdir, (os.path.dirname(home),), 60) is None
    assert worker.call(os.getcwd, (), 60) == home == os.getcwd()


def test_an_interrupt_before_it_has_begun_is_that_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing.context

    def start(process: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start)
    with pytest.raises(KeyboardInterrupt), Worker(nothing) as worker:
        worker.call(add, (1, 2), 60)
    assert worker.process is None


def test_time_is_kept(worker: Worker) -> None:
    first = worker.call(pid, (), 60)
    start = time.monotonic()
    with pytest.raises(Failed, match=r"^it was stopped after 0.2 seconds \(--timeout\)$"):
        worker.call(hangs, (), 0.2)
    assert 0.2 <= time.monotonic() - start < 30
    assert soon_gone(first)
    assert worker.call(add, (1, 2), 60) == 3


@pytest.mark.parametrize("what", ["hangs", "dies"])
def test_what_it_started_ends_with_it(worker: Worker, tmp_path: Path, what: str) -> None:
    with pytest.raises(Failed):
        worker.call(starts_and, (str(tmp_path / "pids"), what), 5 if what == "dies" else 1)
    assert soon_gone(*map(int, (tmp_path / "pids").read_text().split()))


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_nothing_is_left_at_the_end(tmp_path: Path, error: type[BaseException] | None) -> None:
    with contextlib.suppress(KeyboardInterrupt, ValueError), Worker(nothing) as worker:
        number = worker.call(starts, (str(tmp_path / "pids"),), 60)
        if error is not None:
            raise error
    assert soon_gone(number, *map(int, (tmp_path / "pids").read_text().split()))


def test_waiting_is_heard_and_may_interrupt() -> None:
    heard = []

    def waiting() -> None:
        heard.append(1)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Worker(nothing, waiting) as worker:
        worker.call(hangs, (), 60)
    assert len(heard) == 2
    assert worker.process is None
