"""A family of univariate distributions as one record, and the functions with known derivatives that follow from it.

Distribution function and quantile come from the masses of both tails, of which the smaller is the one computed, and
from how a value moves at fixed quantile.  With F(x(q, theta); theta) = q,

    dF/dx = p,    dF/dtheta = -p dx/dtheta,    dx/dq = 1/p                (Figurnov, Mohamed, Mnih 2018, eq. 4-6)

so that no integral is differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.elementary import finite, finite_exp

End = float | Callable[..., Array]
"""an end of a support: a number, or a function of (xp, *params)"""


class Quantile(NamedTuple):
    """The inverse distribution function in a coordinate y of x in which no quantile leaves the range of its dtype."""

    find: Callable
    """(xp, q, 1 - q, *params) -> y, 0 < q < 1, values only; of the two masses the smaller has the digits"""
    log_density: Callable
    """(xp, y, *params) -> log of the density of y"""
    slopes: tuple[Callable, ...]
    """(xp, y, *params) -> dy / d params[i] at fixed quantile"""
    coordinate: str = "x"
    """y is "x" itself, "log" of x or "logit" of x"""
    refine: Callable | None = None
    """(xp, y, q, 1 - q, *params) -> x, where rounding y costs digits of x; values only"""


class Noise(NamedTuple):
    """Random numbers with parameters, from a sampler of the library's adapter."""

    kind: str
    """"log gamma", the logarithm of one of rate 1; "logit beta"; "log student t", of its absolute value"""
    of: Callable
    """(xp, *params of the family) -> a tuple, the noise's"""


class Draw(NamedTuple):
    """A draw from standard random numbers, cheaper than by the quantile of a uniform one."""

    find: Callable
    """(xp, *noise, *params) -> y, the coordinate of the quantile; values only"""
    noise: tuple[str | Noise, ...]
    """of which distributions the numbers are, "uniform" (between 0 and 1), "normal", or a `Noise`"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Family:
    """A univariate family: elementwise functions of (xp, x, *params) or (xp, *params), arrays of one shape and dtype.

    Where it says so a function gives values only; the others are differentiable expressions.  `log_density`,
    `log_tails` and `slopes` are finite wherever the log-density is, and never NaN inside the support.
    """

    about: str = ""
    """what the docstrings of its classes say after their first paragraph: density, arguments, papers after `Source:`"""
    parameters: Mapping[str, str]
    """name -> the constraint, by the hosts' name for it"""
    order: tuple[str, ...] = ()
    """parameters of which none may exceed the next, and the first must be less than the last"""
    within: Mapping[str, str] = field(default_factory=dict)
    """parameter -> the one that its absolute value must be less than"""
    support: tuple[End, End]
    log_density: Callable
    """log p(x)"""
    log_tails: Callable
    """(log P(X <= x), log P(X > x)); values only, unless `tails_are_closed`"""
    slopes: tuple[Callable, ...]
    """dx / d params[i] at fixed quantile"""
    tails: Callable | None = None
    """(P(X <= x), P(X > x)), where more exact in float32 than the exponentials of `log_tails`; values only"""
    scores: tuple[Callable, ...] | None = None
    """d log p / dx and d log p / d params[i], where more exact than autodiff through `log_density`, or cheaper: finite,
    and 0 outside the support"""
    flows: tuple[Callable, ...] | None = None
    """(xp, log_unit, x, *params) -> p(x) dx / d params[i] / exp(log_unit), where that is no product of two numbers in
    range: of an angle, whose density at -pi may be larger than that at x"""
    tails_are_closed: bool = False
    """whether `log_tails` is a differentiable expression"""
    hazards: Callable | None = None
    """(p / F, p / S), an expression: where the quotient of two exponentials has no digits left, far out in a tail"""
    quantile: Quantile | None = None
    draw: Draw | None = None
    """where the quantile of a uniform number is not the way to a draw"""
    path_slopes: tuple[Callable, ...] | None = None
    """what a draw carries, where that is not `slopes`: of an angle, whose quantile counts from its location"""
    entropy: Callable | None = None
    mean: Callable | None = None
    variance: Callable | None = None
    shape: Callable | None = None
    """(xp, *params) -> `charts.Shape`, the log-density differences that truncation integrates"""
    masses: Callable | None = None
    """(xp, low, high, *params) -> `masses.Pieces`, where a rule of its own beats that of `shape`"""
    truncated_slopes: Callable | None = None
    """(xp, x, low, high, *params) -> dx / d(u, low, high, *params) between bounds, where an expression is at hand"""
    truncated_quantile: Callable | None = None
    """(xp, q, 1 - q, low, high, *params) -> (x, where it is the quantile between bounds), without guard digits and
    where cheaper than the solution of `masses`; values only"""
    kink: Callable | None = None
    """the x where the density has an edge or a cusp, at which integrals are split"""
    divergences: Mapping[str, Callable] = field(default_factory=dict)
    """class name of the other distribution -> (xp, *params, *its params), Kullback and Leibler's, accurate near 0"""


