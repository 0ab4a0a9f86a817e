"""Any univariate distribution from its log-density alone, normalised or not: normalizer, tails, quantiles, an error
estimate.

    symbol   meaning
    x        a value; its support is the line, a half-line or an interval
    y        its coordinate, 0 at the mode: asinh((x - mode) / width), or the logarithm or logit of x less the mode's
    g(y)     log-density at x, unnormalised, + log dx/dy

Away from the mode on either side g is cut into panels where it has fallen by `levels`, and each is integrated by
Gauss-Legendre.  The mass of a tail is that of the panels beyond x and of what its own panel still has beyond x: none is
a difference of masses.  In these sums the panels stand still, so that their derivatives in a parameter with score s are

    d log F / d theta = E[s | X <= x] - E[s]          (Figurnov, Mohamed, Mnih 2018, eq. 5, for a score not centred)

and autodiff of `log_tails` gives it, to any order.  Modes, edges and the verdict are values, without derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.elementary import along_axis, both_log_tails
from ..numerics.quadrature import gauss_legendre, is_double


class Support(NamedTuple, Generic[Array]):
    """The values between `low` and `high`, either of which may be None for infinity."""

    low: Array | None
    high: Array | None


class Grid(NamedTuple, Generic[Array]):
    """Where a density lies."""

    centre: Array
    """the mode: a value on the line, else the logarithm or logit of one"""
    width: Array
    """unit of x on the line"""
    peak: Array
    """g(0)"""
    inner: Array
    """distances |y| of the panels' near ends, (2, panels, *batch), below the mode and above"""
    outer: Array
    """of their far ends"""


class Verdict(NamedTuple, Generic[Array]):
    """What speaks against a grid, elementwise; none may be integrated where a condition holds."""

    error: Array
    """relative error of the masses by a second rule"""
    infinite: Array
    """the density is infinite or NaN at its mode, or too much of it lies at the ends of the range"""
    jump: Array
    """it jumps"""
    rises: Array
    """it rises again beyond the panels"""


def levels(xp: Namespace[Array], like: Array) -> tuple[float, ...]:
    """Falls of g at which panels end.  16 nodes integrate exp(-16 u) to 1e-15; the last is beyond any draw."""
    near = (0.125, 0.75, 2.5, 6.0, 12.0, 20.0, 30.0, 42.0)
    return (*near, 56.0, 72.0) if is_double(xp, like) else near


NODES, MORE_NODES = 16, 23  # the second rule shares no node with the first

# Nodes of the scan: 0.2 apart near 0 on the line, where |x| is 1 or so, and 13 at |x| = 1e150.
SCAN, DENSER = 256, 5.0


def log_jacobian_at(
    xp: Namespace[Array], support: Support[Array], centre: Array, width: Array, y: Array
) -> tuple[Array, Array]:
    """(x, log dx/dy); x grows with y."""
    low, high = support
    if low is None and high is None:
        up = xp.exp(y)
        return centre + width * (0.5 * (up - 1.0 / up)), xp.log(width) + xp.softplus(2.0 * y) - y - math.log(2.0)
    t = centre + y
    if high is None:
        return low + xp.exp(t), t
    if low is None:
        return high - xp.exp(-t), -t
    span = high - low
    x = xp.where(t < 0.0, low + span * xp.sigmoid(t), high - span * xp.sigmoid(-t))
    return x, xp.log(span) - xp.softplus(t) - xp.softplus(-t)


def coordinate(xp: Namespace[Array], support: Support[Array], centre: Array, width: Array, x: Array) -> Array:
    """y of x, differentiable."""
    low, high = support
    if low is None and high is None:
        return xp.arcsinh((x - centre) / width)
    if high is None:
        return xp.log(x - low) - centre
    if low is None:
        return -xp.log(high - x) - centre
    return xp.log(x - low) - xp.log(high - x) - centre


