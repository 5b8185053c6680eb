"""Checks made by hand, in every form.

The rendered texts are kept in ``snapshots/``. ``UPDATE_SNAPSHOTS=1 python -m pytest tests/report`` writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from checks import COMMAND, WHY, check, checked, everything, failed, finding, sound
from rich.cells import cell_len

from overflowscope import InputError, report
from overflowscope.records.check import BaselineSummary, Checked
from overflowscope.report import Look
from overflowscope.report.check import forms, render

SNAPSHOTS = Path(__file__).parent / "snapshots"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


LOOKS = {
    "table-80.txt": ("table", Look(80)),
    "table-160.txt": ("table", Look(160)),
    "table-80-color.txt": ("table", Look(80, color=True)),
    "table-40-ascii.txt": ("table", Look(40, ascii=True)),
    "markdown.md": ("markdown", Look(80)),
    "github.txt": ("github", Look(80)),
    "junit.xml": ("junit", Look(80)),
}


@pytest.mark.parametrize("made", [everything, sound], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", LOOKS)
def test_snapshots(made: Any, name: str) -> None:
    form, look = LOOKS[name]
    text = render(form, made(), look)
    path = SNAPSHOTS / f"check-{made.__name__}-{name}"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode()


class TestForms:
    def test_they_are_those_of_a_check_alone(self) -> None:
        assert forms() == ["github", "json", "junit", "markdown", "table"]
        assert "check" not in report.forms()
        with pytest.raises(InputError, match="unknown format 'jnit'; did you mean junit"):
            render("jnit", sound(), Look())

    @pytest.mark.parametrize("form", ["github", "json", "junit", "markdown", "table"])
    def test_text_ends_in_a_newline_and_empty_checks_are_said(self, form: str) -> None:
        for made in (everything(), sound(), check(), check(failed("a", ""), config=None)):
            text = render(form, made, Look())
            assert text.endswith("\n")
            assert not text.endswith("\n\n")
        if form not in ("json", "junit"):
            assert "nothing was checked" in render(form, check(), Look())

    def test_json_is_strict_and_complete(self) -> None:
        def refuse(name: str) -> None:
            raise AssertionError(name)

        made = everything()
        assert json.loads(render("json", made, Look()), parse_constant=refuse) == made.to_dict()
        assert made.to_dict()["checks"][4]["findings"][0]["new"] == "inf"

    def test_the_time_is_in_json_alone(self) -> None:
        later = dataclasses.replace(everything(), time="2027-01-01T00:00:00Z")
        for form in forms():
            same = render(form, later, Look()) == render(form, everything(), Look())
            assert same == (form != "json")


class TestTable:
    def test_what_broke_is_seen_and_what_to_do(self) -> None:
        lines = render("table", everything(), Look(80)).splitlines()
        rows = {line.split()[0]: line for line in lines[2:10]}
        assert " NAN +2 " in rows["kernel"]
        assert " UNDECIDED " in rows["loss"]
        assert " VANISHED " in rows["gone"]
        assert " ERROR " in rows["my_gpu"]
        assert " new " in rows["a-new-case"]
        assert " improved " in rows["lse"]
        assert "- kernel, float32, scale 100: max_ulp was 0.75, is inf, limit 1.125" in lines
        assert "- kernel, float32, scale 100: nan was 0, is 12, limit 0" in lines
        assert lines[-1] == "4 hold, 3 do not, 1 could not run"
        errors = [i for i, line in enumerate(lines) if "could not run: scipy is not installed; pip" in line]
        assert errors
        assert errors[0] < lines.index("- kernel, float32, scale 100: nan was 0, is 12, limit 0")

    def test_a_command_is_one_line_at_any_width_and_said_once_for_one_reason(self) -> None:
        for width in (40, 80, 160):
            lines = render("table", everything(), Look(width)).splitlines()
            assert lines.count(f"  {COMMAND}") == 2
            text = " ".join(" ".join(lines).split())
            assert text.count(WHY) == 1
            assert "rows sum to nan" in text

    def test_lines_fit_but_for_commands(self) -> None:
        long = check(checked("x" * 200, finding(), implementation="my.py:" + "f" * 100), failed("e" * 90, "why " * 50))
        for made in (everything(), sound(), long):
            for width in (40, 60, 80, 100, 120, 160):
                for ascii in (False, True):
                    for line in render("table", made, Look(width, ascii=ascii)).splitlines():
                        # A word is not broken either: it may be a name to be copied.
                        assert cell_len(line) <= width or COMMAND in line or len(line.split()[-1]) > width - 8, line

    def test_the_result_is_there_at_any_width(self) -> None:
        for width in range(40, 200, 8):
            heading, *rest = render("table", everything(), Look(width)).splitlines()
            assert heading.split()[:2] == ["case", "dtype"] or "computed by" in heading
            assert "result" in heading
            assert any("NAN" in line for line in rest)

    def test_colours_say_nothing_that_words_do_not(self) -> None:
        for made in (everything(), sound()):
            plain, colored = (render("table", made, Look(90, color=c)) for c in (False, True))
            assert "\x1b" not in plain
            assert [ESCAPES.sub("", line).rstrip() for line in colored.splitlines()] == plain.splitlines()
        assert "\x1b[1;31m4 hold, 3 do not, 1 could not run" in render("table", everything(), Look(90, color=True))
        assert "\x1b[1;32m2 hold" in render("table", sound(), Look(90, color=True))

    def test_ascii_is_ascii(self) -> None:
        made = check(checked("na\u00efve \u03bb", finding(reason="\u2264 4")))
        assert render("table", made, Look(60, ascii=True)).isascii()

    def test_of_the_baseline(self) -> None:
        def said(*checks: Checked, differs: tuple[str, ...] = (), updated: bool = False) -> str:
            baseline = BaselineSummary(file="b.json", differs=differs, updated=updated)
            return " ".join(render("table", check(*checks, baseline=baseline), Look(200)).split())

        assert "- b.json was made on another platform (simd, libc)" in said(checked("a"), differs=("simd", "libc"))
        assert "- 1 is new: not in b.json; --update adds" in said(checked("a", result="new"))
        assert "- 2 are better than b.json has it" in said(*(checked(c, result="improved") for c in "ab"))
        assert "where a change is meant, --update writes it to b.json" in said(checked("a", finding(old=1.0)))
        assert "where a change is meant" not in said(checked("a", finding("vanished", None, None)))
        assert "where a change is meant" not in said(checked("a", finding()))
        broken = said(checked("a", result="new"), checked("b", result="error"))
        assert "--update adds, once every case can run" in broken
        assert "- b.json is written anew" in said(checked("a", result="new"), updated=True)
        assert "--update" not in said(checked("a", result="new"), updated=True)
