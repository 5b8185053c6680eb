"""torch: functions of a tensor and a dim, losses of classes; gradients by autograd; on the CPU, or ``torch:cuda``."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.catalogue import Counterpart
from overflowscope.errors import InputError
from overflowscope.libraries import Library, only, required, resolved

BITS = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Whole numbers of so many bytes, as which numbers of any format pass between NumPy and torch without a rounding."""


def load(variant: str) -> Library:
    """Torch as it is installed. Raises InputError where it is not, and for ``cuda`` where no GPU is there."""
    only("torch", variant, ["cuda"])
    torch = required("torch", "torch")
    if variant and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA device here", hint="--impl torch runs on the CPU")
    device = variant or "cpu"
    return Library(
        f"torch:{variant}" if variant else "torch",
        str(torch.__version__),
        functools.partial(value, device),
        functools.partial(gradient, device),
    )


def value(device: str, name: str, logits: Any, labels: Any = None) -> Any:
    """``torch.nn.functional.softmax(logits, dim=-1)``, ``torch.nn.CrossEntropyLoss(reduction="none")``, and such."""
    return array(_called(name, tensor(logits, device), _indices(labels, device)))


def gradient(device: str, counterpart: Counterpart, logits: Any, labels: Any) -> Any:
    """By ``torch.autograd.grad``; of what has a result for each class, that of the result at the label."""
    import torch

    x, places = tensor(logits, device).requires_grad_(), _indices(labels, device)
    result = _called(counterpart.name, x, places)
    if result.ndim > 1:
        result = result.gather(-1, places[:, None])[:, 0]
    (found,) = torch.autograd.grad(-result if counterpart.at_label else result, x, torch.ones_like(result))
    return array(found)


def _called(name: str, x: Any, labels: Any) -> Any:
    """A loss is a class, which is told not to reduce its rows to their mean."""
    found = resolved(name)
    return found(reduction="none")(x, labels) if isinstance(found, type) else found(x, dim=-1)


def _indices(labels: Any, device: str) -> Any:
    import torch

    return None if labels is None else torch.from_numpy(np.array(labels)).to(device)


def tensor(values: Any, device: str = "cpu") -> Any:
    """A tensor of the very bits of an array of NumPy."""
    import torch

    bits = torch.from_numpy(np.array(values).view(BITS[values.dtype.itemsize]))
    return bits.view(getattr(torch, values.dtype.name)).to(device)


def array(values: Any) -> Any:
    """The very bits of a tensor, as an array of NumPy."""
    import torch

    plain = values.detach().as_subclass(torch.Tensor).cpu().contiguous()
    name = str(plain.dtype).removeprefix("torch.")
    bits = plain.view(getattr(torch, np.dtype(BITS[plain.element_size()]).name))
    return bits.numpy().view(formats.named(name).dtype)
