"""StudentT with implicit gradients."""

from __future__ import annotations

import math

import pyro.distributions as host
import torch

from irg_kernels.families import student_t

from ..attach import attach, call
from ..registry import implicit_twin_of
from ..samplers import draw, standard_student_t
from .base import UnivariateMixin, closed_form, exponential, parameters

__all__ = ["StudentT"]


@implicit_twin_of(host.StudentT)
class StudentT(UnivariateMixin, host.StudentT):
    r"""Student's t law, reparameterized in all three parameters; its one-dimensional gradient in `df` is implicit.

    Density :math:`\propto (1 + y^2/\nu)^{-(\nu+1)/2}` with :math:`y = (x - \mu)/\sigma`.  A draw that would overflow is
    held at the end of the range, with the relative derivative of the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; number or tensor, broadcast with the others.
    :param loc: location :math:`\mu`.
    :param scale: scale :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        super().__init__(*parameters("StudentT", df=df, loc=loc, scale=scale), validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape=torch.Size()):
        df, loc, scale = self._extended(sample_shape, self.df, self.loc, self.scale)
        sign, log_t = draw(standard_student_t, df)
        log_size = attach((student_t.dlogt_dnu,), log_t, df) + scale.log()
        size = exponential(log_size, log_size.detach().exp())
        return loc + sign * size

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y = ((value - self.loc) / self.scale).abs()
        far = y > 1e10  # y**2 overflows float32 at 1.8e19
        near_y, far_y = y.masked_fill(far, 0.0), y.masked_fill(~far, 1.0)
        log1p_q = torch.where(far, 2.0 * far_y.log() - self.df.log(), torch.log1p(near_y * near_y / self.df))
        half = 0.5 * self.df
        log_normalizer = (
            self.scale.log() + 0.5 * (self.df.log() + math.log(math.pi)) + half.lgamma() - (half + 0.5).lgamma()
        )
        return -(half + 0.5) * log1p_q - log_normalizer

    def _law(self, value):
        return student_t.LAW, (self._at(value, -math.inf, math.inf, "value") - self.loc) / self.scale, self.df

    def icdf(self, value):
        return self.loc + self.scale * self._quantile(_quantile, value, -math.inf, math.inf, self.df)

    def entropy(self):
        return closed_form(student_t.entropy, self.df) + self.scale.log()


def _quantile(q, rest, df):
    return call(student_t.QUANTILE, q, rest, df)
