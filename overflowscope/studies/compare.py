"""Which formulations survive these logits, which do not, how wrong each is, and why."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overflowscope import __version__, cases, formats, sources
from overflowscope.arithmetic.strict import Model
from overflowscope.cases import Contender
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.evaluate import computing
from overflowscope.formats import Floats, Format
from overflowscope.inputs import Logits
from overflowscope.records import FirstFailure, InputSummary, Measurement, Report
from overflowscope.sources import Source
from overflowscope.studies.chunks import Advance, Chunk, Job, Part, chunks, done, workers
from overflowscope.studies.verdict import Try, explained, lacking
from overflowscope.summarise import Label, summarise

SCHEMA = "overflowscope.compare/1"


@dataclass(frozen=True)
class Request:
    """A comparison to make: every contender in every format at every scale, on one source of logits.

    Without a ``model`` the arithmetic is NumPy's own, with one it is strict.
    """

    source: Source
    contenders: Sequence[Contender]
    fmts: Sequence[Format]
    compute: Format | None = None
    scales: tuple[float, ...] = (1.0,)
    shift: float = 0.0
    ignore_index: int = -100
    seed: int | None = 0
    reference: str = "auto"
    jobs: int = 1
    model: Model | None = None

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
    arithmetic: str = "native",
    sum_order: str | None = None,
    accumulator: str | None = None,
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
    (softmax unless said). ``compute`` names a wider format to compute in. ``arithmetic`` "strict" rounds every step
    to the format, on every machine alike, with sums in ``sum_order`` (sequential, pairwise or kahan; sequential unless
    said) in the format ``accumulator`` (the working one unless said). Raises InputError. Source of the measures:
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
            model=cases.chosen_model(arithmetic, sum_order, accumulator),
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
    blocks = _blocks(request)
    job = _job(request, blocks)
    with workers(job, request.jobs) as executor:
        results = _measured(request, job, blocks, executor, advance)
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


@dataclass(frozen=True)
class _Block:
    """One operation in one format at one scale: its contenders, shown and unseen, by their places in the job."""

    shown: tuple[int, ...]
    unseen: tuple[int, ...]
    fmt: int
    scale: int


def _blocks(request: Request) -> list[_Block]:
    """In the order of the results."""
    operations = list(dict.fromkeys(c.operation.name for c in request.contenders))
    first = len(request.contenders)
    places = {}
    for name in operations:
        shown = tuple(i for i, c in enumerate(request.contenders) if c.operation.name == name)
        others = len(cases.unseen([request.contenders[i] for i in shown]))
        places[name] = shown, tuple(range(first, first + others))
        first += others
    return [
        _Block(*places[name], fmt, scale)
        for scale in range(len(request.scales))
        for name in operations
        for fmt in range(len(request.fmts))
    ]


def _job(request: Request, blocks: Sequence[_Block]) -> Job:
    unseen = {b.shown: cases.unseen([request.contenders[i] for i in b.shown]) for b in blocks}
    return Job(
        source=request.source,
        contenders=(*request.contenders, *(c for others in unseen.values() for c in others)),
        fmts=request.fmts,
        scales=request.scales,
        shift=request.shift,
        ignore_index=request.ignore_index,
        compute=request.compute,
        reference=request.reference,
        model=request.model,
    )


def _measured(
    request: Request, job: Job, blocks: Sequence[_Block], executor: Executor | None, advance: Advance
) -> list[Measurement]:
    """Every block, with explanations. What is not shown is run only where nothing shown can be recommended."""
    parts = _parts(job, [chunks(job.source, b.shown, b.fmt, b.scale) for b in blocks], executor, request.jobs, advance)
    tries = {b: _tries(request, job, b, b.shown, parts) for b in blocks}
    wanting = [b for b in blocks if b.unseen and any(lacking(t, tries[b]) for t in tries[b])]
    more = [chunks(job.source, b.unseen, b.fmt, b.scale) for b in wanting]
    parts |= _parts(job, more, executor, request.jobs, lambda elements: advance(0))
    results = []
    for b in blocks:
        others = _tries(request, job, b, b.unseen, parts) if b in wanting else []
        again = partial(_again, job, b)
        advance(0)
        results += explained([*tries[b], *others], len(b.shown), again, job.fmts[b.fmt], request.compute, request.model)
    return results


Parts = dict[tuple[int, int, int], Part]
"""By the places of contender, format and scale in the job."""


def _parts(job: Job, todo: Iterable[Iterable[Chunk]], executor: Executor | None, jobs: int, advance: Advance) -> Parts:
    """What all these chunks come to."""
    parts: Parts = {}
    for chunk, found in done(job, chain.from_iterable(todo), executor, 4 * jobs, advance):
        for contender, part in zip(chunk.contenders, found, strict=True):
            key = contender, chunk.fmt, chunk.scale
            parts[key] = parts[key] + part if key in parts else part
    return parts


def _again(job: Job, block: _Block, row: int) -> tuple[Floats, NDArray[np.int64] | None]:
    rows = job.rows(range(row, row + 1), job.contenders[block.shown[0]], job.fmts[block.fmt], job.scales[block.scale])
    return rows.logits, rows.labels


def _tries(request: Request, job: Job, block: _Block, contenders: Sequence[int], parts: Parts) -> list[Try]:
    fmt, scale = job.fmts[block.fmt], job.scales[block.scale]
    tries = []
    for i in contenders:
        contender, (tally, returned) = job.contenders[i], parts[i, block.fmt, block.scale]
        tries.append(Try(contender, summarise(_label(request, contender, fmt, scale), tally, returned), tally))
    return tries


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
        model=request.model,
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
