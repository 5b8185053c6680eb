"""overflowscope check: a gate for CI: cases held against limits and against what they gave before."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from overflowscope.cli._inputs import input_options
from overflowscope.cli._options import Number, Whole, chosen_form, common, names
from overflowscope.errors import InputError

if TYPE_CHECKING:
    from overflowscope.records.check import Check
    from overflowscope.studies.check import Plan
    from overflowscope.studies.check.cases import Case

_BOUND = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
SUMMARY = "GITHUB_STEP_SUMMARY"
LIMITS = {
    "max_ulp": (Number(0.0), "The largest error, in ulp."),
    "max_nan": (Whole(0), "Elements that are wrongly nan [default: 0, beside another limit]."),
    "max_overflow": (Whole(0), "Elements that are wrongly inf."),
    "max_underflow": (Whole(0), "Elements that are wrongly 0."),
    "row_sum_within": (Number(0.0), "How far from 1 the sum of a row may be."),
    "max_kl": (Number(0.0), "The largest divergence of a row from the truth."),
    "argmax_flips": (Whole(0), "Rows in which another class comes out largest."),
}
OF_A_CASE = (
    *("op", "formulation", "quantity", "dtypes", "compute", "arithmetic", "sum_order", "accumulator", "input", "key"),
    *("dist", "scale", "shift", "rows", "classes", "seed", "labels_file", "ignore_index", "max_rows", "max_bytes"),
    *("factor", *LIMITS),
)
"""The options that make a case: with one of them there is no configuration."""
AS_SAID = [n for n in OF_A_CASE if n not in ("op", "formulation", "quantity", "dtypes", "labels_file", *LIMITS)]
"""Of them, those that a Case has as they are."""


def limits(command: Any) -> Any:
    """An option for each limit."""
    for name, (kind, text) in reversed(LIMITS.items()):
        command = click.option(f"--{name.replace('_', '-')}", type=kind, metavar="NUMBER", help=text)(command)
    return command


@click.command("check")
@click.argument("config", required=False)
@click.option(
    "--impl",
    "implementations",
    multiple=True,
    metavar="[NAME=]NAME",
    help="NAME=FILE.py:FUNCTION: what a name in CONFIG stands for. Without NAME=, of the case that flags make: your "
    "own function, or a library (scipy, torch, ...). This runs your code.",
)
@click.option("--baseline", metavar="FILE", help="What was before [default: overflowscope-baseline.json by CONFIG].")
@click.option("--update", is_flag=True, help="Hold nothing against the baseline, and write it anew.")
@click.option("--timeout", type=Number(), metavar="SECONDS", help="Of each case [default: 300].")
@click.option("--op", metavar="NAME", default="softmax", help="The operation [default: softmax].")
@click.option("--formulation", metavar="NAME", help="One of ours, instead of --impl.")
@click.option("--quantity", metavar="NAME", default="value", help="value or gradient [default: value].")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Formats, or all [default: float16,float32,float64].",
)
@limits
@click.option("--factor", type=Number(1.0), metavar="NUMBER", help="How far the error may grow [default: 1.5].")
@click.option("--input", metavar="FILE", help="A file of logits, as of compare; else they are random.")
@input_options
@click.option("--compute", metavar="DTYPE", help="As of compare.")
@click.option("--arithmetic", metavar="NAME", default="native", help="As of compare.")
@click.option("--sum-order", metavar="NAME", help="As of compare.")
@click.option("--accumulator", metavar="DTYPE", help="As of compare.")
@click.option("--format", "form", metavar="NAME", help="table, json, junit, github or markdown [default: table].")
@click.option("--json", "as_json", is_flag=True, help="--format json.")
@click.option("--report", "reports", multiple=True, metavar="FORM=FILE", help="Write that form there too; repeatable.")
@click.option("--output", "-o", metavar="FILE", help="Write there, whole or not at all; - is standard output.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="[default: auto]")
@common
def command(debug: bool, **asked: Any) -> None:
    """Hold softmax implementations against limits, and against what they gave before.

    CONFIG is a TOML file with [[cases]], or pyproject.toml with [[tool.overflowscope.cases]]; without it
    overflowscope.toml or pyproject.toml here. Flags make one case instead. The exit status is 0 where all hold, 1 where
    something does not, 2 where a case could not run or was not understood.

    \b
      overflowscope check
      overflowscope check --impl kernel=my.py:softmax --report junit=out.xml
      overflowscope check --impl my.py:softmax --op softmax --dtype float16 --scale 20 --max-ulp 4
      overflowscope check --update
    """
    from overflowscope.cli._output import look, opened, write
    from overflowscope.report.check import forms, render

    context = click.get_current_context()
    form = chosen_form(asked["form"], asked["as_json"], forms())
    wanted = [(form, asked["output"]), *_reports(asked["reports"], forms())]
    plan = _plan(context, asked)
    _check_files([file for _, file in wanted if file not in (None, "-")], plan)
    with contextlib.ExitStack() as files:
        outs = [(form, file, files.enter_context(opened(file))) for form, file in wanted]
        found = _run(plan)
        for form, file, out in outs:
            write(out, render(form, found, look(asked["color"], file)))
    if "github" in [form for form, _ in wanted]:
        _summarise(found)
    context.exit(found.status)


def _run(plan: Plan) -> Check:
    from overflowscope.cli._output import check_writable, opened, write
    from overflowscope.cli._progress import Meter
    from overflowscope.studies.check import run

    if plan.update:
        check_writable(plan.baseline)
    with Meter(len(plan.cases), "checking", "cases") as meter:
        answer = run(plan, _aside, meter)
    if answer.baseline is not None:
        with opened(plan.baseline) as out:
            write(out, answer.baseline)
    return answer.check


def _aside() -> None:
    """In the process that runs a person's code: what it prints is no data, and goes to standard error."""
    try:
        os.dup2(2, 1)
    except OSError:  # which is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = sys.stderr  # print() says nothing to None


