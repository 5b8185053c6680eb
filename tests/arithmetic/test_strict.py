"""Strict arithmetic: every step against the twin's, NumPy's spelling of it, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from twin import OPERATIONS, every, same, step

from overflowscope import catalogue
from overflowscope.arithmetic import constant, numbers
from overflowscope.arithmetic.recording import RecordedArray, Recording
from overflowscope.arithmetic.rounded import correctly_rounded
from overflowscope.arithmetic.strict import Model, Strict, StrictArray
from overflowscope.errors import InputError
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Floats, Format, round_to

INF, NAN = math.inf, math.nan


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def fmt(request: pytest.FixtureRequest) -> Format:
    if request.param.extra:
        pytest.importorskip("ml_dtypes")
    return request.param


def pairs_of(fmt: Format) -> Floats:
    """All pairs of an 8-bit format; of the others random codes, near numbers, small ones, and the ends of the range."""
    rng = np.random.default_rng(6)
    size = fmt.dtype.itemsize
    if size == 1:
        return np.stack([v.ravel() for v in np.meshgrid(every(fmt), every(fmt))], axis=-1)
    with np.errstate(all="ignore"):
        codes = rng.integers(0, 2 ** (8 * size), (3000, 2), dtype=f"u{size}").view(fmt.dtype).astype(np.float64)
    near = 1 + rng.integers(0, 2**10, (3000, 2)) * 2 * fmt.unit_roundoff
    small = fmt.smallest * rng.integers(0, 2**10, (1000, 2))
    edges = np.array([0.0, -0.0, INF, -INF, NAN, fmt.largest, -fmt.largest, fmt.smallest, fmt.smallest_normal, 1.0])
    corners = np.stack([v.ravel() for v in np.meshgrid(edges, edges)], axis=-1)
    mixed = np.stack([small[:, 0], near[:1000, 1]], axis=-1)
    return round_to(np.concatenate([codes, near, small, mixed, corners]), fmt)


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_operation_is_one_rounding(name: str, fmt: Format) -> None:
    pairs = pairs_of(fmt)
    xp = Strict(fmt)
    a, b = (xp.asarray(pairs[:, i]) for i in (0, 1))
    pairs = np.stack([a.numbers, b.numbers], axis=-1)
    wanted = np.array([step(name, *pair, fmt) for pair in pairs.tolist()])
    found = getattr(xp, name)(a, b).numbers
    assert same(found, wanted)
    with np.errstate(all="ignore"):
        native = getattr(np, name)(pairs[:, 0], pairs[:, 1])
    kept = (found == 0) & (native == 0)
    np.testing.assert_array_equal(np.signbit(found[kept]), np.signbit(native[kept]))


def test_the_square_root_is_one_rounding(fmt: Format) -> None:
    xp = Strict(fmt)
    x = every(fmt) if fmt.dtype.itemsize <= 2 else pairs_of(fmt).ravel()
    mp = mpmath.mp.clone()
    mp.prec = 300
    positive = np.unique(x[(x > 0) & np.isfinite(x)])[::7]
    found = xp.sqrt(xp.asarray(positive)).numbers
    with mp.workprec(fmt.precision):  # correctly rounded by mpmath, and never subnormal
        wanted = [float(mp.sqrt(mp.mpf(v))) for v in positive.tolist()]
    assert same(found, np.array(wanted))
    special = xp.sqrt(xp.asarray([0.0, -1.0, NAN])).numbers
    assert same(special, np.array([0.0, NAN, NAN]))


@pytest.mark.parametrize("name", ["exp", "exp2", "expm1", "log", "log1p"])
def test_functions_are_the_rounded_ones(name: str, fmt: Format) -> None:
    xp = Strict(fmt)
    x = xp.asarray([[0.5, 1.0, 7.0], [0.25, 400.0, 0.0]])
    wanted = correctly_rounded(name, x.numbers, fmt)
    wanted = np.where(np.isinf(wanted) & (not fmt.has_infinity), NAN, wanted)
    for found in (getattr(xp, name)(x), getattr(np, name)(x)):
        assert isinstance(found, StrictArray)
        assert same(found.numbers, wanted)


def test_overflow_is_nan_where_there_is_no_infinity() -> None:
    pytest.importorskip("ml_dtypes")
    xp = Strict(FORMATS["float8_e4m3fn"])
    x = xp.asarray([448.0, 460.0, 465.0, INF])
    assert same(x.numbers, np.array([448.0, 448.0, NAN, NAN]))
    assert same((x[:1] + x[:1]).numbers, np.array([NAN]))
    assert same(np.log(xp.asarray([0.0])).numbers, np.array([NAN]))
    assert same(Strict(FORMATS["float8_e5m2"]).asarray([1e6]).numbers, np.array([INF]))


# NumPy's spelling of it


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def by_methods(x: Any) -> Any:
    x = x.copy()
    x -= x.max(-1, keepdims=True)
    e = np.exp(x, out=x)
    e /= e.sum(-1, keepdims=True)
    return e


def by_reductions(x: Any) -> Any:
    e = np.exp(np.subtract(x, np.maximum.reduce(x, axis=-1, keepdims=True)))
    return np.true_divide(e, np.add.reduce(e, axis=-1)[:, None])


def by_assignment(x: Any) -> Any:
    e = np.exp(x - np.amax(x, axis=-1).reshape(-1, 1))
    out = np.empty_like(x)
    out[...] = e / np.expand_dims(e.sum(axis=1), -1)
    return out


@pytest.mark.parametrize("function", [by_methods, by_reductions, by_assignment])
def test_every_spelling_is_the_same_arithmetic(function: Callable[..., Any], fmt: Format) -> None:
    xp = Strict(fmt)
    x = xp.asarray(np.random.default_rng(1).normal(size=(7, 9)) * 3)
    wanted = catalogue.named("softmax").named("shifted").function(xp, x).numbers
    assert same(softmax(x).numbers, wanted)
    assert same(function(xp.asarray(x)).numbers, wanted)


def test_a_cast_is_an_array_of_its_own() -> None:
    for name in ("float16", "float32", "float64"):
        x = Strict(FORMATS["float32"]).asarray([1.0, 3.0])
        y = x.astype(name)
        y[0] = 5
        assert x.numbers.tolist() == [1, 3]
        assert y.numbers.tolist() == [5, 3]


def test_plain_numbers_are_rounded_to_the_format() -> None:
    f16 = FORMATS["float16"]
    xp = Strict(f16)
    x = xp.asarray([1.0, 3.0])
    third = float(np.float16(1 / 3))
    assert (x + 1e-12).numbers.tolist() == [1, 3]
    assert (1 / 3 * x).numbers.tolist() == [third, float(np.float16(3 * third))]
    assert (np.float64(1 / 3) + xp.asarray(0.0)).numbers == third
    assert (x * 2049).numbers.tolist() == [2048, 6144]
    assert (x / 3 == 1 / 3).tolist() == [True, False]
    assert np.maximum(x, 2.0001).numbers.tolist() == [2, 3]
    assert np.where(x > 2, x, 1 / 3).numbers.tolist() == [third, 3]
    assert np.clip(x, 1.5, None).numbers.tolist() == [1.5, 3]
    assert x.mean().numbers == 2
    assert np.square(x).numbers.tolist() == [1, 9]
    assert (x > 2).tolist() == [False, True]
    assert np.isnan(x).tolist() == [False, False]
    assert np.argmax(x) == 1
    assert constant(x, "1e-12").numbers == 0
    assert constant(x, "log2e").numbers == float(np.float16(1.4426950408889634))
    assert (-x).numbers.tolist() == [-1, -3]
    assert abs(-x).numbers.tolist() == [1, 3]
    assert float(x[1]) == 3
    assert (len(x), x.ndim, x.size, x.shape, x.dtype) == (2, 1, 2, (2,), np.float16)


def test_a_cast_goes_on_in_its_format() -> None:
    f16 = FORMATS["float16"]
    x = Strict(f16).asarray(np.ones(4096))
    assert float(x.sum()) == 2048
    wide = x.astype(np.float32)
    assert wide.dtype == np.float32
    assert float(wide.sum()) == float(np.sum(x, dtype=np.float32)) == 4096
    assert (x + wide).dtype == np.float32
    assert same((wide * 1.1).numbers, np.full(4096, float(np.float32(1.1))))
    assert same((wide / 3).astype("float16").numbers, round_to(np.full(4096, 1 / 3), f16))
    model = Model("pairwise", FORMATS["float64"])
    assert model.on(f16).asarray(x).astype(np.float32).xp.model == model


def test_formats_of_which_neither_holds_the_other() -> None:
    pytest.importorskip("ml_dtypes")
    a, b = (Strict(FORMATS[n]).asarray([1.0]) for n in ("float16", "bfloat16"))
    with pytest.raises(InputError, match="float16 and bfloat16 in one operation"):
        a + b


@pytest.mark.parametrize(
    ("attempt", "named"),
    [
        (lambda x: np.logaddexp(x, x), "np.logaddexp is not available under --arithmetic strict; there are add, clip,"),
        (lambda x: x**2, "np.power is not"),
        (lambda x: np.add.accumulate(x), "np.add.accumulate is not"),
        (lambda x: np.std(x), "np.std is not"),
        (lambda x: x.std(), "ndarray.std is not"),
        (lambda x: np.asarray(x), "turns its arrays into plain ones .*; .*native"),
    ],
)
def test_what_there_is_not_is_named(attempt: Callable[[Any], Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        attempt(Strict(FORMATS["float16"]).asarray([[1.0, 2.0]]))


def test_attributes_that_no_array_has() -> None:
    x = Strict(FORMATS["float16"]).asarray([1.0])
    assert not hasattr(x, "nothing")
    assert not hasattr(Strict(FORMATS["float16"]), "__wrapped__")


# The catalogue in it

PAIRS = [(op, f) for op in catalogue.operations().values() for f in op.formulations.values()]
every_formulation = pytest.mark.parametrize(("op", "formulation"), PAIRS, ids=[f"{o.name}-{f.name}" for o, f in PAIRS])


@every_formulation
def test_recording_changes_no_bit(op: Any, formulation: Any, fmt: Format) -> None:
    x = np.random.default_rng(4).normal(size=(5, 70)) * 4
    x[0, :] = -INF
    x[1, 0], x[2, 3] = INF, NAN
    labels = np.arange(5)
    xp = Model("pairwise").on(fmt)
    plain = formulation.function(xp, *op.arguments(xp.asarray(x), labels))
    recording = Recording(xp)
    recorded = formulation.function(recording, *op.arguments(recording.asarray(xp.asarray(x)), labels))
    assert isinstance(recorded, RecordedArray)
    assert same(recorded.value.numbers, plain.numbers)
    assert plain.shape == op.shape(x)
    assert plain.dtype == fmt.dtype
    assert same(round_to(plain.numbers, fmt), plain.numbers)
    assert recording.steps[-1].result is recorded.value


def test_a_recorded_function_of_ones_own_takes_the_same_steps() -> None:
    xp = Strict(FORMATS["float16"])
    x = xp.asarray([[1.0, 2.0, 3.0]])
    recording = Recording(xp)
    recorded = softmax(1.0 * (constant(recording.asarray(x), "1") - recording.asarray(x)))
    assert same(recorded.value.numbers, softmax(1.0 - x).numbers)
    names = [s.operation for s in recording.steps]
    assert names == ["subtract", "multiply", np.max.__name__, "subtract", "exp", "sum", "divide"]


def test_numbers_of_any_array() -> None:
    x = np.array([1.0, 2.5], np.float16)
    assert numbers(x).tolist() == numbers(Strict(FORMATS["float16"]).asarray(x)).tolist() == [1, 2.5]
    assert numbers(x).dtype == np.float64


def test_computing_in_a_wider_format_rounds_once_at_the_end() -> None:
    f16, f32 = FORMATS["float16"], FORMATS["float32"]
    op = catalogue.named("softmax")
    x = round_to(np.random.default_rng(2).normal(size=(20, 30)), f16)
    run = op.named("shifted").function
    wide = evaluate(op, run, x, None, f32, None, Model())
    found = evaluate(op, run, x, None, f16, f32, Model())
    assert found.dtype == "float32"
    assert same(found.values, round_to(wide.values, f16))
    narrow = evaluate(op, run, x, None, f16, None, Model())
    assert narrow.dtype == "float16"
    assert not same(narrow.values, found.values)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_online_and_base_two_are_softmax(name: str) -> None:
    """Over several blocks, the maximum rising in the last; against mpmath."""
    fmt = FORMATS[name]
    mp = mpmath.mp.clone()
    mp.prec = 200
    x = round_to(np.sort(np.random.default_rng(3).normal(size=(1, 200)) * 2), fmt)
    e = [mp.exp(mp.mpf(v)) for v in x[0].tolist()]
    truth = np.array([float(v / mp.fsum(e)) for v in e])
    op = catalogue.named("softmax")
    for formulation in ("online", "base2", "lse_naive"):
        found = evaluate(op, op.named(formulation).function, x, None, fmt, None, Model("pairwise")).values[0]
        assert np.max(np.abs(found - truth)) < 32 * fmt.unit_roundoff * truth.max(), formulation


def test_online_is_nan_where_its_first_block_is_all_mask() -> None:
    op, f32 = catalogue.named("softmax"), FORMATS["float32"]
    x = np.zeros((1, 100))
    x[0, :64] = -INF
    assert np.isnan(evaluate(op, op.named("online").function, x, None, f32).values).all()
    x[0, 63] = 0
    assert np.isfinite(evaluate(op, op.named("online").function, x, None, f32).values).all()


def test_base_two_errs_by_the_size_of_the_logits() -> None:
    op, f32 = catalogue.named("softmax"), FORMATS["float32"]
    x = 100_000 + np.array([[3.0, float(i)] for i in range(-8, 8)])
    exact = 1 / (1 + np.exp(x[:, 1] - x[:, 0]))

    def error(name: str) -> float:
        return float(np.max(np.abs(evaluate(op, op.named(name).function, x, None, f32).values[:, 0] - exact)))

    assert error("base2") > 1e-4
    assert error("shifted") < 1e-7
