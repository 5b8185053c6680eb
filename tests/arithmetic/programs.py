"""Little NumPy programs, and machines that run the same one: on plain arrays, on recorded ones, and on Arb's balls.

A program is a list of instructions, each a name and four integers; what they mean depends on the arrays that there are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st


class Instruction(NamedTuple):
    name: str
    a: int
    b: int
    c: int
    d: int


class Machine:
    """``arrays`` grows by every result. ``judge`` is the plain machine, whose numbers decide for all."""

    def __init__(self, arrays: list[Any], judge: Machine | None = None, balls: bool = False):
        self.arrays, self.balls = arrays, balls
        self.judge = self if judge is None else judge

    def run(self, instruction: Instruction) -> None:
        """Raises what NumPy raises."""
        name, *numbers = instruction
        result = EVERY[name](Call(self, *numbers))
        if result is not None:
            self.arrays.append(np.asarray(result, object) if self.balls else result)
        for array in self.arrays if self.balls else []:
            _cleaned(array)


def _cleaned(array: Any) -> None:
    """Arb's numbers everywhere: NumPy puts its own into object arrays, and arrays of one."""
    flint = pytest.importorskip("flint")
    for index in np.ndindex(array.shape):
        value = array[index]
        if not isinstance(value, flint.arb) and array.flags.writeable:
            array[index] = flint.arb(value.item() if isinstance(value, np.ndarray | np.generic) else value)


class Call:
    """What an instruction's integers stand for."""

    def __init__(self, machine: Machine, a: int, b: int, c: int, d: int):
        self.machine, self.places, self.d = machine, (a, b, c), d

    def at(self, which: int) -> int:
        return self.places[which] % len(self.machine.arrays)

    def __getitem__(self, which: int) -> Any:
        return self.machine.arrays[self.at(which)]

    def plain(self, which: int) -> Any:
        """The numbers that decide."""
        return self.machine.judge.arrays[self.at(which)]

    @property
    def x(self) -> Any:
        return self[0]

    @property
    def y(self) -> Any:
        return self[1]

    @property
    def balls(self) -> bool:
        return self.machine.balls

    @property
    def axis(self) -> int | None:
        n = np.ndim(self.plain(0))
        return [None, *range(-n, n)][self.d % (2 * n + 1)]

    @property
    def last(self) -> int:
        return -1 - self.d % max(np.ndim(self.plain(0)), 1)

    @property
    def kept(self) -> bool:
        return self.places[2] % 2 == 0

    @property
    def number(self) -> Any:
        return [0, 1, -2, 0.5, 0.1, -3.7, 1e-12, 60000.0][self.d % 8]

    @property
    def index(self) -> Any:
        """A basic index, or one of places, or one of truths."""
        x = self.plain(0)
        i = self.d % max(len(x), 1) if np.ndim(x) else 0
        n = len(x) if np.ndim(x) else 0
        return [
            i, slice(i, None), slice(None, None, -1), slice(None, None, 2), (slice(None), i), (..., None), (..., 0),
            [i, 0, i], x > 0, np.arange(n) % 2 == 0, (Ellipsis, slice(0, 2)), ((0, i), (i, 0)),
        ][self.places[1] % 12]  # fmt: skip

    def put(self, result: Any) -> None:
        """What an operator in place leaves: on a scalar something new."""
        self.machine.arrays[self.at(0)] = result


def _ufunc(name: str) -> Callable[[Call], Any]:
    return lambda c: getattr(np, name)(c.x)


def _operator(name: str) -> Callable[[Call], Any]:
    return lambda c: getattr(operator, name)(c.x, c.y)


def _with_number(name: str) -> Callable[[Call], Any]:
    return lambda c: getattr(operator, name)(*((c.x, c.number) if c.kept else (c.number, c.x)))


def _in_place(name: str) -> Callable[[Call], None]:
    return lambda c: c.put(getattr(operator, name)(c.x, c.y))


def _reduction(name: str) -> Callable[[Call], Any]:
    def reduction(c: Call) -> Any:
        if c.balls and name in ORDERED:
            return _folded(name, c.x, c.axis, c.kept)
        return getattr(np, name)(c.x, axis=c.axis, keepdims=c.kept)

    return reduction


def _folded(name: str, x: Any, axis: int | None, kept: bool) -> Any:
    if axis is not None:
        return ORDERED[name].reduce(x, axis=axis, keepdims=kept)
    result = ORDERED[name].reduce(x.reshape(-1)) if x.ndim else x[()]
    return np.full((1,) * x.ndim, result, object) if kept else result


def _method(name: str) -> Callable[[Call], Any]:
    return lambda c: _reduction(name)(c) if c.balls else getattr(c.x, name)(c.axis, keepdims=c.kept)


def _chosen(name: str) -> Callable[[Any, Any], Any]:
    """Of two balls; where one is nan, that."""
    return lambda a, b: a if a.is_nan() else b if b.is_nan() else getattr(a, name)(b)


ORDERED = {"max": np.frompyfunc(_chosen("max"), 2, 1), "min": np.frompyfunc(_chosen("min"), 2, 1)}


def _variance(c: Call) -> Any:
    if not c.balls:
        return np.var(c.x, axis=c.axis, keepdims=c.kept)
    far = c.x - np.mean(c.x, axis=c.axis, keepdims=True)
    return np.mean(far * far, axis=c.axis, keepdims=c.kept)


def _assign(c: Call) -> None:
    if c.balls:
        # An object array takes an array for a number; ask one of floats whether it would.
        c.plain(0).copy()[c.index] = c.plain(2)
    c.x[c.index] = c[2]


