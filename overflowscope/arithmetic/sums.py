"""Sums in a stated order, every partial sum rounded to one format.

NumPy and ml_dtypes round the sum of two numbers of a dtype correctly: those of float32 and float64 are IEEE's, the
narrower ones are added in float32 (24 bits >= 2 * 11 + 2, so that rounding twice does no harm, see strict.py). A test
holds all pairs of float8 codes and many of the others against exact sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Terms = NDArray[Any]


def sequential(terms: Terms) -> Terms:
    """((x_1 + x_2) + x_3) + ...: n - 1 additions along the last axis, which holds one number or more."""
    if terms[..., 0].size < 64:
        total: Terms = np.add.accumulate(terms, axis=-1)[..., -1]
        return total
    # The same additions, many rows at a time.
    columns = np.ascontiguousarray(np.moveaxis(terms, -1, 0))
    total = columns[0].copy()
    for column in columns[1:]:
        np.add(total, column, out=total)
    return total


def pairwise(terms: Terms) -> Terms:
    """The sum of the first ceil(n/2) plus that of the others, each added up so, down to one number.

    Lemma: after d halvings every part holds floor(n/2**d) or ceil(n/2**d) numbers; at the last d with 2**d <= n these
    are 1 and 2, and above it stands a full binary tree. Source: Higham, Accuracy and Stability of Numerical
    Algorithms (2002), 4.1.
    """
    sizes = np.array([terms.shape[-1]])
    while len(sizes) * 2 <= terms.shape[-1]:
        sizes = np.stack([(sizes + 1) // 2, sizes // 2], axis=-1).ravel()
    starts = np.cumsum(sizes) - sizes
    parts, two = terms[..., starts], sizes == 2
    parts[..., two] = parts[..., two] + terms[..., starts[two] + 1]
    while parts.shape[-1] > 1:
        parts = parts[..., 0::2] + parts[..., 1::2]
    return parts[..., 0]


def kahan(terms: Terms) -> Terms:
    """Compensated, from left to right: y = x_i + e; t = s + y; e = (s - t) + y; s = t, from s = x_1 and e = 0.

    An infinite sum becomes nan (inf - inf in e). Sources: Kahan, Further remarks on reducing truncation errors,
    CACM 8 (1965), 40; Higham, Accuracy and Stability of Numerical Algorithms (2002), Algorithm 4.2.
    """
    columns = np.ascontiguousarray(np.moveaxis(terms, -1, 0))
    total: Terms = columns[0].copy()
    lost: Terms = np.zeros_like(total)
    for column in columns[1:]:
        y = column + lost
        before, total = total, total + y
        lost = (before - total) + y
    return total


ORDERS: dict[str, Callable[[Terms], Terms]] = {"sequential": sequential, "pairwise": pairwise, "kahan": kahan}
