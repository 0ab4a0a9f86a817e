"""log_cdf and log_sf against mpmath, out to where the masses underflow."""

import numpy as np
import pytest
import torch

import pyro_irg.distributions as dist
from tests.log_tails import ROWS, truth


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("family", ROWS)
def test_log_tails(family, dtype, rtol):
    _, params, values = ROWS[family]
    law = getattr(dist, family)(**{name: torch.tensor(v, dtype=dtype) for name, v in params.items()})
    x = torch.tensor(values, dtype=dtype)
    # that of a von Mises law's larger mass is right in absolute terms
    atol = rtol if family == "VonMises" else torch.finfo(dtype).tiny
    for found, exact in zip((law.log_cdf(x), law.log_sf(x)), truth(family), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), exact, rtol=rtol, atol=atol)
