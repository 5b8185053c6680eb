"""Rounding to a format: every code of the small formats, and three engines that know nothing of one another.

The judges are the codes themselves (the tie between two neighbours goes to the even code), rounding of Fractions in a
few lines below, MPFR through gmpy2, NumPy's own casts, and Python's division of integers.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflowscope import formats
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS, Format, narrowed, round_fraction, round_parts, round_to

INF, NAN = math.inf, math.nan

# precision, emin, emax, largest: IEEE 754-2019, table 3.5; the bfloat16 and FP8 papers.
FACTS = {
    "float16": (11, -14, 15, Fraction(65504)),
    "bfloat16": (8, -126, 127, Fraction(255) * 2**120),
    "float32": (24, -126, 127, Fraction(2**24 - 1) * 2**104),
    "float64": (53, -1022, 1023, Fraction(2**53 - 1) * 2**971),
    "float8_e5m2": (3, -14, 15, Fraction(57344)),
    "float8_e4m3fn": (4, -6, 8, Fraction(448)),
}
# bits of the exponent and of the stored significand, for the formats whose codes are all tried
CODES = {"float16": (5, 10), "bfloat16": (8, 7), "float8_e5m2": (5, 2), "float8_e4m3fn": (4, 3)}
EXTRA = ("bfloat16", "float8_e5m2", "float8_e4m3fn")

every_format = pytest.mark.parametrize("name", FACTS)
every_code = pytest.mark.parametrize("name", CODES)


@functools.cache
def power(e: int) -> Fraction:
    """2**e."""
    return Fraction(2) ** e


def nearest(value: Fraction, name: str) -> float:
    """The definition: the nearest multiple of the quantum of the value's binade, ties to even, or an infinity."""
    precision, emin, _, largest = FACTS[name]
    magnitude = abs(value)
    if not magnitude:
        return 0.0
    e = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    e -= magnitude < power(e)
    quantum = power(max(e, emin) - precision + 1)
    rounded = round(magnitude / quantum) * quantum  # a Fraction rounds to the nearest integer, ties to even
    result = INF if rounded > largest else float(rounded)
    return -result if value < 0 else result


@functools.cache
def magnitudes(name: str) -> np.ndarray:
    """The finite non-negative values, by code: sign, exponent and significand fields read by hand."""
    width, stored = CODES[name]
    bias = 2 ** (width - 1) - 1
    values = []
    for code in range(2 ** (width + stored)):
        field, fraction = divmod(code, 2**stored)
        if name == "float8_e4m3fn":
            if code == 0x7F:  # its only nan
                break
        elif field == 2**width - 1:  # infinity and the nans
            break
        if field:
            values.append(math.ldexp(2**stored + fraction, field - bias - stored))
        else:
            values.append(math.ldexp(fraction, 1 - bias - stored))
    return np.array(values)


@functools.cache
def probes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(values, rounded): every value of the format, every midpoint, and the doubles beside the midpoints."""
    values = magnitudes(name)
    above = np.append(values[1:], 2 * values[-1] - values[-2])  # the first number that is too large
    rounded_up = np.append(values[1:], INF)
    middle = values + (above - values) / 2
    assert np.all(middle - values == above - middle)  # exact
    even = np.where(np.arange(len(values)) % 2 == 0, values, rounded_up)
    numbers = [values, middle, np.nextafter(middle, 0), np.nextafter(middle, INF), above]
    wanted = [values, even, values, rounded_up, rounded_up]
    return np.concatenate(numbers), np.concatenate(wanted)


def same(found: np.ndarray, wanted: np.ndarray | Iterable[float]) -> None:
    """Equal bits, so that zeros have the same sign; one nan is as good as another."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape
    bad = ~((found.view(np.int64) == wanted.view(np.int64)) | (np.isnan(found) & np.isnan(wanted)))
    assert not bad.any(), f"{found[bad][:5]} for {wanted[bad][:5]}, {np.count_nonzero(bad)} times"


def mpfr(values: Iterable[Any], name: str) -> np.ndarray:
    """Rounded once by MPFR, whose significands lie in [1/2, 1)."""
    gmpy2 = pytest.importorskip("gmpy2")
    precision, emin, emax, largest = FACTS[name]
    with gmpy2.context(precision=precision, emin=emin - precision + 2, emax=emax + 1, subnormalize=True):
        found = np.array([float(gmpy2.mpfr(v)) for v in values])
    return np.where(np.abs(found) > float(largest), np.copysign(INF, found), found)


# The formats themselves