class Function(NamedTuple):
    """A function with known partial derivatives: `value(xp, *args)` and `partials[i](xp, result, *args)`."""

    value: Callable
    partials: tuple[Callable | None, ...]
    inside: Callable | None = None
    """(xp, *args) -> where `formula` serves, of a function that has limits elsewhere"""
    formula: Any = None
    """a `Function`: the same without the limits"""


@cache
def log_density_of(family: Family) -> Function:
    """log p of (x, *params), for a family that has scores."""

    def partial(score: Callable) -> Callable:
        return lambda xp, result, *args: finite(xp, score(xp, *args))

    return Function(family.log_density, tuple(map(partial, family.scores or ())))


@cache
def cdf_of(family: Family) -> Function:
    """P(X <= x) of (x, *params)."""

    def value(xp: Namespace[Array], *args: Array) -> Array:
        return _tails(xp, family, *args)[0]

    def by_x(xp: Namespace[Array], result: Array, *args: Array) -> Array:
        return xp.exp(family.log_density(xp, *args))

    return Function(value, (by_x, *_moved(family, lambda result: 0.0, 1.0)))


@cache
def sf_of(family: Family) -> Function:
    """P(X > x) of (x, *params)."""

    def value(xp: Namespace[Array], *args: Array) -> Array:
        return _tails(xp, family, *args)[1]

    def by_x(xp: Namespace[Array], result: Array, *args: Array) -> Array:
        return -xp.exp(family.log_density(xp, *args))

    return Function(value, (by_x, *_moved(family, lambda result: 0.0, -1.0)))


def _tails(xp: Namespace[Array], family: Family, *args: Array) -> tuple[Array, Array]:
    if family.tails is not None:
        return family.tails(xp, *args)
    lower, upper = family.log_tails(xp, *args)
    return xp.exp(lower), xp.exp(upper)


@cache
def log_cdf_of(family: Family) -> Function:
    """log P(X <= x) of (x, *params)."""
    return _log_tail(family, 0, 1.0)


@cache
def log_sf_of(family: Family) -> Function:
    """log P(X > x) of (x, *params)."""
    return _log_tail(family, 1, -1.0)


def _log_tail(family: Family, which: int, sign: float) -> Function:
    def value(xp: Namespace[Array], *args: Array) -> Array:
        return family.log_tails(xp, *args)[which]

    def by_x(xp: Namespace[Array], result: Array, *args: Array) -> Array:
        if family.hazards is not None:
            return sign * family.hazards(xp, *args)[which]
        return sign * finite_exp(xp, family.log_density(xp, *args) - result)

    def by(slope: Callable) -> Callable:
        return lambda xp, result, *args: -finite(xp, by_x(xp, result, *args)) * finite(xp, slope(xp, *args))

    def inside(partial: Callable) -> Callable:
        """Finite, for a mixture multiplies it by a share that may be 0.

        And 0 where there is no mass, as of a log-density outside the support: -inf moves with nothing.
        """

        def masked(xp: Namespace[Array], result: Array, *args: Array) -> Array:
            none = result <= -math.inf
            return xp.where(none, 0.0, finite(xp, partial(xp, xp.where(none, 0.0, result), *args)))

        return masked

    moved = map(by, family.slopes) if family.hazards else _moved(family, lambda result: result, sign)
    return Function(value, tuple(map(inside, (by_x, *moved))))


