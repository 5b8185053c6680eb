"""Operations on enclosures in the extended reals: judged by Arb at many more bits, at infinities by IEEE 754."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath.libmp import from_man_exp
from test_intervals import arb, elements, ends, exactly, interval, members, numbers

from overflowscope.arithmetic.elements import point
from overflowscope.arithmetic.extended import INFINITE, LINE, NEGATIVE_INFINITE, UNDEFINED, ZERO
from overflowscope.arithmetic.extended_functions import whole
from overflowscope.arithmetic.extended_waves import Waves
from overflowscope.arithmetic.intervals import Element

flint = pytest.importorskip("flint")
INF = math.inf
X = Waves(128)
FINE = 2000


def judged(name: str, *operands: Fraction) -> Any:
    """Arb's value, at many bits."""
    with flint.ctx.workprec(FINE):
        return JUDGES[name](*(flint.arb(flint.fmpq(x.numerator, x.denominator)) for x in operands))


def log(base: int) -> Callable[[Any], Any]:
    return lambda x: x.log() / flint.arb(base).log()


def log_of_sum(a: Any, b: Any) -> Any:
    most = a.max(b)
    return most + ((a - most).exp() + (b - most).exp()).log()


JUDGES: dict[str, Callable[..., Any]] = {
    **{n: lambda x, n=n: getattr(x, n)() for n in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sinh", "cosh")},
    **{n: lambda x, n=n: getattr(x, n)() for n in ("sin", "cos", "tan", "erf")},
    "arctan": lambda x: x.atan(),
    "exp2": lambda x: flint.arb(2) ** x,
    "log2": log(2),
    "log10": log(10),
    "cbrt": lambda x: x.root(3) if x >= 0 else -((-x).root(3)),
    "expit": lambda x: 1 / (1 + (-x).exp()),
    "square": lambda x: x * x,
    "absolute": abs,
    "reciprocal": lambda x: 1 / x,
    "negative": lambda x: -x,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "maximum": lambda a, b: a.max(b),
    "minimum": lambda a, b: a.min(b),
    "fmax": lambda a, b: a.max(b),
    "fmin": lambda a, b: a.min(b),
    "hypot": lambda a, b: (a * a + b * b).sqrt(),
    "logaddexp": log_of_sum,
    "power": lambda a, b: a**b,
}
ONE_OPERAND = [n for n in JUDGES if n not in ("add", "subtract", "multiply", "divide", "hypot", "logaddexp", "power")]
ONE_OPERAND = [n for n in ONE_OPERAND if not n.startswith(("max", "min", "fm"))]
TWO_OPERANDS = [n for n in JUDGES if n not in ONE_OPERAND]


def holds(found: Element, truth: Any) -> bool:
    """Whether a ball can be in an enclosure, and where it is narrow the enclosure says something of use."""
    if not truth.is_finite():
        return True
    if found == UNDEFINED or found in (INFINITE, NEGATIVE_INFINITE):
        return False
    return bool(found == LINE or arb(found[0]).union(arb(found[1])).overlaps(truth))


def moderate(e: Element) -> Element:
    """Scaled to where exponentials can be judged at some thousand bits: below 1024."""
    scale = max((abs(v) for v in ends(e)), default=0)
    if scale < 1024:
        return e
    shift = math.ceil(math.log2(scale)) - 10
    low, high = ((f[0], f[1], f[2] - shift, f[3]) if f[1] else f for f in e[:2])
    return low, high, e[2], e[3]


@pytest.mark.parametrize("name", ONE_OPERAND)
@settings(max_examples=150, deadline=None)
@given(a=elements())
def test_functions_hold_the_image(name: str, a: Element) -> None:
    a = moderate(a)
    found = getattr(X, name)(a)
    for x in members(a):
        assert holds(found, judged(name, x)), x


@pytest.mark.parametrize("name", TWO_OPERANDS)
@settings(max_examples=100, deadline=None)
@given(a=elements(), b=elements())
def test_functions_of_two_hold_the_image(name: str, a: Element, b: Element) -> None:
    a, b = (moderate(a), moderate(b)) if name in ("logaddexp", "power") else (a, b)
    found = getattr(X, name)(a, b)
    for x in members(a):
        for y in members(b):
            if not (name == "power" and abs(x) > 0 and abs(float(y) * math.log2(abs(x))) > 2**20):
                assert holds(found, judged(name, x, y)), (x, y)


@pytest.mark.parametrize("name", ONE_OPERAND)
@settings(max_examples=100, deadline=None)
@given(x=numbers())
def test_functions_of_a_point_are_narrow(name: str, x: Fraction) -> None:
    e = moderate(exactly(x))
    x = ends(e)[0]
    truth = judged(name, x)
    if truth.is_finite() and truth.rel_accuracy_bits() > 1000:
        low, high = map(arb, getattr(X, name)(e)[:2])
        with flint.ctx.workprec(FINE):
            assert high - low <= abs(truth) * flint.arb(2) ** -110


@settings(max_examples=200, deadline=None)
@given(x=numbers(20), y=st.sampled_from([0.5, 0.25, 1 / 3, -0.5, -1 / 3, 2.5, 7, -3, 2, 40, -1]))
def test_powers_of_points_are_narrow(x: Fraction, y: float) -> None:
    if x == 0 or (x < 0 and y != int(y)):
        return
    low, high = map(arb, X.power(exactly(x), point(y))[:2])
    truth = judged("power", x, Fraction(y))
    with flint.ctx.workprec(FINE):
        assert low <= truth.upper()
        assert truth.lower() <= high
        assert high - low <= abs(truth) * flint.arb(2) ** -110


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "arctan", "erf"])
@pytest.mark.parametrize("bits", [64, 256])
def test_waves_of_awkward_numbers(name: str, bits: int) -> None:
    """Doubles next to multiples of half of pi, huge, tiny and in the tails, none of which comes out rational."""
    near = [math.pi * k / 2 for k in (1, 2, 3, 11, 22, 355)] + [6381956970095103 * 2.0**797, 1e300, 1e-300, 30.0]
    for x in [s * v for v in (*near, 5e-324, 1.0, 1e-20, 6.0) for s in (1, -1)]:
        low, high = map(arb, getattr(Waves(bits), name)(point(x))[:2])
        truth = judged(name, Fraction(x))
        with flint.ctx.workprec(FINE):
            assert low < truth < high, x
            assert high - low < abs(truth) * flint.arb(2) ** (4 - bits), x


