"""KL divergences of pairs of univariate distributions and their derivatives, by mpmath: `python -m tests.divergences`
writes `divergences.json`; with names of families, their pairs alone.

The densities are the rows' own; the class's quantiles only say where the integral is split.
"""

import json
import sys
from pathlib import Path

import pyro.distributions as host
import torch
from mpmath import mp

import pyro_irg.distributions as dist
from tests.families import BY_NAME

FILE = Path(__file__).with_suffix(".json")

# (name, parameters of p), (name, of q), in the order of the record
SAME = {
    "AffineBeta": [(2.0, 3.0, 0.5, 1.0), (1.5, 0.5, 0.25, 2.0)],
    "AsymmetricLaplace": [(1.5, 0.5, 2.0), (0.5, -1.0, 1.0)],
    "AsymmetricLaplaceQuantile": [(0.25, 0.5, 2.0), (0.75, -1.0, 1.0)],
    "BetaPrime": [(2.5, 4.0), (0.5, 1.5)],
    "ContinuousBernoulli": [(1.5,), (-3.0,)],
    "Dagum": [(2.5, 3.0, 2.0), (0.5, 1.5, 0.5)],
    "DoublyTruncatedPowerLaw": [(-2.5, 1.0, 3.0), (1.5, 0.5, 4.0)],
    "ExponentiallyModifiedGaussian": [(0.5, 2.0, 1.5), (-1.0, 1.0, 0.5)],
    "FisherSnedecor": [(5.0, 9.0), (1.0, 30.0)],
    "GeneralizedExtremeValue": [(0.25, 0.5, 2.0), (0.5, -1.0, 4.0)],
    "GeneralizedGamma": [(2.5, 2.0, 1.5), (0.75, 1.0, 1.25)],
    "GeneralizedInverseGaussian": [(1.5, 2.0, 0.5), (-0.5, 1.0, 2.0)],
    "GeneralizedNormal": [(1.5, 0.5, 2.0), (0.75, -1.0, 1.0)],
    "GeneralizedPareto": [(0.25, 0.5, 2.0), (1.5, -1.0, 0.25)],
    "Gompertz": [(0.5, 2.0), (3.0, 0.25)],
    "HalfStudentT": [(5.0, 2.0), (1.5, 0.25)],
    "JohnsonSU": [(0.5, 2.0, 0.5, 2.0), (-1.0, 1.5, -1.0, 0.25)],
    "Kumaraswamy": [(2.5, 0.75), (0.5, 3.0)],
    "Laplace": [(0.5, 2.0), (-1.0, 0.25)],
    "Levy": [(0.5, 2.0), (-1.0, 0.25)],
    "LogUniform": [(1.0, 1.5), (0.5, 4.0)],
    "LogitNormal": [(0.5, 2.0), (-1.0, 1.0)],
    "LowerTruncatedPowerLaw": [(-3.5, 1.5), (-1.5, 0.5)],
    "Maxwell": [(2.0,), (0.5,)],
    "Nakagami": [(2.5, 2.0), (0.75, 0.5)],
    "NoncentralChi2": [(3.0, 2.0), (1.5, 6.0)],
    "NormalInverseGaussian": [(0.5, 2.0, 1.5, 0.5), (0.0, 1.0, 2.0, -1.0)],
    "PERT": [(0.5, 1.5, 2.0, 4.0), (0.0, 0.75, 2.5, 1.5)],
    "Pareto": [(1.5, 2.5), (0.5, 0.5)],
    "Rayleigh": [(2.0,), (0.5,)],
    "RelaxedBernoulli": [(0.75, 0.5), (0.5, -1.0)],
    "Rice": [(1.5, 0.5), (0.5, 2.0)],
    "SkewLogistic": [(2.5, 0.5, 2.0), (0.5, -1.0, 0.25)],
    "SkewNormal": [(3.0, 0.5, 2.0), (-0.5, -1.0, 1.0)],
    "SoftAsymmetricLaplace": [(1.5, 0.75, 0.5, 2.0), (0.5, 2.0, -1.0, 0.25)],
    "SoftLaplace": [(0.5, 2.0), (-1.0, 0.25)],
    "Triangular": [(0.5, 4.0, 1.5), (0.0, 5.0, 0.75)],
    "Weibull": [(2.0, 1.5), (0.5, 0.5)],
}
MIXED = [
    ("Gamma", (2.5, 0.5), "Weibull", (2.0, 0.75)),
    ("Weibull", (2.0, 0.75), "Gamma", (0.5, 0.25)),
    ("LogNormal", (0.5, 0.75), "GeneralizedGamma", (1.5, 2.0, 0.5)),
    ("InverseGaussian", (1.5, 4.0), "InverseGamma", (2.0, 3.0)),
    ("Normal", (0.5, 2.0), "NormalInverseGaussian", (0.0, 1.0, 2.0, -1.0)),
    ("SkewNormal", (3.0, 0.5, 2.0), "Cauchy", (0.0, 0.001)),
    ("StudentT", (4.5, 0.5, 2.0), "GeneralizedNormal", (2.0, 0.0, 1.0)),
    ("Beta", (0.5, 3.0), "Kumaraswamy", (2.5, 0.75)),
    ("Kumaraswamy", (0.5, 3.0), "Beta", (2.0, 0.25)),
    ("Triangular", (0.25, 0.75, 0.5), "Beta", (3.0, 0.25)),
    ("LogitNormal", (0.5, 2.0), "ContinuousBernoulli", (1.5,)),
    ("JohnsonSU", (0.5, 2.0, 0.5, 2.0), "Logistic", (0.0, 0.5)),
    ("Rayleigh", (2.0,), "Gumbel", (0.5, 1.0)),
    ("Rice", (1.5, 0.5), "HalfNormal", (3.0,)),
    ("Pareto", (1.5, 2.5), "GeneralizedPareto", (0.5, 0.5, 2.0)),
    ("Chi2", (3.0,), "NoncentralChi2", (3.0, 2.0)),
    # near each other
    ("Weibull", (2.0, 1.5), "Weibull", (2.0, 1.5009765625)),
    ("StudentT", (6.0, 0.5, 2.0), "SkewLogistic", (1.0, 0.5, 1.25)),
    ("Exponential", (1.0,), "Weibull", (1.0, 1.0009765625)),
]  # fmt: skip
PAIRS = [(name, p, name, q) for name, (p, q) in SAME.items()] + MIXED


