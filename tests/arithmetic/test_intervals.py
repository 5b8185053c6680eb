"""Every interval holds the truth, is as narrow as it can be, and claims to miss an end only where it does.

Exact operations are judged in Fractions, over members of the operands; exp, log and log1p by Arb (python-flint) at
hundreds of bits more, and once more by mpmath at 1500 bits, so that something judges them where Arb is absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath.libmp import finf, fnan, fninf, from_man_exp, fzero

from overflowscope.arithmetic import constant
from overflowscope.arithmetic.intervals import LINE, Arithmetic, Element, Indeterminate, Intervals, Raw, point

INF = math.inf
BITS = (64, 128, 512)
every_precision = pytest.mark.parametrize("bits", BITS)


def raw(x: Fraction) -> Raw:
    """A dyadic number as mpmath holds it."""
    shift = x.denominator.bit_length() - 1
    assert x.denominator == 1 << shift
    return from_man_exp(x.numerator, -shift)


def dyadic(man: int, exponent: int) -> Fraction:
    return man * Fraction(2) ** exponent


def exactly(x: Fraction | float) -> Element:
    return interval(x, x)


def interval(lo: Fraction | float, hi: Fraction | float, *, lo_open: bool = False, hi_open: bool = False) -> Element:
    return raw(Fraction(lo)), raw(Fraction(hi)), lo_open, hi_open


def value(end: Raw) -> Fraction | float:
    """An end as an exact number; the infinities as floats, which compare with Fractions."""
    assert end != fnan
    if end in (finf, fninf):
        return INF if end == finf else -INF
    sign, man, exponent, _ = end
    return dyadic(-int(man) if sign else int(man), int(exponent))


def ends(e: Element) -> tuple[Any, Any]:
    return value(e[0]), value(e[1])


def holds(e: Element, truth: Fraction | float) -> bool:
    lo, hi = ends(e)
    return (lo < truth if e[2] else lo <= truth) and (truth < hi if e[3] else truth <= hi)


def members(e: Element) -> list[Fraction]:
    """Numbers of a finite interval: its ends where they belong to it, numbers close to them, and some between."""
    lo, hi = ends(e)
    if lo == hi:
        return [lo]
    width = hi - lo
    inner = [lo + width / 2**60, lo + width / 3, hi - width / 2**60]
    return inner + ([] if e[2] else [lo]) + ([] if e[3] else [hi]) + ([Fraction(0)] if lo < 0 < hi else [])


def is_exactly(e: Element, number: Fraction | float) -> None:
    assert ends(e) == (number, number)
    assert e[2:] == (False, False)


# Sums, products and quotients, in Fractions


@st.composite
def numbers(draw: st.DrawFn, longest: int = 40) -> Fraction:
    man = draw(st.integers(-(2**longest), 2**longest) | st.sampled_from([0, 1, -1, 2]))
    return dyadic(man, draw(st.integers(-50, 50)))


@st.composite
def elements(draw: st.DrawFn) -> Element:
    """Points, and intervals with any of their ends missed."""
    if draw(st.booleans()):
        return exactly(draw(numbers()))
    lo, hi = sorted((draw(numbers()), draw(numbers())))
    if lo == hi:
        return exactly(lo)
    return interval(lo, hi, lo_open=draw(st.booleans()), hi_open=draw(st.booleans()))


precisions = st.sampled_from([2, 3, 5, 8, 13, 24, 53, 64, 128])
two_elements = settings(max_examples=400, deadline=None)

OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "maximum": max,
}


@pytest.mark.parametrize("name", OPERATIONS)
@two_elements
@given(a=elements(), b=elements(), bits=precisions)
def test_exact_operations_hold_every_result_and_are_narrow(name: str, a: Element, b: Element, bits: int) -> None:
    """Each end is the true one, or the next number of that many bits."""
    exactly = OPERATIONS[name]
    result = getattr(Arithmetic(bits), name)(a, b)
    others = [y for y in members(b) if name != "divide" or y]
    for x in members(a):
        for y in others:
            assert holds(result, exactly(x, y)), (x, y)
    if name == "divide" and holds((*b[:2], False, False), 0):
        assert result == LINE
        return
    lo, hi = ends(result)
    corners = [exactly(x, y) for x in ends(a) for y in ends(b)]
    ulp = Fraction(1, 2 ** (bits - 1))
    assert min(corners) - abs(min(corners)) * ulp <= lo <= min(corners)
    assert max(corners) <= hi <= max(corners) + abs(max(corners)) * ulp


@settings(max_examples=1000, deadline=None)
@given(
    man=st.integers(2**60, 2**90),
    tail=st.integers(-3, 3),
    small=st.integers(2**30, 2**200),
    top=st.integers(-20, 32),
    bits=st.sampled_from([8, 24, 53]),
)
def test_operands_longer_than_the_precision_add_outward(man: int, tail: int, small: int, top: int, bits: int) -> None:
    """Beside a rounded number, where a far smaller operand decides which way the sum goes."""
    beyond = man.bit_length() - bits
    large = Fraction((man >> beyond << beyond) + tail)
    other = small * Fraction(2) ** (top - small.bit_length())
    for sign in (1, -1):
        lo, hi = ends(Arithmetic(bits).add(exactly(large), exactly(sign * other)))
        assert lo <= large + sign * other <= hi


@two_elements
@given(a=elements())
def test_negative_mirrors(a: Element) -> None:
    lo, hi = ends(a)
    found = Arithmetic(64).negative(a)
    assert ends(found) == (-hi, -lo)
    assert found[2:] == (a[3], a[2])


@every_precision
def test_exact_results_have_no_width(bits: int) -> None:
    xp = Arithmetic(bits)
    is_exactly(xp.add(point(0.5), point(0.25)), Fraction(3, 4))
    is_exactly(xp.subtract(point(1e300), point(1e300)), 0)
    is_exactly(xp.multiply(point(-3.0), point(0.5)), Fraction(-3, 2))
    is_exactly(xp.multiply(point(0.0), point(1e308)), 0)
    is_exactly(xp.divide(point(1.0), point(1024.0)), Fraction(1, 1024))
    is_exactly(xp.divide(point(0.0), point(-7.0)), 0)
    is_exactly(xp.exp(point(0.0)), 1)
    is_exactly(xp.log(point(1.0)), 0)
    is_exactly(xp.log1p(point(0.0)), 0)
    is_exactly(point(-0.0), 0)


@every_precision
def test_a_sum_too_long_for_its_bits_misses_its_ends(bits: int) -> None:
    """m + t with a positive t far below m: strictly above m, which no number of bits would show."""
    xp = Arithmetic(bits)
    tiny = Fraction(1, 2**5000)
    above = xp.add(point(16777217.0), exactly(tiny))
    assert value(above[0]) == 16777217
    assert above[2]
    below = xp.subtract(point(16777217.0), exactly(tiny))
    assert value(below[1]) == 16777217
    assert below[3]
    assert holds(above, 16777217 + tiny)
    assert holds(below, 16777217 - tiny)


def test_an_open_tail_stays_open_through_a_sum() -> None:
    """d + t with t in (0, 1] and exact bits to spare: the end d is missed because t misses 0."""
    tail = interval(0, 1, lo_open=True)
    found = Arithmetic(128).add(point(3.0), tail)
    assert ends(found) == (3, 4)
    assert found[2:] == (True, False)
    mirrored = Arithmetic(128).subtract(point(3.0), tail)
    assert ends(mirrored) == (2, 3)
    assert mirrored[2:] == (False, True)


def test_the_maximum_of_overlapping_intervals() -> None:
    xp = Arithmetic(64)
    assert ends(xp.maximum(interval(0, 3), interval(1, 2))) == (1, 3)
    assert ends(xp.maximum(interval(1, 2), interval(0, 3))) == (1, 3)
    assert ends(xp.maximum(interval(0, 2), interval(1, 3))) == (1, 3)
    assert ends(xp.maximum(interval(0, 1), interval(2, 3))) == (2, 3)
    assert xp.maximum(interval(0, 1, lo_open=True), interval(0, 1))[2:] == (False, False)
    assert xp.maximum(interval(1, 3, lo_open=True, hi_open=True), interval(0, 2))[2:] == (True, True)
    assert xp.maximum(LINE, interval(2, 3)) == (raw(Fraction(2)), finf, False, False)


# exp, log, log1p, judged by Arb


def arb(x: Fraction | Raw) -> Any:
    """An exact ball."""
    flint = pytest.importorskip("flint")
    if isinstance(x, Fraction):
        x = raw(x)
    sign, man, exponent, _ = x
    return flint.arb(flint.arf((-int(man) if sign else int(man), int(exponent))))


FINER = 2500
"""Further bits for the judge, to whom 1 + 2**-2000 is still another number than 1."""


def truth(name: str, x: Fraction, precision: int) -> Any:
    flint = pytest.importorskip("flint")
    with flint.ctx.workprec(precision):
        return flint.arb(2) ** arb(x) if name == "exp2" else getattr(arb(x), name)()


def doubles(seed: int, low: float, high: float, count: int) -> list[Fraction]:
    """Of random magnitudes between 2**low and 2**high."""
    rng = np.random.default_rng(seed)
    return [Fraction(v) for v in (2.0 ** rng.uniform(low, high, count)).tolist()]


def signed(values: Iterable[Fraction]) -> list[Fraction]:
    return [s * v for v in values for s in (1, -1)]


LONG = Fraction(0xB504F333F9DE6484597D89B3754ABE9F1D6F60BA893BA84CED17AC8583339915, 2**256)  # 256 bits
ARGUMENTS: dict[str, list[Fraction]] = {
    "exp": signed(
        [
            *map(Fraction, (1.0, 0.5, 1e-300, 5e-324, 1e-30, 2.0**-64, 2.0**-128, 709.78, 745.13, 2936.0, 1e5, 1e9)),
            LONG,
            LONG * 1000,
            dyadic(3, -700),
            *doubles(1, -80, 20, 60),
        ]
    ),
    "log": [
        *map(Fraction, (2.0, 0.5, 1e-300, 5e-324, 1e300, math.e, 1 + 2.0**-52, 1 - 2.0**-53, 1 + 2.0**-30, 65504.0)),
        *(1 + s * dyadic(1, -k) for s in (1, -1) for k in (63, 64, 65, 127, 128, 129, 511, 512, 513, 600, 2000)),
        LONG,
        *doubles(2, -1000, 1000, 60),
        *(1 + x for x in signed(doubles(3, -40, -2, 30))),
    ],
    "log1p": [
        *signed(
            [
                *map(Fraction, (0.5, 1e-300, 1e-30, 5e-324, 2.0**-20, 1 - 2.0**-50)),
                *(dyadic(m, -k - 2) for m in (3, 4, 5) for k in (62, 63, 64, 65, 127, 128, 129, 511, 512, 513)),
                dyadic(1, -2000),
                LONG,
                *doubles(4, -700, -1, 60),
            ]
        ),
        *map(Fraction, (1.0, 9.0, 1e5, 1e300)),
    ],
    "exp2": signed(
        [
            *map(Fraction, (0.5, 1.5, 1e-300, 5e-324, 1e-30, 2.0**-64, 2.0**-128, 1023.75, 1074.5, 1e5 + 2.0**-30)),
            LONG,
            LONG * 1000,
            dyadic(3, -700),
            *doubles(5, -80, 20, 60),
        ]
    ),
    "expm1": signed(
        [
            *map(Fraction, (1.0, 0.5, 1e-300, 5e-324, 1e-30, 2.0**-64, 2.0**-128, 30.0, 36.7, 60.0)),
            *(dyadic(m, -k - 2) for m in (3, 4, 5) for k in (62, 63, 64, 65, 127, 128, 129, 511, 512, 513)),
            LONG,
            dyadic(3, -700),
            *doubles(6, -700, 5, 60),
        ]
    ),
}

each_function = pytest.mark.parametrize("name", ARGUMENTS)


@each_function
@every_precision
def test_points_enclose_the_truth_narrowly(name: str, bits: int) -> None:
    flint = pytest.importorskip("flint")
    for x in ARGUMENTS[name]:
        found = getattr(Arithmetic(bits), name)(exactly(x))
        ball = truth(name, x, bits + FINER)
        assert ball.rel_accuracy_bits() > bits + 100, x
        lo, hi = map(arb, found[:2])
        # Each of these values is irrational: strictly inside, whatever the flags say.
        assert lo < ball < hi, x
        with flint.ctx.workprec(bits + FINER):
            assert hi - lo < abs(ball) * flint.arb(2) ** (12 - bits), x


@each_function
@every_precision
def test_intervals_enclose_the_image_narrowly(name: str, bits: int) -> None:
    flint = pytest.importorskip("flint")
    arguments = sorted(set(ARGUMENTS[name]))
    truths = [truth(name, x, bits + FINER) for x in arguments]
    slack = flint.arb(2) ** (12 - bits)
    for i in range(len(arguments) - 40):
        for j in range(i + 1, i + 40, 9):
            operand = interval(arguments[i], arguments[j], lo_open=i % 2 == 0, hi_open=i % 3 == 0)
            lo, hi = map(arb, getattr(Arithmetic(bits), name)(operand)[:2])
            with flint.ctx.workprec(bits + FINER):
                assert truths[i] - abs(truths[i]) * slack < lo < truths[i]
                assert truths[j] < hi < truths[j] + abs(truths[j]) * slack


@each_function
@settings(max_examples=200, deadline=None)
@given(x=numbers(200), bits=st.sampled_from([8, 24, 53, 64, 100, 128, 256]))
def test_any_point(name: str, x: Fraction, bits: int) -> None:
    if name in ("exp", "expm1"):
        x = x / 2**150  # up to 2**100
        x = x / 2**94 if name == "expm1" else x  # to 2**6: exp(-2**100) is none of the judge's digits beside 1
    elif name == "exp2":
        x = x / 2**240
    elif name == "log":
        x = abs(x) or Fraction(1)
    else:
        x = x / 2**260 if x < 0 else x
    found = getattr(Arithmetic(bits), name)(exactly(x))
    if name == "exp2" and x.denominator == 1:
        is_exactly(found, Fraction(2) ** int(x))
        return
    if (name == "log" and x == 1) or (name != "log" and x == 0):
        is_exactly(found, 1 if name == "exp" else 0)
        return
    ball = truth(name, x, bits + 600)
    assert arb(found[0]) < ball < arb(found[1])


@every_precision
@pytest.mark.parametrize("x", [1e300, -1e300, 1.7e308, -1e18])
def test_exponentials_beyond_every_exponent_range(bits: int, x: float) -> None:
    """log of the ends against x: log(man) + exponent log 2, which stays a number of moderate size."""
    flint = pytest.importorskip("flint")
    found = Arithmetic(bits).exp(point(x))
    with flint.ctx.workprec(2500):
        lo, hi = (flint.arb(int(end[1])).log() + flint.arb(int(end[2])) * flint.arb.const_log2() for end in found[:2])
        assert lo < flint.arb(x) < hi
        assert hi - lo < flint.arb(2) ** (12 - bits)


@each_function
def test_mpmath_at_1500_bits_agrees(name: str) -> None:
    """Not rigorous, but hundreds of bits beyond what it judges."""
    mp = mpmath.mp.clone()
    mp.prec = 1500
    for x in ARGUMENTS[name][::5]:
        argument = mp.mpf(x.numerator) / x.denominator
        judged = mp.mpf(2) ** argument if name == "exp2" else getattr(mp, name)(argument)
        if judged in (0, 1):  # log(1 + 2**-2000), and the like, are beyond it
            continue
        for bits in BITS:
            lo, hi = ends(getattr(Arithmetic(bits), name)(exactly(x)))
            assert lo < value(judged._mpf_) < hi, x


@every_precision
def test_the_flags_of_functions_are_true(bits: int) -> None:
    """An exact value that an operand attains is not missed; one that the operand misses is."""
    xp = Arithmetic(bits)
    cases = [(xp.exp, interval(0, 1), 1), (xp.log1p, interval(0, 1), 0), (xp.log, interval(1, 2), 0)]
    cases += [(xp.exp2, interval(3, 3.5), 8), (xp.expm1, interval(0, 1), 0)]
    for function, operand, lowest in cases:
        found = function(operand)
        assert value(found[0]) == lowest
        assert not found[2]
        assert function((*operand[:2], True, False))[2]
    cases = [(xp.exp, interval(-1, 0), 1), (xp.log1p, interval(-0.5, 0), 0), (xp.log, interval(0.5, 1), 0)]
    cases += [(xp.exp2, interval(2.5, 3), 8), (xp.expm1, interval(-1, 0), 0)]
    for function, operand, highest in cases:
        found = function(operand)
        assert value(found[1]) == highest
        assert not found[3]
        assert function((*operand[:2], False, True))[3]


@every_precision
@pytest.mark.parametrize("k", [2, 100, 5000])
def test_log1p_of_a_tiny_number_is_strictly_between_the_lemmas_ends(bits: int, k: int) -> None:
    """t/(1 + t) < log(1 + t) < t for every t > -1 but 0: the tail that decides ties."""
    for sign in (1, -1):
        t = sign * dyadic(1, -bits - k)
        lo, hi, lo_open, hi_open = Arithmetic(bits).log1p(exactly(t))
        assert value(hi) == t
        assert hi_open
        assert value(lo) <= t / (1 + t)
        assert value(lo) < t
        assert lo_open or value(lo) < t / (1 + t)
        assert value(lo) * sign > 0


# Infinities and what has no value


@every_precision
def test_limits(bits: int) -> None:
    xp = Arithmetic(bits)
    is_exactly(xp.exp(point(-INF)), 0)
    is_exactly(xp.exp(point(INF)), INF)
    is_exactly(xp.log(point(0.0)), -INF)
    is_exactly(xp.log(point(INF)), INF)
    is_exactly(xp.log1p(point(INF)), INF)
    is_exactly(xp.exp2(point(-INF)), 0)
    is_exactly(xp.exp2(point(INF)), INF)
    is_exactly(xp.expm1(point(-INF)), -1)
    is_exactly(xp.expm1(point(INF)), INF)
    is_exactly(xp.maximum(point(-INF), point(1.0)), 1)
    is_exactly(xp.negative(point(INF)), -INF)
    lo, hi = ends(xp.log(interval(0, 1)))
    assert (lo, hi) == (-INF, 0)


@pytest.mark.parametrize("infinity", [INF, -INF])
@pytest.mark.parametrize("x", [5.0, -5.0, 0.0])
def test_an_infinity_plus_a_number_is_that_infinity(infinity: float, x: float) -> None:
    xp = Arithmetic(64)
    is_exactly(xp.add(point(infinity), point(infinity)), infinity)
    is_exactly(xp.add(point(infinity), point(x)), infinity)
    is_exactly(xp.add(point(x), point(infinity)), infinity)
    is_exactly(xp.subtract(point(infinity), point(x)), infinity)


@pytest.mark.parametrize("infinity", [INF, -INF])
def test_an_infinity_plus_an_unbounded_interval(infinity: float) -> None:
    """Every member gives that infinity, or there is no value: never an end that is no number."""
    xp = Arithmetic(64)
    for a, b in ((LINE, point(infinity)), (point(infinity), LINE)):
        try:
            found = xp.add(a, b)
        except Indeterminate:
            continue
        assert fnan not in found[:2]
        assert holds(found, infinity)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda xp: point(math.nan),
        lambda xp: xp.add(point(INF), point(-INF)),
        lambda xp: xp.add(point(-INF), point(INF)),
        lambda xp: xp.subtract(point(INF), point(INF)),
        lambda xp: xp.subtract(point(-INF), point(-INF)),
        lambda xp: xp.multiply(point(INF), point(0.0)),
        lambda xp: xp.multiply(point(0.0), point(-INF)),
        lambda xp: xp.divide(point(INF), point(INF)),
        lambda xp: xp.log(point(-1.0)),
        lambda xp: xp.log(point(-INF)),
        lambda xp: xp.log(interval(-1, 1)),
        lambda xp: xp.log1p(point(-1.0)),
        lambda xp: xp.log1p(point(-2.0)),
        lambda xp: xp.log1p(interval(-1, 1)),
        lambda xp: xp.log1p(LINE),
    ],
)
def test_what_has_no_value_is_said_so(attempt: Callable[[Arithmetic], Element]) -> None:
    with pytest.raises(Indeterminate):
        attempt(Arithmetic(64))


# Arrays of them


def array(xp: Intervals, values: Any) -> Any:
    return xp.asarray(np.array(values, np.float64))


@st.composite
def rows(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    value = st.floats(-1e6, 1e6, allow_nan=False)
    return np.array(draw(st.lists(value, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(x=rows())
def test_arrays_do_what_numpy_does(x: np.ndarray) -> None:
    xp = Intervals(64)
    e = xp.asarray(x)
    exact = [[Fraction(v) for v in row] for row in x.tolist()]
    for keepdims, axis in ((False, -1), (True, -1), (False, 0), (True, 0)):
        rows = exact if axis == -1 else [list(column) for column in zip(*exact, strict=True)]
        for name, function in (("sum", sum), ("max", max)):
            found = getattr(xp, name)(e, axis=axis, keepdims=keepdims)
            assert found.shape == getattr(np, name)(x, axis=axis, keepdims=keepdims).shape
            assert all(holds(f, function(r)) for f, r in zip(found.elements.ravel(), rows, strict=True))
        found = xp.argmax(e, axis=axis, keepdims=keepdims)
        np.testing.assert_array_equal(found, np.argmax(x, axis=axis, keepdims=keepdims))
    m = xp.max(e, axis=-1, keepdims=True)
    shifted = (e - m).elements
    assert shifted.shape == x.shape
    assert all(holds(f, v - max(r)) for row, r in zip(shifted, exact, strict=True) for f, v in zip(row, r, strict=True))
    ratio = ((e * e + e) / constant(e, "7/3")).elements
    for f, minus, v in zip(ratio.ravel(), (-e).elements.ravel(), map(Fraction, x.ravel().tolist()), strict=True):
        assert holds(f, (v * v + v) / Fraction(7, 3))
        assert holds(minus, -v)


def test_choices_move_elements_whole() -> None:
    xp = Intervals(64)
    x = np.array([[3.0, 1.0, 2.0], [5.0, 5.0, 4.0]])
    e = xp.exp(array(xp, x))
    k = np.array([[2], [0]])
    assert xp.take_along_axis(e, k, axis=-1).elements.tolist() == [[e.elements[0, 2]], [e.elements[1, 0]]]
    chosen = xp.where(x > 2, e, constant(e, "0")).elements
    assert chosen[0].tolist() == [e.elements[0, 0], point(0.0), point(0.0)]
    assert e[:, 1].shape == (2,)
    assert e[1, 2].shape == ()
    assert e[1, 2].elements[()] == e.elements[1, 2]
    assert xp.asarray(np.float64(2.0)).shape == ()
    assert (xp.asarray(np.float64(2.0)) + xp.asarray(np.float64(3.0))).elements[()] == point(5.0)
    np.testing.assert_array_equal(xp.arange(3), np.arange(3))


def test_argmax_takes_the_first_and_only_of_exact_numbers() -> None:
    xp = Intervals(64)
    assert xp.argmax(array(xp, [[1.0, 7.0, 7.0]]), axis=-1).tolist() == [1]
    with pytest.raises(Indeterminate, match="argmax"):
        xp.argmax(xp.exp(array(xp, [[1.0, 2.0]])), axis=-1)


@every_precision
@pytest.mark.parametrize("text", ["1/3", "-1/3", "1e-12", "0.1", "1e400", "-1e-400"])
def test_a_constant_is_enclosed(bits: int, text: str) -> None:
    xp = Intervals(bits)
    found = constant(array(xp, [1.0]), text)
    assert found.shape == ()
    lo, hi = ends(found.elements[()])
    assert lo <= Fraction(text) <= hi
    assert hi - lo <= abs(Fraction(text)) * Fraction(2) ** (2 - bits)


@pytest.mark.parametrize("text", ["0", "1", "-1", "0.5", "-3/4"])
def test_a_constant_of_few_bits_is_exact(text: str) -> None:
    xp = Intervals(64)
    is_exactly(constant(array(xp, [1.0]), text).elements[()], Fraction(text))


@every_precision
def test_the_constants_are_enclosed_narrowly(bits: int) -> None:
    flint = pytest.importorskip("flint")
    for name in ("ln2", "log2e"):
        lo, hi = map(arb, constant(array(Intervals(bits), [1.0]), name).elements[()][:2])
        with flint.ctx.workprec(bits + FINER):
            exact = flint.arb(2).log() if name == "ln2" else 1 / flint.arb(2).log()
            assert lo < exact < hi
            assert hi - lo < exact * flint.arb(2) ** (12 - bits)


def test_the_larger_of_two_arrays() -> None:
    xp = Intervals(64)
    a, b = array(xp, [[1.0, -INF, 3.0]]), array(xp, [[2.0]])
    assert xp.maximum(a, b).elements.tolist() == [[point(2.0), point(2.0), point(3.0)]]


@every_precision
@pytest.mark.parametrize("k", [2, 100, 5000])
def test_expm1_of_a_tiny_number_is_strictly_between_the_lemmas_ends(bits: int, k: int) -> None:
    for sign in (1, -1):
        t = sign * dyadic(1, -bits - k)
        lo, hi, lo_open, hi_open = Arithmetic(bits).expm1(exactly(t))
        assert value(lo) == t
        assert value(hi) >= t / (1 - t)
        assert lo_open
        assert hi_open


def test_namespace_functions_are_the_elements_own() -> None:
    xp = Intervals(128)
    for name in ARGUMENTS:
        found = getattr(xp, name)(array(xp, [[0.25, 3.0]])).elements
        own = getattr(Arithmetic(128), name)
        assert found.tolist() == [[own(point(0.25)), own(point(3.0))]]


def test_zero_keeps_no_sign() -> None:
    assert point(-0.0)[0] == fzero
