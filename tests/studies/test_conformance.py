"""Special values: the limits against mathematics, the answers against direct calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import overflowscope
from overflowscope import formats
from overflowscope.errors import InputError, Unmeasured
from overflowscope.implementations import Implementation
from overflowscope.libraries import names
from overflowscope.records.conformance import LIMIT, Answer, Case, Cases, Conformance, Run
from overflowscope.studies.conformance import request, run
from overflowscope.studies.conformance.agreement import agree

INF, NAN = math.inf, math.nan
OWN_FORMATS = ("float16", "float32", "float64")
UNDEFINED = "undefined"
OPERATIONS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")

# What mathematics says of rows with infinities and nan, and of one class: (softmax, log-softmax, logsumexp, loss).
LIMITS: dict[str, tuple[Any, Any, Any, Any]] = {
    "one class": ([1], [0], 2, 0),
    "one class, -inf": ([1], [0], -INF, 0),
    "all -inf": (UNDEFINED, UNDEFINED, -INF, UNDEFINED),
    "all -inf but one": ([0, 1, 0], [-INF, 0, -INF], 2, 0),
    "one +inf": ([0, 1, 0], [-INF, 0, -INF], INF, 0),
    "two +inf": (UNDEFINED, UNDEFINED, INF, UNDEFINED),
    "nan": (UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED),
}


@pytest.fixture(scope="module")
def found() -> Conformance:
    return overflowscope.conformance(dtypes=OWN_FORMATS)


def written(runs: Sequence[Run]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The numbers that runs stand for."""
    return np.repeat([r.value for r in runs], [r.count for r in runs])


def result(found: Conformance, operation: str, dtype: str = "float32") -> Cases:
    return next(r for r in found.results if (r.operation, r.dtype) == (operation, dtype))


def case(found: Conformance, operation: str, name: str, dtype: str = "float32") -> Case:
    return next(c for c in result(found, operation, dtype).cases if c.name == name)


def answer(case: Case, name: str) -> Answer:
    return next(a for a in case.answers if a.name == name)


# The limits


def test_every_operation_is_asked_for_every_case(found: Conformance) -> None:
    assert {(r.operation, r.dtype) for r in found.results} == {(o, d) for o in OPERATIONS for d in OWN_FORMATS}
    for r in found.results:
        names = [c.name for c in r.cases]
        assert len(names) == len(set(names)) == (16 if r.operation == "cross_entropy" else 15)
        assert ("masked label" in names) == (r.operation == "cross_entropy")
        assert all((c.label is None) == (r.operation != "cross_entropy") for c in r.cases)


@pytest.mark.parametrize("dtype", OWN_FORMATS)
@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_of_rows_with_infinities(found: Conformance, name: str, dtype: str) -> None:
    for operation, expected in zip(OPERATIONS, LIMITS[name], strict=True):
        limit = case(found, operation, name, dtype).limit
        if expected == UNDEFINED:
            assert limit.status == UNDEFINED
            assert np.isnan(written(limit.values)).all()
            assert [r.count for r in limit.values] == [1 if operation in ("logsumexp", "cross_entropy") else 3]
        else:
            assert limit.status == "ok"
            assert written(limit.values).tolist() == np.atleast_1d(expected).tolist()


