"""`from_uniform`: the place of the draw is u, its derivatives are those of differences, and what has none says so."""

from functools import cache

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import over

U = np.array([0.03, 0.4, 0.5, 0.8, 0.99])
PAIRS = np.array([[0.1, 0.7], [0.5, 0.2], [0.95, 0.6]])


def mixture(a, p, components):
    return a.dist.MixtureSameFamily(a.dist.Categorical(logits=p["logits"]), components)


def coupled(a, p):
    row = a.xp.stack([a.xp.ones_like(p["r"]), p["r"]])
    return a.dist.GaussianCopula(a.dist.Gamma(p["a"], a.array(1.5)), a.xp.stack([row, a.xp.flip(row, (0,))]))


LOGITS = {"logits": (0.1, 0.5)}
LOWER = {"tril": ((1.0, 0.0), (0.5, 0.7))}
# name -> parameters, the distribution of these, and u
CASES = {
    "Gamma": ({"a": 0.7, "b": 2.0}, lambda a, p: a.dist.Gamma(p["a"], p["b"]), U),
    "Beta": ({"a": 0.7, "b": 2.0}, lambda a, p: a.dist.Beta(p["a"], p["b"]), U),
    "VonMises": ({"m": 0.2, "k": 2.0}, lambda a, p: a.dist.VonMises(p["m"], p["k"]), U[1:4]),
    "host LogNormal": ({"m": 0.2, "s": 0.6}, lambda a, p: a.host.LogNormal(p["m"], p["s"]), U),
    "Truncated": (
        {"m": 0.2, "s": 0.6, "l": -0.5},
        lambda a, p: a.dist.Truncated(a.dist.Normal(p["m"], p["s"]), low=p["l"]),
        U,
    ),
    "Independent": ({"a": (0.7, 3.0)}, lambda a, p: a.dist.Gamma(p["a"], a.array(1.0)).to_event(1), PAIRS),
    "mixture": (
        {**LOGITS, "a": (1.0, 20.0)},
        lambda a, p: mixture(a, p, a.dist.Gamma(p["a"], a.array(1.0))),
        U,
    ),
    "factorised mixture": (
        {**LOGITS, "m": ((-1.0, 2.0), (0.0, 1.0))},
        lambda a, p: mixture(a, p, a.dist.Normal(p["m"], 0.7).to_event(1)),
        PAIRS,
    ),
    "normal mixture": (
        {**LOGITS, **LOWER, "m": ((-1.0, 2.0), (0.0, 1.0))},
        lambda a, p: mixture(a, p, a.dist.MultivariateNormal(p["m"], scale_tril=a.xp.tril(p["tril"]))),
        PAIRS,
    ),
    "ConditionalChain": (
        {"a": 2.0},
        lambda a, p: a.dist.ConditionalChain(
            [lambda a_: a.host.Gamma(a_, 1.0), lambda x, a_: a.host.Normal(x, a_)], a_=p["a"]
        ),
        PAIRS,
    ),
    "GaussianCopula": ({"a": (0.7, 3.0), "r": 0.4}, coupled, PAIRS),
    "Dirichlet": ({"a": (0.7, 2.0, 1.0)}, lambda a, p: a.dist.Dirichlet(p["a"]), np.c_[PAIRS, PAIRS[:, :1]]),
    "MultivariateNormal": (
        {**LOWER, "m": (0.3, 1.0)},
        lambda a, p: a.host.MultivariateNormal(p["m"], scale_tril=a.xp.tril(p["tril"])),
        PAIRS,
    ),
}
UNIVARIATE = ("Gamma", "Beta", "host LogNormal", "Truncated", "mixture")
FEW = ("Gamma", "mixture", "ConditionalChain", "Dirichlet")


def draw(adapter, name):
    _, make, _ = CASES[name]
    return lambda p: adapter.irg.from_uniform(make(adapter, {k: v for k, v in p.items() if k != "u"}), p["u"])


def given(adapter, name):
    params, _, u = CASES[name]
    return adapter.arrays({**params, "u": u})


@cache
def compiled(adapter, name):
    """The parameters -> the draw, the slopes of a function of all its coordinates, and, of a number, its place."""

    def function(x):
        return adapter.xp.sum(adapter.xp.sin(x) * adapter.array(1.0 + np.arange(x.shape[-1])))

    def all_three(p):
        x, slopes = adapter.chained(draw(adapter, name), {"of_x": function})(p)
        d = CASES[name][1](adapter, {k: v for k, v in p.items() if k != "u"})
        return x, slopes["of_x"], adapter.dist.host_families.log_tails(d, x)[0] if name in UNIVARIATE else x

    return adapter.jit(all_three)


