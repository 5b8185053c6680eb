"""``--json``: strict, as its schema says, complete, and the same again."""

from __future__ import annotations

import csv
import getpass
import io
import json
import math
import socket
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import schema
from overflowscope.catalogue import operations
from overflowscope.formats import FORMATS
from overflowscope.records import strict

Found = Callable[..., Any]
OPERATIONS = ["cross_entropy", "log_softmax", "logsumexp", "softmax"]
EVERYTHING = ("--formulation=all", "--dtype", ",".join(FORMATS))
INF, NAN = math.inf, math.nan
RESULT = {
    **dict.fromkeys(("operation", "formulation", "implementation", "dtype", "arithmetic", "compute", "sum_order")),
    **dict.fromkeys(("accumulator", "quantity", "status", "rows", "elements", "argmax_flips", "explanation")),
    "incidence": "nan inf zero subnormal overflow underflow saturated vanished exceeds undefined input_overflow "
    "undecided",
    "rows_hit": "nan inf overflow underflow",
    "ulp": "max mean p50 p99 count correctly_rounded",
    "bits": "max mean",
    "relative": "max mean",
    "absolute": "max",
    "row_sum": "min max",
    "kl": "max",
    "lost_mass": "max",
    "worst": "row index got got_hex exact",
    "reference": "elements balls intervals undecided",
}
"""What is promised of each result."""
INPUT = ["source", "distribution", "scale", "shift", "seed", "rows", "classes", "labels", "sha256"]
PARTITION = ["ok", "wrong_nan", "overflow", "underflow", "saturated", "undecided", "undefined", "input_overflow"]
OF_ROWS = ["row_sum", "kl", "argmax_flips", "lost_mass"]


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema.compare())
    return kind(schema.compare())


def check(document: Any, validator: Any) -> None:
    """All that holds of every document."""
    errors = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(document)]
    assert errors == []
    assert {"schema", "version", "environment", "input", "results"} <= document.keys()
    assert document["schema"] == "overflowscope.compare/1"
    assert document["version"] == overflowscope.__version__
    assert set(INPUT) <= document["input"].keys()
    assert document["results"]
    for result in document["results"]:
        check_result(result, document["input"]["classes"])


def check_result(result: Any, classes: int) -> None:
    assert RESULT.keys() <= result.keys()
    for name, keys in RESULT.items():
        if keys is not None and result[name] is not None:
            assert set(keys.split()) <= result[name].keys(), name
    assert (result["implementation"] == "numpy") == (result["formulation"] is not None)
    assert (result["quantity"], result["status"]) == ("value", "ok")
    per_class = operations()[result["operation"]].per_class
    assert result["elements"] == result["rows"] * (classes if per_class else 1)
    counts = result["incidence"]
    assert sum(counts[name] for name in PARTITION) == result["elements"]
    assert all(0 <= n <= result["elements"] for n in counts.values())
    assert all(0 <= n <= result["rows"] for n in result["rows_hit"].values())
    truths = result["reference"]
    assert truths["elements"] + counts["undefined"] + counts["input_overflow"] == result["elements"]
    ulp = result["ulp"]
    assert ulp["count"] + ulp["infinite"] + truths["undecided"] == truths["elements"]
    assert (ulp["max"] is None) == (result["worst"] is None) == (truths["elements"] == 0)
    if ulp["mean"] is not None and ulp["max"] != "inf":
        assert 0 <= ulp["mean"] <= ulp["max"]
        assert ulp["p50"] <= ulp["p99"] <= ulp["max"]
    assert ulp["correctly_rounded"] is None or 0 <= ulp["correctly_rounded"] <= 1
    for name in OF_ROWS:
        assert result["operation"] == "softmax" or result[name] is None
    assert (result["row_sum"] is None) == (result["kl"] is None) == (result["lost_mass"] is None)
    failing = {"nan": "wrong_nan", "overflow": "overflow", "underflow": "underflow", "saturated": "saturated"}
    assert [f for f in result["failures"] if f != "row_sums"] == [f for f, c in failing.items() if counts[c]]
    assert result["explanation"] or not result["failures"]
    check_worst(result)


