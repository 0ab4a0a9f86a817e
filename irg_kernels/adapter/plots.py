"""What both adapters draw: curves, tails and pairs, over matplotlib's objects that are handed in, and plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .messages import shown
from .settings import check_count

RELIABLE = 0.7  # k-hat below which importance weights can be trusted (Vehtari et al. 2024)
LARGEST = 6  # columns of a grid of pairs: beyond, its panels are too small to read


def missing(where: str, package: str, extra: str, error: ImportError) -> ImportError:
    return ImportError(f'{where} needs {package} ({error.name} is missing): pip install "pyro-irg[{extra}]"')


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Of the last `window` values at each place, of fewer at the beginning; what is not finite is left out."""
    means, total, count = [], 0.0, 0
    for i, value in enumerate(values):
        if math.isfinite(value):
            total, count = total + value, count + 1
        if i >= window and math.isfinite(gone := values[i - window]):
            total, count = total - gone, count - 1
        means.append(total / count if count else math.nan)
    return means


def check_numbers(where: str, what: str, values: Sequence[Any]) -> None:
    if not len(values):
        raise ValueError(f"{where}: {what} must hold at least one number, got none")


def numbers(where: str, what: str, values: Any, convert: Callable[[Any], list[float]]) -> list[float]:
    """convert(values), of what are numbers."""
    try:
        if values is not None:  # NumPy takes it for NaN
            return convert(values)
    except (TypeError, ValueError, RuntimeError):
        pass
    inside = f"; write its .{what}" if hasattr(values, what) else ""  # of what NumPyro's SVI.run returned
    raise ValueError(f"{where}: {what} must be numbers, got {shown(values)}{inside}")


