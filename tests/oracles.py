"""The judge of numbers: derivatives of quantiles to 30 digits and more, by mpmath.

Each oracle answers one question: at a fixed quantile, how does the draw move when a parameter moves?  For a CDF ``F``
and a density ``p`` that is ``dz/dtheta = -(dF/dtheta) / p(z)`` (Figurnov, Mohamed, Mnih 2018, equation 6).  The CDFs
here are series, never the tail integrals which ``irg_kernels`` integrates, so that the two can only agree by being
right.  (The one quadrature, for von Mises, seconds its series and serves where the series would cancel to nothing.)

Precision: every oracle is evaluated at rising working precision until two evaluations agree in ``max(mp.dps, 50)``
digits, whatever cancels on the way; raise ``mp.dps`` to differentiate an oracle again.  Inputs are exact: a float is
the number it stands for.  Coordinates (log z, logit z, log|t|) are used so that no point has to be formed as a float.
Time grows with the digits that cancel, as -log of the smaller tail: a quantile of 1e-12 is nothing, 1e-10000 hangs.
"""

import functools
import math

from mpmath import mp
from scipy import special

from tests.rows import ROWS

DIGITS = 50


def settled(function):
    """``function()``, a tuple of mpf, at rising precision until two evaluations agree in max(mp.dps, 50) digits."""
    digits, guard, previous = max(mp.dps, DIGITS), 15, None
    while guard < 20_000:
        with mp.workdps(digits + guard):
            value = function()
            tolerance = mp.mpf(10) ** -digits
            if previous and all(abs(v - p) <= tolerance * abs(v) for v, p in zip(value, previous, strict=True)):
                return value
        previous, guard = value, 2 * guard
    raise ArithmeticError(f"no two evaluations agree in {digits} digits at {guard} guard digits: {value}")


def derivatives(function, arguments, digits=20):
    """Rows of d function_i / d argument_j (``function`` returns a tuple) by central differences.

    The step is 10**(-dps/3): truncation leaves 2/3 of the digits, cancellation as many.  dps rises until two answers
    agree in ``digits`` digits; what is below the smallest float64 is returned as 0.
    """
    columns = [_derivative(function, [mp.convert(x) for x in arguments], j, digits) for j in range(len(arguments))]
    return [list(row) for row in zip(*columns, strict=True)]


