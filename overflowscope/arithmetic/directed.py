"""Sums of mpmath's raw numbers, rounded in one direction, however long they are."""

from __future__ import annotations

from typing import Any

from mpmath.libmp import mpf_add, mpf_pos

Raw = tuple[int, int, int, int]


FAR = 2**12
"""Bits between two numbers up to which their sum is taken whole before it is rounded."""


def add(a: Raw, b: Raw, bits: int, towards: Any) -> Raw:
    """a + b rounded to ``bits``; where they are FAR apart, of both rounded so before, which is farther out if anything.

    mpf_add takes a last bit for an operand that is smaller by 2**(bits + 4). Beside a number of at most ``bits`` the
    sum rounds as it should, but a longer one's tail and the small operand together may pass a rounded number that the
    tail and a last bit do not reach. mpmath's exp and log give longer ones.
    """
    if a[3] <= bits >= b[3] or (gap := abs(a[2] + a[3] - b[2] - b[3])) <= bits:
        return mpf_add(a, b, bits, towards)  # type: ignore[no-any-return]
    if gap <= FAR and a[1] and b[1]:
        return mpf_pos(mpf_add(a, b), bits, towards)  # type: ignore[no-any-return]
    return mpf_add(mpf_pos(a, bits, towards), mpf_pos(b, bits, towards), bits, towards)  # type: ignore[no-any-return]
