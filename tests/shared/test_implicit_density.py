"""Distributions from a log-density alone, and any of the host's: draws and partials against mpmath, errors."""

import functools

import numpy as np
import pytest

from tests import densities
from tests.adapters import compiled, over
from tests.checks import assert_distributed, assert_unbiased
from tests.densities import DENSITIES, FAULTY

# float64: rounding of a sum over 160 nodes, and of f up to 50.  Pyro's float32: the draw's own rounding, arithmetic is
# float64; NumPyro's: the same sums, f known to eps * 50
ROUNDING = {"pyro": {"float64": 2e-12, "float32": 2e-6}, "numpyro": {"float64": 2e-12, "float32": 2e-5}}
GAMMA = DENSITIES[0]


@functools.cache
def family_of(adapter, density):
    """The parameters -> the distribution; one function, for it stands in JAX's cache of compilations."""

    def log_density(x, **params):
        return density.log_density(adapter.xp, x, **params)

    support = getattr(adapter.constraints, density.support)
    return lambda params, **options: adapter.dist.ImplicitDensity(log_density, support, **params, **options)


def held(adapter, d, x):
    """A draw that came out as x."""
    return adapter.dist.fixed_quantile.at_fixed_quantile(d, x)


# each compiles a program of its own in JAX: float32 for one on the line and one on a half-line
CASES = {f"{d}-{p}": (d, p) for p in ("float64", "float32") for d in DENSITIES}


@over(CASES, "case", when=lambda a, case: a.eager or case[1] == "float64" or case[0].name in ("gamma", "normal"))
def test_partials_tails_and_draws(adapter, case):
    density, precision = case
    family, allowed = family_of(adapter, density), ROUNDING[adapter.name][precision]

    def observed(params, x, key):
        _, slopes = adapter.value_and_slopes(lambda params: held(adapter, family(params), x))(params)
        d = family({name: v[0] for name, v in params.items()})
        return slopes, d.log_cdf(x), d.log_sf(x), adapter.detached_draw(d, key, (20_000,))

    with adapter.precision(precision):
        params, x = adapter.arrays(density.params, (len(density.points),)), adapter.array(density.points)
        slopes, *tails, draws = adapter.jit(observed)(params, x, adapter.key(0))
    tails = [adapter.numpy(tail) for tail in tails]
    for i, x in enumerate(density.points):
        truth = densities.partials(density, x)
        unit = max(map(abs, truth.values()))
        for name in density.params:
            assert abs(adapter.numpy(slopes[name])[i] - truth[name]) <= allowed * unit, (name, x)
        for tail, log_mass in zip(tails, densities.log_tails(density, x), strict=True):
            # of the larger tail the logarithm is small: absolute
            assert abs(tail[i] - log_mass) <= allowed * max(1.0, abs(log_mass))
    assert_distributed(adapter.numpy(draws), density.cdf)


@over([GAMMA], "density", slow=compiled)
def test_normalised_and_second_derivatives(adapter, density):
    """log_prob, cdf, icdf and a held draw: the Gamma's, and so are their first and second derivatives."""
    family, a = family_of(adapter, density), adapter

    def observed(make, theta):
        d, x = make(theta[0], theta[1]), theta[2]
        return a.xp.stack([d.log_prob(x), d.cdf(x), d.icdf(x / 4.0), a.xp.log(held(a, d, x))])

    with adapter.precision("float64"):
        theta, found = adapter.array([*density.params.values(), 1.75]), []
        for make in (lambda p, q: family({"a": p, "b": q}), adapter.dist.Gamma):
            f = functools.partial(observed, make)
            second = a.jacrev(a.jacrev(lambda t, make=make: held(a, make(t[0], t[1]), a.array(1.75))))
            found.append([a.numpy(g) for g in a.jit(lambda t, f=f, s=second: (f(t), a.jacrev(f)(t), s(t)))(theta)])
    for ours, known in zip(*found, strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-9, atol=1e-11)


