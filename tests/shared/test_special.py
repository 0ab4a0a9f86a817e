"""`special`: values and derivatives to second order against mpmath, limits at the ends of the domains, arguments."""

import math
from functools import cache

import numpy as np
import pytest
from mpmath import mp
from scipy import special as scipy

from tests import special
from tests.adapters import over

INF = math.inf


@cache
def compiled(adapter, name):
    """With its derivatives to second order, once for all tests: in JAX compilation takes all of their time."""
    return adapter.jit(adapter.to_second_order(getattr(adapter.irg.special, name)))


def orders(adapter, name, rows):
    """(values, gradients, Hessians) at each row; where shapes are compiled, 32 rows at a time, the last repeated."""
    size = len(rows) if adapter.eager else 32
    full = np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % size, 0)])
    parts = [compiled(adapter, name)(*map(adapter.array, part.T)) for part in full.reshape(-1, size, rows.shape[1])]
    both = (np.concatenate([adapter.numpy(x) for x in of_parts]) for of_parts in zip(*parts, strict=True))
    return tuple(x.reshape(len(full), -1)[: len(rows)] for x in both)


def allowed(order, precision, table, rows):
    """Relative errors: 1e-13, then 1e-10, and in float32 1e-6, then 1e-5; of second derivatives, which pass 0 at
    places of their own, relative to the largest derivative, all in steps relative to the arguments."""
    values, gradients, hessians = map(np.abs, table)
    double = precision == "float64"
    if order == 0:
        return (1e-13 if double else 1e-6) * values
    tolerance = 1e-10 if double else 1e-5
    if order == 1:
        return tolerance * gradients
    scale = np.abs(rows)
    units = (scale[:, :, None] * scale[:, None, :]).reshape(len(rows), -1)
    largest = np.max(np.concatenate([gradients * scale, hessians * units], axis=1), axis=1, keepdims=True)
    # the rule of few nodes, right to 1e-6, is that wrong on the scale of a standard deviation, a / sqrt(a)
    loss = 1.0 if double else np.maximum(1.0, np.sqrt(np.max(scale, axis=1, keepdims=True)))
    return loss * tolerance * largest / units


@pytest.mark.parametrize("precision", ["float64", "float32"])
@over((*special.FUNCTIONS, *special.LOGARITHMS, *special.INVERSES), "name")
def test_against_mpmath(adapter, name, precision):
    rows, *table = special.truth(name)
    with adapter.precision(precision):
        found = orders(adapter, name, rows)
    limits = np.finfo(np.float32 if precision == "float32" else np.float64)
    for order, (ours, true) in enumerate(zip(found, table, strict=True)):
        error, bound = np.abs(ours - true), allowed(order, precision, table, rows)
        if name in special.INVERSES and order:
            # the derivatives are those at the result, which is rounded: of an x next to 1 that is felt
            slopes, curvatures = table[1], table[2].reshape(len(rows), rows.shape[1], -1)
            felt = limits.eps * np.abs(table[0]) * np.abs(curvatures[:, :, -1] / slopes[:, -1:])
            if order == 1:
                bound = bound + felt
            else:
                bound = np.where(
                    np.any(felt > 0.1 * allowed(1, precision, table, rows), axis=1, keepdims=True), INF, bound
                )
        held = (np.abs(true) > 1e-3 * limits.max) | (np.abs(true) < limits.tiny * 1e3)  # of no use in this dtype
        if order == 2:  # a second derivative goes through 1 / x**2
            held = held | (rows[:, -1:] ** 2 < limits.tiny)
            if name in special.INVERSES:
                held = held | (np.asarray(table[0]).reshape(len(rows), 1) ** 2 < limits.tiny)
                # and forward mode through the powers of x that a move of x is multiplied with
                held = held | (np.abs(table[1][:, -1:]) > limits.max**0.3333)
        wrong = np.argwhere(~(error <= bound) & ~held)
        shown = [(tuple(rows[i]), k, float(ours[i, k]), float(true[i, k])) for i, k in wrong]
        assert not shown, f"order {order}: {shown}"


