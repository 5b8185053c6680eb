"""Decimal digits against Python's decimal module, exact fractions and Arb."""

from __future__ import annotations

import decimal
import itertools
import math
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath.libmp import finf, fninf, from_int, from_man_exp, fzero, mpf_neg

from overflowscope.arithmetic.decimals import NEAR, decided, ladder, of_rational
from overflowscope.arithmetic.intervals import Element, point

Q = decimal.Decimal


def wanted(value: Fraction, digits: int) -> Q:
    """By the decimal module: a quotient, correctly rounded to nearest, ties to even."""
    context = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_EVEN, Emax=10**9, Emin=-(10**9))
    return context.divide(Q(value.numerator), Q(value.denominator))


def dyadic(man: int, exponent: int) -> Any:
    return from_man_exp(man, exponent)


@settings(max_examples=400, deadline=None)
@given(st.fractions(), st.integers(1, 40))
@example(Fraction(1, 160), 2)
@example(Fraction(25, 10), 1)
@example(Fraction(35, 10), 1)
@example(Fraction(-9995, 1000), 3)
@example(Fraction(9985, 1000), 3)
@example(Fraction(10**30), 5)
@example(Fraction(1, 3**50), 25)
def test_rationals_round_as_the_decimal_module_does(value: Fraction, digits: int) -> None:
    text = of_rational(value, digits)
    assert Q(text) == wanted(value, digits)
    assert text.lstrip("-0.").replace(".", "").partition("e")[0].rstrip("0") or value == 0


@settings(max_examples=400, deadline=None)
@given(st.floats(allow_nan=False), st.integers(1, 40))
@example(0.0, 3)
@example(-0.0, 3)
@example(math.inf, 3)
@example(-math.inf, 3)
@example(2.5, 1)
@example(5e-324, 17)
@example(1.7976931348623157e308, 100)
def test_doubles_round_as_the_decimal_module_does(x: float, digits: int) -> None:
    text = decided(point(x), digits)
    assert text is not None
    if math.isinf(x):
        assert text == str(x)
        return
    assert Q(text) == wanted(Fraction(x), digits)
    # Zeros at the end are cut where, and only where, the digits are the number.
    significand = text.lstrip("-").partition("e")[0].replace(".", "").lstrip("0")
    if Fraction(text) != Fraction(x):
        assert len(significand) == digits


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        ("1/2", 5, "0.5"),
        ("1/3", 5, "0.33333"),
        ("2/3", 1, "0.7"),
        ("1/10000", 3, "0.0001"),
        ("1/30000", 3, "3.33e-5"),
        ("1/100000", 3, "1e-5"),
        ("1/1024", 2, "0.00098"),
        ("1000", 4, "1000"),
        ("1000", 3, "1e3"),
        ("-1250", 2, "-1.2e3"),
        ("-12.5", 3, "-12.5"),
        ("120", 3, "120"),
        ("99999", 3, "1.00e5"),
        ("999.95", 4, "1000"),
        ("999.951", 4, "1000"),
        ("12345/7", 6, "1763.57"),
        ("0", 9, "0"),
    ],
)
def test_how_numbers_look(value: str, digits: int, text: str) -> None:
    assert of_rational(Fraction(value), digits) == text


def between(lo: Any, hi: Any, above: bool = True, below: bool = True) -> Element:
    return lo, hi, above, below


def test_a_tie_is_decided_by_the_end_that_is_missed() -> None:
    """2.5 and 3.5 at one digit; above a tie rounds up, below it down, whatever is even."""
    tiny = dyadic(1, -3000)
    for tie, down, up in ((5, "2", "3"), (7, "3", "4")):
        half = dyadic(tie, -1)
        over, under = dyadic((tie << 2999) + 1, -3000), dyadic((tie << 2999) - 1, -3000)
        assert decided(between(half, over), 1) == up
        assert decided(between(under, half), 1) == down
        assert decided(between(mpf_neg(over), mpf_neg(half)), 1) == f"-{up}"
        assert decided(between(mpf_neg(half), mpf_neg(under)), 1) == f"-{down}"
        assert decided(between(under, over), 1) is None
    # The even neighbour of 2.5 is below, so that an end that may be the number decides nothing.
    assert decided(between(dyadic(5, -1), dyadic((5 << 2999) + 1, -3000), above=False), 1) is None
    assert decided(between(dyadic(7, -1), dyadic((7 << 2999) + 1, -3000), above=False), 1) == "4"
    over, under = dyadic((5 << 2999) + 1, -3000), dyadic((5 << 2999) - 1, -3000)
    assert decided(between(mpf_neg(over), mpf_neg(dyadic(5, -1)), True, False), 1) is None
    assert decided(between(mpf_neg(over), mpf_neg(dyadic(5, -1)), False, True), 1) == "-3"
    assert decided(between(mpf_neg(dyadic(5, -1)), mpf_neg(under), False, True), 1) == "-2"
    assert decided(between(fzero, tiny), 1) is None
    assert decided(between(mpf_neg(tiny), tiny), 1) is None


