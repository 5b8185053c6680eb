"""Whether implementations keep their limits, and do no worse than they did: a gate for continuous integration."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from overflowscope import __version__, formats
from overflowscope.environment import environment
from overflowscope.errors import InputError
from overflowscope.records import Measurement
from overflowscope.records.check import BaselineSummary, Check, Checked, Finding, Result
from overflowscope.studies.check import baseline, judge
from overflowscope.studies.check.baseline import Baseline, Key, Record
from overflowscope.studies.check.cases import Case, Input, explained, measured
from overflowscope.studies.check.command import command
from overflowscope.studies.check.worker import Failed, Worker

SCHEMA = "overflowscope.check/1"
ELSEWHERE = 4.0
"""By what a largest error may exceed that of a baseline made on another platform."""
FIGURES = (*judge.LIMITS.values(), "saturated")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to check. ``config`` is the file that it is from; ``baseline`` the name of the baseline's file.

    With ``update`` nothing is held against the baseline, and a new one is made. ``whole``: the baseline is of these
    cases alone, so that what it has beside them has vanished; else it keeps that.
    """

    cases: Sequence[Case]
    config: str | None
    baseline: str
    update: bool = False
    whole: bool = True


@dataclass(frozen=True)
class Answer:
    """The check, and the text of the new baseline; None where none is to be written."""

    check: Check
    baseline: str | None


def run(plan: Plan, prepare: Callable[[], None], advance: Callable[[int], None] = lambda cases: None) -> Answer:
    """Measure every case in another process, and judge it here.

    Each implementation has a process of its own, in which its cases run one after another: what a person's code changes
    for a whole process (NumPy's functions, its state of errors, random numbers) it changes for itself alone.
    ``prepare`` is called in that process first, ``advance`` with the number of cases done since the last call, 0
    included. Raises InputError for a baseline that cannot be used, and where a case has neither a limit nor a baseline.
    """
    known = baseline.read(plan.baseline)
    _check_purpose(plan, known)
    _import_formats(plan.cases)
    facts = environment()
    if plan.update and not plan.whole and known is not None and known.differs(facts):
        what = f"it was made on another platform ({', '.join(known.differs(facts))})"
        raise InputError(what, source=plan.baseline, hint="make all of it anew, or name another by --baseline")
    run = _Run(plan, known, facts)
    for cases in _by_implementation(plan.cases):
        with Worker(prepare, lambda: advance(0)) as worker:
            for case in cases:
                run.case(case, worker)
                advance(1)
    return run.answer()


def _by_implementation(cases: Sequence[Case]) -> Iterable[list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.spec or case.implementation or "", []).append(case)
    return found.values()


def _check_purpose(plan: Plan, known: Baseline | None) -> None:
    """Raises InputError for a case that could not fail: with no limit, and beside a baseline without any record, or
    alone beside one that has none of it. Among others what is new is told as new."""
    records = known.records if known is not None else {}
    aimless = [case for case in plan.cases if not case.limits]
    if not aimless or plan.update or (records and (plan.whole or _any_recorded(aimless, records))):
        return
    what = f"nothing of it is in {plan.baseline}" if known is not None else f"there is no baseline {plan.baseline}"
    raise InputError(
        f"{aimless[0].name!r} has no limit, and {what}",
        source=plan.config,
        hint="give it a limit such as max_ulp = 4 (--max-ulp 4), or make a baseline with --update",
    )


def _any_recorded(cases: Sequence[Case], records: Mapping[Key, Record]) -> bool:
    return any((c.name, dtype, scale) in records for c in cases for dtype in c.dtype for scale in c.scale)


def _import_formats(cases: Sequence[Case]) -> None:
    """So that the environment names the package that brings a format; where it is missing the case says so."""
    for name in {name for case in cases for name in (*case.dtype, case.compute, case.accumulator) if name}:
        with contextlib.suppress(InputError):
            _ = formats.named(name).dtype


