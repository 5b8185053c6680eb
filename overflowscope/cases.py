"""What is to be measured: the input as rows on demand, and the operations, contenders and formats asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from overflowscope import catalogue, draws, formats
from overflowscope.catalogue import Operation
from overflowscope.errors import InputError, unknown
from overflowscope.formats import Floats, Format
from overflowscope.implementations import checked
from overflowscope.inputs import Logits

OPERATIONS = ("softmax", "cross_entropy")
FORMULATIONS = ("naive", "shifted", "lse")
DTYPES = ("float16", "float32", "float64")
"""What is compared unless asked otherwise."""
MOST = 10**12
"""More logits than this are refused at once."""


class Source(Protocol):
    """Rows of float64 logits, before scale and shift, and their labels (None where the source has none)."""

    name: str
    distribution: str | None
    count: int
    classes: int
    leading: tuple[int, ...]
    has_labels: bool

    def logits(self, rows: range) -> Floats: ...

    def labels(self, rows: range) -> NDArray[np.int64]: ...

    def sha256(self) -> str: ...


@dataclass(frozen=True)
class Random:
    """Rows drawn from the seed; see draws."""

    distribution: str
    seed: int
    count: int
    classes: int
    name: str = "random"
    has_labels: bool = False

    def __post_init__(self) -> None:
        if self.distribution not in draws.DISTRIBUTIONS:
            raise unknown("distribution", self.distribution, draws.DISTRIBUTIONS)
        if self.count * self.classes > MOST:
            raise InputError(f"{self.count * self.classes:,} logits are more than {MOST:,}", hint="fewer --rows or --classes")

    @property
    def leading(self) -> tuple[int, ...]:
        return (self.count,)

    def logits(self, rows: range) -> Floats:
        return draws.draw(self.distribution, self.seed, rows, self.classes)

    def labels(self, rows: range) -> NDArray[np.int64]:
        return draws.draw_labels(self.seed, rows, self.classes)

    def sha256(self) -> str:
        """Of all drawn doubles, little-endian, row by row, before scale and shift."""
        digest = hashlib.sha256()
        for rows in blocks(self.count, self.classes):
            digest.update(self.logits(rows).astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Given:
    """Logits from a file or an array; labels are drawn from the seed where it has none."""

    given: Logits
    seed: int
    distribution: str | None = None

    @property
    def name(self) -> str:
        return self.given.source

    @property
    def count(self) -> int:
        return len(self.given.values)

    @property
    def classes(self) -> int:
        return self.given.values.shape[1]

    @property
    def leading(self) -> tuple[int, ...]:
        return self.given.leading

    @property
    def has_labels(self) -> bool:
        return self.given.labels is not None

    def logits(self, rows: range) -> Floats:
        return self.given.values[rows.start : rows.stop]

    def labels(self, rows: range) -> NDArray[np.int64]:
        if self.given.labels is None:
            return draws.draw_labels(self.seed, rows, self.classes)
        return self.given.labels[rows.start : rows.stop]

    def sha256(self) -> str:
        return self.given.sha256


def blocks(count: int, classes: int, elements: int = 2**16) -> Iterable[range]:
    """The rows in blocks of about that many elements."""
    step = max(1, elements // classes)
    return (range(start, min(start + step, count)) for start in range(0, count, step))


@dataclass(frozen=True)
class Contender:
    """One implementation of one operation: ``run`` takes (xp, logits) or (xp, logits, labels)."""

    operation: Operation
    formulation: str | None
    implementation: str
    run: Callable[..., Any]

    @property
    def name(self) -> str:
        return self.formulation or self.implementation


def contenders(
    operations: Sequence[str] | None, formulations: Sequence[str] | None, implementations: Sequence[tuple[str, Callable[..., Any]]]
) -> list[Contender]:
    """The contenders asked for, operation by operation; a person's functions stand last in theirs.

    ``formulations`` may hold "all". A name that one of the operations has need not exist in the others, but an
    operation left without any is an error where operations were named. Raises InputError for unknown names.
    """
    chosen = [catalogue.named(n) for n in _names(operations or OPERATIONS)]
    wanted = _names(formulations or FORMULATIONS)
    known = {f for op in chosen for f in op.formulations}
    for name in wanted:
        if name != "all" and formulations and name not in known:
            where = chosen[0].name if len(chosen) == 1 else "these operations"
            raise unknown(f"formulation of {where}", name, sorted(known))
    found = []
    for op in chosen:
        names = list(op.formulations) if "all" in wanted else [n for n in wanted if n in op.formulations]
        if not names and operations and not implementations:
            raise unknown(f"formulation of {op.name}", wanted[0], op.formulations)
        found += [Contender(op, n, "numpy", op.formulations[n].function) for n in names]
    if implementations and len(operations or ()) > 1:
        raise InputError("--impl goes with one --op, and several were named", hint="run once for each")
    target = chosen[0] if operations else catalogue.named("softmax")
    extra = [Contender(target, None, spec, checked(spec, function)) for spec, function in implementations]
    at = max((i + 1 for i, c in enumerate(found) if c.operation is target), default=0)
    return found[:at] + extra + found[at:]


def unseen(contenders: Sequence[Contender]) -> list[Contender]:
    """The formulations of their one operation that were not asked for: run along, to be recommended if they do well."""
    operation, asked = contenders[0].operation, {c.formulation for c in contenders}
    others = (f for f in operation.formulations.values() if f.name not in asked and not f.approximation)
    return [Contender(operation, f.name, "numpy", f.function) for f in others]


def _names(names: Iterable[str]) -> list[str]:
    """Without repetitions, - taken for _."""
    return list(dict.fromkeys(n.replace("-", "_") for n in names))


def chosen_formats(dtypes: Sequence[str] | None) -> list[Format]:
    """The formats asked for, each of which can be made here. Raises InputError for unknown names and missing extras."""
    found = [formats.named(n) for n in _names(dtypes or DTYPES)]
    for fmt in found:
        _ = fmt.dtype
    return found


def check_labels(source: Source, ignore_index: int, rows: range) -> NDArray[np.bool_]:
    """Which rows count, their label not being the one to ignore. Raises InputError for a label that is no class."""
    labels = source.labels(rows)
    counted: NDArray[np.bool_] = labels != ignore_index
    wrong = counted & ((labels < 0) | (labels >= source.classes))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"label {int(labels[row])} is no class of {source.classes}",
            source=source.name,
            where=f"row {rows.start + row}",
            hint=f"labels run from 0 to {source.classes - 1}; --ignore-index skips rows",
        )
    return counted
