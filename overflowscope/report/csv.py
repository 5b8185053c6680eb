"""CSV: a line for each result, nested keys joined by a dot; RFC 4180 with plain newlines."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any, get_args, get_type_hints

from overflowscope.records import Measurement, Report
from overflowscope.report import Look


def render(report: Report, look: Look) -> str:
    """Null is an empty field; nan and the infinities are nan, inf, -inf. The columns are the same in every document."""
    lines = [_flat("", result) for result in report.to_dict()["results"]]
    out = io.StringIO()
    writer = csv.DictWriter(out, _columns("", Measurement), extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _columns(prefix: str, record: Any) -> list[str]:
    """The names of a record's fields, and of those of the records in it, whether or not they may be null."""
    columns = []
    for name, kind in get_type_hints(record).items():
        inner = next((k for k in (kind, *get_args(kind)) if dataclasses.is_dataclass(k)), None)
        columns += _columns(f"{prefix}{name}.", inner) if inner else [prefix + name]
    return columns


def _flat(prefix: str, record: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(f"{prefix}{key}.", value)
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat
