"""Truncated distributions: against mpmath, by their draws, in SVI, under transformations; what is refused."""

import math
import os
import pickle

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import compiled, over
from tests.checks import assert_distributed, assert_unbiased
from tests.families import BY_NAME, ROWS
from tests.truncation import (
    AT_ENDS,
    ENDS,
    NARROW,
    NORMAL,
    OTHERS,
    POINTS,
    curvature,
    elbo_slopes,
    point,
    refusals,
    worst,
)

precisions = pytest.mark.parametrize("precision", ["float64", "float32"])
NAMES = {p.base: [name for name, _ in p.params] for p in POINTS}  # in the order of the class; JAX sorts a dict
CLOSED = {row.name for row in ROWS if row.apart == "shared/test_rows.py"}
BASES = ("Normal", *sorted({p.base for p in OTHERS}))


def build(adapter, base, values, **options):
    cls, given = getattr(adapter.dist, base), {name: values[name] for name in NAMES[base]}
    names = getattr(cls, "arg_constraints", given)  # of a function none
    by_name = isinstance(names, dict) and given.keys() == names.keys()
    d = cls(**given) if by_name else cls(*given.values())
    return adapter.dist.Truncated(d, values.get("low"), values.get("high"), **options)


def check(adapter, points, precision, rtol, open_ends=True, slopes_alone=False):
    """The draws of all points of a base in one call.

    :param open_ends: a side without a bound has an infinite one, so that all points are alike.
    :param slopes_alone: without log-density and distribution function, which take as long again to compile.
    """
    base = points[0].base
    ends = {"low": -math.inf, "high": math.inf} if open_ends else {}
    rows = [{**dict(p.params), **ends, **p.bounds} for p in points for _ in p.xs]

    def evaluate(values, x):
        def at(values):
            return build(adapter, base, values, validate_args=False)  # an infinite bound of a half-line

        slopes = adapter.slopes(lambda values: at(values).at_fixed_quantile(x))(values)
        return (slopes,) if slopes_alone else (slopes, at(values).log_prob(x), at(values).cdf(x))

    # In the valley of a VonMises a mass changes with x 18 times as fast as x: XLA's default code generator gives
    # 1.7e-6 there, the former one, under which the tests run (conftest.py), up to 7.2e-6.
    former = base == "VonMises" and "xla_cpu_use_fusion_emitters" in os.environ.get("XLA_FLAGS", "")
    with adapter.precision(precision):
        values = {name: adapter.array([row[name] for row in rows]) for name in rows[0]}
        xs = adapter.array([x for p in points for x in p.xs])
        options = {"xla_cpu_use_fusion_emitters": True} if former else {}
        slopes, *others = adapter.compile(evaluate, values, xs, **options)
    slopes = {name: adapter.numpy(s) for name, s in slopes.items()}
    start = 0
    for p in points:
        part = slice(start, start + len(p.xs))
        start += len(p.xs)
        mine = {name: s[part] for name, s in slopes.items()}
        error, where = worst(p, mine, *(adapter.numpy(other)[part] for other in others))
        assert error <= rtol, f"{error:.1e} in {where}"
        for name in set(ends) - set(p.bounds):
            assert not mine[name].any(), f"a bound at infinity moves the draw: {mine[name]}"


def target(adapter, base, precision):
    """Pyro's float32 is computed in float64 and rounded once."""
    if precision == "float64":
        return 2e-14 if base == "Normal" else 1e-12
    return 2e-7 if adapter.name == "pyro" else 2e-6


@precisions
@over(BASES, "base", slow=lambda adapter, base: compiled(adapter) and base != "Normal")
def test_values_and_partials(adapter, base, precision):
    """To target; a partial whose terms nearly cancel relative to these (`truncation.size`)."""
    if compiled(adapter) and precision == "float64" and base in CLOSED:
        pytest.skip("another compilation of the same arithmetic")
    alone = compiled(adapter) and base in CLOSED
    check(
        adapter, [p for p in POINTS if p.base == base], precision, target(adapter, base, precision), slopes_alone=alone
    )


