"""Models whose evidence is known, and guides for them: what the tests of the Hamiltonian guide share."""

import math

import pyro
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoNormal

import pyro_irg.distributions as dist
from tests import hamiltonian
from tests.adapters import pyro as adapter
from tests.adapters.pyro import numpy

LEAPFROG = {"base": AutoNormal, "transition": "leapfrog"}
"""The paper's steps over a mean-field base."""

DATA = torch.tensor(hamiltonian.DATA, dtype=torch.float32)

SHARED = hamiltonian.shared(adapter)
banana = hamiltonian.banana(adapter)


def local_model(x, size=None):
    """z_i ~ N(0, 1), x_i ~ N(z_i + bias, 0.5): log p(x_i) = log N(x_i; bias, sqrt(1.25))."""
    bias = pyro.param("bias", lambda: torch.tensor(0.2))
    with pyro.plate("data", len(DATA), subsample_size=size) as rows:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z + bias, 0.5), obs=x[rows])


def local_guide(x, size=None):
    slope = pyro.param("slope", lambda: torch.tensor(0.6))
    with pyro.plate("data", len(DATA), subsample_size=size) as rows:
        pyro.sample("z", dist.Normal(slope * x[rows], 0.7))


def local_evidence(x, bias=0.2):
    return torch.distributions.Normal(bias, math.sqrt(1.25)).log_prob(x)


def global_model(x):
    return SHARED.model(x)


def global_guide(x):
    return SHARED.base(x)


def global_evidence(x):
    n = len(x)
    return torch.distributions.MultivariateNormal(torch.zeros(n), torch.eye(n) + torch.ones(n, n)).log_prob(x)


def mixed_model(x, size=None):
    """mu ~ N(0, 1), z_i ~ N(mu, 1), x_i ~ N(z_i, 0.5)."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x), subsample_size=size) as rows:
        z = pyro.sample("z", dist.Normal(mu, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x[rows])


def mixed_guide(x, size=None):
    mu = pyro.sample("mu", dist.Normal(0.3, 0.6))
    with pyro.plate("data", len(x), subsample_size=size) as rows:
        pyro.sample("z", dist.Normal(0.7 * x[rows] + 0.2 * mu, 0.5))


def mixed_evidence(x):
    n = len(x)
    cov = 1.25 * torch.eye(n) + torch.ones(n, n)
    return torch.distributions.MultivariateNormal(torch.zeros(n), cov).log_prob(x)


def loss(model, guide, *args, elbo=Trace_ELBO, seed=1, **options):
    pyro.set_rng_seed(seed)
    return elbo(**options).loss(model, guide, *args)


def assert_mean_weight(model, guide, *args, exact, **options):
    hamiltonian.check_mean_weight(adapter, model, guide, None, *args, exact=numpy(exact), **options)
