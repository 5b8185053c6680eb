"""Gradients of recorded steps: right by differences at 60 digits, and in torch's conventions where it is a matter of
choice."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

from overflowscope import catalogue
from overflowscope.arithmetic import adjoint_rules
from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.strict import Model, Strict
from overflowscope.arithmetic.sums import ORDERS
from overflowscope.errors import InputError
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Format, round_to

MP = mpmath.mp.clone()
MP.dps = 60
INF, NAN = math.inf, math.nan


class Case(NamedTuple):
    """A function of arrays by NumPy's names, at a place where it is smooth."""

    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    positive: bool = False


POSITIVE = True
CASES = {
    "abs": Case(lambda xp, x: xp.abs(x), ((3, 4),)),
    "add": Case(lambda xp, a, b: a + b, ((3, 4), (4,))),
    "astype": Case(lambda xp, x: x.astype(x.dtype) * x, ((3,),)),
    "broadcast_to": Case(lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), ((3, 1),)),
    "clip": Case(lambda xp, x: xp.clip(x, -0.5, 0.5), ((3, 4),)),
    "clip below": Case(lambda xp, x: xp.clip(x, 0.25, None), ((3, 4),)),
    "concatenate": Case(lambda xp, a, b: xp.concatenate([a, b, a], axis=1), ((3, 2), (3, 4))),
    "copy": Case(lambda xp, x: x.copy() * x, ((3,),)),
    "cos": Case(lambda xp, x: xp.cos(x), ((3, 4),)),
    "divide": Case(lambda xp, a, b: a / b, ((3, 4), (3, 1))),
    "divide by itself": Case(lambda xp, x: x / xp.sum(x, axis=-1, keepdims=True), ((3, 4),), POSITIVE),
    "dot": Case(lambda xp, a, b: xp.dot(a, b), ((4,), (4,))),
    "exp": Case(lambda xp, x: xp.exp(x), ((3, 4),)),
    "exp2": Case(lambda xp, x: xp.exp2(x), ((3, 4),)),
    "expand_dims": Case(lambda xp, x: xp.expand_dims(x, 1) * x, ((3, 4),)),
    "expm1": Case(lambda xp, x: xp.expm1(x), ((3, 4),)),
    "flatten": Case(lambda xp, x: x.flatten(), ((3, 4),)),
    "getitem": Case(lambda xp, x: x[1:, ::2] * x[0, 1], ((3, 4),)),
    "getitem fancy": Case(lambda xp, x: x[[0, 2, 0, 0], [1, 1, 1, 3]], ((3, 4),)),
    "getitem mask": Case(lambda xp, x: x[np.array([True, False, True])], ((3, 4),)),
    "getitem newaxis": Case(lambda xp, x: x[:, None] * x[..., -1], ((3, 3),)),
    "log": Case(lambda xp, x: xp.log(x), ((3, 4),), POSITIVE),
    "log10": Case(lambda xp, x: xp.log10(x), ((3, 4),), POSITIVE),
    "log1p": Case(lambda xp, x: xp.log1p(x), ((3, 4),), POSITIVE),
    "log2": Case(lambda xp, x: xp.log2(x), ((3, 4),), POSITIVE),
    "logaddexp": Case(lambda xp, a, b: xp.logaddexp(a, b), ((3, 4), (3, 4))),
    "matmul": Case(lambda xp, a, b: xp.matmul(a, b), ((3, 4), (4, 2))),
    "matmul of a vector": Case(lambda xp, a, b: a @ b, ((3, 4), (4,))),
    "matmul by a vector": Case(lambda xp, a, b: a @ b, ((4,), (4, 2))),
    "matmul of vectors": Case(lambda xp, a, b: a @ b, ((4,), (4,))),
    "matmul of a stack": Case(lambda xp, a, b: a @ b, ((2, 3, 4), (4, 2))),
    "max": Case(lambda xp, x: xp.max(x, axis=-1), ((3, 4),)),
    "max of all": Case(lambda xp, x: xp.max(x) * x, ((3, 4),)),
    "max over two axes": Case(lambda xp, x: x.max(axis=(0, -1)), ((3, 2, 4),)),
    "maximum": Case(lambda xp, a, b: xp.maximum(a, b), ((3, 4), (3, 4))),
    "mean": Case(lambda xp, x: x.mean(-1, keepdims=True) * x, ((3, 4),)),
    "mean of all": Case(lambda xp, x: x.mean() * x, ((3, 4),)),
    "min": Case(lambda xp, x: x.min(0), ((3, 4),)),
    "minimum": Case(lambda xp, a, b: xp.minimum(a, b), ((3, 4), (4,))),
    "moveaxis": Case(lambda xp, x: xp.moveaxis(x, 0, -1) * x[:, 0, 0], ((3, 4, 2),)),
    "multiply": Case(lambda xp, a, b: a * b, ((3, 4), (3, 1))),
    "negative": Case(lambda xp, x: -x, ((3,),)),
    "positive": Case(lambda xp, x: xp.positive(x) * x, ((3,),)),
    "power": Case(lambda xp, x: x**3, ((3, 4),)),
    "power of both": Case(lambda xp, a, b: xp.power(a, b), ((3, 4), (3, 4)), POSITIVE),
    "power by a root": Case(lambda xp, x: x**0.25, ((3, 4),), POSITIVE),
    "power of a number": Case(lambda xp, x: 2.5**x, ((3, 4),)),
    "prod": Case(lambda xp, x: x.prod(axis=-1), ((3, 4),)),
    "ravel": Case(lambda xp, x: xp.ravel(x), ((3, 4),)),
    "reciprocal": Case(lambda xp, x: xp.reciprocal(x), ((3, 4),)),
    "reshape": Case(lambda xp, x: x.reshape(2, 6) * xp.reshape(x, (2, -1)), ((3, 4),)),
    "sin": Case(lambda xp, x: xp.sin(x), ((3, 4),)),
    "sqrt": Case(lambda xp, x: xp.sqrt(x), ((3, 4),), POSITIVE),
    "square": Case(lambda xp, x: xp.square(x), ((3, 4),)),
    "squeeze": Case(lambda xp, x: xp.squeeze(x, 1) * xp.squeeze(x), ((3, 1),)),
    "stack": Case(lambda xp, a, b: xp.stack([a, b, a], axis=-1), ((3, 2), (3, 2))),
    "std": Case(lambda xp, x: x.std(axis=-1), ((3, 4),)),
    "std, ddof 1": Case(lambda xp, x: xp.std(x, ddof=1), ((3, 4),)),
    "subtract": Case(lambda xp, a, b: a - b, ((3, 4), (3, 4))),
    "sum": Case(lambda xp, x: x.sum(axis=(0, 2)), ((3, 2, 4),)),
    "sum of all": Case(lambda xp, x: xp.sum(x, keepdims=True) * x, ((3, 4),)),
    "swapaxes": Case(lambda xp, x: xp.swapaxes(x, 0, 1) * x[0], ((4, 4),)),
    "take": Case(lambda xp, x: xp.take(x, [1, 1, 3], axis=-1), ((3, 4),)),
    "take_along_axis": Case(lambda xp, x: xp.take_along_axis(x, np.array([[1, 1], [0, 3]]), axis=-1), ((2, 4),)),
    "tanh": Case(lambda xp, x: xp.tanh(x), ((3, 4),)),
    "transpose": Case(lambda xp, x: xp.transpose(x, (2, 0, 1)), ((3, 4, 2),)),
    "transpose by method": Case(lambda xp, x: x.transpose(1, -1, 0) * x.transpose()[0, 0, 0], ((3, 4, 2),)),
    "var": Case(lambda xp, x: x.var(axis=-1, ddof=1), ((3, 4),)),
    "multiply, with a dtype": Case(lambda xp, x: xp.multiply(x, x, dtype=x.dtype), ((3,),)),
    "concatenate, with a dtype": Case(lambda xp, a, b: xp.concatenate([a, b], dtype=a.dtype), ((3,), (2,))),
    "swapaxes by names": Case(lambda xp, x: xp.swapaxes(x, axis1=0, axis2=1) * x[0], ((4, 4),)),
    "dot by a number": Case(lambda xp, x: xp.dot(x, 2.5) * x, ((3, 4),)),
    "where": Case(lambda xp, a, b: xp.where(np.array([True, False, True, True]), a, b), ((3, 4), (3, 1))),
    "add.reduce": Case(lambda xp, x: np.add.reduce(x * 1.5) * x, ((3, 4),)),
    "layer norm": Case(lambda xp, x: (x - x.mean(-1)[:, None]) / xp.sqrt(x.var(-1)[:, None] + 1e-3), ((3, 4),)),
    "several uses": Case(lambda xp, x: xp.exp(x) * x + x / (1 + x * x), ((3, 4),)),
    "nothing of it": Case(lambda xp, x: x[:0], ((3, 4),)),
}  # fmt: skip


