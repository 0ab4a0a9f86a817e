"""The paper's Gaussian model: how well a model's parameters are learned through HVAE, with tempering and without.

One z ~ N(0, I) of d = 25 dimensions and N = 10,000 data x_i ~ N(z + Delta, diag(sigma^2)).  Delta and sigma are learned
by maximising the bound; the base is the prior, so that the flow alone must find the posterior, a hundredth as wide.
Where it does not, sigma makes up for it.  (Delta's error says nothing: it is |z|^2 for the exact likelihood too.)

The likelihood is written as N times that of the data's mean, and a factor for their variance, which is the same.  (Not
as the mean's own distribution: the energy change from which a step is rejected grows with the number of data.)

Truth, starts and settings are the paper's (Caterini, Doucet, Sejdinovic 2018, section 4.1, and its code), but for Adam
with a rate that falls a hundredfold in place of RMSProp with three times the steps.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as numpyro_dist
import numpyro.infer
import pyro
import pyro.distributions as pyro_dist
import pyro.infer
import torch
from numpyro.handlers import block, scale, seed, substitute
from tqdm import tqdm

import numpyro_irg.infer
import pyro_irg.infer
from benchmarks.tables import markdown

D, N = 25, 10_000
NUMBERS = np.arange(D) - (D - 1) / 2
DELTA, SIGMA = NUMBERS / 5, 3.6 * NUMBERS**2 / (D - 1) ** 2 + 0.1
LOG_SIGMA = 3.0  # where log sigma starts
RATE, FALL = 1e-2, 1e-2
STEPS, PARTICLES = 10_000, 10
PYRO_STEPS = 5_000
PATHS = 100  # to tell how many diverge
SETTINGS = {"step_size": 0.005, "max_step_size": 0.5, "step_size_shape": "step", "initial_temperature": 5.0}


def data() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(rng.normal(size=D) + DELTA, SIGMA, size=(N, D))


def error(log_sigma: np.ndarray) -> float:
    return float(np.sum((np.exp(log_sigma) - SIGMA) ** 2))


def in_numpyro(num_steps: int, tempering: str) -> tuple[float, float]:
    """|sigma - truth|^2, and the share of steps rejected in the end."""
    x = data()
    mean, variance = jnp.asarray(x.mean(0)), jnp.asarray(x.var(0))

    def model():
        delta = numpyro.param("delta", jnp.zeros(D))
        sigma = jnp.exp(numpyro.param("log_sigma", jnp.full(D, LOG_SIGMA)))
        z = numpyro.sample("z", numpyro_dist.Normal(jnp.zeros(D), 1.0).to_event(1))
        with scale(scale=N):
            numpyro.sample("mean", numpyro_dist.Normal(z + delta, sigma).to_event(1), obs=mean)
            numpyro.factor("variance", -0.5 * jnp.sum(variance / sigma**2))

    def prior():
        numpyro.sample("z", numpyro_dist.Normal(jnp.zeros(D), 1.0).to_event(1))

    guide = numpyro_irg.infer.HVAE(model, prior, num_steps=num_steps, tempering=tempering, **SETTINGS)
    optimiser = numpyro.optim.Adam(lambda i: RATE * FALL ** (i / STEPS))
    svi = numpyro.infer.SVI(model, guide, optimiser, numpyro.infer.Trace_ELBO(num_particles=PARTICLES))
    state = svi.init(jax.random.key(0))
    chunk = jax.jit(lambda state: jax.lax.scan(lambda s, _: svi.update(s), state, length=STEPS // 20))
    with tqdm(range(20), f"NumPyro, K = {num_steps}, {tempering}", leave=False) as bar:
        for _ in bar:
            state, losses = chunk(state)
            bar.set_postfix_str(f"loss {float(losses.mean()):,.0f}")
    params = svi.get_params(state)

    @jax.vmap
    def rejected(key):
        with block(), seed(rng_seed=key), substitute(data=params):
            return guide.refine()[1].rejected

    shares = rejected(jax.random.split(jax.random.key(1), PATHS))
    return error(np.asarray(params["log_sigma"])), float(jnp.mean(shares))


def in_pyro(num_steps: int, tempering: str) -> tuple[float, float]:
    """|sigma - truth|^2, and the share of steps rejected in the end."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    x = data()
    mean, variance = (torch.tensor(v, dtype=torch.get_default_dtype()) for v in (x.mean(0), x.var(0)))

    def model():
        delta = pyro.param("delta", torch.zeros(D))
        sigma = pyro.param("log_sigma", torch.full((D,), LOG_SIGMA)).exp()
        z = pyro.sample("z", pyro_dist.Normal(torch.zeros(D), 1.0).to_event(1))
        with pyro.poutine.scale(scale=N):
            pyro.sample("mean", pyro_dist.Normal(z + delta, sigma).to_event(1), obs=mean)
            pyro.factor("variance", -0.5 * (variance / sigma**2).sum())

    def prior():
        pyro.sample("z", pyro_dist.Normal(torch.zeros(D), 1.0).to_event(1))

    guide = pyro_irg.infer.HVAE(model, prior, num_steps=num_steps, tempering=tempering, **SETTINGS)
    optimiser = pyro.optim.ExponentialLR(
        {"optimizer": torch.optim.Adam, "optim_args": {"lr": RATE}, "gamma": FALL ** (1 / PYRO_STEPS)}
    )
    loss = pyro.infer.Trace_ELBO(num_particles=PARTICLES, vectorize_particles=True, max_plate_nesting=0)
    svi = pyro.infer.SVI(model, guide, optimiser, loss)
    with tqdm(range(PYRO_STEPS), f"Pyro, K = {num_steps}, {tempering}", leave=False) as bar:
        for _ in bar:
            bar.set_postfix_str(f"loss {svi.step():,.0f}", refresh=False)
            optimiser.step()
    rejected = [pyro_irg.infer.diagnostics(guide)["rejected"] for _ in range(PATHS)]
    return error(pyro.param("log_sigma").detach().numpy()), float(np.mean(rejected))


def table() -> str:
    torch.set_num_threads(1)
    rows = []
    for library, run, num_steps, tempering in (
        ("NumPyro", in_numpyro, 1, "none"),
        ("NumPyro", in_numpyro, 1, "fixed"),
        ("NumPyro", in_numpyro, 5, "none"),
        ("NumPyro", in_numpyro, 5, "fixed"),
        ("Pyro", in_pyro, 1, "fixed"),
    ):
        wrong, rejected = run(num_steps, tempering)
        rows.append([library, f"{num_steps}", tempering, f"{wrong:.2g}", f"{rejected:.0%}"])
        tqdm.write(" ".join(rows[-1]))
    exact = error(0.5 * np.log(data().var(0)))
    rows.append(["maximum likelihood", "", "", f"{exact:.2g}", ""])
    return markdown(["library", "K", "tempering", "squared error of σ", "rejected"], rows)
