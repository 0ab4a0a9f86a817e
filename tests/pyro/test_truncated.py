"""Truncated distributions of Pyro: bases of the user's, and the representation."""

import math

import pyro.distributions as host
import torch
from mpmath import mp

import pyro_irg.distributions as dist


class Power(host.TorchDistribution):
    """F(x) = (x / scale) ** power, where power is no parameter by its constraints."""

    arg_constraints = {"scale": host.constraints.positive}

    def __init__(self, scale, power=1.0, validate_args=None):
        self.scale, self.power = scale, power
        super().__init__(scale.shape, validate_args=validate_args)

    @property
    def support(self):
        return host.constraints.interval(0.0, self.scale)

    def cdf(self, value):
        return (value / self.scale) ** self.power

    def log_prob(self, value):
        return math.log(self.power) - self.power * self.scale.log() + (self.power - 1.0) * value.log()


def test_a_base_that_its_constraints_do_not_describe():
    q, x = dist.Truncated(Power(torch.tensor(2.0), power=2.0), 0.5, 1.5), torch.tensor(1.0)
    torch.testing.assert_close(q.cdf(x), torch.tensor(0.375))
    torch.testing.assert_close(q.log_prob(x), torch.tensor(0.0))


def test_without_a_bound_a_draw_moves_as_the_bases_quantile():
    a = torch.tensor(2.0, requires_grad=True)
    base, u = dist.Gamma(a, 1.0), torch.tensor([0.1, 0.9])
    for d in (base, dist.Truncated(base, 0.0)):
        (slope,) = torch.autograd.grad(d.icdf(u).sum(), a, retain_graph=True)
        torch.testing.assert_close(slope, torch.autograd.grad(base.icdf(u).sum(), a, retain_graph=True)[0])


def test_beyond_the_support_of_the_base():
    assert dist.Truncated(dist.Beta(2.0, 2.0), 0.5, validate_args=False).cdf(torch.tensor(1.5)) == 1.0
    q = dist.Truncated(dist.Normal(torch.zeros(3), 1.0), torch.zeros(2, 1))
    assert "low: (2, 3)" in repr(q) and type(q.expand((5, 2, 3))) is dist.Truncated


def test_tails_of_a_wider_value():
    """Of float64 values under float32 parameters the tails are float64's: log(high - low) was rounded to float32."""
    x = torch.tensor(0.3, dtype=torch.float64)
    families = dist.host_families
    of_uniform = families.log_tails(host.Uniform(torch.tensor(-1.0), torch.tensor(2.0)), x)
    of_kumaraswamy = families.log_tails(dist.Kumaraswamy(torch.tensor(2.0), torch.tensor(3.0)), x)
    value = mp.mpf(0.3)
    for found, mass in ((of_uniform, (value + 1) / 3), (of_kumaraswamy, 1 - (1 - value**2) ** 3)):
        for log_tail, exact in zip(found, (mp.log(mass), mp.log1p(-mass)), strict=True):
            assert abs(log_tail.item() - float(exact)) <= 1e-14 * abs(float(exact))
