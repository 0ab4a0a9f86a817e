"""Stable, with a density and without."""

from tests.row import Family

POINT = {"stability": 1.5, "skew": 0.5, "scale": 2.0, "loc": 1.0}

ROWS = tuple(Family(name, points=(POINT,), apart="shared/test_stable.py") for name in ("Stable", "StableWithLogProb"))
