"""log_cdf and log_sf against mpmath, out to where the masses underflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import numpyro_irg.distributions as dist
from tests.log_tails import ROWS, truth


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("family", ROWS)
def test_log_tails(family, dtype, rtol):
    _, params, values = ROWS[family]
    with jax.enable_x64(dtype == "float64"):
        law = getattr(dist, family)(**{name: jnp.array(v, dtype) for name, v in params.items()})
        x = jnp.array(values, dtype)
        # that of a von Mises law's larger mass is right in absolute terms
        atol = rtol if family == "VonMises" else float(jnp.finfo(dtype).tiny)
        for found, exact in zip((law.log_cdf(x), law.log_sf(x)), truth(family), strict=True):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, exact, rtol=rtol, atol=atol)
