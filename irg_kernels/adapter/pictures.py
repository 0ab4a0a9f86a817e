"""The functions of an adapter's module `plot`: what they take and say; `plots` draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import plots


class Pictures:
    """Each method is a function of that module.

    :param matplotlib: imports matplotlib's `pyplot`.
    :param floats: the numbers of an array, as a list.
    :param array: an array as one of NumPy's.
    :param pareto_k: k-hat of log-weights.
    """

    def __init__(
        self,
        matplotlib: Callable[[], Any],
        floats: Callable[[Any], list[float]],
        array: Callable[[Any], Any],
        pareto_k: Callable[[Any], Any],
    ) -> None:
        self._matplotlib, self._floats, self._array, self._pareto_k = matplotlib, floats, array, pareto_k

    def _pyplot(self, where: str) -> Any:
        try:
            return self._matplotlib()
        except ImportError as error:
            raise plots.missing(where, "matplotlib", "plot", error) from error

    def elbo(self, losses: Any, *, window: int | None = None, ax: Any = None) -> Any:
        """The bound of each step and its running mean.

        :param losses: what Pyro's `SVI.step` returned, step by step, or `losses` of what NumPyro's `SVI.run` returned.
        :param window: how many steps the mean is taken over; by default 50, or a fifth of all steps if that is less.
        :param ax: matplotlib's axes; by default new ones.
        :returns: the axes.
        :raises ValueError: for no losses, or an empty window.
        :raises ImportError: without matplotlib.
        """
        ax = ax or self._pyplot("plot.elbo").subplots(layout="constrained")[1]
        return plots.elbo(ax, plots.numbers("plot.elbo", "losses", losses, self._floats), window)

    def weights(self, log_weights: Any, *, ax: Any = None) -> Any:
        """How far a guide's importance weights can be trusted.

        :param log_weights: from `log_weights`: of shape (draws,), which shows the weights by rank with their k-hat, or
            (draws, data), which shows k-hat of each datum.
        :param ax: matplotlib's axes; by default new ones.
        :returns: the axes.
        :raises ValueError: where no weight is finite.
        :raises ImportError: without matplotlib.
        """
        ax = ax or self._pyplot("plot.weights").subplots(layout="constrained")[1]
        numbers = plots.numbers("plot.weights", "log_weights", log_weights, self._floats)
        found = self._pareto_k(log_weights)
        k = self._floats(found)
        return plots.pareto_k(ax, k) if found.ndim else plots.weights(ax, numbers, k[0])

    def path(self, found: Mapping[str, Any], log_weights: Any = None, *, axes: Any = None) -> Any:
        """The path of a Hamiltonian guide: energy errors of its steps, its temperatures or the shares of its points,
        and how far its weights can be trusted.

        :param found: what `diagnostics(guide, ...)` returns.
        :param log_weights: as for `weights`, which draws them into a third panel.
        :param axes: two of matplotlib's axes, three with `log_weights`; by default new ones.
        :returns: the axes.
        :raises ValueError: for a guide without steps, or where no weight is finite.
        :raises ImportError: without matplotlib.
        """
        count = 2 if log_weights is None else 3
        if axes is None:
            axes = self._pyplot("plot.path").subplots(1, count, figsize=(4 * count, 3), layout="constrained")[1]
        elif len(axes) != count:
            raise ValueError(f"plot.path: axes must be {count}, got {len(axes)}")
        plots.path(axes[:2], found, self._floats)
        if log_weights is not None:
            self.weights(log_weights, ax=axes[2])
        return axes

    def pairs(
        self,
        draws: Mapping[str, Any],
        *others: Mapping[str, Any],
        labels: Sequence[str] = ("guide", "reference"),
        sites: Sequence[str] | None = None,
        size: float = 1.8,
    ) -> Any:
        """A guide's draws, two coordinates at a time, over those of others: a reference, the prior.

        :param draws: site -> draws along the first axis, as `weighted_draws` and `Predictive` give them.
        :param others: the same of what it is compared with.
        :param labels: a name for each.
        :param sites: which ones; by default all, of at most 6 coordinates together.
        :param size: of a panel, in inches.
        :returns: the figure.
        :raises ValueError: for too many coordinates, or sites that some lack.
        :raises ImportError: without matplotlib.
        """
        groups = {
            label: plots.all_coordinates(label, group, sites, self._array)
            for label, group in zip(labels, (draws, *others), strict=False)
        }
        return plots.pairs(self._pyplot("plot.pairs"), groups, size)
