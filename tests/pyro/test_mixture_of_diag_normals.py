"""Mixtures of diagonal normals: the path of a draw against mpmath, expectations against quadrature."""

import math

import numpy as np
import pyro.distributions as host
import pytest
import torch
from mpmath import mp

import pyro_irg.distributions as dist
from pyro_irg.distributions import normal_mixture
from tests.checks import STANDARD_ERRORS, standardised

LOCS = ((0.0, 0.5), (1.5, -0.5), (-1.0, 2.0))
SCALES = ((1.0, 0.5), (0.75, 1.5), (0.5, 1.0))
LOGITS = (0.5, -0.25, 0.125)
DRAW = (0.75, 0.25)
BOTH = pytest.mark.parametrize("name", ["MixtureOfDiagNormals", "MixtureOfDiagNormalsSharedCovariance"])


def tensors(name="MixtureOfDiagNormals", dims=2, shape=(), dtype=torch.float64):
    """Leaves, one for each draw of `shape`; scales are shared where the class shares them."""
    found = [torch.tensor(v, dtype=dtype) for v in (LOCS, SCALES, LOGITS)]
    found[0], found[1] = found[0][:, :dims], found[1][:, :dims]
    if name.endswith("Covariance"):
        found[1] = found[1][0]
    return [p.expand(*shape, *p.shape).clone().requires_grad_() for p in found]


def fixed(monkeypatch, draw):
    """Let the sampler return `draw`."""
    module = "pyro_irg.distributions.mixture_of_diag_normals._standard"
    monkeypatch.setattr(module, lambda locs, *_: draw.to(locs.dtype).expand(locs.shape[:-2] + locs.shape[-1:]))


# ------------------------------------------------------------------------------------------------------------- path


def transported(locs, scales, logits, levels):
    """x with the Rosenblatt transform `levels`, by bisection-free Newton from DRAW in mpmath."""
    x, weights = [], [mp.exp(w) for w in logits]
    for d, level in enumerate(levels):
        total = mp.fsum(weights)
        root = mp.mpf(DRAW[d])
        for _ in range(30):
            y = [(root - m[d]) / s[d] for m, s in zip(locs, scales, strict=True)]
            value = mp.fsum(w * mp.ncdf(t) for w, t in zip(weights, y, strict=True)) / total - level
            slope = mp.fsum(w * mp.npdf(t) / s[d] for w, t, s in zip(weights, y, scales, strict=True)) / total
            root -= value / slope
            if abs(value) < mp.mpf(10) ** -45:
                break
        y = [(root - m[d]) / s[d] for m, s in zip(locs, scales, strict=True)]
        weights = [w * mp.npdf(t) / s[d] for w, t, s in zip(weights, y, scales, strict=True)]
        x.append(root)
    return x


def levels_of(locs, scales, logits):
    levels, weights = [], [mp.exp(w) for w in logits]
    for d, x in enumerate(DRAW):
        y = [(mp.mpf(x) - m[d]) / s[d] for m, s in zip(locs, scales, strict=True)]
        levels.append(mp.fsum(w * mp.ncdf(t) for w, t in zip(weights, y, strict=True)) / mp.fsum(weights))
        weights = [w * mp.npdf(t) / s[d] for w, t, s in zip(weights, y, scales, strict=True)]
    return levels


def unpacked(flat):
    return [flat[2 * k : 2 * k + 2] for k in range(3)], [flat[6 + 2 * k : 8 + 2 * k] for k in range(3)], flat[12:]


FLAT = [v for row in LOCS for v in row] + [v for row in SCALES for v in row] + list(LOGITS)


def along(moves, levels):
    """x when FLAT has moved by `moves`, index -> shift."""
    return transported(*unpacked([mp.mpf(v) + moves.get(i, 0) for i, v in enumerate(FLAT)]), levels)


def test_path_and_its_derivative(monkeypatch):
    """dx / d parameter for all fifteen, and second derivatives, of a draw whose Rosenblatt transform stands still."""
    fixed(monkeypatch, torch.tensor(DRAW, dtype=torch.float64))
    leaves = tensors()

    def draws(*leaves):
        return dist.MixtureOfDiagNormals(*leaves).rsample()

    first = [torch.autograd.functional.jacobian(draws, tuple(leaves))[i].reshape(2, -1) for i in range(3)]
    first = torch.cat(first, -1)
    with mp.workdps(50):
        levels, h = levels_of(*unpacked([mp.mpf(v) for v in FLAT])), mp.mpf(10) ** -12
        truth = [[float(v) for v in column] for column in zip(
            *([(a - b) / (2 * h) for a, b in zip(along({i: h}, levels), along({i: -h}, levels), strict=True)]
              for i in range(len(FLAT))), strict=True)]  # fmt: skip
        pairs = [(0, 12), (1, 13), (7, 12), (12, 13), (3, 3), (14, 14), (6, 9)]
        seconds = {}
        for i, j in pairs:
            if i == j:
                terms = ((h, 1), (0, -2), (-h, 1))
                values = [(along({i: m}, levels), c) for m, c in terms]
                seconds[i, j] = [float(mp.fsum(c * v[d] for v, c in values) / h**2) for d in range(2)]
            else:
                values = [(along({i: a * h, j: b * h}, levels), a * b) for a in (1, -1) for b in (1, -1)]
                seconds[i, j] = [float(mp.fsum(c * v[d] for v, c in values) / (4 * h**2)) for d in range(2)]
    # differences are good to 24 digits; float64 to a few of its rounding errors
    torch.testing.assert_close(first, torch.tensor(truth, dtype=torch.float64), rtol=1e-13, atol=1e-14)
    for d in range(2):
        hessian = torch.autograd.functional.hessian(lambda *p, d=d: draws(*p)[d], tuple(leaves))
        rows = torch.cat([torch.cat([b.reshape(a.numel(), -1) for a, b in zip(leaves, row, strict=False)] and [
            b.reshape(leaves[i].numel(), -1) for b in row], -1) for i, row in enumerate(hessian)])  # fmt: skip
        for (i, j), value in seconds.items():
            assert math.isclose(rows[i, j].item(), value[d], rel_tol=1e-12, abs_tol=1e-13), (i, j, d)


