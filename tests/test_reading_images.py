"""Images in files: IDX as MNIST comes, folders of it, .npz; and every file that lies about itself."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope.errors import InputError
from overflowscope.reading.images import read_images

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
IMAGES = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([3, 9, 0, 1], np.uint8)


def idx(array: Any, kind: str = "u1", shape: tuple[int, ...] | None = None) -> bytes:
    """The bytes of an IDX file, with a shape of its own where it is to lie."""
    shape = np.shape(array) if shape is None else shape
    return (
        bytes((0, 0, CODES[kind], len(shape)))
        + struct.pack(f">{len(shape)}I", *shape)
        + np.asarray(array, kind).tobytes()
    )


def pair(folder: Path, images: bytes, labels: bytes | None = None, name: str = "train-images-idx3-ubyte") -> str:
    (folder / name).write_bytes(images)
    beside = name.replace("images", "labels").replace("idx3", "idx1")
    (folder / beside).write_bytes(idx(LABELS) if labels is None else labels)
    return str(folder / name)


def refusal(path: object, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        read_images(str(path), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def check(found: Any, images: Any = IMAGES, labels: Any = LABELS) -> None:
    assert found.images.tolist() == np.asarray(images).reshape(len(images), -1).tolist()
    assert found.labels.tolist() == np.asarray(labels).tolist()
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize("kind", CODES)
def test_idx_files_of_every_kind(tmp_path: Path, kind: str) -> None:
    train, held_out = read_images(pair(tmp_path, idx(IMAGES, kind), idx(LABELS, kind)))
    check(train)
    assert held_out is None
    assert train.images.dtype.kind == np.dtype(kind).kind


def test_packed_or_not_is_seen_from_the_bytes(tmp_path: Path) -> None:
    packed, two = gzip.compress(idx(IMAGES)), gzip.compress(idx(LABELS)[:5]) + gzip.compress(idx(LABELS)[5:])
    check(read_images(pair(tmp_path, packed, two))[0])
    # Names as downloads and browsers leave them: images packed, labels unpacked, and the other way round.
    (tmp_path / "a-images.idx3-ubyte.gz").write_bytes(packed)
    (tmp_path / "a-labels.idx1-ubyte").write_bytes(idx(LABELS))
    check(read_images(str(tmp_path / "a-images.idx3-ubyte.gz"))[0])
    (tmp_path / "b-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "b-labels-idx1-ubyte.gz").write_bytes(two)
    check(read_images(str(tmp_path / "b-images-idx3-ubyte"))[0])


def test_a_folder_as_mnist_comes(tmp_path: Path) -> None:
    pair(tmp_path, gzip.compress(idx(IMAGES)), gzip.compress(idx(LABELS)), "train-images-idx3-ubyte.gz")
    train, held_out = read_images(str(tmp_path))
    check(train)
    assert held_out is None
    pair(tmp_path, idx(IMAGES[:2] + 1), idx(LABELS[:2]), "t10k-images-idx3-ubyte")
    train, held_out = read_images(str(tmp_path))
    check(train)
    check(held_out, IMAGES[:2] + 1, LABELS[:2])


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x", "y"), ("X", "Y"), ("x_train", "y_train"), ("data", "target")]
)
def test_archives(tmp_path: Path, names: tuple[str, str]) -> None:
    for save in (np.savez, np.savez_compressed):
        for images in (IMAGES, IMAGES / 255, IMAGES.astype(np.float16), np.asfortranarray(IMAGES).astype(np.int64)):
            save(tmp_path / "a.npz", **{names[0]: images, names[1]: LABELS.astype(float), "other": np.zeros(3)})
            train, held_out = read_images(str(tmp_path / "a.npz"))
            check(train, images)
            assert held_out is None


def test_an_archive_that_holds_images_for_the_test(tmp_path: Path) -> None:
    held = {"x_test": IMAGES[1:], "y_test": LABELS[1:]}
    np.savez(tmp_path / "a.npz", x_train=IMAGES, y_train=LABELS, **held)
    train, held_out = read_images(str(tmp_path / "a.npz"))
    check(train)
    check(held_out, IMAGES[1:], LABELS[1:])


def lies() -> dict[str, tuple[bytes, str]]:
    """Files of images, and what is said of them."""
    good = idx(IMAGES)
    huge = bytes((0, 0, 8, 3)) + struct.pack(">3I", *[2**32 - 1] * 3)
    return {
        "empty": (b"", "the file is empty"),
        "text": (b"hello", "not an IDX file: it begins with b'hell'; IDX, packed with gzip or not, and .npz are read"),
        "wrong magic": (b"\1" + good[1:], "not an IDX file"),
        "unknown numbers": (good[:2] + b"\x0a" + good[3:], "not an IDX file"),
        "two bytes": (b"\0\0", "not an IDX file"),
        "no axes": (bytes((0, 0, 8, 0)) + b"\5", "damaged: 0 axes"),
        "many axes": (bytes((0, 0, 8, 255)) + b"\0" * 2000, "damaged: 255 axes"),
        "header cut": (good[:9], "damaged: 3 axes in a file of 9 bytes"),
        "numbers cut": (good[:-1], "promises 24 bytes of data, the file has 23"),
        "bytes behind": (good + b"\0", "promises 24 bytes of data, the file has 25"),
        "header larger": (idx(IMAGES, shape=(5, 3, 2)), "promises 30 bytes of data, the file has 24"),
        "huge": (huge, f"promises {(2**32 - 1) ** 3} bytes of data, the file has 0"),
        "huge and packed": (gzip.compress(huge), f"promises {(2**32 - 1) ** 3} bytes"),
        "huge but for a zero": (
            bytes((0, 0, 8, 3)) + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1),
            "no numbers: the array",
        ),
        "no images": (idx(IMAGES[:0]), "no numbers: the array has shape (0, 3, 2)"),
        "no pixels": (idx(IMAGES[:, :0]), "no numbers: the array has shape (4, 0, 2)"),
        "gzip cut": (gzip.compress(good)[:-9], "the gzip file is cut short"),
        "gzip header alone": (gzip.compress(good)[:10], "the gzip file is cut short"),
        "gzip changed": (gzip.compress(good)[:-6] + b"\xff" + gzip.compress(good)[-5:], "the gzip file is damaged"),
        "gzip and more": (gzip.compress(good) + b"more", "the gzip file is damaged"),
        "gzip of nothing": (gzip.compress(b""), "not an IDX file"),
        "labels": (idx(LABELS), "labels and no images; name the file of images"),
        "nan": (idx(np.where(IMAGES == 20, np.nan, IMAGES), ">f4"), "not finite numbers (image 3)"),
        "inf": (idx(np.where(IMAGES == 6, np.inf, IMAGES), ">f8"), "not finite numbers (image 1)"),
        "negative": (idx(IMAGES.astype(int) - 1, "i1"), "not from 0 to 255 (image 0)"),
        "large": (idx(IMAGES.astype(int) + 240, ">i2"), "not from 0 to 255 (image 2)"),
        "fewer": (idx(IMAGES[:3]), "4 labels for 3 images"),
    }


@pytest.mark.parametrize("case", lies())
def test_images_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    data, message = lies()[case]
    path = pair(tmp_path, data)
    tracemalloc.start()
    said = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert said.startswith(f"{path}: ")
    assert message in said


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2, 10]), "label 10 is no class of 10: they run from 0 to 9 (label 3)"),
        (np.array([0, -1, 2, 3]), "label -1 is no class"),
        (np.array([0, 1, 2]), "3 labels for 4 images"),
        (np.array([0, 1.5, 2, 3]), "1.5 is no integer (label 1)"),
        (np.array([0, np.nan, 2, 3]), "nan is no integer (label 1)"),
        (np.array([], np.uint8), "0 labels for 4 images"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path: Path, labels: Any, message: str) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels)
    assert message in refusal(tmp_path / "a.npz")
    if labels.size:
        kind = ">f8" if labels.dtype.kind == "f" else ">i4"
        said = refusal(pair(tmp_path, idx(IMAGES), idx(labels, kind)))
        assert message in said
        assert os.path.basename(said.partition(":")[0]).startswith("train-labels" if "(label" in said else "train-im")


def test_archives_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"

    def said(**arrays: Any) -> str:
        np.savez(path, **arrays)
        return refusal(path)

    assert "no array of images among labels, other; images and labels, or x and y" in said(labels=LABELS, other=IMAGES)
    assert "no array of labels among images" in said(images=IMAGES)
    assert "not finite numbers (image 2)" in said(x=np.where(IMAGES == 13, np.nan, IMAGES), y=LABELS)
    assert "no images: an array of shape (0, 3, 2)" in said(images=IMAGES[:0], labels=LABELS)
    assert "no images: an array of shape (4,)" in said(images=np.arange(4), labels=LABELS)
    assert "no images: an array of shape ()" in said(images=1.0, labels=LABELS)
    assert "(text) is not read" in said(images=IMAGES.astype(str), labels=LABELS)
    assert "Python objects" in said(images=np.array([{}, [], 1, 2], object), labels=LABELS)
    assert "held out" in said(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS[:2])
    path.write_bytes(path.read_bytes()[:-30])
    assert "damaged or cut short" in refusal(path)


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no") == f"{tmp_path / 'no'}: there is no such file"
    assert "no images in this folder; train-images-idx3-ubyte" in refusal(tmp_path)
    assert "not from standard input" in refusal("-")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    assert "no file of labels beside it; train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz" in refusal(tmp_path)
    (tmp_path / "mine.idx").write_bytes(idx(IMAGES))
    assert "a name with images in it, and one with labels" in refusal(tmp_path / "mine.idx")
    (tmp_path / "train-labels-idx1-ubyte").mkdir()
    assert "no file of labels beside it" in refusal(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").mkdir()
    (tmp_path / "train-labels-idx1-ubyte").rmdir()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    assert "this is a directory" in refusal(tmp_path)


def test_nothing_is_read_beyond_the_limit(tmp_path: Path) -> None:
    many = np.zeros((1000, 10, 10), np.uint8)
    path = pair(tmp_path, idx(many), idx(np.zeros(1000)))
    assert len(read_images(path, max_bytes=100_016)[0].images) == 1000
    assert "up to 97.66 KiB, and this is 97.67 KiB; raise --max-bytes" in refusal(path, max_bytes=100_000)
    bomb = zlib.compressobj(wbits=31)
    packed = bomb.compress(b"\0" * 2**26) + bomb.flush()
    path = pair(tmp_path, packed)
    tracemalloc.start()
    assert "up to 1 MiB, and this is more when unpacked; raise --max-bytes" in refusal(path, max_bytes=2**20)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((1000, 4000), np.uint8), labels=np.zeros(1000))
    assert "raise --max-bytes" in refusal(tmp_path / "a.npz", max_bytes=2**20)


def test_whatever_is_damaged_is_read_or_refused(tmp_path: Path) -> None:
    """Nothing but an InputError: bytes changed, cut, doubled, in either file, packed or not."""
    draw = np.random.default_rng(0)
    read = 0
    for _ in range(400):
        files = [idx(IMAGES), idx(LABELS)]
        if draw.random() < 0.4:
            files = [gzip.compress(f) for f in files]
        at = int(draw.integers(2))
        data = bytearray(files[at])
        for _ in range(int(draw.integers(1, 4))):
            place = int(draw.integers(len(data) or 1))
            how = int(draw.integers(3))
            data[place : place + (how != 1)] = bytes(draw.integers(256, size=how, dtype=np.uint8))
        files[at] = bytes(data)
        path = pair(tmp_path, *files)
        try:
            found = read_images(path)[0]
        except InputError:
            continue
        assert len(found.images) == len(found.labels)
        read += 1
    assert 0 < read < 400


def test_the_command_says_it_in_a_line(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = pair(tmp_path, idx(IMAGES)[:-1])
    said = refused("replay", "--data", path)
    assert said == f"{path}: the header promises 24 bytes of data, the file has 23"
    pair(tmp_path, idx(IMAGES))
    assert "batches of 256 out of 4 images to train on; give a smaller --batch" in refused("replay", "--data", path)
