"""Mixtures: variance of the gradient against the score function's and Gumbel-softmax's, peak memory, a picture.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.mixtures [variance|memory|picture ...] [--student-t] [--write]

Gradients are those of E f(x) in the logits, locations and scales of two normal distributions, in float64 by Pyro's
adapter (the kernels are those of both).  The truth comes by quadrature; the variance is that of one draw's gradient,
summed over the parameters of a kind.  The score function has the mean of f as its baseline.  Gumbel-softmax takes the
sum of both components' draws, weighted by a relaxed one-hot vector: a point between the components, whence its bias.
(TFP's reparameterized mixture is left out: TFP wants another JAX than the one here.)
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyro
import torch
from tqdm import tqdm

import pyro_irg.distributions as dist
from benchmarks.tables import command_line, markdown, publish

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "mixture.png"
DRAWS = 40_000
TEMPERATURES = (0.1, 0.5, 1.0)
KINDS = ("logits", "loc", "scale")
HEADER = ["separation", "parameters", "score function", *(f"Gumbel-softmax, {t:g}" for t in TEMPERATURES)]

# ----------------------------------------------------------------------------------------------------------- variance


def mixture(leaves):
    return dist.MixtureSameFamily(
        dist.Categorical(logits=leaves["logits"]), dist.Normal(leaves["loc"], leaves["scale"])
    )


def leaves_of(separation: float, n: int) -> dict[str, torch.Tensor]:
    values = {"logits": [0.4, -0.4], "loc": [-0.5 * separation, 0.5 * separation], "scale": [1.0, 0.8]}
    found = {k: torch.tensor(v, dtype=torch.float64).expand(n, 2) for k, v in values.items()}
    return {k: v.clone().requires_grad_() for k, v in found.items()}


def integrand(separation: float):
    """log p - log q, of the bound of a two-component guide q for a wider mixture p."""
    modes = torch.tensor([-0.5 * separation, 0.5 * separation], dtype=torch.float64)
    target = dist.MixtureSameFamily(
        dist.Categorical(logits=torch.tensor([-0.5, 0.5]).double()), dist.Normal(modes + 0.5, 1.2)
    )
    fixed = {k: v[0].detach() for k, v in leaves_of(separation, 1).items()}
    # the guide's own density is held: its score has mean 0
    return lambda x: target.log_prob(x) - mixture(fixed).log_prob(x)


def gradients(total, leaves) -> list[np.ndarray]:
    return [g.numpy() for g in torch.autograd.grad(total, [leaves[k] for k in KINDS])]


def truth(f, separation: float) -> list[np.ndarray]:
    """d / d parameters of the integral of p f: the trapezoidal rule, exact to rounding for what decays at both ends."""
    leaves = leaves_of(separation, 1)
    half = 0.5 * separation + 14.0
    grid = torch.linspace(-half, half, 8001, dtype=torch.float64)
    return [
        g[0] for g in gradients((mixture(leaves).log_prob(grid).exp() * f(grid)).sum() * (grid[1] - grid[0]), leaves)
    ]


def estimates(f, separation: float) -> dict[str, list[np.ndarray]]:
    """One draw's gradient by each estimator, (draws, 2) for each kind."""
    leaves = leaves_of(separation, DRAWS)
    found = {"ours": gradients(f(mixture(leaves).rsample()).sum(), leaves)}
    x = mixture(leaves).sample()
    value = f(x).detach()
    found["score"] = gradients(((value - value.mean()) * mixture(leaves).log_prob(x)).sum(), leaves)
    for temperature in TEMPERATURES:
        relaxed = dist.RelaxedOneHotCategorical(torch.tensor(temperature).double(), logits=leaves["logits"])
        draws = dist.Normal(leaves["loc"], leaves["scale"]).rsample()
        found[f"{temperature:g}"] = gradients(f((relaxed.rsample() * draws).sum(-1)).sum(), leaves)
    return found


def variance_table() -> str:
    pyro.set_rng_seed(0)
    rows = []
    for separation in tqdm((1.0, 3.0, 6.0), desc="variance", leave=False):
        f = integrand(separation)
        exact, found = truth(f, separation), estimates(f, separation)
        for i, kind in enumerate(KINDS):
            spread = {k: v[i].var(0).sum() for k, v in found.items()}
            size = np.linalg.norm(exact[i])
            error = np.abs(found["ours"][i].mean(0) - exact[i]) / (found["ours"][i].std(0) / DRAWS**0.5 + 1e-12)
            if (error > 5.0).any():
                raise ArithmeticError(f"{separation}, {kind}: {error} standard errors from the truth")
            cells = [f"{spread['score'] / spread['ours']:.2g}"]
            for t in TEMPERATURES:
                gap = np.linalg.norm(found[f"{t:g}"][i].mean(0) - exact[i])
                cells.append(f"{spread[f'{t:g}'] / spread['ours']:.2g} ({100.0 * gap / size:.0f}%)")
            rows.append([f"{separation:g}", kind, *cells])
    return markdown(HEADER, rows)


# ------------------------------------------------------------------------------------------------------------- memory

SIZE = {"K": 100, "D": 50, "draws": 1000}


