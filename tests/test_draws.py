"""The same numbers everywhere: pinned bits, and the law by which every one of them is made."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope.draws import DISTRIBUTIONS, PANEL, draw, draw_labels
from overflowscope.errors import InputError

# sha256 of the little-endian doubles (or labels, as little-endian int64). These were not computed by another program:
# they are pinned so that a seed means the same logits in every release, on every platform, under every NumPy.
PINNED = {
    ("normal", 0, 256, 10): "8fcad73d43c9ae29fdda95ceec6b2329f337bb692037dfa017ae217531b32f5a",
    ("normal", 1, 3, 200): "e1d328ba0f82bf1e74187ee3065d0cb57eab4fc377c45563b2e7a141f059b596",
    ("normal", 2**64 - 1, 5, 64): "30f43ca703cd82a7a098e3cfe9718e5f36adaeaaa576e7a29336f309640d44b3",
    ("uniform", 0, 256, 10): "fd833abf5cd0c9ad5a8c1c6aef8436898a2c0f5c3aa1a420470b8a88549cc88f",
    ("laplace", 0, 256, 10): "61495ab5c42fee6fb76cc609f2f138d86ccb319e796d2e67f873480479e90966",
    ("laplace", 42, 7, 65): "8ccc7f7d6a6970dec9e2a2bcc20b1d43682da3c881e4b6d4be4c8bb24c92545d",
}
PINNED_LABELS = {
    (0, 256, 10): "9a8d30fe1d05f532ce4b44c6070a6e3f04dc342d29e86926c418049957ce1e2d",
    (7, 100, 3): "57e2c318cf241af98a91bdb75f779ca1fbdfb571009e5b517dd95cd3da004ee7",
    (7, 1000, 2**31): "33eeaae88dc39d7139f39d2dc495ba9b8559c3afe756a74d25881997574eafd8",
}

MASK = 2**64 - 1


def philox(seed: int, counter: int) -> list[int]:
    """Philox4x64-10 as its authors define it (Salmon et al., SC11, section 3.3): four words of one counter."""
    x = [counter >> 64 * i & MASK for i in range(4)]
    key = [seed & MASK, seed >> 64]
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [b >> 64 ^ x[1] ^ key[0], b & MASK, a >> 64 ^ x[3] ^ key[1], a & MASK]
        key = [key[0] + 0x9E3779B97F4A7C15 & MASK, key[1] + 0xBB67AE8584CAA73B & MASK]
    return x


def word(seed: int, stream: int, row: int, column: int) -> int:
    """Of the stream, the panel of 64 columns, the row, the column: 16 counters a row, which begin at 1."""
    panel, place = divmod(column, 64)
    return philox(seed, (stream << 192) + (panel << 128) + row * 16 + place // 4 + 1)[place % 4]


def digest(array: np.ndarray, kind: str) -> str:
    return hashlib.sha256(array.astype(kind).tobytes()).hexdigest()


@pytest.mark.parametrize("case", PINNED, ids=str)
def test_pinned_logits(case: tuple[str, int, int, int]) -> None:
    distribution, seed, rows, classes = case
    assert digest(draw(distribution, seed, classes, range(rows)), "<f8") == PINNED[case]


@pytest.mark.parametrize("case", PINNED_LABELS, ids=str)
def test_pinned_labels(case: tuple[int, int, int]) -> None:
    seed, rows, classes = case
    assert digest(draw_labels(seed, classes, range(rows)), "<i8") == PINNED_LABELS[case]


@pytest.mark.parametrize("seed", [0, 1, 12345678901234567890, 2**64 - 1])
def test_every_number_is_that_of_its_seed_row_and_column(seed: int) -> None:
    """uniform is 2u - 1, u = (k + 1/2) 2**-52, k the first 52 bits: exact, so that it can be read backwards."""
    rows = range(1000, 1003)
    found = draw("uniform", seed, 130, rows)
    for i, row in enumerate(rows):
        for column in (0, 1, 2, 3, 4, 5, 62, 63, 64, 65, 127, 128, 129):
            k = word(seed, 0, row, column) >> 12
            assert Fraction(float(found[i, column])) == 2 * (k + Fraction(1, 2)) / 2**52 - 1
    labels = draw_labels(seed, 1000, rows)
    assert labels.tolist() == [(word(seed, 1, row, 0) >> 32) * 1000 >> 32 for row in rows]


def test_far_rows_have_counters_of_their_own() -> None:
    row = 10**12 + 7
    found = draw("uniform", 3, 5, range(row, row + 1))[0]
    assert Fraction(float(found[4])) == 2 * ((word(3, 0, row, 4) >> 12) + Fraction(1, 2)) / 2**52 - 1


@settings(max_examples=60, deadline=None)
@given(
    distribution=st.sampled_from(sorted(DISTRIBUTIONS)),
    seed=st.integers(0, 2**64 - 1),
    start=st.integers(0, 2**50),
    rows=st.integers(1, 20),
    classes=st.integers(1, 3 * PANEL),
    data=st.data(),
)
def test_rows_and_columns_do_not_depend_on_who_asks(
    distribution: str, seed: int, start: int, rows: int, classes: int, data: st.DataObject
) -> None:
    whole = draw(distribution, seed, classes, range(start, start + rows))
    assert whole.shape == (rows, classes)
    assert whole.dtype == np.float64
    assert np.isfinite(whole).all()
    cut = data.draw(st.integers(0, rows))
    fewer = data.draw(st.integers(1, classes))
    parts = [draw(distribution, seed, fewer, r) for r in (range(start, start + cut), range(start + cut, start + rows))]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:, :fewer])
    labels = draw_labels(seed, classes, range(start, start + rows))
    halves = [draw_labels(seed, classes, r) for r in (range(start, start + cut), range(start + cut, start + rows))]
    np.testing.assert_array_equal(np.concatenate(halves), labels)
    assert labels.dtype == np.int64
    assert np.all((labels >= 0) & (labels < classes))


def test_seeds_rows_and_columns_differ() -> None:
    drawn = np.concatenate([draw("normal", seed, 100, range(50)).ravel() for seed in (0, 1)])
    assert len(np.unique(drawn)) == len(drawn)


def test_labels_cover_their_range_evenly() -> None:
    for classes in (1, 2, 7):
        counts = np.bincount(draw_labels(0, classes, range(7000)), minlength=classes)
        assert len(counts) == classes
        # Six standard deviations of a binomial count.
        assert np.all(np.abs(counts - 7000 / classes) <= 6 * math.sqrt(7000 / classes))
    assert draw_labels(0, 2**31, range(1000)).max() < 2**31


def test_an_unknown_distribution_is_told_with_its_neighbours() -> None:
    with pytest.raises(InputError, match=r"unknown distribution 'norml'; did you mean normal"):
        draw("norml", 0, 10, range(1))


# The quantile functions

EDGES = [0, 1, 2, 3, 10, 2**20, 2**40, 2**45, 2**51 - 2, 2**51 - 1]
RANDOM = np.random.default_rng(1).integers(0, 2**51, 400).tolist()
# around the places where AS 241 changes its formula: |u - 1/2| = 0.425 and sqrt(-log u) = 5
SEAMS = [round(f * 2**52) + i for f in (0.075, math.exp(-25)) for i in (-2, -1, 0, 1, 2)]


def probabilities() -> np.ndarray:
    """All of them below 1/2."""
    return (np.array(sorted({*EDGES, *RANDOM, *SEAMS})) + 0.5) * 2.0**-52


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_variates_are_finite_symmetric_and_rising(name: str) -> None:
    u = probabilities()
    low, high = DISTRIBUTIONS[name](u), DISTRIBUTIONS[name](1.0 - u)
    np.testing.assert_array_equal(low, -high)
    assert np.all(low < 0)
    assert np.isfinite(low).all()
    assert np.all(np.diff(low) >= 0)


def exact_quantiles(name: str, u: np.ndarray) -> list[float]:
    mp = mpmath.mp.clone()
    mp.prec = 150
    found = []
    for v in u.tolist():
        p = mp.mpf(v)
        if name == "uniform":
            x = 2 * p - 1
        elif name == "laplace":
            x = mp.log(2 * p)
        else:
            # Newton's method on the normal distribution function, from Python's own estimate.
            x = mp.mpf(NormalDist().inv_cdf(v))
            for _ in range(5):
                x -= (mp.erfc(-x / mp.sqrt(2)) / 2 - p) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
        found.append(float(x))
    return found


@pytest.mark.parametrize(("name", "accuracy"), [("normal", 4e-15), ("laplace", 1e-15), ("uniform", 0.0)])
def test_variates_are_quantiles(name: str, accuracy: float) -> None:
    """AS 241 promises about one part in 10**16, and its steps here are rounded."""
    u = probabilities()
    u = u[u < 0.4999]  # near the median the laplace and normal quantiles are as good as u itself
    np.testing.assert_allclose(DISTRIBUTIONS[name](u), exact_quantiles(name, u), rtol=accuracy)
    middle = 0.5 - np.array([1, 3, 1001, 2**30 + 1]) * 2.0**-53
    np.testing.assert_allclose(DISTRIBUTIONS[name](middle), exact_quantiles(name, middle), rtol=1e-14)


def test_the_largest_normal_variate() -> None:
    assert DISTRIBUTIONS["normal"](np.array([1 - 2.0**-53]))[0] == pytest.approx(8.2095, abs=1e-4)


def test_variates_are_those_of_the_integers() -> None:
    """The normal and laplace variates of a seed are the quantiles of the same u as its uniform ones."""
    u = (draw("uniform", 5, 30, range(20)) + 1) / 2
    for name, function in DISTRIBUTIONS.items():
        np.testing.assert_array_equal(draw(name, 5, 30, range(20)), function(u))
    python = [NormalDist().inv_cdf(v) for v in u.ravel().tolist()]
    np.testing.assert_allclose(draw("normal", 5, 30, range(20)).ravel(), python, rtol=1e-14, atol=1e-15)


def test_scales_are_what_they_are_said_to_be() -> None:
    """Variance 1 for normal, density exp(-|x|)/2 for laplace (variance 2), uniform on (-1, 1) (variance 1/3)."""
    for name, variance in (("normal", 1.0), ("laplace", 2.0), ("uniform", 1 / 3)):
        x = draw(name, 0, 100, range(2000))
        assert np.mean(x) == pytest.approx(0.0, abs=0.02)
        assert np.var(x) == pytest.approx(variance, rel=0.02)
