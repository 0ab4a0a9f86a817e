"""The draws follow their distributions, at the hard points too, in both precisions."""

import functools

import numpy as np
import pytest

from tests.adapters import ADAPTERS, over
from tests.checks import assert_distributed, marginal
from tests.families import BY_NAME, DIRICHLETS, FAMILIES, UNIVARIATE

DRAWS = {"pyro": 100_000, "numpyro": 50_000}
each = over(FAMILIES)
precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
# each family and precision is a compilation; in float64 Gamma stands for those that share its sampler
RUNS = {
    f"{adapter.name}-{family}({', '.join(f'{v:g}' for v in params.values())})-{precision}": (
        adapter, family, params, precision)
    for adapter in ADAPTERS
    for family in UNIVARIATE
    for params in family.points + family.hard
    for precision in ("float32", "float64")
    if adapter.eager or precision == "float32" or family.name not in ("LogGamma", "InverseGamma", "Chi2")
}  # fmt: skip


@functools.cache
def sampler(adapter, name, shape):
    """(key, parameters) -> draws, compiled once for all parameters of a family."""
    return adapter.jit(lambda key, params: adapter.detached_draw(getattr(adapter.dist, name)(**params), key, shape))


def drawn(adapter, name, params, seed=1, shape=None):
    shape = (DRAWS[adapter.name],) if shape is None else shape
    return sampler(adapter, name, shape)(adapter.key(seed), adapter.arrays(params))


@pytest.mark.parametrize(("adapter", "family", "params", "precision"), RUNS.values(), ids=RUNS)
def test_goodness_of_fit(adapter, family, params, precision):
    with adapter.precision(precision):
        x = drawn(adapter, family.name, params)
    assert adapter.dtype_of(x) == precision
    assert_distributed(adapter.numpy(x), lambda x: family.cdf(x, **params), family.clamps(precision))


@precisions
@pytest.mark.parametrize("concentration", DIRICHLETS, ids=str)
def test_goodness_of_fit_dirichlet(adapter, concentration, precision):
    """The marginals, and that x[0] tells nothing about x[1] / (1 - x[0])."""
    with adapter.precision(precision):
        x = adapter.numpy(drawn(adapter, "Dirichlet", {"concentration": concentration}))
    tested = [i for i, c in enumerate(concentration) if c < 1e3]  # of another's 1e3, too little is inside the range
    for i in tested:
        assert_distributed(x[:, i], marginal(i, concentration), BY_NAME["Dirichlet"].clamps(precision))
    if min(concentration) > 0.1 and len(concentration) > 2:
        first, ratio = marginal(0, concentration)(x[:, 0]), x[:, 1] / x[:, 1:].sum(-1)
        second = marginal(0, concentration[1:])(ratio)
        assert_distributed((first + second) % 1.0, lambda u: u)


@precisions
def test_large_dirichlet(adapter, precision):
    """A thousand components; a hundred draws of a tenth of them are as good as independent."""
    with adapter.precision(precision):
        x = adapter.numpy(drawn(adapter, "Dirichlet", {"concentration": (0.5,) * 1000}, shape=(100,)))
    assert_distributed(x[:, :100].reshape(-1), marginal(0, (0.5, 499.5)), BY_NAME["Dirichlet"].clamps(precision))
    np.testing.assert_allclose(x.sum(-1), 1.0, rtol=100 * np.finfo(precision).eps)


@each
def test_draws_lie_inside_the_support(adapter, family):
    """In float32, at every point: strictly inside, so that log_prob is finite, and so are slopes of log x."""

    @adapter.jit
    def look(x, params):
        d = getattr(adapter.dist, family.name)(**params)
        return adapter.contains(d.support, x), d.log_prob(x)

    for params in family.points + family.hard + ((family.small[2],) if family.small else ()):
        x = drawn(adapter, family.name, params)
        inside, log_prob = look(x, adapter.arrays(params))
        x = adapter.numpy(x)
        assert np.isfinite(x).all() and adapter.numpy(inside).all()
        low, high = family.ends
        assert (x > low).all() and (x <= high if family.name == "VonMises" else x < high).all()
        if not family.of_vectors or max(params["concentration"]) < 1e3:
            assert np.isfinite(adapter.numpy(log_prob)).all(), params


WRAPPED = {
    "expand": lambda adapter, d: d.expand((2,)),
    "Independent": lambda adapter, d: d.expand((2,)).to_event(1),
    "Truncated": lambda adapter, d: adapter.dist.Truncated(d, low=d.icdf(adapter.array(0.25))),
}


@pytest.mark.parametrize("how", WRAPPED)
@over(UNIVARIATE)
def test_draws_of_wrapped_ones_lie_inside_the_support(adapter, family, how):
    """What our own classes compare with an end of the support, others do too: validation accepts each draw."""
    for params in family.points[:1] + family.hard[-1:]:
        d = WRAPPED[how](adapter, getattr(adapter.dist, family.name)(**adapter.arrays(params)))
        x = adapter.detached_draw(d, adapter.key(3), (5000,))
        assert adapter.numpy(adapter.contains(d.support, x)).all()
        assert np.isfinite(adapter.numpy(d.log_prob(x))).all()


def test_von_mises_without_concentration(adapter):
    """Validation refuses 0; without it the distribution is the uniform one."""
    zero = adapter.array(0.0)
    d = adapter.dist.VonMises(zero, zero, validate_args=False)
    x = adapter.numpy(adapter.detached_draw(d, adapter.key(1), (DRAWS[adapter.name],)))
    assert_distributed(x, lambda x: 0.5 + x / (2.0 * np.pi))


@each
def test_seed(adapter, family):
    """It decides, and every member of a batch has numbers of its own."""
    first, again, other = (adapter.numpy(drawn(adapter, family.name, family.points[0], seed))[:7] for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).all()
    assert len(set(first.reshape(7, -1)[:, 0].tolist())) == 7
