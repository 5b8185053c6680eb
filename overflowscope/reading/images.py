"""Images and their labels in files: IDX, a folder of IDX files, or an .npz archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overflowscope.errors import InputError
from overflowscope.reading import MAX_BYTES, idx, npz
from overflowscope.reading.arrays import brief, integers
from overflowscope.reading.kinds import MARKS
from overflowscope.reading.origin import Origin, located, opened

CLASSES = 10
"""Labels run from 0 to 9."""
TRAINING, HELD_OUT = "train-images", "t10k-images"
"""How the files of a folder begin, as MNIST's own do."""
NAMES = ("images", "x", "x_train", "train_images", "data"), ("labels", "y", "y_train", "train_labels", "target")
HELD_OUT_NAMES = ("x_test", "test_images"), ("y_test", "test_labels")
"""Arrays of an archive, small letters or capital ones: of images, and of their labels."""


class Labelled(NamedTuple):
    """Images as rows of numbers, (n, features) of any real dtype, and labels from 0 to 9, int64 (n,)."""

    images: NDArray[Any]
    labels: NDArray[np.int64]


def read_images(path: str, *, max_bytes: int = MAX_BYTES) -> tuple[Labelled, Labelled | None]:
    """The images of a file or a folder, and those kept apart from them for a test, where there are any.

    A folder holds train-images-idx3-ubyte and train-labels-idx1-ubyte (and t10k-... of the same kinds), packed with
    gzip or not; of an IDX file of images the labels lie beside it, with "labels" in the place of "images" in its name.
    An .npz holds images and labels, x and y, or x_train, y_train, x_test and y_test. Pixels are whole numbers from 0
    to 255, or floats, which are finite; an image may have any shape. Raises InputError, with the file.
    """
    if os.path.isdir(path):
        train = _in_folder(path, TRAINING)
        if train is None:
            hint = "train-images-idx3-ubyte and train-labels-idx1-ubyte are wanted, with .gz or without"
            raise InputError("no images in this folder", source=path, hint=hint)
        test = _in_folder(path, HELD_OUT)
        return _pair(train, max_bytes), None if test is None else _pair(test, max_bytes)
    if path == "-":
        raise InputError("images come from a file or a folder, not from standard input")
    return _of_file(path, max_bytes)


def _of_file(path: str, limit: int) -> tuple[Labelled, Labelled | None]:
    with located(source=path), opened(path, None) as origin:
        if MARKS.get(origin.head[:4]) == "zip":
            return _of_archive(origin, limit)
        images = idx.array(origin, limit)
        origin.sha256()
    return _with_labels(path, images, limit), None


def _of_archive(origin: Origin, limit: int) -> tuple[Labelled, Labelled | None]:
    members = npz.members(origin, limit, None)
    images, labels, test_images, test_labels = (_named(members, n) for n in (*NAMES, *HELD_OUT_NAMES))
    if images is None or labels is None:
        what, known = "images" if images is None else "labels", ", ".join(map(brief, sorted(members)[:20]))
        raise InputError(f"no array of {what} among {known}", hint="images and labels, or x and y, are wanted")
    train, held_out = _checked(members[images]().array(), members[labels]().array()), None
    if test_images is not None and test_labels is not None:
        with located(where="held out"):
            held_out = _checked(members[test_images]().array(), members[test_labels]().array())
    origin.sha256()
    return train, held_out


def _named(members: Iterable[str], names: tuple[str, ...]) -> str | None:
    return next((m for name in names for m in members if m.lower() == name), None)


def _in_folder(folder: str, begins: str) -> str | None:
    """The one file of images there whose name begins so; unpacked ones before packed ones."""
    try:
        found = sorted(name for name in os.listdir(folder) if name.startswith(begins))
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}", source=folder) from None
    return os.path.join(folder, found[0]) if found else None


def _pair(path: str, limit: int) -> Labelled:
    """An IDX file of images with the labels beside it."""
    return _with_labels(path, _idx(path, limit), limit)


def _with_labels(path: str, images: NDArray[Any], limit: int) -> Labelled:
    if images.ndim == 1:
        raise InputError("one number each: labels and no images", source=path, hint="name the file of images")
    beside = _labels_beside(path)
    labels = _idx(beside, limit)
    with located(source=path):
        rows = _rows(images, labels.size)
    with located(source=beside):
        return Labelled(rows, _classes(labels))


def _idx(path: str, limit: int) -> NDArray[Any]:
    with located(source=path), opened(path, None) as origin:
        found = idx.array(origin, limit)
        origin.sha256()
    return found


def _labels_beside(path: str) -> str:
    folder, name = os.path.split(path)
    other = re.sub(r"idx\d", "idx1", name.replace("images", "labels"))
    bare = other.removesuffix(".gz")
    for candidate in (other, bare, f"{bare}.gz"):
        beside = os.path.join(folder, candidate)
        if other != name and os.path.isfile(beside):
            return beside
    hint = f"{bare} or {bare}.gz is wanted" if other != name else "a name with images in it, and one with labels"
    raise InputError("no file of labels beside it", source=path, hint=hint)


def _checked(images: NDArray[Any], labels: NDArray[Any]) -> Labelled:
    return Labelled(_rows(images, labels.size), _classes(labels))


def _rows(images: NDArray[Any], labels: int) -> NDArray[Any]:
    """An image a row, for so many labels."""
    if images.ndim < 2 or not images.size:
        raise InputError(f"no images: an array of shape {images.shape}", hint="(images, rows, columns) is wanted")
    if labels != len(images):
        raise InputError(f"{labels:,} labels for {len(images):,} images")
    rows = images.reshape(len(images), -1)
    if rows.dtype.kind == "f":
        bad = ~np.isfinite(rows).all(axis=1)
        wanted = "finite numbers"
    else:
        bad = (rows.min(axis=1) < 0) | (rows.max(axis=1) > 255)
        wanted = "from 0 to 255"
    if bad.any():
        raise InputError(f"an image holds pixels that are not {wanted}", where=f"image {int(np.argmax(bad))}")
    return rows


def _classes(labels: NDArray[Any]) -> NDArray[np.int64]:
    classes = integers(labels)
    wrong = (classes < 0) | (classes >= CLASSES)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"label {classes[at]} is no class of {CLASSES}: they run from 0 to 9", where=f"label {at}")
    return classes
