"""Arithmetic as a choice, from the command line: known failures of accumulators come back by options alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import cases, sources
from overflowscope.errors import InputError
from overflowscope.inputs import Logits
from overflowscope.studies.compare import Request, run

Found = Callable[..., Any]
ONES = ("--dist", "uniform", "--scale", 0, "--shift", 1, "--rows", 1, "--formulation", "shifted")
STRICT = ("--arithmetic", "strict")


def only(document: Any) -> Any:
    (result,) = document["results"]
    return result


def test_4096_equal_logits_in_float16_make_rows_that_sum_to_2(found: Found) -> None:
    arguments = (*ONES, "--op", "softmax", "--dtype", "float16", "--classes", 4096)
    stalled = only(found(*arguments, *STRICT))
    assert stalled["failures"] == ["row_sums"]
    assert stalled["row_sum"] == {"min": 2, "max": 2}
    assert "the sum of 4,096 exps comes out as 2,048 where it is 4,096: a float16 accumulator" in stalled["explanation"]
    for remedy in (("--accumulator", "float32"), ("--sum-order", "pairwise"), ("--sum-order", "kahan")):
        fine = only(found(*arguments, *STRICT, *remedy))
        assert fine["failures"] == []
        assert fine["ulp"]["max"] == 0
    assert only(found(*arguments))["failures"] == []  # NumPy's float16 sums run in float32


def test_65536_zeros_in_float16(found: Found) -> None:
    """The sum stalls at 2048 from left to right; pairwise it overflows, and so it does once rounded back to float16.

    Only computing in a wider format helps, for 65,536 itself is beyond float16.
    """
    arguments = (*ONES, "--shift", 0, "--op", "softmax", "--dtype", "float16", "--classes", 65536)
    stalled = only(found(*arguments, *STRICT))
    assert stalled["row_sum"]["min"] == 32
    for order in (("--accumulator", "float32"), ("--sum-order", "pairwise")):
        lost = only(found(*arguments, *STRICT, *order))
        assert lost["failures"] == ["underflow", "row_sums"]
        assert lost["incidence"]["zero"] == 65536
        assert "their sum, 65,536, passes 65,504" in lost["explanation"]
    fine = only(found(*arguments, *STRICT, "--compute", "float32"))
    assert fine["failures"] == []
    assert fine["accumulator"] == "float32"


def test_a_bfloat16_sum_is_stuck_at_256(found: Found) -> None:
    pytest.importorskip("ml_dtypes")
    arguments = (*ONES, "--op", "softmax", "--classes", 1024, "--dtype")
    stalled = only(found(*arguments, "bfloat16", *STRICT))
    assert stalled["row_sum"]["min"] == 4
    assert "comes out as 256 where it is 1,024: a bfloat16 accumulator" in stalled["explanation"]
    assert only(found(*arguments, "bfloat16", *STRICT, "--accumulator", "float32"))["failures"] == []
    narrow = only(found(*arguments, "float32", *STRICT, "--accumulator", "bfloat16"))
    assert narrow["row_sum"]["min"] == 4
    assert "comes out as 256 where it is 1,024: a bfloat16 accumulator" in narrow["explanation"]


def test_every_result_says_its_arithmetic(found: Found) -> None:
    def said(*arguments: Any) -> set[tuple[str, ...]]:
        results = found("--rows", 2, "--dtype", "float16,float32", "--op", "softmax", *arguments)["results"]
        return {tuple(r[k] for k in ("dtype", "arithmetic", "sum_order", "accumulator", "compute")) for r in results}

    assert said() == {(n, "native", "native", "native", n) for n in ("float16", "float32")}
    assert said(*STRICT) == {(n, "strict", "sequential", n, n) for n in ("float16", "float32")}
    assert said(*STRICT, "--sum-order", "kahan", "--accumulator", "float64") == {
        (n, "strict", "kahan", "float64", n) for n in ("float16", "float32")
    }
    assert said(*STRICT, "--compute", "float32") == {
        (n, "strict", "sequential", "float32", "float32") for n in ("float16", "float32")
    }


def test_the_table_says_it_too(invoke: Callable[..., Any]) -> None:
    arguments = ("compare", "--rows", 2, "--op", "softmax", "--dtype", "float16")
    assert "strict" not in invoke(*arguments).out
    first = invoke(*arguments, *STRICT, "--format", "markdown").out.splitlines()[0]
    assert first.endswith("2 rows x 10 classes, strict arithmetic, sequential sums**")
    wide = invoke(*arguments, *STRICT, "--accumulator", "float32", "--format", "markdown").out.splitlines()[0]
    assert wide.endswith("strict arithmetic, sequential sums in float32**")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--sum-order", "kahan"],
            "an order of sums, kahan, is not for native arithmetic: NumPy adds as it does; add",
        ),
        (["--accumulator", "float32"], "an accumulator, float32, is not for native arithmetic"),
        (["--arithmetic", "strct"], "unknown arithmetic 'strct'; did you mean strict"),
        ([*STRICT, "--sum-order", "kahn"], "unknown order of sums 'kahn'; did you mean kahan"),
        ([*STRICT, "--accumulator", "float33"], "unknown dtype 'float33'; did you mean float32"),
    ],
)
def test_what_does_not_go_together(refused: Callable[..., str], arguments: list[str], message: str) -> None:
    assert message in refused("compare", *arguments)


def test_a_function_of_ones_own_runs_in_it(here: Path, found: Found, refused: Callable[..., str]) -> None:
    (here / "mine.py").write_text(
        "import numpy as np\n"
        "def softmax(x):\n"
        "    e = np.exp(x - x.max(axis=-1, keepdims=True))\n"
        "    return e / e.sum(axis=-1, keepdims=True)\n"
        "def loss(x, labels):\n"
        "    return -np.log(softmax(x)[np.arange(len(labels)), labels])\n"
        "def other(x):\n"
        "    return np.logaddexp(x, x)\n"
        "def plain(x):\n"
        "    return np.asarray(x)\n"
        "def flat(x):\n"
        "    return x[:, 0]\n"
    )
    common = ("--rows", 20, "--classes", 300, "--dtype", "float16", "--scale", 3, *STRICT)
    both = found("--impl", "mine.py:softmax", "--op", "softmax", "--formulation", "shifted", *common)["results"]
    ours, mine = both
    assert mine["implementation"] == "mine.py:softmax"
    assert mine["ulp"] == ours["ulp"]
    assert mine["ulp"]["max"] > 2
    assert mine["row_sum"] == ours["row_sum"]
    losses = found("--impl", "mine.py:loss", "--op", "cross_entropy", "--formulation", "shifted", *common)["results"]
    assert losses[0]["ulp"] == losses[1]["ulp"]
    said = refused("compare", "--impl", "mine.py:other", *common)
    assert said.startswith("mine.py:other: np.logaddexp is not available under --arithmetic strict; there are add, ")
    assert "mine.py:plain: the code turns its arrays into plain ones" in refused(
        "compare", "--impl", "mine.py:plain", *common
    )
    assert "mine.py:flat returned an array of shape (20,)" in refused("compare", "--impl", "mine.py:flat", *common)


def test_a_function_of_ones_own_is_explained_in_it(here: Path, found: Found) -> None:
    (here / "mine.py").write_text(
        "import numpy as np\ndef f(x):\n    e = np.exp(x)\n    return e / e.sum(-1)[:, None]\n"
    )
    document = found("--impl", "mine.py:f", "--formulation", "shifted", "--dtype", "float16", "--scale", 20, *STRICT)
    mine = next(r for r in document["results"] if r["implementation"] == "mine.py:f")
    assert "exp overflows float16 above 11.0899" in mine["explanation"]


def test_the_library_takes_the_same_choices() -> None:
    ones = np.ones((1, 4096))
    asked = {"operations": "softmax", "formulations": "shifted", "dtypes": "float16"}
    stalled = overflowscope.compare(ones, **asked, arithmetic="strict").results[0]
    assert stalled.row_sum is not None
    assert stalled.row_sum.max == 2
    fine = overflowscope.compare(ones, **asked, arithmetic="strict", accumulator="float32").results[0]
    assert (fine.arithmetic, fine.sum_order, fine.accumulator) == ("strict", "sequential", "float32")
    assert fine.failures == ()
    with pytest.raises(InputError, match="add --arithmetic strict"):
        overflowscope.compare(ones, sum_order="pairwise")


def test_workers_get_the_model() -> None:
    """Through the pool as in this process."""
    pytest.importorskip("ml_dtypes")
    logits = Logits(np.ones((3, 512)), None, (3,), "array", "0")
    request = Request(
        source=sources.given(logits, 0),
        contenders=cases.contenders("softmax", "shifted", []),
        fmts=cases.chosen_formats("float16"),
        model=cases.chosen_model("strict", "sequential", "float8_e5m2"),
    )
    for jobs in (1, 2):
        (result,) = run(replace(request, jobs=jobs)).results
        assert (result.arithmetic, result.accumulator) == ("strict", "float8_e5m2")
        assert result.row_sum is not None
        assert result.row_sum.max == 64
