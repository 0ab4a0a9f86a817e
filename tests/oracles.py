"""The judge of numbers: derivatives of quantiles to 30 digits and more, by mpmath.

Each oracle answers one question: at a fixed quantile, how does the draw move when a parameter moves?  For a CDF ``F``
and a density ``p`` that is ``dz/dtheta = -(dF/dtheta) / p(z)`` (Figurnov, Mohamed, Mnih 2018, equation 6).  A family's
oracle stands in its file of `rows/`; here is what they share.  The CDFs there are series, never the tail integrals
which ``irg_kernels`` integrates, so that the two can only agree by being right.  (The one quadrature, for von Mises,
seconds its series and serves where the series would cancel to nothing.)

Precision: every oracle is evaluated at rising working precision until two evaluations agree in ``max(mp.dps, 50)``
digits, whatever cancels on the way; raise ``mp.dps`` to differentiate an oracle again.  Inputs are exact: a float is
the number it stands for.  Coordinates (log z, logit z, log|t|) are used so that no point has to be formed as a float.
Time grows with the digits that cancel, as -log of the smaller tail: a quantile of 1e-12 is nothing, 1e-10000 hangs.
"""

from mpmath import mp

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


def solve(tails, q, x, low=-mp.inf, high=mp.inf):
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
