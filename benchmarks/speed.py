"""Time of a draw with its gradient in all parameters: ours over a peer's, in turns in one process.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.speed [--write] [--rows Gamma ...]    (make bench sets the variables)

The peer is the host's own class where it has reparameterized draws, elsewhere the host's Normal
of as many elements.  A cell is the median ratio of the rounds, and the least and the largest.  The first
call is what a program waits for once: tracing and compilation in JAX, and the tables that ours keep in torch.

In torch a tensor of 16 MB is freed first, as in any process that trains: until then glibc hands temporaries of 100 KB
back to the system and pays for fresh pages, which costs ours, with its many temporaries, up to half as much again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro_host
import pyro.distributions as pyro_host
import torch
from tqdm import tqdm

import numpyro_irg.distributions as numpyro_ours
import pyro_irg.distributions as pyro_ours
from benchmarks.tables import command_line, markdown, publish

SIZES = (100, 10_000, 100_000)
ROUNDS = 15
SECONDS = 0.02
"""of a round, for each of the two"""


def interval(least: float, most: float) -> Callable:
    """size -> parameters, log-uniform where both ends are positive."""
    random = np.random.default_rng(0)
    if least > 0.0:
        return lambda size: np.exp(random.uniform(np.log(least), np.log(most), size))
    return lambda size: random.uniform(least, most, size)


def normal(dist, loc, scale):
    return dist.Normal(loc, scale)


def mixture(dist, logits, loc, scale):
    components = dist.Normal(loc, scale).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(logits=logits), components)


LOC, SCALE, TEN = interval(-1.0, 1.0), interval(0.5, 2.0), (10,)
# name -> (parameters as (values, their trailing shape), the distribution of them, has the host such a draw itself?)
ROWS: dict[str, tuple] = {
    "Gamma": ([(interval(1.0, 20.0), ()), (SCALE, ())], lambda dist, a, b: dist.Gamma(a, b), True),
    "Gamma, small": ([(interval(0.01, 1.0), ()), (SCALE, ())], lambda dist, a, b: dist.Gamma(a, b), True),
    "Beta": ([(interval(0.5, 20.0), ())] * 2, lambda dist, a, b: dist.Beta(a, b), True),
    "Dirichlet(10)": ([(interval(0.5, 20.0), TEN)], lambda dist, a: dist.Dirichlet(a), True),
    "StudentT": (
        [(interval(1.0, 30.0), ()), (LOC, ()), (SCALE, ())],
        lambda dist, df, loc, scale: dist.StudentT(df, loc, scale),
        True,
    ),
    "VonMises": ([(LOC, ()), (interval(0.1, 100.0), ())], lambda dist, loc, k: dist.VonMises(loc, k), False),
    "TruncatedNormal": (
        [(LOC, ()), (SCALE, ())],
        lambda dist, loc, scale: dist.TruncatedNormal(loc, scale, low=-1.0, high=1.5),
        None,
    ),
    "Gamma, truncated": (
        [(interval(1.0, 20.0), ()), (SCALE, ())],
        lambda dist, a, b: dist.Truncated(dist.Gamma(a, b), 1.0, 8.0),
        False,
    ),
    "StudentT, truncated": (
        [(interval(1.0, 30.0), ()), (LOC, ()), (SCALE, ())],
        lambda dist, df, loc, scale: dist.Truncated(dist.StudentT(df, loc, scale), -1.0, 1.5),
        False,
    ),
    "mixture of 10 in 10 dimensions": ([(LOC, TEN), (LOC, (10, 10)), (SCALE, (10, 10))], mixture, False),
}
"""None: NumPyro has"""
EACH = {"Dirichlet(10)": 10, "mixture of 10 in 10 dimensions": 10}
"""elements of one draw"""


def torch_step(dist, make: Callable, arrays: list[np.ndarray], dtype: str) -> Callable[[], object]:
    params = [torch.as_tensor(a, dtype=getattr(torch, dtype)).requires_grad_() for a in arrays]
    return lambda: torch.autograd.grad(make(dist, *params).rsample().sum(), params)


def jax_step(dist, make: Callable, arrays: list[np.ndarray], dtype: str) -> Callable[[], object]:
    params, key = [jnp.asarray(a, dtype=dtype) for a in arrays], jax.random.key(0)
    draw = jax.jit(jax.grad(lambda p: jnp.sum(make(dist, *p).rsample(key))))
    return lambda: jax.block_until_ready(draw(params))


def compare(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, list[float]]:
    """(ratio of the first calls, ratios of the rounds)."""
    steps, repeats, first = (ours, peer), [], []
    for step in steps:
        start = time.perf_counter()
        step()
        first.append(time.perf_counter() - start)
        start = time.perf_counter()
        step()
        repeats.append(max(1, int(SECONDS / (time.perf_counter() - start))))
    ratios = []
    for _ in range(ROUNDS):
        times = []
        for step, count in zip(steps, repeats, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                step()
            times.append((time.perf_counter() - start) / count)
        ratios.append(times[0] / times[1])
    return first[0] / first[1], ratios


LIBRARIES = {"Pyro": (torch_step, pyro_ours, pyro_host), "NumPyro": (jax_step, numpyro_ours, numpyro_host)}


def row(library: str, name: str, dtype: str) -> list[str]:
    step, ours, host = LIBRARIES[library]
    params, make, has_peer = ROWS[name]
    has_peer = library == "NumPyro" if has_peer is None else has_peer
    cells, first = [], 0.0
    for size in tqdm(SIZES, desc=f"{library}, {name}, {dtype}", leave=False):
        count = max(1, size // EACH.get(name, 1))
        arrays = [values(count * int(np.prod(shape))).reshape(count, *shape) for values, shape in params]
        plain = [LOC(size), SCALE(size)]
        peer = step(host, make, arrays, dtype) if has_peer else step(host, normal, plain, dtype)
        first, ratios = compare(step(ours, make, arrays, dtype), peer)
        low, middle, high = np.quantile(ratios, [0.0, 0.5, 1.0])
        cells.append(f"{middle:.3g} ({low:.2g} to {high:.2g})")
    return [library, name, "its own" if has_peer else "a Normal", dtype, *cells, f"{first:.2g}"]


def table(names: list[str]) -> str:
    rows = []
    for library in LIBRARIES:
        for dtype in ("float32", "float64"):
            with jax.enable_x64(dtype == "float64"):
                rows += [row(library, name, dtype) for name in names]
    elements = [f"{size:,} elements" for size in SIZES]
    return markdown(["library", "distribution", "over", "precision", *elements, "first call"], rows)


if __name__ == "__main__":
    options = command_line(__doc__, ROWS).parse_args()
    torch.set_num_threads(1)
    torch.empty(4_000_000)
    publish("speed", table(options.rows), options.write)
