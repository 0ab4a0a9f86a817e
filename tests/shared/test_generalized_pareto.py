"""GeneralizedPareto: draws, density and both orders of derivatives through concentration 0."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.checks import assert_distributed, assert_unbiased

# both sides of Pyro's window about 0, 1e-8; the uniform distribution, c = -1; ones with no mean
CONCENTRATIONS = (0.0, 1e-300, 1e-9, -1e-9, 1e-4, -0.01, 0.25, -0.3, 0.999, -1.0, 3.0, -4.0)
LEVELS = (1e-6, 0.3, 0.6, 0.999)
LOC, SCALE = 0.5, 2.0

# A few rounding errors; expm1(c E) has the relative error c E eps, c E up to 28 here.  Pyro computes its float32 in
# float64; XLA's log1p loses 119 eps near -0.4.
ROUNDING = {"pyro": {"float64": 1e-14, "float32": 5e-6}, "numpyro": {"float64": 1e-13, "float32": 3e-5}}
precisions = pytest.mark.parametrize("precision", ["float64", "float32"])


def single(values, precision):
    return np.asarray(values, dtype=precision).astype(float)


def at(c):
    """c for mpmath, whose formulas are 0 / 0 at 0."""
    return mp.mpf(float(c)) if abs(c) > 1e-30 else mp.mpf(10) ** -30


def assert_close(adapter, found, truth, precision, scale=0.0):
    truth = np.array([float(v) for v in truth])
    error = np.abs(adapter.numpy(found) - truth)
    allowed = ROUNDING[adapter.name][precision] * np.maximum(np.abs(truth), scale) + np.finfo(precision).tiny
    assert (error <= allowed).all(), (error / allowed).max()


@precisions
def test_quantiles(adapter, precision):
    """x, dx/dc and d2x/dc2 at fixed quantile."""
    grid = np.meshgrid(single(CONCENTRATIONS, precision), single(LEVELS, precision))
    c, levels = (v.ravel() for v in grid)

    def draw(c, u):
        return adapter.dist.GeneralizedPareto(0.0, adapter.array(SCALE), c).icdf(u)

    with adapter.precision(precision):
        args = adapter.array(c), adapter.array(levels)
        x, slope = adapter.jit(adapter.value_and_slopes(draw))(*args)
        second = adapter.jit(adapter.second_slope(draw))(*args)
    truth, firsts, seconds, e = [], [], [], -np.log1p(-levels)
    for k, u in zip(c, levels, strict=True):
        with mp.workdps(200):
            path = lambda t, u=u: SCALE * mp.expm1(-t * mp.log(1 - mp.mpf(u))) / t  # noqa: E731
            k, step = at(k), mp.mpf(10) ** -50
            truth.append(path(k))
            firsts.append((path(k + step) - path(k - step)) / (2 * step))
            seconds.append((path(k + step) - 2 * path(k) + path(k - step)) / step**2)
    assert_close(adapter, x, truth, precision)
    # E = -log(1 - u) is off by eps / (1 - u); where c < 0 the derivatives are differences of terms of size z E
    size = np.array([float(v) for v in truth]) * e
    assert_close(adapter, slope, firsts, precision, scale=size)
    assert_close(adapter, second, seconds, precision, scale=size * e)


@precisions
def test_density(adapter, precision):
    c, z = (v.ravel() for v in np.meshgrid(single(CONCENTRATIONS, precision), [0.0, 0.125, 0.24, 5.0]))

    def observed(c, x):
        d = adapter.dist.GeneralizedPareto(adapter.array(LOC), SCALE, c, validate_args=False)
        return {"log_prob": d.log_prob(x), "cdf": d.cdf(x), "log_sf": d.log_sf(x)}

    with adapter.precision(precision):
        x = adapter.array(LOC + SCALE * z)
        found, slopes = adapter.jit(adapter.value_and_slopes(observed))(adapter.array(c), x)
        below = adapter.dist.GeneralizedPareto(adapter.array(LOC), SCALE, adapter.array(0.5), validate_args=False)
        low = adapter.array(0.25)
        assert below.log_prob(low) == -math.inf and below.cdf(low) == 0.0
    inside = c * z > -1.0
    beyond = {name: adapter.numpy(v)[~inside] for name, v in found.items()}
    assert (beyond["log_prob"] == -math.inf).all() and (beyond["cdf"] == 1.0).all()
    exponentials, densities, firsts = [], [], []
    for k, y in zip(c[inside], z[inside], strict=True):
        with mp.workdps(60):

            def log_density(k, y=y):
                return -(1 + k) * mp.log1p(k * y) / k - mp.log(SCALE)

            slope = mp.diff(log_density, at(k), h=mp.mpf(10) ** -40) if k * y else y * y / 2 - y
            exponentials.append(mp.log1p(at(k) * y) / at(k))
            densities.append(log_density(at(k)))
            firsts.append(slope if y else 0.0)
    parts = {name: adapter.numpy(v)[inside] for name, v in found.items()}
    y = z[inside]
    assert_close(adapter, parts["cdf"], [-mp.expm1(-e) for e in exponentials], precision)
    assert_close(adapter, parts["log_sf"], [-e for e in exponentials], precision)
    assert_close(adapter, parts["log_prob"], densities, precision, scale=1.0)
    assert_close(adapter, adapter.numpy(slopes["log_prob"])[inside], firsts, precision, scale=y + y * y)


@functools.cache
def draws(adapter):
    def observed(params, key):
        x = adapter.draw(adapter.dist.GeneralizedPareto(**params), key)
        return {"x": x, "log z": adapter.xp.log(x - params["loc"])}

    return adapter.jit(adapter.value_and_slopes(observed))


def run(adapter, n=40_000, **params):
    return draws(adapter)(adapter.arrays(params, (n,)), adapter.key(0))


@pytest.mark.parametrize("c", [0.0, 1e-6, 0.2, -0.7])
def test_gradient_is_unbiased(adapter, c):
    """E x = loc + scale / (1 - c); at c = 0 Pyro's own gradient in c is zero in every draw."""
    found, slopes = run(adapter, loc=LOC, scale=SCALE, concentration=c)
    truth = {"loc": 1.0, "scale": 1.0 / (1.0 - c), "concentration": SCALE / (1.0 - c) ** 2}
    for name, exact in truth.items():
        assert_unbiased(adapter.numpy(slopes["x"][name]), exact, 1e-5, name)
    assert_unbiased(adapter.numpy(found["x"]), LOC + SCALE / (1.0 - c), 0.0)


