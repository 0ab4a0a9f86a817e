"""KL divergences by quadrature, of any two univariate distributions: against mpmath, where infinite, and refused."""

import json
import math

import numpy as np
import pytest

from tests.divergences import FILE, PAIRS, key, named

TRUTH = json.loads(FILE.read_text())

# Relative to 1 where the value is less: worst seen 2e-13 and, in Pyro's float32, 2e-7.  NumPyro's float32 has the error
# of two log-densities at every node.
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
# In JAX a pair is compiled for seconds: those whose quantiles are in closed form say that the adapter does as Pyro's.
COMPILED = ("Pareto", "Triangular", "AsymmetricLaplace", "Dagum", "JohnsonSU", "Kumaraswamy")

pairs = pytest.mark.parametrize("pair", PAIRS, ids=key)


def make(adapter, name, params):
    module = adapter.dist if hasattr(adapter.dist, name) else adapter.host
    return getattr(module, name)(**named(name, params))


def arrays(adapter, values):
    return tuple(adapter.array(v) for v in values)


def kl(adapter, name, p, other, q):
    p, q = (arrays(adapter, values) for values in (p, q))
    return float(adapter.numpy(adapter.kl_divergence(make(adapter, name, p), make(adapter, other, q))))


@pairs
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_value_and_derivatives(adapter, pair, precision):
    """By every parameter of both."""
    name, p, other, q = pair
    if not adapter.eager and (precision == "float64" or name not in COMPILED):
        pytest.skip("one kernel; XLA would compile for minutes")

    def value(leaves):
        first, second = leaves[: len(p)], leaves[len(p) :]
        return adapter.kl_divergence(make(adapter, name, first), make(adapter, other, second))

    with adapter.precision(precision):
        leaves = arrays(adapter, (*p, *q))
        found, slopes = adapter.jit(adapter.value_and_slopes(value))(leaves)
        assert adapter.dtype_of(found) == precision
        found = [float(adapter.numpy(f)) for f in (found, *slopes)]
    truth = TRUTH[key(pair)]
    np.testing.assert_allclose(found, truth, rtol=TOLERANCE[precision], atol=TOLERANCE[precision])


def test_of_equal_ones(adapter):
    """0, and so are its derivatives."""
    name, p = "Dagum", (2.5, 3.0, 2.0)

    def value(leaves):
        return adapter.kl_divergence(make(adapter, name, leaves[:3]), make(adapter, name, leaves[3:]))

    found, slopes = adapter.jit(adapter.value_and_slopes(value))(arrays(adapter, (*p, *p)))
    assert float(found) == 0.0
    np.testing.assert_allclose([float(s) for s in slopes], 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "p", "other", "q"),
    [
        ("Pareto", (0.5, 2.5), "Pareto", (1.5, 2.5)),  # mass where q has none
        ("Triangular", (0.0, 1.0, 0.5), "Triangular", (0.0, 0.875, 0.5)),
        ("Pareto", (1.0, 1.0), "Gompertz", (0.5, 2.0)),  # a mean that is infinite by a hair, or far from finite
        ("Dagum", (1.0, 0.5, 1.0), "Weibull", (1.0, 1.0)),
        ("Cauchy", (0.0, 1.0), "AsymmetricLaplace", (1.0, 0.0, 1.0)),
        ("Weibull", (1.0, 1.0), "Levy", (0.0, 1.0)),  # E[1/x]
    ],
)
def test_infinite(adapter, name, p, other, q):
    assert kl(adapter, name, p, other, q) == math.inf


@pytest.mark.parametrize("alpha", [1.0625, 1.5, 3.0])
def test_next_to_infinite(adapter, alpha):
    """KL(Pareto(1, a) || Weibull(1, 1)) = log a + E[x] - (a + 1) E[log x], E[x] = a / (a - 1), E[log x] = 1 / a."""
    truth = math.log(alpha) + alpha / (alpha - 1.0) - (alpha + 1.0) / alpha
    with adapter.precision("float64"):
        found = kl(adapter, "Pareto", (1.0, alpha), "Weibull", (1.0, 1.0))
    np.testing.assert_allclose(found, truth, rtol=1e-10)


@pytest.mark.parametrize("name", ["Kumaraswamy", "BetaPrime"])
def test_of_draws_that_leave_the_range_of_their_dtype(adapter, name):
    """Half of the mass lies below 1e-300: of both E[log x] is known, and log p - log q is all but a multiple of it.

    Kumaraswamy(a, 1) has the density a x**(a - 1): log(a/b) + b/a - 1.  BetaPrime(a, 1) is x / (1 + x) likewise."""
    if name == "BetaPrime" and not adapter.eager:
        pytest.skip("one kernel")
    a, b = 1.0 / 1024, 1.5 / 1024

    def value(leaves):
        p, q = (make(adapter, name, (of, 0.0 * of + 1.0)) for of in leaves)
        return adapter.kl_divergence(p, q)

    with adapter.precision("float64"):
        found, slopes = adapter.jit(adapter.value_and_slopes(value))(arrays(adapter, (a, b)))
    np.testing.assert_allclose(float(found), math.log(a / b) + b / a - 1.0, rtol=1e-9)
    np.testing.assert_allclose([float(s) for s in slopes], [1.0 / a - b / a**2, -1.0 / b + 1.0 / a], rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.5, 1.0 / 64])
