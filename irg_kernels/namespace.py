"""The seam between the mathematics and the two array libraries.

A kernel is a pure function whose first argument `xp` satisfies `Namespace`; each adapter's `xp.py` *module* does.
Arrays are whatever the adapter's library uses; Python scalars mix with them and follow their dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Array = Any


class Finfo(Protocol):
    """Limits of a floating-point type: `eps` (spacing at 1), `tiny` (least normal), `max`."""

    eps: float
    tiny: float
    max: float


class Namespace(Protocol):
    """The array functions a kernel may call.  Elementwise and broadcasting unless said otherwise."""

    has_guard_digits: bool
    """Whether arrays carry about twice the digits that `finfo` announces, so that cancellation does no harm."""

    # elementary functions
    def exp(self, x: Array, /) -> Array: ...
    def expm1(self, x: Array, /) -> Array: ...
    def log(self, x: Array, /) -> Array: ...
    def log1p(self, x: Array, /) -> Array: ...
    def sqrt(self, x: Array, /) -> Array: ...
    def sin(self, x: Array, /) -> Array: ...
    def cos(self, x: Array, /) -> Array: ...
    def arcsin(self, x: Array, /) -> Array: ...
    def arctan2(self, y: Array, x: Array, /) -> Array: ...
    def abs(self, x: Array, /) -> Array: ...
    def copysign(self, x: Array, y: Array, /) -> Array: ...
    def sigmoid(self, x: Array, /) -> Array: ...
    def softplus(self, x: Array, /) -> Array: ...

    # special functions that both libraries have natively
    def digamma(self, x: Array, /) -> Array: ...
    def i0e(self, x: Array, /) -> Array: ...
    def i1e(self, x: Array, /) -> Array: ...
    def erf(self, x: Array, /) -> Array: ...
    def log_ndtr(self, x: Array, /) -> Array: ...

    # choice; `where`, `minimum` and `maximum` accept Python scalars in any of the value places but one
    def where(self, condition: Array, x: Array, y: Array, /) -> Array: ...
    def minimum(self, x: Array, y: Array, /) -> Array: ...
    def maximum(self, x: Array, y: Array, /) -> Array: ...

    def blend(self, x: Array, y: Array, weight: Array, /) -> Array:
        """`x` where `weight` is 0 and `y` where it is 1; both must be finite.  (Cheaper in torch than `where`.)"""

    # everything else
    def addcmul(self, x: Array, y: Array, z: Array, /, scale: float = 1.0) -> Array:
        """`x + scale * y * z`."""

    def indicator(self, condition: Array, /, *, like: Array) -> Array:
        """1 where the condition holds and 0 elsewhere, in the dtype of `like`."""

    def sum(self, x: Array, /, *, axis: int, keepdims: bool = False) -> Array:
        """Sum over one axis."""

    def max(self, x: Array, /, *, axis: int, keepdims: bool = False) -> Array:
        """Largest element along one axis."""

    def stop_gradient(self, x: Array, /) -> Array:
        """`x` with its derivative taken as zero: for quantities that steer accuracy but not the value."""

    def finfo(self, like: Array, /) -> Finfo:
        """Limits of the dtype of `like`."""

    def constant(self, values: Sequence[float], /, *, like: Array) -> Array:
        """A vector of coefficients with the dtype and device of `like`."""

    def integrate(
        self, integrand: Callable[[Array], Array], nodes: Sequence[float], /, *weights: Sequence[float], like: Array
    ) -> tuple[Array, ...]:
        """`sum_i w[i] * integrand(nodes[i])` for each `w` in `weights`; `integrand` returns an array shaped as `like`.

        The integrand must be elementwise: it may be called with one node as a scalar array, or with several along
        a new leading axis."""

    def converge(
        self, step: Callable[[tuple], tuple], init: tuple, done: Callable[[tuple], Array], most: int, /
    ) -> tuple:
        """`step` from `init` on until all of `done(state)` is true, `most` times at the most; values only."""
