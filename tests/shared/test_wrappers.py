"""The hosts' wrappers around our classes: none reaches past a class's own draw."""

import numpy as np
import pytest

from tests.adapters import over

CLASSES = {
    "AffineBeta": lambda d, two: d.AffineBeta(two, two, two, two),
    "Beta": lambda d, two: d.Beta(two, two),
    "Chi2": lambda d, two: d.Chi2(two),
    "ContinuousBernoulli": lambda d, two: d.ContinuousBernoulli(two / 5.0),
    "Gamma": lambda d, two: d.Gamma(two, two),
    "InverseGamma": lambda d, two: d.InverseGamma(two, two),
    "LogGamma": lambda d, two: d.LogGamma(two, two),
    "StudentT": lambda d, two: d.StudentT(two, two, two),
    "VonMises": lambda d, two: d.VonMises(0.1 * two, two),
}


def transformed(a, fn):
    return a.host.TransformedDistribution(fn, a.transforms.AffineTransform(1.0, 2.0))


def weights(a, *batch):
    return a.host.Categorical(logits=a.array(np.zeros((*batch, 2))))


def flags(a, *values):
    return a.xp.asarray(np.array(values))


# those that one host alone has are left out for the other
WRAPPERS = {
    "TransformedDistribution": transformed,
    "one around another": lambda a, fn: transformed(a, transformed(a, fn)),
    "FoldedDistribution": lambda a, fn: a.host.FoldedDistribution(fn) if fn.support is a.constraints.real else fn,
    "Independent": lambda a, fn: fn.to_event(1),
    "expand": lambda a, fn: fn.expand((3, 2)),
    "expand_by": lambda a, fn: fn.expand_by((3,)),
    "ExpandedDistribution": lambda a, fn: a.host.ExpandedDistribution(fn, fn.expand((3, 2)).batch_shape),
    "mask": lambda a, fn: fn.mask(flags(a, True, False)),
    "MaskedMixture": lambda a, fn: a.host.MaskedMixture(flags(a, True, False), fn, fn),
    "MixtureSameFamily": lambda a, fn: a.host.MixtureSameFamily(weights(a), fn),
    "MixtureGeneral": lambda a, fn: a.host.MixtureGeneral(weights(a, 2), [fn, fn]),
    "HurdleDistribution": lambda a, fn: a.host.HurdleDistribution(fn, gate=0.3),
    "LeftCensoredDistribution": lambda a, fn: a.host.LeftCensoredDistribution(fn, flags(a, 1, 0)),
    "RightCensoredDistribution": lambda a, fn: a.host.RightCensoredDistribution(fn, flags(a, 1, 0)),
    "IntervalCensoredDistribution": lambda a, fn: a.host.IntervalCensoredDistribution(
        fn, flags(a, 1, 0), flags(a, 0, 1)
    ),
}
ALONE = {"expand_by": "pyro"}
CASES = {f"{name}-{wrapper}": (name, wrapper) for wrapper in WRAPPERS for name in CLASSES}


def there(adapter, case):
    name, wrapper = case
    has = hasattr(adapter.host, wrapper) if wrapper[0].isupper() else ALONE.get(wrapper, adapter.name) == adapter.name
    # NumPyro's mixtures are of components whose support does not move
    return has and not (adapter.name == "numpyro" and name == "AffineBeta" and wrapper.startswith("Mixture"))


@pytest.fixture
def calls(adapter, monkeypatch):
    """Which of our classes have drawn."""
    found = set()
    for name in CLASSES:
        cls = getattr(adapter.dist, name)
        own = getattr(cls, adapter.DRAWS)

        def draw(self, *args, _own=own, _name=name, **kwargs):
            found.add(_name)
            return _own(self, *args, **kwargs)

        monkeypatch.setattr(cls, adapter.DRAWS, draw)
    return found


def made(adapter, name):
    return CLASSES[name](adapter.dist, adapter.array([1.5, 2.5]))


@over(CASES, "case", when=there)
def test_a_wrapper_draws_by_our_method(adapter, case, calls):
    name, wrapper = case
    wrapped = WRAPPERS[wrapper](adapter, made(adapter, name))
    draw = adapter.draw if wrapped.has_rsample or not adapter.eager else adapter.detached_draw
    adapter.shapes(lambda key: draw(wrapped, key, (2,)), adapter.key(0))
    assert name in calls


def test_a_reparameterizer_draws_by_our_method(adapter, calls):
    config = {"x": adapter.LocScaleReparam(0.5, shape_params=("df",))}
    program = adapter.reparam(lambda: adapter.sample("x", made(adapter, "StudentT")), config=config)
    adapter.trace(program)
    assert "StudentT" in calls
