"""Numbers as people read them."""

from __future__ import annotations

import math


def number(x: float, digits: int = 6) -> str:
    """Six digits, or as many as told, thousands separated."""
    if not math.isfinite(x) or x == 0:
        return str(float(x)) if x else "0"
    if 1e4 <= abs(x) < 1e7 and digits == 6:
        return f"{x:,.0f}"
    return f"{x:,.{digits}g}" if 1e3 <= abs(x) < 1e7 else f"{x:.{digits}g}"


def short(exact: str, digits: int = 6) -> str:
    """An exact number, given as its decimal digits, to six of them, or as many as told."""
    mantissa, e, power = exact.partition("e")
    return exact if exact.startswith("between") else f"{float(mantissa):.{digits}g}{e}{power}"


def beside(got: float, exact: str) -> str:
    """A computed number and the exact one, with so many digits that they are seen to differ where they do."""
    for digits in (6, 9, 12, 17):
        found, truth = number(got, digits), short(exact, digits)
        if truth.startswith("between") or float(found.replace(",", "")) != float(truth):
            break
    return f"{found} where the truth is {truth}"
