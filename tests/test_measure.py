"""Errors, outcomes and sums of rows, against Fractions and mpmath, on truths made by hand.

Nothing here asks the package what the truth is: every Reference is built from exact numbers, field by field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope import catalogue
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Format, round_fraction, round_to
from overflowscope.measure import HUGE, classify, errors, measure
from overflowscope.records import Evaluation, Outcome, Reference, State
from overflowscope.tally import Tally, row_sums

INF, NAN = math.inf, math.nan
F16, F32, F64 = (FORMATS[f"float{n}"] for n in (16, 32, 64))
E4M3 = FORMATS["float8_e4m3fn"]
every_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)

Exact = Fraction | float | None
"""A truth: a number, an infinity, or None where there is none."""


def binade(x: Fraction) -> int:
    """e with 2**e <= |x| < 2**(e + 1)."""
    e = abs(x).numerator.bit_length() - x.denominator.bit_length()
    return e - (abs(x) < Fraction(2) ** e)


def split(x: Exact) -> tuple[float, float, int]:
    """(head, tail, exponent), the first 106 bits of a number; infinities and zeros as they are."""
    if x is None or x == 0 or abs(x) == INF:
        return float(x or 0), 0.0, 0
    e = binade(Fraction(x))
    bits = math.floor(abs(x) / Fraction(2) ** (e - 105))
    sign = -1 if x < 0 else 1
    return sign * math.ldexp(bits >> 53, -52), sign * math.ldexp(bits & (2**53 - 1), -105), e


def made(fmt: Format, truths: Any, below: Any = None, above: Any = None) -> Reference:
    """A reference of these exact numbers, correctly rounded unless said otherwise."""
    table = np.array(truths, object)
    flat = table.ravel().tolist()
    rounded = [
        0.0 if x is None else x if isinstance(x, float) and math.isinf(x) else round_fraction(Fraction(x), fmt)
        for x in flat
    ]
    head, tail, exponent = (np.array(column).reshape(table.shape) for column in zip(*map(split, flat), strict=True))
    nearest = np.array(rounded, np.float64).reshape(table.shape)
    return Reference(
        fmt=fmt,
        head=head.astype(np.float64),
        tail=tail.astype(np.float64),
        exponent=exponent.astype(np.int64),
        radius=np.full(table.shape, 2.0**-100),
        below=nearest if below is None else np.array(below, np.float64),
        above=nearest if above is None else np.array(above, np.float64),
        state=np.where(table == None, State.UNDEFINED, State.DEFINED).astype(np.uint8),  # noqa: E711
        rung=np.full(table.shape, 2, np.uint8),
    )


def judged(fmt: Format, truths: Any, got: Any, **ends: Any) -> Tally:
    """The tally of single elements."""
    values = np.array(got, np.float64)
    return measure(
        Evaluation(values, fmt.name),
        made(fmt, truths, **ends),
        np.zeros((len(values), 1)),
        False,
        np.arange(len(values)),
    )


def outcome_of(fmt: Format, truth: Exact, got: float, **ends: float) -> tuple[Outcome, bool]:
    """The outcome of one element, and whether it is correctly rounded."""
    tally = judged(fmt, [truth], [got], **{name: [end] for name, end in ends.items()})
    return next(o for o in Outcome if tally.outcomes[o]), bool(tally.correct)


# The ulp error, by its definition


def exact_ulp(x: Fraction, fmt: Format) -> Fraction:
    e = binade(x) if x else fmt.emin
    return Fraction(2) ** (min(max(e, fmt.emin), fmt.emax) - fmt.precision + 1)


def exact_errors(got: float, truth: Fraction, fmt: Format) -> tuple[Fraction, Fraction | float, Fraction]:
    """(ulps, relative, absolute) of numbers and of an infinity got, by definition."""
    beyond = Fraction(fmt.largest) + exact_ulp(Fraction(fmt.largest), fmt)
    g = Fraction(math.copysign(1, got)) * beyond if math.isinf(got) else Fraction(got)
    g, t = (min(max(v, -beyond), beyond) for v in (g, truth))
    distance = abs(g - t)
    relative = distance / abs(t) if t else (INF if g else Fraction(0))
    return distance / exact_ulp(t, fmt), relative, distance


def close(found: float, exact: Fraction | float) -> None:
    """To a few 2**-53, or capped at the largest double, or infinite."""
    if exact == INF:
        assert found == INF
    elif exact > Fraction(HUGE):
        assert found == HUGE
    else:
        assert abs(Fraction(found) - Fraction(exact)) <= Fraction(exact) * Fraction(2) ** -50 + Fraction(2) ** -1074


def check_errors(got: Sequence[float], truths: Sequence[Fraction], fmt: Format) -> None:
    ulps, relative, absolute = errors(np.array(got), made(fmt, list(truths)))
    for i, (g, t) in enumerate(zip(got, truths, strict=True)):
        wanted = exact_errors(g, t, fmt)
        close(ulps[i], wanted[0])
        close(relative[i], wanted[1])
        close(absolute[i], wanted[2])


@every_format
def test_errors_against_the_definition(fmt: Format) -> None:
    """Random truths of 106 bits, from below the subnormals to beyond the overflow; near and far results, both signs."""
    rng = np.random.default_rng(11)
    truths, got = [], []
    for _ in range(1500):
        e = int(rng.integers(fmt.emin - fmt.precision - 8, fmt.emax + 4))
        man = (1 << 105) | int(rng.integers(0, 2**62)) << 43 | int(rng.integers(0, 2**43))
        if rng.random() < 0.2:
            man = 1 << 105  # a power of two, where the ulp doubles
        truth = man * Fraction(2) ** (e - 105) * int(rng.choice([1, -1]))
        near = round_fraction(
            truth * Fraction(float(1 + rng.normal() * 2.0 ** -int(rng.integers(0, fmt.precision + 4)))), fmt
        )
        truths.append(truth)
        got.append(float(rng.choice([near, near, near, -near, 0.0, fmt.smallest, fmt.largest, INF, -INF])))
    check_errors(got, truths, fmt)


@every_format
def test_errors_at_the_edges(fmt: Format) -> None:
    one, largest, smallest = Fraction(1), Fraction(fmt.largest), Fraction(fmt.smallest)
    beyond = largest + exact_ulp(largest, fmt)
    truths = [
        one,
        Fraction(0),
        smallest / 2,
        smallest / 4,
        largest,
        beyond,
        beyond * 4,
        beyond * (1 - Fraction(1, 2**60)),
    ]
    for got in (0.0, -0.0, fmt.smallest, 1.0, fmt.largest, -fmt.largest, INF, -INF):
        check_errors([got] * len(truths), truths, fmt)
    big = Fraction(10) ** 600
    check_errors([fmt.largest, INF, 0.0, fmt.smallest], [big, big, 1 / big, 1 / big], fmt)


@settings(max_examples=300, deadline=None)
@given(
    fmt=st.sampled_from(list(FORMATS.values())),
    man=st.integers(1, 2**106 - 1),
    exponent=st.integers(-1300, 1200),
    sign=st.sampled_from([1, -1]),
    got=st.floats(allow_nan=False),
)
def test_errors_of_anything(fmt: Format, man: int, exponent: int, sign: int, got: float) -> None:
    value = float(round_to(np.array(got), fmt))
    check_errors([value], [sign * man * Fraction(2) ** (exponent - 106)], fmt)


def test_the_ulp_of_a_power_of_two_is_that_above_it() -> None:
    """ulp(1/2) in float16 is 2**-11, although the next number below is 2**-12 away."""
    ulps, _, _ = errors(np.array([0.5 - 2.0**-12, 0.5 + 2.0**-11]), made(F16, [Fraction(1, 2)] * 2))
    assert ulps.tolist() == [0.5, 1.0]


def test_half_an_ulp_off_is_not_correctly_rounded() -> None:
    assert outcome_of(F16, Fraction(1, 2), 0.5 - 2.0**-12) == (Outcome.OK, False)
    assert outcome_of(F16, Fraction(1, 2), 0.5) == (Outcome.OK, True)


def test_zeros_are_equal_whatever_their_sign() -> None:
    tiny = Fraction(1, 10**30)
    for got in (0.0, -0.0):
        for truth in (Fraction(0), tiny, -tiny):
            assert outcome_of(F16, truth, got) == (Outcome.OK, True)
    _, relative, _ = errors(np.array([0.0, -0.0, 1.0]), made(F16, [Fraction(0)] * 3))
    assert relative.tolist() == [0.0, 0.0, INF]


def test_nan_for_a_number_and_a_number_for_an_infinity_are_infinitely_wrong() -> None:
    truths = [Fraction(1), INF, INF, INF, -INF, INF, -INF]
    got = [NAN, 1.0, 65504.0, NAN, INF, INF, -INF]
    for kind in errors(np.array(got), made(F16, truths)):
        assert kind.tolist() == [INF, INF, INF, INF, INF, 0.0, 0.0]


def test_finite_errors_never_read_as_infinite() -> None:
    ulps, relative, absolute = errors(
        np.array([1.0, F64.largest]), made(F64, [Fraction(1, 2**1500), -Fraction(F64.largest)])
    )
    assert ulps[0] == HUGE
    assert relative[0] == HUGE
    assert absolute.tolist() == [1.0, HUGE]
    assert relative[1] == 2


# Outcomes

P = Fraction(1, 3)
HAND_MADE: list[tuple[Exact, float, Outcome]] = [
    (None, 1.0, Outcome.UNDEFINED),
    (None, NAN, Outcome.UNDEFINED),
    (P, NAN, Outcome.NAN),
    (Fraction(0), NAN, Outcome.NAN),
    (INF, NAN, Outcome.NAN),
    (P, INF, Outcome.OVERFLOW),
    (P, -INF, Outcome.OVERFLOW),
    (Fraction(0), INF, Outcome.OVERFLOW),
    (Fraction(65519), INF, Outcome.OVERFLOW),
    (INF, -INF, Outcome.OVERFLOW),
    (-INF, INF, Outcome.OVERFLOW),
    (Fraction(10**9), -INF, Outcome.OVERFLOW),
    (P, 0.0, Outcome.UNDERFLOW),
    (-P, 0.0, Outcome.UNDERFLOW),
    (-INF, 0.0, Outcome.UNDERFLOW),
    (P, -0.0, Outcome.UNDERFLOW),
    (Fraction(1, 2**24), 0.0, Outcome.UNDERFLOW),
    (INF, 0.0, Outcome.UNDERFLOW),
    (INF, 65504.0, Outcome.SATURATED),
    (INF, -1.0, Outcome.SATURATED),
    (Fraction(65520), 65504.0, Outcome.SATURATED),
    (-Fraction(10**9), -65504.0, Outcome.SATURATED),
    (P, 0.5, Outcome.OK),
    (P, -0.5, Outcome.OK),
    (Fraction(0), 1.0, Outcome.OK),
    (Fraction(1, 2**26), 0.0, Outcome.OK),
    (Fraction(1, 2**26), 2.0**-24, Outcome.OK),
    (Fraction(65520), INF, Outcome.OK),
    (INF, INF, Outcome.OK),
    (-INF, -INF, Outcome.OK),
    (Fraction(65519), 65504.0, Outcome.OK),
]


@pytest.mark.parametrize(("truth", "got", "outcome"), HAND_MADE)
def test_outcomes_in_float16(truth: Exact, got: float, outcome: Outcome) -> None:
    assert outcome_of(F16, truth, got)[0] == outcome


def test_an_overflowed_input_is_not_measured() -> None:
    truth = made(F16, [P, P])
    truth = replace(truth, state=np.array([State.INPUT_OVERFLOW, State.DEFINED], np.uint8))
    tally = measure(Evaluation(np.array([NAN, 0.25]), "float16"), truth, np.zeros((2, 1)), False, np.arange(2))
    assert tally.outcomes[Outcome.INPUT_OVERFLOW] == 1
    assert tally.outcomes[Outcome.OK] == 1
    assert (tally.defined, tally.ulps.count, tally.ulps.infinite) == (1, 1, 0)
    assert (tally.nan, tally.rows_nan, tally.rows_failed) == (1, 1, 0)


@pytest.mark.parametrize(
    ("truth", "got", "outcome", "correct", "ulps"),
    [
        (Fraction(500), NAN, Outcome.OK, True, 0.0),  # both are clamped to 480
        (Fraction(470), NAN, Outcome.OK, True, 10 / 32),
        (-Fraction(470), NAN, Outcome.OK, True, 10 / 32),
        (INF, NAN, Outcome.OK, True, 0.0),
        (Fraction(464), NAN, Outcome.NAN, False, INF),
        (Fraction(464), 448.0, Outcome.OK, True, 0.5),
        (Fraction(465), 448.0, Outcome.SATURATED, False, 17 / 32),
        (Fraction(100), NAN, Outcome.NAN, False, INF),
        (Fraction(1, 3000), NAN, Outcome.NAN, False, INF),
    ],
)
def test_nan_is_how_e4m3fn_overflows(truth: Exact, got: float, outcome: Outcome, correct: bool, ulps: float) -> None:
    assert outcome_of(E4M3, truth, got) == (outcome, correct)
    tally = judged(E4M3, [truth], [got])
    assert tally.ulps.max == ulps
    assert tally.nan == (1 if math.isnan(got) else 0)


# Undecided: only where the answer depends on which it is

NEXT = 1 + 2.0**-10


@pytest.mark.parametrize(
    ("below", "above", "got", "outcome"),
    [
        (1.0, NEXT, 1.0, Outcome.UNDECIDED),
        (1.0, NEXT, NEXT, Outcome.UNDECIDED),
        (1.0, 1.25, 1.125, Outcome.UNDECIDED),
        (1.0, NEXT, 2.0, Outcome.OK),
        (1.0, NEXT, 0.5, Outcome.OK),
        (1.0, NEXT, -1.0, Outcome.OK),
        (1.0, NEXT, NAN, Outcome.NAN),
        (1.0, NEXT, INF, Outcome.OVERFLOW),
        (1.0, NEXT, 0.0, Outcome.UNDERFLOW),
        (0.0, F16.smallest, 0.0, Outcome.UNDECIDED),
        (0.0, F16.smallest, F16.smallest, Outcome.UNDECIDED),
        (0.0, F16.smallest, 1.0, Outcome.OK),
        (-F16.smallest, F16.smallest, 0.0, Outcome.UNDECIDED),
        (65504.0, INF, 65504.0, Outcome.UNDECIDED),
        (65504.0, INF, INF, Outcome.UNDECIDED),
        (65504.0, INF, 1.0, Outcome.UNDECIDED),  # saturated, or merely wrong
        (65504.0, INF, -INF, Outcome.OVERFLOW),
        (65504.0, INF, NAN, Outcome.NAN),
        (-INF, INF, 3.0, Outcome.UNDECIDED),
        (-INF, INF, NAN, Outcome.NAN),
    ],
)
def test_undecided_is_only_what_is(below: float, above: float, got: float, outcome: Outcome) -> None:
    truth = made(F16, [Fraction(1)], [below], [above])
    found, correct = classify(np.array([got]), truth)
    assert Outcome(found[0]) == outcome
    assert not correct[0]
    tally = judged(F16, [Fraction(1)], [got], below=[below], above=[above])
    undecided = outcome == Outcome.UNDECIDED
    assert tally.ulps.count + tally.ulps.infinite == (0 if undecided else 1)
    assert (tally.worst is None) == undecided
    assert (tally.defined, tally.never, tally.by_intervals) == (1, 1, 0)
    assert (tally.vanished, tally.exceeds) == (0, 0)


@pytest.mark.parametrize(("below", "above"), [(448.0, INF), (-INF, -448.0), (-INF, INF)])
def test_a_nan_of_e4m3fn_is_undecided_until_it_is_known_what_it_stands_for(below: float, above: float) -> None:
    """Right if the truth overflows, and wrong if it does not."""
    assert outcome_of(E4M3, Fraction(464), NAN, below=below, above=above) == (Outcome.UNDECIDED, False)


# Counts


def test_counts_of_a_small_table() -> None:
    truths = [
        [P, P, P],
        [Fraction(1, 2**30), Fraction(1, 2**24), Fraction(0)],
        [None, None, None],
        [INF, Fraction(70000), P],
    ]
    got = [[NAN, INF, 0.0], [0.0, 2.0**-24, -0.0], [1.0, INF, NAN], [INF, 65504.0, 0.33325195]]
    got[3][2] = round_fraction(P, F16)
    values = np.array(got)
    tally = measure(Evaluation(values, "float16"), made(F16, truths), np.zeros((4, 3)), False, np.arange(4))
    assert (tally.rows, tally.elements, tally.defined) == (4, 12, 9)
    assert (tally.nan, tally.inf, tally.zero, tally.subnormal) == (2, 3, 3, 1)
    assert (tally.rows_nan, tally.rows_inf) == (2, 3)
    assert (tally.vanished, tally.exceeds) == (1, 1)
    wanted = {Outcome.NAN: 1, Outcome.OVERFLOW: 1, Outcome.UNDERFLOW: 1, Outcome.SATURATED: 1, Outcome.UNDEFINED: 3}
    assert {o: n for o, n in zip(Outcome, tally.outcomes, strict=True) if n} == wanted | {Outcome.OK: 5}
    assert tally.rows_by_outcome[Outcome.NAN] == tally.rows_by_outcome[Outcome.SATURATED] == 1
    assert tally.rows_by_outcome[Outcome.OK] == 2
    assert tally.rows_failed == 2
    assert tally.correct == 5
    assert (tally.ulps.count, tally.ulps.infinite) == (8, 1)
    assert (tally.by_balls, tally.by_intervals, tally.never) == (0, 9, 0)


def test_the_worst_is_the_first_of_the_largest() -> None:
    truths = [[Fraction(1)] * 3] * 3
    got = [[1.0, 1.5, 1.0], [2.0, 1.0, 2.0], [2.0, 1.0, 1.0]]
    tally = measure(
        Evaluation(np.array(got), "float16"), made(F16, truths), np.zeros((3, 3)), False, np.array([10, 20, 30])
    )
    assert tally.worst is not None
    assert tally.worst[:4] == (1024.0, -20, 0, 2.0)
    assert tally.worst[4:] == (1.0, 0.0, 0, 2.0**-100)
    assert tally.failed is None


def test_the_gravest_failure_is_kept_before_larger_errors() -> None:
    order = [Outcome.NAN, Outcome.OVERFLOW, Outcome.UNDERFLOW, Outcome.SATURATED]
    case = {
        Outcome.NAN: (P, NAN),
        Outcome.OVERFLOW: (P, INF),
        Outcome.UNDERFLOW: (P, 0.0),
        Outcome.SATURATED: (INF, 1.0),
    }
    for i in range(4):
        truths, got = zip(*(case[o] for o in reversed(order[i:])), strict=True)
        tally = judged(F16, list(truths), list(got))
        assert tally.failed is not None
        assert tally.failed[0] == -order[i]
        assert -tally.failed[1].minus_row == 3 - i


def test_bits_are_the_logarithm_of_one_plus_the_ulps() -> None:
    tally = judged(F16, [Fraction(1)] * 3, [1.0, 1 + 3 * 2.0**-10, 2.0])
    assert tally.bits.max == pytest.approx(math.log2(1025), rel=1e-15)
    assert tally.bits.mean == pytest.approx((0 + 2 + math.log2(1025)) / 3, rel=1e-15)


# Rows of probabilities

mp = mpmath.mp.clone()
mp.prec = 400


def rational(x: Any) -> Fraction:
    sign, man, exponent, _ = x._mpf_
    return (-int(man) if sign else int(man)) * Fraction(2) ** int(exponent)


def probabilities(logits: list[list[float]]) -> list[list[Fraction]]:
    """Softmax at 400 bits; a mask has probability 0."""
    rows = []
    for row in logits:
        e = [mp.exp(mp.mpf(v) - max(row)) for v in row]
        rows.append([rational(v / mp.fsum(e)) for v in e])
    return rows


def exact_divergence(q: list[float], p: list[Fraction]) -> Any:
    """sum of q log(q/p) - q + p."""
    total = mp.mpf(0)
    for a, b in zip(q, p, strict=True):
        exact = mp.mpf(b.numerator) / b.denominator
        if a == 0:
            total += exact
        elif not b or math.isinf(a):
            return mp.inf
        else:
            total += mp.mpf(a) * mp.log(mp.mpf(a) / exact) - mp.mpf(a) + exact
    return total


def of_rows(logits: list[list[float]], q: list[list[float]], fmt: Format = F64) -> Tally:
    x = np.array(logits)
    truth = made(fmt, probabilities(logits))
    return measure(Evaluation(np.array(q), fmt.name), truth, x, True, np.arange(len(x)))


LOGITS = [[0.3, -1.0, 2.5, 0.0], [5.0, 5.0, -300.0, -INF], [-800.0, 0.0, 1.0, 2.0]]


@pytest.mark.parametrize(
    "off", [0.0, 1e-16, 1e-12, 1e-6, 2.0**-11, 2.0**-10, 2.0**-9, 1e-2, 0.05, 0.2, 0.3, 0.49, 0.51, 0.9]
)
def test_divergence(off: float) -> None:
    """Close results, where nearly all of it cancels, and far ones, in all ways of adding it up."""
    rng = np.random.default_rng(3)
    p = probabilities(LOGITS)
    for row, exact in zip(LOGITS, p, strict=True):
        for _ in range(5):
            q = [float(v) * (1 + off * float(rng.choice([-1, 1]))) for v in exact]
            found = of_rows([row], [q]).divergence.max
            wanted = exact_divergence(q, exact)
            assert found >= 0
            # p itself is a double there: of the small numbers only so many digits can be right.
            assert abs(found - wanted) <= wanted * 1e-9 + 1e-30


def test_divergence_of_zeros_infinities_and_masks() -> None:
    row, p = LOGITS[0], probabilities(LOGITS)[0]
    assert of_rows([row], [[0.0, 0.0, 0.0, 0.0]]).divergence.max == pytest.approx(1.0, rel=1e-15)
    assert of_rows([row], [[INF, 0.0, 0.0, 0.0]]).divergence.max == INF
    assert of_rows([row], [[INF, INF, INF, INF]]).divergence.max == INF
    q = [float(p[0]), 0.0, float(p[2]), float(p[3])]
    assert of_rows([row], [q]).divergence.max == pytest.approx(float(p[1]), rel=1e-15)
    masked = [0.0, -INF]
    assert of_rows([masked], [[1.0, 0.0]]).divergence.max == 0.0
    assert of_rows([masked], [[0.5, 0.5]]).divergence.max == INF
    assert of_rows([[0.0, -800.0]], [[1.0, 1e-300]]).divergence.max == pytest.approx(
        float(exact_divergence([1.0, 1e-300], probabilities([[0.0, -800.0]])[0])), rel=1e-9
    )


def test_lost_mass_is_the_truth_where_zero_came_out() -> None:
    p = probabilities(LOGITS)[0]
    cases = [([0.0, 0.2, 0.0, 0.8], p[0] + p[2]), ([0.1, 0.2, 0.3, 0.4], Fraction(0)), ([-0.0] * 4, Fraction(1))]
    for q, wanted in cases:
        assert of_rows([LOGITS[0]], [q]).lost.max == pytest.approx(float(wanted), rel=1e-15)
    assert of_rows([LOGITS[1]], [[0.5, 0.5, 0.0, 0.0]]).lost.max == pytest.approx(math.exp(-305) / 2, rel=1e-12)


def test_argmax_flips() -> None:
    logits = [[1.0, 2.0, 2.0], [3.0, 2.0, 1.0], [0.0, 0.0, 0.0]]
    right = [[0.1, 0.45, 0.45], [0.7, 0.2, 0.1], [0.2, 0.3, 0.5]]
    assert of_rows(logits, right).flips == 0
    assert of_rows(logits, [[0.5, 0.5, 0.4], *right[1:]]).flips == 0  # one of the largest is still a largest
    assert of_rows(logits, [[0.5, 0.4, 0.4], *right[1:]]).flips == 1
    assert of_rows(logits, [[0.5, 0.4, 0.4], [0.3, 0.4, 0.3], right[2]]).flips == 2
    assert of_rows(logits, [[0.0] * 3] * 3).flips == 0
    assert of_rows(logits, [[0.1, 0.4, 0.5], [NAN, 1.0, 0.0], right[2]]).flips == 0  # a row with nan is only that


def test_sums_of_rows() -> None:
    logits = [LOGITS[0]] * 3
    good = [float(v) for v in probabilities(LOGITS)[0]]
    twice = [2 * v for v in good]
    tally = of_rows(logits, [good, twice, [0.0] * 4])
    assert tally.sums.min == 0.0
    assert tally.sums.max == float(sum(map(Fraction, twice)))
    assert tally.rows_off == 2
    assert tally.worst_sum is not None
    assert tally.worst_sum[1] == -1
    assert tally.worst_sum[0] == pytest.approx(1.0, rel=1e-12)
    # Zeros are a failure of their own; twice the truth is none, but its sum is.
    assert tally.rows_by_outcome[Outcome.UNDERFLOW] == 1
    assert tally.rows_failed == 2
    assert of_rows(logits, [good] * 3).rows_failed == 0


def test_rounding_the_truth_is_no_fault_of_a_sum() -> None:
    """Correctly rounded rows of a narrow format do not add up to 1, and nobody is to blame."""
    logits = [[0.0] * 1000]
    exact = probabilities(logits)
    for fmt in FORMATS.values():
        q = [[round_fraction(v, fmt) for v in exact[0]]]
        tally = of_rows(logits, q, fmt)
        assert tally.rows_off == 0
        assert tally.rows_failed == 0
        assert tally.correct == 1000


def test_rows_without_a_truth_or_with_nan_are_in_no_measure_of_rows() -> None:
    x = np.array([[1.0, 2.0], [NAN, 0.0], [3.0, 4.0]])
    p = probabilities([[1.0, 2.0]])[0]
    truth = made(F64, [p, [None, None], p])
    tally = measure(
        Evaluation(np.array([[NAN, 1.0], [0.5, 0.5], [0.25, 0.75]]), "float64"), truth, x, True, np.arange(3)
    )
    assert tally.sums.min == tally.sums.max == 1.0
    assert tally.worst_sum is not None
    assert tally.worst_sum[1] == -2
    only_nan = measure(Evaluation(np.full((1, 2), NAN), "float64"), made(F64, [p]), x[:1], True, np.arange(1))
    assert only_nan.worst_sum is None
    assert (only_nan.rows_off, only_nan.flips, only_nan.sums.max) == (0, 0, -INF)


def test_infinities_of_both_signs_in_a_row_leave_no_nan_behind() -> None:
    tally = of_rows([LOGITS[0]] * 2, [[INF, -INF, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4]])
    assert not math.isnan(tally.sums.min)
    assert not math.isnan(tally.sums.max)
    assert tally.worst_sum is not None
    assert not math.isnan(tally.worst_sum[0])


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(0, 1e300), min_size=1, max_size=70), zeros=st.integers(0, 5))
def test_row_sums_are_nearly_rounded_once(values: list[float], zeros: int) -> None:
    exact = sum(map(Fraction, values))
    found = row_sums(np.array([values + [0.0] * zeros] * 2))
    assert found.shape == (2,)
    assert (
        abs(Fraction(found[1]) - exact) <= exact * Fraction(2) ** -53 * (1 + Fraction(1, 2**40)) + Fraction(2) ** -1074
    )


def test_row_sums_keep_what_a_running_sum_loses() -> None:
    values = np.array([[1.0] + [2.0**-54] * 4096])
    assert row_sums(values)[0] == 1.0 + 2.0**-42
    with np.errstate(invalid="ignore"):
        assert row_sums(np.array([[INF, 1.0, 2.0]]))[0] == INF
    assert row_sums(np.full((1, 10**5), 1e-5))[0] == float(Fraction(1e-5) * 10**5)


# The measure of what is really computed


@every_format
def test_a_correctly_rounded_result_is_measured_so(fmt: Format) -> None:
    rng = np.random.default_rng(12)
    x = round_to(rng.normal(size=(30, 6)) * 3, fmt)
    exact = probabilities(x.tolist())
    q = [[round_fraction(v, fmt) for v in row] for row in exact]
    tally = measure(Evaluation(np.array(q), fmt.name), made(fmt, exact), x, True, np.arange(30))
    assert tally.correct == tally.elements == tally.outcomes[Outcome.OK] == 180
    assert tally.ulps.max <= 0.5
    assert tally.flips == tally.rows_off == tally.rows_failed == 0


def test_the_shifted_softmax_of_numpy_is_good_to_a_few_ulps() -> None:
    operation = catalogue.named("softmax")
    x = round_to(np.random.default_rng(13).normal(size=(50, 8)) * 4, F32)
    got = evaluate(operation, operation.named("shifted").function, x, None, F32)
    exact = probabilities(x.tolist())
    tally = measure(got, made(F32, exact), x, True, np.arange(50))
    by_hand = [
        exact_errors(float(g), t, F32)[0] for g, t in zip(got.values.ravel(), chain.from_iterable(exact), strict=True)
    ]
    assert tally.ulps.max == pytest.approx(float(max(by_hand)), rel=1e-12)
    assert tally.ulps.mean == pytest.approx(float(sum(by_hand) / len(by_hand)), rel=1e-12)
    assert tally.ulps.max < 20
    rounded = [round_fraction(t, F32) for t in chain.from_iterable(exact)]
    assert tally.correct == np.count_nonzero(got.values.ravel() == np.array(rounded))
