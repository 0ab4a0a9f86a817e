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
        return lambda xp, result, *args: score(xp, *args)

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
        return sign * xp.exp(family.log_density(xp, *args) - result)

    def by(slope: Callable) -> Callable:
        return lambda xp, result, *args: -by_x(xp, result, *args) * slope(xp, *args)

    def inside(partial: Callable) -> Callable:
        """0 where there is no mass, as of a log-density outside the support: -inf moves with nothing."""

        def masked(xp: Namespace[Array], result: Array, *args: Array) -> Array:
            none = result <= -math.inf
            return xp.where(none, 0.0, partial(xp, xp.where(none, 0.0, result), *args))

        return masked

    moved = map(by, family.slopes) if family.hazards else _moved(family, lambda result: result, sign)
    return Function(value, tuple(map(inside, (by_x, *moved))))


def _moved(family: Family, log_unit: Callable, sign: float) -> tuple[Callable, ...]:
    """-sign p dx/dtheta / exp(log_unit(result)) for each parameter."""

    def of_slope(slope: Callable) -> Callable:
        def flow(xp: Namespace[Array], unit: Array, *args: Array) -> Array:
            return xp.exp(family.log_density(xp, *args) - unit) * slope(xp, *args)

        return flow

    def partial(flow: Callable) -> Callable:
        return lambda xp, result, *args: -sign * flow(xp, log_unit(result), *args)

    return tuple(map(partial, family.flows or map(of_slope, family.slopes)))


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


@dataclass(frozen=True)
class _Located:
    """x = loc + scale y, y of the family `standard`: its functions as those of (x, *its parameters, loc, scale)."""

    standard: Family
    has_loc: bool
    log_scale_score: Callable | None

    def split(self, params: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array | float, Array]:
        count = len(self.standard.parameters)
        return params[:count], params[count] if self.has_loc else 0.0, params[-1]

    def at(self, function: Callable) -> Callable:
        """function(xp, y, *standard's params) as a function of (xp, x, *params)."""

        def of_x(xp: Namespace[Array], x: Array, *params: Array) -> Array:
            own, loc, scale = self.split(params)
            return function(xp, (x - loc) / scale, *own)

        return of_x

    def log_density(self, xp: Namespace[Array], x: Array, *params: Array) -> Array:
        return self.at(self.standard.log_density)(xp, x, *params) - xp.log(params[-1])

    def slopes(self) -> tuple[Callable, ...]:
        def times_scale(slope: Callable) -> Callable:
            return lambda xp, x, *params: params[-1] * self.at(slope)(xp, x, *params)

        by_loc = (lambda xp, x, *params: 1.0 + 0.0 * x,) if self.has_loc else ()
        return (*map(times_scale, self.standard.slopes), *by_loc, self.at(lambda xp, y, *own: y))

    def scores(self) -> tuple[Callable, ...] | None:
        if self.standard.scores is None:
            return None
        by_y, *by_own = map(self.at, self.standard.scores)

        def by_x(xp: Namespace[Array], x: Array, *params: Array) -> Array:
            return by_y(xp, x, *params) / params[-1]

        def by_scale(xp: Namespace[Array], x: Array, *params: Array) -> Array:
            if self.log_scale_score is not None:
                return self.at(self.log_scale_score)(xp, x, *params) / params[-1]
            y = (x - self.split(params)[1]) / params[-1]
            return -(1.0 + y * by_y(xp, x, *params)) / params[-1]

        by_loc = (lambda xp, x, *params: -by_x(xp, x, *params),) if self.has_loc else ()
        return (by_x, *by_own, *by_loc, by_scale)

    def quantile(self, slopes: tuple[Callable, ...]) -> Quantile | None:
        known = self.standard.quantile
        if known is None:
            return None

        def find(xp: Namespace[Array], q: Array, one_minus_q: Array, *params: Array) -> Array:
            own, loc, scale = self.split(params)
            return loc + scale * known.find(xp, q, one_minus_q, *own)

        return Quantile(find, self.log_density, slopes)

    def draw(self) -> Draw | None:
        known = self.standard.draw
        if known is None:
            return None
        count = len(known.noise)

        def find(xp: Namespace[Array], *args: Array) -> Array:
            own, loc, scale = self.split(args[count:])
            return loc + scale * known.find(xp, *args[:count], *own)

        def of_all(noise: str | Noise) -> str | Noise:
            if isinstance(noise, str):
                return noise
            return Noise(noise.kind, lambda xp, *params: noise.of(xp, *self.split(params)[0]))

        return Draw(find, tuple(map(of_all, known.noise)))

    def end(self, end: End) -> End:
        if not callable(end) and (math.isinf(end) or not (self.has_loc or end)):
            return end

        def moved(xp: Namespace[Array], *params: Array) -> Array:
            own, loc, scale = self.split(params)
            if not callable(end):
                return loc + scale * end
            # an infinite one moves with nothing, or a derivative of 0 would become NaN on its way back
            y = end(xp, *own)
            finite = xp.abs(y) < math.inf
            return xp.where(finite, loc + scale * xp.where(finite, y, 0.0), y)

        return moved

    def moment(self, function: Callable | None, of: Callable) -> Callable | None:
        """of(xp, the standard's moment, loc, scale)."""
        if function is None:
            return None

        def of_params(xp: Namespace[Array], *params: Array) -> Array:
            own, loc, scale = self.split(params)
            return of(xp, function(xp, *own), loc, scale)

        return of_params


