"""The matrix itself: its references are exact, every cell is run or has a reason, docs/elbos.md says what is run."""

import numpy as np
import pytest
from mpmath import mp

from benchmarks.matrix import table
from benchmarks.tables import published
from tests.checks import exact_gradient
from tests.families import FAMILIES
from tests.matrix import ELBOS, GAPS, HOSTS, MODELS, SETTINGS, cells

families = {family.name: family for family in MODELS}


def test_every_family_is_in_it():
    """But InverseGaussian, which has nothing of its own before the hosts' inference."""
    assert families.keys() == {family.name for family in FAMILIES} - {"InverseGaussian"}


@pytest.mark.parametrize("host", HOSTS)
def test_every_cell_is_run_or_has_a_reason(host):
    run = [cell.values for cell in cells(host)]
    absent = {key[1:] for key, gap in GAPS.items() if key[0] == host and not gap.fault}
    assert len(run) == len(set(run))
    for family in MODELS:
        assert {cell[1:] for cell in run if cell[0] is family} | absent == {(e, s) for e in ELBOS for s in SETTINGS}


def test_page_has_the_table():
    assert published("matrix") == table(), "python -m benchmarks.matrix --write"


@pytest.mark.parametrize("family", MODELS, ids=str)
def test_nodes(family):
    """The guide's density integrates to 1, and so does the prior's."""
    x, log_weights = family.nodes()
    for params in (family.guide, family.prior):
        assert np.exp(log_weights + family.log_density(x, **params)).sum() == pytest.approx(1.0, abs=1e-5)


# E[log p(x)] + E[log N(y; log x, 1)] - E[log q(x)] but for a constant, in mpmath, where it has a closed form


def _gamma(concentration, rate):
    a, b = concentration, rate
    prior, y = families["Gamma"].prior, families["Gamma"].y
    log_x = mp.psi(0, a) - mp.log(b)
    entropy = a - mp.log(b) + mp.loggamma(a) + (1 - a) * mp.psi(0, a)
    likelihood = -((y - log_x) ** 2 + mp.psi(1, a)) / 2
    return (prior["concentration"] - 1) * log_x - prior["rate"] * a / b + likelihood + entropy


def _dirichlet(concentration):
    prior, y, total = families["Dirichlet"].prior["concentration"], families["Dirichlet"].y, mp.fsum(concentration)
    log_x = [mp.psi(0, a) - mp.psi(0, total) for a in concentration]
    cross = mp.fsum((p - a) * m for p, a, m in zip(prior, concentration, log_x, strict=True))
    log_normalizer = mp.fsum(map(mp.loggamma, concentration)) - mp.loggamma(total)
    variance = mp.psi(1, concentration[0]) - mp.psi(1, total)
    return cross + log_normalizer - ((y - log_x[0]) ** 2 + variance) / 2


@pytest.mark.parametrize(("name", "closed"), [("Gamma", _gamma), ("Dirichlet", _dirichlet)], ids=["Gamma", "Dirichlet"])
def test_gradient_has_a_closed_form(name, closed):
    for parameter, truth in exact_gradient(closed, families[name].guide).items():
        np.testing.assert_allclose(families[name].gradient("Trace", "plate")[parameter], truth, rtol=1e-5, atol=1e-6)


def test_renyi_by_draws():
    """RenyiELBO's expectation over pairs, against the mean over 400,000 pairs of NumPy's own draws."""
    family, rng, n = families["Gamma"], np.random.default_rng(8), 400_000
    a, b = family.guide.values()
    x = rng.gamma(a, 1.0 / b, (2, n))
    log_w = family.log_density(x, **family.prior) - 0.5 * (family.y - np.log(x)) ** 2
    log_w -= family.log_density(x, **family.guide)
    bounds = 2.0 * np.log(np.exp(0.5 * log_w).mean(0))
    error = bounds.std() / np.sqrt(n)
    assert abs(bounds.mean() - family.objective("Renyi", "plate", family.guide)) < 4.0 * error
