"""Tails and KL divergences by mpmath, and how far the closed forms may be from them."""

from mpmath import mp

from tests import oracles

# Relative error of the smaller tail.  float64: 5e-13 is measured (the rules' own 3e-13; cancellation at 1e6).  float32:
# 5e-6 is measured (the logarithm of a tail of 1e-12 is 28, of which one rounding is 1.7e-6 of the tail).
TAIL = {"float64": 2e-12, "float32": 8e-6}

# Relative error of a KL divergence, near 0 too: its terms are not negative, and each is exact.
# Two terms of Beta's are of one size and subtract (1.1e-12 measured).  In float32 without wider arithmetic the
# logarithm of a ratio far from 1 is what limits it, and across kappa = 16, where von Mises passes from one formula to
# another, a difference of two values of 1 - I1/I0 (6e-6 measured from 15.9 to 16.1).
DIVERGENCE = {"float64": 4e-12, "float32": 1e-5}


def gamma_tails(z, a):
    lower, upper, density = oracles.gamma_tails(a, mp.log(z))
    return lower, upper, density / z


def beta_tails(x, a, b):
    """At x = logit z."""
    return oracles.beta_tails(a, b, x)


def student_t_tails(t, nu):
    _, outside, density = oracles.beta_tails(mp.mpf(0.5), nu / 2, mp.log(t * t / nu))
    tail = outside / 2
    return (tail, 1 - tail, density / abs(t)) if t < 0 else (1 - tail, tail, density / abs(t))


def von_mises_tails(x, mu, kappa):
    """On [-pi, pi]."""

    def centred(z):
        turns = mp.floor((z + mp.pi) / (2 * mp.pi))
        cdf, _, density = oracles._von_mises_series(kappa, z - 2 * mp.pi * turns)
        return cdf + turns, density

    (here, density), (rim, _), (end, _) = centred(x - mu), centred(-mp.pi - mu), centred(mp.pi - mu)
    return here - rim, end - here, density


def logs_of_tails(tails, x, params):
    """(log lower, log upper, density), floats, where cancellation of 60 digits does no harm."""
    with mp.workdps(120):
        lower, upper, density = tails(mp.mpf(float(x)), *(mp.mpf(float(p)) for p in params))
        return float(mp.log(lower)), float(mp.log(upper)), float(density)


def _log_i0(kappa):
    """log I0, and I1/I0 by its continued fraction (DLMF 10.33.1); the series of DLMF 10.40.1 where kappa is large."""
    mean = mp.zero
    for n in range(int(mp.sqrt(2 * kappa * 120)) + 150, 0, -1):
        mean = kappa / (2 * n + kappa * mean)
    if kappa < 300:
        return mp.log(mp.besseli(0, kappa)), mean
    term = total = mp.one
    for n in range(1, 300):
        term *= mp.mpf((2 * n - 1) ** 2) / (8 * kappa * n)
        total += term
        if term < mp.eps:
            break
    return kappa - mp.log(2 * mp.pi * kappa) / 2 + mp.log(total), mean


def von_mises_divergence(mu, kappa, mu_q, kappa_q):
    log_p, mean = _log_i0(kappa)
    return _log_i0(kappa_q)[0] - log_p + kappa * mean - kappa_q * mean * mp.cos(mu - mu_q)


def gamma_divergence(a, b, c, d):
    return c * mp.log(b / d) + mp.loggamma(c) - mp.loggamma(a) + (a - c) * mp.digamma(a) + a * (d / b - 1)


def dirichlet_divergence(*both):
    p, q = both[: len(both) // 2], both[len(both) // 2 :]
    total, mean = mp.loggamma(mp.fsum(p)) - mp.loggamma(mp.fsum(q)), mp.digamma(mp.fsum(p))
    return total + mp.fsum(
        mp.loggamma(b) - mp.loggamma(a) + (a - b) * (mp.digamma(a) - mean) for a, b in zip(p, q, strict=True)
    )


def divergence(exact, p, q):
    """KL(p || q) by one of these functions, a float."""
    with mp.workdps(60):
        return float(exact(*(mp.mpf(float(v)) for v in (*p, *q))))
