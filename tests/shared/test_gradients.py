"""`implicit_gradients`, and that draws carry them: against SciPy's quantiles and against exact expectations."""

import functools

import numpy as np
import pytest
from scipy.special import polygamma

from tests.adapters import in_host, over
from tests.checks import along_quantile, assert_unbiased, exact_gradient
from tests.families import BY_NAME, FAMILIES, UNIVARIATE
from tests.row import FUNCTIONS

LEVELS = np.array([0.01, 0.2, 0.45, 0.8, 0.99])
DRAWS = 100_000

# How far a slope may be off: float64's partials are good to 1e-12 and float32's to 2e-6, and the draw that they are
# taken at is rounded, which costs a few digits where loc or 1 - x cancels.
NATIVE = {"float64": 1e-10, "float32": 2e-5}


# ------------------------------------------------------------------------------------------------- implicit_gradients


@over(UNIVARIATE)
def test_against_scipy(adapter, family):
    """Differences of SciPy's quantile function; and the gradient g is differentiable, d**2x / dtheta**2 being
    dg/dtheta + g dg/dx."""

    def first(params, x):
        return adapter.irg.implicit_gradients(getattr(adapter.dist, family.name)(**params), x)

    def second(params, x, name):
        g = first(params, x)[name]

        def moved(p, x):
            return first({**params, name: p}, x)[name]

        return adapter.along(moved, (params[name], x), (adapter.xp.ones_like(x), g))

    @adapter.jit
    def evaluate(params, x):
        return first(params, x), {name: second(params, x, name) for name in params}

    with adapter.precision("float64"):
        for params in family.points:
            x = family.ppf(LEVELS, **params)
            gradients, curves = evaluate(adapter.arrays(params, x.shape), adapter.array(x))
            assert gradients.keys() == params.keys()
            for name in params:
                truth, curve = along_quantile(family, x, params, name)
                units = np.abs(truth).max(), max(np.abs(curve).max(), 0.1)
                np.testing.assert_allclose(adapter.numpy(gradients[name]), truth, rtol=1e-8, atol=1e-8 * units[0])
                np.testing.assert_allclose(adapter.numpy(curves[name]), curve, rtol=1e-6, atol=1e-6 * units[1])


@over(FAMILIES, when=in_host)
def test_hosts_class(adapter, family):
    """The same program as for our class."""
    x = adapter.array(np.full((4, *np.shape(family.points[0].get("concentration", 0.0))), 1 / 3))
    params = adapter.arrays(family.points[0])
    ours, theirs = (
        adapter.program(lambda x, d=d: adapter.irg.implicit_gradients(d, x), x)
        for d in (getattr(module, family.name)(**params) for module in (adapter.dist, adapter.host))
    )
    assert ours == theirs


def test_dirichlet(adapter):
    """The Jacobian [..., i, j] = dx_i / dalpha_j: that of draws, with the marginal Betas' slopes on its diagonal, and
    columns that sum to 0 because x stays on the simplex."""
    dist, implicit_gradients, key = adapter.dist, adapter.irg.implicit_gradients, adapter.key(2)

    def draw(concentration):
        return adapter.draw(dist.Dirichlet(concentration, validate_args=False), key, (4,))

    @adapter.jit
    def evaluate(concentration):
        x = draw(concentration)
        others = concentration.sum(-1)[..., None] - concentration
        return (
            implicit_gradients(dist.Dirichlet(concentration), x)["concentration"],
            implicit_gradients(dist.Beta(concentration, others), x)["concentration1"],
            adapter.jacrev(draw)(concentration),
            adapter.jacfwd(draw)(concentration),
        )

    with adapter.precision("float64"):
        found, beta, *jacobians = map(adapter.numpy, evaluate(adapter.array([[0.6, 2.0, 1.5], [8.0, 3.0, 5.0]])))
    assert found.shape == (4, 2, 3, 3)
    np.testing.assert_allclose(found.sum(-2), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(found, axis1=-2, axis2=-1), beta, rtol=1e-10)
    for jacobian in jacobians:
        for member in (0, 1):
            np.testing.assert_allclose(jacobian[:, member, :, member], found[:, member], rtol=1e-10, atol=1e-14)
            np.testing.assert_array_equal(jacobian[:, member, :, 1 - member], 0.0)


