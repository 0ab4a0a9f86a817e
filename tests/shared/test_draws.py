"""A guide's draws with their weights, and as ArviZ's tree."""

import math
import sys
from importlib import import_module

import numpy as np
import pytest

from tests.hamiltonian import assert_mean_weight

X = np.array([0.5, -1.0, 2.0])


def call(adapter, name, model, guide, params=None, **options):
    before = () if adapter.name == "pyro" else (params or {}, adapter.key(1))
    return getattr(adapter.irg.infer, name)(model, guide, *before, **options)


@pytest.fixture
def programs(adapter):
    """mu ~ N(0, 1) and x_i ~ N(mu, 1); a guide that is not the posterior."""
    x, deterministic = adapter.array(X), import_module(adapter.name).deterministic

    def model():
        mu = adapter.sample("mu", adapter.host.Normal(0.0, 1.0))
        deterministic("twice", 2.0 * mu)
        deterministic("three", adapter.array(3.0))
        with adapter.plate("data", len(X)):
            bias = adapter.sample("bias", adapter.host.Normal(0.0, 1.0))
            adapter.sample("x", adapter.host.Normal(mu + bias, 1.0), obs=x)

    def guide():
        adapter.sample("mu", adapter.host.Normal(0.3, 0.8))
        with adapter.plate("data", len(X)):
            adapter.sample("bias", adapter.host.Normal(0.1, 0.9))

    return model, guide


@pytest.mark.parametrize("batch_size", [1, 64])
def test_weights_are_those_of_the_draws(adapter, programs, batch_size):
    found = call(adapter, "weighted_draws", *programs, num_samples=100, batch_size=batch_size)
    draws = {name: np.asarray(values, float) for name, values in found.latents.items()}
    assert {name: x.shape for name, x in draws.items()} == {
        "mu": (100,), "bias": (100, 3), "twice": (100,), "three": (100,)
    }  # fmt: skip
    mu, bias = draws["mu"], draws["bias"]
    assert len(np.unique(mu)) == 100
    np.testing.assert_allclose(draws["twice"], 2.0 * mu, atol=1e-6)
    np.testing.assert_array_equal(draws["three"], 3.0)

    def log_normal(x, mean, scale):
        return -0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2.0 * np.pi)

    log_p = log_normal(mu, 0.0, 1.0) + (log_normal(bias, 0.0, 1.0) + log_normal(X, mu[:, None] + bias, 1.0)).sum(1)
    log_q = log_normal(mu, 0.3, 0.8) + log_normal(bias, 0.1, 0.9).sum(1)
    np.testing.assert_allclose(adapter.numpy(found.log_weights), log_p - log_q, rtol=1e-4, atol=1e-4)
    assert found.observed.keys() == {"x"}
    np.testing.assert_array_equal(np.asarray(found.observed["x"]), X)


def test_a_hamiltonian_guide(adapter, programs):
    """Its auxiliary sites are in the weights, not among the draws."""
    model, guide = programs
    refined = adapter.irg.infer.HVAE(model, guide, num_steps=2)
    params = adapter.started(model, refined)
    found = call(adapter, "weighted_draws", model, refined, params, num_samples=30, batch_size=10)
    assert found.latents.keys() == {"mu", "bias", "twice", "three"}
    assert np.isfinite(adapter.numpy(found.log_weights)).all()


def test_each_draw_is_one_of_several(adapter, programs):
    """The mean weight is p(x), and the draws are the posterior's but for a bias of the order of 1 / 40."""
    found = call(adapter, "weighted_draws", *programs, num_samples=2000, num_importance=40, batch_size=8000)
    log_w, mu, bias = (adapter.numpy(x) for x in (found.log_weights, found.latents["mu"], found.latents["bias"]))
    assert log_w.shape == mu.shape == (2000,) and bias.shape == (2000, 3)
    # x ~ N(0, 2 I + 1 1'), of determinant 4 * 5
    exact = -0.5 * (X @ X / 2.0 - X.sum() ** 2 / 10.0) - 0.5 * math.log(20.0) - 1.5 * math.log(2.0 * math.pi)
    assert_mean_weight(log_w, exact)
    np.testing.assert_allclose(bias.mean(0), (X - 0.3) / 2.0, atol=0.08)
    # the guide's is .64; 4 standard errors and the bias
    assert mu.var() == pytest.approx(0.4, abs=4.0 * 0.4 * (2.0 / 2000.0) ** 0.5 + 0.02)


