"""The oracles against closed forms, mpmath's own functions and SciPy; ``references.json`` against the oracles."""

import itertools
import math
import random

import numpy as np
import pytest
from mpmath import mp
from scipy import special, stats

from tests import oracles
from tests.case import references
from tests.cases import CASES
from tests.rows.beta import beta_partial, beta_quantile, beta_tails
from tests.rows.gamma import gamma_partial, gamma_quantile, gamma_tails
from tests.rows.student_t import student_t_partial, student_t_quantile
from tests.rows.von_mises import von_mises_partial, von_mises_partial_by_quadrature, von_mises_quantile

ORACLES = {case.family: case.oracle for case in CASES}


@pytest.fixture(autouse=True)
def working_precision():
    """60 digits for the closed forms: ten more than the oracles promise."""
    with mp.workdps(60):
        yield


def close(value, truth, digits=45):
    return abs(value - truth) <= mp.mpf(10) ** -digits * abs(truth)


# ------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("z", [1e-5, 0.7, 1.0, 30.0])
def test_gamma_at_one(z):
    """int_0^z log t e^-t dt = -gamma - e^-z log z - E_1(z) (DLMF 6.2.1 by parts) gives dP/da at a = 1."""
    z = mp.mpf(z)
    assert close(gamma_partial(1, mp.log(z))[0], (mp.log(z) + mp.euler + mp.exp(z) * mp.e1(z)) / z)


@pytest.mark.parametrize("a", [1e-6, 0.5, 30.0])
def test_gamma_far_below_the_floats(a):
    """P -> z^a / Gamma(a + 1) as z -> 0."""
    assert close(gamma_partial(a, -3e7)[0], (mp.digamma(1 + mp.mpf(a)) + mp.mpf(3e7)) / a)


@pytest.mark.parametrize(("a", "z"), [(0.02, 1e-9), (0.5, 3.0), (8.0, 0.25), (30.0, 90.0), (1000.0, 1000.0)])
def test_gamma_against_gammainc(a, z):
    """mpmath's own P(a, z), differentiated numerically."""
    (partial,) = gamma_partial(a, mp.log(z))
    with mp.workdps(100):
        slope = mp.diff(lambda a: mp.gammainc(a, 0, z, regularized=True), a)
        density = mp.exp(a * mp.log(z) - z - mp.loggamma(a))
        assert close(partial, -slope / density, 35)


@pytest.mark.parametrize(
    ("shape", "x"),
    [
        (0.001, -27000.0),
        (0.001, -3.0),
        (0.001, 27.0),
        (0.5, -50.0),
        (1.0, 0.0),
        (8.0, 0.5),
        (34051.0, 8.0),
        (34051.0, 13),
    ],
)
def test_beta_with_one_shape_one(shape, x):
    """F = z^a for Beta(a, 1); F = 1 - (1 - z)^b for Beta(1, b), its mirror image."""
    y = 1 / (1 + mp.exp(x))
    truth = mp.log1p(mp.exp(-mp.mpf(x))) / (shape * y)
    assert close(beta_partial(shape, 1, x)[0], truth)
    assert close(beta_partial(1, shape, -x)[1], -truth)


@pytest.mark.parametrize(("a", "b", "z"), [(0.3, 0.2, 1e-6), (2.0, 8.0, 0.25), (1.5, 0.75, 0.875), (50.0, 20.0, 0.75)])
def test_beta_against_betainc(a, b, z):
    """mpmath's own I_z(a, b), differentiated numerically."""
    by_a, by_b = beta_partial(a, b, mp.log(z) - mp.log1p(-mp.mpf(z)))
    with mp.workdps(100):
        density = mp.exp(a * mp.log(z) + b * mp.log1p(-mp.mpf(z))) / mp.beta(a, b)
        assert close(by_a, -mp.diff(lambda a: mp.betainc(a, b, 0, z, regularized=True), a) / density, 35)
        assert close(by_b, -mp.diff(lambda b: mp.betainc(a, b, 0, z, regularized=True), b) / density, 35)


