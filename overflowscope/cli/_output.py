"""Where results go: standard output, or a file written whole or not at all."""

from __future__ import annotations

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
    if path in (None, "-"):
        yield sys.stdout
        return
    assert path is not None
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            with open(target, "w", encoding="utf-8", newline="") as out:
                yield out
            return
        yield from _replaced(target)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"cannot be written: {error.strerror or error}", source=path) from error


def _replaced(target: str) -> Iterator[TextIO]:
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied")
    handle, fresh = tempfile.mkstemp(prefix=".overflowscope-", dir=os.path.dirname(target))
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:
            yield out
        os.chmod(fresh, _mode(target))
        os.replace(fresh, target)
    except BaseException:
        os.unlink(fresh)
        raise


def _mode(target: str) -> int:
    """The permissions of the file there is, or those that a new one gets."""
    if os.path.exists(target):
        return stat.S_IMODE(os.stat(target).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


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
