"""Checks of what users set, with errors that name the argument."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def is_integer(value: object) -> bool:
    """Python's or NumPy's; not a truth value."""
    return not isinstance(value, bool) and isinstance(value, Integral)


def check_count(where: str, name: str, value: Any, least: int = 1) -> None:
    """Raise a ValueError unless `value` is an integer of that size."""
    if not is_integer(value) or value < least:
        raise ValueError(f"{where}: {name} must be an integer >= {least}, got {value!r}")


def _between(low: float, value: Any, high: float) -> bool:
    """low < value < high; not of what is no number."""
    try:
        return bool(low < value < high)
    except (TypeError, ValueError, RuntimeError):  # the comparison of a string, or of several numbers
        return False


TEMPERINGS = ("none", "fixed", "quadratic", "free")
STEP_SIZE_SHAPES = ("dim", "step", "scalar")


def check_hvae(
    num_steps: int, step_size: float, max_step_size: float, step_size_shape: str, tempering: object, temperature: float
) -> None:
    """Raise a ValueError that names the first argument of a Hamiltonian guide that is out of bounds."""
    check_count("HVAE", "num_steps", num_steps, 0)
    if not _between(0.0, max_step_size, float("inf")):
        raise ValueError(f"HVAE: max_step_size must be positive and finite, got {max_step_size!r}")
    if not _between(0.0, step_size, max_step_size):
        raise ValueError(f"HVAE: step_size must lie between 0 and max_step_size = {max_step_size}, got {step_size!r}")
    if step_size_shape not in STEP_SIZE_SHAPES:
        raise ValueError(f"HVAE: step_size_shape must be one of {STEP_SIZE_SHAPES}, got {step_size_shape!r}")
    if tempering not in TEMPERINGS and not callable(tempering):
        raise ValueError(f"HVAE: tempering must be one of {TEMPERINGS} or a function, got {tempering!r}")
    if not _between(1.0, temperature, float("inf")):
        raise ValueError(f"HVAE: initial_temperature must be greater than 1 and finite, got {temperature!r}")


def check_cooling(cooling: tuple[float, ...], num_steps: int) -> tuple[float, ...]:
    """The cooling factors that a user's schedule returned, or a ValueError."""
    if len(cooling) != num_steps or not all(0.0 < a <= 1.0 for a in cooling):
        raise ValueError(f"HVAE: tempering(num_steps) must return {num_steps} factors in (0, 1], got {cooling}")
    return cooling


def check_auto_mixture(num_components: int, num_starts: int, init_scale: float, init_spread: float) -> None:
    """Raise a ValueError that names the first argument of a mixture guide that is out of bounds."""
    for name, value, least in (("num_components", num_components, 1), ("num_starts", num_starts, 0)):
        check_count("AutoMixture", name, value, least)
    for name, width in (("init_scale", init_scale), ("init_spread", init_spread)):
        if not _between(0.0, width, float("inf")):
            raise ValueError(f"AutoMixture: {name} must be positive and finite, got {width!r}")
