"""overflowscope exact: the true values themselves, in certified decimal digits."""

from __future__ import annotations

from typing import Any

import click

from overflowscope.cli._inputs import inputs, source
from overflowscope.cli._options import Whole, chosen_form, common, names


@click.command("exact")
@click.option(
    "--op",
    "operations",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Operations, or all [default: softmax].",
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formats that hold the logits, or all [default: float64].",
)
@click.option("--digits", type=Whole(1, 1000), default="25", help="Significant decimal digits [default: 25].")
@inputs
@click.option("--format", "form", metavar="NAME", help="table, json or csv [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@common
def command(form: str | None, as_json: bool, output: str | None, debug: bool, **asked: Any) -> None:
    """Write down the true values of softmax and its neighbours.

    They are those of the logits as the format holds them, correctly rounded (ties to even) to so many digits, however
    small: 1.1e-1276 is a number. Trailing zeros are cut only where a value is exactly the number shown. INPUT is a
    file of logits or -, as for compare.

    \b
      overflowscope exact --rows 1 --scale 1000
      overflowscope exact logits.npy --op cross_entropy --dtype float32
    """
    from overflowscope import cases
    from overflowscope.cli._output import look, opened, write
    from overflowscope.cli._progress import Meter
    from overflowscope.report._exact import FORMS
    from overflowscope.studies.exact import Request, run

    form = chosen_form(form, as_json, FORMS)
    request = Request(
        source=source(asked),
        operations=cases.chosen_operations(asked["operations"] or ("softmax",)),
        fmts=cases.chosen_formats(asked["dtypes"] or ("float64",)),
        digits=asked["digits"],
        scales=asked["scale"],
        shift=asked["shift"],
        ignore_index=asked["ignore_index"],
        seed=asked["seed"],
    )
    with opened(output) as out:
        with Meter(request.elements) as meter:
            found = run(request, meter)
        write(out, FORMS[form](found, look("never", output)))