@over(UNIVARIATE, "name")
def test_place(adapter, name):
    """F(x) = u, and the method is the function."""
    params, make, _ = CASES[name]
    with adapter.precision("float64"):
        x, _, places = compiled(adapter, name)(given(adapter, name))
        np.testing.assert_allclose(np.exp(adapter.numpy(places)), U, rtol=1e-12)
        if adapter.eager and name in ("Gamma", "Truncated", "mixture"):
            method = make(adapter, adapter.arrays(params)).from_uniform(adapter.array(U))
            np.testing.assert_allclose(adapter.numpy(method), adapter.numpy(x), rtol=1e-12)


TURNED = {
    "VonMises": lambda a: a.dist.VonMises(a.array((-3.0, 3.0)), a.array((2.0, 5.0))),
    "Wrapped": lambda a: a.dist.Wrapped(a.dist.Normal(a.array((-2.0, 3.0)), a.array((0.5, 0.9)))),
    "falling": lambda a: affine(a, a.dist.Gamma(a.array((1.0, 20.0)), a.array(1.0)), -1.0),
    "one of two falling": lambda a: affine(a, a.dist.Gumbel(a.array((0.0, 4.0)), a.array(1.0)), a.array((1.0, -1.0))),
}


def affine(a, base, scale):
    return a.host.TransformedDistribution(base, [a.host.transforms.AffineTransform(0.0, scale)])


@over(TURNED, "component")
def test_mixture_of_what_is_no_quantile(adapter, component):
    """F(x) = u also where a component's own draw counts from its location, or falls as u grows."""
    with adapter.precision("float64"):
        d = mixture(adapter, {"logits": adapter.array(LOGITS["logits"])}, component(adapter))

        def place(u):
            return adapter.dist.host_families.log_tails(d, adapter.irg.from_uniform(d, u))[0]

        np.testing.assert_allclose(np.exp(adapter.numpy(adapter.jit(place)(adapter.array(U)))), U, rtol=1e-11)


# component -> its density at pi, of the components of TURNED
AT_CUT = {
    "VonMises": lambda k: mp.exp((2, 5)[k] * mp.cos(mp.pi - 3)) / (2 * mp.pi * mp.besseli(0, (2, 5)[k])),
    "Wrapped": lambda k: mp.fsum(
        mp.npdf(mp.pi + 2 * mp.pi * j, (-2, 3)[k], mp.mpf(("0.5", "0.9")[k])) for j in range(-5, 6)
    ),
}


@pytest.mark.parametrize("name", AT_CUT)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_mixture_next_to_the_cut_of_a_circle(adapter, name, precision):
    """F is 0 at -pi and 1 at pi, but draws stay between: x + pi = u / p(-pi), which hardly moves with the weights."""
    eps = float(np.finfo(precision).eps)
    u = np.array([0.0, 1e-37, 1e-20, 1e-10, 1e-8, 1.0 - eps, 1.0])
    with adapter.precision(precision):

        def draw(p):
            return adapter.irg.from_uniform(mixture(adapter, p, TURNED[name](adapter)), adapter.array(u))

        found = adapter.jit(adapter.value_and_slopes(draw))(adapter.arrays(LOGITS))
        x, slopes = adapter.numpy(found[0]), adapter.numpy(found[1]["logits"])
    assert (np.abs(x) <= np.asarray(np.pi, precision)).all() and (np.abs(slopes) < 1e-6).all()
    weights = np.exp(LOGITS["logits"]) / np.exp(LOGITS["logits"]).sum()
    density = float(mp.fsum(w * AT_CUT[name](k) for k, w in enumerate(weights)))
    x = x.astype(np.float64)
    np.testing.assert_allclose(
        np.where(u < 0.5, np.pi + x, np.pi - x), np.minimum(u, 1.0 - u) / density, atol=8.0 * eps
    )


def along(adapter, at):
    """A direction, and the parameters a step to either side."""
    rng, step = np.random.default_rng(0), 1e-5
    tangent = {k: rng.normal(size=np.shape(adapter.numpy(v))) for k, v in at.items()}
    tangent["u"] = 0.1 * tangent["u"]
    if "tril" in tangent:
        tangent["tril"] = np.tril(tangent["tril"])
    moved = [
        {k: adapter.array(adapter.numpy(v) + sign * step * tangent[k]) for k, v in at.items()} for sign in (1.0, -1.0)
    ]
    return tangent, moved, 2.0 * step


