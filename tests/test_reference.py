"""The truth is the truth: enclosures against Arb and mpmath, ties that no number of bits decides, and limits.

The judges start from the same exact doubles and use the formulas of the README's kind: the sum leaves one maximum out,
so that every result is an exact difference plus a tail known to hundreds of bits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope import catalogue, draws, rungs
from overflowscope import reference as module
from overflowscope.arithmetic.ball_array import BallArray
from overflowscope.arithmetic.intervals import Indeterminate, Intervals
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.records import Reference, State
from overflowscope.reference import BALLS, INTERVALS, reference
from overflowscope.rungs import NARROW, NARROW_BITS

INF, NAN = math.inf, math.nan
OPERATIONS = ("softmax", "logsumexp", "log_softmax", "cross_entropy")
every_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
every_operation = pytest.mark.parametrize("name", OPERATIONS)

Dyadic = tuple[int, int]
"""(man, exponent): man 2**exponent."""


chosen = ["auto"]


@pytest.fixture(params=["auto", "mpmath"], autouse=True, scope="module")
def ladder(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test here holds of both ladders."""
    chosen[:] = [request.param]
    yield request.param
    chosen[:] = ["auto"]


def truth_of(
    name: str, logits: Any, fmt: Format, labels: Any = None, lost: Any = None, ladder: str | None = None
) -> Reference:
    x = np.asarray(logits, np.float64)
    given = None if labels is None else np.asarray(labels, np.int64)
    lost = None if lost is None else np.asarray(lost)
    return reference(catalogue.named(name), x, given, fmt, lost, ladder=ladder or chosen[0])


def narrow(truth: Reference) -> bool:
    """The radius that is promised: of balls in units of the format's ulp, unless all of it is far below the format."""
    fmt = truth.fmt
    far = truth.exponent < fmt.emin - fmt.precision - 1
    balls = (truth.radius <= 2.0 ** -(fmt.precision + NARROW_BITS)) | (far & (truth.radius < 0.25))
    limits = truth.radius == 0
    rungs = {0: limits, BALLS: balls, INTERVALS: (truth.radius <= NARROW) | (truth.exponent == -(2**40))}
    return bool(np.all(np.choose(truth.rung, [rungs[i] for i in range(3)]) | (truth.state != State.DEFINED)))


def labelled(name: str, labels: Any) -> Any:
    return labels if name == "cross_entropy" else None


def nearest(value: Dyadic, fmt: Format) -> float:
    """Rounded by the definition, in integers: the nearest multiple of the quantum, ties to even, or an infinity."""
    man, exponent = value
    n = abs(man)
    if not n or n.bit_length() + exponent < fmt.emin - fmt.precision - 2:
        return 0.0
    quantum = max(n.bit_length() + exponent - 1, fmt.emin) - fmt.precision + 1
    if quantum <= exponent:
        n <<= exponent - quantum
    else:
        unit = 1 << (quantum - exponent)
        n, rest = divmod(n, unit)
        n += 2 * rest > unit or (2 * rest == unit and n % 2 == 1)
    # At most 2**precision multiples: a double holds them, unless they are beyond the largest exponent.
    result = math.ldexp(n, quantum) if n.bit_length() + quantum - 1 <= fmt.emax else INF
    result = INF if result > fmt.largest else result
    return -result if man < 0 else result


# Arb as the judge


class Arb:
    """The exact results of one row as (exact part, ball of the rest), in python-flint's balls of 400 bits."""

    BITS = 400

    def __init__(self, row: list[float]):
        self.flint = pytest.importorskip("flint")
        self.row = row
        with self.flint.ctx.workprec(self.BITS):
            self.k = max(range(len(row)), key=lambda i: row[i])
            self.d = [self.flint.arb(v) - self.flint.arb(row[self.k]) for v in row]
            self.e = [d.exp() for d in self.d]
            self.s = sum((e for i, e in enumerate(self.e) if i != self.k), self.flint.arb(0))
            self.tail = self.s.log1p()
        # Both ladders, and several formats, ask for the same.
        self.ball = functools.cache(self._ball)
        self.ends = functools.cache(self._ends)

    def _ball(self, name: str, j: int) -> Any:
        # Enough bits for 1 + exp(-4000): e and s are good to 400 bits of themselves.
        with self.flint.ctx.workprec(8000):
            if name == "softmax":
                return self.e[j] / (1 + self.s)
            if name == "logsumexp":
                return self.flint.arb(self.row[self.k]) + self.tail
            return self.d[j] - self.tail if name == "log_softmax" else -self.d[j] + self.tail

    def rounded(self, name: str, j: int, fmt: Format) -> float | None:
        """The correctly rounded result, by an exact part and the two ends of a tail; None where they differ."""
        low, high = (nearest(end, fmt) for end in self.ends(name, j))
        return low if low == high else None

    def _ends(self, name: str, j: int) -> list[Dyadic]:
        if name == "softmax":
            base, tail, sign = Fraction(0), self.ball(name, j), 1
        else:
            exact = Fraction(self.row[j]) - Fraction(self.row[self.k])
            base = {"logsumexp": Fraction(self.row[self.k]), "log_softmax": exact, "cross_entropy": -exact}[name]
            tail, sign = self.tail, -1 if name == "log_softmax" else 1
        with self.flint.ctx.workprec(self.BITS):
            return [with_tail(base, middle_of(end), sign) for end in (tail.lower(), tail.upper())]


