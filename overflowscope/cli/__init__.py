"""The command line: the only place that prints and exits. A command is a file here, imported when it is asked for.

Exit status: 0 fine, 2 misuse or bad input, 130 Ctrl-C; 1 is kept for findings.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from overflowscope import __version__
from overflowscope.errors import InputError, printable, unknown


class Commands(click.Group):
    """The commands found in this package; each module's ``command`` imports no more than click."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_modules())

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        if name not in _modules():
            raise unknown("command", name, sorted(_modules()))
        command = importlib.import_module(f"{__name__}.{_modules()[name]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first line of each module, read and not imported: --help stays quick however many commands there are."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _about(module)) for name, module in sorted(_modules().items())])


def _modules() -> dict[str, str]:
    """Command to module. A module whose name would hide a builtin ends in an underscore, which the command drops."""
    files = [f[:-3] for place in __path__ for f in os.listdir(place) if f.endswith(".py") and not f.startswith("_")]
    return {name.rstrip("_"): name for name in sorted(files)}


def _about(module: str) -> str:
    with open(os.path.join(__path__[0], f"{module}.py"), encoding="utf-8") as source:
        return source.readline().strip().strip('"').partition(": ")[2]


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Which softmax survives: formulations measured against certified truth."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Errors are one line on standard error; --debug shows the traceback too."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with main.make_context("overflowscope", given.copy()) as context:
            main.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()
        status = 0
    except click.exceptions.Exit as done:
        status = done.exit_code
    except (InputError, click.ClickException) as error:
        status = _refused(error, given)
    except (KeyboardInterrupt, click.Abort):
        status = _say("interrupted", 130)
    except BrokenPipeError:
        status = 0
        _abandon_output()
    except OSError as error:
        if "--debug" in given:
            raise
        status = _say(f"error: {error.filename or 'standard output'}: {error.strerror or error}", 2)
        _abandon_output()
    except MemoryError as error:
        if "--debug" in given:
            raise
        status = _say(f"error: out of memory: {error}; --max-rows, or fewer --rows or --classes, take less", 2)
    except Exception as error:
        if "--debug" in given:
            raise
        status = _say(f"internal error: {type(error).__name__}: {error}; please report it, with what --debug shows", 70)
    sys.exit(status)


def _abandon_output() -> None:
    """What is left in the buffer has no reader; without this, Python would complain of it at its own exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(error: InputError | click.ClickException, given: list[str]) -> int:
    if "--debug" in given:
        import traceback

        traceback.print_exception(error)
    text = printable(error.format_message()) if isinstance(error, click.ClickException) else str(error)
    return _say(f"error: {' '.join(text.split())}", 2)


def _say(text: str, status: int) -> int:
    if sys.stderr is None:
        return status
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"overflowscope: {text}\n".encode(encoding, "backslashreplace").decode(encoding))
    return status
