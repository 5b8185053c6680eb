"""What a check found: each case in each format at each scale, held against its limits and the baseline."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overflowscope.records import contestant, strict, subject


class Result(str, enum.Enum):
    """What became of a check, gravest last. NEW and IMPROVED hold too: they say how it stands to the baseline."""

    OK = "ok"
    IMPROVED = "improved"
    NEW = "new"
    FINDING = "finding"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What limits and baselines judge. Counts are of elements, flips of rows; null is what was not computed.

    ``row_sum_off`` is the largest distance of a row's sum from 1, nan where some sum is nan.
    """

    max_ulp: float | None
    nan: int
    overflow: int
    underflow: int
    saturated: int
    row_sum_off: float | None
    max_kl: float | None
    argmax_flips: int | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A limit that does not hold, or a baseline that is not kept.

    ``what`` names a field of Figures, or is undecided, empty (nothing was measured), vanished (the baseline has it, the
    run has not), input (other logits than the baseline's) or definition (another case under the same name). ``new`` is
    the figure, ``old`` the baseline's, ``limit`` what it was held against; null where there is none. ``command``
    repeats the worst input.
    """

    what: str
    new: float | None
    old: float | None
    limit: float | None
    reason: str
    command: str | None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One case in one format at one scale. ``dtype`` and ``scale`` are null where the case did not get so far.

    ``result`` is ok, improved, new, finding or error; ``limits`` are the case's own; ``error`` says why it could not
    run.
    """

    case: str
    operation: str
    quantity: str
    formulation: str | None
    implementation: str
    version: str | None
    dtype: str | None
    scale: float | None
    rows: int
    elements: int
    result: str
    limits: Mapping[str, float]
    figures: Figures | None
    baseline: Figures | None
    findings: tuple[Finding, ...]
    error: str | None

    @property
    def key(self) -> str:
        """What it is called in one line: softmax-kernel, float16, scale 20."""
        scale = "" if self.scale is None else f"scale {self.scale:g}"
        return ", ".join(part for part in (self.case, self.dtype, scale) if part)

    @property
    def name(self) -> str:
        """As Measurement's."""
        return contestant(self.formulation, self.implementation)

    @property
    def subject(self) -> str:
        """As Measurement's."""
        return subject(self.operation, self.quantity)


@dataclass(frozen=True, kw_only=True)
class BaselineSummary:
    """The baseline that was held against. ``differs`` names the facts of the platform that are others now."""

    file: str
    differs: tuple[str, ...]
    updated: bool


@dataclass(frozen=True, kw_only=True)
class Check:
    """The answer to one check; ``to_dict()`` is the JSON document. ``status`` is the exit status: 0, 1 or 2.

    ``config`` is the file's name, null where flags made the case; ``time`` is when it was made, in UTC, ISO 8601.
    """

    schema: str
    version: str
    time: str
    environment: Mapping[str, str | None]
    config: str | None
    baseline: BaselineSummary | None
    status: int
    checks: tuple[Checked, ...]

    def to_dict(self) -> dict[str, Any]:
        """As Report's."""
        plain = strict(self)
        assert isinstance(plain, dict)
        return plain
