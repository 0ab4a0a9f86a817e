"""Von Mises with concentration kappa, centred at 0: the derivative of the angle z in kappa at fixed quantile.

    symbol     meaning
    kappa, z   concentration; the draw in [-pi, pi], measured from the location
    v(t)       sin(t/2)**2 = (1 - cos t)/2
    deficit    1 - I1(kappa)/I0(kappa), the mean of 2 v

With the score cos t - I1/I0 = deficit - 2 v(t), the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6) is

    dz/dkappa = int_z^end (deficit - 2 v(t)) exp(-2 kappa (v(t) - v(z))) dt,

inwards (end = 0, odd symmetry) where the score at z is positive and outwards (end = +-pi, or where the exponent has
fallen far enough) where it is negative.  One formula serves every kappa, from the limit -sin z at 0 to -z / (2 kappa).
"""

from __future__ import annotations

import math
from functools import cache

from .elementary import horner
from .namespace import Array, Namespace
from .quadrature import depth, is_double, tail_integral

# worst error: 7e-7 and 3e-15
SINGLE, DOUBLE = 10, 22


def dz_dkappa(xp: Namespace, z: Array, kappa: Array) -> Array:
    """dz / dkappa at fixed quantile, z in [-pi, pi]."""
    missing = deficit(xp, kappa)
    half = xp.sin(0.5 * z)
    v_z = half * half
    inward = 2.0 * v_z < missing
    size = xp.abs(z)
    v_end = v_z + depth(xp, z) / xp.maximum(2.0 * kappa, float(xp.finfo(z).tiny))
    v_end = xp.stop_gradient(v_end)
    # math.pi is rounded twice, to a double and to the dtype: near pi the remainder is most of the interval
    remainder = 1.2246467991473532e-16 if is_double(xp, z) or xp.spare_precision else -8.742277657347586e-08
    # (the first maximum changes nothing, but XLA would add the two constants up and lose the remainder)
    to_pi = xp.maximum(xp.maximum(math.pi - size, -1.0) + remainder, 0.0)
    to_cut = 2.0 * xp.arcsin(xp.sqrt(xp.minimum(v_end, 1.0))) - size
    span = xp.where(inward, -size, xp.where(v_end < 1.0, to_cut, to_pi))
    span = xp.where(z < 0.0, -span, span)

    def integrand(step: Array) -> Array:
        rise = xp.sin(z + 0.5 * step) * xp.sin(0.5 * step)  # v(t) - v(z)
        return (missing - 2.0 * (v_z + rise)) * xp.exp(-2.0 * kappa * rise)

    return tail_integral(xp, integrand, span, single=SINGLE, double=DOUBLE)


def deficit(xp: Namespace, kappa: Array) -> Array:
    """1 - I1(kappa)/I0(kappa), kappa >= 0, to full relative accuracy.

    Below `start` the midpoint rule for the integrals of DLMF 10.32.1, exponentially accurate on a period; above, the
    asymptotic series.  The native i0e and i1e would lose a factor 2 kappa to cancellation.
    """
    start, points, terms = (48.0, 32, 14) if is_double(xp, kappa) else (16.0, 14, 8)
    rises = tuple(2.0 * math.sin(0.5 * math.pi * (j + 0.5) / points) ** 2 for j in range(points))
    small = xp.minimum(kappa, start)

    mean, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, rises, (1.0,) * points, like=small)
    r = 1.0 / xp.maximum(kappa, start)
    return xp.where(kappa < start, mean / mass, r * horner(r, _asymptotic(terms)))


@cache
def _asymptotic(terms: int) -> tuple[float, ...]:
    """e_k of deficit ~ sum_{k >= 1} e_k / kappa**k, from the Riccati equation of I1/I0 (DLMF 10.29.2)."""
    e = [0.5]
    for k in range(2, terms + 1):
        e.append(0.5 * ((k - 2) * e[-1] + sum(e[i] * e[k - 2 - i] for i in range(k - 1))))
    return tuple(e)
