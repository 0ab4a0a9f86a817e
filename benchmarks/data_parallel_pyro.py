"""SVI on several processes: `DistributedDataParallel` around the ELBO, for a guide of angles and an HVAE guide.

    torchrun --standalone --nproc-per-node 2 -m benchmarks.data_parallel_pyro [--smoke]

Each process holds the whole model and takes its share of every batch.  The table sets what the processes find together,
after their gradients have been averaged, against one process that takes the whole batch with the same random numbers.
On accelerators: the backend "nccl" in place of "gloo", and a device for each LOCAL_RANK.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pyro
import torch
import torch.distributed
from pyro.infer import Trace_ELBO
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
from tqdm import tqdm

import pyro_irg.distributions as dist
from benchmarks.tables import markdown
from demo.data import PIXELS, load
from pyro_irg.infer import HVAE

__all__ = ["GUIDES", "NoiseOfRanks", "main", "on_one", "share"]

ANGLES, LATENTS, WIDTH = 4, 8, 64
BATCH = 100  # of all processes together
SEED = 0


def network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.Softplus(), nn.Linear(WIDTH, outputs))


class Model(nn.Module):
    """p(z, images), for a share of a batch out of `size` images.

    The plate's `size` is the data set's on every process: each loss then estimates that of all data, and so does their
    mean, which is what DistributedDataParallel takes of the gradients.  (It is exactly the whole batch's loss where the
    shares are equal.)  A latent outside of the plate needs nothing more: each process draws its own, and the mean
    counts its prior once.
    """

    def __init__(self, size: int, features: int):
        super().__init__()
        self.size, self.decoder = size, network(features, PIXELS)

    def prior(self) -> Any:
        raise NotImplementedError

    def features(self, z: Tensor) -> Tensor:
        return z

    def forward(self, images: Tensor) -> None:
        with pyro.plate("images", self.size, subsample=images):
            z = pyro.sample("z", self.prior())
            logits = self.decoder(self.features(z))
            pyro.sample("pixels", dist.Bernoulli(logits=logits).to_event(1), obs=images)


class Angles(Model):
    def __init__(self, size: int):
        super().__init__(size, 2 * ANGLES)

    def prior(self):
        return dist.VonMises(torch.zeros(ANGLES), 1e-6).to_event(1)  # uniform

    def features(self, z):
        return torch.cat([z.cos(), z.sin()], -1)


class Numbers(Model):
    def __init__(self, size: int):
        super().__init__(size, LATENTS)

    def prior(self):
        return dist.Normal(torch.zeros(LATENTS), 1.0).to_event(1)


class Encoder(nn.Module):
    """q(z | images), in the model's plate."""

    def __init__(self, size: int, codes: int, distribution: Callable):
        super().__init__()
        self.size, self.distribution, self.encoder = size, distribution, network(PIXELS, codes)

    def forward(self, images: Tensor) -> None:
        with pyro.plate("images", self.size, subsample=images):
            pyro.sample("z", self.distribution(self.encoder(images)).to_event(1))


def von_mises(code: Tensor) -> Any:
    x, y, strength = code.chunk(3, -1)
    return dist.VonMises(torch.atan2(y, x), 1.0 + softplus(4.0 + strength))


def normal(code: Tensor) -> Any:
    loc, log_scale = code.chunk(2, -1)
    return dist.Normal(loc, log_scale.exp())


def von_mises_guide(size: int) -> tuple[nn.Module, nn.Module]:
    return Angles(size), Encoder(size, 3 * ANGLES, von_mises)


def hvae_guide(size: int) -> tuple[nn.Module, nn.Module]:
    model, encoder = Numbers(size), Encoder(size, 2 * LATENTS, normal)
    return model, HVAE(model, encoder, num_steps=3, tempering="free")


GUIDES = {"von Mises": von_mises_guide, "HVAE": hvae_guide}


def share(images: Tensor, rank: int, ranks: int) -> Tensor:
    """The rank's rows of a batch."""
    if len(images) % ranks:
        raise ValueError(
            f"data_parallel: a batch of {len(images)} images has no equal shares for {ranks} processes, and the mean "
            f"of their losses would not be the batch's; start as many processes as divide {len(images)}"
        )
    return images.chunk(ranks)[rank]


def wrapped(elbo: nn.Module, images: Tensor) -> DistributedDataParallel:
    """The ELBO, its gradients averaged over the processes at each `backward`."""
    # Lazy parameters (HVAE's step sizes, an autoguide's) must exist before the wrapper and the optimizer look for them.
    with torch.no_grad():
        elbo(images)
    # The wrapper gives all processes the parameters of rank 0.  `find_unused_parameters=True` is for models in which a
    # step may leave a parameter out; here each takes part in every step.
    return DistributedDataParallel(elbo)


# ------------------------------------------------------------------------- the same random numbers in one process


