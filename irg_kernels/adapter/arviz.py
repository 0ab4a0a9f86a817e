"""A guide's draws in the groups that ArviZ has for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


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

    :param columns: arrays of NumPy's.
    :param psislw: ArviZ's, which takes log-likelihoods, minus the log-weights.
    """

    def fit(column: Any) -> float:
        if not math.isfinite(column.max()):
            return math.nan
        try:
            return float(psislw(-column)[1])
        except ValueError:  # all of the tail is one value
            return -math.inf

    return [fit(column) for column in columns]


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
