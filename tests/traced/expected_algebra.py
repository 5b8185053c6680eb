"""What is to be said of densities, divergences, geometry and algebra, and of what looks bad and is not."""

from __future__ import annotations

from examples import INF, NAN, Birth, Branch, Example, Flag

POINTS = [[0.5, 60.0]]
CENTRES = {"centres": ("float32", [4.0, 1.0, 0.0])}
RARE = [[2.0**-12] * 14, [0.5] * 14]
GAPPED = [[0.5, 0.0, 0.5], [0.25, 0.25, 0.5]]
BROAD = {"q": ("float32", [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])}

LIKELIHOOD = [
    Example(
        "responsibilities, a point far from every centre",
        "responsibilities",
        "responsibilities",
        "float32",
        POINTS,
        CENTRES,
        per_row=True,
        gives=[[0.001238, 0.49938, 0.49938], [NAN] * 3],
        birth=Birth(
            "exp",
            "underflow",
            (1, 0),
            "density = np.exp(-0.5 * (x[:, None] - centres) ** 2)",
            0.0,
            "np.exp(-0.5 * (x[:, None] - centres) ** 2)",
            "1.062312705334060523429486e-681",
            "exp(-(x[1] - centres[0]) ** 2 / 2)",
        ),
        descendants=("exp", "sum", "divide"),
        says=("-1568", "-103.97", "exp", "nan", "max|log"),
    ),
    Example(
        "responsibilities, ordinary", "responsibilities", "responsibilities", "float32", [[0.5, 3.0]], CENTRES, True
    ),
    Example(
        "responsibilities by logs",
        "responsibilities_by_logs",
        "responsibilities",
        "float32",
        POINTS,
        CENTRES,
        True,
    ),
    Example(
        "survival, a running product that vanishes",
        "survival",
        "survival",
        "float32",
        RARE,
        gives=[
            [-8.3178 * (k + 1) if k < 12 else -INF for k in range(14)],
            [-0.69315 * (k + 1) for k in range(14)],
        ],
        birth=Birth(
            "cumprod",
            "underflow",
            (0, 12),
            "chance = np.cumprod(x, axis=-1)",
            0.0,
            "np.cumprod(x, axis=-1)",
            "1.094764425253763336659164e-47",
            "x[0, 0] ** 13",
        ),
        descendants=("cumprod", "log"),
        says=("cumprod|product", "0", "log"),
    ),
    Example("survival, ordinary", "survival", "survival", "float32", [[0.5, 0.75, 0.875]]),
    Example("survival by logs", "survival_by_logs", "survival", "float32", RARE),
    Example(
        "divergence, an outcome that never happens",
        "divergence",
        "divergence",
        "float32",
        GAPPED,
        BROAD,
        gives=[NAN, 0.1733],
        birth=Birth("log", "divide", (0, 1), "logs = np.log(x / q)", -INF, "np.log(x / q)", "-inf"),
        descendants=("log", "multiply", "sum"),
        says=("log", "0", "nan"),
    ),
    Example("divergence, ordinary", "divergence", "divergence", "float32", [[0.5, 0.25, 0.25]] * 2, BROAD),
    Example("divergence masked", "divergence_masked", "divergence", "float32", GAPPED, BROAD),
]

FAINT = [[1e-25, 2e-25], [1.0, 2.0]]
ZERO = [[0.0, 0.0], [1.0, 2.0]]
OTHER = {"y": ("float32", [[3.0, 4.0], [3.0, 4.0]])}
NEAR = [[7376.625, 0.0], [7377.0, 0.0]]
SLOPE = [[1.0, 1e9, 1.0], [1.0, 3.0, 2.0]]
DISC = "disc = b**2 - 4 * a * c"
ROOT = "top = -b + np.sqrt(disc)"
NEAR_ONE = [[1.0625, 3.0]]
D2 = "d2 = squares[:, None] + squares[None, :] - 2 * x @ x.T"

