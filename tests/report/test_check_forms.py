"""Checks made by hand, in every form; and names, reasons and commands of any characters, read back by each reader.

The rendered texts are kept in ``snapshots/``. ``UPDATE_SNAPSHOTS=1 python -m pytest tests/report`` writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len

from overflowscope import InputError, report
from overflowscope.errors import printable
from overflowscope.records.check import BaselineSummary, Check, Checked, Figures, Finding
from overflowscope.report import Look
from overflowscope.report.check import forms, render

SNAPSHOTS = Path(__file__).parent / "snapshots"
INF, NAN = math.inf, math.nan
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
WHY = "naive softmax: nan in 3 rows: exp of a logit above 88.7228 is inf, and inf/inf is nan; use shifted"
COMMAND = "overflowscope compare --op softmax --impl 'my kernels.py:softmax' --dtype float32 --scale 100 --row 17"


def figures(**changes: Any) -> Figures:
    """Of a sound check, but for what is changed."""
    sound = Figures(
        max_ulp=1.5,
        nan=0,
        overflow=0,
        underflow=0,
        saturated=0,
        row_sum_off=1.25e-07,
        max_kl=3e-15,
        argmax_flips=0,
    )
    return dataclasses.replace(sound, **changes)


def finding(what: str = "max_ulp", new: float | None = 12.0, limit: float | None = 4.0, **changes: Any) -> Finding:
    made = Finding(what=what, new=new, old=None, limit=limit, reason=WHY, command=COMMAND)
    return dataclasses.replace(made, **changes)


def checked(case: str, *findings: Finding, **changes: Any) -> Checked:
    """A check that holds, unless there are findings, but for what is changed."""
    made = Checked(
        case=case,
        operation="softmax",
        quantity="value",
        formulation=None,
        implementation="kernel",
        version=None,
        dtype="float32",
        scale=100.0,
        rows=256,
        elements=2560,
        result="finding" if findings else "ok",
        limits={"max_ulp": 4.0},
        figures=figures(),
        baseline=None,
        findings=findings,
        error=None,
    )
    return dataclasses.replace(made, **changes)


def failed(case: str, error: str, **changes: Any) -> Checked:
    """One that could not run."""
    nothing = {"dtype": None, "scale": None, "rows": 0, "elements": 0, "figures": None}
    return checked(case, result="error", error=error, **{**nothing, **changes})


def check(*checks: Checked, **changes: Any) -> Check:
    results = {c.result for c in checks}
    made = Check(
        schema="overflowscope.check/1",
        version="0.1.0",
        time="2026-01-02T03:04:05Z",
        environment={"numpy": "2.4.0", "simd": "AVX2", "scipy": None},
        config="pyproject.toml",
        baseline=None,
        status=2 if "error" in results else 1 if "finding" in results else 0,
        checks=checks,
    )
    return dataclasses.replace(made, **changes)


def everything() -> Check:
    """Every result, findings of one reason and of several, nulls, a gradient, a baseline of another platform."""
    was = figures(max_ulp=0.75)
    return check(
        checked("shifted"),
        checked("shifted", dtype="float16", scale=1.0, baseline=was, limits={}),
        checked("a-new-case", result="new", figures=figures(row_sum_off=None, max_kl=None, argmax_flips=None)),
        checked("lse", result="improved", formulation="lse", implementation="numpy", baseline=figures(max_ulp=96.0)),
        checked(
            "kernel",
            finding("max_ulp", INF, 1.125, old=0.75),
            finding("nan", 12.0, 0.0, old=0.0),
            finding("row_sum_off", NAN, 1e-6, reason="rows sum to nan", command=None),
            figures=figures(max_ulp=INF, nan=12, row_sum_off=NAN, max_kl=NAN, argmax_flips=3),
            baseline=was,
        ),
        checked(
            "loss",
            finding("undecided", 2.0, 0.0, reason="2 elements have a truth too near a tie to say", command=None),
            operation="cross_entropy",
            quantity="gradient",
            dtype="float8_e4m3fn",
            figures=figures(row_sum_off=None, max_kl=None, argmax_flips=None),
        ),
        checked("gone", finding("vanished", None, None, reason="the baseline has it, and the run has not"), rows=0),
        failed("my_gpu", "scipy is not installed; pip install scipy, or overflowscope[scipy]"),
        baseline=BaselineSummary(file="overflowscope-baseline.json", differs=("simd", "numpy"), updated=False),
    )


def sound() -> Check:
    """All hold."""
    return check(
        checked("softmax", scale=1.0),
        checked("softmax", scale=1.0, dtype="float64"),
        baseline=BaselineSummary(file="base.json", differs=(), updated=True),
    )


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
        assert "- b.json is written anew" in said(checked("a", result="new"), updated=True)
        assert "--update" not in said(checked("a", result="new"), updated=True)


# Every form is read back: what anybody may have written into a config, a module or an exception is text to its reader.

HOSTILE = (
    "a\nb",
    "::error::x",
    "a\n::set-env name=PATH::x",
    "##[error]x",
    "a,b:c%0A%3A",
    "\r\n\t\x00\x1b[31m\x7f\u2028\ufeff",
    "]]><x a=\"'&amp;",
    "\ud800\uffff\ufffe",
    "[red]x[/red]:smile:",
    "|a\\|b|`c``d`",
    "# h\n- [ ] <script>x</script> ![i](u) **b** _e_ ~~s~~ &lt;",
    "```\nx\n````",
    "````",
    "<script x",
    "1. x",
    "+ x",
    "---",
    "$(touch x); `id`",
    "",
    " ",
)
words = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.text(alphabet="`|\\<>&:#%[]()*_~-+=. \n\r1a", max_size=12),
)


def hostile(case: str, reason: str, command: str, error: str) -> Check:
    return check(
        checked(case, finding(what=case or "x", reason=reason, command=command), implementation=reason),
        checked("sound", implementation=error),
        failed(case, error, operation="x" + case),
        environment={case: reason},
        baseline=BaselineSummary(file=case, differs=(reason,), updated=False),
        config=case,
    )


def hostility(test: Any) -> Any:
    for text in HOSTILE:
        test = example(case=text, reason=text, command=text, error=text)(test)
    return settings(max_examples=60, deadline=None)(given(case=words, reason=words, command=words, error=words)(test))


def why(error: str) -> str:
    """What is said of an error: in one line."""
    return printable(" ".join(error.split())) or "no reason was given"


@hostility
def test_a_terminal_is_given_no_control_characters(case: str, reason: str, command: str, error: str) -> None:
    made = hostile(case, reason, command, error)
    lines = render("table", made, Look(100)).splitlines()
    assert all(line.isprintable() for line in lines)
    assert not command or f"  {printable(command)}".rstrip() in lines


# JUnit: what Jenkins' schema (junit-10.xsd) and Surefire's allow, read off them.

ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "property": {"name", "value"},
    "testcase": {"name", "classname"},
    "failure": {"type"},
    "error": {"type"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error"},
}


def parsed(text: str) -> ElementTree.Element:
    assert text.isascii()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')
    root = ElementTree.fromstring(text.encode())
    for node in root.iter():
        assert set(node.attrib) <= ATTRIBUTES[node.tag]
        assert set(node.attrib) >= REQUIRED.get(node.tag, set())
        assert {child.tag for child in node} <= CHILDREN.get(node.tag, set())
    for suite in (root, *root.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        assert all(len(case) <= 1 for case in cases)
        assert int(suite.attrib["tests"]) == len(cases)
        for kind in ("failure", "error"):
            assert int(suite.attrib[f"{kind}s"]) == sum(case.find(kind) is not None for case in cases)
    return root


@hostility
def test_xml_is_read_back(case: str, reason: str, command: str, error: str) -> None:
    made = hostile(case, reason, command, error)
    [suite] = parsed(render("junit", made, Look()))
    assert [c.attrib["name"] for c in suite.iter("testcase")] == [printable(c.key) for c in made.checks]
    [failure], [fault] = suite.iter("failure"), suite.iter("error")
    assert printable(reason) in failure.attrib["message"]
    assert (failure.text or "").endswith(printable(command) or printable(reason))
    assert fault.text == fault.attrib["message"] == why(error)


def test_xml_of_everything() -> None:
    [suite] = parsed(render("junit", everything(), Look()))
    assert suite.attrib["failures"] == "3"
    cases = {c.attrib["name"]: c for c in suite.iter("testcase")}
    assert len(cases) == 8
    assert cases["loss, float8_e4m3fn, scale 100"].attrib["classname"] == "overflowscope.cross_entropy.gradient"
    kernel = cases["kernel, float32, scale 100"].find("failure")
    assert kernel is not None
    assert kernel.attrib["type"] == "NAN +2"
    assert kernel.attrib["message"].endswith(f"{WHY} (and 1 more)")
    assert COMMAND in (kernel.text or "").splitlines()
    assert len(cases["shifted, float32, scale 100"]) == 0


# GitHub: the runner's reader (ActionCommand.cs), both of its forms, and its toolkit's escapes.

DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}
PROPERTY = {**DATA, "%3A": ":", "%2C": ","}


def unescaped(text: str, escapes: dict[str, str]) -> str:
    return re.sub("|".join(escapes), lambda m: escapes[m[0]], text)


def command_of(line: str) -> tuple[str, dict[str, str], str] | None:
    """(command, properties, data) as the runner takes it; None for a line of the log."""
    assert line.isprintable() or not line
    rest = line.lstrip()
    if rest.startswith("::") and "::" in rest[2:]:
        head, _, data = rest[2:].partition("::")
        name, _, properties = head.partition(" ")
        pairs = dict(p.split("=", 1) for p in properties.split(",") if p.strip())
        return name, {k.strip(): unescaped(v, PROPERTY) for k, v in pairs.items()}, unescaped(data, DATA)
    assert "##[" not in line, "the old form of a command"
    return None


@hostility
def test_annotations_are_read_back(case: str, reason: str, command: str, error: str) -> None:
    made = hostile(case, reason, command, error)
    lines = render("github", made, Look()).splitlines()
    first, second = command_of(lines[0]), command_of(lines[1])
    assert first is not None
    assert second is not None
    assert first == (
        "error",
        {"title": f"{printable(made.checks[2].key)}: could not run"},
        why(error),
    )
    assert second[:2] == ("error", {"title": printable(made.checks[0].key)})
    assert second[2].split("\n")[1:] == ([printable(command)] if command else [])
    assert printable(reason) in second[2].split("\n")[0]
    assert not any(map(command_of, lines[2:]))


def test_at_most_ten_annotations_the_errors_first() -> None:
    many = [checked(f"c{i}", finding("nan", 1.0, 0.0), finding("max_ulp")) for i in range(14)]
    lines = render("github", check(*many, failed("dead", "it raised")), Look()).splitlines()
    found = [c for c in map(command_of, lines) if c]
    assert len(found) == 10
    assert found[0][2] == "it raised"
    assert lines[10].startswith("and 5 more: all of them are in the step summary")
    assert lines[-1] == "0 hold, 14 do not, 1 could not run"
    lines = render("github", check(*many[:10]), Look()).splitlines()
    assert len(lines) == 11
    assert render("github", sound(), Look()) == "- base.json is written anew\n2 hold\n"


# Markdown: read by a parser of CommonMark with GitHub's tables.

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def plain(token: Token) -> str:
    """The text of a paragraph or a cell. Nothing in it is more than text."""
    pieces = token.children or []
    bad = {t.type for t in pieces} - {"text", "text_special", "strong_open", "strong_close"}
    assert not bad, bad
    return "".join(t.content for t in pieces)


def squeezed(text: str) -> str:
    return " ".join(printable(text).split())


@hostility
def test_markdown_is_read_back(case: str, reason: str, command: str, error: str) -> None:
    made = hostile(case, reason, command, error)
    tokens = READER.parse(render("markdown", made, Look()))
    kinds = {t.type.removesuffix("_open").removesuffix("_close") for t in tokens}
    assert kinds <= {
        *("paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item", "fence")
    }
    texts = [plain(t) for t in tokens if t.type == "inline"]
    places = [i for i, t in enumerate(tokens) if t.type == "tr_open"]
    assert len(places) == 1 + 3
    width = sum(t.type == "th_open" for t in tokens)
    assert sum(t.type == "td_open" for t in tokens) == 3 * width
    rows = [texts[1 + width * i : 1 + width * (i + 1)] for i in range(4)]
    assert [row[0] for row in rows] == ["case", *(squeezed(c.case) for c in made.checks)]
    at = rows[0].index("computed by")
    assert [row[at] for row in rows[1:]] == [squeezed(c.name) for c in made.checks]
    fences = [t.content for t in tokens if t.type == "fence"]
    assert fences == ([f"{printable(command)}\n"] if command else [])
    items = texts[1 + 4 * width :]
    assert items[0] == squeezed(f"{made.checks[2].key}: could not run: {why(error)}")
    assert items[1].startswith(squeezed(made.checks[0].key).rstrip())
    assert items[1].endswith(squeezed(reason))
    assert sum(t.type == "list_item_open" for t in tokens) == len(items)


def test_neither_width_nor_colour_changes_what_is_for_machines() -> None:
    for form in set(forms()) - {"table"}:
        wanted = render(form, everything(), Look())
        assert all(render(form, everything(), k) == wanted for k in (Look(40), Look(200, color=True, ascii=True)))
        assert "\x1b" not in wanted
