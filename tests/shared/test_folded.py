"""Values of which the sign is gone: masses and slopes of |x|, by mpmath, not those of an x above 0."""

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.families import BY_NAME

# name -> parameters; a value in the bulk, one far out, where 1 - F is nothing beside 1 in float32, and one next to
# 0, where F(x) and F(-x) are nearly one number
ROWS = {
    "Normal": ({"loc": 0.5, "scale": 1.0}, (0.75, 8.0, 1e-6)),
    "StudentT": ({"df": 3.0, "loc": -0.5, "scale": 2.0}, (1.5, 90.0, 1e-3)),
    "VonMises": ({"loc": 1.0, "concentration": 2.0}, (0.5, 2.0, 1e-4)),
}


def masses(name, x, params):
    """(F(x), 1 - F(x)) of |X|."""
    (below, _), (until, above) = (BY_NAME[name].masses(end, *params) for end in (-x, x))
    return until - below, below + above


def truth(name, x, params):
    """Logarithms of both masses, and d x / d parameter where F(x) stays."""
    with mp.workdps(60):
        x, params, step = mp.mpf(x), [mp.mpf(v) for v in params], mp.mpf("1e-20")

        def difference(i):
            up, down = ([v + by * (i == j) for j, v in enumerate((x, *params))] for by in (step, -step))
            return (masses(name, up[0], up[1:])[1] - masses(name, down[0], down[1:])[1]) / (2 * step)

        density, *slopes = map(difference, range(len(params) + 1))
        return *(float(mp.log(mass)) for mass in masses(name, x, params)), [float(-s / density) for s in slopes]


@pytest.mark.parametrize("name", ROWS)
def test_masses_and_slopes(adapter, name):
    params, values = ROWS[name]
    folded = adapter.host.FoldedDistribution(
        getattr(adapter.dist, name)(**{k: adapter.array(v) for k, v in params.items()})
    )
    for x in values:
        lower, upper, slopes = truth(name, x, list(params.values()))
        value = adapter.array(x)
        for cls, expected in ("LeftCensoredDistribution", lower), ("RightCensoredDistribution", upper):
            found = getattr(adapter.dist, cls)(folded, 1).log_prob(value)
            np.testing.assert_allclose(adapter.numpy(found), expected, rtol=2e-6, atol=1e-6, err_msg=cls)
        found = adapter.irg.implicit_gradients(folded, value)
        for key, slope in zip(params, slopes, strict=True):
            mine = adapter.numpy(found[f"base_dist.{key}"])
            np.testing.assert_allclose(mine, slope, rtol=1e-5, atol=1e-6, err_msg=key)


def test_mixtures_and_truncations(adapter):
    dist, loc = adapter.dist, adapter.array([0.5, 1.0])
    logits = adapter.array([0.0, 0.5])

    def made(loc):
        return dist.MixtureSameFamily(
            dist.Categorical(logits=logits), adapter.host.FoldedDistribution(dist.Normal(loc, 1.0))
        )

    x = adapter.detached_draw(made(loc), adapter.key(0), (1000,))
    assert (adapter.numpy(x) > 0.0).all() and abs(adapter.numpy(x).mean() - 1.05) < 0.1
    one = adapter.host.FoldedDistribution(dist.Normal(loc[0], 1.0))
    truncated = dist.TruncatedDistribution(one, adapter.array(0.5), adapter.array(1.0))
    inside = float(np.exp(truth("Normal", 1.0, [0.5, 1.0])[0]) - np.exp(truth("Normal", 0.5, [0.5, 1.0])[0]))
    expected = adapter.numpy(one.log_prob(adapter.array(0.75))) - np.log(inside)
    np.testing.assert_allclose(adapter.numpy(truncated.log_prob(adapter.array(0.75))), expected, rtol=1e-5)


def test_other_maps_that_fold_have_no_path(adapter):
    transforms, value = adapter.transforms, adapter.array(0.75)
    one = transforms.AbsTransform()
    for transform in one, transforms.ComposeTransform([one, transforms.ExpTransform()]):
        fn = adapter.host.TransformedDistribution(adapter.dist.Normal(adapter.array(0.5), 1.0), [transform])
        with pytest.raises(NotImplementedError, match="implicit_gradients does not take TransformedDistribution"):
            adapter.irg.implicit_gradients(fn, adapter.array(2.0))
        with pytest.raises(ValueError, match="TransformedDistribution has no cdf"):
            adapter.dist.TruncatedDistribution(fn, value, value + 1.0)


def test_bounds_at_the_ends(adapter):
    """They cut nothing off: 0, where there is no mass below, and infinity, up to which no integral about 0 goes."""
    dist, q = adapter.dist, adapter.array([0.25, 0.5])
    folded = adapter.host.FoldedDistribution(dist.Normal(adapter.array(0.5), adapter.array(1.0)))
    plain = adapter.numpy(folded.log_prob(q))
    for low, high in ((0.0, None), (None, np.inf), (0.0, np.inf)):
        bounded = dist.Truncated(folded, low=low, high=high)
        np.testing.assert_allclose(adapter.numpy(bounded.log_prob(q)), plain, rtol=2e-6)
        x = adapter.numpy(bounded.icdf(q))
        np.testing.assert_allclose(stats.norm.cdf(x, 0.5) - stats.norm.cdf(-x, 0.5), [0.25, 0.5], rtol=2e-6)
    from_a_tenth = (dist.Truncated(folded, low=0.1, high=high).log_prob(q) for high in (None, np.inf))
    np.testing.assert_allclose(*map(adapter.numpy, from_a_tenth), rtol=2e-6)
