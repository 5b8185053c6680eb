"""softmax: exp(x_j) / sum_i exp(x_i), a row of probabilities."""

from __future__ import annotations

from typing import Any

from overflowscope.arithmetic import constant
from overflowscope.catalogue import Bound, Counterpart, Gradient, Operation
from overflowscope.catalogue._rows import beside_label, label_mask, one_hot_limit, without_maximum


def meaning(xp: Any, x: Any) -> Any:
    """exp(x_j) / sum_i exp(x_i)."""
    e = xp.exp(x)
    return e / xp.sum(e, axis=-1, keepdims=True)


def identity(xp: Any, x: Any) -> Any:
    """exp(x_j - m) / (1 + s), s the sum over the others: numerator and denominator divided by exp(m)."""
    _, e, s = without_maximum(xp, x)
    return e / (constant(x, "1") + s)


def gradient_meaning(xp: Any, x: Any, labels: Any) -> Any:
    """softmax_y ([j = y] - softmax_j), y the label."""
    p, zero, one = meaning(xp, x), constant(x, "0"), constant(x, "1")
    return xp.take_along_axis(p, labels[:, None], axis=-1) * (xp.where(label_mask(xp, x, labels), one, zero) - p)


def gradient_identity(xp: Any, x: Any, labels: Any) -> Any:
    """-softmax_y softmax_j beside the label y, at it softmax_y times the sum of the others."""
    p, others = beside_label(xp, x, labels)
    return xp.take_along_axis(p, labels[:, None], axis=-1) * xp.where(label_mask(xp, x, labels), others, -p)


def gradient_limit(x: Any, labels: Any) -> Any:
    """0 wherever softmax has a limit: it is 0 at the label or 0 beside it."""
    return 0.0 * one_hot_limit(x)


OPERATION = Operation(
    "softmax",
    "exp(x_j) / sum_i exp(x_i), per row",
    meaning,
    identity,
    limit=one_hot_limit,
    per_class=True,
    probabilities=True,
    gradient=Gradient(
        "of the entry at the label: softmax_label ([j = label] - softmax_j), per row",
        gradient_meaning,
        gradient_identity,
        gradient_limit,
    ),
    counterparts={
        "scipy": Counterpart("scipy.special.softmax"),
        "torch": Counterpart("torch.nn.functional.softmax"),
        "jax": Counterpart("jax.nn.softmax"),
        "onnxruntime": Counterpart("Softmax"),
    },
)


@OPERATION.formulation(
    source="the definition",
    breaks="a logit above log(largest), or a sum beyond the largest number (inf, then inf/inf = nan); a row of very "
    "negative logits (0/0 = nan)",
    bound=Bound("normwise (n + 3) u", lambda of: of.n + 3, of_exps=True),
    fragile=True,
)
def naive(xp: Any, x: Any) -> Any:
    """exp(x) / sum(exp(x))."""
    e = xp.exp(x)
    return e / xp.sum(e, axis=-1, keepdims=True)


@OPERATION.formulation(
    source="Goodfellow, Bengio, Courville, Deep Learning (2016), 4.1; bound: Blanchard, Higham, Higham (2021)",
    breaks="a sum beyond the largest number (65,520 equal logits in float16); an infinite maximum (inf - inf)",
    bound=Bound("normwise (n + 2 + 2 (max - min)) u", lambda of: of.n + 2 + 2 * (of.largest - of.least)),
)
def shifted(xp: Any, x: Any) -> Any:
    """exp(x - max) / sum(exp(x - max))."""
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


@OPERATION.formulation(
    source="Blanchard, Higham, Higham (2021), the division-free form",
    breaks="large logits: x - logsumexp keeps an absolute error of ulp(x), which exp makes relative; a sum beyond the "
    "largest number; an infinite maximum (inf - inf)",
    bound=Bound(
        "normwise (1 + max|x - y| + |y + n - min| + |y|) u, y the logsumexp",
        lambda of: 1 + of.far + abs(of.y + of.n - of.least) + abs(of.y),
    ),
)
def lse(xp: Any, x: Any) -> Any:
    """exp(x - logsumexp(x)), the logsumexp shifted."""
    m = xp.max(x, axis=-1, keepdims=True)
    return xp.exp(x - (m + xp.log(xp.sum(xp.exp(x - m), axis=-1, keepdims=True))))


@OPERATION.formulation(
    source="Blanchard, Higham, Higham (2021), the division-free form",
    breaks="a logit above log(largest), or a sum beyond the largest number (x - inf, then exp: all 0); a row of very "
    "negative logits (x + inf: inf); large logits, as lse",
    bound=Bound(
        "normwise (|y| + max|x - y| + n + 2) u, y the logsumexp", lambda of: abs(of.y) + of.far + of.n + 2, of_exps=True
    ),
    fragile=True,
)
def lse_naive(xp: Any, x: Any) -> Any:
    """exp(x - log(sum(exp(x))))."""
    return xp.exp(x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True)))


BLOCK = 64
"""Classes that online takes at a time."""


@OPERATION.formulation(
    source="Milakov, Gimelshein, Online normalizer calculation for softmax (2018); in blocks: FlashAttention (2022)",
    breaks="a first block that is all mask (-inf - -inf is nan); a sum beyond the largest number; an infinite maximum",
)
def online(xp: Any, x: Any) -> Any:
    """exp(x - m) / s in one pass over blocks of 64: m' = max(m, block), s' = s exp(m - m') + sum(exp(block - m'))."""
    m = xp.max(x[:, :BLOCK], axis=-1, keepdims=True)
    s = xp.sum(xp.exp(x[:, :BLOCK] - m), axis=-1, keepdims=True)
    for start in range(BLOCK, x.shape[-1], BLOCK):
        block, before = x[:, start : start + BLOCK], m
        m = xp.maximum(before, xp.max(block, axis=-1, keepdims=True))
        s = s * xp.exp(before - m) + xp.sum(xp.exp(block - m), axis=-1, keepdims=True)
    return xp.exp(x - m) / s


@OPERATION.formulation(
    source="Dao, Fu, Ermon, Rudra, Re, FlashAttention (2022) and other GPU kernels, which have exp2 in hardware",
    breaks="large logits: x log2(e) is rounded at its own size, which exp2 makes a relative error, and overflows above "
    "largest/1.4427; a sum beyond the largest number; an infinite maximum (inf - inf)",
)
def base2(xp: Any, x: Any) -> Any:
    """exp2(t - max(t)) / sum(exp2(t - max(t))), t = x log2(e)."""
    t = x * constant(x, "log2e")
    e = xp.exp2(t - xp.max(t, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)