@pytest.mark.parametrize("dtype", OWN_FORMATS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_other_limits_are_rounded_to_nearest(found: Conformance, operation: str, dtype: str) -> None:
    """Against the textbook definitions with mpmath at bits enough for exp(1.8e308)."""
    fmt = formats.named(dtype)
    seen = 0
    for c in result(found, operation, dtype).cases:
        if c.name in LIMITS:
            continue
        logits = written(c.logits)
        assert c.limit.status == "ok"
        rounded = written(c.limit.values)[:3].tolist()
        for got, exact in zip(rounded, definition(operation, logits, c.label), strict=False):
            seen += 1
            largest = Fraction(fmt.largest)
            # Of the binade of the largest number, where NumPy's spacing overflows at its end.
            half = Fraction(float(np.spacing(fmt.dtype.type(min(abs(got), 0.75 * fmt.largest))))) / 2
            if math.isinf(got):
                assert exact * int(math.copysign(1, got)) >= largest + half, c.name
            else:
                assert abs(exact - Fraction(got)) <= half, c.name
    assert seen >= 8


def definition(operation: str, logits: Any, label: int | None) -> list[Any]:
    """The first three results, as fractions and infinities; the first three logits stand for all that are equal."""
    mp = mpmath.mp.clone()
    mp.prec = 2400
    count = len(logits) if len(set(logits.tolist())) == 1 else 1
    x = [mp.mpf(v) for v in logits.tolist()[: 3 if count == 1 else 1]]
    e = [mp.exp(v) for v in x]
    total = count * mp.fsum(e) if count > 1 else mp.fsum(e)
    if operation == "softmax":
        values = [v / total for v in e]
    elif operation == "logsumexp":
        values = [mp.log(total)]
    else:
        logs = [mp.log(v / total) if v else -mp.inf for v in e]
        values = logs if operation == "log_softmax" else [-logs[label or 0]]
    return [fraction(v) for v in values]


def fraction(value: Any) -> Any:
    if mpmath.isinf(value):
        return float(value)
    sign, man, exp, _ = value._mpf_
    # What is far below every format is 0 here: 2**exp of a million bits would take long.
    if exp < -5000:
        return Fraction(0)
    return (-1) ** sign * Fraction(int(man)) * Fraction(2) ** exp


def test_the_rows_are_those_of_the_format(found: Conformance) -> None:
    for dtype in OWN_FORMATS:
        info = np.finfo(dtype)
        largest, smallest = float(info.max), float(np.nextafter(np.dtype(dtype).type(0), np.dtype(dtype).type(1)))
        assert written(case(found, "softmax", "huge equal", dtype).logits).tolist() == [largest] * 3
        assert written(case(found, "softmax", "huge spread", dtype).logits).tolist() == [largest, 0, -largest]
        assert written(case(found, "logsumexp", "subnormal logit", dtype).limit.values).tolist() == [smallest]
        small = written(case(found, "softmax", "subnormal result", dtype).limit.values)[2]
        assert 0 < small < float(info.tiny)
        assert case(found, "softmax", "65,536 zeros", dtype).limit.values == (Run(value=2.0**-16, count=65536),)
    signs = np.signbit(written(case(found, "softmax", "-0").logits))
    assert signs.tolist() == [True, False]


# The answers


def test_known_failures_of_the_formulations(found: Conformance) -> None:
    """What the definitions do in IEEE arithmetic: inf/inf, inf - inf, and a float16 sum beyond 65,504."""
    naive = answer(case(found, "softmax", "huge equal"), "naive")
    assert (naive.status, naive.agrees) == ("ok", {LIMIT: False})
    assert np.isnan(written(naive.values)).all()
    shifted = answer(case(found, "softmax", "one +inf"), "shifted")
    assert np.isnan(written(shifted.values)).all()
    for name in ("naive", "shifted"):
        zeros = answer(case(found, "softmax", "65,536 zeros", "float16"), name)
        assert zeros.values == (Run(value=0.0, count=65536),)
        assert zeros.agrees == {LIMIT: False}
        assert answer(case(found, "softmax", "65,536 zeros", "float32"), name).agrees == {LIMIT: True}
    assert answer(case(found, "logsumexp", "65,536 zeros", "float16"), "shifted").values == (Run(value=INF, count=1),)
    # log(exp(x)) has absorbed a subnormal x; max + log(1) has not.
    assert answer(case(found, "logsumexp", "subnormal logit"), "naive").agrees == {LIMIT: False}
    assert answer(case(found, "logsumexp", "subnormal logit"), "shifted").agrees == {LIMIT: True}
    # The largest number plus log(3) is that number again: every class gets exp(0).
    assert answer(case(found, "softmax", "huge equal"), "lse").values == (Run(value=1.0, count=3),)
    assert answer(case(found, "cross_entropy", "masked label"), "naive").agrees == {LIMIT: True}


def test_scipys_answers_are_those_of_direct_calls() -> None:
    special = pytest.importorskip("scipy.special")
    found = overflowscope.conformance(implementations=["scipy"], formulations=["naive"], dtypes=["float32", "float16"])
    assert found.conventions == (LIMIT, "scipy")
    for r in found.results:
        for c in r.cases:
            logits = written(c.logits).astype(r.dtype)[None]
            function = getattr(special, r.operation if r.operation != "cross_entropy" else "log_softmax")
            with np.errstate(all="ignore"):
                direct = function(logits, axis=-1).astype(np.float64).ravel()
            expected = -direct[c.label : c.label + 1] if c.label is not None else direct
            given = answer(c, "scipy")
            np.testing.assert_array_equal(written(given.values), expected)
            assert given.agrees["scipy"] is True
            assert set(answer(c, "naive").agrees) == {LIMIT, "scipy"}


def direct_torch(operation: str, logits: Any, label: int) -> Any:
    import torch

    x = torch.from_numpy(logits)
    if operation == "cross_entropy":
        return torch.nn.functional.cross_entropy(x, torch.tensor([label]), reduction="none").numpy()
    functions = {"softmax": torch.softmax, "log_softmax": torch.log_softmax, "logsumexp": torch.logsumexp}
    return functions[operation](x, -1).numpy()


def direct_jax(operation: str, logits: Any, label: int) -> Any:
    import jax

    if operation == "cross_entropy":
        return -np.asarray(jax.nn.log_softmax(logits, axis=-1))[:, label]
    functions = {"softmax": jax.nn.softmax, "log_softmax": jax.nn.log_softmax, "logsumexp": jax.nn.logsumexp}
    return np.asarray(functions[operation](logits, axis=-1))


@pytest.mark.parametrize(("library", "direct"), [("torch", direct_torch), ("jax", direct_jax)])
def test_the_frameworks_answers_are_those_of_direct_calls(library: str, direct: Callable[..., Any]) -> None:
    if library not in names():
        pytest.skip(f"{library} is not among the libraries")
    pytest.importorskip(library)
    found = overflowscope.conformance(implementations=[library], formulations=["naive"])
    for r in found.results:
        for c in r.cases:
            expected = direct(r.operation, written(c.logits).astype(r.dtype)[None], c.label)
            given = answer(c, library)
            assert given.status == "ok"
            theirs = np.asarray(expected, np.float64).ravel()
            # nan and the infinities one by one; other numbers as agreement says.
            np.testing.assert_array_equal(np.isnan(written(given.values)), np.isnan(theirs))
            assert agree(written(given.values), theirs, formats.named(r.dtype))
            assert given.agrees[library] is True


def test_agreement_is_counted_over_cases() -> None:
    pytest.importorskip("scipy")
    found = overflowscope.conformance(implementations=["scipy"], operations=["softmax", "logsumexp"])
    for r in [*found.results]:
        for a in r.agreement:
            agrees = [answer(c, a.name).agrees[a.convention] for c in r.cases]
            assert (a.agree, a.cases) == (agrees.count(True), len(agrees))
    totals = {(a.name, a.convention): (a.agree, a.cases) for a in found.agreement}
    assert list(totals) == [
        *((n, c) for n in ("naive", "shifted", "lse") for c in (LIMIT, "scipy")),
        ("scipy", LIMIT),
    ]
    for key, total in totals.items():
        parts = [(a.agree, a.cases) for r in found.results for a in r.agreement if (a.name, a.convention) == key]
        assert total == tuple(map(sum, zip(*parts, strict=True)))
    # One class is softmax's to get right and no logarithm's: lse has no logsumexp.
    assert totals["lse", LIMIT][1] == 15
    assert totals["naive", LIMIT][1] == 30


def test_a_function_of_ones_own() -> None:
    def exact(x: Any) -> Any:
        """The limit itself, for rows without ties."""
        if np.isnan(x).any():
            raise ValueError("no nan here")
        e = (x == np.max(x)) * 1.0
        return e / (0.0 if np.isinf(np.max(x)) and e.sum() > 1 else e.sum())

    found = overflowscope.conformance(implementations=[exact], formulations=["shifted"], dtypes=["float32"])
    assert [r.operation for r in found.results] == ["softmax"]
    name = found.implementations[-1].name
    assert name.endswith("exact")
    assert found.conventions == (LIMIT,)
    agrees = {c.name: answer(c, name).agrees.get(LIMIT) for c in found.results[0].cases}
    assert agrees["one +inf"] is agrees["one class, -inf"] is agrees["65,536 zeros"] is True
    assert agrees["mask"] is False
    refused = answer(case(found, "softmax", "nan"), name)
    assert (refused.status, refused.values, refused.agrees) == ("error", (), {LIMIT: None})
    assert refused.reason is not None
    assert "ValueError: no nan here" in refused.reason
    assert found.agreement[-1].cases == 14
    assert answer(case(found, "softmax", "mask"), name).returned == "float64"


def test_a_function_that_always_fails_is_an_error() -> None:
    with pytest.raises(InputError, match="ZeroDivisionError"):
        overflowscope.conformance(implementations=[lambda x: 1 / 0])
    with pytest.raises(InputError, match="returned an array of shape"):
        overflowscope.conformance(implementations=[lambda x: x[:, :0]])
    with pytest.raises(InputError, match="two functions of one name"):
        overflowscope.conformance(implementations=[lambda x: x, lambda x: x])
    with pytest.raises(InputError, match="of one operation"):
        overflowscope.conformance(implementations=[lambda x: x], operations=["softmax", "logsumexp"])


class Partial:
    """A library that has float32 softmax alone, and gives zeros."""

    name, single = "partial", False

    def implementations(self, operation: Any) -> list[Implementation]:
        if operation.name != "softmax":
            return []
        return [Implementation(self.name, self.softmax, version="1.2")]

    def softmax(self, xp: Any, x: Any) -> Any:
        if x.dtype != np.float32:
            raise Unmeasured(f"partial: TypeError: no {x.dtype}")
        return np.zeros_like(x)


def test_what_a_library_lacks_is_unsupported() -> None:
    found = run(request(["softmax", "logsumexp"], ["naive", "shifted"], [Partial(), Partial()], ["float16", "float32"]))
    assert found.conventions == (LIMIT, "partial")
    assert [i.name for i in found.implementations] == ["naive", "shifted", "partial"]
    assert found.implementations[-1].version == "1.2"
    lacking = answer(case(found, "softmax", "nan", "float16"), "partial")
    assert (lacking.status, lacking.reason) == ("unsupported", "partial: TypeError: no float16")
    assert lacking.agrees == {LIMIT: None, "partial": None}
    assert answer(case(found, "softmax", "nan", "float16"), "naive").agrees == {LIMIT: True, "partial": None}
    assert answer(case(found, "logsumexp", "nan"), "naive").agrees == {LIMIT: True}
    assert answer(case(found, "softmax", "nan"), "naive").agrees == {LIMIT: True, "partial": False}
    counts = {(a.name, a.convention): (a.agree, a.cases) for a in found.agreement}
    # Of 15 rows of float32 none has only zeros for its softmax, nor does naive give any.
    assert counts["partial", LIMIT] == (0, 15)
    assert counts["naive", "partial"] == (0, 15)
    assert counts["naive", LIMIT][1] == 60


def test_a_format_without_infinities() -> None:
    """An infinite logit is nan there, whatever it is a mask of; so is what overflows."""
    pytest.importorskip("ml_dtypes")
    found = overflowscope.conformance(operations=["log_softmax", "logsumexp"], dtypes=["float8_e4m3fn"])
    for name in ("all -inf", "all -inf but one", "mask", "one +inf"):
        row = case(found, "logsumexp", name, "float8_e4m3fn")
        assert row.limit.status == UNDEFINED
        assert np.isnan(written(row.logits)).any()
        assert answer(row, "naive").agrees == {LIMIT: True}
    spread = case(found, "log_softmax", "huge spread", "float8_e4m3fn")
    assert written(spread.limit.values)[:2].tolist() == [0, -448]
    assert np.isnan(written(spread.limit.values)[2])  # -896 is beyond 448
    infinite = overflowscope.conformance(
        implementations=[lambda x: np.full(x.shape, INF, np.float32)], dtypes=["float8_e4m3fn"]
    )
    assert np.isnan(written(infinite.results[0].cases[0].answers[-1].values)).all()
    # x - max is nan there, and so is the sum.
    assert answer(spread, "lse").agrees == {LIMIT: False}
