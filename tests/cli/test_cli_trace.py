"""overflowscope trace: formulations and functions of one's own, what is refused, and what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope import schema

Refused = Callable[..., str]
Invoke = Callable[..., Any]

MINE = """\
import math

import numpy as np


def softmax(logits):
    e = np.exp(logits)
    return e / e.sum(axis=-1, keepdims=True)


def shifted(logits):
    print("said")
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def of_a_row(x):
    e = np.exp(x)
    return e / e.sum()


def weighted(x, weights, *, mask):
    return np.where(mask, np.exp(x), 0.0) * weights


def picked(x, labels):
    return -np.log(softmax(x)[np.arange(len(x)), labels])


def wrong_name(x):
    return np.epx(x)


def raises(x):
    return deeper(x)


def deeper(x):
    raise ValueError("no\\nsuch \\x1b[31mluck")


def leaves(x):
    raise SystemExit(3)


def nothing(x):
    softmax(x)


def words(x):
    return "probabilities"


def several(x):
    return x, x


def number(x):
    return 1.0


def whole(x):
    return x.argmax(axis=-1)


def constant(x):
    return np.array([1.0, 2.0])


def squares(x):
    return (x[:, 0] * 1e30) * 1e30


def in_place(x):
    x -= x.max(axis=-1, keepdims=True)
    return np.exp(x, out=x)


def by_math(x):
    return np.array([math.exp(v) for v in x[0]])


def by_item(x):
    return x * x.max().item()


def by_list(x):
    return np.array(x.tolist())


def by_vectorize(x):
    return np.vectorize(lambda v: v + 1)(x)


def unruled(x):
    return np.i0(x)


class Layer:
    @staticmethod
    def forward(x):
        return np.exp(x)


VALUE = 3
"""


@pytest.fixture
def mine(here: Path) -> Path:
    """my.py and logits.npy: row 1 overflows exp in float32."""
    (here / "my.py").write_text(MINE)
    np.save(here / "logits.npy", np.array([[0.5, 1, -1], [94.7, 0, 1], [0.25, 100, 0]], np.float32))
    return here


@pytest.fixture
def traced(invoke: Invoke) -> Callable[..., Any]:
    """``traced(*arguments)`` is the JSON document, which keeps to its schema."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema.trace())

    def run(*arguments: object, stdin: bytes | None = None) -> Any:
        finished = invoke("trace", "--json", *arguments, stdin=stdin)
        assert (finished.status, finished.err) == (0, "")
        validator.validate(finished.document)
        return finished.document

    return run


# Formulations


def test_the_naive_softmax(traced: Any) -> None:
    found = traced("-", stdin=b"[[1.5, -2, 0.25, 3, 0.5, -0.75, 2, 94.7]]")
    assert found["schema"] == "overflowscope.trace/1"
    assert [s["operation"] for s in found["steps"]] == ["exp", "sum", "divide"]
    assert [s["number"] for s in found["steps"]] == [1, 2, 3]
    birth = found["birth"]
    assert set(birth) == {"step", "operation", "kind", "index", "value", "limit", "source", "verdict"}
    assert (birth["step"], birth["operation"], birth["kind"]) == (1, "exp", "overflow")
    assert birth["index"] == [0, 7]
    assert birth["value"] == pytest.approx(94.7, abs=1e-5)
    assert birth["limit"] == pytest.approx(88.722839, abs=1e-6)
    assert birth["source"] is None
    assert birth["verdict"] == found["verdict"]
    assert found["verdict"] == (
        "step 1, exp: logit 94.70 at index 7 is above 88.7228, the largest float32 exp can take; the sum becomes inf "
        "at step 2; inf/inf becomes nan at step 3. Shifting by the maximum is enough."
    )
    assert found["remedies"][0]["name"] == "shift"
    assert found["remedies"][0]["clean"]


@pytest.mark.parametrize("form", ["table", "tree", "markdown"])
def test_what_people_read(invoke: Invoke, form: str) -> None:
    finished = invoke("trace", "--scale", 1000, "--format", form)
    assert (finished.status, finished.err) == (0, "")
    text = " ".join(finished.out.split())
    assert "the largest float32 exp can take; the sum becomes inf at step 2; inf/inf becomes nan at step 3." in text
    assert "Shifting by the maximum is enough." in text


