"""The operations: one file each, found by discovery.

An operation states its meaning (the textbook definition, never rearranged), the identity that the reference runs, the
limits of rows with infinities, and its formulations: functions over an array namespace ``xp`` (NumPy's names) with
constants through ``arithmetic.constant``. A formulation is one function under ``@operation.formulation(...)``.

Its gradient is an operation too, for which the same three things are stated; its formulations are what autograd gets
from the operation's own.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from overflowscope.errors import InputError, unknown

if TYPE_CHECKING:
    from overflowscope.arithmetic.derived import Derived


class Sizes(NamedTuple):
    """What bounds are made of, per row of unmasked logits: ``n`` of them, their ``least`` and ``largest``, their
    logsumexp ``y``, and ``far``, the largest of abs(x_j - y). Arrays of one shape, or numbers."""

    n: Any
    least: Any
    largest: Any
    y: Any
    far: Any


@dataclass(frozen=True)
class Bound:
    """A proven bound to first order: ``text`` as people write it, ``units`` the same in units of u = 2**-precision.

    Relative to the result, or normwise: to the largest of a row's results. With B = units * u, an error is at most
    B/(1 - B) where B < 1, sums run from left to right, exp and log are accurate to u, and nothing over- or
    underflows; with ``of_exps`` that includes every exp(x_j), which is to be a normal number.
    """

    text: str
    units: Callable[[Sizes], Any]
    of_exps: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Formulation:
    """One way to compute an operation. ``function`` takes (xp, logits) or (xp, logits, labels).

    ``breaks`` says what breaks it, ``bound`` a proven error bound where one is known (u is the unit roundoff, n the
    number of classes); an ``approximation`` is another function than the operation, on purpose; a ``trap`` only looks
    like a remedy. Neither is ever recommended, nor is what is ``fragile``: larger logits than these will break it.
    """

    name: str
    function: Callable[..., Any]
    formula: str
    source: str
    breaks: str
    bound: Bound | None = None
    approximation: bool = False
    trap: bool = False
    fragile: bool = False


class Gradient(NamedTuple):
    """The gradient of an operation with respect to the row: what an Operation states, of it.

    Of an operation with one result for each class it is that of the result at the label. A cotangent of random numbers
    would be as good a choice for autograd, but a bad one to measure: sum_i p_i (c_j - c_i) is 0 for some c near any,
    and errors relative to it say more of c than of the formulation. At the label nothing cancels. All three functions
    take (xp, logits) or, where the operation takes labels or has a result for each class, (xp, logits, labels); the
    limit takes no xp.
    """

    summary: str
    meaning: Callable[..., Any]
    identity: Callable[..., Any]
    limit: Callable[..., Any]


class Counterpart(NamedTuple):
    """Under which name a library offers an operation; ``at_label``: the operation is minus its entry there."""

    name: str
    at_label: bool = False

    def __str__(self) -> str:
        return f"minus {self.name} at the label" if self.at_label else self.name


@dataclass(frozen=True)
class Operation:
    """An operation on rows of logits. ``per_class``: its result has the shape (rows, classes), else (rows,).

    ``meaning`` and ``identity`` take (xp, logits) or, with ``takes_labels``, (xp, logits, labels), labels being
    integers of shape (rows,). ``limit`` takes rows (float64) that hold nan, +inf, or nothing but -inf, and gives
    their limits as float64, nan where there is none. ``probabilities``: rows of the result sum to 1. ``quantity`` is
    "gradient" for the gradient of the operation of that name, which ``differentiated`` gives. ``counterparts`` says
    under which name which library offers it.
    """

    name: str
    summary: str
    meaning: Callable[..., Any]
    identity: Callable[..., Any]
    limit: Callable[..., Any]
    takes_labels: bool = False
    per_class: bool = False
    probabilities: bool = False
    gradient: Gradient | None = None
    quantity: str = "value"
    counterparts: Mapping[str, Counterpart] = field(default_factory=dict)
    formulations: dict[str, Formulation] = field(default_factory=dict)

    def formulation(self, **about: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated function under its own name; the first line of its docstring is the formula."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            name = function.__name__
            # python -OO leaves no docstring.
            formula = next(iter((function.__doc__ or "").strip().splitlines()), name).rstrip(".")
            self.formulations[name] = Formulation(name, function, formula, **about)
            return function

        return register

    def arguments(self, logits: Any, labels: Any) -> tuple[Any, ...]:
        """What the operation's functions take after ``xp``: (logits,), or (logits, labels) where it takes labels."""
        return (logits, labels) if self.takes_labels else (logits,)

    def shape(self, logits: Any) -> tuple[int, ...]:
        """The shape of the result on logits of shape (rows, classes)."""
        return tuple(logits.shape if self.per_class else logits.shape[:-1])

    def derived(self, function: Callable[..., Any]) -> Derived:
        """The gradient that autograd gets from a function that computes the operation as a formulation does."""
        from overflowscope.arithmetic.derived import Derived

        return Derived(function, self.takes_labels, self.per_class)

    def __reduce__(self) -> tuple[Callable[..., Operation], tuple[str]]:
        """Another process has the same catalogue: there it is found by its name."""
        return (named if self.quantity == "value" else differentiated), (self.name,)

    def named(self, name: str) -> Formulation:
        """The formulation of that name. Raises InputError, with the nearest names, for any other."""
        if name not in self.formulations:
            raise unknown(f"formulation of {self.name}", name, self.formulations)
        return self.formulations[name]


@functools.cache
def operations() -> dict[str, Operation]:
    """Every operation of the catalogue by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            operation = importlib.import_module(f"{__name__}.{module.name}").OPERATION
            found[operation.name] = operation
    return found


def named(name: str) -> Operation:
    """The operation of that name. Raises InputError, with the nearest names, for any other."""
    if name not in operations():
        raise unknown("operation", name, operations())
    return operations()[name]


@functools.cache
def differentiated(name: str) -> Operation:
    """The gradient of the operation of that name, by all its formulations. Raises InputError where it states none."""
    operation = named(name)
    if operation.gradient is None:
        raise InputError(f"no gradient of {name} is stated")
    return Operation(
        name=name,
        **operation.gradient._asdict(),
        takes_labels=operation.takes_labels or operation.per_class,
        per_class=True,
        quantity="gradient",
        formulations={
            f.name: replace(f, function=operation.derived(f.function), formula=f"autograd of {f.formula}", bound=None)
            for f in operation.formulations.values()
        },
    )


def have_limits(logits: Any) -> Any:
    """Rows (rows,) that ``Operation.limit`` is for: those that hold nan or +inf, or nothing but -inf."""
    return np.isnan(logits).any(-1) | (logits == np.inf).any(-1) | (logits == -np.inf).all(-1)
