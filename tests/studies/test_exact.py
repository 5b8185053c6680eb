"""True values: every printed digit against Arb, ties included; what has no value; what a script reads."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import overflowscope
from overflowscope import draws
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS, Format, round_to

flint = pytest.importorskip("flint")
OPERATIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
INF, NAN = float("inf"), float("nan")


@pytest.fixture(autouse=True)
def many_bits() -> Any:
    before = flint.ctx.prec
    flint.ctx.prec = 6000
    yield
    flint.ctx.prec = before


def read(text: str) -> tuple[int, int, int]:
    """(q, k, digits): the number is q 10**k."""
    sign, whole, part, power = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?(?:e(-?\d+))?", text).groups()  # type: ignore[union-attr]
    part = part or ""
    digits = len((whole + part).lstrip("0"))
    return int(sign + whole + part), int(power or 0) - len(part), digits


def arb(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def holds(name: str, x: list[float], at: int, text: str, digits: int) -> bool:
    """Whether the text is the truth, correctly rounded to so many digits.

    softmax is compared as a ball. The others are an exact difference D of logits and a tail t of known sign, so that
    |D + t - q 10**k| < 10**k / 2 is asked of t alone, which has 6000 bits of its own.
    """
    q, k, shown = read(text)
    if shown != digits:
        return False
    m = max(x)
    first = x.index(m)
    others = sum((arb(Fraction(v) - Fraction(m)).exp() for i, v in enumerate(x) if i != first), flint.arb(0))
    if name == "softmax":
        truth = arb(Fraction(x[at]) - Fraction(m)).exp() / (1 + others)
        unit = flint.arb(10) ** k
        return bool(abs(truth - q * unit) < unit / 2)
    tail = others.log1p()
    difference = {"log_softmax": Fraction(x[at]) - Fraction(m), "logsumexp": Fraction(m)}.get(name)
    difference = Fraction(m) - Fraction(x[at]) if difference is None else difference
    tail = -tail if name == "log_softmax" else tail
    if not -5000 < k < 5000:
        unit = flint.arb(10) ** k
        return bool(abs(arb(difference) + tail - q * unit) < unit / 2)
    unit_ = Fraction(10) ** k
    low, high = q * unit_ - unit_ / 2 - difference, q * unit_ + unit_ / 2 - difference
    return bool(tail > arb(low)) and bool(tail < arb(high))


def rows(fmt: Format, scale: float, seed: int) -> np.ndarray:
    drawn = draws.draw("normal", seed, 5, range(3)) * scale
    held = np.clip(round_to(np.clip(drawn, -fmt.largest, fmt.largest), fmt), -fmt.largest, fmt.largest)
    held[2, 1:3] = held[2].max()
    return held


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_digit_is_that_of_arb(name: str, fmt: Format) -> None:
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    for seed, scale in enumerate((0.01, 1.0, 20.0, 1000.0, 1e5)):
        x = rows(fmt, scale, seed)
        labels = np.array([0, 3, 4])
        for digits in (1, 2, 17, 25, 100):
            found = overflowscope.exact(x, labels, operations=name, dtypes=fmt.name, digits=digits).results[0]
            for i, value in enumerate(found.values):
                if len(set(x[i].tolist())) == 1:
                    continue  # 1/5: tested below
                texts = list(enumerate(value)) if isinstance(value, tuple) else [(int(labels[i]), value)]
                for at, text in texts:
                    assert isinstance(text, str)
                    assert holds(name, x[i].tolist(), at, text, digits), (x[i].tolist(), at, text, digits)


def test_the_judge_refuses_what_is_off_by_one() -> None:
    x = [0.5, 2.0, -30.0]
    for name in OPERATIONS:
        value = overflowscope.exact([x], [2], operations=name, digits=17).results[0].values[0]
        text = value[2] if isinstance(value, tuple) else value
        assert isinstance(text, str)
        assert holds(name, x, 2, text, 17)
        significand, e, power = text.partition("e")
        for d in (-1, 1):
            last = str(int(significand.replace(".", "")) + d)
            point = len(significand) - significand.index(".") - 1
            changed = last[:-point].rjust(1 + ("-" in last), "0") + "." + last.lstrip("-")[-point:].rjust(point, "0")
            assert not holds(name, x, 2, changed + e + power, 17), changed


@pytest.mark.parametrize("fmt", ["float32", "float64"])
def test_ties_that_no_number_of_bits_decides(fmt: str) -> None:
    """m - x_y is a decimal tie at that many digits, and the tail is exp(-16777217) and the like."""

    def value(x: list[float], operation: str, digits: int, label: int = 1) -> Any:
        return overflowscope.exact([x], [label], operations=operation, dtypes=fmt, digits=digits).results[0].values[0]

    assert value([16777216, -1], "cross_entropy", 10) == "16777217.00"
    # 4194325 + t and 4194335 + t are above their ties.
    assert value([4194300, -25], "cross_entropy", 6) == "4.19433e6"
    assert value([4194300, -35], "cross_entropy", 6) == "4.19434e6"
    assert value([4194300, -25], "log_softmax", 6)[1] == "-4.19433e6"
    assert value([4194305, -4194305], "logsumexp", 6) == "4.19431e6"
    assert value([4194325, -4194305], "logsumexp", 6) == "4.19433e6"
    # Without a second class there is no tail: ties to even.
    assert value([4194325, -INF], "logsumexp", 6) == "4.19432e6"
    assert value([4194335, -INF], "logsumexp", 6) == "4.19434e6"


def test_the_spread_of_doubles() -> None:
    """Exact differences of 2098 bits, and a tail after them."""
    x = [1e308, 5e-324, -1e308]
    found = overflowscope.exact([x], operations="log_softmax", digits=1000).results[0]
    assert found.undecided == 0
    big = found.values[0][1]  # type: ignore[index]
    assert big is not None
    mp = mpmath.mp.clone()
    mp.prec = 20000
    assert abs(mp.mpf(big) - (mp.mpf(5e-324) - mp.mpf(1e308))) < mp.mpf(10) ** (308 - 999)
    # exp(-2e308) as its logarithm, exactly -2e308 / log(10).
    power = overflowscope.exact([x], digits=5).results[0].values[0][2]  # type: ignore[index]
    log10 = mp.mpf(Fraction(-2 * int(1e308)).numerator) / mp.log(10)
    assert power is not None
    assert int(power.partition("e")[2]) == mp.floor(log10)
    assert abs(mp.mpf(power.partition("e")[0]) - mp.mpf(10) ** (log10 - mp.floor(log10))) < 0.5e-4


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        ([-2936.0, 0.0], 2, "8.2e-1276"),
        ([-1e6, 0.0], 1, None),
        ([-921034.0, 0.0], 20, None),
    ],
)
def test_tiny_values_are_numbers(x: list[float], digits: int, text: str | None) -> None:
    found = overflowscope.exact([x], digits=digits).results[0].values[0][0]  # type: ignore[index]
    assert found is not None
    assert text is None or found == text
    assert holds("softmax", x, 0, found, digits)
    # The published figure of the reference's design: the loss of [2936, 0], label 0.
    loss = overflowscope.exact([[2936.0, 0.0]], [0], operations="cross_entropy", digits=2).results[0].values[0]
    assert loss == "8.2e-1276"


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 10, 64, 160, 1000])
@pytest.mark.parametrize("digits", [1, 2, 17, 25])
def test_equal_logits_are_exact_fractions(n: int, digits: int) -> None:
    """1/160 = 0.00625 is a tie at two digits; 1/8 is shown as it is."""
    x = [3.5] * n + [-INF]
    values = overflowscope.exact([x], digits=digits).results[0].values[0]
    assert isinstance(values, tuple)
    assert values[-1] == "0"
    assert len(set(values[:-1])) == 1
    text = values[0]
    assert text is not None
    q, k, shown = read(text)
    found, truth = q * Fraction(10) ** k, Fraction(1, n)
    unit = Fraction(10) ** (k + shown - digits)
    assert abs(found - truth) <= unit / 2
    if abs(found - truth) == unit / 2:
        assert found / unit % 2 == 0
    assert shown <= digits
    assert text.rstrip("0") == text or found != truth
    assert shown == digits or found == truth


def test_rows_without_values_say_why() -> None:
    x = [[1, 2], [NAN, 1], [INF, 1], [INF, INF], [-INF, -INF], [-INF, 3], [1e5, 0], [0, 1]]
    labels = [0, 0, 1, 0, 1, 0, 0, -100]
    found = overflowscope.exact(x, labels, operations=["softmax", "cross_entropy"], dtypes=["float16"], digits=3)
    softmax, loss = found.results
    said = ("ok", "undefined", "ok", "undefined", "undefined", "ok", "input_overflow")
    assert softmax.status == (*said, "ok")
    assert loss.status == (*said, "ignored")
    assert (softmax.undefined, softmax.input_overflow, softmax.undecided) == (3, 1, 0)
    none = (None, None)
    assert softmax.values[:7] == (("0.269", "0.731"), none, ("1", "0"), none, none, ("0", "1"), none)
    assert loss.values == ("1.31", None, "inf", None, None, "inf", None, None)
    assert found.input.ignored_rows == 1
    lse = overflowscope.exact(x[:6], operations="logsumexp", digits=3).results[0]
    assert lse.values == ("2.31", None, "inf", "inf", "-inf", "3")


def test_ignored_rows_keep_their_places() -> None:
    found = overflowscope.exact(
        [[0, 1], [1, 1], [0, 2], [5, -INF]], [7, 0, 7, 0], operations="cross_entropy", digits=3, ignore_index=7
    ).results[0]
    assert found.values == (None, "0.693", None, "0")
    assert found.status == ("ignored", "ok", "ignored", "ok")


def test_the_truth_is_that_of_the_logits_as_the_format_holds_them() -> None:
    found = overflowscope.exact([[0.1, -INF]], operations="logsumexp", dtypes=["float16", "float64"], digits=60)
    assert [r.values[0] for r in found.results] == [
        "0.0999755859375",
        "0.1000000000000000055511151231257827021181583404541015625",
    ]


def test_scales_and_many_blocks() -> None:
    """One result each, in order; more rows than are held at a time."""
    x = np.arange(4000.0).reshape(2000, 2) / 7
    found = overflowscope.exact(x, scale=[1, 2], digits=4)
    assert [(r.scale, len(r.values)) for r in found.results] == [(1.0, 2000), (2.0, 2000)]
    assert found.results[0].values[1999] == overflowscope.exact(x[1999], digits=4).results[0].values[0]
    assert found.results[1].values[0] == overflowscope.exact(2 * x[0], digits=4).results[0].values[0]


def test_what_cannot_be_decided_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overflowscope.arithmetic.decimals.ladder", lambda digits: [64])
    found = overflowscope.exact([[0.0, 1.0], [5.0, 5.0]], digits=30).results[0]
    assert found.values == ((None, None), ("0.5", "0.5"))
    assert (found.status, found.undecided) == (("undecided", "ok"), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": 0}, "0 digits: from 1 to 1000"),
        ({"digits": 1001}, "1001 digits"),
        ({"scale": -1}, "scales are finite"),
        ({"shift": INF}, "shift"),
        ({"operations": "softmx"}, "did you mean softmax"),
        ({"dtypes": "float33"}, "unknown dtype"),
        ({"seed": -1}, "seed"),
        ({"operations": "cross_entropy", "labels": [7]}, "label 7 is no class of 2"),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        overflowscope.exact([[1.0, 2.0]], **options)
