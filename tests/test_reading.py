"""What is read as logits and labels, what is refused and in which words, and that nothing else ever happens."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import pickle
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from overflowscope.errors import InputError
from overflowscope.inputs import Logits
from overflowscope.reading import read_labels, read_logits

File = Callable[[str, "bytes | str"], str]
INF, NAN = math.inf, math.nan


@pytest.fixture
def file(tmp_path: Path) -> File:
    def write(name: str, content: bytes | str) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version=version)
    return stream.getvalue()


def npy_with_header(header: str, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header.encode() + data


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def zipped(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_npy", ".npy"), data)
    return stream.getvalue()


def safetensors_file(*tensors: tuple[str, str, list[int], bytes]) -> bytes:
    header, data = {}, b""
    for name, dtype, shape, part in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def error_of(read: Callable[..., Any], path: str, **options: Any) -> str:
    """The message without the path, which has to come first in it."""
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    name = "<stdin>" if path == "-" else path
    assert message.startswith(f"{name}: ")
    assert caught.value.source == name
    return message.removeprefix(f"{name}: ")


def check(found: Logits, values: Any, leading: tuple[int, ...], labels: list[int] | None = None) -> None:
    rows = found.values[: found.values.shape[0]]
    assert rows.dtype == np.float64
    assert rows.flags.c_contiguous
    assert rows.ndim == 2
    np.testing.assert_array_equal(rows, np.array(values, dtype=np.float64))
    assert found.leading == leading
    if labels is None:
        assert found.labels is None
    else:
        assert found.labels is not None
        assert found.labels.dtype == np.int64
        assert found.labels.tolist() == labels


# JSON


@pytest.mark.parametrize(
    ("text", "values", "leading", "labels"),
    [
        ("[1, 2.5, -3e2]", [[1, 2.5, -300]], (), None),
        ("[7]", [[7]], (), None),
        (" \n[[1, 2], [3, 4], [5, 6]]\n\n", [[1, 2], [3, 4], [5, 6]], (3,), None),
        ("[[1, 2]]", [[1, 2]], (1,), None),
        ("[[[1, 2]], [[3, 4]], [[5, 6]]]", [[1, 2], [3, 4], [5, 6]], (3, 1), None),
        ("[[[[1], [2]], [[3], [4]]]]", [[1], [2], [3], [4]], (1, 2, 2), None),
        ('{"logits": [1, 2]}', [[1, 2]], (), None),
        ('{"logits": [[1, 2], [3, 4]], "labels": [1, -100], "about": {"x": null}}', [[1, 2], [3, 4]], (2,), [1, -100]),
        ('{"logits": [1, 2], "label": 1}', [[1, 2]], (), [1]),
        ('{"logits": [1, 2], "labels": [1.0]}', [[1, 2]], (), [1]),
        ('{"logits": [1, 2], "labels": null}', [[1, 2]], (), None),
        ('{"logits": [[[1], [2]]], "labels": [[3, 4]]}', [[1], [2]], (1, 2), [3, 4]),
        ("[Infinity, -Infinity, NaN, 0]", [[INF, -INF, NAN, 0]], (), None),
        ('["inf", "-inf", "nan", "+inf", "Infinity", "-Infinity"]', [[INF, -INF, NAN, INF, INF, -INF]], (), None),
        ('[["INF", 1], [2, "-iNf"], ["NaN", "+INFINITY"]]', [[INF, 1], [2, -INF], [NAN, INF]], (3,), None),
        ("[1e308, 1e-400, -0.0]", [[1e308, 0, -0.0]], (), None),
        (f"[{2**70 + 1}, {10**300}]", [[2.0**70, 1e300]], (), None),
        ('{"logits": [1, 2], "other": [1e400, ' + "9" * 5000 + "]}", [[1, 2]], (), None),
        ("\ufeff[1, 2]", [[1, 2]], (), None),
    ],
)
def test_json(file: File, text: str, values: Any, leading: tuple[int, ...], labels: list[int] | None) -> None:
    path = file("x.json", text)
    found = read_logits(path)
    check(found, values, leading, labels)
    assert found.source == path
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_negative_zero_keeps_its_sign(file: File) -> None:
    assert np.signbit(read_logits(file("x.json", "[-0.0, 0.0]")).values).tolist() == [[True, False]]


def test_json_under_another_key(file: File) -> None:
    path = file("x.json", '{"logits": [1], "scores": [[2, 3]], "labels": [9]}')
    check(read_logits(path, key="scores"), [[2, 3]], (1,), [9])
    assert error_of(read_logits, path, key="nothing") == (
        "the object has no key 'nothing'; its keys: 'logits', 'scores', 'labels'"
    )
    check(read_logits(path, key="labels"), [[9]], ())
    check(read_logits(file("y.json", '{"labels": [9, 8], "label": 1}'), key="labels"), [[9, 8]], (), [1])


@pytest.mark.parametrize("name", ["x.jsonl", "x.NDJSON", "x.json", "x"])
@pytest.mark.parametrize(
    ("text", "values", "labels"),
    [
        ("[1, 2]\n[3, 4]\n", [[1, 2], [3, 4]], None),
        ("\n[1, 2]\r\n \t\r\n  [3, NaN]", [[1, 2], [3, NAN]], None),
        ('{"logits": [1, "inf"], "label": 3}\n{"label": 0, "logits": [5, 6], "id": "a"}', [[1, INF], [5, 6]], [3, 0]),
        ('{"logits": [1], "labels": 3}\n{"labels": 4.0, "logits": [5]}', [[1], [5]], [3, 4]),
        ('{"logits": [1], "labels": [3]}\n{"logits": [5], "labels": [4]}', [[1], [5]], [3, 4]),
        ('[1]\n{"logits": [2]}', [[1], [2]], None),
    ],
)
def test_json_lines(file: File, name: str, text: str, values: Any, labels: list[int] | None) -> None:
    check(read_logits(file(name, text)), values, (2,), labels)


def test_one_line_is_a_matrix_only_by_its_ending(file: File) -> None:
    check(read_logits(file("x.jsonl", "[1, 2]\n")), [[1, 2]], (1,))
    check(read_logits(file("x.NDJSON", "[1, 2]\n")), [[1, 2]], (1,))
    check(read_logits(file("x.json", "[1, 2]\n")), [[1, 2]], ())


def test_separators_of_lines_inside_strings_do_not_split(file: File) -> None:
    text = '{"id": "a\u2028b\u0085c", "logits": [1]}\n{"logits": [2]}\n'
    check(read_logits(file("x.jsonl", text)), [[1], [2]], (2,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 1e400]", "1e400 is beyond float64 (index 1)"),
        ('[[1, 2], [3, -1E+999], ["inf", 5]]', "-1E+999 is beyond float64 (row 1, column 1)"),
        ('[["inf", 5], [1e400, 6]]', "1e400 is beyond float64 (row 1, column 0)"),
        (f"[[1], [{10**400}]]", "10000000000000000000... (401 characters) is beyond float64 (row 1, column 0)"),
        ("[1, -" + "9" * 5000 + "]", "-9999999999999999999... (5001 characters) is beyond float64 (index 1)"),
        (
            "[1]\n[" + "9" * 5000 + "]",
            "99999999999999999999... (5000 characters) is beyond float64 (line 2, row 1, column 0)",
        ),
        ('[1, "1e3"]', "'1e3' is no number (index 1); in quotes, only inf, -inf and nan are read"),
        ('[[1, 2], [3, ""]]', "'' is no number (row 1, column 1)"),
        ("[[1, 2], [true, 3]]", "true is no number (row 1, column 0)"),
        ("[[1, 2], [3, false]]", "false is no number (row 1, column 1)"),
        ("[null]", "null is no number (index 0)"),
        ('[[1], [{"a": 1}]]', "an object is no number (row 1, column 0)"),
        ('[{"logits": [1]}]', "an object is no number (index 0)"),
        ("[[[1, 2], [3, null]]]", "null is no number (row (0, 1), column 1)"),
        ("[1]\n[true]", "true is no number (line 2, row 1, column 0)"),
        ("[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3]]", "row 2 has 3 values, row 0 has 4; give every row as many values"),
        ("[[1, 2], [3]]", "row 1 has 1 value, row 0 has 2"),
        ("[[1], []]", "row 1 has 0 values, row 0 has 1"),
        ("[[[1, 2]], [[3, 4], [5, 6]]]", "row 1 has 2 lists, row 0 has 1"),
        ("[[[1], [2]], [[3], [4, 5]]]", "row (1, 1) has 2 values, row (0, 0) has 1"),
        ("[1, 2]\n[3]", "row 1 has 1 value, row 0 has 2"),
        ("[1, [2]]", "lists and single values are mixed (index 1)"),
        ("[[1, 2], [3, [4]]]", "lists and single values are mixed (row 1, column 1)"),
        ("[[1], [[2]]]", "lists and single values are mixed (row 1, column 0)"),
        ("[]", "no logits: the list is empty"),
        ('{"logits": []}', "no logits: the list is empty"),
        ("[[], []]", "no logits: row 0 is empty"),
        ("[[[], []]]", "no logits: row (0, 0) is empty"),
        ("3", "a single number is no row of logits; a vector is written [1.5, 2.5]"),
        ("NaN", "a single number is no row of logits"),
        ("1e400", "a single number is no row of logits"),
        ("1.5\n2.5\n", "a single number is no row of logits (line 1); a vector is written [1.5, 2.5]"),
        ("null", "null is no row of logits"),
        ('"inf"', "'inf' is no row of logits"),
        ("true", "true is no row of logits"),
        ('{"logits": {"a": 1}}', "an object is no row of logits"),
        ('{"logits": null}', "null is no row of logits"),
        ("{}", "the object has no key 'logits'; it is empty"),
        ('{"scores": [1], "labels": [0]}', "the object has no key 'logits'; its keys: 'scores', 'labels'"),
        (json.dumps({str(i): i for i in range(11)}), "the object has no key 'logits'; its keys: '0', '1', '2', "),
        ('[1]\n{"scores": [1]}', "the object has no key 'logits' (line 2); its keys: 'scores'"),
        ('{"logits": [1], "logits": [2]}', "the key 'logits' appears twice in one object"),
        ('[1]\n\n{"logits": [1], "logits": [2]}', "the key 'logits' appears twice in one object (line 3)"),
        (
            '{"logits": [1], "labels": [1], "label": 1}',
            "the object has both 'labels' and 'label'; its keys: 'logits', ",
        ),
        ("[1, 2", "invalid JSON: Expecting ',' delimiter (line 1, column 6)"),
        ("[1,\n 2,\n x]", "invalid JSON: Expecting value (line 3, column 2)"),
        ("[1, 2]\n\n[3, x]", "invalid JSON: Expecting value (line 3, column 5)"),
        ("[1, 2] [3, 4]", "invalid JSON: more text after the first value (line 1, column 8)"),
        ("[1,\n2]\n[3,\n4]", "invalid JSON: more text after the first value (line 3, column 1)"),
        (
            "1.5, 2.5\n3.5, 4.5\n",
            "invalid JSON: more text after the first value (line 1, column 4); a vector is written",
        ),
        (" \r\n\t", "the file holds nothing but white space"),
        ("\ufeff", "the file holds nothing but white space"),
        ("[" * 200_000, "the JSON is nested too deeply"),
        ('{"a":' * 200_000, "the JSON is nested too deeply"),
        ("[" * 40 + "1" + "]" * 40, "the JSON is nested too deeply"),
        ('{"logits": [[1], [2]], "labels": [0]}', "there must be one label for every row, but the 2 rows have 1"),
        ('{"logits": [1], "labels": []}', "there must be one label for every row, but the 1 row has 0"),
        ('{"logits": [[1], [2]], "labels": [0, 1.5]}', "1.5 is no integer (label 1)"),
        ('{"logits": [1], "labels": [true]}', "true is no integer (label 0)"),
        ('{"logits": [1], "labels": ["1"]}', "'1' is no integer (label 0)"),
        ('{"logits": [1], "labels": [null]}', "null is no integer (label 0)"),
        ('{"logits": [1], "labels": [NaN]}', "NaN is no integer (label 0)"),
        ('{"logits": [1], "labels": [1e400]}', "1e400 is no integer (label 0)"),
        ('{"logits": [1], "labels": [9223372036854775808]}', "9223372036854775808 is beyond int64 (label 0)"),
        ('{"logits": [[1], [2]], "labels": [1, -1e25]}', "-10000000000000000905969664 is beyond int64 (label 1)"),
        ('{"logits": [1], "labels": [[1], 2]}', "lists and single labels are mixed (index 1)"),
        ('{"logits": [1], "labels": [[1, 2], [2]]}', "row 1 has 1 label, row 0 has 2"),
        ('{"logits": [1], "label": 1}\n{"logits": [1]}', "some rows have a label, this one has none (line 2, row 1)"),
    ],
)
def test_json_refused(file: File, text: str, message: str) -> None:
    assert error_of(read_logits, file("x.json", text)).startswith(message)


def test_json_of_the_most_axes(file: File) -> None:
    check(read_logits(file("x.json", "[" * 32 + "1" + "]" * 32)), [[1]], (1,) * 31)
    assert error_of(read_logits, file("x.json", "[" * 33 + "1" + "]" * 33)).startswith("the JSON is nested too deeply")


def test_a_key_needs_an_object(file: File) -> None:
    assert error_of(read_logits, file("x.json", "[1]"), key="a") == "there is no object with a key 'a', only a list"
    assert error_of(read_logits, file("x.json", "[1]\n[2]"), key="a") == (
        "there is no object with a key 'a', only a list (line 1)"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("[1]".encode("utf-16"), "the text is in UTF-16 or UTF-32; save it as UTF-8"),
        ("[1]".encode("utf-16-le"), "the text is in UTF-16 or UTF-32"),
        ("[1]".encode("utf-16-be"), "the text is in UTF-16 or UTF-32"),
        ("{}".encode("utf-32"), "the text is in UTF-16 or UTF-32"),
        (b'{"a": "\xe9", "logits": [1]}', "neither UTF-8 text nor a .npy, .npz or .safetensors file (byte 7)"),
        (b"\x00\x00\x80\x3f\x00\x00\x80\xbf", "neither UTF-8 text nor a .npy, .npz or .safetensors file (byte 2)"),
        (gzip.compress(b"[1, 2]"), "the file is compressed with gzip; unpack it with gunzip first"),
        (pickle.dumps([1.0]), "the file is a pickle, which is never loaded; save the array with numpy.save"),
        (b"", "the file is empty"),
    ],
)
@pytest.mark.parametrize("name", ["x.json", "x.npy"])
def test_bytes_refused(file: File, name: str, data: bytes, message: str) -> None:
    found = error_of(read_logits, file(name, data))
    if name == "x.npy" and message.startswith("neither"):
        assert found.startswith("not a .npy file: it begins with ")
    else:
        assert found.startswith(message)


# .npy


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_npy_dtypes(file: File, kind: str, order: str) -> None:
    array = np.array([[1, 2, 3], [4, 5, 100]], dtype=order + kind)
    check(read_logits(file("x.npy", npy(array))), array, (2,))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions_and_layouts(file: File, version: tuple[int, int]) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    with warnings.catch_warnings():
        # NumPy warns that older readers cannot read these.
        warnings.simplefilter("ignore")
        for stored in (array, np.asfortranarray(array)):
            found = read_logits(file("no_ending", npy(stored, version)))
            check(found, array.reshape(6, 4), (2, 3))
            check(read_logits(file("no_ending", npy(np.asfortranarray(array[0]), version))), array[0], (3,))
    check(read_logits(file("x.NPY", npy(array[0, 0], (1, 0)))), [[0, 1, 2, 3]], ())


def test_npy_specials(file: File) -> None:
    array = np.array([[INF, -INF], [NAN, -0.0]], dtype=">f2")
    found = read_logits(file("x.npy", npy(array)))
    check(found, array, (2,))
    assert np.signbit(found.values[1, 1])


def test_signalling_nan_does_not_warn(file: File) -> None:
    array = np.array([0x7F800001, 0], dtype=np.uint32).view(np.float32)
    assert np.isnan(read_logits(file("x.npy", npy(array))).values[0, 0])
    labels = np.array([0x7F800001], dtype=np.uint32).view(np.float32)
    assert error_of(read_labels, file("y.npy", npy(labels))) == "nan is no integer (label 0)"


def test_npy_header_of_python_2_does_not_warn(file: File) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }\n"
    check(read_logits(file("x.npy", npy_with_header(header, np.array([1.0, 2.0]).tobytes()))), [[1, 2]], ())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([True]), "the dtype bool is not read; float16, float32, float64 and integers are read"),
        (np.array([1j]), "the dtype complex128 is not read"),
        (np.array(["a"]), "the dtype <U1 (text) is not read"),
        (np.array([b"a"]), "the dtype |S1 (text) is not read"),
        (np.array([(1, 2.0)], dtype="i4,f8"), "the dtype |V12 (structured) is not read"),
        (np.array([(1, 2)], dtype="i1,i1"), "the dtype |V2 (structured) is not read"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "the dtype datetime64[D] is not read"),
        (np.array([1], dtype="m8[s]"), "the dtype timedelta64[s] is not read"),
        (np.zeros(2, dtype="V2"), "this looks like bfloat16 saved as raw bytes; --dtype bfloat16 alone reads"),
        (np.zeros(2, dtype="V3"), "the dtype |V3 (raw bytes) is not read"),
        (np.array(3.0), "a single number is no row of logits"),
        (np.zeros((0,)), "no logits: the array has shape (0,)"),
        (np.zeros((0, 5)), "no logits: the array has shape (0, 5)"),
        (np.zeros((5, 0)), "no logits: the array has shape (5, 0)"),
        (np.zeros((2, 0, 5)), "no logits: the array has shape (2, 0, 5)"),
    ],
)
def test_npy_refused(file: File, array: np.ndarray[Any, Any], message: str) -> None:
    assert error_of(read_logits, file("x.npy", npy(array))).startswith(message)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="longdouble is float64 here")
def test_longdouble_refused(file: File) -> None:
    found = error_of(read_logits, file("x.npy", npy(np.zeros(2, dtype=np.longdouble))))
    assert found.startswith(f"the dtype {np.dtype(np.longdouble).name} is not read")


def test_ml_dtypes_arrays_in_npy_are_explained(file: File) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    stream = io.BytesIO()
    np.save(stream, np.ones((2, 3), dtype=ml_dtypes.bfloat16))
    assert error_of(read_logits, file("x.npy", stream.getvalue())).startswith("this looks like bfloat16")


class Trap:
    sprung = False

    @staticmethod
    def spring() -> None:
        Trap.sprung = True

    def __reduce__(self) -> Any:
        return Trap.spring, ()


def test_objects_are_never_unpickled(file: File) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([Trap()], dtype=object), allow_pickle=True)
    data = stream.getvalue()
    message = "it holds Python objects (a pickle), which are never loaded"
    assert error_of(read_logits, file("x.npy", data)).startswith(message)
    assert error_of(read_labels, file("x.npy", data)).startswith(message)
    where = f"{message} (array 'a')"
    assert error_of(read_logits, file("x.npz", zipped(a_npy=data))).startswith(where)
    assert error_of(read_logits, file("x.pkl", pickle.dumps(Trap()))).startswith("the file is a pickle")
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.zeros((2, 3)))[:-1], "the header promises 48 bytes of data, the file has 47"),
        (npy(np.zeros((2, 3)))[:128], "the header promises 48 bytes of data, the file has 0"),
        (npy(np.zeros((2, 3))) + b"\n", "the header promises 48 bytes of data, the file has 49"),
        (npy(np.zeros((2, 3)))[:50], "the .npy header is damaged: "),
        (b"\x93NUMPY", "the .npy header is damaged: "),
        (b"\x93NUMPY\x07\x00" + bytes(100), "the .npy header is damaged: unknown version (7, 0)"),
        (npy_with_header("x" * 20_000), "the .npy header is damaged: "),
        (npy_with_header("nonsense"), "the .npy header is damaged: "),
        (npy_with_header("  x\n y"), "the .npy header is damaged: "),
        (npy_with_header("'''"), "the .npy header is damaged: "),
        (npy_with_header("{[]: 1}"), "the .npy header is damaged: "),
        (
            npy_with_header("{'descr': '<f1', 'fortran_order': False, 'shape': (3,)}"),
            "this looks like float8_e4m3fn or ",
        ),
        (npy_with_header("{'descr': '<f3', 'fortran_order': False, 'shape': (3,)}"), "the .npy header is damaged: "),
        (npy_with_header("{'descr': (), 'fortran_order': False, 'shape': (3,)}"), "the .npy header is damaged: "),
        (
            npy_with_header("{'descr': " + "-" * 9000 + "1, 'fortran_order': False, 'shape': (3,)}"),
            "the .npy header is damaged: ",
        ),
        (npy_with_header("{'descr': " + "1+" * 4000 + "1}"), "the .npy header is damaged: "),
        (
            npy_with_header("{'descr': ('<f8', (3,)), 'fortran_order': False, 'shape': (1,)}", bytes(24)),
            "the dtype |V24 (structured) is not read",
        ),
        (
            npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 1)}", bytes(8)),
            "the header is damaged: an array cannot have the shape (True, 1)",
        ),
        (
            npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
            "the header is damaged: an array cannot have the shape (-1,)",
        ),
        (
            npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", bytes(8)),
            "the header is damaged: an array cannot have the shape (-1, -1)",
        ),
        (
            npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {2**80})}}"),
            f"the header is damaged: an array cannot have the shape (0, {2**80})",
        ),
        (
            npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(1,) * 65}}}", bytes(8)),
            "an array of 65 axes is not read",
        ),
    ],
)
def test_damaged_npy(file: File, data: bytes, message: str) -> None:
    found = error_of(read_logits, file("x.npy", data))
    assert found.startswith(message)
    assert not found.endswith(": ")
    with_place = error_of(read_logits, file("x.npz", zipped(a_npy=data)))
    if data.startswith(b"\x93NUMPY\x01") and len(data) > 10:
        assert with_place.startswith(message.replace("has 49", "has more"))
    assert "(array 'a')" in with_place


def test_key_of_npy_refused(file: File) -> None:
    path = file("x.npy", npy(np.zeros(3)))
    assert error_of(read_logits, path, key="a") == "there is no array 'a': a .npy file holds one array, without a name"


# .npz


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["x.npz", "x"])
def test_npz(file: File, name: str, compressed: bool) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.full((1, 2, 2), INF)
    check(read_logits(file(name, npz(compressed, anything=a))), a, (2,))
    check(read_logits(file(name, npz(compressed, anything=a, labels=np.array([2, 0])))), a, (2,), [2, 0])
    check(read_logits(file(name, npz(compressed, other=b, logits=a, labels=[[-1.0], [2.0]]))), a, (2,), [-1, 2])
    check(read_logits(file(name, npz(compressed, other=b, logits=a, labels=[1, 2])), key="other"), b[0], (1, 2), [1, 2])
    check(read_logits(file(name, npz(compressed, labels=[1, 2])), key="labels"), [[1, 2]], ())


def test_npz_choice_refused(file: File) -> None:
    path = file("x.npz", npz(first=np.zeros(2), second=np.zeros(2)))
    assert error_of(read_logits, path) == (
        "the file holds 2 arrays and none is called logits; choose one by its key: first, second"
    )
    assert error_of(read_logits, path, key="firs") == "unknown array 'firs'; did you mean first?"
    assert error_of(read_logits, path, key="xyz") == "unknown array 'xyz'; known: first, second"
    assert error_of(read_logits, file("y.npz", npz(labels=[1]))) == "no logits: the file holds only labels"
    many = error_of(read_logits, file("z.npz", npz(False, **{f"a{i}": [0.0] for i in range(30)})))
    assert many.endswith("a18, a19, ...")
    long = error_of(read_logits, file("z.npz", zipped(zipfile.ZIP_STORED, **{"a" * 999 + "_npy": npy(True)})))
    assert long == f"the dtype bool is not read (array '{'a' * 80}'); float16, float32, float64 and integers are read"


def test_only_the_chosen_array_is_decoded(file: File) -> None:
    data = zipped(logits_npy=npy([[1.0]]), broken_npy=b"nonsense")
    check(read_logits(file("x.npz", data)), [[1]], (1,))
    assert error_of(read_logits, file("x.npz", data), key="broken").startswith("the .npy header is damaged")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 3], "there must be one label for every row, but the 2 rows have 3"),
        ([1.0, 1.5], "1.5 is no integer (label 1)"),
        ([NAN, 1.0], "nan is no integer (label 0)"),
        ([1.0, -INF], "-inf is no integer (label 1)"),
        ([1.0, 1e19], "1e+19 is no integer (label 1)"),
        (np.array([1, 2**63], dtype=np.uint64), "9223372036854775808 is beyond int64 (label 1)"),
        ([True, False], "the dtype bool is not read (array 'labels')"),
        (["a", "b"], "the dtype <U1 (text) is not read (array 'labels')"),
        ([1j, 1], "the dtype complex128 is not read (array 'labels')"),
    ],
)
def test_npz_labels_refused(file: File, labels: Any, message: str) -> None:
    assert error_of(read_logits, file("x.npz", npz(a=np.zeros((2, 3)), labels=labels))).startswith(message)


def test_damaged_npz(file: File) -> None:
    good = npz(a=np.zeros(100))
    assert error_of(read_logits, file("x.npz", good[:-30])) == "the zip archive is damaged or cut short"
    changed = good.replace(bytes(64), bytes(63) + b"\x01", 1)
    assert error_of(read_logits, file("x.npz", changed)).startswith("the zip archive is damaged or locked (array 'a')")
    deflated = bytearray(npz(True, a=np.arange(100.0)))
    deflated[60:90] = b"\xff" * 30
    assert error_of(read_logits, file("x.npz", bytes(deflated))).startswith("the zip archive is damaged or locked")
    renamed = good.replace(b"a.npy", b"b.npy", 1)
    assert error_of(read_logits, file("x.npz", renamed)).endswith(
        "(array 'a'); File name in directory 'a.npy' and header b'b.npy' differ."
    )
    locked = bytearray(good)
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert error_of(read_logits, file("x.npz", bytes(locked))).startswith("the zip archive is damaged or locked")
    packed = zipped(zipfile.ZIP_BZIP2, a_npy=npy(np.zeros(3)))
    assert error_of(read_logits, file("x.npz", packed)).startswith("the zip archive is compressed in another way")
    for members in ({}, {"data.pkl": b"x"}):
        found = error_of(read_logits, file("x.npz", zipped(zipfile.ZIP_STORED, **members)))
        assert found == "the zip archive holds no .npy arrays; save arrays with numpy.savez"


# .safetensors


@pytest.mark.parametrize("name", ["x.safetensors", "x"])
@pytest.mark.parametrize("kind", ["F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"])
def test_safetensors(file: File, name: str, kind: str) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=f"<{kind[0].lower()}{int(kind[1:]) // 8}")
    labels = ("labels", "I64", [2], np.array([5, -1]).tobytes())
    data = safetensors_file(("any", kind, [2, 3], array.tobytes()), labels)
    check(read_logits(file(name, data)), array, (2,), [5, -1])
    assert read_labels(file(name, data)).tolist() == [5, -1]


def test_safetensors_bfloat16(file: File) -> None:
    upper = np.array([0x3F80, 0xC020, 0x7F80, 0xFF80, 0x7FC0, 0x0001], dtype="<u2")
    found = read_logits(file("x.safetensors", safetensors_file(("a", "BF16", [3, 1, 2], upper.tobytes()))))
    check(found, [[1, -2.5], [INF, -INF], [NAN, 2.0**-133]], (3, 1))


def test_safetensors_of_the_package_itself(file: File) -> None:
    package = pytest.importorskip("safetensors.numpy")
    data = package.save({"logits": np.eye(3), "b": np.zeros(2)}, metadata={"made": "here"})
    check(read_logits(file("x.safetensors", data)), np.eye(3), (3,))
    check(read_logits(file("x.safetensors", data), key="b"), [[0, 0]], ())


def test_safetensors_refused(file: File) -> None:
    good = safetensors_file(("a", "F32", [2], bytes(8)), ("b", "BOOL", [1], b"\1"), ("c", "F8_E8M0", [1], b"\1"))
    assert error_of(read_logits, file("x.safetensors", good)).endswith("choose one by its key: a, b, c")
    assert error_of(read_logits, file("x.safetensors", good), key="b").startswith(
        "the dtype BOOL is not read (array 'b')"
    )
    assert error_of(read_logits, file("x.safetensors", good), key="c").startswith("the dtype F8_E8M0 is not read")
    assert error_of(read_logits, file("x.safetensors", good[:-1])) == (
        "the header promises 10 bytes of data, the file has 9"
    )
    assert error_of(read_logits, file("x.safetensors", good[:30])).startswith("the .safetensors file is damaged: ")
    assert error_of(read_logits, file("x.safetensors", good[:5])).startswith("not a .safetensors file")
    scalar = safetensors_file(("a", "F32", [], bytes(4)))
    assert error_of(read_logits, file("x.safetensors", scalar)) == "a single number is no row of logits"
    empty = safetensors_file(("a", "F32", [3, 0], b""))
    assert error_of(read_logits, file("x.safetensors", empty)) == "no logits: the array has shape (3, 0)"
    assert error_of(read_logits, file("x.safetensors", safetensors_file())) == "no logits: the file holds no arrays"


def test_safetensors_whose_header_length_looks_like_another_mark(file: File) -> None:
    base = len(safetensors_file(("a" * 10, "F32", [2], bytes(8)))) - 16
    data = safetensors_file(("a" * (10 + 0x80 - base), "F32", [2], bytes(8)))
    assert data[:1] == b"\x80"
    check(read_logits(file("x", data)), [[0, 0]], ())


def test_safetensors_without_the_package(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """The format is simple enough to be read without it."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    check(read_logits(file("x.safetensors", safetensors_file(("a", "F32", [2], bytes(8))))), [[0, 0]], ())


