"""Laws over the whole catalogue: an operation is tested by them the moment its file exists.

A formulation agrees with the meaning where both are enclosed, stays in its format, is recorded without a changed bit,
survives every special value without an exception, and breaks where it says that it does.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath.libmp import finf, fninf, from_float, mpf_add, mpf_le, mpf_shift, mpf_sub

from overflowscope import catalogue, draws
from overflowscope.arithmetic import constant
from overflowscope.arithmetic.ball_array import BallArray
from overflowscope.arithmetic.balls import Balls
from overflowscope.arithmetic.intervals import Element, Intervals
from overflowscope.arithmetic.recording import RecordedArray, Recording
from overflowscope.catalogue import Formulation, Operation, Sizes
from overflowscope.errors import InputError
from overflowscope.evaluate import evaluate, to_array
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.formats import constant as format_constant
from overflowscope.measure import errors, measure
from overflowscope.records import Outcome
from overflowscope.reference import reference

INF, NAN = math.inf, math.nan
OPERATIONS = catalogue.operations()
PAIRS = [(op, f) for op in OPERATIONS.values() for f in op.formulations.values()]

every_operation = pytest.mark.parametrize("op", OPERATIONS.values(), ids=OPERATIONS)
every_formulation = pytest.mark.parametrize(("op", "formulation"), PAIRS, ids=[f"{o.name}-{f.name}" for o, f in PAIRS])


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def fmt(request: pytest.FixtureRequest) -> Format:
    if request.param.extra:
        pytest.importorskip("ml_dtypes")
    return request.param


def plain(op: Operation, formulation: Formulation, x: Floats, labels: Any, fmt: Format) -> Any:
    """What NumPy gives for it, in its own dtype."""
    with np.errstate(all="ignore"):
        return formulation.function(np, *op.arguments(to_array(x, fmt), labels))


# What an entry of the catalogue has to say


def test_the_catalogue_is_found() -> None:
    assert {"softmax", "logsumexp", "log_softmax", "cross_entropy"} <= set(OPERATIONS)
    for name, op in OPERATIONS.items():
        assert op.name == name
        assert catalogue.named(name) is op
        assert op.summary
        assert op.formulations
        assert inspect.getdoc(op.meaning)
        assert inspect.getdoc(op.identity)
        assert inspect.getdoc(op.limit)


@every_formulation
def test_a_formulation_states_its_formula_its_source_and_what_breaks_it(
    op: Operation, formulation: Formulation
) -> None:
    assert op.named(formulation.name) is formulation
    assert formulation.name == formulation.function.__name__
    assert formulation.formula
    assert not formulation.formula.endswith(".")
    for text in (formulation.source, formulation.breaks):
        assert text.strip() == text
        assert len(text) > 5
    assert formulation.bound is None or formulation.bound.text.strip()
    parameters = list(inspect.signature(formulation.function).parameters)
    assert parameters == (["xp", "x", "labels"] if op.takes_labels else ["xp", "x"])


def test_unknown_names_are_told_with_their_neighbours() -> None:
    with pytest.raises(InputError, match="unknown operation 'softmx'; did you mean softmax"):
        catalogue.named("softmx")
    with pytest.raises(InputError, match="unknown formulation of softmax 'shfted'; did you mean shifted"):
        catalogue.named("softmax").named("shfted")


# One meaning


def finite_logits() -> list[Floats]:
    """Rows for which every formulation is defined and finite on intervals; doubles are exact there."""
    rng = np.random.default_rng(21)
    return [
        rng.normal(size=(4, 5)),
        rng.normal(size=(3, 2)) * 30,
        rng.normal(size=(2, 7)) * 700,
        rng.integers(-3, 3, (4, 4)).astype(np.float64),  # ties
        rng.normal(size=(3, 1)) * 5,
        np.zeros((2, 3)),
        np.array([[-1e-9, 1e-9, 0.0], [20.0, 0.0, -20.0]]),
    ]


def labels_for(x: Floats) -> Any:
    return np.arange(len(x)) * 7 % x.shape[1]


def enclosed(function: Callable[..., Any], op: Operation, x: Floats, bits: int) -> list[Element]:
    xp = Intervals(bits)
    result = function(xp, *op.arguments(xp.asarray(x), labels_for(x)))
    assert result.shape == op.shape(x)
    return list(result.elements.ravel())


def overlap(a: Element, b: Element) -> bool:
    return bool(mpf_le(a[0], b[1]) and mpf_le(b[0], a[1]))


def bounded(e: Element) -> bool:
    return fninf not in e[:2] and finf not in e[:2]


@pytest.mark.parametrize("bits", [128, 400])
@every_operation
def test_meaning_identity_and_formulations_are_one_function(op: Operation, bits: int) -> None:
    for x in finite_logits():
        meaning = enclosed(op.meaning, op, x, bits)
        assert all(map(bounded, meaning))
        functions = [op.identity, *(f.function for f in op.formulations.values() if not f.approximation)]
        for function in functions:
            found = enclosed(function, op, x, bits)
            assert all(map(bounded, found)), function.__name__
            assert all(overlap(a, b) for a, b in zip(found, meaning, strict=True)), (function.__name__, x)


def of_balls(x: BallArray) -> list[Element]:
    """Balls as enclosures: of what is given up, the whole line."""
    zeros = np.zeros(x.hi.size)
    fields = [zeros if f is None else f.ravel() for f in (x.hi, x.lo, x.radius, x.exponent)]
    found: list[Element] = []
    for hi, lo, radius, exponent in zip(*(f.tolist() for f in fields), strict=True):
        if not radius < INF or math.isnan(hi):
            found.append((fninf, finf, False, False))
            continue
        middle = mpf_add(from_float(hi), from_float(lo))
        low, high = (f(middle, from_float(radius)) for f in (mpf_sub, mpf_add))
        found.append((mpf_shift(low, int(exponent)), mpf_shift(high, int(exponent)), False, False))
    return found


@pytest.mark.parametrize("words", [1, 2])
@every_operation
def test_the_fast_and_the_slow_reference_overlap(op: Operation, words: int) -> None:
    """Meaning, identity and formulations on balls, which may give up except on the identity."""
    functions = [op.meaning, op.identity, *(f.function for f in op.formulations.values() if not f.approximation)]
    given_up = 0
    for x in finite_logits():
        truth = enclosed(op.identity, op, x, 400)
        for function in functions:
            xp = Balls(words)
            with np.errstate(all="ignore"):
                result = function(xp, *op.arguments(xp.asarray(x), labels_for(x)))
            assert result.shape == op.shape(x)
            found = of_balls(result)
            assert all(overlap(a, b) for a, b in zip(found, truth, strict=True)), (function.__name__, x)
            if function is op.identity:
                assert all(map(bounded, found))
                assert result.radius is None or np.all(result.radius <= np.abs(result.hi) * 2.0**-40)
            given_up += sum(not bounded(e) for e in found)
    assert given_up < 30


@every_operation
def test_the_identity_is_narrow_and_right(op: Operation) -> None:
    """Against the textbook at 3000 bits of mpmath, which needs no rearrangement there."""
    mp = mpmath.mp.clone()
    mp.prec = 3000
    for x in finite_logits():
        found = enclosed(op.identity, op, x, 256)
        for row, (values, label) in enumerate(zip(x.tolist(), labels_for(x).tolist(), strict=True)):
            e = [mp.exp(mp.mpf(v)) for v in values]
            total = mp.fsum(e)
            textbook = {
                "softmax": [v / total for v in e],
                "log_softmax": [mp.log(v / total) for v in e],
                "logsumexp": [mp.log(total)],
                "cross_entropy": [-mp.log(e[label] / total)],
            }
            if op.name not in textbook:
                pytest.skip(f"no textbook for {op.name} here")
            exact = textbook[op.name]
            for enclosure, truth in zip(found[row * len(exact) : (row + 1) * len(exact)], exact, strict=True):
                lo, hi = (mp.make_mpf(end) for end in enclosure[:2])
                judge = mp.mpf(2) ** -2900 * (1 + abs(truth))
                assert lo <= truth + judge
                assert truth - judge <= hi
                assert hi - lo <= abs(truth) * mp.mpf(2) ** -120 + judge


def test_an_approximation_is_another_function() -> None:
    """So that the mark means something: on intervals clipped misses the loss by 1e-12 over the probability."""
    for op, formulation in PAIRS:
        if formulation.approximation:
            x = np.array([[20.0, 0.0]])
            found = enclosed(formulation.function, op, x, 128)
            meaning = enclosed(op.meaning, op, x, 128)
            assert not any(overlap(a, b) for a, b in zip(found, meaning, strict=True))


# One format


@every_formulation
def test_a_formulation_stays_in_its_format(op: Operation, formulation: Formulation, fmt: Format) -> None:
    for x in (np.array([[0.5, 1.0, -1.0], [2.0, 2.0, 0.0]]), np.array([[1.0]])):
        result = plain(op, formulation, x, labels_for(x), fmt)
        assert result.dtype == fmt.dtype
        assert result.shape == op.shape(x)


PRIMITIVES: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda xp, x: x + x,
    "subtract": lambda xp, x: x - x,
    "multiply": lambda xp, x: x * x,
    "divide": lambda xp, x: x / (x + x),
    "negative": lambda xp, x: -x,
    "exp": lambda xp, x: xp.exp(x),
    "log": lambda xp, x: xp.log(x),
    "log1p": lambda xp, x: xp.log1p(x),
    "exp2": lambda xp, x: xp.exp2(x),
    "maximum": lambda xp, x: xp.maximum(x, xp.max(x, axis=-1, keepdims=True)),
    "max": lambda xp, x: xp.max(x, axis=-1, keepdims=True),
    "max without axis": lambda xp, x: xp.max(x, axis=-1),
    "sum": lambda xp, x: xp.sum(x, axis=-1, keepdims=True),
    "sum without axis": lambda xp, x: xp.sum(x, axis=-1),
    "where": lambda xp, x: xp.where(xp.arange(x.shape[-1]) == 1, constant(x, "0"), x),
    "where of arrays": lambda xp, x: xp.where(np.array([True, False, True]), x, x),
    "take_along_axis": lambda xp, x: xp.take_along_axis(x, xp.argmax(x, axis=-1, keepdims=True), axis=-1),
    "getitem": lambda xp, x: x[:, 0],
    "add a constant": lambda xp, x: x + constant(x, "1e-12"),
    "subtract a constant": lambda xp, x: x - constant(x, "1/3"),
    "multiply by a constant": lambda xp, x: x * constant(x, "1.5"),
    "a constant minus": lambda xp, x: constant(x, "1") - x,
    "a constant over": lambda xp, x: constant(x, "1") / x,
    "multiply by log2(e)": lambda xp, x: x * constant(x, "log2e"),
    "multiply by log(2)": lambda xp, x: x * constant(x, "ln2"),
    "broadcast": lambda xp, x: x - xp.max(x, axis=-1, keepdims=True),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_stays_in_its_format(name: str, fmt: Format) -> None:
    x = to_array(np.array([[0.5, 1.0, 2.0], [4.0, 2.0, 1.0]]), fmt)
    result = PRIMITIVES[name](np, x)
    assert result.dtype == fmt.dtype
    recorded = PRIMITIVES[name](np, Recording().asarray(x))
    assert isinstance(recorded, RecordedArray)
    assert recorded.value.tobytes() == result.tobytes()


@pytest.mark.parametrize("name", [n for n in PRIMITIVES if n != "where of arrays"])
def test_a_primitive_on_intervals_encloses_that_of_doubles(name: str) -> None:
    """Which carries a few rounding errors of its own."""
    x = np.array([[0.5, 1.0, 2.0], [4.0, 2.0, 1.0]])
    xp = Intervals(64)
    found = PRIMITIVES[name](xp, xp.asarray(x))
    native = PRIMITIVES[name](np, x)
    assert found.shape == native.shape
    for (lo, hi, *_), near in zip(found.elements.ravel().tolist(), native.ravel().tolist(), strict=True):
        slack = 2.0**-50 * max(1.0, abs(near))
        assert float(mpmath.mp.make_mpf(lo)) - slack <= near <= float(mpmath.mp.make_mpf(hi)) + slack


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("name", [n for n in PRIMITIVES if n != "where of arrays"])
def test_a_primitive_on_balls_encloses_that_of_doubles(name: str, words: int) -> None:
    x = np.array([[0.5, 1.0, 2.0], [4.0, 2.0, 1.0]])
    xp = Balls(words)
    with np.errstate(all="ignore"):
        found = PRIMITIVES[name](xp, xp.asarray(x))
    native = PRIMITIVES[name](np, x)
    assert found.shape == native.shape
    for (lo, hi, *_), near in zip(of_balls(found), native.ravel().tolist(), strict=True):
        slack = 2.0**-50 * max(1.0, abs(near))
        low, high = (float(mpmath.mp.make_mpf(end)) for end in (lo, hi))
        assert near - 2 * slack < low <= near + slack
        assert near - slack <= high < near + 2 * slack


# One computation, recorded or not

SPECIAL = np.array(
    [
        [1.0, 2.0, 3.0],
        [5.0, 5.0, 5.0],
        [0.0, -0.0, 0.0],
        [NAN, 1.0, 2.0],
        [INF, 1.0, 2.0],
        [INF, INF, -INF],
        [-INF, 1.0, 2.0],
        [-INF, -INF, 7.0],
        [-INF, -INF, -INF],
        [NAN, INF, -INF],
        [1e4, -1e4, 0.0],
        [3e38, 3e38, -3e38],
        [1.7e308, -1.7e308, 1.7e308],
        [-1e4, -1e4, -1e4],
        [1e-8, -1e-8, 1e-300],
        [20.0, 0.0, 0.0],
    ]
)


def tables() -> list[Floats]:
    drawn = [draws.draw("normal", 9, n, range(40)) * scale for n, scale in ((5, 1.0), (3, 10.0), (17, 100.0), (2, 1e4))]
    return [*drawn, SPECIAL, SPECIAL[:, :1], SPECIAL[:, :2], np.zeros((1, 3000))]


@every_formulation
def test_recording_changes_no_bit(op: Operation, formulation: Formulation, fmt: Format) -> None:
    for values in tables():
        with np.errstate(all="ignore"):
            x = to_array(round_to(values, fmt), fmt)
            before, labels = x.tobytes(), labels_for(x)
            native = formulation.function(np, *op.arguments(x, labels))
            recording = Recording(np)
            recorded = formulation.function(recording, *op.arguments(recording.asarray(x), labels))
        assert recorded.value.dtype == native.dtype
        assert recorded.value.tobytes() == native.tobytes()
        assert recording.steps
        assert recording.steps[-1].result is recorded.value
        for number, step in enumerate(recording.steps):
            assert step.number == number
            assert all(p is None or -1 <= p < number for p in step.parents)
            assert len(step.parents) == len(step.operands)
        assert x.tobytes() == before


# Special values: no exception, no warning, the right shape; and the formulations that are good are right


@every_formulation
def test_special_values_raise_nothing(op: Operation, formulation: Formulation, fmt: Format) -> None:
    for x in (SPECIAL, SPECIAL[:, :1], SPECIAL[:, ::-1]):
        held = round_to(x, fmt)
        lost = (np.isfinite(x) & ~np.isfinite(held)).any(-1)
        if not fmt.has_infinity:
            held = np.where(np.isinf(held), NAN, held)
        labels = labels_for(held)
        got = evaluate(op, formulation.function, held, labels, fmt)
        assert got.values.shape == op.shape(held)
        assert got.values.dtype == np.float64
        assert got.dtype == fmt.name
        truth = reference(op, held, labels, fmt, lost)
        tally = measure(got, truth, held, op.probabilities, np.arange(len(held)))
        assert sum(tally.outcomes) == tally.elements == got.values.size


@every_operation
def test_limits_are_0_1_infinite_or_absent(op: Operation) -> None:
    """What the reference takes for granted, except of logsumexp of one class, which is the class."""
    rows = np.array([r for r in SPECIAL.tolist() if any(map(math.isnan, r)) or INF in r or set(r) == {-INF}])
    for x in (rows, rows[:, :2], rows[:, :1]):
        x = x[np.isnan(x).any(-1) | (x == INF).any(-1) | (x == -INF).all(-1)]
        limits = op.limit(*op.arguments(x, labels_for(x)))
        assert limits.shape == op.shape(x)
        assert limits.dtype == np.float64
        assert np.all(np.isin(limits, [0.0, 1.0, INF, -INF]) | np.isnan(limits))
        assert np.all(np.isnan(limits[np.isnan(x).any(-1)]))


@every_operation
def test_one_class_is_certain(op: Operation, fmt: Format) -> None:
    x = np.array([[0.0], [1.5], [-2.0]])
    wanted = {"softmax": np.ones_like(x), "log_softmax": np.zeros_like(x), "cross_entropy": np.zeros(3)}
    wanted["logsumexp"] = x[:, 0]
    for formulation in op.formulations.values():
        if formulation.approximation or op.name not in wanted:
            continue
        got = evaluate(op, formulation.function, x, np.zeros(3, np.int64), fmt).values
        near = {"rtol": 4 * fmt.unit_roundoff, "atol": 4 * fmt.unit_roundoff}
        np.testing.assert_allclose(got, wanted[op.name], **near)


# What breaks them


def got(operation: str, formulation: str, row: list[float], fmt: Format, label: int = 0) -> Floats:
    op = catalogue.named(operation)
    x = np.array([row])
    np.testing.assert_array_equal(round_to(x, fmt), x)
    return evaluate(op, op.named(formulation).function, x, np.array([label]), fmt).values[0]


def ulps(operation: str, formulation: str, row: list[float], fmt: Format, label: int = 0) -> float:
    op = catalogue.named(operation)
    x, labels = np.array([row]), np.array([label])
    truth = reference(op, x, labels, fmt)
    values = evaluate(op, op.named(formulation).function, x, labels, fmt).values
    return float(np.max(errors(values, truth)[0]))


def test_naive_forms_overflow_just_above_the_logarithm_of_the_largest(fmt: Format) -> None:
    above, below = (float(round_to(np.array(fmt.log_largest * factor), fmt)) for factor in (1.07, 0.93))
    assert above > fmt.log_largest > below
    assert np.isnan(got("softmax", "naive", [above, 0.0], fmt)).any()
    assert np.isfinite(got("softmax", "naive", [below, 0.0], fmt)).all()
    assert not np.isfinite(got("logsumexp", "naive", [above, 0.0], fmt))
    assert np.isfinite(got("logsumexp", "naive", [below, 0.0], fmt))
    assert np.isnan(got("log_softmax", "naive", [above, 0.0], fmt)).any()
    assert np.isnan(got("cross_entropy", "naive", [above, 0.0], fmt))
    for shifted in ("shifted", "lse"):
        assert np.isfinite(got("softmax", shifted, [above, 0.0], fmt)).all()


def test_naive_forms_lose_a_row_of_very_negative_logits(fmt: Format) -> None:
    low = float(round_to(np.array(fmt.log_vanishing * 1.3), fmt))
    assert np.isnan(got("softmax", "naive", [low, low], fmt)).all()
    assert np.isnan(got("cross_entropy", "naive", [low, low], fmt))
    logsumexp = got("logsumexp", "naive", [low, low], fmt)
    assert logsumexp == -INF if fmt.has_infinity else np.isnan(logsumexp)
    np.testing.assert_array_equal(got("softmax", "shifted", [low, low], fmt), [0.5, 0.5])


@pytest.mark.parametrize(("classes", "survives"), [(65519, True), (65520, False), (65536, False)])
def test_65520_equal_logits_overflow_the_shifted_sum_in_float16(classes: int, survives: bool) -> None:
    """NumPy adds float16 up in a wider accumulator along a contiguous axis, and rounds once: 65520 is infinite."""
    f16, row = FORMATS["float16"], [0.0] * classes
    for formulation in ("shifted", "naive"):
        assert np.isfinite(got("logsumexp", formulation, row, f16)) == survives
        assert np.any(got("softmax", formulation, row, f16) > 0) == survives
    if classes != 65520:  # with one left out, older versions of NumPy round on the way
        assert np.isfinite(got("logsumexp", "log1p", row, f16)) == survives


@pytest.mark.parametrize("operation", ["softmax", "logsumexp"])
def test_an_infinite_maximum_is_inf_minus_inf_for_shifted_forms(operation: str) -> None:
    assert np.isnan(got(operation, "shifted", [INF, 0.0], FORMATS["float32"])).any()
    op = catalogue.named(operation)
    truth = reference(op, np.array([[INF, 0.0]]), None, FORMATS["float32"])
    assert not np.isnan(truth.below).any()
    assert not truth.state.any()


def test_a_vanished_probability_makes_an_infinite_loss(fmt: Format) -> None:
    gap = float(round_to(np.array(fmt.log_vanishing * 1.2), fmt))
    for formulation in ("naive", "shifted"):
        loss = got("cross_entropy", formulation, [0.0, gap], fmt, label=1)
        assert not np.isfinite(loss)
        logs = got("log_softmax", formulation, [0.0, gap], fmt)
        assert not np.isfinite(logs[1])
    for formulation in ("shifted_lse", "log1p"):
        assert got("cross_entropy", formulation, [0.0, gap], fmt, label=1) == pytest.approx(-gap, rel=0.2)


def test_clipped_is_infinite_in_float16_and_finite_and_wrong_in_wider_formats() -> None:
    row = [20.0, 0.0]
    assert got("cross_entropy", "clipped", row, FORMATS["float16"], label=1) == INF
    assert format_constant("1e-12", FORMATS["float16"]) == 0
    for name in ("float32", "float64"):
        far = got("cross_entropy", "clipped", [2048.0, 0.0], FORMATS[name], label=1)
        assert far == pytest.approx(12 * math.log(10), rel=1e-6)


def test_a_dominant_label_costs_bits_where_it_is_said_to() -> None:
    """Logits [20, 0], label 0: the loss is 2e-9. The full sum has absorbed it; the sum of the others is it."""
    f64, row = FORMATS["float64"], [20.0, 0.0]
    lost = {name: math.log2(1 + ulps("cross_entropy", name, row, f64)) for name in ("lse", "shifted_lse", "log1p")}
    assert lost["lse"] > 27
    assert 24 < lost["shifted_lse"] < 30
    assert lost["log1p"] < 2
    # The same for a dominant logit of 0 in logsumexp, where fake_log1p gains nothing.
    row = [0.0, -20.0]
    assert ulps("logsumexp", "fake_log1p", row, f64) > 2**22
    assert ulps("logsumexp", "shifted", row, f64) > 2**22
    assert ulps("logsumexp", "log1p", row, f64) < 4
    assert ulps("log_softmax", "lse", row, f64) > 2**22
    assert ulps("log_softmax", "log1p", row, f64) < 4


def test_softmax_by_logsumexp_suffers_from_large_logits() -> None:
    f32 = FORMATS["float32"]
    near, far = [0.25, 0.0, 0.5], [16777216.0, 16777214.0, 16777215.0]
    assert ulps("softmax", "lse", near, f32) < 8
    assert ulps("softmax", "lse", far, f32) > 2**20
    assert ulps("softmax", "shifted", far, f32) < 8


def test_stated_bounds_hold_where_nothing_overflows() -> None:
    """As the catalogue writes them, in float64; NumPy's exp and log err by an ulp or two: four times are granted."""
    f64, u = FORMATS["float64"], FORMATS["float64"].unit_roundoff
    x = draws.draw("normal", 17, 8, range(200)) * 5
    n, low, high = 8, x.min(-1), x.max(-1)
    for name in ("softmax", "logsumexp", "cross_entropy"):
        op = catalogue.named(name)
        labels = labels_for(x)
        truth = reference(op, x, labels, f64)
        exact = np.ldexp(truth.head, truth.exponent.astype(np.int32))
        y = np.log(np.exp(x).sum(-1))
        sizes = Sizes(n, low, high, y, np.abs(x - y[:, None]).max(-1))
        for formulation in op.formulations.values():
            if formulation.bound is None:
                continue
            values = evaluate(op, formulation.function, x, labels, f64).values
            absolute = errors(values, truth)[2]
            relative = absolute.max(-1) / exact.max(-1) if op.per_class else absolute / abs(exact)
            assert np.all(relative <= 4 * formulation.bound.units(sizes) * u), formulation.name


