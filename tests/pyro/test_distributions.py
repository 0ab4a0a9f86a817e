"""The classes as a drop-in for Pyro's: names, shapes, dtypes, copies, log_prob, KL divergences, devices."""

import copy
import pickle

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from scipy import stats

import pyro_irg.distributions as dist
from pyro_irg import implicit_gradients
from tests.laws import LAWS
from tests.pyro.draws import build, leaves, numpy

laws = pytest.mark.parametrize("law", LAWS, ids=str)
HOSTS = [law for law in LAWS if hasattr(host, law.name)]
hosts = pytest.mark.parametrize("law", HOSTS, ids=str)


@pytest.fixture(autouse=True)
def seed():
    pyro.set_rng_seed(3)


def batch(law, shape, dtype=torch.float32, **options):
    """Parameters 1 + 1/3 everywhere; a Dirichlet's concentration has three components more."""
    shape = (*shape, 3) if law.name == "Dirichlet" else shape
    return getattr(dist, law.name)(**{name: torch.full(shape, 4 / 3, dtype=dtype) for name in law.points[0]}, **options)


# ---------------------------------------------------------------------------------------------------------- drop-in


MADE_OF_LAWS = {"GaussianCopula", "GaussianCopulaBeta", "Implicit", "ImplicitDensity", "ConditionalChain"}


def test_every_name_of_the_host():
    assert set(host.__all__) <= set(dist.__all__)
    truncated = {name for name in dist.IMPLICIT if "Truncated" in name}  # test_truncated.py
    for name in host.__all__:
        assert (getattr(dist, name) is getattr(host, name)) == (name not in dist.IMPLICIT), name
    assert set(dist.__all__) - set(host.__all__) == {*MADE_OF_LAWS, *truncated, "LogGamma"}
    apart = {  # files of their own
        "ContinuousBernoulli",
        "GeneralizedPareto",
        "MixtureOfDiagNormals",
        "MixtureOfDiagNormalsSharedCovariance",
        "MixtureSameFamily",
        "SineBivariateVonMises",
    }
    assert set(dist.IMPLICIT) == MADE_OF_LAWS | truncated | {law.name for law in LAWS} | apart


def test_submodules_of_the_host():
    for name in ["constraints", "transforms", "torch", "util", "kl", "TorchDistribution"]:
        assert getattr(dist, name) is getattr(host, name), name
    with pytest.raises(AttributeError, match="no_such_name"):
        dist.no_such_name  # noqa: B018


@laws
def test_class(law):
    cls = getattr(dist, law.name)
    assert cls.has_rsample
    assert cls.__module__.startswith("pyro_irg.distributions.")
    assert issubclass(cls, getattr(host, law.name, dist.TorchDistribution))
    assert set(cls.arg_constraints) == set(law.points[0])
    if hasattr(host, law.name):
        assert cls.arg_constraints == getattr(host, law.name).arg_constraints
        assert repr(batch(law, (2,))) == repr(getattr(host, law.name)(**_arguments(batch(law, (2,)))))


def _arguments(d):
    return {name: getattr(d, name) for name in d.arg_constraints}


# ----------------------------------------------------------------------------------------------------------- shapes


@laws
@pytest.mark.parametrize("sample_shape", [(), (5,), (2, 1, 4), (0,)], ids=str)
@pytest.mark.parametrize("batch_shape", [(), (3,), (2, 3), (1, 1)], ids=str)
def test_shapes(law, batch_shape, sample_shape):
    d = batch(law, batch_shape)
    x = d.rsample(sample_shape)
    assert d.batch_shape == batch_shape and x.shape == sample_shape + batch_shape + d.event_shape
    assert d.log_prob(x).shape == sample_shape + batch_shape
    assert d.sample(sample_shape).shape == x.shape
    assert d.sample(torch.Size(sample_shape)).shape == x.shape


@laws
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)], ids=str)
def test_empty_batches(law, shape):
    d = batch(law, shape)
    x = d.rsample((2,))
    assert x.shape == (2, *shape, *d.event_shape)
    assert d.log_prob(x).shape == (2, *shape)