def check_worst(result: Any) -> None:
    """The largest error is that of the element shown."""
    worst = result["worst"]
    if worst is None:
        return
    got, largest = float(worst["got"]), float(result["ulp"]["max"])
    assert float.fromhex(worst["got_hex"]) == got or (math.isnan(got) and worst["got_hex"] == "nan")
    if worst["exact"].startswith("between") or not math.isfinite(got + float(worst["exact"]) + largest):
        return
    # Some exact values have an exponent of ten digits.
    far = int(worst["exact"].partition("e")[2] or 0) < -5000
    fmt, exact = FORMATS[result["dtype"]], Fraction(0 if far else worst["exact"])
    distance = abs(Fraction(got) - exact)
    binade = math.floor(math.log2(abs(exact))) if abs(float(exact)) > fmt.smallest_normal else fmt.emin
    unit = Fraction(2) ** (min(max(binade, fmt.emin), fmt.emax) - fmt.precision + 1)
    if largest == sys.float_info.max:
        assert distance / unit > largest
        return
    # Twenty digits, and their log2, may be a power of 2 where the exact value lies just below.
    close = [abs(distance / u - Fraction(largest)) <= Fraction(largest + 1) / 1000 for u in (unit, unit / 2, unit * 2)]
    assert close[0] or (any(close) and math.frexp(float(exact))[0] in (0.5, -0.5)), (result["dtype"], worst, largest)