def _range(xp: Namespace[Array], support: Support[Array], zero: Array) -> tuple[Array, Array]:
    """Coordinates, for centre 0 and width 1, within which x is a normal number inside the support and x**2 finite."""
    limits = xp.finfo(zero)
    tiny, eps, far = 4.0 * float(limits.tiny), 4.0 * float(limits.eps), 0.5 * math.log(float(limits.max))
    low, high = support
    if low is None and high is None:
        return zero - far, zero + far
    # the least distance from an end that does not round to 0
    least_low = zero if low is None else xp.log(xp.maximum(eps * xp.abs(low) + zero, tiny))
    least_high = zero if high is None else xp.log(xp.maximum(eps * xp.abs(high) + zero, tiny))
    if high is None:
        return least_low, zero + far
    if low is None:
        return zero - far, -least_high
    span = xp.log(high - low)
    return least_low - span, span - least_high


def _seen(xp: Namespace[Array], g: Array) -> Array:
    """g with NaN and -inf as the least number."""
    least = -float(xp.finfo(g).max)
    return xp.where(g > least, g, least)


class _Scan(NamedTuple, Generic[Array]):
    at: Array
    values: Array
    mode: Array


def _scan(xp: Namespace[Array], g: Callable, low: Array, high: Array) -> _Scan:
    """The mode of g in [low, high]: the best of a scan, and ever finer scans between its neighbours."""
    half = SCAN // 2
    steps = [math.sinh(DENSER * i / half) / math.sinh(DENSER) for i in range(half + 1)]
    up = [0.0] * half + steps
    down = [*reversed(steps), *([0.0] * half)]
    at = high * along_axis(xp, up, high) + low * along_axis(xp, down, low)
    values = _seen(xp, g(at))
    best = xp.max(values, axis=0)
    mode = xp.max(xp.where(values >= best, at, -float(xp.finfo(at).max)), axis=0)
    # the spacing there, which grows with the distance from 0
    reach = xp.maximum(high, -low)
    spacing = 1.1 * DENSER / half * (xp.abs(mode) + reach / math.sinh(DENSER))
    fractions = along_axis(xp, [i / 8.0 for i in range(-8, 9)], high)
    for _ in range(12 if is_double(xp, high) else 8):
        closer = xp.minimum(xp.maximum(mode + spacing * fractions, low), high)
        found = _seen(xp, g(closer))
        best = xp.max(found, axis=0)
        mode = xp.max(xp.where(found >= best, closer, -float(xp.finfo(at).max)), axis=0)
        spacing = spacing / 8.0
    return _Scan(at, values, mode)


def _crossings(xp: Namespace[Array], g: Callable, peak: Array, falls: Array, limits: Array, signs: Array) -> tuple:
    """Distances between which g has fallen by `falls`, by bisection of their logarithms: before and after the fall."""
    least = 1e-10 if is_double(xp, peak) else 1e-6
    zero = 0.0 * (limits + falls)

    def step(state: tuple) -> tuple:
        near, far = state
        middle = 0.5 * (near + far)
        fallen = ~(peak - g(signs * xp.exp(middle)) < falls)  # NaN falls
        return xp.where(fallen, near, middle), xp.where(fallen, middle, far)

    # 42 halvings leave 1e-11 of a distance, 24 leave 2e-6
    count = 42 if is_double(xp, peak) else 24
    start = (zero + math.log(least), zero + xp.log(limits))
    near, far = xp.converge(step, start, lambda state: state[0] > state[1], count)
    return xp.where(near > start[0], xp.exp(near), 0.0), xp.exp(far)