def test_digits_that_are_not_known_to_be_the_number_stay() -> None:
    assert decided(between(from_int(4), dyadic((4 << 300) + 1, -300)), 5) == "4.0000"
    assert decided(between(from_int(4), dyadic((4 << 300) + 1, -300), above=False), 5) == "4.0000"
    assert decided(between(dyadic((4 << 300) - 1, -300), from_int(4), below=False), 5) == "4.0000"
    assert decided(between(from_int(4), from_int(4), False, False), 5) == "4"
    # Just below a power of ten, and just above.
    ten = from_int(1000)
    assert decided(between(dyadic((1000 << 300) - 1, -300), ten), 5) == "1000.0"
    assert decided(between(ten, dyadic((1000 << 300) + 1, -300)), 5) == "1000.0"
    assert decided(between(dyadic((1000 << 300) - 1, -300), dyadic((1000 << 300) + 1, -300)), 5) == "1000.0"
    assert decided(between(from_int(1), from_int(2)), 1) is None
    assert decided(between(from_int(1), from_int(8)), 1) is None
    assert decided(between(from_int(1), finf), 1) is None
    assert decided(between(fninf, from_int(1)), 1) is None


@pytest.mark.parametrize("exponent", [-NEAR - 300, -NEAR, 1 - NEAR, NEAR, -400000, 10**6, -(2**40), -(2**80), 2**70])
@pytest.mark.parametrize("digits", [1, 2, 17, 100])
def test_huge_exponents(exponent: int, digits: int) -> None:
    """Each printed number is within half of its last digit of the truth, in Arb at many more bits."""
    flint = pytest.importorskip("flint")
    man = int("c90fdaa22168c234c4c6628b80dc1cd1" * 4, 16)
    element = between(dyadic(man * 2**300, exponent - 300), dyadic(man * 2**300 + 1, exponent - 300))
    text = decided(element, digits)
    assert text is not None
    significand, _, power = text.partition("e")
    q = int(significand.replace(".", ""))
    assert len(str(q)) == digits
    before = flint.ctx.prec
    flint.ctx.prec = 2000
    try:
        # In logarithms, because 2**(2**80) is beyond what a power can be: log(q 10**k / x) against log(1 -+ 1/(2q)).
        k = int(power) - digits + 1
        log = flint.arb(q).log() + k * flint.arb(10).log() - flint.arb(man).log() - exponent * flint.arb(2).log()
        half = flint.arb(1) / (2 * q)
        # |q 10**k - x| < 10**k / 2 means 1 - 1/(2q) < x/(q 10**k) < 1 + 1/(2q).
        assert (-log).exp() > 1 - half
        assert (-log).exp() < 1 + half
    finally:
        flint.ctx.prec = before


def test_huge_exponents_of_short_numbers() -> None:
    """3 * 2**(2**1000): the working precision grows with the exponent, and not with the number."""
    mp = mpmath.mp.clone()
    mp.prec = 3000
    for sign in (1, -1):
        log10 = mp.log10(3) + sign * mp.mpf(2) ** 1000 * mp.log10(2)
        k = int(mp.floor(log10))
        for digits in (1, 5, 30):
            text = decided(point_of(dyadic(3, sign * 2**1000)), digits)
            assert text is not None
            significand, _, power = text.partition("e")
            assert int(power) - k in (0, 1)
            shown = mp.mpf(significand) * 10 ** (int(power) - k)
            assert abs(shown - mp.power(10, log10 - k)) <= mp.mpf(10) ** (1 - digits) / 2


def point_of(raw: Any) -> Element:
    return between(raw, raw, False, False)


def test_huge_exponents_that_are_not_decided() -> None:
    low = dyadic((1 << 100) + 1, -(10**6))
    assert decided(between(low, dyadic((1 << 100) + 2**80, -(10**6))), 5) == decided(point_of(low), 5)
    assert decided(between(low, dyadic((1 << 100) + 2**80, -(10**6))), 9) is None
    assert decided(between(low, dyadic(1 << 103, -(10**6))), 1) is None
    assert decided(between(low, dyadic(1, 10**6)), 1) is None


def test_the_ladder_reaches_what_ties_of_doubles_need() -> None:
    for digits in (1, 17, 25, 100, 1000):
        rungs = ladder(digits)
        assert rungs[0] >= digits * math.log2(10) + 64
        assert rungs[-1] >= rungs[0] + 4096
        assert all(b == 2 * a for a, b in itertools.pairwise(rungs))