def test_dirichlet_of_two_components_is_a_beta(adapter):
    @adapter.jit
    def evaluate(a, b, z):
        pairs = adapter.xp.stack([a, b], -1), adapter.xp.stack([z, 1.0 - z], -1)
        found = adapter.irg.implicit_gradients(adapter.dist.Dirichlet(pairs[0]), pairs[1])["concentration"]
        beta = adapter.irg.implicit_gradients(adapter.dist.Beta(a, b), z)
        return found[:, 0], adapter.xp.stack([beta["concentration1"], beta["concentration0"]], -1)

    with adapter.precision("float64"):
        found = evaluate(*map(adapter.array, ([0.3, 4.0], [2.0, 4.0], [0.1, 0.7])))
    np.testing.assert_allclose(*map(adapter.numpy, found), rtol=1e-10)


@pytest.mark.parametrize("module", ["dist", "host"])
def test_inside_wrappers(adapter, module):
    """Independent, expand and mask, also one in another: the same program as without them."""
    gamma = getattr(adapter, module).Gamma(adapter.array([0.5, 2.0]), 2.0)
    x = adapter.array([[0.3, 1.0], [2.0, 0.1], [0.01, 5.0]])

    def program(d):
        return adapter.program(lambda x: adapter.irg.implicit_gradients(d, x), x)

    mask = adapter.xp.asarray(np.array([True, False]))
    for wrapped in [
        gamma.to_event(1),
        gamma.expand((3, 2)),
        gamma.mask(mask),
        gamma.expand_by((3,)).mask(False).to_event(1),
        gamma.to_event(1).expand((3,)).mask(mask[0]),
    ]:
        assert program(wrapped) == program(gamma)


def test_shapes(adapter):
    """Value and distribution broadcast; a single value meets every member of a batch."""
    dist, gradients = adapter.dist, adapter.irg.implicit_gradients
    d = dist.StudentT(adapter.array([1.0, 5.0]), 0.0, adapter.array([[1.0], [2.0], [4.0]]))
    for value, shape in [((), (3, 2)), ((4, 1, 1), (4, 3, 2)), ((3, 1), (3, 2))]:
        found = adapter.shapes(lambda x: gradients(d, x), adapter.array(np.zeros(value)))
        assert {slope.shape for slope in found.values()} == {shape}
    found = adapter.shapes(lambda: gradients(dist.Gamma(2.0, 1.0), 2))["concentration"]
    assert adapter.dtype_of(found) == "float32"
    empty = adapter.array(np.zeros(0))
    assert adapter.shapes(lambda x: gradients(dist.Gamma(2.0, 1.0), x), empty)["concentration"].shape == (0,)
    with pytest.raises(ValueError, match=r"value of shape \(4,\) does not broadcast with the shape \(3, 2\)"):
        gradients(d, adapter.array(np.ones(4)))


OUTSIDE = {f"{family}-{value}": (family, value) for family in FAMILIES for value in family.outside}


@over(OUTSIDE, "case")
def test_outside_the_support(adapter, case):
    family, value = case
    d = getattr(adapter.dist, family.name)(**adapter.arrays(family.points[0]))
    with pytest.raises(ValueError, match=rf"value .* must lie inside the support .* of {family.name}, but found"):
        adapter.irg.implicit_gradients(d, adapter.array(value))


@pytest.mark.parametrize("infinite", [np.inf, -np.inf, np.nan])
def test_not_finite(adapter, infinite):
    with pytest.raises(ValueError, match="must lie inside the support"):
        adapter.irg.implicit_gradients(adapter.dist.StudentT(2.0), adapter.array([0.0, infinite]))


