"""``--impl``: what a person's own function may do, and what becomes of it where it does something else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Refused = Callable[..., str]
Found = Callable[..., Any]

OWN = """\
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def fails(x):
    return deeper(x)


def deeper(x):
    raise ValueError("no\\nsuch \\x1b[31mluck")


def in_numpy(x):
    return np.reshape(x, (7, 7, 7))


def nothing(x):
    softmax(x)


def words(x):
    return "probabilities"


def complex_numbers(x):
    return softmax(x).astype(complex)


def truths(x):
    return x > 0


def objects(x):
    return softmax(x).astype(object)


def dates(x):
    return softmax(x).astype("datetime64[s]")


def ragged(x):
    return [[1.0], [2.0, 3.0]]


def first_row(x):
    return softmax(x)[:1]


def scalar(x):
    return 1.0


def transposed(x):
    return softmax(x).T


def two(x, y):
    return softmax(x)


def leaves(x):
    raise SystemExit(3)


def leaves_with_words(x):
    raise SystemExit("goodbye")


def endless(x):
    return endless(x)


def listed(x):
    return softmax(x).tolist()


def wide(x):
    return softmax(x.astype(np.float64))


def whole(x):
    return (softmax(x) * 0).astype(int)


def talks(x):
    print("TALK")
    return softmax(x)


def overwrites(x):
    result = softmax(x)
    x[:] = 0
    return result


def overwrites_labels(x, labels):
    result = -np.log(softmax(x)[np.arange(len(x)), labels])
    x[:] = np.nan
    labels[:] = 0
    return result


class Model:
    @staticmethod
    def forward(x):
        return softmax(x)


