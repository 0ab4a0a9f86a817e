"""Every continuous class of both modules is reparameterized in all its parameters, or stands here with the reason."""

import functools
import inspect

import numpy as np

from tests.adapters import ADAPTERS, over
from tests.shared.test_hosts_vectors import VERIFIED

ABSTRACT = "a base class, or a wrapper that is what its base is"
FLAT = "no distribution to draw from"
NO_GRADIENT = "its draws have no derivative in what they are made of"
DENSITY = "a density alone"
GATE = "its gate is discrete"
FAULT = "`check_reparameterized` says what is wrong"
# name -> why; a class that is reparameterized has no place here
REASONS = {
    "pyro": {
        **dict.fromkeys(("TorchDistribution", "ExponentialFamily"), ABSTRACT),
        **dict.fromkeys(("ImproperUniform", "Unit"), FLAT),
        **dict.fromkeys(
            ("CoalescentTimes", "CoalescentTimesWithRate", "TruncatedPolyaGamma", "Empirical"), NO_GRADIENT
        ),
        **dict.fromkeys(("VonMises3D", "GaussianMRF", "GroupedNormalNormal", "GammaGaussianHMM"), DENSITY),
        **dict.fromkeys(
            ("Rejector", "RelaxedBernoulliStraightThrough", "RelaxedOneHotCategoricalStraightThrough"), FAULT
        ),
        "DiscreteHMM": "a chain of discrete states",
        **dict.fromkeys(("OneOneMatching", "OneTwoMatching"), "discrete"),
        "LKJCorrCholesky": "the former name of LKJCholesky, which warns",
        "ZeroInflatedDistribution": GATE,
        **dict.fromkeys(
            ("IntervalCensoredDistribution", "LeftCensoredDistribution", "RightCensoredDistribution"),
            "a draw may lie on a bound: a likelihood",
        ),
    },
    "numpyro": {
        **dict.fromkeys(("Distribution", "ExpandedDistribution", "Independent", "MaskedDistribution"), ABSTRACT),
        **dict.fromkeys(("TransformedDistribution", "FoldedDistribution"), ABSTRACT),
        **dict.fromkeys(("ImproperUniform", "Unit"), FLAT),
        **dict.fromkeys(
            ("CirculantNormal", "EulerMaruyama", "GaussianStateSpace"),
            "right in the host, which does not declare it: test_hosts_vectors.py",
        ),
        **dict.fromkeys(
            ("HurdleGamma", "HurdleLogNormal", "HurdleLogits", "HurdleProbs"),
            "its gate is discrete",
        ),
        **dict.fromkeys(
            ("LeftTruncatedGamma", "RightTruncatedGamma", "TwoSidedTruncatedGamma"),
            "of the bounds alone; TruncatedDistribution(Gamma(...)) is, in all",
        ),
        "TruncatedPolyaGamma": NO_GRADIENT,
        **dict.fromkeys(
            ("IntervalCensoredDistribution", "LeftCensoredDistribution", "RightCensoredDistribution"),
            "a draw may lie on a bound: a likelihood",
        ),
    },
}
# Of which an instance tells, by what it is made of; and one without parameters.
ASKED = {
    "SineSkewed", "MixtureSameFamily", "MixtureGeneral", "ConditionalChain", "Implicit", "ImplicitDensity",
    "GaussianCopula", "GaussianCopulaBeta", "Truncated", "TruncatedDistribution", "LeftTruncatedDistribution",
    "RightTruncatedDistribution", "TwoSidedTruncatedDistribution", "LKJ", "Delta", "MaskedMixture", "SphericalUniform",
    "Wrapped",
}  # fmt: skip


def classes(adapter):
    """name -> class, of all that the module lists."""
    base = adapter.Distribution if not adapter.eager else adapter.TransformedDistribution.__mro__[1]
    found = {name: getattr(adapter.dist, name) for name in adapter.dist.__all__}
    return {name: cls for name, cls in found.items() if isinstance(cls, type) and issubclass(cls, base)}


def is_discrete(cls):
    try:
        return bool(cls.support.is_discrete)
    except (AttributeError, NotImplementedError):
        return False


def says_so(adapter, cls):
    """Whether the class says that it is reparameterized in all its parameters."""
    if adapter.eager:
        return bool(getattr(cls, "has_rsample", False)) and not adapter.irg.registry.TWINS.host_fault(cls)
    return set(cls.reparametrized_params) == set(cls.arg_constraints) and bool(cls.reparametrized_params)


def test_every_class(adapter):
    reasons, found = REASONS[adapter.name], classes(adapter)
    right = {name for name, cls in found.items() if is_discrete(cls) or name in ASKED or says_so(adapter, cls)}
    missing = found.keys() - right - reasons.keys()
    assert not missing, f"not reparameterized, and no reason given: {sorted(missing)}"
    stale = {
        name for name in reasons if name not in found or (name in right and not reasons[name].startswith("of the"))
    }
    assert not stale - ASKED, f"no longer needed: {sorted(stale)}"


