"""Mixtures: a draw's partials against mpmath, expectations against closed forms, hard points, classes without one."""

import functools

import numpy as np
import pytest

from tests import mixtures
from tests.adapters import compiled, over
from tests.checks import assert_unbiased
from tests.mixtures import FORM, MANY, ROWS, TILT, many

kinds = pytest.mark.parametrize("kind", MANY)
MOST = max(len(row.values) for row in ROWS)


def mixture_of(adapter, family, leaves, form="same family"):
    """The mixture of a family by one of the ways to the same distribution; with `event`, of vectors of one number."""
    dist, params = adapter.dist, {k: v for k, v in leaves.items() if k != "logits"}
    weights, cls = dist.Categorical(logits=leaves["logits"]), getattr(dist, family)
    if form == "general":
        parts = [cls(**{k: v[..., i] for k, v in params.items()}) for i in range(leaves["logits"].shape[-1])]
        return dist.MixtureGeneral(weights, parts)
    if form == "event":
        return dist.MixtureSameFamily(weights, cls(**{k: v[..., None] for k, v in params.items()}).to_event(1))
    return dist.MixtureSameFamily(weights, cls(**params))


# ------------------------------------------------------------------------------------------------------------- path


@functools.cache
def partials(adapter, family, form):
    """Of `MOST` values at a time, so that the rows of a family share a compilation."""

    def moved(leaves, x):
        d = mixture_of(adapter, family, leaves, form)
        return d.at_fixed_quantile(x[..., None])[..., 0] if form == "event" else d.at_fixed_quantile(x)

    return adapter.jit(adapter.value_and_slopes(moved))


@over({f"{row}-{form}": (row, form) for row in ROWS for form in ("same family", "event", "general")}, "case",
      when=lambda a, case: case[1] != "general" if a.eager else case[1] == "same family" or case[0] in ROWS[:2],
      slow=lambda a, case: compiled(a) and case[0].family in ("Beta", "VonMises"))  # fmt: skip
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_partials(adapter, case, precision):
    """dz / d logits and every parameter of the components, to the target of the kernels."""
    (row, form), n = case, len(case[0].values)
    if adapter.name == "numpyro" and precision == "float32":
        if form != "same family" or row.family not in ("Normal", "Gamma"):
            pytest.skip("another compilation of the same arithmetic")
        rtol = mixtures.IN_FLOAT32.get(row.name, 2e-6)
    else:
        rtol = {"float64": 1e-12, "float32": 2e-6}[precision]  # Pyro's float32 mixtures are computed in float64
    with adapter.precision(precision):
        leaves = adapter.arrays({"logits": row.logits, **dict(row.params)}, (MOST,))
        x = adapter.array([*row.values, *row.values[:1] * (MOST - n)])
        moved, found = partials(adapter, row.family, form)(leaves, x)
    assert (moved == x).all()
    found = {name: adapter.numpy(slope)[:n] for name, slope in found.items()}
    for name, error in mixtures.errors(row, found).items():
        assert error < rtol, (name, error)


@over(MANY, "kind", slow=compiled)
def test_second_derivatives_and_modes(adapter, kind):
    """In several dimensions: those of differences of the gradient along the path; symmetric; the same in every mode."""
    kind = next(name for name, value in MANY.items() if value is kind)
    if not adapter.eager and kind != "normal":
        pytest.skip("slow to compile")
    with adapter.precision("float64"):
        tril, x = adapter.array([[1.0, 0.0], [0.5, 0.75]]), adapter.array([0.25, 0.5])
        theta = adapter.array([0.5, -0.25, 0.0, 0.5, 1.0, -0.5])
        way = adapter.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])

        def path(theta, x=x):
            loc = theta[2:].reshape((2, 2))
            component = {
                "factorised": lambda: adapter.dist.Normal(loc, adapter.array([1.0, 0.75])).to_event(1),
                "normal": lambda: adapter.dist.MultivariateNormal(loc, scale_tril=tril),
                "student t": lambda: adapter.dist.MultivariateStudentT(adapter.array(3.0), loc, tril),
            }[kind]()
            return adapter.at_fixed_transform(theta[:2], component, x)

        jacfwd, jacrev, jit, numpy = adapter.jacfwd, adapter.jacrev, adapter.jit, adapter.numpy
        first = numpy(jit(jacrev(path))(theta))
        np.testing.assert_allclose(numpy(jit(jacfwd(path))(theta)), first, rtol=1e-11, atol=1e-12)
        second = numpy(jit(jacrev(jacrev(path)))(theta))
        np.testing.assert_allclose(second, np.swapaxes(second, -1, -2), rtol=1e-10, atol=1e-12)
        if kind == "student t":  # torch loses count of the kernels' arguments
            with pytest.raises(ValueError, match="treespec"):
                adapter.hessian(path)(theta)
        else:
            np.testing.assert_allclose(numpy(jit(adapter.hessian(path))(theta)), second, rtol=1e-10, atol=1e-12)
        slope = jit(lambda theta, at: adapter.jacrev(lambda t: path(t, at))(theta) @ way)

        def along(step, n=4):
            """x at theta + step * way, by the classical Runge-Kutta rule."""
            at, h = x, step / n
            for i in range(n):
                t = i * h
                a = slope(theta + t * way, at)
                b = slope(theta + (t + h / 2) * way, at + h / 2 * a)
                c = slope(theta + (t + h / 2) * way, at + h / 2 * b)
                at = at + h / 6 * (a + 2 * b + 2 * c + slope(theta + (t + h) * way, at + h * c))
            return numpy(at)

        difference = (along(0.01) - 2.0 * numpy(x) + along(-0.01)) / 1e-4
    # the difference has an error of order 1e-4
    np.testing.assert_allclose(second @ numpy(way) @ numpy(way), difference, rtol=1e-3, atol=1e-5)


