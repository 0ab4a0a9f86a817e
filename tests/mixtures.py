"""Mixtures of two or three components for both hosts: rows, mpmath's partials of a draw, and exact expectations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from mpmath import mp

from tests.families import BY_NAME


@dataclass(frozen=True)
class Row:
    """A univariate mixture and values at which its draw is held."""

    name: str
    family: str
    logits: tuple
    params: tuple
    """((name, values), ...)"""
    values: tuple

    def __str__(self):
        return self.name


NORMALS = (("loc", (0.0, 0.75)), ("scale", (1.0, 0.5)))
ROWS = [
    Row("Normal", "Normal", (0.5, -0.25), NORMALS, (-1.5, 0.25, 2.0)),
    Row("Gamma", "Gamma", (0.5, -0.25), (("concentration", (0.5, 3.0)), ("rate", (1.0, 2.0))), (0.03125, 0.75, 6.0)),
    Row("Beta", "Beta", (0.5, -0.25),
        (("concentration1", (0.5, 4.0)), ("concentration0", (2.0, 1.5))), (0.03125, 0.5, 0.96875)),
    Row("StudentT", "StudentT", (0.5, -0.25),
        (("df", (3.0, 8.0)), ("loc", (0.0, 1.5)), ("scale", (1.0, 0.5))), (-4.0, 0.5, 6.0)),
    Row("VonMises", "VonMises", (0.5, -0.25), (("loc", (0.5, -1.0)), ("concentration", (2.0, 5.0))), (-2.0, -0.5, 1.0)),
    Row("weight 1e-30", "Normal", (0.0, -69.0), NORMALS, (-1.5, 0.25, 2.0)),
    Row("equal", "Normal", (0.0, 0.0), (("loc", (0.5, 0.5)), ("scale", (2.0, 2.0))), (-3.0, 0.5, 4.0)),
    Row("50 sigma apart", "Normal", (0.5, -0.25),
        (("loc", (0.0, 50.0)), ("scale", (1.0, 1.0))), (-2.0, 0.25, 4.0, 46.0, 50.25)),
    Row("far tails", "Normal", (0.5, -0.25), NORMALS, (-12.0, -8.0, 8.0, 12.0)),
]  # fmt: skip


@cache
def partials(row: Row) -> dict[str, np.ndarray]:
    """-(dF/dtheta) / p at the values, (number of values, K) for the logits and each parameter."""
    k = len(row.logits)
    names, start = [name for name, _ in row.params], [v for _, values in row.params for v in values]

    def cdf(x, *flat):
        flat = [mp.mpf(v) for v in flat]
        weights, total = [mp.exp(v) for v in flat[:k]], mp.fsum(mp.exp(v) for v in flat[:k])
        each = (BY_NAME[row.family].cdf_exactly(x, *flat[k + i :: k]) for i in range(k))
        return mp.fsum(w * f for w, f in zip(weights, each, strict=True)) / total

    with mp.workdps(150 if row.family == "Normal" else 30):  # F is 1 - 1e-80 in the far tails
        at = [*map(mp.mpf, row.logits), *map(mp.mpf, start)]
        table = []
        for x in map(mp.mpf, row.values):
            order = [[int(i == j) for j in range(len(at) + 1)] for i in range(len(at) + 1)]
            slope = [mp.diff(cdf, (x, *at), tuple(o)) for o in order]
            table.append([float(-s / slope[0]) for s in slope[1:]])
    found = np.array(table)
    return {name: found[:, k * i : k * i + k] for i, name in enumerate(["logits", *names])}


# In float32 an exponent of size e carries a rounding error of e * eps / 2: 4e-6 for log w = -69, and for the x^2 / 2 =
# 72 of 12 sigma.
IN_FLOAT32 = {"weight 1e-30": 8e-6, "far tails": 5e-6}


@cache
def terms(row: Row) -> np.ndarray:
    """w_k (T_k + T) / p, of the smaller tail T: sizes of the terms of which the logits' partials are the differences.

    Where the components' tails nearly agree, as those of the two Gammas at 6 (5.3e-4 and 5.2e-4), little is left.
    """
    with mp.workdps(30):
        weights = [mp.exp(v) / mp.fsum(mp.exp(u) for u in row.logits) for v in row.logits]
        table = []
        for x in map(mp.mpf, row.values):
            each = [partial_cdf(row, i) for i in range(len(weights))]
            lower = mp.fsum(w * f(x) for w, f in zip(weights, each, strict=True))
            p = mp.fsum(w * mp.diff(f, x) for w, f in zip(weights, each, strict=True))
            tails = [f(x) if lower < 0.5 else 1 - f(x) for f in each]
            whole = min(lower, 1 - lower)
            table.append([float(w * (t + whole) / p) for w, t in zip(weights, tails, strict=True)])
    return np.array(table)


def partial_cdf(row: Row, i: int) -> Callable:
    """The distribution function of one component."""
    params = [mp.mpf(values[i]) for _, values in row.params]
    return lambda x: BY_NAME[row.family].cdf_exactly(x, *params)


def errors(row: Row, found: dict[str, np.ndarray]) -> dict[str, float]:
    """Of partials, relative to the largest of a value's; for the logits of the Gammas, to that of the terms."""
    worst = {}
    for name, truth in partials(row).items():
        # a component that is not there has partials of 1e-300
        size = (terms(row) if (row.name, name) == ("Gamma", "logits") else np.abs(truth)).max(-1, keepdims=True)
        size[size < 1e-30] = 1.0  # the logits of equal components
        worst[name] = float((np.abs(np.asarray(found[name], np.float64) - truth) / size).max())
    return worst


# ----------------------------------------------------------------------------------------------------- expectations

_rng = np.random.default_rng(0)
K, D = 3, 3
TILT = np.array([0.3, -0.2, 0.4])
FORM = np.array([[1.0, 0.5, -0.25], [0.0, -0.5, 1.0], [0.75, 0.25, 0.5]])
MANY: dict[str, dict[str, np.ndarray]] = {
    "factorised": {"logits": _rng.normal(size=K), "loc": 1.5 * _rng.normal(size=(K, D)),
                   "scale": _rng.uniform(0.5, 1.5, (K, D))},
    "normal": {"logits": _rng.normal(size=K), "loc": 1.5 * _rng.normal(size=(K, D)),
               "scale_tril": np.tril(0.4 * _rng.normal(size=(K, D, D)), -1)
               + _rng.uniform(0.5, 1.5, (K, D))[..., None] * np.eye(D)},
}  # fmt: skip
MANY["student t"] = {**MANY["normal"], "df": np.array([9.0, 12.0, 15.0])}


def many(adapter, kind, leaves, general=False):
    """A mixture of `MANY`."""
    dist, p = adapter.dist, {k: v for k, v in leaves.items() if k != "logits"}
    names = {"factorised": "Normal", "normal": "MultivariateNormal", "student t": "MultivariateStudentT"}
    family = getattr(dist, names[kind])
    if "scale_tril" in p:
        p["scale_tril"] = adapter.xp.tril(p["scale_tril"])
    weights = dist.Categorical(logits=leaves["logits"])

    def event(d):
        return d.to_event(1) if kind == "factorised" else d

    if general:
        after = {"df": (), "loc": (slice(None),), "scale": (slice(None),), "scale_tril": (slice(None),) * 2}
        parts = [event(family(**{k: v[(..., i, *after[k])] for k, v in p.items()})) for i in range(K)]
        return dist.MixtureGeneral(weights, parts)
    return dist.MixtureSameFamily(weights, event(family(**p)))


def softmax(logits):
    weights = (logits - logits.max()).exp() if hasattr(logits, "exp") else np.exp(logits - logits.max())
    return weights / weights.sum(-1)


def _covariance(p):
    if "scale" in p:
        return p["scale"][..., None] ** 2 * np.eye(D)
    scale_tril = np.tril(p["scale_tril"])
    matrix = scale_tril @ np.swapaxes(scale_tril, -1, -2)
    return matrix * (p["df"] / (p["df"] - 2.0))[:, None, None] if "df" in p else matrix


def moment(p):
    """E[sum x + x' FORM x]"""
    second = ((_covariance(p) + p["loc"][..., :, None] * p["loc"][..., None, :]) * FORM).sum((-1, -2))
    return softmax(p["logits"]) @ (p["loc"].sum(-1) + second)


def tilted(p):
    """E[exp(TILT' x)], for normal components"""
    return softmax(p["logits"]) @ np.exp(p["loc"] @ TILT + 0.5 * _covariance(p) @ TILT @ TILT)


def slopes(expectation: Callable, params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its gradient by central differences, right to 1e-9."""
    found = {}
    for name, value in params.items():
        flat = np.zeros(value.size)
        for i in range(value.size):
            move = np.zeros(value.size)
            move[i] = 1e-5
            up, down = (expectation({**params, name: value + s * move.reshape(value.shape)}) for s in (1.0, -1.0))
            flat[i] = (up - down) / 2e-5
        found[name] = flat.reshape(value.shape)
    return found
