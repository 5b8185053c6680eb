"""The records that the stages hand on: frozen, plain data, null (None) for what was not computed."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.formats import FORMATS, Floats, Format


class State(enum.IntEnum):
    """What the truth of an element is, before anything is measured against it."""

    DEFINED = 0
    UNDEFINED = 1
    INPUT_OVERFLOW = 2


class Outcome(enum.IntEnum):
    """What became of an element: the first that matches, in this order, but for OK."""

    OK = 0
    UNDEFINED = 1
    INPUT_OVERFLOW = 2
    NAN = 3
    OVERFLOW = 4
    UNDERFLOW = 5
    SATURATED = 6
    UNDECIDED = 7


FAILURES = (Outcome.NAN, Outcome.OVERFLOW, Outcome.UNDERFLOW, Outcome.SATURATED)
"""The outcomes that are a formulation's fault, gravest first."""


@dataclass(frozen=True)
class Reference:
    """The truth of every element of one operation on logits held in one format, as enclosures.

    The truth lies within ``radius * 2**exponent`` of ``(head + tail) * 2**exponent`` with 1 <= |head| < 2 (0 for an
    exact zero, an infinity for an infinite truth). ``below`` and ``above`` are the ends of the enclosure rounded to the
    format, ties to even, as float64: where they agree the correctly rounded result is known, elsewhere it is
    undecided. ``state`` holds State; ``rung`` how it was found: 0 a limit, 1 balls, 2 intervals. All arrays have the
    shape of the operation's result, (rows, classes) or (rows,).
    """

    fmt: Format
    head: Floats
    tail: Floats
    exponent: NDArray[np.int64]
    radius: Floats
    below: Floats
    above: Floats
    state: NDArray[np.uint8]
    rung: NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """What one implementation returned: ``values`` in its format, as float64; ``dtype`` is what it returned them in."""

    values: Floats
    dtype: str


# What follows is what people and scripts see: its fields are the keys of the JSON.


@dataclass(frozen=True, kw_only=True)
class Incidence:
    """Counts of elements. nan, inf, zero and subnormal are raw counts of the output; the rest judge it by the truth."""

    nan: int
    inf: int
    zero: int
    subnormal: int
    overflow: int
    underflow: int
    saturated: int
    vanished: int
    exceeds: int
    undefined: int
    input_overflow: int
    undecided: int
    wrong_nan: int
    ok: int


@dataclass(frozen=True, kw_only=True)
class RowsHit:
    """Rows with at least one such element; any: rows with any failure, the sum of the row included."""

    nan: int
    inf: int
    overflow: int
    underflow: int
    any: int


@dataclass(frozen=True, kw_only=True)
class Ulp:
    """Errors in units in the last place of the exact value. mean, p50, p99 are over the ``count`` finite errors."""

    max: float | None
    mean: float | None
    p50: float | None
    p99: float | None
    count: int
    infinite: int
    correctly_rounded: float | None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A largest value, and the mean of the finite ones."""

    max: float | None
    mean: float | None


@dataclass(frozen=True, kw_only=True)
class Largest:
    """A largest value."""

    max: float | None


@dataclass(frozen=True, kw_only=True)
class Range:
    """A smallest and a largest value."""

    min: float | None
    max: float | None


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The element with the largest error. ``index`` is its place in the input's own axes; ``exact`` has 20 digits."""

    row: int
    index: tuple[int, ...]
    got: float
    got_hex: str
    exact: str