@over({str(d): d for d in DENSITIES}, "density")
def test_masses_outside_of_the_support(adapter, density):
    """They are 0 or 1, whatever the parameters: at an infinity and beyond an end they were NaN."""
    low, high = {"positive": (-1.0, np.inf), "real": (-np.inf, np.inf), "unit_interval": (-1.0, 2.0)}[density.support]
    ends = {"positive": (0.0, np.inf), "unit_interval": (0.0, 1.0)}.get(density.support, (low, high))
    x = adapter.array([-np.inf, low, ends[0], ends[1], high, np.inf])

    def masses(params):
        d = family_of(adapter, density)(params, validate_args=False)
        return {key: getattr(d, key)(x) for key in ("cdf", "log_cdf", "log_sf")}

    found, slopes = adapter.jit(adapter.value_and_slopes(masses))(adapter.arrays(density.params))
    for key, limits in (("cdf", (0.0, 1.0)), ("log_cdf", (-np.inf, 0.0)), ("log_sf", (0.0, -np.inf))):
        np.testing.assert_array_equal(adapter.numpy(found[key]), np.repeat(limits, 3))
        for parameter, slope in slopes[key].items():
            np.testing.assert_array_equal(adapter.numpy(slope), 0.0, err_msg=parameter)


def test_levels(adapter):
    d = family_of(adapter, GAMMA)
    with adapter.precision("float64"):
        d, q = d(adapter.arrays(GAMMA.params)), np.array([1e-9, 0.01, 0.5, 0.99])
        found = adapter.numpy(adapter.jit(lambda q: d.cdf(d.icdf(q)))(adapter.array(q)))
    np.testing.assert_allclose(found, q, rtol=1e-11)


def test_elbo_gradient(adapter):
    def elbo(params):
        d = family_of(adapter, GAMMA)(params)
        x = adapter.draw(d, adapter.key(1))
        return 2.5 * adapter.xp.log(x) - 2.0 * x - d.log_prob(x)

    with adapter.precision("float64"):
        found = adapter.jit(adapter.slopes(elbo))(adapter.arrays(GAMMA.params, (5_000,)))
    for name, truth in densities.elbo_gradient().items():
        assert_unbiased(adapter.numpy(found[name]), truth, 1e-10, name)


@pytest.mark.parametrize("name", FAULTY)
def test_faults(adapter, name):
    f, support, words = FAULTY[name]
    support = getattr(adapter.constraints, support)
    with pytest.raises(ValueError, match=f"ImplicitDensity: .*({words})"), adapter.precision("float64"):
        adapter.dist.ImplicitDensity(lambda x: f(adapter.xp, x), support)


def test_wrong_arguments(adapter):
    dist, host, constraints = adapter.dist, adapter.host, adapter.constraints
    with pytest.raises(ValueError, match=r"support: expected constraints\.real"):
        dist.ImplicitDensity(lambda x: -x, constraints.simplex)

    def sampler(*args, **params):
        return adapter.array(np.ones(7))

    d = dist.ImplicitDensity(lambda x: -0.5 * x * x, constraints.real, sampler=sampler, validate_args=False)
    with pytest.raises(ValueError, match="sampler gave draws of shape"):
        adapter.draw(d, adapter.key(0), (3,))
    with pytest.raises(ValueError, match=r"expected a continuous univariate .*, got Poisson"):
        dist.Implicit(host.Poisson(adapter.array(1.0)))
    with pytest.raises(ValueError, match="write ConditionalChain"):
        dist.Implicit(host.Dirichlet(adapter.array([1.0] * 3)))


def exponential(x, a):
    return -a * x


def test_shapes_and_vmap(adapter):
    def make(a):
        return adapter.dist.ImplicitDensity(exponential, adapter.constraints.positive, a=a, validate_args=False)

    d, key = make(adapter.array(np.ones((3, 1)))), adapter.key(0)
    assert d.expand((3, 2)).batch_shape == (3, 2)
    x = adapter.jit(lambda key: adapter.draw(d.expand((3, 2)), key, (4,)))(key)
    assert x.shape == (4, 3, 2) and adapter.dtype_of(x) == "float32"
    assert d.to_event(1).log_prob(adapter.array(np.ones((3, 1)))).shape == (3,)
    x = adapter.vmap(lambda a: adapter.draw(make(a), key, (2,)))(adapter.array([1.0, 2.0]))
    assert x.shape == (2, 2) and np.isfinite(adapter.numpy(x)).all()


