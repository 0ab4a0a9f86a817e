"""The classes as a drop-in for NumPyro's: names, shapes, dtypes, copies and pytrees, log_prob, KL divergences."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.distributions.batch_util import vmap_over
from scipy import stats

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients
from tests.laws import LAWS
from tests.numpyro.draws import arrays, precision_of

KEY = jax.random.key(3)
laws = pytest.mark.parametrize("law", LAWS, ids=str)
hosts = pytest.mark.parametrize("law", [law for law in LAWS if hasattr(host, law.name)], ids=str)
several = pytest.mark.parametrize("law", [law for law in LAWS if len(law.points[0]) > 1], ids=str)


def build(law, params):
    return getattr(dist, law.name)(**arrays(params))


def batch(law, shape, dtype=jnp.float32, **options):
    """Parameters 1 + 1/3 everywhere; a Dirichlet's concentration has three components more."""
    shape = (*shape, 3) if law.name == "Dirichlet" else shape
    return getattr(dist, law.name)(**{name: jnp.full(shape, 4 / 3, dtype=dtype) for name in law.points[0]}, **options)


def arguments(d):
    return {name: getattr(d, name) for name in d.arg_constraints}


# Shapes and dtypes need no numbers: with `jax.eval_shape` nothing is compiled.


def sample_of(d, sample_shape=(), method="sample"):
    return jax.eval_shape(lambda key: getattr(d, method)(key, sample_shape), KEY)


def log_prob_of(d, x):
    return jax.eval_shape(d.log_prob, x)


# ---------------------------------------------------------------------------------------------------------- drop-in


MADE_OF_LAWS = {"GaussianCopula", "GaussianCopulaBeta", "Implicit", "ImplicitDensity", "ConditionalChain"}


def test_every_name_of_the_host():
    assert set(host.__all__) <= set(dist.__all__)
    for name in host.__all__:
        assert (getattr(dist, name) is getattr(host, name)) == (name not in dist.IMPLICIT), name
    ours = {"Implicit", "ImplicitDensity", "LogGamma", "ConditionalChain", "Truncated"}
    ours |= {"ContinuousBernoulli", "GeneralizedPareto"}
    assert set(dist.__all__) - set(host.__all__) == ours
    apart = {"MixtureGeneral", "MixtureSameFamily", "SineBivariateVonMises"}  # files of their own
    apart |= {"ContinuousBernoulli", "GeneralizedPareto"}
    truncated = {name for name in dist.IMPLICIT if "Truncated" in name}  # test_truncated.py
    assert set(dist.IMPLICIT) == MADE_OF_LAWS | truncated | {law.name for law in LAWS} | apart


def test_submodules_of_the_host():
    for name in ["constraints", "transforms", "continuous", "util", "kl", "distribution", "biject_to"]:
        assert getattr(dist, name) is getattr(host, name), name
    with pytest.raises(AttributeError, match="no_such_name"):
        dist.no_such_name  # noqa: B018


@laws
def test_class(law):
    cls = getattr(dist, law.name)
    assert cls.__module__.startswith("numpyro_irg.distributions.")
    assert issubclass(cls, getattr(host, law.name, host.Distribution))
    assert set(cls.arg_constraints) == set(cls.reparametrized_params) == set(law.points[0])
    d = build(law, law.points[0])
    assert d.has_rsample
    if hasattr(host, law.name):
        assert cls.arg_constraints == getattr(host, law.name).arg_constraints
        assert d.support is getattr(host, law.name)(**arrays(law.points[0])).support


# ----------------------------------------------------------------------------------------------------------- shapes


@laws
@pytest.mark.parametrize("sample_shape", [(), (5,), (2, 1, 4), (0,)], ids=str)
@pytest.mark.parametrize("batch_shape", [(), (3,), (2, 3), (1, 1)], ids=str)
def test_shapes(law, batch_shape, sample_shape):
    d = batch(law, batch_shape)
    for method in ("sample", "rsample"):
        x = sample_of(d, sample_shape, method)
        assert d.batch_shape == batch_shape and x.shape == sample_shape + batch_shape + d.event_shape
        assert x.shape == d.shape(sample_shape)
    assert log_prob_of(d, x).shape == sample_shape + batch_shape


