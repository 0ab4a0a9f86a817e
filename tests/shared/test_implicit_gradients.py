"""`implicit_gradients` of distributions made of others: what draws carry, element by element, and closed forms."""

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.adapters import compiled, over
from tests.families import BY_NAME
from tests.truncation import NORMAL, OTHERS, truth

MIXING = {"pyro": "mixture_distribution", "numpyro": "mixing_distribution"}


def mixture(dist, v, component):
    return dist.MixtureSameFamily(dist.Categorical(logits=v["logits"]), component)


def affine(adapter, base, *args):
    transform = adapter.transforms.AffineTransform(*args)
    return adapter.host.TransformedDistribution(base, [transform, adapter.transforms.ExpTransform()])


# name -> ((adapter, parameters) -> distribution, {parameter: (path, value)}); "mixing" stands for the host's name
ROWS = {
    "mixture": (
        lambda a, v: mixture(a.dist, v, a.dist.Gamma(v["concentration"], v["rate"])),
        {"logits": ("mixing.logits", [0.5, -0.25]),
         "concentration": ("component_distribution.concentration", [1.5, 4.0]),
         "rate": ("component_distribution.rate", [1.0, 2.0])},
    ),
    "mixture of vectors": (
        lambda a, v: mixture(a.dist, v, a.dist.Normal(v["loc"], v["scale"]).to_event(1)),
        {"logits": ("mixing.logits", [0.5, -0.25]),
         "loc": ("component_distribution.base_dist.loc", [[0.0, 1.0, 2.0], [1.0, 0.0, -1.0]]),
         "scale": ("component_distribution.base_dist.scale", [[1.0, 0.5, 2.0], [1.0, 1.5, 1.0]])},
    ),
    "MultivariateNormal": (
        lambda a, v: mixture(a.dist, v, a.dist.MultivariateNormal(v["loc"], scale_tril=v["scale_tril"])),
        {"logits": ("mixing.logits", [0.5, -0.25]), "loc": ("component_distribution.loc", [[0.0, 1.0], [1.0, -1.0]]),
         "scale_tril": ("component_distribution.scale_tril", [[[1.0, 0.0], [0.5, 0.75]], [[1.5, 0.0], [-0.5, 1.0]]])},
    ),
    "MixtureOfDiagNormals": (
        lambda a, v: a.dist.MixtureOfDiagNormals(v["locs"], v["coord_scale"], v["component_logits"]),
        {"locs": ("locs", [[0.0, 2.0], [1.0, 1.0]]), "coord_scale": ("coord_scale", [[1.0, 0.5], [1.0, 1.5]]),
         "component_logits": ("component_logits", [0.5, -0.25])},
    ),
    "MixtureGeneral": (
        lambda a, v: a.dist.MixtureGeneral(
            a.dist.Categorical(logits=v["logits"]), [a.dist.Normal(v["loc"], 1.0), a.dist.Logistic(0.5, v["scale"])]
        ),
        {"logits": ("mixing.logits", [0.5, -0.25]), "loc": ("component_distributions.0.loc", 1.0),
         "scale": ("component_distributions.1.scale", 0.5)},
    ),
    "GaussianCopula": (
        lambda a, v: a.dist.GaussianCopula(a.dist.Gamma(v["concentration"], 1.0), correlation_cholesky=v["factor"]),
        {"concentration": ("marginal_dist.concentration", [2.0, 3.0]),
         "factor": ("correlation_cholesky", [[1.0, 0.0], [0.6, 0.8]])},
    ),
    "GaussianCopulaBeta": (
        lambda a, v: a.dist.GaussianCopulaBeta(
            v["concentration1"], v["concentration0"], correlation_cholesky=v["factor"]
        ),
        {"concentration1": ("concentration1", [2.0, 3.0]), "concentration0": ("concentration0", [1.5, 2.0]),
         "factor": ("correlation_cholesky", [[1.0, 0.0], [0.6, 0.8]])},
    ),
    "Implicit": (
        lambda a, v: a.dist.Implicit(a.dist.Gamma(v["concentration"], 1.0)),
        {"concentration": ("base_dist.concentration", 2.0)},
    ),
    "ImplicitDensity": (
        lambda a, v: a.dist.ImplicitDensity(_quartic, a.dist.constraints.real, scale=v["scale"]),
        {"scale": ("scale", 2.0)},
    ),
    "ConditionalChain": (
        lambda a, v: a.dist.ConditionalChain(
            [lambda a_: a.dist.Normal(a_, 1.0), lambda x, a_: a.dist.Normal(x, a_)], a_=v["a_"]
        ),
        {"a_": ("a_", 2.0)},
    ),
    "Dirichlet": (
        lambda a, v: a.dist.Dirichlet(v["concentration"]), {"concentration": ("concentration", [0.6, 2.0, 1.5])},
    ),
    "VonMisesFisher": (
        lambda a, v: a.dist.VonMisesFisher(v["mean_direction"], v["concentration"]),
        {"mean_direction": ("mean_direction", [0.6, 0.8, 0.0]), "concentration": ("concentration", 3.0)},
    ),
    "PowerSpherical": (
        lambda a, v: a.dist.PowerSpherical(v["mean_direction"], v["concentration"]),
        {"mean_direction": ("mean_direction", [0.6, 0.8]), "concentration": ("concentration", 3.0)},
    ),
    "MultivariateStudentT": (
        lambda a, v: a.dist.MultivariateStudentT(v["df"], v["loc"], v["scale_tril"]),
        {"df": ("df", 3.0), "loc": ("loc", [0.5, -1.0]), "scale_tril": ("scale_tril", [[1.0, 0.0], [0.5, 0.75]])},
    ),
    "LKJCholesky": (
        lambda a, v: a.dist.LKJCholesky(3, v["concentration"]), {"concentration": ("concentration", 1.5)},
    ),
    "LKJ": (lambda a, v: a.dist.LKJ(3, v["concentration"]), {"concentration": ("concentration", 1.5)}),
    "cvine": (
        lambda a, v: a.dist.LKJCholesky(3, v["concentration"], "cvine"), {"concentration": ("concentration", 1.5)},
    ),
    **{
        name: (
            lambda a, v, name=name: getattr(a.dist, name)(v["concentration"], scale_tril=v["scale_tril"]),
            {"concentration": ("df" if name == "Wishart" else "concentration", 4.0),
             "scale_tril": ("scale_tril", [[1.0, 0.0], [0.5, 0.75]])},
        )
        for name in ("Wishart", "WishartCholesky", "InverseWishart", "InverseWishartCholesky")
    },
    "RelaxedOneHotCategorical": (
        lambda a, v: a.dist.RelaxedOneHotCategorical(v["temperature"], logits=v["logits"]),
        {"temperature": ("temperature", 0.7), "logits": ("logits", [0.5, -0.25, 1.0])},
    ),
    "RelaxedBernoulli": (
        lambda a, v: a.dist.RelaxedBernoulli(v["temperature"], logits=v["logits"]),
        {"temperature": ("temperature", 0.7), "logits": ("logits", 0.5)},
    ),
    "SineBivariateVonMises": (
        lambda a, v: a.dist.SineBivariateVonMises(v["loc"], 0.0, v["k1"], 2.0, v["rho"]),
        {"loc": ("phi_loc", 0.5), "k1": ("phi_concentration", 1.5), "rho": ("correlation", 1.0)},
    ),
    "SineSkewed": (
        lambda a, v: a.dist.SineSkewed(a.dist.VonMises(v["loc"], v["concentration"]).to_event(1), v["skewness"]),
        {"loc": ("base_dist.base_dist.loc", [0.5, -1.0]),
         "concentration": ("base_dist.base_dist.concentration", [2.0, 1.0]), "skewness": ("skewness", [0.3, -0.4])},
    ),
    "TransformedDistribution": (
        lambda a, v: affine(a, a.dist.Gamma(v["concentration"], 2.0), v["loc"], 0.5),
        {"concentration": ("base_dist.concentration", 2.0), "loc": ("transforms.0.loc", 0.25)},
    ),
}  # fmt: skip


