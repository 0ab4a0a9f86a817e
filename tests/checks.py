"""Statistical tests, and derivatives by differences: what the tests compare with, whatever the library."""

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from mpmath import mp
from scipy import stats

Params = Mapping[str, float | tuple[float, ...]]

# |mean - truth| / standard error beyond which an unbiased estimate is rejected: one false alarm in 16,000, and the
# seeds are fixed.
STANDARD_ERRORS = 4.0

# p-value of the Kolmogorov-Smirnov tests, as rare a false alarm.
LEAST_P_VALUE = 6e-5


def exact_gradient(function: Callable, params: Params) -> dict[str, np.ndarray]:
    """d function / d parameter, differentiated numerically at 50 digits."""
    gradient = {}
    with mp.workdps(50):
        for name, value in params.items():
            entries = np.atleast_1d(value)

            def along(t, i, name=name, entries=entries):
                moved = tuple(t if j == i else mp.mpf(float(v)) for j, v in enumerate(entries))
                return function(**{**params, name: moved if isinstance(params[name], tuple) else moved[0]})

            slopes = [float(mp.diff(lambda t, i=i: along(t, i), mp.mpf(float(v)))) for i, v in enumerate(entries)]
            gradient[name] = np.array(slopes if isinstance(value, tuple) else slopes[0])
    return gradient


def along_quantile(family, x: np.ndarray, params: Params, name: str) -> tuple[np.ndarray, np.ndarray]:
    """dx/dtheta and d**2x/dtheta**2 at fixed quantile: differences of SciPy's ppf, extrapolated to step 0 (Richardson).

    Good to some 1e-10 and 1e-7: truncation leaves step**6, rounding eps / step and eps / step**2.
    """
    level, unit = family.cdf(x, **params), max(abs(params[name]), 0.5)

    def at(shift):
        return family.ppf(level, **{**params, name: params[name] + shift})

    firsts, seconds = [], []
    for step in (0.016 * unit, 0.008 * unit, 0.004 * unit):
        up, down = at(step), at(-step)
        firsts.append((up - down) / (2.0 * step))
        seconds.append((up - 2.0 * at(0.0) + down) / step**2)
    return _extrapolated(firsts), _extrapolated(seconds)


def _extrapolated(values):
    coarse, fine = [(4.0 * b - a) / 3.0 for a, b in itertools.pairwise(values)]
    return (16.0 * fine - coarse) / 15.0


def standardised(slopes: np.ndarray, truth: np.ndarray, rtol: float) -> np.ndarray:
    """|mean - truth| / standard error, over the leading axis; `rtol` is how exact a single slope is."""
    slopes = np.asarray(slopes, dtype=np.float64)
    mean, error = slopes.mean(0), slopes.std(0) / math.sqrt(len(slopes))
    return np.abs(mean - truth) / (error + rtol / STANDARD_ERRORS * np.abs(truth))


def assert_unbiased(slopes: np.ndarray, truth: np.ndarray, rtol: float, message: object = "") -> None:
    """The mean of the slopes, over the leading axis, is the truth within its standard error."""
    distance = standardised(slopes, np.asarray(truth), rtol)
    assert (distance < STANDARD_ERRORS).all(), (message, distance)


def p_value(x: np.ndarray, cdf: Callable, clamped: tuple[float, float] | None = None) -> float:
    """Of the Kolmogorov-Smirnov test, over the range between the ends to which draws are clamped."""
    x, n = np.asarray(x, dtype=np.float64), np.size(x)
    assert not np.isnan(x).any()
    with np.errstate(over="ignore"):  # at the ends of float64
        level, inside, largest = cdf(x), np.ones(n, dtype=bool), 0.0
        if clamped:
            low, high = clamped
            inside = (x > low) & (x < high)
            below, above = cdf(np.array(clamped))
            largest = max(abs(np.mean(x <= low) - below), abs(np.mean(x < high) - above))
    assert inside.sum() > 1000
    order = np.argsort(level, kind="stable")
    inside, rank = inside[order], np.arange(1, n + 1)
    above, below = rank / n - level[order], level[order] - (rank - 1) / n
    return float(stats.kstwo.sf(max(largest, np.max(above[inside]), np.max(below[inside])), n))


def assert_distributed(x: np.ndarray, cdf: Callable, clamped: tuple[float, float] | None = None, message="") -> None:
    """The draws have that distribution function."""
    found = p_value(x, cdf, clamped)
    assert found > LEAST_P_VALUE, (message, found)


def marginal(component: int, concentration: tuple[float, ...]) -> Callable:
    """Distribution function of a component of a Dirichlet."""
    others = math.fsum(c for i, c in enumerate(concentration) if i != component)
    return stats.beta(concentration[component], others).cdf


AUTO_NORMAL = [0.1, 0.3], 0.5
"""locations and scale of a guide for x ~ Normal(0, 1) twice, of which 1 ~ Normal(sum, 1/2) is seen"""


def auto_normal_slopes():
    """Of the ELBO -(sum(loc**2 + s**2) + ((1 - sum(loc))**2 + sum(s**2)) / 0.25) / 2 + sum(log s)."""
    loc, scale = np.array(AUTO_NORMAL[0]), np.full(2, AUTO_NORMAL[1])
    return np.array([-loc + 4.0 * (1.0 - loc.sum()), -scale - 4.0 * scale + 1.0 / scale])


def assert_less_noise(independent, ours, truth):
    """A tenth of the variance at most, of the first axis, and unbiased."""
    assert independent.var(0).sum() > 10.0 * ours.var(0).sum()
    assert_unbiased(independent, truth, 2e-5, "independent draws")
    assert_unbiased(ours, truth, 2e-5, "quasi-Monte Carlo")
