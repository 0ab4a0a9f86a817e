"""NumPyro under test.  Arrays are JAX's, a key is a random key, and `jit` compiles."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from jax import lax
from jax.interpreters import partial_eval
from numpyro import handlers, infer

import numpyro_irg
import numpyro_irg.infer
from numpyro_irg.attach import NATIVE

name = "numpyro"
eager = False  # `shapes` gives numbers too
DRAWS = "sample"  # the method that draws with derivatives
xp = jnp
jit, vmap, grad, jacfwd, jacrev, hessian, jvp = (
    jax.jit, jax.vmap, jax.grad, jax.jacfwd, jax.jacrev, jax.hessian, jax.jvp
)  # fmt: skip
irg, dist = numpyro_irg, numpyro_irg.distributions
Distribution = host.Distribution
TransformedDistribution = host.TransformedDistribution
constraints, transforms = host.constraints, host.transforms
biject_to = host.biject_to
# what the host says of a parameter outside its constraint, and what ours of one that is not finite
INVALID = r"distribution got invalid {name} parameter"
INFINITE = r"{family} distribution got invalid {name} parameter"
# NumPyro's classes that keep another distribution
VALIDATES_ALWAYS = {("Beta", "concentration1"), ("Beta", "concentration0")}


def WITHOUT_CDF(dist, make=False):
    return dist.TruncatedPolyaGamma() if make else "TruncatedPolyaGamma"


validation_enabled = numpyro.validation_enabled
SUBMODULES = ("constraints", "transforms", "continuous", "util", "kl", "distribution", "biject_to")


# ------------------------------------------------------------------------------------------------------------- arrays


def fresh():
    """As at the start of a program."""


@contextlib.contextmanager
def precision(of):
    """float32 or float64: what `array` makes within."""
    with jax.enable_x64(of == "float64"):
        yield


default_precision = precision


@contextlib.contextmanager
def accelerator():
    """What `array` makes within is on it."""
    if all(device.platform == "cpu" for device in jax.devices()):
        pytest.skip("JAX sees no accelerator")
    yield


@contextlib.contextmanager
def strict():
    """Of dtypes and ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def cast(x, dtype):
    return x.astype(dtype)


def array(values):
    return jnp.asarray(values, dtype=float)


def arrays(params, shape=()):
    """Each of the parameters, for every draw of `shape`."""
    found = {name: array(value) for name, value in params.items()}
    return {name: jnp.broadcast_to(p, (*shape, *p.shape)) for name, p in found.items()}


def numpy(x):
    """In float64."""
    return np.asarray(x, dtype=np.float64)


def dtype_of(x):
    return str(x.dtype)


def key(seed):
    return jax.random.key(seed)


def draw(d, key, shape=()):
    """With its derivatives."""
    return d.sample(key, shape)


def detached_draw(d, key, shape=()):
    return d.rsample(key, shape)


@contextlib.contextmanager
def outside_the_support():
    """What the host does about a value outside; `found` takes the log-density, if there is one."""
    with pytest.warns(UserWarning, match="Out-of-support values provided to log prob method"):
        yield []


def host_draw(d, key, shape=()):
    """By the host's own method."""
    return d.sample_with_intermediates(key, shape)[0]


def rsample(d, key):
    return d.rsample(key)


def rebuilt(d):
    """Taken to pieces and put together again."""
    leaves, tree = jax.tree.flatten(d)
    return jax.tree.unflatten(tree, leaves)


def at_fixed_transform(logits, component, x):
    """A draw of a mixture that came out as x, by its Rosenblatt transform."""
    return dist.conditionals.at_fixed_quantile(jax.nn.log_softmax(logits), [component], x)


def fix_noise(monkeypatch, noise):
    """Let the normal numbers that a Gaussian copula starts from be these."""
    monkeypatch.setattr(jax.random, "normal", lambda *_: jnp.asarray(noise, jnp.float32))


detach, erf = lax.stop_gradient, jax.scipy.special.erf


def contains(support, x):
    return support(x)


def affine(loc, scale):
    return transforms.AffineTransform(loc, scale, domain=constraints.positive)


def leaves_of(values):
    """A flat list of the arrays in dicts, tuples and lists, and what they were in."""
    return jax.tree.flatten(values)


# -------------------------------------------------------------------------------------------------------- derivatives


def compile(f, *args, **options):
    """f(*args), with options for the compiler; without LLVM's optimizations, more than half of the compilation."""
    options = {"xla_backend_optimization_level": 0, **options}
    return jit(f).lower(*args).compile(compiler_options=options)(*args)


def native(f, *args):
    """f(xp, *args) of the kernels, as the distributions call it."""
    return jit(lambda *args: f(NATIVE, *args))(*args)


def shapes(f, *args):
    """Shapes and dtypes of f's result: without numbers nothing is compiled."""
    return jax.eval_shape(f, *args)


def program(f, *args):
    """What f computes, to be compared with `==`; without what nobody uses."""
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    return str(partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[0])


def value_and_slopes(f):
    """(params, ...) -> f's value and the derivative of its sum by each parameter; of each value, if they have names."""

    def both(params, *args):
        values, pull = jax.vjp(lambda params: f(params, *args), params)
        if not isinstance(values, dict):
            return values, pull(jnp.ones_like(values))[0]
        zeros = jax.tree.map(jnp.zeros_like, values)
        return values, {k: pull({**zeros, k: jnp.ones_like(v)})[0] for k, v in values.items()}

    return both


