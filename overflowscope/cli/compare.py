"""overflowscope compare: which formulations survive these logits, how wrong each is, and why."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._options import Listed, Number, Whole, common, names
from overflowscope.errors import InputError

if TYPE_CHECKING:
    from overflowscope.sources import Source
    from overflowscope.studies.compare import Request

RANDOM: dict[str, Any] = {"dist": "normal", "rows": 256, "classes": 10}
"""What random logits are, unless said."""


@click.command("compare")
@click.argument("input", required=False)
@click.option(
    "--op",
    "operations",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Operations, or all [default: softmax,cross_entropy].",
)
@click.option(
    "--formulation",
    "formulations",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formulations, or all [default: naive,shifted,lse].",
)
@click.option(
    "--impl",
    "implementations",
    multiple=True,
    metavar="FILE.py:FUNCTION",
    help="Your own f(logits) or f(logits, labels), for the one --op named (softmax unless said). This runs your code.",
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formats, or all [default: float16,float32,float64].",
)
@click.option(
    "--compute", metavar="DTYPE", help="Cast up to this format, run there, round once: what half-precision kernels do."
)
@click.option("--dist", metavar="NAME", help="Random logits: normal, uniform or laplace [default: normal].")
@click.option(
    "--scale",
    type=Listed(Number(least=0.0)),
    default="1",
    metavar="NUMBER,...",
    help="Multiplies the logits; a list gives a block each [default: 1].",
)
@click.option("--shift", type=Number(), default="0", metavar="NUMBER", help="Is added to them [default: 0].")
@click.option("--rows", type=Whole(1), help="Random rows [default: 256].")
@click.option("--classes", type=Whole(1, 2**31), help="Random classes [default: 10].")
@click.option("--seed", type=Whole(0, 2**64 - 1), default="0", help="Of random logits and labels [default: 0].")
@click.option("--key", metavar="NAME", help="Which array of an .npz, .safetensors or JSON object.")
@click.option("--labels", "labels_file", metavar="FILE", help="Labels, one whole number a row (JSON or .npy).")
@click.option(
    "--ignore-index",
    type=Whole(-(2**63)),
    default="-100",
    help="cross_entropy skips rows of this label [default: -100].",
)
@click.option("--max-rows", type=Whole(1), help="Read so many rows of the input.")
@click.option("--format", "form", metavar="NAME", help="table, json, csv or markdown [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="[default: auto]")
@common
def command(form: str | None, as_json: bool, output: str | None, color: str, debug: bool, **asked: Any) -> None:
    """Measure formulations of softmax and cross-entropy against certified truth.

    INPUT is a file of logits (.npy, .npz, .safetensors, JSON, JSON lines) or - for standard input; without it the
    logits are random. The exit status is 0 whatever is found.

    \b
      overflowscope compare --dtype float32 --scale 1000
      overflowscope compare logits.npy --dtype float16 --max-rows 100
      overflowscope compare --op cross_entropy --formulation all --scale 1,10,100
      overflowscope compare --impl my.py:softmax --dtype float16 --scale 20
    """
    from overflowscope import report
    from overflowscope.cli._output import look, opened, write
    from overflowscope.cli._progress import Meter
    from overflowscope.errors import unknown
    from overflowscope.studies.compare import run

    if as_json and form not in (None, "json"):
        raise InputError(f"--json and --format {form} are two answers to one question")
    form = "json" if as_json else "table" if form is None else form
    if form not in report.forms():
        raise unknown("format", form, report.forms())
    # A person's function may print: data alone goes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        request = _request(asked)
    with opened(output) as out:
        with Meter(request.elements) as meter, contextlib.redirect_stdout(sys.stderr):
            found = run(request, meter)
        write(out, report.render(form, found, look(color, output)))


def _request(asked: dict[str, Any]) -> Request:
    from overflowscope import cases, implementations
    from overflowscope.studies.compare import Request

    compute = asked["compute"]
    own = [(spec, implementations.load(spec)) for spec in asked["implementations"]]
    contenders = cases.contenders(asked["operations"], asked["formulations"], own)
    fmts = cases.chosen_formats(asked["dtypes"])
    wider = None if compute is None else cases.chosen_formats([compute])[0]
    return Request(
        source=_source(asked),
        contenders=contenders,
        fmts=fmts,
        compute=wider,
        scales=asked["scale"],
        shift=asked["shift"],
        ignore_index=asked["ignore_index"],
        seed=asked["seed"],
    )


def _source(asked: dict[str, Any]) -> Source:
    from overflowscope import sources

    if asked["input"] is None:
        for option in ("key", "max_rows"):
            if asked[option] is not None:
                raise InputError(f"--{option.replace('_', '-')} goes with an input file, and none was given")
        drawn = {name: default if asked[name] is None else asked[name] for name, default in RANDOM.items()}
        source = sources.drawn(drawn["dist"], asked["seed"], drawn["rows"], drawn["classes"])
    else:
        source = sources.given(_read(asked), asked["seed"])
    if asked["labels_file"] is None:
        return source
    from overflowscope.reading import read_labels

    labels = read_labels(asked["labels_file"])
    if asked["max_rows"] is not None and len(labels) == math.prod(source.leading):
        labels = labels[: source.count]
    return sources.labelled(source, labels, asked["labels_file"])


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
