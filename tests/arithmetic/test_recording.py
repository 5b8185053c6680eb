"""What a recording writes down: steps, places, origins, snapshots, decisions; and that a light one stays light."""

from __future__ import annotations

import inspect
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_intervals import exactly, interval, value

from overflowscope.arithmetic import constant
from overflowscope.arithmetic.decisions import equal, less
from overflowscope.arithmetic.origins import CONSTANT, FLAT, SHIFT
from overflowscope.arithmetic.proxy import recorded_numpy
from overflowscope.arithmetic.recording import Note, Place, RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.shadows import LINE, Shadows
from overflowscope.arithmetic.strict import Model
from overflowscope.formats import FORMATS

F16, F32 = FORMATS["float16"], FORMATS["float32"]


def full() -> Recording:
    return Recording(np, exact=Shadows(128))


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def float32(*values: float) -> Any:
    return np.array(values, np.float32)


# Steps


def test_steps_are_named_as_numpy_names_them() -> None:
    recording = full()
    x = recording.asarray(float32(1, 2))
    with np.errstate(all="ignore"):
        _ = -(abs(x) ** 2) / 3 // 1 % 2 @ x
        x.max(), np.amax(x), np.add.reduce(x), np.true_divide(x, 2), x.prod(), np.abs(x), x.astype(np.float16), +x
    names = [s.operation for s in recording.steps]
    assert names[:6] == ["abs", "power", "negative", "divide", "floor_divide", "remainder"]
    assert names[6:] == ["matmul", "max", "max", "sum", "divide", "prod", "abs", "astype", "positive"]
    assert [s.operation for s in recording.steps if not s.computes] == ["positive"]
    assert recording.steps[9].kwargs == {"axis": 0}


def test_a_step_knows_its_line() -> None:
    recording = full()
    x = recording.asarray(float32(1, 2))
    x + 1; here = line()  # fmt: skip  # noqa: E702
    place = recording.steps[0].place
    assert place == Place(
        __file__, here, "test_a_step_knows_its_line", Path(__file__).read_text().splitlines()[here - 1].strip()
    )
    assert str(place) == f"{__file__}:{here}"


def test_code_that_is_no_file_has_a_place_too() -> None:
    recording = full()
    names: dict[str, Any] = {"x": recording.asarray(float32(1, 2))}
    exec("def function(x):\n    return x * 2\nfunction(x)", names)
    assert recording.steps[0].place == Place("<string>", 2, "function", "")


def test_origins_name_the_step_that_computed_a_number() -> None:
    recording = full()
    x = recording.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    y = recording.asarray(float32(7))
    e = x + 1
    moved = np.concatenate([e.T[::-1].ravel()[:2], x[1, 1:], y, np.zeros(1, np.float32), (e * 2).sum()[None]])
    total = len([s for s in recording.steps if s.operation == "sum"])
    assert total == 1
    number = next(s.number for s in recording.steps if s.operation == "sum")
    wanted = [(0, 2), (0, 5), -5, -6, -(1 << SHIFT) - 1, CONSTANT, (number, 0)]
    found = [(int(o) >> SHIFT, int(o) & FLAT) if o >= 0 else int(o) for o in moved.origins]
    assert found == wanted
    step = recording.steps[0]
    assert step.origins[0].tolist() == [[-1, -2, -3], [-4, -5, -6]]
    assert step.origins[1] is None
    assert step.parents == (-1, None)


def test_steps_hold_what_was_there_when_they_were_taken() -> None:
    recording = full()
    x = recording.asarray(float32(1, 2, 3))
    y = x * 2
    view = y[1:]
    view += 10
    y[0] = x[2]
    y.T[...] = 0
    values = [s.result.tolist() for s in recording.steps if s.operation != "getitem" or s.number == 1]
    assert values[:3] == [[2, 4, 6], [4, 6], [14, 16]]
    operations = [(s.operation, s.operands[0].tolist()) for s in recording.steps if s.operation in ("add", "assign")]
    assert operations[:2] == [("add", [4, 6]), ("assign", [2, 14, 16])]
    assert view.value.tolist() == [0, 0]
    assert (view.origins == CONSTANT).all()
    assert recording.steps[0].exact[1][0] == recording.steps[0].local[1][0]


