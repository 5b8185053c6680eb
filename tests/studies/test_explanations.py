"""The sentences: each cause is told from the others, with the numbers of the input, and remedies that hold."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import draws
from overflowscope.catalogue import operations
from overflowscope.formats import FORMATS
from overflowscope.records import Measurement

INF = math.inf
LARGEST = {
    "float16": 65504.0,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "bfloat16": 3.3895313892515355e38,
    "float8_e5m2": 57344.0,
    "float8_e4m3fn": 448.0,
}
VANISHING = {
    "float16": -25,
    "float32": -150,
    "float64": -1075,
    "bfloat16": -134,
    "float8_e5m2": -17,
    "float8_e4m3fn": -10,
}
"""log2 of half the smallest number: exp rounds to 0 below its natural logarithm."""
CAUSES = [
    "exp overflows",
    "every exp is finite",
    "log(0) is",
    "accumulator absorbs",
    "0/0 is nan",
    "cancels",
    "when rounded",
]


def compare(logits: Any, operation: str, dtype: str, **options: Any) -> dict[str, Measurement]:
    """The measurements of all formulations, unless said, of one operation in one format, by their names."""
    options.setdefault("formulations", ["all"])
    report = overflowscope.compare(logits, operations=[operation], dtypes=[dtype], **options)
    return {m.name.rpartition(".")[2]: m for m in report.results}


def said(measurement: Measurement) -> str:
    assert measurement.explanation is not None
    assert "\n" not in measurement.explanation
    return measurement.explanation


def causes(text: str) -> list[str]:
    return [cause for cause in CAUSES if cause in text]


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "log_softmax", "cross_entropy"])
def test_exp_overflows(operation: str, dtype: str) -> None:
    logit = {"float16": 12, "float32": 89, "float64": 710, "bfloat16": 90, "float8_e5m2": 12, "float8_e4m3fn": 7}[dtype]
    text = said(compare([[logit, 1]], operation, dtype, labels=[0])["naive"])
    assert text.startswith(f"naive {operation}: ")
    assert causes(text)[0] == "exp overflows"
    assert f"exp overflows {dtype} above {math.log(LARGEST[dtype]):.6g} and the largest logit is {logit}" in text


@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "log_softmax", "cross_entropy"])
def test_a_sum_overflows_although_every_exp_is_finite(operation: str) -> None:
    """exp(10) is 22,032 in float16: 16 divides it, and the sum of ten is beyond 65,504."""
    text = said(compare([[10.0] * 10], operation, "float16")["naive"])
    assert causes(text)[0] == "every exp is finite"
    assert "every exp is finite, but their sum, 220,320, passes 65,504, the largest float16" in text
    assert "exp overflows" not in text


def test_a_sum_of_ones_overflows_too() -> None:
    found = compare(np.zeros((1, 65520)), "logsumexp", "float16")
    for name in ("naive", "shifted", "fake_log1p"):
        assert causes(said(found[name])) == ["every exp is finite"]
        assert "their sum, 65,520, passes 65,504, the largest float16" in said(found[name])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_the_logarithm_of_zero(dtype: str) -> None:
    vanishing = VANISHING[dtype] * math.log(2)
    logit = float(math.floor(vanishing) * 2)
    found = compare([[0.0, logit]], "cross_entropy", dtype, labels=[1])
    below = f"exp rounds to 0 in {dtype} below {vanishing:.5g} and the label's"
    assert f"{below} logit is {number(logit)}, and log(0) is -inf" in said(found["naive"])
    assert f"{below} exponent is {number(logit)}, and log(0) is -inf" in said(found["shifted"])
    found = compare([[logit, 2 * logit]], "logsumexp", dtype)
    below = f"exp rounds to 0 in {dtype} below {vanishing:.5g} and the largest logit is {number(logit)}"
    assert f"inf in 1 of 1 rows: {below}: the sum is 0, and log(0) is -inf" in said(found["naive"])
    for text in (said(m) for m in found.values() if m.explanation):
        assert causes(text) == ["log(0) is"]


@pytest.mark.parametrize("dtype", LARGEST)
def test_zero_divided_by_zero(dtype: str) -> None:
    """What is taken for an overflow most often: a row of very negative logits."""
    vanishing = VANISHING[dtype] * math.log(2)
    logit = float(2 ** math.ceil(math.log2(-vanishing) + 0.5)) * -1
    text = said(compare([[logit, logit]], "softmax", dtype)["naive"])
    assert causes(text) == ["0/0 is nan"]
    assert f"in {dtype} below {vanishing:.5g} and the largest logit is {number(logit)}: the sum is 0, and 0/0" in text
    assert text.startswith("naive softmax: nan in 1 of 1 rows: ")


@pytest.mark.parametrize("scale", [0.0, 0.25, 1.0])
def test_row_sums_far_from_one_without_a_nan(scale: float) -> None:
    """A sum in bfloat16 stops growing at 256 times its terms; equal logits are the plainest case of it."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    logits = (np.random.default_rng(1).normal(size=(1, 1000)) * scale).astype(ml_dtypes.bfloat16)
    found = compare(logits, "softmax", "bfloat16")
    for name, shift in (("naive", 0), ("shifted", logits.max()), ("lse", logits.max())):
        m = found[name]
        assert m.failures == ("row_sums",)
        assert m.incidence.nan == 0
        assert m.row_sum is not None
        terms = np.exp(logits - ml_dtypes.bfloat16(shift))
        got, exact = float(terms.sum()), float(terms.astype(np.float64).sum())
        text = said(m)
        assert m.row_sum.min == m.row_sum.max
        assert text.startswith(f"{name} softmax: 1 of 1 rows do not sum to 1 (every sum is {number(m.row_sum.min)}): ")
        assert causes(text) == ["accumulator absorbs"]
        assert f"the sum of 1,000 exps comes out as {number(got)} where it is {number(exact)}: a bfloat16" in text
        assert text.endswith("; use online")  # whose blocks of 64 a bfloat16 holds