class Exactly:
    """NumPy's functions on arrays of mpmath numbers: NumPy itself moves, adds and compares them."""

    def __getattr__(self, name: str) -> Any:
        known = {
            "exp2": lambda x: MP.mpf(2) ** x,
            "log2": lambda x: MP.log(x) / MP.log(2),
            "log": MP.log,
            "log10": lambda x: MP.log(x) / MP.log(10),
            "logaddexp": lambda a, b: MP.log(MP.exp(a) + MP.exp(b)),
            "reciprocal": lambda x: 1 / x,
        }
        if name in known:
            function = known[name]
            return np.frompyfunc(function, function.__code__.co_argcount if name == "logaddexp" else 1, 1)
        if name in ("exp", "expm1", "log1p", "sqrt", "sin", "cos", "tanh"):
            return np.frompyfunc(getattr(MP, name), 1, 1)
        if name == "std":
            return lambda x, **k: np.frompyfunc(MP.sqrt, 1, 1)(np.var(x, **k))
        return getattr(np, name)


class Mp(np.ndarray):
    """An array of mpmath numbers with the one method that NumPy's lacks for them."""

    def std(self, **kwargs: Any) -> Any:  # type: ignore[override]
        return Exactly().std(np.asarray(self), **kwargs)


def exact_gradient(case: Case, arrays: list[Any], cotangent: Any, which: int) -> Any:
    """By central differences of step 1e-20, at 60 digits: right to 1e-35."""
    h = MP.mpf(10) ** -20
    numbers = [np.vectorize(MP.mpf, otypes=[object])(a).view(Mp) for a in arrays]
    gradient = np.empty(arrays[which].shape, object)
    for place in np.ndindex(gradient.shape):
        ends = []
        for step in (h, -h):
            moved = [n.copy() for n in numbers]
            moved[which][place] += step
            result = np.asarray(case.function(Exactly(), *moved))
            ends.append(MP.fsum(np.ravel(result * cotangent).tolist()))
        gradient[place] = (ends[0] - ends[1]) / (2 * h)
    return gradient


