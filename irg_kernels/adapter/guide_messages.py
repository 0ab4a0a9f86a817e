"""What guides and their evaluation refuse, and in which words."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .messages import described, innermost, is_distribution, shown

Method = TypeVar("Method", bound=Callable[..., Any])


def in_own_name(method: Method) -> Method:
    """The method, whose errors begin with the name of the class that a user wrote where they would with `HVAE`."""

    @functools.wraps(method)
    def named(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (TypeError, ValueError, NotImplementedError) as error:
            if str(error).startswith("HVAE: "):
                error.args = (type(self).__name__ + str(error).removeprefix("HVAE"),)
            raise

    return named  # type: ignore[return-value]


def check_program(what: str, name: str, given: Any) -> None:
    """:raises TypeError: unless `given` can be called, as a model or guide; as a distribution can, which is neither."""
    if is_distribution(given):
        raise TypeError(
            f"{what}: {name} must be a model or guide, a function with sample sites, got the distribution "
            f"{type(given).__name__}; write implicit_twin for what stands in its place"
        )
    if not callable(given):
        raise TypeError(f"{what}: {name} must be a model or guide, a callable, got {type(given).__name__}")


def check_params(what: str, params: Any) -> None:
    """:raises TypeError: for what is no dictionary, of which NumPyro would take each guide's initial values."""
    if not isinstance(params, Mapping):
        inside = "its .params" if hasattr(params, "params") else "svi.get_params(state)"
        kind = type(params).__name__
        raise TypeError(f"{what}: params must be a dictionary, site -> value, got {kind}; write {inside}")


def no_value(what: str, kind: str, name: str) -> str:
    if kind == "mutable":
        named, write = f"mutable state {name!r}", "svi.get_params(state) | state.mutable_state"
    else:
        named, write = f"parameter {name!r}", "svi.get_params(state), of the state after svi.init for initial values"
    return f"{what}: params has no value for the {named}, and it would be the initial one; write {write}"


def check_hamiltonian(model: Any, guide: Any, autoguides: tuple[type, ...]) -> None:
    """What HVAE is made of.

    :param autoguides: the classes of guides that make themselves of a model.
    :raises TypeError: for a class in place of an instance, what is not callable, and the two swapped.
    """
    for name, given in (("model", model), ("guide", guide)):
        if isinstance(given, type):
            made = f"{given.__name__}(model)" if issubclass(given, autoguides) else f"{given.__name__}(...)"
            raise TypeError(f"HVAE: {name} must be an instance, got the class {given.__name__}; write {made}")
        check_program("HVAE", name, given)
    if isinstance(model, autoguides):
        raise TypeError(
            f"HVAE: model is a guide, of class {type(model).__name__}; write HVAE(model, guide), in that order"
        )


def check_auto_base(
    base: Any, options: Iterable[str], settings: Iterable[str], allowed: Iterable[str], autoguides: tuple[type, ...]
) -> None:
    """What AutoHVAE makes its base guide of.

    :param options: the arguments for the base; `settings` those for the steps, of which there are `allowed` ones.
    :raises TypeError: that names the argument and the remedy.
    """
    if not callable(base) or isinstance(base, autoguides):
        raise TypeError(
            f"AutoHVAE: base must be a class such as AutoNormal, or a function that makes a guide of a model, got an "
            f"instance of {type(base).__name__}; for a guide that exists, write HVAE(model, guide)"
        )
    made = getattr(base, "__name__", repr(base))
    parameters = inspect.signature(base).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in settings:
        if name not in allowed:
            where = f"base_options={{{name!r}: ...}}, for the base {made}" if name in parameters else sorted(allowed)
            raise TypeError(f"AutoHVAE takes no argument {name!r}; write {where}")
    for name in options:
        if not takes_all and name not in parameters:
            raise TypeError(f"AutoHVAE: the base {made} does not take {name!r}; it takes {list(parameters)[1:]}")


