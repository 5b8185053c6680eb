"""Which rung of the reference decides how many elements: balls are to decide at least 99.9 % of them in every cell.

    python benchmarks/rungs.py [ELEMENTS]

A line for each format, scale and number of classes, of ELEMENTS (20,000) normal logits; a column for each operation:
the share that balls decided, in per cent. "lost" stands where the format does not hold a single row.
"""

from __future__ import annotations

import sys

import numpy as np

from overflowscope import catalogue, draws
from overflowscope.formats import FORMATS, Format, round_to
from overflowscope.records import State
from overflowscope.reference import BALLS, reference

OPERATIONS = ("softmax", "logsumexp", "log_softmax", "cross_entropy")
SCALES = (0.01, 1.0, 10.0, 1000.0, 1e5)
CLASSES = (1, 2, 10, 1000)
BAR = 0.999


def share(name: str, fmt: Format, scale: float, classes: int, elements: int) -> float | None:
    """Of the elements that have a truth, those that balls decided; None where no row has one."""
    rows = range(max(1, elements // classes))
    given = draws.draw("normal", 0, classes, rows) * scale
    x = round_to(given, fmt)
    lost = ~np.isfinite(x).all(-1)
    operation = catalogue.named(name)
    labels = draws.draw_labels(0, classes, rows) if operation.takes_labels else None
    truth = reference(operation, x, labels, fmt, lost)
    defined = truth.state == State.DEFINED
    return float(np.mean(truth.rung[defined] == BALLS)) if defined.any() else None


def main() -> None:
    """Print every cell, and the worst."""
    elements = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    worst = 1.0
    print(f"{'format':14} {'scale':>8} {'classes':>7} " + " ".join(f"{name:>13}" for name in OPERATIONS))
    for fmt in FORMATS.values():
        for scale in SCALES:
            for classes in CLASSES:
                shares = [share(name, fmt, scale, classes, elements) for name in OPERATIONS]
                worst = min([worst, *(s for s in shares if s is not None)])
                cells = " ".join(f"{'lost' if s is None else f'{100 * s:.4f}':>13}" for s in shares)
                print(f"{fmt.name:14} {scale:8g} {classes:7} {cells}", flush=True)
    print(f"worst {100 * worst:.4f}, bar {100 * BAR:.1f}")


if __name__ == "__main__":
    main()
