"""Couplings by small networks, beside the moves of `refreshed`: what they learn is not the gradient's to give.

    symbol   meaning
    u, rho   position and momentum of a part of the coordinates; r, the residual force at u
    s, t     log-scale and shift, each of one network of HIDDEN units for each step

Before a step's turn the momentum is coupled to the point, rho <- rho exp(s(u, r)) + t(u, r), and after it the position
to the momentum, u <- u exp(s'(rho)) + t'(rho): each is a map of one given the other, of log-Jacobian the sum of its s,
with an inverse in closed form, as in the generalised leapfrog (Levy, Hoffman, Sohl-Dickstein 2018) and in flows of
affine couplings (Dinh, Sohl-Dickstein, Bengio 2017), of which u and rho are the halves.  Every point's weight gains the
sum of the s so far, and keeps its mean p(x).  |s| < BOUND, so that no step can run away; networks whose weights
outwards are 0, as they begin, leave a step as it is.
"""

from __future__ import annotations

from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from . import transport

RATE = 0.03
"""How fast the networks learn, of the other parameters' rate: two for each step add up, and after 1,000 steps of
training on the banana a rate of .3 was at a gap of 1.06 nats, .03 at .17."""

BOUND = 0.5
"""Ten steps may stretch a coordinate by e^10 in all; without a bound prototypes diverged."""


class Network(NamedTuple, Generic[Array]):
    """The weights; arrays of `shapes`, in this order."""

    inward: Array
    bias: Array
    scale: Array
    shift: Array


def shapes(size: int) -> dict[str, tuple[int, ...]]:
    """Of one step's parameters for a part of `size` coordinates, by name: two networks."""
    found: dict[str, tuple[int, ...]] = {}
    for name, seen in (("momentum", 2 * size), ("position", size)):
        network = (seen, transport.HIDDEN), (transport.HIDDEN,), *[(transport.HIDDEN, size)] * 2
        found |= {f"network_{what}_{name}": shape for what, shape in zip(Network._fields, network, strict=True)}
    return found


def initial_deviation(name: str, size: int) -> float:
    """Standard deviation of the normal draws from which a parameter starts."""
    seen = 2 * size if name.endswith("momentum") else size
    return seen**-0.5 if name.startswith("network_inward") else 0.0


def networks(params: dict[str, Array]) -> tuple[Network[Array], Network[Array]]:
    """Of the momentum and of the position, from the parameters of `shapes`."""
    momentum, position = (
        Network(*(params[f"network_{what}_{name}"] for what in Network._fields)) for name in ("momentum", "position")
    )
    return momentum, position


def couple(
    xp: Namespace[Array], x: Array, given: tuple[Array, ...], network: Network[Array], batch_ndim: int
) -> tuple[Array, Array]:
    """(x exp(s) + t, s) with s and t networks of what is given, all arrays of one shape.

    :param batch_ndim: how many of the first axes are of systems; the others are one event's coordinates.
    """
    hidden = network.bias
    size = network.scale.shape[-1]
    for i, seen in enumerate(given):
        flat = seen.reshape((*seen.shape[:batch_ndim], 1, size))
        hidden = hidden + xp.matmul(flat, network.inward[i * size : (i + 1) * size])
    hidden = transport.tanh(xp, hidden)
    log_scale, shift = (
        (RATE * xp.matmul(hidden, weights)).reshape(x.shape) for weights in (network.scale, network.shift)
    )
    log_scale = BOUND * transport.tanh(xp, log_scale / BOUND)
    return x * xp.exp(log_scale) + shift, log_scale
