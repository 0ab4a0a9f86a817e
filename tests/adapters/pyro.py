"""Pyro under test.  Arrays are tensors, a key is a number for the seed, and nothing is compiled."""

import contextlib
import pickle

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro import infer, poutine
from torch.func import grad, hessian, jacfwd, jacrev, jvp  # noqa: F401
from torch.utils import _pytree as tree

import pyro_irg
import pyro_irg.infer
from pyro_irg.attach import FLOAT64, NATIVE

name = "pyro"
eager = True  # `shapes` gives numbers too
DRAWS = "rsample"  # the method that draws with derivatives
xp = torch
irg, dist = pyro_irg, pyro_irg.distributions
Distribution = host.TorchDistribution
TransformedDistribution = torch.distributions.TransformedDistribution
constraints, transforms = host.constraints, host.transforms
biject_to, affine = torch.distributions.biject_to, transforms.AffineTransform
SUBMODULES = ("constraints", "transforms", "torch", "util", "kl", "TorchDistribution")
# what the host says of a parameter outside its constraint, and what ours of one that is not finite
INVALID = r"Expected parameter {name} \(Tensor of shape .*|Expected parameter {name}\b"
INFINITE = r"Expected parameter {name} .* of distribution {family} to be finite"
VALIDATES_ALWAYS = {("StudentT", "df")}  # the host's class keeps a Chi2


def WITHOUT_CDF(dist, make=False):
    return dist.Stable(1.5, 0.0) if make else "Stable"


validation_enabled = pyro.validation_enabled
_dtype = torch.float32


# ------------------------------------------------------------------------------------------------------------- arrays


def fresh():
    """As at the start of a program."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


@contextlib.contextmanager
def precision(of):
    """float32 or float64: what `array` makes within."""
    global _dtype
    before, _dtype = _dtype, getattr(torch, of)
    try:
        yield
    finally:
        _dtype = before


@contextlib.contextmanager
def default_precision(of):
    """The precision that the library falls back to, as where all parameters are integers."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, of))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def accelerator():
    """What `array` makes within is on it."""
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    with torch.device("cuda"):
        yield


strict = contextlib.nullcontext  # of dtypes and ranks
cast = torch.Tensor.to


def array(values):
    if isinstance(values, torch.Tensor):
        return values.to(_dtype)
    return torch.tensor(np.asarray(values, dtype=np.float64), dtype=_dtype)


def arrays(params, shape=()):
    """Each of the parameters, for every draw of `shape`."""
    found = {name: array(value) for name, value in params.items()}
    return {name: p.expand((*shape, *p.shape)).clone() for name, p in found.items()}


def numpy(x):
    """In float64."""
    return x.detach().double().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x, dtype=np.float64)


def dtype_of(x):
    return str(x.dtype).removeprefix("torch.")


def key(seed):
    return seed


def draw(d, key, shape=()):
    """With its derivatives."""
    pyro.set_rng_seed(key)
    return d.rsample(shape)


def detached_draw(d, key, shape=()):
    pyro.set_rng_seed(key)
    return d.sample(shape)


@contextlib.contextmanager
def outside_the_support():
    """What the host does about a value outside; `found` takes the log-density, if there is one."""
    with pytest.raises(ValueError, match=r"Expected value argument .* to be within the support .* of the distrib"):
        yield []


host_draw = detached_draw  # by the host's own method


def rsample(d, key):
    return d.rsample()


def rebuilt(d):
    """Taken to pieces and put together again."""
    return pickle.loads(pickle.dumps(d))


def at_fixed_transform(logits, component, x):
    """A draw of a mixture that came out as x, by its Rosenblatt transform."""
    return dist.conditionals.at_fixed_quantile(logits.log_softmax(-1), component, x)


def fix_noise(monkeypatch, noise):
    """Let the normal numbers that a Gaussian copula starts from be these."""
    monkeypatch.setattr(torch, "randn", lambda *_, **__: torch.tensor(noise))


