"""NumPy functions as people write them: some break on an input that looks harmless, some only look as if they would.

They know nothing of who reads them. What is to be said of each stands in expected.py.
"""

import math

import numpy as np

# Softmax, three ways that fail and one that does not


def softmax(x):
    exps = np.exp(x)
    return exps / exps.sum(axis=-1, keepdims=True)


def softmax_centred(x):
    """In half precision, in place; the mean is not the maximum."""
    probs = np.asarray(x, dtype=np.float16).copy()
    for row in probs:
        row -= row.mean()
        np.exp(row, out=row)
        row /= row.sum()
    return probs


def softmax_batch(x):
    """One maximum for the whole batch, because the axis was forgotten."""
    out = np.zeros_like(x)
    top = np.max(x)
    for i in range(len(x)):
        e = np.exp(x[i] - top)
        out[i] = e / e.sum()
    return out


def softmax_shifted(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_in_place(x):
    probs = np.asarray(x, dtype=np.float16).copy()
    for row in probs:
        row -= row.max()
        np.exp(row, out=row)
        row /= row.sum()
    return probs


# Normalising


def layer_norm(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    var = np.mean(centred**2, axis=-1, keepdims=True)
    return centred / np.sqrt(var + 1e-5)


def layer_norm_wide(x):
    wide = x.astype(np.float32)
    wide -= wide.mean(axis=-1, keepdims=True)
    var = np.mean(wide * wide, axis=-1, keepdims=True)
    return (wide / np.sqrt(var + 1e-5)).astype(x.dtype)


def z_scores(x):
    scale = 1.0 / x.std(axis=-1, keepdims=True)
    return (x - x.mean(axis=-1, keepdims=True)) * scale


def z_scores_guarded(x):
    std = x.std(axis=-1, keepdims=True)
    std[std == 0] = 1.0
    return (x - x.mean(axis=-1, keepdims=True)) / std


# Spread


def std_one_pass(x):
    mean_of_squares = np.mean(x**2, axis=-1)
    mean = np.mean(x, axis=-1)
    var = mean_of_squares - mean**2
    return np.sqrt(var)


def std_two_pass(x):
    return np.sqrt(np.mean((x - x.mean(axis=-1, keepdims=True)) ** 2, axis=-1))


def std_welford(x):
    mean = 0.0
    m2 = 0.0
    for k, value in enumerate(x, start=1):
        delta = value - mean
        mean += delta / k
        m2 += delta * (value - mean)
    return np.sqrt(m2 / (len(x) - 1))


def std_welford_scaled(x):
    largest = np.max(np.abs(x))
    return largest * std_welford(x / largest)


# Length


def length(x, y):
    squares = x**2 + y**2
    return np.sqrt(squares)


def length_scaled(x, y):
    largest = np.maximum(np.abs(x), np.abs(y))
    return largest * np.sqrt((x / largest) ** 2 + (y / largest) ** 2)


# Likelihood


def log_likelihood(x):
    """Of rows of standard normal draws."""
    x = np.asarray(x, dtype=np.float32)
    density = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    return np.log(density).sum(axis=-1)


def log_likelihood_by_logs(x):
    x = np.asarray(x, dtype=np.float32)
    return np.sum(-0.5 * x**2 - 0.5 * math.log(2 * math.pi), axis=-1)


def geometric_mean(x):
    product = np.prod(x, axis=-1)
    return product ** (1 / x.shape[-1])


def geometric_mean_by_logs(x):
    return np.exp(np.log(x).mean(axis=-1))


# Sigmoid


def sigmoid(x):
    e = np.exp(-x)
    return 1 / (1 + e)


def sigmoid_filled(x):
    out = np.zeros_like(x)
    positive = x >= 0
    out[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    out[~positive] = e / (1 + e)
    return out


def sigmoid_where(x):
    """Both branches are computed everywhere; the one that fails is never taken."""
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


def log_of_rest(x):
    """log(1 - sigmoid(x))."""
    odds = 1 + np.exp(-x)
    p = 1 / odds
    rest = 1 - p
    return np.log(rest)


def log_of_rest_by_log1p(x):
    return np.minimum(-x, 0.0) - np.log1p(np.exp(-np.abs(x)))


# Attention: rows of scores, which of them count, and the values to average


def attention(x, mask, v):
    scores = np.where(mask, x, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ v


def attention_guarded(x, mask, v):
    """A row with nothing to attend to gives 0."""
    scores = np.where(mask, x, -np.inf)
    top = np.maximum(scores.max(axis=-1, keepdims=True), -1e30)
    weights = np.exp(scores - top)
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), 1e-30)
    return weights @ v


# Branches


def clip_norm(x):
    norm = np.sqrt(np.sum(x**2))
    if norm > 1.0:
        x = x / norm
    return x


def clip_norm_scaled(x):
    largest = np.max(np.abs(x))
    if largest == 0:
        return x
    norm = largest * np.sqrt(np.sum((x / largest) ** 2))
    if norm > 1.0:
        x = x / norm
    return x


def shares(x):
    total = 0.0
    for value in x:
        total = total + value
    if total == 0.0:
        return np.zeros_like(x)
    return x / total


def shares_compensated(x):
    total = 0.0
    lost = 0.0
    for value in x:
        new = total + value
        lost += (total - new) + value if abs(total) >= abs(value) else (value - new) + total
        total = new
    if total + lost == 0.0:
        return np.zeros_like(x)
    return x / (total + lost)
