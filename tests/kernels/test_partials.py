"""Partial derivatives of draws on every backend, against mpmath."""

import math

import numpy as np
import pytest
from mpmath import mp

from irg_kernels.families import beta, fisher_snedecor, student_t
from tests.cases import CASES, COORDINATES, PARTIAL
from tests.kernels.backends import BACKENDS, NUMPY, QUICK, QUICKEST
from tests.rows.beta import beta_partial

coordinates = pytest.mark.parametrize(("case", "coordinate"), COORDINATES.values(), ids=COORDINATES)
backends = pytest.mark.parametrize("backend", (*BACKENDS, *NUMPY), ids=str)
quick = pytest.mark.parametrize("backend", QUICKEST, ids=str)
without_eager = pytest.mark.parametrize("backend", QUICK, ids=str)


def worst(errors, points):
    """The point of the largest error, for a message."""
    row = points.rows[int(np.argmax(errors))]
    return f"{np.max(errors):.2e} at params {row['params']}, at {row['at']!r}, quantile {row['quantile']}"


@backends
@coordinates
def test_reference(case, coordinate, backend):
    points = case.points(coordinate, backend.precision)
    for parameter, kernel, truth in zip(case.parameters, case.kernels[coordinate], points.partials, strict=True):
        values = backend.values(kernel, points.at, *points.params)
        assert values.shape == truth.shape
        errors = np.abs(values / truth - 1.0)
        assert np.max(errors) <= PARTIAL[backend.precision], f"{parameter}: {worst(errors, points)}"  # nor NaN


@without_eager
def test_both_of_beta_in_one_evaluation(backend):
    (case,) = (case for case in CASES if case.family == "beta")
    points = case.points("logit_z", backend.precision)
    found = backend.values(beta.dlogit_by_shapes, points.at, *points.params)
    errors = np.abs(found / np.array(points.partials) - 1.0)
    assert errors.shape == (2, len(points.rows))
    assert np.max(errors) <= PARTIAL[backend.precision]


@without_eager
@pytest.mark.parametrize("case", CASES, ids=str)
def test_switches(case, backend):
    """On both sides of a kernel's own borders."""
    at, *params = columns = np.array(case.switches, dtype=np.float32).astype(np.float64).T
    coordinate, kernels = next(iter(case.kernels.items()))
    with mp.workdps(50):
        places = [mp.log(z) if (case.family, coordinate) == ("gamma", "z") else mp.mpf(z) for z in at]
        truth = np.array([case.oracle(*p, x) for *p, x in zip(*params, places)], dtype=np.float64).T
    if (case.family, coordinate) == ("gamma", "z"):
        truth *= at
    for parameter, kernel, exact in zip(case.parameters, kernels, truth, strict=True):
        errors = np.abs(backend.values(kernel, *columns) / exact - 1.0)
        i = int(np.argmax(errors))
        assert errors[i] <= PARTIAL[backend.precision], f"{parameter}: {errors[i]:.2e} at {case.switches[i]}"


@coordinates
def test_every_truth_is_representable(case, coordinate):
    """So that `test_reference` asks for a finite answer at every point."""
    limits = np.finfo(np.float32)
    truth = np.abs(case.points(coordinate, "float32").partials)
    assert limits.tiny <= np.min(truth) and np.max(truth) <= limits.max


@quick
@coordinates
def test_shapes(case, coordinate, backend):
    """Elementwise in any shape, that of a scalar and that of nothing too."""
    points = case.points(coordinate, backend.precision)
    kernel = case.kernels[coordinate][0]
    for shape in [(2, 1, 3), (), (0,)]:
        size = math.prod(shape)
        values = backend.values(kernel, *(c[:size].reshape(shape) for c in (points.at, *points.params)))
        # not exactly the flat values: vector instructions and those for what is left of a row round differently
        np.testing.assert_allclose(values, points.partials[0, :size].reshape(shape), rtol=PARTIAL[backend.precision])


@quick
def test_beta_mirror(backend):
    """w = 1 - z ~ Beta(b, a): dx/db at x is -dx/da at -x with the shapes exchanged."""
    x, a, b = np.array([-3.0, 0.5, 20.0]), np.array([0.25, 2.0, 1.0]), np.array([3.0, 0.5, 100.0])
    by_b = backend.values(beta.dlogit_db, x, a, b)
    np.testing.assert_array_equal(by_b, -backend.values(beta.dlogit_da, -x, b, a))


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b.name.startswith("torch")], ids=str)
def test_fisher_next_to_its_plateau(backend):
    """d log x / d df1 = (dx/da - 1 / a) / 2 of Beta(a, b), where b is small and the odds a / b times x are large."""
    a, b = np.array([0.25, 2.5, 2.5, 40.0, 650.0]), np.array([2.0**-20, 2.0**-24, 0.03125, 2.0**-16, 2.0**-16])
    log_x = np.array([-10.0, -6.5, -1.0, -8.0, -10.0])
    found = backend.values(fisher_snedecor.dlogx_ddf1, log_x, 2.0 * a, 2.0 * b)
    with mp.workdps(50):
        logits = [mp.mpf(v) + mp.log(mp.mpf(p) / mp.mpf(q)) for v, p, q in zip(log_x, a, b, strict=True)]
        exact = [beta_partial(p, q, x)[0] - 1 / mp.mpf(p) for p, q, x in zip(a, b, logits, strict=True)]
    np.testing.assert_allclose(found, 0.5 * np.array(exact, dtype=np.float64), rtol=PARTIAL[backend.precision])


@quick
def test_student_t_in_t(backend):
    """dt/dnu is odd, 0 at 0 and t d log|t| / dnu elsewhere."""
    t, nu = np.array([0.0, 1e-8, 0.5, 3.0, 1e6]), np.array([1.0, 0.5, 2.0, 30.0, 5.0])
    values, mirrored = np.split(backend.values(student_t.dt_dnu, np.append(t, -t), np.append(nu, nu)), 2)
    np.testing.assert_allclose(mirrored, -values, rtol=8 * backend.eps)
    assert values[0] == 0.0
    expected = t[1:] * backend.values(student_t.dlogt_dnu, np.log(t[1:]), nu[1:])
    # log|t| is rounded once more on one of the ways: some eps |log t| nu of the answer
    np.testing.assert_allclose(values[1:], expected, rtol=100 * backend.eps)