def _derivative(function, arguments, j, digits):
    def difference():
        step = mp.mpf(10) ** (-mp.dps // 3) * (min(1, abs(arguments[j])) or 1)
        high, low = (function(*arguments[:j], arguments[j] + shift, *arguments[j + 1 :]) for shift in (step, -step))
        return [(above - below) / (2 * step) for above, below in zip(high, low, strict=True)]

    dps, previous, threshold = 60, None, mp.mpf(10) ** -digits
    while dps < 2000:
        with mp.workdps(dps):
            value = difference()
            # A slope of 1e-270 differences to an exact 0 until the digits reach it, so that no early 0 is believed.
            pairs = zip(value, previous or [mp.inf] * len(value), strict=True)
            if all(abs(v - p) <= threshold * abs(v) > 0 or (abs(v) < 1e-323 and dps > 1000) for v, p in pairs):
                return [mp.zero if abs(v) < 1e-323 else v for v in value]
        previous, dps = value, dps * 3 // 2
    raise ArithmeticError(f"no two difference quotients agree in {digits} digits: {value}, arguments {arguments}")


def gamma_partial(a, log_z):
    """d log z / da at a fixed quantile of Gamma(a, 1), as a 1-tuple.

    P(a, z) = z^a e^-z / Gamma(a + 1) * S,  S = sum_n z^n / (a + 1)_n      (DLMF 8.7.1 with 8.2.4 and 8.2.6)
    d log z / da = -(dP/da) / (z p(z)) = -((log z - psi(a + 1)) S + dS/da) / a.
    """
    a, log_z = mp.convert(a), mp.convert(log_z)

    def evaluate():
        total, slope = _gamma_sums(a, mp.exp(log_z))
        return (-((log_z - mp.digamma(a + 1)) * total + slope) / a,)

    return settled(evaluate)


def _gamma_sums(a, z):
    """S and dS/da: each term is the last times z / (a + n); the log-derivative of term n is -sum_j 1 / (a + j)."""
    term, slope = mp.one, mp.zero
    total, slopes, n = mp.one, mp.zero, 0
    while True:
        n += 1
        ratio = z / (a + n)
        term *= ratio
        slope -= 1 / (a + n)
        total += term
        slopes += term * slope
        if ratio < 1 and term * (1 - slope) < mp.eps * (1 - ratio):
            return total, slopes


def gamma_tails(a, log_z):
    """(P, 1 - P, dP / d log z) of Gamma(a, 1) at log z; DLMF 8.7.1, at the working precision."""
    density = mp.exp(a * log_z - mp.exp(log_z) - mp.loggamma(a))
    lower = density / a * _gamma_sums(a, mp.exp(log_z))[0]
    return lower, 1 - lower, density


def gamma_quantile(q, a):
    """log z with P(a, z) = q, to some 10 digits, as a float.

    Newton on the log of the smaller tail: from P ~ z^a / Gamma(a + 1) (DLMF 8.7.1) where z is tiny, else from SciPy.
    """
    start = (math.log(q) + math.lgamma(a + 1)) / a
    if start > -100:
        start = math.log(special.gammaincinv(a, q) if q <= 0.5 else special.gammainccinv(a, 1 - q))
    return _solve(lambda log_z: gamma_tails(mp.convert(a), log_z), q, start)


def _solve(tails, q, x, low=-mp.inf, high=mp.inf):
    """x where the smaller tail has its probability, by bracketed Newton; ``tails(x)`` gives (lower, upper, density)."""
    with mp.workdps(40):
        q, x = mp.convert(q), mp.convert(x)
        for _ in range(60):
            lower, upper, density = tails(x)
            error = mp.log(lower / q) if q <= 0.5 else mp.log((1 - q) / upper)
            low, high = (x, high) if error < 0 else (low, x)
            new = x - error * (lower if q <= 0.5 else upper) / density
            new = new if low <= new <= high else (low + high) / 2
            if abs(new - x) <= max(1e-11 * abs(x), 1e-25):  # 1e-25: where a symmetric distribution has its median, 0
                return float(new) if abs(new) > 1e-20 else 0.0
            x = new
    raise ArithmeticError(f"no quantile found for q={q}, last x={x}")


def beta_partial(a, b, x):
    """(dx/da, dx/db), x = logit z, at a fixed quantile of Beta(a, b).

    I_z(a, b) = z^a (1-z)^b / (a B(a, b)) * S,  S = sum_n (a + b)_n / (a + 1)_n z^n      (DLMF 8.17.8 with 15.2.1)
    dx/da = -(dI/da) / (z (1-z) p(z)) = -((log z - psi(a + 1) + psi(a + b)) S + dS/da) / a
    dx/db = -((log(1-z) - psi(b) + psi(a + b)) S + dS/db) / a
    For z > 1/2 by I_z(a, b) = 1 - I_{1-z}(b, a) (DLMF 8.17.4), under which x changes sign.
    """
    a, b, x = mp.convert(a), mp.convert(b), mp.convert(x)
    if x > 0:
        by_b, by_a = beta_partial(b, a, -x)
        return -by_a, -by_b

    def evaluate():
        log_z, log_y = -mp.log1p(mp.exp(-x)), -mp.log1p(mp.exp(x))
        total, by_a, by_b = _beta_sums(a, b, mp.exp(log_z))
        common = mp.digamma(a + b)
        return (
            -((log_z - mp.digamma(a + 1) + common) * total + by_a) / a,
            -((log_y - mp.digamma(b) + common) * total + by_b) / a,
        )

    return settled(evaluate)


def _beta_sums(a, b, z):
    """S, dS/da, dS/db: each term is the last times z (a + b + n - 1) / (a + n)."""
    term, by_a, by_b = mp.one, mp.zero, mp.zero
    total, total_a, total_b, n = mp.one, mp.zero, mp.zero, 0
    while True:
        n += 1
        up, down = a + b + (n - 1), a + n
        ratio = z * up / down
        term *= ratio
        by_b += 1 / up
        by_a += (down - up) / (up * down)
        total += term
        total_a += term * by_a
        total_b += term * by_b
        if ratio < 1 and z < 1 and term * (1 + abs(by_a) + by_b) < mp.eps * (1 - max(ratio, z)):
            return total, total_a, total_b


def beta_tails(a, b, x):
    """(I_z, 1 - I_z, dI/dx) of Beta(a, b) at x = logit z; DLMF 8.17.8, at the working precision."""
    if x > 0:
        upper, lower, density = beta_tails(b, a, -x)
        return lower, upper, density
    log_z, log_y = -mp.log1p(mp.exp(-x)), -mp.log1p(mp.exp(x))
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    density = mp.exp(a * log_z + b * log_y - log_beta)
    lower = density / a * _beta_sums(a, b, mp.exp(log_z))[0]
    return lower, 1 - lower, density


def beta_quantile(q, a, b):
    """logit z with I_z(a, b) = q, to some 10 digits, as a float.

    Newton as for gamma: from I_z ~ z^a / (a B(a, b)) (DLMF 8.17.8) or its mirror image far out, else from SciPy.
    """
    log_beta = special.betaln(a, b)
    lower = (math.log(q) + math.log(a) + log_beta) / a
    upper = (math.log1p(-q) + math.log(b) + log_beta) / b
    start = lower if lower < -100 else -upper
    if min(lower, upper) > -100:
        start = math.log(special.betaincinv(a, b, q)) - math.log(special.betaincinv(b, a, 1 - q))
    return _solve(lambda x: beta_tails(mp.convert(a), mp.convert(b), x), q, start)


def student_t_partial(nu, u):
    """d log|t| / d nu at a fixed quantile of Student's t with nu degrees of freedom, u = log|t|, as a 1-tuple.

    t^2 / (nu + t^2) ~ Beta(1/2, nu/2), with logit X = 2u - log nu (Abramowitz & Stegun 26.5.27, 26.7.1).  So
    2 du/dnu = 1/nu + dX/dnu,  dX/dnu = (1/2) dX/db at b = nu/2,  and  du/dnu = 1 / (2 nu) + (1/4) dX/db.
    For large nu the two nearly cancel, leaving -(t^2 + 1) / (4 nu^2): ``settled`` raises the precision.
    """
    nu, u = mp.convert(nu), mp.convert(u)
    return settled(lambda: (1 / (2 * nu) + beta_partial(mp.mpf(0.5), nu / 2, 2 * u - mp.log(nu))[1] / 4,))


def student_t_quantile(q, nu):
    """log t with F(t) = q > 1/2, to some 10 digits, as a float; by the beta distribution of t^2 / (nu + t^2)."""
    if q <= 0.5:
        raise ValueError(f"student_t_quantile: q = {q} must be above 1/2, where log t exists")
    return (beta_quantile(2 * q - 1, 0.5, nu / 2) + math.log(nu)) / 2


def von_mises_partial(kappa, z):
    """dz/dkappa at a fixed quantile of von Mises(0, kappa), z in (-pi, pi), as a 1-tuple; -sin z at kappa = 0.

    By the Fourier series of the CDF, r_n = I_n(kappa) / I_0(kappa) (DLMF 10.35.2, integrated term by term):
    F(z) = 1/2 + z / (2 pi) + (1/pi) sum_n r_n sin(n z) / n,
    dF/dkappa = (1/pi) sum_n ((r_{n-1} + r_{n+1}) / 2 - r_1 r_n) sin(n z) / n      (DLMF 10.29.1).
    The series cancels to e^(kappa (cos z - 1)); where that costs more than 200 digits, by quadrature.
    """
    kappa, z = mp.convert(kappa), mp.convert(z)
    if kappa * (1 - mp.cos(z)) > 460:
        return von_mises_partial_by_quadrature(kappa, z)

    def evaluate():
        _, slope, density = _von_mises_series(kappa, z)
        return (-slope / density,)

    return settled(evaluate)


def _von_mises_series(kappa, z):
    """(F - 1/2, dF/dkappa, p) from the Fourier series.

    I_n / I_{n-1} by backward recurrence (Miller; DLMF 10.29.1, 10.74(iv)) from where r_n ~ e^(-n^2 / (2 kappa)) is
    below the working precision; I_0 = e^kappa / (1 + 2 sum r_n) (DLMF 10.35.2 at theta = 0).
    """
    depth = math.log(10) * mp.dps
    size = int(math.sqrt(2 * abs(kappa) * depth) + depth) + 20
    ratios = [mp.zero] * (size + 2)
    for n in range(size, 0, -1):
        ratios[n] = kappa / (2 * n + kappa * ratios[n + 1])
    before, here, first = mp.one, ratios[1], ratios[1]
    sine, sine_before, twice_cosine = mp.sin(z), mp.zero, 2 * mp.cos(z)
    cdf, slope, mass = z / 2, mp.zero, mp.one
    for n in range(1, size + 1):
        after = here * ratios[n + 1]
        cdf += here * sine / n
        slope += ((before + after) / 2 - first * here) * sine / n
        mass += 2 * here
        before, here = here, after
        sine, sine_before = twice_cosine * sine - sine_before, sine
    density = mp.exp(kappa * (mp.cos(z) - 1)) * mass / (2 * mp.pi)
    return cdf / mp.pi, slope / mp.pi, density


def von_mises_partial_by_quadrature(kappa, z):
    """dz/dkappa as above, by -(1/p) int_0^z (cos t - A) p dt = (1/p) int_z^pi (cos t - A) p dt, A = I_1 / I_0.

    On the side where the integrand keeps its sign, in pieces as long as the density's own scale.  A by its continued
    fraction (DLMF 10.33.1), which converges where mpmath's Bessel functions of 1e8 may not.
    """
    kappa, z = mp.convert(kappa), mp.convert(z)
    if z < 0:
        return (-von_mises_partial_by_quadrature(kappa, -z)[0],)

    def evaluate():
        depth = math.log(10) * mp.dps
        mean = mp.zero
        for n in range(int(math.sqrt(2 * abs(kappa) * depth) + depth) + 20, 0, -1):
            mean = kappa / (2 * n + kappa * mean)
        peak = mp.cos(z)
        if peak > mean:
            ends, sign = [mp.zero, z], -1
        else:
            scale = min(1 / max(kappa * mp.sin(z), mp.sqrt(abs(kappa)) / 8, 1), (mp.pi - z) / 2)
            ends, sign = [z, z + scale], 1
            while ends[-1] < mp.pi and kappa * (mp.cos(ends[-1]) - peak) > -depth:
                ends.append(min(z + 2 * (ends[-1] - z), mp.pi))

        def integrand(t):
            return (mp.cos(t) - mean) * mp.exp(kappa * (mp.cos(t) - peak))

        return (sign * mp.quad(integrand, ends, method="gauss-legendre"),)

    return settled(evaluate)


def von_mises_quantile(q, kappa):
    """z in (-pi, pi) with F(z) = q, to some 10 digits, as a float; Newton on the Fourier series."""
    if q < 0.5:
        return -von_mises_quantile(1 - q, kappa)
    start = min(float(special.ndtri(q)) / math.sqrt(kappa) if kappa > 1 else math.pi * (2 * q - 1), 3.0)

    def tails(z):
        cdf, _, density = _von_mises_series(mp.convert(kappa), z)
        return mp.mpf(0.5) + cdf, mp.mpf(0.5) - cdf, density

    return _solve(tails, q, start, mp.zero, +mp.pi)


# ------------------------------------------------------------------------------------------------- masses of both tails


def _student_t_masses(x, df, loc, scale):
    t = (x - loc) / scale
    beyond = mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return (beyond, 1 - beyond) if t < 0 else (1 - beyond, beyond)


def _von_mises_masses(x, loc, concentration):
    """From -pi to x and from x to pi, by the integral of the density's Fourier series from loc on."""

    def centred(x):
        z, total, j = x - loc, mp.zero, 1
        while (ratio := _bessel_quotient(j, concentration, mp.dps)) > mp.eps:
            total, j = total + ratio * mp.sin(j * z) / j, j + 1
        return z / (2 * mp.pi) + total / mp.pi

    low, at, high = centred(-mp.pi), centred(x), centred(mp.pi)
    return at - low, high - at


@functools.cache
def _bessel_quotient(j, concentration, digits):
    return mp.besseli(j, concentration) / mp.besseli(0, concentration)


def _laplace_masses(x, loc, scale):
    tail = mp.exp(-abs(x - loc) / scale) / 2
    return (tail, 1 - tail) if x < loc else (1 - tail, tail)


def _gamma_masses(x, concentration, rate):
    ends = ((0, rate * x), (rate * x, mp.inf))
    return tuple(mp.gammainc(concentration, *end, regularized=True) for end in ends)


def _beta_masses(x, a, b):
    return mp.betainc(a, b, 0, x, regularized=True), mp.betainc(b, a, 0, 1 - x, regularized=True)


def _both(lower):
    return lambda x, *params: (mass := lower(x, *params), 1 - mass)


# name of a class -> x, parameters -> P(X <= x), P(X > x) at the working precision
MASSES = {
    "Normal": lambda x, loc, scale: (mp.ncdf((x - loc) / scale), mp.ncdf((loc - x) / scale)),
    "LogNormal": lambda x, loc, scale: (mp.ncdf((mp.log(x) - loc) / scale), mp.ncdf((loc - mp.log(x)) / scale)),
    "Cauchy": _both(lambda x, loc, scale: mp.mpf(1) / 2 + mp.atan((x - loc) / scale) / mp.pi),
    "StudentT": _student_t_masses,
    "Laplace": _laplace_masses,
    "Logistic": _both(lambda x, loc, scale: 1 / (1 + mp.exp(-(x - loc) / scale))),
    "Gumbel": _both(lambda x, loc, scale: mp.exp(-mp.exp(-(x - loc) / scale))),
    "Exponential": lambda x, rate: (-mp.expm1(-rate * x), mp.exp(-rate * x)),
    "HalfNormal": _both(lambda x, scale: mp.erf(x / (scale * mp.sqrt(2)))),
    "HalfCauchy": _both(lambda x, scale: 2 * mp.atan(x / scale) / mp.pi),
    "Uniform": _both(lambda x, least, most: (x - least) / (most - least)),
    "ContinuousBernoulli": _both(lambda x, logits: mp.expm1(logits * x) / mp.expm1(logits)),
    "GeneralizedPareto": _both(
        lambda x, concentration, loc, scale: 1 - (1 + concentration * (x - loc) / scale) ** (-1 / concentration)
    ),
    "Gamma": _gamma_masses,
    "Chi2": lambda x, df: _gamma_masses(x, df / 2, mp.mpf(1) / 2),
    "LogGamma": lambda x, concentration, rate: _gamma_masses(mp.exp(x), concentration, rate),
    "InverseGamma": lambda x, concentration, rate: _gamma_masses(1 / x, concentration, rate)[::-1],
    "Beta": _beta_masses,
    "AffineBeta": lambda x, a, b, loc, scale: _beta_masses((x - loc) / scale, a, b),
    "VonMises": _von_mises_masses,
    **{row.name: row.masses for row in ROWS},
}


def cdf(name, x, *params):
    """P(X <= x)."""
    return MASSES[name](x, *params)[0]


def log_masses(name, x, params, digits=130):
    """(log P(X <= x), log P(X > x)) as floats; 130 digits are for a tail of 1e-81 beside 1."""
    with mp.workdps(digits):
        return tuple(float(mp.log(m)) for m in MASSES[name](mp.mpf(x), *map(mp.mpf, params.values())))


def along(name, x, params, digits=150):
    """(log p(x), d x / d parameter at fixed quantile for each): differences of the distribution function."""
    with mp.workdps(digits):
        x, params = mp.mpf(x), [mp.mpf(v) for v in params]

        def slope(i):
            """Of the distribution function by its i-th argument."""
            step = mp.mpf("1e-40") * (abs([x, *params][i]) or 1)
            up, down = (
                cdf(name, *(v + sign * step * (i == j) for j, v in enumerate([x, *params]))) for sign in (1, -1)
            )
            return (up - down) / (2 * step)

        density = slope(0)
        return float(mp.log(density)), [float(-slope(i + 1) / density) for i in range(len(params))]
