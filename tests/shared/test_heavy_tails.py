"""Draws far out in a heavy tail, where they or their derivatives leave float32: what holds there, for all alike."""

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.adapters import compiled, over
from tests.checks import assert_unbiased
from tests.families import BY_NAME

DRAWS = 100

# at which 10 to 99 of a hundred draws or their slopes leave the range of float32
T = {"df": 0.01, "loc": 0.0, "scale": 1e8}
ROWS = {
    "StudentT": T,
    "StudentT, truncated": {**T, "low": 1.0},
    "StudentT, mixed": T,
    "HalfStudentT": {"df": 0.01, "scale": 1.0},
    "Pareto": {"scale": 1e-8, "alpha": 0.01},
    "GeneralizedPareto": {"loc": 0.0, "scale": 1e-8, "concentration": 100.0},
    "Levy": {"loc": 0.0, "scale": 1e36},
    "InverseGamma": {"concentration": 0.01, "rate": 1e-8},
    "LowerTruncatedPowerLaw": {"alpha": -1.01, "low": 1.0},
    "BetaPrime": {"concentration1": 1.0, "concentration0": 0.01},
    "Dagum": {"concentration": 1.0, "sharpness": 0.01, "scale": 1e8},
    "JohnsonSU": {"skewness": 0.0, "tailweight": 0.01, "loc": 0.0, "scale": 1e8},
    "GeneralizedExtremeValue": {"concentration": 100.0, "loc": 0.0, "scale": 1e8},
}
# In float32 arithmetic the terms of d x itself overflow, and infinity meets 0.
MADE_OF_STUDENTS = ("StudentT, truncated", "StudentT, mixed")
IN_THE_SUITE = ("StudentT", "JohnsonSU", "GeneralizedExtremeValue")


def made(adapter, row, params):
    dist, name = adapter.dist, row.split(",")[0]
    if row.endswith("truncated"):
        low = params.pop("low")
        return dist.Truncated(dist.StudentT(**params), low=low)
    if row.endswith("mixed"):
        both = {key: value[..., None] * adapter.array([1.0, 1.0]) for key, value in params.items()}
        return dist.MixtureSameFamily(dist.Categorical(logits=0.0 * both["loc"]), dist.StudentT(**both))
    return getattr(dist, name)(**params)


def slow(adapter, row):
    # the quantile of a truncated draw that leaves the range is looked for in a hundred steps
    return row.endswith("truncated") or (compiled(adapter) and row not in IN_THE_SUITE)


@over({row: row for row in ROWS}, "row", slow=slow)
def test_nothing_breaks(adapter, row):
    """The draw, its log-density and the gradient of its logarithm are finite, a gradient not asked for is 0, and
    that of the draw itself may be infinite, where it overflows, but not NaN."""
    xp = adapter.xp
    losses = {"log |x|": lambda x: xp.log(xp.abs(x)), "0": lambda x: xp.where(x == x, 0.0 * x, x), "x": lambda x: x}
    keys = list(ROWS[row])

    @adapter.jit
    def evaluate(params, key):
        x, slopes = adapter.chained(lambda params, key: adapter.draw(made(adapter, row, dict(params)), key), losses)(
            params, key
        )
        return x, slopes, made(adapter, row, dict(params)).log_prob(x)

    x, slopes, log_prob = evaluate(adapter.arrays(ROWS[row], (DRAWS,)), adapter.key(0))
    x, log_prob = adapter.numpy(x), adapter.numpy(log_prob)
    assert np.isfinite(x).all() and np.isfinite(log_prob).all() and np.abs(x).max() > 1e37
    for key in keys:
        assert np.isfinite(adapter.numpy(slopes["log |x|"][key])).all(), key
        assert (adapter.numpy(slopes["0"][key]) == 0.0).all(), key
        if adapter.eager or row not in MADE_OF_STUDENTS:
            assert not np.isnan(adapter.numpy(slopes["x"][key])).any(), key


FAR = {"df": (0.01, 0.3), "loc": (0.0, 5.0), "scale": (1e3, 0.01)}


