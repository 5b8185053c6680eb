"""Running the command line in this process, and reading what it says."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# The products of matrices are small here: several threads would mostly wait for one another. Before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from overflowscope import cli

ROOT = Path(__file__).resolve().parent.parent
ERROR = re.compile(r"overflowscope: error: [^\n]+\n")


@dataclass(frozen=True)
class Finished:
    """A run of the command line: its exit status and what it wrote."""

    status: Any
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as strict JSON: NaN and Infinity are errors."""
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"bare {name} in JSON")


Invoke = Callable[..., Finished]


MISSING = re.compile("could not import|is not installed|the package")


def _demand(report: Any) -> None:
    """Where OVERFLOWSCOPE_ALL is set every library is to be there: a test skipped for want of one has failed."""
    if os.environ.get("OVERFLOWSCOPE_ALL") and report.skipped and MISSING.search(str(report.longrepr)):
        report.outcome = "failed"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, None]:
    _demand((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    _demand((yield).get_result())


def pytest_collection_finish() -> None:
    """Thousands of tests and the libraries stay: no collection of garbage need walk over them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def shared() -> Path:
    """The folder of published data beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data is not here")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """``invoke(*arguments, stdin=b"")`` is what ``overflowscope *arguments`` does, 80 columns wide."""
    for name in ("NO_COLOR", "FORCE_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def run(*arguments: object, stdin: bytes | None = None) -> Finished:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Finished(stopped.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(invoke: Invoke) -> Callable[..., str]:
    """``refused(*arguments)`` is the message of an error: one harmless line on standard error, and nothing else."""

    def run(*arguments: object, stdin: bytes | None = None) -> str:
        finished = invoke(*arguments, stdin=stdin)
        assert (finished.status, finished.out) == (2, "")
        assert ERROR.fullmatch(finished.err), finished.err
        message = finished.err.removeprefix("overflowscope: error: ").removesuffix("\n")
        assert message.isprintable()
        assert message.strip() == message
        return message

    return run


@pytest.fixture
def found(invoke: Invoke) -> Callable[..., Any]:
    """``found(*arguments)`` is the JSON document of ``overflowscope compare *arguments``."""

    def run(*arguments: object, stdin: bytes | None = None) -> Any:
        finished = invoke("compare", "--json", *arguments, stdin=stdin)
        assert (finished.status, finished.err) == (0, "")
        return finished.document

    return run


@pytest.fixture
def logits(tmp_path: Path) -> Path:
    """A file of logits that every formulation survives in every format: float32, 4 rows of 3."""
    path = tmp_path / "logits.npy"
    np.save(path, np.array([[0.5, 1, -1], [2, 0, 1], [-0.5, 0.25, 0], [1, 1, 1]], np.float32))
    return path
