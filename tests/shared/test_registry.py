"""The table of twins, and `register`, `unregister` and `registered` on the host's own module."""

import copy
import pickle
import threading

import numpy as np
import pytest

from tests.adapters import ADAPTERS, over
from tests.families import ROWS

# the hosts' classes, kept from before anything is replaced
STOCK = {a.name: {name: getattr(a.host, name) for name in a.host.__all__} for a in ADAPTERS}
TWINS = {a.name: {host.__name__: twin for host, twin in a.irg.implicit_twins().items()} for a in ADAPTERS}
bare = over(
    {row.name: row for row in ROWS if not row.made},
    when=lambda adapter, row: row.name in TWINS[adapter.name],
)


@pytest.fixture(autouse=True)
def restored(adapter):
    """Every test begins and ends with the host as it was."""
    table, twins = adapter.irg.implicit_twins(), adapter.irg.registry.TWINS
    yield
    adapter.irg.unregister()
    twins._twins.clear()
    twins._twins.update(table)
    twins._kinds.clear()
    assert all(getattr(adapter.host, name) is stock for name, stock in STOCK[adapter.name].items())


def stock(adapter, name, batch=(), **options):
    """The host's distribution of that name, of batch shape `batch`."""
    params = adapter.arrays(next(row for row in ROWS if row.name == name).points[0])
    if batch and name.startswith("MixtureOf"):
        return STOCK[adapter.name][name](**params).expand(batch)
    params = {p: adapter.xp.broadcast_to(v, (*batch, *v.shape)) for p, v in params.items()}
    return STOCK[adapter.name][name](**params, **options)


def gamma(adapter, batch=(2,)):
    return stock(adapter, "Gamma", batch)


def mixture(adapter, component):
    host = STOCK[adapter.name]
    weights = host["Categorical"](logits=adapter.array(np.zeros(component.batch_shape)))
    return host["MixtureSameFamily"](weights, component)


def innermost(fn):
    """What is in wrappers."""
    while inner := getattr(fn, "base_dist", getattr(fn, "component0", None)):
        fn = inner
    return fn


def inside(adapter, fn):
    """A value in the support of every distribution here."""
    return adapter.array(np.full(fn.batch_shape + fn.event_shape, 1 / 3 if fn.event_shape[-1:] == (3,) else 0.75))


def assert_same(adapter, twin, fn):
    assert twin.batch_shape == fn.batch_shape and twin.event_shape == fn.event_shape
    assert twin._validate_args == fn._validate_args
    value = inside(adapter, fn)
    found, truth = adapter.numpy(twin.log_prob(value)), adapter.numpy(fn.log_prob(value))
    np.testing.assert_allclose(found, truth, rtol=2e-5, atol=2e-6)
    drawn = adapter.shapes(lambda key: adapter.draw(twin, key, (2,)), adapter.key(0))
    assert twin.has_rsample and drawn.shape == (2, *fn.batch_shape, *fn.event_shape)


# -------------------------------------------------------------------------------------------------------- the table


def test_the_table_lists_every_class_with_a_host(adapter):
    """One table: all of `distributions.IMPLICIT` that the host has; names are the host's."""
    twins = adapter.irg.implicit_twins()
    stock = STOCK[adapter.name]
    # of the host's functions, such as TruncatedNormal, there is no twin
    assert {h.__name__ for h in twins} == {n for n in adapter.dist.IMPLICIT if isinstance(stock.get(n), type)}
    for host_class, twin in twins.items():
        assert host_class is STOCK[adapter.name][host_class.__name__]
        # of what the host makes by a transformation, which no wrapper shall take apart
        assert issubclass(twin, host_class) or issubclass(host_class, adapter.TransformedDistribution)
        assert twin is getattr(adapter.dist, host_class.__name__)
    assert twins is not adapter.irg.implicit_twins()  # a copy: nobody changes the table by chance


@bare
def test_twin_of_a_bare_distribution(adapter, family):
    fn = stock(adapter, family.name)
    twin = adapter.irg.implicit_twin(fn)
    assert type(twin) is getattr(adapter.dist, family.name)
    assert_same(adapter, twin, fn)
    assert adapter.irg.implicit_twin(twin) is None and type(fn) is STOCK[adapter.name][family.name]


