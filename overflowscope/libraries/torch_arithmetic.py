"""torch-arithmetic: our formulations on torch's tensors, each step its own operation, gradients by autograd."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic import NAMED
from overflowscope.libraries import only, required
from overflowscope.libraries._arithmetic import Arithmetic
from overflowscope.libraries.torch import array, tensor


def load(variant: str) -> Arithmetic:
    """Torch as it is installed, on the CPU. Raises InputError where it, or array-api-compat, is not."""
    only("torch-arithmetic", variant)
    torch = required("torch", "torch")
    required("array_api_compat", "torch")
    return Arithmetic("torch-arithmetic", str(torch.__version__), value, gradient)


def value(function: Callable[..., Any], logits: Any, *labels: Any) -> Any:
    """The function of torch's tensors, as an array of NumPy."""
    x = _given(logits)
    return array(function(_namespace(x), x, *_indices(labels)))


def gradient(function: Callable[..., Any], cotangent: Any, logits: Any, *labels: Any) -> Any:
    """By ``torch.autograd.grad``."""
    import torch

    x = _given(logits).requires_grad_()
    result = function(_namespace(x), x, *_indices(labels))
    (found,) = torch.autograd.grad(result, x, torch.from_numpy(cotangent).to(result.dtype))
    return array(found)


def _given(logits: Any) -> Any:
    """A tensor that answers ``arithmetic.constant`` in its own dtype."""
    return tensor(logits).as_subclass(_subclass())


def _namespace(x: Any) -> Any:
    import array_api_compat

    return array_api_compat.array_namespace(x)


def _indices(labels: tuple[Any, ...]) -> list[Any]:
    import torch

    return [torch.from_numpy(np.array(given)) for given in labels]


@functools.cache
def _subclass() -> Any:
    """torch.Tensor with the one method that formulations need more; its results are of the same class."""
    import torch

    return type("Tensor", (torch.Tensor,), {"constant": _constant})


def _constant(x: Any, value: str) -> Any:
    fmt = formats.named(str(x.dtype).removeprefix("torch."))
    return x.new_tensor(formats.round_fraction(Fraction(NAMED.get(value, value)), fmt))
