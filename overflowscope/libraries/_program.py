"""A program that answers each line with a line: started when first asked, and never left behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from overflowscope.errors import InputError

PATIENCE = 1.0
"""Seconds in which a program may end by itself when there is nothing more to read."""
GLANCE = 0.1
"""Seconds after which one that is silent is looked after."""
GUARD = 'read -r done || kill -s KILL -- "-$0"'
"""For a shell: kill the group of the number given unless a line comes before its input ends, as it does with us."""
QUOTED = 80
"""Characters of what a program said that are repeated."""


class Program:
    """A process, known as ``name`` in errors, that is to answer within ``timeout`` seconds.

    It runs without a shell, in a process group of its own, its standard error and environment ours; it is started by
    the first ``ask``, in every process of ours that asks. Its whole group is ended: by ``stop``, by an error in
    ``ask`` (Ctrl-C is one), when this object is gone, and at exit; by a guard, where we are killed ourselves (but for
    the few milliseconds between the starts of the two).
    """

    def __init__(self, name: str, arguments: Sequence[str], timeout: float):
        self.name, self.arguments, self.timeout = name, list(arguments), timeout
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Any = None
        self._finalizer: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process starts its own."""
        return Program, (self.name, self.arguments, self.timeout)

    def ask(self, line: bytes, most: int) -> bytes:
        """The line with which it answers one, which ends in a newline. Raises InputError where there is none.

        It may be ``most`` bytes long. Empty lines are no answers, and a second line is one too many.
        """
        try:
            if self._process is None or self._owner != os.getpid():
                self._start()
            else:
                self._hear_nothing(self._process)
            assert self._process is not None
            return self._answer(self._process, line, most)
        except BaseException:
            self.stop(0.0)
            raise

    def stop(self, patience: float = PATIENCE) -> None:
        """End it and all of its group; it may take ``patience`` seconds to end by itself. The next ask starts anew."""
        if self._process is not None and self._owner == os.getpid():
            _end(self._process, self._guard, patience)
            self._finalizer.cancel()
        self._process = None

    def error(self, what: str, hint: str | None = None) -> InputError:
        """The error of that program."""
        return InputError(what, source=self.name, hint=hint)

    def _start(self) -> None:
        from multiprocessing.util import Finalize  # runs in workers too, where atexit and weakref.finalize do not

        try:
            process = subprocess.Popen(
                self.arguments, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise self.error(f"cannot be started: {getattr(error, 'strerror', None) or error}") from None
        self._process, self._owner, self._guard = process, os.getpid(), _guard(process)
        self._finalizer = Finalize(self, _end, (process, self._guard, PATIENCE), exitpriority=10)
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)

    def _hear_nothing(self, process: subprocess.Popen[bytes]) -> None:
        """What it said after an answer is no answer to what comes."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while selector.select(0):
                said = os.read(process.stdout.fileno(), 2**16)
                if not said:
                    raise self._gone(process)
                if said.strip():
                    raise self.error(f"wrote more than an answer: {quoted(said)}", "one line answers one line")

    def _answer(self, process: subprocess.Popen[bytes], line: bytes, most: int) -> bytes:
        """Writes and reads as either can be done, so that neither side waits for the other with a full pipe."""
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin.fileno(), process.stdout.fileno()
        deadline, rest, said, seen = time.monotonic() + self.timeout, memoryview(line), bytearray(), 0
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            selector.register(into, selectors.EVENT_WRITE)
            while True:
                if (left := deadline - time.monotonic()) <= 0:
                    raise self._late(bool(rest), said)
                ready = selector.select(min(left, GLANCE))
                # What the program started may hold its output open after it has ended.
                if not ready and process.poll() is not None and not (ready := selector.select(0)):
                    raise self._gone(process, said)
                for key, _ in ready:
                    if key.fd == into:
                        rest = rest[_written(into, rest) :]
                        if not rest:
                            selector.unregister(into)
                        continue
                    if not (more := os.read(out, 2**20)):
                        raise self._gone(process, said)
                    said += more
                if len(said) > most:
                    raise self.error(f"wrote {len(said):,} bytes, more than an answer has: {quoted(said)}")
                while not rest and (end := said.find(b"\n", seen)) >= 0:
                    answer, seen = bytes(said[:end]), 0
                    del said[: end + 1]
                    if answer.strip():
                        if said.strip():
                            raise self.error(f"wrote more than an answer: {quoted(said)}", "one line answers one line")
                        return answer
                seen = len(said) if not rest else 0

    def _late(self, unread: bool, said: bytearray) -> InputError:
        within = f"within {self.timeout:g} s"
        if not unread and said.strip():
            return self.error(f"did not end its line {within}: {quoted(said)}", "a newline ends an answer")
        did = "did not read its request" if unread else "did not answer"
        hint = "--timeout SECONDS waits longer" if unread else "flush after each line; --timeout SECONDS waits longer"
        return self.error(f"{did} {within}", hint)

    def _gone(self, process: subprocess.Popen[bytes], said: bytes | bytearray = b"") -> InputError:
        """Its standard output has ended: it has too, or soon will, or it closed it."""
        when = f"in the middle of a line: {quoted(said)}" if said.strip() else "before it answered"
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return self.error(f"closed its standard output {when}")
        if status < 0:
            with contextlib.suppress(ValueError):
                return self.error(f"was killed by {signal.Signals(-status).name} {when}")
        return self.error(f"ended with status {status} {when}")


def quoted(said: bytes | bytearray) -> str:
    """The beginning of what a program wrote, in quotes."""
    text = bytes(said[: 4 * QUOTED]).decode("utf-8", "replace").strip()
    return repr(text[:QUOTED]) + ("..." if len(text) > QUOTED or len(said) > 4 * QUOTED else "")


def _written(into: int, rest: memoryview) -> int:
    """How much of it the pipe took: nothing where it is full; all of it where nobody reads, which shows elsewhere."""
    try:
        return os.write(into, rest[: 2**16])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(rest)


def _guard(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    guarding = ["/bin/sh", "-c", GUARD, str(process.pid)]
    return subprocess.Popen(
        guarding, bufsize=0, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    )


def _end(process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes], patience: float) -> None:
    """No more to read, a moment to end, and then the group is killed: what the program started goes with it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        if patience:
            process.wait(patience)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        guard.communicate(b"\n")
        process.wait()
        process.stdout.close()
