"""A case of a check: plain data that another process can be handed, what is wrong with it, and its measurements."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from numpy.typing import NDArray

from overflowscope import cases, catalogue, formats, libraries, sources
from overflowscope.cases import Contender
from overflowscope.draws import DISTRIBUTIONS
from overflowscope.errors import InputError, printable, unknown
from overflowscope.implementations import Own
from overflowscope.reading import MAX_BYTES, read_labels, read_logits
from overflowscope.records import Measurement
from overflowscope.sources import Source
from overflowscope.studies.check.judge import check_limits
from overflowscope.studies.compare import Request, run

QUANTITIES = ("value", "gradient")
TIMEOUT = 300.0
"""Seconds for a case, unless said."""
ROWS, CLASSES, DISTRIBUTION = 256, 10, "normal"
"""What random logits are, unless said: as of compare."""
OURS = "-arithmetic"
"""The end of the names of implementations that run our formulations."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured, and within which limits. None is what was not said.

    ``implementation`` is how it is called, ``spec`` what that stands for: a library's name, or a person's function; of
    our formulations both are None. ``input`` and ``labels`` are names of files, from the current directory.
    """

    name: str
    operation: str = "softmax"
    quantity: str = "value"
    formulation: str | None = None
    implementation: str | None = None
    spec: str | None = None
    dtype: tuple[str, ...] = cases.DTYPES
    scale: tuple[float, ...] = (1.0,)
    shift: float = 0.0
    input: str | None = None
    key: str | None = None
    labels: str | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    dist: str | None = None
    rows: int | None = None
    classes: int | None = None
    seed: int = 0
    ignore_index: int = -100
    compute: str | None = None
    arithmetic: str = "native"
    sum_order: str | None = None
    accumulator: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    factor: float | None = None
    timeout: float = TIMEOUT


class Input(NamedTuple):
    """What a case was measured on: digests of the logits and, where it takes labels, of these."""

    sha256: str
    rows: int
    classes: int
    labels: str | None


class Measured(NamedTuple):
    """``alone``: measured by itself, the row of the worst element gives the same; null where it was not tried."""

    input: Input
    measurements: tuple[Measurement, ...]
    alone: bool = False


def problems(case: Case) -> Iterator[tuple[str, InputError]]:
    """(key, error) of all that can be seen to be wrong with a case without running anything."""
    for key, check in _CHECKS.items():
        error = _error(check, case)
        if error is not None:
            yield key, error


def _error(check: Callable[[Case], None], case: Case) -> InputError | None:
    try:
        check(case)
    except InputError as error:
        return error
    return None


def _check_name(case: Case) -> None:
    if not case.name.strip() or printable(case.name) != case.name:
        raise InputError(f"the name {case.name!r} is empty or holds what cannot be seen")


def _check_operation(case: Case) -> None:
    catalogue.named(case.operation)


def _check_quantity(case: Case) -> None:
    if case.quantity not in QUANTITIES:
        raise unknown("quantity", case.quantity, QUANTITIES)
    if case.quantity == "gradient" and case.operation in catalogue.operations():
        catalogue.differentiated(case.operation)


def _check_formulation(case: Case) -> None:
    if case.formulation is None and case.implementation is None:
        raise InputError("it names neither a formulation nor an implementation", hint="name one of them")
    if case.formulation is None:
        return
    if case.implementation is not None and not (case.spec or case.implementation).endswith(OURS):
        raise InputError("it names both a formulation and an implementation", hint="name one of them")
    if case.operation in catalogue.operations():
        catalogue.named(case.operation).named(case.formulation)


def _check_implementation(case: Case) -> None:
    if case.implementation is not None and case.spec is None:
        known = libraries.names()
        if case.implementation.partition(":")[0] not in known:
            raise unknown("implementation", case.implementation, known)


def _check_dtype(case: Case) -> None:
    for name in case.dtype:
        formats.named(name)
    if not case.dtype or len(set(case.dtype)) < len(case.dtype):
        raise InputError("a dtype twice, or none at all")


def _check_scale(case: Case) -> None:
    if not case.scale or len(set(case.scale)) < len(case.scale):
        raise InputError("a scale twice, or none at all")


def _check_compute(case: Case) -> None:
    if case.compute is not None:
        formats.named(case.compute)


def _check_accumulator(case: Case) -> None:
    if case.accumulator is not None:
        formats.named(case.accumulator)
    cases.chosen_model(case.arithmetic, case.sum_order, None)
    if case.arithmetic == "native" and case.accumulator is not None:
        cases.chosen_model(case.arithmetic, None, case.accumulator)


def _check_dist(case: Case) -> None:
    if case.dist is not None and case.dist not in DISTRIBUTIONS:
        raise unknown("distribution", case.dist, DISTRIBUTIONS)


def _check_input(case: Case) -> None:
    if case.input == "-" or case.labels == "-":
        raise InputError("standard input can be read only once", hint="write it to a file and name that")
    if case.input is None:
        for key in ("key", "max_rows"):
            if getattr(case, key) is not None:
                raise InputError(f"{key} goes with an input file, and the case has none")
        return
    for key in ("dist", "rows", "classes"):
        if getattr(case, key) is not None:
            hint = "max_rows takes the first rows of a file" if key == "rows" else None
            raise InputError(f"{key} is of random logits, and the case has an input file", hint=hint)


def _check_limits(case: Case) -> None:
    if case.operation in catalogue.operations():
        check_limits(case.limits, case.operation, case.quantity)


_CHECKS: dict[str, Callable[[Case], None]] = {
    "name": _check_name,
    "operation": _check_operation,
    "quantity": _check_quantity,
    "formulation": _check_formulation,
    "implementation": _check_implementation,
    "dtype": _check_dtype,
    "scale": _check_scale,
    "compute": _check_compute,
    "arithmetic": _check_accumulator,
    "dist": _check_dist,
    "input": _check_input,
    "limits": _check_limits,
}


def measured(case: Case) -> Measured:
    """Every format at every scale, without explanations. This imports libraries and runs a person's code.

    Raises InputError where the case cannot be run.
    """
    request = requested(case)
    found = run(request)
    double = formats.named("float64")
    # Of a file the numbers count, not the bytes: it may hold several arrays, and the same ones in other words.
    logits = found.input.sha256
    if case.input is not None:
        logits = _digest(request.source, lambda rows: request.source.logits(rows, double), "<f8")
    labels = None if found.input.labels is None else _digest(request.source, request.source.labels, "<i8")
    given = Input(logits, found.input.rows, found.input.classes, labels)
    return Measured(given, found.results)


def _digest(source: Source, numbers: Callable[[range], NDArray[Any]], dtype: str) -> str:
    """Of all rows, as that dtype."""
    digest = hashlib.sha256()
    for rows in sources.blocks(source):
        digest.update(numbers(rows).astype(dtype).tobytes())
    return digest.hexdigest()


def explained(case: Case, dtype: str, scale: float, row: int | None) -> Measured:
    """The same in one format at one scale with its explanation, and whether the row gives the same by itself."""
    request = replace(requested(replace(case, dtype=(dtype,), scale=(scale,))), explain=True)
    found = measured_once(request)
    alone = False
    if row is not None and found.worst is not None and found.worst.row == row:
        single = measured_once(replace(request, source=sources.only(request.source, row), explain=False))
        alone = single.worst is not None and (single.worst.got_hex, single.worst.exact) == (
            found.worst.got_hex,
            found.worst.exact,
        )
    return Measured(Input("", found.rows, 0, None), (found,), alone)


def measured_once(request: Request) -> Measurement:
    """Of a request for one thing."""
    return run(request).results[0]


def requested(case: Case) -> Request:
    """The comparison that measures a case. Raises InputError for what is not there to be measured."""
    return Request(
        source=_source(case),
        contenders=cases.of_quantity([_contender(case)], case.quantity),
        fmts=cases.chosen_formats(case.dtype),
        compute=None if case.compute is None else cases.chosen_formats([case.compute])[0],
        scales=case.scale,
        shift=case.shift,
        ignore_index=case.ignore_index,
        seed=case.seed,
        model=cases.chosen_model(case.arithmetic, case.sum_order, case.accumulator),
        explain=False,
    )


def _contender(case: Case) -> Contender:
    """The one implementation of the case."""
    if case.implementation is None:
        return cases.contenders([case.operation], [case.formulation or ""], [])[0]
    # A little sooner than the whole case's: what a program has not answered is then said of the program.
    offer = libraries.offered(case.spec or case.implementation, 0.9 * case.timeout)
    if isinstance(offer, Own):
        offer = replace(offer, name=case.implementation)
    named = None if case.formulation is None else [case.formulation]
    found = [c for c in cases.contenders([case.operation], named, [offer]) if not c.own]
    found = [c for c in found if case.formulation is None or c.formulation == case.formulation]
    if not found:
        raise InputError(f"{case.implementation} has no {case.operation}")
    if len(found) > 1:
        known = ", ".join(c.formulation or c.name for c in found)
        raise InputError(f"{case.implementation} runs several formulations", hint=f"name one of {known}")
    return replace(found[0], implementation=case.implementation) if offer.single else found[0]


def _source(case: Case) -> Source:
    if case.input is None:
        rows = sources.drawn(case.dist or DISTRIBUTION, case.seed, case.rows or ROWS, case.classes or CLASSES)
    else:
        # Numbers that NumPy saved as raw bytes are taken for the one format that is asked for.
        raw = case.dtype[0] if len(case.dtype) == 1 else None
        limit = case.max_bytes or MAX_BYTES
        given = read_logits(case.input, key=case.key, max_rows=case.max_rows, max_bytes=limit, raw=raw)
        rows = sources.given(given, case.seed)
    if case.labels is None:
        return rows
    labels = read_labels(case.labels, max_bytes=case.max_bytes or MAX_BYTES)
    if case.max_rows is not None and len(labels) == math.prod(rows.leading):
        labels = labels[: rows.count]
    return sources.labelled(rows, labels, case.labels)
