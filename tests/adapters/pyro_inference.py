"""Guides, their weights and losses in Pyro: the rest of `pyro.py`, which has these names too."""

import contextlib

import pyro
import torch
from pyro import infer, poutine

import pyro_irg.infer
from tests.adapters.pyro import bound, default_precision, numpy, precision, train

mask, autoguide = poutine.mask, infer.autoguide


def started(model, guide, *args):
    """The parameters at the start: Pyro keeps them itself."""


def fitted(model, guide, *args, steps, rate, decay=1.0, particles=8, seed=0, elbo="Trace"):
    """The parameters after some steps of SVI."""
    pyro.set_rng_seed(seed)
    train(model, guide, *args, steps=steps, rate=rate, decay=decay, particles=particles, elbo=elbo)


def log_weights(model, guide, params, *args, **options):
    return numpy(pyro_irg.infer.log_weights(model, guide, *args, **options))


def log_evidence(model, guide, params, *args, **options):
    found = pyro_irg.infer.log_evidence(model, guide, *args, **options)
    return type(found)(*map(numpy, found))


def diagnostics(guide, params, *args):
    return pyro_irg.infer.diagnostics(guide, *args)


def loss(model, guide, params, *args, elbo="Trace", particles=1, seed=0, **options):
    pyro.set_rng_seed(seed)
    if particles > 1 or options:
        options |= {"vectorize_particles": True, "max_plate_nesting": 1}
    return bound(elbo, num_particles=particles, **options).loss(model, guide, *args)


def called(guide, *args):
    """The guide's draws, as it gives them when it is called."""
    return guide(*args)


def posterior(guide, params, *args):
    return guide.get_posterior(*args)


def quantiles(guide, params, levels, *args, **options):
    return {name: numpy(x) for name, x in guide.quantiles(levels, *args, **options).items()}


def median(guide, params, *args, **options):
    return {name: numpy(x) for name, x in guide.median(*args, **options).items()}


def guide_slopes(model, guide, *args):
    """All gradients of one loss."""
    pyro.clear_param_store()
    infer.Trace_ELBO().loss_and_grads(model, guide, *args)
    leaves = [*pyro.get_param_store()._params.values(), *getattr(guide, "parameters", list)()]
    return [numpy(p.grad) for p in leaves if p.grad is not None]


def started_guide(guide, model):
    """Its parameters."""
    pyro.set_rng_seed(0)
    guide()


def guide_parameters(guide, params):
    """By the names of its attributes."""
    return {name.removesuffix("_unconstrained"): numpy(p).copy() for name, p in guide.state_dict().items()}


def started_from(make, model, seeds):
    """The parameters of new guides, by their own names, from each of the seeds."""
    for seed in seeds:
        pyro.clear_param_store()
        pyro.set_rng_seed(seed)
        guide = make()
        guide()
        yield guide_parameters(guide, None)


def before_and_after(guide, model):
    """The parameters of a guide before and after a step."""
    started_guide(guide, model)
    before = guide_parameters(guide, None)
    infer.SVI(model, guide, pyro.optim.ClippedAdam({"lr": 0.03}), infer.Trace_ELBO()).step()
    return before, guide_parameters(guide, None)


def of_guide(guide, method, params):
    return getattr(guide, method)


def posterior_draws(guide, params, n):
    pyro.set_rng_seed(1)
    with pyro.plate("draws", n):
        return {name: numpy(x) for name, x in guide().items()}


# --------------------------------------------------------------------------------------------------- Hamiltonian guides

quick = contextlib.nullcontext  # nothing is compiled
init_to_value = infer.autoguide.init_to_value


@contextlib.contextmanager
def double():
    """All in float64."""
    with precision("float64"), default_precision("float64"):
        yield


def shaken(model, guide, *args, deviation=0.2):
    """Random parameters that the guide has never been trained to."""
    guide(*args)
    with torch.no_grad():
        for name, value in guide.named_parameters():
            if not name.endswith(("origin_unconstrained", "unit_unconstrained")):
                value.add_(deviation * torch.randn_like(value))


