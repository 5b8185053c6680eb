"""NumPy's functions by what they do to numbers: which names are the same one, which compute, move, make or write."""

from __future__ import annotations

from typing import Any

SAME = {
    "true_divide": "divide",
    "amax": "max",
    "amin": "min",
    "absolute": "abs",
    "concat": "concatenate",
    "row_stack": "vstack",
    "permute_dims": "transpose",
    "pow": "power",
    "atan": "arctan",
    "mod": "remainder",
    "round_": "round",
    "around": "round",
    "fix": "trunc",
    "conj": "conjugate",
    "cumulative_sum": "cumsum",
    "cumulative_prod": "cumprod",
    "vecdot": "vdot",
    "add.reduce": "sum",
    "multiply.reduce": "prod",
    "maximum.reduce": "max",
    "minimum.reduce": "min",
    "add.accumulate": "cumsum",
    "multiply.accumulate": "cumprod",
}
"""Other names of the same. A reduction by a ufunc has an axis of 0 unless told, which its step then says."""

VIEWS = {
    *("getitem", "reshape", "transpose", "swapaxes", "moveaxis", "rollaxis", "squeeze", "expand_dims", "ravel"),
    *("broadcast_to", "diagonal", "flip", "fliplr", "flipud", "rot90", "real", "view", "broadcast_arrays"),
    *("atleast_1d", "atleast_2d", "atleast_3d", "split", "array_split", "hsplit", "vsplit", "dsplit", "meshgrid"),
    *("unstack", "matrix_transpose", "sliding_window_view"),
}
COPIES = {
    *("flatten", "copy", "take", "take_along_axis", "repeat", "tile", "roll", "compress", "extract", "delete", "array"),
    *("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "append", "insert", "positive", "block"),
    *("conjugate", "flat", "trim_zeros", "real_if_close", "sort"),
}
FILLING = {"diag", "diagflat", "tril", "triu", "pad"}
"""Copies with zeros beside the numbers, or another constant."""
WRITES = {"assign", "copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal", "fill", "flat.assign"}
MAKES = {"zeros_like", "ones_like", "empty_like", "full_like", "zeros", "ones", "empty", "full", "eye", "identity"} | {
    *("tri", "arange", "linspace", "logspace", "geomspace", "hamming", "hanning", "blackman", "bartlett"),
}
MOVES = VIEWS | COPIES | FILLING | WRITES | MAKES
"""What computes no number: the result holds numbers that were given."""

DATA = {
    **dict.fromkeys(("append", "copyto", "fill", "fill_diagonal"), (0, 1)),
    **dict.fromkeys(("insert", "put", "place", "putmask", "put_along_axis", "flat.assign", "assign"), (0, 2)),
    **dict.fromkeys(("broadcast_arrays", "meshgrid", "atleast_1d", "atleast_2d", "atleast_3d"), tuple(range(32))),
}
"""Which arguments are numbers, where more than the first are; the others are places, shapes and axes."""
DATA_NAMES = {"arr", "a", "m", "values", "vals", "v", "val", "src", "value", "arrays", "array", "x"}
"""What such arguments are called."""

_WIDENING = ("axis", "dtype", "out")
PARAMETERS = {
    **dict.fromkeys(("sum", "prod", "mean", "nansum", "nanprod", "nanmean"), (*_WIDENING, "keepdims")),
    **dict.fromkeys(("var", "std", "nanvar", "nanstd"), (*_WIDENING, "ddof", "keepdims")),
    **dict.fromkeys(("cumsum", "cumprod"), _WIDENING),
    **dict.fromkeys(("max", "min", "ptp", "nanmax", "nanmin"), ("axis", "out", "keepdims")),
    **dict.fromkeys(("median", "nanmedian"), ("axis", "out", "overwrite_input", "keepdims")),
    "average": ("axis", "weights"),
}
"""What reductions call what may follow their array: in a step they have it by name."""

JOINS = {
    *("concatenate", "concat", "stack", "hstack", "vstack", "row_stack", "dstack", "column_stack", "block", "select"),
    *("choose", "lexsort", "ix_", "einsum", "isscalar", "shape", "ndim", "size", "iterable"),
}
"""Functions whose lists are lists of arrays, or are asked about."""

CALLING = {
    *("apply_along_axis", "apply_over_axes", "piecewise", "vectorize", "frompyfunc", "fromfunction", "fromiter"),
    *("nditer",),
}
"""What calls back, with numbers that are no recorded arrays."""
HIDING = {
    "item": "keep the array: x[i] is a number too",
    "tolist": "keep the array, which can be looped over",
    "tobytes": "keep the array",
    "tofile": "leave the writing of files out",
    "dump": "leave the writing of files out",
    "dumps": "leave the writing of files out",
    "data": "keep the array",
    "base": "keep the array that it is a view of",
    "ctypes": "write the C part as NumPy functions",
    "byteswap": "keep the array",
    "newbyteorder": "keep the array",
    "getfield": "keep the array",
    "setfield": "keep the array",
    "resize": "use np.concatenate or np.pad",
    "itemset": "write x[i] = value",
    "partition": "use sort",
    "imag": "leave the complex part out",
}
"""Attributes of arrays that take their numbers out of sight, and what to write instead."""

REPLACING = {"fabs": "abs", "pow": "power", "fsum": "sum", "ceil": "ceil", "dist": "linalg.norm"}
"""Functions of the module math by NumPy's names, where they are others."""


def canonical(name: str) -> str:
    return SAME.get(name, name)


def named(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, in which an axis is no operand: x.sum(-1) is x.sum(axis=-1)."""
    known = PARAMETERS.get(name, ())
    if len(args) < 2 or len(args) > 1 + len(known):
        return args, kwargs
    return args[:1], {**dict(zip(known, args[1:], strict=False)), **kwargs}
