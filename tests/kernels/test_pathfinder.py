"""Quasi-Newton paths to the modes of a density, and which of them a mixture begins with."""

import math

import pytest
import torch

from irg_kernels.inference import modes, pathfinder
from pyro_irg import xp

DIM, SEVERAL = 4, 6


def slopes(potential):
    def gradient(x, active):
        x = x.detach().requires_grad_()
        f = potential(x)
        return f.detach(), torch.autograd.grad(f.sum(), x)[0]

    return gradient


def followed(potential, start):
    generator = torch.Generator().manual_seed(0)
    eps = torch.randn(8, start.shape[-1], dtype=start.dtype, generator=generator).repeat(len(start), 1, 1)
    unit = torch.eye(start.shape[-1], dtype=start.dtype).repeat(len(start), 1, 1)
    return pathfinder.paths(xp, start, unit, eps, slopes(potential), lambda x, active: potential(x))


def starts(dtype=torch.float64):
    return 2.0 * torch.randn(SEVERAL, DIM, dtype=dtype, generator=torch.Generator().manual_seed(1))


def test_a_normal_distribution_is_found():
    scale = torch.tensor([0.01, 0.3, 1.0, 30.0], dtype=torch.float64)
    mix = torch.linalg.qr(starts()[:DIM]).Q
    covariance = mix * scale**2 @ mix.mT
    loc = torch.tensor([3.0, -300.0, 0.0, 1.0], dtype=torch.float64)
    distribution = torch.distributions.MultivariateNormal(loc, covariance)
    path = followed(lambda x: -distribution.log_prob(x), starts())
    assert (path.active == 0.0).all()
    white = torch.linalg.solve(torch.linalg.cholesky(covariance), (path.x - loc)[..., None])
    assert white.square().sum((-1, -2)).max() < 0.5  # standard deviations, squared
    # in no direction is the scale that of a stiffer one
    entropy = path.best_factor.det().abs().log() + 0.5 * DIM * (1.0 + math.log(2.0 * math.pi))
    assert (entropy - distribution.entropy()).abs().max() < 1e-3
    assert path.elbo.max() + 0.5 * DIM * (1.0 + math.log(2.0 * math.pi)) == pytest.approx(0.0, abs=1.5)


