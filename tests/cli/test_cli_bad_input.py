"""Files and pipes that cannot be used: one line, exit status 2, nothing on standard output."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["the file is empty"]),
        (" \n", ["white space"]),
        ("[[1, 2],\n [3, x]]", ["invalid JSON", "line 2, column 6"]),
        ("[[1, 2]", ["invalid JSON", "line 1, column 8"]),
        ("[[1, 2], [3]]", ["row 1 has 1 value", "row 0 has 2"]),
        ("[[1, 2], 3]", ["mixed", "index 1"]),
        ('[[1, 2], [3, "a"]]', ["'a' is no number", "row 1, column 1"]),
        ("[[1, true]]", ["true is no number", "row 0, column 1"]),
        ("[[1, null]]", ["null is no number", "row 0, column 1"]),
        ('[1, "1e3"]', ["'1e3' is no number", "index 1"]),
        ("[]", ["no logits", "empty"]),
        ("[[]]", ["no logits", "empty"]),
        ("[[], []]", ["no logits", "empty"]),
        ("[[1, 2], [3, 1e400]]", ["1e400 is beyond float64", "row 1, column 1"]),
        ("[[1, -1e400]]", ["-1e400 is beyond float64", "row 0, column 1"]),
        ("3", ["a single number is no row of logits"]),
        ("null", ["null is no row of logits"]),
        ('{"scores": [1]}', ["no key 'logits'", "'scores'"]),
        ('{"logits": [[1, 2], [3, 4]], "labels": [0]}', ["one label for every row", "2 rows have 1"]),
    ],
)
def test_text_that_is_no_logits(here: Path, refused: Refused, text: str, says: list[str]) -> None:
    (here / "in.json").write_text(text)
    from_file = refused("compare", "in.json")
    from_pipe = refused("compare", "-", stdin=text.encode())
    assert from_file.startswith("in.json: ")
    assert from_pipe.startswith("<stdin>: ")
    for words in says:
        assert words in from_file
        assert words in from_pipe or (not text and "nothing came in" in from_pipe)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((0, 3)), "no logits: the array has shape (0, 3)"),
        (np.zeros((3, 0)), "no logits: the array has shape (3, 0)"),
        (np.float64(3), "a single number is no row of logits"),
        (np.ones((2, 2), complex), "complex128 is not read"),
        (np.array([["a", "b"]]), "(text) is not read"),
        (np.array([[b"a", b"b"]]), "(text) is not read"),
        (np.ones((2, 2), bool), "bool is not read"),
        (np.array([[1, {}]], object), "never loaded"),
        (np.zeros(3, "datetime64[s]"), "is not read"),
        (np.zeros(3, [("a", "f4")]), "structured"),
    ],
)
def test_arrays_that_are_no_logits(here: Path, refused: Refused, array: np.ndarray, says: str) -> None:
    np.save(here / "in.npy", array)
    message = refused("compare", "in.npy")
    assert message.startswith("in.npy: ")
    assert says in message


def test_a_pickle_is_not_loaded(here: Path, refused: Refused) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (here / "trapped",))

    for name in ("in.pkl", "in.npy", "in.json"):
        (here / name).write_bytes(pickle.dumps(Trap()))
        assert "never loaded" in refused("compare", name)
    np.save(here / "objects.npy", np.array([Trap()], object))
    assert "never loaded" in refused("compare", "objects.npy")
    assert not (here / "trapped").exists()


def test_damaged_and_misnamed_arrays(here: Path, logits: Path, refused: Refused) -> None:
    data = logits.read_bytes()
    (here / "short.npy").write_bytes(data[:-5])
    assert "the header promises 48 bytes of data, the file has 43" in refused("compare", "short.npy")
    (here / "header.npy").write_bytes(data[:20])
    assert "the .npy header is damaged" in refused("compare", "header.npy")
    (here / "text.npy").write_text("hello world")
    assert "not a .npy file" in refused("compare", "text.npy")
    (here / "json.npy").write_text("[[1, 2]]")
    assert "rename it to end in .json" in refused("compare", "json.npy")


def test_places_that_are_no_file(here: Path, refused: Refused) -> None:
    (here / "folder").mkdir()
    assert refused("compare", "none.npy") == "none.npy: there is no such file"
    assert refused("compare", "folder") == "folder: this is a directory, no file"
    assert refused("compare", "") == ": there is no such file"
    assert "cannot be read" in refused("compare", "x" * 300)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("[0, 3, 0, 0]", ["label 3 is no class of 3", "row 1", "labels run from 0 to 2"]),
        ("[0, 0, 0, -1]", ["label -1 is no class of 3", "row 3"]),
        ("[0, 0.5, 0, 0]", ["0.5 is no integer", "label 1"]),
        ("[0, true, 0, 0]", ["true is no integer", "label 1"]),
        ('[0, "1", 0, 0]', ["'1' is no integer", "label 1"]),
        ("[0, NaN, 0, 0]", ["is no integer", "label 1"]),
        ("[0, 1e400, 0, 0]", ["is no integer", "label 1"]),
        ("[0, 9223372036854775808, 0, 0]", ["beyond int64", "label 1"]),
        ("[-100, -100, -100, -100]", ["every row has the label -100, which is ignored"]),
    ],
)
def test_labels_that_are_no_classes(here: Path, logits: Path, refused: Refused, labels: str, says: list[str]) -> None:
    rows = np.load(logits).tolist()
    (here / "labels.json").write_text(labels)
    (here / "in.json").write_text(f'{{"logits": {rows}, "labels": {labels}}}')
    beside = refused("compare", "in.json", "--op", "cross_entropy")
    given = refused("compare", "logits.npy", "--op", "cross_entropy", "--labels", "labels.json")
    assert beside.startswith("in.json: ")
    assert given.startswith(("labels.json: ", "logits.npy: every row"))
    for words in says:
        assert words in beside
        assert words in given


@pytest.mark.parametrize(
    ("labels", "says"),
    [("[0, 1, 2]", "3 labels for 4 rows"), ("[0, 1, 2, 0, 1]", "5 labels for 4 rows"), ("[]", "no labels"), ("", "")],
)
def test_the_wrong_number_of_labels(here: Path, logits: Path, refused: Refused, labels: str, says: str) -> None:
    (here / "labels.json").write_text(labels)
    message = refused("compare", "logits.npy", "--labels", "labels.json")
    assert message.startswith("labels.json: ")
    assert says in message
    assert "labels.json: " in refused("compare", "--rows", "4", "--labels", "labels.json")


def test_labels_of_logits_that_are_random(here: Path, refused: Refused) -> None:
    (here / "labels.json").write_text("[0, 10]")
    message = refused("compare", "--rows", "2", "--classes", "10", "--labels", "labels.json")
    assert message == "labels.json: label 10 is no class of 10 (row 1); " + (
        "labels run from 0 to 9; --ignore-index skips rows"
    )
    assert refused("compare", "--labels", "none.json") == "none.json: there is no such file"


def test_labels_are_not_looked_at_where_no_operation_takes_them(
    here: Path, logits: Path, found: Callable[..., dict]
) -> None:
    (here / "labels.json").write_text("[99, 99, 99, 99]")
    assert found("logits.npy", "--op", "softmax", "--labels", "labels.json")["input"]["labels"] is None


HOSTILE = {
    "rich": "[red]x[bold]",
    "escape": "\x1b[31mred",
    "newline": "a\nb",
    "return": "a\rb",
    "bell": "a\x07b",
    "c1": "a\x9b31mb",
    "direction": "a\u202eb",
    "undecodable": "a\udcffb",
}
"""Stems of file names that rewrite a terminal, break a line, or are no text."""


@pytest.mark.parametrize("stem", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_in_errors(here: Path, refused: Refused, stem: str) -> None:
    name = stem + ".npy"
    assert refused("compare", name).endswith(".npy: there is no such file")
    assert "there is no such file" in refused("compare", "--labels", name)
    assert "no such file" in refused("compare", "--impl", f"{stem}.py:f")
    assert "unknown implementation" in refused("compare", "--impl", name)
    assert "unknown operation" in refused("compare", "--op", name)
    assert "unknown dtype" in refused("compare", "--dtype", name)
    assert "cannot be written" in refused("compare", "-o", f"none/{name}")
    assert "is no decimal number" in refused("compare", "--scale", name)
    assert "unknown command" in refused(name)
    assert "No such option" in refused(f"--{name}")
    assert "No such option" in refused("compare", f"--{name}")
    assert "unexpected extra argument" in refused("compare", "in.json", name)
    assert "is not one of" in refused("compare", "--color", name)
    assert refused("compare", "--impl", f"json:{name}").startswith("unknown function in json")
    assert refused("schema", name).startswith("unknown document")


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
@pytest.mark.parametrize("stem", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_in_results(here: Path, invoke: Callable[..., Any], stem: str, form: str) -> None:
    try:
        (here / f"{stem}.json").write_text("[[0, 0], [100, 0]]")
        (here / f"{stem}.py").write_text("import numpy as np\ndef f(x): return np.exp(x) / 0")
    except (OSError, ValueError):
        pytest.skip("the file system has no such names")
    finished = invoke(
        "compare", f"{stem}.json", "--impl", f"{stem}.py:f", "--op", "softmax", "--dtype", "float16", "--format", form
    )
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.replace("\n", "").isprintable()
    assert finished.out.count(".py:f") == {"table": 2, "markdown": 2, "csv": 2, "json": 2}[form]
    if form in ("table", "markdown"):
        assert finished.out.splitlines()[0].strip("*").endswith(".json: 2 rows x 2 classes")
        assert sum(".py:f" in line for line in finished.out.splitlines()) == 2


def test_rich_markup_in_a_name_is_text(here: Path, logits: Path, invoke: Callable[..., Any]) -> None:
    logits.rename(here / "[red]x[bold].npy")
    for color in ("always", "never"):
        finished = invoke("compare", "[red]x[bold].npy", "--color", color)
        assert "[red]x[bold].npy: 4 rows x 3 classes" in finished.out.splitlines()[0]
    markdown = invoke("compare", "[red]x[bold].npy", "--format", "markdown")
    assert markdown.out.splitlines()[0] == r"**\[red\]x\[bold\].npy: 4 rows x 3 classes, labels from seed**"


@pytest.mark.parametrize("key", ["[red]x", "a\x1b[31mb", "a\nb", "a\u202eb", "x" * 500])
def test_hostile_names_inside_files(here: Path, refused: Refused, key: str) -> None:
    np.savez(here / "in.npz", **{key: np.ones((2, 2), bool)})
    assert "the dtype bool is not read (array '" in refused("compare", "in.npz")
    assert "did you mean" in refused("compare", "in.npz", "--key", key[:-1])
    (here / "in.json").write_text(json.dumps({key: [1]}))
    assert "the object has no key 'logits'; its keys: '" in refused("compare", "in.json")
    (here / "in.csv").write_text(f"{key[0]}{key},b\n1,{key}\n")
    assert "in.csv: " in refused("compare", "in.csv")
    for message in (refused("compare", "in.npz"), refused("compare", "in.json"), refused("compare", "in.csv")):
        assert len(message) < 300


def test_one_bad_line_at_the_end(here: Path, refused: Refused) -> None:
    text = "[1, 2]\n" * 5000
    for bad, says in (
        ("[1, x]", "invalid JSON: Expecting value (line 5001, column 5)"),
        ("[1]", "row 5000 has 1 value, row 0 has 2 (line 5001)"),
        ("[1, 1e400]", "1e400 is beyond float64 (line 5001, row 5000, column 1)"),
    ):
        assert says in refused("compare", "-", "--max-rows", "1", stdin=(text + bad).encode())
    assert "line 5001, column 2" in refused("compare", "-", stdin=b"1,2\n" * 5000 + b"1,x\n")


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "1e9", "2XiB", "", "GiB", "99999999999999999999", "5EiB", "1_0"])
def test_sizes_that_are_none(here: Path, logits: Path, refused: Refused, size: str) -> None:
    assert "'--max-bytes'" in refused("compare", "logits.npy", "--max-bytes", size)


@pytest.mark.parametrize(("size", "fits"), [("900", 0), ("1000", 1), ("1KB", 1), ("1 kib", 1), ("2GiB", 1)])
def test_max_bytes(here: Path, invoke: Callable[..., Any], size: str, fits: int) -> None:
    (here / "in.json").write_text("[[1, 2]]".ljust(1000))
    finished = invoke("compare", "in.json", "--op", "softmax", "--dtype", "float16", "--max-bytes", size)
    assert finished.status == (0 if fits else 2)
    if not fits:
        assert "a JSON document is read whole, up to 900 bytes, and this is 1000 bytes; " in finished.err
    assert "goes with an input file" in invoke("compare", "--max-bytes", "1GB").err
    (here / "labels.json").write_text("[0, 1]")
    refusal = invoke("compare", "--rows", "2", "--labels", "labels.json", "--max-bytes", "3").err
    assert "labels.json: a file of labels is read whole, up to 3 bytes, and this is 6 bytes" in refusal


def test_bfloat16_that_numpy_saved(here: Path, invoke: Callable[..., Any], refused: Refused) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    np.save(here / "in.npy", np.array([[1, 2.5], [3, -4]], ml_dtypes.bfloat16))
    for dtypes in ((), ("--dtype", "float32"), ("--dtype", "bfloat16,float32")):
        assert "this looks like bfloat16 saved as raw bytes; --dtype bfloat16 alone reads it so" in refused(
            "compare", "in.npy", *dtypes
        )
    same = invoke("compare", "in.npy", "--dtype", "bfloat16", "--op", "softmax", "--format", "csv")
    np.save(here / "in.npy", np.array([[1, 2.5], [3, -4]], np.float32))
    assert same == invoke("compare", "in.npy", "--dtype", "bfloat16", "--op", "softmax", "--format", "csv")
    assert same.status == 0
