"""The table of twins, and `register`, `unregister` and `registered` on Pyro's own module."""

import copy
import pickle
import threading

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.distributions import constraints
from pyro.distributions import transforms as T
from pyro.distributions.testing import fakes

import pyro_irg
import pyro_irg.distributions as dist
from pyro_irg import implicit_twin, implicit_twin_of, implicit_twins, register, registered, registry, unregister

# the host's classes, kept from before anything is replaced
STOCK = {name: getattr(host, name) for name in host.__all__}
ALL = {host_class.__name__: twin for host_class, twin in implicit_twins().items()}
TWINS = {host_class.__name__: (host_class, twin) for host_class, twin in implicit_twins().items()}
TWINS.pop("MixtureSameFamily")  # made of laws: below, and test_mixture.py
TRUNCATED = {name for name in dist.IMPLICIT if "Truncated" in name}  # test_truncated.py
MADE_HERE = {"GaussianCopula", "GaussianCopulaBeta", "Implicit", "ImplicitDensity", "ConditionalChain", "LogGamma"}
twins = pytest.mark.parametrize("name", TWINS)

PARAMETERS = {
    "Beta": {"concentration1": 2.0, "concentration0": 0.5},
    "Chi2": {"df": 3.0},
    "ContinuousBernoulli": {"probs": 0.25},
    "Dirichlet": {"concentration": (0.5, 2.0, 1.0)},
    "Gamma": {"concentration": 2.0, "rate": 0.5},
    "GeneralizedPareto": {"loc": 0.5, "scale": 2.0, "concentration": 0.25},
    "InverseGamma": {"concentration": 2.0, "rate": 0.5},
    "MixtureOfDiagNormals": {
        "locs": ((0.0, 1.0), (2.0, 3.0)),
        "coord_scale": ((1.0, 0.5), (2.0, 1.0)),
        "component_logits": (0.0, 1.0),
    },
    "MixtureOfDiagNormalsSharedCovariance": {
        "locs": ((0.0, 1.0), (2.0, 3.0)),
        "coord_scale": (1.0, 0.5),
        "component_logits": (0.0, 1.0),
    },
    "SineBivariateVonMises": {
        "phi_loc": 0.5,
        "psi_loc": -1.0,
        "phi_concentration": 2.0,
        "psi_concentration": 3.0,
        "correlation": 1.0,
    },
    "StudentT": {"df": 3.0, "loc": 0.5, "scale": 2.0},
    "VonMises": {"loc": 0.5, "concentration": 2.0},
}


@pytest.fixture(autouse=True)
def restored():
    """Every test begins and ends with the host as it was."""
    pyro.set_rng_seed(0)
    table = implicit_twins()
    yield
    unregister()
    registry.TWINS._twins.clear()
    registry.TWINS._twins.update(table)
    registry.TWINS._kinds.clear()
    assert all(getattr(host, name) is stock for name, stock in STOCK.items())


def stock(name, batch=(), **options):
    """The host's law of that name, of batch shape `batch`."""
    params = {p: torch.tensor(v) for p, v in PARAMETERS[name].items()}
    if batch and name.startswith("MixtureOf"):
        return STOCK[name](**params).expand(batch)
    return STOCK[name](**{p: v.expand((*batch, *v.shape)) for p, v in params.items()}, **options)


def assert_same_law(twin, fn):
    assert twin.batch_shape == fn.batch_shape and twin.event_shape == fn.event_shape
    assert twin._validate_args == fn._validate_args
    value = fn.sample()
    torch.testing.assert_close(twin.log_prob(value), fn.log_prob(value))
    assert twin.has_rsample and twin.rsample((2,)).shape == (2, *fn.batch_shape, *fn.event_shape)


# -------------------------------------------------------------------------------------------------------- the table


def test_the_table_lists_every_class_with_a_host():
    """One table: all of `distributions.IMPLICIT` but LogGamma, which Pyro has not; names are the host's."""
    assert set(TWINS) | {"MixtureSameFamily"} == set(dist.IMPLICIT) - MADE_HERE - TRUNCATED
    assert set(TWINS) == set(PARAMETERS)
    for name, (host_class, twin) in TWINS.items():
        assert host_class is STOCK[name] and twin is getattr(dist, name) and issubclass(twin, host_class)
    assert implicit_twins() is not implicit_twins()  # a copy: nobody changes the table by chance


