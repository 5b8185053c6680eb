"""How many logits a second a comparison takes in, whether wide rows cost more, and whether the cost grows linearly.

    python benchmarks/throughput.py [RUNS]

In process, after the imports; softmax and cross_entropy by naive, shifted and lse in float32.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from dataclasses import replace

from overflowscope import cases, sources
from overflowscope.studies.compare import Request, run

NAMES = ("softmax", "cross_entropy"), ("naive", "shifted", "lse")


def request(rows: int, classes: int, jobs: int) -> Request:
    """Normal logits at scale 1, which no formulation fails on."""
    source = sources.drawn("normal", 0, rows, classes)
    return Request(source, cases.contenders(*NAMES, []), cases.chosen_formats("float32"), jobs=jobs)


def seconds(asked: Request) -> float:
    """Wall time of one comparison."""
    start = time.perf_counter()
    run(asked)
    return time.perf_counter() - start


def main() -> None:
    """Measure every case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cores = len(os.sched_getaffinity(0))
    asked = request(2000, 1000, cores)
    seconds(asked)
    taken = sorted(seconds(asked) for _ in range(runs))
    low, middle, high = (2 / t for t in (taken[-1], statistics.median(taken), taken[0]))
    print(f"2000 x 1000, {cores} processes: {middle:.2f} million logits a second ({low:.2f} to {high:.2f}); bar 5")
    alone = seconds(replace(asked, jobs=1))
    print(f"  one process: {2 / alone:.2f} million")

    wide, narrow = request(16, 131072, 1), request(2097, 1000, 1)
    pairs = [(seconds(wide) / (16 * 131072), seconds(narrow) / 2097000) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"rows of 131,072 against rows of 1,000, one process: {ratio:.2f} times the cost; bar 1.5")

    sizes = [10**4, 10**5, 10**6, 10**7]
    base = min(seconds(request(10, 100, 1)) for _ in range(runs))
    found = [min(seconds(request(n // 1000, 1000, 1)) for _ in range(max(1, min(runs, 10**7 // n)))) for n in sizes]
    logs = [(math.log10(n - 1000), math.log10(t - base)) for n, t in zip(sizes, found, strict=True)]
    slope = statistics.linear_regression(*zip(*logs, strict=True)).slope
    print("seconds for 1e4 to 1e7 logits, one process:", ", ".join(f"{t:.3f}" for t in found))
    print(f"growth past the start-up of {base:.4f} s: exponent {slope:.3f}; bar 0.90 to 1.05")


if __name__ == "__main__":
    main()
