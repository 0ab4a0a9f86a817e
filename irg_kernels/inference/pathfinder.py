"""Normal approximations along quasi-Newton paths, several at once (Pathfinder: Zhang, Carpenter, Gelman, Vehtari 2022).

    symbol   meaning
    x, f, g  points (S, D), the potential -log p there (S,) and its gradient (S, D): S paths side by side
    C        factor of the inverse Hessian's estimate, H = C C', (S, D, D); not triangular
    s, y     a step, and how the gradient changed over it
    t        the step's length, in units of the Newton step -H g

H is BFGS's, updated as a product, which keeps it positive definite in floating point (Dennis, Schnabel 1996, section
9.4, for the inverse): with B s = -t g and alpha^2 = s'y / s'B s,

    C <- C - s (C' (y - alpha B s))' / s'y,    log|C| <- log|C| - log alpha.

A path's result is not its end but that of its points x whose N(x, C C') has the largest ELBO: a density without bound
(a hierarchical scale near 0) draws the path to where there is no mass.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace

BUDGET = 400
"""Evaluations of the gradient in all, before the probes; a path takes 20 to 40 of them on most models."""

FEWEST_EVALUATIONS = 30
"""Of each path, however many there are."""

MOST_PROBES = 10
"""Columns of C that are probed in the end, by two gradients each, or four or six where curvature is hidden."""

MOST_REFINED = 100
"""The same of the approximations that were chosen.  Of normal densities of scales .03 to 30, rotated, the start was 42
nats off in 20 dimensions and 96 in 40 where 10 columns were probed, and 2 where all were once; after 4,000 steps
`AutoHVAE` was .41 and .005 nats off in the 20."""

CONVERGED = 1e-4
"""g'H g, twice what the Newton step has to gain, at which a path ends: a hundredth of a standard deviation, if H is
right; in 4 dimensions of scales from .01 to 30 it was a third of one."""

LEAST_CURVATURE = 1e-10
"""Of a column of C, whose own is 1 where H is right: no scale grows more than 1e5 fold on the word of rounding.

In float64 its eps takes the place: of scales 1e-3 and 1e3 the second stayed at 1."""

STRETCH = 1e3
"""How many times longer a column of C is probed again whose curvature rounding has hidden.

In float32, of scales from 1e-3 to 1e3, the last stayed at 1e-3: 13 nats of the mass were missed, and k-hat of the
weights found nothing amiss; of 1e-4 and 1e4 it was 1e-5, and 20 nats, until it was probed once more by as much again.
Not where there is some curvature: from a curved ridge a longer step leads off."""

SHORTEST = 1e-7
"""Length t of a step below which a path ends: rounding hides the descent."""

SEPARATE = 20.0
"""What a component that is near one chosen already must gain in ELBO over one that is not, in nats."""

SETTLED = 0.01
"""g'H g up to which the end of a path counts as an optimum; .1 is met beside the ridge of a narrow banana, too."""

COMPARABLE = 4.0
"""How many nats an optimum's ELBO may lie below the best one's to count as a mode: e^-4 of the mass costs .02 nats."""

MOST_MODES = 6

LEAST_MASS = 4.5e-5
"""e^-10: the least weight of a component to begin with, of the greatest one's."""

WEIGHT_RATE = 0.1
"""How fast the logits of a mixture's weights learn, of the other parameters' rate.

Between modes far apart the reparameterized gradient in the weights is rare and large, and what is left is noise: at the
full rate two modes of equal mass, 19 standard deviations apart, drifted to weights .11 and .89."""


ELBO_DRAWS = 5
"""By which the normal approximations of the paths are compared, as many as Pathfinder's."""

REFINED_PAIRS = 16
"""Of antithetic draws, by which those that were chosen are."""

ROUNDS = 4
"""How often these are probed at the most, the last time damped; of a normal density in float64 a second time changes
nothing.  Of an energy z^4 / 4 scales go from S to 1 / S for ever, and 1 is in the middle."""

MASS_DRAWS = 64
"""Of each component, by which `masses` are found: an error of .2 in a logit costs .005 nats."""

