"""What was measured before: a file of one record a line, sorted, that later runs are held against."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from overflowscope.errors import InputError
from overflowscope.records import Measurement, strict
from overflowscope.records.check import Figures
from overflowscope.studies.check.cases import Case, Input
from overflowscope.studies.check.judge import figures
from overflowscope.studies.check.keys import kind

SCHEMA = "overflowscope.baseline/1"
PLATFORM = ("numpy", "ml_dtypes", "machine", "simd", "libc")
"""The facts of the environment by which equal code may round otherwise."""
MOST = 2**28
NONFINITE = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}

Key = tuple[str, str, float]
"""(case, dtype, scale)."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a case gave in one format at one scale. The fields up to ``scale`` are its key, those up to ``shift`` what
    it was, but for ``version``, which is that of the library that computed."""

    case: str
    dtype: str
    scale: float
    operation: str
    quantity: str
    formulation: str | None
    implementation: str
    version: str | None
    returned: str
    compute: str
    arithmetic: str
    sum_order: str
    accumulator: str
    shift: float
    input: Mapping[str, str | int | None]
    figures: Figures

    @property
    def key(self) -> Key:
        return self.case, self.dtype, self.scale


DEFINITION = tuple(f.name for f in dataclasses.fields(Record))[3:14]
"""What makes a record that of another case, but for its input."""


@dataclass(frozen=True)
class Baseline:
    """The records of a file by their keys, and the environment that they were made in."""

    environment: Mapping[str, str | None]
    records: Mapping[Key, Record]

    def differs(self, environment: Mapping[str, str | None]) -> tuple[str, ...]:
        """The facts of the platform that are others now. A package that is not there now or was not then is none."""
        pairs = {name: (self.environment.get(name), environment.get(name)) for name in PLATFORM}
        return tuple(
            n for n, (old, new) in pairs.items() if old != new and not (n == "ml_dtypes" and None in (old, new))
        )


def recorded(case: Case, given: Input, m: Measurement) -> Record:
    """A measurement as a record."""
    assert m.scale is not None
    return Record(
        case=case.name,
        dtype=m.dtype,
        scale=m.scale,
        operation=m.operation,
        quantity=m.quantity,
        formulation=m.formulation,
        implementation=m.implementation,
        version=m.version,
        returned=m.returned,
        compute=m.compute,
        arithmetic=m.arithmetic,
        sum_order=m.sum_order,
        accumulator=m.accumulator,
        shift=case.shift,
        input={**given._asdict(), "ignore_index": None if given.labels is None else case.ignore_index},
        figures=figures(m),
    )


def changed(old: Record, new: Record) -> list[str]:
    """What of the definition is another, in words: compute was float32 and is float64. The library's version may be."""
    names = [n for n in DEFINITION if n != "version" and getattr(old, n) != getattr(new, n)]
    return [f"{n} was {_shown(getattr(old, n))} and is {_shown(getattr(new, n))}" for n in names]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def written(environment: Mapping[str, str | None], records: Iterable[Record]) -> str:
    """The text of a baseline: the same records make the same text."""
    facts = [f"    {json.dumps(name)}: {json.dumps(fact)}" for name, fact in sorted(environment.items())]
    lines = [
        f"    {json.dumps(strict(record), allow_nan=False)}"
        for record in sorted(records, key=lambda record: record.key)
    ]
    return (
        f'{{\n  "schema": "{SCHEMA}",\n  "environment": {{\n'
        + ",\n".join(facts)
        + '\n  },\n  "records": [\n'
        + ",\n".join(lines)
        + "\n  ]\n}\n"
    )


