"""Truncated distributions at, next to and far from the ends of their bases: masses by mpmath and by closed forms."""

import math

import numpy as np
import pytest
from mpmath import mp
from scipy import optimize, stats

from irg_kernels.numerics.charts import logistic_rise
from tests.families import BY_NAME

FAR = {
    # (parameters, bounds, values): the density rises without bound towards an end, or hardly falls for hundreds of
    # e-folds; the masses beyond such values were infinite, or no numbers
    "Kumaraswamy": ({"concentration1": 2.5, "concentration0": 0.7}, {"low": 0.1}, (0.2, 0.7, 1.0 - 2.0**-20)),
    "Kumaraswamy of tiny values": ({"concentration1": 0.1, "concentration0": 20.0}, {"high": 0.5}, (1e-30, 1e-12)),
    "LogGamma": ({"concentration": 0.001, "rate": 1.0}, {"high": 0.0}, (-6900.0, -1200.0, -100.0, -0.5)),
    "GeneralizedGamma": (
        {"concentration": 0.01, "scale": 1.0, "power": 20.0},
        {"high": 1.0},
        (9.72e-16, 2.0**-10, 0.75),
    ),
    "SkewLogistic": (
        {"asymmetry": 0.1, "loc": 0.0, "scale": 1.0},
        {"high": 0.0},
        (-90.0, -75.0, -20.0, -0.5),
    ),
    "SkewLogistic in float64": ({"asymmetry": 0.02, "loc": 0.0, "scale": 1.0}, {"high": 0.0}, (-800.0, -400.0)),
    "HalfStudentT": ({"df": 0.05, "scale": 1.0}, {"low": 1.0}, (2.0, 1e20, 1e36)),
    "InverseGamma": ({"concentration": 0.01, "rate": 0.001}, {"low": 1.0}, (2.0, 1e20, 1e36)),
    "JohnsonSU": (
        {"skewness": 0.5, "tailweight": 0.01, "loc": 0.5, "scale": 2.0},
        {"low": 0.0},
        (0.5, 1e20, 1e30, 1e36),
    ),
    "JohnsonSU in float64": (
        {"skewness": 4.0, "tailweight": 0.002, "loc": 0.0, "scale": 1.0},
        {"high": -1.0},
        (-1e300, -1e100, -2.0),
    ),
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("case", FAR)
def test_masses_of_far_ends(adapter, case, precision):
    if not adapter.eager and (case not in ("Kumaraswamy", "LogGamma", "SkewLogistic") or precision == "float64"):
        pytest.skip("the kernels' arithmetic, which is NumPyro's too; a compilation each")
    if precision == "float32" and "float64" in case:
        pytest.skip("a number of 800 has a rounding of 6e-5, beside a bend 1 wide")
    params, bounds, values = FAR[case]
    row = BY_NAME[case.split()[0]]
    with adapter.precision(precision):
        arrays = {name: adapter.array(v) for name, v in {**params, **bounds}.items()}
        x = adapter.array(values)

        def both(arrays):
            base = getattr(adapter.dist, row.name)(**{name: arrays[name] for name in params})
            q = adapter.dist.Truncated(base, arrays.get("low"), arrays.get("high"), validate_args=False)
            return {"log_prob": q.log_prob(x), "cdf": q.cdf(x)}

        found = {name: adapter.numpy(v) for name, v in adapter.compile(both, arrays).items()}
        rounded = {name: mp.mpf(float(adapter.numpy(v))) for name, v in arrays.items()}
        x = [mp.mpf(float(v)) for v in adapter.numpy(x)]
    with mp.workdps(150):
        of_base = [rounded[name] for name in params]

        def mass(at):
            return row.masses(at, *of_base)[0]

        least = mass(rounded["low"]) if "low" in bounds else mp.zero
        whole = (mass(rounded["high"]) if "high" in bounds else mp.one) - least
        shares = [float((mass(v) - least) / whole) for v in x]
        log_p = [float(row.log_density(v, *of_base) - mp.log(whole)) for v in x]
    # the rule resolves the bend of a SkewLogistic, 1 wide in a tail 50 wide, to some 1e-6
    tolerance = 1e-5 if precision == "float32" or row.name == "SkewLogistic" else 1e-9
    np.testing.assert_allclose(found["cdf"], shares, rtol=tolerance)
    np.testing.assert_allclose(found["log_prob"], log_p, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("low", [0.0, 1e-30, 1e-6])
def test_folded_next_to_0(adapter, low):
    """Its derivatives were NaN where F(low) and F(-low) are one number; |x| of a normal number of mean 0 is a
    HalfNormal."""
    if not adapter.eager and low != 1e-30:
        pytest.skip("a compilation each")
    u = adapter.array([0.25, 0.9])

    def moved(p):
        folded = adapter.dist.FoldedDistribution(adapter.dist.Normal(0.0 * p["scale"], p["scale"]))
        x = adapter.irg.from_uniform(adapter.dist.Truncated(folded, p["low"], 2.0, validate_args=False), u)
        return {"x": x, "first": x[0], "second": x[1]}

    found, slopes = adapter.compile(
        adapter.value_and_slopes(moved), {"scale": adapter.array(1.5), "low": adapter.array(low)}
    )
    until = stats.halfnorm.cdf(2.0 / 1.5)
    x = stats.halfnorm.ppf(np.array([0.25, 0.9]) * until) * 1.5
    np.testing.assert_allclose(adapter.numpy(found["x"]), x, rtol=2e-6, atol=1e-6)
    for each, at, share in zip(("first", "second"), x, (0.25, 0.9), strict=True):
        # that of a HalfNormal up to 2, of which F(x) = share F(2) at every scale
        by_scale = at / 1.5 - share * 2.0 / 1.5 * stats.norm.pdf(2.0 / 1.5) / stats.norm.pdf(at / 1.5)
        np.testing.assert_allclose(adapter.numpy(slopes[each]["scale"]), by_scale, rtol=1e-5)
        if low:  # at the very end no density is known, and it is 0
            by_low = (1.0 - share) * stats.norm.pdf(0.0) / stats.norm.pdf(at / 1.5)
            np.testing.assert_allclose(adapter.numpy(slopes[each]["low"]), by_low, rtol=1e-5)


def test_transformed_at_its_end(adapter):
    """The logarithm of a bound at 0 is infinite, and its derivative was NaN in every parameter."""

    def moved(loc, low=None):
        base = adapter.dist.StudentT(4.0, loc, 0.5)
        base = adapter.dist.TransformedDistribution(base, [adapter.transforms.ExpTransform()])
        d = base if low is None else adapter.dist.Truncated(base, low, validate_args=False)
        return adapter.irg.from_uniform(d, adapter.array(0.3))

    def both(loc):
        return {"truncated": moved(loc, adapter.array(0.0)), "base": moved(loc)}

    found, slopes = adapter.compile(adapter.value_and_slopes(both), adapter.array(0.7))
    for of in (found, slopes):
        np.testing.assert_allclose(adapter.numpy(of["truncated"]), adapter.numpy(of["base"]), rtol=2e-6)


def test_mixtures_ends_are_those_of_their_components(adapter):
    dist, array = adapter.dist, adapter.array
    weights = adapter.host.Categorical(array([0.4, 0.6]))
    gammas = dist.MixtureSameFamily(weights, dist.Gamma(array([2.0, 5.0]), array(1.0)))
    with adapter.validation_enabled(True):
        with pytest.raises(ValueError, match="low must lie in the support of its base MixtureSameFamily, from 0"):
            dist.Truncated(gammas, -3.0, -1.0)
        parts = dist.TruncatedNormal(array([-1.0, 2.0]), array(1.0), low=array([-0.5]), high=array([3.0]))
        with pytest.raises(ValueError, match=r"high must lie in the support .* from -0\.5 to 3\.0"):
            dist.Truncated(dist.MixtureSameFamily(weights, parts), 0.0, 4.0)


@pytest.mark.parametrize("name", ["Pareto", "LogUniform"])
def test_bound_outside_of_one_component(adapter, name):
    """There its log-tail is -inf, of which the derivatives in its own end were NaN."""
    ends, weights, low, q = np.array([1.0, 2.0]), np.array([0.4, 0.6]), 1.5, 0.5
    cdfs = {
        "Pareto": lambda x, s: np.where(x > s, 1.0 - (s / x) ** 3, 0.0),
        "LogUniform": lambda x, s: np.clip(np.log(x / s) / np.log(9.0 / s), 0.0, 1.0),
    }
    others = {"Pareto": {"alpha": 3.0}, "LogUniform": {"high": 9.0}}[name]
    first = {"Pareto": "scale", "LogUniform": "low"}[name]

    def moved(p):
        arrays = {key: adapter.array([v, v]) for key, v in others.items()}
        parts = getattr(adapter.dist, name)(**{first: p["ends"]}, **arrays)
        mixed = adapter.dist.MixtureSameFamily(adapter.host.Categorical(adapter.array(weights)), parts)
        return adapter.irg.from_uniform(adapter.dist.Truncated(mixed, p["low"], 4.0), adapter.array(q))

    given = {"ends": adapter.array(ends), "low": adapter.array(low)}
    x, slopes = adapter.compile(adapter.value_and_slopes(moved), given)

    def quantile(ends, low):
        mixed = lambda x: float((weights * cdfs[name](x, ends)).sum())  # noqa: E731
        level = mixed(low) + q * (mixed(4.0) - mixed(low))
        return optimize.brentq(lambda x: mixed(x) - level, low, 4.0, xtol=1e-14, rtol=1e-14)

    def slope(by_ends, by_low, h=1e-5):
        return (quantile(ends + h * by_ends, low + h * by_low) - quantile(ends - h * by_ends, low - h * by_low)) / 2 / h

    np.testing.assert_allclose(adapter.numpy(x), quantile(ends, low), rtol=1e-6)
    np.testing.assert_allclose(adapter.numpy(slopes["ends"]), [slope(e, 0.0) for e in np.eye(2)], rtol=2e-5)
    np.testing.assert_allclose(adapter.numpy(slopes["low"]), slope(np.zeros(2), 1.0), rtol=2e-5)


def test_mixture_with_a_gap(adapter):
    """Where the density is 0 between components the masses were NaN, and all quantiles beyond the gap its beginning."""
    host, weights = adapter.host, adapter.host.Categorical(adapter.array([0.4, 0.6]))
    if adapter.eager:
        mixed = host.MixtureSameFamily(weights, host.Uniform(adapter.array([0.0, 2.0]), adapter.array([1.0, 3.0])))
    else:  # of components whose ends differ NumPyro has this alone
        parts = [host.Uniform(0.0, 1.0), host.Uniform(2.0, 3.0)]
        mixed = host.MixtureGeneral(weights, parts, support=host.constraints.interval(0.0, 3.0))
    for low, high in ((0.5, 2.5), (0.25, None), (None, 2.75)):
        q = adapter.dist.Truncated(mixed, low, high, validate_args=False)
        first, second = 0.4 * (1.0 - (low or 0.0)), 0.6 * ((high or 3.0) - 2.0)
        share = first / (first + second)
        levels = np.array([0.1 * share, 0.9 * share, 0.9 * share + 0.1, 0.95])
        x = (low or 0.0) + levels * (first + second) / 0.4
        x = np.where(levels > share, 2.0 + (levels - share) * (first + second) / 0.6, x)
        np.testing.assert_allclose(adapter.numpy(q.icdf(adapter.array(levels))), x, rtol=2e-6)
        np.testing.assert_allclose(adapter.numpy(q.cdf(adapter.array([1.25, 1.5, 1.75]))), share, rtol=1e-6)
        assert adapter.numpy(q.log_prob(adapter.array(1.5))) == -math.inf


def test_next_to_a_bound_of_a_mixture_of_truncated(adapter):
    """A difference of tails is 0 next to a bound: a search that came there stayed, for every quantile."""
    dist, array, q = adapter.dist, adapter.array, np.array([0.05, 0.25, 0.9])
    loc, weights = np.array([-1.0, 2.0]), np.array([0.4, 0.6])
    parts = dist.TruncatedNormal(array(loc), array(1.0), low=array([-0.5]), high=array([3.0]))
    mixed = dist.MixtureSameFamily(adapter.host.Categorical(array(weights)), parts)
    x = adapter.numpy(dist.Truncated(mixed, array(1e-30), array(1.0), validate_args=False).icdf(array(q)))

    def cdf(x):
        below, until = stats.norm.cdf(-0.5, loc), stats.norm.cdf(3.0, loc)
        return (weights * (stats.norm.cdf(np.asarray(x)[..., None], loc) - below) / (until - below)).sum(-1)

    np.testing.assert_allclose((cdf(x) - cdf(0.0)) / (cdf(1.0) - cdf(0.0)), q, rtol=1e-5)


@pytest.mark.parametrize("name", ["Rice", "SoftAsymmetricLaplace", "ExponentiallyModifiedGaussian"])
def test_at_infinity(adapter, name):
    """The masses there were NaN of a Rice, and of a SoftAsymmetricLaplace the weight of one side."""
    d = getattr(adapter.dist, name)(**adapter.arrays(BY_NAME[name].points[0]), validate_args=False)
    infinity = adapter.array(math.inf)
    assert adapter.numpy(d.cdf(infinity)) == 1.0 and adapter.numpy(d.log_prob(infinity)) < -1e36
    if name != "Rice":
        assert adapter.numpy(d.cdf(-infinity)) == 0.0


@pytest.mark.parametrize("x", [1e19, 1e25, 1e34])
def test_scores_of_soft_laplace_far_out(adapter, x):
    """log p = -k y + k**2 s**2 / 2 + a constant there; float32's squares overflow."""
    d = BY_NAME["SoftAsymmetricLaplace"].points[0]

    def density(p):
        return adapter.dist.SoftAsymmetricLaplace(**p).log_prob(adapter.array(x))

    slopes = adapter.compile(adapter.slopes(density), {name: adapter.array(v) for name, v in d.items()})
    k, s, scale = d["asymmetry"], d["softness"], d["scale"]
    expected = {"softness": k * k * s, "loc": k / scale, "scale": k * x / scale**2, "asymmetry": -x / scale}
    for name, slope in expected.items():
        np.testing.assert_allclose(adapter.numpy(slopes[name]), slope, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["high", "low"])
def test_triangle_with_its_peak_at_an_end(adapter, sign):
    """x**2 = a**2 + u (end - a**2), of a peak at an end of 1 that moves outwards alone."""
    a, u = 0.75, 0.3
    x = math.sqrt(a * a + u * (1.0 - a * a))
    names = ("low", "high", "peak") if sign > 0.0 else ("high", "low", "peak")
    values = dict(zip(names, (adapter.array(v) for v in (0.0, sign, sign)), strict=True))
    bound = {"low" if sign > 0.0 else "high": sign * a, "high" if sign > 0.0 else "low": sign * math.inf}

    def moved(values):
        d = adapter.dist.Truncated(adapter.dist.Triangular(**values), **bound, validate_args=False)
        return d.at_fixed_quantile(adapter.array(sign * x))

    slopes = adapter.compile(adapter.slopes(moved), values)
    for name in names[1:]:
        np.testing.assert_allclose(adapter.numpy(slopes[name]), u / (2.0 * x), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["Gompertz", "Weibull"])
def test_draws_that_round_to_a_bound(adapter, name):
    """Where nearly all mass is next to a bound, quantiles at the other end of [0, 1] round to it: the search went on to
    the other bound, or to no number."""
    d = adapter.dist
    far = {
        "Gompertz": lambda: d.Truncated(d.Gompertz(adapter.array(0.5), 2.0), low=2.3075602),
        "Weibull": lambda: d.Truncated(d.Weibull(adapter.array(1.0), 50.0), 4.54e-5, 0.36787945),
    }[name]()
    u = np.array([1e-6, 0.3, 1.0 - 2.0**-20])
    x = adapter.numpy(far.icdf(adapter.array(u)))
    expected = {
        "Gompertz": 0.5 * np.log(np.exp(2.0 * 2.3075602) - 2.0 * np.log1p(-u)),  # log(1 - F) = -(exp(2 x) - 1) / 2
        "Weibull": 0.36787945 * u ** (1.0 / 50.0),  # F = x**50, where it is so small
    }[name]
    np.testing.assert_allclose(x, expected, rtol=1e-6)


@pytest.mark.parametrize("v", [-2.5, -0.3, -1e-3, 1e-3, 0.3, 2.5])
@pytest.mark.parametrize("at", ["low", "high"])
def test_rise_of_unequal_powers(adapter, at, v):
    """a v - (a + b) log(q + p e**v) of a small a and a large b about their mode: rounding 1 - p left b of it."""
    a, b = 2.0, 2.0**20
    p = float(np.float32(a / b))
    if at == "high":
        p, v = -p, -v
    with mp.workdps(40):
        size, step = mp.mpf(abs(p)), mp.mpf(float(np.float32(abs(v)))) * (1 if v * p > 0 else -1)
        expected = float(a * step - (a + b) * mp.log1p(size * mp.expm1(step)))
    powers, shares = ((a, b), (abs(p), 1.0 - abs(p))) if p > 0.0 else ((b, a), (1.0 - abs(p), abs(p)))
    found = logistic_rise(adapter.NATIVE, *map(adapter.array, (*powers, *shares, v)))
    np.testing.assert_allclose(adapter.numpy(found), expected, rtol=2e-6, atol=2e-6)


def test_quantile_beyond_the_range_of_the_dtype(adapter):
    """It is held at the smallest number, where the quantile is another: both Newton steps led from there to NaN."""
    d = adapter.dist

    def drawn(values):
        parts = d.Weibull(adapter.array([1.0, 1.0]) * values["scale"], 0.1)
        mixture = d.MixtureSameFamily(d.Categorical(logits=adapter.array([0.0, 0.0])), parts)
        log_x = adapter.xp.log(d.Truncated(mixture, high=1.0).icdf(adapter.array([1e-5, 1e-3])))
        return {"held": log_x[0], "inside": log_x[1]}

    log_x, slopes = adapter.compile(adapter.value_and_slopes(drawn), {"scale": adapter.array(1.0)})
    assert adapter.numpy(log_x["held"]) == np.float32(np.log(np.finfo(np.float32).tiny))
    assert np.isfinite(adapter.numpy(slopes["held"]["scale"]))
    # log x = log scale + 10 log w, 1 - exp(-w) = u (1 - exp(-scale**-.1))
    u = 1e-3
    w = -np.log1p(u * np.expm1(-1.0))
    np.testing.assert_allclose(adapter.numpy(log_x["inside"]), 10.0 * np.log(w), rtol=1e-6)
    slope = 1.0 - u * np.exp(-1.0) / (np.exp(-w) * w)
    np.testing.assert_allclose(adapter.numpy(slopes["inside"]["scale"]), slope, rtol=1e-5)