def middle_of(ball: Any) -> Dyadic:
    man, exponent = ball.mid().man_exp()
    return int(man), int(exponent)


def with_tail(base: Fraction, tail: Dyadic, sign: int) -> Dyadic:
    """base + sign tail; a tail too small to matter is taken for a very small number, which is not 0."""
    man, exponent = tail
    if not base:
        return sign * man, exponent
    if man and abs(man).bit_length() + exponent < -4000:
        man, exponent = (1 if man > 0 else -1), -4000
    shift = base.denominator.bit_length() - 1
    lowest = min(exponent, -shift)
    total = base * Fraction(2) ** -lowest + sign * man * 2 ** (exponent - lowest)
    assert total.denominator == 1
    return int(total), lowest


def contained(truth: Reference, place: tuple[int, ...], ball: Any, flint: Any) -> bool:
    """Is the ball inside the enclosure? An enclosure without width has to be the exact number."""
    with flint.ctx.workprec(8000):
        two = flint.arb(2) ** int(truth.exponent[place])
        middle = (flint.arb(float(truth.head[place])) + flint.arb(float(truth.tail[place]))) * two
        away, radius = abs(ball - middle), flint.arb(float(truth.radius[place])) * two
        if not truth.radius[place]:
            return bool(ball.contains(middle))
        # Of 1 - exp(-100000) Arb's bits know less than a ball does.
        return bool(away <= radius) or bool(away.abs_lower() <= radius and ball.rad() * 2**30 > radius)


DEFAULT = 256
SCALES = {1000.0: 256, 1.0: 256, 10.0: 96, 1e5: 96}
"""Rows at each scale: the default run whole, and a stretch of it elsewhere; of intervals, which judge each row alone,
a stretch everywhere."""


@functools.cache
def judges(scale: float, fmt: Format) -> tuple[Floats, Any, Any, list[Arb | None]]:
    count = SCALES[scale]
    given = draws.draw("normal", 0, 10, range(count)) * scale
    x = round_to(given, fmt)
    lost = ~np.isfinite(x).all(-1)
    rows = [None if gone else Arb(row) for gone, row in zip(lost.tolist(), x.tolist(), strict=True)]
    return x, draws.draw_labels(0, 10, range(count)), lost, rows


@every_operation
@every_format
@pytest.mark.parametrize("scale", SCALES)
def test_drawn_rows_against_arb(name: str, fmt: Format, scale: float) -> None:
    flint = pytest.importorskip("flint")
    x, labels, lost, rows = (v[: 96 if chosen[0] == "mpmath" else None] for v in judges(scale, fmt))
    truth = truth_of(name, x, fmt, labelled(name, labels), lost)
    for i, row in enumerate(rows):
        if row is None:
            assert np.all(truth.state[i] == State.INPUT_OVERFLOW)
            continue
        for place, j in [((i, j), j) for j in range(10)] if truth.head.ndim == 2 else [((i,), int(labels[i]))]:
            assert truth.state[place] == State.DEFINED
            assert contained(truth, place, row.ball(name, j), flint), (x[i], j)
            rounded = row.rounded(name, j, fmt)
            assert rounded is not None
            assert truth.below[place] == truth.above[place] == rounded, (x[i], j)
            assert 1 <= abs(truth.head[place]) < 2 or truth.head[place] == truth.tail[place] == 0
    assert narrow(truth)
    if chosen[0] == "mpmath":
        assert np.all(truth.rung[~lost] == INTERVALS)
    else:
        assert np.all(truth.rung[~lost] == BALLS)


@every_operation
@pytest.mark.parametrize("dist", ["laplace", "uniform"])
@pytest.mark.parametrize("classes", [1, 2, 3, 100])
def test_other_shapes_against_arb(name: str, dist: str, classes: int) -> None:
    flint = pytest.importorskip("flint")
    for fmt in (FORMATS["float32"], FORMATS["bfloat16"]):
        x = round_to(draws.draw(dist, 3, classes, range(6)) * 30, fmt)
        labels = draws.draw_labels(3, classes, range(6))
        truth = truth_of(name, x, fmt, labelled(name, labels))
        for i, row in enumerate(map(Arb, x.tolist())):
            places = [((i, j), j) for j in range(classes)] if truth.head.ndim == 2 else [((i,), int(labels[i]))]
            for place, j in places:
                assert contained(truth, place, row.ball(name, j), flint)
                assert truth.below[place] == truth.above[place] == row.rounded(name, j, fmt)


