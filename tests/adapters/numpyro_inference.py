"""Guides, their weights and losses in NumPyro: the rest of `numpyro.py`, which has these names too."""

import contextlib

import jax
import jax.numpy as jnp
import numpyro
from jax import grad, jit, vmap
from numpyro import handlers, infer

import numpyro_irg.infer
from tests.adapters.numpyro import bound, key, numpy

mask, autoguide = handlers.mask, infer.autoguide


def started(model, guide, *args):
    """The parameters at the start."""
    return _begun(model, guide, args, numpyro.optim.Adam(1e-3))[2]


def _begun(model, guide, args, optimizer, elbo=None):
    """(svi, its state, parameters), with an initialisation that is compiled as a whole."""
    if isinstance(guide, numpyro_irg.infer.AutoHVAE):
        handlers.seed(guide.base, 0)(*args)  # an autoguide cannot be called inside `jit` for the first time
    elif isinstance(guide, infer.autoguide.AutoGuide):
        handlers.seed(guide, 0)(*args)
    svi = infer.SVI(model, guide, optimizer, elbo or infer.Trace_ELBO())

    def init(key):
        state = svi.init(key, *args)
        return state, svi.get_params(state)

    return svi, *jit(init)(key(0))


def fitted(model, guide, *args, steps, rate, decay=1.0, particles=8, seed=0, elbo="Trace"):
    """The parameters after some steps of SVI."""
    optimizer = numpyro.optim.ClippedAdam(lambda step: rate * decay**step)
    svi, state, _ = _begun(model, guide, args, optimizer, bound(elbo, num_particles=particles))
    state = state._replace(rng_key=key(seed))
    return svi.run(None, steps, *args, progress_bar=False, init_state=state).params


def log_weights(model, guide, params, *args, **options):
    weights = jit(lambda p, key: numpyro_irg.infer.log_weights(model, guide, p, key, *args, **options))
    return numpy(weights(params or {}, key(1)))


def log_evidence(model, guide, params, *args, **options):
    found = numpyro_irg.infer.log_evidence(model, guide, params or {}, key(1), *args, **options)
    return type(found)(*map(numpy, found))


def diagnostics(guide, params, *args):
    return numpyro_irg.infer.diagnostics(guide, params or {}, key(0), *args)


def loss(model, guide, params, *args, elbo="Trace", particles=1, seed=0, **options):
    elbo = bound(elbo, num_particles=particles, **options)
    return float(jit(lambda key: elbo.loss(key, params, model, guide, *args))(key(seed)))


def called(guide, *args):
    """The guide's draws, as it gives them when it is called."""
    return handlers.seed(guide, 0)(*args)


def posterior(guide, params, *args):
    return guide.get_posterior(params)


def quantiles(guide, params, levels, *args, **options):
    return {name: numpy(x) for name, x in guide.quantiles(params, levels, *args, **options).items()}


def median(guide, params, *args, **options):
    return {name: numpy(x) for name, x in guide.median(params, *args, **options).items()}


def guide_slopes(model, guide, *args):
    """All gradients of one loss."""
    loss = infer.Trace_ELBO().loss
    slopes = jit(grad(lambda params: loss(key(1), params, model, guide, *args)))(started(model, guide, *args))
    return [numpy(x) for x in jax.tree.leaves(slopes)]


def started_guide(guide, model):
    """Its parameters."""
    return started(model, guide)


def guide_parameters(guide, params):
    """By the names of Pyro's attributes."""
    return {name.removeprefix(f"{guide.prefix}_"): numpy(p) for name, p in params.items()}


def started_from(make, model, seeds):
    """The parameters of new guides, by their own names, from each of the seeds."""
    guide = make()
    svi = infer.SVI(model, guide, numpyro.optim.Adam(0.01), infer.Trace_ELBO())
    states = jit(vmap(svi.init))(jax.random.split(key(0), len(seeds)))
    many = guide_parameters(guide, vmap(svi.get_params)(states))
    return [{name: p[i] for name, p in many.items()} for i in range(len(seeds))]


def before_and_after(guide, model):
    """The parameters of a guide before and after a step."""
    svi = infer.SVI(model, guide, numpyro.optim.Adam(0.01), infer.Trace_ELBO())
    state = svi.init(key(0))
    return tuple(guide_parameters(guide, svi.get_params(s)) for s in (state, svi.update(state)[0]))


def of_guide(guide, method, params):
    return lambda *args: getattr(guide, method)(params, *args)


def posterior_draws(guide, params, n):
    return {name: numpy(x) for name, x in guide.sample_posterior(key(1), params, sample_shape=(n,)).items()}


# --------------------------------------------------------------------------------------------------- Hamiltonian guides

init_to_value = infer.init_to_value


