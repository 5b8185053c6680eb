""".safetensors files: the length of a header, a header in JSON, and arrays one after another.

Source: the format's description in the documentation of safetensors. It allows no holes and no bytes left over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overflowscope.errors import InputError
from overflowscope.reading.arrays import READ_DTYPES, Member, brief, check_shape, place, promised
from overflowscope.reading.json import decoded
from overflowscope.reading.nested import BeyondFloat64
from overflowscope.reading.origin import BLOCK, Origin, located

DTYPES = {
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
HEADER = 2**24
"""A longer header is refused: this is that of 100,000 arrays."""


def members(origin: Origin) -> dict[str, Callable[[], Member]]:
    """The arrays by their names, in their order in the file; calling one says what and where it is, or refuses it.

    Of a pipe they can only be read in that order.
    """
    header, begin = _header(origin)
    spans = sorted((_span(name, entry), name) for name, entry in header.items() if name != "__metadata__")
    end = 0
    for (start, stop), name in spans:
        if start != end:
            raise _damaged(f"array '{brief(name)}' begins at byte {start} of the data, not at {end}")
        end = stop
    if origin.size is not None and origin.size - begin != end:
        raise promised(end, f"{origin.size - begin}")
    origin.expected = begin + end

    def one(name: str, start: int, stop: int) -> Callable[[], Member]:
        return lambda: _member(origin, begin, name, header[name], start, stop)

    return {name: one(name, start, stop) for (start, stop), name in spans}


def _damaged(what: str) -> InputError:
    return InputError(f"the .safetensors file is damaged: {what}")


def _header(origin: Origin) -> tuple[dict[str, Any], int]:
    """The header, and where the data begin."""
    length = int.from_bytes(origin.read(8), "little")
    if length > HEADER:
        raise _damaged(f"its header would be {length:,} bytes long")
    text = origin.read(length)
    if len(text) < length:
        raise _damaged(f"its header should be {length:,} bytes long, and {len(text):,} are there")
    try:
        header = decoded(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _damaged(f"byte {8 + error.start} of its header is no UTF-8") from None
    except InputError as error:
        raise _damaged(error.what) from None
    except BeyondFloat64:
        raise _damaged("its header holds a number of thousands of digits") from None
    if not isinstance(header, dict):
        raise _damaged("its header is no object")
    return header, 8 + length


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where in the data an array begins and ends. Raises InputError for an entry that says it in no proper way."""
    good = isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}
    if good and isinstance(entry["dtype"], str) and all(isinstance(entry[k], list) for k in ("shape", "data_offsets")):
        numbers = (*entry["shape"], *entry["data_offsets"])
        if len(entry["data_offsets"]) == 2 and all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            start, stop = entry["data_offsets"]
            if start <= stop:
                return start, stop
    raise _damaged(f"the entry of array '{brief(name)}' is none")


def _member(origin: Origin, begin: int, name: str, entry: dict[str, Any], start: int, stop: int) -> Member:
    dtype, shape = entry["dtype"], tuple(entry["shape"])

    def read(n: int) -> bytes:
        while (left := begin + start - origin.position) > 0:
            if not origin.read(min(left, BLOCK)):
                return b""
        return origin.read(min(n, begin + stop - origin.position))

    with located(where=place(name)):
        if dtype not in DTYPES:
            raise InputError(
                f"the dtype {brief(dtype)} is not read", hint=f"bfloat16, float8_e4m3fn, float8_e5m2, {READ_DTYPES}"
            )
        check_shape(shape)
        found = Member(name, DTYPES[dtype], shape, False, origin.name, begin + start, origin, read)
        if found.size != stop - start:
            raise _damaged(f"the shape {shape} of {dtype} is not that of {stop - start} bytes")
        return found
