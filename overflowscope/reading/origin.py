"""The bytes of a file or of standard input: read once, in blocks, hashed on the way."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from overflowscope.errors import InputError

BLOCK = 2**20
HEAD = 2**14
"""So many bytes are looked at before anything is decided; the headers of .npy files end before."""

Stamp = tuple[int, int, int, int]


def stamp(handle: int) -> Stamp:
    """(device, inode, bytes, nanoseconds of the last change): another one means another content."""
    found = os.fstat(handle)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Origin:
    """Bytes in order. ``head`` are the first of them; ``position`` says how many ``read`` has handed out.

    ``path``, ``stamp`` and ``size`` are those of a regular file, which may also be read at any place by its path;
    they are None of pipes and devices. ``expected`` is set by who learns how many bytes there must be,
    ``limit`` by who takes no more. Raises InputError where reading fails.
    """

    def __init__(self, name: str, file: BinaryIO, path: str | None = None):
        self.name, self._file, self._hash, self.position = name, file, hashlib.sha256(), 0
        self.expected: int | None = None
        self.limit: int | None = None
        self.path: str | None = None
        self.stamp: Stamp | None = None
        self.size: int | None = None
        if path is not None:
            found = stamp(file.fileno())
            # Files of /proc are regular and say that they are empty.
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and found[2] and _is_at(os.path.realpath(path), found):
                self.path, self.stamp, self.size = os.path.realpath(path), found, found[2]
        # What was read from the file and not handed out: from _at on.
        self._ahead, self._at = b"", 0
        self.head = self.ahead(HEAD)

    def ahead(self, n: int) -> bytes:
        """The first n bytes, or all where there are fewer, before any was handed out."""
        assert self.position == 0
        if len(self._ahead) < n:
            self._ahead += self._next(n - len(self._ahead))
        return self._ahead[:n]

    def read(self, n: int) -> bytes:
        """The next n bytes, or what is left of them."""
        data = self._ahead[self._at : self._at + n]
        self._at += len(data)
        if self._at == len(self._ahead):
            self._ahead, self._at = b"", 0
            data += self._next(n - len(data))
        self.position += len(data)
        if self.limit is not None and self.position > self.limit:
            raise too_large("a file of labels", "more", self.limit, "raise --max-bytes")
        return data

    def blocks(self) -> Iterator[bytes]:
        """All that is left."""
        while data := self.read(BLOCK):
            yield data

    def whole(self, limit: int, what: str, hint: str | None = None) -> bytearray:
        """All that is left, of which nothing was read; at most ``limit`` bytes."""
        if self.size is not None and self.size > limit:
            raise too_large(what, size_of(self.size), limit, hint)
        data = bytearray(self.read(len(self._ahead)))
        for block in self.blocks():
            data += block
            if len(data) > limit:
                raise too_large(what, "more", limit, hint)
        return data

    def lines(self, limit: int) -> Iterator[tuple[int, int, bytes]]:
        """(number from 1, position of its first byte, line without its newline), of lines up to ``limit`` bytes."""
        number, start, parts, held = 1, self.position, list[bytes](), 0
        for block in self.blocks():
            first, *others = block.split(b"\n")
            parts.append(first)
            held += len(first)
            if others:
                for line in (b"".join(parts), *others[:-1]):
                    _refuse_long(len(line), limit, number)
                    yield number, start, line
                    number, start = number + 1, start + len(line) + 1
                parts, held = [others[-1]], len(others[-1])
            _refuse_long(held, limit, number)
        if held:
            yield number, start, b"".join(parts)

    def sha256(self) -> str:
        """Of all bytes. Reads what is left; raises InputError where a file has changed since it was opened."""
        for _ in self.blocks():
            if self.expected is not None and self.position > self.expected:
                raise InputError(f"the header promises {self.expected} bytes in all, and more came")
        if self.expected is not None and self.position < self.expected:
            raise InputError(f"the header promises {self.expected} bytes in all, and only {self.position} came")
        if self.stamp is not None and (stamp(self._file.fileno()) != self.stamp or self.position != self.size):
            raise changed()
        return self._hash.hexdigest()

    def _next(self, n: int) -> bytes:
        parts = []
        try:
            # Pipes and unbuffered files hand out less than they are asked for.
            while n > 0 and (data := self._file.read(n)) != b"":
                if data is None:
                    raise InputError("standard input does not wait for data", hint="give a file, or an ordinary pipe")
                parts.append(data)
                n -= len(data)
                self._hash.update(data)
        except OSError as error:
            raise unreadable(error) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _is_at(path: str, seen: Stamp) -> bool:
    """Whether the file can be opened there again. One that was deleted cannot, though /dev/stdin may lead to it."""
    try:
        with open(path, "rb") as file:
            return stamp(file.fileno()) == seen
    except OSError:
        return False


@contextlib.contextmanager
def opened(source: str, stdin: BinaryIO | None) -> Iterator[Origin]:
    """The file of that name, or ``stdin`` (of the process, if None) for "-". Raises InputError; also for no bytes."""
    if source == "-":
        origin = Origin("<stdin>", _stream(stdin))
        if not origin.head:
            raise InputError("nothing came in")
        yield origin
        return
    with _file(source) as file:
        if file.isatty():
            raise InputError("this is a terminal, with nothing to read", hint="name a file")
        origin = Origin(source, file, source)
        if not origin.head:
            raise InputError("the file is empty")
        yield origin


def _stream(stdin: BinaryIO | None) -> BinaryIO:
    if stdin is not None:
        return stdin
    if sys.stdin is None:
        raise InputError("there is no standard input")
    return sys.stdin.buffer


def _file(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except OSError as error:
        if os.path.isdir(path):
            raise InputError("this is a directory, no file") from None
        raise unreadable(error) from None
    except ValueError:
        # For a zero byte, or characters that the file system cannot encode.
        raise InputError("no file can have this name") from None


@contextlib.contextmanager
def located(*, source: str | None = None, where: str | None = None) -> Iterator[None]:
    """Adds to an InputError what the code that raised it could not know."""
    try:
        yield
    except InputError as error:
        at = ", ".join(part for part in (where, error.where) if part)
        raise InputError(error.what, source=source, where=at or None, hint=error.hint) from None


def unreadable(error: OSError) -> InputError:
    return InputError(f"cannot be read: {(error.strerror or str(error)).lower()}")


def changed(source: str | None = None) -> InputError:
    return InputError("the file has changed since it was opened", source=source, hint="give a copy that nobody changes")


def too_large(what: str, size: str, limit: int, hint: str | None = None) -> InputError:
    hint = hint or "write .npy or JSON lines, which are read in blocks, or raise --max-bytes"
    return InputError(f"{what} is read whole, up to {size_of(limit)}, and this is {size}", hint=hint)


def _refuse_long(length: int, limit: int, number: int) -> None:
    if length > limit:
        hint = "is it text? --max-bytes says how long a line may be"
        raise InputError(f"a line of more than {size_of(limit)}", where=f"line {number}", hint=hint)


def size_of(n: int) -> str:
    """A number of bytes as a person reads it: 1.5 GiB."""
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n >= unit:
            return f"{n / unit:.4g} {name}"
    return f"{n} bytes"
