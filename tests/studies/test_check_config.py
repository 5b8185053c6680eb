"""Configurations of check: what is read of them, and what is wrong with each of many."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from overflowscope.errors import InputError
from overflowscope.studies.check import config, toml
from overflowscope.studies.check.cases import Case

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

GOOD = """\
baseline = "base.json"   # line 1
dtype = "float16"
rows = 7
max_ulp = 4

[[cases]]
name = "kernel"          # line 7
implementation = "kernel"
scale = [1, 20.5]
argmax_flips = 0

[[cases]]
name = "of a file"       # line 13
operation = "cross-entropy"
formulation = "lse"
dtype = ["float32", "bfloat16"]
input = "data/logits.npy"
labels = "labels.csv"
max_rows = 3
max_ulp = 9
factor = 2
timeout = 0.5
quantity = "gradient"
arithmetic = "strict"
sum_order = "kahan"
accumulator = "float64"
compute = "float32"
shift = -1
ignore_index = -1
seed = 5
"""


def read(path: Path, text: str, name: str = "overflowscope.toml", **bound: str) -> config.Settings:
    (path / name).write_text(text, encoding="utf-8")
    return config.read(str(path / name), bound)


def test_all_that_can_be_said(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD, kernel="my.py:softmax")
    assert found.baseline == str(tmp_path / "base.json")
    one = Case(
        name="kernel",
        implementation="kernel",
        spec="my.py:softmax",
        dtype=("float16",),
        scale=(1.0, 20.5),
        rows=7,
        limits={"max_ulp": 4.0, "argmax_flips": 0.0},
    )
    two = Case(
        name="of a file",
        operation="cross_entropy",
        formulation="lse",
        dtype=("float32", "bfloat16"),
        input=str(tmp_path / "data" / "logits.npy"),
        labels=str(tmp_path / "labels.csv"),
        max_rows=3,
        limits={"max_ulp": 9.0},
        factor=2.0,
        timeout=0.5,
        quantity="gradient",
        arithmetic="strict",
        sum_order="kahan",
        accumulator="float64",
        compute="float32",
        shift=-1.0,
        ignore_index=-1,
        seed=5,
    )
    assert found.cases == (one, two)


def test_the_baseline_lies_beside_the_configuration(tmp_path: Path) -> None:
    found = read(tmp_path, '[[cases]]\nname = "a"\nformulation = "lse"\n')
    assert found.baseline == str(tmp_path / "overflowscope-baseline.json")


def test_a_table_of_pyproject(tmp_path: Path) -> None:
    text = '[tool.other]\nbaseline = 1\n[tool.overflowscope]\nseed = 3\n[[tool.overflowscope.cases]]\nname = "a"\n'
    found = read(tmp_path, text + 'formulation = "lse"\n', "pyproject.toml")
    assert [case.seed for case in found.cases] == [3]
    with pytest.raises(InputError, match=r"seed is -1, .* \(line 4\)"):
        read(tmp_path, text.replace("seed = 3", "seed = -1"), "pyproject.toml")
    with pytest.raises(InputError, match=r"unknown key 'sed' \(case 'a', line 7\); did you mean seed"):
        read(tmp_path, text + "sed = 3\n", "pyproject.toml")
    with pytest.raises(InputError, match=r"there is no table \[tool.overflowscope\]"):
        read(tmp_path, '[project]\nname = "overflowscope"\n', "pyproject.toml")
    with pytest.raises(InputError, match=r"there are no cases; write \[\[tool.overflowscope.cases\]\]"):
        read(tmp_path, "[tool.overflowscope]\n", "pyproject.toml")
    with pytest.raises(InputError, match=r"tool.overflowscope is 3, and a table is wanted"):
        read(tmp_path, "[tool]\noverflowscope = 3\n", "pyproject.toml")


def test_where_a_configuration_is_looked_for(tmp_path: Path) -> None:
    own, shared = tmp_path / "overflowscope.toml", tmp_path / "pyproject.toml"
    assert config.found(str(tmp_path)) is None
    shared.write_text('[project]\nname = "overflowscope"\n')
    assert config.found(str(tmp_path)) is None
    shared.write_text("[tool.overflowscope]\n")
    assert config.found(str(tmp_path)) == str(shared)
    own.write_text("")
    with pytest.raises(InputError, match="both here"):
        config.found(str(tmp_path))
    shared.write_text("[project]\n")
    assert config.found(str(tmp_path)) == str(own)
    shared.write_text("this is [ no TOML")  # and says nothing of overflow
    assert config.found(str(tmp_path)) == str(own)


CASE = '[[cases]]\nname = "a"\nformulation = "lse"\n'


def with_key(line: str) -> str:
    """A case whose fourth line that is."""
    return f"{CASE}{line}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"there are no cases; write \[\[cases\]\]"),
        ("cases = []\n", r"there are no cases \(line 1\)"),
        ("cases = 3\n", r"cases is 3, and an array of tables is wanted \(line 1\)"),
        ("seed = 1\ncases = [1]\n", r"cases is an array, and an array of tables is wanted \(line 2\)"),
        ('[cases]\nname = "a"\n', r"cases is a table, and an array of tables is wanted \(line 1\)"),
        ("[[case]]\n", r"unknown key 'case' \(line 1\); did you mean cases"),
        ("max_ulps = 1\n" + CASE, r"unknown key 'max_ulps' \(line 1\); did you mean max_ulp"),
        ('name = "a"\n' + CASE, r"name is of one case \(line 1\); write it below \[\[cases\]\]"),
        ("max_kl = 1\n" + CASE, r"max_kl is of one case \(line 1\)"),
        ("baseline = 1\n" + CASE, r"baseline is 1, and a file's name is wanted \(line 1\)"),
        ('baseline = " "\n' + CASE, r"baseline is ' ', and a file's name is wanted \(line 1\)"),
        ("timeout = 0\n" + CASE, r"timeout is 0, and a finite number above 0 is wanted \(line 1\)"),
        ("x = \n", r"it is no TOML: invalid value \(line 1, column 5\)"),
        ('[[cases]]\nname = "a"\nname = "b"\n', r"it is no TOML: cannot overwrite a value \(line 3"),
        ("x = " + "[" * 20_000, r"nested too deeply|it is no TOML"),
        ('[[cases]]\nformulation = "lse"\n', r"the case has no name \(case 1, line 1\)"),
        ('[[cases]]\nname = ""\n', r"name is '', and text of one line is wanted \(case 1, line 2\)"),
        ('[[cases]]\nname = "a\\u001b[31m"\n', r"name is .*, and text of one line is wanted \(case 'a.*', line 2\)"),
        ('[[cases]]\nname = "a\\nb"\n', r"and text of one line is wanted"),
        ("[[cases]]\nname = 3\n", r"name is 3, and text of one line is wanted \(case 1, line 2\)"),
        (CASE + "\n" + CASE, r"two cases are called 'a' \(case 'a', line 6\)"),
        ('[[cases]]\nname = "a"\n', r"neither a formulation nor an implementation \(case 'a', line 1\)"),
        (with_key('implementation = "scipy"'), r"both a formulation and an implementation \(case 'a', line 3\)"),
        (
            with_key('"operation" = "softmin"'),
            r"unknown operation 'softmin' \(case 'a', line 4\); did you mean softmax",
        ),
        (with_key("  operation=7"), r"operation is 7, and text of one line is wanted \(case 'a', line 4\)"),
        (with_key('op = "softmax"'), r"unknown key 'op' \(case 'a', line 4\); did you mean operation"),
        (with_key('quantity = "both"'), r"unknown quantity 'both' \(case 'a', line 4\)"),
        (with_key('dtype = "float23"'), r"unknown dtype 'float23' \(case 'a', line 4\); did you mean float32"),
        (with_key("dtype = []"), r"dtype is an array, and one value at least is wanted \(case 'a', line 4\)"),
        (with_key('dtype = ["float16", "float16"]'), r"a dtype twice"),
        (with_key("dtype = [16]"), r"dtype holds 16, and text of one line is wanted"),
        (with_key("scale = true"), r"scale is true, and a finite number not below 0 is wanted \(case 'a', line 4\)"),
        (with_key("scale = [1, -1]"), r"scale holds -1, and a finite number not below 0 is wanted"),
        (with_key("scale = [1, 1.0]"), r"a scale twice"),
        (with_key("scale = {a = 1}"), r"scale is a table"),
        (with_key("scale = 2020-01-01"), r"scale is a date or a time"),
        (with_key("scale = inf"), r"scale is inf, and a finite number"),
        (with_key("shift = nan"), r"shift is nan, and a finite number is wanted"),
        (with_key("max_ulp = nan"), r"max_ulp is nan, and a finite number not below 0 is wanted \(case 'a', line 4\)"),
        (with_key("max_ulp = inf"), r"max_ulp is inf"),
        (with_key("max_ulp = -1"), r"max_ulp is -1"),
        (with_key("max_ulp = false"), r"max_ulp is false"),
        (with_key('max_ulp = "4"'), r"max_ulp is '4', and a finite number not below 0 is wanted"),
        (with_key("max_nan = 0.5"), r"max_nan is 0.5, and a whole number from 0 and up to 9007199254740992 is wanted"),
        (with_key("max_nan = -1"), r"max_nan is -1"),
        (with_key("max_nan = true"), r"max_nan is true"),
        (with_key("factor = 0.5"), r"factor is 0.5, and a finite number not below 1 is wanted"),
        (with_key("timeout = -1"), r"timeout is -1, and a finite number above 0 is wanted"),
        (with_key("rows = 0"), r"rows is 0, and a whole number from 1 is wanted"),
        (with_key("rows = 1.0"), r"rows is 1.0, and a whole number"),
        (with_key("seed = 18446744073709551616"), r"seed is 18446744073709551616"),
        (with_key("max_rows = 3"), r"max_rows goes with an input file, and the case has none \(case 'a', line 1\)"),
        (with_key('input = "x.npy"\nrows = 3'), r"rows is of random logits, and the case has an input file"),
        (with_key('input = "-"'), r"standard input can be read only once \(case 'a', line 4\)"),
        (with_key('dist = "norm"'), r"unknown distribution 'norm' \(case 'a', line 4\); did you mean normal"),
        (with_key('compute = "f32"'), r"unknown dtype 'f32' \(case 'a', line 4\)"),
        (with_key('arithmetic = "strong"'), r"unknown arithmetic 'strong' \(case 'a', line 4\)"),
        (with_key('sum_order = "kahan"'), r"an order of sums, kahan, is not for native arithmetic"),
        (with_key('operation = "cross_entropy"\nmax_kl = 1'), r"max_kl is of probabilities.*\(case 'a', line 5\)"),
        (
            with_key('quantity = "gradient"\nargmax_flips = 1'),
            r"argmax_flips is of probabilities.*\(case 'a', line 5\)",
        ),
        (
            '[[cases]]\nname = "a"\nformulation = "shiftd"\n',
            r"unknown formulation of softmax 'shiftd' \(case 'a', line 3\); did you mean shifted",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(str(tmp_path))
    assert str(refused.value).isprintable()


def of(implementation: str) -> str:
    return f'[[cases]]\nname = "a"\nimplementation = "{implementation}"\n'


@pytest.mark.parametrize(
    "code", ["my.py:softmax", "package.module:f", "command:./prog", "./my.py", "my.py", "/tmp/x", "command"]
)
def test_a_configuration_names_no_code(tmp_path: Path, code: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, of(code))
    assert "(case 'a', line 3)" in str(refused.value)
    assert "which a configuration does not name" in str(refused.value)
    assert "--impl NAME=..." in str(refused.value)


def test_names_of_implementations(tmp_path: Path) -> None:
    assert read(tmp_path, of("scipy")).cases[0].spec is None
    assert read(tmp_path, of("kernel"), kernel="a.py:f").cases[0].spec == "a.py:f"
    with pytest.raises(InputError, match=r"the implementation 'kernel' is bound to nothing .*--impl kernel="):
        read(tmp_path, of("kernel"))
    with pytest.raises(InputError, match=r"unknown implementation 'kernle' .*did you mean kernel"):
        read(tmp_path, of("kernle"), kernel="a.py:f")
    with pytest.raises(InputError, match=r"--impl other=... is of no case; they name kernel"):
        read(tmp_path, of("kernel"), kernel="a.py:f", other="a.py:g")
    with pytest.raises(InputError, match=r"--impl other=... is of no case; they name none"):
        read(tmp_path, CASE, other="a.py:g")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        config.read(str(tmp_path / "none.toml"), {})
    with pytest.raises(InputError, match=r"[Dd]irectory"):
        config.read(str(tmp_path), {})
    (tmp_path / "x.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(InputError, match=r"it is not UTF-8 \(line 2\)"):
        config.read(str(tmp_path / "x.toml"), {})


def test_inline_cases_have_no_lines_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"max_ulp is -1, .* \(case 'a'\)$"):
        read(tmp_path, 'cases = [{name = "a", formulation = "lse", max_ulp = -1}]\n')


def test_python_3_10_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def none(name: str, *arguments: Any) -> Any:
        if name in ("tomllib", "tomli"):
            raise ModuleNotFoundError(name=name)
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", none)
    with pytest.raises(InputError, match=r"x: .*tomli.*; pip install tomli, or overflowscope\[toml\]"):
        toml.loaded("x", "")
