"""What the first bytes of a file show it to be, and whether its name says the same."""

from __future__ import annotations

import codecs
import json
import os
import re

from overflowscope.errors import InputError

# What the first bytes show: how messages call it, and the ending of such files.
KINDS = {
    "npy": ("a .npy file", ".npy"),
    "zip": ("a zip archive such as .npz", ".npz"),
    "safetensors": ("a .safetensors file", ".safetensors"),
    "JSON": ("JSON", ".json"),
    "text": ("text", None),
    "binary": ("binary data of an unknown kind", None),
}
MARKS = {
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"\x80": "pickle",
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff", b"[\0", b"{\0", b"\0[", b"\0{"), "UTF-16"),
}
JSON_ENDINGS = {".json": "json", ".jsonl": "lines", ".ndjson": "lines"}
CSV_ENDINGS = {".csv": "csv", ".tsv": "csv"}
FIRST_LINE = re.compile(rb"\s*([^\n]*)(\n|$)")


def kind(head: bytes, path: str) -> str:
    """One of npy, zip, safetensors, json, lines (of JSON) and csv; json may turn out to be lines.

    ``head`` is the beginning of the bytes, or all. Numbers in text that are no JSON are csv, unless the name says
    otherwise. Raises InputError for what is known to be something else, or something else than its name says.
    """
    found = _sniffed(head)
    if found == "gzip":
        raise InputError("the file is compressed with gzip", hint="unpack it with gunzip first")
    if found == "pickle":
        raise InputError("the file is a pickle, which is never loaded", hint="save the array with numpy.save")
    if found == "UTF-16":
        raise InputError("the text is in UTF-16 or UTF-32", hint="save it as UTF-8")
    ending = os.path.splitext(path)[1].lower()
    looks, right = KINDS[found]
    is_binary_by_name = ending in (".npy", ".npz", ".safetensors")
    if (is_binary_by_name and ending != right) or (ending in CSV_ENDINGS and found == "JSON"):
        what = f"not a {ending} file: it begins with {head[:8]!r}, which looks like {looks}"
        raise InputError(what, hint=f"rename it to end in {right}" if right else None)
    if found in ("npy", "zip", "safetensors"):
        return found
    if found == "binary":
        _refuse_binary(head)
    if ending in JSON_ENDINGS:
        return JSON_ENDINGS[ending]
    return "csv" if ending in CSV_ENDINGS or (found != "JSON" and not _is_json(head)) else "json"


def _sniffed(head: bytes) -> str:
    # These begin with the length of the header, so the bytes of any other mark can come first.
    if head[5:9] == b"\0\0\0{":
        return "safetensors"
    for mark, found in MARKS.items():
        if head.startswith(mark):
            return found
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:64]
    if start.startswith((b"[", b"{")):
        return "JSON"
    return "text" if start.isascii() and b"\0" not in start else "binary"


def _refuse_binary(head: bytes) -> None:
    """What is no text after all. A character may be cut at the end of the head."""
    what = "neither UTF-8 text nor a .npy, .npz or .safetensors file"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        raise InputError(what, where=f"byte {error.start}") from None
    if b"\0" in head:
        raise InputError(what, where=f"byte {head.index(0)} is zero")


def _is_json(head: bytes) -> bool:
    """Whether the first line that is not blank is a value by itself: a number, null, a string."""
    line = FIRST_LINE.match(head.removeprefix(codecs.BOM_UTF8))
    try:
        json.loads(line[1] if line else b"")
    except (ValueError, RecursionError):
        return False
    return True
