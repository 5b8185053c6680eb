"""The examples say what is so: plain NumPy fails as claimed, every twin is right, and the exact values are mpmath's."""

from __future__ import annotations

import math
from typing import Any

import functions
import harder
import numpy as np
import pytest
from examples import Birth, Branch, Example, Flag
from expected import EXAMPLES, lines_of, module_of
from truths import TRUTHS, mp, numbers

HURTING = [e for e in EXAMPLES if e.gives is not None]
TWINS = [e for e in EXAMPLES if e.gives is None]
BORN = [(e, e.birth) for e in EXAMPLES if e.birth]
FLAGS = [(e, flag) for e in EXAMPLES for flag in e.flags]


def named(value: Any) -> str | None:
    if isinstance(value, Example):
        return value.name
    return value.event if isinstance(value, Flag) else ""


def every(examples: list[Any]) -> Any:
    names = "example" if examples and isinstance(examples[0], Example) else "example, what"
    return pytest.mark.parametrize(names, examples, ids=named)


def result(example: Example) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(getattr(module_of(example), example.function)(**example.inputs))


def truth(example: Example) -> Any:
    return np.asarray(TRUTHS[example.truth](**{name: numbers(a) for name, a in example.inputs.items()}), dtype=object)


def ulps(got: float, exact: Any, dtype: Any) -> float:
    """The distance in units in the last place of the format; inf for nan and for an infinity that is not the truth."""
    if math.isnan(got) or math.isinf(got):
        return 0.0 if got == exact else math.inf
    info = np.finfo(dtype)
    exponent = mp.frexp(exact)[1] - 1 if exact else int(info.minexp)
    return float(abs(mp.mpf(got) - exact) / mp.ldexp(1, max(exponent, int(info.minexp)) - info.nmant))


def distances(example: Example) -> list[float]:
    got, exact = result(example), truth(example)
    assert got.shape == exact.shape
    return [ulps(float(g), e, got.dtype) for g, e in zip(got.ravel(), exact.ravel(), strict=True)]


def plainly(example: Example, expression: str) -> Any:
    """What NumPy makes of an expression in the inputs."""
    info = np.finfo(example.inputs["x"].dtype)
    known = {"np": np, "LOG_LARGEST": np.log(np.float64(info.max)), "TINY": info.tiny, **example.inputs}
    with np.errstate(all="ignore"):
        return eval(expression, known)


def exactly(example: Example, formula: str) -> Any:
    known = {name: getattr(mp, name) for name in ("exp", "log", "log1p", "expm1", "sqrt", "pi", "mpf")}
    return eval(formula, {**known, **{name: numbers(a) for name, a in example.inputs.items()}})


# What plain NumPy gives


@every(HURTING)
def test_it_fails_as_claimed(example: Example) -> None:
    np.testing.assert_allclose(result(example).astype(float), example.gives, rtol=0.01, equal_nan=True)


@every(HURTING)
def test_it_is_wrong(example: Example) -> None:
    """nan, an infinity or a zero that the truth does not round to, or a number that has lost half of its bits."""
    got, exact = result(example).ravel(), truth(example).ravel()
    bits = np.finfo(got.dtype).nmant + 1
    far = [d > (0.5 if g == 0 else 2 ** (bits / 2)) for d, g in zip(distances(example), got, strict=True)]
    assert any(far), exact


@every(TWINS)
def test_a_twin_is_right(example: Example) -> None:
    assert np.isfinite(result(example)).all()
    assert max(distances(example)) <= example.within
    assert example.birth is None


@every([e for e in HURTING if e.per_row])
def test_rows_before_the_one_that_is_traced_are_right(example: Example) -> None:
    for row in range(example.row):
        before = Example(**{**vars(example), "row": row})
        assert max(distances(before)) <= example.within


# Births


@every(BORN)
def test_the_value_born_is_what_numpy_computes(example: Example, what: Birth) -> None:
    values = np.asarray(plainly(example, what.numpy))
    assert len(what.index) == values.ndim
    np.testing.assert_equal(float(values[what.index]), what.value)


@every(BORN)
def test_it_is_the_first_such_value_of_its_step(example: Example, what: Birth) -> None:
    values = np.asarray(plainly(example, what.numpy), dtype=float)
    same = np.isnan(values) if math.isnan(what.value) else values == what.value
    found = tuple(map(int, np.argwhere(same)[0])) if values.ndim else ()
    assert found == what.index


@every([(e, b) for e, b in BORN if b.formula])
def test_the_exact_value_is_mpmaths(example: Example, what: Birth) -> None:
    exact = exactly(example, what.formula)
    assert abs(mp.mpf(what.exact) - exact) <= abs(exact) * mp.mpf("1e-24")


@every(BORN)
def test_value_and_exact_value_are_of_the_kind(example: Example, what: Birth) -> None:
    info = np.finfo(result(example).dtype)
    exact = None if what.exact == "undefined" else mp.mpf(what.exact)
    if what.kind == "overflow":
        assert math.isinf(what.value)
        assert exact is not None
        assert abs(exact) > mp.mpf(float(info.max)) * (1 + mp.ldexp(1, -info.nmant - 2))
    elif what.kind == "underflow":
        assert what.value == 0
        assert exact
    elif what.kind == "divide":
        assert math.isinf(what.value)
        assert exact is None or exact == what.value
    else:
        assert math.isnan(what.value)


def test_births_of_every_kind() -> None:
    assert {birth.kind for _, birth in BORN} == {"overflow", "underflow", "invalid", "divide"}


@every(BORN)
def test_descendants_begin_with_the_birth(example: Example, what: Birth) -> None:
    assert example.descendants[0] == what.operation
    assert len(set(example.descendants)) == len(example.descendants)


# Flags and branches


@every(FLAGS)
def test_a_flag_is_seen(example: Example, what: Flag) -> None:
    assert np.all(plainly(example, what.seen))


@every([(e, e.differs) for e in EXAMPLES if e.differs])
def test_exact_values_would_go_another_way(example: Example, what: Branch) -> None:
    assert bool(plainly(example, what.numpy)) is not bool(exactly(example, what.formula))


# The lines, and the whole


@every(EXAMPLES)
def test_every_line_named_stands_once_in_its_function(example: Example) -> None:
    named = [example.birth.at] if example.birth else []
    named += [flag.at for flag in example.flags] + ([example.differs.at] if example.differs else [])
    for text in named:
        assert len(lines_of(example, text)) == 1, text


@every(HURTING)
def test_each_hurting_function_has_a_benign_twin(example: Example) -> None:
    assert example.says
    assert all(phrase == phrase.lower() for phrase in example.says)
    assert [e for e in TWINS if e.function == example.function and e.dtype == example.dtype]


@every([e for e in HURTING if e.repair])
def test_each_hurting_input_has_a_repaired_function(example: Example) -> None:
    given = [(e.truth, e.dtype, e.x, e.args, e.row) for e in TWINS if e.function != example.function]
    assert (example.truth, example.dtype, example.x, example.args, example.row) in given


def test_names_are_one_of_a_kind_and_every_function_is_called() -> None:
    names = [e.name for e in EXAMPLES]
    assert len(set(names)) == len(names)
    for module in (functions, harder):
        written = {n for n, f in vars(module).items() if callable(f)}
        assert written == {e.function for e in EXAMPLES if module_of(e) is module}
