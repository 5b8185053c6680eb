"""What the operations on rows of logits share: the sum that leaves the maximum out, and limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from overflowscope.arithmetic import constant


def without_maximum(xp: Any, x: Any) -> tuple[Any, Any, Any]:
    """(m, e, s): the maximum, exp(x - m), and the sum of e without the (first) maximum's own 1; axes are kept."""
    k = xp.argmax(x, axis=-1, keepdims=True)
    m = xp.take_along_axis(x, k, axis=-1)
    e = xp.exp(x - m)
    others = xp.where(xp.arange(x.shape[-1]) == k, constant(x, "0"), e)
    return m, e, xp.sum(others, axis=-1, keepdims=True)


def at_label(xp: Any, x: Any, labels: Any) -> Any:
    """The entry of each row at its label: shape (rows,)."""
    return xp.take_along_axis(x, labels[:, None], axis=-1)[:, 0]


def one_hot_limit(x: Any) -> Any:
    """The limit of softmax: 1 for the one class there is or the one +inf, 0 beside it; nan rows where undefined.

    Defined for rows with nan, +inf, or nothing but -inf. Two +inf, or -inf alone in several classes, have no limit:
    it depends on the way there.
    """
    infinite = x == np.inf
    limit = infinite.astype(np.float64)
    limit[~(infinite.sum(-1) == 1)] = np.nan
    if x.shape[-1] == 1:
        limit[:] = 1.0
    limit[np.isnan(x).any(-1)] = np.nan
    return limit