def _summarise(found: Check) -> None:
    """Where GitHub shows it: what annotations have no room for."""
    from overflowscope.report import Look
    from overflowscope.report.check import render

    path = os.environ.get(SUMMARY)
    if path:
        try:
            with open(path, "a", encoding="utf-8") as summary:
                summary.write(render("markdown", found, Look()))
        except OSError as error:
            raise InputError(f"{SUMMARY} cannot be written: {error.strerror or error}", source=path) from None


def _reports(given: Sequence[str], known: Sequence[str]) -> list[tuple[str, str]]:
    """(form, file) of each --report."""
    found = []
    for text in given:
        form, equals, file = text.partition("=")
        if not equals or not file:
            raise InputError(f"--report {text} names no file", hint="write FORM=FILE, such as junit=out.xml")
        if file == "-":
            raise InputError(f"--report {text}: standard output has a form already", hint=f"--format {form}")
        found.append((chosen_form(form, False, known), file))
    return found


def _check_files(written: Sequence[str], plan: Plan) -> None:
    """Raises InputError where one file would be written over another."""
    given = [plan.config, plan.baseline, *(file for case in plan.cases for file in (case.input, case.labels))]
    known = {os.path.realpath(file): "is read" for file in given if file is not None}
    for file in written:
        if os.path.realpath(file) in known and not (os.path.exists(file) and not os.path.isfile(file)):
            raise InputError(f"{known[os.path.realpath(file)]} already", source=file, hint="name another file")
        known[os.path.realpath(file)] = "is written"


