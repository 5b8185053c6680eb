"""assert_accurate: what it passes, what it fails, and what it says."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import overflowscope
from overflowscope import InputError, catalogue
from overflowscope.testing import accuracy, assert_accurate, logits

HALVES = np.zeros((1, 2), np.float32)
"""The softmax of it is exactly 1/2, 1/2."""


def naive(x: Any) -> Any:
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def shifted(x: Any) -> Any:
    return naive(x - x.max(axis=-1, keepdims=True))


def always(*values: float) -> Any:
    """A function that gives these numbers whatever it is given."""

    def softmax(x: Any) -> Any:
        return np.array([values], x.dtype)

    return softmax


def said(*arguments: Any, **keywords: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        assert_accurate(*arguments, **keywords)
    return str(raised.value)


def test_what_keeps_its_limits_is_measured_and_given_back() -> None:
    found = assert_accurate(shifted, dtypes=["float16", "float32"], scale=[1, 20], max_ulp=100, row_sum_within=0.01)
    assert [(m.dtype, m.scale) for m in found] == [
        ("float16", 1.0),
        ("float32", 1.0),
        ("float16", 20.0),
        ("float32", 20.0),
    ]
    assert {(m.rows, m.elements, m.status) for m in found} == {(256, 2560, "ok")}
    [one] = assert_accurate(shifted, max_nan=0, rows=3, classes=7, distribution="uniform", seed=1)
    assert (one.dtype, one.rows, one.elements) == ("float32", 3, 21)


def test_a_limit_is_kept_up_to_itself() -> None:
    """The exact softmax is 1/2; the next float32 above it is one ulp of 1/2 away."""
    near = always(0.5, np.nextafter(np.float32(0.5), np.float32(1)))
    assert_accurate(always(0.5, 0.5), logits=HALVES, max_ulp=0, row_sum_within=0, max_kl=0, argmax_flips=0)
    assert_accurate(near, logits=HALVES, max_ulp=1)
    assert "max_ulp is 1, limit 0.99" in said(near, logits=HALVES, max_ulp=0.99)


@pytest.mark.parametrize(
    ("values", "limit", "held", "broken"),
    [
        ((0.5, 0.25), "row_sum_within", 0.25, 0.2),
        # q log(q/p) - q + p is 0 where q = p, and 1/4 log(1/2) + 1/4 for 1/4 instead of 1/2.
        ((0.5, 0.25), "max_kl", (1 - math.log(2)) / 4 + 1e-12, (1 - math.log(2)) / 4 - 1e-12),
        ((0.5, 0.0), "max_underflow", 1, 0),
        ((0.5, math.inf), "max_overflow", 1, 0),
    ],
)
def test_each_limit(values: tuple[float, float], limit: str, held: float, broken: float) -> None:
    assert_accurate(always(*values), logits=HALVES, **{limit: held})
    what = {"row_sum_within": "row_sum_off"}.get(limit, limit.removeprefix("max_") if limit != "max_kl" else limit)
    assert f", float32: {what} is " in said(always(*values), logits=HALVES, **{limit: broken})


def test_nan_fails_every_limit() -> None:
    for limit in ("max_ulp", "max_nan", "max_overflow", "max_underflow", "row_sum_within", "max_kl", "argmax_flips"):
        most = {} if limit == "max_nan" else {limit: 1e300}
        assert "nan is 1, limit 0" in said(always(0.5, math.nan), logits=HALVES, max_nan=0, **most)
        if most:
            assert "nan is 1, limit 0" in said(always(0.5, math.nan), logits=HALVES, **most)


def test_nothing_measured_fails() -> None:
    nowhere = np.array([[math.nan, 0.0], [-math.inf, -math.inf]])
    assert "nothing was measured" in said(shifted, logits=nowhere, max_ulp=1e300)
    text = said(shifted, logits=[[1e6, 0.0]], dtypes="float16", max_nan=1e9)
    assert "- softmax, float16: empty" in text
    assert "a logit beyond" in text


def test_the_message_reads_like_the_table() -> None:
    lines = said(naive, dtypes=["float16", "float32"], scale=20, max_ulp=200, max_nan=0).splitlines()
    assert lines[0].endswith(":naive does not keep its limits")
    assert lines[1:4] == [
        "- softmax, float16: max_ulp is inf, limit 200",
        next(line for line in lines if line.startswith("- softmax, float16: nan is ")),
        "",
    ]
    assert lines[4] == "normal logits, seed 0, scale 20: 256 rows x 10 classes"
    assert lines[7].split()[:3] == ["dtype", "formulation", "result"]
    [row] = [line for line in lines if line.startswith("float16 ")]
    assert " NAN " in row
    assert not any(line.startswith("float32 ") for line in lines), "what keeps its limits is not shown"
    text = " ".join(" ".join(lines).split())
    assert "exp overflows float16 above 11.0899 and the largest logit is" in text


def test_scales_are_told_apart() -> None:
    text = said(naive, dtypes=["float32"], scale=[1, 1000], max_nan=0)
    assert "- softmax, float32, scale 1000: nan is " in text
    assert "scale 1:" not in text


def test_explanations_are_looked_for_only_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(request: Any) -> Any:
        asked.append((request.explain, [f.name for f in request.fmts]))
        return overflowscope.studies.compare.run(request)

    monkeypatch.setattr(accuracy, "run", run)
    assert_accurate(shifted, max_ulp=100)
    assert asked == [(False, ["float32"])]
    said(naive, dtypes=["float16", "float32"], scale=20, max_ulp=200)
    assert asked[1:] == [(False, ["float16", "float32"]), (True, ["float16"])]


def test_what_failed_once_has_failed() -> None:
    calls = []

    def unsteady(x: Any) -> Any:
        calls.append(None)
        return shifted(x) * (np.nan if len(calls) == 1 else 1)

    assert "nan is 2560, limit 0" in said(unsteady, max_ulp=100).replace(",", "", 1).replace("2,560", "2560")
    assert len(calls) > 1


def test_the_format_is_that_of_the_logits() -> None:
    for dtype in ("float16", "float32", "float64", "bfloat16"):
        numpy_dtype = overflowscope.formats.named(dtype).dtype
        [found] = assert_accurate(shifted, logits=np.zeros((2, 4)).astype(numpy_dtype), max_ulp=0)
        assert found.dtype == dtype
    assert assert_accurate(shifted, logits=[[1, 2, 3]], max_ulp=4)[0].dtype == "float32"
    assert assert_accurate(shifted, logits=np.array([1, 2, 3]), max_ulp=4)[0].dtype == "float32"
    assert assert_accurate(shifted, logits=HALVES, dtypes="float16", max_ulp=4)[0].dtype == "float16"


def test_losses_and_gradients() -> None:
    def loss(x: Any, labels: Any) -> Any:
        m = x.max(axis=-1)
        lse = m + np.log(np.exp(x - m[:, None]).sum(axis=-1))
        return lse - np.take_along_axis(x, labels[:, None], axis=-1)[:, 0]

    assert_accurate(loss, "cross_entropy", dtypes="float64", max_ulp=1e6)
    assert_accurate(loss, "cross_entropy", logits=[[0, 0], [0, 0]], labels=[0, 1], max_ulp=1)
    both = assert_accurate(shifted, quantity="both", dtypes="float64", max_ulp=1e6)
    assert [m.quantity for m in both] == ["value", "gradient"]
    text = said(naive, quantity="gradient", scale=1000, max_nan=0)
    assert "- softmax gradient, float32: nan is " in text


def test_a_library_by_its_name() -> None:
    scipy = pytest.importorskip("scipy")
    assert_accurate("scipy", dtypes="float64", max_ulp=20)
    hard = np.array([[16.942385, 0]], np.float32)
    if not scipy.__version__.startswith("1.17."):
        pytest.skip(f"what SciPy 1.17 gives is known, not what {scipy.__version__} does")
    assert said("scipy", "log_softmax", logits=hard, max_ulp=4).startswith("scipy does not keep its limits\n")


def test_objects_have_the_name_of_their_type() -> None:
    class Softmax:
        def __call__(self, x: Any) -> Any:
            return naive(x)

    assert "Softmax does not keep its limits" in said(Softmax(), scale=1000, max_nan=0).splitlines()[0]
    partial = functools.partial(naive)
    assert said(partial, scale=1000, max_nan=0).startswith("functools:partial does not keep its limits")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, "no limit was given; assert_accurate"),
        ({"max_upl": 4}, "unknown limit 'max_upl'; did you mean max_ulp"),
        ({"max_ulp": -1}, "max_ulp is -1; a finite number of at least 0 is wanted"),
        ({"max_ulp": math.nan}, "max_ulp is nan; a finite"),
        ({"max_ulp": math.inf}, "max_ulp is inf; a finite"),
        ({"max_ulp": 4, "rows": 2.5}, "rows is 2.5; a whole number is wanted"),
        ({"max_ulp": 4, "classes": True}, "classes is True; a whole"),
        ({"max_ulp": 4, "seed": 1.0}, "seed is 1.0; a whole"),
        ({"max_ulp": 4, "dtypes": [np.float16]}, "names are wanted, such as ['float16']"),
        ({"max_ulp": "4"}, "max_ulp is '4'; a finite"),
        ({"max_nan": True}, "max_nan is True; a finite"),
        ({"operation": "softmx", "max_ulp": 4}, "unknown operation 'softmx'; did you mean softmax"),
        ({"operation": ["softmax"], "max_ulp": 4}, "names no operation"),
        ({"operation": "logsumexp", "max_kl": 4}, "max_kl is of probabilities, which logsumexp does not give"),
        ({"quantity": "gradient", "max_kl": 4}, "max_kl is of probabilities, which the gradient of softmax"),
        ({"quantity": "both", "max_kl": 4}, "max_kl is of probabilities, which the gradient of softmax"),
        ({"dtypes": "float12", "max_ulp": 4}, "unknown dtype 'float12'; did you mean float"),
        ({"dtypes": [], "max_ulp": 4}, "no dtype was given"),
        ({"scale": [], "max_ulp": 4}, "there is at least one"),
        ({"distribution": "nomral", "max_ulp": 4}, "unknown distribution 'nomral'; did you mean normal"),
        ({"rows": 0, "max_ulp": 4}, "0 rows; at least 1 is wanted"),
        ({"seed": -1, "max_ulp": 4}, "seed -1 is not between"),
        ({"logits": [], "max_ulp": 4}, "no logits: an array of shape (0,)"),
        ({"logits": [[0.0]], "classes": 3, "max_ulp": 4}, "classes is of random logits, and logits were given"),
        ({"labels": [0], "max_ulp": 4}, "labels were given without logits"),
        ({"function": "scip", "max_ulp": 4}, "unknown implementation 'scip'"),
        ({"function": 3, "max_ulp": 4}, "builtins:int is no function"),
        ({"function": lambda x: x[0], "max_ulp": 4}, "returned an array of shape"),
        ({"function": lambda x: 1 / 0, "max_ulp": 4}, "ZeroDivisionError: division by zero"),
    ],
)
def test_misuse_is_no_failed_assertion(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        assert_accurate(**{"function": shifted, **keywords})
    assert message in str(raised.value)


@settings(max_examples=40, deadline=None)
@given(x=logits("float32", (1, 6), rows=(1, 3)))
def test_formulations_that_are_not_fragile_keep_their_promise(x: Any) -> None:
    """Where the textbook bound is finite no result is nan or infinite, on any corner."""
    for name in ("shifted", "lse", "online"):
        function = catalogue.named("softmax").formulations[name].function
        assert_accurate(functools.partial(function, np), logits=x, max_nan=0, max_overflow=0)