# ----------------------------------------------------------------------------------------------------- expectations


EXPECTATIONS = {f"{kind}{' general' * g}": (kind, g) for kind in MANY for g in (False, True)}


@over(EXPECTATIONS, "case", when=lambda a, case: not case[1] or (a.name == "numpyro" and case[0] != "student t"),
      slow=lambda a, case: case[1])  # fmt: skip
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_expectations(adapter, case, precision):
    """d E f / d parameter of a quadratic f, and for normal components of an exponential one."""
    kind, general = case
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")

    def values(leaves, key):
        x = adapter.draw(many(adapter, kind, leaves, general), key)
        form, tilt = map(adapter.array, (FORM, TILT))
        found = {"moment": x.sum(-1) + ((x @ form) * x).sum(-1), "tilted": adapter.xp.exp(x @ tilt)}
        return {name: v for name, v in found.items() if name != "tilted" or kind != "student t"}

    with adapter.precision(precision):
        leaves = adapter.arrays(MANY[kind], (20_000,))
        _, found = adapter.jit(adapter.value_and_slopes(values))(leaves, adapter.key(0))
    for function, slopes in found.items():
        truth = mixtures.slopes(getattr(mixtures, function), MANY[kind])
        for name, slope in truth.items():
            part = adapter.numpy(slopes[name])
            used = np.abs(part).max(0) > 0.0  # not above a diagonal
            assert np.abs(slope[~used]).max(initial=0.0) < 1e-9, name
            # differences are right to 1e-9, a slope in float32 to 1e-5
            assert_unbiased(part[:, used], slope[used], 1e-5 if precision == "float32" else 1e-6, name)


# ------------------------------------------------------------------------------------------------------ hard points


@functools.cache
def total(adapter, kind):
    def draws(leaves, key):
        return adapter.draw(many(adapter, kind, leaves), key, (200,))

    return adapter.jit(adapter.value_and_slopes(draws))


HARD = {f"{kind}-{case}": (kind, case) for kind in MANY for case in ("weight 1e-30", "equal", "apart")}


@over(HARD, "hard", when=lambda a, hard: a.eager or hard[0] != "student t", slow=compiled)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_hard_points(adapter, hard, precision):
    kind, case = hard
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    leaves = dict(MANY[kind])
    if case == "weight 1e-30":
        leaves["logits"] = np.array([0.0, 0.5, -69.0])
    elif case == "equal":
        leaves = {k: np.broadcast_to(v[:1], v.shape) for k, v in leaves.items()}
    else:
        leaves["loc"] = leaves["loc"] + np.array([-50.0, 0.0, 50.0])[:, None]
    with adapter.precision(precision):
        x, found = total(adapter, kind)(adapter.arrays(leaves), adapter.key(0))
    x, found = adapter.numpy(x), {name: adapter.numpy(slope) for name, slope in found.items()}
    assert np.isfinite(x).all() and all(np.isfinite(slope).all() for slope in found.values())
    # every draw moves with all locations moved at once
    np.testing.assert_allclose(found["loc"].sum(0), np.full(3, 200.0), rtol=1e-4)
    if case == "equal":  # 200 draws of slope 0, in float32 each to 1e-5
        assert np.abs(found["logits"]).max() < (1e-2 if precision == "float32" else 1e-9)
    if case == "weight 1e-30":
        assert all(np.abs(slope[2]).max() < 1e-20 for slope in found.values())


