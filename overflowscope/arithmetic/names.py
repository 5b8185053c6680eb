"""NumPy's functions by what they do to numbers: which names are the same one, and which compute nothing."""

from __future__ import annotations

SAME = {
    "true_divide": "divide",
    "amax": "max",
    "amin": "min",
    "concat": "concatenate",
    "permute_dims": "transpose",
    "pow": "power",
    "round_": "round",
    "around": "round",
    "add.reduce": "sum",
    "maximum.reduce": "max",
    "minimum.reduce": "min",
    "multiply.reduce": "prod",
    "add.accumulate": "cumsum",
    "multiply.accumulate": "cumprod",
}

MOVES = {
    *("getitem", "reshape", "transpose", "swapaxes", "moveaxis", "rollaxis", "squeeze", "expand_dims", "ravel"),
    *("flatten", "take", "take_along_axis", "broadcast_to", "concatenate", "stack", "hstack", "vstack", "dstack"),
    *("column_stack", "repeat", "tile", "flip", "fliplr", "flipud", "roll", "rot90", "diagonal", "copy", "compress"),
    *("delete", "atleast_1d", "atleast_2d", "atleast_3d", "assign"),
}
"""What gives numbers that it was given: it computes none."""


def canonical(name: str) -> str:
    return SAME.get(name, name)
