""".npz files: zip archives of .npy files. Nothing is unpacked that was not asked for, nor beyond what it promised."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from overflowscope.errors import InputError
from overflowscope.reading.arrays import Member, brief, place
from overflowscope.reading.npy import parsed
from overflowscope.reading.origin import HEAD, Origin, located, size_of, too_large

ZIP_ERRORS = (BadZipFile, zlib.error, RuntimeError, OSError, EOFError, ValueError, NotImplementedError, OverflowError)
DIRECTORY = 2**22
"""A directory of more bytes is refused: that of 50,000 arrays. Each entry takes ten times as much memory."""


class _Careful(io.BytesIO):
    """The bytes of an archive; to ask for many at once is to ask for a huge directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY:
            raise BadZipFile("its directory is too large")
        return super().read(size)


def members(origin: Origin, limit: int, raw: str | None, masks: bool = False) -> dict[str, Callable[[], Member]]:
    """The arrays of the archive by their names, each looked at only when called; then its bytes can be read once.

    The archive is read whole, and an array that promises more than ``limit`` bytes is refused.
    """
    try:
        archive = ZipFile(_Careful(origin.whole(limit, "a .npz file")))
    except ZIP_ERRORS:
        raise InputError("the zip archive is damaged or cut short") from None
    files = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not files:
        raise InputError("the zip archive holds no .npy arrays", hint="save arrays with numpy.savez")

    def one(info: ZipInfo) -> Callable[[], Member]:
        return lambda: _member(archive, info, origin.name, limit, raw, masks)

    return {info.filename.removesuffix(".npy"): one(info) for info in files}


def _member(archive: ZipFile, info: ZipInfo, source: str, limit: int, raw: str | None, masks: bool) -> Member:
    name = info.filename.removesuffix(".npy")
    with located(where=place(name)):
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise InputError("the zip archive is compressed in another way than numpy.savez does")
        header = parsed(_Unpacked(archive, info).read(HEAD), name, source, raw, masks)
        if header.size > limit:
            raise too_large(
                "an array of a .npz file", size_of(header.size), limit, "save it as .npy, or raise --max-bytes"
            )
        # From the beginning again: of what was unpacked for the header, the end were numbers.
        stream = _Unpacked(archive, info)
        stream.read(header.offset)
        return replace(header, read=stream.read, ends=True)


class _Unpacked:
    """The bytes of a member, unpacked as they are asked for. Raises InputError where they are damaged."""

    def __init__(self, archive: ZipFile, info: ZipInfo):
        with _damaged():
            self._file = archive.open(info)

    def read(self, n: int) -> bytes:
        """The next n bytes, or all that are left."""
        data = b""
        with _damaged():
            while len(data) < n and (more := self._file.read(n - len(data))):
                data += more
        return data


@contextlib.contextmanager
def _damaged() -> Iterator[None]:
    try:
        yield
    except ZIP_ERRORS as error:
        raise InputError("the zip archive is damaged or locked", hint=brief(error)) from None
