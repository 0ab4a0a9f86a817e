"""ContinuousBernoulli: moments, quantiles and both orders of derivatives through probs = 1/2 and far from it."""

import functools

import numpy as np
import pytest
from mpmath import mp

from tests.checks import assert_distributed, assert_unbiased

# both sides of the points where series and closed forms meet, 1 and 2, and the ends
LOGITS = (0.0, 1e-9, -1e-3, 0.5, 0.999, -1.001, -1.99, 2.01, 30.0, -30.0, 88.0, -120.0, 1e3, -1e3)
LEVELS = (1e-6, 0.3, 0.6, 0.999)

# A few rounding errors of each function.  (A difference of two terms may lose three bits, at |logit| = 1 or 2.)  Pyro
# computes its float32 in float64; XLA's log1p loses 119 eps near -0.4.
ROUNDING = {"pyro": {"float64": 4e-15, "float32": 2e-6}, "numpyro": {"float64": 1e-13, "float32": 2e-5}}
precisions = pytest.mark.parametrize("precision", ["float64", "float32"])


def log_normalizer(eta):
    """log(expm1(eta) / eta) in mpmath."""
    return mp.log(mp.expm1(eta) / eta)


def at(eta):
    """eta for mpmath, whose formulas are 0 / 0 at 0: so small that the difference is below 1e-30."""
    return mp.mpf(float(eta)) if eta else mp.mpf(10) ** -30


def assert_close(adapter, found, truth, precision, scale=0.0):
    """Within ROUNDING of the truth or, where that is small, of `scale`."""
    truth = np.array([float(v) for v in truth])
    allowed = ROUNDING[adapter.name][precision] * np.maximum(np.abs(truth), scale) + np.finfo(precision).tiny
    error = np.abs(adapter.numpy(found) - truth)
    assert (error <= allowed).all(), (error / allowed).max()


def single(values, precision):
    return np.asarray(values, dtype=precision).astype(float)


def make(adapter, logits, **options):
    return adapter.dist.ContinuousBernoulli(logits=logits, **options)


@precisions
def test_moments(adapter, precision):
    """Mean, variance and their derivatives: A', A'', A''' of the log-normalizer A; entropy A - eta A'."""

    def moments(logits):
        d = make(adapter, logits)
        return {"mean": d.mean, "variance": d.variance, "entropy": d.entropy()}

    with adapter.precision(precision):
        logits = adapter.array(LOGITS)
        found, slopes = adapter.jit(adapter.value_and_slopes(moments))(logits)
        second = adapter.jit(adapter.second_slope(lambda logits: make(adapter, logits).mean))(logits)
    truth = {"mean": [], "variance": [], "third": [], "entropy": []}
    for eta in single(LOGITS, precision):
        with mp.workdps(150):
            e = at(eta)
            t, mean = mp.exp(-abs(e)), 1 / (1 - mp.exp(-e)) - 1 / e
            truth["mean"].append(mean)
            truth["variance"].append(1 / e**2 - t / (1 - t) ** 2)
            truth["third"].append(mp.sign(e) * t * (1 + t) / (1 - t) ** 3 - 2 / e**3)
            truth["entropy"].append(log_normalizer(e) - e * mean if eta else 0.0)
    for name, value in found.items():
        assert_close(adapter, value, truth[name], precision)
    assert_close(adapter, slopes["mean"], truth["variance"], precision)
    # the series of A''' ends a term earlier, in effect: its size is that of A''
    variance = np.array([float(v) for v in truth["variance"]])
    assert_close(adapter, second, truth["third"], precision, scale=variance)


