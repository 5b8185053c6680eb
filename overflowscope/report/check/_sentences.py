"""What every form says of a check in words: a line for a finding, a line for what could not run, and the counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from overflowscope.errors import printable
from overflowscope.records.check import Check, Checked, Finding, Result

FAULTS = (Result.ERROR, Result.FINDING)
"""The results that do not hold, gravest first."""
GRAVEST = ("nan", "overflow", "underflow")
"""The findings that are named before others of the same check: they say what the others come of."""


def key(checked: Checked) -> str:
    """What the check is called, in one line without control characters."""
    return printable(checked.key)


def result(checked: Checked) -> str:
    """One word or two: small letters where the check holds, capitals where not: what is gravest, and how much more."""
    if checked.result == Result.ERROR:
        return "ERROR"
    if checked.result != Result.FINDING:
        return str(Result(checked.result).value)
    if not checked.findings:
        return "FINDING"
    kinds = [f.what for f in checked.findings]
    first = next((kind for kind in GRAVEST if kind in kinds), kinds[0])
    more = f" +{len(kinds) - 1}" if len(kinds) > 1 else ""
    return printable(first).upper().replace("_", " ") + more


def figures(finding: Finding) -> str:
    """What it is about, in numbers: max_ulp was 0.5, is 4,096, limit 4."""
    if finding.what == "empty":
        return "empty"
    named = (("was", finding.old), ("is", finding.new), ("limit", finding.limit))
    numbers = ", ".join(f"{word} {number(value)}" for word, value in named if value is not None)
    return f"{printable(finding.what)} {numbers}".rstrip()


@dataclass(frozen=True)
class Fault:
    """Findings of one check that have one reason and one command, each in numbers; all without control characters."""

    figures: tuple[str, ...]
    reason: str
    command: str | None

    @property
    def line(self) -> str:
        """All but the command."""
        return ": ".join(part for part in ("; ".join(self.figures), self.reason) if part)


def faults(checked: Checked) -> list[Fault]:
    """The findings of a check, those together that stand together and have the same to say."""
    return [
        Fault(tuple(map(figures, block)), printable(reason), printable(command) if command else None)
        for (reason, command), block in groupby(checked.findings, key=lambda f: (f.reason, f.command))
    ]


def error(checked: Checked) -> str:
    """Why it could not run, in its own words."""
    return printable(" ".join((checked.error or "").split())) or "no reason was given"


def number(value: float) -> str:
    """Whole numbers with all their digits, others with six; nan, inf, -inf."""
    if not math.isfinite(value):
        return str(float(value))
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def having(found: Check, of: Result) -> list[Checked]:
    """The checks of that result, in order."""
    return [c for c in found.checks if c.result == of]


def counts(found: Check) -> str:
    """How many hold, and how many do not."""
    held = [c for c in found.checks if c.result not in FAULTS]
    broken, ended = (len(having(found, r)) for r in (Result.FINDING, Result.ERROR))
    said = [f"{len(held)} {'holds' if len(held) == 1 else 'hold'}"]
    if broken:
        said.append(f"{broken} {'does' if broken == 1 else 'do'} not")
    if ended:
        said.append(f"{ended} could not run")
    return ", ".join(said) if found.checks else "nothing was checked"


def remarks(found: Check) -> list[str]:
    """What there is to say of the baseline, and what to do about it."""
    if found.baseline is None:
        return []
    file, said = printable(found.baseline.file), []
    if found.baseline.differs:
        others = ", ".join(printable(d) for d in found.baseline.differs)
        said.append(f"{file} was made on another platform ({others}): errors may grow by a larger factor")
    if found.baseline.updated:
        return [*said, f"{file} is written anew"]
    # Nothing is written where a case could not run.
    once = ", once every case can run" if having(found, Result.ERROR) else ""
    better, new = (sum(c.result == r for c in found.checks) for r in (Result.IMPROVED, Result.NEW))
    if better:
        said.append(f"{better} {'is' if better == 1 else 'are'} better than {file} has it; --update keeps that{once}")
    if new:
        said.append(f"{new} {'is' if new == 1 else 'are'} new: not in {file}; --update adds{once}")
    # Of what is another case now, or has vanished, the finding itself says so.
    if any(f.old is not None for c in found.checks for f in c.findings):
        said.append(f"where a change is meant, --update writes it to {file}{once}")
    return said
