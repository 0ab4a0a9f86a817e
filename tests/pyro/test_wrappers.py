"""Pyro's reparameterizers around our classes: none reaches past a class's own draw."""

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import reparam

import pyro_irg.distributions as dist


@pytest.mark.parametrize("config", [reparam.AutoReparam(), reparam.MinimalReparam()], ids=lambda c: type(c).__name__)
def test_a_reparameterizer_draws_by_our_method(config, monkeypatch):
    calls, own = [], dist.InverseGamma.rsample
    monkeypatch.setattr(dist.InverseGamma, "rsample", lambda self, *args: calls.append(self) or own(self, *args))

    def program():
        return pyro.sample("x", dist.InverseGamma(torch.tensor([1.5, 2.5]), 2.0))

    poutine.trace(poutine.reparam(program, config=config)).get_trace()
    assert calls