@contextlib.contextmanager
def quick():
    """Double precision, and little time for the compiler."""
    jax.config.update("jax_disable_most_optimizations", True)
    with jax.enable_x64(True):
        yield
    jax.config.update("jax_disable_most_optimizations", False)


double = contextlib.nullcontext  # `quick` is


def shaken(model, guide, *args, deviation=0.2):
    """Random parameters that the guide has never been trained to; the model's, of which the evidence is known, stay."""
    found = {}
    for i, (name, value) in enumerate(started(model, guide, *args).items()):
        noise = deviation * jax.random.normal(jax.random.fold_in(key(1), i), jnp.shape(value))
        if name.endswith("persistence"):
            value = jnp.tanh(jnp.arctanh(value) + noise)
        elif not name.endswith(("origin", "unit", "scale", "scale_tril", "bias")):
            value = value + noise
        found[name] = value
    return found


def losses(model, guide, params, *args, elbos, particles=1, seed=0):
    """Of each of the ELBOs, from the same draws; `Renyi` is the importance-weighted bound."""
    each = [bound(e, num_particles=particles, **({"alpha": 0.0} if e == "Renyi" else {})) for e in elbos]
    return list(map(float, jit(lambda key: [e.loss(key, params, model, guide, *args) for e in each])(key(seed))))


def sites_of(guide, params, *args):
    """Name -> site, without values."""
    found = {}
    program = handlers.substitute(handlers.seed(guide, 0), data=params)
    jax.eval_shape(lambda: found.update(handlers.trace(program).get_trace(*args)))
    return found


def value_and_slopes_of_loss(model, guide, params, *args, particles=1, seeds=1):
    """Losses, and the gradients of their sum by each parameter, as a list."""

    def total(params):
        values = vmap(lambda k: infer.Trace_ELBO(particles).loss(k, params, model, guide, *args))(
            jax.random.split(key(0), seeds)
        )
        return values.sum(), values

    slopes, values = jit(grad(total, has_aux=True))(params)
    return numpy(values), [numpy(x) for x in jax.tree.leaves(slopes)]


def pareto_k(log_weights):
    return numpy(numpyro_irg.infer.evaluation.pareto_k(jnp.asarray(log_weights)))


def weights_and_draws(model, guide, params, *args, site, n):
    """Of n draws side by side: log p(x, z) / q(z), and the values of a site."""

    def total(sites):
        found = 0.0
        for each in sites.values():
            if each["type"] == "sample":
                inner = (each["intermediates"],) if each["intermediates"] else ()
                found = found + jnp.sum(each["fn"].log_prob(each["value"], *inner))
        return found

    def one(key):
        drawn = handlers.trace(handlers.substitute(handlers.seed(guide, key), data=params)).get_trace(*args)
        joint = handlers.trace(handlers.replay(handlers.seed(model, 0), drawn)).get_trace(*args)
        return total(joint) - total(drawn), drawn[site]["value"]

    return tuple(map(numpy, jit(vmap(one))(jax.random.split(key(0), n))))


def sample_posterior(guide, params, *args, n, **options):
    draws = jit(lambda key: guide.sample_posterior(key, params, *args, sample_shape=(n,), **options))(key(1))
    return {name: numpy(x) for name, x in draws.items()}


def weights_and_rejected(model, guide, params, *args, **options):
    """Log-weights, and the share of steps that were rejected of 200 of them."""

    def both(params):
        keys = jax.random.split(key(2), 200)
        with handlers.block(), handlers.substitute(data=params):
            rejected = vmap(lambda k: handlers.seed(guide.refine, k)(*args)[1].rejected)(keys)
        return numpyro_irg.infer.log_weights(model, guide, params, key(1), *args, **options), rejected.mean()

    return tuple(map(numpy, jit(both)(params)))


def _svi(model, guide):
    return infer.SVI(model, guide, numpyro.optim.Adam(0.1), infer.Trace_ELBO())


def saved(model, guide):
    """The state of a training that begins."""
    return numpyro_irg.infer.get_state(_svi(model, guide).init(key(0)))


def restored(model, guide, state):
    numpyro_irg.infer.set_state(_svi(model, guide), state)


def chain(model, kernel, *, samples, warmup, **options):
    """Draws of the site "x"."""
    if "num_steps" in options:
        options["trajectory_length"] = None
    made = getattr(infer, kernel)(model, **options)
    mcmc = infer.MCMC(made, num_samples=samples, num_warmup=warmup, progress_bar=False)
    mcmc.run(key(1))
    return numpy(mcmc.get_samples()["x"])


def effective_draws(x):
    """How many independent ones a chain is worth."""
    return float(numpyro.diagnostics.effective_sample_size(x[None]))
