"""What ``help`` says of a class's ``expand``."""

import pytest

import pyro_irg.distributions as dist


@pytest.mark.parametrize("name", ["AffineBeta", "GaussianCopulaBeta", "LKJCholesky", "Pareto"])
def test_expand_has_a_docstring(name):
    assert "batch_shape" in (getattr(dist, name).expand.__doc__ or "")