def check_diagnosed(guide: Any, hvae: type) -> None:
    """:raises TypeError: for what `diagnostics` knows nothing of."""
    if not isinstance(guide, hvae):
        raise TypeError(
            f"diagnostics: guide must be an HVAE or AutoHVAE, got {shown(guide)}; other guides take no steps"
        )


def not_reparameterized(site: str, kind: str, package: str) -> str:
    return (
        f"HVAE: the base guide's site {site!r} has a distribution without reparameterized draws, {kind}; take its twin "
        f"from {package}.distributions, or a continuous distribution"
    )


PATHS_OF_HVAE = (
    "PathGradientELBO: a Hamiltonian guide needs Trace_ELBO, for the density of its draws is only a part of its bound"
)


def no_path_gradient(site: str, kind: str, package: str) -> str:
    return (
        f"PathGradientELBO: the guide's site {site!r} is not reparameterized ({kind}); take its twin from "
        f"{package}.distributions, or TraceGraph_ELBO for a distribution that is discrete"
    )


def discrete_latent(site: str, kind: str) -> str:
    return (
        f"HVAE: the model's latent {site!r} is discrete ({kind}); sum it out of the model (as MixtureSameFamily does), "
        "Hamiltonian steps need a density"
    )


def no_base_site(site: str, host: str) -> str:
    return (
        f"HVAE: the model's latent {site!r} has no site in the base guide; add {host}.sample({site!r}, ...) to the "
        "guide, or observe it (if it is data that only this call lacks, call the guide with data first)"
    )


def check_latents(latents: Collection[str], of_base: Collection[str]) -> None:
    """:raises ValueError: for a model without latents, and for sites of the base guide that are none of them."""
    if not latents:
        raise ValueError("HVAE: the model has no latent sample site to move; use the base guide alone")
    if added := sorted(set(of_base) - set(latents)):
        raise ValueError(
            f"HVAE: the base guide's sites {added} are not latents of the model; remove them, or mark them with "
            "infer={'is_auxiliary': True}"
        )


def masked_inside(site: str) -> str:
    return (
        f"HVAE: the base guide's site {site!r} is masked inside its event; leave the mask out of the guide, which "
        "respects the model's"
    )


def masked_alone(who: str, site: str) -> str:
    return (
        f"{who}: the guide masks site {site!r} where the model does not; use the same mask in both, or leave it out of "
        "the guide, which then respects the model's"
    )


def masked_but_used(who: str, site: str) -> str:
    return (
        f"{who}: the model masks its latent {site!r}, but terms that are not masked depend on it; mask those too, or, "
        "for a flat prior, write dist.ImproperUniform in place of the mask"
    )


def check_order(who: str, of_model: Mapping[str, Any], of_guide: Mapping[str, Any], factor: type) -> None:
    """:raises ValueError: where the guide's sites have data and the model's none; a factor of the guide is no datum."""
    seen, observed = (
        {name: site["fn"] for name, site in sites.items() if site["type"] == "sample" and site["is_observed"]}
        for sites in (of_model, of_guide)
    )
    if not seen and (data := [name for name, fn in observed.items() if not isinstance(innermost(fn), factor)]):
        raise ValueError(swapped(who, data))


def check_same_latents(who: str, of_model: Mapping[str, Any], of_guide: Mapping[str, Any]) -> None:
    """:raises ValueError: where model and guide draw other latents: p(x, z) / q(z) is then not the weight of a z."""
    latents, drawn = (
        {name for name, site in sites.items() if site["type"] == "sample" and not site["is_observed"]}
        for sites in (of_model, of_guide)
    )
    auxiliary = {name for name in drawn if of_guide[name]["infer"].get("is_auxiliary")}
    if missing := sorted(latents - drawn):
        raise ValueError(
            f"{who}: the model draws {missing}, and the guide does not; where these are data, give them as the model's "
            "arguments, else add them to the guide"
        )
    if more := sorted(drawn - latents - auxiliary):
        raise ValueError(
            f"{who}: the guide draws {more}, which the model does not or observes; take them out of the guide, or mark "
            'them by infer={"is_auxiliary": True}, if their density shall be counted'
        )


