"""Couplings by small networks: invertible, of the log-Jacobian that they say, and nothing before they have learned."""

import pytest
import torch

from irg_kernels.inference import coupled, refreshed
from pyro_irg import xp

ANGLE = torch.tensor([0.3, 1.2, 2.0], dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def some_networks(size, deviation=2.0):
    """Strong enough to reach the bound of their log-scales."""
    params = {name: deviation * torch.randn(shape, dtype=torch.float64) for name, shape in coupled.shapes(size).items()}
    return coupled.networks(params)


def force(u):
    return torch.sin(u) * u.sum(-1, keepdim=True)


def step(u, rho, networks):
    """And its log-Jacobian."""
    momentum, position = networks
    rho = refreshed.kick(rho, torch.tensor(0.4), force(u))
    rho, log_scale = coupled.couple(xp, rho, (u, force(u)), momentum, u.dim() - 1)
    u, rho = refreshed.turn(u, rho, ANGLE.cos(), ANGLE.sin())
    u, more = coupled.couple(xp, u, (rho,), position, u.dim() - 1)
    return u, refreshed.kick(rho, torch.tensor(0.4), force(u)), (log_scale + more).sum(-1)


def back(u, rho, networks):
    """The moves undone, one by one: of 0 a coupling makes its shift."""
    momentum, position = networks
    rho = refreshed.kick(rho, torch.tensor(-0.4), force(u))
    shift, log_scale = coupled.couple(xp, torch.zeros_like(u), (rho,), position, u.dim() - 1)
    u = (u - shift) * (-log_scale).exp()
    u, rho = refreshed.turn(u, rho, ANGLE.cos(), -ANGLE.sin())
    shift, log_scale = coupled.couple(xp, torch.zeros_like(rho), (u, force(u)), momentum, u.dim() - 1)
    return u, refreshed.kick((rho - shift) * (-log_scale).exp(), torch.tensor(-0.4), force(u))


def test_forward_and_back_is_the_start():
    u, rho = torch.randn(2, 50, 3, dtype=torch.float64)
    networks = some_networks(3)
    end_u, end_rho, log_scales = step(u, rho, networks)
    assert log_scales.abs().max() > 1.0 and log_scales.std() > 0.3  # it does move
    again_u, again_rho = back(end_u, end_rho, networks)
    # the kicks' strength is a number of single precision both ways
    assert torch.allclose(again_u, u, atol=1e-12) and torch.allclose(again_rho, rho, atol=1e-12)


@pytest.mark.parametrize("deviation", [0.1, 2.0])
def test_log_jacobian(deviation):
    """Against automatic differentiation; the rounding of a factorisation."""
    networks = some_networks(3, deviation)
    for start in torch.randn(5, 6, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(
            lambda state: torch.cat(step(state[:3], state[3:], networks)[:2]), start
        )
        found = step(start[:3], start[3:], networks)[2]
        assert float(found) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-11)


def test_an_event_of_two_axes_is_its_coordinates_in_a_row():
    networks, (x, u, r) = some_networks(6), torch.randn(3, 4, 2, 3, dtype=torch.float64)
    moved, log_scale = coupled.couple(xp, x, (u, r), networks[0], 1)
    flat = [y.reshape(4, 6)[1] for y in (x, u, r)]
    one, its_log_scale = coupled.couple(xp, flat[0], (flat[1], flat[2]), networks[0], 0)
    assert torch.allclose(moved[1].reshape(6), one, rtol=1e-13)
    assert torch.allclose(log_scale[1].reshape(6), its_log_scale, rtol=1e-13)


def test_what_a_scale_may_be():
    """Far out, and before anything is learned."""
    x = torch.tensor([1e30, -1e30, 0.5])
    networks = coupled.networks({name: 1e3 * torch.ones(shape) for name, shape in coupled.shapes(3).items()})
    moved, log_scale = coupled.couple(xp, x, (x, x), networks[0], 0)
    assert moved.isfinite().all() and (log_scale.abs() <= coupled.BOUND).all()
    start = {n: coupled.initial_deviation(n, 3) * torch.randn(shape) for n, shape in coupled.shapes(3).items()}
    for network, given in zip(coupled.networks(start), ((x, x), (x,)), strict=True):
        moved, log_scale = coupled.couple(xp, x, given, network, 0)
        assert torch.equal(moved, x) and torch.equal(log_scale, torch.zeros(3))
        assert network.inward.std() > 0.1  # or no gradient would reach the weights outwards
