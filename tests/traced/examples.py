"""What an example is, and the rules by which the expected verdicts were written down.

A *birth* is the step that makes the first inf, nan or harmful zero among the ancestors of something wrong in the
result: a nan or an infinity that the truth is not (or where the truth is undefined, or too large for the format,
which is then said), or a 0 where the truth rounds to something else. From the first wrong element of the result, in C
order, the cause is sought backwards: of the operands that can be the cause the first, of the elements of a sum the
first. A wrong zero that is divided by, logged, taken to a power or multiplied with is followed on to the step that
made it out of numbers that are not zero.

- overflow: finite operands, a finite exact result, an infinite computed one.
- underflow: that step where the cause is a wrong zero, whether exp, a product, a cancellation or an absorption made
  it.
- divide: a division by a zero, or a log of one, that is right (exact too, or an input).
- invalid: nan from operands that are no nan, without an earlier cause: sqrt or log of a negative number that
  cancellation made, 0/0 of zeros that are right, inf - inf of a mask.

No birth: an intended -inf and what it makes of itself, a zero that is added to something or whose truth rounds to 0,
an inf or nan that never reaches the result. Where control flow went another way than with exact values there is no
birth either, but a note; and where nothing is born and more than half of the bits are gone, the verdict names the
step that lost them.

An operator is known by its NumPy name: `**` is power, whatever NumPy makes of an exponent of 2; `/=` is divide;
x.max() is max; a change of format is astype. The index of a birth is one in the array which that step made: () where
it is a scalar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

INF = float("inf")
NAN = float("nan")


@dataclass(frozen=True)
class Birth:
    """The step where it begins.

    ``value`` is what the format's arithmetic gives there: what the expression ``numpy`` holds at ``index``. ``exact``
    is what exact arithmetic gives, of the mpmath expression ``formula``, in which x[i, j] are the exact numbers of
    the input: 25 digits, or "undefined".
    """

    operation: str
    kind: Literal["overflow", "underflow", "invalid", "divide"]
    index: tuple[int, ...]
    at: str  # the line of the function, without its indentation
    value: float
    numpy: str
    exact: str
    formula: str = ""


@dataclass(frozen=True)
class Flag:
    """Something at a step that is no birth; ``seen`` is what plain NumPy has to show of it.

    ``bits`` is the least and the most that may be said to be lost.
    """

    event: Literal["overflow", "underflow", "invalid", "divide", "cancellation", "absorption", "subnormal", "latent"]
    operation: str
    at: str
    seen: str
    bits: tuple[int, int] | None = None
    harmless: bool = False


@dataclass(frozen=True)
class Branch:
    """A comparison that exact values decide otherwise: the expression ``numpy`` is not what ``formula`` is."""

    at: str
    numpy: str
    formula: str


@dataclass(frozen=True)
class Example:
    """A function, an input, and what is to be said.

    ``truth`` is the name of the formula that the function stands for, ``gives`` what plain NumPy makes of it on this
    input where that is wrong, to a hundredth; None for a twin, which is right within ``within`` ulps. ``descendants``
    are the operations by which the failure reaches the result, the birth's first, each named once; what only selects
    (max, maximum, where) is left out. ``says`` is what the verdict must contain in lower case, "a|b" either.
    ``differs`` is the comparison which exact values decide otherwise; the verdict says so. ``row`` is the row that is
    traced of a function that takes one at a time. ``repair`` is False where no function of the format could do better.
    """

    name: str
    function: str
    truth: str
    dtype: str
    x: Any
    args: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    per_row: bool = False
    row: int = 0
    gives: Any = None
    within: float = 8
    birth: Birth | None = None
    descendants: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    differs: Branch | None = None
    repair: bool = True

    @property
    def inputs(self) -> dict[str, Any]:
        """The arrays that the function is called with: x, or the traced row of it, and the further ones by name."""
        x = np.array(self.x, dtype=self.dtype)
        others = {name: np.array(values, dtype=dtype) for name, (dtype, values) in self.args.items()}
        return {"x": x[self.row] if self.per_row else x, **others}
