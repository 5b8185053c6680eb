"""Error-free transformations of doubles, elementwise on arrays, and what is built on them.

IEEE addition, multiplication and division in round-to-nearest are all they need, and NumPy's are IEEE: nothing here
depends on a libm or on SIMD paths. u = 2**-53 is the unit roundoff.

Sources: Dekker, Numer. Math. 18 (1971) 224-242; Knuth, The Art of Computer Programming 2, 4.2.2; Joldes, Muller,
Popescu, Tight and rigorous error bounds for basic building blocks of double-word arithmetic, ACM TOMS 44 (2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import Floats

SPLITTER = 2.0**27 + 1


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(s, e): s = fl(a + b), and s + e = a + b exactly unless s overflows (Knuth). Subnormals do no harm."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def fast_two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """As two_sum where |a| >= |b| or a = 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def split(a: Floats) -> tuple[Floats, Floats]:
    """(h, l): a = h + l exactly, each of at most 26 bits, for |a| < 2**996 (Dekker, Veltkamp)."""
    t = SPLITTER * a
    h = t - (t - a)
    return h, a - h


def two_prod(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(p, e): p = fl(a b), and p + e = a b exactly where |a|, |b| < 2**996 and |a b| < 2**1021 is 0 or above 2**-968.

    Below, e is off by less than 2**-1074 for each of its four products (Dekker).
    """
    p = a * b
    ah, al = split(a)
    bh, bl = split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def add_pairs(ah: Floats, al: Floats, bh: Floats, bl: Floats) -> tuple[Floats, Floats]:
    """(ah + al) + (bh + bl) to a relative 3 u**2/(1 - 4u), whatever cancels (Joldes et al., Algorithm 6, Theorem 3.1).

    Each operand is a double-double: |low| <= u |high|, the nearest double of the sum being the high part.
    """
    s, e = two_sum(ah, bh)
    t, f = two_sum(al, bl)
    s, e = fast_two_sum(s, e + t)
    return fast_two_sum(s, e + f)


def power_of_two(n: NDArray[np.int64]) -> Floats:
    """2**n for integers n from -1022 to 1000, exactly; 0 below, 2**1000 above."""
    result: Floats = ((np.minimum(np.maximum(n, -1023), 1000) + 1023) << 52).view(np.float64)
    return result


def binade(x: Floats) -> NDArray[np.int64]:
    """The exponent e of normal doubles, 2**e <= |x| < 2**(e + 1); -1023 for zeros and subnormals, 1024 beyond."""
    return ((x.view(np.int64) >> 52) & 2047) - 1023


def log(x: Floats) -> Floats:
    """log of positive doubles to a few u of itself, the same bits everywhere.

    x = 2**e m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh s, s = (m - 1)/(m + 1), |s| < 0.172, whose series is cut
    after s**25/25: the rest is below 2**-70 of the first term.
    """
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m, e = np.where(low, 2.0 * m, m), e - low
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / 25.0)
    for k in range(23, 1, -2):
        series = series * square + 1.0 / k
    # log 2 in two parts, the first of 32 bits, so that e times it is exact.
    return e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + (2.0 * s * square * series + 2.0 * s))
