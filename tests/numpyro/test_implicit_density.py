"""Laws from a log-density alone, and any law of the host: draws and partials against mpmath, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest
from numpyro.distributions import constraints

import numpyro_irg.distributions as dist
from numpyro_irg.distributions.fixed_quantile import at_fixed_quantile
from tests import densities
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised
from tests.densities import DENSITIES, FAULTY

# float64: rounding of a sum over 160 nodes, and of f up to 50; in float32 the same sums, f known to eps * 50
ROUNDING = {"float64": 2e-12, "float32": 2e-5}


def of(density):
    def log_density(x, **params):
        return density.log_density(jnp, x, **params)

    return lambda **params: dist.ImplicitDensity(log_density, getattr(constraints, density.support), **params)


def arrays(density, precision, shape=()):
    return {name: jnp.full(shape, value, precision) for name, value in density.params.items()}


# each compiles a program of its own, 10 s on a busy core: float32 for one law on the line and one on a half-line
@pytest.mark.parametrize(
    ("density", "precision"),
    [(d, p) for p in ROUNDING for d in DENSITIES if p == "float64" or d.name in ("gamma", "normal")],
    ids=str,
)
def test_partials_tails_and_draws(density, precision):
    with jax.enable_x64(precision == "float64"):
        family, params = of(density), arrays(density, precision)

        @jax.jit
        def observed(x, params):
            slopes = jax.jacfwd(lambda p: at_fixed_quantile(family(**p), x))(params)
            law = family(**params)
            return slopes, law.log_cdf(x), law.log_sf(x), law.sample(jax.random.key(0), (20_000,))

        slopes, lower, upper, draws = observed(jnp.asarray(density.points, precision), params)
        for i, x in enumerate(density.points):
            truth = densities.partials(density, x)
            unit = max(map(abs, truth.values()))
            for name in params:
                assert abs(float(slopes[name][i]) - truth[name]) <= ROUNDING[precision] * unit, (name, x)
            for tail, log_mass in zip((lower, upper), densities.log_tails(density, x)):
                # of the larger tail the logarithm is small: absolute
                assert abs(float(tail[i]) - log_mass) <= ROUNDING[precision] * max(1.0, abs(log_mass))
        assert p_value(np.asarray(draws), density.cdf) > LEAST_P_VALUE


@pytest.mark.slow
def test_normalised_and_second_derivatives():
    """log_prob, cdf, icdf and a held draw: the Gamma's, and so are their derivatives."""
    with jax.enable_x64(True):
        family, x = of(DENSITIES[0]), jnp.asarray(1.75)

        def observed(make, a, b, x):
            law = make(a, b)
            return jnp.stack([law.log_prob(x), law.cdf(x), law.icdf(x / 4.0), jnp.log(at_fixed_quantile(law, x))])

        @jax.jit
        def all_of(a, b):
            found = []
            for make in (lambda a, b: family(a=a, b=b), dist.Gamma):
                f = lambda a, b, x, make=make: observed(make, a, b, x)  # noqa: E731
                found.append((f(a, b, x), jax.jacrev(f, (0, 1, 2))(a, b, x)))
                found[-1] += (jax.hessian(lambda a: at_fixed_quantile(make(a, b), x))(a),)  # noqa: B023
            return found

        ours, known = all_of(*(jnp.asarray(v) for v in DENSITIES[0].params.values()))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(known)):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_elbo_gradient():
    with jax.enable_x64(True):
        family = of(DENSITIES[0])

        @jax.jit
        @jax.grad
        def slopes(params):
            law = family(**params)
            x = law.sample(jax.random.key(1))
            return (2.5 * jnp.log(x) - 2.0 * x - law.log_prob(x)).sum()

        found = slopes(arrays(DENSITIES[0], "float64", (5_000,)))
    for name, truth in densities.elbo_gradient().items():
        assert standardised(np.asarray(found[name]), np.array(truth), 1e-10) < STANDARD_ERRORS, name


@pytest.mark.parametrize("name", FAULTY)
def test_faults(name):
    f, support, words = FAULTY[name]
    with pytest.raises(ValueError, match=f"ImplicitDensity: .*({words})"), jax.enable_x64(True):
        dist.ImplicitDensity(lambda x: f(jnp, x), getattr(constraints, support))


