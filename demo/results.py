"""What one library's training of one latent leaves behind, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .variance import Spread

__all__ = ["Run"]


@dataclass
class Run:
    """One autoencoder, trained; ELBOs are nats per image."""

    library: str
    latent: str
    decode: Callable[[np.ndarray], np.ndarray]
    """Latent values of shape (n, size of the latent) to probabilities of the pixels being white, (n, 64)."""
    steps: list[int] = field(default_factory=list)
    train_elbo: list[float] = field(default_factory=list)
    test_elbo: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    """Per step, for each stretch of the training."""
    final_elbo: float = float("nan")
    """On the test images, with many draws each."""
    nll: float = float("nan")
    """Negative log-likelihood of the test images by importance sampling, nats per image."""
    centres: np.ndarray | None = None
    """Of the guide's distribution for each test image, (397, size of the latent); None after Hamiltonian steps."""
    spread: Spread | None = None

    def record(self, step: int, train_elbo: float, test_elbo: float, seconds_per_step: float) -> None:
        self.steps.append(step)
        self.train_elbo.append(train_elbo)
        self.test_elbo.append(test_elbo)
        self.milliseconds.append(1e3 * seconds_per_step)

    @property
    def step_milliseconds(self) -> float:
        """The median, which neither compilation nor a busy machine moves much."""
        return float(np.median(self.milliseconds))
