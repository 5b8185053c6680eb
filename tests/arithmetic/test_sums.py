"""Orders of summation against explicit loops, every addition of theirs rounded by the twin."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from twin import every, nearest, same, step

from overflowscope.arithmetic.strict import Strict
from overflowscope.arithmetic.sums import ORDERS
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS, Floats, Format, round_to


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def fmt(request: pytest.FixtureRequest) -> Format:
    if request.param.extra:
        pytest.importorskip("ml_dtypes")
    return request.param


def from_left(x: list[float], fmt: Format) -> float:
    total = x[0]
    for term in x[1:]:
        total = step("add", total, term, fmt)
    return total


def halved(x: list[float], fmt: Format) -> float:
    if len(x) == 1:
        return x[0]
    middle = math.ceil(len(x) / 2)
    return step("add", halved(x[:middle], fmt), halved(x[middle:], fmt), fmt)


def compensated(x: list[float], fmt: Format) -> float:
    """Higham (2002), Algorithm 4.2."""
    total, lost = x[0], 0.0
    for term in x[1:]:
        before = total
        y = step("add", term, lost, fmt)
        total = step("add", before, y, fmt)
        lost = step("add", step("subtract", before, total, fmt), y, fmt)
    return total


LOOPS: dict[str, Callable[[list[float], Format], float]] = {
    "sequential": from_left,
    "pairwise": halved,
    "kahan": compensated,
}


def test_every_order_has_its_loop() -> None:
    assert LOOPS.keys() == ORDERS.keys()


def terms_of(fmt: Format, shape: tuple[int, ...], seed: int) -> Floats:
    """Of several sizes and both signs, so that additions round, cancel and absorb."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 2.0 ** rng.integers(-fmt.precision, 2, shape)
    return round_to(np.where(rng.random(shape) < 0.7, np.abs(x), x), fmt)


@pytest.mark.parametrize("order", ORDERS)
def test_sums_are_those_of_the_loops(order: str, fmt: Format) -> None:
    xp = Strict(fmt, order)
    for n in (*range(1, 36), 63, 64, 65, 100):
        for rows in (1, 3, 70) if n < 12 else (2,):
            x = terms_of(fmt, (rows, n), seed=n)
            found = xp.sum(xp.asarray(x), axis=-1).numbers
            assert found.shape == (rows,)
            assert same(found, np.array([LOOPS[order](row, fmt) for row in x.tolist()])), (n, rows)


@pytest.mark.parametrize("order", ORDERS)
def test_many_rows_are_added_as_few_are(order: str, fmt: Format) -> None:
    x = terms_of(fmt, (200, 37), seed=3)
    xp = Strict(fmt, order)
    alone = [xp.sum(xp.asarray(row), axis=-1).numbers for row in x]
    assert same(xp.sum(xp.asarray(x), axis=-1).numbers, np.array(alone))
    assert same(xp.sum(xp.asarray(x.T), axis=0).numbers, np.array(alone))


@pytest.mark.parametrize("accumulator", FORMATS)
@pytest.mark.parametrize("order", ORDERS)
def test_the_accumulator_takes_terms_and_partial_sums(order: str, accumulator: str) -> None:
    if FORMATS[accumulator].extra:
        pytest.importorskip("ml_dtypes")
    inner = FORMATS[accumulator]
    for name in ("float16", "float32"):
        outer = FORMATS[name]
        x = terms_of(outer, (3, 41), seed=4)
        xp = Strict(outer, order, inner)
        wanted = []
        for row in round_to(x, inner).tolist():
            total = LOOPS[order](row, inner)
            wanted.append(float(round_to(np.array(total), outer)))
        assert same(xp.sum(xp.asarray(x), axis=-1).numbers, np.array(wanted))


def test_terms_are_rounded_to_the_accumulator_once() -> None:
    """ml_dtypes goes through float32, where 1 + 2**-8 + 2**-40 is a tie."""
    pytest.importorskip("ml_dtypes")
    xp = Strict(FORMATS["float64"], "sequential", FORMATS["bfloat16"])
    assert float(xp.sum(xp.asarray([1 + 2.0**-8 + 2.0**-40]))) == 1 + 2.0**-7


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_all_pairs_of_small_formats_are_added_right(name: str) -> None:
    """In their dtype itself, on which the sums rest."""
    pytest.importorskip("ml_dtypes")
    fmt = FORMATS[name]
    numbers = every(fmt)
    a, b = (v.ravel() for v in np.meshgrid(numbers, numbers))
    wanted = np.array([step("add", *pair, fmt) for pair in zip(a.tolist(), b.tolist(), strict=True)])
    xp = Strict(fmt)
    assert same(xp.sum(xp.asarray(np.stack([a, b], axis=-1)), axis=-1).numbers, wanted)
    assert same(xp.sum(xp.asarray(np.stack([a, b])[:, :16]), axis=0).numbers, wanted[:16])


