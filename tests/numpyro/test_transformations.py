"""What only JAX has: vmap over keys, scan, remat; and distributions as pytrees."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest
from jax import grad, jacfwd, jit, lax, vmap
from numpyro.distributions.batch_util import vmap_over

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients
from tests.adapters import numpyro as adapter
from tests.families import BY_NAME, FAMILIES

KEY = jax.random.key(4)
each = pytest.mark.parametrize("family", FAMILIES, ids=str)


def build(family, i=0, shape=()):
    return getattr(dist, family.name)(**adapter.arrays(family.points[i], shape))


def test_eager():
    """Not jitted, the same draw."""
    d = dist.Gamma(0.5, 2.0)
    np.testing.assert_allclose(d.sample(KEY), jit(d.sample)(KEY), rtol=1e-6)


def test_vmap():
    """Over parameters and keys, over either alone: numbers of their own, slopes of their own."""
    f = jax.value_and_grad(lambda a, key: dist.Gamma(a, 2.0).sample(key))

    @jit
    def evaluate(a, keys):
        by_parameter = vmap(f, (0, None))(a, KEY)
        by_both = vmap(vmap(f, (None, 0)))(a, keys)
        known = lambda x, a: implicit_gradients(dist.Gamma(a, 2.0), x)["concentration"]  # noqa: E731
        x = jnp.concatenate([by_parameter[0][:, None], by_both[0]], 1)
        return x, jnp.concatenate([by_parameter[1][:, None], by_both[1]], 1), known(x, a[:, None])

    x, slopes, truth = evaluate(jnp.array([0.5, 2.0]), jax.random.split(KEY, 6).reshape(2, 3))
    assert len(np.unique(x)) == x.size == 8
    np.testing.assert_allclose(slopes, truth, rtol=2e-5)


@pytest.mark.parametrize("name", ["Gamma", "VonMises"])
def test_vmap_over_keys(name):
    """A batched rejection loop goes on until its last member is done, and spoils none of the others."""
    d = build(BY_NAME[name], 1)
    keys = jax.random.split(KEY, 50)
    draw, together = jit(d.sample), jit(vmap(d.sample))(keys)
    np.testing.assert_allclose(together, np.array([draw(key) for key in keys]), rtol=1e-5, atol=1e-6)


def test_scan():
    """A chain of draws, each with the last for its concentration: the slope is the product of the steps' slopes."""

    def chain(a, keys):
        def step(a, key):
            x = dist.Gamma(a, 1.0).sample(key)
            return x, (a, x)

        return lax.scan(step, a, keys)

    @jit
    def evaluate(a, keys):
        last, (concentrations, draws) = chain(a, keys)
        slopes = implicit_gradients(dist.Gamma(concentrations, 1.0), draws)["concentration"]
        reverse = grad(lambda a: chain(a, keys)[0])(a)
        return last, draws, jnp.prod(slopes), reverse, jacfwd(lambda a: chain(a, keys)[0])(a)

    with jax.enable_x64(True):
        last, draws, truth, reverse, forward = evaluate(jnp.float64(7.5), jax.random.split(KEY, 4))
    assert last == draws[-1] and len(np.unique(draws)) == 4
    np.testing.assert_allclose(reverse, truth, rtol=1e-10)
    np.testing.assert_allclose(forward, truth, rtol=1e-10)


def test_remat():
    f = lambda a: dist.Gamma(a, 2.0).sample(KEY)  # noqa: E731
    np.testing.assert_allclose(jit(grad(jax.checkpoint(f)))(0.5), jit(grad(f))(0.5), rtol=1e-6)


# ----------------------------------------------------------------------------------------------------------- pytrees


@each
def test_pytree(family):
    """There and back, and as an argument and a result of jit; a draw has slopes by the distribution itself."""
    d = build(family, shape=(4,))
    leaves, tree = jax.tree.flatten(d)
    for again in (jax.tree.unflatten(tree, leaves), jit(lambda d: d)(d)):
        assert type(again) is type(d) and again.batch_shape == d.batch_shape and again.event_shape == d.event_shape
        for name in family.points[0]:
            np.testing.assert_array_equal(getattr(again, name), getattr(d, name))
    x = jax.eval_shape(lambda d: d.sample(KEY, (2,)), d)
    assert x.shape == (2, *d.batch_shape, *d.event_shape)
    slopes = jax.eval_shape(grad(lambda d: d.sample(KEY).sum()), d)
    assert all(getattr(slopes, name).shape == getattr(d, name).shape for name in family.points[0])


