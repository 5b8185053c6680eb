"""The exact gradient of every operation: the derivative of its meaning, enclosed, rounded right, with its limits."""

from __future__ import annotations

import inspect
import math
import pickle
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from overflowscope import catalogue
from overflowscope.arithmetic.balls import Balls
from overflowscope.arithmetic.intervals import Intervals
from overflowscope.catalogue import Formulation, Operation
from overflowscope.errors import InputError
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.records import State
from overflowscope.reference import reference

INF, NAN = math.inf, math.nan
NAMES = list(catalogue.operations())
GRADIENTS = {name: catalogue.differentiated(name) for name in NAMES}
MP = mpmath.mp.clone()
MP.prec = 3000

every_gradient = pytest.mark.parametrize("name", NAMES)
every_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def labels_for(x: Floats) -> Any:
    return np.arange(len(x)) * 7 % x.shape[1]


def arguments(op: Operation, xp: Any, x: Floats) -> tuple[Any, ...]:
    return op.arguments(xp.asarray(x), labels_for(x))


def value(name: str, row: list[Any], label: int) -> Any:
    """The textbook at 3000 bits: what is differentiated."""
    total = MP.fsum(MP.exp(v) for v in row)
    return {
        "softmax": lambda: MP.exp(row[label]) / total,
        "log_softmax": lambda: row[label] - MP.log(total),
        "logsumexp": lambda: MP.log(total),
        "cross_entropy": lambda: MP.log(total) - row[label],
    }[name]()


def derivative(name: str, row: list[float], label: int, j: int) -> Any:
    """A central difference of step 2**-900: right to 2**-1800, and to 2**-2000 of the value's own size."""
    h = MP.mpf(2) ** -900
    ends = []
    for step in (h, -h):
        moved = [MP.mpf(v) for v in row]
        moved[j] += step
        ends.append(value(name, moved, label))
    return (ends[0] - ends[1]) / (2 * h)


def finite_logits() -> list[Floats]:
    rng = np.random.default_rng(21)
    return [
        rng.normal(size=(4, 5)),
        rng.normal(size=(3, 2)) * 30,
        rng.normal(size=(2, 7)) * 200,
        rng.integers(-3, 3, (4, 4)).astype(np.float64),
        rng.normal(size=(3, 1)) * 5,
        np.zeros((2, 3)),
        np.array([[-1e-9, 1e-9, 0.0], [20.0, 0.0, -20.0], [0.0, 20.0, 20.0]]),
    ]


def test_every_operation_states_its_gradient() -> None:
    for name, op in GRADIENTS.items():
        value = catalogue.named(name)
        assert (op.name, op.quantity, value.quantity) == (name, "gradient", "value")
        assert op.per_class
        assert not op.probabilities
        assert op.takes_labels == (value.takes_labels or value.per_class)
        assert list(op.formulations) == list(value.formulations)
        assert catalogue.differentiated(name) is op
        assert op.summary
        for stated in (op.meaning, op.identity, op.limit):
            assert inspect.getdoc(stated)
        for f in op.formulations.values():
            assert f.formula.startswith("autograd of ")
            assert f.bound is None
    assert len(NAMES) >= 4


def test_a_gradient_that_is_not_stated_is_no_error_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Operation("plain", "nothing", *[lambda xp, x: x] * 3)
    monkeypatch.setattr(catalogue, "named", lambda name: plain)
    with pytest.raises(InputError, match="no gradient of plain is stated"):
        catalogue.differentiated.__wrapped__("plain")


@every_gradient
def test_the_identity_encloses_the_derivative(name: str) -> None:
    """On intervals of 256 bits, of which it keeps nearly all, and the textbook's gradient with it."""
    op = GRADIENTS[name]
    for x in finite_logits():
        xp = Intervals(256)
        found, textbook = (f(xp, *arguments(op, xp, x)).elements for f in (op.identity, op.meaning))
        assert found.shape == textbook.shape == x.shape
        for (i, j), _ in np.ndenumerate(x):
            exact = derivative(name, x[i].tolist(), int(labels_for(x)[i]), j)
            judge = MP.mpf(2) ** -1700
            for enclosure in (found[i, j], textbook[i, j]):
                lo, hi = (MP.make_mpf(end) for end in enclosure[:2])
                assert lo - judge <= exact <= hi + judge
            lo, hi = (MP.make_mpf(end) for end in found[i, j][:2])
            assert hi - lo <= abs(exact) * MP.mpf(2) ** -240 + judge


@pytest.mark.parametrize("words", [1, 2])
@every_gradient
def test_so_do_balls(name: str, words: int) -> None:
    op = GRADIENTS[name]
    for x in finite_logits():
        xp = Balls(words)
        with np.errstate(all="ignore"):
            found = op.identity(xp, *arguments(op, xp, x))
        zeros = np.zeros(x.shape)
        fields = (found.hi, found.lo, found.radius, found.exponent)
        hi, lo, radius, exponent = (zeros if f is None else f for f in fields)
        for (i, j), _ in np.ndenumerate(x):
            exact = derivative(name, x[i].tolist(), int(labels_for(x)[i]), j)
            middle = (MP.mpf(hi[i, j]) + MP.mpf(lo[i, j])) * MP.mpf(2) ** int(exponent[i, j])
            reach = MP.mpf(radius[i, j]) * MP.mpf(2) ** int(exponent[i, j])
            assert abs(exact - middle) <= reach + MP.mpf(2) ** -1700
            assert reach <= abs(exact) * MP.mpf(2) ** (-44 if words == 1 else -76) + MP.mpf(2) ** -1000


