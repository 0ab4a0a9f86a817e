"""How far guides stay below known evidences, from their defaults, and what a step of training costs.

Trained by 4,000 steps of Adam (Pyro: 1,000) of 16 particles, at a rate of .01 that falls to a hundredth by a cosine;
gaps of 20,000 draws, in nats, from three seeds (Pyro: one).  ESS is the effective sample size of a draw.  The ablation
is AutoHVAE that sees 0 in place of the target's gradient.

    python -m benchmarks.hvae_targets [--library numpyro|pyro] [--targets ...] [--guides ...] [--out results.jsonl]

writes a line for each pair as it is done; `table`, `weights` and `others` make the tables of docs/guides.md of such a
file.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as ndist
import optax
import pyro
import pyro.distributions as pdist
import torch
from jax import lax, random
from jax.scipy.special import logsumexp
from numpyro.infer import SVI, RenyiELBO, Trace_ELBO, autoguide

import numpyro_irg.infer
import pyro_irg.infer
from benchmarks import hvae_others
from benchmarks.tables import markdown
from irg_kernels.inference import refreshed

STEPS, RATE, PARTICLES, DRAWS, SEEDS = {"numpyro": 4000, "pyro": 1000}, 0.01, 16, 20_000, 3
GRADIENTS = 11
"""of a path of 10 steps, and so many draws has the importance-weighted bound"""
PYRO_SEEDS = 1
RESULTS = Path(__file__).parent / "hvae_targets.jsonl"

D = 10
AR = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(np.arange(D), np.arange(D)))).astype(np.float32)
ROTATED = np.linalg.qr(np.random.RandomState(0).randn(D, D))[0] * 10 ** np.linspace(-1.5, 1.5, D)
ROTATED = np.linalg.cholesky(ROTATED @ ROTATED.T).astype(np.float32)
SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def schools_evidence() -> float:
    """By a grid over mu and log tau, the effects summed out; right to 1e-6."""
    mu, log_tau = np.linspace(-40, 40, 2001)[:, None], np.linspace(-14, 7, 2001)[None]
    tau = np.exp(log_tau)
    log_p = -0.5 * (mu / 5) ** 2 - 0.5 * math.log(2 * math.pi) - math.log(5)
    log_p = log_p + math.log(2 / (math.pi * 5)) - np.log1p((tau / 5) ** 2) + log_tau
    for y, sigma in zip(*SCHOOLS, strict=True):
        variance = sigma**2 + tau**2
        log_p = log_p - 0.5 * (y - mu) ** 2 / variance - 0.5 * np.log(2 * math.pi * variance)
    cell = (mu[1, 0] - mu[0, 0]) * (log_tau[0, 1] - log_tau[0, 0])
    return float(np.log(np.exp(log_p - log_p.max()).sum() * cell) + log_p.max())


def models(sample: Callable, dist, array: Callable, exp: Callable, plate: Callable) -> dict[str, Callable]:
    """The targets in either library's words."""
    zeros, y, sigma = array(np.zeros(D)), *map(array, SCHOOLS)

    def gaussian(scale_tril):
        return lambda: sample("z", dist.MultivariateNormal(zeros, scale_tril=array(scale_tril)))

    def banana():
        z1 = sample("z1", dist.Normal(0.0, 1.0))
        sample("z2", dist.Normal(z1**2, 0.3))

    def funnel():
        v = sample("v", dist.Normal(0.0, 3.0))
        sample("x", dist.Normal(array(np.zeros(D - 1)), exp(v / 2)[..., None]).to_event(1))

    def schools(centred):
        def model():
            mu = sample("mu", dist.Normal(0.0, 5.0))
            tau = sample("tau", dist.HalfCauchy(5.0))
            with plate("schools", 8):
                if centred:
                    theta = sample("theta", dist.Normal(mu, tau))
                else:
                    theta = mu + tau * sample("unit", dist.Normal(0.0, 1.0))
                sample("y", dist.Normal(theta, sigma), obs=y)

        return model

    return {
        "AR(.9), d = 10": gaussian(AR),
        "Gaussian, condition 1e6, d = 10": gaussian(ROTATED),
        "banana, sd .3": banana,
        "Neal's funnel, d = 10": funnel,
        "eight schools, centred": schools(True),
        "eight schools, non-centred": schools(False),
    }


