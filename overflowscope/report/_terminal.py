"""What tables for a terminal share: a console that writes into a string, and bare tables."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.table import Table

from overflowscope.report import Look

GAP = 2
"""Between columns: one of padding, one that the box draws."""


def console(look: Look) -> Console:
    """As wide and as colourful as asked, whatever the environment says; its text is what ``written`` gives."""
    return Console(
        file=io.StringIO(),
        width=look.width,
        height=100,  # with both given, rich asks the environment for neither
        force_terminal=look.color,
        color_system="standard" if look.color else None,
        no_color=not look.color,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )


def written(console: Console, look: Look) -> str:
    """What was printed there, without spaces at the ends of lines."""
    assert isinstance(console.file, io.StringIO)
    text = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    return text.encode("ascii", "replace").decode() if look.ascii else text


def bare(look: Look) -> Table:
    """A table without edges, a line under its heads."""
    style = box.ASCII2 if look.ascii else box.SIMPLE_HEAD
    return Table(box=style, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="")
