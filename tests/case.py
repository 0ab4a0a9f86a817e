"""What a row holds of a family whose partials are judged in the kernels' own coordinates: `Case`, and its points."""

import functools
import itertools
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

QUANTILES = (1e-12, 1e-6, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12)
# Of those that are symmetric.
UPPER_QUANTILES = (0.501, 0.6, 0.75, 0.9, 0.999, 1 - 1e-6, 1 - 1e-12)


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
    tails: Callable
    """the coordinate of `log_tails`, *params -> (P, 1 - P, density) by mpmath at the working precision"""
    log_tails: tuple[str, Callable]
    """a coordinate of `kernels`, f(xp, at, *params) = (log P, log(1 - P)) there"""
    signs: tuple[int, ...]
    """of the partials"""
    places: Callable[[], Iterable]
    """() -> for each point of references.json: nominal parameters, parameters, {"at": coordinate}, float32, quantile"""
    seconds: tuple[set, set]
    """nominal parameters and quantiles at whose float32 points the second derivatives are taken"""
    switches: tuple[tuple[float, ...], ...]
    """(at, *params) next to where a kernel passes from one formula to another, in the first coordinate of `kernels`:
    the hardest of some thousand random points there, which the quantiles of references.json miss"""

    def __str__(self) -> str:
        return self.family

    def points(self, coordinate: str, precision: str, second: bool = False) -> Points:
        """The reference points of a coordinate, float32's or all; of them those with second derivatives, if asked."""
        rows = [
            row
            for row in references()[self.family]
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
def references() -> dict[str, list[dict]]:
    """family -> its points, which `references.py` makes"""
    return json.loads(pathlib.Path(__file__).with_name("references.json").read_text())


def trigamma(x):
    return polygamma(1, x)


def rounded(x, float32):
    """x, a double, or the float32 nearest to it."""
    return float(np.float32(x)) if float32 else float(x)


def grid(parameters, quantiles):
    """(nominal parameters, float32, quantile), the float32 points first."""
    for float32 in (True, False):
        chosen = quantiles[float32] if isinstance(quantiles, dict) else quantiles
        for params, q in itertools.product(parameters, chosen):
            yield params, float32, q
