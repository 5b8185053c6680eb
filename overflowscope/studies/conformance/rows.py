"""The rows on which implementations differ: each a function of the format, for its largest and smallest numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from overflowscope.formats import Floats, Format, round_to

INF, NAN = math.inf, math.nan


@dataclass(frozen=True)
class Row:
    """One row of logits with the label that is asked for; ``about`` says what is special of it.

    ``for_labels``: it tells nothing new of operations that take no label.
    """

    name: str
    about: str
    numbers: Callable[[Format], Sequence[float]]
    label: int = 0
    for_labels: bool = False

    def logits(self, fmt: Format) -> Floats:
        """The row as the format holds it, shape (1, classes): rounded, and nan for what it cannot hold."""
        rounded = round_to(np.array([self.numbers(fmt)], np.float64), fmt)
        return rounded if fmt.has_infinity else np.where(np.isinf(rounded), NAN, rounded)


def _vanishing(fmt: Format) -> float:
    """A whole number whose exp is subnormal: exp(floor(log(smallest_normal))) lies in (smallest_normal/e, itself)."""
    return math.floor(math.log(fmt.smallest_normal))


ROWS = (
    Row("one class", "a softmax of one is 1", lambda f: [2.0]),
    Row("one class, -inf", "whatever its logit", lambda f: [-INF]),
    Row("all -inf", "everything is masked", lambda f: [-INF] * 3),
    Row("all -inf but one", "a mask that leaves one class", lambda f: [-INF, 2.0, -INF], label=1),
    Row("mask", "a class of no probability", lambda f: [1.0, 2.0, -INF], label=1),
    Row("masked label", "the loss of what cannot be", lambda f: [1.0, 2.0, -INF], label=2, for_labels=True),
    Row("one +inf", "the limit is the one-hot row", lambda f: [0.0, INF, 1.0], label=1),
    Row("two +inf", "no limit but that of logsumexp", lambda f: [INF, 0.0, INF]),
    Row("nan", "nothing is left of its row", lambda f: [0.0, NAN, 1.0]),
    Row("-0", "the sign of a zero means nothing", lambda f: [-0.0, 0.0]),
    Row("all equal", "1/n each", lambda f: [1.0] * 3),
    Row("huge equal", "the largest number everywhere", lambda f: [f.largest] * 3),
    Row("huge spread", "x - max overflows", lambda f: [f.largest, 0.0, -f.largest], label=1),
    Row("subnormal logit", "its logsumexp is itself", lambda f: [f.smallest]),
    Row("subnormal result", "a probability below normal range", lambda f: [0.0, 0.0, _vanishing(f)], label=2),
    Row("65,536 zeros", "float16 cannot hold the sum", lambda f: [0.0] * 65536),
)
