"""What is to be said of lengths, likelihoods, sigmoids, attention and branches: hurt, benign, and repaired."""

from __future__ import annotations

from examples import INF, NAN, Birth, Branch, Example, Flag

LONG = {"y": ("float32", [[4e20, 2.0]])}
TINY = {"y": ("float32", [[3e-30, 12.0]])}
SQUARES = "squares = x**2 + y**2"

LENGTH = [
    Example(
        "hypot, a square too large",
        "length",
        "length",
        "float32",
        [[3e17, 1.5]],
        {"y": ("float32", [[4e20, 2.0]])},
        gives=[[INF, 2.5]],
        birth=Birth(
            "power", "overflow", (0, 0), SQUARES, INF, "y ** 2", "1.600000064130808139322823e+41", "y[0, 0] ** 2"
        ),
        descendants=("power", "add", "sqrt"),
        says=("4e+20", "1.84467e+19|3.40282e+38", "hypot|scal"),
    ),
    Example(
        "hypot, squares that vanish",
        "length",
        "length",
        "float32",
        [[4e-30, 5.0]],
        TINY,
        gives=[[0, 13]],
        birth=Birth(
            "power", "underflow", (0, 0), SQUARES, 0.0, "x ** 2", "1.60000001014744593919653e-59", "x[0, 0] ** 2"
        ),
        descendants=("power", "add", "sqrt"),
        says=("4e-30", "0", "hypot|scal"),
    ),
    Example("hypot, ordinary sides", "length", "length", "float32", [[3.0, 1.5]], {"y": ("float32", [[4.0, 2.0]])}),
    Example(
        "hypot, one square vanishes beside the other",
        "length",
        "length",
        "float32",
        [[3e-30, 1.5]],
        {"y": ("float32", [[4.0, 2.0]])},
        flags=(Flag("underflow", "power", SQUARES, "(x**2)[0, 0] == 0", harmless=True),),
    ),
    Example("hypot scaled, large", "length_scaled", "length", "float32", [[3e17, 1.5]], LONG),
    Example("hypot scaled, tiny", "length_scaled", "length", "float32", [[4e-30, 5.0]], TINY),
]

DRAWS = [[0.5, -1.25, 15.0, 2.0], [1.0, 0.0, -1.0, 2.0]]
SMALL = [[0.01, 0.03, 0.02, 0.05] * 10, [2.0, 0.5, 4.0, 0.25] * 10]

THOUSANDS = [[1000.0, 3000.0, 2000.0, 5000.0] * 5]

LIKELIHOOD = [
    Example(
        "log-likelihood, an outlier",
        "log_likelihood",
        "log_likelihood",
        "float64",
        DRAWS,
        gives=[-INF, -6.6758],
        birth=Birth(
            "exp",
            "underflow",
            (0, 2),
            "density = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)",
            0.0,
            "np.exp(-0.5 * x.astype(np.float32) ** 2)",
            "1.386343293641170635024487e-49",
            "exp(-x[0, 2] ** 2 / 2)",
        ),
        descendants=("exp", "divide", "log", "sum"),
        says=("-112.5", "-103.97", "exp", "log"),
    ),
    Example(
        "log-likelihood, ordinary draws",
        "log_likelihood",
        "log_likelihood",
        "float64",
        [[0.5, -1.25, 1.5, 2.0], [1.0, 0.0, -1.0, 2.0]],
    ),
    Example("log-likelihood by logs, an outlier", "log_likelihood_by_logs", "log_likelihood", "float64", DRAWS),
    Example(
        "geometric mean, a product that vanishes",
        "geometric_mean",
        "geometric_mean",
        "float32",
        SMALL,
        gives=[0, 1],
        birth=Birth(
            "prod",
            "underflow",
            (0,),
            "product = np.prod(x, axis=-1)",
            0.0,
            "np.prod(x, axis=-1)",
            "5.9048969203554165985943e-66",
            "(x[0, 0] * x[0, 1] * x[0, 2] * x[0, 3]) ** 10",
        ),
        descendants=("prod", "power"),
        says=("prod", "0", "log"),
    ),
    Example(
        "geometric mean, a product too large",
        "geometric_mean",
        "geometric_mean",
        "float32",
        THOUSANDS,
        gives=[INF],
        birth=Birth(
            "prod",
            "overflow",
            (0,),
            "product = np.prod(x, axis=-1)",
            INF,
            "np.prod(x, axis=-1)",
            "2.43e+67",
            "(x[0, 0] * x[0, 1] * x[0, 2] * x[0, 3]) ** 5",
        ),
        descendants=("prod", "power"),
        says=("prod", "3.40282e+38", "log"),
    ),
    Example("geometric mean, few numbers", "geometric_mean", "geometric_mean", "float32", [[0.01, 0.03, 0.02, 0.05]]),
    Example("geometric mean by logs, small", "geometric_mean_by_logs", "geometric_mean", "float32", SMALL, within=32),
    Example(
        "geometric mean by logs, large", "geometric_mean_by_logs", "geometric_mean", "float32", THOUSANDS, within=32
    ),
]