def resolve(xp: Namespace[Array], log_density: Callable, support: Support[Array], zero: Array) -> tuple[Grid, Verdict]:
    """Find the panels of a density, and judge them.  Values only.

    :param log_density: elementwise, of values with any number of axes before those of `zero`.
    :param zero: zeros of the batch shape.
    """
    one = zero + 1.0
    low, high = _range(xp, support, zero)
    line = support.low is None and support.high is None

    def on_scan(t: Array) -> Array:
        x, log_jacobian = log_jacobian_at(xp, support, zero, one, t)
        return log_density(x) if line else log_density(x) + log_jacobian

    scan = _scan(xp, on_scan, low, high)
    signs = along_axis(xp, [-1.0, 1.0], zero, after=1)
    centre, width = scan.mode, one
    if line:
        centre, _ = log_jacobian_at(xp, support, zero, one, scan.mode)
        top = log_density(centre)

        def aside(y: Array) -> Array:
            return log_density(log_jacobian_at(xp, support, centre, one, y)[0])

        _, distance = _crossings(xp, aside, top, 0.5 + 0.0 * zero, 0.0 * signs + high, signs)
        distance = xp.max(xp.max(distance, axis=0), axis=0)
        width = xp.exp(distance) - xp.exp(
            -distance
        )  # twice the distance in x: one sigma there for a normal distribution
        low, high = low + xp.log(width), high - xp.log(width)
    else:
        low, high = low - centre, high - centre

    def g(y: Array) -> Array:
        x, log_jacobian = log_jacobian_at(xp, support, centre, width, y)
        return log_density(x) + log_jacobian

    peak = g(zero)
    falls = along_axis(xp, list(levels(xp, zero)), zero)
    limits = xp.maximum(xp.where(signs < 0.0, -low, high), 1e-3)
    before, after = _crossings(xp, g, peak, falls, limits, signs)
    # in order, whatever g does between: the farthest of those of lesser fall
    edges = [0.0 * after[:, 0]]
    for k in range(len(levels(xp, zero))):
        edges.append(xp.maximum(edges[-1], after[:, k]))
    inner, outer = xp.stack(edges[:-1], axis=1), xp.stack(edges[1:], axis=1)
    grid = Grid(centre, width, peak, inner, outer)
    return grid, _judge(xp, log_density, support, grid, scan, (before, after, falls, limits, signs))


def _judge(
    xp: Namespace[Array], log_density: Callable, support: Support[Array], grid: Grid[Array], scan: _Scan, found: tuple
) -> Verdict:
    before, after, falls, limits, signs = found
    zero = 0.0 * grid.centre
    g = _shape(xp, log_density, support, grid)
    fine, coarse = (masses(xp, log_density, support, grid, n) for n in (NODES, MORE_NODES))
    error = _total(xp, xp.abs(fine - coarse)) / _total(xp, fine)

    double = is_double(xp, grid.peak)
    # what lies beyond an edge is exp(-fall) or so of the whole; a density that is finite at the end of [0, 1] falls
    # by 34 to the last number before it, by 14 in float32
    fallen = grid.peak - g(signs * grid.outer[:, -1:])
    infinite = _any(xp, ~(fallen > (25.0 if double else 11.0)), zero) | ~(xp.abs(grid.peak) < float(xp.finfo(zero).max))

    # a bisection that ends with both sides of a jump
    allowed = (1e-4 if double else 1e-2) * (1.0 + falls) + 64.0 * float(xp.finfo(zero).eps) * xp.abs(grid.peak)
    drop = _seen(xp, g(signs * before)) - _seen(xp, g(signs * after))
    jump = _any(xp, (drop > allowed) & (after < limits), zero)
    aside = 1e-3 * xp.minimum(grid.outer[0, 0], grid.outer[1, 0])
    jump = jump | (xp.abs(_seen(xp, g(aside)) - _seen(xp, g(-aside))) > 1e-2)

    ends = log_jacobian_at(xp, support, grid.centre, grid.width, signs * grid.outer[:, -1:])[0]
    lowest, highest = (coordinate(xp, support, zero, zero + 1.0, end[0]) for end in (ends[0], ends[1]))
    left, right = scan.values[:-1], scan.values[1:]
    slack = 1e-3 * (1.0 + xp.minimum(xp.abs(left), xp.abs(right)))
    outward = (scan.at[:-1] > highest) & (right > left + slack)
    outward = outward | ((scan.at[1:] < lowest) & (left > right + slack))
    rises = xp.max(xp.indicator(outward, like=zero), axis=0) > 0.0
    return Verdict(error, infinite, jump, rises)