@over(
    [row for row in ROWS if not row.made],
    when=lambda a, row: row.name in TWINS[a.name] and (a.eager or row.name in ("Dirichlet", "VonMises")),
)
def test_twin_keeps_parameters_and_their_history(adapter, family):
    """The twin's parameters are the host's arrays, in a traced function too: gradients reach what they were made of."""
    key = adapter.key(0)

    def total(leaf):
        params = {p: v * leaf for p, v in adapter.arrays(family.points[0]).items()}
        draws = adapter.draw(adapter.irg.implicit_twin(STOCK[adapter.name][family.name](**params)), key, (20,))
        return (draws * adapter.array(np.arange(1.0, 1.0 + draws.shape[-1]))).sum()

    slope = adapter.numpy(adapter.jit(adapter.slopes(total))(adapter.array(1.0)))
    assert np.isfinite(slope) and slope != 0.0


@pytest.mark.parametrize("validate", [True, False])
def test_twin_keeps_the_validation_flag(adapter, validate):
    fn = STOCK[adapter.name]["Gamma"](adapter.array(np.ones(3)), 1.0, validate_args=validate)
    implicit_twin = adapter.irg.implicit_twin
    for wrapped in (fn, fn.expand((2, 3)), fn.to_event(1)):
        assert implicit_twin(wrapped)._validate_args == wrapped._validate_args
    if validate:
        with adapter.outside_the_support():
            implicit_twin(fn).log_prob(adapter.array(-1.0))
    else:  # parameters that the twin would refuse pass too
        bad = STOCK[adapter.name]["Gamma"](adapter.array(-1.0), 1.0, validate_args=False)
        assert np.isnan(adapter.numpy(adapter.draw(implicit_twin(bad), adapter.key(0))))


def transformed(a, fn, *after):
    return STOCK[a.name]["TransformedDistribution"](fn, [a.affine(0.5, 2.0), *after])


def mask(a):
    return a.xp.asarray(np.array([True, False]))


WRAPPERS = {
    "to_event": lambda a: gamma(a).to_event(1),
    "expand": lambda a: gamma(a).expand((4, 2)),
    "expand from nothing": lambda a: gamma(a, ()).expand((4, 2)),
    "expand_by": lambda a: gamma(a).expand_by((4,)),
    "mask array": lambda a: gamma(a).mask(mask(a)),
    "mask bool": lambda a: gamma(a).mask(False),
    "transformed": lambda a: transformed(a, gamma(a), a.transforms.ExpTransform().inv),
    "event of transformed of expanded": lambda a: transformed(a, gamma(a, ()).expand((4, 2))).to_event(2),
    "expanded transformed": lambda a: transformed(a, gamma(a)).expand((4, 2)),
    "mask of event of mask": lambda a: gamma(a).mask(mask(a)).to_event(1).mask(False),
    "transformed event": lambda a: a.host.TransformedDistribution(
        stock(a, "Dirichlet", (2,)), [a.transforms.AffineTransform(0.0, 1.0)]
    ),
    "event of expanded simplices": lambda a: stock(a, "Dirichlet").expand((2,)).to_event(1),
    "masked mixture": lambda a: a.host.MaskedMixture(mask(a), gamma(a), a.host.Exponential(a.array(np.ones(2)))),
    "event of a mixture": lambda a: stock(a, "MixtureOfDiagNormals", (3,)).to_event(1),
}
# Pyro's alone, and what NumPyro's transforms refuse: one of numbers over an event
PYROS = ("masked mixture", "event of a mixture", "transformed event")


@over({name: name for name in WRAPPERS}, "name", when=lambda a, name: a.name == "pyro" or name not in PYROS)
def test_twin_through_wrappers(adapter, name):
    fn = WRAPPERS[name](adapter)
    before = dict(vars(fn))
    twin = adapter.irg.implicit_twin(fn)
    assert isinstance(twin, type(fn)) and type(innermost(twin)).__module__.startswith(adapter.dist.__name__)
    assert_same(adapter, twin, fn)
    assert vars(fn) == before  # the host's object is left as it was
    assert adapter.irg.implicit_twin(twin) is None


@pytest.mark.parametrize("component", ["Gamma", "VonMises"])
def test_mixture_and_its_components_are_exchanged(adapter, component):
    implicit_twin, dist = adapter.irg.implicit_twin, adapter.dist
    fn = mixture(adapter, stock(adapter, component, (2,)))
    for wrapped in (fn, fn.expand((3,)), fn.mask(True)):
        twin = implicit_twin(wrapped)
        assert type(innermost(twin)) is dist.MixtureSameFamily and implicit_twin(twin) is None
        assert type(innermost(twin).component_distribution) is getattr(dist, component)
        assert_same(adapter, twin, wrapped)
    normals = STOCK[adapter.name]["Normal"](adapter.array(np.zeros(2)), 1.0)
    assert type(implicit_twin(mixture(adapter, normals))) is dist.MixtureSameFamily
    counts = STOCK[adapter.name]["Poisson"](adapter.array(np.ones(2)))
    assert not implicit_twin(mixture(adapter, counts)).has_rsample


