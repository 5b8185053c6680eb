"""In what precision an implementation computes, found out by what its results have in common; and no false alarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import sources
from overflowscope.formats import FORMATS
from overflowscope.records import Measurement

Function = Callable[..., Any]


def lse(x: Any) -> Any:
    m = x.max(-1, keepdims=True)
    return m + np.log(np.exp(x - m).sum(-1, keepdims=True))


FUNCTIONS: dict[str, Function] = {
    "softmax": lambda x: np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1)[:, None],
    "log_softmax": lambda x: x - lse(x),
    "logsumexp": lambda x: lse(x)[:, 0],
    "cross_entropy": lambda x, y: lse(x)[:, 0] - x[np.arange(len(y)), y],
}
"""As commonly written, each step in the format that is given."""


def narrowed(function: Function, dtype: str) -> Function:
    """It computes in another format and gives its result back in the one it was given."""

    def run(x: Any, *labels: Any) -> Any:
        return function(x.astype(FORMATS[dtype].dtype), *labels).astype(x.dtype)

    return run


def measured(function: Function, operation: str, dtype: str, logits: Any, **asked: Any) -> Measurement:
    found = overflowscope.compare(
        logits, operations=operation, formulations="shifted", dtypes=dtype, implementations=[function], **asked
    )
    assert all(m.computes is None for m in found.results[:-1]), "ours are not looked at"
    return found.results[-1]


def normal(scale: float = 1, shift: float = 0, rows: int = 300, classes: int = 20) -> Any:
    return np.random.default_rng(1).normal(size=(rows, classes)) * scale + shift


@pytest.mark.parametrize("operation", FUNCTIONS)
@pytest.mark.parametrize(
    ("narrow", "dtype"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float16", "float64"), ("float32", "float64")],
)
def test_a_precision_that_was_changed_on_the_way(operation: str, narrow: str, dtype: str) -> None:
    found = measured(narrowed(FUNCTIONS[operation], narrow), operation, dtype, normal())
    assert (found.returned, found.computes) == (dtype, narrow)


def test_it_is_found_out_for_large_logits_of_many_classes() -> None:
    function = narrowed(FUNCTIONS["softmax"], "float32")
    assert measured(function, "softmax", "float64", normal(100)).computes == "float32"
    function = narrowed(FUNCTIONS["softmax"], "float16")
    assert measured(function, "softmax", "float32", normal(classes=5000, rows=3)).computes == "float16"
    function = narrowed(FUNCTIONS["log_softmax"], "float32")
    assert measured(function, "log_softmax", "float64", normal(1000)).computes == "float32"


LOGITS = {
    "normal": normal(),
    "large": normal(1e6),
    "huge": normal(1e300),
    "small": normal(1e-6),
    "moved by 1e5": normal(1, 1e5),
    "moved by -3e3": normal(1, -3e3),
    "moved by 1e8": normal(1, 1e8),
    "numbers of float16": normal().astype(np.float16).astype(np.float64),
    "moved numbers of float16": normal().astype(np.float16) + 1e4,
    "integers": np.random.default_rng(3).integers(-50, 50, (300, 20)).astype(np.float64),
    "halves": np.random.default_rng(3).integers(-99, 99, (300, 20)) / 2,
    "zeros": np.zeros((300, 8)),
    "thirds": np.zeros((300, 3)),
    "one row, many times": np.repeat(normal(rows=1), 300, axis=0),
    "two classes": normal(5, classes=2),
    "masks": np.where(np.random.default_rng(6).random((300, 20)) < 0.5, -np.inf, normal()),
    "infinities": np.where(np.random.default_rng(6).random((300, 20)) < 0.01, np.inf, normal()),
    "one hot": np.eye(20) * 1000.0,
    "smoothed": np.eye(20) * 3.0,
}


@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_no_false_alarm(logits: Any, dtype: str) -> None:
    """lse - x_y of moved logits cancels: what is left has a few bits, though every step was taken in full."""
    for operation, function in FUNCTIONS.items():
        assert measured(function, operation, dtype, logits).computes is None, operation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_limit_that_many_results_share_is_not_a_precision(dtype: str) -> None:
    def clipped(x: Any) -> Any:
        return np.maximum(FUNCTIONS["log_softmax"](x), -100)

    assert measured(clipped, "log_softmax", dtype, normal(1e5)).computes is None


def test_seven_results_tell_nothing_and_eight_do() -> None:
    function = narrowed(FUNCTIONS["logsumexp"], "float16")
    logits = normal(rows=8)
    assert measured(function, "logsumexp", "float64", logits[:7]).computes is None
    assert measured(function, "logsumexp", "float64", logits).computes == "float16"
    assert measured(function, "logsumexp", "float64", np.repeat(logits[:4], 9, axis=0)).computes is None


def test_one_other_result_is_enough_to_say_nothing() -> None:
    def mostly(x: Any) -> Any:
        half = narrowed(FUNCTIONS["logsumexp"], "float16")(x)
        return np.where(np.arange(len(x)) == 33, FUNCTIONS["logsumexp"](x), half)

    assert measured(mostly, "logsumexp", "float64", normal()).computes is None


def test_what_is_found_out_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    function = narrowed(FUNCTIONS["log_softmax"], "float16")
    monkeypatch.setattr(sources, "BLOCK", 200)  # ten rows
    few = narrowed(FUNCTIONS["logsumexp"], "float16")
    assert measured(few, "logsumexp", "float64", np.repeat(normal(rows=5), 60, axis=0)).computes is None
    assert measured(function, "log_softmax", "float32", normal()).computes == "float16"

    def later(x: Any) -> Any:
        first = x[0, 0] == normal()[0, 0].astype(x.dtype)
        return (function if first else FUNCTIONS["log_softmax"])(x)

    assert measured(later, "log_softmax", "float32", normal()).computes is None


def test_a_working_format_is_none_that_was_changed() -> None:
    """--compute float32 of float16 rounds once; what was computed in float32 is a number of float16 then."""
    assert measured(FUNCTIONS["softmax"], "softmax", "float16", normal(), compute="float32").computes is None
    assert measured(FUNCTIONS["softmax"], "softmax", "float32", normal(), compute="float64").computes is None


def test_gradients_are_looked_at_too() -> None:
    def function(x: Any) -> Any:
        return lse(x.astype(np.float16))[:, 0].astype(x.dtype)

    for wanted, given in (("float16", function), (None, FUNCTIONS["logsumexp"])):
        assert measured(given, "logsumexp", "float64", normal(), quantity="gradient").computes == wanted
