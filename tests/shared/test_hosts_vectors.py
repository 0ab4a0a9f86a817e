"""Vectors and matrices of the hosts that our modules pass on as they are: the gradient in every parameter.

Of f(x) = w . x + (v . x)**2, whose expectation follows from mean and covariance, written here in NumPy and
differentiated by differences; of the coordinates in which a class is normal, where it is so in others.
"""

import functools
import math

import numpy as np
from scipy import special

from tests.adapters import over
from tests.checks import assert_unbiased

DRAWS = 20_000
TRIL = np.array([[1.0, 0.0, 0.0], [0.5, 1.2, 0.0], [-0.3, 0.2, 0.7]])
LOC = np.array([0.3, -1.0, 0.6])
COVARIANCE = TRIL @ TRIL.T
NEIGHBOURS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
TURN = np.array([[0.8, 0.3], [-0.2, 0.6]])
SMALL = np.array([[0.9, 0.0], [0.4, 0.6]])
TIMES = np.array([0.0, 0.5, 0.75, 1.5])


def outer(lower):
    """L L', of the lower triangle alone, as the hosts read it."""
    return np.tril(lower) @ np.tril(lower).T


def symmetric(matrix):
    """As `in_halves` hands it to a class."""
    return 0.5 * (matrix + matrix.T)


def in_halves(a, matrix):
    return 0.5 * (matrix + a.xp.swapaxes(matrix, -1, -2))


def walk(turn, noise, start, steps):
    """Mean and covariance of x[t] = turn x[t - 1] + noise, of all steps in one vector, from (mean, covariance)."""
    mean, covariance = start
    size, means, blocks = len(mean), [], np.zeros((steps, steps, len(mean), len(mean)))
    for t in range(steps):
        mean, covariance = turn @ mean, turn @ covariance @ turn.T + noise
        means.append(mean)
        blocks[t, t] = covariance
        for s in range(t + 1, steps):
            blocks[s, t] = turn @ blocks[s - 1, t]
            blocks[t, s] = blocks[s, t].T
    return np.concatenate(means), blocks.transpose(0, 2, 1, 3).reshape(steps * size, steps * size)


def circulant(row):
    return np.array([[row[(j - i) % len(row)] for j in range(len(row))] for i in range(len(row))])


def of_diffusion(rate, level, noise, mean, scale):
    """dx = rate (level - x) dt + noise dW by Euler's steps."""
    means, covariance = [mean], np.zeros((4, 4))
    covariance[0, 0] = scale**2
    for k, step in enumerate(np.diff(TIMES), 1):
        stays = 1.0 - rate * step
        means.append(stays * means[-1] + rate * step * level)
        covariance[k, :k] = covariance[:k, k] = stays * covariance[k - 1, :k]
        covariance[k, k] = stays**2 * covariance[k - 1, k - 1] + step * noise**2
    return np.array(means), covariance


def diffusion(a, p):
    def coefficients(x, t):
        return p["rate"] * (p["level"] - x), p["noise"]

    return a.dist.EulerMaruyama(a.array(TIMES), coefficients, a.dist.Normal(p["mean"], p["scale"]))


def of_hmm(turn, noise, seen, blur, start):
    """Rows times matrices, as Pyro has it."""
    mean, covariance = walk(turn.T, np.diag(noise**2), (start, np.eye(2)), 3)
    every = np.kron(np.eye(3), seen.T)
    return every @ mean, every @ covariance @ every.T + np.diag(np.tile(blur**2, 3))


def hmm(a, p, name="GaussianHMM"):
    def normal(loc, scale):
        return a.dist.Normal(loc, scale).to_event(1)

    turn, noise, seen, blur = (
        p[k].unsqueeze(-3 if k in ("turn", "seen") else -2) for k in ("turn", "noise", "seen", "blur")
    )
    return getattr(a.dist, name)(
        normal(p["start"], a.xp.ones_like(p["start"])),
        turn, normal(a.xp.zeros_like(noise), noise),
        seen, normal(a.xp.zeros_like(blur), blur), duration=3,
    )  # fmt: skip


