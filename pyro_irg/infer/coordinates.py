"""Where a base guide lies in unconstrained space, by which the steps are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.util import validation_enabled
from pyro.infer.autoguide import AutoContinuous, AutoGuide
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.transforms import AffineTransform, ComposeTransform, IndependentTransform

from irg_kernels.inference import hamiltonian

from ..attach import NATIVE
from ..distributions.host_families import unwrapped
from .bijections import bijection
from .sites import BaseSites


def base_distributions(base: BaseSites, run: Callable[[], Any]) -> Mapping[str, Any]:
    """The base guide's distributions by site, of those none of which depends on a draw.

    A step size that depends on the position is no shear any more, and the flow's Jacobian would be wrong.  What was
    stated before the first draw is safe; where more came later the guide runs again, at the means.
    """
    if not base.came_later:
        return base.stated
    # not validated: a scale of |x| is 0 at the mean of x
    with pyro.poutine.block(), validation_enabled(False), _AtMeans(base) as means:
        run()
    return means.stated


class _AtMeans(Messenger):
    """Puts the mean in the place of every draw."""

    def __init__(self, base: BaseSites) -> None:
        super().__init__()
        self.base, self.stated, self.drawn = base, dict[str, Any](), False

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if isinstance(fn, _Subsample):
            msg["value"], msg["done"] = self.base.subsamples[name]["value"], True
            return
        if msg["is_observed"] or isinstance(fn, dist.Delta):
            return
        if not self.drawn:
            self.stated[name] = fn
        mean = _moment(fn, "mean")
        if mean is not None and torch._is_all_true(mean.isfinite()):
            msg["value"], msg["done"] = mean, True
        else:
            self.drawn = True  # later distributions may depend on this draw, and are not used


def _moment(fn: Any, name: str) -> Tensor | None:
    try:
        return getattr(fn, name)
    except (NotImplementedError, AttributeError):
        return None


def location_and_scale(
    guide: Callable, distributions: Mapping[str, Any], name: str, support: Any, position: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the base in a latent's unconstrained space, where its distribution tells; else 0
    and 1.

    Of a distribution that is not normal there they are carried over to first order.

    :param distributions: as `base_distributions` gives them.
    :param support: the latent's in the model, which makes the unconstrained space.
    :param position: there.
    """
    found = _known(guide, distributions, name, support)
    if found is None or torch.broadcast_shapes(found[1].shape, position.shape) != position.shape:
        return torch.zeros_like(position), torch.ones_like(position)
    loc, scale = (x.to(position.dtype).expand(position.shape) for x in found)
    good = loc.isfinite() & scale.isfinite() & (scale > 0.0)
    return torch.where(good, loc, 0.0), torch.where(good, scale, 1.0)


def _known(guide: Callable, distributions: Mapping[str, Any], name: str, support: Any) -> tuple[Tensor, Tensor] | None:
    fn, before = unwrapped(distributions.get(name)), distributions.get(f"{name}_unconstrained")
    if before is not None:
        fn, support = unwrapped(before), constraints.real
    if isinstance(fn, torch.distributions.TransformedDistribution):
        # `biject_to(positive)` is exp and an affine map, in torch of today the identity
        if _parts(ComposeTransform(fn.transforms)) == _parts(biject_to(support)):
            fn = unwrapped(fn.base_dist)
    if isinstance(fn, torch.distributions.Normal):
        return fn.loc, fn.scale
    if not isinstance(guide, AutoGuide):
        return None if fn is None else _by_moments(fn, support)
    joint = unwrapped(distributions.get(f"_{guide._pyro_name}_latent")) if isinstance(guide, AutoContinuous) else None
    if not isinstance(joint, dist.Normal | dist.MultivariateNormal | dist.LowRankMultivariateNormal):
        return None
    loc, scale = (
        next(x for site, x in guide._unpack_latent(moment) if site["name"] == name)
        for moment in (joint.mean, joint.stddev)
    )
    return loc, scale


def _by_moments(fn: Any, support: Any) -> tuple[Tensor, Tensor] | None:
    transform = bijection(support)
    while isinstance(transform, IndependentTransform):
        transform = transform.base_transform
    mean, variance = _moment(fn, "mean"), _moment(fn, "variance")
    if transform.domain.event_dim or transform.codomain.event_dim or mean is None or variance is None:
        return None  # not elementwise, or without moments
    if isinstance(fn, torch.distributions.VonMises):
        variance = hamiltonian.angular_variance(NATIVE, variance)

    def carried(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        loc = transform.inv(mean)
        return loc, variance.sqrt() * (-transform.log_abs_det_jacobian(loc, mean)).exp()

    loc, scale = carried(mean.detach(), variance.detach())
    good = loc.isfinite() & scale.isfinite() & (scale > 0.0)
    # no NaN enters a formula that will be differentiated
    loc, scale = carried(torch.where(good, mean, transform(torch.zeros_like(loc))), torch.where(good, variance, 1.0))
    return torch.where(good, loc, torch.nan), torch.where(good, scale, torch.nan)


def _parts(transform: Any) -> list[Any]:
    """The elementwise transforms of which it is composed, without the identity."""
    if isinstance(transform, IndependentTransform):
        return _parts(transform.base_transform)
    if isinstance(transform, ComposeTransform):
        return [part for each in transform.parts for part in _parts(each)]
    return [] if transform == AffineTransform(0.0, 1.0) else [transform]
