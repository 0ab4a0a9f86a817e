"""The backends of the kernels' tests: each evaluates a function of (xp, *arrays) on columns of NumPy float64."""

import functools
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import numpyro_irg.xp
import pyro_irg.xp
import pyro_irg.xp64
import pyro_irg.xp_numpy
import pyro_irg.xp_numpy64


@dataclass(frozen=True)
class Backend:
    """A namespace at a precision; results come back as float64."""

    name: str
    precision: str
    xp: ModuleType
    jit: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def eps(self) -> float:
        return float(np.finfo(self.precision).eps)

    @property
    def tiny(self) -> float:
        return float(np.finfo(self.precision).tiny)

    def array(self, column):
        """A column as the backend's array; inside `session` only."""
        if self.xp is numpyro_irg.xp:
            return jnp.asarray(column, dtype=self.precision)
        array = torch.as_tensor(np.asarray(column, dtype=np.float64)).to(getattr(torch, self.precision))
        # float32 numbers in float64, as pyro_irg.attach.evaluate hands them to the kernels
        return array.double() if self.xp is pyro_irg.xp64 else array

    @contextmanager
    def session(self):
        """JAX at the backend's precision, strict about dtypes and ranks."""
        with ExitStack() as stack:
            if self.xp is numpyro_irg.xp:
                stack.enter_context(jax.enable_x64(self.precision == "float64"))
                stack.enter_context(jax.numpy_dtype_promotion("strict"))
                stack.enter_context(jax.numpy_rank_promotion("raise"))
            yield

    def values(self, function: Callable, *columns) -> Any:
        """function(xp, *columns), an array or a tuple of them, from one compilation in JAX."""
        with self.session():
            return self._numpy(self._traced(lambda *args: function(self.xp, *args))(*map(self.array, columns)))

    def dtype_of(self, function: Callable, *columns) -> str:
        """Of function(xp, *columns), the name of the array's dtype; nothing is compiled."""
        with self.session():
            arrays = list(map(self.array, columns))
            evaluate = functools.partial(function, self.xp)
            found = jax.eval_shape(evaluate, *arrays) if self.xp is numpyro_irg.xp else evaluate(*arrays)
            return str(found.dtype).removeprefix("torch.")

    def slopes(self, function: Callable, *columns) -> np.ndarray:
        """The derivative of function, elementwise, by each column in turn: a leading axis more."""
        return self.values_and_slopes(function, *columns)[1]

    def values_and_slopes(self, function: Callable, *columns) -> tuple[np.ndarray, np.ndarray]:
        """Both, from one compilation in JAX."""
        with self.session():
            arrays = [self.array(column) for column in columns]
            if self.xp is numpyro_irg.xp:

                def both(*args):
                    values, pull_back = jax.vjp(lambda *args: function(self.xp, *args), *args)
                    return values, pull_back(jnp.ones_like(values))

                values, slopes = self._traced(both)(*arrays)
            else:
                arrays = [array.requires_grad_() for array in arrays]
                values = function(self.xp, *arrays)
                slopes = torch.autograd.grad(values.sum(), arrays, allow_unused=True, materialize_grads=True)
            return self._numpy(values), np.stack([self._numpy(slope) for slope in slopes])

    def _traced(self, function: Callable) -> Callable:
        return jax.jit(function) if self.jit else function

    def _numpy(self, array) -> Any:
        if isinstance(array, tuple):
            return tuple(map(self._numpy, array))
        if isinstance(array, torch.Tensor):
            return array.detach().to(getattr(torch, self.precision)).double().numpy()
        return np.asarray(array, dtype=self.precision).astype(np.float64)


class OfValues(Backend):
    """NumPy's, which has values alone; slopes are those of the torch namespace that it stands in for."""

    def array(self, column):
        return np.asarray(column, dtype=self.precision).astype(np.float64)

    def values(self, function: Callable, *columns) -> Any:
        with np.errstate(all="ignore"):
            return self._numpy(function(self.xp, *map(self.array, columns)))

    def values_and_slopes(self, function: Callable, *columns) -> tuple[np.ndarray, np.ndarray]:
        torch_xp = pyro_irg.xp64 if self.xp is pyro_irg.xp_numpy64 else pyro_irg.xp
        return Backend(self.name, self.precision, torch_xp).values_and_slopes(function, *columns)


BACKENDS = (
    Backend("torch-float64", "float64", pyro_irg.xp),
    Backend("torch-float32", "float32", pyro_irg.xp),
    Backend("torch-float64", "float32", pyro_irg.xp64),
    Backend("jax-float32", "float32", numpyro_irg.xp),
    Backend("jax-float32-jit", "float32", numpyro_irg.xp, jit=True),
    Backend("jax-float64-jit", "float64", numpyro_irg.xp, jit=True),
)
NUMPY = (
    OfValues("numpy-float64", "float64", pyro_irg.xp_numpy),
    OfValues("numpy-float64", "float32", pyro_irg.xp_numpy64),
)
# JAX takes a second or more to compile a kernel, longer still by single operations, without jit: what does not need all
# three of its backends is tested with two, or with float32 alone.
QUICK = tuple(backend for backend in BACKENDS if backend.name != "jax-float32")
QUICKEST = tuple(backend for backend in QUICK if backend.name != "jax-float64-jit")