def key(pair) -> str:
    return " ".join(map(str, pair))


def make(module, other, array, name, params):
    """:param other: where the class is, if not in `module`."""
    cls = getattr(module, name) if hasattr(module, name) else getattr(other, name)
    return cls(**{k: array(v) for k, v in named(name, params).items()})


def named(name, params):
    parameters = tuple(_family(name).parameters)
    return dict(zip(parameters, params, strict=True))


def _family(name):
    from irg_kernels.adapter.host_families import HOST_FAMILIES

    return getattr(getattr(dist, name, None), "family", None) or HOST_FAMILIES[name]


def _ends(name, params):
    known = {
        "DoublyTruncatedPowerLaw": lambda a, low, high: (low, high),
        "GeneralizedExtremeValue": lambda c, loc, scale: (loc - scale / c, mp.inf),
        "GeneralizedPareto": lambda c, loc, scale: (loc, mp.inf),
        "AffineBeta": lambda a, b, loc, scale: (loc, loc + scale),
        "Levy": lambda loc, scale: (loc, mp.inf),
        "LogUniform": lambda low, high: (low, high),
        "LowerTruncatedPowerLaw": lambda a, low: (low, mp.inf),
        "PERT": lambda low, peak, high, t: (low, high),
        "Pareto": lambda scale, a: (scale, mp.inf),
        "Triangular": lambda low, high, peak: (low, high),
    }
    if name in known:
        return known[name](*params)
    return tuple(mp.mpf(e) for e in _family(name).support)


def _places(name, params):
    fn = make(dist, host, lambda v: torch.tensor(v, dtype=torch.float64), name, params)
    quantiles = torch.tensor([1e-9, 1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1 - 1e-9], dtype=torch.float64)
    at = fn.icdf(quantiles).tolist()
    width = at[5] - at[3]
    return at + [at[4] + s * width * 8.0**k for s in (-1, 1) for k in range(1, 14)]


def _kink(name, params):
    return {"Triangular": 2, "AsymmetricLaplace": 1, "AsymmetricLaplaceQuantile": 1, "GeneralizedNormal": 1}.get(name)


def _log_density(name):
    if name == "AffineBeta":
        of_beta = BY_NAME["Beta"].log_density
        return lambda x, a, b, loc, scale: of_beta((x - loc) / scale, a, b) - mp.log(scale)
    return BY_NAME[name].log_density


def truth(pair) -> list[float]:
    """The divergence, and its derivatives in every parameter of p and of q."""
    name, p, other, q = pair
    log_p, log_q = _log_density(name), _log_density(other)
    fixed = _places(name, p) + _places(other, q)

    def value(*params):
        mine, theirs = params[: len(p)], params[len(p) :]
        low, high = _ends(name, mine)
        moving = [of[k] for which, of in ((name, mine), (other, theirs)) if (k := _kink(which, of)) is not None]
        if name == "Laplace":
            moving += [mine[0], theirs[0]]
        inside = sorted({mp.mpf(x) for x in (*fixed, *moving) if low < x < high})

        def integrand(x):
            at = log_p(x, *mine) if low < x < high else mp.ninf
            if isinstance(at, mp.mpc):  # at an end, rounded
                return mp.zero
            return mp.exp(at) * (at - log_q(x, *theirs)) if at > -2000 else mp.zero

        return mp.quad(integrand, [low, *inside, high])

    with mp.workdps(25):
        at = [mp.mpf(v) for v in (*p, *q)]
        found = [value(*at)]
        for i in range(len(at)):
            step = mp.mpf("1e-4") * abs(at[i]) or mp.mpf("1e-7")  # a location may be 0 beside a small scale
            moved = [value(*(v + s * step * (k == i) for k, v in enumerate(at))) for s in (-2, -1, 1, 2)]
            found.append((moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * step))
        return [float(v) for v in found]


def main(names):
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    for pair in PAIRS:
        if (names and not {pair[0], pair[2]} & set(names)) or (not names and key(pair) in known):
            continue
        known[key(pair)] = truth(pair)
        print(key(pair), known[key(pair)], flush=True)
        wanted = {k: known[k] for k in map(key, PAIRS) if k in known}
        FILE.write_text(json.dumps(wanted, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
