"""Radii are true and none too large: error/radius is at most 1 for every primitive, and a constant shrunk to a
sixteenth makes it exceed 1.

The judge is benchmarks/radius.py with Arb (python-flint); mpmath judges a few hundred elements wherever it is.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from overflowscope.arithmetic import ball_array, ball_functions, ball_sums
from overflowscope.arithmetic.ball_array import NAMED, BallArray, add, multiply, reciprocal
from overflowscope.arithmetic.ball_functions import exp, exp2, log, log1p
from overflowscope.arithmetic.ball_sums import total
from overflowscope.arithmetic.balls import Balls
from overflowscope.arithmetic.exp_table import HIGH, LOW, SIZE

Pair = tuple[Any, Any]


def the_judge() -> Any:
    """benchmarks/radius.py as a module."""
    pytest.importorskip("flint", reason="the judge of radii is python-flint")
    if "radius" not in sys.modules:
        path = Path(__file__).resolve().parents[2] / "benchmarks" / "radius.py"
        spec = importlib.util.spec_from_file_location("radius", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["radius"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["radius"])
    return sys.modules["radius"]


PRIMITIVES = ("reciprocal", "exp", "exp2", "log", "log1p", "add", "multiply", "maximum", "sum", "max")


def test_every_primitive_is_judged() -> None:
    assert tuple(the_judge().PRIMITIVES) == PRIMITIVES


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_radii_hold(name: str, words: int) -> None:
    """8,000 random elements and 3,000 of the corner elements."""
    for kind, worst in the_judge().largest(name, words, 8_000, 600, seed=words).items():
        assert worst.ratio <= 1, (kind, worst.where)
        if kind != "corners":
            assert worst.given_up < 0.15 * worst.judged
        assert worst.judged > 500


# The same by mpmath: exact operands and a judge of 400 bits, not rigorous


def pairs(n: int, low: float, high: float, seed: int = 0, *, signs: bool = True, lo: bool = True) -> Pair:
    """Normalised double-doubles of sizes 2**low to 2**high."""
    rng = np.random.default_rng(seed)
    hi = (
        rng.uniform(1, 2, n) * 2.0 ** np.floor(rng.uniform(low, high, n)) * (rng.choice([-1.0, 1.0], n) if signs else 1)
    )
    rest = hi * rng.uniform(-1, 1, n) * 2.0**-53
    s = hi + rest
    return s, rest - (s - hi) if lo else None


mp = mpmath.mp.clone()
mp.prec = 400
BY_MPMATH: dict[str, tuple[Callable[..., BallArray], Callable[..., Any], list[Pair]]] = {
    "add": (add, lambda x, y: x + y, [pairs(300, 0, 3), pairs(300, 0, 3, 1)]),
    "add far": (add, lambda x, y: x + y, [pairs(300, 0, 3), pairs(300, -120, -50, 1)]),
    "multiply": (multiply, lambda x, y: x * y, [pairs(300, -300, 300), pairs(300, -300, 300, 1)]),
    "reciprocal": (reciprocal, lambda x: 1 / x, [pairs(300, -300, 300)]),
    "exp": (exp, mp.exp, [pairs(300, -60, 9.4)]),
    "exp of large numbers": (exp, mp.exp, [pairs(300, 10, 21.9)]),
    "exp2": (exp2, lambda x: mp.exp(x * mp.log(2)), [pairs(300, -60, 9.4)]),
    "log": (log, mp.log, [pairs(300, -300, 300, signs=False)]),
    "log near 1": (log, mp.log, [pairs(300, -1, 1, signs=False)]),
    "log1p": (log1p, lambda x: mp.log(1 + x), [pairs(300, -90, -1.01)]),
    "log1p of large numbers": (log1p, lambda x: mp.log(1 + x), [pairs(300, 0, 300, signs=False)]),
    "maximum": (Balls().maximum, max, [pairs(300, 0, 1), pairs(300, 0, 1, 1)]),
}


def distance(found: BallArray, exact: Any, i: int) -> tuple[Any, Any]:
    hi, lo, radius, exponent = (getattr(found, n) for n in ("hi", "lo", "radius", "exponent"))
    middle = mp.mpf(hi[i].item()) + (0 if lo is None else mp.mpf(lo[i].item()))
    unit = mp.ldexp(mp.mpf(1), 0 if exponent is None else int(exponent[i]))
    return abs(exact - middle * unit), mp.mpf(0 if radius is None else radius[i].item()) * unit


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("name", BY_MPMATH)
def test_radii_hold_by_mpmath(name: str, words: int) -> None:
    ours, truth, operands = BY_MPMATH[name]
    with np.errstate(all="ignore"):
        found = ours(*(BallArray(hi, lo, words=words) for hi, lo in operands))
    numbers = [
        [mp.mpf(h) + mp.mpf(low) for h, low in zip(hi.tolist(), lo.tolist(), strict=True)] for hi, lo in operands
    ]
    for i, members in enumerate(zip(*numbers, strict=True)):
        exact = truth(*members)
        away, radius = distance(found, exact, i)
        assert away <= radius + abs(exact) * mp.mpf(2) ** -390, members
        assert radius <= abs(exact) * 2.0**-42 + (2.0**-80 if name.startswith("log") else 0)


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 4097])
def test_sums_hold_by_fractions(n: int, words: int) -> None:
    hi, lo = pairs(4 * n, -9, 3, n)
    found = total(BallArray(hi.reshape(4, n), lo.reshape(4, n), words=words))
    assert found.lo is not None
    assert found.radius is not None
    for i in range(4):
        terms = [*hi.reshape(4, n)[i].tolist(), *lo.reshape(4, n)[i].tolist()]
        middle = Fraction(found.hi[i, 0]) + Fraction(found.lo[i, 0])
        exact = sum(map(Fraction, terms), Fraction(0))
        assert abs(exact - middle) <= Fraction(found.radius[i, 0])
        assert found.radius[i, 0] <= np.abs(hi).sum() * 2.0**-98


# Constants and tables


@pytest.mark.parametrize("name", NAMED)
def test_named_constants_are_the_nearest_pair(name: str) -> None:
    """And what is missing is below the radius, but not below a sixteenth of it."""
    hi, lo, radius = NAMED[name]
    exact = {"ln2": mp.log(2), "log2e": 1 / mp.log(2)}[name]
    assert float(exact) == hi
    assert float(exact - hi) == lo
    assert radius / 16 < abs(exact - hi - mp.mpf(lo)) < radius


def test_the_table_is_that_of_powers() -> None:
    assert SIZE == len(HIGH) == len(LOW) == 1024
    for j in range(SIZE):
        exact = mp.mpf(2) ** (mp.mpf(j) / SIZE)
        assert float(exact) == HIGH[j]
        assert float(exact - mp.mpf(HIGH[j].item())) == LOW[j]
        assert abs(exact - mp.mpf(HIGH[j].item()) - mp.mpf(LOW[j].item())) < mp.mpf(2) ** -106


def test_the_steps_of_exp_are_what_they_are_said_to_be() -> None:
    module, step = ball_functions, mp.log(2) / 1024
    c1, c2 = module.STEP
    assert (float(step), float(step - c1)) == (c1, c2)
    assert abs(step - c1 - mp.mpf(c2)) < mp.mpf(2) ** mp.mpf("-109.9") * c1
    assert sum(map(Fraction, map(float, module.STEP_SPLIT))) == Fraction(c1)
    assert all(Fraction(float(part)).numerator.bit_length() <= 26 for part in module.STEP_SPLIT)
    assert float(1 / step) == module.STEPS
    a1, a2 = module.SHORT_STEP
    assert Fraction(a1).numerator.bit_length() <= 20
    assert Fraction(a1).denominator == 2**30
    assert abs(step - a1 - mp.mpf(a2)) <= mp.mpf(2) ** -53 * a2
    assert a2 < 2.0**-31
    assert NAMED["ln2"] == module.LN2


# Constants shrunk to a sixteenth

N = 4000


def rows(n: int, lo: bool) -> Pair:
    hi, low = pairs(N, 0, 1, n, signs=False, lo=lo)
    return hi.reshape(-1, n), None if low is None else low.reshape(-1, n)


def far_up(seed: int) -> Any:
    return np.random.default_rng(seed).integers(2**39, 2**40, N) * np.random.default_rng(seed).choice([-1, 1], N)


SHRUNK: dict[str, tuple[str, int, Callable[[], list[Any]]]] = {
    "ADD": ("add", 2, lambda: [pairs(N, 0, 2), pairs(N, 0, 2, 1)]),
    "MULTIPLY": ("multiply", 2, lambda: [pairs(N, 0, 1), pairs(N, 0, 1, 1)]),
    "MULTIPLY1": ("multiply", 1, lambda: [pairs(N, 0, 1, lo=False), pairs(N, 0, 1, 1, lo=False)]),
    "RECIPROCAL": ("reciprocal", 2, lambda: [pairs(N, 0, 1)]),
    "SUM": ("sum", 2, lambda: [rows(2, True)]),
    "SUM1": ("sum", 1, lambda: [rows(2, False)]),
    "EXP1": ("exp", 1, lambda: [pairs(N, -3, 0, lo=False)]),
    "EXP_ARGUMENT1": ("exp", 1, lambda: [pairs(N, 21, 22, lo=False)]),
    "EXP": ("exp", 2, lambda: [pairs(N, -3, 0)]),
    "EXP_ARGUMENT": ("exp", 2, lambda: [pairs(N, 31, 32)]),
    "LOG": ("log", 2, lambda: [pairs(N, -1, 1, signs=False)]),
    "LOG_EXPONENT": ("log", 2, lambda: [(*pairs(N, 0, 1, signs=False), None, far_up(1))]),
    "LOG1P": ("log1p", 2, lambda: [pairs(N, -7, -6.01)]),
}


@pytest.mark.parametrize("constant", SHRUNK)
def test_a_sixteenth_of_a_constant_would_not_do(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = the_judge()
    name, words, operands = SHRUNK[constant]
    balls = [judge.ball(*fields, words=words) for fields in operands()]
    ratios = []
    for shrink in (1, 16):
        for module in (ball_array, ball_functions, ball_sums):
            if hasattr(module, constant):
                monkeypatch.setattr(module, constant, getattr(module, constant) / shrink)
        worst = judge.Worst()
        batch = iter([tuple(balls)])
        judge.judge_all(name, batch, judge.Judge(400, np.random.default_rng(0)), worst)
        ratios.append(worst.ratio)
    assert ratios[0] <= 1 < ratios[1]


def test_every_bound_is_shrunk() -> None:
    """The constants in capitals are bounds and here, or limits of what is attempted: those have their own tests."""
    limits = {"UP", "TINY", "SMALL", "LEAST", "FAR", "NOWHERE", "PLAIN", "TILE", "SIZE", "STEPS"}
    named = {
        name
        for module in (ball_array, ball_functions, ball_sums)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | float)
    }
    assert named - limits == set(SHRUNK)
