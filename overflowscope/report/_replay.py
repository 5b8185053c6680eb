"""Trainings side by side to text: a table for people, JSON, and Markdown."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from overflowscope.records.replay import Replay, ReplayRun
from overflowscope.report import Look

Grid = list[list[str]]
GAP, BETWEEN = "  ", "    "
"""Between columns, and between trainings."""
ENDING = 3
"""So many steps are shown from that of the first inf or nan on, and the last."""
WORDS = ("sigma", "loss", "dtype")
"""Columns that are set to the left."""


def table(found: Replay, look: Look) -> str:
    """Losses and largest logits by step, as many trainings beside one another as fit; what was hit; a sentence each."""
    lines = [part for line in _title(found) for part in textwrap.wrap(line, look.width)]
    lines += ["", "mean loss and largest |logit| of the batch, by step"]
    steps = _shown(found)
    left = [_block(found, run, steps) for run in found.runs]
    numbers = _right(["step", *map(str, steps)])
    while left:
        width, fitting = len(numbers[0]), 0
        while fitting < len(left) and (not fitting or width + len(BETWEEN + left[fitting][0]) <= look.width):
            width, fitting = width + len(BETWEEN + left[fitting][0]), fitting + 1
        heads = [""] * (len(left[0]) - len(numbers))
        lines += [*map(BETWEEN.join, zip(_right([*heads, *numbers]), *left[:fitting], strict=True)), ""]
        left = left[fitting:]
    lines += textwrap.wrap(f"inf or nan after each step, of {_sizes(found)}", look.width)
    lines += [*_aligned(_spread(found), look.width), ""]
    for run in found.runs:
        lines += textwrap.wrap(run.explanation, look.width, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def json_(found: Replay, look: Look) -> str:
    """The whole document; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


def markdown(found: Replay, look: Look) -> str:
    """The same tables and sentences for a pull request or a README."""
    first, *about = _title(found)
    steps = _shown(found)
    names = [f"{_name(found, run)}: {column}" for run in found.runs for column in ("loss", "largest logit")]
    rows = zip(*(_numbers(run, steps) for run in found.runs), strict=True)
    lines = [f"**{_escaped(first)}**", "", *map(_escaped, about), ""]
    lines += _piped([["step", *names], *([str(step), *chain(*row)] for step, row in zip(steps, rows, strict=True))])
    lines += ["", f"inf or nan after each step, of {_sizes(found)}:", "", *_piped(_spread(found)), ""]
    return "\n".join([*lines, *(f"- {_escaped(run.explanation)}" for run in found.runs)]) + "\n"


FORMS: dict[str, Callable[[Replay, Look], str]] = {"table": table, "json": json_, "markdown": markdown}


def _title(found: Replay) -> list[str]:
    given = found.input
    held_out = f", {given.held_out:,} held out" if given.held_out else ""
    epochs = "" if given.epochs is None else f" ({given.epochs} epoch{'s' * (given.epochs > 1)})"
    formats = {run.dtype: run.accumulator for run in found.runs}
    lines = [
        f"{given.data} images, seed {given.seed}: {given.images:,} to train on{held_out}, "
        f"mean square {given.mean_square:.4f}",
        f"{'-'.join(map(str, given.sizes))}, SGD, learning rate {given.lr:g}, batches of {given.batch:,}, "
        f"{given.steps:,} step{'s' * (given.steps > 1)}{epochs}, {', '.join(formats)}",
    ]
    narrow = [dtype for dtype, accumulator in formats.items() if accumulator != dtype]
    if narrow:
        lines.append(f"{', '.join(narrow)}: matmuls and sums accumulate in float32 and are rounded once")
    return lines


def _several(found: Replay) -> bool:
    """Whether there are several formats."""
    return len({run.dtype for run in found.runs}) > 1


def _name(found: Replay, run: ReplayRun) -> str:
    return f"sigma {run.sigma:g}, {run.loss}" + (f", {run.dtype}" if _several(found) else "")