E1_OF_2 = 0.04890051070806112
PHI_0, PHI_1 = 1.0 / math.sqrt(2.0 * math.pi), math.exp(-0.5) / math.sqrt(2.0 * math.pi)
# name, arguments, value, gradient
ENDS = (
    ("gammainc", (2.0, 0.0), 0.0, (0.0, 0.0)),
    ("gammainc", (1.0, 0.0), 0.0, (0.0, 1.0)),
    ("gammainc", (0.5, 0.0), 0.0, (0.0, INF)),
    ("gammainc", (2.0, INF), 1.0, (0.0, 0.0)),
    ("gammainc", (0.0, 2.0), 1.0, (-E1_OF_2, 0.0)),
    ("gammainc", (INF, 2.0), 0.0, (0.0, 0.0)),
    ("gammaincc", (1.0, 0.0), 1.0, (0.0, -1.0)),
    ("gammaincc", (2.0, INF), 0.0, (0.0, 0.0)),
    ("gammaincc", (0.0, 2.0), 0.0, (E1_OF_2, 0.0)),
    ("gammaincinv", (2.0, 0.0), 0.0, (0.0, INF)),
    ("gammaincinv", (2.0, 1.0), INF, (INF, INF)),
    ("gammainccinv", (1.0, 1.0), 0.0, (0.0, -1.0)),
    ("log_gammainc", (2.0, INF), 0.0, (0.0, 0.0)),
    ("log_gammainc", (2.0, 0.0), -INF, (-INF, INF)),
    ("log_gammaincc", (2.0, INF), -INF, (INF, -1.0)),
    ("log_gammaincc", (1.0, 0.0), 0.0, (0.0, -1.0)),
    ("betainc", (2.0, 3.0, 0.0), 0.0, (0.0, 0.0, 0.0)),
    ("betainc", (1.0, 3.0, 0.0), 0.0, (0.0, 0.0, 3.0)),
    ("betainc", (2.0, 1.0, 1.0), 1.0, (0.0, 0.0, 2.0)),
    ("betainc", (0.5, 0.5, 0.0), 0.0, (0.0, 0.0, INF)),
    ("betaincc", (2.0, 1.0, 1.0), 0.0, (0.0, 0.0, -2.0)),
    ("betaincinv", (0.5, 3.0, 0.0), 0.0, (0.0, 0.0, 0.0)),
    ("betaincinv", (1.0, 4.0, 0.0), 0.0, (0.0, 0.0, 0.25)),
    ("log_betainc", (2.0, 1.0, 1.0), 0.0, (0.0, 0.0, 2.0)),
    ("log_betainc", (2.0, 1.0, 0.0), -INF, (-INF, 1.5, INF)),
    ("log_betaincc", (1.0, 2.0, 0.0), 0.0, (0.0, 0.0, -2.0)),
    ("stdtr", (2.0, INF), 1.0, (0.0, 0.0)),
    ("stdtr", (2.0, -INF), 0.0, (0.0, 0.0)),
    ("stdtr", (INF, 1.0), float(scipy.ndtr(1.0)), (0.0, PHI_1)),
    ("stdtrit", (2.0, 0.0), -INF, (INF, INF)),
    ("stdtrit", (INF, float(np.float32(0.75))), float(scipy.ndtri(0.75)), (0.0, 1.0 / float(
        np.exp(-0.5 * scipy.ndtri(0.75) ** 2) * PHI_0))),
    ("von_mises_cdf", (1.0, 4.0), 1.0, (0.0, 0.0)),
    ("von_mises_cdf", (0.0, 1.0), 0.5 + 0.5 / math.pi, (math.sin(1.0) / (2.0 * math.pi), 0.5 / math.pi)),
    ("von_mises_cdfinv", (0.0, 0.0), -math.pi, (0.0, 2.0 * math.pi)),
    ("log_ndtr_interval", (-INF, INF), 0.0, (0.0, 0.0)),
    ("log_ndtr_interval", (-INF, 0.0), math.log(0.5), (0.0, 2.0 * PHI_0)),
    ("log_ndtr_interval", (2.0, 2.0), -INF, (-INF, INF)),
    ("log_i0", (0.0,), 0.0, (0.0,)),
    ("log_i0", (INF,), INF, (1.0,)),
    ("bessel_ratio", (0.0,), 0.0, (0.5,)),
    ("bessel_ratio", (-INF,), -1.0, (0.0,)),
)  # fmt: skip


@over(sorted({row[0] for row in ENDS}), "name")
def test_limits(adapter, name):
    """Of values and gradients; second derivatives are numbers, or infinite."""
    rows = [row for row in ENDS if row[0] == name]
    with adapter.precision("float64"):
        values, gradients, hessians = orders(adapter, name, np.array([row[1] for row in rows]))
    np.testing.assert_allclose(values[:, 0], [row[2] for row in rows], rtol=1e-13)
    np.testing.assert_allclose(gradients, [row[3] for row in rows], rtol=1e-12, atol=1e-15)
    if not name.startswith(("log_", "stdtrit", "von_mises_cdfinv")) and not name.endswith("inv"):
        assert not np.isnan(hessians).any()
    if name == "gammainc":
        np.testing.assert_allclose(hessians[[0, 1, 3], 3], [1.0, -1.0, 0.0], atol=1e-15)


