"""Summaries of measurements that merge exactly, in any order: counts, extremes, histograms and exact sums."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Histogram(Mapping[int, int]):
    """How many of some numbers lie in each bin, by its number; those of a stretch of bins as one array.

    The number of a bin is the leading bits of the doubles in it: their exponent's and 6 of their significand's, a
    subnormal's as if exponents went on below 0. Zeros are in a bin of their own, ZERO.
    """

    ZERO = -(10**6)

    def __init__(self, lowest: int = 0, counts: NDArray[np.int64] | None = None, zeros: int = 0) -> None:
        self.lowest, self.zeros = lowest, zeros
        self.counts = np.zeros(0, np.int64) if counts is None else counts

    @staticmethod
    def of(values: Floats) -> Histogram:
        """Of finite numbers that are not negative."""
        if not values.size:
            return Histogram()
        # Positive doubles are in the order of their bits.
        keys = values.view(np.int64) >> 46
        lowest, zeros = int(keys.min()), 0
        if lowest < BINS:
            positive = values[values > 0]
            zeros = values.size - positive.size
            if not positive.size:
                return Histogram(zeros=zeros)
            keys = positive.view(np.int64) >> 46
            subnormal = keys < BINS  # without a leading bit
            keys[subnormal] = ((positive[subnormal] * 2.0**64).view(np.int64) >> 46) - 64 * BINS
            lowest = int(keys.min())
        keys -= lowest
        return Histogram(lowest, np.bincount(keys), zeros)

    def __add__(self, other: Histogram) -> Histogram:
        if not self.counts.size or not other.counts.size:
            one = self if self.counts.size else other
            return Histogram(one.lowest, one.counts, self.zeros + other.zeros)
        lowest = min(self.lowest, other.lowest)
        highest = max(h.lowest + h.counts.size for h in (self, other))
        counts = np.zeros(highest - lowest, np.int64)
        for h in (self, other):
            counts[h.lowest - lowest : h.lowest - lowest + h.counts.size] += h.counts
        return Histogram(lowest, counts, self.zeros + other.zeros)

    def __getitem__(self, key: int) -> int:
        count = 0
        if key == self.ZERO:
            count = self.zeros
        elif 0 <= key - self.lowest < self.counts.size:
            count = int(self.counts[key - self.lowest])
        if not count:
            raise KeyError(key)
        return count

    def __iter__(self) -> Iterator[int]:
        """The bins that are not empty, in the order of what is in them."""
        yield from [self.ZERO] if self.zeros else []
        yield from (np.flatnonzero(self.counts) + self.lowest).tolist()

    def __len__(self) -> int:
        return int(np.count_nonzero(self.counts)) + (self.zeros > 0)

    def at(self, rank: int) -> int | None:
        """The bin of the number of that rank, the smallest having rank 1; None where there are fewer."""
        if rank <= self.zeros:
            return self.ZERO
        place = int(np.searchsorted(np.cumsum(self.counts), rank - self.zeros))
        return self.lowest + place if place < self.counts.size else None

    @classmethod
    def middle(cls, key: int) -> float:
        """The middle of a bin."""
        octave, place = divmod(key, BINS)
        return 0.0 if key == cls.ZERO else math.ldexp(1 + (place + 0.5) / BINS, octave - 1023)


@dataclass(frozen=True)
class Sample:
    """Non-negative errors: the largest, the exact sum and a histogram of the finite ones, and how many are infinite."""

    max: float = -math.inf
    total: Fraction = Fraction(0)
    histogram: Histogram = field(default_factory=Histogram)
    count: int = 0
    infinite: int = 0

    @staticmethod
    def of(values: Floats, binned: bool = True) -> Sample:
        """Of numbers without nan; without a histogram, and so without quantiles, where it is not ``binned``."""
        largest = float(values.max()) if values.size else -math.inf
        finite = values[np.isfinite(values)] if largest == math.inf else values
        histogram = Histogram.of(finite) if binned else Histogram()
        return Sample(largest, exact_sum(finite), histogram, finite.size, values.size - finite.size)

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            max(self.max, other.max),
            self.total + other.total,
            self.histogram + other.histogram,
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
        key = self.histogram.at(rank)
        return None if key is None else Histogram.middle(key)


def exact_sum(values: Floats) -> Fraction:
    """The sum of finite doubles, without rounding.

    The leading bits of all of them are cut off on one grid and added, then those of what is left, until little is
    left (after Rump, Ogita, Oishi, Accurate floating-point summation I (2008), 3). Let |x| <= 2**m for n numbers x,
    2 <= n <= 2**l <= 2**50, S = 1.5 2**(m + l) and u = 2**(m + l - 52). S + x lies in the binade of S, of which u is
    the ulp, hence is rounded to a multiple of u; S less, exactly, it is the multiple of u nearest to x and at most
    2**m, so that n of them add up to at most 2**52 u: exact in any order. x less it is exact, being the error of an
    addition, and at most u/2 = 2**(m + l - 53).
    """
    total, rest = Fraction(0), values
    largest = max(float(values.max()), -float(values.min())) if values.size else 0.0
    if not largest:
        return total
    if largest < 2.0**900:
        grid = max(1, (values.size - 1).bit_length())
        m = math.frexp(largest)[1]
        for _ in range(LEVELS):
            if m + grid < -900:
                break
            s = math.ldexp(1.5, m + grid)
            part = rest + s
            part -= s
            total += Fraction(float(part.sum()))
            rest = np.subtract(rest, part, out=part)
            m += grid - 53
        rest = rest[np.flatnonzero(rest != 0)]
    return total + _sum_by_exponent(rest) if rest.size else total


LEVELS = 2
"""Cuts before what is left is small: the errors of a block seldom have bits further apart."""


def _sum_by_exponent(values: Floats) -> Fraction:
    """``exact_sum`` of any doubles.

    Significands are added exponent by exponent as two halves of 27 and 26 bits, whose sums stay exact in a double
    below 2**26 terms.
    """
    total = Fraction(0)
    for part in np.array_split(values, max(1, -(-values.size // 2**25))):
        mantissa, exponent = np.frexp(part)
        significand = np.ldexp(mantissa, 53).astype(np.int64)
        lowest = int(exponent.min())
        place = exponent - lowest
        high = np.bincount(place, weights=(significand >> 26).astype(np.float64))
        low = np.bincount(place, weights=(significand & (2**26 - 1)).astype(np.float64))
        whole = sum(((int(h) << 26) + int(w)) << i for i, (h, w) in enumerate(zip(high, low, strict=True)))
        total += Fraction(whole) * Fraction(2) ** (lowest - 53)
    return total


NARROW = 128
"""Rows of so few numbers are best kept class by class, as Fortran does: NumPy is slow along short axes."""


def row_sums(values: Floats) -> Floats:
    """The sum of each row (the last axis) of non-negative doubles, as if in 100 bits and rounded once.

    Halves are added by error-free sums (Knuth, TwoSum), the errors beside them. After L halvings the low parts are
    below L 2**-53 of the sum, and adding them up costs below 2 L**2 2**-106 of it, beside the last rounding's 2**-53.
    """
    high, low = values, None
    while (n := high.shape[-1]) > 1:
        half = n // 2
        if n <= NARROW:
            high, low = np.asfortranarray(high), None if low is None else np.asfortranarray(low)
        a, b = high[..., :half], high[..., half : 2 * half]
        s = a + b
        t = s - a
        error = b - t
        np.subtract(s, t, out=t)
        np.subtract(a, t, out=t)
        error += t
        if low is not None:
            error += low[..., :half]
            error += low[..., half : 2 * half]
        if n % 2:
            last = high[..., 2 * half :]
            error = np.concatenate([error, np.zeros_like(last) if low is None else low[..., 2 * half :]], axis=-1)
            s = np.concatenate([s, last], axis=-1)
        high, low = s, error
    total: Floats = (high if low is None else np.where(np.isfinite(high), high + low, high))[..., 0].copy()
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
