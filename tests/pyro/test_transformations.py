"""What only PyTorch has: dual numbers, its own `vmap` of random numbers, nested forward mode, which must raise."""

import numpy as np
import pyro
import pytest
import torch
from torch.func import grad_and_value, jacfwd, vmap

import pyro_irg.distributions as dist
from pyro_irg import implicit_gradients
from tests.adapters import pyro as adapter
from tests.checks import along_quantile
from tests.families import UNIVARIATE

# Under vmap the host's own validation looks at values, which vmap forbids.
UNCHECKED = {"validate_args": False}
each = pytest.mark.parametrize("family", UNIVARIATE, ids=str)


def setup_case(family):
    """The draw as a function of the parameters, always the same one; the parameters in float64; the draw."""

    def draw(found, **options):
        return adapter.draw(getattr(dist, family.name)(**found, **options), 4)

    with adapter.precision("float64"):
        found = adapter.arrays(family.points[1])
    return draw, found, draw(found)


def gradients(family, found, x):
    return implicit_gradients(getattr(dist, family.name)(**found), x)


@each
def test_forward_ad(family):
    """`torch.autograd.forward_ad`, without `torch.func`."""
    draw, found, x = setup_case(family)
    name = list(found)[-1]
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(found[name], torch.tensor(1.0, dtype=torch.float64))
        value, slope = torch.autograd.forward_ad.unpack_dual(draw({**found, name: dual}))
    torch.testing.assert_close(value, x, rtol=1e-14, atol=0.0)  # by torch and by NumPy
    torch.testing.assert_close(slope, gradients(family, found, x)[name], rtol=1e-9, atol=1e-12)


@each
def test_double_backward(family):
    draw, found, x = setup_case(family)
    name = list(found)[-1]
    theta = found[name].clone().requires_grad_()
    (first,) = torch.autograd.grad(draw({**found, name: theta}), theta, create_graph=True)
    _, truth = along_quantile(family, x.numpy().reshape(1), family.points[1], name)
    second = torch.autograd.grad(first, theta)[0] if first.requires_grad else torch.zeros(())
    np.testing.assert_allclose(second.item(), truth.item(), rtol=1e-6, atol=1e-7)


@each
def test_vmap(family):
    """Over parameters, over none of them, over draws of the same parameters: different numbers and right slopes."""
    _, found, _ = setup_case(family)
    batch = {name: p * torch.linspace(1.0, 1.1, 5, dtype=torch.float64) for name, p in found.items()}
    first = next(iter(found))

    def value_and_slopes(theta):
        slopes, value = grad_and_value(lambda theta: getattr(dist, family.name)(**theta, **UNCHECKED).rsample())(theta)
        return value, slopes

    for axes in [dict.fromkeys(found, 0), {**dict.fromkeys(found), first: 0}]:
        taken = {name: batch[name] if axes[name] == 0 else found[name] for name in found}
        x, slopes = vmap(value_and_slopes, in_dims=(axes,), randomness="different")(taken)
        assert x.unique().numel() == 5
        for name, truth in gradients(family, taken, x).items():
            torch.testing.assert_close(slopes[name], truth, rtol=1e-9, atol=1e-12)
    x, slopes = vmap(lambda _: value_and_slopes(found), randomness="different")(torch.arange(5))
    assert x.unique().numel() == 5
    for name, truth in gradients(family, found, x).items():
        torch.testing.assert_close(slopes[name], truth, rtol=1e-9, atol=1e-12)


@each
def test_vmap_with_the_same_randomness(family):
    _, found, _ = setup_case(family)
    d = getattr(dist, family.name)(**found, **UNCHECKED)
    x = vmap(lambda shift: d.rsample() + shift, randomness="same")(torch.zeros(4))
    assert x.unique().numel() == 1


def test_vmap_with_the_same_randomness_of_a_batch():
    """Whose members would need draws of different distributions from the same numbers."""
    with pytest.raises(RuntimeError, match="randomness='same' is not possible where the parameters are batched"):
        vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample(), randomness="same")(torch.ones(3))


@pytest.mark.parametrize("around", [dist.Wrapped, dist.Implicit])
def test_vmap_of_a_draw_of_the_hosts(around):
    """torch's own samplers fill a tensor in place, which its vmap refuses where a parameter has no batch."""
    for base in (dist.Normal, dist.Cauchy, dist.Logistic):
        scale = torch.tensor([1e-3, 1e-3, 2e-3])
        both = grad_and_value(lambda s, base=base: around(base(0.0, s, **UNCHECKED)).rsample())
        slope, x = vmap(both, randomness="different")(scale)
        assert x.unique().numel() == 3
        torch.testing.assert_close(slope, x / scale, rtol=1e-5, atol=1e-5)


def test_vmap_without_randomness():
    with pytest.raises(RuntimeError, match=r"in randomness error mode; write torch\.func\.vmap"):
        vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample())(torch.ones(4))


def test_vmap_of_vmap():
    pyro.set_rng_seed(0)
    a = torch.tensor([[0.5, 2.0, 7.0], [1.0, 3.0, 0.1]], dtype=torch.float64)
    f = vmap(vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample(), randomness="different"), randomness="different")
    slopes, _ = grad_and_value(lambda a: f(a).sum())(a)
    assert slopes.shape == a.shape and slopes.isfinite().all()


def test_vmap_of_a_dirichlet():
    pyro.set_rng_seed(0)
    batch = torch.tensor([[0.6, 2.0, 1.5], [1.2, 4.0, 3.0]], dtype=torch.float64)
    x = vmap(lambda c: dist.Dirichlet(c, **UNCHECKED).rsample(), randomness="different")(batch)
    torch.testing.assert_close(x.sum(-1), torch.ones(2, dtype=torch.float64))


@each
def test_nested_forward_mode_raises(family):
    draw, found, _ = setup_case(family)
    name = list(found)[-1]  # not a loc, in which draws are linear
    name = {"StudentT": "df", "VonMises": "concentration"}.get(family.name, name)
    with pytest.raises(NotImplementedError, match=r"nested forward mode .* write torch\.func\.jacfwd"):
        jacfwd(jacfwd(lambda theta: draw({**found, name: theta}, **UNCHECKED)))(found[name])
