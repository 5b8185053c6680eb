"""Checks of any names, reasons and commands, in every form, read back by what reads the form."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from checks import COMMAND, WHY, check, checked, everything, failed, finding, sound
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from overflowscope.errors import printable
from overflowscope.records.check import BaselineSummary, Check
from overflowscope.report import Look
from overflowscope.report.check import forms, render

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
