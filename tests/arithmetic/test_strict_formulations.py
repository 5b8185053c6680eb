"""Whole formulations in strict arithmetic, every bit, against loops over single numbers of MPFR."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from overflowscope import catalogue
from overflowscope.arithmetic.strict import Model
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, Format, round_to

gmpy2 = pytest.importorskip("gmpy2")
INF, NAN = math.inf, math.nan
Row = list[float]


class Scalar:
    """One format by MPFR: correctly rounded functions, with subnormal numbers; nan for what e4m3fn cannot hold."""

    def __init__(self, fmt: Format):
        self.fmt = fmt
        self.context = gmpy2.context(
            precision=fmt.precision, emax=fmt.emax + 1, emin=fmt.emin - fmt.precision + 2, subnormalize=True
        )

    def of(self, name: str, *values: float) -> float:
        if name == "log" and values[0] == 0:
            found = -INF
        else:
            found = float(getattr(self.context, name)(*(gmpy2.mpfr(v, 53) for v in values)))
        return found if self.fmt.has_infinity or abs(found) <= self.fmt.largest else NAN

    def __getattr__(self, name: str) -> Callable[..., float]:
        return lambda *values: self.of(name, *values)


class Loops:
    """The formulations, number by number; the sum in the order and the accumulator of a model."""

    def __init__(self, fmt: Format, model: Model):
        self.a, self.order, self.acc = Scalar(fmt), model.order, Scalar(model.accumulator or fmt)

    def sum(self, row: Row) -> float:
        terms, b = [self.acc.plus(v) for v in row], self.acc

        def halves(part: Row) -> float:
            middle = (len(part) + 1) // 2
            return part[0] if len(part) == 1 else b.add(halves(part[:middle]), halves(part[middle:]))

        total, lost = terms[0], 0.0
        if self.order == "pairwise":
            return self.a.plus(halves(terms))
        for term in terms[1:]:
            y = b.add(term, lost) if self.order == "kahan" else term
            before, total = total, b.add(total, y)
            lost = b.add(b.sub(before, total), y) if self.order == "kahan" else 0.0
        return self.a.plus(total)

    def exps(self, row: Row, by: float) -> Row:
        return [self.a.exp(self.a.sub(v, by)) for v in row]

    def shares(self, e: Row) -> Row:
        s = self.sum(e)
        return [self.a.div(v, s) for v in e]

    def softmax_naive(self, x: Row) -> Row:
        return self.shares([self.a.exp(v) for v in x])

    def softmax_shifted(self, x: Row) -> Row:
        return self.shares(self.exps(x, most(x)))

    def softmax_lse(self, x: Row) -> Row:
        return self.exps(x, self.logsumexp_shifted(x))

    def softmax_lse_naive(self, x: Row) -> Row:
        return self.exps(x, self.logsumexp_naive(x))

    def softmax_online(self, x: Row) -> Row:
        a, m, s = self.a, most(x[:64]), self.sum(self.exps(x[:64], most(x[:64])))
        for start in range(64, len(x), 64):
            block, before = x[start : start + 64], m
            m = most([before, most(block)])
            s = a.add(a.mul(s, a.exp(a.sub(before, m))), self.sum(self.exps(block, m)))
        return [a.div(v, s) for v in self.exps(x, m)]

    def softmax_base2(self, x: Row) -> Row:
        with gmpy2.context(precision=300):
            log2e = 1 / gmpy2.log(gmpy2.mpfr(2))
        t = [self.a.mul(v, float(self.a.context.plus(log2e))) for v in x]
        return self.shares([self.a.exp2(self.a.sub(v, most(t))) for v in t])

    def logsumexp_naive(self, x: Row) -> float:
        return self.a.log(self.sum([self.a.exp(v) for v in x]))

    def logsumexp_shifted(self, x: Row) -> float:
        return self.a.add(most(x), self.a.log(self.sum(self.exps(x, most(x)))))

    def log1p_of_others(self, x: Row) -> tuple[float, float]:
        k = next((j for j, v in enumerate(x) if v != v), x.index(most(x)) if most(x) == most(x) else 0)
        e = self.exps(x, x[k])
        return x[k], self.a.log1p(self.sum([0.0 if j == k else v for j, v in enumerate(e)]))

    def logsumexp_log1p(self, x: Row) -> float:
        return self.a.add(*self.log1p_of_others(x))

    def logsumexp_fake_log1p(self, x: Row) -> float:
        s = self.sum(self.exps(x, most(x)))
        return self.a.add(most(x), self.a.log1p(self.a.sub(s, 1.0)))

    def log_softmax_naive(self, x: Row) -> Row:
        return [self.a.log(v) for v in self.softmax_naive(x)]

    def log_softmax_shifted(self, x: Row) -> Row:
        return [self.a.log(v) for v in self.softmax_shifted(x)]

    def log_softmax_lse(self, x: Row) -> Row:
        d = [self.a.sub(v, most(x)) for v in x]
        logarithm = self.a.log(self.sum([self.a.exp(v) for v in d]))
        return [self.a.sub(v, logarithm) for v in d]

    def log_softmax_log1p(self, x: Row) -> Row:
        m, logarithm = self.log1p_of_others(x)
        return [self.a.sub(self.a.sub(v, m), logarithm) for v in x]

    def cross_entropy_naive(self, x: Row, y: int) -> float:
        return -self.a.log(self.softmax_naive(x)[y])

    def cross_entropy_shifted(self, x: Row, y: int) -> float:
        return -self.a.log(self.softmax_shifted(x)[y])

    def cross_entropy_lse(self, x: Row, y: int) -> float:
        return self.a.sub(self.logsumexp_shifted(x), x[y])

    def cross_entropy_shifted_lse(self, x: Row, y: int) -> float:
        d = [self.a.sub(v, most(x)) for v in x]
        return self.a.sub(self.a.log(self.sum([self.a.exp(v) for v in d])), d[y])

    def cross_entropy_log1p(self, x: Row, y: int) -> float:
        m, logarithm = self.log1p_of_others(x)
        return self.a.add(self.a.sub(m, x[y]), logarithm)

    def cross_entropy_clipped(self, x: Row, y: int) -> float:
        with gmpy2.context(precision=300):
            little = gmpy2.mpfr("1e-12")
        return -self.a.log(self.a.add(self.softmax_shifted(x)[y], float(self.a.context.plus(little))))


def most(row: Row) -> float:
    return NAN if any(v != v for v in row) else max(row)


def rows_of(fmt: Format) -> np.ndarray[Any, Any]:
    """Rows of 66 classes, two of online's blocks: ordinary, large, about exp's ends, equal, masked, special."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((9, 66)) * np.array([1, 30, 1e3, 1, 1, 1, 1, 1, 1])[:, None]
    x[:2].sort()  # the maximum rises in the second block
    x[3] = rng.uniform(fmt.log_largest - 4, fmt.log_largest + 0.1, 66)
    x[4] = rng.uniform(fmt.log_vanishing - 1, fmt.log_vanishing + 3, 66)
    x[5] = rng.integers(-3, 4, 66) * fmt.smallest
    x[6, ::2], x[7, 40], x[8, 3] = -INF, INF, NAN
    x = round_to(x, fmt)
    return x if fmt.has_infinity else np.where(np.isinf(x), NAN, x)


FORMULATIONS = [(op, f) for op in catalogue.operations().values() for f in op.formulations.values()]
MODELS = [Model(), Model("pairwise", FORMATS["float32"]), Model("kahan"), Model("sequential", FORMATS["float16"])]


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_every_formulation_is_its_steps_each_rounded_once(fmt: Format) -> None:
    x = rows_of(fmt)
    labels = np.arange(len(x)) * 7
    for i, (op, formulation) in enumerate(FORMULATIONS):
        model = MODELS[i % len(MODELS)]
        got = evaluate(op, formulation.function, x, labels, fmt, None, model).values
        loops = getattr(Loops(fmt, model), f"{op.name}_{formulation.name}")
        for row, y, values in zip(x.tolist(), labels.tolist(), got, strict=True):
            want = loops(row, y) if op.takes_labels else loops(row)
            np.testing.assert_array_equal(values, want, err_msg=f"{op.name} {formulation.name} {model} {row[:3]}")