# Names, places, pipes


@pytest.mark.parametrize(
    ("name", "data", "begins", "looks"),
    [
        ("x.npy", b"[1, 2, 3]", "[1, 2, 3", "JSON; rename it to end in .json"),
        ("x.npy", b"\xef\xbb\xbf {}", r"\xef\xbb\xbf {}", "JSON; rename it to end in .json"),
        ("x.npz", b"1.5 2.5\n", r"1.5 2.5\n", "text"),
        ("x.npz", npy(np.zeros(2)), r"\x93NUMPY\x01\x00", "a .npy file; rename it to end in .npy"),
        ("x.npy", zipped(), r"PK\x05\x06\x00\x00\x00\x00", "a zip archive such as .npz; rename it to end in .npz"),
        ("x.NPY", b"[1]", "[1]", "JSON; rename it to end in .json"),
        ("x.safetensors", b"\x01\x02\x03\x00", r"\x01\x02\x03\x00", "binary data of an unknown kind"),
        ("x.npy", b"\xfa\xfb", r"\xfa\xfb", "binary data of an unknown kind"),
        (
            "x.npy",
            b"\x09" + bytes(7) + b"{}",
            r"\t" + r"\x00" * 7,
            "a .safetensors file; rename it to end in .safetensors",
        ),
    ],
)
def test_names_that_promise_another_format(file: File, name: str, data: bytes, begins: str, looks: str) -> None:
    message = f"not a {Path(name).suffix.lower()} file: it begins with b'{begins}', which looks like {looks}"
    assert error_of(read_logits, file(name, data)) == message
    assert error_of(read_labels, file(name, data)) == message


