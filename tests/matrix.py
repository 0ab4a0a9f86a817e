"""The table of what is tested under the hosts' inference: every family, under every ELBO, in every setting.

A cell is a model, x ~ prior and y ~ Normal(g(x), 1), with a guide of x's family; it holds if the host's estimates of
the bound's gradient agree with the exact one.  `pyro/test_matrix.py` and `numpyro/test_matrix.py` run what `cells`
lists, and `benchmarks/matrix.py` prints that into docs/elbos.md.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special, stats

from tests.checks import Params

HOSTS = ("Pyro", "NumPyro")
ELBOS = ("Trace", "TraceGraph", "TraceEnum", "TraceMeanField", "Renyi")
SETTINGS = ("plain", "plate", "subsampled plate", "vectorized particles")


@dataclass(frozen=True)
class Gap:
    """Why a cell has no tick."""

    reason: str
    fault: bool
    """the host's gradient is wrong, whatever the family: the cell is run and must fail; else there is no such cell"""


GAPS = {
    ("Pyro", "Renyi", "subsampled plate"): Gap(
        "Pyro's `RenyiELBO` raises the weights to the power size / subsample size, instead of multiplying the bound by "
        "it: wrong for every family",
        fault=True,
    ),
    ("NumPyro", "Renyi", "vectorized particles"): Gap(
        "NumPyro's `RenyiELBO` has no other particles than vectorized ones, so that its other cells have them",
        fault=False,
    ),
}

# Under TraceEnum, y ~ Normal(g(x) + in_guide + in_model, 1) with two enumerated Bernoulli sites: the guide has the
# first too, and the bound is a mean over it; the second is summed inside the logarithm.  Without a plate, copies of
# x share the two, and z ~ Normal(in_model, 1) takes the second over: the bound is then still a sum over the copies.
IN_GUIDE, IN_MODEL, GUIDE_HAS = 0.5, 0.3, 0.7

# RenyiELBO's order and number of particles, on which its bound depends.
ORDER, PARTICLES = 0.5, 2


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A family with one model and one guide."""

    name: str
    guide: Params
    """where the gradient is taken"""
    prior: Params
    function: Callable
    """g(xp, x), with xp numpy, torch or jax.numpy"""
    y: float
    nodes: Callable
    """() -> the nodes of an integral over the support and the logarithms of their weights"""
    log_density: Callable
    """x, params -> log p(x)"""

    def __str__(self) -> str:
        return self.name

    def objective(self, elbo: str, setting: str, params: Params) -> float:
        """The expected bound, but for a constant, by quadrature."""
        x, log_weights = self.nodes()
        level = self.function(np, x)
        log_q = self.log_density(x, **params)
        log_w = self.log_density(x, **self.prior) + _log_likelihood(elbo, setting, self.y - level) - log_q
        mass = np.exp(log_weights + log_q)
        if elbo != "Renyi":
            return float(mass @ log_w)
        pairs = np.logaddexp.outer((1.0 - ORDER) * log_w, (1.0 - ORDER) * log_w) - np.log(PARTICLES)
        return float(mass @ pairs @ mass / (1.0 - ORDER))

    def gradient(self, elbo: str, setting: str) -> dict[str, np.ndarray]:
        """Of the expected bound in the guide's parameters, to some 1e-6: differences, extrapolated to step 0."""
        return self._gradient(elbo, setting if elbo == "TraceEnum" else "plate")

    @functools.cache  # noqa: B019  the families live as long as the process
    def _gradient(self, elbo, setting):
        return {
            name: np.array([self._slope(elbo, setting, name, unit) for unit in np.eye(len(value))])
            if isinstance(value, tuple)
            else np.array(self._slope(elbo, setting, name, 1.0))
            for name, value in self.guide.items()
        }

    def _slope(self, elbo, setting, name, unit):
        def difference(step):
            up, down = (
                self.objective(elbo, setting, {**self.guide, name: np.asarray(self.guide[name]) + move * unit})
                for move in (step, -step)
            )
            return (up - down) / (2.0 * step)

        return (4.0 * difference(0.02) - difference(0.04)) / 3.0


