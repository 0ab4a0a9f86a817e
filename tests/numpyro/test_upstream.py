"""What JAX has wrong, and Sharp bits warns of."""

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest


@pytest.mark.xfail(
    jaxlib.__version__ == "0.10.2" and jax.default_backend() == "cpu",
    reason="jax#39103: silently wrong; once the lowest jaxlib is later, Sharp bits need not say so",
)
def test_sums_of_squares_of_large_batches():
    x = np.linspace(0.0, 3.0, 120_000, dtype=np.float32).reshape(40_000, 3)
    found = jax.jit(jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2)))(x)
    # rounding of a sum of three numbers of single precision
    np.testing.assert_allclose(found, (x.astype(float) ** 2).sum(1), rtol=1e-6)
