"""SVI on several devices: batches split over a mesh by `jax.sharding`, for a guide of angles and an HVAE guide.

    python -m benchmarks.data_parallel_numpyro [--smoke] [--host-devices 4]

Models and guides are written as for one device; `jax.jit` is told where its arguments lie, and the compiler puts in
what the devices must exchange.  With one key the random numbers are those of one device, whatever the mesh, so the
table sets all of it against a mesh of one device: loss, gradients, and parameters after some steps.

On several machines each process runs the same script; `jax.distributed.initialize` makes their devices one mesh:

    export PYTHONHASHSEED=0
    python -m benchmarks.data_parallel_numpyro --address localhost:1234 --processes 2 --process 0    (and 1)

All processes must compile the same program.  `Trace_ELBO` of NumPyro 0.22 adds up its sites in the order of a set of
names, which Python shuffles anew in each process: seen without PYTHONHASHSEED, a wrong loss, and no error.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax.example_libraries import stax
from jax.example_libraries.optimizers import JoinPoint, unpack_optimizer_state
from jax.nn import softplus
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import Adam
from tqdm import tqdm

import numpyro_irg.distributions as dist
from benchmarks.tables import markdown
from demo.data import PIXELS, load
from numpyro_irg.infer import HVAE

__all__ = ["GUIDES", "LAWS", "main"]

ANGLES, LATENTS, WIDTH = 4, 8, 64
BATCH = 100  # of all devices together; no other axis has this length, which `batch_arrays_moved` relies on
SEED = 0
FEW = 5  # steps after which parameters are compared; in hundreds, rounding turns a rejection and the paths part


def network(outputs: int) -> Any:
    return stax.serial(stax.Dense(WIDTH), stax.Softplus, stax.Dense(outputs))


def von_mises_guide(size: int) -> tuple[Callable, Callable]:
    """Model and guide with angles as latents, for batches out of `size` images."""
    encode, decode = network(3 * ANGLES), network(PIXELS)

    def model(images):
        decoder = numpyro.module("decoder", decode, (2 * ANGLES,))
        with numpyro.plate("images", size, subsample_size=len(images)):
            z = numpyro.sample("z", dist.VonMises(jnp.zeros(ANGLES), 1e-6).to_event(1))  # uniform
            logits = decoder(jnp.concatenate([jnp.cos(z), jnp.sin(z)], -1))
            numpyro.sample("pixels", dist.Bernoulli(logits=logits).to_event(1), obs=images)

    def guide(images):
        encoder = numpyro.module("encoder", encode, (PIXELS,))
        with numpyro.plate("images", size, subsample_size=len(images)):
            x, y, strength = jnp.split(encoder(images), 3, -1)
            distribution = dist.VonMises(jnp.arctan2(y, x), 1.0 + softplus(4.0 + strength))
            numpyro.sample("z", distribution.to_event(1))

    return model, guide


def hvae_guide(size: int) -> tuple[Callable, Callable]:
    """The same with Normal latents, and Hamiltonian steps behind the encoder."""
    encode, decode = network(2 * LATENTS), network(PIXELS)

    def model(images):
        decoder = numpyro.module("decoder", decode, (LATENTS,))
        with numpyro.plate("images", size, subsample_size=len(images)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(LATENTS), 1.0).to_event(1))
            numpyro.sample("pixels", dist.Bernoulli(logits=decoder(z)).to_event(1), obs=images)

    def encoder_guide(images):
        encoder = numpyro.module("encoder", encode, (PIXELS,))
        with numpyro.plate("images", size, subsample_size=len(images)):
            loc, log_scale = jnp.split(encoder(images), 2, -1)
            numpyro.sample("z", dist.Normal(loc, jnp.exp(log_scale)).to_event(1))

    return model, HVAE(model, encoder_guide, num_steps=3, tempering="free")


GUIDES: dict[str, Callable] = {"von Mises": von_mises_guide, "HVAE": hvae_guide}


class Layout:
    """Where arrays lie on some devices: all of it on each (`everywhere`), or split along the first axis (`rows`)."""

    def __init__(self, devices: list[Any]):
        # not jax.make_mesh, whose axes are Explicit by default: NumPyro's distributions and ours need Auto, as Mesh has
        # it
        mesh = Mesh(np.array(devices), ("data",))
        self.size = len(devices)
        self.everywhere, self.rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
        self.processes = sorted({device.process_index for device in devices})

    def batch(self, images: np.ndarray) -> jax.Array:
        """A batch, of which each process hands over its own rows, and each device gets no others."""
        if len(images) % self.size:
            raise ValueError(
                f"data_parallel: a batch of {len(images)} images cannot be split evenly over {self.size} devices; "
                f"take a number of devices that divides {len(images)}"
            )
        mine = np.split(images, len(self.processes))[self.processes.index(jax.process_index())]
        return jax.make_array_from_process_local_data(self.rows, mine)


def batch_arrays_moved(compiled: Any) -> int:
    """How many arrays with the batch's axis travel between devices in compiled code.

    Gradients are summed (all-reduce), and so is whether all rejection loops are done, one bit a round.  Anything else
    that is exchanged would be rows of the batch.
    """
    kinds = "all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast|reduce-scatter|ragged-all-to-all"
    found = re.findall(rf"= (.*?) ({kinds})(?:-start)?\(", compiled.as_text())
    return sum(kind != "all-reduce" or bool(re.search(rf"[\[,]{BATCH}[\],]", shape)) for shape, kind in found)


def difference(ours: Any, truth: Any) -> float:
    """The greatest over the arrays, each relative to its greatest element."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(truth), strict=True)
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in pairs)


