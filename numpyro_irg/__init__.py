"""Reparameterized gradients that are right, for NumPyro."""

try:
    import jax as _jax  # noqa: F401
    import numpyro as _numpyro  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'numpyro_irg needs JAX and NumPyro ({error.name} is missing): pip install "pyro-irg[numpyro]"'
    ) from error

from . import distributions
from .gradients import implicit_gradients

__all__ = ["distributions", "implicit_gradients"]
