"""Whose word counts where libraries disagree: the limit's, or that of a library which gives nan there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.cases import Contender
from overflowscope.catalogue import Operation, have_limits, named, operations
from overflowscope.errors import InputError, Unmeasured, unknown
from overflowscope.evaluate import evaluate
from overflowscope.formats import Floats
from overflowscope.libraries import offered
from overflowscope.records import Reference, State

LIMIT = "limit"
Runs = Mapping[str, Callable[..., Any]]
"""By a contender's subject: the library's own implementation of it."""


def chosen_convention(name: str, contenders: Sequence[Contender]) -> Runs:
    """What the library of that name has of the contenders' operations; nothing for the limit.

    This imports the library. Raises InputError for an unknown name, and where the library is not installed.
    """
    if name == LIMIT:
        return {}
    known = dict.fromkeys(library for operation in operations().values() for library in operation.counterparts)
    if name not in known:
        raise unknown("convention", name, [LIMIT, *known])
    library = offered(name)
    found: dict[str, Callable[..., Any]] = {}
    for contender in contenders:
        for own in library.implementations(named(contender.operation.name)):
            run = own.run if contender.operation.quantity == "value" else own.gradient
            if run is not None:
                found[contender.subject] = partial(_asked, name, run)
    return found


def _asked(name: str, run: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return run(*arguments)
    except Unmeasured as error:
        raise InputError(f"there is no convention of {name}: {error.what}", hint="--convention limit") from None


def held(
    truth: Reference,
    operation: Operation,
    run: Callable[..., Any],
    logits: Floats,
    labels: NDArray[np.int64] | None,
) -> Reference:
    """The truth, with all undefined that ``run`` gives nan for in rows whose truth is a limit (nan, infinities).

    In other rows a nan is no convention but a failure. Raises InputError where the library has not got what is asked.
    """
    defined = (truth.state == int(State.DEFINED)).reshape(len(logits), -1).any(-1)
    rows = have_limits(logits) & defined
    if not rows.any():
        return truth
    answer = evaluate(operation, run, logits[rows], None if labels is None else labels[rows], truth.fmt)
    state = truth.state.copy()
    state[rows] = np.where(np.isnan(answer.values), np.uint8(State.UNDEFINED), state[rows])
    return replace(truth, state=state)
