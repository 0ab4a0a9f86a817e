"""Values of kernels by NumPy: when they are, and that they are torch's."""

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from irg_kernels.families import beta, gamma
from irg_kernels.generic import by_region
from pyro_irg import by_numpy
from pyro_irg.attach import attach, evaluate
from pyro_irg.distributions import Beta, Dirichlet, Gamma, StudentT, VonMises

X, A = torch.tensor([0.1, 1.0, 7.0]), torch.tensor([0.5, 2.0, 5.0])
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


@pytest.fixture
def by_torch(monkeypatch):
    """A function that has torch compute what follows."""

    def switch():
        monkeypatch.setattr(by_numpy, "serves", lambda kernels, args: False)

    return switch


def test_serves_values_of_small_batches():
    assert by_numpy.serves((gamma.dz_da, None), (X, A))
    assert by_numpy.serves((gamma.dz_da,), (X.double(), A.double()))
    assert by_numpy.serves((gamma.dz_da,), (X[0], A[0]))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace` is deprecated")
def test_serves_nothing_that_is_differentiated(monkeypatch):
    tracked = A.clone().requires_grad_()
    assert not by_numpy.serves((gamma.dz_da,), (X, tracked))
    with torch.no_grad():
        assert by_numpy.serves((gamma.dz_da,), (X, tracked))
    with forward_ad.dual_level():
        assert not by_numpy.serves((gamma.dz_da,), (X, A))
    seen = []
    torch.func.vmap(lambda x: seen.append(by_numpy.serves((gamma.dz_da,), (x, x))) or x)(X)
    torch.jit.trace(lambda x: seen.append(by_numpy.serves((gamma.dz_da,), (x, x))) or x + 1.0, X, check_trace=False)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    seen.append(by_numpy.serves((gamma.dz_da,), (X, A)))
    assert seen and not any(seen)


def test_serves_no_other_arrays_and_kernels(monkeypatch):
    assert not by_numpy.serves((lambda xp, x, a: torch.exp(x),), (X, A))
    assert not by_numpy.serves((gamma.dz_da,), (X.half(), A.half()))
    assert not by_numpy.serves((gamma.dz_da,), (X.to("meta"), A))
    assert not by_numpy.serves((gamma.dz_da,), (X, torch.nn.Parameter(A)))
    assert not by_numpy.serves((gamma.dz_da,), (torch._neg_view(X), A))
    many = torch.ones(by_numpy.FEW + 1)
    monkeypatch.setattr(by_numpy, "_is_wide", lambda: False)
    assert not by_numpy.serves((gamma.dz_da,), (many, many))


@PRECISIONS
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)], ids=str)
def test_values_are_as_torch_computes_them(dtype, shape, by_torch):
    """In any shape, of views too, and with NaN and infinities where torch has them."""
    x = torch.linspace(-3.0, 3.0, 60, dtype=dtype)[: int(np.prod(shape))].reshape(shape)
    a = torch.tensor(2.5, dtype=dtype).expand(shape)
    found = evaluate(beta.dlogit_da, x, a, a)
    ends = evaluate(
        gamma.FAMILY.log_density, *torch.tensor([[0.0, 1e300, torch.nan], [0.5] * 3, [1.0] * 3], dtype=dtype)
    )
    by_torch()
    eps = torch.finfo(dtype).eps
    assert found.dtype == dtype
    torch.testing.assert_close(found, evaluate(beta.dlogit_da, x, a, a), rtol=30 * eps, atol=0.0)
    args = torch.tensor([[0.0, 1e300, torch.nan], [0.5] * 3, [1.0] * 3], dtype=dtype)
    torch.testing.assert_close(ends, evaluate(gamma.FAMILY.log_density, *args), rtol=4 * eps, atol=0.0, equal_nan=True)


LARGE = 30_000
DISTRIBUTIONS = {
    "Gamma": lambda a, b: Gamma(a, b),
    "Beta": lambda a, b: Beta(a, b),
    "Dirichlet": lambda a, b: Dirichlet((a * b).reshape(-1, 10)),
    "StudentT": lambda a, b: StudentT(a, b, b),
    "VonMises": lambda a, b: VonMises(b, a),
}


@PRECISIONS
@pytest.mark.parametrize("count", [50, LARGE])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_gradients_are_as_torch_computes_them(name, count, dtype, by_torch, monkeypatch):
    """Over all regions, in one piece and by chunks."""
    random = np.random.default_rng(0)
    columns = np.exp(random.uniform(np.log(0.05), np.log(500.0), (2, count)))
    monkeypatch.setattr(by_numpy, "_is_wide", lambda: True)
    found = []
    for step in range(2):
        params = [torch.tensor(c, dtype=dtype).requires_grad_() for c in columns]
        torch.manual_seed(0)
        draw = DISTRIBUTIONS[name](*params).rsample()
        found.append(
            torch.stack(
                torch.autograd.grad((draw * torch.linspace(0.5, 2.0, draw.numel()).view_as(draw)).sum(), params)
            )
        )
        if not step:
            by_torch()
    # of tame regions the two round differently what cancels: 6e-13 of a digamma
    eps = 1e-5 if dtype == torch.float32 else 1e-11
    torch.testing.assert_close(found[0], found[1], rtol=eps, atol=eps)


def test_cotangents_of_every_kind():
    """Side by side, and views whose numbers are not as they are stored."""
    a = A.clone().requires_grad_()
    draw = attach((gamma.dlogz_da,), X, a, by_region=by_region.GAMMA_LOG._replace(least=0))
    (plain,) = torch.autograd.grad(draw, a, torch.ones(3), retain_graph=True)
    (rows,) = torch.autograd.grad(draw, a, torch.eye(3), retain_graph=True, is_grads_batched=True)
    torch.testing.assert_close(rows, plain.diag(), rtol=1e-6, atol=0.0)
    (turned,) = torch.autograd.grad(draw, a, torch._neg_view(torch.ones(3)), retain_graph=True)
    torch.testing.assert_close(turned, -plain, rtol=1e-6, atol=0.0)
    (spread,) = torch.autograd.grad(draw, a, torch.ones(()).expand(3))
    torch.testing.assert_close(spread, plain, rtol=0.0, atol=0.0)


def test_a_double_backward_is_torchs():
    a = A.double().requires_grad_()
    draw = attach((gamma.dz_da,), X.double(), a)
    (slope,) = torch.autograd.grad(draw.sum(), a, create_graph=True)
    assert slope.requires_grad
    (values,) = torch.autograd.grad(attach((gamma.dz_da,), X.double(), a).sum(), a)
    torch.testing.assert_close(values, slope.detach(), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("validate_args", [None, True, False])
@pytest.mark.parametrize("make", [Beta, lambda a, b, **kwargs: StudentT(a, 0.0, b, **kwargs)])
def test_checks_that_one_look_saves(make, validate_args):
    """What is wrong is still named, and the setting is as the host leaves it."""
    distribution = make(X, A, validate_args=validate_args)
    assert distribution._validate_args is (validate_args is not False)
    assert ("_validate_args" in distribution.__dict__) is (validate_args is not None)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        bad = A.clone()
        bad[1] = wrong
        if validate_args is False:
            make(X, bad, validate_args=False)
            continue
        with pytest.raises(ValueError, match="Expected parameter"):
            make(X, bad, validate_args=validate_args)


@pytest.mark.filterwarnings("error")
@PRECISIONS
def test_the_look_at_parameters_warns_of_nothing(dtype):
    """Not of locations whose sum overflows, which are valid, nor of infinities, which the error names."""
    most, one = torch.finfo(dtype).max, torch.ones(2, dtype=dtype)
    StudentT(one, torch.tensor([most, most], dtype=dtype), one)
    with pytest.raises(ValueError, match=r"parameter loc .* to be finite"):
        StudentT(one, torch.tensor([np.inf, -np.inf], dtype=dtype), one)
