"""Special functions for PyTorch with derivatives in every argument, right to second order and beyond.

Names, order of arguments and values at the edges of the domain are those of `scipy.special`: a limit where there is
one, in derivatives too, and NaN outside.  Arguments are numbers or tensors, and broadcast; the result has
their common floating dtype.  Derivatives of an inverse are those at the result as it is rounded: next to x = 1, where
1 - x has few digits, they have no more.

:raises ValueError: from every function, for an argument that is no real number or tensor, and for shapes that do not
    broadcast; it names the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from irg_kernels.adapter.special_functions import SpecialFunctions
from irg_kernels.generic import by_region
from irg_kernels.generic.family import Function

from .attach import attach, call, in_transform, seen
from .distributions.base import parameters
from .distributions.native import GAMMAINC, GAMMAINCC, seen_value, whole, with_native

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


_NATIVE = {"gammainc": GAMMAINC, "gammaincc": GAMMAINCC}
_BY_REGION = {
    "gammainc": by_region.of_gamma_tail(1.0),
    "gammaincc": by_region.of_gamma_tail(-1.0),
    "betainc": by_region.of_beta_tail(1.0),
    "betaincc": by_region.of_beta_tail(-1.0),
}
_IN_X = {"gammainc": by_region.of_gamma_tail_in_x(1.0), "gammaincc": by_region.of_gamma_tail_in_x(-1.0)}


def _called(function: Function, name: str, **values: Any) -> Tensor:
    args, rule, ways, value = parameters(name, **values), None, _NATIVE.get(name), None
    moves = in_transform() or (torch.is_grad_enabled() and any(a.requires_grad for a in args))
    if ways is not None:
        if not (moves and args[0].requires_grad) and (found := whole(ways, *args)) is not None:
            return found
        value = seen_value(function, ways, *(a.detach() for a in args) if moves else args)
        if value is not None and not moves:
            return value
    # nor are there limits to compute; torch's ways look for themselves where they serve
    if function.inside is not None and (moves or ways is None) and _is_inside(function.inside, args):
        function = function.formula
        rules = _BY_REGION if any(a.requires_grad for a in args[:-1]) else _IN_X
        rule = rules.get(name)
    if value is not None:
        return attach(function.partials, value, *args, by_region=rule)
    return call(function if ways is None else with_native(function, ways), *args, by_region=rule)


def _is_inside(inside: Callable, args: tuple[Tensor, ...]) -> bool:
    """Whether all elements are seen to be."""
    if in_transform() or torch.jit.is_tracing() or torch.compiler.is_compiling() or args[0].device.type != "cpu":
        return False
    return bool(torch._is_all_true(seen(inside, *(a.detach() for a in args))))


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
