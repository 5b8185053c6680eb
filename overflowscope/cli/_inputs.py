"""Where logits and labels come from: the argument and the options that commands share, and what they mean."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._options import Listed, Number, ParamType, Whole
from overflowscope.errors import InputError

if TYPE_CHECKING:
    from overflowscope.sources import Source

RANDOM: dict[str, Any] = {"dist": "normal", "rows": 256, "classes": 10}
"""What random logits are, unless said."""
UNITS = {"": 1} | {unit + "b": 1000**i for i, unit in enumerate(("", "k", "m", "g", "t"))}
UNITS |= {unit + "ib": 1024**i for i, unit in enumerate(("", "k", "m", "g", "t")) if unit}
_SIZE = re.compile(r"(\d{1,20}) ?([a-z]*)", re.ASCII | re.IGNORECASE)


class Size(ParamType):
    """A number of bytes, at least 1: 1000000, 500MB, 2GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value)
        if not found or found[2].lower() not in UNITS:
            self.fail(f"{value!r} is no number of bytes such as 1000000, 500MB or 2GiB", param, ctx)
        size = int(found[1]) * UNITS[found[2].lower()]
        if not 1 <= size <= 2**62:
            self.fail(f"{value} is not between 1 byte and 4 EiB", param, ctx)
        return size


_OPTIONS = (
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
    click.option("--labels", "labels_file", metavar="FILE", help="Labels, one whole number a row, in any such format."),
    click.option(
        "--ignore-index",
        type=Whole(-(2**63)),
        default="-100",
        help="cross_entropy skips rows of this label [default: -100].",
    ),
    click.option("--max-rows", type=Whole(1), help="Measure so many rows of the input, the first."),
    click.option(
        "--max-bytes",
        type=Size(),
        metavar="SIZE",
        help="Refuse JSON documents, .npz, labels and lines above it: they are held whole [default: 1GiB].",
    ),
)


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """INPUT and the options of what is read or drawn; ``source`` takes what a person gave for them."""
    return click.argument("input", required=False)(input_options(command))


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options alone."""
    for decorator in reversed(_OPTIONS):
        command = decorator(command)
    return command


def source(asked: dict[str, Any]) -> Source:
    """The rows asked for. Raises InputError."""
    from overflowscope import sources

    if asked["input"] is None:
        for option in ("key", "max_rows", *(() if asked["labels_file"] else ("max_bytes",))):
            if asked[option] is not None:
                raise InputError(f"--{option.replace('_', '-')} goes with an input file, and none was given")
        drawn = {name: default if asked[name] is None else asked[name] for name, default in RANDOM.items()}
        rows = sources.drawn(drawn["dist"], asked["seed"], drawn["rows"], drawn["classes"])
    else:
        rows = sources.given(_read(asked), asked["seed"])
    if asked["labels_file"] is None:
        return rows
    from overflowscope.reading import MAX_BYTES, read_labels

    if asked["labels_file"] == "-":
        if asked["input"] == "-":
            raise InputError("standard input cannot hold both logits and labels", hint="name a file for one of them")
        _check_standard_input()
    labels = read_labels(asked["labels_file"], max_bytes=asked["max_bytes"] or MAX_BYTES)
    if asked["max_rows"] is not None and len(labels) == math.prod(rows.leading):
        labels = labels[: rows.count]
    return sources.labelled(rows, labels, asked["labels_file"])


def _read(asked: dict[str, Any]) -> Any:
    from overflowscope.reading import MAX_BYTES, read_logits

    for option in RANDOM:
        if asked[option] is not None:
            hint = "--max-rows takes the first rows of a file" if option == "rows" else None
            raise InputError(f"--{option} is of random logits, and {asked['input']} was given", hint=hint)
    if asked["input"] == "-":
        _check_standard_input()
    # Numbers that NumPy saved as raw bytes are taken for the one format that is asked for.
    named = set(asked.get("dtypes") or ())
    raw = named.pop() if len(named) == 1 else None
    limit = asked["max_bytes"] or MAX_BYTES
    return read_logits(asked["input"], key=asked["key"], max_rows=asked["max_rows"], max_bytes=limit, raw=raw)


def _check_standard_input() -> None:
    if sys.stdin is None:
        raise InputError("standard input is closed", hint="pipe logits in, or name a file")
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal, with nothing to read", hint="pipe logits in, or name a file")
