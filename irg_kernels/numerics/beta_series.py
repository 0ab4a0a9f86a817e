"""Beta(a, b) in the logit x, next to 1 and with a small b: the derivative of x in a at fixed quantile, as a series;
symbols as in `families/beta`.

There the density of x has a plateau of length log(z / w), too long for a rule of few nodes, and from the upper tail
the derivative is a small difference.  By DLMF 8.17.7 that tail is

    I_w(b, a) = w**b (1 + b S) / (b B(a, b)),    S = sum_{n > 0} t_n / (b + n),    t_n = (1 - a)_n w**n / n!,

so that with T = (psi(a + b) - psi(a)) / b, the largest term, dx/da = (T (1 + b S) + dS/da) / z**a.  Of a large a, T is
close to 1 / a; from it the distance is formed, by (1 - z**a) / a = sum_{n > 0} t_{n-1} w / n.
"""

from __future__ import annotations

from typing import Any

from ..namespace import Array, Namespace
from .elementary import digamma_terms, log1pmx_near_0
from .quadrature import is_double

SMALL, NEXT = 0.05, 0.1
# the first term left out is 1e-7 or 2e-14 of the sum, up to a = 100
TERMS_F32, TERMS_F64 = 5, 11


def level_slope(xp: Namespace[Array], w: Array, log_z: Array, a: Array, b: Array, tail: Array) -> tuple[Array, Array]:
    """(where the series serves, dx/da - 1 / a); `tail` is that of `beta_score.score_parts`."""
    served = (w * (a + 1.0) < NEXT) & (b < SMALL)
    w, log_z, b = xp.where(served, w, 0.0), xp.where(served, log_z, 0.0), xp.where(served, b, SMALL)
    t: Any = 1.0
    t_by_a: Any = 0.0
    s: Any = 0.0
    beside: Any = 0.0  # dS/da + (1 - z**a) / a
    for k in range(1, (TERMS_F64 if is_double(xp, w) else TERMS_F32) + 1):
        n = float(k)
        step, factor, weight = w / n, (n - a) * (w / n), 1.0 / (b + n)
        beside = beside + weight * (t * step * (b + (n - 1.0)) + factor * t_by_a)
        t_by_a, t = factor * t_by_a - step * t, factor * t
        s = s + weight * t
    shift = float(digamma_terms(xp, a)[0])
    of_small, r = 1.0 / (a * (a + b)), 1.0 / (a + shift)
    _, remainder = log1pmx_near_0(xp, b * r)  # always near
    level = tail + (of_small - shift / a * r) + remainder / b
    return served, (level + (level + 1.0 / a) * b * s + beside) * xp.exp(-a * log_z)
