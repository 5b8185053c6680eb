"""Measurements against limits and baselines: what holds, what does not, and that nothing passes by being nan."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

import overflowscope
from overflowscope.errors import InputError
from overflowscope.records import Largest, Measurement, Range
from overflowscope.records.check import Figures
from overflowscope.studies.check.judge import COUNTS, LIMITS, check_limits, figures, judged

CLEAN = overflowscope.compare([[0.0, 1.0]], operations="softmax", formulations="shifted", dtypes="float32").results[0]


def altered(**changes: Any) -> Measurement:
    """The clean measurement with other figures; counts by their names in Incidence, max_ulp, sums and kl by theirs."""
    counts = {k: v for k, v in changes.items() if hasattr(CLEAN.incidence, k)}
    found = replace(CLEAN, incidence=replace(CLEAN.incidence, **counts))
    if "max_ulp" in changes:
        found = replace(found, ulp=replace(found.ulp, max=changes["max_ulp"]))
    if "sums" in changes:
        found = replace(found, row_sum=Range(min=changes["sums"][0], max=changes["sums"][1]))
    if "kl" in changes:
        found = replace(found, kl=Largest(max=changes["kl"]))
    if "flips" in changes:
        found = replace(found, argmax_flips=changes["flips"])
    return found


def whats(found: Any) -> list[str]:
    return [f.what for f in found]


@pytest.mark.parametrize(
    ("changes", "limits", "expected"),
    [
        ({"max_ulp": 4.0}, {"max_ulp": 4}, []),
        ({"max_ulp": math.nextafter(4.0, 5)}, {"max_ulp": 4}, ["max_ulp"]),
        ({"max_ulp": math.inf}, {"max_ulp": 1e300}, ["max_ulp"]),
        ({"max_ulp": math.nan}, {"max_ulp": 1e300}, ["max_ulp"]),
        ({"wrong_nan": 2}, {"max_nan": 2}, []),
        ({"wrong_nan": 3}, {"max_nan": 2}, ["nan"]),
        ({"wrong_nan": 1}, {"max_overflow": 9}, ["nan"]),
        ({"wrong_nan": 1}, {"argmax_flips": 9}, ["nan"]),
        ({"wrong_nan": 1}, {"row_sum_within": 1.0, "max_nan": 1}, ["row_sum_off"]),
        ({"wrong_nan": 1}, {"max_kl": 1.0, "max_nan": 1}, ["max_kl"]),
        ({"wrong_nan": 1}, {}, []),
        ({"nan": 1, "undefined": 1}, {"max_nan": 0}, []),
        ({"overflow": 1}, {"max_overflow": 0}, ["overflow"]),
        ({"overflow": 1}, {"max_overflow": 1}, []),
        ({"underflow": 5}, {"max_underflow": 4}, ["underflow"]),
        ({"sums": (0.875, 1.0)}, {"row_sum_within": 0.125}, []),
        ({"sums": (0.875, 1.0)}, {"row_sum_within": 0.124}, ["row_sum_off"]),
        ({"sums": (1.0, 1.25)}, {"row_sum_within": 0.125}, ["row_sum_off"]),
        ({"sums": (0.0, 1.0)}, {"row_sum_within": 0.5}, ["row_sum_off"]),
        ({"sums": (1.0, math.inf)}, {"row_sum_within": 1e300}, ["row_sum_off"]),
        ({"kl": 0.25}, {"max_kl": 0.25}, []),
        ({"kl": 0.25}, {"max_kl": 0.2}, ["max_kl"]),
        ({"kl": math.nan}, {"max_kl": 1e300}, ["max_kl"]),
        ({"flips": 1}, {"argmax_flips": 0}, ["argmax_flips"]),
        ({"flips": None}, {"argmax_flips": 99}, ["argmax_flips"]),
        ({"undecided": 1}, {}, ["undecided"]),
        ({"undecided": 1}, {"max_ulp": 1e300}, ["undecided"]),
        ({"max_ulp": None}, {}, ["empty"]),
        ({"max_ulp": None}, {"max_nan": 9}, ["empty"]),
        ({"max_ulp": None, "undecided": 2}, {"max_nan": 9}, ["empty", "undecided"]),
    ],
)
def test_limits(changes: dict[str, Any], limits: dict[str, float], expected: list[str]) -> None:
    found = judged(altered(**changes), limits)
    assert whats(found) == expected
    for f in found:
        assert f.reason
        assert f.old is None
        if f.what in LIMITS.values():
            assert f.limit == limits.get(next(k for k, v in LIMITS.items() if v == f.what), 0.0)


OLD = figures(CLEAN)


@pytest.mark.parametrize(
    ("old", "changes", "factor", "expected"),
    [
        ({}, {}, 1.5, []),
        ({"max_ulp": 2.0}, {"max_ulp": 3.0}, 1.5, []),
        ({"max_ulp": 2.0}, {"max_ulp": math.nextafter(3.0, 4)}, 1.5, ["max_ulp"]),
        ({"max_ulp": 2.0}, {"max_ulp": 8.0}, 4.0, []),
        ({"max_ulp": 0.0}, {"max_ulp": 0.75}, 1.5, []),
        ({"max_ulp": 0.0}, {"max_ulp": 0.76}, 1.5, ["max_ulp"]),
        ({"max_ulp": math.inf}, {"max_ulp": math.inf}, 1.5, []),
        ({"max_ulp": 3.0}, {"max_ulp": math.inf}, 1.5, ["max_ulp"]),
        ({"max_ulp": math.inf}, {"max_ulp": math.nan}, 1.5, ["max_ulp"]),
        ({"max_ulp": math.nan}, {"max_ulp": 0.5}, 1.5, ["max_ulp"]),
        ({"max_ulp": None}, {"max_ulp": 0.5}, 1.5, ["max_ulp"]),
        ({"nan": 3}, {"wrong_nan": 3}, 1.5, []),
        ({"nan": 3}, {"wrong_nan": 4}, 9.0, ["nan"]),
        ({"overflow": 0}, {"overflow": 1}, 9.0, ["overflow"]),
        ({"underflow": 7}, {"underflow": 8}, 9.0, ["underflow"]),
        ({"saturated": 0}, {"saturated": 1}, 9.0, ["saturated"]),
        ({"argmax_flips": 0}, {"flips": 1}, 9.0, ["argmax_flips"]),
        ({"argmax_flips": 1}, {"flips": None}, 9.0, ["argmax_flips"]),
        ({"argmax_flips": None}, {"flips": None}, 1.5, []),
        ({"nan": 9, "overflow": 9, "underflow": 9}, {}, 1.5, []),
    ],
)
def test_baselines(old: dict[str, Any], changes: dict[str, Any], factor: float, expected: list[str]) -> None:
    found = judged(altered(**changes), {}, replace(OLD, **old), factor)
    assert whats(found) == expected
    assert all(f.old is not None and f.limit is not None for f in found)


@pytest.mark.parametrize(
    ("old", "limit", "new", "expected"),
    [
        (2.0, 9.0, 4.0, (2.0, 3.0)),  # the baseline alone
        (8.0, 3.0, 4.0, (None, 3.0)),  # the limit alone
        (2.0, 2.5, 4.0, (2.0, 2.5)),
        (2.0, 3.5, 4.0, (2.0, 3.0)),
    ],
)
def test_a_limit_and_a_baseline_make_one_finding(
    old: float, limit: float, new: float, expected: tuple[float | None, float]
) -> None:
    (found,) = judged(altered(max_ulp=new), {"max_ulp": limit}, replace(OLD, max_ulp=old))
    assert (found.what, found.new, found.old, found.limit) == ("max_ulp", new, *expected)


def test_a_measurement_keeps_its_own_figures() -> None:
    assert not judged(CLEAN, {}, OLD)
    assert all(getattr(OLD, name) == 0 for name in COUNTS)


def test_the_reason_is_the_explanation_where_there_is_one() -> None:
    found = overflowscope.compare([[0.0, 20.0]], operations="softmax", formulations="naive", dtypes="float16").results
    (ulp, nan) = judged(found[0], {"max_ulp": 4})
    assert (ulp.what, ulp.new, nan.what, nan.new, nan.limit) == ("max_ulp", math.inf, "nan", 1.0, 0.0)
    assert ulp.reason == nan.reason == found[0].explanation
    assert "exp overflows float16" in ulp.reason


def test_unknown_limits_and_limits_that_do_not_apply() -> None:
    with pytest.raises(InputError, match="did you mean max_ulp"):
        judged(CLEAN, {"max_ulps": 1})
    for name in ("row_sum_within", "max_kl", "argmax_flips"):
        check_limits([name], "softmax", "value")
        with pytest.raises(InputError, match=f"{name} is of probabilities"):
            check_limits([name], "logsumexp", "value")
        with pytest.raises(InputError, match="gradient of softmax"):
            check_limits([name], "softmax", "gradient")
    check_limits(["max_ulp", "max_nan", "max_overflow", "max_underflow"], "logsumexp", "gradient")


def test_what_is_no_probability_has_no_sums() -> None:
    found = overflowscope.compare([[0.0, 20.0]], operations="logsumexp", formulations="naive", dtypes="float16").results
    assert isinstance(figures(found[0]), Figures)
    assert figures(found[0]).row_sum_off is None
    assert whats(judged(found[0], {"max_ulp": 4})) == ["max_ulp"]
