"""Both tails of each family by its oracle, at random parameters and far out."""

import numpy as np
import pytest
import torch

import pyro_irg.xp
from irg_kernels.generic.family import from_coordinate
from tests.kernels.test_families import RECORDS
from tests.rows import ROWS

SWEPT = {row.name: row for row in ROWS if row.ranges and row.masses and row.name in RECORDS}
BOUND_TOGETHER = ("NormalInverseGaussian",)
"""Of which one parameter must not exceed another."""
COUNT = 120


def parameters(row, record, rng):
    """Those of its ranges, half of the positive ones within a factor of 10 of 1."""
    params = {key: np.full(COUNT, float(value)) for key, value in row.tails[0].items()}
    params |= {key: np.asarray(draw(rng, COUNT), float) for key, draw in row.ranges.items()}
    if not record.order and row.name not in BOUND_TOGETHER:
        ordinary = rng.uniform(size=COUNT) < 0.5
        for key in row.ranges:
            near = 10.0 ** rng.uniform(-1.0, 1.0, COUNT)
            if record.parameters[key] == "positive":
                params[key] = np.where(ordinary, near, params[key])
    return {key: params[key] for key in record.parameters}


@pytest.mark.parametrize("name", SWEPT)
def test_tails(name):
    row, record, rng = SWEPT[name], RECORDS[name], np.random.default_rng(11)
    params = parameters(row, record, rng)
    u = rng.uniform(size=COUNT) ** rng.choice([1, 1, 3, 8], COUNT)
    u = torch.tensor(np.where(rng.uniform(size=COUNT) < 0.5, u, 1.0 - u)).clamp(1e-12, 1.0 - 1e-12)
    args = [torch.tensor(values) for values in params.values()]
    found = record.quantile.find(pyro_irg.xp, u, 1.0 - u, *args)
    x = from_coordinate(pyro_irg.xp, record.quantile.coordinate, found)
    smaller = np.minimum(*(tail.numpy() for tail in record.log_tails(pyro_irg.xp, x, *args)))
    low, high = (end(pyro_irg.xp, *args) if callable(end) else end for end in record.support)
    for i in np.flatnonzero((x > low) & (x < high)):
        place = {key: float(params[key][i]) for key in row.tails[0]}  # in the order of the class
        truth = float(min(row.log_masses(float(x[i]), place)))
        assert abs(smaller[i] - truth) <= 1e-10 * max(1.0, abs(truth)), (float(x[i]), place, smaller[i], truth)


def test_just_above_the_location_of_an_exponentially_modified_gaussian():
    """Where neither the difference of two Mills' ratios nor its integral over the rate is far from the other."""
    name = "ExponentiallyModifiedGaussian"
    x, rate = (grid.ravel() for grid in np.meshgrid(np.linspace(0.05, 0.95, 10), np.linspace(0.05, 1.2, 12)))
    params = {"loc": np.zeros(x.size), "scale": np.ones(x.size), "rate": rate}
    args = [torch.tensor(params[key]) for key in RECORDS[name].parameters]
    found = np.stack([tail.numpy() for tail in RECORDS[name].log_tails(pyro_irg.xp, torch.tensor(x), *args)], -1)
    truth = [SWEPT[name].log_masses(v, {"loc": 0.0, "scale": 1.0, "rate": r}) for v, r in zip(x, rate, strict=True)]
    np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-13)
