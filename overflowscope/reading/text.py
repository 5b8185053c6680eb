"""Bytes -> UTF-8 text: whole, or line by line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from overflowscope.errors import InputError
from overflowscope.reading.origin import HEAD, Origin

NO_TEXT = "neither UTF-8 text nor a .npy, .npz or .safetensors file"
BLANK = " \t\r"
INK = re.compile(rb"\S")


def lines(origin: Origin, limit: int) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of the lines that are not blank, without their ends and the byte-order mark of the file.

    Raises InputError for what is no UTF-8, for zero bytes, for a line of more than ``limit`` bytes, and where no
    line is left.
    """
    is_blank = True
    for number, start, line in origin.lines(limit):
        if number == 1 and line.startswith(codecs.BOM_UTF8):
            line = line[3:]
            start += 3
        text = _decoded(line, start).strip(BLANK)
        if text:
            is_blank = False
            yield number, text
    if is_blank:
        raise InputError("the file holds nothing but white space")


def whole(origin: Origin, limit: int, what: str, hint: str | None = None) -> str:
    """All of the text. Raises InputError as ``lines`` does."""
    data = origin.whole(limit, what, hint)
    mark = 3 if data.startswith(codecs.BOM_UTF8) else 0
    del data[:mark]
    text = _decoded(data, mark)
    if not text.strip(BLANK + "\n"):
        raise InputError("the file holds nothing but white space")
    return text


def first_line(origin: Origin, limit: int) -> str | None:
    """The first line that is not blank, where a line follows that is not blank either, and both are of UTF-8.

    Nothing is handed out of the origin yet. None also where they would not end within ``limit`` bytes.
    """
    size = HEAD
    while True:
        data = origin.ahead(size)
        begin = INK.search(data, 3 if data.startswith(codecs.BOM_UTF8) else 0)
        end = data.find(b"\n", begin.start()) if begin else -1
        if begin and end >= 0 and INK.search(data, end):
            return data[begin.start() : end].decode("utf-8", "replace").strip(BLANK)
        if len(data) < size or size > limit:
            return None
        size *= 4


def _decoded(data: bytes | bytearray, start: int) -> str:
    if b"\0" in data:
        raise InputError(NO_TEXT, where=f"byte {start + data.index(0)} is zero")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(NO_TEXT, where=f"byte {start + error.start}") from None