def test_the_sums_of_several_rows() -> None:
    pytest.importorskip("ml_dtypes")
    logits = np.zeros((3, 1000))
    logits[1, ::2] = -10000
    logits[2] = -10000
    logits[2, 0] = 0
    m = compare(logits, "softmax", "bfloat16")["naive"]
    # 256 ones are the most that ones add up to, of 1000, of 500, and of 1.
    assert said(m).startswith("naive softmax: 2 of 3 rows do not sum to 1 (sums from 1 to 3.90625): ")
    assert m.rows_hit.any == 2
    assert "the sum of 1,000 exps comes out as 256 where it is 1,000: a bfloat16" in said(m)


def test_cancellation() -> None:
    """log(1 + exp(-20)) is 2.1e-9, which 20 in float32 cannot hold."""
    found = compare([[20.0, 0.0]], "cross_entropy", "float32", labels=[0])
    truth = math.log1p(math.exp(-20))
    text = said(found["lse"])
    assert text.startswith("lse cross_entropy: a wrong 0 in 1 of 1 rows: 20 - 20 cancels")
    assert f"0 where the truth is {truth:.6g}".replace("e-09", "e-9") in text
    assert text.endswith("; use log1p")
    assert "log(1), whose argument was rounded to that, gives 0 where the truth" in said(found["shifted_lse"])


def test_the_causes_are_told_apart() -> None:
    pytest.importorskip("ml_dtypes")
    cases = [
        ("exp overflows", [[12.0, 0]], "logsumexp", "float16"),
        ("every exp is finite", [[10.0] * 10], "logsumexp", "float16"),
        ("log(0) is", [[-30.0, -40]], "logsumexp", "float16"),
        ("accumulator absorbs", np.zeros((1, 1000)), "softmax", "bfloat16"),
        ("0/0 is nan", [[-30.0, -40]], "softmax", "float16"),
    ]
    for cause, logits, operation, dtype in cases:
        assert causes(said(compare(logits, operation, dtype)["naive"])) == [cause]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e5m2"])
