"""compare --quantity: gradients measured as values are, and what is said of those that cannot be had."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import catalogue, schema
from overflowscope.arithmetic.recording import Recording
from overflowscope.arithmetic.strict import Strict
from overflowscope.formats import FORMATS

Found = Callable[..., Any]


def by_name(document: Any) -> dict[tuple[str, str], Any]:
    return {(r["quantity"], r["formulation"] or r["implementation"]): r for r in document["results"]}


def given(tmp_path: Path, logits: Any, labels: Any) -> Path:
    path = tmp_path / "given.json"
    path.write_text(json.dumps({"logits": logits, "labels": labels}))
    return path


def test_a_fine_loss_whose_gradient_is_not(found: Found, tmp_path: Path) -> None:
    """float16 [0, -12], label 1: the loss is 12.0 but 1/p_y is inf; the truth is (1, -1), rounded."""
    document = found(
        *(given(tmp_path, [[0, -12]], [1]), "--op", "cross_entropy", "--formulation", "all"),
        *("--quantity", "both", "--dtype", "float16"),
    )
    results = by_name(document)
    for name in ("naive", "shifted", "lse", "shifted_lse", "log1p"):
        value, gradient = results["value", name], results["gradient", name]
        assert value["failures"] == []
        assert value["worst"]["got"] == 12.0
        assert gradient["elements"] == 2
        assert gradient["worst"]["index"] in ([0, 0], [0, 1])
        dies = name in ("naive", "shifted")
        assert gradient["failures"] == (["nan", "overflow"] if name == "naive" else ["nan"] if dies else [])
        assert ("backward through log, -1 / 6.13928e-06 overflows float16" in str(gradient["explanation"])) == dies
    assert results["gradient", "naive"]["incidence"]["overflow"] == 1
    assert results["gradient", "shifted"]["incidence"]["nan"] == 2


def test_a_clipped_loss_is_finite_and_its_gradient_0(found: Found, tmp_path: Path) -> None:
    """Where p_y has vanished, -log(p_y + 1e-12) is 27.6 and flat; the truth is -1 at the label and 1 at the maximum."""
    document = found(
        *(given(tmp_path, [[0, -200]], [1]), "--op", "cross_entropy", "--formulation", "clipped"),
        *("--quantity", "both", "--dtype", "float32"),
    )
    results = by_name(document)
    assert results["value", "clipped"]["incidence"]["ok"] == 1
    gradient = results["gradient", "clipped"]
    assert gradient["failures"] == ["underflow"]
    assert gradient["incidence"]["underflow"] == 2
    assert gradient["incidence"]["zero"] == 2
    assert gradient["explanation"].startswith(
        "clipped cross_entropy gradient: a wrong 0 in 1 of 1 rows: exp rounds to 0 in float32 below -103.97 and the "
        "label's exponent is -200; backward through divide, the adjoint is multiplied by that 0: 0 where the truth is "
    )


def test_at_scale_1000_naive_gradients_are_nan_and_a_shifted_logsumexps_are_not(found: Found) -> None:
    document = found(
        *("--op", "all", "--formulation", "all", "--quantity", "gradient", "--dtype", "float32", "--scale", "1000")
    )
    for r in document["results"]:
        assert r["quantity"] == "gradient"
        assert r["status"] == "ok"
        if r["formulation"] == "naive":
            assert r["failures"][0] == "nan"
            assert r["rows_hit"]["nan"] == 256
            assert "exp overflows float32" in r["explanation"]
        if (r["operation"], r["formulation"]) in (("cross_entropy", "shifted_lse"), ("logsumexp", "shifted")):
            assert r["failures"] == []
            assert r["ulp"]["max"] < 100
        assert r["row_sum"] is r["kl"] is r["argmax_flips"] is r["lost_mass"] is None
        assert r["reference"]["undecided"] == r["incidence"]["undecided"] == 0


def test_values_come_first_and_their_gradients_after_them(found: Found, logits: Path) -> None:
    document = found(logits, "--op", "softmax,logsumexp", "--formulation", "naive,shifted", "--quantity", "both")
    order = [(r["operation"], r["quantity"], r["dtype"], r["formulation"]) for r in document["results"]]
    assert order == [
        (op, quantity, dtype, name)
        for op in ("softmax", "logsumexp")
        for quantity in ("value", "gradient")
        for dtype in ("float16", "float32", "float64")
        for name in ("naive", "shifted")
    ]
    plain = found(logits, "--op", "softmax,logsumexp", "--formulation", "naive,shifted")
    assert plain["results"] == [r for r in document["results"] if r["quantity"] == "value"]
    assert plain["input"]["labels"] is None
    assert document["input"]["labels"] == "seed"


def test_the_document_is_of_its_schema(found: Found) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = found("--quantity", "both", "--scale", "1,100", "--rows", "3")
    jsonschema.validate(document, schema.compare())
    assert {(f["quantity"], f["operation"]) for f in document["first_failures"]} == {
        (q, op) for q in ("value", "gradient") for op in ("softmax", "cross_entropy")
    }


def test_ignored_rows_are_left_out_of_gradients_that_need_labels(found: Found, tmp_path: Path) -> None:
    path = given(tmp_path, [[1, 2], [3, 4], [5, 6]], [0, -100, 1])
    document = found(path, "--op", "all", "--formulation", "all", "--quantity", "both", "--dtype", "float32")
    for r in document["results"]:
        labelled = r["operation"] == "cross_entropy" or (r["quantity"] == "gradient" and r["operation"] != "logsumexp")
        assert r["rows"] == (2 if labelled else 3), (r["operation"], r["quantity"])
    assert document["input"]["ignored_rows"] == 1


def test_a_worse_gradient_says_what_cancels(found: Found, tmp_path: Path) -> None:
    """[20, 0], label 0: p_y - 1 is 0 in float32, the truth -2.06e-9; through the maximum autograd finds it again."""
    document = found(
        *(given(tmp_path, [[20, 0]], [0]), "--op", "cross_entropy", "--formulation", "lse,shifted_lse"),
        *("--quantity", "gradient", "--dtype", "float32"),
    )
    results = by_name(document)
    lse = results["gradient", "lse"]
    assert lse["failures"] == ["underflow"]
    assert lse["worst"]["exact"].startswith("-2.06115361819020")
    assert "cancels what rounding had left of the gradient: 0 where the truth is -2.06115e-9" in lse["explanation"]
    assert results["gradient", "shifted_lse"]["ulp"]["max"] < 2


def test_what_cancels_is_told_whatever_it_is_multiplied_by_later(found: Found, tmp_path: Path) -> None:
    """naive, the same logits: 1/s - 1/s is 0, and then times exp(20); in float64 few digits are left."""
    arguments = (given(tmp_path, [[20, 0]], [0]), "--op", "cross_entropy", "--formulation", "naive")
    document = found(*arguments, "--quantity", "gradient", "--dtype", "float32,float64")
    single, double = (r["explanation"] for r in document["results"])
    assert "-2.06115e-09 + 2.06115e-09 cancels what rounding had left of the gradient: 0 where" in single
    got, exact = re.search(r": (-\S+) where the truth is (-[^;]+)", double).groups()  # type: ignore[union-attr]
    assert float(got) != float(exact)
    assert float(got) == pytest.approx(float(exact), rel=1e-6)


def test_every_form_names_the_gradient(invoke: Found, tmp_path: Path) -> None:
    arguments = ("compare", given(tmp_path, [[0, -12]], [1]), "--op", "cross_entropy", "--quantity", "both")
    table = invoke(*arguments, "--dtype", "float16").out
    assert "\ncross_entropy\n" in table
    assert "\ncross_entropy gradient\n" in table
    markdown = invoke(*arguments, "--format", "markdown", "--scale", "1,2").out
    assert "### cross_entropy gradient, scale 1\n" in markdown
    assert "- cross\\_entropy gradient naive float16: fails from scale 1\n" in markdown
    lines = invoke(*arguments, "--format", "csv").out.splitlines()
    place = lines[0].split(",").index("quantity")
    assert {line.split(",")[place] for line in lines[1:]} == {"value", "gradient"}


@pytest.mark.parametrize("quantity", ["values", "", "gradients"])
def test_an_unknown_quantity_is_told_with_the_known_ones(refused: Found, quantity: str) -> None:
    assert refused("compare", "--quantity", quantity).startswith(f"unknown quantity {quantity!r}")


# Other arithmetics


def test_strict_gradients_are_those_of_the_strict_steps(found: Found, tmp_path: Path) -> None:
    """Of 4,096 equal logits the float16 sum stalls at 2,048, and the gradient of the logsumexp is twice what it is."""
    document = found(
        *("--op", "logsumexp", "--formulation", "shifted", "--quantity", "gradient", "--dtype", "float16"),
        *("--arithmetic", "strict", "--scale", "0", "--classes", "4096", "--rows", "1"),
    )
    (result,) = document["results"]
    assert (result["arithmetic"], result["sum_order"]) == ("strict", "sequential")
    assert result["worst"]["got"] == 2.0**-11
    assert result["worst"]["exact"] == "0.000244140625"


def test_compute_casts_up_first_and_rounds_the_gradient_once(found: Found, tmp_path: Path) -> None:
    path = given(tmp_path, [[0, -12]], [1])
    document = found(
        *(path, "--op", "cross_entropy", "--formulation", "shifted", "--quantity", "gradient", "--dtype", "float16"),
        *("--compute", "float32"),
    )
    (result,) = document["results"]
    assert result["failures"] == []
    assert result["ulp"]["correctly_rounded"] == 1


def test_processes_change_nothing(found: Found) -> None:
    arguments = ("--quantity", "both", "--rows", "3000", "--classes", "50", "--dtype", "float32", "--scale", "30")
    one, two = (found(*arguments, "--jobs", jobs)["results"] for jobs in (1, 2))
    assert one == two


# One's own functions

MINE = """
import numpy as np

