"""Models with known answers, and shorthands, for the tests of the Hamiltonian guide."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.handlers import seed, substitute, trace
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from numpyro_irg.infer import AutoHVAE

LEAPFROG = {"base": AutoNormal, "transition": "leapfrog"}
"""The paper's steps over a mean-field base."""

# A linear Gaussian model: x ~ N(w.z, s^2), z ~ N(0, I) in 2 dims.

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


def fit(model, guide, *args, steps, rate=0.02, elbo=None):
    """Parameters after some steps of Adam, and the losses."""
    svi = SVI(model, guide, numpyro.optim.Adam(rate), Trace_ELBO() if elbo is None else elbo)
    if isinstance(guide, AutoHVAE):
        seed(guide.base, 0)(*args)  # an autoguide cannot be called inside `jit` for the first time
    state = jit(lambda key: svi.init(key, *args))(jax.random.key(0))
    state, losses = jit(lambda state: jax.lax.scan(lambda s, _: svi.update(s, *args), state, length=steps))(state)
    return svi.get_params(state), losses


@contextmanager
def settings():
    """Double precision, and little time for the compiler."""
    jax.config.update("jax_disable_most_optimizations", True)
    with jax.enable_x64(True):
        yield
    jax.config.update("jax_disable_most_optimizations", False)


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


def check_gradient(f, params, rtol=1e-6):
    """A function's value and gradient against central differences, in every parameter, each in one direction."""
    f = jit(jax.value_and_grad(f))
    value, slopes = f(params)
    for name, slope in slopes.items():
        direction = jax.tree.map(lambda x: jnp.cos(1.0 + jnp.arange(jnp.size(x))).reshape(jnp.shape(x)), slope)
        up, down = (
            f({**params, name: jax.tree.map(lambda x, y, h=h: x + h * y, params[name], direction)})[0]
            for h in (1e-5, -1e-5)
        )
        along = sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(x * y), slope, direction)))
        np.testing.assert_allclose(along, (up - down) / 2e-5, rtol=rtol, atol=1e-8, err_msg=name)
    return value, slopes
