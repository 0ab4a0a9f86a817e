"""Importance weights, evidence, k-hat and diagnostics."""

import math
import sys
import warnings

import numpy as np
import pytest

from tests.hamiltonian import DATA, leapfrog, local, mixed, shared


@pytest.fixture(autouse=True)
def quick(adapter):
    with adapter.quick():
        yield


@pytest.mark.parametrize("make", [local, shared], ids=["each datum", "all"])
def test_evidence(adapter, make, capsys):
    """And the same in chunks with a progress bar, the last of which is not full."""
    case, x = make(adapter), adapter.array(DATA)
    guide = adapter.irg.infer.HVAE(case.model, case.base, num_steps=3, step_size=0.3, tempering="fixed")
    params, exact = adapter.started(case.model, guide, x), case.evidence(DATA)
    options = {"num_samples": 7000, "batch_size": 3000, "plate": case.plate}
    for progress_bar in (False, True):
        found = adapter.log_evidence(case.model, guide, params, x, progress_bar=progress_bar, **options)
        assert found.log_evidence.shape == found.ess.shape == found.pareto_k.shape == exact.shape
        # by the delta method the error is 1 / sqrt(ESS) at most
        assert np.all(np.abs(found.log_evidence - exact) < 4.5 / np.sqrt(found.ess))
        assert np.all(found.ess > 200.0) and np.all(found.ess <= 7000.0 * 1.001) and np.all(found.pareto_k < 0.7)
    assert "log evidence" in capsys.readouterr().err


def test_steps_improve_the_weights(adapter):
    case, x = shared(adapter), adapter.array(DATA)

    def wide(x):
        adapter.sample("mu", adapter.dist.Normal(0.0, 1.0))

    schedule = {"num_steps": 4, "step_size": 0.2, "tempering": lambda k: [0.8] * k}
    guide = adapter.irg.infer.HVAE(case.model, wide, **schedule)
    params, options = adapter.started(case.model, guide, x), {"num_samples": 5000, "batch_size": 5000}
    base, found = (adapter.log_evidence(case.model, g, params, x, **options) for g in (wide, guide))
    assert found.ess > base.ess
    np.testing.assert_allclose(found.log_evidence, case.evidence(DATA), atol=4.5 / found.ess**0.5)


def test_global_and_local_latents(adapter):
    """The base's local distribution depends on the global draw; evidence in closed form."""
    case, x = mixed(adapter), adapter.array(DATA)
    guide = adapter.irg.infer.HVAE(case.model, case.base, num_steps=3, step_size=0.3, tempering="fixed")
    params = adapter.started(case.model, guide, x)
    found = adapter.log_evidence(case.model, guide, params, x, num_samples=8000, batch_size=8000)
    np.testing.assert_allclose(found.log_evidence, case.evidence(DATA), atol=0.1)
    told = adapter.diagnostics(guide, params, x)
    temperatures = adapter.numpy(told["inverse_temperatures"])
    assert temperatures.shape == (4,) and temperatures[-1] == pytest.approx(1.0) and np.all(np.diff(temperatures) > 0.0)
    assert told["energy_errors"].shape == (3,) and told["rejected"] == 0.0
    np.testing.assert_allclose(adapter.numpy(told["step_sizes"]["z"]).max(), 0.3, rtol=1e-5)
    assert 0.0 < told["momentum_second_moment"]["z"] < 10.0


def test_evidence_of_an_autoguide_on_several_plates(adapter):
    x = np.random.default_rng(0).normal(size=(3, 4))

    def model(x):
        with adapter.plate("rows", 3, dim=-2):
            a = adapter.sample("a", adapter.dist.Normal(0.0, 1.0))
            with adapter.plate("columns", 4, dim=-1):
                adapter.sample("x", adapter.dist.Normal(a, 1.0), obs=x)

    options = {"tempering": "free", "base_options": {"init_scale": 0.5}, **leapfrog(adapter)}
    guide = adapter.irg.infer.AutoHVAE(model, num_steps=2, **options)
    data = adapter.array(x)
    params = adapter.started(model, guide, data)
    options = {"num_samples": 20_000, "batch_size": 10_000, "plate": "rows"}
    found = adapter.log_evidence(model, guide, params, data, **options)
    exact = -0.5 * ((x**2).sum(1) - x.sum(1) ** 2 / 5.0 + math.log(5.0) + 4.0 * math.log(2.0 * math.pi))
    assert np.all(np.abs(found.log_evidence - exact) < 4.5 / np.sqrt(found.ess))


TAILS = np.array([0.2, 0.5, 0.9])


def exponentials(adapter):
    """(a model, its guide) with weights e^(k z) of an exponential z."""

    def base():
        with adapter.plate("data", 3):
            adapter.sample("z", adapter.dist.Exponential(1.0))

    def model():
        with adapter.plate("data", 3):
            z = adapter.sample("z", adapter.dist.Exponential(1.0))
            adapter.factor("tilt", adapter.array(TAILS) * z)

    return model, base