def test_forward_mode_is_the_transpose():
    """The same Jacobian from either mode; the Hessian forward over reverse; under vmap, one draw a row."""
    leaves = tensors()

    def draws(*leaves):
        torch.manual_seed(3)
        return dist.MixtureOfDiagNormals(*leaves).rsample((4,))

    for forward, reverse in zip(
        torch.func.jacfwd(draws, (0, 1, 2))(*leaves), torch.func.jacrev(draws, (0, 1, 2))(*leaves), strict=True
    ):
        torch.testing.assert_close(forward, reverse, rtol=1e-13, atol=1e-14)

    def total(logits):
        return draws(*leaves[:2], logits).sin().sum()

    twice = torch.func.jacrev(torch.func.jacrev(total))(leaves[2])
    torch.testing.assert_close(torch.func.hessian(total)(leaves[2]), twice, rtol=1e-12, atol=1e-13)
    rows = torch.func.vmap(
        lambda logits: dist.MixtureOfDiagNormals(*leaves[:2], logits).rsample((2,)), randomness="different"
    )(torch.zeros(3, 3, dtype=torch.float64))
    assert rows.shape == (3, 2, 2) and len(rows.unique()) == 12


# ----------------------------------------------------------------------------------------------------- expectations


def function(x):
    """Not additive, so that the order of the coordinates matters to each path and to no expectation."""
    return x[..., 0].sin() * x[..., -1] + (x[..., 0] * x[..., -1]).cos()


def exact(name, dims):
    """d E f / d parameter by the trapezoidal rule, exact to rounding for what falls off like a normal density."""
    leaves = tensors(name, dims)
    grid = torch.linspace(-12.0, 12.0, 801, dtype=torch.float64)
    x = torch.stack(torch.meshgrid(*[grid] * dims, indexing="ij"), -1)
    density = getattr(dist, name)(*leaves).log_prob(x).exp()
    assert abs(density.sum().item() * 0.03**dims - 1.0) < 1e-12
    return torch.autograd.grad((density * function(x)).sum() * 0.03**dims, leaves)


@BOTH
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_gradient_is_unbiased(name, dims, precision):
    """Pathwise and score-function gradients of the same 50,000 draws against quadrature; the host's d/dlogits is off.

    In float32 too: the derivatives are computed in float64."""
    torch.manual_seed(0)
    n = 50_000
    leaves = tensors(name, dims, (n,), precision)
    mixture = getattr(dist, name)(*leaves)
    x = mixture.rsample()
    pathwise = torch.autograd.grad(function(x).sum(), leaves)
    fixed_x = x.detach()
    score = torch.autograd.grad((mixture.log_prob(fixed_x) * function(fixed_x)).sum(), leaves)
    for path, other, truth in zip(pathwise, score, exact(name, dims), strict=True):
        truth, path, other = truth.numpy(), path.double().numpy(), other.double().numpy()
        assert (standardised(path, truth, rtol=1e-5) < STANDARD_ERRORS).all()
        assert (standardised(other, truth, rtol=1e-5) < STANDARD_ERRORS).all()


@BOTH
def test_the_hosts_logits_are_biased(name):
    torch.manual_seed(0)
    leaves = tensors(name, 2, (50_000,))
    slopes = torch.autograd.grad(function(getattr(host, name)(*leaves).rsample()).sum(), leaves[2])[0].numpy()
    assert standardised(slopes, exact(name, 2)[2].numpy(), rtol=0.0).max() > STANDARD_ERRORS


@BOTH
def test_log_prob_and_moments(name):
    leaves = tensors(name, 2, (4,))
    mixture, stock = getattr(dist, name)(*leaves), getattr(host, name)(*leaves)
    x = mixture.sample((50_000,))
    torch.testing.assert_close(mixture.log_prob(x), stock.log_prob(x), rtol=1e-12, atol=1e-12)
    rows = x.reshape(-1, 2).numpy()
    assert (standardised(rows, mixture.mean[0].detach().numpy(), rtol=0.0) < STANDARD_ERRORS).all()
    squares = (rows - mixture.mean[0].detach().numpy()) ** 2
    assert (standardised(squares, mixture.variance[0].detach().numpy(), rtol=0.0) < STANDARD_ERRORS).all()


