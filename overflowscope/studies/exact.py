"""The true values themselves, of the logits as a format holds them, in certified decimal digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overflowscope import __version__, cases, sources
from overflowscope.arithmetic import decimals
from overflowscope.arithmetic.intervals import Indeterminate, Intervals, point
from overflowscope.arithmetic.rationals import Rationals
from overflowscope.catalogue import Operation
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.formats import Floats, Format
from overflowscope.inputs import of_arrays
from overflowscope.records import Exact, ExactValues, InputSummary
from overflowscope.rows import held
from overflowscope.sources import Source

SCHEMA = "overflowscope.exact/1"
MOST_DIGITS = 1000
BATCH = 1024
"""Logits whose enclosures are held at a time."""
Advance = Callable[[int], None]
Strings = NDArray[Any]
"""Object arrays of strings, and None where there is no value."""


@dataclass(frozen=True)
class Request:
    """Values to write down: of every operation in every format at every scale, on one source of logits."""

    source: Source
    operations: Sequence[Operation]
    fmts: Sequence[Format]
    digits: int = 25
    scales: tuple[float, ...] = (1.0,)
    shift: float = 0.0
    ignore_index: int = -100
    seed: int | None = 0

    @property
    def elements(self) -> int:
        """How many logits will be worked through, for progress."""
        return len(self.operations) * len(self.fmts) * len(self.scales) * self.source.count * self.source.classes


def exact(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    operations: str | Sequence[str] | None = None,
    dtypes: str | Sequence[str] | None = None,
    digits: int = 25,
    scale: float | Sequence[float] = 1.0,
    shift: float = 0.0,
    seed: int = 0,
    ignore_index: int = -100,
) -> Exact:
    """The true values of softmax and its neighbours on logits, to ``digits`` significant decimal digits (1 to 1000).

    ``logits`` (..., classes), ``labels``, ``scale``, ``shift``, ``seed`` and ``ignore_index`` are those of
    ``compare``; ``operations`` are softmax and ``dtypes`` float64 unless named. A value is a string, correctly rounded
    (to nearest, ties to even; trailing zeros cut only where it is exactly that number), "inf" or "-inf" where that is
    the limit, and None in rows that are undefined, overflowed on rounding to the format, or are ignored, and where
    4096 bits beyond the digits do not decide it; ``status`` says which. Raises InputError.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is not between 0 and 2**64 - 1")
    return run(
        Request(
            source=sources.given(of_arrays(logits, labels), seed),
            operations=cases.chosen_operations(operations or ("softmax",)),
            fmts=cases.chosen_formats(dtypes or ("float64",)),
            digits=digits,
            scales=cases.chosen_scales(scale),
            shift=shift,
            ignore_index=ignore_index,
            seed=seed,
        )
    )


def run(request: Request, advance: Advance = lambda elements: None) -> Exact:
    """Write the values down; ``advance`` is called with the number of logits done since the last call."""
    ignored = _check(request)
    results = [
        _values(request, operation, fmt, scale, advance)
        for scale in request.scales
        for operation in request.operations
        for fmt in request.fmts
    ]
    source = request.source
    with_labels = any(o.takes_labels for o in request.operations)
    return Exact(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        input=InputSummary(
            source=source.name,
            distribution=source.distribution,
            scale=request.scales[0] if len(request.scales) == 1 else request.scales,
            shift=request.shift,
            seed=request.seed,
            rows=source.count,
            classes=source.classes,
            leading=source.leading,
            labels=source.labels_from if with_labels else None,
            ignored_rows=ignored,
            sha256=source.sha256(),
        ),
        digits=request.digits,
        results=tuple(results),
    )


def _check(request: Request) -> int:
    """How many rows are to be ignored. Raises InputError for what cannot be done."""
    if not 1 <= request.digits <= MOST_DIGITS:
        raise InputError(f"{request.digits} digits: from 1 to {MOST_DIGITS} can be had")
    if not request.scales or not all(math.isfinite(x) and x >= 0 for x in request.scales):
        raise InputError(f"scales are finite and not negative, and there is at least one: {request.scales}")
    if not math.isfinite(request.shift):
        raise InputError(f"a shift that is no finite number: {request.shift}")
    if not any(o.takes_labels for o in request.operations):
        return 0
    return request.source.count - sources.count_labelled(request.source, request.ignore_index)


