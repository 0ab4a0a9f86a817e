"""Supports that reach to infinity: the hosts' guides and samplers take the bijection of a distribution's `support`."""

import numpy as np
import pytest
from mpmath import mp

from tests import families
from tests.adapters import over

MAKE = {
    "Pareto": lambda dist, a: dist.Pareto(a([0.5, 2.0]), 2.0),
    "Levy": lambda dist, a: dist.Levy(a([-1.0, 2.0]), 2.0),
    "LowerTruncatedPowerLaw": lambda dist, a: dist.LowerTruncatedPowerLaw(-2.0, a([0.5, 2.0])),
    "LogUniform": lambda dist, a: dist.LogUniform(a([0.5, 2.0]), 3.0),
    "GeneralizedPareto": lambda dist, a: dist.GeneralizedPareto(0.5, 2.0, a([0.5, -0.5])),
    "GeneralizedExtremeValue": lambda dist, a: dist.GeneralizedExtremeValue(0.5, 2.0, a([0.5, -0.5, 0.0])),
    "truncated from": lambda dist, a: dist.Truncated(dist.GeneralizedPareto(0.5, 2.0, a([0.5, -0.5])), low=1.0),
    "truncated to": lambda dist, a: dist.Truncated(dist.GeneralizedExtremeValue(0.5, 2.0, a([0.5, -0.5])), high=1.0),
}


@pytest.mark.parametrize("name", MAKE)
def test_the_bijection_of_a_support(adapter, name):
    """It maps the real line into the support and back, and its Jacobian is its derivative's."""
    x, step = np.array([[-1.5], [0.25], [2.0]]), 2.0**-7

    @adapter.jit
    def evaluate(x):
        d = MAKE[name](adapter.dist, adapter.array)
        bijection = adapter.dist.transforms.biject_to(d.support)
        x = x + adapter.array(np.zeros(d.batch_shape))
        y = bijection(x)
        back, log_slope = bijection.inv(y), bijection.log_abs_det_jacobian(x, y)
        return x, d.support.check(y), back, log_slope, bijection(x + step), bijection(x - step)

    x, inside, back, log_slope, above, below = map(adapter.numpy, evaluate(adapter.array(x)))
    assert inside.all() and np.isfinite(above).all()
    np.testing.assert_allclose(back, x, atol=3e-6)
    # a central difference: step**2 / 6, and rounding of y in float32
    slope = (above.astype(np.float64) - below) / (2.0 * step)
    np.testing.assert_allclose(log_slope, np.log(slope), atol=3e-4)


# distribution -> draws that rounding would put onto an end where the density is 0 or infinite, or beyond one
ROUNDED = {
    "AffineBeta": lambda dist, a: dist.AffineBeta(a(0.3), 0.3, 1e3, 1e-2),
    "Levy": lambda dist, a: dist.Levy(a(1e6), 1e-6),
    "LowerTruncatedPowerLaw": lambda dist, a: dist.LowerTruncatedPowerLaw(-4.5, a(4762.61)),
    "Pareto": lambda dist, a: dist.Pareto(a(3.3), 1e6),
    "Wrapped": lambda dist, a: dist.Wrapped(dist.Normal(a(3.0 * np.pi), 1e-5)),
    "a truncated Gamma": lambda dist, a: dist.Truncated(dist.Gamma(a(0.01), 1.0), high=1e-30),
    "a truncated Beta": lambda dist, a: dist.Truncated(dist.Beta(a(0.01), 0.01), low=0.9999),
}


COMPILED_LONG = ROUNDED["AffineBeta"], ROUNDED["a truncated Beta"]


@over(ROUNDED, "make", when=lambda a, make: a.eager or make not in COMPILED_LONG)
def test_draws_stay_off_the_ends(adapter, make):
    d = make(adapter.dist, adapter.array)
    x = adapter.draw(d, adapter.key(0), (1000,))
    assert adapter.numpy(adapter.contains(d.support, x)).all()
    if make is not ROUNDED["Wrapped"]:  # of which no end is one of the density
        if make in (ROUNDED["Levy"], ROUNDED["LowerTruncatedPowerLaw"]):
            by_uniform = adapter.irg.from_uniform(d, adapter.array(np.linspace(0.0, 1.0, 101)))
            assert adapter.numpy(adapter.contains(d.support, by_uniform)).all()
        assert np.isfinite(adapter.numpy(d.log_prob(x))).all()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("end", [np.pi, -np.pi])
def test_an_angle_of_pi(adapter, end, precision):
    """It is no end: log p = kappa cos(x - mu) - log(2 pi I0(kappa)) goes on, and what moves with mu goes on with it.

    JAX takes half the derivative of a maximum of two equal numbers; float32's number next to pi is larger than pi.
    """
    kappa, rtol = 2.0, 2e-6 if precision == "float32" else 1e-12
    normalizer = float(mp.log(2 * mp.pi * mp.besseli(0, kappa)))

    def log_prob(params):
        return adapter.dist.VonMises(params["loc"], kappa).log_prob(params["x"])

    def moved(params):
        return adapter.draw(adapter.dist.VonMises(params["loc"], kappa), adapter.key(0))

    with adapter.precision(precision):
        for loc, x in ((end, 0.3), (0.5, end), (3.0 * end, 0.3)):
            value, slopes = adapter.value_and_slopes(log_prob)(adapter.arrays({"loc": loc, "x": x}))
            slope = kappa * np.sin(x - loc)
            np.testing.assert_allclose(adapter.numpy(value), kappa * np.cos(x - loc) - normalizer, rtol=rtol)
            np.testing.assert_allclose(adapter.numpy(slopes["loc"]), slope, rtol=rtol)
            np.testing.assert_allclose(adapter.numpy(slopes["x"]), -slope, rtol=rtol)
        assert float(adapter.numpy(adapter.value_and_slopes(moved)(adapter.arrays({"loc": end}))[1]["loc"])) == 1.0


AT_INFINITY = {
    row.name: {name: float(value) for name, value in row.points[0].items()}
    for row in families.ROWS
    if row.points and not row.of_vectors and row.name not in ("MatrixNormal", "SineBivariateVonMises")
}
COMPILED = ("Beta", "StudentT", "JohnsonSU", "VonMises", "BetaPrime")


@over(
    {name: name for name in AT_INFINITY},
    "name",
    when=lambda a, name: (
        hasattr(getattr(a.dist, name, None), "log_cdf")
        and not name.startswith("Stable")
        and (a.eager or name in COMPILED)
    ),
)
def test_the_distribution_function_at_infinity(adapter, name):
    """It is 0 or 1, whatever the parameters: gradients in them were NaN, log_sf of a heavy tail -3,000."""
    x = adapter.array([-np.inf, np.inf])

    def masses(params):
        d = getattr(adapter.dist, name)(**params, validate_args=False)
        return {key: getattr(d, key)(x) for key in ("cdf", "log_cdf", "log_sf")}

    found, slopes = adapter.jit(adapter.value_and_slopes(masses))(adapter.arrays(AT_INFINITY[name]))
    for key, limits in (("cdf", (0.0, 1.0)), ("log_cdf", (-np.inf, 0.0)), ("log_sf", (0.0, -np.inf))):
        np.testing.assert_array_equal(adapter.numpy(found[key]), limits)
        for parameter, slope in slopes[key].items():
            np.testing.assert_array_equal(adapter.numpy(slope), 0.0, err_msg=parameter)
