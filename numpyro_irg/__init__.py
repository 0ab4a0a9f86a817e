"""Reparameterized gradients that are right, for NumPyro."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

try:
    import jax as _jax  # noqa: F401
    import numpyro as _numpyro  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'numpyro_irg needs JAX and NumPyro ({error.name} is missing): pip install "pyro-irg[numpyro]"'
    ) from error

from irg_kernels import __version__

from . import distributions
from .distributions.divergences import kl_divergence
from .distributions.from_uniform import from_uniform
from .distributions.implicit_gradients import implicit_gradients
from .registry import implicit_twin, implicit_twin_of, implicit_twins, register, registered, unregister
from .reparam import AutoImplicit, ImplicitReparam, check_reparameterized, implicit

if TYPE_CHECKING:
    from . import special

__all__ = [
    "AutoImplicit",
    "ImplicitReparam",
    "__version__",
    "check_reparameterized",
    "distributions",
    "from_uniform",
    "implicit",
    "implicit_gradients",
    "implicit_twin",
    "implicit_twin_of",
    "implicit_twins",
    "kl_divergence",
    "register",
    "registered",
    "special",
    "unregister",
]


def __getattr__(name: str) -> _Any:
    """`infer`, `plot` and `special` when they are first asked for."""
    if name in ("infer", "plot", "special"):
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