# ---------------------------------------------------------------------------------------------------------- extremes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dims", [1, 3, 40])
def test_far_apart(dims, dtype):
    """Components hundreds of their scales apart, weights down to exp(-300): every gradient finite.

    Where a component stands alone, a draw follows its location and scale as a single normal would."""
    torch.manual_seed(4)
    locs = torch.tensor([-1e4, 0.0, 1e4], dtype=dtype)[:, None].expand(3, dims).clone().requires_grad_()
    scales = torch.tensor([1.0, 1e-3, 10.0], dtype=dtype)[:, None].expand(3, dims).clone().requires_grad_()
    logits = torch.tensor([0.0, 1.0, -300.0], dtype=dtype, requires_grad=True)
    x = dist.MixtureOfDiagNormals(locs, scales, logits).rsample((50,))
    assert x.isfinite().all()
    slopes = torch.autograd.grad(x[0].sum(), (locs, scales), retain_graph=True)
    component = 0 if x[0, 0] < -5e3 else 1
    expected = torch.zeros_like(locs)
    expected[component] = 1.0
    torch.testing.assert_close(slopes[0], expected)
    torch.testing.assert_close(slopes[1][component], ((x[0] - locs[component]) / scales[component]).detach(),
                               rtol=1e-4, atol=1e-2)  # fmt: skip
    for slope in torch.autograd.grad(x.sum(), (locs, scales)):
        assert slope.isfinite().all()


def test_one_component_is_a_normal():
    torch.manual_seed(5)
    loc, scale = torch.zeros(1, 3, requires_grad=True), torch.full((1, 3), 2.0, requires_grad=True)
    logits = torch.zeros(1, requires_grad=True)
    x = dist.MixtureOfDiagNormals(loc, scale, logits).rsample()
    slopes = torch.autograd.grad(x.sum(), (loc, scale, logits))
    torch.testing.assert_close(slopes[0], torch.ones(1, 3))
    torch.testing.assert_close(slopes[1], x.detach()[None] / 2.0)
    assert slopes[2] == 0.0


@BOTH
def test_shapes_and_errors(name):
    cls, leaves = getattr(dist, name), tensors(name, 2, (4,))
    mixture = cls(*leaves)
    assert mixture.batch_shape == (4,) and mixture.event_shape == (2,) and mixture.rsample((5,)).shape == (5, 4, 2)
    wide = mixture.expand((3, 4))
    assert type(wide) is cls and wide.rsample().shape == (3, 4, 2) and wide.log_prob(torch.zeros(2)).shape == (3, 4)
    single = cls(*tensors(name))
    assert single.batch_shape == () and single.expand((6,)).sample().shape == (6, 2)
    np.testing.assert_allclose(
        single.expand((6,)).log_prob(torch.zeros(2)).detach(), single.log_prob(torch.zeros(2)).item()
    )
    mixed = cls(leaves[0], tensors(name)[1], leaves[2])
    assert mixed.batch_shape == (4,)
    locs, scales, logits = tensors(name)
    for given, match in (
        ((locs, scales, logits[:2]), r"component_logits of shape \(2,\); expected \(..., K, D\)"),
        ((locs, scales[..., :1], logits), "expected"),
        ((locs[0], scales, logits), "expected"),
        ((locs, 1.0, logits), "coord_scale must be a torch.Tensor, got float"),
        ((leaves[0], scales, logits.expand(3, 3)), "batch axes do not broadcast"),
        ((locs, -scales, logits), "coord_scale"),
        ((locs * math.inf, scales, logits), "locs"),
    ):
        with pytest.raises(ValueError, match=match):
            cls(*given, validate_args=True)


@pytest.mark.parametrize("lead", [(), (1,), (300,), (3, 1)], ids=str)
@pytest.mark.parametrize("log_weight", [0.0, -600.0])
def test_the_first_derivative_by_masses_is_that_by_logarithms(lead, log_weight):
    """Parameters shared by the draws or not, in several passes; and draws from a component of so little weight that
    their density is next to no number."""
    torch.manual_seed(0)
    like = {"dtype": torch.float64}
    locs, scales = 3.0 * torch.randn(*lead, 4, 5, **like), 0.5 + torch.rand(*lead, 4, 5, **like)
    logits = torch.randn(*lead, 4, **like)
    logits[..., 0] = log_weight
    noise = torch.randn(7, *(lead or (300,)), 5, **like)
    x, cotangent = locs[..., 0, :] + scales[..., 0, :] * noise, torch.randn_like(noise)
    with torch.no_grad():
        found = normal_mixture.pull(cotangent, x, locs, scales, logits)
    expected = normal_mixture.pull(cotangent, x, locs, scales, logits)  # recorded: another way
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11 * float(theirs.abs().max()))