def test_the_input_of_the_caller_is_not_written_into() -> None:
    given = float32(1, 2)
    x = full().asarray(given)
    x += 1
    assert given.tolist() == [1, 2]


# Numbers that are rounded on their way in


def test_a_float_is_the_double_that_it_is() -> None:
    """Where an array cannot hold it a cast comes before the assignment, as a step that makes an error."""
    recording = full()
    x = recording.asarray(np.zeros(3, np.float16))
    x[0] = 0.1
    x[1] = 0.5
    x[2:] = [0.3]
    casts = [s for s in recording.steps if s.computes]
    assert [s.operation for s in casts] == ["astype", "astype"]
    assert [float(s.result.ravel()[0]) for s in casts] == [float(np.float16(v)) for v in (0.1, 0.3)]
    low, high = (x.exact[0][i] for i in (0, 1))
    assert low == high
    assert Fraction(int(low[1])) * Fraction(2) ** int(low[2]) == Fraction(0.1)
    assert x.origins[1] == CONSTANT
    assert x.origins[0] >> SHIFT == casts[0].number


def test_an_array_of_another_format_is_cast_where_that_changes_it() -> None:
    recording = full()
    wide = recording.asarray(np.array([0.1, 0.5]))
    narrow = recording.asarray(np.zeros(2, np.float32))
    narrow[:] = wide
    assert [s.operation for s in recording.steps] == ["astype", "assign"]
    wide[:] = narrow
    assert [s.operation for s in recording.steps] == ["astype", "assign", "assign"]
    assert wide.origins.tolist() == narrow.origins.tolist()


def test_constants_of_formulations_are_exact_decimals() -> None:
    recording = full()
    x = recording.asarray(np.zeros(1, np.float16))
    assert not isinstance(constant(x, "0.5"), RecordedArray)
    tiny = constant(x, "1e-12")
    assert tiny.value == 0
    assert type(tiny.value) is np.float16
    step = recording.steps[0]
    assert (step.operation, step.computes, step.args) == ("constant", True, ("1e-12",))
    low, high = (Fraction(int(end[1])) * Fraction(2) ** int(end[2]) for end in step.exact[()][:2])
    assert low <= Fraction("1e-12") <= high < Fraction("1.0000000000001e-12")
    assert (x + tiny).exact[0][0] == step.exact[()][0]
    light = Recording()
    assert type(constant(light.asarray(np.zeros(1, np.float16)), "1e-12")) is np.float16


def test_an_array_of_python_floats_rounds_them() -> None:
    """Also where it is made: 1e-12 is 0 in float16."""

    def function(x: Any) -> Any:
        return np.array([1e-12, 0.5], dtype=np.float16) + np.full(2, 0.1, np.float16) + x

    recording = full()
    x = recording.asarray(np.zeros(2, np.float16))
    with recorded_numpy(function, recording):
        function(x)
    casts = [s for s in recording.steps if s.operation == "astype"]
    assert [s.result.tolist() for s in casts] == [[0, 0.5], float(np.float16(0.1))]
    assert [value(s.exact.ravel()[0][0]) for s in casts] == [Fraction(1e-12), Fraction(0.1)]


# Views and masks


def exactly_known(array: RecordedArray) -> list[Fraction]:
    assert all(e[0] == e[1] for e in array.exact.ravel())
    return [Fraction(value(e[0])) for e in array.exact.ravel()]


def test_exact_values_are_seen_through_views() -> None:
    recording = full()
    y = recording.asarray(np.arange(4, dtype=np.float32).reshape(2, 2)) + 1
    np.einsum("ii->i", y)[:] = 7
    np.einsum("ij->ji", y)[0] += 1
    y.reshape(-1)[3:] *= 2
    assert y.value.tolist() == [[8, 2], [4, 14]]
    assert exactly_known(y) == [8, 2, 4, 14]


def test_a_scalar_is_nobodys_view() -> None:
    recording = full()
    total = recording.asarray(float32(1, 2)).sum()
    array = total.reshape(1)
    array[0] = 5
    assert total.origins >= 0
    assert exactly_known(total) == [3]
    assert exactly_known(array) == [5]


