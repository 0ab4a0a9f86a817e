"""Models whose guides have an exact ELBO: its closed form in the guide's parameters, prior, data, posterior."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from mpmath import mp

from tests.checks import Params, exact_gradient


@dataclass(frozen=True)
class Conjugate:
    """A latent x with a conjugate prior and observations."""

    name: str
    family: str
    """the class of prior and guide"""
    prior: Params
    data: tuple[float, ...]
    guide: Params
    """parameters at which the ELBO's gradient is estimated"""
    posterior: Params
    elbo: Callable
    """the guide's parameters -> the ELBO but for a constant, in mpmath"""
    free: tuple[str, ...]
    """the guide's parameters that may take any value; the others are positive"""

    def __str__(self) -> str:
        return self.name

    def gradient(self) -> Mapping[str, np.ndarray]:
        """Of the ELBO in the unconstrained parameters: the logarithms of the positive ones."""
        slopes = exact_gradient(self.elbo, self.guide)
        return {n: s if n in self.free else s * np.array(self.guide[n]) for n, s in slopes.items()}

    def programs(self, adapter, classes):
        """Model and guide, of the distributions in `classes`: the host's module or ours."""
        prior, data = adapter.arrays(self.prior), adapter.array(self.data)

        def model():
            x = adapter.sample("x", getattr(classes, self.family)(**prior))
            if self.family == "Dirichlet":
                adapter.sample("y", classes.Multinomial(int(sum(self.data)), x), obs=data)
                return
            with adapter.plate("data", len(data)):
                adapter.sample("y", LIKELIHOODS[self.family](classes, x), obs=data)

        def guide():
            constraints = adapter.constraints
            params = {
                name: adapter.param(name, value, constraints.real if name in self.free else constraints.positive)
                for name, value in adapter.arrays(self.guide).items()
            }
            adapter.sample("x", getattr(classes, self.family)(**params))

        return model, guide

    def gap(self, params: Params) -> float:
        """KL(guide, posterior) in nats: how far the ELBO is below its maximum."""
        return float(self.elbo(**self.posterior) - self.elbo(**params))


FLIPS = (1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)
COUNTS = (3.0, 0.0, 4.0, 2.0, 1.0)
CLASSES = (4.0, 1.0, 2.0)
ANGLES, PRECISION = (0.3, 1.1, -0.2, 0.7), 2.0
LIKELIHOODS = {
    "VonMises": lambda classes, x: classes.VonMises(x, PRECISION),
    "Beta": lambda classes, x: classes.Bernoulli(x),
    "Gamma": lambda classes, x: classes.Poisson(x),
}
PRIOR_ANGLE = {"loc": -0.5, "concentration": 1.5}


def _beta(concentration1, concentration0):
    """E[log likelihood] - KL(q, prior), the prior Beta(2, 1.5)."""
    a, b = concentration1, concentration0
    log_x, log_w = mp.psi(0, a) - mp.psi(0, a + b), mp.psi(0, b) - mp.psi(0, a + b)
    heads, tails = sum(FLIPS), len(FLIPS) - sum(FLIPS)
    return (2 + heads - a) * log_x + (1.5 + tails - b) * log_w + mp.log(mp.beta(a, b))


def _gamma(concentration, rate):
    """The prior Gamma(2, 0.5)."""
    a, b = concentration, rate
    log_x, x = mp.psi(0, a) - mp.log(b), a / b
    return (2 + sum(COUNTS) - a) * log_x - (0.5 + len(COUNTS) - b) * x - a * mp.log(b) + mp.loggamma(a)


def _dirichlet(concentration):
    """The prior Dirichlet(0.5, 1, 2)."""
    total = mp.fsum(concentration)
    shapes = zip((0.5, 1.0, 2.0), CLASSES, concentration, strict=True)
    expected = mp.fsum((prior + n - a) * (mp.psi(0, a) - mp.psi(0, total)) for prior, n, a in shapes)
    return expected + mp.fsum(map(mp.loggamma, concentration)) - mp.loggamma(total)


def _resultant() -> complex:
    return PRIOR_ANGLE["concentration"] * np.exp(1j * PRIOR_ANGLE["loc"]) + PRECISION * np.sum(
        np.exp(1j * np.array(ANGLES))
    )


def _von_mises(loc, concentration):
    """The posterior is von Mises, its concentration and angle the length and angle of the resultant."""
    length, angle = abs(_resultant()), np.angle(_resultant())
    mean_cos = mp.besseli(1, concentration) / mp.besseli(0, concentration)
    entropy = mp.log(mp.besseli(0, concentration)) - concentration * mean_cos
    return length * mean_cos * mp.cos(loc - angle) + entropy


CONJUGATES = (
    Conjugate(
        "von Mises",
        "VonMises",
        PRIOR_ANGLE,
        ANGLES,
        guide={"loc": 1.2, "concentration": 3.0},
        posterior={"loc": float(np.angle(_resultant())), "concentration": float(abs(_resultant()))},
        elbo=_von_mises,
        free=("loc",),
    ),
    Conjugate(
        "Beta-Bernoulli",
        "Beta",
        {"concentration1": 2.0, "concentration0": 1.5},
        FLIPS,
        guide={"concentration1": 3.0, "concentration0": 2.5},
        posterior={"concentration1": 8.0, "concentration0": 3.5},
        elbo=_beta,
        free=(),
    ),
    Conjugate(
        "Gamma-Poisson",
        "Gamma",
        {"concentration": 2.0, "rate": 0.5},
        COUNTS,
        guide={"concentration": 4.0, "rate": 3.0},
        posterior={"concentration": 12.0, "rate": 5.5},
        elbo=_gamma,
        free=(),
    ),
    Conjugate(
        "Dirichlet-multinomial",
        "Dirichlet",
        {"concentration": (0.5, 1.0, 2.0)},
        CLASSES,
        guide={"concentration": (2.0, 1.5, 3.0)},
        posterior={"concentration": (4.5, 2.0, 4.0)},
        elbo=_dirichlet,
        free=(),
    ),
)