SHRINKS = (1.0, 0.5, 0.25, 0.125)
"""Of a component's scales, of which `shrunk` takes one to begin with.

The density may fall far faster on one side than its curvature tells: of the logarithm of a hierarchical scale, in eight
schools, N(-.9, 3.6^2) had draws with log p = -1e11.  One slope there, and Adam hardly moves for thousands of steps."""

STRETCHED = (2.0, *SHRINKS)
"""Where the energies are compared with a normal density's: at the scales to choose from, and each twice as wide, for a
training meets rarer draws than the few of the search."""

ALLOWED = 30.0
"""How many nats the energies of draws twice as wide may lie above a normal density's before the scales are shrunk."""


class Path(NamedTuple, Generic[Array]):
    x: Array
    f: Array
    g: Array
    factor: Array
    log_det: Array
    t: Array
    moved: Array
    """1 once H has been updated, else 0"""
    active: Array
    """1 until the path has ended"""
    elbo: Array
    """that of N(best_x, best_factor), up to a constant; the least finite number before there is one"""
    best_x: Array
    best_factor: Array
    best_log_det: Array
    end: Array
    """where the descent ended, (S, D)"""
    end_factor: Array
    settled: Array
    """1 where that is an optimum"""


def paths(
    xp: Namespace[Array],
    start: Array,
    factor: Array,
    eps: Array,
    gradient: Callable[[Array, Array], tuple[Array, Array]],
    potential: Callable[[Array, Array], Array],
) -> Path:
    """Descend from each of the points `start`, of which those of infinite or NaN density stay as they are.

    :param factor: the C to begin with, (S, D, D), a multiple of the identity.
    :param eps: normal draws (S, M, D) from which the ELBOs are estimated.
    :param gradient: potential and gradient at (S, D); those of paths whose second argument, (S,), is 0 are not read.
    :param potential: the same of the potential alone, at (S, M, D).
    """
    one = 0.0 * start[..., 0] + 1.0
    f, g = gradient(start, one)
    active = xp.indicator(_finite(xp, f, g), like=f)
    least = -float(xp.finfo(f).max)
    best = least * one, start, factor, 0.0 * one
    path = Path(start, f, g, factor, 0.0 * one, one, 0.0 * one, active, *best, start, factor, 0.0 * one)
    # the first step is at most as long as the scale to begin with
    length = xp.sqrt(_dot(xp, *2 * (_transposed(xp, factor, g),)))
    path = path._replace(t=xp.where(active > 0.0, 1.0 / xp.maximum(length, 1.0 + 0.0 * length), one))

    def step(state: tuple) -> tuple:
        return _better(xp, *_advance(xp, Path(*state), factor, gradient), eps, potential)

    max_steps = evaluations(start.shape[0])
    path = Path(*xp.converge(step, path, lambda state: Path(*state).active <= 0.0, max_steps))
    path = path._replace(end=path.x, end_factor=path.factor, settled=_settled(xp, path, path.factor))
    probed, found, _ = _probed(xp, path, gradient)
    return _better(xp, probed, found, eps, potential)


