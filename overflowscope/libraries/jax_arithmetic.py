"""jax-arithmetic: our formulations on JAX's arrays, each step its own operation, gradients by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope.libraries import only, required
from overflowscope.libraries._arithmetic import Arithmetic
from overflowscope.libraries.jax import precise


def load(variant: str) -> Arithmetic:
    """JAX as it is installed. Raises InputError where it, or array-api-compat, is not."""
    only("jax-arithmetic", variant)
    jax = required("jax", "jax")
    required("array_api_compat", "jax")
    return Arithmetic("jax-arithmetic", jax.__version__, value, gradient)


def value(function: Callable[..., Any], logits: Any, *labels: Any) -> Any:
    """The function of JAX's arrays, not compiled as a whole, as an array of NumPy."""
    with precise(logits):
        xp, x, *given = _arrays(logits, *labels)
        return np.asarray(function(xp, x, *given))


def gradient(function: Callable[..., Any], cotangent: Any, logits: Any, *labels: Any) -> Any:
    """By ``jax.vjp``, of which ``jax.grad`` is the case of one result and the cotangent 1."""
    import jax

    with precise(logits):
        xp, x, *given = _arrays(logits, *labels)
        result, backward = jax.vjp(lambda x: function(xp, x, *given), x)
        return np.asarray(backward(jax.numpy.asarray(cotangent, result.dtype))[0])


def _arrays(logits: Any, *labels: Any) -> list[Any]:
    import array_api_compat
    import jax

    x = jax.numpy.asarray(logits)
    return [array_api_compat.array_namespace(x), x, *map(jax.numpy.asarray, labels)]