def _log_likelihood(elbo: str, setting: str, residual: np.ndarray) -> np.ndarray:
    """Of y, but for a constant."""
    if elbo != "TraceEnum":
        return -0.5 * residual**2

    def given(in_guide):
        if setting == "plain":
            return -0.5 * (residual - in_guide) ** 2
        return np.logaddexp(
            np.log(IN_MODEL) - 0.5 * (residual - in_guide - 1.0) ** 2,
            np.log1p(-IN_MODEL) - 0.5 * (residual - in_guide) ** 2,
        )

    return GUIDE_HAS * given(1.0) + (1.0 - GUIDE_HAS) * given(0.0)


# ---------------------------------------------------------------------------------------------------------- integrals

# The trapezoidal rule in a coordinate in which integrands decay exponentially: it converges like exp(-2 pi d / step),
# d >= pi / 2 the distance of the nearest singularity.
STEP = 0.2
T = np.arange(-25.0, 25.0 + STEP / 2, STEP)


def _real():
    return T, np.full_like(T, np.log(STEP))


def _positive():
    return np.exp(T), T + np.log(STEP)


def _heavy():
    """x = sinh t, for algebraic tails."""
    t = T / 2.0
    return np.sinh(t), np.log(np.cosh(t)) + np.log(STEP / 2.0)


def _unit():
    return special.expit(T), special.log_expit(T) + special.log_expit(-T) + np.log(STEP)


def _circle(n=200):
    """Periodic, so that equal weights converge exponentially."""
    return 2.0 * np.pi * np.arange(n) / n - np.pi, np.full(n, np.log(2.0 * np.pi / n))


def _simplex(step=0.7, end=18.0):
    """Two breaks of a stick, each as in `_unit`."""
    t = np.arange(-end, end + step / 2, step)
    s, t = (v.ravel() for v in np.meshgrid(t, t))
    first, rest = special.log_expit(s), special.log_expit(-s)
    second, third = special.log_expit(t), special.log_expit(-t)
    log_x = np.stack([first, rest + second, rest + third], -1)
    return np.exp(log_x), first + 2.0 * rest + second + third + 2.0 * np.log(step)


def _dirichlet(x, concentration):
    a = np.asarray(concentration)
    return special.xlogy(a - 1.0, x).sum(-1) + special.gammaln(a.sum()) - special.gammaln(a).sum()


