"""Input of any size: what is read where it lies, what is put aside, what stays bounded, and what a change does."""

from __future__ import annotations

import errno
import gc
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from overflowscope import sources
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS
from overflowscope.reading import read_labels, read_logits, stored
from overflowscope.reading.stored import Stored

MATRIX = np.random.default_rng(1).standard_normal((60, 7)).astype(np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few numbers count as many."""
    monkeypatch.setattr(stored, "IN_MEMORY", 256)
    monkeypatch.setattr(stored, "WRITTEN", 64)
    monkeypatch.setattr(stored, "TILE", 50)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array))
    return stream.getvalue()


def header(shape: Any, descr: str = "'<f4'", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def tensors(**arrays: Any) -> bytes:
    names, data = {}, b""
    for name, array in arrays.items():
        code = {"f": "F", "i": "I"}[array.dtype.kind] + str(8 * array.itemsize)
        names[name] = {"dtype": code, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(names).encode()
    return struct.pack("<Q", len(text)) + text + data


class Pipe(io.RawIOBase):
    """Hands out a few bytes at a time, and counts them."""

    def __init__(self, data: bytes, forever: bytes = b""):
        self.data, self.forever, self.given = io.BytesIO(data), forever, 0

    def readable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        data = self.data.read(min(n, 1000)) or self.forever[:n]
        self.given += len(data)
        return data


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


KINDS = {
    "npy": npy(MATRIX),
    "big endian": npy(MATRIX.astype(">f8")),
    "fortran": npy(np.asfortranarray(MATRIX)),
    "fortran of 3 axes": npy(np.asfortranarray(MATRIX.reshape(5, 12, 7))),
    "fortran of 5 axes": npy(np.asfortranarray(MATRIX.reshape(5, 1, 2, 6, 7))),
    "npz": (lambda s: (np.savez_compressed(s, a=MATRIX), s.getvalue())[1])(io.BytesIO()),
    "npz in Fortran's order": (lambda s: (np.savez(s, a=np.asfortranarray(MATRIX)), s.getvalue())[1])(io.BytesIO()),
    "safetensors": tensors(a=np.ones(3, np.int8), logits=MATRIX),
    "lines": "".join(json.dumps(row) + "\n" for row in MATRIX.tolist()).encode(),
    "lines of lists": "".join(json.dumps(two) + "\n" for two in MATRIX.reshape(12, 5, 7).tolist()).encode(),
    "csv": "".join(",".join(map(repr, row)) + "\n" for row in MATRIX.tolist()).encode(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("through", ["file", "pipe"])
def test_rows_on_demand_are_the_rows(tmp_path: Path, kind: str, through: str) -> None:
    data = KINDS[kind]
    path = tmp_path / "x"
    path.write_bytes(data)
    found = read_logits(str(path)) if through == "file" else read_logits("-", stdin=Pipe(data))
    assert isinstance(found.values, Stored)
    assert found.values.shape == (60, 7)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    for copy in (found.values, pickle.loads(pickle.dumps(found.values))):
        for start, stop in ((0, 60), (0, 1), (59, 60), (13, 31), (50, 99), (5, 5), (7, 3)):
            rows = copy[start:stop]
            assert rows.dtype == np.float64
            assert rows.flags.c_contiguous
            np.testing.assert_array_equal(rows, MATRIX[start:stop])
    first = read_logits(str(path), max_rows=4).values
    assert first.shape == (4, 7)
    np.testing.assert_array_equal(first[2:60], MATRIX[2:4])


@pytest.mark.parametrize("tile", [1, 7, 33, 60, 10**6])
@pytest.mark.parametrize("shape", [(60, 7), (7, 60), (3, 4, 35), (420, 1), (1, 420), (420,)])
def test_transposing_by_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int, shape: Any) -> None:
    monkeypatch.setattr(stored, "TILE", tile)
    array = np.arange(420, dtype=">i4").reshape(shape)
    path = tmp_path / "x.npy"
    path.write_bytes(header(shape, "'>i4'", "True") + array.tobytes(order="F"))
    found = read_logits(str(path))
    np.testing.assert_array_equal(found.values[0:1000], array.reshape(-1, shape[-1]))


@pytest.mark.parametrize("kind", ["npz", "safetensors", "reversed safetensors", "lines", "csv"])
def test_labels_beside_rows_on_demand(kind: str) -> None:
    labels = np.arange(60, dtype=np.int16)
    npz = io.BytesIO()
    np.savez(npz, labels=labels, logits=MATRIX)
    rows = list(zip(MATRIX.tolist(), labels.tolist(), strict=True))
    data = {
        "npz": npz.getvalue(),
        "safetensors": tensors(logits=MATRIX, b=labels, labels=labels),
        "reversed safetensors": tensors(labels=labels, b=labels, logits=MATRIX),
        "lines": "".join(json.dumps({"logits": r, "label": i}) + "\n" for r, i in rows).encode(),
        "csv": b"label,a,b,c,d,e,f,g\n" + "".join(f"{i},{','.join(map(repr, r))}\n" for r, i in rows).encode(),
    }[kind]
    found = read_logits("-", stdin=Pipe(data))
    assert isinstance(found.values, Stored)
    np.testing.assert_array_equal(found.values[0:60], MATRIX)
    assert found.labels is not None
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == list(range(60))
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_numbers_saved_as_raw_bytes_are_read_as_what_they_are_said_to_be(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        array = MATRIX.astype(getattr(ml_dtypes, name))
        path = str(tmp_path / f"{name}.npy")
        with open(path, "wb") as file:
            np.save(file, array)
        np.testing.assert_array_equal(read_logits(path, raw=name).values[0:60], array.astype(np.float64))
        for raw in (None, "float32", "bfloat16" if name != "bfloat16" else "float8_e5m2"):
            message = refused(lambda path=path, raw=raw: read_logits(path, raw=raw))
            assert "saved as raw bytes; --dtype " in message
            assert name in message


# Temporary files


def left() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("overflowscope-")}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.parametrize("with_proc", [True, False])
def test_temporary_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_proc: bool) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not with_proc:
        monkeypatch.setattr(stored.os.path, "exists", lambda path: False)
    found = read_logits("-", stdin=Pipe(KINDS["lines"]))
    assert len(left()) == (0 if with_proc and sys.platform == "linux" else 1)
    np.testing.assert_array_equal(found.values[59:60], MATRIX[59:])
    process = multiprocessing.get_context("fork").Process(target=found.values.__getitem__, args=(slice(0, 1),))
    process.start()
    process.join()
    assert process.exitcode == 0
    if not (child := os.fork()):
        del found
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    np.testing.assert_array_equal(found.values[59:60], MATRIX[59:])
    del found
    gc.collect()
    assert not left()
    assert "line 61" in refused(lambda: read_logits("-", stdin=Pipe(KINDS["lines"] + b"[1,2")))
    gc.collect()
    assert not left()


def test_a_pickled_record_is_small_and_owns_nothing() -> None:
    values = read_logits("-", stdin=Pipe(KINDS["lines"])).values
    assert isinstance(values, Stored)
    assert values.spool is not None
    data = pickle.dumps(values)
    assert pickle.loads(data).spool is None
    assert pickle.loads(data) == values
    assert len(data) < 400


def _sum(rows: Any) -> float:
    return float(rows[0:60].sum())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_what_was_put_aside(method: str) -> None:
    found = read_logits("-", stdin=Pipe(KINDS["csv"]))
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_sum, (found.values,)) == float(MATRIX.astype(np.float64).sum())


def test_nothing_is_left_when_the_process_is_killed(tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc")
    code = (
        "import io, os, signal, sys\nfrom overflowscope.reading import read_logits, stored\nstored.IN_MEMORY = 64\n"
        "found = read_logits('-', stdin=io.BytesIO(b'[1, 2, 3]\\n' * 100))\nassert found.values[99:100].sum() == 6\n"
        "os.kill(os.getpid(), int(sys.argv[1]))"
    )
    for number in (2, 15, 9):
        done = subprocess.run(
            [sys.executable, "-c", code, str(number)], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False,
            capture_output=True,
        )  # fmt: skip
        assert done.returncode != 0
        assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stored.os, "write", full)
    message = refused(lambda: read_logits("-", stdin=Pipe(KINDS["lines"])))
    assert f"cannot be put aside in {tmp_path}: no space left on device; set TMPDIR to a directory with room" in message
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_no_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    message = refused(lambda: read_logits("-", stdin=Pipe(KINDS["csv"])))
    assert f"cannot be put aside in {tmp_path / 'none'}: no such file or directory" in message


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom overflowscope import cli\nfrom overflowscope.reading import stored\n"
        "stored.IN_MEMORY = 64\nresource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\ncli.run(['compare', '-'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"[1, 2, 3]\n" * 1000, capture_output=True, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"cannot be put aside in {tmp_path}: file too large; set TMPDIR".encode() in done.stderr
    assert not list(tmp_path.iterdir())


# Files that change


@pytest.mark.parametrize("change", ["shrunk", "grown", "rewritten", "replaced", "gone"])
def test_a_file_that_changes_is_no_wrong_number(tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(KINDS["npy"])
    source = sources.given(read_logits(str(path)), 0)
    np.testing.assert_array_equal(source.logits(range(3, 5), FORMATS["float64"]), MATRIX[3:5])
    if change == "shrunk":
        os.truncate(path, 700)
    elif change == "grown":
        path.write_bytes(KINDS["npy"] + b"1")
    elif change == "rewritten":
        path.write_bytes(KINDS["npy"])
        os.utime(path, ns=(1, 1))
    elif change == "replaced":
        (tmp_path / "y").write_bytes(KINDS["npy"])
        os.replace(tmp_path / "y", path)
    else:
        path.unlink()
    message = refused(lambda: source.logits(range(3, 5), FORMATS["float64"]))
    assert message.startswith(f"{path}: ")
    assert ("cannot be read any more" if change == "gone" else "the file has changed since it was opened") in message


def test_a_file_that_ends_early_though_its_stamp_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(KINDS["npy"])
    found = read_logits(str(path))
    os.truncate(path, 700)
    assert isinstance(found.values, Stored)
    monkeypatch.setattr(stored, "stamp", lambda handle: found.values.stamp)
    assert "the file has changed since it was opened" in refused(lambda: found.values[40:60])


def test_a_file_that_changes_while_it_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(KINDS["npy"])
    original = sys.modules["overflowscope.reading.npy"].member

    def growing(origin: Any, *options: Any) -> Any:
        member = original(origin, *options)
        with open(path, "ab") as file:
            file.write(b"more")
        return member

    monkeypatch.setattr("overflowscope.reading.npy.member", growing)
    assert "the file has changed since it was opened" in refused(lambda: read_logits(str(path)))


# What would never end, or not fit


def test_what_never_ends_is_refused_early() -> None:
    for forever, says in (
        (b"\0" * 5000, "neither UTF-8 text nor"),
        (b"\xff\xfe" * 500, "UTF-16"),
        (b"hello\n" * 900, "'hello' is no number (line 2, column 1)"),
        (b"1\n" * 900, "a single number is no row of logits (line 1)"),
        (b"x" * 900, "a line of more than 97.66 KiB"),
        (b"[" * 900, "a JSON document is read whole, up to 97.66 KiB, and this is more"),
        (b"[1,\n" * 900, "a JSON document is read whole"),
        (b" \n" * 900, "nothing but white space"),
    ):
        pipe = Pipe(b"", forever)
        if forever.startswith(b" "):
            pipe = Pipe(forever * 100)
        message = refused(lambda pipe=pipe: read_logits("-", stdin=pipe, max_bytes=100_000))
        assert says in message
        assert pipe.given < 3_000_000


def test_what_never_ends_after_a_header_that_does() -> None:
    for data in (npy(MATRIX), tensors(logits=MATRIX)):
        pipe = Pipe(data, bytes(1000))
        assert "promises" in refused(lambda pipe=pipe: read_logits("-", stdin=pipe))
        assert pipe.given < 3_000_000
        for cut in (len(data) - 1, len(data) - MATRIX.nbytes):
            pipe = Pipe(data[:cut])
            assert "promises" in refused(lambda pipe=pipe: read_logits("-", stdin=pipe))
    cut = tensors(logits=MATRIX, z=MATRIX)[:-1]
    assert "promises" in refused(lambda: read_logits("-", stdin=Pipe(cut)))


@pytest.mark.parametrize("through", ["file", "pipe"])
@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((10**15,), "1,000,000,000,000,000 logits are more than 1,000,000,000,000"),
        ((10**6, 10**6 + 1), "1,000,001,000,000 logits are more than 1,000,000,000,000"),
        ((2**62, 2**62, 2**62), "logits are more than 1,000,000,000,000"),
        ((2**63,), "an array cannot have the shape"),
        ((1,) * 65, "an array of 65 axes is not read; 64 is the most"),
        ((10**12,), "the header promises 4000000000000 bytes of data, the file has 8"),
    ],
)
def test_headers_that_promise_too_much(tmp_path: Path, through: str, shape: Any, says: str) -> None:
    data = header(shape) + bytes(8)
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    message = refused(lambda: read_logits(*(["-"] if through == "pipe" else [str(path)]), stdin=Pipe(data)))
    assert says in message or (through == "file" and "the header promises" in message)
    assert len(message) < 400


def test_more_logits_than_can_be_measured_in_a_file_that_has_them(tmp_path: Path) -> None:
    path, head = tmp_path / "x.npy", header((10**12 + 1,), "'|i1'")
    with open(path, "wb") as file:
        file.write(head)
        try:
            file.truncate(len(head) + 10**12 + 1)
        except OSError:
            pytest.skip("no sparse files here")
    assert "1,000,000,000,001 logits are more than 1,000,000,000,000" in refused(lambda: read_logits(str(path)))


def test_64_axes_are_read() -> None:
    data = header((1,) * 62 + (2, 3)) + np.arange(6, dtype="<f4").tobytes()
    assert read_logits("-", stdin=Pipe(data)).values[0:9].tolist() == [[0, 1, 2], [3, 4, 5]]


def bomb(size: int, declared: int | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        member.write(header((size,), "'|i1'"))
        for start in range(0, size, 2**20):
            member.write(bytes(min(2**20, size - start)))
    data = bytearray(stream.getvalue())
    if declared is not None:
        at = data.index(b"PK\x01\x02")
        data[at + 24 : at + 28] = struct.pack("<I", declared)
    return bytes(data)


def test_zip_bombs() -> None:
    size = 2**26
    packed = bomb(size)
    assert len(packed) < 2**17
    limited = {"max_bytes": 2**20}
    assert refused(lambda: read_logits("-", stdin=Pipe(packed), **limited)) == (
        "<stdin>: an array of a .npz file is read whole, up to 1 MiB, and this is 64 MiB (array 'a'); "
        "save it as .npy, or raise --max-bytes"
    )
    assert "damaged or locked" in refused(lambda: read_logits("-", stdin=Pipe(bomb(size, 100)), **limited))
    assert "64 MiB" in refused(lambda: read_logits("-", stdin=Pipe(bomb(size, 2**31)), **limited))
    assert "damaged or locked" in refused(lambda: read_logits("-", stdin=Pipe(bomb(size, 200))))
    assert "damaged or locked" in refused(lambda: read_logits("-", stdin=Pipe(bomb(1000, 999))))
    assert read_logits("-", stdin=Pipe(bomb(1000))).values.shape == (1, 1000)
    for declared in (0, 50):
        data = bomb(1000, declared)
        assert "(array 'a')" in refused(lambda data=data: read_logits("-", stdin=Pipe(data)))
    short = io.BytesIO()
    with zipfile.ZipFile(short, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header((10**7,), "'|i1'") + bytes(10))
    assert "the header promises 10000000 bytes of data, the file has 10" in refused(
        lambda: read_logits("-", stdin=Pipe(short.getvalue()))
    )


def test_an_archive_of_too_many_arrays() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(100):
            archive.writestr(f"{i}{'x' * 60_000}.npy", b"")
    assert "damaged or cut short" in refused(lambda: read_logits("-", stdin=Pipe(stream.getvalue())))


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"a": 1}', '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
     '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
     '{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}',
     '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
     '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
     '{"a": {"dtype": "F32", "shape": [0], "data_offsets": [1, 1]}, '
     '"b": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}}',
     '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}}',
     '{"a": {"dtype": 3, "shape": [1], "data_offsets": [0, 4]}}',
     '{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}',
     '{"a": ' + "9" * 5000 + "}", '{"a":' * 100_000, '{"\ud800": 1}',
     '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": 1}'],
)  # fmt: skip
def test_damaged_headers_of_safetensors(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    message = refused(lambda: read_logits("-", stdin=Pipe(struct.pack("<Q", len(data)) + data + bytes(4))))
    assert "the .safetensors file is damaged: " in message or text in ("[]", "null")
    assert len(message) < 400
    huge = struct.pack("<Q", 2**39) + b"{}" + bytes(20)
    assert "its header would be 549,755,813,888 bytes long" in refused(lambda: read_logits("-", stdin=Pipe(huge)))


def test_labels_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.npy"
    path.write_bytes(npy(np.arange(100)))
    assert read_labels(str(path), max_bytes=1000).tolist() == list(range(100))
    assert "a file of labels is read whole, up to 500 bytes, and this is 928 bytes; raise --max-bytes" in refused(
        lambda: read_labels(str(path), max_bytes=500)
    )
    for forever in (b"1\n", b"[1]\n", b"1,2\n", b"[" * 10, b"label\n"):
        pipe = Pipe(b"", forever * 300)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
        message = refused(lambda: read_labels("-", max_bytes=10**5))
        assert "up to 97.66 KiB, and this is more" in message or "'label' is no integer (line 2" in message
        assert pipe.given < 3_000_000


def test_a_json_document_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(MATRIX.tolist(), indent=1))
    size = path.stat().st_size
    assert read_logits(str(path), max_bytes=size).values.shape == (60, 7)
    message = refused(lambda: read_logits(str(path), max_bytes=size - 1))
    assert "a JSON document is read whole" in message
    assert "write .npy or JSON lines, which are read in blocks, or raise --max-bytes" in message
    lines = tmp_path / "x.jsonl"
    lines.write_bytes(KINDS["lines"])
    longest = max(map(len, KINDS["lines"].split()))
    assert read_logits(str(lines), max_bytes=longest * 7).values.shape == (60, 7)


def test_the_last_line_is_checked_and_named() -> None:
    bad = KINDS["lines"] + b"[1, 2, 3, 4, 5, 6, 1e400]"
    assert "1e400 is beyond float64 (line 61, row 60, column 6)" in refused(lambda: read_logits("-", stdin=Pipe(bad)))
    bad = KINDS["lines"] + b"[1, 2, 3, 4, 5, 6]"
    assert "row 60 has 6 values, row 0 has 7 (line 61)" in refused(lambda: read_logits("-", stdin=Pipe(bad)))
    for byte, says in ((b"\xff", "byte {}"), (b"\0", "byte {} is zero")):
        bad = KINDS["lines"] + b"[1, " + byte + b"]"
        at = says.format(len(KINDS["lines"]) + 4)
        assert f"file ({at})" in refused(lambda bad=bad: read_logits("-", stdin=Pipe(bad)))
    # Two lines that would say something together.
    for two in (b"[1, 2, 3, 4\n5, 6, 7], [1, 2, 3, 4, 5, 6, 7]", b"[1,2,3,4,5,6,7],[1,2,3,4,5,6,7]\n "):
        bad = KINDS["lines"] + two + b"\n"
        assert "(line 61, column " in refused(lambda bad=bad: read_logits("-", stdin=Pipe(bad)))


def test_lines_that_cross_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 7, 100):
        monkeypatch.setattr("overflowscope.reading.origin.BLOCK", size)
        np.testing.assert_array_equal(read_logits("-", stdin=Pipe(KINDS["lines"])).values[0:60], MATRIX)
        np.testing.assert_array_equal(read_logits("-", stdin=Pipe(KINDS["npy"])).values[0:60], MATRIX)


# Places


def test_a_named_pipe(tmp_path: Path) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    writer = subprocess.Popen([sys.executable, "-c", f"open({path!r}, 'wb').write({KINDS['npy']!r})"])
    found = read_logits(path)
    assert writer.wait() == 0
    np.testing.assert_array_equal(found.values[0:60], MATRIX)
    assert found.sha256 == hashlib.sha256(KINDS["npy"]).hexdigest()


@pytest.mark.parametrize(
    ("path", "says"),
    [("/dev/zero", "neither UTF-8 text"), ("/dev/null", "the file is empty"), ("/dev/full", "neither UTF-8 text")],
)
def test_devices(path: str, says: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"no {path}")
    assert says in refused(lambda: read_logits(path))
    assert says in refused(lambda: read_labels(path))


def test_a_terminal() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    try:
        assert "this is a terminal, with nothing to read" in refused(lambda: read_logits(os.ttyname(slave)))
    finally:
        os.close(master)
        os.close(slave)


def test_a_regular_file_that_says_it_is_empty() -> None:
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc")
    assert "line 2" in refused(lambda: read_logits("/proc/self/status"))


def test_a_pipe_that_does_not_wait_is_not_cut_short() -> None:
    class Impatient(Pipe):
        def read(self, n: int = -1) -> Any:
            return super().read(n) or None

    message = refused(lambda: read_logits("-", stdin=Impatient(b"[1, 2]\n[3, 4]\n")))
    assert message == "<stdin>: standard input does not wait for data; give a file, or an ordinary pipe"


def test_a_deleted_file_through_its_descriptor(tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc")
    with open(tmp_path / "x.npy", "w+b") as file:
        file.write(KINDS["npy"])
        file.flush()
        os.unlink(tmp_path / "x.npy")
        found = read_logits(f"/proc/self/fd/{file.fileno()}")
    np.testing.assert_array_equal(found.values[0:60], MATRIX)


# Memory

PEAK = """
import sys
from overflowscope import sources
from overflowscope.formats import FORMATS
from overflowscope.reading import read_logits
source = sources.given(read_logits(sys.argv[1]), 0)
total = sum(len(source.logits(rows, FORMATS["float64"])) for rows in sources.blocks(source))
# ru_maxrss begins with that of the process that forked, VmHWM does not.
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(total, peak)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    array = np.zeros((1000, 2**14), np.float32)
    np.save(tmp_path / "once.npy", array[:500])
    np.save(tmp_path / "twice.npy", array)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(array))
    peaks = {}
    for name in ("once", "twice", "fortran"):
        for pipe in (False, True):
            with open(tmp_path / f"{name}.npy", "rb") as stdin:
                done = subprocess.run(
                    [sys.executable, "-c", PEAK, "-" if pipe else str(tmp_path / f"{name}.npy")],
                    stdin=stdin, capture_output=True, check=True, text=True,
                )  # fmt: skip
            total, peak = map(int, done.stdout.split())
            assert total == (500 if name == "once" else 1000)
            peaks[name, pipe] = peak / 1024
    assert max(peaks.values()) < 140
    assert peaks["twice", False] < peaks["once", False] + 8
    assert peaks["twice", True] < peaks["once", True] + 8
