"""What is traced, so that it can be run again: on the same numbers, on changed ones, in another format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic import numbers
from overflowscope.arithmetic.strict import Model
from overflowscope.evaluate import given
from overflowscope.formats import Floats, Format


@dataclass(frozen=True)
class Calculation:
    """``run`` takes (xp, x) and gives an array of ``xp``; ``x`` are numbers of ``fmt``, computed with in ``compute``.

    ``word`` is what its input is called: logit, or input where nothing is known of it. With a ``model`` the arithmetic
    is strict.
    """

    run: Callable[[Any, Any], Any]
    x: Floats
    fmt: Format
    compute: Format | None = None
    model: Model | None = None
    word: str = "input"

    def arrays(self) -> tuple[Any, Any]:
        """The namespace, and the input as its array."""
        return given(self.x, self.fmt, self.compute, self.model)

    def results(self, change: Callable[[Any, Any, Callable[[Any], Any]], Any] | None = None) -> Floats:
        """What comes out, rounded to the format; with ``change(xp, x, f)`` what that makes of f = ``run``.

        Raises whatever a person's function raises.
        """
        with np.errstate(all="ignore"):
            xp, x = self.arrays()
            result = self.run(xp, x) if change is None else change(xp, x, lambda a: self.run(xp, a))
            values = np.asarray(numbers(result), np.float64)
        return values if getattr(result, "dtype", None) == self.fmt.dtype else formats.round_to(values, self.fmt)

    def wider(self, compute: Format) -> Calculation:
        """The same, cast up before and rounded once after."""
        return replace(self, compute=compute)

    def scaled(self, factor: float) -> Calculation:
        """The same of smaller numbers."""
        return replace(self, x=formats.round_to(self.x * factor, self.fmt))
