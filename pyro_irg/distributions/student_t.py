"""StudentT with implicit gradients."""

from __future__ import annotations

import functools
from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import student_t
from irg_kernels.generic import by_region

from ..attach import attach, in_transform
from ..registry import implicit_twin_of
from ..samplers import draw, standard_student_t
from .base import UnivariateMixin, parameters
from .clamping import all_inside, exponential


@implicit_twin_of(host.StudentT)
class StudentT(UnivariateMixin, host.StudentT):
    """Student's t distribution, reparameterized in all three parameters; its one-dimensional gradient in `df` is
    implicit.
    """

    family = student_t.FAMILY

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        df, loc, scale = parameters("StudentT", df=df, loc=loc, scale=scale)
        self.df, self.loc, self.scale = df, loc, scale
        # the host would validate it, come what may, and blame it for what is wrong
        self._chi2 = torch.distributions.Chi2(df, validate_args=False)
        begin = functools.partial(torch.distributions.Distribution.__init__, self, df.shape)
        self._begin_checked(begin, validate_args, df, loc, scale)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        df, loc, scale = self._extended(sample_shape, self.df, self.loc, self.scale)
        sign, log_t, t = draw(standard_student_t, df)
        if not in_transform() and all_inside(t.abs()) and all_inside((scale.detach() * t).abs()):  # the usual case
            return loc + scale * attach((student_t.dt_dnu,), t, df, by_region=by_region.STUDENT_T)
        log_size = attach((student_t.dlogt_dnu,), log_t, df, by_region=by_region.STUDENT_T_LOG) + scale.log()
        size = exponential(log_size)
        return loc + sign * size
