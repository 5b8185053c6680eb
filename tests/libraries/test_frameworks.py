"""torch, JAX and ONNX Runtime: their functions called by hand, their gradients, and what they have not got."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import InputError, catalogue, libraries
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, round_to
from overflowscope.libraries import offered

X = np.random.default_rng(7).normal(size=(50, 9)) * 4
Y = np.arange(50) % 9
FORMATS_OF_ALL = ["float16", "bfloat16", "float32", "float64"]


def held(dtype: str) -> Any:
    return to_array(round_to(X, FORMATS[dtype]), FORMATS[dtype])


def given(spec: str, operation: str, x: Any) -> Any:
    op = catalogue.named(operation)
    (found,) = offered(spec).implementations(op)
    return found.run(np, *op.arguments(x, Y))


def gradient(spec: str, operation: str, x: Any) -> Any:
    (found,) = offered(spec).implementations(catalogue.named(operation))
    assert found.gradient is not None
    return found.gradient(np, *catalogue.differentiated(operation).arguments(x, Y))


def equal(got: Any, wanted: Any) -> None:
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got.astype(np.float64), wanted.astype(np.float64))


# torch


def torched(torch: Any, dtype: str) -> Any:
    """By way of float32, which holds all of a narrower format exactly."""
    wide = held(dtype).astype(np.float64 if dtype == "float64" else np.float32)
    return torch.from_numpy(wide).to(getattr(torch, dtype))


def untorched(tensor: Any, dtype: str) -> Any:
    return tensor.detach().to(__import__("torch").float64).numpy().astype(FORMATS[dtype].dtype)


@pytest.mark.parametrize("dtype", FORMATS_OF_ALL)
def test_torch_by_hand(dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, labels = torched(torch, dtype), torch.from_numpy(Y)
    by_hand = {
        "softmax": torch.nn.functional.softmax(x, dim=-1),
        "log_softmax": torch.nn.functional.log_softmax(x, dim=-1),
        "logsumexp": torch.logsumexp(x, dim=-1),
        "cross_entropy": torch.nn.functional.cross_entropy(x, labels, reduction="none"),
    }
    for operation, wanted in by_hand.items():
        equal(given("torch", operation, held(dtype)), untorched(wanted, dtype))


@pytest.mark.parametrize("dtype", FORMATS_OF_ALL)
def test_torchs_gradients_by_hand(dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    labels = torch.from_numpy(Y)
    losses = {
        "softmax": lambda x: torch.softmax(x, -1)[torch.arange(50), labels].sum(),
        "log_softmax": lambda x: torch.log_softmax(x, -1)[torch.arange(50), labels].sum(),
        "logsumexp": lambda x: torch.logsumexp(x, -1).sum(),
        "cross_entropy": lambda x: torch.nn.functional.cross_entropy(x, labels, reduction="sum"),
    }
    for operation, loss in losses.items():
        x = torched(torch, dtype).requires_grad_()
        loss(x).backward()
        equal(gradient("torch", operation, held(dtype)), untorched(x.grad, dtype))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_the_loss_is_above_1_torchs_is_within_4_ulp(dtype: str, scale: int, seed: int) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    x = round_to(np.random.default_rng(seed).normal(size=(256, 10)) * scale, FORMATS[dtype])
    labels = np.random.default_rng(seed + 100).integers(0, 10, 256)
    loss = np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1)) + x.max(-1) - x[np.arange(256), labels]
    above = loss > 1
    assert above.sum() > 150
    found = overflowscope.compare(
        x[above],
        labels[above],
        operations="cross_entropy",
        formulations="shifted_lse",
        implementations=["torch"],
        dtypes=dtype,
    )
    assert [(m.name, m.status) for m in found.results] == [("shifted_lse", "ok"), ("torch", "ok")]
    assert all(m.elements == above.sum() and not m.ulp.max > 4 for m in found.results)


def test_a_gpu_that_is_not_there() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        x = held("float32")
        np.testing.assert_allclose(given("torch:cuda", "softmax", x), given("torch", "softmax", x), rtol=1e-5)
        return
    with pytest.raises(InputError, match="torch finds no CUDA device here; --impl torch runs on the CPU"):
        offered("torch:cuda")


# JAX


@pytest.mark.parametrize("dtype", FORMATS_OF_ALL)
def test_jax_by_hand(dtype: str) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.enable_x64(True):
        x = jax.numpy.asarray(held(dtype))
        assert x.dtype.name == dtype
        by_hand = {
            "softmax": jax.nn.softmax(x, axis=-1),
            "log_softmax": jax.nn.log_softmax(x, axis=-1),
            "logsumexp": jax.scipy.special.logsumexp(x, axis=-1),
            "cross_entropy": -jax.nn.log_softmax(x, axis=-1)[np.arange(50), Y],
        }
        by_hand = {operation: np.asarray(wanted) for operation, wanted in by_hand.items()}
    for operation, wanted in by_hand.items():
        equal(given("jax", operation, held(dtype)), wanted)
    assert jax.numpy.asarray(np.zeros(1)).dtype == np.float32, "x64 was left on"


@pytest.mark.parametrize("dtype", FORMATS_OF_ALL)
def test_jaxs_gradients_by_hand(dtype: str) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    losses = {
        "softmax": lambda x: jax.nn.softmax(x)[np.arange(50), Y].sum(),
        "log_softmax": lambda x: jax.nn.log_softmax(x)[np.arange(50), Y].sum(),
        "logsumexp": lambda x: jax.scipy.special.logsumexp(x, axis=-1).sum(),
        "cross_entropy": lambda x: -jax.nn.log_softmax(x)[np.arange(50), Y].sum(),
    }
    with jax.enable_x64(True):
        wanted = {op: np.asarray(jax.grad(loss)(jax.numpy.asarray(held(dtype)))) for op, loss in losses.items()}
    for operation in losses:
        equal(gradient("jax", operation, held(dtype)), wanted[operation])


def test_jax_without_x64_is_found_out() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")

    def plain(x: Any) -> Any:
        return np.asarray(jax.nn.softmax(jax.numpy.asarray(x)))

    def disguised(x: Any) -> Any:
        return plain(x).astype(x.dtype)

    found = overflowscope.compare(X, operations="softmax", dtypes="float64", implementations=[plain, disguised, "jax"])
    told = [(m.returned, m.computes) for m in found.results if m.formulation is None]
    assert sorted(told, key=str) == [("float32", "float32"), ("float64", "float32"), ("float64", None)]


# ONNX Runtime


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_onnxruntime_is_near_the_truth(dtype: str) -> None:
    """Its own answers cannot be had by another way; near the truth is what its operators promise."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    x = held(dtype).astype(np.longdouble)
    d = x - x.max(-1, keepdims=True)
    lse = np.log(np.exp(d).sum(-1, keepdims=True))
    wanted = {
        "softmax": np.exp(d - lse),
        "log_softmax": d - lse,
        "logsumexp": (lse + x.max(-1, keepdims=True))[:, 0],
        "cross_entropy": -(d - lse)[np.arange(50), Y],
    }
    for operation, truth in wanted.items():
        got = given("onnxruntime", operation, held(dtype))
        assert got.dtype == dtype
        assert np.max(np.abs(got - truth)) <= 16 * FORMATS[dtype].unit_roundoff * np.max(np.abs(truth))


