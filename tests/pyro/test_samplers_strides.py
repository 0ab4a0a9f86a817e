"""Draws of parameters whose memory is not in order."""

import math

import torch

import pyro_irg.distributions as dist


def test_transposed_parameters():
    a = (torch.rand(100, 80) + 1.0).t()
    assert dist.Gamma(a, 1.0).rsample().shape == dist.StudentT(3.0 * a).rsample().shape == (80, 100)
    assert dist.Dirichlet((torch.rand(8, 1000) + 1.0).t()).rsample().shape == (1000, 8)


def test_nan_without_validation_stays():
    """And is not taken for a value below the support."""
    base = dist.HalfNormal(torch.tensor(math.nan), validate_args=False)
    high = torch.tensor(2.0)
    assert dist.RightCensoredDistribution(base, high, validate_args=False).log_prob(high).isnan()
    ends = (torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.5))
    assert dist.Triangular(*ends, validate_args=False).log_sf(torch.tensor(math.nan)).isnan()
