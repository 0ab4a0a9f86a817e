"""How a draw moves along its quantile, to third order: the oracle of `attach`, from CDFs alone.

The draw is the function of the parameters at which the CDF keeps its value; Newton's method finds it to 50 digits and
mpmath differentiates it numerically.  No partial derivative of ``rows/`` or of a kernel enters.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp

from irg_kernels.families import beta, gamma, student_t, von_mises
from tests import rows


def von_mises_tails(z, kappa):
    """Of its three results the second is not needed here."""
    cdf, _, density = rows.von_mises.von_mises_series(kappa, z)
    return cdf, None, density


@dataclass(frozen=True)
class Path:
    """A draw and its parameters."""

    family: str
    kernels: tuple[Callable, ...]
    tails: Callable
    """(draw, *params) -> P(X <= draw) but for a constant, P(X > draw), density"""
    params: tuple[float, ...]
    draw: float

    def __str__(self) -> str:
        return f"{self.family}{self.params}"

    def at(self, *params):
        """The draw at other parameters."""
        with mp.workdps(60):
            start = mp.mpf(self.draw)
            level, _, _ = self.tails(start, *map(mp.mpf, self.params))
            z = start
            for _ in range(50):
                value, _, density = self.tails(z, *params)
                step = (value - level) / density
                z -= step
                if abs(step) < mp.mpf(10) ** -50 * abs(z):
                    return z
        raise ArithmeticError(f"{self}: no draw at {params}")

    @functools.cache  # noqa: B019, for the paths live as long as the module
    def derivative(self, order: int) -> np.ndarray:
        """d**order draw / d params ... d params, an array of `order` axes."""
        size = len(self.params)
        result = np.zeros((size,) * order)
        for index in itertools.product(range(size), repeat=order):
            if list(index) == sorted(index):
                counts = tuple(index.count(i) for i in range(size))
                # central differences: truncation leaves 17 digits or so, and of 50 a third difference takes 27
                with mp.workdps(60):
                    value = float(mp.diff(self.at, self.params, counts, h=mp.mpf("1e-9")))
                for permutation in itertools.permutations(index):
                    result[permutation] = value
        return result


PATHS = (
    Path("gamma", (gamma.dz_da,), rows.gamma.tails, (2.5,), 1.75),
    Path("gamma", (gamma.dz_da,), rows.gamma.tails, (0.25,), 0.0078125),
    Path("gamma", (gamma.dz_da,), rows.gamma.tails, (60.0,), 72.0),
    Path("beta", (beta.dlogit_da, beta.dlogit_db), rows.beta.tails, (0.5, 2.0), -1.25),
    Path("beta", (beta.dlogit_da, beta.dlogit_db), rows.beta.tails, (8.0, 3.0), 2.0),
    Path("student_t", (student_t.dt_dnu,), rows.student_t.tails, (1.5,), 0.75),
    Path("student_t", (student_t.dt_dnu,), rows.student_t.tails, (7.0,), -2.5),
    Path("von_mises", (von_mises.dz_dkappa,), von_mises_tails, (0.5,), 2.0),
    Path("von_mises", (von_mises.dz_dkappa,), von_mises_tails, (20.0,), -0.25),
)
