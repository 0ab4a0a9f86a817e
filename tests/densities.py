"""Log-densities for the tests of `ImplicitDensity`, written once for torch, JAX and mpmath, and mpmath's answers."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mpmath import mp
from scipy import stats


@dataclass(frozen=True, eq=False)
class Density:
    """f(xp, x, **params), xp torch, jax.numpy or mpmath's context."""

    name: str
    log_density: Callable
    support: str
    """its name in `constraints`"""
    params: Mapping[str, float]
    points: tuple[float, ...]
    """in the lower tail, near the mode, in the upper tail"""
    cuts: tuple
    """where mpmath cuts its integrals, from end to end"""
    cdf: Callable
    """SciPy's, x -> P(X <= x)"""

    def __str__(self) -> str:
        return self.name


def _gamma(xp, x, a, b):
    return (a - 1.0) * xp.log(x) - b * x


def _gumbel(xp, x, loc, scale):
    y = (x - loc) / scale
    return -y - xp.exp(-y)


def _normal(xp, x, loc, scale):  # normalised
    y = (x - loc) / scale
    return -0.5 * y * y - xp.log(scale) - 0.9189385332046727


def _student(xp, x, df, scale):
    return -0.5 * (df + 1.0) * xp.log(1.0 + (x / scale) ** 2 / df)


def _beta(xp, x, a, b):
    return (a - 1.0) * xp.log(x) + (b - 1.0) * xp.log(1.0 - x)


DENSITIES = (
    Density("gamma", _gamma, "positive", {"a": 2.5, "b": 1.5}, (0.0625, 1.0, 8.0), (0, 1, 4, 16, 80),
            stats.gamma(2.5, scale=1 / 1.5).cdf),
    Density("gumbel", _gumbel, "real", {"loc": 0.5, "scale": 2.0}, (-3.5, 0.75, 20.0), (-12, -4, 0, 8, 32, 160),
            stats.gumbel_r(0.5, 2.0).cdf),
    Density("normal", _normal, "real", {"loc": 3.0, "scale": 0.25}, (1.5, 3.0625, 4.5), (0, 2, 3, 4, 6),
            stats.norm(3.0, 0.25).cdf),
    Density("student", _student, "real", {"df": 3.0, "scale": 2.0}, (-40.0, 0.25, 500.0), (-mp.inf, -20, 0, 20, mp.inf),
            stats.t(3.0, scale=2.0).cdf),
    Density("beta", _beta, "unit_interval", {"a": 1.75, "b": 3.0}, (0.0078125, 0.25, 0.96875), (0, 0.25, 0.5, 1),
            stats.beta(1.75, 3.0).cdf),
)  # fmt: skip


@functools.cache
def partials(density: Density, x: float) -> dict[str, float]:
    """dx/dtheta at fixed quantile: -(1/p(x)) int^x (s - E s) p, with the score by differences at 30 digits."""
    with mp.workdps(30):
        f, cuts = density.log_density, [mp.mpf(c) for c in density.cuts]
        before = [c for c in cuts if c < x] + [mp.mpf(x)]
        weight = lambda t: mp.exp(f(mp, t, **density.params))  # noqa: E731
        total = mp.quad(weight, cuts)
        lower = mp.quad(weight, before)
        found = {}
        for name, value in density.params.items():

            def score(t, name=name, value=value):
                return mp.diff(lambda v: f(mp, t, **{**density.params, name: v}), mp.mpf(value))

            moved = [mp.quad(lambda t: score(t) * weight(t), ends) for ends in (before, cuts)]
            found[name] = float(-(moved[0] - moved[1] / total * lower) / weight(mp.mpf(x)))
    return found


@functools.cache
def log_tails(density: Density, x: float) -> tuple[float, float]:
    with mp.workdps(30):
        cuts = [mp.mpf(c) for c in density.cuts]
        weight = lambda t: mp.exp(density.log_density(mp, t, **density.params))  # noqa: E731
        lower = mp.quad(weight, [c for c in cuts if c < x] + [mp.mpf(x)])
        upper = mp.quad(weight, [mp.mpf(x)] + [c for c in cuts if c > x])
        return float(mp.log(lower / (lower + upper))), float(mp.log(upper / (lower + upper)))


def _two(xp, x):
    return xp.logaddexp(-0.5 * (x - 30.0) ** 2, -0.5 * (x + 30.0) ** 2)


# what no rule here can resolve: f(xp, x), support, words of the error
FAULTY = {
    "flat": (lambda xp, x: 0.0 * x, "real", "does not fall off towards an end"),
    "grows": (lambda xp, x: x, "real", "does not fall off towards an end"),
    "1/x": (lambda xp, x: -xp.log(x), "positive", "does not fall off towards an end"),
    "pole": (lambda xp, x: -0.5 * x * x - 0.5 * xp.log(xp.abs(x)), "real", "infinite or NaN at its mode"),
    "box": (lambda xp, x: xp.where(xp.abs(x) < 1.0, 0.0 * x, -float("inf")), "real", "jumps"),
    "step": (lambda xp, x: -0.5 * x * x + xp.where(x > 0.4, 1.0, 0.0), "real", "jumps"),
    "small step": (lambda xp, x: -0.5 * x * x + xp.where(x > 1.7, 0.3, 0.0), "real", "jumps|two rules differ"),
    "two modes": (_two, "real", "several modes|rises again"),
    "a far mode": (lambda xp, x: xp.logaddexp(-0.5 * x * x, -20.0 - 0.5 * (x - 100.0) ** 2), "real", "rises again"),
}


def elbo_gradient() -> dict[str, float]:
    """Of E_q[2.5 log x - 2 x - log q], for q = DENSITIES[0], in closed form."""
    with mp.workdps(30):

        def elbo(a, b):  # E log x, E x, entropy of a Gamma
            entropy = a - mp.log(b) + mp.loggamma(a) + (1 - a) * mp.digamma(a)
            return 2.5 * (mp.digamma(a) - mp.log(b)) - 2 * a / b + entropy

        a, b = (mp.mpf(v) for v in DENSITIES[0].params.values())
        return {"a": float(mp.diff(lambda v: elbo(v, b), a)), "b": float(mp.diff(lambda v: elbo(a, v), b))}
