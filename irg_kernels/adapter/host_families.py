"""Which family a class of distributions has: those of the hosts by name, and their divergences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ..families import (
    beta,
    dirichlet,
    gamma,
    inverse_gamma,
    laplace,
    log_gamma,
    normal,
    pareto,
    standard,
    student_t,
    von_mises,
    weibull,
)
from ..generic.family import Family
from .twins import changed

HOST_FAMILIES: dict[str, Family] = {
    "Beta": beta.FAMILY,
    "Cauchy": standard.CAUCHY,
    "Exponential": standard.EXPONENTIAL,
    "Gamma": gamma.FAMILY,
    "Gumbel": standard.GUMBEL,
    "HalfCauchy": standard.HALF_CAUCHY,
    "HalfNormal": standard.HALF_NORMAL,
    "InverseGamma": inverse_gamma.FAMILY,
    "Laplace": laplace.FAMILY,
    "Logistic": standard.LOGISTIC,
    "LogNormal": standard.LOG_NORMAL,
    "Normal": normal.FAMILY,
    "Pareto": pareto.FAMILY,
    "StudentT": student_t.FAMILY,
    "Uniform": standard.UNIFORM,
    "Weibull": weibull.FAMILY,
}
"""The name of a host's class -> its family, whose parameters are attributes of the class."""

WITH_DIVERGENCES: dict[str, Family] = {
    "Beta": beta.FAMILY,
    "Exponential": standard.EXPONENTIAL,
    "Gamma": gamma.FAMILY,
    "InverseGamma": inverse_gamma.FAMILY,
    "LogGamma": log_gamma.FAMILY,
    "StudentT": student_t.FAMILY,
    "Uniform": standard.UNIFORM,
    "VonMises": von_mises.FAMILY,
}
"""A name in `Family.divergences` -> the family."""


def family_of_class(kind: type, hosts: Mapping[type, Family], trusted: tuple[str, ...]) -> Family | None:
    """That of the nearest class that has one; None where a user's subclass may be another distribution.

    :param hosts: the host's class -> its family; a class of ours has it as `family`.
    :param trusted: packages whose own subclasses are the same distribution.
    """
    for cls in kind.__mro__:
        family = vars(cls).get("family", hosts.get(cls))
        if isinstance(family, Family):
            return None if changed(kind, cls, trusted) else family
    return None


def register_divergences(
    register: Callable[[type, type, Callable], Any],
    classes: Mapping[str, tuple[type, ...]],
    host: str,
    closed_form: Callable,
) -> None:
    """Registers KL(p, q) for every pair with a class of ours in it; the host's own pairs stay its own.

    :param register: takes two classes and the function of their instances.
    :param classes: a name of `WITH_DIVERGENCES`, or "Dirichlet" -> the classes that it stands for.
    :param host: the package of the host's classes.
    :param closed_form: (kernel, *parameters) -> the kernel's value.
    """

    def add(divergence: Callable, first: str, second: str, names: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        def kl(p: Any, q: Any) -> Any:
            parameters = [getattr(d, name) for d, of_d in zip((p, q), names, strict=True) for name in of_d]
            return closed_form(divergence, *parameters)

        for p, q in itertools.product(classes[first], classes[second]):
            if not all(kind.__module__.split(".")[0] == host for kind in (p, q)):
                register(p, q, kl)

    for first, family in WITH_DIVERGENCES.items():
        for second, divergence in family.divergences.items():
            names = tuple(family.parameters), tuple(WITH_DIVERGENCES[second].parameters)
            add(divergence, first, second, names)
    add(dirichlet.divergence, "Dirichlet", "Dirichlet", (("concentration",), ("concentration",)))
