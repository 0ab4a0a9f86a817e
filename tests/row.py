"""What a row of the table of families holds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from mpmath import mp

from tests.case import Case
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
    """x, the record's parameters -> P(X <= x), P(X > x) by mpmath at the working precision"""
    log_density: Callable | None = None
    """x, the record's parameters -> log p(x) by mpmath"""
    rounded_twice: bool = False
    """in float32 arithmetic log p is a sum of terms of size 16 to 27, each of which is rounded once (1e-6), and which
    nearly cancel; or a power of 237; or the logarithm of a product of six (1.2e-6)"""
    case: Case | None = None
    """for partials in the kernels' own coordinates, with reference points"""
    ranges: Mapping[str, Callable] = field(default_factory=dict)
    """parameter -> (rng, count) -> values, where 1e-6 to 1e8 is too much for the log-density"""
    divergence: tuple[Callable, tuple] | None = None
    """Kullback and Leibler's by mpmath, of both's parameters; pairs of them: far apart, close, closer than float32's
    digits, extreme"""
    truncations: tuple[tuple, ...] = ()
    """(parameters, low, high, *draws): bounds between which it is truncated; parameters named as bounds are have other
    names here, and the order of the class; its record has the shape by which no digits cancel"""
    narrow: tuple[tuple[Params, float, float], ...] = ()
    """parameters and bounds, likewise, between which a float32 has 16 values"""
    clamped: tuple[str, ...] = ()
    """"low", "high": the ends of the range of its dtype to which draws are clamped that leave it"""
    stricter: tuple[str, ...] = ()
    """parameters of which less is allowed than by the host"""
    through_zero: tuple[str, ...] = ()
    """parameters whose slope passes through 0 inside a bounded support, where it has the digits of its terms"""

    def __str__(self) -> str:
        return self.name

    @property
    def functions(self) -> tuple[str, ...]:
        """The keys of FUNCTIONS that it is tested with."""
        return tuple(dict.fromkeys([*self.expectations, *(self.small[:1] if self.small else ())]))

    @property
    def of_vectors(self) -> bool:
        """Whether a draw is a vector, as a parameter is."""
        return any(isinstance(value, tuple) for value in self.points[0].values())

    def clamps(self, precision: str) -> tuple[float, float] | None:
        """The ends to which draws are clamped that leave the range of their dtype; infinite where none is."""
        if not self.clamped:
            return None
        limits, (lower, upper) = np.finfo(precision), self.ends
        low = float(limits.tiny) if lower == 0.0 else -0.25 / float(limits.tiny)
        high = 1.0 - float(limits.eps) if upper == 1.0 else 0.25 / float(limits.tiny)
        return low if "low" in self.clamped else -math.inf, high if "high" in self.clamped else math.inf

    def cdf_exactly(self, x, *params):
        """P(X <= x) by mpmath."""
        return self.masses(x, *params)[0]

    def log_masses(self, x: float, params: Params, digits: int = 130) -> tuple[float, float]:
        """(log P(X <= x), log P(X > x)); 130 digits are for a tail of 1e-81 beside 1."""
        with mp.workdps(digits):
            lower, upper = self.masses(mp.mpf(x), *map(mp.mpf, params.values()))
            return float(mp.log(lower)), float(mp.log(upper))

    def along(self, x: float, params: Params, digits: int = 150) -> tuple[float, list[float]]:
        """(log p(x), dx / d parameter at fixed quantile for each): differences of the distribution function."""
        with mp.workdps(digits):
            at = [mp.mpf(v) for v in (x, *params.values())]
            density, *slopes = (_slope(self.cdf_exactly, at, i, mp.mpf("1e-40")) for i in range(len(at)))
            return float(mp.log(density)), [float(-slope / density) for slope in slopes]

    def value_and_slopes(self, x: float, params: np.ndarray) -> list[float]:
        """log p, and its derivatives in x and in each parameter by central differences."""
        with mp.workdps(90):
            at = [mp.mpf(float(v)) for v in (x, *params)]
            # relative to what is not 0
            slopes = (_slope(self.log_density, at, i, mp.mpf("1e-30"), at[-1] or at[0]) for i in range(len(at)))
            return [float(self.log_density(*at)), *map(float, slopes)]

    def random_parameters(self, constraints: Mapping[str, str], count: int) -> np.ndarray:
        """One row for each: of `ranges`, else 1e-6 to 1e8 where positive, with either sign or 0 where real."""
        rng = np.random.default_rng(11)

        def draw(parameter, constraint):
            if parameter in self.ranges:
                return self.ranges[parameter](rng, count)
            size = 10 ** rng.uniform(-6, 8, count)
            return size * rng.choice([-1, 0, 1], count) if constraint == "real" else size

        return np.array([draw(*item) for item in constraints.items()])


def _slope(function, at, i, relative, unit=1):
    """Of a function of mpmath's numbers by its i-th argument, by central differences."""
    step = relative * abs(at[i] or unit)
    up, down = (function(*(v + sign * step * (i == j) for j, v in enumerate(at))) for sign in (1, -1))
    return (up - down) / (2 * step)
