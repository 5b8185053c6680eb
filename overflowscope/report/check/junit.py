"""JUnit's XML, as Surefire writes it and Jenkins and others read it: a test case for each check."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from overflowscope.errors import printable
from overflowscope.records.check import Check, Checked, Result
from overflowscope.report import Look
from overflowscope.report.check import _sentences as sentences

SUITE = "overflowscope check"


def render(found: Check, look: Look) -> str:
    """One suite. No time is in it: the same findings are the same bytes."""
    failures, errors = (str(len(sentences.having(found, r))) for r in (Result.FINDING, Result.ERROR))
    tests = str(len(found.checks))
    totals = {"tests": tests, "failures": failures, "errors": errors}
    root = ElementTree.Element("testsuites", {"name": SUITE, **totals})
    suite = ElementTree.SubElement(root, "testsuite", {"name": SUITE, **totals, "skipped": "0"})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in sorted(found.environment.items()):
        ElementTree.SubElement(properties, "property", {"name": printable(name), "value": printable(value or "")})
    for checked in found.checks:
        _case(suite, checked)
    ElementTree.indent(root)
    # What is not ASCII becomes a character reference, so that any encoding holds it. What XML 1.0 has no way to say
    # (control characters, lone surrogates, U+FFFE and U+FFFF) is not printable, and was escaped before.
    body = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: ElementTree.Element, checked: Checked) -> None:
    owner = ".".join(("overflowscope", *printable(checked.subject).split()))
    case = ElementTree.SubElement(suite, "testcase", {"classname": owner, "name": sentences.key(checked)})
    if checked.result == Result.ERROR:
        said = sentences.error(checked)
        ElementTree.SubElement(case, "error", {"type": "error", "message": said}).text = said
    elif checked.result == Result.FINDING:
        # One element however many findings: several are against the schema.
        kind = sentences.result(checked)
        failure = ElementTree.SubElement(case, "failure", {"type": kind, "message": _message(checked)})
        failure.text = "\n".join(_lines(checked))


def _message(checked: Checked) -> str:
    first, *more = sentences.faults(checked) or [sentences.Fault((), "no reason was given", None)]
    return f"{first.line} (and {len(more)} more)" if more else first.line


def _lines(checked: Checked) -> Iterator[str]:
    for fault in sentences.faults(checked):
        yield from (f"{sentences.key(checked)}: {figures}" for figures in fault.figures)
        yield from (part for part in (fault.reason, fault.command) if part)