# of modes that float32, or even float64, rounds to an end of the support
FAR_MODES = {
    p.base: p
    for p in (
        point("LogitNormal", {"loc": 48.0, "scale": 8.0}, 0.25, None, 0.5, 0.96875),
        point("LogNormal", {"loc": 100.0, "scale": 16.0}, 1.0, None, 2.0, 1e4),
    )
}


@precisions
@over(FAR_MODES, "p", when=lambda adapter, p: adapter.eager or p.base == "LogNormal")
def test_mode_out_of_range(adapter, p, precision):
    """In NumPyro's float32 the density was off by a factor e^23, or NaN."""
    check(adapter, [p], precision, target(adapter, p.base, precision), open_ends=False)


ONE_SIDED = {str(p): p for p in POINTS if None in (p.low, p.high)}


@over(ONE_SIDED, "p", when=lambda adapter, p: adapter.eager or p.base == "Gamma")
def test_without_a_bound(adapter, p):
    check(adapter, [p], "float32", target(adapter, p.base, "float32"), open_ends=False)


@over({str(p): p for p in NORMAL + OTHERS}, "p", when=lambda adapter, p: adapter.eager)
def test_draws(adapter, p):
    """Inside the support, in float32 too, and u is uniform."""
    for precision, size in (("float32", 100), ("float64", 1500)):
        with adapter.precision(precision):
            values = {**dict(p.params), **p.bounds}
            q = build(adapter, p.base, {name: adapter.array(v) for name, v in values.items()})
            x = adapter.detached_draw(q, adapter.key(0), (size,))
            assert adapter.numpy(adapter.contains(q.support, x)).all() and np.isfinite(adapter.numpy(x)).all()
    assert_distributed(adapter.numpy(q.cdf(x)), lambda u: u)
    np.testing.assert_allclose(adapter.numpy(q.icdf(q.cdf(x))), adapter.numpy(x), rtol=1e-6)  # at 5 sigma 10 digits


DRAWN = (
    point("Gamma", {"concentration": 2.5, "rate": 0.5}, 1.0, 6.0),
    point("Gamma", {"concentration": 2.0, "rate": 1.0}, 50.0, None, 51.0),
    point("StudentT", {"df": 0.3, "loc": 0.0, "scale": 1.0}, 2.0, None, 3.0),
    point("VonMises", {"loc": 3.0, "concentration": 1.5}, -2.5, 2.0),
    point("LogNormal", {"loc": 0.0, "scale": 1.0}, 0.5, 3.0),
    point("Laplace", {"loc": 0.0, "scale": 1.0}, -1.0, None, 1.0),
)


@over({str(p): p for p in DRAWN}, "p", slow=compiled)
def test_draws_of_the_hosts_bases(adapter, p):
    q = adapter.dist.Truncated(getattr(adapter.host, p.base)(*(v for _, v in p.params)), p.low, p.high)

    def evaluate(key):
        x = adapter.detached_draw(q, key, (1500,))
        return x, adapter.contains(q.support, x), q.cdf(x)

    x, inside, u = map(adapter.numpy, adapter.compile(evaluate, adapter.key(0)))
    assert inside.all() and np.isfinite(x).all()
    assert_distributed(u, lambda u: u)


@over({str(p): p for p in NARROW}, "p", when=lambda adapter, p: adapter.eager)
def test_draws_in_a_millionth_of_sigma(adapter, p):
    q = build(adapter, p.base, {name: adapter.array(v) for name, v in {**dict(p.params), **p.bounds}.items()})
    x = adapter.numpy(adapter.detached_draw(q, adapter.key(0), (200,)))
    assert ((x >= p.low) & (x <= p.high)).all() and len(np.unique(x)) > 5  # of 8 values or more


