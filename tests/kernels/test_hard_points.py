"""Points found by random search at which a log-density, log-tails or slopes had lost digits, against mpmath."""

import numpy as np
import pytest
from mpmath import mp

from tests.families import BY_NAME
from tests.kernels.backends import BACKENDS, QUICKEST
from tests.kernels.test_families import RECORDS
from tests.kernels.test_slopes import PROMISE, slopes_of

# of max(1, |log|)
LOGARITHM = {"float64": 1e-13, "float32": 1.2e-6}

# name -> (x, *parameters of the record)
POINTS = {
    # the peak next to the other end, so that the mass on the side with x is nearly 1
    "Triangular": (
        (-0.0553228743, -162.02887, 0.0513332188, 0.000120209879),
        (-0.0843447596, -207.00296, 0.0385659114, -0.000179679628),
        (0.486558944, -0.0209050011, 39.3089867, 0.000504516764),
        (0.9999, 0.0, 1.0, 1.0),
        (1e-4, 0.0, 1.0, 0.0),
    ),
    # so narrow that log x has too few digits
    "LogNormal": ((2.69e4, 10.2, 3e-6), (447.207, 6.103, 5.27e-6), (1.748e-8, -17.862, 2e-4)),
    # far from its scale, where a rounding of log z is a hundred of the density
    "GeneralizedGamma": (
        (3.16082749e14, 224.920898, 0.000306574075, 0.129022524),
        (29412.5625, 146.861862, 69.4175262, 0.82791245),
        (5727187.5, 47.6096115, 3771.9624, 0.551055312),
    ),
}


# the same, where z, of which Gamma's density is exp(-z), has no square in float32
FAR_OUT = {
    "Gamma": ((1e19, 2.0, 1.0), (3e25, 0.7, 4.0), (1e30, 40.0, 1e5)),
    "Chi2": ((1e25, 3.0),),
    "InverseGamma": ((1e-19, 2.0, 1.0), (1e-30, 0.7, 2.0)),
    "LogGamma": ((60.0, 2.0, 1.0), (80.0, 0.5, 1.0)),
    "Nakagami": ((1e12, 2.0, 1.0), (1e16, 0.7, 3.0)),
}


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
@pytest.mark.parametrize("name", FAR_OUT)
def test_far_out(name, backend):
    """The log-density, its scores, and the logarithm of the tail beyond."""
    record = RECORDS[name]
    columns = np.asarray(FAR_OUT[name]).astype(backend.precision).T.astype(float)

    def function(xp, x, *params):
        scores = (score(xp, x, *params) + 0.0 * x for score in record.scores)
        smaller = xp.minimum(*record.log_tails(xp, x, *params))
        return xp.stack([record.log_density(xp, x, *params), *scores, smaller])

    exact = np.array([BY_NAME[name].value_and_slopes(x, params) for x, *params in columns.T]).T
    tails = [min(BY_NAME[name].log_masses(x, dict(enumerate(params)))) for x, *params in columns.T]
    most = np.finfo(backend.precision).max  # where a score is held
    exact = np.clip([*exact, tails], -most, most)
    np.testing.assert_allclose(backend.values(function, *columns), exact, rtol=PROMISE[backend.precision])


# |x| out to the end of the range, and from its beginning
RANGE = {
    "float64": (2.3e-308, 1e-300, 1e-150, 1e150, 1e300, 1e307, 1.7e308),
    "float32": (1.2e-38, 1e-30, 1e-19, 1e15, 1e19, 1e30, 1e37, 3.3e38),
}