def test_a_step_under_a_mask_keeps_the_other_numbers() -> None:
    recording = full()
    x = recording.asarray(float32(1, 2, 4))
    out = x * 3
    np.divide(x, 2, out=out, where=np.array([True, False, True]))
    step = recording.steps[-1]
    assert exactly_known(out) == [Fraction(1, 2), 6, 2]
    assert [Fraction(value(e[0])) for e in step.exact] == [Fraction(1, 2), 6, 2]
    assert [Fraction(value(e[0])) for e in step.local] == [Fraction(1, 2), 6, 2]
    assert (out.origins >> SHIFT).tolist() == [1, 0, 1]


def test_a_condition_may_be_recorded() -> None:
    recording = full()
    x = recording.asarray(float32(1, 0, 3))
    chosen = np.where(x, x * 2, 5.0)
    assert chosen.value.tolist() == [2, 5, 6]
    assert exactly_known(chosen) == [2, 5, 6]


# Decisions


def decided(recording: Recording) -> list[tuple[str, int, Any, Any, int]]:
    return [(n.operation, n.index, n.computed, n.exact, n.count) for n in recording.notes]


def test_a_comparison_that_exact_values_decide_otherwise_is_noted() -> None:
    recording = full()
    x = recording.asarray(np.array([1.0, 2.0, 1e8, 3e8], np.float32))
    absorbed = (x + 0.25) - x
    before = len(recording.steps)
    equal = absorbed == 0; here = line()  # fmt: skip  # noqa: E702
    assert equal.tolist() == [False, False, True, True]
    assert type(equal) is np.ndarray
    assert decided(recording) == [("equal", 2, True, False, 2)]
    note = recording.notes[0]
    assert isinstance(note, Note)
    assert note.number == before
    assert note.place is not None
    assert note.place.line == here
    assert not (absorbed[:2] == 0).any()
    assert (x > 1).tolist() == [False, True, True, True]
    assert len(recording.notes) == 1


def test_every_decision_is_compared_with_the_exact_one() -> None:
    recording = full()
    x = recording.asarray(np.array([1e8, 1.0, 1e8], np.float32))
    with np.errstate(all="ignore"):
        lost = (x + np.array([1.0, 0.0, 2.0])[:, None].astype(np.float32)[:, 0]) - np.float32(1e8)
        lost[1] = 0.0
        assert not bool(lost[0])
        assert int(np.argmax(lost)) == 0
        assert lost.astype(np.int64).tolist() == [0, 0, 0]
        assert lost.astype(bool).tolist() == [False] * 3
        assert np.isnan(lost / lost).tolist() == [True] * 3
        assert not lost.any()
        assert np.nonzero(lost)[0].size == 0
        assert [v > 0 for v in lost] == [False] * 3
        assert np.argsort(lost).tolist() == [0, 1, 2]
    assert decided(recording) == [
        ("all", 0, False, True, 1),
        ("argmax", 0, 0, 2, 1),
        ("astype", 0, 0, 1, 2),
        ("not_equal", 0, False, True, 2),
        ("isnan", 0, True, False, 2),
        ("any", 0, False, True, 1),
        ("not_equal", 0, False, True, 2),
        ("greater", 0, False, True, 1),
        ("greater", 0, False, True, 1),
        ("argsort", 0, 0, 1, 2),
    ]


def test_decisions_on_given_numbers_are_never_otherwise() -> None:
    recording = full()
    x = recording.asarray(float32(1, np.nan, np.inf))
    assert (x == x).tolist() == [True, False, True]
    assert np.isnan(x).tolist() == [False, True, False]
    assert (x.T[::-1] < 2).tolist() == [False, False, True]
    assert not recording.notes


def test_enclosures_decide_only_what_they_must() -> None:
    below, above = interval(1, 2), interval(2, 3)
    assert less(below, above) is None
    assert less(above, below) is False
    assert less(interval(1, 2, hi_open=True), above) is True
    assert less(below, interval(2, 3, lo_open=True)) is True
    assert less(interval(1, 3), interval(2, 4)) is None
    assert less(interval(2, 4), interval(1, 3)) is None
    assert less(LINE, below) is None
    assert equal(below, above) is None
    assert equal(below, interval(3, 4)) is False
    assert equal(exactly(2), exactly(2)) is True


