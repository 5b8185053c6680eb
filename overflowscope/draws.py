"""Random logits that are the same everywhere: on every platform, NumPy version and format.

NumPy promises the bits of Philox, not its distributions. So integers are drawn, and the rest is built from them by
IEEE operations that round the same everywhere: + - x / and sqrt. A logit depends only on the seed, its row and its
column; a row of ten classes begins a row of twenty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import unknown
from overflowscope.formats import Floats

PANEL = 64
"""Columns drawn together: 16 of Philox's counters a row, one stretch of them for consecutive rows."""
LOGITS, LABELS = 0, 1
"""Streams: the highest word of the counter."""


def draw(distribution: str, seed: int, classes: int, rows: range) -> Floats:
    """Standard variates (scale 1, location 0) of shape (len(rows), classes). Raises InputError for a name not known.

    ``uniform`` is on (-1, 1), ``normal`` has variance 1, ``laplace`` has density exp(-|x|)/2. The resolution is
    2**-52 in probability: the largest normal variate is 8.2.
    """
    if distribution not in DISTRIBUTIONS:
        raise unknown("distribution", distribution, DISTRIBUTIONS)
    # (k + 1/2) 2**-52 for an integer k below 2**52: exact, symmetric about 1/2, never 0 or 1.
    k = (_integers(seed, LOGITS, rows, classes) >> np.uint64(12)).astype(np.float64)
    return DISTRIBUTIONS[distribution]((k + 0.5) * 2.0**-52)


def draw_labels(seed: int, classes: int, rows: range) -> NDArray[np.int64]:
    """Labels from 0 to classes - 1 (at most 2**31 classes), uniform to 2**-32; shape (len(rows),)."""
    high = _integers(seed, LABELS, rows, 1)[:, 0] >> np.uint64(32)
    labels: NDArray[np.int64] = ((high * np.uint64(classes)) >> np.uint64(32)).astype(np.int64)
    return labels


def _integers(seed: int, stream: int, rows: range, columns: int) -> NDArray[np.uint64]:
    """Integers of 64 bits, of shape (len(rows), columns), for consecutive rows."""
    panels = []
    for panel in range(-(-columns // PANEL)):
        counter = (stream << 192) + (panel << 128) + rows.start * (PANEL // 4)
        raw = np.random.Philox(key=seed, counter=counter).random_raw(len(rows) * PANEL)
        panels.append(np.asarray(raw, np.uint64).reshape(len(rows), PANEL))
    integers: NDArray[np.uint64] = np.concatenate(panels, axis=1)[:, :columns]
    return integers


def _uniform(u: Floats) -> Floats:
    return 2.0 * u - 1.0


def _laplace(u: Floats) -> Floats:
    below = np.minimum(u, 1.0 - u)
    return np.copysign(_log(2.0 * below), u - 0.5)


def _normal(u: Floats) -> Floats:
    """The quantile function: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484."""
    q = u - 0.5
    r = 0.180625 - q * q
    central = q * _ratio(_CENTRAL, r)
    r = np.sqrt(-_log(np.minimum(u, 1.0 - u)))
    tail = np.where(r <= 5.0, _ratio(_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
    return np.where(np.abs(q) <= 0.425, central, np.copysign(tail, q))


def _log(x: Floats) -> Floats:
    """log of positive doubles to a few 2**-53, by IEEE operations alone.

    x = 2**e m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh s, s = (m - 1)/(m + 1), |s| < 0.172, whose series is cut
    after s**25/25: the rest is below 2**-70 of the first term.
    """
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m, e = np.where(low, 2.0 * m, m), e - low
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / 25.0)
    for k in range(23, 1, -2):
        series = series * square + 1.0 / k
    # log 2 in two parts, the first of 32 bits, so that e times it is exact.
    return e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + (2.0 * s * square * series + 2.0 * s))


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Floats) -> Floats:
    """A quotient of polynomials in r, lowest coefficients first, by Horner's rule."""
    values = []
    for polynomial in coefficients:
        value = np.full_like(r, polynomial[-1])
        for c in polynomial[-2::-1]:
            value = value * r + c
        values.append(value)
    return values[0] / values[1]


_CENTRAL = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR_TAIL = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)

DISTRIBUTIONS: dict[str, Callable[[Floats], Floats]] = {"normal": _normal, "uniform": _uniform, "laplace": _laplace}