@laws
def test_expand(law):
    found = leaves(law.points[0])
    d = getattr(dist, law.name)(**found).expand([4, 3])
    assert type(d) is getattr(dist, law.name) and d.batch_shape == (4, 3)
    assert d.expand([4, 3]).batch_shape == (4, 3) and d.expand_by([2]).batch_shape == (2, 4, 3)
    x = d.rsample((2,))
    assert x.shape == (2, 4, 3, *d.event_shape)
    assert len(np.unique(numpy(x).reshape(24, -1)[:, 0])) == 24  # draws of their own
    for gradient in torch.autograd.grad(x.square().sum(), list(found.values())):
        assert gradient.isfinite().all() and (gradient != 0.0).any()
    torch.testing.assert_close(d.log_prob(x), getattr(dist, law.name)(**found).log_prob(x))


@laws
def test_to_event_and_mask(law):
    d = batch(law, (2, 3))
    whole = d.to_event(2)
    x = whole.rsample((5,))
    assert whole.has_rsample and x.shape == (5, *whole.event_shape)
    torch.testing.assert_close(whole.log_prob(x), d.log_prob(x).sum((-1, -2)))
    masked = d.mask(torch.tensor([True, False, True]))
    assert masked.has_rsample and masked.rsample((5,)).shape == x.shape
    assert (masked.log_prob(x)[..., 1] == 0.0).all() and (masked.log_prob(x)[..., ::2] != 0.0).all()


@pytest.mark.parametrize("law", [law for law in LAWS if len(law.points[0]) > 1], ids=str)
def test_parameters_broadcast(law):
    first, *others = law.points[0]
    d = getattr(dist, law.name)(
        **{first: torch.full((4, 1), 2.0), **{name: torch.full((3,), 0.5) for name in others[:1]}},
        **{name: 1 for name in others[1:]},
    )
    assert d.batch_shape == (4, 3) and d.rsample((2,)).shape == (2, 4, 3)
    assert all(getattr(d, name).shape == (4, 3) for name in d.arg_constraints)


def test_point_mass():
    """A Dirichlet of one component."""
    concentration = torch.tensor([[2.0], [0.1]], requires_grad=True)
    x = dist.Dirichlet(concentration).rsample((3,))
    assert torch.equal(x.detach(), torch.ones(3, 2, 1))


# ----------------------------------------------------------------------------------------------------------- dtypes


@laws
def test_dtypes(law):
    for dtype in (torch.float32, torch.float64):
        assert batch(law, (2,), dtype).rsample().dtype == dtype
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        try:
            for integer in (torch.int32, torch.int64, torch.uint8):
                d = batch(law, (2,), integer)
                assert d.rsample().dtype == default and d.log_prob(d.sample()).dtype == default
                assert all(getattr(d, name).dtype == default for name in d.arg_constraints)
            if law.name != "Dirichlet":
                assert getattr(dist, law.name)(**dict.fromkeys(law.points[0], 2)).rsample().dtype == default
        finally:
            torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("law", [law for law in LAWS if len(law.points[0]) > 1], ids=str)
def test_mixed_dtypes(law):
    """A number follows the tensors, an integer tensor the floating ones, and of two floating ones the wider wins."""
    first, *others = law.points[0]
    for dtype in (torch.float32, torch.float64):
        for other in (1, 1.5, torch.tensor(2), torch.tensor(2.0)):
            d = getattr(dist, law.name)(**{first: torch.tensor(2.0, dtype=dtype)}, **dict.fromkeys(others, other))
            assert d.rsample().dtype == dtype and {getattr(d, name).dtype for name in law.points[0]} == {dtype}


# ----------------------------------------------------------------------------------------------------------- copies


@laws
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "copy", "cloudpickle"])
def test_copies(law, how):
    cloudpickle = pytest.importorskip("cloudpickle") if how == "cloudpickle" else pickle
    functions = {"deepcopy": copy.deepcopy, "copy": copy.copy}
    found = {name: p.detach() for name, p in leaves(law.points[1]).items()}
    d = getattr(dist, law.name)(**found)
    twin = functions.get(how, lambda d: pickle.loads(cloudpickle.dumps(d)))(d)
    assert type(twin) is type(d) and twin.batch_shape == d.batch_shape and twin.event_shape == d.event_shape
    for name in found:
        torch.testing.assert_close(getattr(twin, name), getattr(d, name), rtol=0, atol=0)
    pyro.set_rng_seed(3)
    x = d.sample((4,))
    pyro.set_rng_seed(3)
    assert torch.equal(twin.sample((4,)), x)
    assert torch.equal(twin.log_prob(x), d.log_prob(x))


