"""Special functions beside those of SciPy's namesakes in torch and JAX: worst errors, and time.

    python -m benchmarks.special --write

Errors are relative, in float64, at the points of `tests/special.json`, against mpmath; "none" says that the library
has no such function, "raises" that it has no such derivative.  Time is that of value and gradient in all arguments of
10,000 elements on one core, ours over the library's (over the value's alone, where the library has no gradient): the
median ratio of CPU seconds of runs that take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import process_time

import jax
import jax.numpy as jnp
import jax.scipy.special as of_jax
import numpy as np
import torch

import numpyro_irg
import pyro_irg
from benchmarks.tables import markdown, publish
from tests import special
from tests.adapters import numpyro as numpyro_adapter
from tests.adapters import pyro as pyro_adapter

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
NAMES = (*special.FUNCTIONS, *special.LOGARITHMS, *special.INVERSES)
SIZE, TURNS = 10_000, 5


def in_torch(function: Callable, rows: np.ndarray) -> list[np.ndarray | str]:
    """[value, gradient, Hessian] at the rows."""
    args = [torch.tensor(column, requires_grad=True) for column in rows.T]
    value = function(*args)
    found: list = [value.detach().numpy()[:, None]]
    try:
        first = torch.autograd.grad(value.sum(), args, create_graph=True)
        found.append(torch.stack(first, -1).detach().numpy())
        options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
        second = [torch.stack(torch.autograd.grad(g.sum(), args, **options), -1) for g in first]
        found.append(torch.cat(second, -1).detach().numpy())
    except (RuntimeError, NotImplementedError):
        pass
    return [*found, *["raises"] * (3 - len(found))]


def in_jax(function: Callable, rows: np.ndarray) -> list[np.ndarray | str]:
    def f(args):
        return function(*(args[i] for i in range(rows.shape[1])))

    found: list = []
    for g in (f, jax.grad(f), jax.jacrev(jax.grad(f))):
        try:
            found.append(np.asarray(jax.jit(jax.vmap(g))(jnp.asarray(rows))).reshape(len(rows), -1))
        except (ValueError, NotImplementedError, TypeError):
            found.append("raises")
    return found


def ours_in_torch(function: Callable, rows: np.ndarray) -> list[np.ndarray]:
    found = pyro_adapter.to_second_order(function)(*map(torch.tensor, rows.T))
    return [x.numpy().reshape(len(rows), -1) for x in found]


def ours_in_jax(function: Callable, rows: np.ndarray) -> list[np.ndarray]:
    """By one program, where `in_jax` needs three: of ours none raises."""
    found = jax.jit(numpyro_adapter.to_second_order(function))(*map(jnp.asarray, rows.T))
    return [np.asarray(x).reshape(len(rows), -1) for x in found]


def worst(found: np.ndarray | str, truth: np.ndarray) -> str:
    """The worst relative error, of a Hessian relative to its largest entry."""
    if isinstance(found, str):
        return found
    scale = np.abs(truth) if truth.shape[1] < 4 else np.max(np.abs(truth), axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        error = np.where(scale > 1e-300, np.abs(found - truth) / scale, 0.0)
    return "not finite" if not np.isfinite(error).all() else f"{error.max():.0e}"


def timed(run: Callable, other: Callable) -> float:
    for f in (run, other):
        f()
    ratios = []
    for _ in range(TURNS):
        seconds = []
        for f in (run, other):
            start = process_time()
            f()
            seconds.append(process_time() - start)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def torch_run(function: Callable, rows: np.ndarray, *, slopes: bool) -> Callable:
    args = [torch.tensor(column, requires_grad=slopes) for column in rows.T]

    def run():
        value = function(*args)
        return torch.autograd.grad(value.sum(), args) if slopes else value

    return run


def jax_run(function: Callable, rows: np.ndarray, *, slopes: bool) -> Callable:
    columns = tuple(map(jnp.asarray, rows.T))
    f = jax.jit(jax.value_and_grad(lambda *a: function(*a).sum(), tuple(range(len(columns))))) if slopes else None
    f = f or jax.jit(function)
    return lambda: jax.block_until_ready(f(*columns))


LIBRARIES = {
    "torch": (torch.special, pyro_irg.special, in_torch, ours_in_torch, torch_run),
    "JAX": (of_jax, numpyro_irg.special, in_jax, ours_in_jax, jax_run),
}


def row(name: str, library: str) -> list[str]:
    theirs, own, orders, of_ours, runner = LIBRARIES[library]
    points, *truths = special.truth(name)
    ours = [worst(*pair) for pair in zip(of_ours(getattr(own, name), points), truths, strict=True)]
    peer = getattr(theirs, name, None)
    if peer is None:
        return [name, library, *ours, "none", "", "", ""]
    found = orders(peer, points)
    slopes = not isinstance(found[1], str)
    many = np.random.default_rng(0).permutation(np.repeat(points, SIZE // len(points), 0))
    ratio = timed(runner(getattr(own, name), many, slopes=slopes), runner(peer, many, slopes=slopes))
    return [name, library, *ours, *(worst(*pair) for pair in zip(found, truths, strict=True)), f"{ratio:.2f}"]


def main() -> None:
    header = ["function", "library", "ours", "d/dx", "second", "theirs", "d/dx", "second", "time ratio"]
    publish("special", markdown(header, [row(name, library) for name in NAMES for library in LIBRARIES]))


if __name__ == "__main__":
    main()
