"""RelaxedBernoulli and RelaxedOneHotCategorical: gradients at cold temperatures, densities, shapes, errors."""

import functools

import numpy as np
import pytest
from mpmath import mp
from scipy import integrate, special

from tests.multivariate import assert_unbiased, assert_well_behaved, shape

N = 5000
TEMPERATURES, LOGITS = (0.02, 0.7, 3.0), (0.4, -1.0, 0.1)


def bernoulli(adapter, temperature, logits):
    name = "RelaxedBernoulli" if adapter.eager else "RelaxedBernoulliLogits"
    make = getattr(adapter.dist, name)
    return make(temperature=temperature, logits=logits, validate_args=False)


def one_hot(adapter, temperature, logits):
    return adapter.dist.RelaxedOneHotCategorical(temperature, logits=logits, validate_args=False)


@functools.cache
def observed(adapter):
    def parts(params, key):
        x = adapter.draw(bernoulli(adapter, params["temperature"], params["logits"][..., 0]), key)
        s = adapter.draw(one_hot(adapter, params["temperature"], params["logits"]), key)
        log = adapter.xp.log
        logit, ratio = log(x) - adapter.xp.log1p(-x), log(s[..., 1]) - log(s[..., 0])
        return {"x": x, "s": s, "logit": logit, "ratio": ratio, "first": s[..., 0]}

    return adapter.jit(adapter.value_and_slopes(parts))