def of_another_guide(who: str, size: int, found: int) -> str:
    return (
        f"{who}: the model has {size} latent numbers, and the parameters in Pyro's store are of {found}, another "
        "guide's; write pyro.clear_param_store() before a new one"
    )


def of_other_steps(who: str, name: str, shape: tuple[int, ...], found: tuple[int, ...]) -> str:
    return (
        f"{who}: the steps' parameter {name!r} has shape {shape}, that of its name in Pyro's store {found}, another "
        "guide's; write pyro.clear_param_store() before a new one"
    )


def only_points(who: str, sites: Iterable[str], guide: str = "guide") -> str:
    return (
        f"{who}: the {guide}'s sites {sorted(sites)} are points (Delta), without a density; take a {guide} with random "
        "draws, such as AutoNormal"
    )


def swapped(who: str, observed: Iterable[str]) -> str:
    return (
        f"{who}: the guide observes {sorted(observed)} and the model nothing; write {who}(model, guide, ...), in that "
        "order"
    )


def arguments(where: str, model: Any, args: tuple, kwargs: dict, last: Any) -> tuple[tuple, dict]:
    """A model's arguments as given, or else those of the last call.

    :raises TypeError: where the model needs some, and there are none.
    """
    if args or kwargs:
        return args, kwargs
    if last is not None:
        return last
    try:
        inspect.signature(model).bind()
    except TypeError:
        raise TypeError(
            f"{where}: pass the model's arguments after those of {where.split('.')[1]}, since the steps look at the "
            "data; without them those of the guide's last call are taken, and there was none"
        ) from None
    except ValueError:  # no signature to read
        pass
    return (), {}


def no_latents(who: str) -> str:
    return (
        f"{who}: the model has no latent sample site, for all that it samples is observed; leave obs out at the sites "
        "to infer, or use an empty guide"
    )


def not_set_up(method: str) -> str:
    return (
        f"AutoMixture.{method}: the guide has no parameters before its first call; call it, or, to load saved ones, "
        "write guide.setup(*args) first"
    )


def begun_inside(who: str) -> str:
    return (
        f"{who}: the guide's first call was inside jit, vmap or scan, and where its parameters begin is known there "
        "alone; give it parameters, or make a new guide and call it, guide.setup(*args) or svi.init outside first"
    )


def check_saved(where: str, argument: str, value: Any, kind: type, what: str) -> None:
    """:raises TypeError: unless the value is of the kind, told by `what`."""
    if not isinstance(value, kind):
        raise TypeError(f"{where}: {argument} must be {what}, got {shown(value)}")


def no_twin(site: str, fn: Any) -> str:
    return (
        f"ImplicitReparam: site {site!r} has a distribution without implicit twin, {described(fn)}; "
        "leave the site out of the config, or write a twin with implicit_twin_of"
    )


def fault(site: str, fn: Any, twin: Any | None, package: str, what: str | None, otherwise: str) -> str:
    """What is wrong with the gradient of a site, and the remedy.

    :param what: what is wrong with it, beyond that it has none.
    :param otherwise: the remedy where no twin helps.
    """
    kind = "is not reparameterized" if what is None else "has a wrong gradient"
    remedy = otherwise
    if twin is not None and twin.has_rsample:
        remedy = f"wrap the guide in {package}.implicit, or import the class from {package}.distributions"
    return f"site {site!r} {kind}: {described(fn)}{'' if what is None else f', {what}'}; {remedy}"


def outside_plate(site: str, plate: str) -> str:
    return (
        f"log_weights: site {site!r} is not inside the plate {plate!r}, so that a datum has no weight of its own; "
        "leave `plate` out"
    )


