"""Censored distributions: log-probabilities and every derivative against mpmath, far tails included; shapes; twins."""

import math

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import compiled, over
from tests.families import BY_NAME

# name -> parameters, lower and upper bound: the bulk, and tails whose mass is nothing beside 1 in float32
ROWS = {
    "Gamma": ({"concentration": 2.0, "rate": 1.0}, 30.0, 120.0),
    "Normal": ({"loc": 0.5, "scale": 2.0}, -1.0, 2.0),
    "Normal, far below": ({"loc": 0.5, "scale": 2.0}, -30.0, -28.0),
    "StudentT": ({"df": 3.0, "loc": 0.5, "scale": 2.0}, 20.0, 90.0),
    "VonMises": ({"loc": 0.25, "concentration": 2.0}, -1.0, 2.0),
    "Beta": ({"concentration1": 2.5, "concentration0": 0.75}, 0.25, 0.875),
    "Weibull": ({"scale": 2.0, "concentration": 1.5}, 8.0, 16.0),
    "LogNormal": ({"loc": 0.5, "scale": 2.0}, 0.5, 3.0),
    "Pareto": ({"scale": 1.5, "alpha": 2.5}, 20.0, 90.0),
}
KINDS = {"left": (1, 0), "right": (0, 1), "between": (0, 0), "outside": (1, 1)}


def log_masses(name, params, low, high):
    """Of each kind the logarithm of the mass, as mpmath has it."""
    (below, beyond), (until, above) = (BY_NAME[name].masses(x, *params) for x in (low, high))
    between = until - below if below < beyond else beyond - above
    return {
        "left": mp.log(until),
        "right": mp.log(beyond),
        "between": mp.log(between),
        "outside": mp.log(below + above),
    }


def truth(name, params, low, high):
    """{kind: (log-mass, its derivatives by parameters, lower and upper bound)}"""
    with mp.workdps(150):
        at = [mp.mpf(v) for v in (*params.values(), low, high)]
        step = mp.mpf("1e-40")

        def shifted(i, by):
            moved = [v + by * (i == j) for j, v in enumerate(at)]
            return log_masses(name, moved[:-2], *moved[-2:])

        value, found = shifted(0, 0), {kind: [] for kind in KINDS}
        for i in range(len(at)):
            up, down = shifted(i, step), shifted(i, -step)
            for kind, slopes in found.items():
                slope = (up[kind] - down[kind]) / (2 * step)
                slopes.append(0.0 if abs(slope) < 1e-60 else float(slope))
        return {kind: (float(value[kind]), slopes) for kind, slopes in found.items()}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@over(
    {name: name for name in ROWS}, "row", slow=lambda adapter, row: compiled(adapter) and row not in ("Gamma", "Beta")
)
def test_values_and_slopes(adapter, row, precision):
    """Right of 30 a Gamma(2, 1) has e**-26.57 of its mass, which 1 - F has lost in float32; right of 120 in float64."""
    name = row.split(",")[0]
    params, low, high = ROWS[row]
    # relative to 1 or the value; a difference of the masses of an interval has lost a digit
    rtol = {"float32": 1e-5, "float64": 2e-12}[precision]

    def log_prob(v):
        base = getattr(adapter.dist, name)(**{key: v[key] for key in params})
        value = v["low"] * adapter.array([1.0, 0.0]) + v["high"] * adapter.array([0.0, 1.0])
        flags = adapter.array(list(KINDS.values())).T
        d = adapter.dist.IntervalCensoredDistribution(base, *flags)
        found = d.log_prob(value)
        one_sided = (adapter.dist.LeftCensoredDistribution, "high"), (adapter.dist.RightCensoredDistribution, "low")
        named = {kind: found[i] for i, kind in enumerate(KINDS)}
        return {**named, **{f"{cls.__name__}": cls(base, 1).log_prob(v[bound]) for cls, bound in one_sided}}

    expected = truth(name, params, low, high)
    expected |= {"LeftCensoredDistribution": expected["left"], "RightCensoredDistribution": expected["right"]}
    with adapter.precision(precision):
        values = {key: adapter.array(v) for key, v in {**params, "low": low, "high": high}.items()}
        both = adapter.value_and_slopes if adapter.eager else adapter.value_and_slopes_at_once
        found, slopes = adapter.compile(both(log_prob), values)
        for kind, (value, partials) in expected.items():
            np.testing.assert_allclose(adapter.numpy(found[kind]), value, rtol=rtol, atol=rtol, err_msg=kind)
            for key, partial in zip((*params, "low", "high"), partials, strict=True):
                mine = adapter.numpy(slopes[kind][key])
                np.testing.assert_allclose(mine, partial, rtol=rtol, atol=rtol, err_msg=f"{kind}, {key}")


