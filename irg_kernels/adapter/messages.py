"""What both adapters tell a user."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

LONGEST = 200  # characters of an argument that an error shows
TRANSPARENT = ("ExpandedDistribution", "Independent", "MaskedDistribution", "TransformedDistribution")


def shown(given: Any) -> str:
    """A wrong argument, for an error; of a long one the beginning."""
    if isinstance(given, type):
        return f"the class {given.__name__}"
    text = repr(given)
    return f"{text if len(text) <= LONGEST else text[:LONGEST] + '...'} ({type(given).__name__})"


def no_distribution(given: Any) -> str:
    """What is no distribution of the library, for an error: a class, or a distribution of another library, is told."""
    if isinstance(given, type):
        return f"the class {given.__name__}; write {given.__name__}(...)"
    if is_distribution(given):
        return f"{type(given).__name__} of {type(given).__module__.partition('.')[0]}, another library's"
    return shown(given)


def is_distribution(given: Any) -> bool:
    """Of any library."""
    return all(hasattr(given, name) for name in ("log_prob", "batch_shape", "event_shape"))


def no_cdf(distribution: Any, package: str) -> str:
    """Of one without distribution function; `package` is the adapter's name."""
    kind = type(distribution).__name__
    return f"{kind} has no cdf; take a distribution from {package}.distributions, or give the class a cdf"


