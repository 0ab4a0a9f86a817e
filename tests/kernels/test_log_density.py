"""Log-densities and their scores over the ranges of the partials, and log-tails far out, on every backend."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp

from irg_kernels.families import dirichlet, von_mises
from irg_kernels.generic.family import log_cdf_of, log_density_of, log_sf_of
from pyro_irg import xp as torch_xp
from tests.families import BY_NAME
from tests.kernels.backends import BACKENDS, QUICK
from tests.kernels.test_families import RECORDS
from tests.rows.dirichlet import log_density

NATIVE = BACKENDS[0]
quick = pytest.mark.parametrize("backend", QUICK, ids=str)
NAMES = sorted(name for name in RECORDS if BY_NAME[name].log_density)

# Of max(1, |log p|).
VALUE = {"float64": 1e-13, "float32": 1e-6}
# Of a score, or of a tenth of its median over the quantiles where it passes through 0: some roundings of its two terms.
SCORE = {"float64": 1e-13, "float32": 3e-6}

QUANTILES = (1e-12, 1e-3, 0.3, 0.6, 0.999, 1.0 - 1e-12)


@functools.cache
def points(name, precision):
    """x, parameters, log p and its scores at six quantiles of ten sets of parameters, where x is a normal number."""
    record = RECORDS[name]
    sets = BY_NAME[name].random_parameters(record.parameters, 10).astype(precision).astype(np.float64)
    columns = np.repeat(sets, len(QUANTILES), axis=1)
    q = np.tile(QUANTILES, 10)
    y = NATIVE.values(lambda xp, *args: record.quantile.find(xp, *args), q, 1.0 - q, *columns)
    limits = np.finfo(precision)
    with np.errstate(over="ignore"):
        x = {"x": lambda y: y, "log": np.exp, "logit": lambda y: 1.0 / (1.0 + np.exp(-y))}[record.quantile.coordinate](
            y
        )
        x = x.astype(precision).astype(np.float64)
    low, high = (
        NATIVE.values(lambda xp, *p, end=end: 0.0 * p[0] + (end(xp, *p) if callable(end) else end), *columns)
        for end in record.support
    )
    # strictly inside, in the dtype too
    keep = (x > low) & (x < high) & (np.abs(x) < 1e-3 * limits.max) & ((np.abs(x) > 1e3 * limits.tiny) | (x == 0.0))
    found = [BY_NAME[name].value_and_slopes(v, p) for v, p in zip(x[keep], columns.T[keep], strict=True)]
    group = np.repeat(np.arange(10), len(QUANTILES))[keep]
    return x[keep], columns[:, keep], np.array(found).T, group


@quick
@pytest.mark.parametrize("name", NAMES)
def test_log_density_and_scores(name, backend):
    record, precision = RECORDS[name], backend.precision
    x, columns, truth, group = points(name, precision)
    if record.scores is None:
        value, scores = backend.values_and_slopes(record.log_density, x, *columns)
    else:
        partials = log_density_of(record).partials

        def both(xp, *args):
            return xp.stack([record.log_density(xp, *args), *(p(xp, None, *args) + 0.0 * args[0] for p in partials)])

        value, *scores = backend.values(both, x, *columns)
    single = precision == "float32" and not backend.xp.has_guard_digits
    looser = 2.0 if single and BY_NAME[name].rounded_twice else 1.0
    error = np.abs(value - truth[0]) / np.maximum(1.0, np.abs(truth[0]))
    assert error.max() <= looser * VALUE[precision], (x[error.argmax()], columns[:, error.argmax()])
    usual = np.stack([[np.median(np.abs(t[group == k])) for k in group] for t in truth[1:]])
    limits = np.finfo(precision)
    for score, exact, median in zip(scores, truth[1:], usual, strict=True):
        inside = (np.abs(exact) < limits.max) & ((np.abs(exact) > 10 * limits.tiny) | (exact == 0.0))
        size = np.maximum(np.abs(exact), 0.1 * median)
        wrong = np.where(inside, np.abs(score - exact), 0.0) / np.where(size > 0.0, size, 1.0)
        at = wrong.argmax()
        assert wrong[at] <= SCORE[precision], (x[at], columns[:, at], score[at], exact[at])


@quick
@pytest.mark.parametrize("size", [2, 5])
def test_dirichlet(backend, size):
    rng = np.random.default_rng(size)
    alpha = 10 ** rng.uniform(-3, 8, (30, size))
    alpha[::2] = 10 ** rng.uniform(0, 8, (15, 1)) * rng.uniform(0.5, 2.0, (15, size))
    alpha = alpha.astype(backend.precision).astype(np.float64)
    x = np.maximum(rng.gamma(alpha), 1e-30)
    x = (x / x.sum(-1, keepdims=True)).clip(1e-30).astype(backend.precision).astype(np.float64)
    with mp.workdps(40):
        exact = [log_density([*map(mp.mpf, a)], [*map(mp.mpf, b)]) for a, b in zip(x, alpha, strict=True)]
    exact = np.array([*map(float, exact)])
    value = backend.values(dirichlet.log_density, x, alpha)
    error = np.abs(value - exact[:, None]) / np.maximum(1.0, np.abs(exact))[:, None]
    assert error.max() <= VALUE[backend.precision]


# name -> parameters, x -> (log P(X <= x), log P(X > x)) far out, of which no mass is a number in float32, or one is 1
FAR = {
    "VonMises": {
        (0.279, 585.0): {2.6: (None, -987.636019569), -2.0: (-969.3531787, None)},
        (0.279, 400.0): {2.6: (None, -676.314279847)},
        (0.279, 1e4): {2.6: (None, -16823.0891171)},
        (2.5, 500.0): {0.0: (-102.9457236, None), -1.0: (-102.9457236, None)},
    },
    "Exponential": {(1.0,): {30.0: (-9.357622969e-14, -30.0), 9e3: (None, -9e3)}},
    "Pareto": {(1.0, 2.0): {1e10: (-1e-20, -46.05170186)}},
    "HalfCauchy": {(1.0,): {1e10: (-6.366197724e-11, -23.47743364), 1e30: (None, -69.52913551)}},
    "Cauchy": {(0.0, 1.0): {-1e30: (-70.22228269, None), 1e30: (None, -70.22228269)}},
    "Weibull": {(1.0, 2.0): {90.0: (None, -8100.0), 1e-15: (-69.07755279, None)}},
    "ContinuousBernoulli": {(5000.0,): {0.5: (-2500.0, None)}, (-5000.0,): {0.5: (None, -2500.0)}},
}


@quick
@pytest.mark.parametrize("name", FAR)
def test_far_tails(name, backend):
    """Value, and the derivative in x: +-exp(log p - log tail), finite and right where neither mass is a number."""
    functions = [of(RECORDS[name]) for of in (log_cdf_of, log_sf_of)]
    points = [(x, params, tails) for params, values in FAR[name].items() for x, tails in values.items()]

    def both(xp, *args):
        tails = [function.value(xp, *args) for function in functions]
        parts = [
            [tail, *(p(xp, tail, *args) + 0.0 * tail for p in function.partials)]
            for function, tail in zip(functions, tails, strict=True)
        ]
        return xp.stack([xp.stack(part) for part in parts])

    found = backend.values(both, *np.array([(x, *params) for x, params, _ in points]).T)
    for k, (tail, by_x, *others) in enumerate(found):
        assert np.isfinite(others).all()
        for i, (x, params, tails) in enumerate(points):
            exact = tails[k]
            if exact is None:
                continue
            # float32's own rounding of x and of the parameters moves a tail of 1e4 by 4e-3
            rtol = 1e-9 if backend.precision == "float64" else 3e-6
            np.testing.assert_allclose(tail[i], exact, rtol=rtol, atol=1e-30)
            log_density = BY_NAME[name].value_and_slopes(x, np.array(params))[0]
            slope = math.exp(log_density - exact) * (1.0 - 2.0 * k)
            if abs(slope) > 1e3 * np.finfo(backend.precision).tiny:
                rounding = 2.0 * backend.eps * max(1.0, abs(exact), abs(log_density))
                np.testing.assert_allclose(by_x[i], slope, rtol=1e-7 + 10 * rounding)


# name -> parameters, x so far out that a term of the formula leaves the range of float32, or rounds to 0 or 1
BEYOND = {
    "NoncentralChi2": {(0.25, 80.0): (1e13, 1e20, 1e30), (40.0, 1e-3): (1e9, 1e30), (7.0, 400.0): (1e16,)},
    "Weibull": {(1.0, 3e7): (3.0, 300.0), (0.25, 2e6): (1e4,)},
    "Gompertz": {(0.5, 1.7): (39725000.0, 40015000.0)},
    "ExponentiallyModifiedGaussian": {(2.5, 1.25, 0.5): (-1e17, -1e25, 1e17, 1e25)},
    "SkewNormal": {(60.0, 0.0, 1.0): (-1e15, -1e20, 1e20), (-3.0, 0.0, 0.5): (1e25,)},
}


@quick
@pytest.mark.parametrize("name", BEYOND)
def test_beyond_the_range(name, backend):
    """Nothing is NaN, no log-density comes back as plus infinity, and no score with the wrong sign."""
    record, most = RECORDS[name], float(np.finfo(backend.precision).max)
    points = np.array([(x, *params) for params, values in BEYOND[name].items() for x in values])
    points = points.astype(backend.precision).astype(np.float64)

    def both(xp, *args):
        partials = log_density_of(record).partials
        scores = (p(xp, None, *args) + 0.0 * args[0] for p in partials)
        return xp.stack([record.log_density(xp, *args), *record.log_tails(xp, *args), *scores])

    value, lower, upper, *scores = backend.values(both, *points.T)
    assert (lower <= 0.0).all() and (upper <= 0.0).all()
    for i, (x, *params) in enumerate(points):
        exact, *slopes = BY_NAME[name].value_and_slopes(x, np.array(params))
        if exact > -0.01 * most:
            assert abs(value[i] - exact) <= 2.0 * VALUE[backend.precision] * abs(exact)
        else:
            assert value[i] <= -0.01 * most
        for score, slope in zip(scores, slopes, strict=True):
            assert score[i] * slope >= 0.0


@quick
def test_von_mises_across_the_cut(backend):
    """Both tails add up to 1, and each parameter's derivative is that of the other with the sign turned round."""
    x, mu, kappa = (c.ravel() for c in np.meshgrid([-3.1, -1.0, 0.5, 3.1], [-3.0, 0.2, 3.1], [0.25, 4.0, 900.0]))
    record = von_mises.FAMILY

    def flows(xp, *args):
        parts = []
        for of in (log_cdf_of, log_sf_of):
            tail = of(record).value(xp, *args)
            parts += [xp.exp(tail), *(xp.exp(tail) * p(xp, tail, *args) for p in of(record).partials)]
        return xp.stack(parts)

    found = backend.values(flows, x, mu, kappa)
    scale = np.maximum(np.abs(found[:4]), 1.0)
    expected = np.stack([np.ones_like(x), *np.zeros((3, len(x)))])
    assert np.all(np.abs(found[:4] + found[4:] - expected) <= 2e4 * backend.eps * scale)


def test_names():
    """Every record with a formula here; AffineBeta's is Beta's."""
    assert RECORDS.keys() - set(NAMES) <= {"AffineBeta", "BetaProportion"}
    assert torch_xp.has_guard_digits is False