def test_seen_values_have_the_density_and_others_no_part_in_it(adapter):
    """A value that is censored may lie where the density is 0 or has no derivative."""
    dist, flags = adapter.dist, adapter.array([0.0, 1.0, 1.0])
    x = adapter.array([1.5, 0.0, 2.0])

    def log_prob(params):
        base = dist.Gamma(params["concentration"], 1.0)
        d = dist.RightCensoredDistribution(base, flags, validate_args=False)
        return d.log_prob(x)[0] + d.log_prob(x)[1] + 0.0 * base.log_prob(x[0])

    value, slopes = adapter.value_and_slopes(log_prob)({"concentration": adapter.array(2.0)})
    np.testing.assert_allclose(adapter.numpy(value), math.log(1.5) - 1.5, rtol=1e-6)
    assert np.isfinite(adapter.numpy(slopes["concentration"]))
    point = dist.IntervalCensoredDistribution(dist.Gamma(adapter.array(2.0), 1.0), 0, 0)
    np.testing.assert_allclose(adapter.numpy(point.log_prob(adapter.array([1.5, 1.5]))), value, rtol=1e-6)


def test_bounds_beyond_the_support(adapter):
    dist, flags = adapter.dist, adapter.array([0.0, 0.0, 1.0])
    base = dist.Exponential(adapter.array(1.0))
    value = adapter.array([[-1.0, 2.0], [2.0, math.inf], [-1.0, math.inf]])
    d = dist.IntervalCensoredDistribution(base, flags, flags, validate_args=False)
    expected = [math.log(-math.expm1(-2.0)), -2.0, -math.inf]
    np.testing.assert_allclose(adapter.numpy(d.log_prob(value)), expected, rtol=1e-6)


# of a Gamma: what is reported, and the bounds that say the same
REPORTS = [
    ("left", (0.5, 0.5), (0.25, 0.5)),
    ("left", (math.nan, 0.5), (0.25, 0.5)),
    ("left", (-math.inf, 0.5), (0.25, 0.5)),
    ("right", (3.0, 3.0), (3.0, 5.0)),
    ("right", (3.0, math.nan), (3.0, 5.0)),
    ("right", (3.0, math.inf), (3.0, 5.0)),
]


@pytest.mark.parametrize("kind, given, same", REPORTS)
def test_the_end_that_says_nothing(adapter, kind, given, same):
    """Of a value that is censored on one side, in a batch with others: nothing of the other end reaches a gradient."""
    flags = (adapter.array([float(KINDS[kind][i]), 0.0, 1.0]) for i in range(2))
    left, right = flags
    left, right = (adapter.xp.where(f > 0.5, f == f, f != f) for f in (left, right))

    def total(params, value):
        base = adapter.dist.Gamma(params["concentration"], params["rate"])
        return adapter.dist.IntervalCensoredDistribution(base, left, right, validate_args=False).log_prob(value).sum()

    params = {"concentration": adapter.array(2.0), "rate": adapter.array(1.0)}
    # beside it an interval, and values seen to be outside of nothing
    found, wanted = (adapter.grad(total)(params, adapter.array([row, (1.0, 2.0), (1.0, 1.0)])) for row in (given, same))
    for name in params:
        assert math.isfinite(float(wanted[name])) and float(wanted[name]) != 0.0
        np.testing.assert_allclose(float(found[name]), float(wanted[name]), rtol=1e-6)


def test_shapes(adapter):
    dist = adapter.dist
    base = dist.Normal(adapter.array(np.zeros(3)), 1.0)
    d = dist.LeftCensoredDistribution(base, adapter.array([[0.0], [1.0]]))
    x = adapter.array(np.ones((2, 3)))
    assert d.batch_shape == (2, 3) and d.log_prob(x).shape == (2, 3)
    assert adapter.detached_draw(d, adapter.key(0), (4,)).shape == (4, 2, 3)
    assert d.to_event(1).log_prob(x).shape == (2,) and d.expand((5, 2, 3)).log_prob(x).shape == (5, 2, 3)
    again = adapter.rebuilt(d)
    np.testing.assert_array_equal(adapter.numpy(again.log_prob(x)), adapter.numpy(d.log_prob(x)))


def test_refusals(adapter):
    dist = adapter.dist
    with pytest.raises(
        ValueError, match=r"LeftCensoredDistribution: base_dist must be a distribution, got 1\.0 \(float\)"
    ):
        dist.LeftCensoredDistribution(1.0)
    with pytest.raises(ValueError, match="must be univariate, but Dirichlet has event shape"):
        dist.RightCensoredDistribution(dist.Dirichlet(adapter.array([1.0, 1.0])), 1)
    for wrong in (3.0, adapter.array([1.0, 0.5])):  # a bound where the indicator belongs
        with pytest.raises(ValueError, match="censored"):
            dist.LeftCensoredDistribution(dist.Normal(adapter.array([0.0, 0.0]), 1.0), wrong)
