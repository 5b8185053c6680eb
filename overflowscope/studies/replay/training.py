"""Plain SGD, and what happens in each of its steps: forward, backward and update on one tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.recording import RecordedArray, Recording, plain
from overflowscope.arithmetic.wide_sums import WideSums
from overflowscope.catalogue import Formulation
from overflowscope.draws import draw_order
from overflowscope.evaluate import to_array
from overflowscope.formats import Format, round_to
from overflowscope.records.replay import FirstNonfinite, ReplayStep
from overflowscope.studies.replay import network
from overflowscope.studies.replay.birth import Tape, first_nonfinite
from overflowscope.studies.replay.images import Images
from overflowscope.studies.replay.network import PARAMETERS, Arrays

TESTED = 4096
"""So many held-out images are looked at at a time."""
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Training:
    """One training to replay: ``steps`` of so many images each, but for the last batch of an epoch."""

    images: Images
    sigma: float
    loss: Formulation
    fmt: Format
    lr: float
    batch: int
    steps: int
    seed: int


@dataclass(frozen=True)
class Trained:
    """What became of it. ``accuracy`` is None where some weight is inf or nan."""

    steps: tuple[ReplayStep, ...]
    first: FirstNonfinite | None
    accuracy: float | None


def train(training: Training, advance: Advance) -> Trained:
    """Train, from the first step to the last, or to the first batch whose logits are all nan.

    ``advance`` is called with the number of images that each step takes. Raises InputError.
    """
    xp, fmt, images = WideSums(), training.fmt, training.images
    weights = network.parameters(training.seed, images.features, training.sigma, fmt)
    lr = to_array(round_to(np.array(training.lr), fmt), fmt)[()]
    steps: list[ReplayStep] = []
    first: FirstNonfinite | None = None
    with np.errstate(all="ignore"):
        for step, epoch, batch, rows in batches(training):
            tape = taken(xp, weights, images.rows(rows, fmt), images.labels[rows], training.loss.function, lr)
            weights = {name: plain(tape.updated[name]) for name in PARAMETERS}
            first = first or first_nonfinite(tape, step, epoch, batch)
            steps.append(_described(tape, step, epoch, batch, weights))
            advance(len(rows))
            if np.isnan(steps[-1].largest_logit):
                break
        survived = not any(steps[-1].nonfinite.values())
        accuracy = network.accuracy(xp, weights, _held_out(images, fmt)) if survived and len(images.held_out) else None
    return Trained(tuple(steps), first, accuracy)


def batches(training: Training) -> Iterator[tuple[int, int, int, NDArray[np.int64]]]:
    """(step, epoch, batch, numbers of its images): all images once an epoch, in an order of its own."""
    rows, step, epoch = training.images.train, 0, 0
    while True:
        order = rows[draw_order(training.seed, len(rows), 1 + epoch)]
        for batch, start in enumerate(range(0, len(rows), training.batch)):
            if step == training.steps:
                return
            yield step, epoch, batch, order[start : start + training.batch]
            step += 1
        epoch += 1


def taken(
    xp: Any, weights: Arrays, x: Any, labels: NDArray[np.int64], loss: Callable[..., Any], lr: Any, wanted: Any = None
) -> Tape:
    """One step: the loss of the batch, its gradients by the parameters and all between, W - lr dW."""
    recording = Recording(xp)
    p = {name: recording.asarray(weights[name]) for name in PARAMETERS}
    arrays = network.forward(recording, p, recording.asarray(x), labels, loss)
    forward = len(recording.steps)
    # By every array of the way, so that each of the steps backwards is known by what it was on its way to.
    way = [s.output for s in recording.steps[:-1]]
    found = gradients(arrays["loss"], np.ones(()), [*way, *p.values()], recorded=True)
    by_step = dict(zip((a.made_by for a in way), found[: len(way)], strict=True))
    gradient = dict(zip(PARAMETERS, found[len(way) :], strict=True))
    backward = len(recording.steps)
    updated = {name: p[name] - gradient[name] * lr for name in PARAMETERS}
    return Tape(recording.steps, forward, backward, arrays, by_step, gradient, updated)
