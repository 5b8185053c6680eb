"""In what precision results were computed: which of them tell, of one block and of several together."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.formats import FORMATS, round_to
from overflowscope.measure import computes, kept, together
from overflowscope.records import Reference

SINGLE = FORMATS["float32"]
NARROWER = [fmt for fmt in FORMATS.values() if SINGLE.holds(fmt) and fmt.precision < SINGLE.precision]
TRUTHS = np.random.default_rng(0).uniform(0.1, 0.9, (10, 4))
LOGITS = np.zeros((10, 4))


def truth(values: Any, above: Any = None) -> Reference:
    """Of these values; only what they round to is of interest here."""
    below = round_to(np.asarray(values, np.float64), SINGLE)
    nothing, whole = np.zeros(below.shape), np.zeros(below.shape, np.int64)
    state = np.zeros(below.shape, np.uint8)
    upper = below if above is None else np.asarray(above, np.float64)
    return Reference(SINGLE, nothing, nothing, whole, nothing, below, upper, state, state)


def told(got: Any, *, logits: Any = LOGITS, bounded: bool = True, of: Any = TRUTHS) -> str | None:
    return computes(SINGLE, kept(np.asarray(got, np.float64), truth(of), logits, bounded))


def half(values: Any) -> Any:
    return np.float64(np.float16(values))


def test_results_that_are_all_narrower() -> None:
    assert told(half(TRUTHS)) == "float16"
    assert told(round_to(TRUTHS, SINGLE)) is None


def test_one_result_that_is_not_tells_that_it_is_none() -> None:
    got = half(TRUTHS)
    got[9, 3] = round_to(TRUTHS, SINGLE)[9, 3]
    assert told(got) is None
    small = np.where(TRUTHS < 0.2, TRUTHS * 2.0**-30, TRUTHS)
    eleven_bits = np.where(TRUTHS < 0.2, half(TRUTHS) * 2.0**-30, half(TRUTHS))
    assert told(eleven_bits, of=small) is None


def test_results_whose_truths_are_narrower_tell_nothing() -> None:
    """Neither for nor against: they are right, or wrong."""
    right = half(TRUTHS)
    assert told(right, of=right) is None
    mixed = np.where(np.arange(4) < 2, right, TRUTHS)
    assert told(np.where(np.arange(4) < 2, TRUTHS, right), of=mixed) == "float16"


def test_powers_of_two_tell_nothing() -> None:
    assert told(np.ldexp(1.0, -np.arange(40).reshape(10, 4)) / 2) is None
    assert told(np.zeros((10, 4))) is None
    assert told(np.where(np.arange(4) == 0, 0.25, half(TRUTHS))) == "float16"


def test_what_is_not_finite_or_not_known_tells_nothing() -> None:
    for odd in (np.nan, np.inf, -np.inf):
        assert told(np.full((10, 4), odd)) is None
        assert told(np.where(np.arange(4) == 0, odd, half(TRUTHS))) == "float16"
        known = np.where(np.arange(4) == 0, TRUTHS, odd)
        assert told(np.where(np.arange(4) == 0, half(TRUTHS), 0.3), of=known) == "float16"
    seven = half(TRUTHS[:2])
    seven[0, 0] = np.inf
    assert told(seven, of=TRUTHS[:2], logits=LOGITS[:2]) is None
    open_ = truth(TRUTHS, round_to(TRUTHS, SINGLE) + 2.0**-20)
    assert computes(SINGLE, kept(half(TRUTHS), open_, LOGITS, True)) is None


def test_equal_results_tell_once() -> None:
    assert told(np.full((10, 4), 0.375)) is None
    assert told(half(TRUTHS[:2]), of=TRUTHS[:2], logits=LOGITS[:2]) == "float16"
    assert told(half(TRUTHS[:1]), of=TRUTHS[:1], logits=LOGITS[:1]) is None


def test_few_bits_after_cancellation_tell_nothing() -> None:
    """Near 1e5 float32 numbers are 2**-7 apart: their differences below 2**4 have 11 bits at most."""
    large = np.where(np.arange(4) == 2, -1e5, LOGITS)
    got = half(TRUTHS)
    assert told(got, logits=large, bounded=False) is None
    assert told(got, logits=large, bounded=True) == "float16"
    assert told(half(TRUTHS * 100), logits=large, bounded=False, of=TRUTHS * 100) == "float16"
    infinite = np.where(np.arange(4) == 2, -np.inf, LOGITS)
    assert told(got, logits=infinite, bounded=False) == "float16"
    assert told(got, logits=np.where(np.arange(4) == 1, -np.inf, large), bounded=False) is None
    first = np.arange(10)[:, None] < 6
    some = np.where(first, large, LOGITS)
    assert told(np.where(first, got, np.nan), logits=some, bounded=False) is None
    one = np.where(np.arange(10)[:, None] == 0, large, LOGITS)
    assert told(got[:, 0], logits=one, bounded=False, of=TRUTHS[:, 0]) == "float16"
    assert told(got[:2, 0], logits=one[:2], bounded=False, of=TRUTHS[:2, 0]) is None


def test_logits_below_one_are_subtracted_from_more() -> None:
    """Of log(1 + s), with s near 2**-20, float32 has four bits."""
    few = np.arange(1, 41).reshape(10, 4) * 2.0**-23 * 3
    assert told(few, bounded=False, of=few * 1.01, logits=np.full((10, 4), 2.0**-40)) is None


def test_blocks_together() -> None:
    blocks = [kept(half(TRUTHS[i : i + 1]), truth(TRUTHS[i : i + 1]), LOGITS[:1], True) for i in range(3)]
    assert [computes(SINGLE, b) for b in blocks] == [None] * 3
    assert computes(SINGLE, together(blocks[0], blocks[1])) == "float16"
    assert computes(SINGLE, together(blocks[0], blocks[0])) is None
    assert together((), blocks[0]) == together(blocks[0], ()) == blocks[0]
    other = kept(round_to(TRUTHS[5:6], SINGLE), truth(TRUTHS[5:6]), LOGITS[:1], True)
    both = together(blocks[0], blocks[1])
    assert computes(SINGLE, together(both, other)) is computes(SINGLE, together(other, both)) is None
    assert all(len(some) <= 8 for some, _ in together(both, blocks[2]))


def test_the_narrowest_format_is_named() -> None:
    assert {fmt.name for fmt in NARROWER} >= {"float16"}
    eighths = np.array([[1, 3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15]]) / 16.0
    assert told(eighths, of=eighths * 1.001, logits=np.zeros((1, 12))) == "float8_e4m3fn"
