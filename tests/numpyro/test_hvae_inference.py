"""The Hamiltonian guide in inference: estimators, plates, masks, modules, arguments, saving."""

import copy
import itertools
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.module import eqx_module, flax_module, nnx_module
from numpyro.handlers import block, replay, seed, substitute, trace
from numpyro.infer import SVI, Predictive, RenyiELBO, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO

from numpyro_irg.infer import HVAE
from tests.numpyro.hvae import DATA, check_gradient, encoder, jit, linear, log_p, loss, params_of, settings, sites_of


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def test_same_loss_and_gradient_from_every_elbo():
    guide = HVAE(linear, encoder, num_steps=2, tempering="free")
    params = params_of(linear, guide, DATA, size=60)
    plain = jit(jax.value_and_grad(loss(linear, guide, DATA, size=60)))
    value, slopes = plain(params)
    other = jit(jax.value_and_grad(loss(linear, guide, DATA, size=60, elbo=TraceGraph_ELBO())))(params)
    np.testing.assert_allclose(other[0], value, rtol=1e-12)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9), other[1], slopes)
    # The others are functions of the parameters alone, without surrogates: equal near by too, so their gradients are.
    mean_field = jit(loss(linear, guide, DATA, size=60, elbo=TraceMeanField_ELBO()))
    for shift in (0.0, 0.01):
        near = jax.tree.map(lambda x, shift=shift: x - shift, params)
        np.testing.assert_allclose(mean_field(near), plain(near)[0], rtol=1e-12)


def test_renyi_lies_between():
    guide = HVAE(linear, encoder, num_steps=2, tempering="fixed")
    params = params_of(linear, guide, DATA, size=60)
    keys = jax.random.split(jax.random.key(0), 400)

    def mean(elbo):
        return np.mean(jit(jax.vmap(lambda k: elbo.loss(k, params, linear, guide, DATA, size=60)))(keys))

    assert 10 * -log_p(DATA).sum() < mean(RenyiELBO(num_particles=10)) < mean(Trace_ELBO()) - 1.0


def test_vectorized_particles():
    guide = HVAE(linear, encoder, num_steps=2)
    params = params_of(linear, guide, DATA)
    elbos = [Trace_ELBO(num_particles=3, vectorize_particles=v) for v in (True, False)]
    np.testing.assert_allclose(*(jit(loss(linear, guide, DATA, elbo=e))(params) for e in elbos), rtol=1e-12)


def test_float32():
    """As users have it by default; from the same draws as in double precision."""
    guide = HVAE(linear, encoder, num_steps=3, tempering="fixed")
    noise = {"hvae_base_z": np.ones((6, 2)), "hvae_momentum_z": np.ones((6, 2))}
    params = jax.tree.map(np.asarray, params_of(linear, guide, DATA))

    def value(dtype):
        data, given, start = jax.tree.map(lambda x: jnp.asarray(x, dtype), (DATA, noise, params))
        with substitute(data=given):
            return jit(loss(linear, guide, data))(start)

    double = value(jnp.float64)
    with jax.enable_x64(False):
        single = value(jnp.float32)
    assert single.dtype == jnp.float32 and double.dtype == jnp.float64
    np.testing.assert_allclose(single, double, rtol=1e-5)


def test_mean_over_minibatches_is_the_full_loss():
    """At fixed draws; over all minibatches of two out of six data."""

    def subsampled(program):
        def run(x, size):
            with numpyro.plate("data", 6, subsample_size=size) as index:
                program(jnp.asarray(x)[index])

        return run

    def decode(x):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
        numpyro.sample("x", dist.Normal(z.sum(-1), 0.7), obs=x)

    model = subsampled(decode)
    guide = HVAE(model, subsampled(lambda x: encode(x)), num_steps=3, step_size=0.4, tempering="fixed")

    def encode(x):
        numpyro.sample("z", dist.Normal(0.5 * x[:, None], jnp.array([0.6, 0.9])).to_event(1))

    noise = jax.random.normal(jax.random.key(1), (2, 6, 2))

    def loss_of(index):
        given = {"data": index, "hvae_base_z": noise[0, index], "hvae_momentum_z": noise[1, index]}
        with seed(rng_seed=0), substitute(data=given):
            guide_trace = trace(guide).get_trace(DATA, len(index))
            model_trace = trace(replay(model, guide_trace)).get_trace(DATA, len(index))
        sites = [(sign, s) for sign, t in ((1, guide_trace), (-1, model_trace)) for s in t.values()]
        return sum(
            sign * jnp.sum(s["fn"].log_prob(s["value"])) * (s["scale"] or 1.0)
            for sign, s in sites
            if s["type"] == "sample"
        )

    batches = jnp.array(list(itertools.combinations(range(6), 2)))
    parts = jit(partial(jax.lax.map, loss_of))(batches)
    np.testing.assert_allclose(parts.mean(), jit(loss_of)(jnp.arange(6)), rtol=1e-12)
    assert parts.std() > 0.1


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


def test_two_optimisations_of_one_guide():
    """With a progress bar and without, and with other data in between."""
    guide = HVAE(linear, encoder, num_steps=2)

    def run(bar):
        svi = SVI(linear, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
        start = jit(lambda key: svi.init(key, DATA))(jax.random.key(0))
        return svi.run(None, 25, DATA, progress_bar=bar, init_state=start)

    first = run(True)
    sites_of(guide, first.params, DATA[:4])
    again = run(False)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9), first.params, again.params)
    np.testing.assert_allclose(first.losses, again.losses, rtol=1e-9)


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


def linen(name, sizes):
    from flax import linen

    net = linen.Sequential([linen.Dense(3), linen.softplus, linen.Dense(sizes[1])])
    return flax_module(name, net, input_shape=(sizes[0],))


