"""Which formulations survive these logits, which do not, how wrong each is, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overflowscope import __version__, cases, sources
from overflowscope.arithmetic.strict import Model
from overflowscope.cases import Contender
from overflowscope.environment import environment
from overflowscope.errors import InputError, unknown
from overflowscope.evaluate import computing
from overflowscope.formats import Floats, Format
from overflowscope.implementations import TIMEOUT, Offer, Own
from overflowscope.inputs import of_arrays
from overflowscope.measure import computes
from overflowscope.records import FirstFailure, Measurement, Reference, Report
from overflowscope.reference import LADDERS, reference
from overflowscope.rows import check_numbers
from overflowscope.sources import Source
from overflowscope.studies.chunks import Advance, Block, Job, Part, chunks, done, workers
from overflowscope.studies.convention import LIMIT, chosen_convention
from overflowscope.studies.verdict import Try, explained, lacking
from overflowscope.summarise import Label, summarise
from overflowscope.tally import Element

if TYPE_CHECKING:
    from concurrent.futures import Executor

SCHEMA = "overflowscope.compare/1"


@dataclass(frozen=True)
class Request:
    """A comparison to make: every contender in every format at every scale, on one source of logits.

    Without a ``model`` the arithmetic is NumPy's own, with one it is strict. Where nothing is to ``explain``, no
    explanation is looked for, nor what could be recommended. By another ``convention`` than "limit" what is nan in
    that library is undefined, in rows with infinities.
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
    explain: bool = True
    convention: str = LIMIT

    @property
    def elements(self) -> int:
        """How many logits will be worked through, for progress."""
        operations = {c.subject for c in self.contenders}
        return len(operations) * len(self.fmts) * len(self.scales) * self.source.count * self.source.classes


def compare(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    operations: str | Sequence[str] | None = None,
    formulations: str | Sequence[str] | None = None,
    implementations: Sequence[Callable[..., Any] | str] = (),
    dtypes: str | Sequence[str] | None = None,
    quantity: str = "value",
    compute: str | None = None,
    arithmetic: str = "native",
    sum_order: str | None = None,
    accumulator: str | None = None,
    scale: float | Sequence[float] = 1.0,
    shift: float = 0.0,
    seed: int = 0,
    ignore_index: int = -100,
    reference: str = "auto",
    jobs: int = 1,
    convention: str = "limit",
    timeout: float = TIMEOUT,
) -> Report:
    """Measure formulations of softmax and its neighbours on logits, against certified truth.

    ``logits`` is an array of shape (..., classes), inf and nan included, neither axis empty; it is multiplied by each
    ``scale``, moved by ``shift`` in float64, and rounded to each of ``dtypes`` (float16, float32, float64 unless
    named). ``labels`` are integers of shape (...), drawn from ``seed`` where absent; rows labelled ``ignore_index`` are
    left out of cross_entropy. ``operations``, ``formulations`` name what to run (``overflowscope list``);
    ``implementations`` are functions f(logits) or f(logits, labels) of one's own, for the one operation named (softmax
    unless said), or the names of libraries ("scipy", "torch"), or programs ("command:./prog --flag"), which have
    ``timeout`` seconds for an answer. ``quantity`` "gradient" measures the gradients that
    autograd gets of them, with respect to the logits (of the label's entry, where the operation has one for each
    class); "both" measures both. ``compute`` names a wider format to compute in. ``arithmetic`` "strict" rounds every
    step to the format, on every machine alike, with sums in ``sum_order`` (sequential, pairwise or kahan; sequential
    unless said) in the format ``accumulator`` (the working one unless said). ``reference`` is "auto", or "mpmath" for
    intervals alone; ``jobs`` is how many processes work, which changes no bit of the answer. ``convention`` names a
    library ("torch") whose nan is right in rows with infinities, in place of the limit. Raises InputError. Source of
    the measures: Muller et al., Handbook of Floating-Point Arithmetic (2018), and the README.
    """
    given = of_arrays(logits, labels)
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is not between 0 and 2**64 - 1")
    contenders = cases.contenders(operations, formulations, [offer(i, timeout) for i in _once(implementations)])
    return run(
        Request(
            source=sources.given(given, seed),
            contenders=cases.of_quantity(contenders, quantity),
            fmts=cases.chosen_formats(dtypes),
            compute=None if compute is None else cases.chosen_formats([compute])[0],
            scales=cases.chosen_scales(scale),
            shift=shift,
            ignore_index=ignore_index,
            seed=seed,
            model=cases.chosen_model(arithmetic, sum_order, accumulator),
            reference=reference,
            jobs=jobs,
            convention=convention,
        )
    )