def test_without_bounds_it_is_the_base(adapter):
    dist, x = adapter.dist, adapter.array(np.linspace(-3.0, 3.0, 7))
    base = dist.Normal(adapter.array(0.5), 2.0)
    for q in (dist.Truncated(base), dist.Truncated(base, -math.inf, math.inf)):
        for method, rtol in (("log_prob", 1e-6), ("cdf", 2e-6)):
            found = (adapter.numpy(getattr(d, method)(x)) for d in (q, base))
            np.testing.assert_allclose(*found, rtol=rtol)
    assert dist.TruncatedDistribution(base) is base


@over(ENDS, "end", when=lambda a, end: a.eager or end is ENDS["mixture"], slow=lambda a, end: not a.eager)
def test_bound_at_the_end_of_the_support(adapter, end):
    """It has the derivative of moving inwards.  (The kernels' arithmetic, which is NumPyro's too.)"""
    base, slope = end
    with adapter.precision("float64"):
        one, x = adapter.array(1.0), adapter.array(0.7)

        def draw(low):
            return adapter.dist.Truncated(base(adapter.dist, one), low).at_fixed_quantile(x)

        found = adapter.numpy(adapter.slopes(draw)(adapter.array(0.0)))
    np.testing.assert_allclose(found, slope(0.7), rtol=1e-12, atol=1e-300)


@over(
    {name: name for name in ("Gamma", "Beta", "Kumaraswamy", "NoncentralChi2")},
    "name",
    when=lambda adapter, name: adapter.eager or name != "NoncentralChi2",
)
def test_bound_where_the_density_is_infinite(adapter, name):
    dist, low = adapter.dist, adapter.array(0.0)

    def draw(low):
        base = getattr(dist, name)(adapter.array(0.5), adapter.array(2.0))
        return dist.Truncated(base, low).at_fixed_quantile(adapter.array(0.25))

    assert float(adapter.slopes(draw)(low)) > 1e15


def test_support_that_moves(adapter):
    """The end of a Pareto is a bound that its parameter moves; beyond it there is no density."""
    dist = adapter.dist

    def draw(scale):
        return dist.Truncated(dist.Pareto(scale, 2.0), None, 3.0).at_fixed_quantile(adapter.array(2.0))

    with adapter.precision("float64"):
        found = adapter.numpy(adapter.jit(adapter.slopes(draw))(adapter.array(1.0)))
    np.testing.assert_allclose(found, 1.25, rtol=1e-12)  # (1 - u) p(1) / p(2), 1 - u = 5/32
    unit = dist.Uniform(adapter.array(0.0), 1.0)
    q = dist.Truncated(unit, -1.0, 0.5, validate_args=False)
    outside = adapter.numpy(q.log_prob(adapter.array([-0.5, 0.2])))
    np.testing.assert_allclose(outside, [-math.inf, math.log(2.0)], rtol=1e-6)
    with pytest.raises(ValueError, match="low must lie in the support of its base Pareto, from 1"):
        dist.Truncated(dist.Pareto(adapter.array(1.0), 2.0), 0.5, validate_args=True)


def test_outside(adapter):
    def observed(loc):
        q = adapter.dist.Truncated(adapter.dist.Normal(loc, 1.0), 1.0, 2.0, validate_args=False)
        x = adapter.array([0.0, 1.5, 3.0])
        return {"log_prob": q.log_prob(x), "inside": q.log_prob(x)[1], "cdf": q.cdf(x)}

    found, slopes = adapter.jit(adapter.value_and_slopes(observed))(adapter.array(0.0))
    assert np.isinf(adapter.numpy(found["log_prob"])).tolist() == [True, False, True]
    assert found["cdf"][0] == 0.0 and found["cdf"][2] == 1.0
    assert np.isfinite(adapter.numpy(slopes["inside"]))


AT = {"-".join(map(str, row[:4])): row for row in AT_ENDS}