# mpmath as the judge: not rigorous, but there wherever the package is


@functools.cache
def sums(row: tuple[float, ...], bits: int) -> tuple[Any, ...]:
    """The row, its largest, the exponentials of the differences, their sum and its logarithm, with that many bits."""
    mp = mpmath.mp.clone()
    mp.prec = bits
    x = [mp.mpf(v) for v in row]
    terms = [mp.exp(v - max(x)) for v in x]
    total = mp.fsum(terms)
    return x, max(x), terms, total, mp.log(total)


def by_mpmath(name: str, row: list[float], j: int, bits: int = 6000) -> Any:
    x, largest, terms, total, log = sums(tuple(row), bits)
    if name == "softmax":
        return terms[j] / total
    if name == "logsumexp":
        return largest + log
    return (x[j] - largest - log) * (1 if name == "log_softmax" else -1)


def dyadic(exact: Any) -> Dyadic:
    sign, man, exponent, _ = exact._mpf_
    return -int(man) if sign else int(man), int(exponent)


def encloses(truth: Reference, place: tuple[int, ...], exact: Any) -> bool:
    mp = exact.context
    middle = mp.ldexp(mp.mpf(float(truth.head[place])) + mp.mpf(float(truth.tail[place])), int(truth.exponent[place]))
    radius = mp.ldexp(mp.mpf(float(truth.radius[place])), int(truth.exponent[place]))
    # The judge's own error, relative to the largest term of what it added up.
    return bool(abs(middle - exact) <= radius + mp.mpf(2) ** -5000 * (1 + abs(exact)))


@every_operation
def test_rows_against_mpmath(name: str) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(4, 5)), 50 * rng.normal(size=(4, 5)), 700 * rng.normal(size=(2, 5))])
    labels = rng.integers(0, 5, len(x))
    fmt = FORMATS["float64"]
    truth = truth_of(name, x, fmt, labelled(name, labels))
    for i, row in enumerate(x.tolist()):
        for place, j in [((i, j), j) for j in range(5)] if truth.head.ndim == 2 else [((i,), int(labels[i]))]:
            exact = by_mpmath(name, row, j)
            assert encloses(truth, place, exact)
            assert truth.below[place] == truth.above[place] == nearest(dyadic(exact), fmt)


@pytest.mark.parametrize(
    "row",
    [
        [-math.log(2), -math.log(2)],  # the truth is about 1e-17
        [-math.log(3)] * 3,
        [-1e-8, math.log(1e-8)],
        [0.0, -745.0],
        [1e-300, -2000.0],  # two tails of different kinds
        [-5e-324, -800.0],
    ],
)
def test_logsumexp_that_cancels_climbs_until_it_is_narrow(row: list[float]) -> None:
    for fmt in (FORMATS["float64"], FORMATS["float32"]):
        truth = truth_of("logsumexp", [row], fmt)
        exact = by_mpmath("logsumexp", row, 0)
        assert encloses(truth, (0,), exact)
        assert narrow(truth)
        assert truth.below[0] == truth.above[0] == nearest(dyadic(exact), fmt)


# Ties


def test_a_tail_of_7_million_digits_decides_a_tie() -> None:
    """16777217 lies halfway between two float32, and exp(-16777217) puts the truth above it."""
    fmt, x = FORMATS["float32"], [[16777216.0, -1.0]]
    loss = truth_of("cross_entropy", x, fmt, [1])
    assert loss.below[0] == loss.above[0] == 16777218.0
    logs = truth_of("log_softmax", x, fmt)
    assert logs.below[0, 1] == logs.above[0, 1] == -16777218.0
    assert logs.below[0, 0] == logs.above[0, 0] == 0.0  # -exp(-16777217), which is not 0
    assert logs.head[0, 0] < 0
    assert logs.exponent[0, 0] == math.floor(-16777217 / math.log(2))


def test_a_loss_of_1e_minus_1276_is_not_zero() -> None:
    for fmt in FORMATS.values():
        if fmt.largest < 2936:
            continue
        truth = truth_of("cross_entropy", [[2936.0, 0.0]], fmt, [0])
        assert truth.below[0] == truth.above[0] == 0
        assert truth.head[0] > 0
        assert narrow(truth)
        assert encloses(truth, (0,), by_mpmath("cross_entropy", [2936.0, 0.0], 0))
        assert math.log10(truth.head[0]) + truth.exponent[0] * math.log10(2) == pytest.approx(
            math.log10(8.2) - 1276, abs=0.01
        )


