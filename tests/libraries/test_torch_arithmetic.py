"""Our formulations on torch's tensors against the same formulas written by hand in torch: equal bit for bit."""

from __future__ import annotations

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

torch = pytest.importorskip("torch")
pytest.importorskip("array_api_compat")

INF, NAN = float("inf"), float("nan")
CLASSES = 150


def softmax_naive(x: Any) -> Any:
    e = torch.exp(x)
    return e / e.sum(-1, keepdim=True)


def softmax_shifted(x: Any) -> Any:
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def softmax_lse(x: Any) -> Any:
    m = x.amax(-1, keepdim=True)
    return torch.exp(x - (m + torch.log(torch.exp(x - m).sum(-1, keepdim=True))))


def softmax_online(x: Any) -> Any:
    m, s = None, None
    for block in torch.split(x, 64, dim=-1):
        if m is None:
            m = block.amax(-1, keepdim=True)
            s = torch.exp(block - m).sum(-1, keepdim=True)
            continue
        new = torch.maximum(m, block.amax(-1, keepdim=True))
        s = s * torch.exp(m - new) + torch.exp(block - new).sum(-1, keepdim=True)
        m = new
    return torch.exp(x - m) / s


def softmax_base2(x: Any) -> Any:
    t = x * torch.tensor(1.4426950408889634, dtype=torch.float64).to(x.dtype)
    e = torch.exp2(t - t.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def others(x: Any) -> tuple[Any, Any]:
    """The maximum, and the sum of exp(x - max) without the first maximum's own."""
    k = x.argmax(-1, keepdim=True)
    m = torch.gather(x, -1, k)
    e = torch.exp(x - m)
    return m, torch.where(torch.arange(x.shape[-1]) == k, torch.zeros((), dtype=x.dtype), e).sum(-1, keepdim=True)


def log_softmax_lse(x: Any) -> Any:
    d = x - x.amax(-1, keepdim=True)
    return d - torch.log(torch.exp(d).sum(-1, keepdim=True))


def log_softmax_log1p(x: Any) -> Any:
    m, s = others(x)
    return (x - m) - torch.log1p(s)


def logsumexp_shifted(x: Any) -> Any:
    m = x.amax(-1, keepdim=True)
    return (m + torch.log(torch.exp(x - m).sum(-1, keepdim=True))).squeeze(-1)


def logsumexp_log1p(x: Any) -> Any:
    m, s = others(x)
    return (m + torch.log1p(s)).squeeze(-1)


def logsumexp_fake_log1p(x: Any) -> Any:
    m = x.amax(-1, keepdim=True)
    s = torch.exp(x - m).sum(-1, keepdim=True)
    return (m + torch.log1p(s - torch.ones((), dtype=x.dtype))).squeeze(-1)


def picked(x: Any, y: Any) -> Any:
    return torch.gather(x, -1, y[:, None]).squeeze(-1)


def loss_shifted_lse(x: Any, y: Any) -> Any:
    d = x - x.amax(-1, keepdim=True)
    return torch.log(torch.exp(d).sum(-1)) - picked(d, y)


def loss_log1p(x: Any, y: Any) -> Any:
    m, s = others(x)
    return (m.squeeze(-1) - picked(x, y)) + torch.log1p(s).squeeze(-1)


def loss_clipped(x: Any, y: Any) -> Any:
    return -torch.log(picked(softmax_shifted(x), y) + torch.tensor(1e-12, dtype=torch.float64).to(x.dtype))


BY_HAND: dict[tuple[str, str], Callable[..., Any]] = {
    ("softmax", "naive"): softmax_naive,
    ("softmax", "shifted"): softmax_shifted,
    ("softmax", "lse"): softmax_lse,
    ("softmax", "lse_naive"): lambda x: torch.exp(x - torch.log(torch.exp(x).sum(-1, keepdim=True))),
    ("softmax", "online"): softmax_online,
    ("softmax", "base2"): softmax_base2,
    ("log_softmax", "naive"): lambda x: torch.log(softmax_naive(x)),
    ("log_softmax", "shifted"): lambda x: torch.log(softmax_shifted(x)),
    ("log_softmax", "lse"): log_softmax_lse,
    ("log_softmax", "log1p"): log_softmax_log1p,
    ("logsumexp", "naive"): lambda x: torch.log(torch.exp(x).sum(-1)),
    ("logsumexp", "shifted"): logsumexp_shifted,
    ("logsumexp", "log1p"): logsumexp_log1p,
    ("logsumexp", "fake_log1p"): logsumexp_fake_log1p,
    ("cross_entropy", "naive"): lambda x, y: -torch.log(picked(softmax_naive(x), y)),
    ("cross_entropy", "shifted"): lambda x, y: -torch.log(picked(softmax_shifted(x), y)),
    ("cross_entropy", "lse"): lambda x, y: logsumexp_shifted(x) - picked(x, y),
    ("cross_entropy", "shifted_lse"): loss_shifted_lse,
    ("cross_entropy", "log1p"): loss_log1p,
    ("cross_entropy", "clipped"): loss_clipped,
}
EVERY = [(op, f) for op in catalogue.operations().values() for f in op.formulations]
IDS = [f"{op.name}-{f}" for op, f in EVERY]
LABELS = np.arange(64) * 7 % CLASSES


def logits(dtype: str, scale: float) -> Floats:
    """Random rows, and at the end ties, masks, infinities, nan and zeros of both signs: numbers of the dtype."""
    if FORMATS[dtype].extra:
        pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(int(scale)).normal(size=(64, CLASSES)) * scale
    x[-8], x[-7, ::2], x[-6, 3:6], x[-9, ::2], x[-9, 1::2] = 0, -INF, np.abs(x).max(), -0.0, 0.0
    x[-5], x[-4, 2], x[-3, 2:4], x[-2, 7] = -INF, INF, INF, NAN
    return round_to(x, FORMATS[dtype])


def of_torch(x: Floats, dtype: str) -> Any:
    return torch.tensor(x, dtype=torch.float64).to(getattr(torch, dtype))


def same_bits(got: Any, want: Any, dtype: str) -> bool:
    """Any nan is any other: NumPy's and torch's need not have one payload."""
    exact = want.detach().to(torch.float64).numpy()
    assert str(want.dtype) == f"torch.{dtype}"
    assert got.dtype == FORMATS[dtype].dtype
    given = got.astype(np.float64)
    return bool(
        np.array_equal(given, exact, equal_nan=True) and (np.signbit(given) == np.signbit(exact))[given == 0].all()
    )


def runs(operation: Operation, formulation: str) -> Any:
    (found,) = [i for i in offered("torch-arithmetic").implementations(operation) if i.formulation == formulation]
    return found


def test_every_formulation_is_written_by_hand() -> None:
    assert set(BY_HAND) == {(op.name, f) for op, f in EVERY}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("operation", "formulation"), EVERY, ids=IDS)
