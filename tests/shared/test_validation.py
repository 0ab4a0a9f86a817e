"""Bad input: the host's own switch and behaviour, and messages that name the argument."""

import subprocess
import sys

import numpy as np
import pytest

from tests.adapters import ADAPTERS, in_host, over
from tests.families import FAMILIES, SEVERAL_PARAMETERS

each = over(FAMILIES)
arguments = pytest.mark.parametrize(
    ("adapter", "family", "name"),
    [pytest.param(a, f, n, id=f"{a.name}-{f}-{n}") for a in ADAPTERS for f in FAMILIES for n in f.points[0]],
)


def with_bad(adapter, family, name, value, **options):
    """The distribution with one argument replaced; of a Dirichlet's concentration, one component."""
    if family.of_vectors and np.ndim(value) == 0:
        value = [1.0, value, 2.0]
    good = adapter.arrays(family.points[0])
    return getattr(adapter.dist, family.name)(**{**good, name: adapter.array(value)}, **options)


def invalid(adapter, name):
    """What the host says of a parameter."""
    return pytest.raises(ValueError, match=adapter.INVALID.format(name=name))


def may_be_negative(adapter, family, name):
    constraint = getattr(adapter.dist, family.name).arg_constraints[name]
    return adapter.numpy(adapter.contains(constraint, adapter.array([-1.0]))).all()


@arguments
@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_outside_the_constraint(adapter, family, name, value):
    if may_be_negative(adapter, family, name) and value == value:
        with_bad(adapter, family, name, value)  # allowed
    else:
        with invalid(adapter, name):
            with_bad(adapter, family, name, value)


@arguments
def test_infinite(adapter, family, name):
    """Which the host's constraints let through, Pyro's all and NumPyro's some."""
    with pytest.raises(ValueError, match=adapter.INFINITE.format(name=name, family=family.name)):
        with_bad(adapter, family, name, np.inf)


@arguments
def test_one_bad_member_of_a_batch(adapter, family, name):
    with invalid(adapter, name):
        with_bad(adapter, family, name, [[1.0, 2.0, np.nan]] if family.of_vectors else [1.0, np.nan])


@arguments
@pytest.mark.parametrize("value", ["1.0", [1.0, 2.0], None], ids=["str", "list", "None"])
def test_neither_number_nor_array(adapter, family, name, value):
    kind = type(value).__name__
    with pytest.raises(ValueError, match=rf"{family.name}: {name} must be .*, got {kind}; write .*{name}"):
        getattr(adapter.dist, family.name)(**{**family.points[0], name: value})


@over(SEVERAL_PARAMETERS)
def test_shapes_that_do_not_broadcast(adapter, family):
    wrong = {name: adapter.array(np.ones(2 + i)) for i, name in enumerate(family.points[0])}
    first, second = list(wrong)[:2]
    message = rf"{family.name}: {first} of shape \(2,\) and {second} of shape \(3,\).* cannot be broadcast together"
    with pytest.raises(ValueError, match=message):
        getattr(adapter.dist, family.name)(**wrong)


def test_dirichlet_without_axes(adapter):
    for concentration in (2.0, adapter.array(2.0)):
        with pytest.raises(ValueError, match="`concentration` parameter must be at least one-dimensional"):
            adapter.dist.Dirichlet(concentration)


@each
def test_missing_argument(adapter, family):
    first, *others = family.points[0]
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{first}'"):
        getattr(adapter.dist, family.name)(**{name: family.points[0][name] for name in others})


# ------------------------------------------------------------------------------------------------------- the switch


@arguments
def test_validate_args_false(adapter, family, name):
    """Upstream: some of the hosts' classes keep a distribution inside that validates all the same."""
    if (family.name, name) in adapter.VALIDATES_ALWAYS:
        with pytest.raises(ValueError, match=r"got invalid|Expected parameter"):
            getattr(adapter.host, family.name)(**{**family.points[0], name: -1.0}, validate_args=False)
    for value in (-1.0, np.inf):
        with_bad(adapter, family, name, value, validate_args=False)


@arguments
def test_hosts_switch(adapter, family, name):
    with adapter.validation_enabled(False):
        with_bad(adapter, family, name, -1.0)
        with_bad(adapter, family, name, np.inf)
        if not may_be_negative(adapter, family, name):
            with invalid(adapter, name):
                with_bad(adapter, family, name, -1.0, validate_args=True)
    with adapter.validation_enabled(True), invalid(adapter, name):
        with_bad(adapter, family, name, np.nan)


