"""What implementations give for special values, and with whose convention each of them agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from overflowscope import __version__, cases, catalogue
from overflowscope.cases import Contender
from overflowscope.catalogue import Operation
from overflowscope.environment import environment
from overflowscope.errors import InputError, Unmeasured
from overflowscope.evaluate import evaluate
from overflowscope.formats import Floats, Format
from overflowscope.implementations import TIMEOUT, Offer
from overflowscope.records import State
from overflowscope.records.conformance import LIMIT, SCHEMA, Answer, Case, Cases, Conformance, Contestant, Run, Truth
from overflowscope.reference import reference
from overflowscope.studies.compare import offer
from overflowscope.studies.conformance.agreement import agree, counted
from overflowscope.studies.conformance.rows import ROWS, Row

Given = tuple[Answer, Floats | None]
"""An answer, and its values as an array where it has some."""


@dataclass(frozen=True)
class Request:
    """The contenders to ask, operation by operation, in which formats, and what to hold their answers against.

    ``conventions`` are "limit" and names of contenders.
    """

    contenders: Sequence[Contender]
    fmts: Sequence[Format]
    conventions: Sequence[str]


def conformance(
    *,
    operations: str | Sequence[str] | None = None,
    formulations: str | Sequence[str] | None = None,
    implementations: Sequence[Callable[..., Any] | str] = (),
    dtypes: str | Sequence[str] | None = None,
    timeout: float = TIMEOUT,
) -> Conformance:
    """What implementations give for rows of special values (inf, nan, masks, ties, the ends of the format).

    ``operations`` are all unless named (softmax where a function of one's own is given); ``formulations`` are naive,
    shifted and lse unless named, ``implementations`` and ``timeout`` as in ``compare``, ``dtypes`` float32 unless
    named. The limit is the truth in the extended reals, certified and correctly rounded to the format. Each answer is
    held against it and against that of each library among the implementations: nan agrees with nan, an infinity with
    that infinity, 0 with 0 of either sign, and other numbers where they are apart by d with log2(1 + d/ulp) <=
    precision/2. Raises InputError for unknown names, for what is not installed, and for a function that fails in every
    case.
    """
    return run(request(operations, formulations, [offer(i, timeout) for i in implementations], dtypes))


def request(
    operations: str | Sequence[str] | None,
    formulations: str | Sequence[str] | None,
    offers: Sequence[Offer],
    dtypes: str | Sequence[str] | None,
) -> Request:
    """What these names ask for. Raises InputError for unknown ones."""
    every = ("softmax",) if any(o.single for o in offers) else tuple(catalogue.operations())
    distinct = list({o.name: o for o in offers}.values())
    if any(o.single for o in offers) and len(distinct) < len(offers):
        raise InputError("two functions of one name", hint="name each of them once")
    contenders = cases.contenders(operations or every, formulations, distinct)
    present = {c.name for c in contenders}
    libraries = [o.name for o in distinct if not o.single and o.name in present]
    conventions = tuple(dict.fromkeys([LIMIT, *libraries]))
    return Request(contenders, cases.chosen_formats(dtypes or ("float32",)), conventions)


def run(request: Request) -> Conformance:
    """Ask every contender for every row."""
    by_operation = [list(group) for _, group in groupby(request.contenders, key=lambda c: c.operation.name)]
    results = [_of_operation(group, fmt, request.conventions) for group in by_operation for fmt in request.fmts]
    _check(results)
    known = {c.name: c for c in request.contenders}
    return Conformance(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        implementations=tuple(
            Contestant(name=n, formulation=c.formulation, implementation=c.implementation, version=c.version)
            for n, c in known.items()
        ),
        conventions=tuple(request.conventions),
        results=tuple(results),
        agreement=counted([case for r in results for case in r.cases], list(known), request.conventions),
    )


def _check(results: Sequence[Cases]) -> None:
    """Raises InputError, in its own words, for an implementation that failed wherever it was asked."""
    answers = [a for r in results for case in r.cases for a in case.answers]
    for name in dict.fromkeys(a.name for a in answers):
        own = [a for a in answers if a.name == name]
        if all(a.status == "error" for a in own):
            raise InputError(own[0].reason or f"{name} failed")


def _of_operation(contenders: Sequence[Contender], fmt: Format, conventions: Sequence[str]) -> Cases:
    operation = contenders[0].operation
    found = [
        _case(row, operation, contenders, fmt, conventions)
        for row in ROWS
        if operation.takes_labels or not row.for_labels
    ]
    names = [c.name for c in contenders]
    return Cases(
        operation=operation.name,
        dtype=fmt.name,
        cases=tuple(found),
        agreement=counted(found, names, conventions),
    )


def _case(
    row: Row, operation: Operation, contenders: Sequence[Contender], fmt: Format, conventions: Sequence[str]
) -> Case:
    logits = row.logits(fmt)
    labels = np.array([row.label]) if operation.takes_labels else None
    truth, values = _truth(operation, logits, labels, fmt)
    given = [_answer(contender, logits, labels, fmt) for contender in contenders]
    held = {LIMIT: values, **{answer.name: got for answer, got in given if answer.name in conventions}}
    answers = []
    for answer, got in given:
        agrees = {
            name: None if got is None or other is None else agree(got, other, fmt) for name, other in held.items()
        }
        answers.append(replace(answer, agrees=agrees))
    return Case(
        name=row.name,
        about=row.about,
        logits=_runs(logits),
        label=None if labels is None else row.label,
        limit=truth,
        answers=tuple(answers),
    )


def _truth(operation: Operation, logits: Floats, labels: Any, fmt: Format) -> tuple[Truth, Floats | None]:
    """The limit, and its values as an array where it has some: nan where there is no limit."""
    truth = reference(operation, logits, labels, fmt)
    undefined = truth.state == int(State.UNDEFINED)
    if np.any((truth.below != truth.above) & ~undefined):
        return Truth(status="undecided", values=()), None
    values = _held(np.where(undefined, np.nan, truth.below), fmt)
    return Truth(status="undefined" if undefined.any() else "ok", values=_runs(values)), values


def _answer(contender: Contender, logits: Floats, labels: Any, fmt: Format) -> Given:
    try:
        found = evaluate(contender.operation, contender.run, logits, labels, fmt)
    except InputError as error:
        # A function that refuses nan is right to do so: an answer like any other.
        status = error.status if isinstance(error, Unmeasured) else "error"
        missing = Answer(name=contender.name, status=status, reason=str(error), returned="", values=(), agrees={})
        return missing, None
    values = _held(found.values, fmt)
    answer = Answer(
        name=contender.name, status="ok", reason=None, returned=found.dtype, values=_runs(values), agrees={}
    )
    return answer, values


def _held(values: Floats, fmt: Format) -> Floats:
    """In a format without infinities an overflow is nan."""
    return values if fmt.has_infinity else np.where(np.isinf(values), np.nan, values)


def _runs(values: Floats) -> tuple[Run, ...]:
    """Equal numbers together, of one sign if they are 0, and nan with nan."""
    flat = values.ravel()
    same = (flat[1:] == flat[:-1]) & (np.signbit(flat[1:]) == np.signbit(flat[:-1]))
    same |= np.isnan(flat[1:]) & np.isnan(flat[:-1])
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    counts = np.diff(np.append(starts, flat.size))
    return tuple(Run(value=float(flat[s]), count=int(n)) for s, n in zip(starts, counts, strict=True))