NEGATIVE = "e = np.exp(-x)"

SIGMOID = [
    Example(
        "sigmoid, 0 where the truth is a subnormal",
        "sigmoid",
        "sigmoid",
        "float32",
        [[0.5, -95.0, 3.0]],
        gives=[[0.62246, 0, 0.95257]],
        birth=Birth(
            "exp", "overflow", (0, 1), NEGATIVE, INF, "np.exp(-x)", "1.811239082889023282193799e+41", "exp(-x[0, 1])"
        ),
        descendants=("exp", "add", "divide"),
        says=("95", "88.7228", "exp", "float64|exp(x)|negative|sign"),
    ),
    Example("sigmoid, ordinary logits", "sigmoid", "sigmoid", "float32", [[0.5, -9.5, 3.0]]),
    Example(
        "sigmoid, inf where the truth rounds to 0",
        "sigmoid",
        "sigmoid",
        "float32",
        [[0.5, -110.0, 3.0]],
        flags=(Flag("overflow", "exp", NEGATIVE, "np.exp(-x)[0, 1] == np.inf", harmless=True),),
    ),
    Example("sigmoid, infinite logits", "sigmoid", "sigmoid", "float32", [[INF, -INF, 3.0]]),
    Example("sigmoid filled by masks", "sigmoid_filled", "sigmoid", "float32", [[0.5, -95.0, 3.0]]),
    Example("sigmoid filled by masks, two rows", "sigmoid_filled", "sigmoid", "float32", [[0.5, -9.0], [-3.0, 120.0]]),
    Example(
        "sigmoid by where, overflow in the branch not taken",
        "sigmoid_where",
        "sigmoid",
        "float32",
        [[0.5, -95.0, 120.0]],
        flags=(
            Flag(
                "overflow",
                "exp",
                "return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))",
                "np.exp(-x)[0, 1] == np.inf and np.exp(x)[0, 2] == np.inf",
                harmless=True,
            ),
        ),
    ),
    Example(
        "log(1 - sigmoid), an absorbed exp",
        "log_of_rest",
        "log_of_rest",
        "float32",
        [[0.5, 20.0, -3.0]],
        gives=[[-0.97408, -INF, -0.04859]],
        birth=Birth(
            "subtract",
            "underflow",
            (0, 1),
            "rest = 1 - p",
            0.0,
            "1 - 1 / (1 + np.exp(-x))",
            "2.061153618190203581430862e-9",
            "exp(-x[0, 1]) / (1 + exp(-x[0, 1]))",
        ),
        descendants=("subtract", "log"),
        says=("cancel|absor", "log", "log1p|logaddexp|softplus|float64"),
        flags=(Flag("absorption", "add", "odds = 1 + np.exp(-x)", "(1 + np.exp(-x))[0, 1] == 1"),),
    ),
    Example(
        "log(1 - sigmoid), ordinary logits", "log_of_rest", "log_of_rest", "float32", [[0.5, 2.0, -3.0]], within=64
    ),
    Example("log(1 - sigmoid) by log1p", "log_of_rest_by_log1p", "log_of_rest", "float32", [[0.5, 20.0, -3.0]]),
    Example("log(1 - sigmoid) by log1p, tails", "log_of_rest_by_log1p", "log_of_rest", "float32", [[-20.0, 500.0]]),
]