class Run:
    """Loss and gradients of the first batch, then training, on some devices."""

    def __init__(self, name: str, images: np.ndarray, steps: int, layout: Layout):
        svi = SVI(*GUIDES[name](len(images)), Adam(1e-3), Trace_ELBO())
        batch = layout.batch(images[:BATCH])
        # parameters are made where they will lie, and by each process for its devices
        init = jax.jit(lambda batch: svi.init(jax.random.key(SEED), batch), out_shardings=layout.everywhere)
        state = init(batch)
        # `out_shardings`: else the compiler chooses, and might split a parameter
        update = jax.jit(svi.update, in_shardings=(layout.everywhere, layout.rows), out_shardings=layout.everywhere)
        update = update.lower(state, batch).compile()  # only for a look at the code; a call would compile by itself
        self.moved = batch_arrays_moved(update)
        state, self.loss = update(state, batch)
        self.gradients = first_gradients(state)
        order, start = np.random.default_rng(SEED), perf_counter()
        quiet = True if jax.process_index() else None
        for step in (bar := tqdm(range(1, steps + 1), desc=f"{name}, devices: {layout.size}", disable=quiet)):
            # every process shuffles alike
            state, loss = update(state, layout.batch(order.choice(images, BATCH, replace=False)))
            # Reading the loss also keeps to one step at a time; the devices of one CPU could wait for each other else.
            bar.set_postfix_str(f"loss per image {float(loss) / len(images):.2f}", refresh=False)
            if step == FEW:
                self.params = jax.device_get(svi.get_params(state))
        self.speed = steps / (perf_counter() - start)


def first_gradients(state: Any) -> list[Any]:
    """The gradients of the first step, times 0.1: Adam's first means after it."""
    _, packed = state.optim_state
    leaves = jax.tree.leaves(unpack_optimizer_state(packed), is_leaf=lambda x: isinstance(x, JoinPoint))
    return [leaf.subtree[1] for leaf in leaves]


def guide_row(name: str, images: np.ndarray, steps: int) -> list[str]:
    one = Run(name, images, steps, Layout(jax.local_devices()[:1]))
    many = Run(name, images, steps, Layout(jax.devices()))
    differences = [difference(getattr(many, part), getattr(one, part)) for part in ("loss", "gradients", "params")]
    figures = [f"{float(many.loss) / len(images):.3f}", *(f"{d:.0e}" for d in differences), str(many.moved)]
    return [name, str(jax.device_count()), *figures, f"{one.speed:.0f}", f"{many.speed:.0f}"]


