"""SVI on two processes gives the loss and gradients of one (`benchmarks/data_parallel_pyro.py`)."""

import sys

import pyro
import pytest
import torch
from pyro.infer import Trace_ELBO

from benchmarks import data_parallel_pyro as script
from tests.launch import launch, table

# In float64 both sides differ by the order of sums: 7e-16 is usual; a wrong seed or scale gives 1e-2 or more.
ROUNDING = 1e-11


@pytest.mark.slow
def test_two_processes_give_what_one_gives():
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    # loopback: gloo otherwise looks its own host name up, which needs a network
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    (output,) = launch([*torchrun, "benchmarks.data_parallel_pyro", "--smoke"], **loopback)
    rows = table(output, "guide")
    assert list(rows) == ["von Mises", "HVAE"]
    for name, row in rows.items():
        assert row["processes"] == "2"
        assert float(row["loss: rel. difference"]) < ROUNDING, name
        assert float(row["gradients: max rel. difference"]) < ROUNDING, name
        # bit for bit: all take the same step from the same averaged gradient
        assert float(row["parameters: max difference between processes"]) == 0.0, name
        assert 40.0 < float(row["loss per image"]) < 60.0, name  # 64 log 2 = 44.4 and the KL divergence


@pytest.fixture
def float64():
    default, local = torch.get_default_dtype(), pyro.settings.get("module_local_params")
    torch.set_default_dtype(torch.float64)
    pyro.settings.set(module_local_params=True)
    yield
    torch.set_default_dtype(default)
    pyro.settings.set(module_local_params=local)


@pytest.mark.parametrize("name", script.GUIDES)
def test_the_whole_batch_with_the_noise_of_shares(name, float64):
    """What the script takes for the truth is the mean over shares, and only so with the same seeds and sizes."""
    pyro.set_rng_seed(0)
    images = (torch.rand(12, 64) > 0.5).double()
    elbo = Trace_ELBO()(*script.GUIDES[name](60))
    with torch.no_grad():
        elbo(images)
    loss, gradients = script.on_one(elbo, images, [5, 6, 7])

    def shares(seeds):
        losses, total = [], [torch.zeros_like(g) for g in gradients]
        for rank, seed in enumerate(seeds):
            pyro.set_rng_seed(seed)
            losses.append(elbo(script.share(images, rank, 3)))
            for t, g in zip(total, torch.autograd.grad(losses[-1], list(elbo.parameters())), strict=True):
                t += g / 3
        return [torch.stack(losses).mean().detach()], total

    for ours, truth in zip(shares([5, 6, 7]), ([loss], gradients), strict=True):
        assert script.difference(ours, truth) < ROUNDING
    assert script.difference(shares([5, 6, 8])[1], gradients) > 1e-2
    other_rows = script.on_one(elbo, images.flip(0), [5, 6, 7])[1]
    assert script.difference(other_rows, gradients) > 1e-2


def test_unequal_shares_are_refused():
    with pytest.raises(ValueError, match=r"a batch of 100 images has no equal shares for 3 processes.*divide 100"):
        script.share(torch.zeros(100, 64), 0, 3)
