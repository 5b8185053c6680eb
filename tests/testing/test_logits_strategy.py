"""The strategy of logits: what it gives, what it favours, and what it shrinks to."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from overflowscope import InputError, catalogue
from overflowscope.formats import FORMATS, round_to
from overflowscope.reference import reference
from overflowscope.testing import logits

SETTINGS = settings(derandomize=True, database=None, max_examples=400, deadline=None)
Seen = Callable[[Any], bool]


def found(strategy: Any, seen: Seen) -> Any:
    """The smallest that Hypothesis finds, as float64."""
    return find(strategy, lambda x: bool(seen(x.astype(np.float64))), settings=SETTINGS).astype(np.float64)


def shares(strategy: Any, seen: dict[str, Seen], examples: int = 400) -> dict[str, float]:
    """How many of the examples are seen to be each, of all."""
    counts = dict.fromkeys(seen, 0)

    @settings(derandomize=True, database=None, max_examples=examples, deadline=None)
    @given(x=strategy)
    def count(x: Any) -> None:
        values = x.astype(np.float64)
        for name, holds in seen.items():
            counts[name] += bool(holds(values))

    count()
    return {name: n / examples for name, n in counts.items()}


@pytest.mark.parametrize("dtype", FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_they_are_numbers_of_the_format_in_its_dtype(dtype: str, data: st.DataObject) -> None:
    fmt = FORMATS[dtype]
    x = data.draw(logits(dtype, range(1, 6), rows=st.none() | st.integers(1, 3)))
    assert x.dtype == fmt.dtype
    assert 1 <= x.shape[-1] <= 5
    assert x.ndim in (1, 2)
    values = x.astype(np.float64)
    assert not np.isnan(values).any()
    assert not np.isposinf(values).any()
    assert np.isfinite(values).any(axis=-1).all(), "a row that is masked as a whole"
    np.testing.assert_array_equal(round_to(values, fmt), values)


@settings(max_examples=60, deadline=None)
@given(
    ten=logits(),
    wide=logits("float16", 1000),
    two=logits("float64", (2, 2), rows=3),
    free=logits(classes=st.just(4), rows=range(1, 3)),
    one=logits(classes=1),
)
def test_shapes(ten: Any, wide: Any, two: Any, free: Any, one: Any) -> None:
    assert (ten.shape, ten.dtype) == ((10,), np.float32)
    assert (wide.shape, wide.dtype) == ((1000,), np.float16)
    assert (two.shape, two.dtype) == ((3, 2), np.float64)
    assert free.shape in ((1, 4), (2, 4))
    assert one.shape == (1,)
    assert np.isfinite(one).all(), "a mask on the only class"


@settings(max_examples=100, deadline=None)
@given(x=logits("float32", (1, 12), min_value=-2.5, max_value=10.0), y=logits("float16", 3, min_value=0.5, masks=False))
def test_bounds_are_kept(x: Any, y: Any) -> None:
    assert ((x == -np.inf) | ((x >= -2.5) & (x <= 10))).all()
    assert (y >= 0.5).all()
    assert np.isfinite(y).all()


# What it favours: each is in a hundredth of the examples at the least, and in next to none of random numbers.


def spared(x: Any) -> Any:
    """The different finite logits, halved so that their differences are finite too."""
    return np.unique(x[np.isfinite(x)]) / 2


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e5m2"])
def test_corners_are_common(dtype: str) -> None:
    fmt = FORMATS[dtype]
    edge = fmt.log_largest
    seen: dict[str, Seen] = {
        "just below what exp can take": lambda x: ((x > edge * 0.8) & (x <= edge)).any(),
        "just above": lambda x: ((x > edge) & (x < edge * 1.25)).any(),
        "ties for the largest": lambda x: (x == x.max()).sum() > 1,
        "all equal and huge": lambda x: (
            np.isfinite(x).sum() > 1 and len(spared(x)) == 1 and np.abs(spared(x)[0]) > 4 * edge
        ),
        "one dominates": lambda x: np.sort(x / 2)[-1] - np.sort(x / 2)[-2] > edge,
        "neighbours": lambda x: (
            len(spared(x)) > 1 and np.ptp(spared(x)) <= 8 * fmt.unit_roundoff * np.abs(spared(x)).max() > 0
        ),
        "spread": lambda x: np.ptp(spared(x)) > 4 * edge,
        "a mask": lambda x: np.isneginf(x).any(),
        "several masks": lambda x: np.isneginf(x).sum() > 1,
        "no mask": lambda x: np.isfinite(x).all(),
        "subnormal": lambda x: ((x != 0) & (np.abs(x) < fmt.smallest_normal)).any(),
        "-0": lambda x: ((x == 0) & np.signbit(x)).any(),
        "small whole numbers": lambda x: ((x == np.round(x)) & (np.abs(x) <= 4)).any(),
    }
    for name, share in shares(logits(dtype, 5), seen).items():
        assert share >= 0.01, name


# What it shrinks to.


def test_it_shrinks_to_few_small_whole_numbers() -> None:
    def overflows(x: Any) -> bool:
        return bool((x > FORMATS["float32"].log_largest).any())

    few = logits("float32", (1, 10))
    [least] = found(few, overflows)
    assert 88.72 < least < 90
    assert found(few, lambda x: len(x) > 2).tolist() == [0, 0, 0]
    assert found(logits("float32", 4), lambda x: True).tolist() == [0, 0, 0, 0]
    assert found(logits("float32", (2, 9), rows=(1, 4)), lambda x: True).tolist() == [[0, 0]]
    assert sorted(found(few, lambda x: np.isneginf(x).any()).tolist()) == [-math.inf, 0]
    assert sorted(found(logits("float32", (1, 10), masks=False), lambda x: np.ptp(x) >= 3).tolist()) in (
        [0, 3],
        [-3, 0],
    )
    assert np.isfinite(found(logits("float32", 6), overflows)).all(), "masks that need not be there"


def test_zeros_as_bounds() -> None:
    assert found(logits(classes=2, min_value=0.0, max_value=-0.0, masks=False), lambda x: True).tolist() == [0, 0]


def test_what_is_allowed_and_what_is_not() -> None:
    def never(strategy: Any, seen: Seen) -> None:
        with pytest.raises(NoSuchExample):
            found(strategy, seen)

    few = (1, 3)
    never(logits(classes=few), lambda x: np.isnan(x).any() or np.isposinf(x).any() or np.isneginf(x).all())
    never(logits(classes=few, masks=False), lambda x: not np.isfinite(x).all())
    assert np.isnan(found(logits(classes=few, allow_nan=True), lambda x: np.isnan(x).any())).any()
    never(logits(classes=few, allow_nan=True), lambda x: np.isposinf(x).any())
    assert found(logits(classes=few, allow_infinity=True), lambda x: np.isposinf(x).any()).tolist() == [math.inf]
    assert found(logits(classes=few, allow_all_masked=True), lambda x: np.isneginf(x).all()).tolist() == [-math.inf]
    never(logits("float8_e4m3fn", few), lambda x: not np.isfinite(x).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float12"}, "unknown dtype 'float12'"),
        ({"classes": 0}, "at least 1 is wanted"),
        ({"classes": (3, 2)}, "at least 1 is wanted"),
        ({"rows": range(3)}, "at least 1 is wanted"),
        ({"rows": range(0)}, "rows of range(0, 0)"),
        ({"classes": (1, 10**15)}, "at most 1,048,576 are drawn"),
        ({"classes": range(10**15, 0, -1)}, "at most 1,048,576 are drawn"),
        ({"rows": 2**20 + 1}, "at most 1,048,576 are drawn"),
        ({"rows": range(2, -1, -1)}, "at least 1 is wanted"),
        ({"classes": (1, 2, 3)}, "classes of (1, 2, 3); a number, a range"),
        ({"classes": 2.5}, "classes of 2.5; a number, a range"),
        ({"classes": True}, "classes of True; a number, a range"),
        ({"classes": None}, "classes of None; a number, a range"),
        ({"rows": [1, 2]}, "rows of [1, 2]; a number, a range"),
        ({"min_value": 2.0, "max_value": 1.0}, "min_value 2.0 is above max_value 1.0"),
        ({"min_value": 0.1}, "0.1 is no finite number of float32"),
        ({"max_value": math.inf}, "inf is no finite number of float32"),
        ({"max_value": math.nan}, "nan is no finite number of float32"),
    ],
)
def test_misuse(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        logits(**arguments)
    assert message in str(raised.value)


def test_without_hypothesis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    with pytest.raises(InputError, match="hypothesis is not installed; pip install hypothesis"):
        logits()


# The project's own: the truth of corners.


@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "log_softmax"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_both_references_agree_on_corners(operation: str, data: st.DataObject) -> None:
    """Two enclosures of one truth, by balls and by intervals: where both decide the rounding, they decide alike."""
    fmt = FORMATS[data.draw(st.sampled_from(["float16", "float32", "float64"]))]
    x = data.draw(logits(fmt.name, (1, 5), rows=(1, 3))).astype(np.float64)
    fast, slow = (reference(catalogue.named(operation), x, None, fmt, ladder=ladder) for ladder in ("auto", "mpmath"))
    np.testing.assert_array_equal(fast.state, slow.state)
    decided = (fast.below == fast.above) & (slow.below == slow.above) & (slow.state == 0)
    assert decided.any()
    np.testing.assert_array_equal(fast.below[decided], slow.below[decided])
