"""CSV: a line for each result, nested keys joined by a dot; RFC 4180 with plain newlines."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from overflowscope.records import Report
from overflowscope.report import Look


def render(report: Report, look: Look) -> str:
    """Null is an empty field; nan and the infinities are nan, inf, -inf. Columns are the same for every result."""
    lines = [_flat("", result) for result in report.to_dict()["results"]]
    columns = list(dict.fromkeys(key for line in lines for key in line))
    # A record that is null in one line and not in another: its own column would stand beside those of its keys.
    columns = [c for c in columns if not any(other.startswith(c + ".") for other in columns)]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _flat(prefix: str, record: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(f"{prefix}{key}.", value)
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat
