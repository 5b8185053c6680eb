"""Lines of code as people write them, and what to write instead: found among the recorded steps, and run so.

A guess is a guess: each is run on this input and held against the exact values, and one that is wrong is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overflowscope.formats import FORMATS
from overflowscope.records.trace import Remedy
from overflowscope.studies.trace import of_exponentials, of_products
from overflowscope.studies.trace.history import History
from overflowscope.studies.trace.remedies import attempt, judge
from overflowscope.studies.trace.tape import Formula, Replay

Finder = Callable[[History], dict[int, Formula]]


@dataclass(frozen=True)
class Rewrite:
    """What to write for what, and the steps in which it stands: formulas by the steps' numbers."""

    name: str
    better: str
    worse: str
    find: Finder
    called: str = "Writing"


def rewritten(history: History, inputs: Mapping[int, Any]) -> Iterator[Remedy]:
    """Every rewrite that the steps allow, tried."""
    for rewrite in REWRITES:
        formulas = rewrite.find(history)
        if formulas:
            text, run = f"{rewrite.better} for {rewrite.worse}", Replay(history, inputs, formulas).run
            yield attempt(rewrite.name, f"{rewrite.called} {text}", text, run, judge(history))


def of_steps(history: History, inputs: Mapping[int, Any], but: Sequence[str]) -> Iterator[Remedy]:
    """Every step in a wider format, whatever the code casts its numbers to; ``but`` in formats that were enough so."""
    narrowest = min((s.fmt for s in history.steps), key=lambda f: (f.precision, f.emax), default=history.fmt)
    for name in ("float32", "float64"):
        wide = FORMATS[name]
        if wide.holds(narrowest) and wide is not narrowest and name not in but:
            text = f"Computing every step in {name} and rounding once"
            run = Replay(history, inputs, {}, wide).run
            yield attempt(f"steps_in_{name}", text, f"every step in {name}", run, judge(history))


REWRITES = (
    Rewrite("shift_exps", "exp(z - max(z)), shifted by the maximum,", "exp(z)", of_exponentials.shifted_exps),
    Rewrite(
        "log_softmax",
        "z - max - log(sum(exp(z - max)))",
        "log(softmax(z))",
        of_exponentials.log_softmaxes,
        "Giving the raw logits to a log-sum-exp loss,",
    ),
    Rewrite("logsumexp", "max + log(sum(exp(z - max)))", "log(sum(exp(z)))", of_exponentials.logsumexps),
    Rewrite("logaddexp", "logaddexp(a, b)", "log(exp(a) + exp(b))", of_exponentials.logaddexps),
    Rewrite("log1p", "log1p(y)", "log(1 + y)", of_exponentials.log1ps),
    Rewrite("expm1", "expm1(z)", "exp(z) - 1", of_exponentials.expm1s),
    Rewrite("sigmoid", "exp(z)/(1 + exp(z)), where z is negative,", "1/(1 + exp(-z))", of_exponentials.sigmoids),
    Rewrite("log_complement", "-logaddexp(0, z)", "log(1 - 1/(1 + exp(-z)))", of_exponentials.log_complements),
    Rewrite("complement", "e/(1 + e)", "1 - 1/(1 + e)", of_exponentials.complements),
    Rewrite("sum_of_logs", "sum(log(x))", "log(prod(x))", of_products.sums_of_logs),
    Rewrite("mean_of_logs", "exp(c * sum(log(x)))", "prod(x)**c", of_products.means_of_logs),
    Rewrite("hypot", "hypot(a, b)", "sqrt(a**2 + b**2)", of_products.hypots),
    Rewrite("norm", "max|x| * sqrt(sum((x/max|x|)**2)), scaled,", "sqrt(sum(x**2))", of_products.norms),
    Rewrite("variance", "mean((x - mean)**2)", "mean(x**2) - mean**2", of_products.variances),
)
"""In order of simplicity."""
