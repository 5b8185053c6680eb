"""The command line that shows one measurement again, to be pasted."""

from __future__ import annotations

import shlex

from overflowscope import catalogue
from overflowscope.records import Measurement
from overflowscope.studies.check.cases import Case


def command(case: Case, m: Measurement, row: int | None) -> str:
    """``overflowscope compare`` of the case in one format at one scale; of one row alone where it is named."""
    words = ["overflowscope", "compare"]
    if case.input is not None:
        # What begins with a dash would be taken for an option.
        words.append(f"./{case.input}" if case.input.startswith("-") else case.input)
    words += ["--op", case.operation]
    takes_labels = catalogue.named(case.operation).takes_labels
    random = case.input is None
    for option, value in (
        ("formulation", case.formulation),
        ("impl", case.spec or case.implementation),
        ("quantity", None if case.quantity == "value" else case.quantity),
        ("dtype", m.dtype),
        ("scale", m.scale),
        ("shift", case.shift or None),
        ("dist", case.dist),
        ("rows", case.rows),
        ("classes", case.classes),
        ("seed", case.seed if random or case.seed else None),
        ("key", case.key),
        ("labels", case.labels),
        ("max-rows", case.max_rows),
        ("max-bytes", case.max_bytes),
        ("ignore-index", case.ignore_index if takes_labels and case.ignore_index != -100 else None),
        ("compute", case.compute),
        ("arithmetic", None if case.arithmetic == "native" else case.arithmetic),
        ("sum-order", case.sum_order),
        ("accumulator", case.accumulator),
        ("row", row),
    ):
        if value is not None:
            words += [f"--{option}", repr(value).removesuffix(".0") if isinstance(value, float) else str(value)]
    return shlex.join(words)
