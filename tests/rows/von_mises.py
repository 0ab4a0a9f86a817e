"""VonMises: its series, and its row."""

import functools
import itertools
import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from irg_kernels.families import von_mises
from tests.case import UPPER_QUANTILES, Case, grid, rounded
from tests.oracles import settled, solve
from tests.row import Family

# ------------------------------------------------------------------------------------------------- dz / d kappa


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
        _, slope, density = von_mises_series(kappa, z)
        return (-slope / density,)

    return settled(evaluate)


def von_mises_series(kappa, z):
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
        cdf, _, density = von_mises_series(mp.convert(kappa), z)
        return mp.mpf(0.5) + cdf, mp.mpf(0.5) - cdf, density

    return solve(tails, q, start, mp.zero, +mp.pi)


def tails_on_circle(x, mu, kappa):
    """On [-pi, pi]."""

    def centred(z):
        turns = mp.floor((z + mp.pi) / (2 * mp.pi))
        cdf, _, density = von_mises_series(kappa, z - 2 * mp.pi * turns)
        return cdf + turns, density

    (here, density), (rim, _), (end, _) = centred(x - mu), centred(-mp.pi - mu), centred(mp.pi - mu)
    return here - rim, end - here, density


def _log_tails(xp, z, kappa):
    return von_mises.log_tails(xp, z, 0.0 * z, kappa)


def _units(kappa):
    return 1 / np.sqrt(kappa + 0.3), kappa + 1.0  # both within a factor 2


# ------------------------------------------------------------------------------------------ points of references.json

CONCENTRATIONS = (0.0, 1e-8, 1e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 10.5, 11.0, 50.0, 1e3, 1e4, 1e6, 1e8)


def _places():
    """From the quantiles, the last float below pi where rounding passes it; and z = 1e-8, pi - 1e-6."""
    for params, float32, q in grid([(kappa,) for kappa in CONCENTRATIONS], UPPER_QUANTILES):
        exact = tuple(rounded(p, float32) for p in params)
        last = float(np.nextafter(np.float32(math.pi), np.float32(0))) if float32 else math.pi
        at = min(rounded(von_mises_quantile(q, *exact), float32), last)
        yield params, exact, {"at": at}, float32, q
    for kappa, z in itertools.product(CONCENTRATIONS, (1e-8, math.pi - 1e-6)):
        yield (kappa,), (kappa,), {"at": z}, False, None


CASE = Case(
    family="von_mises",
    distribution="VonMises",
    parameters=("concentration",),
    kernels={"z": (von_mises.dz_dkappa,)},
    units=_units,
    oracle=von_mises_partial,
    tails=lambda z, kappa: tails_on_circle(z, mp.zero, kappa),
    log_tails=("z", _log_tails),
    signs=(-1,),
    places=_places,
    seconds=({(k,) for k in (0.0, 1e-3, 0.5, 2.0, 10.5, 50.0, 1e4, 1e6)}, {0.6, 0.9, 0.999}),
    # kappa at the start of the asymptotic series of the deficit, 16 or 48; z near the score's zero
    switches=(
        (0.252756089, 15.9995661),
        (0.251456112, 15.9677105),
        (0.336009741, 9.21895981),
        (0.240674421, 17.6092262),
        (0.144797176, 47.9997482),
        (0.144677654, 48.0),
        (3.1415925, 0.000925224973),
    ),
)


# ------------------------------------------------------------------------------------------------- the distribution


def _masses(x, loc, concentration):
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


def _log_i0e(kappa):
    """log I0 less kappa."""
    if kappa < 500:
        return mp.log(mp.besseli(0, kappa)) - kappa
    term = total = mp.one  # DLMF 10.40.1
    for n in range(1, 400):
        term *= mp.mpf((2 * n - 1) ** 2) / (8 * kappa * n)
        total += term
        if term < mp.eps:
            break
    return mp.log(total) - mp.log(2 * mp.pi * kappa) / 2


def _log_density(x, loc, kappa):
    return -2 * kappa * mp.sin((x - loc) / 2) ** 2 - mp.log(2 * mp.pi) - _log_i0e(kappa)


def wrapped(angle):
    return np.remainder(angle + math.pi, 2.0 * math.pi) - math.pi


