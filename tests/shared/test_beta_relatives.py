"""AffineBeta and BetaProportion: Betas by other parameters."""

import math

import numpy as np
import pytest
from scipy import special, stats

from tests.checks import assert_unbiased
from tests.families import BY_NAME
from tests.rows.beta import beta_partial

# class -> (concentrations, location, length) of its parameters
AS_BETA = {
    "AffineBeta": lambda p: (p["concentration1"], p["concentration0"], p["loc"], p["scale"]),
    "BetaProportion": lambda p: (p["mean"] * p["concentration"], (1.0 - p["mean"]) * p["concentration"], 0.0, 1.0),
}
LEVELS = np.array([0.01, 0.4, 0.8, 0.99])


@pytest.fixture(params=AS_BETA)
def name(request, adapter):
    if request.param not in adapter.dist.IMPLICIT:
        pytest.skip(f"{adapter.name} has no {request.param}")
    return request.param


def made(adapter, name, shape=()):
    params = BY_NAME[name].points[0]
    return getattr(adapter.dist, name)(**adapter.arrays(params, shape)), AS_BETA[name](params)


def exact_slopes(name, params, x):
    a, b, loc, scale = AS_BETA[name](params)
    y = (x - loc) / scale
    of_logit = [beta_partial(a, b, math.log(at) - math.log1p(-at)) for at in y]
    da, db = scale * (y * (1.0 - y))[None] * np.array(of_logit, dtype=float).T
    if name == "AffineBeta":
        return {"concentration1": da, "concentration0": db, "loc": np.ones_like(x), "scale": y}
    return {"mean": params["concentration"] * (da - db), "concentration": params["mean"] * (da - db) + db}


def test_density_and_quantiles(adapter, name):
    with adapter.precision("float64"):
        fn, (a, b, loc, scale) = made(adapter, name, LEVELS.shape)
        truth = stats.beta(a, b, loc, scale)
        x = truth.ppf(LEVELS)
        found = [adapter.numpy(v) for v in (fn.log_prob(adapter.array(x)), fn.cdf(adapter.array(x)))]
        found += [adapter.numpy(fn.icdf(adapter.array(LEVELS))), adapter.numpy(fn.mean), adapter.numpy(fn.variance)]
    expected = truth.logpdf(x), LEVELS, x, truth.mean(), truth.var()
    for value, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, np.broadcast_to(exact, LEVELS.shape), rtol=1e-9)  # SciPy's own digits


def test_gradients(adapter, name):
    """Those of a draw are `implicit_gradients` at it, which are the exact ones."""
    params, key = BY_NAME[name].points[0], adapter.key(0)
    with adapter.precision("float64"):
        fn, _ = made(adapter, name, LEVELS.shape)
        x = adapter.draw(fn, key)
        found = adapter.irg.implicit_gradients(fn, x)

        def total(values):
            return adapter.draw(getattr(adapter.dist, name)(**dict(zip(params, values, strict=True))), key).sum()

        slopes = adapter.slopes(total)(list(adapter.arrays(params, LEVELS.shape).values()))
    truth = exact_slopes(name, params, adapter.numpy(x))
    assert found.keys() == params.keys()
    for slope, key in zip(slopes, params, strict=True):
        np.testing.assert_allclose(adapter.numpy(found[key]), truth[key], rtol=1e-11)  # the partials' 1e-12 and x's
        np.testing.assert_allclose(adapter.numpy(slope), truth[key], rtol=1e-11)


def test_twin_of_the_hosts_class(adapter, name):
    host_class = getattr(adapter.host, name, None)
    if host_class is None:
        pytest.skip(f"{adapter.name} has no {name} of its own")
    fn = host_class(**adapter.arrays(BY_NAME[name].points[0], (2,)))
    twin = adapter.irg.implicit_twin(fn)
    assert type(twin) is getattr(adapter.dist, name) and twin.batch_shape == (2,)
    for attribute in BY_NAME[name].points[0]:
        np.testing.assert_allclose(adapter.numpy(getattr(twin, attribute)), adapter.numpy(getattr(fn, attribute)))


def test_mixture(adapter, name):
    """Reparameterized, and its derivative is there."""
    if name == "AffineBeta":
        pytest.skip("its support depends on parameters")
    params = BY_NAME[name].points[0]

    def total(values):
        component = getattr(adapter.dist, name)(**dict(zip(params, values, strict=True)))
        weights = adapter.host.Categorical(logits=adapter.array(np.zeros(2)))
        mixture = adapter.dist.MixtureSameFamily(weights, component)
        assert mixture.has_rsample
        return adapter.draw(mixture, adapter.key(0), (4,)).sum()

    slopes = adapter.slopes(total)(list(adapter.arrays(params, (2,)).values()))
    assert all(np.isfinite(adapter.numpy(slope)).all() for slope in slopes)


def test_small_shapes(adapter):
    """d E[log y] / d a = psi'(a) - psi'(a + b), though most draws are held at the lower end (77 of 401 before)."""
    a = adapter.array(np.full(20_000, 0.05))

    def logarithm(a, key):
        fn = adapter.dist.AffineBeta(a, 2.0, 0.0, 3.0, validate_args=False)
        return adapter.xp.log(adapter.draw(fn, key))

    slopes = adapter.jit(adapter.value_and_slopes(logarithm))(a, adapter.key(0))[1]
    assert_unbiased(adapter.numpy(slopes), special.polygamma(1, 0.05) - special.polygamma(1, 2.05), 1e-5)