def recorded(case: Case, arrays: list[Any]) -> tuple[list[RecordedArray], RecordedArray]:
    recording = Recording(np)
    inputs = [recording.asarray(a) for a in arrays]
    return inputs, case.function(recording, *inputs)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients_are_derivatives(case: Case) -> None:
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=s) for s in case.shapes]
    if case.positive:
        arrays = [np.abs(a) + 0.25 for a in arrays]
    inputs, output = recorded(case, arrays)
    cotangent = rng.normal(size=output.shape)
    found = gradients(output, cotangent, inputs)
    for which, gradient in enumerate(found):
        assert gradient.shape == arrays[which].shape
        assert gradient.dtype == np.float64
        exact = exact_gradient(case, arrays, cotangent, which)
        for got, want in zip(gradient.ravel().tolist(), exact.ravel().tolist(), strict=True):
            assert abs(MP.mpf(got) - want) <= 1e-13 * (1 + abs(want)), (which, got, want)


def test_every_rule_is_tried() -> None:
    tried: set[tuple[str, int]] = set()
    for case in CASES.values():
        inputs, _ = recorded(case, [np.full(s, 0.5) for s in case.shapes])
        for step in inputs[0].recording.steps:
            name = adjoint_rules.ALIASES.get(step.operation, step.operation)
            tried |= {(name, i) for i, a in enumerate(step.args) if isinstance(a, RecordedArray | tuple | list)}
    rules = {(name, i) for name, several in adjoint_rules.RULES.items() for i, rule in enumerate(several) if rule}
    assert rules <= tried
    assert set(adjoint_rules.ALIASES.values()) <= set(adjoint_rules.RULES)