@over(CASES, "case", when=lambda adapter, case: adapter.eager or any(CASES[n] is case for n in (*FEW, *UNIVARIATE)))
def test_derivatives(adapter, case):
    """Of a function of all coordinates, in every parameter and in u, against differences."""
    name = next(n for n, c in CASES.items() if c is case)
    with adapter.precision("float64"):
        at = given(adapter, name)
        tangent, moved, step = along(adapter, at)

        def total(p):
            x = adapter.numpy(compiled(adapter, name)(p)[0])
            return np.sum(np.sin(x) * (1.0 + np.arange(x.shape[-1])))

        slopes = compiled(adapter, name)(at)[1]
        slope = sum(np.sum(adapter.numpy(g) * tangent[k]) for k, g in slopes.items())
        np.testing.assert_allclose(slope, (total(moved[0]) - total(moved[1])) / step, rtol=1e-6, atol=1e-7)


def two_normals(a, logit, loc, scale):
    zero = 0.0 * logit
    components = a.dist.Normal(a.xp.stack([loc, zero], -1), a.xp.stack([scale, zero + 1.0], -1))
    return mixture(a, {"logits": a.xp.stack([logit, zero], -1)}, components)


# name -> parameters, the distribution of these as arrays
SECOND = {
    "Gamma": ((0.7, 2.0), lambda a, concentration, rate: a.dist.Gamma(concentration, rate)),
    "mixture": ((0.4, -1.5, 0.6), two_normals),
}


@over(SECOND, "case")
def test_second_derivatives(adapter, case):
    """Every entry of the Hessian, in u too, against differences of the gradient: all points in one call."""
    params, make = case
    at, step = np.array([(*params, u) for u in (0.2, 0.7)]), 1e-5
    moves = step * np.concatenate([np.eye(len(params) + 1), -np.eye(len(params) + 1)])
    with adapter.precision("float64"):

        def f(*args):
            return adapter.irg.from_uniform(make(adapter, *args[:-1]), args[-1])

        rows = np.concatenate([at, *(at + move for move in moves)])
        _, gradient, hessian = adapter.jit(adapter.to_second_order(f))(*map(adapter.array, rows.T))
        found, gradient = adapter.numpy(hessian)[:2], adapter.numpy(gradient).reshape(-1, 2, len(params) + 1)
        up, down = gradient[1:].reshape(2, -1, 2, len(params) + 1)
        np.testing.assert_allclose(found, np.moveaxis(up - down, 0, -1) / (2.0 * step), rtol=1e-5, atol=1e-6)


def test_distribution(adapter):
    """A lattice of u's makes the moments of a mixture, and of a Dirichlet; 0 and 1 make finite draws."""
    u = (np.arange(2000) + 0.5) / 2000
    params = adapter.arrays({"logits": (0.1, 0.5), "m": (-1.0, 2.0)})
    d = mixture(adapter, params, adapter.dist.Normal(params["m"], adapter.array(0.7)))
    x = adapter.numpy(adapter.jit(lambda u: adapter.irg.from_uniform(d, u))(adapter.array(u)))
    np.testing.assert_allclose(x.mean(), adapter.numpy(d.mean), atol=1e-3)
    np.testing.assert_allclose(x.var(), adapter.numpy(d.variance), rtol=1e-2)
    ends = adapter.irg.from_uniform(
        adapter.dist.Gamma(adapter.array(2.0), adapter.array(1.0)), adapter.array([0.0, 1.0])
    )
    assert np.isfinite(adapter.numpy(ends)).all()


def test_bad_arguments(adapter):
    d = adapter.dist.Gamma(adapter.array([1.0, 2.0]), adapter.array(1.0))
    from_uniform = adapter.irg.from_uniform
    with pytest.raises(TypeError, match="from_uniform: distribution must be a distribution, got 'Gamma'"):
        from_uniform("Gamma", 0.5)
    for wrong in ("half", 0.5j, None):
        with pytest.raises(ValueError, match="from_uniform: u must be real numbers"):
            from_uniform(d, wrong)
    with pytest.raises(ValueError, match=r"u of shape \(3,\) does not broadcast with the shape \(2,\)"):
        from_uniform(d, adapter.array([0.1, 0.2, 0.3]))
    with adapter.validation_enabled(True), pytest.raises(ValueError, match=r"u must lie in \[0, 1\]"):
        from_uniform(adapter.dist.Gamma(adapter.array(1.0), adapter.array(1.0)), adapter.array(1.5))
    with pytest.raises(NotImplementedError, match="Poisson is discrete: at fixed u its draw jumps"):
        from_uniform(adapter.host.Poisson(adapter.array(2.0)), adapter.array(0.5))
