"""Every example, by the functions it calls."""

from __future__ import annotations

import inspect
from types import ModuleType

import expected_algebra as algebra
import expected_losses as losses
import expected_rows as rows
import expected_training as training
import expected_values as values
import functions
import harder
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
    *losses.LOG_SUM_EXP,
    *losses.LOSSES,
    *training.ATTENTION,
    *training.TRAINING,
    *algebra.LIKELIHOOD,
    *algebra.GEOMETRY,
    *algebra.ALGEBRA,
    *algebra.HARMLESS,
]


def module_of(example: Example) -> ModuleType:
    """Where the function of an example stands."""
    return functions if hasattr(functions, example.function) else harder


def lines_of(example: Example, text: str) -> list[int]:
    """The numbers of the lines of the example's function, in its file, that read so."""
    lines, first = inspect.getsourcelines(getattr(module_of(example), example.function))
    return [first + i for i, line in enumerate(lines) if line.strip() == text]
