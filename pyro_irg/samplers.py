"""Standard draws without derivatives; `attach` hangs those on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import CVmapInterpreterPtr, RandomnessType, TransformType, get_interpreter_stack

from . import by_numpy
from .attach import in_transform


def draw(sampler: Callable, *params: Tensor) -> Any:
    """sampler(*params) without history, also under the transformations of `torch.func`.

    A rejection loop looks at values, which `torch.func.vmap` forbids: there the sampler gets the whole batch at once.
    """
    params = tuple(p.detach() for p in params)
    # the plain call costs a third where no transformation is active
    if not in_transform():
        return sampler(*params)
    # a random number makes vmap see a batch even where no parameter has one
    return _Draw.apply(sampler, torch.rand(()) if _draws_differ() else torch.zeros(()), *params)


def _draws_differ() -> bool:
    """Whether a vmap with randomness="different" is active.

    (In its "error" mode, which `torch.func.hessian` uses inside, a distribution without a batch gives all of it one
    draw.)
    """
    return any(
        level.key() == TransformType.Vmap and CVmapInterpreterPtr(level).randomness() == RandomnessType.Different
        for level in get_interpreter_stack() or ()
    )


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(sampler: Any, _seed: Any, *params: Any) -> Any:
        with torch.no_grad():
            return sampler(*params)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> Any:
        ctx.mark_non_differentiable(*(output if isinstance(output, tuple) else (output,)))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None,) * len(ctx.needs_input_grad)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return None

    @staticmethod
    def vmap(info: Any, in_dims: Any, sampler: Any, _seed: Any, *params: Any) -> Any:
        in_dims = in_dims[1:]
        if info.randomness == "error":
            raise RuntimeError(
                "vmap: a random draw was called while in randomness error mode; "
                "write torch.func.vmap(f, randomness='different')"
            )
        if info.randomness == "same":
            if any(d is not None for d in in_dims[1:]):
                raise RuntimeError("vmap: randomness='same' is not possible where the parameters are batched")
            out = draw(sampler, *params)
            return out, (None,) * len(out) if isinstance(out, tuple) else None
        stacked = [
            p.expand(info.batch_size, *p.shape) if d is None else p.movedim(d, 0)
            for p, d in zip(params, in_dims[1:], strict=True)
        ]
        out = draw(sampler, *stacked)
        return out, (0,) * len(out) if isinstance(out, tuple) else 0


def standard_gamma(concentration: Tensor) -> tuple[Tensor, Tensor]:
    """(z, log z), z ~ Gamma(concentration, 1); z may underflow to 0, log z does not.  NaN where there is no such
    distribution.

    z = g u**(1/a) with g ~ Gamma(a + 1) for a < 1 (Marsaglia & Tsang 2000, section 6).
    """
    a = concentration
    if a.dtype in (torch.float16, torch.bfloat16):  # which torch's sampler has not on a CPU
        z, log_z = standard_gamma(a.float())
        return z.to(a.dtype), log_z.to(a.dtype)
    if a.numel() == 0:
        return a, a
    least, most = _ends(a)
    if least >= 1.0 and most < math.inf:
        z = _of_large(a)
        return z, z.log()
    if not (least > 0.0 and most < math.inf):
        valid = (a > 0.0) & (a < math.inf)  # torch's sampler never returns from a NaN or a negative concentration
        g, log_g = _boosted(torch.where(valid, a, 1.0))
        return torch.where(valid, g, math.nan), torch.where(valid, log_g, math.nan)
    return _boosted(a)


def _ends(a: Tensor) -> tuple[float, float]:
    """(least, most); NaN under torch.jit.trace, which would keep the branch for other concentrations."""
    if torch.jit.is_tracing():
        return math.nan, math.nan
    least, most = torch.aminmax(a)
    return least.item(), most.item()


@np.errstate(all="ignore")
def _boosted(concentration: Tensor) -> tuple[Tensor, Tensor]:
    """(z, log z) of a valid concentration."""
    xp, inwards, outwards = by_numpy.library(concentration)
    a = inwards(concentration)
    small = a < 1.0
    g = inwards(_of_large(outwards(a + small)))
    boost = small * xp.log1p(-inwards(torch.rand_like(concentration))) / a
    return outwards(g * xp.exp(boost)), outwards(xp.log(g) + boost)


# torch's sampler takes elements one by one on a CPU, 40 ns each; of fewer than so many, and in float64, where normals
# alone take half as long, it is as fast
FEW = 5_000


def _of_large(a: Tensor) -> Tensor:
    """z ~ Gamma(a, 1), a >= 1, by Marsaglia & Tsang 2000 for all elements at once.

    Nearly all proposals pass the squeeze of their section 4; the others are tested in float64, and those that fail are
    drawn by torch.
    """
    if a.numel() < FEW or a.dtype != torch.float32 or a.device.type != "cpu" or torch.jit.is_tracing():
        return torch._standard_gamma(a)
    a = a.contiguous()  # what is drawn like it has its strides
    d = a - 1.0 / 3.0
    normal, uniform = torch.randn_like(a), torch.rand_like(a)
    root = torch.addcmul(torch.ones_like(a), normal, (9.0 * d).rsqrt())
    z = (d * root * root * root).view(-1)
    square = normal * normal
    rows = (uniform >= 1.0 - 0.0331 * square * square).view(-1).nonzero()[:, 0]
    d, square, uniform, root = (p.reshape(-1)[rows].double() for p in (d, square, uniform, root))
    cube = root * root * root
    bound = 0.5 * square + d * (1.0 - cube + cube.log())  # NaN below 0
    rejected = rows[~(uniform.log() < bound)]
    z[rejected] = torch._standard_gamma(a.reshape(-1)[rejected])
    return z.view(a.shape)


def standard_beta_logit(concentration1: Tensor, concentration0: Tensor) -> Tensor:
    """logit z, z ~ Beta(concentration1, concentration0), as a difference of two log-Gammas."""
    return standard_gamma(concentration1)[1] - standard_gamma(concentration0)[1]


def standard_gumbel(like: Tensor) -> Tensor:
    """-log of an exponential variable, of that shape."""
    return -torch.empty_like(like).exponential_().clamp(min=torch.finfo(like.dtype).tiny).log()


@np.errstate(all="ignore")
def standard_student_t(df: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(sign of t, log|t|, t), t ~ StudentT(df), a normal over the root of chi2(df) / df; t may leave its range."""
    xp, inwards, outwards = by_numpy.library(df)
    normal, log_gamma = inwards(torch.randn_like(df)), inwards(standard_gamma(0.5 * df)[1])
    log_spread = 0.5 * (xp.log(0.5 * inwards(df)) - log_gamma)
    log_size = xp.log(xp.abs(normal) + torch.finfo(df.dtype).tiny) + log_spread  # of 0 too
    return outwards(xp.sign(normal)), outwards(log_size), outwards(normal * xp.exp(log_spread))


