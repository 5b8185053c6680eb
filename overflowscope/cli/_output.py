"""Where results go: standard output, or a file written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from overflowscope.errors import InputError
from overflowscope.report import Look


@contextmanager
def opened(path: str | None) -> Iterator[TextIO]:
    """A place to write to, found writable before the work: a new file beside the target, moved onto it at the end.

    A link is followed; what is no regular file (/dev/null, a pipe) is written to as it is. Raises InputError.
    """
    if path == "":
        raise InputError("--output names no file")
    if path is None or path == "-":
        if sys.stdout is None:
            raise InputError("standard output is closed", hint="--output FILE writes to a file")
        yield sys.stdout
        return
    try:
        if _mode(path) is None or stat.S_ISREG(_mode(path) or 0):
            yield from _replaced(os.path.realpath(path))
        else:
            with open(path, "w", encoding="utf-8", newline="") as out:
                yield out
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"cannot be written: {error.strerror or error}", source=path) from error


def check_writable(path: str) -> None:
    """Raises InputError where a file of that name could not be written, before the work that makes it."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder) or os.path.isdir(path) or not os.access(folder, os.W_OK):
        why = errno.ENOENT if not os.path.isdir(folder) else errno.EISDIR if os.path.isdir(path) else errno.EACCES
        raise InputError(f"cannot be written: {os.strerror(why)}", source=path)


def _replaced(target: str) -> Iterator[TextIO]:
    mode = _mode(target)
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, fresh = tempfile.mkstemp(prefix=".overflowscope-", dir=os.path.dirname(target))
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:
            yield out
        os.chmod(fresh, stat.S_IMODE(mode) if mode is not None else 0o666 & ~_mask())
        os.replace(fresh, target)
    except BaseException:
        os.unlink(fresh)
        raise


def _mode(path: str) -> int | None:
    """The mode of what is there, links followed; None where nothing is."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(out: TextIO, text: str) -> None:
    """Write what the encoding of ``out`` holds, and the rest escaped."""
    encoding = out.encoding or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding))
    out.flush()


def look(color: str, path: str | None) -> Look:
    """Width and colours: --color, else NO_COLOR, FORCE_COLOR, else whether standard output is a terminal."""
    to_file = path not in (None, "-")
    terminal = not to_file and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if color == "auto":
        forced = bool(os.environ.get("FORCE_COLOR"))
        wanted = not os.environ.get("NO_COLOR") and (forced or terminal) and not to_file
    else:
        wanted = color == "always"
    encoding = "utf-8" if to_file else (sys.stdout.encoding or "ascii")
    return Look(
        max(40, shutil.get_terminal_size().columns), wanted, not encoding.lower().replace("-", "").startswith("utf")
    )
