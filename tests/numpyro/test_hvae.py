"""The Hamiltonian guide: exact where theory is exact, and the traps of plates, masks, parameters and supports."""

import copy
import math
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy.special import logsumexp
from numpyro.distributions import constraints
from numpyro.handlers import block, seed, substitute, trace
from numpyro.infer import SVI, Predictive, RenyiELBO, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal

from numpyro_irg.infer import HVAE, AutoHVAE, diagnostics, log_evidence, log_weights

TEMPERINGS = ["none", "fixed", "quadratic", "free", lambda num_steps: [0.9] * num_steps]
schedules = pytest.mark.parametrize("tempering", TEMPERINGS, ids=["none", "fixed", "quadratic", "free", "function"])


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# --------------------------------------------------- a linear Gaussian model: x ~ N(w.z, s^2), z ~ N(0, I) in 2 dims

WEIGHTS = np.array([1.0, 0.5])
DATA = np.array([0.3, -1.2, 2.0, 0.7, -0.4, 1.1])


def linear(x, size=None):
    s = numpyro.param("s", 0.7, constraint=constraints.positive)
    size = len(x) if size is None else size
    with numpyro.plate("data", size, subsample_size=len(x)):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
        numpyro.sample("x", dist.Normal(z @ WEIGHTS, s), obs=x)


def encoder(x, size=None):
    slope = numpyro.param("slope", jnp.array([0.5, 0.3]))
    scale = numpyro.param("scale", jnp.array([0.6, 0.9]), constraint=constraints.positive)
    size = len(x) if size is None else size
    with numpyro.plate("data", size, subsample_size=len(x)):
        numpyro.sample("z", dist.Normal(x[:, None] * slope, scale).to_event(1))


def log_p(x, s=0.7):
    """log p(x) of each datum."""
    variance = s**2 + np.sum(WEIGHTS**2)
    return -0.5 * (x**2 / variance + np.log(2.0 * np.pi * variance))


def params_of(model, guide, *args, **kwargs):
    """The initial parameters."""
    svi = SVI(model, guide, numpyro.optim.Adam(1e-3), Trace_ELBO())
    return jit(lambda key: svi.get_params(svi.init(key, *args, **kwargs)))(jax.random.key(0))


def jit(f):
    """Compiled in little time: the arrays are small."""
    return jax.jit(f, compiler_options={"xla_backend_optimization_level": 0})


def loss(model, guide, *args, elbo=None, key=3, **kwargs):
    """A function of the parameters."""
    elbo = Trace_ELBO() if elbo is None else elbo
    return lambda params: elbo.loss(jax.random.key(key), params, model, guide, *args, **kwargs)


def sites_of(guide, params, *args):
    """Names, shapes and scales of a guide's sites (no values)."""
    found = {}
    jax.eval_shape(lambda: found.update(trace(substitute(seed(guide, 0), data=params)).get_trace(*args)))
    return found


def flow(guide, params, *args):
    """(z0, rho0) -> (z_K, rho_K) with everything else fixed, and a point (z0, rho0)."""

    def run(point):
        z0, rho0 = jnp.split(point, 2)
        given = {"hvae_base_z": z0, "hvae_momentum_z": rho0}
        with block(), seed(rng_seed=0), substitute(data={**params, **given}):
            _, path = guide.refine(*args)
        return jnp.concatenate([path.z[0], path.rho[0]])

    return run, jnp.array([0.4, -0.7, 1.1, 0.9, 0.3, -1.2])


