"""`QMC_ELBO`: the gradient is unbiased, and of a fraction of the variance of independent draws."""

import numpy as np
import pytest

from tests.adapters import over
from tests.checks import assert_unbiased, exact_gradient
from tests.conjugate import CONJUGATES

PARTICLES, SEEDS = 64, range(60)


def slopes(adapter, elbo, model, guide, params):
    """Minus the gradient of the loss for each seed, by parameter."""
    options = {"vectorize_particles": True, "max_plate_nesting": 1} if adapter.name == "pyro" else {}
    found = adapter.loss_and_slopes(
        model, guide, adapter.arrays(params), elbo=elbo, seeds=SEEDS, num_particles=PARTICLES, **options
    )
    return {name: -np.array([gradient[name] for _, gradient in found]) for name in params}


def check(adapter, model, guide, params, truth):
    independent, ours = (slopes(adapter, elbo, model, guide, params) for elbo in ("Trace", "QMC"))
    # E |g - E g|**2, which from 60 is known to a fifth
    total, of_ours = (sum(g.var(0).sum() for g in gradient.values()) for gradient in (independent, ours))
    assert total / of_ours > 10.0, total / of_ours
    for name in params:
        assert (ours[name].var(0) < 0.5 * independent[name].var(0)).all(), name
        assert_unbiased(ours[name], truth[name], 2e-5, name)


@over(CONJUGATES, "conjugate", when=lambda adapter, c: c.family in ("Gamma", "Beta", "VonMises"))
def test_conjugate(adapter, conjugate):
    programs = conjugate.programs(adapter, adapter.dist)
    check(adapter, *programs, conjugate.guide, exact_gradient(conjugate.elbo, conjugate.guide))


MIXTURE = {"logits": (0.1, 0.5), "locs": (-1.0, 1.0), "scales": (0.5, 0.8)}


def mixture_elbo(logits, locs, scales):
    """Under a prior Normal(1/2, 2), by the trapezoidal rule, which is exact to rounding for what decays so fast."""
    x = np.linspace(-15.0, 15.0, 6001)[:, None]
    w = np.exp(logits) / np.exp(logits).sum()
    each = w * np.exp(-0.5 * ((x - locs) / scales) ** 2) / scales / np.sqrt(2.0 * np.pi)
    q = each.sum(-1)
    log_p = -0.5 * ((x[:, 0] - 0.5) / 2.0) ** 2
    return np.sum(q * (log_p - np.log(np.maximum(q, 1e-300)))) * (x[1, 0] - x[0, 0])


def test_mixture(adapter):
    def model():
        adapter.sample("x", adapter.dist.Normal(adapter.array(0.5), 2.0))

    def guide():
        p = {name: adapter.param(name, adapter.array(value)) for name, value in MIXTURE.items()}
        components = adapter.dist.Normal(p["locs"], p["scales"])
        adapter.sample("x", adapter.dist.MixtureSameFamily(adapter.dist.Categorical(logits=p["logits"]), components))

    truth, step = {}, 1e-5
    for name, value in MIXTURE.items():
        moved = [
            [mixture_elbo(**{**MIXTURE, name: np.array(value) + sign * step * unit}) for sign in (1.0, -1.0)]
            for unit in np.eye(2)
        ]
        truth[name] = np.array([(up - down) / (2.0 * step) for up, down in moved])
    check(adapter, model, guide, MIXTURE, truth)


def test_plates_vectors_and_what_stays_independent(adapter):
    """A site in a plate, a vector, and one without a pathwise gradient, whose score stays in the loss; the mean of
    the loss is that of independent draws."""
    dist = adapter.dist

    def model():
        with adapter.plate("rows", 3):
            z = adapter.sample("z", dist.Normal(adapter.array(0.0), 1.0))
        w = adapter.sample("w", dist.Dirichlet(adapter.array([1.0, 2.0, 3.0])))
        adapter.sample("k", dist.Poisson(adapter.array(2.0)))
        adapter.sample("y", dist.Normal(z.sum(-1) + w[..., 0], 1.0) if z.ndim == 1 else dist.Normal(w[..., 0], 1.0),
                       obs=adapter.array(0.5))  # fmt: skip

    def guide():
        with adapter.plate("rows", 3):
            adapter.sample("z", dist.Normal(adapter.array([0.1, 0.2, 0.3]), 0.9))
        adapter.sample("w", dist.Dirichlet(adapter.array([1.5, 2.0, 2.5])))
        adapter.sample("k", dist.Poisson(adapter.array(2.0)))

    options = {"max_plate_nesting": 1} if adapter.name == "pyro" else {}
    losses = {}
    for elbo in ("Trace", "QMC"):
        more = {**options, "vectorize_particles": True} if elbo == "Trace" else options
        found = adapter.loss_and_slopes(model, guide, {}, elbo=elbo, seeds=range(40), num_particles=16, **more)
        losses[elbo] = np.array([float(loss) for loss, _ in found])
    error = np.sqrt(sum(v.var() / len(v) for v in losses.values()))
    assert abs(losses["QMC"].mean() - losses["Trace"].mean()) < 4.0 * error
    assert losses["QMC"].var() < losses["Trace"].var()


def test_arguments(adapter):
    for count in (1, 0, 2.5, "many"):
        with pytest.raises(ValueError, match="QMC_ELBO: num_particles must be an integer >= 2"):
            adapter.irg.infer.QMC_ELBO(num_particles=count)


def test_a_site_without_quantiles_is_named(adapter):
    dist = adapter.dist

    def program():
        zero = adapter.array(0.0)
        adapter.sample("x", dist.SineBivariateVonMises(zero, zero, zero + 1.0, zero + 1.0, zero + 0.1))

    with pytest.raises(NotImplementedError, match="SineBivariateVonMises has no univariate quantile"):
        adapter.loss_and_slopes(program, program, {}, elbo="QMC", num_particles=2)
