"""Distributions of the line wrapped onto the circle: density and mass by mpmath, gradients, refusals."""

import functools
import math
import pickle

import numpy as np
import pytest
from mpmath import mp
from scipy.special import ndtri

from tests.adapters import over
from tests.checks import assert_distributed, assert_unbiased, exact_gradient

ANGLES = (-3.0, -0.5, 0.25, 3.0)


def _normal(x, loc, scale):
    """By its Fourier series where that is the shorter sum."""
    if scale > 1:
        waves = (mp.exp(-(scale**2) * n * n / 2) * mp.cos(n * (x - loc)) for n in range(1, 12))
        return (1 + 2 * mp.fsum(waves)) / (2 * mp.pi)
    turns = (mp.exp(-(((x - loc + 2 * mp.pi * j) / scale) ** 2) / 2) for j in range(-2, 3))
    return mp.fsum(turns) / (scale * mp.sqrt(2 * mp.pi))


def _cauchy(x, loc, scale):
    return mp.sinh(scale) / (mp.cosh(scale) - mp.cos(x - loc)) / (2 * mp.pi)


def _laplace(x, loc, scale):
    t, turn = mp.fmod(x - loc + 20 * mp.pi, 2 * mp.pi), 2 * mp.pi
    return (mp.exp(-t / scale) + mp.exp((t - turn) / scale)) / (-mp.expm1(-turn / scale) * 2 * scale)


def _gumbel(x, loc, scale):
    turns = [(x - loc + 2 * mp.pi * j) / scale for j in range(-3, 45)]
    return mp.fsum(mp.exp(-y - mp.exp(-y)) for y in turns) / scale


def _exponential(x, rate):
    t, turn = mp.fmod(x + 2 * mp.pi, 2 * mp.pi), 2 * mp.pi
    return rate * mp.exp(-rate * t) / -mp.expm1(-rate * turn)


# class -> density of an angle, parameters: narrow ones, wide ones, some whose turns beyond the sum count
CASES = {
    "Normal": (_normal, [{"loc": 2.0, "scale": s} for s in (0.3, 2.0, 30.0, 1e3)]),
    "Cauchy": (_cauchy, [{"loc": 1.0, "scale": s} for s in (0.1, 1.0, 30.0)]),
    "Laplace": (_laplace, [{"loc": 1.0, "scale": s} for s in (0.5, 15.0, 200.0)]),
    # some turns below a narrow one the host's log-density is -inf, and its derivative NaN
    "Gumbel": (_gumbel, [{"loc": 0.5, "scale": s} for s in (0.2, 0.5, 3.0)]),
    "Exponential": (_exponential, [{"rate": r} for r in (2.0, 0.1)]),
}
ALLOWED = {"float64": 2e-11, "float32": 2e-5}


@functools.cache
def truth(name):
    """Of each angle and set of parameters: log p, its derivatives by x and the parameters, P(angle <= x)."""
    density, sets = CASES[name]
    rows = []
    with mp.workdps(25):
        for params in sets:
            for x in ANGLES:
                args = [mp.mpf(x), *map(mp.mpf, params.values())]
                log_p = [
                    mp.diff(lambda *a: mp.log(density(*a)), args, n) for n in np.eye(len(args), dtype=int).tolist()
                ]
                edge = [-mp.pi, *(v for v in (0, float(params.get("loc", 0))) if v < x), x]
                mass = mp.quad(lambda t, p=args[1:]: density(t, *p), sorted(map(mp.mpf, edge)))
                rows.append([float(v) for v in (mp.log(density(*args)), *log_p, mass)])
    return np.array(rows).T


@over({name: name for name in CASES}, "name", when=lambda a, name: a.eager or name in ("Laplace", "Gumbel"))
def test_density_and_mass(adapter, name):
    """NumPyro's of two bases, in float32; torch computes that in float64."""
    precision, sets = "float64" if adapter.eager else "float32", CASES[name][1]

    def observed(values):
        x = values.pop("x")
        d = adapter.dist.Wrapped(getattr(adapter.host, name)(**values), validate_args=False)
        return {"log_prob": d.log_prob(x), "cdf": d.cdf(x)}

    with adapter.precision(precision):
        rows = [{**params, "x": x} for params in sets for x in ANGLES]
        values = {key: adapter.array([row[key] for row in rows]) for key in rows[0]}
        found, slopes = adapter.compile(lambda v: adapter.value_and_slopes(lambda v: observed({**v}))(v), values)
    log_p, by_x, *by_params, mass = truth(name)
    allowed = ALLOWED[precision]
    np.testing.assert_allclose(adapter.numpy(found["log_prob"]), log_p, rtol=allowed, atol=allowed)
    np.testing.assert_allclose(adapter.numpy(found["cdf"]), mass, rtol=0.0, atol=allowed)
    for key, exact in zip(("x", *sets[0]), (by_x, *by_params), strict=True):
        slope = adapter.numpy(slopes["log_prob"][key])
        np.testing.assert_allclose(slope, exact, rtol=10 * allowed, atol=10 * allowed, err_msg=key)
    density = np.exp(log_p)
    np.testing.assert_allclose(adapter.numpy(slopes["cdf"]["x"]), density, rtol=allowed, atol=allowed)