# ------------------------------------------------------------------------------------------------- draws alone

LAWS: dict[str, Callable] = {
    "VonMises": lambda a: dist.VonMises(0.0, a),
    "Gamma": lambda a: dist.Gamma(a),
    "Beta": lambda a: dist.Beta(a, 0.5),
    "Dirichlet": lambda a: dist.Dirichlet(a),
    "StudentT": lambda a: dist.StudentT(a),
}


def draw_row(name: str) -> list[str]:
    """Draws and their gradient; a rejection loop goes on until the slowest element of any device is accepted."""
    concentration = np.random.default_rng(SEED).gamma(1.0, size=(BATCH, 3)) + 0.1

    def draw(a):
        def total(a):
            x = LAWS[name](a).sample(jax.random.key(SEED))
            return x.sum(), x

        return jax.grad(total, has_aux=True)(a)

    def run(layout):
        a = layout.batch(concentration)
        compiled = jax.jit(draw, in_shardings=layout.rows, out_shardings=layout.rows).lower(a).compile()
        return compiled(a), batch_arrays_moved(compiled)

    (gradients, draws), _ = run(Layout(jax.local_devices()[:1]))
    (split_gradients, split_draws), moved = run(Layout(jax.devices()))
    mine = [np.concatenate([s.data for s in x.addressable_shards]) for x in (split_gradients, split_draws)]
    rows = [
        np.concatenate([np.asarray(x)[s.index] for s in split_draws.addressable_shards]) for x in (gradients, draws)
    ]
    equal = "yes" if (mine[1] == rows[1]).all() else "no"
    return [name, equal, f"{difference(mine[0], rows[0]):.0e}", str(moved)]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_parallel_numpyro", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps only")
    parser.add_argument("--guides", nargs="*", choices=GUIDES, default=list(GUIDES), help="to train")
    parser.add_argument("--distributions", nargs="*", choices=LAWS, default=list(LAWS), help="to draw from")
    parser.add_argument("--host-devices", type=int, default=4, help="into how many devices a CPU is divided")
    parser.add_argument("--address", help="host:port of process 0, if there are several")
    parser.add_argument("--processes", type=int, help="how many, of all machines together")
    parser.add_argument("--process", type=int, help="which this is, from 0")
    options = parser.parse_args()
    if options.address and not os.environ.get("PYTHONHASHSEED", "random").isdigit():
        parser.error("several processes need one order of sets: set PYTHONHASHSEED=0 for each of them")
    return options


def main() -> None:
    options = parse()
    # before anything is computed; XLA_FLAGS=--xla_force_host_platform_device_count has to stand before JAX is imported
    jax.config.update("jax_num_cpu_devices", options.host_devices)
    # A device of a CPU that waits for the others keeps a thread; where JAX has fewer than that takes, it never returns.
    os.environ["NPROC"] = str(max(int(os.environ.get("NPROC") or 0), os.cpu_count() or 1, 4 * options.host_devices))
    # float64: a difference that is not rounding shows, and no rejection is decided by it
    jax.config.update("jax_enable_x64", True)
    if options.smoke:
        jax.config.update("jax_disable_most_optimizations", True)  # a smoke test mostly compiles
    if options.address:
        jax.distributed.initialize(options.address, options.processes, options.process)
    images = load().train.astype(np.float64)
    guides = [guide_row(name, images, FEW if options.smoke else 700) for name in options.guides]
    draws = [draw_row(name) for name in options.distributions]
    if jax.process_index() == 0:
        differences = [
            f"{part}: max rel. difference" for part in ("loss", "gradients", f"parameters after {FEW} steps")
        ]
        header = ["guide", "devices", "loss per image", *differences, "batch arrays moved", "steps/s, one device"]
        print(markdown([*header, "steps/s"], guides))
        print()
        print(markdown(["distribution", "draws equal", "gradients: max rel. difference", "batch arrays moved"], draws))


if __name__ == "__main__":
    main()
