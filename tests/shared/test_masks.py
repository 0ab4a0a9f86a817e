"""Latents that the model masks out, with guides that do not repeat the mask."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.adapters import over

Y = np.array([1.0, 2.0, math.nan, 0.5])
SEEN = ~np.isnan(Y)
EVIDENCE = sum(math.log(2.0) - 3.0 * math.log1p(y) for y in Y[SEEN])  # -4.512: 2 / (1 + y)^3 each
NORMAL_EVIDENCE = stats.norm(0.0, math.sqrt(2.0)).logpdf(Y[SEEN]).sum()


class Programs:
    """Models and encoders, each a function of y."""

    def __init__(self, adapter):
        self.a, self.data = adapter, adapter.array(Y)

    def missing(self, y):
        return self.a.xp.isnan(y)

    def model(self, y):
        """z_i ~ Gamma(2, 1), y_i ~ Exponential(z_i), where there is a y_i."""
        a, mask = self.a, ~self.missing(y)
        with a.plate("data", len(y)), a.mask(mask=mask):
            z = a.sample("z", a.dist.Gamma(2.0, 1.0))
            a.sample("y", a.dist.Exponential(z), obs=a.xp.where(mask, y, 1.0))

    def encoder(self, y):
        a, xp = self.a, self.a.xp
        loc = xp.where(self.missing(y), 0.0, 0.8 - xp.log1p(xp.nan_to_num(y)))
        with a.plate("data", len(y)):
            a.sample("z", a.dist.LogNormal(loc, 0.6))

    def normal(self, y):
        """A prior whose KL from the guide's is known to `TraceMeanField_ELBO`; log p(y_i) = log N(y_i; 0, sqrt(2))."""
        a, mask = self.a, ~self.missing(y)
        with a.plate("data", len(y)), a.mask(mask=mask):
            z = a.sample("z", a.host.Normal(0.0, 1.0))
            a.sample("y", a.host.Normal(z, 1.0), obs=a.xp.where(mask, y, 1.0))

    def normal_encoder(self, y):
        with self.a.plate("data", len(y)):
            self.a.sample("z", self.a.host.Normal(0.5 * self.a.xp.nan_to_num(y), 0.8))

    def rows(self, distribution):
        """Events of two, of which the second is masked."""
        return distribution.expand((2,)).mask(self.a.xp.asarray(np.array([True, False]))).to_event(1)

    def nested(self, y):
        """As `model`, with rows of events: a mask over each row, and one over numbers of the rows' latents."""
        a, mask = self.a, ~self.missing(y)
        with a.plate("data", len(y)), a.mask(mask=mask):
            z = a.sample("z", self.rows(a.dist.Gamma(a.array(2.0), 1.0)))
            a.sample("y", a.dist.Exponential(z[..., 0]), obs=a.xp.where(mask, y, 1.0))

    def nested_encoder(self, y):
        with self.a.plate("data", len(y)):
            self.a.sample("z", self.rows(self.a.dist.LogNormal(self.a.array(0.0), 1.0)))


@pytest.fixture
def programs(adapter):
    return Programs(adapter)


def assert_mean_weight(weights, exact):
    # 5 standard errors; the entropy of a latent without a density raised log-weights by 9 nats and more
    ratio = np.exp(weights - exact)
    error = ratio.std() / len(ratio) ** 0.5
    assert abs(ratio.mean() - 1.0) < 5.0 * error and error < 0.05
    assert exact - 2.5 < weights.mean() < exact


GUIDES = {
    "base alone": lambda a, m: a.irg.infer.AutoHVAE(m, num_steps=0, base=a.autoguide.AutoNormal, transition="leapfrog"),
    "steps": lambda a, m: a.irg.infer.AutoHVAE(
        m, num_steps=2, step_size=0.3, tempering="free", base=a.autoguide.AutoNormal, transition="leapfrog"
    ),
    "joint base": lambda a, m: a.irg.infer.AutoHVAE(
        m, num_steps=2, base=a.autoguide.AutoMultivariateNormal, transition="leapfrog"
    ),
    "refreshed": lambda a, m: a.irg.infer.AutoHVAE(m, num_steps=2, base_options={"num_starts": 2}),
    "refreshed, mean field": lambda a, m: a.irg.infer.AutoHVAE(m, num_steps=2, base=a.autoguide.AutoNormal),
    "mixture": lambda a, m: a.irg.infer.AutoMixture(m, 2, num_starts=2),
}
CASES = {f"{case}-{guide}": (case, guide) for case in ("model", "nested") for guide in GUIDES}