def good(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def in_place(x):
    x -= x.max(axis=-1, keepdims=True)
    return good(x)

def assigns(x):
    out = np.zeros_like(x)
    out[:] = good(x)
    return out

def hides(x):
    return good(np.asarray(x))

def constant(x):
    return np.full(x.shape, 0.5, x.dtype)

def unknown(x):
    return np.cumsum(x, axis=-1)

def numbered(x):
    e = np.exp(x)
    return e / float(e.sum())

def text(x):
    return "0.5"

def misshapen(x):
    return np.exp(x).sum(axis=-1)

def raises(x):
    raise ValueError("no")

def loss(x, labels):
    p = good(x)[np.arange(len(labels)), labels]
    return np.where(p > 0, -np.log(p), 100.0)
"""


ASARRAY = "the code turns its arrays into plain ones (asarray), where its steps cannot be seen"


@pytest.fixture
def mine(here: Path) -> Path:
    (here / "mine.py").write_text(MINE)
    return here


def own(found: Found, name: str, *more: str, op: str = "softmax") -> dict[tuple[str, str], Any]:
    arguments = ("--op", op, "--impl", f"mine.py:{name}", "--formulation", "shifted", "--dtype", "float32", *more)
    return by_name(found(*arguments, "--quantity", "both"))


def test_the_gradient_of_ones_own_function(found: Found, mine: Path) -> None:
    results = own(found, "good")
    ours, theirs = (results["gradient", name] for name in ("shifted", "mine.py:good"))
    different = {k for k in ours if ours[k] != theirs[k]}
    assert different <= {"formulation", "implementation", "version", "explanation"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("in_place", "refused: the code writes into an array in place (mine.py:9)"),
        ("assigns", "refused: the code writes into an array (x[i] = ...) (mine.py:14)"),
        ("hides", f"refused: {ASARRAY}; use x itself, or x.astype(dtype) (mine.py:18)"),
        ("numbered", "refused: the code takes a number out of sight (float()); keep the array (mine.py:28)"),
        ("constant", "refused: its result does not come from the logits by steps that can be seen"),
        ("unknown", "refused: no gradient is known of cumsum"),
    ],
)  # fmt: skip
def test_a_gradient_that_cannot_be_had_is_refused_in_its_row(found: Found, mine: Path, name: str, said: str) -> None:
    results = own(found, name)
    refused = results["gradient", f"mine.py:{name}"]
    assert refused["status"] == "refused"
    reason, line = re.fullmatch(r"(.+?)( \(mine\.py:\d+\))?", said).groups(default="")  # type: ignore[union-attr]
    explanation = refused["explanation"].replace(f"{mine}/", "")
    assert explanation.startswith(f"mine.py:{name} softmax gradient: {reason}")
    assert explanation.endswith(line)
    assert (refused["rows"], refused["elements"], refused["failures"], refused["ulp"]["max"]) == (256, 0, [], None)
    assert results["value", f"mine.py:{name}"]["status"] == "ok"
    assert results["gradient", "shifted"]["status"] == "ok"


def test_refused_is_a_word_of_the_table_and_counts_nothing(invoke: Found, mine: Path) -> None:
    arguments = ("compare", "--op", "softmax", "--impl", "mine.py:assigns", "--quantity", "gradient", "--dtype=float32")
    for form in ("table", "markdown"):
        shown = invoke(*arguments, "--format", form).out
        row = next(line.replace("|", "").split() for line in shown.splitlines() if "REFUSED" in line)
        assert set(row[row.index("REFUSED") + 1 :]) == {"-"}
        assert "returned" not in shown


def test_what_is_refused_neither_fails_at_a_scale_nor_survives(found: Found, mine: Path) -> None:
    arguments = ("--op", "softmax", "--impl", "mine.py:assigns", "--formulation", "shifted", "--dtype", "float32")
    document = found(*arguments, "--quantity", "both", "--scale", "1,2")
    known = [(f["quantity"], f["name"]) for f in document["first_failures"]]
    assert known == [("value", "shifted"), ("value", "mine.py:assigns"), ("gradient", "shifted")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("misshapen", "returned an array of shape (256,), not (256, 10)"),
        ("raises", "failed: ValueError: no ("),
        ("text", "not real numbers"),
    ],
)
def test_a_function_that_is_wrong_is_an_error(refused: Found, mine: Path, name: str, said: str) -> None:
    assert said in refused("compare", "--op", "softmax", "--impl", f"mine.py:{name}", "--quantity", "gradient")


def test_a_where_does_not_save_the_gradient(found: Found, mine: Path) -> None:
    """np.where(p > 0, -log(p), 100): the loss is finite, and backward 0 / 0 is nan where p is 0."""
    results = own(found, "loss", "--scale", "100", op="cross_entropy")
    value, gradient = (results[quantity, "mine.py:loss"] for quantity in ("value", "gradient"))
    assert value["incidence"]["inf"] == 0
    assert gradient["rows_hit"]["nan"] >= value["incidence"]["saturated"] + 1
    assert "nan in" in gradient["explanation"]


# From Python


def test_the_library_takes_a_quantity() -> None:
    logits, labels = np.array([[20.0, 0.0]]), np.array([0])
    report = overflowscope.compare(logits, labels, operations="cross_entropy", dtypes="float32", quantity="both")
    assert [(r.quantity, r.subject) for r in report.results[::3]] == [
        ("value", "cross_entropy"),
        ("gradient", "cross_entropy gradient"),
    ]
    with pytest.raises(overflowscope.InputError, match="unknown quantity 'slope'"):
        overflowscope.compare(logits, quantity="slope")


@pytest.mark.parametrize("inner", [np, Strict(FORMATS["float16"])], ids=["native", "strict"])
def test_known_gradients_bit_by_bit(inner: Any) -> None:
    """By hand in float16: p = (1, 103 2**-24), 1/p_y = 162885 > 65504, so inf; inf * p_y = inf, inf - inf = nan."""
    op = catalogue.differentiated("cross_entropy")
    x = np.array([[0.0, -12.0]], np.float16)
    given = x if inner is np else inner.asarray(x)
    with np.errstate(all="ignore"):
        found = {
            name: np.asarray(getattr(g := f.function(inner, given, np.array([1])), "numbers", g), np.float64).tolist()
            for name, f in op.formulations.items()
        }
    nan = math.nan
    np.testing.assert_equal(found["naive"], [[math.inf, nan]])
    np.testing.assert_equal(found["shifted"], [[nan, nan]])
    np.testing.assert_equal(found["clipped"], [[nan, nan]])
    assert found["lse"] == found["shifted_lse"] == found["log1p"] == [[1, -1]]


def test_a_recorded_gradient_has_its_steps_backward() -> None:
    recording = Recording()
    x = recording.asarray(np.array([[1.0, 2.0]]))
    catalogue.differentiated("logsumexp").named("naive").function(recording, x)
    through = [(s.operation, recording.adjoint_of.get(s.number)) for s in recording.steps]
    assert through[:3] == [("exp", None), ("sum", None), ("log", None)]
    assert through[3:] == [("divide", 2), ("reshape", 1), ("broadcast_to", 1), ("multiply", 0)]
