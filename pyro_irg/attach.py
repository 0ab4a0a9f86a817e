"""`attach`: hang known partial derivatives on a drawn sample.  The only autodiff machinery of the package."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import forward_ad

from irg_kernels.generic.by_region import ByRegion
from irg_kernels.generic.family import Function
from irg_kernels.namespace import Namespace

from . import by_numpy, xp, xp64, xp_tame

# the modules are namespaces: a static check
NATIVE: Namespace[Tensor] = xp
FLOAT64: Namespace[Tensor] = xp64
TAME: Namespace[Tensor] = xp_tame

in_transform = torch._C._are_functorch_transforms_active

# Without a graph, the partials of this many elements are computed at a time on a CPU: the temporaries, 100 KB each in
# float64, then stay in a core's cache.
CHUNK = 12_500


def attach(
    partials: Sequence[Callable | None],
    draw: Tensor,
    *params: Tensor,
    by_region: ByRegion | None = None,
    mix: Callable | None = None,
) -> Tensor:
    """`draw`, with d draw / d params[i] = partials[i](xp, draw, *params).

    :param partials: one kernel per parameter, None for a parameter without derivative; each returns an array of the
        draw's shape that acts elementwise.  (What it reads may be more than the one element: all along the last axis.)
    :param draw: the sample; its own history, if any, is cut.
    :param params: the parameters, of the draw's shape.
    :param by_region: the same partials, cheaper, for a derivative that is not differentiated again.
    :param mix: mix(moves, draw), differentiable, the product of a symmetric matrix: the partials times the tangents are
        `moves` that make mix(moves, draw) the tangent of the draw, as the logits of a softmax do.

    The partials are differentiable expressions, evaluated when a derivative is asked for and only for the parameters
    that need it; derivatives of any order, `vmap` and one level of forward mode work.  Nested forward mode raises.
    """
    if in_transform():
        _refuse_nested_forward_mode()
    return _Attach.apply(_Rule(tuple(partials), by_region, mix), draw.detach(), *params)


def call(function: Function, *args: Tensor, by_region: ByRegion | None = None) -> Tensor:
    """The function's value at `args`, of one shape and dtype, with its partial derivatives, as those of `attach`."""
    with torch.no_grad():
        value = evaluate(function.value, *(a.detach() for a in args))
    if not (in_transform() or forward_ad._current_level >= 0 or any(a.requires_grad for a in args)):
        return value
    return attach(function.partials, value, *args, by_region=by_region)


def attach_jointly(push: Callable, pull: Callable, draw: Tensor, *params: Tensor) -> Tensor:
    """`attach` for a draw each element of which depends on many elements of the parameters, of any shapes.

    :param push: push(tangents, draw, *params), the tangent of the draw; a tangent may be None.
    :param pull: pull(cotangent, draw, *params), the tuple of cotangents of `params`: the transpose of `push`.

    Both are differentiable expressions, computed in float64 where the device has it.
    """
    if in_transform():
        _refuse_nested_forward_mode()
    return _AttachJointly.apply(push, pull, draw.detach(), *params)


