"""Work in chunks: each is a few integers, each gives small summaries, and whoever runs them is an executor.

The summaries merge exactly and the chunks do not depend on who runs them: any number of workers gives the same bits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from overflowscope import sources
from overflowscope.arithmetic.strict import Model
from overflowscope.cases import Contender
from overflowscope.errors import InputError, Unmeasured
from overflowscope.evaluate import evaluate
from overflowscope.formats import Format
from overflowscope.measure import Kept, kept, measure, together
from overflowscope.reference import reference
from overflowscope.rows import Rows, held
from overflowscope.sources import Source
from overflowscope.studies import convention
from overflowscope.tally import Tally

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Advance = Callable[[int], None]
SLOW = 2**12
"""Logits in a chunk for a reference that is hundreds of times slower."""


@dataclass(frozen=True)
class Job:
    """All that the chunks of one run share. ``contenders`` are of any operations, ``rows`` of one source."""

    source: Source
    contenders: Sequence[Contender]
    fmts: Sequence[Format]
    scales: Sequence[float]
    shift: float
    ignore_index: int
    compute: Format | None
    reference: str
    model: Model | None = None
    conventions: convention.Runs = field(default_factory=dict)

    def rows(self, rows: range, contender: Contender, fmt: Format, scale: float) -> Rows:
        """These rows as the contender gets them."""
        ignored = self.ignore_index if contender.operation.takes_labels else None
        return held(self.source, rows, fmt, scale, self.shift, ignored)


class Block(NamedTuple):
    """Contenders of one operation, in a format, at a scale: all by their places in the job."""

    contenders: tuple[int, ...]
    fmt: int
    scale: int


class Chunk(NamedTuple):
    """Blocks, on rows start to stop: what is read or drawn serves all of them."""

    blocks: tuple[Block, ...]
    start: int
    stop: int


class Part(NamedTuple):
    """What a contender did on some rows: its tally, and the dtype that it returned ("" where there was no row).

    ``unmeasured`` is None, or (status, why) where there was nothing to measure; ``kept`` tells of the precision in
    which what is not ours was computed.
    """

    tally: Tally
    returned: str
    unmeasured: tuple[str, str] | None = None
    kept: Kept = ()

    def __add__(self, other: Part) -> Part:  # type: ignore[override]
        unmeasured, kept = self.unmeasured or other.unmeasured, together(self.kept, other.kept)
        return Part(self.tally + other.tally, other.returned or self.returned, unmeasured, kept)


Parts = list[tuple[Block, list[Part]]]


def chunks(job: Job, blocks: Sequence[Block]) -> Iterator[Chunk]:
    """The whole of the source, in chunks."""
    size = sources.BLOCK if job.reference == "auto" else SLOW
    return (Chunk(tuple(blocks), rows.start, rows.stop) for rows in sources.blocks(job.source, size) if blocks)


def work(job: Job, chunk: Chunk, advance: Advance = lambda elements: None) -> Parts:
    """Every block of a chunk; ``advance`` is called with the number of logits done since the last call."""
    job = replace(job, source=sources.remembered(job.source))
    parts = []
    # Overflow is the subject here: whatever the host program asked of np.seterr, nothing is raised.
    with np.errstate(all="ignore"):
        for block in chunk.blocks:
            parts.append((block, _measured(job, block, range(chunk.start, chunk.stop))))
            advance((chunk.stop - chunk.start) * job.source.classes)
    return parts


def _measured(job: Job, block: Block, numbers: range) -> list[Part]:
    """The truth once, and every contender measured against it."""
    contenders, fmt = [job.contenders[i] for i in block.contenders], job.fmts[block.fmt]
    operation = contenders[0].operation
    rows = job.rows(numbers, contenders[0], fmt, job.scales[block.scale])
    if not len(rows.logits):
        return [Part(Tally(), "") for _ in contenders]
    truth = reference(operation, rows.logits, rows.labels, fmt, rows.lost, ladder=job.reference)
    if (run := job.conventions.get(contenders[0].subject)) is not None:
        truth = convention.held(truth, operation, run, rows.logits, rows.labels)
    bounded = operation.probabilities or operation.quantity == "gradient"
    parts = []
    for contender in contenders:
        try:
            result = evaluate(operation, contender.run, rows.logits, rows.labels, fmt, job.compute, job.model)
        except Unmeasured as error:
            parts.append(Part(Tally(rows=len(rows.logits)), "", (error.status, str(error))))
            continue
        tally = measure(result, truth, rows.logits, operation.probabilities, rows.numbers)
        bits = () if contender.own else kept(result.values, truth, rows.logits, bounded)
        parts.append(Part(tally, result.dtype, kept=bits))
    return parts


def done(
    job: Job, todo: Iterable[Chunk], executor: Executor | None, ahead: int, advance: Advance
) -> Iterator[tuple[Chunk, Parts]]:
    """The chunks with their parts, in the order in which they were given; at most ``ahead`` are waiting at a time."""
    waiting: deque[tuple[Chunk, Future[Parts]]] = deque()

    def advanced(chunk: Chunk) -> None:
        advance(len(chunk.blocks) * (chunk.stop - chunk.start) * job.source.classes)

    for chunk in todo:
        if executor is None:
            yield chunk, work(job, chunk, advance)
            continue
        waiting.append((chunk, _submitted(executor, chunk)))
        if len(waiting) >= ahead:
            first, future = waiting.popleft()
            yield first, future.result()
            advanced(first)
    for first, future in waiting:
        yield first, future.result()
        advanced(first)


def _submitted(executor: Executor, chunk: Chunk) -> Future[Parts]:
    with warnings.catch_warnings():
        # Python 3.12 warns of the threads that NumPy's BLAS keeps, and JAX, imported by whomever, of its own; they hold
        # no lock that a worker would need.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
        return executor.submit(_work, chunk)


@contextmanager
def workers(job: Job, jobs: int) -> Iterator[Executor | None]:
    """A pool of that many processes that know the job, or None for one. Raises InputError where one of them dies."""
    if jobs == 1:
        yield None
        return
    import multiprocessing  # not needed before there is much to do
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

    # A forked worker has what its parent imported and read, for nothing. Threads do not survive a fork, locks do.
    forks = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if forks else None)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(job,))
    try:
        yield pool
    except BaseException as error:
        # Nobody wants the chunks at hand any more, and one may take minutes, or a person's function for ever.
        for process in list((pool._processes or {}).values()):
            process.kill()
        if isinstance(error, BrokenExecutor):
            hint = "perhaps memory ran out: --jobs 1, or fewer classes, take less"
            raise InputError("a worker process died", hint=hint) from None
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_JOB: list[Job] = []
"""In a worker: the job that its chunks belong to."""


def _start(job: Job) -> None:
    # Ctrl-C goes to all processes of a terminal; the first one stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _JOB[:] = [job]


def _leave_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever: it holds the pipe open that it reads."""
    import multiprocessing

    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _work(chunk: Chunk) -> Parts:
    return work(_JOB[0], chunk)
