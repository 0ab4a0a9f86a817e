"""Truncated draws by rejection: where all, some and hardly any of the base's draws fall between the bounds."""

import pytest
import torch

import pyro_irg.distributions as dist
from tests.checks import assert_distributed

ONE = torch.ones((), dtype=torch.float64)
GAMMAS = dist.Gamma(torch.tensor([2.0, 5.0], dtype=torch.float64), ONE)
CASES = {
    "all": (dist.Gamma(2.5 * ONE, 0.5), 1e-3, 60.0),
    "half": (dist.Beta(2.0 * ONE, 3.0), 0.1, 0.4),
    "few": (dist.StudentT(3.0 * ONE, 0.0, 1.0), 5.0, 6.0),
    "none": (dist.Gamma(2.0 * ONE, 1.0), 50.0, None),
    "mixture": (dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2).double()), GAMMAS), 1.0, 3.0),
}


@pytest.mark.parametrize("count", [1_003, 1])  # with leftovers that do not divide what is proposed at once
@pytest.mark.parametrize("case", CASES)
def test_distribution(case, count):
    torch.manual_seed(0)
    q = dist.Truncated(*CASES[case])
    x = torch.cat([q.sample((count,)) for _ in range(2 if count > 1 else 3)])
    assert bool(q.support.check(x).all())
    if count > 1:
        assert_distributed(q.cdf(x).numpy(), lambda u: u)
