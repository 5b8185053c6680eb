"""A slow scalar twin of strict arithmetic, in Fractions: what one step is to give."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from overflowscope.formats import Floats, Format


def nearest(value: Fraction, fmt: Format) -> float:
    """Rounded to the format, ties to even; an infinity, or nan, beyond it."""
    if value == 0:
        return 0.0
    n, d = abs(value.numerator), value.denominator
    e = n.bit_length() - d.bit_length()
    e -= n * 2 ** max(-e, 0) < d * 2 ** max(e, 0)
    # In integers: that many whole quanta, and a rest of n/d that is less than one.
    quantum = max(e, fmt.emin) - fmt.precision + 1
    n, d = n << max(-quantum, 0), d << max(quantum, 0)
    whole, rest = divmod(n, d)
    whole += 2 * rest > d or (2 * rest == d and whole % 2 == 1)
    # At most 2**precision quanta: a double holds them, unless they are beyond the largest exponent.
    rounded = math.ldexp(whole, quantum) if whole.bit_length() + quantum - 1 <= fmt.emax else math.inf
    if rounded > fmt.largest:
        rounded = math.inf if fmt.has_infinity else math.nan
    return rounded if value > 0 else -rounded


def step(name: str, a: float, b: float, fmt: Format) -> float:
    """One operation on two numbers of the format, as IEEE 754 has it, up to the sign of zero."""
    if math.isfinite(a) and math.isfinite(b) and (name != "divide" or b):
        return nearest(OPERATIONS[name](Fraction(a), Fraction(b)), fmt)
    with np.errstate(all="ignore"):
        special = float(getattr(np, name)(np.float64(a), np.float64(b)))
    return math.nan if math.isinf(special) and not fmt.has_infinity else special


OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


def every(fmt: Format) -> Floats:
    """Every number of a format of at most 16 bits, and nan."""
    size = fmt.dtype.itemsize
    codes = np.arange(2 ** (8 * size)).astype(f"u{size}").view(fmt.dtype)
    with np.errstate(all="ignore"):
        return np.asarray(codes.astype(np.float64))


def same(a: Floats, b: Floats) -> bool:
    """Equal as floats; nan equals nan."""
    return bool(np.array_equal(a, b, equal_nan=True))
