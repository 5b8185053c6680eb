"""In what precision results were computed that are of a wider format: seen by what they have in common."""

from __future__ import annotations

import numpy as np

from overflowscope import formats
from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.records import Reference

TELLING = 8
"""So many different results are needed to say anything: one alone may be a bound that results are clipped to."""
SAMPLE = 4096
"""Results of a block that are looked at, the first."""

Kept = tuple[tuple[frozenset[float], bool], ...]
"""Of each narrower format some of the telling results, TELLING at most, and whether all results are numbers of it."""


def narrower(fmt: Format) -> list[Format]:
    """Formats of fewer bits whose every number is one of ``fmt``, those of the fewest first."""
    found = (f for f in FORMATS.values() if fmt.holds(f) and f.precision < fmt.precision)
    return sorted(found, key=lambda f: (f.precision, f.emax))


def kept(got: Floats, truth: Reference, logits: Floats, bounded: bool) -> Kept:
    """Of each narrower format, which results are telling, and whether all results are numbers of it.

    ``logits`` is (rows, classes), ``got`` has a row for each; ``bounded`` are results that are made of numbers of at
    most 1 (probabilities, gradients), and not of logits.

    All that are looked at: those whose truth, correctly rounded, is no number of the narrower format, and that are
    finite and no power of two (nor 0), which are numbers of any. Of these, what cancellation may have left is telling
    nothing: x - y of sizes near m is a whole multiple of ulp(m), and has p bits at most where it is below 2**p ulp(m).
    """
    sizes = np.max(np.abs(logits), axis=-1, where=np.isfinite(logits) & (not bounded), initial=1.0)
    width = max(got.size // max(len(got), 1), 1)
    got, right, above = (a.ravel()[:SAMPLE] for a in (got, truth.below, truth.above))
    with np.errstate(all="ignore"):
        usable = (right == above) & np.isfinite(right) & np.isfinite(got) & (np.abs(np.frexp(got)[0]) > 0.5)
        places = np.flatnonzero(usable)
        got, right = got[places], right[places]
        ulps = np.ldexp(1.0, np.frexp(sizes[places // width])[1] - truth.fmt.precision)
        return tuple(_of(fmt, got, right, ulps) for fmt in narrower(truth.fmt))


def _of(fmt: Format, got: Floats, right: Floats, ulps: Floats) -> tuple[frozenset[float], bool]:
    other = formats.round_to(right, fmt) != right
    telling = np.unique(got[other & (np.abs(got) >= 2.0**fmt.precision * ulps)])
    return frozenset(telling[:TELLING].tolist()), bool((formats.round_to(got, fmt) == got)[other].all())


def together(mine: Kept, others: Kept) -> Kept:
    """What both tell; of what was not looked at, nothing."""
    if not mine or not others:
        return mine or others
    return tuple((frozenset(sorted(a | c)[:TELLING]), b and d) for (a, b), (c, d) in zip(mine, others, strict=True))


def computes(fmt: Format, found: Kept) -> str | None:
    """The narrowest format of which all results are numbers; None where there is none, or few tell anything."""
    for narrow, (telling, all_of_them) in zip(narrower(fmt), found, strict=False):
        if len(telling) >= TELLING and all_of_them:
            return narrow.name
    return None