def of_many_hmms(turn, noise, seen, blur, start):
    """Of two numbers with a chain of their own each; the vector goes time by time."""
    found = [of_hmm(turn[i], noise[i], seen[i], blur[i], start[i]) for i in range(2)]
    covariance = np.zeros((3, 2, 3, 2))
    for i, (_, own) in enumerate(found):
        covariance[:, i, :, i] = own
    return np.stack([mean for mean, _ in found], -1).reshape(-1), covariance.reshape(6, 6)


HMM = {"turn": TURN, "noise": (0.5, 0.8), "seen": ((1.0, 0.4), (-0.3, 0.7)), "blur": (0.3, 0.5), "start": (0.4, -0.6)}
HMMS = {
    "turn": (((0.8, 0.3), (-0.2, 0.6)), ((0.5, -0.1), (0.4, 0.9))),
    "noise": ((0.5, 0.8), (0.9, 0.3)),
    "seen": (((1.0,), (-0.3,)), ((0.4,), (0.7,))),
    "blur": ((0.3,), (0.5,)),
    "start": ((0.4, -0.6), (0.1, 0.2)),
}


def plain(name, *, symmetric=(), **options):
    """The class of its parameters; `symmetric` ones by the half sum with their transpose."""

    def make(a, p):
        p = {k: in_halves(a, v) if k in symmetric else v for k, v in p.items()}
        p = {k: a.xp.tril(v) if k.startswith("scale_tril") else v for k, v in p.items()}
        return getattr(a.dist, name)(**p, **options, **({"validate_args": False} if a.eager else {}))

    return make


