"""Functions of a matrix (2, 4) of float32 that can be followed."""

import copy
import functools
import operator

import numpy
import numpy as np
from numpy import float32

from . import beside
from .beside import normalised

W = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.25], [1, 1]], dtype=np.float32)


def listed(x):
    return np.array([v * 2 for v in x])


def listed_in_lists(x):
    return np.array([[v, v * v, 0.5] for v in x[0]], dtype=np.float64)


def stacked(x):
    return np.stack([np.exp(r) for r in x]).astype(float)


def by_builtins(x):
    return sum(x[0]) + max(x[0]) - min(x[0]) + abs(x[1, 2]) + pow(x[0, 0], 2) + round(x[0, 1], 1)


def sorted_by_python(x):
    return np.array(sorted(x[0]))


def enumerated(x):
    total = np.float32(0)
    for i, v in enumerate(x[0]):
        total += v * i
    return total


def zipped(x):
    return np.asarray([a * b for a, b in zip(x[0], x[1], strict=True)])


def shown(x):
    assert f"{x[0, 0]:.3f} {x[0]}" == "0.500 [ 0.5  -1.25  3.    0.1 ]"
    assert repr(x[0, 0]) == repr(np.float32(0.5))
    return x * 2


def asked(x):
    assert isinstance(x, np.ndarray)
    assert type(x) is np.ndarray
    assert type(x[0, 0]) is type(np.zeros(1, np.float32)[0])
    assert isinstance(type(x), type)
    assert int is int
    assert type("Named", (), {}).__name__ == "Named"
    assert isinstance(x[0, 0], np.float32)
    assert isinstance(x[0, 0], np.floating)
    assert not isinstance(x, list | np.generic)
    assert x.dtype == np.float32
    assert x.dtype in (np.float16, np.float32)
    assert x.dtype not in (np.float16, np.float64)
    assert {np.float32: "single"}[x.dtype.type] == "single"
    assert np.issubdtype(x.dtype, np.float32)
    assert not np.issubdtype(x.dtype, np.float64)
    assert np.finfo(np.float32).max == np.finfo(x.dtype).max
    assert np.isscalar(x[0, 0])
    assert (np.ndim(x), np.shape(x), np.size(x), len(x)) == (2, (2, 4), 8, 2)
    assert x.nbytes == 32
    return x / 2


def cast_by_type(x):
    return np.float32(x.sum()) + float32(0.1) + np.float64(x[0, 0]) * np.float32(2) + np.float16(x)


def cast(x):
    return x.astype(np.float16).astype("float64", copy=False) + x.astype(x.dtype)


def with_constants(x):
    return x @ W + (W.T @ x.T).T - W[:2] * x[:, :2]


def by_neighbours(x):
    return beside.normalised(x[0]) + normalised(x[1]) + beside.raised(x[0])


def turned(x):
    return (x.T[::-1].T * x[:, None, 0]).real


def by_flat(x):
    y = np.empty_like(x)
    for i, v in enumerate(x.flat):
        y.flat[i] = v + i
    y.flat[2:4] = x.flat[:2]
    return y


def by_indices(x):
    y = np.zeros((2, 4))
    for i, v in np.ndenumerate(x):
        y[i] = v
    return y


def shaped(x):
    y = x.copy()
    y.shape = (4, 2)
    y[0, 0] = 100
    return y


def copied(x):
    return copy.deepcopy(x) + copy.copy(x) + np.copy(x, order="F") + np.array(x, ndmin=3)[0] + np.asfortranarray(x)


def overwritten(x):
    y = x.copy()
    y[np.where(x > 0)] = 0
    y[y == 0] += 0.1
    return y


def multiplied(x):
    return functools.reduce(operator.mul, x[0])


def divided(x):
    return divmod(x, 2)[1] + x // 2 + np.modf(x)[0] + 7 % x


def rounded(x):
    return np.round(x, 1) + np.rint(x) + x.round()


def into_place(x):
    o = np.empty(2, np.float32)
    np.sum(x, 1, None, o)
    np.add(o, 1, o)
    return o


def half_mean(x):
    return x.astype(np.float16).mean(axis=-1)


def in_float64(x):
    return np.add(x, 1, dtype=np.float64) + np.sum(x, dtype=np.float64)


def with_made_arrays(x):
    grid = x * np.linspace(0, 1, 4) + np.arange(4.0) + np.ones_like(x) * np.eye(4)[:2]
    return grid + np.full((2, 4), x[0, 0]) + np.full_like(x, 0.1) + np.asarray(0.1) + np.identity(4)[0]


