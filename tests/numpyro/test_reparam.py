"""`implicit`, NumPyro's reparameterizers of ours, and `check_reparameterized`: stock programs with right gradients."""

import copy
import functools
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro import handlers
from numpyro.contrib.funsor import config_enumerate
from numpyro.distributions import constraints
from numpyro.infer import HMC, MCMC, SVI, Predictive, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.reparam import LocScaleReparam
from numpyro.optim import SGD, Adam

import numpyro_irg.distributions as dist
from numpyro_irg import AutoImplicit, ImplicitReparam, check_reparameterized, implicit, registered
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import ANGLES, CONJUGATES, PRECISION, PRIOR_ANGLE

KEY = jax.random.key(6)
VON_MISES = next(c for c in CONJUGATES if c.family == "VonMises")


# values of the sites of `angles`, so that no test compiles a sampler, or the choice of a minibatch, without need
VALUES = {"direction": 0.25, "rate": jnp.ones(3), "level": 0.5, "shares": jnp.array([0.5, 0.75]), "x": 0.5, "z": 0.5}
VALUES["rows"] = jnp.arange(3)  # of the plate
VALUES = {name: jnp.asarray(value) for name, value in VALUES.items()}


def trace_of(program, *args):
    return handlers.trace(handlers.seed(handlers.substitute(program, VALUES), KEY)).get_trace(*args)


def types(program, *args):
    """Site -> class of its distribution, without its batch wrappers."""
    laws = {name: site["fn"] for name, site in trace_of(program, *args).items() if site["type"] == "sample"}
    return {name: type(getattr(fn, "base_dist", fn)) for name, fn in laws.items()}


def angles():
    """Stock: a von Mises, a Gamma in a plate, a normal, an event of Betas, an observed Gamma."""
    numpyro.sample("direction", host.VonMises(0.5, 2.0))
    with numpyro.plate("rows", 10, subsample_size=3):
        numpyro.sample("rate", host.Gamma(2.0, 1.0))
        numpyro.sample("seen", host.Gamma(2.0, 1.0), obs=jnp.ones(3))
    numpyro.sample("level", host.Normal(0.0, 1.0))
    return numpyro.sample("shares", host.Beta(jnp.ones(2), 2.0).to_event(1))


OURS = {"direction": dist.VonMises, "rate": dist.Gamma, "level": host.Normal, "shares": dist.Beta}


# --------------------------------------------------------------------------------------------------------- implicit


def context(fn):
    def program(*args):
        with implicit():
            return fn(*args)

    return program


