"""Another convention than the limit: what a library gives nan for is not measured, in rows with infinities alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import overflowscope
from overflowscope.catalogue import named, operations
from overflowscope.errors import InputError
from overflowscope.formats import FORMATS
from overflowscope.records import State
from overflowscope.reference import reference
from overflowscope.studies.convention import held

Invoke = Callable[..., Any]
INF, NAN = np.inf, np.nan
ROWS = np.array([[0, INF, 1], [-INF, -INF, -INF], [1, 2, -INF], [INF, INF, 0], [1, 2, 3], [0, NAN, 1]], np.float32)
LABELS = np.array([1, 0, 2, 0, 1, 0])


@pytest.mark.parametrize("operation", list(operations()))
def test_scipys_nan_is_not_measured(operation: str) -> None:
    special = pytest.importorskip("scipy.special")
    function = getattr(special, operation if operation != "cross_entropy" else "log_softmax")
    with np.errstate(all="ignore"):
        direct = function(ROWS, axis=-1)
    if operation == "cross_entropy":
        direct = -np.take_along_axis(direct, LABELS[:, None], axis=-1)[:, 0]
    truth = reference(named(operation), ROWS.astype(np.float64), LABELS, FORMATS["float32"])
    undefined = (truth.state == int(State.UNDEFINED)) | np.isnan(direct)
    by = {
        convention: overflowscope.compare(
            ROWS,
            LABELS,
            operations=operation,
            formulations="shifted",
            implementations=["scipy"],
            dtypes="float32",
            convention=convention,
        )
        for convention in ("limit", "scipy")
    }
    assert {c: report.convention for c, report in by.items()} == {"limit": "limit", "scipy": "scipy"}
    for measured in by["scipy"].results:
        assert measured.incidence.undefined == np.count_nonzero(undefined)
    theirs = by["scipy"].results[-1]
    assert (theirs.implementation, theirs.failures) == ("scipy", ())
    before = by["limit"].results[-1]
    assert before.incidence.undefined == np.count_nonzero(truth.state == int(State.UNDEFINED))
    assert ("nan" in before.failures) == (operation != "logsumexp")  # [0, inf, 1]


def test_a_nan_that_the_library_does_not_give_is_a_failure() -> None:
    pytest.importorskip("scipy")
    # logsumexp of all -inf is -inf in SciPy; max + log(sum(exp(x - max))) is nan.
    report = overflowscope.compare(
        ROWS[1:2], operations="logsumexp", formulations="shifted", dtypes="float32", convention="scipy"
    )
    assert report.results[0].failures == ("nan",)
    # So is one in a row of numbers, where it is no convention.
    report = overflowscope.compare(
        [[200.0, 0.0]], operations="softmax", formulations="naive", dtypes="float32", convention="scipy"
    )
    assert report.results[0].failures[0] == "nan"
    assert report.results[0].incidence.undefined == 0


def test_rows_of_numbers_and_lost_rows_are_left_alone() -> None:
    def nothing(xp: Any, x: Any) -> Any:
        seen.append(x.copy())
        return np.full_like(x, NAN)

    seen: list[Any] = []
    logits = ROWS.astype(np.float64)
    lost = np.array([False, False, False, False, True, False])
    softmax, fmt = named("softmax"), FORMATS["float32"]
    truth = reference(softmax, logits, None, fmt, lost)
    found = held(truth, softmax, nothing, logits, None)
    assert found.state[0].tolist() == [State.UNDEFINED] * 3
    for row in (1, 3, 5):
        assert found.state[row].tolist() == truth.state[row].tolist() == [State.UNDEFINED] * 3
    assert found.state[2].tolist() == [State.DEFINED] * 3
    assert found.state[4].tolist() == [State.INPUT_OVERFLOW] * 3
    np.testing.assert_array_equal(seen, [ROWS[:1]])  # asked once, for the one row with a limit
    assert truth.state[0].tolist() == [State.DEFINED] * 3
    assert held(reference(softmax, logits[2:3], None, fmt), softmax, nothing, logits[2:3], None).state.tolist() == [
        [State.DEFINED] * 3
    ]
    assert len(seen) == 1


def test_part_of_a_row_may_be_undefined() -> None:
    pytest.importorskip("scipy")
    report = overflowscope.compare(
        ROWS[:1], operations="log_softmax", formulations="naive", dtypes="float32", convention="scipy"
    )
    # SciPy gives -inf, nan, -inf, and so does log(exp(x) / sum(exp(x))).
    assert report.results[0].incidence.undefined == 1
    assert report.results[0].incidence.ok == 2


def test_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown convention 'limits'; did you mean limit"):
        overflowscope.compare(ROWS, convention="limits")
    with pytest.raises(InputError, match=r"unknown convention 'my\.py:f'; known: limit, scipy, torch, jax"):
        overflowscope.compare(ROWS, convention="my.py:f")
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "scipy", None)
        with pytest.raises(InputError, match=r"scipy is not installed; pip install scipy, or overflowscope\[scipy\]"):
            overflowscope.compare(ROWS, convention="scipy")
    pytest.importorskip("scipy")
    with pytest.raises(InputError, match="no convention of scipy: scipy has no gradients; --convention limit"):
        overflowscope.compare(ROWS, convention="scipy", quantity="gradient", dtypes="float32")
    with pytest.raises(InputError, match=r"scipy is run in one process alone.*--jobs 1"):
        overflowscope.compare(ROWS, convention="scipy", jobs=2)


def test_the_command(invoke: Invoke, here: Path) -> None:
    pytest.importorskip("scipy")
    np.save("rows.npy", ROWS)
    arguments = ("compare", "rows.npy", "--op", "softmax", "--dtype", "float32", "--formulation", "shifted")
    finished = invoke(*arguments, "--convention", "scipy")
    assert finished.status == 0
    text = " ".join(finished.out.split())
    assert text.startswith("rows.npy: 6 rows x 3 classes, scipy's convention softmax")
    assert "softmax: 12 of 18 results have no limit, or are nan in scipy; they are not measured" in text
    assert "convention" not in invoke(*arguments).out
    assert json.loads(invoke(*arguments, "--json", "--convention", "scipy").out)["convention"] == "scipy"
    assert invoke(*arguments, "--json").document["convention"] == "limit"
    refused = invoke(*arguments, "--convention", "scippy")
    assert (refused.status, refused.out) == (2, "")
    assert "unknown convention 'scippy'; did you mean scipy?" in refused.err
