"""How far repeated estimates of one gradient scatter, and whether two estimators mean the same gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Spread", "compare"]


class Spread(NamedTuple):
    """Score-function against pathwise estimates of the encoder's gradient.

    Each ratio is the total variance (trace of the covariance) of the score-function estimate over the pathwise one's.
    """

    plain: float
    constant: float
    """With the mean ELBO taken off as a baseline."""
    own: float
    """With each image's own ELBO taken off."""
    slope: float
    """Mean score-function gradient along the mean pathwise one, over the latter's length: 1 when the two agree."""
    slope_error: float
    """Standard error of `slope`."""


def total_variance(estimates: np.ndarray) -> float:
    """Trace of the covariance of the rows."""
    return float(estimates.var(axis=0, ddof=1).sum())


def compare(pathwise: np.ndarray, plain: np.ndarray, constant: np.ndarray, own: np.ndarray) -> Spread:
    """Of gradient estimates, one per row: pathwise, and by the score function without and with the two baselines."""
    ratios = [total_variance(score) / total_variance(pathwise) for score in (plain, constant, own)]
    # Half of the estimates choose the direction and the other half are measured along it: from one set, the noise
    # in the direction would count as gradient.
    half = len(pathwise) // 2
    direction = pathwise[:half].mean(0)
    (a, a_error), (b, b_error) = map(mean, (pathwise[half:] @ direction, own @ direction))
    return Spread(*ratios, slope=b / a, slope_error=float(np.hypot(b_error, a_error * b / a) / abs(a)))


def mean(x: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x)))
