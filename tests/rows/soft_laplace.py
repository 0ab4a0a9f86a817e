"""SoftLaplace."""

from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, loc, scale):
    tail = 2 * mp.atan(mp.exp(-abs(x - loc) / scale)) / mp.pi
    return (tail, 1 - tail) if x < loc else (1 - tail, tail)


ROW = Family(
    "SoftLaplace",
    points=({"loc": 0.5, "scale": 2.0}, {"loc": -1.0, "scale": 0.25}),
    scipy=lambda loc, scale: stats.hypsecant(loc, scale),
    cdf=lambda x, loc, scale: stats.hypsecant.cdf((x - loc) / scale),
    hard=({"loc": 0.0, "scale": 1e-6}, {"loc": 0.0, "scale": 1e8}),
    expectations={
        "x": lambda loc, scale: loc + 0 * scale,
        "x**2": lambda loc, scale: loc**2 + (mp.pi * scale / 2) ** 2,
        "cos x": lambda loc, scale: mp.cos(loc) * mp.sech(mp.pi * scale / 2),
    },
    tails=({"loc": 0.5, "scale": 2.0}, (-160.0, -2.0, 0.25, 3.0, 160.0)),
    masses=_masses,
    log_density=lambda x, loc, scale: -mp.log(mp.pi * scale * mp.cosh((x - loc) / scale)),
    truncations=(
        ({"loc": 0.5, "scale": 2.0}, -1.0, 2.0),
        ({"loc": 0.5, "scale": 2.0}, -1.0, 2.0, 0.5),
        ({"loc": 0.5, "scale": 2.0}, 26.5, None, 26.51, 28.0),
    ),
    apart="shared/test_rows.py",
)
