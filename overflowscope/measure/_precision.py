"""In what precision results were computed that are of a wider format: seen by what they have in common."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.records import Reference

TELLING = 8
"""So many results, all different, are needed to say anything."""
SAMPLE = 4096
"""Results of a block that are looked at, the first."""
APART = 16
"""By so much a narrower format is to be coarser than what rounding alone leaves of a number."""

Kept = tuple[tuple[int, int], ...]


def narrower(fmt: Format) -> list[Format]:
    """Formats of fewer bits whose every number is one of ``fmt``, those of the fewest first."""
    found = (f for f in FORMATS.values() if fmt.holds(f) and f.precision < fmt.precision)
    return sorted(found, key=lambda f: (f.precision, f.emax))


def kept(got: Floats, truth: Reference, logits: Floats, probabilities: bool) -> Kept:
    """Of each narrower format, how many different telling results there are, and how many results are none of it.

    A result tells something where the truth, correctly rounded, is no number of the narrower format, and the result
    itself is finite, no power of two (nor 0), which are numbers of any, and, but for ``probabilities``, large enough
    that the narrower format is coarser there than what rounding at the size of the logits (rows, classes) leaves.
    """
    # What is added and subtracted on the way is at most S = 2 max|x| + log(n) + 1, with rounding errors of ulp(S):
    # where it cancels, as in logsumexp(x) - x_y, what is left is a multiple of a power of two near that, which has few
    # bits in any arithmetic. Numbers on such a grid fit one that is APART times as coarse with chance 1/APART each.
    # Probabilities come last out of exp or a quotient, of which all bits are in use.
    rows = max(1, -(-SAMPLE * len(got) // max(1, got.size)))
    grid = np.zeros(got.shape) if probabilities else _grid(logits[:rows], truth.fmt, got[:rows])
    got, right, above, grid = (a[:rows].ravel()[:SAMPLE] for a in (got, truth.below, truth.above, grid))
    with np.errstate(all="ignore"):
        usable = (right == above) & np.isfinite(right) & np.isfinite(got) & (np.abs(np.frexp(got)[0]) > 0.5)
        got, right, grid = got[usable], right[usable], grid[usable]
        exponent = np.frexp(got)[1] - 1
        counts = []
        for fmt in narrower(truth.fmt):
            quantum = np.ldexp(1.0, np.maximum(exponent, fmt.emin) - fmt.precision + 1)
            telling = (formats.round_to(right, fmt) != right) & (quantum >= APART * grid)
            others = np.count_nonzero(formats.round_to(got, fmt) != got)
            counts.append((np.unique(got[telling]).size, int(others)))
    return tuple(counts)


def _grid(logits: Floats, fmt: Format, like: NDArray[np.float64]) -> Floats:
    """The ulp of the largest number on the way, per row, in the shape of the results; logits beyond 2**1000 aside."""
    sizes = np.max(np.abs(logits), axis=-1, initial=0.0, where=np.abs(logits) < 2.0**1000)
    largest = 2 * sizes + (math.log(logits.shape[-1]) + 1)
    exponent = np.maximum(np.frexp(largest)[1] - 1, fmt.emin)
    grid = np.ldexp(1.0, exponent - fmt.precision + 1)
    return np.broadcast_to(grid.reshape(-1, *(1,) * (like.ndim - 1)), like.shape)


def together(mine: Kept, others: Kept) -> Kept:
    """Of both: the more there are in one of them, so that what repeats is not counted twice, and all that are none."""
    if not mine or not others:
        return mine or others
    return tuple((max(a, c), b + d) for (a, b), (c, d) in zip(mine, others, strict=True))


def computes(fmt: Format, counts: Kept) -> str | None:
    """The narrowest format of which all results are numbers; None where there is none, or few tell anything."""
    for narrow, (telling, others) in zip(narrower(fmt), counts, strict=False):
        if telling >= TELLING and not others:
            return narrow.name
    return None