def _any(xp: Namespace[Array], condition: Array, like: Array) -> Array:
    found = xp.indicator(condition, like=like)
    return xp.max(xp.max(found, axis=0), axis=0) > 0.0


def tolerance(xp: Namespace[Array], like: Array) -> float:
    """Largest error that `Verdict.error` may have: rounding in log-densities of 1e6 or so, 1e2 in float32."""
    return 1e-9 if is_double(xp, like) else 1e-4


def resolved(xp: Namespace[Array], verdict: Verdict[Array]) -> Array:
    """Whether the panels serve."""
    fine = verdict.error <= tolerance(xp, verdict.error)
    return fine & ~verdict.infinite & ~verdict.jump & ~verdict.rises


def fault(error: float, allowed: float, infinite: bool, jump: bool, rises: bool) -> str | None:
    """What to tell a user of a verdict."""
    if infinite:
        return (
            "the density is infinite or NaN at its mode, or does not fall off towards an end of the support, so that "
            "it cannot be integrated; give a log_prob that can be normalised, on the support where it is finite"
        )
    if jump:
        return "the density jumps; let the support end where the density does, and take pieces as a mixture"
    if rises:
        return "the density rises again far from its mode; write such a distribution as a mixture of its modes"
    if not error <= allowed:
        return (
            f"its integrals by two rules differ by {error:.1e} of the whole, and {allowed:.0e} is allowed; write a "
            "distribution of several modes as a mixture, take jumps and kinks out, scale x so that the density is "
            "some units wide, "
            "or take float64"
        )
    return None


def _shape(xp: Namespace[Array], log_density: Callable, support: Support[Array], grid: Grid[Array]) -> Callable:
    def g(y: Array) -> Array:
        x, log_jacobian = log_jacobian_at(xp, support, grid.centre, grid.width, y)
        return log_density(x) + log_jacobian

    return g


def masses(
    xp: Namespace[Array], log_density: Callable, support: Support[Array], grid: Grid[Array], n: int = NODES
) -> Array:
    """int exp(g - peak) over each panel, (2, panels, *batch), differentiable in what `log_density` closes over."""
    g = _shape(xp, log_density, support, grid)
    signs = along_axis(xp, [-1.0, 1.0], grid.peak, after=1)
    span = grid.outer - grid.inner
    nodes, weights = gauss_legendre(n)
    (mass,) = xp.integrate(lambda u: xp.exp(g(signs * (grid.inner + span * u)) - grid.peak), nodes, weights, like=span)
    return span * mass


def _total(xp: Namespace[Array], mass: Array) -> Array:
    return xp.sum(xp.sum(mass, axis=0), axis=0)


def log_normalizer(xp: Namespace[Array], grid: Grid[Array], mass: Array) -> Array:
    """The logarithm of the integral of the density."""
    return grid.peak + xp.log(_total(xp, mass))


def _side(xp: Namespace[Array], values: Array, upper: Array) -> Array:
    """The panels' values above the mode or below it, (panels, *shape of `upper`)."""
    batch = tuple(values.shape[2:])
    below, above = (v.reshape((v.shape[0],) + (1,) * (upper.ndim - len(batch)) + batch) for v in (values[0], values[1]))
    return xp.where(upper, above, below)


