"""Ordinary blocks are measured in a few passes: with the very bits that the general code gives, element by element.

What the general code gives is held against Fractions and mpmath in test_measure.py.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import overflowscope.measure as whole
from overflowscope.formats import FORMATS, Floats, Format, round_parts, round_to
from overflowscope.measure import _errors, _outcomes, _probabilities, classify, errors, measure
from overflowscope.records import FAILURES, Evaluation, Outcome, Reference, State
from overflowscope.tally import NARROW, Sample, Tally, exact_sum, row_sums

INF, NAN = math.inf, math.nan
every_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def same(found: Any, wanted: Any) -> None:
    """Equal bits."""
    assert np.asarray(found).tobytes() == np.asarray(wanted).tobytes()


def truth_of(fmt: Format, head: Any, tail: Any, exponent: Any) -> Reference:
    """A reference of these numbers, each rounded to the format as if head were all of it."""
    head, tail, exponent = np.array(head, float), np.array(tail, float), np.array(exponent, np.int64)
    with np.errstate(all="ignore"):
        nearest = round_to(np.ldexp(head, np.clip(exponent, -3000, 3000).astype(np.int32)), fmt)
    return Reference(
        fmt,
        head,
        tail,
        exponent,
        np.full(head.shape, 2.0**-100),
        nearest,
        nearest.copy(),
        np.zeros(head.shape, np.uint8),
        np.ones(head.shape, np.uint8),
    )


def softmax_block(fmt: Format, rows: int, classes: int, scale: float = 1.0) -> tuple[Floats, Floats, Reference]:
    """(logits, q, truth) of rows of probabilities, q a few ulps off."""
    rng = np.random.default_rng(rows * 1000 + classes)
    x = round_to(rng.normal(size=(rows, classes)) * scale, fmt)
    e = np.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    head, exponent = np.frexp(p)
    truth = truth_of(fmt, 2 * head, rng.uniform(-1, 1, p.shape) * 2.0**-54, exponent - 1)
    return x, round_to(p * (1 + rng.normal(size=p.shape) * 2.0**-fmt.precision * 1.5), fmt), truth


def by_the_general_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is plain, all is odd, and nothing odd is easy."""
    monkeypatch.setattr(whole, "is_plain", lambda got, truth: False)
    monkeypatch.setattr(_errors, "_odd", lambda got, truth: np.ones(got.shape, np.bool_))
    monkeypatch.setattr(_errors, "_easy", lambda units, got, truth, odd, found: odd)

    def definition(got: Floats, truth: Reference) -> tuple[Any, Any]:
        return _outcomes.classify_of_anything(got, truth.below, truth.above, truth.state)

    monkeypatch.setattr(whole, "classify", definition)

    def divergence(q: Floats, p: Floats, truth: Reference, units: Any) -> Floats:
        return _probabilities.divergence_of_anything(q, p, truth.head, truth.tail, truth.exponent)

    monkeypatch.setattr(_probabilities, "_divergence", divergence)


def assert_equal(found: Tally, wanted: Tally) -> None:
    for f in fields(Tally):
        a, b = getattr(found, f.name), getattr(wanted, f.name)
        assert (repr(a) if isinstance(a, tuple) else a) == (repr(b) if isinstance(b, tuple) else b), f.name


Salt = Callable[[Format, Floats, Floats, Reference], None]


def salted(fmt: Format, x: Floats, q: Floats, truth: Reference) -> None:
    """A few odd elements in an otherwise ordinary block, each kind in a row of its own."""
    q[0, 3], q[1, 0], q[2, 5], q[3, 1] = NAN, INF, -INF, -0.0
    q[4, 2], q[5, 2], q[6, 4] = fmt.smallest, fmt.smallest_normal / 2, -q[6, 4]
    truth.head[7, 1] = truth.tail[7, 1] = truth.below[7, 1] = truth.above[7, 1] = 0.0
    truth.exponent[7, 1], q[7, 1] = 0, 0.0
    truth.head[8, 1] = truth.tail[8, 1] = truth.below[8, 1] = truth.above[8, 1] = 0.0
    for row, exponent in ((11, -900), (12, -(2**40)), (13, -5000)):
        truth.exponent[row, 2], truth.below[row, 2], truth.above[row, 2] = exponent, 0.0, 0.0
        q[row, 2] = 0.0
    truth.exponent[14, 2], truth.below[14, 2], truth.above[14, 2] = -1100, 0.0, 0.0
    truth.exponent[15, 0], truth.below[15, 0], truth.above[15, 0] = fmt.emax + 3, INF, INF
    truth.above[16, 4] = np.nextafter(truth.above[16, 4], 1)
    truth.below[17, 4], truth.above[17, 4], q[17, 4] = 0.0, fmt.smallest, 0.0
    truth.state[18], truth.state[19] = State.UNDEFINED, State.INPUT_OVERFLOW
    truth.rung[20], q[21] = 2, NAN
    q[22, :3], q[23] = q[22, :3] * 1.7, q[23] * 0.25
    x[24, 1] = x[24].max()
    q[25, 0] = fmt.largest
    # Exponents whose bits, cut to those of a double, are 2**0 and an infinity.
    truth.exponent[27:29, 1], truth.below[27:29, 1], truth.above[27:29, 1] = -4096, 0.0, 0.0
    q[27:29, 1] = round_to(truth.head[27:29, 1] * [0.75, 1.0], fmt)
    truth.head[29, 4] = truth.tail[29, 4] = truth.below[29, 4] = truth.above[29, 4] = q[29, 4] = 0.0
    truth.exponent[29, 4] = 1024


