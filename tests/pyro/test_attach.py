"""`attach` in torch: derivatives of a draw along its quantile, to third order and under every transformation."""

import numpy as np
import pytest
import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from irg_kernels.families import beta, gamma
from pyro_irg.attach import CHUNK, attach, evaluate
from tests.paths import PATHS

paths = pytest.mark.parametrize("path", PATHS, ids=str)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def draw_of(path):
    """The draw as a function of the vector of its parameters."""
    return lambda params: attach(path.kernels, tensor(path.draw), *params.unbind(-1))


def check(path, found, order):
    """Against the derivatives along the quantile, to 1e-11 of the largest.

    The partials are good to 1e-12.  For Gamma, whose torch.digamma differentiates to a torch.polygamma that is wrong
    by 5e-10 in float64 (pytorch/pytorch#4399), to 1e-8 from the second order on.
    """
    truth = path.derivative(order)
    assert found.shape == truth.shape
    allowed = 1e-8 if path.kernels == (gamma.dz_da,) and order > 1 else 1e-11
    np.testing.assert_allclose(found.detach().numpy(), truth, rtol=0, atol=allowed * np.max(np.abs(truth)))


def test_value():
    """The draw, unchanged and in another storage; its own history is cut."""
    leaf = tensor([0.5, 2.0]).requires_grad_()
    a = tensor([1.0, 3.0]).requires_grad_()
    draw = 2.0 * leaf
    z = attach((gamma.dz_da,), draw, a)
    assert torch.equal(z, draw) and z.data_ptr() != draw.data_ptr()
    z.sum().backward()
    assert leaf.grad is None
    assert torch.equal(a.grad, evaluate(gamma.dz_da, draw.detach(), a.detach()))


@paths
def test_backward(path):
    params = tensor(path.params).requires_grad_()
    draw_of(path)(params).backward()
    check(path, params.grad, 1)


@paths
def test_grad(path):
    check(path, grad(draw_of(path))(tensor(path.params)), 1)


@paths
def test_grad_of_grad(path):
    check(path, jacrev(grad(draw_of(path)))(tensor(path.params)), 2)


@paths
def test_double_backward(path):
    params = tensor(path.params).requires_grad_()
    (first,) = torch.autograd.grad(draw_of(path)(params), params, create_graph=True)
    rows = [torch.autograd.grad(slope, params, retain_graph=True)[0] for slope in first]
    check(path, torch.stack(rows), 2)


@paths
def test_third_derivative(path):
    check(path, jacrev(jacrev(jacrev(draw_of(path))))(tensor(path.params)), 3)


@paths
def test_jvp(path):
    tangent = tensor([1.0, -0.5])[: len(path.params)]
    value, slope = jvp(draw_of(path), (tensor(path.params),), (tangent,))
    assert value.item() == path.draw
    expected = path.derivative(1) @ tangent.numpy()
    np.testing.assert_allclose(slope.item(), expected, rtol=1e-11)


@paths
def test_jacfwd(path):
    check(path, jacfwd(draw_of(path))(tensor(path.params)), 1)


@paths
def test_jvp_of_grad(path):
    check(path, jacfwd(jacrev(draw_of(path)))(tensor(path.params)), 2)


@paths
def test_hessian(path):
    check(path, hessian(draw_of(path))(tensor(path.params)), 2)


@paths
def test_grad_of_jvp(path):
    check(path, jacrev(jacfwd(draw_of(path)))(tensor(path.params)), 2)


@paths
def test_jvp_of_grad_of_grad(path):
    check(path, jacfwd(jacrev(jacrev(draw_of(path))))(tensor(path.params)), 3)


@paths
def test_nested_forward_mode_raises(path):
    """torch 2.13 returns 0 for it where the tangents of saved tensors are lost."""
    with pytest.raises(NotImplementedError, match=r"nested forward mode .* write torch\.func\.jacfwd"):
        jacfwd(jacfwd(draw_of(path)))(tensor(path.params))


def test_chain_rule():
    """d**2/da**2 of sin(z(2 a)) needs the draw's first and second derivative."""
    path = PATHS[1]
    (first,), ((second,),) = path.derivative(1), path.derivative(2)
    a = tensor([0.5 * path.params[0]])
    found = hessian(lambda a: torch.sin(draw_of(path)(2.0 * a)))(a)
    expected = 4.0 * (np.cos(path.draw) * second - np.sin(path.draw) * first**2)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-8)


def batch():
    x, a, b = tensor([-3.0, -0.5, 0.0, 2.0]), tensor([0.3, 1.0, 4.0, 20.0]), tensor([2.0, 0.7, 4.0, 3.0])
    return x, torch.stack([a, b], -1)