@twins
def test_twin_of_a_bare_law(name):
    fn = stock(name)
    twin = implicit_twin(fn)
    assert type(twin) is getattr(dist, name)
    assert_same_law(twin, fn)
    assert implicit_twin(twin) is None and type(fn) is STOCK[name]


@twins
def test_twin_keeps_parameters_and_their_history(name):
    """The twin's parameters are the host's tensors, so that gradients reach what they were made from."""
    leaf = torch.tensor(1.0, requires_grad=True)
    params = {p: torch.tensor(v) * leaf for p, v in PARAMETERS[name].items()}
    twin = implicit_twin(STOCK[name](**params))
    (slope,) = torch.autograd.grad(twin.rsample((20,)).sum(), leaf)
    assert slope.isfinite() and slope != 0.0


@pytest.mark.parametrize("validate", [True, False])
def test_twin_keeps_the_validation_flag(validate):
    fn = STOCK["Gamma"](torch.ones(3), 1.0, validate_args=validate)
    for law in (fn, fn.expand((2, 3)), fn.to_event(1)):
        twin = implicit_twin(law)
        assert twin._validate_args == law._validate_args
    if validate:
        with pytest.raises(ValueError, match="within the support"):
            implicit_twin(fn).log_prob(torch.tensor(-1.0))
    else:  # parameters that the twin would refuse pass too
        assert implicit_twin(STOCK["Gamma"](torch.tensor(-1.0), 1.0, validate_args=False)).rsample().isnan()


def gamma(batch=(3,)):
    return stock("Gamma", batch)


def mixture(component):
    weights = STOCK["Categorical"](logits=torch.zeros(component.batch_shape))
    return STOCK["MixtureSameFamily"](weights, component)


# wrapper -> (law, how to find the exchanged class in its twin)
WRAPPERS = {
    "to_event": (lambda: gamma().to_event(1), lambda t: t.base_dist),
    "expand_by": (lambda: host.ExpandedDistribution(gamma(()), (4, 3)), lambda t: t.base_dist),
    "expand": (lambda: gamma().expand((4, 3)), lambda t: t),
    "mask tensor": (lambda: gamma().mask(torch.tensor([True, False, True])), lambda t: t.base_dist),
    "mask bool": (lambda: gamma().mask(False), lambda t: t.base_dist),
    "transformed": (
        lambda: STOCK["TransformedDistribution"](gamma(), [T.AffineTransform(1.0, 2.0), T.ExpTransform()]),
        lambda t: t.base_dist,
    ),
    "masked mixture": (
        lambda: host.MaskedMixture(torch.tensor([True, False, True]), gamma(), STOCK["Exponential"](torch.ones(3))),
        lambda t: t.component0,
    ),
    "event of transformed of expanded": (
        lambda: STOCK["TransformedDistribution"](
            host.ExpandedDistribution(gamma(()), (4, 3)), T.AffineTransform(0.5, 2.0)
        ).to_event(2),
        lambda t: t.base_dist.base_dist.base_dist,
    ),
    "expanded transformed": (
        lambda: STOCK["TransformedDistribution"](gamma(), T.ExpTransform()).expand((2, 3)),
        lambda t: t.base_dist,
    ),
    "mask of event of mask": (
        lambda: gamma().mask(True).to_event(1).mask(False),
        lambda t: t.base_dist.base_dist.base_dist,
    ),
    "transformed event": (
        lambda: STOCK["TransformedDistribution"](stock("Dirichlet", (2,)), T.AffineTransform(0.0, 2.0)),
        lambda t: t.base_dist,
    ),
    "event of a mixture": (lambda: stock("MixtureOfDiagNormals", (3,)).to_event(1), lambda t: t.base_dist),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPERS)
def test_twin_through_wrappers(name):
    make, inner = WRAPPERS[name]
    fn = make()
    before = dict(vars(fn))
    twin = implicit_twin(fn)
    assert isinstance(twin, type(fn)) and type(inner(twin)) in {dist.Gamma, dist.Dirichlet, dist.MixtureOfDiagNormals}
    assert_same_law(twin, fn)
    assert vars(fn) == before  # the host's object is left as it was
    assert implicit_twin(twin) is None


def test_mixture_and_its_components_are_exchanged():
    fn = mixture(stock("VonMises", (2,)))
    for law, twin in ((fn, implicit_twin(fn)), (fn.expand((3,)), implicit_twin(fn.expand((3,)).mask(True)).base_dist)):
        assert type(twin) is dist.MixtureSameFamily and type(twin.component_distribution) is dist.VonMises
        assert_same_law(twin, law)
    assert type(implicit_twin(mixture(STOCK["Normal"](torch.zeros(2), 1.0)))) is dist.MixtureSameFamily
    assert not implicit_twin(mixture(STOCK["Poisson"](torch.ones(2)))).has_rsample