@dataclass(frozen=True, kw_only=True)
class Decided:
    """How many elements have a truth, and which rung of the reference decided them; the rest of them are limits."""

    elements: int
    balls: int
    intervals: int
    undecided: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One formulation or implementation of one operation in one format at one scale, measured.

    ``implementation`` is "numpy" for our formulations, else the name of a library or of a function; ``version`` is that
    of the library that computed. ``quantity`` is "value", or "gradient": what autograd gets from it, against the exact
    gradient. ``status`` is "ok"; "refused" where no gradient can be had of a function; "unsupported" for what a library
    does not have: nothing is measured then, and ``explanation`` says why. ``returned`` is the dtype in which results
    came; ``computes`` a narrower format than ``dtype`` of which all results are numbers though the exact ones are not:
    null where there is none, and for our formulations.
    """

    operation: str
    formulation: str | None
    implementation: str
    version: str | None
    dtype: str
    arithmetic: str
    compute: str
    sum_order: str
    accumulator: str
    quantity: str
    status: str
    scale: float | None
    rows: int
    elements: int
    incidence: Incidence
    rows_hit: RowsHit
    ulp: Ulp
    bits: Spread
    relative: Spread
    absolute: Largest
    row_sum: Range | None
    kl: Largest | None
    argmax_flips: int | None
    lost_mass: Largest | None
    worst: Worst | None
    reference: Decided
    failures: tuple[str, ...]
    returned: str
    explanation: str | None
    undefined_row: int | None = None
    computes: str | None = None

    @property
    def name(self) -> str:
        """The formulation's name, or the implementation's where it is not one of ours."""
        return contestant(self.formulation, self.implementation)

    @property
    def subject(self) -> str:
        """What was measured of which operation: softmax, softmax gradient."""
        return subject(self.operation, self.quantity)

    @property
    def inaccurate(self) -> bool:
        """Whether more than half of the bits of some result are wrong."""
        return self.bits.max is not None and self.bits.max > FORMATS[self.dtype].precision / 2


@dataclass(frozen=True, kw_only=True)
class InputSummary:
    """What went in. ``scale`` is a number, or a list where several were asked for."""

    source: str
    distribution: str | None
    scale: float | tuple[float, ...]
    shift: float
    seed: int | None
    rows: int
    classes: int
    leading: tuple[int, ...]
    labels: str | None
    ignored_rows: int
    sha256: str
    compute: str | None = None


@dataclass(frozen=True, kw_only=True)
class FirstFailure:
    """The first of the listed scales at which a formulation fails; None where it survives them all."""

    operation: str
    name: str
    dtype: str
    scale: float | None
    quantity: str = "value"

    @property
    def subject(self) -> str:
        """As Measurement's."""
        return subject(self.operation, self.quantity)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The answer to one comparison; ``to_dict()`` is the JSON document.

    ``convention`` is "limit", or the library whose nan is right in rows with infinities: undefined, and not measured.
    """

    schema: str
    version: str
    environment: Mapping[str, str | None]
    input: InputSummary
    results: tuple[Measurement, ...]
    first_failures: tuple[FirstFailure, ...]
    convention: str = "limit"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it: dicts, lists, and the strings "nan", "inf", "-inf" for what JSON cannot say."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain


@dataclass(frozen=True, kw_only=True)
class ExactValues:
    """The true values of one operation on the logits of one scale as one format holds them, in the input's rows.

    ``values`` has an entry for each row: a string of decimal digits, or a list of one for each class; null where there
    is none. ``status`` says of each row why: ok, undefined, input_overflow (a logit overflowed on rounding to the
    format), ignored (by its label) or undecided; three of these are counted too, in rows.
    """

    operation: str
    dtype: str
    scale: float
    rows: int
    undefined: int
    input_overflow: int
    undecided: int
    status: tuple[str, ...]
    values: tuple[str | tuple[str | None, ...] | None, ...]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """True values, correctly rounded to ``digits`` significant decimal digits; ``to_dict()`` is the JSON document."""

    schema: str
    version: str
    environment: Mapping[str, str | None]
    input: InputSummary
    digits: int
    results: tuple[ExactValues, ...]

    def to_dict(self) -> dict[str, Any]:
        """As Report's."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain


def contestant(formulation: str | None, implementation: str) -> str:
    """What was measured, in a word: shifted, scipy, torch-arithmetic:shifted."""
    if formulation is None or implementation == "numpy":
        return formulation or implementation
    return f"{implementation}:{formulation}"


def subject(operation: str, quantity: str) -> str:
    """An operation, or its gradient, as people call it."""
    return operation if quantity == "value" else f"{operation} {quantity}"


def strict(value: Any) -> Any:
    """A record as plain data in which every number is finite: nan and the infinities become strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: strict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: strict(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
