"""What a replay of training found: its fields are the keys of the JSON. Steps, epochs and batches count from 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overflowscope.records import strict


@dataclass(frozen=True, kw_only=True)
class Reached:
    """An array that holds inf or nan: ``value`` is nan where one of the ``entries`` is, else the first infinity."""

    tensor: str
    value: float
    entries: int


@dataclass(frozen=True, kw_only=True)
class FirstNonfinite:
    """The first operation of a training that gave inf or nan, in the order in which it was computed.

    ``step`` counts from 0 over the whole training, ``batch`` within its ``epoch``. ``phase`` is forward, backward or
    update; ``tensor`` what the operation was part of making: exp, sum, logits, ...; dlogits, dW2, ... for the
    gradients of the loss by them; ``operation`` is NumPy's name. ``value`` is the first of the ``entries`` inf and nan
    in its result, at ``index``; ``cause`` says of what it is made. ``spread`` are the arrays of this step that hold
    inf or nan, in the order in which they were made: through which gradients it reached which weights.
    """

    step: int
    epoch: int
    batch: int
    phase: str
    tensor: str
    operation: str
    value: float
    index: tuple[int, ...]
    entries: int
    cause: str
    spread: tuple[Reached, ...]


@dataclass(frozen=True, kw_only=True)
class ReplayStep:
    """One step of training: a batch of ``rows`` images, forward and backward, and the update of the weights.

    ``loss`` is the mean over the batch. ``largest_logit`` is the largest magnitude among the batch's logits that are
    no nan, nan where all are. ``rows_hit`` counts the images whose loss, or whose gradient of the loss by their
    logits, holds inf or nan. ``nonfinite`` counts the entries of W1, b1, W2 and b2 that are inf or nan after the
    update, ``nan`` those of them that are nan.
    """

    step: int
    epoch: int
    batch: int
    rows: int
    loss: float
    largest_logit: float
    rows_hit: int
    nonfinite: Mapping[str, int]
    nan: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ReplayRun:
    """One training. ``data`` is the name of the images, ``accumulator`` the format in which sums and matmuls add up.

    ``first_nonfinite`` is null where everything stayed finite. ``accuracy`` is the share of the held-out images whose
    largest logit is their label's, after the last step; null where some weight is inf or nan by then.
    ``steps_asked`` is the length of the whole training: there are fewer ``steps`` where it ended after a batch all
    of whose logits were nan.
    """

    sigma: float
    loss: str
    dtype: str
    engine: str
    accumulator: str
    data: str
    first_nonfinite: FirstNonfinite | None
    accuracy: float | None
    explanation: str
    steps_asked: int
    steps: tuple[ReplayStep, ...]


@dataclass(frozen=True, kw_only=True)
class ReplayInput:
    """What was trained on and how: the same images, in the same order, from the same weights but for ``sigma``.

    ``sizes`` are the widths of the network's layers: pixels, hidden units, classes. ``mean_square`` is that of the
    pixels trained on; ``sha256`` is of all images as rows and their labels.
    """

    data: str
    seed: int
    images: int
    held_out: int
    sizes: tuple[int, ...]
    mean_square: float
    sha256: str
    lr: float
    batch: int
    epochs: int | None
    steps: int


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Trainings side by side; ``to_dict()`` is the JSON document."""

    schema: str
    version: str
    environment: Mapping[str, str | None]
    input: ReplayInput
    runs: tuple[ReplayRun, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: dicts, lists, and the strings "nan", "inf", "-inf" for what JSON cannot say."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain
