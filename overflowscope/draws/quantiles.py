"""Quantile functions: from uniform numbers to logits, by IEEE + - * / and sqrt alone, so that the bits are the same
everywhere. What else is used is exact: frexp, ldexp, rint, comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.doubles import log
from overflowscope.formats import Floats, Format

Quantile = Callable[[Floats], Floats]


def uniform(u: Floats) -> Floats:
    """On (-1, 1)."""
    return 2.0 * u - 1.0


def laplace(u: Floats) -> Floats:
    """Density exp(-|x|)/2."""
    below = np.minimum(u, 1.0 - u)
    return np.copysign(log(2.0 * below), u - 0.5)


def normal(u: Floats) -> Floats:
    """Variance 1: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484."""
    q = u - 0.5
    variates = q * _ratio(_CENTRAL, 0.180625 - q * q)
    outer = np.nonzero(np.abs(q) > 0.425)
    u, q = u[outer], q[outer]
    r = np.sqrt(-log(np.minimum(u, 1.0 - u)))
    tail = _ratio(_TAIL, r - 1.6)
    far = np.nonzero(r > 5.0)
    tail[far] = _ratio(_FAR_TAIL, r[far] - 5.0)
    variates[outer] = np.copysign(tail, q)
    return variates


def lognormal(u: Floats) -> Floats:
    """exp of the normal variate: between 2.7e-4 and 3.7e3."""
    return exp(normal(u))


def cauchy(u: Floats) -> Floats:
    """tan(pi (u - 1/2)), density 1 / (pi (1 + x**2)), to 9 * 2**-53 of itself; the largest is 2.9e15.

    u is an odd multiple of 2**-53, so v = u - 1/2 and w = 1/2 - |v| are exact and neither is 0. tan(pi v) is
    T(|v|) for |v| <= 1/4 and 1/T(w) beyond, with the sign of v. T(a) = sin x / cos x at x = pi a <= 0.786. In units
    of 2**-53: x is off by 1.4 relatively (pi's double by 0.36, the product by 1), which tan makes at most pi/2 times
    as much (x / (sin x cos x) there); sin is off by 1.5 and cos by 2.4, and the two quotients add 1 each: 8.1.
    """
    v = u - 0.5
    w = np.minimum(u, 1.0 - u)
    near = np.abs(v) <= 0.25
    x = np.where(near, np.abs(v), w) * 3.141592653589793
    square = x * x
    tangent = (x + x * (square * _taylor(_SINE, square))) / (1.0 + square * _taylor(_COSINE, square))
    return np.copysign(np.where(near, tangent, 1.0 / tangent), v)


def ordinal(integers: NDArray[np.uint64], fmt: Format) -> Floats:
    """Finite numbers of the format, all 2 M of them (-0 and +0 both) equally likely, rising with the integers.

    The integer n is sent to the number floor(2 M n / 2**64), counted from -largest on, so that each is hit by
    2**64 / (2 M) of the integers, less or more than one.
    """
    # Codes are counted as IEEE 754-2019, 3.4 lays them out: an exponent field above p - 1 bits of fraction.
    bits = fmt.precision - 1
    positive = ((fmt.emax - fmt.emin + 1) << bits) + fmt.top - (1 << bits) + 1
    index = _high_product(integers, 2 * positive)
    below = index < positive
    code = np.where(below, positive - 1 - index, index - positive).astype(np.int64)
    field = code >> bits
    significand = (code & ((1 << bits) - 1)) + ((field > 0).astype(np.int64) << bits)
    exponent = np.maximum(field, 1) - 1 + fmt.emin - bits
    magnitude: Floats = np.ldexp(significand.astype(np.float64), exponent.astype(np.int32))
    return np.where(below, -magnitude, magnitude)


QUANTILES: dict[str, Quantile] = {
    "normal": normal,
    "uniform": uniform,
    "laplace": laplace,
    "cauchy": cauchy,
    "lognormal": lognormal,
}
"""Of u in (0, 1), an odd multiple of 2**-53."""


def exp(x: Floats) -> Floats:
    """exp of doubles with |x| <= 16 to 2 * 2**-53 of itself.

    x = k log 2 + r, |r| < 0.35. k times the first part of log 2, of 32 bits, is exact, and so is its difference to x:
    both are multiples of 2**-54 (x is one where k is not 0), and it is below 1/2. So r is off by 2**-55
    for its rounding and by 2**-60 for the rest, r**2 times the series by 2**-55 and its sum with r by 2**-55. The
    series is cut after r**16/16!: what is left out is below 2**-70. The last sum rounds by at most 2**-53 where it is
    above 1, and by 2**-54 below, where it is above 0.70.
    """
    k = np.rint(x * 1.4426950408889634)
    r = (x - k * _LOG2[0]) - k * _LOG2[1]
    return np.ldexp(1.0 + (r + r * r * _taylor(_EXP, r)), k.astype(np.int32))


def _high_product(n: NDArray[np.uint64], factor: int) -> NDArray[np.uint64]:
    """floor(n * factor / 2**64), of halves of 32 bits: no sum below reaches 2**64."""
    half, mask = np.uint64(32), np.uint64(2**32 - 1)
    n1, n0 = n >> half, n & mask
    f1, f0 = np.uint64(factor >> 32), np.uint64(factor & (2**32 - 1))
    middle = n1 * f0 + (n0 * f0 >> half)
    high: NDArray[np.uint64] = n1 * f1 + (middle >> half) + (n0 * f1 + (middle & mask) >> half)
    return high


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Floats) -> Floats:
    """A quotient of polynomials in r, lowest coefficients first."""
    return _taylor(coefficients[0], r) / _taylor(coefficients[1], r)


def _taylor(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """A polynomial in x, lowest coefficients first, by Horner's rule."""
    value = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value *= x
        value += c
    return value


_LOG2 = (0.6931471803691238, 1.9082149292705877e-10)
# Factorials up to 22! are doubles, so that each of these is rounded once.
_EXP = tuple(1.0 / math.factorial(k) for k in range(2, 17))
# sin x = x + x x**2 S(x**2), cos x = 1 + x**2 C(x**2), cut below 2**-60 for |x| < 0.786.
_SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(1, 9))
_COSINE = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(1, 10))
_CENTRAL = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR_TAIL = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)