AT = (-1.0, 0.0, 0.5, 1.0, 2.0, INF, math.nan)


@over(("gammainc", "gammaincc", "gammaincinv", "gammainccinv", "betainc", "betaincc", "betaincinv", "stdtr"), "name")
def test_edges_are_scipys(adapter, name):
    """Every combination of numbers inside, at and beyond the ends of the domain."""
    grid = np.array(np.meshgrid(*[AT] * (3 if "beta" in name else 2))).reshape(3 if "beta" in name else 2, -1).T
    with adapter.precision("float64"), np.errstate(all="ignore"):
        found = orders(adapter, name, grid)[0][:, 0]
    expected = getattr(scipy, name)(*grid.T)
    if name == "betaincinv":  # SciPy 1.17 has NaN at an infinite shape, except where the other is 1
        assert set(found[np.isnan(expected) & ~np.isnan(found)]) <= {0.0, 1.0}
        found = np.where(np.isnan(expected), np.nan, found)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)


def test_far_tails(adapter):
    """The derivatives of a logarithm whose function has underflowed long since."""
    rows = {"log_gammaincc": (2.0, 1e6), "log_gammainc": (1e4, 1e-3), "log_betainc": (1e3, 2.0, 1e-8)}
    slopes = {"log_gammaincc": -1.0 + 1.0 / (1.0 + 1e6), "log_gammainc": 1e7, "log_betainc": 1e11}
    with adapter.precision("float32"):
        for name, args in rows.items():
            value, gradient, _ = orders(adapter, name, np.array([args]))
            assert np.isfinite(value).all() and value < -5e3
            np.testing.assert_allclose(gradient[0, -1], slopes[name], rtol=2e-6)


# masses that are exponentials of -40 to -70, which float32 rounds to 4e-6, and the log-tails next to them: exact values
FAR = (
    ("gammainc", (26098.0508, 24355.9082), 1.344018269e-28),
    ("gammainc", (58.6169319, 9.51160049), 6.66534415e-27),
    ("gammaincc", (8.05384731, 57.6775055), 4.77206735e-17),
    ("gammaincc", (143.015686, 309.286438), 1.410265937e-26),
    ("betainc", (287715.75, 47.6413879, 0.999486864), 2.467910595e-22),
    ("betainc", (2.29836798, 0.00408833614, 5.96663554e-08), 4.448153906e-20),
    ("betaincc", (30.7138882, 348520.594, 0.000409907894), 1.189944405e-30),
    ("betaincc", (311.784851, 1077.21558, 0.335671067), 4.773649169e-20),
    ("stdtr", (3.54183388, -167784240.0), 1.37388897e-29),
    ("stdtr", (101.683716, -13.7311592), 3.386594218e-25),
    ("stdtr", (0.0632790253, -4.36216473e+27), 0.007828233988),
    ("von_mises_cdf", (32.1828079, -3.03008556), 2.995062654e-29),
    ("von_mises_cdf", (145.582047, -0.833733439), 8.228489592e-23),
    ("log_gammainc", (6.84448147, 57.7115669), -3.496741703e-18),
    ("log_gammaincc", (34.4400063, 4.79717541), -1.925771816e-18),
    ("log_betainc", (564.338196, 130.047852, 0.937990248), -2.388205648e-29),
    ("log_betainc", (0.294322491, 120209.203, 3.58674265e-06), -0.2316726569),
    ("log_betaincc", (37491.7578, 0.190584883, 0.999995053), -0.267167823),
    ("gammaincinv", (0.0117302658, 0.589576006), 1.556336746e-20),
    ("gammaincinv", (0.798300922, 7.87523123e-15), 1.967308951e-18),
    ("gammainccinv", (0.0188681204, 0.24326475), 2.188233369e-07),
    ("betaincinv", (0.392908573, 9.35064316, 4.03368995e-06), 1.522159418e-15),
    ("von_mises_cdfinv", (1e4, 1e-36), -0.126127928013),
    ("von_mises_cdfinv", (300.0, 3e-37), -0.751023754724),
    ("von_mises_cdfinv", (50.0, 1e-35), -2.16319011746),
)  # fmt: skip


