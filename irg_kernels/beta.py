"""Beta(a, b) in the logit x = log z - log w, w = 1 - z: the derivatives of x in a and b at fixed quantile.

    symbol   meaning
    z, w     the draw and its complement, sigmoid(x) and sigmoid(-x); neither is ever formed as 1 minus the other
    delta    a w - b z, zero at the mean
    k        log z + psi(a + b) - psi(a), the score of a
    y        integration variable, measured outwards from x
    ell      log1p(zeta expm1(-y)), zeta = z on the lower tail, w on the upper one

From the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see `quadrature`).  Small shapes put plateaus into both
tails; one integration by parts raises the shape of the tail in use, alpha = a + 1 (lower) or b + 1 (upper), and takes
its plateau out in closed form.  With n = a + b + 1 and E(y) = alpha y + n ell(y), a convex function,

    lower:  dx/da = (z (a + b) int_0^inf (y + ell - k0) exp(-E) dy + 1 / (a + b) - k0) / a,
    upper:  dx/da = (w (a + b) int_0^inf (k0 + 1/a - ell) exp(-E) dy + k) / b.

The other derivative follows from the mirror image, w ~ Beta(b, a): dx/db(x; a, b) = -dx/da(-x; b, a).
"""

from __future__ import annotations

from .elementary import digamma_terms, exp_remainder, log1p_remainder
from .namespace import Array, Namespace
from .quadrature import depth, tail_integral

# worst error over shapes 1e-3..1e6 and quantiles 1e-12..1 - 1e-12: 1.6e-6 with the first number of nodes, 5e-13 with
# the second; it is met near k = -b / a with b near 1e-3, elsewhere 14 and 32 would do
SINGLE, DOUBLE = 20, 48


def dlogit_da(xp: Namespace, x: Array, a: Array, b: Array) -> Array:
    """dx/da for sigmoid(x) ~ Beta(a, b) at fixed quantile."""
    z, w, total = xp.sigmoid(x), xp.sigmoid(-x), a + b
    delta = a * w - b * z
    k0 = _score(xp, x, w, a, b, delta)
    k = k0 + b / (a * total)
    # symmetric in the two tails, but the score of the upper one must not be much below zero; where it is a little, the
    # lower tail would have the longer plateau
    is_lower = (delta + 0.5 * (w - z) > 0.0) | (k * (1.0 + a) < -2.0 * b)
    lower = xp.indicator(is_lower, like=x)
    sign = 2.0 * lower - 1.0
    zeta = xp.where(is_lower, z, w)
    complement = xp.where(is_lower, w, z)
    shape = xp.where(is_lower, a, b)
    c = xp.where(is_lower, -k0, k0 + 1.0 / a)
    slope = sign * delta + complement  # alpha - n zeta

    def integrand(y: Array) -> Array:
        rise, exponent = _outwards(xp, y, zeta, complement, lower, shape + 1.0, total + 1.0, slope)
        return (c + rise) * xp.exp(-exponent)

    cut = _cut(xp, zeta, complement, shape + 1.0, total + 1.0, slope, xp.where(is_lower, -x, x))
    tail = tail_integral(xp, integrand, cut, single=SINGLE, double=DOUBLE)
    return (zeta * total * tail + xp.where(is_lower, 1.0 / total - k0, k)) / shape


def dlogit_db(xp: Namespace, x: Array, a: Array, b: Array) -> Array:
    """dx/db for sigmoid(x) ~ Beta(a, b) at fixed quantile."""
    return -dlogit_da(xp, -x, b, a)


def dz_da(xp: Namespace, z: Array, a: Array, b: Array) -> Array:
    """dz/da for z ~ Beta(a, b) at fixed quantile, 0 <= z <= 1."""
    return z * (1.0 - z) * dlogit_da(xp, _logit(xp, z), a, b)


def dz_db(xp: Namespace, z: Array, a: Array, b: Array) -> Array:
    """dz/db for z ~ Beta(a, b) at fixed quantile, 0 <= z <= 1."""
    return -z * (1.0 - z) * dlogit_da(xp, -_logit(xp, z), b, a)