@pytest.mark.parametrize("c", [0.0, 0.5, -0.5, -1.0, 30.0])
def test_draws_follow_the_distribution(adapter, c):
    with adapter.precision("float64" if adapter.eager else "float32"):
        found, _ = run(adapter, loc=0.0, scale=1.0, concentration=c)
        x = adapter.numpy(found["x"])
        clamped = (1e-37, 1e37) if c > 1.0 and not adapter.eager else None
        assert_distributed(x, stats.genpareto(c).cdf, clamped)
        d = adapter.dist.GeneralizedPareto(0.0, 1.0, adapter.array(c))
        assert np.isfinite(adapter.numpy(d.log_prob(found["x"][:1000]))).all()


# concentration, low, x, high by E; the tail beyond may fall slowly (-0.45), the derivatives rise fast (20)
BETWEEN = [
    (c, *ends)
    for c in (-3.0, -1.25, -0.75, -0.45, -0.125, 0.0625, 1.0, 20.0)
    for ends in ((0.125, 0.75, None), (0.125, 0.12625, None), (0.0, 0.0625, 0.0628), (0.5, 2.0, 3.5), (0.25, 1.0, 4.0))
]


@precisions
def test_between_bounds(adapter, precision):
    """Density and partials of x at fixed quantile, from mpmath."""

    def quantile(c, e):
        return None if e is None else float(np.asarray(np.expm1(c * e) / c, dtype=precision))

    def survival(x, c, scale):
        return (1 + c * x / scale) ** (-1 / c)

    points = [(c, *(quantile(c, e) for e in ends)) for c, *ends in BETWEEN]
    for has_high in (False, True):
        chosen = [point for point in points if (point[3] is not None) == has_high]
        c, low, x, high = zip(*chosen, strict=True)
        with adapter.precision(precision):
            c, low, x = map(adapter.array, (c, low, x))
            base = adapter.dist.GeneralizedPareto(0.0, adapter.array([1.0] * len(chosen)), c)
            d = adapter.dist.Truncated(base, low, adapter.array(high) if has_high else None)
            value, slopes = adapter.numpy(d.log_prob(x)), adapter.irg.implicit_gradients(d, x)
            slopes = {name.split(".")[-1]: adapter.numpy(slope) for name, slope in slopes.items()}
        rtol = 2e-6 if precision == "float32" else 2e-13
        for i, point in enumerate(chosen):
            with mp.workdps(60):
                c, low, x, high = (None if v is None else mp.mpf(v) for v in point)

                def cdf(x, c, scale, low, high):
                    beyond = 0 if high is None else survival(high, c, scale)
                    start = survival(low, c, scale)
                    return (start - survival(x, c, scale)) / (start - beyond)

                at, flows = [x, c, mp.mpf(1), low, high], []
                for k in range(4 + has_high):
                    step, ends = mp.mpf(10) ** -25 * max(1, abs(at[k])), []
                    for sign in (1, -1):
                        ends.append(cdf(*at[:k], at[k] + sign * step, *at[k + 1 :]))
                    flows.append((ends[0] - ends[1]) / (2 * step))
                np.testing.assert_allclose(value[i], float(mp.log(flows[0])), rtol, rtol, err_msg=str(point))
                for name, flow in zip(("concentration", "scale", "low", "high"), flows[1:], strict=False):
                    exact = float(-flow / flows[0])
                    # the two sides' shares cancel in part: a quarter of what the square of the way would be
                    atol = rtol * 0.25 * float(x - low) ** 2
                    np.testing.assert_allclose(slopes[name][i], exact, rtol, atol, err_msg=f"{name} of {point}")


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.3, 1.7)])
def test_bound_at_the_upper_end(adapter, loc, scale):
    """It moves a draw as p(end) / p(x) says: 0, that of the uniform distribution, or a huge number."""

    def slope(c):
        def draw(high):
            base = adapter.dist.GeneralizedPareto(adapter.array(loc), scale, c)
            return adapter.dist.Truncated(base, high=high).at_fixed_quantile(adapter.array(loc + 0.3 * scale))

        return float(adapter.numpy(adapter.slopes(draw)(adapter.array(loc - scale / c))))

    assert abs(slope(-0.5)) < 1e-6
    np.testing.assert_allclose(slope(-1.0), 0.3, rtol=2e-6)
    assert slope(-2.0) > 1e2


