"""Checks made by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from overflowscope.records.check import BaselineSummary, Check, Checked, Figures, Finding

INF, NAN = math.inf, math.nan
WHY = "naive softmax: nan in 3 rows: exp of a logit above 88.7228 is inf, and inf/inf is nan; use shifted"
COMMAND = "overflowscope compare --op softmax --impl 'my kernels.py:softmax' --dtype float32 --scale 100 --row 17"


def figures(**changes: Any) -> Figures:
    """Of a sound check, but for what is changed."""
    sound = Figures(
        max_ulp=1.5,
        nan=0,
        overflow=0,
        underflow=0,
        saturated=0,
        row_sum_off=1.25e-07,
        max_kl=3e-15,
        argmax_flips=0,
    )
    return dataclasses.replace(sound, **changes)


def finding(what: str = "max_ulp", new: float | None = 12.0, limit: float | None = 4.0, **changes: Any) -> Finding:
    made = Finding(what=what, new=new, old=None, limit=limit, reason=WHY, command=COMMAND)
    return dataclasses.replace(made, **changes)


def checked(case: str, *findings: Finding, **changes: Any) -> Checked:
    """A check that holds, unless there are findings, but for what is changed."""
    made = Checked(
        case=case,
        operation="softmax",
        quantity="value",
        formulation=None,
        implementation="kernel",
        version=None,
        dtype="float32",
        scale=100.0,
        rows=256,
        elements=2560,
        result="finding" if findings else "ok",
        limits={"max_ulp": 4.0},
        figures=figures(),
        baseline=None,
        findings=findings,
        error=None,
    )
    return dataclasses.replace(made, **changes)


def failed(case: str, error: str, **changes: Any) -> Checked:
    """One that could not run."""
    nothing = {"dtype": None, "scale": None, "rows": 0, "elements": 0, "figures": None}
    return checked(case, result="error", error=error, **{**nothing, **changes})


def check(*checks: Checked, **changes: Any) -> Check:
    results = {c.result for c in checks}
    made = Check(
        schema="overflowscope.check/1",
        version="0.1.0",
        time="2026-01-02T03:04:05Z",
        environment={"numpy": "2.4.0", "simd": "AVX2", "scipy": None},
        config="pyproject.toml",
        baseline=None,
        status=2 if "error" in results else 1 if "finding" in results else 0,
        checks=checks,
    )
    return dataclasses.replace(made, **changes)


def everything() -> Check:
    """Every result, findings of one reason and of several, nulls, a gradient, a baseline of another platform."""
    was = figures(max_ulp=0.75)
    return check(
        checked("shifted"),
        checked("shifted", dtype="float16", scale=1.0, baseline=was, limits={}),
        checked("a-new-case", result="new", figures=figures(row_sum_off=None, max_kl=None, argmax_flips=None)),
        checked("lse", result="improved", formulation="lse", implementation="numpy", baseline=figures(max_ulp=96.0)),
        checked(
            "kernel",
            finding("max_ulp", INF, 1.125, old=0.75),
            finding("nan", 12.0, 0.0, old=0.0),
            finding("row_sum_off", NAN, 1e-6, reason="rows sum to nan", command=None),
            figures=figures(max_ulp=INF, nan=12, row_sum_off=NAN, max_kl=NAN, argmax_flips=3),
            baseline=was,
        ),
        checked(
            "loss",
            finding("undecided", 2.0, 0.0, reason="2 elements have a truth too near a tie to say", command=None),
            operation="cross_entropy",
            quantity="gradient",
            dtype="float8_e4m3fn",
            figures=figures(row_sum_off=None, max_kl=None, argmax_flips=None),
        ),
        checked("gone", finding("vanished", None, None, reason="the baseline has it, and the run has not"), rows=0),
        failed("my_gpu", "scipy is not installed; pip install scipy, or overflowscope[scipy]"),
        baseline=BaselineSummary(file="overflowscope-baseline.json", differs=("simd", "numpy"), updated=False),
    )


def sound() -> Check:
    """All hold."""
    return check(
        checked("softmax", scale=1.0),
        checked("softmax", scale=1.0, dtype="float64"),
        baseline=BaselineSummary(file="base.json", differs=(), updated=True),
    )
