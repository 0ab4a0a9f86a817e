"""Special functions for JAX with derivatives in every argument, right to second order and beyond.

Names, order of arguments and values at the edges of the domain are those of `scipy.special`: a limit where there is
one, in derivatives too, and NaN outside. Arguments are numbers or arrays, and broadcast; the result has their common
floating dtype. Derivatives of an inverse are those at the result as it is rounded: next to x = 1, where 1 - x has few
digits, they have no more. In float32 values and logarithms are right to 3e-6; second derivatives at an x
whose square underflows, below 1e-19, may be NaN, and infinite forward mode's of an inverse at a density below 1e-13.

:raises ValueError: from every function, for an argument that is no real number or array, and for shapes that do not
    broadcast; it names the argument.
"""

from __future__ import annotations

from typing import Any

from jax import Array

from irg_kernels.generic import special, special_line
from irg_kernels.generic.family import Function

from .attach import call
from .distributions.base import parameters, together

__all__ = [
    "bessel_ratio",
    "betainc",
    "betaincc",
    "betainccinv",
    "betaincinv",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "log_betainc",
    "log_betaincc",
    "log_gammainc",
    "log_gammaincc",
    "log_i0",
    "log_ndtr_interval",
    "stdtr",
    "stdtrit",
    "von_mises_cdf",
    "von_mises_cdfinv",
]


def gammainc(a: Any, x: Any) -> Array:
    r"""The regularized lower incomplete gamma function :math:`P(a, x) = \int_0^x t^{a-1} e^{-t} dt / \Gamma(a)`.
    For a, x >= 0 (DLMF 8.2.4).
    """
    return _called(special.GAMMAINC, "gammainc", a=a, x=x)


def gammaincc(a: Any, x: Any) -> Array:
    """The regularized upper incomplete gamma function :math:`Q(a, x) = 1 - P(a, x)`.  For a, x >= 0 (DLMF
    8.2.4).
    """
    return _called(special.GAMMAINCC, "gammaincc", a=a, x=x)


def gammaincinv(a: Any, y: Any) -> Array:
    """The x with :math:`P(a, x) = y`.  For a >= 0, 0 <= y <= 1 (DLMF 8.12(v))."""
    return _called(special.GAMMAINCINV, "gammaincinv", a=a, y=y)


def gammainccinv(a: Any, y: Any) -> Array:
    """The x with :math:`Q(a, x) = y`.  For a >= 0, 0 <= y <= 1 (DLMF 8.12(v))."""
    return _called(special.GAMMAINCCINV, "gammainccinv", a=a, y=y)


def betainc(a: Any, b: Any, x: Any) -> Array:
    r"""The regularized incomplete beta function :math:`I_x(a, b) = \int_0^x t^{a-1} (1-t)^{b-1} dt / B(a, b)`.  For
    a, b >= 0, 0 <= x <= 1 (DLMF 8.17.2).
    """
    return _called(special.BETAINC, "betainc", a=a, b=b, x=x)


def betaincc(a: Any, b: Any, x: Any) -> Array:
    """Its complement :math:`1 - I_x(a, b)`.  For a, b >= 0, 0 <= x <= 1 (DLMF 8.17.4)."""
    return _called(special.BETAINCC, "betaincc", a=a, b=b, x=x)


def betaincinv(a: Any, b: Any, y: Any) -> Array:
    """The x with :math:`I_x(a, b) = y`.  For a, b > 0, 0 <= y <= 1 (DLMF 8.17.2)."""
    return _called(special.BETAINCINV, "betaincinv", a=a, b=b, y=y)


def betainccinv(a: Any, b: Any, y: Any) -> Array:
    """The x with :math:`1 - I_x(a, b) = y`.  For a, b > 0, 0 <= y <= 1 (DLMF 8.17.4)."""
    return _called(special.BETAINCCINV, "betainccinv", a=a, b=b, y=y)


def stdtr(df: Any, t: Any) -> Array:
    """The distribution function of Student's t with df degrees of freedom, at t.  For df > 0, infinity being the
    normal distribution (Abramowitz & Stegun 26.7.1).
    """
    return _called(special_line.STDTR, "stdtr", df=df, t=t)


def stdtrit(df: Any, p: Any) -> Array:
    r"""The t with :math:`\mathrm{stdtr}(df, t) = p`.  For df > 0, 0 <= p <= 1; -inf at p = 0, where SciPy 1.17 has
    +inf (Abramowitz & Stegun 26.7.1).
    """
    return _called(special_line.STDTRIT, "stdtrit", df=df, p=p)


def von_mises_cdf(kappa: Any, x: Any) -> Array:
    r"""The distribution function of a von Mises angle about 0, on :math:`[-\pi, \pi]`: 0 below and 1 above.  For
    kappa >= 0 (DLMF 10.35.2, integrated).
    """
    return _called(special_line.VON_MISES_CDF, "von_mises_cdf", kappa=kappa, x=x)


def von_mises_cdfinv(kappa: Any, p: Any) -> Array:
    r"""The angle x in :math:`[-\pi, \pi]` with :math:`\mathrm{von\_mises\_cdf}(kappa, x) = p`.  For kappa >= 0, 0
    <= p <= 1 (DLMF 10.35.2).
    """
    return _called(special_line.VON_MISES_CDFINV, "von_mises_cdfinv", kappa=kappa, p=p)


def log_gammainc(a: Any, x: Any) -> Array:
    """The logarithm of :math:`P(a, x)`, as far out as it is finite.  For a, x >= 0 (DLMF 8.2.4)."""
    return _called(special.LOG_GAMMAINC, "log_gammainc", a=a, x=x)


def log_gammaincc(a: Any, x: Any) -> Array:
    """The logarithm of :math:`Q(a, x)`, as far out as it is finite.  For a, x >= 0 (DLMF 8.2.4)."""
    return _called(special.LOG_GAMMAINCC, "log_gammaincc", a=a, x=x)


def log_betainc(a: Any, b: Any, x: Any) -> Array:
    """The logarithm of :math:`I_x(a, b)`, as far out as it is finite.  For a, b >= 0, 0 <= x <= 1 (DLMF
    8.17.2).
    """
    return _called(special.LOG_BETAINC, "log_betainc", a=a, b=b, x=x)


def log_betaincc(a: Any, b: Any, x: Any) -> Array:
    """The logarithm of :math:`1 - I_x(a, b)`, as far out as it is finite.  For a, b >= 0, 0 <= x <= 1 (DLMF
    8.17.4).
    """
    return _called(special.LOG_BETAINCC, "log_betaincc", a=a, b=b, x=x)


def log_ndtr_interval(low: Any, high: Any) -> Array:
    r"""The logarithm of :math:`\Phi(high) - \Phi(low)`, in narrow intervals and far tails.  For low <= high, either
    may be infinite (DLMF 7.2(i)).
    """
    return _called(special_line.LOG_NDTR_INTERVAL, "log_ndtr_interval", low=low, high=high)


def log_i0(x: Any) -> Array:
    """The logarithm of the modified Bessel function :math:`I_0(x)`.  For all real x (DLMF 10.32.1)."""
    return _called(special_line.LOG_I0, "log_i0", x=x)


def bessel_ratio(x: Any) -> Array:
    """The Bessel ratio :math:`I_1(x) / I_0(x)`, the mean cosine of a von Mises angle, odd in x.  For all real x
    (DLMF 10.29.2).
    """
    return _called(special_line.BESSEL_RATIO, "bessel_ratio", x=x)


def _called(function: Function, name: str, **values: Any) -> Array:
    return call(function, *together(*parameters(name, **values)))
