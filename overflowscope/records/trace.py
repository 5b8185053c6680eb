"""What a trace hands on: a calculation step by step, where it went wrong first, and what would have been enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overflowscope.records import InputSummary, strict

SCHEMA = "overflowscope.trace/1"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A line of a person's code."""

    file: str
    line: int
    function: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Operand:
    """What a step was given: a ``step`` (its number), an ``input`` (its name) or a ``constant`` (its value, if one)."""

    kind: str
    step: int | None
    name: str | None
    value: float | None
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What went wrong in a step, in ``count`` elements, the gravest at ``index`` of its result.

    ``kind`` is overflow, underflow (0 out of other numbers), invalid (nan), divide (x/0, log(0)), cancellation (an
    error that the operands brought grows by ``bits``), absorption (an addend leaves no trace), subnormal (bits were
    lost below the normal range) or latent (an exponent within 10 % of the largest that exp takes). ``harmless``: the
    result is no worse for it.
    """

    kind: str
    count: int
    index: tuple[int, ...]
    harmless: bool
    bits: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Element:
    """One element of a step: the failing one, else the one with the largest error.

    ``exact`` is what it would be without any rounding before, in decimal digits; None where ``state`` is undecided or
    undefined and not exact.
    """

    index: tuple[int, ...]
    computed: float
    exact: str | None
    state: str


@dataclass(frozen=True, kw_only=True)
class Ulps:
    """The error of that element in ulps of its exact value; None where it is undecided.

    ``inherited`` is the distance from the exact result of the exact operands to the exact result of the computed ones,
    ``added`` that from there to what was computed. An infinity or nan for a number is infinitely wrong.
    """

    total: float | None
    inherited: float | None
    added: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that computes; numbers count from 1. ``phase`` is forward or backward (of the gradient), where
    ``adjoint_of`` is the step forward whose adjoint it hands on (None where that computes nothing).

    ``smallest`` and ``largest`` leave nan out (None where nothing is left); nan, inf, zero and subnormal count
    elements. ``descendant``: it carries on what went wrong at the birth.
    """

    number: int
    phase: str
    adjoint_of: int | None
    operation: str
    source: Source | None
    shape: tuple[int, ...]
    dtype: str
    operands: tuple[Operand, ...]
    smallest: float | None
    largest: float | None
    nan: int
    inf: int
    zero: int
    subnormal: int
    events: tuple[Event, ...]
    element: Element | None
    ulp: Ulps
    descendant: bool


@dataclass(frozen=True, kw_only=True)
class Note:
    """A comparison whose outcome the exact values would have had the other way; ``step`` is the one before it."""

    step: int
    source: Source | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Birth:
    """The step that made the first inf, nan or harmful zero of those that the result suffers from.

    ``kind`` is overflow, underflow, invalid or divide; ``index`` the place in the step's result; ``value`` the argument
    that ``limit`` bounds (of exp, the logit), else the number that could not be held, or was divided, or had no
    logarithm; ``limit`` is None where there is none; ``source`` is file:line of a person's function.
    """

    step: int
    operation: str
    kind: str
    index: tuple[int, ...]
    value: float | None
    limit: float | None
    source: str | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A change that was tried on this input, and whether its results were clean; ``found`` says what they were."""

    name: str
    sentence: str
    formula: str
    clean: bool
    found: str


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What was traced: a formulation of an operation, or a person's function. ``row`` is None where all rows were.

    ``remarks`` say which row is shown, and what is left out.
    """

    operation: str | None
    formulation: str | None
    function: str | None
    dtype: str
    arithmetic: str
    sum_order: str
    accumulator: str
    quantity: str
    row: int | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A calculation step by step; ``to_dict()`` is the JSON document. ``result`` numbers the steps that made it."""

    schema: str
    version: str
    environment: Mapping[str, str | None]
    input: InputSummary
    traced: Traced
    steps: tuple[Step, ...]
    result: tuple[int, ...]
    notes: tuple[Note, ...]
    birth: Birth | None
    verdict: str
    remedies: tuple[Remedy, ...]

    def to_dict(self) -> dict[str, Any]:
        """The trace as JSON holds it: dicts, lists, and the strings "nan", "inf", "-inf" for what JSON cannot say."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain
