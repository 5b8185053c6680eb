"""Numbers and places as a sentence has them, and what a step did to an element in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from overflowscope.arithmetic import decimals
from overflowscope.studies.trace import enclosures
from overflowscope.studies.trace.feeds import elementwise
from overflowscope.studies.trace.history import Seen

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "floor_divide": "//"}
NOUNS = {
    "sum": "sum",
    "prod": "product",
    "mean": "mean",
    "var": "variance",
    "std": "standard deviation",
    "max": "maximum",
}
NOUNS |= {"min": "minimum", "matmul": "matrix product", "dot": "product", "cumsum": "running sum", "amax": "maximum"}


def number(x: float) -> str:
    """To six digits: 94.7, 4e+20, 0."""
    return f"{x:.6g}" if x else "0"


def against(x: float, limit: float) -> str:
    """With two decimals, as 94.70, or as many digits as tell it from the limit."""
    if not math.isfinite(x) or not 1 <= abs(x) < 1e6:
        return number(x)
    for places in range(2, 12):
        text = f"{x:.{places}f}"
        if (float(text) > limit) == (x > limit) and float(text) != float(f"{limit:.6g}"):
            return text
    return repr(x)


def exactly(seen: Seen, place: tuple[int, ...], local: bool = False) -> str:
    """The exact value, or that of this step alone, to six digits; of any size."""
    return digits((seen.local if local else seen.exact)[place])


def digits(element: Any, count: int = 6) -> str:
    """An exact value to so many digits; of any size."""
    text, state = enclosures.text(element)
    if text is None:
        return state
    if count > 17 and (longer := decimals.decided(element, count)) is not None:
        return longer
    mantissa, e, power = text.partition("e")
    if not e or abs(int(power)) < 300:
        return number(float(text))
    return f"{float(mantissa):.6g}e{int(power):+d}"


def where(seen: Seen, place: tuple[int, ...]) -> str:
    """at index 7; at index [3, 7] where there are several rows; nothing where there is one number."""
    shape = seen.result.shape
    told = [i for n, i in zip(shape, place, strict=True) if n > 1]
    if not told:
        return ""
    return f" at index {told[0]}" if len(told) == 1 and shape[-1] > 1 else f" at index {list(place)}"


def operand(seen: Seen, which: int, place: tuple[int, ...]) -> float:
    """What an element-by-element step was given for an element of its result."""
    return float(np.broadcast_to(seen.operands[which], seen.result.shape)[place])


def formula(seen: Seen, place: tuple[int, ...]) -> str:
    """What was computed there, with its numbers: 1e+20 * 1e+20, exp(94.7), the sum."""
    name = seen.name
    if not elementwise(seen.step):
        return f"the {NOUNS.get(name, name)}"
    given = [operand(seen, i, place) for i in range(len(seen.operands))]
    if name in SIGNS and len(given) == 2:
        apart = " " if name in ("add", "subtract") or not all(map(_short, given)) or name == "multiply" else ""
        return f"{number(given[0])}{apart}{SIGNS[name]}{apart}{number(given[1])}"
    if (name == "power" and given[1:] == [2.0]) or name == "square":
        return f"{number(given[0])} squared"
    if name == "power" and len(given) == 2:
        base = number(given[0])
        return f"({base})**{number(given[1])}" if base.startswith("-") else f"{base}**{number(given[1])}"
    if name == "negative":
        return f"-({number(given[0])})"
    if name == "astype":
        return f"the cast of {number(given[0])} to {seen.fmt.name}"
    return f"{name}({', '.join(map(number, given))})"


def _short(x: float) -> bool:
    """Of few signs: inf/inf, 0/0, 1/0."""
    return len(number(x)) < 5
