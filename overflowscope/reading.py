"""Files and pipes -> logits and labels. What a file holds is decided by its first bytes, not by its name.

Nothing here unpickles, prints or exits: what cannot be read is an InputError.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import math
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from tokenize import TokenError
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from overflowscope import reading_json
from overflowscope.errors import InputError, unknown
from overflowscope.inputs import Logits

Array = NDArray[Any]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Members = dict[str, Callable[[], Array]]

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
SAFETENSORS_DTYPES = {
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    "BF16": "<u2",
}
READ_DTYPES = "float16, float32, float64 and integers are read"
# What NumPy's reader raises for damaged headers. A MemoryError is how Python's parser reports a full stack.
HEADER_ERRORS = (ValueError, TypeError, LookupError, SyntaxError, TokenError, RecursionError, MemoryError)
ZIP_ERRORS = (BadZipFile, zlib.error, RuntimeError, OSError, EOFError, ValueError)


def read_logits(
    source: str, *, key: str | None = None, max_rows: int | None = None, stdin: BinaryIO | None = None
) -> Logits:
    """The logits in a file, or in ``stdin`` (of the process, if None) where ``source`` is "-".

    Read are JSON, JSON lines, .npy, .npz and .safetensors, of any real dtype up to 64 bits; what cannot be float64
    exactly, such as decimals and integers beyond 2**53, is rounded to nearest. inf and nan are values like others.
    ``key`` names the array in a file that holds several ("logits" if None). Leading axes are flattened into rows,
    and ``leading`` is their shape in the file: (rows,) of a matrix, () of a vector. ``max_rows`` keeps the first
    rows and labels, after all of the file was checked. Labels are those called "labels" beside the logits.

    Raises InputError, with the place, for what cannot be read or is no number, and where there are no logits.
    """
    if max_rows is not None and max_rows < 1:
        raise InputError(f"max_rows is {max_rows}", hint="keep at least 1 row")
    name = "<stdin>" if source == "-" else source
    with _located(source=name):
        data = _bytes(source, stdin)
        values, leading, labels = _logits(data, source, key)
        if labels is not None and len(labels) != len(values):
            raise InputError(f"there must be one label for every row, but the {len(values)} rows have {len(labels)}")
    labels = None if labels is None else labels[:max_rows]
    return Logits(values[:max_rows], labels, leading, name, hashlib.sha256(data).hexdigest())


def read_labels(source: str) -> NDArray[np.int64]:
    """The labels in a file of any of those formats (or standard input, "-"): int64 of shape (labels,), not empty.

    Any shape is flattened. Where the file holds several arrays, it is the one called "labels". Floats are accepted
    where they are whole; negative labels too. Raises InputError for inf, nan, fractions, bool and everything else.
    """
    with _located(source="<stdin>" if source == "-" else source):
        data = _bytes(source, None)
        kind = _kind(data, source)
        if kind == "text":
            labels = reading_json.labels(_text(data), lines=_is_lines(source))
        else:
            members = _members(kind, data)
            labels = _integers(_decoded(members, "labels" if "labels" in members else _chosen(members, None)))
        if not labels.size:
            raise InputError("no labels: the list is empty")
    return labels


@contextlib.contextmanager
def _located(*, source: str | None = None, where: str | None = None) -> Iterator[None]:
    """Adds to an InputError what the code that raised it could not know."""
    try:
        yield
    except InputError as error:
        at = ", ".join(part for part in (where, error.where) if part)
        raise InputError(error.what, source=source, where=at or None, hint=error.hint) from None


def _bytes(source: str, stdin: BinaryIO | None) -> bytes:
    try:
        data = _stream(stdin).read() if source == "-" else _file(source)
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not data:
        raise InputError("the file is empty" if source != "-" else "nothing came in")
    return data


def _stream(stdin: BinaryIO | None) -> BinaryIO:
    if stdin is not None:
        return stdin
    if sys.stdin is None:
        raise InputError("there is no standard input")
    return sys.stdin.buffer


def _file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except OSError:
        if os.path.isdir(path):
            raise InputError("this is a directory, no file") from None
        raise
    except ValueError:
        # For a zero byte, or characters that the file system cannot encode.
        raise InputError("no file can have this name") from None


def _kind(data: bytes, path: str) -> str:
    """One of "npy", "zip", "safetensors", "text"; an InputError for what is known to be another, or not as named."""
    found = _sniffed(data)
    if found == "gzip":
        raise InputError("the file is compressed with gzip", hint="unpack it with gunzip first")
    if found == "pickle":
        raise InputError("the file is a pickle, which is never loaded", hint="save the array with numpy.save")
    if found == "UTF-16":
        raise InputError("the text is in UTF-16 or UTF-32", hint="save it as UTF-8")
    ending = os.path.splitext(path)[1].lower()
    if ending in (".npy", ".npz", ".safetensors") and KINDS[found][1] != ending:
        looks, right = KINDS[found]
        what = f"not a {ending} file: it begins with {data[:8]!r}, which looks like {looks}"
        raise InputError(what, hint=f"rename it to end in {right}" if right else None)
    return found if found in ("npy", "zip", "safetensors") else "text"


def _sniffed(data: bytes) -> str:
    # These begin with the length of the header, so the bytes of any other mark can come first.
    if data[5:9] == b"\0\0\0{":
        return "safetensors"
    for mark, kind in MARKS.items():
        if data.startswith(mark):
            return kind
    start = data[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith((b"[", b"{")):
        return "JSON"
    return "text" if start.isascii() and b"\0" not in start else "binary"


def _logits(data: bytes, path: str, key: str | None) -> tuple[Floats, tuple[int, ...], Labels | None]:
    kind = _kind(data, path)
    if kind == "text":
        return reading_json.logits(_text(data), lines=_is_lines(path), key=key)
    members = _members(kind, data)
    name = _chosen(members, key)
    values = _floats(_decoded(members, name))
    labels = _integers(_decoded(members, "labels")) if "labels" in members and name != "labels" else None
    return values.reshape(-1, values.shape[-1]), values.shape[:-1], labels


def _is_lines(path: str) -> bool:
    return path.lower().endswith((".jsonl", ".ndjson"))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "neither UTF-8 text nor a .npy, .npz or .safetensors file"
        raise InputError(what, where=f"byte {error.start}") from None


def _members(kind: str, data: bytes) -> Members:
    """The arrays in a file by their names, each decoded only when called; a .npy file holds the one called ""."""
    if kind == "npy":
        return {"": partial(_npy, data)}
    return _npz(data) if kind == "zip" else _safetensors(data)


def _chosen(members: Members, key: str | None) -> str:
    if key is not None:
        if key in members:
            return key
        if list(members) == [""]:
            raise InputError(f"there is no array {key!r}: a .npy file holds one array, without a name")
        raise unknown("array", key, members)
    names = [name for name in members if name != "labels"]
    if len(names) == 1:
        return names[0]
    if "logits" in names:
        return "logits"
    if not names:
        raise InputError("no logits: the file holds " + ("only labels" if members else "no arrays"))
    hint = f"choose one by its key: {', '.join(map(_brief, names[:20]))}{', ...' if len(names) > 20 else ''}"
    raise InputError(f"the file holds {len(names)} arrays and none is called logits", hint=hint)


def _decoded(members: Members, name: str) -> Array:
    with _located(where=f"array '{_brief(name)}'" if name else None):
        return members[name]()


def _brief(text: object) -> str:
    """What others wrote, without the dumps of data that some of them end in."""
    return str(text).partition("\n")[0][:80]


def _npz(data: bytes) -> Members:
    try:
        archive = ZipFile(io.BytesIO(data))
    except ZIP_ERRORS:
        raise InputError("the zip archive is damaged or cut short") from None
    files = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not files:
        raise InputError("the zip archive holds no .npy arrays", hint="save arrays with numpy.savez")
    return {info.filename.removesuffix(".npy"): partial(_zipped, archive, info) for info in files}


def _zipped(archive: ZipFile, info: ZipInfo) -> Array:
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise InputError("the zip archive is compressed in another way than numpy.savez does")
    try:
        data = archive.read(info)
    except ZIP_ERRORS as error:
        raise InputError("the zip archive is damaged or locked", hint=_brief(error)) from None
    return _npy(data)


def _npy(data: bytes) -> Array:
    """The array in the bytes of a .npy file, of a dtype that is read; they are checked to be complete."""
    stream = io.BytesIO(data)
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
        raise InputError(f"the .npy header is damaged: {_brief(error) or 'it cannot be parsed'}") from None
    _refuse(dtype)
    promised, held = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if promised != held:
        raise InputError(f"the header promises {promised} bytes of data, the file has {held}")
    try:
        array: Array = np.ndarray(shape, dtype, data, stream.tell(), order="F" if is_fortran else "C")
    except (ValueError, TypeError):
        raise InputError("the .npy header is damaged: an array cannot have its shape") from None
    return array


def _refuse(dtype: np.dtype[Any]) -> None:
    """Raises InputError for every dtype but real numbers of 64 bits at most."""
    if dtype.kind in "iuf" and dtype.itemsize <= 8:
        return
    if dtype.hasobject:
        raise InputError("it holds Python objects (a pickle), which are never loaded", hint=READ_DTYPES)
    if dtype.str[1:] == "V2" and dtype.names is None:
        raise InputError("this looks like bfloat16 saved as raw bytes", hint="convert it to float32 before saving")
    name = dtype.name
    if dtype.kind in "SU":
        name = f"{dtype.str} (text)"
    elif dtype.kind == "V":
        # Only the name of arrays of records says nothing.
        name = f"{dtype.str} ({'raw bytes' if dtype.names is None and dtype.subdtype is None else 'structured'})"
    raise InputError(f"the dtype {name} is not read", hint=READ_DTYPES)


def _safetensors(data: bytes) -> Members:
    try:
        import safetensors
    except ImportError:
        raise InputError("reading .safetensors needs the package safetensors", hint="pip install safetensors") from None
    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        tensors = deserialize(data)
    except safetensors.SafetensorError as error:
        raise InputError(f"the .safetensors file is damaged: {_brief(error)}") from None
    # They come in no particular order.
    tensors.sort(key=lambda tensor: tensor[0])
    return {name: partial(_tensor, parts["dtype"], parts["shape"], parts["data"]) for name, parts in tensors}


def _tensor(dtype: str, shape: list[int], data: bytes) -> Array:
    if dtype not in SAFETENSORS_DTYPES:
        raise InputError(f"the dtype {dtype} is not read", hint=READ_DTYPES.replace("float16", "bfloat16, float16"))
    array = np.frombuffer(data, SAFETENSORS_DTYPES[dtype]).reshape(shape)
    # A bfloat16 is the upper half of a float32.
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array


def _floats(array: Array) -> Floats:
    if array.ndim == 0:
        raise InputError("a single number is no row of logits")
    if array.size == 0:
        raise InputError(f"no logits: the array has shape {array.shape}")
    # A signalling nan would warn when it becomes a quiet one.
    with np.errstate(invalid="ignore"):
        return np.array(array, dtype=np.float64, order="C")


def _integers(array: Array) -> Labels:
    flat = array.reshape(-1)
    if flat.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            flat = flat.astype(np.float64)
            bad = ~((np.trunc(flat) == flat) & (np.abs(flat) < 2.0**63))
    else:
        bad = flat > np.iinfo(np.int64).max
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"{flat[i]} is {'no integer' if flat.dtype.kind == 'f' else 'beyond int64'}", where=f"label {i}"
        )
    return flat.astype(np.int64)
