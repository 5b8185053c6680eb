"""Adjoints against torch's autograd: the catalogue's own formulations run on its tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from overflowscope import catalogue, formats
from overflowscope.arithmetic import NAMED
from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.recording import Recording
from overflowscope.catalogue import Formulation, Operation
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS, Floats, Format, round_to

torch = pytest.importorskip("torch")

INF, NAN = math.inf, math.nan
ROWS, CLASSES = 64, 10
LABELS = np.arange(ROWS) * 7 % CLASSES
FORMULATIONS = [(op, f) for op in catalogue.operations().values() for f in op.formulations.values()]


class Tensor:
    """A torch tensor with the operators, and the constants, that formulations are written in."""

    __array_ufunc__ = None

    def __init__(self, value: Any):
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def constant(self, value: str) -> Tensor:
        fmt = FORMATS[str(self.value.dtype).removeprefix("torch.")]
        number = formats.round_fraction(Fraction(NAMED.get(value, value)), fmt)
        return Tensor(torch.tensor(number, dtype=self.value.dtype))

    def __getitem__(self, index: Any) -> Tensor:
        return Tensor(self.value[index])

    def __neg__(self) -> Tensor:
        return Tensor(-self.value)


def _operator(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: Tensor(getattr(a.value, name)(b.value))


for _name in ("__add__", "__sub__", "__mul__", "__truediv__"):
    setattr(Tensor, _name, _operator(_name))


class Torch:
    """Torch's functions by NumPy's names."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: Tensor(getattr(torch, name)(*(a.value for a in args)))

    arange = staticmethod(torch.arange)

    def argmax(self, x: Tensor, axis: int, keepdims: bool = False) -> Any:
        return torch.argmax(x.value, dim=axis, keepdim=keepdims)

    def max(self, x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return Tensor(torch.amax(x.value, dim=axis, keepdim=keepdims))

    def sum(self, x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        return Tensor(torch.sum(x.value, dim=axis, keepdim=keepdims))

    def where(self, condition: Any, a: Tensor, b: Tensor) -> Tensor:
        return Tensor(torch.where(condition, a.value, b.value))

    def take_along_axis(self, x: Tensor, indices: Any, axis: int) -> Tensor:
        return Tensor(torch.take_along_dim(x.value, torch.as_tensor(indices), dim=axis))


def autograd(function: Callable[..., Any], fmt: Format, x: Floats, cotangent: Floats, *labels: Any) -> Floats:
    given = torch.tensor(x, dtype=torch.float64).to(getattr(torch, fmt.name)).requires_grad_()
    result = function(Torch(), Tensor(given), *labels).value
    result.backward(torch.tensor(np.broadcast_to(cotangent, tuple(result.shape)).copy()).to(result.dtype))
    return given.grad.to(torch.float64).numpy()  # type: ignore[no-any-return]


def ours(function: Callable[..., Any], fmt: Format, x: Floats, cotangent: Floats, *labels: Any) -> Floats:
    recording = Recording(np)
    given = recording.asarray(to_array(x, fmt))
    with np.errstate(all="ignore"):
        result = function(recording, given, *labels)
    (found,) = gradients(result, np.broadcast_to(cotangent, result.shape), [given])
    return np.asarray(found).astype(np.float64)


def rows(fmt: Format, scale: float) -> Floats:
    """Random rows, and at the end ties, masks and infinities."""
    x = np.random.default_rng(int(scale)).normal(size=(ROWS, CLASSES)) * scale
    x[-8], x[-7, ::2], x[-6, 3:6] = 0, -INF, np.abs(x).max()
    x[-5], x[-4, 2], x[-3, 2:4], x[-2, 7] = -INF, INF, INF, NAN
    return round_to(x, fmt)


def kinds(x: Floats) -> Floats:
    return np.where(np.isfinite(x), 0.0, np.where(np.isnan(x), 2.0, np.sign(x)))


def same_kinds(got: Floats, want: Floats) -> bool:
    """Whether nan and either infinity stand in the same places."""
    return kinds(got).tolist() == kinds(want).tolist()


def cotangents(per_class: bool) -> list[Any]:
    """A one for each result; where each class has one, the label's alone and random ones as well."""
    one_hot = np.eye(CLASSES)[LABELS]
    random = np.random.default_rng(1).integers(-64, 65, one_hot.shape) / 64
    return [1.0, one_hot, random] if per_class else [1.0]


@pytest.mark.parametrize("scale", [1.0, 30.0, 100.0, 1000.0])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("op", "formulation"), FORMULATIONS, ids=[f"{o.name}-{f.name}" for o, f in FORMULATIONS])
def test_a_formulations_gradient_is_autograds(op: Operation, formulation: Formulation, name: str, scale: float) -> None:
    """Nan and inf in the same places, and finite values within 8 n u of the larger of gradient and cotangent.

    (Of the gradient alone it cannot be: where it cancels, as softmax's does under equal cotangents, both give noise.)
    """
    fmt = FORMATS[name]
    if fmt.extra:
        pytest.importorskip("ml_dtypes")
    x, labels = rows(fmt, scale), [LABELS] if op.takes_labels else []
    for cotangent in cotangents(op.per_class):
        want = autograd(formulation.function, fmt, x, cotangent, *labels)
        got = ours(formulation.function, fmt, x, cotangent, *labels)
        assert same_kinds(got, want)
        finite = np.isfinite(want)
        size = np.maximum(np.where(finite, np.abs(want), 0).max(-1), np.max(np.abs(cotangent)))
        error = np.abs(np.where(finite, got, 0) - np.where(finite, want, 0)).max(-1)
        assert (error <= 8 * CLASSES * fmt.unit_roundoff * size).all()


def test_what_autograd_finds_again_through_the_maximum_the_fused_loss_does_not() -> None:
    """[20, 0], label 0, in float32: softmax - 1 is 0, the formulation's gradient -1/(1 + exp(20)) to 2 ulp."""
    x = torch.tensor([[20.0, 0.0]], requires_grad=True)
    torch.nn.functional.cross_entropy(x, torch.tensor([0])).backward()
    assert x.grad[0, 0] == 0
    function = catalogue.named("cross_entropy").named("shifted_lse").function
    for gradient in (autograd, ours):
        found = gradient(function, FORMATS["float32"], np.array([[20.0, 0.0]]), np.ones(1), np.array([0]))
        assert abs(found[0, 0] * -(1 + math.exp(20)) - 1) < 2.0**-22


def test_the_patterns_are_worth_comparing() -> None:
    """At scale 1000 float32 gradients hold nan and infinities, and not everywhere."""
    naive = catalogue.named("cross_entropy").named("naive").function
    found = kinds(autograd(naive, FORMATS["float32"], rows(FORMATS["float32"], 1000.0), np.ones(1), LABELS))
    assert {0.0, 2.0} <= set(found.ravel().tolist())
    shifted = catalogue.named("log_softmax").named("shifted").function
    found = kinds(autograd(shifted, FORMATS["float32"], rows(FORMATS["float32"], 30.0), np.eye(CLASSES)[LABELS]))
    assert {0.0, 2.0} <= set(found.ravel().tolist())


# Each primitive, where its convention shows

CORNERS = np.array([0.0, -0.0, 1.0, 1.0, 2.0, -1.0, -3.0, 0.5, 1e-30, 1e30, -1e30, 3e38, 1e-40, INF, -INF, NAN])
COTANGENTS = (1.0, 0.0, -3.0, 1e30, INF, NAN)
ONE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "abs": (np.abs, torch.abs),
    "clip": (lambda x: np.clip(x, -1.0, 1.0), lambda x: torch.clamp(x, -1.0, 1.0)),
    "clip above": (lambda x: np.clip(x, None, 1.0), lambda x: torch.clamp(x, max=1.0)),
    "cos": (np.cos, torch.cos),
    "exp": (np.exp, torch.exp),
    "exp2": (np.exp2, torch.exp2),
    "expm1": (lambda x: np.expm1(x[:6]), lambda x: torch.expm1(x[:6])),
    "log": (np.log, torch.log),
    "log10": (np.log10, torch.log10),
    "log1p": (np.log1p, torch.log1p),
    "log2": (np.log2, torch.log2),
    "max": (lambda x: np.max(x[2:4]), lambda x: torch.amax(x[2:4])),
    "max of zeros": (lambda x: np.max(x[:2], axis=0), lambda x: torch.amax(x[:2], 0)),
    "max of infinities": (lambda x: np.max(x[[13, 13, 2]]), lambda x: torch.amax(x[[13, 13, 2]])),
    "max with nan": (lambda x: np.max(x[10:], axis=-1), lambda x: torch.amax(x[10:], -1)),
    "mean": (lambda x: np.mean(x[:12], keepdims=True), lambda x: torch.mean(x[:12])[None]),
    "min": (lambda x: np.min(x[2:5]), lambda x: torch.amin(x[2:5])),
    "power 0": (lambda x: x**0, lambda x: x**0),
    "power 1/4": (lambda x: x**0.25, lambda x: x**0.25),
    "power -1": (lambda x: x**-1.0, lambda x: x**-1.0),
    "power 2": (lambda x: x**2, lambda x: x**2),
    "power 3": (lambda x: x**3.0, lambda x: x**3.0),
    "reciprocal": (np.reciprocal, torch.reciprocal),
    "sin": (np.sin, torch.sin),
    "sqrt": (np.sqrt, torch.sqrt),
    "square": (np.square, torch.square),
    "std": (lambda x: np.std(x[[2, 4, 5, 7]]), lambda x: torch.std(x[[2, 4, 5, 7]], correction=0)),
    "std of equals": (lambda x: np.std(x[2:4]), lambda x: torch.std(x[2:4], correction=0)),
    "sum": (lambda x: np.sum(x[:9]), lambda x: torch.sum(x[:9])),
    "take twice": (lambda x: x[np.array([4, 4, 5, 4])], lambda x: x[torch.tensor([4, 4, 5, 4])]),
    "tanh": (lambda x: np.tanh(x[:6]), lambda x: torch.tanh(x[:6])),
    "three uses": (lambda x: x * 1e8 + x * -1e8 + x * 1.0, lambda x: x * 1e8 + x * -1e8 + x * 1.0),
    "uses the other way": (lambda x: x * 1.0 + x * -1e8 + x * 1e8, lambda x: x * 1.0 + x * -1e8 + x * 1e8),
    "var": (lambda x: np.var(x[:8], ddof=1), lambda x: torch.var(x[:8])),
    "where": (lambda x: np.where(x > 0, np.log(x), 0.0), lambda x: torch.where(x > 0, torch.log(x), 0.0)),
}  # fmt: skip
TWO: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (np.add, torch.add),
    "divide": (np.divide, torch.divide),
    "logaddexp": (np.logaddexp, torch.logaddexp),
    "maximum": (np.maximum, torch.maximum),
    "minimum": (np.minimum, torch.minimum),
    "multiply": (np.multiply, torch.multiply),
    "power": (np.power, torch.pow),
    "subtract": (np.subtract, torch.subtract),
}