def _quartic(x, scale):
    return -((x / scale) ** 4)


# of what is compiled for seconds in JAX, those that share least with one another
NOT_COMPILED = ("Dirichlet", "VonMisesFisher", "LKJCholesky", "LKJ", "Wishart", "WishartCholesky",
                "InverseWishartCholesky", "SineBivariateVonMises", "RelaxedBernoulli")  # fmt: skip


def there(adapter, row):
    if row == "cvine":
        return compiled(adapter)
    return (row[0].islower() or hasattr(adapter.dist, row)) and (adapter.eager or row not in NOT_COMPILED)


@over({name: name for name in ROWS}, "row", when=there,
      slow=lambda a, row: compiled(a) and row not in ("mixture", "Implicit"))  # fmt: skip
def test_what_draws_carry(adapter, row):
    """Each of 3 draws by itself, each coordinate by itself, has the derivatives that are reported for it."""
    make, given = ROWS[row]
    values = {name: adapter.array(value) for name, (_, value) in given.items()}
    key = adapter.key(0)

    x = adapter.detach(adapter.draw(make(adapter, values), key, (3,)))
    mine = adapter.irg.implicit_gradients(make(adapter, values), x)

    def elements(v):
        flat = adapter.draw(make(adapter, v), key, (3,)).reshape(-1)
        return {str(i): flat[i] for i in range(flat.shape[0])}

    _, slopes = adapter.value_and_slopes(elements)(values)
    for name, (path, value) in given.items():
        path = path.replace("mixing", MIXING[adapter.name])
        path = "concentration" if path == "df" and "df" not in mine else path
        expected = np.stack([adapter.numpy(slopes[str(i)][name]) for i in range(len(slopes))])
        own = np.shape(value)
        expected, atol = expected.reshape(*x.shape, *own), 2e-5 * np.abs(expected).max()
        np.testing.assert_allclose(adapter.numpy(mine[path]), expected, rtol=2e-5, atol=atol, err_msg=path)