def _cdf(x, loc, concentration):
    z = wrapped(np.asarray(x, dtype=np.float64) - loc)
    if concentration > 1e3:
        return special.ndtr(z * math.sqrt(concentration))  # off by less than 1 / (8 kappa)
    if z.size < 1000:
        return stats.vonmises.cdf(z, concentration)
    grid = np.linspace(-math.pi, math.pi, 10_001)  # interpolation is off by less than 1e-8 kappa
    return np.interp(z, grid, stats.vonmises.cdf(grid, concentration))


def _ppf(level, loc, concentration):
    """SciPy's answer, which is good to 1e-9 or so, and three Newton steps on the Fourier series of F."""
    z = stats.vonmises.ppf(level, concentration)
    j = np.arange(1, 41)
    ratios = special.ive(j, concentration) / special.ive(0, concentration)
    for _ in range(3):  # F = 1/2 + z / 2 pi + sum_j (I_j / I_0) sin(j z) / (j pi), from DLMF 10.35.2
        cdf = 0.5 + z / (2.0 * np.pi) + (np.sin(np.multiply.outer(z, j)) * ratios / j).sum(-1) / np.pi
        z = z - (cdf - level) / stats.vonmises.pdf(z, concentration)
    return loc + z


def _mean_cos(kappa, order=1):
    return mp.besseli(order, kappa) / mp.besseli(0, kappa)


def _mean_cos_of_large(kappa):
    """I1/I0 by its continued fraction (DLMF 10.33.1)."""
    mean = mp.zero
    for n in range(int(mp.sqrt(2 * kappa * 120)) + 150, 0, -1):
        mean = kappa / (2 * n + kappa * mean)
    return mean


def _divergence(mu, kappa, mu_q, kappa_q):
    mean = _mean_cos_of_large(kappa)
    return _log_i0e(kappa_q) + kappa_q - _log_i0e(kappa) - kappa + kappa * mean - kappa_q * mean * mp.cos(mu - mu_q)


ROW = Family(
    "VonMises",
    points=({"loc": 0.5, "concentration": 0.7}, {"loc": -2.9, "concentration": 12.0}),
    outside=(math.nan,),
    ends=(-math.pi, math.pi),
    scipy=lambda loc, concentration: stats.vonmises(concentration, loc=loc),
    entropies=tuple({"loc": 0.5, "concentration": kappa} for kappa in (0.5, 3.0, 20.0, 0.01, 200.0)),
    cdf=_cdf,
    ppf=_ppf,
    tails=({"loc": 0.0, "concentration": 30.0}, (-3.0, -0.5, 0.125, 1.0, 3.0)),
    hard=tuple(
        {"loc": loc, "concentration": kappa}
        for loc, kappa in [(0.0, 1e-8), (3.0, 0.5), (0.0, 50.0), (0.0, 1e4), (0.0, 1e6), (0.0, 1e8)]
    ),
    expectations={
        "cos x": lambda loc, concentration: _mean_cos(concentration) * mp.cos(loc),
        "sin x": lambda loc, concentration: _mean_cos(concentration) * mp.sin(loc),
        "cos 2x": lambda loc, concentration: _mean_cos(concentration, 2) * mp.cos(2 * loc),
    },
    divergence=(
        _divergence,
        (
            ((0.5, 2.0), (-1.0, 7.0)),
            ((0.0, 1e-3), (3.0, 30.0)),
            ((0.0, 100.0), (0.5, 1e-3)),
            ((1.0, 2.0), (1.0, 2.000244140625)),
            ((1.0, 15.9), (1.0, 16.1)),
            ((1.0, 1e4), (1.0009765625, 10010.0)),
            ((0.0, 1e-5), (0.0, 2e-5)),
        ),
    ),
    masses=_masses,
    log_density=_log_density,
    case=CASE,
    ranges={"loc": lambda rng, count: rng.uniform(-math.pi, math.pi, count)},
    truncations=(
        ({"loc": 0.5, "concentration": 2.0}, -1.0, 2.0),
        ({"loc": 3.0, "concentration": 1.5}, -2.5, None, -2.25, 0.5, 2.75),
    ),
    narrow=(({"loc": 0.5, "concentration": 2.0}, 1.0, 1.000001),),
)