# Rounded to a format


def nearest(x: Fraction, fmt: Format) -> float:
    """By the definition: the nearest multiple of the quantum, ties to even. Of numbers below 2."""
    if not x:
        return 0.0
    e = abs(x).numerator.bit_length() - abs(x).denominator.bit_length()
    e -= abs(x) < Fraction(2) ** e
    quantum = Fraction(2) ** (max(e, fmt.emin) - fmt.precision + 1)
    return float(round(x / quantum) * quantum)


def truth(name: str, x: Floats, labels: Any, fmt: Format) -> Any:
    return reference(GRADIENTS[name], round_to(x, fmt), np.asarray(labels), fmt)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 32, 512, 1024, 4096, 4097])
@every_format
def test_equal_logits_have_rational_gradients(n: int, fmt: Format) -> None:
    """1/n, 1/n**2, 1 - 1/n: exact ties among them, 1 - 2**-12 of float16, 1 - 2**-4 and 2**-17 / 2 of float8_e5m2."""
    x, labels = np.full((2, n), 1.5), [0, n - 1]
    share, rest = Fraction(1, n), 1 - Fraction(1, n)
    for name, beside, at in (
        ("logsumexp", share, share),
        ("cross_entropy", share, -rest),
        ("log_softmax", -share, rest),
        ("softmax", -share * share, share * rest),
    ):
        found = truth(name, x, labels, fmt)
        want = np.full((2, n), nearest(beside, fmt))
        want[[0, 1], labels] = nearest(at, fmt)
        assert (found.below == found.above).all(), name
        np.testing.assert_array_equal(found.below, want, err_msg=name)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "bfloat16", "float8_e5m2"])
def test_just_short_of_one_is_known_to_be(name: str) -> None:
    """[0, d] with label 0: the gradient is 1/(1 + exp(-d)), which no number of bits tells from 1, and its ulp is that
    of [1/2, 1)."""
    fmt = FORMATS[name]
    for far in (200.0, 3072.0, 49152.0):
        x = round_to(np.array([[0.0, far, -INF], [far, far, 0.0], [-INF, far, 0.0]]), fmt)
        found = truth("cross_entropy", x, [0, 0, 0], fmt)
        assert found.state.max() == State.DEFINED
        assert (found.below == found.above).all()
        assert found.below[:, :2].tolist() == [[-1, 1], [-0.5, 0.5], [-1, 1]]
        # As (head + tail) 2**exponent with 1 <= |head| < 2: of exactly 1 the exponent is 0.
        assert found.exponent[0, :2].tolist() == [-1, -1]
        assert found.exponent[1, 1] == -2
        assert (found.head[2, 0], found.radius[2, 0], found.exponent[2, 0]) == (-1, 0, 0)
        squared = truth("softmax", x, [0, 0, 0], fmt)
        assert (squared.below == squared.above).all()
        assert squared.below[1, :2].tolist() == [0.25, -0.25]
        assert squared.below[2].tolist() == [0, 0, 0]


def by_arb(flint: Any, name: str, row: list[float], label: int) -> list[Any]:
    """Balls of 400 bits and more, of quotients of sums in which nothing cancels."""
    top = max(row)
    e = [(flint.arb(v) - flint.arb(top)).exp() if v > -INF else flint.arb(0) for v in row]
    total = sum(e, flint.arb(0))
    others = sum((v for i, v in enumerate(e) if i != label), flint.arb(0))
    if name == "logsumexp":
        return [v / total for v in e]
    sign, factor = {"cross_entropy": (-1, 1), "log_softmax": (1, 1), "softmax": (1, e[label] / total)}[name]
    return [sign * factor * (others if j == label else -v) / total for j, v in enumerate(e)]


