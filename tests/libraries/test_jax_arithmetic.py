"""Our formulations on JAX's arrays against the same formulas written by hand in JAX: equal bit for bit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import InputError, catalogue
from overflowscope.catalogue import Operation
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Floats, round_to
from overflowscope.libraries import offered

jax = pytest.importorskip("jax")
pytest.importorskip("array_api_compat")
jnp = jax.numpy

INF, NAN = float("inf"), float("nan")
CLASSES = 150


def softmax_naive(x: Any) -> Any:
    e = jnp.exp(x)
    return e / e.sum(-1, keepdims=True)


def softmax_shifted(x: Any) -> Any:
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_lse(x: Any) -> Any:
    m = x.max(-1, keepdims=True)
    return jnp.exp(x - (m + jnp.log(jnp.exp(x - m).sum(-1, keepdims=True))))


def softmax_online(x: Any) -> Any:
    m = x[:, :64].max(-1, keepdims=True)
    s = jnp.exp(x[:, :64] - m).sum(-1, keepdims=True)
    for block in (x[:, 64:128], x[:, 128:]):
        new = jnp.maximum(m, block.max(-1, keepdims=True))
        s = s * jnp.exp(m - new) + jnp.exp(block - new).sum(-1, keepdims=True)
        m = new
    return jnp.exp(x - m) / s


def softmax_base2(x: Any) -> Any:
    t = x * jnp.asarray(1.4426950408889634, x.dtype)
    e = jnp.exp2(t - t.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def others(x: Any) -> tuple[Any, Any]:
    """The maximum, and the sum of exp(x - max) without the first maximum's own."""
    k = x.argmax(-1, keepdims=True)
    m = jnp.take_along_axis(x, k, axis=-1)
    e = jnp.exp(x - m)
    return m, jnp.where(jnp.arange(x.shape[-1]) == k, jnp.zeros((), x.dtype), e).sum(-1, keepdims=True)


def log_softmax_lse(x: Any) -> Any:
    d = x - x.max(-1, keepdims=True)
    return d - jnp.log(jnp.exp(d).sum(-1, keepdims=True))


def log_softmax_log1p(x: Any) -> Any:
    m, s = others(x)
    return (x - m) - jnp.log1p(s)


def logsumexp_shifted(x: Any) -> Any:
    m = x.max(-1, keepdims=True)
    return (m + jnp.log(jnp.exp(x - m).sum(-1, keepdims=True))).squeeze(-1)


def logsumexp_log1p(x: Any) -> Any:
    m, s = others(x)
    return (m + jnp.log1p(s)).squeeze(-1)


def logsumexp_fake_log1p(x: Any) -> Any:
    m = x.max(-1, keepdims=True)
    s = jnp.exp(x - m).sum(-1, keepdims=True)
    return (m + jnp.log1p(s - jnp.ones((), x.dtype))).squeeze(-1)


def picked(x: Any, y: Any) -> Any:
    return jnp.take_along_axis(x, y[:, None], axis=-1).squeeze(-1)


def loss_shifted_lse(x: Any, y: Any) -> Any:
    d = x - x.max(-1, keepdims=True)
    return jnp.log(jnp.exp(d).sum(-1)) - picked(d, y)


def loss_log1p(x: Any, y: Any) -> Any:
    m, s = others(x)
    return (m.squeeze(-1) - picked(x, y)) + jnp.log1p(s).squeeze(-1)


def loss_clipped(x: Any, y: Any) -> Any:
    return -jnp.log(picked(softmax_shifted(x), y) + jnp.asarray(1e-12, x.dtype))


BY_HAND: dict[tuple[str, str], Callable[..., Any]] = {
    ("softmax", "naive"): softmax_naive,
    ("softmax", "shifted"): softmax_shifted,
    ("softmax", "lse"): softmax_lse,
    ("softmax", "lse_naive"): lambda x: jnp.exp(x - jnp.log(jnp.exp(x).sum(-1, keepdims=True))),
    ("softmax", "online"): softmax_online,
    ("softmax", "base2"): softmax_base2,
    ("log_softmax", "naive"): lambda x: jnp.log(softmax_naive(x)),
    ("log_softmax", "shifted"): lambda x: jnp.log(softmax_shifted(x)),
    ("log_softmax", "lse"): log_softmax_lse,
    ("log_softmax", "log1p"): log_softmax_log1p,
    ("logsumexp", "naive"): lambda x: jnp.log(jnp.exp(x).sum(-1)),
    ("logsumexp", "shifted"): logsumexp_shifted,
    ("logsumexp", "log1p"): logsumexp_log1p,
    ("logsumexp", "fake_log1p"): logsumexp_fake_log1p,
    ("cross_entropy", "naive"): lambda x, y: -jnp.log(picked(softmax_naive(x), y)),
    ("cross_entropy", "shifted"): lambda x, y: -jnp.log(picked(softmax_shifted(x), y)),
    ("cross_entropy", "lse"): lambda x, y: logsumexp_shifted(x) - picked(x, y),
    ("cross_entropy", "shifted_lse"): loss_shifted_lse,
    ("cross_entropy", "log1p"): loss_log1p,
    ("cross_entropy", "clipped"): loss_clipped,
}
EVERY = [(op, f) for op in catalogue.operations().values() for f in op.formulations]
IDS = [f"{op.name}-{f}" for op, f in EVERY]
LABELS = np.arange(64) * 7 % CLASSES