# What has no value, and infinities

SPECIAL = [INF, -INF, 0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, math.nan]
IEEE = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "power", "hypot", "logaddexp"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "tanh", "sinh", "cosh", "absolute", "negative"),
    *("square", "reciprocal", "cbrt", "sign", "floor", "ceil", "rint", "trunc"),
    *("sin", "cos", "tan"),
)


@pytest.mark.parametrize("name", IEEE)
def test_at_infinities_ieee_holds(name: str) -> None:
    """Where float64 gives nan there is no value, and an infinity is one; 1 to an infinite power, a nan to the power 0
    and the hypotenuse of an infinity and nan are IEEE's own affair."""
    ufunc = getattr(np, name)
    count = ufunc.nin
    for values in np.array(np.meshgrid(*[SPECIAL] * count)).reshape(count, -1).T.tolist():
        with np.errstate(all="ignore"):
            wanted = float(ufunc(*values))
        found = getattr(X, name)(*map(point, values))
        if name in ("power", "hypot") and any(v != v for v in values):
            continue
        if name == "power" and found == LINE:
            assert INF in map(abs, values)
            continue
        if wanted != wanted:
            assert found == UNDEFINED, values
        elif math.isinf(wanted):
            assert found == point(wanted), values
        else:
            low, high = ends(found)
            assert low - Fraction(1, 10**12) <= wanted <= high + Fraction(1, 10**12), values


def test_what_is_not_known_stays_unknown() -> None:
    for name in ("exp", "log", "sqrt", "negative", "absolute", "tanh", "floor", "square"):
        assert getattr(X, name)(LINE) == LINE
        assert getattr(X, name)(UNDEFINED) == UNDEFINED
    for name in ("add", "multiply", "divide", "maximum", "power"):
        assert getattr(X, name)(LINE, exactly(2)) == LINE
        assert getattr(X, name)(UNDEFINED, LINE) == UNDEFINED


def test_beside_a_pole_nothing_is_known() -> None:
    around = interval(-1, 1)
    assert X.divide(exactly(1), around) == LINE
    assert X.divide(INFINITE, around) == LINE
    assert X.multiply(INFINITE, around) == LINE
    assert X.log(around) == LINE
    assert X.log(interval(0, 1)) == LINE
    assert X.sqrt(around) == LINE
    assert X.log1p(interval(-2, 1)) == LINE
    assert X.power(around, point(0.5)) == LINE
    assert X.log1p(interval(-1, 1, lo_open=True)) == LINE


