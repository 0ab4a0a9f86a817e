"""The special functions that both adapters have, with their signatures and what they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..generic import special, special_line

A = TypeVar("A")

RESULT_AND_ERRORS = """\
:returns: of the shape to which the arguments broadcast; NaN outside the domain.
:raises ValueError: for an argument that is no real number or array, and for shapes that do not broadcast."""


class SpecialFunctions(Generic[A]):
    """Each method is a function of an adapter's module `special`.

    :param called: (the kernel's `Function`, the name for errors, arguments by name) -> the result.
    """

    def __init__(self, called: Callable[..., A]) -> None:
        self._called = called

    def gammainc(self, a: Any, x: Any) -> A:
        r"""The regularized lower incomplete gamma function :math:`P(a, x) = \int_0^x t^{a-1} e^{-t} dt / \Gamma(a)`.
        For a, x >= 0 (DLMF 8.2.4).
        """
        return self._called(special.GAMMAINC, "gammainc", a=a, x=x)

    def gammaincc(self, a: Any, x: Any) -> A:
        """The regularized upper incomplete gamma function :math:`Q(a, x) = 1 - P(a, x)`.  For a, x >= 0 (DLMF
        8.2.4).
        """
        return self._called(special.GAMMAINCC, "gammaincc", a=a, x=x)

    def gammaincinv(self, a: Any, y: Any) -> A:
        """The x with :math:`P(a, x) = y`.  For a >= 0, 0 <= y <= 1 (DLMF 8.12(v))."""
        return self._called(special.GAMMAINCINV, "gammaincinv", a=a, y=y)

    def gammainccinv(self, a: Any, y: Any) -> A:
        """The x with :math:`Q(a, x) = y`.  For a >= 0, 0 <= y <= 1 (DLMF 8.12(v))."""
        return self._called(special.GAMMAINCCINV, "gammainccinv", a=a, y=y)

    def betainc(self, a: Any, b: Any, x: Any) -> A:
        r"""The regularized incomplete beta function :math:`I_x(a, b) = \int_0^x t^{a-1} (1-t)^{b-1} dt / B(a, b)`.  For
        a, b >= 0, 0 <= x <= 1 (DLMF 8.17.2).
        """
        return self._called(special.BETAINC, "betainc", a=a, b=b, x=x)

    def betaincc(self, a: Any, b: Any, x: Any) -> A:
        """The complement :math:`1 - I_x(a, b)` of the regularized incomplete beta function.  For a, b >= 0, 0 <= x <= 1
        (DLMF 8.17.4).
        """
        return self._called(special.BETAINCC, "betaincc", a=a, b=b, x=x)

    def betaincinv(self, a: Any, b: Any, y: Any) -> A:
        """The x with :math:`I_x(a, b) = y`.  For a, b > 0, 0 <= y <= 1 (DLMF 8.17.2)."""
        return self._called(special.BETAINCINV, "betaincinv", a=a, b=b, y=y)

    def betainccinv(self, a: Any, b: Any, y: Any) -> A:
        """The x with :math:`1 - I_x(a, b) = y`.  For a, b > 0, 0 <= y <= 1 (DLMF 8.17.4)."""
        return self._called(special.BETAINCCINV, "betainccinv", a=a, b=b, y=y)

    def stdtr(self, df: Any, t: Any) -> A:
        """The distribution function of Student's t with df degrees of freedom, at t.  For df > 0, infinity being the
        normal distribution (Abramowitz & Stegun 26.7.1).
        """
        return self._called(special_line.STDTR, "stdtr", df=df, t=t)

    def stdtrit(self, df: Any, p: Any) -> A:
        r"""The t with ``stdtr(df, t) = p``.  For df > 0, 0 <= p <= 1; -inf at p = 0, where SciPy 1.17 has
        +inf (Abramowitz & Stegun 26.7.1).
        """
        return self._called(special_line.STDTRIT, "stdtrit", df=df, p=p)

    def von_mises_cdf(self, kappa: Any, x: Any) -> A:
        r"""The distribution function of a von Mises angle about 0, on :math:`[-\pi, \pi]`: 0 below and 1 above.  For
        kappa >= 0 (DLMF 10.35.2, integrated).
        """
        return self._called(special_line.VON_MISES_CDF, "von_mises_cdf", kappa=kappa, x=x)

    def von_mises_cdfinv(self, kappa: Any, p: Any) -> A:
        r"""The angle x in :math:`[-\pi, \pi]` with ``von_mises_cdf(kappa, x) = p``.  For kappa >= 0, 0
        <= p <= 1 (DLMF 10.35.2).
        """
        return self._called(special_line.VON_MISES_CDFINV, "von_mises_cdfinv", kappa=kappa, p=p)

    def log_gammainc(self, a: Any, x: Any) -> A:
        """The logarithm of :math:`P(a, x)`, as far out as it is finite.  For a, x >= 0 (DLMF 8.2.4)."""
        return self._called(special.LOG_GAMMAINC, "log_gammainc", a=a, x=x)

    def log_gammaincc(self, a: Any, x: Any) -> A:
        """The logarithm of :math:`Q(a, x)`, as far out as it is finite.  For a, x >= 0 (DLMF 8.2.4)."""
        return self._called(special.LOG_GAMMAINCC, "log_gammaincc", a=a, x=x)

    def log_betainc(self, a: Any, b: Any, x: Any) -> A:
        """The logarithm of :math:`I_x(a, b)`, as far out as it is finite.  For a, b >= 0, 0 <= x <= 1 (DLMF
        8.17.2).
        """
        return self._called(special.LOG_BETAINC, "log_betainc", a=a, b=b, x=x)

    def log_betaincc(self, a: Any, b: Any, x: Any) -> A:
        """The logarithm of :math:`1 - I_x(a, b)`, as far out as it is finite.  For a, b >= 0, 0 <= x <= 1 (DLMF
        8.17.4).
        """
        return self._called(special.LOG_BETAINCC, "log_betaincc", a=a, b=b, x=x)

    def log_ndtr_interval(self, low: Any, high: Any) -> A:
        r"""The logarithm of :math:`\Phi(high) - \Phi(low)`, in narrow intervals and far tails.  For low <= high, either
        may be infinite (DLMF 7.2(i)).
        """
        return self._called(special_line.LOG_NDTR_INTERVAL, "log_ndtr_interval", low=low, high=high)

    def log_i0(self, x: Any) -> A:
        """The logarithm of the modified Bessel function :math:`I_0(x)`.  For all real x (DLMF 10.32.1)."""
        return self._called(special_line.LOG_I0, "log_i0", x=x)

    def bessel_ratio(self, x: Any) -> A:
        """The Bessel ratio :math:`I_1(x) / I_0(x)`, the mean cosine of a von Mises angle, odd in x.  For all real x
        (DLMF 10.29.2).
        """
        return self._called(special_line.BESSEL_RATIO, "bessel_ratio", x=x)


def _with_errors(functions: type[SpecialFunctions]) -> None:
    """Says in each function's docstring what it returns and refuses, which is the same for all of them."""
    for name, function in vars(functions).items():
        if not name.startswith("_") and function.__doc__:  # there is none under `python -OO`
            function.__doc__ = inspect.cleandoc(function.__doc__) + "\n\n" + RESULT_AND_ERRORS


_with_errors(SpecialFunctions)