@pytest.mark.parametrize("name", ["Normal", "Bernoulli", "LogNormal", "Weibull", "Delta"])
def test_laws_without_twin(name):
    params = {"Normal": (0.0, 1.0), "LogNormal": (0.0, 1.0), "Weibull": (1.0, 1.0)}.get(name, (torch.tensor(0.5),))
    fn = STOCK[name](*params)
    for law in (fn, fn.expand((2,)), fn.expand((2,)).to_event(1), fn.mask(False)):
        assert implicit_twin(law) is None


def test_refusals_are_left_alone():
    assert implicit_twin(fakes.NonreparameterizedGamma(1.0, 1.0)) is None
    assert implicit_twin(STOCK["Gamma"](1.0, 1.0).has_rsample_(False)) is None
    assert implicit_twin(STOCK["Gamma"](torch.ones(2), 1.0).has_rsample_(False).to_event(1)) is None


def test_lazily_computed_parameters_do_not_mislead():
    """ContinuousBernoulli caches whichever of probs and logits it was not given."""
    for given in ("probs", "logits"):
        fn = STOCK["ContinuousBernoulli"](**{given: torch.tensor([0.25, 0.75])})
        fn.probs, fn.logits  # noqa: B018
        for law in (fn, implicit_twin(fn)):
            assert law._param is vars(law)[given]


# -------------------------------------------------------------------------------------------------------- user twins


def triangular_twin():
    """A law of the user's, and its twin with one more parameter than the host's constraints name."""

    class Wedge(host.TorchDistribution):
        arg_constraints = {"top": constraints.positive}
        support = constraints.nonnegative
        has_rsample = False

        def __init__(self, top, validate_args=None):
            self.top = torch.as_tensor(top)
            super().__init__(self.top.shape, validate_args=validate_args)

        def sample(self, sample_shape=torch.Size()):
            with torch.no_grad():
                return self.top * torch.rand(self._extended_shape(sample_shape)).sqrt()

        def log_prob(self, value):
            return (2.0 * value / self.top**2).log()

    @implicit_twin_of(Wedge)
    class ImplicitWedge(Wedge):
        has_rsample = True

        def rsample(self, sample_shape=torch.Size()):
            return self.top * torch.rand(self._extended_shape(sample_shape)).sqrt()

    return Wedge, ImplicitWedge


def test_a_users_twin():
    host_class, twin = triangular_twin()
    assert implicit_twins()[host_class] is twin
    fn = host_class(torch.tensor([1.0, 2.0]))
    assert type(implicit_twin(fn)) is twin
    assert_same_law(implicit_twin(fn.to_event(1)), fn.to_event(1))
    with registered() as in_place:  # not one of Pyro's names: nothing to put in place
        assert "Wedge" not in in_place


def test_a_users_twin_with_from_host():
    @implicit_twin_of(STOCK["Weibull"])
    class Weibull(STOCK["Weibull"]):
        @classmethod
        def from_host(cls, fn):
            made = cls(fn.scale, fn.concentration, validate_args=fn._validate_args)
            made.note = "from_host"
            return made

    assert implicit_twin(STOCK["Weibull"](1.0, 2.0)).note == "from_host"


class ByMoments(host.Gamma):
    """Other arguments, the same distribution."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}

    def __init__(self, mean, variance, validate_args=None):
        super().__init__(mean**2 / variance, mean / variance, validate_args=validate_args)


class Shifted(ByMoments):
    """Another distribution."""

    support = constraints.greater_than(1.0)

    def rsample(self, sample_shape=()):
        return 1.0 + super().rsample(sample_shape)

    def log_prob(self, value):
        return super().log_prob(value - 1.0)


def test_subclasses_of_what_has_a_twin():
    """The base class's twin where they change arguments only; none where they may be something else."""
    fn = ByMoments(torch.tensor([2.0, 3.0]), torch.tensor(1.5))
    assert_same_law(implicit_twin(fn), fn)
    assert type(implicit_twin(fn.to_event(1)).base_dist) is dist.Gamma
    assert implicit_twin(Shifted(torch.tensor(2.0), torch.tensor(1.5))) is None


