"""One calculation step by step: which step made the first inf, nan or harmful zero, and which change is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from overflowscope import __version__, cases, catalogue, sources
from overflowscope.arithmetic.recording import Note as Decision
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.arithmetic.shadows import Shadows
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.inputs import of_arrays
from overflowscope.records.trace import SCHEMA, Note, Remedy, Trace, Traced
from overflowscope.rows import check_numbers
from overflowscope.studies.trace import accounts, birth, catalogued, function, operation, remedies, verdict
from overflowscope.studies.trace.accounts import Diagnosis
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.events import EXPONENTIALS
from overflowscope.studies.trace.history import History, history
from overflowscope.studies.trace.request import Formulated, Own, Request
from overflowscope.studies.trace.rewrites import of_steps, rewritten

__all__ = ["Formulated", "Own", "Request", "run", "trace"]

BITS = 256
"""Of the enclosures of exact values."""
MOST = 2**17
"""Elements that a step may have to have exact values: a few seconds."""


def trace(
    logits: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    operation: str = "softmax",
    formulation: str = "naive",
    function: Callable[..., Any] | None = None,
    arguments: Mapping[str, ArrayLike] | None = None,
    per_row: bool = False,
    row: int | None = None,
    dtype: str = "float32",
    compute: str | None = None,
    arithmetic: str = "native",
    sum_order: str | None = None,
    accumulator: str | None = None,
    scale: float = 1.0,
    shift: float = 0.0,
    seed: int = 0,
    ignore_index: int = -100,
    gradient: bool = False,
) -> Trace:
    """Run a formulation, or a NumPy function of one's own, and say step by step what became of its numbers.

    ``logits`` (..., classes), ``labels``, ``scale``, ``shift``, ``seed``, ``ignore_index``, ``compute`` and the
    arithmetic are those of ``compare``. Of an ``operation`` one row is traced: ``row``, else the first whose result is
    wrong, else row 0. A ``function`` is called once with (rows, classes) of ``dtype``, with ``row`` with that row
    alone as (1, classes), and with ``per_row`` with one row (classes,), the first that goes wrong; ``arguments`` are
    its further parameters by name, arrays that are handed over as they are, those of floats recorded. It returns an
    array of floats of any shape. ``gradient`` adds the steps of the gradient of the sum of the results (of
    the loss, of cross_entropy) with respect to the logits. Raises InputError, also for what a function does that
    cannot be followed, with its line.
    """
    if function is None:
        subject: Formulated | Own = Formulated(
            catalogue.named(operation),
            catalogue.named(operation).named(formulation),
            None if compute is None else cases.chosen_formats([compute])[0],
        )
    else:
        name = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', repr(function))}"
        arrays = {key: np.asarray(value) for key, value in (arguments or {}).items()}
        subject = Own(name, function, arrays, per_row)
    return run(
        Request(
            source=sources.given(of_arrays(logits, labels), seed),
            subject=subject,
            fmt=cases.chosen_formats([dtype])[0],
            row=row,
            model=cases.chosen_model(arithmetic, sum_order, accumulator),
            scale=scale,
            shift=shift,
            ignore_index=ignore_index,
            seed=seed,
            gradient=gradient,
        )
    )


def run(request: Request) -> Trace:
    """Trace it. Raises InputError."""
    with np.errstate(all="ignore"):
        return _run(request)


def _run(request: Request) -> Trace:
    check_numbers((request.scale,), request.shift)
    request.check_row()
    subject = _asked(request)
    if isinstance(subject, Own):
        calculation, row, remarks = function.calculation(request, subject)
    else:
        row, remarks = operation.chosen_row(request, subject)
        calculation = operation.calculation(request, subject, row)
    recording, result, inputs = _recorded(calculation)
    taken = history(recording, result, request.fmt)
    shapes = [np.shape(inputs[number]) for number in sorted(inputs)]
    diagnosis = Diagnosis(
        taken, birth.failures(taken), birth.losses(taken), _names(subject, len(inputs)), shapes, calculation.word
    )
    notes = tuple(_note(taken, note) for note in recording.notes)
    departure, tried = _departure(request, row or 0, calculation, taken)
    if diagnosis.wrong and departure is None:
        tried = tuple(_tried(request, row or 0, calculation, taken, inputs))
    born, said = verdict.verdict(diagnosis, notes, tried, departure)
    return Trace(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        input=sources.summary(
            request.source,
            (request.scale,),
            request.shift,
            request.seed,
            0,
            isinstance(subject, Formulated) and subject.operation.takes_labels,
            subject.compute if isinstance(subject, Formulated) else None,
        ),
        traced=_traced(request, row, [*remarks, *_unseen(recording)]),
        steps=diagnosis.steps,
        result=tuple(accounts.result_steps(taken)),
        notes=notes,
        birth=born,
        verdict=said,
        remedies=tried,
    )


def _asked(request: Request) -> Formulated | Own:
    """What is traced: the formulation or the function, or what autograd gets from it."""
    subject = request.subject
    if not request.gradient or isinstance(subject, Own):
        return subject
    derived = catalogue.differentiated(subject.operation.name)
    return replace(subject, operation=derived, formulation=derived.named(subject.formulation.name))


def _recorded(calculation: Calculation) -> tuple[Recording, RecordedArray, dict[int, Any]]:
    """The run, its result, and its input arrays by their numbers."""
    xp, x = calculation.arrays()
    recording = Recording(xp, Shadows(BITS, MOST))
    given: dict[int, Any] = {}
    asarray = recording.asarray

    def kept(values: Any) -> RecordedArray:
        given[recording.inputs] = values.copy() if hasattr(values, "copy") else values
        return asarray(values)

    recording.asarray = kept  # type: ignore[method-assign]
    try:
        result = calculation.run(recording, recording.asarray(x))
    except Unrecordable as error:
        where = None if error.place is None else str(error.place)
        raise InputError(error.what, where=where, hint=error.hint) from None
    return recording, result, given


def _tried(
    request: Request, row: int, calculation: Calculation, taken: History, inputs: Mapping[int, Any]
) -> Iterator[Remedy]:
    """In order of simplicity: of the input, of a line, of the format, of the formulation, of the size of the logits."""
    subject, judge = _asked(request), remedies.judge(taken)
    of_input = {r.name: r for r in remedies.of_rows(calculation, judge)}
    # Where there is no exponential, a shift is but a poor way to centre.
    shifts = ["shift", "shift_back"] if any(s.name in EXPONENTIALS for s in taken.steps) else []
    tried = {name: of_input.pop(name) for name in shifts}
    yield from tried.values()
    if calculation.model is None and not request.gradient:
        shifted = "shift" in tried and tried["shift"].clean
        yield from (r for r in rewritten(taken, inputs) if not (shifted and r.name == "shift_exps"))
    yield of_input.pop("centre")
    wider = list(remedies.of_formats(calculation, judge))
    yield from wider
    if calculation.model is None and isinstance(subject, Own):
        yield from of_steps(taken, inputs, [r.name for r in wider if r.clean])
    yield from of_input.values()
    if isinstance(subject, Formulated):
        labels = operation.labels(request, subject, row)
        yield from catalogued.formulations(calculation, judge, subject.operation, labels, subject.formulation)
    elif (found := catalogued.resembled(calculation, taken, subject.arguments)) is not None:
        # By the operation's own truth: the function's may be too wide, of log(p) with p all but 1.
        judge = catalogued.truth_of(calculation, taken, *found)
        yield from catalogued.formulations(calculation, judge, *found, None)
    if len(taken.steps) <= remedies.SHORT:
        yield from remedies.of_scales(calculation, lambda c: _clean(request, c))


def _departure(
    request: Request, row: int, calculation: Calculation, taken: History
) -> tuple[str | None, tuple[Remedy, ...]]:
    """Of an approximation what it is instead of the operation, and the formulations that are right."""
    subject = _asked(request)
    if not isinstance(subject, Formulated) or not subject.formulation.approximation:
        return None, ()
    given = subject.operation, operation.labels(request, subject, row)
    text = catalogued.departure(calculation, taken, *given)
    if text is None:
        return None, ()
    judge = catalogued.truth_of(calculation, taken, *given)
    return text, tuple(catalogued.formulations(calculation, judge, *given, subject.formulation))


def _clean(request: Request, calculation: Calculation) -> bool:
    """Whether a calculation goes well, by its own exact values."""
    recording, result, _ = _recorded(calculation)
    taken = history(recording, result, request.fmt)
    return not taken.wrong.any() and not taken.inaccurate.any()


def _names(subject: Formulated | Own, count: int) -> list[str]:
    """What the inputs are called."""
    if isinstance(subject, Formulated):
        return ["logits"] * count
    floats = [name for name, value in subject.arguments.items() if value.dtype.kind not in "biu"]
    return [function.first_parameter(subject.function), *floats, *["input"] * count][:count]


def _note(taken: History, note: Decision) -> Note:
    before = [s for s in taken.steps if s.step.number < note.number]
    return Note(
        step=before[-1].number if before else 0,
        source=accounts.source(note.place),
        text=verdict.other_way(note),
    )


def _unseen(recording: Recording) -> list[str]:
    """What has no exact values."""
    assert recording.shadows is not None
    said = [f"{name} has no exact values here, nor what is computed from them" for name in recording.shadows.unruled]
    if any(s.made is None for s in recording.steps if s.computes):
        said.append(f"steps of more than {MOST:,} numbers have no exact values, nor what is computed from them")
    return said


def _traced(request: Request, row: int | None, remarks: list[str]) -> Traced:
    subject, model = request.subject, request.model
    formulated = subject if isinstance(subject, Formulated) else None
    accumulator = "native" if model is None else (model.accumulator or request.fmt).name
    return Traced(
        operation=None if formulated is None else formulated.operation.name,
        formulation=None if formulated is None else formulated.formulation.name,
        function=subject.spec if isinstance(subject, Own) else None,
        dtype=request.fmt.name,
        arithmetic="native" if model is None else "strict",
        sum_order="native" if model is None else model.order,
        accumulator=accumulator,
        quantity="gradient" if request.gradient else "value",
        row=row,
        remarks=tuple(remarks),
    )