def _plan(context: click.Context, asked: dict[str, Any]) -> Plan:
    from overflowscope.studies.check import Plan
    from overflowscope.studies.check.config import BASELINE, NAMES, found, read

    if asked["baseline"] == "":
        raise InputError("--baseline names no file")
    if asked["timeout"] is not None and asked["timeout"] <= 0:
        raise InputError("--timeout is not above 0 seconds")
    said = [name for name in OF_A_CASE if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    bound, alone = _bound(asked["implementations"])
    if said or alone:
        if asked["config"] is not None:
            raise _two_cases(asked["config"], said, alone)
        case = _timed(_case(asked, said, bound, alone), asked["timeout"])
        return Plan(
            cases=[case],
            config=None,
            baseline=asked["baseline"] or BASELINE,
            update=asked["update"],
            whole=False,
        )
    file = asked["config"] or found(".")
    if file is None:
        hint = "name one, or make a case of flags: --impl my.py:softmax --max-ulp 4"
        raise InputError(f"there is no {NAMES[0]}, and no [tool.overflowscope] in {NAMES[1]}, here", hint=hint)
    settings = read(file, bound)
    return Plan(
        cases=[_timed(case, asked["timeout"]) for case in settings.cases],
        config=settings.file,
        baseline=asked["baseline"] or settings.baseline,
        update=asked["update"],
    )


def _timed(case: Case, seconds: float | None) -> Case:
    return case if seconds is None else replace(case, timeout=seconds)


def _two_cases(config: str, said: Sequence[str], alone: Sequence[str]) -> InputError:
    option = _option(said[0]) if said else f"--impl {alone[0]}"
    if config.lower().endswith((".npy", ".npz", ".safetensors", ".json", ".jsonl", ".csv")):
        return InputError(f"{config} is taken for a configuration", hint=f"logits are named by --input {config}")
    hint = "say it in the configuration" if said else f"write --impl NAME={alone[0]}, NAME being as CONFIG calls it"
    return InputError(f"{option} makes a case of its own, and {config} has others", hint=hint)


def _option(name: str) -> str:
    return f"--{ {'dtypes': 'dtype', 'labels_file': 'labels'}.get(name, name).replace('_', '-') }"


def _bound(given: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What names stand for, and what was given without a name. Raises InputError."""
    from overflowscope import libraries

    bound: dict[str, str] = {}
    alone = []
    for text in given:
        found = _BOUND.fullmatch(text)
        if found is None:
            alone.append(text)
        elif found[1] in bound:
            raise InputError(f"--impl {found[1]}=... was given twice")
        elif found[1] in ("numpy", *libraries.names()):
            raise InputError(f"--impl {text}: {found[1]} is a library's name", hint="call it something else")
        else:
            bound[found[1]] = found[2]
    return bound, alone


def _case(asked: dict[str, Any], said: Sequence[str], bound: Mapping[str, str], alone: Sequence[str]) -> Case:
    """The case that flags make. Raises InputError."""
    from overflowscope import libraries
    from overflowscope.formats import FORMATS
    from overflowscope.records import contestant, subject
    from overflowscope.studies.check.cases import Case, problems

    specs = {**bound, **{text: text for text in alone}}
    if len(specs) > 1:
        raise InputError("flags make one case, and several implementations were given", hint="write a configuration")
    if not specs and asked["formulation"] is None:
        hint = "add --impl NAME or --formulation NAME; the limits of a configuration stand in it"
        raise InputError(f"{_option(said[0])} makes a case, of nothing", hint=hint)
    name, spec = next(iter(specs.items())) if specs else (None, None)
    if name is not None and name == spec and (name.partition(":")[0] in libraries.names() or ":" not in name):
        spec = None if name.partition(":")[0] != "command" else spec
    operation, formulation = ((text or "").replace("-", "_") or None for text in (asked["op"], asked["formulation"]))
    dtypes = tuple(dict.fromkeys(text.replace("-", "_") for text in asked["dtypes"])) or Case.dtype
    case = Case(
        name=f"{subject(operation or '', asked['quantity'])} {contestant(formulation, name or 'numpy')}",
        operation=operation or "",
        quantity=asked["quantity"],
        formulation=formulation,
        implementation=name,
        spec=spec,
        dtype=tuple(FORMATS) if dtypes == ("all",) else dtypes,
        labels=asked["labels_file"],
        limits={name: float(asked[name]) for name in LIMITS if asked[name] is not None},
        **{name: asked[name] for name in AS_SAID},
    )
    for _, problem in problems(case):
        raise problem
    return case
