"""Log-densities at large concentrations, of which the hosts' formulas lose whole nats in float32, and a partial at the
least normal number, against mpmath."""

import numpy as np
import pytest
from mpmath import mp

from tests.families import BY_NAME

# (class, parameters, value); what float32 gave by other formulas
POINTS = [
    ("LogGamma", {"concentration": 1e6, "rate": 1.0}, 13.8155),  # 5.000
    ("LogGamma", {"concentration": 1e4, "rate": 1.0}, 9.2),  # 3.15625
    ("Gamma", {"concentration": 1e6, "rate": 1.0}, 1.0005e6),  # -8.000
    ("StudentT", {"df": 1e6, "loc": 0.0, "scale": 1.0}, 1.0),  # -1.5000
    ("VonMises", {"loc": 0.0, "concentration": 1e6}, 0.001),  # 5.5625
    ("Beta", {"concentration1": 1e5, "concentration0": 1e5}, 0.501),  # 5.25
    ("InverseGamma", {"concentration": 1e6, "rate": 1.0}, 1e-6),  # 20.0
    ("Chi2", {"df": 1e6}, 1.001e6),  # -8.0
    # (x / scale)**power is 1e-300, beyond what float32's arithmetic in float64 keeps; of its quantile 0.001
    ("GeneralizedGamma", {"concentration": 0.01, "scale": 1.0, "power": 20.0}, 9.72e-16),  # 29.470
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("name", "params", "value"), POINTS, ids=lambda point: point if isinstance(point, str) else "")
def test_log_prob(adapter, name, params, value, precision):
    with adapter.precision(precision):
        d = getattr(adapter.dist, name)(**adapter.arrays(params))
        x, found = adapter.array(value), d.log_prob(adapter.array(value))
        parameters = [float(adapter.numpy(getattr(d, parameter))) for parameter in d.family.parameters]
        with mp.workdps(50):
            exact = BY_NAME[name].log_density(mp.mpf(float(adapter.numpy(x))), *map(mp.mpf, parameters))
        allowed = 1e-6 if precision == "float32" else 1e-13
        assert abs(float(adapter.numpy(found)) - float(exact)) <= allowed * abs(float(exact))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_partial_at_the_least_normal_number(adapter, precision):
    """dz / da = z (digamma(a + 1) - log z) / a for z far below 1, where P(Z <= z) = z**a / Gamma(a + 1)."""
    z = float(np.finfo(precision).tiny)
    with adapter.precision(precision):
        d = adapter.dist.Gamma(**adapter.arrays({"concentration": 0.05, "rate": 1e-3}))
        found = float(adapter.numpy(adapter.irg.implicit_gradients(d, adapter.array(z))["concentration"]))
        a, rate = (mp.mpf(float(adapter.numpy(p))) for p in (d.concentration, d.rate))
    exact = z * (mp.digamma(a + 1) - mp.log(rate * z)) / a
    assert abs(found / float(exact) - 1.0) <= (2e-6 if precision == "float32" else 1e-12)
