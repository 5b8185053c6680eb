"""JSON that any parser reads: no bare NaN or Infinity."""

from __future__ import annotations

import json

from overflowscope.records import Report
from overflowscope.report import Look


def render(report: Report, look: Look) -> str:
    """The whole report, indented; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
