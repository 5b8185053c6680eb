"""What would have been enough: changes tried on this very input, in order of simplicity, against the exact values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from overflowscope.formats import FORMATS, Floats, Format
from overflowscope.records.trace import Remedy
from overflowscope.studies.trace.calculation import Calculation
from overflowscope.studies.trace.enclosures import Truths
from overflowscope.studies.trace.history import History

Change = Callable[[Any, Any, Callable[[Any], Any]], Any]


SMALL, SHORT = 2**10, 200
"""Numbers that are traced anew, smaller, several times, and steps: more take long."""


def _top(xp: Any, x: Any) -> Any:
    return xp.max(x, axis=-1, keepdims=True)


def _size(xp: Any, x: Any) -> Any:
    return xp.max(abs(x), axis=-1, keepdims=True)


def _beside(row: Any, result: Any) -> Any:
    """A number of each row, in the shape of a result of the whole row or of one number for each."""
    return row if row.ndim == result.ndim else row[..., 0]


def _shift(xp: Any, x: Any, f: Any) -> Any:
    return f(x - _top(xp, x))


def _shift_back(xp: Any, x: Any, f: Any) -> Any:
    result = f(x - _top(xp, x))
    return _beside(_top(xp, x), result) + result


def _centre(xp: Any, x: Any, f: Any) -> Any:
    return f(x - xp.mean(x, axis=-1, keepdims=True))


def _scale(xp: Any, x: Any, f: Any) -> Any:
    return f(x / _size(xp, x))


def _scale_back(xp: Any, x: Any, f: Any) -> Any:
    result = f(x / _size(xp, x))
    return _beside(_size(xp, x), result) * result


@dataclass(frozen=True)
class Entry:
    """A change to any function of rows: its name, how the verdict says it, its formula."""

    name: str
    sentence: str
    formula: str
    change: Change


OF_ROWS = (
    Entry("shift", "Shifting by the maximum", "f(x - max)", _shift),
    Entry("shift_back", "Shifting by the maximum, and adding it back,", "max + f(x - max)", _shift_back),
    Entry("centre", "Subtracting the mean first", "f(x - mean)", _centre),
    Entry("scale", "Scaling by the largest magnitude", "f(x / max|x|)", _scale),
    Entry("scale_back", "Scaling by the largest magnitude, and back,", "max|x| * f(x / max|x|)", _scale_back),
)


@dataclass(frozen=True)
class Judge:
    """What results should be: their shape, the exact values, and the format."""

    shape: tuple[int, ...]
    truths: Truths
    fmt: Format


def judge(history: History) -> Judge:
    """By the exact values of the traced run itself."""
    return Judge(history.result.shape, history.truths, history.fmt)


def fault(values: Floats, judge: Judge) -> str | None:
    """What is wrong with results: None where they are clean.

    Clean is: every element that has a true value is finite where that is, no wrong zero, and right to at least half of
    its bits. Nothing is clean of which the truth is not enclosed.
    """
    if values.shape != judge.shape:
        return f"gives the shape {values.shape}"
    fmt, errors = judge.fmt, judge.truths.distances(values)
    lost = np.isinf(errors)
    for what, mask in (("nan", np.isnan(values)), ("inf", np.isinf(values))):
        if (lost & mask).any():
            return f"gives {what}"
    if np.isnan(errors).any():
        return "cannot be checked, for the exact result is not enclosed"
    if ((values == 0) & (errors > 0.5)).any():
        return "gives a wrong 0"
    bits = float(np.log2(1 + errors.max(initial=0.0)))
    return f"loses {min(bits, fmt.precision):.0f} of {fmt.precision} bits" if bits > fmt.precision / 2 else None


def attempt(name: str, sentence: str, formula: str, run: Callable[[], Floats], judge: Judge) -> Remedy:
    """Run it, and look. A person's function may not take what it is given: then that is what is found."""
    try:
        found = fault(run(), judge)
    except Exception as error:
        found = f"fails: {type(error).__name__}"
    return Remedy(name=name, sentence=sentence, formula=formula, clean=found is None, found=found or "clean")


def of_rows(calculation: Calculation, judge: Judge) -> Iterator[Remedy]:
    """Changes of the input that some functions do not mind: of logits, of a spread, of a length."""
    for entry in OF_ROWS:
        run = functools.partial(calculation.results, entry.change)
        yield attempt(entry.name, entry.sentence, entry.formula, run, judge)


def of_formats(calculation: Calculation, judge: Judge) -> Iterator[Remedy]:
    """The same lines in a wider format, rounded once at the end."""
    for name in ("float32", "float64"):
        wider = FORMATS[name]
        if wider.holds(calculation.fmt) and wider is not calculation.fmt and _is_wider(wider, calculation.compute):
            sentence = f"Computing in {name} and rounding once"
            yield attempt(name, sentence, f"f(x in {name})", calculation.wider(wider).results, judge)


def _is_wider(wider: Format, compute: Format | None) -> bool:
    return compute is None or (wider.holds(compute) and wider is not compute)


def of_scales(calculation: Calculation, clean: Callable[[Calculation], bool]) -> Iterator[Remedy]:
    """Smaller numbers: the largest factor of two digits with which it goes well, found by halving.

    Not for many numbers, for each try traces them anew, and not where the result may not depend on their size.
    """
    if calculation.x.size > SMALL or not np.isfinite(calculation.x).all():
        return
    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clean(calculation.scaled(middle / 100)) else (low, middle)
    sentence = f"Making the {calculation.word}s smaller, {low / 100:g} times as large,"
    if low:
        yield Remedy(name="smaller", sentence=sentence, formula=f"f({low / 100:g} x)", clean=True, found="clean")
    else:
        found = "not for c from 0.01 to 0.99"
        yield Remedy(name="smaller", sentence="Making them smaller", formula="f(c x)", clean=False, found=found)