MODELS = (
    Model(
        "Gamma",
        guide={"concentration": 2.5, "rate": 1.5},
        prior={"concentration": 2.0, "rate": 1.0},
        function=lambda xp, x: xp.log(x),
        y=1.0,
        nodes=_positive,
        log_density=lambda x, concentration, rate: stats.gamma.logpdf(x, concentration, scale=1.0 / rate),
    ),
    Model(
        "LogGamma",
        guide={"concentration": 2.5, "rate": 1.5},
        prior={"concentration": 2.0, "rate": 1.0},
        function=lambda xp, x: x,
        y=1.0,
        nodes=_real,
        log_density=lambda x, concentration, rate: stats.loggamma.logpdf(x, concentration, loc=-np.log(rate)),
    ),
    Model(
        "InverseGamma",
        guide={"concentration": 4.0, "rate": 3.0},
        prior={"concentration": 3.0, "rate": 3.0},
        function=lambda xp, x: xp.log(x),
        y=1.0,
        nodes=_positive,
        log_density=lambda x, concentration, rate: stats.invgamma.logpdf(x, concentration, scale=rate),
    ),
    Model(
        "Chi2",
        guide={"df": 5.0},
        prior={"df": 4.0},
        function=lambda xp, x: xp.log(x),
        y=0.5,
        nodes=_positive,
        log_density=stats.chi2.logpdf,
    ),
    Model(
        "Beta",
        guide={"concentration1": 2.0, "concentration0": 3.0},
        prior={"concentration1": 1.5, "concentration0": 1.5},
        function=lambda xp, x: xp.log(x),
        y=0.5,
        nodes=_unit,
        log_density=lambda x, concentration1, concentration0: (
            special.xlogy(concentration1 - 1.0, x)
            + special.xlog1py(concentration0 - 1.0, -x)
            - special.betaln(concentration1, concentration0)
        ),
    ),
    Model(
        "Dirichlet",
        guide={"concentration": (2.0, 1.5, 3.0)},
        prior={"concentration": (1.5, 1.5, 1.5)},
        function=lambda xp, x: xp.log(x[..., 0]),
        y=0.5,
        nodes=_simplex,
        log_density=_dirichlet,
    ),
    Model(
        "StudentT",
        guide={"df": 2.5, "loc": 0.3, "scale": 0.8},
        prior={"df": 8.0, "loc": 0.0, "scale": 1.0},
        function=lambda xp, x: xp.arctan(x),
        y=1.0,
        nodes=_heavy,
        log_density=lambda x, df, loc, scale: stats.t.logpdf(x, df, loc, scale),
    ),
    Model(
        "VonMises",
        guide={"loc": 0.8, "concentration": 1.5},
        prior={"loc": 0.0, "concentration": 0.7},
        function=lambda xp, x: xp.cos(x),
        y=1.0,
        nodes=_circle,
        log_density=lambda x, loc, concentration: stats.vonmises.logpdf(x, concentration, loc),
    ),
)


def programs(
    adapter, distribution, family: Model, elbo: str, plate: Callable | None = None, shape: tuple = ()
) -> tuple:
    """Model and guide, inside a plate or of `shape` copies without; `shape` is that of the guide's parameters.

    :param distribution: the family's class.
    """
    copies, dist, xp = 0 if plate else len(shape), adapter.dist, adapter.xp
    plate = plate or contextlib.nullcontext

    def bernoulli(name, probability):
        return adapter.sample(name, dist.Bernoulli(adapter.array(probability)), infer={"enumerate": "parallel"})

    def model():
        with plate():
            prior = distribution(**adapter.arrays(family.prior, shape[:copies]))
            level = family.function(xp, adapter.sample("x", prior.to_event(copies)))
            if elbo == "TraceEnum":
                shift = bernoulli("in_guide", IN_GUIDE)
                level = level + (shift[..., None] if copies else shift)
                shift = bernoulli("in_model", IN_MODEL)
                if copies:
                    adapter.sample("z", dist.Normal(shift, 1.0), obs=adapter.array(0.0))
                else:
                    level = level + shift
            y = adapter.array(np.full(shape[:copies], family.y))
            adapter.sample("y", dist.Normal(level, 1.0).to_event(copies), obs=y)

    def guide():
        with plate():
            start = adapter.arrays(family.guide, shape)
            params = {name: adapter.param(name, p, event_dim=p.ndim - len(shape)) for name, p in start.items()}
            adapter.sample("x", distribution(**params).to_event(copies))
            if elbo == "TraceEnum":
                bernoulli("in_guide", GUIDE_HAS)

    return model, guide


def cells(host: str) -> list:
    """(family, elbo, setting) for pytest: all that exist, and those with an upstream fault must fail."""
    found = []
    for family in MODELS:
        for elbo in ELBOS:
            for setting in SETTINGS:
                gap = GAPS.get((host, elbo, setting))
                if gap is None or gap.fault:
                    # raises: a wrong number, not a crash
                    marks = [pytest.mark.xfail(reason=gap.reason, raises=AssertionError)] if gap else []
                    found.append(pytest.param(family, elbo, setting, id=f"{family}-{elbo}-{setting}", marks=marks))
    return found