# A rejection sampler must give NaN, not run for ever; NumPyro's parameters are traced, which nobody validates.
BAD = {
    "pyro": """
import numpy as np, torch, pyro_irg.samplers as samplers
def draw(x):
    x = torch.tensor(x)
    one = torch.ones_like(x)
    logits = samplers.standard_beta_logit(x, one), samplers.standard_beta_logit(one, x)
    gamma, t = samplers.standard_gamma(x), samplers.standard_student_t(x)
    return samplers.standard_von_mises(x), gamma[0], gamma[1], t[1], *logits
""",
    "numpyro": """
import numpy as np, jax, jax.numpy as jnp, numpyro_irg.samplers as samplers
@jax.jit
def draw(x):
    one, key = jnp.ones_like(x), jax.random.key(0)
    logits = samplers.standard_beta_logit(key, x, one), samplers.standard_beta_logit(key, one, x)
    gamma, t = samplers.standard_gamma(key, x), samplers.standard_student_t(key, x)
    return samplers.standard_von_mises(key, x), gamma[0], gamma[1], t[1], *logits
""",
}


def test_sampling_bad_parameters_ends(adapter):
    """In a process that can be ended."""
    code = f"""{BAD[adapter.name]}
good, bad = [2.0, 0.5], [-1e6, -10.0, -1.0, -1e-3, np.nan, np.inf, -np.inf]
angle, *others = map(np.asarray, draw(np.float32([*good, *bad])))
assert np.isfinite(angle[:2]).all() and np.isnan(angle[6:]).all(), angle
for found in others:
    assert np.isfinite(found[:2]).all() and not np.isfinite(found[2:]).any(), found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


NOT_NUMBERS = {
    "StudentT": lambda dist, bad: dist.StudentT(bad, 0.0, 1.0, validate_args=False),
    "NoncentralChi2": lambda dist, bad: dist.NoncentralChi2(3.0, bad, validate_args=False),
    "TruncatedNormal": lambda dist, bad: dist.TruncatedNormal(bad, 1.0, low=-1.0, high=2.0, validate_args=False),
}


@pytest.mark.parametrize("name", NOT_NUMBERS)
def test_draws_of_what_is_no_number(adapter, name):
    """NaN, of that element alone; never a number that looks like a draw, such as a bound."""
    x = adapter.numpy(
        adapter.detached_draw(NOT_NUMBERS[name](adapter.dist, adapter.array([2.0, np.nan])), adapter.key(0))
    )
    assert np.isfinite(x[0]) and np.isnan(x[1])


# ----------------------------------------------------------------------------------------------------------- values


VALUES = {f"{family}-{value}": (family, value) for family in FAMILIES for value in family.outside}


@over(VALUES, "case")
def test_value_outside_the_support(adapter, case):
    """As the host's class: an error in Pyro; a warning and -inf in NumPyro."""
    family, value = case
    params = adapter.arrays(family.points[0])
    for module in [adapter.dist, adapter.host] if in_host(adapter, family) else [adapter.dist]:
        d = getattr(module, family.name)(**params, validate_args=True)
        with adapter.outside_the_support() as found:
            found.append(d.log_prob(adapter.array(value)))
        assert all(adapter.numpy(v) == -np.inf for v in found)
    with adapter.validation_enabled(False):
        assert getattr(adapter.dist, family.name)(**params).log_prob(adapter.array(value)).shape == ()


OUT_OF_ORDER = {
    "Triangular": ({"low": 0.0, "high": 1.0, "peak": 2.0}, "Triangular: peak must not exceed high, but peak is"),
    "PERT": ({"low": 1.0, "peak": 0.5, "high": 2.0}, "PERT: low must not exceed peak, but low is"),
    "LogUniform": ({"low": 2.0, "high": 1.0}, "LogUniform: low must be less than high, but low is"),
    "DoublyTruncatedPowerLaw": ({"alpha": 1.0, "low": 2.0, "high": 2.0}, "low must be less than high"),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_ends_out_of_order(adapter, name):
    params, message = OUT_OF_ORDER[name]
    make = getattr(adapter.dist, name)
    with adapter.validation_enabled(True), pytest.raises(ValueError, match=message):
        make(**params)
    make(**params, validate_args=False)