def pairs_in_order(names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(lesser, greater, whether they may be equal) of parameters that ascend, of which the ends differ."""
    if not names:
        return []
    inner = [(low, high, True) for low, high in pairwise(names)] if len(names) > 2 else []
    return [*inner, (names[0], names[-1], False)]


def out_of_order(name: str, low: str, high: str, equal: bool, least: Any, most: Any) -> str:
    """What to tell of parameters that do not ascend."""
    relation = "must not exceed" if equal else "must be less than"
    return f"{name}: {low} {relation} {high}, but {low} is {least} and {high} is {most}"


def too_skew(name: str, skewness: Any, tailweight: Any) -> str:
    """What to tell of a skewness that leaves one tail no weight."""
    return (
        f"{name}: skewness must lie between -tailweight and tailweight, but skewness is {skewness} and tailweight is "
        f"{tailweight}"
    )


def check_stable(coords: Any) -> None:
    """:raises ValueError: for unknown coordinates of a stable distribution."""
    if coords not in ("S0", "S"):
        raise ValueError(f'Stable: coords must be "S0" or "S", got {coords!r}')


def diag_normals(
    name: str, shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, int]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """(batch shape, event shape of each parameter) of a mixture of normal distributions with diagonal covariances.

    :param axes: parameter -> the axes of its event.
    :raises ValueError: for shapes that do not match.
    """
    wanted = {
        "locs": "(..., K, D)",
        "coord_scale": "(..., K, D)" if axes["coord_scale"] == 2 else "(..., D)",
        "component_logits": "(..., K)",
        "component_scale": "(..., K)",
    }
    given = f"{name}: " + ", ".join(f"{p} of shape {tuple(s)}" for p, s in shapes.items())
    events = {p: tuple(s[max(0, len(s) - axes[p]) :]) for p, s in shapes.items()}
    of_coordinates = events["coord_scale"][-1:]
    expected = {
        "locs": events["component_logits"] + of_coordinates,
        "coord_scale": events["component_logits"] + of_coordinates if axes["coord_scale"] == 2 else of_coordinates,
        "component_logits": events["component_logits"],
        "component_scale": events["component_logits"],
    }
    if any(len(s) < axes[p] or events[p] != expected[p] for p, s in shapes.items()):
        *most, last = (wanted[p] for p in shapes)
        raise ValueError(f"{given}; expected {', '.join(most)} and {last}")
    batches = [s[: len(s) - axes[p]] for p, s in shapes.items()]
    batch: list[int] = []
    for sizes in zip(*((1,) * (max(map(len, batches)) - len(b)) + tuple(b) for b in batches), strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise ValueError(f"{given}: their batch axes do not broadcast")
        batch.append(others.pop() if others else 1)
    return tuple(batch), events


def innermost(fn: Any) -> Any:
    """The distribution inside the wrappers that leave its draws as they are, or map them."""
    while type(fn).__name__ in TRANSPARENT:
        fn = fn.base_dist
    return fn


def described(fn: Any) -> str:
    """Its class, and the one inside."""
    inner = innermost(fn)
    return type(fn).__name__ if inner is fn else f"{type(fn).__name__} of {type(inner).__name__}"


def check_distribution(what: str, name: str, given: Any, kind: type) -> None:
    """:raises TypeError: unless `given` is an instance of the library's class of distributions."""
    if not isinstance(given, kind):
        raise TypeError(f"{what}: {name} must be a distribution, got {no_distribution(given)}")


def check_wrapped(base: Any, is_discrete: bool, has_tails: bool) -> None:
    """:raises ValueError: for what cannot be wrapped onto the circle."""
    if base.event_shape or is_discrete:
        raise ValueError(
            f"Wrapped: base must be a continuous univariate distribution, got {described(base)} of event shape "
            f"{tuple(base.event_shape)}; wrap it before to_event"
        )
    if not has_tails:
        raise ValueError(f"Wrapped: base must have a cdf, which {described(base)} has not; write Implicit(base)")


def too_wide(base: Any, error: float) -> str:
    """Why a distribution cannot be wrapped."""
    return (
        f"Wrapped: base {described(base)} spans more turns than are summed and is not smooth beyond them, which leaves "
        f"an error of {error:.1e} in the density; take a narrower base, or one without edges far from its median"
    )


def no_mixture(what: str, components: Iterable[Any], supports: Iterable[Any]) -> str:
    """Why a mixture is not reparameterized.

    :param supports: of the components, (least, most), where these differ.
    """
    start = f"{what} of {', '.join(sorted({type(c).__name__ for c in components}))} is not reparameterized; components "
    if supports:
        found = " and ".join(f"from {least} to {most}" for least, most in supports)
        return f"{start}must have one support, but these reach {found}: no draw passes steadily an end of another's"
    return (
        f"{start}may be univariate distributions with a cdf, Independent ones of these, MultivariateNormal or "
        "MultivariateStudentT"
    )


def check_mixture(mixing: str, count: int | None, given: Any, component: Any) -> None:
    """What a MixtureSameFamily is made of.

    :param mixing: the name of the argument with the weights; `count` is None unless it is a `Categorical`.
    :raises ValueError: for other weights, and for components of another number.
    """
    if count is None:
        kind = f"{type(given).__name__} of {type(given).__module__.partition('.')[0]}"
        raise ValueError(f"MixtureSameFamily: {mixing} must be a Categorical of this library, got {kind}")
    shape = tuple(component.batch_shape)
    if shape[-1:] != (count,):
        raise ValueError(
            f"MixtureSameFamily: {mixing} has {count} components, but component_distribution the batch shape {shape}, "
            "whose last axis must have as many"
        )


def no_path(distribution: Any, is_discrete: bool) -> str:
    """Why `implicit_gradients` does not take a distribution."""
    kind = type(distribution).__name__
    if is_discrete:
        return f"implicit_gradients does not take {kind}, which is discrete: its draws jump, and have no such gradient"
    return f"implicit_gradients does not take {kind}; differentiate a draw of the distribution instead"


def check_density(what: str, log_prob: Any, support: Any, kind: type) -> None:
    """:raises TypeError: unless the one can be called and the other is a constraint of the library's class."""
    if not callable(log_prob):
        raise TypeError(f"{what}: log_prob must be a function of (x, **params), got {shown(log_prob)}")
    if not isinstance(support, kind):
        raise TypeError(f"{what}: support must be a constraint, as constraints.real, got {shown(support)}")


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


def only_points(sites: Iterable[str]) -> str:
    return (
        f"HVAE: the base guide's sites {sorted(sites)} are points (Delta), without a density; take a base with random "
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


def not_set_up(method: str) -> str:
    return (
        f"AutoMixture.{method}: the guide has no parameters before its first call; call it, or, to load saved ones, "
        "write guide.setup(*args) first"
    )


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


def no_quantile(distribution: Any, *, is_discrete: bool = False) -> str:
    if is_discrete:
        return (
            f"from_uniform: {type(distribution).__name__} is discrete: at fixed u its draw moves in steps, of which no "
            "gradient is one; draw it with sample, or sum it out (enumerate)"
        )
    return (
        f"from_uniform: {type(distribution).__name__} has no univariate quantile of each coordinate; take a "
        "distribution with a cdf, an Independent one, ConditionalChain or GaussianCopula"
    )