def test_draws_of_the_automatic_guide_are_of_several_too(adapter):
    def model():
        adapter.sample("z", adapter.host.Normal(2.0, 0.3))

    start = adapter.init_to_value(values={"z": adapter.array(2.0)})
    options = {"base": adapter.autoguide.AutoNormal, "init_loc_fn": start, "base_options": {"init_scale": 1.0}}
    with adapter.quick():
        guide = adapter.irg.infer.AutoHVAE(model, num_steps=1, **options)
        params = adapter.started(model, guide)
        draws = adapter.sample_posterior(guide, params, n=600, num_importance=20)
    assert draws.keys() == {"z"} and draws["z"].shape == (600,)
    # the better of two draws of scale 1 has .62
    assert draws["z"].std() == pytest.approx(0.3, abs=4.0 * 0.3 * 1200**-0.5 + 0.02)


def test_what_is_no_program_or_count(adapter, programs):
    model, guide = programs
    with pytest.raises(TypeError, match="weighted_draws: guide must be a"):
        call(adapter, "weighted_draws", model, 3.0)
    with pytest.raises(ValueError, match="weighted_draws: num_samples must be"):
        call(adapter, "weighted_draws", model, guide, num_samples=0)
    with pytest.raises(ValueError, match="weighted_draws: num_importance must be an integer >= 1, got 0"):
        call(adapter, "weighted_draws", model, guide, num_importance=0)


@pytest.mark.parametrize("name", ["weighted_draws", "to_arviz"])
def test_draws_of_other_latents(adapter, programs, name):
    """Their weights would be a number like any other."""
    model, guide = programs

    def fewer():
        adapter.sample("mu", adapter.host.Normal(0.3, 0.8))

    with pytest.raises(ValueError, match=r"weighted_draws: the model draws \['bias'\], and the guide does not"):
        call(adapter, name, model, fewer, num_samples=2)
    with pytest.raises(ValueError, match=r"weighted_draws: the guide draws \['bias'\], which the model does not"):
        call(adapter, name, fewer, guide, num_samples=2)


def test_arviz_has_the_groups(adapter, programs):
    pytest.importorskip("arviz_base")
    tree = call(adapter, "to_arviz", *programs, num_samples=50, batch_size=25)
    assert tree["posterior"]["bias"].shape == (1, 50, 3)
    assert tree["sample_stats"]["log_weight"].shape == (1, 50)
    np.testing.assert_array_equal(tree["observed_data"]["x"], X)
    assert tree.attrs["inference_library"] == adapter.irg.__name__


def test_without_arviz_the_extra_is_named(adapter, programs, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    with pytest.raises(ImportError, match=r'to_arviz needs arviz-base .*pip install "pyro-irg\[arviz\]"'):
        call(adapter, "to_arviz", *programs, num_samples=2)


def test_a_weight_that_is_no_number_is_told(adapter):
    """It is not taken while there is another, and the mean of those it was among is none."""
    x = adapter.array(X)

    def model():
        mu = adapter.sample("mu", adapter.host.Normal(0.0, 1.0))
        with adapter.plate("data", len(X)):
            loc = adapter.xp.where(mu > 1.0, math.nan, mu)
            adapter.sample("x", adapter.host.Normal(loc, 1.0, validate_args=False), obs=x)

    def guide():
        adapter.sample("mu", adapter.host.Normal(0.0, 1.0))

    found = call(adapter, "weighted_draws", model, guide, num_samples=50, num_importance=20)
    assert np.isnan(adapter.numpy(found.log_weights)).mean() > 0.5  # 1 - .84**20 = .97
    assert (adapter.numpy(found.latents["mu"]) <= 1.0).all()