def refuse_tracing(distribution: str) -> None:
    """
    :raises NotImplementedError: under torch.jit.trace, of a sampler by rejection.
    """
    if torch.jit.is_tracing():
        raise NotImplementedError(
            f"{distribution}: torch.jit.trace, as of Pyro's JitTrace_ELBO, would repeat the rejections of one call for "
            "all; write Trace_ELBO"
        )


def standard_von_mises(concentration: Tensor) -> Tensor:
    """z ~ VonMises(0, concentration) in [-pi, pi], by Best & Fisher 1979, arranged so that no kappa cancels.

    With X = 1 + 1 / (sqrt(1 + 4 kappa**2) + 2 kappa) their r is 1 + X / (2 kappa); the wrapped Cauchy proposal is
    tan(z/2) = sqrt(X / (X + 4 kappa)) tan(pi u / 2), u in (-1, 1), and their c is X/2 + 2 kappa sin(z/2)**2.
    """
    refuse_tracing("VonMises")
    shape, kappa = concentration.shape, concentration.reshape(-1)
    x = 1.0 + 1.0 / (torch.hypot(torch.ones_like(kappa), 2.0 * kappa) + 2.0 * kappa)
    tangent = torch.full_like(kappa, math.nan)
    # another concentration would never be accepted
    pending = ((kappa >= 0.0) & (kappa < math.inf)).nonzero().squeeze(-1)
    of = [p.index_select(0, pending) for p in ((x / (x + 4.0 * kappa)).sqrt(), 0.5 * x, 2.0 * kappa)]
    while pending.numel():
        proposal, accepted = _proposed(*of)
        tangent.index_copy_(0, pending, proposal)  # what is not accepted is written over
        left = (~accepted).nonzero().squeeze(-1)
        pending, *of = (p.index_select(0, left) for p in (pending, *of))
    return (2.0 * tangent.atan()).view(shape)


def _proposed(width: Tensor, half_x: Tensor, twice_kappa: Tensor) -> tuple[Tensor, Tensor]:
    """(tan(z/2), whether it is accepted); of few elements the first of several proposals that is."""
    tries = 8 if len(width) < 2_000 else 1  # two thirds of all are accepted, and calls cost more than elements
    turns, uniform = torch.rand((2, tries, len(width)), dtype=width.dtype, device=width.device)
    tangent = width * (math.pi * turns - math.pi / 2).tan()
    square = tangent * tangent
    c = half_x + twice_kappa * (square / (1.0 + square))  # the square is the sine's
    accepted = torch.log1p(-uniform) <= c.log() + (1.0 - c)
    if tries == 1:
        return tangent[0], accepted[0]
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    return tangent.gather(0, first)[0], accepted.any(0)
