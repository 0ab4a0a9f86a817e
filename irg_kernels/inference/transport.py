"""A map from a standard normal point to a posterior: autoregressive layers, then an affine map (or a low-rank one).

    symbol   meaning
    u, z     points (..., d) before and after the map
    s, t     log-scale and shift of a layer, each a small network of the coordinates before (Kingma et al. 2016)
    C        unit of the affine map, lower triangular: where a search found the scales; or its diagonal

A layer is y_i = u_i exp(s_i(u_<i)) + t_i(u_<i), with log|dy/du| = sum s_i; every second one runs from the
last coordinate to the first.  The affine map is z = m + C (a + e^b (I + L) y), L strictly lower triangular.  Beyond
`MOST_DENSE` coordinates, updates y <- y + v_r (v_r . y) of determinant 1 + |v_r|^2 take the place of L, and there are
no layers.  A normal posterior is the affine map's, curvature is the layers'.
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace

MOST_DENSE = 100
"""Latent numbers up to which the map has a dense triangular part and layers; the search evaluates 2 d gradients."""

LAYERS = 3
"""In turn from the first coordinate to the last and back: 2 left the banana at a gap of .15 nats, 3 at .03."""

HIDDEN = 32

RATE = 0.3
"""How fast the networks learn, of the other parameters' rate: at the full rate they are left noisy."""


class Layer(NamedTuple, Generic[Array]):
    inward: Array
    """(d, HIDDEN)"""
    bias: Array
    scale: Array
    """(HIDDEN, d)"""
    shift: Array


class Transport(NamedTuple, Generic[Array]):
    origin: Array
    """m, (d,), which does not learn"""
    unit: Array
    """C, (d, d) or (d,), which does not learn"""
    shift: Array
    """a, (d,)"""
    log_scale: Array
    """b, (d,)"""
    lower: Array
    """L, (d, d), of which what is on and above the diagonal is not read; or the v_r, (rank, d)"""
    layers: tuple[Layer[Array], ...]


def rank(size: int) -> int:
    """Number of the updates of a low-rank map: the square root of d, as in the libraries' low-rank guides."""
    return round(math.sqrt(size))


def shapes(size: int) -> dict[str, tuple[int, ...]]:
    """Of the parameters that learn, by name; those of layer i end in _i."""
    if size > MOST_DENSE:
        return {"shift": (size,), "log_scale": (size,), "lower": (rank(size), size)}
    found: dict[str, tuple[int, ...]] = {"shift": (size,), "log_scale": (size,), "lower": (size, size)}
    for i in range(LAYERS if size > 1 else 0):
        layer = {"inward": (size, HIDDEN), "bias": (HIDDEN,), "scale": (HIDDEN, size), "shift": (HIDDEN, size)}
        found |= {f"layer_{name}_{i}": shape for name, shape in layer.items()}
    return found


def initial_deviation(name: str, size: int) -> float:
    """Standard deviation of the normal draws from which a parameter starts.

    The vectors of a low-rank map start a little off 0, where their gradient is 0.
    """
    if name.startswith("layer_inward"):
        return size**-0.5
    return 0.1 * size**-0.5 if name == "lower" and size > MOST_DENSE else 0.0


def transport(origin: Array, unit: Array, params: dict[str, Array]) -> Transport:
    """The map of the parameters of `shapes`."""
    count = sum(name.startswith("layer_bias") for name in params)
    layers = tuple(Layer(*(params[f"layer_{name}_{i}"] for name in Layer._fields)) for i in range(count))
    return Transport(origin, unit, params["shift"], params["log_scale"], params["lower"], layers)


def carried(xp: Namespace[Array], u: Array, to: Transport[Array]) -> tuple[Array, Array]:
    """z (..., d) and log|dz/du| (...)."""
    log_det = 0.0 * xp.sum(u, axis=-1)
    for i, layer in enumerate(to.layers):
        u, stretched = _layer(xp, u, layer, flipped=i % 2 == 1)
        log_det = log_det + stretched
    size = u.shape[-1]
    dense = to.lower.shape[0] == size and len(to.unit.shape) == 2
    if dense:
        u = u + _times(xp, to.lower * _strictly_lower(xp, size, like=to.lower), u)
    else:
        for i in range(to.lower.shape[0]):
            v = to.lower[i]
            u = u + v * xp.sum(v * u, axis=-1, keepdims=True)
            log_det = log_det + xp.log1p(xp.sum(v * v, axis=-1))
    v = to.shift + xp.exp(to.log_scale) * u
    z = to.origin + (_times(xp, to.unit, v) if dense else v * to.unit)
    scales = xp.sum(to.unit * _identity(xp, size, like=to.unit), axis=-1) if dense else to.unit
    return z, log_det + xp.sum(to.log_scale + xp.log(scales), axis=-1)


def tanh(xp: Namespace[Array], x: Array) -> Array:
    """By what the seam has."""
    return 2.0 * xp.sigmoid(2.0 * x) - 1.0


def _layer(xp: Namespace[Array], u: Array, layer: Layer, *, flipped: bool) -> tuple[Array, Array]:
    inward, outward = _masks(xp, u.shape[-1], flipped, like=u)
    hidden = tanh(xp, _row_times(xp, u, inward * layer.inward) + layer.bias)
    log_scale, shift = (RATE * _row_times(xp, hidden, outward * weights) for weights in (layer.scale, layer.shift))
    return u * xp.exp(log_scale) + shift, xp.sum(log_scale, axis=-1)


def _masks(xp: Namespace[Array], size: int, flipped: bool, *, like: Array) -> tuple[Array, Array]:
    """Of the networks' weights in and out: hidden unit h sees the first 1 + h mod (d - 1) coordinates."""
    order = [size - 1 - i if flipped else i for i in range(size)]
    degrees = [h % (size - 1) for h in range(HIDDEN)]
    inward = [float(i <= h) for i in order for h in degrees]
    outward = [float(i > h) for h in degrees for i in order]
    return (
        xp.constant(inward, like=like).reshape((size, HIDDEN)),
        xp.constant(outward, like=like).reshape((HIDDEN, size)),
    )


def _strictly_lower(xp: Namespace[Array], size: int, *, like: Array) -> Array:
    return xp.constant([float(j < i) for i in range(size) for j in range(size)], like=like).reshape((size, size))


def _identity(xp: Namespace[Array], size: int, *, like: Array) -> Array:
    return xp.constant([float(j == i) for i in range(size) for j in range(size)], like=like).reshape((size, size))


def _times(xp: Namespace[Array], matrix: Array, v: Array) -> Array:
    """matrix v, v of shape (..., d)."""
    return xp.matmul(matrix, v[..., None])[..., 0]


def _row_times(xp: Namespace[Array], v: Array, matrix: Array) -> Array:
    """v' matrix, v of shape (..., d)."""
    return xp.matmul(v[..., None, :], matrix)[..., 0, :]
