"""What went wrong in a step: found in its own numbers, and judged by whether the result is any worse for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from overflowscope.arithmetic.extended import is_point
from overflowscope.formats import Floats, Format
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.birth import ADDITIVE, DIVISIONS, LOGARITHMS, Chain
from overflowscope.studies.trace.feeds import Mask, places
from overflowscope.studies.trace.history import History, Seen

EXPONENTIALS = {"exp": 1.0, "expm1": 1.0, "exp2": math.log(2.0), "sinh": 1.0, "cosh": 1.0}
"""Functions that grow as exp(c x), by their c."""
NEAR = 0.9
"""An argument within this share of the largest one that exp takes is latent: a little more and it overflows."""
STALLED = 8.0
"""A sum that is so many ulps off on its own account absorbs."""


@dataclass(frozen=True)
class Found:
    """An event: its kind, the elements of the step's result that it befell, and the bits that a cancellation lost.

    A ``faint`` one is worth a word only where it does harm: every sum of numbers of different sizes has it.
    """

    kind: str
    seen: Seen
    mask: Mask
    bits: float | None = None
    faint: bool = False


def largest_argument(name: str, fmt: Format) -> float | None:
    """The largest number that an exponential takes in a format; None for other functions."""
    return fmt.log_largest / EXPONENTIALS[name] if name in EXPONENTIALS else None


def found(seen: Seen) -> Iterator[Found]:
    """All that befell a step's elements, harm or not."""
    finite, no_nan = _everywhere(seen, np.isfinite), _everywhere(seen, lambda a: ~np.isnan(a))
    nan, inf = np.isnan(seen.result) & no_nan, np.isinf(seen.result) & finite
    if not seen.fmt.has_infinity:
        nan, inf = nan & ~finite, inf | (nan & finite & _beyond(seen, nan & finite))
    by_zero = inf & _by_zero(seen)
    zero = (seen.result == 0) & finite & seen.dropped & ~_zero_given(seen)
    yield from _some("overflow", seen, inf & ~by_zero)
    yield from _some("divide", seen, by_zero)
    yield from _some("invalid", seen, nan)
    yield from _some("underflow", seen, zero)
    yield from _some("subnormal", seen, _coarse(seen))
    yield from _cancelled(seen)
    absorbed = _absorbed(seen) & finite
    yield from _some("absorption", seen, absorbed)
    faint = np.asarray(_faint_addends(seen) & ~absorbed)
    if faint.any():
        yield Found("absorption", seen, faint, faint=True)
    if not (inf & ~by_zero).any():
        yield from _some("latent", seen, _latent(seen))


def harmless(event: Found, chains: Sequence[Chain], before: Mapping[int, Mask]) -> bool:
    """Whether the result is no worse for it; ``chains`` say how failures and great losses of bits came about.

    An event that is part of such a chain does harm. What cancels, what absorbs and what loses bits below the normal
    range does so too where it is ``before`` one, for what that costs is seen only later.
    """
    if event.kind == "latent":
        return True
    number, mask = event.seen.number, event.mask
    failing, losing = chains
    harmed = [failing.failing.get(number)]
    if event.kind in ("cancellation", "absorption", "subnormal"):
        harmed.append(losing.failing.get(number))
        if event.bits is None or event.bits >= event.seen.fmt.precision / 2:
            harmed.append(before.get(number))
    return not any(h is not None and (h & mask).any() for h in harmed)


def ancestors(history: History, chains: Sequence[Chain]) -> dict[int, Mask]:
    """All that what was born wrong was made of, by the steps that made it."""
    known: dict[int, Mask] = {}
    for chain in chains:
        for number, mask in chain.born.items():
            known[number] = known[number] | mask if number in known else mask
    for seen in reversed(history.steps):
        if seen.number not in known:
            continue
        for which, origins in enumerate(seen.origins):
            for maker, part in history.makers(origins, seen.of(which, known[seen.number])):
                known[maker.number] = known[maker.number] | part if maker.number in known else part
    return known


def _some(kind: str, seen: Seen, mask: Mask) -> Iterator[Found]:
    if mask.any():
        yield Found(kind, seen, np.asarray(mask))


def _everywhere(seen: Seen, holds: object) -> Mask:
    """Where all operands that feed an element are so."""
    mask = np.ones(seen.result.shape, np.bool_)
    for which, operand in enumerate(seen.operands):
        fails = ~holds(operand)  # type: ignore[operator]
        if fails.any():
            mask = mask & ~seen.to(which, fails)
    return mask


def _by_zero(seen: Seen) -> Mask:
    """Infinities that are the value at a pole: x/0, log(0), 0 to a negative power."""
    none = np.zeros(seen.result.shape, np.bool_)
    if seen.name in DIVISIONS:
        divisor = 1 if len(seen.operands) > 1 else 0
        return seen.to(divisor, seen.operands[divisor] == 0)
    if seen.name in LOGARITHMS or seen.name in ("power", "float_power"):
        return seen.to(0, seen.operands[0] == 0)
    if seen.name == "log1p":
        return seen.to(0, seen.operands[0] == -1)
    if seen.name == "arctanh":
        return seen.to(0, np.abs(seen.operands[0]) == 1)
    return none


