"""MultivariateStudentT: gradients of expectations, densities far out, shapes, errors."""

import functools

import numpy as np
import pytest
from mpmath import mp

from tests.checks import exact_gradient
from tests.multivariate import assert_unbiased, assert_well_behaved, shape
from tests.rows import student_t

N = 5000
DFS = (0.05, 0.3, 5.0, 1e6)
LOC, TRIL = (0.3, -0.2), ((0.8, 0.0), (0.5, 1.2))


def mean_log(df, scale_tril):
    """E[log |x[1] - loc[1]|]"""
    return student_t.mean_log(df, 0.0, mp.sqrt(scale_tril[2] ** 2 + scale_tril[3] ** 2))


def mean_cos(df, loc, scale_tril):
    """E[cos(x[0] + 2 x[1])]"""
    along = scale_tril[0] + 2 * scale_tril[2], 2 * scale_tril[3]
    return mp.cos(loc[0] + 2 * loc[1]) * student_t.mean_cos(df, mp.sqrt(along[0] ** 2 + along[1] ** 2))


@functools.cache
def observed(adapter):
    def parts(params, key):
        x = adapter.draw(adapter.dist.MultivariateStudentT(**params, validate_args=False), key)
        away = adapter.xp.abs(x[..., 1] - adapter.detach(params["loc"])[..., 1])
        return {"x": x, "log": adapter.xp.log(away), "cos": adapter.xp.cos(x[..., 0] + 2.0 * x[..., 1])}

    return adapter.jit(adapter.value_and_slopes(parts))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gradients(adapter, precision):
    """The hosts' are NaN at 0.05 in every draw, at 0.3 in some of float32."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    flat = tuple(np.ravel(TRIL))
    with adapter.precision(precision):
        params = adapter.arrays({"df": 0.0, "loc": LOC, "scale_tril": TRIL}, (N, len(DFS)))
        found, slopes = observed(adapter)({**params, "df": params["df"] + adapter.array(DFS)}, adapter.key(2))
    assert np.isfinite(adapter.numpy(found["x"])).all() and adapter.dtype_of(found["x"]) == precision
    for i, df in enumerate(np.asarray(DFS, precision).astype(float)):
        truth = exact_gradient(mean_log, {"df": df, "scale_tril": flat})
        assert_unbiased(adapter.numpy(slopes["log"]["df"])[:, i], truth["df"], 1e-5, df)
        rows = adapter.numpy(slopes["log"]["scale_tril"])[:, i, 1]
        assert_unbiased(rows, truth["scale_tril"][2:], 1e-5, df)
    truth = exact_gradient(mean_cos, {"df": 5.0, "loc": LOC, "scale_tril": flat})
    for name, slope in slopes["cos"].items():
        each = adapter.numpy(slope)[:, 2].reshape(N, -1)
        keep = [0, 2, 3] if name == "scale_tril" else slice(None)  # nothing moves above the diagonal
        assert_unbiased(each[:, keep], np.atleast_1d(truth[name])[keep], 1e-5, name)


def test_second_order(adapter):
    """Pyro's own raises."""
    if not adapter.eager:
        pytest.skip("`attach` again, after a longer compilation")
    with adapter.precision("float64"):
        loc, tril = adapter.array(LOC), adapter.array(TRIL)

        def of(df):
            x = adapter.draw(adapter.dist.MultivariateStudentT(df, loc, tril), adapter.key(2))
            return (x[..., 1] - LOC[1]).abs().log()

        found = adapter.numpy(adapter.second_slope(of)(adapter.array(np.full(N, 0.3))))
    assert_unbiased(found, float(mp.diff(lambda df: student_t.mean_log(df, 0, 1), 0.3, 2)), 1e-8)