def _beyond(
    xp: Namespace[Array],
    log_density: Callable,
    support: Support[Array],
    grid: Grid[Array],
    mass: Array,
    upper: Array,
    y: Array,
) -> Array:
    """The mass beyond the distance y from the mode, above it where `upper` holds, in units of exp(peak)."""
    inner, outer, part = (_side(xp, values, upper) for values in (grid.inner, grid.outer, mass))
    rest = xp.sum(xp.where(inner > y, part, 0.0), axis=0)
    far = float(xp.finfo(y).max)
    end = -xp.max(xp.where((outer > y) & (outer > inner), -outer, -far), axis=0)
    end = xp.where(end < far, end, y + (outer[-1] - inner[-1]))  # outside: as far again
    end = xp.stop_gradient(end)
    g = _shape(xp, log_density, support, grid)
    sign, span = 2.0 * xp.indicator(upper, like=y) - 1.0, end - y
    nodes, weights = gauss_legendre(NODES)
    (partial,) = xp.integrate(lambda u: xp.exp(g(sign * (y + span * u)) - grid.peak), nodes, weights, like=span)
    return rest + span * partial


def log_tails(
    xp: Namespace[Array], log_density: Callable, support: Support[Array], grid: Grid[Array], mass: Array, x: Array
) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)), differentiable in x and in what `log_density` closes over; at the ends of the
    support and outside of it 0 and -inf, whatever the parameters."""
    low, high = (math.inf * sign if end is None else end for end, sign in zip(support, (-1.0, 1.0), strict=True))
    below, above = x <= low, x >= high
    x = xp.where(below | above, log_jacobian_at(xp, support, grid.centre, grid.width, 0.0 * grid.centre)[0], x)
    y = coordinate(xp, support, grid.centre, grid.width, x)
    upper = y > 0.0
    beyond = _beyond(xp, log_density, support, grid, mass, upper, xp.where(upper, y, -y))
    log_direct = xp.log(xp.maximum(beyond, float(xp.finfo(x).tiny))) - xp.log(_total(xp, mass))
    lower, higher = both_log_tails(xp, log_direct, ~upper)
    lower = xp.where(below, -math.inf, xp.where(above, 0.0, lower))
    return lower, xp.where(above, -math.inf, xp.where(below, 0.0, higher))


# Newton's method on a log-tail within one panel takes 4 to 8 steps; bisection, its safeguard, 50 at most.
MAX_STEPS = 60


def quantile(
    xp: Namespace[Array],
    log_density: Callable,
    support: Support[Array],
    grid: Grid[Array],
    mass: Array,
    q: Array,
    one_minus_q: Array,
) -> Array:
    """x with P(X <= x) = q, 0 < q < 1; values only."""
    below, above = xp.sum(mass[0], axis=0), xp.sum(mass[1], axis=0)
    total = below + above
    upper = q * total > below
    target = total * xp.where(upper, one_minus_q, q)
    inner, outer, part = (_side(xp, values, upper) for values in (grid.inner, grid.outer, mass))
    low, high, remaining = inner[-1], outer[-1], 0.0 * target
    for k in range(len(levels(xp, target)) - 1, -1, -1):
        here = target > remaining
        low, high = xp.where(here, inner[k], low), xp.where(here, outer[k], high)
        remaining = remaining + part[k]
    g = _shape(xp, log_density, support, grid)
    sign = 2.0 * xp.indicator(upper, like=target) - 1.0
    enough = math.sqrt(float(xp.finfo(target).eps))

    def step(state: tuple) -> tuple:
        y, low, high, _ = state
        beyond = _beyond(xp, log_density, support, grid, mass, upper, y)
        error = xp.log(beyond) - xp.log(target)
        low, high = xp.where(error > 0.0, y, low), xp.where(error > 0.0, high, y)
        new = y + error * beyond * xp.exp(grid.peak - g(sign * y))
        new = xp.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        # a bracket as narrow as rounding holds the root too
        return new, low, high, xp.where(high - low > 4.0 * float(xp.finfo(y).eps) * high, xp.abs(error), 0.0 * y)

    start = (0.5 * (low + high), low, high, 1.0 + 0.0 * target)
    y = xp.converge(step, start, lambda state: ~(state[3] > enough), MAX_STEPS)[0]
    return log_jacobian_at(xp, support, grid.centre, grid.width, sign * y)[0]
