"""ContinuousBernoulli: moments, quantiles and both orders of derivatives through probs = 1/2 and far from it."""

import numpy as np
import pyro.distributions as host
import pytest
import torch
from mpmath import mp
from torch.distributions import kl_divergence

import pyro_irg.distributions as dist
from irg_kernels.numerics.quadrature import gauss_legendre
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

# both sides of the points where series and closed forms meet, 1 and 2, and the ends
LOGITS = (0.0, 1e-9, -1e-3, 0.5, 0.999, -1.001, -1.99, 2.01, 30.0, -30.0, 88.0, -120.0, 1e3, -1e3)
LEVELS = (1e-6, 0.3, 0.6, 0.999)

# A few rounding errors of each function.  (A difference of two terms may lose three bits, at |logit| = 1 or 2.)
ROUNDING = {"float64": 4e-15, "float32": 2e-6}
precisions = pytest.mark.parametrize("precision", ROUNDING)
logits = pytest.mark.parametrize("eta", LOGITS)


def log_normalizer(eta):
    """log(expm1(eta) / eta) in mpmath, which differentiates it."""
    return mp.log(mp.expm1(eta) / eta)


def at(eta):
    """eta for mpmath, whose formulas are 0 / 0 at 0: so small that the difference is below 1e-30."""
    return mp.mpf(eta) if eta else mp.mpf(10) ** -30


def close(found, truth, precision, scale=0.0):
    """Within ROUNDING of the truth or, where that is small, of `scale`."""
    allowed = ROUNDING[precision] * max(abs(float(truth)), float(scale)) + torch.finfo(getattr(torch, precision)).tiny
    assert abs(found.item() - float(truth)) <= allowed, (found.item(), float(truth))


def leaf(value, precision):
    return torch.tensor(value, dtype=getattr(torch, precision), requires_grad=True)


@precisions
@logits
def test_moments(eta, precision):
    """Mean, variance and their derivatives: A', A'', A''' of the log_normalizer A; entropy A - eta A'."""
    x = leaf(eta, precision)
    law = dist.ContinuousBernoulli(logits=x)
    with mp.workdps(150):
        e = at(x.item())
        t = mp.exp(-abs(e))
        mean = 1 / (1 - mp.exp(-e)) - 1 / e
        variance = 1 / e**2 - t / (1 - t) ** 2
        third = mp.sign(e) * t * (1 + t) / (1 - t) ** 3 - 2 / e**3
        entropy = log_normalizer(e) - e * mean if eta else 0.0
    close(law.mean, mean, precision)
    close(law.variance, variance, precision)
    close(law.entropy(), entropy, precision)
    slope = torch.autograd.grad(law.mean, x, create_graph=True)[0]
    close(slope, variance, precision)
    # the series of A''' ends a term earlier, in effect: its size is that of A''
    close(torch.autograd.grad(slope, x)[0], third, precision, scale=variance)


@precisions
@logits
def test_quantiles(eta, precision):
    """x, dx/d logit and d2x/d logit2 at fixed quantile; cdf and log_prob there."""
    x = leaf(eta, precision)
    law = dist.ContinuousBernoulli(logits=x)
    for level in LEVELS:
        u = leaf(level, precision)
        draw = law.icdf(u)
        with mp.workdps(500):  # exp(1000) beside 1
            e, q = at(x.item()), mp.mpf(u.item())
            path = lambda t, q=q: mp.log1p(q * mp.expm1(t)) / t  # noqa: E731
            step = mp.mpf(10) ** -100
            truth = path(e) if eta else q
            first = (path(e + step) - path(e - step)) / (2 * step)
            second = (path(e + step) - 2 * path(e) + path(e - step)) / step**2
            near = min(truth, 1 - truth)  # what the derivatives are proportional to
        close(draw, truth, precision)
        slope = torch.autograd.grad(draw, x, create_graph=True)[0]
        # at the far end 1 - x, and the slope with it, is known to the spacing of x
        spare = (truth / near) * abs(first)
        close(slope, first, precision, scale=spare)
        close(torch.autograd.grad(slope, x)[0], second, precision, scale=spare + (truth / near) * abs(second))


@precisions
@logits
def test_density(eta, precision):
    """log_prob and cdf against the closed forms, at exact points."""
    x = leaf(eta, precision)
    law = dist.ContinuousBernoulli(logits=x)
    for value in (0.0, 0.125, 0.5, 0.875, 1.0):
        with mp.workdps(500):
            e = at(x.item())
            log_density, cdf = e * value - log_normalizer(e), mp.expm1(e * value) / mp.expm1(e)
        close(law.log_prob(torch.tensor(value, dtype=x.dtype)), log_density, precision, scale=1.0)
        # exp(-t) has the relative error t eps
        close(law.cdf(torch.tensor(value, dtype=x.dtype)), cdf, precision, scale=abs(eta) * cdf)