def test_content_decides_under_other_names(file: File) -> None:
    check(read_logits(file("x.json", npy([1.0, 2.0]))), [[1, 2]], ())
    check(read_logits(file("x.txt", npz(a=[1.0, 2.0]))), [[1, 2]], ())
    check(read_logits(file("x.npy.txt", "[1, 2]")), [[1, 2]], ())


@pytest.mark.parametrize("read", [read_logits, read_labels])
def test_places_that_cannot_be_read(
    tmp_path: Path, file: File, monkeypatch: pytest.MonkeyPatch, read: Callable[..., Any]
) -> None:
    assert error_of(read, str(tmp_path / "no" / "x.json")) == "there is no such file"
    assert error_of(read, str(tmp_path)) == "this is a directory, no file"
    path = file("x.json", "[1]")

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert error_of(read, path) == "cannot be read: permission denied"


def test_names_that_no_file_has() -> None:
    with pytest.raises(InputError, match="no file can have this name"):
        read_logits("a\0b")


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_logits("-", stdin=io.BytesIO(b"[1, 2]"))
    check(found, [[1, 2]], ())
    assert found.source == "<stdin>"
    assert found.sha256 == hashlib.sha256(b"[1, 2]").hexdigest()
    check(read_logits("-", stdin=io.BytesIO(npy([1.0]))), [[1]], ())
    assert error_of(read_logits, "-", stdin=io.BytesIO()) == "nothing came in"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[[1], [2]]")))
    check(read_logits("-"), [[1], [2]], (2,))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[3, 4]")))
    assert read_labels("-").tolist() == [3, 4]
    monkeypatch.setattr(sys, "stdin", None)
    assert error_of(read_logits, "-") == "there is no standard input"


