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
    params_of,
    settings,
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


def test_a_point_is_no_base():
    def program(distribution):
        return lambda: numpyro.sample("z", distribution)

    with pytest.raises(ValueError, match=r"\['z'\] are points \(Delta\), without a density"):
        seed(HVAE(program(dist.Normal(0.0, 1.0)), program(dist.Delta(0.0)), num_steps=1), 0)()
