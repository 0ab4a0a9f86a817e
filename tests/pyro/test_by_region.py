"""Partials by regions, as a float32 draw takes them in backward, against mpmath: over all reference points at once, and
next to each region's border."""

import numpy as np
import pytest
import torch

from irg_kernels.families import gamma
from irg_kernels.generic import by_region
from pyro_irg.attach import attach
from tests.cases import COORDINATES, PARTIAL

RULES = {"gamma-log_z": by_region.GAMMA_LOG, "beta-logit_z": by_region.BETA, "student_t-log_t": by_region.STUDENT_T_LOG}


PRECISIONS = pytest.mark.parametrize("precision", ["float32", "float64"])


def pulled(name, at, params, precision="float32"):
    """The partials by the rule, and by the kernels that it stands for."""
    case, coordinate = COORDINATES[name]
    columns = [torch.tensor(c, dtype=getattr(torch, precision)) for c in (at, *params)]
    found = []
    for rule in (RULES[name]._replace(least=0, share=0.0), None):
        inputs = [c.clone().requires_grad_() for c in columns[1:]]
        draw = attach(case.kernels[coordinate], columns[0], *inputs, by_region=rule)
        found.append(np.stack([g.double().numpy() for g in torch.autograd.grad(draw.sum(), inputs)]))
    return found


@PRECISIONS
@pytest.mark.parametrize("name", RULES)
def test_reference(name, precision):
    case, coordinate = COORDINATES[name]
    points = case.points(coordinate, precision)
    errors = np.abs(pulled(name, points.at, points.params, precision)[0] / points.partials - 1.0)
    assert np.max(errors) <= PARTIAL[precision], points.rows[int(np.argmax(errors.max(0)))]  # nor NaN


def many(name, count):
    """Coordinates and parameters with most quantiles, over several decades."""
    random = np.random.default_rng(0)

    def size(least, most):
        return np.exp(random.uniform(np.log(least), np.log(most), count))

    a, b = size(1e-6, 1e8), size(1e-6, 1e8)

    def log_gamma(a):
        return np.log(random.gamma(a + 1.0)) + np.log(random.uniform(1e-30, 1.0, count)) / a

    if name == "beta-logit_z":
        return log_gamma(a) - log_gamma(b), [a, b]
    if name == "student_t-log_t":
        return np.log(np.abs(random.normal(size=count))) + 0.5 * (np.log(0.5 * a) - log_gamma(0.5 * a)), [a]
    return log_gamma(a), [a]


@PRECISIONS
@pytest.mark.parametrize("name", RULES)
def test_kernels(name, precision):
    """Where the kernels, which `test_partials` holds to mpmath, and the rule differ, it is by twice what each may err:
    over draws by the thousand, many of them next to a border."""
    at, params = many(name, 20_000)
    found, expected = pulled(name, at.astype(precision), np.asarray(params, dtype=precision), precision)
    np.testing.assert_allclose(found, expected, rtol=2 * PARTIAL[precision])


def test_gamma_at_its_mode():
    """z = a, where the table's first factor is 0/0."""
    a = torch.tensor([1.0, 2.0, 64.0, 1e6])
    found = []
    for rule in (by_region.GAMMA._replace(least=0), None):
        concentration, rate = a.clone().requires_grad_(), torch.ones(4, requires_grad=True)
        draw = attach((gamma.dx_da, gamma.dx_drate), a, concentration, rate, by_region=rule)
        found.append(torch.stack(torch.autograd.grad(draw.sum(), (concentration, rate))))
    np.testing.assert_allclose(*found, rtol=PARTIAL["float32"])
