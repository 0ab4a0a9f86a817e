"""A user's program with NumPyro: neither mypy nor pyright finds anything in it."""

import jax
import jax.numpy as jnp
import numpyro
from jax import Array
from numpyro.infer import SVI, Trace_ELBO

import numpyro_irg
import numpyro_irg.distributions as dist
from numpyro_irg import special
from numpyro_irg.infer import (
    HVAE,
    QMC_ELBO,
    AutoHVAE,
    AutoMixture,
    Evidence,
    PathGradientELBO,
    diagnostics,
    log_evidence,
    log_weights,
)


def model(x: Array) -> None:
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", dist.Truncated(dist.Normal(rate, 1.0), low=0.0), obs=x)


def guide(x: Array) -> None:
    shape = numpyro.param("shape", 2.0, constraint=dist.constraints.positive)
    numpyro.sample("rate", dist.Gamma(shape, 1.0))


def mixture() -> dist.MixtureSameFamily:
    return dist.MixtureSameFamily(dist.Categorical(logits=jnp.zeros(2)), dist.Normal(jnp.zeros(2), 1.0))


def gradients(value: Array) -> dict[str, Array]:
    return numpyro_irg.implicit_gradients(dist.VonMises(0.0, 2.0), value)


def fit(x: Array) -> Evidence:
    key = jax.random.key(0)
    refined = HVAE(model, guide, num_steps=3, tempering="free")
    svi = SVI(model, refined, numpyro.optim.Adam(0.01), Trace_ELBO())
    params = svi.run(key, 10, x).params
    weights: Array = log_weights(model, refined, params, key, x, num_samples=10)
    print(jnp.exp(weights).mean(), diagnostics(refined, params, key, x)["rejected"], numpyro_irg.__version__)
    for other in (AutoHVAE(model), AutoMixture(model, 2), numpyro_irg.implicit(guide, strict=True)):
        log_evidence(model, other, params, key, x)
    with numpyro_irg.registered():
        numpyro_irg.check_reparameterized(guide, x)
    return log_evidence(model, refined, params, key, x, num_samples=100, batch_size=10)


def draws(key: Array, u: Array) -> Array:
    families = (
        dist.Gamma(2.0, 1.0),
        dist.Beta(jnp.float32(0.5), 0.5),
        dist.StudentT(3.0),
        dist.SkewNormal(0.0, 1.0, 2.0),
        dist.MixtureSameFamily(dist.Categorical(logits=jnp.zeros(2)), dist.Gamma(jnp.ones(2), 1.0)),
    )
    total: Array = u
    for family in families:
        x: Array = family.sample(key, u.shape)
        total = total + x + family.log_prob(x) + family.cdf(x) + numpyro_irg.from_uniform(family, u)
    direction: Array = jnp.linalg.norm(dist.VonMisesFisher(jnp.eye(3)[0], concentration=2.0).sample(key))
    scale: Array = jnp.linalg.det(dist.Wishart(5.0, jnp.eye(3)).to_event(0).expand((2,)).sample(key)).sum()
    return total + direction + scale


def functions(a: Array) -> Array:
    return special.gammainc(a, 1.0) + special.betainc(2, a, 0.5) + special.log_ndtr_interval(0.0, a)


def other_bounds(x: Array) -> None:
    for elbo in (QMC_ELBO(num_particles=16), PathGradientELBO(num_particles=2, num_importance=4)):
        SVI(model, guide, numpyro.optim.Adam(0.01), elbo).run(jax.random.key(0), 10, x)