def precise(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """As a program in JAX would be run: with 64 bits where it wants float64, and else without."""
    if dtype != "float64":
        return contextlib.nullcontext()
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()  # type: ignore[no-any-return]


def logits(dtype: str, scale: float) -> Floats:
    """Random rows, and at the end ties, masks, infinities, nan and zeros of both signs: numbers of the dtype."""
    if FORMATS[dtype].extra:
        pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(int(scale)).normal(size=(64, CLASSES)) * scale
    x[-8], x[-7, ::2], x[-6, 3:6], x[-9, ::2], x[-9, 1::2] = 0, -INF, np.abs(x).max(), -0.0, 0.0
    x[-5], x[-4, 2], x[-3, 2:4], x[-2, 7] = -INF, INF, INF, NAN
    return round_to(x, FORMATS[dtype])


def same_bits(got: Any, want: Any, dtype: str) -> bool:
    """Any nan is any other."""
    assert (got.dtype, want.dtype) == (FORMATS[dtype].dtype,) * 2
    given, exact = (np.asarray(a).astype(np.float64) for a in (got, want))
    signs = np.signbit(given) == np.signbit(exact)
    return bool(np.array_equal(given, exact, equal_nan=True) and signs[given == 0].all())


def runs(operation: Operation, formulation: str) -> Any:
    (found,) = [i for i in offered("jax-arithmetic").implementations(operation) if i.formulation == formulation]
    return found


def test_every_formulation_is_written_by_hand() -> None:
    assert set(BY_HAND) == {(op.name, f) for op, f in EVERY}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("operation", "formulation"), EVERY, ids=IDS)
def test_values_are_jaxs_bit_for_bit(operation: Operation, formulation: str, dtype: str) -> None:
    for scale in (1.0, 1000.0):
        x = to_array(logits(dtype, scale), FORMATS[dtype])
        got = runs(operation, formulation).run(np, *operation.arguments(x, LABELS))
        with precise(dtype):
            given = operation.arguments(jnp.asarray(x), jnp.asarray(LABELS))
            want = BY_HAND[operation.name, formulation](*given)
        assert same_bits(got, want, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize(("operation", "formulation"), EVERY, ids=IDS)
def test_gradients_are_jax_grads_bit_for_bit(operation: Operation, formulation: str, dtype: str) -> None:
    """Of the results, or of the entries at the labels where there is a result for each class."""
    x = to_array(logits(dtype, 30.0), FORMATS[dtype])
    got = runs(operation, formulation).gradient(np, x, LABELS)
    with precise(dtype):
        labels = jnp.asarray(LABELS)

        def total(x: Any) -> Any:
            result = BY_HAND[operation.name, formulation](*operation.arguments(x, labels))
            return (picked(result, labels) if operation.per_class else result).sum()

        want = jax.grad(total)(jnp.asarray(x))
    assert same_bits(got, want, dtype)


def test_a_table_has_the_formulations_that_were_asked_for() -> None:
    report = overflowscope.compare(
        np.random.default_rng(0).normal(size=(20, 5)),
        operations=["log_softmax", "cross_entropy"],
        formulations=["lse", "log1p", "clipped"],
        dtypes=["float64"],
        implementations=["jax-arithmetic"],
    )
    ours = [m for m in report.results if m.implementation == "jax-arithmetic"]
    assert [m.formulation for m in ours] == ["lse", "log1p", "lse", "log1p", "clipped"]
    assert {(m.version, m.status) for m in ours} == {(jax.__version__, "ok")}


def test_float64_is_float64_and_the_host_programs_choice_stays() -> None:
    (found,) = overflowscope.compare(
        [[0.0, 1.0, 2.0]], operations=["softmax"], formulations=["shifted"], dtypes=["float64"],
        implementations=["jax-arithmetic"],
    ).results[1:]  # fmt: skip
    assert found.ulp.max is not None
    assert found.ulp.max < 4
    assert not jax.config.jax_enable_x64
    assert jnp.asarray(np.float64(1)).dtype == np.float32


def test_strict_arithmetic_is_not_jaxs() -> None:
    with pytest.raises(InputError, match="jax-arithmetic does its own arithmetic, of which none is strict"):
        overflowscope.compare([[0.0, 1.0]], arithmetic="strict", implementations=["jax-arithmetic"])


def test_variants() -> None:
    with pytest.raises(InputError, match="jax-arithmetic has no variant 'gpu'"):
        offered("jax-arithmetic:gpu")