def test_max_rows(file: File) -> None:
    path = file("x.json", '{"logits": [[1], [2], [3]], "labels": [4, 5, 6]}')
    check(read_logits(path, max_rows=2), [[1], [2]], (3,), [4, 5])
    check(read_logits(path, max_rows=99), [[1], [2], [3]], (3,), [4, 5, 6])
    check(read_logits(file("x.npy", npy(np.ones((2, 2, 5)))), max_rows=3), np.ones((3, 5)), (2, 2))
    with pytest.raises(InputError, match=r"^max_rows is 0; keep at least 1 row$"):
        read_logits(path, max_rows=0)
    beyond = file("y.json", "[[1], [2], [null]]")
    assert error_of(read_logits, beyond, max_rows=1) == "null is no number (row 2, column 0)"


# Labels by themselves


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("x.json", "[1, 0, -100]", [1, 0, -100]),
        ("x.json", "[[1, 2], [3, 4]]", [1, 2, 3, 4]),
        ("x.json", "[1.0, 2e3]", [1, 2000]),
        ("x.json", "7", [7]),
        ("x.json", f"[{2**63 - 1}, {-(2**63)}]", [2**63 - 1, -(2**63)]),
        ("x.json", '{"labels": [1, 2], "logits": [[0], [1]]}', [1, 2]),
        ("x.json", "1\n2\n\n3\n", [1, 2, 3]),
        ("x.jsonl", '{"label": 1}\n{"labels": 2}\n', [1, 2]),
        ("x.npy", npy(np.array([3, 1], dtype=">i2")), [3, 1]),
        ("x.npy", npy(np.array([[3, 1], [0, 2]], order="F")), [3, 1, 0, 2]),
        ("x.npy", npy(np.array([3.0, -1.0], dtype=np.float16)), [3, -1]),
        ("x.npy", npy(np.array(3)), [3]),
        ("x.npz", npz(labels=[1, 2], logits=np.zeros((2, 2))), [1, 2]),
        ("x.npz", npz(anything=np.array([1, 2], dtype=np.uint64)), [1, 2]),
    ],
)
def test_labels(file: File, name: str, content: bytes | str, labels: list[int]) -> None:
    found = read_labels(file(name, content))
    assert found.dtype == np.int64
    assert found.tolist() == labels


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "[]", "no labels: the list is empty"),
        ("x.npy", npy(np.zeros((0, 3), dtype=np.int64)), "no labels: the list is empty"),
        ("x.json", "[1, 2.5]", "2.5 is no integer (label 1)"),
        ("x.json", "[Infinity]", "Infinity is no integer (label 0)"),
        ("x.json", "[1, -1e999]", "-1e999 is no integer (label 1)"),
        ("x.json", "[" + "9" * 5000 + "]", "99999999999999999999... (5000 characters) is no integer (label 0)"),
        ("x.json", "[true]", "true is no integer (label 0)"),
        ("x.json", "null", "null is no integer (label 0)"),
        ("x.json", '["1"]', "'1' is no integer (label 0)"),
        ("x.json", '{"logits": [1]}', "the object has no key 'labels'; its keys: 'logits'"),
        ("x.json", '1\n{"logits": [1]}', "the object has no key 'labels' (line 2)"),
        ("x.json", "[[1, 2], [3]]", "row 1 has 1 label, row 0 has 2; give every row as many labels"),
        ("x.npy", npy(np.array([True])), "the dtype bool is not read"),
        ("x.npy", npy(np.array([1, NAN])), "nan is no integer (label 1)"),
        ("x.npy", npy(np.array([[0.5, 1]])), "0.5 is no integer (label 0)"),
        ("x.npz", npz(a=[1], b=[2]), "the file holds 2 arrays"),
    ],
)
def test_labels_refused(file: File, name: str, content: bytes | str, message: str) -> None:
    assert error_of(read_labels, file(name, content)).startswith(message)