def read(path: str) -> Baseline | None:
    """The baseline in a file; None where there is no such file. Raises InputError for what is none, with its line."""
    try:
        with open(path, "rb") as file:
            given = file.read(MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{error.strerror or error}", source=path) from None
    if len(given) > MOST:
        raise InputError(f"more than {MOST:,} bytes are no baseline", source=path)
    try:
        return parsed(given.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("it is no baseline: it is not UTF-8", source=path) from None
    except InputError as error:
        raise InputError(error.what, source=path, where=error.where, hint=error.hint) from None


REMAKE = "remove it, and make it anew with --update"


def parsed(text: str) -> Baseline:
    """The baseline in a text. Raises InputError, with the line."""
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = f"it is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InputError(what, where=f"line {error.lineno}", hint=REMAKE) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no baseline: {error}", hint=REMAKE) from None
    if not isinstance(document, dict) or "schema" not in document:
        raise InputError("it is no baseline: it names no schema", hint="name another file")
    _check_schema(document["schema"])
    environment, records = document.get("environment"), document.get("records")
    if not isinstance(environment, dict) or not all(v is None or isinstance(v, str) for v in environment.values()):
        raise InputError("environment is no table of facts", where=_line(text, "environment", 0), hint=REMAKE)
    if not isinstance(records, list):
        raise InputError("records are no array", where=_line(text, "records", 0), hint=REMAKE)
    found: dict[Key, Record] = {}
    for i, given in enumerate(records):
        where = _line(text, "case", i)
        record = _record(given, where)
        if record.key in found:
            called = f"{record.case}, {record.dtype}, scale {record.scale:g}"
            raise InputError(f"two records of {called}", where=where, hint=REMAKE)
        found[record.key] = record
    return Baseline(environment, found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key twice, {next(k for i, (k, _) in enumerate(pairs) if k in dict(pairs[:i]))!r}")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_schema(schema: Any) -> None:
    name, _, number = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    own, _, version = SCHEMA.partition("/")
    if name != own or not (number.isascii() and number.isdigit()):
        raise InputError(f"its schema is {kind(schema)}, not {SCHEMA}", hint="name another file")
    if int(number[:9]) != int(version):
        newer = int(number[:9]) > int(version)
        what = f"its schema, {schema}, is {'newer' if newer else 'unknown'}: {SCHEMA} is read here"
        raise InputError(what, hint="upgrade overflowscope, or make it anew" if newer else REMAKE)


def _line(text: str, key: str, number: int) -> str | None:
    """Where a key stands for the n-th time."""
    places = [m.start() for m in re.finditer(rf'"{key}"\s*:', text)]
    return f"line {text.count(chr(10), 0, places[number]) + 1}" if number < len(places) else None


# A record's values


def _record(given: Any, where: str | None) -> Record:
    if not isinstance(given, dict):
        raise InputError(f"a record is {kind(given)}", where=where, hint=REMAKE)
    values = {f.name: _field(given, f.name, str(f.type), where) for f in dataclasses.fields(Record)[:14]}
    inner = _field(given, "figures", "dict", where)
    judged = {f.name: _field(inner, f.name, str(f.type), where) for f in dataclasses.fields(Figures)}
    source = _field(given, "input", "dict", where)
    if not all(v is None or isinstance(v, str | int) for v in source.values()):
        raise InputError("input holds what is neither text nor a whole number", where=where, hint=REMAKE)
    return Record(**values, input=source, figures=Figures(**judged))


def _field(given: Mapping[str, Any], name: str, wanted: str, where: str | None) -> Any:
    """A value of the type that an annotation names."""
    if name not in given:
        raise InputError(f"a record without {name}", where=where, hint=REMAKE)
    value = given[name]
    if "float" in wanted and isinstance(value, str) and value in NONFINITE:
        return NONFINITE[value]
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if "float" in wanted and (whole or isinstance(value, float)):
        return float(value)
    right = (
        (value is None and "None" in wanted)
        or (isinstance(value, str) and "str" in wanted)
        or (whole and value >= 0 and wanted.startswith("int"))
        or (isinstance(value, dict) and wanted == "dict")
    )
    if not right:
        raise InputError(f"{name} is {'null' if value is None else kind(value)}", where=where, hint=REMAKE)
    return value
