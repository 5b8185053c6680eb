"""The same numbers everywhere: pinned bits, and the law by which every one of them is made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope import draws, sources
from overflowscope.draws import DISTRIBUTIONS, PANEL, draw, draw_labels
from overflowscope.draws.quantiles import QUANTILES, exp, ordinal
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS, Format

# sha256 of the little-endian doubles (or labels, as little-endian int64). These were not computed by another program:
# they are pinned so that a seed means the same logits in every release, on every platform, under every NumPy.
PINNED = {
    ("normal", 0, 256, 10): "8fcad73d43c9ae29fdda95ceec6b2329f337bb692037dfa017ae217531b32f5a",
    ("normal", 1, 3, 200): "509b1c04ee1e65d3920938281f1188e0a1f9c04bcf271378707b3c32a5f1ed13",
    ("normal", 0, 3, 2000): "9f0c2c47b709c8ad230631cd93dc40db6a9f42ab1201cb24bbe89c0d9a1187bd",
    ("cauchy", 0, 256, 10): "ee78fc69212160c0199471325a82604b20dc6427cdff0cb1d99fb774e2318746",
    ("lognormal", 0, 256, 10): "0717fc18d6f65bc39b736ee7c7dd773c8083f80a4891b909d7b52bfeb171959a",
    ("ordinal", 0, 256, 10): "14163ef95491ce88a0d88151c2134fb9a90efc8e3c27f70c38e9a81b72bd7871",
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
    """Of the stream, the panel, the row, the column. Panels: 0..63, 64..127, 128..255, 256..511; 4 words a counter."""
    panel = max(0, (column >> 5).bit_length() - 1)
    begin, width = (0, 64) if panel == 0 else (32 << panel, 32 << panel)
    place = column - begin
    return philox(seed, (stream << 192) + (panel << 128) + row * (width // 4) + place // 4 + 1)[place % 4]


def uniform(seed: int, row: int, column: int) -> Fraction:
    return 2 * ((word(seed, 0, row, column) >> 12) + Fraction(1, 2)) / 2**52 - 1


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
    found = draw("uniform", seed, 1030, rows)
    for i, row in enumerate(rows):
        for column in (0, 1, 2, 3, 4, 5, 62, 63, 64, 65, 127, 128, 129, 255, 256, 511, 512, 900, 1023, 1024, 1029):
            assert Fraction(float(found[i, column])) == uniform(seed, row, column)
    labels = draw_labels(seed, 1000, rows)
    assert labels.tolist() == [(word(seed, 1, row, 0) >> 32) * 1000 >> 32 for row in rows]


def test_far_rows_have_counters_of_their_own() -> None:
    # 2**60 - 1 and 2**50 - 1: the counter's lowest word overflows within the rows.
    for start, classes in ((10**12 + 7, 5), (2**60 - 1, 5), (2**50 - 1, 2**17)):
        found = draw("uniform", 3, classes, range(start, start + 2))
        for i in range(2):
            for column in (0, 4, classes - 2, classes - 1):
                assert Fraction(float(found[i, column])) == uniform(3, start + i, column)


@pytest.mark.parametrize("classes", [512 + 1, 512 + 2, 1024 - 512, 2048 - 513, 2048 - 512, 2048 - 511, 4096 + 6, 5000])
@pytest.mark.parametrize("rows", [1, 3])
def test_wide_rows_begin_alike(classes: int, rows: int) -> None:
    """Whether the rest of the last panel is drawn in vain or skipped."""
    whole = draw("uniform", 1, 8192, range(7, 7 + rows))
    np.testing.assert_array_equal(draw("uniform", 1, classes, range(7, 7 + rows)), whole[:, :classes])


def test_the_last_panel_is_not_drawn_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2**20 columns two rows want a few: what is drawn is what is used, and a little."""
    drawn = []

    class Counting(np.random.Philox):
        def random_raw(self, size: int) -> np.ndarray:  # type: ignore[override]
            drawn.append(size)
            return np.asarray(super().random_raw(size))

    monkeypatch.setattr(np.random, "Philox", Counting)
    draw("uniform", 0, 2**16 + 10, range(2))
    assert sum(drawn) <= 2 * (2**16 + 10 + draws.SPARE)