class _Run:
    """What is gathered on the way."""

    def __init__(self, plan: Plan, known: Baseline | None, facts: Mapping[str, str | None]):
        self.plan, self.known, self.facts = plan, known, facts
        self.differs = list(known.differs(facts)) if known is not None else []
        self.checks: list[Checked] = []
        self.records: list[Record] = []

    def case(self, case: Case, worker: Worker) -> None:
        """Every format at every scale; or why it could not be run."""
        try:
            given, measurements, _ = worker.call(measured, (case,), case.timeout)
        except Failed as why:
            self.checks.append(_failed(case, str(why)))
            return
        for m in measurements:
            if m.status != "ok":
                self.checks.append(replace(_failed(case, m.explanation or m.status), dtype=m.dtype, scale=m.scale))
            else:
                self.checks.append(self._checked(case, given, m, worker))

    def _checked(self, case: Case, given: Input, m: Measurement, worker: Worker) -> Checked:
        record = baseline.recorded(case, given, m)
        self.records.append(record)
        old = self.known.records.get(record.key) if self.known is not None else None
        factor = self._factor(case, record, old)
        findings = self._judged(case, record, m, old, factor)
        if findings:
            m, row = _seen_again(case, m, worker)
            repeat = command(case, m, row)
            findings = tuple(replace(f, command=repeat) for f in self._judged(case, record, m, old, factor))
        return Checked(
            case=case.name,
            operation=m.operation,
            quantity=m.quantity,
            formulation=m.formulation,
            implementation=m.implementation,
            version=m.version,
            dtype=m.dtype,
            scale=m.scale,
            rows=m.rows,
            elements=m.elements,
            result=self._result(record, old, findings, factor).value,
            limits=case.limits,
            figures=record.figures,
            baseline=old.figures if old is not None else None,
            findings=findings,
            error=None,
        )

    def _factor(self, case: Case, record: Record, old: Record | None) -> float:
        """The case's own, else by how far the platform is the baseline's. A library counts for its own records."""
        elsewhere = bool(self.known is not None and self.known.differs(self.facts))
        if old is not None and None not in (old.version, record.version) and old.version != record.version:
            elsewhere = True
            if record.implementation not in self.differs:
                self.differs.append(record.implementation)
        return case.factor or (ELSEWHERE if elsewhere else judge.FACTOR)

    def _judged(
        self, case: Case, record: Record, m: Measurement, old: Record | None, factor: float
    ) -> tuple[Finding, ...]:
        if old is None or self.plan.update:
            return judge.judged(m, case.limits)
        changed = baseline.changed(old, record)
        if not changed and old.input == record.input:
            return judge.judged(m, case.limits, old.figures, factor)
        # Of something else the old figures say nothing.
        what, reason = (
            ("definition", ", ".join(changed)) if changed else ("input", "its logits or labels are not the baseline's")
        )
        reason = f"{reason}: where that is meant, --update makes the baseline anew"
        other = Finding(what=what, new=None, old=None, limit=None, reason=reason, command=None)
        return (*judge.judged(m, case.limits), other)

    def _result(self, record: Record, old: Record | None, findings: tuple[Finding, ...], factor: float) -> Result:
        if findings:
            return Result.FINDING
        if old is None:
            return Result.NEW if self.known is not None or self.plan.update else Result.OK
        same = not baseline.changed(old, record) and old.input == record.input
        return Result.IMPROVED if same and _improved(old, record, factor) else Result.OK

    def answer(self) -> Answer:
        """The whole of it."""
        places = {case.name: i for i, case in enumerate(self.plan.cases)}
        self.checks.sort(key=lambda checked: places[checked.case])
        others = self._others()
        if not self.plan.update and self.plan.whole:
            self.checks += [_vanished(record) for record in others]
        errors = any(c.result == Result.ERROR.value for c in self.checks)
        findings = any(c.result == Result.FINDING.value for c in self.checks)
        updated = self.plan.update and not errors
        summary = BaselineSummary(file=self.plan.baseline, differs=tuple(self.differs), updated=updated)
        check = Check(
            schema=SCHEMA,
            version=__version__,
            time=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            environment=self.facts,
            config=self.plan.config,
            baseline=summary if self.known is not None or self.plan.update else None,
            status=2 if errors else 1 if findings else 0,
            checks=tuple(self.checks),
        )
        kept = [] if self.plan.whole else others
        return Answer(check, baseline.written(self.facts, [*self.records, *kept]) if updated else None)

    def _others(self) -> list[Record]:
        """What the baseline has and this run has not; what could not be run has not vanished."""
        if self.known is None:
            return []
        failed = {c.case for c in self.checks if c.result == Result.ERROR.value}
        made = {record.key for record in self.records}
        return [r for key, r in sorted(self.known.records.items()) if key not in made and r.case not in failed]


def _seen_again(case: Case, m: Measurement, worker: Worker) -> tuple[Measurement, int | None]:
    """The measurement with its explanation, and the row that shows the worst of it by itself; as far as can be had."""
    row = m.worst.row if m.worst is not None else None
    try:
        again = worker.call(explained, (case, m.dtype, m.scale, row), case.timeout)
    except Failed:
        return m, None
    return replace(m, explanation=again.measurements[0].explanation), row if again.alone else None


def _improved(old: Record, new: Record, factor: float) -> bool:
    before, now = old.figures, new.figures
    fewer = any((getattr(now, name) or 0) < (getattr(before, name) or 0) for name in judge.COUNTS)
    if before.max_ulp is None or now.max_ulp is None:
        return fewer
    return fewer or now.max_ulp < before.max_ulp / factor


def _failed(case: Case, error: str) -> Checked:
    return Checked(
        case=case.name,
        operation=case.operation,
        quantity=case.quantity,
        formulation=case.formulation,
        implementation=case.implementation or "numpy",
        version=None,
        dtype=None,
        scale=None,
        rows=0,
        elements=0,
        result=Result.ERROR.value,
        limits=case.limits,
        figures=None,
        baseline=None,
        findings=(),
        error=error,
    )


def _vanished(record: Record) -> Checked:
    reason = "the baseline has it, and no case makes it: where that is meant, --update makes the baseline anew"
    finding = Finding(what="vanished", new=None, old=None, limit=None, reason=reason, command=None)
    return Checked(
        case=record.case,
        operation=record.operation,
        quantity=record.quantity,
        formulation=record.formulation,
        implementation=record.implementation,
        version=record.version,
        dtype=record.dtype,
        scale=record.scale,
        rows=0,
        elements=0,
        result=Result.FINDING.value,
        limits={},
        figures=None,
        baseline=record.figures,
        findings=(finding,),
        error=None,
    )
