"""The masses on either side of x, by integrals, for distributions that rise to one mode and fall off:
`truncated.Pieces`.

    symbol   meaning
    y        a chart's coordinate, x itself or log x, logit x, asinh((x - centre) / width), in which tails fall
             exponentially or faster
    v        displacement in y from x
    R(v)     log of the density in y, at y + v over that at y
    m, L     peak of R in the stretch from x to the bound, and `depth`

A = dx/dy int exp(R(v)) dv, and likewise B.  The stretch is integrated from its peak both ways, each way as far as R
falls by L.  The nodes are held at their displacements, so that the derivative in a parameter is the integral of
exp(R) dR: a score differenced against its value at x.  Each R of a family is written so that neither it nor its
derivatives lose digits as v -> 0 or far out.

A tail that falls off slowly, of a small shape, is a straight line in R from `BENT` on, and its mass in closed form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.charts import Chart, Shape
from ..numerics.elementary import along_axis, expm1_ratio
from ..numerics.masses import Piece, Pieces, moving_end, rule
from ..numerics.quadrature import depth, is_double
from .fixed_quantile import unit_of

# Nodes for one way from the peak; 2e-7 and 1e-13 for every family with shapes from 1/10 to 1e6.
NODES_F32, NODES_F64 = 18, 36


# --------------------------------------------------------------------------------------------------------------- pieces

# The search for a cut: displacements in units of the chart's scale, and halvings of their ratio, which leave it 1 % of
# the cut.
LEAST, HALVINGS = 1e-37, 13
# from where on R may be straight, in the same units: bends, powers of x, are below 1e-17 of it
BENT = 40.0
GRADED = 6.0
# a stretch that is not narrow, in y
WIDE = 0.5


class _Panel(NamedTuple, Generic[Array]):
    """Displacements sign (peak + way t), 0 <= t <= length."""

    sign: float
    way: float
    peak: Array
    length: Array


class _Bound(NamedTuple, Generic[Array]):
    given: Array
    """moves"""
    shut: Array
    """where it lies inside the chart"""


def masses_by_density(
    shape_of: Callable,
    xp: Namespace[Array],
    low: Array | None,
    high: Array | None,
    *params: Array,
    ends_move: bool = True,
) -> Pieces:
    """:param shape_of: (xp, *params) -> Shape.
    :param ends_move: false for values alone, in which the bounds' motion is 0: ten of thirteen calls of `rise`.
    """
    fixed = shape_of(xp, *map(xp.stop_gradient, params))
    like = 0.0 * params[0]

    def pieces(x: Array) -> tuple[Piece, Piece]:
        x, ends, of = _inside(xp, fixed.chart, x), (low, high), params
        if fixed.located is not None:
            x, ends, of = _along(xp, fixed, x, ends, of)
        shape = shape_of(xp, *of)
        bounds = [_bound(xp, shape, end, side, like) for side, end in enumerate(ends)]
        if shape.between is not None:
            shape = shape.between(xp.stop_gradient(x), tuple(bound and bound.given for bound in bounds))
        panels = [_panels(xp, fixed, xp.stop_gradient(x), bound, side) for side, bound in enumerate(bounds)]
        masses = _masses(xp, shape, fixed, x, panels[0] + panels[1])
        count, unit = len(panels[0]), shape.chart.unit(xp, x)
        far = unit_of(xp, unit)
        tops = [functools.reduce(xp.maximum, (top for _, top in parts)) for parts in (masses[:count], masses[count:])]
        moved = _ends(xp, shape, fixed, x, bounds, tops) if ends_move else (None, None)
        found = []
        for parts, top, by_end in zip((masses[:count], masses[count:]), tops, moved, strict=True):
            mass = sum(mass * xp.exp(own - top) for mass, own in parts)
            if by_end is not None:
                mass = mass + by_end
            found.append(Piece((unit / far) * mass, top + xp.log(far)))
        return found[0], found[1]

    return pieces


def _along(xp: Namespace[Array], fixed: Shape, x: Array, ends: tuple, params: tuple) -> tuple[Array, tuple, tuple]:
    """The location's derivative carried by x and the bounds, which move against it, but for narrow intervals.

    Of points that stand still the integral of the score is a difference of densities, and that at the mode is not to
    be seen beside the one at x far out in a tail; in a narrow interval the bounds' motion cancels that of x.
    """
    assert fixed.located is not None
    index, length = fixed.located[0] % len(params), fixed.located[1]
    still = xp.stop_gradient(x)
    bounds = [_bound(xp, fixed, end, side, 0.0 * still) for side, end in enumerate(ends)]
    reach = [_reach(xp, fixed.chart, still, bound, 2.0 * side - 1.0)[1] for side, bound in enumerate(bounds)]
    loc = params[index]
    way = xp.abs(still - xp.stop_gradient(loc)) / length
    nearest, inwards = xp.minimum(*reach), xp.where(still > xp.stop_gradient(loc), *reach)
    # the density's largest value over that at x, by which digits are lost, is about the square of this
    rises = xp.exp(xp.minimum(inwards / fixed.chart.scale, xp.log(xp.maximum(way, 1.0))))
    moves = (nearest > WIDE * fixed.chart.scale) | ((way > 10.0) & (nearest * rises > fixed.chart.scale))
    stays = xp.stop_gradient(loc)
    by = xp.where(moves, loc - stays, 0.0)
    others = (*params[:index], xp.where(moves, stays, loc), *params[index + 1 :])
    return x - by, tuple(end if end is None else end - by for end in ends), others


def _bound(xp: Namespace[Array], shape: Shape, bound: Any, side: int, like: Array) -> _Bound | None:
    """The bound, or the end of the support where that is nearer; at a tie the bound, which moves inwards."""
    end = shape.ends[side]
    if bound is None:
        if end is None:
            return None
        bound = end + like
    elif end is not None:
        beyond = bound < end if side == 0 else bound > end
        within = xp.where(beyond, 0.0, bound)  # not an infinite one
        bound = xp.where(beyond, end + 0.0 * within, within)
    shut = xp.abs(bound) <= float(xp.finfo(bound).max)
    limit = shape.chart.ends[side]
    if limit is not None:
        shut = shut & (bound > limit if side == 0 else bound < limit)
    return _Bound(bound, shut)


def _inside(xp: Namespace[Array], chart: Chart, x: Array) -> Array:
    limits = xp.finfo(x)
    if chart.ends[0] is not None:
        x = xp.maximum(x, float(limits.tiny))
    return x if chart.ends[1] is None else xp.minimum(x, (1.0 - 0.5 * float(limits.eps)) * chart.ends[1])


def _reach(xp: Namespace[Array], chart: Chart, x: Array, bound: _Bound | None, sign: float) -> tuple[Array, Array]:
    """(signed displacement of the bound from x, 0 where it is open; how far to look)."""
    most = xp.minimum(chart.most * chart.scale + 0.0 * x, 1e-3 * float(xp.finfo(x).max))
    if bound is None:
        return 0.0 * x, most
    to = chart.displacement(xp, x, xp.where(bound.shut, bound.given, x))
    return to, xp.where(bound.shut, xp.minimum(xp.maximum(sign * xp.stop_gradient(to), 0.0), most), most)


def _panels(xp: Namespace[Array], fixed: Shape, x: Array, bound: _Bound | None, side: int) -> list[_Panel]:
    sign = 2.0 * side - 1.0
    _, reach = _reach(xp, fixed.chart, x, bound, sign)
    reach = xp.stop_gradient(reach)

    def both_ways(to_mode: Array, first: Array, last: Array) -> list[_Panel]:
        peak = xp.minimum(xp.maximum(sign * to_mode, first), last)
        return [_Panel(sign, -1.0, peak, peak - first), _Panel(sign, 1.0, peak, last - peak)]

    if fixed.valley is None:
        return both_ways(fixed.to_mode(xp, x), 0.0 * x, reach)
    mode: Any = fixed.mode
    valley, other = fixed.valley
    to = sign * (valley - x)
    own = (x < valley) == (mode < valley)
    ways = xp.where(own, mode, other), xp.where(own, other, mode)
    here, there = (fixed.chart.displacement(xp, x, place) for place in ways)
    turn = xp.where(to > 0.0, xp.minimum(to, reach), reach)
    return both_ways(here, 0.0 * x, turn) + both_ways(there, turn, reach)


def _masses(
    xp: Namespace[Array], shape: Shape, fixed: Shape, x: Array, panels: list[_Panel]
) -> list[tuple[Array, Array]]:
    """(mass, log_unit) of each panel, all in one integral."""
    still = xp.stop_gradient(x)
    sign, way = (along_axis(xp, [panel[i] for panel in panels], x) for i in (0, 1))
    peak, limit = (
        xp.stack(list(values)) for values in zip(*((panel.peak, panel.length) for panel in panels), strict=True)
    )
    top = xp.stop_gradient(fixed.rise(still, sign * peak))
    span = xp.stop_gradient(_cut(xp, lambda t: top - fixed.rise(still, sign * (peak + way * t)), limit, fixed.chart))

    def rise_at(of: Shape, x: Array, t: Array) -> Array:
        return of.rise(x, sign * (peak + way * t)) - top

    bent = BENT * fixed.chart.scale + 0.0 * span
    is_straight = _is_straight(xp, lambda t: rise_at(fixed, still, t), bent, span)
    span, rest = xp.where(is_straight, bent, span), xp.where(is_straight, span - bent, 0.0)
    nodes, weights = rule(NODES_F64 if is_double(xp, x) else NODES_F32)
    # nodes are drawn towards the peak, the more so the longer what falls off exponentially is
    k = xp.stop_gradient(xp.maximum(xp.arcsinh(span / (GRADED * fixed.chart.scale)), 1.5))
    whole = xp.expm1(k) - xp.expm1(-k)

    def integrand(u: Array) -> Array:
        up, down = xp.expm1(k * u), xp.expm1(-k * u)
        t = span * ((up - down) / whole)
        return xp.exp(rise_at(shape, x, t)) * (2.0 + up + down)

    mass = span * (k / whole) * xp.integrate(integrand, nodes, weights, like=span)[0]
    ends = rise_at(shape, x, xp.stack([xp.where(is_straight, t, 0.0) for t in (bent, bent + rest)]))
    first, fall = ends[0], ends[1] - ends[0]
    mass = mass + rest * (xp.exp(first) * expm1_ratio(xp, fall))
    return [(mass[i], top[i]) for i in range(len(panels))]


def _is_straight(xp: Namespace[Array], rise: Callable, first: Array, last: Array) -> Array:
    """Whether `rise` is a straight line from `first` to `last` > `first`, but for its rounding."""
    first_in = xp.minimum(first, last)
    at_first, at_middle, at_last = rise(xp.stack([first_in, 0.5 * (first_in + last), last]))
    off = at_middle - 0.5 * (at_first + at_last)
    rounding = 8.0 * float(xp.finfo(last).eps) * (1.0 + xp.abs(at_first) + xp.abs(at_last))
    return (last > first) & (xp.abs(off) < rounding)


def _cut(xp: Namespace[Array], fall: Callable, limit: Array, chart: Chart) -> Array:
    """Where `fall`, which grows, has reached `depth`, or the limit."""
    enough = depth(xp, limit)
    # a number of its dtype also where the scale is small: from log 0 no halving leads away
    least = xp.maximum(LEAST * chart.scale + 0.0 * limit, float(xp.finfo(limit).tiny))

    def step(state: tuple) -> tuple:
        near, far = state
        middle = 0.5 * (near + far)
        fallen = ~(fall(xp.exp(middle)) < enough)  # NaN has fallen
        return xp.where(fallen, near, middle), xp.where(fallen, middle, far)

    start = xp.log(least), xp.log(xp.maximum(limit, least))
    _, far = xp.converge(step, start, lambda state: state[0] > state[1], HALVINGS)
    return xp.minimum(xp.exp(far), limit)


def _ends(
    xp: Namespace[Array], shape: Shape, fixed: Shape, x: Array, bounds: list[_Bound | None], tops: list[Array]
) -> list[Array | None]:
    """For each side 0, with the derivatives that its bound's motion brings; None where there is no bound."""
    sides = [side for side, bound in enumerate(bounds) if bound is not None]
    if not sides:
        return [None, None]
    still, top = xp.stop_gradient(x), xp.stack([tops[side] for side in sides])
    sign = along_axis(xp, [2.0 * side - 1.0 for side in sides], x)
    ways = [_reach(xp, shape.chart, x, bounds[side], 2.0 * side - 1.0)[0] for side in sides]
    to = xp.stack(ways)
    shut = xp.stack([bounds[side].shut & (way == way) for side, way in zip(sides, ways, strict=True)])  # type: ignore[union-attr]
    # not where the density is 0 in its dtype
    seen = shut & (top - fixed.rise(still, xp.stop_gradient(to)) < (600.0 if is_double(xp, x) else 70.0))
    moves = sign * xp.where(seen, to, 0.0)
    (moved,) = moving_end(xp, lambda w: xp.exp(xp.where(seen, shape.rise(x, sign * w), top) - top), moves)
    found: list[Array | None] = [None, None]
    for k, side in enumerate(sides):
        found[side] = moved[k] + _at_limit(xp, fixed, still, bounds[side], side, tops[side])  # type: ignore[arg-type]
    return found


