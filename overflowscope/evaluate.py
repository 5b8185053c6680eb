"""Run one implementation on logits held in a format, and take its result back as exact numbers of that format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope import formats
from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.strict import Model
from overflowscope.catalogue import Operation
from overflowscope.formats import Floats, Format
from overflowscope.records import Evaluation


def to_array(values: Floats, fmt: Format) -> NDArray[Any]:
    """Numbers of a format, given as float64, as an array of its dtype. What it cannot hold (inf in e4m3fn) is nan."""
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(values.astype(fmt.dtype))


def computing(fmt: Format, compute: Format | None) -> Format:
    """The format that numbers of ``fmt`` are computed in: ``compute`` where it holds all of them, else ``fmt``."""
    return compute if compute is not None and compute.holds(fmt) else fmt


def given(logits: Floats, fmt: Format, compute: Format | None, model: Model | None) -> tuple[Any, Any]:
    """The namespace that an implementation runs in, and the logits as its array."""
    working = computing(fmt, compute)
    if model is None:
        return np, to_array(logits, fmt).astype(working.dtype, copy=False)
    xp = model.on(working)
    return xp, xp.asarray(logits)


def evaluate(
    operation: Operation,
    run: Callable[..., Any],
    logits: Floats,
    labels: NDArray[np.int64] | None,
    fmt: Format,
    compute: Format | None = None,
    model: Model | None = None,
) -> Evaluation:
    """Run an implementation on ``logits`` (rows, classes), numbers of the format as float64.

    In NumPy's own arithmetic, or in the strict one of a ``model``.

    ``run`` takes (xp, logits) or (xp, logits, labels). With ``compute`` it runs as half-precision kernels do: cast up,
    run, round once; a result in any other dtype is rounded once to the format too, and the dtype told. No warnings,
    whatever the host program asked of ``np.seterr``.
    """
    with np.errstate(all="ignore"):
        xp, x = given(logits, fmt, compute, model)
        result = run(xp, *operation.arguments(x, labels))
        values = numbers(result)
    if result.dtype != fmt.dtype:
        values = formats.round_to(values, fmt)
    return Evaluation(values, result.dtype.name)
