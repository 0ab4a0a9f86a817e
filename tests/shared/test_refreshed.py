"""The Hamiltonian guide with refreshed momenta, whose every point is weighed."""

import copy
import math

import numpy as np
import pytest
from scipy import special

from tests.hamiltonian import (
    CASES,
    COUNTS,
    DATA,
    assert_mean_weight,
    banana,
    check_mean_weight,
    counts,
    counts_evidence,
    local,
    mixed,
    shared,
)


@pytest.fixture(autouse=True)
def quick(adapter):
    with adapter.quick():
        yield


KINDS = "refreshed", "coupled"


def refreshed(adapter, case, num_steps, kind="refreshed"):
    return adapter.irg.infer.HVAE(case.model, case.base, num_steps=num_steps, transition=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_mean_weight_and_every_elbo(adapter, name, kind):
    case, x = CASES[name](adapter), adapter.array(DATA)
    guide, exact = refreshed(adapter, case, 3, kind), np.sum(case.evidence(DATA))
    # networks stretch the more: so that the weights' spread still lets the mean be seen
    params = adapter.shaken(case.model, guide, x, deviation=0.2 if kind == "refreshed" else 0.1)
    check_mean_weight(adapter, case.model, guide, params, x, exact=exact)
    elbo, *same = adapter.losses(case.model, guide, params, x, elbos=("Trace", "TraceGraph", "TraceMeanField"))
    np.testing.assert_allclose(same, elbo, rtol=1e-5 if adapter.eager else 1e-10)
    elbo, renyi = adapter.losses(case.model, guide, params, x, elbos=("Trace", "Renyi"), particles=4000)
    assert -elbo < -renyi < exact + 0.1


def test_local_latents(adapter):
    """The mean weight of each datum; a minibatch's loss; before training K + 1 independent draws of the base."""
    case, x = local(adapter), adapter.array(DATA)
    guide = refreshed(adapter, case, 4)
    params, options = adapter.started(case.model, guide, x), {"plate": "data"}
    base = adapter.log_weights(case.model, case.base, params, x, num_samples=50_000, batch_size=50_000, **options)
    each = base.reshape(10_000, 5, len(DATA))
    bound = np.logaddexp.reduce(each, axis=1) - math.log(5.0)
    found = adapter.log_weights(case.model, guide, params, x, num_samples=10_000, batch_size=10_000, **options)
    error = np.sqrt((bound.var(0) + found.var(0)) / 10_000)
    assert np.all(np.abs(bound.mean(0) - found.mean(0)) < 4.5 * error)
    params = adapter.shaken(case.model, guide, x)
    check_mean_weight(adapter, case.model, guide, params, x, exact=case.evidence(DATA), plate="data")


BASES = {
    "own": {},
    "AutoNormal": {"base_options": {"init_scale": 0.6}},
    "AutoMultivariateNormal": {"base_options": {"init_scale": 0.6}},
}


def automatic(adapter, model, name, num_steps, transition="refreshed"):
    options = {"transition": transition} if name == "own" else {"base": getattr(adapter.autoguide, name), **BASES[name]}
    return adapter.irg.infer.AutoHVAE(model, num_steps=num_steps, **options)


@pytest.mark.parametrize(("base", "kind"), [("own", "coupled"), *((base, "refreshed") for base in BASES)])
def test_mean_weight_over_an_automatic_base(adapter, base, kind):
    """And the draws, weighted, are the posterior's, a Gamma(3 + sum x, 2 + n): which point of a path is drawn."""
    model, x = counts(adapter), adapter.array(COUNTS)
    guide = automatic(adapter, model, base, 3, kind)
    params = adapter.shaken(model, guide, x)
    log_w, rate = adapter.weights_and_draws(model, guide, params, x, site="rate", n=20_000)
    assert_mean_weight(log_w, counts_evidence(COUNTS))
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    for power, exact in ((1, 9.0 / 6.0), (2, 9.0 * 10.0 / 36.0)):
        mean = (w * rate**power).sum()
        # 4.5 standard errors of a ratio of means
        assert abs(mean - exact) < 4.5 * np.sqrt((w**2 * (rate**power - mean) ** 2).sum())


@pytest.mark.parametrize("base", BASES)
def test_mean_weight_of_latents_in_a_plate(adapter, base):
    if base != "own" and not adapter.eager:
        return
    case, x = mixed(adapter), adapter.array(DATA[:2])
    guide = automatic(adapter, case.model, base, 2)
    params = adapter.shaken(case.model, guide, x, deviation=0.05)
    check_mean_weight(adapter, case.model, guide, params, x, exact=case.evidence(DATA[:2]))


def test_more_latents_than_a_dense_map_has(adapter):
    def model():
        adapter.sample("z", adapter.dist.Normal(adapter.array(np.zeros(120)), 1.0).to_event(1))

    start = adapter.init_to_value(values={"z": adapter.array(np.zeros(120))})
    guide = adapter.irg.infer.AutoHVAE(model, num_steps=2, init_loc_fn=start, base_options={"init_scale": 1.0})
    params = adapter.shaken(model, guide, deviation=0.005)
    found = {name.split(".")[-1]: p.shape for name, p in adapter.guide_parameters(guide, params).items()}
    assert found["unit"] == (120,) and found["lower"] == (11, 120)
    check_mean_weight(adapter, model, guide, params, exact=0.0, num_samples=4000)


def test_global_latents_of_minibatches_are_weighed_at_the_last_point(adapter):
    """A mean of weights that are scaled up from a part of the data would lie above the evidence."""
    case, part, x = shared(adapter), (adapter.array(DATA[:2]), 6), adapter.array(DATA)
    guide = refreshed(adapter, case, 2)
    params = adapter.started(case.model, guide, *part)
    shares = adapter.diagnostics(guide, params, *part)["posterior_shares"]
    assert adapter.numpy(shares).tolist() == [0.0, 0.0, 1.0]
    assert adapter.diagnostics(guide, params, *part)["why"] == []
    (loss,) = adapter.losses(case.model, guide, params, *part, elbos=("Trace",), particles=20_000, seed=3)
    (base,) = adapter.losses(case.model, case.base, params, *part, elbos=("Trace",), particles=20_000, seed=4)
    # before training the last point is a draw of the base; 4.5 standard errors of two means of log-weights that
    # spread by about 4
    np.testing.assert_allclose(loss, base, atol=4.5 * 4.0 * (2.0 / 20_000) ** 0.5)
    assert np.all(adapter.numpy(adapter.diagnostics(guide, params, x)["posterior_shares"]) > 0.0)


def test_a_path_that_diverges_where_its_last_point_alone_is_weighed_is_told(adapter):
    """Without a NaN: the bound is hundreds of nats too low, which a weighed path cannot be."""
    case, x = shared(adapter), adapter.array(DATA)
    guide = refreshed(adapter, case, 6)
    part = adapter.array(DATA[:2]), 6
    params = adapter.shaken(case.model, guide, *part, deviation=6.0)
    for args, told in ((part, True), ((x,), False)):
        found = adapter.diagnostics(guide, params, *args)
        assert np.isfinite(adapter.numpy(found["energy_errors"])).all()
        assert any("The path diverges" in why for why in found["why"]) == told


def test_a_point_without_a_density_does_no_harm(adapter):
    def model():
        z = adapter.sample("z", adapter.dist.Normal(0.0, 1.0))
        adapter.factor("beyond", (2.0 - z) ** 0.5)

    def base():
        adapter.sample("z", adapter.dist.Normal(adapter.param("m", adapter.array(0.0)), 1.0))

    guide = adapter.irg.infer.HVAE(model, base, num_steps=3, transition="refreshed")
    with adapter.validation_enabled(False):
        params = adapter.started(model, guide)
        found, slopes = adapter.value_and_slopes_of_loss(model, guide, params, particles=64, seeds=20)
        assert np.isfinite(found).all() and all(np.isfinite(s).all() for s in slopes) and len(slopes) > 3
        assert adapter.diagnostics(guide, params)["rejected"] <= 1.0


@pytest.mark.parametrize("kind", ["leapfrog", *KINDS])
def test_a_slope_that_overflows_where_the_density_does_not(adapter, kind):
    """Of a volatility: log p(y | z) = -e^(40 z) / 2, whose slope has a factor e^(60 z) in both libraries."""
    edge = math.log(np.finfo(str(adapter.array(0.0).dtype).removeprefix("torch.")).max) / 60.0

    def model():
        z = adapter.sample("z", adapter.dist.Normal(0.0, 1.0))
        adapter.sample("y", adapter.dist.Normal(0.0, adapter.xp.exp(-20.0 * z)), obs=adapter.array(1.0))

    def base():
        adapter.sample("z", adapter.dist.Normal(adapter.param("m", adapter.array(1.1 * edge)), 0.01))

    guide = adapter.irg.infer.HVAE(model, base, num_steps=2, transition=kind)
    params = adapter.started(model, guide)
    found, slopes = adapter.value_and_slopes_of_loss(model, guide, params, particles=64, seeds=5)
    assert np.isfinite(found).all() and all(np.isfinite(s).all() for s in slopes) and len(slopes) > 1
    weights = adapter.log_weights(model, guide, params, num_samples=1000, batch_size=1000)
    assert np.isfinite(weights).all() and np.log(-weights).min() > 40.0 * edge


@pytest.mark.parametrize("kind", ["leapfrog", *KINDS])
@pytest.mark.parametrize("positive", [True, False])
def test_a_large_slope_of_a_small_latent_counts(adapter, kind, positive):
    """In units of 1e-18 (float32) a slope in z is 1e18, those in the guide's parameters what they are in units of 1."""
    largest = np.finfo(str(adapter.array(0.0).dtype).removeprefix("torch.")).max

    def model(log_unit):
        unit = adapter.xp.exp(log_unit)
        prior = adapter.dist.LogNormal(log_unit, 1.0) if positive else adapter.dist.Normal(0.0, unit)
        z = adapter.sample("z", prior)
        found, seen = (adapter.xp.log(z), log_unit + 1.0) if positive else (z / unit, adapter.array(1.0))
        adapter.sample("y", adapter.dist.Normal(found, 0.5), obs=seen)

    def base(log_unit):
        shift, unit = adapter.param("shift", adapter.array(0.3)), adapter.xp.exp(log_unit)
        normal = adapter.dist.Normal(shift * unit, 0.7 * unit)
        adapter.sample("z", adapter.dist.LogNormal(shift + log_unit, 0.7) if positive else normal)

    guide = adapter.irg.infer.HVAE(model, base, num_steps=2, transition=kind)
    units = [adapter.array(-0.46 * math.log(largest)), adapter.array(0.0)]
    params = adapter.started(model, guide, units[0])
    (losses, found), (expected, right) = (
        adapter.value_and_slopes_of_loss(model, guide, params, unit, particles=16, seeds=2) for unit in units
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert any(np.abs(s).max() > 0.01 for s in right)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("base", ["batch", "event", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoNormal"])
def test_no_weight_varies_over_a_base_that_is_the_target(adapter, base):
    """In coordinates where the base is N(0, I) the steps are rotations: so wide a LogNormal's moments say another."""
    loc = adapter.array([1.0, 2.0])

    def model():
        if base == "batch":
            with adapter.plate("two", 2):
                adapter.sample("z", adapter.dist.LogNormal(loc, 3.0))
        else:
            adapter.sample("z", adapter.dist.LogNormal(loc, 3.0).to_event(1))

    guide = model
    if base.startswith("Auto"):
        start = adapter.init_to_value(values={"z": adapter.xp.exp(loc)})
        guide = getattr(adapter.autoguide, base)(model, init_loc_fn=start, init_scale=3.0)
    guide = adapter.irg.infer.HVAE(model, guide, num_steps=2, transition="refreshed")
    params = adapter.started(model, guide)
    weights = adapter.log_weights(model, guide, params, num_samples=100, batch_size=100)
    np.testing.assert_allclose(weights, 0.0, atol=1e-5 if adapter.eager else 1e-10)


@pytest.mark.parametrize("concentration", [20.0, 1e3])
def test_an_angle_is_measured_by_its_own_variance(adapter, concentration):
    """Where the base is the target and nearly normal no weight varies; the circular variance is half."""

    def model():
        adapter.sample("z", adapter.irg.distributions.VonMises(adapter.array(0.3), concentration))

    guide = adapter.irg.infer.HVAE(model, model, num_steps=2, transition="refreshed")
    params = adapter.started(model, guide)
    weights = adapter.log_weights(model, guide, params, num_samples=1000, batch_size=1000)
    assert np.std(np.asarray(weights)) < 0.15 * concentration**-0.5


@pytest.mark.parametrize("kind", ["leapfrog", *KINDS])
@pytest.mark.parametrize("wide", [False, True])
def test_mean_weight_of_angles(adapter, kind, wide):
    """In a plate, over a base as wide as the circle: a path that left it would meet the density once more."""
    x, evidence = np.array([0.4, 2.0]), []
    for y in x:  # of a product of two von Mises densities
        evidence.append(special.i0(math.hypot(1.0 + 2.0 * math.cos(y), 2.0 * math.sin(y))))
    exact = np.log(evidence) - math.log(2.0 * math.pi * special.i0(1.0) * special.i0(2.0))

    def model(x):
        with adapter.plate("data", 2):
            z = adapter.sample("z", adapter.irg.distributions.VonMises(adapter.array(0.0), 1.0))
            adapter.sample("x", adapter.host.VonMises(z, 2.0), obs=x)

    def base(x):
        with adapter.plate("data", 2):
            width = 0.2 if wide else 0.6
            adapter.sample("z", adapter.irg.distributions.VonMises(adapter.param("m", adapter.array(0.5)), width))

    guide, data = adapter.irg.infer.HVAE(model, base, num_steps=3, transition=kind), adapter.array(x)
    params = adapter.started(model, guide, data)
    check_mean_weight(adapter, model, guide, params, data, exact=exact, plate="data", within=0.02)


@pytest.mark.filterwarnings("ignore:Continuous inference poorly handles")  # NumPyro says so of an angle
@pytest.mark.filterwarnings("ignore:.* the search found .* modes")  # at either end
@pytest.mark.parametrize("name, option", [("AutoHVAE", {"num_steps": 2}), ("AutoMixture", {"num_components": 2})])
def test_bounds_of_automatic_guides_of_angles(adapter, name, option):
    """A posterior about pi: in Pyro they were a nat above the evidence."""
    exact = math.log(special.i0(2.0 * math.cos(3.0 - math.pi)) / (2.0 * math.pi * special.i0(1.0) ** 2))

    def model():
        z = adapter.sample("z", adapter.host.VonMises(adapter.array(3.0), 1.0))
        adapter.sample("x", adapter.host.VonMises(z, 1.0), obs=adapter.array(-3.0))

    guide = getattr(adapter.irg.infer, name)(model, **option)
    params = adapter.started(model, guide)
    log_weights = adapter.log_weights(model, guide, params, num_samples=20_000, batch_size=10_000, plate=None)
    assert exact - 1.0 < log_weights.mean() < exact


@pytest.mark.parametrize("kind", ["leapfrog", *KINDS])
def test_a_base_without_a_scale_at_the_mean_of_another_draw(adapter, kind):
    def model():
        x = adapter.sample("x", adapter.dist.Normal(0.0, 1.0))
        adapter.sample("y", adapter.dist.Normal(x, 1.0))

    def base():
        x = adapter.sample("x", adapter.dist.Normal(0.0, 1.0))
        adapter.sample("y", adapter.dist.Normal(x, 0.5 * adapter.xp.sqrt(x * x)))

    guide = adapter.irg.infer.HVAE(model, base, num_steps=2, transition=kind)
    params = adapter.started(model, guide)
    weights = adapter.log_weights(model, guide, params, num_samples=100, batch_size=100)
    assert np.isfinite(weights).all()


def test_slopes_through_the_moments_of_a_base(adapter):
    """Where the steps' coordinates move with the base's mean, the bound's slope knows."""

    def model():
        z = adapter.sample("z", adapter.dist.Gamma(2.0, 1.0))
        adapter.sample("y", adapter.dist.Normal(z, 0.5), obs=adapter.array(2.0))

    def base(rate=None):
        rate = adapter.param("rate", adapter.array(2.0)) if rate is None else adapter.array(rate)
        adapter.sample("z", adapter.dist.Gamma(3.0, rate))

    def found(*args):
        guide = adapter.irg.infer.HVAE(model, lambda: base(*args), num_steps=2, transition="refreshed")
        params = adapter.started(model, guide)
        return adapter.value_and_slopes_of_loss(model, guide, params, particles=64, seeds=4)

    _, slopes = found()
    step = 1e-2
    (up, _), (down, _) = found(2.0 + step), found(2.0 - step)
    difference = (up.sum() - down.sum()) / (2.0 * step)
    assert min(abs(s.sum() - difference) for s in slopes if s.ndim == 0) < 0.02 * abs(difference)


def test_training_the_automatic_guide(adapter):
    """The banana's curvature costs a full-rank Gaussian .78 nats."""
    model = banana(adapter)
    guide = adapter.irg.infer.AutoHVAE(model, num_steps=5)
    params, _ = adapter.train(model, guide, steps=250, rate=0.02, decay=0.01 ** (1 / 250), particles=16)
    # so few steps; after 4,000 it is below .1
    assert -0.02 < adapter.loss(model, guide, params, particles=4000, seed=1) < 0.4
    found = adapter.diagnostics(guide, params)
    assert found["strengths"][""].shape == found["angles"][""].shape == (5, 2)
    assert found["persistences"][""].shape == (4, 2) and found["energy_errors"].shape == (5,)
    shares = [float(found[name].sum()) for name in ("shares", "posterior_shares")]
    np.testing.assert_allclose(shares, 1.0, atol=1e-5)
    assert found["rejected"] == 0.0
    draws, again = (adapter.sample_posterior(g, params, n=10)["a"] for g in (guide, copy.deepcopy(guide)))
    assert draws.shape == (10,)
    np.testing.assert_array_equal(again, draws)


def test_couplings_begin_as_nothing_and_are_copied(adapter):
    """Before training the refreshed path itself; a copy draws the same."""
    case, x = local(adapter), adapter.array(DATA)
    losses = []
    for kind in KINDS:
        adapter.fresh()
        guide = refreshed(adapter, case, 2, kind)
        params = adapter.started(case.model, guide, x)
        losses += adapter.losses(case.model, guide, params, x, elbos=("Trace",), seed=1)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    params = adapter.shaken(case.model, guide, x)
    found = adapter.diagnostics(guide, params, x)
    assert found["log_jacobians"].shape == (2,) and np.abs(adapter.numpy(found["log_jacobians"])).min() > 1e-3
    (loss,) = adapter.losses(case.model, guide, params, x, elbos=("Trace",), seed=1)
    assert adapter.losses(case.model, copy.deepcopy(guide), params, x, elbos=("Trace",), seed=1) == [loss]
    assert abs(loss - losses[0]) > 1e-3
    names = {n for n in adapter.guide_parameters(guide, params) if "network" in n}
    assert len(names) == 8


def test_settings_of_the_leapfrog_are_refused(adapter):
    with pytest.raises(ValueError, match=r"\['step_size', 'tempering'\] are settings of transition='leapfrog'"):
        adapter.irg.infer.AutoHVAE(shared(adapter).model, step_size=0.3, tempering="free")


def test_coefficients_of_each_datum(adapter):
    """A function of the data: the mean weight of each datum stays, its parameter is trained, 0 adds nothing."""
    case, x = local(adapter), adapter.array(DATA)

    def features(x, size=None):
        slope, each = adapter.param("slope of the strengths", adapter.array(0.8)), x[:, None, None]
        return {"z": (slope * adapter.xp.sin(each), -0.4 * each)}

    def guide_with(coefficients):
        options = {"num_steps": 2, "transition": "refreshed", "coefficients": coefficients}
        return adapter.irg.infer.HVAE(case.model, case.base, **options)

    guide = guide_with(features)
    params = adapter.shaken(case.model, guide, x)
    check_mean_weight(adapter, case.model, guide, params, x, exact=case.evidence(DATA), plate="data")
    if adapter.eager:
        value, slopes = adapter.value_and_slopes_of_loss(case.model, guide, params, x)
        assert np.isfinite(value).all() and all(np.isfinite(s).all() for s in slopes) and len(slopes) >= 7
        plain, none = refreshed(adapter, case, 2), guide_with(lambda x: {"z": (adapter.array(0.0), adapter.array(0.0))})
        losses = []
        for each in (plain, none):
            adapter.fresh()
            params = adapter.started(case.model, each, x)
            losses += adapter.losses(case.model, each, params, x, elbos=("Trace",), seed=1)
        assert losses[0] == losses[1]


def test_what_coefficients_may_be(adapter):
    case, x, zero = shared(adapter), adapter.array(DATA), adapter.array(np.zeros((2, 3)))

    def guide_with(coefficients, **options):
        options = {"transition": "refreshed"} | options
        return adapter.irg.infer.HVAE(case.model, case.base, num_steps=2, coefficients=coefficients, **options)

    with pytest.raises(ValueError, match=r"coefficients are a setting of .* 'coupled', not of 'leapfrog'"):
        guide_with(lambda x: {}, transition="leapfrog")
    with pytest.raises(TypeError, match=r"coefficients must be a function of the model's arguments, got 0\.3"):
        guide_with(0.3)
    with pytest.raises(ValueError, match=r"keys are among \['mu'\], .* got \['z'\]"):
        adapter.called(guide_with(lambda x: {"z": (zero, zero)}), x)
    with pytest.raises(ValueError, match=r"\(strengths, angles\) of 'mu' that broadcast .* \(2,\), got .*\(2, 3\)"):
        adapter.called(guide_with(lambda x: {"mu": (zero, zero)}), x)
    with pytest.raises(ValueError, match=r"a function of the data alone, but it draws \['shift'\]"):
        adapter.called(guide_with(lambda x: {"mu": (adapter.sample("shift", adapter.host.Normal(0.0, 1.0)), zero)}), x)