def mean(temperature, logit):
    """E[x] of a relaxed Bernoulli variable."""

    def integrand(e):
        return special.expit((logit + e) / temperature) * special.expit(e) * special.expit(-e)

    return integrate.quad(integrand, -60.0, 60.0, epsabs=1e-12, limit=500, points=[-logit])[0]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, precision):
    """The hosts have none in the draws that round to 0 or 1, two in five at a temperature of 0.02 in float32."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    with adapter.precision(precision):
        params = adapter.arrays({"temperature": TEMPERATURES, "logits": (LOGITS,) * 3}, (N,))
        found, slopes = observed(adapter)(params, adapter.key(0))
    x, s = adapter.numpy(found["x"]), adapter.numpy(found["s"])
    assert adapter.dtype_of(found["x"]) == precision == adapter.dtype_of(found["s"])
    assert (x > 0.0).all() and (x < 1.0).all() and (s > 0.0).all() and (np.abs(s.sum(-1) - 1.0) < 1e-6).all()
    (a, b, _), h = LOGITS, 1e-4
    for i, t in enumerate(np.asarray(TEMPERATURES, precision).astype(float)):
        assert_unbiased(adapter.numpy(slopes["logit"]["temperature"])[:, i], -a / t**2, 1e-5, t)
        assert_unbiased(adapter.numpy(slopes["ratio"]["temperature"])[:, i], -(b - a) / t**2, 1e-5, t)
        exact = {"logit": (1.0 / t, 0.0), "ratio": (-1.0 / t, 1.0 / t)}
        for name, truth in exact.items():
            each = adapter.numpy(slopes[name]["logits"])[:, i, :2]
            np.testing.assert_allclose(each, np.broadcast_to(truth, each.shape), rtol=2e-4, atol=2e-4 / t)
        if t < 0.1:
            continue
        truth = (mean(t, a + h) - mean(t, a - h)) / (2.0 * h), (mean(t + h, a) - mean(t - h, a)) / (2.0 * h)
        assert_unbiased(adapter.numpy(slopes["x"]["logits"])[:, i, 0], truth[0], 1e-5, t)
        assert_unbiased(adapter.numpy(slopes["x"]["temperature"])[:, i], truth[1], 1e-5, t)
        # a shift of all logits changes nothing, and the three together sum to 1
        total = adapter.numpy(slopes["first"]["logits"])[:, i]
        np.testing.assert_allclose(total.sum(-1), 0.0, atol=1e-5)


def exact_log_prob(temperature, logits, x):
    """Maddison, Mnih, Teh 2017, eq. 10."""
    weights = [mp.exp(l - (temperature + 1) * mp.log(v)) for l, v in zip(logits, x, strict=True)]
    sums = mp.fsum(mp.exp(l - temperature * mp.log(v)) for l, v in zip(logits, x, strict=True))
    return mp.loggamma(len(x)) + (len(x) - 1) * mp.log(temperature) + mp.log(mp.fprod(weights)) - len(x) * mp.log(sums)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-13), ("float32", 2e-6)])
def test_density(adapter, precision, tolerance):
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    temperature = np.array([0.05, 0.5, 2.0]).astype(precision).astype(float)
    x = np.array([[0.2, 0.5, 0.3], [1e-9, 0.25, 0.75], [0.01, 0.98, 0.01]]).astype(precision).astype(float)
    logits = np.log([0.5, 0.2, 0.3])
    with adapter.precision(precision):
        args = [adapter.array(v) for v in (temperature, logits, x, logits[0])]

        @adapter.jit
        def parts(t, logits, x, logit):
            one = bernoulli(adapter, t, logit)
            y = x[..., 1]
            return one_hot(adapter, t, logits).log_prob(x), one.log_prob(y), one.cdf(y), one.icdf(one.cdf(y))

        log_p, log_q, cdf, back = map(adapter.numpy, parts(*args))
    single = logits.astype(precision).astype(float)
    for i, t in enumerate(temperature):
        truth = exact_log_prob(mp.mpf(t), list(map(mp.mpf, single)), list(map(mp.mpf, x[i])))
        assert abs(log_p[i] - truth) <= 10.0 * tolerance * max(1, abs(truth))  # logits are normalised, values are not
        y = x[i, 1]
        e = t * (np.log(y) - np.log1p(-y)) - single[0]
        truth = np.log(t) + special.log_expit(e) + special.log_expit(-e) - np.log(y) - np.log1p(-y)
        assert abs(log_q[i] - truth) <= 4.0 * tolerance * max(1.0, abs(truth))
        np.testing.assert_allclose(cdf[i], special.expit(e), rtol=10.0 * tolerance)
        np.testing.assert_allclose(back[i], y, rtol=1e-4 if precision == "float32" else 1e-10)


def test_probabilities(adapter):
    array = adapter.array
    d = adapter.dist.RelaxedBernoulli(0.5, probs=array([0.25, 0.5]))
    np.testing.assert_allclose(adapter.numpy(d.logits), [-np.log(3.0), 0.0], rtol=1e-6, atol=1e-6)
    d = adapter.dist.RelaxedOneHotCategorical(0.5, probs=array([1.0, 3.0]))
    np.testing.assert_allclose(adapter.numpy(d.probs), [0.25, 0.75], rtol=1e-6)


def test_shapes_and_copies(adapter):
    array = adapter.array
    logits = array(LOGITS)
    assert_well_behaved(adapter, bernoulli(adapter, 0.5, array([0.5, 2.0])))
    assert_well_behaved(adapter, one_hot(adapter, array([0.5, 2.0]), logits))
    rows = adapter.vmap(lambda t: adapter.draw(one_hot(adapter, t, logits), adapter.key(0)))
    assert adapter.shapes(rows, array([0.5, 1.0])).shape == (2, 3)
    theirs = [adapter.host.RelaxedBernoulli(array(0.5), logits=logits)]
    if adapter.eager:
        theirs.append(adapter.host.RelaxedOneHotCategorical(array(0.5), logits=logits))
    for fn in theirs:
        twin = adapter.irg.implicit_twin(fn)
        assert type(twin).__module__.startswith(adapter.dist.__name__) and shape(adapter, twin) == (3,)
        np.testing.assert_allclose(
            adapter.numpy(twin.log_prob(array([0.2, 0.5, 0.3]))),
            adapter.numpy(fn.log_prob(array([0.2, 0.5, 0.3]))),
            rtol=1e-5,
        )


def test_errors(adapter):
    array = adapter.array
    for name in ("RelaxedBernoulli", "RelaxedOneHotCategorical"):
        make = getattr(adapter.dist, name)
        with pytest.raises(ValueError, match=f"{name}: give one of probs and logits, got none"):
            make(1.0)
        for parameter, value in (("temperature", -1.0), ("logits", [np.inf, 0.0])):
            given = {"temperature": 1.0, "logits": array([0.0, 1.0]), parameter: array(value)}
            with pytest.raises(ValueError, match=parameter):
                make(**given, validate_args=True)
    if adapter.eager:
        with pytest.raises(ValueError, match="probs"):
            adapter.dist.RelaxedBernoulli(1.0, probs=array(1.5), validate_args=True)
