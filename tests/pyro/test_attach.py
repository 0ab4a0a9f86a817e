"""`attach` in torch: the tape, nested forward mode, which must raise, and batches computed some rows at a time."""

import pytest
import torch
from torch.func import jacfwd, vmap

from irg_kernels.families import beta, gamma
from pyro_irg.attach import CHUNK, attach, evaluate
from tests.adapters import pyro as adapter
from tests.paths import PATHS
from tests.shared.test_attach import check, draw_of

paths = pytest.mark.parametrize("path", PATHS, ids=str)


@pytest.fixture(autouse=True)
def float64():
    with adapter.precision("float64"):
        yield


def test_storage():
    """A draw has one of its own."""
    z, a = adapter.array([0.5, 2.0]), adapter.array([1.0, 3.0]).requires_grad_()
    assert attach((gamma.dz_da,), z, a).data_ptr() != z.data_ptr()
    with torch.no_grad():
        assert not attach((gamma.dz_da,), z, a).requires_grad


@paths
def test_double_backward(path):
    params = adapter.array(path.params).requires_grad_()
    (first,) = torch.autograd.grad(draw_of(adapter, path)(params), params, create_graph=True)
    rows = [torch.autograd.grad(slope, params, retain_graph=True)[0] for slope in first]
    check(adapter, path, torch.stack(rows), 2)


@paths
def test_nested_forward_mode_raises(path):
    """torch 2.13 returns 0 for it where the tangents of saved tensors are lost."""
    with pytest.raises(NotImplementedError, match=r"nested forward mode .* write torch\.func\.jacfwd"):
        jacfwd(jacfwd(draw_of(adapter, path)))(adapter.array(path.params))


def test_vmap_of_attach():
    xs = adapter.array([-3.0, -0.5, 0.0, 2.0])
    columns = adapter.array([0.3, 1.0, 4.0, 20.0]), adapter.array([2.0, 0.7, 4.0, 3.0])
    leaves = [column.clone().requires_grad_() for column in columns]
    z = vmap(lambda x, a, b: attach((beta.dlogit_da, beta.dlogit_db), x, a, b))(xs, *leaves)
    for kernel, slope in zip((beta.dlogit_da, beta.dlogit_db), torch.autograd.grad(z.sum(), leaves), strict=True):
        torch.testing.assert_close(slope, evaluate(kernel, xs, *columns), rtol=1e-12, atol=0)


def test_one_parameter_without_derivative():
    """No gradient, where another has one."""
    z, a, rate = adapter.array([0.5, 2.0]), adapter.array([1.0, 3.0]).requires_grad_(), adapter.array([1.0, 1.0])
    rate.requires_grad_()
    attach((lambda xp, z, a, rate: gamma.dz_da(xp, z, a), None), z, a, rate).sum().backward()
    assert rate.grad is None
    torch.testing.assert_close(a.grad, evaluate(gamma.dz_da, z, a.detach()), rtol=1e-14, atol=0)


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
