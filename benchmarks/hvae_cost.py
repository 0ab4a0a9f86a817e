"""Time of an optimiser step with HVAE (free tempering, and refreshed) over the plain VAE's, same networks, one thread.

The networks are those of `hvae_digits`.

All guides run in turns in one process, in short rounds, and of each the fastest round counts.  It counts the process's
own time on the processor, since other work on a machine interrupts the long steps more often than the short ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpyro
import pyro
import torch
from tqdm import tqdm

from benchmarks.hvae_digits import BATCH, RATE, STEPS, NumPyroAutoencoder, PyroAutoencoder
from benchmarks.tables import markdown
from demo.data import load

COUNTS = (1, 5, 10)
ROUNDS = 60
SCANNED = 10  # NumPyro's updates in one compiled loop, as `SVI.run` has them


def settings(num_steps: int, transition: str) -> dict | None:
    if not num_steps:
        return None
    return {"num_steps": num_steps} | (
        {"tempering": "free", **STEPS} if transition == "leapfrog" else {"transition": transition}
    )


def numpyro_svi(num_steps: int, transition: str = "leapfrog") -> numpyro.infer.SVI:
    vae = NumPyroAutoencoder()
    return numpyro.infer.SVI(
        vae.model, vae.refined(settings(num_steps, transition)), numpyro.optim.Adam(RATE), numpyro.infer.Trace_ELBO()
    )


def numpyro_step(num_steps: int, transition: str) -> Callable[[], object]:
    svi, images = numpyro_svi(num_steps, transition), jnp.asarray(load().train[:BATCH])
    start = svi.init(jax.random.key(0), images)
    run = jax.jit(lambda state: jax.lax.scan(lambda s, _: svi.update(s, images), state, length=SCANNED))
    return lambda: jax.block_until_ready(run(start))


def pyro_step(num_steps: int, transition: str) -> Callable[[], object]:
    vae, images = PyroAutoencoder(), torch.from_numpy(load().train[:BATCH])
    svi = pyro.infer.SVI(
        vae.model, vae.refined(settings(num_steps, transition)), pyro.optim.Adam({"lr": RATE}), pyro.infer.Trace_ELBO()
    )
    with pyro.get_param_store().scope() as parameters:  # each its own: the store is one for the process
        svi.step(images)

    def step():
        with pyro.get_param_store().scope(parameters):
            svi.step(images)

    return step


def fastest(name: str, steps: list[Callable[[], object]]) -> list[float]:
    """Seconds of each step, run in turns."""
    best = [float("inf")] * len(steps)
    for step in steps:
        step()
    for _ in tqdm(range(ROUNDS), name, leave=False):
        for i, step in enumerate(steps):
            start = time.process_time()
            step()
            best[i] = min(best[i], time.process_time() - start)
    return best


def compile_seconds(num_steps: int) -> float:
    """To trace and compile one update."""
    svi, images = numpyro_svi(num_steps), jnp.asarray(load().train[:BATCH])
    state = svi.init(jax.random.key(0), images)
    start = time.process_time()
    jax.jit(svi.update).lower(state, images).compile()
    return time.process_time() - start


def table() -> str:
    torch.set_num_threads(1)
    rows = []
    for name, make in (("NumPyro", numpyro_step), ("Pyro", pyro_step)):
        kinds = [(count, kind) for kind in ("leapfrog", "refreshed") for count in COUNTS]
        plain, *refined = fastest(name, [make(0, ""), *(make(*kind) for kind in kinds)])
        each, times = SCANNED if make is numpyro_step else 1, [f"{t / plain:.1f}" for t in refined]
        rows.append([f"{name}, over the VAE's {1e3 * plain / each:.2f} ms", *times[: len(COUNTS)], ""])
        rows.append([f"{name}, refreshed", *times[len(COUNTS) :], ""])
    seconds = [f"{compile_seconds(count):.1f} s" for count in tqdm((*COUNTS, 20), "compile", leave=False)]
    rows.append(["NumPyro, to compile", *seconds])
    return markdown(["step", *(f"K = {count}" for count in (*COUNTS, 20))], rows)