def reasons(overflows: Mapping[str, tuple[float, ...]], rejected: float) -> list[str]:
    """What a Hamiltonian guide's diagnostics say in words.

    :param overflows: of each site, the share of numbers whose position, slope or curvature is not finite.
    """
    found = []
    for name, (position, slope, curvature) in overflows.items():
        if position:
            found.append(
                f"{position:.1%} of the base's draws of {name!r} lie at an end of the support, where the unconstrained "
                "space ends; they do not move. Bound the base's parameters away from it, or use float64."
            )
        elif slope:
            found.append(
                f"{slope:.1%} of the model's slopes in {name!r} are not finite at the base's draws; those do not move. "
                "Look at the model's density there, or use float64."
            )
        elif curvature:
            found.append(
                f"{curvature:.1%} of the model's curvatures in {name!r} overflow at the base's draws; they count as 0 "
                "in the gradient. Bound the base's parameters, or use float64."
            )
    if rejected > 0.03:
        found.append(f"{rejected:.1%} of the steps diverge and are refused; lower step_size and max_step_size.")
    return found


LOST = 25.0
"""From how many nats lost on a path it diverges, of which the last point alone counts; those of a useful one spread by
ten."""


def reasons_of_path(not_finite: float, last: float, lost: float) -> list[str]:
    """The same of a path whose points are weighed, where a point that diverges is given no weight.

    :param not_finite: share of points without a finite density.
    :param last: how often a draw is the last point.
    :param lost: how many nats the log-weight falls by on the path, of all systems.
    """
    found = []
    if not_finite > 0.03:
        found.append(
            f"{not_finite:.1%} of the points have no finite density, and no weight. Look at the model's density far "
            "out, or use float64."
        )
    if last > 0.99 and not lost < LOST:  # NaN is not less
        found.append(
            f"The path diverges: of its points the last one alone is a draw, and its log-weight is {lost:.0f} below "
            "the first one's. Lower the learning rate, or num_steps."
        )
    return found


def warn_of_held(shares: Mapping[str, float]) -> None:
    """Warn of sites whose draws are rounded onto an end of their dtype: more than a hundredth, and densities are wrong.

    :param shares: of each site, the share of its draws that are the last number their dtype has.
    """
    for name, share in shares.items():
        if share > 0.01:
            warnings.warn(
                f"{share:.1%} of the guide's draws of {name!r} are the last number that their dtype has there (next to "
                "0, to 1, or its largest): the density counts them all as that one, and the estimate may lie above the "
                "evidence. Use float64, or a distribution of the logarithm or the logit (LogGamma, BetaPrime).",
                stacklevel=4,
            )


def warn_of_hidden(where: str, sites: Sequence[str]) -> None:
    """Warn of latents that a model hides by `block`: the density that the guide follows changes with their draws."""
    if sites:
        warnings.warn(
            f"{where}: the model hides its latent sites {list(sites)} by block. They are drawn from the prior at each "
            "call, and the guide follows the density given those draws: its bound is valid, but may be far from the "
            "evidence. Sum discrete latents out of the model (as MixtureSameFamily does), and let the guide draw the "
            "others.",
            stacklevel=2,
        )


def warn_of_modes(where: str, found: int, components: int) -> None:
    """Warn if a search has found more modes than a guide can take in.

    :param components: how many it can.
    """
    if found > components:
        takes = "one of them" if components == 1 else f"{components} of them"
        warnings.warn(
            f"{where}: the search found {found} modes of comparable mass, apart from each other; the guide will end in "
            f"{takes}, and its bound below the evidence by the mass of the others (log 2 for two equal ones). Take "
            f"AutoMixture(model, {found}).",
            stacklevel=2,
        )


def warn_of_angle(name: str) -> None:
    """Warn of an angle that its base draws from the line, beyond pi: the density repeats itself there."""
    warnings.warn(
        f"HVAE: draws of the angle {name!r} lie beyond pi, for its base draws it from the line; the density repeats "
        "itself there, and the bound may lie above the evidence. Let the guide draw it from VonMises or Wrapped.",
        stacklevel=2,
    )
