"""Rows of numbers as text: CSV, TSV, numpy.savetxt; what is read, what is refused and in which words."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from overflowscope.errors import InputError
from overflowscope.reading import read_labels, read_logits

INF, NAN = math.inf, math.nan


def read(text: str | bytes, **options: Any) -> Any:
    return read_logits("-", stdin=io.BytesIO(text.encode() if isinstance(text, str) else text), **options)


def refused(text: str | bytes, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(text, **options)
    return str(caught.value).removeprefix("<stdin>: ")


@pytest.mark.parametrize(
    ("text", "values", "labels"),
    [
        ("1,2.5\n-3e2,+.5\n", [[1, 2.5], [-300, 0.5]], None),
        ("1,2", [[1, 2]], None),
        ("1;2\n3;4\n", [[1, 2], [3, 4]], None),
        ("1\t2\n3\t4\n", [[1, 2], [3, 4]], None),
        ("1 2\n3   4\n", [[1, 2], [3, 4]], None),
        ("  1 2\n 30 4\n", [[1, 2], [30, 4]], None),
        (" 1 , 2 \n3 ,4", [[1, 2], [3, 4]], None),
        ("inf,-inf,nan\nInfinity,+INF,-nan\n", [[INF, -INF, NAN], [INF, INF, NAN]], None),
        ("\ufeff1,2\r\n3,4\r\n", [[1, 2], [3, 4]], None),
        ("\n1,2\n\n \t\n3,4\n\n\n", [[1, 2], [3, 4]], None),
        ("# made by savetxt\n# a, b\n1 2\n3 4\n", [[1, 2], [3, 4]], None),
        ("a,b\n1,2\n", [[1, 2]], None),
        ('"a b","c,d"\n"1","-2"\n3,"nan"\n', [[1, -2], [3, NAN]], None),
        ("a,b,label\n1,2,1\n3,4,0\n", [[1, 2], [3, 4]], [1, 0]),
        ("Labels;x;y\n1.0;1;2\n-100;3;4\n", [[1, 2], [3, 4]], [1, -100]),
        ("0,1,label\n1,2,1\n", [[1, 2]], [1]),
        ("0,1,2\n3,4,5\n", [[0, 1, 2], [3, 4, 5]], None),
        ("0,1,2", [[0, 1, 2]], None),
        ("0.0,1,2\n3.5,4,5\n", [[0, 1, 2], [3.5, 4, 5]], None),
        ("1e-400,-0.0\n", [[0, -0.0]], None),
    ],
)
def test_rows(text: str, values: Any, labels: list[int] | None) -> None:
    found = read(text)
    np.testing.assert_array_equal(found.values, np.array(values, np.float64))
    assert found.leading == (len(values),)
    assert (found.labels is None) == (labels is None)
    assert labels is None or found.labels.tolist() == labels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2\n3\n", ["1 cell, and line 1 has 2 (line 2)", "give every line as many"]),
        ("1,2\n\n3,4,5\n", ["3 cells, and line 1 has 2 (line 3)"]),
        ("a,b\n1,2,3\n", ["3 cells, and line 1 has 2 (line 2)"]),
        ("1,2\n3,\n", ["an empty cell (line 2, column 2)", "no separator stands at the end"]),
        ("1,2\n,4\n", ["an empty cell (line 2, column 1)"]),
        ("1,2\n,\n", ["an empty cell (line 2, column 1)"]),
        ("1,2\n3,x\n", ["'x' is no number (line 2, column 2)"]),
        ("label,a,b\n0,1,x\n", ["'x' is no number (line 2, column 3)"]),
        ("a,label,b\nx,1,2\n", ["'x' is no number (line 2, column 1)"]),
        ("1,a\n2,3\n", ["'a' is no number (line 1, column 2)"]),
        ("1,2\n3,NA\n", ["'NA' is no number", "nan is written nan"]),
        ("1,2\n3,1_000\n", ["'1_000' is no number (line 2, column 2)"]),
        ("1,2\n3,٣\n", ["'٣' is no number (line 2, column 2)"]),
        ("1,2\n3,\u00a04\n", ["no number (line 2, column 2)"]),
        ("1,2\n3,0x10\n", ["'0x10' is no number"]),
        ("1,2\n3,1e400\n", ["1e400 is beyond float64 (line 2, column 2)", "write inf"]),
        ("1,2\n-inf," + "9" * 5000, ["99999999999999999999... (5000 characters) is beyond float64 (line 2, column 2)"]),
        ("1,5;2,5\n", ["neither JSON nor numbers with commas between them: '1,5' (line 1)"]),
        ("a;b\n1,5;2,5\n", ["'1,5' is no number (line 2, column 1)", "decimals with a point"]),
        ("a|b\n1|5\n", ["'1|5' is no number (line 2, column 1)", "the first line decides"]),
        ("1\n2\n3\n", ["a single number is no row of logits"]),
        ("logit\n2\n3\n", ["each line holds a single number (line 1)", "write the logits of a row on one line"]),
        ("x,label\n2,0\n", ["each line holds a single number (line 1)"]),
        (",0,1\n0,1.5,2\n", ["an empty cell (line 1, column 1)"]),
        (",a,b\n0,1.5,2\n", ["column 1 has no name (line 1)", "to_csv(header=False, index=False)"]),
        ("0,1,2\n3,4.5,5\n", ["the numbers 0 to 2 look like the names of the columns", "(line 1)"]),
        ("a,label,labels\n1,2,3\n", ["2 columns are called label (line 1)"]),
        ("a,b,label\n1,2,0.5\n", ["'0.5' is no integer (line 2, column 3)"]),
        ("a,b,label\n1,2,nan\n", ["'nan' is no integer (line 2, column 3)"]),
        ("a,b,label\n1,2,\n", ["'' is no integer (line 2, column 3)"]),
        ("a,b,label\n1,2,9223372036854775808\n", ["9223372036854775808 is beyond int64 (line 2, column 3)"]),
        ('1,"2\n3",4\n', ["a cell in quotes does not end on its line", "(line 1)"]),
        ('1,"2"x\n', ["a cell in quotes does not end on its line, or goes on behind them (line 1)"]),
        ("hello world\n", ["neither JSON nor numbers with commas between them: 'hello'", "(line 1)"]),
        ("\x1b[31m", [r"neither JSON nor numbers with commas between them: '\x1b[31m'"]),
        ("[red]x,[b]\ny,1\n", ["invalid JSON"]),
        ("x[red],y\n[b]z,1\n", ["'[b]z' is no number (line 2, column 1)"]),
        ("# only\n# comments\n", ["every line is a comment"]),
        (b"1,2\n3,\xff\n", ["neither UTF-8 text", "byte 6"]),
        (b"1,2\n3,\0\n", ["neither UTF-8 text", "byte 6 is zero"]),
        ("1,2\r3,4\r", [r"'2\r3' is no number"]),
    ],
)
def test_refused(text: str | bytes, says: list[str]) -> None:
    message = refused(text)
    for words in says:
        assert words in message
    assert message.isprintable()


def test_a_name_decides_where_it_says_csv(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for text in ("5,6\n7,8\n", "5\t6\n7\t8\n"):
        for name in ("x.csv", "x.TSV", "x.txt", "x"):
            path = tmp_path / name
            path.write_text(text)
            assert read_logits(str(path)).values[0:2].tolist() == [[5, 6], [7, 8]]
    path = tmp_path / "x.csv"
    path.write_text("5\n6\n")
    with pytest.raises(InputError, match="each line holds a single number"):
        read_logits(str(path))
    path.write_text("[[1, 2]]")
    with pytest.raises(InputError, match=r"not a .csv file: it begins with b'\[\[1, 2\]\]', which looks like JSON"):
        read_logits(str(path))
    path = tmp_path / "x.json"
    path.write_text("5,6\n")
    with pytest.raises(InputError, match="invalid JSON"):
        read_logits(str(path))


def test_keys_and_first_rows() -> None:
    assert refused("1,2\n", key="a") == "there is no array 'a': rows of numbers have no names"
    found = read("a,b,label\n1,2,0\n3,4,1\n", max_rows=1)
    assert (found.values.tolist(), found.labels.tolist(), found.leading) == ([[1, 2]], [0], (2,))
    assert refused("1,2\n3,4\n5,x\n", max_rows=1).startswith("'x' is no number (line 3, column 2)")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("label\n3\n1\n", [3, 1]),
        ("1\n2\n3\n", [1, 2, 3]),
        ("1,2,3\n", [1, 2, 3]),
        ("a,label\n0.5,2\n0.5,3.0\n", [2, 3]),
        ("row\n-100\n9223372036854775807\n", [-100, 2**63 - 1]),
    ],
)
def test_labels(tmp_path: Path, text: str, labels: list[int]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert read_labels(str(path)).tolist() == labels
    path.write_text(text + "1.5\n")
    with pytest.raises(InputError):
        read_labels(str(path))


FINITE = st.floats(width=64)


@given(npst.arrays(np.float64, npst.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=5), elements=FINITE))
def test_what_python_and_numpy_write_comes_back(array: Any) -> None:
    plain = np.where(np.isnan(array), NAN, array)
    for separator in (",", ";", "\t", " ", ", "):
        text = "\n".join(separator.join(map(repr, row)) for row in plain.tolist())
        np.testing.assert_array_equal(read(text).values.view(np.uint64), plain.view(np.uint64))
    stream = io.BytesIO()
    np.savetxt(stream, plain, fmt="%.17g", header="of savetxt")
    np.testing.assert_array_equal(read(stream.getvalue()).values, plain)