@pytest.mark.parametrize("nu", [0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("t", [1e-8, 0.5, 100.0])
def test_student_t_against_its_cdf(nu, t):
    """F - 1/2 = t p(0) 2F1(1/2, (nu + 1)/2; 3/2; -t^2/nu), differentiated numerically: not by way of the beta
    distribution."""

    def density(t, nu):
        log_normalizer = mp.gamma((nu + 1) / 2) / mp.gamma(nu / 2) / mp.sqrt(mp.pi * nu)
        return log_normalizer * (1 + t**2 / nu) ** (-(nu + 1) / 2)

    def cdf(nu):
        return t * density(0, nu) * mp.hyp2f1(0.5, (nu + 1) / 2, 1.5, -(t**2) / nu)

    (partial,) = student_t_partial(nu, mp.log(t))
    with mp.workdps(100):
        t, nu = mp.mpf(t), mp.mpf(nu)
        assert close(partial, -mp.diff(cdf, nu) / (t * density(t, nu)), 35)


@pytest.mark.parametrize("t", [1e-8, 1.0, 5.0])
def test_student_t_with_many_degrees_of_freedom(t):
    """d log t / dnu -> -(t^2 + 1) / (4 nu^2); the next term is smaller by some t^4 / nu."""
    (partial,) = student_t_partial(1e12, mp.log(t))
    assert close(partial, -(mp.mpf(t) ** 2 + 1) / (4 * mp.mpf(10) ** 24), 9)


@pytest.mark.parametrize("kappa", [1e-8, 0.5, 10.5, 50.0])
@pytest.mark.parametrize("z", [-2.5, 1e-8, 3.0])
def test_von_mises_against_its_cdf(kappa, z):
    """The plain integral of the density, differentiated numerically; and the quadrature of the score."""

    def cdf(kappa):
        ends = [0, z / 64, z / 8, z / 4, z / 2, z]
        return mp.quad(lambda t: mp.exp(kappa * mp.cos(t)), ends) / (2 * mp.pi * mp.besseli(0, kappa))

    (partial,) = von_mises_partial(kappa, z)
    assert close(von_mises_partial_by_quadrature(kappa, z)[0], partial)
    if kappa * (1 - math.cos(z)) < 30:  # past that the plain integral cancels
        with mp.workdps(40):
            density = mp.exp(kappa * mp.cos(z)) / (2 * mp.pi * mp.besseli(0, kappa))
            assert close(partial, -mp.diff(cdf, kappa, h=mp.mpf("1e-12")) / density, 8)


@pytest.mark.parametrize("z", [-3.0, 1e-8, 1.0, math.pi - 1e-6])
def test_von_mises_limits(z):
    """-sin z at kappa = 0; towards -z / (2 kappa) as kappa grows, at z of the density's own width."""
    assert close(von_mises_partial(0, z)[0], -mp.sin(z))
    narrow = mp.mpf(z) / 100
    assert close(von_mises_partial(1e4, narrow)[0], -narrow / 20_000, 3)


# ------------------------------------------------------------------------------------------------- expectations


def expectation(partials, density, ends):
    """int partials(x) density(x) dx, one for each partial, by Gauss-Legendre with 16 nodes a piece: some 8 digits."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    means = 0
    with mp.workdps(30):
        for low, high in itertools.pairwise(ends):
            for node, weight in zip(nodes, weights, strict=True):
                x = (low + high) / 2 + (high - low) / 2 * mp.mpf(float(node))
                mass = density(x) * float(weight) * (high - low) / 2
                means += np.array([partial * mass for partial in partials(x)])
    return means


@pytest.mark.parametrize("a", [0.5, 8.0])
def test_gamma_mean_of_the_partial(a):
    """E log z = psi(a), so E[d log z / da] = psi'(a)."""
    ends = [-60, -20, -8, -2, 1, 2.5, 4.5]
    (mean,) = expectation(lambda u: gamma_partial(a, u), lambda u: gamma_tails(a, u)[2], ends)
    assert close(mean, mp.psi(1, a), 8)


def test_beta_mean_of_the_partials():
    """E logit z = psi(a) - psi(b), so E[dx/da] = psi'(a) and E[dx/db] = -psi'(b)."""
    a, b, ends = 0.5, 3.0, [-60, -20, -8, -3, 0, 4, 12]
    by_a, by_b = expectation(lambda x: beta_partial(a, b, x), lambda x: beta_tails(a, b, x)[2], ends)
    assert close(by_a, mp.psi(1, a), 8)
    assert close(by_b, -mp.psi(1, b), 8)


def test_student_t_mean_of_the_partial():
    """E log|t| = (log nu + psi(1/2) - psi(nu/2)) / 2; the density of log|t| is 2 dI/dX by the beta distribution."""
    nu, ends = 1.5, [-25, -8, -3, 0, 3, 8, 20]
    (mean,) = expectation(
        lambda u: student_t_partial(nu, u),
        lambda u: 2 * beta_tails(0.5, nu / 2, 2 * u - mp.log(nu))[2],
        ends,
    )
    assert close(mean, 1 / mp.mpf(2 * nu) - mp.psi(1, nu / 2) / 4, 8)


def test_von_mises_mean_of_the_partial():
    """E cos z = A = I_1 / I_0, so -E[sin z dz/dkappa] = A' = 1 - A^2 - A / kappa."""
    kappa = mp.mpf(2)
    ratio, log_normalizer = mp.besseli(1, kappa) / mp.besseli(0, kappa), 2 * mp.pi * mp.besseli(0, kappa)
    (mean,) = expectation(
        lambda z: von_mises_partial(kappa, z),
        lambda z: -2 * mp.sin(z) * mp.exp(kappa * mp.cos(z)) / log_normalizer,
        [0, 1, 2, +mp.pi],
    )
    assert close(mean, 1 - ratio**2 - ratio / kappa, 8)


# ------------------------------------------------------------------------------------------------- quantiles


@pytest.mark.parametrize("q", [1e-12, 0.1, 0.5, 0.9, 1 - 1e-6])
def test_quantiles_against_scipy(q):
    """Where SciPy is good; for von Mises, SciPy is good to 1e-6 or so."""
    upper = max(q, 1 - q) + (q == 0.5) * 0.25
    assert gamma_quantile(q, 3.0) == pytest.approx(math.log(special.gammaincinv(3.0, q)), rel=1e-9)
    assert beta_quantile(q, 2.0, 5.0) == pytest.approx(special.logit(special.betaincinv(2.0, 5.0, q)), rel=1e-9)
    assert beta_quantile(0.5, 2.0, 2.0) == 0.0
    t = stats.t.isf(1 - upper, 4.0)
    assert student_t_quantile(upper, 4.0) == pytest.approx(math.log(t), rel=1e-9)
    assert von_mises_quantile(q, 2.0) == pytest.approx(stats.vonmises.ppf(q, 2.0), rel=1e-5, abs=1e-12)


def test_partials_against_differences_of_scipy_quantiles():
    """SciPy's inverse CDFs, differenced in the parameter: nothing here is shared with the oracles."""
    h = 1e-5

    def slope(quantile, parameter):
        return (quantile(parameter * (1 + h)) - quantile(parameter * (1 - h))) / (2 * h * parameter)

    for q in (0.05, 0.6, 0.95):
        z = special.gammaincinv(3.0, q)
        expected = slope(lambda a: math.log(special.gammaincinv(a, q)), 3.0)  # noqa: B023
        assert float(gamma_partial(3.0, math.log(z))[0]) == pytest.approx(expected, rel=1e-7)
        x = special.logit(special.betaincinv(2.0, 5.0, q))
        expected = slope(lambda b: special.logit(special.betaincinv(2.0, b, q)), 5.0)  # noqa: B023
        assert float(beta_partial(2.0, 5.0, x)[1]) == pytest.approx(expected, rel=1e-7)
        u = math.log(abs(special.stdtrit(4.0, q)))
        expected = slope(lambda nu: math.log(abs(special.stdtrit(nu, q))), 4.0)  # noqa: B023
        assert float(student_t_partial(4.0, u)[0]) == pytest.approx(expected, rel=1e-6)


def test_student_t_quantile_below_the_median():
    with pytest.raises(ValueError, match=r"q = 0\.5 must be above 1/2"):
        student_t_quantile(0.5, 4.0)


# ------------------------------------------------------------------------------------------------- second derivatives


def test_derivatives_of_a_closed_form():
    """Of -log z / (a (1 - z)), Beta(a, 1)'s dx/da, by x and by a."""
    a, x = mp.mpf(3), mp.mpf("-1.5")
    z = 1 / (1 + mp.exp(-x))
    ((by_x, by_a),) = oracles.derivatives(lambda x, a: beta_partial(a, 1, x)[:1], [x, a])
    assert close(by_x, -1 / a - mp.log(z) * z / (a * (1 - z)), 20)
    assert close(by_a, mp.log(z) / (a**2 * (1 - z)), 20)


def test_derivatives_against_mpmath_diff():
    ((by_u, by_a),) = oracles.derivatives(lambda u, a: gamma_partial(a, u), [0.75, 5.0])
    with mp.workdps(30):
        assert close(mp.diff(lambda u: gamma_partial(5.0, u)[0], 0.75), by_u, 20)
        assert close(mp.diff(lambda a: gamma_partial(a, 0.75)[0], 5.0), by_a, 20)


def test_derivatives_too_small_for_a_double_are_zero():
    assert oracles.derivatives(lambda x: (mp.exp(-1000 * mp.mpf(x)),), [1.0]) == [[0]]


# ------------------------------------------------------------------------------------------------- references.json


def coordinate(row):
    return mp.log(row["at"]) if row.get("coordinate") == "z" else mp.mpf(row["at"])


@pytest.mark.parametrize("family", ORACLES)
def test_references_are_what_the_oracles_say(family):
    """A fixed random sample; parameters up to 1e4, above which an evaluation takes seconds."""
    cheap = [row for row in references()[family] if max(row["params"]) <= 1e4]
    for row in random.Random(20240501).sample(cheap, 20):
        oracle = ORACLES[family](*row["params"], coordinate(row))
        assert row["partials"] == [float(partial) for partial in oracle], row


@pytest.mark.parametrize("family", ORACLES)
def test_second_derivatives_are_what_the_oracles_say(family):
    cheap = [row for row in references()[family] if "second" in row and max(row["params"]) <= 100]
    for row in random.Random(20240501).sample(cheap, 2):
        slopes = oracles.derivatives(lambda x, *params: ORACLES[family](*params, x), [coordinate(row), *row["params"]])
        assert row["second"] == [[float(slope) for slope in line] for line in slopes], row


@pytest.mark.parametrize("family", ORACLES)
def test_references_are_well_formed(family):
    """Shapes, finiteness, float32 flags that are true, and the known sign of every partial."""
    (signs,) = (case.signs for case in CASES if case.family == family)
    for row in references()[family]:
        size = len(signs)
        assert len(row["params"]) == len(row["partials"]) == size
        assert all(map(math.isfinite, [*row["params"], row["at"], *row["partials"]])), row
        assert all(sign * partial > 0 for sign, partial in zip(signs, row["partials"], strict=True)), row
        assert not row["float32"] or all(float(np.float32(x)) == x for x in [*row["params"], row["at"]]), row
        assert np.shape(row.get("second", np.zeros((size, size + 1)))) == (size, size + 1), row
        if family == "gamma":
            assert row["at"] == row[row["coordinate"]] and (row["coordinate"] == "z") == (row["z"] >= 1e-30), row
        if family == "von_mises":
            assert 0 < row["at"] < math.pi and (not row["float32"] or np.float32(row["at"]) < np.float32(math.pi)), row
    assert sum("second" in row for row in references()[family]) >= 20
    assert sum(row["float32"] for row in references()[family]) >= 100
