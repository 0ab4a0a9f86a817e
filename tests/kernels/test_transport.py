"""The learned map of a standard normal point, and the moves of a path with refreshed momenta."""

import math

import pytest
import torch

from irg_kernels.inference import refreshed, transport
from pyro_irg import xp


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def some_map(size, deviation=0.3):
    params = {
        name: deviation * torch.randn(shape, dtype=torch.float64) for name, shape in transport.shapes(size).items()
    }
    origin = torch.randn(size, dtype=torch.float64)
    unit = torch.rand(size, dtype=torch.float64) + 0.5
    if size <= transport.MOST_DENSE:
        unit = torch.tril(torch.randn(size, size, dtype=torch.float64), -1) + unit.diag()
    return transport.transport(origin, unit, params)


@pytest.mark.parametrize("size", [1, 2, 5, transport.MOST_DENSE + 1])
def test_log_jacobian(size):
    to = some_map(size)
    u = torch.randn(size, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda u: transport.carried(xp, u, to)[0], u)
    log_det = transport.carried(xp, u, to)[1]
    # a factorisation of some hundred rounded numbers
    assert float(log_det) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-11)


@pytest.mark.parametrize("size", [3, transport.MOST_DENSE + 1])
def test_a_batch_is_its_points_one_by_one(size):
    to, u = some_map(size), torch.randn(4, 2, size, dtype=torch.float64)
    z, log_det = transport.carried(xp, u, to)
    one, its_log_det = transport.carried(xp, u[1, 1], to)
    assert torch.allclose(z[1, 1], one, rtol=1e-13) and torch.allclose(log_det[1, 1], its_log_det, rtol=1e-13)


def test_a_layer_sees_only_the_coordinates_before():
    """The first layer forwards, the second one backwards: triangular Jacobians."""
    to = some_map(4)
    for i, layer in enumerate(to.layers):

        def moved(u, layer=layer, flipped=i % 2 == 1):
            return transport._layer(xp, u, layer, flipped=flipped)[0]

        jacobian = torch.autograd.functional.jacobian(moved, torch.randn(4, dtype=torch.float64))
        other = torch.triu(jacobian, 1) if i % 2 == 0 else torch.tril(jacobian, -1)
        assert (other == 0.0).all() and ((jacobian - other).abs() > 0.0).sum() == 10


def test_the_start_is_the_affine_map_alone():
    size = 3
    params = {name: torch.zeros(shape) for name, shape in transport.shapes(size).items()}
    params = {k: v + transport.initial_deviation(k, size) * torch.randn_like(v) for k, v in params.items()}
    unit = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.3, 0.2, 1.0]])
    u, origin = torch.randn(3), torch.tensor([1.0, 2.0, 3.0])
    z, log_det = transport.carried(xp, u, transport.transport(origin, unit, params))
    assert torch.allclose(z, origin + unit @ u) and float(log_det) == pytest.approx(0.0, abs=1e-7)


def test_kicks_and_turns_keep_volume():
    def step(state):
        u, rho = state[:3], state[3:]
        angle, strength = torch.tensor([0.3, 1.2, 2.0]), torch.tensor([0.5, -0.2, 1.0])
        rho = refreshed.kick(rho, strength, torch.sin(u) * u.sum())
        u, rho = refreshed.turn(u, rho, angle.cos(), angle.sin())
        return torch.cat([u, refreshed.kick(rho, strength, torch.sin(u) * u.sum())])

    jacobian = torch.autograd.functional.jacobian(step, torch.randn(6, dtype=torch.float64))
    assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(0.0, abs=1e-6)  # constants of single precision


def test_a_turn_of_the_start_angle_is_an_independent_draw():
    u, rho = torch.randn(2, 5, dtype=torch.float64)
    angle = torch.tensor(refreshed.ANGLE, dtype=torch.float64)
    turned, _ = refreshed.turn(u, rho, angle.cos(), angle.sin())
    assert torch.allclose(turned, rho, atol=1e-15)


def test_a_gradient_is_tamed_far_out_only():
    g = torch.tensor([3.0, 4.0])
    near = refreshed.tamed(xp, 1e-3 * g, (1e-3 * g).square().sum(), torch.tensor(2.0))
    far = refreshed.tamed(xp, 1e6 * g, (1e6 * g).square().sum(), torch.tensor(2.0))
    assert torch.allclose(near, 1e-3 * g, rtol=1e-6)
    assert float(far.norm()) == pytest.approx(4.0 * math.sqrt(2.0), rel=1e-6)


def test_points_are_picked_by_their_shares():
    shares = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64)
    terms = shares.log().clamp(-1e30)[:, None] + torch.zeros(100_000, dtype=torch.float64)
    flags = refreshed.picked(xp, terms, torch.rand(100_000, dtype=torch.float64))
    assert (flags.sum(0) == 1.0).all() and set(flags.unique().tolist()) == {0.0, 1.0}
    # 5 standard errors
    assert ((flags.mean(1) - shares).abs() <= 5.0 * (shares * (1.0 - shares) / 100_000).sqrt()).all()
    assert float(refreshed.log_sum_exp(xp, terms)[0]) == pytest.approx(0.0, abs=1e-14)


def test_settings():
    with pytest.raises(ValueError, match=r"transition must be one of \('leapfrog', 'refreshed', 'coupled'\), got"):
        refreshed.check_settings("jump", {})
    with pytest.raises(ValueError, match=r"\['tempering'\] are settings of transition='leapfrog', not of 'refreshed'"):
        refreshed.check_settings("refreshed", {"tempering": True, "step_size": False})
