"""Where in a person's code a step was taken, and the refusal of what cannot be followed from there."""

from __future__ import annotations

import functools
import linecache
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

PACKAGE = str(Path(__file__).parent.parent) + os.sep
CATALOGUE = str(Path(__file__).parent.parent / "catalogue") + os.sep
OWN = str(Path(__file__).parent) + os.sep
STANDARD = tuple(
    path + os.sep for name in ("stdlib", "platstdlib") if (path := sysconfig.get_paths().get(name)) is not None
)
INSTALLED = tuple(os.sep + name + os.sep for name in ("site-packages", "dist-packages"))


@dataclass(frozen=True)
class Place:
    """A line of a person's code: file and line number, the function it is in, and the line's text, stripped."""

    file: str
    line: int
    function: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Unrecordable(TypeError):
    """The code takes its numbers to a place where the steps cannot be seen.

    ``what`` it does, ``hint``: what to write instead, ``place``: its line, where known.
    """

    def __init__(self, what: str, *, hint: str | None = None, place: Place | None = None):
        self.what, self.hint, self.place = what, hint, place
        super().__init__("; ".join(filter(None, (what, hint))) + (f" ({place})" if place else ""))


def here(within: str | None = None) -> Place | None:
    """The innermost line that is a person's: neither this package's, but for the catalogue's formulations, nor of an
    installed package, nor Python's own.

    ``within`` is a folder that is a person's wherever it lies. None where this package itself called, which is when
    gradients are computed.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        owner = whose(code.co_filename, within)
        if owner == "person":
            text = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
            return Place(code.co_filename, frame.f_lineno, _function(frame), text)
        if owner == "package":
            return None
        frame = frame.f_back
    return None


def _function(frame: FrameType) -> str:
    """The name of the function that a frame is in: of comprehensions and lambdas that of the function around them."""
    around: FrameType | None = frame
    while around is not None and around.f_code.co_filename == frame.f_code.co_filename:
        if not around.f_code.co_name.startswith("<"):
            return around.f_code.co_name
        around = around.f_back
    return frame.f_code.co_name


def folder_of(file: str) -> str:
    """What of an installed package is a person's where its function is looked at: all of it; else the file."""
    for name in INSTALLED:
        before, found, after = file.partition(name)
        if found:
            top, *rest = after.split(os.sep)
            return before + found + top + (os.sep if rest else "")
    return file


@functools.cache
def whose(file: str, within: str | None = None) -> str:
    """Whose the code of a file is: a "person"'s, this "package"'s where it calls, or "nobody"'s in particular."""
    if within is not None and file.startswith(within):
        return "person"
    if file.startswith(OWN) and not os.path.basename(file).startswith("adjoint"):
        return "nobody"
    if file.startswith(PACKAGE):
        return "person" if file.startswith(CATALOGUE) else "package"
    if any(name in file for name in INSTALLED) or file.startswith((*STANDARD, "<frozen", "<__array_function__")):
        return "nobody"
    return "person"