# ------------------------------------------------------------------------------------------------- log_prob, moments


@hosts
def test_log_prob_is_the_hosts(law):
    for params in law.points:
        d, _ = build(law, params)
        x = d.sample((100,))
        theirs = getattr(host, law.name)(**_arguments(d)).log_prob(x)
        if law.name == "VonMises":  # Pyro's log I0 has 8 digits
            theirs = torch.from_numpy(stats.vonmises(d.concentration.numpy(), d.loc.numpy()).logpdf(x.numpy()))
        torch.testing.assert_close(d.log_prob(x), theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("df", [0.05, 3.0, 1e6])
def test_log_prob_of_far_student_t(df):
    """At |x| = 1e30, whose square is beyond float32, against SciPy in float64; with its slope, -(df + 1) / x."""
    x = torch.tensor([-1e30, 1e30], requires_grad=True)
    value = dist.StudentT(df, 1.0, 2.0).log_prob(x)
    truth = stats.t(df).logpdf((x.detach().double().numpy() - 1.0) / 2.0) - np.log(2.0)
    np.testing.assert_allclose(numpy(value), truth, rtol=1e-5)
    (slope,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(slope, -(df + 1.0) / x.detach(), rtol=1e-5, atol=0)


def test_log_gamma_is_the_log_of_a_gamma():
    """log_prob(x) = Gamma's at exp(x), plus x; finite where exp(x) underflows; SciPy's mean and variance."""
    d, gamma = dist.LogGamma(torch.tensor([0.5, 7.5]), 2.0), dist.Gamma(torch.tensor([0.5, 7.5]), 2.0)
    x = d.sample((50,))
    torch.testing.assert_close(d.log_prob(x), gamma.log_prob(x.exp()) + x, rtol=1e-5, atol=1e-5)
    far = torch.tensor(-1e4)
    torch.testing.assert_close(dist.LogGamma(0.001, 1.0).log_prob(far), 0.001 * far - torch.tensor(0.001).lgamma())
    torch.testing.assert_close(d.mean, torch.tensor(stats.loggamma([0.5, 7.5]).mean() - np.log(2.0)).float())
    torch.testing.assert_close(d.variance, torch.tensor(stats.loggamma([0.5, 7.5]).var()).float())
    torch.testing.assert_close(dist.LogGamma(2.0).rate, torch.tensor(1.0))


@hosts
def test_moments_are_the_hosts(law):
    d, _ = build(law, law.points[1])
    twin = getattr(host, law.name)(**_arguments(d))
    torch.testing.assert_close(d.mean, twin.mean)
    torch.testing.assert_close(d.variance, twin.variance)


@pytest.mark.parametrize("names", [("Gamma", "Gamma"), ("Chi2", "Gamma"), ("Beta", "Beta"), ("Dirichlet", "Dirichlet")])
def test_kl_divergence(names):
    """The host's dispatch finds our classes, also against the host's own."""
    p, q = ({law.name: law for law in LAWS}[name] for name in names)
    p, q = build(p, p.points[0])[0], build(q, q.points[1])[0]
    twins = [getattr(host, name)(**_arguments(d)) for name, d in zip(names, (p, q))]
    expected = torch.distributions.kl_divergence(*twins)
    for pair in [(p, q), (p, twins[1]), (twins[0], q)]:
        torch.testing.assert_close(torch.distributions.kl_divergence(*pair), expected)


# -------------------------------------------------------------------------------------------------- statements, devices


@laws
def test_sample_statement(law):
    with pyro.plate("data", 4), pyro.poutine.trace() as tracer:
        x = pyro.sample("x", batch(law, ()))
    assert x.shape[0] == 4 and tracer.trace.log_prob_sum().isfinite()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
def test_cuda():
    for law in LAWS:
        found = {name: p.detach().cuda().requires_grad_() for name, p in leaves(law.points[0]).items()}
        d = getattr(dist, law.name)(**found)
        x = d.rsample((1000,))
        assert x.is_cuda and d.log_prob(x).isfinite().all()
        slopes = implicit_gradients(d, x.detach())
        for name, gradient in zip(found, torch.autograd.grad(x.sum(), list(found.values()))):
            axes = (0, 1) if law.name == "Dirichlet" else 0
            torch.testing.assert_close(gradient, slopes[name].sum(axes), rtol=1e-9, atol=1e-9)
