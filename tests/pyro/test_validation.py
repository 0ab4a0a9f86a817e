"""Bad input: Pyro's own switch and behaviour, and messages that name the argument."""

import subprocess
import sys

import pyro
import pyro.distributions as host
import pytest
import torch

import pyro_irg.distributions as dist
from tests.laws import LAWS

REAL = ("loc",)  # the arguments that may be negative
laws = pytest.mark.parametrize("law", LAWS, ids=str)
arguments = pytest.mark.parametrize(
    ("law", "name"), [(law, name) for law in LAWS for name in law.points[0]], ids=lambda v: str(v)
)


def with_bad(law, name, value, **options):
    """The distribution with one argument replaced; of a Dirichlet's concentration, one component."""
    good = {key: torch.tensor(p) for key, p in law.points[0].items()}
    bad = torch.tensor(value)
    if law.name == "Dirichlet" and bad.ndim == 0:
        bad = torch.stack([torch.tensor(1.0), bad, torch.tensor(2.0)])
    return getattr(dist, law.name)(**{**good, name: bad}, **options)


@arguments
@pytest.mark.parametrize("value", [-1.0, 0.0, torch.nan])
def test_outside_the_constraint(law, name, value):
    if name in REAL and value == value:
        with_bad(law, name, value)  # allowed
    else:
        with pytest.raises(ValueError, match=rf"Expected parameter {name} \(Tensor of shape .* to satisfy the constr"):
            with_bad(law, name, value)


@arguments
def test_infinite(law, name):
    """Which the host's constraints let through."""
    with pytest.raises(ValueError, match=rf"Expected parameter {name} .* of distribution {law.name} to be finite"):
        with_bad(law, name, torch.inf)


@arguments
def test_one_bad_member_of_a_batch(law, name):
    value = [[1.0, 2.0, torch.nan]] if law.name == "Dirichlet" else [1.0, torch.nan]
    with pytest.raises(ValueError, match=rf"Expected parameter {name} \(Tensor of shape \("):
        with_bad(law, name, value)


@arguments
@pytest.mark.parametrize("value", ["1.0", [1.0, 2.0], None], ids=["str", "list", "None"])
def test_neither_number_nor_tensor(law, name, value):
    with pytest.raises(ValueError, match=rf"{law.name}: {name} must be .*, got {type(value).__name__}; write .*{name}"):
        getattr(dist, law.name)(**{**law.points[0], name: value})


@pytest.mark.parametrize("law", [law for law in LAWS if len(law.points[0]) > 1], ids=str)
def test_shapes_that_do_not_broadcast(law):
    wrong = {name: torch.ones(2 + i) for i, name in enumerate(law.points[0])}
    first, second = list(wrong)[:2]
    message = rf"{law.name}: {first} of shape \(2,\) and {second} of shape \(3,\).* cannot be broadcast together"
    with pytest.raises(ValueError, match=message):
        getattr(dist, law.name)(**wrong)


def test_dirichlet_without_axes():
    for concentration in (2.0, torch.tensor(2.0)):
        with pytest.raises(ValueError, match="`concentration` parameter must be at least one-dimensional"):
            dist.Dirichlet(concentration)


@laws
def test_missing_argument(law):
    first = next(iter(law.points[0]))
    rest = {name: value for name, value in law.points[0].items() if name != first}
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{first}'"):
        getattr(dist, law.name)(**rest)


# ------------------------------------------------------------------------------------------------------- the switch


@arguments
def test_validate_args_false(law, name, request):
    """Upstream: torch's StudentT keeps a Chi2 inside that validates all the same."""
    if (law.name, name) == ("StudentT", "df"):
        with pytest.raises(ValueError, match="Expected parameter df"):
            host.StudentT(-1.0, validate_args=False)
        request.applymarker(pytest.mark.xfail(raises=ValueError, strict=True, reason="torch's class does the same"))
    for value in (-1.0, torch.inf):
        with_bad(law, name, value, validate_args=False)


@arguments
def test_hosts_switch(law, name):
    with pyro.validation_enabled(False):
        with_bad(law, name, -1.0)
        with_bad(law, name, torch.inf)
        if name not in REAL:
            with pytest.raises(ValueError, match=rf"Expected parameter {name}\b"):
                with_bad(law, name, -1.0, validate_args=True)
    with pyro.validation_enabled(True), pytest.raises(ValueError, match=rf"Expected parameter {name}\b"):
        with_bad(law, name, torch.nan)


@laws
def test_expand_keeps_the_switch(law):
    outside = torch.tensor(law.outside[0])
    for validate in (True, False):
        d = getattr(dist, law.name)(**{k: torch.tensor(v) for k, v in law.points[0].items()}, validate_args=validate)
        d = d.expand([2])
        if validate:
            with pytest.raises(ValueError, match="to be within the support"):
                d.log_prob(outside)
        else:
            d.log_prob(outside)


def test_sampling_bad_parameters_ends():
    """Without validation a rejection sampler must give NaN, not run for ever.  In a process that can be ended."""
    code = """
import torch, pyro_irg.samplers as samplers
good, bad = torch.tensor([2.0, 0.5]), torch.tensor([-1e6, -10.0, -1.0, -1e-3, torch.nan, torch.inf, -torch.inf])
x = torch.cat([good, bad])
logits = samplers.standard_beta_logit(x, torch.ones(9)), samplers.standard_beta_logit(torch.ones(9), x)
angle, gamma, t = samplers.standard_von_mises(x), samplers.standard_gamma(x), samplers.standard_student_t(x)
assert angle[:2].isfinite().all() and angle[6:].isnan().all(), angle
for found in (gamma[0], gamma[1], t[1], *logits):
    assert found[:2].isfinite().all() and not found[2:].isfinite().any(), found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


# ----------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(("law", "value"), [(law, v) for law in LAWS for v in law.outside], ids=str)
def test_value_outside_the_support(law, value):
    """ValueError, as the host's class."""
    found = {name: torch.tensor(p) for name, p in law.points[0].items()}
    modules = [dist, host] if hasattr(host, law.name) else [dist]
    for module in modules:
        with pytest.raises(ValueError, match=r"Expected value argument .* to be within the support .* of the distrib"):
            getattr(module, law.name)(**found).log_prob(torch.tensor(value))
    getattr(dist, law.name)(**found, validate_args=False).log_prob(torch.tensor(value))


@laws
def test_value_of_wrong_shape(law):
    d = getattr(dist, law.name)(**{name: torch.tensor(p) for name, p in law.points[0].items()}).expand([3])
    value = d.sample()[:2]
    with pytest.raises(ValueError, match=r"Value is not broadcastable with batch_shape\+event_shape"):
        d.log_prob(value)
