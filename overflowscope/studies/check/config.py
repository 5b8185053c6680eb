"""The configuration of a check: TOML to cases. It sets numbers, choices and names of files, and never names code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overflowscope import libraries
from overflowscope.errors import InputError, unknown
from overflowscope.studies.check import toml
from overflowscope.studies.check.cases import Case, problems
from overflowscope.studies.check.judge import LIMITS
from overflowscope.studies.check.keys import KEYS, SHARED, converted, kind

NAMES = ("overflowscope.toml", "pyproject.toml")
"""Where a configuration is looked for."""
TABLE = "tool.overflowscope"
"""Its table in pyproject.toml; in a file of its own it is all there is."""
BASELINE = "overflowscope-baseline.json"
RANDOM = ("dist", "rows", "classes")
"""What is said above the cases of random logits does not concern those that have a file."""


@dataclass(frozen=True)
class Settings:
    """A configuration: its file, its cases, and the name of the baseline's file, from the current directory."""

    file: str
    cases: tuple[Case, ...]
    baseline: str


def found(directory: str) -> str | None:
    """The configuration in a directory; None where there is none. Raises InputError where there are two."""
    own, shared = (os.path.normpath(os.path.join(directory, name)) for name in NAMES)
    has_shared = False
    if os.path.isfile(shared):
        text = toml.read(shared)
        has_shared = "overflowscope" in text and _table(shared, text) is not None
    if not os.path.isfile(own):
        return shared if has_shared else None
    if has_shared:
        raise InputError(f"{NAMES[0]} and [{TABLE}] of {NAMES[1]} are both here", hint="join them, or name one")
    return own


def read(path: str, bound: Mapping[str, str]) -> Settings:
    """The configuration in a file. ``bound`` is what names of implementations stand for, by the command line.

    Raises InputError, with case, key and line, for whatever is wrong in it.
    """
    text = toml.read(path)
    table = _table(path, text)
    if table is None:
        raise InputError(f"there is no table [{TABLE}]", source=path, hint=f"write [[{TABLE}.cases]]")
    return _Reader(path, table, toml.Lines(text), bound).settings()


def _table(path: str, text: str) -> Mapping[str, Any] | None:
    """The table that the cases are in; None where pyproject.toml has none."""
    document: Any = toml.loaded(path, text)
    if os.path.basename(path) == NAMES[1]:
        for name in TABLE.split("."):
            document = document.get(name) if isinstance(document, dict) else None
    if document is not None and not isinstance(document, dict):
        raise InputError(f"{TABLE} is {kind(document)}, and a table is wanted", source=path)
    return document


@dataclass(frozen=True)
class _Reader:
    """A table of a file, and where its keys stand."""

    path: str
    table: Mapping[str, Any]
    lines: toml.Lines
    bound: Mapping[str, str]

    def settings(self) -> Settings:
        shared = {key: self._shared(key) for key in self.table if key not in ("cases", "baseline")}
        given = self.table.get("cases")
        if not given or not isinstance(given, list) or not all(isinstance(case, dict) for case in given):
            what = "there are no cases" if not given else f"cases is {kind(given)}, and an array of tables is wanted"
            raise self._top("cases", InputError(what, hint=f"write {self._header}"))
        cases: list[Case] = []
        for i, values in enumerate(given):
            case = self._case(i, values, shared)
            if case.name in [other.name for other in cases]:
                raise self._wrong(i, "name", InputError(f"two cases are called {case.name!r}"))
            cases.append(case)
        named = [c.implementation for c in cases if c.implementation is not None]
        for name in self.bound:
            if name not in named:
                hint = f"they name {', '.join(dict.fromkeys(named))}" if named else "they name none"
                raise InputError(f"--impl {name}=... is of no case", source=self.path, hint=hint)
        baseline = self.table.get("baseline", BASELINE)
        if not isinstance(baseline, str) or not baseline.strip():
            raise self._top("baseline", InputError(f"baseline is {kind(baseline)}, and a file's name is wanted"))
        return Settings(self.path, tuple(cases), self._beside(baseline))

    def _shared(self, key: str) -> Any:
        """What stands above the cases."""
        try:
            if key in KEYS and key not in SHARED:
                raise InputError(f"{key} is of one case", hint=f"write it below {self._header}")
            if key not in SHARED:
                raise unknown("key", key, ["cases", "baseline", *SHARED])
            return converted(key, self.table[key])
        except InputError as error:
            raise self._top(key, error) from None

    def _case(self, number: int, given: Mapping[str, Any], shared: Mapping[str, Any]) -> Case:
        if "name" not in given:
            raise self._wrong(number, "name", InputError("the case has no name", hint='write name = "..."'))
        values = {k: v for k, v in shared.items() if "input" not in given or k not in RANDOM}
        values |= {key: self._value(number, key, value) for key, value in given.items()}
        values["spec"] = self.bound.get(values.get("implementation", ""))
        limits = {k: values.pop(k) for k in list(values) if k in LIMITS}
        case = Case(**values, limits=limits)
        for key, problem in problems(case):
            named = next((k for k in limits if problem.what.startswith(f"{k} ")), key)
            raise self._wrong(number, named, problem)
        return case

    def _value(self, number: int, key: str, value: Any) -> Any:
        try:
            if key not in KEYS:
                raise unknown("key", key, KEYS)
            found = converted(key, value)
            if key == "implementation" and found not in self.bound:
                _check_library(found, self.bound)
        except InputError as error:
            raise self._wrong(number, key, error) from None
        return self._beside(found) if key in ("input", "labels") and found != "-" else found

    def _beside(self, name: str) -> str:
        """A file's name in the configuration, from the current directory."""
        return os.path.normpath(os.path.join(os.path.dirname(self.path), name))

    @property
    def _header(self) -> str:
        return f"[[{TABLE}.cases]]" if os.path.basename(self.path) == NAMES[1] else "[[cases]]"

    def _top(self, key: str, error: InputError) -> InputError:
        return InputError(error.what, source=self.path, where=self.lines.of(key), hint=error.hint)

    def _wrong(self, number: int, key: str, error: InputError) -> InputError:
        name = self.table["cases"][number].get("name")
        called = f"case {name!r}" if isinstance(name, str) and name.strip() else f"case {number + 1}"
        line = self.lines.of(key, number)
        return InputError(error.what, source=self.path, where=f"{called}, {line}" if line else called, hint=error.hint)


def _check_library(name: str, bound: Mapping[str, str]) -> None:
    """Raises InputError for anything but a library's name."""
    known = [n for n in libraries.names() if n != "command"]
    if name.partition(":")[0] in known:
        return
    if ":" in name or name.endswith(".py") or "/" in name or name == "command":
        hint = "give it a name here, and --impl NAME=... on the command line"
        raise InputError(f"{name!r} is code, which a configuration does not name", hint=hint)
    if bound:
        raise unknown("implementation", name, [*bound, *known])
    hint = f"--impl {name}=my.py:function; libraries are {', '.join(known)}"
    raise InputError(f"the implementation {name!r} is bound to nothing", hint=hint)