def _moved(family: Family, log_unit: Callable, sign: float) -> tuple[Callable, ...]:
    """-sign p dx/dtheta / exp(log_unit(result)) for each parameter."""

    def of_slope(slope: Callable) -> Callable:
        def flow(xp: Namespace[Array], unit: Array, *args: Array) -> Array:
            # next to 0 the density may be out of range, and far out the slope, where the other factor is nothing
            return finite_exp(xp, family.log_density(xp, *args) - unit) * finite(xp, slope(xp, *args))

        return flow

    def partial(flow: Callable) -> Callable:
        return lambda xp, result, *args: -sign * flow(xp, log_unit(result), *args)

    return tuple(map(partial, family.flows or map(of_slope, family.slopes)))


_LIMITS: dict[Any, tuple[float, float]] = {
    cdf_of: (0.0, 1.0),
    log_cdf_of: (-math.inf, 0.0),
    log_sf_of: (0.0, -math.inf),
}


def with_limits(xp: Namespace[Array], which: Callable, function: Callable, x: Array) -> Array:
    """function(x), of `cdf_of`, `log_cdf_of` or `log_sf_of`; at -inf and inf its limits, which nothing moves."""
    least, most = _LIMITS[which]
    far = xp.abs(x) >= math.inf
    found = function(xp.where(far, 0.5, x))
    return xp.where(x >= math.inf, most, xp.where(x <= -math.inf, least, found))


def from_coordinate(xp: Namespace[Array], coordinate: str, y: Array) -> Array:
    """x, of the coordinate y of a `Quantile`; values only."""
    return {"x": lambda y: y, "log": xp.exp, "logit": xp.sigmoid}[coordinate](y)


@cache
def quantile_of(quantile: Quantile) -> Function:
    """The coordinate y with P(Y <= y) = q, of (q, 1 - q, *params).  Its derivative is one in q, none in 1 - q."""

    def by_q(xp: Namespace[Array], result: Array, q: Array, one_minus_q: Array, *params: Array) -> Array:
        return xp.exp(-quantile.log_density(xp, result, *params))

    def at_quantile(slope: Callable) -> Callable:
        return lambda xp, result, q, one_minus_q, *params: slope(xp, result, *params)

    def find(xp: Namespace[Array], *args: Array) -> Array:
        """Of a heavy tail held in the range of its dtype, as a draw is."""
        found, most = quantile.find(xp, *args), 0.25 / float(xp.finfo(args[0]).tiny)
        return xp.clip(found, -most, most) if quantile.coordinate == "x" else found

    return Function(find, (by_q, None, *map(at_quantile, quantile.slopes)))


@cache
def precise_quantile_of(quantile: Quantile) -> Callable:
    """(xp, q, 1 - q, *params) -> (y, x) along a new first axis, y = log x; values only.

    x by one more step where y has no guard digits.
    """
    find, refine = quantile_of(quantile).value, quantile.refine

    def both(xp: Namespace[Array], *args: Array) -> Array:
        y = find(xp, *args)
        return xp.stack([y, xp.exp(y) if xp.has_guard_digits or refine is None else refine(xp, y, *args)])

    return both


@cache
def draw_of(family: Family) -> Draw:
    """The family's, or the quantile of a uniform number."""
    quantile = family.quantile
    if family.draw is not None or quantile is None:
        return family.draw  # type: ignore[return-value]
    find_quantile = quantile.find

    def find(xp: Namespace[Array], uniform: Array, *params: Array) -> Array:
        return find_quantile(xp, uniform, 1.0 - uniform, *params)

    return Draw(find, ("uniform",))