def offer(given: Callable[..., Any] | str, timeout: float = TIMEOUT) -> Offer:
    """A function of one's own, or what a name stands for. Raises InputError as ``offered`` does."""
    if isinstance(given, str):
        from overflowscope.libraries import offered  # not needed for our formulations

        return offered(given, timeout)
    return Own(f"{getattr(given, '__module__', '?')}:{getattr(given, '__qualname__', repr(given))}", given)


def _once(given: Sequence[Callable[..., Any] | str]) -> list[Callable[..., Any] | str]:
    """Each name and each function once; two functions may be of one name."""
    return list({i if isinstance(i, str) else id(i): i for i in given}.values())


def run(request: Request, advance: Advance = lambda elements: None) -> Report:
    """Make the comparison; ``advance`` is called with the number of logits done since the last call."""
    ignored = _check(request)
    contenders, blocks = _blocks(request)
    job = Job(
        source=request.source,
        contenders=contenders,
        fmts=request.fmts,
        scales=request.scales,
        shift=request.shift,
        ignore_index=request.ignore_index,
        compute=request.compute,
        reference=request.reference,
        model=request.model,
        conventions=chosen_convention(request.convention, contenders),
    )
    with workers(job, request.jobs) as executor:
        results = _measured(request, job, blocks, executor, advance)
    return Report(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        input=sources.summary(
            request.source, request.scales, request.shift, request.seed, ignored, _with_labels(request), request.compute
        ),
        results=tuple(results),
        first_failures=_first_failures(results, request.scales),
        convention=request.convention,
    )


def _check(request: Request) -> int:
    """How many rows are to be ignored. Raises InputError for labels out of range, or where no row is left."""
    if not request.contenders:
        raise InputError("nothing to compare: no formulation was chosen")
    check_numbers(request.scales, request.shift)
    if request.reference not in LADDERS:
        raise unknown("reference", request.reference, LADDERS)
    if request.jobs < 1:
        raise InputError(f"{request.jobs} jobs", hint="at least 1 process does the work")
    libraries = [c.implementation for c in request.contenders if c.version and not c.own]
    libraries += [request.convention] if request.convention != LIMIT else []
    if request.jobs > 1 and libraries:
        raise InputError(f"{libraries[0]} is run in one process alone: it may have threads of its own", hint="--jobs 1")
    if request.model is not None and libraries:
        hint = "leave out --arithmetic strict, or it"
        raise InputError(f"{libraries[0]} does its own arithmetic, of which none is strict", hint=hint)
    if not _with_labels(request):
        return 0
    counted = sources.count_labelled(request.source, request.ignore_index)
    if not counted:
        raise InputError(
            f"every row has the label {request.ignore_index}, which is ignored", source=request.source.name
        )
    return request.source.count - counted


def _with_labels(request: Request) -> bool:
    return any(c.operation.takes_labels for c in request.contenders)


def _blocks(request: Request) -> tuple[list[Contender], list[tuple[Block, Block]]]:
    """All contenders, and block by block, in the order of the results, those shown and those run unseen."""
    contenders = list(request.contenders)
    places = []
    for subject in dict.fromkeys(c.subject for c in request.contenders):
        shown = [i for i, c in enumerate(request.contenders) if c.subject == subject]
        others = cases.unseen([contenders[i] for i in shown])
        places.append((tuple(shown), tuple(range(len(contenders), len(contenders) + len(others)))))
        contenders += others
    return contenders, [
        (Block(shown, fmt, scale), Block(unseen, fmt, scale))
        for scale in range(len(request.scales))
        for shown, unseen in places
        for fmt in range(len(request.fmts))
    ]