@pytest.mark.parametrize("c", [-1e3, -1.0, 40.0, 1e4])
def test_extremes_are_finite(adapter, c):
    """Most draws of c = 40 overflow float32: clamped, with the relative derivative of the true draw, E on average."""
    found, slopes = run(adapter, loc=0.0, scale=1.0, concentration=c)
    x, slope = adapter.numpy(found["x"]), adapter.numpy(slopes["log z"]["concentration"])
    assert np.isfinite(x).all() and (x > 0.0).all() and np.isfinite(slope).all()
    if c > 1e3:  # d log z / dc = E - 1/c, but for exp(-c E)
        assert_unbiased(slope, 1.0 - 1.0 / c, 1e-3)


def test_moments(adapter):
    c = adapter.array([-2.0, 0.0, 0.25, 0.5, 2.0])
    d = adapter.dist.GeneralizedPareto(0.5, 2.0, c)
    truth = {
        "mean": [0.5 + 2 / 3, 2.5, 0.5 + 8 / 3, 4.5, math.inf],
        "variance": [4 / 45, 4.0, 4 / 0.28125, math.inf, math.inf],
    }
    for moment, exact in truth.items():
        np.testing.assert_allclose(adapter.numpy(getattr(d, moment)), exact, rtol=1e-6)
    exact = [stats.genpareto(v, 0.5, 2.0).entropy() for v in adapter.numpy(c)]
    np.testing.assert_allclose(adapter.numpy(d.entropy()), exact, rtol=1e-6)


def test_shapes_and_errors(adapter):
    make, array = adapter.dist.GeneralizedPareto, adapter.array
    d = make(0.0, array(np.ones((3, 1))), array(np.zeros(4)))
    assert d.batch_shape == (3, 4)
    assert adapter.shapes(lambda key: adapter.draw(d, key, (2,)), adapter.key(0)).shape == (2, 3, 4)
    assert (adapter.numpy(d.icdf(array(1.0))) == math.inf).all()
    assert adapter.numpy(make(1.0, 2.0, array(-0.5)).icdf(array(1.0))) == 5.0
    for name, value in (("scale", -1.0), ("concentration", math.inf)):
        with pytest.raises(ValueError, match=rf"invalid {name} parameter|{name} .*"):
            make(**{"loc": 0.0, "scale": 1.0, "concentration": 0.1, name: array(value)}, validate_args=True)


@precisions
def test_draws_are_inside(adapter, precision):
    """A draw next to an upper end, however loc + scale z is rounded, lies inside and has a density."""
    rng = np.random.default_rng(3)
    loc = np.tile([0.0, -2.0, 1.0, 1e3], 500)
    scale, c = 10.0 ** rng.uniform(-4, 4, 2000), -(10.0 ** rng.uniform(-1, 1, 2000))
    params = [adapter.array(np.asarray(v, dtype=precision)) for v in (loc, scale, c)]
    distribution = adapter.dist.GeneralizedPareto(*params)
    assert np.isfinite(
        adapter.numpy(distribution.log_prob(adapter.detached_draw(distribution, adapter.key(0), (20,))))
    ).all()
