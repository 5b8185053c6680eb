"""Exact values beside computed ones: NumPy's functions with their options, judged by the same ones of Fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath.libmp import finf, fninf
from test_intervals import value

from overflowscope import catalogue, formats
from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.intervals import Element
from overflowscope.arithmetic.recording import RecordedArray, Recording
from overflowscope.arithmetic.shadows import LINE, UNDEFINED, Shadows
from overflowscope.arithmetic.strict import Model
from overflowscope.evaluate import given
from overflowscope.formats import FORMATS, Format

INF, NAN = math.inf, math.nan
A = np.array([[0.1, -2.5, 3.0, 7.75], [1e-5, 4.0, -0.3, 0.1], [2.0, 2.0, -8.0, 1e4]], np.float32)
B = np.array([0.7, -1.0, 0.25, 3.0], np.float32)
S = np.array([[2.0, 0.1, 1.0, -3.0]] * 4, np.float32)
MASK = np.array([[True, False, True, True], [False, False, True, True], [True, True, False, True]])
TINY = Fraction(1, 2**200)
TENTH = Fraction(0.1)


def fractions(array: Any) -> Any:
    exact = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        exact[index] = Fraction(float(array[index]))
    return exact


def near(found: Element, wanted: Any) -> bool:
    """Whether the enclosure holds the number and is narrow."""
    assert not {finf, fninf} & {*found[:2]}, found
    low, high = value(found[0]), value(found[1])
    return bool(low <= wanted <= high <= low + TINY * max(1, abs(wanted)))


def recorded(function: Callable[..., Any], *arrays: Any) -> tuple[RecordedArray, Recording]:
    shadows = Shadows()
    recording = Recording(np, exact=shadows)
    with np.errstate(all="ignore"):
        result = function(*map(recording.asarray, arrays))
    assert not shadows.unruled
    assert isinstance(result, RecordedArray)
    return result, recording


def squares(x: Any, **options: Any) -> Any:
    """The variance, which object arrays lack."""
    return np.mean((x - np.mean(x, axis=-1, keepdims=True)) ** 2, axis=-1, **options)


EXACTLY: dict[str, tuple[Any, ...]] = {
    "sum of all": (np.sum, A),
    "sum with an initial number": (lambda x: np.sum(x, 0) + TENTH if x.dtype == object else x.sum(0, initial=0.1), A),
    "sum of some": (lambda x: (x * MASK).sum(1) if x.dtype == object else np.sum(x, axis=1, where=MASK), A),
    "sum over several axes": (lambda x: np.sum(x[None], axis=(0, 2), keepdims=True), A),
    "add.reduce": (np.add.reduce, A),
    "product": (lambda x: x.prod(axis=1), A),
    "mean": (lambda x: x.mean(axis=0, keepdims=True), A),
    "mean of some": (
        lambda x: (x * MASK).sum(1) / MASK.sum(1) if x.dtype == object else np.mean(x, axis=1, where=MASK),
        A,
    ),
    "maximum": (lambda x: x.max(axis=1, initial=3), A),
    "minimum.reduce": (lambda x: np.minimum.reduce(x, axis=1), A),
    "running sum": (lambda x: np.cumsum(x, axis=1), A),
    "running sum of all": (np.cumsum, A),
    "running product": (lambda x: x.cumprod(axis=0), A),
    "running maximum": (lambda x: np.maximum.accumulate(x, axis=1), A),
    "differences": (lambda x: np.diff(x, n=2), A),
    "matrix by vector": (lambda x, y: x @ y, A, B),
    "vector by matrix": (lambda x, y: y @ x.T, A, B),
    "stacks of matrices": (lambda x, y: x[None] @ y.T, A, S),
    "vector by vector": (lambda x: x @ x, B),
    "dot": (lambda x, y: x.dot(y), A, B),
    "inner": (np.inner, A, B),
    "outer": (np.outer, B, B),
    "multiply.outer": (np.multiply.outer, B, B),
    "trace": (np.trace, A),
    "einsum": (lambda x, y: x @ y.T if x.dtype == object else np.einsum("ij,kj->ik", x, y), A, S),
    "einsum of a diagonal": (lambda x: np.diagonal(x) if x.dtype == object else np.einsum("ii->i", x), S),
    "einsum of a trace": (lambda x: np.trace(x) if x.dtype == object else np.einsum("ii", x), S),
    "clipped": (lambda x: np.maximum(x, -1) if x.dtype == object else np.clip(x, -1, None), A),
    "clipped from above": (lambda x: np.minimum(x, 2) if x.dtype == object else x.clip(max=2), A),
    "where": (lambda x, y: np.where(MASK, x, y), A, B),
    "select": (lambda x: np.select([MASK, ~MASK], [x, -x], 0), A),
    "power": (lambda x: x**3, A),
    "a Python float": (lambda x: x * (TENTH if x.dtype == object else 0.1), A),
    "a double": (lambda x: x + (TENTH if x.dtype == object else np.float64(0.1)), A),
    "polynomial": (lambda x, y: np.polyval(y, x), A, B),
    "absolute": (np.abs, A),
    "sign": (lambda x: np.sign(x) if x.dtype != object else np.where(x > 0, 1, -1), A),
    "reciprocal": (lambda x: 1 / x if x.dtype == object else np.reciprocal(x), A),
    "floor": (lambda x: np.floor(x), A),
    "rounded": (lambda x: np.round(x) if x.dtype != object else np.vectorize(round, otypes=[object])(x), A),
    "remainder": (lambda x: x % 2, A),
    "whole quotient": (lambda x: x // 2, A),
    "spread": (lambda x: np.ptp(x, axis=1), A),
    "median": (lambda x: np.median(x, axis=1), A),
    "average": (lambda x, y: (x * y).sum(1) / y.sum() if x.dtype == object else np.average(x, 1, y), A, B),
    "variance": (lambda x: squares(x) if x.dtype == object else np.var(x, axis=-1), A),
    "variance of a sample": (
        lambda x: squares(x) * Fraction(4, 3) if x.dtype == object else x.var(-1, ddof=1, keepdims=True)[:, 0],
        A,
    ),
    "1-norm": (lambda x: np.abs(x).sum(1) if x.dtype == object else np.linalg.norm(x, 1, axis=1), A),
    "largest": (lambda x: np.abs(x).max() if x.dtype == object else np.linalg.norm(x.ravel(), np.inf), A),
    "a cast": (lambda x: x if x.dtype == object else x.astype(np.float16), A),
    "summed in float64": (lambda x: x.sum(axis=1) if x.dtype == object else x.sum(axis=1, dtype=np.float64), A),
}


@pytest.mark.parametrize("name", EXACTLY)
def test_functions_of_rational_numbers(name: str) -> None:
    function, *arrays = EXACTLY[name]
    result, recording = recorded(function, *arrays)
    wanted = np.asarray(function(*map(fractions, arrays)), object)
    assert result.shape == wanted.shape
    for index in np.ndindex(wanted.shape):
        assert near(result.exact[index], wanted[index])
    with np.errstate(all="ignore"):
        plain = function(*arrays)
    assert type(plain) is type(result.value)
    np.testing.assert_array_equal(plain, result.value, strict=True)
    assert recording.steps[-1].exact.shape == result.shape


ROOTS: dict[str, Callable[[Any], Any]] = {
    "norm": np.linalg.norm,
    "norm of rows": lambda x: np.linalg.norm(x, axis=1),
    "std": lambda x: x.std(axis=1),
    "hypot": lambda x: np.hypot(x, 0.5),
}
SQUARED: dict[str, Callable[[Any], Any]] = {
    "norm": lambda x: (x * x).sum(),
    "norm of rows": lambda x: (x * x).sum(1),
    "std": squares,
    "hypot": lambda x: x * x + Fraction(1, 4),
}


@pytest.mark.parametrize("name", ROOTS)
def test_functions_with_roots(name: str) -> None:
    """Whose square is rational."""
    result, _ = recorded(ROOTS[name], A)
    wanted = np.asarray(SQUARED[name](fractions(A)), object)
    for index in np.ndindex(wanted.shape):
        low, high = (value(end) for end in result.exact[index][:2])
        assert 0 < low < high < low + TINY * low * 2**10
        assert low**2 <= wanted[index] <= high**2


def exact_of(function: Callable[..., Any], *arrays: Any) -> list[Element]:
    result, _ = recorded(function, *(np.asarray(a, np.float32) for a in arrays))
    return list(result.exact.ravel())


def test_what_has_no_value_is_left_out_where_numpy_does() -> None:
    x = [1.0, NAN, 2.5]
    assert near(exact_of(np.nansum, x)[0], Fraction(3.5))
    assert near(exact_of(np.nanmean, x)[0], Fraction(1.75))
    assert near(exact_of(np.nanmax, x)[0], Fraction(2.5))
    assert near(exact_of(np.fmax, x, [0.0, 4.0, 3.0])[1], 4)
    assert exact_of(np.sum, x) == [UNDEFINED]
    assert near(exact_of(np.nan_to_num, x)[1], 0)


def test_infinities_and_masks() -> None:
    minus = (fninf, fninf, False, False)
    assert near(exact_of(np.exp, [-INF])[0], 0)
    assert exact_of(lambda x: x - 5, [-INF]) == [minus]
    assert exact_of(lambda x: x * 0, [-INF]) == [UNDEFINED]
    assert near(exact_of(lambda x: 1 / x, [-INF])[0], 0)
    assert exact_of(lambda x: x - x.max(), [-INF, -INF]) == [UNDEFINED] * 2
    assert near(exact_of(lambda x: np.exp(np.where([True, False], x, -np.inf)).sum(), [0.0, 3.0])[0], 1)
    assert exact_of(np.log, [0.0, -1.0]) == [minus, UNDEFINED]
    assert exact_of(np.log, [NAN]) == [UNDEFINED]


def test_a_quotient_by_zero_has_the_sign_of_the_zero() -> None:
    signs = [e[0] for e in exact_of(lambda x, y: x / y, [1.0, -1.0, 1.0, -1.0], [0.0, 0.0, -0.0, -0.0])]
    assert signs == [finf, fninf, fninf, finf]
    assert exact_of(lambda x, y: x / y, [0.0], [-0.0]) == [UNDEFINED]


def test_the_error_of_a_step_is_told_from_the_inherited() -> None:
    """0.1 in float16 is 0.0999755859375; a third of that is rounded again."""

    def function(x: Any) -> Any:
        return (x + 0.1) / 3

    result, recording = recorded(function, np.zeros(1, np.float16))
    first, second = (s for s in recording.steps if s.computes)
    assert near(first.local[0], Fraction(0.1))
    assert near(second.exact[0], Fraction(0.1) / 3)
    assert near(second.local[0], Fraction(float(np.float16(0.1))) / 3)
    assert near(result.exact[0], Fraction(0.1) / 3)


def test_a_function_without_a_rule_says_so() -> None:
    shadows = Shadows()
    recording = Recording(np, exact=shadows)
    result = np.arccos(recording.asarray(A) / 1e5) + 1
    assert shadows.unruled == ["arccos"]
    assert all(e == LINE for e in result.exact.ravel())
    assert recording.steps[1].local[0, 0] == LINE


def test_an_option_that_a_rule_does_not_know_is_no_rule() -> None:
    shadows = Shadows()
    recording = Recording(np, exact=shadows)
    np.linalg.norm(recording.asarray(A), ord=2)
    np.matmul(recording.asarray(A), recording.asarray(A), axes=[(0, 1), (1, 0), (0, 1)])
    assert shadows.unruled == ["matmul"]
    assert all(s.exact.ravel()[0] == LINE for s in recording.steps)


def test_too_many_numbers_have_no_exact_values() -> None:
    recording = Recording(np, exact=Shadows(elements=11))
    x = recording.asarray(A)
    total = np.exp(x * 0).sum()
    assert [s.exact for s in recording.steps] == [None, None, None]
    assert total.exact is None
    assert recording.steps[0].local is None
    small = Recording(np, exact=Shadows(elements=20))
    assert (small.asarray(A) @ small.asarray(S)).exact is None
    assert (small.asarray(A) @ small.asarray(B)).exact is not None


# The whole catalogue, in every format, in both arithmetics

FORMULATIONS = [
    pytest.param(operation, formulation, id=f"{operation.name}-{formulation.name}")
    for operation in catalogue.operations().values()
    for formulation in operation.formulations.values()
]


@pytest.mark.parametrize("model", [None, Model()], ids=["native", "strict"])
@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("operation", "formulation"), FORMULATIONS)
def test_recording_changes_no_bit_of_the_catalogue(operation: Any, formulation: Any, fmt: Format, model: Any) -> None:
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    rows = np.random.default_rng(3).normal(size=(6, 5)) * np.array([1, 10, 100, 1000, 1, 1])[:, None]
    rows[4, 2], rows[5] = -INF, 0.0
    logits = formats.round_to(rows, fmt)
    labels = np.array([0, 1, 2, 3, 2, 4])
    with np.errstate(all="ignore"):
        xp, x = given(logits, fmt, None, model)
        plain = formulation.function(xp, *operation.arguments(x, labels))
        shadows = Shadows(64)
        recording = Recording(xp, exact=shadows)
        found = formulation.function(recording, *operation.arguments(recording.asarray(x), labels))
    assert isinstance(found, RecordedArray)
    assert type(found.value) is type(plain)
    assert found.dtype == plain.dtype
    np.testing.assert_array_equal(numbers(found.value), numbers(plain), strict=True)
    assert not shadows.unruled
    places = [s.place for s in recording.steps]
    assert all(p is not None and "overflowscope/catalogue" in p.file and p.text for p in places)
    truth = exactly_by_arb(operation.name, numbers(x), labels)
    if not formulation.approximation and formulation.name not in ("base2",):
        for element, wanted in zip(found.exact.ravel(), truth.ravel(), strict=True):
            assert wanted is None or encloses(element, wanted)


def exactly_by_arb(operation: str, logits: Any, labels: Any) -> Any:
    """The operation on Arb's balls; None in rows that are not all numbers."""
    flint = pytest.importorskip("flint")
    result = np.empty(logits.shape if operation in ("softmax", "log_softmax") else len(logits), object)
    for i, row in enumerate(logits.tolist()):
        if not np.isfinite(row).all():
            continue
        with flint.ctx.workprec(4000):
            exps = [flint.arb(v).exp() for v in row]
            total = sum(exps, flint.arb(0))
            found = {
                "softmax": [e / total for e in exps],
                "log_softmax": [flint.arb(v) - total.log() for v in row],
                "logsumexp": total.log(),
                "cross_entropy": total.log() - flint.arb(row[labels[i]]),
            }[operation]
        result[i] = found
    return result


def encloses(element: Element, ball: Any) -> bool:
    flint = pytest.importorskip("flint")
    ends = [flint.arb(flint.arf((-int(e[1]) if e[0] else int(e[1]), int(e[2])))) for e in element[:2]]
    return element == LINE or bool(ends[0].union(ends[1]).overlaps(ball))
