"""What is to be measured: the operations, contenders and formats asked for, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope import catalogue, formats
from overflowscope.arithmetic.strict import Model
from overflowscope.arithmetic.sums import ORDERS
from overflowscope.catalogue import Operation
from overflowscope.errors import InputError, unknown
from overflowscope.formats import Format
from overflowscope.implementations import Implementation, Offer
from overflowscope.records import contestant, subject

OPERATIONS = ("softmax", "cross_entropy")
FORMULATIONS = ("naive", "shifted", "lse")
DTYPES = ("float16", "float32", "float64")
"""What is compared unless asked otherwise."""
QUANTITIES = ("value", "gradient", "both")


@dataclass(frozen=True)
class Contender:
    """One implementation of one operation: ``run`` takes (xp, logits) or (xp, logits, labels).

    ``gradient``, ``version`` and ``said`` are as Implementation has them. ``own`` are our formulations in NumPy.
    """

    operation: Operation
    formulation: str | None
    implementation: str
    run: Callable[..., Any]
    gradient: Callable[..., Any] | None = None
    version: str | None = None
    said: Callable[[], str | None] | None = None

    @property
    def name(self) -> str:
        return contestant(self.formulation, self.implementation)

    @property
    def own(self) -> bool:
        return self.implementation == "numpy"

    @property
    def subject(self) -> str:
        """The operation, or the gradient of it."""
        return subject(self.operation.name, self.operation.quantity)


def contenders(
    operations: str | Sequence[str] | None,
    formulations: str | Sequence[str] | None,
    offers: Sequence[Offer],
) -> list[Contender]:
    """The contenders asked for, operation by operation; what is not ours stands last in each.

    Both may hold "all". A name that one of the operations has need not exist in the others, but an
    operation left without any is an error where operations were named. Raises InputError for unknown names.
    """
    chosen = chosen_operations(operations or OPERATIONS)
    known = dict.fromkeys(f for op in chosen for f in op.formulations)
    wanted = _names(formulations or FORMULATIONS, known)
    for name in wanted:
        if formulations and name not in known:
            where = chosen[0].name if len(chosen) == 1 else "these operations"
            raise unknown(f"formulation of {where}", name, known)
    # A library asked for twice is one; functions may be of one name and differ.
    libraries, found = {o.name: o for o in offers if not o.single}.values(), []
    for op in chosen:
        names = [n for n in wanted if n in op.formulations]
        if not names and operations and not offers:
            raise unknown(f"formulation of {op.name}", wanted[0], op.formulations)
        found += [_formulated(op, n) for n in names]
        given = (i for offer in libraries for i in offer.implementations(op))
        found += [_offered(op, i) for i in given if i.formulation in (None, *names)]
    singles = [offer for offer in offers if offer.single]
    if singles and operations and len(chosen) > 1:
        raise InputError(
            f"{singles[0].name} is of one operation, and several were named", hint="run once for each --op"
        )
    target = chosen[0] if operations else catalogue.named("softmax")
    extra = [_offered(target, i) for offer in singles for i in offer.implementations(target)]
    at = max((i + 1 for i, c in enumerate(found) if c.operation is target), default=0)
    return found[:at] + extra + found[at:]


def _formulated(operation: Operation, name: str) -> Contender:
    return Contender(operation, name, "numpy", operation.formulations[name].function, version=np.__version__)


def _offered(operation: Operation, given: Implementation) -> Contender:
    return Contender(operation, given.formulation, given.name, given.run, given.gradient, given.version, given.said)


def of_quantity(contenders: Sequence[Contender], quantity: str) -> list[Contender]:
    """The contenders themselves, their gradients in their places, or operation by operation first the ones and then the
    others. Raises InputError for an unknown quantity, and for an operation of which no gradient is stated."""
    if quantity not in QUANTITIES:
        raise unknown("quantity", quantity, QUANTITIES)
    found = []
    for operation in {c.operation.name: c.operation for c in contenders}.values():
        values = [c for c in contenders if c.operation is operation]
        found += values if quantity != "gradient" else []
        found += [_differentiated(c) for c in values] if quantity != "value" else []
    return found


def _differentiated(contender: Contender) -> Contender:
    operation = catalogue.differentiated(contender.operation.name)
    return replace(contender, operation=operation, run=contender.gradient or contender.operation.derived(contender.run))


def chosen_operations(operations: str | Sequence[str]) -> list[Operation]:
    """The operations of these names, or all. Raises InputError for unknown ones."""
    return [catalogue.named(n) for n in _names(operations, catalogue.operations())]


def unseen(contenders: Sequence[Contender]) -> list[Contender]:
    """The formulations of their one operation that were not asked for: run along, to be recommended if they do well."""
    operation, asked = contenders[0].operation, {c.formulation for c in contenders if c.own}
    others = (f for f in operation.formulations.values() if f.name not in asked and not f.approximation and not f.trap)
    return [_formulated(operation, f.name) for f in others]


def _names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Without repetitions, - taken for _, and "all" for all that are known."""
    given = [n.replace("-", "_") for n in ([names] if isinstance(names, str) else names)]
    return list(dict.fromkeys(name for n in given for name in (known if n == "all" else [n])))


def chosen_formats(dtypes: str | Sequence[str] | None) -> list[Format]:
    """The formats asked for, each of which can be made here. Raises InputError for unknown names and missing extras."""
    found = [formats.named(n) for n in _names(dtypes or DTYPES, formats.FORMATS)]
    for fmt in found:
        _ = fmt.dtype
    return found


def chosen_model(arithmetic: str, order: str | None, accumulator: str | None) -> Model | None:
    """The model of strict arithmetic asked for; None for native. Raises InputError for unknown names."""
    if arithmetic not in ("native", "strict"):
        raise unknown("arithmetic", arithmetic, ("native", "strict"))
    if arithmetic == "native":
        for given, what in ((order, "an order of sums"), (accumulator, "an accumulator")):
            if given is not None:
                raise InputError(
                    f"{what}, {given}, is not for native arithmetic: NumPy adds as it does",
                    hint="add --arithmetic strict",
                )
        return None
    if order is not None and order not in ORDERS:
        raise unknown("order of sums", order, ORDERS)
    return Model(order or "sequential", None if accumulator is None else chosen_formats([accumulator])[0])


def chosen_scales(scale: float | Sequence[float]) -> tuple[float, ...]:
    """One number or several, as float64. Raises InputError for what is no number."""
    try:
        return tuple(float(s) for s in np.atleast_1d(np.asarray(scale, np.float64)))
    except (TypeError, ValueError):
        raise InputError(f"a scale that is no number: {scale!r}") from None
