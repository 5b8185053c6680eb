"""logsumexp: log(sum_i exp(x_i)), the smooth maximum of a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.arithmetic import constant
from overflowscope.catalogue import Bound, Counterpart, Gradient, Operation, softmax
from overflowscope.catalogue._rows import one_hot_limit, without_maximum


def meaning(xp: Any, x: Any) -> Any:
    """log(sum_i exp(x_i))."""
    return xp.log(xp.sum(xp.exp(x), axis=-1))


def identity(xp: Any, x: Any) -> Any:
    """m + log1p(s), s the sum over the others; it cancels only where the result is near 0."""
    m, _, s = without_maximum(xp, x)
    return (m + xp.log1p(s))[:, 0]


def limit(x: Any) -> Any:
    """+inf where a logit is, -inf where all are; nan with a nan."""
    return np.max(x, axis=-1)


SHIFTED = Bound("relative (|y + n - min|/|y| + 1) u", lambda of: abs(of.y + of.n - of.least) / abs(of.y) + 1)
"""Of both shifted forms; the last unit is for the addition of the maximum, which the paper leaves out."""

OPERATION = Operation(
    "logsumexp",
    "log(sum_i exp(x_i)), per row",
    meaning,
    identity,
    limit,
    gradient=Gradient("softmax_j, per row", softmax.meaning, softmax.identity, one_hot_limit),
    counterparts={
        "scipy": Counterpart("scipy.special.logsumexp"),
        "torch": Counterpart("torch.logsumexp"),
        "jax": Counterpart("jax.scipy.special.logsumexp"),
        "onnxruntime": Counterpart("ReduceLogSumExp"),
    },
)


@OPERATION.formulation(
    source="Blanchard, Higham, Higham (2021), Algorithm 3.1",
    breaks="a logit above log(largest), or a sum beyond the largest number (inf); very negative logits (log(0) = -inf)",
    bound=Bound("relative (1 + (n + 1)/|y|) u", lambda of: 1 + (of.n + 1) / abs(of.y), of_exps=True),
    fragile=True,
)
def naive(xp: Any, x: Any) -> Any:
    """log(sum(exp(x)))."""
    return xp.log(xp.sum(xp.exp(x), axis=-1))


@OPERATION.formulation(
    source="Higham, What Is the Log-Sum-Exp Function? (2021)",
    breaks="a sum beyond the largest number (65,520 equal logits in float16); an infinite maximum (inf - inf)",
    bound=SHIFTED,
)
def shifted(xp: Any, x: Any) -> Any:
    """max + log(sum(exp(x - max)))."""
    m = xp.max(x, axis=-1, keepdims=True)
    return (m + xp.log(xp.sum(xp.exp(x - m), axis=-1, keepdims=True)))[:, 0]


@OPERATION.formulation(
    source="Blanchard, Higham, Higham (2021), Algorithm 4.1",
    breaks="a sum beyond the largest number; an infinite maximum (inf - inf)",
    bound=SHIFTED,
)
def log1p(xp: Any, x: Any) -> Any:
    """max + log1p(s), s the sum of exp(x - max) without the maximum."""
    m, _, s = without_maximum(xp, x)
    return (m + xp.log1p(s))[:, 0]


@OPERATION.formulation(
    source="a known trap",
    breaks="a dominant logit near 0: the full sum has absorbed the others before the 1 is taken off, so log1p gains "
    "nothing over log",
    trap=True,
)
def fake_log1p(xp: Any, x: Any) -> Any:
    """max + log1p(sum(exp(x - max)) - 1)."""
    m = xp.max(x, axis=-1, keepdims=True)
    s = xp.sum(xp.exp(x - m), axis=-1, keepdims=True)
    return (m + xp.log1p(s - constant(x, "1")))[:, 0]
