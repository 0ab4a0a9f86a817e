"""Mixtures of normal distributions with diagonal covariances, by their names: gradients of expectations, laws, errors.

What the paths are is in `pyro/` and, of mixtures of vectors, in `test_mixture.py`.
"""

import functools
import math

import numpy as np
import pytest
from mpmath import mp

from tests.checks import assert_unbiased, exact_gradient
from tests.multivariate import assert_well_behaved

N = 20_000
LOGITS = (0.5, -0.25, 0.125)
ROWS = {
    "MixtureOfDiagNormals": {
        "locs": ((0.0, 0.5), (1.5, -0.5), (-1.0, 2.0)),
        "coord_scale": ((1.0, 0.5), (0.75, 1.5), (0.5, 1.0)),
        "component_logits": LOGITS,
    },
    "MixtureOfDiagNormalsSharedCovariance": {
        "locs": ((0.0, 0.5), (1.5, -0.5), (-1.0, 2.0)),
        "coord_scale": (1.0, 0.5),
        "component_logits": LOGITS,
    },
    "GaussianScaleMixture": {
        "coord_scale": (1.0, 0.5),
        "component_logits": LOGITS,
        "component_scale": (0.25, 1.0, 2.0),
    },
}
NAMES = pytest.mark.parametrize("name", ROWS)


def components(locs=None, coord_scale=None, component_logits=None, component_scale=None):
    """(weights, locations, scales), of flat parameters"""
    total = mp.fsum(map(mp.exp, component_logits))
    weights, k = [mp.exp(w) / total for w in component_logits], len(component_logits)
    d = len(coord_scale) // k if len(coord_scale) > 2 else len(coord_scale)
    locs = [0] * (k * d) if locs is None else locs
    scales = [coord_scale[(i * d + j) % len(coord_scale)] for i in range(k) for j in range(d)]
    if component_scale is not None:
        scales = [s * component_scale[i // d] for i, s in enumerate(scales)]
    return weights, [locs[i * d : i * d + d] for i in range(k)], [scales[i * d : i * d + d] for i in range(k)]


def cosine(**params):
    """E[cos(sum of x)]"""
    return mp.fsum(
        w * mp.exp(-mp.fsum(s * s for s in scales) / 2) * mp.cos(mp.fsum(m))
        for w, m, scales in zip(*components(**params), strict=True)
    )


def squares(**params):
    """E[product of x**2]"""
    return mp.fsum(
        w * mp.fprod(a * a + s * s for a, s in zip(m, scales, strict=True))
        for w, m, scales in zip(*components(**params), strict=True)
    )


EXACT = {"cosine": cosine, "squares": squares}


@functools.cache
def observed(adapter, name):
    def parts(params, key):
        x = adapter.draw(getattr(adapter.dist, name)(**params, validate_args=False), key)
        return {"cosine": adapter.xp.cos(x.sum(-1)), "squares": x[..., 0] ** 2 * x[..., 1] ** 2}

    return adapter.jit(adapter.value_and_slopes(parts))


@NAMES
def test_gradients(adapter, name):
    """Of two expectations that no coordinate has for itself."""
    found, slopes = observed(adapter, name)(adapter.arrays(ROWS[name], (N,)), adapter.key(2))
    flat = {parameter: tuple(np.ravel(value)) for parameter, value in ROWS[name].items()}
    for kind, function in EXACT.items():
        assert_unbiased(adapter.numpy(found[kind]), float(function(**flat)), 0.0, kind)
        for parameter, truth in exact_gradient(function, flat).items():
            slope = adapter.numpy(slopes[kind][parameter])
            assert_unbiased(slope.reshape(N, -1), truth, 1e-5, (kind, parameter))


@NAMES
def test_density_and_moments(adapter, name):
    flat = {parameter: tuple(np.ravel(value)) for parameter, value in ROWS[name].items()}
    x = np.array([0.3, -1.25])
    weights, locs, scales = (np.array(part, dtype=float) for part in components(**flat))
    z = (x - locs) / scales
    each = np.exp(-0.5 * z * z).prod(-1) / scales.prod(-1) / (2.0 * math.pi)
    mean = weights @ locs
    with adapter.precision("float64"):
        d = getattr(adapter.dist, name)(**adapter.arrays(ROWS[name]))
        np.testing.assert_allclose(adapter.numpy(d.log_prob(adapter.array(x))), math.log(weights @ each), rtol=1e-13)
        np.testing.assert_allclose(adapter.numpy(d.mean), mean, rtol=1e-14)
        np.testing.assert_allclose(adapter.numpy(d.variance), weights @ (scales**2 + (locs - mean) ** 2), rtol=1e-13)


@NAMES
def test_shapes_and_copies(adapter, name):
    d = getattr(adapter.dist, name)(**adapter.arrays(ROWS[name], (2,)))
    assert_well_behaved(adapter, d)
    if adapter.eager:
        assert d.from_uniform(adapter.array([0.5, 0.25])).shape == (2, 2)


def test_errors(adapter):
    array, dist = adapter.array, adapter.dist
    with pytest.raises(ValueError, match=r"component_logits of shape \(2,\).*; expected \(..., D\), \(..., K\) and"):
        dist.GaussianScaleMixture(array([1.0, 0.5]), array([0.0, 0.0]), array([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="component_scale"):
        dist.GaussianScaleMixture(array([1.0]), array([0.0, 0.0]), array([1.0, -2.0]), validate_args=True)
    with pytest.raises(ValueError, match=r"coord_scale of shape \(3, 1\).*; expected \(..., K, D\), \(..., K, D\) and"):
        dist.MixtureOfDiagNormals(array(np.zeros((3, 2))), array(np.ones((3, 1))), array(LOGITS))
    with pytest.raises(ValueError, match="their batch axes do not broadcast"):
        dist.GaussianScaleMixture(array(np.ones((2, 1))), array(np.zeros((3, 1))), array(np.ones((3, 1))))