NUMPYRO = models(numpyro.sample, ndist, lambda x: jnp.asarray(x, jnp.float32), jnp.exp, numpyro.plate)
PYRO = models(pyro.sample, pdist, lambda x: torch.as_tensor(x, dtype=torch.float32), torch.exp, pyro.plate)
TARGETS = list(NUMPYRO)
MODELS = {"numpyro": NUMPYRO | hvae_others.NUMPYRO, "pyro": PYRO | hvae_others.PYRO}
ABLATION, COUPLED = "AutoHVAE, gradient 0", "AutoHVAE, coupled"
GUIDES: dict[str, Callable] = {
    "AutoHVAE": numpyro_irg.infer.AutoHVAE,
    "AutoMultivariateNormal": autoguide.AutoMultivariateNormal,
    "the same, IWAE of 11": autoguide.AutoMultivariateNormal,
    "AutoIAFNormal": autoguide.AutoIAFNormal,
    "AutoDAIS, cholesky": lambda model: autoguide.AutoDAIS(model, K=10, base_dist="cholesky"),
    "AutoDAIS": lambda model: autoguide.AutoDAIS(model, K=10),
    "AutoMixture": lambda model: numpyro_irg.infer.AutoMixture(model, 4),
    "AutoNormal": autoguide.AutoNormal,
    ABLATION: numpyro_irg.infer.AutoHVAE,
    COUPLED: lambda model: numpyro_irg.infer.AutoHVAE(model, transition="coupled"),
}


def evidence(target: str) -> float:
    if target in hvae_others.TARGETS:
        return hvae_others.evidence(target)
    return schools_evidence() if target.startswith("eight") else 0.0


class Bound:
    """The mean of `PARTICLES` bounds of `draws` importance weights."""

    def __init__(self, draws: int) -> None:
        one = Trace_ELBO() if draws == 1 else RenyiELBO(alpha=0.0, num_particles=draws)
        self.draws, self.one = draws, one

    def loss(self, rng_key, *args, **kwargs):
        return jnp.mean(self.losses(random.split(rng_key, PARTICLES), *args, **kwargs))

    def losses(self, keys, *args, **kwargs):
        return jax.vmap(lambda key: self.one.loss(key, *args, **kwargs))(keys)


def prototype(model, new_guide, seed: int):
    """The guide after its first look at the model, outside of `jit`."""
    guide = new_guide(model)
    inner = getattr(guide, "base", guide)
    with numpyro.handlers.seed(rng_seed=seed):
        inner._setup_prototype()
    return guide


def ablated(target: str) -> dict:
    """A result without the target's gradient."""
    with patch.object(refreshed, "tamed", lambda xp, g, *_: jnp.zeros_like(g)):
        return numpyro_result(target, ABLATION)


