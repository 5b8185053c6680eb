"""Little programs run alike on recorded arrays, to the last bit, and their exact values hold what Arb makes of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath.libmp import finf, fninf
from programs import WRITING, Instruction, Machine, programs

from overflowscope.arithmetic.intervals import LINE, Element
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.shadows import UNDEFINED, Shadows

DTYPES = (np.float16, np.float32, np.float64)
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.1, -7.25, 88.0, -100.0, 1e-5, 6e4, 12.0, -0.3])
WILD = NUMBERS | st.sampled_from([np.inf, -np.inf, np.nan, 6e-8, 1e-40, 1e30, -1e38, 300.0])
SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def inputs(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[list[Any]]:
    """A matrix, a vector and a matrix that lies the other way in memory."""

    def array(shape: tuple[int, ...], order: Any = "C") -> st.SearchStrategy[Any]:
        flat = st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
        return st.builds(lambda v, d: in_format(v, d).reshape(shape, order=order), flat, st.sampled_from(DTYPES))

    return st.tuples(array((3, 4)), array((4,)), array((4, 2), "F")).map(list)


def in_format(values: list[float], dtype: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.array(values).astype(dtype)


def same(found: Any, wanted: Any) -> bool:
    """Bit by bit, a nan being a nan, and a scalar where there was one."""
    bits = f"u{wanted.dtype.itemsize}"
    alike = type(found) is type(wanted) and found.dtype == wanted.dtype and found.shape == wanted.shape
    if not alike:
        return False
    nan = np.isnan(wanted)
    equal = (
        np.asarray(found).view(bits) == np.asarray(wanted).view(bits) if found.flags.c_contiguous else found == wanted
    )
    return bool((equal | (nan & np.isnan(found))).all())


def attempt(machine: Machine, instruction: Instruction) -> type[Exception] | None:
    try:
        machine.run(instruction)
    except Unrecordable:
        raise
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        return type(error)
    return None


def consistent(array: RecordedArray) -> None:
    """Origins lie in memory as the values do."""
    assert array.origins is not None
    assert array.origins.shape == array.value.shape
    if isinstance(array.value, np.ndarray) and array.value.size:
        steps = [
            s // array.value.itemsize for s, n in zip(array.value.strides, array.value.shape, strict=True) if n > 1
        ]
        assert steps == [s // 8 for s, n in zip(array.origins.strides, array.origins.shape, strict=True) if n > 1]


@SETTINGS
@given(arrays=inputs(WILD), program=programs(8))
def test_recording_changes_no_bit(arrays: list[Any], program: list[Instruction]) -> None:
    recording = Recording(np, exact=Shadows(64))
    plain = Machine([a.copy(order="K") for a in arrays])
    recorded = Machine([recording.asarray(a) for a in arrays], judge=plain)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for instruction in program:
            # The plain one goes second: it is the judge of both, and may write where the other still has to.
            raised = attempt(recorded, instruction)
            assert attempt(plain, instruction) == raised, instruction
            assert len(plain.arrays) == len(recorded.arrays)
            for found, wanted in zip(recorded.arrays, plain.arrays, strict=True):
                assert isinstance(found, RecordedArray)
                assert same(found.value, wanted), instruction
                consistent(found)
    assert all(a.dtype == b.dtype and same(a, b) for a, b in zip(arrays, map(np.copy, arrays), strict=True))


def balls(array: Any) -> Any:
    flint = pytest.importorskip("flint")
    result = np.empty_like(array, dtype=object)
    for index in np.ndindex(array.shape):
        result[index] = flint.arb(float(array[index]))
    return result


def end(raw: Any) -> Any:
    flint = pytest.importorskip("flint")
    sign, man, exponent, _ = raw
    return flint.arb(flint.arf((-int(man) if sign else int(man), int(exponent))))


def encloses(element: Element, ball: Any) -> bool:
    """Whether both can be the same number; and nothing is given up where Arb is sure."""
    flint = pytest.importorskip("flint")
    ball = ball if isinstance(ball, flint.arb) else flint.arb(float(ball))
    if not ball.is_finite():
        return True
    if element in (LINE, UNDEFINED):
        return bool(element == LINE and ball.rel_accuracy_bits() < 120 and ball != 0)
    if fninf in element[:2] or finf in element[:2]:
        return False
    return bool(end(element[0]).union(end(element[1])).overlaps(ball))


@SETTINGS
@given(arrays=inputs(NUMBERS), program=programs(6))
def test_exact_values_hold_what_exact_arithmetic_gives(arrays: list[Any], program: list[Instruction]) -> None:
    flint = pytest.importorskip("flint")
    shadows = Shadows(128)
    recording = Recording(np, exact=shadows)
    plain = Machine([a.copy(order="K") for a in arrays])
    recorded = Machine([recording.asarray(a) for a in arrays], judge=plain)
    exact = Machine([balls(a) for a in arrays], judge=plain, balls=True)
    with np.errstate(all="ignore"), warnings.catch_warnings(), flint.ctx.workprec(1500):
        warnings.simplefilter("ignore")
        for instruction in program:
            writing = instruction.name in WRITING or instruction.name in ("iadd", "isub", "imul", "itruediv")
            if writing and isinstance(plain.arrays[instruction.a % len(plain.arrays)], np.generic):
                continue  # a scalar, which is no array of balls
            raised = attempt(exact, instruction)
            assert attempt(recorded, instruction) == raised
            attempt(plain, instruction)
            for found, wanted in zip(recorded.arrays, exact.arrays, strict=True):
                for index in np.ndindex(wanted.shape):
                    assert encloses(found.exact[index], wanted[index]), (instruction, index)
    assert not shadows.unruled


@pytest.mark.parametrize("exact", [None, Shadows()], ids=["light", "exact"])
@pytest.mark.parametrize(
    "reduce",
    [
        lambda x: x.sum(-1, keepdims=True),
        lambda x: np.sum(x, 1, None, None, True),
        lambda x: np.max(x, 1, None, True),
        lambda x: np.std(x, -1, None, None, 1),
        lambda x: np.add.reduce(x, 1),
        lambda x: np.cumsum(x, 1),
    ],
)
def test_an_axis_is_no_operand(reduce: Any, exact: Shadows | None) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    recording = Recording(np, exact)
    assert reduce(recording.asarray(x)).value.tobytes() == reduce(x).tobytes()
    (step,) = recording.steps
    assert len(step.operands) == 1
    assert step.kwargs["axis"] in (1, -1)
