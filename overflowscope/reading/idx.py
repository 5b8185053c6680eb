"""IDX files, as MNIST and Fashion-MNIST come in: one array of numbers, packed with gzip or not.

Two zero bytes, a code for the numbers, the count of axes; the length of each axis and then the numbers, big-endian.
Source: the page of the MNIST database (LeCun, Cortes, Burges).
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.reading import kinds
from overflowscope.reading.arrays import promised
from overflowscope.reading.origin import BLOCK, Origin, too_large

CODES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8
HINT = "raise --max-bytes"
AGAIN = "copy or download it again"


def array(origin: Origin, limit: int) -> NDArray[Any]:
    """The array, in the dtype and the shape that its header gives; it is not empty.

    Raises InputError for any other file, for one cut short or with more behind it, and for more than ``limit`` bytes,
    packed or unpacked. Nothing is allocated by what a header says.
    """
    is_packed = kinds.MARKS.get(origin.head[:2]) == "gzip"
    data = origin.whole(limit, "an IDX file", HINT)
    if is_packed:
        data = _unpacked(data, limit)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in CODES:
        raise InputError(
            f"not an IDX file: it begins with {bytes(data[:4])!r}",
            hint="IDX, packed with gzip or not, and .npz are read",
        )
    axes, kind = data[3], np.dtype(CODES[data[2]])
    offset = 4 + 4 * axes
    if not 1 <= axes <= MOST_AXES or len(data) < offset:
        raise InputError(f"the IDX header is damaged: {axes} axes in a file of {len(data)} bytes")
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, offset, 4))
    size = math.prod(shape) * kind.itemsize
    if len(data) - offset != size:
        raise promised(size, f"{len(data) - offset}")
    if not size:
        raise InputError(f"no numbers: the array has shape {shape}")
    return np.frombuffer(data, kind, offset=offset).reshape(shape)


def _unpacked(data: bytearray, limit: int) -> bytearray:
    """What is packed in it, never more than ``limit`` bytes."""
    found = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            while block := packed.read(BLOCK):
                found += block
                if len(found) > limit:
                    raise too_large("an IDX file", "more when unpacked", limit, HINT)
    except EOFError:
        raise InputError("the gzip file is cut short", hint=AGAIN) from None
    except (OSError, zlib.error):
        raise InputError("the gzip file is damaged", hint=AGAIN) from None
    return found
