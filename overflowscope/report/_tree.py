"""A trace as a tree: the result at the root, the steps that it was made of as branches."""

from __future__ import annotations

from collections.abc import Iterator

from overflowscope.records.trace import Operand, Step, Trace
from overflowscope.report import Look
from overflowscope.report._columns import short
from overflowscope.report._steps import span, style, what

MOST = 200
"""Lines that a tree has at most."""
DEEP = 24
"""Levels likewise: a loop makes a step out of the one before, again and again."""


def branches(found: Trace, look: Look) -> Iterator[tuple[str, str]]:
    """(line, style) from the result down. A step stands once with what it was made of; then its number is enough."""
    steps = {s.number: s for s in found.steps}
    roots = [s for s in found.steps if s.number in found.result] or list(found.steps[-1:])
    seen: set[int] = set()
    drawn = 0
    stack = [(Operand(kind="step", step=r.number, name=None, value=None, shape=r.shape), "", "", 0) for r in roots]
    while stack:
        operand, first, rest, depth = stack.pop(0)
        if drawn >= MOST:
            yield "... the rest is in --json", "dim"
            return
        drawn += 1
        step = steps.get(operand.step) if operand.step is not None else None
        if step is None:
            yield first + _leaf(operand), ""
            continue
        yield first + _line(found, step, step.number in seen, look), style(found, step)
        if step.number in seen:
            continue
        seen.add(step.number)
        if depth >= DEEP:
            yield f"{rest}...", "dim"
            continue
        stack[:0] = _below(step, rest, depth + 1, look)


def _below(step: Step, prefix: str, depth: int, look: Look) -> list[tuple[Operand, str, str, int]]:
    tee, corner, bar = ("|- ", "`- ", "|  ") if look.ascii else ("├─ ", "└─ ", "│  ")
    last = len(step.operands) - 1
    return [
        (operand, prefix + (corner if i == last else tee), prefix + ("   " if i == last else bar), depth)
        for i, operand in enumerate(step.operands)
    ]


def _line(found: Trace, step: Step, again: bool, look: Look) -> str:
    mark = "x " if step.descendant or (found.birth and found.birth.step == step.number) else ""
    text = f"{mark}{step.number} {step.operation}"
    if again:
        return f"{text} (above)"
    where = f"  {step.source.file}:{step.source.line}" if step.source else ""
    wrong = what(step)
    born = "  <- born here" if found.birth and found.birth.step == step.number else ""
    return f"{text}  {span(step)}{f'  {wrong}' if wrong else ''}{where}{born}"


def _leaf(operand: Operand) -> str:
    if operand.kind == "input":
        return operand.name or "input"
    return "constant" if operand.value is None else short(operand.value)
