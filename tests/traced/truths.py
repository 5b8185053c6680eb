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
    """The numbers that an array of floats holds, exactly."""
    array = np.asarray(values)
    if array.dtype == bool:
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
    )
}
