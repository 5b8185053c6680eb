"""The command to paste: what compare takes it for is the case."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

import overflowscope
from overflowscope.cli.compare import command as compare
from overflowscope.records import Measurement
from overflowscope.studies.check.cases import Case
from overflowscope.studies.check.command import command


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    found = overflowscope.compare(
        [[0.0, 1.0]], operations="softmax", formulations="lse", dtypes="float16", scale=1e-7, arithmetic="strict"
    )
    return found.results[0]


def taken(case: Case, m: Measurement, row: int | None) -> dict[str, Any]:
    """The options as compare understands them."""
    words = shlex.split(command(case, m, row))
    assert words[:2] == ["overflowscope", "compare"]
    params: dict[str, Any] = compare.make_context("compare", words[2:]).params
    return params


def test_all_that_a_case_may_say(measurement: Measurement) -> None:
    case = Case(
        name="a",
        operation="cross_entropy",
        quantity="gradient",
        implementation="kernel",
        spec="my kernels/it's.py:f",
        shift=-2.5,
        input="the logits.npz",
        key="a b",
        labels="labels;.csv",
        max_rows=7,
        max_bytes=10**9,
        seed=2**64 - 1,
        ignore_index=-5,
        compute="float64",
        arithmetic="strict",
        sum_order="kahan",
        accumulator="float64",
    )
    found = taken(case, measurement, 3)
    expected = {
        "operations": ("cross_entropy",),
        "quantity": "gradient",
        "implementations": ("my kernels/it's.py:f",),
        "dtypes": ("float16",),
        "scale": (1e-7,),
        "shift": -2.5,
        "input": "the logits.npz",
        "key": "a b",
        "labels_file": "labels;.csv",
        "max_rows": 7,
        "max_bytes": 10**9,
        "seed": 2**64 - 1,
        "ignore_index": -5,
        "compute": "float64",
        "arithmetic": "strict",
        "sum_order": "kahan",
        "accumulator": "float64",
        "row": 3,
    }
    assert {name: found[name] for name in expected} == expected


def test_random_logits_and_a_formulation(measurement: Measurement) -> None:
    case = Case(name="a", formulation="lse", dist="cauchy", rows=5, classes=6)
    found = taken(case, measurement, None)
    names = ("operations", "formulations", "implementations", "dist", "rows", "classes", "seed", "row", "input")
    assert [found[n] for n in names] == [("softmax",), ("lse",), (), "cauchy", 5, 6, 0, None, None]
    assert "--ignore-index" not in command(case, measurement, None)


@pytest.mark.parametrize("name", ["-logits.npy", "--json", "-/x.npy"])
def test_a_file_is_no_option(measurement: Measurement, name: str) -> None:
    found = taken(Case(name="a", formulation="lse", input=name, key="-k", labels="-l.npy"), measurement, None)
    assert [found[n] for n in ("input", "key", "labels_file")] == [f"./{name}", "-k", "-l.npy"]