@laws
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)], ids=str)
def test_empty_batches(law, shape):
    d = batch(law, shape)
    x = sample_of(d, (2,))
    assert x.shape == (2, *shape, *d.event_shape)
    assert log_prob_of(d, x).shape == (2, *shape)


def test_empty_draw():
    assert dist.Gamma(jnp.ones((0, 3)), 1.0).sample(KEY).shape == (0, 3)


@laws
def test_expand(law):
    """Slopes reach the parameters, and `rsample` is `sample`."""
    expanded = lambda found: getattr(dist, law.name)(**found).expand([4, 3])  # noqa: E731
    found = arrays(law.points[0])
    x = sample_of(expanded(found), (2,))
    assert x.shape == (2, 4, 3, *expanded(found).event_shape)
    program = lambda method: str(jax.make_jaxpr(lambda f: getattr(expanded(f), method)(KEY, (2,)))(found))  # noqa: E731
    assert program("sample") == program("rsample")
    slopes = jax.eval_shape(jax.grad(lambda found: expanded(found).sample(KEY, (2,)).sum()), found)
    assert {name: slope.shape for name, slope in slopes.items()} == {name: p.shape for name, p in found.items()}


@pytest.mark.parametrize("name", ["Gamma", "Dirichlet"])
def test_members_have_draws_of_their_own(name):
    d = batch({law.name: law for law in LAWS}[name], ()).expand([4, 3])
    x = np.reshape(jax.jit(lambda key: d.sample(key, (2,)))(KEY), (24, -1))
    assert len(np.unique(x[:, 0])) == 24


@laws
def test_to_event_and_mask(law):
    d = batch(law, (2, 3))
    whole = d.to_event(2)
    assert whole.has_rsample and sample_of(whole, (5,), "rsample").shape == (5, *whole.event_shape)
    x = jnp.full((5, *whole.event_shape), 1 / 3)

    @jax.jit
    def evaluate(x):
        return whole.log_prob(x), d.log_prob(x), d.mask(jnp.array([True, False, True])).log_prob(x)

    together, apart, masked = evaluate(x)
    np.testing.assert_allclose(together, apart.sum((-1, -2)), rtol=1e-5)
    assert (masked[..., 1] == 0.0).all()
    np.testing.assert_array_equal(masked[..., ::2], apart[..., ::2])


@several
def test_parameters_broadcast(law):
    first, *others = law.points[0]
    d = getattr(dist, law.name)(
        **{first: jnp.full((4, 1), 2.0), **{name: jnp.full((3,), 0.5) for name in others[:1]}},
        **{name: 1 for name in others[1:]},
    )
    assert d.batch_shape == (4, 3) and sample_of(d, (2,)).shape == (2, 4, 3)
    assert log_prob_of(d, jnp.full((4, 3), 0.5)).shape == (4, 3)


def test_point_mass():
    """A Dirichlet of one component."""
    x = dist.Dirichlet(jnp.array([[2.0], [0.1]])).sample(KEY, (3,))
    np.testing.assert_array_equal(x, jnp.ones((3, 2, 1)))


# ----------------------------------------------------------------------------------------------------------- dtypes


@laws
def test_dtypes(law):
    for default in ("float32", "float64"):
        with precision_of(default):
            for dtype in (jnp.float32, default):
                assert sample_of(batch(law, (2,), dtype)).dtype == dtype
            for integer in (jnp.int32, jnp.uint8):
                d = batch(law, (2,), integer)
                x = sample_of(d)
                assert x.dtype == default and log_prob_of(d, x).dtype == default
                assert all(getattr(d, name).dtype == default for name in d.arg_constraints)
            if law.name != "Dirichlet":
                assert sample_of(getattr(dist, law.name)(**dict.fromkeys(law.points[0], 2))).dtype == default


@several
def test_mixed_dtypes(law):
    """A number follows the arrays, an integer array the floating ones, and of two floating ones the wider wins."""
    first, *others = law.points[0]
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            for other in (1, 1.5, jnp.int32(2), jnp.float32(2.0), np.float32(2.0)):
                d = getattr(dist, law.name)(**{first: jnp.asarray(2.0, dtype)}, **dict.fromkeys(others, other))
                assert {sample_of(d).dtype, *(getattr(d, name).dtype for name in law.points[0])} == {np.dtype(dtype)}


