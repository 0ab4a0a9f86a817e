"""LKJCholesky and LKJ: gradients of expectations, densities, shapes, errors."""

import functools

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.checks import exact_gradient
from tests.multivariate import assert_unbiased, assert_well_behaved, shape

D, N = 3, 5000
POINTS = (0.01, 0.05, 1.0, 1e4)
METHODS = {"pyro": [()], "numpyro": [("onion",), ("cvine",)]}


def log_det(concentration):
    """E[log det C], a sum of those of Betas."""
    c = mp.mpf(concentration)
    return mp.fsum(mp.psi(0, c + mp.mpf(D - 1 - i) / 2) - mp.psi(0, c + mp.mpf(D - 1) / 2) for i in range(1, D))


def square(concentration):
    """E[C[2, 1]**2], of a Beta on (-1, 1)."""
    return 1 / (2 * mp.mpf(concentration) + D - 1)


EXACT = {"log det": log_det, "square": square}


@functools.cache
def observed(adapter, method):
    def parts(concentration, key):
        L = adapter.draw(adapter.dist.LKJCholesky(D, concentration, *method, validate_args=False), key)
        diagonal = adapter.xp.stack([L[..., i, i] for i in range(D)], -1)
        C21 = (L[..., 1, :] * L[..., 2, :]).sum(-1)
        return {"L": L, "log det": 2.0 * adapter.xp.log(diagonal).sum(-1), "square": C21 * C21}

    return adapter.jit(adapter.value_and_slopes(parts))


def both(adapter, precision="float32"):
    for method in METHODS[adapter.name]:
        with adapter.precision(precision):
            c = adapter.array(np.broadcast_to(POINTS, (N, len(POINTS))))
            yield observed(adapter, method)(c, adapter.key(1))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, precision):
    """The hosts' are 102 for 10,000 at 0.01, or none at all; draws are Cholesky factors."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    for found, slopes in both(adapter, precision):
        assert adapter.dtype_of(found["L"]) == precision
        with adapter.precision(precision):
            assert adapter.numpy(adapter.contains(adapter.constraints.corr_cholesky, found["L"])).all()
        for name, function in EXACT.items():
            each = adapter.numpy(slopes[name])
            for i, c in enumerate(np.asarray(POINTS, precision).astype(float)):
                truth = exact_gradient(function, {"concentration": c})["concentration"]
                assert_unbiased(each[:, i], truth, 1e-5, (name, c))
        expected = [float(square(c)) for c in POINTS]
        assert_unbiased(adapter.numpy(found["square"]), expected, 1e-4)


def test_second_order(adapter):
    if not adapter.eager:
        pytest.skip("`attach` again, after a longer compilation")

    def of(c):
        L = adapter.draw(adapter.dist.LKJCholesky(D, c), adapter.key(2))
        return 2.0 * (L[..., 1, 1] * L[..., 2, 2]).log()

    with adapter.precision("float64"):
        for c in (0.05, 2.0):
            found = adapter.numpy(adapter.second_slope(of)(adapter.array(np.full(N, c))))
            assert_unbiased(found, float(mp.diff(log_det, c, 2)), 1e-8)


def factors(concentrations, precision):
    """Cholesky factors of correlation matrices that are as far from the identity as those concentrations have them."""
    rows = (
        np.random.default_rng(4).normal(size=(len(concentrations), D, D))
        / np.sqrt(2.0 * concentrations + 1.0)[:, None, None]
    )
    rows = np.tril(rows, -1) / np.sqrt(1.0 + np.square(np.tril(rows, -1)).sum(-1, keepdims=True))
    rest = np.sqrt(1.0 - np.square(rows.astype(precision).astype(float)).sum(-1))
    return (rows + rest[..., None] * np.eye(D)).astype(precision).astype(float)


def exact_log_prob(L, c):
    total = mp.mpf(0)
    for i in range(1, len(L)):
        a, b = mp.mpf(i) / 2, mp.mpf(c) + mp.mpf(len(L) - 1 - i) / 2
        y = mp.fsum(mp.mpf(v) ** 2 for v in L[i, :i])
        rest = 1 - y if y < 0.5 else mp.mpf(L[i, i]) ** 2  # either is off by the rounding of the other
        total += mp.loggamma(a + b) - mp.loggamma(b) - a * mp.log(mp.pi) + (b - 1) * mp.log(rest)
    return total


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 2e-14), ("float32", 2e-6)])
def test_density(adapter, precision, tolerance):
    """At 1e6 the hosts' is off by 3 in float32."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    concentrations = np.array([0.05, 0.7, 3.0, 1e6]).astype(precision).astype(float)
    L = factors(concentrations, precision)
    with adapter.precision(precision):

        @adapter.jit
        @adapter.value_and_slopes
        def log_prob(c, L):
            return adapter.dist.LKJCholesky(D, c, validate_args=False).log_prob(L)

        found, slopes = log_prob(adapter.array(concentrations), adapter.array(L))
    for i, (rows, at) in enumerate(zip(L, concentrations, strict=True)):
        with mp.workdps(40):
            truth = exact_log_prob(rows, at)
            slope = mp.diff(lambda t, rows=rows: exact_log_prob(rows, t), at)
        assert abs(adapter.numpy(found)[i] - truth) <= tolerance * max(1, abs(truth)), at
        assert abs(adapter.numpy(slopes)[i] - slope) <= tolerance * max(4 / at, abs(slope)), at


