"""jax: functions of an array and an axis; gradients by automatic differentiation; float64 with x64 switched on."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import numpy as np

from overflowscope.catalogue import Counterpart
from overflowscope.implementations import raised
from overflowscope.libraries import Library, only, required, resolved


def load(variant: str) -> Library:
    """JAX as it is installed, on the device that it takes. Raises InputError where it, or that, is not."""
    only("jax", variant)
    jax = required("jax", "jax")
    logger = logging.getLogger("jax._src.xla_bridge")
    disabled, logger.disabled = logger.disabled, True  # it would tell of the devices that there are not
    try:
        jax.devices()
    except Exception as error:
        raise raised("jax finds no device", error) from error
    finally:
        logger.disabled = disabled
    return Library("jax", jax.__version__, value, gradient)


def value(name: str, logits: Any, labels: Any = None) -> Any:
    """``jax.nn.softmax(logits, axis=-1)``, and its like."""
    import jax

    with precise(logits):
        return np.asarray(resolved(name)(jax.numpy.asarray(logits), axis=-1))


def gradient(counterpart: Counterpart, logits: Any, labels: Any) -> Any:
    """By ``jax.vjp``, of which ``jax.grad`` is the case of one result; of many, that of the result at the label."""
    import jax

    def called(x: Any) -> Any:
        result = resolved(counterpart.name)(x, axis=-1)
        if result.ndim > 1:
            result = jax.numpy.take_along_axis(result, labels[:, None], axis=-1)[:, 0]
        return -result if counterpart.at_label else result

    with precise(logits):
        result, backward = jax.vjp(called, jax.numpy.asarray(logits))
        return np.asarray(backward(jax.numpy.ones_like(result))[0])


def precise(logits: Any) -> contextlib.AbstractContextManager[Any]:
    """JAX makes float32 of float64 unless it is told not to; for other formats it stays as people have it."""
    import jax
    import jax.experimental

    if logits.dtype != np.float64:
        return contextlib.nullcontext()
    manager = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    return manager(True)  # type: ignore[no-any-return]
