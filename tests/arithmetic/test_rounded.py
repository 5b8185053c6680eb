"""Elementary functions are correctly rounded: against MPFR, which is."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from overflowscope.arithmetic import NAMED, ball_rounding, constant, rounded
from overflowscope.arithmetic.rounded import LIMITS, correctly_rounded
from overflowscope.formats import FORMATS, Floats, Format, round_to

INF, NAN = math.inf, math.nan
each_function = pytest.mark.parametrize("name", LIMITS)


def available(name: str) -> Format:
    if FORMATS[name].extra:
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


def by_mpfr(name: str, values: Floats, fmt: Format) -> Floats:
    """MPFR at the format's own precision and exponent range, subnormal numbers included."""
    gmpy2 = pytest.importorskip("gmpy2")
    p = fmt.precision
    context: Any = gmpy2.context(
        precision=p, emin=fmt.emin - p + 2, emax=fmt.emax + 1, subnormalize=True, round=gmpy2.RoundToNearest
    )
    with gmpy2.context(context):
        found = np.array([float(getattr(gmpy2, name)(gmpy2.mpfr(x))) for x in values.tolist()])
    return np.where(np.abs(found) > fmt.largest, np.copysign(INF, found), found)


def codes(fmt: Format) -> Floats:
    size = fmt.dtype.itemsize
    with np.errstate(all="ignore"):
        return np.arange(2 ** (8 * size)).astype(f"u{size}").view(fmt.dtype).astype(np.float64)


@each_function
@pytest.mark.parametrize("name_of_format", ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_every_number_of_the_small_formats(name: str, name_of_format: str) -> None:
    fmt = available(name_of_format)
    x = codes(fmt)
    found = correctly_rounded(name, x, fmt)
    np.testing.assert_array_equal(found, by_mpfr(name, x, fmt))
    zero = x == 0
    if name in ("expm1", "log1p"):
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(x[zero]))


def numbers_of(name: str, fmt: Format, count: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    sizes = 2.0 ** rng.uniform(fmt.emin - fmt.precision, min(fmt.emax, 400), count)
    moderate = rng.normal(size=count) * 2.0 ** rng.uniform(-30, 8, count)
    near = 1 + rng.normal(size=count) * 2.0 ** rng.uniform(-fmt.precision, 0, count)
    ties = 2.0 ** -np.arange(1, 60)
    u = fmt.unit_roundoff
    special = [INF, -INF, NAN, 0.0, -0.0, 1.0, -1.0, fmt.largest, fmt.smallest, 1 + 2 * u, 1 - u, u - 1]
    edges = [fmt.log_largest, fmt.log_vanishing, math.log2(fmt.smallest) - 1, float(fmt.emax + 1)]
    edges += [e * (1 + i * u) for e in edges for i in (-2, -1, 1, 2)]
    x = np.concatenate([sizes, -sizes, moderate, near, ties, -ties, special, edges, -np.arange(40.0), np.arange(40.0)])
    return round_to(np.abs(x) if name == "log" else x, fmt)


@each_function
@pytest.mark.parametrize(("name_of_format", "count"), [("float32", 8000), ("float64", 1500)])
def test_numbers_of_the_large_formats(name: str, name_of_format: str, count: int) -> None:
    fmt = FORMATS[name_of_format]
    x = numbers_of(name, fmt, count, seed=5)
    found = correctly_rounded(name, x, fmt)
    np.testing.assert_array_equal(found, by_mpfr(name, x, fmt))
    if name in ("expm1", "log1p"):
        np.testing.assert_array_equal(np.signbit(found[x == 0]), np.signbit(x[x == 0]))
    assert correctly_rounded(name, x[:6].reshape(2, 3), fmt).shape == (2, 3)
    assert correctly_rounded(name, x[0], fmt).shape == ()
    assert correctly_rounded(name, x[:0], fmt).shape == (0,)


@pytest.mark.parametrize("name_of_format", ["float32", "float64"])
def test_almost_everything_is_decided_by_balls(name_of_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, fmt = [], FORMATS[name_of_format]

    def count(name: str, values: Floats, fmt: Format) -> Floats:
        asked.append(len(values))
        return np.zeros(values.shape)

    monkeypatch.setattr(rounded, "_by_intervals", count)
    x = np.random.default_rng(1).normal(size=20_000)
    x = round_to(np.concatenate([x, x * 1e-9, 1 + x * 1e-5]), fmt)
    for name in LIMITS:
        correctly_rounded(name, np.abs(x), fmt)
    assert sum(asked) < 10


@each_function
def test_what_balls_leave_goes_to_intervals(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(balls: Any, fmt: Format) -> Any:
        return ball_rounding.rounded(balls, fmt)._replace(decided=np.zeros(balls.shape, np.bool_))

    fmt = FORMATS["float32"]
    x = numbers_of(name, fmt, 60, seed=3)
    monkeypatch.setattr(rounded, "rounded", nothing)
    np.testing.assert_array_equal(correctly_rounded(name, x, fmt), by_mpfr(name, x, fmt))


def test_exp2_of_integers_is_exact_and_ties_go_to_even() -> None:
    f16 = FORMATS["float16"]
    x = np.arange(-30.0, 17.0)
    wanted = np.where(x < -24, 0.0, np.where(x > 15, INF, 2.0**x))  # 2**-25 is halfway between 0 and 2**-24
    np.testing.assert_array_equal(correctly_rounded("exp2", x, f16), wanted)
    x = np.array([-1074.0, -1075.0, 1023.0, 1024.0, 0.0])
    np.testing.assert_array_equal(correctly_rounded("exp2", x, FORMATS["float64"]), [5e-324, 0, 2.0**1023, INF, 1])


@pytest.mark.parametrize("name_of_format", FORMATS)
def test_named_constants_are_rounded_once(name_of_format: str) -> None:
    fmt = available(name_of_format)
    mp = mpmath.mp.clone()
    mp.prec = 400
    exact = {"ln2": mp.log(2), "log2e": 1 / mp.log(2)}
    assert exact.keys() == NAMED.keys()
    for name, truth in exact.items():
        assert abs(mp.mpf(NAMED[name]) - truth) < mp.mpf(10) ** -98
        with mp.workprec(fmt.precision):
            once = float(+truth)
        found = constant(np.zeros(1, fmt.dtype), name)
        assert found.dtype == fmt.dtype
        assert float(found) == once
