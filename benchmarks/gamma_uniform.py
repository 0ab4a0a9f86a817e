"""The coefficients of `irg_kernels/numerics/gamma_uniform.py`, by mpmath.

    python -m benchmarks.gamma_uniform    (a few seconds; prints the last lines of that file)

S is interpolated at Chebyshev's points of the rectangle |eta| <= REACH, 0 < w <= 1 / LEAST_A, and written in powers.
(eta is sqrt(2) y of that file.)
"""

from __future__ import annotations

from collections.abc import Sequence

import mpmath as mp

from benchmarks.gamma_table import ratio_of

REACH, LEAST_A = 2, 20
POINTS = (25, 7)
"""in eta and in w: the error of S is 1e-15"""


def remainder(eta: mp.mpf, w: mp.mpf) -> mp.mpf:
    """S"""
    a, half = 1 / w, eta**2 / (2 * w)
    z = a * ratio_of(eta) if eta else a
    if eta > 0:
        rest = mp.gammainc(a, z, mp.inf, regularized=True) - mp.erfc(mp.sqrt(half)) / 2
    else:
        rest = mp.erfc(mp.sqrt(half)) / 2 - mp.gammainc(a, 0, z, regularized=True)
    return rest * mp.sqrt(2 * mp.pi * a) * mp.exp(half)


def chebyshev_points(n: int, low: mp.mpf, high: mp.mpf) -> list[mp.mpf]:
    return [low + (high - low) * (1 + mp.cospi((2 * mp.mpf(i) + 1) / (2 * n))) / 2 for i in range(n)]


def in_powers(points: Sequence[mp.mpf], values: Sequence[mp.mpf]) -> list[mp.mpf]:
    """The coefficients of the polynomial through the values."""
    powers = mp.matrix([[x**k for k in range(len(points))] for x in points])
    return list(mp.lu_solve(powers, mp.matrix(values)))


def table() -> list[list[mp.mpf]]:
    """[j][k] of y**j w**k."""
    etas = chebyshev_points(POINTS[0], -mp.mpf(REACH), mp.mpf(REACH))
    ws = chebyshev_points(POINTS[1], mp.mpf(0), 1 / mp.mpf(LEAST_A))
    in_w = [in_powers(ws, [remainder(eta, w) for w in ws]) for eta in etas]
    columns = [in_powers([eta / mp.sqrt(2) for eta in etas], column) for column in zip(*in_w, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def shown(c: mp.mpf, j: int, k: int) -> str:
    """As many digits as make 1e-17 of S."""
    size = abs(c) * (REACH / mp.sqrt(2)) ** j / mp.mpf(LEAST_A) ** k
    return mp.nstr(c, max(1, int(mp.ceil(mp.log10(size) + 17))))


if __name__ == "__main__":
    mp.mp.dps = 60
    print("# fmt: off")
    print("LEAST, MOST =", ", ".join(mp.nstr(ratio_of(mp.mpf(eta)), 12) for eta in (-REACH, REACH)))
    print("TABLE = (")
    for j, row in enumerate(table()):
        listed = [shown(c, j, k) for k, c in enumerate(row)]
        print(f"    ({', '.join(listed[:5])},\n     {', '.join(listed[5:])}),")
    print(")\n# fmt: on")
