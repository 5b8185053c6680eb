"""The certified reference against plain high-precision loops on the same rows, in turn in the same run.

    python benchmarks/reference.py [RUNS]

One thread, in process. The rivals get the sum that leaves the maximum out, at 113 bits, and certify nothing (Arb
encloses, but rounds to no format). Prints nanoseconds a logit and the median of the ratios, pair by pair.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import flint
import mpmath
import numpy as np

from overflowscope import catalogue, draws
from overflowscope.formats import FORMATS, Floats, round_to
from overflowscope.reference import reference

BITS = 113
ROWS, CLASSES = 200, 1000


def by_mpmath(x: Floats) -> None:
    """Softmax of every row in mpmath numbers."""
    mp = mpmath.mp
    with mp.workprec(BITS):
        for row in x.tolist():
            numbers = [mp.mpf(v) for v in row]
            most = max(numbers)
            exps = [mp.exp(v - most) for v in numbers]
            total = mp.fsum(exps)
            _ = [e / total for e in exps]


def by_arb(x: Floats) -> None:
    """Softmax of every row in Arb's balls."""
    arb: Any = flint.arb
    with flint.ctx.workprec(BITS):
        for row in x.tolist():
            most = arb(max(row))
            exps = [(arb(v) - most).exp() for v in row]
            total = sum(exps, arb(0))
            _ = [e / total for e in exps]


def seconds(function: Callable[[Floats], None], x: Floats) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start


def main() -> None:
    """Measure every case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    softmax = catalogue.named("softmax")
    print(f"mpmath {mpmath.__version__} on {mpmath.libmp.BACKEND}, python-flint {flint.__version__}")
    print(f"{f'softmax, {ROWS} x {CLASSES}':28} {'rival':>8} {'ns':>7} {'rival':>7} {'ratio':>6} {'bar':>5}")
    for dtype, scale, rival, bar in (
        ("float32", 10.0, by_mpmath, 100),
        ("float32", 10.0, by_arb, 10),
        ("float64", 1000.0, by_mpmath, 60),
    ):
        fmt = FORMATS[dtype]
        x = round_to(draws.draw("normal", 0, CLASSES, range(ROWS)) * scale, fmt)

        def ours(x: Floats, fmt: Any = fmt) -> None:
            step = 65
            for start in range(0, len(x), step):
                reference(softmax, x[start : start + step], None, fmt)

        seconds(ours, x)
        pairs = [(min(seconds(ours, x) for _ in range(3)), seconds(rival, x)) for _ in range(runs)]
        mine, theirs = (statistics.median(p[i] for p in pairs) / x.size * 1e9 for i in (0, 1))
        ratio = statistics.median(b / a for a, b in pairs)
        case = f"{dtype}, scale {scale:g}"
        print(f"{case:28} {rival.__name__:>8} {mine:7.1f} {theirs:7.0f} {ratio:6.0f} {bar:5}")


if __name__ == "__main__":
    with np.errstate(all="raise"):
        main()
