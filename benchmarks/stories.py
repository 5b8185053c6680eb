"""How long trace and replay take as whole processes, each beside a rival that does the bare work by hand, in turn.

    python benchmarks/stories.py [RUNS]

The rival of trace computes the exact values alone, number by number in mpmath; that of replay trains the four networks
in plain NumPy and looks at nothing. Prints medians of wall seconds, the bars in seconds, and the median ratio of pairs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

SOFTMAX = """
import numpy as np


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)
"""
EXACT = """
import numpy, mpmath, rich.table, click
mp = mpmath.MPContext()
mp.prec = 256
for row in numpy.random.default_rng(0).standard_normal((256, 10)).astype("f").tolist():
    e = [mp.exp(x) for x in row]
    s = mp.fsum(e)
    q = [v / s for v in e]
"""
TRAINING = """
import numpy as np, rich.table, click
rng = np.random.default_rng(0)
images, labels = rng.random((4000, 784)).astype("f"), rng.integers(0, 10, 4000)
for sigma in (1, 1, 0.01, 0.01):
    W1, b1 = (sigma * rng.standard_normal((784, 256))).astype("f"), np.zeros(256, "f")
    W2, b2 = (sigma * rng.standard_normal((256, 10))).astype("f"), np.zeros(10, "f")
    for start in range(0, 4000, 256):
        X, y = images[start : start + 256], labels[start : start + 256]
        Z = X @ W1 + b1
        H = np.maximum(Z, 0)
        e = np.exp(H @ W2 + b2 - np.max(H @ W2 + b2, axis=-1, keepdims=True))
        d = e / e.sum(axis=-1, keepdims=True)
        d[np.arange(len(y)), y] -= 1
        d /= np.float32(len(y))
        dZ = (d @ W2.T) * (Z > 0)
        W2, b2 = W2 - np.float32(0.1) * (H.T @ d), b2 - np.float32(0.1) * d.sum(0)
        W1, b1 = W1 - np.float32(0.1) * (X.T @ dZ), b1 - np.float32(0.1) * dZ.sum(0)
"""


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure every case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    tool = os.path.join(os.path.dirname(sys.executable), "overflowscope")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mine.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SOFTMAX)
        cases = (
            ("trace, 256 x 10, a function", [tool, "trace", "--function", f"{path}:softmax"], EXACT, 1.0),
            ("the same at scale 100", [tool, "trace", "--function", f"{path}:softmax", "--scale", "100"], EXACT, 1.0),
            ("trace --scale 100", [tool, "trace", "--scale", "100"], EXACT, 1.0),
            ("replay, four runs", [tool, "replay"], TRAINING, 4.0),
        )
        print(f"{'overflowscope ...':30} {'seconds':>8} {'bar':>5} {'rival':>8} {'ratio':>6}")
        for name, own, rival, bar in cases:
            other = [sys.executable, "-c", rival]
            seconds(own), seconds(other)
            pairs = [(seconds(own), seconds(other)) for _ in range(runs)]
            mine, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
            print(f"{name:30} {mine:8.3f} {bar:5.1f} {theirs:8.3f} {statistics.median(a / b for a, b in pairs):6.2f}")


if __name__ == "__main__":
    main()
