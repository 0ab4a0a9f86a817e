"""`check_reparameterized` differentiates where a class alone does not tell."""

import jax
import numpy as np
import pytest
import torch


def detached(adapter, x):
    return x.detach() if adapter.eager else jax.lax.stop_gradient(x)


def without_derivative(adapter, x):
    """Neither library has the derivative of this."""
    if adapter.eager:
        return torch.special.gammainc(x.exp(), torch.ones(()))
    return jax.scipy.special.betainc(jax.numpy.exp(x), 1.0, 0.5)


def own_normal(adapter, of_loc):
    """A class of the user's own, of a normal's draws."""

    class Own(adapter.host.Normal):
        if adapter.eager:

            def rsample(self, sample_shape=()):
                return of_loc(adapter, self.loc) + self.scale * torch.randn(self._extended_shape(sample_shape))
        else:

            def sample(self, key, sample_shape=()):
                eps = jax.random.normal(key, tuple(sample_shape) + self.batch_shape)
                return of_loc(adapter, self.loc) + self.scale * eps

    return Own(adapter.array(np.zeros(2)), adapter.array(np.ones(2)))


@pytest.mark.parametrize(
    ("of_loc", "wrong"),
    [
        (lambda adapter, loc: loc, None),
        (detached, "whose draws do not move with loc"),
        (without_derivative, "whose derivative raises"),
    ],
    ids=["right", "detached", "raises"],
)
def test_a_class_of_the_users_own(adapter, of_loc, wrong):
    """It says that it is reparameterized, by inheritance."""

    def guide():
        adapter.sample("z", own_normal(adapter, of_loc).to_event(1))

    if wrong is None:
        return adapter.irg.check_reparameterized(guide)
    with pytest.raises(ValueError, match=f"site 'z' has a wrong gradient: Independent of Own, {wrong}"):
        adapter.irg.check_reparameterized(guide)


def test_a_mixture_whose_cdf_has_no_derivative(adapter):
    """A subclass with a cdf of its own is not taken for its base class."""
    host, array = adapter.host, adapter.array

    class Own(host.Normal):
        def cdf(self, value):
            return without_derivative(adapter, value - self.loc)

    def guide():
        weights = host.Categorical(logits=array(np.zeros(2)))
        component = Own(array(np.zeros(2)), array(np.ones(2)))
        adapter.sample("z", adapter.dist.MixtureSameFamily(weights, component))

    with pytest.raises(ValueError, match="site 'z' has a wrong gradient: MixtureSameFamily, whose derivative raises"):
        adapter.irg.check_reparameterized(guide)


def test_a_mixture_of_our_own(adapter):
    def guide():
        weights = adapter.host.Categorical(logits=adapter.array(np.zeros(2)))
        adapter.sample("z", adapter.dist.MixtureSameFamily(weights, adapter.dist.Gamma(adapter.array(np.ones(2)), 1.0)))

    adapter.irg.check_reparameterized(guide)
