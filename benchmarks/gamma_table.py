"""The coefficients of `irg_kernels/numerics/gamma_table.py`, by mpmath.

    python -m benchmarks.gamma_table    (half a minute; prints the last lines of that file)

K is interpolated at Chebyshev's points of the rectangle |eta| <= REACH, 0 < w <= 1, and written in powers.
(eta is sqrt(2) y of that file.)
"""

from __future__ import annotations

import mpmath
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial, chebyshev

REACH = 5.0
DEGREES = (22, 5)
"""of eta / REACH and of w: the error of the partial is 5e-7"""
POINTS = (40, 14)


def ratio_of(eta: mpmath.mpf) -> mpmath.mpf:
    """lambda"""
    return mpmath.re(-mpmath.lambertw(-mpmath.exp(-1 - eta**2 / 2), 0 if eta < 0 else -1))


def partial(z: mpmath.mpf, a: mpmath.mpf) -> mpmath.mpf:
    """d log z / da, from the tail integral of `irg_kernels/families/gamma.py`."""
    below = z < a + mpmath.mpf("0.4")
    b = a + 1 if below else a
    c = mpmath.digamma(b) - mpmath.log(z)

    def integrand(tau: mpmath.mpf) -> mpmath.mpf:
        return (tau - c) * mpmath.exp(-((z - b) * tau + z * (mpmath.expm1(tau) - tau)))

    scale = (-1 if below else 1) / mpmath.sqrt(z + (z - b) ** 2 / 4)
    tail = mpmath.quad(integrand, [k * scale for k in (0, 1, 2, 4, 8, 16, 32, 64, 128)])
    return (c + z * tail) / a if below else tail


def remainder(eta: float, w: float) -> float:
    """K"""
    a, ratio = 1 / mpmath.mpf(w), ratio_of(mpmath.mpf(eta))
    return float((a * partial(a * ratio, a) * (ratio - 1) / mpmath.log(ratio) - 1) * a)


def table() -> np.ndarray:
    """[j, k] of y**j w**k, 1 + w K."""
    x, y = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in POINTS)
    values = np.array([[remainder(REACH * e, 0.5 + 0.5 * w) for w in y] for e in x])
    series = np.linalg.solve(chebyshev.chebvander(x, len(x) - 1), values)
    series = np.linalg.solve(chebyshev.chebvander(y, len(y) - 1), series.T).T[: DEGREES[0] + 1, : DEGREES[1] + 1]
    in_w = np.array([padded(Chebyshev(row, domain=[0.0, 1.0]), DEGREES[1]) for row in series])
    in_eta = np.array([padded(Chebyshev(column), DEGREES[0]) for column in in_w.T]).T
    in_y = in_eta * (np.sqrt(2.0) / REACH) ** np.arange(DEGREES[0] + 1)[:, None]
    return np.hstack([np.eye(DEGREES[0] + 1, 1), in_y])


def padded(series: Chebyshev, degree: int) -> np.ndarray:
    powers = series.convert(kind=Polynomial, domain=[-1.0, 1.0], window=[-1.0, 1.0]).coef
    return np.pad(powers, (0, degree + 1 - len(powers)))


def listed(name: str, rows: np.ndarray) -> str:
    inner = "\n".join(f"    ({', '.join(f'{c:.9g}' for c in row)})," for row in rows)
    return f"{name} = (\n{inner}\n)"


if __name__ == "__main__":
    mpmath.mp.dps = 30
    print("\n\n# fmt: off")
    print("LEAST, MOST =", ", ".join(f"{float(ratio_of(mpmath.mpf(eta))):.12g}" for eta in (-REACH, REACH)))
    print(listed("TABLE", table()))
    print("# fmt: on")
