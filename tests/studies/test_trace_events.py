"""What befalls a step, counted against IEEE arithmetic in fractions, and what of it does harm."""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope.formats import FORMATS
from overflowscope.records.trace import Step, Trace

FMT = FORMATS["float32"]
VALUES = (0.0, -0.0, 1.0, -3.0, 1e-30, 2e-38, -1e-45, 3e38, -3e38, -2e30, 1e10, math.inf, -math.inf, math.nan)
PAIRS = np.array(list(itertools.product(VALUES, VALUES)), np.float32)


def step(found: Trace, operation: str) -> Step:
    (one,) = [s for s in found.steps if s.operation == operation]
    return one


def counts(one: Step) -> dict[str, int]:
    return {e.kind: e.count for e in one.events}


def kind(exact: Callable[[Fraction, Fraction], Fraction], a: float, b: float, got: float, name: str) -> list[str]:
    """What happened to one result, by IEEE 754: of finite operands the exact result in fractions decides."""
    if math.isnan(got):
        return ["invalid"] if not (math.isnan(a) or math.isnan(b)) else []
    if not (math.isfinite(a) and math.isfinite(b)):
        return []
    if math.isinf(got):
        return ["divide"] if name == "divide" and b == 0 else ["overflow"]
    wanted = exact(Fraction(a), Fraction(b))
    if got == 0:
        return ["underflow"] if wanted != 0 else []
    return ["subnormal"] if abs(got) < FMT.smallest_normal and Fraction(got) != wanted else []


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_arithmetic_is_judged_as_ieee_has_it(name: str) -> None:
    signs = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv}
    found = overflowscope.trace(PAIRS, function=lambda x: signs[name](x[:, 0], x[:, 1]))
    with np.errstate(all="ignore"):
        got = signs[name](PAIRS[:, 0], PAIRS[:, 1])
    pairs = zip(PAIRS.astype(float).tolist(), got.astype(float).tolist(), strict=True)
    wanted = Counter(k for (a, b), c in pairs for k in kind(signs[name], a, b, c, name))
    mine = {k: n for k, n in counts(step(found, name)).items() if k not in ("absorption", "cancellation")}
    assert mine == dict(wanted)
    assert len(wanted) >= {"add": 2, "subtract": 2, "multiply": 3, "divide": 4}[name]


@pytest.mark.parametrize("name", ["add", "subtract"])
def test_an_absorbed_addend_leaves_no_trace(name: str) -> None:
    sign = 1 if name == "add" else -1
    found = overflowscope.trace(PAIRS, function=lambda x: x[:, 0] + x[:, 1] if sign > 0 else x[:, 0] - x[:, 1])
    wanted = 0
    for a, b in PAIRS:
        with np.errstate(all="ignore"):
            total = a + np.float32(sign) * b
        if np.isfinite([a, b]).all() and np.isfinite(total):
            wanted += bool((total == a and b != 0) or (total == sign * b and a != 0))
    assert counts(step(found, name))["absorption"] == wanted > 10


@pytest.mark.parametrize(
    ("function", "values", "wanted"),
    [
        (np.exp, [88.7, 88.73, 200, math.inf], {"overflow": 2}),
        (np.exp, [-104.5, -math.inf, -90.0, 1.0], {"underflow": 1, "subnormal": 1}),
        (np.exp, [88.0, 79.9, 79.0, -80.0], {"latent": 2}),
        (np.exp2, [127.5, 100.0, 115.3], {"latent": 2}),
        (np.expm1, [88.73, -200.0, 1e-20], {"overflow": 1}),
        (np.log, [0.0, -1.0, -math.inf, math.nan, 1.0], {"divide": 1, "invalid": 2}),
        (np.log1p, [-1.0, -1.5, 0.0], {"divide": 1, "invalid": 1}),
        (np.sqrt, [-1.0, -0.0, 4.0], {"invalid": 1}),
        (np.square, [1e20, 1e-30, 0.0, 1e-20], {"overflow": 1, "underflow": 1, "subnormal": 1}),
        (lambda x: x**-1, [0.0, 1e-45, 2.0], {"divide": 1, "overflow": 1}),
        (
            lambda x: x.astype(np.float16),
            [70000.0, 1e-9, 1e-6, math.inf],
            {"overflow": 1, "underflow": 1, "subnormal": 1},
        ),
        (lambda x: 1 / x, [0.0, math.inf, 1e-45], {"divide": 1, "overflow": 1}),
    ],
)
def test_functions(function: Callable[[Any], Any], values: list[float], wanted: dict[str, int]) -> None:
    # A clean sum hides nothing: what happens is told whether or not it does harm.
    found = overflowscope.trace([values], function=function)
    assert counts(found.steps[-1]) == wanted