def test_a_later_twin_takes_over_while_registered():
    assert register()["Gamma"] is dist.Gamma

    @implicit_twin_of(STOCK["Gamma"])
    class Gamma(dist.Gamma):
        pass

    assert host.Gamma is Gamma and register()["Gamma"] is Gamma
    assert type(implicit_twin(STOCK["Gamma"](1.0, 1.0))) is Gamma
    unregister()
    assert host.Gamma is STOCK["Gamma"]


@pytest.mark.parametrize("given", [None, "Gamma", STOCK["Gamma"]], ids=["None", "name", "class"])
def test_only_a_distribution_has_a_twin(given):
    with pytest.raises(TypeError, match=r"implicit_twin: fn must be a distribution, got (None|'Gamma'|the class)"):
        implicit_twin(given)


@pytest.mark.parametrize("given", [int, "Gamma", None, torch.nn.Module])
def test_only_distributions_have_twins(given):
    with pytest.raises(TypeError, match=r"implicit_twin_of: expected a class of distributions, got"):
        implicit_twin_of(given)
    with pytest.raises(TypeError, match=r"implicit_twin_of\(Gamma\): expected a class of distributions"):
        implicit_twin_of(STOCK["Gamma"])(given)


# --------------------------------------------------------------------------------------------------------- register


def in_place():
    return {name for name in STOCK if getattr(host, name) is not STOCK[name]}


def test_register_lists_what_it_replaced_and_is_idempotent():
    expected = dict(ALL)
    assert in_place() == set()
    assert register() == expected == register()
    assert in_place() == set(ALL) and all(getattr(host, name) is twin for name, twin in expected.items())
    unregister()
    assert in_place() == set()
    unregister()  # nothing to take back
    assert in_place() == set()


def test_registered_nests_and_survives_errors():
    with registered() as outer, registered() as inner:
        assert outer == inner == ALL
    assert in_place() == set()
    with pytest.raises(RuntimeError, match="inside"), registered():
        with registered():
            pass
        assert in_place() == set(ALL)  # the outer block still stands
        raise RuntimeError("inside")
    assert in_place() == set()


def test_register_and_registered_together():
    with registered():
        register()
    assert in_place() == set(ALL)
    with registered():
        unregister()
        assert in_place() == set(ALL)
    assert in_place() == set()


def test_someone_elses_replacement_is_left_alone():
    """Neither taken over when it was there first, nor overwritten when it came in between."""
    try:
        host.Gamma = "theirs"
        with registered() as names:
            assert "Gamma" not in names and host.Gamma == "theirs"
            host.Beta = "theirs too"
        assert host.Gamma == "theirs" and host.Beta == "theirs too" and host.VonMises is STOCK["VonMises"]
    finally:
        host.Gamma, host.Beta = STOCK["Gamma"], STOCK["Beta"]


def test_the_hosts_own_code_goes_on():
    """`register` changes names only: instances, pickles and our own classes are as before."""
    fn = STOCK["Gamma"](2.0, 1.0)
    with registered():
        assert isinstance(host.Gamma(2.0, 1.0), STOCK["Gamma"]) and type(fn.expand((2,))) is STOCK["Gamma"]
        assert type(pickle.loads(pickle.dumps(fn))) is STOCK["Gamma"]
        assert type(copy.deepcopy(host.Gamma(2.0, 1.0))) is dist.Gamma
        assert type(host.GammaPoisson(2.0, 1.0)) is STOCK["GammaPoisson"]
    made = pickle.loads(pickle.dumps(dist.Gamma(2.0, 1.0)))
    assert type(made) is dist.Gamma


def test_threads_share_the_blocks():
    """Eight threads open and close blocks at their own pace: in each the names are ours, after the last the host's."""
    wrong, barrier = [], threading.Barrier(8)

    def work(seed):
        barrier.wait()
        for i in range(200):
            with registered():
                if host.VonMises is not dist.VonMises or host.Gamma is not dist.Gamma:
                    wrong.append((seed, i))
                if (seed + i) % 3 == 0:
                    with registered():
                        pass

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not wrong and in_place() == set() and registry.TWINS._blocks == 0


def test_a_model_written_against_the_host():
    """`import pyro.distributions as dist` at the top of a user's file, and nothing else changed."""

    def guide():
        return pyro.sample("x", host.VonMises(0.0, 1.0))

    with registered():
        sites = pyro.poutine.trace(guide).get_trace().nodes
        pyro_irg.check_reparameterized(guide)
    assert type(sites["x"]["fn"]) is dist.VonMises
    with pytest.raises(ValueError, match="'x' is not reparameterized"):
        pyro_irg.check_reparameterized(guide)
