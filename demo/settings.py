"""How long the demo trains and how much it draws, in full and for a smoke test."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FULL", "SMOKE", "Settings"]


class Settings(NamedTuple):
    """Sizes that both libraries share."""

    latents: tuple[str, ...] = (
        "Normal, plane",
        "Normal, HVAE",
        "von Mises, circle",
        "von Mises, torus",
        "Dirichlet, triangle",
    )
    steps: int = 1500  # of the optimizer, each on one minibatch
    chunk: int = 50  # steps between two points of the curves
    batch: int = 100  # images in a minibatch
    width: int = 128  # units in each of the two hidden layers of encoder and decoder
    learning_rate: float = 2e-3
    particles: int = 10  # draws per test image behind a point of the curves
    repeats: int = 20  # times as many behind the table's ELBO
    draws: int = 200  # importance samples per test image behind the negative log-likelihood
    estimates: int = 250  # gradient estimates behind each variance
    seed: int = 0
    hurry: bool = False  # compile fast rather than well


FULL = Settings()
SMOKE = Settings(
    latents=("Normal, HVAE", "von Mises, circle", "Dirichlet, triangle"),
    steps=20,
    chunk=10,
    particles=2,
    repeats=2,
    draws=4,
    estimates=10,
    hurry=True,
)
