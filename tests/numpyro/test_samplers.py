"""The draws follow their laws, at the hard points too, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import numpyro_irg.distributions as dist
from tests.laws import DIRICHLETS, LAWS, LEAST_P_VALUE, SAMPLED, held_at, marginal, p_value
from tests.numpyro.draws import arrays, numpy, precision_of, sampler

DRAWS = 50_000

# Each family and precision is a compilation; in float64 Gamma stands for those that share its sampler.
RUNS = {
    f"{key}-{precision}": (law, params, precision)
    for key, (law, params) in SAMPLED.items()
    for precision in ("float32", "float64")
    if precision == "float32" or law.name not in ("LogGamma", "InverseGamma", "Chi2")
}

precisions = pytest.mark.parametrize("precision", ["float32", "float64"])


@pytest.mark.parametrize(("law", "params", "precision"), RUNS.values(), ids=RUNS)
def test_goodness_of_fit(law, params, precision):
    with precision_of(precision):
        x = sampler(law.name, (DRAWS,))(jax.random.key(1), arrays(params, precision))
        assert x.dtype == precision
        x = numpy(x)
    assert p_value(x, lambda x: law.cdf(x, **params), held_at(law.name, precision)) > LEAST_P_VALUE


@precisions
@pytest.mark.parametrize("concentration", DIRICHLETS, ids=str)
def test_goodness_of_fit_dirichlet(concentration, precision):
    """The marginals, and that x[0] tells nothing about x[1] / (1 - x[0])."""
    with precision_of(precision):
        found = arrays({"concentration": concentration}, precision)
        x = numpy(sampler("Dirichlet", (DRAWS,))(jax.random.key(1), found))
    tested = [i for i, c in enumerate(concentration) if c < 1e3]  # of another's 1e3, too little is inside the range
    for i in tested:
        assert p_value(x[:, i], marginal(i, concentration), held_at("Dirichlet", precision)) > LEAST_P_VALUE
    if min(concentration) > 0.1 and len(concentration) > 2:
        first, rest = marginal(0, concentration)(x[:, 0]), x[:, 1] / x[:, 1:].sum(-1)
        second = marginal(0, concentration[1:])(rest)
        assert p_value((first + second) % 1.0, lambda u: u) > LEAST_P_VALUE


def test_large_dirichlet():
    """A thousand components; a hundred draws of a tenth of them are as good as independent."""
    x = numpy(sampler("Dirichlet", (100,))(jax.random.key(1), {"concentration": jnp.full((1000,), 0.5)}))
    few = x[:, :100].reshape(-1)
    assert p_value(few, marginal(0, (0.5, 499.5)), held_at("Dirichlet", "float32")) > LEAST_P_VALUE
    np.testing.assert_allclose(x.sum(-1), 1.0, rtol=100 * jnp.finfo(jnp.float32).eps)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_draws_lie_inside_the_support(law):
    """In float32, at every point: strictly inside, so that log_prob is finite, and so are slopes of log x."""

    @jax.jit
    def look(x, found):
        d = getattr(dist, law.name)(**found)
        return d.support(x), d.log_prob(x)

    for params in law.points + law.hard:
        found = arrays(params)
        x = sampler(law.name, (DRAWS,))(jax.random.key(1), found)
        inside, log_prob = look(x, found)
        assert jnp.isfinite(x).all() and inside.all()
        if law.name in ("Gamma", "Chi2", "InverseGamma", "Beta", "Dirichlet"):
            assert (x > 0.0).all()
        if law.name in ("Beta", "Dirichlet"):
            assert (x < 1.0).all()
        if law.name != "Dirichlet" or max(params["concentration"]) < 1e3:
            assert jnp.isfinite(log_prob).all(), params


def test_von_mises_without_concentration():
    """Validation refuses 0; without it the law is the uniform one."""
    x = dist.VonMises(0.0, 0.0, validate_args=False).sample(jax.random.key(1), (DRAWS,))
    assert p_value(numpy(x), lambda x: 0.5 + x / (2.0 * jnp.pi)) > LEAST_P_VALUE


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_key(law):
    """The key decides, and every member of a batch has numbers of its own."""
    found = arrays(law.points[0])
    draw = sampler(law.name, (DRAWS,))
    first, again, other = (numpy(draw(jax.random.key(k), found))[:7] for k in (1, 1, 2))
    assert (first == again).all() and (first != other).all()
    assert len(set(first.reshape(7, -1)[:, 0].tolist())) == 7


@pytest.mark.parametrize("method", ["sample", "rsample"])
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_without_a_key(law, method):
    d = getattr(dist, law.name)(**arrays(law.points[0]))
    with pytest.raises(
        ValueError, match=rf"{law.name}\.sample: key must be a JAX random key, got .*numpyro.handlers.seed"
    ):
        getattr(d, method)(None)
