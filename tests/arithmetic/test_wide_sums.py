"""Sums of narrow formats in float32: against exact integers and fractions, rounded once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from overflowscope.arithmetic.wide_sums import WideSums
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Format, round_fraction, round_to

NARROW = [f for f in FORMATS.values() if f.precision < 24]
XP: Any = WideSums()


def array(values: Any, fmt: Format) -> Any:
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    values = np.asarray(values, float)
    assert (round_to(values, fmt) == values).all()
    return to_array(values, fmt)


@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.name)
def test_a_matmul_is_the_exact_one_rounded_once(fmt: Format) -> None:
    """Integers up to 7: every product and every sum of 784 of them is exact in float32."""
    draw = np.random.default_rng(0)
    a, b = (draw.integers(-7, 8, shape) for shape in ((5, 784), (784, 3)))
    got = XP.matmul(array(a, fmt), array(b, fmt))
    assert got.dtype == fmt.dtype
    truth = to_array(round_to((a @ b).astype(float), fmt), fmt)
    assert np.array_equal(got.astype(float), truth.astype(float), equal_nan=True)


@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.name)
def test_sums_and_means_do_not_stall(fmt: Format) -> None:
    """Of ones, which numerics calls the point where narrow accumulators stand still: 2048, 256, 8 and 16."""
    count = 2 ** (fmt.precision + 1) if fmt.precision > 8 else 448
    ones = array(np.ones((count, 2)), fmt)
    for axis, keepdims, shape in ((0, False, (2,)), (0, True, (1, 2)), (None, False, ())):
        total = XP.sum(ones, axis=axis, keepdims=keepdims)
        assert (total.dtype, total.shape) == (fmt.dtype, shape)
        exact = count * (2 if axis is None else 1)
        rounded = round_fraction(Fraction(exact), fmt)
        assert (total.astype(float) == rounded).all() or (np.isnan(total).all() and not fmt.has_infinity)
        assert (XP.mean(ones, axis=axis, keepdims=keepdims).astype(float) == 1).all()


def test_numpys_own_sums_do_stall() -> None:
    """So that the test above compares with something."""
    assert float(np.sum(np.ones((4096, 2), np.float16), axis=0)[0]) == 2048


def test_what_passes_the_largest_number_is_an_infinity() -> None:
    x = np.full((1, 2), 40000.0, np.float16)
    with np.errstate(over="ignore"):
        assert np.isposinf(XP.sum(x, axis=-1)).all()
        assert np.isposinf(XP.matmul(x, np.ones((2, 1), np.float16))).all()
        # 65,519 rounds to the largest number, 65,520 to infinity.
        assert float(XP.sum(np.array([65504, 15], np.float16))) == 65504
        assert np.isposinf(XP.sum(np.array([65504, 16], np.float16)))
    assert float(XP.mean(x)) == 40000


@pytest.mark.parametrize("name", FORMATS)
def test_products_and_differences_have_numpys_bits(name: str) -> None:
    """Of random codes, of all sizes: subnormal, huge, inf and nan, against the exact result rounded once."""
    fmt = FORMATS[name]
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 256, (2, 200_000, fmt.dtype.itemsize), dtype=np.uint8).view(fmt.dtype)[..., 0]
    # Near one another, so that differences cancel.
    with np.errstate(all="ignore"):
        b[::4] = a[::4] * fmt.dtype.type(0.75)
    with np.errstate(all="ignore"):
        for got, own in ((XP.multiply(a, b), a * b), (XP.subtract(a, b), a - b)):
            assert got.dtype == own.dtype == fmt.dtype
            number, code = ~np.isnan(own), f"u{own.itemsize}"
            assert np.array_equal(got.view(code)[number], own.view(code)[number])
            assert np.isnan(got[~number]).all()
        if fmt.precision == 11:
            wide = a.astype(float), b.astype(float)
            assert np.array_equal(XP.multiply(a, b), round_to(wide[0] * wide[1], fmt), equal_nan=True)
            assert np.array_equal(XP.subtract(a, b), round_to(wide[0] - wide[1], fmt), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wide_formats_are_numpys_own(dtype: Any) -> None:
    draw = np.random.default_rng(1)
    a, b = (draw.normal(size=shape).astype(dtype) for shape in ((6, 50), (50, 4)))
    assert (XP.matmul(a, b) == a @ b).all()
    assert (XP.sum(a, axis=0) == a.sum(axis=0)).all()
    assert (XP.mean(a, axis=-1, keepdims=True) == a.mean(axis=-1, keepdims=True)).all()
    assert WideSums.accumulator(np.dtype(dtype)) == dtype
    assert XP.exp is np.exp