@over(AT, "at", slow=lambda adapter, at: compiled(adapter) and at not in AT_ENDS[:2])
def test_density_at_an_end_of_the_support(adapter, at):
    base, params, low, high, x, expected = at

    def density(params):
        d = getattr(adapter.dist, base)(*params)
        return adapter.dist.Truncated(d, low, high, validate_args=False).log_prob(adapter.array(x))

    found, slopes = adapter.compile(adapter.value_and_slopes(density), list(map(adapter.array, params)))
    np.testing.assert_allclose(adapter.numpy(found), expected, rtol=2e-6)
    assert not any(np.isnan(adapter.numpy(s)) for s in slopes)  # that in k of a Weibull is -inf at k = 1


def test_infinite_and_nan_values(adapter):
    inf, nan = math.inf, math.nan

    def observed(loc):
        q = adapter.dist.Truncated(adapter.dist.Normal(loc, 1.0), 0.0, validate_args=False)
        x = adapter.array([inf, -inf, nan])
        quantiles = q.icdf(adapter.array([0.0, 1.0, nan, 0.5]))
        return {"cdf": q.cdf(x), "log_prob": q.log_prob(x), "icdf": quantiles[:3], "inside": quantiles[3]}

    found, slopes = adapter.compile(adapter.value_and_slopes(observed), adapter.array(0.3))
    expected = {"cdf": [1.0, 0.0, nan], "log_prob": [-inf, -inf, nan], "icdf": [0.0, inf, nan]}
    for name, truth in expected.items():
        np.testing.assert_array_equal(adapter.numpy(found[name]), truth)
        assert adapter.numpy(slopes[name]) == 0.0
    assert found["inside"] > 0.0 and slopes["inside"] > 0.0


def test_bases_and_bounds(adapter):
    """One in another; an expanded base; ends that are numbers have the dtype of the base."""
    dist = adapter.dist
    normal = dist.Normal(adapter.array(0.0), 1.0)
    assert dist.Truncated(normal.expand((3,)), 0.0).batch_shape == (3,)
    q = dist.Truncated(normal.expand((3,)), 0.0)
    assert adapter.shapes(lambda key: adapter.draw(q, key, (3,)), adapter.key(0)).shape == (3, 3)
    x = adapter.array(1.5)
    nested, plain = dist.Truncated(dist.Truncated(normal, 0.0, 3.0), 1.0, 2.0), dist.Truncated(normal, 1.0, 2.0)
    found = (adapter.numpy(d.log_prob(x)) for d in (nested, plain))
    np.testing.assert_allclose(*found, atol=5e-7)  # a few roundings of logarithms of size 1
    with adapter.precision("float64"):
        loc = adapter.array([0.0, 0.0])
        mixture = dist.MixtureSameFamily(dist.Categorical(probs=adapter.array([0.5, 0.5])), dist.Normal(loc, 1.0))
        for base in (dist.Normal(loc[0], 1.0), mixture):
            q = dist.Truncated(base, 0.1)
            density = q.log_prob(q.low)
            assert q.low == 0.1 and np.isfinite(adapter.numpy(density)) and adapter.dtype_of(density) == "float64"


CURVED = {
    f"{p}-{name}": (p, name)
    for p, name in (
        (NORMAL[0], "loc"),
        (NORMAL[5], "scale"),
        (NORMAL[8], "loc"),
        (NORMAL[0], "high"),
        (point("Gamma", {"concentration": 2.5, "rate": 0.5}, 1.0, 6.0, 2.5), "concentration"),
        (point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0, 1.5), "df"),
    )
}


@over(CURVED, "case", when=lambda adapter, case: adapter.eager or (case[0].base == "Normal" and case[1] != "high"))
def test_second_derivatives(adapter, case):
    p, name = case
    with adapter.precision("float64"):
        start = {key: adapter.array(v) for key, v in {**dict(p.params), **p.bounds}.items()}
        x = adapter.array(p.xs[-1])

        def draw(value):
            return build(adapter, p.base, {**start, name: value}).at_fixed_quantile(x)

        second = adapter.compile(adapter.second_slope(draw), start[name])
    np.testing.assert_allclose(adapter.numpy(second), curvature(p, p.xs[-1], name), rtol=1e-8)