number = 3
"""


@pytest.fixture(autouse=True)
def own(here: Path) -> None:
    (here / "own.py").write_text(OWN)


def line_of(text: str) -> int:
    return OWN.splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("none.py:f", "none.py: no such file"),
        ("none/own.py:f", "none/own.py: no such file"),
        ("own.py:sofmax", "unknown function in own.py 'sofmax'; did you mean softmax?"),
        ("own.py:qqq", "unknown function in own.py 'qqq'; known: "),
        ("own.py:Model.backward", "unknown function in own.py 'Model.backward'"),
        ("own.py", "'own.py' names no function; my.py:function or package.module:function is wanted"),
        ("own.py:", "'own.py:' names no function"),
        (":softmax", "':softmax' names no function"),
        ("", "unknown implementation ''; known: "),
        ("own.py:number", "own.py: number is no function but int"),
        (
            "no_such_module_anywhere:f",
            "no module 'no_such_module_anywhere'; for a file, write its name: my.py:function",
        ),
        ("json.no_such:f", "no module 'json.no_such'"),
        ("numpy:expp", "unknown function in numpy 'expp'; did you mean exp"),
    ],
)
def test_functions_that_are_not_there(refused: Refused, spec: str, message: str) -> None:
    assert refused("compare", "--impl", spec).startswith(message)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("import numpy\n\nraise RuntimeError('not\\ntoday')\n", "RuntimeError: not today", 3),
        ("import no_such_module_anywhere\n", "ModuleNotFoundError: No module named 'no_such_module_anywhere'", 1),
        ("def f(x):\n    return (x\n", "SyntaxError: '(' was never closed", 2),
        ("def f(x):\nreturn x\n", "IndentationError", 2),
        ("x = [][0]", "IndexError: list index out of range", 1),
    ],
)
def test_modules_that_cannot_be_imported(here: Path, refused: Refused, text: str, message: str, line: int) -> None:
    for place, spec in (("bad.py", "bad.py:f"), ("worse", "worse:f")):
        (here / f"{spec.split('.')[0].split(':')[0]}.py").write_text(text)
        said = refused("compare", "--impl", spec)
        assert said.startswith(f"{place} could not be imported: {message}")
        assert said.endswith(f"{place.removesuffix('.py')}.py:{line})")


@pytest.mark.parametrize("text", ["raise SystemExit(7)", "import sys; sys.exit('bye')", "raise SystemExit"])
def test_a_module_that_exits_is_an_error(here: Path, refused: Refused, text: str) -> None:
    (here / "bad.py").write_text(text)
    assert "SystemExit" in refused("compare", "--impl", "bad.py:f")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "own.py:nothing returned nothing, not real numbers"),
        ("words", "own.py:words returned str"),
        ("complex_numbers", "own.py:complex_numbers returned ndarray of complex128, not real numbers"),
        ("truths", "own.py:truths returned ndarray of bool, not real numbers"),
        ("objects", "own.py:objects returned ndarray of object, not real numbers"),
        ("dates", "own.py:dates returned ndarray of datetime64[s], not real numbers"),
        ("ragged", "own.py:ragged returned list, which is no array: ValueError: "),
        ("first_row", "own.py:first_row returned an array of shape (1, 3), not (4, 3)"),
        ("scalar", "own.py:scalar returned an array of shape (), not (4, 3)"),
        ("transposed", "own.py:transposed returned an array of shape (3, 4), not (4, 3)"),
        ("two", "own.py:two failed: TypeError: two() missing 1 required positional argument: 'y'"),
        ("endless", "own.py:endless failed: RecursionError: "),
        ("leaves", "own.py:leaves failed: SystemExit: 3"),
        ("leaves_with_words", "own.py:leaves_with_words failed: SystemExit: goodbye"),
    ],
)
def test_functions_that_do_not_work(logits: Path, refused: Refused, name: str, message: str) -> None:
    assert refused("compare", "logits.npy", "--impl", f"own.py:{name}").startswith(message)


def test_the_place_in_ones_own_file_is_named(logits: Path, refused: Refused) -> None:
    said = refused("compare", "logits.npy", "--impl", "own.py:fails")
    assert said.startswith("own.py:fails failed: ValueError: no such \\x1b[31mluck (")
    assert said.endswith(f"own.py:{line_of(OWN[OWN.index('    raise ValueError') :].splitlines()[0])})")
    said = refused("compare", "logits.npy", "--impl", "own.py:in_numpy")
    assert "ValueError: cannot reshape" in said
    assert said.endswith(f"own.py:{line_of('    return np.reshape(x, (7, 7, 7))')})")


def test_a_failing_function_leaves_the_output_alone(here: Path, logits: Path, refused: Refused) -> None:
    (here / "out.json").write_text("old")
    before = sorted(p.name for p in here.iterdir())
    refused("compare", "logits.npy", "--impl", "own.py:fails", "-o", "out.json")
    refused("compare", "logits.npy", "--impl", "own.py:fails", "-o", "new.json")
    assert (here / "out.json").read_text() == "old"
    assert sorted(p.name for p in here.iterdir() if p.name != "__pycache__") == before


@pytest.mark.parametrize(
    "spec", ["own.py:softmax", "own:softmax", "./own.py:softmax", "own.py:Model.forward", "own.py:listed"]
)
def test_a_function_is_measured_as_the_formulation_that_it_is(logits: Path, found: Found, spec: str) -> None:
    results = found("logits.npy", "--impl", spec, "--op", "softmax", "--formulation", "shifted")["results"]
    assert len(results) == 6
    for ours, own in zip(results[::2], results[1::2], strict=True):
        assert (ours["formulation"], ours["implementation"]) == ("shifted", "numpy")
        assert (own["formulation"], own["implementation"]) == (None, spec)
        # A list of Python's numbers comes back as float64, which holds all of them.
        assert (ours["version"], own["version"]) == (np.__version__, None)
        names = ("formulation", "implementation", "version") + (("returned",) if spec.endswith("listed") else ())
        assert {k: v for k, v in own.items() if k not in names} == {k: v for k, v in ours.items() if k not in names}


def test_an_absolute_path_and_a_neighbour(here: Path, logits: Path, found: Found) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "neighbour.py").write_text("from numpy import exp")
    (here / "sub" / "main.py").write_text(
        "from neighbour import exp\ndef f(x):\n    return exp(x) / exp(x).sum(-1)[:, None]"
    )
    before = sys.path.copy()
    result = found("logits.npy", "--impl", f"{here}/sub/main.py:f", "--dtype", "float32")["results"][3]
    assert result["implementation"] == f"{here}/sub/main.py:f"
    assert result["failures"] == []
    assert sys.path == before


def test_several_functions_stand_last_in_their_operation(logits: Path, found: Found) -> None:
    document = found("logits.npy", "--impl", "own.py:wide", "--impl", "own.py:softmax", "--dtype", "float16,float32")
    rows = [(r["operation"], r["dtype"], r["formulation"] or r["implementation"]) for r in document["results"]]
    names = ["naive", "shifted", "lse", "own.py:wide", "own.py:softmax"]
    assert rows[:10] == [("softmax", d, n) for d in ("float16", "float32") for n in names]
    assert rows[10:] == [("cross_entropy", d, n) for d in ("float16", "float32") for n in names[:3]]


def test_the_dtype_it_returned_is_told(logits: Path, found: Found, invoke: Callable[..., Any]) -> None:
    results = found(
        "logits.npy", "--impl", "own.py:wide", "--impl", "own.py:whole", "--op", "softmax", "--dtype", "float16"
    )
    assert [r["returned"] for r in results["results"]] == ["float16", "float16", "float16", "float64", "int64"]
    assert results["results"][3]["ulp"]["correctly_rounded"] == 1.0
    assert results["results"][4]["failures"] == ["underflow", "row_sums"]
    table = " ".join(invoke("compare", "logits.npy", "--impl", "own.py:wide", "--dtype", "float16").out.split())
    assert "own.py:wide softmax: returned float64; its results were rounded to float16" in table


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_what_it_prints_does_not_reach_standard_output(logits: Path, invoke: Callable[..., Any], form: str) -> None:
    (logits.parent / "prints.py").write_text(f"print('IMPORTED')\n{OWN}")
    quiet = invoke("compare", "logits.npy", "--impl", "own.py:softmax", "--format", form)
    loud = invoke("compare", "logits.npy", "--impl", "prints.py:talks", "--format", form)
    assert (loud.status, loud.err.splitlines()[0]) == (0, "IMPORTED")
    assert "TALK\n" in loud.err
    assert "TALK" not in loud.out
    assert "IMPORTED" not in loud.out
    assert len(loud.out.splitlines()) == len(quiet.out.splitlines())


def test_an_input_that_is_overwritten_disturbs_no_other(logits: Path, found: Found) -> None:
    def others(spec: str, op: str) -> list[Any]:
        results = found("logits.npy", "--impl", spec, "--op", op, "--formulation", "all", "--scale", "1,30")["results"]
        return [r for r in results if r["formulation"]], [r for r in results if not r["formulation"]]

    clean, own = others("own.py:softmax", "softmax")
    disturbed, mine = others("own.py:overwrites", "softmax")
    assert disturbed == clean
    assert [r["ulp"] for r in mine] == [r["ulp"] for r in own]
    by_labels, _ = others("own.py:overwrites_labels", "cross_entropy")
    assert (
        by_labels == found("logits.npy", "--op", "cross_entropy", "--formulation", "all", "--scale", "1,30")["results"]
    )


def test_labels_are_handed_on(here: Path, found: Found) -> None:
    np.save(here / "in.npy", np.array([[3.0, 1, 2], [1, 2, 3], [2, 3, 1]]))
    (here / "labels.json").write_text("[1, -100, 0]")
    (here / "ce.py").write_text(
        "import numpy as np\ndef f(x, labels):\n    assert x.shape == (2, 3) and labels.tolist() == [1, 0]\n"
        "    return np.log(np.exp(x).sum(-1)) - x[np.arange(len(x)), labels]\n"
    )
    arguments = ("in.npy", "--labels", "labels.json", "--op", "cross-entropy", "--dtype", "float64")
    result = found(*arguments, "--impl", "ce.py:f")["results"][-1]
    assert result["implementation"] == "ce.py:f"
    assert (result["failures"], result["rows"]) == ([], 2)
    assert result["ulp"]["max"] < 4


def test_an_interrupt_in_it_is_an_interrupt(here: Path, logits: Path, invoke: Callable[..., Any]) -> None:
    (here / "slow.py").write_text("def f(x): raise KeyboardInterrupt")
    (here / "out.json").write_text("old")
    finished = invoke("compare", "logits.npy", "--impl", "slow.py:f", "-o", "out.json")
    assert (finished.status, finished.out, finished.err) == (130, "", "overflowscope: interrupted\n")
    assert (here / "out.json").read_text() == "old"
    assert not list(here.glob(".over*"))
