"""AutoMixture on posteriors of two modes with known evidence."""

import numpy as np
import pytest

LOCS = np.array([[-2.0, -1.0], [2.0, 1.0]])
SCALE_TRILS = np.array([[[0.6, 0.0], [0.4, 0.5]], [[0.8, 0.0], [-0.5, 0.4]]])
FOUND = ("log_weights", "origins", "units")  # by the search; they stand still
TRAINED = ("logits", "shifts")


@pytest.fixture
def model(adapter):
    def model():
        """The posterior is a mixture of two Gaussians in (x, log y), and log p(data) = 0."""
        host, array, prior = adapter.host, adapter.array, adapter.host.Normal(0.0, 3.0)
        x = adapter.sample("x", prior)
        y = adapter.sample("y", host.LogNormal(0.0, 3.0))
        z = adapter.xp.stack([x, adapter.xp.log(y)], -1)
        components = host.MultivariateNormal(array(LOCS), scale_tril=array(SCALE_TRILS))
        target = host.MixtureSameFamily(host.Categorical(logits=array([0.0, 0.0])), components)
        adapter.factor("target", target.log_prob(z) - prior.log_prob(z).sum(-1))

    return model


def auto(adapter, model, *args, **options):
    return adapter.irg.infer.AutoMixture(model, *args, **options)


def test_search_finds_both_modes_from_every_seed(adapter, model):
    for params in adapter.started_from(lambda: auto(adapter, model, 4), model, seeds=range(2 if adapter.eager else 20)):
        left, weights = params["origins"][:, 0] < 0.0, np.exp(params["log_weights"])
        assert left.sum() == 2
        # 256 draws; off by .15 costs .05 nats
        np.testing.assert_allclose((weights / weights.sum())[left].sum(), 0.5, atol=0.15)


@pytest.mark.parametrize("size, least", [(4, 1e-3), (10, 1e-3), (20, 0.03)])
def test_scales_far_apart_are_found_in_float32(adapter, size, least):
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    root = np.linalg.cholesky(mix * np.geomspace(least, 1.0 / least, size) ** 2 @ mix.T)

    def model():
        zeros = adapter.array(np.zeros(size))
        adapter.sample("z", adapter.host.MultivariateNormal(zeros, scale_tril=adapter.array(root)))

    for params in adapter.started_from(lambda: auto(adapter, model, 1), model, seeds=range(2)):
        white, off = np.linalg.solve(root, params["units"][0]), np.linalg.solve(root, params["origins"][0])
        # KL(q || p): 13 nats where the widest scale is taken for the narrowest, 42 where ten dimensions of twenty are,
        # 2 where the centre is a descent's end; rounding leaves .03 in 10 dimensions, and less in the others
        assert 0.5 * ((white**2).sum() + off @ off - size) - np.linalg.slogdet(white)[1] < 0.05


def test_what_the_search_found_stands_still(adapter, model):
    before, after = adapter.before_and_after(auto(adapter, model, 2, num_starts=2), model)
    for name in FOUND:
        np.testing.assert_array_equal(before[name], after[name])
    for name in TRAINED:
        assert (before[name] != after[name]).any(), name


def test_more_modes_than_a_guide_takes_in_are_told(adapter, model):
    adapter.started_guide(auto(adapter, model, 2), model)  # a warning would be an error
    message = r"AutoHVAE: the search found 2 modes of comparable mass.* \(log 2 .*Take AutoMixture\(model, 2\)"
    with pytest.warns(UserWarning, match=message):
        adapter.started_guide(adapter.irg.infer.AutoHVAE(model, num_steps=1), model)


@pytest.mark.slow
def test_finds_both_modes(adapter, model):
    guide = auto(adapter, model, 4)
    params = adapter.fitted(model, guide, steps=400, rate=0.03, decay=0.99, particles=16, seed=3)
    assert -0.02 < adapter.loss(model, guide, params, particles=10_000, seed=1) < 0.05
    found = adapter.quantiles(guide, params, [0.1, 0.5, 0.9])
    assert found["x"].shape == (3,) and found["x"][0] < -1.5 and found["x"][2] > 1.5
    assert (found["y"] > 0.0).all()
    assert set(adapter.of_guide(guide, "median", params)()) == {"x", "y"}
    gaussian = adapter.autoguide.AutoMultivariateNormal(model)
    params = adapter.fitted(model, gaussian, steps=400, rate=0.03, decay=0.99, particles=16)
    assert adapter.loss(model, gaussian, params, particles=10_000, seed=1) > 0.5  # one mode of two: log 2


def test_one_component_is_a_gaussian(adapter, model):
    guide = auto(adapter, model, 1, num_starts=0, init_scale=0.3)
    params = adapter.started_guide(guide, model)
    posterior = adapter.of_guide(guide, "get_posterior", params)()
    assert posterior.has_rsample and posterior.event_shape == (2,)
    origins = adapter.guide_parameters(guide, params)["origins"]
    np.testing.assert_allclose(adapter.numpy(posterior.mean), origins[0], rtol=1e-6)
    np.testing.assert_allclose(adapter.numpy(posterior.variance), 0.09, rtol=1e-5)


def test_mean_field_elbo_keeps_the_jacobian(adapter, model):
    guide = auto(adapter, model, 3, num_starts=2)
    params = adapter.started_guide(guide, model)
    losses = [adapter.loss(model, guide, params, elbo=elbo, seed=1) for elbo in ("Trace", "TraceMeanField")]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"num_components": 0}, "num_components must be an integer >= 1, got 0"),
        ({"num_components": 2, "num_starts": -1}, "num_starts must be an integer >= 0, got -1"),
        ({"num_components": 2, "init_scale": -1.0}, r"init_scale must be positive and finite, got -1\.0"),
        ({"num_components": 2, "init_spread": float("inf")}, "init_spread must be positive and finite, got inf"),
    ],
)
def test_bad_settings_are_named(adapter, model, args, message):
    with pytest.raises(ValueError, match=message):
        auto(adapter, model, **args)


def test_quantiles_are_those_of_the_constrained_latents(adapter):
    """Where the transform turns the order round, and where it mixes latents."""

    def turned():
        adapter.sample(
            "below", adapter.dist.RightTruncatedDistribution(adapter.dist.Normal(adapter.array(0.0), 1.0), 0.0)
        )
        adapter.sample("shares", adapter.host.Dirichlet(adapter.array([1.0, 1.0, 5.0])))

    guide = auto(adapter, turned, 1, num_starts=0, init_scale=0.5)
    params = adapter.started_guide(guide, turned)
    found = adapter.quantiles(guide, params, [0.1, 0.9], num_samples=4000)
    draws = adapter.posterior_draws(guide, params, 4000)
    for name, (low, high) in found.items():
        assert (low < high).all(), name
        share = (draws[name] < low).mean(0)
        np.testing.assert_allclose(share, 0.1, atol=0.04)  # 5 standard errors of 4,000 draws
