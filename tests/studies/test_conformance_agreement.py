"""When two answers agree: special values by kind, numbers to half of their bits, on both sides of the bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from overflowscope import formats
from overflowscope.studies.conformance.agreement import agree

INF, NAN = math.inf, math.nan
FORMATS = ("float16", "float32", "float64", "bfloat16", "float8_e5m2", "float8_e4m3fn")


@pytest.mark.parametrize(
    ("given", "other", "expected"),
    [
        (NAN, NAN, True),
        (NAN, 0.0, False),
        (0.0, NAN, False),
        (INF, INF, True),
        (-INF, INF, False),
        (INF, 3.4e38, False),
        (3.4e38, INF, False),
        (0.0, -0.0, True),
        (0.0, 1e-45, False),
        (1e-45, 0.0, False),
        (1.0, 1.0, True),
        (1.0, -1.0, False),
        (2.0**-149, 2.0**-140, True),  # below the normal range, 511 ulps apart
        (3.4e38, -3.4e38, False),
    ],
)
def test_agreement_of_two_elements(given: float, other: float, expected: bool) -> None:
    fmt = formats.named("float32")
    assert agree(np.array([given]), np.array([other]), fmt) is expected
    assert agree(np.array([1.0, given]), np.array([1.0, other]), fmt) is expected


@pytest.mark.parametrize("dtype", FORMATS)
def test_numbers_agree_where_half_of_their_bits_are_right(dtype: str) -> None:
    """The bound, (1 + d/ulp)**2 <= 2**precision, in whole numbers: the last d that agrees, and the next."""
    fmt = formats.named(dtype)
    last = math.isqrt(2**fmt.precision) - 1
    for other in (1.0, math.ldexp(1.0, fmt.emax), fmt.smallest_normal):
        _, exponent = math.frexp(other)
        ulp = math.ldexp(1.0, max(exponent - 1, fmt.emin) - fmt.precision + 1)
        for sign in (1, -1):
            signed = np.array([sign * other])
            assert agree(np.array([sign * (other + last * ulp)]), signed, fmt)
            assert not agree(np.array([sign * (other + (last + 1) * ulp)]), signed, fmt)
    # The ulp is the other's: below a power of two the numbers are twice as dense, and as many of its ulps are allowed.
    power, ulp = 1.0, 2 * fmt.unit_roundoff
    assert agree(np.array([power - last * ulp]), np.array([power]), fmt)
    assert not agree(np.array([power - (last + 1) * ulp]), np.array([power]), fmt)