def test_shapes_and_copies(adapter):
    dist, array = adapter.dist, adapter.array
    for method in METHODS[adapter.name]:
        assert_well_behaved(adapter, dist.LKJCholesky(4, array([0.5, 2.0]), *method))
        assert_well_behaved(adapter, dist.LKJ(2, array([0.5, 2.0]), *method), density=not adapter.eager)
        rows = adapter.vmap(
            lambda c, m=method: adapter.draw(dist.LKJCholesky(2, c, *m, validate_args=False), adapter.key(0))
        )
        assert adapter.shapes(rows, array([0.5, 1.0, 3.0])).shape == (3, 2, 2)
    d, r = dist.LKJ(2, array([1.0, 3.0])), np.array([0.3, -0.6])
    x = np.eye(2) + r[:, None, None] * (1.0 - np.eye(2))
    # in two dimensions (1 + r) / 2 is a Beta variable
    exact = [stats.beta(c, c, -1.0, 2.0).logpdf(at) for c, at in zip((1.0, 3.0), r, strict=True)]
    np.testing.assert_allclose(adapter.numpy(adapter.jit(d.log_prob)(array(x))), exact, rtol=1e-5)
    np.testing.assert_array_equal(adapter.numpy(d.mean), [np.eye(2)] * 2)


def test_twins(adapter):
    for name in ("LKJ", "LKJCholesky"):
        theirs = getattr(adapter.host, name)(3, adapter.array([0.5, 2.0]))
        twin = adapter.irg.implicit_twin(theirs.to_event(1))
        inner = twin.base_dist
        assert type(inner) is getattr(adapter.dist, name) and twin.has_rsample
        assert shape(adapter, twin) == (2, 3, 3)


def test_errors(adapter):
    for make in (adapter.dist.LKJCholesky, adapter.dist.LKJ):
        for size in (1, 2.0, None):
            with pytest.raises(
                ValueError, match=rf"LKJCholesky: dim(ension)? must be an integer from 2 on, got {size}"
            ):
                make(size, 1.0)
        for value in (-1.0, np.inf):
            with pytest.raises(ValueError, match="concentration"):
                make(3, adapter.array(value), validate_args=True)
    if not adapter.eager:
        with pytest.raises(ValueError, match="sample_method must be 'onion' or 'cvine', got 'vine'"):
            adapter.dist.LKJCholesky(3, 1.0, "vine")