def _measured(
    request: Request,
    job: Job,
    blocks: Sequence[tuple[Block, Block]],
    executor: Executor | None,
    advance: Advance,
) -> list[Measurement]:
    """Every block, with explanations. What is not shown is run only where nothing shown can be recommended."""
    parts = _parts(job, [shown for shown, _ in blocks], executor, request.jobs, advance)
    tries = {shown: _tries(request, job, shown, parts) for shown, _ in blocks}
    if not request.explain:
        return [t.measurement for shown, _ in blocks for t in tries[shown]]
    wanting = [b for b in blocks if b[1].contenders and any(lacking(t, tries[b[0]]) for t in tries[b[0]])]
    parts |= _parts(job, [unseen for _, unseen in wanting], executor, request.jobs, lambda elements: advance(0))
    results = []
    for shown, unseen in blocks:
        others = _tries(request, job, unseen, parts) if (shown, unseen) in wanting else []
        again = partial(_again, job, shown)
        advance(0)
        fmt, attempts = job.fmts[shown.fmt], [*tries[shown], *others]
        results += explained(attempts, len(tries[shown]), again, fmt, request.compute, request.model)
    return results


def _parts(
    job: Job, blocks: Sequence[Block], executor: Executor | None, jobs: int, advance: Advance
) -> dict[Block, list[Part]]:
    """What every block comes to."""
    parts: dict[Block, list[Part]] = {}
    for _, found in done(job, chunks(job, blocks), executor, 4 * jobs, advance):
        for block, more in found:
            known = parts.get(block)
            parts[block] = more if known is None else [a + b for a, b in zip(known, more, strict=True)]
    return parts


def _again(job: Job, block: Block, row: int) -> tuple[Floats, NDArray[np.int64] | None]:
    rows = job.rows(
        range(row, row + 1), job.contenders[block.contenders[0]], job.fmts[block.fmt], job.scales[block.scale]
    )
    return rows.logits, rows.labels


def _tries(request: Request, job: Job, block: Block, parts: Mapping[Block, list[Part]]) -> list[Try]:
    fmt, scale = job.fmts[block.fmt], job.scales[block.scale]
    precise = partial(_precise, job, block, {})
    tries = []
    for i, (tally, returned, unmeasured, kept) in zip(block.contenders, parts[block], strict=True):
        contender = job.contenders[i]
        tally = replace(
            tally,
            worst=tally.worst and precise(tally.worst),
            failed=tally.failed and (tally.failed[0], precise(tally.failed[1])),
        )
        measurement = summarise(_label(request, contender, fmt, scale), tally, returned, unmeasured)
        if kept:
            measurement = replace(measurement, computes=computes(fmt, kept))
        tries.append(Try(contender, measurement, tally))
    return tries


def _precise(job: Job, block: Block, known: dict[int, Reference], element: Element) -> Element:
    """The element with a truth of all the digits that are shown: formats of few bits are measured against fewer."""
    row = -element.minus_row
    if row not in known:
        contender, fmt = job.contenders[block.contenders[0]], job.fmts[block.fmt]
        rows = job.rows(range(row, row + 1), contender, fmt, job.scales[block.scale])
        ladder = "precise" if job.reference == "auto" else job.reference
        known[row] = reference(contender.operation, rows.logits, rows.labels, fmt, rows.lost, ladder=ladder)
    truth, place = known[row], (0, -element.minus_column)
    fields = {n: getattr(truth, n)[place[: truth.head.ndim]].item() for n in ("head", "tail", "exponent", "radius")}
    return element._replace(**fields)


def _label(request: Request, contender: Contender, fmt: Format, scale: float) -> Label:
    return Label(
        operation=contender.operation.name,
        formulation=contender.formulation,
        implementation=contender.implementation,
        version=(contender.said() if contender.said else contender.version) if request.model is None else None,
        fmt=fmt,
        compute=computing(fmt, request.compute),
        scale=scale,
        per_class=contender.operation.per_class,
        probabilities=contender.operation.probabilities,
        leading=request.source.leading,
        model=request.model,
        quantity=contender.operation.quantity,
    )


def _first_failures(results: Sequence[Measurement], scales: tuple[float, ...]) -> tuple[FirstFailure, ...]:
    """Of every contender that was measured, in every format, where there are several scales; in results' order."""
    if len(scales) == 1:
        return ()
    first: dict[tuple[str, str, str, str], float | None] = {}
    for r in results:
        key = (r.operation, r.name, r.dtype, r.quantity)
        if r.status == "ok" and first.setdefault(key, None) is None and r.failures:
            first[key] = r.scale
    return tuple(FirstFailure(operation=o, name=n, dtype=d, scale=s, quantity=q) for (o, n, d, q), s in first.items())