@over(sorted({row[0] for row in FAR}), "name")
def test_far_tails_in_single_precision(adapter, name):
    rows = [row for row in FAR if row[0] == name]
    with adapter.precision("float32"):
        values = orders(adapter, name, np.array([row[1] for row in rows], np.float32).astype(np.float64))[0][:, 0]
    np.testing.assert_allclose(values, [row[2] for row in rows], rtol=1e-6)


def test_far_quantile_of_an_angle(adapter):
    """Next to the normal distribution's; Newton's method began at pi, where the mass is 0, and the step with it."""
    kappas, masses = (1e4, 1e8, 1e12), (1e-300, 1e-200, 1e-40)
    rows = np.array([(kappa, q) for kappa in kappas for q in masses])
    with adapter.precision("float64"):
        found = orders(adapter, "von_mises_cdfinv", rows)[0][:, 0]
    normal = scipy.ndtri(rows[:, 1]) / np.sqrt(rows[:, 0])
    # what the circle changes, x**2 / 24 of x and 1 / (8 kappa), and what a tail of many sigma feels of it
    np.testing.assert_allclose(found, normal, rtol=1e-2)
    np.testing.assert_allclose(found[3:], normal[3:], rtol=1e-6)


@over(("stdtrit", "von_mises_cdfinv"), "name")
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_next_to_the_median(adapter, name, precision):
    """To full relative accuracy, on both sides, though 1 - q is rounded where q < 1/2."""
    with mp.workdps(40):
        exact, rows = [], []
        steps = (1e-13, 1e-9, 3e-6, 4e-3, 0.02) if precision == "float64" else (1e-7, 1e-5, 1e-3, 0.03)
        for shape in (0.25, 1.0, 300.0):
            for q in (0.5 + sign * step for step in steps for sign in (1.0, -1.0)):
                q = float(np.dtype(precision).type(q))
                u, k = mp.mpf(q) - 0.5, mp.mpf(shape)
                if name == "stdtrit":
                    top = mp.gamma((k + 1) / 2) / mp.gamma(k / 2) / mp.sqrt(k * mp.pi)

                    def mass(t, k=k, top=top):
                        return top * t * mp.hyp2f1(0.5, (k + 1) / 2, 1.5, -t * t / k)
                else:
                    top = mp.exp(k) / (2 * mp.pi * mp.besseli(0, k))

                    def mass(t, k=k, top=top):
                        return mp.quad(lambda s: top * mp.exp(k * (mp.cos(s) - 1)), [0, t])

                exact.append(float(mp.findroot(lambda t, u=u, mass=mass: mass(t) - u, u / top)))
                rows.append((shape, q))
    with adapter.precision(precision):
        found = orders(adapter, name, np.array(rows))[0][:, 0]
    np.testing.assert_allclose(found, exact, rtol=1e-13 if precision == "float64" else 1e-6)


def test_far_t_of_a_large_df(adapter):
    """Whose square leaves the range of float32; no mass is a 0 below 0."""
    rows = np.array([(df, t) for df in (1e4, 1e8, 1e12) for t in (-1e15, -1e20, -1e30, 1e20)])
    with adapter.precision("float32"):
        values = orders(adapter, "stdtr", rows)[0][:, 0]
    np.testing.assert_array_equal(values, (rows[:, 1] > 0.0).astype(float))
    assert not np.signbit(values).any()


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_far_intervals(adapter, precision):
    """Of ends whose squares are next to overflow, and beyond it."""
    single = precision == "float32"
    end, beyond = (1e18, 1e25) if single else (1e153, 1e200)
    rows = np.array([(-INF, -end), (-8.0 * end, -end), (end, 2.0 * end), (end, INF), (-INF, -beyond), (beyond, INF)])
    with adapter.precision(precision):
        values, gradients, hessians = orders(adapter, "log_ndtr_interval", rows)
    end = float(np.float32(end)) if single else end
    np.testing.assert_allclose(values[:, 0], [*[-0.5 * end * end] * 4, -INF, -INF], rtol=1e-6 if single else 1e-13)
    slopes = [(0.0, end), (0.0, end), (-end, 0.0), (-end, 0.0), (0.0, beyond), (-beyond, 0.0)]
    np.testing.assert_allclose(gradients, slopes, rtol=1e-6 if single else 1e-13)
    np.testing.assert_allclose(hessians[:, [0, 3]], -(np.array(slopes) != 0.0).astype(float))


