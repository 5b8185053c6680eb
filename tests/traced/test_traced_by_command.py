"""Examples traced by the command line: from files, as a person would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import Example
from expected import EXAMPLES, module_of

CHOSEN = (
    "softmax, a logit above log(largest)",
    "softmax, ordinary logits",
    "softmax centred by its mean",
    "softmax in place, the same rows",
    "z-scores of a constant row",
    "E[x^2] - E[x]^2 below zero",
    "Welford, a square too large",
    "hypot, a square too large",
    "log-likelihood, an outlier",
    "attention, a row with nothing left",
    "attention, a mask of -inf",
    "gradient clipping, a norm that is inf",
    "shares of a sum that cancelled to 0",
    "cross-entropy, a label whose exp vanishes",
)


@pytest.mark.parametrize("name", CHOSEN)
def test_an_example(name: str, invoke: Callable[..., Any], here: Path) -> None:
    example = next(e for e in EXAMPLES if e.name == name)
    np.save(here / "x.npy", np.array(example.x, dtype=example.dtype))
    arguments = _arguments(example, here)
    file = module_of(example).__file__
    finished = invoke("trace", "x.npy", "--json", f"--function={file}:{example.function}", *arguments)
    assert (finished.status, finished.err) == (0, "")
    birth, found = example.birth, finished.document
    if birth is None:
        assert found["birth"] is None
    else:
        assert (found["birth"]["operation"], found["birth"]["kind"]) == (birth.operation, birth.kind)
        assert tuple(found["birth"]["index"]) == birth.index
    for phrase in example.says:
        assert any(p in found["verdict"].lower() for p in phrase.split("|")), found["verdict"]
    assert invoke("trace", "x.npy", f"--function={file}:{example.function}", *arguments).status == 0


def _arguments(example: Example, here: Path) -> list[str]:
    arguments = [f"--dtype={example.dtype}", *(["--per-row"] if example.per_row else [])]
    for key, values in example.inputs.items():
        if key != "x":
            np.save(here / f"{key}.npy", values)
            arguments.append(f"--arg={key}={key}.npy")
    return arguments