@pytest.mark.parametrize("scale", ["1", "1000", "1e5"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_formulation_in_every_format(found: Found, validator: Any, operation: str, scale: str) -> None:
    document = found("--op", operation, "--scale", scale, "--rows=5", *EVERYTHING)
    check(document, validator)
    assert len(document["results"]) == 6 * len(operations()[operation].formulations)


@pytest.mark.parametrize(
    "values",
    [
        [[INF, 0, 1], [-INF, 0, 1], [NAN, 0, 1], [INF, INF, 0], [-INF, -INF, -INF], [INF, -INF, 0]],
        [[NAN, NAN]],
        [[1e300, -1e300, 0], [5e-324, 0, -5e-324], [1.7e308, 1.7e308, -1.7e308]],
        [[0.0]],
        [[70000.0]],
        [[-0.0, 0.0], [7e4, 0]],
        [3.5, 1, -800],
        [[[10.0] * 10] * 2] * 3,
    ],
    ids=["infinities", "nan", "extremes", "one class", "input overflow", "one row each", "vector", "axes"],
)
def test_documents_on_unusual_logits(here: Path, found: Found, validator: Any, values: Any) -> None:
    array = np.array(values)
    np.savez(here / "in.npz", logits=array, labels=np.zeros(array.shape[:-1], int))
    document = found("in.npz", "--op", ",".join(OPERATIONS), "--scale", "1,1000", *EVERYTHING)
    check(document, validator)
    assert document["input"]["leading"] == list(array.shape[:-1])


def test_documents_of_other_options(here: Path, logits: Path, found: Found, validator: Any) -> None:
    (here / "own.py").write_text("import numpy as np\ndef f(x): return np.exp(x)")
    (here / "labels.json").write_text("[0, -100, 1, 2]")
    for arguments in (
        ["--impl", "own.py:f", "--scale", "1,30", "--rows", "3"],
        ["logits.npy", "--labels", "labels.json", "--shift", "-20"],
        ["--compute", "float32", "--rows", "3", "--dist", "laplace", "--scale", "100", "--seed", str(2**64 - 1)],
    ):
        check(found(*arguments), validator)


def test_the_measures_of_rows_are_null_where_they_make_no_sense(found: Found) -> None:
    for result in found("--op", ",".join(OPERATIONS), "--rows=3")["results"]:
        for name in OF_ROWS:
            assert (result[name] is None) == (result["operation"] != "softmax")


def test_counts_of_a_row_known_by_hand(here: Path, found: Found) -> None:
    """In float16: exp(12) overflows, exp(-20) rounds to 0, 65,505 is held as 65,504, and 70,000 not at all."""
    (here / "in.json").write_text("[[12, 0, -20], [1, 1, 1], [70000, 0, 0], [Infinity, Infinity, 0]]")
    naive, shifted = found("in.json", "--op=softmax", "--dtype=float16", "--formulation=naive,shifted")["results"]
    assert naive["incidence"] == {
        "nan": 1 + 0 + 1 + 2,
        "inf": 0,
        "zero": 2 + 0 + 2 + 1,
        **dict.fromkeys(("subnormal", "overflow", "saturated", "exceeds", "undecided"), 0),
        "underflow": 1,
        "vanished": 1,
        "undefined": 3,
        "input_overflow": 3,
        "wrong_nan": 1,
        "ok": 4,
    }
    assert shifted["failures"] == []
    assert shifted["incidence"]["ok"] == 6


def test_the_environment_names_no_host_and_no_person(
    found: Found, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "HOME"):
        monkeypatch.setenv(name, "somebody-at-home")
    finished = invoke("compare", "--json", "--rows=2")
    environment = finished.document["environment"]
    for name in ("overflowscope", "python", "numpy", "mpmath", "mpmath_backend", "machine", "os"):
        assert isinstance(environment[name], str), name
    assert environment["numpy"] == np.__version__
    assert {"ml_dtypes", "cpu", "simd", "libc"} <= environment.keys()
    assert "somebody-at-home" not in finished.out
    monkeypatch.undo()
    words = {word for value in environment.values() for word in str(value).split()}
    assert socket.gethostname() not in words
    assert getpass.getuser() not in words
    assert not {"host", "hostname", "node", "user"} & environment.keys()


@pytest.mark.parametrize("arguments", [["--rows=20"], ["--seed=5", "--scale=1,1000", "--dist=uniform", *EVERYTHING]])
def test_the_same_seed_gives_the_same_bytes(invoke: Callable[..., Any], arguments: list[str]) -> None:
    first, second, third = (invoke("compare", "--json", "--rows=7", *arguments).out for _ in range(3))
    assert second == third
    first, second = json.loads(first), json.loads(second)
    # Which packages were loaded before is no part of what was asked.
    assert first == second


def test_the_library_and_the_command_line_agree(here: Path, found: Found) -> None:
    rng = np.random.default_rng(11)
    values = rng.normal(size=(2, 5, 7)).astype(np.float32) * 30
    labels = rng.integers(0, 7, size=(2, 5))
    labels[0, 3] = -100
    np.savez(here / "in.npz", logits=values, labels=labels)
    names = ["cross_entropy", "softmax"]
    document = found(
        "in.npz",
        "--op",
        ",".join(names),
        "--formulation=all",
        "--dtype=float16,bfloat16,float64",
        "--scale=1,5",
        "--shift=.5",
        "--compute=float32",
    )
    report = overflowscope.compare(
        values,
        labels,
        operations=names,
        formulations=["all"],
        dtypes=["float16", "bfloat16", "float64"],
        scale=[1, 5],
        shift=0.5,
        compute="float32",
    )
    assert strict(report.results) == document["results"]
    assert strict(report.first_failures) == document["first_failures"]
    assert report.to_dict()["environment"] == document["environment"]
    default = overflowscope.compare(values, seed=3)
    np.save(here / "in.npy", values)
    assert strict(default.results) == found("in.npy", "--seed=3")["results"]


def test_csv_holds_the_same_numbers(found: Found, invoke: Callable[..., Any]) -> None:
    arguments = ("--rows=4", "--scale=1,1000", "--op", ",".join(OPERATIONS), *EVERYTHING)
    results = found(*arguments)["results"]
    text = invoke("compare", "--format=csv", *arguments).out
    lines = list(csv.DictReader(io.StringIO(text), strict=True))
    assert len(lines) == len(results)
    for line, result in zip(lines, results, strict=True):
        assert None not in line
        assert None not in line.values()
        flat = flattened(result)
        for name, text in line.items():
            value = flat.pop(name, None)
            if isinstance(value, list):
                assert json.loads(text) == value
            else:
                assert text == ("" if value is None else str(value)), name
        # A record that is null leaves its own columns empty.
        assert all(value is None for value in flat.values())


def flattened(record: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def test_csv_has_the_same_columns_in_every_run(invoke: Callable[..., Any]) -> None:
    """Files of several runs can be put together: the columns do not depend on what was found."""
    headers = {
        invoke("compare", "--format=csv", "--rows=3", "--dtype=float16", *arguments).out.splitlines()[0]
        for arguments in (["--op=softmax"], ["--op=softmax", "--scale=1000"], ["--op=logsumexp"], ["--scale=1e9"])
    }
    assert len(headers) == 1
