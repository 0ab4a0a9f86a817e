"""`implicit`, NumPyro's reparameterizers of ours, and `check_reparameterized`: stock programs with right gradients."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.infer import SVI, Predictive, Trace_ELBO, TraceMeanField_ELBO
from numpyro.optim import Adam

import numpyro_irg.distributions as dist
from numpyro_irg import check_reparameterized, implicit
from tests.adapters import numpyro as adapter
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import ANGLES, CONJUGATES

KEY = jax.random.key(6)
VON_MISES = next(c for c in CONJUGATES if c.family == "VonMises")
model, guide = VON_MISES.programs(adapter, host)


# --------------------------------------------------------------------------------------------------------- inference


class Compass:
    """A stock guide with a method."""

    def __init__(self, loc):
        self.loc = loc

    def __call__(self):
        return numpyro.sample("x", host.VonMises(self.loc, 1.0))

    def mode(self):
        return self.loc


def test_methods_and_copies():
    wrapped = implicit(Compass(0.5), strict=True)
    for made in (wrapped, copy.deepcopy(wrapped), copy.copy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        sites = adapter.trace_at(made, {"x": jnp.array(0.5)})
        assert made.mode() == 0.5 and made.strict and type(sites["x"]["fn"]) is dist.VonMises
    with pytest.raises(AttributeError, match="no_such_name"):
        wrapped.no_such_name  # noqa: B018
    with pytest.raises(AttributeError, match="'implicit' object has no attribute 'mode'"):
        implicit().mode  # noqa: B018


def errors(found, truth):
    """Standard errors between the mean gradient and the truth; after - before has an absolute error of 1e-7 or so."""
    return {name: standardised(found[name], np.asarray(t), rtol=2e-5).max() for name, t in truth.items()}


def test_stock_guide_is_unbiased_in_forward_mode():
    """As in reverse mode, which `shared/test_svi.py` has."""
    found = adapter.elbo_gradients(model, implicit(guide, strict=True), forward=True)
    assert max(errors(found, VON_MISES.gradient()).values()) < STANDARD_ERRORS


def test_the_hosts_von_mises_is_wrong():
    """Alone it raises in reverse mode, through its rejection loop, and in forward mode loses the concentration.

    (One slope in 1,700 is NaN.)"""
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        adapter.elbo_gradients(model, guide, n=2)
    found = adapter.elbo_gradients(model, guide, forward=True)
    found = {name: slopes[np.isfinite(slopes)] for name, slopes in found.items()}
    found = errors(found, VON_MISES.gradient())
    assert found["loc"] < STANDARD_ERRORS < found["concentration"]
    with pytest.raises(ValueError, match="site 'x' is not reparameterized: VonMises; wrap the guide in"):
        check_reparameterized(guide)


def test_training_in_a_scan():
    """`svi.run` of 300 steps, jitted, with nothing of ours but `implicit`."""
    svi = SVI(implicit(model), implicit(guide, strict=True), Adam(0.05), Trace_ELBO(num_particles=20))
    result = svi.run(KEY, 300, progress_bar=False)
    found = {name: float(result.params[name]) for name in VON_MISES.guide}
    assert VON_MISES.gap(VON_MISES.guide) > 0.5 and 0.0 <= VON_MISES.gap(found) < 2e-2
    # parameters of a trained guide, and its draws
    draws = Predictive(model, guide=implicit(guide), params=result.params, num_samples=7)(KEY)
    assert draws["y"].shape == (7, len(ANGLES))


# ---------------------------------------------------------------------------------------------------- no silent bias


def mixture(logits):
    return host.MixtureSameFamily(host.Categorical(logits=logits), host.Normal(jnp.array([-1.0, 2.0]), 1.0))


def hurdle(gate):
    return host.HurdleLogNormal(gate=jax.nn.sigmoid(gate), loc=1.0, scale=0.25)


# what NumPyro's Trace_ELBO gets wrong without a word: the guide's distribution of its real parameter, the parameter,
# the model's, and the ELBO as a function of the parameter
def elbo_of_mixture(logits):
    z = jnp.linspace(-9.0, 10.0, 4001)
    density = jnp.exp(mixture(logits).log_prob(z))
    return (density * (host.Normal(1.0, 2.0).log_prob(z) - jnp.log(density))).sum() * (z[1] - z[0])


def elbo_of_bernoulli(logit):
    p = jax.nn.sigmoid(logit)
    return p * jnp.log(0.7 / p) + (1.0 - p) * jnp.log(0.3 / (1.0 - p))


def elbo_of_hurdle(gate):
    """The positive parts of model and guide are the same: the difference is that of the gates."""
    p = jax.nn.sigmoid(gate)
    return p * jnp.log(0.3 / p) + (1.0 - p) * jnp.log(0.7 / (1.0 - p))


BIASED = {
    "mixture": (mixture, jnp.array([0.5, -0.5]), lambda: host.Normal(1.0, 2.0), elbo_of_mixture),
    "Bernoulli": (
        lambda logit: host.BernoulliLogits(logit),
        jnp.array(-0.5),
        lambda: host.BernoulliProbs(0.7),
        elbo_of_bernoulli,
    ),
    "hurdle": (
        hurdle,
        jnp.array(0.5),
        lambda: host.HurdleLogNormal(gate=jnp.array(0.3), loc=1.0, scale=0.25),
        elbo_of_hurdle,
    ),
}


# of a discrete latent NumPyro does warn
@pytest.mark.filterwarnings("ignore:Currently, SVI with .* does not support models with discrete latent variables")
@pytest.mark.parametrize("name", BIASED)
def test_silent_bias_of_the_host(name):
    """`Trace_ELBO` is wrong, `implicit` cures it or (with `strict`) raises, `TraceGraph_ELBO` is right."""
    make, start, prior, elbo = BIASED[name]

    def model():
        numpyro.sample("z", prior())

    def guide():
        numpyro.sample("z", make(numpyro.param("param", start)))

    truth = {"param": jax.grad(elbo)(start)}
    stock = adapter.elbo_gradients(model, guide, "Trace", 20_000)
    assert errors(stock, truth)["param"] > STANDARD_ERRORS
    graph = adapter.elbo_gradients(model, guide, "TraceGraph", 20_000)
    assert errors(graph, truth)["param"] < STANDARD_ERRORS
    if name == "mixture":  # which has a twin
        for loss in ("Trace", "TraceMeanField"):
            ours = adapter.elbo_gradients(model, implicit(guide, strict=True), loss, 20_000)
            assert errors(ours, truth)["param"] < STANDARD_ERRORS
        check_reparameterized(implicit(guide))
        return
    for loss in (Trace_ELBO(), TraceMeanField_ELBO()):
        with pytest.raises(ValueError, match=r"implicit\(strict=True\): site 'z' is not reparameterized: .*TraceGraph"):
            SVI(model, implicit(guide, strict=True), Adam(0.1), loss).init(KEY)
    with pytest.raises(ValueError, match="check_reparameterized: site 'z' is not reparameterized"):
        check_reparameterized(guide)