def near(got: Floats, want: Floats, units: int) -> bool:
    """The same kinds, and finite values within some units of the last place of float32, or of its smallest number."""
    finite = np.isfinite(want)
    tolerance = units * 2.0**-23 * np.maximum(np.abs(want[finite]), 2.0**-126)
    return same_kinds(got, want) and bool((np.abs(got[finite] - want[finite]) <= tolerance).all())


def both(
    numpy: Callable[..., Any], of_torch: Callable[..., Any], arrays: list[Floats], cotangent: float
) -> list[tuple[Floats, Floats]]:
    recording = Recording(np)
    given = [recording.asarray(a.astype(np.float32)) for a in arrays]
    tensors = [torch.tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    with np.errstate(all="ignore"):
        result = numpy(*given)
    value = of_torch(*tensors)
    value.backward(torch.full_like(value, cotangent))
    found = gradients(result, cotangent, given)
    return [(g.astype(np.float64), t.grad.to(torch.float64).numpy()) for g, t in zip(found, tensors, strict=True)]


@pytest.mark.parametrize("cotangent", COTANGENTS)
@pytest.mark.parametrize(("numpy", "of_torch"), ONE.values(), ids=ONE)
def test_functions_of_one_array(numpy: Any, of_torch: Any, cotangent: float) -> None:
    ((got, want),) = both(numpy, of_torch, [CORNERS], cotangent)
    assert near(got, want, 8), (got, want)


@pytest.mark.parametrize("cotangent", COTANGENTS)
@pytest.mark.parametrize(("numpy", "of_torch"), TWO.values(), ids=TWO)
def test_functions_of_two_arrays(numpy: Any, of_torch: Any, cotangent: float) -> None:
    a, b = (c.ravel() for c in np.meshgrid(CORNERS, CORNERS))
    for got, want in both(numpy, of_torch, [a, b], cotangent):
        wrong = ~np.array([near(g, w, 8) for g, w in zip(got[:, None], want[:, None], strict=True)])
        assert not wrong.any(), list(zip(a[wrong], b[wrong], got[wrong], want[wrong], strict=True))