def test_draws(adapter):
    """Distributed as they should be; the gradient of E[cos x] = exp(-scale**2 / 2) cos(loc) is right."""
    params = {"loc": 2.5, "scale": 1.5}

    def make(params):
        return adapter.dist.Wrapped(adapter.host.Normal(**params), validate_args=False)

    def draw(params, key):
        return adapter.draw(make(params), key)

    observed = adapter.jit(adapter.chained(draw, {"cos x": adapter.xp.cos}))
    x, slopes = observed(adapter.arrays(params, (20_000,)), adapter.key(0))
    x = adapter.numpy(x)
    assert (np.abs(x) <= np.float32(math.pi)).all()
    grid = np.linspace(-math.pi, math.pi, 1001)
    levels = adapter.numpy(adapter.jit(lambda p, x: make(p).cdf(x))(adapter.arrays(params), adapter.array(grid)))
    assert_distributed(x, lambda x: np.interp(x, grid, levels))
    for name, exact in exact_gradient(lambda loc, scale: mp.exp(-(scale**2) / 2) * mp.cos(loc), params).items():
        assert_unbiased(adapter.numpy(slopes["cos x"][name]), exact, 1e-5, name)


def test_of_uniform_numbers(adapter):
    """The base's quantile modulo a turn, with its derivatives."""
    u = np.linspace(0.01, 0.99, 15)
    noise = ndtri(u)

    def angle(params):
        base = adapter.host.Normal(params["loc"], params["scale"])
        return adapter.irg.from_uniform(adapter.dist.Wrapped(base, validate_args=False), params["u"])

    params = adapter.arrays({"loc": np.full(15, 2.5), "scale": np.full(15, 1.5), "u": u})
    x, slopes = adapter.numpy(angle(params)), adapter.slopes(angle)(params)
    np.testing.assert_allclose(x, np.angle(np.exp(1j * (2.5 + 1.5 * noise))), atol=2e-6)
    np.testing.assert_allclose(adapter.numpy(slopes["loc"]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(adapter.numpy(slopes["scale"]), noise, rtol=1e-5, atol=1e-6)


def test_shapes_and_copies(adapter):
    d = adapter.dist.Wrapped(adapter.host.Gumbel(adapter.array(np.zeros((2, 1))), 1.0))
    assert d.has_rsample and d.batch_shape == (2, 1)
    for other in (d.expand((2, 3)), d.to_event(1), pickle.loads(pickle.dumps(d))):
        x = adapter.shapes(lambda key, d=other: adapter.draw(d, key, (4,)), adapter.key(0))
        assert x.shape == (4, *other.batch_shape, *other.event_shape)
        assert adapter.shapes(other.log_prob, x).shape == (4, *other.batch_shape)


def test_refusals(adapter):
    host, wrapped = adapter.host, adapter.dist.Wrapped
    with pytest.raises(ValueError, match="Wrapped: base Exponential spans more turns than are summed"):
        wrapped(host.Exponential(adapter.array(1e-4)))
    with pytest.raises(ValueError, match="Wrapped: base must be a continuous univariate distribution, got Poisson"):
        wrapped(host.Poisson(adapter.array(2.0)))
    with pytest.raises(ValueError, match="got Independent of Normal of event shape"):
        wrapped(host.Normal(adapter.array([0.0, 1.0]), 1.0).to_event(1))
    with pytest.raises(TypeError, match="Wrapped: base must be a distribution, got 3"):
        wrapped(3)


def test_the_distribution_function_outside_of_the_circle(adapter):
    """It is 0 or 1, whatever the parameters: at an infinity it was NaN, beyond pi above 1."""
    x = adapter.array([-math.inf, -4.0, 4.0, math.inf])

    def mass(params):
        base = adapter.dist.Normal(params["loc"], params["scale"])
        return {"cdf": adapter.dist.Wrapped(base, validate_args=False).cdf(x)}

    found, slopes = adapter.jit(adapter.value_and_slopes(mass))(adapter.arrays({"loc": 0.5, "scale": 1.0}))
    np.testing.assert_array_equal(adapter.numpy(found["cdf"]), [0.0, 0.0, 1.0, 1.0])
    for name, slope in slopes["cdf"].items():
        np.testing.assert_array_equal(adapter.numpy(slope), 0.0, err_msg=name)
