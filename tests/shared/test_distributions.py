"""The classes as a drop-in for the host's: names, shapes, dtypes, copies, log_prob, moments, divergences."""

import copy
import pickle

import numpy as np
import pytest
from scipy import special, stats

from tests.adapters import ADAPTERS, in_host, over
from tests.families import BY_NAME, FAMILIES, ROWS, SEVERAL_PARAMETERS

each = over(FAMILIES)
hosts = over(FAMILIES, when=in_host)
several = over(SEVERAL_PARAMETERS)


def batch(adapter, family, shape, array=None):
    """Parameters 1 + 1/3 everywhere; a Dirichlet's concentration has three components more."""
    shape = (*shape, 3) if family.of_vectors else shape
    value = (array or adapter.array)(np.full(shape, 4 / 3))
    return getattr(adapter.dist, family.name)(**dict.fromkeys(family.points[0], value))


def build(adapter, family, params):
    return getattr(adapter.dist, family.name)(**adapter.arrays(params))


def arguments(d):
    return {name: getattr(d, name) for name in d.arg_constraints}


def drawn(adapter, d, sample_shape=(), method="draw"):
    """A draw, or its shape and dtype: without numbers nothing is compiled."""
    return adapter.shapes(lambda key: getattr(adapter, method)(d, key, sample_shape), adapter.key(0))


def log_prob_of(adapter, d, x):
    return adapter.shapes(d.log_prob, x)


# ---------------------------------------------------------------------------------------------------------- drop-in


def test_every_class_has_a_row(adapter):
    assert set(adapter.dist.IMPLICIT) <= BY_NAME.keys()


@pytest.mark.skipif(len(ADAPTERS) < 2, reason="a library is missing")
def test_every_row_is_of_a_class():
    assert {row.name for row in ROWS if not row.hosts} <= {
        name for adapter in ADAPTERS for name in adapter.dist.IMPLICIT
    }


def test_every_name_of_the_host(adapter):
    host, dist = adapter.host, adapter.dist
    assert set(host.__all__) <= set(dist.__all__)
    for name in host.__all__:
        assert (getattr(dist, name) is getattr(host, name)) == (name not in dist.IMPLICIT), name
    assert set(dist.__all__) - set(host.__all__) == {name for name in dist.IMPLICIT if not hasattr(host, name)}


def test_submodules_of_the_host(adapter):
    for name in adapter.SUBMODULES:
        assert getattr(adapter.dist, name) is getattr(adapter.host, name), name
    with pytest.raises(AttributeError, match="no_such_name"):
        adapter.dist.no_such_name  # noqa: B018


@each
def test_class(adapter, family):
    cls, stock = getattr(adapter.dist, family.name), getattr(adapter.host, family.name, None)
    assert cls.__module__.startswith(f"{adapter.dist.__name__}.")
    # of what the host makes by a transformation, which no wrapper shall take apart
    assert issubclass(cls, stock or adapter.Distribution) or issubclass(stock, adapter.TransformedDistribution)
    assert set(cls.arg_constraints) == set(family.points[0])
    assert set(getattr(cls, "reparametrized_params", family.points[0])) == set(family.points[0])
    d = build(adapter, family, family.points[0])
    assert d.has_rsample
    if stock:
        assert cls.arg_constraints == stock.arg_constraints
        theirs = stock(**adapter.arrays(family.points[0]))
        assert d.support is theirs.support or d.support == theirs.support
        assert type(adapter.biject_to(d.support)) is type(adapter.biject_to(theirs.support))
        assert adapter.name == "numpyro" or not issubclass(cls, stock) or repr(d) == repr(theirs)


# ----------------------------------------------------------------------------------------------------------- shapes


@each
@pytest.mark.parametrize("sample_shape", [(), (5,), (2, 1, 4), (0,)], ids=str)
@pytest.mark.parametrize("batch_shape", [(), (3,), (2, 3), (1, 1)], ids=str)
def test_shapes(adapter, family, batch_shape, sample_shape):
    d = batch(adapter, family, batch_shape)
    for method in ("draw", "detached_draw"):
        x = drawn(adapter, d, sample_shape, method)
        assert d.batch_shape == batch_shape and x.shape == sample_shape + batch_shape + d.event_shape
        assert x.shape == d.shape(sample_shape)
    assert log_prob_of(adapter, d, x).shape == sample_shape + batch_shape


@each
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)], ids=str)
def test_empty_batches(adapter, family, shape):
    d = batch(adapter, family, shape)
    x = drawn(adapter, d, (2,))
    assert x.shape == (2, *shape, *d.event_shape)
    assert log_prob_of(adapter, d, x).shape == (2, *shape)


def test_empty_draw(adapter):
    d = adapter.dist.Gamma(adapter.array(np.ones((0, 3))), 1.0)
    assert adapter.draw(d, adapter.key(0)).shape == (0, 3)