def _at_limit(xp: Namespace[Array], fixed: Shape, x: Array, bound: _Bound, side: int, top: Array) -> Array | float:
    """0, with the derivatives of a bound at the very end of the chart."""
    limit = fixed.chart.ends[side]
    if limit is None:
        return 0.0
    given = xp.where(bound.given == limit, bound.given, limit)
    return (2.0 * side - 1.0) * (given - xp.stop_gradient(given)) * _density_at_end(xp, fixed, x, side, top)


def _density_at_end(xp: Namespace[Array], fixed: Shape, x: Array, side: int, top: Array) -> Array:
    """exp(R) dv/dx at the end of a chart: the density there is 0, infinite, or what it is 32 e-folds before the end."""
    sign = 2.0 * side - 1.0
    assert fixed.chart.nearing is not None
    distance, rate = fixed.chart.nearing(xp, x, side)
    start = sign * xp.maximum(sign * fixed.to_mode(xp, x), 0.0)
    v = xp.stack([start + 32.0 * sign, start + 64.0 * sign])
    near, far = fixed.rise(x, v) + sign * (rate * v)  # log p, but for a constant
    power = (near - far) / 32.0
    largest = math.sqrt(float(xp.finfo(x).max))
    flat = xp.minimum(xp.exp(near - top) * (rate / distance), largest)  # times 0 a number
    return xp.where(power > 1e-4, 0.0, xp.where(power < -1e-4, largest, flat))