def test_recommended_forms_survive_what_breaks_naive_ones() -> None:
    """Scale 1000 in float32: no failure that is the formulation's fault."""
    f32 = FORMATS["float32"]
    x = round_to(draws.draw("normal", 0, 10, range(100)) * 1000, f32)
    labels = draws.draw_labels(0, 10, range(100))
    for name, good, bad in (
        ("softmax", "shifted", "naive"),
        ("logsumexp", "log1p", "naive"),
        ("log_softmax", "lse", "shifted"),
        ("cross_entropy", "shifted_lse", "shifted"),
    ):
        op = catalogue.named(name)
        truth = reference(op, x, labels, f32)
        outcomes = {}
        for formulation in (good, bad):
            result = evaluate(op, op.named(formulation).function, x, labels, f32)
            outcomes[formulation] = measure(result, truth, x, op.probabilities, np.arange(100)).outcomes
        failures = {f: sum(o[i] for i in (Outcome.NAN, Outcome.OVERFLOW)) for f, o in outcomes.items()}
        assert failures[good] == 0, name
        assert failures[bad] > 0, name


def test_registering_a_formulation() -> None:
    """Its name is the function's, its formula the first line of the docstring."""
    op = replace(OPERATIONS["softmax"], formulations={})

    @op.formulation(source="nowhere", breaks="everything")
    def uniform(xp: Any, x: Any) -> Any:
        """1/n.

        Whatever the logits are.
        """
        return x

    assert list(op.formulations) == ["uniform"]
    assert op.named("uniform").formula == "1/n"
    assert not op.named("uniform").approximation
