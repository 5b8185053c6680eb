"""The assertion that an implementation keeps its limits, measured against certified truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from overflowscope import cases, formats, report, sources
from overflowscope.cases import Contender
from overflowscope.errors import InputError
from overflowscope.implementations import Own
from overflowscope.inputs import of_arrays
from overflowscope.libraries import offered
from overflowscope.records import Measurement, Report
from overflowscope.records.check import Finding
from overflowscope.report import Look
from overflowscope.report.check import figures
from overflowscope.sources import Source
from overflowscope.studies.check.judge import check_limits, judged
from overflowscope.studies.compare import Request, run

DRAWN: dict[str, Any] = {"distribution": "normal", "rows": 256, "classes": 10}
"""What random logits are, unless said."""
WIDTH = 100
"""Of the table in a message, in columns."""

Found = list[tuple[Measurement, tuple[Finding, ...]]]


def assert_accurate(
    function: Callable[..., Any] | str,
    operation: str = "softmax",
    *,
    dtypes: str | Sequence[str] | None = None,
    logits: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    distribution: str | None = None,
    scale: float | Sequence[float] = 1.0,
    shift: float = 0.0,
    rows: int | None = None,
    classes: int | None = None,
    seed: int = 0,
    quantity: str = "value",
    **limits: float,
) -> tuple[Measurement, ...]:
    """Assert that ``function`` computes ``operation`` within ``limits``; the measurements, where it does.

    ``function`` is f(logits) or f(logits, labels) on NumPy arrays of shape (rows, classes) and (rows,), which gives an
    array of (rows, classes), or of (rows,) for what has one result a row; or the name of a library ("scipy", "torch").
    ``logits`` of shape (..., classes), neither axis empty, or random ones: ``rows`` (256) of ``classes`` (10) of a
    ``distribution`` (normal) from ``seed``; they are multiplied by each ``scale``, moved by ``shift``, and rounded to
    each of ``dtypes``: the format of ``logits``, if it is an array of one, else float32, unless said. ``labels`` are
    integers of shape (...), drawn from the seed where absent. ``quantity`` is "value", or "gradient" (what autograd
    gets), or "both".

    At least one limit: ``max_ulp`` (the largest error, in units in the last place of the exact value), ``max_nan``,
    ``max_overflow``, ``max_underflow`` (elements that are wrongly nan, infinite or 0; max_nan is 0 unless said),
    ``row_sum_within`` (of 1), ``max_kl`` (the largest divergence of a row, the sum of q log(q/p) - q + p) and
    ``argmax_flips`` (rows), the last three of probabilities alone. A limit of 0 is held where the figure is 0.

    An infinity or nan among the logits is an input as any other: a mask of -inf has a limit as its truth; a row without
    a defined truth (nan, all -inf) is not measured. Raises AssertionError where a limit does not hold, where the truth
    of an element is undecided, and where nothing was measured; its message is the table that ``compare`` prints, and
    why. Raises InputError for no limit, unknown names, empty input, and where the function itself raises or returns
    anything but real numbers of the right shape. Source of the measures: Muller et al., Handbook of Floating-Point
    Arithmetic (2018), and the README.
    """
    __tracebackhide__ = True  # what pytest shows is the line that asserts
    _check_numbers(limits)
    contenders = _contenders(function, operation, quantity)
    for contender in contenders:
        check_limits(limits, contender.operation.name, contender.operation.quantity)
    wanted = _own_format(logits) if dtypes is None else dtypes
    if not wanted:
        raise InputError("no dtype was given")
    if not (isinstance(wanted, str) or all(isinstance(name, str) for name in wanted)):
        raise InputError(f"dtypes of {wanted!r}", hint="names are wanted, such as ['float16']")
    _check_whole(seed=seed, rows=rows, classes=classes)
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is not between 0 and 2**64 - 1")
    request = Request(
        source=_source(logits, labels, seed, {"distribution": distribution, "rows": rows, "classes": classes}),
        contenders=contenders,
        fmts=cases.chosen_formats(wanted),
        scales=cases.chosen_scales(scale),
        shift=shift,
        seed=seed,
        explain=False,
    )
    measured = run(request)
    if any(judged(m, limits) for m in measured.results):
        raise AssertionError(_message(_explained(request, measured, limits)))
    return measured.results


def _check_numbers(limits: Mapping[str, float]) -> None:
    """Raises InputError where there are none, or one that nothing can be held against."""
    if not limits:
        raise InputError("no limit was given", hint="assert_accurate(softmax, max_ulp=4)")
    for name, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or not 0 <= limit < math.inf:
            raise InputError(f"{name} is {limit!r}", hint="a finite number of at least 0 is wanted")


def _check_whole(**numbers: Any) -> None:
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | np.integer)):
            raise InputError(f"{name} is {number!r}", hint="a whole number is wanted")


def _contenders(function: Callable[..., Any] | str, operation: str, quantity: str) -> list[Contender]:
    if not isinstance(operation, str):
        raise InputError(f"{operation!r} names no operation", hint="one name is wanted, such as 'softmax'")
    offer = offered(function) if isinstance(function, str) else Own(_name(function), function)
    if not callable(function) and not isinstance(function, str):
        raise InputError(f"{offer.name} is no function")
    # The formulations stand beside it unless they are left out.
    found = [c for c in cases.contenders([operation], None, [offer]) if not c.own]
    if not found:
        raise InputError(f"{offer.name} has no {operation}")
    return cases.of_quantity(found, quantity)


def _name(function: Any) -> str:
    """As compare's: module:function; an object's is its type's."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', None) or '?'}:{named.__qualname__}"