# The conventions: torch's documentation and derivatives.yaml


def gradient_of(function: Callable[..., Any], *values: Any, dtype: str = "float64", cotangent: Any = 1.0) -> list[Any]:
    recording = Recording(np)
    inputs = [recording.asarray(np.array(v, dtype)) for v in values]
    with np.errstate(all="ignore"):
        return gradients(function(*inputs), cotangent, inputs)


@pytest.mark.parametrize("extreme", [np.max, np.min])
def test_equal_extremes_share(extreme: Callable[..., Any]) -> None:
    sign = 1 if extreme is np.max else -1
    x = sign * np.array([[1.0, 2.0, 2.0, 0.0], [3.0, 3.0, 3.0, 3.0], [5.0, 1.0, 2.0, 3.0]])
    (found,) = gradient_of(lambda x: extreme(x, axis=-1), x, cotangent=[1.0, 2.0, 3.0])
    assert found.tolist() == [[0, 0.5, 0.5, 0], [0.5] * 4, [3, 0, 0, 0]]
    (found,) = gradient_of(extreme, [[7.0, 7.0], [7.0, 7.0]])
    assert found.tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_many_equal_maxima_are_counted_beyond_the_format() -> None:
    """In float16 a sum of ones in the format stalls at 2048."""
    recording = Recording(Strict(FORMATS["float16"]))
    x = recording.asarray(recording.inner.asarray(np.zeros((1, 8192))))
    (found,) = gradients(recording.max(x, axis=-1), 1.0, [x])
    assert (found.numbers == 2.0**-13).all()


def test_an_infinite_adjoint_is_nan_beside_the_maximum() -> None:
    """torch.amax: (grad * mask) / count."""
    (found,) = gradient_of(lambda x: np.max(x, axis=-1), [[1.0, 2.0]], cotangent=INF)
    np.testing.assert_array_equal(found, [[NAN, INF]])


def test_an_index_of_the_maximum_takes_all() -> None:
    def largest(x: Any) -> Any:
        return np.take_along_axis(x, np.argmax(x.value, axis=-1, keepdims=True), axis=-1)

    (found,) = gradient_of(largest, [[1.0, 3.0, 3.0]])
    assert found.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
def test_of_equal_operands_each_gets_half(ufunc: Any) -> None:
    a, b = gradient_of(ufunc, [1.0, 2.0, 2.0], [1.0, 3.0, 1.0], cotangent=[1.0, 4.0, 8.0])
    larger, smaller = (a, b) if ufunc is np.minimum else (b, a)
    assert larger.tolist() == [0.5, 4.0, 0.0]
    assert smaller.tolist() == [0.5, 0.0, 8.0]
    a, b = gradient_of(ufunc, [NAN, 1.0], [1.0, NAN])
    assert (a.tolist(), b.tolist()) == ([1, 1], [1, 1])


