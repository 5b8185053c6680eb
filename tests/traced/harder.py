"""More NumPy functions as people write them, of the kinds that training code is made of."""

import math

import numpy as np

# Log-sum-exp, softplus and cross-entropy


def logsumexp_pairwise(x):
    total = x[:, 0]
    for j in range(1, x.shape[1]):
        total = np.log(np.exp(total) + np.exp(x[:, j]))
    return total


def logsumexp_by_log1p(x):
    total = x[:, 0]
    for j in range(1, x.shape[1]):
        gap = np.abs(total - x[:, j])
        total = np.maximum(total, x[:, j]) + np.log1p(np.exp(-gap))
    return total


def softplus(x):
    grown = 1 + np.exp(x)
    return np.log(grown)


def softplus_by_log1p(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def partition(x):
    return np.exp(x).sum(axis=-1)


def cross_entropy(x, labels):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    picked = p[np.arange(len(labels)), labels]
    return -np.log(picked).mean()


def cross_entropy_by_logits(x, labels):
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def focal_loss(x, labels):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = (e / e.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
    missed = 1 - p
    return -(missed**2) * np.log(p)


def focal_loss_by_odds(x, labels):
    rows = np.arange(len(labels))
    e = np.exp(x - x[rows, labels][:, None])
    e[rows, labels] = 0.0
    odds = e.sum(axis=1)
    return (odds / (1 + odds)) ** 2 * np.log1p(odds)


# Attention


def attention_scores(x, keys, v):
    scores = x @ keys.T / math.sqrt(x.shape[1])
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def attention_scores_scaled(x, keys, v):
    scores = (x / math.sqrt(x.shape[1])) @ keys.T
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def softmax_biased(x, bias):
    """The bias is 0 where a score counts and -1e9 where it does not."""
    bias = bias.astype(x.dtype)
    scores = x + bias
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_biased_shifted(x, bias):
    bias = bias - bias.max(axis=-1, keepdims=True)
    scores = x + bias.astype(x.dtype)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Normalising and steps of training


def rms_norm(x):
    total = (x * x).sum(axis=-1, keepdims=True)
    return x / np.sqrt(total / x.shape[-1] + 1e-6)


def rms_norm_wide(x):
    total = np.sum(x * x, axis=-1, keepdims=True, dtype=np.float32)
    return (x / np.sqrt(total / x.shape[-1] + 1e-6)).astype(x.dtype)


def batch_norm(x):
    centred = x - x.mean(axis=0)
    return centred / np.sqrt(x.var(axis=0))


def batch_norm_guarded(x):
    var = np.var(x, axis=0)
    return (x - x.mean(axis=0)) / np.sqrt(np.where(var > 0, var, 1.0))


def adam_step(x, m, v):
    m = 0.9 * m + 0.1 * x
    v = 0.999 * v + 0.001 * x**2
    return m / (np.sqrt(v) + 1e-8)


def adam_step_wide(x, m, v):
    wide = x.astype(np.float32)
    m = 0.9 * m.astype(np.float32) + 0.1 * wide
    v = 0.999 * v.astype(np.float32) + 0.001 * wide**2
    return (m / (np.sqrt(v) + 1e-8)).astype(x.dtype)


def centre_half(x):
    half = x.astype(np.float16)
    half -= half.mean(axis=-1, keepdims=True)
    return half


def centre_then_half(x):
    return (x - x.mean(axis=-1, keepdims=True)).astype(np.float16)


# Likelihoods and divergences


def responsibilities(x, centres):
    """Of one point after another: how likely it is of each centre, of unit variance."""
    density = np.exp(-0.5 * (x[:, None] - centres) ** 2)
    return density / density.sum(axis=1, keepdims=True)


def responsibilities_by_logs(x, centres):
    logs = -0.5 * (x[:, None] - centres) ** 2
    logs -= logs.max(axis=1, keepdims=True)
    density = np.exp(logs, out=np.empty_like(logs))
    return density / density.sum(axis=1, keepdims=True)


def survival(x):
    """log of the chance to have come this far."""
    chance = np.cumprod(x, axis=-1)
    return np.log(chance)


def survival_by_logs(x):
    return np.cumsum(np.log(x), axis=-1)


def divergence(x, q):
    logs = np.log(x / q)
    return (x * logs).sum(axis=-1)


def divergence_masked(x, q):
    terms = np.zeros_like(x)
    some = x > 0
    terms[some] = x[some] * np.log(x[some] / q[some])
    return terms.sum(axis=-1)


# Geometry and algebra


def cosine(x, y):
    dot = (x * y).sum(axis=-1)
    norms = np.sqrt((x * x).sum(axis=-1))
    norms *= np.sqrt((y * y).sum(axis=-1))
    return dot / norms


def cosine_scaled(x, y):
    x = x / np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1e-37)
    y = y / np.maximum(np.abs(y).max(axis=-1, keepdims=True), 1e-37)
    norms = np.sqrt((x * x).sum(axis=-1)) * np.sqrt((y * y).sum(axis=-1))
    return (x * y).sum(axis=-1) / np.maximum(norms, 1e-30)


def distances(x):
    squares = (x**2).sum(axis=1)
    d2 = squares[:, None] + squares[None, :] - 2 * x @ x.T
    return np.sqrt(d2)


def distances_by_differences(x):
    gaps = x[:, None, :] - x[None, :, :]
    return np.sqrt((gaps**2).sum(axis=-1))


def smaller_root(x):
    """Of a t^2 + b t + c, b > 0, from rows (a, b, c)."""
    a, b, c = x[:, 0], x[:, 1], x[:, 2]
    disc = b**2 - 4 * a * c
    top = -b + np.sqrt(disc)
    return top / (2 * a)


def smaller_root_rearranged(x):
    a, b, c = x[:, 0], x[:, 1], x[:, 2]
    return -2 * c / (b + np.sqrt(b * b - 4 * a * c))


def seventh_power(x):
    """(x - 1)^7, multiplied out."""
    y = np.zeros_like(x)
    for coefficient in (1, -7, 21, -35, 35, -21, 7, -1):
        y = y * x + coefficient
    return y


def seventh_power_direct(x):
    return (x - 1) ** 7


def exp_series(x):
    """Stops where another term no longer counts, which it always would if nothing were rounded."""
    total = np.ones_like(x)
    term = np.ones_like(x)
    k = 0
    while np.any(total + term != total):
        k += 1
        term = term * x / k
        total += term
    return total


# What looks bad and is not


def ratio_by_where(x, y):
    return np.where(y == 0, 0.0, x / np.where(y == 0, 1.0, y))


def ratio_discarded(x, y):
    quotient = x / y
    quotient[y == 0] = 0.0
    return quotient


def ratio_by_divide(x, y):
    return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def clipped_rate(x):
    rate = np.exp(x)
    return np.clip(rate, 1e-3, 1e4)
