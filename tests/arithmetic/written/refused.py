"""Functions of a matrix (2, 4) of float32 that take their numbers out of sight; the line that does is marked."""

import ctypes
import math
import pickle

import numpy as np

BUFFER = np.zeros(4, np.float32)


def by_float(x):
    return float(x[0, 0]) * x  # here


def by_int(x):
    return x[: int(x[0, 0])]  # here


def by_math(x):
    values = [v + 1 for v in x[0]]
    return np.array([math.exp(v) for v in values])  # here


def by_isnan(x):
    return x if math.isnan(x[0, 0]) else 2 * x  # here


def by_item(x):
    return x[0, 0].item() * x  # here


def by_list(x):
    return np.array(x.tolist())  # here


def by_vectorize(x):
    return np.vectorize(lambda v: v * 2)(x)  # here


def by_axis(x):
    return np.apply_along_axis(lambda v: v * 2, 0, x)  # here


def by_pieces(x):
    return np.piecewise(x, [x < 0], [lambda v: -v, lambda v: v])  # here


def by_nditer(x):
    return sum(v for v in np.nditer(x))  # here


def into_a_buffer(x):
    BUFFER[:] = x[0]  # here
    return BUFFER


def into_a_place(x):
    BUFFER[0] = x[0, 0]  # here
    return BUFFER


def out_into_a_buffer(x):
    return np.exp(x[0], out=BUFFER)  # here


def added_to_a_buffer(x):
    total = BUFFER
    total += x[0]  # here
    return total


def added_at(x):
    y = np.zeros(4, np.float32)
    np.add.at(y, [0, 0, 1], x[0, :3])  # here
    return y


def by_random(x):
    return np.random.default_rng(0).normal(x[0], 1.0)  # here


def by_bits(x):
    return x.view(np.int32)  # here


def by_memory(x):
    return np.frombuffer(x.data, np.float32)  # here


def by_ctypes(x):
    return ctypes.c_void_p(x.ctypes.data)  # here


def by_pickle(x):
    return pickle.loads(pickle.dumps(x))  # here


def caught(x):
    try:
        total = float(x.sum())  # here
    except TypeError:
        total = 1.0
    return x * total


def complex_numbers(x):
    return np.sqrt(x + 0j)  # here


def by_eigenvalues(x):
    turn = np.zeros((2, 2), np.float32)
    turn[0, 1], turn[1, 0] = -x[0, 0], x[0, 0]
    return np.linalg.eig(turn)[0]  # here


def by_float_beside_math(x):
    return x * float(x[0, 0]) / math.sqrt(2)  # here


def by_fourier(x):
    return np.fft.fft(x)  # here


def by_another_numpy(x):
    import numpy as local

    return local.asarray(x) * 2  # here


def in_longdouble(x):
    return x.astype(np.longdouble)  # here


def to_an_integer(x):
    return np.int64(x[0, 0])  # here


def by_partition(x):
    x.partition(1)  # here
    return x


def by_nan_to_num(x):
    np.median(x, overwrite_input=True)  # here
    return x
