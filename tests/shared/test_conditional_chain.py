"""A chain of conditional distributions: gradients of exact expectations, through the earlier coordinates too."""

import numpy as np
import pytest
from scipy import stats

from tests.checks import assert_unbiased


def chain(adapter, a, s):
    """x1 ~ Gamma(a, 1), x2 ~ Gamma(s x1, 1)."""
    gamma = adapter.host.Gamma
    return adapter.dist.ConditionalChain([lambda a, s: gamma(a, 1.0), lambda x, a, s: gamma(s * x, 1.0)], a=a, s=s)


def test_gradient_through_the_chain(adapter):
    """E[x1 x2] = s a (a + 1)."""

    def draw(params):
        return adapter.draw(chain(adapter, **params), adapter.key(0)).prod(-1)

    params = adapter.arrays({"a": 2.5, "s": 1.5}, (20_000,))
    slopes = adapter.jit(adapter.slopes(draw))(params)
    for name, truth in (("a", 9.0), ("s", 8.75)):
        assert_unbiased(adapter.numpy(slopes[name]), truth, 1e-5, name)


def test_density_and_shapes(adapter):
    d, x = chain(adapter, *map(adapter.array, (2.5, 1.5))), adapter.array([0.5, 2.0])
    truth = stats.gamma(2.5).logpdf(0.5) + stats.gamma(0.75).logpdf(2.0)
    np.testing.assert_allclose(adapter.numpy(d.log_prob(x)), truth, rtol=1e-5)
    assert adapter.numpy(adapter.contains(d.support, x)).all()
    wide = d.expand((2, 5))
    assert adapter.shapes(lambda key: adapter.draw(wide, key), adapter.key(0)).shape == (2, 5, 2)


def test_supports_that_differ_and_errors(adapter):
    host, dist = adapter.host, adapter.dist
    d = dist.ConditionalChain([lambda: host.Gamma(adapter.array(2.0), 1.0), lambda x: host.Normal(x, 1.0)])
    if adapter.name == "numpyro":
        with pytest.raises(NotImplementedError, match="different supports"):
            d.support  # noqa: B018
        with pytest.raises(ValueError, match="key must be a JAX random key"):
            d.sample(None)
    else:
        assert d.support.check(adapter.array([1.0, -1.0])) and not d.support.check(adapter.array([-1.0, 1.0]))
    with pytest.raises(ValueError, match=r"expected a continuous univariate .*, got Poisson"):
        dist.ConditionalChain([lambda: host.Gamma(2.0, 1.0), host.Poisson])
