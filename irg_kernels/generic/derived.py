"""Families made of another one: by a location and a scale, or with other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..namespace import Array, Namespace
from ..numerics.elementary import standardised
from .family import Draw, End, Family, Noise, Quantile


@dataclass(frozen=True)
class _Located:
    """x = loc + scale y, y of the family `standard`: its functions as those of (x, *its parameters, loc, scale)."""

    standard: Family
    has_loc: bool
    log_scale_score: Callable | None
    standardised: Callable

    def split(self, params: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array | float, Array]:
        count = len(self.standard.parameters)
        return params[:count], params[count] if self.has_loc else 0.0, params[-1]

    def at(self, function: Callable) -> Callable:
        """function(xp, y, *standard's params) as a function of (xp, x, *params)."""

        def of_x(xp: Namespace[Array], x: Array, *params: Array) -> Array:
            own, loc, scale = self.split(params)
            return function(xp, self.standardised(xp, x, loc, scale), *own)

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
            y = self.standardised(xp, x, self.split(params)[1], params[-1])
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
    standardised: Callable = standardised,
) -> Family:
    """The family of x = loc + scale y, y of the family `standard`; its parameters come first, then loc and scale.

    :param shape: of all parameters, as in `Family`; likewise `masses`, `truncated_slopes` and `truncated_quantile`.
    :param has_loc: without, loc is 0 and no parameter.
    :param log_scale_score: -(1 + y d log p / dy) of the standard, where that would cancel.
    :param standardised: (xp, x, loc, scale) -> y.
    """
    at = _Located(standard, has_loc, log_scale_score, standardised)
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
        kink=moment(standard.kink, lambda xp, y, loc, scale: loc + scale * y),
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
        kink=family.kink and of_new(family.kink, 0),
    )