@every_format
def test_a_format_is_what_its_standard_says(name: str) -> None:
    precision, emin, emax, largest = FACTS[name]
    fmt = formats.named(name)
    assert (fmt.name, fmt.precision, fmt.emin, fmt.emax) == (name, precision, emin, emax)
    assert Fraction(fmt.largest) == largest
    assert Fraction(fmt.smallest_normal) == Fraction(2) ** emin
    assert Fraction(fmt.smallest) == Fraction(2) ** (emin - precision + 1)
    assert Fraction(fmt.unit_roundoff) == Fraction(1, 2**precision)
    assert fmt.log_largest == pytest.approx(float(math.log(largest.numerator)), rel=1e-15)
    assert fmt.log_vanishing == pytest.approx((emin - precision) * math.log(2), rel=1e-15)
    vanishing = np.exp(np.array([fmt.log_vanishing - 1e-3, fmt.log_vanishing + 1e-3])) if name != "float64" else None
    assert vanishing is None or round_to(vanishing, fmt).tolist() == [0.0, fmt.smallest]
    assert fmt.has_infinity == (name != "float8_e4m3fn")
    assert (fmt.extra is not None) == (name in EXTRA)


def test_there_are_no_other_formats() -> None:
    assert set(FORMATS) == set(FACTS)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_numpy_describes_its_formats_so(name: str) -> None:
    agrees(np.finfo(name), formats.named(name))
    assert formats.named(name).dtype == np.dtype(name)


