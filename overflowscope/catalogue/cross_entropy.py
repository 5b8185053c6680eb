"""cross_entropy: logsumexp(x) - x_y per row, y its integer label; no reduction.

What torch.nn.CrossEntropyLoss(reduction='none') returns for class indices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.arithmetic import constant
from overflowscope.catalogue import Bound, Counterpart, Gradient, Operation, softmax
from overflowscope.catalogue._rows import at_label, beside_label, label_mask, one_hot_limit, without_maximum


def meaning(xp: Any, x: Any, labels: Any) -> Any:
    """-log(exp(x_y) / sum_i exp(x_i))."""
    return -xp.log(at_label(xp, softmax.meaning(xp, x), labels))


def identity(xp: Any, x: Any, labels: Any) -> Any:
    """(m - x_y) + log1p(s), s the sum over the others: nothing cancels, for both terms are at least 0."""
    m, _, s = without_maximum(xp, x)
    return (m[:, 0] - at_label(xp, x, labels)) + xp.log1p(s)[:, 0]


def limit(x: Any, labels: Any) -> Any:
    """-log of softmax's limit at the label: 0 or +inf."""
    with np.errstate(divide="ignore"):
        return -np.log(at_label(np, one_hot_limit(x), labels))


def gradient_meaning(xp: Any, x: Any, labels: Any) -> Any:
    """softmax_j, less 1 at the label."""
    p = softmax.meaning(xp, x)
    return xp.where(label_mask(xp, x, labels), p - constant(x, "1"), p)


def gradient_identity(xp: Any, x: Any, labels: Any) -> Any:
    """softmax_j beside the label, at it minus the sum of the others."""
    p, others = beside_label(xp, x, labels)
    return xp.where(label_mask(xp, x, labels), -others, p)


def gradient_limit(x: Any, labels: Any) -> Any:
    """Softmax's limit less the label's one-hot row: 1 at the one +inf and -1 at the label, or 0 where they meet."""
    return one_hot_limit(x) - label_mask(np, x, labels)


OPERATION = Operation(
    "cross_entropy",
    "log(sum_i exp(x_i)) - x_label, per row",
    meaning,
    identity,
    limit,
    takes_labels=True,
    gradient=Gradient("softmax_j - [j = label], per row", gradient_meaning, gradient_identity, gradient_limit),
    counterparts={
        "scipy": Counterpart("scipy.special.log_softmax", at_label=True),
        "torch": Counterpart("torch.nn.CrossEntropyLoss"),
        "jax": Counterpart("jax.nn.log_softmax", at_label=True),
        "onnxruntime": Counterpart("SoftmaxCrossEntropyLoss"),
    },
)


@OPERATION.formulation(
    source="the definition",
    breaks="whatever breaks naive softmax; a label whose probability underflows (-log(0) = inf)",
    fragile=True,
)
def naive(xp: Any, x: Any, labels: Any) -> Any:
    """-log(softmax(x)[y])."""
    return -xp.log(at_label(xp, softmax.naive(xp, x), labels))


@OPERATION.formulation(
    source="the definition, over the shifted softmax",
    breaks="a label whose probability underflows (-log(0) = inf); a probability near 1, whose log has few digits left; "
    "a sum beyond the largest number",
)
def shifted(xp: Any, x: Any, labels: Any) -> Any:
    """-log(softmax(x)[y]), the softmax shifted."""
    return -xp.log(at_label(xp, softmax.shifted(xp, x), labels))


@OPERATION.formulation(
    source="logsumexp minus the label's logit, as commonly written",
    breaks="a dominant label: max + log(sum) rounds at ulp(max), then x_y is subtracted (cancellation); a sum "
    "beyond the largest number",
)
def lse(xp: Any, x: Any, labels: Any) -> Any:
    """max + log(sum(exp(x - max))) - x[y]."""
    m = xp.max(x, axis=-1, keepdims=True)
    logsumexp = m + xp.log(xp.sum(xp.exp(x - m), axis=-1, keepdims=True))
    return logsumexp[:, 0] - at_label(xp, x, labels)


@OPERATION.formulation(
    source="torch.nn.CrossEntropyLoss: log_softmax, then the negative log-likelihood",
    breaks="a dominant label: log(1 + s) loses a small s; a sum beyond the largest number",
)
def shifted_lse(xp: Any, x: Any, labels: Any) -> Any:
    """log(sum(exp(x - max))) - (x[y] - max)."""
    d = x - xp.max(x, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(d), axis=-1)) - at_label(xp, d, labels)


@OPERATION.formulation(
    source="after Blanchard, Higham, Higham (2021), Algorithm 4.1",
    breaks="a sum beyond the largest number",
    bound=Bound("relative (n + 1 + max - min) u", lambda of: of.n + 1 + of.largest - of.least),
)
def log1p(xp: Any, x: Any, labels: Any) -> Any:
    """(max - x[y]) + log1p(s), s the sum of exp(x - max) without the maximum."""
    m, _, s = without_maximum(xp, x)
    return (m[:, 0] - at_label(xp, x, labels)) + xp.log1p(s)[:, 0]


@OPERATION.formulation(
    source="the common patch for log(0)",
    breaks="any probability near or below 1e-12, where it is finite and wrong (27.6 at most); float16 and float8, in "
    "which 1e-12 rounds to 0",
    approximation=True,
)
def clipped(xp: Any, x: Any, labels: Any) -> Any:
    """-log(softmax(x)[y] + 1e-12), the softmax shifted."""
    return -xp.log(at_label(xp, softmax.shifted(xp, x), labels) + constant(x, "1e-12"))