def _sizes(found: Replay) -> str:
    features, hidden, classes = found.input.sizes
    counts = {"W1": features * hidden, "b1": hidden, "W2": hidden * classes, "b2": classes}
    return ", ".join(f"{count:,} in {name}" for name, count in counts.items())


def _shown(found: Replay) -> list[int]:
    """The steps of the first table: 0, 1, 2, 4, 8, ..., the last, and those around each birth of an inf or nan."""
    chosen = {0, found.input.steps - 1}
    chosen |= {2**k for k in range(found.input.steps.bit_length())}
    for run in found.runs:
        last = len(run.steps) - 1
        chosen.add(last)
        if run.first_nonfinite is not None:
            born = run.first_nonfinite.step
            chosen |= {born - 1, born, born + 1}
    most = max(len(run.steps) for run in found.runs)
    return sorted(step for step in chosen if 0 <= step < most)


def _block(found: Replay, run: ReplayRun, steps: Sequence[int]) -> list[str]:
    """A training's part of the first table: what it is, what the columns are, a line for each step; all of a width."""
    heads = [f"sigma {run.sigma:g}", run.loss, *([run.dtype] if _several(found) else [])]
    columns = zip(*[("loss", "|logit|"), *_numbers(run, steps)], strict=True)
    body = [GAP.join(pair) for pair in zip(*map(_right, columns), strict=True)]
    width = max(map(len, heads + body))
    return [f"{line:<{width}}" for line in heads] + [f"{line:>{width}}" for line in body]


def _numbers(run: ReplayRun, steps: Sequence[int]) -> list[tuple[str, str]]:
    """(loss, largest logit) of these steps; empty where the training had ended."""
    taken = (run.steps[step] if step < len(run.steps) else None for step in steps)
    return [("", "") if t is None else (f"{t.loss:#.4g}", f"{t.largest_logit:#.4g}") for t in taken]


def _spread(found: Replay) -> Grid:
    """A line for each training that stayed finite; of the others one for each of the steps where it spread."""
    several = _several(found)
    parameters = list(found.runs[0].steps[0].nonfinite)
    grid = [["sigma", "loss", *(["dtype"] if several else []), "step", "rows hit", *parameters, "accuracy"]]
    for run in found.runs:
        about = [f"{run.sigma:g}", run.loss, *([run.dtype] if several else [])]
        accuracy = "-" if run.accuracy is None else f"{100 * run.accuracy:.1f}%"
        for step, hit, counts in _hits(run):
            grid.append([*about, step, hit, *(f"{counts[name]:,}" for name in parameters), accuracy])
            about, accuracy = [""] * len(about), ""
    return grid


def _hits(run: ReplayRun) -> Iterator[tuple[str, str, dict[str, int]]]:
    """(steps, rows hit, entries that are inf or nan) of what is shown of a training."""
    last = len(run.steps) - 1
    born = last if run.first_nonfinite is None else run.first_nonfinite.step
    whole = "0" if not last else f"0-{last}"
    if run.first_nonfinite is None:
        yield whole, f"0/{run.steps[0].rows:,}", dict(run.steps[last].nonfinite)
        return
    for step in sorted({*range(born, min(born + ENDING, last + 1)), last}):
        taken = run.steps[step]
        yield str(step), f"{taken.rows_hit:,}/{taken.rows:,}", dict(taken.nonfinite)


def _right(column: Sequence[str]) -> list[str]:
    width = max(map(len, column))
    return [f"{cell:>{width}}" for cell in column]


def _aligned(grid: Grid, width: int) -> list[str]:
    """Columns one under another: numbers to the right, words to the left; nearer together where they do not fit."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    sides = ["<" if head in WORDS else ">" for head in grid[0]]
    gap = GAP if sum(widths) + len(GAP) * (len(widths) - 1) <= width else " "
    return [gap.join(f"{c:{s}{w}}" for c, s, w in zip(line, sides, widths, strict=True)) for line in grid]


def _piped(grid: Grid) -> list[str]:
    rule = ["---" if head in WORDS else "---:" for head in grid[0]]
    lines = [[_escaped(cell) for cell in line] for line in grid]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>|#" else c for c in text)
