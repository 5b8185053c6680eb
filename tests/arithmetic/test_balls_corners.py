"""What balls do at the ends of their range: every case here once made, or would make, an untrue ball.

Expectations are worked out by hand or in Fractions; tests/arithmetic/test_balls.py has the judge of everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from overflowscope.arithmetic import constant
from overflowscope.arithmetic.ball_array import (
    FIELDS,
    TINY,
    BallArray,
    add,
    multiply,
    plain,
    reciprocal,
    scaled,
    where,
)
from overflowscope.arithmetic.ball_functions import exp, exp2, log, log1p
from overflowscope.arithmetic.ball_sums import total
from overflowscope.arithmetic.balls import NARROW_ROWS, Balls
from overflowscope.arithmetic.intervals import Indeterminate

T = 2.0
INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """As rungs.by_balls has it."""
    with np.errstate(all="ignore"):
        yield


def ball(
    hi: Any, lo: Any = None, radius: Any = None, exponent: Any = None, side: Any = None, words: int = 2
) -> BallArray:
    kinds = (np.float64, np.float64, np.float64, np.int64, np.int8)
    given = zip((hi, lo, radius, exponent, side), kinds, strict=True)
    return BallArray(*[None if v is None else np.atleast_1d(np.array(v, kind)) for v, kind in given], words=words)


def field(x: BallArray, name: str, i: int = 0) -> Any:
    values = getattr(x, name)
    return 0 if values is None else values.ravel()[i].item()


def given_up(x: BallArray, i: int = 0) -> bool:
    return not field(x, "radius", i) < INF or math.isnan(field(x, "hi", i))


def ends(x: BallArray, i: int = 0) -> tuple[Fraction, Fraction]:
    hi, lo, radius = (Fraction(field(x, n, i)) for n in ("hi", "lo", "radius"))
    unit = Fraction(2) ** field(x, "exponent", i)
    return (hi + lo - radius) * unit, (hi + lo + radius) * unit


def holds(x: BallArray, *numbers: Fraction | float, i: int = 0) -> bool:
    low, high = ends(x, i)
    middle = (low + high) / 2
    return all(
        low <= n <= high and (n - middle) * field(x, "side", i) >= (field(x, "side", i) != 0) * 0
        for n in map(Fraction, numbers)
    )


def power(n: int) -> Fraction:
    return Fraction(2) ** n


# Multiplication


def test_one_and_a_little_is_not_one() -> None:
    """1 times b keeps all that is known of b; 1 + 2**-60 is not 1, though its high part is."""
    assert holds(multiply(ball(1.0, T**-60), ball(2.0)), 2 * (1 + power(-60)))
    assert holds(multiply(ball(2.0), ball(1.0, T**-60)), 2 * (1 + power(-60)))


@pytest.mark.parametrize("words", [1, 2])
def test_one_times_a_ball_keeps_its_side_beside_a_power_of_two(words: int) -> None:
    found = multiply(ball([1.0, 3.0], words=words), ball([0.5, 0.5], None, [T**-90] * 2, None, [1, 1], words=words))
    assert (field(found, "radius"), field(found, "side")) == (T**-90, 1)
    assert field(found, "side", 1) == 0


@pytest.mark.parametrize("words", [1, 2])
def test_a_zero_of_some_width_times_a_small_number_has_some_width(words: int) -> None:
    found = multiply(ball(0.0, None, T**-700, words=words), ball(T**-500, words=words))
    assert holds(found, power(-1200), -power(-1200), 0)


@pytest.mark.parametrize("words", [1, 2])
def test_exact_zeros_times_anything_known_are_exact(words: int) -> None:
    found = multiply(ball([0.0, 0.0], words=words), ball([T**-900, 3.0], None, [T**-950, 1.0], words=words))
    assert ends(found) == ends(found, 1) == (0, 0)


@pytest.mark.parametrize("words", [1, 2])
def test_subnormal_second_factors_keep_their_errors(words: int) -> None:
    a, b = (1.1 * T**200, 1.3 * T**146), 77 * T**-1060
    found = multiply(ball(*a, words=words), ball(b, words=words))
    assert holds(found, (Fraction(a[0]) + Fraction(a[1])) * Fraction(b))
    assert not given_up(found)
    wide = multiply(ball(*a, None, words=words), ball(T**-1000, None, T**-1074, words=words))
    assert holds(wide, *((Fraction(a[0]) + Fraction(a[1])) * (power(-1000) + s * power(-1074)) for s in (-1, 0, 1)))


@pytest.mark.parametrize("words", [1, 2])
def test_products_that_vanish_are_not_zero(words: int) -> None:
    found = multiply(ball(T**-600 * 1.5, words=words), ball(-(T**-600), words=words))
    assert holds(found, Fraction(-1.5) * power(-1200))


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("x", [T**600, -(T**600), 1.9 * T**511])
def test_products_and_sums_that_overflow_are_given_up(x: float, words: int) -> None:
    """They are no masks: an infinite midpoint is an exact infinity."""
    product = multiply(ball(x, words=words), ball(abs(x) * T**2, words=words))
    for found in (product, add(product, ball(1.0, words=words)), add(ball(1.0, words=words), product)):
        assert given_up(found)
    assert given_up(exp(product))
    twice = ball(math.copysign(T**1023, x), words=words)
    assert given_up(add(twice, twice))
    assert given_up(add(add(twice, twice), ball(1.0, words=words)))
    assert given_up(add(ball(T**1023, None, 1.0, words=words), ball(T**1023, words=words)))


@pytest.mark.parametrize("words", [1, 2])
def test_infinities_stay_exact_beside_what_is_known_and_have_no_side(words: int) -> None:
    mask = ball([-INF, -INF, -INF, INF, -INF], words=words)
    other = ball([1.0, 0.0, 3.0, 1e300, INF], None, [T**-60, 1.0, INF, 1.0, 0.0], words=words)
    low = ball(other.hi, np.where(np.isfinite(other.hi), other.hi * T**-60, 0), other.radius, words=words)
    for found in (add(mask, other), add(other, mask), add(mask, low), add(low, mask)):
        for i, exact in ((0, -INF), (1, -INF), (3, INF)):
            assert [field(found, n, i) for n in ("hi", "lo", "radius", "side")] == [exact, 0, 0, 0]
        assert given_up(found, 2)
        assert given_up(found, 4)


def test_a_mask_stays_one_beside_an_exponent() -> None:
    for exponent in (-3000, 3000, -500):
        found = add(ball([-INF, 2.0]), ball([1.0, 1.0], None, [T**-60] * 2, [exponent, -3000]))
        assert (field(found, "hi"), field(found, "radius")) == (-INF, 0)
    assert (field(found, "hi", 1) * T ** field(found, "exponent", 1), field(found, "side", 1)) == (2.0, 1)


# Division


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("size", [600, 800, 899])
def test_reciprocals_of_large_balls_have_a_width(size: int, words: int) -> None:
    b, r = power(size), power(size - 100)
    assert holds(reciprocal(ball(T**size, None, T ** (size - 100), words=words)), 1 / (b - r), 1 / b, 1 / (b + r))


@pytest.mark.parametrize("size", [-600, -899])
def test_reciprocals_of_small_numbers_are_known(size: int) -> None:
    found = reciprocal(ball([T**size, T**size], None, [0.0, T ** (size - 60)]))
    assert ends(found) == (power(-size), power(-size))
    assert holds(found, 1 / (power(size) + power(size - 60)), i=1)
    assert not given_up(found, 1)


def test_reciprocals_turn_the_side() -> None:
    found = reciprocal(ball([4.0, -4.0, 3.0], None, [T**-90] * 3, None, [1, 1, 1]))
    assert [field(found, "side", i) for i in range(3)] == [-1, -1, 0]


def test_what_may_be_zero_has_no_reciprocal() -> None:
    found = reciprocal(ball([0.0, 1.0, 0.0, T**-950, T**950, INF, NAN], None, [0.0, 1.0, 1.0, 0, 0, 0, 0]))
    assert all(given_up(found, i) for i in range(7))


# Scaling


@pytest.mark.parametrize(
    ("hi", "lo", "radius", "exponent"),
    [
        (T**-500, 0.0, 0.0, -700),
        (1.0, T**-900, 0.0, -300),
        (1.0, 0.0, T**-900, -300),
        (1.5 * T**1023, 0.0, 0.0, -2023),
        (1.5 * T**1023, 0.0, T**900, -1100),
        (77 * T**-1074, 0.0, 0.0, -3),
        (0.0, 0.0, 1.0, -1100),
        (3.0, 0.0, 1.0, -(2**40)),
        (-1.25, 0.0, 0.0, 900),
    ],
)
def test_scaling_loses_nothing_silently(hi: float, lo: float, radius: float, exponent: int) -> None:
    x = ball(hi, lo, radius, exponent)
    middle, width = Fraction(hi) + Fraction(lo), Fraction(radius)
    unit = power(max(exponent, -10000))
    found = plain(x)
    assert holds(found, *((middle + s * width) * unit for s in (-1, 0, 1)))
    for other in (1.0, -1.0):
        assert holds(add(x, ball(other)), *((middle + s * width) * unit + Fraction(other) for s in (-1, 0, 1)))
    row = ball([hi, 1.0], [lo, 0.0], [radius, 0.0], [exponent, 0])
    assert holds(total(row), *((middle + s * width) * unit + 1 for s in (-1, 0, 1)))


def test_scaling_can_lose_nearly_what_it_says() -> None:
    """So that a sixteenth of TINY would not do."""
    _, _, radius, moved = scaled(ball(np.finfo(float).max), np.array([-2023]))
    assert moved[0] == radius[0] == TINY
    assert TINY / 16 < Fraction(np.finfo(float).max) * power(-2023) < TINY


def test_what_is_not_scaled_down_is_not_moved() -> None:
    for exponent in (0, 3):
        found = plain(ball(77 * T**-1074, None, 0.0, exponent))
        assert ends(found) == (77 * power(exponent - 1074),) * 2


def test_zero_added_to_a_number_leaves_it_as_it_is() -> None:
    x = ball([1.0, 1.0, -INF], [T**-60, T**-60, 0.0])
    found = add(x, ball([0.0] * 3, None, [0.0, T**-100, 0.0]))
    assert [field(found, "radius", i) for i in range(3)] == pytest.approx([0.0, T**-100, 0.0])
    assert ends(found) == (1 + power(-60),) * 2
    assert not np.any(found.side)


@pytest.mark.parametrize("exponent", [1001, 5000, 2**40])
def test_what_cannot_be_scaled_up_is_given_up(exponent: int) -> None:
    for hi, radius in ((1.0, 0.0), (0.0, 1.0)):
        assert given_up(plain(ball(hi, None, radius, exponent)))
    assert given_up(plain(ball(T**400, None, 0.0, 700)))
    assert given_up(total(ball([[0.0, 1.0]], None, [[1.0, 0.0]], [[exponent, 0]])))
    assert given_up(total(ball([[T**-1010, 0.0]], None, None, [[0, 0]])))
    assert given_up(add(ball(0.0, None, 1.0, exponent), ball(1.0)))


# Sides


def test_the_sum_lies_on_the_side_of_what_is_far_below_it() -> None:
    for sign in (1, -1):
        found = add(ball([5.0, -5.0, 5.0]), ball([sign * 1.0] * 3, None, [T**-20, T**-20, 1.0], [-4000] * 3))
        assert [field(found, "side", i) for i in range(3)] == [sign, sign, 0]
        assert np.all(found.radius > 0)
        # What is added to that is exact, or of the same side, or takes it away.
        assert field(add(found, ball([1.0] * 3)), "side") == sign
        assert field(add(found, found), "side") == sign
        assert field(add(found, -found), "side") == 0
        assert field(add(found, ball([1.0] * 3, None, [T**-80] * 3)), "side") == 0
        assert field(-found, "side") == -sign


def test_a_side_is_gone_where_scaling_moved_the_midpoint() -> None:
    """Just above 1, less 2**-1100: above or below 1, which is all that a double can say."""
    found = add(ball(1.0, None, T**-60, None, 1), ball(-1.0, None, None, -1100))
    assert field(found, "side") == 0
    # 2**31 - 2**-1060 and a little: below 2**31, whichever way the little points.
    exact = ball(T**31, -(T**-1060))
    assert field(add(exact, ball(1.0, None, T**-20, -(2**31))), "side") == 0


def test_a_side_goes_where_bits_are_lost() -> None:
    x = ball(1.0, T**-60, T**-140, None, 1)
    assert field(add(x, ball(T**-3 * 1.1, 1.7 * T**-58)), "side") == 0
    assert field(multiply(x, ball(3.0)), "side") == 0
    assert field(reciprocal(ball(3.0, None, T**-60, None, 1)), "side") == 0


# Functions


@pytest.mark.parametrize("words", [1, 2])
def test_exp_of_what_is_beyond(words: int) -> None:
    most = {1: 22, 2: 32}[words]
    x = [-INF, -(T**40), -(T**40), -(T**40), T**40, INF, NAN, -INF, -(T**most), T**most, 0.0, 0.0]
    r = [0.0, 0.0, T**41, 1.0, 0.0, 0.0, 0.0, INF, 0.0, 0.0, 0.0, T**-60]
    found = exp(ball(x, None, r, words=words))
    assert [field(found, n) for n in ("hi", "radius")] == [0, 0]
    for i in (1, 3):
        low, high = 0, field(found, "hi", i) + field(found, "radius", i)
        assert field(found, "hi", i) - field(found, "radius", i) == low < high == 2
        assert field(found, "exponent", i) == -(2**most)
    assert [given_up(found, i) for i in (2, 4, 5, 6, 7)] == [True] * 5
    assert not given_up(found, 8)
    assert not given_up(found, 9)
    assert ends(found, 10) == (1, 1)
    assert field(found, "radius", 11) > T**-60


@pytest.mark.parametrize("words", [1, 2])
def test_exp2_is_exact_at_integers(words: int) -> None:
    for x in (
        ball([0.0, 1.0, -25.0, -1100.0, 2.0**30, 0.5], words=words),
        ball([3.0, 0.5], None, [0.0, 0.0], words=words),
    ):
        found = exp2(x)
        for i, value in enumerate(x.hi.tolist()):
            if value == int(value):
                assert (field(found, "hi", i), field(found, "lo", i), field(found, "radius", i)) == (1, 0, 0)
                assert field(found, "exponent", i) == value
            else:
                assert field(found, "radius", i) > 0
    assert field(exp2(ball(3.0, None, T**-70, words=words)), "radius") > T**-69
    assert field(exp2(ball(3.0, T**-70, words=words)), "radius") > 0


def test_log_of_numbers_whose_scale_is_no_double() -> None:
    """Below 2**-1000 a power of two scales them otherwise than is thought; at 2**1023 to 0."""
    for x in (T**-1001, T**-1010, T**-1022, T**-1030, T**1023):
        assert given_up(log(ball(x)))
    for x in (T**-1000, T**1022):
        found = log(ball(x))
        assert field(found, "hi") == pytest.approx(math.log(x), rel=1e-15)
        assert field(found, "radius") < 1e-20


def test_log_where_there_is_none_or_it_is_exact() -> None:
    found = log(ball([0.0, 1.0, -1.0, 0.0, 1.0, INF, NAN, 1e-3, 0.5], None, [0, 0, 0, 1e-3, 1.0, 0, 0, 1e-3, 0]))
    assert [field(found, n) for n in ("hi", "radius")] == [-INF, 0]
    assert ends(found, 1) == (0, 0)
    assert [given_up(found, i) for i in (2, 3, 4, 5, 6, 7)] == [True] * 6
    # 1 stands for 2 where its exponent is 1; 1 with a low part is not 1.
    for other in (ball(1.0, None, None, 1), ball(1.0, T**-60), ball(1.0, None, T**-60)):
        assert field(log(other), "radius") > 0


def test_log1p_of_balls_about_zero() -> None:
    found = log1p(ball([0.0, 0.0, 0.0, -1.0, 0.0], None, [0.0, T**-12, 0.5, 0.0, T**-200]))
    assert ends(found) == (0, 0)
    for sign in (1, -1):
        assert holds(found, Fraction(math.log1p(sign * T**-12)), i=1)
        assert holds(found, sign * (power(-200) - power(-401)), i=4)
    assert given_up(found, 2)
    assert (field(found, "hi", 3), field(found, "radius", 3)) == (-INF, 0)


# Maxima


def test_maxima_with_what_is_not_known() -> None:
    xp = Balls()
    unknown = ball([NAN, 3.0, INF], None, [0.0, INF, INF])
    for a, b in ((unknown, ball([1.0] * 3)), (ball([1.0] * 3), unknown), (-unknown, ball([-9.0] * 3))):
        found = xp.maximum(a, b)
        assert [given_up(found, i) for i in range(3)] == [True] * 3
    assert given_up(xp.maximum(ball(NAN), ball(1.0)))
    assert given_up(xp.max(ball([[0.5, NAN, 1.0]], None, [[0.0, 0.0, 1e-9]]), axis=-1))


def test_maxima_with_masks_are_exact_numbers_or_masks() -> None:
    xp = Balls()
    found = xp.maximum(ball([-INF, -INF, INF], None, [0.0] * 3), ball([-INF, 2.0, 3.0], None, [0.0, 0.5, 0.5]))
    assert [(field(found, "hi", i), field(found, "radius", i)) for i in range(3)] == [(-INF, 0), (2, 0.5), (INF, 0)]


def test_maxima_and_sums_go_along_the_last_axis() -> None:
    xp = Balls()
    x = ball([[1.0, 5.0], [3.0, 4.0]], None, [[0.1, 0.1], [0.1, 0.2]])
    assert xp.max(x, axis=-1).hi.tolist() == xp.max(x, axis=1).hi.tolist() == [5, 4]
    assert xp.max(x, axis=1, keepdims=True).shape == xp.sum(x, axis=-1, keepdims=True).shape == (2, 1)
    assert xp.sum(x, axis=1).hi.tolist() == [6, 7]
    for reduce in (xp.max, xp.sum):
        with pytest.raises(Indeterminate):
            reduce(x, axis=0)
    with pytest.raises(Indeterminate):
        xp.argmax(x, axis=-1)
    assert xp.argmax(ball([[1.0, 5.0, 5.0]]), axis=-1).tolist() == [1]


# Constants


def test_constants_are_the_nearest_pair_and_what_is_missing() -> None:
    x = ball(1.0)
    for value in ("0", "1", "0.5", "-3", "1/3", "1e-12", "-0.1", "1e-300", "1e-310", "1e-330", "1e300", str(2**60 + 1)):
        c = constant(x, value)
        assert c.shape == ()
        low, high = ends(c)
        exact = Fraction(value)
        assert low <= exact <= high
        assert (low == high) == (Fraction(field(c, "hi")) + Fraction(field(c, "lo")) == exact)
        assert high - low <= abs(exact) * power(-105) + power(-1073)


# Shapes: all fields have that of the midpoints, whatever went in


def shapes_agree(x: BallArray) -> bool:
    return all(getattr(x, n) is None or getattr(x, n).shape == x.hi.shape for n in FIELDS)


def rows_of(shape: tuple[int, ...], words: int, kind: int) -> BallArray:
    rng = np.random.default_rng(kind)
    hi = rng.uniform(0.5, 2, shape)
    lo = hi * T**-60 if kind & 1 else None
    radius = hi * T**-90 if kind & 2 else None
    exponent = rng.integers(-3, 3, shape) if kind & 4 else None
    side = np.ones(shape, np.int8) if kind & 8 else None
    return BallArray(hi, lo, radius, exponent, side, words)


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("kinds", [(a, b) for a in (0, 1, 2, 3, 4, 7, 10, 15) for b in (0, 3, 4, 10, 15)])
def test_fields_have_the_shape_of_the_midpoints(kinds: tuple[int, int], words: int) -> None:
    xp = Balls(words)
    for a_shape, b_shape in (((2, 3), (2, 1)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((2, 3), ()), ((3,), ()), ((), ())):
        a, b = rows_of(a_shape, words, kinds[0]), rows_of(b_shape, words, kinds[1])
        for one, other in ((a, b), (b, a)):
            for function in (add, multiply, xp.maximum):
                found = function(one, other)
                assert found.shape == np.broadcast_shapes(a_shape, b_shape)
                assert found.words == words
                assert shapes_agree(found)
            chosen = xp.where(np.array([True, False, True]), one, other)
            assert shapes_agree(chosen)
            assert chosen.shape == np.broadcast_shapes(a_shape, b_shape, (3,))
        for function in (reciprocal, exp, exp2, log, log1p):
            found = function(a)
            assert found.shape == a_shape
            assert found.words == words
            assert shapes_agree(found)
        if a_shape:
            for reduced in (total(a), xp.max(a, axis=-1, keepdims=True)):
                assert reduced.shape == (*a_shape[:-1], 1)
                assert shapes_agree(reduced)


def test_where_and_taking_rearrange_every_field() -> None:
    a, b = rows_of((2, 3), 2, 15), rows_of((2, 3), 2, 14)
    condition = np.array([[True, False, True], [False, True, False]])
    found = where(condition, a, b)
    taken = Balls().take_along_axis(a, np.array([[2], [0]]), axis=-1)
    for n in FIELDS:
        one, other = (getattr(v, n) if getattr(v, n) is not None else np.zeros((2, 3)) for v in (a, b))
        np.testing.assert_array_equal(getattr(found, n), np.where(condition, one, other))
        np.testing.assert_array_equal(getattr(taken, n), [[one[0, 2]], [one[1, 0]]])
    nothing = where(condition, a, None)
    assert np.all(nothing.hi == np.where(condition, a.hi, 0))
    assert np.all(nothing.radius == np.where(condition, a.radius, 0))
    assert nothing.side.dtype == np.int8
    assert nothing.exponent.dtype == np.int64


# Stretches and layouts: the same bits whichever way the array is walked through


def same(a: BallArray, b: BallArray) -> None:
    for n in FIELDS:
        one, other = (np.zeros(v.shape) if getattr(v, n) is None else getattr(v, n) for v in (a, b))
        np.testing.assert_array_equal(one, other, n)


def join(pieces: list[BallArray]) -> BallArray:
    """Side by side, along the last axis."""

    def field(name: str) -> Any:
        parts = [getattr(p, name) for p in pieces]
        filled = [np.zeros(p.shape) if v is None else v for p, v in zip(pieces, parts, strict=True)]
        return (
            None if all(v is None for v in parts) else np.concatenate(filled, axis=-1).astype(DTYPES.get(name, float))
        )

    return BallArray(*(field(n) for n in FIELDS), words=pieces[0].words)


DTYPES = {"exponent": np.int64, "side": np.int8}


@pytest.mark.parametrize("columns", [4095, 4096, 4097, 20000])
def test_long_rows_are_the_same_as_short_ones(columns: int) -> None:
    x, y = rows_of((2, columns), 2, 15), rows_of((2, 1), 2, 6)
    # Only one of the stretches has low parts, exponents and so on.
    x.hi[:, 0] = 700.0
    assert x.lo is not None
    x.lo[:, 0] = 0.0
    for function in (add, multiply):
        whole = function(x, y)
        same(whole, join([function(x[:, j : j + 999], y) for j in range(0, columns, 999)]))
        assert whole.shape == (2, columns)
    whole, pieces = exp(x), [exp(x[:, j : j + 999]) for j in range(0, columns, 999)]
    for n in ("hi", "lo", "radius"):
        one, other = (
            np.ldexp(getattr(v, n), v.exponent) for v in (plain_exponent(whole), plain_exponent(join(pieces)))
        )
        np.testing.assert_array_equal(one, other)
    same(multiply(x[0], y[0]), multiply(x, y)[0])


def plain_exponent(x: BallArray) -> BallArray:
    return x if x.exponent is not None else BallArray(x.hi, x.lo, x.radius, np.zeros(x.shape, np.int64), None, x.words)


@pytest.mark.parametrize("words", [1, 2])
def test_columns_first_or_rows_first(words: int) -> None:
    x = rows_of((3000, 7), words, 15)
    turned = x.each(np.asfortranarray)
    for function in (exp, log, log1p, reciprocal, total, lambda v: add(v, v), lambda v: multiply(v, v)):
        same(function(x), function(turned))
    xp = Balls(words)
    assert xp.asarray(np.zeros((3, NARROW_ROWS))).hi.flags.f_contiguous
    assert not xp.asarray(np.zeros((3, NARROW_ROWS + 1))).hi.flags.f_contiguous


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000, 16384, 16385, 131072])
def test_sums_of_integers_are_exact_and_of_others_enclosed(n: int, words: int) -> None:
    rng = np.random.default_rng(n)
    whole = rng.integers(-1000, 1000, (2, n)).astype(np.float64)
    found = total(BallArray(whole, words=words))
    assert found.hi[:, 0].tolist() == whole.sum(-1).tolist()
    assert not np.any(found.radius)
    x = rng.uniform(0, 1, (2, n))
    before = x.copy()
    found = total(BallArray(x, words=words))
    assert np.array_equal(x, before)
    for i in range(2):
        assert holds(found, sum(map(Fraction, x[i].tolist()), Fraction(0)), i=i)


@pytest.mark.parametrize("words", [1, 2])
def test_widths_far_beyond_their_midpoints_are_summed(words: int) -> None:
    """As wide as they are: what is scaled by less than 2**-1022 may be wider than a double of 1 is."""
    for width in (T**500, T**1000):
        for radius in (0.0, T**-800):
            low, high = ends(total(ball([[1.0, 0.0]], None, [[radius, width]], [[0, -1100]], words=words)))
            assert low <= 1 - Fraction(width) * power(-1100)
            assert high >= 1 + Fraction(width) * power(-1100)


def test_what_is_far_below_an_exact_sum_gives_it_a_side() -> None:
    """Two equal logits and a third one far below: 1 + 1 + 2**-1276, which only a side tells from 2."""
    x = ball(
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.5]], None, [[0, 0, T**-30], [0, T**-60, T**-30]], [[0, 0, -4000], [0, 0, -4000]]
    )
    found = total(x)
    assert field(found, "hi") * T ** field(found, "exponent") == 2
    assert (field(found, "side"), field(found, "lo")) == (1, 0)
    assert 0 < field(found, "radius") < T**-900
    assert field(found, "side", 1) == 0
    assert field(found, "radius", 1) >= T**-61
    # One row alone, without axes of rows.
    assert field(total(x[0]), "side") == 1


def test_operands_are_left_as_they_were() -> None:
    x = rows_of((5, 9), 2, 15)
    before = {n: getattr(x, n).copy() for n in FIELDS}
    xp = Balls()
    for function in (exp, exp2, log, log1p, reciprocal, total, lambda v: add(v, v), lambda v: xp.max(v, axis=-1)):
        function(x)
    for n in FIELDS:
        np.testing.assert_array_equal(getattr(x, n), before[n])
