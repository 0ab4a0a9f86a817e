"""Scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, as black and white images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

__all__ = ["PIXELS", "SIDE", "Digits", "load"]

SIDE = 8
PIXELS = SIDE * SIDE
TRAIN = 1400
THRESHOLD = 8  # of grey levels 0 to 16


class Digits(NamedTuple):
    """Images as float32 rows of zeros and ones; labels 0 to 9."""

    train: np.ndarray  # (1400, 64)
    test: np.ndarray  # (397, 64)
    test_labels: np.ndarray  # (397,)


def load() -> Digits:
    """The digits, shuffled once and for all; they come with scikit-learn, nothing is downloaded."""
    grey, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(grey))
    images, labels = (grey > THRESHOLD).astype(np.float32)[order], labels[order]
    return Digits(images[:TRAIN], images[TRAIN:], labels[TRAIN:])
