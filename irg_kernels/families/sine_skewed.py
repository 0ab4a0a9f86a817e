"""SineSkewed: angles z about their locations, of density prod_i f_i(z_i) (1 + sum_i lambda_i sin z_i), f von Mises'.

    symbol   meaning
    T        1 + sum_i lambda_i sin z_i
    C        1 + cos z, which is 0 opposite to the location
    S        int_{-pi}^z sin(t) f(t) dt = -(f(z) - f(pi)) / kappa
    h        exp(t) - 1 - t

An angle moves along itself, with the others held: as f is symmetric, of what its parameters do to the density nothing
is left over a whole turn.  The flow that keeps up with it (Figurnov, Mohamed, Mnih 2018, eq. 5, for the density of z_i
given the others) is

    dz/dlambda = -S / (f T),    dz/dkappa = ((T - lambda sin z) D - lambda dS/dkappa / f) / T,

D the one of the von Mises distribution and, with x = kappa C and A = I1/I0 (kappa),

    -S / f = C (1 - exp(-x)) / x,    dS/dkappa / f = -C**2 h(-x) / x**2 - (1 + A) S / f.
"""

from __future__ import annotations

from ..namespace import Array, Namespace, along_last_axis
from ..numerics.bessel import deficit
from ..numerics.elementary import expm1mx
from .von_mises import dz_dkappa as of_von_mises


def _terms(xp: Namespace[Array], z: Array, kappa: Array) -> tuple[Array, Array]:
    """-S / f, and C**2 h(-x) / x**2."""
    half = xp.cos(0.5 * z)
    C = 2.0 * half * half
    x = kappa * C
    small = x < 1e-3
    near, far = xp.where(small, x, 0.0), xp.where(small, 1.0, x)
    first = xp.where(small, 1.0 - near * (0.5 - near * (1.0 / 6.0 - near / 24.0)), -xp.expm1(-far) / far)
    series = 0.5 - near * (1.0 / 6.0 - near * (1.0 / 24.0 - near * (1.0 / 120.0 - near / 720.0)))
    second = xp.where(small, series, expm1mx(xp, -far) / (far * far))
    return C * first, C * C * second


def _total(xp: Namespace[Array], z: Array, skewness: Array) -> Array:
    """T, along the last axis"""
    return 1.0 + xp.sum(skewness * xp.sin(z), axis=-1, keepdims=True)


@along_last_axis
def dz_dskewness(xp: Namespace[Array], z: Array, kappa: Array, skewness: Array) -> Array:
    """dz / d lambda of the same angle, in [-pi, pi]; the last axis has all of them.  kappa may be 0."""
    return _terms(xp, z, kappa)[0] / _total(xp, z, skewness)


@along_last_axis
def dz_dkappa(xp: Namespace[Array], z: Array, kappa: Array, skewness: Array) -> Array:
    """dz / d kappa of the same angle."""
    first, second = _terms(xp, z, kappa)
    total = _total(xp, z, skewness)
    moved = (2.0 - deficit(xp, kappa)) * first - second
    return ((total - skewness * xp.sin(z)) * of_von_mises(xp, z, kappa) - skewness * moved) / total
