"""Which formulations survive these logits, which do not, how wrong each is, and why."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overflowscope import __version__, cases, formats, sources
from overflowscope.cases import Contender
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.evaluate import computing, evaluate
from overflowscope.formats import Floats, Format
from overflowscope.inputs import Logits
from overflowscope.measure import measure
from overflowscope.records import FirstFailure, InputSummary, Measurement, Report
from overflowscope.reference import reference
from overflowscope.sources import Source
from overflowscope.studies.verdict import Try, explained
from overflowscope.summarise import Label, summarise
from overflowscope.tally import Tally

SCHEMA = "overflowscope.compare/1"
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Request:
    """A comparison to make: every contender in every format at every scale, on one source of logits."""

    source: Source
    contenders: Sequence[Contender]
    fmts: Sequence[Format]
    compute: Format | None = None
    scales: tuple[float, ...] = (1.0,)
    shift: float = 0.0
    ignore_index: int = -100
    seed: int | None = 0

    @property
    def elements(self) -> int:
        """How many logits will be worked through, for progress."""
        operations = {c.operation.name for c in self.contenders}
        return len(operations) * len(self.fmts) * len(self.scales) * self.source.count * self.source.classes


def compare(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    operations: str | Sequence[str] | None = None,
    formulations: str | Sequence[str] | None = None,
    implementations: Sequence[Callable[..., Any]] = (),
    dtypes: str | Sequence[str] | None = None,
    compute: str | None = None,
    scale: float | Sequence[float] = 1.0,
    shift: float = 0.0,
    seed: int = 0,
    ignore_index: int = -100,
) -> Report:
    """Measure formulations of softmax and its neighbours on logits, against certified truth.

    ``logits`` is an array of shape (..., classes), inf and nan included, neither axis empty; it is multiplied by each
    ``scale``, moved by ``shift`` in float64, and rounded to each of ``dtypes`` (float16, float32, float64 unless
    named). ``labels`` are integers of shape (...), drawn from ``seed`` where absent; rows labelled ``ignore_index`` are
    left out of cross_entropy. ``operations``, ``formulations`` name what to run (``overflowscope list``);
    ``implementations`` are functions f(logits) or f(logits, labels) of one's own, for the one operation named
    (softmax unless said). ``compute`` names a wider format to compute in. Raises InputError. Source of the measures:
    Muller et al., Handbook of Floating-Point Arithmetic (2018), and the README.
    """
    given = _given(logits, labels)
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is not between 0 and 2**64 - 1")
    return run(
        Request(
            source=sources.given(given, seed),
            contenders=cases.contenders(operations, formulations, [(_spec(f), f) for f in implementations]),
            fmts=cases.chosen_formats(dtypes),
            compute=None if compute is None else cases.chosen_formats([compute])[0],
            scales=_numbers(scale),
            shift=shift,
            ignore_index=ignore_index,
            seed=seed,
        )
    )


def _numbers(scale: float | Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(s) for s in np.atleast_1d(np.asarray(scale, np.float64)))
    except (TypeError, ValueError):
        raise InputError(f"a scale that is no number: {scale!r}") from None


def _spec(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', repr(function))}"


def _given(logits: ArrayLike, labels: ArrayLike | None) -> Logits:
    try:
        array = np.asarray(logits)
    except ValueError as error:
        raise InputError(f"logits that are no array: {error}") from None
    if array.ndim == 0 or not array.size:
        raise InputError(f"no logits: an array of shape {array.shape}", hint="(rows, classes) is wanted")
    if array.dtype.kind not in "fiu" and array.dtype.name not in formats.FORMATS:
        raise InputError(f"logits of dtype {array.dtype.name}", hint="real numbers are wanted")
    values = np.ascontiguousarray(array.astype(np.float64).reshape(-1, array.shape[-1]))
    checked = None
    if labels is not None:
        classes = np.asarray(labels)
        if classes.dtype.kind not in "iu" or classes.size != len(values):
            raise InputError(f"labels of dtype {classes.dtype.name}, {classes.size} for {len(values)} rows")
        checked = classes.astype(np.int64).ravel()
    digest = hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
    return Logits(values, checked, array.shape[:-1], "array", digest)


def run(request: Request, advance: Advance = lambda elements: None) -> Report:
    """Make the comparison; ``advance`` is called with the number of logits done since the last call."""
    ignored = _check(request)
    results: list[Measurement] = []
    # Overflow is the subject here: whatever the host program asked of np.seterr, nothing is raised.
    with np.errstate(all="ignore"):
        for scale in request.scales:
            for operation in dict.fromkeys(c.operation.name for c in request.contenders):
                contenders = [c for c in request.contenders if c.operation.name == operation]
                for fmt in request.fmts:
                    results += _block(request, contenders, fmt, scale, advance)
    return Report(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        input=_summary(request, ignored),
        results=tuple(results),
        first_failures=_first_failures(results, request.scales),
    )


def _check(request: Request) -> int:
    """How many rows are to be ignored. Raises InputError for labels out of range, or where no row is left."""
    if not request.contenders:
        raise InputError("nothing to compare: no formulation was chosen")
    if not request.scales or not all(math.isfinite(x) and x >= 0 for x in request.scales):
        raise InputError(f"scales are finite and not negative, and there is at least one: {request.scales}")
    if not math.isfinite(request.shift):
        raise InputError(f"a shift that is no finite number: {request.shift}")
    if not any(c.operation.takes_labels for c in request.contenders):
        return 0
    counted = sources.count_labelled(request.source, request.ignore_index)
    if not counted:
        raise InputError(
            f"every row has the label {request.ignore_index}, which is ignored", source=request.source.name
        )
    return request.source.count - counted


@dataclass
class _Running:
    """A contender's tally so far, and the dtype it returned."""

    contender: Contender
    tally: Tally = field(default_factory=Tally)
    returned: str = ""


