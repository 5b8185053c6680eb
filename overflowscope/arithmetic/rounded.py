"""Elementary functions of the numbers of a format, correctly rounded to it: the same bits on every machine.

Nothing is taken from a library's exp or log. Balls decide, and intervals what they leave.
"""

from __future__ import annotations

import functools

import numpy as np

from overflowscope.arithmetic.ball_array import BallArray, add, multiply, where
from overflowscope.arithmetic.ball_functions import exp, log, log1p
from overflowscope.arithmetic.ball_rounding import rounded
from overflowscope.arithmetic.balls import Balls
from overflowscope.arithmetic.intervals import Arithmetic, Raw, point
from overflowscope.formats import Floats, Format, round_parts

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
    if inside.any():
        result[inside] = _inside(name, x[inside], fmt)
    return np.where(x == 0, x, result) if name in ("expm1", "log1p") else result


def _inside(name: str, x: Floats, fmt: Format) -> Floats:
    xp = Balls(words=1 if fmt.precision <= 24 else 2)
    function = {"exp2": xp.exp2, "log": _log, "log1p": xp.log1p, "expm1": _expm1}.get(name, xp.exp)
    with np.errstate(all="ignore"):
        found = rounded(function(xp.asarray(_near(name, x))), fmt)
    result, undecided = found.nearest, ~found.decided
    if undecided.any():
        result[undecided] = _by_intervals(name, x[undecided], fmt)
    return result


def _log(x: BallArray) -> BallArray:
    """log of positive doubles, near 1 as log1p of the exact difference: with every relative bit there too."""
    near = np.abs(x.hi - 1) < 2.0**-6
    far, difference = (BallArray(np.where(near, a, b), words=x.words) for a, b in ((2.0, x.hi), (x.hi - 1, 0.0)))
    return where(near, log1p(difference), log(far))


def _expm1(x: BallArray) -> BallArray:
    """exp(x) - 1; below 2**-20 x (1 + x/2 + x**2/6 + x**3/24), x**4/119 more at most, |x|**3 2**-26."""
    tiny = np.abs(x.hi) < 2.0**-20
    small = BallArray(np.where(tiny, x.hi, 0.0), words=x.words)
    series = BallArray(np.zeros(x.shape), None, np.where(tiny, 2.0**-26, 0.0), words=x.words)
    for c in ("1/24", "1/6", "1/2"):
        series = multiply(small, add(x.constant(c), series))
    return where(tiny, multiply(small, add(x.constant("1"), series)), add(exp(x), -x.constant("1")))


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
