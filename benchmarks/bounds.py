"""Whether the bounds that the catalogue states hold: float16, every step rounded, sums from left to right.

    python benchmarks/bounds.py [ROWS]

A line per bound: the rows within its premises (nothing overflows; every exp normal; B < 0.9), the largest error as a
share of B/(1 - B), and how many rows break it, which must be none. Rows have 2 to 50 classes, spreads of 0.01 to 20,
and for a third each their largest logit, their logsumexp, or nothing in particular near 0. Errors are taken against
float64, where m + log1p(s) is within 2**-44, and softmax and the loss within 2**-45 of themselves: at most 2**-32 of a
bound (none is below 2u = 2**-10), so a share above 1 - 2**-30 counts as broken.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope import catalogue
from overflowscope.arithmetic.strict import Strict
from overflowscope.catalogue import Bound, Operation, Sizes
from overflowscope.formats import FORMATS, Floats, round_to

F16 = FORMATS["float16"]
CLASSES = range(2, 51)
BLOCK = 4000
MARGIN = 2.0**-30


@dataclass
class Found:
    rows: int = 0
    share: float = 0.0
    broken: int = 0


def logits(rng: np.random.Generator, rows: int, n: int) -> Floats:
    """Numbers of float16."""
    x = rng.normal(size=(rows, n)) * np.exp(rng.uniform(np.log(0.01), np.log(20), (rows, 1)))
    near = np.stack([x.max(-1), np.log(np.exp(x).sum(-1)), rng.uniform(-10, 10, rows)], axis=-1)
    return round_to(x - near[np.arange(rows), rng.integers(0, 3, rows)][:, None], F16)


def sizes_of(x: Floats) -> Sizes:
    low, high = x.min(-1), x.max(-1)
    k = x.argmax(-1)[:, None]
    others = np.where(np.arange(x.shape[1]) == k, 0.0, np.exp(x - high[:, None]))
    y = high + np.log1p(others.sum(-1))
    return Sizes(x.shape[1], low, high, y, np.abs(x - y[:, None]).max(-1))


def truth_of(op: Operation, x: Floats, labels: Any, of: Sizes) -> Floats:
    if op.name == "cross_entropy":
        k = x.argmax(-1)
        others = np.where(np.arange(x.shape[1]) == k[:, None], 0.0, np.exp(x - of.largest[:, None]))
        return (of.largest - x[np.arange(len(x)), labels]) + np.log1p(others.sum(-1))
    e = np.exp(x - of.largest[:, None])
    return e / e.sum(-1, keepdims=True) if op.per_class else of.y


def premises(op: Operation, bound: Bound, of: Sizes) -> Any:
    """Every exp normal and their sum within the format where a bound is ``of_exps``. Of the others only a loss, which
    is small where s is, needs normal exps: elsewhere s stands beside 1."""
    if not bound.of_exps and op.name != "cross_entropy":
        return np.ones(len(of.least), np.bool_)
    least = of.least if bound.of_exps else of.least - of.largest
    normal = np.exp(least) * (1 - F16.unit_roundoff) >= F16.smallest_normal
    return normal & ((not bound.of_exps) | (np.exp(of.y) * (1 + 2 * (of.n + 1) * F16.unit_roundoff) < F16.largest))


def judge(found: Found, op: Operation, bound: Bound, got: Floats, exact: Floats, of: Sizes) -> None:
    error = np.abs(got - exact)
    relative = error.max(-1) / exact.max(-1) if error.ndim > 1 else error / np.abs(exact)
    b = np.broadcast_to(bound.units(of) * F16.unit_roundoff, relative.shape)
    among = premises(op, bound, of) & (b < 0.9) & np.isfinite(relative)
    share = relative[among] * (1 - b[among]) / b[among]
    found.rows += int(among.sum())
    found.share = max(found.share, float(share.max(initial=0.0)))
    found.broken += int(np.count_nonzero(~(share <= 1 - MARGIN)))


def bounds() -> Iterator[tuple[Operation, str, Bound]]:
    for op in catalogue.operations().values():
        for name, formulation in op.formulations.items():
            if formulation.bound is not None:
                yield op, name, formulation.bound


def main() -> None:
    """Measure every bound; exit 1 where one is broken."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10**6
    rng, xp, start = np.random.default_rng(2021), Strict(F16), time.perf_counter()
    found = {(op.name, name): Found() for op, name, _ in bounds()}
    done = 0
    while done < rows:
        n = CLASSES[(done // BLOCK) % len(CLASSES)]
        x = logits(rng, min(BLOCK, rows - done), n)
        labels, of = rng.integers(0, n, len(x)), sizes_of(x)
        with np.errstate(all="ignore"):
            for op, name, bound in bounds():
                got = op.named(name).function(xp, *op.arguments(xp.asarray(x), labels)).numbers
                judge(found[op.name, name], op, bound, got, truth_of(op, x, labels, of), of)
        done += len(x)
    print(f"{'operation':14} {'formulation':12} {'rows':>9} {'error/bound':>12} {'broken':>7}  bound")
    for op, name, bound in bounds():
        f = found[op.name, name]
        print(f"{op.name:14} {name:12} {f.rows:9,} {f.share:12.3f} {f.broken:7,}  {bound}")
    print(f"{done:,} rows in {time.perf_counter() - start:.1f} s")
    sys.exit(any(f.broken or not f.rows for f in found.values()))


if __name__ == "__main__":
    main()