def test_the_tree_by_its_own_option(invoke: Invoke, refused: Refused) -> None:
    assert invoke("trace", "--tree", "--scale", 1000).out == invoke("trace", "--format", "tree", "--scale", 1000).out
    assert refused("trace", "--tree", "--json") == "--tree and --json are two answers to one question"
    assert refused("trace", "--tree", "--format=markdown") == (
        "--tree and --format markdown are two answers to one question"
    )


def test_nothing_wrong(traced: Any) -> None:
    found = traced("--formulation", "shifted", "--scale", 1000)
    assert (found["birth"], found["remedies"]) == (None, [])
    assert found["verdict"].startswith("Nothing went wrong")
    assert found["traced"]["remarks"] == ["none of the 256 rows goes wrong: row 0 is shown"]


def test_the_first_row_that_goes_wrong(mine: Path, traced: Any) -> None:
    assert traced("logits.npy")["traced"]["row"] == 1
    assert traced("logits.npy", "--row", 2)["traced"]["row"] == 2
    assert traced("logits.npy", "--row", 0)["birth"] is None


def test_labels(traced: Any) -> None:
    given = b'{"logits": [[0, 1], [0, -12]], "labels": [0, 1]}'
    found = traced("-", "--op", "cross_entropy", "--formulation=shifted", "--dtype=float16", "--row=1", stdin=given)
    assert found["birth"] is None
    given = b'{"logits": [[0, 1], [0, -20]], "labels": [0, 1]}'
    found = traced("-", "--op", "cross-entropy", "--formulation=shifted", "--dtype=float16", stdin=given)
    assert found["traced"]["row"] == 1
    assert (found["birth"]["operation"], found["birth"]["kind"], found["birth"]["index"]) == (
        "exp",
        "underflow",
        [0, 1],
    )
    assert found["birth"]["limit"] == pytest.approx(-17.329, abs=1e-3)
    assert "log-sum-exp" in found["verdict"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_strict_arithmetic(traced: Any, dtype: str) -> None:
    found = traced("--arithmetic", "strict", "--dtype", dtype, "--scale", 2000)
    assert found["traced"]["arithmetic"] == "strict"
    assert found["birth"]["operation"] == "exp"
    assert "Shifting by the maximum is enough." in found["verdict"]


def test_a_wider_format(traced: Any) -> None:
    """Cast up, run, round once: the cast at the end is what overflows."""
    arguments = ("--op", "logsumexp", "--formulation", "shifted", "--dtype", "float16", "--compute", "float32")
    found = traced("-", *arguments, stdin=b"[[65504, 65504, 65504]]")
    assert [s["operation"] for s in found["steps"]][-1] == "add"
    assert found["birth"] is None


# Functions


def test_a_function(mine: Path, traced: Any) -> None:
    found = traced("logits.npy", "--function", "my.py:softmax")
    assert (found["traced"]["function"], found["traced"]["row"]) == ("my.py:softmax", None)
    assert [s["shape"] for s in found["steps"]] == [[3, 3], [3, 1], [3, 3]]
    assert found["birth"]["source"] == "my.py:7"
    assert found["birth"]["index"] == [1, 0]
    assert found["steps"][0]["source"] == {
        "file": "my.py",
        "line": 7,
        "function": "softmax",
        "text": "e = np.exp(logits)",
    }
    assert found["steps"][0]["operands"][0]["name"] == "logits"
    assert "Shifting by the maximum is enough." in found["verdict"]


def test_one_row_of_it(mine: Path, traced: Any) -> None:
    found = traced("logits.npy", "--function", "my.py:softmax", "--row", 2)
    assert found["traced"]["row"] == 2
    assert [s["shape"] for s in found["steps"]] == [[1, 3], [1, 1], [1, 3]]
    assert found["birth"]["index"] == [0, 1]


def test_a_function_of_one_row(mine: Path, traced: Any) -> None:
    found = traced("logits.npy", "--function", "my.py:of_a_row", "--per-row")
    assert found["traced"]["row"] == 1
    assert [s["shape"] for s in found["steps"]] == [[3], [], [3]]
    assert traced("logits.npy", "--function", "my.py:of_a_row", "--per-row", "--row", 0)["birth"] is None


def test_further_arguments(mine: Path, traced: Any) -> None:
    (mine / "weights.json").write_text("[0.5, 1.0, 2.0]")
    np.save(mine / "mask.npy", np.array([True, True, False]))
    given = ("--arg", "weights=weights.json", "--arg", "mask=mask.npy")
    found = traced("logits.npy", "--function", "my.py:weighted", *given, "--row", 0)
    names = {o["name"] for s in found["steps"] for o in s["operands"]}
    assert {"x", "weights"} <= names
    assert found["steps"][-1]["dtype"] == "float32"
    (mine / "labels.json").write_text("[0, 1, 2]")
    found = traced("logits.npy", "--function", "my.py:picked", "--arg", "labels=labels.json")
    assert found["birth"]["operation"] == "exp"


def test_what_a_function_prints_goes_elsewhere(mine: Path, invoke: Invoke) -> None:
    finished = invoke("trace", "--json", "logits.npy", "--function", "my.py:shifted")
    assert finished.status == 0
    assert set(finished.err.split()) == {"said"}
    assert finished.document["birth"] is None


def test_a_method_and_a_module(mine: Path, traced: Any) -> None:
    assert traced("logits.npy", "--function", "my.py:Layer.forward", "--row", 0)["steps"][0]["operation"] == "exp"
    assert traced("logits.npy", "--function", "my:softmax", "--row", 0)["birth"] is None


def test_without_a_row_axis(mine: Path, traced: Any) -> None:
    found = traced("logits.npy", "--function", "my.py:squares")
    assert found["birth"]["operation"] == "multiply"
    assert found["birth"]["kind"] == "overflow"
    assert found["birth"]["limit"] == pytest.approx(3.4028235e38)


def test_a_large_batch_is_traced_by_one_row(mine: Path, traced: Any) -> None:
    logits = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    logits[217, 3] = 100
    np.save(mine / "many.npy", logits)
    found = traced("many.npy", "--function", "my.py:softmax")
    assert found["traced"]["row"] == 217
    assert found["traced"]["remarks"] == ["300 rows of 40 are many: row 217 is traced alone"]
    assert found["birth"]["index"] == [0, 3]


# Refusals


def line_of(text: str) -> int:
    """The number of the first line of my.py that holds the text."""
    return next(i for i, line in enumerate(MINE.splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--function", "my.py:nope"], "unknown function in my.py 'nope'"),
        (["--function", "gone.py:f"], "gone.py: no such file"),
        (["--function", "gone:f"], "no module 'gone'"),
        (["--function", "my.py"], "names no function"),
        (["--function", "my.py:VALUE"], "VALUE is no function but int"),
        (
            ["--function", "my.py:wrong_name"],
            "my.py:wrong_name failed: AttributeError: module 'numpy' has no attribute",
        ),
        (["--function", "my.py:raises"], "my.py:raises failed: ValueError: no such \\x1b[31mluck (@raise ValueError@)"),
        (["--function", "my.py:leaves"], "my.py:leaves failed: SystemExit: 3 (@raise SystemExit@)"),
        (["--function", "my.py:nothing"], "my.py:nothing returned nothing, not an array of floats (@def nothing@)"),
        (["--function", "my.py:words"], "my.py:words returned str, not an array of floats (@def words@)"),
        (["--function", "my.py:several"], "returned a tuple of 2, and one array of floats is wanted (@def several@)"),
        (["--function", "my.py:number"], "my.py:number returned float, not an array of floats (@def number@)"),
        (["--function", "my.py:whole"], "my.py:whole returned ndarray of int64, not an array of floats"),
        (
            ["--function", "my.py:weighted"],
            "has a parameter 'weights' without a value (@def weighted@); --arg weights=",
        ),
        (["--function", "my.py:softmax", "--arg", "k=logits.npy"], "takes the logits alone, and --arg k was given"),
        (["--function", "my.py:picked", "--arg", "lables=logits.npy"], "unknown parameter of my.py:picked 'lables'"),
        (["--function", "my.py:picked", "--arg", "labels=no.npy"], "no.npy: there is no such file"),
        (["--function", "my.py:picked", "--arg", "labels"], "--arg 'labels' is no NAME=FILE"),
        (["--function", "my.py:softmax", "--op", "softmax"], "--op is not for a --function"),
        (["--function", "my.py:softmax", "--formulation", "naive"], "--formulation is not for a --function"),
        (["--function", "my.py:softmax", "--compute", "float64"], "--compute is not for a --function"),
        (["--function", "my.py:softmax", "--row", "3"], "there is no row 3: there are 3, from 0 on"),
        (["--row", "3"], "there is no row 3: there are 3, from 0 on"),
        (["--per-row"], "--per-row goes with a --function, and none was named"),
        (["--arg", "a=b"], "--arg goes with a --function, and none was named"),
        (["--op", "softmaks"], "unknown operation 'softmaks'; did you mean softmax"),
        (["--formulation", "shifty"], "unknown formulation of softmax 'shifty'; did you mean shifted"),
        (["--dtype", "float31"], "unknown dtype 'float31'"),
        (["--scale", "1,10"], "trace takes one --scale"),
        (["--format", "csv"], "unknown format 'csv'; known: table, tree, json, markdown"),
        (["--accumulator", "float32"], "is not for native arithmetic"),
    ],
)
def test_one_line(mine: Path, refused: Refused, arguments: list[str], says: str) -> None:
    message = refused("trace", "logits.npy", *arguments)
    assert re.sub("@(.*)@", lambda text: f"{mine}/my.py:{line_of(text[1])}", says) in message


def test_an_import_that_fails(mine: Path, refused: Refused) -> None:
    (mine / "broken.py").write_text("import numpy as np\n\nnp.nothing\n")
    message = refused("trace", "logits.npy", "--function", "broken.py:f")
    assert message.startswith("broken.py could not be imported: AttributeError")
    assert "broken.py:3)" in message
    (mine / "typo.py").write_text("def f(x)\n    return x\n")
    assert "typo.py:1)" in refused("trace", "logits.npy", "--function", "typo.py:f")


def test_rows_of_ignored_labels(refused: Refused, traced: Any) -> None:
    given = b'{"logits": [[0, 1], [0, 2]], "labels": [-100, 1]}'
    assert traced("-", "--op", "cross_entropy", stdin=given)["traced"]["row"] == 1
    message = refused("trace", "-", "--op", "cross_entropy", "--row", 0, stdin=given)
    assert message == "row 0 has the label -100, which is ignored"
    message = refused("trace", "-", "--op", "cross_entropy", stdin=b'{"logits": [[0, 1]], "labels": [-100]}')
    assert "every row has the label -100, which is ignored" in message


def test_it_is_written_whole(mine: Path, invoke: Invoke) -> None:
    finished = invoke("trace", "logits.npy", "--json", "-o", "out.json")
    assert (finished.status, finished.out, finished.err) == (0, "", "")
    assert json.loads((mine / "out.json").read_text())["birth"]["kind"] == "overflow"


# Special rows


@pytest.mark.parametrize(
    ("row", "born", "says"),
    [
        ('[0, "-inf", 1]', None, "Nothing went wrong"),
        ('["-inf", "-inf"]', ("divide", "invalid"), "undefined"),
        ('["nan", 1]', None, "nan"),
        ('["inf", 1]', ("divide", "invalid"), "inf/inf"),
        ("[-200, -201]", ("exp", "underflow"), "Shifting by the maximum is enough."),
        ("[5]", None, "Nothing went wrong"),
    ],
)
def test_special_rows(traced: Any, row: str, born: tuple[str, str] | None, says: str) -> None:
    found = traced("-", stdin=f"[{row}]".encode())
    birth = found["birth"]
    assert (birth and (birth["operation"], birth["kind"])) == born
    assert says in found["verdict"]


# Gradients


def test_where_a_gradient_dies(traced: Any) -> None:
    """float16 [0, -12], label 1: a loss of 12, and 1/p is beyond float16; p = exp(-12)/(1 + exp(-12))."""
    given = b'{"logits": [[0, -12]], "labels": [1]}'
    arguments = ("-", "--op", "cross_entropy", "--formulation", "shifted", "--dtype", "float16")
    loss = traced(*arguments, stdin=given)
    assert loss["birth"] is None
    found = traced(*arguments, "--gradient", stdin=given)
    birth = found["birth"]
    step = found["steps"][birth["step"] - 1]
    assert (birth["operation"], birth["kind"], step["phase"]) == ("divide", "overflow", "backward")
    assert found["steps"][step["adjoint_of"] - 1]["operation"] == "log"
    p = 6.13927841e-06  # what float16 makes of it: 103 times 2**-24
    assert birth["value"] == pytest.approx(-1 / p, rel=1e-6)
    assert birth["limit"] == 65504
    assert "on the way back through step" in found["verdict"]
    assert {r["name"]: r["clean"] for r in found["remedies"]}["log1p"]
    assert not {r["name"]: r["clean"] for r in found["remedies"]}["shift"]
    assert found["traced"]["quantity"] == "gradient"


def test_the_gradient_is_exact_beside_the_computed(traced: Any) -> None:
    """softmax minus one-hot: of [0, -12] and label 1 it is (1 - p, p - 1) with p = 1/(1 + exp(12))."""
    given = b'{"logits": [[0, -12]], "labels": [1]}'
    found = traced("-", "--op", "cross_entropy", "--formulation", "log1p", "--gradient", stdin=given)
    assert found["birth"] is None
    last = found["steps"][found["result"][-1] - 1]
    assert last["phase"] == "backward"
    p = 1 / (1 + np.exp(12.0))
    assert abs(float(last["element"]["exact"])) == pytest.approx(1 - p, rel=1e-12)


def test_an_approximation_is_told_from_what_it_approximates(traced: Any) -> None:
    """-log(p + 1e-12) at a vanished p is 27.6 where the loss is 110, and its gradient 0 where that is -1."""
    given = b'{"logits": [[0, -110]], "labels": [1]}'
    loss = traced("-", "--op", "cross_entropy", "--formulation", "clipped", stdin=given)
    assert loss["birth"] is None
    assert "another function: exactly 27.631, where cross_entropy is 110" in loss["verdict"]
    assert "is enough" in loss["verdict"]
    found = traced("-", "--op", "cross_entropy", "--formulation", "clipped", "--gradient", stdin=given)
    assert found["birth"]["kind"] == "underflow"
    assert found["birth"]["operation"] == "exp"
    assert re.search("another function: .* where the gradient of cross_entropy is -?1\\.", found["verdict"])


def test_the_gradient_of_a_function(mine: Path, traced: Any, refused: Refused) -> None:
    found = traced("logits.npy", "--function", "my.py:softmax", "--gradient")
    assert {s["phase"] for s in found["steps"]} == {"forward", "backward"}
    assert found["birth"]["operation"] == "exp"
    with_labels = ("logits.npy", "--function", "my.py:picked", "--arg", "labels=labels.json", "--gradient")
    (mine / "labels.json").write_text("[0, 1, 2]")
    found = traced(*with_labels)
    assert found["birth"]["operation"] == "exp"
    message = refused("trace", "logits.npy", "--function", "my.py:in_place", "--gradient")
    assert "writes into its arrays, of which no gradient is known" in message
    assert traced("logits.npy", "--function", "my.py:in_place")["birth"] is None


# What cannot be followed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("by_math", "the code takes a number out of sight (math.exp) (@math.exp(v)@); write np.exp"),
        ("by_item", "the code takes its numbers out of sight (.item) (@x.max().item()@)"),
        ("by_list", "out of sight (.tolist) (@x.tolist()@)"),
        ("by_vectorize", "(@np.vectorize@)"),
    ],
)
def test_what_escapes_is_refused_with_its_line(mine: Path, refused: Refused, name: str, says: str) -> None:
    message = refused("trace", "logits.npy", "--function", f"my.py:{name}")
    assert re.sub("@(.*)@", lambda text: f"{mine}/my.py:{line_of(text[1])}", says) in message


def test_a_step_without_a_rule(mine: Path, traced: Any) -> None:
    """Its exact values are not known, and it says so: nothing is called right or wrong."""
    found = traced("logits.npy", "--function", "my.py:unruled", "--row", 0)
    assert found["birth"] is None
    assert "not enclosed" in found["verdict"]
    assert any(r.startswith("i0 has no exact values here") for r in found["traced"]["remarks"])
    assert found["steps"][0]["element"]["state"] == "undecided"
    assert found["steps"][0]["ulp"] == {"total": None, "inherited": None, "added": None}


def test_what_the_format_cannot_hold(mine: Path, traced: Any) -> None:
    found = traced("logits.npy", "--function", "my.py:Layer.forward", "--row", 1)
    assert found["birth"]["kind"] == "overflow"
    assert "The result itself, 1.34179e+41, is beyond float32: float64 holds it." in found["verdict"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float16", "float64"])
def test_every_format(traced: Any, dtype: str) -> None:
    pytest.importorskip("ml_dtypes")
    found = traced("--dtype", dtype, "--scale", 1000)
    birth = found["birth"]
    assert (birth["operation"], birth["kind"]) == ("exp", "overflow")
    assert dtype in found["verdict"]
