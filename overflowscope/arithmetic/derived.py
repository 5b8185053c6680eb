"""The gradient of a function over a namespace, as a function over a namespace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.arithmetic.adjoint_rules import NoGradient
from overflowscope.arithmetic.adjoints import gradients
from overflowscope.arithmetic.recording import RecordedArray, Recording, Unrecordable
from overflowscope.errors import InputError


@dataclass(frozen=True)
class Derived:
    """What autograd gets from ``function``, which takes (xp, x) or, with ``takes_labels``, (xp, x, labels).

    Called with (xp, x), or (xp, x, labels) where labels are needed, x of shape (rows, classes), it gives the gradient
    of each row's result with respect to the row; of a function ``per_class``, whose results have the shape of x, that
    of the result at the row's label. An array of x's shape, format and arithmetic. Under a Recording the steps backward
    are recorded too.

    Raises NoGradient where the steps cannot be seen, write into arrays, or have no rule.
    """

    function: Callable[..., Any]
    takes_labels: bool
    per_class: bool

    def __call__(self, xp: Any, x: Any, labels: Any = None) -> Any:
        recorded = isinstance(xp, Recording)
        recording = xp if recorded else Recording(xp)
        given = x if recorded else recording.asarray(x)
        recording.pure = True
        try:
            result = self.function(recording, given, *((labels,) if self.takes_labels else ()))
        except InputError as error:
            if isinstance(cause := error.__cause__, Unrecordable):
                raise NoGradient(str(cause), where=error.where) from error
            raise
        if not isinstance(result, RecordedArray):
            raise NoGradient("its result does not come from the logits by steps that can be seen")
        cotangent = np.arange(x.shape[-1]) == labels[:, None] if self.per_class else np.ones(x.shape[:1])
        (gradient,) = gradients(result, cotangent, [given], recorded=recorded)
        return gradient