@precisions
def test_quantiles(adapter, precision):
    """x, dx/d logit and d2x/d logit2 at fixed quantile."""
    logits, levels = (v.ravel() for v in np.meshgrid(single(LOGITS, precision), single(LEVELS, precision)))

    def draw(logits, u):
        return make(adapter, logits).icdf(u)

    with adapter.precision(precision):
        args = adapter.array(logits), adapter.array(levels)
        x, slope = adapter.jit(adapter.value_and_slopes(draw))(*args)
        second = adapter.jit(adapter.second_slope(draw))(*args)
    truth, firsts, seconds, far = [], [], [], []
    for eta, q in zip(logits, levels, strict=True):
        with mp.workdps(500):  # exp(1000) beside 1
            path = lambda t, q=q: mp.log1p(mp.mpf(q) * mp.expm1(t)) / t  # noqa: E731
            e, step = at(eta), mp.mpf(10) ** -100
            truth.append(path(e) if eta else mp.mpf(q))
            firsts.append((path(e + step) - path(e - step)) / (2 * step))
            seconds.append((path(e + step) - 2 * path(e) + path(e - step)) / step**2)
            # at the far end 1 - x, and the slope with it, is known to the spacing of x
            far.append(float(truth[-1] / min(truth[-1], 1 - truth[-1])))
    assert_close(adapter, x, truth, precision)
    spare = np.array(far) * [abs(float(v)) for v in firsts]
    assert_close(adapter, slope, firsts, precision, scale=spare)
    assert_close(adapter, second, seconds, precision, scale=spare + np.array(far) * [abs(float(v)) for v in seconds])


@precisions
def test_far_quantiles(adapter, precision):
    """Of masses so small that x is next to 0, though the mass lies next to 1: exp(logit) alone may overflow, and
    exp(-logit), to which masses of float32 compare, underflow."""
    levels = [1e-300, 1e-60, 1e-36] if precision == "float64" else [1e-36, 1e-37, 1.3e-38]
    logits = [79.0, 81.0, 88.5, 92.0, 100.0, 172.0, 300.0, 700.0]
    logits, levels = (v.ravel() for v in np.meshgrid(single(logits, precision), single(levels, precision)))
    with adapter.precision(precision):
        x = adapter.numpy(make(adapter, adapter.array(logits)).icdf(adapter.array(levels)))
    with mp.workdps(500):
        truth = [float(mp.log1p(mp.mpf(q) * mp.expm1(mp.mpf(t))) / t) for t, q in zip(logits, levels, strict=True)]
    np.testing.assert_allclose(x, truth, rtol=1e-13 if precision == "float64" else 4e-7, atol=1e-300)


@precisions
def test_density(adapter, precision):
    """log_prob and cdf against the closed forms, at exact points."""
    logits, x = (v.ravel() for v in np.meshgrid(single(LOGITS, precision), [0.0, 0.125, 0.5, 0.875, 1.0]))

    def evaluate(logits, x):
        d = make(adapter, logits, validate_args=False)
        return d.log_prob(x), d.cdf(x)

    with adapter.precision(precision):
        found = adapter.jit(evaluate)(adapter.array(logits), adapter.array(x))
    log_density, cdf = [], []
    for eta, value in zip(logits, x, strict=True):
        with mp.workdps(500):
            e = at(eta)
            log_density.append(e * value - log_normalizer(e))
            cdf.append(mp.expm1(e * value) / mp.expm1(e))
    assert_close(adapter, found[0], log_density, precision, scale=1.0)
    # exp(-t) has the relative error t eps
    assert_close(adapter, found[1], cdf, precision, scale=np.abs(logits) * [float(v) for v in cdf])


@precisions
def test_probs(adapter, precision):
    """The other parameter, also far below the eps at which Pyro clamps it."""
    probs = single([0.5, 0.4995, 1e-12, 1.0 - 2**-20], precision)
    mean = adapter.value_and_slopes(lambda p: adapter.dist.ContinuousBernoulli(p).mean)
    with adapter.precision(precision):
        found, slope = adapter.jit(mean)(adapter.array(probs))
    truth, firsts = [], []
    for p in probs:
        with mp.workdps(60):
            q = mp.mpf(p)
            e = mp.log(q / (1 - q))
            truth.append(1 / (1 - mp.exp(-e)) - 1 / e if e else mp.mpf(0.5))
            firsts.append((1 / e**2 - mp.exp(e) / mp.expm1(e) ** 2 if e else mp.mpf(1) / 12) / (q * (1 - q)))
    assert_close(adapter, found, truth, precision)
    assert_close(adapter, slope, firsts, precision)


