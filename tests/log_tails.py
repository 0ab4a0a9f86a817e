"""Logarithms of both tails by mpmath, from the centre out to where the masses themselves underflow float32."""

from mpmath import mp


def _gamma(x, concentration, rate):
    return tuple(mp.gammainc(concentration, *ends, regularized=True) for ends in ((0, rate * x), (rate * x, mp.inf)))


def _log_gamma(x, concentration, rate):
    return _gamma(mp.exp(x), concentration, rate)


def _inverse_gamma(x, concentration, rate):
    return _gamma(1 / x, concentration, rate)[::-1]


def _chi2(x, df):
    return _gamma(x, df / 2, mp.mpf(1) / 2)


def _beta(x, concentration1, concentration0):
    return (
        mp.betainc(concentration1, concentration0, 0, x, regularized=True),
        mp.betainc(concentration0, concentration1, 0, 1 - x, regularized=True),
    )


def _student_t(x, df, loc, scale):
    t = (x - loc) / scale
    beyond = mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return (beyond, 1 - beyond) if t < 0 else (1 - beyond, beyond)


def _von_mises(x, loc, concentration):
    parts = (mp.quad(lambda t: mp.exp(concentration * mp.cos(t - loc)), ends) for ends in ([-mp.pi, x], [x, mp.pi]))
    return tuple(part / (2 * mp.pi * mp.besseli(0, concentration)) for part in parts)


# family -> masses of both tails, parameters, values that float32 holds
ROWS = {
    "Gamma": (_gamma, {"concentration": 2.5, "rate": 1.5}, (2.0**-60, 0.25, 1.5, 8.0, 120.0)),
    "LogGamma": (_log_gamma, {"concentration": 2.5, "rate": 1.5}, (-60.0, -1.0, 0.5, 2.0, 4.5)),
    "InverseGamma": (_inverse_gamma, {"concentration": 2.5, "rate": 1.5}, (2.0**-7, 0.25, 1.0, 64.0, 2.0**50)),
    "Chi2": (_chi2, {"df": 5.0}, (2.0**-60, 1.0, 5.0, 40.0, 250.0)),
    "Beta": (_beta, {"concentration1": 2.5, "concentration0": 30.0}, (2.0**-60, 0.0625, 0.5, 0.96875)),
    "StudentT": (_student_t, {"df": 5.0, "loc": 0.5, "scale": 2.0}, (-(2.0**30), -6.0, 0.25, 9.0, 2.0**30)),
    "VonMises": (_von_mises, {"loc": 0.0, "concentration": 30.0}, (-3.0, -0.5, 0.125, 1.0, 3.0)),
}


def truth(family: str) -> tuple[list[float], list[float]]:
    """(log P(X <= x), log P(X > x)) at each value."""
    masses, params, values = ROWS[family]
    with mp.workdps(130):  # a tail of 1e-81 beside 1
        exact = {name: mp.mpf(v) for name, v in params.items()}
        pairs = [masses(mp.mpf(x), **exact) for x in values]
        lower, upper = ([float(mp.log(mass)) for mass in tail] for tail in zip(*pairs, strict=True))
    return lower, upper
