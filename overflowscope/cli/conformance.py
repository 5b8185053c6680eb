"""overflowscope conformance: what implementations give for special values, and with whom each agrees."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from overflowscope.cli._options import chosen_form, common, implementations, names


@click.command("conformance")
@implementations
@click.option(
    "--op",
    "operations",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Operations [default: all; softmax beside your own function].",
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
    "--dtype", "dtypes", multiple=True, callback=names, metavar="NAME,...", help="Formats, or all [default: float32]."
)
@click.option("--format", "form", metavar="NAME", help="table, markdown or json [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@common
def command(form: str | None, as_json: bool, output: str | None, debug: bool, **asked: Any) -> None:
    """Ask implementations for rows of special values: infinities, nan, masks, ties, the ends of the format.

    The limit is the truth in the extended reals, correctly rounded. An answer agrees with it, or with a library's,
    where every element does: nan with nan, an infinity with that infinity, 0 with 0 of either sign, other numbers
    where half of their bits are right. Of libraries only those named are asked. The exit status is 0 whatever is found.

    \b
      overflowscope conformance
      overflowscope conformance --impl scipy --impl torch --op softmax
      overflowscope conformance --impl my.py:softmax --dtype float16,float32
      overflowscope conformance --impl scipy --format markdown
    """
    from overflowscope import libraries
    from overflowscope.cli._output import look, opened, write
    from overflowscope.report._conformance import FORMS
    from overflowscope.studies.conformance import request, run

    form = chosen_form(form, as_json, FORMS)
    # A person's function may print: data alone goes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        offers = [libraries.offered(spec, asked["timeout"]) for spec in asked["implementations"]]
        wanted = request(asked["operations"], asked["formulations"], offers, asked["dtypes"])
    with opened(output) as out:
        with contextlib.redirect_stdout(sys.stderr):
            found = run(wanted)
        write(out, FORMS[form](found, look("never", output)))