detach, erf = torch.Tensor.detach, torch.erf


def contains(support, x):
    return support.check(x)


def leaves_of(values):
    """A flat list of the arrays in dicts, tuples and lists, and what they were in."""
    return tree.tree_flatten(values)


# -------------------------------------------------------------------------------------------------------- derivatives


def jit(f):
    return f


def compile(f, *args, **options):
    """f(*args), with options for the compiler."""
    return f(*args)


def native(f, *args):
    """f(xp, *args) of the kernels, as the distributions call it: float32 in float64, rounded once."""
    dtype = args[0].dtype
    found = f(NATIVE if dtype == torch.float64 else FLOAT64, *(x.double() for x in args))
    return tree.tree_map(lambda x: x.to(dtype), found)


def shapes(f, *args):
    """f's result, of which nobody asks more than shape and dtype."""
    return f(*args)


def program(f, *args):
    """What f computes, to be compared with `==`."""
    return {name: numpy(x).tolist() for name, x in f(*args).items()}


def vmap(f, in_axes=0):
    return torch.func.vmap(f, in_axes, randomness="different")


def value_and_slopes(f):
    """(params, ...) -> f's value, the derivative of its sum by each parameter; of each of its values, if it has names.

    By the tape, as a user's program has it; `grad` is `torch.func`'s.
    """

    def both(params, *args):
        leaves, spec = tree.tree_flatten(params)
        leaves = [p.detach().clone().requires_grad_() for p in leaves]
        values = f(tree.tree_unflatten(leaves, spec), *args)

        def slopes(value):
            if not value.requires_grad:
                return tree.tree_unflatten([torch.zeros_like(p) for p in leaves], spec)
            found = torch.autograd.grad(value.sum(), leaves, retain_graph=True, materialize_grads=True)
            return tree.tree_unflatten(found, spec)

        if isinstance(values, dict):
            return {k: v.detach() for k, v in values.items()}, {k: slopes(v) for k, v in values.items()}
        return values.detach(), slopes(values)

    return both


def chained(draw, functions):
    """(params, ...) -> a draw and, by name, the slopes of each function of it by each parameter."""
    f = value_and_slopes(lambda *args: {"": (x := draw(*args)), **{name: f(x) for name, f in functions.items()}})

    def both(*args):
        found, slopes = f(*args)
        return found[""], {name: slopes[name] for name in functions}

    return both


def along(f, args, tangents):
    """The derivative of elementwise f in a direction, by the tape."""
    leaves = [a.detach().clone().requires_grad_() for a in args]
    if not (total := f(*leaves).sum()).requires_grad:
        return torch.zeros_like(args[0])
    partials = torch.autograd.grad(total, leaves, materialize_grads=True)
    return sum(p * t for p, t in zip(partials, tangents, strict=True))


def slopes(f):
    return lambda params, *args: value_and_slopes(f)(params, *args)[1]


def second_slope(f):
    """Of elementwise f."""

    def second(x, *args):
        x = x.detach().clone().requires_grad_()
        (first,) = torch.autograd.grad(f(x, *args).sum(), x, create_graph=True)
        return torch.autograd.grad(first.sum(), x)[0]

    return second


def to_second_order(f):
    """(value, gradient, Hessian) of elementwise f at arrays, the arguments along the last axes; by the tape."""

    def stacked(y, leaves):
        return torch.stack(torch.autograd.grad(y.sum(), leaves, create_graph=True, materialize_grads=True), -1)

    def orders(*args):
        leaves = [a.detach().requires_grad_() for a in args]
        first = stacked(value := f(*leaves), leaves)
        second = [stacked(y, leaves).detach() for y in first.unbind(-1)]
        return value.detach(), first.detach(), torch.stack(second, -2)

    return orders


def check_grads(f, args):
    """First and second derivatives by each argument, against differences of f itself."""
    args = [a.detach().clone().requires_grad_() for a in args]
    assert torch.autograd.gradcheck(f, args, fast_mode=True)
    assert torch.autograd.gradgradcheck(f, args, fast_mode=True)


