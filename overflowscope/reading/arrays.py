"""Arrays of binary numbers, by what a header says of them: refused, or taken as rows of logits or as labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError, unknown
from overflowscope.inputs import MOST, Rows
from overflowscope.reading import stored
from overflowscope.reading.origin import BLOCK, Origin, located
from overflowscope.reading.stored import Spool, Stored, bytes_at, floats, itemsize, numbers, transposed

Labels = NDArray[np.int64]
MOST_AXES = 64
RAW = {2: ("bfloat16",), 1: ("float8_e4m3fn", "float8_e5m2")}
"""Formats that NumPy saves as raw bytes, by their size."""
READ_DTYPES = "float16, float32, float64 and integers are read"


@dataclass(frozen=True)
class Member:
    """An array of a file: what its header says, and where its bytes are.

    ``offset`` counts from the beginning of the file, whose ``origin`` is given where the bytes lie in it as they are;
    ``read`` hands out the next so many of them otherwise, and nothing may come after them where it ``ends``.
    ``dtype`` is as in ``Stored``.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    is_fortran: bool
    source: str
    offset: int = 0
    origin: Origin | None = None
    read: Callable[[int], bytes] | None = None
    ends: bool = False

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * itemsize(self.dtype)

    @property
    def classes(self) -> int:
        return self.shape[-1] if self.shape else 1

    def check_logits(self) -> None:
        """Raises InputError for a shape that holds no rows, or too many numbers."""
        if not self.shape:
            raise InputError("a single number is no row of logits")
        if not self.count:
            raise InputError(f"no logits: the array has shape {self.shape}")
        refuse_too_many(self.count)

    def rows(self) -> Rows:
        """float64 of shape (rows, classes)."""
        with located(where=place(self.name)):
            rows = self.count // self.classes
            # Of an array in Fortran's order the file holds the transpose, row by row.
            shape = (self.classes, rows) if self.is_fortran else (rows, self.classes)
            if self.count * 8 > stored.IN_MEMORY:
                whole = self._stored(shape)
                return transposed(whole, self._leading()) if self.is_fortran else whole
            return floats(self._array()).reshape(rows, self.classes)

    def array(self) -> NDArray[Any]:
        """All of the numbers in memory, in the array's own shape and a dtype that holds each exactly."""
        with located(where=place(self.name)):
            return self._array().reshape(self.shape)

    def labels(self) -> Labels:
        """int64, flattened. Raises InputError for what is no whole number."""
        with located(where=place(self.name)):
            flat = self._array()
        return integers(flat)

    def _leading(self) -> tuple[int, ...]:
        return tuple(n for n in self.shape[:-1] if n > 1) or (1,)

    def _stored(self, shape: tuple[int, int]) -> Stored:
        """The rows of the file as they lie there, or copied to where they can be read again."""
        if self.origin is not None and self.origin.path is not None and self.origin.stamp is not None:
            return Stored(self.origin.path, self.origin.stamp, self.offset, self.dtype, shape, self.source)
        spool = Spool(self.source)
        for block in self._blocks():
            spool.write(block)
        return spool.stored(self.dtype, shape)

    def _array(self) -> NDArray[Any]:
        """All of the numbers, in memory, those of a row together."""
        if self.origin is not None and self.origin.path is not None and self.origin.stamp is not None:
            data = bytes_at(self.origin.path, self.origin.stamp, self.offset, self.size, self.source)
        else:
            # Grown as bytes arrive: the header may have promised more than memory holds.
            held = bytearray()
            for block in self._blocks():
                held += block
            data = np.frombuffer(held, np.uint8) if held else np.empty(0, np.uint8)
        array = numbers(data, self.dtype)
        if not self.is_fortran or not self.count:
            return array
        return array.reshape((*self._leading(), self.classes), order="F").reshape(-1)

    def _blocks(self) -> Iterator[bytes]:
        """The bytes of the array as they come. Raises InputError where there are fewer or more."""
        assert self.read is not None
        left = self.size
        while left:
            if not (block := self.read(min(left, BLOCK))):
                raise promised(self.size, f"{self.size - left}")
            left -= len(block)
            yield block
        if self.ends and self.read(1):
            raise promised(self.size, "more")