def test_an_overflow_without_infinities_is_nan() -> None:
    pytest.importorskip("ml_dtypes")
    found = overflowscope.trace([[400.0, 1.0]], function=lambda x: x + x, dtype="float8_e4m3fn")
    assert counts(found.steps[0]) == {"overflow": 1}
    assert found.birth is not None
    assert (found.birth.kind, found.birth.limit) == ("overflow", 448.0)


def test_cancellation_needs_an_error_to_make_larger() -> None:
    """x - max is exact and loses nothing; (x + 0.1) - x loses what the first rounding left."""
    exact = overflowscope.trace([[1000.0, 1000.25]], function=lambda x: x - x.max())
    assert counts(exact.steps[-1]) == {}
    found = overflowscope.trace([[1e5, 2e5]], function=lambda x: (x + 0.1) - x)
    (event,) = [e for e in found.steps[-1].events if e.kind == "cancellation"]
    assert event.count == 2
    assert event.bits == pytest.approx(math.log2(200000.1 / 0.09375), abs=0.01)
    assert not event.harmless
    assert found.birth is None
    assert "of 24 bits of the result are lost" in found.verdict


def test_a_sum_that_stalls() -> None:
    """4,096 ones in float16 from left to right: from 2,048 on each leaves no trace."""
    found = overflowscope.trace(np.ones((1, 4096)), dtype="float16", formulation="shifted", arithmetic="strict")
    total = step(found, "sum")
    assert total.largest == 2048
    (event,) = total.events
    assert (event.kind, event.harmless) == ("absorption", False)
    assert found.birth is None
    assert "softmax" not in found.verdict


def test_small_addends_of_a_sum_are_no_news() -> None:
    """That a sum rounds is worth a word only where something is lost by it."""
    found = overflowscope.trace([[1.0, 1e-12]], function=lambda x: np.log(x.sum(axis=-1)))
    assert counts(found.steps[0]) == {"absorption": 1}
    assert not found.steps[0].events[0].harmless
    fine = overflowscope.trace([[1.0, 1e-12]], function=lambda x: x.sum(axis=-1) * 2)
    assert counts(fine.steps[0]) == {}


# Harm


def harms(found: Trace) -> dict[tuple[str, str], bool]:
    return {(s.operation, e.kind): not e.harmless for s in found.steps for e in s.events}


def test_the_same_event_in_one_place_harms_and_in_another_does_not() -> None:
    """exp(-110) is 0: divided by it is the end, added to 1 it is nothing."""
    x = [[-110.0]]
    assert harms(overflowscope.trace(x, function=lambda x: 1 / np.exp(x)))[("exp", "underflow")]
    assert not harms(overflowscope.trace(x, function=lambda x: 1 + np.exp(x)))[("exp", "underflow")]
    assert harms(overflowscope.trace(x, function=lambda x: np.log(np.exp(x))))[("exp", "underflow")]
    assert not harms(overflowscope.trace(x, function=lambda x: np.exp(x)))[("exp", "underflow")]


def test_a_subnormal_number_harms_what_is_divided_by_it() -> None:
    x = [[-100.0, -101.0]]
    found = overflowscope.trace(x)
    assert harms(found)[("exp", "subnormal")]
    assert found.birth is None
    assert "bits of the result are lost" in found.verdict
    assert not harms(overflowscope.trace(x, function=lambda x: 1 + np.exp(x)))[("exp", "subnormal")]


def test_an_infinity_that_goes_nowhere() -> None:
    x = [[100.0, -1.0]]
    for function in (
        lambda x: np.where(x > 50, 0.0, np.exp(x)),
        lambda x: 1 / np.exp(2 * x),
        lambda x: np.minimum(np.exp(x), 5.0),
        lambda x: np.exp(x)[:, 1],
    ):
        found = overflowscope.trace(x, function=function)
        assert found.birth is None, found.verdict
        assert not harms(found)[("exp", "overflow")]


