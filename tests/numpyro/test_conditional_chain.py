"""A chain of conditional laws: gradients of exact expectations, through the earlier coordinates too."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest

import numpyro_irg.distributions as dist
from tests.checks import STANDARD_ERRORS, standardised

KEY = jax.random.key(0)


def test_gradient_through_the_chain():
    """x1 ~ Gamma(a, 1), x2 ~ Gamma(s x1, 1): E[x1 x2] = s a (a + 1)."""

    def make(a, s):
        return dist.ConditionalChain(
            [lambda a, s: host.Gamma(a, 1.0), lambda x, a, s: host.Gamma(s * x, 1.0)], a=a, s=s
        )

    leaves = jnp.full((20_000,), 2.5), jnp.full((20_000,), 1.5)
    found = jax.jit(jax.grad(lambda *p: make(*p).sample(KEY).prod(-1).sum(), (0, 1)))(*leaves)
    for slope, truth in zip(found, (9.0, 8.75), strict=True):
        assert standardised(np.asarray(slope, np.float64), np.array(truth), 1e-5) < STANDARD_ERRORS
    x = jnp.array([0.5, 2.0])
    truth = host.Gamma(2.5, 1.0).log_prob(0.5) + host.Gamma(0.75, 1.0).log_prob(2.0)
    np.testing.assert_allclose(make(2.5, 1.5).log_prob(x), truth, rtol=1e-5)


def test_errors():
    law = dist.ConditionalChain([lambda: host.Gamma(2.0, 1.0), lambda x: host.Normal(x, 1.0)])
    with pytest.raises(NotImplementedError, match="different supports"):
        law.support  # noqa: B018
    with pytest.raises(ValueError, match="key must be a JAX random key"):
        law.sample(None)
    with pytest.raises(ValueError, match="expected a continuous univariate law, got Poisson"):
        dist.ConditionalChain([lambda: host.Gamma(2.0, 1.0), host.Poisson])
