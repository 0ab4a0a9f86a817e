"""The picture at the head of README, docs/overview.png: three things that an implicit gradient puts right.

python -m benchmarks.overview
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import mpmath
import numpy as np
import numpyro
import torch
from jax import lax, random
from numpyro.infer import SVI, Trace_ELBO

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients

matplotlib.use("Agg")  # a file only
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
OURS, THEIRS, SCORE, TRUTH = "C0", "C1", "C4", dict(color="black", ls="--", lw=1.4)


def mixture(library):
    """A bimodal density by a guide of its own form, but for its parameters: each library's own MixtureSameFamily."""
    weights, locs = jnp.array([0.8, 0.2]), jnp.array([-1.5, 1.5])

    def distribution(weights, locs, scales, library=dist):
        return library.MixtureSameFamily(library.Categorical(probs=weights), library.Normal(locs, scales))

    def model():
        numpyro.sample("x", distribution(weights, locs, jnp.full(2, 0.6)))

    def guide():
        w = numpyro.param("weights", jnp.array([0.5, 0.5]), constraint=dist.constraints.simplex)
        m = numpyro.param("locs", jnp.array([-1.0, 1.0]))
        s = numpyro.param("scales", jnp.ones(2), constraint=dist.constraints.positive)
        numpyro.sample("x", distribution(w, m, s, library))

    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO(num_particles=32))
    found = svi.run(random.key(0), 4_000, progress_bar=False).params
    x = jnp.linspace(-4.0, 4.0, 400)
    return (
        x,
        distribution(weights, locs, jnp.full(2, 0.6)),
        distribution(found["weights"], found["locs"], found["scales"]),
    )


def draw_fit(ax) -> None:
    for library, colour, name in ((numpyro.distributions, THEIRS, "NumPyro's mixture"), (dist, OURS, "pyro-irg")):
        x, target, fit = mixture(library)
        ax.plot(x, jnp.exp(fit.log_prob(x)), color=colour, label=name)
    ax.plot(x, jnp.exp(target.log_prob(x)), label="exact", **TRUTH)
    ax.set(xlabel="x", ylabel="density of the guide", title="Right: the weights are learned too")
    ax.legend()


def exact_gamma(a: float, z: float) -> float:
    """dz/da of a Gamma(a, 1) draw at a fixed quantile."""
    with mpmath.workdps(40):
        slope = mpmath.diff(lambda a: mpmath.gammainc(a, 0, z, regularized=True), a)
        return float(-slope / (mpmath.mpf(z) ** (a - 1) * mpmath.exp(-z) / mpmath.gamma(a)))


def draw_errors(ax) -> None:
    """Largest relative error over three quantiles, along the concentration, in float64."""
    concentrations = 10.0 ** np.linspace(-1, 4, 26)
    rng = np.random.default_rng(0)
    draws = np.stack([np.quantile(rng.gamma(a, size=10_001), [0.1, 0.5, 0.9]) for a in concentrations])
    truth = np.array([[exact_gamma(a, z) for z in row] for a, row in zip(concentrations, draws)])
    wide = np.broadcast_to(concentrations[:, None], draws.shape).copy()
    with jax.enable_x64(True):
        found = {
            "torch": torch._standard_gamma_grad(torch.tensor(wide), torch.tensor(draws)).numpy(),
            "JAX": np.asarray(lax.random_gamma_grad(jnp.asarray(wide), jnp.asarray(draws))),
            "pyro-irg": np.asarray(implicit_gradients(dist.Gamma(wide, 1.0), draws)["concentration"]),
        }
    for (name, values), colour in zip(found.items(), (THEIRS, SCORE, OURS)):
        error = np.abs(values / truth - 1.0).max(-1)
        ax.loglog(concentrations, np.maximum(error, 1e-17), "o-", ms=3, color=colour, label=name)
    ax.set(xlabel="concentration of a Gamma", ylabel="relative error of dz/da", title="Exact: to rounding, in float64")
    ax.legend()


def variances(distribution, parameter, size: int = 20_000) -> tuple:
    """Variances of two estimates from one draw of d/d`parameter` of E[x^2] (an angle: of E[cos x])."""
    function = jnp.cos if distribution is von_mises else jnp.square
    keys = random.split(random.key(0), size)
    pathwise = jax.vmap(lambda key: jax.grad(lambda a: function(distribution(a).sample(key)))(parameter))(keys)
    x = distribution(parameter).sample(random.key(1), (size,))
    score = jax.vmap(lambda x: jax.grad(lambda a: distribution(a).log_prob(x))(parameter))(x)
    values = function(x)
    return jnp.var(pathwise), jnp.var((values - values.mean()) * score)


def von_mises(concentration):
    return dist.VonMises(0.0, concentration)


LAWS = {
    "Gamma(a, 1)": lambda a: dist.Gamma(a, 1.0),
    "Beta(a, a)": lambda a: dist.Beta(a, a),
    "von Mises(0, a)": von_mises,
}


def draw_variances(ax) -> None:
    parameters = 10.0 ** np.linspace(-1, 3, 17, dtype=np.float32)
    for (name, distribution), colour in zip(LAWS.items(), ("C0", "C2", "C3")):
        found = np.array(
            jax.vmap(lambda a, distribution=distribution: jnp.stack(variances(distribution, a)))(parameters)
        )
        ax.loglog(parameters, found[:, 1] / found[:, 0], "o-", ms=3, color=colour, label=name)
    ax.axhline(1.0, **TRUTH)
    ax.set(xlabel="concentration a", ylabel="variance: score function's / implicit", title="Quieter: fewer draws do")
    ax.legend()


if __name__ == "__main__":
    plt.style.use(ROOT / "tutorials" / "irg.mplstyle")
    picture, axes = plt.subplots(1, 3, figsize=(12, 3.4))
    draw_fit(axes[0])
    draw_errors(axes[1])
    draw_variances(axes[2])
    picture.savefig(ROOT / "docs" / "overview.png", dpi=110)