@pytest.mark.parametrize("name", ["Normal", "LogNormal", "Laplace", "Exponential", "Bernoulli"])
def test_distributions_without_twin(adapter, name):
    params = map(adapter.array, (0.5, 1.0) if name in ("Normal", "LogNormal", "Laplace") else (0.5,))
    fn = STOCK[adapter.name][name](*params)
    for wrapped in (fn, fn.expand((2,)), fn.expand((2,)).to_event(1), fn.mask(False)):
        assert adapter.irg.implicit_twin(wrapped) is None


@pytest.mark.parametrize("given", [None, "Gamma", "class"])
def test_only_a_distribution_has_a_twin(adapter, given):
    given = STOCK[adapter.name]["Gamma"] if given == "class" else given
    with pytest.raises(TypeError, match=r"implicit_twin: fn must be a distribution, got (None|'Gamma'|the class)"):
        adapter.irg.implicit_twin(given)


# ---------------------------------------------------------------------------------------- subclasses and users' twins


def test_subclasses_of_what_has_a_twin(adapter):
    """The base class's twin where they change arguments only; none where they may be something else."""
    gamma = adapter.host.Gamma

    class ByMoments(gamma):
        """Other arguments, the same distribution."""

        arg_constraints = gamma.arg_constraints

        def __init__(self, mean, variance, *, validate_args=None):
            super().__init__(mean**2 / variance, mean / variance, validate_args=validate_args)

    class Shifted(ByMoments):
        """Another distribution."""

        support = adapter.constraints.greater_than(1.0)

        def sample(self, *args):
            return 1.0 + super().sample(*args)

        rsample = sample

        def log_prob(self, value):
            return super().log_prob(value - 1.0)

    mean, variance = adapter.array([2.0, 3.0]), adapter.array(1.5)
    fn = ByMoments(mean, variance)
    assert_same(adapter, adapter.irg.implicit_twin(fn), fn)
    assert type(adapter.irg.implicit_twin(fn.to_event(1)).base_dist) is adapter.dist.Gamma
    assert adapter.irg.implicit_twin(Shifted(mean[0], variance)) is None


def test_a_users_twin(adapter):
    class Wedge(adapter.Distribution):
        arg_constraints = {"top": adapter.constraints.positive}
        support = adapter.constraints.positive
        reparametrized_params, has_rsample = [], False

        def __init__(self, top, *, validate_args=None):
            self.top = top
            super().__init__(top.shape, validate_args=validate_args)

        def sample(self, *args):
            shape = (args[-1] if args else ()) + self.batch_shape
            return self.top * adapter.array(np.sqrt(np.random.default_rng(0).random(shape)))

        def log_prob(self, value):
            return adapter.xp.log(2.0 * value / self.top**2)

    @adapter.irg.implicit_twin_of(Wedge)
    class ImplicitWedge(Wedge):
        reparametrized_params, has_rsample = ["top"], True
        rsample = Wedge.sample

    assert adapter.irg.implicit_twins()[Wedge] is ImplicitWedge
    fn = Wedge(adapter.array([1.0, 2.0]))
    assert type(adapter.irg.implicit_twin(fn)) is ImplicitWedge
    assert_same(adapter, adapter.irg.implicit_twin(fn.to_event(1)), fn.to_event(1))
    with adapter.irg.registered() as names:  # not one of the host's names: nothing to put in place
        assert "Wedge" not in names


def test_a_users_twin_with_from_host(adapter):
    stock = STOCK[adapter.name]["Weibull"]

    @adapter.irg.implicit_twin_of(stock)
    class Weibull(stock):
        @classmethod
        def from_host(cls, fn):
            made = cls(fn.scale, fn.concentration, validate_args=fn._validate_args)
            made.note = "from_host"
            return made

    assert adapter.irg.implicit_twin(stock(1.0, 2.0)).note == "from_host"


def test_a_later_twin_takes_over_while_registered(adapter):
    host, dist, stock = adapter.host, adapter.dist, STOCK[adapter.name]["Gamma"]
    assert adapter.irg.register()["Gamma"] is dist.Gamma

    @adapter.irg.implicit_twin_of(stock)
    class Gamma(dist.Gamma):
        pass

    assert host.Gamma is Gamma and adapter.irg.register()["Gamma"] is Gamma
    assert type(adapter.irg.implicit_twin(stock(1.0, 1.0))) is Gamma
    adapter.irg.unregister()
    assert host.Gamma is stock