@over(("gammainc", "gammaincc", "betainc", "betaincc"), "name")
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_densitys_slope_next_to_0(adapter, name, precision):
    """Where the density times x underflows, and beyond, where that over x overflows: it was 3/2 of it, and NaN."""
    double = precision == "float64"
    places = (1e-20, 1e-110, 1e-150, 1e-190, 1e-250) if double else (1e-5, 1e-13, 1e-17, 1e-25, 1e-34)
    rows = np.array([(a, x) for a in (0.7, 1.5, 2.0, 3.0) for x in places])
    if not double:
        rows = rows.astype(np.float32).astype(float)
    a, x = rows.T
    with mp.workdps(20):
        factors = [1 / mp.gamma(c) if name.startswith("gamma") else mp.beta(c, 2) ** -1 for c in map(mp.mpf, a)]
        density = [k * mp.mpf(z) ** (mp.mpf(c) - 1) for k, c, z in zip(factors, a, x, strict=True)]
        slopes = [p * ((mp.mpf(c) - 1) / mp.mpf(z) - 1) for p, c, z in zip(density, a, x, strict=True)]
    if name.startswith("beta"):
        rows = np.stack((a, np.full(len(a), 2.0), x), 1)
    with adapter.precision(precision):
        found = orders(adapter, name, rows)[2][:, -1]
    limits = np.finfo(precision)
    density, slopes = (np.array([float(v) for v in of]) for of in (density, slopes))
    # its own underflow is that of its slope
    held = (density < 1e3 * limits.tiny) | (np.abs(slopes) < 1e3 * limits.tiny) | (np.abs(slopes) > 1e-3 * limits.max)
    sign = -1.0 if name.endswith("cc") else 1.0
    assert (~held).sum() >= 10
    np.testing.assert_allclose(found[~held], sign * slopes[~held], rtol=2e-12 if double else 2e-5)
    assert np.isfinite(found[np.abs(slopes) < 1e-3 * limits.max]).all()


E1_OF_HALF = 0.55977359477616081


def test_tiny_shapes_beside_limits(adapter):
    """A shape below what stands for 0 at the limit is itself, also in an array that has a 0."""
    rows = np.array([(0.0, 2.0), (1e-100, 0.5), (1e-32, 0.5), (1e-20, 0.5)])
    with adapter.precision("float64"):
        values, gradients, _ = orders(adapter, "gammaincc", rows)
        logs, slopes, _ = orders(adapter, "log_gammaincc", rows)
        betas, by_shape, _ = orders(
            adapter, "betainc", np.array([(2.0, 0.0, 0.5), (2.0, 1e-100, 0.5), (2.0, 1e-32, 0.5)])
        )
    np.testing.assert_allclose(values[1:, 0], rows[1:, 0] * E1_OF_HALF, rtol=1e-13)
    np.testing.assert_allclose(gradients[1:, 0], E1_OF_HALF, rtol=1e-12)
    np.testing.assert_allclose(logs[1:, 0], np.log(rows[1:, 0] * E1_OF_HALF), rtol=1e-13)
    np.testing.assert_allclose(slopes[1:, 0], 1.0 / rows[1:, 0], rtol=1e-12)
    # I_x(2, b) = b int_0^x t / (1 - t) dt of a tiny b
    np.testing.assert_allclose(betas[1:, 0], np.array([1e-100, 1e-32]) * (math.log(2.0) - 0.5), rtol=1e-13)
    np.testing.assert_allclose(by_shape[:, 1], math.log(2.0) - 0.5, rtol=1e-12)


def test_broadcasting_and_dtypes(adapter):
    with adapter.precision("float32"):
        a, x = adapter.array([[0.5], [2.0]]), adapter.array([0.1, 1.0, 3.0])
        found = adapter.irg.special.gammainc(a, x)
        assert found.shape == (2, 3) and adapter.dtype_of(found).endswith("float32")
        np.testing.assert_allclose(adapter.numpy(adapter.irg.special.gammainc(2, 3)), scipy.gammainc(2, 3), rtol=1e-6)


def test_bad_arguments(adapter):
    of = adapter.irg.special
    x = adapter.array([0.1, 0.2, 0.3])
    for wrong in ("2", None, [1.0], 1j):
        with pytest.raises((TypeError, ValueError), match="gammainc: a must be"):
            of.gammainc(wrong, x)
    with pytest.raises(ValueError, match=r"betainc: .*b of shape \(2,\).* cannot be broadcast together"):
        of.betainc(1.0, adapter.array([1.0, 2.0]), x)