def test_onnxruntime_computes_with_its_own_kernel() -> None:
    """Of ReduceLogSumExp as newer operator sets have it, it may have only the naive definition: inf for these."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    (found,) = offered("onnxruntime").implementations(catalogue.named("logsumexp"))
    got = found.run(np, np.array([[1000, 1000], [-1000, -1000]], np.float32))
    assert abs(got - [1000, -1000] - np.log(2)).max() < 1e-4


def test_what_onnxruntime_has_not_got_is_said() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    found = overflowscope.compare(
        X, operations="softmax", dtypes=["bfloat16", "float32"], implementations=["onnxruntime"]
    )
    narrow, wide = (m for m in found.results if m.name == "onnxruntime")
    assert (narrow.status, wide.status) == ("unsupported", "ok")
    assert "\n" not in (narrow.explanation or "\n")
    assert narrow.explanation.startswith("onnxruntime softmax: unsupported: NOT_IMPLEMENTED")


@pytest.mark.parametrize("operation", sorted(catalogue.operations()))
def test_an_onnxruntime_older_than_onnx(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """It refuses operator sets that it does not know yet: 19 is known since 1.17, the oldest that is promised."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from overflowscope.libraries.onnxruntime import _session

    session, asked = onnxruntime.InferenceSession, []

    def older(model: bytes, *arguments: Any, **options: Any) -> Any:
        asked.append(__import__("onnx").load_from_string(model).opset_import[0].version)
        if asked[-1] > 19:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Opset 20 is under development")
        return session(model, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", older)
    _session.cache_clear()
    try:
        for dtype in ("float16", "float32", "float64"):
            assert given("onnxruntime", operation, held(dtype)).dtype == dtype
        assert len(asked) == 3
    finally:
        _session.cache_clear()


# All


@pytest.mark.parametrize(
    ("library", "packages"),
    [("torch", ["torch"]), ("jax", ["jax"]), ("onnxruntime", ["onnx", "onnxruntime"])],
)
def test_every_counterpart_is_there(library: str, packages: list[str]) -> None:
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    for operation in catalogue.operations().values():
        counterpart = operation.counterparts.get(library)
        if counterpart is not None and "." in counterpart.name:
            assert callable(libraries.resolved(counterpart.name))
        elif counterpart is not None:
            assert __import__("onnx").defs.get_schema(counterpart.name)


LIBRARIES = ("scipy", "torch", "jax", "onnxruntime")


def test_libraries_say_nothing_of_their_own_and_change_no_bit_of_ours() -> None:
    """All in one process: a library that switched subnormal numbers off, say, would do so for all of it."""
    for package in (*LIBRARIES, "onnx"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    asked = ("--op=all", "--formulation=shifted", "--rows=20", "--scale=30", "--quantity=both", "--json")
    command = (sys.executable, "-m", "overflowscope", "compare", *asked, f"--dtype={','.join(FORMATS)}")
    answers = []
    for more in ((), [f"--impl={name}" for name in LIBRARIES]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        answers.append(json.loads(done.stdout)["results"])
    ours, all_of_them = answers
    # What can be recommended is ours, too.
    assert [r for r in all_of_them if r["formulation"]] == ours
    values = [r for r in all_of_them if r["quantity"] == "value" and r["dtype"] in ("float16", "float32", "float64")]
    assert {(r["implementation"], r["status"]) for r in values} == {(n, "ok") for n in ("numpy", *LIBRARIES)}
    assert len(all_of_them) == len(ours) * (1 + len(LIBRARIES))


def test_what_a_library_warns_of_is_no_failure() -> None:
    def warns() -> int:
        warnings.warn("soon to go", DeprecationWarning, stacklevel=1)
        return 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert libraries.answered("old", warns) == 1


def test_jax_does_not_tell_of_devices_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    logger = logging.getLogger("jax._src.xla_bridge")
    monkeypatch.setattr(jax, "devices", lambda: logger.warning("a TPU may be present"))
    offered("jax")
    assert (caplog.text, logger.disabled) == ("", False)

    def devices() -> None:
        raise RuntimeError("Unable to initialize backend 'cuda'\nand more")

    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(InputError, match="jax finds no device: RuntimeError: Unable to initialize backend 'cuda'"):
        offered("jax")
    assert not logger.disabled


@pytest.mark.parametrize("spec", ["torch", "jax", "onnxruntime"])
def test_labels_and_logits_stay_as_they_are(spec: str) -> None:
    pytest.importorskip(spec, reason=f"{spec} is not installed")
    x, labels = held("float32"), Y.copy()
    for operation in catalogue.operations():
        given(spec, operation, x)
    equal(x, held("float32"))
    assert (labels == Y).all()
