"""The tempered leapfrog flow: volume, reversibility, energy (Caterini, Doucet, Sejdinovic 2018, algorithm 1)."""

import math

import numpy as np
import pytest
import torch

from irg_kernels.inference import hamiltonian
from pyro_irg import xp

PRECISION = torch.tensor([[2.0, 0.6, 0.1], [0.6, 1.5, -0.3], [0.1, -0.3, 1.0]], dtype=torch.float64)
START = torch.tensor([0.3, -0.5, 0.8, 1.0, 0.2, -0.7], dtype=torch.float64)
EPS = torch.tensor([0.1, 0.2, 0.15], dtype=torch.float64)


def potential(z):
    return 0.5 * z @ PRECISION @ z + 0.25 * (z**4).sum()


def gradient(z):
    return (z[0] @ PRECISION + z[0] ** 3,)


def run(start, cooling, eps=EPS):
    z, rho = (start[:3],), (start[3:],)
    g = gradient(z)
    for alpha in cooling:
        z, rho, g = hamiltonian.leapfrog(z, rho, g, (eps,), gradient)
        rho = (alpha * rho[0],)
    return torch.cat([z[0], rho[0]])


def schedules(num_steps):
    root = torch.tensor(1.7, dtype=torch.float64)
    return {
        "none": (1.0,) * num_steps,
        "fixed": hamiltonian.fixed_tempering(xp, root, num_steps),
        "quadratic": hamiltonian.quadratic_tempering(xp, root, num_steps),
    }


@pytest.mark.parametrize("name", ["none", "fixed", "quadratic"])
def test_volume_is_the_cooling_alone(name):
    cooling = schedules(5)[name]
    jacobian = torch.autograd.functional.jacobian(lambda start: run(start, cooling), START)
    log_t0 = 0.0 if name == "none" else 2.0 * math.log(1.7)
    assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(-1.5 * log_t0, abs=1e-12)


@pytest.mark.parametrize("name", ["fixed", "quadratic"])
def test_schedules_end_at_temperature_one_and_cool_all_the_way(name):
    cooling = schedules(7)[name]
    assert math.prod(float(a) for a in cooling) == pytest.approx(1.0 / 1.7, rel=1e-14)
    assert all(0.0 < float(a) < 1.0 for a in cooling)


def test_fixed_is_quadratic_in_the_root_and_quadratic_in_the_temperature():
    for name, power in (("fixed", 1), ("quadratic", 2)):
        root, values = 1.7, [1.7**power]
        for alpha in schedules(4)[name]:
            root *= float(alpha)
            values.append(root**power)
        expected = [(1.0 - 1.7**power) * (k / 4) ** 2 + 1.7**power for k in range(5)]
        assert values == pytest.approx(expected, rel=1e-14)


def test_reversible():
    end = run(START, (1.0,) * 6)
    back = run(torch.cat([end[:3], -end[3:]]), (1.0,) * 6)
    assert torch.allclose(torch.cat([back[:3], -back[3:]]), START, rtol=0.0, atol=1e-13)


def test_energy_error_is_of_second_order():
    def error(scale, num_steps):
        end = run(START, (1.0,) * num_steps, scale * EPS)
        return float(potential(end[:3]) + end[3:].square().sum() / 2 - potential(START[:3])) - float(
            START[3:].square().sum() / 2
        )

    assert error(0.2, 20) / error(0.1, 40) == pytest.approx(4.0, rel=0.02)


def test_free_tempering_starts_at_one_temperature_whatever_the_number_of_steps():
    for num_steps in (1, 5, 20):
        assert hamiltonian.initial_cooling(num_steps) ** (-2 * num_steps) == pytest.approx(0.9**-10)


@pytest.mark.parametrize("concentration", [0.0, 0.3, 1.0, 3.0, 30.0, 1e4])
def test_variance_of_an_angle(concentration):
    """Against an integral over the von Mises density; half of it is the circular one of a concentrated angle."""
    x = np.linspace(-math.pi, math.pi, 400_001)
    density = np.exp(concentration * (np.cos(x) - 1.0))
    density /= density.sum()
    circular = torch.tensor(1.0 - (density * np.cos(x)).sum())
    found = float(hamiltonian.angular_variance(xp, circular))
    assert found == pytest.approx((density * x * x).sum(), rel=0.25 if concentration < 2.0 else 0.08)
