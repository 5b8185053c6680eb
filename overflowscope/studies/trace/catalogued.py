"""The catalogue's formulations as remedies: of the operation that was traced, or that a function turns out to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from overflowscope import catalogue
from overflowscope.catalogue import Formulation, Operation
from overflowscope.formats import FORMATS
from overflowscope.records import Reference, State
from overflowscope.records.trace import Remedy
from overflowscope.reference import reference
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.enclosures import Truths
from overflowscope.studies.trace.history import History
from overflowscope.studies.trace.remedies import Judge, attempt
from overflowscope.studies.trace.wording import digits, number

CLOSE = 2.0**-45
"""Two exact values that agree so far, as doubles, on all of an input are taken for values of one function."""


def resembled(calculation: Calculation, history: History, arguments: Mapping[str, Any]) -> tuple[Operation, Any] | None:
    """The operation whose truth on this input is the function's own exact result, with its labels; None where none is.

    Labels are looked for among the arguments.
    """
    x = np.atleast_2d(calculation.x)
    whole = [v for v in arguments.values() if v.dtype.kind in "iu" and v.shape == x.shape[:1]]
    for operation in catalogue.operations().values():
        for labels in whole if operation.takes_labels else [None]:
            if labels is not None and not ((labels >= 0) & (labels < x.shape[1])).all():
                continue
            if _is(operation, x, labels, history):
                return operation, labels
    return None


def _is(operation: Operation, x: Any, labels: Any, history: History) -> bool:
    if history.result.size != int(np.prod(operation.shape(x))):
        return False
    known, apart = _apart(reference(operation, x, labels, FORMATS["float64"]), history)
    return bool(known.any()) and bool((apart[known] <= CLOSE).all())


def _apart(truth: Reference, history: History) -> tuple[Any, Any]:
    """(where the operation has a true value, how far the exact result is from it, relatively); flat.

    A true value within a wide enclosure of the exact result is not apart from it.
    """
    elements = history.exact.ravel().tolist()
    exact = np.array([enclosures.approximately(e) for e in elements])
    wanted = ((truth.head + truth.tail) * np.exp2(np.clip(truth.exponent, -1100, 1100).astype(np.float64))).ravel()
    with np.errstate(all="ignore"):
        apart = np.where(exact == wanted, 0.0, np.abs(exact - wanted) / np.abs(wanted))
    for i in np.flatnonzero(~(apart <= CLOSE)).tolist():
        if enclosures.holds(elements[i], float(wanted[i])):
            apart[i] = 0.0
    return (truth.state == int(State.DEFINED)).ravel(), np.where(np.isnan(apart), np.inf, apart)


def departure(calculation: Calculation, history: History, operation: Operation, labels: Any) -> str | None:
    """What the exact result of a formulation is where the operation has another value, with half of its bits others."""
    x = np.atleast_2d(calculation.x)
    truth = reference(operation, x, labels, FORMATS["float64"])
    known, apart = _apart(truth, history)
    if not known.any() or not (apart[known] > 2.0 ** (-history.fmt.precision / 2)).any():
        return None
    worst = int(np.argmax(np.where(known, apart, -1.0)))
    head, tail, power = (a.ravel()[worst] for a in (truth.head, truth.tail, truth.exponent))
    wanted = float(np.ldexp(head + tail, int(np.clip(power, -2000, 2000))))
    what = operation.name if operation.quantity == "value" else f"the gradient of {operation.name}"
    exact = digits(history.exact.ravel()[worst])
    return f"this is another function: exactly {exact}, where {what} is {number(wanted)}"


def truth_of(calculation: Calculation, history: History, operation: Operation, labels: Any) -> Judge:
    """The operation's own true values, to judge by."""
    truth = reference(operation, np.atleast_2d(calculation.x), labels, history.fmt, ladder="precise")
    head = np.where(truth.radius.ravel() > 2.0**-20, np.nan, truth.head.ravel())
    unit = np.clip(truth.exponent, history.fmt.emin, history.fmt.emax).ravel() - history.fmt.precision + 1
    unit = np.where(head == 0, history.fmt.emin - history.fmt.precision + 1, unit)
    power = np.where(head == 0, unit, truth.exponent.ravel())
    void = (truth.state != int(State.DEFINED)).ravel()
    return Judge(history.result.shape, Truths(head, truth.tail.ravel(), power, unit, void), history.fmt)


def formulations(
    calculation: Calculation, judge: Judge, operation: Operation, labels: Any, but: Formulation | None
) -> Iterator[Remedy]:
    """The operation's other formulations that are lasting, tried on the same numbers."""
    x = np.atleast_2d(calculation.x)
    owner = "" if but is not None else f"This is {operation.name}: "
    for formulation in operation.formulations.values():
        if formulation is but or formulation.approximation or formulation.trap or formulation.fragile:
            continue

        def run(xp: Any, a: Any, function: Any = formulation.function) -> Any:
            return function(xp, *operation.arguments(a, labels))

        other = replace(calculation, run=run, x=x)
        sentence = f"{owner}the formulation {formulation.name}, {formulation.formula},"
        yield attempt(
            formulation.name,
            sentence[0].upper() + sentence[1:],
            f"{operation.name}, {formulation.name}",
            lambda other=other: other.results().reshape(judge.shape),  # type: ignore[misc]
            judge,
        )
