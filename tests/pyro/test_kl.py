"""KL divergences in closed form: against mpmath, near 0 too, by the host's dispatch and in its ELBO."""

import math

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch.distributions import kl_divergence

import pyro_irg.distributions as dist
from tests.closed_forms import DIVERGENCE, DIVERGENCES, divergence

PAIRS = [(name, p, q) for name, (_, pairs) in DIVERGENCES.items() for p, q in pairs]


def make(module, name, params, dtype=torch.float64):
    return getattr(module, name)(*(torch.tensor(v, dtype=dtype) for v in params))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("name", "p", "q"), PAIRS, ids=str)
def test_value(name, p, q, precision):
    p, q = (tuple(np.array(v, dtype=precision).astype(float)) for v in (p, q))
    dtype = getattr(torch, precision)
    value = kl_divergence(make(dist, name, p, dtype), make(dist, name, q, dtype))
    assert value.dtype == dtype
    np.testing.assert_allclose(value.item(), divergence(name, p, q), rtol=DIVERGENCE[precision])
    same = make(dist, name, p, dtype)
    assert kl_divergence(same, same).item() == 0.0


@pytest.mark.parametrize(("name", "p", "q"), [pair for pair in PAIRS if pair[1][0] in (0.5, 2.5, 4.0)], ids=str)
def test_derivatives(name, p, q):
    """By every parameter of both, and of second order."""
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (*p, *q)]

    def value(*leaves):
        return kl_divergence(getattr(dist, name)(*leaves[: len(p)]), getattr(dist, name)(*leaves[len(p) :]))

    assert torch.autograd.gradcheck(value, leaves) and torch.autograd.gradgradcheck(value, leaves)


@pytest.mark.parametrize("name", ["Gamma", "Beta", "VonMises", "InverseGamma"])
def test_against_the_hosts_classes(name):
    p, q = (0.5, 2.0), (3.0, 0.25)
    expected = kl_divergence(make(dist, name, p), make(dist, name, q))
    assert torch.equal(kl_divergence(make(dist, name, p), make(host, name, q)), expected)
    assert torch.equal(kl_divergence(make(host, name, p), make(dist, name, q)), expected)


def test_relatives():
    """Chi2 and Exponential are Gammas; LogGamma and InverseGamma diverge as the Gamma; a Beta is a Dirichlet."""
    gamma = kl_divergence(make(dist, "Gamma", (1.5, 0.5)), make(dist, "Gamma", (1.0, 2.0)))
    one = torch.tensor(1.0, dtype=torch.float64)
    pairs = [
        (make(dist, "Chi2", (3.0,)), make(dist, "Gamma", (1.0, 2.0))),
        (make(dist, "Gamma", (1.5, 0.5)), host.Exponential(2.0 * one)),
        (make(dist, "LogGamma", (1.5, 0.5)), make(dist, "LogGamma", (1.0, 2.0))),
        (make(dist, "InverseGamma", (1.5, 0.5)), make(dist, "InverseGamma", (1.0, 2.0))),
    ]
    for p, q in pairs:
        torch.testing.assert_close(kl_divergence(p, q), gamma)
    turned = kl_divergence(make(dist, "Gamma", (1.0, 2.0)), make(dist, "Chi2", (3.0,)))
    torch.testing.assert_close(kl_divergence(host.Exponential(2.0 * one), make(dist, "Chi2", (3.0,))), turned)
    dirichlet = [dist.Dirichlet(torch.tensor(v, dtype=torch.float64)) for v in ([0.5, 2.0], [3.0, 0.25])]
    expected = kl_divergence(make(dist, "Beta", (0.5, 2.0)), make(dist, "Beta", (3.0, 0.25)))
    torch.testing.assert_close(kl_divergence(*dirichlet), expected)
    with pytest.raises(NotImplementedError):
        kl_divergence(make(dist, "StudentT", (3.0,)), make(dist, "StudentT", (4.0,)))


def test_uniform():
    """Over the whole circle or interval; infinite over less."""
    for p, low, high in [
        (make(dist, "VonMises", (0.5, 2.0)), -math.pi, math.pi),
        (make(dist, "Beta", (0.5, 2.0)), 0.0, 1.0),
    ]:
        ends = torch.tensor([low, high], dtype=torch.float64)
        value = kl_divergence(p, host.Uniform(*ends))
        torch.testing.assert_close(value, math.log(high - low) - p.entropy())
        wider = kl_divergence(p, host.Uniform(ends[0] - 1.0, ends[1] + 1.0))
        torch.testing.assert_close(wider, math.log(high - low + 2.0) - p.entropy())
        assert kl_divergence(p, host.Uniform(ends[0], 0.9 * ends[1])) == math.inf


def test_mean_field_elbo():
    """The ELBO of a model that is its prior alone has no noise: it is the closed form, with its gradient."""
    priors = {
        "angle": (dist.VonMises, (0.0, 2.0), (0.5, 7.0)),
        "rate": (dist.Gamma, (2.0, 1.0), (3.0, 0.5)),
        "share": (dist.Beta, (1.0, 1.0), (2.0, 5.0)),
    }

    def model():
        for name, (cls, prior, _) in priors.items():
            with pyro.plate(name + "s", 3):
                pyro.sample(name, cls(*map(torch.tensor, prior)))

    def guide():
        for name, (cls, _, start) in priors.items():
            first = pyro.param(name + "_", torch.tensor(start[0]))
            with pyro.plate(name + "s", 3):
                pyro.sample(name, cls(first, torch.tensor(start[1])))

    pyro.clear_param_store()
    closed = [
        3.0 * kl_divergence(cls(*map(torch.tensor, start)), cls(*map(torch.tensor, prior)))
        for cls, prior, start in priors.values()
    ]
    losses = [TraceMeanField_ELBO().loss_and_grads(model, guide) for _ in range(3)]
    np.testing.assert_allclose(losses, sum(closed).item(), rtol=1e-6)
    assert np.std([Trace_ELBO().loss(model, guide) for _ in range(3)]) > 0.1
    angle = pyro.get_param_store()._params["angle_"].grad / 3.0
    mean = 1.0 - dist.VonMises(0.0, 7.0).variance
    torch.testing.assert_close(angle, 3.0 * 2.0 * mean * torch.tensor(0.5).sin())
    pyro.clear_param_store()
