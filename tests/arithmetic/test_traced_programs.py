"""Little programs, traced: what is said of them agrees with itself, and with what plain NumPy gives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Instruction, Machine, programs

import overflowscope
from overflowscope import schema
from overflowscope.arithmetic.recording import Unrecordable
from overflowscope.records.trace import Trace
from overflowscope.report import Look
from overflowscope.report._trace import FORMS

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
FINITE = st.sampled_from([0.0, 1.0, -1.0, 0.5, -3.0, 12.0, 100.0, -120.0, 1e-5, 1e4, -2.5e4])
DTYPES = st.sampled_from(["float16", "float32", "float64"])


def function(program: list[Instruction]) -> Callable[[Any], Any]:
    """What runs it on an array and gives the last of its results; what NumPy refuses is left out."""

    def run(x: Any) -> Any:
        machine = Machine([x])
        for instruction in program:
            attempt(machine, instruction)
        return machine.arrays[-1]

    return run


def attempt(machine: Machine, instruction: Instruction) -> None:
    try:
        machine.run(instruction)
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        if isinstance(error, Unrecordable):
            raise


def traced(program: list[Instruction], values: list[list[float]], dtype: str) -> tuple[Trace, Any]:
    x = np.array(values).astype(dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = np.asarray(function(program)(x.copy()))
        return overflowscope.trace(x, function=function(program), dtype=dtype), plain


ROWS = st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(FINITE, min_size=n, max_size=n), min_size=1, max_size=3))


@SETTINGS
@given(program=programs(7), values=ROWS, dtype=DTYPES)
def test_a_birth_is_the_first_of_its_descendants_and_does_harm(
    program: list[Instruction], values: list[list[float]], dtype: str
) -> None:
    found, plain = traced(program, values, dtype)
    descendants = [s.number for s in found.steps if s.descendant]
    harmful = {(s.number, e.kind) for s in found.steps for e in s.events if not e.harmless}
    if found.birth is None:
        assert not descendants
        assert not {kind for _, kind in harmful} & {"overflow", "divide", "invalid"}
        assert not np.isnan(plain).any()
        return
    birth, step = found.birth, found.steps[found.birth.step - 1]
    assert descendants[0] == birth.step
    assert step.element is not None
    assert step.element.index == birth.index
    value = step.element.computed
    assert {"overflow": math.isinf, "divide": math.isinf, "invalid": math.isnan}.get(birth.kind, lambda v: v == 0)(
        value
    )
    assert found.verdict == birth.verdict
    assert found.verdict.startswith(f"step {birth.step}, {birth.operation}")


@SETTINGS
@given(program=programs(7), values=ROWS, dtype=DTYPES)
def test_nothing_computed_is_changed_or_left_out(
    program: list[Instruction], values: list[list[float]], dtype: str
) -> None:
    found, _ = traced(program, values, dtype)
    assert [s.number for s in found.steps] == list(range(1, len(found.steps) + 1))
    for step in found.steps:
        size = math.prod(step.shape)
        assert max(step.nan, step.inf, step.zero, step.subnormal) <= size
        assert all(o.step is None or o.step < step.number for o in step.operands)
        for event in step.events:
            assert 1 <= event.count <= size
            assert len(event.index) == len(step.shape)
        if step.ulp.total is not None and step.ulp.inherited is not None and step.ulp.added is not None:
            sizes = (step.ulp.total, step.ulp.inherited, step.ulp.added)
            if all(map(math.isfinite, sizes)):
                assert sizes[0] <= (sizes[1] + sizes[2]) * (1 + 1e-6) + 1e-6


@SETTINGS
@given(program=programs(6), values=ROWS, dtype=DTYPES)
def test_every_form_holds_it(program: list[Instruction], values: list[list[float]], dtype: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found, _ = traced(program, values, dtype)
    jsonschema.Draft202012Validator(schema.trace()).validate(found.to_dict())
    for form in FORMS.values():
        for width in (40, 97):
            assert form(found, Look(width, ascii=True))
