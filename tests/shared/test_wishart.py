"""Wishart, InverseWishart and their Cholesky factors: gradients of expectations, densities, shapes, errors."""

import functools

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.multivariate import assert_unbiased, assert_well_behaved, shape

D, N = 3, 5000
DEGREES = (2.02, 3.5, 12.0, 1e5)
TRIL = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.25, 0.5, 0.75]])
CLASSES = ("WishartCholesky", "InverseWishartCholesky")


@functools.cache
def observed(adapter, name):
    def parts(params, key):
        fn = getattr(adapter.dist, name)(params["df"], scale_tril=params["tril"], validate_args=False)
        L = adapter.draw(fn, key)
        diagonal = adapter.xp.stack([L[..., i, i] for i in range(D)], -1)
        return {
            "L": L,
            "log det": 2.0 * adapter.xp.log(diagonal).sum(-1),
            "entry": (L[..., 1, :] * L[..., 0, :]).sum(-1),
        }

    return adapter.jit(adapter.value_and_slopes(parts))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, name, precision):
    """E[log det] next to the end of the range, E[X] where it exists."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    with adapter.precision(precision):
        params = adapter.arrays({"df": DEGREES, "tril": np.broadcast_to(TRIL, (len(DEGREES), D, D))}, (N,))
        found, slopes = observed(adapter, name)(params, adapter.key(3))
        assert adapter.numpy(adapter.contains(adapter.constraints.lower_cholesky, found["L"])).all()
    assert np.isfinite(adapter.numpy(found["L"])).all() and adapter.dtype_of(found["L"]) == precision
    sign, by_tril = -1.0 if name[0] == "I" else 1.0, adapter.numpy(slopes["log det"]["tril"])
    np.testing.assert_allclose(by_tril.diagonal(0, -2, -1), 2.0 / np.diag(TRIL) + 0.0 * by_tril[..., 0], rtol=1e-4)
    for i, df in enumerate(np.asarray(DEGREES, precision).astype(float)):
        truth = sign * float(mp.fsum(mp.psi(1, (df - j) / 2) for j in range(D)) / 2)
        assert_unbiased(adapter.numpy(slopes["log det"]["df"])[:, i], truth, 1e-5, df)
        if df < 10.0:
            continue
        scale, slope = (df, 1.0) if sign > 0.0 else (1.0 / (df - D - 1.0), -1.0 / (df - D - 1.0) ** 2)
        assert_unbiased(adapter.numpy(slopes["entry"]["df"])[:, i], slope * TRIL[1, 0], 1e-4, df)
        moved = adapter.numpy(slopes["entry"]["tril"])[:, i]
        for place, exact in (((0, 0), TRIL[1, 0]), ((1, 0), TRIL[0, 0])):
            assert_unbiased(moved[:, *place], scale * exact, 1e-4, df)


def test_inverse_beyond_the_range(adapter):
    """An entry of the diagonal is an inverse gamma number, most of which overflow: held, they move as the true ones."""

    def first(params, key):
        x = adapter.draw(adapter.dist.InverseWishart(params["df"], scale_tril=params["tril"], validate_args=False), key)
        return {"x": x.sum((-2, -1)), "log": adapter.xp.log(x[..., 0, 0])}

    params = adapter.arrays({"df": 2.02, "tril": TRIL}, (N,))
    found, slopes = adapter.jit(adapter.value_and_slopes(first))(params, adapter.key(5))
    assert np.isfinite(adapter.numpy(found["x"])).all()
    df = float(np.float32(2.02))
    assert_unbiased(adapter.numpy(slopes["log"]["df"]), -float(mp.psi(1, (df - D + 1) / 2)) / 2, 1e-5)
    assert_unbiased(adapter.numpy(slopes["log"]["tril"])[:, 0, 0], 2.0, 1e-5)


def test_second_order(adapter):
    """Pyro's own raises."""
    if not adapter.eager:
        pytest.skip("`attach` again, after a longer compilation")
    for name, sign in zip(CLASSES, (1.0, -1.0), strict=True):

        def of(df, name=name):
            L = adapter.draw(getattr(adapter.dist, name)(df, scale_tril=adapter.array(TRIL)), adapter.key(4))
            return 2.0 * L.diagonal(dim1=-2, dim2=-1).log().sum(-1)

        with adapter.precision("float64"):
            found = adapter.numpy(adapter.second_slope(of)(adapter.array(np.full(N, 2.5))))
        truth = sign * float(mp.fsum(mp.psi(2, (2.5 - j) / 2) for j in range(D)) / 4)
        assert_unbiased(found, truth, 1e-8)


def exact_log_prob(name, df, L):
    """By SciPy for the matrix, and the factor's jacobian."""
    jacobian = D * np.log(2.0) + ((D - np.arange(D)) * np.log(np.diag(L))).sum()
    reference = stats.wishart if name == "WishartCholesky" else stats.invwishart
    return reference(df, TRIL @ TRIL.T).logpdf(L @ L.T) + jacobian