def _block(
    request: Request, contenders: Sequence[Contender], fmt: Format, scale: float, advance: Advance
) -> list[Measurement]:
    """One operation in one format at one scale: chunk by chunk, the truth once and every contender against it."""
    operation = contenders[0].operation
    unseen = cases.unseen(contenders)
    running = [_Running(c) for c in (*contenders, *unseen)]
    for rows in sources.blocks(request.source):
        logits, lost, labels, numbers = chunk(request, rows, fmt, scale, operation.takes_labels)
        if not len(logits):
            continue
        truth = reference(operation, logits, labels, fmt, lost, advance)
        for r in running:
            result = evaluate(operation, r.contender.run, logits, labels, fmt, request.compute)
            r.returned = result.dtype
            r.tally = r.tally + measure(result, truth, logits, operation.probabilities, numbers)
    measured = [summarise(_label(request, r.contender, fmt, scale), r.tally, r.returned) for r in running]

    def again(row: int) -> tuple[Floats, NDArray[np.int64] | None]:
        logits, _, labels, _ = chunk(request, range(row, row + 1), fmt, scale, operation.takes_labels)
        return logits, labels

    tries = [Try(r.contender, m, r.tally) for r, m in zip(running, measured, strict=True)]
    return explained(tries, len(contenders), again, fmt, request.compute)


def chunk(
    request: Request, rows: range, fmt: Format, scale: float, with_labels: bool
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64] | None, NDArray[np.int64]]:
    """(logits, lost, labels, numbers) of these rows: the logits as the format holds them, as float64; the rows in which
    a finite logit overflowed on the way there; the labels where wanted, without ignored rows; the rows' numbers."""
    given = request.source.logits(rows, fmt)
    numbers, labels = np.arange(rows.start, rows.stop), None
    if with_labels:
        labels = request.source.labels(rows)
        counted = labels != request.ignore_index
        given, labels, numbers = given[counted], labels[counted], numbers[counted]
    with np.errstate(all="ignore"):
        held = formats.round_to(given * scale + request.shift if (scale, request.shift) != (1.0, 0.0) else given, fmt)
    lost = np.any(np.isfinite(given) & ~np.isfinite(held), axis=-1)
    if not fmt.has_infinity:
        held = np.where(np.isinf(held), np.nan, held)
    return held, lost, labels, numbers


def _label(request: Request, contender: Contender, fmt: Format, scale: float) -> Label:
    return Label(
        operation=contender.operation.name,
        formulation=contender.formulation,
        implementation=contender.implementation,
        fmt=fmt,
        compute=computing(fmt, request.compute),
        scale=scale,
        per_class=contender.operation.per_class,
        probabilities=contender.operation.probabilities,
        leading=request.source.leading,
    )


def _summary(request: Request, ignored: int) -> InputSummary:
    source = request.source
    with_labels = any(c.operation.takes_labels for c in request.contenders)
    return InputSummary(
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
        compute=request.compute.name if request.compute else None,
        sha256=source.sha256(),
    )


def _first_failures(results: Sequence[Measurement], scales: tuple[float, ...]) -> tuple[FirstFailure, ...]:
    """Of every contender in every format, where several scales were measured; in the order of the results."""
    if len(scales) == 1:
        return ()
    first: dict[tuple[str, str, str], float | None] = {}
    for r in results:
        key = (r.operation, r.name, r.dtype)
        if first.setdefault(key, None) is None and r.failures:
            first[key] = r.scale
    return tuple(FirstFailure(operation=o, name=n, dtype=d, scale=s) for (o, n, d), s in first.items())
