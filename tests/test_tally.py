"""Summaries that merge: exactly, in any order, however the rows were cut."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope import catalogue, draws
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Floats, round_to
from overflowscope.measure import measure
from overflowscope.records import Evaluation, Outcome, Reference
from overflowscope.reference import reference
from overflowscope.tally import Element, Extreme, Sample, Tally, exact_sum

INF = math.inf

doubles = st.floats(allow_nan=False, allow_infinity=False)
errors = st.lists(st.floats(0, allow_nan=False, width=64) | st.sampled_from([0.0, 0.5, 1.0, INF, 5e-324]), max_size=30)


def array(values: list[float]) -> Floats:
    return np.array(values, np.float64)


# Exact sums


@settings(max_examples=300, deadline=None)
@given(values=st.lists(doubles, max_size=40))
def test_sums_are_exact(values: list[float]) -> None:
    assert exact_sum(array(values)) == sum(map(Fraction, values))


def test_sums_over_the_whole_range_are_exact() -> None:
    largest = math.nextafter(INF, 0)
    values = [largest, largest, 5e-324, -1.0, 2.0**-1022, 0.0, -0.0, math.nextafter(1, 2)]
    assert exact_sum(array(values)) == sum(map(Fraction, values))
    assert exact_sum(array([])) == 0
    assert exact_sum(np.full(100_000, 0.1)) == 100_000 * Fraction(0.1)
    many = np.random.default_rng(1).standard_cauchy(50_000) ** 3
    assert exact_sum(many) == sum(map(Fraction, many.tolist()))


# Samples and extremes


@settings(max_examples=200, deadline=None)
@given(a=errors, b=errors, c=errors)
def test_samples_merge_as_if_they_were_one(a: list[float], b: list[float], c: list[float]) -> None:
    x, y, z = (Sample.of(array(v)) for v in (a, b, c))
    assert x + y == y + x == Sample.of(array(b + a))
    assert (x + y) + z == x + (y + z) == Sample.of(array(a + b + c))
    assert x + Sample() == Sample() + x == x


@settings(max_examples=200, deadline=None)
@given(values=errors)
def test_a_sample_knows_its_values(values: list[float]) -> None:
    sample = Sample.of(array(values))
    finite = [v for v in values if math.isfinite(v)]
    assert sample.max == max(values, default=-INF)
    assert sample.total == sum(map(Fraction, finite))
    assert (sample.count, sample.infinite) == (len(finite), len(values) - len(finite))
    assert sum(sample.histogram.values()) == len(finite)
    if finite:
        assert sample.mean == float(sum(map(Fraction, finite)) / len(finite))
    else:
        assert sample.mean is None


@settings(max_examples=300, deadline=None)
@given(values=errors, share=st.sampled_from([0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_order_statistics_to_one_part_in_64(values: list[float], share: float) -> None:
    finite = np.sort([v for v in values if math.isfinite(v)])
    found = Sample.of(array(values)).quantile(share)
    if not len(finite):
        assert found is None
        return
    wanted = float(finite[max(1, math.ceil(share * len(finite))) - 1])
    assert found is not None
    assert abs(found - wanted) <= wanted / 64 + (5e-324 if wanted < 2.0**-1022 else 0)
    assert (found == 0) == (wanted == 0) or wanted < 2.0**-1022


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_of_many_by_numpy(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(sigma=3, size=2001)
    sample = functools.reduce(lambda s, part: s + Sample.of(part), np.array_split(values, 7), Sample())
    for share in (0.5, 0.99):
        wanted = np.quantile(values, share, method="inverted_cdf")
        assert sample.quantile(share) == pytest.approx(wanted, rel=1 / 64)


def test_bins_begin_where_they_should() -> None:
    """A power of two and the number below it lie in different bins; 64 of them make an octave."""
    assert len(Sample.of(array([1.0, math.nextafter(1, 0)])).histogram) == 2
    octave = np.linspace(1, 2, 64 * 50, endpoint=False)
    histogram = Sample.of(octave).histogram
    assert len(histogram) == 64
    assert set(histogram.values()) == {50}


@given(a=st.lists(doubles, max_size=5), b=st.lists(doubles, max_size=5))
def test_extremes_merge(a: list[float], b: list[float]) -> None:
    merged = Extreme.of(array(a)) + Extreme.of(array(b))
    assert merged == Extreme.of(array(a + b)) == Extreme.of(array(b)) + Extreme.of(array(a))
    assert merged == Extreme(min(a + b, default=INF), max(a + b, default=-INF))


# Tallies of real measurements, cut anywhere


@functools.cache
def measured(operation: str, formulation: str, fmt: str, scale: float) -> tuple[Floats, Evaluation, Reference]:
    """Rows with failures of every kind among them: nan, inf, masks, and what overflowed on its way into the format."""
    f = FORMATS[fmt]
    x = round_to(draws.draw("laplace", 5, 6, range(60)) * scale, f)
    x[3, 2] = np.nan
    x[7] = -INF
    x[11, 0] = INF
    x[13, :2] = INF
    x[17, 1:5] = -INF
    x[19] = 0.0
    labels = draws.draw_labels(5, 6, range(60))
    op = catalogue.named(operation)
    truth = reference(op, x, labels, f, np.arange(60) % 17 == 5)
    run = backwards if formulation == "backwards" else op.named(formulation).function
    return x, evaluate(op, run, x, labels, f), truth


def backwards(xp: Any, x: Any) -> Any:
    """A softmax that gets its classes wrong, and its sum."""
    return catalogue.named("softmax").named("shifted").function(xp, x)[..., ::-1] * 1.25


CASES = [
    ("softmax", "naive", "float16", 20.0),
    ("softmax", "shifted", "float16", 20.0),
    ("softmax", "lse", "float32", 1e4),
    ("softmax", "backwards", "float32", 1.0),
    ("log_softmax", "naive", "float16", 9.0),
    ("logsumexp", "shifted", "float64", 300.0),
    ("cross_entropy", "clipped", "float16", 20.0),
    ("cross_entropy", "naive", "float32", 60.0),
]


def part(case: tuple[str, str, str, float], rows: np.ndarray) -> Tally:
    x, got, truth = measured(*case)
    arrays = ("head", "tail", "exponent", "radius", "below", "above", "state", "rung")
    cut = Reference(fmt=truth.fmt, **{name: getattr(truth, name)[rows] for name in arrays})
    return measure(Evaluation(got.values[rows], got.dtype), cut, x[rows], case[0] == "softmax", rows)


@pytest.mark.parametrize("case", CASES, ids=["-".join(map(str, c)) for c in CASES])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_cut_in_any_order_gives_the_whole(case: tuple[str, str, str, float], data: st.DataObject) -> None:
    whole = part(case, np.arange(60))
    # Stretches of rows, or rows from anywhere, each part in the order of its rows.
    cuts = sorted(data.draw(st.lists(st.integers(1, 59), unique=True, max_size=6)))
    order = data.draw(st.just(np.arange(60)) | st.permutations(range(60)).map(np.array))
    parts = [part(case, np.sort(rows)) for rows in np.split(order, cuts)]
    shuffled = data.draw(st.permutations(parts))
    found = functools.reduce(lambda a, b: a + b, shuffled)
    from_the_right = functools.reduce(lambda a, b: b + a, reversed(shuffled), Tally())
    for name in whole.__dataclass_fields__:
        assert plain(getattr(found, name)) == plain(getattr(whole, name)), name
        assert plain(getattr(from_the_right, name)) == plain(getattr(whole, name)), name


def plain(value: object) -> object:
    """Elements in words, in which nan is nan."""
    return repr(value) if isinstance(value, tuple) else value


def test_the_cases_fail_in_every_way() -> None:
    """So that the cuts above have something to lose."""
    wholes = [part(case, np.arange(60)) for case in CASES]
    met = {o for w in wholes for o, n in zip(Outcome, w.outcomes, strict=True) if n}
    assert met >= set(Outcome) - {Outcome.UNDECIDED, Outcome.SATURATED}
    for name in ("correct", "flips", "rows_off", "rows_failed", "vanished", "subnormal", "rows_nan", "rows_inf"):
        assert any(getattr(w, name) for w in wholes), name
    assert all(w.worst is not None for w in wholes)
    assert any(w.failed is not None for w in wholes)


def test_the_empty_tally_changes_nothing() -> None:
    whole = part(CASES[0], np.arange(60))
    assert whole + Tally() == Tally() + whole == whole
    assert Tally() + Tally() == Tally()


@pytest.mark.parametrize("case", CASES, ids=["-".join(map(str, c)) for c in CASES])
def test_no_rows_are_the_empty_tally(case: tuple[str, str, str, float]) -> None:
    """A block of rows may be left empty, by labels that are to be ignored."""
    assert part(case, np.arange(0)) == Tally()


def test_of_equally_bad_elements_the_first_is_kept() -> None:
    def element(error: float, row: int, column: int) -> Element:
        return Element(error, -row, -column, 0.0, 1.0, 0.0, 0, 0.0)

    tallies = [
        Tally(worst=element(*e), worst_sum=(e[0], -e[1])) for e in [(2.0, 9, 1), (2.0, 4, 7), (2.0, 4, 8), (1.0, 0, 0)]
    ]
    for order in (tallies, tallies[::-1]):
        merged = functools.reduce(lambda a, b: a + b, order)
        assert merged.worst == element(2.0, 4, 7)
        assert merged.worst_sum == (2.0, -4)
    nan, overflow = (-int(o) for o in (Outcome.NAN, Outcome.OVERFLOW))
    graver = Tally(failed=(overflow, element(INF, 0, 0))) + Tally(failed=(nan, element(INF, 5, 0)))
    assert graver.failed == (nan, element(INF, 5, 0))
