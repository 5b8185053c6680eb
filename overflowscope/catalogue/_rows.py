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


def label_mask(xp: Any, x: Any, labels: Any) -> Any:
    """Where each row's label is: booleans of shape (rows, classes)."""
    return xp.arange(x.shape[-1]) == labels[:, None]


def beside_label(xp: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    """(p, r): softmax, and of each row the sum of its other values than the label's, 1 - p_y, shape (rows, 1).

    With S the sum of exp(x_i - m) beside the label, r = S / (1 + s) where x_y is the maximum, and r = 1 / (1 + e_y / S)
    elsewhere. Nothing cancels; and where r is 1 but for something tiny, it is 1 / (1 + tiny), so that an enclosure
    knows on which side of 1 it lies. Where all logits are equal the first is a quotient of whole numbers.
    """
    _, e, s = without_maximum(xp, x)
    zero, one = constant(x, "0"), constant(x, "1")
    others = xp.sum(xp.where(label_mask(xp, x, labels), zero, e), axis=-1, keepdims=True)
    # Turned so that the label comes first, its logit is the first maximum exactly where it is one.
    turned = xp.take_along_axis(x, (xp.arange(x.shape[-1]) + labels[:, None]) % x.shape[-1], axis=-1)
    at_top = xp.argmax(turned, axis=-1, keepdims=True) == 0
    share = xp.take_along_axis(e, labels[:, None], axis=-1) / xp.where(at_top, one, others)
    rest = xp.where(at_top, others, one) / (one + xp.where(at_top, s, share))
    return e / (one + s), rest


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