SOME = {str(p): p for p in (*NORMAL[:2], NORMAL[4], next(p for p in OTHERS if p.base == "Gamma"))}


@over(SOME, "p", slow=lambda a, p: compiled(a) and p.base != "Normal")
def test_truncated_against_mpmath(adapter, p):
    with adapter.precision("float64"):
        params = [adapter.array(v) for _, v in p.params]
        d = adapter.dist.Truncated(getattr(adapter.dist, p.base)(*params), p.low, p.high)
        found = adapter.irg.implicit_gradients(d, adapter.array(p.xs))
        assert set(found) == {*(f"base_dist.{name}" for name, _ in p.params), *p.bounds}
        for i, (partials, _, _) in enumerate(truth(p)):
            for name, (partial, scale) in partials.items():
                mine = adapter.numpy(found.get(name, found.get(f"base_dist.{name}")))[i]
                assert abs(mine - partial) <= 1e-12 * scale


# of Pyro's all, of NumPyro's some are transformed distributions, and named like the others
MAPPED = {
    "HalfNormal": {"scale": 1.5},
    "HalfCauchy": {"scale": 1.5},
    "LogNormal": {"loc": 0.25, "scale": 0.5},
    "Gumbel": {"loc": 0.25, "scale": 0.5},
}


@pytest.mark.parametrize("name", MAPPED)
def test_truncated_by_the_names_of_its_parameters(adapter, name):
    params, low, high, x = MAPPED[name], 0.25, 2.0, 0.75
    d = adapter.dist.Truncated(getattr(adapter.dist, name)(**adapter.arrays(params)), low=low, high=high)
    found = adapter.irg.implicit_gradients(d, adapter.array(x))

    def share(x, *params):
        at_low, at_x, at_high = (BY_NAME[name].cdf_exactly(v, *params) for v in (low, x, high))
        return (at_x - at_low) / (at_high - at_low)

    point = [x, *params.values()]
    slopes = [mp.diff(share, point, n=tuple(int(i == j) for i in range(len(point)))) for j in range(len(point))]
    assert found.keys() == {"low", "high", *(f"base_dist.{key}" for key in params)}
    for key, slope in zip(params, slopes[1:], strict=True):
        np.testing.assert_allclose(adapter.numpy(found[f"base_dist.{key}"]), float(-slope / slopes[0]), rtol=2e-5)


def test_mixture_in_closed_form(adapter):
    """dx / d logit_k = -w_k (F_k - F) / p."""
    loc, scale, logits = np.array([0.0, 2.0]), np.array([1.0, 0.5]), np.array([0.5, -0.25])
    x = np.array([-1.0, 0.5, 1.75])
    with adapter.precision("float64"):
        dist = adapter.dist
        weights = dist.Categorical(logits=adapter.array(logits))
        d = dist.MixtureSameFamily(weights, dist.Normal(adapter.array(loc), adapter.array(scale)))
        found = adapter.irg.implicit_gradients(d, adapter.array(x))
        w = np.exp(logits) / np.exp(logits).sum()
        cdf, pdf = (f((x[:, None] - loc) / scale) for f in (stats.norm.cdf, stats.norm.pdf))
        p = (w * pdf / scale).sum(-1, keepdims=True)
        expected = {
            f"{MIXING[adapter.name]}.logits": -w * (cdf - (w * cdf).sum(-1, keepdims=True)) / p,
            "component_distribution.loc": w * pdf / scale / p,
            "component_distribution.scale": w * pdf / scale / p * (x[:, None] - loc) / scale,
        }
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(adapter.numpy(found[name]), value, rtol=1e-11)


def test_batches(adapter):
    """Value and distribution broadcast; what all components share has no axis of theirs."""
    dist = adapter.dist
    weights = dist.Categorical(logits=adapter.array(np.zeros((4, 2))))
    d = dist.MixtureSameFamily(weights, dist.Normal(adapter.array(np.tile([0.0, 1.0], (4, 1))), 1.0))
    found = adapter.irg.implicit_gradients(d, adapter.array(np.zeros((3, 1))))
    assert found["component_distribution.loc"].shape == (3, 4, 2)
    wrapped = adapter.irg.implicit_gradients(d.to_event(1), adapter.array(np.zeros((3, 1))))
    np.testing.assert_array_equal(*(adapter.numpy(f["component_distribution.loc"]) for f in (found, wrapped)))


def test_not_differentiable_again(adapter):
    def slope(v):
        d = adapter.dist.Truncated(adapter.dist.Normal(v["loc"], 1.0), 0.0)
        return adapter.irg.implicit_gradients(d, adapter.array(1.0))["base_dist.loc"]

    if adapter.name == "pyro":  # it has no graph
        assert not slope({"loc": adapter.array(0.5).requires_grad_()}).requires_grad
        return
    with pytest.raises(NotImplementedError, match="is not differentiable again; differentiate a draw twice"):
        adapter.value_and_slopes(slope)({"loc": adapter.array(0.5)})