def _values(request: Request, operation: Operation, fmt: Format, scale: float, advance: Advance) -> ExactValues:
    source = request.source
    ignored = request.ignore_index if operation.takes_labels else None
    values: list[Any] = []
    status: list[str] = []
    for rows in sources.blocks(source, BATCH):
        logits, lost, labels, numbers = held(source, rows, fmt, scale, request.shift, ignored)
        found = np.full(operation.shape(np.empty((len(rows), source.classes))), None, object)
        said = np.full(len(rows), "ignored", object)
        if len(logits):
            kept = numbers - rows.start
            found[kept], said[kept] = _of_rows(operation, logits, labels, lost, request.digits)
        values += [tuple(v) if isinstance(v, list) else v for v in found.tolist()]
        status += said.tolist()
        advance(len(rows) * source.classes)
    return ExactValues(
        operation=operation.name,
        dtype=fmt.name,
        scale=scale,
        rows=source.count,
        undefined=status.count("undefined"),
        input_overflow=status.count("input_overflow"),
        undecided=status.count("undecided"),
        status=tuple(status),
        values=tuple(values),
    )


def _of_rows(
    operation: Operation, logits: Floats, labels: NDArray[np.int64] | None, lost: NDArray[np.bool_], digits: int
) -> tuple[Strings, Strings]:
    """(values, status) of rows in a format."""
    found = np.full(operation.shape(logits), None, object)
    status = np.full(len(logits), "ok", object)
    status[lost] = "input_overflow"
    special = ~lost & (np.isnan(logits).any(-1) | (logits == np.inf).any(-1) | (logits == -np.inf).all(-1))
    if special.any():
        limits = np.asarray(operation.limit(*_arguments(operation, logits, labels, special)))
        # A limit is 0, 1, a logit or an infinity: exact.
        texts = [None if x != x else decimals.decided(point(x), digits) for x in limits.ravel().tolist()]
        found[special] = np.array(texts, object).reshape(limits.shape)
        missing = np.isnan(limits.reshape(len(limits), -1)).any(-1)
        status[np.flatnonzero(special)[missing]] = "undefined"
    ordinary = np.flatnonzero(~lost & ~special)
    rest = _rational(found, ordinary, operation, logits, labels, digits)
    for bits in decimals.ladder(digits):
        if not len(rest):
            break
        rest = _decided(found, rest, operation, logits, labels, digits, Intervals(bits))
    status[rest] = "undecided"
    return found, status


def _arguments(
    operation: Operation, logits: Floats, labels: NDArray[np.int64] | None, rows: NDArray[Any]
) -> tuple[Any, ...]:
    return operation.arguments(logits[rows], None if labels is None else labels[rows])


def _rational(
    found: Strings,
    rows: NDArray[np.intp],
    operation: Operation,
    logits: Floats,
    labels: NDArray[np.int64] | None,
    digits: int,
) -> NDArray[np.intp]:
    """Fill in the rows that are rational, 1/3 and the like, which no enclosure decides; the other rows."""
    masked = logits[rows] == -np.inf
    largest = np.max(logits[rows], axis=-1, keepdims=True)
    equal = np.all(masked | (logits[rows] == largest), axis=-1)
    left = [rows[~equal]]
    xp = Rationals()
    for row in rows[equal]:
        numbers, *given = _arguments(operation, logits, labels, np.array([row]))
        try:
            result = operation.identity(xp, xp.asarray(numbers), *given)
        except Indeterminate:
            left.append(np.array([row]))
            continue
        texts = [decimals.of_rational(v, digits) for v in np.ravel(result).tolist()]
        # A slice: at an index alone NumPy would keep an array of no axes where a string belongs.
        found[row : row + 1] = np.array(texts, object).reshape(1, *found.shape[1:])
    return np.sort(np.concatenate(left))


def _decided(
    found: Strings,
    rows: NDArray[np.intp],
    operation: Operation,
    logits: Floats,
    labels: NDArray[np.int64] | None,
    digits: int,
    xp: Intervals,
) -> NDArray[np.intp]:
    """Fill in what enclosures at this precision decide in these rows; the rows in which something is left."""
    numbers, *given = _arguments(operation, logits, labels, rows)
    try:
        elements = operation.identity(xp, xp.asarray(numbers), *given).elements
    except Indeterminate:
        return rows
    known = found[rows].reshape(len(rows), -1)
    for index, element in zip(np.ndindex(known.shape), elements.ravel().tolist(), strict=True):
        if known[index] is None:
            known[index] = decimals.decided(element, digits)
    found[rows] = known.reshape(elements.shape)
    left: NDArray[np.intp] = rows[np.any(known == None, axis=-1)]  # noqa: E711
    return left
