"""A measurement held against limits, and against what it was before. What compares nothing does not pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from overflowscope import catalogue
from overflowscope.errors import InputError, unknown
from overflowscope.records import Measurement
from overflowscope.records.check import Figures, Finding

LIMITS = {
    "max_ulp": "max_ulp",
    "max_nan": "nan",
    "max_overflow": "overflow",
    "max_underflow": "underflow",
    "row_sum_within": "row_sum_off",
    "max_kl": "max_kl",
    "argmax_flips": "argmax_flips",
}
"""The limits there are, and the field of Figures that each holds for."""
COUNTS = ("nan", "overflow", "underflow", "saturated", "argmax_flips")
"""The figures that are counts: none may grow."""
OF_PROBABILITIES = ("row_sum_within", "max_kl", "argmax_flips")
FACTOR = 1.5
"""By what a largest error may exceed the baseline's."""
LEAST = 0.5
"""The error, in ulp, that rounding alone makes: below it there is nothing to keep."""


def figures(measurement: Measurement) -> Figures:
    """What is judged of a measurement.

    Rows that are wrongly nan have neither a sum nor a divergence: with one of them both are nan.
    """
    m, wrong = measurement, measurement.incidence.wrong_nan
    off = None if m.row_sum is None else max(abs((end or 0.0) - 1.0) for end in (m.row_sum.min, m.row_sum.max))
    divergence = None if m.kl is None else m.kl.max
    lost = math.nan if wrong and _probabilities(m) else None
    return Figures(
        max_ulp=m.ulp.max,
        nan=wrong,
        overflow=m.incidence.overflow,
        underflow=m.incidence.underflow,
        saturated=m.incidence.saturated,
        row_sum_off=off if lost is None else lost,
        max_kl=divergence if lost is None else lost,
        argmax_flips=m.argmax_flips,
    )


def judged(
    measurement: Measurement, limits: Mapping[str, float], old: Figures | None = None, factor: float = FACTOR
) -> tuple[Finding, ...]:
    """Where it does not keep its ``limits`` (by the names in LIMITS), or does worse than ``old``.

    nan fails every limit; with limits and no max_nan of its own, one element that is wrongly nan is a finding. Elements
    that are undecided are one, and so is a measurement of no element. Against ``old`` the largest error may be
    ``factor`` times max(old, 0.5 ulp), and no count may grow; what breaks a limit too is one finding, with the nearer
    of the two. ``reason`` is the measurement's explanation where it has one; no finding has a command yet. Raises
    InputError for an unknown limit.
    """
    for name in limits:
        if name not in LIMITS:
            raise unknown("limit", name, LIMITS)
    new = figures(measurement)
    if new.max_ulp is None:
        found = [Finding(what="empty", new=0.0, old=None, limit=None, reason=_nothing(measurement), command=None)]
    else:
        found = _joined(_beyond(measurement, new, limits), _worse(measurement, new, old, factor))
    undecided = measurement.incidence.undecided
    if undecided:
        reason = f"{undecided:,} elements have a truth too near a tie to say what they round to"
        found.append(Finding(what="undecided", new=undecided, old=None, limit=0.0, reason=reason, command=None))
    return tuple(found)


def check_limits(limits: Iterable[str], operation: str, quantity: str) -> None:
    """Raises InputError for a limit that the operation's results cannot be held against."""
    if not (quantity == "value" and catalogue.named(operation).probabilities):
        for name in limits:
            if name in OF_PROBABILITIES:
                named = operation if quantity == "value" else f"the {quantity} of {operation}"
                raise InputError(f"{name} is of probabilities, which {named} does not give")


def _beyond(m: Measurement, new: Figures, limits: Mapping[str, float]) -> list[Finding]:
    held = {name: float(limit) for name, limit in limits.items()}
    if held:
        held.setdefault("max_nan", 0.0)
    found = []
    for name in LIMITS:
        what = LIMITS[name]
        figure = _number(getattr(new, what))
        if name in held and not (figure <= held[name]):
            found.append(
                Finding(what=what, new=figure, old=None, limit=held[name], reason=_reason(m, what), command=None)
            )
    return found


def _worse(m: Measurement, new: Figures, old: Figures | None, factor: float) -> list[Finding]:
    if old is None:
        return []
    found = []
    for what in ("max_ulp", *COUNTS):
        before, now = _number(getattr(old, what)), _number(getattr(new, what))
        if what == "argmax_flips" and old.argmax_flips is None and new.argmax_flips is None:
            continue
        limit = factor * (math.nan if math.isnan(before) else max(before, LEAST)) if what == "max_ulp" else before
        if not (now <= limit):
            found.append(Finding(what=what, new=now, old=before, limit=limit, reason=_reason(m, what), command=None))
    return found


def _joined(beyond: list[Finding], worse: list[Finding]) -> list[Finding]:
    """One finding for each figure."""
    found = {f.what: f for f in beyond}
    for f in worse:
        other = found.get(f.what)
        nearer = f.limit if other is None or other.limit is None or f.limit is None else min(f.limit, other.limit)
        found[f.what] = replace(f, limit=nearer)
    return list(found.values())


def _number(figure: float | None) -> float:
    """What was not computed is held as nan, which keeps no limit."""
    return math.nan if figure is None else figure


def _probabilities(m: Measurement) -> bool:
    known = catalogue.operations().get(m.operation)
    return m.quantity == "value" and known is not None and known.probabilities


def _nothing(m: Measurement) -> str:
    """Why no element was measured."""
    if m.status != "ok":
        return m.explanation or m.status
    kinds = {"undefined": "no defined truth", "input_overflow": f"a logit beyond {m.dtype}"}
    of = [f"{getattr(m.incidence, k):,} elements have {why}" for k, why in kinds.items() if getattr(m.incidence, k)]
    return f"nothing was measured: {', '.join(of) or 'no row was left'}"


def _reason(m: Measurement, what: str) -> str:
    """The explanation, where there is one; else what can be seen of the worst element or of the rows."""
    if m.explanation:
        return m.explanation
    if what == "row_sum_off" and m.row_sum is not None and not m.incidence.wrong_nan:
        return f"rows sum to {m.row_sum.min:.9g} at the least and {m.row_sum.max:.9g} at the most"
    if what == "argmax_flips" and m.argmax_flips is not None:
        return f"in {m.argmax_flips:,} of {m.rows:,} rows another class comes out largest"
    nan_rows = 0 if m.incidence.undefined else m.rows_hit.nan
    rows = {"nan": nan_rows, "overflow": m.rows_hit.overflow, "underflow": m.rows_hit.underflow}.get(what)
    words = {"nan": "nan", "overflow": "inf", "underflow": "a wrong 0"}
    hit = f"{words[what]} in {rows:,} of {m.rows:,} rows; " if rows else ""
    if m.worst is None:
        return hit.removesuffix("; ") or f"no {what} was found"
    return f"{hit}the worst is {m.worst.got:.9g} for {m.worst.exact} in row {m.worst.row}"
