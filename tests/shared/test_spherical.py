"""VonMisesFisher, PowerSpherical and SphericalUniform: gradients of expectations, densities, shapes, errors."""

import functools

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import over
from tests.multivariate import assert_unbiased, assert_well_behaved, shape

N = 5000
CONCENTRATIONS = (0.5, 5.0, 1e4, 1e-3)


def fisher(d, kappa):
    """E[w], E[w**2]; log of the integral of exp(-kappa (1 - w)), and its derivative."""
    half, kappa = mp.mpf(d) / 2, mp.mpf(kappa)
    ratio = mp.besseli(half, kappa) / mp.besseli(half - 1, kappa)
    log_c = half * mp.log(2 * mp.pi) + mp.log(mp.besseli(half - 1, kappa)) - (half - 1) * mp.log(kappa) - kappa
    return ratio, 1 - (d - 1) * ratio / kappa, log_c, ratio - 1


def power(d, kappa):
    """The same of (1 + w)**kappa."""
    b, kappa = mp.mpf(d - 1) / 2, mp.mpf(kappa)
    a, total = b + kappa, 2 * b + kappa
    second = 4 * a * (a + 1) / (total * (total + 1)) - 4 * a / total + 1
    log_c = (a + b) * mp.log(2) + b * mp.log(mp.pi) + mp.loggamma(a) - mp.loggamma(total)
    return kappa / total, second, log_c, mp.log(2) + mp.psi(0, a) - mp.psi(0, total)


DENSITIES = {"VonMisesFisher": fisher, "PowerSpherical": power}


def directions(d):
    """An axis, its antipode, and two others, as float32 has them."""
    found = np.concatenate([np.eye(d)[:1], -np.eye(d)[:1], np.random.default_rng(d).normal(size=(2, d))])
    return (found / np.linalg.norm(found, axis=-1, keepdims=True)).astype(np.float32).astype(float)


@functools.cache
def observed(adapter, name):
    def parts(params, key, across):
        x = adapter.draw(getattr(adapter.dist, name)(**params, validate_args=False), key)
        away = x - adapter.detach(params["mean_direction"])
        return {"x": x, "away": 0.5 * (away * away).sum(-1), "square": (x * across).sum(-1) ** 2}

    return adapter.jit(adapter.value_and_slopes(parts))


PAIRS = {f"{name}-{d}": (name, d) for name in DENSITIES for d in (2, 3, 5, 50)}


@over(PAIRS, "pair", when=lambda a, pair: a.eager or pair in (("VonMisesFisher", 3), ("PowerSpherical", 2)))
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, pair, precision):
    """Of E[1 - w] in the concentration, and of a quadratic form in both."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    name, d = pair
    mu, t = directions(d), np.random.default_rng(d + 1).normal(size=d)
    params = {"mean_direction": mu, "concentration": CONCENTRATIONS}
    with adapter.precision(precision):
        arrays = adapter.arrays(params, (N,))
        found, slopes = observed(adapter, name)(arrays, adapter.key(1), adapter.array(t))
        assert adapter.numpy(adapter.contains(adapter.constraints.sphere, found["x"])).all()
    assert adapter.dtype_of(found["x"]) == precision
    for i, kappa in enumerate(np.asarray(CONCENTRATIONS, precision).astype(float)):
        first, second = (mp.diff(lambda k, j=j: DENSITIES[name](d, k)[j], kappa) for j in (0, 1))
        by_kappa = {n: adapter.numpy(slopes[n]["concentration"])[:, i] for n in ("away", "square")}
        assert_unbiased(by_kappa["away"], -float(first), 1e-5, kappa)
        along = mu[i] @ t
        form = along**2 - (t @ t - along**2) / (d - 1)
        assert_unbiased(by_kappa["square"], float(second) * form, 1e-4, kappa)
        moment = float(DENSITIES[name](d, kappa)[1])
        turn = 2.0 * along * (moment - (1.0 - moment) / (d - 1)) * (t - along * mu[i])
        by_mu = adapter.numpy(slopes["square"]["mean_direction"])[:, i]
        np.testing.assert_allclose(by_mu @ mu[i], 0.0, atol=1e-5 * np.abs(by_mu).max())  # along itself it does nothing
        error = by_mu.std(0) / np.sqrt(N) + 1e-5 * np.abs(turn) + 1e-6 * moment
        assert (np.abs(by_mu.mean(0) - turn) < 4.0 * error).all(), kappa


def test_second_order(adapter):
    if not adapter.eager:
        pytest.skip("`attach` again, after a longer compilation")
    for name, density in DENSITIES.items():

        def of(kappa, name=name):
            mu = adapter.array(directions(3)[2])
            fn = getattr(adapter.dist, name)(mu, kappa, validate_args=False)  # float32 has not the length 1 of float64
            return (adapter.draw(fn, adapter.key(2)) * mu).sum(-1)

        with adapter.precision("float64"):
            found = adapter.numpy(adapter.second_slope(of)(adapter.array(np.full(N, 2.0))))
        assert_unbiased(found, float(mp.diff(lambda k, density=density: density(3, k)[0], 2.0, 2)), 1e-8)

    def turned(angle):
        mu = adapter.xp.stack([angle.cos(), angle.sin(), 0.0 * angle], -1)
        return adapter.draw(adapter.dist.VonMisesFisher(mu, 2.0), adapter.key(3))[..., 0]

    with adapter.precision("float64"):
        found = adapter.numpy(adapter.second_slope(turned)(adapter.array(np.full(N, 0.7))))
    assert_unbiased(found, -float(fisher(3, 2.0)[0]) * np.cos(0.7), 1e-8)


@over(PAIRS, "pair", when=lambda a, pair: a.eager or pair in (("VonMisesFisher", 3), ("PowerSpherical", 50)))
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 2e-14), ("float32", 1e-6)])
def test_density(adapter, pair, precision, tolerance):
    """And its derivative in the concentration, entropy and mean."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    name, d = pair
    kappa = np.repeat([1e-4, 0.5, 20.0, 1e6], 2).astype(precision).astype(float)
    mu, rng = np.tile(directions(d), (2, 1)), np.random.default_rng(0)
    across = rng.normal(size=(8, d))
    across -= (across * mu).sum(-1, keepdims=True) * mu
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    angle = np.minimum(2.0, np.tile([0.3, 1.5], 4) * np.sqrt(d / kappa))[:, None]
    x = (np.cos(angle) * mu + np.sin(angle) * across).astype(precision).astype(float)

    def parts(kappa, mu, x):
        fn = getattr(adapter.dist, name)(mu, kappa, validate_args=False)
        found = {"log_prob": fn.log_prob(x)}
        if adapter.eager or name == "PowerSpherical":  # else a longer compilation of the same integrals
            found["entropy"], found["mean"] = fn.entropy(), (fn.mean * mu).sum(-1) / (mu * mu).sum(-1) ** 0.5
        return found

    with adapter.precision(precision):
        found, slopes = adapter.jit(adapter.value_and_slopes(parts))(*map(adapter.array, (kappa, mu, x)))
    for i, k in enumerate(kappa):
        with mp.workdps(40):
            first, _, log_c, slope = DENSITIES[name](d, k)
            a, b = (mp.matrix(list(map(mp.mpf, v))) for v in (x[i], mu[i]))
            w = (a.T * b)[0] / mp.sqrt((a.T * a)[0] * (b.T * b)[0])
            score = w - 1 if name == "VonMisesFisher" else mp.log1p(w)
            entropy = -k * slope + log_c if name == "VonMisesFisher" else log_c - k * slope
            truth = {"log_prob": k * score - log_c, "entropy": entropy, "mean": first}
        for part, value in found.items():
            allowed = tolerance * max(1, abs(truth[part]))
            assert abs(adapter.numpy(value)[i] - truth[part]) <= allowed, (part, k)
        moved = score - slope
        allowed = 4 * tolerance * max(abs(score), abs(slope))
        assert abs(adapter.numpy(slopes["log_prob"])[i] - moved) <= allowed, k


