"""Draws under every transformation of PyTorch: the derivative is that of the quantile, or an error."""

import numpy as np
import pyro
import pytest
import torch
from torch.func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vmap

import pyro_irg.distributions as dist
from pyro_irg import implicit_gradients
from tests.laws import SCALAR_POINTS, along_quantile
from tests.pyro.draws import leaves, numpy

# Under vmap the host's own validation looks at values, which vmap forbids.
UNCHECKED = {"validate_args": False}
CASES = {key: point for key, point in SCALAR_POINTS.items() if key.endswith("-1")}
cases = pytest.mark.parametrize(("law", "params"), CASES.values(), ids=CASES)


def setup_case(law, params):
    """The draw as a function of the parameters, always the same one; the parameters in float64; the draw."""

    def draw(found, **options):
        torch.manual_seed(4)
        return getattr(dist, law.name)(**found, **options).rsample()

    found = {name: p.detach() for name, p in leaves(params).items()}
    return draw, found, draw(found)


def gradients(law, found, x):
    return implicit_gradients(getattr(dist, law.name)(**found), x)


@cases
def test_grad(law, params):
    draw, found, x = setup_case(law, params)
    slopes, value = grad_and_value(draw)(found)
    assert torch.equal(value, x)
    for name, truth in gradients(law, found, x).items():
        torch.testing.assert_close(slopes[name], truth, rtol=1e-9, atol=1e-12)


@cases
def test_jvp(law, params):
    draw, found, x = setup_case(law, params)
    tangents = {name: torch.tensor(0.5 + i, dtype=torch.float64) for i, name in enumerate(found)}
    value, slope = jvp(draw, (found,), (tangents,))
    assert torch.equal(value, x)
    truth = sum(g * tangents[name] for name, g in gradients(law, found, x).items())
    torch.testing.assert_close(slope, truth, rtol=1e-9, atol=1e-12)


@cases
def test_forward_ad(law, params):
    """`torch.autograd.forward_ad`, without `torch.func`."""
    draw, found, x = setup_case(law, params)
    name = list(found)[-1]
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(found[name], torch.tensor(1.0, dtype=torch.float64))
        value, slope = torch.autograd.forward_ad.unpack_dual(draw({**found, name: dual}))
    assert torch.equal(value, x)
    torch.testing.assert_close(slope, gradients(law, found, x)[name], rtol=1e-9, atol=1e-12)


@cases
@pytest.mark.parametrize(
    "transform",
    [hessian, lambda f: jacfwd(grad(f)), lambda f: jacrev(grad(f)), lambda f: jacrev(jacfwd(f))],
    ids=["hessian", "jvp_of_grad", "grad_of_grad", "grad_of_jvp"],
)
def test_second_derivative(law, params, transform):
    """Against differences of SciPy's quantile function, to whose 1e-7 the diagonal is compared; mixed ones agree."""
    draw, found, x = setup_case(law, params)
    names = list(found)
    found = torch.stack([found[name] for name in names])
    second = transform(lambda theta: draw(dict(zip(names, theta.unbind())), **UNCHECKED))(found)
    torch.testing.assert_close(second, second.T, rtol=1e-7, atol=1e-10)
    for i, name in enumerate(names):
        _, truth = along_quantile(law, numpy(x).reshape(1), params, name)
        np.testing.assert_allclose(second[i, i].item(), truth.item(), rtol=1e-6, atol=1e-7)


@cases
def test_double_backward(law, params):
    draw, found, x = setup_case(law, params)
    name = list(found)[-1]
    theta = found[name].clone().requires_grad_()
    (first,) = torch.autograd.grad(draw({**found, name: theta}), theta, create_graph=True)
    _, truth = along_quantile(law, numpy(x).reshape(1), params, name)
    second = torch.autograd.grad(first, theta)[0] if first.requires_grad else torch.zeros(())
    np.testing.assert_allclose(second.item(), truth.item(), rtol=1e-6, atol=1e-7)