@functools.cache
def draws(adapter):
    return adapter.jit(adapter.value_and_slopes(lambda p, key: adapter.draw(adapter.dist.ContinuousBernoulli(p), key)))


@pytest.mark.parametrize("p", [0.5, 0.02, 1.0 - 1e-6])
def test_draws_and_their_gradient(adapter, p):
    """They follow the distribution; d mean / d probs at 1/2 is 1/3, where Pyro's own draws have none at all."""
    n = 20_000
    x, slope = map(adapter.numpy, draws(adapter)(adapter.array(np.full(n, p)), adapter.key(0)))
    eta = np.log(single(p, "float32") / (1.0 - single(p, "float32")))
    assert_distributed(x, (lambda x: x) if p == 0.5 else (lambda x: np.expm1(eta * x) / np.expm1(eta)))
    if p == 0.5:
        assert_unbiased(slope, 1.0 / 3.0, 0.0)


def test_extremes_are_finite(adapter):
    """Logits of any size: draws in the support, with finite derivatives and density."""

    def observed(logits):
        d = make(adapter, logits)
        x = adapter.draw(d, adapter.key(0), (100,))
        return {"x": x, "mean": d.mean, "variance": d.variance, "entropy": d.entropy(), "log_prob": d.log_prob(x)}

    found, slopes = adapter.jit(adapter.value_and_slopes(observed))(adapter.array([-3e38, -1e10, 1e10, 3e38]))
    x = adapter.numpy(found["x"])
    assert (x >= 0.0).all() and (x <= 1.0).all()
    assert all(np.isfinite(adapter.numpy(v)).all() for v in (*found.values(), *slopes.values()))
    ends = adapter.dist.ContinuousBernoulli(adapter.array([0.0, 1.0]), validate_args=True)
    x = adapter.numpy(adapter.detached_draw(ends, adapter.key(0), (100,)))
    assert np.isfinite(x).all() and (x[:, 0] < 0.5).all() and (x[:, 1] > 0.5).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either probs or logits must be given"),
        ({"probs": 0.5, "logits": 0.0}, "either probs or logits must be given"),
        ({"probs": 1.5}, r"probs must lie in \[0, 1\]|probs has invalid values"),
        ({"logits": np.inf}, "logits must be finite|invalid logits parameter"),
    ],
)
def test_errors(adapter, options, message):
    with pytest.raises(ValueError, match=message):
        adapter.dist.ContinuousBernoulli(**{n: adapter.array(v) for n, v in options.items()}, validate_args=True)


@precisions
@pytest.mark.parametrize(("logits", "low", "high"), [(-3.0, 0.25, 0.2501), (40.0, 0.125, 0.75), (1e-4, 0.5, 1.0)])
def test_between_bounds(adapter, precision, logits, low, high):
    """Density and partial in the logit, of which tails would leave no digits in a narrow interval."""
    logits, low, high = (float(np.asarray(v, dtype=precision)) for v in (logits, low, high))

    def cdf(x, eta):
        return (mp.expm1(eta * x) - mp.expm1(eta * low)) / (mp.expm1(eta * high) - mp.expm1(eta * low))

    with adapter.precision(precision):
        eta = adapter.array([logits] * 5)

        def between(values):
            return adapter.dist.Truncated(make(adapter, values["logits"]), low=low, high=high)

        x = adapter.detached_draw(between({"logits": eta}), adapter.key(0), ())
        value = between({"logits": eta}).log_prob(x)
        slopes = adapter.irg.implicit_gradients(between({"logits": eta}), x)
    points = [mp.mpf(float(v)) for v in adapter.numpy(x)]
    density = [mp.diff(lambda y: cdf(y, mp.mpf(logits)), v) for v in points]
    assert_close(adapter, value, map(mp.log, density), precision, scale=1.0)
    moved = [-mp.diff(lambda e, v=v: cdf(v, e), mp.mpf(logits)) / p for v, p in zip(points, density, strict=True)]
    (slope,) = (v for name, v in slopes.items() if "logits" in name)
    assert_close(adapter, slope, moved, precision, scale=0.05 * (high - low) ** 2)
