"""Numbers that lie in a file, read when they are asked for; and the temporary files that some have to lie in."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.errors import InputError
from overflowscope.reading.origin import Stamp, changed, size_of, stamp

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

IN_MEMORY = 2**25
"""Up to so many bytes of float64 are held in memory."""
TILE = 2**21
"""So many numbers are transposed at a time."""
WRITTEN = 2**20
"""So many bytes are written to a temporary file at a time."""
FLOAT64 = np.dtype(np.float64).str


@dataclass(frozen=True)
class Stored:
    """Rows in a file, from byte ``offset`` on, row by row: ``[start:stop]`` reads these as float64, (rows, classes).

    ``dtype`` is NumPy's code, or the name of a format that NumPy lacks. Every slice opens the file at ``path`` and
    raises InputError unless it is the one that was checked, by its ``stamp``. Can be pickled; a temporary file
    stays while the record lives that its maker holds (``spool``).
    """

    path: str
    stamp: Stamp
    offset: int
    dtype: str
    shape: tuple[int, int]
    source: str
    spool: Spool | None = field(default=None, repr=False, compare=False)

    def __getitem__(self, rows: slice, /) -> Floats:
        start, stop, step = rows.indices(self.shape[0])
        assert step == 1
        classes = self.shape[1]
        return self.elements(start * classes, max(start, stop) * classes).reshape(-1, classes)

    def elements(self, start: int, stop: int) -> Floats:
        """The numbers from the start-th to before the stop-th, of all rows in one line."""
        width = itemsize(self.dtype)
        data = bytes_at(self.path, self.stamp, self.offset + start * width, (stop - start) * width, self.source)
        return floats(numbers(data, self.dtype))

    def first(self, rows: int | None) -> Stored:
        """The first so many rows; all if None."""
        return self if rows is None else replace(self, shape=(min(rows, self.shape[0]), self.shape[1]))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "spool": None}


def bytes_at(path: str, seen: Stamp, offset: int, size: int, source: str) -> Bytes:
    """Bytes of the file that had this stamp. Raises InputError where it has another by now, or is gone."""
    data = np.empty(size, np.uint8)
    try:
        with open(path, "rb", buffering=0) as file:
            if stamp(file.fileno()) != seen:
                raise changed(source)
            file.seek(offset)
            left = memoryview(data.data)
            while left:
                if not (n := file.readinto(left)):
                    raise changed(source)
                left = left[n:]
    except OSError as error:
        raise InputError(f"cannot be read any more: {(error.strerror or str(error)).lower()}", source=source) from None
    return data


def itemsize(dtype: str) -> int:
    """Bytes a number."""
    if dtype == "bfloat16":
        return 2
    return formats.named(dtype).dtype.itemsize if dtype in formats.FORMATS else np.dtype(dtype).itemsize


def numbers(data: Bytes, dtype: str) -> NDArray[Any]:
    """The numbers in these bytes, in a dtype of NumPy's own (or of ml_dtypes) that holds each exactly."""
    if dtype == "bfloat16":
        # A bfloat16 is the upper half of a float32.
        return (data.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return data.view(formats.named(dtype).dtype if dtype in formats.FORMATS else dtype)


def floats(array: NDArray[Any]) -> Floats:
    """As float64, rounded to nearest where need be."""
    # A signalling nan would warn when it becomes a quiet one.
    with np.errstate(invalid="ignore"):
        return array.astype(np.float64, copy=False)


class Spool:
    """Bytes put aside: in memory while they are few, then in a temporary file that goes when this object goes.

    Where the system shows open files under /proc, the temporary file has no name from the start, so that nothing is
    left of it even when the process is killed; processes of this machine open it there while this one lives.
    """

    def __init__(self, source: str):
        self.source, self.size, self._pending = source, 0, bytearray()
        self._handle: int | None = None
        self.path = ""

    def write(self, data: Any) -> None:
        """Append bytes or an array. Raises InputError on a full disk."""
        before = len(self._pending)
        self._pending += memoryview(data).cast("B")
        self.size += len(self._pending) - before
        if len(self._pending) > (IN_MEMORY if self._handle is None else WRITTEN):
            self._flush()

    def write_at(self, offset: int, data: Any) -> None:
        """Put bytes or an array at a place in the file."""
        self._flush()
        self._put(memoryview(data).cast("B"), offset)
        self.size = max(self.size, offset + memoryview(data).nbytes)

    def rows(self, shape: tuple[int, int]) -> Floats | Stored:
        """The rows of float64 that were written: an array, or where they lie in the file."""
        if self._handle is None:
            return np.frombuffer(self._pending, np.float64).reshape(shape)
        return self.stored(FLOAT64, shape)

    def stored(self, dtype: str, shape: tuple[int, int]) -> Stored:
        """What was written, now in any case to the file, as rows of these numbers."""
        self._flush()
        assert self._handle is not None
        return Stored(self.path, stamp(self._handle), 0, dtype, shape, self.source, self)

    def _flush(self) -> None:
        if self._handle is None:
            self._open()
        self._put(memoryview(self._pending), self.size - len(self._pending))
        self._pending = bytearray()

    def _open(self) -> None:
        try:
            self._handle, self.path = tempfile.mkstemp(prefix="overflowscope-")
        except OSError as error:
            raise self._full(error) from None
        weakref.finalize(self, _forget, self._handle, self.path, os.getpid())
        shown = f"/proc/{os.getpid()}/fd/{self._handle}"
        if os.path.exists(shown):
            os.unlink(self.path)
            self.path = shown

    def _put(self, left: memoryview, offset: int) -> None:
        assert self._handle is not None
        try:
            os.lseek(self._handle, offset, os.SEEK_SET)
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            raise self._full(error) from None

    def _full(self, error: OSError) -> InputError:
        what = f"{size_of(self.size)} of it cannot be put aside in {_place()}: {(error.strerror or str(error)).lower()}"
        return InputError(what, hint="set TMPDIR to a directory with room, or give a .npy file, which needs none")


def _place() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "a temporary directory"


def _forget(handle: int, path: str, process: int) -> None:
    os.close(handle)
    # A forked process holds a copy of the record, and the file is not its own.
    if os.getpid() == process:
        with contextlib.suppress(OSError):
            os.unlink(path)


def transposed(columns: Stored, leading: tuple[int, ...]) -> Stored:
    """The rows of an array in Fortran's order, of which the file holds column after column: (classes, rows).

    Tile by tile into a temporary file. Within a column the first of the ``leading`` axes varies fastest, and among
    rows the last does.
    """
    classes, rows = columns.shape
    spool = Spool(columns.source)
    wide = min(classes, max(int(TILE**0.5), TILE // rows))
    high = min(rows, max(1, TILE // wide))
    for top in range(0, rows, high):
        bottom = min(top + high, rows)
        targets = np.ravel_multi_index(np.unravel_index(np.arange(top, bottom), leading, order="F"), leading)
        for left in range(0, classes, wide):
            right = min(left + wide, classes)
            if high == rows:
                tile = columns.elements(left * rows, right * rows).reshape(-1, rows)
            else:
                tile = np.stack([columns.elements(k * rows + top, k * rows + bottom) for k in range(left, right)])
            turned = np.ascontiguousarray(tile.T)
            if wide == classes and len(leading) == 1:
                spool.write_at(top * classes * 8, turned)
                continue
            for target, row in zip(targets.tolist(), turned, strict=True):
                spool.write_at((target * classes + left) * 8, row)
    return spool.stored(FLOAT64, (rows, classes))
