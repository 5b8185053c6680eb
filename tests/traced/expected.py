"""Every example, by the functions it calls."""

from __future__ import annotations

import inspect
from types import ModuleType

import expected_rows as rows
import expected_values as values
import functions
from examples import Example

EXAMPLES: list[Example] = [
    *rows.SOFTMAX,
    *rows.NORMALISING,
    *rows.SPREAD,
    *values.LENGTH,
    *values.LIKELIHOOD,
    *values.SIGMOID,
    *values.ATTENTION,
    *values.BRANCHES,
]


def module_of(example: Example) -> ModuleType:
    """Where the function of an example stands."""
    return functions


def lines_of(example: Example, text: str) -> list[int]:
    """The numbers of the lines of the example's function, in its file, that read so."""
    lines, first = inspect.getsourcelines(getattr(module_of(example), example.function))
    return [first + i for i, line in enumerate(lines) if line.strip() == text]
