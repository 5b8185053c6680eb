"""Sine and its like, which do not rise: enclosed around the middle of their operand.

Lemma: |f(x) - f(m)| <= L |x - m| where |f'| <= L: for sin, cos and arctan L = 1, for erf L = 2/sqrt(pi) < 2. At the
middle they are mpmath's, at GUARD bits beyond the working precision, and widened by 2**-SLACK of its last bit, as exp
and log are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from mpmath.libmp import (
    from_man_exp,
    fzero,
    mpf_add,
    mpf_atan,
    mpf_cmp,
    mpf_cos,
    mpf_erf,
    mpf_neg,
    mpf_shift,
    mpf_sin,
    mpf_sub,
)

from overflowscope.arithmetic.extended import INFINITE, NEGATIVE_INFINITE, ONE, UNDEFINED, ZERO, far, special, unknown
from overflowscope.arithmetic.extended_functions import Functions
from overflowscope.arithmetic.intervals import GUARD, LINE, SLACK, UP, Element, Raw


class Waves(Functions):
    """With the functions of extended_functions."""

    def sin(self, a: Element) -> Element:
        """Of an infinity UNDEFINED."""
        return self._around(a, mpf_sin, 0, ZERO, UNDEFINED, UNDEFINED)

    def cos(self, a: Element) -> Element:
        """Of an infinity UNDEFINED."""
        return self._around(a, mpf_cos, 0, ONE, UNDEFINED, UNDEFINED)

    def tan(self, a: Element) -> Element:
        """sin/cos."""
        return self.divide(self.sin(a), self.cos(a))

    def arctan(self, a: Element) -> Element:
        """LINE of an infinity, where it is half of pi."""
        return self._around(a, mpf_atan, 0, ZERO, LINE, LINE)

    def erf(self, a: Element) -> Element:
        return self._around(a, mpf_erf, 1, ZERO, ONE, self.negative(ONE))

    def _around(
        self,
        a: Element,
        function: Callable[[Raw, int, str], Raw],
        slope: int,
        at_zero: Element,
        at_infinity: Element,
        at_negative_infinity: Element,
    ) -> Element:
        """``slope`` is the binary logarithm of a bound of the derivative."""
        if special(a):
            return unknown(a) or {INFINITE: at_infinity, NEGATIVE_INFINITE: at_negative_infinity}[a]
        if far(a[0]) or far(a[1]):
            return LINE
        if a[0] == a[1] == fzero:
            return at_zero
        middle = a[0] if a[0] == a[1] else mpf_shift(mpf_add(a[0], a[1], self.bits, "n"), -1)
        found = at_zero if middle == fzero else self._at(function, middle)
        if a[0] == a[1]:
            return found
        below, above = mpf_sub(middle, a[0], self.bits, UP), mpf_sub(a[1], middle, self.bits, UP)
        reach = mpf_shift(max(below, above, key=functools.cmp_to_key(mpf_cmp)), slope)
        return self.add(found, (mpf_neg(reach), reach, False, False))

    def _at(self, function: Callable[[Raw, int, str], Raw], x: Raw) -> Element:
        value = function(x, self.bits + GUARD, "n")
        slack = from_man_exp(1, value[2] + value[3] - self.bits - SLACK)
        return self.add((value, value, False, False), (mpf_neg(slack), slack, True, True))
