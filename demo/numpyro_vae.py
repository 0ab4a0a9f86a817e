"""The autoencoders in NumPyro; `pyro_vae.py` is this file's twin.

Models and guides are written as ever.  That the guides of angles and proportions train takes one changed import.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import Array
from jax.example_libraries import stax
from jax.flatten_util import ravel_pytree
from jax.nn import sigmoid, softplus
from numpyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO
from numpyro.optim import Adam
from numpyro.primitives import Messenger
from tqdm import tqdm

import numpyro_irg.distributions as dist  # the change: this was `import numpyro.distributions as dist`
from numpyro_irg.infer import HVAE, log_evidence

from . import variance
from .data import PIXELS, Digits
from .results import Run
from .settings import Settings

__all__ = ["before", "runs"]


class Plane:
    """Two numbers with a Normal distribution: the baseline."""

    code_size, feature_size = 2 * 2, 2

    def prior(self):
        return dist.Normal(jnp.zeros(2), 1.0).to_event(1)

    def guide(self, code):
        loc, log_scale = jnp.split(code, 2, -1)
        return dist.Normal(loc, jnp.exp(log_scale)).to_event(1)

    def centre(self, code):
        return jnp.split(code, 2, -1)[0]

    def features(self, z):
        return z


class Circles:
    """Angles with a von Mises distribution: one is a circle, two make a torus."""

    def __init__(self, count: int):
        self.count, self.code_size, self.feature_size = count, 3 * count, 2 * count

    def prior(self):
        # uniform on the circle
        return dist.VonMises(jnp.zeros(self.count), 1e-6).to_event(1)

    def guide(self, code):
        x, y, strength = jnp.split(code, 3, -1)
        # at concentration 0 the mean has no gradient and training would stay there: never below 1
        return dist.VonMises(jnp.arctan2(y, x), 1.0 + softplus(4.0 + strength)).to_event(1)

    def centre(self, code):
        x, y, _ = jnp.split(code, 3, -1)
        return jnp.arctan2(y, x)

    def features(self, z):
        return jnp.concatenate([jnp.cos(z), jnp.sin(z)], -1)


class Triangle:
    """Three proportions with a Dirichlet distribution."""

    code_size, feature_size = 3, 3

    def prior(self):
        return dist.Dirichlet(jnp.ones(3))

    def guide(self, code):
        return dist.Dirichlet(softplus(1.0 + 4.0 * code) + 1e-2)

    def centre(self, code):
        return self.guide(code).mean

    def features(self, z):
        return 4.0 * z - 1.0


LATENTS = {
    "Normal, plane": Plane(),
    "Normal, HVAE": Plane(),
    "von Mises, circle": Circles(1),
    "von Mises, torus": Circles(2),
    "Dirichlet, triangle": Triangle(),
}

# K = 3 tells the difference in the time of a demo; the step sizes are learned, in units of the encoder's scale
HAMILTONIAN = {"num_steps": 3, "tempering": "free", "step_size": 0.3, "max_step_size": 1.0}


def network(width: int, outputs: int):
    return stax.serial(stax.Dense(width), stax.Gelu, stax.Dense(width), stax.Gelu, stax.Dense(outputs))


class Autoencoder:
    """p(image | z) and q(z | image)."""

    def __init__(self, latent, width: int):
        self.latent = latent
        self.encoder = network(width, latent.code_size)
        self.decoder = network(width, PIXELS)

    def model(self, images, batch=None, baseline=None):
        decoder = numpyro.module("decoder", self.decoder, (self.latent.feature_size,))
        with numpyro.plate("images", len(images), batch) as index:
            z = numpyro.sample("z", self.latent.prior())
            logits = decoder(self.latent.features(z))
            numpyro.sample("pixels", dist.Bernoulli(logits=logits).to_event(1), obs=images[index])
            if baseline is not None:
                # A constant: the gradient's mean stays as it is.  TraceGraph_ELBO leaves out terms that do not
                # depend on z, hence the zero.
                numpyro.factor("baseline", 0.0 * z.sum(-1) - baseline)

    def guide(self, images, batch=None):
        encoder = numpyro.module("encoder", self.encoder, (PIXELS,))
        with numpyro.plate("images", len(images), batch) as index:
            numpyro.sample("z", self.latent.guide(encoder(images[index])))

    def decode(self, params: dict, z: np.ndarray) -> np.ndarray:
        return np.asarray(sigmoid(self.decoder[1](params["decoder$params"], self.latent.features(jnp.asarray(z)))))

    def centre(self, params: dict, images: Array) -> np.ndarray:
        return np.asarray(self.latent.centre(self.encoder[1](params["encoder$params"], images)))


def compiled_elbo(model, guide, particles: int):
    """The function (key, params, images) -> nats per image."""
    loss = Trace_ELBO(num_particles=particles)
    return jax.jit(lambda key, params, images: -loss.loss(key, params, model, guide, images) / len(images))


def train(name: str, digits: Digits, settings: Settings) -> Run:
    """One autoencoder by SVI with Trace_ELBO, then what the table and the pictures need of it."""
    vae = Autoencoder(LATENTS[name], settings.width)
    images, test = jnp.asarray(digits.train), jnp.asarray(digits.test)
    refined = name == "Normal, HVAE"
    guide = HVAE(vae.model, vae.guide, **HAMILTONIAN) if refined else vae.guide
    svi = SVI(vae.model, guide, Adam(settings.learning_rate), Trace_ELBO())
    step_key, test_key, spread_key, nll_key = jax.random.split(jax.random.key(settings.seed), 4)
    state = jax.jit(svi.init, static_argnums=2)(step_key, images, settings.batch)
    update = jax.jit(svi.update, static_argnums=2)
    elbo = compiled_elbo(vae.model, guide, settings.particles)
    run = Run("NumPyro", name, lambda z: vae.decode(params, z))
    with tqdm(total=settings.steps, desc=f"NumPyro, {name}", disable=None) as bar:
        for step in range(settings.chunk, settings.steps + 1, settings.chunk):
            start, losses = perf_counter(), []
            for _ in range(settings.chunk):
                state, loss = update(state, images, settings.batch)
                losses.append(loss)
            loss = np.mean(losses)
            seconds = (perf_counter() - start) / settings.chunk
            params = svi.get_params(state)
            run.record(step, -loss / len(images), float(elbo(test_key, params, test)), seconds)
            bar.update(settings.chunk)
            bar.set_postfix_str(f"test ELBO {run.test_elbo[-1]:.2f} nats/image")
    run.final_elbo = float(np.mean([elbo(key, params, test) for key in jax.random.split(test_key, settings.repeats)]))
    sizes = {"num_samples": settings.draws, "batch_size": 20}
    evidence = log_evidence(vae.model, guide, params, nll_key, test, plate="images", **sizes)
    run.nll = -float(evidence.log_evidence.mean())
    if not refined:
        run.centres = vae.centre(params, test)
        run.spread = spread(vae, params, elbo, test, settings, spread_key)
    return run


class ScoreFunction(Messenger):
    """Has NumPyro take the draws inside as not reparameterized, so that TraceGraph_ELBO uses the score function."""

    def process_message(self, msg):
        if msg["type"] == "sample":
            distribution = msg["fn"]
            while hasattr(distribution, "base_dist"):
                distribution = distribution.base_dist
            distribution.reparametrized_params = []


def spread(vae: Autoencoder, params: dict, elbo, test: Array, settings: Settings, key: Array) -> variance.Spread:
    """Of estimates of the encoder's gradient from one draw per image, on one minibatch.

    The minibatch is passed whole: with a subsampled plate, TraceGraph_ELBO of NumPyro 0.22 scales its score-function
    term twice.
    """
    images, encoder = test[: settings.batch], {"encoder$params": params["encoder$params"]}

    @partial(jax.jit, static_argnums=(0, 1))
    def estimates(objective, guide, key, baseline):
        model = partial(vae.model, baseline=baseline)

        def gradient(key):
            return ravel_pytree(jax.grad(lambda p: objective.loss(key, params | p, model, guide, images))(encoder))[0]

        return jax.lax.map(gradient, jax.random.split(key, settings.estimates))

    keys, score_function = jax.random.split(key, 5), partial(estimates, TraceGraph_ELBO(), ScoreFunction(vae.guide))
    own = np.array([elbo(keys[0], params, np.broadcast_to(image, test.shape)) for image in np.asarray(images)])
    return variance.compare(
        np.asarray(estimates(Trace_ELBO(), vae.guide, keys[1], jnp.zeros(len(images)))),
        np.asarray(score_function(keys[2], jnp.zeros(len(images)))),
        np.asarray(score_function(keys[3], jnp.full(len(images), own.mean()))),
        np.asarray(score_function(keys[4], own)),
    )


def runs(digits: Digits, settings: Settings) -> list[Run]:
    """Every latent of the settings, trained and measured."""
    if settings.hurry:
        jax.config.update("jax_disable_most_optimizations", True)  # a smoke test mostly compiles
    return [train(name, digits, settings) for name in settings.latents]


def before() -> str:
    """What NumPyro alone makes of such a guide."""
    from numpyro.distributions import VonMises

    fact = f"VonMises.reparametrized_params is {VonMises.reparametrized_params}"
    try:
        jax.grad(lambda concentration: VonMises(0.0, concentration).sample(jax.random.key(0)))(1.0)
    except ValueError as error:
        return f'{fact}; SVI with Trace_ELBO raises "{str(error).split(" or ")[0]} ..."'
    return fact