def test_pairs_of_other_formats_are_added_right(fmt: Format) -> None:
    """Random codes: every exponent beside every other."""
    rng = np.random.default_rng(8)
    size = fmt.dtype.itemsize
    with np.errstate(all="ignore"):
        pairs = rng.integers(0, 2 ** (8 * size), (3000, 2), dtype=f"u{size}").view(fmt.dtype).astype(np.float64)
        near = pairs[:, 0] * (1 + rng.integers(-2, 3, 3000) * fmt.unit_roundoff)
    pairs = np.concatenate([pairs, np.stack([pairs[:, 0], round_to(-near, fmt)], axis=-1)])
    pairs = np.where(np.isinf(pairs) & (not fmt.has_infinity), np.nan, pairs)
    wanted = np.array([step("add", *pair, fmt) for pair in pairs.tolist()])
    xp = Strict(fmt)
    assert same(xp.sum(xp.asarray(pairs), axis=-1).numbers, wanted)
    one_by_one = [xp.sum(xp.asarray(pair), axis=-1).numbers for pair in pairs[:200]]
    assert same(np.array(one_by_one), wanted[:200])


STALLS = {"float8_e4m3fn": 16, "float8_e5m2": 8, "bfloat16": 256, "float16": 2048}


@pytest.mark.parametrize("name", STALLS)
def test_ones_stall_where_they_are_said_to(name: str) -> None:
    if FORMATS[name].extra:
        pytest.importorskip("ml_dtypes")
    fmt = FORMATS[name]
    n = 4 * STALLS[name]
    for order, accumulator, total in (
        ("sequential", None, STALLS[name]),
        ("pairwise", None, n),
        ("kahan", None, n),
        ("sequential", FORMATS["float32"], n),
    ):
        xp = Strict(fmt, order, accumulator)
        assert float(xp.sum(xp.asarray(np.ones(n)))) == total


@pytest.mark.parametrize("order", ORDERS)
def test_axes_emptiness_and_infinities(order: str) -> None:
    xp = Strict(FORMATS["float16"], order)
    x = xp.asarray(np.arange(6.0).reshape(2, 3))
    assert xp.sum(x).numbers == 15
    assert xp.sum(x, keepdims=True).shape == (1, 1)
    assert xp.sum(x, axis=0).numbers.tolist() == [3, 5, 7]
    assert xp.sum(x, axis=-1, keepdims=True).numbers.tolist() == [[3], [12]]
    assert xp.sum(xp.asarray(np.zeros((2, 0))), axis=-1).numbers.tolist() == [0, 0]
    over = xp.asarray([[65504.0, 65504.0, 1.0], [math.inf, 1.0, 1.0], [math.inf, -math.inf, 1.0]])
    found = xp.sum(over, axis=-1).numbers.tolist()
    assert found[0] == (math.inf if order != "kahan" else pytest.approx(math.nan, nan_ok=True))
    assert math.isnan(found[2])


def test_rows_of_65536_are_quick() -> None:
    """Each order in well under a second; kahan takes the longest, four array operations a term."""
    for order in ORDERS:
        xp = Strict(FORMATS["float16"], order, FORMATS["float32"])
        assert float(xp.sum(xp.asarray(np.full(60_000, 1.0)))) == 60_000


def test_unknown_orders() -> None:
    with pytest.raises(InputError, match="unknown order of sums 'backwards'; known: sequential, pairwise, kahan"):
        Strict(FORMATS["float16"], "backwards")


def test_the_twin_rounds_as_the_formats_do(fmt: Format) -> None:
    """So that the loops rest on something that is tested elsewhere."""
    from fractions import Fraction

    x = np.random.default_rng(2).normal(size=500) * 2.0 ** np.random.default_rng(3).integers(-30, 12, 500)
    rounded = round_to(x, fmt)
    wanted = np.where(np.isinf(rounded) & (not fmt.has_infinity), np.nan, rounded)
    assert same(np.array([nearest(Fraction(v), fmt) for v in x.tolist()]), wanted)