def banana(x):
    z = numpyro.sample("z", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
    numpyro.sample("x", dist.Normal(z[0] + z[1] ** 2 * z[2], 0.5), obs=x)


def wide(x):
    scale = numpyro.param("scale", jnp.array([0.5, 0.8, 1.2]))
    numpyro.sample("z", dist.Normal(jnp.zeros(3), scale).to_event(1))


@schedules
def test_jacobian(tempering):
    guide = HVAE(banana, wide, num_steps=4, step_size=0.3, tempering=tempering, step_size_shape="step")
    params = params_of(banana, guide, 1.0)
    run, point = flow(guide, params, 1.0)
    _, found = np.linalg.slogdet(jit(jax.jacobian(run))(point))
    with block(), substitute(data=params):
        alphas = guide.cooling()
    np.testing.assert_allclose(found, 3 * np.sum(np.log(alphas)), atol=1e-5)  # -(d/2) log T0
    assert (tempering == "none") == (found == pytest.approx(0.0, abs=1e-9))


def test_reversible():
    guide = HVAE(banana, wide, num_steps=5, step_size=0.3)
    run, point = flow(guide, params_of(banana, guide, 1.0), 1.0)
    run, flip = jit(run), jnp.array([1.0] * 3 + [-1.0] * 3)
    np.testing.assert_allclose(flip * run(flip * run(point)), point, atol=1e-9)


def test_energy_error_is_of_second_order():
    errors = []
    for steps, size in ((5, 0.2), (10, 0.1), (20, 0.05)):
        guide = HVAE(banana, wide, num_steps=steps, step_size=size, step_size_shape="scalar")
        found = diagnostics(guide, params_of(banana, guide, 1.0), jax.random.key(0), 1.0)
        errors.append(abs(float(found["energy_errors"].sum())))
    assert 3.0 < errors[0] / errors[1] < 5.0 and 3.5 < errors[1] / errors[2] < 4.5


def test_small_steps_change_nothing():
    guide = HVAE(linear, encoder, num_steps=5, step_size=1e-6)
    params = params_of(linear, guide, DATA, size=60)
    found, base = (jit(loss(linear, g, DATA, size=60))(params) for g in (guide, encoder))
    np.testing.assert_allclose(found, base, atol=1e-5)


def test_no_steps_is_the_base():
    guide = HVAE(linear, encoder, num_steps=0, tempering="free")
    assert list(sites_of(guide, {}, DATA)) == list(sites_of(encoder, {}, DATA))


@schedules
def test_mean_weight_is_the_evidence(tempering):
    """For each datum, in a plate that is subsampled."""
    guide = HVAE(linear, encoder, num_steps=3, step_size=0.3, tempering=tempering)
    params = params_of(linear, guide, DATA, size=60)
    settings = {"size": 60, "num_samples": 4000, "plate": "data", "batch_size": 500}
    weights = jit(lambda key: log_weights(linear, guide, params, key, DATA, **settings))(jax.random.key(1))
    ratio = np.exp(weights - log_p(DATA))
    error = ratio.std(0) / math.sqrt(4000)
    assert error.max() < 0.05
    assert np.all(abs(ratio.mean(0) - 1.0) < 4.5 * error)


@pytest.mark.parametrize(("tempering", "checkpoint"), [("fixed", False), ("free", True)])
def test_gradient(tempering, checkpoint):
    """Against central differences, in every parameter: decoder, encoder, step sizes, temperatures."""
    settings = {"tempering": tempering, "checkpoint": checkpoint, "step_size_shape": "step"}
    guide = HVAE(linear, encoder, num_steps=3, step_size=0.3, **settings)
    params = params_of(linear, guide, DATA)
    f = jit(loss(linear, guide, DATA))
    slopes = jit(jax.grad(loss(linear, guide, DATA)))(params)
    assert {"s", "slope", "scale", "hvae_z_step_size"} < set(slopes)
    for name, slope in slopes.items():
        direction = jnp.cos(1.0 + jnp.arange(jnp.size(slope))).reshape(jnp.shape(slope))
        up, down = ({**params, name: params[name] + h * direction} for h in (1e-5, -1e-5))
        difference = (f(up) - f(down)) / 2e-5
        np.testing.assert_allclose(jnp.sum(slope * direction), difference, rtol=1e-6, atol=1e-8)


def test_same_loss_and_gradient_from_every_elbo():
    guide = HVAE(linear, encoder, num_steps=2, tempering="free")
    params = params_of(linear, guide, DATA, size=60)
    value, slopes = jit(jax.value_and_grad(loss(linear, guide, DATA, size=60)))(params)
    for elbo in (TraceGraph_ELBO(), TraceMeanField_ELBO()):
        other = jit(jax.value_and_grad(loss(linear, guide, DATA, size=60, elbo=elbo)))(params)
        np.testing.assert_allclose(other[0], value, rtol=1e-12)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), other[1], slopes)


