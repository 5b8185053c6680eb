"""What a rung calls settled is: every real number of the ball rounds to that, and lies in that binade. In Fractions."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

import overflowscope
from overflowscope import catalogue
from overflowscope.arithmetic.ball_array import BallArray
from overflowscope.arithmetic.ball_rounding import rounded
from overflowscope.arithmetic.intervals import Indeterminate
from overflowscope.formats import FORMATS, Format, round_to
from overflowscope.rungs import FAR, NARROW, NARROW_BITS, by_balls, by_intervals, of_balls

INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """As by_balls has it."""
    with np.errstate(all="ignore"):
        yield


every_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
EPSILON = Fraction(2) ** -3000
"""Less than anything that is told apart here: the other side of an open end."""


@functools.cache
def power(e: int) -> Fraction:
    """2**e."""
    return Fraction(2) ** e


def exponent_of(x: Fraction) -> int:
    """floor(log2(|x|)) of a number whose denominator is a power of two, as all are here."""
    assert x.denominator & (x.denominator - 1) == 0
    return x.numerator.bit_length() - x.denominator.bit_length()


def nearest(x: Fraction, fmt: Format) -> float:
    """Rounded by the definition: the nearest multiple of the quantum, ties to even, or an infinity."""
    quantum = power(max(exponent_of(x), fmt.emin) - fmt.precision + 1)
    rounded = round(x / quantum) * quantum
    return math.copysign(INF, x) if abs(rounded) > Fraction(fmt.largest) else float(rounded)


class Case(NamedTuple):
    """A ball as fields, and the ends of what it holds, just inside them where they are open."""

    hi: float
    lo: float
    radius: float
    exponent: int
    side: int
    low: Fraction
    high: Fraction


def case(middle: Fraction, radius: float, exponent: int, side: int) -> Case | None:
    """None where a pair of doubles does not hold the midpoint, or a double the radius."""
    unit = power(exponent)
    scaled = middle / unit
    try:
        hi = float(scaled)
        lo = float(scaled - Fraction(hi))
        r = float(Fraction(radius) / unit)
    except OverflowError:
        return None
    if Fraction(hi) + Fraction(lo) != scaled or Fraction(r) * unit != Fraction(radius) or abs(hi) < 2.0**-1022:
        return None
    low, high = (middle + s * Fraction(radius) for s in (-1, 1))
    if side:
        low, high = (middle + EPSILON, high) if side > 0 else (low, middle - EPSILON)
    return Case(hi, lo, r, exponent, side, low, high)


def numbers_of(fmt: Format, rng: random.Random) -> list[Fraction]:
    """Numbers of the format: the smallest, those about powers of two, the largest and the next, and any."""
    p, quantum = fmt.precision, power(fmt.emin - fmt.precision + 1)
    found = [k * quantum for k in (1, 2, 3, 4, 5, 2 ** (p - 1) - 1, 2 ** (p - 1), 2 ** (p - 1) + 1, 2**p - 1, 2**p)]
    exponents = {
        fmt.emin + 1,
        -1,
        0,
        1,
        2,
        fmt.emax - 1,
        fmt.emax,
        *(rng.randrange(fmt.emin, fmt.emax) for _ in range(4)),
    }
    for e in exponents:
        if fmt.emin <= e <= fmt.emax:
            unit = power(e - p + 1)
            found += [k * unit for k in (2 ** (p - 1), 2 ** (p - 1) + 1, 2**p - 1, 2**p - 2)]
            found += [rng.randrange(2 ** (p - 1), 2**p) * unit for _ in range(3)]
    largest = Fraction(fmt.largest)
    return [*found, largest, largest + power(fmt.emax - p + 1)]


def cases(fmt: Format, rng: random.Random, most: int) -> Iterator[Case]:
    """Balls about the numbers of a format and the midpoints between them, on them and by little beside them."""
    places = []
    for x in numbers_of(fmt, rng):
        ulp = power(max(exponent_of(x), fmt.emin) - fmt.precision + 1)
        places += [(x + s * ulp / 2, ulp) for s in (-1, 0, 1)] + [(x - ulp / 4, ulp)]
    for _ in range(most):
        (place, ulp), sign = rng.choice(places), rng.choice([-1, 1])
        beside = rng.choice([0, -1, 1]) * ulp * power(-rng.choice([2, 20, 40, 50, 51, 60, 80, 200]))
        middle = sign * (place + beside)
        if not middle:
            continue
        distance = abs(beside) or ulp * power(-rng.choice([23, 60, 90, 300]))
        factor = rng.choice([0.0, 0.5, 1 - 2.0**-20, 1 - 2.0**-40, 1.0, 1 + 2.0**-20, 2.0])
        radius = min(distance * Fraction(factor), abs(middle) / 5)
        side = rng.randrange(-1, 2) if radius else 0
        exponent = rng.choice([0, 0, exponent_of(middle), exponent_of(middle) + 3, -40])
        if radius == Fraction(float(radius)) and exponent_of(radius or Fraction(1)) > -1074:
            made = case(middle, float(radius), exponent, side)
            if made is not None:
                yield made


def balls_of(given: list[Case], *, exponents: bool = True) -> BallArray:
    hi, lo, radius, exponent, side, *_ = zip(*given, strict=True)
    return BallArray(
        np.array(hi),
        np.array(lo),
        np.array(radius),
        np.array(exponent, np.int64) if exponents else None,
        np.array(side, np.int8),
    )


def certain(low: Fraction, high: Fraction, fmt: Format, *, clearly: bool = False) -> bool:
    """Does all of it round to one number, and lie where the ulp is one?"""
    one_ulp = exponent_of(low) == exponent_of(high) or max(map(exponent_of, (low, high))) < fmt.emin - clearly
    return low * high > 0 and nearest(low, fmt) == nearest(high, fmt) and one_ulp


def check(c: Case, found: Any, settled: Any, i: int, fmt: Format) -> None:
    head, tail, exponent, radius, below, above = (
        found[n][i].item() for n in ("head", "tail", "exponent", "radius", "below", "above")
    )
    if settled[i]:
        assert certain(c.low, c.high, fmt), c
        assert below == above == nearest(c.low, fmt), c
        if max(exponent_of(c.low), exponent_of(c.high)) >= fmt.emin:
            assert exponent == exponent_of(c.low), c
        assert 1 <= abs(head) < 2, c
        middle, unit = Fraction(head) + Fraction(tail), power(exponent)
        assert (middle - Fraction(radius)) * unit <= c.low, c
        assert (middle + Fraction(radius)) * unit >= c.high, c
        assert radius <= 2.0 ** -(fmt.precision + NARROW_BITS) or exponent < fmt.emin - fmt.precision - 1
    else:
        # What is left to the next rung is not clear without its side, or clear by less than one part in 2**25.
        unit = power(c.exponent)
        middle, reach = (Fraction(c.hi) + Fraction(c.lo)) * unit, Fraction(c.radius) * unit * (1 + power(-25))
        reach += abs(middle) * power(-102)
        narrow = Fraction(c.radius) * unit <= abs(middle) * power(-(fmt.precision + NARROW_BITS + 2))
        ulp = power(fmt.emax - fmt.precision + 1)
        held = -999 <= exponent_of(middle) <= 999 and abs(middle) < Fraction(fmt.largest) + ulp
        assert not (narrow and held and certain(middle - reach, middle + reach, fmt, clearly=True)), c


@every_format
@pytest.mark.parametrize("seed", [0, 1])
def test_settled_balls_are(fmt: Format, seed: int) -> None:
    given = list(cases(fmt, random.Random(seed), 4000))
    assert len(given) > 2000
    found, settled = of_balls(balls_of(given), fmt)
    assert 0.2 < np.mean(settled) < 0.95
    for i, c in enumerate(given):
        check(c, found, settled, i, fmt)


@every_format
def test_balls_are_settled_alone_as_among_others(fmt: Format) -> None:
    """There are shorter ways for arrays without this or that."""
    given = list(cases(fmt, random.Random(2), 400))
    found, settled = of_balls(balls_of(given), fmt)
    for i, c in enumerate(given):
        alone, decided = of_balls(balls_of([c], exponents=bool(c.exponent)), fmt)
        assert decided[0] == settled[i], c
        for name in found if settled[i] else ():
            assert alone[name][0] == found[name][i], (name, c)


@every_format
def test_exact_ties_go_to_even_and_sides_decide_the_others(fmt: Format) -> None:
    """Every midpoint of a small format, two binades of the others: exactly, from above and from below."""
    p = fmt.precision
    if p == 53:
        pytest.skip("a midpoint of float64 is no double")
    small = p < 8
    exponents = range(fmt.emin, fmt.emax + 1) if small else (fmt.emin, 0, fmt.emax - 1)
    whole = range(2 ** (p - 1), 2**p) if p <= 11 else range(2 ** (p - 1), 2 ** (p - 1) + 500)
    k = np.array([(n, e) for e in exponents for n in whole], np.float64)
    middle = (k[:, 0] + 0.5) * 2.0 ** (k[:, 1] - p + 1)
    for side, radius in ((0, 0.0), (1, 1e-30), (-1, 1e-30)):
        x = BallArray(middle, None, middle * radius, None, np.full(len(middle), side, np.int8))
        found, settled = of_balls(x, fmt)
        up = (k[:, 0] % 2 == 1) if side == 0 else np.full(len(k), side > 0)
        wanted = (k[:, 0] + up) * 2.0 ** (k[:, 1] - p + 1)
        wanted = np.where(wanted > fmt.largest, INF, wanted)
        assert settled.all()
        assert np.array_equal(found["below"], wanted)
        mirrored, _ = of_balls(-x, fmt)
        assert np.array_equal(mirrored["below"], -wanted)


def one(
    fmt: str, hi: float, lo: float = 0.0, radius: float = 0.0, exponent: int = 0, side: int = 0
) -> tuple[dict[str, Any], bool]:
    x = BallArray(np.array([hi]), np.array([lo]), np.array([radius]), np.array([exponent]), np.array([side], np.int8))
    found, settled = of_balls(x, FORMATS[fmt])
    return {name: values[0].item() for name, values in found.items()}, bool(settled[0])


def test_what_is_lost_in_scaling_is_not_called_a_tie() -> None:
    """(1 + 2**-24) 2**900, and something that no double scaled down to [1, 2) can show."""
    hi = (1 + 2.0**-24) * 2.0**900
    for name in ("lo", "radius"):
        for size in (-300, -1000, -1074):
            assert not one("float32", hi, **{name: 2.0**size}, exponent=-900)[1]
    found, settled = one("float32", hi, 2.0**-50, exponent=-900)
    assert settled
    assert found["below"] == 1 + 2.0**-23
    assert one("float32", hi, exponent=-900)[0]["below"] == 1.0
    # Just below a power of two, by less than a double can show: not in the binade above.
    assert not one("float64", 2.0**950, -(2.0**-300))[1]


def test_a_power_of_two_with_more_bits_below_it_than_a_tail_has() -> None:
    """1 - 2**-80 - 2**-132: as 2 - 2**-52 and a tail it does not fit, so that the radius grows."""
    lo = -(2.0**-80) * (1 + 2.0**-52)
    found, settled = one("float32", 1.0, lo)
    assert settled
    assert (found["exponent"], found["below"]) == (-1, 1.0)
    exact = (1 + Fraction(lo)) * 2
    middle = Fraction(found["head"]) + Fraction(found["tail"])
    assert abs(exact - middle) <= Fraction(found["radius"])
    # A tie of float64 that only looks like one.
    lo = -(2.0**-54) * (1 - 2.0**-53)
    for side in (-1, 1):
        found, settled = one("float64", 1.0, lo, 2.0**-200, side=side)
        assert not settled or found["below"] == 1.0


def test_large_and_tiny_numbers_in_one_array() -> None:
    fmt = FORMATS["float64"]
    x = BallArray(np.array([1.5, 1.5, 1.25, 1.5]), None, np.zeros(4), np.array([900, -1060, 1000, -(2**40)]))
    found, settled = of_balls(x, fmt)
    assert settled.all()
    assert found["below"].tolist() == [1.5 * 2.0**900, 1.5 * 2.0**-1060, 1.25 * 2.0**1000, 0.0]
    assert found["exponent"].tolist() == [900, -1060, 1000, -(2**40)]


def test_exact_zeros_and_infinities() -> None:
    x = BallArray(np.array([0.0, INF, -INF, 0.0, INF, 1.0, NAN, 1.0]), None, np.array([0, 0, 0, 0.1, INF, INF, 0, NAN]))
    for fmt in FORMATS.values():
        found, settled = of_balls(x, fmt)
        assert settled.tolist() == [True] * 3 + [False] * 5
        assert (
            found["below"][:3].tolist() == found["above"][:3].tolist() == found["head"][:3].tolist() == [0, INF, -INF]
        )
        for name in ("tail", "exponent", "radius"):
            assert not found[name][:3].any()
    found, settled = of_balls(BallArray(np.array([0.0, -INF, 2.0])), FORMATS["float32"])
    assert settled.all()
    assert found["below"].tolist() == [0, -INF, 2]


def test_what_no_double_is_scaled_from_is_left() -> None:
    x = BallArray(np.array([5e-324, 2.0**-1022, 2.0**-1001, 2.0**1023, 2.0**-1000 * 1.5, 2.0**1000 * 1.5]))
    assert of_balls(x, FORMATS["float64"])[1].tolist() == [False, False, False, False, True, True]


def test_a_wide_ball_is_settled_only_far_below_the_format() -> None:
    """Even there it tells relative errors to 2**-20."""
    for name, fmt in FORMATS.items():
        e, width = fmt.emin - fmt.precision, 2.0 ** -max(fmt.precision + 3, 21)
        for exponent, settled in ((e - 2, True), (e - 500, True), (0, False)):
            found, got = one(name, 1.5, 0.0, width, exponent)
            assert got == settled
            assert not got or found["below"] == 0
        assert not one(name, 1.5, 0.0, 2.0**-19, e - 500)[1]
        limit = 2.0 ** -(fmt.precision + NARROW_BITS)
        assert [one(name, 1.25 + 2.0**-fmt.precision / 4, 0.0, limit * s)[1] for s in (1, 1.01)] == [True, False]


@every_format
def test_no_ball_is_decided_that_reaches_another_midpoint(fmt: Format) -> None:
    """Beyond the one next to its middle: past it, on the other side, or below a power of two, where they are closer."""
    u, v = fmt.unit_roundoff, 2.0**-54
    past = (1 + u, 0.0, 0.1, 1), (-1 - u, 0.0, 0.1, -1)
    other = (1.5, -v, u - v / 2, 0), (1.5, v, u - v / 2, 0), (-1.5, v, u - v / 2, 0)
    below = (1.0, 0.0, 0.75 * u, 0), (1.0, v, 0.75 * u, 0), (-1.0, 0.0, 0.75 * u, 0)
    for hi, lo, radius, side in (*past[: 2 * (u > 2.0**-53)], *other[: 3 * (u > v)], *below):
        x = BallArray(*(np.array([n]) for n in (hi, lo, radius)), None, np.array([side], np.int8))
        assert not rounded(x, fmt).decided[0], (hi, lo, radius, side)
    # As near as it may be to the closest midpoint, and no nearer.
    assert rounded(BallArray(np.array([1.0]), None, np.array([min(u, 2.0**-18) / 5])), fmt).decided[0]


# The rungs on rows


def test_a_truth_that_all_but_cancels_has_its_relative_error() -> None:
    """exp(m) and the others, chosen greedily, add up to 1 - 1e-32: far below float16, and no ball holds its bits."""
    near = [-16.640625, -21.921875, -27.484375, -33.9375, -41.84375, -45.59375]
    row = [-(2.0**-24), *near, -49.09375, -52.96875, -58.75, -62.3125, -66.125, -70.8125]
    with mpmath.workprec(400):
        truth = mpmath.log(mpmath.fsum(mpmath.exp(x) for x in row))
        relative = float((truth - row[0]) / abs(truth))
    assert -2e-32 < truth < 0
    report = overflowscope.compare([row], operations="logsumexp", formulations="shifted", dtypes=["float16"])
    (result,) = report.results
    assert result.worst is not None
    assert result.worst.got == row[0]
    assert result.relative.max == pytest.approx(relative, rel=2.0**-20, abs=0)


@pytest.mark.parametrize("words", [1, 2])
def test_rungs_keep_the_numpy_settings_and_warn_of_nothing(words: int) -> None:
    """pytest makes errors of warnings."""
    operation = catalogue.named("log_softmax")
    rows = np.array([[0.0, -INF, 3.0], [1e30, -1e30, 2.0], [5e-324, 0.0, -5e-324], [700.0, -700.0, 1e-300]])
    for fmt in FORMATS.values():
        with np.errstate(all="raise"):
            before = np.geterr()
            by_balls(operation, (rows,), fmt, words)
            assert np.geterr() == before
            assert before["over"] == "raise"


@every_format
@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("name", ["softmax", "logsumexp", "log_softmax", "cross_entropy"])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_both_rungs_enclose_the_same(name: str, words: int, fmt: Format, scale: float) -> None:
    operation = catalogue.named(name)
    rng = np.random.default_rng(5)
    x = round_to(rng.normal(size=(40, 6)) * min(scale, fmt.largest / 8), fmt)
    x[3, 2] = -INF
    labels = np.concatenate([np.zeros(20, np.int64), np.full(20, 5)])
    arguments = operation.arguments(x, labels)
    fast, settled = by_balls(operation, arguments, fmt, words)
    slow, sure = by_intervals(operation, arguments, fmt, 400)
    assert settled.mean() > 0.9 or words == 1
    for i in zip(*np.nonzero(settled & sure), strict=True):
        assert fast["below"][i] == fast["above"][i] == slow["below"][i]
        if not math.isfinite(slow["head"][i]):
            assert fast["head"][i] == slow["head"][i]
            continue
        one_end, other = (
            [
                (Fraction(f["head"][i]) + Fraction(f["tail"][i]) + s * Fraction(f["radius"][i])) * two(f, i)
                for s in (-1, 1)
            ]
            for f in (fast, slow)
        )
        assert one_end[0] <= other[1]
        assert other[0] <= one_end[1]
        assert fast["exponent"][i] == slow["exponent"][i] or fast["exponent"][i] < fmt.emin


def two(found: Any, i: Any) -> Fraction:
    return power(int(max(found["exponent"][i], -20000)))


def test_intervals_that_do_not_decide_say_so() -> None:
    operation = catalogue.named("softmax")
    with pytest.raises(Indeterminate):
        by_intervals(operation, (np.array([[INF, -INF]]),), FORMATS["float64"], 64)
    assert NARROW == 2.0**-80
    assert FAR == 2**40