def losses(model, guide, params, *args, elbos, particles=1, seed=0):
    """Of each of the ELBOs, from the same draws; `Renyi` is the importance-weighted bound."""
    found, options = [], {"num_particles": particles}
    if particles > 1:
        options |= {"vectorize_particles": True, "max_plate_nesting": 1}
    for elbo in elbos:
        pyro.set_rng_seed(seed)
        loss = bound(elbo, **options, **({"alpha": 0.0} if elbo == "Renyi" else {}))
        found.append(float(loss.loss(model, guide, *args)))
    return found


def sites_of(guide, params, *args):
    """Name -> site."""
    return {name: site for name, site in poutine.trace(guide).get_trace(*args).nodes.items() if name[0] != "_"}


def value_and_slopes_of_loss(model, guide, params, *args, particles=1, seeds=1):
    """Losses, and the gradients of their sum by each parameter, as a list."""
    options = {"vectorize_particles": True, "max_plate_nesting": 1} if particles > 1 else {}
    values = []
    for seed in range(seeds):
        pyro.set_rng_seed(seed)
        values.append(infer.Trace_ELBO(particles, **options).differentiable_loss(model, guide, *args))
    leaves = [*pyro.get_param_store()._params.values(), *getattr(guide, "parameters", list)()]
    for leaf in leaves:
        leaf.grad = None  # an earlier call's
    sum(values).backward()
    return numpy(torch.stack(values)), [numpy(p.grad) for p in leaves if p.grad is not None]


def pareto_k(log_weights):
    return numpy(pyro_irg.infer.evaluation.pareto_k(torch.as_tensor(log_weights)))


def weights_and_draws(model, guide, params, *args, site, n):
    """Of n draws side by side: log p(x, z) / q(z), and the values of a site."""

    def side_by_side(program):
        def run():
            with pyro.plate("draws", n, dim=-2):
                return program(*args)

        return run

    with torch.no_grad():
        drawn = poutine.trace(side_by_side(guide)).get_trace()
        joint = poutine.trace(poutine.replay(side_by_side(model), trace=drawn)).get_trace()
        log_w = torch.zeros(n)
        for sites, sign in ((joint, 1.0), (drawn, -1.0)):
            sites.compute_log_prob()
            for each in sites.nodes.values():
                if each["type"] == "sample" and each["name"] not in ("draws", "data"):
                    log_w = log_w + sign * each["log_prob"].reshape(n, -1).sum(-1)
    return numpy(log_w), numpy(drawn.nodes[site]["value"].reshape(-1))


def sample_posterior(guide, params, *args, n, **options):
    pyro.set_rng_seed(1)
    draws = guide.sample_posterior(*args, num_samples=n, batch_size=n, **options)
    return {name: numpy(x) for name, x in draws.items()}


def weights_and_rejected(model, guide, params, *args, **options):
    """Log-weights, and the share of steps that were rejected of the last of them."""
    return log_weights(model, guide, params, *args, **options), guide.path["rejected"]


def _svi(model, guide):
    return infer.SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), infer.Trace_ELBO())


def saved(model, guide):
    """The state of a training after a step."""
    svi = _svi(model, guide)
    svi.step()
    return pyro_irg.infer.get_state(svi)


def restored(model, guide, state):
    pyro_irg.infer.set_state(_svi(model, guide), state)


def chain(model, kernel, *, samples, warmup, **options):
    """Draws of the site "x"."""
    pyro.set_rng_seed(1)
    made = getattr(infer, kernel)(model, **options)
    mcmc = infer.MCMC(made, num_samples=samples, warmup_steps=warmup, disable_progbar=True)
    mcmc.run()
    return numpy(mcmc.get_samples()["x"])


def effective_draws(x):
    """How many independent ones a chain is worth."""
    return float(pyro.ops.stats.effective_sample_size(torch.as_tensor(x)[None], chain_dim=0, sample_dim=1))