@pytest.mark.parametrize("transform", [grad, hessian, lambda f: jacrev(jacrev(jacrev(f)))], ids=["1", "2", "3"])
def test_vmap_grad(transform):
    """Over draws and parameters, over the parameters of one draw, over draws of the same parameters."""
    xs, params = batch()

    def draw(x, params):
        return attach((beta.dlogit_da, beta.dlogit_db), x, *params.unbind(-1))

    def derivative(x, params):
        return transform(lambda params: draw(x, params))(params)

    for dims in [(0, 0), (None, 0), (0, None)]:
        taken = [v if dim == 0 else v[1] for v, dim in zip((xs, params), dims, strict=True)]
        found = vmap(derivative, in_dims=dims)(*taken)
        one_by_one = [derivative(*(v if dim is None else v[i] for v, dim in zip(taken, dims))) for i in range(len(xs))]
        # vectorised instructions round differently
        torch.testing.assert_close(found, torch.stack(one_by_one), rtol=1e-11, atol=0)


def test_vmap_of_attach():
    xs, params = batch()
    columns = params.unbind(-1)
    leaves = [column.clone().requires_grad_() for column in columns]
    z = vmap(lambda x, a, b: attach((beta.dlogit_da, beta.dlogit_db), x, a, b))(xs, *leaves)
    for kernel, slope in zip((beta.dlogit_da, beta.dlogit_db), torch.autograd.grad(z.sum(), leaves), strict=True):
        torch.testing.assert_close(slope, evaluate(kernel, xs, *columns), rtol=1e-12, atol=0)


def test_only_the_wanted_partials_are_evaluated():
    def unwanted(xp, x, a, b):
        raise AssertionError("nobody asked for d/db")

    xs, params = batch()
    a, b = params.unbind(-1)
    a.requires_grad_()
    (slope,) = torch.autograd.grad(attach((beta.dlogit_da, unwanted), xs, a, b).sum(), a)
    assert torch.equal(slope, evaluate(beta.dlogit_da, xs, a.detach(), b))


def test_parameter_without_derivative():
    """Its place in `partials` is None: no gradient, and no tangent."""
    z, a, rate = tensor([0.5, 2.0]), tensor([1.0, 3.0]).requires_grad_(), tensor([1.0, 1.0]).requires_grad_()
    attach((lambda xp, z, a, rate: gamma.dz_da(xp, z, a), None), z, a, rate).sum().backward()
    assert rate.grad is None
    assert torch.equal(a.grad, evaluate(gamma.dz_da, z, a.detach()))
    _, slope = jvp(lambda rate: attach((None,), z, rate), (rate.detach(),), (torch.ones_like(z),))
    assert torch.equal(slope, torch.zeros_like(z))


def test_without_a_gradient():
    def unwanted(xp, z, a):
        raise AssertionError("nobody asked for a derivative")

    z, a = tensor([0.5, 2.0]), tensor([1.0, 3.0])
    assert not attach((unwanted,), z, a).requires_grad
    with torch.no_grad():
        assert not attach((unwanted,), z, a.requires_grad_()).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_low_precision(dtype):
    """Float64 arithmetic for any lesser precision: the answer is off by one rounding, and 1e-6 for the fewer nodes."""
    z, a = tensor([0.25, 1.5, 30.0]).to(dtype), tensor([0.5, 2.0, 25.0]).to(dtype)
    leaf = a.clone().requires_grad_()
    (slope,) = torch.autograd.grad(attach((gamma.dz_da,), z, leaf).sum(), leaf)
    assert slope.dtype == dtype
    truth = evaluate(gamma.dz_da, z.double(), a.double())
    torch.testing.assert_close(slope.double(), truth, rtol=torch.finfo(dtype).eps + 1e-6, atol=0)


@pytest.mark.parametrize("shape", [(20_000,), (7, 3000), (3, 9000), (2, 3, 3000), (10_000, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_evaluate_by_chunks(shape, dtype):
    """Large batches are computed some rows at a time; a row is never cut, for a partial may read all of it."""

    def partial(xp, z, a):
        return z * a / xp.sum(a, axis=-1, keepdims=True) if len(shape) > 1 else z * a

    generator = torch.Generator().manual_seed(0)
    z, a = (torch.rand(shape, dtype=dtype, generator=generator) for _ in range(2))
    assert z.numel() > CHUNK
    with torch.no_grad():
        found = evaluate(partial, z, a)
    assert found.dtype == dtype and found.shape == z.shape
    whole = z.double() * a.double() / (a.double().sum(-1, keepdim=True) if len(shape) > 1 else 1.0)
    torch.testing.assert_close(found.double(), whole, rtol=4 * torch.finfo(dtype).eps, atol=0)


def test_empty():
    a = tensor([]).requires_grad_()
    (slope,) = torch.autograd.grad(attach((gamma.dz_da,), tensor([]), a).sum(), a)
    assert slope.shape == (0,)