def _source(logits: ArrayLike | None, labels: ArrayLike | None, seed: int, asked: Mapping[str, Any]) -> Source:
    if logits is not None:
        for name, value in asked.items():
            if value is not None:
                raise InputError(f"{name} is of random logits, and logits were given")
        return sources.given(of_arrays(logits, labels), seed)
    if labels is not None:
        raise InputError("labels were given without logits")
    drawn = {name: default if asked[name] is None else asked[name] for name, default in DRAWN.items()}
    for name in ("rows", "classes"):
        if drawn[name] < 1:
            raise InputError(f"{drawn[name]} {name}", hint="at least 1 is wanted")
    return sources.drawn(drawn["distribution"], seed, drawn["rows"], drawn["classes"])


def _own_format(logits: ArrayLike | None) -> str:
    """That of an array that has one."""
    name = getattr(getattr(logits, "dtype", None), "name", None)
    return name if name in formats.FORMATS else "float32"


def _explained(request: Request, measured: Report, limits: Mapping[str, float]) -> tuple[Report, Found]:
    """Measured once more, and now with explanations, which take longer, in the formats in which a limit is not kept.

    A function that gives something else each time may keep it now: then what was seen first is said.
    """
    broken = {m.dtype for m in measured.results if judged(m, limits)}
    again = run(replace(request, fmts=[f for f in request.fmts if f.name in broken], explain=True))
    for found in (again, measured):
        judgements = [(m, judged(m, limits)) for m in found.results]
        if any(findings for _, findings in judgements):
            break
    return found, [(m, findings) for m, findings in judgements if findings]


def _message(explained: tuple[Report, Found]) -> str:
    """The findings, in a line each, then the table, which says why."""
    found, broken = explained
    several = isinstance(found.input.scale, tuple)
    lines = [f"{broken[0][0].name} does not keep its limits"]
    for m, findings in broken:
        at = f"{m.subject}, {m.dtype}" + (f", scale {m.scale:g}" if several else "")
        # The explanation stands below the table.
        lines += [f"- {at}: {figures(f)}" + (f": {f.reason}" if f.reason != m.explanation else "") for f in findings]
    return "\n".join([*lines, "", report.render("table", found, Look(WIDTH)).rstrip("\n")])
