"""KL divergences: against mpmath, near 0 too, by the host's dispatch and in its ELBO."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp

from tests.families import BY_NAME, ROWS

DIVERGENCES = {row.name: row.divergence for row in ROWS if row.divergence}

# Relative error of a KL divergence, near 0 too: its terms are not negative, and each is exact.
# Two terms of Beta's are of one size and subtract (1.1e-12 measured).  In float32 without wider arithmetic the
# logarithm of a ratio far from 1 is what limits it, and across kappa = 16, where von Mises passes from one formula to
# another, a difference of two values of 1 - I1/I0 (6e-6 measured from 15.9 to 16.1).
DIVERGENCE = {"float64": 4e-12, "float32": 1e-5}

names = pytest.mark.parametrize("name", DIVERGENCES)


def divergence(exact, p, q):
    """KL(p || q) by one of these functions, a float."""
    with mp.workdps(60):
        return float(exact(*(mp.mpf(float(v)) for v in (*p, *q))))


def make(adapter, module, name, params):
    return getattr(getattr(adapter, module), name)(*map(adapter.array, params))


@names
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_value(adapter, name, precision):
    """Of all pairs at once; of equal distributions 0."""
    exact, pairs = DIVERGENCES[name]
    pairs = np.array(pairs).astype(precision).astype(float)
    with adapter.precision(precision):
        p, q = (make(adapter, "dist", name, pairs[:, k].T) for k in (0, 1))
        value, same = adapter.kl_divergence(p, q), adapter.kl_divergence(p, p)
    assert adapter.dtype_of(value) == precision
    truth = [divergence(exact, *pair) for pair in pairs]
    np.testing.assert_allclose(adapter.numpy(value), truth, rtol=DIVERGENCE[precision])
    np.testing.assert_array_equal(adapter.numpy(same), 0.0)


@names
def test_derivatives(adapter, name):
    """By every parameter of both, against mpmath's differences of the textbook's formula; in Pyro of second order too.

    (The kernels' second derivatives are the same in both.)
    """
    exact, pairs = DIVERGENCES[name]
    pairs = [pair for pair in pairs if pair[0][0] in (0.5, 2.5, 4.0)]

    def value(*leaves):
        p, q = leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :]
        return adapter.kl_divergence(getattr(adapter.dist, name)(*p), getattr(adapter.dist, name)(*q))

    slopes = adapter.jit(adapter.slopes(lambda leaves: value(*leaves)))
    for p, q in pairs:
        with adapter.precision("float64"):
            leaves = tuple(map(adapter.array, (*p, *q)))
            found = slopes(leaves)
            if adapter.eager:
                adapter.check_grads(value, leaves)
        with mp.workdps(50):
            for k, slope in enumerate(found):
                order = tuple(int(i == k) for i in range(len(found)))
                np.testing.assert_allclose(adapter.numpy(slope), float(mp.diff(exact, (*p, *q), order)), rtol=1e-9)


@pytest.mark.parametrize("name", ["Gamma", "Beta", "VonMises", "InverseGamma"])
def test_against_the_hosts_classes(adapter, name):
    p, q = (0.5, 2.0), (3.0, 0.25)
    kl = adapter.kl_divergence
    expected = kl(make(adapter, "dist", name, p), make(adapter, "dist", name, q))
    assert kl(make(adapter, "dist", name, p), make(adapter, "host", name, q)) == expected
    assert kl(make(adapter, "host", name, p), make(adapter, "dist", name, q)) == expected
    plain = getattr(adapter.host, name)(*q)  # in NumPyro it holds Python's numbers
    assert kl(make(adapter, "dist", name, p), plain) == expected
    assert (kl(plain, make(adapter, "dist", name, q)) == 0.0).all()


@pytest.mark.parametrize("pair", [("Gamma", "Gamma"), ("Chi2", "Gamma"), ("Beta", "Beta"), ("Dirichlet", "Dirichlet")])
def test_values_are_the_hosts(adapter, pair):
    if adapter.name == "numpyro" and pair[0] == "Chi2":
        pytest.skip("NumPyro has no divergence for this pair; `test_relatives` has ours")
    params = [adapter.arrays(BY_NAME[name].points[i]) for i, name in enumerate(pair)]
    ours, theirs = (
        [getattr(module, name)(**found) for name, found in zip(pair, params)] for module in (adapter.dist, adapter.host)
    )
    expected = adapter.numpy(adapter.kl_divergence(*theirs))
    for p, q in (ours, (ours[0], theirs[1]), (theirs[0], ours[1])):
        np.testing.assert_allclose(adapter.numpy(adapter.kl_divergence(p, q)), expected, rtol=1e-6)


def test_relatives(adapter):
    """Chi2 and Exponential are Gammas; LogGamma and InverseGamma diverge as the Gamma; a Beta is a Dirichlet."""

    def kl(p, q):
        return adapter.numpy(adapter.kl_divergence(p, q))

    ours, (a, b) = functools.partial(make, adapter, "dist"), ((1.5, 0.5), (1.0, 2.0))
    gamma, exponential = kl(ours("Gamma", a), ours("Gamma", b)), make(adapter, "host", "Exponential", (2.0,))
    pairs = [
        (ours("Chi2", (3.0,)), ours("Gamma", b)),
        (ours("Gamma", a), exponential),
        (ours("LogGamma", a), ours("LogGamma", b)),
        (ours("InverseGamma", a), ours("InverseGamma", b)),
    ]
    for p, q in pairs:
        np.testing.assert_allclose(kl(p, q), gamma, rtol=1e-6)
    turned = kl(ours("Gamma", b), ours("Chi2", (3.0,)))
    np.testing.assert_allclose(kl(exponential, ours("Chi2", (3.0,))), turned, rtol=1e-6)
    dirichlets = [adapter.dist.Dirichlet(adapter.array(v)) for v in ([0.5, 2.0], [3.0, 0.25])]
    expected = kl(ours("Beta", (0.5, 2.0)), ours("Beta", (3.0, 0.25)))
    np.testing.assert_allclose(kl(*dirichlets), expected, rtol=1e-6)


@pytest.mark.parametrize(("name", "low", "high"), [("VonMises", -math.pi, math.pi), ("Beta", 0.0, 1.0)])
def test_uniform(adapter, name, low, high):
    """Over the whole circle or interval; infinite over less."""
    p = make(adapter, "dist", name, (0.5, 2.0))

    def kl(low, high):
        return adapter.numpy(adapter.kl_divergence(p, adapter.host.Uniform(*map(adapter.array, (low, high)))))

    entropy = adapter.numpy(p.entropy())
    np.testing.assert_allclose(kl(low, high), math.log(high - low) - entropy, rtol=1e-6)
    np.testing.assert_allclose(kl(low - 1.0, high + 1.0), math.log(high - low + 2.0) - entropy, rtol=1e-6)
    assert kl(low, 0.9 * high) == math.inf


def test_mean_field_elbo(adapter):
    """The ELBO of a model that is its prior alone has no noise: it is the closed form, with its gradient."""
    priors = {
        "angle": ("VonMises", (0.0, 2.0), (0.5, 7.0)),
        "rate": ("Gamma", (2.0, 1.0), (3.0, 0.5)),
        "share": ("Beta", (1.0, 1.0), (2.0, 5.0)),
    }

    def program(which):
        for name, (cls, *both) in priors.items():
            params = [adapter.array(v) for v in both[which]]
            if which:
                params[0] = adapter.param(f"{name}_", params[0])
            with adapter.plate(f"{name}s", 3):
                adapter.sample(name, getattr(adapter.dist, cls)(*params))

    params = {f"{name}_": adapter.array(start[0]) for name, (_, _, start) in priors.items()}
    closed = sum(
        3.0 * adapter.numpy(adapter.kl_divergence(make(adapter, "dist", cls, start), make(adapter, "dist", cls, prior)))
        for cls, prior, start in priors.values()
    )
    mean_field, plain = (
        adapter.loss_and_slopes(lambda: program(0), lambda: program(1), params, elbo=elbo, seeds=range(3))
        for elbo in ("TraceMeanField", "Trace")
    )
    np.testing.assert_allclose([loss for loss, _ in mean_field], closed, rtol=1e-6)
    assert np.std([loss for loss, _ in plain]) > 0.01
    mean = 1.0 - adapter.numpy(adapter.dist.VonMises(0.0, 7.0).variance)
    np.testing.assert_allclose(mean_field[0][1]["angle_"], 3.0 * 2.0 * mean * math.sin(0.5), rtol=1e-6)


def _log_normalizer(nu):
    return mp.loggamma(nu / 2) - mp.loggamma((nu + 1) / 2) + mp.log(mp.pi * nu) / 2


def _mean_log(nu, c, by_residue):
    """E[log(c + i T)], Re(c) > 0: of odd nu by the pole of the density at -i sqrt(nu), else by Simpson's rule."""
    a = mp.sqrt(nu)
    if by_residue:
        n = int(nu + 1) // 2
        inner = mp.diff(lambda t: mp.log(c + mp.j * t) / (t - mp.j * a) ** n, -mp.j * a, n - 1)
        return -2j * mp.pi * a ** (2 * n) / mp.factorial(n - 1) * inner * mp.exp(-_log_normalizer(nu))

    def at(y):
        return mp.cosh(y) ** -nu * mp.log(c + mp.j * a * mp.sinh(y))

    far = (mp.asinh(c.imag / a), 1, 3, 9, 27, 90 / nu)
    places = sorted({mp.zero, *(sign * mp.mpf(y) for sign in (-1, 1) for y in far)})
    return mp.quad(at, places) * a * mp.exp(-_log_normalizer(nu))


def student_t_divergence(nu, loc, scale, mu, loc_q, scale_q):
    r, delta = scale / scale_q, (loc - loc_q) / scale_q
    odd = nu == int(nu) and int(nu) % 2 == 1
    root = mp.sqrt(mu)
    outer = _mean_log(nu, mp.mpc(root, delta) / r, odd).real + mp.log(r / root)
    inner = mp.digamma((nu + 1) / 2) - mp.digamma(nu / 2)
    rise = _log_normalizer(mu) - _log_normalizer(nu) - mp.log(r)
    return rise + (mu + 1) * outer - (nu + 1) * inner / 2


STUDENT = [
    # near each other
    ((3.0, 0.25, 1.0), (3.0, 0.25, 1.0009765625)), ((3.0, 0.0, 1.0), (3.000244140625, 0.0, 1.0)),
    ((1.0, 0.0, 2.0), (1.0, 0.0009765625, 2.0)), ((21.0, 0.0, 1.0), (48.0, 0.0, 1.0)),
    ((5.0, 1.0, 2.0), (6.0, 0.5, 3.0)),
    # far
    ((1.0, 0.0, 1.0), (1.0, 3.0, 0.5)), ((3.0, 0.0, 1.0), (1e4, 5.0, 0.01)), ((1.0, -2.0, 1e3), (0.01, 1.0, 1e-3)),
    ((7.0, 0.0, 1e-3), (1e6, 4.0, 1.0)), ((21.0, 0.0, 1.0), (0.5, 20.0, 1e-6)), ((1.0, 0.0, 1.0), (1e-3, 1e6, 1.0)),
    # of any degrees of freedom
    ((2.5, 0.5, 1.0), (4.0, 0.0, 3.0)), ((0.25, 0.0, 1.0), (0.5, 4.0, 8.0)), ((0.125, 1.0, 1.0), (30.0, 1.5, 0.25)),
]  # fmt: skip


@functools.cache
def student_truth():
    with mp.workdps(30):
        return [float(student_t_divergence(*(mp.mpf(v) for v in (*p, *q)))) for p, q in STUDENT]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_student_t(adapter, precision):
    """From a divergence of 1e-11 to one of 1e8; of equal ones 0."""
    table = np.array(STUDENT)
    with adapter.precision(precision):
        p, q = (make(adapter, "dist", "StudentT", table[:, k].T) for k in (0, 1))
        both = adapter.jit(lambda p, q: (adapter.kl_divergence(p, q), adapter.kl_divergence(p, p)))
        value, same = both(p, q)
    assert adapter.dtype_of(value) == precision
    np.testing.assert_allclose(adapter.numpy(value), student_truth(), rtol=DIVERGENCE[precision])
    assert (abs(adapter.numpy(same)) < {"float64": 1e-28, "float32": 1e-12}[precision]).all()


def test_derivatives_of_student_t(adapter):
    """Near each other, and far.  (The kernel is differentiated as it stands: JAX would compile for 10 s.)"""
    if not adapter.eager:
        pytest.skip("one kernel, one derivative")
    pairs = np.array([[3.0, 0.5, 1.0, 4.0, 0.25, 1.25], [3.0, 0.5, 1.0, 0.5, 2.0, 3.0]])

    def value(*leaves):
        return adapter.kl_divergence(adapter.dist.StudentT(*leaves[:3]), adapter.dist.StudentT(*leaves[3:])).sum()

    with adapter.precision("float64"):
        leaves = tuple(map(adapter.array, pairs.T))
        found = adapter.slopes(lambda leaves: value(*leaves))(leaves)
        slopes = np.array([adapter.numpy(slope) for slope in found])
    with mp.workdps(20):
        for of_pair, values in zip(slopes.T, pairs, strict=True):
            for k, slope in enumerate(of_pair):
                step = mp.mpf("1e-6") if k else mp.mpf("1e-3")
                moved = [[mp.mpf(v) + s * step * (i == k) for i, v in enumerate(values)] for s in (-2, -1, 1, 2)]
                f = [student_t_divergence(*at) for at in moved]
                np.testing.assert_allclose(slope, float((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)), rtol=1e-9)