# name -> parameters, the distribution of these, their mean and covariance
NORMAL = {
    "MultivariateNormal tril": (
        {"loc": LOC, "scale_tril": TRIL},
        plain("MultivariateNormal"),
        lambda loc, scale_tril: (loc, outer(scale_tril)),
    ),
    "MultivariateNormal covariance": (
        {"loc": LOC, "covariance_matrix": COVARIANCE},
        plain("MultivariateNormal", symmetric=("covariance_matrix",)),
        lambda loc, covariance_matrix: (loc, symmetric(covariance_matrix)),
    ),
    "MultivariateNormal precision": (
        {"loc": LOC, "precision_matrix": np.linalg.inv(COVARIANCE)},
        plain("MultivariateNormal", symmetric=("precision_matrix",)),
        lambda loc, precision_matrix: (loc, np.linalg.inv(symmetric(precision_matrix))),
    ),
    "LowRankMultivariateNormal": (
        {"loc": LOC, "cov_factor": TRIL[:, :2], "cov_diag": (0.4, 1.1, 0.8)},
        plain("LowRankMultivariateNormal"),
        lambda loc, cov_factor, cov_diag: (loc, cov_factor @ cov_factor.T + np.diag(cov_diag)),
    ),
    "MatrixNormal": (
        {"loc": ((0.2, -0.4), (0.1, 0.5), (1.0, 0.0)), "scale_tril_row": TRIL, "scale_tril_column": SMALL},
        plain("MatrixNormal"),
        lambda loc, scale_tril_row, scale_tril_column: (
            loc.reshape(-1),
            np.kron(outer(scale_tril_row), outer(scale_tril_column)),
        ),
    ),
    "ZeroSumNormal": (
        {"scale": 1.3},
        plain("ZeroSumNormal", event_shape=(4,)),
        lambda scale: (np.zeros(4), scale**2 * (np.eye(4) - 0.25)),
    ),
    "CAR": (
        {"loc": LOC, "correlation": 0.4, "conditional_precision": 1.7},
        plain("CAR", adj_matrix=NEIGHBOURS.astype(np.float32)),
        lambda loc, correlation, conditional_precision: (
            loc,
            np.linalg.inv(conditional_precision * (np.diag(NEIGHBOURS.sum(0)) - correlation * NEIGHBOURS)),
        ),
    ),
    "CirculantNormal row": (
        {"loc": (0.3, -1.0, 0.6, 0.2), "covariance_row": (1.5, 0.4, 0.1, 0.4)},
        plain("CirculantNormal"),
        lambda loc, covariance_row: (
            loc,
            0.5 * (circulant(covariance_row) + circulant(covariance_row).T),
        ),
    ),
    "CirculantNormal rfft": (
        {"loc": (0.3, -1.0, 0.6, 0.2, 0.0), "covariance_rfft": (2.4, 1.4, 0.8)},
        plain("CirculantNormal"),
        lambda loc, covariance_rfft: (loc, circulant(np.fft.irfft(covariance_rfft, 5))),
    ),
    "GaussianRandomWalk": (
        {"scale": 0.7},
        plain("GaussianRandomWalk", num_steps=4),
        lambda scale: (np.zeros(4), scale**2 * np.minimum.outer(np.arange(1, 5), np.arange(1, 5))),
    ),
    "GaussianStateSpace tril": (
        {"transition_matrix": TURN, "scale_tril": SMALL, "initial_value": (0.4, -0.6)},
        plain("GaussianStateSpace", num_steps=3),
        lambda transition_matrix, scale_tril, initial_value: walk(
            transition_matrix, outer(scale_tril), (initial_value, np.zeros((2, 2))), 3
        ),
    ),
    "GaussianStateSpace covariance": (
        {"transition_matrix": TURN, "covariance_matrix": SMALL @ SMALL.T},
        plain("GaussianStateSpace", num_steps=3, symmetric=("covariance_matrix",)),
        lambda transition_matrix, covariance_matrix: walk(
            transition_matrix, symmetric(covariance_matrix), (np.zeros(2), np.zeros((2, 2))), 3
        ),
    ),
    "EulerMaruyama": (
        {"rate": 0.8, "level": 0.5, "noise": 0.7, "mean": -0.4, "scale": 0.9},
        diffusion,
        of_diffusion,
    ),
    "GaussianHMM": (HMM, hmm, of_hmm),
    "LinearHMM": (HMM, functools.partial(hmm, name="LinearHMM"), of_hmm),
    "IndependentHMM": (
        HMMS,
        lambda a, p: a.dist.IndependentHMM(hmm(a, p)),
        of_many_hmms,
    ),
    "NanMaskedNormal": (
        {"loc": LOC, "scale": (0.7, 1.1, 0.4)},
        lambda a, p: a.dist.NanMaskedNormal(p["loc"], p["scale"]).to_event(1),
        lambda loc, scale: (loc, np.diag(scale**2)),
    ),
    "NanMaskedMultivariateNormal": (
        {"loc": LOC, "scale_tril": TRIL},
        plain("NanMaskedMultivariateNormal"),
        lambda loc, scale_tril: (loc, outer(scale_tril)),
    ),
}
VERIFIED = {name.split()[0] for name in NORMAL} | {
    "AVFMultivariateNormal", "LogisticNormal", "OMTMultivariateNormal", "ProjectedNormal",
}  # fmt: skip


def has(adapter, case):
    return hasattr(adapter.dist, next(n for n, c in NORMAL.items() if c is case).split()[0])


def exact(f, params):
    """Central differences of f, smooth functions of parameters near 1: 1e-9."""
    found = {}
    for name, value in params.items():
        value = np.asarray(value, np.float64)
        found[name] = np.zeros(value.shape)
        for i in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[i] = 1e-5
            up, down = (f(**{**params, name: value + s * step}) for s in (1.0, -1.0))
            found[name][i] = (up - down) / 2e-5
    return found


def slopes(adapter, params, make, f):
    """Of f at each of many draws."""

    def total(p):
        if adapter.eager:
            return f(adapter.draw(make(adapter, p), adapter.key(1)))
        return adapter.draws_by_vmap(lambda p: make(adapter, p), p, adapter.key(1), f)

    return adapter.jit(adapter.slopes(total))(adapter.arrays(params, (DRAWS,)))


@over(NORMAL, "case", when=has)
def test_normal(adapter, case):
    params, make, moments = case
    params = {k: np.asarray(v, np.float64) for k, v in params.items()}
    size = len(moments(**params)[0])
    w, v = np.linspace(0.5, 1.5, size), np.cos(np.arange(size))

    def f(x):
        x = x.reshape((*x.shape[:1], -1)) if adapter.eager else x.reshape(-1)
        return (x * adapter.array(w)).sum(-1) + (x * adapter.array(v)).sum(-1) ** 2

    def expectation(**params):
        mean, covariance = moments(**params)
        return w @ mean + v @ covariance @ v + (v @ mean) ** 2

    found = slopes(adapter, params, make, f)
    for name, truth in exact(expectation, params).items():
        check(adapter.numpy(found[name]), truth, name)


