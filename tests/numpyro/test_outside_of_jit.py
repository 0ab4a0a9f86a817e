"""Outside of `jit`, what was done once compiles nothing again, whatever loops it has."""

import jax
import jax.numpy as jnp
import numpyro.distributions as host
import pytest

import numpyro_irg
import numpyro_irg.distributions as dist
from numpyro_irg import attach
from tests.rows import ROWS

MAKE = {
    "Gamma": lambda a: dist.Gamma(a, 1.0),
    "Beta": lambda a: dist.Beta(a, 1.5),
    "StudentT": lambda a: dist.StudentT(a, 0.5, 2.0),
    "VonMises": lambda a: dist.VonMises(0.5, a),
    "Kumaraswamy": lambda a: dist.Kumaraswamy(a, 2.0),
}


def used(make, a):
    """A draw, its slope, the functions of the distribution, made anew each time."""
    d = make(a)
    x = d.sample(jax.random.key(0), (3,))
    slopes = jax.grad(lambda a: (make(a).sample(jax.random.key(0)) + make(a).log_prob(x)).sum())(a)
    return x, d.log_prob(x), d.cdf(x), d.icdf(jnp.array([0.2, 0.5, 0.7])), slopes


@pytest.mark.parametrize("name", MAKE)
def test_nothing_is_compiled_twice(name, caplog):
    used(MAKE[name], jnp.array(2.5))
    with jax.log_compiles(), caplog.at_level("WARNING"):
        found = used(MAKE[name], jnp.array(3.5))
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


MADE_OF_OTHERS = {
    "Truncated": lambda a: dist.Truncated(dist.Exponential(a), 0.25),
    "truncated mixture": lambda a: dist.Truncated(mixture(a), 0.25),
    "GaussianCopula": lambda a: dist.GaussianCopula(dist.Laplace(jnp.stack([a, a]), 1.0), jnp.eye(2)),
    "MixtureSameFamily": lambda a: mixture(a),
    "VonMisesFisher": lambda a: dist.VonMisesFisher(jnp.array([1.0, 0.0, 0.0]), a),
    "SineBivariateVonMises": lambda a: dist.SineBivariateVonMises(0.0, 0.0, a, 1.0, correlation=0.25),
}


def mixture(a):
    return dist.MixtureSameFamily(dist.Categorical(jnp.array([0.25, 0.75])), dist.Normal(jnp.stack([a, -a]), 1.0))


@pytest.mark.parametrize("name", MADE_OF_OTHERS)
def test_nor_what_is_made_of_others(name, caplog):
    def drawn(a):
        d = MADE_OF_OTHERS[name](a)
        x = d.sample(jax.random.key(0))
        return x, d.log_prob(x)

    drawn(jnp.array(2.5))
    with jax.log_compiles(), caplog.at_level("WARNING"):
        found = drawn(jnp.array(3.5))
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


OF_TWO_AXES = {
    "log_prob": lambda a, x: dist.Gamma(a, 1.0).log_prob(x),
    "cdf, icdf": lambda a, x: dist.Beta(a, 1.5).cdf(dist.Beta(a, 1.5).icdf(x)),
    "slopes of a draw": jax.grad(lambda a, x: dist.StudentT(a, 0.5, 2.0).sample(jax.random.key(0), (2,)).sum()),
    "slopes of a cdf": jax.grad(lambda a, x: dist.VonMises(0.5, a).cdf(x).sum()),
    "vmap": lambda a, x: jax.vmap(dist.Gamma(a, 1.0).log_prob)(jnp.stack([x, x])),
    "censored": jax.grad(lambda a, x: dist.RightCensoredDistribution(dist.Gamma(a, 1.0), x > 0.5).log_prob(x).sum()),
    "folded": lambda a, x: dist.LeftCensoredDistribution(host.FoldedDistribution(dist.Normal(a, 1.0)), 1).log_prob(x),
}


@pytest.mark.parametrize("name", OF_TWO_AXES)
def test_nor_for_a_batch_of_two_axes(name, caplog):
    """Which the kernels are given as one axis."""
    x = jnp.array([[0.3, 0.4, 0.5], [0.6, 0.7, 0.8]])
    OF_TWO_AXES[name](jnp.full((2, 3), 2.5), x)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        found = OF_TWO_AXES[name](jnp.full((2, 3), 3.5), x)
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert jnp.isfinite(found).all()


def test_no_nan_is_made_on_the_way():
    """`jax_debug_nans` looks at each operation outside of `jit`, those of values that are not taken included."""
    a, u = jnp.array(2.5), jnp.array([0.0, 0.25, 1.0])
    with jax.debug_nans(True):
        x, y = (MAKE["Gamma"](a).icdf(u), MADE_OF_OTHERS["Truncated"](a).icdf(u))
        z = numpyro_irg.from_uniform(mixture(a), u)
    assert (x[jnp.array([0, 2])] == jnp.array([0.0, jnp.inf])).all() and (
        y[jnp.array([0, 2])] == jnp.array([0.25, jnp.inf])
    ).all()
    assert (z[1:] > z[:-1]).all()


UNIVARIATE = {row.name: row for row in ROWS if row.points and row.cdf and not (row.made or row.hosts)}


@pytest.mark.parametrize("row", UNIVARIATE.values(), ids=str)
def test_kernels_last(row, monkeypatch):
    """Those of a second instance are those of the first: a kernel made anew would be compiled anew."""
    found, compiled = [], attach.compiled
    monkeypatch.setattr(attach, "compiled", lambda kernel: found.append(kernel) or compiled(kernel))
    name, *others = row.points[0]
    cls, seen = getattr(dist, row.name), []
    for _ in range(2):
        found.clear()
        jax.eval_shape(
            lambda a: used(lambda a: cls(**{name: a}, **{n: row.points[0][n] for n in others}), a),
            jnp.array(row.points[0][name]),
        )
        seen.append(list(found))
    assert seen[0] and seen[1] and {*map(id, seen[1])} <= {*map(id, seen[0])}