def _zero_given(seen: Seen) -> Mask:
    """Zeros that go on from an operand: not made here."""
    mask = np.zeros(seen.result.shape, np.bool_)
    if seen.name in ADDITIVE:
        return mask
    for which, operand in enumerate(seen.operands):
        if (operand == 0).any() and seen.name not in ("exp", "exp2", "cos", "where"):
            mask = mask | (seen.to(which, operand == 0) & ~seen.to(which, operand != 0))
    return mask


def _beyond(seen: Seen, mask: Mask) -> Mask:
    """Of a format without infinities: nan for numbers that are too large."""
    found = np.zeros(mask.shape, np.bool_)
    for place in places(mask):
        found[place] = enclosures.bounded(seen.local[place]) and not (
            abs(enclosures.approximately(seen.local[place])) <= seen.fmt.largest
        )
    return found


def _coarse(seen: Seen) -> Mask:
    """Numbers below the normal range that are not what they should be, computed from operands of full precision."""
    size = np.abs(seen.result)
    mask = np.asarray((size > 0) & (size < seen.fmt.smallest_normal) & seen.known)
    for place in places(mask):
        local = seen.local[place]
        mask[place] = not (is_point(local) and enclosures.approximately(local) == seen.result[place])
    return mask


def _cancelled(seen: Seen) -> Iterator[Found]:
    """Differences far smaller than what was subtracted, of operands that carried an error.

    The bits lost are log2 of the size of the operands over that of the result, at most the precision: so much larger is
    their error beside the result. Where the operands are exact nothing is lost, however much cancels.
    """
    if seen.name not in ("add", "subtract", "sum", "mean"):
        return
    size = np.zeros(seen.result.shape)
    for which, operand in enumerate(seen.operands):
        size = np.maximum(size, _largest_of(seen, which, np.abs(operand)))
    with np.errstate(all="ignore"):
        bits = np.minimum(np.log2(size / np.abs(seen.result)), seen.fmt.precision)
    bits = np.asarray(bits)
    mask = np.asarray(np.isfinite(size) & np.isfinite(seen.result) & (bits >= seen.fmt.precision / 4))
    for place in places(mask):
        exact, local = seen.exact[place], seen.local[place]
        _, inherited, _ = enclosures.split(float(seen.result[place]), exact, local, seen.fmt)
        mask[place] = inherited is not None and inherited >= 1
    if mask.any():
        yield Found("cancellation", seen, mask, float(bits[mask].max()))


def _largest_of(seen: Seen, which: int, size: Floats) -> Floats:
    """The largest magnitude in an operand that feeds each element."""
    if (axes := seen.reduced) is not None:
        return np.asarray(size.max(axis=axes, initial=0.0)).reshape(seen.result.shape)
    return np.broadcast_to(size, seen.result.shape)


def _absorbed(seen: Seen) -> Mask:
    """Sums in which an addend that is not 0 leaves no trace, and reductions that are off by many ulps of their own."""
    none = np.zeros(seen.result.shape, np.bool_)
    if seen.name in ("add", "subtract") and len(seen.operands) == 2:
        a, b = (np.broadcast_to(x, seen.result.shape) for x in seen.operands)
        sign = 1.0 if seen.name == "add" else -1.0
        kept = ((seen.result == a) & (b != 0)) | ((seen.result == sign * b) & (a != 0))
        return np.asarray(kept & np.isfinite(a) & np.isfinite(b) & np.isfinite(seen.result), np.bool_)
    if seen.name not in ("sum", "mean", "cumsum"):
        return none
    for place in places(np.asarray(np.isfinite(seen.result))):
        _, _, added = enclosures.split(float(seen.result[place]), seen.local[place], seen.local[place], seen.fmt)
        none[place] = added is not None and added >= STALLED
    return none


def _faint_addends(seen: Seen) -> Mask:
    """Sums with addends too small to be seen in them: below half an ulp of the total, which is not exact."""
    found = np.zeros(seen.result.shape, np.bool_)
    if seen.name not in ("sum", "mean") or seen.reduced is None or not seen.operands[0].size:
        return found
    terms = np.abs(seen.operands[0])
    total = np.expand_dims(np.abs(seen.result).reshape(np.sum(terms, axis=seen.reduced).shape), seen.reduced)
    with np.errstate(all="ignore"):
        small = (terms > 0) & (terms < total * seen.fmt.unit_roundoff / 2)
    return np.asarray(np.isfinite(seen.result) & small.any(axis=seen.reduced).reshape(seen.result.shape), np.bool_)


def _latent(seen: Seen) -> Mask:
    limit = largest_argument(seen.name, seen.fmt)
    if limit is None:
        return np.zeros(seen.result.shape, np.bool_)
    x = np.abs(seen.operands[0]) if seen.name in ("sinh", "cosh") else seen.operands[0]
    return np.asarray((x >= NEAR * limit) & (x <= limit), np.bool_)
