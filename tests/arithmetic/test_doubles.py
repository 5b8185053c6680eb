"""Error-free transformations are free of errors where they say so: against Fractions, over doubles of every kind."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from overflowscope.arithmetic.doubles import (
    add_pairs,
    binade,
    fast_two_sum,
    log,
    power_of_two,
    split,
    two_prod,
    two_sum,
)

many = settings(max_examples=500, deadline=None)


def doubles(low: int, high: int) -> st.SearchStrategy[float]:
    """0, and doubles of 1 to 53 bits with exponents from low to high: subnormal ones come of -1074."""
    whole = st.one_of(st.integers(0, 2**53 - 1), st.integers(0, 64), st.integers(0, 64).map(lambda k: 2**53 - 1 - k))
    bits = st.one_of(whole, st.integers(0, 52).map(lambda k: 2**k), st.integers(0, 52).map(lambda k: 2**52 + 2**k - 1))

    def made(man: int, exponent: int, sign: int) -> float:
        return sign * math.ldexp(man, max(exponent - man.bit_length() + 1, -1074)) if man else 0.0

    return st.builds(made, bits, st.integers(low, high), st.sampled_from([1, -1]))


def exactly(*parts: np.ndarray | float) -> Fraction:
    return sum((Fraction(float(p)) for p in parts), Fraction(0))


def d(*values: float) -> list[np.float64]:
    return [np.float64(v) for v in values]


@many
@given(a=doubles(-1074, 1021), b=doubles(-1074, 1021))
@example(a=2.0**1021, b=-(2.0**-1074))
@example(a=1.0, b=-(2.0**-54))
def test_two_sum(a: float, b: float) -> None:
    x, y = d(a, b)
    s, e = two_sum(x, y)
    assert s == a + b
    assert exactly(s, e) == exactly(a, b)


@many
@given(a=doubles(-1074, 1021), b=doubles(-1074, 1021))
@example(a=0.0, b=3.0)
def test_fast_two_sum(a: float, b: float) -> None:
    if abs(a) < abs(b) and a != 0:
        a, b = b, a
    x, y = d(a, b)
    s, e = fast_two_sum(x, y)
    assert s == a + b
    assert exactly(s, e) == exactly(a, b)


@many
@given(a=doubles(-1074, 995))
@example(a=math.ldexp(2**53 - 1, 943))
@example(a=1 + 2.0**-52)
def test_split(a: float) -> None:
    high, low = split(np.float64(a))
    assert exactly(high, low) == Fraction(a)
    for part in (high, low):
        man = Fraction(float(part)).numerator
        assert (man // (man & -man)).bit_length() <= 26 if man else True


@many
@given(a=doubles(-1074, 995), b=doubles(-1074, 995))
@example(a=1 + 2.0**-52, b=1 - 2.0**-53)
def test_two_prod(a: float, b: float) -> None:
    exact = Fraction(a) * Fraction(b)
    assume(exact == 0 or Fraction(2) ** -968 < abs(exact) < Fraction(2) ** 1021)
    x, y = d(a, b)
    p, e = two_prod(x, y)
    assert p == a * b
    assert exactly(p, e) == exact


@many
@given(a=doubles(-1074, 100), b=doubles(-1074, -600))
@example(a=2.0**-537, b=2.0**-537)
def test_two_prod_of_small_products_is_off_by_little(a: float, b: float) -> None:
    exact = Fraction(a) * Fraction(b)
    assume(abs(exact) <= Fraction(2) ** -968)
    with np.errstate(under="ignore"):
        x, y = d(a, b)
        p, e = two_prod(x, y)
    assert abs(exactly(p, e) - exact) <= 4 * Fraction(2) ** -1074


def pair(high: float, low: float) -> tuple[float, float]:
    s = high + low
    return s, low - (s - high)


@st.composite
def double_doubles(draw: st.DrawFn) -> tuple[float, float]:
    high = draw(doubles(-900, 900))
    return pair(high, draw(doubles(-60, -52)) * high if draw(st.booleans()) else draw(doubles(-1074, -950)) * high)


@many
@given(a=double_doubles(), b=double_doubles(), near=st.booleans(), sign=st.sampled_from([1, -1]))
def test_add_pairs(a: tuple[float, float], b: tuple[float, float], near: bool, sign: int) -> None:
    if near:
        # Something cancels: the high parts are alike and the low parts are not.
        b = pair(sign * a[0] * (1 + (b[0] % 2 > 1) * 2.0**-52), a[0] * 2.0**-55)
    exact = exactly(*a, *b)
    high, low = add_pairs(*d(*a), *d(*b))
    u = Fraction(1, 2**53)
    assert abs(exactly(high, low) - exact) <= abs(exact) * 3 * u**2 / (1 - 4 * u)
    assert high == float(exactly(high, low))


def test_powers_of_two() -> None:
    n = np.array([-(2**62), -1100, -1024, -1023, -1022, -1021, -1, 0, 1, 52, 999, 1000, 1001, 5000, 2**62])
    exact = [0.0 if k < -1022 else math.ldexp(1.0, min(k, 1000)) for k in n.tolist()]
    assert power_of_two(n).tolist() == exact
    assert power_of_two(np.array(3)) == 8


def test_binades() -> None:
    x = np.array([1.0, -1.0, 1.999, 2.0, -0.75, 2.0**-1022, 2.0**1023, 1.7976931348623157e308])
    assert binade(x).tolist() == [0, 0, 0, 1, -1, -1022, 1023, 1023]
    assert binade(np.array([0.0, -0.0, 5e-324, 2.0**-1023])).tolist() == [-1023] * 4
    assert binade(np.array([math.inf, -math.inf, math.nan])).tolist() == [1024] * 3


def test_log_is_good_to_a_few_units_everywhere() -> None:
    rng = np.random.default_rng(0)
    near = 1 + rng.integers(-4000, 4000, 2000) * 2.0**-52
    x = np.concatenate(
        [2.0 ** rng.uniform(-1022, 1023, 2000), near, rng.uniform(0.5, 2, 2000), [5e-324, 2.0**-1022, 1.0]]
    )
    mp = mpmath.mp.clone()
    mp.prec = 120
    for value, found in zip(x.tolist(), log(x).tolist(), strict=True):
        exact = mp.log(mp.mpf(value))
        assert abs(found - exact) <= abs(exact) * 6 * 2.0**-53, value


@pytest.mark.parametrize("function", [two_sum, two_prod, fast_two_sum])
def test_arrays_are_taken_elementwise(function: object) -> None:
    a, b = np.array([3.0, 1.0]), np.array([2.0**-60, 2.0**-55])
    high, low = function(a, b)  # type: ignore[operator]
    for i in range(2):
        one = function(a[i], b[i])  # type: ignore[operator]
        assert (high[i], low[i]) == one