@pytest.mark.parametrize("operation", ["softmax", "logsumexp", "log_softmax", "cross_entropy"])
def test_a_mask_is_no_failure(operation: str, dtype: str) -> None:
    logits = [[1.0, -INF, 2.0], [0.5, -INF, -INF], [-INF, 1.0, 1.0]]
    for name, m in compare(logits, operation, dtype, labels=[1, 0, 2]).items():
        assert name == "clipped" or (m.failures, m.incidence.wrong_nan) == ((), 0), name


def test_a_mask_is_not_blamed_for_an_overflow() -> None:
    for operation in ("softmax", "logsumexp", "log_softmax"):
        text = said(compare([[20.0, -INF, 2.0]], operation, "float16")["naive"])
        assert "exp overflows float16 above 11.0899 and the largest logit is 20" in text
    text = said(compare([[-100.0, -INF, -120.0]], "softmax", "float16")["naive"])
    assert "the largest logit is -100: the sum is 0, and 0/0 is nan" in text


def test_a_mask_is_not_blamed_for_another_failure() -> None:
    """log(0) of the masked class is right; what is wrong is the 0 of the first, whose truth is -log(1 + exp(-9))."""
    text = said(compare([[0.0, -INF, -9.0]], "log_softmax", "float16")["shifted"])
    assert "a wrong 0 in 1 of 1 rows: log(1), whose argument was rounded to that, gives 0 where the truth is " in text
    assert f"the truth is {-math.log1p(math.exp(-9)):.6g};" in text


def test_infinities_that_have_a_limit() -> None:
    found = compare([[INF, 0.0]], "softmax", "float32")
    assert "inf/inf is nan" in said(found["naive"])
    assert "inf - inf is nan" in said(found["shifted"])
    found = compare([[-INF, -INF]], "logsumexp", "float32")
    assert found["naive"].failures == ()
    assert said(found["shifted"]).endswith("inf - inf is nan; only naive came out clean, which larger logits break")


def test_what_has_no_truth_is_no_failure() -> None:
    for m in compare([[math.nan, 1.0], [INF, INF], [-INF, -INF], [70000.0, 0]], "softmax", "float16").values():
        assert (m.failures, m.explanation, m.incidence.undefined, m.incidence.input_overflow) == ((), None, 6, 2)


def test_the_numbers_are_those_of_the_failing_row() -> None:
    logits = np.array([[0.0, 1], [15.0, 1], [3.0, 2], [40.0, 1]])
    text = said(compare(logits, "softmax", "float16")["naive"])
    assert "nan in 2, a wrong 0 in 1 of 4 rows: " in text
    assert "the largest logit is 15 (row 1);" in text
    moved = said(compare(logits, "softmax", "float16", scale=2.0, shift=0.5)["naive"])
    assert "the largest logit is 30.5 (row 1);" in moved
    held = said(compare([[2049.0, 0]], "softmax", "float16")["naive"])
    assert "the largest logit is 2,048;" in held


def test_a_failing_row_far_down_and_ignored_rows_before_it() -> None:
    logits = np.zeros((7000, 10))
    logits[6990, 4] = 33
    m = compare(logits, "softmax", "float16", formulations=["naive"])["naive"]
    assert m.worst is not None
    assert (m.worst.row, m.worst.index, m.rows_hit.any) == (6990, (6990, 4), 1)
    assert (
        "nan in 1 of 7,000 rows: exp overflows float16 above 11.0899 and the largest logit is 33 (row 6990);" in said(m)
    )
    labels = np.full(7000, -100)
    labels[[1, 6990]] = 4
    m = compare(logits, "cross_entropy", "float16", labels=labels, formulations=["naive"])["naive"]
    assert m.worst is not None
    assert (m.worst.row, m.rows) == (6990, 2)
    assert "nan in 1 of 2 rows: exp overflows float16 above 11.0899 and the largest logit is 33 (row 6990);" in said(m)


def test_several_kinds_of_failure_are_counted() -> None:
    logits = [[12.0, 0.0], [0.0, -12.0], [13.0, 0.0], [100.0, 1.0]]
    m = compare(logits, "cross_entropy", "float16", labels=[0, 1, 1, 0])["naive"]
    assert m.failures == ("nan", "overflow")
    assert said(m).startswith("naive cross_entropy: nan in 2, inf in 1 of 4 rows: exp overflows")