UNKNOWN = {
    "Poisson": lambda host, T: host.Poisson(3.0),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown(adapter, name):
    d = UNKNOWN[name](adapter.host, adapter.transforms)
    with pytest.raises(NotImplementedError, match=f"implicit_gradients does not take {name}, which is discrete"):
        adapter.irg.implicit_gradients(d, adapter.array(1.0))


# ------------------------------------------------------------------------------------------------------------- draws


@functools.cache
def observed(adapter, family):
    """(parameters of every draw, key) -> the draw, its slopes and those of each function of the family by every
    parameter, the draw's implicit gradients; compiled once for all tests."""

    def draw(params, key):
        return adapter.draw(getattr(adapter.dist, family.name)(**params), key)

    functions = {name: functools.partial(FUNCTIONS[name], adapter.xp) for name in ("x", *family.functions)}

    @adapter.jit
    def evaluate(params, key):
        x, slopes = adapter.chained(draw, functions)(params, key)
        d = getattr(adapter.dist, family.name)(**params)
        return x, slopes, adapter.irg.implicit_gradients(d, x)

    return evaluate


def run(adapter, family, params, enough=DRAWS):
    """(draws, slopes, gradients); where nothing is compiled for a shape, no more draws than are enough."""
    draws = enough if adapter.eager else DRAWS
    return observed(adapter, family)(adapter.arrays(params, (draws,)), adapter.key(2))


@over(UNIVARIATE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_draws_carry_the_implicit_gradients(adapter, family, precision):
    if not adapter.eager and precision == "float64":
        pytest.skip("test_transformations.py has it, without another compilation")
    for params in family.points:
        with adapter.precision(precision):
            _, slopes, gradients = run(adapter, family, params, 500)
        for name, truth in gradients.items():
            truth, allowed = adapter.numpy(truth), NATIVE[precision]
            atol = allowed * np.median(np.abs(truth))
            np.testing.assert_allclose(adapter.numpy(slopes["x"][name]), truth, rtol=allowed, atol=atol)


POINTS = {f"{family}-{i}": (family, params) for family in FAMILIES for i, params in enumerate(family.points)}


@over(POINTS, "point")
def test_unbiased(adapter, point):
    """The pathwise gradient of E[f(x)] in float32, for every f with an exact expectation."""
    family, params = point
    _, slopes, _ = run(adapter, family, params)
    for name, expectation in family.expectations.items():
        truth = exact_gradient(expectation, params)
        for parameter in params:
            found = adapter.numpy(slopes[name][parameter])
            assert_unbiased(found, truth[parameter], NATIVE["float32"], (name, parameter))


@over([family for family in FAMILIES if family.small])
def test_unbiased_where_draws_leave_the_range(adapter, family):
    """E[log x] where most draws are clamped to an end of float32: their relative slopes are those of the true draw."""
    name, expectation, params = family.small
    _, slopes, _ = run(adapter, family, params)
    truth = exact_gradient(expectation, params)
    for parameter in params.keys() - {"loc"}:
        slope = adapter.numpy(slopes[name][parameter])
        assert np.isfinite(slope).all()
        assert_unbiased(slope, truth[parameter], NATIVE["float32"], parameter)


@pytest.mark.parametrize("concentration", [0.01, 0.001])
@pytest.mark.parametrize("name", ["Gamma", "LogGamma"])
def test_trigamma(adapter, name, concentration):
    """E[d log z / da] = trigamma(a) within 3 % in float32."""
    _, slopes, _ = run(adapter, BY_NAME[name], {"concentration": concentration, "rate": 1.0})
    slope = adapter.numpy(slopes["x" if name == "LogGamma" else "log x"]["concentration"])
    np.testing.assert_allclose(slope.mean(), polygamma(1, concentration), rtol=0.03)


@over(FAMILIES)
def test_gradients_at_hard_points(adapter, family):
    """In float32 never NaN, and infinite only where the slope, at most 1e6 |x|, exceeds the largest number."""
    for params in family.hard:
        if not adapter.eager and len(params.get("concentration", (0,) * 3) if family.of_vectors else "123") != 3:
            continue  # another shape is another compilation
        x, slopes, _ = run(adapter, family, params, 5000)
        for name in {"x", *family.functions[:1]}:
            for parameter, slope in slopes[name].items():
                assert not np.isnan(adapter.numpy(slope)).any(), (params, parameter)
        for parameter, slope in slopes["x"].items():
            if params.get("rate", 1.0) > 1e-4:
                finite = np.isfinite(adapter.numpy(slope)) | (np.abs(adapter.numpy(x)) > 1e32)
                assert finite.all(), (params, parameter)


def test_only_some_parameters_have_gradients(adapter):
    """A parameter without a gradient costs nothing and breaks nothing."""
    a, b = adapter.array([0.5, 2.0]), adapter.array([1.0, 3.0])
    draw = adapter.value_and_slopes(lambda b: adapter.draw(adapter.dist.Gamma(a, b), adapter.key(0)))
    x, slope = map(adapter.numpy, adapter.jit(draw)(b))
    np.testing.assert_allclose(slope, -x / adapter.numpy(b), rtol=1e-6)


@pytest.mark.parametrize("concentration", [3e8, 1e13, 1e17, 1e20, 1e30])
@pytest.mark.parametrize("name", ["Gamma", "Chi2", "LogGamma"])
def test_large_concentrations(adapter, name, concentration):
    """The limit is normal, with dz / da = 1 + (z - a) / 2a; float32 cannot see the rest."""

    make = getattr(adapter.dist, name)
    params = {"df" if name == "Chi2" else "concentration": adapter.array(np.full(4, concentration))}
    others = {} if name == "Chi2" else {"rate": 1.0}

    def draw(params):
        return adapter.draw(make(**params, **others), adapter.key(0)).sum()

    (slope,) = adapter.grad(draw)(params).values()
    slope = adapter.numpy(slope) * (concentration if name == "LogGamma" else 1.0)
    np.testing.assert_allclose(slope, 1.0, rtol=0.0, atol=5.0 / concentration**0.5 + 2e-6)
