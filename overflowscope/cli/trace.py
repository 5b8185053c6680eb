"""overflowscope trace: one calculation step by step, where it goes wrong first, and what is enough to stop it."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._inputs import inputs, source
from overflowscope.cli._options import Whole, chosen_form, common
from overflowscope.errors import InputError

if TYPE_CHECKING:
    from overflowscope.formats import Format
    from overflowscope.studies.trace import Formulated, Own, Request


@click.command("trace")
@click.option("--op", "operation", metavar="NAME", help="The operation [default: softmax].")
@click.option("--formulation", metavar="NAME", help="How it is computed [default: naive].")
@click.option(
    "--function",
    metavar="FILE.py:FUNCTION",
    help="In their place a function of your own, f(rows of logits). This runs your code.",
)
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=FILE",
    help="A further parameter of the function: an array. Repeatable.",
)
@click.option("--per-row", is_flag=True, help="The function takes one row, (classes,), and not (rows, classes).")
@click.option("--row", type=Whole(0), metavar="N", help="That row alone [default: the first that goes wrong].")
@click.option("--dtype", metavar="NAME", help="The format of the logits [default: float32].")
@click.option("--compute", metavar="DTYPE", help="Cast up to this format, run there, round once.")
@click.option(
    "--arithmetic", metavar="NAME", default="native", help="native (NumPy's own) or strict [default: native]."
)
@click.option(
    "--sum-order", metavar="NAME", help="Of strict sums: sequential, pairwise or kahan [default: sequential]."
)
@click.option("--accumulator", metavar="DTYPE", help="Format in which strict sums run [default: the working one].")
@click.option("--gradient", is_flag=True, help="The steps of the gradient too, and where the adjoint died.")
@inputs
@click.option("--tree", is_flag=True, help="Draw the steps as a tree, with the failure's path.")
@click.option("--format", "form", metavar="NAME", help="table, tree, json or markdown [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="[default: auto]")
@common
def command(
    form: str | None, as_json: bool, tree: bool, output: str | None, color: str, debug: bool, **asked: Any
) -> None:
    """Show a calculation step by step beside its exact values: which step made the first inf, nan or harmful zero,
    what became of it, and which change was tried on this very input and is enough.

    INPUT is a file of logits or -, as for compare. Of an operation one row is traced, the first that goes wrong; a
    function is called once with all rows. Its module's np is stood in for while it runs, so that np.zeros, np.asarray
    and the like are seen too. The exit status is 0 whatever is found.

    \b
      overflowscope trace --scale 1000
      overflowscope trace logits.npy --op cross_entropy --formulation shifted
      overflowscope trace logits.npy --function my.py:softmax --tree
      overflowscope trace logits.npy --function my.py:loss --arg labels=y.npy
    """
    from overflowscope.cli._output import look, opened, write
    from overflowscope.report._trace import FORMS
    from overflowscope.studies.trace import run

    if tree and (as_json or form not in (None, "tree")):
        raise InputError(f"--tree and {'--json' if as_json else f'--format {form}'} are two answers to one question")
    form = chosen_form("tree" if tree else form, as_json, FORMS)
    # A person's function may print: data alone goes to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        request = _request(asked)
    with opened(output) as out:
        with contextlib.redirect_stdout(sys.stderr):
            found = run(request)
        write(out, FORMS[form](found, look(color, output)))


def _request(asked: dict[str, Any]) -> Request:
    from overflowscope import cases
    from overflowscope.studies.trace import Request

    if len(asked["scale"]) > 1:
        raise InputError("trace takes one --scale", hint="compare says at which of several each formulation fails")
    fmt = cases.chosen_formats([asked["dtype"] or "float32"])[0]
    subject = _formulated(asked) if asked["function"] is None else _own(asked, fmt)
    return Request(
        source=source({**asked, "dtypes": (fmt.name,)}),
        subject=subject,
        fmt=fmt,
        row=asked["row"],
        model=cases.chosen_model(asked["arithmetic"], asked["sum_order"], asked["accumulator"]),
        scale=asked["scale"][0],
        shift=asked["shift"],
        ignore_index=asked["ignore_index"],
        seed=asked["seed"],
        gradient=asked["gradient"],
    )


def _formulated(asked: dict[str, Any]) -> Formulated:
    from overflowscope import cases, catalogue
    from overflowscope.studies.trace import Formulated

    for option in ("per_row", "arguments"):
        if asked[option]:
            name = "--per-row" if option == "per_row" else "--arg"
            raise InputError(f"{name} goes with a --function, and none was named")
    operation = catalogue.named((asked["operation"] or "softmax").replace("-", "_"))
    formulation = operation.named((asked["formulation"] or "naive").replace("-", "_"))
    compute = asked["compute"]
    return Formulated(operation, formulation, None if compute is None else cases.chosen_formats([compute])[0])


def _own(asked: dict[str, Any], fmt: Format) -> Own:
    from overflowscope import implementations
    from overflowscope.studies.trace import Own

    spec = asked["function"]
    for option in ("operation", "formulation", "compute", "labels_file"):
        if asked[option] is not None:
            name = {"operation": "op", "labels_file": "labels"}.get(option, option)
            hint = "--arg NAME=FILE gives a function its labels" if name == "labels" else "leave one out"
            raise InputError(f"--{name} is not for a --function", hint=hint)
    arguments = _arguments(asked["arguments"], fmt, asked["max_bytes"])
    return Own(spec, implementations.load(spec), arguments, asked["per_row"])


def _arguments(given: tuple[str, ...], fmt: Format, limit: int | None) -> dict[str, Any]:
    """Arrays by the names of the parameters, floats rounded to the format. Raises InputError."""
    from overflowscope.evaluate import to_array
    from overflowscope.formats import round_to
    from overflowscope.reading import MAX_BYTES, read_array

    found: dict[str, Any] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not name.isidentifier() or not file:
            raise InputError(f"--arg {text!r} is no NAME=FILE", hint="--arg mask=mask.npy gives the parameter mask")
        if name in found:
            raise InputError(f"--arg {name} was given twice")
        values = read_array(file, max_bytes=limit or MAX_BYTES)
        found[name] = to_array(round_to(values, fmt), fmt) if values.dtype.kind == "f" else values
    return found
