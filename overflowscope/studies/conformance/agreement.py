"""When two answers are the same one: special values by kind, numbers to half of their bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from overflowscope.formats import Floats, Format
from overflowscope.records.conformance import LIMIT, Agreement, Answer, Case


def agree(given: Floats, other: Floats, fmt: Format) -> bool:
    """Whether every element of ``given`` agrees with that of ``other``, numbers of the format in arrays of one shape.

    nan agrees with nan, an infinity with that infinity, 0 with 0 of either sign, and numbers other than 0 where they
    are apart by log2(1 + d/ulp) <= precision/2, the ulp that of ``other``: where half of the bits are right.
    """
    # Lemma. The comparison is exact. Let b be the other, t = 2**(p/2) - 1 the bound in its ulps. Where |a - b| is at
    # most t + 1 ulps, a is no smaller than b/2 or both are below the normal range: then a - b is a multiple of half
    # an ulp, below 2**27 of them, and so a double, as is its quotient by a power of two. Where it is more, rounding,
    # which keeps order, leaves it at t + 1 at least. For p odd t is no such multiple, so rounding it moves nothing.
    with np.errstate(all="ignore"):
        ulp = np.ldexp(1.0, np.maximum(np.frexp(other)[1] - 1, fmt.emin) - fmt.precision + 1)
        near = np.abs(given - other) / ulp <= 2.0 ** (fmt.precision / 2) - 1
    near &= np.isfinite(given) & np.isfinite(other) & (given != 0) & (other != 0)
    return bool(np.all(near | (given == other) | (np.isnan(given) & np.isnan(other))))


def counted(cases: Iterable[Case], names: Sequence[str], conventions: Sequence[str]) -> tuple[Agreement, ...]:
    """Of every implementation and every convention but itself."""
    answers = [answer for case in cases for answer in case.answers]
    return tuple(
        _counted([a for a in answers if a.name == name], name, convention)
        for name in names
        for convention in conventions
        if convention == LIMIT or convention != name
    )


def _counted(answers: Sequence[Answer], name: str, convention: str) -> Agreement:
    known = [a.agrees[convention] for a in answers if a.agrees.get(convention) is not None]
    return Agreement(name=name, convention=convention, agree=sum(map(bool, known)), cases=len(known))
