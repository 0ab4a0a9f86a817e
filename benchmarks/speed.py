"""Time of a Gamma draw with its gradient in the concentration, float32, one thread: ours over the library's own.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.speed [--write]      (make bench sets the variables)

Concentrations are uniform in 1..100 (below 1 ours draws an exponential more).  Both sides run in turns in one process;
of each the fastest of many short rounds counts, since other work on a machine only ever adds time.  A tensor of
16 MB is freed first, as in any process that trains: until then glibc hands temporaries of 100 KB back to the system and
pays for fresh pages, which costs ours, with its many temporaries, up to half as much again.
"""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import torch
from tqdm import tqdm

import numpyro_irg.distributions as ours_numpyro
import pyro_irg.distributions as ours_pyro
from benchmarks.tables import markdown, publish

SIZES = (100, 10_000, 100_000)


def torch_step(distribution, concentration, rate):
    def step():
        draw = distribution(concentration, rate, validate_args=False).rsample()
        return torch.autograd.grad(draw.sum(), concentration)

    return step


def torch_pair(size: int):
    concentration = (1.0 + 99.0 * torch.rand(size)).requires_grad_()
    rate = torch.ones(size)
    return tuple(torch_step(d, concentration, rate) for d in (torch.distributions.Gamma, ours_pyro.Gamma))


def jax_pair(size: int):
    concentration = jnp.asarray(1.0 + 99.0 * np.random.default_rng(0).random(size), dtype=jnp.float32)
    key = jax.random.key(0)
    host = jax.jit(jax.grad(lambda a: jax.random.gamma(key, a).sum()))
    ours = jax.jit(jax.grad(lambda a: ours_numpyro.Gamma(a, 1.0, validate_args=False).sample(key).sum()))
    return lambda: jax.block_until_ready(host(concentration)), lambda: jax.block_until_ready(ours(concentration))


def fastest(pair, rounds: int, seconds: float = 0.02) -> list[float]:
    """Seconds per call of each of the pair, run in turns."""
    repeats, best = [], [float("inf")] * 2
    for step in pair:
        step()
        start = time.perf_counter()
        step()
        repeats.append(max(1, int(seconds / (time.perf_counter() - start))))
    for _ in range(rounds):
        for i, step in enumerate(pair):
            start = time.perf_counter()
            for _ in range(repeats[i]):
                step()
            best[i] = min(best[i], (time.perf_counter() - start) / repeats[i])
    return best


def rows() -> list[list[str]]:
    table = []
    for name, make in (("Pyro, `torch.distributions.Gamma`", torch_pair), ("NumPyro, `jax.random.gamma`", jax_pair)):
        for size in tqdm(SIZES, desc=name, leave=False):
            host, ours = fastest(make(size), rounds=30 if make is torch_pair else 8)
            row = [name, f"{size:,}", f"{1e6 * host:,.0f}", f"{1e6 * ours:,.0f}", f"{ours / host:.2f}"]
            table.append(row)
    return table


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.empty(4_000_000)
    header = ["library and its own", "elements", "its own, µs", "ours, µs", "ours / its own"]
    publish("speed", markdown(header, rows()))