def fraction(x: Any) -> Fraction:
    """The number that an exact ball of arb is."""
    man, exp = x.man_exp()
    return Fraction(int(man)) * Fraction(2) ** int(exp)


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e5m2"])
@every_gradient
def test_the_truth_is_arbs(name: str, dtype: str, scale: float) -> None:
    """It holds arb's ball, and is rounded as both ends of it are: ties, masks and one class included."""
    flint = pytest.importorskip("flint")
    fmt = FORMATS[dtype]
    for classes in (1, 2, 7):
        rng = np.random.default_rng(classes)
        x = rng.normal(size=(12, classes)) * scale
        x[-3], x[-2, ::2], x[-1, -2:] = x[-3, 0], -INF, np.abs(x[-1]).max()
        x[-2, 0] = 0
        x = round_to(x, fmt)
        x = x[~np.isinf(np.abs(x)).any(-1) | (x[:, :1] == 0)[:, 0]]
        labels = rng.integers(0, classes, len(x))
        found = truth(name, x, labels, fmt)
        assert (found.below == found.above).all()
        with flint.ctx.workprec(400):
            for i, row in enumerate(x.tolist()):
                for j, ball in enumerate(by_arb(flint, name, row, int(labels[i]))):
                    two = flint.arb(2) ** int(found.exponent[i, j])
                    middle = (flint.arb(float(found.head[i, j])) + flint.arb(float(found.tail[i, j]))) * two
                    reach = flint.arb(float(found.radius[i, j])) * two + ball.rad() + abs(middle) * flint.arb(2) ** -390
                    assert abs(ball.mid() - middle) <= reach, (row, j)
                    ends = {nearest(fraction(end), fmt) for end in (ball.lower(), ball.upper())}
                    assert len(ends) > 1 or ends == {found.below[i, j]}, (row, j)


# Limits


@pytest.mark.parametrize("fmt", [f for f in FORMATS.values() if f.has_infinity], ids=lambda f: f.name)
def test_rows_with_infinities_have_limits(fmt: Format) -> None:
    rows = [[INF, 0, 1], [0, INF, -INF], [INF, INF, 0], [NAN, 0, 1], [-INF, -INF, -INF], [INF, NAN, 0]]
    limits = {
        "logsumexp": [[1, 0, 0], [0, 1, 0]],
        "cross_entropy": [[0, 0, 0], [-1, 1, 0]],
        "log_softmax": [[0, 0, 0], [1, -1, 0]],
        "softmax": [[0, 0, 0], [0, 0, 0]],
    }
    for name, values in limits.items():
        found = truth(name, np.array(rows), [0] * 6, fmt)
        assert found.state.tolist() == [[State.DEFINED] * 3] * 2 + [[State.UNDEFINED] * 3] * 4
        assert (found.below[:2] == values).all()
        for x in (INF, -INF):
            found = truth(name, np.array([[x]]), [0], fmt)
            assert found.state[0, 0] == State.DEFINED
            assert found.below[0, 0] == (1 if name == "logsumexp" else 0)
        assert truth(name, np.array([[NAN]]), [0], fmt).state[0, 0] == State.UNDEFINED


def test_masks_have_no_gradient_and_a_masked_label_has_all_of_it() -> None:
    x = np.array([[0.0, -INF, 0.0], [-INF, 3.0, 3.0], [-INF, 5.0, -INF]])
    found = truth("cross_entropy", x, [0, 0, 1], FORMATS["float32"])
    assert found.below.tolist() == [[-0.5, 0, 0.5], [-1, 0.5, 0.5], [0, 0, 0]]
    assert (found.radius[:, 0] == 0).tolist() == [True, True, True]


def test_a_dominant_labels_entry_keeps_every_digit() -> None:
    """[20, 0], label 0: p_y - 1 is 0 in float32; the truth is -1/(1 + exp(20))."""
    found = truth("cross_entropy", np.array([[20.0, 0.0]]), [0], FORMATS["float64"])
    exact = -1 / (1 + MP.exp(20))
    assert found.below[0, 0] == float(exact)
    assert abs(found.below[0, 0] + 2.06e-9) < 1e-11
    middle = (MP.mpf(found.head[0, 0]) + MP.mpf(found.tail[0, 0])) * MP.mpf(2) ** int(found.exponent[0, 0])
    assert abs(middle / exact - 1) < MP.mpf(2) ** -90


# What reverse mode gets is that gradient

PAIRS = [(op, f) for op in GRADIENTS.values() for f in op.formulations.values()]


@pytest.mark.parametrize(("op", "formulation"), PAIRS, ids=[f"{o.name}-{f.name}" for o, f in PAIRS])
def test_autograd_of_every_formulation_is_the_gradient(op: Operation, formulation: Formulation) -> None:
    """In float64, to 1e-13 of the cotangent's 1, on rows that nothing breaks; ties and one class among them."""
    fmt = FORMATS["float64"]
    ties = np.array([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 3.0]])
    for x in (np.random.default_rng(4).normal(size=(20, 6)) * 3, ties, np.ones((1, 1))):
        labels = labels_for(x)
        got = evaluate(op, formulation.function, x, labels, fmt).values
        want = truth(op.name, x, labels, fmt).below
        assert np.abs(got - want).max() <= (1e-6 if formulation.approximation else 1e-13)


@pytest.mark.parametrize(("op", "formulation"), PAIRS, ids=[f"{o.name}-{f.name}" for o, f in PAIRS])
def test_a_derived_formulation_travels_to_other_processes(op: Operation, formulation: Formulation) -> None:
    again = pickle.loads(pickle.dumps(formulation.function))
    x, fmt = np.array([[0.5, 1.0, -2.0]]), FORMATS["float32"]
    results = [evaluate(op, f, x, np.array([1]), fmt).values.tobytes() for f in (formulation.function, again)]
    assert results[0] == results[1]
