"""Summaries of measurements that merge exactly, in any order: counts, extremes, histograms and exact sums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from overflowscope.formats import Floats

BINS = 64
"""Histogram bins in an octave, of equal width: a quantile is known to 1/64 of its value."""


@dataclass(frozen=True)
class Extreme:
    """The smallest and the largest of some numbers, nan excluded; (inf, -inf) of none."""

    min: float = math.inf
    max: float = -math.inf

    @staticmethod
    def of(values: Floats) -> Extreme:
        return Extreme(float(values.min()), float(values.max())) if values.size else Extreme()

    def __add__(self, other: Extreme) -> Extreme:
        return Extreme(min(self.min, other.min), max(self.max, other.max))


@dataclass(frozen=True)
class Sample:
    """Non-negative errors: the largest, the exact sum and a histogram of the finite ones, and how many are infinite."""

    max: float = -math.inf
    total: Fraction = Fraction(0)
    histogram: Mapping[int, int] = field(default_factory=dict)
    count: int = 0
    infinite: int = 0

    @staticmethod
    def of(values: Floats) -> Sample:
        finite = values[np.isfinite(values)]
        largest = float(values.max()) if values.size else -math.inf
        return Sample(largest, exact_sum(finite), _histogram(finite), finite.size, values.size - finite.size)

    def __add__(self, other: Sample) -> Sample:
        keys = self.histogram.keys() | other.histogram.keys()
        return Sample(
            max(self.max, other.max),
            self.total + other.total,
            {k: self.histogram.get(k, 0) + other.histogram.get(k, 0) for k in keys},
            self.count + other.count,
            self.infinite + other.infinite,
        )

    @property
    def mean(self) -> float | None:
        """Of the finite ones; None of none."""
        return float(self.total / self.count) if self.count else None

    def quantile(self, share: float) -> float | None:
        """Of the finite ones: the middle of the bin that holds the number of rank ceil(share * count); None of none."""
        rank = max(1, math.ceil(share * self.count))
        for key in sorted(self.histogram):
            rank -= self.histogram[key]
            if rank <= 0:
                return _middle_of(key)
        return None


ZERO_BIN = -(10**6)


def _histogram(values: Floats) -> dict[int, int]:
    mantissa, exponent = np.frexp(values)
    # The mantissa lies in [1/2, 1): its bin is exact arithmetic, the same everywhere.
    keys = np.where(values == 0, ZERO_BIN, exponent * BINS + np.floor((mantissa - 0.5) * (2 * BINS)))
    found, counts = np.unique(keys.astype(np.int64), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _middle_of(key: int) -> float:
    octave, place = divmod(key, BINS)
    return 0.0 if key == ZERO_BIN else math.ldexp(0.5 + (place + 0.5) / (2 * BINS), octave)


def exact_sum(values: Floats) -> Fraction:
    """The sum of finite doubles, without rounding.

    Significands are added exponent by exponent as two halves of 27 and 26 bits, whose sums stay exact in a double
    below 2**26 terms.
    """
    total = Fraction(0)
    for part in np.array_split(values, max(1, -(-values.size // 2**25))):
        if not part.size:
            continue
        mantissa, exponent = np.frexp(part)
        significand = np.ldexp(mantissa, 53).astype(np.int64)
        lowest = int(exponent.min())
        place = exponent - lowest
        high = np.bincount(place, weights=(significand >> 26).astype(np.float64))
        low = np.bincount(place, weights=(significand & (2**26 - 1)).astype(np.float64))
        whole = sum(((int(h) << 26) + int(w)) << i for i, (h, w) in enumerate(zip(high, low, strict=True)))
        total += Fraction(whole) * Fraction(2) ** (lowest - 53)
    return total


def row_sums(values: Floats) -> Floats:
    """The sum of each row (the last axis) of non-negative doubles, as if in 100 bits and rounded once.

    Halves are added by error-free sums (Knuth, TwoSum), the errors beside them. After L halvings the low parts are
    below L 2**-53 of the sum, and adding them up costs below 2 L**2 2**-106 of it, beside the last rounding's 2**-53.
    """
    high, low = values, np.zeros_like(values)
    while (n := high.shape[-1]) > 1:
        half = n // 2
        a, b = high[..., :half], high[..., half : 2 * half]
        s = a + b
        t = s - a
        error = (a - (s - t)) + (b - t) + low[..., :half] + low[..., half : 2 * half]
        high = np.concatenate([s, high[..., 2 * half :]], axis=-1)
        low = np.concatenate([error, low[..., 2 * half :]], axis=-1)
    total: Floats = np.where(np.isfinite(high), high + low, high)[..., 0]
    return total


class Element(NamedTuple):
    """An element and its truth, as Reference has it; row and column are negated, so that the first is the largest."""

    error: float
    minus_row: int
    minus_column: int
    got: float
    head: float
    tail: float
    exponent: int
    radius: float


@dataclass(frozen=True)
class Tally:
    """All that is kept of the elements measured.

    ``outcomes`` and ``rows_by_outcome`` count elements and rows by Outcome. ``worst`` is the element with the largest
    error, ``failed`` that of the gravest failure, after minus its Outcome, and ``worst_sum`` a row, negated, after the
    distance of its sum: of each, the largest tuple is the first of the worst. ``undefined`` spans the numbers of the
    rows without a truth.
    """

    rows: int = 0
    elements: int = 0
    outcomes: tuple[int, ...] = (0,) * 8
    nan: int = 0
    inf: int = 0
    zero: int = 0
    subnormal: int = 0
    vanished: int = 0
    exceeds: int = 0
    rows_nan: int = 0
    rows_inf: int = 0
    rows_by_outcome: tuple[int, ...] = (0,) * 8
    rows_failed: int = 0
    rows_off: int = 0
    defined: int = 0
    by_balls: int = 0
    by_intervals: int = 0
    never: int = 0
    correct: int = 0
    flips: int = 0
    ulps: Sample = Sample()
    bits: Sample = Sample()
    relative: Sample = Sample()
    absolute: Extreme = Extreme()
    sums: Extreme = Extreme()
    divergence: Extreme = Extreme()
    lost: Extreme = Extreme()
    undefined: Extreme = Extreme()
    worst: Element | None = None
    failed: tuple[int, Element] | None = None
    worst_sum: tuple[float, int] | None = None

    def __add__(self, other: Tally) -> Tally:
        merged: dict[str, Any] = {}
        for f in fields(self):
            mine, others = getattr(self, f.name), getattr(other, f.name)
            if f.name in ("worst", "failed", "worst_sum"):
                merged[f.name] = max((w for w in (mine, others) if w is not None), default=None)
            elif isinstance(mine, tuple):
                merged[f.name] = tuple(a + b for a, b in zip(mine, others, strict=True))
            else:
                merged[f.name] = mine + others
        return Tally(**merged)
