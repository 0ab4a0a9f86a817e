"""Importance weights, evidence, k-hat and diagnostics."""

import math

import pyro
import pytest
import torch

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, log_evidence, log_weights
from pyro_irg.infer.evaluation import pareto_k
from tests.pyro.evidences import (
    DATA,
    global_guide,
    global_model,
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