@over(CASES, "case", when=lambda adapter, case: adapter.eager or case[0] == "model" or case[1] == "steps")
def test_elbo_stays_below_the_evidence(adapter, programs, case):
    name, make = case
    model, data = getattr(programs, name), programs.data
    guide = GUIDES[make](adapter, model)
    # a mixture's weights are heavy until its components have learned the tails: at 60 steps one seed in three
    params = adapter.fitted(model, guide, data, steps=200 if make == "mixture" else 60, rate=0.05)
    weights = adapter.log_weights(model, guide, params, data, num_samples=4000, batch_size=4000)
    assert_mean_weight(weights, EVIDENCE)


LEAPFROG = {"num_steps": 3, "step_size": 0.3, "tempering": "fixed"}


@pytest.mark.parametrize("settings", [{"num_steps": 0}, LEAPFROG, {"num_steps": 3, "transition": "refreshed"}])
@pytest.mark.parametrize(
    ("model", "base", "exact"), [("model", "encoder", EVIDENCE), ("normal", "normal_encoder", NORMAL_EVIDENCE)]
)
def test_a_guide_of_ones_own(adapter, programs, settings, model, base, exact):
    model, base, data = getattr(programs, model), getattr(programs, base), programs.data
    guide = adapter.irg.infer.HVAE(model, base, **settings)
    params = adapter.started(model, guide, data)
    weights = adapter.log_weights(model, guide, params, data, num_samples=10_000, batch_size=10_000)
    assert_mean_weight(weights, exact)
    elbos = ("Trace", "TraceGraph", "TraceMeanField")
    losses = adapter.losses(model, guide, params, data, elbos=elbos, particles=4000, seed=2)
    # 5 standard errors of two means of log-weights, of 4,000 and of 10,000
    error = 5.0 * weights.std() * (1 / 4000 + 1 / 10_000) ** 0.5
    np.testing.assert_allclose(losses, -weights.mean(), rtol=0.0, atol=error)


def test_couplings_of_what_is_masked(adapter, programs):
    """With random networks, whose log-Jacobians count where the model counts the latents."""
    model, data = programs.normal, programs.data
    guide = adapter.irg.infer.HVAE(model, programs.normal_encoder, num_steps=2, transition="coupled")
    params = adapter.shaken(model, guide, data, deviation=0.1)
    weights = adapter.log_weights(model, guide, params, data, num_samples=10_000, batch_size=10_000)
    assert_mean_weight(weights, NORMAL_EVIDENCE)


def test_the_same_mask_in_both_gives_the_same_mean(adapter, programs):
    def masked(y):
        with adapter.mask(mask=~programs.missing(y)):
            programs.encoder(y)

    guide = adapter.irg.infer.HVAE(programs.model, masked, num_steps=2, step_size=0.3)
    params = adapter.started(programs.model, guide, programs.data)
    weights = adapter.log_weights(programs.model, guide, params, programs.data, num_samples=4000, batch_size=4000)
    assert_mean_weight(weights, EVIDENCE)


@pytest.mark.parametrize("num_steps", [0, 2])
def test_a_mask_of_the_guide_alone_is_named(adapter, programs, num_steps):
    def masked(y):
        with adapter.mask(mask=adapter.xp.asarray(np.array([True, False, True, True]))):
            programs.encoder(y)

    guide = adapter.irg.infer.HVAE(programs.model, masked, num_steps=num_steps)
    with pytest.raises(ValueError, match="the guide masks site 'z' where the model does not"):
        adapter.started(programs.model, guide, programs.data)  # in NumPyro
        adapter.called(guide, programs.data)


def test_a_mask_inside_the_guides_event_is_named(adapter, programs):
    guide = adapter.irg.infer.HVAE(programs.nested, programs.nested_encoder, num_steps=1)
    with pytest.raises(ValueError, match="base guide's site 'z' is masked inside its event; leave the mask out"):
        adapter.called(guide, programs.data)


@pytest.mark.parametrize("flat", ["normal", "uniform"])
@pytest.mark.parametrize("guide", ["steps", "mixture"])
def test_a_mask_meant_as_a_flat_prior_is_named(adapter, guide, flat):
    prior = adapter.dist.Normal(0.0, 1.0) if flat == "normal" else adapter.host.Uniform(-3.0, 3.0)

    def model(x):
        with adapter.mask(mask=False):
            w = adapter.sample("w", prior)
            adapter.sample("unused", adapter.host.Normal(0.0, 1.0))
        adapter.sample("x", adapter.dist.Normal(w, 1.0), obs=x)

    with pytest.raises(ValueError, match=r"masks its latent 'w', but terms .* depend on it.*dist\.ImproperUniform"):
        adapter.called(GUIDES[guide](adapter, model), adapter.array(1.0))


def test_nothing_of_missing_data_reaches_a_gradient(adapter, programs):
    guide = adapter.irg.infer.AutoHVAE(programs.model, num_steps=2)
    slopes = adapter.guide_slopes(programs.model, guide, programs.data)
    assert slopes and all(np.isfinite(slope).all() for slope in slopes)
