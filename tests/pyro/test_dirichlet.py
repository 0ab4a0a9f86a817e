"""Dirichlet: the gradient of a draw from its components is that from their logarithms, which serves at the ends too."""

import numpy as np
import pytest
import torch

from pyro_irg.distributions import Dirichlet, dirichlet


def concentrations(count, size):
    """Over two decades, so that in many rows one component dominates."""
    return np.exp(np.random.default_rng(0).uniform(np.log(0.8), np.log(60.0), (count, size)))


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-11)], ids=str)
@pytest.mark.parametrize("size", [2, 10])
@pytest.mark.parametrize("recorded", [True, False])
def test_both_ways_agree(monkeypatch, dtype, allowed, size, recorded):
    concentration = torch.tensor(concentrations(300, size), dtype=dtype).requires_grad_()
    found = []
    for way in ("components", "logarithms"):
        if way == "logarithms":
            monkeypatch.setattr(dirichlet, "_all_are_inside", lambda x: False)
        torch.manual_seed(0)
        x = Dirichlet(concentration).rsample()
        weight = torch.linspace(0.5, 2.0, x.numel(), dtype=dtype).view_as(x)
        found.append((x, torch.autograd.grad((weight * x).sum(), concentration, create_graph=recorded)[0]))
        assert dirichlet._all_are_inside(x.detach()) is (way == "components")
    (x, slopes), (y, others) = found
    torch.testing.assert_close(x, y, rtol=0.0, atol=0.0)
    # of a component next to 1 either way has what rounding leaves of 1 - x
    torch.testing.assert_close(slopes, others, rtol=allowed, atol=16 * torch.finfo(dtype).eps)


def test_second_derivatives_agree(monkeypatch):
    concentration = torch.tensor([[0.7, 3.0, 11.0], [40.0, 0.9, 1.0]], dtype=torch.float64).requires_grad_()
    found = []
    for way in ("components", "logarithms"):
        monkeypatch.setattr(dirichlet, "_all_are_inside", lambda x, way=way: way == "components")

        def total(a):
            torch.manual_seed(0)
            return (Dirichlet(a).rsample() * torch.tensor([1.0, -2.0, 0.5])).square().sum()

        found.append(torch.autograd.functional.hessian(total, concentration))
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-10)  # torch's polygamma has nine digits


def test_components_at_the_ends_go_by_logarithms():
    """A draw that is held moves with its relative derivative."""
    concentration = torch.full((1000, 3), 0.01).requires_grad_()
    torch.manual_seed(0)
    x = Dirichlet(concentration).rsample()
    tiny = torch.finfo(torch.float32).tiny
    assert not dirichlet._all_are_inside(x.detach()) and (x >= tiny).all()
    (slope,) = torch.autograd.grad(x.log().sum(), concentration)
    assert slope.isfinite().all() and (slope.abs().sum(-1) > 1.0).all()