def branched(x):
    return np.minimum(np.maximum(x, x.T.reshape(2, 4)), 3) if x.max() > x.min() else x


def split(x):
    a, b = np.split(x, 2)
    a += 1
    b[0, 1:] *= a[0, :3]
    c, d = np.meshgrid(x[0], x[1])
    return a * b + (c - d)


def ordered(x):
    y = x.copy()
    y.sort()
    return y + np.sort(x, axis=0) + x[0][np.argsort(x[0])]


def compared(x):
    assert np.allclose(x, x)
    assert np.array_equal(x, x)
    assert not np.isnan(x).any()
    assert (x == x).all()
    assert x.any()
    assert 3.0 in x
    assert 1e9 not in x
    assert (x != None).all()  # noqa: E711
    return x


def in_place(x):
    y = x.copy()
    y **= 2
    y -= 1
    y /= 3
    y *= y
    y //= 0.5
    y %= 3
    return y


def averaged(x):
    return x.std(ddof=1) + np.var(x, axis=0) + np.average(x, axis=0, weights=[1, 2]) + np.median(x)


def joined(x):
    return np.concatenate([x, np.zeros((1, 4), np.float32), [[1, 2, 3, 4]]]) + np.hstack([x[:, :2], x[:, :2]]).sum()


def padded(x):
    return np.pad(x, ((0, 0), (1, 1))) + np.insert(np.append(x, x[:, :1], 1), 1, x[:, 0], axis=1)


def chosen(x):
    return np.select([x > 1, x > 0], [x, 2 * x], default=0) + np.take(x, [0, 1, 1, 0], axis=1) + x.clip(0, 1)


def not_enclosed(x):
    return np.arctan2(x, 2) * np.pi + np.heaviside(x, 0.5) + np.interp(x, [0.0, 1.0], [0.0, 5.0])


def of_angles(x):
    angles = x * 10000.0 ** (-np.arange(4) / 4)
    return np.concatenate([np.sin(angles), np.cos(angles), np.arctan(x)], axis=-1)


def by_places(x):
    return x[0][x[0].astype(int) % 4]


def masked(x):
    with np.errstate(all="ignore"):
        y = np.where(np.logical_and(x > 0, np.isfinite(x)), x, 0.0)
        return np.divide(x, y, out=np.zeros_like(x), where=y != 0) + np.log(x - 100)


def put(x):
    y = np.empty_like(x)
    np.copyto(y, x)
    np.copyto(y, 0.1, where=x > 1)
    np.putmask(y, y > 2, 0.3)
    np.put(y, [0, 1], [5, 6])
    np.fill_diagonal(y, 7)
    z = np.full(8, 0.1)
    z[::2] = y[0]
    z.fill(2)
    z[:3] = [x[0, 0], 1, x[0, 1]]
    return y * z[:4]


def halved(x):
    s = x.sum()
    n = 0
    while s > 1 and n < 5:
        s /= 2
        n += 1
    return s


def products(x):
    return np.tensordot(x, x, axes=([1], [1])) + np.inner(x, x) + np.dot(x, x.T) + np.einsum("ij,kj->ik", x, x)


def by_views(x):
    y = x[:, :2].copy()
    np.einsum("ii->i", y)[:] = 5
    np.einsum("ij->ji", y)[0] += 1
    return y


def of_lists(x):
    means = np.mean([x[0], x[1]], axis=0) + np.exp([x[0, 0], x[0, 1], 1.0, 2.0])
    return means + np.maximum.reduce([x[0], x[1]]) + np.sum([v * 2 for v in x[0]]) + np.dot([1, 2, 3, 4], x[0])


def in_windows(x):
    return np.lib.stride_tricks.sliding_window_view(x[0], 2).sum(-1)


def outer(x):
    return np.multiply.outer(x[0], x[1]) + np.outer(x[0], x[1])


def in_old_types(x):
    h = x.astype(numpy.half)
    return h * 0.1 + h.sum() * 2.5 + 1e-9 + h[0] * np.float32(3) + h[0, 0] * 1.1


class Layer:
    def __init__(self):
        self.scale = 2.0

    def __call__(self, x):
        return np.asarray(x, dtype=np.float64) * self.scale


layer = Layer()
partly = functools.partial(lambda scale, x: np.zeros(x.shape) + x * scale, 3.0)


@functools.lru_cache
def decorator(function):
    @functools.wraps(function)
    def wrapped(x):
        return function(x) + np.ones(4)

    return wrapped


@decorator
def decorated(x):
    return np.array([x[0], x[1]])
