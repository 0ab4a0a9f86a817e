"""SineSkewed: gradients of expectations in skewness and base, what is not reparameterized, errors."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp

from tests.checks import exact_gradient
from tests.multivariate import assert_unbiased, assert_well_behaved, shape

N = 10_000
POINTS = (
    {"loc": (0.3, -1.0), "concentration": (2.0, 5.0), "skewness": (0.5, -0.4)},
    {"loc": (3.0, 1.0), "concentration": (0.01, 0.7), "skewness": (-0.25, 0.75)},
    {"loc": (0.0, 2.0), "concentration": (100.0, 1.0), "skewness": (0.9, 0.0)},
)


def mean(kappa):
    return mp.besseli(1, kappa) / mp.besseli(0, kappa)


def sine_of_sum(loc, concentration, skewness):
    """E[sin(x[0] + x[1])]: E[sin(z)**2] of a von Mises variable is A / kappa."""
    total = mp.fsum(k / c for k, c in zip(skewness, concentration, strict=True))
    return mp.fprod(map(mean, concentration)) * (mp.sin(mp.fsum(loc)) + mp.cos(mp.fsum(loc)) * total)


def sine(loc, concentration, skewness):
    """E[sin x[0]]"""
    first = concentration[0]
    return mean(first) * (mp.sin(loc[0]) + mp.cos(loc[0]) * skewness[0] / first)


EXACT = {"sum": sine_of_sum, "first": sine}


def make(adapter, params):
    base = adapter.dist.VonMises(params["loc"], params["concentration"], validate_args=False)
    return adapter.dist.SineSkewed(base.to_event(1), params["skewness"], validate_args=False)


@functools.cache
def observed(adapter):
    def parts(params, key):
        x = adapter.draw(make(adapter, params), key)
        return {"x": x, "sum": adapter.xp.sin(x.sum(-1)), "first": adapter.xp.sin(x[..., 0])}

    return adapter.jit(adapter.value_and_slopes(parts))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, precision):
    """The hosts have none in the skewness (0.594 at loc 0, concentration 2 and skewness 0.5), or a wrong one."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    for i, point in enumerate(POINTS):
        with adapter.precision(precision):
            found, slopes = observed(adapter)(adapter.arrays(point, (N,)), adapter.key(i))
        x = adapter.numpy(found["x"])
        assert (np.abs(x) <= np.float32(math.pi)).all() and adapter.dtype_of(found["x"]) == precision
        for name, function in EXACT.items():
            assert_unbiased(adapter.numpy(found[name]), float(function(**point)), 0.0, point)
            for parameter, truth in exact_gradient(function, point).items():
                each, own = adapter.numpy(slopes[name][parameter]), slice(None if name == "sum" else 1)
                assert_unbiased(each[:, own], truth[own], 1e-4, (name, parameter, point))
                assert name == "sum" or (each[:, 1] == 0.0).all()  # an angle moves with its own parameters alone


def test_second_order(adapter):
    if not adapter.eager:
        pytest.skip("`attach` again, after a longer compilation")

    def of(skewness):
        params = adapter.arrays(POINTS[0], (N,))
        pair = adapter.xp.stack([skewness, params["skewness"][:, 1]], -1)
        return adapter.draw(make(adapter, {**params, "skewness": pair}), adapter.key(5))[:, 0].cos()

    with adapter.precision("float64"):
        found = adapter.numpy(adapter.second_slope(of)(adapter.array(np.full(N, 0.3))))
    assert_unbiased(found, 0.0, 1e-8)  # E[cos x] is linear in the skewness
    assert found.std() > 0.1


def test_density(adapter):
    """The base's and the skewing factor's."""
    point, x = POINTS[0], np.array([1.0, -2.5])
    with adapter.precision("float64"):
        found = adapter.numpy(adapter.jit(make(adapter, adapter.arrays(point)).log_prob)(adapter.array(x)))
    z = x - np.array(point["loc"])
    truth = math.log1p(np.array(point["skewness"]) @ np.sin(z))
    for angle, kappa in zip(z, point["concentration"], strict=True):
        truth += float(kappa * mp.cos(angle) - mp.log(2 * mp.pi * mp.besseli(0, kappa)))
    np.testing.assert_allclose(found, truth, rtol=1e-13)


def test_bases(adapter):
    """Of a base that is no product of angles the draws have no derivative, and the class says so."""
    dist, array = adapter.dist, adapter.array
    skewness = array([0.2, -0.3])
    bivariate = dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0, 0.5)
    assert not dist.SineSkewed(bivariate, skewness).has_rsample
    drawn = adapter.shapes(lambda k: adapter.detached_draw(dist.SineSkewed(bivariate, skewness), k), adapter.key(0))
    assert tuple(drawn.shape) == (2,)
    if adapter.eager:
        with pytest.raises(
            NotImplementedError,
            match=r"SineSkewed of SineBivariateVonMises has no reparameterized.*ConditionalChain of Impl",
        ):
            dist.SineSkewed(bivariate, skewness).rsample()
    circle = adapter.host.Uniform(array([-math.pi] * 2), array([math.pi] * 2)).to_event(1)

    def of(skewness, key):
        d = dist.SineSkewed(circle, skewness)
        assert d.has_rsample
        return adapter.xp.sin(adapter.draw(d, key)[..., 0])

    params = array(np.broadcast_to([0.2, -0.3], (N, 2)))
    _, slopes = adapter.jit(adapter.value_and_slopes(of))(params, adapter.key(0))
    assert_unbiased(adapter.numpy(slopes)[:, 0], 0.5, 1e-5)


def test_shapes_and_copies(adapter):
    array = adapter.array
    loc = array(np.zeros((2, 1)))
    d = adapter.dist.SineSkewed(adapter.dist.VonMises(loc, 2.0).to_event(1), array([0.5]))
    assert_well_behaved(adapter, d)
    host_base = adapter.host.VonMises(loc, 2.0).to_event(1)
    twin = adapter.irg.implicit_twin(adapter.host.SineSkewed(host_base, array([0.5])).to_event(1))
    assert type(twin.base_dist) is adapter.dist.SineSkewed and twin.has_rsample and shape(adapter, twin) == (2, 1)
    rows = adapter.vmap(
        lambda k: adapter.draw(
            adapter.dist.SineSkewed(
                adapter.dist.VonMises(array([0.0]), 2.0, validate_args=False).to_event(1), k, validate_args=False
            ),
            adapter.key(0),
        )
    )
    assert adapter.shapes(rows, array([[0.5], [0.1]])).shape == (2, 1)


def test_errors(adapter):
    base, array = adapter.dist.VonMises(adapter.array([0.0, 1.0]), 2.0), adapter.array
    with pytest.raises(ValueError, match=r"base_dist of event shape \(\) and skewness of shape \(2,\)"):
        adapter.dist.SineSkewed(base, array([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"base_dist of event shape \(2,\) and skewness of shape \(1,\)"):
        adapter.dist.SineSkewed(base.to_event(1), array([0.1]))
    with pytest.raises(ValueError, match="absolute values of skewness must add up to 1 at most"):
        adapter.dist.SineSkewed(base.to_event(1), array([0.8, -0.3]), validate_args=True)
    with pytest.raises(TypeError, match="SineSkewed: base_dist must be a distribution, got"):
        adapter.dist.SineSkewed(None, array([0.8]))