@pytest.mark.parametrize("x", [1e17, -1e30, 2e36])
def test_slopes_of_a_mixture_far_out(adapter, x):
    """d log|x| at fixed quantile, where dx itself leaves the range of float32; against mpmath."""
    xp, at = adapter.xp, adapter.array(x)

    def logarithm(params, at):
        mixture = adapter.dist.MixtureSameFamily(
            adapter.dist.Categorical(logits=adapter.array([0.0, 1.0])), adapter.dist.StudentT(**params)
        )
        return xp.log(xp.abs(mixture.at_fixed_quantile(at)))

    params = {name: adapter.array(values) for name, values in FAR.items()}
    slopes = adapter.jit(adapter.grad(logarithm))(params, at)

    with mp.workdps(60):
        at, weights = mp.mpf(float(adapter.numpy(at))), [1 / (1 + mp.e), mp.e / (1 + mp.e)]

        def tail(k, *given):
            nu, loc, scale = given
            t = (at - loc) / scale
            return weights[k] * mp.betainc(nu / 2, 0.5, 0, nu / (nu + t * t), regularized=True) / 2

        rows = [[mp.mpf(float(np.float32(FAR[name][k]))) for name in FAR] for k in range(2)]
        density = mp.zero
        for k, (nu, loc, scale) in enumerate(rows):
            t = (at - loc) / scale
            log_p = mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2 - mp.log(scale)
            density += weights[k] * mp.exp(log_p - (nu + 1) / 2 * mp.log1p(t * t / nu))
        for i, name in enumerate(("df", "scale")):
            for k in range(2):
                row, j = rows[k], 2 * i
                moved = mp.diff(lambda v: tail(k, *row[:j], v, *row[j + 1 :]), row[j])  # noqa: B023
                np.testing.assert_allclose(
                    adapter.numpy(slopes[name])[k], float(moved / density / abs(at)), rtol=2e-5, err_msg=f"{name}, {k}"
                )


def test_masses_of_a_truncated_student_t_far_out(adapter):
    """Of a tail so slow that it does not end in the range of the dtype; against mpmath."""
    points = np.array(
        [[0.003, 1.0, 1e30], [0.01, 1e20, 1e35], [0.05, 0.0, 1e20], [0.05, 1e25, 1e27], [0.3, 1e30, 1e31]]
    )
    cdf = adapter.jit(lambda df, low, x: adapter.dist.Truncated(adapter.dist.StudentT(df, 0.0, 1.0), low=low).cdf(x))
    found = adapter.numpy(cdf(*map(adapter.array, points.T)))

    def upper(t, nu):
        return mp.betainc(nu / 2, 0.5, 0, nu / (nu + t * t), regularized=True)

    with mp.workdps(30):
        rows = [[mp.mpf(float(np.float32(value))) for value in row] for row in points]
        truth = [float(1 - upper(x, df) / upper(low, df)) for df, low, x in rows]
    np.testing.assert_allclose(found, truth, rtol=1e-5)


def test_log_uniform_over_the_whole_range(adapter):
    """d E[log x] / d log low = 1/2, though x / low is out of float32's range for a third of the draws."""
    log_low = adapter.array(np.full(10_000, -69.0))

    def logarithm(log_low, key):
        fn = adapter.dist.LogUniform(adapter.xp.exp(log_low), 1e30, validate_args=False)
        return adapter.xp.log(adapter.draw(fn, key))

    slopes = adapter.jit(adapter.value_and_slopes(logarithm))(log_low, adapter.key(0))[1]
    assert_unbiased(adapter.numpy(slopes), 0.5, 1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.0, None), (0.1, None), (None, -0.1), (0.1, np.inf), (-np.inf, -0.1)])