def check(slopes, truth, name):
    """Unbiased, and 0 where nothing depends on the parameter: of an upper triangle."""
    slopes, truth = slopes.reshape(len(slopes), -1), np.reshape(truth, -1)
    read = truth != 0.0
    assert (slopes[:, ~read] == 0.0).all(), name
    assert_unbiased(slopes[:, read], truth[read], 2e-5, name)


def resultant(c):
    """E[x] of normal numbers about c, divided by their length (Mardia, Jupp 2000, eq. 9.3.32)."""
    c, half = np.asarray(c), 0.5 * len(c)
    factor = np.exp(special.gammaln(half + 0.5) - special.gammaln(half + 1.0)) / math.sqrt(2.0)
    return factor * c * special.hyp1f1(0.5, half + 1.0, -0.5 * (c @ c))


@over({str(c): c for c in ((0.01, 0.02), (0.8, -0.5), (6.0, 8.0), (0.6, -0.3, 1.0), (0.1,) * 10)}, "concentration")
def test_projected_normal(adapter, concentration):
    w = np.linspace(0.5, 1.5, len(concentration))
    found = slopes(
        adapter,
        {"concentration": concentration},
        lambda a, p: a.dist.ProjectedNormal(p["concentration"]),
        lambda x: (x * adapter.array(w)).sum(-1),
    )["concentration"]
    truth = exact(lambda concentration: w @ resultant(concentration), {"concentration": concentration})
    check(adapter.numpy(found), truth["concentration"], "concentration")


@over({"LogisticNormal": None}, "_", when=lambda a, _: hasattr(a.dist, "LogisticNormal"))
def test_logistic_normal(adapter, _):
    """The logarithms of the odds of each stick that is broken are normal, about loc less those of equal parts."""
    params = {"loc": (0.3, -0.4), "scale": (0.7, 1.1)}

    def f(x):
        odds = (x[..., 0].log() - (1.0 - x[..., 0]).log(), x[..., 1].log() - x[..., 2].log())
        return (odds[0] + 2.0 * odds[1]) ** 2 + odds[0]

    def expectation(loc, scale):
        first, second = loc[0] - math.log(2.0), loc[1]
        return (first + 2.0 * second) ** 2 + scale[0] ** 2 + 4.0 * scale[1] ** 2 + first

    found = slopes(adapter, params, lambda a, p: a.dist.LogisticNormal(p["loc"], p["scale"]), f)
    for name, truth in exact(expectation, params).items():
        check(adapter.numpy(found[name]), truth, name)


OF_ONE = {
    "OMTMultivariateNormal": {},
    "AVFMultivariateNormal": {"control_var": 0.3 * np.cos(np.arange(12.0)).reshape(2, 2, 3)},
}


@over({name: name for name in OF_ONE}, "name", when=lambda a, name: hasattr(a.dist, name))
def test_without_batches(adapter, name):
    """These take one set of parameters: the slopes of means of fifty draws."""
    params = {"loc": LOC, "scale_tril": TRIL}
    w, v = np.linspace(0.5, 1.5, 3), np.cos(np.arange(3))
    more = {k: adapter.array(value) for k, value in OF_ONE[name].items()}

    def f(p, seed):
        x = adapter.draw(getattr(adapter.dist, name)(**p, **more), adapter.key(seed), (50,))
        return ((x * adapter.array(w)).sum(-1) + (x * adapter.array(v)).sum(-1) ** 2).mean()

    def expectation(loc, scale_tril):
        return w @ loc + v @ outer(scale_tril) @ v + (v @ loc) ** 2

    found = [adapter.slopes(f)(adapter.arrays(params), seed) for seed in range(400)]
    for parameter, truth in exact(expectation, params).items():
        check(np.stack([adapter.numpy(each[parameter]) for each in found]), truth, parameter)
