"""MixtureSameFamily and MixtureGeneral: partials against mpmath, expectations in closed form, hard points, memory."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro import handlers

import numpyro_irg.distributions as dist
from numpyro_irg import check_reparameterized
from numpyro_irg.distributions import conditionals
from tests import mixtures
from tests.checks import STANDARD_ERRORS, standardised
from tests.mixtures import FORM, MANY, ROWS, TILT

KEY = jax.random.key(0)


MOST = max(len(row.values) for row in ROWS)


def leaves_of(row, dtype):
    leaves = {"logits": row.logits, **dict(row.params)}
    return {k: jnp.broadcast_to(jnp.array(v, dtype), (MOST, len(v))) for k, v in leaves.items()}


def at_fixed_quantile(name, leaves, x, form):
    """x, held under a mixture of the family by one of the ways to the same law."""
    p = {k: v for k, v in leaves.items() if k != "logits"}
    weights, family = dist.Categorical(logits=leaves["logits"]), getattr(dist, name)
    if form == "same family":
        return dist.MixtureSameFamily(weights, family(**p)).at_fixed_quantile(x)
    if form == "general":
        parts = [family(**{k: v[..., i] for k, v in p.items()}) for i in range(leaves["logits"].shape[-1])]
        return dist.MixtureGeneral(weights, parts).at_fixed_quantile(x)
    law = dist.MixtureSameFamily(weights, family(**{k: v[..., None] for k, v in p.items()}).to_event(1))
    return law.at_fixed_quantile(x[..., None])[..., 0]


# ------------------------------------------------------------------------------------------------------------- path


@functools.cache
def compiled_partials(family, form):
    """Of `MOST` values at a time, so that the rows of a family share it."""

    def total(leaves, x):
        moved = at_fixed_quantile(family, leaves, x, form)
        return moved.sum(), moved

    return jax.jit(jax.grad(total, has_aux=True))


def check_partials(row, form, dtype, rtol):
    n = len(row.values)
    x = jnp.array([*row.values, *row.values[:1] * (MOST - n)], dtype)
    found, moved = compiled_partials(row.family, form)(leaves_of(row, dtype), x)
    assert (moved == x).all()
    for name, error in mixtures.errors(row, {name: slopes[:n] for name, slopes in found.items()}).items():
        assert error < rtol, (name, error)


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.slow] * (row.family in ("Beta", "VonMises"))) for row in ROWS], ids=str
)
def test_partials(row):
    """dz / d logits and every parameter of the components, to the target of the kernels."""
    with jax.enable_x64(True):
        check_partials(row, "same family", jnp.float64, 1e-12)


@pytest.mark.parametrize("form", ["general", "event"])
@pytest.mark.parametrize("row", [ROWS[0], ROWS[1]], ids=str)
def test_other_forms(row, form):
    with jax.enable_x64(True):
        check_partials(row, form, jnp.float64, 1e-12)


@pytest.mark.parametrize("row", [ROWS[i] for i in (0, 1, 5, 6, 7, 8)], ids=str)
def test_partials_in_float32(row):
    check_partials(row, "same family", jnp.float32, mixtures.IN_FLOAT32.get(row.name, 2e-6))


@pytest.mark.slow
def test_second_derivatives_and_modes():
    """In several dimensions: symmetric as that of a function of the noise, the same in every mode, and jitted."""
    with jax.enable_x64(True):
        loc, tril = jnp.array([[0.0, 0.5], [1.0, -0.5]]), jnp.array([[1.0, 0.0], [0.5, 0.75]])
        x = jnp.array([0.25, 0.5])

        def path(theta):
            law = dist.MultivariateNormal(theta[2:].reshape(2, 2), scale_tril=tril)
            return conditionals.at_fixed_quantile(jax.nn.log_softmax(theta[:2]), [law], x)

        theta = jnp.concatenate([jnp.array([0.5, -0.25]), loc.reshape(-1)])
        np.testing.assert_allclose(
            jax.jit(jax.jacfwd(path))(theta), jax.jit(jax.jacrev(path))(theta), rtol=1e-12, atol=1e-13
        )
        hessian = jax.jit(jax.hessian(path))(theta)
        np.testing.assert_allclose(hessian, jnp.swapaxes(hessian, -1, -2), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(jax.jit(jax.jacrev(jax.jacrev(path)))(theta), hessian, rtol=1e-10, atol=1e-12)
        rows = jax.vmap(path)(jnp.stack([theta, theta + 0.1]))
        np.testing.assert_array_equal(rows, jnp.stack([x, x]))


# ----------------------------------------------------------------------------------------------------- expectations


def many(kind, leaves, general=False):
    p = {k: v for k, v in leaves.items() if k != "logits"}
    family = {"factorised": dist.Normal, "normal": dist.MultivariateNormal}.get(kind, dist.MultivariateStudentT)
    if kind != "factorised":
        p["scale_tril"] = jnp.tril(p["scale_tril"])
    weights = dist.Categorical(logits=leaves["logits"])
    if general:
        axis = {"logits": -1, "df": -1, "loc": -2, "scale": -2, "scale_tril": -3}
        parts = [family(**{k: jnp.take(v, i, axis[k]) for k, v in p.items()}) for i in range(mixtures.K)]
        parts = [part.to_event(1) for part in parts] if kind == "factorised" else parts
        return dist.MixtureGeneral(weights, parts)
    component = family(**p)
    return dist.MixtureSameFamily(weights, component.to_event(1) if kind == "factorised" else component)


@pytest.mark.parametrize("general", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MANY)
def test_expectations(kind, general):
    """d E f / d parameter of a quadratic f, and for normal laws of an exponential one."""
    if general and kind == "student t":
        pytest.skip("as for normal laws, and slow to compile")
    n = 20_000
    leaves = {k: jnp.broadcast_to(jnp.array(v, jnp.float32), (n, *v.shape)) for k, v in MANY[kind].items()}
    functions = {
        mixtures.moment: lambda x: x.sum() + ((x @ FORM) * x).sum(),
        mixtures.tilted: lambda x: jnp.exp(x @ TILT).sum(),
    }
    if kind == "student t":
        del functions[mixtures.tilted]

    @jax.jit
    def gradients(leaves):
        x, pull = jax.vjp(lambda leaves: many(kind, leaves, general).sample(KEY), leaves)
        return [pull(jax.grad(f)(x))[0] for f in functions.values()]

    for expectation, found in zip(functions, gradients(leaves), strict=True):
        truth = mixtures.slopes(expectation, MANY[kind])
        for name, slope in truth.items():
            part = np.asarray(found[name], np.float64)
            used = np.abs(part).max(0) > 0.0  # not above a diagonal
            assert np.abs(slope[~used]).max(initial=0.0) < 1e-9, name
            # float32: a single slope is right to 1e-5
            assert (standardised(part[:, used], slope[used], rtol=1e-5) < STANDARD_ERRORS).all(), name


# ------------------------------------------------------------------------------------------------------ hard points


@functools.cache
def compiled_draws(kind):
    def total(leaves):
        x = many(kind, leaves).sample(KEY, (200,))
        return x.sum(), x

    return jax.jit(jax.grad(total, has_aux=True))


@pytest.mark.parametrize("kind", ["factorised", "normal"])
@pytest.mark.slow
@pytest.mark.parametrize("case", ["weight 1e-30", "equal", "apart"])
def test_hard_points(kind, case):
    leaves = {k: jnp.array(v, jnp.float32) for k, v in MANY[kind].items()}
    if case == "weight 1e-30":
        leaves["logits"] = jnp.array([0.0, 0.5, -69.0])
    elif case == "equal":
        leaves = {k: jnp.broadcast_to(v[:1], v.shape) for k, v in leaves.items()}
    else:
        leaves["loc"] = leaves["loc"] + jnp.array([-50.0, 0.0, 50.0])[:, None]
    found, x = compiled_draws(kind)(leaves)
    assert jnp.isfinite(x).all() and all(jnp.isfinite(slope).all() for slope in found.values())
    # every draw moves with all locations moved at once
    np.testing.assert_allclose(found["loc"].sum(0), np.full(3, 200.0), rtol=1e-4)
    if case == "equal":
        assert jnp.abs(found["logits"]).max() < 1e-2  # 200 draws of slope 0, each to 1e-5
    if case == "weight 1e-30":
        assert all(jnp.abs(slope[2]).max() < 1e-20 for slope in found.values())


# --------------------------------------------------------------------------------------------------------- the class


@pytest.mark.parametrize("events", [0, 1])
def test_draws_are_the_hosts(events):
    loc = jnp.array([-1.0, 2.0])
    component = (
        host.Normal(jnp.broadcast_to(loc[:, None], (2, 3)), 1.0).to_event(1) if events else host.Normal(loc, 1.0)
    )
    ours, stock = (m.MixtureSameFamily(m.Categorical(logits=jnp.zeros(2)), component) for m in (dist, host))
    x, indices = ours.sample_with_intermediates(KEY, (5,))
    expected, same = stock.sample_with_intermediates(KEY, (5,))
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(indices[0], same[0])
    np.testing.assert_array_equal(ours.log_prob(x), stock.log_prob(x))


@pytest.mark.parametrize("kind", MANY)
def test_shapes(kind):
    leaves = {k: jnp.array(v, jnp.float32) for k, v in MANY[kind].items()}
    law = many(kind, leaves)

    def shape(law, sample_shape=()):
        return jax.eval_shape(lambda: law.sample(KEY, sample_shape)).shape

    for shaped, expected in ((law.expand((4,)), (2, 4, 3)), (law.expand((5, 4)).to_event(1), (2, 5, 4, 3))):
        assert shaped.has_rsample and shape(shaped, (2,)) == expected
    assert shape(law.expand((4,)).mask(jnp.array([True, False, True, False]))) == (4, 3)
    flat, tree = jax.tree.flatten(law)
    again = jax.tree.unflatten(tree, flat)
    assert type(again) is dist.MixtureSameFamily and again.has_rsample
    rows = jax.vmap(lambda logits: many(kind, {**leaves, "logits": logits}).sample(KEY))
    assert jax.eval_shape(rows, jnp.zeros((4, 3))).shape == (4, 3)


def test_one_matrix_for_all_components():
    def total(loc, family):
        law = dist.MixtureSameFamily(dist.Categorical(logits=jnp.zeros(2)), family(loc))
        return law.sample(KEY, (4,)).sum()

    slope = jax.jit(jax.grad(total), static_argnums=1)(
        jnp.zeros((2, 3)), lambda loc: dist.MultivariateNormal(loc, scale_tril=jnp.eye(3))
    )
    np.testing.assert_allclose(slope.sum(0), np.full(3, 4.0), rtol=1e-5)


@pytest.mark.parametrize(
    "law",
    [
        lambda w: dist.MixtureSameFamily(w, host.Poisson(jnp.ones(2))),
        lambda w: dist.MixtureSameFamily(w, host.Dirichlet(jnp.ones((2, 3)))),
        lambda w: dist.MixtureGeneral(w, [host.Normal(0.0, 1.0), host.HalfNormal(1.0)], support=host.constraints.real),
    ],
)
def test_others_stay_the_hosts(law):
    """No gradient is known: `has_rsample` is false, for `check_reparameterized` and TraceGraph_ELBO to see."""
    law = law(dist.Categorical(logits=jnp.zeros(2)))
    assert not law.has_rsample and law.sample(KEY, (4,)).shape[0] == 4
    with pytest.raises(NotImplementedError, match="is not reparameterized; components may be univariate"):
        law.rsample(KEY)
    with pytest.raises(ValueError, match="site 'z' is not reparameterized: Mixture"):
        check_reparameterized(lambda: numpyro.sample("z", law))


def test_guide_site():
    law = many("normal", {k: jnp.array(v, jnp.float32) for k, v in MANY["normal"].items()})
    with handlers.seed(rng_seed=0), handlers.trace() as sites, numpyro.plate("rows", 5):
        numpyro.sample("z", law)
    assert sites["z"]["value"].shape == (5, 3)
    check_reparameterized(lambda: numpyro.sample("z", law))


@pytest.mark.parametrize("kind", ["factorised", pytest.param("normal", marks=pytest.mark.slow)])
def test_draws_by_parts(kind, monkeypatch):
    """The gradient is that of all draws taken at once."""
    leaves = {k: jnp.array(v, jnp.float32) for k, v in MANY[kind].items()}

    def slopes(chunk):
        monkeypatch.setattr(conditionals, "CHUNK", chunk)
        return jax.jit(jax.grad(lambda leaves: jnp.sin(many(kind, leaves).sample(KEY, (17,))).sum()))(leaves)

    at_once, by_parts = slopes(10**9), slopes(3 * 9)
    for name, slope in at_once.items():
        np.testing.assert_allclose(by_parts[name], slope, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["factorised", "normal"])
def test_memory_and_compilation(kind, dtype):
    """K = 100, D = 50, 1,000 draws: one pass with its gradient in less than 1 GiB, compiled in less than 10 s."""
    with jax.enable_x64(dtype == "float64"):
        check_size(kind, dtype)


def check_size(kind, dtype):
    keys = jax.random.split(KEY, 2)
    loc = jax.random.normal(keys[0], (100, 50), dtype)
    scale_tril = jnp.eye(50, dtype=dtype) + 0.1 * jnp.tril(jax.random.normal(keys[1], (100, 50, 50), dtype), -1)
    logits = jnp.zeros(100, dtype)

    def total(logits, loc, scale_tril):
        if kind == "normal":
            component = dist.MultivariateNormal(loc, scale_tril=scale_tril)
        else:
            component = dist.Normal(loc, jnp.diagonal(scale_tril, axis1=-2, axis2=-1)).to_event(1)
        return jnp.sin(dist.MixtureSameFamily(dist.Categorical(logits=logits), component).sample(KEY, (1000,))).sum()

    start = time.process_time()
    lowered = jax.jit(jax.grad(total, (0, 1, 2))).lower(logits, loc, scale_tril)
    compiled = lowered.compile()
    assert time.process_time() - start < 10.0
    assert compiled.memory_analysis().temp_size_in_bytes < 2**29
    assert all(jnp.isfinite(slope).all() for slope in compiled(logits, loc, scale_tril))