GEOMETRY = [
    Example(
        "cosine, squares that vanish",
        "cosine",
        "cosine",
        "float32",
        FAINT,
        OTHER,
        gives=[INF, 0.98387],
        birth=Birth(
            "multiply",
            "underflow",
            (0, 0),
            "norms = np.sqrt((x * x).sum(axis=-1))",
            0.0,
            "x * x",
            "1.000000039082963138394607e-50",
            "x[0, 0]**2",
        ),
        descendants=("multiply", "sum", "sqrt", "divide"),
        says=("1e-25", "0", "inf", "scal|float64|normalis"),
    ),
    Example(
        "cosine of a vector without length",
        "cosine",
        "cosine",
        "float32",
        ZERO,
        OTHER,
        gives=[NAN, 0.98387],
        birth=Birth(
            "divide",
            "invalid",
            (0,),
            "return dot / norms",
            NAN,
            "(x * y).sum(axis=-1) / np.sqrt((x * x).sum(axis=-1))",
            "undefined",
        ),
        descendants=("divide",),
        says=("0/0|0 / 0", "undefined|no value"),
    ),
    Example("cosine, ordinary", "cosine", "cosine", "float32", [[3.0, -4.0], [1.0, 2.0]], OTHER),
    Example("cosine scaled, faint", "cosine_scaled", "cosine", "float32", FAINT, OTHER),
    Example("cosine scaled, without length", "cosine_scaled", "cosine", "float32", ZERO, OTHER),
    Example(
        "distances, two points nearly the same",
        "distances",
        "distances",
        "float32",
        NEAR,
        gives=[[0, NAN], [NAN, 0]],
        birth=Birth(
            "sqrt",
            "invalid",
            (0, 1),
            "return np.sqrt(d2)",
            NAN,
            "np.sqrt((x[:, 0] * x[:, 0])[:, None] + x[:, 0] * x[:, 0] - 2 * x[:, :1] * x[:, 0])",
            "0.375",
            "x[1, 0] - x[0, 0]",
        ),
        descendants=("sqrt",),
        says=("sqrt", "negative|-8", "cancel"),
        flags=(Flag("cancellation", "subtract", D2, "(x[0] ** 2 + x[1] ** 2 - 2 * x[0] * x[1])[0] == -8", (20, 32)),),
    ),
    Example("distances, ordinary", "distances", "distances", "float32", [[3.0, 0.0], [0.0, 4.0]]),
    Example("distances by differences", "distances_by_differences", "distances", "float32", NEAR),
]

ALGEBRA = [
    Example(
        "quadratic, the smaller root cancels",
        "smaller_root",
        "smaller_root",
        "float64",
        SLOPE,
        gives=[0, -1],
        birth=Birth(
            "add",
            "underflow",
            (0,),
            ROOT,
            0.0,
            "-x[:, 1] + np.sqrt(x[:, 1] ** 2 - 4 * x[:, 0] * x[:, 2])",
            "-2.000000000000000002e-9",
            "-x[0, 1] + sqrt(x[0, 1] ** 2 - 4 * x[0, 0] * x[0, 2])",
        ),
        descendants=("add", "divide"),
        says=("cancel|absor", "-2e-09", "0"),
        flags=(Flag("absorption", "subtract", DISC, "x[0, 1] ** 2 - 4 == x[0, 1] ** 2"),),
    ),
    Example("quadratic, ordinary", "smaller_root", "smaller_root", "float64", [[1.0, 3.0, 2.0], [2.0, 5.0, 2.0]]),
    Example("quadratic rearranged", "smaller_root_rearranged", "smaller_root", "float64", SLOPE),
    Example(
        "a polynomial multiplied out, beside its root",
        "seventh_power",
        "seventh_power",
        "float32",
        NEAR_ONE,
        gives=[[-(2.0**-24), 128]],
        says=("cancel", "bits"),
    ),
    Example("a polynomial multiplied out, whole numbers", "seventh_power", "seventh_power", "float32", [[3.0, -1.0]]),
    Example("a polynomial as it is", "seventh_power_direct", "seventh_power", "float32", NEAR_ONE),
    Example(
        "a series that stops where nothing changes any more",
        "exp_series",
        "exp_series",
        "float64",
        [[0.5, 1.0, 2.0]],
        differs=Branch(
            "while np.any(total + term != total):",
            "np.any(np.exp(x) + 2.0**-60 != np.exp(x))",
            "exp(x[0, 0]) + mpf(2) ** -60 != exp(x[0, 0])",
        ),
    ),
]

TOP = {"y": ("float32", [[2.0, 0.0, 0.0, 4.0]])}
BOTTOM = [[1.0, 3.0, 0.0, 8.0]]

HARMLESS = [
    Example("a ratio, where guards the denominator", "ratio_by_where", "ratio", "float32", BOTTOM, TOP),
    Example(
        "a ratio, inf and nan overwritten",
        "ratio_discarded",
        "ratio",
        "float32",
        BOTTOM,
        TOP,
        flags=(
            Flag("divide", "divide", "quotient = x / y", "(x / y)[0, 1] == np.inf", harmless=True),
            Flag("invalid", "divide", "quotient = x / y", "np.isnan((x / y)[0, 2])", harmless=True),
        ),
    ),
    Example("a ratio, divided where it can be", "ratio_by_divide", "ratio", "float32", BOTTOM, TOP),
    Example(
        "a rate, an infinity clipped",
        "clipped_rate",
        "clipped_rate",
        "float32",
        [[100.0, 0.5, -200.0]],
        flags=(
            Flag("overflow", "exp", "rate = np.exp(x)", "np.exp(x)[0, 0] == np.inf", harmless=True),
            Flag("underflow", "exp", "rate = np.exp(x)", "np.exp(x)[0, 2] == 0", harmless=True),
        ),
    ),
]
