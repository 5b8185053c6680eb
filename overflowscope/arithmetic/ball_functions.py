"""exp, log, log1p of balls: argument reduction, tables in double-double, short series, and their proved errors.

Sources: Tang, ACM TOMS 15 (1989) and 16 (1990), for the reductions; Muller, Elementary Functions (2016), chapters 5
and 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.arithmetic.ball_array import (
    NAMED,
    UP,
    BallArray,
    add,
    leading,
    multiply,
    plain,
    reciprocal,
    where,
    zero,
)
from overflowscope.arithmetic.doubles import (
    add_pairs,
    binade,
    fast_two_sum,
    power_of_two,
    split,
    two_prod,
    two_sum,
)
from overflowscope.arithmetic.doubles import log as nearly_log
from overflowscope.arithmetic.exp_table import HIGH, LOW, SIZE
from overflowscope.formats import Floats

TILE = 2**12
"""Numbers at a time in the longest chains of operations: they stay in the cache."""

STEP = float.fromhex("0x1.62e42fefa39efp-11"), float.fromhex("0x1.abc9e3b39803fp-66")
"""log(2)/1024 = c1 + c2 + c3, |c3| < 2**-109.9 c1."""
STEP_SPLIT = split(np.float64(STEP[0]))
STEPS = float.fromhex("0x1.71547652b82fep+10")
"""1024/log(2) to a relative u."""
SHORT_STEP = float.fromhex("0x1.62e42p-11"), float.fromhex("0x1.fdf473de6af28p-32")
"""log(2)/1024 = a1 + a2 to 2**-53 a2; a1 has 20 bits, the last of them 2**-30; a2 < 2**-31."""

LN2 = NAMED["ln2"]

MOST = {1: 2.0**22, 2: 2.0**32}
"""By words: |x| up to which exp(x) is computed."""
PLAIN = 600.0
"""|x| up to which exp(x) needs no exponent."""

EXP_ARGUMENT1 = 2.02 * 2.0**-73
EXP1 = 2.02 * 2.0**-53
EXP_ARGUMENT = 8.01 * 2.0**-106
EXP = 2.0**-85.5
"""Relative errors, and those of the argument in units of |x|: see _exp1 and _exp."""
LOG = 2.0**-85.2
LOG_EXPONENT = 2.0**-104.2
"""Errors of log(m 2**k), in units of 1 and of |k|: see log."""
LOG1P = 2.0**-90
"""What the series of log1p adds to the errors of its products, relative."""


def exp(x: BallArray) -> BallArray:
    """e**x. exp(-inf) = 0 and exp(0) = 1 are exact; beyond MOST it is given up upwards, and 0 to 2**-most downwards.

    For a relative error ``rel`` and an argument off by d <= 1/8, h (rel + 1.07 d) covers h((1 + rel) exp(d) - 1).
    """
    x = plain(x)
    hi, lo, radius = x.hi, x.lo, x.radius
    most, least, largest = MOST[x.words], np.min(hi, initial=0.0), np.max(hi, initial=0.0)
    odd = not (-most <= least and largest <= most)
    if odd:
        hi = np.where(np.abs(hi) <= most, hi, 0.0)
    if x.words == 1:
        (h, k), low = _tiled(_exp1, hi, lo), None
        relative, slope = EXP1, EXP_ARGUMENT1
    else:
        h, low, k = _tiled(_exp, hi, lo)
        relative, slope = EXP, EXP_ARGUMENT
    off = np.abs(hi) * slope
    if radius is not None:
        off = off + radius
        off = np.where(off > 0.125, np.inf, off)
    exponent = k
    if least >= -PLAIN and largest <= PLAIN:
        factor = power_of_two(k)
        h, low, exponent = h * factor, None if low is None else low * factor, None
    exact = hi == 0 if radius is None else (hi == 0) & (radius == 0)
    around = np.where(exact, 0.0, h * (relative + 1.08 * off))
    found = BallArray(h, low, around, exponent, None, x.words)
    return _beyond(found, x, most) if odd else found


def _beyond(found: BallArray, x: BallArray, most: float) -> BallArray:
    """exp where its argument is beyond what is computed: exactly 0 at -inf, in (0, 2 * 2**-most) down there, anything
    above. (exp(-0.7 most) < 2**-most.)"""
    known = zero(x.radius) <= most * 0.25
    tiny, masked = (x.hi < -most) & known, (x.hi == -np.inf) & (zero(x.radius) == 0)
    huge = ~(np.abs(x.hi) <= most)
    hi = np.where(tiny, 1.0, found.hi)
    radius = np.where(tiny, 1.0, np.where(huge, np.inf, zero(found.radius)))
    exponent = np.where(tiny, -int(most), 0 if found.exponent is None else found.exponent)
    lo = None if found.lo is None else np.where(tiny, 0.0, found.lo)
    hi, radius, exponent = (np.where(masked, 0, v) for v in (hi, radius, exponent))
    return BallArray(hi, lo, radius, exponent, None, found.words)


def _tiled(kernel: Any, *operands: Floats | None) -> list[Any]:
    """The kernel of numbers, TILE at a time, on arrays of one layout; its results likewise."""
    first = operands[0]
    assert first is not None
    if first.size <= TILE:
        return list(kernel(*operands))
    order: Any = "F" if first.flags.f_contiguous and not first.flags.c_contiguous else "C"
    flat = [None if v is None else np.asarray(v, order=order).ravel(order=order) for v in operands]
    starts = range(0, first.size, TILE)
    pieces = [kernel(*(None if v is None else v[i : i + TILE] for v in flat)) for i in starts]
    return [np.concatenate(parts).reshape(first.shape, order=order) for parts in zip(*pieces, strict=True)]


def _exp1(hi: Floats, lo: Floats | None) -> tuple[Any, Any]:
    """(h, k): exp(hi + lo) is h 2**k (1 + d) exp(t), |d| <= 2.02 u, |t| <= EXP_ARGUMENT1 |hi|, for |hi| <= 2**22.

    n = rint(hi/c), c = log(2)/1024, is below 2**33, so that n a1 is exact, and hi - n a1 too (Sterbenz: n a1 lies
    between hi/2 and 2 hi, or n = 0). n a2 is off by 2u |n| 2**-31 < 2.01 u |hi| 2**-20.5. The rest r, |r| < 2**-11.5,
    takes two roundings of 2**-64.5, the polynomial for exp(r) - 1 some of 2**-64 together and leaves out r**5/120 <
    2**-64; the table is off by u, and so is the last addition: 2u + 2**-62.
    """
    n = np.rint(hi * STEPS)
    r = hi - n * SHORT_STEP[0]
    r -= n * SHORT_STEP[1]
    if lo is not None:
        r += lo
    q = r * (1 / 24)
    q += 1 / 6
    q *= r
    q += 0.5
    q *= r
    q *= r
    q += r
    k = n.astype(np.int64)
    table = HIGH.take(k & (SIZE - 1), mode="clip")
    q *= table
    q += table
    k >>= 10
    return q, k


def _exp(hi: Floats, lo: Floats | None) -> tuple[Any, Any, Any]:
    """(h, l, k): exp(hi + lo) is (h + l) 2**k (1 + d) exp(t), |d| <= EXP/1.15, |t| <= EXP_ARGUMENT |hi|, |hi| <= 2**32.

    n = rint(hi/c) is off by at most 1/2 + |n| 2**-51, so |r| < 2**-11.49 for r = hi + lo - n c. n c1 = p + e is exact
    (two_prod), hi - p = t + te too, |p| < 1.01 |hi|, |e| <= u |p|, |te| <= u |t|. low = ((te - e) - n c2) + lo takes
    roundings of u**2 |hi|, u**2 |hi| (n c2), 2 u**2 |hi| and 3 u**2 |hi|, with parts of u**2 |t| that count as
    relative ones, and n c3 is below 2**-3 u**2 |hi|: 8 u**2 |hi| in all. With (rh, rl) = t + low exactly and s + se =
    rh**2 exactly, exp(r) - 1 = rh + rl + (s + se)/2 + rh rl + q + ..., q = rh**3 (1/6 + ... + rh**3/720), |q| <
    2**-37, is off by 5 u |q| = 2**-87.7; left out are rh**7/5040 < 2**-92 and rl rh**2/2 < 2**-88; adding up rounds
    by u 2**-37 twice. The product with the table, |tl| <= u th off by 2**-106: th ph = m + me exactly; th pl, |pl| <
    2**-36.9, rounds by 2**-90 th, and so do two additions; tl pl < 2**-90 is left out; the last addition rounds by u
    2**-36.5. The sum is below 2**-85.9.
    """
    n = np.rint(hi * STEPS)
    p = n * STEP[0]
    nh, nl = split(n)
    e = ((nh * STEP_SPLIT[0] - p) + nh * STEP_SPLIT[1] + nl * STEP_SPLIT[0]) + nl * STEP_SPLIT[1]
    t, te = two_sum(hi, -p)
    low = (te - e) - n * STEP[1]
    if lo is not None:
        low += lo
    rh, rl = two_sum(t, low)
    s, se = two_prod(rh, rh)
    q = (rh * s) * (1 / 6 + rh * (1 / 24 + rh * (1 / 120 + rh * (1 / 720))))
    ph, pe = fast_two_sum(rh, 0.5 * s)
    pl = pe + ((rl + (0.5 * se + rh * rl)) + q)
    k = n.astype(np.int64)
    place = k & (SIZE - 1)
    th, tl = HIGH.take(place, mode="clip"), LOW.take(place, mode="clip")
    m, me = two_prod(th, ph)
    h, rest = fast_two_sum(th, m)
    h, rest = fast_two_sum(h, rest + ((me + (th * pl + tl * ph)) + tl))
    return h, rest, k >> 10


def exp2(x: BallArray) -> BallArray:
    """2**x = exp(x log 2); exact at integers."""
    found = exp(multiply(x, x.constant("ln2")))
    whole = (x.hi == np.rint(x.hi)) & (zero(x.lo) == 0) & (zero(x.radius) == 0) & (np.abs(x.hi) < 2.0**31)
    if x.exponent is not None or not whole.any():
        return found
    k = np.where(whole, x.hi, 0.0).astype(np.int64)
    exponent = np.zeros(x.shape, np.int64) if found.exponent is None else found.exponent
    return BallArray(
        np.where(whole, 1.0, found.hi),
        None if found.lo is None else np.where(whole, 0.0, found.lo),
        np.where(whole, 0.0, zero(found.radius)),
        np.where(whole, k, exponent),
        None,
        x.words,
    )


def log(x: BallArray) -> BallArray:
    """log of positive balls, log(1) = 0 exactly; of others that hold 0 or less it is given up, of an exact 0 -inf.

    x = v 2**k, v in [0.7, 1.42). With y near log v and E = exp(y)(1 + d), |d| <= EXP and a little: log v = y + log(1
    + q) + d', q = (v - E)/E, by Newton's step. v - E is taken to a relative 3 u**2 whatever cancels (add_pairs), so
    q, below 2**-45 or given up, is off by 4 u |q|, and q - q**2/2 leaves out q**3. k log 2 = k l1 + k l2: the first
    product is exact; k l2, its addition and l3 are off by 2**-108.2, 2**-106.1 and 2**-110.4 times |k|; the last sum by
    ADD (0.694 |k| + 0.36), which is 2**-104.9 |k| and nothing beside LOG: 2**-104.3 |k| in all.
    """
    radius = zero(x.radius)
    with np.errstate(all="ignore"):
        k = binade(x.hi)
        k = k + (x.hi * power_of_two(-k) > 1.4142)
        scale = power_of_two(-k)
        vh, vl, vr = x.hi * scale, zero(x.lo) * scale, radius * scale
        y = nearly_log(np.where(vh > 0, vh, 1.0))
        h, low, n = _tiled(_exp, y, None)
        factor = power_of_two(n)
        h, low = h * factor, low * factor
        dh, dl = add_pairs(vh, np.asarray(vl), -h, -low)
        q = (dh + dl) / h
        total_k = (k + (0 if x.exponent is None else x.exponent)).astype(np.float64)
        ph, pl = two_prod(total_k, np.float64(LN2[0]))
        yh, yl = add_pairs(*fast_two_sum(y, q - 0.5 * q * q), *fast_two_sum(ph, pl + total_k * LN2[1]))
        # |log v - log v'| <= r/(v' - r) for v within r of v'.
        around = vr * (1 + 2.0**-8) / vh + LOG + np.abs(total_k) * LOG_EXPONENT
        # Of numbers below 2**-1000 the scale is not what it should be; k is exact below 2**53.
        kept = (vh > 0) & (vr < vh * 2.0**-10) & (np.abs(q) < 2.0**-45) & (k >= -1000) & (np.abs(total_k) < 2.0**52)
        around = np.where(kept, around * UP, np.inf)
    one = (x.hi == 1) & (zero(x.lo) == 0) & (radius == 0) & (True if x.exponent is None else x.exponent == 0)
    none = (x.hi == 0) & (radius == 0)
    yh, yl, around = (np.where(one | none, 0.0, v) for v in (yh, yl, around))
    return BallArray(np.where(none, -np.inf, yh), yl, around, None, None, x.words)


def log1p(x: BallArray) -> BallArray:
    """log(1 + x) for balls above -1: of 1 + x itself, and below 2**-6 by a series that keeps every relative bit.

    With z = x/(2 + x), w = z**2 < 2**-13.9: log(1 + x) = 2 z (1 + w/3 + w**2/5 + w**3/7 + ...). Up to w**2/5 this is
    taken in double-doubles, with their radii; the rest is rounded by 6 u w**3/7 < 2**-94 and leaves out w**7/15 <
    2**-100; that w's radius moves it by less than (w + radius)**2 times it stands for 3/7 of that.
    """
    words, x = x.words, BallArray(x.hi, x.lo, x.radius, x.exponent, None, 2)
    size = leading(x)
    small = size < -6
    if not small.any():
        found = log(add(x.constant("1"), x))
    else:
        large = None if small.all() else log(add(x.constant("1"), where(small, None, x)))
        found = _series(where(~small, None, x) if large is not None else x)
        found = found if large is None else where(small, found, large)
    found.words = words
    return found


def _series(x: BallArray) -> BallArray:
    z = multiply(x, reciprocal(add(x.constant("2"), x)))
    w = plain(multiply(z, z))
    third, fifth, one = (x.constant(c) for c in ("1/3", "1/5", "1"))
    q = w.hi
    rest = q * q * q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13))))
    reach = q + zero(w.radius)
    around = LOG1P * 2.0**-4 + reach * reach * zero(w.radius)
    tail = BallArray(rest, None, around)
    sum_ = add(add(one, tail), multiply(w, add(third, multiply(w, fifth))))
    found = multiply(z, sum_)
    exact = (x.hi == 0) & (zero(x.radius) == 0)
    hi, lo, radius = (np.where(exact, 0.0, 2.0 * zero(v)) for v in (found.hi, found.lo, found.radius))
    return BallArray(hi, lo, radius, found.exponent, None, x.words)
