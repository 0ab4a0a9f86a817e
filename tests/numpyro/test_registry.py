"""The table of twins, and `register`, `unregister` and `registered` on NumPyro's own module."""

import copy
import pickle
import threading

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.distributions import constraints
from numpyro.distributions import transforms as T

import numpyro_irg
import numpyro_irg.distributions as dist
from numpyro_irg import (
    implicit_twin,
    implicit_twin_of,
    implicit_twins,
    register,
    registered,
    registry,
    unregister,
)

# the host's classes, kept from before anything is replaced
STOCK = {name: getattr(host, name) for name in host.__all__}
MADE_OF_LAWS = {"GaussianCopula", "GaussianCopulaBeta", "MixtureGeneral", "MixtureSameFamily"}  # files of their own
TWINS = {h.__name__: (h, twin) for h, twin in implicit_twins().items() if h.__name__ not in MADE_OF_LAWS}
TRUNCATED = {name for name in dist.IMPLICIT if "Truncated" in name}  # test_truncated.py
ALL = {host_class.__name__: twin for host_class, twin in implicit_twins().items()}
TWINS = {name: both for name, both in TWINS.items() if name not in TRUNCATED}
twins = pytest.mark.parametrize("name", TWINS)
KEY = jax.random.key(0)

PARAMETERS = {
    "Beta": {"concentration1": 2.0, "concentration0": 0.5},
    "Chi2": {"df": 3.0},
    "Dirichlet": {"concentration": (0.5, 2.0, 1.0)},
    "Gamma": {"concentration": 2.0, "rate": 0.5},
    "InverseGamma": {"concentration": 2.0, "rate": 0.5},
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
    table = implicit_twins()
    yield
    unregister()
    registry.TWINS._twins.clear()
    registry.TWINS._twins.update(table)
    registry.TWINS._kinds.clear()
    assert all(getattr(host, name) is stock for name, stock in STOCK.items())


def stock(name, batch=(), **options):
    """The host's law of that name, of batch shape `batch`."""
    params = {p: jnp.array(v) for p, v in PARAMETERS[name].items()}
    return STOCK[name](**{p: jnp.broadcast_to(v, (*batch, *v.shape)) for p, v in params.items()}, **options)


def assert_same_law(twin, fn):
    assert twin.batch_shape == fn.batch_shape and twin.event_shape == fn.event_shape
    assert twin._validate_args == fn._validate_args
    value = inside(fn)
    np.testing.assert_allclose(twin.log_prob(value), fn.log_prob(value), rtol=2e-5, atol=2e-6)
    assert twin.has_rsample and drawn(twin, (2,)) == (2, *fn.batch_shape, *fn.event_shape)


def inside(fn):
    """A value in the support of every law here."""
    return jnp.full(fn.batch_shape + fn.event_shape, 1.0 / 3.0 if fn.event_shape[-1:] == (3,) else 0.75)


def drawn(fn, sample_shape):
    """The shape of a draw, without compiling the sampler."""
    return jax.eval_shape(lambda: fn.sample(KEY, sample_shape)).shape


# -------------------------------------------------------------------------------------------------------- the table


def test_the_table_lists_every_class_with_a_host():
    """One table: all of `distributions.IMPLICIT` but LogGamma, which NumPyro has not; names are the host's."""
    others = {"Implicit", "ImplicitDensity", "LogGamma", "ConditionalChain"}
    assert set(TWINS) | MADE_OF_LAWS == set(dist.IMPLICIT) - others - TRUNCATED
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


@pytest.mark.parametrize("name", ["Dirichlet", "VonMises"])
def test_twin_keeps_parameters_and_their_history(name):
    """The twin is made inside a traced function too, and gradients reach what the parameters were made from."""

    def total(leaf):
        fn = STOCK[name](**{p: jnp.array(v) * leaf for p, v in PARAMETERS[name].items()})
        draws = implicit_twin(fn).sample(KEY, (20,))
        return (draws * jnp.arange(1.0, 1.0 + draws.shape[-1])).sum()

    slope = jax.jit(jax.grad(total))(1.0)
    assert jnp.isfinite(slope) and slope != 0.0


@pytest.mark.parametrize("validate", [True, False])
def test_twin_keeps_the_validation_flag(validate):
    fn = STOCK["Gamma"](jnp.ones(3), 1.0, validate_args=validate)
    for law in (fn, fn.expand((2, 3)), fn.to_event(1)):
        assert implicit_twin(law)._validate_args == law._validate_args
    if validate:
        with pytest.warns(UserWarning, match="Out-of-support values"):
            implicit_twin(fn).log_prob(jnp.array(-1.0))
    else:  # parameters that the twin would refuse pass too
        assert jnp.isnan(implicit_twin(STOCK["Gamma"](-1.0, 1.0, validate_args=False)).sample(KEY))


def gamma(batch=(2,)):
    return stock("Gamma", batch)


def affine():
    return T.AffineTransform(0.5, 2.0, domain=constraints.positive)


def same_family():
    return STOCK["MixtureSameFamily"](STOCK["Categorical"](logits=jnp.zeros(2)), gamma())


def general():
    parts = [gamma(()), STOCK["LogNormal"](0.0, 1.0), stock("InverseGamma")]
    return STOCK["MixtureGeneral"](STOCK["Categorical"](logits=jnp.zeros(3)), parts)


# wrapper -> (law, how to find the exchanged class in its twin)
WRAPPERS = {
    "to_event": (lambda: gamma().to_event(1), lambda t: t.base_dist),
    "expand": (lambda: gamma().expand((4, 2)), lambda t: t.base_dist),
    "expand from nothing": (lambda: gamma(()).expand((4, 2)), lambda t: t.base_dist),
    "mask array": (lambda: gamma().mask(jnp.array([True, False])), lambda t: t.base_dist),
    "mask bool": (lambda: gamma().mask(False), lambda t: t.base_dist),
    "transformed": (
        lambda: STOCK["TransformedDistribution"](gamma(), [affine(), T.ExpTransform().inv]),
        lambda t: t.base_dist,
    ),
    "event of transformed of expanded": (
        lambda: STOCK["TransformedDistribution"](gamma(()).expand((4, 2)), affine()).to_event(2),
        lambda t: t.base_dist.base_dist.base_dist,
    ),
    "expanded transformed": (
        lambda: STOCK["TransformedDistribution"](gamma(), affine()).expand((4, 2)),
        lambda t: t.base_dist.base_dist,
    ),
    "mask of event of mask": (
        lambda: gamma().mask(jnp.array([True, False])).to_event(1).mask(False),
        lambda t: t.base_dist.base_dist.base_dist,
    ),
    "event of expanded simplices": (
        lambda: stock("Dirichlet").expand((2,)).to_event(1),
        lambda t: t.base_dist.base_dist,
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_twin_through_wrappers(name):
    make, inner = WRAPPERS[name]
    fn = make()
    before = dict(vars(fn))
    twin = implicit_twin(fn)
    assert type(twin) is type(fn) and type(inner(twin)) in {dist.Gamma, dist.Dirichlet}
    assert_same_law(twin, fn)
    assert vars(fn) == before  # the host's object is left as it was
    assert implicit_twin(twin) is None


def test_twins_pass_through_transformations():
    """A twin in its wrappers is a pytree still: out of jit, vmap and scan."""

    @jax.jit
    @jax.vmap
    def made(concentration):
        return implicit_twin(STOCK["Gamma"](concentration, 1.0).expand((3,)).to_event(1))

    fn = made(jnp.array([1.0, 2.0]))
    assert type(fn.base_dist.base_dist) is dist.Gamma

    def step(key, _):
        key, now = jax.random.split(key)
        return key, implicit_twin(stock("VonMises", (2,)).mask(True)).sample(now)

    assert jax.lax.scan(step, KEY, length=3)[1].shape == (3, 2)


@pytest.mark.parametrize("make", [same_family, general])
def test_mixture_and_its_components_are_exchanged(make):
    fn = make()
    twin = implicit_twin(fn)
    parts = getattr(twin, "component_distributions", None) or [twin.component_distribution]
    assert type(parts[0]) is dist.Gamma and type(parts[-1]) in {dist.Gamma, dist.InverseGamma}
    assert type(twin) is getattr(dist, type(fn).__name__)
    assert twin.has_rsample and drawn(twin, (2,)) == (2, *fn.batch_shape)
    value = inside(fn)
    np.testing.assert_allclose(twin.log_prob(value), fn.log_prob(value), rtol=2e-5)
    assert fn.batch_shape == twin.batch_shape and implicit_twin(twin) is None


@pytest.mark.parametrize("name", ["Normal", "LogNormal", "Weibull", "Exponential", "BernoulliLogits"])
def test_laws_without_twin(name):
    fn = STOCK[name](*((0.5, 1.0) if name in ("Normal", "LogNormal", "Weibull") else (0.5,)))
    for law in (fn, fn.expand((2,)), fn.expand((2,)).to_event(1), fn.mask(False)):
        assert implicit_twin(law) is None


# -------------------------------------------------------------------------------------------------------- user twins


def test_a_users_twin():
    class Wedge(host.Distribution):
        arg_constraints = {"top": constraints.positive}
        support = constraints.positive

        def __init__(self, top, *, validate_args=None):
            self.top = jnp.asarray(top)
            super().__init__(self.top.shape, validate_args=validate_args)

        def sample(self, key, sample_shape=()):
            return jax.lax.stop_gradient(self.top) * jnp.sqrt(jax.random.uniform(key, sample_shape + self.batch_shape))

        def log_prob(self, value):
            return jnp.log(2.0 * value / self.top**2)

    @implicit_twin_of(Wedge)
    class ImplicitWedge(Wedge):
        reparametrized_params = ["top"]

        def sample(self, key, sample_shape=()):
            return self.top * jnp.sqrt(jax.random.uniform(key, sample_shape + self.batch_shape))

    assert implicit_twins()[Wedge] is ImplicitWedge
    fn = Wedge(jnp.array([1.0, 2.0]))
    assert type(implicit_twin(fn)) is ImplicitWedge
    assert_same_law(implicit_twin(fn.to_event(1)), fn.to_event(1))
    with registered() as in_place:  # not one of NumPyro's names: nothing to put in place
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

    def __init__(self, mean, variance, *, validate_args=None):
        super().__init__(mean**2 / variance, mean / variance, validate_args=validate_args)


class Shifted(ByMoments):
    """Another distribution."""

    support = constraints.greater_than(1.0)

    def sample(self, key, sample_shape=()):
        return 1.0 + super().sample(key, sample_shape)

    def log_prob(self, value):
        return super().log_prob(value - 1.0)


def test_subclasses_of_what_has_a_twin():
    """The base class's twin where they change arguments only; none where they may be something else."""
    fn = ByMoments(jnp.array([2.0, 3.0]), jnp.array(1.5))
    assert_same_law(implicit_twin(fn), fn)
    assert type(implicit_twin(fn.to_event(1)).base_dist) is dist.Gamma
    assert implicit_twin(Shifted(jnp.array(2.0), jnp.array(1.5))) is None


def test_a_later_twin_takes_over_while_registered():
    assert register()["Gamma"] is dist.Gamma

    @implicit_twin_of(STOCK["Gamma"])
    class Gamma(dist.Gamma):
        pass

    assert host.Gamma is Gamma and register()["Gamma"] is Gamma
    assert type(implicit_twin(STOCK["Gamma"](1.0, 1.0))) is Gamma
    unregister()
    assert host.Gamma is STOCK["Gamma"]


@pytest.mark.parametrize("given", [int, "Gamma", None, T.ExpTransform])
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
        assert isinstance(host.Gamma(2.0, 1.0), STOCK["Gamma"]) and type(fn.expand((2,)).base_dist) is STOCK["Gamma"]
        assert type(pickle.loads(pickle.dumps(fn))) is STOCK["Gamma"]
        assert type(copy.deepcopy(host.Gamma(2.0, 1.0))) is dist.Gamma
        assert type(jax.tree.map(lambda x: x, host.Gamma(2.0, 1.0))) is dist.Gamma
        assert type(host.GammaPoisson(2.0, 1.0)) is STOCK["GammaPoisson"]
    assert type(pickle.loads(pickle.dumps(dist.Gamma(2.0, 1.0)))) is dist.Gamma


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
    """`import numpyro.distributions as dist` at the top of a user's file, and nothing else changed."""

    def guide():
        return numpyro.sample("x", host.VonMises(0.0, 1.0))

    with registered():
        sites = numpyro.handlers.trace(numpyro.handlers.seed(guide, 0)).get_trace()
        numpyro_irg.check_reparameterized(guide)
    assert type(sites["x"]["fn"]) is dist.VonMises
    with pytest.raises(ValueError, match="'x' is not reparameterized"):
        numpyro_irg.check_reparameterized(guide)
