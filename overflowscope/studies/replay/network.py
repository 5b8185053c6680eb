"""The network 784-256-10 and its loss, written once over an array namespace: every array in it has a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic import constant
from overflowscope.draws import WEIGHTS, draw
from overflowscope.errors import InputError
from overflowscope.evaluate import to_array
from overflowscope.formats import Format, round_to

HIDDEN, CLASSES = 256, 10
PARAMETERS = ("W1", "b1", "W2", "b2")
Arrays = dict[str, Any]


def parameters(seed: int, features: int, sigma: float, fmt: Format) -> Arrays:
    """W1 (features, 256) and W2 (256, 10), normal with standard deviation ``sigma``; b1 and b2, zeros.

    The variates are the seed's, whatever the sigma and the format, to which every weight is rounded once. Raises
    InputError where the format does not hold all of them.
    """
    hidden = range(features, features + HIDDEN)
    drawn = {
        "W1": draw("normal", seed, HIDDEN, range(features), stream=WEIGHTS),
        "b1": np.zeros(HIDDEN),
        "W2": draw("normal", seed, CLASSES, hidden, stream=WEIGHTS),
        "b2": np.zeros(CLASSES),
    }
    with np.errstate(over="ignore"):
        rounded = {name: round_to(sigma * values, fmt) for name, values in drawn.items()}
    if not all(np.isfinite(values).all() for values in rounded.values()):
        raise InputError(f"sigma {sigma:g} draws weights beyond {fmt.largest:g}, the largest {fmt.name}")
    return {name: to_array(values, fmt) for name, values in rounded.items()}


def predicted(xp: Any, p: Arrays, x: Any) -> Arrays:
    """H = relu(X W1 + b1), logits = H W2 + b2, and what lies between; x is (n, features), logits are (n, 10)."""
    xw = xp.matmul(x, p["W1"])
    z = xw + p["b1"]
    # As NumPy code has it, derivative included: nan stays nan, and 0 times a gradient of nan is nan too.
    h = z * xp.where(z > constant(z, "0"), constant(z, "1"), constant(z, "0"))
    hw = xp.matmul(h, p["W2"])
    return {"XW1": xw, "Z": z, "H": h, "HW2": hw, "logits": hw + p["b2"]}


def forward(xp: Any, p: Arrays, x: Any, labels: NDArray[np.int64], loss: Callable[..., Any]) -> Arrays:
    """The same with "losses" (n,), which ``loss(xp, logits, labels)`` gives, and their mean, "loss"."""
    arrays = predicted(xp, p, x)
    losses = loss(xp, arrays["logits"], labels)
    return {**arrays, "losses": losses, "loss": xp.mean(losses)}


def accuracy(xp: Any, p: Arrays, batches: Any) -> float:
    """The share of the images whose largest logit is their label's; ``batches`` are pairs of images and labels.

    An image one of whose logits is nan or inf counts as missed.
    """
    right = seen = 0
    for x, labels in batches:
        logits = predicted(xp, p, x)["logits"].astype(np.float64)
        known = np.isfinite(logits).all(axis=1)
        right += int(np.count_nonzero(known & (logits.argmax(axis=1) == labels)))
        seen += len(labels)
    return right / seen
