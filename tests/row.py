"""What a row of the table of families holds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.checks import Params

# f(xp, x) with xp torch or jax.numpy: the functions whose expectations `Family.expectations` gives
FUNCTIONS: dict[str, Callable] = {
    "x": lambda xp, x: x,
    "x**2": lambda xp, x: x * x,
    "1/x": lambda xp, x: 1.0 / x,
    "exp x": lambda xp, x: xp.exp(x),
    "log x": lambda xp, x: xp.log(x),
    "log1p -x": lambda xp, x: xp.log1p(-x),
    "cos x": lambda xp, x: xp.cos(x),
    "sin x": lambda xp, x: xp.sin(x),
    "cos 2x": lambda xp, x: xp.cos(2.0 * x),
    "log |x|": lambda xp, x: xp.log(xp.abs(x)),
    "log x[0]": lambda xp, x: xp.log(x[..., 0]),
    "x[0] x[1]": lambda xp, x: x[..., 0] * x[..., 1],
}


@dataclass(frozen=True, eq=False, repr=False)
class Family:
    """A class with the points at which it is tested."""

    name: str
    """its class in the adapters"""
    points: tuple[Params, ...] = ()
    """moderate parameters, where every expectation below and its gradient's variance exist"""
    outside: tuple = ()
    """values outside the support"""
    ends: tuple[float, float] = (0.0, math.inf)
    """of the support"""
    scipy: Callable | None = None
    """params -> SciPy's distribution, for entropy, mean and variance"""
    entropies: tuple[Params, ...] = ()
    """parameters, from tiny to large, for the entropy alone"""
    cdf: Callable | None = None
    """x, params -> P(X <= x), measured from the location of a VonMises; a Dirichlet has `marginal` instead"""
    ppf: Callable | None = None
    """quantile, params -> x, to full precision"""
    hard: tuple[Params, ...] = ()
    """parameters for the sampler alone"""
    expectations: Mapping[str, Callable] = field(default_factory=dict)
    """key of FUNCTIONS, exact E[f] as an mpmath function of the parameters"""
    small: tuple[str, Callable, Params] | None = None
    """key of FUNCTIONS, its exact expectation, and parameters so small that most draws leave the range of float32"""
    tails: tuple[Params, tuple[float, ...]] | None = None
    """parameters, and values that float32 holds from the centre out to where the masses underflow it"""
    apart: str = ""
    """the file of its own tests, if those of the table do not hold for it"""
    hosts: bool = False
    """the host's class, which the adapters leave as it is; the kernels have its record"""
    made: bool = False
    """of other distributions, or of matrices, or by a size, which its constructor takes"""
    masses: Callable | None = None
    """x, parameters -> (P(X <= x), P(X > x)) by mpmath; of a row in `rows/`, whose oracles stand with it"""
    log_density: Callable | None = None
    """x, parameters -> log p(x) by mpmath, likewise"""
    ranges: Mapping[str, Callable] = field(default_factory=dict)
    """parameter -> (rng, count) -> values, where 1e-6 to 1e8 is too much for the log-density"""
    divergence: tuple[Callable, tuple] | None = None
    """Kullback and Leibler's by mpmath, of both's parameters; pairs of them: far apart, close, closer than float32's
    digits, extreme"""
    truncations: tuple[tuple, ...] = ()
    """(parameters, low, high, *draws): bounds between which it is truncated; parameters named as bounds are have other
    names here, and the order of the class; its record has the shape by which no digits cancel"""
    clamped: tuple[str, ...] = ()
    """"low", "high": the ends of the range of its dtype to which draws are clamped that leave it"""

    through_zero: tuple[str, ...] = ()
    """parameters whose slope passes through 0 inside a bounded support, where it has the digits of its terms"""

    def __str__(self) -> str:
        return self.name

    @property
    def functions(self) -> tuple[str, ...]:
        """The keys of FUNCTIONS that it is tested with."""
        return tuple(dict.fromkeys([*self.expectations, *(self.small[:1] if self.small else ())]))
