"""A few rounds of the fuzzer, always the same; ``make fuzz`` goes on for a minute."""

from __future__ import annotations

from pathlib import Path

import fuzz_reading
import pytest

from overflowscope import reading
from overflowscope.reading import stored


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer changes these."""
    monkeypatch.setattr(stored, "IN_MEMORY", stored.IN_MEMORY)
    monkeypatch.setattr(stored, "TILE", stored.TILE)


@pytest.mark.parametrize("seed", range(0, 1000, 200))
def test_rounds(seed: int) -> None:
    assert fuzz_reading.fuzz(60, seed, rounds=200) == 200


def test_texts_of_hypothesis(tmp_path: Path) -> None:
    fuzz_reading.by_hypothesis(0, str(tmp_path))


def test_a_traceback_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise KeyError

    monkeypatch.setattr(reading, "kind", broken)
    with pytest.raises(AssertionError, match="seed 0, bytes "):
        fuzz_reading.fuzz(60, 0, rounds=1)
