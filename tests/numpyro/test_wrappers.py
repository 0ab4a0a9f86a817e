"""NumPyro's wrappers around our classes: its reparameterizers, `vmap_over`, validation and observations of NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro import handlers
from numpyro.distributions import transforms as T
from numpyro.distributions.batch_util import vmap_over
from numpyro.infer import reparam

import numpyro_irg.distributions as dist

KEY = jax.random.key(0)


def program(config):
    """What a site draws under a reparameterizer."""

    def draw(fn, key):
        with handlers.seed(rng_seed=key), handlers.reparam(config={"x": config}):
            return numpyro.sample("x", fn)

    return draw


def test_an_inverse_gamma_is_not_taken_apart():
    """At a = .001 the Gamma inside underflows; the draw itself is held in its range with its relative derivative."""
    with pytest.raises(ValueError, match="TransformReparam does not automatically work with InverseGamma"):
        program(reparam.TransformReparam())(dist.InverseGamma(2.0, 2.0), KEY)

    def logs(a):
        fn = host.TransformedDistribution(dist.InverseGamma(a, 1.0), T.ExpTransform().inv)
        return fn.sample(KEY, (1000,))

    def direct(a):
        return jnp.log(dist.InverseGamma(a, 1.0).sample(KEY, (1000,)))

    concentrations = jnp.full(1000, 0.001)
    draws, pull_back = jax.vjp(lambda a: logs(a.mean()), concentrations)
    (slopes,), (truth,) = pull_back(draws), jax.vjp(lambda a: direct(a.mean()), concentrations)[1](draws)
    assert np.isfinite(draws).all() and np.isfinite(slopes).all()
    np.testing.assert_allclose(slopes, truth, rtol=1e-6)  # one operation's rounding


BOUNDS = {
    "TwoSidedTruncatedDistribution": {"low": -0.5, "high": 1.0},
    "LeftTruncatedDistribution": {"low": -0.5},
    "RightTruncatedDistribution": {"high": 0.5},
    "Truncated": {"low": -0.5, "high": 1.0},
}


@pytest.mark.parametrize("name", BOUNDS)
def test_vmap_over(name):
    """The host's way to carry a batch of distributions through `vmap`."""
    bounds = {key: jnp.array(value) for key, value in BOUNDS[name].items()}
    stacked = {key: value + 0.1 * jnp.arange(3.0) for key, value in bounds.items()}

    def make(bounds):
        return getattr(dist, name)(host.Normal(0.0, 1.0), **bounds)

    axes = vmap_over(make(bounds), **dict.fromkeys(bounds, 0))
    batch = jax.vmap(make, out_axes=axes)(stacked)
    draws = jax.vmap(lambda fn: fn.sample(KEY), in_axes=(axes,))(batch)
    densities = jax.vmap(lambda fn, x: fn.log_prob(x), in_axes=(axes, 0))(batch, draws)
    for i in range(3):
        alone = make({key: value[i] for key, value in stacked.items()})
        np.testing.assert_allclose(draws[i], alone.sample(KEY), rtol=1e-5)  # some units in the last place
        np.testing.assert_allclose(densities[i], alone.log_prob(draws[i]), rtol=1e-5)


@pytest.mark.parametrize("module", [host, dist])
def test_censored_values_are_validated_on_request_alone(module):
    """As the host's: an interval may begin outside the support."""
    d = module.IntervalCensoredDistribution(module.Exponential(1.0), 0, 0)
    np.testing.assert_allclose(d.log_prob(jnp.array([-1.0, 2.0])), np.log(-np.expm1(-2.0)), rtol=1e-6)
    d = module.LeftCensoredDistribution(module.Exponential(1.0), 1, validate_args=True)
    with pytest.warns(UserWarning, match="should be within the support"):
        assert d.log_prob(-1.0) == -jnp.inf


WITH_BOUNDS = {
    "LogUniform": lambda low: dist.LogUniform(low, 3.0),
    "Pareto": lambda low: dist.Pareto(low, 2.0).expand([2]).to_event(1),
    "Truncated": lambda low: dist.Truncated(dist.Normal(0.0, 1.0), low=low),
    "a mixture": lambda low: dist.MixtureSameFamily(
        dist.Categorical(np.full(2, 0.5)), dist.Pareto(low * np.ones(2, np.float32), 2.0)
    ),
}


@pytest.mark.parametrize("name", WITH_BOUNDS)
def test_values_of_numpy_at_traced_bounds(name):
    """What observations often are; the host's constraint compares them by NumPy, which reads no tracer."""
    found = jax.eval_shape(lambda low: WITH_BOUNDS[name](low).log_prob(np.array([0.5, 2.0], np.float32)), 1.0)
    assert found.shape == (() if name == "Pareto" else (2,))


def test_constants_are_validated_inside_jit():
    """Those of fewer axes than others too, which the host would reshape inside `jit`."""

    def density(low, alpha):
        return lambda: dist.Pareto(np.float32(low), np.float32(alpha)).log_prob(np.float32(0.5))

    for params in ((1.0, 2.0), (1.0, [2.0, 3.0]), ([1.0, 2.0], [[2.0], [3.0]])):
        with pytest.warns(UserWarning, match="Out-of-support"):
            jax.eval_shape(density(*params))
    with pytest.raises(ValueError, match="invalid concentration parameter"):
        jax.eval_shape(lambda: dist.Gamma(np.full(2, -1.0), np.ones((2, 1))).rate)


def test_a_censored_one_is_reparameterized_as_its_base_is():
    """All parameters or none, which is the host's way to say it."""
    for base, expected in ((host.Normal(0.0, 1.0), True), (host.Poisson(1.0), False)):
        d = jax.tree.map(jnp.asarray, dist.IntervalCensoredDistribution(base, 0, 1))
        assert d.has_rsample == expected == (set(d.reparametrized_params) == set(d.arg_constraints))


def test_the_mean_of_a_student_t_is_the_hosts():
    """Which is inf, as SciPy's, where there is none."""
    df = jnp.array([0.5, 1.0, 1.5, 3.0])
    np.testing.assert_array_equal(dist.StudentT(df, 2.0, 3.0).mean, host.StudentT(df, 2.0, 3.0).mean)