@every_format
def test_a_midpoint_of_each_format_as_a_loss(fmt: Format) -> None:
    """The first midpoint above a power of two: to even would be down, the tail says up."""
    base = 2.0 ** min(fmt.precision, fmt.emax)
    ulp = 2.0 ** (round(math.log2(base)) - fmt.precision + 1)
    x = [[base, -ulp / 2]]
    assert round_to(np.array(x), fmt).tolist() == x
    loss = truth_of("cross_entropy", x, fmt, [1])
    logs = truth_of("log_softmax", x, fmt)
    assert loss.below[0] == loss.above[0] == base + ulp
    assert logs.below[0, 1] == logs.above[0, 1] == -(base + ulp)


def precisions_for(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> tuple[Reference, list[int]]:
    """The truth, and the working precisions it took."""
    tried: list[int] = []
    monkeypatch.setattr(rungs, "Intervals", lambda bits: tried.append(bits) or Intervals(bits))
    return truth_of(*arguments), tried


@pytest.mark.parametrize("x", [1e-300, 5e-324, 1e-100, 2.0**-140])
def test_next_to_a_power_of_two_the_ulp_has_to_be_known(x: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """1/2 +- x/4: both round to 1/2, whose two sides have different ulps."""
    truth, tried = precisions_for(monkeypatch, "softmax", [[x, 0.0], [0.0, x]], FORMATS["float64"])
    assert np.all(truth.below == 0.5)
    assert np.all(truth.above == 0.5)
    assert truth.exponent.tolist() == [[-1, -2], [-2, -1]]
    assert 2.0 ** -tried[-1] < x
    assert np.all(truth.rung == INTERVALS)


@pytest.mark.parametrize("gap", [30.0, 200.0, 2936.0, 16777217.0])
def test_just_below_one_the_ulp_is_that_below_one(gap: float) -> None:
    """1 - exp(-gap) rounds to 1, but lies in the binade below it: its ulp is half that of 1."""
    truth = truth_of("softmax", [[gap, 0.0]], FORMATS["float16"])
    assert truth.below[0, 0] == truth.above[0, 0] == 1.0
    assert truth.exponent[0, 0] == -1


def test_an_end_that_is_missed_needs_no_further_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just below 1 and just above 16777217, by less than any of the precisions: settled by the side alone."""
    for arguments in (
        ("softmax", [[16777216.0, -1.0]], FORMATS["float64"]),
        ("cross_entropy", [[16777216.0, -1.0]], FORMATS["float32"], [1]),
        ("logsumexp", [[16777216.0, -1.0]], FORMATS["float32"]),
    ):
        truth, tried = precisions_for(monkeypatch, *arguments)
        assert np.all(truth.below == truth.above)
        assert tried == ([128] if chosen[0] == "mpmath" else []), arguments[0]


@pytest.mark.parametrize("gap", [1e11, 7e11, 1e12, 1e300, 1.7e308])
def test_logits_very_far_apart(gap: float) -> None:
    """exp(-gap) has an exponent that no field holds: it lies between 0 and a number smaller than any format's."""
    x, fmt = [[gap, 0.0], [0.0, -gap], [gap / 2, -gap / 2]], FORMATS["float64"]
    softmax = truth_of("softmax", x, fmt)
    assert np.all(softmax.below == [1.0, 0.0])
    assert np.all(softmax.above == [1.0, 0.0])
    exponent = math.floor(Fraction(-gap) / Fraction(math.log(2)))
    loss = truth_of("cross_entropy", x, fmt, [0, 0, 0])
    for small in (picked(softmax, (slice(None), 1)), loss):
        assert np.all(small.head > 0)
        for i in range(3):
            # 0 < the truth < 2**(exponent + 1), and inside the enclosure whichever way that is written
            assert small.exponent[i] == pytest.approx(max(exponent, -(2**40)), rel=1e-15)
            assert small.radius[i] == 1 if exponent < -(2**40) else small.radius[i] < 2.0**-70
    far = truth_of("cross_entropy", x, fmt, [1, 1, 1])
    assert np.all(far.below == gap)
    assert np.all(far.above == gap)


def test_differences_beyond_the_largest_number() -> None:
    x, fmt = [[1.7e308, -1.7e308]], FORMATS["float64"]
    loss = truth_of("cross_entropy", x, fmt, [1])
    assert loss.below[0] == loss.above[0] == INF
    assert math.ldexp(loss.head[0], int(loss.exponent[0]) - 2000) == math.ldexp(1.7e308, 1 - 2000)
    logs = truth_of("log_softmax", x, fmt)
    assert logs.below.tolist() == logs.above.tolist() == [[0.0, -INF]]
    assert np.isfinite(logs.head).all()


@pytest.mark.parametrize(("classes", "rounded"), [(1023, 2.0**-9), (1024, 0.0), (1025, 0.0), (512, 2.0**-9)])
def test_equal_logits_on_the_last_tie_of_e4m3fn(classes: int, rounded: float) -> None:
    truth = truth_of("softmax", np.full((1, classes), 3.0), FORMATS["float8_e4m3fn"])
    assert np.all(truth.below == rounded)
    assert np.all(truth.above == rounded)
    if classes != 1024 and classes != 512:
        return
    assert np.all(truth.head == 1)
    assert np.all(truth.exponent == -math.log2(classes))
    assert not truth.tail.any()
    assert not truth.radius.any()


@every_format
@pytest.mark.parametrize("classes", [1, 2, 3, 5, 8])
def test_equal_logits(fmt: Format, classes: int) -> None:
    """1/n: exact, and without width, where n is a power of two."""
    truth = truth_of("softmax", np.full((1, classes), -2.0), fmt)
    assert np.all(truth.below == nearest_fraction(Fraction(1, classes), fmt))
    assert np.all(truth.above == truth.below)
    assert np.all((truth.radius == 0) == (classes in (1, 2, 8)))


def nearest_fraction(x: Fraction, fmt: Format) -> float:
    scaled = x * Fraction(2) ** 3000
    return nearest((2 * math.floor(scaled) + (scaled.denominator != 1), -3001), fmt)


# Special values: the limits in the extended reals

Row = list[float]
Limits = dict[str, list[Any]]
"""For each operation the limits, per class; None where there is none."""


def limits(softmax: Row | None, logsumexp: float | None) -> Limits:
    n = 3 if softmax is None else len(softmax)
    logs = [None] * n if softmax is None else [math.log(p) if p else -INF for p in softmax]
    losses = [None if v is None else abs(v) for v in logs]
    return {
        "softmax": [None] * n if softmax is None else list(softmax),
        "logsumexp": [logsumexp],
        "log_softmax": logs,
        "cross_entropy": losses,
    }


SPECIAL: list[tuple[Row, Limits]] = [
    ([NAN, 1.0, 2.0], limits(None, None)),
    ([NAN, INF, 2.0], limits(None, None)),
    ([NAN, -INF, -INF], limits(None, None)),
    ([-INF, -INF, -INF], limits(None, -INF)),
    ([INF, INF, 0.0], limits(None, INF)),
    ([INF, INF, -INF], limits(None, INF)),
    ([INF, 1.0, 2.0], limits([1.0, 0.0, 0.0], INF)),
    ([-INF, INF, 2.0], limits([0.0, 1.0, 0.0], INF)),
    ([-INF, -INF, INF], limits([0.0, 0.0, 1.0], INF)),
    ([7.0], limits([1.0], 7.0)),
    ([-7.0], limits([1.0], -7.0)),
    ([0.0], limits([1.0], 0.0)),
    ([INF], limits([1.0], INF)),
    ([-INF], limits([1.0], -INF)),
    ([7.0, -INF, -INF], limits([1.0, 0.0, 0.0], 7.0)),
    ([-INF, 7.0, -INF], limits([0.0, 1.0, 0.0], 7.0)),
    ([7.0, 7.0, -INF], limits([0.5, 0.5, 0.0], 7.0 + math.log(2))),
]


def test_one_nan_is_all_there_is_of_one_class() -> None:
    for name in OPERATIONS:
        assert np.all(truth_of(name, [[NAN]], FORMATS["float32"], labelled(name, [0])).state == State.UNDEFINED)


@every_operation
@pytest.mark.parametrize(("row", "wanted"), SPECIAL, ids=[str(row) for row, _ in SPECIAL])
def test_special_rows(name: str, row: Row, wanted: Limits) -> None:
    for fmt in FORMATS.values():
        if not fmt.has_infinity and np.isinf(row).any():
            continue
        for label, limit in enumerate(wanted[name]) if name == "cross_entropy" else [(0, None)]:
            truth = truth_of(name, [row], fmt, labelled(name, [label]))
            for j, exact in enumerate(wanted[name] if name != "cross_entropy" else [limit]):
                place = (0, j) if truth.head.ndim == 2 else (0,)
                if exact is None:
                    assert truth.state[place] == State.UNDEFINED
                    continue
                assert truth.state[place] == State.DEFINED
                assert truth.below[place] == truth.above[place] == round_to(np.array(exact), fmt)
                if exact in (0.0, INF, -INF):
                    assert truth.head[place] == exact
                    assert truth.tail[place] == truth.radius[place] == 0
                # A limit needs no rung; a row with a mask is an ordinary one.
                special = np.isnan(row).any() or INF in row or all(v == -INF for v in row)
                assert truth.rung[place] == (0 if special else INTERVALS if chosen[0] == "mpmath" else BALLS)


def test_nan_alone_is_undefined_in_logsumexp_too() -> None:
    truth = truth_of("logsumexp", [[NAN, INF], [INF, 0.0], [0.0, 0.0]], FORMATS["float64"])
    assert truth.state.tolist() == [State.UNDEFINED, State.DEFINED, State.DEFINED]


@every_operation
def test_special_rows_leave_their_neighbours_alone(name: str) -> None:
    ordinary = np.random.default_rng(2).normal(size=(4, 3))
    special = np.array([[NAN, 0, 0], [INF, 0, 0], [-INF, -INF, -INF], [9.0, 9.0, 9.0]])
    labels = np.array([0, 1, 2, 0])
    mixed = np.stack([ordinary, special], axis=1).reshape(8, 3)
    alone = truth_of(name, ordinary, FORMATS["float32"], labelled(name, labels))
    lost = np.arange(8) == 7
    among = truth_of(name, mixed, FORMATS["float32"], labelled(name, np.repeat(labels, 2)), lost)
    same(alone, picked(among, slice(0, 8, 2)))
    assert np.all(among.state[7] == State.INPUT_OVERFLOW)
    assert np.all(among.state[1] == State.UNDEFINED)


def test_a_lost_row_is_lost_whatever_else_it_holds() -> None:
    truth = truth_of("softmax", [[NAN, INF], [1.0, 2.0]], FORMATS["float16"], lost=[True, False])
    assert truth.state.tolist() == [[State.INPUT_OVERFLOW] * 2, [State.DEFINED] * 2]


# What no precision settles


@pytest.mark.parametrize("ladder", ["mpmath"])
@pytest.mark.parametrize("bits", [(8,), (24,), (50,)])
@every_operation
def test_too_few_bits_leave_elements_undecided_and_still_enclosed(
    name: str, bits: tuple[int, ...], ladder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LADDER", bits)
    fmt = FORMATS["float64"]
    x = np.random.default_rng(4).normal(size=(20, 4)) * 5
    labels = np.zeros(20, np.int64)
    truth = truth_of(name, x, fmt, labelled(name, labels), ladder=ladder)
    undecided = truth.below != truth.above
    assert undecided.any()
    for i, row in enumerate(x.tolist()):
        for place, j in [((i, j), j) for j in range(4)] if truth.head.ndim == 2 else [((i,), 0)]:
            exact = by_mpmath(name, row, j)
            assert encloses(truth, place, exact)
            assert truth.below[place] <= nearest(dyadic(exact), fmt) <= truth.above[place]
            assert truth.state[place] == State.DEFINED


def test_what_is_never_enclosed_may_be_anything() -> None:
    def refuse(xp: Any, x: Any) -> Any:
        raise Indeterminate("never")

    operation = replace(catalogue.named("softmax"), identity=refuse)
    truth = reference(operation, np.zeros((2, 3)), None, FORMATS["float32"])
    assert np.all(truth.below == -INF)
    assert np.all(truth.above == INF)
    assert np.all(truth.radius == INF)
    assert np.all(truth.state == State.DEFINED)


def test_a_ball_that_settles_nothing_is_not_kept(ladder: str) -> None:
    """Though the intervals give up: it says nothing of the ulp."""

    def wide(xp: Any, x: Any) -> Any:
        if isinstance(xp, Intervals):
            raise Indeterminate("never")
        return BallArray(np.ones(x.shape), None, np.where(x.hi > 0, 0.125, 0.0))

    operation = replace(catalogue.named("softmax"), identity=wide)
    truth = reference(operation, np.array([[0.0, 1.0]]), None, FORMATS["float32"], ladder=ladder)
    known = [ladder == "auto", False]
    assert (truth.rung[0] == BALLS).tolist() == known
    assert (truth.below[0] == truth.above[0]).tolist() == known
    assert truth.radius[0].tolist() == [0.0 if known[0] else INF, INF]


@pytest.mark.parametrize("ladder", ["auto"])
@pytest.mark.parametrize("bits", [(128,), (8, 16, 128)])
def test_what_balls_settled_is_kept_and_only_rows_in_doubt_climb(
    bits: tuple[int, ...], ladder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exp(-2**900) is beyond balls; the other elements of its row are not, and other rows do not climb with it."""
    climbed: list[int] = []
    operation = catalogue.named("log_softmax")

    def identity(xp: Any, x: Any) -> Any:
        if isinstance(xp, Intervals):
            climbed.append(len(x.elements))
        return operation.identity(xp, x)

    monkeypatch.setattr(module, "LADDER", bits)
    x = np.array([[1.0, 2.0], [1.5 * 2.0**900, 0.0], [3.0, 4.0]])
    truth = reference(replace(operation, identity=identity), x, None, FORMATS["float64"], ladder=ladder)
    assert truth.rung.tolist() == [[1, 1], [2, 1], [1, 1]]
    assert truth.below[1].tolist() == truth.above[1].tolist() == [0.0, -1.5 * 2.0**900]
    assert set(climbed) == {1}


# Properties

FIELDS = ("head", "tail", "exponent", "radius", "below", "above", "state", "rung")


def picked(truth: Reference, rows: Any) -> Reference:
    return replace(truth, **{f: getattr(truth, f)[rows] for f in FIELDS})


def same(a: Reference, b: Reference) -> None:
    for f in FIELDS:
        np.testing.assert_array_equal(getattr(a, f), getattr(b, f), f)


eighths = st.integers(-800, 800).map(lambda n: n / 8)
rows_of_eighths = st.lists(eighths, min_size=1, max_size=6)


@every_operation
@settings(max_examples=40, deadline=None)
@given(row=rows_of_eighths, data=st.data())
def test_the_order_of_classes_does_not_matter(name: str, row: list[float], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(row))))
    label = data.draw(st.integers(0, len(row) - 1))
    fmt = data.draw(st.sampled_from(list(FORMATS.values())))
    one = truth_of(name, [row], fmt, labelled(name, [label]))
    other = truth_of(name, [[row[i] for i in order]], fmt, labelled(name, [order.index(label)]))
    where = order if one.head.ndim == 2 else ...
    for end in ("below", "above", "exponent"):
        moved = getattr(one, end)[0][where]
        np.testing.assert_array_equal(moved, getattr(other, end)[0], end)
    np.testing.assert_allclose(one.head[0][where], other.head[0], rtol=2**-51)


@every_operation
@settings(max_examples=40, deadline=None)
@given(row=rows_of_eighths, shift=st.integers(-3, 40), sign=st.sampled_from([1, -1]), data=st.data())
def test_an_exact_shift_does_not_matter(
    name: str, row: list[float], shift: int, sign: int, data: st.DataObject
) -> None:
    moved = [v + sign * 2.0**shift for v in row]
    assert all(Fraction(m) == Fraction(v) + sign * Fraction(2) ** shift for m, v in zip(moved, row, strict=True))
    label = data.draw(st.integers(0, len(row) - 1))
    fmt = data.draw(st.sampled_from(list(FORMATS.values())))
    one, other = (truth_of(name, [x], fmt, labelled(name, [label])) for x in (row, moved))
    if name != "logsumexp":
        same(one, other)
        return
    exact = by_mpmath(name, row, 0, 6000)
    assert encloses(one, (0,), exact)
    assert encloses(other, (0,), exact + exact.context.mpf(sign * 2.0**shift))


@settings(max_examples=40, deadline=None)
@given(row=rows_of_eighths)
def test_losses_are_minus_the_logs(row: list[float]) -> None:
    fmt = FORMATS["float32"]
    logs = truth_of("log_softmax", [row] * len(row), fmt)
    losses = truth_of("cross_entropy", [row] * len(row), fmt, list(range(len(row))))
    diagonal: Callable[[Any], Any] = np.diagonal
    np.testing.assert_array_equal(-diagonal(logs.below), losses.below)
    np.testing.assert_array_equal(-diagonal(logs.head), losses.head)


# Two ladders, one truth


def agree(name: str, x: Any, fmt: Format, labels: Any = None) -> Reference:
    """Both ladders decide the same, know the same ulp, and enclose something common. Gives what "auto" found."""
    fast, slow = (truth_of(name, x, fmt, labelled(name, labels), ladder=way) for way in ("auto", "mpmath"))
    np.testing.assert_array_equal(fast.state, slow.state)
    for end in ("below", "above"):
        np.testing.assert_array_equal(getattr(fast, end), getattr(slow, end))
    counts = np.maximum(fast.exponent, slow.exponent) >= fmt.emin
    np.testing.assert_array_equal(fast.exponent[counts], slow.exponent[counts])
    same_unit = (fast.exponent == slow.exponent) & np.isfinite(fast.head)
    apart = np.abs((fast.head[same_unit] - slow.head[same_unit]) + (fast.tail[same_unit] - slow.tail[same_unit]))
    assert np.all(apart <= (fast.radius + slow.radius)[same_unit] + 2.0**-103)
    assert np.array_equal(fast.head[~np.isfinite(fast.head)], slow.head[~np.isfinite(fast.head)])
    assert same_unit.mean() > 0.5 or np.isinf(fast.head).any() or fast.head.size < 4
    assert narrow(fast)
    assert narrow(slow)
    return fast


@pytest.mark.parametrize("ladder", ["auto"])
@every_format
@every_operation
def test_ladders_agree_on_drawn_rows_and_balls_decide_them(name: str, fmt: Format, ladder: str) -> None:
    for scale in (0.01, 1.0, 10.0, 1000.0, 1e5):
        for classes, count in ((1, 20), (2, 60), (10, 20), (1000, 1)):
            x = round_to(draws.draw("normal", 7, classes, range(count)) * scale, fmt)
            x = x[np.isfinite(x).all(-1)]
            if len(x):
                fast = agree(name, x, fmt, draws.draw_labels(7, classes, range(len(x))))
                assert np.mean(fast.rung == BALLS) >= 0.999, (scale, classes)


def cauchy(count: int, classes: int) -> Floats:
    u = draws.draw("uniform", 3, classes, range(count))
    return np.tan(u * (math.pi / 2))


SPREADS: dict[str, Floats] = {
    "one far ahead": np.array(
        [[16777216.0, -1.0, 0.0], [1e12, -1e12, 3.0], [1e300, 1.0, -1e300], [2.0**900 * 1.5, 0.0, 1.0]]
    ),
    "beyond what balls hold": np.array([[2.0**1000, 0.0, 1.0], [-(2.0**1023), 1.0, 2.0], [2.0**990, 2.0**990, 0.0]]),
    "below what balls hold": np.array(
        [[5e-324, 0.0, -5e-324], [2.0**-1022, 2.0**-1000, 0.0], [2.0**31, 2.0**-1060, -1.0]]
    ),
    "masked": np.array(
        [[1.0, -INF, 2.0], [-INF, -INF, 5.0], [3000.0, -INF, -3000.0], [0.0, 1e9, -INF], [2.5, 2.5, -INF]]
    ),
    "equal": np.array([[1.0, 1.0, 1.0], [-7.0, -7.0, -8.0], [0.0, 0.0, -0.0], [16.0, 16.0, -2000.0]]),
    "small": np.array([[1e-8, -1e-8, 0.0], [-math.log(2), -math.log(2), -800.0], [-1e-8, math.log(1e-8), -900.0]]),
    "just beyond": np.array(
        [[0.0, -(2.0**22), -(2.0**32)], [0.0, -(2.0**22) - 1, -(2.0**32) - 1], [600.0, 0.0, -600.0]]
    ),
    "scale 1e12": np.random.default_rng(1).normal(size=(6, 4)) * 1e12,
    "cauchy": cauchy(40, 5),
    "cauchy, far": cauchy(40, 5) * 1e3,
}


@pytest.mark.parametrize("ladder", ["auto"])
@every_operation
@pytest.mark.parametrize("rows", SPREADS)
def test_ladders_agree_on_what_is_not_drawn(name: str, rows: str, ladder: str) -> None:
    for fmt in FORMATS.values():
        x = round_to(SPREADS[rows], fmt)
        x = x[np.isfinite(x).any(-1) & ~(x == INF).any(-1)]
        if len(x) and (fmt.has_infinity or not np.isinf(x).any()):
            for label in range(x.shape[1]):
                fast = agree(name, x, fmt, np.full(len(x), label))
                far = np.isfinite(x) & (np.abs(x) > 2.0**990)
                assert not np.any(fast.rung[far.any(-1)] == BALLS)
                if rows in ("masked", "equal") and fmt.name != "float64":
                    # Masks and ties need no intervals; beyond exp(-2**32) everything else does.
                    assert np.all((fast.rung == BALLS)[np.nan_to_num(x, neginf=0).min(-1) > -1e8])


@pytest.mark.parametrize("ladder", ["auto"])
@every_format
def test_long_rows_of_equal_logits(fmt: Format, ladder: str) -> None:
    for classes in (1024, 1023, 65536):
        for name in OPERATIONS:
            truth = truth_of(name, np.zeros((1, classes)), fmt, labelled(name, [classes - 1]), ladder=ladder)
            assert np.all(truth.rung == BALLS)
            mp = mpmath.mp.clone()
            mp.prec = 400
            exact = {"softmax": mp.mpf(1) / classes, "log_softmax": -mp.log(classes)}.get(name, mp.log(classes))
            assert np.all(truth.below == nearest(dyadic(exact), fmt))
            assert np.all(truth.above == truth.below)


def test_nothing_warns_and_no_setting_changes() -> None:
    """Warnings are errors here; and where floating-point errors raise, they do not."""
    with np.errstate(all="raise"):
        before = np.geterr()
        for name in OPERATIONS:
            for x in SPREADS.values():
                truth_of(name, x[:3], FORMATS["float64"], labelled(name, [0] * len(x[:3])))
            assert np.geterr() == before