def pulled(function: Callable, cotangent: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
    """What `cotangent` of function(*params) makes of each parameter; differentiable where gradients are recorded."""
    if in_transform():
        found: Any = torch.func.vjp(function, *params)
        return found[1](cotangent)
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        inner = [p.view_as(p) if p.requires_grad and further else p.detach().requires_grad_() for p in params]
        value = function(*inner)
    return torch.autograd.grad(value, inner, cotangent, create_graph=further)


def pushed(function: Callable, tangents: Sequence[Tensor | None], *params: Tensor) -> Tensor:
    """The tangent of function(*params); a tangent may be None."""
    moves = tuple(torch.zeros_like(p) if t is None else t for t, p in zip(tangents, params, strict=True))
    # reverse mode twice: `attach` refuses forward mode inside the caller's
    reverse: Any = torch.func.vjp(function, *params)
    forward: Any = torch.func.vjp(reverse[1], torch.zeros_like(reverse[0]))
    return forward[1](moves)[0]


def _refuse_nested_forward_mode() -> None:
    # torch 2.13 drops the tangents of saved tensors at the outer level: a wrong number, silently
    if sum(level.key() == TransformType.Jvp for level in get_interpreter_stack() or ()) > 1:
        raise NotImplementedError(
            "nested forward mode (jvp of jvp) through a reparameterized draw is not supported by torch; "
            "write torch.func.jacfwd(torch.func.jacrev(f)) or torch.func.hessian(f) instead"
        )


def evaluate(partial: Callable, *args: Tensor) -> Tensor:
    """partial(NATIVE, *args), in float64 arithmetic for any lesser precision where the device has it."""
    if by_numpy.serves((partial,), args):
        return by_chunks(lambda *a: by_numpy.value(partial, *a), args)
    if args[0].dtype == torch.float64:
        return by_chunks(lambda *a: partial(NATIVE, *a), args)
    if args[0].device.type == "mps":
        return partial(NATIVE, *args)
    return by_chunks(lambda *a: partial(FLOAT64, *(x.double() for x in a)).to(args[0].dtype), args)


def seen(condition: Callable, *args: Tensor) -> Tensor:
    """condition(xp, *args), truth values."""
    if by_numpy.serves((), args):
        return by_numpy.value(condition, *args, dtype=torch.bool)
    return condition(NATIVE, *args)


def _product(partial: Callable, factor: Tensor, args: Sequence[Tensor]) -> Tensor:
    """`evaluate` times a factor, which may be 0 or tiny where a far draw's partial has no number in float32."""
    if args[0].dtype == torch.float64 or args[0].device.type == "mps":
        return factor * evaluate(partial, *args)

    def product(factor: Tensor, *a: Tensor) -> Tensor:
        return (factor.double() * partial(FLOAT64, *(x.double() for x in a))).to(args[0].dtype)

    return by_chunks(product, (factor, *args))


def _may_look(grad: Tensor) -> bool:
    """Whether a derivative is wanted as a value alone, and values may steer its computation."""
    if grad.device.type == "mps" or torch.is_grad_enabled():
        return False
    return not (in_transform() or torch.jit.is_tracing())


def _is_cheaper(rule: ByRegion, grad: Tensor) -> bool:
    return grad.dtype == torch.float64 or grad.numel() >= rule.least


class _Rule(NamedTuple):
    partials: tuple[Callable | None, ...]
    by_region: ByRegion | None
    mix: Callable | None


def _values(rule: _Rule, wanted: Sequence[bool], factor: Tensor, args: Sequence[Tensor]) -> list[Tensor | None] | None:
    """`_products` of the partials that are wanted, None for the others; or None where there is no faster way."""
    partials, by_region, _ = rule
    if by_region is not None and not _is_cheaper(by_region, factor):
        by_region = None
    if by_numpy.serves(partials, (factor, *args)):
        products: Callable = functools.partial(by_numpy.products, partials, by_region, wanted)
    elif by_region is not None:
        products = functools.partial(_products_by_region, by_region, wanted)
    else:
        return None
    if factor.numel() <= CHUNK or factor.device.type != "cpu":
        found = iter(products(factor, *args))
    else:
        found = iter(by_chunks(lambda *a: torch.stack(products(*a)), (factor, *args)).unbind())
    return [next(found) if want else None for want in wanted]


def _products_by_region(rule: ByRegion, wanted: Sequence[bool], factor: Tensor, *args: Tensor) -> list[Tensor]:
    dtype = factor.dtype
    narrow = dtype != torch.float64
    spaces, regions = ((FLOAT64, FLOAT64), rule.regions) if narrow else ((TAME, NATIVE), rule.regions_f64)
    factor, *wide = (x.double() for x in (factor, *args)) if narrow else (factor, *args)
    slopes = _slopes_by_region(spaces, regions, rule.place(spaces[0], *wide), rule.share if narrow else 0.0)
    found = itertools.compress(rule.partials(spaces[1], slopes, *wide), wanted)
    return [(factor * partial).to(dtype) for partial in found]


def _slopes_by_region(
    spaces: tuple, regions: Sequence[tuple], place: Sequence[Tensor], share: float
) -> tuple[Tensor, ...]:
    """By the first of two namespaces in a region, by the second everywhere else."""
    for i, (where, slopes) in enumerate(regions):
        if where is None:
            return slopes(spaces[1], *place)
        inside = where(spaces[0], *place)
        if torch._is_all_true(inside):
            return slopes(spaces[0], *place)
        rows = inside.reshape(-1).nonzero()[:, 0]
        if len(rows) <= share * inside.numel():
            continue
        others = (~inside).reshape(-1).nonzero()[:, 0]
        flat = [p.reshape(-1) for p in place]
        near = slopes(spaces[0], *(p.index_select(0, rows) for p in flat))
        far = _slopes_by_region(spaces, regions[i + 1 :], [p.index_select(0, others) for p in flat], share)
        whole = (place[0].new_empty(flat[0].shape) for _ in near)
        pairs = zip(whole, near, far, strict=True)
        return tuple(w.index_copy_(0, rows, n).index_copy_(0, others, f).view_as(place[0]) for w, n, f in pairs)
    raise ValueError("the last region must be everywhere else")


def _products(partials: Sequence[Callable | None], factor: Tensor, args: Sequence[Tensor]) -> list[Tensor | None]:
    """`_product` of each; of a small draw the arguments are widened once, for that is a third of the time."""
    dtype = args[0].dtype
    if dtype == torch.float64 or args[0].device.type == "mps" or args[0].numel() > CHUNK:
        return [partial and _product(partial, factor, args) for partial in partials]
    factor, *wide = (x.double() for x in (factor, *args))
    return [partial and (factor * partial(FLOAT64, *wide)).to(dtype) for partial in partials]


def by_chunks(function: Callable, args: Sequence[Tensor]) -> Tensor:
    """function(*args) along the leading axis, some rows at a time; what is left whole is at least the last axis.

    The function may put axes of its own before those of `args`.
    """
    shape, size = args[0].shape, args[0].numel()
    if size <= CHUNK or args[0].device.type != "cpu" or torch.is_grad_enabled() or in_transform():
        return function(*args)
    row = shape[-1] if len(shape) > 1 else 1
    total = size // row
    rows = -(-total // -(-size // CHUNK))  # chunks of nearly equal size
    flat = [a.reshape(total, *shape[len(shape) - (len(shape) > 1) :]) for a in args]
    parts = [function(*part) for part in zip(*(a.split(rows) for a in flat), strict=True)]
    rank = flat[0].dim()
    return torch.cat(parts, dim=-rank).view(*parts[0].shape[:-rank], *shape)


class _Attach(torch.autograd.Function):
    generate_vmap_rule = True

    @classmethod
    def apply(cls, *args: Any) -> Any:
        if in_transform():
            return super().apply(*args)
        # torch looks for default arguments of `forward` by inspect.signature: two thirds of the time of a small draw
        return super(torch.autograd.Function, cls).apply(*unwrap_dead_wrappers(args))  # type: ignore[misc]

    @staticmethod
    def forward(rule: Any, draw: Any, *params: Any) -> Any:
        return draw.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> Any:
        ctx.rule, _draw, *params = inputs
        ctx.save_for_backward(output, *params)
        ctx.save_for_forward(output, *params)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        rule, saved, needs = ctx.rule, ctx.saved_tensors, ctx.needs_input_grad[2:]
        if rule.mix:
            grad = rule.mix(grad, saved[0])
        wanted = [partial if need else None for partial, need in zip(rule.partials, needs, strict=True)]
        values = _values(rule, [p is not None for p in wanted], grad, saved) if _may_look(grad) else None
        return None, None, *(_products(wanted, grad, saved) if values is None else values)

    @staticmethod
    def jvp(ctx: Any, _rule: Any, _draw: Any, *tangents: Any) -> Any:
        saved = ctx.saved_tensors
        total = torch.zeros_like(saved[0])
        for partial, tangent in zip(ctx.rule.partials, tangents, strict=True):
            if tangent is not None and partial:
                total = total + _product(partial, tangent, saved)
        return ctx.rule.mix(total, saved[0]) if ctx.rule.mix else total


class _AttachJointly(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(push: Any, pull: Any, draw: Any, *params: Any) -> Any:
        return draw.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> Any:
        ctx.push, ctx.pull, _draw, *params = inputs
        ctx.save_for_backward(output, *params)
        ctx.save_for_forward(output, *params)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        grads = ctx.pull(*_widened(grad, *ctx.saved_tensors))
        return None, None, None, *(g.to(grad.dtype) for g in grads)

    @staticmethod
    def jvp(ctx: Any, _push: Any, _pull: Any, _draw: Any, *tangents: Any) -> Any:
        saved = ctx.saved_tensors
        xp64 = [None if t is None else _widened(t)[0] for t in tangents]
        return ctx.push(xp64, *_widened(*saved)).to(saved[0].dtype)


def _widened(*tensors: Tensor) -> Sequence[Tensor]:
    return tensors if tensors[0].device.type == "mps" else [t.double() for t in tensors]