WAYS = {
    "function": implicit,
    "context manager": context,
    "decorator": lambda fn: implicit()(fn),
    "strict": lambda fn: implicit(fn, strict=True),
    "twice": lambda fn: implicit(implicit(fn)),
    "strategy": lambda fn: handlers.reparam(fn, config=AutoImplicit()),
    "callable config": lambda fn: handlers.reparam(
        fn, config=lambda site: ImplicitReparam() if site["name"] in OURS and site["name"] != "level" else None
    ),
    "dict config": lambda fn: handlers.reparam(
        fn, config={name: ImplicitReparam() for name in OURS if name != "level"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_latent_sites_are_exchanged(way):
    """Names, shapes and densities stay; what is observed stays as it is."""
    program = WAYS[way](angles)
    trace, again = trace_of(angles), trace_of(program)
    assert list(again) == list(trace)
    found = types(program)
    assert {name: found[name] for name in OURS} == OURS
    if "strategy" not in way:  # a strategy takes every site that has a twin
        assert found["seen"] is host.Gamma
    for name in OURS:
        old, new = trace[name], again[name]
        assert new["fn"].shape() == old["fn"].shape()
        np.testing.assert_allclose(
            new["fn"].log_prob(VALUES[name]), old["fn"].log_prob(VALUES[name]), rtol=2e-5, atol=1e-6
        )
    assert types(angles)["direction"] is host.VonMises  # nothing stays behind


def test_what_is_no_program():
    with pytest.raises(TypeError, match="implicit: fn must be a model or guide, a callable, got int"):
        implicit(3)


def test_conditioned_sites_keep_their_values():
    data = {"direction": jnp.array(0.25), "shares": jnp.array([0.5, 0.75])}
    for program in (
        handlers.condition(implicit(angles, strict=True), data),
        implicit(handlers.condition(angles, data)),
    ):
        others = {name: VALUES[name] for name in ("rate", "level", "rows")}
        trace = handlers.trace(handlers.seed(handlers.substitute(program, others), KEY)).get_trace()
        assert all(trace[name]["value"] is value and trace[name]["is_observed"] for name, value in data.items())


def test_together_with_other_reparameterizers():
    def model():
        return numpyro.sample("x", host.Normal(1.0, 2.0)) * numpyro.sample("direction", host.VonMises(0.5, 2.0))

    program = implicit(handlers.reparam(model, config={"x": LocScaleReparam(0.0)}), strict=True)
    assert types(program)["direction"] is dist.VonMises and "x_decentered" in types(program)


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
        assert made.mode() == 0.5 and made.strict and types(made)["x"] is dist.VonMises
    with pytest.raises(AttributeError, match="no_such_name"):
        wrapped.no_such_name  # noqa: B018
    with pytest.raises(AttributeError, match="'implicit' object has no attribute 'mode'"):
        implicit().mode  # noqa: B018


# --------------------------------------------------------------------------------------------------------- inference


def model():
    x = numpyro.sample("x", host.VonMises(**PRIOR_ANGLE))
    with numpyro.plate("data", len(ANGLES)):
        numpyro.sample("y", host.VonMises(x, PRECISION), obs=jnp.array(ANGLES))


def guide():
    loc = numpyro.param("loc", VON_MISES.guide["loc"])
    kappa = numpyro.param("concentration", VON_MISES.guide["concentration"], constraint=constraints.positive)
    numpyro.sample("x", host.VonMises(loc, kappa))


def elbo_gradients(model, guide, elbo, n, forward=False):
    """One step of gradient descent of length 1 from each of n keys: how far it goes is the ELBO's gradient."""
    svi = SVI(model, guide, SGD(1.0), elbo)
    state = jax.jit(svi.init)(KEY)

    @jax.jit
    @jax.vmap
    def step(key):
        now = state._replace(rng_key=key)
        before = svi.optim.get_params(state.optim_state)
        after = svi.optim.get_params(svi.update(now, forward_mode_differentiation=forward)[0].optim_state)
        return jax.tree.map(jnp.subtract, after, before)

    found = step(jax.random.split(KEY, n))
    return {name: np.asarray(slopes, dtype=np.float64) for name, slopes in found.items()}


def errors(found, truth):
    """Standard errors between the mean gradient and the truth; after - before has an absolute error of 1e-7 or so."""
    return {name: standardised(found[name], np.asarray(t), rtol=2e-5).max() for name, t in truth.items()}


@pytest.mark.parametrize("forward", [False, True], ids=["reverse", "forward"])
def test_svi_with_a_stock_guide_is_unbiased(forward):
    found = elbo_gradients(model, implicit(guide, strict=True), Trace_ELBO(), 50_000, forward)
    assert max(errors(found, VON_MISES.gradient()).values()) < STANDARD_ERRORS


def test_the_hosts_von_mises_is_wrong():
    """Alone it raises in reverse mode, through its rejection loop, and in forward mode loses the concentration.

    (One slope in 1,700 is NaN.)"""
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        elbo_gradients(model, guide, Trace_ELBO(), 2)
    found = elbo_gradients(model, guide, Trace_ELBO(), 50_000, forward=True)
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


def test_registered_is_enough():
    with registered():
        assert types(lambda: numpyro.sample("x", host.VonMises(0.0, 1.0)))["x"] is dist.VonMises


def rates():
    x = numpyro.sample("x", host.Gamma(2.0, 0.5))
    numpyro.sample("y", host.Poisson(x), obs=jnp.array([3, 0, 4]))


def test_autoguide():
    """Parameters, median, quantiles and draws of the posterior are the guide's own; training is the same."""
    trained = []
    for wrap in (lambda guide: guide, implicit):
        auto = wrap(AutoNormal(rates))
        result = SVI(rates, auto, Adam(0.05), Trace_ELBO()).run(KEY, 20, progress_bar=False)
        draws = auto.sample_posterior(KEY, result.params, sample_shape=(5,))
        trained.append(
            (result.losses, result.params, auto.median(result.params), draws, auto.quantiles(result.params, 0.9))
        )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), *trained)


def test_hmc_takes_the_same_path():
    """Densities are equal, so that the same key gives the same chain."""
    chains = []
    for wrap in (lambda model: model, lambda model: implicit(model, strict=True)):
        mcmc = MCMC(
            HMC(wrap(rates), num_steps=3, trajectory_length=None), num_warmup=5, num_samples=10, progress_bar=False
        )
        mcmc.run(KEY)
        chains.append(mcmc.get_samples()["x"])
    np.testing.assert_allclose(*chains, rtol=1e-4)


# ---------------------------------------------------------------------------------------------------- no silent bias


def mixture(logits):
    return host.MixtureSameFamily(host.Categorical(logits=logits), host.Normal(jnp.array([-1.0, 2.0]), 1.0))


def hurdle(gate):
    return host.HurdleLogNormal(gate=jax.nn.sigmoid(gate), loc=1.0, scale=0.25)


# what NumPyro's Trace_ELBO gets wrong without a word: the guide's law of its real parameter, the parameter, the model's
# law, and the ELBO as a function of the parameter
def elbo_of_mixture(logits):
    z = jnp.linspace(-9.0, 10.0, 4001)
    density = jnp.exp(mixture(logits).log_prob(z))
    return (density * (host.Normal(1.0, 2.0).log_prob(z) - jnp.log(density))).sum() * (z[1] - z[0])


def elbo_of_bernoulli(logit):
    p = jax.nn.sigmoid(logit)
    return p * jnp.log(0.7 / p) + (1.0 - p) * jnp.log(0.3 / (1.0 - p))


def elbo_of_hurdle(gate):
    """The positive parts of model and guide are the same law: the difference is that of the gates."""
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
    law, start, prior, elbo = BIASED[name]

    def model():
        numpyro.sample("z", prior())

    def guide():
        numpyro.sample("z", law(numpyro.param("param", start)))

    truth = {"param": jax.grad(elbo)(start)}
    stock = elbo_gradients(model, guide, Trace_ELBO(), 20_000)
    assert errors(stock, truth)["param"] > STANDARD_ERRORS
    graph = elbo_gradients(model, guide, TraceGraph_ELBO(), 20_000)
    assert errors(graph, truth)["param"] < STANDARD_ERRORS
    if name == "mixture":  # which has a twin
        for loss in (Trace_ELBO(), TraceMeanField_ELBO()):
            ours = elbo_gradients(model, implicit(guide, strict=True), loss, 20_000)
            assert errors(ours, truth)["param"] < STANDARD_ERRORS
        check_reparameterized(implicit(guide))
        return
    for loss in (Trace_ELBO(), TraceMeanField_ELBO()):
        with pytest.raises(ValueError, match=r"implicit\(strict=True\): site 'z' is not reparameterized: .*TraceGraph"):
            SVI(model, implicit(guide, strict=True), Adam(0.1), loss).init(KEY)
    with pytest.raises(ValueError, match="check_reparameterized: site 'z' is not reparameterized"):
        check_reparameterized(guide)


# the law of a guide's latent -> what is said of it
FAULTS = {
    "mixture": (
        lambda: host.MixtureSameFamily(host.Categorical(logits=jnp.zeros(2)), host.Dirichlet(jnp.ones((2, 3)))),
        "MixtureSameFamily; use TraceGraph_ELBO, or give the class a twin with",
    ),
    "Bernoulli": (
        lambda: host.BernoulliLogits(0.5),
        "BernoulliLogits; use TraceGraph_ELBO, TraceEnum_ELBO with infer={'enumerate': 'parallel'}, or sum it out",
    ),
    "hurdle": (lambda: hurdle(0.5), "HurdleLogNormal; use TraceGraph_ELBO, or give the class a twin with"),
    "event": (
        lambda: host.BernoulliLogits(jnp.zeros(2)).expand((3, 2)).to_event(1),
        "Independent of BernoulliLogits; use TraceGraph_ELBO, TraceEnum_ELBO",
    ),
    "Levy": (lambda: host.Levy(0.0, 1.0), "Levy; use TraceGraph_ELBO, or give the class"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name):
    make, text = FAULTS[name]

    def guide():
        return numpyro.sample("z", make())

    with pytest.raises(ValueError, match=re.escape("check_reparameterized: site 'z' is not reparameterized: " + text)):
        check_reparameterized(guide)
    with pytest.raises(ValueError, match=re.escape("implicit(strict=True): site 'z' is not reparameterized: " + text)):
        trace_of(implicit(guide, strict=True))
    trace_of(implicit(guide))  # left alone


def test_enumerated_sites_pass_strict():
    """Whichever of `implicit` and `config_enumerate` is outside."""

    def guide():
        k = numpyro.sample("k", host.BernoulliProbs(0.3))
        numpyro.sample("x", host.Gamma(2.0 + k, 1.0))

    for wrapped in (config_enumerate(implicit(guide, strict=True)), implicit(config_enumerate(guide), strict=True)):
        assert trace_of(wrapped)["k"]["infer"]["enumerate"] == "parallel"
        check_reparameterized(wrapped)
    with pytest.raises(ValueError, match="site 'k' is not reparameterized"):
        trace_of(implicit(guide, strict=True))


def test_check_names_every_site_and_leaves_no_trace():
    def guide(shift):
        numpyro.sample("a", host.VonMises(shift, 1.0))
        numpyro.sample("b", host.BernoulliProbs(0.5))
        with numpyro.plate("rows", 5, subsample_size=2):
            numpyro.sample("c", host.Normal(0.0, 1.0))

    with handlers.trace() as outer, pytest.raises(ValueError, match=r"(?s)site 'a' .*site 'b' ") as error:
        check_reparameterized(guide, shift=0.5)
    assert not outer and "'c'" not in str(error.value) and "'rows'" not in str(error.value)
    check_reparameterized(handlers.substitute(implicit(angles, strict=True), VALUES))


def test_reparam_refuses_what_has_no_twin():
    program = handlers.reparam(
        lambda: numpyro.sample("z", host.Normal(jnp.zeros(2), 1.0).to_event(1)), config={"z": ImplicitReparam()}
    )
    with pytest.raises(ValueError, match="site 'z' has a distribution without implicit twin, Indep"):
        trace_of(program)