def test_transformations(adapter):
    def draw(loc, low):
        return adapter.draw(adapter.dist.TruncatedNormal(loc, 1.0, low=low, high=2.0), adapter.key(0))

    loc, low = adapter.array(0.3), adapter.array(-1.0)
    expected = adapter.numpy(adapter.jit(adapter.slopes(draw))(loc, low))
    for transform in (adapter.grad, adapter.jacfwd, adapter.jacrev):
        np.testing.assert_allclose(adapter.numpy(adapter.jit(transform(draw))(loc, low)), expected, rtol=1e-5)

    def at_quantile(loc, u):
        return adapter.dist.TruncatedNormal(loc, 1.0, low=-1.0, high=2.0, validate_args=False).icdf(u)

    locs, u, slope = adapter.array(np.linspace(-1.0, 1.0, 3)), adapter.array(0.4), adapter.grad(at_quantile)
    each = adapter.numpy(adapter.jit(adapter.vmap(slope, (0, None)))(locs, u))
    slope = adapter.jit(slope)
    np.testing.assert_allclose(each, [adapter.numpy(slope(loc, u)) for loc in locs], rtol=1e-5)


def test_shapes_expand_pickle(adapter):
    dist, key = adapter.dist, adapter.key(0)

    def drawn(d, shape=()):
        return adapter.shapes(lambda key: adapter.draw(d, key, shape), key).shape

    q = dist.Truncated(dist.Normal(adapter.array(np.zeros(3)), 1.0).to_event(1), adapter.array(np.zeros((2, 1))))
    assert q.batch_shape == (2, 3) and drawn(q, (4,)) == (4, 2, 3) and q.event_shape == () and q.has_rsample
    wide = q.expand((5, 2, 3))
    assert drawn(wide) == (5, 2, 3)
    assert adapter.shapes(wide.log_prob, adapter.array(1.0)).shape == (5, 2, 3)
    ones = adapter.array(np.ones((2, 3)))
    assert adapter.shapes(q.to_event(1).log_prob, ones).shape == (2,)
    again = pickle.loads(pickle.dumps(q))
    np.testing.assert_allclose(adapter.numpy(again.log_prob(ones)), adapter.numpy(q.log_prob(ones)))


def test_names(adapter):
    dist = adapter.dist
    unit = (adapter.array(0.0), 1.0)
    assert type(dist.TruncatedNormal(*unit, low=0.0)) is dist.LeftTruncatedDistribution
    assert type(dist.TruncatedNormal(*unit, high=0.0)) is dist.RightTruncatedDistribution
    assert type(dist.TruncatedCauchy(*unit, low=0.0, high=1.0)) is dist.TwoSidedTruncatedDistribution
    left = dist.LeftTruncatedDistribution(dist.Normal(*unit), 1.0)
    assert left.has_rsample
    x = adapter.numpy(adapter.detached_draw(left.expand((3,)), adapter.key(0)))
    assert x.shape == (3,) and (x >= 1.0).all()


def test_svi(adapter):
    """A truncated guide with learned bounds: the ELBO's gradient, against quadrature of the bound."""
    start, n = {"loc": 0.2, "scale": 0.7, "low": -0.5, "high": 1.5}, 1000

    def model():
        adapter.sample("x", adapter.host.Normal(adapter.array(0.0), 2.0).expand((n,)).to_event(1))

    def guide():
        p = {name: adapter.param(name, adapter.array(v)) for name, v in start.items()}
        q = adapter.dist.TruncatedNormal(p["loc"], p["scale"], low=p["low"], high=p["high"])
        adapter.sample("x", q.expand((n,)).to_event(1))

    params = {name: adapter.array(v) for name, v in start.items()}
    found = adapter.loss_and_slopes(model, guide, params, seeds=range(20))
    for name, exact in elbo_slopes(start).items():
        # float32: a slope of a sum over 1000 draws is right to 1e-5 or so
        assert_unbiased([-slopes[name] / n for _, slopes in found], -exact, 1e-4, name)


