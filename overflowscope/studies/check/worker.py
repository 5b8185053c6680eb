"""Another process, in which cases are run: what hangs, dies or prints there does no harm here.

One process serves case after case; after a death or a timeout the next case gets a fresh one. It is a process group of
its own, so that what it started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from overflowscope.errors import InputError, printable

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

POLL = 0.25
"""Seconds between two looks at whether the process lives."""
GRACE = 1.0
"""Seconds to end by itself, once there is nothing more to do."""
Function = Callable[..., Any]


class Failed(Exception):
    """A case that could not be run, and why, in a line."""


class Worker:
    """``call(function, arguments, seconds)`` is what the function gives in the other process.

    ``prepare`` is called there first; ``waiting`` here, again and again while a result is waited for. All that goes in
    and out is pickled. It is a context manager: nothing of it is left after.
    """

    def __init__(self, prepare: Function, waiting: Callable[[], None] = lambda: None):
        self.prepare, self.waiting = prepare, waiting
        self.process: BaseProcess | None = None
        self.connection: Connection[Any, Any] | None = None

    def call(self, function: Function, arguments: tuple[Any, ...], seconds: float) -> Any:
        """Raises Failed where the function raises, the process dies or the time is up."""
        if self.process is None:
            self._start()
        assert self.connection is not None
        try:
            self.connection.send((function, arguments))
            answer = self._answer(seconds)
        except ConnectionError:
            raise Failed(self._death()) from None
        if isinstance(answer, Failed):
            raise answer
        return answer

    def _answer(self, seconds: float) -> Any:
        assert self.connection is not None
        assert self.process is not None
        end = time.monotonic() + seconds
        while not self.connection.poll(max(0.0, min(POLL, end - time.monotonic()))):
            self.waiting()
            if not self.process.is_alive() and not self.connection.poll():
                raise Failed(self._death())
            if time.monotonic() >= end:
                self.stop()
                raise Failed(f"it was stopped after {seconds:g} seconds (--timeout)")
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            raise Failed(self._death()) from None

    def _start(self) -> None:
        import multiprocessing

        # As in chunks: threads do not survive a fork, locks do.
        forks = sys.platform == "linux" and threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self.connection, theirs = context.Pipe()
        # What is forked holds this end too, and is to let it go.
        inherited = self.connection if forks else None
        self.process = context.Process(target=_serve, args=(theirs, inherited, self.prepare))
        with warnings.catch_warnings():
            # Python 3.12 warns of the threads that NumPy's BLAS keeps; see chunks.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()
        # The process does the same: whichever comes first, it is done before the other goes on.
        with contextlib.suppress(OSError, AttributeError):
            os.setpgid(self.process.pid or 0, self.process.pid or 0)

    def _death(self) -> str:
        """How the process ended, once it has been seen to."""
        assert self.process is not None
        self.process.join(GRACE)
        code = self.process.exitcode
        self.stop()
        if code is None:
            return "its process closed the way back and went on"
        if code >= 0:
            return f"its process ended with status {code} before it gave a result"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"its process died of {name}"

    def stop(self) -> None:
        """End the process at once, and whatever it started."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if self.connection is not None:
            self.connection.close()
        kill = getattr(os, "killpg", None)
        if kill is not None and process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(process.pid, signal.SIGKILL)
        if process.pid is not None:  # else the interrupt came before it began
            process.kill()
            process.join()
        process.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.process is not None and self.connection is not None:
            # An orderly end: libraries flush and close what they opened.
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(GRACE)
        self.stop()


def _serve(connection: Connection[Any, Any], inherited: Connection[Any, Any] | None, prepare: Function) -> None:
    """In the other process: answer until there is nothing more to do."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpgid(0, 0)
    # Ctrl-C is the first process's, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Outside of the terminal's group this may not read from it, but is to write what a person's code prints.
    for name in ("SIGTTIN", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if inherited is not None:
        inherited.close()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    prepare()
    home, number = os.getcwd(), os.getpid()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        os.chdir(home)
        result = _result(*task)
        if os.getpid() != number:
            # A person's code forked, and came back twice: one answer more would be taken for the next case's.
            os.kill(os.getpid(), signal.SIGKILL)
        connection.send(result)


def _result(function: Function, arguments: tuple[Any, ...]) -> Any:
    try:
        return function(*arguments)
    except InputError as error:
        return Failed(str(error))
    except MemoryError as error:
        return Failed(printable(f"out of memory: {error}"))
    except BaseException as error:  # an interrupt too: none comes from outside
        text = " ".join(str(error).split()) or "no message"
        return Failed(printable(f"{type(error).__name__}: {text}"))


def _leave_with_parent() -> None:
    """Where the parent was killed nobody would end this group."""
    import multiprocessing

    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGTERM)
