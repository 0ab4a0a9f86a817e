"""Derivatives of the partials by automatic differentiation, against mpmath.

(In JAX's float64 those of `attach` are tested, along the quantile.)
"""

import numpy as np
import pytest

import pyro_irg.xp
from irg_kernels.families import beta, gamma, student_t, von_mises
from tests.cases import COORDINATES, SECOND
from tests.kernels.backends import QUICKEST


def tolerance(family, backend):
    # torch.digamma's derivative, torch.polygamma(1, x), is wrong by up to 5e-10 in float64 for x from 0.1 to 10 (the
    # "low-precision" function of pytorch/pytorch#4399); in wide and narrow float32 that does not show
    if family == "gamma" and backend.xp is pyro_irg.xp and backend.precision == "float64":
        return 1e-9
    return SECOND[backend.precision]


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
@pytest.mark.parametrize(("case", "coordinate"), COORDINATES.values(), ids=COORDINATES)
def test_reference(case, coordinate, backend):
    points = case.points(coordinate, backend.precision, second=True)
    names = (coordinate, *case.parameters)
    for parameter, kernel, partials, truth in zip(
        case.parameters, case.kernels[coordinate], points.partials, points.second, strict=True
    ):
        slopes = backend.slopes(kernel, points.at, *points.params)
        errors = np.abs(slopes - truth) / np.maximum(np.abs(truth), np.abs(partials) / points.units)
        errors[np.isnan(errors)] = np.inf
        j, i = np.unravel_index(np.argmax(errors), errors.shape)
        row = points.rows[i]
        assert errors[j, i] <= tolerance(case.family, backend), (
            f"d/d{names[j]} of the partial by {parameter}: {errors[j, i]:.2e} at params {row['params']}, "
            f"at {row['at']!r}, quantile {row['quantile']}"
        )


SHAPES = (1e-6, 1e-3, 0.5, 1.0, 2.0, 1e3, 1e6, 1e8)
LAST = float(np.nextafter(np.float32(np.pi), np.float32(0.0)))
ENDS = (1e-40, 1e-30, 0.5, 1.0 - 6e-8, 1.0)  # next to and at the ends of (0, 1); 1e-40 is subnormal in float32
DEGREES = (1e-3, 0.05, 0.5, 1.0, 1.9999, 2.0, 2.0001, 5.0, 1e3, 1e8, 1e10)
ANGLES = (0.0, 1e-45, 1e-30, 1e-8, 1.0, 3.0, LAST, float(np.float32(np.pi)), np.pi)
# kernel -> values of each argument, taken in all combinations: the ends of the support, draws that underflow, and
# some that no sampler returns
EDGES = {
    gamma.dlogz_da: ((-3e7, -1e6, -200.0, -100.0, -87.5, -1.0, 0.0, 5.0, 10.0, 20.0), SHAPES),
    gamma.dz_da: ((0.0, 1e-45, 1e-40, 1.2e-38, 1e-30, 0.5, 1.0, 1e3, 1e6, 1e10), SHAPES),
    beta.dlogit_da: ((-3e7, -3e4, -1e3, -100.0, -1.0, 0.0, 1.0, 100.0, 1e3, 3e4, 3e7), SHAPES, SHAPES),
    beta.dz_da: ((0.0, *ENDS), SHAPES, SHAPES),
    student_t.dt_dnu: ((0.0, -0.0, 1e-45, 1e-38, 1e-20, 1.0, -1.0, 1e6, 1e18, 1e30), DEGREES),
    von_mises.dz_dkappa: (
        (*ANGLES, *(-z for z in ANGLES)),
        (0.0, 1e-40, 1e-8, 0.5, 15.999, 16.0, 47.99, 48.0, 1e4, 1e8, 1e12),
    ),
}


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
@pytest.mark.parametrize(
    "kernel", EDGES, ids=lambda kernel: f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}"
)
def test_edges_are_finite(kernel, backend):
    """The partial and its derivatives."""
    columns = [column.ravel() for column in np.meshgrid(*EDGES[kernel], indexing="ij")]
    values, slopes = backend.values_and_slopes(kernel, *columns)
    wrong = ~np.all(np.isfinite([values, *slopes]), axis=0)
    assert not np.any(wrong), (
        f"{np.sum(wrong)} points, {[tuple(float(c[i]) for c in columns) for i in np.flatnonzero(wrong)[:5]]}"
    )
