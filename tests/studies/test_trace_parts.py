"""The parts of a trace: what feeds what, distances in ulps, steps run again, and what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath.libmp import from_rational

import overflowscope
from overflowscope.arithmetic.extended import UNDEFINED
from overflowscope.arithmetic.intervals import LINE, point
from overflowscope.arithmetic.recording import Recording
from overflowscope.arithmetic.shadows import Shadows
from overflowscope.formats import FORMATS
from overflowscope.studies.trace import enclosures, feeds
from overflowscope.studies.trace.history import history
from overflowscope.studies.trace.remedies import Judge, fault
from overflowscope.studies.trace.tape import Replay

RANDOM = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return RANDOM.uniform(1, 2, shape)


# What feeds what: a nan in one element of an operand shows by itself whom it feeds

STEPS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (np.add, (drawn(3, 4), drawn(4))),
    (np.multiply, (drawn(2, 1, 4), drawn(3, 1))),
    (np.exp, (drawn(3, 2),)),
    (lambda x: np.sum(x, axis=-1), (drawn(3, 4),)),
    (lambda x: np.sum(x, 0, keepdims=True), (drawn(3, 4),)),
    (lambda x: x.sum(axis=(0, 2)), (drawn(2, 3, 4),)),
    (lambda x: x.mean(), (drawn(3, 4),)),
    (lambda x: np.max(x, axis=1), (drawn(3, 4),)),
    (lambda x: np.var(x, axis=0), (drawn(3, 4),)),
    (lambda x: np.prod(x, axis=(0,)), (drawn(3, 4),)),
    (np.matmul, (drawn(3, 4), drawn(4, 2))),
    (np.matmul, (drawn(4), drawn(4, 2))),
    (np.matmul, (drawn(3, 4), drawn(4))),
    (np.matmul, (drawn(4), drawn(4))),
    (np.matmul, (drawn(5, 3, 4), drawn(4, 2))),
    (np.matmul, (drawn(5, 1, 3, 4), drawn(2, 4, 2))),
    (lambda x: np.clip(x, 0.5, 3.0), (drawn(3, 4),)),
]


@pytest.mark.parametrize(("function", "arrays"), STEPS, ids=lambda v: getattr(v, "__name__", ""))
def test_feeding_is_what_a_nan_shows(function: Callable[..., Any], arrays: tuple[Any, ...]) -> None:
    recording = Recording(np, Shadows(64))
    with np.errstate(all="ignore"):
        function(*(recording.asarray(a) for a in arrays))
        (step,) = [s for s in recording.steps if s.computes]
        for which, array in enumerate(arrays):
            for index in np.ndindex(array.shape):
                spoilt = [a.copy() for a in arrays]
                spoilt[which][index] = np.nan
                wanted = np.isnan(function(*spoilt))
                one = np.zeros(array.shape, np.bool_)
                one[index] = True
                np.testing.assert_array_equal(feeds.reached(step, which, one), wanted)
                for place in np.argwhere(wanted).tolist():
                    single = np.zeros(wanted.shape, np.bool_)
                    single[tuple(place)] = True
                    assert feeds.made_of(step, which, single)[index]
            for place in np.ndindex(np.shape(step.result)):
                single = np.zeros(np.shape(step.result), np.bool_)
                single[place] = True
                made_of = feeds.made_of(step, which, single)
                assert made_of.shape == array.shape
                back = feeds.reached(step, which, made_of)
                assert back[place] or not made_of.any()


def test_of_an_unknown_function_every_element_feeds_every_other() -> None:
    recording = Recording(np, Shadows(64))
    x = recording.asarray(drawn(3, 4))
    np.einsum("ij,kj->ik", x, x)
    step = recording.steps[-1]
    one = np.zeros((3, 4), np.bool_)
    one[1, 2] = True
    assert feeds.reached(step, 0, one).all()


# Distances


def ulp(x: Fraction, precision: int, emin: int, emax: int) -> Fraction:
    """After Muller et al.; of 0 that of the smallest numbers."""
    if x == 0:
        return Fraction(2) ** (emin - precision + 1)
    e = 0
    while Fraction(2) ** e > abs(x):
        e -= 1
    while Fraction(2) ** (e + 1) <= abs(x):
        e += 1
    return Fraction(2) ** (min(max(e, emin), emax) - precision + 1)


@settings(max_examples=300, deadline=None)
@given(
    exact=st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**9),
    off=st.sampled_from([0, 1e-9, -3e-4, 0.5, 1, 1e6, -1e30, 1e300]),
    name=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
)
def test_distances_are_those_of_fractions(exact: Fraction, off: float, name: str) -> None:
    fmt = FORMATS[name]
    got = float(exact) * (1 + off) if abs(off) < 1e3 else off
    ends = tuple(from_rational(exact.numerator, exact.denominator, 300, r) for r in "fc")
    found = enclosures.off(got, (*ends, False, False), fmt)
    unit = ulp(exact, fmt.precision, fmt.emin, fmt.emax)
    wanted = min(abs(Fraction(got) - exact) / unit, Fraction(math.ldexp(1 - 2**-53, 1024)))
    assert abs(Fraction(found) - wanted) <= wanted * Fraction(1, 2**40) + Fraction(1, 2**40)


@pytest.mark.parametrize(
    ("got", "element", "wanted"),
    [
        (math.inf, point(1e300), math.inf),
        (math.nan, point(0.0), math.inf),
        (math.inf, point(math.inf), 0.0),
        (-math.inf, point(math.inf), math.inf),
        (1e38, point(math.inf), math.inf),
        (0.0, point(0.0), 0.0),
        (-0.0, point(0.0), 0.0),
        (math.nan, UNDEFINED, 0.0),
        (5.0, UNDEFINED, 0.0),
        (5.0, LINE, math.nan),
        (math.nan, LINE, math.nan),
        (0.0, (point(0.0)[0], point(1e-30)[0], True, False), math.nan),
        (1.0, point(1.0 + 2.0**-23), 1.0),
        (0.0, point(2.0**-150), 0.5),
        (2.0**-149, point(0.0), 1.0),
    ],
)
def test_distances_of_odd_numbers(got: float, element: Any, wanted: float) -> None:
    np.testing.assert_equal(enclosures.off(got, element, FORMATS["float32"]), wanted)


def test_an_error_is_split_into_what_came_in_and_what_was_added() -> None:
    """Of 1, computed 1 + 3 ulps out of operands that should give 1 + 5 ulps: 5 came in, 2 back were added."""
    unit = 2.0**-23
    got, exact, local = 1 + 3 * unit, point(1.0), point(1 + 5 * unit)
    assert enclosures.split(got, exact, local, FORMATS["float32"]) == (3.0, 5.0, 2.0)
    assert enclosures.split(math.inf, exact, exact, FORMATS["float32"]) == (math.inf, 0.0, math.inf)
    assert enclosures.split(1.0, exact, LINE, FORMATS["float32"])[0] == 0.0
    assert enclosures.split(1.0, exact, LINE, FORMATS["float32"])[1:] == (None, None)
    assert enclosures.split(1.0, LINE, point(1.0), FORMATS["float32"]) == (None, None, None)


# Steps run again


def in_place(x: Any) -> Any:
    x = x - x.max(axis=-1, keepdims=True)
    for row in x:
        row[1:] *= 2
        np.exp(row, out=row)
        row /= row.sum()
    return x.T[::-1]


def scattered(x: Any) -> Any:
    out = x * 0 + 0.25
    out[x > 1.5] = np.sqrt(x[x > 1.5])
    out[0] += np.cumsum(x, axis=1)[0]
    return out.astype(np.float32) @ x.T.astype(np.float32)


@pytest.mark.parametrize("function", [in_place, scattered])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_running_the_steps_again_changes_no_bit(function: Callable[[Any], Any], dtype: Any) -> None:
    x = drawn(3, 4).astype(dtype)
    recording = Recording(np, Shadows(64))
    result = function(recording.asarray(x))
    taken = history(recording, result, FORMATS[np.dtype(dtype).name])
    np.testing.assert_array_equal(Replay(taken, {0: x}, {}).run(), function(x.copy()).astype(np.float64))


# What to write instead


def log_of_softmax(x: Any) -> Any:
    e = np.exp(x)
    return np.log(e / e.sum(axis=-1, keepdims=True))


REWRITES: list[tuple[str, Callable[[Any], Any], list[float]]] = [
    ("shift_exps", lambda x: np.exp(x * 2) / np.exp(x * 2).sum(axis=-1, keepdims=True) * x, [60.0, 1.0]),
    ("log_softmax", log_of_softmax, [0.0, -120.0]),
    ("logsumexp", lambda x: np.log(np.sum(np.exp(x * 3), axis=-1)), [40.0, 1.0]),
    ("logaddexp", lambda x: np.log(np.exp(x[:, 0]) + np.exp(x[:, 1])), [100.0, 1.0]),
    ("logaddexp", lambda x: np.log(1 + np.exp(x)), [-40.0, 100.0]),
    ("log1p", lambda x: np.log(1 + x * x), [1e-6, 2.0]),
    ("log1p", lambda x: np.log(1 - x), [1e-10, 0.5]),
    ("expm1", lambda x: np.exp(x) - 1, [1e-9, 2.0]),
    ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), [-95.0, 3.0]),
    ("complement", lambda x: 1 - 1 / (1 + np.exp(-x)), [30.0, 1.0]),
    ("log_complement", lambda x: np.log(1 - 1 / (1 + np.exp(-x))), [30.0, 1.0]),
    ("sum_of_logs", lambda x: np.log(np.prod(x, axis=-1)), [1e-30, 1e-30]),
    ("sum_of_logs", lambda x: np.log(np.cumprod(x, axis=-1)), [1e-30, 1e-30]),
    ("mean_of_logs", lambda x: np.prod(x, axis=-1) ** 0.5, [1e30, 1e30]),
    ("hypot", lambda x: np.sqrt(x[:, 0] ** 2 + x[:, 1] * x[:, 1]), [3e30, 4e30]),
    ("norm", lambda x: np.sqrt(np.sum(np.square(x), axis=-1)), [3e-30, 4e-30]),
    ("variance", lambda x: np.mean(x**2, axis=-1) - np.mean(x, axis=-1) ** 2, [5839.5, 5840.0]),
]


@pytest.mark.parametrize(("name", "function", "row"), REWRITES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_rewrite_is_found_and_is_clean(name: str, function: Callable[[Any], Any], row: list[float]) -> None:
    found = overflowscope.trace([row], function=function)
    by_name = {r.name: r for r in found.remedies}
    assert by_name[name].clean, found.remedies


def test_a_wrong_guess_is_dropped() -> None:
    """exp shifted by its maximum is no remedy where nothing divides it out again."""
    found = overflowscope.trace([[100.0, 1.0]], function=lambda x: np.exp(x) * 1e-10)
    by_name = {r.name: r for r in found.remedies}
    assert not by_name["shift"].clean
    assert not by_name["shift_exps"].clean
    assert by_name["float64"].clean


def test_every_remedy_called_clean_is_right() -> None:
    """Against softmax itself, by another way: what is called clean has half of the bits."""
    x = np.array([[94.7, 3.0, -20.0, 60.0]], np.float32)
    found = overflowscope.trace(x)
    wide = np.exp(x.astype(np.longdouble) - x.max())
    truth = wide / wide.sum()
    assert {r.name for r in found.remedies if r.clean} >= {"shift", "shifted", "lse", "online", "base2"}
    shifted = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
    assert (np.abs(shifted - truth) <= 2**-12 * truth + 2.0**-149).all()


# Rows


def test_the_first_row_that_goes_wrong_is_found_among_many() -> None:
    logits = np.zeros((70_000, 3), np.float32)
    logits[66_001] = [100, 0, 0]
    logits[69_999] = [100, 0, 0]
    assert overflowscope.trace(logits).traced.row == 66_001
    assert overflowscope.trace(logits, formulation="shifted").traced.row == 0


def test_what_fails_goes_before_what_loses_bits() -> None:
    logits, labels = np.zeros((3, 2), np.float32), np.array([0, 0, 1])
    logits[0, 0], logits[2, 0] = 12, 200
    found = overflowscope.trace(logits, labels, operation="cross_entropy", formulation="shifted")
    assert found.traced.row == 2
    found = overflowscope.trace(logits[:2], labels[:2], operation="cross_entropy", formulation="shifted")
    assert found.traced.row == 0
    assert found.birth is None
    assert "bits of the result are lost" in found.verdict


# Judging remedies


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.5, 0.25, 0.0], None),
        ([0.5, math.nan, 0.0], "gives nan"),
        ([math.inf, 0.25, 0.0], "gives inf"),
        ([0.5, 0.0, 0.0], "gives a wrong 0"),
        ([0.5, 0.25 + 2.0**-12, 0.0], "loses 13 of 24 bits"),
        ([0.5, 0.25 + 2.0**-14, 0.0], None),
        ([0.5, 0.25, 1e-45], None),
        ([0.5, 0.25, 1e-30], "loses 24 of 24 bits"),
        ([0.5, 0.25], "gives the shape (2,)"),
    ],
)
def test_what_is_wrong_with_a_remedy(values: list[float], says: str | None) -> None:
    fmt = FORMATS["float32"]
    exact = np.empty(3, object)
    exact[:] = [point(0.5), point(0.25), point(0.0)]
    judge = Judge((3,), enclosures.truths(exact, fmt), fmt)
    assert fault(np.array(values), judge) == says


def test_what_has_no_truth_is_not_judged_and_what_is_not_enclosed_not_clean() -> None:
    fmt = FORMATS["float32"]
    exact = np.empty(2, object)
    exact[:] = [UNDEFINED, point(1.0)]
    assert fault(np.array([math.nan, 1.0]), Judge((2,), enclosures.truths(exact, fmt), fmt)) is None
    exact[:] = [LINE, point(1.0)]
    assert fault(np.array([0.5, 1.0]), Judge((2,), enclosures.truths(exact, fmt), fmt)) == (
        "cannot be checked, for the exact result is not enclosed"
    )


@pytest.mark.parametrize(
    ("element", "wanted"),
    [
        (point(0.0), False),
        (point(-1e-300), True),
        (point(math.inf), True),
        (UNDEFINED, False),
        (LINE, False),
        ((point(0.0)[0], point(1.0)[0], True, False), True),
        ((point(0.0)[0], point(1.0)[0], False, False), False),
        ((point(-1.0)[0], point(0.0)[0], False, True), True),
        ((point(-1.0)[0], point(0.0)[0], False, False), False),
        ((point(-1.0)[0], point(1.0)[0], True, True), False),
    ],
)
def test_what_is_certainly_not_zero(element: Any, wanted: bool) -> None:
    assert enclosures.nonzero(element) == wanted


# What a function turns out to be


def picked(x: Any, labels: Any) -> Any:
    e = np.exp(x)
    return -np.log((e / e.sum(axis=-1, keepdims=True))[np.arange(len(labels)), labels])


def test_a_function_is_recognised_by_its_values() -> None:
    labels = np.array([1, 0])
    found = overflowscope.trace([[100.0, 3.0], [0.5, 0.25]], function=picked, arguments={"labels": labels})
    by_name = {r.name: r for r in found.remedies}
    assert by_name["log1p"].clean
    assert by_name["log1p"].sentence.startswith("This is cross_entropy: the formulation log1p")
    # Neither fragile ones, nor approximations, nor what only looks like a remedy.
    assert not {"naive", "clipped", "fake_log1p", "lse_naive"} & by_name.keys()
    other = overflowscope.trace([[100.0, 3.0], [0.5, 0.25]], function=lambda x: np.exp(x) / np.exp(x).sum() * 2)
    assert "shifted" not in {r.name for r in other.remedies}


def test_labels_go_with_their_rows() -> None:
    arguments = {"labels": np.array([1, 0, 1])}
    found = overflowscope.trace([[0.0, 1.0], [100.0, 3.0], [2.0, 1.0]], function=picked, arguments=arguments, row=1)
    assert found.birth is not None
    assert found.steps[-1].shape == (1,)
    assert found.traced.row == 1


def mixes(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True)


def test_a_row_that_does_not_stand_for_itself_is_not_traced_alone() -> None:
    logits = np.zeros((300, 40), np.float32)
    logits[7] = -200
    found = overflowscope.trace(logits, function=mixes)
    assert found.traced.row is None
    assert any("the function mixes rows" in remark for remark in found.traced.remarks)
    assert found.birth is not None
    assert (found.birth.operation, found.birth.index) == ("exp", (7, 0))


def by_numbers(x: Any, y: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        total = total + np.exp(y[i, 1])
    return total + x.sum()


def test_a_single_number_is_named_by_where_it_came_from() -> None:
    y = np.array([[0.0, 1.0], [0.0, 100.0]], np.float32)
    found = overflowscope.trace([[0.0], [0.0]], function=by_numbers, arguments={"y": y})
    assert "input 100.00, y[1, 1], is above 88.7228" in found.verdict


def test_beyond_float64() -> None:
    found = overflowscope.trace([[1000.0]], function=np.exp, dtype="float64")
    assert found.verdict.endswith("The result itself, 1.97007e+434, is beyond float64: keep its logarithm.")
