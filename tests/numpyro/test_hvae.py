"""The Hamiltonian guide's algorithm: exact where theory is exact; its guard; its errors."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.extend.core import jaxprs_in_params
from numpyro.handlers import block, seed, substitute
from numpyro.infer import Trace_ELBO

from irg_kernels.inference import hamiltonian
from numpyro_irg.infer import HVAE, diagnostics, log_weights
from tests.numpyro.hvae import (
    DATA,
    check_gradient,
    encoder,
    fit,
    jit,
    linear,
    log_p,
    loss,
    mixed,
    mixed_base,
    mixed_log_p,
    params_of,
    settings,
    sites_of,
    summed,
    summed_base,
)

TEMPERINGS = ["none", "fixed", "quadratic", "free", lambda num_steps: [0.9] * num_steps]


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def flow(guide, params, *args):
    """(z0, rho0) -> (z_K, rho_K) with everything else fixed, and a point (z0, rho0)."""

    def run(point):
        z0, rho0 = jnp.split(point, 2)
        given = {"hvae_base_z": z0, "hvae_momentum_z": rho0}
        with block(), seed(rng_seed=0), substitute(data={**params, **given}):
            _, path = guide.refine(*args)
        return jnp.concatenate([path.z[0], path.rho[0]])

    return run, jnp.array([0.4, -0.7, 1.1, 0.9, 0.3, -1.2])


def banana(x):
    z = numpyro.sample("z", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
    numpyro.sample("x", dist.Normal(z[0] + z[1] ** 2 * z[2], 0.5), obs=x)


def wide(x):
    scale = numpyro.param("scale", jnp.array([0.5, 0.8, 1.2]))
    numpyro.sample("z", dist.Normal(jnp.zeros(3), scale).to_event(1))


def cooling(tempering, num_steps):
    with block(), seed(rng_seed=0):
        return HVAE(linear, encoder, num_steps=num_steps, tempering=tempering).cooling()


def test_jacobian():
    """Under the cooling of every schedule, given to the free one."""
    guide = HVAE(banana, wide, num_steps=4, step_size=0.3, tempering="free")
    params = params_of(banana, guide, 1.0)
    jacobian = jit(lambda params, point: jax.jacobian(flow(guide, params, 1.0)[0])(point))
    for tempering in TEMPERINGS:
        alphas = cooling(tempering, 4)
        _, found = np.linalg.slogdet(jacobian({**params, "hvae_cooling": alphas}, flow(guide, params, 1.0)[1]))
        np.testing.assert_allclose(found, 3 * np.sum(np.log(alphas)), atol=1e-5)  # -(d/2) log T0
        assert (tempering == "none") == (found == pytest.approx(0.0, abs=1e-9))


def test_reversible():
    guide = HVAE(banana, wide, num_steps=5, step_size=0.3)
    run, point = flow(guide, params_of(banana, guide, 1.0), 1.0)
    run, flip = jit(run), jnp.array([1.0] * 3 + [-1.0] * 3)
    np.testing.assert_allclose(flip * run(flip * run(point)), point, atol=1e-9)


def test_energy_error_is_of_second_order():
    errors = []
    for steps, size in ((10, 0.1), (20, 0.05)):
        guide = HVAE(banana, wide, num_steps=steps, step_size=size, step_size_shape="scalar")
        found = diagnostics(guide, params_of(banana, guide, 1.0), jax.random.key(0), 1.0)
        errors.append(abs(float(found["energy_errors"].sum())))
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_small_steps_change_nothing():
    guide = HVAE(linear, encoder, num_steps=5, step_size=1e-6)
    params = params_of(linear, guide, DATA, size=60)
    found, base = (jit(loss(linear, g, DATA, size=60))(params) for g in (guide, encoder))
    np.testing.assert_allclose(found, base, atol=1e-5)


def test_no_steps_is_the_base():
    guide = HVAE(linear, encoder, num_steps=0, tempering="free")
    assert list(sites_of(guide, {}, DATA)) == list(sites_of(encoder, {}, DATA))


def test_mean_weight_is_the_evidence():
    """For each datum, in a plate that is subsampled; under the cooling of every schedule, given to the free one."""
    guide = HVAE(linear, encoder, num_steps=3, step_size=0.3, tempering="free")
    params = params_of(linear, guide, DATA, size=60)
    options = {"size": 60, "num_samples": 4000, "plate": "data", "batch_size": 500}
    weights = jit(lambda p: log_weights(linear, guide, p, jax.random.key(1), DATA, **options))
    for tempering in TEMPERINGS:
        ratio = np.exp(weights({**params, "hvae_cooling": cooling(tempering, 3)}) - log_p(DATA))
        error = ratio.std(0) / math.sqrt(4000)
        assert error.max() < 0.05
        assert np.all(abs(ratio.mean(0) - 1.0) < 4.5 * error)


# A bound so tight that many steps are rejected: if a start could end where another does, the mean would not be right.
@pytest.mark.parametrize(
    ("model", "base", "exact", "plate"),
    [
        (summed, summed_base, mixed_log_p, None),
        (linear, encoder, log_p, "data"),
        (mixed, mixed_base, mixed_log_p, None),
    ],
    ids=["global", "local", "mixed"],
)
def test_mean_weight_with_steps_rejected(model, base, exact, plate, monkeypatch):
    monkeypatch.setattr(hamiltonian, "MAX_ENERGY_CHANGE", 0.01)
    monkeypatch.setattr(hamiltonian, "OBSERVED_COUNTS", 1.0)
    guide = HVAE(model, base, num_steps=4, step_size=0.45, tempering="free")
    params = params_of(model, guide, DATA)

    def draws(params):
        keys = jax.random.split(jax.random.key(2), 200)
        with block(), substitute(data=params):
            rejected = jax.vmap(lambda key: seed(guide.refine, key)(DATA)[1].rejected)(keys)
        options = {"num_samples": 20_000, "plate": plate, "batch_size": 5000}
        return rejected, log_weights(model, guide, params, jax.random.key(1), DATA, **options)

    rejected, weights = jit(draws)(params)
    assert 0.1 < rejected.mean() < 0.9
    ratio = np.exp(weights - exact(DATA))
    error = ratio.std(0) / math.sqrt(20_000)
    assert error.max() < 0.05
    assert np.all(abs(ratio.mean(0) - 1.0) < 4.0 * error)


def test_plates_side_by_side_are_one_system():
    """Of two sizes, on one dimension: nothing is shared by all sites."""

    def model():
        for name, size in (("a", 2), ("b", 4)):
            with numpyro.plate(f"{name}_plate", size):
                numpyro.sample(name, dist.Normal(0.0, 1.0))

    guide = HVAE(model, model, num_steps=3, step_size=0.3)
    found = jit(loss(model, guide))(params_of(model, guide))
    assert 0.0 < found < 0.1  # q0 = p: discretisation alone, which is of fourth order here


def test_gradient():
    """Decoder, encoder, step sizes, temperatures; the same with every step recomputed in the backward pass."""
    options = {"num_steps": 3, "step_size": 0.3, "tempering": "free", "step_size_shape": "step"}
    guide = HVAE(linear, encoder, **options)
    params = params_of(linear, guide, DATA)
    _, slopes = check_gradient(loss(linear, guide, DATA), params)
    assert set(slopes) == {"s", "slope", "scale", "hvae_z_step_size", "hvae_cooling"}
    again = HVAE(linear, encoder, checkpoint=True, **options)
    found = jit(jax.grad(loss(linear, again, DATA)))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, slopes)


@pytest.mark.parametrize("tempering", ["fixed", "free"])
def test_program_does_not_grow_with_the_steps(tempering):
    sizes = []
    for steps in (2, 20):
        guide = HVAE(linear, encoder, num_steps=steps, tempering=tempering)
        params = params_of(linear, guide, DATA)
        sizes.append(equations(jax.make_jaxpr(jax.grad(loss(linear, guide, DATA)))(params).jaxpr))
    assert sizes[0] == sizes[1] > 100


def equations(jaxpr):
    """How many there are, those of loops and branches included."""
    return sum(1 + sum(equations(inner) for inner in jaxprs_in_params(e.params)) for e in jaxpr.eqns)


@pytest.mark.parametrize("particles", [1, 4])
def test_diverging_steps_stay_finite(particles):
    """exp(exp(z)) overflows one step away: the steps are rejected, counted, and poison no gradient."""

    def steep(x):
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(0.0, 1.0))
            numpyro.sample("x", dist.Normal(jnp.exp(jnp.exp(z)), 1.0), obs=x)

    def wild(x):
        loc = numpyro.param("loc", jnp.array([0.0, 0.0, 0.0, 0.0, 2.0, 2.0]))
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(loc, 0.1))

    guide = HVAE(steep, wild, num_steps=4, step_size=0.4, step_size_shape="scalar")
    params = params_of(steep, guide, DATA)
    elbo = Trace_ELBO(num_particles=particles)
    value, slopes = jit(jax.value_and_grad(loss(steep, guide, DATA, elbo=elbo)))(params)
    assert np.isfinite(value) and all(np.isfinite(s).all() for s in slopes.values())
    told = diagnostics(guide, params, jax.random.key(0), DATA)
    assert 0.2 < told["rejected"] < 0.5 and np.isfinite(told["energy_errors"]).all()


def test_too_large_a_step_limit():
    """Leapfrog on this banana is unstable at the first step size, where without a guard the loss is about 1e24."""

    def curved():
        with numpyro.plate("particles", 16):
            z = numpyro.sample("a", dist.Normal(0.0, 1.0))
            numpyro.sample("b", dist.Normal(z**2, 0.3))

    def broad():
        with numpyro.plate("particles", 16):
            for name in ("a", "b"):
                loc, scale = numpyro.param(f"{name}_loc", 0.0), numpyro.param(f"{name}_log_scale", 0.0)
                numpyro.sample(name, dist.Normal(loc, jnp.exp(scale)))

    guide = HVAE(curved, broad, num_steps=5, step_size=0.4, max_step_size=2.0, tempering="free")
    start = params_of(curved, guide)
    assert diagnostics(guide, start, jax.random.key(1))["rejected"] > 0.3
    params, losses = fit(curved, guide, steps=500)
    losses = losses / 16  # of one particle; log Z = 0
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))
    assert losses.max() < 200.0 and 0.0 < losses[-100:].mean() < 0.2 * losses[:20].mean()
    assert diagnostics(guide, params, jax.random.key(1))["rejected"] < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"num_steps": 2, "step_size": 0.0}, "step_size must lie between 0 and max_step_size"),
        ({"num_steps": 2, "max_step_size": -1.0}, "max_step_size must be positive"),
        ({"num_steps": 2, "step_size_shape": "site"}, "step_size_shape must be one of"),
        ({"num_steps": 2, "tempering": "linear"}, "tempering must be one of"),
        ({"num_steps": 2, "initial_temperature": 1.0}, "initial_temperature must be greater than 1"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        HVAE(linear, encoder, **options)


def draws(**distributions):
    return lambda: [numpyro.sample(name, distribution) for name, distribution in distributions.items()]


NORMAL = dist.Normal(0.0, 1.0)
MISFITS = [
    (draws(z=NORMAL, w=NORMAL), draws(z=NORMAL), "'w' has no site in the base guide; add numpyro.sample"),
    (draws(z=NORMAL), draws(z=NORMAL, w=NORMAL), r"\['w'\] are not latents of the model; remove them"),
    (draws(z=NORMAL, k=dist.Bernoulli(0.5)), draws(z=NORMAL), "'k' is discrete .*; sum it out"),
    (draws(z=NORMAL), draws(z=dist.Delta(0.0)), r"\['z'\] are points \(Delta\), without a density"),
    (
        draws(z=NORMAL),
        draws(z=dist.Poisson(1.0)),
        "'z' has a distribution without reparameterized draws, Poisson; take its",
    ),
    (draws(), draws(), "no latent sample site to move; use the base guide alone"),
]


@pytest.mark.parametrize(("model", "guide", "message"), MISFITS)
def test_misfits(model, guide, message):
    with pytest.raises(ValueError, match=message):
        seed(HVAE(model, guide, num_steps=1), 0)()
