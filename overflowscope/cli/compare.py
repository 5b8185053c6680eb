"""overflowscope compare: which formulations survive these logits, how wrong each is, and why."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._inputs import inputs, source
from overflowscope.cli._options import Whole, chosen_form, common, implementations, names

if TYPE_CHECKING:
    from overflowscope.studies.compare import Request


MANY = 10**6
"""Logits from which several processes are worth their start."""


@click.command("compare")
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
@implementations
@click.option(
    "--quantity",
    metavar="NAME",
    default="value",
    help="value, gradient (with respect to the logits, as autograd gets it) or both [default: value].",
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
@click.option(
    "--arithmetic", metavar="NAME", default="native", help="native (NumPy's own) or strict [default: native]."
)
@click.option(
    "--sum-order", metavar="NAME", help="Of strict sums: sequential, pairwise or kahan [default: sequential]."
)
@click.option("--accumulator", metavar="DTYPE", help="Format in which strict sums run [default: the working one].")
@inputs
@click.option("--row", type=Whole(0), metavar="N", help="Measure that row alone, counted from 0, of file or seed.")
@click.option(
    "--reference",
    metavar="NAME",
    default="auto",
    help="auto: the fast truth, and intervals for what it leaves; mpmath: intervals alone [default: auto].",
)
@click.option(
    "--convention",
    metavar="NAME",
    default="limit",
    help="What is right in rows with infinities: limit (the truth), or a library (scipy, torch, ...) whose nan counts "
    "as right there and is not measured [default: limit].",
)
@click.option(
    "--jobs", type=Whole(1, 1024), metavar="N", help="Processes to work in [default: one a core for a million logits]."
)
@click.option("--format", "form", metavar="NAME", help="table, json, csv or markdown [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="[default: auto]")
@common
def command(form: str | None, as_json: bool, output: str | None, color: str, debug: bool, **asked: Any) -> None:
    """Measure formulations of softmax and cross-entropy against certified truth.

    INPUT is a file of logits (.npy, .npz, .safetensors, JSON, JSON lines, CSV) or - for standard input; without it the
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
    from overflowscope.studies.compare import run

    form = chosen_form(form, as_json, report.forms())
    # A person's function may print: data alone goes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        request = _request(asked)
    with opened(output) as out:
        with Meter(request.elements) as meter, contextlib.redirect_stdout(sys.stderr):
            found = run(request, meter)
        write(out, report.render(form, found, look(color, output)))


def _request(asked: dict[str, Any]) -> Request:
    from overflowscope import cases, libraries, sources
    from overflowscope.studies.compare import Request

    compute = asked["compute"]
    offers = [libraries.offered(spec, asked["timeout"]) for spec in dict.fromkeys(asked["implementations"])]
    contenders = cases.contenders(asked["operations"], asked["formulations"], offers)
    fmts = cases.chosen_formats(asked["dtypes"])
    wider = None if compute is None else cases.chosen_formats([compute])[0]
    rows = source(asked)
    request = Request(
        source=rows if asked["row"] is None else sources.only(rows, asked["row"]),
        contenders=cases.of_quantity(contenders, asked["quantity"]),
        fmts=fmts,
        compute=wider,
        scales=asked["scale"],
        shift=asked["shift"],
        ignore_index=asked["ignore_index"],
        seed=asked["seed"],
        model=cases.chosen_model(asked["arithmetic"], asked["sum_order"], asked["accumulator"]),
        reference=asked["reference"],
        convention=asked["convention"],
    )
    return replace(request, jobs=asked["jobs"] or _jobs(request, bool(offers) or request.convention != "limit"))


def _jobs(request: Request, own_code: bool) -> int:
    """One process for each core where the work takes seconds. Other people's code may not like to be forked."""
    if own_code or request.elements < MANY:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