def _logit(xp: Namespace, z: Array) -> Array:
    """Finite at 0 and 1 too, where the derivatives above vanish."""
    tiny = float(xp.finfo(z).tiny)
    return xp.log(xp.maximum(z, tiny)) - xp.log(xp.maximum(1.0 - z, tiny))


def _outwards(
    xp: Namespace, y: Array, zeta: Array, complement: Array, lower: Array, alpha: Array, n: Array, slope: Array
) -> tuple[Array, Array]:
    """(y + ell or -ell, E) at y: how far the score and the exponent have risen."""
    sign = 2.0 * lower - 1.0
    if xp.spare_precision:
        ell = xp.log(complement + zeta * xp.exp(-y))
        return lower * y + sign * ell, alpha * y + n * ell
    # E = slope y + n g with g = ell + zeta y, symmetric under zeta -> 1 - zeta, y -> -y.  With m the smaller of the
    # two and v = m expm1(s y), g = log1p(v) - m s y, or m h(s y) - (v - log1p(v)) where that would cancel.
    m = xp.minimum(zeta, complement)
    far = xp.indicator(zeta > complement, like=y)
    s = (2.0 * far - 1.0) * y
    h = exp_remainder(xp, s)
    v = m * (h + s)
    log1p_v = xp.log1p(v)
    near, remainder = log1p_remainder(xp, v)
    g = xp.where(near, m * h - remainder, log1p_v - m * s)
    return xp.abs(lower - far) * y + sign * log1p_v, slope * y + n * g


def _score(xp: Namespace, x: Array, w: Array, a: Array, b: Array, delta: Array) -> Array:
    """k0 = log z + psi(a + b) - psi(a) - b / (a (a + b)), to full accuracy beside its terms.

    psi(a + b) - psi(a) = sum_{j < shift} b / ((a + j) (a + b + j)) + log((A + b) / A) + D(A + b) - D(A), A = a + shift,
    D = psi - log by its asymptotic series (DLMF 5.11.2) in divided differences; the logarithm joins log z, since
    z (A + b) / A - 1 = -(delta + shift w) / A.  k0 leaves out the term of j = 0, which the lower tail cancels.
    """
    shift, coefficients = digamma_terms(xp, x)
    total = a + b
    large = a + float(shift)
    r, s = 1.0 / large, 1.0 / (large + b)
    ratio = -(delta + float(shift) * w) * r
    near = xp.abs(ratio) < 0.5
    log_z = -xp.softplus(-x)
    logarithm = xp.where(near, xp.log1p(xp.where(near, ratio, 0.0)), log_z + xp.log1p(b * r))
    r2, s2 = r * r, s * s
    power, divided, series = s2, 1.0, coefficients[0]
    for coefficient in coefficients[1:]:
        divided = r2 * divided + power
        series = series + coefficient * divided
        power = power * s2
    tail = r * s * (0.5 + (r + s) * series)
    for j in range(1, shift):
        tail = tail + 1.0 / ((a + float(j)) * (total + float(j)))
    return logarithm + b * tail


def _cut(xp: Namespace, zeta: Array, complement: Array, alpha: Array, n: Array, slope: Array, outward: Array) -> Array:
    """A y near the root of E(y) = depth; `outward` is -log(zeta / complement)."""
    zeta, complement, alpha, n, slope, outward = map(xp.stop_gradient, (zeta, complement, alpha, n, slope, outward))
    fall = depth(xp, zeta)
    # E >= alpha log1p(complement expm1(y)) + (n - alpha) log(complement)
    log_complement = -xp.softplus(-outward)
    rise = (fall - (n - alpha) * log_complement) / alpha
    bound = xp.softplus(xp.log(-xp.expm1(-rise)) + rise - log_complement)
    y = 2.0 * fall / (slope + xp.sqrt(slope * slope + 2.0 * fall * n * zeta * complement))
    y = xp.minimum(y, bound)
    for _ in range(2):
        e = zeta * xp.exp(-y)
        s = complement + e
        y = xp.minimum(y - (alpha * y + n * xp.log(s) - fall) / (alpha - n * e / s), bound)
    return y