# ------------------------------------------------------------------------------------------------ copies and pytrees


def same(d, twin):
    assert type(twin) is type(d) and twin.batch_shape == d.batch_shape and twin.event_shape == d.event_shape
    for name, value in arguments(d).items():
        np.testing.assert_array_equal(getattr(twin, name), value)


@laws
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "copy", "cloudpickle"])
def test_copies(law, how):
    cloudpickle = pytest.importorskip("cloudpickle") if how == "cloudpickle" else pickle
    functions = {"deepcopy": copy.deepcopy, "copy": copy.copy}
    d = build(law, law.points[1])
    same(d, functions.get(how, lambda d: pickle.loads(cloudpickle.dumps(d)))(d))


@laws
def test_pytree(law):
    """There and back, and as an argument and a result of jit."""
    d = batch(law, (4,))
    leaves, tree = jax.tree.flatten(d)
    same(d, jax.tree.unflatten(tree, leaves))
    same(d, jax.jit(lambda d: d)(d))
    x = jax.eval_shape(lambda d: d.sample(KEY, (2,)), d)
    assert x.shape == (2, *d.batch_shape, *d.event_shape)


@laws
def test_vmap_over_distributions(law):
    """Of a batch that vmap made: draws and log_prob of each member."""
    many = jax.vmap(lambda found: getattr(dist, law.name)(**found))(arrays(law.points[0], shape=(4,)))
    assert many.batch_shape == ()
    sample_and_log_prob = jax.vmap(lambda d, key: (x := d.sample(key), d.log_prob(x)))
    x, log_prob = jax.eval_shape(sample_and_log_prob, many, jax.random.split(KEY, 4))
    assert x.shape == (4, *many.event_shape) and log_prob.shape == (4,)
    if law.name == "Gamma":
        x, log_prob = jax.jit(sample_and_log_prob)(many, jax.random.split(KEY, 4))
        assert len(np.unique(x)) == 4
        np.testing.assert_allclose(log_prob, jax.jit(build(law, law.points[0]).log_prob)(x), rtol=1e-5)


@pytest.mark.parametrize("name", ["Gamma", "LogGamma"])
def test_vmap_over(name):
    """NumPyro's helper for distributions of which some parameters are batched."""
    first, second = dict.fromkeys({law.name: law for law in LAWS}[name].points[0])
    axes = vmap_over(getattr(dist, name)(1.0, 1.0), **{first: 0})
    many = jax.vmap(getattr(dist, name), in_axes=(0, None), out_axes=axes)(jnp.array([0.5, 1.0, 2.0]), 1.5)
    assert (
        type(many) is getattr(dist, name) and getattr(many, first).shape == (3,) and getattr(many, second).shape == ()
    )
    x = jax.vmap(lambda d: d.log_prob(0.3), in_axes=(axes,))(many)
    np.testing.assert_allclose(x, getattr(dist, name)(jnp.array([0.5, 1.0, 2.0]), 1.5).log_prob(0.3), rtol=1e-5)


@laws
def test_gradient_by_a_distribution(law):
    """A distribution is a pytree of its parameters, and its draw has slopes by them."""
    d = build(law, law.points[0])
    shapes = jax.eval_shape(jax.grad(lambda d: d.sample(KEY).sum()), d)
    for name, value in arguments(d).items():
        assert getattr(shapes, name).shape == value.shape


# ------------------------------------------------------------------------------------------------- log_prob, moments


