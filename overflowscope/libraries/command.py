"""command: a program in any language, one process for a run: a line of JSON in for each block of rows, a line out.

A request is one line of UTF-8, here in two::

    {"id": 1, "operation": "cross_entropy", "dtype": "float32", "quantity": "value",
     "logits": [[0.5, "-inf"]], "labels": [0]}

Logits are numbers of the dtype, with the digits that give them back through float64, or "inf", "-inf", "nan"; labels
are there where what is asked has them. The answer is one line, an object with "result": a list of a list of numbers
for each row, or of a number for each row, in the same writing (-nan, Infinity and NaN in quotes, and Infinity,
-Infinity and NaN without them, are taken too). Beside it may stand "id", which must be the request's; "dtype", in which
it was computed, to which the numbers are rounded; and "version". Results without a dtype that are not numbers of the
request's are taken for float64. To a request whose "quantity" is "gradient", only an answer with "quantity": "gradient"
is one. Instead of a result there may be "unsupported": why there is none, which becomes a row; or "error": what went
wrong, which ends the run. A key whose value is null counts as absent.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import shlex
import shutil
from typing import Any

import numpy as np

from overflowscope import formats
from overflowscope.arithmetic import numbers
from overflowscope.catalogue import Operation
from overflowscope.errors import InputError, Unmeasured, printable
from overflowscope.formats import Floats
from overflowscope.implementations import TIMEOUT, Implementation
from overflowscope.libraries import check_native
from overflowscope.libraries._program import Program, quoted

WORDS = {
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
    **dict.fromkeys(("nan", "-nan", "+nan"), math.nan),
}
"""What is not finite, in small letters, as C, JavaScript and Python write it."""
LETTERS = 64
"""Bytes of an answer for each number, and PROLOGUE for the rest: nobody needs more."""
PROLOGUE = 2**16


def load(variant: str, timeout: float = TIMEOUT) -> Command:
    """The program of a command line, split as a shell would. Raises InputError where there is no such program."""
    if os.name != "posix":
        raise InputError("programs are run on POSIX systems alone")
    name = printable(f"command:{variant}")
    try:
        arguments = shlex.split(variant)
    except ValueError as error:
        raise InputError(f"cannot be split into words: {error}", source=name) from None
    if not arguments:
        raise InputError("command: names no program", hint="write command:'./prog --flag'")
    if shutil.which(arguments[0]) is None:
        if not os.path.isfile(arguments[0]):
            raise InputError("cannot be started: no such program", source=name)
        bare = os.sep not in arguments[0]
        hint = f"write ./{arguments[0]}" if bare else f"chmod +x {arguments[0]}, or name its interpreter first"
        raise InputError("cannot be started: it is no program to run", source=name, hint=hint)
    return Command(Program(name, arguments, timeout))


class Command:
    """A program that computes an operation, as an Offer."""

    single = True

    def __init__(self, program: Program):
        self.program, self.name = program, program.name
        self._version: str | None = None
        self._ids = itertools.count(1)

    def __reduce__(self) -> tuple[Any, ...]:
        return Command, (self.program,)

    def implementations(self, operation: Operation) -> list[Implementation]:
        """The program, whatever the operation."""
        value = functools.partial(self.result, operation, "value")
        gradient = functools.partial(self.result, operation, "gradient")
        return [Implementation(self.name, value, gradient, said=self.version)]

    def version(self) -> str | None:
        """What the program said of itself, so far."""
        return self._version

    def result(self, operation: Operation, quantity: str, xp: Any, logits: Any, labels: Any = None) -> Any:
        """What the program answers, as an array of NumPy. Raises InputError, and Unmeasured where it has nothing."""
        check_native(self.name, logits)
        shape = operation.shape(logits) if quantity == "value" else logits.shape
        number = next(self._ids)
        request = {"id": number, "operation": operation.name, "dtype": logits.dtype.name, "quantity": quantity}
        request["logits"] = _listed(numbers(logits))
        if labels is not None:
            request["labels"] = labels.tolist()
        line = json.dumps(request, allow_nan=False, separators=(", ", ": ")).encode() + b"\n"
        said = self.program.ask(line, PROLOGUE + LETTERS * math.prod(shape))
        try:
            return self._taken(said, number, quantity, shape, logits.dtype)
        except Unmeasured:
            raise
        except BaseException:
            self.program.stop(0.0)
            raise

    def _taken(self, said: bytes, number: int, quantity: str, shape: tuple[int, ...], dtype: Any) -> Any:
        answer = self._parsed(said)
        if "unsupported" in answer:
            raise Unmeasured(_words(answer["unsupported"]))
        if "error" in answer:
            raise self.program.error(_words(answer["error"]))
        if answer.get("id", number) != number:
            raise self.program.error(f"answered request {_json(answer['id'])} when it was asked request {number}")
        if quantity == "gradient" and answer.get("quantity") != "gradient":
            raise Unmeasured('no gradients: its answer has no "quantity": "gradient"')
        if "result" not in answer:
            has = ", ".join(map(_words, answer)) or "nothing"
            raise self.program.error(f'its answer has no "result", "unsupported" or "error", but {has}')
        if "version" in answer:
            self._version = printable(_words(answer["version"]))
        values = self._numbers(answer["result"], shape)
        return self._held(values, answer.get("dtype"), dtype)

    def _parsed(self, said: bytes) -> dict[str, Any]:
        """The object without what is null in it: many write all the keys they know of."""
        try:
            answer = json.loads(said.decode("utf-8"), parse_int=float)
        except (ValueError, RecursionError):
            raise self.program.error(f"answered with what is no JSON: {quoted(said)}") from None
        if not isinstance(answer, dict):
            raise self.program.error(f"answered with what is no JSON object: {quoted(said)}")
        return {key: value for key, value in answer.items() if value is not None}

    def _numbers(self, result: Any, shape: tuple[int, ...]) -> Floats:
        """The numbers of a list, or of a list of lists, of that shape."""
        self._check(result, shape[0], "its result")
        flat = result
        if len(shape) == 2:
            for i, row in enumerate(result):
                self._check(row, shape[1], f"row {i} of its result")
            flat = list(itertools.chain.from_iterable(result))
        if set(map(type, flat)) != {float}:
            flat = [self._number(v, i, shape) for i, v in enumerate(flat)]
        return np.array(flat, np.float64).reshape(shape)

    def _check(self, found: Any, count: int, what: str) -> None:
        if not isinstance(found, list):
            raise self.program.error(f"{what} is no list, but {_json(found)}")
        if len(found) != count:
            raise self.program.error(f"{what} has {len(found):,} entries, not {count:,}")

    def _number(self, value: Any, place: int, shape: tuple[int, ...]) -> float:
        if isinstance(value, float):
            return value
        if isinstance(value, str) and value.lower() in WORDS:
            return WORDS[value.lower()]
        where = f"row {place // (shape[1] if len(shape) == 2 else 1)}"
        hint = 'what is not finite is "inf", "-inf" or "nan"'
        raise InputError(f"{_json(value)} is no number", source=self.name, where=where, hint=hint)

    def _held(self, values: Floats, named: Any, asked: Any) -> Any:
        """As an array of the dtype that it names, else of the one asked for where all are numbers of it."""
        if named is None:
            fmt = formats.of(asked)
            if not np.array_equal(formats.round_to(values, fmt), values, equal_nan=True):
                return values
        elif isinstance(named, str) and named in formats.FORMATS:
            fmt = formats.named(named)
        else:
            raise self.program.error(f"its dtype is unknown: {_json(named)}", f"known: {', '.join(formats.FORMATS)}")
        with np.errstate(all="ignore"):
            return formats.round_to(values, fmt).astype(fmt.dtype)


def _listed(values: Floats) -> Any:
    """Nested lists for JSON, of numbers and the three words."""
    if np.isfinite(values).all():
        return values.tolist()
    return [
        [v if math.isfinite(v) else "nan" if v != v else "inf" if v > 0 else "-inf" for v in row]
        for row in values.tolist()
    ]


def _words(value: Any) -> str:
    """What a program said, as text for a message."""
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= 500 else text[:500] + "..."


def _json(value: Any) -> str:
    """What a program said, as it wrote it: strings in quotes, whole numbers without a point."""
    whole = isinstance(value, float) and abs(value) < 1e15 and value.is_integer()
    text = json.dumps(int(value) if whole else value, ensure_ascii=False)
    return text if len(text) <= 500 else text[:500] + "..."