def test_no_two_places_share_a_counter() -> None:
    """Stretches of consecutive rows meet without overlapping, and the last of the largest stays in its two words."""
    for panel in range(26):
        width = 64 if panel == 0 else 32 << panel
        assert width % 4 == 0
        assert (2**40 + 1) * (width // 4) < 2**128
    assert 32 << 26 == 2**31


@settings(max_examples=60, deadline=None)
@given(
    distribution=st.sampled_from(sorted(DISTRIBUTIONS)),
    seed=st.integers(0, 2**64 - 1),
    start=st.integers(0, 2**50),
    rows=st.integers(1, 20),
    classes=st.integers(1, 5 * PANEL),
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


@pytest.mark.parametrize("name", QUANTILES)
def test_variates_are_finite_symmetric_and_rising(name: str) -> None:
    u = probabilities()
    low, high = QUANTILES[name](u), QUANTILES[name](1.0 - u)
    if name == "lognormal":
        np.testing.assert_allclose(low * high, 1.0, rtol=6 * 2.0**-53)
        assert np.all((low > 0) & (low < 1))
    else:
        np.testing.assert_array_equal(low, -high)
        assert np.all(low < 0)
    assert np.isfinite([low, high]).all()
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
        elif name == "cauchy":
            x = mp.tan(mp.pi * (p - mp.mpf(1) / 2))
        else:
            # Newton's method on the normal distribution function, from Python's own estimate.
            x = mp.mpf(NormalDist().inv_cdf(v))
            for _ in range(5):
                x -= (mp.erfc(-x / mp.sqrt(2)) / 2 - p) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
            x = mp.exp(x) if name == "lognormal" else x
        found.append(float(x))
    return found


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [("normal", 4e-15), ("laplace", 1e-15), ("uniform", 0.0), ("cauchy", 9 * 2.0**-53), ("lognormal", 8.3 * 4e-15)],
)
def test_variates_are_quantiles(name: str, accuracy: float) -> None:
    """AS 241 promises about one part in 10**16, and its steps here are rounded."""
    u = probabilities()
    u = u[u < 0.4999]  # near the median the laplace and normal quantiles are as good as u itself
    np.testing.assert_allclose(QUANTILES[name](u), exact_quantiles(name, u), rtol=accuracy)
    middle = 0.5 - np.array([1, 3, 1001, 2**30 + 1]) * 2.0**-53
    np.testing.assert_allclose(QUANTILES[name](middle), exact_quantiles(name, middle), rtol=1e-14)


def test_the_largest_normal_variate() -> None:
    assert QUANTILES["normal"](np.array([1 - 2.0**-53]))[0] == pytest.approx(8.2095, abs=1e-4)


def test_variates_are_those_of_the_integers() -> None:
    """The normal and laplace variates of a seed are the quantiles of the same u as its uniform ones."""
    u = (draw("uniform", 5, 30, range(20)) + 1) / 2
    for name, function in QUANTILES.items():
        np.testing.assert_array_equal(draw(name, 5, 30, range(20)), function(u))
    python = [NormalDist().inv_cdf(v) for v in u.ravel().tolist()]
    np.testing.assert_allclose(draw("normal", 5, 30, range(20)).ravel(), python, rtol=1e-14, atol=1e-15)


def test_the_largest_cauchy_variate() -> None:
    """tan(pi (1/2 - 2**-53)) = 1/tan(pi 2**-53), which is 2**53/pi to one part in 10**31."""
    assert QUANTILES["cauchy"](np.array([1 - 2.0**-53]))[0] == pytest.approx(2**53 / math.pi, rel=1e-15)


def relative_errors(found: np.ndarray, function: Callable[[Any, Any], Any], x: np.ndarray) -> np.ndarray:
    """In units of 2**-53, against ``function`` of mpmath numbers at 150 bits."""
    mp = mpmath.mp.clone()
    mp.prec = 150
    exact = [function(mp, mp.mpf(v)) for v in x.tolist()]
    return np.array([float(abs(mp.mpf(f) / e - 1) * 2**53) for f, e in zip(found.tolist(), exact, strict=True)])


def test_exp_keeps_its_bound() -> None:
    seams = np.arange(-23.5, 24) * math.log(2)
    x = np.concatenate([np.random.default_rng(2).uniform(-16, 16, 20000), *(seams + d for d in (-1e-15, 0, 1e-15))])
    x = np.concatenate([x[np.abs(x) <= 16], [0.0, 5e-324, -5e-324, 1e-20, -1e-20, 0.34657359, -0.34657359]])
    assert relative_errors(exp(x), lambda mp, v: mp.exp(v), x).max() <= 2
    assert exp(np.zeros(1))[0] == 1


def test_cauchy_keeps_its_bound() -> None:
    k = np.concatenate([np.random.default_rng(3).integers(0, 2**52, 20000), np.arange(50), 2**51 + np.arange(-50, 50)])
    k = np.concatenate([k, 2**50 + np.arange(-9, 9), 3 * 2**50 + np.arange(-9, 9)])
    u = (k + 0.5) * 2.0**-52
    assert relative_errors(QUANTILES["cauchy"](u), lambda mp, v: mp.tan(mp.pi * (v - 0.5)), u).max() <= 9


# ordinal


def finite_numbers(fmt: Format) -> np.ndarray:
    """All of the format, -largest to -0 and 0 to largest: its codes as the dtype itself reads them."""
    bits = fmt.dtype.itemsize * 8
    with np.errstate(invalid="ignore"):  # nan among them
        codes = np.arange(2**bits, dtype=f"uint{bits}").view(fmt.dtype).astype(np.float64)
    codes = codes[np.isfinite(codes)]
    return codes[np.lexsort((~np.signbit(codes), codes))]


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_every_finite_code_has_its_share_of_the_integers(name: str) -> None:
    fmt = FORMATS[name]
    _ = pytest.importorskip("ml_dtypes") if fmt.extra else None
    numbers = finite_numbers(fmt)
    edges = [-(-(i << 64) // len(numbers)) for i in range(len(numbers) + 1)]
    first, last = np.array(edges[:-1], np.uint64), np.array([e - 1 for e in edges[1:]], np.uint64)
    for integers in (first, last):
        np.testing.assert_array_equal(ordinal(integers, fmt), numbers)
        np.testing.assert_array_equal(np.signbit(ordinal(integers, fmt)), np.signbit(numbers))
    assert np.ptp(np.diff(np.array(edges, object))) <= 1


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_ordinal_reaches_the_wide_formats_codes(name: str) -> None:
    """n goes to the code floor(2 M n / 2**64), M positive codes, read by the dtype."""
    fmt = FORMATS[name]
    bits = fmt.dtype.itemsize * 8
    positive = int(np.array(fmt.largest, fmt.dtype).view(f"uint{bits}")) + 1
    rng = np.random.default_rng(4)
    chosen = [0, 1, 2, positive - 2, positive - 1, positive, positive + 1, 2 * positive - 2, 2 * positive - 1]
    chosen += [positive + (e << (fmt.precision - 1)) + d for e in (1, 2, 1 - fmt.emin) for d in (-1, 0, 1)]
    chosen += rng.integers(0, 2 * positive, 2000, dtype=np.uint64).tolist()
    integers = np.array([-(-(i << 64) // (2 * positive)) for i in chosen], np.uint64)
    codes = [(1 << (bits - 1)) + positive - 1 - i if i < positive else i - positive for i in chosen]
    wanted = np.array(codes, f"uint{bits}").view(fmt.dtype)
    np.testing.assert_array_equal(ordinal(integers, fmt), wanted.astype(np.float64))
    before = ordinal(integers[integers > 0] - np.uint64(1), fmt)
    assert np.all(before <= ordinal(integers[integers > 0], fmt))
    assert ordinal(np.array([0, 2**64 - 1], np.uint64), fmt).tolist() == [-fmt.largest, fmt.largest]


def test_a_draw_of_ordinal_is_that_of_its_integers() -> None:
    for fmt in FORMATS.values():
        integers = np.array([[word(9, 0, row, column) for column in range(70)] for row in range(3)], np.uint64)
        np.testing.assert_array_equal(draw("ordinal", 9, 70, range(3), fmt), ordinal(integers, fmt))


def test_sources_draw_in_the_format_and_digest_the_doubles() -> None:
    source = sources.drawn("ordinal", 5, 20, 30)
    for fmt in FORMATS.values():
        np.testing.assert_array_equal(source.logits(range(3, 9), fmt), draw("ordinal", 5, 30, range(3, 9), fmt))
    assert source.sha256() == digest(draw("ordinal", 5, 30, range(20), FORMATS["float64"]), "<f8")
    plain = sources.drawn("normal", 5, 20, 30)
    assert plain.sha256() == digest(plain.logits(range(20), FORMATS["float16"]), "<f8")


def test_scales_are_what_they_are_said_to_be() -> None:
    """Variance 1 for normal, density exp(-|x|)/2 for laplace (variance 2), uniform on (-1, 1) (variance 1/3)."""
    for name, variance in (("normal", 1.0), ("laplace", 2.0), ("uniform", 1 / 3)):
        x = draw(name, 0, 100, range(2000))
        assert np.mean(x) == pytest.approx(0.0, abs=0.02)
        assert np.var(x) == pytest.approx(variance, rel=0.02)
