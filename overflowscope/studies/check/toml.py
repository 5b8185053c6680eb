"""TOML files: their text, their tables, and the lines in which keys stand."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterable
from typing import Any

from overflowscope.errors import InputError

MOST = 2**24
"""Bytes: a longer file is no configuration."""


def read(path: str) -> str:
    """The text of a file. Raises InputError."""
    try:
        with open(path, "rb") as file:
            given = file.read(MOST + 1)
    except OSError as error:
        what = "there is no such file" if isinstance(error, FileNotFoundError) else f"{error.strerror or error}"
        raise InputError(what, source=path) from None
    if len(given) > MOST:
        raise InputError(f"more than {MOST:,} bytes are no configuration", source=path)
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError as error:
        line = given[: error.start].count(b"\n") + 1
        raise InputError("it is not UTF-8", source=path, where=f"line {line}") from None


def loaded(path: str, text: str) -> dict[str, Any]:
    """The document. Raises InputError, with the line, for what is no TOML, and where nothing here reads it."""
    parser = _parser(path)
    try:
        document: dict[str, Any] = parser.loads(text)
    except RecursionError:
        raise InputError("it is nested too deeply", source=path) from None
    except ValueError as error:
        place = re.fullmatch(r"(.*) \(at (.*)\)", str(error), re.DOTALL)
        what, where = (place[1], place[2]) if place else (str(error), None)
        raise InputError(f"it is no TOML: {what[:1].lower()}{what[1:]}", source=path, where=where) from None
    return document


def _parser(path: str) -> Any:
    """Python's own, which 3.10 has not, or tomli, which it is made of."""
    for name in ("tomllib", "tomli"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    hint = "pip install tomli, or overflowscope[toml]"
    raise InputError("Python 3.10 needs the package tomli to read it", source=path, hint=hint)


class Lines:
    """Where a key stands in the text, as ``line 7``; as far as it can be seen without parsing."""

    HEADER = re.compile(r"\s*\[")
    TABLE = re.compile(r"\s*\[\s*tool\s*\.\s*overflowscope\s*\]")
    CASE = re.compile(r"""\s*\[\[\s*(tool\s*\.\s*overflowscope\s*\.\s*)?["']?cases["']?\s*\]\]""")

    def __init__(self, text: str):
        self.lines = text.splitlines()
        self.cases = [i for i, line in enumerate(self.lines) if self.CASE.match(line)]

    def of(self, key: str, case: int | None = None) -> str | None:
        """The line of a key of a case, counted from 0, else that of its header; without a case, of what stands above
        them all, or of a table."""
        assigned = rf"\s*([\"']?){re.escape(key)}\1\s*[=.]"
        if case is None:
            top = next((i for i, line in enumerate(self.lines) if self.TABLE.match(line)), -1)
            table = rf"\s*\[.*\b{re.escape(key)}[\"']?\s*\]"
            return self._first(self._block(top), assigned) or self._first(range(len(self.lines)), table)
        if case >= len(self.cases):
            return None
        start = self.cases[case]
        return self._first(self._block(start), assigned) or f"line {start + 1}"

    def _block(self, start: int) -> Iterable[int]:
        """The lines below a header, up to the next."""
        for i in range(start + 1, len(self.lines)):
            if self.HEADER.match(self.lines[i]):
                return
            yield i

    def _first(self, numbers: Iterable[int], pattern: str) -> str | None:
        return next((f"line {i + 1}" for i in numbers if re.match(pattern, self.lines[i])), None)
