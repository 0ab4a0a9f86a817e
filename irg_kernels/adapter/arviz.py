"""A guide's draws in the groups that ArviZ has for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

UNDERFLOW = -700.0  # the least exponent of float64 is -708, and the excess is smaller still


class Draws(NamedTuple):
    """Draws of a model's latents from a guide, and what belongs to them."""

    latents: Mapping[str, Any]
    """site -> array with a leading axis of draws; deterministic sites too"""
    log_weights: Any
    """log p(x, z) - log q(z) of each draw, auxiliary sites included"""
    observed: Mapping[str, Any]
    """site -> its data"""


def missing(extra: str, error: ImportError) -> ImportError:
    return ImportError(f'to_arviz needs arviz-base ({error.name} is missing): pip install "pyro-irg[{extra}]"')


def k_hats(columns: Iterable[Any], psislw: Callable) -> list[float]:
    """k-hat of each column of log-weights: -inf where its largest are all equal, NaN where the largest is not finite.

    ArviZ divides by the excess of a quarter of the tail over the cut-off.  Where that is 0 it returns its prior, 0.05
    for 1,000 draws, as if all were well: where it underflows beside the largest weight, the worst case, k-hat is inf
    here, and where a quarter of the tail equals the cut-off, a nat or more below the largest, NaN.

    :param columns: arrays of NumPy's.
    :param psislw: ArviZ's, which takes log-likelihoods, minus the log-weights.
    """

    def fit(column: Any) -> float:
        if not math.isfinite(column.max()):
            return math.nan
        ordered = column - column.max()
        ordered.sort()
        size = tail(len(ordered))
        cutoff, quarter = ordered[-size - 1], ordered[-size + int(size / 4 + 0.5) - 1]
        if ordered[-size] == 0.0:  # the largest weight itself
            return -math.inf
        if quarter < UNDERFLOW:
            return math.inf
        if quarter == cutoff < -1.0:  # within a nat of the largest they are equal by rounding, and the prior is right
            return math.nan
        return float(psislw(-column)[1])

    return [fit(column) for column in columns]


def tail(draws: int) -> int:
    """How many of the largest weights are fitted, of 25 or more (Vehtari et al. 2024; as ArviZ counts)."""
    return math.floor(3.0 * math.sqrt(draws) if draws > 225 else draws / 5)


def groups(draws: Draws, numbers: Callable[[Any], Any]) -> dict[str, dict[str, Any]]:
    """One chain of draws, their log-weights among the sample statistics.

    :param numbers: makes a NumPy array of the adapter's.
    """
    found = {
        "posterior": {name: numbers(values)[None] for name, values in draws.latents.items()},
        "sample_stats": {"log_weight": numbers(draws.log_weights)[None]},
    }
    if draws.observed:
        found["observed_data"] = {name: numbers(values) for name, values in draws.observed.items()}
    return found


def attributes(library: str, version: str) -> dict[str, dict[str, str]]:
    """Of the tree's root."""
    return {"/": {"inference_library": library, "inference_library_version": version}}
