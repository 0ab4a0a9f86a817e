"""Gauss-Legendre rules and the tail integral built on them."""

import math

import numpy as np
import pytest

from irg_kernels.numerics.quadrature import depth, gauss_legendre, is_double, tail_integral, tail_of_line, tail_rule
from tests.kernels.backends import QUICK

EPS = float(np.finfo(np.float64).eps)
# the least, some such as the families use, and far more
COUNTS = (1, 2, 3, 10, 12, 14, 22, 28, 32, 36, 100)


@pytest.mark.parametrize("n", COUNTS)
def test_exact_for_polynomials(n):
    """n nodes integrate x**k over (0, 1) exactly for k < 2 n, and for no more."""
    nodes, weights = gauss_legendre(n)
    for k in range(2 * n):
        integral = math.fsum(w * x**k for x, w in zip(nodes, weights, strict=True))
        # an error in a node counts k times, but then the integral is 1 / (k + 1)
        assert integral == pytest.approx(1 / (k + 1), rel=40 * EPS, abs=4 * EPS), k
    if n < 10:  # the error at k = 2 n is about 16**-n
        integral = math.fsum(w * x ** (2 * n) for x, w in zip(nodes, weights, strict=True))
        assert abs(integral - 1 / (2 * n + 1)) > 1e-6


@pytest.mark.parametrize("n", COUNTS)
def test_against_numpy(n):
    nodes, weights = gauss_legendre(n)
    x, w = np.polynomial.legendre.leggauss(n)
    np.testing.assert_allclose(nodes, 0.5 * (1.0 + x), rtol=0, atol=4 * EPS)
    np.testing.assert_allclose(weights, 0.5 * w, rtol=0, atol=40 * EPS)


@pytest.mark.parametrize("n", COUNTS)
def test_order_and_symmetry(n):
    nodes, weights = gauss_legendre(n)
    assert len(nodes) == len(weights) == n
    assert list(nodes) == sorted(nodes) and 0.0 < nodes[0] and nodes[-1] < 1.0
    np.testing.assert_allclose(np.add(nodes, nodes[::-1]), 1.0, rtol=0, atol=2 * EPS)
    np.testing.assert_allclose(weights, weights[::-1], rtol=40 * EPS)


@pytest.mark.parametrize("n", [10, 14, 32])
def test_tail_rule(n):
    """int_0^1 f and int_0^1 u f of an f that falls by `depth`."""
    rule = tail_rule(n)
    assert (
        len(rule.nodes) == n and list(rule.nodes) == sorted(rule.nodes) and 0.0 < rule.nodes[0] < rule.nodes[-1] < 1.0
    )
    np.testing.assert_allclose(rule.moments, np.multiply(rule.weights, rule.nodes), rtol=EPS)
    fall = 37.0 if n == 32 else 17.0
    values = np.exp(-fall * np.array(rule.nodes))
    mass = -math.expm1(-fall) / fall
    mean = (mass - math.exp(-fall)) / fall
    allowed = {10: 1e-6, 14: 1e-9, 32: 1e-14}[n]
    assert np.dot(values, rule.weights) == pytest.approx(mass, rel=allowed)
    assert np.dot(values, rule.moments) == pytest.approx(mean, rel=allowed)


@pytest.mark.parametrize("backend", QUICK, ids=str)
def test_precision_decides(backend):
    """The node count and the depth follow `finfo`: wide float64 arrays count as single."""
    double = backend.precision == "float64"
    with backend.session():
        like = backend.array(np.ones(2))
        assert is_double(backend.xp, like) == double
        assert math.exp(-depth(backend.xp, like)) < backend.eps
    found = backend.values(
        lambda xp, cut: tail_integral(xp, lambda y: y**2, cut, nodes_f32=2, nodes_f64=5), np.array([0.5, 2])
    )
    rule = tail_rule(5 if double else 2)
    expected = np.dot(np.square(rule.nodes), rule.weights) * np.array([0.125, 8.0])
    np.testing.assert_allclose(found, expected, rtol=8 * backend.eps)


@pytest.mark.parametrize("backend", QUICK, ids=str)
@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["up", "down"])
def test_tails(backend, direction):
    """int_0^cut (y - zero) exp(-|y|) dy, cuts of several sizes at once, by both functions."""
    cut = np.array([[0.0, 1e-3, 1.0], [5.0, 17.0, 37.0]])
    zero = np.array([[-1.0, 0.0, -0.5], [-2.0, -1e-3, -1.0]])

    def general(xp, cut, zero):
        return tail_integral(xp, lambda y: (y - zero) * xp.exp(-xp.abs(y)), cut, nodes_f32=20, nodes_f64=36)

    def of_line(xp, cut, zero):
        return tail_of_line(xp, lambda y: xp.exp(-xp.abs(y)), cut, zero, nodes_f32=20, nodes_f64=36)

    mass = -np.expm1(-cut)
    expected = mass - cut * np.exp(-cut) - zero * mass  # the same in both directions
    for function in (general, of_line):
        values = backend.values(function, direction * cut, direction * zero)
        # next to cancellation only at cut = 1e-3 with zero = 0; 20 nodes for 37 units leave 1e-7
        np.testing.assert_allclose(values, expected, rtol=1e-13 if backend.precision == "float64" else 2e-6, atol=1e-16)
