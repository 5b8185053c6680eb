"""Are the radii of balls true? Error over radius of every primitive, judged by Arb (python-flint).

    python benchmarks/radius.py [ELEMENTS]

For ELEMENTS (1,000,000) random elements of each primitive and every corner element: the largest distance of a result
from its midpoint in units of its radius, which is at most 1 if the bounds hold, the share that was given up, and where
the largest stands. Each operand is a real number drawn from its ball: the midpoint, an end, or one between. An exact
result has to be the truth, and a side has to be that on which the truth lies. The tests run the same on a sample.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.arithmetic import ball_array, ball_functions
from overflowscope.arithmetic.ball_array import BallArray
from overflowscope.arithmetic.balls import Balls

PLACES = (-1.0, -0.5, 0.0, 0.25, 1.0)
"""Where in its ball an operand is taken, in units of the radius."""
RANDOM_BITS, CORNER_BITS = 400, 4600


@dataclass
class Worst:
    """The largest error/radius so far, where it stands, and how many elements were judged and given up."""

    ratio: float = 0.0
    where: str = ""
    judged: int = 0
    given_up: int = 0

    def add(self, ratio: float, where: Callable[[], str]) -> None:
        self.judged += 1
        if not ratio <= self.ratio:
            self.ratio, self.where = ratio, where()


# The elements


def ball(
    hi: Any, lo: Any = None, radius: Any = None, exponent: Any = None, side: Any = None, words: int = 2
) -> BallArray:
    """Balls from numbers or lists."""
    kinds = (np.float64, np.float64, np.float64, np.int64, np.int8)
    fields = (hi, lo, radius, exponent, side)
    arrays = [None if v is None else np.atleast_1d(np.array(v, kind)) for v, kind in zip(fields, kinds, strict=True)]
    return BallArray(*arrays, words=words)


def normal_pairs(hi: Any, lo: Any) -> tuple[Any, Any]:
    """As pairs whose high part is the nearest double of the sum."""
    with np.errstate(all="ignore"):
        s = hi + lo
        return s, np.where(np.isfinite(s), lo - (s - hi), 0.0)


@dataclass
class Kind:
    """What random balls are like: their sizes, from 2**low to 2**high, and which of their fields there are."""

    words: int
    low: float
    high: float
    exact: bool = False
    positive: bool = False
    exponents: bool = True


def random_balls(rng: Any, shape: Any, kind: Kind) -> BallArray:
    """Balls with and without low parts, radii, sides and exponents; some significands close to 1 and 2."""
    near = rng.integers(1, 64, shape) * 2.0**-52
    m = (rng.uniform(1, 2, shape), 1 + near, 2 - near)[rng.choice([0, 0, 1, 2])]
    hi = m * 2.0 ** np.floor(rng.uniform(kind.low, kind.high, shape))
    if not kind.positive:
        hi *= rng.choice([-1.0, 1.0], shape)
    lo = radius = side = exponent = None
    if rng.integers(0, 3):
        small = 2.0 ** -rng.choice([53.0, 54.0, 60.0, 100.0]) * rng.uniform(-1, 1, shape)
        hi, lo = normal_pairs(hi, hi * small)
    if not kind.exact:
        radius = np.abs(hi) * 2.0 ** -rng.choice([14.0, 40.0, 80.0, 105.0, 130.0]) * rng.integers(0, 3, shape)
        side = np.where(radius > 0, rng.integers(-1, 2, shape), 0) if rng.integers(0, 2) else None
    if kind.exponents and rng.integers(0, 3) == 0:
        exponent = rng.integers(-90, 90, shape)
    words = kind.words
    return ball(hi, lo, radius, exponent, side, words)


T = 2.0
HEADS = [
    *(0.0, 1.0, 1 + T**-52, 2 - T**-52, 1.5, 1.4142135623730951, 0.7071067811865475, 3.7, T**-1074, 77 * T**-1074),
    *(T**-1022, T**-1001, 1.3 * T**-1000, 1.7 * T**-968, T**-900, 1.1 * T**-900, T**-500, 1.9 * T**-53, T**-7),
    *(1.9 * T**-7, 700.0, T**22, T**32, T**33, 1.2 * T**500, T**600, T**900, 1.1 * T**900, T**990),
    *(1.3 * T**997, T**1000, T**1023, sys.float_info.max),
]
EXPONENTS = (0, -300, 700, -700, -900, 1100, -1100, 2**40, -(2**40))


def corners(words: int) -> BallArray:
    """Every combination of such heads, signs, low parts, radii, exponents and sides."""
    rows = []
    for head, sign in itertools.product(HEADS, (1.0, -1.0)):
        half = float(head - np.nextafter(head, 0.0)) / 2
        for lo, radius, exponent in itertools.product(
            (0.0, half, -half / 2, head * T**-200, T**-1074 if head > T**-1000 else 0.0),
            (0.0, head * T**-80, head * T**-11, head * 0.3, head, 3 * head, T**-1074, T**-700, 1.0),
            EXPONENTS,
        ):
            side = 0 if not radius else int(rows.__len__() % 3) - 1
            rows.append((sign * head, sign * lo if normal_pairs(head, lo)[0] == head else 0.0, radius, exponent, side))
    for special in (np.inf, -np.inf, np.nan):
        rows += [(special, 0.0, r, 0, 0) for r in (0.0, np.inf)]
    rows += [(1.0, 0.0, np.inf, 0, 0), (-1.0, 0.0, np.nan, 0, 0)]
    return ball(*map(list, zip(*rows, strict=True)), words=words)  # type: ignore[arg-type]


def without(x: BallArray, *names: str) -> BallArray:
    """Without these fields: the shorter ways through the code."""
    fields = {n: None if n in names else getattr(x, n) for n in ball_array.FIELDS}
    return BallArray(**fields, words=x.words)


# The judge


class Judge:
    """Numbers taken from balls, and results held against what they should be, in Arb of so many bits."""

    def __init__(self, bits: int, rng: Any):
        import flint

        self.flint, self.bits, self.rng = flint, bits, rng
        flint.ctx.prec = bits

    def members(self, x: BallArray) -> list[Any]:
        """A number of each ball, flattened: an arb, or a float for an infinity, or None for what is given up."""
        arb = self.flint.arb
        n = x.hi.size
        hi, lo, radius = (field(x, name).tolist() for name in ("hi", "lo", "radius"))
        exponent, side = (field(x, name).tolist() for name in ("exponent", "side"))
        places = self.rng.choice(PLACES, n).tolist()
        found: list[Any] = []
        for h, low, r, e, s, place in zip(hi, lo, radius, exponent, side, places, strict=True):
            if not r < math.inf or h != h:
                found.append(None)
            elif math.isinf(h):
                found.append(h)
            else:
                value = arb(h)
                if low:
                    value += arb(low)
                if r:
                    value += arb(r) * arb(s * (abs(place) or 0.5) if s else place)
                found.append(value * arb((1, e)) if e else value)
        return found

    def hold(self, result: BallArray, truths: list[Any], operands: Sequence[BallArray], worst: Worst) -> None:
        arb = self.flint.arb
        assert all(f is None or f.shape == result.hi.shape for f in (getattr(result, n) for n in ball_array.FIELDS))
        hi, lo, radius = (field(result, name).tolist() for name in ("hi", "lo", "radius"))
        exponent, side = (field(result, name).tolist() for name in ("exponent", "side"))
        for i, (h, low, r, e, s, truth) in enumerate(zip(hi, lo, radius, exponent, side, truths, strict=True)):
            where = lambda i=i: f"{told(result, i)} of {', '.join(told(x, i) for x in operands)}"  # noqa: E731
            if not r < math.inf or h != h:
                worst.given_up += 1
                continue
            if truth is None or isinstance(truth, float) or math.isinf(h):
                right = isinstance(truth, float) and h == truth and r == 0 and s == 0
                worst.add(0.0 if right else math.inf, where)
                continue
            middle = arb(h)
            if low:
                middle += arb(low)
            away = truth * arb((1, -e)) - middle if e else truth - middle
            if s and bool(away * s <= 0):
                worst.add(math.inf, where)
            elif r:
                worst.add(float(away.abs_lower() / arb(r)), where)
            else:
                worst.add(0.0 if away.contains(0) else math.inf, where)


def field(x: BallArray, name: str) -> Any:
    values = getattr(x, name)
    kind = np.int64 if name in ("exponent", "side") else np.float64
    return np.zeros(x.hi.size, kind) if values is None else np.asarray(values).ravel()


def told(x: BallArray, i: int) -> str:
    if x.hi.ndim == 2:
        row = x[i]
        return "row " + " ".join(told(row, j) for j in range(row.hi.size))
    h, low, r = (float(field(x, n)[i]).hex() for n in ("hi", "lo", "radius"))
    e, s = (int(field(x, n)[i]) for n in ("exponent", "side"))
    return f"({h} {low} +/- {r}, 2**{e}, side {s})"


# The primitives: ours, the truth of finite numbers, and of infinities


def exp2_of(x: Any) -> Any:
    import flint

    whole = abs(x) < 2**40 and x.is_integer()
    return flint.arb((1, int(x.unique_fmpz()))) if whole else (x * flint.arb(2).log()).exp()


def largest_of(*row: Any) -> Any:
    return functools.reduce(lambda a, b: a.max(b), row)


def zero_below(x: float) -> float | None:
    return 0.0 if x < 0 else None


def nan_is_none(x: float) -> float | None:
    return x if x == x else None


Primitive = tuple[Callable[..., BallArray], Callable[..., Any], Callable[..., Any]]
UNARY: dict[str, Primitive] = {
    "reciprocal": (ball_array.reciprocal, lambda x: None if x.contains(0) else 1 / x, lambda x: None),
    "exp": (ball_functions.exp, lambda x: x.exp(), zero_below),
    "exp2": (ball_functions.exp2, exp2_of, zero_below),
    "log": (ball_functions.log, lambda x: x.log() if x > 0 else -math.inf if x == 0 else None, lambda x: None),
    "log1p": (ball_functions.log1p, lambda x: x.log1p() if x > -1 else -math.inf if x == -1 else None, lambda x: None),
}
BINARY: dict[str, Primitive] = {
    "add": (ball_array.add, lambda x, y: x + y, lambda x, y: nan_is_none(x + y)),
    "multiply": (ball_array.multiply, lambda x, y: x * y, lambda x, y: nan_is_none(x * y)),
    "maximum": (Balls().maximum, largest_of, max),
}
ROWS: dict[str, Primitive] = {
    "sum": (lambda x: Balls().sum(x, axis=-1), lambda *row: sum(row[1:], row[0]), lambda *row: nan_is_none(sum(row))),
    "max": (lambda x: Balls().max(x, axis=-1), largest_of, lambda *row: max(row)),
}
PRIMITIVES = (*UNARY, *BINARY, *ROWS)
SIZES = {"exp": (-60, 9), "exp2": (-60, 9), "log1p": (-90, 20)}
LARGE_SIZES = {"exp": {1: (9, 22), 2: (9, 32)}}


def truth_of(name: str, row: tuple[Any, ...], truth: Callable[..., Any], beyond: Callable[..., Any]) -> Any:
    """The exact result, None where there is none or an operand is not known."""
    if any(x is None for x in row):
        return None
    if not any(isinstance(x, float) for x in row):
        return truth(*row)
    if name in ("maximum", "max") and math.inf not in row:
        finite = [x for x in row if not isinstance(x, float)]
        return truth(*finite) if finite else -math.inf
    # Of numbers beside infinities the sign is enough.
    return beyond(*(x if isinstance(x, float) else 0.0 if x.contains(0) else 1.0 if x > 0 else -1.0 for x in row))


def judge_all(name: str, batches: Iterator[tuple[BallArray, ...]], judge: Judge, worst: Worst) -> None:
    ours, truth, beyond = {**UNARY, **BINARY, **ROWS}[name]
    with np.errstate(all="ignore"):
        for operands in batches:
            members = [judge.members(x) for x in operands]
            n = operands[0].shape[-1] if name in ROWS else 0
            rows = (
                [tuple(members[0][i : i + n]) for i in range(0, len(members[0]), n)]
                if n
                else zip(*members, strict=True)
            )
            judge.hold(ours(*operands), [truth_of(name, row, truth, beyond) for row in rows], operands, worst)


def random_elements(name: str, words: int, rng: Any, count: int, exact: bool) -> Iterator[tuple[BallArray, ...]]:
    """Operands of the primitive, in batches, ``count`` elements in all."""
    batch = min(count, 500)
    for _ in range(0, count, batch):
        low, high = SIZES.get(name, (-60, 60))
        if name in LARGE_SIZES and rng.integers(0, 3) == 0:
            low, high = LARGE_SIZES[name][words]
        kind = Kind(words, low, high, exact, name == "log", name not in ("exp", "exp2", "log1p"))
        if name in ROWS:
            n = int(rng.choice([1, 2, 2, 3, 5, 8, 16, 33]))
            kind.low, kind.high, kind.positive = 0, float(rng.choice([0.5, 3, 60])), bool(rng.integers(0, 2))
            yield (random_balls(rng, (max(1, batch // n), n), kind),)
        elif name in BINARY:
            x, y = random_balls(rng, batch, kind), random_balls(rng, batch, kind)
            if name == "add" and rng.integers(0, 2):
                # Close to one another but for the sign, so that something cancels.
                y = -x
                y.hi = y.hi * rng.choice([1 + 2.0**-52, 1.0, 1.25, 1 + 2.0**-30])
            yield x, y
        else:
            if name == "log1p":
                # Above -1, or small, or larger and positive.
                kind.high = rng.choice([-0.01, -6.0, 20.0])
                kind.positive = kind.high > 0
            yield (random_balls(rng, batch, kind),)


def corner_elements(name: str, words: int, rng: Any, most: int) -> Iterator[tuple[BallArray, ...]]:
    """Corner elements: all of them, or a random ``most``; with all fields and without some."""
    x = corners(words)
    for names in ((), ("exponent",), ("lo",), ("exponent", "radius", "side"), ("exponent", "lo", "radius", "side")):
        held = without(x, *names)
        some = rng.permutation(len(x.hi))[:most]
        if name in ROWS:
            n = int(rng.choice([1, 2, 3, 5]))
            some = some[: len(some) // n * n].reshape(-1, n)
            yield (held.each(lambda f, some=some: f[some]),)
        elif name in BINARY:
            other = without(x, *names) if rng.integers(0, 2) else x
            partner = rng.permutation(len(x.hi))[: len(some)]
            yield held[some], other[partner]
        else:
            yield (held[some],)


def largest(name: str, words: int, count: int, most_corners: int, seed: int = 1) -> dict[str, Worst]:
    """Over random exact elements, random balls, and corner elements."""
    rng = np.random.default_rng(seed)
    found = {"exact": Worst(), "balls": Worst(), "corners": Worst()}
    judge = Judge(RANDOM_BITS, rng)
    judge_all(name, random_elements(name, words, rng, count // 2, True), judge, found["exact"])
    judge_all(name, random_elements(name, words, rng, count // 2, False), judge, found["balls"])
    judge_all(name, corner_elements(name, words, rng, most_corners), Judge(CORNER_BITS, rng), found["corners"])
    return found


def main() -> None:
    """Judge every primitive."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{'primitive':12} {'words':>5} {'operands':9} {'judged':>8} {'given up':>9} {'error/radius':>12} {'s':>6}")
    for name, words in itertools.product(PRIMITIVES, (1, 2)):
        start = time.perf_counter()
        for kind, worst in largest(name, words, count, 10**9).items():
            line = f"{name:12} {words:5} {kind:9} {worst.judged:8} {worst.given_up:9} {worst.ratio:12.6f}"
            where = worst.where if not worst.ratio <= 1 else ""
            print(f"{line} {time.perf_counter() - start:6.1f} {where}", flush=True)


if __name__ == "__main__":
    main()