def test_what_is_finite_but_wrong() -> None:
    found = compare([[40.0, 0.0]], "cross_entropy", "float32", labels=[1])
    text = said(found["clipped"])
    assert text.startswith("clipped cross_entropy: finite but wrong by up to ")
    assert "of 24 bits: it is another function, which gives 27.63" in text
    assert "where the truth is 40; use " in text


class TestComputedInAWiderFormat:
    def test_an_overflow_of_the_last_rounding(self) -> None:
        def biased(x: Any) -> Any:
            return np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1)) + x.max(-1) + np.float32(1000)

        m = own(biased, [[65000.0, 0]], "logsumexp", "float16", compute="float32")
        assert m.failures == ("overflow",)
        # float16 holds 65,000 as 64,992.
        assert "65,992 overflows when rounded from float32 to float16" in said(m)

    def test_a_result_that_vanishes_in_the_last_rounding(self) -> None:
        def small(x: Any) -> Any:
            return np.exp(x) * np.float32(1e-9)

        m = own(small, [[0.0, 0.0]], "softmax", "float16", compute="float32")
        assert m.failures == ("underflow", "row_sums")
        assert "1e-09 vanishes when rounded from float32 to float16" in said(m)

    def test_an_overflow_before_it(self) -> None:
        text = said(compare([[100.0, 0]], "softmax", "float16", compute="float32")["naive"])
        assert "exp overflows float32 above 88.7228 and the largest logit is 100" in text
        assert causes(text) == ["exp overflows"]

    def test_what_only_the_narrow_format_cannot_do(self) -> None:
        narrow = compare([[20.0, 0]], "softmax", "float16")["naive"]
        wide = compare([[20.0, 0]], "softmax", "float16", compute="float32")["naive"]
        assert (narrow.failures, wide.failures) == (("nan",), ())

    def test_a_narrower_format_to_compute_in_is_not_used(self) -> None:
        m = compare([[20.0, 0]], "softmax", "float64", compute="float16")["naive"]
        assert (m.compute, m.failures) == ("float64", ())


def own(function: Callable[..., Any], logits: Any, operation: str, dtype: str, **options: Any) -> Measurement:
    """The measurement of a person's function."""
    report = overflowscope.compare(
        logits, operations=[operation], dtypes=[dtype], implementations=[function], formulations=["all"], **options
    )
    return next(m for m in report.results if m.formulation is None)


