"""The JSON Schema of a record, read off its fields, so that the two cannot drift apart."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from overflowscope.records import Exact, Report
from overflowscope.records.check import Check
from overflowscope.records.conformance import Conformance
from overflowscope.records.replay import Replay
from overflowscope.records.trace import Trace

NONFINITE = ["nan", "inf", "-inf"]


def compare() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``overflowscope compare --json``."""
    return _document("compare", Report)


def check() -> dict[str, Any]:
    """The JSON Schema of ``overflowscope check --json``."""
    return _document("check", Check)


def conformance() -> dict[str, Any]:
    """The JSON Schema of ``overflowscope conformance --json``."""
    return _document("conformance", Conformance)


def exact() -> dict[str, Any]:
    """The JSON Schema of ``overflowscope exact --json``."""
    return _document("exact", Exact)


def replay() -> dict[str, Any]:
    """The JSON Schema of ``overflowscope replay --json``."""
    return _document("replay", Replay)


def trace() -> dict[str, Any]:
    """The JSON Schema of ``overflowscope trace --json``."""
    return _document("trace", Trace)


SCHEMAS = {
    "check": check,
    "compare": compare,
    "conformance": conformance,
    "exact": exact,
    "replay": replay,
    "trace": trace,
}


def _document(command: str, record: Any) -> dict[str, Any]:
    schema = _of(record)
    name = f"overflowscope.{command}/1"
    schema["properties"]["schema"] = {"const": name}
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name}
    return {**about, "title": f"overflowscope {command}", **schema}


def _of(kind: Any) -> dict[str, Any]:
    """A record is an object with all of its fields; further keys are allowed, so that adding one breaks no reader."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind)]
        about = (kind.__doc__ or "").strip()
        properties = {name: _of(hints[name]) for name in names}
        return {"type": "object", "description": about, "properties": properties, "required": names}
    plain = {str: {"type": "string"}, int: {"type": "integer"}, bool: {"type": "boolean"}, type(None): {"type": "null"}}
    if kind in plain:
        return dict(plain[kind])
    if kind is float:
        return {"anyOf": [{"type": "number"}, {"enum": NONFINITE}]}
    return _of_generic(get_origin(kind), get_args(kind))


def _of_generic(origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(a) for a in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    raise TypeError(f"no JSON Schema for {origin}{arguments}")