def test_values_are_torchs_bit_for_bit(operation: Operation, formulation: str, dtype: str) -> None:
    for scale in (1.0, 30.0, 1000.0):
        x = logits(dtype, scale)
        got = runs(operation, formulation).run(np, *operation.arguments(to_array(x, FORMATS[dtype]), LABELS))
        want = BY_HAND[operation.name, formulation](*operation.arguments(of_torch(x, dtype), torch.tensor(LABELS)))
        assert same_bits(got, want, dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("operation", "formulation"), EVERY, ids=IDS)
def test_gradients_are_autograds_bit_for_bit(operation: Operation, formulation: str, dtype: str) -> None:
    """Of the results, or of the entries at the labels where there is a result for each class."""
    for scale in (1.0, 30.0, 1000.0):
        x = logits(dtype, scale)
        got = runs(operation, formulation).gradient(np, to_array(x, FORMATS[dtype]), LABELS)
        leaf, labels = of_torch(x, dtype).requires_grad_(), torch.tensor(LABELS)
        result = BY_HAND[operation.name, formulation](*operation.arguments(leaf, labels))
        cotangent = torch.nn.functional.one_hot(labels, CLASSES) if operation.per_class else torch.ones(64)
        result.backward(cotangent.to(result.dtype))
        assert same_bits(got, leaf.grad, dtype)


def test_the_arithmetic_is_torchs_and_not_numpys() -> None:
    """Somewhere their exp or their sums differ, or there would be nothing to ask."""
    x = logits("float32", 30.0)[:32].astype(np.float32)
    softmax = catalogue.named("softmax")
    assert (runs(softmax, "shifted").run(np, x) != softmax.named("shifted").function(np, x)).any()


def test_a_table_has_the_formulations_that_were_asked_for() -> None:
    given = np.random.default_rng(0).normal(size=(20, 5))
    default = overflowscope.compare(given, implementations=["torch-arithmetic"], dtypes=["float32"])
    assert [m.name for m in default.results] == [
        *("naive", "shifted", "lse"),
        *("torch-arithmetic:naive", "torch-arithmetic:shifted", "torch-arithmetic:lse"),
    ] * 2
    assert {m.version for m in default.results[3:6]} == {torch.__version__}
    one = overflowscope.compare(
        given, operations=["logsumexp", "cross_entropy"], formulations=["log1p", "fake-log1p"],
        implementations=["torch-arithmetic"], dtypes=["float64"],
    )  # fmt: skip
    assert [(m.operation, m.name) for m in one.results] == [
        ("logsumexp", "log1p"),
        ("logsumexp", "fake_log1p"),
        ("logsumexp", "torch-arithmetic:log1p"),
        ("logsumexp", "torch-arithmetic:fake_log1p"),
        ("cross_entropy", "log1p"),
        ("cross_entropy", "torch-arithmetic:log1p"),
    ]


def test_a_measurement_is_of_torchs_result() -> None:
    def own(x: Any) -> Any:
        return softmax_shifted(torch.from_numpy(x)).numpy()

    _, ours, by_hand = overflowscope.compare(
        np.random.default_rng(3).normal(size=(100, 30)) * 20,
        operations=["softmax"],
        formulations=["shifted"],
        dtypes=["float32"],
        implementations=["torch-arithmetic", own],
    ).results
    assert (ours.formulation, by_hand.formulation) == ("shifted", None)
    assert (ours.ulp, ours.incidence, ours.row_sum) == (by_hand.ulp, by_hand.incidence, by_hand.row_sum)


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float8_e4m3fn"])
@pytest.mark.parametrize("quantity", ["value", "gradient"])
def test_what_torch_refuses_is_a_row_in_its_words(dtype: str, quantity: str) -> None:
    pytest.importorskip("ml_dtypes")
    report = overflowscope.compare(
        [[0.0, 1.0]], dtypes=[dtype], quantity=quantity, implementations=["torch-arithmetic"]
    )
    rows = [m for m in report.results if m.implementation == "torch-arithmetic"]
    assert {m.status for m in rows} == {"unsupported"}
    assert all("not implemented for 'Float8" in (m.explanation or "") for m in rows)


def test_the_input_is_not_touched_and_nothing_is_kept() -> None:
    x, labels = np.array([[1.0, 2.0]]), np.array([1])
    x.flags.writeable = labels.flags.writeable = False
    for formulation in catalogue.named("cross_entropy").formulations:
        implementation = runs(catalogue.named("cross_entropy"), formulation)
        first, gradient = implementation.run(np, x, labels), implementation.gradient(np, x, labels)
        assert first is not implementation.run(np, x, labels)
        assert (x.tolist(), labels.tolist()) == ([[1.0, 2.0]], [1])
        assert gradient.shape == (1, 2)


def test_strict_arithmetic_is_not_torchs() -> None:
    with pytest.raises(InputError, match="torch-arithmetic does its own arithmetic, of which none is strict"):
        overflowscope.compare([[0.0, 1.0]], arithmetic="strict", implementations=["torch-arithmetic"])


def test_variants() -> None:
    with pytest.raises(InputError, match="torch-arithmetic has no variant 'gpu'"):
        offered("torch-arithmetic:gpu")
