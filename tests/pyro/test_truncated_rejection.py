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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_different_acceptance(dtype):
    """That hardly any draw of some rows is accepted biases neither these nor the others."""
    torch.manual_seed(1)
    a = torch.tensor([2.0] * 997 + [60.0, 100.0, 200.0] * 7, dtype=dtype)
    q = dist.Truncated(dist.Gamma(a, 1.0), 1.0, 3.0)
    u = q.cdf(torch.stack([q.sample() for _ in range(60)])).double()
    for rows in (u[:, :997], u[:, 997:]):
        assert_distributed(rows.reshape(-1).numpy(), lambda u: u)


@pytest.mark.parametrize("many", [0, 500, 1_000])
@pytest.mark.parametrize("few", [1, 2, 3])
def test_the_last_rows_end(many, few):
    """Whose draws are never accepted, be they all or left over."""
    a = torch.tensor([2.0] * many + [200.0] * few, dtype=torch.float64)
    q = dist.Truncated(dist.Gamma(a, 1.0), 1.0, 3.0)
    assert bool(q.support.check(q.sample()).all())


def test_components_without_a_share():
    """Of weight 0, or wholly outside: the draws are those of what is left."""
    torch.manual_seed(2)
    gammas = dist.Gamma(torch.tensor([2.0, 3.0, 2e3], dtype=torch.float64), ONE)
    weights = dist.Categorical(torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    x = dist.Truncated(dist.MixtureSameFamily(weights, gammas), 1.0, 3.0).sample((4_000,))
    assert_distributed(dist.Truncated(dist.Gamma(2.0 * ONE, ONE), 1.0, 3.0).cdf(x).numpy(), lambda u: u)


@pytest.mark.parametrize("rows, sample_shape", [(0, (3,)), (2, (0,)), (0, (0,))])
def test_no_draws(rows, sample_shape):
    q = dist.Truncated(dist.Gamma(torch.full((rows,), 2.0), 1.0), 1.0, 3.0)
    assert q.rsample(sample_shape).shape == (*sample_shape, rows)
