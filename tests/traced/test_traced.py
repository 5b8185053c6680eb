"""Every example, traced: birth, descendants, events and verdict are those written down before there was a tracer."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from examples import Birth, Example, Flag
from expected import EXAMPLES, lines_of, module_of
from truths import mp

import overflowscope
from overflowscope.records.trace import Trace

SELECTING = {"max", "maximum", "where", "min", "minimum", "clip"}
"""What hands a failure on as it is; the examples do not name it among the descendants."""
BORN = [(e, e.birth) for e in EXAMPLES if e.birth]
TWINS = [e for e in EXAMPLES if e.gives is None]
FLAGS = [(e, flag) for e in EXAMPLES for flag in e.flags]
SAID = [(e, phrase) for e in EXAMPLES for phrase in e.says]


def named(value: Any) -> str:
    if isinstance(value, Example):
        return value.name
    return value if isinstance(value, str) else getattr(value, "event", "")


def every(examples: list[Any]) -> Any:
    names = "example" if isinstance(examples[0], Example) else "example, what"
    return pytest.mark.parametrize(names, examples, ids=named)


@cache
def _traced(name: str) -> Trace:
    example = next(e for e in EXAMPLES if e.name == name)
    arguments = {k: v for k, v in example.inputs.items() if k != "x"}
    return overflowscope.trace(
        np.array(example.x, dtype=example.dtype),
        function=getattr(module_of(example), example.function),
        arguments=arguments,
        dtype=example.dtype,
        per_row=example.per_row,
    )


def traced(example: Example) -> Trace:
    return _traced(example.name)


def close(text: str | None, wanted: str) -> bool:
    return text is not None and abs(mp.mpf(text) - mp.mpf(wanted)) <= abs(mp.mpf(wanted)) * mp.mpf("1e-15")


@every(BORN)
def test_birth(example: Example, what: Birth) -> None:
    found = traced(example)
    assert found.birth is not None
    assert (found.birth.operation, found.birth.kind, found.birth.index) == (what.operation, what.kind, what.index)
    step = found.steps[found.birth.step - 1]
    assert step.source is not None
    assert step.source.text == what.at
    assert step.source.line in lines_of(example, what.at)
    assert found.birth.source == f"{step.source.file}:{step.source.line}"
    assert step.element is not None
    assert step.element.index == what.index
    np.testing.assert_equal(step.element.computed, what.value)
    if what.exact == "undefined" and what.kind == "divide":
        # No real number; IEEE 754-2019, 7.3, calls the infinity the exact result of a division by zero.
        assert step.element.exact in (None, "inf", "-inf")
    elif what.exact == "undefined":
        assert (step.element.exact, step.element.state) == (None, "undefined")
    elif what.exact == "-inf":
        assert step.element.exact == "-inf"
    else:
        assert close(step.element.exact, what.exact), step.element


@every(BORN)
def test_its_descendants(example: Example, what: Birth) -> None:
    found = traced(example)
    assert found.birth is not None
    numbers = [s.number for s in found.steps if s.descendant]
    assert numbers[0] == found.birth.step
    operations = dict.fromkeys(s.operation for s in found.steps if s.descendant and s.operation not in SELECTING)
    assert tuple(operations) == example.descendants


@every(TWINS)
def test_nothing_is_born_in_a_twin(example: Example) -> None:
    found = traced(example)
    assert found.birth is None
    assert not any(s.descendant for s in found.steps)
    assert found.remedies == ()
    harmful = [e for s in found.steps for e in s.events if not e.harmless]
    assert harmful == []


@every([e for e in EXAMPLES if e.gives is not None and e.birth is None])
def test_nothing_is_born_where_bits_are_lost(example: Example) -> None:
    assert traced(example).birth is None


@every(SAID)
def test_the_verdict_says(example: Example, what: str) -> None:
    verdict = traced(example).verdict.lower()
    assert any(phrase in verdict for phrase in what.split("|")), verdict


@every(FLAGS)
def test_an_event_is_found(example: Example, what: Flag) -> None:
    steps = [s for s in traced(example).steps if s.operation == what.operation]
    events = [e for s in steps if s.source and s.source.line in lines_of(example, what.at) for e in s.events]
    kind = [e for e in events if e.kind == what.event]
    assert kind, events
    if what.harmless:
        assert all(e.harmless for e in kind)
    if what.bits:
        least, most = what.bits
        assert any(e.bits is not None and least <= e.bits <= most for e in kind)


@every(EXAMPLES)
def test_control_flow(example: Example) -> None:
    """Where exact values decide otherwise a note says so, with its line, and the verdict too; else there is none."""
    found = traced(example)
    lines = {note.source.line for note in found.notes if note.source}
    if example.differs is None:
        assert found.notes == ()
    else:
        assert lines == set(lines_of(example, example.differs.at))
        assert found.notes[0].text in found.verdict


@every(BORN)
def test_a_remedy_that_is_named_was_clean(example: Example, what: Birth) -> None:
    found = traced(example)
    clean = [r.sentence for r in found.remedies if r.clean]
    named = re.search(r"\. ([^.]*(?:\.\d[^.]*)*) is enough\.$", found.verdict)
    if named and not named[1].startswith("None of the "):
        assert named[1] == clean[0]
    else:
        # Nothing is enough, or the truth cannot be held, or there is none.
        assert not clean or "is beyond" in found.verdict
        assert re.search("None of the |holds it|logarithm|undefined", found.verdict)


def test_a_loss_is_known_by_its_labels_where_its_own_exact_values_are_wide() -> None:
    """log(p) with p short of 1 by less than 2**-256: the truth is cross_entropy's, and log1p alone gives it."""
    logits = np.array([[800.0, 600.0, 0.0], [1.0, 2.0, 3.0]])
    found = overflowscope.trace(logits, function=loss, arguments={"labels": np.array([0, 2])}, dtype="float64")
    assert found.birth is not None
    assert found.birth.operation == "exp"
    assert "This is cross_entropy: the formulation log1p" in found.verdict


def loss(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    return -np.log(p[np.arange(len(x)), labels])