@each
def test_expand(adapter, family):
    """Slopes reach the parameters."""
    params = adapter.arrays(family.points[0])

    def expanded(params):
        return getattr(adapter.dist, family.name)(**params).expand((4, 3))

    d = expanded(params)
    assert d.batch_shape == (4, 3) and d.expand((2, 4, 3)).batch_shape == (2, 4, 3)
    x = drawn(adapter, d, (2,))
    assert x.shape == (2, 4, 3, *d.event_shape)
    slopes = adapter.shapes(
        adapter.slopes(lambda params: adapter.draw(expanded(params), adapter.key(0), (2,)) ** 2), params
    )
    assert {name: slope.shape for name, slope in slopes.items()} == {name: p.shape for name, p in params.items()}
    for slope in map(adapter.numpy, slopes.values() if adapter.eager else ()):
        assert np.isfinite(slope).all() and (slope != 0.0).any()


@pytest.mark.parametrize("name", ["Gamma", "Dirichlet"])
def test_members_have_draws_of_their_own(adapter, name):
    d = batch(adapter, BY_NAME[name], ()).expand((4, 3))
    x = adapter.numpy(adapter.jit(lambda key: adapter.draw(d, key, (2,)))(adapter.key(0)))
    assert len(np.unique(x.reshape(24, -1)[:, 0])) == 24


@each
def test_to_event_and_mask(adapter, family):
    d = batch(adapter, family, (2, 3))
    whole = d.to_event(2)
    assert whole.has_rsample and drawn(adapter, whole, (5,)).shape == (5, *whole.event_shape)
    masked = d.mask(adapter.xp.asarray(np.array([True, False, True])))
    assert masked.has_rsample

    def evaluate(x):
        return whole.log_prob(x), d.log_prob(x), masked.log_prob(x)

    x = adapter.array(np.full((5, *whole.event_shape), 1 / 3))
    together, apart, masked = map(adapter.numpy, adapter.jit(evaluate)(x))
    np.testing.assert_allclose(together, apart.sum((-1, -2)), rtol=1e-5)
    assert (masked[..., 1] == 0.0).all() and (masked[..., ::2] != 0.0).all()
    np.testing.assert_array_equal(masked[..., ::2], apart[..., ::2])


@several
def test_parameters_broadcast(adapter, family):
    first, *others = family.points[0]
    d = getattr(adapter.dist, family.name)(
        **{first: adapter.array(np.full((4, 1), 2.0))},
        **{name: adapter.array(np.full(3, 0.5)) for name in others[:1]},
        **{name: 1 for name in others[1:]},
    )
    assert d.batch_shape == (4, 3) and drawn(adapter, d, (2,)).shape == (2, 4, 3)
    assert log_prob_of(adapter, d, adapter.array(np.full((4, 3), 0.5))).shape == (4, 3)


def test_point_mass(adapter):
    """A Dirichlet of one component."""
    x = adapter.draw(adapter.dist.Dirichlet(adapter.array([[2.0], [0.1]])), adapter.key(0), (3,))
    np.testing.assert_array_equal(adapter.numpy(x), np.ones((3, 2, 1)))


# ----------------------------------------------------------------------------------------------------------- dtypes


@each
def test_dtypes(adapter, family):
    for precision in ("float32", "float64"):
        with adapter.default_precision(precision):
            for dtype in ("float32", precision):
                d = batch(adapter, family, (2,), lambda v, dtype=dtype: adapter.xp.asarray(v.astype(dtype)))
                assert adapter.dtype_of(drawn(adapter, d)) == dtype
            for integer in ("int32", "uint8"):
                d = batch(adapter, family, (2,), lambda v, dtype=integer: adapter.xp.asarray(v.astype(dtype)))
                x = drawn(adapter, d)
                found = [x, log_prob_of(adapter, d, x), *arguments(d).values()]
                assert {adapter.dtype_of(v) for v in found} == {precision}
            if not family.of_vectors:
                d = getattr(adapter.dist, family.name)(**dict.fromkeys(family.points[0], 2))
                assert adapter.dtype_of(drawn(adapter, d)) == precision


@several
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_mixed_dtypes(adapter, family, precision):
    """A number follows the arrays, an integer array the floating ones, and of two floating ones the wider wins."""
    first, *others = family.points[0]
    with adapter.precision("float64"):
        leading = adapter.xp.asarray(np.array(2.0, precision))
        for other in (1, 1.5, adapter.xp.asarray(np.int32(2)), adapter.xp.asarray(np.float32(2.0))):
            d = getattr(adapter.dist, family.name)(**{first: leading}, **dict.fromkeys(others, other))
            assert {adapter.dtype_of(v) for v in (drawn(adapter, d), *arguments(d).values())} == {precision}


# ----------------------------------------------------------------------------------------------------------- copies


@each
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "copy", "cloudpickle"])
def test_copies(adapter, family, how):
    cloudpickle = pytest.importorskip("cloudpickle") if how == "cloudpickle" else pickle
    functions = {"deepcopy": copy.deepcopy, "copy": copy.copy}
    d = build(adapter, family, family.points[1])
    made = functions.get(how, lambda d: pickle.loads(cloudpickle.dumps(d)))(d)
    assert type(made) is type(d) and made.batch_shape == d.batch_shape and made.event_shape == d.event_shape
    for name, value in arguments(d).items():
        np.testing.assert_array_equal(adapter.numpy(getattr(made, name)), adapter.numpy(value))

    def observed(d):
        x = adapter.draw(d, adapter.key(3), (4,))
        return {"draw": x, "log_prob": d.log_prob(x)}

    assert adapter.program(lambda: observed(made)) == adapter.program(lambda: observed(d))


