"""Draws of vectors and matrices under `torch.func`: forward and reverse mode, and both of them twice, agree."""

import pyro
import pytest
import torch

import pyro_irg.distributions as dist

EYE, ZEROS = torch.eye(2).double(), torch.zeros(2).double()
DRAWS = {
    "LKJCholesky": lambda t: dist.LKJCholesky(3, t, validate_args=False),
    "MultivariateStudentT": lambda t: dist.MultivariateStudentT(t, 0.0, EYE, validate_args=False),
    "VonMisesFisher": lambda t: dist.VonMisesFisher(torch.stack([t.cos(), t.sin()]), t, validate_args=False),
    "PowerSpherical": lambda t: dist.PowerSpherical(torch.stack([t.cos(), t.sin()]), t, validate_args=False),
    "Wishart": lambda t: dist.Wishart(t + 3.0, EYE, validate_args=False),
    "InverseWishart": lambda t: dist.InverseWishart(t + 3.0, EYE, validate_args=False),
    "SineSkewed": lambda t: dist.SineSkewed(
        dist.VonMises(ZEROS, t, validate_args=False).to_event(1), 0.2 * t * torch.ones_like(ZEROS), validate_args=False
    ),
    "RelaxedBernoulli": lambda t: dist.RelaxedBernoulli(t, logits=t, validate_args=False),
    "RelaxedOneHotCategorical": lambda t: dist.RelaxedOneHotCategorical(t, logits=ZEROS, validate_args=False),
}


@pytest.mark.parametrize("name", DRAWS)
def test_modes_agree(name):
    def f(t):
        pyro.set_rng_seed(0)
        x = DRAWS[name](t).rsample()
        return (x.flatten() * torch.arange(1.0, 1.0 + x.numel())).sum()

    func, t = torch.func, torch.tensor(1.5, dtype=torch.float64)
    first, second = func.jacrev(f)(t), func.jacrev(func.jacrev(f))(t)
    assert first.isfinite() and second.isfinite() and first != 0.0 and second != 0.0
    torch.testing.assert_close(func.jacfwd(f)(t), first, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(func.hessian(f)(t), second, rtol=1e-9, atol=1e-12)
    again = t.clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(again), again, create_graph=True)
    torch.testing.assert_close(slope.detach(), first, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(slope, again)[0], second, rtol=1e-9, atol=1e-12)
