"""softmax: exp(x_j) / sum_i exp(x_i), a row of probabilities."""

from __future__ import annotations

from typing import Any

from overflowscope.arithmetic import constant
from overflowscope.catalogue import Operation
from overflowscope.catalogue._rows import one_hot_limit, without_maximum


def meaning(xp: Any, x: Any) -> Any:
    """exp(x_j) / sum_i exp(x_i)."""
    e = xp.exp(x)
    return e / xp.sum(e, axis=-1, keepdims=True)


def identity(xp: Any, x: Any) -> Any:
    """exp(x_j - m) / (1 + s), s the sum over the others: numerator and denominator divided by exp(m)."""
    _, e, s = without_maximum(xp, x)
    return e / (constant(x, "1") + s)


OPERATION = Operation(
    "softmax",
    "exp(x_j) / sum_i exp(x_i), per row",
    meaning,
    identity,
    limit=one_hot_limit,
    per_class=True,
    probabilities=True,
)


@OPERATION.formulation(
    source="the definition",
    breaks="a logit above log(largest), or a sum beyond the largest number (inf, then inf/inf = nan); a row of very "
    "negative logits (0/0 = nan)",
    bound="normwise (n + 3) u where no exp over- or underflows",
    fragile=True,
)
def naive(xp: Any, x: Any) -> Any:
    """exp(x) / sum(exp(x))."""
    e = xp.exp(x)
    return e / xp.sum(e, axis=-1, keepdims=True)


@OPERATION.formulation(
    source="Goodfellow, Bengio, Courville, Deep Learning (2016), 4.1; bound: Blanchard, Higham, Higham (2021)",
    breaks="a sum beyond the largest number (65,520 equal logits in float16); an infinite maximum (inf - inf)",
    bound="normwise (n + 2 + 2 (max - min)) u",
)
def shifted(xp: Any, x: Any) -> Any:
    """exp(x - max) / sum(exp(x - max))."""
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


@OPERATION.formulation(
    source="Blanchard, Higham, Higham (2021), the division-free form",
    breaks="large logits: x - logsumexp keeps an absolute error of ulp(x), which exp makes relative; a sum beyond the "
    "largest number; an infinite maximum (inf - inf)",
    bound="normwise (1 + max|x - y| + |y + n - min| + |y|) u, y the logsumexp",
)
def lse(xp: Any, x: Any) -> Any:
    """exp(x - logsumexp(x)), the logsumexp shifted."""
    m = xp.max(x, axis=-1, keepdims=True)
    return xp.exp(x - (m + xp.log(xp.sum(xp.exp(x - m), axis=-1, keepdims=True))))
