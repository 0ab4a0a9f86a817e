"""The autoencoders in Pyro; `numpyro_vae.py` is this file's twin.

Models and guides are written as ever.  That the guides of angles and proportions train takes one changed import.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

import numpy as np
import pyro
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from pyro.poutine.messenger import Messenger
from torch import nn
from torch.nn.functional import softplus
from tqdm import tqdm

import pyro_irg.distributions as dist  # the change: this was `import pyro.distributions as dist`
from pyro_irg.infer import HVAE, log_evidence

from . import variance
from .data import PIXELS, Digits
from .results import Run
from .settings import Settings

__all__ = ["before", "runs"]


class Plane:
    """Two numbers with a Normal distribution: the baseline."""

    code_size, feature_size = 2 * 2, 2

    def prior(self):
        return dist.Normal(torch.zeros(2), 1.0).to_event(1)

    def guide(self, code):
        loc, log_scale = code.chunk(2, -1)
        return dist.Normal(loc, log_scale.exp()).to_event(1)

    def centre(self, code):
        return code.chunk(2, -1)[0]

    def features(self, z):
        return z


class Circles:
    """Angles with a von Mises distribution: one is a circle, two make a torus."""

    def __init__(self, count: int):
        self.count, self.code_size, self.feature_size = count, 3 * count, 2 * count

    def prior(self):
        # uniform on the circle; dist.Uniform(-pi, pi) would refuse a draw that rounds to pi
        return dist.VonMises(torch.zeros(self.count), 1e-6).to_event(1)

    def guide(self, code):
        x, y, strength = code.chunk(3, -1)
        # at concentration 0 the mean has no gradient and training would stay there: never below 1
        return dist.VonMises(torch.atan2(y, x), 1.0 + softplus(4.0 + strength)).to_event(1)

    def centre(self, code):
        x, y, _ = code.chunk(3, -1)
        return torch.atan2(y, x)

    def features(self, z):
        return torch.cat([z.cos(), z.sin()], -1)


class Triangle:
    """Three proportions with a Dirichlet distribution."""

    code_size, feature_size = 3, 3

    def prior(self):
        return dist.Dirichlet(torch.ones(3))

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


def network(inputs: int, width: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs)
    )


class Autoencoder(nn.Module):
    """p(image | z) and q(z | image)."""

    def __init__(self, latent, width: int):
        super().__init__()
        self.latent = latent
        self.encoder = network(PIXELS, width, latent.code_size)
        self.decoder = network(latent.feature_size, width, PIXELS)

    def model(self, images, batch=None, baseline=None):
        pyro.module("decoder", self.decoder)
        with pyro.plate("images", len(images), batch) as index:
            z = pyro.sample("z", self.latent.prior())
            logits = self.decoder(self.latent.features(z))
            pyro.sample("pixels", dist.Bernoulli(logits=logits).to_event(1), obs=images[index])
            if baseline is not None:
                pyro.factor("baseline", -baseline)  # a constant: the gradient's mean stays as it is

    def guide(self, images, batch=None):
        pyro.module("encoder", self.encoder)
        with pyro.plate("images", len(images), batch) as index:
            pyro.sample("z", self.latent.guide(self.encoder(images[index])))

    @torch.no_grad()
    def decode(self, z: np.ndarray) -> np.ndarray:
        z = torch.as_tensor(z, dtype=torch.get_default_dtype())
        return self.decoder(self.latent.features(z)).sigmoid().numpy()


@torch.no_grad()
def elbo(model, guide, images: torch.Tensor, particles: int) -> float:
    """Nats per image."""
    loss = Trace_ELBO(num_particles=particles, vectorize_particles=True, max_plate_nesting=1)
    return -loss.loss(model, guide, images) / len(images)


def train(name: str, digits: Digits, settings: Settings) -> Run:
    """One autoencoder by SVI with Trace_ELBO, then what the table and the pictures need of it."""
    pyro.clear_param_store()
    pyro.set_rng_seed(settings.seed)
    vae = Autoencoder(LATENTS[name], settings.width)
    images, test = torch.from_numpy(digits.train), torch.from_numpy(digits.test)
    refined = name == "Normal, HVAE"
    guide = HVAE(vae.model, vae.guide, **HAMILTONIAN) if refined else vae.guide
    svi = SVI(vae.model, guide, Adam({"lr": settings.learning_rate}), Trace_ELBO())
    run = Run("Pyro", name, vae.decode)
    with tqdm(total=settings.steps, desc=f"Pyro, {name}", disable=None) as bar:
        for step in range(settings.chunk, settings.steps + 1, settings.chunk):
            start = perf_counter()
            loss = sum(svi.step(images, settings.batch) for _ in range(settings.chunk)) / settings.chunk
            seconds = (perf_counter() - start) / settings.chunk
            run.record(step, -loss / len(images), elbo(vae.model, guide, test, settings.particles), seconds)
            bar.update(settings.chunk)
            bar.set_postfix_str(f"test ELBO {run.test_elbo[-1]:.2f} nats/image")
    elbos = [elbo(vae.model, guide, test, settings.particles) for _ in range(settings.repeats)]
    run.final_elbo = float(np.mean(elbos))
    sizes = {"num_samples": settings.draws, "batch_size": 20}
    run.nll = -float(log_evidence(vae.model, guide, test, plate="images", **sizes).log_evidence.mean())
    if not refined:
        with torch.no_grad():
            run.centres = vae.latent.centre(vae.encoder(test)).numpy()
        run.spread = spread(vae, test, settings)
    return run


class ScoreFunction(Messenger):
    """Has Pyro take the draws inside as not reparameterized, so that it uses the score function."""

    def _pyro_sample(self, msg):
        distribution = msg["fn"]
        while hasattr(distribution, "base_dist"):
            distribution = distribution.base_dist
        distribution.has_rsample_(False)


def spread(vae: Autoencoder, test: torch.Tensor, settings: Settings) -> variance.Spread:
    """Of estimates of the encoder's gradient from one draw per image, on one minibatch."""

    def estimates(guide, baseline=None):
        model, rows = partial(vae.model, baseline=baseline), []
        for _ in range(settings.estimates):
            vae.zero_grad()
            Trace_ELBO().loss_and_grads(model, guide, images)
            rows.append(torch.cat([p.grad.flatten() for p in vae.encoder.parameters()]).numpy())
        return np.stack(rows)

    images, score_function = test[: settings.batch], ScoreFunction()(vae.guide)
    own = torch.tensor([elbo(vae.model, vae.guide, image.expand_as(test), settings.particles) for image in images])
    return variance.compare(
        estimates(vae.guide),
        estimates(score_function),
        estimates(score_function, own.mean()),
        estimates(score_function, own),
    )


def runs(digits: Digits, settings: Settings) -> list[Run]:
    """Every latent of the settings, trained and measured."""
    torch.set_num_threads(1)  # too small to share between cores
    return [train(name, digits, settings) for name in settings.latents]


def before() -> str:
    """What Pyro alone makes of such a guide."""
    from pyro.distributions import VonMises

    return f"VonMises.has_rsample is {VonMises.has_rsample}; SVI falls back on the score function"
