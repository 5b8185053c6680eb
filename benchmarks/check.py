"""How long `overflowscope check` takes on 20 cases, against importing what it cannot do without, in the same run.

    python benchmarks/check.py [RUNS]

20 cases of 256 x 10 random logits: formulations of four operations at three scales and a person's own function, in
float16, float32 and float64, held against their baseline. Whole processes, wall time: the median, and that of the
ratios, pair by pair. The bar is 3 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OPERATIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")
FORMULATIONS = ("naive", "shifted")
SCALES = (1, 20, 100)
BAR = 3.0
SOURCE = """
import numpy as np

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
"""


def config() -> str:
    """20 cases, of which one is a person's own function."""
    cases = [
        f'[[cases]]\nname = "{op} {name} {scale}"\noperation = "{op}"\nformulation = "{name}"\nscale = {scale}\n'
        for op in OPERATIONS
        for name in FORMULATIONS
        for scale in SCALES
    ]
    return "\n".join(cases[:19]) + '\n[[cases]]\nname = "kernel"\nimplementation = "kernel"\n'


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=folder)
    return time.perf_counter() - start


def main() -> None:
    """Measure."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    own = [sys.executable, "-m", "overflowscope", "check", "--impl", "kernel=kernel.py:softmax"]
    rival = [sys.executable, "-c", "import numpy, mpmath, rich.table, click"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.py").write_text(SOURCE)
        (Path(folder) / "overflowscope.toml").write_text(config())
        seconds([*own, "--update"], folder), seconds(rival, folder)
        pairs = [(seconds(own, folder), seconds(rival, folder)) for _ in range(runs)]
    mine, theirs = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"20 cases of 256 x 10 in 3 formats: {mine:.2f} s (bar {BAR} s); imports {theirs:.2f} s, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
