"""What is to be said of log-sum-exp, softplus and losses."""

from __future__ import annotations

from examples import INF, Birth, Example, Flag

STEEP = [[1.0, 2.0, 3.0], [1.0, 0.5, 90.0]]
DEEP = [[-20.0, -21.0], [-1.0, 0.5]]
PAIR = "total = np.log(np.exp(total) + np.exp(x[:, j]))"
RISING = [[0.5, 100.0], [-3.0, 1.0]]
SURE = [[-20.0, 0.5]]
GROWN = "grown = 1 + np.exp(x)"

LOG_SUM_EXP = [
    Example(
        "logsumexp in pairs, a large term",
        "logsumexp_pairwise",
        "logsumexp",
        "float32",
        STEEP,
        gives=[3.4076, INF],
        birth=Birth(
            "exp", "overflow", (1,), PAIR, INF, "np.exp(x[:, 2])", "1.22040329431784080200271e+39", "exp(x[1, 2])"
        ),
        descendants=("exp", "add", "log"),
        says=("90", "88.7228", "exp", "max|log1p|logaddexp"),
    ),
    Example(
        "logsumexp in pairs, terms that vanish",
        "logsumexp_pairwise",
        "logsumexp",
        "float16",
        DEEP,
        gives=[-INF, 0.7014],
        birth=Birth(
            "exp", "underflow", (0,), PAIR, 0.0, "np.exp(x[:, 0])", "2.06115362243855782796594e-9", "exp(x[0, 0])"
        ),
        descendants=("exp", "add", "log"),
        says=("-20", "-17.3", "log", "max|log1p|logaddexp"),
    ),
    Example("logsumexp in pairs, ordinary", "logsumexp_pairwise", "logsumexp", "float32", [[1.0, 2.0, 3.0]]),
    Example("logsumexp in pairs, half precision", "logsumexp_pairwise", "logsumexp", "float16", [[1.0, 2.0, 3.0]]),
    Example("logsumexp by log1p, a large term", "logsumexp_by_log1p", "logsumexp", "float32", STEEP),
    Example("logsumexp by log1p, terms that vanished", "logsumexp_by_log1p", "logsumexp", "float16", DEEP),
    Example(
        "softplus, a large logit",
        "softplus",
        "softplus",
        "float32",
        RISING,
        gives=[[0.9741, INF], [0.04859, 1.3133]],
        birth=Birth(
            "exp", "overflow", (0, 1), GROWN, INF, "np.exp(x)", "2.688117141816135448412626e+43", "exp(x[0, 1])"
        ),
        descendants=("exp", "add", "log"),
        says=("100", "88.7228", "exp", "log1p|logaddexp|max|float64"),
    ),
    Example(
        "softplus, an absorbed exp",
        "softplus",
        "softplus",
        "float32",
        SURE,
        gives=[[0, 0.9741]],
        birth=Birth(
            "log",
            "underflow",
            (0, 0),
            "return np.log(grown)",
            0.0,
            "np.log(1 + np.exp(x))",
            "2.061153620314380703238983e-9",
            "log1p(exp(x[0, 0]))",
        ),
        descendants=("log",),
        says=("absor", "log1p|logaddexp|float64"),
        flags=(Flag("absorption", "add", GROWN, "(1 + np.exp(x))[0, 0] == 1"),),
    ),
    Example("softplus, ordinary", "softplus", "softplus", "float32", [[0.5, 10.0], [-0.25, 1.0]]),
    Example("softplus by log1p, a large logit", "softplus_by_log1p", "softplus", "float32", RISING),
    Example("softplus by log1p, a small exp", "softplus_by_log1p", "softplus", "float32", SURE),
    Example(
        "a partition function beyond the format",
        "partition",
        "partition",
        "float32",
        [[94.7, 1.0], [0.0, 1.0]],
        gives=[INF, 3.7183],
        birth=Birth(
            "exp",
            "overflow",
            (0, 0),
            "return np.exp(x).sum(axis=-1)",
            INF,
            "np.exp(x)",
            "1.341794819775960479273683e+41",
            "exp(x[0, 0])",
        ),
        descendants=("exp", "sum"),
        says=("94.7", "88.7228", "float64"),
        repair=False,
    ),
    Example("a partition function within the format", "partition", "partition", "float32", [[4.5, 1.0], [0.0, 1.0]]),
]

CERTAIN = [[0.0, -120.0, 1.0], [2.0, 0.0, -1.0]]
ON = {"labels": ("int64", [1, 0])}
OFF = {"labels": ("int64", [2, 0])}
LEANING = [[20.0, 0.0], [1.0, 2.0]]
SHIFTED = "e = np.exp(x - x.max(axis=1, keepdims=True))"

LOSSES = [
    Example(
        "cross-entropy, a label whose exp vanishes",
        "cross_entropy",
        "cross_entropy",
        "float32",
        CERTAIN,
        ON,
        gives=INF,
        birth=Birth(
            "exp",
            "underflow",
            (0, 1),
            SHIFTED,
            0.0,
            "np.exp(x - x.max(axis=1, keepdims=True))",
            "2.820770088460135401118447e-53",
            "exp(x[0, 1] - x[0, 2])",
        ),
        descendants=("exp", "divide", "log", "mean", "negative"),
        says=("-121", "-103.97", "log"),
    ),
    Example(
        "cross-entropy, another class's exp vanishes",
        "cross_entropy",
        "cross_entropy",
        "float32",
        CERTAIN,
        OFF,
        flags=(Flag("underflow", "exp", SHIFTED, "np.exp(x[0, 1] - x[0, 2]) == 0", harmless=True),),
    ),
    Example("cross-entropy by logits", "cross_entropy_by_logits", "cross_entropy", "float32", CERTAIN, ON),
    Example(
        "focal loss, a probability that rounds to 1",
        "focal_loss",
        "focal_loss",
        "float32",
        LEANING,
        {"labels": ("int64", [0, 1])},
        gives=[0, 0.02266],
        birth=Birth(
            "subtract",
            "underflow",
            (0,),
            "missed = 1 - p",
            0.0,
            "1 - (np.exp(x - 20) / np.exp(x - 20).sum(axis=1, keepdims=True))[:1, 0]",
            "2.061153618190203581430862e-9",
            "exp(-x[0, 0]) / (1 + exp(-x[0, 0]))",
        ),
        descendants=("subtract", "power", "negative", "multiply"),
        says=("absor|cancel", "1"),
        flags=(
            Flag(
                "absorption",
                "sum",
                "p = (e / e.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]",
                "np.exp(x[0] - 20).sum() == 1",
            ),
        ),
    ),
    Example(
        "focal loss, ordinary",
        "focal_loss",
        "focal_loss",
        "float32",
        [[2.0, 0.0], [1.0, 2.0]],
        {"labels": ("int64", [0, 1])},
        within=64,
    ),
    Example(
        "focal loss by odds",
        "focal_loss_by_odds",
        "focal_loss",
        "float32",
        LEANING,
        {"labels": ("int64", [0, 1])},
    ),
]