def elbo(ax: Any, losses: Sequence[float], window: int | None) -> Any:
    """The bound, which is minus the loss, of each step and its running mean."""
    check_numbers("plot.elbo", "losses", losses)
    if window is None:
        window = max(1, min(50, len(losses) // 5))
    check_count("plot.elbo", "window", window)
    bounds = [-loss for loss in losses]
    means = running_mean(bounds, window)
    ax.plot(bounds, lw=0.5, alpha=0.4, marker="." if len(bounds) < 3 else "", label="each step")
    ax.plot(means, lw=1.5, label=f"mean of {window} steps")
    finite = sorted(mean for mean in means if math.isfinite(mean))
    if finite:  # the first steps are far below all others
        low, high = finite[len(finite) // 10], finite[-1]
        margin = 0.1 * (high - low) or 1.0
        ax.set_ylim(low - 3.0 * margin, high + 3.0 * margin)
    ax.set(xlabel="step", ylabel="ELBO")
    if lost := sum(not math.isfinite(loss) for loss in losses):
        ax.set_title(f"{lost} of {len(losses)} losses are not finite")
    ax.legend()
    return ax


def weights(ax: Any, log_weights: Sequence[float], pareto_k: float) -> Any:
    """The weights, largest first, over their mean: a straight line in these axes is a power law, of slope -k."""
    check_numbers("plot.weights", "log_weights", log_weights)
    if undefined := sum(map(math.isnan, log_weights)):
        raise ValueError(f"plot.weights: {undefined} of {len(log_weights)} log_weights are NaN")
    largest = max(log_weights)
    if not math.isfinite(largest):
        raise ValueError(f"plot.weights: log_weights must have a finite largest value, got {largest}")
    scaled = [math.exp(w - largest) for w in log_weights]
    mean = math.fsum(scaled) / len(scaled)
    ordered = sorted((w / mean for w in scaled if w > 0.0), reverse=True)
    ax.loglog(range(1, len(ordered) + 1), ordered, marker=".", ls="none", ms=3)
    verdict = f"k-hat {pareto_k:.2f}: {'reliable' if pareto_k < RELIABLE else 'not reliable'}"
    if math.isnan(pareto_k):
        verdict = f"k-hat is not known of {len(log_weights)} draws"
    ax.set(xlabel="rank", ylabel="weight / mean", title=verdict)
    return ax


def pareto_k(ax: Any, values: Sequence[float]) -> Any:
    """k-hat of each datum's weights, and the value above which they are not reliable."""
    check_numbers("plot.weights", "log_weights", values)
    ax.plot(values, marker=".", ls="none")
    ax.axhline(RELIABLE, color="black", ls="--", lw=1.0)
    above = sum(not k < RELIABLE for k in values)
    ax.set(xlabel="datum", ylabel="k-hat", title=f"{above} of {len(values)} not reliable")
    return ax


def path(axes: Sequence[Any], found: Mapping[str, Any], numbers: Callable[[Any], Sequence[float]]) -> Sequence[Any]:
    """Energy errors of a guide's steps beside its inverse temperatures, or the shares of its points.

    :param found: what `diagnostics` returns.
    :param numbers: makes a list of an array.
    """
    if not isinstance(found, Mapping):
        raise TypeError(f"plot.path: found must be what diagnostics(guide, ...) returns, got {shown(found)}")
    if not found:
        raise ValueError("plot.path: the guide takes no steps (num_steps=0)")
    errors, (left, right) = numbers(found["energy_errors"]), axes
    left.bar(range(1, len(errors) + 1), errors)
    left.axhline(0.0, color="black", lw=0.8)
    left.set(xlabel="step", ylabel="energy error, nats", title=f"rejected: {float(found['rejected']):.1%}")
    if "inverse_temperatures" in found:
        right.plot(numbers(found["inverse_temperatures"]), marker=".")
        right.set(xlabel="step", ylabel="inverse temperature")
    else:
        learned, chosen = numbers(found["shares"]), numbers(found["posterior_shares"])
        right.plot(learned, marker=".", label="as learned")
        right.plot(chosen, marker=".", label="drawn")
        right.set(xlabel="point of the path", ylabel="share", ylim=(0.0, None))
        right.legend()
    return axes


def pairs(plt: Any, groups: Mapping[str, Mapping[str, Sequence[float]]], size: float) -> Any:
    """A grid of panels: histograms on the diagonal, draws of two coordinates below it, a colour for each group.

    :param groups: label -> coordinate -> draws.
    :param size: of a panel, in inches.
    """
    names = list(next(iter(groups.values()), {}))
    if not names or len(names) > LARGEST:
        raise ValueError(f"plot.pairs: from 1 to {LARGEST} coordinates, got {len(names)}; name some with `sites`")
    for label, group in groups.items():
        if absent := [name for name in names if name not in group]:
            raise ValueError(f"plot.pairs: {label} has no draws of {absent}")
    n = len(names)
    figure, axes = plt.subplots(n, n, figsize=(size * n, size * n), squeeze=False, layout="constrained")
    for i, below in enumerate(names):
        for j, across in enumerate(names):
            ax = axes[i][j]
            if j > i:
                ax.set_axis_off()
                continue
            for label, group in groups.items():
                if i == j:
                    ax.hist(group[below], bins=40, density=True, histtype="step", label=label)
                else:
                    ax.plot(group[across], group[below], ls="none", marker=".", ms=2, alpha=0.4)
            ax.set(xlabel=across if i == n - 1 else None, ylabel=below if j == 0 and i else None)
    if len(groups) > 1:
        axes[0][0].legend()
    return figure


def coordinates(name: str, shape: Sequence[int]) -> list[str]:
    """x, or x[0], x[1], ... of a draw's coordinates in C order."""
    found = [""]
    for size in shape:
        found = [f"{before},{i}" if before else str(i) for before in found for i in range(size)]
    return [f"{name}[{index}]" if index else name for index in found]


def all_coordinates(label: str, draws: Any, sites: Any, convert: Callable[[Any], Any]) -> dict[str, Any]:
    """coordinate -> its draws.

    :param draws: site -> an array, draws along the first axis.
    :param sites: names of sites, or of one; None for all.
    :param convert: makes an array of NumPy's.
    :raises ValueError: for sites that are not there, and for no draws or different numbers of them.
    """
    if not isinstance(draws, Mapping):
        inside = "; write its .latents" if hasattr(draws, "latents") else ""  # of what `weighted_draws` returned
        raise ValueError(
            f"plot.pairs: the draws of {label} must be a dictionary, site -> draws, got {shown(draws)}{inside}"
        )
    names = list(draws) if sites is None else [sites] if isinstance(sites, str) else list(sites)
    if absent := [name for name in names if name not in draws]:
        raise ValueError(f"plot.pairs: {label} has no draws of {absent}, but of {list(draws)}")
    arrays = {name: convert(draws[name]) for name in draws if name in names}
    if single := [name for name, array in arrays.items() if array.ndim == 0 or not len(array)]:
        raise ValueError(f"plot.pairs: {label} must have one draw or more along the first axis of {single}")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"plot.pairs: {label} must have as many draws of each site, got {counts}")
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        found |= dict(zip(coordinates(name, array.shape[1:]), array.reshape(len(array), -1).T, strict=True))
    return found