@pytest.mark.parametrize("name", EXTRA)
def test_ml_dtypes_describes_its_formats_so(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    agrees(ml_dtypes.finfo(getattr(ml_dtypes, name)), formats.named(name))
    assert formats.named(name).dtype == np.dtype(getattr(ml_dtypes, name))


def agrees(info: Any, fmt: Format) -> None:
    assert info.nmant == fmt.precision - 1
    assert float(info.eps) == 2 * fmt.unit_roundoff
    assert float(info.max) == fmt.largest
    assert float(info.smallest_normal) == fmt.smallest_normal
    assert float(info.smallest_subnormal) == fmt.smallest
    assert info.minexp == fmt.emin
    assert info.maxexp == fmt.emax + 1


@every_code
def test_the_codes_are_those_of_the_dtype(name: str) -> None:
    if name in EXTRA:
        pytest.importorskip("ml_dtypes")
    bits = sum(CODES[name])
    codes = np.arange(2**bits, dtype=np.uint8 if bits < 8 else np.uint16)
    with np.errstate(invalid="ignore"):  # signalling nans
        held = codes.view(formats.named(name).dtype).astype(np.float64)
    same(held[np.isfinite(held)], magnitudes(name))


@every_format
def test_a_dtype_leads_back_to_its_format(name: str) -> None:
    if name in EXTRA:
        pytest.importorskip("ml_dtypes")
    assert formats.of(np.zeros(1, formats.named(name).dtype).dtype) is formats.named(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("flaot16", "did you mean float16"), ("bfloat", "did you mean bfloat16"), ("xyz", "known: float16, float32")],
)
def test_an_unknown_format_is_told_with_its_neighbours(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        formats.named(name)
    assert f"unknown dtype '{name}'" in str(caught.value)
    assert hint in str(caught.value)


def test_a_dtype_that_is_no_format_is_refused() -> None:
    with pytest.raises(InputError, match="unknown dtype 'int64'"):
        formats.of(np.dtype(np.int64))


@pytest.mark.parametrize("name", EXTRA)
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(InputError, match=rf"{name} needs the package ml_dtypes; pip install ml_dtypes"):
        _ = formats.named(name).dtype


# Rounding doubles


@every_code
def test_every_code_and_every_midpoint(name: str) -> None:
    numbers, wanted = probes(name)
    assert len(numbers) > 5 * 2 ** sum(CODES[name]) * 0.75
    same(round_to(numbers, FORMATS[name]), wanted)
    same(round_to(-numbers, FORMATS[name]), -wanted)


@every_code
def test_codes_and_midpoints_of_fractions(name: str) -> None:
    """A seventh of them: that the three judges agree; the next test holds all of them against MPFR."""
    numbers, wanted = (values[::7] for values in probes(name))
    fractions = [Fraction(v) for v in numbers.tolist()]
    same([round_fraction(v, FORMATS[name]) for v in fractions], wanted)
    same([nearest(v, name) for v in fractions], wanted)


@every_code
def test_every_code_and_every_midpoint_by_mpfr(name: str) -> None:
    numbers, _ = probes(name)
    signed = np.concatenate([numbers, -numbers])
    same(round_to(signed, FORMATS[name]), mpfr(signed.tolist(), name))


def test_numpy_casts_to_float16_so() -> None:
    numbers, _ = probes("float16")
    with np.errstate(all="ignore"):
        same(round_to(numbers, FORMATS["float16"]), numbers.astype(np.float16).astype(np.float64))


@pytest.mark.parametrize("name", [n for n in FORMATS if FORMATS[n].precision < 24])
def test_float32_is_narrowed_as_doubles_are_rounded(name: str) -> None:
    """All codes and midpoints with their neighbours in float32, and random codes: subnormal, huge, inf and nan."""
    if FORMATS[name].extra:
        pytest.importorskip("ml_dtypes")
    with np.errstate(all="ignore"):
        numbers = probes(name)[0].astype(np.float32)
        random = np.random.default_rng(7).integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
        near = [np.nextafter(numbers, np.float32(0)), numbers, np.nextafter(numbers, np.float32(INF)), random]
        given = np.concatenate([*near, -numbers, np.array([0, -0.0, INF, -INF, NAN], np.float32)])
        wanted = round_to(given.astype(np.float64), FORMATS[name])
        if not FORMATS[name].has_infinity:
            wanted = np.where(np.isinf(wanted), NAN, wanted)
        got = narrowed(given, FORMATS[name])
        assert got.dtype == FORMATS[name].dtype
        same(got.astype(np.float64), wanted)
    assert narrowed(given[:6].reshape(3, 2), FORMATS[name]).shape == (3, 2)
    assert narrowed(given[0], FORMATS[name]).shape == ()
    assert narrowed(given[:0], FORMATS[name]).shape == (0,)


def floats32() -> np.ndarray:
    """Codes of float32: corners with their neighbours, and random ones."""
    corners = [0, 1, 2, 0x007FFFFF, 0x00800000, 0x00800001, 0x3F800000, 0x7F7FFFFE, 0x7F7FFFFF]
    codes = np.concatenate([np.array(corners), np.random.default_rng(5).integers(0, 0x7F800000, 30_000)])
    return np.unique(codes).astype(np.uint32)


def test_float32_between_neighbours() -> None:
    codes = floats32()
    low, high = codes.view(np.float32).astype(np.float64), (codes + np.uint32(1)).view(np.float32).astype(np.float64)
    beyond = np.where(np.isinf(high), 2.0**128, high)
    middle = low + (beyond - low) / 2
    even = np.where(codes % 2 == 0, low, high)
    numbers = np.concatenate([low, middle, np.nextafter(middle, 0), np.nextafter(middle, INF)])
    wanted = np.concatenate([low, even, low, high])
    fmt = FORMATS["float32"]
    same(round_to(numbers, fmt), wanted)
    same(round_to(-numbers, fmt), -wanted)
    same(round_to(numbers, fmt), mpfr(numbers.tolist(), "float32"))
    with np.errstate(all="ignore"):
        same(round_to(numbers, fmt), numbers.astype(np.float32).astype(np.float64))


def test_float64_stays() -> None:
    codes = np.random.default_rng(6).integers(-(2**63), 2**63, 10_000, dtype=np.int64)
    doubles = np.concatenate([codes.view(np.float64), [0.0, -0.0, INF, -INF, NAN, 5e-324]])
    same(round_to(doubles, FORMATS["float64"]), doubles)


@every_format
def test_what_is_not_finite_stays_and_zero_keeps_its_sign(name: str) -> None:
    numbers = np.array([INF, -INF, NAN, 0.0, -0.0, -5e-324])
    wanted = np.array([INF, -INF, NAN, 0.0, -0.0, -0.0 if name != "float64" else -5e-324])
    same(round_to(numbers, FORMATS[name]), wanted)
    same(round_to(numbers.reshape(3, 2), FORMATS[name]), wanted.reshape(3, 2))
    assert round_to(np.array(1.0), FORMATS[name]).shape == ()
    assert round_to(np.zeros((0, 3)), FORMATS[name]).shape == (0, 3)


def test_what_exceeds_e4m3fn_is_an_infinity_here() -> None:
    """464 is the midpoint of 448 and the 480 that is not there, and 448 is the even one of them."""
    numbers = np.array([448.0, 463.9, 464.0, np.nextafter(464.0, INF), 480.0, 1e300])
    same(round_to(numbers, FORMATS["float8_e4m3fn"]), [448.0, 448.0, 448.0, INF, INF, INF])


@pytest.mark.parametrize("name", [n for n in FACTS if n != "float8_e4m3fn"])
def test_what_exceeds_other_formats_starts_at_half_an_ulp(name: str) -> None:
    precision, _, emax, largest = FACTS[name]
    edge = largest + Fraction(2) ** (emax - precision)
    assert round_fraction(edge, FORMATS[name]) == INF
    assert round_fraction(edge * (1 - Fraction(1, 2**300)), FORMATS[name]) == float(largest)
    assert round_fraction(-edge, FORMATS[name]) == -INF


def test_double_rounding_through_float32_is_not_done() -> None:
    """Just above the midpoint of two bfloat16: float32 rounds it to the midpoint, and from there to the even one."""
    x = 1.0 + 2.0**-8 + 2.0**-40
    assert round_to(np.array([x]), FORMATS["bfloat16"])[0] == 1.0 + 2.0**-7


anywhere = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def near_a_format(draw: st.DrawFn) -> float:
    """A double a few of its own bits from a number of a few bits: a value, a midpoint, or next to one."""
    value = math.ldexp(draw(st.integers(-(2**13), 2**13)), draw(st.integers(-160, 130)))
    for _ in range(draw(st.integers(0, 2))):
        value = math.nextafter(value, draw(st.sampled_from([INF, -INF])))
    return value


@every_format
@settings(max_examples=150, deadline=None)
@given(values=st.lists(anywhere | near_a_format(), min_size=1, max_size=8))
def test_rounding_laws(name: str, values: list[float]) -> None:
    fmt = FORMATS[name]
    numbers = np.sort(np.array(values))
    rounded = round_to(numbers, fmt)
    same(rounded, [math.copysign(nearest(Fraction(v), name), v) for v in numbers.tolist()])
    same(round_to(rounded, fmt), rounded)  # idempotent
    same(round_to(-numbers, fmt), -rounded)  # odd
    assert np.all(rounded[1:] >= rounded[:-1])  # monotone
    same([round_fraction(Fraction(v), fmt) for v in numbers.tolist() if v], rounded[numbers != 0])


# Rounding rationals, and numbers known by their leading bits


def doubles() -> list[float]:
    """Corners of float64, and random codes of it."""
    rng = np.random.default_rng(7)
    codes = np.concatenate([rng.integers(0, 0x7FEFFFFFFFFFFFFF, 400), rng.integers(0, 2**54, 100)]).astype(np.int64)
    edges = [0.0, 5e-324, 1e-323, 2.0**-1022, math.nextafter(2.0**-1022, 0), 1.0, sys.float_info.max]
    return edges + codes.view(np.float64).tolist()


def test_rationals_between_neighbouring_doubles() -> None:
    fmt = FORMATS["float64"]
    for low in doubles():
        high = math.nextafter(low, INF)
        a, b = Fraction(low), Fraction(high) if high < INF else Fraction(2) ** 1024
        middle, tiny = (a + b) / 2, (b - a) / 3**400
        even = low if np.float64(low).view(np.int64) % 2 == 0 else high
        places = (a, a + tiny, a + (b - a) / 3, middle - tiny, middle, middle + tiny, b - (b - a) / 3, b - tiny)
        wanted = (low, low, low, low, even, high, high, high)
        same([round_fraction(p, fmt) for p in places], wanted)
        same([round_fraction(-p, fmt) for p in places if p], [-w for p, w in zip(places, wanted, strict=True) if p])
        if high < INF:
            same([float(p) for p in places], wanted)  # Python divides integers with one rounding too


def test_rationals_by_mpfr() -> None:
    gmpy2 = pytest.importorskip("gmpy2")
    rng = np.random.default_rng(8)
    for name in FACTS:
        _, emin, emax, _ = FACTS[name]
        parts = rng.integers(1, 2**62, (300, 2)).tolist()
        shifts = rng.integers(emin - 70, emax + 3, 300).tolist()
        values = [Fraction(p, q) * Fraction(2) ** s for (p, q), s in zip(parts, shifts, strict=True)]
        found = [round_fraction(v, FORMATS[name]) for v in values]
        same(found, mpfr([gmpy2.mpq(v.numerator, v.denominator) for v in values], name))
        same(found, [nearest(v, name) for v in values])


@every_format
def test_rationals_far_away(name: str) -> None:
    fmt = FORMATS[name]
    huge = Fraction(10) ** 5000
    same([round_fraction(v, fmt) for v in (huge, -huge, 1 / huge, -1 / huge)], [INF, -INF, 0.0, -0.0])
    assert round_fraction(Fraction(0), fmt) == 0.0
    half = Fraction(fmt.smallest) / 2
    assert round_fraction(half, fmt) == 0.0
    assert round_fraction(half * (1 + 1 / huge), fmt) == fmt.smallest


def parts(significand: list[int], exponent: list[int], sticky: list[bool], fmt: Format) -> np.ndarray:
    return round_parts(np.array(significand, np.int64), np.array(exponent, np.int64), np.array(sticky, bool), fmt)


def awkward(name: str, count: int) -> tuple[list[int], list[int]]:
    """Significands of 55 to 62 bits near values, midpoints, and carries; exponents around the format's whole range."""
    precision, emin, emax, _ = FACTS[name]
    rng = np.random.default_rng(9)
    significands, exponents = [], []
    for _ in range(count):
        length = int(rng.integers(55, 63))
        pattern = int(rng.integers(0, 4))
        lead = int(rng.integers(2 ** (precision - 1), 2**precision))
        if pattern == 0:  # a value, or one unit off it
            s = (lead << (length - precision)) + int(rng.integers(-1, 2))
        elif pattern == 1:  # a midpoint, or one unit off it
            s = (lead << (length - precision)) + (1 << (length - precision - 1)) + int(rng.integers(-1, 2))
        elif pattern == 2:  # all ones: the carry runs through
            s = (1 << length) - 1 - int(rng.integers(0, 3))
        else:
            s = int(rng.integers(2 ** (length - 1), 2**length))
        significands.append(min(max(s, 1 << 54), 2**62 - 1))
        exponents.append(int(rng.integers(emin - precision - 3, emax + 3)) - length + 1)
    return significands, exponents


@every_format
@pytest.mark.parametrize("sticky", [False, True])
def test_significands_with_and_without_further_bits(name: str, sticky: bool) -> None:
    significands, exponents = awkward(name, 1500)
    found = parts(significands, exponents, [sticky] * len(significands), FORMATS[name])
    tails = (Fraction(1, 2**100), Fraction(1, 2), 1 - Fraction(1, 2**100)) if sticky else (Fraction(0),)
    for t in tails:
        exact = [(s + t) * Fraction(2) ** e for s, e in zip(significands, exponents, strict=True)]
        same(found, [nearest(v, name) for v in exact])


@every_format
def test_short_significands_are_exact_numbers(name: str) -> None:
    _, emin, emax, _ = FACTS[name]
    significands = [s for s in (0, 1, 2, 3, 5, 2**12 + 1, 2**53 - 1, 2**54 + 1) for _ in range(emin - 80, emax + 5, 3)]
    exponents = list(range(emin - 80, emax + 5, 3)) * 8
    found = parts(significands, exponents, [False] * len(significands), FORMATS[name])
    same(found, [nearest(s * Fraction(2) ** e, name) for s, e in zip(significands, exponents, strict=True)])


@every_format
@pytest.mark.parametrize("far", [5000, 2**31, 2**40, 2**61])
def test_exponents_far_beyond_the_format(name: str, far: int) -> None:
    significands = [1, 2**61, 2**62 - 1, 0]
    for sticky in (False, True):
        marks = [False, sticky, sticky, False]
        same(parts(significands, [far] * 4, marks, FORMATS[name]), [INF, INF, INF, 0.0])
        same(parts(significands, [-far] * 4, marks, FORMATS[name]), [0.0] * 4)


@every_format
def test_shapes_are_kept(name: str) -> None:
    s, e, t = np.full((2, 3), 3 << 55), np.full((2, 3), -56), np.zeros((2, 3), bool)
    same(round_parts(s, e, t, FORMATS[name]), np.full((2, 3), 1.5))


# Constants


@every_format
def test_a_constant_is_rounded_once_and_has_the_dtype(name: str) -> None:
    if name in EXTRA:
        pytest.importorskip("ml_dtypes")
    fmt = FORMATS[name]
    for text in ("0", "1", "-2.5", "1e-12", "1/3", "-1/3", "0.1", "448", "464"):
        found = formats.constant(text, fmt)
        assert found.dtype == fmt.dtype
        same([float(found)], [nearest(Fraction(text), name)])
    same([float(formats.constant("1e400", fmt))], [INF if fmt.has_infinity else NAN])


def test_the_usual_epsilon_is_zero_in_float16() -> None:
    assert formats.constant("1e-12", FORMATS["float16"]) == 0
    assert formats.constant("1e-12", FORMATS["float32"]) > 0
