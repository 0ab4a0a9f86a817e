"""Gaussian copulas of any marginals, reparameterized in the marginals' parameters and in the correlation."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import arguments, messages
from irg_kernels.families import normal
from irg_kernels.generic import copula, fixed_quantile

from ..attach import NATIVE
from ..registry import implicit_twin
from .base import ImplicitMixin, uniforms
from .beta import Beta
from .from_uniform import from_uniform, quantile_at
from .host_families import has_tails, log_tails, tails_and_density, unwrapped

__all__ = ["GaussianCopula", "GaussianCopulaBeta"]


class GaussianCopula(ImplicitMixin, TorchDistribution):
    r"""Marginals coupled by a normal distribution: :math:`x_i = F_i^{-1}(\Phi(z_i))`, :math:`z \sim N(0, R)`.

    A draw moves with the marginals' parameters and with the correlation, :math:`dx = (\phi(z) dz - dF) / p(x)`
    (Figurnov, Mohamed, Mnih 2018, eq. 5, with the quantile moving), in the logarithm of the smaller tail, so that no
    mass rounds to 0 or 1.

    :param marginal_dist: univariate distribution with a `cdf`, whose last batch axis is coupled; where this
        package has a twin of it, the twin stands for it.
    :param correlation_matrix: R, of shape (..., D, D), with ones on its diagonal.
    :param correlation_cholesky: instead, its lower Cholesky factor.
    :raises TypeError: for marginals that are no distribution of the library.
    :raises ValueError: for marginals that are no univariate distribution with a cdf, no or both
        correlations, or shapes that do not match.
    """

    arg_constraints: dict = {}
    has_rsample = True
    _keeps: tuple[str, ...] = ("marginal_dist", "correlation_cholesky")

    def __init__(
        self,
        marginal_dist: Any,
        correlation_matrix: Any = None,
        correlation_cholesky: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        name = type(self).__name__
        messages.check_distribution(name, "marginal_dist", marginal_dist, torch.distributions.Distribution)
        self.marginal_dist = implicit_twin(marginal_dist) or marginal_dist
        if marginal_dist.event_shape or not has_tails(self.marginal_dist):
            raise ValueError(
                f"{name}: marginal_dist must be a univariate distribution with a cdf, got "
                f"{type(marginal_dist).__name__} of event shape {tuple(marginal_dist.event_shape)}; ImplicitDensity "
                "gives one to any density"
            )
        both = {"correlation_matrix": correlation_matrix, "correlation_cholesky": correlation_cholesky}
        _, given = arguments.one_of(name, **both)
        dims = given.shape[-1]
        if given.dim() < 2 or given.shape[-2] != dims or marginal_dist.batch_shape[-1:] not in ((dims,), (1,)):
            raise ValueError(
                f"{name}: a correlation of shape {tuple(given.shape)} does not couple marginals of batch shape "
                f"{tuple(marginal_dist.batch_shape)}, whose last axis must be the correlation's"
            )
        if validate_args is not False and torch.distributions.Distribution._validate_args:
            _check(name, given, correlation_cholesky is None)
        self.correlation_cholesky = torch.linalg.cholesky(given) if correlation_cholesky is None else given
        batch_shape = torch.broadcast_shapes(marginal_dist.batch_shape[:-1], given.shape[:-2])
        super().__init__(batch_shape, torch.Size((dims,)), validate_args=validate_args)

    @property
    def correlation_matrix(self) -> Tensor:
        return self.correlation_cholesky @ self.correlation_cholesky.mT

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        return constraints.independent(self.marginal_dist.support, 1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        wide = self._wide(self.correlation_cholesky)
        noise = torch.randn(self._extended_shape(sample_shape), dtype=wide.dtype, device=wide.device)
        return self._of_noise(noise)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, by the normal numbers of quantile u; see the function `from_uniform`."""
        return self._of_noise(from_uniform(host.Normal(0.0, 1.0), self._wide(uniforms(self, u))))

    def _of_noise(self, noise: Tensor) -> Tensor:
        distribution, wide = self.marginal_dist, self._wide(self.correlation_cholesky)
        z = (wide @ noise[..., None])[..., 0]
        log_masses = normal.log_tails(NATIVE, z)
        with torch.no_grad():
            eps = torch.finfo(z.dtype).eps
            mass = log_masses[0].exp().clamp(1e-300 if z.dtype == torch.float64 else 1e-30, 1.0 - eps)
            start = quantile_at(distribution, mass)
            low, high = _ends(distribution, start)
            x = copula.refine_quantile(NATIVE, *tails_and_density(distribution), start, low, high, log_masses)
        return self._moving(x, log_masses).to(self.correlation_cholesky.dtype)

    def _moving(self, x: Tensor, log_masses: tuple[Tensor, Tensor]) -> Tensor:
        return fixed_quantile.at_fixed_quantile(NATIVE, *tails_and_density(self.marginal_dist), x, log_masses)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves so as to keep the independent normal numbers that it was made of."""
        factor, wide = self._wide(self.correlation_cholesky), self._wide(x)
        with torch.no_grad():
            z = copula.normal_score(NATIVE, *log_tails(self.marginal_dist, wide))
            noise = torch.linalg.solve_triangular(factor, z[..., None], upper=False)
        return self._moving(wide, normal.log_tails(NATIVE, (factor @ noise)[..., 0])).to(x.dtype)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distribution, wide = self.marginal_dist, self._wide(value)
        marginal = distribution.log_prob(wide)
        z = copula.normal_score(NATIVE, *log_tails(distribution, wide))
        joint = host.MultivariateNormal(
            torch.zeros_like(z), scale_tril=self._wide(self.correlation_cholesky), validate_args=False
        )
        coupled = joint.log_prob(z) - normal.log_density(NATIVE, z).sum(-1)
        return (coupled + marginal.sum(-1)).to(value.dtype)

    def _wide(self, value: Tensor) -> Tensor:
        return value if value.device.type == "mps" else value.double()

    @property
    def mean(self) -> Tensor:
        return self.marginal_dist.mean.expand(self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Tensor:
        return self.marginal_dist.variance.expand(self.batch_shape + self.event_shape)


def _check(name: str, given: Tensor, is_matrix: bool) -> None:
    kind = constraints.positive_definite if is_matrix else constraints.lower_cholesky
    squares = given.diagonal(dim1=-2, dim2=-1) if is_matrix else given.square().sum(-1)
    unit = (squares - 1.0).abs() < 1e-4  # float32's sums of 1e3 squares
    if not (kind.check(given).all() and unit.all()):
        what = (
            "correlation_matrix must be positive definite" if is_matrix else "correlation_cholesky must be triangular"
        )
        raise ValueError(f"{name}: {what}, of a matrix with ones on its diagonal, but found:\n{given}")


def _ends(distribution: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    support = unwrapped(distribution).support
    low, high = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
    return (
        torch.full_like(like, -torch.inf) if low is None else torch.as_tensor(low).to(like).expand_as(like),
        torch.full_like(like, torch.inf) if high is None else torch.as_tensor(high).to(like).expand_as(like),
    )


class GaussianCopulaBeta(GaussianCopula):
    """A `GaussianCopula` of Beta marginals.

    :param concentration1: positive, of shape (..., D).
    :param concentration0: likewise.
    :param correlation_matrix: as in `GaussianCopula`.
    :param correlation_cholesky: instead, its lower Cholesky factor.
    :raises ValueError: for concentrations outside their constraint, no or both correlations, or shapes that do not
        match.
    """

    _keeps = (*GaussianCopula._keeps, "concentration1", "concentration0")

    def __init__(
        self,
        concentration1: Any,
        concentration0: Any,
        correlation_matrix: Any = None,
        correlation_cholesky: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.concentration1, self.concentration0 = concentration1, concentration0
        marginal = Beta(concentration1, concentration0, validate_args=validate_args)
        super().__init__(marginal, correlation_matrix, correlation_cholesky, validate_args=validate_args)