def test_the_denominator_gets_the_quotient_divided_once_more() -> None:
    """-g (q/b): the formula with b b is 0 for the first (b b = inf), inf/inf for the second, and -inf for the third."""
    a, b = [1e30, 1e38, 1e-30], [1e30, 1e38, 1e-30]
    _, found = gradient_of(lambda a, b: a / b, a, b, dtype="float32")
    np.testing.assert_allclose(found.astype(np.float64), [-1e-30, -1e-38, -1e30], rtol=1e-6)


def test_quotients_are_taken_where_reciprocals_overflow() -> None:
    """g / x of log, -g (q q) of 1/x: 1/1e-39 is inf in float32, and 1e-30 1e25 1e25 is not 1e-30 (1e25 1e25) = inf."""
    (found,) = gradient_of(np.log, [1e-39], dtype="float32", cotangent=1e-39)
    assert found.tolist() == [1]
    (found,) = gradient_of(np.reciprocal, [1e-25], dtype="float32", cotangent=1e-30)
    assert found.tolist() == [-INF]


def test_derivatives_at_corners() -> None:
    (found,) = gradient_of(np.abs, [0.0, -0.0, -2.0, 3.0])
    assert found.tolist() == [0, 0, -1, 1]
    (found,) = gradient_of(lambda x: np.clip(x, -1, 1), [-1.0, 1.0, -1.5, 1.5, 0.0], cotangent=INF)
    assert found.tolist() == [INF, INF, 0, 0, INF]
    (found,) = gradient_of(np.sqrt, [0.0, 4.0])
    assert found.tolist() == [INF, 0.25]
    (found,) = gradient_of(lambda x: x**0, [0.0, INF, NAN, 2.0])
    assert found.tolist() == [0, 0, 0, 0]
    (found,) = gradient_of(lambda x: x**2, [1e30], dtype="float32")
    assert found[0] == np.float32(2) * np.float32(1e30)
    (found,) = gradient_of(lambda x: np.std(x, axis=-1), [[2.0, 2.0]])
    assert found.tolist() == [[0, 0]]


def test_the_branch_not_taken_gets_zero_and_the_trap_behind_it_nan() -> None:
    """where(x > 0, log(x), 0): the adjoint of log is 0 where x = 0, and 0 / 0 is nan."""
    (found,) = gradient_of(lambda x: np.where(x > 0, np.log(x), 0.0), [0.0, 2.0])
    np.testing.assert_array_equal(found, [NAN, 0.5])
    a, b = gradient_of(lambda a, b: np.where([True, False], a, b), [1.0, 2.0], [3.0, 4.0], cotangent=[INF, NAN])
    assert a.tolist() == [INF, 0]
    np.testing.assert_array_equal(b, [0, NAN])


def test_several_uses_are_added_the_last_first() -> None:
    """As torch's engine does: (1e8 - 1e8) + 1 in float32, which the other way round is 0."""
    big = np.float32(1e8)
    (found,) = gradient_of(lambda x: x * np.float32(1) + x * -big + x * big, [1.0], dtype="float32")
    assert found.tolist() == [1]
    (found,) = gradient_of(lambda x: x * big + x * -big + x * np.float32(1), [1.0], dtype="float32")
    assert found.tolist() == [0]


def test_a_cast_hands_on_in_the_format_it_came_from() -> None:
    (found,) = gradient_of(lambda x: np.exp(x.astype(np.float32)) * np.float32(1e30), [1.0, 2.0], dtype="float16")
    assert found.dtype == np.float16
    assert found.tolist() == [INF, INF]
    (found,) = gradient_of(lambda x: x * np.ones(2, np.float64), [1.0, 2.0], dtype="float16")
    assert (found.dtype, found.tolist()) == (np.float16, [1, 1])


