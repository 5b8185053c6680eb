"""Exact rational results where they exist, and a refusal everywhere else."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from overflowscope.arithmetic.intervals import Indeterminate
from overflowscope.arithmetic.rationals import Rationals
from overflowscope.catalogue import named

INF = math.inf


def identity(name: str, row: list[float], *labels: Any) -> list[Any]:
    xp = Rationals()
    return list(np.ravel(named(name).identity(xp, xp.asarray(np.array([row])), *labels)).tolist())


def test_equal_logits_give_one_nth() -> None:
    assert identity("softmax", [7.25] * 6) == [Fraction(1, 6)] * 6
    assert identity("softmax", [7.25, -INF, 7.25, 7.25]) == [Fraction(1, 3), 0, Fraction(1, 3), Fraction(1, 3)]


def test_one_class_left() -> None:
    assert identity("log_softmax", [-INF, 0.1]) == [-INF, 0]
    assert identity("logsumexp", [-INF, 0.1]) == [Fraction(0.1)]
    assert identity("cross_entropy", [-INF, 0.1], np.array([0])) == [INF]
    assert identity("cross_entropy", [-INF, 0.1], np.array([1])) == [0]


@pytest.mark.parametrize("name", ["log_softmax", "logsumexp"])
def test_what_is_irrational_is_refused(name: str) -> None:
    with pytest.raises(Indeterminate):
        identity(name, [1.0, 1.0])
    with pytest.raises(Indeterminate):
        identity("softmax", [1.0, 2.0])


def test_nan_and_primitives_it_does_not_have_are_refused() -> None:
    xp = Rationals()
    with pytest.raises(Indeterminate):
        xp.asarray(np.array([np.nan]))
    with pytest.raises(Indeterminate):
        xp.sqrt(xp.asarray(np.array([4.0])))