@pytest.mark.parametrize(
    "dtype, first, scales",
    [(torch.float64, 1e3, [1e-3, 1e3]), (torch.float32, 1.0, [1e-3, 1e3]), (torch.float32, 1e-4, [1e-4, 1e4])],
)
def test_scales_a_million_apart_and_more_are_found(dtype, first, scales):
    loc, scale = torch.tensor([[first, -1e3], scales], dtype=dtype)
    path = followed(lambda x: 0.5 * ((x - loc) / scale).square().sum(-1), starts(dtype)[:, :2])
    best = path.best_factor[path.elbo.argmax()]
    torch.testing.assert_close((best @ best.mT).diagonal().sqrt(), scale, rtol=0.01, atol=0.0)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_found_in_float32_whatever_the_axes(seed):
    """Rounding of the steepest direction is as large as the gradient of the others."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.linalg.qr(torch.randn(DIM, DIM, dtype=torch.float64, generator=generator)).Q
    root = torch.linalg.cholesky(mix * torch.logspace(-6, 6, DIM, dtype=torch.float64) @ mix.mT)
    inverse = torch.linalg.inv(root).float()
    path = followed(lambda x: 0.5 * (inverse @ x[..., None]).square().sum((-1, -2)), starts(torch.float32))
    best = path.best_factor[path.elbo.argmax()].double()
    # KL(N(0, C C') || N(0, S)); 13 nats where the widest scale is taken for the narrowest
    white = torch.linalg.solve(root, best)
    assert 0.5 * (white.square().sum() - DIM) - torch.linalg.slogdet(white).logabsdet < 0.5


@pytest.mark.parametrize("wide", [3.0, 10.0, 100.0])
def test_scales_that_overshoot_are_found_in_the_middle(wide):
    """One standard deviation off the centre the curvature of z^4 is that of the inverse scale."""

    def potential(x):
        return 0.25 * x.double().pow(4).sum(-1)

    path = followed(lambda x: 0.5 * x.square().sum(-1), starts())
    factor = torch.eye(DIM, dtype=torch.float64).repeat(SEVERAL, 1, 1) * torch.tensor([wide, 1.0, wide, 1.0])
    path = path._replace(best_x=0.0 * path.x, best_factor=factor, best_log_det=factor.det().log(), elbo=0.0 * path.f)
    # more than a search has, whose noise in z^4 may choose another scale
    pairs = torch.randn(SEVERAL, 128, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    pairs = torch.cat([pairs, -pairs], 1)
    found = pathfinder.refined(xp, path, pairs, slopes(potential), lambda x, active: potential(x)).best_factor
    # an axis has log(scale) - 3 scale^4 / 4, at the most -.525, at scale 1 -.75, and at 1 / 3 -1.11
    moments = (found @ found.mT).diagonal(dim1=-2, dim2=-1)
    elbo = found.det().abs().log() - 0.75 * moments.square().sum(-1)
    assert (elbo > -0.76 * DIM).all()


def test_log_determinant_is_the_factors():
    def potential(x):
        return (x[..., 1:] - x[..., :-1] ** 2).square().sum(-1) + 0.5 * (x - 1.0).square().sum(-1)

    path = followed(potential, starts())
    torch.testing.assert_close(path.factor.det().abs().log(), path.log_det)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_start_without_density_stays(bad):
    start = starts(torch.float32)
    start[2, 1] = bad
    path = followed(lambda x: 0.5 * x.square().sum(-1), start)
    assert path.elbo[2] == -torch.finfo(torch.float32).max
    others = torch.arange(SEVERAL) != 2
    assert path.best_x[others].isfinite().all() and path.best_factor.isfinite().all()


def test_a_density_without_bound_ends_where_the_mass_is():
    """A funnel: eight effects of scale exp(x_0), whose joint density grows for ever as x_0 falls."""

    def potential(x):
        scale = x[..., :1]
        return 0.5 * (x[..., 0] / 3.0) ** 2 + (0.5 * (x[..., 1:] / scale.exp()) ** 2 + scale).sum(-1)

    path = followed(potential, torch.cat([starts(), starts()[:, :3]], -1))
    assert path.f.min() < -20.0  # a descent alone runs down the neck
    assert path.best_x[:, 0].abs().max() < 9.0 and path.elbo.isfinite().all()


def test_chosen_are_of_different_modes():
    elbo = torch.tensor([-1.0, -1.0, -1.0, -3.0, -60.0])  # 0 and 1 mirror each other: equal to the last digit
    place = torch.tensor([0.0, 9.0, 0.1, 20.0, 40.0])
    distance = (place - place[:, None]).square()
    picks = pathfinder.chosen(xp, elbo, distance, 1, 5)
    assert [int(pick.argmax()) for pick, _ in picks] == [0, 1, 3, 0, 1]
    assert [float(shared) for _, shared in picks] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert all(float(pick.sum()) == 1.0 for pick, _ in picks)


def test_masses_are_the_targets():
    """Two modes of weights .3 and .7, three components, of which the last two share a mode."""
    generator = torch.Generator().manual_seed(0)
    locs = torch.tensor([-5.0, 5.0, 5.0], dtype=torch.float64)
    components = torch.distributions.Normal(locs, 1.2)
    x = (locs + 1.2 * torch.randn(4000, 3, dtype=torch.float64, generator=generator)).reshape(-1)
    modes = torch.distributions.Normal(locs[:2], 1.0).log_prob(x[:, None])
    log_p = (modes + torch.tensor([0.3, 0.7]).log()).logsumexp(-1) + 123.0
    log_p[::100] = float("nan")  # of which there is no mass
    weights = pathfinder.masses(xp, log_p, components.log_prob(x[:, None])).softmax(-1)
    torch.testing.assert_close(weights, torch.tensor([0.3, 0.35, 0.35], dtype=torch.float64), atol=0.01, rtol=0.0)


def test_no_mass_is_lost_for_ever():
    log_q = torch.tensor([[0.0, -100.0], [-100.0, 0.0]])
    found = pathfinder.masses(xp, torch.tensor([0.0, -1e4]), log_q)
    assert float(found[0] - found[1]) == pytest.approx(10.0, abs=0.1)


def test_scales_are_shrunk_where_the_curvature_overstates_them():
    """Of a normal density they stay; of one that falls like exp(-e^z) on one side, and of one that is nowhere."""
    points = torch.randn(pathfinder.MASS_DRAWS, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    points[0] = 0.0

    def potentials(shrink):
        normal = 0.5 * (shrink * points).square().sum(-1)
        steep = (5.0 * shrink * points[:, 1, 0]).exp()
        return torch.stack([normal[:, 0], normal[:, 1] + steep, torch.full_like(steep, math.nan)], -1)

    flags = torch.stack(pathfinder.shrunk(xp, [potentials(s) for s in pathfinder.STRETCHED], points))
    shrinks = torch.tensor(pathfinder.SHRINKS, dtype=torch.float64)
    assert (flags.sum(0) == 1.0).all() and (flags * shrinks[:, None]).sum(0).tolist() == [1.0, 0.125, 1.0]


def settled_ends(potential, start):
    """The optima that a search has seen, and whether all are confirmed by the curvature there."""
    path = followed(potential, start)

    def gradient(x, active):
        x = x.detach().requires_grad_()
        return potential(x).detach(), torch.autograd.grad(potential(x).sum(), x)[0]

    confirmed = pathfinder.confirmed(xp, path, gradient)
    white = torch.linalg.solve(confirmed.best_factor[:, None], (path.end - path.end[:, None])[..., None])
    distance = white.square().sum((-1, -2))
    ends, flags = pathfinder.optima(xp, confirmed, torch.minimum(distance, distance.mT))
    return ends[flags > 0.0]


def count(potential, ends):
    return modes.apart(len(ends), potential(modes.between(xp, list(ends))).tolist())


def test_modes_are_counted():
    def potential(x):  # modes at 3 and -3 of each coordinate; that at -3 of the last has e^-8 of the mass
        apart = torch.stack([0.5 * (x - c).square().sum(-1) for c in (3.0, -3.0)])
        return -torch.logsumexp(-apart, 0)

    ends = settled_ends(potential, starts())
    torch.testing.assert_close(ends[:, 0].abs(), torch.full((2,), 3.0, dtype=ends.dtype), rtol=0.0, atol=0.2)
    assert count(potential, ends) == 2
    faint = settled_ends(lambda x: potential(x) - torch.log(1e-4 + (1.0 - 1e-4) * (x[..., 0] > 0.0)), starts())
    assert len(faint) == 1 and faint[0, 0] > 0.0


def test_points_along_a_curved_ridge_are_no_modes():
    def potential(x):
        return 0.5 * x[..., 0].square() + 50.0 * (x[..., 1] - x[..., 0] ** 2).square()

    for seed in range(20):
        start = 2.0 * torch.randn(16, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert len(settled_ends(potential, start)) == 1


def test_optima_are_modes_if_the_energy_rises_between_all():
    level, hill, gone = [0.0, 0.1, 0.5, 0.2, 0.0], [0.0, 1.0, 2.0, 1.0, 0.5], [0.0, 1.0, math.nan, 1.0, 0.0]
    assert modes.apart(2, [level]) == 1
    assert modes.apart(2, [hill]) == modes.apart(2, [gone]) == 2
    # the third is the second's mode, not the first's; then of both a mode of its own
    assert modes.apart(3, [hill, hill, level]) == 2
    assert modes.apart(3, [hill, hill, hill]) == 3
    # what is no mode parts nothing from others
    assert modes.apart(3, [level, hill, level]) == 2