def exact_log_prob(df, x):
    (a, _), (b, c) = TRIL
    y0 = (mp.mpf(x[0]) - mp.mpf(LOC[0])) / mp.mpf(a)
    y1 = (mp.mpf(x[1]) - mp.mpf(LOC[1]) - mp.mpf(b) * y0) / mp.mpf(c)
    ratio = mp.loggamma(df / 2 + 1) - mp.loggamma(df / 2)
    return ratio - mp.log(mp.pi * df * mp.mpf(a) * mp.mpf(c)) - (df / 2 + 1) * mp.log1p((y0**2 + y1**2) / df)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
def test_density(adapter, precision, tolerance):
    """Out to where squares overflow."""
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    df, size = (a.ravel() for a in np.meshgrid([0.05, 5.0, 1e8], [0.5, 4.0, 1e30]))
    x = (size[:, None] * (1.0, -2.0)).astype(precision).astype(float)
    df = df.astype(precision).astype(float)
    with adapter.precision(precision):
        loc, tril = adapter.array(LOC), adapter.array(TRIL)

        @adapter.jit
        @adapter.value_and_slopes
        def log_prob(df, x):
            return adapter.dist.MultivariateStudentT(df, loc, tril, validate_args=False).log_prob(x)

        found, slopes = log_prob(adapter.array(df), adapter.array(x))
    for i, (at, where) in enumerate(zip(df, x, strict=True)):
        with mp.workdps(40):
            truth = exact_log_prob(mp.mpf(at), where)
            slope = mp.diff(lambda t, where=where: exact_log_prob(t, where), mp.mpf(at))
        # x - loc is rounded too, in units of the scale
        allowed = tolerance * max(1, abs(truth), 3 * size[i] ** 2 if size[i] < 1e3 else 0)
        assert abs(adapter.numpy(found)[i] - truth) <= allowed, (at, where)
        assert abs(adapter.numpy(slopes)[i] - slope) <= 4 * tolerance * max(4 / at, abs(slope)), (at, where)


def test_shapes_and_copies(adapter):
    dist, array = adapter.dist, adapter.array
    loc, tril = array(LOC), array(TRIL)
    assert_well_behaved(adapter, dist.MultivariateStudentT(array([0.5, 2.0]), loc, tril))
    assert shape(adapter, dist.MultivariateStudentT(3.0, array(np.zeros((4, 1, 2))), tril.reshape(1, 2, 2))) == (
        4,
        1,
        2,
    )
    assert shape(adapter, dist.MultivariateStudentT(3, 0.0, tril), (5,)) == (5, 2)
    rows = adapter.vmap(
        lambda df: adapter.draw(dist.MultivariateStudentT(df, loc, tril, validate_args=False), adapter.key(0))
    )
    assert adapter.shapes(rows, array([0.5, 1.0, 3.0])).shape == (3, 2)
    theirs = adapter.host.MultivariateStudentT(array([0.5, 2.0]), loc, tril)
    twin = adapter.irg.implicit_twin(theirs.expand((3, 2)).to_event(1))
    assert type(getattr(twin.base_dist, "base_dist", twin.base_dist)) is dist.MultivariateStudentT
    assert shape(adapter, twin) == (3, 2, 2)


def test_errors(adapter):
    make, array = adapter.dist.MultivariateStudentT, adapter.array
    with pytest.raises(ValueError, match="scale_tril must have 2 axes or more, got shape"):
        make(1.0, array(LOC), array(LOC))
    with pytest.raises(ValueError, match=r"loc of shape \(3,\) and scale_tril of shape \(2, 2\) must be"):
        make(1.0, array([0.0] * 3), array(TRIL))
    with pytest.raises(ValueError, match=r"batch axes of df of shape .* cannot be broadcast together"):
        make(array([1.0] * 3), array(np.zeros((2, 2))), array(TRIL))
    for name, value in (("df", -1.0), ("df", np.inf), ("scale_tril", -np.eye(2)), ("loc", (np.inf, 0.0))):
        with pytest.raises(ValueError, match=name):
            make(**{"df": 1.0, "loc": array(LOC), "scale_tril": array(TRIL), name: array(value)}, validate_args=True)