# --------------------------------------------------------------------------------------------------------- the class


@pytest.mark.parametrize("events", [0, 1])
def test_draws_are_the_hosts(adapter, events):
    loc = adapter.array([[-1.0] * 3, [2.0] * 3] if events else [-1.0, 2.0])
    component = adapter.host.Normal(loc, 1.0).to_event(events)
    ours, stock = (
        m.MixtureSameFamily(m.Categorical(logits=adapter.array([0.0, 0.0])), component)
        for m in (adapter.dist, adapter.host)
    )
    x, theirs = (adapter.host_draw(d, adapter.key(1), (5,)) for d in (ours, stock))
    np.testing.assert_array_equal(adapter.numpy(x), adapter.numpy(theirs))
    np.testing.assert_array_equal(adapter.numpy(ours.mean), adapter.numpy(stock.mean))
    # ours by the record, which Pyro computes in float64
    np.testing.assert_allclose(adapter.numpy(ours.log_prob(x)), adapter.numpy(stock.log_prob(x)), rtol=2.5e-7)


@kinds
def test_shapes(adapter, kind):
    leaves, key = adapter.arrays(MANY[kind]), adapter.key(0)
    d = many(adapter, kind, leaves)

    def shape(d, sample_shape=()):
        return adapter.shapes(lambda key: adapter.draw(d, key, sample_shape), key).shape

    for shaped, expected in ((d.expand((4,)), (2, 4, 3)), (d.expand((5, 4)).to_event(1), (2, 5, 4, 3))):
        assert shaped.has_rsample and shape(shaped, (2,)) == expected
    masked = d.expand((4,)).mask(adapter.xp.asarray(np.array([True, False, True, False])))
    assert shape(masked) == (4, 3)
    assert (adapter.numpy(masked.log_prob(adapter.array(np.zeros((4, 3))))) == 0.0).tolist() == [False, True] * 2
    again = adapter.rebuilt(d)
    assert type(again) is adapter.dist.MixtureSameFamily and again.has_rsample
    rows = adapter.vmap(lambda logits: adapter.draw(many(adapter, kind, {**leaves, "logits": logits}), key))
    assert adapter.shapes(rows, adapter.array(np.zeros((4, 3)))).shape == (4, 3)


@over(("MultivariateNormal", "MultivariateStudentT"), "name", when=lambda a, name: a.eager or name.endswith("Normal"))
def test_one_matrix_for_all_components(adapter, name):
    eye = adapter.array(np.eye(3))
    args = {"scale_tril": eye} if name == "MultivariateNormal" else {"df": adapter.array(3.0), "scale_tril": eye}

    def draw(loc):
        component = getattr(adapter.dist, name)(loc=loc, **args)
        weights = adapter.dist.Categorical(logits=adapter.array([0.0, 0.0]))
        return adapter.draw(adapter.dist.MixtureSameFamily(weights, component), adapter.key(0), (4,))

    slope = adapter.numpy(adapter.jit(adapter.slopes(draw))(adapter.array(np.zeros((2, 3)))))
    np.testing.assert_allclose(slope.sum(0), np.full(3, 4.0), rtol=1e-5)


APART = {
    "Weibull": ({"scale": (1.0, 1e4), "concentration": (100.0, 2.0)}, "scale", 1.0),
    "Gompertz": ({"concentration": (1.0, 1e4), "rate": (1.0, 1e3)}, "rate", -1.0),
}


@over({k: k for k in APART}, "family")
def test_no_density_at_the_others_draws(adapter, family):
    """Each draw x moves with its own component's scale as x / scale, though another's log-density there is -inf."""
    params, name, sign = APART[family]

    def draw(leaves):
        return adapter.draw(mixture_of(adapter, family, leaves), adapter.key(0), (100,))

    with adapter.precision("float64"):
        both = adapter.jit(adapter.value_and_slopes(draw))
        x, slopes = both(adapter.arrays({**params, "logits": (0.0, 0.0)}))
        x = np.sort(adapter.numpy(x))
        assert np.isfinite(x).all() and all(np.isfinite(adapter.numpy(s)).all() for s in slopes.values())
        split = np.argmax(np.diff(np.log(x))) + 1
        parts = np.array([x[:split].sum(), x[split:].sum()])[:: int(sign)]
        np.testing.assert_allclose(adapter.numpy(slopes[name]), sign * parts / np.array(params[name]), rtol=1e-3)


