"""Shadows: the exact value beside every computed one, as an enclosure.

RULES has one rule per NumPy function, from enclosures of its operands to those of its result. A function without a
rule is not enclosed: its result is LINE, and so is all that is computed from it; ``Shadows.unruled`` names it.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope.arithmetic import shadow_rules as rules
from overflowscope.arithmetic.elements import Elements, boxed, filled, lifted
from overflowscope.arithmetic.extended import INFINITE, NEGATIVE_INFINITE, UNDEFINED, ZERO
from overflowscope.arithmetic.extended_waves import Waves
from overflowscope.arithmetic.intervals import LINE, IntervalArray

__all__ = ["LINE", "UNDEFINED", "Elements", "Shadows"]

MOST = 500_000
"""Elements of a step, or products that a matrix product sums, for which exact values are kept unless said."""


class Shadows:
    """How exact values are kept: ``bits`` of working precision, at most ``elements`` in a step.

    A larger step has none (None), nor has what is computed from it. ``unruled`` are the functions without a rule that
    were called, in their order.
    """

    def __init__(self, bits: int = 256, elements: int = MOST):
        self.functions, self.elements = Waves(bits), elements
        self.unruled: list[str] = []

    def constant(self, value: str) -> Elements:
        """An exact decimal or rational number, or one of arithmetic.NAMED."""
        like = IntervalArray(np.empty((), object), self.functions.arithmetic)
        return like.constant(value).elements

    def too_many(self, name: str, shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> bool:
        """Whether a step with operands of these shapes is larger than asked for."""
        inner = shapes[0][-1] if shapes and shapes[0] and name in rules.PRODUCTS else 1
        return max([math.prod(result) * inner, *map(math.prod, shapes)]) > self.elements

    def enclosed(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: tuple[int, ...]) -> Elements:
        """The result of NumPy's function on enclosures (object arrays) and plain numbers: an array of that shape."""
        rule = rules.RULES.get(name)
        if rule is None or not _takes(rule, len(args), tuple(kwargs)):
            return self._unruled(name, shape)
        lifts = [lifted(a) if i in rules.NUMBERS.get(name, range(1000)) else a for i, a in enumerate(args)]
        named = {k: lifted(v) if k in rules.NUMBERS_BY_NAME else v for k, v in kwargs.items()}
        try:
            return np.broadcast_to(boxed(rule(self.functions, *lifts, **named)), shape)
        except (ValueError, TypeError, IndexError, ArithmeticError):
            # NumPy has done it, so the rule does not know all that NumPy does.
            return self._unruled(name, shape)

    def _unruled(self, name: str, shape: tuple[int, ...]) -> Elements:
        self.unruled += [] if name in self.unruled else [name]
        return filled(shape, LINE)


@functools.cache
def _takes(rule: Callable[..., Any], count: int, names: tuple[str, ...]) -> bool:
    """Whether a rule knows all that a call says."""
    try:
        inspect.signature(rule).bind(None, *[None] * count, **dict.fromkeys(names))
    except TypeError:
        return False
    return True


def by_negative_zeros(quotients: Elements, denominators: Elements, computed: Any) -> Elements:
    """Infinite quotients with the sign that the zero divided by has where it was computed: here it has none."""
    negative = np.broadcast_to((computed == 0) & np.signbit(computed), quotients.shape)
    if not negative.any():
        return quotients
    turned = {INFINITE: NEGATIVE_INFINITE, NEGATIVE_INFINITE: INFINITE}
    zero = np.broadcast_to(denominators, quotients.shape)
    result: Elements = quotients.copy()
    for place in np.argwhere(negative).tolist():
        at = tuple(place)
        if zero[at] == ZERO:
            result[at] = turned.get(result[at], result[at])
    return result
