"""How long the command line takes to start, against importing what it cannot do without, in turn in the same run.

    python benchmarks/startup.py [RUNS]

Prints the median of the ratios, pair by pair, beside the bar: whole processes, wall time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

CASES = (
    ("compare --dtype float32 --scale 1000", "import numpy, mpmath, rich.table, click", 2.0),
    ("--version", "import click", 1.3),
    ("--help", "import click", 1.3),
)


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure every case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    tool = os.path.join(os.path.dirname(sys.executable), "overflowscope")
    print(f"{'overflowscope ...':40} {'seconds':>8} {'rival':>8} {'ratio':>6} {'bar':>5}")
    for arguments, rival, bar in CASES:
        own, other = [tool, *arguments.split()], [sys.executable, "-c", rival]
        seconds(own), seconds(other)
        pairs = [(seconds(own), seconds(other)) for _ in range(runs)]
        mine, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{arguments:40} {mine:8.3f} {theirs:8.3f} {ratio:6.2f} {bar:5.1f}")


if __name__ == "__main__":
    main()