# A family's parameters, of two components far apart, and draws of the first: some at the end of float32's range.
FAR = {
    "Gumbel": ({"loc": (-10.0, 0.0), "scale": (1.0, 0.01)}, (-10.5, -9.0)),
    "Kumaraswamy": ({"concentration1": (0.015, 43.0), "concentration0": (13.0, 220.0)}, (1.2e-38, 1e-9)),
    "Dagum": ({"concentration": (2.0, 3.0), "sharpness": (3.0, 500.0), "scale": (1.0, 1e4)}, (0.5, 2.0)),
    "LogNormal": ({"loc": (-80.0, 88.0), "scale": (2.0, 0.5)}, (1.2e-38, 1e-34)),
    "LogitNormal": ({"loc": (-80.0, 14.0), "scale": (3.0, 1.0)}, (1.2e-38, 1e-34)),
    "JohnsonSU": ({"skewness": (0.0, -375.0), "tailweight": (1.0, 0.015), "loc": (0.0, 40.0),
                   "scale": (1.0, 580.0)}, (-0.5, 2.0)),
    "GeneralizedNormal": ({"power": (0.0625, 120.0), "loc": (0.0, 1.0), "scale": (20.0, 0.04)}, (-2e21, 1e20)),
    "Gamma": ({"concentration": (0.01, 50.0), "rate": (1.0, 1.0)}, (1.2e-38, 1e-9)),
    "Beta": ({"concentration1": (0.02, 35.0), "concentration0": (3.0, 190.0)}, (1.2e-38, 1e-9)),
    "Chi2": ({"df": (0.04, 105.0)}, (1.2e-38, 1e-9)),
}  # fmt: skip


@over(FAR, "far", slow=lambda a, far: compiled(a) and tuple(far[0]) == tuple(FAR["Beta"][0]))
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_far_from_a_component(adapter, far, precision):
    """log |x| moves as the first component's own draw does, of which the other has no share, and with no other."""
    family, (params, values) = next((name, row) for name, row in FAR.items() if row is far)
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")

    def moved(leaves, x):
        own = getattr(adapter.dist, family)(**{k: v[..., 0] for k, v in leaves.items() if k != "logits"})
        alone = adapter.dist.fixed_quantile.at_fixed_quantile(own, x)
        mixed = mixture_of(adapter, family, leaves).at_fixed_quantile(x)
        return {"alone": adapter.xp.log(adapter.xp.abs(alone)), "mixed": adapter.xp.log(adapter.xp.abs(mixed))}

    with adapter.precision(precision):
        leaves = adapter.arrays({"logits": (0.0, 0.0), **params}, (2,))
        found = adapter.jit(adapter.value_and_slopes(moved))(leaves, adapter.array(values))[1]
    for name in leaves:
        alone, mixed = (adapter.numpy(found[which][name]) for which in ("alone", "mixed"))
        assert np.isfinite(mixed).all(), name
        if name != "logits":
            np.testing.assert_allclose(mixed[:, 0], alone[:, 0], rtol=1e-3, err_msg=name)
            assert (np.abs(mixed[:, 1]) <= 1e-6 * np.abs(mixed[:, 0])).all(), name


# Components of the hosts' own classes, and values at which their log_prob overflows far from one of them
HOSTS = {
    "Gumbel": ({"loc": (0.0, 10.0), "scale": (0.1, 0.1)}, (-0.25, 0.5)),
    "Normal": ({"loc": (0.0, 1e17), "scale": (1e-3, 1e8)}, (1e17, 9.999e16)),
    "Cauchy": ({"loc": (0.0, 1e15), "scale": (1e-6, 1e8)}, (1.0001e15, 9.999e14)),
}