@pytest.mark.parametrize("given", [int, "Gamma", None, ADAPTERS[0].transforms.ExpTransform])
def test_only_classes_of_distributions_have_twins(adapter, given):
    with pytest.raises(TypeError, match=r"implicit_twin_of: expected a class of distributions, got"):
        adapter.irg.implicit_twin_of(given)
    with pytest.raises(TypeError, match=r"implicit_twin_of\(Gamma\): expected a class of distributions"):
        adapter.irg.implicit_twin_of(STOCK[adapter.name]["Gamma"])(given)


# --------------------------------------------------------------------------------------------------------- register


def in_place(adapter):
    """The names of the host that are not its own."""
    return {name for name, stock in STOCK[adapter.name].items() if getattr(adapter.host, name) is not stock}


def test_register_lists_what_it_replaced_and_is_idempotent(adapter):
    register, unregister, expected = adapter.irg.register, adapter.irg.unregister, TWINS[adapter.name]
    assert in_place(adapter) == set()
    assert register() == expected == register()
    assert in_place(adapter) == set(expected)
    assert all(getattr(adapter.host, name) is twin for name, twin in expected.items())
    for _ in range(2):  # the second has nothing to take back
        unregister()
        assert in_place(adapter) == set()


def test_registered_nests_and_survives_errors(adapter):
    registered, expected = adapter.irg.registered, TWINS[adapter.name]
    with registered() as outer, registered() as inner:
        assert outer == inner == expected
    assert in_place(adapter) == set()
    with pytest.raises(RuntimeError, match="inside"), registered():
        with registered():
            pass
        assert in_place(adapter) == set(expected)  # the outer block still stands
        raise RuntimeError("inside")
    assert in_place(adapter) == set()


def test_register_and_registered_together(adapter):
    expected = set(TWINS[adapter.name])
    with adapter.irg.registered():
        adapter.irg.register()
    assert in_place(adapter) == expected
    with adapter.irg.registered():
        adapter.irg.unregister()
        assert in_place(adapter) == expected
    assert in_place(adapter) == set()


def test_someone_elses_replacement_is_left_alone(adapter):
    """Neither taken over when it was there first, nor overwritten when it came in between."""
    host, stock = adapter.host, STOCK[adapter.name]
    try:
        host.Gamma = "theirs"
        with adapter.irg.registered() as names:
            assert "Gamma" not in names and host.Gamma == "theirs"
            host.Beta = "theirs too"
        assert host.Gamma == "theirs" and host.Beta == "theirs too" and host.VonMises is stock["VonMises"]
    finally:
        host.Gamma, host.Beta = stock["Gamma"], stock["Beta"]


def test_the_hosts_own_code_goes_on(adapter):
    """`register` changes names only: instances, pickles and our own classes are as before."""
    host, dist, stock = adapter.host, adapter.dist, STOCK[adapter.name]
    fn = stock["Gamma"](2.0, 1.0)
    with adapter.irg.registered():
        assert isinstance(host.Gamma(2.0, 1.0), stock["Gamma"])
        assert type(innermost(fn.expand((2,)))) is stock["Gamma"]
        assert type(pickle.loads(pickle.dumps(fn))) is stock["Gamma"]
        assert type(copy.deepcopy(host.Gamma(2.0, 1.0))) is dist.Gamma
        assert type(host.GammaPoisson(2.0, 1.0)) is stock["GammaPoisson"]
    assert type(pickle.loads(pickle.dumps(dist.Gamma(2.0, 1.0)))) is dist.Gamma


def test_threads_share_the_blocks(adapter):
    """Eight threads open and close blocks at their own pace: in each the names are ours, after the last the host's."""
    host, dist, registered = adapter.host, adapter.dist, adapter.irg.registered
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
    assert not wrong and in_place(adapter) == set() and adapter.irg.registry.TWINS._blocks == 0


def test_a_model_written_against_the_host(adapter):
    """The host's `distributions as dist` at the top of a user's file, and nothing else changed."""

    def guide():
        return adapter.sample("x", adapter.host.VonMises(0.0, 1.0))

    with adapter.irg.registered():
        sites = adapter.trace(guide)
        adapter.irg.check_reparameterized(guide)
    assert type(sites["x"]["fn"]) is adapter.dist.VonMises
    with pytest.raises(ValueError, match="'x' is not reparameterized"):
        adapter.irg.check_reparameterized(guide)
