"""Functions as people write them: followed to the last bit, or refused with their line; their modules stay theirs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from test_intervals import ends
from written import beside, followed, refused

from overflowscope.arithmetic.elements import point
from overflowscope.arithmetic.intervals import Element
from overflowscope.arithmetic.proxy import recorded_numpy
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.shadows import UNDEFINED, Shadows
from overflowscope.formats import FORMATS

X = np.array([[0.5, -1.25, 3.0, 0.1], [7.0, 2.0, -0.3, 1e-3]], np.float32)


def written_in(module: Any) -> list[str]:
    own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return [n for n in own if n not in ("Layer", "decorator")]


FOLLOWED = [*written_in(followed), "layer", "partly"]


@pytest.fixture(autouse=True)
def modules_stay_as_they_were() -> Iterator[None]:
    before = [dict(vars(m)) for m in (followed, beside, refused)]
    yield
    after = [dict(vars(m)) for m in (followed, beside, refused)]
    for one, other in zip(before, after, strict=True):
        assert one.keys() == other.keys()
        assert all(one[name] is other[name] for name in one)


def record(function: Callable[..., Any], *arrays: Any) -> tuple[Any, Recording]:
    recording = Recording(np, exact=Shadows())
    with np.errstate(all="ignore"), recorded_numpy(function, recording):
        result = function(*map(recording.asarray, arrays))
    return result, recording


def near(exact: Element, computed: float) -> bool:
    """Nothing in these functions cancels, though some go through float16."""
    if not np.isfinite(computed):
        return exact in (UNDEFINED, point(computed))
    low, high = map(float, ends(exact))
    return abs(low - computed) <= 3e-3 * (1 + abs(computed)) and high - low <= 1e-9 * (1 + abs(low))


def test_there_is_something_to_follow() -> None:
    assert len(FOLLOWED) > 40
    assert len(written_in(refused)) > 20


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("name", FOLLOWED)
def test_what_is_followed_changes_no_bit(name: str, dtype: Any) -> None:
    if dtype is not np.float32 and name in ("asked", "shown"):
        pytest.skip("asks for float32")
    function, x = getattr(followed, name), X.astype(dtype)
    found, recording = record(function, x)
    with np.errstate(all="ignore"):
        wanted = function(x.copy())
    assert isinstance(found, RecordedArray)
    assert type(found.value) is type(wanted)
    np.testing.assert_array_equal(found.value, wanted, strict=True)
    assert found.exact.shape == wanted.shape
    assert (recording.shadows is not None and not recording.shadows.unruled) or name == "not_enclosed"
    if dtype is not np.float16 and name != "not_enclosed":
        assert all(near(*pair) for pair in zip(found.exact.ravel(), np.ravel(wanted), strict=True))
    for step in recording.steps:
        assert step.place is not None
        assert step.place.file in (followed.__file__, beside.__file__)
        assert step.exact.shape == np.shape(step.result)
        assert not step.computes or step.local.shape == np.shape(step.result)
        assert all(o is None or o.shape == np.shape(a) for o, a in zip(step.origins, step.operands, strict=True))


@pytest.mark.parametrize("name", written_in(refused))
def test_what_cannot_be_followed_is_refused_with_its_line(name: str) -> None:
    function = getattr(refused, name)
    refused.BUFFER[:] = 0
    with pytest.raises(Unrecordable) as refusal:
        record(function, X)
    lines, first = inspect.getsourcelines(function)
    wanted = next(first + i for i, line in enumerate(lines) if line.endswith("# here\n"))
    place = refusal.value.place
    assert place is not None
    assert (place.file, place.line, place.function) == (refused.__file__, wanted, name)
    assert place.text.endswith("# here")
    assert refusal.value.hint
    assert str(place) in str(refusal.value)
    assert not refused.BUFFER.any()


def test_a_function_of_math_is_named_with_its_remedy() -> None:
    with pytest.raises(Unrecordable, match=r"math\.exp\); write np\.exp") as refusal:
        record(refused.by_math, X)
    assert refusal.value.place is not None
    assert refusal.value.place.text.startswith("return np.array([math.exp(v) for v in values])")


def test_a_float_beside_math_is_a_float() -> None:
    with pytest.raises(Unrecordable, match=r"\(float\(\)\)"):
        record(refused.by_float_beside_math, X)


def test_numpy_is_put_back_after_an_error() -> None:
    def failing(x: Any) -> Any:
        assert np.zeros(1) is not None
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        record(failing, X)
    assert type(np.zeros(1)) is np.ndarray


def test_what_a_function_closes_over_is_recorded_too() -> None:
    import numpy as enclosed

    def function(x: Any) -> Any:
        return enclosed.asarray(x, dtype=enclosed.float16)

    found, _ = record(function, X)
    assert isinstance(found, RecordedArray)
    assert found.dtype == np.float16
    assert type(enclosed.zeros(1)) is np.ndarray


def test_methods_are_followed() -> None:
    found, _ = record(followed.Layer().__call__, X)
    assert isinstance(found, RecordedArray)
    assert found.dtype == np.float64


def test_other_modules_keep_their_numpy() -> None:
    seen = []

    def function(x: Any) -> Any:
        seen.append(sys.modules["overflowscope.formats"].np is sys.modules["numpy"])
        return x + 1

    record(function, X)
    assert seen == [True]


@pytest.mark.parametrize("fmt", ["bfloat16", "float8_e5m2"])
@pytest.mark.parametrize("name", ["by_neighbours", "in_place", "masked", "put", "overwritten", "joined", "ordered"])
def test_other_formats_are_followed(name: str, fmt: str) -> None:
    pytest.importorskip("ml_dtypes")
    x = X.astype(FORMATS[fmt].dtype)
    function = getattr(followed, name)
    with np.errstate(all="ignore"):
        try:
            wanted = function(x.copy())
        except TypeError:
            pytest.skip("NumPy does not do it either")
    found, _ = record(function, x)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found.value.astype(np.float64), np.asarray(wanted).astype(np.float64))
