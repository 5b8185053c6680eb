"""overflowscope list: the catalogue, and the formats."""

from __future__ import annotations

import click

from overflowscope.cli._options import common


@click.command("list")
@common
def command(debug: bool) -> None:
    """Show the operations, their formulations and what breaks each, the formats and the distributions."""
    import shutil

    click.echo("\n".join(_lines(shutil.get_terminal_size().columns)))


def _lines(width: int) -> list[str]:
    from overflowscope.catalogue import operations
    from overflowscope.draws import DISTRIBUTIONS

    lines = []
    for operation in operations().values():
        lines += [f"{operation.name}: {operation.summary}"]
        for f in operation.formulations.values():
            mark = " (an approximation: another function)" if f.approximation else ""
            lines += ["", f"  {f.name} = {f.formula}{mark}"]
            facts = (("breaks", f.breaks), ("bound", f.bound), ("source", f.source))
            lines += [line for name, text in facts if text for line in _wrapped(name, text, width)]
        lines.append("")
    lines += [*_formats(), "", f"distributions: {', '.join(DISTRIBUTIONS)}"]
    return lines


def _wrapped(name: str, text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(f"{name + ':':8}{text}", max(40, width), initial_indent=" " * 6, subsequent_indent=" " * 14)


def _formats() -> list[str]:
    from overflowscope.errors import InputError
    from overflowscope.formats import FORMATS

    lines = [f"{'format':14} {'bits':>4} {'largest':>10} {'exp overflows above':>20} {'smallest':>10}"]
    for f in FORMATS.values():
        try:
            _ = f.dtype
            missing = ""
        except InputError as error:
            missing = f"  ({error.hint})"
        numbers = f"{f.precision:4} {f.largest:10.4g} {f.log_largest:20.6g} {f.smallest:10.3g}"
        lines.append(f"{f.name:14} {numbers}{missing}")
    return lines