@pytest.mark.parametrize(
    ("function", "row", "operation", "kind"),
    [
        (lambda x: x - x.max(), [-math.inf, -math.inf], "subtract", "invalid"),
        (lambda x: np.log(x * 0) * 0, [1.0, 2.0], "log", "divide"),
        (lambda x: (np.exp(x) - np.exp(x)) + 1, [100.0, 0.0], "exp", "overflow"),
        (lambda x: np.nan_to_num(np.exp(x) / np.exp(x)), [100.0, 0.0], "exp", "overflow"),
        (lambda x: np.sqrt((x**2).mean() - x.mean() ** 2), [5839.5, 5839.75, 5840.0, 5839.0], "sqrt", "invalid"),
        (lambda x: x * 1e-30 * 1e-30 / 1e-30, [1.0, 0.0], "multiply", "underflow"),
        (lambda x: np.exp(-np.exp(x)) ** 0.01, [6.0, 1.0], "exp", "underflow"),
        (lambda x: 1 / (1 / np.exp(x)), [100.0, 1.0], "exp", "overflow"),
        (lambda x: np.log1p(x * 1e-10 - 1), [1.0, 2.0], "log1p", "divide"),
    ],
)
def test_where_it_begins(function: Callable[[Any], Any], row: list[float], operation: str, kind: str) -> None:
    found = overflowscope.trace([row], function=function)
    assert found.birth is not None, found.verdict
    assert (found.birth.operation, found.birth.kind) == (operation, kind), found.verdict


@pytest.mark.parametrize(
    ("function", "row"),
    [
        (lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(), [0.0, -math.inf]),
        (lambda x: np.maximum(x, -1e4).sum(), [0.0, -math.inf]),
        (lambda x: np.where(np.arange(2) == 0, x, -np.inf).max(), [3.0, 5.0]),
        (lambda x: np.exp(np.where(np.arange(2) == 0, x, -np.inf)), [3.0, 5.0]),
        (lambda x: 1 / (1 + np.exp(-x)), [math.inf, -math.inf]),
        (lambda x: np.log(np.exp(x)), [-math.inf, 0.0]),
    ],
)
def test_what_was_meant_is_no_failure(function: Callable[[Any], Any], row: list[float]) -> None:
    found = overflowscope.trace([row], function=function)
    assert found.birth is None, found.verdict
    assert found.verdict.startswith("Nothing went wrong")


def wrong_in_two_ways(x: Any) -> Any:
    """Of [-120, 100]: 0 for exp(-120) 1e60, and inf * 0."""
    return np.exp(np.minimum(x, 0) / 2) ** 2 * 1e30 * 1e30 + np.exp(x) * 0


def test_nan_before_zeros() -> None:
    """The birth is that of the nan, though a wrong 0 was made before."""
    found = overflowscope.trace([[-120.0, 100.0]], function=wrong_in_two_ways)
    assert found.birth is not None
    assert (found.birth.operation, found.birth.kind) == ("exp", "overflow")


def test_both_ways_to_a_failure_are_marked() -> None:
    """inf / inf: the numerator's and the denominator's are both part of it."""

    def function(x: Any) -> Any:
        e = np.exp(x)
        return e / (e + 1)

    found = overflowscope.trace([[100.0, 99.0]], function=function)
    assert [s.operation for s in found.steps if s.descendant] == ["exp", "add", "divide"]
    assert all(not e.harmless for s in found.steps for e in s.events if e.kind == "overflow")


def test_a_failure_by_several_ways_to_several_numbers() -> None:
    def function(x: Any) -> Any:
        e = np.exp(x)
        return np.stack([e[:, 0] - e[:, 0], e[:, 1] - e[:, 1], e[:, 2]])

    found = overflowscope.trace([[100.0, 101.0, 1.0]], function=function)
    assert found.birth is not None
    assert (found.birth.operation, found.birth.index) == ("exp", (0, 0))
    (event,) = found.steps[0].events
    assert (event.kind, event.count, event.harmless) == ("overflow", 2, False)


def test_a_sum_before_a_failure_is_not_blamed_for_rounding() -> None:
    """1 + 3.3 is inexact, but no addend is too small to be seen in it."""
    found = overflowscope.trace([[1.0, 3.3]], function=lambda x: np.exp(x.sum(axis=-1) * 30))
    assert found.birth is not None
    assert counts(found.steps[0]) == {}


def test_what_loses_bits_is_named_and_the_step_before_it() -> None:
    """log of a number that was rounded to near 1: the rounding is the add's, the loss the log's."""
    found = overflowscope.trace([[1e-5, 2.0]], function=lambda x: np.log(1 + x))
    assert found.birth is None
    assert found.verdict.startswith("step 2, log: log(1.00001)")
    assert "it magnifies the rounding of its operands" in found.verdict
    assert "Writing log1p(y) for log(1 + y) is enough." in found.verdict
