"""Importance weights, evidence, k-hat and diagnostics."""

import math
import sys

import pyro
import pytest
import torch

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, diagnostics, log_evidence, log_weights
from pyro_irg.infer.evaluation import pareto_k
from tests.pyro.evidences import (
    DATA,
    LEAPFROG,
    global_evidence,
    global_guide,
    global_model,
    local_evidence,
    local_guide,
    local_model,
    mixed_guide,
    mixed_model,
)


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


CASES = [
    (global_model, global_guide, None),
    (local_model, local_guide, None),
    (local_model, local_guide, "data"),
    (mixed_model, mixed_guide, None),
]


@pytest.mark.parametrize("model, base, plate", CASES)
@pytest.mark.parametrize("num_steps", [0, 2])
def test_weights_side_by_side_have_the_same_distribution(model, base, plate, num_steps):
    guide = HVAE(model, base, num_steps=num_steps, step_size=0.3, tempering="free") if num_steps else base
    one = log_weights(model, guide, DATA, num_samples=300, plate=plate)
    many = log_weights(model, guide, DATA, num_samples=20_000, plate=plate, batch_size=10_000)
    assert one.shape[1:] == many.shape[1:] == (() if plate is None else (6,))
    assert ((one.mean(0) - many.mean(0)).abs() < 4.5 * one.std(0) / math.sqrt(300)).all()
    low, high = (torch.quantile(many, q, dim=0) for q in (0.25, 0.75))
    share = ((low < one) & (one < high)).float().mean(0)
    assert ((share - 0.5).abs() < 4.5 * 0.5 / math.sqrt(300)).all()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_shapes_for_any_batch_size(batch_size):
    options = {"num_samples": 10, "batch_size": batch_size}
    assert log_weights(global_model, global_guide, DATA, **options).shape == (10,)
    assert log_weights(local_model, local_guide, DATA, plate="data", **options).shape == (10, 6)
    assert log_weights(local_model, local_guide, DATA, 2, plate="data", **options).shape == (10, 2)


@pytest.mark.parametrize("plate", [None, "data"])
def test_log_evidence(plate):
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3, tempering="free")
    found = log_evidence(local_model, guide, DATA, num_samples=20_000, plate=plate, batch_size=5000)
    exact = local_evidence(DATA) if plate else local_evidence(DATA).sum()
    assert found.log_evidence.shape == found.ess.shape == found.pareto_k.shape == exact.shape
    # By the delta method the error is 1 / sqrt(ESS) at most.
    assert ((found.log_evidence - exact).abs() < 4.5 / found.ess.sqrt()).all()
    assert (found.ess > 200.0).all() and (found.ess <= 20_000.0 * 1.001).all()
    assert (found.pareto_k < 0.7).all()


def test_progress_bar(capsys):
    log_evidence(global_model, global_guide, DATA, num_samples=30, progress_bar=True)
    assert "log evidence" in capsys.readouterr().err


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_pareto_k_of_a_known_tail(k):
    """Of 60 samples of a generalized Pareto; the fit's prior draws k to 0.5 as ten more points there would."""
    u = torch.rand(10_000, 6, 10, dtype=torch.float64)
    weights = ((1.0 - u) ** -k - 1.0) / k
    found = pareto_k(weights.log())
    assert found.shape == (6, 10)
    tail = 300
    expected = (tail * k + 10 * 0.5) / (tail + 10)
    error = (1.0 + k) / math.sqrt(tail * 60)  # of the maximum likelihood estimate
    assert float(found.mean()) == pytest.approx(expected, abs=5.0 * error)


