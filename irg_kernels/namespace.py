"""The seam between the mathematics and the two array libraries.

A kernel is a pure function `f(xp, x, ...)`; `xp` satisfies `Namespace`, as each adapter's `xp.py` *module* does.  The
contract of a kernel:

- Arrays are whatever the adapter's library uses.  They are floating-point, of one dtype and on one device, and
  broadcast by NumPy's rules; a kernel of several arguments takes them of one shape unless it says otherwise.  Results
  have that dtype.  Python scalars mix with arrays and follow their dtype.
- Every function of the seam is elementwise, broadcasts, and has its derivatives of every order, unless said otherwise;
  arguments outside a function's domain give NaN or an infinity, never an error.
- Never allowed in a kernel: a dtype or a device of its own, `asarray` of an input, a shape or a Python branch that
  depends on the values of an array, writing into an array, autodiff of its own, the derivative of a loop that runs to
  convergence, random numbers, and an unsafe argument in the branch of a `where` that is not taken: it is replaced
  before the formula, for the derivative of that branch is 0 times infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, Self, TypeVar


class ArrayLike(Protocol):
    """What a kernel may do with an array by itself.  Operators take arrays and Python scalars."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    def reshape(self, shape: tuple[int, ...], /) -> Self: ...
    def __getitem__(self, key: Any, /) -> Self: ...
    def __iter__(self) -> Iterator[Self]: ...

    def __neg__(self) -> Self: ...
    def __add__(self, other: Any, /) -> Self: ...
    def __radd__(self, other: Any, /) -> Self: ...
    def __sub__(self, other: Any, /) -> Self: ...
    def __rsub__(self, other: Any, /) -> Self: ...
    def __mul__(self, other: Any, /) -> Self: ...
    def __rmul__(self, other: Any, /) -> Self: ...
    def __truediv__(self, other: Any, /) -> Self: ...
    def __rtruediv__(self, other: Any, /) -> Self: ...
    def __pow__(self, other: Any, /) -> Self: ...

    # arrays of truth values
    def __lt__(self, other: Any, /) -> Self: ...
    def __le__(self, other: Any, /) -> Self: ...
    def __gt__(self, other: Any, /) -> Self: ...
    def __ge__(self, other: Any, /) -> Self: ...
    def __and__(self, other: Any, /) -> Self: ...
    def __or__(self, other: Any, /) -> Self: ...
    def __invert__(self) -> Self: ...


Array = TypeVar("Array", bound=ArrayLike)
"""The array of one library: a kernel returns the type that it is given."""


class Finfo(Protocol):
    """Limits of a floating-point type: `eps` (spacing at 1), `tiny` (least normal), `max`."""

    eps: float
    tiny: float
    max: float


class Namespace(Protocol[Array]):
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
    def arcsinh(self, x: Array, /) -> Array: ...

    def frexp(self, x: Array, /) -> tuple[Array, Array]:
        """(m, n) with x = m 2**n, m in [0.5, 1), both in the dtype of x, a positive normal number; values only."""

    def arctan2(self, y: Array, x: Array, /) -> Array: ...
    def abs(self, x: Array, /) -> Array: ...
    def copysign(self, x: Array, y: Array, /) -> Array: ...

    def round(self, x: Array, /) -> Array:
        """The nearest whole number, the even one of two; its derivative is 0."""

    def sigmoid(self, x: Array, /) -> Array: ...
    def softplus(self, x: Array, /) -> Array: ...

    # special functions; `log_ndtr` is log Phi(x), the normal's, exact in the far tail, and `ndtri` the inverse of Phi
    # for 0 < q <= 1/2, values only
    def digamma(self, x: Array, /) -> Array: ...
    def lgamma(self, x: Array, /) -> Array: ...
    def i0e(self, x: Array, /) -> Array: ...
    def i1e(self, x: Array, /) -> Array: ...
    def erf(self, x: Array, /) -> Array: ...
    def erfc(self, x: Array, /) -> Array: ...
    def log_ndtr(self, x: Array, /) -> Array: ...
    def ndtri(self, q: Array, /) -> Array: ...

    # choice; one of x and y may be a Python scalar
    def where(self, condition: Array, x: Array | float, y: Array | float, /) -> Array: ...
    def minimum(self, x: Array | float, y: Array | float, /) -> Array: ...
    def maximum(self, x: Array | float, y: Array | float, /) -> Array: ...

    def clip(self, x: Array, low: float, high: float, /) -> Array:
        """`x` held between two numbers, without derivative beyond them; at them with that of `x`."""

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

    def sort(self, x: Array, /) -> Array:
        """Ascending along the first axis."""

    def log_softmax(self, x: Array, /) -> Array:
        """`x` less the logarithm of the sum of its exponentials, along the last axis, of one element at least."""

    def stack(self, arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
        """Arrays of one shape, along a new axis."""

    def concatenate(self, arrays: Sequence[Array], /) -> Array:
        """Arrays one after the other along their first axis."""

    def matmul(self, x: Array, y: Array, /) -> Array:
        """Products of matrices, the last two axes; both arrays have two axes at least, and the others broadcast."""

    def bivariate(self, coefficients: tuple[tuple[float, ...], ...], x: Array, y: Array, /) -> Array:
        """sum_jk coefficients[j][k] x**j y**k."""

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
        self,
        step: Callable[..., tuple],
        init: tuple,
        done: Callable[[tuple], Array],
        max_steps: int,
        /,
        *constants: Array,
    ) -> tuple:
        """`step(state, *constants)` from `init` on until all of `done(state)` is true, at most `max_steps` times; only
        values.  With constants, all of one shape with the state's, an element that is done may be left as it is."""


Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def along_last_axis(kernel: Kernel) -> Kernel:
    """Marks a kernel of vectors; every other one is elementwise, and its arrays may be given another shape."""
    kernel.along_last_axis = True  # type: ignore[attr-defined]
    return kernel


def reads_last_axis(kernel: Callable) -> bool:
    return getattr(kernel, "along_last_axis", False)