@over(HOSTS, "far", slow=lambda a, far: compiled(a) and far is HOSTS["Normal"])
@pytest.mark.parametrize("form", ["same family", "general"])
def test_log_prob_far_from_a_component(adapter, far, form):
    """It and its derivatives are those of the component that is near, whose weight is a half."""
    family, (params, values) = next((name, row) for name, row in HOSTS.items() if row is far)
    if form == "general" and adapter.name == "pyro":
        pytest.skip("NumPyro's alone")
    near = 0 if family == "Gumbel" else 1

    def log_prob(leaves, x):
        own = getattr(adapter.dist, family)(**{k: v[..., near] for k, v in leaves.items() if k != "logits"})
        return {"alone": own.log_prob(x), "mixed": mixture_of(adapter, family, leaves, form).log_prob(x)}

    leaves = adapter.arrays({"logits": (0.0, 0.0), **params}, (len(values),))
    found, slopes = adapter.jit(adapter.value_and_slopes(log_prob))(leaves, adapter.array(values))
    np.testing.assert_allclose(adapter.numpy(found["mixed"]), adapter.numpy(found["alone"]) - np.log(2.0), rtol=2e-6)
    for name in params:
        alone, mixed = (adapter.numpy(slopes[which][name]) for which in ("alone", "mixed"))
        np.testing.assert_allclose(mixed[:, near], alone[:, near], rtol=2e-6)
        assert (np.abs(mixed[:, 1 - near]) <= 1e-6 * np.abs(mixed[:, near])).all(), name


OTHERS = {
    "Poisson": lambda d, a, w: d.MixtureSameFamily(w, d.Poisson(a([1.0, 1.0]))),
    "Dirichlet": lambda d, a, w: d.MixtureSameFamily(w, d.Dirichlet(a(np.ones((2, 3))))),
    "Uniform": lambda d, a, w: d.MixtureSameFamily(w, d.Uniform(a([0.0, 0.0]), a([1.0, 2.0]))),
    "Truncated": lambda d, a, w: d.MixtureSameFamily(w, d.TruncatedNormal(a([0.0, 0.0]), 1.0, low=a([0.0, 1.0]))),
    "general": lambda d, a, w: d.MixtureGeneral(w, [d.Normal(0.0, 1.0), d.HalfNormal(1.0)], support=d.constraints.real),
}
REASONS = {
    "Uniform": r"must have one support, but these reach from .* to \[1.0, 2.0\]",
    "Truncated": r"must have one support, but these reach from \[0.0, 1.0\] to inf",
    "general": "must have one support, but these reach from -inf to inf and from 0.0 to inf",
}


@over({n: n for n in REASONS}, "name", when=lambda a, name: a.name == "numpyro" and name != "general")
def test_different_supports_are_refused(adapter, name):
    """NumPyro's mixture takes one support only, from the start."""
    with pytest.raises(ValueError, match=REASONS[name]):
        OTHERS[name](adapter.dist, adapter.array, adapter.dist.Categorical(logits=adapter.array([0.0, 0.0])))


@over(
    {n: n for n in OTHERS},
    "name",
    when=lambda a, name: name != "general" if a.eager else name not in ("Uniform", "Truncated"),
)
def test_others_stay_the_hosts(adapter, name):
    """No gradient is known: `has_rsample` is false, so that a bound takes the score function, and `rsample` raises."""
    weights = adapter.dist.Categorical(logits=adapter.array([0.0, 0.0]))
    d = OTHERS[name](adapter.dist, adapter.array, weights)
    assert not d.has_rsample and not d.expand((3,)).has_rsample
    assert adapter.host_draw(d, adapter.key(0), (4,)).shape[0] == 4
    with pytest.raises(NotImplementedError, match=REASONS.get(name, "components may be univariate")):
        adapter.rsample(d, adapter.key(0))
    with pytest.raises(ValueError, match="site 'z' is not reparameterized: Mixture"):
        adapter.irg.check_reparameterized(lambda: adapter.sample("z", d))


def test_guide_site(adapter):
    d = many(adapter, "normal", adapter.arrays(MANY["normal"]))

    def guide():
        with adapter.plate("rows", 5):
            adapter.sample("z", d)

    assert adapter.trace(guide)["z"]["value"].shape == (5, 3)
    adapter.irg.check_reparameterized(guide)


@over({k: k for k in MANY}, "kind", when=lambda a, kind: a.eager or kind != "student t",
      slow=lambda a, kind: compiled(a) and kind == "normal")  # fmt: skip
def test_draws_by_parts(adapter, kind, monkeypatch):
    """Derivatives are those of all draws taken at once."""
    conditionals = adapter.dist.conditionals

    def both(chunk):
        monkeypatch.setattr(conditionals, "CHUNK", chunk)

        def draw(leaves):
            return adapter.xp.sin(adapter.draw(many(adapter, kind, leaves), adapter.key(1), (17,)))

        return adapter.jit(adapter.slopes(draw))(adapter.arrays(MANY[kind]))

    at_once, by_parts = both(10**9), both(3 * 9)
    for name, slope in at_once.items():
        found = adapter.numpy(by_parts[name])
        np.testing.assert_allclose(found, adapter.numpy(slope), rtol=1e-4, atol=1e-4, err_msg=name)
