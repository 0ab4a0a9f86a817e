"""SoftAsymmetricLaplace: an asymmetric Laplace number and a normal one; a mixture of two exponentially modified
Gaussians, see `exponentially_modified_gaussian`.

symbol   meaning
y, s     (x - loc) / scale, and softness, the normal number's standard deviation
k        asymmetry
R, L     the normal number plus an exponential one of rate k, and less one of rate 1 / k
r        share of R in the density at y

The weights are 1 / (1 + k**2) and k**2 / (1 + k**2).  What a change of them moves is dy/dk = -2 / (1 + k**2), since
P(R > y) - P(L > y) = p_R / k + k p_L.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.derived import located
from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line
from ..numerics.elementary import both_log_tails, finite, log_sum
from ..numerics.quadrature import is_double
from ..numerics.roots import newton_on_tail, smaller_mass
from . import asymmetric_laplace, normal
from . import exponentially_modified_gaussian as one_sided

_SIDE = one_sided.FAMILY


def _sides(function: Callable, xp: Namespace[Array], y: Array, k: Array, s: Array) -> tuple[Array, Array]:
    """function(xp, value, 0, s, rate) of R at y and of L's mirror image at -y."""
    zero = 0.0 * s  # not of y, which may be infinite
    return function(xp, y, zero, s, k), function(xp, -y, zero, s, 1.0 / k)


def _log_weights(xp: Namespace[Array], k: Array) -> tuple[Array, Array]:
    return -xp.log1p(k * k), -xp.log1p(1.0 / k / k)


def _weighted(xp: Namespace[Array], y: Array, k: Array, s: Array) -> tuple[Array, Array]:
    """Logarithms of both parts of the density."""
    right, left = _sides(one_sided.log_density, xp, y, k, s)
    of_right, of_left = _log_weights(xp, k)
    return finite(xp, right) + of_right, finite(xp, left) + of_left  # far out of one the other has a share of 1


