"""What a conformance study found: rows of special values, what each implementation gives there, and who agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overflowscope.records import strict

SCHEMA = "overflowscope.conformance/1"
LIMIT = "limit"
"""The convention that is the truth; any other has the name of a library."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """``count`` equal values, one after the other."""

    value: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The limit in the extended reals, correctly rounded to the format, in the order of the classes.

    ``status`` is ok; undefined where there is no limit (the values are nan then); undecided where no enclosure settled
    the rounding: there are no values then. In a format without infinities an overflow is nan.
    """

    status: str
    values: tuple[Run, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one implementation gives for one row, rounded to the format where it ``returned`` another one.

    ``status`` is ok; unsupported for what a library does not have; error where a function failed: there are no values
    then, and ``reason`` says why. ``agrees`` says of each convention whether the answer agrees with it, null where one
    of the two has none.
    """

    name: str
    status: str
    reason: str | None
    returned: str
    values: tuple[Run, ...]
    agrees: Mapping[str, bool | None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of logits as the format holds it. ``label`` is null for operations that take none."""

    name: str
    about: str
    logits: tuple[Run, ...]
    label: int | None
    limit: Truth
    answers: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """In how many cases an implementation agrees with a convention, of those in which both have an answer."""

    name: str
    convention: str
    agree: int
    cases: int


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The cases of one operation in one format."""

    operation: str
    dtype: str
    cases: tuple[Case, ...]
    agreement: tuple[Agreement, ...]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """An implementation: a formulation of ours, a library or a person's function; the version of what computes."""

    name: str
    formulation: str | None
    implementation: str
    version: str | None


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """Special values by implementation; ``to_dict()`` is the JSON document. ``agreement`` is over all results."""

    schema: str
    version: str
    environment: Mapping[str, str | None]
    implementations: tuple[Contestant, ...]
    conventions: tuple[str, ...]
    results: tuple[Cases, ...]
    agreement: tuple[Agreement, ...]

    def to_dict(self) -> dict[str, Any]:
        """As Report's."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain
