"""Our formulations on a framework's arrays: what its own arithmetic, step by step, makes of the same formulas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.catalogue import Operation
from overflowscope.implementations import Implementation
from overflowscope.libraries import answered, check_native, shaped

Function = Callable[..., Any]


@dataclass(frozen=True)
class Arithmetic:
    """A framework that runs formulations.

    ``value`` takes (function, logits) or (function, logits, labels), the function one over a namespace and the rest
    arrays of NumPy, and gives function(xp, ...) as an array of NumPy; ``gradient`` takes (function, cotangent,
    logits, ...) and gives what the framework's own autograd does of sum(cotangent * function(xp, logits, ...)) with
    respect to the logits. The cotangent (bool) has the result's shape.
    """

    name: str
    version: str
    value: Callable[..., Any]
    gradient: Callable[..., Any]
    single: bool = False

    def implementations(self, operation: Operation) -> list[Implementation]:
        """Every formulation of the operation."""
        return [
            Implementation(
                self.name,
                functools.partial(_value, self, operation, f.function),
                functools.partial(_gradient, self, operation, f.function),
                self.version,
                f.name,
            )
            for f in operation.formulations.values()
        ]


def _value(of: Arithmetic, operation: Operation, function: Function, xp: Any, logits: Any, *labels: Any) -> Any:
    check_native(of.name, logits)
    result = answered(of.name, of.value, function, logits, *labels)
    return shaped(of.name, result, operation.shape(logits))


def _gradient(
    of: Arithmetic, operation: Operation, function: Function, xp: Any, logits: Any, labels: Any = None
) -> Any:
    """Of each row's result, of the one at its label where it has one for each class: as Derived has it."""
    check_native(of.name, logits)
    if operation.per_class:
        cotangent = np.arange(logits.shape[-1]) == labels[:, None]
    else:
        cotangent = np.ones(logits.shape[:-1], bool)
    result = answered(of.name, of.gradient, function, cotangent, *operation.arguments(logits, labels))
    return shaped(of.name, result, logits.shape)
