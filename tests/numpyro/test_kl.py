"""KL divergences in closed form: against mpmath, near 0 too, by the host's dispatch and in its ELBO."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from mpmath import mp
from numpyro.distributions import kl_divergence
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

import numpyro_irg.distributions as dist
from tests.closed_forms import DIVERGENCE, DIVERGENCES, divergence

COMPILED = jax.jit(lambda p, q: kl_divergence(p, q))  # the dispatcher itself cannot be hashed weakly


def make(module, name, params, dtype="float32"):
    return getattr(module, name)(*(jnp.asarray(v, dtype) for v in params))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_value(name, precision):
    pairs = np.array(DIVERGENCES[name][1]).astype(precision).astype(float)
    with jax.enable_x64(precision == "float64"):
        p, q = (make(dist, name, tuple(pairs[:, k].T), precision) for k in (0, 1))
        value, same = COMPILED(p, q), COMPILED(p, p)
    assert value.dtype == precision
    truth = [divergence(name, p, q) for p, q in pairs]
    np.testing.assert_allclose(value, truth, rtol=DIVERGENCE[precision])
    np.testing.assert_array_equal(same, 0.0)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_derivatives(name):
    """By every parameter of both, against mpmath's differences of the textbook's formula."""
    exact, pairs = DIVERGENCES[name]
    p, q = pairs[0]

    @jax.jit
    @jax.grad
    def slopes(leaves):
        return kl_divergence(getattr(dist, name)(*leaves[: len(p)]), getattr(dist, name)(*leaves[len(p) :]))

    with jax.enable_x64(True):
        found = slopes(tuple(map(jnp.asarray, (*p, *q))))
    with mp.workdps(50):
        for k, slope in enumerate(found):
            order = tuple(int(i == k) for i in range(len(found)))
            np.testing.assert_allclose(slope, float(mp.diff(exact, (*p, *q), order)), rtol=1e-9)


@pytest.mark.parametrize("name", ["Gamma", "Beta", "VonMises", "InverseGamma"])
def test_against_the_hosts_classes(name):
    p, q = (0.5, 2.0), (3.0, 0.25)
    expected = COMPILED(make(dist, name, p), make(dist, name, q))
    assert COMPILED(make(dist, name, p), make(host, name, q)) == expected
    assert COMPILED(make(host, name, p), make(dist, name, q)) == expected


def test_relatives():
    """Chi2 and Exponential are Gammas; LogGamma and InverseGamma diverge as the Gamma; a Beta is a Dirichlet."""
    gamma = COMPILED(make(dist, "Gamma", (1.5, 0.5)), make(dist, "Gamma", (1.0, 2.0)))
    pairs = [
        (make(dist, "Chi2", (3.0,)), make(dist, "Gamma", (1.0, 2.0))),
        (make(dist, "Gamma", (1.5, 0.5)), host.Exponential(2.0)),
        (make(dist, "LogGamma", (1.5, 0.5)), make(dist, "LogGamma", (1.0, 2.0))),
        (make(dist, "InverseGamma", (1.5, 0.5)), make(dist, "InverseGamma", (1.0, 2.0))),
    ]
    for p, q in pairs:
        np.testing.assert_allclose(COMPILED(p, q), gamma, rtol=1e-6)
    turned = COMPILED(make(dist, "Gamma", (1.0, 2.0)), make(dist, "Chi2", (3.0,)))
    np.testing.assert_allclose(COMPILED(host.Exponential(2.0), make(dist, "Chi2", (3.0,))), turned, rtol=1e-6)
    dirichlet = [dist.Dirichlet(jnp.array(v)) for v in ([0.5, 2.0], [3.0, 0.25])]
    expected = COMPILED(make(dist, "Beta", (0.5, 2.0)), make(dist, "Beta", (3.0, 0.25)))
    np.testing.assert_allclose(COMPILED(*dirichlet), expected, rtol=1e-6)
    with pytest.raises(NotImplementedError):
        kl_divergence(make(dist, "StudentT", (3.0,)), make(dist, "StudentT", (4.0,)))


def test_uniform():
    """Over the whole circle or interval; infinite over less."""
    for p, low, high in [
        (make(dist, "VonMises", (0.5, 2.0)), -math.pi, math.pi),
        (make(dist, "Beta", (0.5, 2.0)), 0.0, 1.0),
    ]:
        value = COMPILED(p, host.Uniform(low, high))
        np.testing.assert_allclose(value, math.log(high - low) - p.entropy(), rtol=1e-6)
        wider = COMPILED(p, host.Uniform(low - 1.0, high + 1.0))
        np.testing.assert_allclose(wider, math.log(high - low + 2.0) - p.entropy(), rtol=1e-6)
        assert COMPILED(p, host.Uniform(low, 0.9 * high)) == math.inf


def test_mean_field_elbo():
    """The ELBO of a model that is its prior alone has no noise: it is the closed form, with its gradient."""
    priors = {
        "angle": (dist.VonMises, (0.0, 2.0), (0.5, 7.0)),
    }

    def model():
        for name, (cls, prior, _) in priors.items():
            with numpyro.plate(name + "s", 3):
                numpyro.sample(name, cls(*prior))

    def guide():
        for name, (cls, _, start) in priors.items():
            first = numpyro.param(name + "_", start[0])
            with numpyro.plate(name + "s", 3):
                numpyro.sample(name, cls(first, start[1]))

    params = {name + "_": jnp.asarray(start[0]) for name, (_, _, start) in priors.items()}
    closed = [3.0 * COMPILED(cls(*start), cls(*prior)) for cls, prior, start in priors.values()]

    @functools.partial(jax.jit, static_argnums=0)
    def evaluate(elbo, key, params):
        return jax.value_and_grad(lambda params: elbo.loss(key, params, model, guide))(params)

    mean_field, plain = (
        [evaluate(elbo, jax.random.key(seed), params) for seed in range(2)]
        for elbo in (TraceMeanField_ELBO(), Trace_ELBO())
    )
    np.testing.assert_allclose([loss for loss, _ in mean_field], sum(closed), rtol=1e-6)
    assert np.std([loss for loss, _ in plain]) > 0.01
    gradient = mean_field[0][1]
    mean = 1.0 - dist.VonMises(0.0, 7.0).variance
    np.testing.assert_allclose(gradient["angle_"], 3.0 * 2.0 * mean * math.sin(0.5), rtol=1e-6)
