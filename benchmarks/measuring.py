"""What it costs to round, to evaluate and to measure, in nanoseconds an element.

    python benchmarks/measuring.py [REPEATS]

Blocks of 65,536 logits (one row of 131,072), normal at scale 1 and 10; of REPEATS the fastest. The truth is made up
here, from float64 and a random tail, for only its shape matters to the time. Of cross_entropy, which has one element a
row, the cost is microseconds a call.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope import catalogue
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Floats, Format, round_to
from overflowscope.measure import classify, errors, measure
from overflowscope.records import Reference

BLOCK = 65_536


def fastest(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of some calls."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def made_up(values: Floats, fmt: Format) -> Reference:
    """A decided truth near some numbers other than 0."""
    head, exponent = np.frexp(values)
    tail = np.random.default_rng(2).uniform(-(2.0**-54), 2.0**-54, values.shape)
    nearest = round_to(values, fmt)
    state, rung = np.zeros(values.shape, np.uint8), np.ones(values.shape, np.uint8)
    radius = np.full(values.shape, 2.0**-100)
    return Reference(fmt, 2 * head, tail, exponent.astype(np.int64) - 1, radius, nearest, nearest.copy(), state, rung)


def rows_of(classes: int, scale: float, fmt: Format) -> Floats:
    """A block of logits."""
    rows = max(1, BLOCK // classes)
    return round_to(np.random.default_rng(1).normal(size=(rows, classes)) * scale, fmt)


def measuring(classes: int, scale: float, fmt: Format, repeats: int) -> None:
    """The parts of a measurement."""
    x = rows_of(classes, scale, fmt)
    numbers, labels = np.arange(len(x)), np.zeros(len(x), np.int64)
    e = np.exp(x - x.max(-1, keepdims=True))
    total = e.sum(-1, keepdims=True)
    truth, loss = made_up(e / total, fmt), made_up((np.log(total) + x.max(-1, keepdims=True) - x)[:, 0], fmt)
    softmax, cross_entropy = catalogue.named("softmax"), catalogue.named("cross_entropy")
    found = []
    for name in softmax.formulations:
        run = softmax.named(name).function
        seconds = fastest(lambda run=run: evaluate(softmax, run, x, None, fmt), repeats)  # type: ignore[misc]
        found.append((f"evaluate {name}", seconds))
    got = evaluate(softmax, softmax.named("shifted").function, x, None, fmt)
    one = evaluate(cross_entropy, cross_entropy.named("shifted").function, x, labels, fmt)
    found += [
        ("errors", fastest(lambda: errors(got.values, truth), repeats)),
        ("classify", fastest(lambda: classify(got.values, truth), repeats)),
        ("measure softmax", fastest(lambda: measure(got, truth, x, True, numbers), repeats)),
    ]
    tally = measure(got, truth, x, True, numbers)
    parts = "".join(f"  {name} {seconds / x.size * 1e9:.1f}" for name, seconds in found)
    calls = {
        "measure cross_entropy": fastest(lambda: measure(one, loss, x, False, numbers), repeats),
        "add tallies": fastest(lambda: tally + tally, repeats),
    }
    print(f"{fmt.name} {classes:7,} classes, scale {scale:g}:{parts}; us a call:", end="")
    print("".join(f"  {name} {seconds * 1e6:.0f}" for name, seconds in calls.items()))


def main() -> None:
    """Measure everything."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    x = np.random.default_rng(1).normal(size=BLOCK)
    for name in ("float32", "float16", "bfloat16"):
        for classes in (10, 1000, 131_072):
            for scale in (1.0, 10.0):
                measuring(classes, scale, FORMATS[name], repeats)
    for fmt in FORMATS.values():
        print(f"round_to {fmt.name} {fastest(lambda fmt=fmt: round_to(x, fmt), repeats) / BLOCK * 1e9:.1f}")  # type: ignore[misc]


if __name__ == "__main__":
    main()
