"""What the functions are meant to give, on arrays of exact numbers: textbook formulas at 60 digits.

Each takes rows (rows, classes), or one row (classes,) where the function does, as object arrays of mpmath numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

mp = mpmath.MPContext()
mp.dps = 60

Numbers = Any
exp = np.frompyfunc(mp.exp, 1, 1)
log = np.frompyfunc(mp.log, 1, 1)
log1p = np.frompyfunc(mp.log1p, 1, 1)
sqrt = np.frompyfunc(mp.sqrt, 1, 1)


def numbers(values: Any) -> Numbers:
    """The numbers that an array of floats holds, exactly; masks and labels as they are."""
    array = np.asarray(values)
    if array.dtype.kind in "bi":
        return array
    return np.frompyfunc(lambda v: mp.mpf(float(v)), 1, 1)(array.astype(np.float64))


def softmax(x: Numbers) -> Numbers:
    e = exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Numbers) -> Numbers:
    return centred(x) / sqrt(mean(centred(x) ** 2) + mp.mpf(1e-5))


def z_scores(x: Numbers) -> Numbers:
    """0 for a row without spread, which is what a guarded one agrees on."""
    std = sqrt(mean(centred(x) ** 2))
    return centred(x) / np.where(std == 0, mp.mpf(1), std)


def std(x: Numbers) -> Numbers:
    return sqrt(mean(centred(x) ** 2))[..., 0]


def sample_std(x: Numbers) -> Numbers:
    """nan of a single value, which has none."""
    return mp.sqrt((centred(x) ** 2).sum() / (len(x) - 1)) if len(x) > 1 else mp.nan


def length(x: Numbers, y: Numbers) -> Numbers:
    return sqrt(x**2 + y**2)


def log_likelihood(x: Numbers) -> Numbers:
    return (-(x**2) / 2 - mp.log(2 * mp.pi) / 2).sum(axis=-1)


def geometric_mean(x: Numbers) -> Numbers:
    return exp(log(x).sum(axis=-1) / x.shape[-1])


def sigmoid(x: Numbers) -> Numbers:
    """In the limit at an infinity."""
    return 1 / (1 + exp(-x))


def log_of_rest(x: Numbers) -> Numbers:
    return -x - log1p(exp(-x))


def attention(x: Numbers, mask: Any, v: Numbers) -> Numbers:
    """0 for a row with nothing to attend to."""
    e = np.where(mask, exp(x), mp.mpf(0))
    total = e.sum(axis=-1, keepdims=True)
    return (e / np.where(total == 0, mp.mpf(1), total)).dot(v)


def clip_norm(x: Numbers) -> Numbers:
    norm = mp.sqrt((x**2).sum())
    return x / norm if norm > 1 else x


def shares(x: Numbers) -> Numbers:
    total = x.sum()
    return x * 0 if total == 0 else x / total


def logsumexp(x: Numbers) -> Numbers:
    return log(exp(x).sum(axis=-1))


def softplus(x: Numbers) -> Numbers:
    return log1p(exp(x))


def partition(x: Numbers) -> Numbers:
    return exp(x).sum(axis=-1)


def cross_entropy(x: Numbers, labels: Any) -> Numbers:
    return (logsumexp(x) - x[np.arange(len(x)), labels]).sum() / len(x)


def focal_loss(x: Numbers, labels: Any) -> Numbers:
    p = softmax(x)[np.arange(len(x)), labels]
    return -((1 - p) ** 2) * log(p)


def attention_scores(x: Numbers, keys: Numbers, v: Numbers) -> Numbers:
    return softmax(x.dot(keys.T) / mp.sqrt(x.shape[1])).dot(v)


def softmax_biased(x: Numbers, bias: Numbers) -> Numbers:
    return softmax(x + bias)


def rms_norm(x: Numbers) -> Numbers:
    return x / sqrt(mean(x**2) + mp.mpf(1e-6))


def batch_norm(x: Numbers) -> Numbers:
    """0 for a feature without spread, which is what a guarded one agrees on."""
    return z_scores(x.T).T


def adam_step(x: Numbers, m: Numbers, v: Numbers) -> Numbers:
    m = mp.mpf(0.9) * m + mp.mpf(0.1) * x
    v = mp.mpf(0.999) * v + mp.mpf(0.001) * x**2
    return m / (sqrt(v) + mp.mpf(1e-8))


def responsibilities(x: Numbers, centres: Numbers) -> Numbers:
    return softmax(-((x[:, None] - centres) ** 2) / 2)


def survival(x: Numbers) -> Numbers:
    return np.cumsum(log(x), axis=-1)


def divergence(x: Numbers, q: Numbers) -> Numbers:
    """Where the first is 0 it adds nothing: the limit."""
    return (x * log(np.where(x == 0, mp.mpf(1), x / q))).sum(axis=-1)


def cosine(x: Numbers, y: Numbers) -> Numbers:
    """0 of a vector without length, which is what a guarded one agrees on."""
    norms = sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return (x * y).sum(axis=-1) / np.where(norms == 0, mp.mpf(1), norms)


def distances(x: Numbers) -> Numbers:
    return sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=-1))


def smaller_root(x: Numbers) -> Numbers:
    a, b, c = x.T
    return -2 * c / (b + sqrt(b**2 - 4 * a * c))


def seventh_power(x: Numbers) -> Numbers:
    return (x - 1) ** 7


def exp_series(x: Numbers) -> Numbers:
    return exp(x)


def ratio(x: Numbers, y: Numbers) -> Numbers:
    """0 for a denominator of 0."""
    return np.where(y == 0, mp.mpf(0), x / np.where(y == 0, mp.mpf(1), y))


def clipped_rate(x: Numbers) -> Numbers:
    return np.minimum(np.maximum(exp(x), mp.mpf(1e-3)), mp.mpf(1e4))


def mean(x: Numbers) -> Numbers:
    return x.sum(axis=-1, keepdims=True) / x.shape[-1]


def centred(x: Numbers) -> Numbers:
    return x - mean(x)


TRUTHS: dict[str, Callable[..., Numbers]] = {
    f.__name__: f
    for f in (
        softmax,
        layer_norm,
        z_scores,
        std,
        sample_std,
        length,
        log_likelihood,
        geometric_mean,
        sigmoid,
        log_of_rest,
        attention,
        clip_norm,
        shares,
        logsumexp,
        softplus,
        partition,
        cross_entropy,
        focal_loss,
        attention_scores,
        softmax_biased,
        rms_norm,
        batch_norm,
        adam_step,
        responsibilities,
        survival,
        divergence,
        cosine,
        distances,
        smaller_root,
        seventh_power,
        exp_series,
        ratio,
        clipped_rate,
        centred,
    )
}
