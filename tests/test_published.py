"""Figures published of logsumexp in float16, every operation rounded, and the bounds that stand beside formulations.

Blanchard, Higham, Higham, Accurately computing the log-sum-exp and softmax functions, IMA J. Numer. Anal. 41 (2021).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope import catalogue
from overflowscope.arithmetic.strict import Strict
from overflowscope.catalogue import Formulation, Operation, Sizes
from overflowscope.formats import FORMATS, Floats, round_to
from overflowscope.measure import errors
from overflowscope.records import Reference
from overflowscope.reference import reference

F16 = FORMATS["float16"]
U = F16.unit_roundoff
BOUNDED = [(op, f) for op in catalogue.operations().values() for f in op.formulations.values() if f.bound]


def computed(op: Operation, name: str, x: Floats, labels: Any = None) -> Floats:
    xp = Strict(F16)
    found: Floats = op.named(name).function(xp, *op.arguments(xp.asarray(x), labels)).numbers
    return found


@pytest.mark.parametrize(
    ("against", "identical", "least", "most", "mean", "error"),
    [("log1p", 1863, 0.19, 59, 1.07, 0.03), ("shifted", 1819, 0.17, 59, 1.04, 0.031)],
)
def test_the_published_logits(
    shared: Path, against: str, identical: int, least: float, most: float, mean: float, error: float
) -> None:
    x = round_to(np.load(shared / "bhh2021_logits.npy").astype(np.float64), F16)
    assert x.shape == (2500, 10)
    op = catalogue.named("logsumexp")
    naive, other = computed(op, "naive", x), computed(op, against, x)
    assert np.isinf(naive).sum() == 475
    assert np.isinf(other).sum() == 0
    kept = np.isfinite(naive)
    assert kept.sum() == 2025
    truth = reference(op, x[kept], None, F16)
    mine, others = (errors(got[kept], truth)[1] for got in (naive, other))
    assert (mine == others).sum() == identical
    ratio = mine / others
    assert round(float(ratio.min()), 2) == least
    assert round(float(ratio.max())) == most
    assert round(float(ratio.mean()), 2) == mean
    assert float(ratio.std(ddof=1) / np.sqrt(ratio.size)) == pytest.approx(error, abs=0.00125)


# Bounds


def rows(n: int, count: int) -> Floats:
    """Of spreads from 0.01 to 10, with the largest logit, the logsumexp, or nothing in particular near 0."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(count, n)) * 10 ** rng.uniform(-2, 1, (count, 1))
    near = np.stack([x.max(-1), np.log(np.exp(x).sum(-1)), rng.uniform(-8, 8, count)], axis=-1)
    return round_to(x - near[np.arange(count), rng.integers(0, 3, count)][:, None], F16)


def sizes(x: Floats) -> Sizes:
    y = number(reference(catalogue.named("logsumexp"), x, None, F16))
    return Sizes(x.shape[1], x.min(-1), x.max(-1), y, np.abs(x - y[:, None]).max(-1))


def number(truth: Reference) -> Floats:
    return np.ldexp(truth.head, truth.exponent.astype(np.int32))


def premises(op: Operation, formulation: Formulation, of: Sizes) -> Any:
    """Every exp that the result hangs on is a normal number, their sum within the format."""
    assert formulation.bound is not None
    if formulation.bound.of_exps:
        within = np.exp(of.y) * (1 + 2 * (of.n + 1) * U) < F16.largest
        return (of.least > np.log(F16.smallest_normal) + 2 * U) & within
    if op.name == "cross_entropy":  # s is all of a small loss
        return of.least - of.largest > np.log(F16.smallest_normal) + 2 * U
    return np.ones(len(of.least), np.bool_)


@pytest.mark.parametrize(("op", "formulation"), BOUNDED, ids=[f"{o.name}-{f.name}" for o, f in BOUNDED])
def test_a_stated_bound_holds(op: Operation, formulation: Formulation) -> None:
    """And is no mere formality: some error reaches a fifth of it."""
    assert formulation.bound is not None
    largest, counted = 0.0, 0
    for n in (2, 3, 4, 7, 12, 25, 50):
        x = rows(n, 120 if n < 20 else 40)
        labels = np.arange(len(x)) % n
        of, truth = sizes(x), reference(op, x, labels, F16)
        with np.errstate(all="ignore"):
            absolute = errors(computed(op, formulation.name, x, labels), truth)[2]
        exact = np.abs(number(truth))
        relative = absolute.max(-1) / exact.max(-1) if op.per_class else absolute / exact
        b = np.broadcast_to(formulation.bound.units(of) * U, relative.shape)
        among = premises(op, formulation, of) & (b < 0.9)
        share = relative[among] * (1 - b[among]) / b[among]
        assert np.all(share <= 1), n
        largest, counted = max(largest, float(share.max(initial=0.0))), counted + int(among.sum())
    assert counted > 200
    assert largest > 0.2


def test_a_loss_by_the_log_of_the_full_sum_breaks_the_bound_of_log1p() -> None:
    """Which is how the two are told apart."""
    op = catalogue.named("cross_entropy")
    bound = op.named("log1p").bound
    assert bound is not None
    x = round_to(np.array([[6.5, 0.0], [7.0, 0.0]]), F16)
    labels = np.zeros(2, np.int64)
    truth, of = reference(op, x, labels, F16), sizes(x)
    broken = errors(computed(op, "shifted_lse", x, labels), truth)[1] > 2 * bound.units(of) * U
    assert broken.all()


def test_bounds_of_naive_forms_need_normal_exps() -> None:
    """With subnormal ones the error is many times the bound: the premise is no decoration."""
    op = catalogue.named("softmax")
    bound = op.named("naive").bound
    assert bound is not None
    x = np.full((1, 3), -16.0)
    error = errors(computed(op, "naive", x), reference(op, x, None, F16))[1].max()
    x[0, 1] = -15.75
    error = max(error, errors(computed(op, "naive", x), reference(op, x, None, F16))[1].max())
    assert error > 10 * bound.units(sizes(x)) * U
