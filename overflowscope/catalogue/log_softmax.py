"""log_softmax: x_j - logsumexp(x)."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.catalogue import Counterpart, Gradient, Operation, cross_entropy, softmax
from overflowscope.catalogue._rows import one_hot_limit, without_maximum


def meaning(xp: Any, x: Any) -> Any:
    """log(exp(x_j) / sum_i exp(x_i))."""
    return xp.log(softmax.meaning(xp, x))


def identity(xp: Any, x: Any) -> Any:
    """(x_j - m) - log1p(s), s the sum over the others: nothing cancels, for both terms are at most 0."""
    m, _, s = without_maximum(xp, x)
    return (x - m) - xp.log1p(s)


def limit(x: Any) -> Any:
    """log of softmax's limit: 0 for the one class or the one +inf, -inf beside it."""
    with np.errstate(divide="ignore"):
        return np.log(one_hot_limit(x))


def gradient_meaning(xp: Any, x: Any, labels: Any) -> Any:
    """Of the label's entry: cross-entropy's with the other sign."""
    return -cross_entropy.gradient_meaning(xp, x, labels)


def gradient_identity(xp: Any, x: Any, labels: Any) -> Any:
    """Cross-entropy's with the other sign."""
    return -cross_entropy.gradient_identity(xp, x, labels)


def gradient_limit(x: Any, labels: Any) -> Any:
    """Cross-entropy's with the other sign."""
    return -cross_entropy.gradient_limit(x, labels)


OPERATION = Operation(
    "log_softmax",
    "x_j - log(sum_i exp(x_i)), per row",
    meaning,
    identity,
    limit,
    per_class=True,
    gradient=Gradient(
        "of the entry at the label: [j = label] - softmax_j, per row",
        gradient_meaning,
        gradient_identity,
        gradient_limit,
    ),
    counterparts={
        "scipy": Counterpart("scipy.special.log_softmax"),
        "torch": Counterpart("torch.nn.functional.log_softmax"),
        "jax": Counterpart("jax.nn.log_softmax"),
        "onnxruntime": Counterpart("LogSoftmax"),
    },
)


@OPERATION.formulation(
    source="the definition",
    breaks="whatever breaks naive softmax; a probability that underflows (log(0) = -inf)",
    fragile=True,
)
def naive(xp: Any, x: Any) -> Any:
    """log(softmax(x))."""
    return xp.log(softmax.naive(xp, x))


@OPERATION.formulation(
    source="the definition, over the shifted softmax",
    breaks="a probability that underflows (log(0) = -inf); a sum beyond the largest number",
)
def shifted(xp: Any, x: Any) -> Any:
    """log(softmax(x)), the softmax shifted."""
    return xp.log(softmax.shifted(xp, x))


@OPERATION.formulation(
    source="the form that torch, JAX and SciPy document",
    breaks="a sum beyond the largest number; a dominant logit: log(1 + s) loses a small s",
)
def lse(xp: Any, x: Any) -> Any:
    """(x - max) - log(sum(exp(x - max)))."""
    d = x - xp.max(x, axis=-1, keepdims=True)
    return d - xp.log(xp.sum(xp.exp(d), axis=-1, keepdims=True))


@OPERATION.formulation(
    source="after Blanchard, Higham, Higham (2021), Algorithm 4.1",
    breaks="a sum beyond the largest number",
)
def log1p(xp: Any, x: Any) -> Any:
    """(x - max) - log1p(s), s the sum of exp(x - max) without the maximum."""
    m, _, s = without_maximum(xp, x)
    return (x - m) - xp.log1p(s)