def log_density(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    return log_sum(xp, *_weighted(xp, y, k, s))


def log_tails(xp: Namespace[Array], y: Array, k: Array, s: Array) -> tuple[Array, Array]:
    right, left = _sides(one_sided.log_tails, xp, y, k, s)
    of_right, of_left = _log_weights(xp, k)
    lower = log_sum(xp, right[0] + of_right, left[1] + of_left)
    upper = log_sum(xp, right[1] + of_right, left[0] + of_left)
    return both_log_tails(xp, xp.minimum(lower, upper), lower < upper)


def _shares(xp: Namespace[Array], y: Array, k: Array, s: Array) -> tuple[Array, Array]:
    """(r, 1 - r)"""
    right, left = _weighted(xp, y, k, s)
    return xp.sigmoid(right - left), xp.sigmoid(left - right)


def _dy_dk(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    r, rest = _shares(xp, y, k, s)
    right, left = _sides(_SIDE.slopes[2], xp, y, k, s)
    return r * right + rest * left / k / k - 2.0 / (1.0 + k * k)


def _dy_ds(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    r, rest = _shares(xp, y, k, s)
    right, left = _sides(_SIDE.slopes[1], xp, y, k, s)
    return r * right - rest * left


def _of_sides(xp: Namespace[Array], which: int, y: Array, k: Array, s: Array) -> tuple[Array, Array]:
    """The scores of both parts, each times its share."""
    assert _SIDE.scores is not None
    r, rest = _shares(xp, y, k, s)
    right, left = _sides(_SIDE.scores[which], xp, y, k, s)
    return r * finite(xp, right), rest * finite(xp, left)


def _score_y(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    right, left = _of_sides(xp, 0, y, k, s)
    return right - left


def _score_k(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    right, left = _of_sides(xp, 3, y, k, s)
    return right - left / k / k + 2.0 * (_shares(xp, y, k, s)[1] / k - k / (1.0 + k * k))


def _score_s(xp: Namespace[Array], y: Array, k: Array, s: Array) -> Array:
    right, left = _of_sides(xp, 2, y, k, s)
    return right + left


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, k: Array, s: Array) -> Array:
    """By Newton's method on the logarithm of the smaller tail, which is concave.

    From twice the farther of the two numbers' quantiles of half that tail, which is outside of the root: one of the
    numbers lies beyond half of where their sum lies.
    """
    is_lower, target = smaller_mass(xp, q, one_minus_q)
    half = 0.5 * xp.minimum(q, one_minus_q)
    bell = s * normal.upper_quantile(xp, target - math.log(2.0))
    low, high = xp.where(is_lower, half, 1.0 - half), xp.where(is_lower, 1.0 - half, half)
    edge = xp.abs(asymmetric_laplace.find(xp, low, high, k))
    start = 2.0 * xp.maximum(bell, edge)
    start, most = xp.where(is_lower, -start, start), 0.01 * float(xp.finfo(q).max)
    return newton_on_tail(xp, log_tails, log_density, is_lower, target, start, most, k, s)


def _mode(xp: Namespace[Array], k: Array, s: Array) -> Array:
    """Of y, value only, to a thousandth of the way between the modes of both parts, where a smooth density may be cut:
    the density is log-concave."""
    k, s = xp.stop_gradient(k), xp.stop_gradient(s)

    def halve(state: tuple) -> tuple:
        low, high = state
        middle = 0.5 * (low + high)
        rises = _score_y(xp, middle, k, s) > 0.0
        return xp.where(rises, middle, low), xp.where(rises, high, middle)

    start = -s * one_sided.mode(xp, s / k), s * one_sided.mode(xp, s * k)
    low, high = xp.converge(halve, start, lambda state: state[0] > state[1], 10)
    return xp.stop_gradient(0.5 * (low + high))


def _at_end(xp: Namespace[Array], by_rise: Array, log_unit: Array, y: Array, w: Array, s: Array, rate: Array) -> Array:
    """What a part has at y + w: `by_rise`, but where y lies so far below it that the rise to where it is all of the
    density has lost its digits, from the part's density itself."""
    below, at = y / s - rate * s, (y + w) / s - rate * s
    lost = (below < -3.0) & (at > -4.0) & (rate * s < 3.0)
    z = xp.where(lost, at, 0.0)
    own = xp.log(rate) - rate * (y + w - 0.5 * rate * s * s) + xp.log_ndtr(z)
    return xp.where(lost, log_unit + own, by_rise)


def _shape(xp: Namespace[Array], k: Array, s: Array, loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        """log(r exp(R) + (1 - r) exp(L)) of the rises of both parts."""
        y, w = (x - loc) / scale, v / scale
        right, left = one_sided.rise(xp, y, w, s, k), one_sided.rise(xp, -y, -w, s, 1.0 / k)
        of_right, of_left = _weighted(xp, y, k, s)
        apart = of_right - of_left
        near = (xp.abs(right) < 0.5) & (xp.abs(left) < 0.5)
        small, other = (xp.expm1(xp.where(near, by, 0.0)) for by in (right, left))
        change = xp.sigmoid(apart) * small + xp.sigmoid(-apart) * other
        whole = log_sum(xp, of_right, of_left)
        log_weights = _log_weights(xp, k)
        far = log_sum(
            xp,
            _at_end(xp, right - xp.softplus(-apart), log_weights[0] - whole, y, w, s, k),
            _at_end(xp, left - xp.softplus(apart), log_weights[1] - whole, -y, -w, s, 1.0 / k),
        )
        return xp.where(near, xp.log1p(change), far)

    # of two lengths: the panels about the mode are as long as the normal number's reach, the others have the tails
    mode, reach = _mode(xp, k, s), (8.5 if is_double(xp, s) else 5.5) * xp.stop_gradient(s)
    chart = line(xp.stop_gradient(scale * xp.maximum(s, xp.minimum(k, 1.0 / k))))
    below, middle, above = (loc + scale * y for y in (mode - reach, mode, mode + reach))
    return Shape(chart, rise, below, valley=(middle, above))


def _draw(xp: Namespace[Array], bell: Array, first: Array, second: Array, k: Array, s: Array) -> Array:
    return s * bell + (k * xp.log(first) - xp.log(second) / k)


FAMILY = located(
    Family(
        about=r"""
        :math:`\mu + \sigma (s n - \kappa u + v / \kappa)`, with n a standard normal number and u, v exponential ones.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        :param asymmetry: :math:`\kappa > 0`.
        :param softness: :math:`s > 0`.
        """,
        parameters={"asymmetry": "positive", "softness": "positive"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_dk, _dy_ds),
        scores=(_score_y, _score_k, _score_s),
        quantile=Quantile(_find, log_density, (_dy_dk, _dy_ds)),
        draw=Draw(_draw, ("normal", "uniform", "uniform")),
        mean=lambda xp, k, s: 1.0 / k - k + 0.0 * s,
        variance=lambda xp, k, s: 1.0 / k / k + k * k + s * s,
    ),
    _shape,
)
