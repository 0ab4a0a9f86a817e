"""The hosts' SVI with our guides: unbiased ELBO gradients, and training that ends at the exact posterior."""

import numpy as np
import pytest

from tests.adapters import over
from tests.checks import assert_unbiased
from tests.conjugate import CONJUGATES

each = over(CONJUGATES, "conjugate")


def check_gradients(adapter, conjugate, model, guide):
    found = adapter.elbo_gradients(model, guide)
    for name, truth in conjugate.gradient().items():
        assert_unbiased(found[name], truth, 2e-5, name)


@each
def test_gradient_is_unbiased(adapter, conjugate):
    check_gradients(adapter, conjugate, *conjugate.programs(adapter, adapter.dist))


@over(CONJUGATES, "conjugate", when=lambda a, conjugate: a.eager or conjugate.family == "VonMises")
def test_stock_guide_is_unbiased(adapter, conjugate):
    """Not one name of ours in model or guide; `implicit` alone."""
    model, guide = conjugate.programs(adapter, adapter.host)
    check_gradients(adapter, conjugate, model, adapter.irg.implicit(guide, strict=True))


@over(CONJUGATES, "conjugate", when=lambda a, conjugate: a.eager or conjugate.family in ("VonMises", "Dirichlet"))
def test_training(adapter, conjugate):
    """500 steps: what is left of KL(guide, posterior) is under 1e-3 nats, where a standard deviation is off by 3 %."""
    found, losses = adapter.train(*conjugate.programs(adapter, adapter.dist), steps=500, rate=0.2, decay=0.99)
    assert np.isfinite(losses).all() and conjugate.gap(conjugate.guide) > 0.5
    found = {name: np.asarray(found[name]).tolist() for name in conjugate.guide}
    assert 0.0 <= conjugate.gap(found) < 1e-3, found


@pytest.mark.parametrize("parallel", [False, True])
def test_predictive(adapter, parallel):
    """Draws of the posterior, from a guide at the exact posterior; of data, from a stock guide under `implicit`."""
    conjugate, n = next(c for c in CONJUGATES if c.family == "Gamma"), 300
    _, guide = conjugate.programs(adapter, adapter.dist)
    x = adapter.predictive(guide, conjugate.posterior, n, parallel)["x"].ravel()
    posterior = adapter.dist.Gamma(**adapter.arrays(conjugate.posterior))
    mean, variance = map(adapter.numpy, (posterior.mean, posterior.variance))
    assert x.shape == (n,) and len(np.unique(x)) == n
    assert_unbiased(x, mean, 0.0)
    np.testing.assert_allclose(x.var(), variance, rtol=0.4)  # 4 standard errors of a near-normal sample of 300
