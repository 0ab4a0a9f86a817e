"""The draws follow their laws, at the hard points too, in both precisions."""

import pyro
import pytest
import torch

import pyro_irg.distributions as dist
from tests.laws import DIRICHLETS, LAWS, LEAST_P_VALUE, SAMPLED, SMALL, held_at, marginal, p_value
from tests.pyro.draws import build, numpy

DRAWS = 100_000

precisions = pytest.mark.parametrize("precision", ["float32", "float64"])


@pytest.fixture(autouse=True)
def seed():
    pyro.set_rng_seed(1)


@precisions
@pytest.mark.parametrize(("law", "params"), SAMPLED.values(), ids=SAMPLED)
def test_goodness_of_fit(law, params, precision):
    x = build(law, params, precision)[0].sample((DRAWS,))
    assert x.dtype == getattr(torch, precision)
    assert p_value(numpy(x), lambda x: law.cdf(x, **params), held_at(law.name, precision)) > LEAST_P_VALUE


@precisions
@pytest.mark.parametrize("concentration", DIRICHLETS, ids=str)
def test_goodness_of_fit_dirichlet(concentration, precision):
    """The marginals, and that x[0] tells nothing about x[1] / (1 - x[0])."""
    x = numpy(dist.Dirichlet(torch.tensor(concentration, dtype=getattr(torch, precision))).sample((DRAWS,)))
    tested = [i for i, c in enumerate(concentration) if c < 1e3]  # of another's 1e3, too little is inside the range
    for i in tested:
        assert p_value(x[:, i], marginal(i, concentration), held_at("Dirichlet", precision)) > LEAST_P_VALUE
    if min(concentration) > 0.1 and len(concentration) > 2:
        first, rest = marginal(0, concentration)(x[:, 0]), x[:, 1] / x[:, 1:].sum(-1)
        second = marginal(0, concentration[1:])(rest)
        assert p_value((first + second) % 1.0, lambda u: u) > LEAST_P_VALUE


@precisions
def test_large_dirichlet(precision):
    """A thousand components; a hundred draws of a tenth of them are as good as independent."""
    x = dist.Dirichlet(torch.full((1000,), 0.5, dtype=getattr(torch, precision))).sample((100,))
    few = numpy(x)[:, :100].reshape(-1)
    assert p_value(few, marginal(0, (0.5, 499.5)), held_at("Dirichlet", precision)) > LEAST_P_VALUE
    torch.testing.assert_close(x.sum(-1), torch.ones_like(x[:, 0]), rtol=100 * torch.finfo(x.dtype).eps, atol=0)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_draws_lie_inside_the_support(law):
    """In float32, at every point: strictly inside, so that log_prob is finite, and so are slopes of log x."""
    for params in law.points + law.hard + ((law.small[2],) if law.small else ()):
        d, _ = build(law, params, "float32")
        x = d.sample((10_000,))
        assert x.isfinite().all() and d.support.check(x).all()
        if law.name in ("Gamma", "Chi2", "InverseGamma", "Beta", "Dirichlet"):
            assert (x > 0.0).all()
        if law.name in ("Beta", "Dirichlet"):
            assert (x < 1.0).all()
        if law.name != "Dirichlet" or max(params["concentration"]) < 1e3:
            assert d.log_prob(x).isfinite().all()


def test_von_mises_without_concentration():
    """Validation refuses 0; without it the law is the uniform one."""
    x = dist.VonMises(torch.tensor(0.0), torch.tensor(0.0), validate_args=False).sample((DRAWS,))
    assert p_value(numpy(x), lambda x: 0.5 + x / (2.0 * torch.pi)) > LEAST_P_VALUE


@pytest.mark.parametrize("law", SMALL.values(), ids=str)
def test_seed(law):
    d = build(law, law.points[0])[0]
    pyro.set_rng_seed(5)
    first = d.sample((3,))
    second = d.sample((3,))
    pyro.set_rng_seed(5)
    again = d.sample((3,))
    assert torch.equal(first, again) and (first != second).all()