SCORES = [[1.0, 2.0, 0.5], [0.25, -1.0, 3.0]]
VALUES = ("float32", [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
CAUSAL = {"mask": ("bool", [[True, False, False], [True, True, False]]), "v": VALUES}
EMPTY = {"mask": ("bool", [[True, True, False], [False, False, False]]), "v": VALUES}

ATTENTION = [
    Example(
        "attention, a row with nothing left",
        "attention",
        "attention",
        "float32",
        SCORES,
        EMPTY,
        gives=[[0.26894, 0.73106], [NAN, NAN]],
        birth=Birth(
            "subtract",
            "invalid",
            (1, 0),
            "weights = np.exp(scores - scores.max(axis=-1, keepdims=True))",
            NAN,
            "np.where(mask, x, -np.inf) - np.where(mask, x, -np.inf).max(axis=-1, keepdims=True)",
            "undefined",
        ),
        descendants=("subtract", "exp", "sum", "divide", "matmul"),
        says=("-inf", "mask|every|all", "nan"),
    ),
    Example("attention, a mask of -inf", "attention", "attention", "float32", SCORES, CAUSAL),
    Example("attention guarded, a row with nothing left", "attention_guarded", "attention", "float32", SCORES, EMPTY),
]

GRADIENT = [[0.3, -0.4, 2.0], [3e17, -4e20, 1.0]]
BALANCE = [[2.0, 1.0, 5.0], [2e16, 0.5, -2e16]]
NORM = "norm = np.sqrt(np.sum(x**2))"

BRANCHES = [
    Example(
        "gradient clipping, a norm that is inf",
        "clip_norm",
        "clip_norm",
        "float32",
        GRADIENT,
        per_row=True,
        row=1,
        gives=[0, 0, 0],
        birth=Birth("power", "overflow", (1,), NORM, INF, "x ** 2", "1.600000064130808139322823e+41", "x[1] ** 2"),
        descendants=("power", "sum", "sqrt", "divide"),
        says=("-4e+20|4e+20", "1.84467e+19|3.40282e+38", "scal|float64"),
    ),
    Example("gradient clipping, ordinary", "clip_norm", "clip_norm", "float32", [[0.3, -0.4, 2.0]], per_row=True),
    Example(
        "gradient clipping, a norm that vanishes and is not needed",
        "clip_norm",
        "clip_norm",
        "float32",
        [[3e-30, -4e-30, 0.0]],
        per_row=True,
        flags=(Flag("underflow", "power", NORM, "(x**2 == 0).all()", harmless=True),),
    ),
    Example("gradient clipping scaled", "clip_norm_scaled", "clip_norm", "float32", GRADIENT, per_row=True, row=1),
    Example(
        "shares of a sum that cancelled to 0",
        "shares",
        "shares",
        "float64",
        BALANCE,
        per_row=True,
        row=1,
        gives=[0, 0, 0],
        says=("0.5", "other|would|differ"),
        flags=(Flag("absorption", "add", "total = total + value", "x[0] + x[1] == x[0]"),),
        differs=Branch("if total == 0.0:", "x[0] + x[1] + x[2] == 0", "x[0] + x[1] + x[2] == 0"),
    ),
    Example("shares, ordinary", "shares", "shares", "float64", [[2.0, 1.0, 5.0]], per_row=True),
    Example("shares of a sum that is 0", "shares", "shares", "float64", [[1.0, -1.0, 0.0]], per_row=True),
    Example(
        "shares by a compensated sum",
        "shares_compensated",
        "shares",
        "float64",
        BALANCE,
        per_row=True,
        row=1,
    ),
]