def test_renyi_lies_between():
    guide = HVAE(linear, encoder, num_steps=2, tempering="fixed")
    params = params_of(linear, guide, DATA, size=60)
    keys = jax.random.split(jax.random.key(0), 400)

    def mean(elbo):
        return np.mean(jax.jit(jax.vmap(lambda k: elbo.loss(k, params, linear, guide, DATA, size=60)))(keys))

    assert 10 * -log_p(DATA).sum() < mean(RenyiELBO(num_particles=10)) < mean(Trace_ELBO()) - 1.0


def test_fresh_arguments_parameters_and_batches():
    guide, fresh = (HVAE(linear, encoder, num_steps=2, step_size=0.3) for _ in range(2))
    params = params_of(linear, guide, DATA, size=60)
    first = jit(loss(linear, guide, DATA, size=60))(params)
    found, expected = (jit(loss(linear, g, DATA[:4] + 1.0, size=60))({**params, "s": 0.4}) for g in (guide, fresh))
    assert found == expected != first


def test_local_latents_do_not_feel_the_size_of_the_data():
    guide = HVAE(linear, encoder, num_steps=3, step_size=0.4)
    params = params_of(linear, guide, DATA)

    def draw(size):
        with block(), seed(rng_seed=1), substitute(data=params):
            return guide(DATA, size=size)["z"]

    np.testing.assert_allclose(*(jit(partial(draw, size))() for size in (60, 6000)), rtol=1e-12)


def test_stax_decoder():
    """Initialised as without the guide, and with gradients."""
    from jax.example_libraries import stax

    def model(x):
        decode = numpyro.module("decoder", stax.serial(stax.Dense(4), stax.Softplus, stax.Dense(1)), (2,))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
            numpyro.sample("x", dist.Normal(decode(z)[..., 0], 1.0), obs=x)

    guide = HVAE(model, encoder, num_steps=2, step_size=0.4)
    params, plain = (params_of(model, g, DATA)["decoder$params"] for g in (guide, encoder))
    jax.tree.map(np.testing.assert_array_equal, params, plain)
    slopes = jit(jax.grad(loss(model, guide, DATA)))(params_of(model, guide, DATA))
    assert all(np.any(leaf != 0.0) for leaf in jax.tree.leaves(slopes["decoder$params"]))


def test_call_without_the_observations():
    def model(x, y=None):
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
            numpyro.sample("y", dist.Bernoulli(logits=z.sum(-1) + x), obs=y)

    guide = HVAE(model, lambda x, y=None: encoder(x), num_steps=2)
    with pytest.raises(ValueError, match="'y' is discrete"):
        seed(guide, 0)(DATA)
    params = params_of(model, guide, DATA, DATA > 0)
    drawn = Predictive(model, guide=guide, params=params, num_samples=2)(jax.random.key(1), DATA)
    assert drawn["y"].shape == (2, 6)


def test_subsampled_by_the_model_alone():
    """A plate of the model that the base does not know: the model outside must see the same minibatch."""

    def model(x):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        with numpyro.plate("data", len(x), subsample_size=2) as index:
            numpyro.sample("x", dist.Normal(mu, 1.0), obs=jnp.asarray(x)[index])

    def guide(x):
        numpyro.sample("mu", dist.Normal(0.2, 0.5))

    hvae = HVAE(model, guide, num_steps=2)
    sites = sites_of(hvae, {}, DATA)
    assert sites["data"]["type"] == "plate" and sites["data"]["value"].shape == (2,)
    assert np.isfinite(jit(loss(model, hvae, DATA, elbo=TraceGraph_ELBO()))({"hvae_mu_step_size": 0.1}))