@precisions
@pytest.mark.parametrize("probs", [0.5, 0.4995, 1e-12, 1.0 - 2**-20])
def test_probs(probs, precision):
    """The other parameter, also far below the eps at which the host clamps it."""
    p = leaf(probs, precision)
    law = dist.ContinuousBernoulli(p)
    with mp.workdps(60):
        q = mp.mpf(p.item())
        e = mp.log(q / (1 - q))
        mean = 1 / (1 - mp.exp(-e)) - 1 / e if e else mp.mpf(0.5)
        slope = (1 / e**2 - mp.exp(e) / mp.expm1(e) ** 2 if e else mp.mpf(1) / 12) / (q * (1 - q))
    close(law.mean, mean, precision)
    close(torch.autograd.grad(law.mean, p)[0], slope, precision)


def test_where_the_host_has_no_gradient():
    """d mean / d probs at 1/2 is 1/3: zero in the host's draws, whatever the seed."""
    torch.manual_seed(0)
    n = 20_000
    slopes = {}
    for module in (host, dist):
        p = torch.full((n,), 0.5, requires_grad=True)
        slopes[module] = torch.autograd.grad(module.ContinuousBernoulli(p).rsample().sum(), p)[0].double().numpy()
    assert (slopes[host] == 0.0).all()
    assert standardised(slopes[dist], np.array(1.0 / 3.0), rtol=0.0) < STANDARD_ERRORS


@pytest.mark.parametrize("eta", [0.0, -4.0, 40.0])
def test_draws_follow_the_law(eta):
    torch.manual_seed(1)
    x = dist.ContinuousBernoulli(logits=torch.tensor(eta, dtype=torch.float64)).sample((10_000,)).numpy()
    cdf = (lambda x: x) if eta == 0.0 else (lambda x: np.expm1(eta * np.asarray(x)) / np.expm1(eta))
    assert p_value(x, cdf) > LEAST_P_VALUE


def test_extremes_are_finite():
    """Logits of any size: draws in the support, with finite derivatives and density."""
    eta = torch.tensor([-3e38, -1e10, 1e10, 3e38], requires_grad=True)
    law = dist.ContinuousBernoulli(logits=eta)
    x = law.rsample((100,))
    assert law.support.check(x).all() and law.log_prob(x).isfinite().all()
    for total in (x.sum(), law.mean.sum(), law.variance.sum(), law.entropy().sum()):
        assert torch.autograd.grad(total, eta, retain_graph=True)[0].isfinite().all()
    ends = dist.ContinuousBernoulli(torch.tensor([0.0, 1.0]), validate_args=True).sample((100,))
    assert ends.isfinite().all() and (ends[:, 0] < 0.5).all() and (ends[:, 1] > 0.5).float().mean() > 0.9


def test_divergences_of_the_host():
    """KL against another of its kind and the uniform law, from E log p - E log q by quadrature."""
    nodes, weights = (torch.tensor(v, dtype=torch.float64) for v in gauss_legendre(60))
    for a, b in ((0.0, 1e-3), (0.7, -3.0), (-20.0, 5.0)):
        p, q = (dist.ContinuousBernoulli(logits=torch.tensor(v, dtype=torch.float64)) for v in (a, b))
        density = p.log_prob(nodes)
        expected = (weights * density.exp() * (density - q.log_prob(nodes))).sum()
        # the host adds and takes away log(1 - probs), 20 at the most
        torch.testing.assert_close(kl_divergence(p, q), expected, rtol=1e-12, atol=1e-14)
    uniform = dist.Uniform(torch.tensor(-1.0, dtype=torch.float64), 2.0)
    torch.testing.assert_close(kl_divergence(p, uniform), np.log(3.0) - p.entropy())


def test_shapes_and_parameters():
    for name in ("probs", "logits"):
        law = dist.ContinuousBernoulli(**{name: torch.full((3, 1), 0.25)})
        law.mean, law.logits, law.probs  # noqa: B018, the host caches what it computes
        wide = law.expand((3, 4))
        assert type(wide) is dist.ContinuousBernoulli and wide.batch_shape == (3, 4)
        assert wide._param is getattr(wide, name)
        torch.testing.assert_close(wide.log_prob(torch.tensor(0.3)), law.log_prob(torch.tensor(0.3)).expand(3, 4))
    for options in ({}, {"probs": 0.5, "logits": 0.0}):
        with pytest.raises(ValueError, match="either probs or logits must be given"):
            dist.ContinuousBernoulli(**options)
    for options, match in (
        ({"probs": torch.tensor(1.5)}, r"probs must lie in \[0, 1\]|probs has invalid values"),
        ({"logits": torch.tensor(torch.inf)}, "logits must be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            dist.ContinuousBernoulli(**options, validate_args=True)


def test_transformations():
    eta = torch.tensor([0.0, 0.7, -3.0], dtype=torch.float64)

    def mean_of_draws(eta):
        torch.manual_seed(2)
        return dist.ContinuousBernoulli(logits=eta).rsample((5,)).square().sum()

    hessian = torch.func.jacrev(torch.func.jacrev(mean_of_draws))(eta)
    torch.testing.assert_close(torch.func.hessian(mean_of_draws)(eta), hessian)
    rows = torch.func.vmap(lambda e: dist.ContinuousBernoulli(logits=e).rsample((4,)), randomness="different")(eta)
    assert rows.shape == (3, 4) and len(rows.unique()) == 12