def evaluations(num_starts: int) -> int:
    """How many evaluations of the gradient each path may take."""
    return max(BUDGET // num_starts, FEWEST_EVALUATIONS)


def rounds(num_starts: int, dimension: int) -> int:
    """How often a search evaluates all paths at the most, probes included."""
    return evaluations(num_starts) + 6 * min(dimension, MOST_PROBES)


def refinements(dimension: int) -> int:
    """How often the chosen ones are evaluated after that, at the most."""
    return ROUNDS * 6 * min(dimension, MOST_REFINED)


def refined(
    xp: Namespace[Array],
    p: Path,
    eps: Array,
    gradient: Callable[[Array, Array], tuple[Array, Array]],
    potential: Callable[[Array, Array], Array],
) -> Path:
    """The paths whose approximations were chosen, those probed in more columns, two to four times, and centred.

    Of normal densities of scales 1e-3 to 1e3, rotated, in 10 dimensions, descents ended .2 to 2.2 nats off the mode, in
    float64 too; in float32 up to 4 nats more had been hidden from the first probes by rounding, which later ones see.

    :param eps: antithetic pairs, by which a shift of the centre is judged without noise where the density is normal.
    """
    least = -float(xp.finfo(p.f).max)
    found = p.elbo > least
    elbo = xp.where(found, 0.5 * least + 0.0 * p.elbo, p.elbo)
    p = p._replace(x=p.best_x, factor=p.best_factor, log_det=p.best_log_det, elbo=elbo)

    def step(state: tuple) -> tuple:
        again, _, *rest = state
        now = Path(*rest)
        # from the last C, though it be no better: of scales far apart rounding spoils the first one
        last = now._replace(best_factor=now.factor, best_log_det=now.log_det)
        damped = xp.indicator(again > ROUNDS - 1.5, like=again)
        at, found, pull = _probed(xp, last, gradient, MOST_REFINED, damped)
        at = at._replace(best_factor=now.best_factor, best_log_det=now.best_log_det)
        whitened = xp.minimum(again, 0.0 * again + 1.0)[..., None] * _transposed(xp, at.factor, pull)
        at = at._replace(x=at.x - xp.sum(at.factor * whitened[..., None, :], axis=-1))
        left = xp.abs(at.log_det - now.log_det) + _dot(xp, whitened, whitened)
        return again + 1.0, left, *_better(xp, at, found, eps, potential)

    start = (0.0 * p.f, 1.0 + 0.0 * p.f, *_better(xp, p, found, eps, potential))
    _, _, *refined = xp.converge(step, start, lambda state: (state[0] > 1.5) & (state[1] < 0.1), ROUNDS)
    return Path(*refined)


def _advance(xp: Namespace[Array], p: Path, unit: Array, gradient: Callable) -> tuple[Path, Array]:
    """One evaluation: a step taken, with H updated, or a step refused; and which paths took one."""
    whitened = _transposed(xp, p.factor, p.g)
    s = -p.t[..., None] * xp.sum(p.factor * whitened[..., None, :], axis=-1)
    f, g = gradient(p.x + s, p.active)
    noise = 4.0 * xp.finfo(f).eps * xp.abs(p.f)
    enough = f <= p.f - 1e-4 * p.t * _dot(xp, whitened, whitened) + noise
    taken = (p.active > 0.0) & _finite(xp, f, g) & enough
    y = xp.where(taken[..., None], g - p.g, s)
    sy, ss, yy = _dot(xp, s, y), _dot(xp, s, s), _dot(xp, y, y)
    curved = taken & (sy > 1e-5 * xp.sqrt(ss) * xp.sqrt(yy)) & (ss > 0.0)
    safe = xp.where(curved, sy, 1.0 + 0.0 * sy)

    # before the first update the scale is that of the curvature found: H = (s'y / y'y) I
    fresh = p.moved <= 0.0
    gamma = safe / xp.where(curved, yy, 1.0 + 0.0 * yy)
    unit_scale = xp.max(xp.max(unit, axis=-1), axis=-1)
    factor = xp.where(fresh[..., None, None], unit * (xp.sqrt(gamma) / unit_scale)[..., None, None], p.factor)
    log_det = xp.where(fresh, 0.5 * s.shape[-1] * xp.log(gamma), p.log_det)
    # B s = -t g, and s / gamma before
    white = xp.where(fresh[..., None], _transposed(xp, factor, s) / gamma[..., None], -p.t[..., None] * whitened)
    updated, log_alpha = _updated(xp, factor, s, y, white, curved)
    # no curvature along s: longer steps
    longer = p.log_det + s.shape[-1] * math.log(2.0)
    factor = xp.where(curved[..., None, None], updated, xp.where(taken[..., None, None], 2.0 * p.factor, p.factor))

    g = xp.where(taken[..., None], g, p.g)
    t = xp.where(taken, 1.0 + 0.0 * p.t, 0.25 * p.t)
    to_gain = _dot(xp, *2 * (_transposed(xp, factor, g),))
    ended = (taken & (to_gain < CONVERGED)) | (t < SHORTEST)
    return p._replace(
        x=xp.where(taken[..., None], p.x + s, p.x),
        f=xp.where(taken, f, p.f),
        g=g,
        factor=factor,
        log_det=xp.where(curved, log_det - log_alpha, xp.where(taken, longer, p.log_det)),
        t=t,
        moved=xp.where(curved, 1.0 + 0.0 * p.moved, p.moved),
        active=xp.where(ended, 0.0 * p.active, p.active),
    ), curved


def _updated(
    xp: Namespace[Array], factor: Array, s: Array, y: Array, white: Array, curved: Array, damped: Array | float = 0.0
) -> tuple[Array, Array]:
    """C after a step and log alpha, which are to be read where `curved`; `white` is C'B s, `damped` as in `_probed`."""
    one = 1.0 + 0.0 * factor[..., 0, 0]
    sy, sbs = xp.where(curved, _dot(xp, s, y), one), xp.where(curved, _dot(xp, white, white), one)
    root = xp.sqrt(sy / sbs)
    # y is brought nearer to B s, until s'y is the geometric mean of s'y and s'B s
    share = 1.0 - damped * root / (1.0 + root)
    found = share[..., None] * _transposed(xp, factor, y) + (1.0 - share)[..., None] * white
    sy = share * sy + (1.0 - share) * sbs
    alpha = xp.sqrt(sy / sbs)
    row = (found - alpha[..., None] * white) / sy[..., None]
    return factor - s[..., :, None] * row[..., None, :], xp.log(alpha)


def _probed(
    xp: Namespace[Array], p: Path, gradient: Callable, most: int = MOST_PROBES, damped: Array | float = 0.0
) -> tuple[Path, Array, Array]:
    """The best approximations, C updated by the gradient's change along each of its columns; which there are; and the
    mean of the gradients met, which is that at the centre and a share 1 / D of what the mean over the normal
    approximation, at whose zero the ELBO is largest, has beside it.

    A path that began near its end in some direction has not seen the curvature there, and its C is that of the
    stiffest one: of scales .01 and 30 it was .01 in both.  Each update makes the columns yet to come conjugate to the
    one before, so that D of them find the covariance of a normal distribution; in more dimensions than `most` the
    first columns are probed alone.  What meets hardly any curvature is probed once or twice more, by longer steps.

    :param damped: 1 for the geometric mean of a column's own curvature and that found, 0 for the one found.
    """
    order = xp.constant([float(i) for i in range(p.x.shape[-1])], like=p.f)
    found = xp.indicator(p.elbo > -float(xp.finfo(p.f).max), like=p.f)
    count, least = min(p.x.shape[-1], most), min(LEAST_CURVATURE, float(xp.finfo(p.f).eps))

    def step(state: tuple) -> tuple:
        j, flat, pull, factor, log_det = state
        again, last = j > count - 0.5, xp.indicator(j > 2.0 * count - 0.5, like=p.f)
        index = j - count * (xp.indicator(again, like=p.f) + last)
        at = xp.indicator(xp.abs(order - index) < 0.5, like=p.f)
        white = xp.where(again, STRETCH * (1.0 + (STRETCH - 1.0) * last) * at * flat, at + 0.0 * flat)
        # of a column s = C e_j, C'B s is e_j
        s = xp.sum(factor * white[..., None, :], axis=-1)
        (f_up, up), (f_down, down) = gradient(p.best_x + s, found), gradient(p.best_x - s, found)
        y = 0.5 * (up - down)
        sy, ss, yy = _dot(xp, s, y), _dot(xp, s, s), _dot(xp, y, y)
        ww = _dot(xp, *2 * (_transposed(xp, factor, y),))
        fine = (found > 0.0) & _finite(xp, f_up, up) & _finite(xp, f_down, down)
        # or in C's own scales, once they are nearly right: rounding along a stiff direction of y is little there
        seen = (sy > 1e-5 * xp.sqrt(ss) * xp.sqrt(yy)) | (sy > 0.1 * xp.sqrt(ww) * xp.sqrt(_dot(xp, white, white)))
        curved = fine & seen & (sy > least)
        hidden = fine & ~curved & (xp.abs(sy) < STRETCH**-2) & (ss > 0.0)
        flat = xp.where(hidden[..., None] & ~again, at + flat, xp.where(curved[..., None] & again, flat - at, flat))
        pull = xp.where(fine[..., None] & ~again, pull + (0.5 / count) * (up + down), pull)
        updated, log_alpha = _updated(xp, factor, s, y, white, curved, damped)
        factor = xp.where(curved[..., None, None], updated, factor)
        return j + 1.0, flat, pull, factor, xp.where(curved, log_det - log_alpha, log_det)

    def done(state: tuple) -> Array:
        j, flat, *_ = state
        return (j > count - 0.5) & (xp.sum(flat, axis=-1, keepdims=True) < 0.5)

    start = (0.0 * p.f[..., None], 0.0 * p.x, 0.0 * p.x, p.best_factor, p.best_log_det)
    *_, pull, factor, log_det = xp.converge(step, start, done, 3 * count)
    return p._replace(x=p.best_x, factor=factor, log_det=log_det), found > 0.0, pull


def _better(xp: Namespace[Array], p: Path, updated: Array, eps: Array, potential: Callable) -> Path:
    """The path, with its normal approximation in place of the best one so far if it is better."""
    draws = p.x[..., None, :] + xp.sum(p.factor[..., None, :, :] * eps[..., None, :], axis=-1)
    count = eps.shape[-2]
    energy = xp.sum(potential(draws, xp.indicator(updated, like=p.f)), axis=-1) / count
    elbo = p.log_det - energy
    better = updated & (elbo > p.elbo) & (xp.abs(elbo) < xp.finfo(elbo).max)
    return p._replace(
        elbo=xp.where(better, elbo, p.elbo),
        best_x=xp.where(better[..., None], p.x, p.best_x),
        best_factor=xp.where(better[..., None, None], p.factor, p.best_factor),
        best_log_det=xp.where(better, p.log_det, p.best_log_det),
    )


def _finite(xp: Namespace[Array], f: Array, g: Array) -> Array:
    """False of NaN too"""
    most = float(xp.finfo(f).max)
    return (xp.abs(f) < most) & (xp.sum(xp.indicator(xp.abs(g) < most, like=g), axis=-1) > g.shape[-1] - 0.5)


def _dot(xp: Namespace[Array], a: Array, b: Array) -> Array:
    return xp.sum(a * b, axis=-1)


def _transposed(xp: Namespace[Array], factor: Array, v: Array) -> Array:
    """C' v"""
    return xp.sum(factor * v[..., :, None], axis=-2)


def chosen(xp: Namespace[Array], elbo: Array, distance: Array, dimension: int, count: int) -> list[tuple[Array, Array]]:
    """Which `count` of the S approximations a mixture begins with: the best ones, and of different modes.

    :param distance: (S, S), squared distance between two of them, in the standard deviations of the wider.  Two are of
        one mode below 9 + dimension: 3 standard deviations, and 1 in each dimension for paths that ended early.
    :returns: `count` times 1 at the one chosen, (S,), and how many of those before share its mode, ().
    """
    shared, picks = 0.0 * elbo, []
    near = xp.indicator(distance < 9.0 + dimension, like=elbo)
    order = xp.constant([float(i) for i in range(elbo.shape[-1], 0, -1)], like=elbo)
    for _ in range(count):
        score = elbo - SEPARATE * shared
        best = order * xp.indicator(score >= xp.max(score, axis=-1, keepdims=True), like=elbo)
        # the first of equals: modes that mirror each other tie
        pick = xp.indicator(best >= xp.max(best, axis=-1, keepdims=True), like=elbo)
        picks.append((pick, xp.max(pick * shared, axis=-1)))
        shared = shared + xp.max(pick[..., :, None] * near, axis=-2)
    return picks


def _settled(xp: Namespace[Array], p: Path, factor: Array) -> Array:
    """1 where the Newton step from a path's end, by this C, has next to nothing to gain; else 0."""
    to_gain = _dot(xp, *2 * (_transposed(xp, factor, p.g),))
    return xp.indicator(_finite(xp, p.f, p.g) & (to_gain < SETTLED), like=p.f)


def confirmed(xp: Namespace[Array], p: Path, gradient: Callable[[Array, Array], tuple[Array, Array]]) -> Path:
    """The paths, with the curvature probed at their ends in place of the best approximation's, and settled by that.

    Along a curved ridge a descent's own scales may be far too short, and it seems to have arrived.
    """
    at_end, *_ = _probed(xp, p._replace(best_x=p.end, best_factor=p.end_factor), gradient)
    return at_end._replace(settled=p.settled * _settled(xp, p, at_end.factor), best_factor=at_end.factor)


def optima(xp: Namespace[Array], p: Path, distance: Array) -> tuple[Array, Array]:
    """Up to `MOST_MODES` different ends of paths, (M, D), the best first, and 1 for those that may be modes, (M,).

    :param distance: (S, S), between two ends, as in `chosen`.
    """
    least = -float(xp.finfo(p.elbo).max)
    elbo = xp.where(p.settled > 0.0, p.elbo, 0.5 * least)
    picks = chosen(xp, elbo, distance, p.end.shape[-1], min(MOST_MODES, p.end.shape[0]))
    found = xp.stack([xp.sum(pick * elbo, axis=-1) for pick, _ in picks])
    fresh = xp.stack([1.0 - xp.indicator(shared > 0.0, like=shared) for _, shared in picks])
    ends = xp.stack([xp.sum(pick[..., None] * p.end, axis=-2) for pick, _ in picks])
    good = (found > 0.25 * least) & (found > xp.max(found, axis=-1, keepdims=True) - COMPARABLE)
    return ends, fresh * xp.indicator(good, like=found)


def shrunk(xp: Namespace[Array], energies: Sequence[Array], points: Array) -> list[Array]:
    """1 at that of `SHRINKS` with the best bound of the ELBO, for each of K normal approximations.

    The bound takes for all draws what those twice as wide have at most in energy over a normal density's, if it is more
    than `ALLOWED`: the rare one decides how the training begins.  Without such draws the scales stay.

    :param energies: potentials at draws of the approximations with their scales `STRETCHED`, (N, K) each; those that
        are not finite count as the worst.
    :param points: the same standard normal points of all, (N, K, D), but for the first, which is 0.
    :returns: one array (K,) of each of `SHRINKS`, all but one of a component's numbers 0.
    """
    least, bounds = -float(xp.finfo(points).max), []
    square, dimension = 0.5 * xp.sum(points * points, axis=-1), points.shape[-1]
    for shrink, wide, energy in zip(SHRINKS, STRETCHED, energies, strict=False):
        under = xp.where(xp.abs(energy) < -least, wide**2 * square - energy, least)
        excess = under[0] + xp.max(-under, axis=0)
        bounds.append(dimension * (math.log(shrink) - 0.5 * shrink**2) - xp.maximum(excess, ALLOWED))
    best = functools.reduce(xp.maximum, bounds)
    left, flags = 0.0 * best + 1.0, []
    for bound in bounds:
        flags.append(left * xp.indicator(bound >= best, like=best))
        left = left - flags[-1]
    return flags


def masses(xp: Namespace[Array], log_p: Array, log_q: Array) -> Array:
    """log of the mass that the target has around each of K components, (K,), up to a common constant.

    By importance sampling from the mixture of equal weights: sum_i r_k(x_i) p(x_i) / q(x_i), the ratios cut at
    sqrt(N) times their mean (Ionides 2008), so that no one draw decides.  No component has less than e^-10 of the most.

    :param log_p: at N draws, as many of each component, (N,); NaN counts as none.
    :param log_q: of each component at these draws, (N, K).
    """
    count, most = log_p.shape[-1], float(xp.finfo(log_p).max)
    log_p = xp.where(xp.abs(log_p) < most, log_p, -most + 0.0 * log_q[..., 0])
    top = xp.max(log_q, axis=-1, keepdims=True)
    shares = xp.exp(log_q - top)
    total = xp.sum(shares, axis=-1, keepdims=True)
    log_ratio = log_p - top[..., 0] - xp.log(total[..., 0])
    ratio = xp.exp(log_ratio - xp.max(log_ratio, axis=-1, keepdims=True))
    ratio = xp.minimum(ratio, count**-0.5 * xp.sum(ratio, axis=-1, keepdims=True))
    found = xp.sum(shares / total * ratio[..., None], axis=-2)
    return xp.log(xp.maximum(found, LEAST_MASS * xp.max(found, axis=-1, keepdims=True)))