def test_control_flow_follows_the_computed_values() -> None:
    recording = full()
    x = recording.asarray(float32(1e8, 1))
    total = x[0] + x[1] - x[0]
    result = x * 2 if total == 0 else x * 3
    assert result.value.tolist() == [2e8, 2]
    assert decided(recording) == [("equal", 0, True, False, 1)]


# Strict arithmetic under a recording


def test_strict_arrays_are_followed_and_written_into() -> None:
    xp = Model().on(F16)
    numbers = [[1.0, 12.0, -3.0], [0.1, 0.2, 0.3]]
    plain = xp.asarray(numbers)
    recording = Recording(xp, exact=Shadows(128))
    x = recording.asarray(plain)

    def function(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        e /= np.sum(e, axis=-1, keepdims=True)
        row = e[0]
        row *= 2
        e[1, 0] = 0.1
        e[:, 2] = row[:2]
        out = np.empty_like(x)
        out[...] = e.astype(np.float32)
        return np.take_along_axis(np.log(out), np.array([[1], [0]]), axis=-1)

    found, wanted = function(x), function(xp.asarray(numbers))
    assert found.value.numbers.tolist() == wanted.numbers.tolist()
    assert plain.numbers[0].tolist() == [1, 12, -3]
    casts = [s for s in recording.steps if s.operation == "astype"]
    assert [s.result.dtype.name for s in casts] == ["float16", "float32"]
    assert all(s.exact.shape == np.shape(s.result) and s.local.shape == s.exact.shape for s in recording.steps)
    low = found.exact[1, 0][0]
    assert abs(float(int(low[1]) * 2.0 ** int(low[2])) - np.log(10)) < 1e-12


# Without exact values


def test_a_light_recording_copies_nothing_and_knows_no_lines() -> None:
    recording = Recording()
    values = float32(1, 2)
    x = recording.asarray(values)
    assert x.value is values
    y = np.exp(x)[::-1]
    assert y.value.base is recording.steps[0].output.value
    assert [(s.operation, s.place, s.exact, s.local) for s in recording.steps] == [
        ("exp", None, None, None),
        ("getitem", None, None, None),
    ]
    assert recording.steps[0].output.origins is None
    assert recording.steps[1].args[0] is recording.steps[0].output
    assert isinstance(x, RecordedArray)
    assert not isinstance(x, np.ndarray)
    assert float(x[0]) == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.__setitem__(0, 1),
        lambda x: np.exp(x, out=x),
        lambda x: x.sort(),
        lambda x: np.asarray(x),
        lambda x: np.array([x[0]]),
    ],
)
def test_a_light_recording_refuses_writing(write: Any) -> None:
    with pytest.raises(Unrecordable):
        write(Recording().asarray(float32(1, 2)))


def test_a_pure_recording_refuses_operators_in_place() -> None:
    recording = Recording()
    x = recording.asarray(float32(1, 2))
    recording.pure = True
    with pytest.raises(Unrecordable):
        x += 1


# Attributes


def test_what_an_array_says_of_itself() -> None:
    x = full().asarray(np.zeros((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, x.itemsize, len(x)) == ((2, 3), 2, 6, np.float32, 4, 2)
    assert isinstance(x, np.ndarray)
    assert isinstance(x[0, 0], np.float32)
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(AttributeError):
        _ = x.nothing
    with pytest.raises(TypeError):
        iter(x[0, 0])
    with pytest.raises(ValueError, match="truth value"):
        bool(x)


def test_a_refusal_is_one_line_and_says_what_where_and_instead() -> None:
    recording = full()
    with pytest.raises(Unrecordable) as refusal:
        float(recording.asarray(float32(1)))
    error = refusal.value
    assert error.what == "the code takes a number out of sight (float())"
    assert error.hint is not None
    assert "\n" not in str(error)
    assert str(error).endswith(f"({error.place})")
    assert recording.refused is error
