"""What the library refuses, and what the title and the notes say of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import InputError, report
from overflowscope.report import Look


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": 2**64},
        {"scale": "a"},
        {"scale": []},
        {"scale": -1.0},
        {"scale": [1.0, float("inf")]},
        {"shift": float("nan")},
        {"compute": "float33"},
        {"dtypes": "float33"},
        {"operations": "softmx"},
        {"formulations": "lsee"},
    ],
    ids=repr,
)
def test_bad_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        overflowscope.compare([[1.0, 2.0]], **wrong)


def test_ragged_logits() -> None:
    with pytest.raises(InputError, match="no array"):
        overflowscope.compare([[1.0, 2.0], [3.0]])


def test_a_string_is_one_name() -> None:
    found = overflowscope.compare([[1.0, 2.0]], operations="softmax", formulations="lse", dtypes="float32").results
    assert [(m.operation, m.formulation, m.dtype) for m in found] == [("softmax", "lse", "float32")]


def table(*arguments: Any, **named: Any) -> str:
    return report.render("table", overflowscope.compare(*arguments, **named), Look(width=200))


def test_the_title_says_whose_labels_they_are() -> None:
    logits = [[1.0, 2.0], [2.0, 1.0]]
    assert "labels from seed" in table(logits, operations="cross_entropy").splitlines()[0]
    assert "labels" not in table(logits, operations="softmax").splitlines()[0]
    assert "labels" not in table(logits, [0, 1], operations="cross_entropy").splitlines()[0]
    assert "1 rows ignored" in table(logits, [0, -100], operations="cross_entropy").splitlines()[0]


def test_the_first_row_without_a_truth_is_named() -> None:
    logits = np.zeros((500, 200))
    logits[417, 3] = np.nan
    logits[430, 3] = np.nan
    text = table(logits, operations="softmax", dtypes="float32")
    assert "2 of 500 rows have no defined truth (nan, or infinities; the first is row 417)" in text


def test_a_format_that_compute_does_not_hold_is_named() -> None:
    text = table([[1.0, 2.0]], operations="softmax", dtypes=["float16", "float64"], compute="float32")
    assert "float64 is computed in float64: float32 does not hold all of it" in text
    assert "float16 is computed" not in text


def test_probabilities_below_zero_diverge() -> None:
    def shifted_down(x: Any) -> Any:
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True) - np.float32(0.5)

    logits = [[0.0, 1.0]]
    found = overflowscope.compare(logits, implementations=[shifted_down], operations="softmax", dtypes="float32")
    kl = found.results[-1].kl
    assert kl is not None
    assert kl.max == np.inf
