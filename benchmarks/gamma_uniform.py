"""The coefficients of `irg_kernels/numerics/gamma_uniform.py` and of `NEAR_0` in `gamma_small.py`, by mpmath.

    python -m benchmarks.gamma_uniform    (a few seconds; prints the last lines of those files)

S is interpolated at Chebyshev's points of the rectangle |eta| <= reach, 0 < w <= 1 / least_a, and written in powers.
(eta is sqrt(2) y of that file.)  Of large a, where mpmath's sums are too long, S is the polynomial of the wider
rectangle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath as mp

from benchmarks.gamma_table import ratio_of


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


def table(s: Callable, reach: float, least_a: float, points: tuple[int, int]) -> list[list[mp.mpf]]:
    """[j][k] of y**j w**k, for s(eta, w); `points` are in eta and in w."""
    etas = chebyshev_points(points[0], -mp.mpf(reach), mp.mpf(reach))
    ws = chebyshev_points(points[1], mp.mpf(0), 1 / mp.mpf(least_a))
    in_w = [in_powers(ws, [s(eta, w) for w in ws]) for eta in etas]
    columns = [in_powers([eta / mp.sqrt(2) for eta in etas], column) for column in zip(*in_w, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def near_0(most_z: float, points: tuple[int, int]) -> list[list[mp.mpf]]:
    """[j][k] of z**j a**k: (P(a, z) z**-a - 1) / a for 0 <= a <= 1, 0 <= z <= most_z."""
    zs = chebyshev_points(points[0], mp.mpf(0), mp.mpf(most_z))
    shapes = chebyshev_points(points[1], mp.mpf(0), mp.mpf(1))
    in_a = [in_powers(shapes, [(mp.gammainc(a, 0, z, regularized=True) / z**a - 1) / a for a in shapes]) for z in zs]
    columns = [in_powers(zs, column) for column in zip(*in_a, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def shown(c: mp.mpf, size: mp.mpf, digits: int) -> str:
    """As many digits as make 10**-digits of S."""
    return mp.nstr(c, max(1, int(mp.ceil(mp.log10(abs(c) * size) + digits)))) if c else "0"


def show(name: str, rows: list[list[mp.mpf]], reach: float, least_a: float, most_a: float, digits: int) -> None:
    ends = ", ".join(mp.nstr(ratio_of(mp.mpf(eta)), 12) for eta in (-reach, reach))
    print(f"{name}: Table = Table({least_a:.1f}, {most_a:g}, {ends}, (")
    show_rows(rows, reach / mp.sqrt(2), 1 / mp.mpf(least_a), digits)
    print("))")


def show_rows(rows: list[list[mp.mpf]], x: mp.mpf, y: mp.mpf, digits: int) -> None:
    """Coefficients of x**j y**k, of which these are the largest."""
    for j, row in enumerate(rows):
        numbers = [shown(c, x**j * y**k, digits).replace("e-0", "e-") for k, c in enumerate(row)]
        lines = [", ".join(numbers[i : i + 5]) for i in range(0, len(numbers), 5)]
        print("    (" + ",\n     ".join(lines) + "),")


def main() -> None:
    mp.mp.dps = 60
    middle = table(remainder, 2, 20, (25, 7))

    def by_middle(eta: mp.mpf, w: mp.mpf) -> mp.mpf:
        y = eta / mp.sqrt(2)
        return sum(c * y**j * w**k for j, row in enumerate(middle) for k, c in enumerate(row))

    print("# fmt: off")
    show("MIDDLE", middle, 2, 20, 1e12, 17)
    show("LARGE", table(by_middle, 0.9, 200, (15, 5)), 0.9, 200, 1e12, 17)
    show("SHORT", table(remainder, 4, 1, (23, 10)), 4, 1, 1e7, 10)
    print("NEAR_0 = (")
    show_rows(near_0(3, (11, 8)), mp.mpf(3), mp.mpf(1), 10)
    print(")")
    print("# fmt: on")


if __name__ == "__main__":
    main()