def test_faults_are_nan_where_nothing_can_be_raised():
    def draw(scale):
        law = dist.ImplicitDensity(lambda x, scale: 0.0 * x * scale, constraints.real, scale=scale)
        return law.sample(jax.random.key(0)), law.log_prob(1.0)

    assert np.isnan(jax.jit(draw)(1.0)).all()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"support: expected constraints\.real"):
        dist.ImplicitDensity(lambda x: -x, constraints.simplex)

    def log_density(x):
        return -0.5 * x * x

    law = dist.ImplicitDensity(log_density, constraints.real, lambda key, shape: jnp.ones(7), validate_args=False)
    with pytest.raises(ValueError, match="sampler gave draws of shape"):
        law.sample(jax.random.key(0), (3,))
    with pytest.raises(ValueError, match="key must be a JAX random key"):
        law.sample(None)
    with pytest.raises(ValueError, match="expected a continuous univariate law, got Poisson"):
        dist.Implicit(host.Poisson(1.0))
    with pytest.raises(ValueError, match="write ConditionalChain"):
        dist.Implicit(host.Dirichlet(jnp.ones(3)))


def test_shapes_and_transformations():
    """expand, vmap over the law itself, and a law that crosses jit."""

    def log_density(x, a):
        return -a * x

    def make(a):
        return dist.ImplicitDensity(log_density, constraints.positive, a=a, validate_args=False)

    law, key = make(jnp.ones((3, 1))), jax.random.key(0)
    assert law.expand((3, 2)).batch_shape == (3, 2)
    assert jax.jit(lambda law: law.expand((3, 2)).sample(key, (4,)))(law).shape == (4, 3, 2)
    assert jax.vmap(lambda law: law.sample(key))(jax.vmap(make)(jnp.array([1.0, 2.0]))).shape == (2,)


class NoCdf(host.Distribution):
    """A normal law that hides its distribution function."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.real
    pytree_data_fields = ("scale",)

    def __init__(self, scale):
        self.scale = scale
        super().__init__(jnp.shape(scale))

    def log_prob(self, x):
        return -0.5 * (x / self.scale) ** 2

    def sample(self, key, sample_shape=()):
        return jnp.full(sample_shape + self.batch_shape, 0.75) * self.scale


@pytest.mark.parametrize("law", [NoCdf, lambda s: host.Normal(0.0, s), lambda s: host.Normal(0.0, s).to_event(1)])
def test_implicit(law):
    scale = jnp.array([0.5, 3.0])
    draw = jax.jit(lambda scale: dist.Implicit(law(scale)).sample(jax.random.key(0), (4,)))
    slope = jax.grad(lambda scale: draw(scale).sum())(scale)
    np.testing.assert_allclose(slope, draw(scale).sum(0) / scale, rtol=1e-5, atol=1e-5)


def test_implicit_takes_the_twin():
    law = dist.Implicit(host.Gamma(0.5, 1.0))
    assert isinstance(law.base_dist, dist.Gamma)
    assert jax.jit(lambda law: law.sample(jax.random.key(0), (3,)))(law).shape == (3,)


class OnlyCdf(host.Distribution):
    """A normal law whose class tells `log_tails` no more than its cdf, which rounds to 1 beyond 5.4."""

    arg_constraints = {"loc": constraints.real}
    support = constraints.real

    def __init__(self, loc):
        self.loc = loc
        super().__init__(jnp.shape(loc), validate_args=False)

    def cdf(self, value):
        return 0.5 * (1.0 + jax.scipy.special.erf((value - self.loc) * 0.5**0.5))

    def log_prob(self, value):
        return host.Normal(self.loc, 1.0).log_prob(value)


def test_a_tail_lost_to_rounding_keeps_its_gradient():
    x = jnp.array([-2.0, 3.0, 6.0, 8.0])
    slopes = jax.jacfwd(lambda loc: at_fixed_quantile(OnlyCdf(loc), x))(0.0)
    np.testing.assert_allclose(slopes, 1.0, rtol=1e-5)