# Anything at all

ARRAYS = npst.arrays(np.float64, npst.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.floats(width=64))


def read_bytes(data: bytes, **options: Any) -> Logits:
    return read_logits("-", stdin=io.BytesIO(data), **options)


@given(ARRAYS)
def test_round_trip_is_bit_equal(array: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    rows = array.reshape(-1, array.shape[-1])
    # JSON has but one nan.
    one_nan = np.where(np.isnan(rows), NAN, rows)
    spelled = json.dumps(array.tolist()).replace("-Infinity", '"-inf"').replace("NaN", '"nan"')
    for data, wanted in (
        (json.dumps(array.tolist()).encode(), one_nan),
        (spelled.encode(), one_nan),
        (npy(array), rows),
        (npy(np.asfortranarray(array.astype(">f8"))), rows),
        (npz(a=array), rows),
        (npz(True, logits=array, b=array), rows),
    ):
        found = read_bytes(data)
        np.testing.assert_array_equal(found.values.view(np.uint64), np.ascontiguousarray(wanted).view(np.uint64))
        assert found.leading == array.shape[:-1]


@given(ARRAYS)
def test_round_trip_through_lines(array: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    rows = array.reshape(-1, array.shape[-1])
    lines = "\n".join(json.dumps({"logits": row, "label": i}) for i, row in enumerate(rows.tolist()))
    if len(rows) == 1:
        check(read_bytes(lines.encode()), rows, (), [0])
    else:
        check(read_bytes(lines.encode()), rows, (len(rows),), list(range(len(rows))))


SEEDS = [
    b'{"logits": [[1.5, -Infinity, "nan"], [1e10, 2, 3]], "labels": [0, 2]}',
    b"[[1, 2], [3, 4]]\n[[1, 2], [3, 4]]",
    b'{"logits": [1, 2], "label": 1}\n{"logits": [3, 4], "label": 0}\n',
    npy(np.arange(6, dtype=np.float32).reshape(2, 3)),
    npy(np.arange(6, dtype=">i8")),
    npz(logits=np.eye(2), labels=[0, 1]),
    npz(True, a=np.ones((3, 3))),
    safetensors_file(("logits", "BF16", [2, 2], bytes(8)), ("labels", "I32", [2], bytes(8))),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(start + 4, len(data))))
        data[start:stop] = draw(st.binary(max_size=4) | st.sampled_from([b"[", b"]", b"1e999", b'"', b",", b"9" * 400]))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(max_examples=400)
@given(
    st.binary(max_size=200) | st.text("[]{},:\"'0123456789.eE+-naNIinfty \n", max_size=60).map(str.encode) | damaged()
)
def test_only_logits_or_input_errors_come_out(data: bytes) -> None:
    try:
        found = read_bytes(data)
    except InputError as error:
        message = str(error)
    else:
        message = "<stdin>: fine"
        assert found.values[:1].dtype == np.float64
        assert found.values[:1].flags.c_contiguous
        assert found.values[:1].size > 0
        assert found.values.shape[0] == math.prod(found.leading)
        assert found.labels is None or (found.labels.dtype == np.int64 and found.labels.shape == found.values.shape[:1])
    assert message.startswith("<stdin>: ")
    assert len(message) < 1000