def located(
    standard: Family,
    shape: Callable | None = None,
    masses: Callable | None = None,
    *,
    truncated_slopes: Callable | None = None,
    truncated_quantile: Callable | None = None,
    has_loc: bool = True,
    log_scale_score: Callable | None = None,
) -> Family:
    """The family of x = loc + scale y, y of the family `standard`; its parameters come first, then loc and scale.

    :param shape: of all parameters, as in `Family`; likewise `masses`, `truncated_slopes` and `truncated_quantile`.
    :param has_loc: without, loc is 0 and no parameter.
    :param log_scale_score: -(1 + y d log p / dy) of the standard, where that would cancel.
    """
    at = _Located(standard, has_loc, log_scale_score)
    slopes, moment = at.slopes(), at.moment
    return Family(
        about=standard.about,
        parameters={**standard.parameters, **({"loc": "real"} if has_loc else {}), "scale": "positive"},
        support=(at.end(standard.support[0]), at.end(standard.support[1])),
        log_density=at.log_density,
        log_tails=at.at(standard.log_tails),
        tails=standard.tails and at.at(standard.tails),
        slopes=slopes,
        scores=at.scores(),
        tails_are_closed=standard.tails_are_closed,
        quantile=at.quantile(slopes),
        draw=at.draw(),
        entropy=moment(standard.entropy, lambda xp, value, loc, scale: value + xp.log(scale) + 0.0 * loc),
        mean=moment(standard.mean, lambda xp, value, loc, scale: loc + scale * value),
        variance=moment(standard.variance, lambda xp, value, loc, scale: scale * scale * value + 0.0 * loc),
        shape=shape,
        masses=masses,
        truncated_slopes=truncated_slopes,
        truncated_quantile=truncated_quantile,
    )


def with_parameters(family: Family, parameters: Mapping[str, str], into: Callable, jacobian: Callable) -> Family:
    """The family with other parameters.

    :param into: (xp, *new) -> the parameters of `family`.
    :param jacobian: (xp, *new) -> one tuple for each new parameter, the derivatives of the old ones in it.
    """

    def of_new(function: Callable, lead: int) -> Callable:
        """`lead` arguments come before the parameters."""
        return lambda xp, *args: function(xp, *args[:lead], *into(xp, *args[lead:]))

    def chained(slopes: tuple[Callable, ...], j: int) -> Callable:
        def slope(xp: Namespace[Array], x: Array, *new: Array) -> Array:
            old = into(xp, *new)
            terms = zip(slopes, jacobian(xp, *new)[j], strict=True)
            return sum(by * own(xp, x, *old) for own, by in terms if not (isinstance(by, float) and by == 0.0))

        return slope

    def all_chained(slopes: tuple[Callable, ...]) -> tuple[Callable, ...]:
        return tuple(chained(slopes, j) for j in range(len(parameters)))

    scores = family.scores and (of_new(family.scores[0], 1), *all_chained(family.scores[1:]))
    quantile = family.quantile
    if quantile is not None:
        refine = quantile.refine and of_new(quantile.refine, 3)
        density = of_new(quantile.log_density, 1)
        quantile = Quantile(
            of_new(quantile.find, 2), density, all_chained(quantile.slopes), quantile.coordinate, refine
        )
    low, high = (of_new(end, 0) if callable(end) else end for end in family.support)
    return Family(
        parameters=parameters,
        support=(low, high),
        log_density=of_new(family.log_density, 1),
        log_tails=of_new(family.log_tails, 1),
        tails=family.tails and of_new(family.tails, 1),
        slopes=all_chained(family.slopes),
        scores=scores,
        tails_are_closed=family.tails_are_closed,
        hazards=family.hazards and of_new(family.hazards, 1),
        quantile=quantile,
        path_slopes=family.path_slopes and all_chained(family.path_slopes),
        entropy=family.entropy and of_new(family.entropy, 0),
        mean=family.mean and of_new(family.mean, 0),
        variance=family.variance and of_new(family.variance, 0),
        shape=family.shape and of_new(family.shape, 0),
        masses=family.masses and of_new(family.masses, 2),
    )