def infinite(fmt: Format, x: Floats, q: Floats, truth: Reference) -> None:
    """Infinite truths, which no probability has."""
    salted(fmt, x, q, truth)
    truth.below[9, 0] = truth.above[9, 0] = truth.head[9, 0] = INF
    truth.head[10, 6] = truth.below[10, 6] = truth.above[10, 6] = q[10, 6] = INF
    truth.head[26, 3] = truth.below[26, 3] = truth.above[26, 3] = -INF
    truth.head[27, 3] = truth.below[27, 3] = truth.above[27, 3] = q[26, 3] = -INF
    q[28, 0], truth.head[28, 0], truth.below[28, 0], truth.above[28, 0] = 0.0, INF, INF, INF
    q[29, 0], truth.head[29, 0], truth.below[29, 0], truth.above[29, 0] = NAN, INF, INF, INF


def nothing(fmt: Format, x: Floats, q: Floats, truth: Reference) -> None:
    """An ordinary block."""


@every_format
@pytest.mark.parametrize("salt", [nothing, salted, infinite])
@pytest.mark.parametrize("classes", [7, NARROW, NARROW + 1, 300])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_blocks_have_the_bits_of_the_general_code(
    fmt: Format, salt: Salt, classes: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, q, truth = softmax_block(fmt, 30, classes, scale)
    salt(fmt, x, q, truth)
    numbers = np.arange(100, 130)
    given = Evaluation(q, fmt.name), truth, x, salt is not infinite, numbers
    found = measure(*given)
    before = errors(q, truth)
    by_the_general_code(monkeypatch)
    assert_equal(found, measure(*given))
    for a, b in zip(before, errors(q, truth), strict=True):
        same(a, b)


def test_the_ordinary_path_is_taken() -> None:
    """So that the test above compares two things, and the benchmark's block is one of those meant."""
    for name in ("float32", "float64"):
        _, q, truth = softmax_block(FORMATS[name], 30, 300)
        assert _outcomes.is_plain(q, truth)
        assert not _errors._odd(q, truth).any()
    for name in FORMATS:
        x, q, truth = softmax_block(FORMATS[name], 30, 300)
        salted(FORMATS[name], x, q, truth)
        assert not _outcomes.is_plain(q, truth)
        odd = _errors._odd(q, truth)
        assert odd.any()
        assert np.count_nonzero(~odd) > 0.9 * odd.size


@every_format
def test_signed_results_have_the_bits_of_the_general_code(fmt: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of log_softmax, from far below 1 to beyond the format, with no rows of probabilities."""
    rng = np.random.default_rng(3)
    head = rng.uniform(1, 2, (40, 25)) * rng.choice([-1, 1], (40, 25))
    exponent = rng.integers(fmt.emin - fmt.precision - 3, fmt.emax + 4, head.shape)
    truth = truth_of(fmt, head, rng.uniform(-1, 1, head.shape) * 2.0**-54, exponent)
    got = np.where(rng.random(head.shape) < 0.9, truth.below, np.roll(truth.below, 1))
    given = Evaluation(got, fmt.name), truth, head, False, np.arange(40)
    found = measure(*given)
    by_the_general_code(monkeypatch)
    assert_equal(found, measure(*given))


NUMBERS = [0.0, -0.0, 1.0, -1.0, 1.5, 0.75, 2.0**-149, 5e-324, -5e-324, 1e-300, 2.0**119, 2.0**120, -(2.0**120), 1e300]
GOT = st.sampled_from([*NUMBERS, INF, -INF, NAN, 448.0, 65504.0, 2.0**-24]) | st.floats(allow_nan=False)
EXPONENTS = st.sampled_from([-(2**40), -5000, -1100, -801, -800, -799, 0, 7, 8, 9, 15, 16, 127, 128, 799, 800, 801])
HEADS = st.sampled_from([0.0, INF, -INF, 1.0, -1.0, 1.875, 1.9375, 2 - 2.0**-52]) | st.floats(1, 2, exclude_max=True)
TAILS = st.sampled_from([0.0, 2.0**-54, -(2.0**-54), 2.0**-104, -(2.0**-105)])


@st.composite
def element(draw: st.DrawFn) -> tuple[float, float, float, int]:
    """(got, head, tail, exponent), got often next to the truth."""
    head, tail, exponent = draw(HEADS), draw(TAILS), draw(EXPONENTS | st.integers(-1200, 1100))
    if head in (0, INF, -INF):
        tail, exponent = 0.0, 0
    if math.isfinite(head) and abs(exponent) < 1000 and draw(st.booleans()):
        return (
            math.ldexp(head * (1 + draw(st.sampled_from([0.0, 2.0**-24, -(2.0**-11)]))), exponent),
            head,
            tail,
            exponent,
        )
    return draw(GOT), head, tail, exponent


@settings(max_examples=400, deadline=None)
@given(fmt=st.sampled_from(list(FORMATS.values())), elements=st.lists(element(), min_size=1, max_size=9))
def test_errors_have_the_bits_of_the_definition(fmt: Format, elements: list[tuple[float, float, float, int]]) -> None:
    """In whatever company an element is, of which the shortest way through depends."""
    got, head, tail, exponent = zip(*elements, strict=True)
    values = round_to(np.array(got), fmt)
    truth = truth_of(fmt, head, tail, exponent)
    with np.errstate(all="ignore"):
        wanted = _errors.errors_of_anything(values, truth.head, truth.tail, truth.exponent, fmt)
    for a, b in zip(errors(values, truth), wanted, strict=True):
        same(a, b)


@every_format
def test_outcomes_are_those_of_the_definition(fmt: Format) -> None:
    """Every combination of what was got, the two ends and the state, alone and all together."""
    ends = [0.0, -0.0, fmt.smallest, -fmt.smallest, 1.0, fmt.largest, INF, -INF]
    got, below, above, state = zip(
        *((g, b, a, s) for g, b, a, s in itertools.product([*ends, NAN, 0.5], ends, ends, range(3)) if b <= a),
        strict=True,
    )
    truth = truth_of(fmt, np.ones(len(got)), np.zeros(len(got)), np.zeros(len(got)))
    columns = np.array(got), np.array(below), np.array(above), np.array(state, np.uint8)
    for chosen in (slice(None), columns[1] == columns[2], (columns[3] == 0) & (columns[1] == columns[2])):
        g, b, a, s = (c[chosen] for c in columns)
        cut = Reference(fmt, *(getattr(truth, n)[: len(g)] for n in ("head", "tail", "exponent", "radius")), b, a, s, s)
        for found, wanted in zip(classify(g, cut), _outcomes.classify_of_anything(g, b, a, s), strict=True):
            same(found, wanted)


def test_failures_are_told_by_their_numbers() -> None:
    codes = np.array(list(Outcome), np.uint8)
    assert _outcomes.is_failure(codes).tolist() == [o in FAILURES for o in Outcome]


# However the rows are cut


@pytest.mark.parametrize("classes", [2, 10, NARROW, NARROW + 1, 1000])
@pytest.mark.parametrize("salt", [nothing, salted, infinite])
def test_cuts_change_nothing(classes: int, salt: Salt) -> None:
    fmt = FORMATS["float32"]
    x, q, truth = softmax_block(fmt, 30, max(classes, 7), 3.0)
    salt(fmt, x, q, truth)

    def part(rows: Any) -> Tally:
        numbers = np.arange(30)[rows]
        return measure(
            Evaluation(q[rows], "float32"), whole.truth_at(truth, rows), x[rows], salt is not infinite, numbers
        )

    one_by_one = functools.reduce(lambda a, b: a + b, (part(slice(i, i + 1)) for i in reversed(range(30))))
    assert_equal(one_by_one, part(slice(None)))
    assert_equal(part(slice(0, 17)) + part(slice(17, None)), one_by_one)


@pytest.mark.parametrize("n", [1, 2, 3, 10, NARROW - 1, NARROW, NARROW + 1, 2 * NARROW + 1, 1000, 4097])
def test_sums_of_rows_do_not_depend_on_their_company(n: int) -> None:
    values = np.random.default_rng(n).lognormal(sigma=6, size=(9, n))
    for of in (row_sums, _probabilities._totals):
        together = of(values)
        assert together.shape == (9,)
        for i in range(9):
            same(of(values[i : i + 1])[0], together[i])
            same(of(np.asfortranarray(values)[i : i + 1])[0], together[i])


@pytest.mark.parametrize("n", [3, 6, 11, 12, 25, NARROW, NARROW + 1, 1000])
def test_sums_of_rows_keep_every_error(n: int) -> None:
    """Rounded once: what is lost of an error on the way shows in one of many rows."""
    values = np.random.default_rng(n).uniform(0, 1, (300, n))
    for row, found in zip(values.tolist(), row_sums(values).tolist(), strict=True):
        assert found == float(sum(map(Fraction, row)))


# Sums without rounding, and bins


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 1023, 1024, 1025])
@pytest.mark.parametrize("spread", [0, 1, 30, 120, 400])
@pytest.mark.parametrize("top", [-1000, -930, -400, 0, 850, 899, 900, 1022])
def test_sums_of_any_spread_are_exact(n: int, spread: int, top: int) -> None:
    rng = np.random.default_rng(n)
    values = np.ldexp(rng.uniform(1, 2, n), top - rng.integers(0, spread + 1, n))
    values[: n // 3] = math.ldexp(1.0, top)
    signed = values * rng.choice([-1, 1], n)
    for v in (values, signed, np.full(n, math.nextafter(math.ldexp(1.0, top + 1), 0)), np.zeros(n)):
        kept = v.copy()
        assert exact_sum(v) == sum(map(Fraction, v.tolist()))
        same(v, kept)


def test_a_sample_without_bins_has_no_quantiles() -> None:
    values = np.array([0.5, 3.0, INF])
    sample = Sample.of(values, binned=False)
    assert (sample.max, sample.total, sample.count, sample.infinite) == (INF, Fraction(7, 2), 2, 1)
    assert len(sample.histogram) == 0
    assert sample.quantile(0.5) is None


def test_bins_are_counted_as_they_are_read() -> None:
    values = np.array([0.0, 0.0, 5e-324, 2.0**-1060, 2.0**-1022, 1.0, 1.0, 1 + 1 / 64, 3.5, np.finfo(float).max])
    histogram = Sample.of(values).histogram
    assert list(histogram.values()) == [2, 1, 1, 1, 2, 1, 1, 1]
    assert [histogram[k] for k in histogram] == list(histogram.values())
    middles = [histogram.middle(k) for k in histogram]
    for middle, value in zip(middles, sorted(set(values.tolist())), strict=True):
        assert abs(middle - value) <= value / 64 + 5e-324
    assert max(histogram) + 1 not in histogram
    assert 0 not in histogram
    halves = Sample.of(values[::2]).histogram + Sample.of(values[1::2]).histogram
    assert halves == histogram


# Rounding


@every_format
def test_rounding_by_addition_is_rounding_by_integers(fmt: Format) -> None:
    """Doubles of any bits, and many in the format's range, against the rounding of integer parts."""
    rng = np.random.default_rng(8)
    anywhere = rng.integers(0, 2047 << 52, 100_000).view(np.float64)
    within = rng.integers(1023 + fmt.emin - fmt.precision - 2, 1023 + fmt.emax + 2, 100_000).clip(0, 2046) << 52
    short = within | (rng.integers(0, 2**20, 100_000) << 32)
    edges = np.array([fmt.largest, fmt.smallest / 2, fmt.smallest_normal, 2.0 * fmt.smallest])
    with np.errstate(all="ignore"):
        edges = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, INF)])
    for values in (anywhere, within.view(np.float64), short.view(np.float64), edges[np.isfinite(edges)]):
        mantissa, exponent = np.frexp(values)
        significand = np.ldexp(mantissa, 53).astype(np.int64)
        wanted = round_parts(significand, exponent.astype(np.int64) - 53, np.zeros(values.shape, np.bool_), fmt)
        same(round_to(values, fmt), wanted)
        same(round_to(-values[::2], fmt), -wanted[::2])