@pytest.mark.parametrize("backend", BACKENDS[:2], ids=str)
@pytest.mark.parametrize("name", RECORDS)
def test_all_of_the_range(name, backend):
    """Of any finite x the log-density is a number or -inf, and where it is a number so are its derivatives: right where
    x, and (x - loc) / scale, are far from overflow; beyond, a draw's neighbours may be held."""
    record, row = RECORDS[name], BY_NAME[name]
    narrow = {"scale": 1e-3} if "scale" in record.parameters and "high" not in record.parameters else {}
    rows = [row.tails[0], row.tails[0] | narrow, *row.points, *row.hard]
    params = np.array([[v[p] for p in record.parameters] for v in rows if v.keys() >= record.parameters.keys()])
    size = np.array([0.0, *RANGE[backend.precision]]).astype(backend.precision).astype(float)
    x, columns = np.tile([*size, *-size], len(params)), np.repeat(params, 2 * len(size), 0).T
    found, slopes = backend.values_and_slopes(record.log_density, x, *columns)
    if record.scores:
        slopes = backend.values(
            lambda xp, *args: xp.stack([s(xp, *args) + 0.0 * args[0] for s in record.scores]), x, *columns
        )
    low, high = (
        backend.values(lambda xp, *args, e=end: e(xp, *args[1:]) + 0.0 * args[0], x, *columns) if callable(end) else end
        for end in record.support
    )
    inside = (x > low) & (x < high)
    assert not np.isnan(found[inside]).any() and (found[inside] < np.inf).all(), (x[inside], found[inside])
    assert not np.isnan(slopes[:, inside & (found > -np.inf)]).any()


# (x, *parameters of the record): far beyond all mass, where the difference from a large term was rounded to it; where
# x / sigma underflows; at the cusp of a small power
BEYOND = {
    "NoncentralChi2": ((1e10, 0.5, 3.0), (1e15, 0.0025, 2654.0), (1e19, 3.0, 0.01), (1e30, 40.0, 1e6)),
    "SoftAsymmetricLaplace": ((1e15, 0.3, 0.2, 5.0, 0.5), (-1e19, 3.0, 2.0, 5.0, 1e-3), (1e30, 1.0, 2.0, 0.0, 1.0)),
    "Rice": ((1.5e-38, 0.07, 7e3), (1e-30, 0.07, 1e9)),
    "GeneralizedNormal": ((0.0, 1e-3, 0.0, 2.0), (0.0, 0.02, 0.0, 0.5)),
    "Cauchy": ((1e35, 0.0, 1e-3), (-1e37, 0.0, 0.5)),
}


@pytest.mark.parametrize("backend", BACKENDS[:3], ids=str)
@pytest.mark.parametrize("name", BEYOND)
def test_beyond(name, backend):
    """The log-density, and its derivative in every parameter."""
    record = RECORDS[name]
    columns = np.asarray(BEYOND[name]).astype(backend.precision).T.astype(float)
    found, slopes = backend.values_and_slopes(record.log_density, *columns)
    if record.scores:
        slopes = backend.values(
            lambda xp, *args: xp.stack([s(xp, *args) + 0.0 * args[0] for s in record.scores]), *columns
        )
    exact = np.array([BY_NAME[name].value_and_slopes(x, params) for x, *params in columns.T]).T
    inner = slice(1, None) if name == "GeneralizedNormal" else slice(None)  # at a cusp there is none in x
    limits = np.finfo(backend.precision)
    np.testing.assert_allclose(found, exact[0], rtol=PROMISE[backend.precision])
    np.testing.assert_allclose(
        slopes[inner],
        np.clip(exact[1:][inner], -limits.max, limits.max),
        rtol=PROMISE[backend.precision],
        atol=limits.tiny,
    )


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
@pytest.mark.parametrize("name", POINTS)
def test_hard_points(name, backend):
    record, exactly = RECORDS[name], BY_NAME[name]
    columns = np.asarray(POINTS[name]).astype(backend.precision).T.astype(float)

    def function(xp, x, *params):
        slopes = (slope(xp, x, *params) + 0.0 * x for slope in record.slopes)
        return xp.stack([record.log_density(xp, x, *params), *record.log_tails(xp, x, *params), *slopes])

    with mp.workdps(120):
        exact = []
        for x, *params in (map(mp.mpf, point) for point in columns.T):
            logarithms = (exactly.log_density(x, *params), *map(mp.log, exactly.masses(x, *params)))
            exact.append([float(v) for v in (*logarithms, *slopes_of(exactly, x, params))])
    exact, found = np.array(exact).T, backend.values(function, *columns)
    size = np.abs(exact)
    logarithms, slopes = np.abs(found - exact)[:3] / np.maximum(size[:3], 1.0), np.abs(found - exact)[3:] / size[3:]
    assert logarithms.max() <= LOGARITHM[backend.precision], logarithms
    assert slopes.max() <= PROMISE[backend.precision], slopes
