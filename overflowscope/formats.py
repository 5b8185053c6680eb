"""Floating-point formats as rows of integers, and the one place where a real number is rounded to one of them.

Every value of every format here is a float64 too, so a rounded value travels as float64, with an infinity for an
overflow whether or not the format itself holds infinities.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError, unknown

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """A binary format: values ``k * 2**(e - precision + 1)`` with ``|k| < 2**precision`` and ``emin <= e <= emax``.

    ``top`` is the significand of the largest finite value; ``extra`` names the optional dependency that brings the
    NumPy dtype. Source: IEEE 754-2019, 3.3; for the 8-bit formats, Micikevicius et al., FP8 Formats for Deep
    Learning (2022); for bfloat16, the ml_dtypes documentation.
    """

    name: str
    precision: int
    emin: int
    emax: int
    top: int
    has_infinity: bool = True
    extra: str | None = None

    @property
    def largest(self) -> float:
        """The largest finite value."""
        return math.ldexp(self.top, self.emax - self.precision + 1)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive value of full precision."""
        return math.ldexp(1.0, self.emin)

    @property
    def smallest(self) -> float:
        """The smallest positive (subnormal) value."""
        return math.ldexp(1.0, self.emin - self.precision + 1)

    @property
    def unit_roundoff(self) -> float:
        """u = 2**-precision: the largest relative error of rounding a number in the normal range to nearest."""
        return math.ldexp(1.0, -self.precision)

    @property
    def log_largest(self) -> float:
        """log(largest): exp overflows just above it."""
        return math.log(self.largest)

    @property
    def log_vanishing(self) -> float:
        """log of half the smallest value: exp rounds to 0 below it."""
        return (self.emin - self.precision) * math.log(2.0)

    def holds(self, other: Format) -> bool:
        """Whether every finite number of the other format is one of this."""
        return self.precision >= other.precision and self.emax >= other.emax and self.emin <= other.emin

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype. Raises InputError where the package that brings it is not installed."""
        if self.extra is None:
            return np.dtype(self.name)
        try:
            import ml_dtypes
        except ImportError:
            raise InputError(
                f"{self.name} needs the package ml_dtypes",
                hint="pip install ml_dtypes, or overflowscope[formats] for every format",
            ) from None
        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, self.name))
        return dtype


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("float16", 11, -14, 15, 2**11 - 1),
        Format("float32", 24, -126, 127, 2**24 - 1),
        Format("float64", 53, -1022, 1023, 2**53 - 1),
        Format("bfloat16", 8, -126, 127, 2**8 - 1, extra="formats"),
        Format("float8_e5m2", 3, -14, 15, 2**3 - 1, extra="formats"),
        # The code above 448 that would be 480 is nan, and there is no infinity.
        Format("float8_e4m3fn", 4, -6, 8, 2**4 - 2, has_infinity=False, extra="formats"),
    )
}


def named(name: str) -> Format:
    """The format of that name. Raises InputError, with the nearest names, for any other."""
    if name not in FORMATS:
        raise unknown("dtype", name, FORMATS)
    return FORMATS[name]


def of(dtype: np.dtype[Any]) -> Format:
    """The format that a NumPy dtype holds."""
    return named(dtype.name)


def round_to(values: Floats, fmt: Format) -> Floats:
    """``values`` rounded to nearest, ties to even: an array of the same shape; inf and nan stay.

    What exceeds the format becomes an infinity, for formats without one too. Source: IEEE 754-2019, 4.3.1 and 7.4.
    """
    values = np.asarray(values, dtype=np.float64)
    if fmt.name == "float64":
        return values
    # Lemma. Let 2**e <= |x| < 2**(e + 1), q = max(e, emin) - p + 1 the exponent of x's quantum, and S = 2**(q + 52).
    # As |x| < 2**(q + p) <= S, |x| + S lies in [S, 2 S], where doubles are 2**q apart and S is an even multiple of
    # 2**q: the sum is S plus |x| rounded to a multiple of 2**q, ties to even, and subtracting S is exact. For e > emax
    # the S of emax is taken, which leaves a number of 2**(emax + 1) or more not below that. p <= 52, for all but
    # float64; zeros and subnormal doubles have e < emin; inf and nan stay through both steps.
    magnitude = np.abs(values.ravel())
    with np.errstate(all="ignore"):
        s = np.clip(magnitude.view(np.int64) >> 52, 1023 + fmt.emin, 1023 + fmt.emax)
        s += 53 - fmt.precision
        s <<= 52
        shift = s.view(np.float64)
        magnitude += shift
        magnitude -= shift
    magnitude[magnitude > fmt.largest] = np.inf
    return np.copysign(magnitude.reshape(values.shape), values)


def narrowed(values: NDArray[np.float32], fmt: Format) -> NDArray[Any]:
    """float32 numbers rounded once, to nearest, ties to even, as an array of a narrower format's dtype.

    The same as a cast, which raises a flag in NumPy for every inexact subnormal of float16 and is thirty times slower
    there.
    """
    if fmt.name != "float16":
        return values.astype(fmt.dtype)
    # The lemma of round_to with 24 bits for 53: S = 2**(q + 23) is at most 2**(emax + 13) = 2**28, and 11 <= 23. What
    # comes out is a number of the format, or 2**16 and more, which the cast makes an infinity, or inf or nan.
    magnitude = np.abs(values.reshape(-1))
    with np.errstate(all="ignore"):
        s = np.clip(magnitude.view(np.int32) >> 23, 127 + fmt.emin, 127 + fmt.emax)
        s += 24 - fmt.precision
        s <<= 23
        shift = s.view(np.float32)
        magnitude += shift
        magnitude -= shift
        return np.copysign(magnitude.reshape(values.shape), values).astype(fmt.dtype)


def round_fraction(value: Fraction, fmt: Format) -> float:
    """A rational number rounded to nearest, ties to even; an infinity where it exceeds the format."""
    magnitude = abs(value)
    # Scaled so that the quotient has at least 61 bits and never more than 62.
    shift = 61 - (magnitude.numerator.bit_length() - magnitude.denominator.bit_length())
    numerator, denominator = magnitude.numerator, magnitude.denominator
    if shift >= 0:
        numerator <<= shift
    else:
        denominator <<= -shift
    quotient, remainder = divmod(numerator, denominator)
    rounded = round_parts(np.array([quotient]), np.array([-shift]), np.array([remainder != 0]), fmt)
    return -float(rounded[0]) if value < 0 else float(rounded[0])


def round_parts(
    significand: NDArray[np.int64], exponent: NDArray[np.int64], sticky: NDArray[np.bool_], fmt: Format
) -> Floats:
    """Non-negative real numbers ``(significand + t) * 2**exponent`` rounded to nearest, ties to even.

    ``0 <= significand < 2**62``; t is 0 where ``sticky`` is false and anywhere strictly between 0 and 1 where it is
    true, which needs a significand of at least 55 bits there (precision + 2 at most) for the answer not to depend
    on t. Exponents may be anything that fits in 62 bits. Everything is integer arithmetic, hence exact.
    """
    with np.errstate(all="ignore"):
        return _rounded(significand, exponent, sticky, fmt)


def _rounded(
    significand: NDArray[np.int64], exponent: NDArray[np.int64], sticky: NDArray[np.bool_], fmt: Format
) -> Floats:
    length = _bit_length(significand)
    # Left-justified to 62 bits, so that at least 62 - 53 = 9 bits are dropped below and t never reaches a kept one.
    significand = significand << (62 - length)
    exponent = np.where(length > 0, exponent - (62 - length), 0)
    quantum = np.maximum(exponent + 61, fmt.emin) - fmt.precision + 1
    # Dropping 63 or more leaves a number below half a quantum: it rounds to 0, as it does at 63.
    drop = np.minimum(quantum - exponent, 63)
    kept = significand >> drop
    rest = significand - (kept << drop)
    half = np.int64(1) << (drop - 1)
    kept = kept + ((rest > half) | ((rest == half) & (sticky | (kept % 2 == 1))))
    rounded = np.ldexp(kept.astype(np.float64), np.clip(quantum, -1100, 1100).astype(np.int32))
    return np.where(rounded > fmt.largest, np.inf, rounded)


def _bit_length(n: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bit lengths of integers in [0, 2**62)."""
    # The conversion may round up to the next power of two, and then the length is one less.
    length = np.frexp(n.astype(np.float64))[1].astype(np.int64)
    exact: NDArray[np.int64] = length - ((n >> np.maximum(length - 1, 0)) == 0) * (length > 0)
    return exact


@functools.cache
def constant(value: str, fmt: Format) -> Any:
    """The exact decimal or rational ``value``, rounded once to the format, as a NumPy scalar of its dtype."""
    return fmt.dtype.type(round_fraction(Fraction(value), fmt))