def nnx(name, sizes):
    from flax import nnx

    keys = nnx.Rngs(0)
    net = nnx.Sequential(nnx.Linear(sizes[0], 3, rngs=keys), jax.nn.softplus, nnx.Linear(3, sizes[1], rngs=keys))
    return nnx_module(name, net)


def equinox(name, sizes):
    import equinox

    keys = jax.random.split(jax.random.key(0))
    layers = [equinox.nn.Linear(sizes[0], 3, key=keys[0]), equinox.nn.Linear(3, sizes[1], key=keys[1])]
    net = eqx_module(name, equinox.nn.Sequential([layers[0], equinox.nn.Lambda(jax.nn.softplus), layers[1]]))
    return jax.vmap(net)


@pytest.mark.parametrize("module", [linen, nnx, equinox])
def test_modules(module):
    """As encoder and decoder: gradients of all their weights, through the steps, against differences."""

    def model(x):
        decode = module("decoder", (2, 1))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
            numpyro.sample("x", dist.Normal(decode(z)[..., 0], 0.5), obs=x)

    def base(x):
        loc, log_scale = jnp.split(module("encoder", (1, 4))(x[:, None]), 2, axis=-1)
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(loc, jnp.exp(log_scale)).to_event(1))

    guide, x = HVAE(model, base, num_steps=2, step_size=0.4), jnp.asarray(DATA)
    params = jax.tree.map(lambda p: jnp.asarray(p, float), params_of(model, guide, x))
    _, slopes = check_gradient(loss(model, guide, x), params, rtol=1e-5)
    assert set(slopes) == {"decoder$params", "encoder$params", "hvae_z_step_size"}
    assert all(np.any(leaf != 0.0) for leaf in jax.tree.leaves(slopes))


def test_batch_norm():
    """Mutable state in encoder and decoder is updated once by each optimiser step, as it is without the guide."""
    from flax import linen

    class Net(linen.Module):
        size: int

        @linen.compact
        def __call__(self, x):
            return linen.Dense(self.size)(linen.BatchNorm(use_running_average=False, momentum=0.9)(x))

    def model(x):
        decode = flax_module("decoder", Net(1), mutable=["batch_stats"], input_shape=(6, 2))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
            numpyro.sample("x", dist.Normal(decode(z)[..., 0], 0.5), obs=x)

    def base(x):
        encode = flax_module("encoder", Net(2), mutable=["batch_stats"], input_shape=(6, 1))
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(encode(x[:, None]), 0.5).to_event(1))

    svi = SVI(model, HVAE(model, base, num_steps=2), numpyro.optim.Adam(0.01), Trace_ELBO())
    state = jit(lambda key: svi.init(key, jnp.asarray(DATA)))(jax.random.key(0))
    update = jit(svi.update)
    for _ in range(2):
        state, value = update(state, jnp.asarray(DATA))
    means = [
        state.mutable_state[f"{name}$state"]["batch_stats"]["BatchNorm_0"]["mean"] for name in ("encoder", "decoder")
    ]
    assert np.isfinite(value)
    np.testing.assert_allclose(means[0], [(1 - 0.9**3) * DATA.mean()], rtol=1e-5)  # from 0; `init` counts too
    assert np.all(means[1] != 0.0)


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
    params = {"hvae_mu_step_size": jnp.full(2, 0.1)}
    assert np.isfinite(jit(loss(model, hvae, DATA, elbo=TraceGraph_ELBO()))(params))


def test_masked_data_may_be_nan():
    mask = jnp.array([True, True, False, True, False, True])
    holes = jnp.where(mask, DATA, jnp.nan)

    def masked(distribution):
        def program(x):
            with numpyro.handlers.mask(mask=mask):
                distribution(x)

        return program

    # the encoder must not look at a hole; the model may be given it
    model = masked(linear)
    guide = HVAE(model, masked(lambda x: encoder(jnp.nan_to_num(x))), num_steps=2, tempering="free")
    params = params_of(model, guide, holes)
    found = jit(lambda params, x: jax.value_and_grad(loss(model, guide, x))(params))
    value, slopes = found(params, holes)
    assert all(np.isfinite(s).all() for s in jax.tree.leaves(slopes))
    np.testing.assert_allclose(value, found(params, jnp.where(mask, DATA, 9.0))[0], rtol=1e-12)
    np.testing.assert_allclose(value, jit(loss(model, guide, holes, elbo=TraceMeanField_ELBO()))(params), rtol=1e-12)

    def densities():
        sites = trace(substitute(seed(guide, 0), data=params)).get_trace(holes)
        return [
            sites[f"hvae_{n}_z"]["fn"].log_prob(sites[f"hvae_{n}_z"]["value"]) for n in ("base", "momentum", "flow")
        ]

    for density in jit(densities)():
        np.testing.assert_array_equal(density == 0.0, ~mask)


def test_nested_plates():
    def program(x, b_distribution, observe):
        with numpyro.plate("columns", 2, dim=-1):
            a = numpyro.sample("a", dist.Normal(0.0, 1.0))
            with numpyro.plate("rows", 30, subsample_size=3, dim=-2):
                b = numpyro.sample("b", b_distribution(a))
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


def test_copies_and_saving():
    guide = HVAE(linear, encoder, num_steps=2)
    params = params_of(linear, guide, DATA)
    expected = jit(loss(linear, guide, DATA))(params)
    saved = pickle.loads(pickle.dumps(jax.tree.map(np.asarray, params)))
    for other in (copy.deepcopy(guide), pickle.loads(pickle.dumps(guide))):
        assert jit(loss(linear, other, DATA))(saved) == expected
