"""Where logits and labels come from: the argument and the options that commands share, and what they mean."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._options import Listed, Number, Whole
from overflowscope.errors import InputError

if TYPE_CHECKING:
    from overflowscope.sources import Source

RANDOM: dict[str, Any] = {"dist": "normal", "rows": 256, "classes": 10}
"""What random logits are, unless said."""


_DECORATORS = (
    click.argument("input", required=False),
    click.option(
        "--dist",
        metavar="NAME",
        help="Random logits: normal, uniform, laplace, cauchy, lognormal, or ordinal: every finite number of the "
        "format equally likely [default: normal].",
    ),
    click.option(
        "--scale",
        type=Listed(Number(least=0.0)),
        default="1",
        metavar="NUMBER,...",
        help="Multiplies the logits; a list gives a block each [default: 1].",
    ),
    click.option("--shift", type=Number(), default="0", metavar="NUMBER", help="Is added to them [default: 0]."),
    click.option("--rows", type=Whole(1), help="Random rows [default: 256]."),
    click.option("--classes", type=Whole(1, 2**31), help="Random classes [default: 10]."),
    click.option("--seed", type=Whole(0, 2**64 - 1), default="0", help="Of random logits and labels [default: 0]."),
    click.option("--key", metavar="NAME", help="Which array of an .npz, .safetensors or JSON object."),
    click.option("--labels", "labels_file", metavar="FILE", help="Labels, one whole number a row (JSON or .npy)."),
    click.option(
        "--ignore-index",
        type=Whole(-(2**63)),
        default="-100",
        help="cross_entropy skips rows of this label [default: -100].",
    ),
    click.option("--max-rows", type=Whole(1), help="Read so many rows of the input."),
)


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """INPUT and the options of what is read or drawn; ``source`` takes what a person gave for them."""
    for decorator in reversed(_DECORATORS):
        command = decorator(command)
    return command


def source(asked: dict[str, Any]) -> Source:
    """The rows asked for. Raises InputError."""
    from overflowscope import sources

    if asked["input"] is None:
        for option in ("key", "max_rows"):
            if asked[option] is not None:
                raise InputError(f"--{option.replace('_', '-')} goes with an input file, and none was given")
        drawn = {name: default if asked[name] is None else asked[name] for name, default in RANDOM.items()}
        rows = sources.drawn(drawn["dist"], asked["seed"], drawn["rows"], drawn["classes"])
    else:
        rows = sources.given(_read(asked), asked["seed"])
    if asked["labels_file"] is None:
        return rows
    from overflowscope.reading import read_labels

    labels = read_labels(asked["labels_file"])
    if asked["max_rows"] is not None and len(labels) == math.prod(rows.leading):
        labels = labels[: rows.count]
    return sources.labelled(rows, labels, asked["labels_file"])


def _read(asked: dict[str, Any]) -> Any:
    from overflowscope.reading import read_logits

    for option in RANDOM:
        if asked[option] is not None:
            hint = "--max-rows takes the first rows of a file" if option == "rows" else None
            raise InputError(f"--{option} is of random logits, and {asked['input']} was given", hint=hint)
    if asked["input"] == "-" and sys.stdin is None:
        raise InputError("standard input is closed", hint="pipe logits in, or name a file")
    if asked["input"] == "-" and sys.stdin.isatty():
        raise InputError("standard input is a terminal, with nothing to read", hint="pipe logits in, or name a file")
    return read_logits(asked["input"], key=asked["key"], max_rows=asked["max_rows"])
