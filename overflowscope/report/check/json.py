"""JSON that any parser reads: no bare NaN or Infinity."""

from __future__ import annotations

import json

from overflowscope.records.check import Check
from overflowscope.report import Look


def render(found: Check, look: Look) -> str:
    """The whole check, indented; what is not ASCII is escaped, so that any encoding holds it."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"