def test_sums_run_in_the_arithmetic_of_the_recording() -> None:
    """The bias of 5,000 rows: left to right float16 stalls at 2048; pairwise, and in float32, it does not."""
    for model, total in (
        (Model(), 2048.0),
        (Model("pairwise"), 5000.0),
        (Model(accumulator=FORMATS["float32"]), 5000.0),
    ):
        recording = Recording(model.on(FORMATS["float16"]))
        bias, rows = (recording.asarray(recording.inner.asarray(np.zeros(s))) for s in ((1,), (5000, 1)))
        found, _ = gradients(rows + bias, 1.0, [bias, rows])
        assert found.numbers.tolist() == [total]


# What is given and what comes back


def test_what_does_not_depend_on_it_costs_nothing() -> None:
    recording = Recording(np)
    x, y = (recording.asarray(np.array(v)) for v in ([1.0, 2.0], [3.0, 4.0]))
    output = x * 2.0 + np.exp(np.exp(y))
    before = len(recording.steps)
    found, none = gradients(output, 1.0, [x, recording.asarray(np.zeros((2, 3)))], recorded=True)
    assert [s.operation for s in recording.steps[before:]] == ["multiply", "broadcast_to"]
    assert found.value.tolist() == [2, 2]
    assert none.value.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_gradients_of_results_of_steps_and_of_the_output_itself() -> None:
    recording = Recording(np)
    x = recording.asarray(np.array([1.0, 2.0]))
    middle = x * 3.0
    output = middle * middle
    found = gradients(output, [1.0, 10.0], [middle, x, output])
    assert [f.tolist() for f in found] == [[6, 120], [18, 360], [1, 10]]


def test_a_cotangent_is_rounded_to_the_format_once() -> None:
    pytest.importorskip("ml_dtypes")
    fmt = FORMATS["bfloat16"]
    recording = Recording(np)
    x = recording.asarray(to_array(np.ones(1), fmt))
    # 1 + 2**-8 + 2**-30 is above the midpoint; through float32 it becomes the midpoint, and then 1.
    (found,) = gradients(x * x, 1 + 2.0**-8 + 2.0**-30, [x])
    assert found.astype(np.float64).tolist() == [2 * (1 + 2.0**-7)]
    with pytest.raises(InputError, match=r"a cotangent of shape \(3,\) for a result of shape \(1,\)"):
        gradients(x * x, [1.0, 2.0, 3.0], [x])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.cumsum(x), "no gradient is known of cumsum"),
        (lambda x: np.sum(x, where=np.array([True, False])), "a reduction with where="),
        (lambda x: np.max(x, initial=0.0), "a reduction with initial="),
        (lambda x: np.prod(x * 0.0), "a product with a factor 0"),
        (lambda x: np.ravel(x, order="F"), "in another order than C"),
        (lambda x: np.clip(1.0, x, 2.0), "no gradient is known of clip in argument 2"),
        (lambda x: np.clip(x, a_min=-x, a_max=3.0), "no gradient is known of clip with an array given by its name"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gradient_of(function, [1.0, 2.0])


# The catalogue, in every arithmetic

FORMULATIONS = [(op, f) for op in catalogue.operations().values() for f in op.formulations.values()]


def logits(fmt: Format) -> Any:
    rows = np.random.default_rng(3).normal(size=(40, 70)) * np.repeat([1, 10, 100, 1000], 10)[:, None]
    rows[0], rows[1, ::2], rows[2, 3:9], rows[3, 5], rows[4, 6] = 0, -INF, 2.0, INF, NAN
    return round_to(rows, fmt)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("op", "formulation"), FORMULATIONS, ids=[f"{o.name}-{f.name}" for o, f in FORMULATIONS])