@pytest.mark.parametrize("i", range(10))
def test_refusals(adapter, i):
    message, make = list(refusals(adapter).items())[i]
    with adapter.validation_enabled(True), pytest.raises(ValueError, match=message):
        make()


def test_log_density_so_far_out_that_the_masses_are_lost_in_it(adapter):
    def density(loc):
        return adapter.dist.Truncated(adapter.dist.Normal(loc, 1.0), 0.0).log_prob(adapter.array(1e18))

    found = adapter.compile(adapter.value_and_slopes(density), adapter.array(0.0))
    np.testing.assert_allclose(list(map(adapter.numpy, found)), [-5e35, 1e18], rtol=1e-6)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_mixture_between_common_bounds(adapter, precision):
    """Logits, parameters and the bounds, which all components share: the mixture's distribution function by mpmath."""
    start = {"logits": [0.5, -0.25], "loc": [-0.5, 1.5], "scale": [1.0, 0.5], "low": -1.0, "high": 2.0}
    flat = [*start["logits"], *start["loc"], *start["scale"], start["low"], start["high"]]
    x = 0.75

    def cdf(x, *v):
        (w, v_), (low, high) = (v[:2], v[2:6]), v[6:]
        weights = [mp.exp(e) / (mp.exp(w[0]) + mp.exp(w[1])) for e in w]
        at = [[BY_NAME["Normal"].cdf_exactly(t, v_[k], v_[2 + k]) for t in (low, x, high)] for k in range(2)]
        return sum(p * (b - a) / (c - a) for p, (a, b, c) in zip(weights, at, strict=True))

    with mp.workdps(60):
        at = [mp.mpf(x), *map(mp.mpf, flat)]
        step = mp.mpf("1e-20")
        slopes = [
            (
                cdf(*(v + step * (i == j) for j, v in enumerate(at)))
                - cdf(*(v - step * (i == j) for j, v in enumerate(at)))
            )
            for i in range(len(at))
        ]
        expected = [float(-s / slopes[0]) for s in slopes[1:]]

    def moved(v):
        dist = adapter.dist
        parts = dist.TruncatedNormal(v["loc"], v["scale"], low=v["low"], high=v["high"])
        d = dist.MixtureSameFamily(dist.Categorical(logits=v["logits"]), parts)
        return d.at_fixed_quantile(adapter.array(x))

    with adapter.precision(precision):
        values = {name: adapter.array(v) for name, v in start.items()}
        _, found = adapter.compile(adapter.value_and_slopes(moved), values)
        found = np.concatenate([np.atleast_1d(adapter.numpy(found[name])) for name in start])
    np.testing.assert_allclose(found, expected, rtol={"float64": 1e-12, "float32": 2e-6}[precision])


def test_mixture_of_truncated_draws(adapter):
    dist = adapter.dist
    parts = dist.TruncatedNormal(adapter.array([-0.5, 1.5]), 0.5, low=-1.0, high=2.0)
    d = dist.MixtureSameFamily(dist.Categorical(logits=adapter.array([0.5, -0.25])), parts)
    x = adapter.numpy(adapter.detached_draw(d, adapter.key(0), (200,)))
    assert d.has_rsample and ((x >= -1.0) & (x <= 2.0)).all()


def test_mixture_of_batches_with_their_own_supports(adapter):
    """Each mixture of a batch has one support; from mixture to mixture it may differ."""
    dist, high = adapter.dist, adapter.array([[1.0, 1.0], [2.0, 2.0]])
    parts = dist.Truncated(dist.Normal(adapter.array([0.0, 1.0]), 1.0), 0.0 * high, high)
    d = dist.MixtureSameFamily(dist.Categorical(logits=adapter.array([[0.5, -0.25], [0.0, 0.0]])), parts)
    x = adapter.numpy(adapter.detached_draw(d, adapter.key(0), (100,)))
    assert d.has_rsample and x.shape == (100, 2) and (x <= [1.0, 2.0]).all() and (x[:, 1] > 1.0).any()
    assert np.isfinite(adapter.numpy(d.log_prob(adapter.array([0.5, 1.5])))).all()
