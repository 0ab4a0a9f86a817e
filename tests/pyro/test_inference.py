"""The rest of Pyro's inference over our distributions, in guides and in models."""

import pickle

import numpy as np
import pyro
import pytest
import torch
from mpmath import mp
from pyro.infer import JitTrace_ELBO
from pyro.poutine import trace

import pyro_irg.distributions as dist
from tests.adapters.pyro import numpy
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES
from tests.matrix import MODELS

families = pytest.mark.parametrize("family", MODELS, ids=str)
conjugates = {conjugate.family: conjugate for conjugate in CONJUGATES}


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(4)


def tensors(params):
    return {name: torch.tensor(value) for name, value in params.items()}


# ----------------------------------------------------------------------------------------------------- transformations


def elbo(family, params):
    """One draw's, from a guide that takes its parameters as arguments."""

    def guide():
        return pyro.sample("x", getattr(dist, family.name)(**params, validate_args=False))

    sites = trace(guide).get_trace()
    x, q = (sites.nodes["x"][key] for key in ("value", "fn"))
    prior = getattr(dist, family.name)(**tensors(family.prior), validate_args=False)
    residual = family.y - family.function(torch, x)
    return prior.log_prob(x) - q.log_prob(x) - 0.5 * residual**2


@families
def test_functional_gradients(family):
    """`torch.func.vmap` of `torch.func.grad` through a guide: 2000 gradients of one draw each."""
    gradient = torch.func.grad(lambda params, _: elbo(family, params))
    each = torch.func.vmap(gradient, (None, 0), randomness="different")(tensors(family.guide), torch.zeros(2000))
    for name, truth in family.gradient("Trace", "plate").items():
        assert (standardised(numpy(each[name]), truth, rtol=1e-5) < STANDARD_ERRORS).all(), name


def jit_gradients(family, params, prior, function):
    """A function of new values for the parameters: the gradient of a traced ELBO, a mean over 5000 draws."""
    n = 5000

    def model():
        with pyro.plate("copies", n):
            x = pyro.sample("x", getattr(dist, family)(**tensors(prior)))
            function(x)

    def guide():
        with pyro.plate("copies", n):
            found = {
                name: pyro.param(name, value.expand(n, *value.shape).clone(), event_dim=value.dim())
                for name, value in tensors(params).items()
            }
            pyro.sample("x", getattr(dist, family)(**found))

    loss = JitTrace_ELBO(ignore_jit_warnings=True)

    def evaluate(**new):
        loss.loss_and_grads(model, guide)  # traces on the first call
        leaves = pyro.get_param_store()._params
        for name, leaf in leaves.items():
            leaf.grad = None
            leaf.data = leaf.data * 0.0 + new.get(name, leaf.data)
        loss.loss_and_grads(model, guide)
        return {name: -numpy(leaf.grad) for name, leaf in leaves.items()}

    return evaluate


jit = pytest.mark.filterwarnings("ignore:`torch.jit.trace` is deprecated:DeprecationWarning")


@jit
@pytest.mark.parametrize("family", [family for family in MODELS if family.name != "VonMises"], ids=str)
def test_jit(family):
    """`JitTrace_ELBO` draws anew at each call."""

    def observe(x):
        pyro.sample("y", dist.Normal(family.function(torch, x), 1.0), obs=torch.tensor(family.y))

    found = jit_gradients(family.name, family.guide, family.prior, observe)()
    for name, truth in family.gradient("Trace", "plate").items():
        assert (standardised(found[name], truth, rtol=1e-5) < STANDARD_ERRORS).all(), name


@jit
def test_jit_with_another_shape():
    """A shape below 1 needs another sampler than the one it was traced with; -KL(Gamma(a, 2), Gamma(0.15, 2))."""
    evaluate = jit_gradients(
        "Gamma", {"concentration": 2.0, "rate": 2.0}, {"concentration": 0.15, "rate": 2.0}, lambda x: None
    )
    truth = (0.15 - 0.1) * mp.psi(1, 0.1)
    found = evaluate(concentration=0.1)["concentration"]
    assert standardised(found, np.array(float(truth)), rtol=1e-5) < STANDARD_ERRORS


REJECTING = {
    "VonMises": lambda k: dist.VonMises(0.0, k),
    "VonMisesFisher": lambda k: dist.VonMisesFisher(torch.tensor([1.0, 0.0, 0.0]), k),
    "SineBivariateVonMises": lambda k: dist.SineBivariateVonMises(0.0, 0.0, k, 1.0, correlation=0.5),
}


@jit
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", REJECTING)
def test_jit_refuses_rejections(name):
    with pytest.raises(NotImplementedError, match=rf"^{name}: torch\.jit\.trace.*write Trace_ELBO"):
        torch.jit.trace(lambda k: REJECTING[name](k).rsample(), (torch.tensor(2.0),))


class Guide(pyro.nn.PyroModule):
    def __init__(self):
        super().__init__()
        self.rate = pyro.nn.PyroParam(torch.tensor(2.0), constraint=dist.constraints.positive)
        self.distribution = dist.VonMises(0.3, 2.0)

    def forward(self):
        return pyro.sample("x", dist.Gamma(3.0, self.rate)), pyro.sample("angle", self.distribution)


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle"])
def test_pickled_guide(pickler):
    pickler = pytest.importorskip(pickler)
    guide = Guide()
    twin = pickle.loads(pickler.dumps(guide))
    drawn = []
    for module in (guide, twin):
        pyro.set_rng_seed(4)
        drawn.append(module())
    assert drawn[0] == drawn[1] and type(twin.distribution) is dist.VonMises