kl_divergence = pyro_irg.kl_divergence
hosts_kl_divergence = torch.distributions.kl_divergence


# --------------------------------------------------------------------------------------------------- models and guides


sample, plate, factor = pyro.sample, pyro.plate, pyro.factor


def param(name, value, constraint=constraints.real, **options):
    return pyro.param(name, lambda: value, constraint=constraint, **options)


reparam, condition, config_enumerate = poutine.reparam, poutine.condition, infer.config_enumerate
block = poutine.block
LocScaleReparam = infer.reparam.LocScaleReparam


def trace_at(program, values, *args):
    """As `trace`; draws cost nothing here, so that nobody needs their values."""
    return trace(program, 0, *args)


@contextlib.contextmanager
def tracing():
    """Gives a function that tells which sites were seen."""
    with poutine.trace() as tracer:
        yield lambda: tracer.trace.nodes


def trace(program, seed=0, *args):
    """name -> site, a dict."""
    pyro.set_rng_seed(seed)
    nodes = poutine.trace(program).get_trace(*args).nodes
    return {name: site for name, site in nodes.items() if name not in ("_INPUT", "_RETURN")}


def bound(elbo, **options):
    """An ELBO by its name without the ending, the host's or ours."""
    names = (f"{elbo}_ELBO", f"{elbo}ELBO")
    return next(getattr(of, name) for of in (infer, irg.infer) for name in names if hasattr(of, name))(**options)


def loss_and_slopes(model, guide, params, *args, elbo="Trace", seeds=(0,), **options):
    """Of each seed the loss, and its derivative by each of the parameters, which start at `params`."""
    found, loss = [], bound(elbo, **options)
    for seed in seeds:
        pyro.clear_param_store()
        for name, value in params.items():
            pyro.param(name, value.clone())  # whose gradient would add up
        pyro.set_rng_seed(seed)
        value = loss.loss_and_grads(model, guide, *args)
        found.append((value, {name: numpy(pyro.get_param_store()._params[name].grad) for name in params}))
    return found


def elbo_gradients(model, guide, steps=500):
    """By each parameter the gradient of `Trace_ELBO` over 200 particles, unconstrained, each of `steps` times."""
    pyro.clear_param_store()
    loss = infer.Trace_ELBO(num_particles=200, vectorize_particles=True, max_plate_nesting=1)
    svi, found = infer.SVI(model, guide, pyro.optim.ClippedAdam({"lr": 0.0}), loss), {}
    for _ in range(steps):
        svi.loss_and_grads(model, guide)  # the part of `step` that comes before the optimizer
        for name, leaf in pyro.get_param_store()._params.items():
            found.setdefault(name, []).append(-numpy(leaf.grad))
            leaf.grad = None
    return {name: np.array(slopes) for name, slopes in found.items()}


def train(model, guide, *args, steps, rate, decay=1.0, particles=100, elbo="Trace"):
    """(parameters, losses) of some steps of SVI."""
    pyro.clear_param_store()
    loss = bound(elbo, num_particles=particles, vectorize_particles=True, max_plate_nesting=1)
    svi = infer.SVI(model, guide, pyro.optim.ClippedAdam({"lr": rate, "lrd": decay}), loss)
    losses = np.array([svi.step(*args) for _ in range(steps)])
    return {name: numpy(pyro.param(name)) for name in pyro.get_param_store()}, losses


def predictive(guide, params, n, parallel):
    pyro.clear_param_store()
    for name, value in params.items():
        pyro.param(name, torch.tensor(value), constraint=constraints.positive)
    found = infer.Predictive(guide, num_samples=n, parallel=parallel)()
    return {name: numpy(x) for name, x in found.items()}


# last, for it takes `numpy` and others from here
from tests.adapters.pyro_inference import *  # noqa: E402, F403