# ----------------------------------------------------------------------------------- distributions that hide something


def hiding(adapter):
    """A normal distribution that hides its distribution function, and one that tells no more."""

    class NoCdf(adapter.Distribution):
        arg_constraints = {"scale": adapter.constraints.positive}
        support, pytree_data_fields = adapter.constraints.real, ("scale",)

        def __init__(self, scale):
            self.scale = scale
            super().__init__(scale.shape)

        def log_prob(self, x):
            return -0.5 * (x / self.scale) ** 2

        def sample(self, *args):
            shape = (args[-1] if args else ()) + self.batch_shape
            return adapter.detach(adapter.array(np.full(shape, 0.75)) * self.scale)

    class OnlyCdf(adapter.Distribution):
        """Its class tells `log_tails` no more than its cdf, which rounds to 1 beyond 5.4."""

        arg_constraints, support = {"loc": adapter.constraints.real}, adapter.constraints.real

        def __init__(self, loc):
            self.loc = loc
            super().__init__(loc.shape, validate_args=False)

        def cdf(self, value):
            return 0.5 * (1.0 + adapter.erf((value - self.loc) * 0.5**0.5))

        def log_prob(self, value):
            return adapter.host.Normal(self.loc, 1.0).log_prob(value)

    return NoCdf, OnlyCdf


@pytest.mark.parametrize("kind", ["hidden", "normal", "event"])
def test_implicit(adapter, kind):
    def draw(scale):
        normal = adapter.host.Normal(0.0 * scale, scale)
        d = {"hidden": lambda: hiding(adapter)[0](scale), "normal": lambda: normal, "event": lambda: normal.to_event(1)}
        return adapter.draw(adapter.dist.Implicit(d[kind]()), adapter.key(0), (4,))

    scale = np.array([0.5, 3.0])
    x, slope = map(adapter.numpy, adapter.jit(adapter.value_and_slopes(draw))(adapter.array(scale)))
    np.testing.assert_allclose(slope, x.sum(0) / scale, rtol=1e-5, atol=1e-5)


def test_implicit_takes_the_twin(adapter):
    d = adapter.dist.Implicit(adapter.host.Gamma(adapter.array(0.5), 1.0))
    x = adapter.jit(lambda key: adapter.draw(d, key, (3,)))(adapter.key(0))
    assert isinstance(d.base_dist, adapter.dist.Gamma) and x.shape == (3,)
    stock = adapter.host.Gamma(adapter.array(0.5), 1.0)
    np.testing.assert_allclose(adapter.numpy(d.log_prob(x)), adapter.numpy(stock.log_prob(x)), rtol=1e-5, atol=1e-6)
    assert adapter.rebuilt(d).log_prob(x).shape == (3,)


def test_a_tail_lost_to_rounding_keeps_its_gradient(adapter):
    _, only_cdf = hiding(adapter)
    x = adapter.array([-2.0, 3.0, 6.0, 8.0])
    slopes = adapter.slopes(lambda loc: held(adapter, only_cdf(loc), x))(adapter.array(np.zeros(4)))
    np.testing.assert_allclose(adapter.numpy(slopes), 1.0, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_truncated_on_one_side(adapter, precision):
    """Far out the tails are held at the least mass, where no solver may end.  Quantiles by mpmath's integrals."""

    def log_density(x, scale):
        return -0.5 * (adapter.xp.exp(x / scale) + adapter.xp.exp(-x / scale))

    with adapter.precision(precision):
        base = adapter.dist.ImplicitDensity(log_density, adapter.constraints.real, scale=adapter.array(2.0))
        d = adapter.dist.Truncated(base, low=1.0)
        x = adapter.jit(d.icdf)(adapter.array([0.1, 0.3, 0.5, 0.9]))
    assert adapter.dtype_of(x) == precision
    expected = [1.1542830306704664, 1.4879761129654537, 1.8750729775562935, 3.1809330788954205]
    np.testing.assert_allclose(adapter.numpy(x), expected, rtol={"float32": 1e-6, "float64": 1e-12}[precision])