def test_pareto_k(adapter):
    """w = e^(k z) of an exponential z is Pareto distributed with shape k; the error of the fit is about 0.06."""
    model, base = exponentials(adapter)
    found = adapter.log_evidence(model, base, {}, num_samples=40_000, batch_size=40_000, plate="data")
    np.testing.assert_allclose(found.pareto_k, TAILS, atol=0.2)
    np.testing.assert_allclose(found.log_evidence[:1], -np.log1p(-TAILS[:1]), atol=0.02)
    assert adapter.log_evidence(model, base, {}, num_samples=100).pareto_k.shape == ()


def test_pareto_k_where_there_is_none(adapter):
    """NaN or infinite weights; one weight for all of the tail, here the last 20 of 100, or of all; few draws."""
    draws = np.random.default_rng(0).normal(size=(100, 5))
    draws[0, 0], draws[0, 1] = np.nan, np.inf
    draws[:, 2] = np.minimum(draws[:, 2], np.sort(draws[:, 2])[-20])
    draws[:, 3] = -1.0
    found = adapter.pareto_k(draws)
    assert np.isnan(found[:2]).all() and np.isneginf(found[2:4]).all() and np.isfinite(found[4])
    assert np.isnan(adapter.pareto_k(draws[:20, 4]))
    assert adapter.irg.infer.pareto_k(draws[:, 4].tolist()) == pytest.approx(found[4], abs=1e-5)


def test_pareto_k_of_weights_that_vanish(adapter):
    """A standard deviation of 1,000 nats: ArviZ alone says 0.05.  So it does where few weights are above all others."""
    z = np.random.default_rng(0).normal(size=1000)
    wide = [adapter.pareto_k(scale * z) for scale in (100.0, 300.0, 1000.0, 1e5)]
    assert 25.0 < wide[0] < wide[1] < 100.0 and np.isposinf(wide[2:]).all()
    few = np.where(np.arange(1000) < 40, 8.0 * np.abs(z), -50.0)
    assert np.isnan(adapter.pareto_k(few))
    assert np.isposinf(adapter.pareto_k(np.where(np.arange(1000) < 40, z, -np.inf)))
    assert np.isfinite(adapter.pareto_k(np.where(np.arange(1000) < 100, z, -np.inf)))
    rounded = np.round(0.01 * z, 2) - 97_000.0  # of a good guide for many data, in float32
    assert adapter.pareto_k(rounded) < 0.7


def test_without_arviz(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    case, x = shared(adapter), adapter.array(DATA)
    assert adapter.log_weights(case.model, case.base, {"m": adapter.array(0.3)}, x, num_samples=30).shape == (30,)
    with pytest.raises(ImportError, match=rf'pip install "pyro-irg\[{adapter.name}\]"'):
        adapter.log_evidence(case.model, case.base, {"m": adapter.array(0.3)}, x, num_samples=30)


def test_errors(adapter):
    case, x = shared(adapter), adapter.array(DATA)

    def check(message, f, **options):
        with pytest.raises(ValueError, match=message):
            f(case.model, case.base, {"m": adapter.array(0.3)}, x, **options)

    check("'mu' is not inside the plate 'data'", adapter.log_weights, num_samples=2, plate="data")
    check("log_weights: num_samples must be an integer >= 1, got 0", adapter.log_weights, num_samples=0)
    check("log_evidence: batch_size must be an integer >= 1, got 0", adapter.log_evidence, batch_size=0)


@pytest.mark.parametrize("concentration, warned", [(0.1, True), (2.0, False)])
def test_draws_beside_1_are_told(adapter, concentration, warned):
    """In float32 a fifth of the draws of Beta(50, 0.1) round to the last number below 1: the density is that one's."""

    def model():
        adapter.sample("t", adapter.dist.Beta(1.0, concentration))

    def guide():
        adapter.sample("t", adapter.dist.Beta(50.0, concentration))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        adapter.log_evidence(model, guide, {}, num_samples=500, batch_size=500)
    assert any("draws of 't' are the last number" in str(w.message) for w in told) == warned


OWN = [("LKJCholesky", (3, 1.0)), ("WishartCholesky", (5.0, np.eye(2))), ("Dirichlet", ([2.0],))]


@pytest.mark.parametrize("name, args", OWN)
def test_zeros_and_ones_that_are_its_own(adapter, name, args):
    """Of a matrix, and the one number of a simplex that has no other."""

    def model():
        adapter.sample("t", getattr(adapter.dist, name)(*(adapter.array(a) if np.ndim(a) else a for a in args)))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        adapter.log_evidence(model, model, {}, num_samples=50, batch_size=50)
    assert not any("are the last number" in str(w.message) for w in told)


def test_draws_of_the_line_are_not_told(adapter):
    """Numbers next to 1 are no end of a normal's support."""

    def model():
        adapter.sample("t", adapter.dist.Normal(1.0, 1e-6))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = adapter.log_evidence(model, model, {}, num_samples=100, batch_size=100)
    assert float(found.log_evidence) == 0.0