class NoiseOfRanks(Messenger):
    """Draws as the processes do: of each site, every process's rows from a random stream of its own."""

    def __init__(self, seeds: list[int]):
        super().__init__()
        self.streams = [torch.Generator().manual_seed(seed).get_state() for seed in seeds]

    def _pyro_sample(self, msg: Any) -> None:
        distribution = msg["fn"]
        if msg["value"] is not None or isinstance(
            distribution, dist.Delta
        ):  # data, the plate's rows, where HVAE has moved to
            return
        draws = []
        for rank, rows in enumerate(torch.arange(distribution.batch_shape[-1]).chunk(len(self.streams))):
            torch.set_rng_state(self.streams[rank])
            draws.append(rows_of(distribution, rows).rsample())
            self.streams[rank] = torch.get_rng_state()
        msg["value"], msg["done"] = torch.cat(draws), True


def rows_of(distribution: Any, rows: Tensor) -> Any:
    """The distribution of some rows of a batch."""
    if isinstance(distribution, dist.Independent):
        return rows_of(distribution.base_dist, rows).to_event(distribution.reinterpreted_batch_ndims)
    return type(distribution)(**{name: getattr(distribution, name)[rows] for name in distribution.arg_constraints})


def on_one(elbo: nn.Module, images: Tensor, seeds: list[int]) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradients of the whole batch in this process, with the random numbers of the processes' seeds."""
    with NoiseOfRanks(seeds):
        loss = elbo(images)
    # not `backward`, which would call the wrapper's hooks and wait for the other processes
    return loss.detach(), list(torch.autograd.grad(loss, list(elbo.parameters())))


# --------------------------------------------------------------------------------------------------- comparison


def mean_over_ranks(x: Tensor) -> Tensor:
    x = x.detach().clone()
    torch.distributed.all_reduce(x)  # a sum; gloo has no mean
    return x / torch.distributed.get_world_size()


def difference(ours: list[Tensor], truth: list[Tensor]) -> float:
    """The greatest over the arrays, each relative to its greatest element."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, truth, strict=True))


def compare(ddp: DistributedDataParallel, images: Tensor) -> tuple[float, float, float]:
    """The processes' loss, and how far it and its gradients are from one process's."""
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    seeds = [SEED + r for r in range(ranks)]
    # With the same seed everywhere, the k-th images of all shares would get the same noise: unbiased, of more variance.
    pyro.set_rng_seed(seeds[rank])
    loss = ddp(share(images, rank, ranks))
    loss.backward()
    gradients = [p.grad.clone() for p in ddp.parameters()]
    ddp.zero_grad()
    loss = mean_over_ranks(loss)
    one_loss, one_gradients = on_one(ddp.module, images, seeds)
    return float(loss), difference([loss], [one_loss]), difference(gradients, one_gradients)


def spread(ddp: DistributedDataParallel) -> float:
    """The greatest difference of a parameter between two processes."""
    mine = torch.cat([p.detach().flatten() for p in ddp.parameters()])
    extremes = torch.stack([mine, -mine])
    torch.distributed.all_reduce(extremes, torch.distributed.ReduceOp.MAX)
    return float(extremes.sum(0).abs().max())


def train(ddp: DistributedDataParallel, images: Tensor, epochs: int, name: str) -> float:
    """Steps of Adam for each second."""
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    optimizer = torch.optim.Adam(ddp.parameters(), lr=1e-3)
    # the same shuffle for all, of which each takes other images
    sampler = DistributedSampler(images, seed=SEED, drop_last=True)
    loader = DataLoader(images, batch_size=BATCH // ranks, sampler=sampler, drop_last=True)
    start = perf_counter()
    for epoch in tqdm(range(epochs), desc=f"{name}, processes: {ranks}", disable=True if rank else None):
        sampler.set_epoch(epoch)
        for batch in loader:
            optimizer.zero_grad()
            ddp(batch).backward()
            optimizer.step()
    return epochs * len(loader) / (perf_counter() - start)


def row(name: str, images: Tensor, epochs: int) -> list[str]:
    pyro.set_rng_seed(SEED)
    model, guide = GUIDES[name](len(images))
    ddp = wrapped(Trace_ELBO()(model, guide), images[:BATCH])
    loss, loss_difference, gradient_difference = compare(ddp, images[:BATCH])
    speed = train(ddp, images, epochs, name)
    figures = [f"{loss_difference:.0e}", f"{gradient_difference:.0e}", f"{spread(ddp):.0e}", f"{speed:.0f}"]
    return [name, str(torch.distributed.get_world_size()), f"{loss / len(images):.3f}", *figures]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_parallel_pyro", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one epoch only")
    epochs = 1 if parser.parse_args().smoke else 50
    if "RANK" in os.environ:  # of torchrun
        torch.distributed.init_process_group("gloo")
    else:
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    # float64: a difference that is not rounding shows, and no rejection is decided by it
    torch.set_default_dtype(torch.float64)
    # parameters belong to their modules; in the global store two guides of one name would share them
    pyro.settings.set(module_local_params=True)
    images = torch.from_numpy(load().train).double()
    rows = [row(name, images, epochs) for name in GUIDES]
    if torch.distributed.get_rank() == 0:
        header = ["guide", "processes", "loss per image", "loss: rel. difference", "gradients: max rel. difference"]
        print(markdown([*header, "parameters: max difference between processes", "steps/s"], rows))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