# ------------------------------------------------------------------------------------------------- log_prob, moments


def inside(family):
    """Values in the support."""
    x = np.linspace(0.05, 0.95, 19)
    return np.stack([x, 0.3 * (1.0 - x), 0.7 * (1.0 - x)], -1) if family.of_vectors else x


@hosts
def test_log_prob_is_the_hosts(adapter, family):
    with adapter.precision("float64"):
        for params in family.points:
            ours, theirs = (
                getattr(module, family.name)(**adapter.arrays(params)) for module in (adapter.dist, adapter.host)
            )
            x = inside(family)
            evaluate = adapter.jit(lambda x, ours=ours, theirs=theirs: (ours.log_prob(x), theirs.log_prob(x)))
            found, expected = map(adapter.numpy, evaluate(adapter.array(x)))
            if family.name == "VonMises":  # Pyro's log I0 has 8 digits
                expected = family.scipy(**params).logpdf(x)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("df", [0.05, 3.0, 1e6])
def test_log_prob_of_far_student_t(adapter, df):
    """At |x| = 1e30, whose square is beyond float32, against SciPy in float64; with its slope, -(df + 1) / x."""
    at = np.float32([-1e30, 1e30])
    log_prob = adapter.value_and_slopes(lambda x: adapter.dist.StudentT(df, 1.0, 2.0).log_prob(x))
    value, slope = map(adapter.numpy, adapter.jit(log_prob)(adapter.array(at)))
    x = at.astype(float)
    np.testing.assert_allclose(value, stats.t(df).logpdf((x - 1.0) / 2.0) - np.log(2.0), rtol=1e-5)
    np.testing.assert_allclose(slope, -(df + 1.0) / x, rtol=1e-5)


def test_log_gamma_is_the_log_of_a_gamma(adapter):
    """log_prob(x) = Gamma's at exp(x), plus x; finite where exp(x) underflows; SciPy's mean and variance."""
    dist, xp, a = adapter.dist, adapter.xp, np.array([0.5, 7.5])
    d, gamma = dist.LogGamma(adapter.array(a), 2.0), dist.Gamma(adapter.array(a), 2.0)
    x = adapter.array(np.linspace(-4.0, 3.0, 20)[:, None])
    found = adapter.jit(lambda x: (d.log_prob(x), gamma.log_prob(xp.exp(x)) + x))(x)
    np.testing.assert_allclose(*map(adapter.numpy, found), rtol=1e-5, atol=1e-5)
    far = adapter.numpy(dist.LogGamma(0.001, 1.0).log_prob(adapter.array(-1e4)))
    np.testing.assert_allclose(far, 0.001 * -1e4 - special.gammaln(0.001), rtol=1e-6)
    truth = stats.loggamma(a)
    np.testing.assert_allclose(adapter.numpy(d.mean), truth.mean() - np.log(2.0), rtol=1e-5)
    np.testing.assert_allclose(adapter.numpy(d.variance), truth.var(), rtol=1e-5)
    assert adapter.numpy(dist.LogGamma(2.0).rate) == 1.0


@hosts
def test_moments_are_the_hosts(adapter, family):
    ours, theirs = (
        getattr(module, family.name)(**adapter.arrays(family.points[1])) for module in (adapter.dist, adapter.host)
    )
    for moment in ("mean", "variance"):
        # NumPyro's variance of a VonMises, 1 - I1/I0, loses the digits that ours keeps
        found = (adapter.numpy(getattr(d, moment)) for d in (ours, theirs))
        np.testing.assert_allclose(*found, rtol=1e-5 if (family.name, moment) == ("VonMises", "variance") else 1e-6)


# -------------------------------------------------------------------------------------------------- statements, devices


@each
def test_sample_statement(adapter, family):
    def model():
        with adapter.plate("data", 4):
            adapter.sample("x", batch(adapter, family, ()))

    site = adapter.shapes(lambda: adapter.trace(model)["x"]["value"])
    assert site.shape[0] == 4


def test_accelerator(adapter):
    with adapter.accelerator():
        for family in FAMILIES:
            params = adapter.arrays(family.points[0], shape=(1000,))
            x, slopes = adapter.value_and_slopes(
                lambda params, family=family: adapter.draw(getattr(adapter.dist, family.name)(**params), adapter.key(3))
            )(params)
            truth = adapter.irg.implicit_gradients(getattr(adapter.dist, family.name)(**params), x)
            for name, slope in slopes.items():
                assert np.isfinite(adapter.numpy(slope)).all()
                if not family.of_vectors:
                    np.testing.assert_allclose(adapter.numpy(slope), adapter.numpy(truth[name]), rtol=1e-4, atol=1e-4)