@pytest.mark.parametrize("kappa", [1e-37, 1e30, 3e37])
def test_ends_of_the_range(adapter, kappa):
    params = {"mean_direction": directions(3), "concentration": np.full(4, kappa)}
    found, slopes = observed(adapter, "VonMisesFisher")(
        {k: v + 0.0 * v for k, v in adapter.arrays(params, (N,)).items()}, adapter.key(1), adapter.array(np.ones(3))
    )
    for part in (found["x"], *slopes["away"].values(), *slopes["square"].values()):
        assert np.isfinite(adapter.numpy(part)).all()
    if kappa < 1.0:
        assert_unbiased(adapter.numpy(found["away"]), np.ones(4), 0.0)


def test_shapes_and_copies(adapter):
    dist, array = adapter.dist, adapter.array
    mu = array(directions(3)[2])
    for name in DENSITIES:
        make = getattr(dist, name)
        assert_well_behaved(adapter, make(mu, array([0.5, 2.0])))
        assert shape(adapter, make(array(directions(3)).reshape(4, 1, 3), array([1.0, 2.0]))) == (4, 2, 3)
        rows = adapter.vmap(lambda k, make=make: adapter.draw(make(mu, k, validate_args=False), adapter.key(0)))
        assert adapter.shapes(rows, array([0.5, 1.0, 3.0])).shape == (3, 3)
    uniform = dist.SphericalUniform(3, (2,))
    assert_well_behaved(adapter, uniform)
    x = adapter.detached_draw(uniform, adapter.key(0), (N,))
    assert_unbiased(adapter.numpy(x), np.zeros((2, 3)), 0.0)
    np.testing.assert_allclose(adapter.numpy(uniform.log_prob(x[0])), -np.log(4.0 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(adapter.numpy(uniform.entropy()), np.log(4.0 * np.pi), rtol=1e-6)
    assert (adapter.numpy(uniform.mean) == np.zeros((2, 3))).all()


def test_errors(adapter):
    array = adapter.array
    for name in DENSITIES:
        make = getattr(adapter.dist, name)
        with pytest.raises(ValueError, match=f"{name}: mean_direction must have 1 axes or more"):
            make(1.0, 1.0)
        with pytest.raises(ValueError, match=rf"{name}: mean_direction must be a vector of 2 .* got shape \(1,\)"):
            make(array([1.0]), 1.0)
        with pytest.raises(ValueError, match=f"{name}: the batch axes of .* cannot be broadcast together"):
            make(array(directions(3)), array([1.0] * 3))
        for parameter, value in (("mean_direction", (1.0, 1.0)), ("concentration", -1.0), ("concentration", np.inf)):
            given = {"mean_direction": array([0.0, 1.0]), "concentration": 1.0, parameter: array(value)}
            with pytest.raises(ValueError, match=parameter):
                make(**given, validate_args=True)
    with pytest.raises(ValueError, match="SphericalUniform: dim must be an integer from 2 on, got 1"):
        adapter.dist.SphericalUniform(1)
