"""Pyro's wrappers around our classes: none reaches past a class's own draw."""

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro import poutine
from pyro.distributions import transforms as T
from pyro.infer import reparam

import pyro_irg.distributions as dist

TWO = torch.tensor([1.5, 2.5])
CLASSES = {
    "AffineBeta": lambda: dist.AffineBeta(TWO, TWO, TWO, TWO),
    "Beta": lambda: dist.Beta(TWO, TWO),
    "Chi2": lambda: dist.Chi2(TWO),
    "ContinuousBernoulli": lambda: dist.ContinuousBernoulli(TWO / 5.0),
    "Gamma": lambda: dist.Gamma(TWO, TWO),
    "InverseGamma": lambda: dist.InverseGamma(TWO, TWO),
    "LogGamma": lambda: dist.LogGamma(TWO, TWO),
    "StudentT": lambda: dist.StudentT(TWO, TWO, TWO),
    "VonMises": lambda: dist.VonMises(0.1 * TWO, TWO),
}
WRAPPERS = {
    "TransformedDistribution": lambda fn: host.TransformedDistribution(fn, T.AffineTransform(1.0, 2.0)),
    "one around another": lambda fn: host.TransformedDistribution(
        host.TransformedDistribution(fn, T.AffineTransform(1.0, 2.0)), T.AffineTransform(1.0, 2.0)
    ),
    "FoldedDistribution": lambda fn: host.FoldedDistribution(fn) if fn.support is host.constraints.real else fn,
    "Independent": lambda fn: fn.to_event(1),
    "expand": lambda fn: fn.expand((3, 2)),
    "expand_by": lambda fn: fn.expand_by((3,)),
    "ExpandedDistribution": lambda fn: host.ExpandedDistribution(fn, torch.Size((3, 2))),
    "mask": lambda fn: fn.mask(torch.tensor([True, False])),
    "MaskedMixture": lambda fn: host.MaskedMixture(torch.tensor([True, False]), fn, fn),
    "MixtureSameFamily": lambda fn: host.MixtureSameFamily(host.Categorical(logits=torch.zeros(2)), fn),
}


@pytest.fixture
def calls(monkeypatch):
    """Which of our classes have drawn."""
    found = set()
    for name in CLASSES:
        cls = getattr(dist, name)

        def rsample(self, *args, _own=cls.rsample, _name=name, **kwargs):
            found.add(_name)
            return _own(self, *args, **kwargs)

        monkeypatch.setattr(cls, "rsample", rsample)
    return found


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", CLASSES)
def test_a_wrapper_draws_by_our_method(name, wrapper, calls):
    wrapped = WRAPPERS[wrapper](CLASSES[name]())
    (wrapped.rsample if wrapped.has_rsample else wrapped.sample)(torch.Size((2,)))
    assert name in calls


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("StudentT", reparam.LocScaleReparam(0.5, shape_params=("df",))),
        ("InverseGamma", reparam.AutoReparam()),
        ("InverseGamma", reparam.MinimalReparam()),
    ],
    ids=["LocScaleReparam", "AutoReparam", "MinimalReparam"],
)
def test_a_reparameterizer_draws_by_our_method(name, config, calls):
    def program():
        return pyro.sample("x", CLASSES[name]())

    config = config if isinstance(config, reparam.strategies.Strategy) else {"x": config}
    poutine.trace(poutine.reparam(program, config=config)).get_trace()
    assert name in calls