def dtype_of(dtype: np.dtype[Any], raw: str | None, masks: bool = False) -> str:
    """The dtype as ``Member`` has it. ``raw`` names the format of numbers that were saved as raw bytes, where known.

    Raises InputError for every dtype but real numbers of 64 bits at most, and bool where ``masks`` are wanted too.
    """
    if dtype.kind in ("iufb" if masks else "iuf") and dtype.itemsize <= 8:
        return str(dtype.str)
    if dtype.hasobject:
        raise InputError("it holds Python objects (a pickle), which are never loaded", hint=READ_DTYPES)
    # NumPy saves the dtypes of ml_dtypes without their names.
    is_raw = dtype.kind == "V" and dtype.names is None and dtype.subdtype is None
    if is_raw and dtype.itemsize in RAW:
        if raw is not None and raw in RAW[dtype.itemsize]:
            itemsize(raw)  # where its package is not there, this says so
            return raw
        names = RAW[dtype.itemsize]
        hint = f"{' or '.join(f'--dtype {n}' for n in names)} alone reads it so, or convert it to float32 before saving"
        raise InputError(f"this looks like {' or '.join(names)} saved as raw bytes", hint=hint)
    name = dtype.name
    if dtype.kind in "SU":
        name = f"{dtype.str} (text)"
    elif dtype.kind == "V":
        # Only the name of arrays of records says nothing.
        name = f"{dtype.str} ({'raw bytes' if is_raw else 'structured'})"
    raise InputError(f"the dtype {name} is not read", hint=READ_DTYPES)


def check_shape(shape: tuple[Any, ...]) -> None:
    """Raises InputError for what is no shape of an array."""
    if len(shape) > MOST_AXES:
        raise InputError(f"an array of {len(shape)} axes is not read", hint=f"{MOST_AXES} is the most")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in shape):
        raise InputError(f"the header is damaged: an array cannot have the shape {brief(shape)}")


def refuse_too_many(count: int) -> None:
    """Raises InputError for more logits than can be measured."""
    if count > MOST:
        shown = f"{count:,}" if count < 10**30 else f"about 10**{len(str(count)) - 1}"
        raise InputError(f"{shown} logits are more than {MOST:,}")


def promised(size: int, held: str) -> InputError:
    return InputError(f"the header promises {size} bytes of data, the file has {held}")


def place(name: str) -> str | None:
    """What messages call an array: nothing where it has no name."""
    return f"array '{brief(name)}'" if name else None


def brief(text: object) -> str:
    """What others wrote, without the dumps of data that some of them end in."""
    return str(text).partition("\n")[0][:80]


def chosen(names: Iterable[str], key: str | None) -> str:
    """The name of the array to read. Raises InputError where it is not there, or none is named and none plain."""
    names = list(names)
    if key is not None:
        if key in names:
            return key
        if names == [""]:
            raise InputError(f"there is no array {key!r}: a .npy file holds one array, without a name")
        raise unknown("array", key, names[:1000])
    others = [name for name in names if name != "labels"]
    if len(others) == 1:
        return others[0]
    if "logits" in others:
        return "logits"
    if not others:
        raise InputError("no logits: the file holds " + ("only labels" if names else "no arrays"))
    hint = f"choose one by its key: {', '.join(map(brief, others[:20]))}{', ...' if len(others) > 20 else ''}"
    raise InputError(f"the file holds {len(others)} arrays and none is called logits", hint=hint)


def integers(array: NDArray[Any]) -> Labels:
    """int64, flattened. Raises InputError for inf, nan, fractions and what is beyond int64."""
    flat = array.reshape(-1)
    if flat.dtype.kind != "i" and flat.dtype.kind != "u":
        flat = floats(flat)
        with np.errstate(invalid="ignore"):
            bad = ~((np.trunc(flat) == flat) & (np.abs(flat) < 2.0**63))
    else:
        bad = flat > np.iinfo(np.int64).max
    if bad.any():
        i = int(np.argmax(bad))
        what = "no integer" if flat.dtype.kind == "f" else "beyond int64"
        raise InputError(f"{flat[i]} is {what}", where=f"label {i}")
    return flat.astype(np.int64)
