"""Truncated draws by rejection: of the base's own draws the first that falls between the bounds.

That is a truncated draw exactly.  Whether a further one is tried depends on how many were accepted, never on their
values; what is left when that no longer pays the quantile function draws anew.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, NamedTuple

import torch
from pyro.distributions import Categorical
from torch import Tensor

from ..attach import in_transform
from .base import Univariate
from .host_families import family_of, unwrapped
from .mixture import MixtureSameFamily

ENOUGH = 1_000
"""proposals that take little longer than one"""
PAYS = 30
"""proposals in the time of one quantile, or more"""


class Proposals(NamedTuple):
    """The draws of a distribution, row by row of a flattened batch."""

    kind: type
    """of the distribution, or of a mixture's components"""
    params: dict[str, Tensor]
    """of its constructor, (rows,) or (rows, components)"""
    logits: Tensor | None
    """(rows, components), of a mixture"""

    def at(self, rows: Tensor) -> Any:
        """The distributions of some rows."""
        base = self.kind(**{name: p[rows] for name, p in self.params.items()}, validate_args=False)
        if self.logits is None:
            return base
        return MixtureSameFamily(Categorical(logits=self.logits[rows], validate_args=False), base, validate_args=False)

    def drawn(self, rows: Tensor | None, tries: int) -> Tensor:
        """Draws of the rows, or of all, in float64: (tries, rows)."""
        params = {name: (p if rows is None else p[rows]).double() for name, p in self.params.items()}
        if self.logits is None:
            return self.kind(**params, validate_args=False).sample((tries,))
        logits = (self.logits if rows is None else self.logits[rows]).double()
        which = Categorical(logits=logits, validate_args=False).sample((tries,))[..., None]
        shape = (tries, *logits.shape)
        params = {name: p.expand(shape).gather(-1, which)[..., 0] for name, p in params.items()}
        return self.kind(**params, validate_args=False).sample()

    def between(self, low: Tensor, high: Tensor, may_try: Tensor) -> tuple[Tensor, Tensor]:
        """(accepted draws of all rows, the rows that have none).

        :param low: the least value of each row, and `high` the largest, in float64.
        :param may_try: where float64 has digits enough to tell that a draw is between them.
        """
        found, left = torch.full_like(low, torch.nan), may_try.nonzero()[:, 0]
        whole: bool = len(left) == len(low)
        most = 8
        while len(left):
            tries = max(1, min(ENOUGH // len(left), most))
            proposed = self.drawn(None if whole else left, tries)
            least, largest = (low, high) if whole else (low[left], high[left])
            inside = (proposed >= least) & (proposed <= largest)
            first = inside.to(torch.uint8).argmax(0, keepdim=True)
            accepted = inside.gather(0, first)[0]
            found[left] = torch.where(accepted, proposed.gather(0, first)[0], torch.nan)
            before, left, whole = len(left), left[~accepted], False
            if 2 * tries * before >= ENOUGH and (before - len(left)) * PAYS < tries * before:
                break
            most = min(8 * most, ENOUGH)
        return found, found.isnan().nonzero()[:, 0]


def proposals_of(base: Any, shape: torch.Size) -> Proposals | None:
    """Of a family with a sampler, or a mixture of one, in that shape; None where the quantile function is to draw."""
    if in_transform() or torch.jit.is_tracing() or torch.compiler.is_compiling():  # values may not be looked at
        return None
    logits, trailing = None, shape
    if type(base) is MixtureSameFamily:
        logits = base.mixture_distribution.logits.detach()
        count = logits.shape[-1]
        logits, trailing = logits.expand(*shape, count).reshape(-1, count), torch.Size((*shape, count))
        base = unwrapped(base.component_distribution)
    kind: Any = type(base)
    known = family_of(base)
    if known is None or (logits is None and known[0].tails_are_closed) or not _has_sampler(kind, known[0]):
        return None
    names = tuple(known[0].parameters)
    params = {name: getattr(base, name).detach().expand(trailing) for name in names}
    if any(p.device.type == "mps" for p in params.values()):  # without float64
        return None
    rows = {name: p.reshape(-1) if logits is None else p.reshape(-1, trailing[-1]) for name, p in params.items()}
    return Proposals(type(base), rows, logits)


@cache
def _has_sampler(kind: type, family: Any) -> bool:
    """Not one whose draw is a quantile, and whose constructor has the family's parameters."""
    accepted = inspect.signature(kind).parameters
    by_quantile = family.draw is None and issubclass(kind, Univariate) and kind.rsample is Univariate.rsample
    if by_quantile and not (family.tails_are_closed and family.quantile is not None):
        return False
    return all(name in accepted for name in (*family.parameters, "validate_args"))


DIGITS = 1e-12
"""of float64 next to an end where it holds draws, and RANGE next to 0 and infinity, where that leaves it none"""
RANGE = 1e-290


def are_told(ends: tuple[Tensor, Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Where a draw in float64 tells whether it is between `low` and `high`, of a support with those ends.

    Of a small shape most draws may be held next to an end of the support, though the bound be nearer to it.
    """
    least, most = ends
    size = torch.where(least.isfinite(), least.abs(), 0.0) + torch.where(most.isfinite(), most.abs(), 0.0)
    at_low, at_high = low <= least, high >= most
    inside = (at_low | (low - least > DIGITS * size + RANGE)) & (at_high | (most - high > DIGITS * size + RANGE))
    in_range = (at_low | (low > -1.0 / RANGE)) & (at_high | (high < 1.0 / RANGE))
    return inside & in_range & (high - low > DIGITS * torch.maximum(low.abs(), high.abs()).clamp(max=1.0 / RANGE))