def test_pareto_k_of_a_good_and_a_bad_guide():
    """q = N(0, s) for p = N(0, 1): the weights' tail index is 1 - s^2 below 1, and the tail is bounded above."""

    def model():
        with pyro.plate("data", 2):
            pyro.sample("z", dist.Normal(0.0, 1.0))

    def guide():
        with pyro.plate("data", 2):
            pyro.sample("z", dist.Normal(0.0, torch.tensor([0.3, 1.2])))

    narrow, wide = log_evidence(model, guide, num_samples=20_000, plate="data", batch_size=20_000).pareto_k
    assert narrow > 0.7 and wide < 0.3
    assert (log_evidence(model, model, num_samples=100).pareto_k == -math.inf).all()  # equal weights: no tail
    assert log_evidence(model, guide, num_samples=20).pareto_k.isnan().all()  # too few draws


def test_pareto_k_where_there_is_none():
    """NaN or infinite weights; a largest weight shared by all of the tail, here the last 20 of 100."""
    draws = torch.randn(100, 5, dtype=torch.float64)
    draws[0, 0], draws[0, 1] = math.nan, math.inf
    draws[:, 2].clamp_(max=float(draws[:, 2].sort().values[-20]))
    draws[:, 3] = -1.0
    found = pareto_k(draws)
    assert found[:2].isnan().all() and found[2:4].isneginf().all() and found[4].isfinite()


def test_hamiltonian_steps_improve_the_weights():
    def wide(x):
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    base = log_evidence(global_model, wide, DATA, num_samples=5000, batch_size=5000)
    guide = HVAE(global_model, wide, num_steps=4, step_size=0.2, tempering=lambda k: [0.8] * k)
    found = log_evidence(global_model, guide, DATA, num_samples=5000, batch_size=5000)
    assert found.ess > base.ess
    assert float(found.log_evidence) == pytest.approx(float(global_evidence(DATA)), abs=4.5 / float(found.ess) ** 0.5)


def test_without_arviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    assert log_weights(global_model, global_guide, DATA, num_samples=30).shape == (30,)
    with pytest.raises(ImportError, match=r'pip install "pyro-irg\[pyro\]"'):
        log_evidence(global_model, global_guide, DATA, num_samples=30)


def test_errors():
    with pytest.raises(ValueError, match="'mu' is not inside the plate 'data'"):
        log_weights(global_model, global_guide, DATA, num_samples=2, plate="data")
    with pytest.raises(ValueError, match="log_weights: num_samples must be an integer >= 1, got 0"):
        log_weights(global_model, global_guide, DATA, num_samples=0)
    with pytest.raises(ValueError, match="log_evidence: batch_size must be an integer >= 1, got 0"):
        log_evidence(global_model, global_guide, DATA, batch_size=0)


def test_diagnostics():
    guide = HVAE(local_model, local_guide, num_steps=3, step_size=0.2, tempering="free")
    found = diagnostics(guide, DATA)
    assert found["step_sizes"]["z"].tolist() == pytest.approx([0.2] * 3)
    assert found["inverse_temperatures"].shape == (4,) and float(found["inverse_temperatures"][-1]) == 1.0
    assert (found["inverse_temperatures"].diff() > 0.0).all()
    assert found["energy_errors"].shape == (3,)
    assert found["rejected"] == 0.0
    assert 0.0 < found["momentum_second_moment"]["z"] < 10.0
    assert diagnostics(HVAE(local_model, local_guide, num_steps=0), DATA) == {}


def test_evidence_of_an_autoguide_on_several_plates():
    x = torch.randn(3, 4)

    def model(x):
        with pyro.plate("rows", 3, dim=-2):
            a = pyro.sample("a", dist.Normal(0.0, 1.0))
            with pyro.plate("columns", 4, dim=-1):
                pyro.sample("x", dist.Normal(a, 1.0), obs=x)

    guide = AutoHVAE(model, num_steps=2, tempering="free", base_options={"init_scale": 0.5}, **LEAPFROG)
    found = log_evidence(model, guide, x, num_samples=20_000, batch_size=5000, plate="rows")
    distribution = torch.distributions.MultivariateNormal(torch.zeros(4), torch.eye(4) + torch.ones(4, 4))
    assert ((found.log_evidence - distribution.log_prob(x)).abs() < 4.5 / found.ess.sqrt()).all()
