"""Random logits that are the same everywhere: on every platform and NumPy version.

NumPy promises the bits of Philox, not its distributions. So integers are drawn, and the rest is built from them by
operations that round the same everywhere. A logit depends only on the seed, its row and its column (and, of
``ordinal``, on the format); a row of ten classes begins a row of twenty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from overflowscope.draws.quantiles import QUANTILES, ordinal
from overflowscope.errors import unknown
from overflowscope.formats import FORMATS, Floats, Format

DISTRIBUTIONS = (*QUANTILES, "ordinal")
PANEL = 64
"""Columns of the first panel, which are drawn together; further panels begin at 64, 128, 256, ..."""
SPARE = 512
"""So many integers a row may be drawn in vain: less work than to skip them."""
TILE = 8192
"""Variates made at a time, so that what is between stays in the cache."""
LOGITS, LABELS, ORDER, WEIGHTS, SHAPES, PLACES, NOISE = range(7)
"""Streams: the highest word of the counter. What is drawn from different ones is independent."""


def draw(
    distribution: str,
    seed: int,
    classes: int,
    rows: range,
    fmt: Format = FORMATS["float64"],
    stream: int = LOGITS,
) -> Floats:
    """Standard variates (scale 1, location 0) of shape (len(rows), classes). Raises InputError for a name not known.

    ``uniform`` is on (-1, 1), ``normal`` has variance 1, ``laplace`` has density exp(-|x|)/2, ``cauchy`` density
    1 / (pi (1 + x**2)), ``lognormal`` is exp of the normal variate. The resolution is 2**-52 in probability: the
    largest normal variate is 8.2. None of them knows the format; ``ordinal`` draws from its finite numbers, all
    equally likely, -0 and +0, subnormal and negative ones included.
    """
    if distribution not in DISTRIBUTIONS:
        raise unknown("distribution", distribution, DISTRIBUTIONS)
    integers = _integers(seed, stream, rows, classes)
    variates = np.empty(integers.shape)
    flat, made = integers.reshape(-1), variates.reshape(-1)
    for start in range(0, len(flat), TILE):
        tile = slice(start, start + TILE)
        made[tile] = ordinal(flat[tile], fmt) if distribution == "ordinal" else _quantiles(distribution, flat[tile])
    return variates


def draw_labels(seed: int, classes: int, rows: range) -> NDArray[np.int64]:
    """Labels from 0 to classes - 1 (at most 2**31 classes), uniform to 2**-32; shape (len(rows),)."""
    high = _integers(seed, LABELS, rows, 1)[:, 0] >> np.uint64(32)
    labels: NDArray[np.int64] = ((high * np.uint64(classes)) >> np.uint64(32)).astype(np.int64)
    return labels


def draw_bytes(seed: int, stream: int, columns: int, rows: range) -> NDArray[np.uint8]:
    """Integers from 0 to 255, all equally likely, of shape (len(rows), columns): eight of each word, lowest first."""
    words = _integers(seed, stream, rows, -(-columns // 8))
    octets: NDArray[np.uint8] = words.astype("<u8").view(np.uint8)[:, :columns]
    return octets


def draw_order(seed: int, count: int, number: int) -> NDArray[np.int64]:
    """The numbers from 0 to ``count`` - 1 in a random order: the ``number``-th of the seed's, all independent."""
    # Ties among count words of 64 bits have probability below count**2 * 2**-65, and are kept in order.
    words = _integers(seed, ORDER, range(number, number + 1), count)[0]
    return np.argsort(words, kind="stable").astype(np.int64)


def _quantiles(distribution: str, integers: NDArray[np.uint64]) -> Floats:
    # (k + 1/2) 2**-52 for an integer k below 2**52: exact, symmetric about 1/2, never 0 or 1.
    k = (integers >> np.uint64(12)).view(np.int64).astype(np.float64)
    return QUANTILES[distribution]((k + 0.5) * 2.0**-52)


def _integers(seed: int, stream: int, rows: range, columns: int) -> NDArray[np.uint64]:
    """Integers of 64 bits, of shape (len(rows), columns), for consecutive rows.

    Panel 0 holds the columns below 64, panel p > 0 those from 32 * 2**p up to twice that: panel 25 ends at 2**31. Of
    the four 64-bit words of Philox's counter the highest is the stream, the next the panel, and the lower two count
    row * width / 4 + place / 4 + 1 with the width of the panel. Different (stream, panel, row, column) have
    different counters or different words of one: widths are multiples of 4, so that a row's stretch of width / 4
    counters ends before the next row's, and width / 4 <= 2**28, so that rows up to 2**99 stay below 2**128. What
    differs in the seed differs in the key.
    """
    integers = np.empty((len(rows), columns), np.uint64)
    begin, width, panel = 0, PANEL, 0
    while begin < columns:
        counter = (stream << 192) + (panel << 128) + rows.start * (width // 4)
        used = min(width, columns - begin)
        integers[:, begin : begin + used] = _stretches(np.random.Philox(key=seed, counter=counter), rows, width, used)
        begin, panel = begin + width, panel + 1
        width = begin
    return integers


def _stretches(philox: np.random.Philox, rows: range, width: int, used: int) -> NDArray[np.uint64]:
    """The first ``used`` of the ``width`` integers of each row; the others are skipped where that is less work."""
    drawn = width if width - used <= SPARE else -(-used // 4) * 4
    if drawn == width:
        raw = philox.random_raw(len(rows) * width)
    else:
        raw = np.empty((len(rows), drawn), np.uint64)
        for row in raw:
            row[:] = philox.random_raw(drawn)
            philox.advance((width - drawn) // 4)
    stretches: NDArray[np.uint64] = np.asarray(raw, np.uint64).reshape(len(rows), drawn)[:, :used]
    return stretches
