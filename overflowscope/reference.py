"""The truth, as enclosures: the limits of rows with infinities, and a ladder of precisions for all others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mpmath.libmp import finf, fninf, fzero, mpf_add, mpf_shift, mpf_sub
from numpy.typing import NDArray

from overflowscope.arithmetic.intervals import Element, Indeterminate, Intervals, Raw
from overflowscope.catalogue import Operation
from overflowscope.formats import Floats, Format, round_parts
from overflowscope.records import Reference, State

LADDER = (128, 256, 512, 1024, 2048, 4096)
"""Working precisions. An element climbs until its rounding is decided and its enclosure narrower than NARROW."""
NARROW = 2.0**-80
"""Relative radius wanted of an enclosure: 2**-27 ulp of float64, so that measured errors are the real ones."""
FAR = 2**40
"""Exponents below -FAR are not kept: only the exp of numbers below -7 * 10**11 has them, and all of it is tiny."""
BATCH = 4096
"""Elements taken together."""


def reference(
    operation: Operation,
    logits: Floats,
    labels: NDArray[np.int64] | None,
    fmt: Format,
    lost_rows: NDArray[np.bool_] | None = None,
    *,
    ladder: str = "auto",
) -> Reference:
    """The truth of ``operation`` on ``logits`` (rows, classes), numbers of the format given as float64.

    ``lost_rows`` (rows,) marks rows of which a logit overflowed when it was rounded to the format: nothing is
    computed for them. Rows with nan are undefined; rows with infinities have the limits that the operation states.
    ``ladder`` is "auto", or "mpmath" for intervals alone.
    """
    truth = _blank(operation.shape(logits), fmt)
    rows = np.arange(len(logits))
    lost = np.zeros(len(logits), np.bool_) if lost_rows is None else lost_rows
    truth.state[lost] = State.INPUT_OVERFLOW
    special = ~lost & (np.isnan(logits).any(-1) | (logits == np.inf).any(-1) | (logits == -np.inf).all(-1))
    if special.any():
        _store_limits(truth, special, operation.limit(*_rows(operation, logits, labels, special)))
    ordinary = rows[~lost & ~special]
    step = max(1, BATCH // logits.shape[1])
    for start in range(0, len(ordinary), step):
        _climb(truth, ordinary[start : start + step], operation, logits, labels)
    return truth


def _rows(
    operation: Operation, logits: Floats, labels: NDArray[np.int64] | None, rows: NDArray[Any]
) -> tuple[Any, ...]:
    return operation.arguments(logits[rows], None if labels is None else labels[rows])


def _blank(shape: tuple[int, ...], fmt: Format) -> Reference:
    zeros = [np.zeros(shape) for _ in range(5)]
    return Reference(
        fmt=fmt,
        head=zeros[0],
        tail=zeros[1],
        exponent=np.zeros(shape, np.int64),
        radius=zeros[2],
        below=zeros[3],
        above=zeros[4],
        state=np.zeros(shape, np.uint8),
        rung=np.zeros(shape, np.uint8),
    )


def _store_limits(truth: Reference, rows: NDArray[np.bool_], limits: Floats) -> None:
    """Limits are 0, 1 or an infinity, which every format rounds to itself, or nan where there is none."""
    truth.state[rows] = np.where(np.isnan(limits), State.UNDEFINED, State.DEFINED)
    truth.head[rows] = np.nan_to_num(limits, nan=0.0, posinf=np.inf, neginf=-np.inf)
    truth.below[rows] = truth.above[rows] = truth.head[rows]


def _climb(
    truth: Reference, rows: NDArray[Any], operation: Operation, logits: Floats, labels: NDArray[np.int64] | None
) -> None:
    """Store the enclosures of these rows, row by row at the first precision that settles all of its elements."""
    for bits in LADDER:
        xp = Intervals(bits)
        numbers, *given = _rows(operation, logits, labels, rows)
        try:
            elements = operation.identity(xp, xp.asarray(numbers), *given).elements
        except Indeterminate:
            continue
        found, settled = _numbers(elements, truth.fmt)
        for name, values in found.items():
            getattr(truth, name)[rows] = values
        truth.rung[rows] = 2
        unsettled = ~settled
        rows = rows[unsettled if unsettled.ndim == 1 else unsettled.any(-1)]
        if not len(rows):
            return
    never = rows[np.all(truth.rung[rows].reshape(len(rows), -1) == 0, axis=-1)]
    truth.below[never], truth.above[never], truth.radius[never] = -np.inf, np.inf, np.inf


def _numbers(elements: NDArray[Any], fmt: Format) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """Enclosures as the arrays of a Reference, by their names, and which elements need no further precision."""
    flat = elements.ravel().tolist()
    head, tail, exponent, radius = np.array([_middle(e) for e in flat], np.float64).T
    below, low_binade = _rounded([_end(lo, 1 if missed else 0) for lo, _, missed, _ in flat], fmt)
    above, high_binade = _rounded([_end(hi, -1 if missed else 0) for _, hi, _, missed in flat], fmt)
    # The ulp of the truth is known where both ends lie in one binade, or below the normal range.
    one_ulp = (low_binade == high_binade) | (np.maximum(low_binade, high_binade) < fmt.emin)
    narrow = (radius <= NARROW) | (exponent == -FAR)
    settled = (below == above) & one_ulp & narrow
    found = {
        "head": head,
        "tail": tail,
        "exponent": exponent.astype(np.int64),
        "radius": radius,
        "below": below,
        "above": above,
    }
    return {name: values.reshape(elements.shape) for name, values in found.items()}, settled.reshape(elements.shape)


def _middle(element: Element) -> tuple[float, float, int, float]:
    """(head, tail, exponent, radius) of an enclosure, as Reference states them.

    The midpoint is cut to 200 bits and then to 106, which moves it by less than 2**-104 of 2**exponent; the half
    width is rounded up to 30 bits and then taken 2**-40 larger for its conversion to a double. What is smaller than
    2**-FAR is only said to lie between 0 and 2 * 2**-FAR: every format rounds it to 0.
    """
    lo, hi = element[0], element[1]
    if lo == hi and lo in (fzero, finf, fninf):
        return {fzero: 0.0, finf: math.inf, fninf: -math.inf}[lo], 0.0, 0, 0.0
    if fninf in (lo, hi) or finf in (lo, hi):
        return 0.0, 0.0, 0, math.inf
    # Toward zero, as the cut below: a number just short of a power of two keeps its binade, and so its ulp.
    sign, man, exp, length = mpf_shift(lo, 1) if lo == hi else mpf_add(lo, hi, 200, "d")
    half = mpf_sub(hi, lo, 30, "c")
    if not man:
        return 0.0, 0.0, half[2] + half[3], 1.0
    cut = length - 106
    man = int(man << -cut if cut < 0 else man >> cut)
    exponent = exp + length - 2  # of the leading bit, of the sum halved
    if exponent < -FAR:
        return (-1.0 if sign else 1.0), 0.0, -FAR, 1.0
    width = 0.0 if half == fzero else math.ldexp(int(half[1]), min(max(half[2] - 1 - exponent, -1100), 900))
    moved = 0.0 if lo == hi and cut <= 0 else 2.0**-104
    head, tail = math.ldexp(man >> 53, -52), math.ldexp(man & (2**53 - 1), -105)
    return (-head if sign else head), (-tail if sign else tail), int(exponent), width * (1 + 2.0**-40) + moved


def _end(raw: Raw, beyond: int) -> tuple[int, int, int, bool]:
    """An end of an enclosure as (sign, significand of 62 bits, exponent, sticky), for round_parts.

    ``beyond`` is 1 where the truth lies strictly above the end, -1 where strictly below, 0 where it may equal it. On
    the other side of an end without further bits lies the significand one less, with sticky bits.
    """
    sign, man, exp, length = raw
    if not man:
        infinite = raw in (finf, fninf)
        return (-1 if raw == fninf else 1), (1 << 61 if infinite else 0), (FAR if infinite else -FAR), False
    drop = length - 62
    significand = int(man << -drop if drop < 0 else man >> drop)
    sticky = drop > 0 and bool(man & ((1 << drop) - 1))
    if beyond:
        smaller = (beyond < 0) != bool(sign)
        if smaller and not sticky:
            significand -= 1
        sticky = True
    return (-1 if sign else 1), significand, min(max(int(exp + drop), -FAR), FAR), sticky


def _rounded(ends: list[tuple[int, int, int, bool]], fmt: Format) -> tuple[Floats, NDArray[np.int64]]:
    """The ends rounded to the format, and the exponents of their leading bits (far below for zero)."""
    columns = np.array(ends, np.int64).reshape(-1, 4).T
    sign, significand, exponent, sticky = columns
    rounded = sign * round_parts(significand, exponent, sticky.astype(np.bool_), fmt)
    # A significand that lost its unit at 2**61 lies in the binade below.
    return rounded, exponent + np.where(significand >= 2**61, 61, 60)