def test_of_heavy_tails(adapter, alpha):
    """KL(Pareto(1, a) || Pareto(1, 2)) = log(a / 2) + 2 / a - 1; x goes faster with a than it may."""

    def value(leaves):
        one = 0.0 * leaves[0] + 1.0
        p, q = (make(adapter, "Pareto", (one, of)) for of in leaves)
        return adapter.kl_divergence(p, q)

    with adapter.precision("float64"):
        found, slopes = adapter.jit(adapter.value_and_slopes(value))(arrays(adapter, (alpha, 2.0)))
    truth = [math.log(alpha / 2.0) + 2.0 / alpha - 1.0, 1.0 / alpha - 2.0 / alpha**2, 1.0 / alpha - 0.5]
    np.testing.assert_allclose([float(f) for f in (found, *slopes)], truth, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "p", "q"),
    [
        # a seventh of the mass lies above 1e307, where log q does not go on as a power of x or of the mass
        ("Weibull", (1.0, 1.0 / 1024), (1.0, 1.5 / 1024)),
        # a hundredth lies within 4 roundings of an end at 1e13
        ("GeneralizedPareto", (0.25, 1e13, 1.0), (1.5, 1e13 - 1.0, 0.5)),
    ],
)
def test_nan_where_much_of_the_mass_is_not_seen(adapter, name, p, q):
    """The divergence, and what would be the derivatives of all but that mass."""
    if name != "Weibull" and not adapter.eager:
        pytest.skip("one kernel")

    def value(leaves):
        return adapter.kl_divergence(make(adapter, name, leaves[: len(p)]), make(adapter, name, leaves[len(p) :]))

    with adapter.precision("float64"):
        found, slopes = adapter.jit(adapter.value_and_slopes(value))(arrays(adapter, (*p, *q)))
    assert math.isnan(float(found)) and all(math.isnan(float(s)) for s in slopes)


def test_batches_and_the_hosts_classes(adapter):
    scale = adapter.array([1.0, 2.0, 4.0])
    ours, plain = adapter.dist.Rayleigh(scale), adapter.host.HalfNormal(adapter.array([[0.5], [1.0]]))
    found = adapter.numpy(adapter.kl_divergence(ours, plain))
    # E[log x] = log s + (log 2 - gamma) / 2
    log_mean = np.log([1.0, 2.0, 4.0]) + 0.5 * (math.log(2.0) - np.euler_gamma)
    s, t = np.array([[1.0, 2.0, 4.0]]), np.array([[0.5], [1.0]])
    truth = log_mean - 2.0 * np.log(s) - 1.0 - 0.5 * math.log(2.0 / math.pi) + np.log(t) + (s / t) ** 2
    np.testing.assert_allclose(found, truth, rtol=1e-5)


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_batches_of_nothing(adapter, shape):
    """Closed quantiles and kinks."""
    scale = adapter.array(np.ones(shape))
    one = adapter.array(1.0)
    found = adapter.kl_divergence(adapter.dist.Rayleigh(scale), adapter.dist.AsymmetricLaplace(one, one, one))
    assert adapter.numpy(found).shape == shape


def test_second_derivatives_of_a_kink_are_nan(adapter):
    """The second derivative in the place of a kink is a value of the density there, which no node sees."""
    second = adapter.second_slope(
        lambda loc: adapter.kl_divergence(
            adapter.host.Gumbel(adapter.array(0.0), adapter.array(1.0)),
            adapter.dist.AsymmetricLaplace(loc, adapter.array(1.0), adapter.array(2.0)),
        )
    )
    assert math.isnan(float(second(adapter.array(0.5))))


def test_independent_and_expanded(adapter):
    one = adapter.array(1.0)
    p, q = adapter.dist.Rayleigh(one).expand((2, 3)), adapter.host.HalfNormal(one).expand((3,))
    each = float(adapter.numpy(adapter.kl_divergence(adapter.dist.Rayleigh(one), adapter.host.HalfNormal(one))))
    np.testing.assert_allclose(adapter.numpy(adapter.kl_divergence(p, q)), np.full((2, 3), each), rtol=1e-6)
    q = adapter.host.HalfNormal(one).expand((2, 3))
    found = adapter.numpy(adapter.kl_divergence(p.to_event(1), q.to_event(1)))
    np.testing.assert_allclose(found, np.full(2, 3.0 * each), rtol=1e-6)


def test_of_the_hosts_classes(adapter):
    """log((s + t)**2 / (4 s t)) (Chyzak, Nielsen 2019); half of the mass lies outside of a HalfCauchy's support."""
    one = adapter.array(1.0)
    p, q = adapter.host.Cauchy(0.0 * one, one), adapter.host.Cauchy(0.0 * one, 3.0 * one)
    found = adapter.kl_divergence(p, q), adapter.kl_divergence(p, adapter.host.HalfCauchy(one))
    np.testing.assert_allclose([float(adapter.numpy(f)) for f in found], [math.log(4.0 / 3.0), math.inf], rtol=1e-5)


def test_refused(adapter):
    """Angles, and vectors of which nothing is known."""
    ours, one = adapter.dist, adapter.array(1.0)
    vectors = ours.Dirichlet(adapter.array([1.0, 2.0])), ours.Rayleigh(one).expand((2,)).to_event(1)
    for p, q in (vectors, (ours.VonMises(one, one), ours.Rayleigh(one))):
        with pytest.raises(NotImplementedError, match=r"KL|kl_divergence|signature"):
            adapter.kl_divergence(p, q)


def test_the_hosts_elbos_do_not_take_it(adapter):
    """TraceMeanField_ELBO has a draw's difference of log-densities in place of a thousand evaluations of both."""
    p, q = adapter.dist.Rayleigh(adapter.array(1.0)), adapter.dist.Nakagami(adapter.array(1.0), adapter.array(1.0))
    with pytest.raises(NotImplementedError):
        adapter.hosts_kl_divergence(p, q)
    assert float(adapter.numpy(adapter.kl_divergence(p, q))) > 0.0