def test_numbers_beyond_every_exponent_range() -> None:
    huge = exactly(Fraction(2) ** 5000)
    assert X.exp(huge) == LINE
    low_end, high_end, low_open, _ = X.exp(X.negative(huge))
    assert low_end == ZERO[0]
    assert low_open
    assert high_end[2] < -(2**4000)
    assert ends(X.tanh(huge))[1] == 1
    tower = X.exp(X.exp(exactly(100)))
    low, high = ends(X.log(X.log(tower)))
    assert low <= 100 <= high
    assert high - low < Fraction(1, 2**100)
    softplus = X.log1p(X.exp(exactly(10**6)))
    low, high = ends(softplus)
    assert 10**6 - Fraction(1, 2**90) < low <= 10**6 < high < 10**6 + Fraction(1, 2**90)


def test_exact_results_are_points() -> None:
    """A sum of floats, a product of some, and what cancels in them is known, whatever their exponents."""
    wide = X.total([point(v) for v in (1e300, 1.0, -1e300, 5e-324, -1.0)])
    assert ends(wide) == (Fraction(5e-324),) * 2
    assert X.subtract(X.add(point(1e300), point(1e-300)), point(1e300)) == exactly(Fraction(1e-300))
    assert X.power(point(0.1), point(3.0)) == exactly(Fraction(0.1) ** 3)
    assert X.log2(exactly(Fraction(1, 1024))) == whole(-10)
    assert X.log10(exactly(10**20)) == whole(20)
    assert X.exp2(exactly(-5)) == exactly(Fraction(1, 32))
    assert X.sqrt(exactly(Fraction(9, 4))) == exactly(Fraction(3, 2))
    assert X.mean([point(0.1)] * 3) == point(0.1)
    assert X.variance([point(0.1)] * 7) == ZERO


@settings(max_examples=300, deadline=None)
@given(terms=st.lists(elements(), max_size=6), shift=st.integers(-3000, 3000))
def test_sums_hold_every_sum(terms: list[Element], shift: int) -> None:
    terms = [
        t if i else tuple(from_man_exp(-m if s else m, e + shift) for s, m, e, _ in t[:2]) + t[2:]
        for i, t in enumerate(terms)
    ]  # type: ignore[misc]
    low, high = ends(X.total(terms))
    assert low <= sum(ends(t)[0] for t in terms)
    assert sum(ends(t)[1] for t in terms) <= high
    size = max((abs(v) for t in terms for v in ends(t)), default=Fraction(0))
    assert high - low <= sum(ends(t)[1] - ends(t)[0] for t in terms) + size * Fraction(1, 2**120)


def test_whole_numbers_where_they_are_decided() -> None:
    assert X.floor(interval(2, 3, hi_open=True)) == whole(2)
    assert X.floor(interval(2, 3)) == LINE
    assert X.floor(interval(-0.5, -0.25)) == whole(-1)
    assert X.ceil(interval(2, 3, lo_open=True)) == whole(3)
    assert X.rint(exactly(2.5)) == whole(2)
    assert X.rint(exactly(3.5)) == whole(4)
    assert X.trunc(interval(-0.5, 0.5)) == ZERO
    assert X.remainder(exactly(-7), exactly(3)) == whole(2)
    assert X.fmod(exactly(-7), exactly(3)) == whole(-1)
    assert X.floor_divide(exactly(-7), exactly(2)) == whole(-4)
    assert X.sign(interval(0, 1)) == LINE
    assert X.sign(interval(0, 1, lo_open=True)) == whole(1)


def test_sizes_know_which_end_they_miss() -> None:
    """Of [-2, 1] the largest size is that of the lower end, and of [-1, 1] that of both."""
    for lo, hi, lo_open, hi_open, missed in (
        (-2, 1, True, False, True),
        (-2, 1, False, True, False),
        (-1, 2, True, False, False),
        (-1, 2, False, True, True),
        (-1, 1, True, False, False),
        (-1, 1, True, True, True),
    ):
        size = X.absolute(interval(lo, hi, lo_open=lo_open, hi_open=hi_open))
        assert ends(size) == (0, max(-lo, hi))
        assert size[2:] == (False, missed)


def test_the_middle_one() -> None:
    assert X.median([exactly(v) for v in (3, 1, 2)]) == whole(2)
    assert X.median([exactly(v) for v in (4, 1, 2, 3)]) == exactly(2.5)
    low, high = ends(X.median([interval(0, 4), exactly(1), exactly(3)]))
    assert (low, high) == (1, 3)
    assert X.median([]) == UNDEFINED