@cases
def test_vmap(law, params):
    """Over parameters, over none of them, over draws of the same parameters: different numbers and right slopes."""
    pyro.set_rng_seed(4)
    found = {name: p.detach() for name, p in leaves(params).items()}
    batch = {name: p * torch.linspace(1.0, 1.1, 5, dtype=torch.float64) for name, p in found.items()}
    first = next(iter(found))

    def value_and_slopes(theta):
        slopes, value = grad_and_value(lambda theta: getattr(dist, law.name)(**theta, **UNCHECKED).rsample())(theta)
        return value, slopes

    for axes in [dict.fromkeys(found, 0), {**dict.fromkeys(found), first: 0}]:
        taken = {name: batch[name] if axes[name] == 0 else found[name] for name in found}
        x, slopes = vmap(value_and_slopes, in_dims=(axes,), randomness="different")(taken)
        assert x.unique().numel() == 5
        for name, truth in gradients(law, taken, x).items():
            torch.testing.assert_close(slopes[name], truth, rtol=1e-9, atol=1e-12)
    x, slopes = vmap(lambda _: value_and_slopes(found), randomness="different")(torch.arange(5))
    assert x.unique().numel() == 5
    for name, truth in gradients(law, found, x).items():
        torch.testing.assert_close(slopes[name], truth, rtol=1e-9, atol=1e-12)


@cases
def test_vmap_with_the_same_randomness(law, params):
    found = {name: p.detach() for name, p in leaves(params).items()}
    d = getattr(dist, law.name)(**found, **UNCHECKED)
    x = vmap(lambda shift: d.rsample() + shift, randomness="same")(torch.zeros(4))
    assert x.unique().numel() == 1


def test_vmap_with_the_same_randomness_of_a_batch():
    """Whose members would need draws of different laws from the same numbers."""
    with pytest.raises(RuntimeError, match="randomness='same' is not possible where the parameters are batched"):
        vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample(), randomness="same")(torch.ones(3))


def test_vmap_without_randomness():
    with pytest.raises(RuntimeError, match=r"in randomness error mode; write torch\.func\.vmap"):
        vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample())(torch.ones(4))


def test_vmap_of_vmap():
    a = torch.tensor([[0.5, 2.0, 7.0], [1.0, 3.0, 0.1]], dtype=torch.float64)
    f = vmap(vmap(lambda a: dist.Gamma(a, 1.0, **UNCHECKED).rsample(), randomness="different"), randomness="different")
    slopes, x = grad_and_value(lambda a: (x := f(a)).sum() + 0.0 * x.sum())(a)[0], None
    assert slopes.shape == a.shape and slopes.isfinite().all() and x is None


def test_dirichlet():
    """Jacobians in forward and reverse mode, and under vmap."""
    concentration = torch.tensor([0.6, 2.0, 1.5], dtype=torch.float64)

    def draw(concentration):
        torch.manual_seed(4)
        return dist.Dirichlet(concentration, **UNCHECKED).rsample()

    truth = implicit_gradients(dist.Dirichlet(concentration), draw(concentration))["concentration"]
    for transform in (jacfwd, jacrev):
        torch.testing.assert_close(transform(draw)(concentration), truth, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(jacfwd(jacrev(draw))(concentration), jacrev(jacrev(draw))(concentration))
    batch = torch.stack([concentration, 2.0 * concentration])
    x = vmap(lambda c: dist.Dirichlet(c, **UNCHECKED).rsample(), randomness="different")(batch)
    torch.testing.assert_close(x.sum(-1), torch.ones(2, dtype=torch.float64))


@cases
def test_nested_forward_mode_raises(law, params):
    draw, found, _ = setup_case(law, params)
    name = list(found)[-1]  # not a loc, in which draws are linear
    name = {"StudentT": "df", "VonMises": "concentration"}.get(law.name, name)
    with pytest.raises(NotImplementedError, match=r"nested forward mode .* write torch\.func\.jacfwd"):
        jacfwd(jacfwd(lambda theta: draw({**found, name: theta}, **UNCHECKED)))(found[name])


def test_chain_rule():
    """A draw whose concentration is a draw: d**2/da**2 of both, by differences of SciPy's quantile function."""
    law, _ = CASES["Gamma-1"]

    def chain(a):
        torch.manual_seed(4)
        inner = dist.Gamma(a, 1.0).rsample()
        return inner, dist.Gamma(inner, 1.0).rsample()

    a = torch.tensor(7.5, dtype=torch.float64)
    inner, outer = chain(a)
    slopes = [
        [
            v.item()
            for v in along_quantile(law, numpy(z).reshape(1), {"concentration": c.item(), "rate": 1.0}, "concentration")
        ]
        for z, c in ((inner, a), (outer, inner))
    ]
    (first, second), (outer_first, outer_second) = slopes
    np.testing.assert_allclose(grad(lambda a: chain(a)[1])(a).item(), outer_first * first, rtol=1e-8)
    expected = outer_second * first**2 + outer_first * second
    np.testing.assert_allclose(hessian(lambda a: chain(a)[1])(a).item(), expected, rtol=1e-5)