def value_and_slopes_at_once(f):
    """The same for named values, by one backward pass, which is compiled once: for slopes that are all finite."""

    def both(params, *args):
        values, pull = jax.vjp(lambda params: f(params, *args), params)
        one_hot = {
            k: jnp.zeros((len(values), *jnp.shape(v)), jnp.result_type(v)).at[i].set(1.0)
            for i, (k, v) in enumerate(values.items())
        }
        found = jax.vmap(lambda by: pull(by)[0])(one_hot)
        return values, {k: jax.tree.map(lambda leaf, i=i: leaf[i], found) for i, k in enumerate(values)}

    return both


def chained(draw, functions):
    """(params, ...) -> a draw and, by name, the slopes of each function of it by each parameter."""

    def both(params, *args):
        x, pull = jax.vjp(lambda params: draw(params, *args), params)
        # each by itself: 0 times an infinite slope of another is NaN
        return x, {name: pull(grad(lambda x, f=f: f(x).sum())(x))[0] for name, f in functions.items()}

    return both


def draws_by_vmap(make, params, key, f):
    """f of a draw of make(params) for each entry of the parameters' leading axis."""
    keys = jax.random.split(key, len(jax.tree.leaves(params)[0]))
    return jax.vmap(lambda p, key: f(draw(make(p), key)))(params, keys)


def along(f, args, tangents):
    """The derivative of f in a direction."""
    return jvp(f, tuple(args), tuple(tangents))[1]


def slopes(f):
    return lambda params, *args: value_and_slopes(f)(params, *args)[1]


def second_slope(f):
    """Of elementwise f."""
    return slopes(slopes(f))


def to_second_order(f):
    """(value, gradient, Hessian) of elementwise f at arrays, the arguments along the last axes: one tangent of the
    gradient for each argument, side by side, which compiles in half the time of `jacfwd`'s `vmap`."""

    def orders(*args):
        count = len(args)
        moves = [jnp.zeros((count, *a.shape), a.dtype).at[i].set(1.0) for i, a in enumerate(args)]

        def first(*args):
            value, pull = jax.vjp(f, *args)
            return pull(jnp.ones_like(value)), value

        copies = tuple(jnp.broadcast_to(a, move.shape) for a, move in zip(args, moves, strict=True))
        gradient, hessian, value = jax.jvp(first, copies, tuple(moves), has_aux=True)
        return value[0], jnp.stack(gradient, -1)[0], jnp.moveaxis(jnp.stack(hessian, -1), 0, -1)

    return orders


kl_divergence = jit(numpyro_irg.kl_divergence)
hosts_kl_divergence = host.kl_divergence


# --------------------------------------------------------------------------------------------------- models and guides


sample, plate, factor = numpyro.sample, numpyro.plate, numpyro.factor


def param(name, value, constraint=constraints.real, **options):
    return numpyro.param(name, value, constraint=constraint, **options)


reparam, condition, LocScaleReparam = handlers.reparam, handlers.condition, infer.reparam.LocScaleReparam
block = handlers.block


def config_enumerate(program):
    from numpyro.contrib.funsor import config_enumerate

    return config_enumerate(program)


def trace_at(program, values, *args):
    """As `trace`, with values instead of draws, for which a sampler would be compiled."""
    given = {"rows": jnp.arange(3), **values}
    return trace(handlers.substitute(program, given), 0, *args)


@contextlib.contextmanager
def tracing():
    """Gives a function that tells which sites were seen."""
    with handlers.trace() as sites:
        yield lambda: sites


def trace(program, seed=0, *args):
    """name -> site, a dict."""
    return handlers.trace(handlers.seed(program, seed)).get_trace(*args)


def bound(elbo, **options):
    """An ELBO by its name without the ending, the host's or ours."""
    names = (f"{elbo}_ELBO", f"{elbo}ELBO")
    return next(getattr(of, name) for of in (infer, irg.infer) for name in names if hasattr(of, name))(**options)


def loss_and_slopes(model, guide, params, *args, elbo="Trace", seeds=(0,), **options):
    """Of each seed the loss, and its derivative by each of the parameters, which start at `params`."""
    loss = bound(elbo, **options)
    evaluate = jit(jax.value_and_grad(lambda params, key: loss.loss(key, params, model, guide, *args)))
    return [jax.tree.map(numpy, evaluate(params, key(seed))) for seed in seeds]


def elbo_gradients(model, guide, elbo="Trace", n=50_000, forward=False):
    """One step of gradient descent of length 1 from each of n keys: how far it goes is the ELBO's gradient.

    (After - before has an absolute error of 1e-7 or so.)
    """
    svi = infer.SVI(model, guide, numpyro.optim.SGD(1.0), bound(elbo))
    state = jit(svi.init)(key(6))

    @jit
    @vmap
    def step(key):
        now = state._replace(rng_key=key)
        before = svi.optim.get_params(state.optim_state)
        after = svi.optim.get_params(svi.update(now, forward_mode_differentiation=forward)[0].optim_state)
        return jax.tree.map(jnp.subtract, after, before)

    return {name: numpy(slopes) for name, slopes in step(jax.random.split(key(6), n)).items()}


def train(model, guide, *args, steps, rate, decay=1.0, particles=100):
    """(parameters, losses) of some steps of SVI."""
    optimizer = numpyro.optim.ClippedAdam(lambda step: rate * decay**step)
    svi = infer.SVI(model, guide, optimizer, infer.Trace_ELBO(num_particles=particles))
    result = svi.run(key(6), steps, *args, progress_bar=False)
    return {name: numpy(value) for name, value in result.params.items()}, numpy(result.losses)


def predictive(guide, params, n, parallel):
    found = infer.Predictive(guide, params=arrays(params), num_samples=n, parallel=parallel)(key(0))
    return {name: numpy(x) for name, x in found.items()}


# last, for it takes `numpy` and others from here
from tests.adapters.numpyro_inference import *  # noqa: E402, F403
