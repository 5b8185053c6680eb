"""Peak resident memory of `overflowscope compare` on inputs larger than it may take, and on some twice as long.

    python benchmarks/memory.py [FOLDER]

Writes up to 2.5 GiB into FOLDER (the system's temporary folder unless given) and removes it. The peak is of the sum over
all processes, sampled from /proc; what they share counts in each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

TOOL = [sys.executable, "-m", "overflowscope", "compare", "--dtype", "float32", "--json"]
CLASSES = 131072


def resident(pid: int) -> int:
    """Bytes of a process and its children."""
    total = 0
    try:
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(resident(int(child)) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return total


def peak(command: list[str], feed: object = None) -> tuple[float, float]:
    """(MiB at most, seconds) of a command, whose standard input is what ``feed`` yields."""
    start = time.perf_counter()
    stdin = subprocess.DEVNULL if feed is None else subprocess.PIPE
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL)
    if feed is not None:
        threading.Thread(target=pour, args=(process.stdin, feed), daemon=True).start()
    most = 0
    while process.poll() is None:
        most = max(most, resident(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0
    return most / 2**20, time.perf_counter() - start


def pour(pipe: object, feed: object) -> None:
    """Write lines and close."""
    with pipe as out:  # type: ignore[attr-defined]
        for line in feed:  # type: ignore[attr-defined]
            out.write(line)


def lines(rows: int, classes: int) -> object:
    """JSON lines of normal logits, made as they are asked for."""
    rng = np.random.default_rng(0)
    text = [("[" + ", ".join(f"{v:.6f}" for v in rng.standard_normal(classes)) + "]\n").encode() for _ in range(16)]
    return (text[i % 16] for i in range(rows))


def write(path: Path, rows: int) -> None:
    """A float32 .npy of that many rows, written row by row."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, CLASSES)})
        for _ in range(rows):
            file.write(rng.standard_normal(CLASSES, np.float32).tobytes())


def main() -> None:
    """Measure every case."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    print(f"{'input':44} {'peak MiB':>9} {'seconds':>8}   bar: 600, and no more for twice the rows")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        os.environ["TMPDIR"] = place
        path = Path(place, "logits.npy")
        for rows in (1024, 2048):
            write(path, rows)
            print("{:44} {:9.0f} {:8.1f}".format(f"{rows} x {CLASSES} float32 .npy", *peak([*TOOL, str(path)])))
        path.unlink()
        for rows in (20000, 40000):
            print(
                "{:44} {:9.0f} {:8.1f}".format(
                    f"{rows} x 1000 JSON lines through a pipe", *peak([*TOOL, "-"], lines(rows, 1000))
                )
            )


if __name__ == "__main__":
    main()