@hosts
def test_log_prob_is_the_hosts(law):
    with jax.enable_x64(True):
        for params in law.points:
            found = arrays(params, "float64")
            d, twin = getattr(dist, law.name)(**found), getattr(host, law.name)(**found)
            x = jnp.linspace(0.05, 0.95, 19)
            x = jnp.stack([x, 0.3 * (1.0 - x), 0.7 * (1.0 - x)], -1) if law.name == "Dirichlet" else x
            ours, theirs = jax.jit(lambda x, d=d, twin=twin: (d.log_prob(x), twin.log_prob(x)))(x)
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("df", [0.05, 3.0, 1e6])
def test_log_prob_of_far_student_t(df):
    """At |x| = 1e30, whose square is beyond float32, against SciPy in float64; with its slope, -(df + 1) / x."""
    x = jnp.array([-1e30, 1e30])
    value, slope = jax.jit(lambda x: jax.value_and_grad(lambda x: dist.StudentT(df, 1.0, 2.0).log_prob(x).sum())(x))(x)
    truth = stats.t(df).logpdf((np.asarray(x, np.float64) - 1.0) / 2.0) - np.log(2.0)
    np.testing.assert_allclose(value, truth.sum(), rtol=1e-5)
    np.testing.assert_allclose(slope, -(df + 1.0) / x, rtol=1e-5)


def test_log_gamma_is_the_log_of_a_gamma():
    """log_prob(x) = Gamma's at exp(x), plus x; finite where exp(x) underflows; SciPy's mean and variance."""
    a = jnp.array([0.5, 7.5])
    d, gamma = dist.LogGamma(a, 2.0), dist.Gamma(a, 2.0)
    x = jnp.linspace(-4.0, 3.0, 20)[:, None]
    ours, theirs = jax.jit(lambda x: (d.log_prob(x), gamma.log_prob(jnp.exp(x)) + x))(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    truth = 0.001 * -1e4 - float(jax.scipy.special.gammaln(0.001))
    np.testing.assert_allclose(dist.LogGamma(0.001, 1.0).log_prob(-1e4), truth, rtol=1e-6)
    np.testing.assert_allclose(d.mean, stats.loggamma([0.5, 7.5]).mean() - np.log(2.0), rtol=1e-5)
    np.testing.assert_allclose(d.variance, stats.loggamma([0.5, 7.5]).var(), rtol=1e-5)
    assert dist.LogGamma(2.0).rate == 1.0


@hosts
def test_moments_are_the_hosts(law):
    found = arrays(law.points[1])
    d, twin = getattr(dist, law.name)(**found), getattr(host, law.name)(**found)
    np.testing.assert_allclose(d.mean, twin.mean)
    # the host's variance of a VonMises, 1 - I1/I0, loses the digits that ours keeps
    np.testing.assert_allclose(d.variance, twin.variance, rtol=1e-5)


@pytest.mark.parametrize("names", [("Gamma", "Gamma"), ("Beta", "Beta"), ("Dirichlet", "Dirichlet")])
def test_kl_divergence(names):
    """The host's dispatch finds our classes, also against the host's own."""
    points = [{law.name: law for law in LAWS}[name].points[i] for i, name in enumerate(names)]
    p, q = (getattr(dist, name)(**arrays(params)) for name, params in zip(names, points))
    twins = [getattr(host, name)(**arrays(params)) for name, params in zip(names, points)]
    expected = host.kl_divergence(*twins)
    for pair in [(p, q), (p, twins[1]), (twins[0], q)]:
        np.testing.assert_allclose(dist.kl_divergence(*pair), expected, rtol=1e-6)


# -------------------------------------------------------------------------------------------------- statements, devices


@laws
def test_sample_statement(law):
    def model():
        with numpyro.plate("data", 4):
            numpyro.sample("x", batch(law, ()))

    def value(key):
        return numpyro.handlers.trace(numpyro.handlers.seed(model, key)).get_trace()["x"]["value"]

    assert jax.eval_shape(value, KEY).shape[0] == 4


@pytest.mark.skipif(all(d.platform == "cpu" for d in jax.devices()), reason="JAX sees no accelerator")
def test_accelerator():
    for law in LAWS:
        found = arrays(law.points[0], shape=(1000,))
        x, pull = jax.vjp(lambda found, law=law: getattr(dist, law.name)(**found).sample(KEY), found)
        truth = implicit_gradients(getattr(dist, law.name)(**found), x)
        for name, slope in pull(jnp.ones_like(x))[0].items():
            assert jnp.isfinite(slope).all()
            if law.name != "Dirichlet":
                np.testing.assert_allclose(slope, truth[name], rtol=1e-4, atol=1e-4)
