"""Beta between two ends: loc + scale y, y ~ Beta."""

from __future__ import annotations

from dataclasses import replace

from ..generic.family import located
from . import beta

# its quantile, a logit, is the class's own business
FAMILY = located(replace(beta.FAMILY, quantile=None))