def _assign_number(c: Call) -> None:
    c.x[c.index] = c.number


def _out(c: Call) -> None:
    np.multiply(c.y, c.y, out=c.x)


def _masked(c: Call) -> None:
    np.divide(c.y, c[2], out=c.x, where=c.plain(0) > 0)


def _sort(c: Call) -> None:
    if c.balls:
        order = np.argsort(c.plain(0), axis=c.last, kind="stable")
        c.x[...] = np.take_along_axis(c.x, order, c.last)
    else:
        c.x.sort(axis=c.last, kind="stable")


def _clip(c: Call) -> Any:
    if not c.balls:
        return np.clip(c.x, -0.75, 2.0)
    flint = pytest.importorskip("flint")
    return ORDERED["min"](ORDERED["max"](c.x, flint.arb(-0.75)), flint.arb(2.0))


def _cast(c: Call) -> Any:
    return c.x.copy() if c.balls else c.x.astype([np.float16, np.float32, np.float64][c.d % 3])


def _flat(c: Call) -> None:
    c.x.flat[c.d % max(c.plain(0).size, 1)] = c.number


def _by_row(c: Call) -> None:
    for row in c.x:
        if not c.balls:
            row -= row.max()
        elif isinstance(row, np.ndarray):
            row -= _folded("max", row, None, False)


def _take_along(c: Call) -> Any:
    return np.take_along_axis(c.x, np.argmax(c.plain(0), axis=c.last, keepdims=True), c.last)


COMPUTING: dict[str, Callable[[Call], Any]] = {
    **{name: _ufunc(name) for name in ("exp", "log", "sqrt", "log1p", "expm1", "tanh", "negative", "abs", "square")},
    **{name: _operator(name) for name in ("add", "sub", "mul", "truediv", "matmul")},
    **{f"{name} a number": _with_number(name) for name in ("add", "sub", "mul", "truediv")},
    **{name: _in_place(name) for name in ("iadd", "isub", "imul", "itruediv")},
    **{name: _reduction(name) for name in ("sum", "max", "min", "mean", "prod")},
    **{f".{name}": _method(name) for name in ("sum", "max", "mean")},
    "maximum": lambda c: (ORDERED["max"] if c.balls else np.maximum)(c.x, c.y),
    "variance": _variance,
    "cumsum": lambda c: np.cumsum(c.x, axis=c.axis),
    "squared": lambda c: c.x**2,
    "cubed": lambda c: c.x**3,
    "rooted": lambda c: c.x**0.5,
    "inverted": lambda c: c.x**-1,
    "where": lambda c: np.where(c.plain(0) > 0, c.x, c.y),
    "clip": _clip,
    "astype": _cast,
    "add.reduce": lambda c: np.add.reduce(c.x),
}
MOVING: dict[str, Callable[[Call], Any]] = {
    "getitem": lambda c: c.x[c.index],
    "T": lambda c: c.x.T,
    "reshape": lambda c: c.x.reshape(-1),
    "reshape in two": lambda c: np.reshape(c.x, (2, -1)),
    "ravel": lambda c: np.ravel(c.x, order="CFK"[c.d % 3]),
    "flatten": lambda c: c.x.flatten(),
    "squeeze": lambda c: np.squeeze(c.x),
    "expand": lambda c: np.expand_dims(c.x, c.last),
    "moveaxis": lambda c: np.moveaxis(c.x, 0, -1),
    "copy": lambda c: c.x.copy(),
    "flip": lambda c: np.flip(c.x, c.axis),
    "roll": lambda c: np.roll(c.x, c.d, c.axis),
    "repeat": lambda c: np.repeat(c.x, 2, c.last),
    "tile": lambda c: np.tile(c.x, 2),
    "diagonal": lambda c: np.diagonal(c.x),
    "diag": lambda c: np.diag(c.x),
    "tril": lambda c: np.tril(c.x),
    "pad": lambda c: np.pad(c.x, 1, mode=["constant", "edge", "wrap"][c.d % 3]),
    "broadcast": lambda c: np.broadcast_to(c.x, (2, *np.shape(c.plain(0)))),
    "concatenate": lambda c: np.concatenate([c.x, c.y]),
    "stack": lambda c: np.stack([c.x, c.x], axis=c.last),
    "split": lambda c: np.split(c.x, [1], axis=c.last)[c.places[1] % 2],
    "take along": _take_along,
    "zeros like": lambda c: np.zeros_like(c.x),
    "full like": lambda c: np.full_like(c.x, 0.5),
    "atleast": lambda c: np.atleast_2d(c.x),
    "delete": lambda c: np.delete(c.x, 0, c.last),
    "insert": lambda c: np.insert(c.x, 0, 0, c.last),
    "append": lambda c: np.append(c.x, 2.0),
}
WRITING: dict[str, Callable[[Call], Any]] = {
    "assign": _assign,
    "assign a number": _assign_number,
    "out": _out,
    "masked": _masked,
    "fill": lambda c: c.x.fill(c.number),
    "copyto": lambda c: np.copyto(c.x, c.y, where=c.plain(0) < 1),
    "put": lambda c: np.put(c.x, [0], c.number),
    "sort": _sort,
    "flat": _flat,
    "by row": _by_row,
}
EVERY = COMPUTING | MOVING | WRITING


def programs(longest: int) -> st.SearchStrategy[list[Instruction]]:
    small = st.integers(0, 11)
    names = st.sampled_from(sorted(COMPUTING)) | st.sampled_from(sorted(MOVING)) | st.sampled_from(sorted(WRITING))
    return st.lists(st.builds(Instruction, names, small, small, small, small), min_size=1, max_size=longest)
