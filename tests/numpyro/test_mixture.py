"""Mixtures of NumPyro: what a large one takes of memory and compilation."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import numpyro_irg.distributions as dist

KEY = jax.random.key(0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["factorised", "normal"])
def test_memory_and_compilation(kind, dtype):
    """K = 100, D = 50, 1,000 draws: one pass with its gradient in less than 1 GiB, compiled in less than 10 s."""
    with jax.enable_x64(dtype == "float64"):
        check_size(kind, dtype)


def check_size(kind, dtype):
    keys = jax.random.split(KEY, 2)
    loc = jax.random.normal(keys[0], (100, 50), dtype)
    scale_tril = jnp.eye(50, dtype=dtype) + 0.1 * jnp.tril(jax.random.normal(keys[1], (100, 50, 50), dtype), -1)
    logits = jnp.zeros(100, dtype)

    def total(logits, loc, scale_tril):
        if kind == "normal":
            component = dist.MultivariateNormal(loc, scale_tril=scale_tril)
        else:
            component = dist.Normal(loc, jnp.diagonal(scale_tril, axis1=-2, axis2=-1)).to_event(1)
        return jnp.sin(dist.MixtureSameFamily(dist.Categorical(logits=logits), component).sample(KEY, (1000,))).sum()

    start = time.process_time()
    lowered = jax.jit(jax.grad(total, (0, 1, 2))).lower(logits, loc, scale_tril)
    compiled = lowered.compile()
    assert time.process_time() - start < 10.0
    assert compiled.memory_analysis().temp_size_in_bytes < 2**29
    assert all(jnp.isfinite(slope).all() for slope in compiled(logits, loc, scale_tril))


def test_different_supports_under_jit_give_nan():
    """Where bounds are traced nothing can be refused; whether one support holds shows in the draw."""

    @jax.jit
    def draw(high):
        parts = dist.Truncated(dist.Normal(jnp.array([0.0, 1.0]), 1.0), 0.0, high)
        general = [dist.Truncated(dist.Normal(0.0, 1.0), 0.0, h) for h in high]
        weights = dist.Categorical(logits=jnp.zeros(2))
        keys = jax.random.split(jax.random.key(0))
        return jnp.stack(
            [
                dist.MixtureSameFamily(weights, parts).sample(keys[0], (5,)),
                dist.MixtureGeneral(weights, general).sample(keys[1], (5,)),
            ]
        )

    assert jnp.isfinite(draw(jnp.array([2.0, 2.0]))).all()
    assert jnp.isnan(draw(jnp.array([2.0, 3.0]))).all()


def test_from_uniform_under_vmap():
    """The search is taken side by side where u alone is mapped, and mapped with the parameters; with its slopes."""
    u = jnp.array([0.03, 0.4, 0.97])

    def draw(logit, u):
        weights = dist.Categorical(logits=jnp.stack([logit, 0.3]))
        return dist.MixtureSameFamily(weights, dist.Gamma(jnp.array([2.0, 9.0]), 1.0)).from_uniform(u)

    logits = jnp.array([-1.0, 0.2, 1.5])
    for f in (jax.jit(draw), jax.jit(jax.grad(draw, (0, 1)))):
        alone = [[f(logit, level) for level in u] for logit in logits]
        of_u = jax.jit(jax.vmap(f, (None, 0)))
        for logit, row in zip(logits, alone, strict=True):
            for i, found in enumerate(jax.tree.leaves(of_u(logit, u))):
                np.testing.assert_allclose(found, [jax.tree.leaves(one)[i] for one in row], rtol=2e-5)
        paired = jax.tree.leaves(jax.vmap(f)(logits, u))
        for i, found in enumerate(paired):
            np.testing.assert_allclose(found, [jax.tree.leaves(alone[k][k])[i] for k in range(3)], rtol=2e-5)
