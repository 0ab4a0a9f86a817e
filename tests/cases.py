"""The one case table: a family a row, with its kernels, its hard points and its tolerances.

A new family adds its oracle to ``oracles.py``, its points to ``references.py`` and a row to ``CASES``; every test that
takes its cases from here then holds for it too.
"""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from irg_kernels.families import beta, gamma, student_t, von_mises
from tests import oracles

# Worst relative error of a partial derivative over parameters from 1e-3 to 1e6 (and the hard points beyond) and
# quantiles from 1e-12 to 1 - 1e-12: the accuracy that docs/accuracy.md promises.  It is some 4500 eps of float64 and
# 17 eps of float32: the rules of `quadrature` have as many nodes as that takes, and no more.
PARTIAL = {"float64": 1e-12, "float32": 2e-6}

# The same for derivatives of partials, in the natural units of `Case.units`.  In float64 the promise of the partials
# holds (measured 2e-13).  In float32 the rules, whose nodes were counted for the integrand, are worse for its
# derivative (measured 1e-5: von Mises at kappa = 10.5; Beta(50, 0.1)).
SECOND = {"float64": 1e-12, "float32": 2e-5}


@dataclass(frozen=True)
class Points:
    """Reference points as columns, float64: of n points with k parameters, in the kernel's own coordinate."""

    at: np.ndarray
    """(n,) the draw's coordinate"""
    params: np.ndarray
    """(k, n)"""
    partials: np.ndarray
    """(k, n) d at / d params[i] at fixed quantile"""
    second: np.ndarray | None
    """(k, 1 + k, n) the derivative of partials[i] by (at, *params)[j]"""
    units: np.ndarray | None
    """(1 + k, n) `Case.units`, with `second`"""
    rows: list[dict]
    """the same points as they stand in references.json"""


@dataclass(frozen=True)
class Case:
    """A univariate family."""

    family: str
    """the stem of its files and its key in references.json"""
    distribution: str
    """its class in both hosts"""
    parameters: tuple[str, ...]
    """the hosts' names of the parameters that the kernels differentiate by, in the kernels' order"""
    kernels: Mapping[str, tuple[Callable, ...]]
    """coordinate of the draw -> for each parameter, f(xp, at, *params) = d at / d parameter at fixed quantile"""
    units: Callable
    """params -> how far (coordinate, *params) move before it looks different: the coordinate's standard deviation,
    a parameter's inverse root Fisher information; gamma's coordinate is log z.  partial / unit is the size that the
    partial's derivative has in general; where it is far smaller, its digits are those of this size"""

    oracle: Callable
    """(*params, coordinate) -> the partials, by mpmath; gamma's coordinate is log z"""
    switches: tuple[tuple[float, ...], ...]
    """(at, *params) next to where a kernel passes from one formula to another, in the first coordinate of `kernels`:
    the hardest of some thousand random points there, which the quantiles of references.json miss"""

    def __str__(self) -> str:
        return self.family

    def points(self, coordinate: str, precision: str, second: bool = False) -> Points:
        """The reference points of a coordinate, float32's or all; of them those with second derivatives, if asked."""
        rows = [
            row
            for row in _references()[self.family]
            if row.get("coordinate", coordinate) == coordinate
            and (row["float32"] or precision == "float64")
            and ("second" in row or not second)
        ]
        at = np.array([row["at"] for row in rows])
        params = np.array([row["params"] for row in rows]).T
        partials = np.array([row["partials"] for row in rows]).T
        slopes = np.moveaxis(np.array([row["second"] for row in rows]), 0, -1) if second else None
        units = np.array(self.units(*params)) if second else None
        if (self.family, coordinate) == ("gamma", "z"):  # the file has g = d log z / da, the kernel returns z g
            if second:
                slopes[:, 0] += partials  # d(z g)/dz = g + dg/d log z
                slopes[:, 1:] *= at
                units[0] *= at
            partials = partials * at
        return Points(at, params, partials, slopes, units, rows)


@functools.cache
def _references() -> dict[str, list[dict]]:
    return json.loads(pathlib.Path(__file__).with_name("references.json").read_text())


def _trigamma(x):
    return polygamma(1, x)


def _gamma_units(a):
    return np.sqrt(_trigamma(a)), 1 / np.sqrt(_trigamma(a))


def _beta_units(a, b):
    both = _trigamma(a + b)
    return np.sqrt(_trigamma(a) + _trigamma(b)), 1 / np.sqrt(_trigamma(a) - both), 1 / np.sqrt(_trigamma(b) - both)


def _student_t_units(nu):
    return np.sqrt(_trigamma(0.5) + _trigamma(nu / 2)) / 2, nu  # log|t|; nu within a factor 2


def _von_mises_units(kappa):
    return 1 / np.sqrt(kappa + 0.3), kappa + 1.0  # both within a factor 2


CASES = (
    Case(
        family="gamma",
        distribution="Gamma",
        parameters=("concentration",),
        kernels={"z": (gamma.dz_da,), "log_z": (gamma.dlogz_da,)},
        units=_gamma_units,
        oracle=oracles.gamma_partial,
        # z near a + 1/2, where one tail takes over from the other
        switches=((0.500002444, 4.9e-6), (0.5014, 0.0028), (0.61, 0.2247), (0.578951, 0.0789514), (361157.7, 722316.1)),
    ),
    Case(
        family="beta",
        distribution="Beta",
        parameters=("concentration1", "concentration0"),
        kernels={"logit_z": (beta.dlogit_da, beta.dlogit_db)},
        units=_beta_units,
        oracle=oracles.beta_partial,
        # z near (a + 1/2) / (a + b + 1); a score next to its zero, far from the mean because of a small shape; next to
        # 1 or 0, where a small shape makes a plateau; a large shape beside a small one
        switches=(
            (-4.24280214, 0.00584756769, 0.767114699),
            (-5.23672485, 0.0042248359, 1.20611572),
            (-16.2514954, 0.00265690195, 30361.1113),
            (18.3244152, 104836.156, 0.00115429366),
            (7.7452178, 26.9593639, 0.0114531685),
            (0.187188759, 0.117040865, 0.0117040863),
            (-13.5360518, 0.00177571666, 377722.5),
            (10.8140745, 2.4851494, 6.8393496e-07),
            (-11.4953651, 2.43127524e-05, 34.0446320),
            (4.15598869, 5.6084, 0.0499),
            (4.15598869, 5.6084, 0.0501),
            (-14.7176619, 2.6971498, 7862985.0),
            (18.43764, 96549500.0, 0.2018629),
            (32436.8301, 91830440.0, 1.01437786e-06),
        ),
    ),
    Case(
        family="student_t",
        distribution="StudentT",
        parameters=("df",),
        kernels={"log_t": (student_t.dlogt_dnu,)},
        units=_student_t_units,
        oracle=oracles.student_t_partial,
        # nu near 2; the score's zero, from which the integral is taken inwards or outwards
        switches=(
            (0.723755, 2.08901548),
            (0.745463669, 2.0),
            (0.785907924, 2.00000238),
            (-2.58130884, 1.99999845),
            (0.631788611, 3.0),
            (0.510700464, 7.70704508),
        ),
    ),
    Case(
        family="von_mises",
        distribution="VonMises",
        parameters=("concentration",),
        kernels={"z": (von_mises.dz_dkappa,)},
        units=_von_mises_units,
        oracle=oracles.von_mises_partial,
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
    ),
)

# (case, coordinate) with ids, for pytest.mark.parametrize
COORDINATES = {f"{case.family}-{name}": (case, name) for case in CASES for name in case.kernels}