def values(k: int, d: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    scale_tril = np.tril(0.1 * rng.normal(size=(k, d, d)), -1) + np.eye(d)
    return {"logits": np.zeros(k), "loc": rng.normal(size=(k, d)), "scale_tril": scale_tril, "df": np.full(k, 5.0)}


def component(dist, distribution: str, p: dict):
    if distribution == "Independent(Normal)":
        return dist.Normal(p["loc"], 1.0 + p["scale_tril"][..., 0] ** 2).to_event(1)
    if distribution == "MultivariateNormal":
        return dist.MultivariateNormal(p["loc"], scale_tril=p["scale_tril"])
    return dist.MultivariateStudentT(p["df"], p["loc"], p["scale_tril"])


def pass_in_pyro(distribution: str, precision: str, k: int, d: int, draws: int) -> None:
    leaves = {n: torch.tensor(v, dtype=getattr(torch, precision)).requires_grad_() for n, v in values(k, d).items()}
    mixed = dist.MixtureSameFamily(dist.Categorical(logits=leaves["logits"]), component(dist, distribution, leaves))
    mixed.rsample((draws,)).sin().sum().backward()


def pass_in_numpyro(distribution: str, precision: str, k: int, d: int, draws: int) -> None:
    import jax
    import jax.numpy as jnp

    import numpyro_irg.distributions as dist

    jax.config.update("jax_enable_x64", precision == "float64")

    def total(p):
        mixed = dist.MixtureSameFamily(dist.Categorical(logits=p["logits"]), component(dist, distribution, p))
        return jnp.sin(mixed.sample(jax.random.key(0), (draws,))).sum()

    jax.block_until_ready(jax.jit(jax.grad(total))({n: jnp.array(v, precision) for n, v in values(k, d).items()}))


def peak(library: str, distribution: str, precision: str) -> int:
    """MiB above what imports and a tiny pass take; in this process."""

    def used() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    run = pass_in_pyro if library == "Pyro" else pass_in_numpyro
    run(distribution, precision, 2, 2, 3)
    before = used()
    run(distribution, precision, *SIZE.values())
    return round(used() - before)


def memory_table(distributions: tuple[str, ...]) -> str:
    """Each figure from a process of its own."""
    rows = []
    for distribution in tqdm(distributions, desc="memory", leave=False):
        row = [f"`{distribution}`"]
        for library in ("Pyro", "NumPyro"):
            for precision in ("float32", "float64"):
                command = [sys.executable, "-m", "benchmarks.mixtures", "peak", library, distribution, precision]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
                row.append(done.stdout.split()[-1])
        rows.append(row)
    columns = [f"{library}, {precision}" for library in ("Pyro", "NumPyro") for precision in ("float32", "float64")]
    return markdown(["components", *columns], rows)


# ------------------------------------------------------------------------------------------------------------ picture


def picture() -> None:
    """Where draws of a two-component mixture go as its weight moves: the quantiles' paths, over the densities."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    loc = torch.tensor([-1.5, 1.5], dtype=torch.float64)
    weights, x = torch.linspace(0.05, 0.95, 181, dtype=torch.float64), torch.linspace(-4.0, 4.0, 400).double()

    def distribution(weight):
        probs = torch.stack([1.0 - weight, weight], -1)
        return dist.MixtureSameFamily(dist.Categorical(probs=probs), dist.Normal(loc, 0.6))

    pyro.set_rng_seed(3)
    start = distribution(weights[0]).sample((40,)).sort().values
    path = [start]
    for here, there in itertools.pairwise(weights):  # along the implicit gradient, by the midpoint rule
        half = path[-1] + 0.5 * (there - here) * _speed(distribution, here, path[-1])
        path.append(path[-1] + (there - here) * _speed(distribution, 0.5 * (here + there), half))
    plt.style.use(ROOT / "tutorials" / "irg.mplstyle")
    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    density = torch.stack([distribution(w).log_prob(x).exp() for w in weights])
    axes.pcolormesh(x, weights, density, cmap="Greys", shading="auto", rasterized=True)
    axes.plot(torch.stack(path), weights, color="C0", linewidth=0.7)
    for i in (0, 90, 180):
        axes.plot(path[i], weights[i].expand(40), ".", color="black", markersize=4, clip_on=False)
    axes.set(xlabel="draw", ylabel="weight of the right component", title="Draws keep their quantile")
    figure.savefig(PICTURE, dpi=90)
    print(f"{PICTURE.relative_to(ROOT)}")


def _speed(distribution, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx / d weight, of each draw."""
    weight = weight.expand(x.shape).clone().requires_grad_()
    return torch.autograd.grad(distribution(weight).at_fixed_quantile(x).sum(), weight)[0]


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(peak(*sys.argv[2:]))
        sys.exit()
    parser = command_line()
    parser.add_argument("parts", nargs="*", default=["variance", "memory", "picture"])
    parser.add_argument(
        "--student-t", action="store_true", help="memory of MultivariateStudentT too, as in docs/speed.md"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if "variance" in chosen.parts:
        publish("mixtures", variance_table(), chosen.write)
    if "memory" in chosen.parts:
        distributions = ("Independent(Normal)", "MultivariateNormal") + ("MultivariateStudentT",) * chosen.student_t
        publish("mixtures-memory", memory_table(distributions), chosen.write)
    if "picture" in chosen.parts:
        picture()
