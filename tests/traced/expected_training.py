"""What is to be said of attention, normalising and steps of training."""

from __future__ import annotations

from examples import INF, NAN, Birth, Example, Flag

QUERIES = [[150.0, 150.0, 150.0, 150.0], [1.0, 0.0, 0.0, 1.0]]
VALUES = ("float16", [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
KEYS = {"keys": ("float16", [[1.0, 0.0, 1.0, 0.0], [150.0] * 4, [0.0, 1.0, 0.0, 0.0]]), "v": VALUES}
FEW = {"keys": ("float16", [[1.0, 0.0, 1.0, 0.0], [1.5] * 4, [0.0, 1.0, 0.0, 0.0]]), "v": VALUES}
BIAS = "bias = bias.astype(x.dtype)"
SOME = {"bias": ("float32", [[0.0, -1e9, 0.0], [0.0, 0.0, -1e9]])}
NONE = {"bias": ("float32", [[0.0, -1e9, 0.0], [-1e9, -1e9, -1e9]])}

ATTENTION = [
    Example(
        "attention, a product of query and key too large",
        "attention_scores",
        "attention_scores",
        "float16",
        QUERIES,
        KEYS,
        gives=[[NAN, NAN], [0, 1]],
        birth=Birth(
            "matmul",
            "overflow",
            (0, 1),
            "scores = x @ keys.T / math.sqrt(x.shape[1])",
            INF,
            "x @ keys.T",
            "90000.0",
            "x[0].dot(keys[1])",
        ),
        descendants=("matmul", "divide", "subtract", "exp", "sum"),
        says=("90000", "65504", "scal|float32"),
    ),
    Example("attention, ordinary", "attention_scores", "attention_scores", "float16", [[1.0, 2.0, 0.5, 1.0]], FEW),
    Example("attention scaled first", "attention_scores_scaled", "attention_scores", "float16", QUERIES, KEYS),
    Example(
        "a bias of -1e9 in half precision, a row with nothing else",
        "softmax_biased",
        "softmax_biased",
        "float16",
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
        NONE,
        gives=[[0.1192, 0, 0.8808], [NAN, NAN, NAN]],
        birth=Birth(
            "astype",
            "overflow",
            (1, 0),
            BIAS,
            -INF,
            "np.where([[0], [1]], bias.astype(x.dtype), 0)",
            "-1000000000.0",
            "bias[1, 0]",
        ),
        descendants=("astype", "add", "subtract", "exp", "sum", "divide"),
        says=("-1e+09|-1e9|-1000000000", "65504", "float32|float64|mask|bias"),
    ),
    Example(
        "a bias of -1e9 in half precision",
        "softmax_biased",
        "softmax_biased",
        "float16",
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
        SOME,
        flags=(Flag("overflow", "astype", BIAS, "np.isinf(bias.astype(x.dtype)).any()", harmless=True),),
    ),
    Example(
        "a bias shifted by its maximum",
        "softmax_biased_shifted",
        "softmax_biased",
        "float16",
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
        NONE,
    ),
]

LOUD = [[200.0, -200.0, 10.0, 20.0], [1.0, 2.0, 3.0, 6.0]]
DEAD = [[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]]
FRESH = {"m": ("float16", [[0.0, 0.0]]), "v": ("float16", [[0.0, 0.0]])}
FAR = [[70000.0, 60000.0, 65000.0, 61000.0]]

TRAINING = [
    Example(
        "RMS norm, squares whose sum is too large",
        "rms_norm",
        "rms_norm",
        "float16",
        LOUD,
        gives=[[0, 0, 0, 0], [0.2828, 0.5657, 0.8485, 1.697]],
        birth=Birth(
            "sum",
            "overflow",
            (0, 0),
            "total = (x * x).sum(axis=-1, keepdims=True)",
            INF,
            "(x * x).sum(axis=-1, keepdims=True)",
            "80500.0",
            "x[0, 0]**2 + x[0, 1]**2 + x[0, 2]**2 + x[0, 3]**2",
        ),
        descendants=("sum", "divide", "add", "sqrt"),
        says=("sum", "65504", "float32"),
    ),
    Example("RMS norm, ordinary", "rms_norm", "rms_norm", "float16", [[1.0, 2.0, 3.0, 6.0]]),
    Example("RMS norm summed in float32", "rms_norm_wide", "rms_norm", "float16", LOUD),
    Example(
        "batch norm, a dead feature",
        "batch_norm",
        "batch_norm",
        "float32",
        DEAD,
        gives=[[-1.069, NAN], [-0.2673, NAN], [1.3363, NAN]],
        birth=Birth(
            "divide",
            "invalid",
            (0, 1),
            "return centred / np.sqrt(x.var(axis=0))",
            NAN,
            "(x - x.mean(axis=0)) / np.sqrt(x.var(axis=0))",
            "undefined",
        ),
        descendants=("divide",),
        says=("0/0|0 / 0", "undefined|no value"),
    ),
    Example("batch norm, ordinary", "batch_norm", "batch_norm", "float32", [[1.0, 0.0], [2.0, 3.0], [4.0, 1.0]]),
    Example("batch norm guarded, a dead feature", "batch_norm_guarded", "batch_norm", "float32", DEAD),
    Example(
        "a step of Adam, the square of a small gradient",
        "adam_step",
        "adam_step",
        "float16",
        [[1e-3, 0.5]],
        FRESH,
        gives=[[INF, 3.16]],
        birth=Birth(
            "multiply",
            "underflow",
            (0, 0),
            "v = 0.999 * v + 0.001 * x**2",
            0.0,
            "0.001 * x**2",
            "1.000808879325632026763467e-9",
            "mpf(0.001) * x[0, 0]**2",
        ),
        descendants=("multiply", "add", "sqrt", "divide"),
        says=("0", "inf", "float32"),
        flags=(Flag("subnormal", "power", "v = 0.999 * v + 0.001 * x**2", "0 < (x**2)[0, 0] < TINY"),),
    ),
    Example("a step of Adam, ordinary", "adam_step", "adam_step", "float16", [[1.0, 0.5]], FRESH),
    Example("a step of Adam in float32", "adam_step_wide", "adam_step", "float16", [[1e-3, 0.5]], FRESH),
    Example(
        "a cast to float16 before centring",
        "centre_half",
        "centred",
        "float32",
        FAR,
        gives=[[NAN, -INF, -INF, -INF]],
        birth=Birth(
            "astype",
            "overflow",
            (0, 0),
            "half = x.astype(np.float16)",
            INF,
            "x.astype(np.float16)",
            "70000.0",
            "x[0, 0]",
        ),
        descendants=("astype", "mean", "subtract"),
        says=("70000", "65504", "float16", "float32"),
    ),
    Example("a cast to float16, ordinary", "centre_half", "centred", "float32", [[7.0, 6.0, 6.5, 6.25]]),
    Example("a cast to float16 after centring", "centre_then_half", "centred", "float32", FAR),
]
