"""overflowscope.compare() for arrays: whatever the host program has set up, whatever arrays it has."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope import InputError, Measurement, Report
from overflowscope.catalogue import operations
from overflowscope.formats import FORMATS
from overflowscope.records import strict

INF, NAN = float("inf"), float("nan")
EVERYTHING: dict[str, Any] = {"operations": list(operations()), "formulations": ["all"], "dtypes": list(FORMATS)}
INPUTS = {
    "ordinary": np.random.default_rng(0).normal(size=(6, 5)),
    "large": np.random.default_rng(1).normal(size=(6, 5)) * 1e3,
    "huge": np.random.default_rng(2).normal(size=(4, 5)) * 1e300,
    "tiny": np.random.default_rng(3).normal(size=(4, 5)) * 1e-300,
    "infinite": np.array([[INF, 0], [1, -INF], [-INF, -INF], [NAN, 1], [INF, INF], [1e308, -1e308], [0, -0.0]]),
    "equal": np.zeros((1, 1000)),
    "one class": np.array([[-3.0], [1e5]]),
    "at the edges": np.array([[5e-324, -1.7976931348623157e308], [65504, 65520], [448, 464], [-745.2, -103.98]]),
}


def plain(report: Report) -> Any:
    return report.to_dict()["results"]


@pytest.mark.parametrize("logits", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("compute", [None, "float32"])
def test_what_the_host_program_asked_of_numpy_changes_nothing(logits: np.ndarray, compute: str | None) -> None:
    quiet = overflowscope.compare(logits, compute=compute, **EVERYTHING)
    before = np.geterr()
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        loud = overflowscope.compare(logits, compute=compute, **EVERYTHING)
        assert np.geterr() == dict.fromkeys(before, "raise")
    assert plain(loud) == plain(quiet)
    assert np.geterr() == before


def test_a_handler_of_the_host_program_is_not_called() -> None:
    def handler(kind: str, flag: int) -> None:
        raise AssertionError(kind)

    with np.errstate(all="call", call=handler):
        overflowscope.compare([[0.0, 1000.0, -1000.0]], **EVERYTHING)


def test_a_function_of_ones_own_may_warn_and_divide_by_zero() -> None:
    def careless(x: Any) -> Any:
        return np.exp(x) / 0

    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        report = overflowscope.compare(
            [[0.0, 1.0]], operations=["softmax"], dtypes=["float32"], implementations=[careless]
        )
    assert report.results[-1].failures[0] == "overflow"


@pytest.mark.parametrize(
    "logits",
    [
        [[1.0, 2], [3, 4]],
        ((1, 2), (3, 4)),
        np.array([[1, 2], [3, 4]], np.uint8),
        np.array([[1, 2], [3, 4]], np.int64),
        np.array([[1, 2], [3, 4]], np.float16),
        np.array([[1, 2], [3, 4]], ">f4"),
        np.asfortranarray([[1.0, 2], [3, 4]]),
        np.array([[1.0, 9, 2], [3, 9, 4]])[:, ::2],
    ],
)
def test_arrays_of_every_kind(logits: Any) -> None:
    assert plain(overflowscope.compare(logits)) == plain(overflowscope.compare(np.array([[1.0, 2], [3, 4]])))


def test_arrays_of_other_packages() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    logits = np.array([[1.0, 2], [3, 4]], ml_dtypes.bfloat16)
    assert plain(overflowscope.compare(logits)) == plain(overflowscope.compare(logits.astype(np.float64)))


def test_the_input_is_not_touched() -> None:
    def spoils(x: Any, labels: Any) -> Any:
        x[:] = 0
        labels[:] = 0
        return x[:, 0]

    logits, labels = np.array([[1.0, 200], [3, 4]]), np.array([1, 0])
    for dtype in ("float64", "float32"):
        overflowscope.compare(
            logits, labels, operations=["cross_entropy"], dtypes=[dtype], implementations=[spoils], scale=[1, 2]
        )
    assert logits.tolist() == [[1, 200], [3, 4]]
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "logits", [3.0, [], [[]], np.zeros((0, 3)), np.zeros((2, 0)), [["a"]], [[1j]], [[None]], [[True]]]
)
def test_what_is_no_logits(logits: Any) -> None:
    with pytest.raises(InputError, match="logits"):
        overflowscope.compare(logits)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ([0], "labels"),
        ([0, 1, 0], "labels"),
        ([0.5, 1.0], "labels of dtype float64"),
        (["0", "1"], "labels of dtype"),
        ([0, 2], r"label 2 is no class of 2 \(row 1\)"),
        ([-1, 0], r"label -1 is no class of 2 \(row 0\)"),
        ([-100, -100], "every row has the label -100"),
    ],
)
def test_what_is_no_labels(labels: Any, what: str) -> None:
    with pytest.raises(InputError, match=what):
        overflowscope.compare([[1.0, 2], [3, 4]], labels, operations=["cross_entropy"])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"operations": ["sofmax"]}, "did you mean softmax"),
        ({"formulations": ["nave"]}, "did you mean naive"),
        ({"dtypes": ["float17"]}, "did you mean float16"),
        ({"compute": "float33"}, "did you mean float32"),
        (
            {"operations": ["softmax", "logsumexp"], "implementations": [abs]},
            "abs is of one operation, and several were named",
        ),
        ({"implementations": [lambda x: None]}, "returned nothing"),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        overflowscope.compare([[1.0, 2]], **options)


def test_a_report_is_plain_data() -> None:
    report = overflowscope.compare([[1.0, 2]], [1], seed=3)
    assert isinstance(report, Report)
    assert all(isinstance(m, Measurement) for m in report.results)
    assert [m.name for m in report.results[:3]] == ["naive", "shifted", "lse"]
    assert (report.input.source, report.input.seed, report.input.labels) == ("array", 3, "input")
    with pytest.raises(AttributeError):
        report.results[0].rows = 3  # type: ignore[misc]


def test_the_name_of_a_function_of_ones_own() -> None:
    def softmax(x: Any) -> Any:
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    report = overflowscope.compare(
        [[1.0, 2]], operations=["softmax"], formulations=["naive"], dtypes=["float32"], implementations=[softmax]
    )
    naive, own = report.results
    assert own.implementation == f"{__name__}:{softmax.__qualname__}"
    assert (own.formulation, own.ulp) == (None, naive.ulp)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    overflowscope.compare([[1.0, 2000]], **EVERYTHING)
    assert capfd.readouterr() == ("", "")


def test_results_do_not_depend_on_what_stands_beside_them() -> None:
    """Rows are measured in blocks; errors merge exactly, whatever the blocks."""
    logits = np.random.default_rng(4).normal(size=(40, 30)) * 5
    whole = overflowscope.compare(logits, operations=["softmax"], dtypes=["float16"]).results
    for place, m in enumerate(overflowscope.compare(logits, **EVERYTHING | {"operations": ["softmax"]}).results[:3]):
        assert strict(m) == strict(whole[place])
    alone = [overflowscope.compare(row[None], operations=["softmax"], dtypes=["float16"]).results for row in logits]
    for place, m in enumerate(whole):
        assert m.ulp.max == max(a[place].ulp.max or 0 for a in alone)
        assert m.incidence.zero == sum(a[place].incidence.zero for a in alone)


def test_public_names() -> None:
    for name in overflowscope.__all__:
        assert getattr(overflowscope, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = overflowscope.nothing_here


def test_importing_it_does_not_wait_for_numpy() -> None:
    code = "import sys, overflowscope, overflowscope.cli; print(sorted({'numpy', 'mpmath', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