def test_mixtures_open_on_one_side(adapter, low, high):
    """A search that began so far out that its steps round to nothing stayed there."""
    dist, q = adapter.dist, np.array([0.25, 0.5])
    weights, loc = np.array([0.4, 0.6]), np.array([0.0, 2.0])
    mixed = dist.MixtureSameFamily(
        adapter.host.Categorical(adapter.array(weights)), dist.Normal(adapter.array(loc), adapter.array(1.0))
    )

    def cdf(x):
        return (weights * stats.norm.cdf(np.asarray(x)[..., None], loc)).sum(-1)

    below, until = (0.0 if low is None else cdf(low)), (1.0 if high is None else cdf(high))
    x = adapter.numpy(dist.Truncated(mixed, low=low, high=high).icdf(adapter.array(q)))
    np.testing.assert_allclose((cdf(x) - below) / (until - below), q, rtol=2e-6)


def test_an_infinite_bound_is_none(adapter):
    rice, q = adapter.dist.Rice(adapter.array(1.0), adapter.array(1.0)), adapter.array([0.25, 0.5])
    found, expected = (adapter.dist.Truncated(rice, low=0.1, high=high).icdf(q) for high in (np.inf, None))
    np.testing.assert_allclose(adapter.numpy(found), adapter.numpy(expected), rtol=1e-6)


def johnson_su_quantile(mass, skewness, tailweight, loc, scale):
    return loc + scale * mp.sinh((mp.sqrt(2) * mp.erfinv(2 * mass - 1) - skewness) / tailweight)


def generalized_pareto_quantile(mass, concentration, loc, scale):
    return loc + scale * ((1 - mass) ** -concentration - 1) / concentration


# a class, its parameters, the lower bound, and its quantile: a tenth of the mass lies beyond the range of float32
TRUNCATED = {
    "JohnsonSU": (
        {"skewness": 0.125, "tailweight": 0.02, "loc": 0.5, "scale": 2.0},
        1.0,
        johnson_su_quantile,
    ),
    "GeneralizedPareto": ({"concentration": 50.0, "loc": 0.0, "scale": 1.0}, 0.125, generalized_pareto_quantile),
}


@over({name: name for name in TRUNCATED}, "name")
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_truncated_draws_count_the_mass_beyond_the_range(adapter, name, precision):
    """Place and relative derivatives of x, by the base's quantile in closed form: in Pyro's float32 draws were those
    of a distribution that ends where float32 does."""
    given, low, quantile = TRUNCATED[name]
    u = (0.1, 0.5, 0.8)
    with adapter.precision(precision):
        arrays = adapter.arrays({**given, "bound": low})

        def draw(p):
            base = getattr(adapter.dist, name)(**{key: p[key] for key in given})
            x = adapter.xp.log(adapter.irg.from_uniform(adapter.dist.Truncated(base, p["bound"]), adapter.array(u)))
            return {str(level): x[k] for k, level in enumerate(u)}

        found, slopes = adapter.compile(adapter.value_and_slopes(draw), arrays)
        at = [mp.mpf(float(adapter.numpy(v))) for v in arrays.values()]
        levels = adapter.numpy(adapter.array(u)).astype(np.float64)
    with mp.workdps(40):

        def exact(level, *args):
            *params, bound = args
            below = BY_NAME[name].masses(bound, *params)[0]
            return mp.log(quantile(below + (1 - below) * mp.mpf(level), *params))

        # derivatives in loc and scale arise where y is about 1, of a range of hundreds, which the rule's nodes are for
        rtol = 1e-5 if precision == "float32" else 1e-8
        for key, level in zip(found, levels, strict=True):
            np.testing.assert_allclose(adapter.numpy(found[key]), float(exact(level, *at)), rtol=rtol)
            for k, parameter in enumerate(arrays):
                if parameter in ("loc", "scale") and precision == "float32" and not adapter.eager:
                    continue  # ten nodes do not resolve it: that in the scale is 2.5 % off at u = 0.5
                step = mp.mpf("1e-15")
                up, down = ([v + sign * step * (i == k) for i, v in enumerate(at)] for sign in (1, -1))
                slope = float((exact(level, *up) - exact(level, *down)) / (2 * step))
                np.testing.assert_allclose(
                    adapter.numpy(slopes[key][parameter]), slope, rtol=10.0 * rtol, atol=rtol, err_msg=parameter
                )
