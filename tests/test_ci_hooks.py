"""The pre-commit hook and the GitHub action, run as their runners do: on what holds, and on what does not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not here, which the action runs in")
KERNELS = """\
import numpy as np

def good(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def bad(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)
"""
CONFIG = """\
[[cases]]
name = "softmax"
operation = "softmax"
implementation = "kernel"
dtype = "float16"
scale = 20
max_ulp = 200
"""
FORMULATION = CONFIG.replace('implementation = "kernel"', 'formulation = "{}"')
PLACE = "/a place/of actions"
PWNED = "$(touch pwned)`touch pwned`; touch pwned\" || touch pwned '"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With a kernel, a case of it, and a Python that installs nothing and says what it was to install."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "kernels.py").write_text(KERNELS)
    (repository / "overflowscope.toml").write_text(CONFIG)
    tools = tmp_path / "tools"
    tools.mkdir()
    real = shlex.quote(sys.executable)
    pip = f'if [ "$1 $2" = "-m pip" ]; then printf "%s\\n" "$@" > {shlex.quote(str(tmp_path / "pip"))}; exit 0; fi\n'
    for name, script in (("python", f'{pip}exec {real} "$@"'), ("overflowscope", f'exec {real} -m overflowscope "$@"')):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return repository


def environment(repository: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    tools = f"{repository.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": path, "PATH": tools, "COLUMNS": "100", **more}


class TestHook:
    @pytest.fixture
    def hook(self) -> dict[str, Any]:
        [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
        assert isinstance(hook, dict)
        return hook

    def test_it_is_one_that_pre_commit_takes(self, hook: dict[str, Any]) -> None:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("overflowscope-check", "python", False)

    def test_it_runs_where_something_it_reads_has_changed(self, hook: dict[str, Any]) -> None:
        for name in ("my.py", "a/b.py", "pyproject.toml", "a/overflowscope.toml", "overflowscope-baseline.json"):
            assert re.search(hook["files"], name)
        for name in ("README.md", "package.json", "other.toml", "a.pyc", "my.py.orig"):
            assert not re.search(hook["files"], name)

    @pytest.mark.parametrize(("formulation", "status"), [("shifted", 0), ("naive", 1), ("nave", 2)])
    def test_its_entry(self, hook: dict[str, Any], repository: Path, formulation: str, status: int) -> None:
        (repository / "overflowscope.toml").write_text(FORMULATION.format(formulation))
        words = [*shlex.split(hook["entry"]), *hook.get("args", [])]
        done = subprocess.run(words, cwd=repository, env=environment(repository), capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        said = {0: "1 holds", 1: "0 hold, 1 does not", 2: "unknown formulation"}[status]
        assert said in (done.stderr if status == 2 else done.stdout)


@needs_bash
class TestAction:
    @pytest.fixture
    def action(self) -> dict[str, Any]:
        action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        assert isinstance(action, dict)
        return action

    def run(
        self, action: dict[str, Any], repository: Path, given: dict[str, str] | None = None, **more: str
    ) -> tuple[int, str]:
        """As the runner does: expressions are replaced, then each step runs, until one fails."""
        assert set(given or {}) <= set(action["inputs"])
        inputs = {name: about["default"] for name, about in action["inputs"].items()} | (given or {})
        known = {f"inputs.{name}": value for name, value in inputs.items()} | {"github.action_path": PLACE}

        def filled(text: str) -> str:
            return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda m: known[m[1]], text)

        status, said = 0, ""
        for number, step in enumerate(action["runs"]["steps"]):
            script = repository.parent / f"step-{number}.sh"
            script.write_text(filled(step["run"]))
            done = subprocess.run(
                [str(BASH), "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=repository / filled(step.get("working-directory", ".")),
                env=environment(repository, **{k: filled(v) for k, v in step["env"].items()}, **more),
                capture_output=True,
                text=True,
            )
            status, said = done.returncode, said + done.stdout + done.stderr
            if status:
                break
        return status, said

    def test_it_is_one_that_github_takes(self, action: dict[str, Any]) -> None:
        assert action["runs"]["using"] == "composite"
        assert {"name", "description"} <= set(action)
        assert all("default" in about and "description" in about for about in action["inputs"].values())
        used = " ".join(str(step) for step in action["runs"]["steps"])
        assert set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", used)) == set(action["inputs"])

    def test_what_is_given_never_becomes_a_script(self, action: dict[str, Any]) -> None:
        for step in action["runs"]["steps"]:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
            assert "eval" not in step["run"]

    def test_a_kernel_that_holds(self, action: dict[str, Any], repository: Path) -> None:
        status, said = self.run(action, repository, {"impl": "kernel=kernels.py:good", "extras": "scipy"})
        assert (status, said.splitlines()[-1]) == (0, "1 holds"), said
        assert "::error" not in said
        asked = (repository.parent / "pip").read_text().splitlines()
        assert asked[:3] == ["-m", "pip", "install"]
        assert asked[-1] == f"{PLACE}[scipy]"

    def test_a_kernel_that_does_not(self, action: dict[str, Any], repository: Path) -> None:
        summary = repository / "summary.md"
        status, said = self.run(
            action,
            repository,
            {"impl": "\nkernel=kernels.py:bad\r\n", "args": "--report 'junit=the report.xml'\n--timeout 60"},
            GITHUB_STEP_SUMMARY=str(summary),
        )
        assert status == 1, said
        assert (repository.parent / "pip").read_text().splitlines()[-1] == PLACE
        assert "::error title=softmax%2C float16" in said
        assert "exp overflows float16 above 11.0899" in said
        assert "<failure " in (repository / "the report.xml").read_text()
        assert summary.read_text().startswith("**overflowscope check: 0 hold, 1 does not**\n")

    def test_another_place(self, action: dict[str, Any], repository: Path) -> None:
        (repository / "sub").mkdir()
        (repository / "overflowscope.toml").rename(repository / "sub" / "-my cases.toml")
        given = {"working-directory": "sub", "config": "-my cases.toml", "impl": "kernel=../kernels.py:good"}
        status, said = self.run(action, repository, given)
        assert (status, said.splitlines()[-1]) == (0, "1 holds"), said

    @pytest.mark.parametrize("name", ["config", "impl", "args", "extras"])
    def test_what_looks_like_a_script_is_text(self, action: dict[str, Any], repository: Path, name: str) -> None:
        status, _ = self.run(action, repository, {"impl": "kernel=kernels.py:good", name: PWNED})
        assert status == (0 if name == "extras" else 2)
        assert not list(repository.rglob("pwned"))

    def test_a_missing_quote_is_misuse(self, action: dict[str, Any], repository: Path) -> None:
        status, said = self.run(action, repository, {"args": "--report 'junit=x"})
        assert status == 2
        assert "::error::args cannot be split" in said