# wrappers, each a class with a test of its own, and what has no parameter to move
OF_OTHERS = {
    "Delta", "ExpandedDistribution", "FoldedDistribution", "Independent", "MaskedDistribution", "MaskedMixture",
    "TransformedDistribution",
}  # fmt: skip


def test_what_is_passed_on_is_verified(adapter):
    """A host's own class has a record, which the table's rows hold to mpmath, or its gradient's test, or a reason."""
    known = VERIFIED | OF_OTHERS | {cls.__name__ for cls in adapter.dist.host_families.HOST_FAMILIES}
    reasons = REASONS[adapter.name].keys() - VERIFIED
    passed = {
        name
        for name, cls in classes(adapter).items()
        if cls is getattr(adapter.host, name, None) and not is_discrete(cls)
    }
    assert passed - known - reasons == set()


# constraint, by its host's name -> a value inside
VALUES = {
    "Real": 0.4,
    "IndependentConstraint": (0.4, 0.2),
    "RealVector": (0.4, -0.2),
    "GreaterThan": 2.5,
    "GreaterThanEq": 2.5,
    "LessThan": -2.5,
    "Interval": 0.3,
    "HalfOpenInterval": 0.3,
    "UnitInterval": 0.3,
    "Simplex": (0.3, 0.7),
    "Sphere": (0.6, 0.8),
    "LowerCholesky": ((1.0, 0.0), (0.5, 1.2)),
    "PositiveDefinite": ((1.5, 0.5), (0.5, 1.2)),
    "CorrCholesky": ((1.0, 0.0), (0.6, 0.8)),
    "CorrMatrix": ((1.0, 0.6), (0.6, 1.0)),
}


def value_of(constraint):
    """None where nobody knows."""
    name = type(constraint).__name__.strip("_")
    if name == "Dependent":
        return None
    if hasattr(constraint, "lower_bound") and hasattr(constraint, "upper_bound"):
        low, high = constraint.lower_bound, constraint.upper_bound
        return low + 0.3 * (high - low) if np.ndim(low) == 0 and np.ndim(high) == 0 else None
    if hasattr(constraint, "lower_bound"):
        return float(constraint.lower_bound) + 2.5
    return VALUES.get(name)


@functools.cache
def moving(adapter):
    """name -> the parameters of the classes that can be made of them alone."""
    found = {}
    for name, cls in classes(adapter).items():
        constraints = cls.arg_constraints
        if is_discrete(cls) or not isinstance(constraints, dict) or not constraints or name in REASONS[adapter.name]:
            continue
        values = {parameter: value_of(c) for parameter, c in constraints.items()}
        for one, *others in (("logits", "probs"), ("scale_tril", "covariance_matrix", "precision_matrix")):
            for other in others if one in values else ():
                values.pop(other, None)
        values |= {parameter: 4.0 for parameter in ("high", "upper_bound") if parameter in values}
        if all(value is not None for value in values.values()):
            try:
                cls(**adapter.arrays(values), validate_args=False)
            except (TypeError, ValueError, AssertionError, AttributeError):
                continue  # it takes more than its parameters
            found[name] = values
    return found


def test_most_are_looked_at(adapter):
    assert len(moving(adapter)) > 45 and {"Gamma", "VonMisesFisher", "MultivariateStudentT"} <= moving(adapter).keys()


@over(
    {name: name for a in ADAPTERS for name in moving(a)},
    "name",
    # (whose tracing takes seconds; its own tests have it)
    when=lambda a, name: name in moving(a) and (a.eager or name != "SineBivariateVonMises"),
)
def test_draws_move_with_every_parameter(adapter, name):
    """By their derivatives; in NumPyro without a number."""
    cls, params = getattr(adapter.dist, name), adapter.arrays(moving(adapter)[name])

    def draw(params):
        x = adapter.draw(cls(**params, validate_args=False), adapter.key(0))
        weights = adapter.array(np.linspace(1.0, 2.0, int(np.prod(x.shape)))).reshape(x.shape)
        return (x * x * weights).sum() + (x * weights).sum()

    if adapter.eager:
        slopes = adapter.slopes(draw)(params)
        still = [parameter for parameter, slope in slopes.items() if (adapter.numpy(slope) == 0.0).all()]
    else:
        used = adapter.irg.reparam._moves_with(draw, params)
        still = [parameter for parameter in params if not used[parameter]]
    assert not still, f"{name} does not move with {still}"


def test_docstrings_describe_every_parameter(adapter):
    """What record and class say together, in the words of the library."""
    others = "number or array" if adapter.eager else "number or tensor"
    for name, cls in classes(adapter).items():
        if name in adapter.dist.IMPLICIT and hasattr(cls, "family"):
            doc = inspect.getdoc(cls)
            first, *rest = doc.split("\n\n")
            for parameter in cls.arg_constraints:
                assert f":param {parameter}:" in "\n".join(rest), (name, parameter)
            assert ":raises ValueError:" in doc and others not in doc and ":param" not in first, name