def numpyro_result(target: str, name: str) -> dict:
    model, steps = MODELS["numpyro"][target], STEPS["numpyro"]
    optimizer = numpyro.optim.optax_to_numpyro(optax.adam(optax.cosine_decay_schedule(RATE, steps, 0.01)))
    bound = Bound(GRADIENTS if "IWAE" in name else 1)
    start = time.process_time()
    guides = [prototype(model, GUIDES[name], seed) for seed in range(SEEDS)]
    runs = [SVI(model, guide, optimizer, bound) for guide in guides]
    states = [jax.jit(svi.init)(random.key(i)) for i, svi in enumerate(runs)]
    searched = time.process_time() - start
    svi = runs[0]

    @jax.jit
    def train(state):
        return lax.scan(lambda state, _: svi.update(state), state, length=steps)[0]

    start = time.process_time()
    compiled = train.lower(states[0]).compile()
    compile_time = time.process_time() - start
    start = time.process_time()
    finals = [jax.block_until_ready(compiled(state)) for state in states]
    per_step = (time.process_time() - start) / steps / SEEDS

    @jax.jit
    def weights(params):
        keys = random.split(random.key(7), (DRAWS // 1000, 1000))
        return -lax.map(lambda keys: bound.losses(keys, params, model, guides[0]), keys).reshape(-1)

    found = np.array([weights(svi.get_params(final)) for final in finals]) - evidence(target)
    return summary(found, compile_time, per_step, searched)


def summary(log_weights: np.ndarray, compile_time: float, per_step: float, searched: float) -> dict:
    total = logsumexp(log_weights, axis=1)
    ess = np.exp(2.0 * total - logsumexp(2.0 * log_weights, axis=1)) / log_weights.shape[1]
    gaps = [round(float(gap), 4) for gap in -log_weights.mean(1)]
    return {
        "gaps": gaps,
        "ess": [round(float(x), 3) for x in ess],
        "k": [round(float(numpyro_irg.infer.pareto_k(row)), 2) for row in log_weights],
        "log mean w": [round(float(x), 3) for x in total - math.log(log_weights.shape[1])],
        "compile": round(compile_time, 1),
        "ms": round(1e3 * per_step, 3),
        "start": round(searched / SEEDS, 1),
    }


def pyro_result(target: str, name: str) -> dict:
    if name != "AutoHVAE":
        raise ValueError(f"in Pyro only AutoHVAE is measured, not {name!r}")
    model, steps, found, begin = MODELS["pyro"][target], STEPS["pyro"], [], time.process_time()
    for seed in range(PYRO_SEEDS):
        pyro.clear_param_store()
        pyro.set_rng_seed(seed)
        guide = pyro_irg.infer.AutoHVAE(model)
        optimizer = pyro.optim.CosineAnnealingLR(
            {"optimizer": torch.optim.Adam, "optim_args": {"lr": RATE}, "T_max": steps, "eta_min": 0.01 * RATE}
        )
        elbo = pyro.infer.Trace_ELBO(PARTICLES, max_plate_nesting=1, vectorize_particles=True)
        svi = pyro.infer.SVI(model, guide, optimizer, elbo)
        for _ in range(steps):
            svi.step()
            optimizer.step()
        found.append(pyro_irg.infer.log_weights(model, guide, num_samples=DRAWS, batch_size=DRAWS // 10).numpy())
    per_step = (time.process_time() - begin) / steps / PYRO_SEEDS
    return summary(np.array(found) - evidence(target), 0.0, per_step, 0.0)


def read(results: Path = RESULTS) -> dict[tuple[str, str, str], dict]:
    """Of each (library, target, guide) the last result."""
    return {(r["library"], r["target"], r["guide"]): r for r in map(json.loads, results.read_text().splitlines())}


def gap_cell(result: dict | None) -> str:
    """Median of the seeds, and the worst if there are several."""
    if result is None:
        return ""
    gaps = sorted(result["gaps"])
    return f"{gaps[len(gaps) // 2]:.3f}" + (f" ({gaps[-1]:.3f})" if len(gaps) > 1 else "")


def weight_cell(result: dict | None) -> str:
    """Effective sample size of a draw, and k-hat where it is known, each of the worst seed."""
    if result is None:
        return ""
    return f"{100.0 * min(result['ess']):.0f}%" + (f", {max(result['k']):.2f}" if "k" in result else "")


def rows(targets: list[str], cell: Callable) -> tuple[list[str], list[list[str]]]:
    """Of the guides that were run on these targets."""
    found = read()
    compared = [name for name in GUIDES if name not in (ABLATION, COUPLED)]
    names = [name for name in compared if any(("numpyro", t, name) in found for t in targets)]
    targets = [t for t in targets if ("numpyro", t, "AutoHVAE") in found]
    keys = [*(("numpyro", name) for name in names), ("pyro", "AutoHVAE")]
    lines = [[t, *(cell(found.get((library, t, name))) for library, name in keys)] for t in targets]
    header, filled = ["target", *names, "AutoHVAE in Pyro"], any(line[-1] for line in lines)
    return (header, lines) if filled else (header[:-1], [line[:-1] for line in lines])


def table() -> str:
    """Gaps, and time per step as a multiple of AutoNormal's."""
    found = read()
    header, lines = rows(TARGETS, gap_cell)
    times = [float(np.median([found["numpyro", t, g]["ms"] for t in TARGETS])) for g in header[1:-1]]
    return markdown(header, [*lines, ["time of a step", *(f"{t / times[-1]:.0f}" for t in times), ""]])


def weights_table() -> str:
    return markdown(*rows(TARGETS, weight_cell))


def others_table() -> str:
    header, lines = rows(hvae_others.TARGETS, lambda result: result and f"{gap_cell(result)}; {weight_cell(result)}")
    return markdown(header, [[cell or "" for cell in line] for line in lines])


def ablation_table() -> str:
    return seeds_table(ABLATION, "its gradient set to 0")


def coupled_table() -> str:
    return seeds_table(COUPLED, "coupled")


def seeds_table(other: str, title: str) -> str:
    """Of AutoHVAE and another the gaps of all seeds, the worst in bold, and their effective sample sizes."""

    def cell(result: dict) -> str:
        several, worst = len(result["gaps"]) > 1, max(result["gaps"])
        marks = ["**" * (several and gap == worst) for gap in result["gaps"]]
        parts = zip(marks, result["gaps"], result["ess"], strict=True)
        return ", ".join(f"{mark}{gap:.3f}{mark} ({100.0 * ess:.0f}%)" for mark, gap, ess in parts)

    found, names = read(), ["AutoHVAE", other]
    targets = [t for t in TARGETS if ("numpyro", t, other) in found]
    lines = [[t, *(cell(found["numpyro", t, name]) for name in names)] for t in targets]
    return markdown(["target", "AutoHVAE", title], lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="numpyro", choices=STEPS)
    parser.add_argument("--targets", nargs="*", default=TARGETS)
    parser.add_argument("--others", action="store_true", help="the targets of hvae_others")
    parser.add_argument("--guides", nargs="*", default=list(GUIDES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    SEEDS = options.seeds
    measure = numpyro_result if options.library == "numpyro" else pyro_result
    for guide in options.guides:
        for target in hvae_others.TARGETS if options.others else options.targets:
            result = ablated(target) if guide == ABLATION else measure(target, guide)
            line = json.dumps({"library": options.library, "target": target, "guide": guide, **result})
            print(line, flush=True)
            with options.out.open("a") as out:
                out.write(line + "\n")
