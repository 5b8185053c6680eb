""".npy files: one array."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from tokenize import TokenError

import numpy as np

from overflowscope.errors import InputError
from overflowscope.reading.arrays import Member, brief, check_shape, dtype_of, promised
from overflowscope.reading.origin import Origin

# What NumPy's reader raises for damaged headers. A MemoryError is how Python's parser reports a full stack.
HEADER_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
    OverflowError,
)


def member(origin: Origin, raw: str | None, masks: bool = False) -> Member:
    """The array of a .npy file, which is at its beginning still. Raises InputError unless it is complete and read."""
    found = parsed(origin.head, "", origin.name, raw, masks)
    if origin.size is not None:
        if origin.size - found.offset != found.size:
            raise promised(found.size, f"{origin.size - found.offset}")
        return replace(found, origin=origin)
    origin.read(found.offset)
    origin.expected = found.offset + found.size
    return replace(found, read=origin.read)


def parsed(head: bytes, name: str, source: str, raw: str | None, masks: bool = False) -> Member:
    """The header in the first bytes, of which there are HEAD where there are so many; ``offset`` is where it ends."""
    # float8_e5m2 is saved by a name that NumPy itself cannot read.
    stream = io.BytesIO(head.replace(b"'descr': '<f1'", b"'descr': '|V1'", 1))
    try:
        with warnings.catch_warnings():
            # Headers that Python 2 wrote are announced by one.
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            elif version in ((2, 0), (3, 0)):
                # 3.0 differs only in the encoding of the names of fields, and arrays of records are refused anyway.
                shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
            else:
                raise ValueError(f"unknown version {version}")
    except HEADER_ERRORS as error:
        raise InputError(f"the .npy header is damaged: {brief(error) or 'it cannot be parsed'}") from None
    check_shape(shape)
    return Member(name, dtype_of(dtype, raw, masks), shape, is_fortran, source, stream.tell())