@each
def test_rsample_is_sample(family):
    """Under expand too."""
    params = adapter.arrays(family.points[0])

    def program(method):
        def draw(params):
            return getattr(getattr(dist, family.name)(**params).expand([4, 3]), method)(KEY, (2,))

        return adapter.program(draw, params)

    assert program("sample") == program("rsample")


@each
def test_vmap_over_distributions(family):
    """Of a batch that vmap made: draws and log_prob of each member."""
    many = vmap(lambda found: getattr(dist, family.name)(**found))(adapter.arrays(family.points[0], (4,)))
    assert many.batch_shape == ()
    sample_and_log_prob = vmap(lambda d, key: (x := d.sample(key), d.log_prob(x)))
    x, log_prob = jax.eval_shape(sample_and_log_prob, many, jax.random.split(KEY, 4))
    assert x.shape == (4, *many.event_shape) and log_prob.shape == (4,)
    if family.name == "Gamma":
        x, log_prob = jit(sample_and_log_prob)(many, jax.random.split(KEY, 4))
        assert len(np.unique(x)) == 4
        np.testing.assert_allclose(log_prob, jit(build(family).log_prob)(x), rtol=1e-5)


@pytest.mark.parametrize("name", ["Gamma", "LogGamma"])
def test_vmap_over(name):
    """NumPyro's helper for distributions of which some parameters are batched."""
    cls, a = getattr(dist, name), jnp.array([0.5, 1.0, 2.0])
    axes = vmap_over(cls(1.0, 1.0), concentration=0)
    many = vmap(cls, in_axes=(0, None), out_axes=axes)(a, 1.5)
    assert type(many) is cls and many.concentration.shape == (3,) and many.rate.shape == ()
    x = vmap(lambda d: d.log_prob(0.3), in_axes=(axes,))(many)
    np.testing.assert_allclose(x, cls(a, 1.5).log_prob(0.3), rtol=1e-5)


def test_shard_map():
    """A rejection loop carries what varies from device to device, parameters that do not among it."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    spec = jax.sharding.PartitionSpec

    def draw(keys, kappa):
        return dist.VonMises(0.0, kappa).sample(keys[0])[None]

    split = jax.shard_map(draw, mesh=mesh, in_specs=(spec("data"), spec()), out_specs=spec("data"))
    np.testing.assert_allclose(jit(split)(KEY[None], 2.0), draw(KEY[None], 2.0), rtol=1e-6)


# ------------------------------------------------------------------------------------------------------ keys, variance


@pytest.mark.parametrize("method", ["sample", "rsample"])
@each
def test_without_a_key(family, method):
    message = rf"{family.name}\.sample: key must be a JAX random key, got .*numpyro.handlers.seed"
    with pytest.raises(ValueError, match=message):
        getattr(build(family), method)(None)


@each
def test_strict_validation_inside_jit(family):
    """The host's: quiet when a traced distribution is made, an error when asked for."""
    params = adapter.arrays(family.points[0])
    with pytest.raises(RuntimeError, match="Cannot validate arguments inside jitted code"):
        jax.eval_shape(lambda params: getattr(dist, family.name)(**params).validate_args(), params)


def test_von_mises_outside_the_circle():
    with pytest.warns(UserWarning, match="Out-of-support values"):
        assert dist.VonMises(0.0, 1.0).log_prob(4.0) == -jnp.inf


@pytest.mark.parametrize("shapes", [(0.3, 0.3, 1.89), (1.0, 1.0, 1.68), (5.0, 5.0, 1.71)], ids=str)
def test_variance_of_beta(shapes):
    """The gradient in a of E[z**2]: NumPyro's own, of two normalised Gammas, has that many times our variance."""
    a, b, ratio = shapes
    params = jnp.full(100_000, a), jnp.full(100_000, b)
    ours, stock = (beta_slopes(module)(jax.random.key(3), *params) for module in (dist, host))
    variances = [np.var(np.asarray(slopes, np.float64)) for slopes in (ours, stock)]
    np.testing.assert_allclose(variances[1] / variances[0], ratio, rtol=0.1)


def beta_slopes(module):
    return BETA_SLOPES.setdefault(
        module, jit(grad(lambda key, a, b: jnp.square(module.Beta(a, b).sample(key)).sum(), argnums=1))
    )


BETA_SLOPES: dict = {}
