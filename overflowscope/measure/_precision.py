"""In what precision results were computed that are of a wider format: seen by what they have in common."""

from __future__ import annotations

import numpy as np

from overflowscope import formats
from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.records import Reference

TELLING = 8
"""So many results are needed to say anything."""
SAMPLE = 4096
"""Results of a block that are looked at, the first."""

Kept = tuple[tuple[int, int], ...]


def narrower(fmt: Format) -> list[Format]:
    """Formats of fewer bits whose every number is one of ``fmt``, those of the fewest first."""
    found = (f for f in FORMATS.values() if fmt.holds(f) and f.precision < fmt.precision)
    return sorted(found, key=lambda f: (f.precision, f.emax))


def kept(got: Floats, truth: Reference) -> Kept:
    """Of each narrower format, how many results are telling, and how many of these are numbers of it.

    A result tells something where the truth, correctly rounded, is no number of the narrower format, and the result
    itself is finite and no power of two (nor 0), which are numbers of any.
    """
    got, right, above = (a.ravel()[:SAMPLE] for a in (got, truth.below, truth.above))
    with np.errstate(all="ignore"):
        usable = (right == above) & np.isfinite(right) & np.isfinite(got) & (np.abs(np.frexp(got)[0]) > 0.5)
        got, right = got[usable], right[usable]
        counts = []
        for fmt in narrower(truth.fmt):
            telling = formats.round_to(right, fmt) != right
            found = got[telling]
            counts.append((found.size, int(np.count_nonzero(formats.round_to(found, fmt) == found))))
    return tuple(counts)


def together(mine: Kept, others: Kept) -> Kept:
    """The counts of both; none of what was not looked at."""
    if not mine or not others:
        return mine or others
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(mine, others, strict=True))


def computes(fmt: Format, counts: Kept) -> str | None:
    """The narrowest format of which all telling results are numbers; None where there is none, or few tell anything."""
    for narrow, (telling, all_of_them) in zip(narrower(fmt), counts, strict=False):
        if telling >= TELLING and telling == all_of_them:
            return narrow.name
    return None
