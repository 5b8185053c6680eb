"""Elementary functions of the numbers of a format, correctly rounded to it: the same bits on every machine.

Nothing is taken from a library's exp or log. Formats of up to 24 bits go through doubles, with +, -, x, / alone (IEEE
754, hence the same everywhere) and a proven error; what that does not decide, and float64, goes through intervals.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.intervals import Arithmetic, Raw, point
from overflowscope.formats import Floats, Format, round_parts, round_to

INF = float("inf")
LIMITS: dict[str, dict[float, float]] = {
    "exp": {-INF: 0.0, INF: INF},
    "exp2": {-INF: 0.0, INF: INF},
    "expm1": {-INF: -1.0, INF: INF},
    "log": {0.0: -INF, INF: INF},
    "log1p": {-1.0: -INF, INF: INF},
}
"""The functions, with their values at the ends of their domains; below its least end a function is nan."""
PRECISIONS = (96, 192, 384, 768, 1536, 3072)
ERROR = 2.0**-47
"""The relative error that each of the functions of doubles below is proved to stay under, on numbers of 24 bits."""


def correctly_rounded(name: str, values: Floats, fmt: Format) -> Floats:
    """The function ``name`` of LIMITS at ``values``, numbers of the format, rounded once to nearest, ties to even.

    An array of their shape. Overflow is an infinity, in formats without one too; nan stays nan, log(0) is -inf, log
    of a negative number nan; expm1 and log1p keep the sign of a zero. Source: IEEE 754-2019, 9.2.
    """
    if fmt.precision > 11:
        return _of_numbers(name, values, fmt)
    codes = np.asarray(values).astype(fmt.dtype).view(np.dtype(f"u{fmt.dtype.itemsize}"))
    found: Floats = _table(name, fmt)[codes]
    return found


@functools.cache
def _table(name: str, fmt: Format) -> Floats:
    """The function at every code of a format of at most 16 bits."""
    size = fmt.dtype.itemsize
    codes = np.arange(2 ** (8 * size), dtype=np.dtype(f"u{size}")).view(fmt.dtype)
    with np.errstate(all="ignore"):
        return _of_numbers(name, codes.astype(np.float64), fmt)


def _of_numbers(name: str, values: Floats, fmt: Format) -> Floats:
    x = np.asarray(values, np.float64)
    result = np.full(x.shape, np.nan)
    for at, value in LIMITS[name].items():
        result[x == at] = value
    inside = np.isfinite(x) & (x > min(LIMITS[name]))
    result[inside] = _inside(name, x[inside], fmt)
    return np.where(x == 0, x, result) if name in ("expm1", "log1p") else result


def _inside(name: str, x: Floats, fmt: Format) -> Floats:
    """Lemma: rounding is monotone, so where both ends of an enclosure round to one number, the truth does."""
    if fmt.precision > 24:
        return _by_intervals(name, x, fmt)
    value = FUNCTIONS[name](x)
    # Twice the error covers the rounding of the ends themselves.
    slack = np.abs(value) * (2 * ERROR)
    result, above = round_to(value - slack, fmt), round_to(value + slack, fmt)
    undecided = result != above
    result[undecided] = _by_intervals(name, x[undecided], fmt)
    return result


def _by_intervals(name: str, values: Floats, fmt: Format) -> Floats:
    """By enclosures, of each number once. The precision climbs until they decide.

    It does: at numbers of the format other than 0 (and 1 for log) the functions are transcendental, hence no
    midpoints (Lindemann-Weierstrass); exp2 is exact at integers, and irrational (Gelfond-Schneider) elsewhere.
    """
    numbers, places = np.unique(_near(name, values), return_inverse=True)
    result = np.full(len(numbers), np.nan)
    left = np.arange(len(numbers))
    for bits in PRECISIONS:
        if not len(left):
            break
        function = getattr(Arithmetic(bits), name)
        found = [function(point(x)) for x in numbers[left].tolist()]
        low, high = (_rounded([e[i] for e in found], fmt) for i in (0, 1))
        result[left] = low
        left = left[low != high]
    assert not len(left), (name, numbers[left])
    return result[places].reshape(values.shape)


def _near(name: str, x: Floats) -> Floats:
    """Arguments so far out that every format overflows, or rounds to 0 (-1 for expm1), moved in: same results."""
    return np.clip(x, -1100.0, 1100.0) if name in ("exp", "exp2", "expm1") else x


def _rounded(ends: list[Raw], fmt: Format) -> Floats:
    """Raw numbers rounded to the format."""
    parts = [_cut(*end) for end in ends]
    sign, significand, exponent, sticky = np.array(parts, np.int64).reshape(-1, 4).T
    magnitude = round_parts(significand, exponent, sticky.astype(np.bool_), fmt)
    return np.where(sign != 0, -magnitude, magnitude)


def _cut(sign: int, man: int, exponent: int, length: int) -> tuple[int, int, int, bool]:
    """(sign, significand of 62 bits, exponent, whether further bits were cut off)."""
    if not man:
        return sign, 0, 0, False
    drop = length - 62
    significand = int(man << -drop if drop < 0 else man >> drop)
    return sign, significand, int(exponent + drop), drop > 0 and bool(man & ((1 << drop) - 1))


# Functions of doubles that hold numbers of at most 24 bits. Below, v stands for 2**-53, the relative error of one
# operation, and an error is relative unless said otherwise.

LN2 = float.fromhex("0x1.62e42fefa39efp-1")
STEP = float.fromhex("0x1.62e42fefap-7")
"""log(2)/64, cut to 36 bits: its product with an integer below 2**17 is exact."""
REST = float.fromhex("0x1.cf79abc9e3b3ap-46")
"""log(2)/64 less STEP, to nearest."""


@functools.cache
def _powers() -> Floats:
    """2**(j/64), j from 0 to 63, within v (of enclosures 2**-70 wide)."""
    xp = Arithmetic(80)
    return np.array([_double(xp.exp2(point(j / 64))[0]) for j in range(64)])


@functools.cache
def _logs() -> Floats:
    """log(j/128), j from 0 to 191, within v."""
    xp = Arithmetic(80)
    return np.array([0.0, *(_double(xp.log(point(j / 128))[0]) for j in range(1, 192))])


def _double(end: Raw) -> float:
    """A raw number of moderate size as the nearest double."""
    sign, man, exponent, _ = end
    magnitude = int(man) / (1 << -int(exponent)) if exponent < 0 else float(int(man) << int(exponent))
    return -magnitude if sign else magnitude


def _scaled(r: Floats, k: NDArray[np.int64]) -> Floats:
    """exp(r) * 2**(k/64), |r| < 0.0055.

    The Taylor polynomial leaves out less than r**6/719 < 2**-54 = v/2. In Horner's scheme each step adds v and shrinks
    what came before by |r|: less than 1.02 v in all. Table and product: 2 v. Together less than 3.6 v < 2**-51.
    """
    p = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))))
    value: Floats = np.ldexp(_powers()[k & 63] * p, (k >> 6).astype(np.int32))
    return value


def _exp(x: Floats) -> Floats:
    """|x| is cut to 200, where formats of 24 bits over- and underflow alike. k STEP is exact, for |k| < 2**15.

    x - k STEP is at most 0.0055 + 2**-30: its rounding is an absolute error below 2**-61, that of k REST (below
    2**-30) below 2**-84, of REST itself below k 2**-99, of the last subtraction below 2**-61. exp turns these
    2**-60 into a relative error; with _scaled's: less than 2**-50.9.
    """
    x = np.clip(x, -200.0, 200.0)
    k = np.rint(x * (64 / LN2))
    return _scaled((x - k * STEP) - k * REST, k.astype(np.int64))


def _exp2(x: Floats) -> Floats:
    """|x| is cut to 300. x - k/64 is exact: it is a multiple of the smaller of the last bit of x and 1/64 and no
    larger than x or 1/128. Its product with log(2) is within 2 v of less than 0.0055: less than 2**-50.9 again."""
    x = np.clip(x, -300.0, 300.0)
    k = np.rint(x * 64)
    return _scaled((x - k / 64) * LN2, k.astype(np.int64))


def _expm1(x: Floats) -> Floats:
    """Below 1/4 the Taylor polynomial x (1 + x/2 (1 + x/3 (...))), which leaves out less than 2**-60; each of its steps
    adds at most 4 v and shrinks what came before by |x|/2: less than 2**-50. From 1/4 on exp(x) - 1, where exp(x) is
    at most 4.6 times as large as the difference: its error becomes less than 2**-48.6, and v is added: 2**-48.5."""
    series = np.ones_like(x)
    small = np.clip(x, -0.25, 0.25)
    for n in range(14, 1, -1):
        series = 1 + (small / n) * series
    return np.where(np.abs(x) < 0.25, small * series, _exp(x) - 1)


def _log1p_series(r: Floats) -> Floats:
    """log(1 + r), |r| < 1/180: leaves out less than r**7/8 < 2**-55; the steps shrink by |r|: less than 4 v in all."""
    series = np.full_like(r, 1 / 7)
    for n in range(6, 0, -1):
        series = 1 / n - r * series
    return r * series


def _log(x: Floats) -> Floats:
    """log(2**e c (1 + r)) = e log(2) + log(c) + log(1 + r) with c = j/128 nearest to m, 0.7 < m < 1.42.

    m - c is exact (Sterbenz), its quotient by c within v. Within 1/256 of 1 c is 1, and where e is 0 the result is
    log(1 + r) alone: 4 v. Elsewhere with e = 0 the result is above 1/257, |log(c)| at most 3 times and |r| at most 2
    times as large, and the errors (v of log(c), 5 v of log(1 + r), v of the sum) less than 14 v. With e not 0 the
    result is above 0.33 and |e log(2)| at most 2.1 times it: 2.1 * 2 v, v |log(c)| + 5 v |r| < v * 1.2, two sums each
    with partial sums at most 2.1 times the result. Less than 14 v < 2**-49 everywhere.
    """
    m, e = np.frexp(x)
    low = m < 0.7071
    m, e = np.where(low, 2 * m, m), e - low
    j = np.rint(128 * m)
    value: Floats = e * LN2 + (_logs()[j.astype(np.int64)] + _log1p_series((m - j / 128) / (j / 128)))
    return value


def _log1p(x: Floats) -> Floats:
    """Up to 1/256 the series. Beyond, x is a multiple of 2**-31, and 1 + x exact up to 2**22; larger ones move the
    logarithm, which is above 15, by v: less than 2**-49 with _log's error."""
    near = np.abs(x) <= 1 / 256
    return np.where(near, _log1p_series(np.where(near, x, 0.0)), _log(np.where(near, 1.0, 1 + x)))


FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
}
