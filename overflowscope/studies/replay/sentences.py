"""A sentence on each training: what was born where and where it spread, or that all went well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from overflowscope.catalogue import named
from overflowscope.records.replay import FirstNonfinite, ReplayRun
from overflowscope.studies.digits import number
from overflowscope.studies.replay.network import PARAMETERS

FORWARD = {"XW1", "HW2", "log", "loss"}
BACKWARD = {"dlogits", "dH", "dW1", "dW2"}
"""What a sentence tells of where it spread: of the arrays of the way forward all but these, backward these alone."""


def explained(runs: Sequence[ReplayRun]) -> list[ReplayRun]:
    """The same with their sentences."""
    return [replace(run, explanation=_sentence(run, runs)) for run in runs]


def _sentence(run: ReplayRun, runs: Sequence[ReplayRun]) -> str:
    about = f"sigma {run.sigma:g}, {run.loss}, {run.dtype}"
    if run.first_nonfinite is None:
        return f"{about}: {_well(run)}"
    parts = _born(run.first_nonfinite), _spread(run.first_nonfinite), _ended(run, run.first_nonfinite)
    return f"{about}: {'; '.join(filter(None, (*parts, _remedies(run, runs))))}"


def _well(run: ReplayRun) -> str:
    right = "" if run.accuracy is None else f", and {100 * run.accuracy:.1f}% of the held-out images are right"
    first, last = number(run.steps[0].loss), number(run.steps[-1].loss)
    went = f"goes from {first} to {last}" if len(run.steps) > 1 else f"is {first}"
    return f"nothing is inf or nan in {_steps(len(run.steps))}; the loss {went}{right}"


def _born(first: FirstNonfinite) -> str:
    healthy = f"after {_steps(first.step)} without, " if first.step else ""
    where = f"step {first.step} (epoch {first.epoch}, batch {first.batch}), {first.phase}"
    by = "" if first.tensor == first.operation else f", by {first.operation}"
    return f"{healthy}the first {first.value} is born at {where}, in {first.tensor}{by}: it is {first.cause}"


def _spread(first: FirstNonfinite) -> str:
    """Through which arrays of its step it went on, and as what."""
    birth = next((i for i, r in enumerate(first.spread) if r.tensor == first.tensor), -1)
    after = [r for r in first.spread[birth + 1 :] if (r.tensor in BACKWARD or r.tensor[0] != "d") and _told(r.tensor)]
    kinds = [(kind, [r.tensor for r in group]) for kind, group in groupby(after, key=lambda r: str(r.value))]
    told = ", then ".join(f"{kind} in {', '.join(tensors)}" for kind, tensors in kinds)
    return f"from there it is {told}" if told else ""


def _told(tensor: str) -> bool:
    return tensor not in {*FORWARD, *PARAMETERS}


def _ended(run: ReplayRun, first: FirstNonfinite) -> str:
    """What its update left of the weights, and how the training ended."""
    after, last = run.steps[first.step], run.steps[-1]
    hit = [name for name, count in after.nonfinite.items() if count]
    if not hit:
        return "its update leaves all weights finite"
    kind = "nan" if any(after.nan.values()) else "inf"
    left = f"its update leaves {kind} in {' and '.join(filter(None, (', '.join(hit[:-1]), hit[-1])))}"
    if last is after or not math.isnan(last.largest_logit):
        return left
    when = "of the next batch" if last.step == after.step + 1 else f"of step {last.step}"
    return f"{left}, and all logits {when} are nan"


def _remedies(run: ReplayRun, runs: Sequence[ReplayRun]) -> str:
    """What else was run here and stayed finite: other losses from the same weights, the same loss from others.

    Losses that are other functions than the cross-entropy are none.
    """
    fine = [r for r in runs if r.dtype == run.dtype and r.first_nonfinite is None]
    known = named("cross_entropy").formulations
    losses = [r.loss for r in fine if r.sigma == run.sigma and not (known[r.loss].approximation or known[r.loss].trap)]
    sigmas = [f"sigma {r.sigma:g}" for r in fine if r.loss == run.loss]
    found = losses + sigmas
    return f"what stops it: {' or '.join(filter(None, (', '.join(found[:-1]), found[-1])))}" if found else ""


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"