def exact_slope(name, df, L):
    A = np.linalg.solve(TRIL, L) if name == "WishartCholesky" else np.linalg.solve(L, TRIL)
    total = 2.0 * np.log(np.diag(A)).sum() - D * np.log(2.0)
    return float(total - mp.fsum(mp.psi(0, (df - j) / 2) for j in range(D))) / 2.0


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-11), ("float32", 3e-6)])
def test_density(adapter, name, precision, tolerance):
    """SciPy's own digits in float64."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    df = np.array([2.125, 5.0, 1000.0]).astype(precision).astype(float)
    rng, scale = np.random.default_rng(0), np.sqrt(df)[:, None, None]
    factors = np.tril(rng.normal(size=(3, D, D)), -1) + (scale + 0.25) * np.eye(D)
    L = TRIL @ (factors if name == "WishartCholesky" else np.linalg.inv(factors))
    L = np.tril(L).astype(precision).astype(float)
    with adapter.precision(precision):
        tril = adapter.array(TRIL)

        @adapter.jit
        @adapter.value_and_slopes
        def log_prob(df, L):
            return getattr(adapter.dist, name)(df, scale_tril=tril, validate_args=False).log_prob(L)

        found, slopes = log_prob(adapter.array(df), adapter.array(L))
    for i, at in enumerate(df):
        truth, slope = exact_log_prob(name, at, L[i]), exact_slope(name, at, L[i])
        size = max(1.0, abs(truth), np.sqrt(at) * 3.0)  # the rounding of A moves chi2(df) by its standard deviation
        assert abs(adapter.numpy(found)[i] - truth) <= tolerance * size, at
        assert abs(adapter.numpy(slopes)[i] - slope) <= 4 * tolerance * max(1.0, abs(slope)), at


def test_matrices(adapter):
    """Of the matrices SciPy's density; the other ways to give the scale."""
    scale = TRIL @ TRIL.T
    with adapter.precision("float64"):
        for name, reference in (("Wishart", stats.wishart), ("InverseWishart", stats.invwishart)):
            x = reference(5.0, scale).rvs(random_state=1)
            pyro_wishart = adapter.eager and name == "Wishart"
            names = ("covariance_matrix", "precision_matrix") if pyro_wishart else ("scale_matrix", "rate_matrix")
            given = {names[0]: scale, names[1]: np.linalg.inv(scale), "scale_tril": TRIL}
            for key, value in given.items() if adapter.eager else [(names[1], given[names[1]])]:
                d = getattr(adapter.dist, name)(5.0, **{key: adapter.array(value)})
                np.testing.assert_allclose(
                    adapter.numpy(d.log_prob(adapter.array(x))), reference(5.0, scale).logpdf(x), rtol=1e-9
                )
            np.testing.assert_allclose(adapter.numpy(d.mean), reference(5.0, scale).mean(), rtol=1e-9)
        if adapter.eager:  # a draw knows its factor, where the matrix alone is singular
            d = adapter.dist.InverseWishart(2.001, adapter.array(scale))
            x = d.rsample((50,))
            assert adapter.dist.InverseWishart(2.001, adapter.array(scale)).log_prob(adapter.array(scale)).isfinite()
            d._validate_args = False
            assert d.log_prob(x).isfinite().all()


def test_shapes_and_copies(adapter):
    tril = adapter.array(TRIL)
    for name in (*CLASSES, "Wishart", "InverseWishart"):
        make = getattr(adapter.dist, name)
        assert_well_behaved(adapter, make(adapter.array([3.5, 5.0]), scale_tril=tril), density=name in CLASSES)
        wide = make(4.0, scale_tril=adapter.array(np.broadcast_to(TRIL, (4, 1, D, D))))
        assert shape(adapter, wide) == (4, 1, D, D)
        if name in adapter.host.__all__:
            theirs = getattr(adapter.host, name)(adapter.array([3.5, 5.0]), scale_tril=tril)
            twin = adapter.irg.implicit_twin(theirs.to_event(1))
            assert type(twin.base_dist) is make and shape(adapter, twin) == (2, D, D)
    for name in CLASSES:
        make = getattr(adapter.dist, name)
        rows = adapter.vmap(
            lambda df, make=make: adapter.draw(make(df, scale_tril=tril, validate_args=False), adapter.key(0))
        )
        assert adapter.shapes(rows, adapter.array([3.5, 4.0, 5.0])).shape == (3, D, D)


def test_errors(adapter):
    tril = adapter.array(TRIL)
    for name in (*CLASSES, "Wishart", "InverseWishart"):
        make = getattr(adapter.dist, name)
        with pytest.raises(ValueError, match=rf"{name}.*: give one of .*scale_tril, got none"):
            make(5.0)
        with pytest.raises(ValueError, match=r"scale_tril must be a square matrix, got shape \(2, 3\)"):
            make(5.0, scale_tril=tril[:2])
        with pytest.raises(ValueError, match="scale_tril must have 2 axes or more"):
            make(5.0, scale_tril=tril[0])
        with pytest.raises(ValueError, match=r"the batch axes of .* cannot be broadcast together"):
            make(adapter.array([5.0] * 2), scale_tril=adapter.array(np.broadcast_to(TRIL, (4, D, D))))
        for df in (2.0, np.inf, np.nan):
            with pytest.raises(ValueError, match="concentration"):
                make(adapter.array(df), scale_tril=tril, validate_args=True)
        with pytest.raises(ValueError, match="scale_tril"):
            make(5.0, scale_tril=-tril, validate_args=True)
