"""The commands beside compare: list, schema, help and version."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import overflowscope
from overflowscope import schema
from overflowscope.catalogue import operations
from overflowscope.draws import DISTRIBUTIONS
from overflowscope.formats import FORMATS

Invoke = Callable[..., Any]


def test_the_version(invoke: Invoke) -> None:
    assert invoke("--version").out == f"overflowscope {overflowscope.__version__}\n"


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], []])
def test_the_help_names_every_command(invoke: Invoke, arguments: list[str]) -> None:
    finished = invoke(*arguments)
    assert (finished.status, finished.err) == (0, "")
    for name in ("compare", "conformance", "exact", "list", "replay", "schema", "trace"):
        line = next(line for line in finished.out.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 3


@pytest.mark.parametrize("command", ["compare", "conformance", "exact", "list", "replay", "schema"])
def test_each_command_has_help(invoke: Invoke, command: str) -> None:
    for flag in ("-h", "--help"):
        finished = invoke(command, flag)
        assert (finished.status, finished.err) == (0, "")
        assert finished.out.startswith(f"Usage: overflowscope {command} ")
        assert max(map(len, finished.out.splitlines())) <= 80


def test_the_examples_of_the_help_work(invoke: Invoke, here: Any) -> None:
    lines = [line.strip() for line in invoke("compare", "--help").out.splitlines()]
    examples = [line.split()[1:] for line in lines if line.startswith("overflowscope compare --")]
    assert examples
    (here / "my.py").write_text("import numpy as np\ndef softmax(x): return np.exp(x) / np.exp(x).sum(-1)[:, None]")
    for arguments in examples:
        finished = invoke(*arguments)
        assert (finished.status, finished.err) == (0, "")


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_catalogue_is_listed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    finished = invoke("list")
    monkeypatch.setenv("COLUMNS", "80")
    assert (finished.status, finished.err) == (0, "")
    words = " ".join(finished.out.split())
    assert all(f"gradient: {o.gradient.summary}" in words for o in operations().values() if o.gradient)
    for operation in operations().values():
        assert f"{operation.name}: {operation.summary}" in words
        for formulation in operation.formulations.values():
            assert f"{formulation.name} = {' '.join(formulation.formula.split())}" in words
            assert " ".join(formulation.breaks.split()) in words
    assert f"distributions: {', '.join(DISTRIBUTIONS)}" in words


def test_the_formats_are_listed(invoke: Invoke) -> None:
    lines = {line.split()[0]: line.split()[1:] for line in invoke("list").out.splitlines() if line.strip()}
    for name, fmt in FORMATS.items():
        bits, largest, overflow, smallest = lines[name][:4]
        assert int(bits) == fmt.precision
        assert float(Decimal(largest) / Decimal(fmt.largest)) == pytest.approx(1, rel=1e-3)
        assert float(overflow) == pytest.approx(math.log(fmt.largest), rel=1e-5)
        assert float(smallest) == pytest.approx(fmt.smallest, rel=5e-3)


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "compare"]])
def test_the_schema_is_printed(invoke: Invoke, arguments: list[str]) -> None:
    finished = invoke(*arguments)
    assert (finished.status, finished.err) == (0, "")
    assert json.loads(finished.out) == schema.compare()
