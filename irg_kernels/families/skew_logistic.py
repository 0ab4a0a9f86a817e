"""SkewLogistic, the generalized logistic distribution of type I: F is a power of the logistic one.

symbol   meaning
y        (x - loc) / scale
a        asymmetry
e        a log(1 + exp(-y)) = -log F, an exponential number
"""

from __future__ import annotations

import dataclasses
import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line, logistic_rise, logistic_shares
from ..numerics.elementary import log1mexp_exp, log_expm1, log_softplus
from ..numerics.gamma_function import EULER, digamma, trigamma
from ..numerics.roots import log_survival


def log_density(xp: Namespace[Array], y: Array, a: Array, rest: Array | float = 0.0) -> Array:
    """:param rest: what rounding y has left."""
    e = a * (xp.softplus(-y) - xp.sigmoid(-y) * rest)
    return xp.log(a) - e - (xp.softplus(y) + xp.sigmoid(y) * rest)


def score_y(xp: Namespace[Array], y: Array, a: Array) -> Array:
    return a * xp.sigmoid(-y) - xp.sigmoid(y)


def score_a(xp: Namespace[Array], y: Array, a: Array) -> Array:
    return 1.0 / a - xp.softplus(-y)


def log_tails(xp: Namespace[Array], y: Array, a: Array) -> tuple[Array, Array]:
    return -a * xp.softplus(-y), log1mexp_exp(xp, xp.log(a) + log_softplus(xp, -y))


def dy_da(xp: Namespace[Array], y: Array, a: Array) -> Array:
    """log(1 + z) (1 + z) / (a z), z = exp(-y); 1 / a far above."""
    far = y > 40.0
    near = xp.where(far, 0.0, y)
    return xp.where(far, 1.0, xp.softplus(-near) * (1.0 + xp.exp(near))) / a


def find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array) -> Array:
    return -log_expm1(xp, -log_survival(xp, one_minus_q, q) / a)


def _shape(xp: Namespace[Array], a: Array, loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        y = (x - loc) / scale
        p, q = logistic_shares(xp, y)
        return logistic_rise(xp, a + 0.0 * x, 1.0 + 0.0 * x, p, q, v / scale, y)

    return Shape(line(scale * (1.0 + 1.0 / a)), rise, loc + scale * xp.log(a))


STANDARD = Family(
    parameters={"asymmetry": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(dy_da,),
    scores=(score_y, score_a),
    tails_are_closed=True,
    quantile=Quantile(find, log_density, (dy_da,)),
    entropy=lambda xp, a: 1.0 + EULER + digamma(xp, a + 1.0) - xp.log(a),
    mean=lambda xp, a: digamma(xp, a) + EULER,
    variance=lambda xp, a: trigamma(xp, a) + math.pi**2 / 6.0,
)

FAMILY = dataclasses.replace(
    located(STANDARD, _shape),
    about=r"""
    Distribution function :math:`(1 + e^{-y})^{-a}` with :math:`y = (x - \mu) / \sigma`.

    :param loc: :math:`\mu`; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param asymmetry: :math:`a > 0`; the distribution leans to the right where it is above 1.
    """,
)
