"""Special functions for PyTorch with derivatives in every argument, right to second order and beyond.

Names, order of arguments and values at the edges of the domain are those of `scipy.special`: a limit where there is
one, in derivatives too, and NaN outside.  Arguments are numbers or tensors, and broadcast; the result has
their common floating dtype.  Derivatives of an inverse are those at the result as it is rounded: next to x = 1, where
1 - x has few digits, they have no more.

:raises ValueError: from every function, for an argument that is no real number or tensor, and for shapes that do not
    broadcast; it names the argument.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from irg_kernels.adapter.special_functions import SpecialFunctions
from irg_kernels.generic import special
from irg_kernels.generic.family import Function

from .attach import call
from .distributions.base import parameters
from .distributions.native import GAMMAINC, GAMMAINCC, with_native

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


_NATIVE = {
    "gammainc": with_native(special.GAMMAINC, GAMMAINC),
    "gammaincc": with_native(special.GAMMAINCC, GAMMAINCC),
}


def _called(function: Function, name: str, **values: Any) -> Tensor:
    return call(_NATIVE.get(name, function), *parameters(name, **values))


_functions = SpecialFunctions(_called)
gammainc = _functions.gammainc
gammaincc = _functions.gammaincc
gammaincinv = _functions.gammaincinv
gammainccinv = _functions.gammainccinv
betainc = _functions.betainc
betaincc = _functions.betaincc
betaincinv = _functions.betaincinv
betainccinv = _functions.betainccinv
stdtr = _functions.stdtr
stdtrit = _functions.stdtrit
von_mises_cdf = _functions.von_mises_cdf
von_mises_cdfinv = _functions.von_mises_cdfinv
log_gammainc = _functions.log_gammainc
log_gammaincc = _functions.log_gammaincc
log_betainc = _functions.log_betainc
log_betaincc = _functions.log_betaincc
log_ndtr_interval = _functions.log_ndtr_interval
log_i0 = _functions.log_i0
bessel_ratio = _functions.bessel_ratio