def test_recording_the_backward_steps_changes_no_bit(op: Any, formulation: Any, name: str) -> None:
    fmt = FORMATS[name]
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    x = logits(fmt)
    arguments = [np.arange(40) % 70] if op.takes_labels else []
    for xp in (np, *(Strict(fmt, order) for order in ORDERS if fmt.precision <= 11)):
        found = []
        for again in (False, True):
            recording = Recording(xp)
            given = recording.asarray(to_array(x, fmt) if xp is np else xp.asarray(x))
            with np.errstate(all="ignore"):
                output = formulation.function(recording, given, *arguments)
            (gradient,) = gradients(output, 1.0, [given], recorded=again)
            gradient = gradient.value if again else gradient
            assert gradient.dtype == fmt.dtype
            assert gradient.shape == x.shape
            numbers = gradient.astype(np.float64) if xp is np else gradient.numbers
            # The sign of a nan is nobody's promise: it depends on which loop of NumPy met it.
            found.append(np.where(np.isnan(numbers), NAN, numbers).tobytes())
        assert found[0] == found[1]


# What is refused


UNKNOWN: dict[str, tuple[Callable[[Any], Any], str]] = {
    "where=": (lambda x: np.exp(x, where=np.array([True, False]), out=None), "exp with where="),
    "axes=": (lambda x: np.matmul(x, x, axes=[(0, 1)] * 3), "matmul with axes="),
    "flat": (lambda x: np.concatenate([x, x], axis=None), "concatenate with axis=None"),
    "stacks": (lambda x: np.dot(x, np.ones((2, 2, 2))), "dot with an array of 3 axes"),
    "mean=": (lambda x: np.var(x, mean=np.float64(0.0)), "a reduction with mean="),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
def test_what_a_rule_does_not_know_is_refused(name: str) -> None:
    function, said = UNKNOWN[name]
    if name == "mean=" and "mean" not in inspect.signature(np.var).parameters:
        pytest.skip("this NumPy has no mean=")
    recording = Recording()
    x = recording.asarray(np.array([[1.5, 2.0], [-0.5, 3.0]]))
    output = function(x)
    with pytest.raises(InputError, match=f"no gradient is known of {said}"):
        gradients(output, 1.0, [x])


@pytest.mark.skipif("correction" not in inspect.signature(np.var).parameters, reason="a name that NumPy 2 has for ddof")
@pytest.mark.parametrize("name", ["var", "std"])
def test_a_correction_is_a_ddof(name: str) -> None:
    found = []
    for option in ({"ddof": 1}, {"correction": 1}):
        recording = Recording()
        x = recording.asarray(np.array([1.5, 2.0, -0.5, 3.0]))
        found.append(gradients(getattr(np, name)(x, **option), 1.0, [x])[0].tolist())
    assert found[0] == found[1]


HIDES: dict[str, Callable[[Any], Any]] = {
    "float": lambda x: x / float(x.sum()),
    "int": lambda x: x * int(x[0]),
    "round": lambda x: x * round(x[0]),
    "item": lambda x: x / x.sum().item(),
    "tolist": lambda x: x * np.array(x.tolist()),
    "math": lambda x: x * math.exp(x[0]),
    "split": lambda x: x * np.concatenate(np.split(x, 2)),
    "modf": lambda x: np.modf(x)[0] * x,
    "complex": lambda x: np.fft.fft(x).real * x,
    "fill": lambda x: x.fill(2.0) or x * 1,
    "copyto": lambda x: x * _copied(x),
    "add.at": lambda x: np.add.at(x, 0, 1.0) or x * 1,
    "out": lambda x: np.exp(x, out=np.empty(4)) * x,
}


def _copied(x: Any) -> Any:
    copy = np.empty(4)
    np.copyto(copy, x)
    return copy


@pytest.mark.parametrize("name", HIDES)
def test_where_numbers_go_out_of_sight_there_is_no_gradient(name: str) -> None:
    """They would be taken for constants, and the gradient be another function's. Nothing was written either."""
    recording = Recording()
    recording.pure = True
    given = np.array([1.5, 2.0, -0.5, 3.0])
    with pytest.raises(Unrecordable):
        HIDES[name](recording.asarray(given))
    assert given.tolist() == [1.5, 2.0, -0.5, 3.0]