def test_masked_data_may_be_nan():
    mask = jnp.array([True, True, False, True, False, True])
    holes = jnp.where(mask, DATA, jnp.nan)

    def masked(law):
        def program(x):
            with numpyro.handlers.mask(mask=mask):
                law(x)

        return program

    # the encoder must not look at a hole; the model may be given it
    model = masked(linear)
    guide = HVAE(model, masked(lambda x: encoder(jnp.nan_to_num(x))), num_steps=2, tempering="free")
    params = params_of(model, guide, holes)
    filled = jit(loss(model, guide, jnp.where(mask, DATA, 9.0)))(params)
    for elbo in (Trace_ELBO(), TraceMeanField_ELBO()):
        value, slopes = jit(jax.value_and_grad(loss(model, guide, holes, elbo=elbo)))(params)
        assert all(np.isfinite(s).all() for s in jax.tree.leaves(slopes))
        np.testing.assert_allclose(value, filled, rtol=1e-12)

    def densities():
        sites = trace(substitute(seed(guide, 0), data=params)).get_trace(holes)
        return [
            sites[f"hvae_{n}_z"]["fn"].log_prob(sites[f"hvae_{n}_z"]["value"]) for n in ("base", "momentum", "flow")
        ]

    for density in jit(densities)():
        np.testing.assert_array_equal(density == 0.0, ~mask)


def constrained(x):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
    share = numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
    top = numpyro.sample("top", dist.Uniform(0.0, rate))  # a support that depends on another latent
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", dist.Normal(top + share[0] - share[2], rate), obs=x)


def test_constrained_sites():
    """The evidence by the flow is the one by draws from the prior."""

    def base(x):
        rate = numpyro.sample("rate", dist.LogNormal(0.0, 0.5))
        numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
        numpyro.sample("top", dist.Uniform(0.0, rate))

    guide = HVAE(constrained, base, num_steps=2, tempering="fixed")
    params = params_of(constrained, guide, DATA)
    found = log_evidence(constrained, guide, params, jax.random.key(1), DATA, num_samples=20_000, batch_size=4000)

    def by_prior(key, size=100_000):
        keys = jax.random.split(key, 3)
        rate = dist.Gamma(2.0, 2.0).sample(keys[0], (size, 1))
        share = dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])).sample(keys[1], (size,))
        centre = rate * jax.random.uniform(keys[2], (size, 1)) + share[:, :1] - share[:, 2:]
        return logsumexp(dist.Normal(centre, rate).log_prob(DATA).sum(-1)) - math.log(size)

    assert found.ess > 400
    np.testing.assert_allclose(found.log_evidence, jit(by_prior)(jax.random.key(7)), atol=0.1)


def test_global_and_local_sites():
    """Evidence of a hierarchical model in closed form; the base's local law depends on the global draw."""

    def model(x):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(mu, 0.8))
            numpyro.sample("x", dist.Normal(z, 0.6), obs=x)

    def guide(x):
        mu = numpyro.sample("mu", dist.Normal(0.3, 0.5))
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(0.5 * (x + mu), 0.5 + 0.1 * mu**2))

    hvae = HVAE(model, guide, num_steps=3, step_size=0.3, tempering="fixed")
    params = params_of(model, hvae, DATA)
    found = log_evidence(model, hvae, params, jax.random.key(1), DATA, num_samples=8000, batch_size=2000)
    law = dist.MultivariateNormal(jnp.zeros(6), jnp.eye(6) + jnp.ones((6, 6)))
    np.testing.assert_allclose(found.log_evidence, law.log_prob(DATA), atol=0.1)
    told = diagnostics(hvae, params, jax.random.key(0), DATA)
    assert told["left_out"] == {"mu": 0.0, "z": 0.0} and told["inverse_temperatures"].shape == (4,)


def test_nested_plates():
    def program(x, b_law, observe):
        with numpyro.plate("columns", 2, dim=-1):
            a = numpyro.sample("a", dist.Normal(0.0, 1.0))
            with numpyro.plate("rows", 30, subsample_size=3, dim=-2):
                b = numpyro.sample("b", b_law(a))
                observe(b)

    def model(x):
        program(x, lambda a: dist.Normal(a, 1.0), lambda b: numpyro.sample("x", dist.Normal(b, 1.0), obs=x))

    def base(x):
        program(x, lambda a: dist.Normal(0.5 * (a + x), 0.8), lambda b: None)

    guide, x = HVAE(model, base, num_steps=2), DATA.reshape(3, 2)
    params = params_of(model, guide, x)
    losses = [jit(loss(model, guide, x, elbo=e))(params) for e in (Trace_ELBO(), TraceMeanField_ELBO())]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
    sites = sites_of(guide, params, x)
    assert sites["hvae_flow_b"]["scale"] == 10.0 and sites["hvae_flow_a"]["scale"] is None
    assert sites["hvae_flow_b"]["fn"].batch_shape == (3, 2)


