"""The ELBO by randomised quasi-Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from numpyro.handlers import block, seed, substitute
from numpyro.infer import Trace_ELBO
from numpyro.primitives import Messenger

from irg_kernels.adapter.settings import check_count

from ..distributions.from_uniform import from_uniform
from ..distributions.host_families import unwrapped
from .hvae import HVAE

MOST_COLUMNS = 21_201
"""of which SciPy knows direction numbers"""


class QMC_ELBO(Trace_ELBO):
    r"""The ELBO whose particles are points of a scrambled Sobol' sequence, one for all draws of the guide::

        svi = SVI(model, guide, optim, QMC_ELBO(num_particles=64))

    Each draw is :math:`F^{-1}(u; \phi)` (see `from_uniform`), so that the bound is the mean over the points u of a
    smooth function; scrambled anew at every step they are uniform, and value and gradient unbiased.  For a guide of few
    dimensions the variance of the gradient falls as :math:`n^{-3}` or so in the number n of points, not as
    :math:`1/n` (Owen 1997; Buchholz, Wenzel, Mandt 2018, "Quasi-Monte Carlo variational inference").

    Every reparameterized site takes as many columns of the sequence as one particle has numbers of it, those of a plate
    included; beyond 21,201 columns, and at sites that are not reparameterized, numbers are independent.  The minibatch
    of a plate is drawn as ever, one for each particle.

    :param num_particles: n, at least 2; best a power of 2.
    :raises ValueError: for fewer particles than 2, and for a Hamiltonian guide, which draws momenta of its own.
    :raises NotImplementedError: for a site of the guide that `from_uniform` does not take.
    """

    def __init__(self, num_particles: int = 64) -> None:
        check_count("QMC_ELBO", "num_particles", num_particles, 2)
        super().__init__(num_particles=num_particles)

    def loss_with_mutable_state(
        self, rng_key: Array, param_map: dict[str, Any], model: Callable, guide: Callable, *args: Any, **kwargs: Any
    ) -> Any:
        if isinstance(guide, HVAE) and guide.num_steps:
            raise ValueError("QMC_ELBO: a Hamiltonian guide draws momenta of its own; write Trace_ELBO")
        for_points, for_elbo = jax.random.split(rng_key)
        points = _points(for_points, self.num_particles, _dimension(guide, param_map, args, kwargs))
        row: list[Any] = [None]

        def drawn(*args: Any, **kwargs: Any) -> Any:
            with _Quasi(row[0]):
                return guide(*args, **kwargs)

        def side_by_side(single: Callable, keys: Array) -> Any:
            def one(key, point):
                row[0] = point
                return single(key)

            return jax.vmap(one)(keys, points)

        elbo = Trace_ELBO(self.num_particles, vectorize_particles=side_by_side)
        return elbo.loss_with_mutable_state(for_elbo, param_map, model, drawn, *args, **kwargs)


def _dimension(guide: Callable, params: dict[str, Any], args: tuple, kwargs: dict) -> int:
    """How many columns the guide takes; only shapes are computed."""
    quasi = _Quasi(None)

    def run(key):
        with block(), seed(rng_seed=key), substitute(data=params), quasi:
            guide(*args, **kwargs)
        return 0

    jax.eval_shape(run, jax.random.key(0))
    return quasi.taken


class _Quasi(Messenger):
    """Takes draws from a point's coordinates; without a point it counts them."""

    def __init__(self, point: Array | None) -> None:
        super().__init__()
        self.point, self.taken = point, 0

    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or msg["is_observed"] or msg["value"] is not None:
            return
        fn = msg["fn"]
        if not fn.has_rsample or isinstance(unwrapped(fn), dist.Delta):
            return
        shape = fn.shape(msg["kwargs"].get("sample_shape", ()))
        first = self.taken
        self.taken += math.prod(shape)
        like = [x for x in jax.tree.leaves(fn) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
        u = jnp.full(shape, 0.5) if self.point is None else self.point[first : self.taken].reshape(shape)
        msg["value"] = from_uniform(fn, u.astype(jnp.result_type(*like)) if like else u)


def _points(key: Array, count: int, dimension: int) -> Array:
    """(count, dimension) numbers in (0, 1): Sobol' points, each column's direction numbers times a random triangular
    matrix and shifted (Matousek 1998), at the middles of cells of the dtype, so that none is 0 or 1."""
    bits = 23 if jnp.result_type(float) == jnp.float32 else 30
    known = min(dimension, MOST_COLUMNS)
    for_matrix, for_shift, for_rest = jax.random.split(key, 3)
    gray, directions = _sobol(count, known, bits)
    # one integer for each column of a matrix, of which no more are met than direction numbers have digits
    diagonal = np.left_shift(np.uint32(1), (bits - 1 - np.arange(directions.shape[-1])).astype(np.uint32))
    below = jax.random.bits(for_matrix, (known, len(diagonal)), jnp.uint32) & (diagonal - np.uint32(1))
    moved = _xor(jnp.where(directions, (below | diagonal)[:, None], np.uint32(0)))
    shift = jax.random.bits(for_shift, (known,), jnp.uint32) >> np.uint32(32 - bits)
    numbers = jnp.broadcast_to(shift, (count, known))
    for digit, number in zip(gray.T, moved.T, strict=True):
        numbers = numbers ^ jnp.where(digit[:, None], number, np.uint32(0))
    points = numbers.astype(jnp.result_type(float)) * 0.5**bits + 0.5 ** (bits + 1)
    rest = jax.random.uniform(for_rest, (count, dimension - known), points.dtype)
    return jnp.concatenate([points, rest], -1)


def _xor(numbers: Array) -> Array:
    """Of all along the last axis."""
    return jax.lax.reduce(numbers, np.uint32(0), jax.lax.bitwise_xor, (numbers.ndim - 1,))


@cache
def _sobol(count: int, dimension: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(the binary digits of the Gray code of each point, (count, m); those of m direction numbers of each column, as
    many as there are at most)."""
    m = max(1, math.ceil(math.log2(count)))
    gray = np.arange(count) ^ (np.arange(count) >> 1)
    gray_digits = (gray[:, None] >> np.arange(m)) & 1 == 1
    if not dimension:
        return gray_digits, np.zeros((0, m, min(m, bits)), bool)
    from scipy.stats import qmc  # here, since all of scipy.stats takes as long to import as NumPyro

    plain = qmc.Sobol(dimension, scramble=False, bits=30).random(2**m)
    numbers = np.round(plain[2 ** np.arange(1, m + 1) - 1].T * 2.0**30).astype(np.int64)  # of Gray code 2**j
    digits = (numbers[..., None] >> (29 - np.arange(min(m, bits)))) & 1 == 1
    return gray_digits, digits
