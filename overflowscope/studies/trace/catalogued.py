"""The catalogue's formulations as remedies: of the operation that was traced, or that a function turns out to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from overflowscope import catalogue
from overflowscope.catalogue import Formulation, Operation
from overflowscope.formats import FORMATS
from overflowscope.records import State
from overflowscope.records.trace import Remedy
from overflowscope.reference import reference
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.history import History
from overflowscope.studies.trace.remedies import attempt

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
    shape = operation.shape(x)
    if history.result.size != int(np.prod(shape)):
        return False
    truth = reference(operation, x, labels, FORMATS["float64"])
    exact = np.array([enclosures.approximately(e) for e in history.exact.ravel().tolist()])
    wanted = ((truth.head + truth.tail) * np.exp2(np.clip(truth.exponent, -1100, 1100).astype(np.float64))).ravel()
    known = (truth.state == int(State.DEFINED)).ravel()
    if not known.any():
        return False
    with np.errstate(all="ignore"):
        near = (exact == wanted) | (np.abs(exact - wanted) <= CLOSE * np.abs(wanted))
    return bool(near[known].all())


def formulations(
    calculation: Calculation, history: History, operation: Operation, labels: Any, but: Formulation | None
) -> Iterator[Remedy]:
    """The operation's other formulations that are lasting, tried on the same numbers."""
    x = np.atleast_2d(calculation.x)
    for formulation in operation.formulations.values():
        if formulation is but or formulation.approximation or formulation.trap or formulation.fragile:
            continue

        def run(xp: Any, a: Any, function: Any = formulation.function) -> Any:
            return function(xp, *operation.arguments(a, labels))

        other = replace(calculation, run=run, x=x)
        yield attempt(
            formulation.name,
            f"This is {operation.name}: its formulation {formulation.name}, {formulation.formula},",
            f"{operation.name}, {formulation.name}",
            lambda other=other: other.results().reshape(history.result.shape),  # type: ignore[misc]
            history,
        )
