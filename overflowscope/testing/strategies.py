"""A Hypothesis strategy of logits that favours the corners in which softmax goes wrong, and shrinks to small rows."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.errors import InputError
from overflowscope.formats import Floats, Format

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

LARGEST = 2**20
"""Classes, or rows, of one drawn array, at most."""
MOST_DRAWN = 12
"""Of a longer row the rest repeats these numbers: Hypothesis has room for some thousand choices, not for a million."""

Draw = Callable[[Any], Any]


def logits(
    dtype: str = "float32",
    classes: int | range | tuple[int, int] | SearchStrategy[int] = 10,
    *,
    rows: int | range | tuple[int, int] | SearchStrategy[int] | None = None,
    masks: bool = True,
    min_value: float | None = None,
    max_value: float | None = None,
    allow_all_masked: bool = False,
    allow_nan: bool = False,
    allow_infinity: bool = False,
) -> SearchStrategy[NDArray[Any]]:
    """Logits of a format: arrays of its NumPy dtype, of shape (classes,), or (rows, classes) where ``rows`` is given.

    ``classes`` and ``rows`` are numbers from 1 to 2**20, or a range, a pair (least, most) or a strategy of them, which
    shrink to the least. The rows are independent of each other, and favour: both sides of log(largest), where exp
    overflows, and of the logarithms where it becomes subnormal and 0; equal logits, small and huge; two that tie for
    the largest; one that dominates; neighbours in the format; a spread beyond what exp can take; the largest finite
    numbers, subnormals, 0 and -0; and where ``masks`` is true, some logits that are -inf. They shrink to few classes
    and to small whole numbers.

    Finite logits lie between ``min_value`` and ``max_value``, numbers of the format. Unless allowed, no logit is nan
    or +inf, and no row is masked as a whole. float8_e4m3fn has no infinity: there are no masks, and a nan where an
    infinity is allowed. Raises InputError where Hypothesis is not installed, for an unknown format, and for bounds or
    sizes that leave nothing to draw.
    """
    st = _hypothesis()
    fmt = formats.named(dtype)
    numpy_dtype = fmt.dtype
    masked = masks and fmt.has_infinity
    special = [math.inf] * allow_infinity + [math.nan] * allow_nan
    low, high = _bounds(fmt, min_value, max_value)
    numbers = Numbers(fmt, _finite(st, fmt, low, high), [c for c in corners(fmt) if low <= c <= high] or [low])
    shape = _sizes(st, "classes", classes), st.none() if rows is None else _sizes(st, "rows", rows)

    def arrays(draw: DrawFn) -> NDArray[Any]:
        width, height = draw(shape[0]), draw(shape[1])
        with np.errstate(over="ignore"):
            drawn = np.array([_row(draw, st, numbers, width) for _ in range(height or 1)])
        values: Floats = np.clip(drawn, low, high)
        for row in values:
            if special:
                _put(draw, st, row, st.sampled_from(special), width)
            if masked:
                _put(draw, st, row, st.just(-math.inf), width if allow_all_masked else width - 1)
        with np.errstate(invalid="ignore"):
            made: NDArray[Any] = values.astype(numpy_dtype)
        return made if height is not None else made[0]

    return cast("SearchStrategy[NDArray[Any]]", st.composite(arrays)())


def _hypothesis() -> Any:
    try:
        return importlib.import_module("hypothesis.strategies")
    except ModuleNotFoundError:
        raise InputError("hypothesis is not installed", hint="pip install hypothesis") from None


def _sizes(st: Any, what: str, size: Any) -> Any:
    """The strategy of a number of classes or rows."""
    if hasattr(size, "validate"):
        return size
    if isinstance(size, tuple) and len(size) == 2:
        least, most = size
    else:
        least = most = size
    if isinstance(size, range) and size:
        numbers = size if size.step > 0 else size[::-1]
    elif all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in (least, most)):
        numbers = range(int(least), int(most) + 1)
    else:
        raise InputError(f"{what} of {size!r}", hint="a number, a range, a pair (least, most) or a strategy is wanted")
    if not numbers or numbers[0] < 1:
        raise InputError(f"{what} of {size!r}", hint="at least 1 is wanted")
    if numbers[-1] > LARGEST:
        raise InputError(f"{what} of {size!r}", hint=f"at most {LARGEST:,} are drawn")
    return st.sampled_from(numbers)


def _bounds(fmt: Format, low: float | None, high: float | None) -> tuple[float, float]:
    """The ends of what is finite. Raises InputError for those that the format does not hold."""
    # + 0.0: of -0 and 0 neither is below the other, but Hypothesis has an order of them.
    ends = (-fmt.largest if low is None else float(low) + 0.0, fmt.largest if high is None else float(high) + 0.0)
    for end in ends:
        if not abs(end) <= fmt.largest or float(formats.round_to(np.float64(end), fmt)) != end:
            raise InputError(f"{end!r} is no finite number of {fmt.name}")
    if ends[0] > ends[1]:
        raise InputError(f"min_value {ends[0]!r} is above max_value {ends[1]!r}")
    return ends


def corners(fmt: Format) -> list[float]:
    """Numbers of the format at which something changes, with their neighbours, of both signs.

    exp is infinite above log(largest), and its square and its sum with as many above less than that; subnormal below
    log(smallest normal), 0 below log(smallest / 2), and lost beside 1 below log(u). Whole numbers end at 2**precision.
    """
    places = [fmt.log_largest - k * math.log(2) for k in range(5)]
    places += [fmt.log_largest / 2, math.log(fmt.smallest_normal), math.log(fmt.smallest), fmt.log_vanishing]
    places += [math.log(fmt.unit_roundoff), 2.0**fmt.precision, fmt.largest, fmt.smallest_normal, fmt.smallest]
    held = {float(formats.round_to(np.float64(abs(p)), fmt)) for p in places}
    near = {h + k * _quantum(h, fmt) for h in held for k in (-1, 0, 1)}
    return [sign * n for n in sorted(near) if n <= fmt.largest for sign in (1.0, -1.0)]


def _quantum(value: float, fmt: Format) -> float:
    """The distance from a number of the format to the next away from 0."""
    if value == 0:
        return fmt.smallest
    return math.ldexp(1.0, max(math.frexp(value)[1] - 1, fmt.emin) - fmt.precision + 1)


@dataclass(frozen=True)
class Numbers:
    """What logits are drawn from: ``finite`` numbers of the format, and its ``corners``."""

    fmt: Format
    finite: Any
    corners: list[float]


def _finite(st: Any, fmt: Format, low: float, high: float) -> Any:
    """Numbers of the format between these, small whole numbers first: what comes first is shrunk to."""
    reach = 2 * math.ceil(fmt.log_largest)
    whole = max(math.ceil(low), -reach), min(math.floor(high), reach)
    kinds = [st.integers(*whole).map(float)] if whole[0] <= whole[1] else []
    safe = float(formats.round_to(np.float64(fmt.log_largest), fmt))
    first = (-0.0, safe, safe + _quantum(safe, fmt), fmt.largest, -fmt.largest)
    for pool in (first, corners(fmt)):
        held = [c for c in pool if low <= c <= high]
        kinds += [st.sampled_from(held)] if held else []
    return st.one_of(*kinds, st.floats(low, high).map(lambda x: float(formats.round_to(np.float64(x), fmt))))


def _row(draw: Draw, st: Any, numbers: Numbers, width: int) -> Floats:
    """A row before its dtype rounds it: independent numbers, made into one of the kinds.

    The first kind leaves them alone: a row of any kind shrinks to the same numbers as they were drawn, where they do.
    """
    drawn = [draw(numbers.finite) for _ in range(min(width, MOST_DRAWN))]
    row = np.array(drawn + [drawn[-1]] * (width - len(drawn)), np.float64)
    kind = draw(st.sampled_from(KINDS))
    if kind == "tied":
        row[draw(st.integers(0, width - 1))] = row.max()
    elif kind == "equal":
        row[:] = draw(st.one_of(st.just(row[0]), st.sampled_from(numbers.corners)))
    elif kind == "dominated":
        place = draw(st.integers(0, width - 1))
        largest = max(row[place], draw(st.one_of(st.just(row[place]), st.sampled_from(numbers.corners))))
        row = np.clip(row, -4.0, 4.0)
        row[place] = largest
    elif kind == "neighbours":
        at: float = draw(st.sampled_from(numbers.corners))
        row = at + _quantum(at, numbers.fmt) * np.clip(np.rint(row), -2.0, 2.0)
    elif kind == "spread":
        row = row[0] - np.arange(width, dtype=np.float64) * draw(st.integers(1, 2 * math.ceil(numbers.fmt.log_largest)))
    return row


KINDS = ("independent", "tied", "equal", "dominated", "neighbours", "spread")


def _put(draw: Draw, st: Any, row: Floats, value: Any, most: int) -> None:
    """Put such values into at most so many places: none, some anywhere, or the last ones, as causal masks do."""
    if most < 1 or not draw(st.booleans()):
        return
    width = len(row)
    anywhere = st.lists(st.integers(0, width - 1), min_size=1, max_size=min(most, MOST_DRAWN), unique=True)
    last = st.integers(1, most).map(lambda n: range(width - n, width))
    row[list(draw(st.one_of(anywhere, last)))] = draw(value)