@pytest.mark.parametrize("particles", [1, 4])
def test_stopped_paths_stay_finite(particles):
    """exp(exp(z)) overflows one step away: the steps are left out, counted, and poison no gradient."""

    def steep(x):
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(0.0, 1.0))
            numpyro.sample("x", dist.Normal(jnp.exp(jnp.exp(z)), 1.0), obs=x)

    def wild(x):
        loc = numpyro.param("loc", jnp.array([0.0, 0.0, 0.0, 0.0, 2.0, 2.0]))
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(loc, 0.1))

    guide = HVAE(steep, wild, num_steps=4, step_size=0.4, step_size_shape="scalar")
    params = params_of(steep, guide, DATA)
    elbo = Trace_ELBO(num_particles=particles)
    value, slopes = jit(jax.value_and_grad(loss(steep, guide, DATA, elbo=elbo)))(params)
    assert np.isfinite(value) and all(np.isfinite(s).all() for s in slopes.values())
    told = diagnostics(guide, params, jax.random.key(0), DATA)
    assert 0.2 < told["left_out"]["z"] < 0.5 and np.isfinite(told["energy_errors"]).all()


def test_copies_and_pickles():
    guide = HVAE(linear, encoder, num_steps=2)
    params = params_of(linear, guide, DATA)
    expected = jit(loss(linear, guide, DATA))(params)
    for other in (copy.deepcopy(guide), pickle.loads(pickle.dumps(guide))):
        assert jit(loss(linear, other, DATA))(params) == expected


def test_auto_guide():
    def model(x):
        rate = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
        share = numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
        with numpyro.plate("data", len(x)):
            numpyro.sample("x", dist.Normal(share[0] - share[2], rate), obs=x)

    options = {"init_scale": 0.2}
    guide = AutoHVAE(model, num_steps=2, base=AutoMultivariateNormal, base_options=options, tempering="free")
    svi = SVI(model, guide, numpyro.optim.Adam(0.02), TraceMeanField_ELBO())
    params = svi.run(jax.random.key(0), 5, DATA, progress_bar=False).params
    levels = guide.quantiles(params, [0.1, 0.5, 0.9], DATA, num_samples=200)
    assert levels["share"].shape == (3, 3) and np.all(np.diff(levels["rate"]) > 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"num_steps": 2, "step_size": 0.0}, "step_size must lie between 0 and max_step_size"),
        ({"num_steps": 2, "max_step_size": -1.0}, "max_step_size must be positive"),
        ({"num_steps": 2, "step_size_shape": "site"}, "step_size_shape must be one of"),
        ({"num_steps": 2, "tempering": "linear"}, "tempering must be one of"),
        ({"num_steps": 2, "initial_temperature": 1.0}, "initial_temperature must be greater than 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        HVAE(linear, encoder, **settings)


draws = lambda **laws: lambda: [numpyro.sample(name, law) for name, law in laws.items()]  # noqa: E731
NORMAL = dist.Normal(0.0, 1.0)
MISFITS = [
    (draws(z=NORMAL, w=NORMAL), draws(z=NORMAL), "'w' has no site in the base guide; add numpyro.sample"),
    (draws(z=NORMAL), draws(z=NORMAL, w=NORMAL), r"\['w'\] are not latents of the model; remove them"),
    (draws(z=NORMAL, k=dist.Bernoulli(0.5)), draws(z=NORMAL), "'k' is discrete .*; sum it out"),
    (draws(z=NORMAL), draws(z=dist.Delta(0.0)), r"\['z'\] are points \(Delta\), without a density"),
    (draws(z=NORMAL), draws(z=dist.Poisson(1.0)), "'z' has a law without reparameterized draws, Poisson; take its"),
    (draws(), draws(), "no latent sample site to move; use the base guide alone"),
]


@pytest.mark.parametrize(("model", "guide", "message"), MISFITS)
def test_misfits(model, guide, message):
    with pytest.raises(ValueError, match=message):
        seed(HVAE(model, guide, num_steps=1), 0)()
