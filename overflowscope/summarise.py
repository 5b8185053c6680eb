"""A Tally as the record that people and scripts see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from mpmath.libmp import from_float, mpf_abs, mpf_add, mpf_shift, mpf_sub, to_str

from overflowscope.arithmetic.strict import Model
from overflowscope.formats import Format
from overflowscope.records import (
    FAILURES,
    Decided,
    Incidence,
    Largest,
    Measurement,
    Outcome,
    Range,
    RowsHit,
    Spread,
    Ulp,
    Worst,
)
from overflowscope.tally import Element, Extreme, Sample, Tally

DIGITS = 20


@dataclass(frozen=True)
class Label:
    """What was measured: the fields of a Measurement that name it."""

    operation: str
    formulation: str | None
    implementation: str
    version: str | None
    fmt: Format
    compute: Format
    scale: float | None
    per_class: bool
    probabilities: bool
    leading: tuple[int, ...]
    model: Model | None = None
    quantity: str = "value"


def summarise(label: Label, tally: Tally, returned: str, unmeasured: tuple[str, str] | None = None) -> Measurement:
    """The measurement that a tally is, without its explanation but for why it was not made: (status, why)."""
    outcome = dict(zip(Outcome, tally.outcomes, strict=True))
    measured = tally.ulps.count + tally.ulps.infinite
    share = tally.correct / measured if measured else None
    model = label.model
    of_rows = label.probabilities and tally.sums.max >= tally.sums.min
    return Measurement(
        operation=label.operation,
        formulation=label.formulation,
        implementation=label.implementation,
        version=label.version,
        dtype=label.fmt.name,
        arithmetic="native" if model is None else "strict",
        compute=label.compute.name,
        sum_order="native" if model is None else model.order,
        accumulator="native" if model is None else (model.accumulator or label.compute).name,
        quantity=label.quantity,
        status=unmeasured[0] if unmeasured else "ok",
        scale=label.scale,
        rows=tally.rows,
        elements=tally.elements,
        incidence=_incidence(tally, outcome),
        rows_hit=RowsHit(
            nan=tally.rows_nan,
            inf=tally.rows_inf,
            overflow=tally.rows_by_outcome[Outcome.OVERFLOW],
            underflow=tally.rows_by_outcome[Outcome.UNDERFLOW],
            any=tally.rows_failed,
        ),
        ulp=Ulp(
            max=_largest(tally.ulps.max),
            mean=tally.ulps.mean,
            p50=_quantile(tally.ulps, 0.5),
            p99=_quantile(tally.ulps, 0.99),
            count=tally.ulps.count,
            infinite=tally.ulps.infinite,
            correctly_rounded=share,
        ),
        bits=Spread(max=_largest(tally.bits.max), mean=tally.bits.mean),
        relative=Spread(max=_largest(tally.relative.max), mean=tally.relative.mean),
        absolute=Largest(max=_largest(tally.absolute.max)),
        row_sum=Range(min=tally.sums.min, max=tally.sums.max) if of_rows else None,
        kl=_extreme(tally.divergence, of_rows),
        argmax_flips=tally.flips if of_rows else None,
        lost_mass=_extreme(tally.lost, of_rows),
        worst=_worst(label, tally),
        reference=Decided(
            elements=tally.defined, balls=tally.by_balls, intervals=tally.by_intervals, undecided=tally.never
        ),
        failures=failures(tally),
        returned=returned,
        explanation=": ".join(unmeasured) if unmeasured else None,
        undefined_row=None if tally.undefined.min == math.inf else int(tally.undefined.min),
    )


def failures(tally: Tally) -> tuple[str, ...]:
    """What went wrong, worst first: nan, overflow, underflow, saturated, row_sums (far from 1 without a nan)."""
    outcome = dict(zip(Outcome, tally.outcomes, strict=True))
    found = [o.name.lower() for o in FAILURES if outcome[o]]
    return tuple(found + (["row_sums"] if tally.rows_off else []))


def _incidence(tally: Tally, outcome: dict[Outcome, int]) -> Incidence:
    return Incidence(
        nan=tally.nan,
        inf=tally.inf,
        zero=tally.zero,
        subnormal=tally.subnormal,
        overflow=outcome[Outcome.OVERFLOW],
        underflow=outcome[Outcome.UNDERFLOW],
        saturated=outcome[Outcome.SATURATED],
        vanished=tally.vanished,
        exceeds=tally.exceeds,
        undefined=outcome[Outcome.UNDEFINED],
        input_overflow=outcome[Outcome.INPUT_OVERFLOW],
        undecided=outcome[Outcome.UNDECIDED],
        wrong_nan=outcome[Outcome.NAN],
        ok=outcome[Outcome.OK],
    )


def _largest(value: float) -> float | None:
    return None if value == -math.inf else value


def _extreme(value: Extreme, computed: bool) -> Largest | None:
    return Largest(max=_largest(value.max)) if computed else None


def _quantile(sample: Sample, share: float) -> float | None:
    """Clipped to the largest, which a bin's middle may exceed."""
    value = sample.quantile(share)
    return None if value is None else min(value, sample.max)


def _worst(label: Label, tally: Tally) -> Worst | None:
    if tally.worst is None:
        return None
    row, got = -tally.worst.minus_row, tally.worst.got
    place = tuple(int(i) for i in np.unravel_index(row, label.leading)) if label.leading else ()
    return Worst(
        row=row,
        index=(*place, -tally.worst.minus_column) if label.per_class else place,
        got=got,
        got_hex=got.hex(),
        exact=exact(tally.worst),
    )


def exact(element: Element) -> str:
    """The decimal digits of the element's truth."""
    return digits(element.head, element.tail, element.exponent, element.radius)


def digits(head: float, tail: float, exponent: int, radius: float) -> str:
    """The decimal digits, 20 at most, that every number of an enclosure (see Reference) shares once rounded to them."""
    if math.isinf(head) or head == 0:
        return "0" if head == 0 else str(head)
    middle = mpf_add(from_float(head), from_float(tail))
    width = from_float(min(radius, 2.0**1000))
    ends = [mpf_shift(f(middle, width), exponent) for f in (mpf_sub, mpf_add)]
    for n in range(DIGITS, 0, -1):
        low, high = (to_str(end, n) for end in ends)
        if low == high:
            return str(low.removesuffix(".0"))
    # Three digits are within 2**-7 of the number: ends moved outward by 2**-6 still enclose it.
    low, high = (
        to_str(f(end, mpf_shift(mpf_abs(end), -6)), 3) for f, end in zip((mpf_sub, mpf_add), ends, strict=True)
    )
    return f"between {low} and {high}"
