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
    from overflowscope.libraries import names

    lines = []
    for operation in operations().values():
        lines.append(f"{operation.name}: {operation.summary}")
        if operation.gradient is not None:
            lines += _filled(f"gradient: {operation.gradient.summary}", width, 2, 4)
        if operation.counterparts:
            named = (f"{k} ({c})" for k, c in operation.counterparts.items())
            lines += _filled(f"--impl: {', '.join(named)}", width, 2, 4)
        for f in operation.formulations.values():
            mark = " (an approximation: another function)" if f.approximation else " (a trap)" if f.trap else ""
            lines += ["", *_filled(f"{f.name} = {f.formula}{mark}", width, 2, 4)]
            facts = (("breaks", f.breaks), ("bound", f.bound), ("source", f.source))
            lines += [line for name, text in facts if text for line in _filled(f"{name + ':':8}{text}", width, 6, 14)]
        lines.append("")
    lines += [*_formats(), "", f"distributions: {', '.join(DISTRIBUTIONS)}"]
    lines += _filled(f"implementations: {', '.join(names())}, my.py:function", width, 0, 2)
    return lines


def _filled(text: str, width: int, first: int, rest: int) -> list[str]:
    import textwrap

    wrapper = textwrap.TextWrapper(max(40, width), " " * first, " " * rest, break_on_hyphens=False)
    return wrapper.wrap(text)


def _formats() -> list[str]:
    from overflowscope.errors import InputError
    from overflowscope.formats import FORMATS

    lines = [f"{'format':13} {'bits':>4} {'largest':>10} {'exp overflows above':>20} {'smallest':>9}"]
    for f in FORMATS.values():
        try:
            _ = f.dtype
            missing = ""
        except InputError as error:
            missing = f"  ({error.hint})"
        numbers = f"{f.precision:4} {f.largest:10.4g} {f.log_largest:20.6g} {f.smallest:9.3g}"
        lines.append(f"{f.name:13} {numbers}{missing}")
    return lines
