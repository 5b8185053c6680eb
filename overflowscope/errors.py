"""The one exception that people see without a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class InputError(Exception):
    """Something the caller gave cannot be used: what, in which source, where in it, and what to try.

    ``str()`` joins the parts as ``SOURCE: what (where); hint``, on one line and without control characters, so that a
    hostile file name cannot rewrite the terminal.
    """

    def __init__(self, what: str, *, source: str | None = None, where: str | None = None, hint: str | None = None):
        self.what, self.source, self.where, self.hint = what, source, where, hint
        text = what if source is None else f"{source}: {what}"
        if where:
            text += f" ({where})"
        if hint:
            text += f"; {hint}"
        super().__init__(printable(text))

    def __reduce__(self) -> tuple[Callable[..., InputError], tuple[str, str | None, str | None, str | None]]:
        return _made, (self.what, self.source, self.where, self.hint)


def _made(what: str, source: str | None, where: str | None, hint: str | None) -> InputError:
    """Of its parts: errors come back from other processes so."""
    return InputError(what, source=source, where=where, hint=hint)


class Unmeasured(InputError):
    """Something cannot be had of one implementation: a row of the answer says so, and the rest is measured.

    ``status`` is that row's.
    """

    status = "unsupported"


def printable(text: str) -> str:
    """The text with all escaped that is not there to be seen: control characters, directions, lone surrogates."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that does not exist: with the nearest ones, or with all of them when none is near."""
    import difflib  # not needed before somebody mistypes

    names = list(known)
    # What begins so comes first: float8 is nearer to float8_e5m2 than to float64, which has fewer letters to change.
    near = [n for n in names if name and n.startswith(name)][:2] or difflib.get_close_matches(name, names, 2, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}", hint=hint)
