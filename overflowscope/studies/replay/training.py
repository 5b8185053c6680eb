"""Plain SGD, and what happens in each of its steps: forward, backward and update on one tape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.recording import Recording, plain
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

    @property
    def elements(self) -> int:
        """Images in all of its steps."""
        count = len(self.images.train)
        epochs, rest = divmod(self.steps, math.ceil(count / self.batch))
        return epochs * count + rest * self.batch


@dataclass(frozen=True)
class Trained:
    """What became of it. ``accuracy`` is None where some weight is inf or nan."""

    steps: tuple[ReplayStep, ...]
    first: FirstNonfinite | None
    accuracy: float | None


def train(training: Training, advance: Advance) -> Trained:
    """Train, from the first step to the last, or to the first batch whose logits are all nan.

    ``advance`` is called with the number of images that each step takes, and at last with those of steps that are not
    taken. Raises InputError.
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
        advance(training.elements - sum(s.rows for s in steps))
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


def taken(xp: Any, weights: Arrays, x: Any, labels: NDArray[np.int64], loss: Callable[..., Any], lr: Any) -> Tape:
    """One step: the loss of the batch, its gradients by the parameters and all between, W - lr dW."""
    recording = Recording(xp)
    p = {name: recording.asarray(weights[name]) for name in PARAMETERS}
    arrays = network.forward(recording, p, recording.asarray(x), labels, loss)
    forward = len(recording.steps)
    # By every array of the way, so that each of the steps backwards is known by what it was on its way to.
    way = [s.output for s in recording.steps[:-1] if any(parent is not None for parent in s.parents)]
    found = gradients(arrays["loss"], np.ones(()), [*way, *p.values()], recorded=True)
    by_step = dict(zip((a.made_by for a in way), found[: len(way)], strict=True))
    gradient = dict(zip(PARAMETERS, found[len(way) :], strict=True))
    backward = len(recording.steps)
    updated = {n: recording.subtract(p[n], recording.multiply(gradient[n], lr)) for n in PARAMETERS}
    return Tape(recording.steps, forward, backward, arrays, by_step, gradient, updated)


def _described(tape: Tape, step: int, epoch: int, batch: int, weights: Arrays) -> ReplayStep:
    """What the record says of a step."""
    logits = plain(tape.arrays["logits"])
    magnitudes = np.abs(logits.astype(np.float64))
    losses = plain(tape.arrays["losses"])
    sent_back = plain(tape.by_step[tape.arrays["logits"].made_by])
    hit = ~(np.isfinite(losses) & np.isfinite(sent_back).all(axis=1))
    return ReplayStep(
        step=step,
        epoch=epoch,
        batch=batch,
        rows=len(losses),
        loss=float(plain(tape.arrays["loss"])),
        largest_logit=float(np.fmax.reduce(magnitudes, axis=None)),
        rows_hit=int(np.count_nonzero(hit)),
        nonfinite={name: int(np.count_nonzero(~np.isfinite(w))) for name, w in weights.items()},
        nan={name: int(np.count_nonzero(np.isnan(w))) for name, w in weights.items()},
    )


def _held_out(images: Images, fmt: Format) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    for start in range(0, len(images.held_out), TESTED):
        rows = images.held_out[start : start + TESTED]
        yield images.rows(rows, fmt), images.labels[rows]