def plainly(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def by_functions(x: Any) -> Any:
    return np.divide(np.exp(x), np.expand_dims(np.sum(np.exp(x), axis=-1), -1))


def by_reduction(x: Any) -> Any:
    e = np.exp(x)
    e /= np.add.reduce(e, axis=-1, keepdims=True)
    return e


def by_index(x: Any) -> Any:
    e = np.exp(np.where(np.isnan(x), 0, x))
    return e / e.sum(axis=1)[:, None]


def by_row(x: Any) -> Any:
    return np.stack([np.exp(r) / np.exp(r).sum() for r in x])


STEPS = [plainly, by_functions, by_reduction, by_index, by_row]


@pytest.mark.parametrize("function", STEPS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_function_of_ones_own_is_explained_by_its_steps(function: Callable[..., Any], dtype: str) -> None:
    logit = 2 * math.ceil(math.log(LARGEST[dtype]))
    m = own(function, [[1.0, 2.0], [logit, 0.0]], "softmax", dtype)
    assert m.failures == ("nan",)
    text = said(m)
    assert text.startswith(f"{__name__}:{function.__name__} softmax: nan in 1 of 2 rows: ")
    assert f"exp overflows {dtype} above {math.log(LARGEST[dtype]):.6g} and the largest " in text
    assert f" is {number(logit)} (row 1);" in text
    assert "; use shifted or lse" in text


def test_the_exponent_of_ones_own_function_is_not_called_a_logit() -> None:
    def doubled(x: Any) -> Any:
        return plainly(2 * x)

    assert "exp overflows float16 above 11.0899 and the largest exponent is 14;" in said(
        own(doubled, [[7.0, 0]], "softmax", "float16")
    )


def test_a_function_with_labels_is_explained_by_its_steps() -> None:
    def entropy(x: Any, labels: Any) -> Any:
        return -np.log(np.take_along_axis(plainly(x), labels[:, None], -1)[:, 0])

    text = said(own(entropy, [[0.0, -30.0]], "cross_entropy", "float16", labels=[1]))
    assert "exp rounds to 0 in float16 below -17.329 and the label's logit is -30, and log(0) is -inf" in text


def by_plain_arrays(x: Any) -> Any:
    return plainly(np.asarray(x))


def in_place(x: Any) -> Any:
    x -= 0
    np.exp(x, out=x)
    x[:] = x / x.sum(-1, keepdims=True)
    return x


def by_loops(x: Any) -> Any:
    result = np.empty_like(x)
    for i in range(len(x)):
        result[i] = plainly(x[i])
    return result


def of_many_rows(x: Any) -> Any:
    if len(x) < 2:
        raise ValueError("a batch is wanted")
    return plainly(x)


def by_floor(x: Any) -> Any:
    return plainly(x + (x // 1000).astype(x.dtype))


@pytest.mark.parametrize(
    "function", [by_plain_arrays, in_place, by_loops, of_many_rows, by_floor], ids=lambda f: f.__name__
)
def test_a_function_whose_steps_cannot_be_seen_gets_a_sentence(function: Callable[..., Any]) -> None:
    m = own(function, [[1.0, 2.0], [66.0, 0.0]], "softmax", "float16")
    assert m.failures == ("nan",)
    text = said(m)
    assert text.startswith(f"{__name__}:{function.__name__} softmax: nan in 1 of 2 rows: ")
    assert "66" in text
    assert "11.0899" in text
    assert "; use shifted or lse" in text


OTHER = {
    "times the reciprocal": lambda x: np.exp(x) * (1 / np.exp(x).sum(-1, keepdims=True)),
    "over an integer": lambda x: plainly(x) / 2,
    "over zero": lambda x: np.exp(x) / 0,
    "over a numpy scalar": lambda x: plainly(x) / np.float32(3),
    "one over": lambda x: 1 / (1 + np.exp(-x)),
    "one minus": lambda x: 1 - plainly(x),
    "a power": lambda x: 2**x / (2**x).sum(-1)[:, None],
    "a float power": lambda x: np.power(2.5, x),
    "an integer sum": lambda x: np.exp(x) / (np.exp(x) > 0).sum(),
    "a matrix product": lambda x: np.exp(x) / (np.exp(x) @ np.ones((x.shape[1], 1), x.dtype)),
    "wider inside": lambda x: plainly(x.astype(np.float64)).astype(x.dtype),
    "by classes": lambda x: np.concatenate([np.exp(x[:, :1]), np.exp(x[:, 1:])], axis=1),
    "turned": lambda x: (np.exp(x).T / np.exp(x).sum(-1)).T,
    "masked arrays": lambda x: np.ma.masked_array(np.exp(x)).filled(0),
    "constant": lambda x: np.full(x.shape, np.nan),
    "its input": lambda x: x,
    "numbers of python": lambda x: [[float(np.exp(v)) for v in row] for row in x],
    "nan replaced": lambda x: np.nan_to_num(plainly(x)),
    "a lambda with a mask": lambda x: np.where(x > 0, np.exp(x), 1 / np.exp(-x)),
}


for name, function in OTHER.items():
    function.__qualname__ = name
ANYTHING = ([[0.0, 1.0]], [[100.0, -100.0]], [[0.0, -1000.0]], [[-800.0, -900.0]], [[INF, 0.0]], [[-INF, 3.0]])


@functools.cache
def of_anything(dtype: str) -> list[Measurement]:
    """What each of them does of each input: side by side, so that the formulations are measured once for all."""
    return [
        m
        for logits in ANYTHING
        for operation in ("softmax", "log_softmax")
        for compute in (None, "float32")
        for m in overflowscope.compare(
            logits, operations=operation, dtypes=dtype, implementations=OTHER.values(), formulations="all",
            compute=compute,
        ).results
    ]  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn"])
def test_whatever_it_does_it_is_measured_and_its_failures_get_a_sentence(name: str, dtype: str) -> None:
    found = [m for m in of_anything(dtype) if m.implementation == f"{__name__}:{name}"]
    assert len(found) == 4 * len(ANYTHING)
    for m in found:
        assert m.explanation is None or m.name + f" {m.operation}: " in said(m)
        assert m.explanation or not m.failures


def test_a_product_with_a_reciprocal_is_explained() -> None:
    text = said(own(OTHER["times the reciprocal"], [[-800.0, -900.0]], "softmax", "float64"))
    assert (
        "nan in 1 of 1 rows: exp rounds to 0 in float64 below -745.13 and the largest logit is -800: the sum is 0"
        in text
    )


def test_an_overflow_is_not_suspected_where_there_can_be_none() -> None:
    """Steps unseen, and logits far below the threshold: whatever it is, exp did not overflow."""

    def zeros(x: Any) -> Any:
        return np.asarray(x) * 0

    def halved(x: Any) -> Any:
        return plainly(np.asarray(x)) / 2

    for function in (zeros, halved):
        m = own(function, [[1.0, 2.0]], "softmax", "float16")
        assert m.failures
        assert "exp overflows" not in said(m)


def test_a_function_that_prints_or_warns_or_keeps_state_is_still_explained(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def talking(x: Any) -> Any:
        calls.append(x)
        return plainly(x)

    text = said(own(talking, [[66.0, 0.0]], "softmax", "float16"))
    assert "the largest logit is 66;" in text
    assert len(calls) == 2
    assert capsys.readouterr() == ("", "")


# What is recommended.

REMEDY = re.compile(
    r"; (?:use (?P<use>[\w ]+)|(?P<unseen>[\w ]+) came out clean \(--formulation (?P<flag>\w+)\)"
    r"|(?P<coarser>\w+) avoids it, with larger errors|only (?P<fragile>\w+) came out clean, which larger logits break"
    r"|(?P<none>no formulation of it came out clean))$"
)


def is_clean(m: Measurement) -> bool:
    """No failure, and at most half of the bits of any element lost."""
    return not m.failures and m.bits.max is not None and m.bits.max <= FORMATS[m.dtype].precision / 2


def remedy_of(text: str) -> tuple[str, list[str]]:
    match = REMEDY.search(text)
    assert match, text
    kind = match.lastgroup if match.lastgroup != "flag" else "unseen"
    assert kind is not None
    if kind == "none":
        return kind, []
    names = re.split(" or | and ", match[kind])
    assert match["flag"] in (None, names[0])
    return kind, names


def recommendable(m: Measurement) -> bool:
    """Clean, and the operation itself, in earnest."""
    formulation = operations()[m.operation].formulations[m.name]
    return is_clean(m) and not formulation.approximation and not formulation.trap


def lasting(m: Measurement) -> bool:
    return not operations()[m.operation].formulations[m.name].fragile


def coarser(m: Measurement, than: Measurement) -> bool:
    """Whether its largest and its mean error are both larger."""
    pairs = ((m.ulp.max, than.ulp.max), (m.ulp.mean, than.ulp.mean))
    return all(a is not None and b is not None and a > b for a, b in pairs)


@functools.cache
def in_every_format(scale: float, *formulations: str) -> tuple[Measurement, ...]:
    logits = np.random.default_rng(int(scale)).normal(size=(12, 6)) * scale
    names = {"operations": list(operations()), "dtypes": list(FORMATS), "seed": 3}
    return tuple(overflowscope.compare(logits, formulations=formulations, **names).results)


@pytest.mark.parametrize("scale", [1.0, 12.0, 100.0, 1e3, 1e5])
@pytest.mark.parametrize("formulations", [["naive"], ["naive", "shifted", "lse"], ["all"]], ids=len)
def test_only_what_was_clean_in_this_very_run_is_recommended(formulations: Sequence[str], scale: float) -> None:
    shown, every = in_every_format(scale, *formulations), in_every_format(scale, "all")
    explained = 0
    for m in shown:
        if m.explanation is None:
            assert not m.failures
            continue
        explained += 1
        kind, names_of_it = remedy_of(m.explanation)
        of_it = [o for o in every if (o.operation, o.dtype) == (m.operation, m.dtype) and o.name != m.name]
        clean = [o for o in of_it if recommendable(o)]
        good = [o.name for o in clean if lasting(o) and not coarser(o, m)]
        beside = [o.name for o in shown if (o.operation, o.dtype) == (m.operation, m.dtype)]
        if seen := [name for name in good if name in beside]:
            assert (kind, sorted(names_of_it)) == ("use", sorted(seen))
        elif good:
            assert (kind, sorted(names_of_it)) == ("unseen", sorted(good))
        elif any(lasting(o) for o in clean):
            assert kind == "coarser"
            assert names_of_it[0] in [o.name for o in clean if lasting(o)]
        else:
            assert (kind, names_of_it) == (("fragile", ["naive"]) if clean else ("none", []))
    assert explained or scale == 1.0


def test_neither_an_approximation_nor_a_trap_is_recommended() -> None:
    """Here fake_log1p is as clean as the others, and it still is not named."""
    found = compare([[12.0, 3.0]], "logsumexp", "float16")
    assert is_clean(found["fake_log1p"])
    assert said(found["naive"]).endswith("; use shifted or log1p")
    found = compare([[12.0, 12.0]], "cross_entropy", "float16", labels=[0])
    assert is_clean(found["clipped"])
    assert said(found["naive"]).endswith("; use shifted or lse or shifted_lse or log1p")


def test_a_person_s_function_is_not_recommended_to_others() -> None:
    def fine(x: Any) -> Any:
        return plainly(x - x.max(-1, keepdims=True))

    report = overflowscope.compare(
        [[20.0, 0]], operations=["softmax"], dtypes=["float16"], formulations=["naive"], implementations=[fine]
    )
    naive, mine = report.results
    assert mine.failures == ()
    assert said(naive).endswith("; shifted and lse and online and base2 came out clean (--formulation shifted)")


def number(x: float) -> str:
    """Six digits, thousands separated up to ten million: how a person reads it."""
    x = float(x)
    if x == 0:
        return "0"
    if 1e4 <= abs(x) < 1e7:
        return f"{x:,.0f}"
    return f"{x:,.6g}" if abs(x) >= 1e3 and abs(x) < 1e4 else f"{x:.6g}"


# Functions that are wrong in ways of their own.


def of_all(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


def test_a_function_that_mixes_rows_is_told_so() -> None:
    text = said(own(of_all, [[1.0, 2.0], [50.0, 0.0]], "softmax", "float16"))
    assert "alone, this row comes out as" in text
    assert "mixes rows" in text


def test_the_format_that_is_blamed_is_that_of_the_step() -> None:
    narrow = said(own(lambda x: plainly(x.astype(np.float16)), [[60.0, 0]], "softmax", "float32"))
    assert "exp overflows float16 above 11.0899 and the largest logit is 60 (the code casts to float16)" in narrow
    wide = said(own(lambda x: plainly(x.astype(np.float32)), [[100.0, 0]], "softmax", "float16"))
    assert "exp overflows float32 above 88.7228 and the largest logit is 100 (the code casts to float32)" in wide


def test_a_sum_of_nothing_or_over_the_rows_is_no_stalled_accumulator() -> None:
    def zeros(x: Any) -> Any:
        return x * 0 + (x - x).sum(axis=-1, keepdims=True)

    assert "absorbs" not in said(own(zeros, [[1.0, 2.0]], "softmax", "float16"))

    def columns(x: Any) -> Any:
        e = np.exp(x)
        return e / e.sum(axis=0, keepdims=True)

    text = said(own(columns, [[1.0, 2.0, 3.0]], "softmax", "float32"))
    assert "its sum runs over the rows, not over the classes" in text


def test_rounding_is_not_blamed_for_another_function() -> None:
    text = said(own(lambda x: np.exp(x / np.sqrt((x * x).sum(-1, keepdims=True))), [[60.0, 0]], "softmax", "float32"))
    assert "makes the rounding" not in text
    never = said(own(np.exp, [[1.0, 2.0]], "softmax", "float32"))
    assert "rounded at the size" not in never


def test_rounding_is_not_blamed_where_nothing_was_rounded() -> None:
    """exp of a logit itself: 2^-22 is four of float16's smallest numbers, and exp(-15.296875) is within half of it."""
    text = said(compare([[-15.296875, -15.0, -14.0]], "softmax", "float16")["naive"])
    assert abs(math.exp(-15.296875) - 2**-22) < 2**-25
    assert "exp(-15.2969) is 2.38419e-07, subnormal in float16, of few bits: 0.17395 where" in text
    # exp(-2) rounds to 1/8, which is a tie beside 1 and lost, and -2 - 0 needs no rounding.
    for name, logits in (("naive", [0.0] + [-2.0] * 6), ("shifted", [1.0] + [-1.0] * 6)):
        text = said(compare([logits], "softmax", "float8_e5m2", arithmetic="strict")[name])
        assert "the sum of 7 exps comes out as " in text
        assert ": a float8_e5m2 accumulator absorbs small terms: " in text
        assert "makes the rounding" not in text


@pytest.mark.parametrize(
    ("name", "step", "logits"),
    # float8_e5m2 has no -8.5, nor the products of 14 and 16 with log2(e).
    [("shifted", "exp", [5.0, -3.5]), ("base2", "exp2", [-16.0, -16.0, -14.0])],
)
def test_rounding_is_blamed_where_the_argument_was_rounded(name: str, step: str, logits: list[float]) -> None:
    text = said(compare([logits], "softmax", "float8_e5m2")[name])
    assert f"{step} makes the rounding of its argument, -" in text


def test_a_stalled_sum_is_found_in_every_operation() -> None:
    for operation in ("logsumexp", "log_softmax"):
        text = said(compare(np.zeros((1, 3000)), operation, "bfloat16")["log1p"])
        assert "comes out as 256 where it is 2,999: a bfloat16 accumulator absorbs small terms" in text


def test_an_infinite_logit_is_named() -> None:
    assert "a logit is +inf: inf - inf is nan" in said(compare([[INF, 0.0]], "softmax", "float32")["shifted"])


def test_another_function_that_sums_to_one_is_asked_about() -> None:
    def halved(x: Any) -> Any:
        x = x / 2
        m = x.max(axis=-1, keepdims=True)
        return np.exp(x - (m + np.log(np.exp(x - m).sum(axis=-1, keepdims=True))))

    text = said(own(halved, [[60.0, 0.0, 30.0]], "softmax", "float32"))
    assert "is it another function?" in text
    assert "makes the rounding" not in text


def test_a_sum_over_part_of_a_row_is_no_stalled_accumulator() -> None:
    def grouped(x: Any) -> Any:
        e = np.exp(x).reshape(-1, 2, 2)
        return (e / e.sum(axis=-1, keepdims=True)).reshape(-1, 4)

    text = said(own(grouped, [[1.0, 2.0, 3.0, 5.0]], "softmax", "float32"))
    assert "do not sum to 1" in text
    assert "absorbs" not in text


def test_a_remedy_with_larger_errors_is_called_one() -> None:
    """A subnormal just missed by shifted, and not by lse, which is coarser everywhere else."""
    logits = draws.draw("normal", 0, 10, range(256)) * 20
    found = compare(logits, "softmax", "float16", formulations=["shifted", "lse"])
    assert found["shifted"].failures == ("underflow",)
    assert found["lse"].failures == ()
    assert found["lse"].ulp.max > found["shifted"].ulp.max  # type: ignore[operator]
    assert said(found["shifted"]).endswith("; lse avoids it, with larger errors")


def test_a_row_of_nothing_but_a_mask_is_explained_too() -> None:
    m = own(np.exp, [[-INF]], "softmax", "float32")
    assert m.failures == ("underflow", "row_sums")  # its one probability is 0
    assert "gives 0 where the truth is 1" in said(m)
