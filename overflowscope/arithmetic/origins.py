"""Where numbers come from: of each number of an array the step that computed it, kept through all that only moves it.

An origin is an integer: step * 2**32 + the number's flat index in that step's output; -(input * 2**32 + flat index) - 1
for the numbers of inputs; CONSTANT. An array's origins lie in memory as its values do, so that NumPy makes views of
both or of neither, and what is written through a view is written into both.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflowscope.arithmetic.strict import StrictArray

Origins = NDArray[np.int64]

CONSTANT = -(2**62)
"""The origin of numbers that nothing computed and no input holds."""
SHIFT, FLAT = 32, 2**32 - 1


def memory(value: Any) -> Any:
    """The NumPy array or scalar whose memory holds the numbers."""
    return value.numbers if isinstance(value, StrictArray) else value


def duplicate(value: Any) -> Any:
    """A copy that lies in memory as the value does."""
    if isinstance(value, np.generic):
        return value
    return np.array(value, order="K") if isinstance(value, np.ndarray) else value.copy()


def parallel(value: Any) -> Origins:
    """Unset origins for an array, laid out as it is."""
    held = np.asarray(memory(value))
    origins = np.empty_like(held, dtype=np.int64)
    return origins if alike(held, origins) else _strided(held)


def alike(value: Any, origins: Origins) -> bool:
    """Whether both are laid out in the same way."""
    held = np.asarray(memory(value))
    strides = zip(held.shape, held.strides, origins.strides, strict=True)
    return not held.size or all(n == 1 or a * 8 == b * held.itemsize for n, a, b in strides)


def _strided(held: NDArray[Any]) -> Origins:
    """For arrays with gaps, or axes that run backwards or not at all: such results are views of something larger."""
    steps = [stride // held.itemsize for stride in held.strides]
    reach = [(n - 1) * step for n, step in zip(held.shape, steps, strict=True)]
    first = -sum(r for r in reach if r < 0)
    buffer = np.empty(first + sum(r for r in reach if r > 0) + 1, np.int64)
    return np.lib.stride_tricks.as_strided(buffer[first:], held.shape, [8 * step for step in steps])


def of_step(number: int, shape: tuple[int, ...]) -> Origins:
    """Of what a step computes: counted in C order, whatever the memory's."""
    return (number << SHIFT) + np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def of_input(number: int, shape: tuple[int, ...]) -> Origins:
    return -of_step(number, shape) - 1


def laid_out(origins: Any, value: Any) -> Origins:
    """The origins in memory of their own, as the value lies."""
    result = parallel(value)
    result[...] = origins
    return result


def shared(a: Any, b: Any) -> bool:
    """Whether two arrays lie in one another's memory. By their bounds: separate arrays never overlap."""
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and bool(np.may_share_memory(a, b))
